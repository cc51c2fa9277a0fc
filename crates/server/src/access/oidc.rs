//! Speaking with the identity provider (I4): a browser is sent there, comes back with a code, and the token that the code
//! is exchanged for names the person.
//!
//! What is counted and recorded, and the session that comes of it, are `provider_sign_in`'s.

mod claims;
mod http;
mod pending;
mod provider;

use std::sync::Mutex;

use headwater_api::v1::VouchedQuery;
use jiff::Timestamp;
use secrecy::SecretString;
use url::Url;

use self::pending::{Begun, Pending};
use self::provider::{Provider, plain};
use crate::caller::{Caller, Vouched};
use crate::config::{self, Config};
use crate::error::{Error, NotVouched, Refusal, Result};
use crate::secret;

/// Everything about the identity provider.
#[derive(Debug)]
pub struct Oidc {
    config: config::OidcConfig,
    back: Url,
    provider: Provider,
    pending: Mutex<Pending>,
}

impl Oidc {
    /// The provider of the configuration; `None` if there is none.
    ///
    /// # Errors
    /// When the system's certificates cannot be read.
    pub fn open(config: &Config) -> Result<Option<Self>> {
        let Some(oidc) = &config.oidc else { return Ok(None) };
        let Some(back) = oidc.redirect_url.clone() else { return Ok(None) };
        let provider = Provider::new(oidc, config.proxy.as_ref()).map_err(|error| Error::Corrupt {
            what: "certificates of the system",
            reason: error.to_string(),
        })?;
        Ok(Some(Self { config: oidc.clone(), back, provider, pending: Mutex::default() }))
    }

    /// Whether the provider is the one of this name.
    pub fn is_issuer(&self, issuer: &str) -> bool {
        self.config.issuer == issuer
    }

    /// Begins a sign-in: where the browser is to go, and what its cookie is to hold.
    ///
    /// # Errors
    /// When the provider cannot be asked.
    pub async fn begin(&self, client_network: String, now: Timestamp) -> Result<(Url, SecretString)> {
        let leading = self.provider.lead(&self.config, &self.back, now).await.map_err(Refusal::from)?;
        let browser = secret::random("");
        let begun = Begun {
            browser: browser.clone(),
            nonce: leading.nonce,
            verifier: leading.verifier,
            client_network,
            at: now,
        };
        self.pending.lock().expect("nobody panics while holding this lock").begin(&leading.state, begun);
        Ok((leading.to, browser))
    }

    /// The person that the provider vouches for, by what it sent the browser back with.
    ///
    /// # Errors
    /// Refusals when the provider cannot be asked, and when its word is not taken.
    pub async fn vouched(
        &self,
        answer: VouchedQuery,
        browser: Option<&SecretString>,
        caller: &Caller,
    ) -> std::result::Result<Vouched, Refusal> {
        let state = SecretString::from(answer.state.unwrap_or_default());
        let begun = {
            let mut pending = self.pending.lock().expect("nobody panics while holding this lock");
            pending.take(&state, browser, caller.now)?
        };
        // RFC 9207.
        if let Some(issuer) = answer.iss.filter(|issuer| *issuer != self.config.issuer) {
            return Err(NotVouched::WrongIssuer(format!("it names {}", plain(&issuer))).into());
        }
        if let Some(error) = answer.error {
            return Err(NotVouched::Denied(plain(&error)).into());
        }
        let code = SecretString::from(answer.code.ok_or(NotVouched::NoCode)?);
        let verified = self.provider.redeem(&self.config, &self.back, &code, &begun, caller.now).await?;
        Ok(claims::vouched(&self.config, &verified.subject, &verified.claims)?)
    }
}
