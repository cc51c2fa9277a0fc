//! What clients state: verified by the key that is known of them, through whatever carrier, and counted once (I3, U5).

use std::net::IpAddr;

use headwater_api::checkin::{CheckIn, CheckInAnswer, TakenAnswer};
use headwater_api::report::{Report, ReportAnswer};
use headwater_identity::{
    Answer, Peer, PublicKey, Statement, StatementKind, StatementVerifyError, VerifiedStatement,
};
use headwater_policy::ClientId;
use jiff::Timestamp;

use super::clients::Reported;
use super::copies::{self, PastReport};
use super::fleet_keys::FleetKeys;
use super::re_enrolment::{proof, shows_certificate};
use super::sequence::{Arrival, arrival, rising};
use super::service::FleetService;
use crate::audit::Audit;
use crate::db::copies as digests;
use crate::db::identities::{self as rows, IdentityRow};
use crate::db::unknown_clients::{Proof, UnknownClient};
use crate::db::{Tx, to_json};
use crate::error::{Error, Refusal, Result};
use crate::limits;

/// What a change by a statement is in place of an entry in the audit log.
const STATED: Audit = Audit::Exempt("what a client states of itself is in the registry and its reports");

/// A statement that is not accepted, and the client that it claims to be of.
#[derive(Debug)]
pub(crate) enum RejectedStatement {
    /// It is somebody's who is to be noted as an unknown client.
    UnknownClient {
        /// The id that it claims.
        client: String,
        /// Why it is none of us.
        reason: &'static str,
        /// The refusal that it gets.
        refusal: Refusal,
        /// What it has proven all the same, by which key.
        proof: Option<Box<(String, Proof)>>,
    },
    /// Something else failed.
    Failed(Error),
}

/// The certificate that a statement shows.
enum Shown {
    /// None.
    Nothing,
    /// One that a CA of this fleet has not made for this client, or whose key has not signed the statement.
    Forgery,
    /// A good one.
    Proof((String, Proof)),
}

impl<E: Into<Error>> From<E> for RejectedStatement {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl FleetService {
    /// Notes a check-in that its client signed, and answers what is newest.
    ///
    /// # Errors
    /// Refusals for one that is not believed, not new or wrong; for a carrier that may not carry.
    pub async fn check_in(
        &self,
        statement: Statement,
        peer: &Peer,
        from: IpAddr,
        now: Timestamp,
    ) -> Result<Answer> {
        let keys = self.fleet_keys();
        let (mut tx, statement, mut identity) =
            self.take(statement, StatementKind::CheckIn, peer, from, now).await?;
        rising(identity.taken.check_in, statement.sequence())
            .or_else(|refusal| Err(with_answer(&keys, &statement, StatementKind::CheckIn, refusal)?))?;
        let check_in: CheckIn = read(&statement)?;
        about_itself(&statement, &check_in.client)?;
        identity.taken.check_in = statement.sequence();
        identity.reports_made = identity.reports_made.max(check_in.reports_made.min(limits::SEQUENCE_MAX));
        let row = super::clients::row_of_check_in(check_in, now)?;
        let stated = row.versions.clone();
        let domain = self.note_client(&mut tx, row, None, now).await?;
        rows::put(&mut tx, &identity).await?;
        let domain_keys = self.source_list.domain_keys_for(&mut tx, &identity, &domain).await?;
        tx.commit(STATED).await?;
        self.note_versions(&identity.client, &stated, now);
        let answer = CheckInAnswer { domain_keys, ..self.check_in_answer(domain, now) };
        keys.answer(statement.client(), StatementKind::CheckIn, statement.sequence(), to_json(&answer))
    }

