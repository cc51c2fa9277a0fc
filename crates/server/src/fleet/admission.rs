//! Who may enrol: the decision alone, from what is stored (I3).

use jiff::Timestamp;

use crate::db::enrolment_tokens::EnrolmentTokenRow;
use crate::db::identities::IdentityRow;
use crate::error::Refusal;

/// Who asks to enrol.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// The id that it wants.
    pub client: &'a str,
}

/// What is known of the id, the key and the token.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The token that it showed, if there is such a one.
    pub token: Option<&'a EnrolmentTokenRow>,
    /// Who has the id.
    pub of_client: Option<&'a IdentityRow>,
    /// Whose key it is.
    pub of_key: Option<&'a IdentityRow>,
    /// The key was revoked.
    pub revoked: bool,
    /// An administrator revoked a client of this id, and none was admitted by a token of its own since.
    pub was_revoked: bool,
}

/// How a client is admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// It is enrolled with this key already; the answer was lost on the way. No use of a token is spent.
    Again,
    /// It is new, or nobody has its id any more. Its domain is the token's, whatever it states (D1).
    New(EnrolmentTokenRow),
    /// It comes with a new key, by a token for it alone: the former key is revoked.
    Instead(EnrolmentTokenRow),
}

impl Admission {
    /// The token that admits.
    #[must_use]
    pub fn token(&self) -> Option<&EnrolmentTokenRow> {
        match self {
            Self::Again => None,
            Self::New(token) | Self::Instead(token) => Some(token),
        }
    }
}

/// Decides.
///
/// # Errors
/// A refusal with the hint. A caller without a good token learns nothing of ids and keys.
pub fn admit(asking: Asking<'_>, known: Known<'_>, now: Timestamp) -> Result<Admission, Refusal> {
    if known.of_key.is_some_and(|identity| identity.client == asking.client) {
        return Ok(Admission::Again);
    }
    let token = known.token.ok_or(Refusal::BadToken("is not known here, or was revoked"))?;
    if token.expires <= now {
        return Err(Refusal::BadToken("has expired"));
    }
    if token.uses_left == 0 {
        return Err(Refusal::BadToken("is used up"));
    }
    if token.client.as_ref().is_some_and(|client| client != asking.client) {
        return Err(Refusal::BadToken("is for another client"));
    }
    if known.revoked {
        return Err(Refusal::KeyRevoked);
    }
    if let Some(other) = known.of_key {
        return Err(Refusal::KeyTaken(other.client.clone()));
    }
    if known.was_revoked && token.client.is_none() {
        return Err(Refusal::WasRevoked(asking.client.to_owned()));
    }
    match known.of_client {
        None => Ok(Admission::New(token.clone())),
        Some(_) if token.client.is_some() => Ok(Admission::Instead(token.clone())),
        Some(_) => Err(Refusal::IdTaken(asking.client.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::db::identities::NewestStatements;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn token(client: Option<&str>, uses_left: u32, seconds: i64) -> EnrolmentTokenRow {
        EnrolmentTokenRow {
            number: 1,
            digest: String::new(),
            domain: "root/paris".to_owned(),
            client: client.map(str::to_owned),
            uses: 1,
            uses_left,
            made: NOW,
            expires: NOW + SignedDuration::from_secs(seconds),
        }
    }

    fn identity(client: &str, key: &str) -> IdentityRow {
        IdentityRow {
            client: client.to_owned(),
            key: key.to_owned(),
            public_key: String::new(),
            encryption_key: String::new(),
            enrolled: NOW,
            certificate_end: NOW,
            taken: NewestStatements::default(),
            reports_made: 0,
        }
    }

    /// `pc` asks with key `k`.
    fn check(
        token: Option<EnrolmentTokenRow>,
        of_client: Option<IdentityRow>,
        of_key: Option<IdentityRow>,
        revoked: bool,
        expected: &str,
    ) {
        let known = Known {
            token: token.as_ref(),
            of_client: of_client.as_ref(),
            of_key: of_key.as_ref(),
            revoked,
            was_revoked: false,
        };
        check_known(known, expected);
    }

    fn check_known(known: Known<'_>, expected: &str) {
        let outcome = match admit(Asking { client: "pc" }, known, NOW) {
            Ok(Admission::Again) => "again".to_owned(),
            Ok(Admission::New(token)) => format!("new in {}", token.domain),
            Ok(Admission::Instead(_)) => "instead".to_owned(),
            Err(refusal) => refusal.to_string(),
        };
        assert!(outcome.starts_with(expected), "{outcome}");
    }

    #[test]
    fn who_was_revoked_comes_back_by_a_token_of_its_own_alone() {
        let check = |token: Option<EnrolmentTokenRow>, revoked: bool, expected: &str| {
            let known =
                Known { token: token.as_ref(), of_client: None, of_key: None, revoked, was_revoked: true };
            check_known(known, expected);
        };
        check(Some(token(None, 1, 60)), false, "client pc was revoked; to come back it enrols with");
        check(Some(token(Some("pc"), 1, 60)), false, "new in root/paris");
        check(Some(token(Some("pc"), 1, 60)), true, "this key was revoked");
        check(None, false, "the enrolment token is not known");
        check(Some(token(None, 0, 60)), false, "the enrolment token is used up");
    }

    #[test]
    fn a_token_admits_as_often_as_it_says_and_an_id_has_one_key() {
        let good = || Some(token(None, 1, 60));
        let own = || Some(token(Some("pc"), 1, 60));
        let pc = |key| Some(identity("pc", key));
        check(good(), None, None, false, "new in root/paris");
        check(own(), None, None, false, "new in root/paris");
        check(own(), pc("other"), None, false, "instead");
        check(None, pc("k"), pc("k"), false, "again");
        check(Some(token(None, 0, -60)), pc("k"), pc("k"), false, "again");
        check(None, None, None, false, "the enrolment token is not known");
        check(Some(token(None, 1, 0)), None, None, false, "the enrolment token has expired");
        check(Some(token(None, 0, 60)), None, None, false, "the enrolment token is used up");
        check(Some(token(Some("pc-2"), 1, 60)), None, None, false, "the enrolment token is for another");
        check(good(), pc("other"), None, false, "another key is enrolled as pc");
        check(good(), None, Some(identity("pc-2", "k")), false, "this key is enrolled as pc-2");
        check(good(), None, None, true, "this key was revoked");
        check(None, pc("other"), None, true, "the enrolment token is not known");
    }
}
