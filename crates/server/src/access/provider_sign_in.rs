//! Signing in at the identity provider: what is counted and recorded, and the session that comes of it.
//!
//! Every refusal is recorded, and counts against the client network as a wrong password does. A provider that cannot be
//! asked counts against nobody. Speaking with the provider is `oidc`'s.

use headwater_api::v1::{SessionView, VouchedQuery};
use secrecy::SecretString;
use serde_json::json;
use url::Url;

use super::attempts::Key;
use super::service::AccessService;
use crate::caller::Caller;
use crate::client_network::client_network;
use crate::error::{Refusal, Result};

impl AccessService {
    /// Whether this provider is the one whose word counts.
    pub(super) fn asks(&self, issuer: &str) -> bool {
        self.oidc.as_ref().is_some_and(|oidc| oidc.is_issuer(issuer))
    }

    /// Begins a sign-in: where the browser is to go, and what its cookie is to hold.
    ///
    /// # Errors
    /// Refusals where no provider is configured, for who tries too often, and when the provider cannot be asked.
    pub async fn begin_at_provider(&self, caller: &Caller) -> Result<(Url, SecretString)> {
        let oidc = self.oidc.as_ref().ok_or(Refusal::NoProvider)?;
        let network = client_network(&caller.from);
        {
            let attempts = self.attempts.lock().expect("nobody panics while holding this lock");
            if let Some(seconds) = attempts.wait(&[Key::Address(network.clone())], caller.now) {
                return Err(Refusal::TooManyAttempts { seconds }.into());
            }
        }
        oidc.begin(network, caller.now).await
    }

    /// Ends a sign-in: `answer` is what the provider sent the browser back with, `browser` what its cookie holds.
    ///
    /// # Errors
    /// Refusals where no provider is configured, for who tries too often, when the provider cannot be asked, and when its
    /// word is not taken.
    pub async fn end_at_provider(
        &self,
        answer: VouchedQuery,
        browser: Option<&SecretString>,
        caller: &Caller,
    ) -> Result<(SecretString, SessionView)> {
        let oidc = self.oidc.as_ref().ok_or(Refusal::NoProvider)?;
        let keys = [Key::Address(client_network(&caller.from))];
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
                    let reason = json!({"why": why.code(), "message": why.to_string()});
                    self.record_failure(caller, "somebody at the identity provider", reason).await?;
                }
                Err(refusal.into())
            }
        }
    }
}
