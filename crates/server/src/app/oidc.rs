//! Signing in at the identity provider (I4): a browser is sent there, comes back with a code, and the token that the code is
//! good for becomes a session.
//!
//! Every refusal is recorded, and counts against the address as a wrong password does. A provider that cannot be asked is
//! nobody's fault here: it is told, and counts against nobody.

mod claims;
mod faults;
mod http;
mod pending;
mod provider;

use std::sync::Mutex;

use headwater_api::v1::{SessionView, VouchedQuery};
use serde_json::json;
use url::Url;

pub use self::faults::{NotVouched, ProviderFault};
use self::pending::{Begun, Pending};
use self::provider::{Provider, plain};
use super::App;
use super::attempts::Key;
use super::sessions::site_of;
use crate::access::{Caller, Vouched};
use crate::config;
use crate::error::{Error, Refusal, Result};
use crate::secret::Secret;

/// Everything about the identity provider.
#[derive(Debug)]
pub struct Oidc {
    config: config::Oidc,
    back: Url,
    provider: Provider,
    pending: Mutex<Pending>,
}

impl Oidc {
    /// The provider of the configuration; `back` is where it sends browsers back to.
    ///
    /// # Errors
    /// When the system's certificates cannot be read.
    pub fn new(config: config::Oidc, back: Url) -> Result<Self> {
        let provider = Provider::new(&config).map_err(|error| Error::Corrupt {
            what: "certificates of the system",
            reason: error.to_string(),
        })?;
        Ok(Self { config, back, provider, pending: Mutex::default() })
    }
}

impl App {
    /// Whether this provider is the one whose word counts.
    pub(crate) fn is_asked(&self, issuer: &str) -> bool {
        self.oidc.as_ref().is_some_and(|oidc| oidc.config.issuer == issuer)
    }

    /// Begins a sign-in: where the browser is to go, and what its cookie is to hold.
    ///
    /// # Errors
    /// Refusals where no provider is configured, for who tries too often, and when the provider cannot be asked.
    pub async fn begin_at_provider(&self, caller: &Caller) -> Result<(Url, Secret)> {
        let oidc = self.oidc.as_ref().ok_or(Refusal::NoProvider)?;
        let site = site_of(&caller.from);
        {
            let attempts = self.attempts.lock().expect("nobody panics while holding this lock");
            if let Some(seconds) = attempts.wait(&[Key::Address(site.clone())], caller.now) {
                return Err(Refusal::TooManyAttempts { seconds }.into());
            }
        }
        let leading =
            oidc.provider.lead(&oidc.config, &oidc.back, caller.now).await.map_err(Refusal::from)?;
        let browser = Secret::random("");
        let begun = Begun {
            browser: browser.clone(),
            nonce: leading.nonce,
            verifier: leading.verifier,
            site,
            at: caller.now,
        };
        oidc.pending.lock().expect("nobody panics while holding this lock").begin(&leading.state, begun);
        Ok((leading.to, browser))
    }

    /// Ends a sign-in: `answer` is what the provider sent the browser back with, `browser` what its cookie holds.
    ///
    /// # Errors
    /// Refusals where no provider is configured, for who tries too often, when the provider cannot be asked, and when its
    /// word is not taken.
    pub async fn end_at_provider(
        &self,
        answer: VouchedQuery,
        browser: Option<&Secret>,
        caller: &Caller,
    ) -> Result<(Secret, SessionView)> {
        let oidc = self.oidc.as_ref().ok_or(Refusal::NoProvider)?;
        let keys = [Key::Address(site_of(&caller.from))];
        // As with passwords: asked for and counted in one step.
        {
            let mut attempts = self.attempts.lock().expect("nobody panics while holding this lock");
            if let Some(seconds) = attempts.wait(&keys, caller.now) {
                return Err(Refusal::TooManyAttempts { seconds }.into());
            }
            attempts.fail(&keys, caller.now);
        }
        let vouched = oidc.vouched(answer, browser, caller).await;
        if !matches!(vouched, Err(Refusal::NotVouched(_))) {
            self.attempts.lock().expect("nobody panics while holding this lock").succeed(&keys);
        }
        match vouched {
            Ok(vouched) => self.sign_in_vouched(vouched, caller).await,
            Err(refusal) => {
                if let Refusal::NotVouched(why) = &refusal {
                    let told = json!({"why": why.code(), "told": why.to_string()});
                    self.record_failure(caller, "somebody at the identity provider", told).await?;
                }
                Err(refusal.into())
            }
        }
    }
}

impl Oidc {
    async fn vouched(
        &self,
        answer: VouchedQuery,
        browser: Option<&Secret>,
        caller: &Caller,
    ) -> std::result::Result<Vouched, Refusal> {
        let state = Secret::new(answer.state.unwrap_or_default());
        let begun = {
            let mut pending = self.pending.lock().expect("nobody panics while holding this lock");
            pending.take(&state, browser, caller.now)?
        };
        // RFC 9207.
        if let Some(issuer) = answer.iss.filter(|issuer| *issuer != self.config.issuer) {
            return Err(NotVouched::WrongIssuer(format!("it says it is {}", plain(&issuer))).into());
        }
        if let Some(error) = answer.error {
            return Err(NotVouched::Denied(plain(&error)).into());
        }
        let code = Secret::new(answer.code.ok_or(NotVouched::NoCode)?);
        let verified = self.provider.redeem(&self.config, &self.back, &code, &begun, caller.now).await?;
        Ok(claims::vouched(&self.config, &verified.subject, &verified.claims)?)
    }
}
