//! The saved policy: loading it, and making a new version of it that is saved and signed at once (S7).

use headwater_api::policy::PolicyDocument;
use headwater_api::settings::{FORMAT, SignedPolicy};
use headwater_api::v1::{ChangeView, HistoryItem, SavedPolicy};
use headwater_policy::{Policy, PolicyDiff, Problem, Repository, diff_policies};
use headwater_repo::TargetName;
use jiff::Timestamp;
use serde_json::json;

use super::service::SourceListService;
use crate::audit::Record;
use crate::db::policies::{self as rows, PolicyRow};
use crate::db::{Connection, Tx, to_json};
use crate::error::{Error, Refusal, Result};
use crate::publishing::{StagedPublication, failed};
use crate::request::page;

/// The target that holds the policy.
pub const POLICY_TARGET: &str = "policy.json";

/// A saved version, read.
#[derive(Debug, Clone)]
pub struct Current {
    /// As stored.
    pub saved: PolicyRow,
    /// As decided with.
    pub policy: Policy,
}

impl SourceListService {
    /// The policy as it is saved now.
    pub(crate) async fn current(&self) -> Result<Current> {
        self.current_in(&mut self.db.connection().await?).await
    }

    /// The policy as it is saved now, as `db` has it, with the names of the organisation's own components.
    pub(super) async fn current_in(&self, db: &mut Connection) -> Result<Current> {
        let Current { mut saved, policy } = current(db).await?;
        let own = self.publishing.own_components(db).await?;
        saved.document.own_components = own.iter().map(str::to_owned).collect();
        Ok(Current { saved, policy: policy.with_own_components(own) })
    }

    /// The policy as it is saved now, for showing.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn saved_now(&self) -> Result<SavedPolicy> {
        Ok(saved_view(self.current().await?.saved))
    }

    /// One saved version, for showing.
    ///
    /// # Errors
    /// A refusal when there is none of that number.
    pub async fn saved_then(&self, version: u64) -> Result<SavedPolicy> {
        Ok(saved_view(saved_version(&mut self.db.connection().await?, version).await?))
    }

    /// Saved versions, newest first; and where the next page begins.
    ///
    /// # Errors
    /// A refusal for a page that is too long.
    pub async fn history(
        &self,
        before: Option<u64>,
        limit: Option<u32>,
    ) -> Result<(Vec<HistoryItem>, Option<u64>)> {
        let limit = page(limit)?;
        let saved = self.db.policies(before.unwrap_or(u64::MAX), limit).await?;
        let next = (saved.len() == limit as usize).then(|| saved.last().map(|saved| saved.version)).flatten();
        let item = |saved: PolicyRow| HistoryItem {
            version: saved.version,
            saved: saved.saved,
            saved_by: saved.saved_by,
            comment: saved.comment,
            mode: saved.document.mode,
            entries: u32::try_from(saved.document.entries.len()).unwrap_or(u32::MAX),
        };
        Ok((saved.into_iter().map(item).collect(), next))
    }

    /// Saves and signs what comes after `current`; `tx` may hold more of the same change. Nothing is done where nothing
    /// differs. The caller holds [`PublishingService::change`](crate::publishing::PublishingService::change), and
    /// passes the audit entry; before and after are added here. Returns the version that is current afterwards.
    pub(crate) async fn save_policy(
        &self,
        tx: Tx,
        current: &Current,
        next: &Policy,
        vendor_root: Option<serde_json::Value>,
        comment: String,
        audit_entry: Record,
    ) -> Result<u64> {
        let same_root = vendor_root == current.saved.vendor_root;
        let diff = diff_policies(&current.policy, next);
        if diff.is_empty() && same_root {
            tx.commit(audit_entry.after(json!({"version": current.saved.version, "unchanged": true})))
                .await?;
            return Ok(current.saved.version);
        }
        let now = audit_entry.time;
        let saved = PolicyRow {
            version: current.saved.version + 1,
            saved: now,
            saved_by: audit_entry.who.clone(),
            comment,
            // Which components are its own is stated when it is signed, and is no part of what was saved.
            document: PolicyDocument { own_components: Vec::new(), ..PolicyDocument::of(&next.to_draft()) },
            vendor_root,
        };
        let mut tx = tx;
        let document = self.signed_policy(&mut tx, &saved, now).await?;
        let staged = self.stage_policy(document, now)?;
        rows::insert(&mut tx, &saved).await?;
        let changed: Vec<String> = changes(&diff).into_iter().map(|change| change.text).collect();
        let audit_entry = audit_entry.before(json!({"version": current.saved.version})).after(json!({
            "version": saved.version,
            "comment": saved.comment,
            "changes": changed,
            "vendor_root_changed": !same_root,
        }));
        self.publishing.commit(tx, vec![staged], audit_entry).await?;
        tracing::info!(version = saved.version, comment = saved.comment, "policy saved and signed");
        Ok(saved.version)
    }

    /// The content of the policy's target: what was saved, with the fleet and the organisation's own components as `db`
    /// has them.
    pub(super) async fn signed_policy(
        &self,
        db: &mut Connection,
        saved: &PolicyRow,
        now: Timestamp,
    ) -> Result<Vec<u8>> {
        let own = self.publishing.own_components(db).await?;
        let own_components = own.iter().map(str::to_owned).collect();
        let signed = SignedPolicy {
            format: FORMAT,
            version: saved.version,
            policy: PolicyDocument { own_components, ..saved.document.clone() },
            vendor_root: saved.vendor_root.clone(),
            fleet: self.fleet_document(db, now).await?,
        };
        Ok(to_json(&signed).into_bytes())
    }

    fn stage_policy(&self, document: Vec<u8>, now: Timestamp) -> Result<StagedPublication> {
        let mut draft = self.publishing.draft(Repository::Policy);
        draft.add(policy_target(), document).map_err(failed(Repository::Policy, "policy"))?;
        self.publishing.stage(Repository::Policy, draft, now)
    }
}

