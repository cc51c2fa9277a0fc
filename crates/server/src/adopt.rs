//! Adopting what is published, where database and repositories are of different times (I2d): it is taken as the truth and
//! signed again, with every number that clients compare raised, as after a restore.
//!
//! 1. The log records that it is not whole, revocations of the signed policy are taken, and its source list is saved.
//! 2. The policy and the settings are signed again.
//! 3. The releases of components and programs are noted in the database and signed again.
//!
//! A crash in between leaves signing stopped, if it was; adopting once more completes it. What the signed data does not
//! have is gone: what was set at domains, drafts, clients, administrators since the database was copied.

use headwater_api::v1::{AdoptAnswer, AdoptedRepository};
use headwater_policy::{Class, Repository};
use headwater_publisher::ChangeLock;
use jiff::Timestamp;
use serde_json::json;

use crate::audit::Record;
use crate::caller::Caller;
use crate::error::Result;
use crate::publishing::{Difference, Hold, Raise};
use crate::services::Services;

impl Services {
    /// Takes what is published as the truth. `always`: where database and repositories agree, too, because a whole machine was
    /// set back and clients have seen higher numbers.
    ///
    /// # Errors
    /// [`crate::error::Refusal::NothingToAdopt`]; a file that is signed is missing; the database, the disk, the keys.
    pub async fn adopt(&self, always: bool, caller: &Caller) -> Result<AdoptAnswer> {
        let (this, caller) = (self.clone(), caller.clone());
        // The caller may disconnect; half of it is no state to stay in.
        let adopting = tokio::spawn(async move {
            let change = this.publishing.change().await;
            let raise = Raise { by: raise_by(caller.now), always };
            let adopting = this.publishing.begin_adopting(raise)?;
            let adopted = this.adopt_all(&change, raise, adopting.hold(), &caller).await?;
            adopting.finish();
            drop(change);
            this.source_list.sign_own_components(&caller).await;
            // The job's last outcome is that signing was stopped.
            this.upkeep.run_signing(caller.now).await;
            Ok(adopted)
        });
        adopting.await.expect("adopting does not panic")
    }

    async fn adopt_all(
        &self,
        change: &ChangeLock,
        raise: Raise,
        hold: Option<&Hold>,
        caller: &Caller,
    ) -> Result<AdoptAnswer> {
        let Self { publishing, source_list, fleet, access, .. } = self;
        let now = caller.now;
        let before = Repository::ALL.map(|repository| publishing.targets_version(repository));
        access.check_audit_end(now).await?;
        if let Some(finding) = hold.and_then(lost_records) {
            publishing.record(Record::broken(now, &finding)).await?;
        }
        let signed = source_list.policy_as_signed()?;
        let revoked = {
            let audit_entry = caller.audit_entry("repository.adopt", "revocations");
            fleet.take_revocations(signed.fleet.revoked.clone(), audit_entry).await?
        };
        let why = hold.map(|hold| hold.differences.iter().map(ToString::to_string).collect::<Vec<_>>());
        let audit_entry = caller.audit_entry("repository.adopt", "the signed policy").before(json!(why));
        let domains = source_list.save_signed_policy(&signed, audit_entry).await?;
        let policy = &signed.policy;
        let own = policy.vendor.is_some().then_some(policy.own_components.as_slice());
        let mut releases = 0;
        for repository in Repository::ALL {
            let audit_entry = caller.audit_entry("repository.adopt", repository);
            match repository {
                Repository::Policy => {
                    let comment = "what is published was adopted".to_owned();
                    source_list
                        .publish_raised_policy(change, Vec::new(), raise.by, comment, audit_entry)
                        .await?;
                }
                Repository::Class(Class::Settings) => {
                    source_list.publish_raised_settings(change, Vec::new(), raise.by, audit_entry).await?;
                }
                Repository::Class(class) => {
                    releases += publishing
                        .adopt_class(
                            change,
                            class,
                            own.filter(|_| class == Class::Components),
                            raise,
                            audit_entry,
                        )
                        .await?;
                }
            }
            publishing.resume_root(change, repository, now).await?;
            publishing.check_keys(repository)?;
        }
        source_list.follow_fleet_url(now).await?;
        publishing.request_deltas();
        tracing::warn!(who = %caller.actor, releases, "what is published was adopted; signing goes on");
        let adopted = |(repository, before): (Repository, u64)| AdoptedRepository {
            repository: repository.to_string(),
            targets_version_before: before,
            targets_version: publishing.targets_version(repository),
        };
        Ok(AdoptAnswer {
            repositories: Repository::ALL.into_iter().zip(before).map(adopted).collect(),
            releases,
            domains,
            revoked,
        })
    }
}

/// What the audit log must have lost, as each publication was recorded; `None` if the repositories alone are older.
fn lost_records(hold: &Hold) -> Option<String> {
    let is_lost = |difference: &&Difference| !matches!(difference, Difference::RepositoryOlder { .. });
    let lost = hold.differences.iter().find(is_lost)?;
    Some(format!("what was recorded after the database was copied is missing ({lost})"))
}

/// By how much every number goes up: no server signs as often as seconds have gone by since 1970.
fn raise_by(now: Timestamp) -> u64 {
    u64::try_from(now.as_second()).unwrap_or(0)
}