    /// Stores a report that its client signed. One that was taken before is answered as if it were new: the client has
    /// not received the answer. Another with the number of one that was taken is refused, and its client continues after
    /// the newest number (I3a).
    ///
    /// # Errors
    /// As [`FleetService::check_in`].
    pub async fn take_report(
        &self,
        statement: Statement,
        peer: &Peer,
        from: IpAddr,
        now: Timestamp,
    ) -> Result<Answer> {
        let keys = self.fleet_keys();
        let (mut tx, statement, mut identity) =
            self.take(statement, StatementKind::Report, peer, from, now).await?;
        let (client, sequence) = (statement.client(), statement.sequence());
        let report: Report = read(&statement)?;
        about_itself(&statement, &report.client)?;
        let row = super::clients::row_of_report(&report, now)?;
        let stated = copies::digest_of((sequence, statement.body()), &report, (client, peer), from, now);
        let digest = stated.digest.clone();
        let missing = rows::gaps(&mut tx, &identity.client).await?;
        match arrival(identity.taken.report, &missing, sequence)? {
            Arrival::Taken { newest, gaps } => {
                let reported = Reported { report: &report, newest: newest == sequence };
                self.note_client(&mut tx, row, Some(reported), now).await?;
                identity.taken.report = newest;
                identity.reports_made = identity.reports_made.max(newest);
                rows::put(&mut tx, &identity).await?;
                if gaps != missing {
                    rows::put_gaps(&mut tx, &identity.client, &gaps).await?;
                }
                digests::remember_report(&mut tx, &identity.client, &stated).await?;
                tx.commit(STATED).await?;
            }
            Arrival::Past => {
                let remembered = digests::newest_reports(&mut tx, &identity.client).await?;
                if let PastReport::Other { found } = copies::judge(&remembered, stated, report.started) {
                    if let Some(found) = &found {
                        copies::note(&mut tx, &identity.client, found).await?;
                        tx.commit(STATED).await?;
                    }
                    let refusal = Refusal::Replayed { taken: identity.taken.report, answer: None };
                    return Err(with_answer(&keys, &statement, StatementKind::Report, refusal)?);
                }
            }
        }
        let answer = to_json(&ReportAnswer { taken: sequence, digest });
        keys.answer(client, StatementKind::Report, sequence, answer)
    }

    /// Begins a change with a statement that is believed: its client brought it, or an update agent.
    async fn take(
        &self,
        statement: Statement,
        kind: StatementKind,
        peer: &Peer,
        from: IpAddr,
        now: Timestamp,
    ) -> Result<(Tx, VerifiedStatement, IdentityRow)> {
        let client = claimed(&statement)?;
        self.may_speak_for(peer, &client).await?;
        let mut tx = self.db.begin().await?;
        match self.believe(&mut tx, statement, kind).await {
            Ok((statement, identity)) => Ok((tx, statement, identity)),
            Err(rejected) => {
                drop(tx);
                Err(self.reject(rejected, from, now).await?)
            }
        }
    }