/// The policy as it is saved now, as `db` has it: a change reads it in its own transaction.
pub(crate) async fn current(db: &mut Connection) -> Result<Current> {
    read_saved(db.policy_now().await?)
}

/// One saved version.
pub(super) async fn saved_version(db: &mut Connection, version: u64) -> Result<PolicyRow> {
    db.policy(version).await?.ok_or_else(|| {
        Refusal::NotFound {
            what: "version",
            name: version.to_string(),
            hint: "look at the history of the source list",
        }
        .into()
    })
}

/// The name of the policy's target.
pub(crate) fn policy_target() -> TargetName {
    TargetName::new(POLICY_TARGET).expect("a plain file name is a target name")
}

/// What was stored, read back. It was checked when it was saved and is not judged again: a rule that has become
/// stricter since must not lock an administrator out of the list that he has to mend.
pub(crate) fn read_saved(saved: PolicyRow) -> Result<Current> {
    let corrupt = |problems: Vec<Problem>| Error::Corrupt {
        what: "policy",
        reason: problems.first().map(ToString::to_string).unwrap_or_default(),
    };
    let policy = saved.document.read().map(Policy::already_saved).map_err(corrupt)?;
    Ok(Current { saved, policy })
}

fn saved_view(saved: PolicyRow) -> SavedPolicy {
    let PolicyRow { version, saved, saved_by, comment, document: policy, vendor_root: _ } = saved;
    SavedPolicy { version, saved, saved_by, comment, policy }
}

/// Problems of a list as a refusal.
pub(crate) fn invalid_list(problems: Vec<Problem>) -> Error {
    Refusal::InvalidList(problems).into()
}

/// A difference as wire messages.
pub(crate) fn changes(diff: &PolicyDiff) -> Vec<ChangeView> {
    let options = diff.options.iter().map(|line| ChangeView {
        kind: "option".to_owned(),
        before: None,
        after: None,
        text: line.clone(),
    });
    let entries = diff.entries.iter().map(|change| {
        use headwater_policy::EntryChange as C;
        let (kind, before, after) = match change {
            C::Added { to, .. } => ("added", None, Some(*to)),
            C::Removed { from, .. } => ("removed", Some(*from), None),
            C::Moved { from, to, .. } => ("moved", Some(*from), Some(*to)),
            C::Edited { from, to, .. } => ("changed", Some(*from), Some(*to)),
        };
        ChangeView { kind: kind.to_owned(), before, after, text: change.to_string() }
    });
    options.chain(entries).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_policy_stays_readable_when_a_rule_has_become_stricter() {
        let document = serde_json::json!({
            "mode": "customized",
            "options": {
                "server_fallback": { "components": true, "settings": true, "programs": true },
                "update_agents_from_server_only": false, "vendor_fallback": "documented"
            },
            "server": { "url": "http://127.0.0.1:8471" },
            "update_agents": [],
            "entries": [
                { "clients": { "ipv4": "10.1.0.0-10.1.0.9" }, "source": { "update_agent": "gone" } },
                { "clients": { "ipv6": "2001:db8::/32" }, "source": { "url": "http://10.0.0.1/" } },
            ],
        });
        let document: PolicyDocument = serde_json::from_value(document).unwrap();
        let strict = document.read().unwrap().into_policy().unwrap_err();
        assert_eq!(strict.len(), 2, "{strict:?}");
        let saved = PolicyRow {
            version: 7,
            saved: Timestamp::UNIX_EPOCH,
            saved_by: String::new(),
            comment: String::new(),
            document,
            vendor_root: None,
        };
        assert_eq!(read_saved(saved).unwrap().policy.entries().len(), 2);
    }
}
