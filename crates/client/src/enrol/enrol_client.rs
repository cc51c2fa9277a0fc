//! Enrolment: a certificate for a new client, or for new keys of a known one.
//!
//! 1. The keys are generated and stored.
//! 2. The request (token, signing request, encryption key) is encrypted to the server: an update agent that carries it
//!    cannot read it.
//! 3. It is sent directly, or through an update agent of the bundle's policy.
//! 4. The certificate in the signed answer is stored, and the token is removed from the bundle.
//!
//! A client that is killed at any moment asks again with the same keys, and the server recognises it.

use headwater_api::enrol::{CertificateAnswer, EnrolRequest, FORMAT};
use headwater_api::settings::FleetDocument;
use headwater_identity::{Chain, EncryptionPublicKey, Purpose, Sealed, StatementKind};
use headwater_policy::{Client, EffectiveSettings, SourceUrl};

use crate::bundle::{self, Bundle, BundleUse};
use crate::config::Config;
use crate::data::policy::policy_of;
use crate::data::{DataFolder, State, client_id};
use crate::enrol::request::{ask_with_retries, certificate};
use crate::error::Error;
use crate::identity::{ClientIdentity, ClientKeys, TrustAnchors, internal, machine};
use crate::report::Spool;
use crate::server::{Route, http_client};
use crate::session::addresses;

/// Whether there was anything to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnrolOutcome {
    /// The client is enrolled now.
    Enrolled,
    /// The client was enrolled before; nothing was sent.
    AlreadyEnrolled,
}

/// Enrols this client, if it is not enrolled yet.
///
/// # Errors
///
/// It could not enrol, or the disk refuses.
pub async fn enrol(config: &Config) -> Result<EnrolOutcome, Error> {
    let folder = DataFolder::new(&config.data);
    // Before anything of another client is replaced.
    client_id::check(&config.id, &folder)?;
    let (bundle, _) = bundle::adopt(config, &folder, BundleUse::Start)?;
    folder.prepare()?;
    client_id::persist(&config.id, &folder)?;
    if ClientIdentity::load(&folder, &config.id)?.is_some() {
        return Ok(EnrolOutcome::AlreadyEnrolled);
    }
    let mut state = State::load(&folder).unwrap_or_default();
    load_or_enrol(config, &folder, &bundle, &mut state).await.map(|_| EnrolOutcome::Enrolled)
}

/// Enrols this client with new keys, because the former ones were revoked or stolen. The former keys stay until the server
/// has accepted the new ones.
///
/// # Errors
///
/// The bundle has no token, the client could not enrol, or the disk refuses.
pub async fn re_enrol(config: &Config) -> Result<(), Error> {
    let folder = DataFolder::new(&config.data);
    bundle::refuse_without_token(config)?;
    client_id::check(&config.id, &folder)?;
    let (bundle, _) = bundle::adopt(config, &folder, BundleUse::ReEnrol)?;
    folder.prepare()?;
    client_id::persist(&config.id, &folder)?;
    let keys = ClientKeys::load_or_generate_next(&folder)?;
    let answer = request_certificate(config, &bundle, &keys).await?;
    ClientKeys::activate_next(&folder)?;
    // A damaged state has nothing to keep; the next run moves it aside.
    let mut state = State::load(&folder).unwrap_or_default();
    accept(config, &folder, &mut state, &keys, &answer).map(drop)
}

/// The identity of this client; enrols first if it has none.
pub(crate) async fn load_or_enrol(
    config: &Config,
    folder: &DataFolder,
    bundle: &Bundle,
    state: &mut State,
) -> Result<ClientIdentity, Error> {
    if let Some(identity) = ClientIdentity::load(folder, &config.id)? {
        return Ok(identity);
    }
    let keys = ClientKeys::load_or_generate(folder)?;
    let answer = request_certificate(config, bundle, &keys).await?;
    accept(config, folder, state, &keys, &answer)
}

