//! The check of a daemon between its runs, in small steps: a long interval must not leave damage unseen.

use std::collections::VecDeque;

use tokio::time::Instant;

use crate::data::{DataFolder, Reference, ReleaseRecord, Slot};
use crate::limits::{CHECK_INTERVAL, CHECK_STEP_FILES_MAX};
use crate::repair::damage::{Depth, damage_in};

/// A check of every current release that goes on over many steps.
#[derive(Debug)]
pub(crate) struct SpreadCheck {
    due: Instant,
    waiting: VecDeque<Slot>,
    looking_at: Option<Release>,
}

/// A release that is being looked at.
#[derive(Debug)]
struct Release {
    slot: Slot,
    name: String,
    record: ReleaseRecord,
    reference: Reference,
    /// How many of its files were looked at.
    seen: usize,
}

impl SpreadCheck {
    /// The next check, an interval after `now`, when a run has just made one.
    pub(crate) fn after(now: Instant) -> Self {
        Self { due: now + CHECK_INTERVAL, waiting: VecDeque::new(), looking_at: None }
    }

    /// One step; whether something is damaged. Then the check is over, and the next is due after the interval. What cannot
    /// be read is left to the next run, which says so.
    pub(crate) fn step(&mut self, folder: &DataFolder, now: Instant) -> bool {
        if self.looking_at.is_none() && self.waiting.is_empty() {
            if now < self.due {
                return false;
            }
            self.due = now + CHECK_INTERVAL;
            self.waiting = folder.slots().unwrap_or_default().into_iter().map(|(_, _, slot)| slot).collect();
        }
        let mut left = CHECK_STEP_FILES_MAX;
        while left > 0 {
            let Some(mut release) = self.looking_at.take().or_else(|| self.next_release()) else {
                return false;
            };
            let to = release.record.files.len().min(release.seen + left);
            let at = release.slot.release_folder(&release.name);
            let files = release.seen..to;
            if !damage_in(&at, &release.record, &release.reference, Depth::Metadata, files).is_empty()
                && release.is_current()
            {
                *self = Self::after(now);
                return true;
            }
            left -= (to - release.seen).max(1);
            release.seen = to;
            if release.seen < release.record.files.len() {
                self.looking_at = Some(release);
            }
        }
        false
    }

    fn next_release(&mut self) -> Option<Release> {
        loop {
            let slot = self.waiting.pop_front()?;
            let Ok(Some((name, record))) = slot.installed() else { continue };
            let reference = slot.reference(&name).unwrap_or_default();
            return Some(Release { slot, name, record, reference, seen: 0 });
        }
    }
}

impl Release {
    /// Whether no run beside the daemon has replaced it.
    fn is_current(&self) -> bool {
        self.slot.installed().ok().flatten().is_some_and(|(name, _)| name == self.name)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;
    use crate::data::Trial;

    /// A component of `count` files of one byte each.
    fn install(folder: &DataFolder, name: &str, count: usize) -> (Slot, String) {
        let digest = headwater_repo::Digest::of(b"1");
        let files: Vec<_> = (0..count)
            .map(|n| serde_json::json!({"path": format!("f{n}"), "sha256": digest, "size": 1, "mode": 0o644}))
            .collect();
        let record: ReleaseRecord = serde_json::from_value(serde_json::json!({
            "sequence": 1, "version": "1", "manifest": digest, "files": files,
            "voucher": {"owner": "organisation", "evidence": {"root": 1, "keys": []}},
        }))
        .unwrap();
        let slot = folder.slot(headwater_policy::Class::Components, name);
        let assembling = slot.begin(&record).unwrap();
        (0..count).for_each(|n| fs::write(assembling.join(format!("f{n}")), "1").unwrap());
        let release = slot.finish(&assembling, &record).unwrap();
        slot.switch(&Trial { release: release.clone(), previous: None, starts: 1 }).unwrap();
        (slot, release)
    }

    #[test]
    fn a_check_is_due_after_an_interval_and_takes_as_many_steps_as_there_are_files() {
        let data = tempfile::tempdir().unwrap();
        let folder = DataFolder::new(data.path());
        folder.prepare().unwrap();
        install(&folder, "first", 3);
        let (slot, release) = install(&folder, "second", CHECK_STEP_FILES_MAX + 1);
        let last = slot.release_folder(&release).join(format!("f{CHECK_STEP_FILES_MAX}"));
        let (begun, mut check) = (Instant::now(), SpreadCheck::after(Instant::now()));
        let due = begun + CHECK_INTERVAL + Duration::from_secs(1);
        assert!(!check.step(&folder, due) && !check.step(&folder, due), "nothing is damaged");
        let next = due + CHECK_INTERVAL;
        fs::remove_file(&last).unwrap();
        assert!(!check.step(&folder, next - Duration::from_secs(2)), "not before the interval is over");
        assert!(!check.step(&folder, next), "the first step does not come so far");
        assert!(check.step(&folder, next), "the second does");
        assert!(!check.step(&folder, next), "a run repairs it; it is not found again at once");
    }
}
