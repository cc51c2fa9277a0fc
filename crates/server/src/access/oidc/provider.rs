//! The identity provider: its metadata, where it signs people in, and whether a token is its own.
//!
//! 1. It is asked for its endpoints and keys (discovery), which are kept for a while.
//! 2. A browser is sent there, and comes back with a code.
//! 3. The code is exchanged for a token; its signature, issuer, audience, time and nonce are verified. Where the known keys
//!    do not verify it, they are fetched again, once in a while.
//!
//! Nothing else names the library that speaks the protocol; it reads the clock itself to see whether a token has expired.
//! Which role the token gives is decided in `claims`.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use headwater_policy::Proxy;
use headwater_repo::error_chain;
use jiff::{SignedDuration, Timestamp};
use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreClientAuthMethod, CoreErrorResponseType, CoreIdToken,
    CoreIdTokenVerifier, CoreJwsSigningAlgorithm as Signed, CoreProviderMetadata, CoreTokenResponse,
};
use openidconnect::{
    AuthType, AuthorizationCode, ClaimsVerificationError as Unverified, ClientId, ClientSecret, CsrfToken,
    DiscoveryError, IssuerUrl, Nonce, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError,
    Scope, SignatureVerificationError, TokenResponse, TokenUrl,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};
use tokio::sync::Mutex;
use url::Url;

use super::http;
use crate::config::OidcConfig;
use crate::error::{NotVouched, ProviderFault, Refusal};
use crate::limits;
use crate::secret;

/// What tokens may be signed with: nothing that this server's own secret, or nobody, could have made.
const SIGNED: [Signed; 9] = [
    Signed::RsaSsaPkcs1V15Sha256,
    Signed::RsaSsaPkcs1V15Sha384,
    Signed::RsaSsaPkcs1V15Sha512,
    Signed::RsaSsaPssSha256,
    Signed::RsaSsaPssSha384,
    Signed::RsaSsaPssSha512,
    Signed::EcdsaP256Sha256,
    Signed::EcdsaP384Sha384,
    Signed::EdDsa,
];

/// The provider of `[oidc]`.
#[derive(Debug)]
pub struct Provider {
    http: http::ProviderClient,
    known: Mutex<Known>,
}

/// What was learnt of it.
#[derive(Debug, Default)]
struct Known {
    metadata: Option<(Arc<CoreProviderMetadata>, Timestamp)>,
    failed: Option<(ProviderFault, Timestamp)>,
    keys_fetched: Option<Timestamp>,
}

/// Where a browser is sent, and what must come back.
pub struct Leading {
    /// Where.
    pub to: Url,
    /// What the answer repeats.
    pub state: SecretString,
    /// What the token repeats.
    pub nonce: SecretString,
    /// Without which the code is refused (PKCE).
    pub verifier: SecretString,
}

/// The content of a token that was verified.
pub struct VerifiedToken {
    /// Who it is about.
    pub subject: String,
    /// All its claims.
    pub claims: Map<String, Value>,
}

impl Provider {
    /// Knows nothing of it yet.
    ///
    /// # Errors
    /// When the system's certificates cannot be read.
    pub fn new(config: &OidcConfig, proxy: Option<&Proxy>) -> reqwest::Result<Self> {
        Ok(Self { http: http::ProviderClient::new(&config.issuer, proxy)?, known: Mutex::default() })
    }

