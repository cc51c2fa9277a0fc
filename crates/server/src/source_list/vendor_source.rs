//! Setting and removing the vendor source: a change of the policy. Its releases are taken by `publishing`.

use headwater_api::v1::{VendorRequest, VendorView};
use headwater_policy::{ParseError, SourceUrl};
use headwater_repo::Trusted;

use super::policies::{self, invalid_list};
use super::service::SourceListService;
use crate::caller::Caller;
use crate::db::releases as release_rows;
use crate::db::vendor::{self as rows, VendorRow};
use crate::error::{Refusal, Result};
use crate::limits;

/// Minutes between syncs unless somebody sets another number.
const SCHEDULE_MINUTES_DEFAULT: u32 = 60;

impl SourceListService {
    /// Sets the vendor source; its root travels in the signed policy.
    ///
    /// # Errors
    /// A refusal for a URL or root that will not do.
    pub async fn set_vendor(&self, request: VendorRequest, caller: &Caller) -> Result<VendorView> {
        let url: SourceUrl =
            request.url.parse().map_err(|error: ParseError| Refusal::invalid(format!("url: {error}")))?;
        let _change = self.publishing.change().await;
        let mut tx = self.db.begin().await?;
        let known = tx.vendor().await?;
        let root = match (&request.root, &known) {
            (Some(root), _) => crate::db::to_json(root),
            (None, Some(known)) => known.root.clone(),
            (None, None) => {
                return Err(Refusal::invalid(
                    "root: it is missing; give the vendor's root metadata, which says whose signatures count",
                )
                .into());
            }
        };
        let trusted = Trusted::from_root(root.as_bytes()).map_err(|error| {
            Refusal::invalid(format!("root: {error}; give the vendor's root.json as it is"))
        })?;
        let schedule_minutes = request
            .schedule_minutes
            .or(known.as_ref().map(|known| known.schedule_minutes))
            .unwrap_or(SCHEDULE_MINUTES_DEFAULT);
        if schedule_minutes > limits::VENDOR_SCHEDULE_MINUTES_MAX {
            let max = limits::VENDOR_SCHEDULE_MINUTES_MAX;
            return Err(
                Refusal::invalid(format!("schedule_minutes: {schedule_minutes} is above {max}")).into()
            );
        }
        let same = known.as_ref().is_some_and(|known| known.url == url.as_str() && known.root == root);
        let known_root = known.as_ref().map(|known| known.root.clone());
        let row = VendorRow {
            url: url.to_string(),
            root_version: trusted.root_version(),
            schedule_minutes,
            last_started: known.as_ref().filter(|_| same).and_then(|known| known.last_started),
            last_sync: known.filter(|_| same).and_then(|known| known.last_sync),
            root,
        };
        let current = policies::current(&mut tx).await?;
        if url == *current.policy.server() {
            return Err(Refusal::invalid(
                "url: it is this server's own; the vendor source is the repository of another publisher",
            )
            .into());
        }
        let mut draft = current.policy.to_draft();
        draft.vendor = Some(url);
        let next = draft.into_policy().map_err(invalid_list)?;
        let vendor_root = serde_json::from_str(&row.root).ok();
        // Of the same source, at whatever address, what was seen counts: it shall not lead backwards.
        if known_root.is_some_and(|known| known != row.root) {
            self.publishing.forget_vendor_metadata()?;
        }
        rows::put(&mut tx, &row).await?;
        let audit_entry = caller.audit_entry("vendor.set", &row.url);
        self.save_policy(
            tx,
            &current,
            &next,
            vendor_root,
            format!("vendor source {} set", row.url),
            audit_entry,
        )
        .await?;
        if !same {
            self.publishing.stop_vendor_sync();
        }
        Ok(self.publishing.vendor_shown(row))
    }

    /// Forgets the vendor source. What was taken from it stays, as components published by hand.
    ///
    /// # Errors
    /// Refusals when there is none, and while entries name it.
    pub async fn remove_vendor(&self, caller: &Caller) -> Result<()> {
        let _change = self.publishing.change().await;
        let mut tx = self.db.begin().await?;
        let Some(vendor) = tx.vendor().await? else { return Err(Refusal::NoVendor.into()) };
        let current = policies::current(&mut tx).await?;
        let mut draft = current.policy.to_draft();
        draft.vendor = None;
        let next = draft.into_policy().map_err(invalid_list)?;
        self.publishing.forget_vendor_metadata()?;
        rows::delete(&mut tx).await?;
        release_rows::release_vendor_names(&mut tx).await?;
        let audit_entry = caller.audit_entry("vendor.remove", vendor.url);
        self.save_policy(tx, &current, &next, None, "vendor source removed".to_owned(), audit_entry).await?;
        self.publishing.stop_vendor_sync();
        Ok(())
    }
}
