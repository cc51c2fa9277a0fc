//! What to do next, and why: pure decisions over values. No I/O, no clock, no chance.
//!
//! * [`decide`]: what to do about the release that a source offers of one name; [`decide_document`]: about a policy or
//!   a domain's settings;
//! * [`resume`]: what to do about a release whose judgement was cut short;
//! * [`way_to`]: how a file that is missing is had for the fewest bytes;
//! * [`class_result`]: what a class came to, from what its names came to;
//! * [`launch`] and [`trial_verdict`]: whether a new `headwater-client` takes over;
//! * [`poll_after`]: when the next run begins.
//!
//! The driver (`run`, `classes`, `content`, `domain`, `install`) carries them out.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use headwater_api::report::{ClassOutcome, ClassResult, Reason};
use headwater_repo::{
    Delta, DeltaFormat, DeltaPath, DeltaPaths, Digest, FileEntry, ReleaseList, Sequence, Step,
};

use crate::limits::{DELTA_MEMORY_MAX, POLL_JITTER_PERCENT, SELF_STARTS_MAX, TRIAL_STARTS_MAX};

/// What is known of one name when a source offers it.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The installed release.
    pub installed: Option<Sequence>,
    /// The source's signed release list.
    pub list: &'a ReleaseList,
    /// The releases that the organisation's last known list withdraws: more than `list` does where the source is
    /// the vendor's.
    pub withdrawn_by_organisation: &'a BTreeSet<Sequence>,
    /// Why the list's current release failed here before, if it did and nobody asked to try again.
    pub failed_before: Option<&'a str>,
}

/// What to do about one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The installed release is the list's current one.
    UpToDate,
    /// Install the list's current release.
    Install,
    /// Install the list's current release though it is older: the installed one was withdrawn by signature (P11).
    RollBack {
        /// The withdrawn release.
        from: Sequence,
    },
    /// The list's current release failed here; keep what is installed until there is a newer one or an operator asks.
    FailedBefore {
        /// Why it failed.
        why: String,
    },
    /// The list's current release is older and the installed one was not withdrawn: keep it (P11).
    Backwards {
        /// The installed release.
        have: Sequence,
    },
    /// The organisation withdrew the list's current release: keep what is installed.
    Withdrawn,
}

/// Decides about the release that a source offers of one name.
pub fn decide(known: &Known<'_>) -> Decision {
    let offered = known.list.current().sequence;
    let decision = match (known.list.step(known.installed), known.installed) {
        (Step::UpToDate, _) => return Decision::UpToDate,
        (Step::Ahead, Some(have)) => return Decision::Backwards { have },
        (Step::RollBack(_), Some(from)) => Decision::RollBack { from },
        (Step::Forward(_) | Step::Ahead | Step::RollBack(_), _) => Decision::Install,
    };
    if known.withdrawn_by_organisation.contains(&offered) {
        return Decision::Withdrawn;
    }
    match known.failed_before {
        Some(why) => Decision::FailedBefore { why: why.to_owned() },
        None => decision,
    }
}

/// Decides about a newer document of class settings (the policy, or a domain's settings): it has no release list, so
/// its own version is what orders. `have`: the version in force of the same policy or domain.
pub fn decide_document(have: Option<Sequence>, offered: Sequence, failed_before: Option<&str>) -> Decision {
    match (have, failed_before) {
        (Some(have), _) if have > offered => Decision::Backwards { have },
        (_, Some(why)) => Decision::FailedBefore { why: why.to_owned() },
        (_, None) => Decision::Install,
    }
}

/// The deltas that make a missing file for fewer bytes than its body; none: the body is the cheapest.
///
/// `at_hand`: files on this endpoint, of whatever release or name. `stored`: blobs that were fetched before, which cost
/// nothing any more (P10). `refused`: deltas that no source gave or that came to nothing.
pub fn way_to(
    file: &FileEntry,
    ways: &DeltaPaths<'_>,
    at_hand: &dyn Fn(&Digest) -> bool,
    stored: &dyn Fn(&Digest) -> bool,
    refused: &HashSet<Digest>,
) -> Option<DeltaPath> {
    let price = |delta: &Delta| {
        let usable = delta.format == DeltaFormat::Headwater1
            && delta.memory <= DELTA_MEMORY_MAX
            && !refused.contains(&delta.sha256);
        usable.then(|| if stored(&delta.sha256) { 0 } else { delta.size })
    };
    let full = if stored(&file.body.sha256) { 0 } else { file.body.size };
    ways.cheapest(&file.sha256, full, at_hand, &price)
}