    /// Where a browser is to go.
    ///
    /// # Errors
    /// When the provider cannot be asked for its endpoints.
    pub async fn lead(
        &self,
        config: &OidcConfig,
        back: &Url,
        now: Timestamp,
    ) -> Result<Leading, ProviderFault> {
        let metadata = self.metadata(config, now).await?;
        let client = CoreClient::new(client_id(config), metadata.issuer().clone(), metadata.jwks().clone())
            .set_auth_uri(metadata.authorization_endpoint().clone())
            .set_redirect_uri(RedirectUrl::from_url(back.clone()));
        let (state, nonce, verifier) = (secret::random(""), secret::random(""), secret::random(""));
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&PkceCodeVerifier::new(
            verifier.expose_secret().to_owned(),
        ));
        let (state_sent, nonce_sent) = (state.clone(), nonce.clone());
        let (to, _, _) = client
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                move || CsrfToken::new(state_sent.expose_secret().to_owned()),
                move || Nonce::new(nonce_sent.expose_secret().to_owned()),
            )
            .add_scopes(config.scopes.iter().cloned().map(Scope::new))
            .set_pkce_challenge(challenge)
            .url();
        Ok(Leading { to, state, nonce, verifier })
    }

    /// The token that the code is exchanged for, verified.
    ///
    /// # Errors
    /// When the provider cannot be asked, refuses the code, or gives a token that is not its own, not for this server, or
    /// not for this sign-in.
    pub async fn redeem(
        &self,
        config: &OidcConfig,
        back: &Url,
        code: &SecretString,
        begun: &super::pending::Begun,
        now: Timestamp,
    ) -> Result<VerifiedToken, Refusal> {
        let metadata = self.metadata(config, now).await?;
        let answer = in_time(self.exchange(config, &metadata, back, code, &begun.verifier)).await??;
        let no_token = || NotVouched::BadToken("there is none in its answer".to_owned());
        let token = answer.id_token().ok_or_else(no_token)?;
        let verified = match verify(config, &metadata, token, &begun.nonce) {
            Err(NotVouched::WrongSignature(_)) => {
                let metadata = self.metadata_again(config, &metadata, now).await?;
                verify(config, &metadata, token, &begun.nonce)?
            }
            verified => verified?,
        };
        refuse_ahead(&verified.claims, now)?;
        Ok(verified)
    }

    async fn exchange(
        &self,
        config: &OidcConfig,
        metadata: &CoreProviderMetadata,
        back: &Url,
        code: &SecretString,
        verifier: &SecretString,
    ) -> Result<CoreTokenResponse, Refusal> {
        let endpoint: TokenUrl = metadata
            .token_endpoint()
            .cloned()
            .ok_or_else(|| ProviderFault::Broken("it names no token endpoint".to_owned()))?;
        let client = CoreClient::new(client_id(config), metadata.issuer().clone(), metadata.jwks().clone())
            .set_client_secret(ClientSecret::new(config.client_secret.expose_secret().to_owned()))
            .set_auth_type(auth_type(metadata))
            .set_token_uri(endpoint)
            .set_redirect_uri(RedirectUrl::from_url(back.clone()));
        client
            .exchange_code(AuthorizationCode::new(code.expose_secret().to_owned()))
            .set_pkce_verifier(PkceCodeVerifier::new(verifier.expose_secret().to_owned()))
            .request_async(&self.http)
            .await
            .map_err(|error| match error {
                RequestTokenError::Request(fault) => fault.into(),
                RequestTokenError::ServerResponse(refused) => match refused.error() {
                    CoreErrorResponseType::InvalidClient | CoreErrorResponseType::UnauthorizedClient => {
                        ProviderFault::Broken("it does not take client_id and client secret".to_owned())
                            .into()
                    }
                    other => NotVouched::CodeRefused(plain(other.as_ref())).into(),
                },
                RequestTokenError::Parse(error, _) => NotVouched::BadToken(plain(&error.to_string())).into(),
                RequestTokenError::Other(reason) => ProviderFault::Broken(plain(&reason)).into(),
            })
    }

    /// Its metadata, asked for if that is long ago.
    async fn metadata(
        &self,
        config: &OidcConfig,
        now: Timestamp,
    ) -> Result<Arc<CoreProviderMetadata>, ProviderFault> {
        let mut known = self.known.lock().await;
        let age = |since: Timestamp| now.duration_since(since);
        match (&known.metadata, &known.failed) {
            (Some((metadata, at)), _)
                if age(*at) < SignedDuration::from_secs(limits::PROVIDER_KEPT_SECONDS) =>
            {
                Ok(metadata.clone())
            }
            (_, Some((fault, at)))
                if age(*at) < SignedDuration::from_secs(limits::PROVIDER_PAUSE_SECONDS) =>
            {
                Err(fault.clone())
            }
            _ => self.ask(&mut known, config, now).await,
        }
    }

    /// Its metadata now, after its keys `before` did not verify a token; those again, where they were fetched of
    /// late.
    async fn metadata_again(
        &self,
        config: &OidcConfig,
        before: &Arc<CoreProviderMetadata>,
        now: Timestamp,
    ) -> Result<Arc<CoreProviderMetadata>, ProviderFault> {
        let mut known = self.known.lock().await;
        let pause = SignedDuration::from_secs(limits::PROVIDER_KEYS_PAUSE_SECONDS);
        match (&known.metadata, known.keys_fetched) {
            (Some((metadata, _)), _) if !Arc::ptr_eq(metadata, before) => Ok(metadata.clone()),
            (Some((metadata, _)), Some(at)) if now.duration_since(at) < pause => Ok(metadata.clone()),
            _ => {
                known.keys_fetched = Some(now);
                self.ask(&mut known, config, now).await
            }
        }
    }

    async fn ask(
        &self,
        known: &mut Known,
        config: &OidcConfig,
        now: Timestamp,
    ) -> Result<Arc<CoreProviderMetadata>, ProviderFault> {
        let asked = in_time(self.discover(config)).await.and_then(|asked| asked);
        match asked {
            Ok(metadata) => {
                let metadata = Arc::new(metadata);
                (known.metadata, known.failed) = (Some((metadata.clone(), now)), None);
                Ok(metadata)
            }
            Err(fault) => {
                known.failed = Some((fault.clone(), now));
                Err(fault)
            }
        }
    }

    async fn discover(&self, config: &OidcConfig) -> Result<CoreProviderMetadata, ProviderFault> {
        let broken = |reason: &str| ProviderFault::Broken(plain(reason));
        let issuer = IssuerUrl::new(config.issuer.clone()).map_err(|error| broken(&error.to_string()))?;
        CoreProviderMetadata::discover_async(issuer, &self.http).await.map_err(|error| match error {
            DiscoveryError::Request(fault) => fault,
            other => broken(&error_chain(&other)),
        })
    }
}

