//! The part of a restore that signs: see [`crate::restore`].

use headwater_policy::{Class, SourceUrl};
use headwater_repo::SignedRoot;
use jiff::Timestamp;
use serde_json::json;

use super::App;
use super::domains::{documents, domain_target};
use super::fleet::confidential::domain_bytes;
use super::policies::{policy_target, signed_policy};
use crate::access::Caller;
use crate::config::Config;
use crate::db::policies::Saved;
use crate::db::{Db, domains, fleet, policies, releases};
use crate::error::{Error, Result};
use crate::publishing::failed;
use crate::restore::{raise, unchanged};

impl App {
    /// Opens a data folder from a backup, whose online keys may be gone. Nothing is signed.
    ///
    /// # Errors
    /// As [`App::open`].
    pub(crate) async fn open_restored(config: Config, now: Timestamp) -> Result<Self> {
        let db = Db::open(
            &config.data.join("server.db"),
            crate::secret::load_or_make_audit_key(&config.data.join("keys/audit.key"))?,
        )
        .await?;
        let url = db.policy_now().await?.document.server.url;
        db.close().await;
        let url: SourceUrl = url.parse().map_err(|error: headwater_policy::ParseError| Error::Corrupt {
            what: "policy",
            reason: error.to_string(),
        })?;
        let app = Self::assemble(config, url, now).await?;
        for class in Class::ALL {
            app.publishing.open_repository(class).await?;
        }
        Ok(app)
    }

    /// Publishes a class under new roots, beyond anything that the lost server can have signed.
    pub(crate) async fn restore_class(
        &self,
        class: Class,
        roots: Vec<SignedRoot>,
        made: Timestamp,
        now: Timestamp,
    ) -> Result<()> {
        let _change = self.publishing.change().await;
        let step = raise(now);
        let audit_entry =
            Caller::server(now).audit_entry("repository.restore", class).after(json!({"backup_of": made}));
        let mut tx = self.db.begin().await?;
        if class != Class::Settings {
            releases::raise_floor(&mut tx, class, step).await?;
            return self.publishing.take_roots(class, roots, step, tx, unchanged, audit_entry).await;
        }
        let current = self.db.policy_now().await?;
        let saved = Saved {
            version: current.version + step,
            saved: now,
            comment: format!("restored from a backup of {made:.0}"),
            ..current
        };
        policies::insert(&mut tx, &saved).await?;
        let mut rows = self.db.domains().await?;
        for row in &mut rows {
            row.version += step;
            domains::put(&mut tx, row).await?;
        }
        let mut targets =
            vec![(policy_target(), signed_policy(&saved, self.fleet_document(&mut tx, now).await?))];
        for document in documents(&rows)? {
            // Whoever has the lost server has the keys of confidential domains: they get new ones.
            fleet::delete_domain_keys(&mut tx, &document.domain).await?;
            let bytes = domain_bytes(&mut tx, &document, now).await?;
            targets.push((domain_target(&document.domain), bytes));
        }
        let edit = |draft: &mut headwater_repo::Draft| {
            targets
                .into_iter()
                .try_for_each(|(target, bytes)| draft.add(target, bytes).map_err(failed(class, "restoring")))
        };
        self.publishing.take_roots(class, roots, step, tx, edit, audit_entry).await
    }
}