/// Asks for a certificate with the bundle's token. A client that is not enrolled trusts the bundle alone: what it learnt
/// during an earlier enrolment may name a CA that was retired since.
async fn request_certificate(
    config: &Config,
    bundle: &Bundle,
    keys: &ClientKeys,
) -> Result<CertificateAnswer, Error> {
    let anchors = bundle.own_trust_anchors()?;
    let hint =
        "make another bundle with `headwater clients enrol-bundle` and pass it to `headwater-client enrol`";
    if bundle.fleet.token.is_none() {
        return Err(Error::NotEnrolled(format!(
            "its bundle has no token, because it was used, and its certificate is missing; {hint}"
        )));
    }
    let body = encrypted_request(config, bundle, keys)?;
    let http = http_client(anchors.anonymous_tls()?)?;
    let routes = routes(config, bundle)?;
    let read = |answer: &[u8]| certificate(answer, &anchors, &config.id, StatementKind::Enrolment, 0);
    ask_with_retries(&http, &routes, &body, read)
        .await
        .map_err(|failed| Error::NotEnrolled(with_hint(failed.reasons, &failed.hint)))
}

/// A reason and what to do about it, on a line of its own.
fn with_hint(reason: String, hint: &str) -> String {
    if hint.is_empty() { reason } else { format!("{reason}\n  hint: {hint}") }
}

fn encrypted_request(config: &Config, bundle: &Bundle, keys: &ClientKeys) -> Result<Vec<u8>, Error> {
    let json = |error: serde_json::Error| Error::Internal(error.to_string());
    let token = bundle.fleet.token.clone();
    let request = EnrolRequest {
        format: FORMAT,
        token: token.ok_or_else(|| Error::Internal("the bundle has no token".to_owned()))?,
        client: config.id.to_string(),
        request: keys.key.signing_request(&config.id).map_err(internal)?,
        encryption_key: keys.encryption.public().to_string(),
        addresses: addresses(config)?.iter().map(ToString::to_string).collect(),
        program: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let server_key = bundle.fleet.encryption_key.parse::<EncryptionPublicKey>().map_err(internal)?;
    let plaintext = serde_json::to_vec(&request).map_err(json)?;
    let sealed: Sealed = server_key.seal(&plaintext, Purpose::Enrolment).map_err(internal)?;
    serde_json::to_vec(&sealed).map_err(json)
}

/// Stores the certificate: from now on this client is enrolled.
fn accept(
    config: &Config,
    folder: &DataFolder,
    state: &mut State,
    keys: &ClientKeys,
    answer: &CertificateAnswer,
) -> Result<ClientIdentity, Error> {
    forget_former_fleet(folder, state, &answer.certificate)?;
    machine::remember(folder, &config.machine_id)?;
    let identity = ClientIdentity::store(folder, &config.id, keys, &answer.certificate)?;
    Spool::open(folder.reports())?.renumber(answer.taken.report)?;
    if state.continue_after(&answer.taken) {
        state.save(folder)?;
    }
    bundle::strike_token(folder)?;
    tracing::info!(client = %config.id, key = %keys.key.fingerprint(), "enrolled");
    Ok(identity)
}

/// Removes what the last signed policy states about the fleet, if it does not know the CA of a new certificate: then the
/// bundle is newer, and counts until the next policy, which is read again whichever it is.
fn forget_former_fleet(folder: &DataFolder, state: &mut State, certificate: &str) -> Result<(), Error> {
    let chain = Chain::from_pem(certificate).map_err(internal)?;
    if TrustAnchors::of_policy(state)?.is_none_or(|anchors| chain.is_issued_by(&anchors.cas)) {
        return Ok(());
    }
    if let Some(policy) = &mut state.policy {
        policy.fleet = FleetDocument::default();
    }
    state.policy_digest = None;
    state.save(folder)
}

/// Where to enrol: those of the bundle's server URLs that this client's address families can reach (S5), in order, then the
/// update agents that the bundle's policy gives this client.
fn routes(config: &Config, bundle: &Bundle) -> Result<Vec<Route>, Error> {
    let policy = policy_of(&bundle.policy)
        .map_err(|problem| Error::Malformed { path: DataFolder::new(&config.data).bundle(), problem })?;
    let settings = EffectiveSettings::default();
    let client = Client::new(config.id.clone(), addresses(config)?, settings.download_from_vendor);
    let families = client.families();
    let reachable = |url: &&String| match url.parse::<SourceUrl>() {
        Ok(url) => url.literal_family().is_none_or(|family| families.contains(family)),
        Err(_) => true,
    };
    let direct = bundle.server_urls.iter().filter(reachable).map(|url| Route::direct(url));
    Ok(direct.chain(Route::carriers(&policy, &client)).collect())
}
