//! Enrolment and renewal: how this client gets its certificate (I3).
//!
//! 1. The keys are made and kept.
//! 2. The request (token, signing request, encryption key) is sealed to the server: whoever carries it reads nothing of it.
//! 3. It is sent straight, or by an update agent of the bundle's policy.
//! 4. The signed answer's certificate is kept, and the token struck out of the bundle.
//!
//! Killed at any moment, it asks again with the same keys, and the server answers the same client.

use std::time::Duration;

use headwater_api::enrol::{CertificateAnswer, EnrolRequest, FORMAT, RenewalRequest};
use headwater_identity::{Answer, Chain, Kind, Purpose, Sealed, Statement};
use headwater_policy::{Client, ClientId, EffectiveSettings, SourceUrl};
use jiff::{SignedDuration, Timestamp};

use crate::bundle::{self, Bundle};
use crate::config::Config;
use crate::error::Error;
use crate::folder::DataFolder;
use crate::identity;
use crate::in_force::{self, InForce};
use crate::limits::{CERTIFICATE_WAIT_MAX, ENROL_TRIES_MAX, ENROL_WAIT_MAX, RENEWAL_BACK_OFF};
use crate::member::{Believed, Keys, Member, internal};
use crate::run::Trigger;
use crate::session::Session;
use crate::spool::Spool;
use crate::state::State;
use crate::way::{self, Unsaid, Way};

/// Whether there was anything to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enrolled {
    /// It is a member from now on.
    Now,
    /// It was one before, and nothing was asked of anybody.
    Before,
}

/// Makes this client a member of the fleet, if it is not one yet.
///
/// # Errors
///
/// It could not enrol, or the disk refuses.
pub async fn enrol(config: &Config) -> Result<Enrolled, Error> {
    let folder = DataFolder::new(&config.data);
    crate::os::create_folder(folder.root()).map_err(Error::file("making", folder.root()))?;
    let (bundle, _) = bundle::take(config, &folder, false)?;
    identity::settle(config, &folder)?;
    if Member::load(&folder, &config.id)?.is_some() {
        return Ok(Enrolled::Before);
    }
    let mut state = State::load(&folder).unwrap_or_default();
    member(config, &folder, &bundle, &mut state).await.map(|_| Enrolled::Now)
}

/// Makes this client a member with a new key, where its former one was revoked or is in other hands. The former stays
/// until the server has taken the new one.
///
/// # Errors
///
/// The bundle has no token, the client could not enrol, or the disk refuses.
pub async fn enrol_anew(config: &Config) -> Result<(), Error> {
    let folder = DataFolder::new(&config.data);
    bundle::refuse_without_token(config)?;
    crate::os::create_folder(folder.root()).map_err(Error::file("making", folder.root()))?;
    let (bundle, _) = bundle::take(config, &folder, true)?;
    identity::settle(config, &folder)?;
    let keys = Keys::load_or_make_beside(&folder)?;
    let answer = ask_in(config, &bundle, &keys).await?;
    Keys::put_in_place(&folder)?;
    // One that is damaged says nothing; the next run puts it aside.
    let mut state = State::load(&folder).unwrap_or_default();
    let_in(config, &folder, &mut state, &keys, &answer).map(drop)
}

/// This client's membership; enrols first if it has none yet.
pub(crate) async fn member(
    config: &Config,
    folder: &DataFolder,
    bundle: &Bundle,
    state: &mut State,
) -> Result<Member, Error> {
    if let Some(member) = Member::load(folder, &config.id)? {
        return Ok(member);
    }
    let keys = Keys::load_or_make(folder)?;
    let answer = ask_in(config, bundle, &keys).await?;
    let_in(config, folder, state, &keys, &answer)
}

