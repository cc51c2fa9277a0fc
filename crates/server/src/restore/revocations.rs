//! Revocations that the backup does not know of, from a copy of the lost server's signed policy: at a mirror, or in what an
//! update agent serves. The keys of the time signed it, so its freshness is nobody's word: what it revokes is revoked.

use std::fs;
use std::path::Path;

use headwater_api::settings::SignedPolicy;
use headwater_policy::Repository;
use headwater_repo::{SignedRoot, TargetName, Trusted, VerifyError, Wanted, error_chain};
use jiff::Timestamp;

use super::{Restore, refused};
use crate::caller::Caller;
use crate::error::{Error, Result};
use crate::source_list::policy_target;

/// Expiry is not looked at: what is read here is as old as the loss.
const WHENEVER: Timestamp = Timestamp::MIN;

impl Restore {
    /// Revokes what a copy of the policy in `folder` (with `policy/metadata` and `policy/targets` in it) lists as
    /// revoked since the backup; returns which clients. To be called before the first repository is published.
    ///
    /// # Errors
    /// [`Error::Backup`] where the copy is not there or was not signed by this server; the database.
    pub async fn take_revocations(
        &self,
        folder: &Path,
        newer: &[(Repository, Vec<u8>)],
        now: Timestamp,
    ) -> Result<Vec<String>> {
        let policy = self.newer_policy(&folder.join(Repository::Policy.as_str()), newer)?;
        let revoked = policy.fleet.revoked;
        let audit_entry = Caller::server(now).audit_entry("repository.restore", "revocations");
        self.services.fleet.take_revocations(revoked, audit_entry).await
    }

    /// The policy in a copy that was signed under any of the roots, the newest first: it may be of before a restore.
    fn newer_policy(&self, copy: &Path, newer: &[(Repository, Vec<u8>)]) -> Result<SignedPolicy> {
        let roots = self.follow(Repository::Policy, newer);
        let mut read = self.policy_under(copy, &roots);
        for count in (0..roots.len()).rev() {
            read = read.or_else(|error| self.policy_under(copy, &roots[..count]).map_err(|_| error));
        }
        read
    }

    fn policy_under(&self, copy: &Path, roots: &[SignedRoot]) -> Result<SignedPolicy> {
        let unsigned = |error: VerifyError| {
            refused(format!("{} is no copy of this server's policy: {}", copy.display(), error_chain(&error)))
        };
        let metadata = copy.join("metadata");
        let mut trusted =
            Trusted::from_root(self.services.publishing.published(Repository::Policy).root().bytes())
                .map_err(unsigned)?;
        for root in roots {
            trusted.update_root(root.bytes()).map_err(unsigned)?;
        }
        trusted
            .update_timestamp(&read(&metadata, &trusted.timestamp_wanted())?, WHENEVER)
            .map_err(unsigned)?;
        if let Some(wanted) = trusted.snapshot_wanted(WHENEVER).map_err(unsigned)? {
            trusted.update_snapshot(&read(&metadata, &wanted)?, WHENEVER).map_err(unsigned)?;
        }
        if let Some(wanted) = trusted.targets_wanted(WHENEVER).map_err(unsigned)? {
            trusted.update_targets(&read(&metadata, &wanted)?, WHENEVER).map_err(unsigned)?;
        }
        let name: TargetName = policy_target();
        let Some(target) = trusted.target(&name) else {
            return Err(refused(format!("{} has no {name}", copy.display())));
        };
        let wanted = Wanted { file: target.path.clone(), version: None, length_max: target.length };
        let policy = read(&copy.join("targets"), &wanted)?;
        target.check(&policy).map_err(unsigned)?;
        serde_json::from_slice(&policy)
            .map_err(|error| Error::Corrupt { what: "signed policy", reason: error.to_string() })
    }
}

/// A file of at most the length that is wanted.
fn read(folder: &Path, wanted: &Wanted) -> Result<Vec<u8>> {
    let path = folder.join(&wanted.file);
    let unreadable = |error: std::io::Error| refused(format!("{} cannot be read: {error}", path.display()));
    let length = fs::metadata(&path).map_err(unreadable)?.len();
    if length > wanted.length_max {
        return Err(refused(format!("{} has {length} bytes, more than it may", path.display())));
    }
    fs::read(&path).map_err(unreadable)
}