    /// Verifies a statement by the key that is known of its client.
    pub(crate) async fn believe(
        &self,
        db: &mut crate::db::Connection,
        statement: Statement,
        kind: StatementKind,
    ) -> std::result::Result<(VerifiedStatement, IdentityRow), RejectedStatement> {
        let client = claimed(&statement)?;
        let unknown_client =
            |reason, refusal, proof: Option<(String, Proof)>| RejectedStatement::UnknownClient {
                client: client.to_string(),
                reason,
                refusal,
                proof: proof.map(Box::new),
            };
        let Some(identity) = rows::of_client(db, client.as_str()).await? else {
            let shown = self.certificate_shown(statement, &client, kind);
            let proof = match shown {
                Shown::Proof(proof) => Some(proof),
                Shown::Forgery => {
                    return Err(unknown_client("bad_proof", Refusal::NotEnrolled(client.to_string()), None));
                }
                Shown::Nothing => None,
            };
            if let Some((key, _)) = &proof
                && rows::is_revoked(db, key).await?
            {
                return Err(unknown_client("revoked", Refusal::KeyRevoked, None));
            }
            let refusal = match &proof {
                Some(_) => Refusal::NotReEnrolled(client.to_string()),
                None => Refusal::NotEnrolled(client.to_string()),
            };
            return Err(unknown_client("unknown", refusal, proof));
        };
        let key: PublicKey =
            identity.public_key.parse().map_err(|error: headwater_identity::IdentityError| {
                Error::Corrupt { what: "key of a client", reason: error.to_string() }
            })?;
        match statement.clone().verify(&client, &key, kind) {
            Ok(verified) => Ok((verified, identity)),
            Err(StatementVerifyError::Oversized(max)) => Err(RejectedStatement::from(Refusal::TooLarge {
                what: "the body of a statement".to_owned(),
                limit: max as u64,
                unit: "bytes",
                hint: "no working client states so much at once",
            })),
            // The answer is the same whatever certificate it shows: the list of unknown clients has the details.
            Err(verify_error) => {
                let (reason, proof) = match self.certificate_shown(statement, &client, kind) {
                    Shown::Proof((key, _)) if rows::is_revoked(db, &key).await? => ("revoked", None),
                    Shown::Proof(proof) => ("other_key", Some(proof)),
                    Shown::Forgery => ("bad_proof", None),
                    Shown::Nothing => ("bad_statement", None),
                };
                Err(unknown_client(reason, Refusal::StatementRejected(verify_error.to_string()), proof))
            }
        }
    }

    /// What certificate a statement shows that is not believed by a key that is known.
    fn certificate_shown(&self, statement: Statement, client: &ClientId, kind: StatementKind) -> Shown {
        if kind != StatementKind::Renewal || !shows_certificate(&statement) {
            return Shown::Nothing;
        }
        proof(statement, client, &self.fleet_keys().cas).map_or(Shown::Forgery, Shown::Proof)
    }

    /// Notes the unknown client, if it is one; returns the refusal.
    pub(crate) async fn reject(
        &self,
        rejected: RejectedStatement,
        from: IpAddr,
        now: Timestamp,
    ) -> Result<Error> {
        match rejected {
            RejectedStatement::Failed(error) => Ok(error),
            RejectedStatement::UnknownClient { client, reason, refusal, proof } => {
                let (key, proof) = proof.map_or_else(|| (String::new(), None), |it| (it.0, Some(it.1)));
                let unknown_client =
                    UnknownClient { client: &client, key: &key, reason, proof: proof.as_ref() };
                self.note_unknown_client(unknown_client, from, now).await?;
                Ok(refusal.into())
            }
        }
    }
}

/// Signs the refusal of a number that was taken: a client continues where the server is only by the server's own word,
/// because a carrier that made it use up its numbers would shut it out for ever.
pub(super) fn with_answer(
    keys: &FleetKeys,
    statement: &VerifiedStatement,
    kind: StatementKind,
    refusal: Refusal,
) -> Result<Error> {
    let Refusal::Replayed { taken, .. } = refusal else { return Ok(refusal.into()) };
    let body = to_json(&TakenAnswer { taken });
    let answer = keys.answer(statement.client(), kind, statement.sequence(), body)?;
    Ok(Refusal::Replayed { taken, answer: Some(Box::new(answer)) }.into())
}

fn claimed(statement: &Statement) -> std::result::Result<ClientId, Refusal> {
    statement.claimed_client().ok_or_else(|| Refusal::invalid("client: it is no client id"))
}

fn read<T: serde::de::DeserializeOwned>(statement: &VerifiedStatement) -> Result<T> {
    Ok(serde_json::from_str(statement.body())
        .map_err(|error| Refusal::invalid(format!("body: it is not what is stated here: {error}")))?)
}

/// A client speaks of itself only.
fn about_itself(statement: &VerifiedStatement, client: &str) -> Result<()> {
    if statement.client().as_str() == client {
        return Ok(());
    }
    Err(Refusal::invalid("client: the statement and its body name different clients").into())
}