async fn in_time<T>(work: impl Future<Output = T>) -> Result<T, ProviderFault> {
    tokio::time::timeout(limits::PROVIDER_TIME_MAX, work).await.map_err(|_| ProviderFault::Silent)
}

fn client_id(config: &OidcConfig) -> ClientId {
    ClientId::new(config.client_id.clone())
}

/// In a header, unless the provider takes it in the body alone.
fn auth_type(metadata: &CoreProviderMetadata) -> AuthType {
    let ways = metadata.token_endpoint_auth_methods_supported().map(Vec::as_slice).unwrap_or_default();
    let takes = |way| ways.contains(&way);
    if takes(CoreClientAuthMethod::ClientSecretPost) && !takes(CoreClientAuthMethod::ClientSecretBasic) {
        return AuthType::RequestBody;
    }
    AuthType::BasicAuth
}

/// OpenID Connect Core, 3.1.3.7.
fn verify(
    config: &OidcConfig,
    metadata: &CoreProviderMetadata,
    token: &CoreIdToken,
    nonce: &SecretString,
) -> Result<VerifiedToken, NotVouched> {
    let verifier = CoreIdTokenVerifier::new_public_client(
        client_id(config),
        metadata.issuer().clone(),
        metadata.jwks().clone(),
    )
    .set_allowed_algs(SIGNED);
    let nonce = Nonce::new(nonce.expose_secret().to_owned());
    let claims = token.claims(&verifier, &nonce).map_err(unverified)?;
    // Clauses 4 and 5, which the library leaves out: who was given the token is this server.
    if let Some(party) = claims.authorized_party().filter(|party| party.as_str() != config.client_id) {
        return Err(NotVouched::WrongAudience(format!("it was given to {}", plain(party))));
    }
    // The very text that was verified: the library keeps only the claims that it knows by name.
    let text = token.to_string();
    let payload = text.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let all = payload.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let all = all.ok_or_else(|| NotVouched::BadToken("its claims are no object".to_owned()))?;
    Ok(VerifiedToken { subject: claims.subject().to_string(), claims: all })
}

/// Clause 10 and RFC 7519, 4.1.5: what was issued, or is good, in the future only is not believed.
fn refuse_ahead(claims: &Map<String, Value>, now: Timestamp) -> Result<(), NotVouched> {
    let latest = now.as_second() + limits::PROVIDER_AHEAD_SECONDS_MAX;
    for claim in ["iat", "nbf"] {
        let Some(value) = claims.get(claim) else { continue };
        let second = value.as_f64().ok_or_else(|| NotVouched::BadToken(format!("its {claim} is no time")))?;
        if second > latest as f64 {
            let ahead = second - now.as_second() as f64;
            return Err(NotVouched::NotYet(format!("{claim} is {ahead:.0} s ahead of this server's clock")));
        }
    }
    Ok(())
}

fn unverified(error: Unverified) -> NotVouched {
    let reason = plain(&error.to_string());
    match error {
        Unverified::Expired(_) => NotVouched::Expired,
        Unverified::InvalidAudience(_) => NotVouched::WrongAudience(reason),
        Unverified::InvalidIssuer(_) => NotVouched::WrongIssuer(reason),
        Unverified::InvalidNonce(_) => NotVouched::WrongNonce,
        Unverified::SignatureVerification(
            error @ (SignatureVerificationError::NoSignature | SignatureVerificationError::DisallowedAlg(_)),
        ) => NotVouched::WrongAlgorithm(plain(&error.to_string())),
        Unverified::SignatureVerification(error) => NotVouched::WrongSignature(plain(&error.to_string())),
        _ => NotVouched::BadToken(reason),
    }
}

/// What others wrote, fit for a line of a log.
pub fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(limits::PROVIDER_REASON_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::plain;
    use crate::limits::PROVIDER_REASON_CHARS_MAX;

    #[test]
    fn what_a_provider_answers_is_short_and_of_one_line() {
        let check = |text: &str, expected: &str| assert_eq!(plain(text), expected);
        check("access_denied", "access_denied");
        check("a\nb\x1b[1m", "ab[1m");
        check(&"ä".repeat(PROVIDER_REASON_CHARS_MAX + 1), &"ä".repeat(PROVIDER_REASON_CHARS_MAX));
    }
}
