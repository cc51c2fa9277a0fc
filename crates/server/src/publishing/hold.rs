//! Signing that is stopped, and deleting that waits: what a start that found something odd leads to (I2d).
//!
//! While database and repositories are of different times, nothing is signed or deleted, and what verifies goes on being
//! served. After anything odd, nothing is deleted for [`NOTHING_DELETED_SECONDS`]: an administrator who put a wrong file in
//! place has that time to notice.

use headwater_policy::Repository;
use headwater_repo::{Role, layout};
use jiff::{SignedDuration, Timestamp};

use super::consistency::{Consistency, Difference, Folder, RepositoryState, decide};
use super::failures::store_failed;
use super::findings::Hold;
use super::service::PublishingService;
use crate::error::{Error, Refusal, Result};
use crate::limits::NOTHING_DELETED_SECONDS;

impl PublishingService {
    /// Reads every repository, compares it with the database, and puts in place what a crash kept from being so. Returns
    /// which ones were never published. If any is of another time, no repository is written, and signing is stopped.
    ///
    /// # Errors
    /// [`Error::Lost`] for a repository of which not enough is there to serve it; the database, the disk.
    pub(crate) async fn open_repositories(&self, now: Timestamp) -> Result<Vec<Repository>> {
        let mut read = Vec::new();
        for repository in Repository::ALL {
            let row = self.db.repository(repository).await?;
            let keys = self.keys(repository);
            let folder = Folder { repository, objects: self.objects(repository), ring: &keys.signing.ring };
            let state = RepositoryState::read(&folder, row.as_ref(), now)?;
            let decision = decide(&state.facts);
            if let Consistency::Lost(file) = &decision {
                return Err(Error::Lost { path: format!("repository/{repository}/{file}") });
            }
            read.push((repository, row, state, decision));
        }
        let differences: Vec<Difference> = read
            .iter()
            .filter_map(|(.., decision)| match decision {
                Consistency::Different(difference) => Some(difference.clone()),
                _ => None,
            })
            .collect();
        let is_held = !differences.is_empty();
        let (mut unpublished, mut odd) = (Vec::new(), Vec::new());
        for (repository, row, state, decision) in read {
            let published = match &decision {
                Consistency::Unpublished => {
                    unpublished.push(repository);
                    continue;
                }
                Consistency::Different(_) => state.found.or(state.recorded),
                _ => state.recorded,
            };
            let Some(published) = published else {
                let path =
                    format!("the metadata that repository/{repository}/metadata/timestamp.json leads to");
                return Err(Error::Lost { path });
            };
            self.published
                .write()
                .expect("nobody panics while holding this lock")
                .insert(repository, published);
            if let (Consistency::ToComplete { odd: found }, Some(row), false) = (decision, row, is_held) {
                odd.extend(found);
                self.publish_timestamp(repository, &row.timestamp)?;
            }
        }
        if is_held && !unpublished.is_empty() {
            let path = format!("repository/{}", unpublished[0]);
            return Err(Error::Lost { path });
        }
        self.note_findings(differences, odd, now)?;
        Ok(unpublished)
    }

    fn note_findings(&self, differences: Vec<Difference>, odd: Vec<String>, now: Timestamp) -> Result<()> {
        for sentence in &odd {
            self.note_odd(sentence.clone(), now);
        }
        if differences.is_empty() {
            return Ok(());
        }
        let mut accepted_until = Timestamp::MAX;
        for repository in Repository::ALL {
            accepted_until = accepted_until.min(self.served_until(repository)?);
        }
        let hold = Hold { since: now, differences, accepted_until };
        tracing::error!("{}", hold.message());
        let mut findings = self.findings.write().expect("nobody panics while holding this lock");
        findings.deletes_after = Some(now + SignedDuration::from_secs(NOTHING_DELETED_SECONDS));
        findings.hold = Some(hold);
        Ok(())
    }

    /// Until when clients accept the timestamp that is served.
    fn served_until(&self, repository: Repository) -> Result<Timestamp> {
        let served = self
            .objects(repository)
            .get(layout::TIMESTAMP, None)
            .map_err(|error| store_failed(repository, error))?;
        let expires = served.as_deref().and_then(super::consistency::expires_of);
        Ok(expires.unwrap_or_else(|| self.published(repository).expires(Role::Timestamp)))
    }

    /// Notes something odd: nothing is deleted for a while.
    pub(crate) fn note_odd(&self, sentence: String, now: Timestamp) {
        let until = now + SignedDuration::from_secs(NOTHING_DELETED_SECONDS);
        tracing::warn!("{sentence}; nothing is deleted before {until:.0}");
        let mut findings = self.findings.write().expect("nobody panics while holding this lock");
        findings.odd.push(sentence);
        findings.deletes_after = Some(until);
    }

    /// Why signing is stopped; `None` if it is not.
    pub(crate) fn hold(&self) -> Option<Hold> {
        self.findings.read().expect("nobody panics while holding this lock").hold.clone()
    }

    /// What the start found odd, sentences.
    pub(crate) fn odd(&self) -> Vec<String> {
        self.findings.read().expect("nobody panics while holding this lock").odd.clone()
    }

    /// Lets signing go on; returns what it was stopped for.
    pub(super) fn lift_hold(&self) -> Option<Hold> {
        self.findings.write().expect("nobody panics while holding this lock").hold.take()
    }

    /// Stops signing again.
    pub(super) fn put_hold(&self, hold: Hold) {
        self.findings.write().expect("nobody panics while holding this lock").hold = Some(hold);
    }

    /// Refuses to sign while that is stopped. Everything that signs asks here.
    ///
    /// # Errors
    /// [`Refusal::SigningStopped`].
    pub(crate) fn permit_signing(&self) -> Result<()> {
        match self.hold() {
            Some(hold) => Err(Refusal::SigningStopped(hold.message()).into()),
            None => Ok(()),
        }
    }

    /// Until when nothing is deleted after what the start found; `None` if that is over or it found nothing.
    pub(crate) fn deletes_nothing_until(&self, now: Timestamp) -> Option<Timestamp> {
        let findings = self.findings.read().expect("nobody panics while holding this lock");
        findings.deletes_after.filter(|until| now < *until)
    }

    /// Why nothing is deleted at `now`, a sentence; `None` if it may be.
    pub(crate) fn deletes_nothing(&self, now: Timestamp) -> Option<String> {
        if self.hold().is_some() {
            return Some("waits: nothing is deleted while signing is stopped".to_owned());
        }
        let until = self.deletes_nothing_until(now)?;
        Some(format!("waits: the start found something odd, and nothing is deleted before {until:.0}"))
    }
}