/// What to do about a release that was put in place but not judged to the end (a crash, a power loss).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resume {
    /// Judge it again from the install command on.
    JudgeAgain,
    /// It was cut short too often: go back.
    GoBack,
}

/// Decides about a judgement that was begun `starts` times.
pub fn resume(starts: u32) -> Resume {
    if starts >= TRIAL_STARTS_MAX { Resume::GoBack } else { Resume::JudgeAgain }
}

/// What one name came to in a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameOutcome {
    /// The name.
    pub name: String,
    /// What it came to.
    pub result: ClassResult,
    /// A sentence for people; empty where nothing happened.
    pub message: String,
    /// What a report names where the fault was not a source's.
    pub fault: Option<Reason>,
}

/// What a class came to, from what its names came to: the worst first.
pub fn class_result(names: &[NameOutcome]) -> ClassResult {
    [ClassResult::Failed, ClassResult::Reverted, ClassResult::Updated]
        .into_iter()
        .find(|result| names.iter().any(|name| name.result == *result))
        .unwrap_or(ClassResult::Current)
}

/// The class's sentence, from its names'.
pub fn class_message(names: &[NameOutcome]) -> String {
    let said: Vec<&str> =
        names.iter().filter(|name| !name.message.is_empty()).map(|name| name.message.as_str()).collect();
    match (said.is_empty(), names.len()) {
        (false, _) => said.join("; "),
        (true, 0) => "nothing is published".to_owned(),
        (true, 1) => format!("{} is current", names[0].name),
        (true, 2) => format!("{} and {} are current", names[0].name, names[1].name),
        (true, count) => format!("all {count} are current"),
    }
}

/// Which program a starting daemon runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Launch {
    /// The one that was started: there is no other.
    Own,
    /// The release that `current` names, which has completed a run before.
    Current,
    /// The release that `current` names, on probation: count this start first.
    Probation,
    /// It had its starts and completed no run: go back to the one before.
    GoBack,
}

/// Decides which program a starting daemon runs. `probation`: the starts that a new release had without having
/// completed a run; `None`: there is none on probation.
pub fn launch(has_current: bool, probation: Option<u32>) -> Launch {
    match (has_current, probation) {
        (false, _) => Launch::Own,
        (true, None) => Launch::Current,
        (true, Some(starts)) if starts >= SELF_STARTS_MAX => Launch::GoBack,
        (true, Some(_)) => Launch::Probation,
    }
}

/// Whether a new `headwater-client`, having made a trial run, did as well as the old one: a class that the old
/// one could do must not fail with the new one.
///
/// # Errors
///
/// What it did worse, as a sentence.
pub fn trial_verdict(own: &[ClassOutcome], trial: &[ClassOutcome]) -> Result<(), String> {
    for outcome in own {
        if !could(outcome.result) {
            continue;
        }
        match trial.iter().find(|other| other.class == outcome.class) {
            None => return Err(format!("its trial run did not reach class {}", outcome.class)),
            Some(other) if !could(other.result) => {
                return Err(format!("its trial run failed for class {}: {}", outcome.class, other.message));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

fn could(result: ClassResult) -> bool {
    matches!(result, ClassResult::Updated | ClassResult::Current)
}

/// When the next poll begins after the last one: the interval, up to [`POLL_JITTER_PERCENT`] earlier or later by
/// `chance`. Never less than a second.
pub fn poll_after(interval: Duration, chance: u64) -> Duration {
    let interval_ms = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX / 200).min(u64::MAX / 200);
    let spread = interval_ms * POLL_JITTER_PERCENT / 100;
    let shifted = interval_ms - spread + chance % (2 * spread + 1);
    Duration::from_millis(shifted.max(1000))
}
