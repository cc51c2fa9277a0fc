//! Taking the signed policy as the truth: its source list is saved as a version, and domains that the database does not
//! know are there again, with nothing set. What was set at a domain is not in what is signed: clients get what follows from
//! it, so somebody has to set it again.

use headwater_api::policy::PolicyDocument;
use headwater_api::settings::SignedPolicy;
use headwater_policy::{DomainPath, Repository};

use super::domain_documents::{empty_domain, saved_now};
use super::policies::policy_target;
use super::service::SourceListService;
use crate::audit::Record;
use crate::db::policies::PolicyRow;
use crate::db::{domain_settings, domains, policies};
use crate::error::{Error, Result};

/// Why a version was saved.
const COMMENT: &str = "taken from the signed policy";

impl SourceListService {
    /// The policy, as it is signed.
    ///
    /// # Errors
    /// It is missing or cannot be read.
    pub(crate) fn policy_as_signed(&self) -> Result<SignedPolicy> {
        let corrupt = |reason: String| Error::Corrupt { what: "signed policy", reason };
        let signed = self.publishing.signed_target(Repository::Policy, &policy_target())?;
        let signed = signed.ok_or_else(|| corrupt("there is none".to_owned()))?;
        serde_json::from_slice(&signed).map_err(|error| corrupt(error.to_string()))
    }

    /// Saves the signed source list as a version, if it is another than the database's; nothing is signed by it. Returns the domains that it
    /// did not know. The caller holds the turn of those who publish.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn save_signed_policy(
        &self,
        signed: &SignedPolicy,
        audit_entry: Record,
    ) -> Result<Vec<String>> {
        let mut tx = self.db.begin().await?;
        let current = tx.policy_now().await?;
        let document = PolicyDocument { own_components: Vec::new(), ..signed.policy.clone() };
        if (&document, &signed.vendor_root) != (&current.document, &current.vendor_root) {
            // What the database has of it stays in the history.
            let saved = PolicyRow {
                version: signed.version.max(current.version + 1),
                saved: audit_entry.time,
                saved_by: audit_entry.who.clone(),
                comment: COMMENT.to_owned(),
                document,
                vendor_root: signed.vendor_root.clone(),
            };
            policies::insert(&mut tx, &saved).await?;
        }
        let known: Vec<String> = tx.domains().await?.into_iter().map(|row| row.path).collect();
        let mut new = Vec::new();
        for path in self.signed_domains() {
            if known.contains(&path.to_string()) {
                continue;
            }
            self.add_signed_domain(&mut tx, &path, &audit_entry).await?;
            new.push(path.to_string());
        }
        tx.commit(audit_entry.after(new.clone().into())).await?;
        Ok(new)
    }

    async fn add_signed_domain(
        &self,
        tx: &mut crate::db::Tx,
        path: &DomainPath,
        audit_entry: &Record,
    ) -> Result<()> {
        let mut row = empty_domain(path);
        row.saved_version = tx.domain_version_last(path.as_str()).await? + 1;
        domains::put(tx, &row).await?;
        domain_settings::insert_version(tx, path.as_str(), &saved_now(&row, COMMENT, audit_entry)).await?;
        Ok(())
    }

    /// The domains whose settings are signed; those above come first.
    fn signed_domains(&self) -> Vec<DomainPath> {
        let published = self.publishing.published(Repository::Policy);
        let path = |name: &str| -> Option<DomainPath> {
            name.strip_prefix("settings/")?.strip_suffix(".json")?.parse().ok()
        };
        published.targets().filter_map(|(name, ..)| path(name.as_str())).collect()
    }
}
