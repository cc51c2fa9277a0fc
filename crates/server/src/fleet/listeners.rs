//! What the listeners show: the fleet's certificate, the console's, and where the fleet listener is reached.

use std::sync::Arc;

use headwater_depot::serve::Tls;
use headwater_policy::SourceUrl;
use jiff::Timestamp;

use super::fleet_keys::FleetKeys;
use super::service::FleetService;
use crate::error::Result;

impl FleetService {
    /// The keys as they are now.
    pub(super) fn fleet_keys(&self) -> Arc<FleetKeys> {
        Arc::clone(&self.keys.read().expect("nobody panics while holding this lock"))
    }

    /// Takes other keys; the listener shows the new certificate from the next connection on, and the next signed policy
    /// names the new response-signing key.
    pub(super) fn set_fleet_keys(&self, keys: FleetKeys) -> Result<()> {
        let tls = keys.tls()?;
        self.response_signing_key.send_replace(keys.response_signing_key.public().to_string());
        *self.keys.write().expect("nobody panics while holding this lock") = Arc::new(keys);
        self.tls.send_replace(tls);
        Ok(())
    }

    /// What the fleet listener speaks, now and later.
    pub(crate) fn fleet_tls(&self) -> Tls {
        self.tls.subscribe()
    }

    /// Whether class `components` is open to readers without a certificate.
    pub(crate) fn anonymous_components(&self) -> bool {
        self.settings.anonymous_components
    }

    /// What the console listener speaks, now and later; `None` if it speaks plain HTTP.
    pub(crate) fn console_tls(&self) -> Option<Tls> {
        self.console_certificate.as_ref().map(|certificate| certificate.tls())
    }

    /// Shows another certificate on the console where that is due; returns whether it does.
    pub(crate) fn renew_console_certificate(&self, now: Timestamp) -> Result<bool> {
        match &self.console_certificate {
            Some(console) => console.renew(&self.settings.console, &self.data, &self.fleet_keys(), now),
            None => Ok(false),
        }
    }

    /// Renews the listener's certificate at two thirds of its life; returns whether it was.
    pub(crate) fn renew_chain(&self, now: Timestamp) -> Result<bool> {
        let keys = self.fleet_keys();
        if !keys.chain.renewal_due(now) {
            return Ok(false);
        }
        self.set_fleet_keys(keys.with_new_chain(&self.settings, &self.fleet_url, now)?)?;
        Ok(true)
    }

    /// Every base URL by which clients reach the fleet listener: `fleet_url`, and `fleet_names` at the same port.
    pub(crate) fn fleet_urls(&self) -> Vec<String> {
        let (scheme, rest) = self.fleet_url.as_str().split_once("://").expect("it is a URL");
        let bracketed = |host: String| if host.contains(':') { format!("[{host}]") } else { host };
        let after = &rest[bracketed(self.fleet_url.host().to_owned()).len()..];
        let mut urls = vec![self.fleet_url.to_string()];
        for name in &self.settings.names {
            let url = format!("{scheme}://{}{after}", bracketed(name.to_string()));
            if !urls.contains(&url) {
                urls.push(url);
            }
        }
        urls
    }

    /// The base URL by which clients reach the fleet listener.
    #[must_use]
    pub fn fleet_url(&self) -> &SourceUrl {
        &self.fleet_url
    }
}