/// Asks for a certificate with the bundle's token. Whoever is no member believes the bundle alone: what it learnt of the
/// fleet when it was one may be of before a CA was given up.
async fn ask_in(config: &Config, bundle: &Bundle, keys: &Keys) -> Result<CertificateAnswer, Error> {
    let (fleet, believed) = (&bundle.fleet, Believed::of_bundle(bundle)?);
    let again =
        "make another bundle with `headwater clients enrol-bundle`, and `headwater-client enrol` with that";
    let Some(token) = &fleet.token else {
        return Err(Error::NotEnrolled(format!("its token was used, and its certificate is gone; {again}")));
    };
    let request = EnrolRequest {
        format: FORMAT,
        token: token.clone(),
        client: config.id.to_string(),
        request: keys.key.signing_request(&config.id).map_err(internal)?,
        encryption_key: keys.seal.public().to_string(),
        addresses: in_force::addresses(config)?.iter().map(ToString::to_string).collect(),
        program: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let encryption_key =
        fleet.encryption_key.parse::<headwater_identity::EncryptionPublicKey>().map_err(internal)?;
    let plaintext = serde_json::to_vec(&request).map_err(|error| Error::Internal(error.to_string()))?;
    let sealed: Sealed = encryption_key.seal(&plaintext, Purpose::Enrolment).map_err(internal)?;
    let body = serde_json::to_vec(&sealed).map_err(|error| Error::Internal(error.to_string()))?;
    let http = way::http(believed.nameless_tls()?)?;
    let ways = ways(config, bundle)?;
    let read = |answer: &[u8]| certificate(answer, &believed, &config.id, Kind::Enrolment, 0);
    let answer = ask_again(&http, &ways, &body, read).await;
    answer.map_err(|tried| Error::NotEnrolled(format!("{}; if that does not help, {again}", tried.told)))
}

/// Keeps what the server answered: from now on this is a member.
fn let_in(
    config: &Config,
    folder: &DataFolder,
    state: &mut State,
    keys: &Keys,
    answer: &CertificateAnswer,
) -> Result<Member, Error> {
    forget_former_fleet(folder, state, &answer.certificate)?;
    let member = Member::keep(folder, &config.id, keys, &answer.certificate)?;
    Spool::open(folder.reports())?.renumber(answer.taken.report)?;
    bundle::strike_token(folder)?;
    tracing::info!(client = %config.id, key = %keys.key.fingerprint(), "enrolled");
    Ok(member)
}

/// Forgets what the last signed policy says of the fleet, where it does not know the CA of a new certificate: the bundle's
/// word is the newer one then, and counts until the next policy, which is read again whichever it is.
fn forget_former_fleet(folder: &DataFolder, state: &mut State, certificate: &str) -> Result<(), Error> {
    let chain = Chain::from_pem(certificate).map_err(internal)?;
    if Believed::of_policy(state)?.is_none_or(|believed| chain.is_issued_by(&believed.cas)) {
        return Ok(());
    }
    if let Some(policy) = &mut state.policy {
        policy.fleet = None;
    }
    state.policy_digest = None;
    state.save(folder)
}

/// Renews the certificate if it is time: at two thirds of its life, when the signed policy gives an update agent other
/// addresses than it is good for, when its CA is none of the fleet any more, and when the server has refused this client.
/// One that has run out is renewed by proving the key alone; to a server that has lost the key, the certificate shows that
/// this client was a member. Says the new one.
pub(crate) async fn renewed(
    session: &mut Session,
    member: &Member,
    believed: &Believed,
) -> Result<Option<Member>, Error> {
    let ways = session.ways();
    let Session { folder, in_force, state, options, now, .. } = session;
    let now = *now;
    let back_off = SignedDuration::try_from(RENEWAL_BACK_OFF).unwrap_or(SignedDuration::ZERO);
    let lately = state.renewal_tried.is_some_and(|tried| now.duration_since(tried).abs() < back_off);
    let wanted = is_due(member, believed, in_force, now) || state.refused.is_some();
    // A person who asks again has done something about it.
    if !wanted || (lately && options.trigger == Trigger::Poll) {
        return Ok(None);
    }
    let request = RenewalRequest {
        format: FORMAT,
        request: member.keys.key.signing_request(&member.id).map_err(internal)?,
        encryption_key: member.keys.seal.public().to_string(),
        certificate: Some(member.chain.to_pem()),
    };
    let body = serde_json::to_string(&request).map_err(|error| Error::Internal(error.to_string()))?;
    // The way may carry a certificate that has run out no more: the statement proves the key.
    let http = way::http(believed.nameless_tls()?)?;
    let mut last = String::new();
    for way in &ways {
        let sequence = state.next_renewal(now);
        let statement = Statement::sign(&member.keys.key, &member.id, Kind::Renewal, sequence, body.clone());
        let statement = serde_json::to_vec(&statement.map_err(internal)?)
            .map_err(|error| Error::Internal(error.to_string()))?;
        let read = |answer: &[u8]| certificate(answer, believed, &member.id, Kind::Renewal, sequence);
        match ask(&http, std::slice::from_ref(way), "renew", &statement, read).await {
            Ok(answer) => {
                // Where it is refused all the same, another will not help soon.
                state.renewal_tried = state.refused.take().map(|_| now);
                state.check_ins_are_taken();
                return Member::keep(folder, &member.id, &member.keys, &answer.certificate).map(Some);
            }
            // Told to come later, it comes after its own pause, which is longer.
            Err(tried) => last = tried.told,
        }
    }
    state.renewal_tried = Some(now);
    match &state.refused {
        Some(_) => tracing::warn!("the server does not take this client in: {last}"),
        None => tracing::warn!(
            "the certificate could not be renewed; it is good until {}: {last}",
            member.chain.not_after()
        ),
    }
    Ok(None)
}

/// The decision alone.
fn is_due(member: &Member, believed: &Believed, in_force: &InForce, now: Timestamp) -> bool {
    let wanted = in_force.update_agent().map(|agent| agent.addresses().to_vec()).unwrap_or_default();
    let served = member.chain.served_names();
    let role_changed = wanted.is_empty() != served.is_empty()
        || wanted.iter().any(|address| !served.contains(&address.to_string()));
    member.chain.renewal_due(now) || role_changed || !member.chain.is_issued_by(&believed.cas)
}

/// Where to enrol: the bundle's URLs of the server that this client's families can reach (S5), in order, then the update agents that its policy gives this client.
fn ways(config: &Config, bundle: &Bundle) -> Result<Vec<Way>, Error> {
    let policy = in_force::policy_of(&bundle.policy)
        .map_err(|problem| Error::Malformed { path: DataFolder::new(&config.data).bundle(), problem })?;
    let settings = EffectiveSettings::default();
    let client = Client::new(config.id.clone(), in_force::addresses(config)?, settings.download_from_vendor);
    let families = client.families();
    let reachable = |url: &&String| match url.parse::<SourceUrl>() {
        Ok(url) => url.literal_family().is_none_or(|family| families.contains(family)),
        Err(_) => true,
    };
    let straight = bundle.server_urls.iter().filter(reachable).map(|url| Way::straight(url));
    Ok(straight.chain(Way::carriers(&policy, &client)).collect())
}

/// Why no way led to an answer.
struct Tried {
    /// What each came to, for people.
    told: String,
    /// When to come again, where one way said so.
    again: Option<Duration>,
}

/// Asks to be enrolled; where it is told to come later, it does.
async fn ask_again<T>(
    http: &reqwest::Client,
    ways: &[Way],
    body: &[u8],
    read: impl Fn(&[u8]) -> Result<T, String>,
) -> Result<T, Tried> {
    let mut tries = 1;
    loop {
        let tried = match ask(http, ways, "enrol", body, &read).await {
            Ok(answer) => return Ok(answer),
            Err(tried) => tried,
        };
        let Some(wait) = pause(tried.again, tries) else { return Err(tried) };
        tracing::info!(seconds = wait.as_secs(), tried.told, "waits, and asks again to be enrolled");
        tokio::time::sleep(wait).await;
        tries += 1;
    }
}

/// How long to wait before the next try, where there is one.
fn pause(told: Option<Duration>, tries: u32) -> Option<Duration> {
    told.filter(|_| tries < ENROL_TRIES_MAX).map(|told| told.min(ENROL_WAIT_MAX))
}

/// Asks on one way after the other until an answer is a good one; otherwise what each came to.
async fn ask<T>(
    http: &reqwest::Client,
    ways: &[Way],
    what: &str,
    body: &[u8],
    read: impl Fn(&[u8]) -> Result<T, String>,
) -> Result<T, Tried> {
    let (mut tried, mut again) = (Vec::new(), None::<Duration>);
    for way in ways {
        let answered = way.post(http, what, body.to_vec(), CERTIFICATE_WAIT_MAX).await;
        match answered.and_then(|answer| read(&answer).map_err(Unsaid::Lost)) {
            Ok(answer) => return Ok(answer),
            Err(unsaid) => {
                if let Unsaid::Busy(wait, _) = unsaid {
                    again = Some(again.map_or(wait, |again| again.min(wait)));
                }
                tried.push(format!("{way}: {unsaid}"));
            }
        }
    }
    if tried.is_empty() {
        tried.push(
            "the bundle names neither a server nor an update agent at an address of this client's families"
                .to_owned(),
        );
    }
    Err(Tried { told: tried.join("; "), again })
}

/// The certificate in an answer that the server signed for this question.
fn certificate(
    answer: &[u8],
    believed: &Believed,
    client: &ClientId,
    kind: Kind,
    sequence: u64,
) -> Result<CertificateAnswer, String> {
    let answer: Answer = serde_json::from_slice(answer).map_err(|error| format!("no answer: {error}"))?;
    let verified = answer
        .verify(&believed.response_signing_keys, client, kind, sequence)
        .map_err(|error| error.to_string())?;
    serde_json::from_str(verified.body()).map_err(|error| format!("the answer is not understood: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_told_to_come_later_does_so_within_bounds() {
        let minute = Duration::from_secs(60);
        assert_eq!(pause(None, 1), None, "it was not told so");
        assert_eq!(pause(Some(minute), ENROL_TRIES_MAX - 1), Some(minute));
        assert_eq!(pause(Some(minute), ENROL_TRIES_MAX), None);
        assert_eq!(pause(Some(ENROL_WAIT_MAX), 1), Some(ENROL_WAIT_MAX));
        assert_eq!(pause(Some(ENROL_WAIT_MAX + minute), 1), Some(ENROL_WAIT_MAX));
    }
}
