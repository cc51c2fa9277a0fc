//! What to do next, and why: pure decisions over values. No I/O, no clock, no chance.
//!
//! * [`decide`]: what to do about the release that a source offers of one name; [`decide_document`]: about a policy or
//!   a domain's settings;
//! * [`resume`]: what to do about a release whose probe was interrupted;
//! * [`delta_path_to`]: which deltas make a missing file for the fewest bytes;
//! * [`class_result`]: the result of a class, from those of its names; [`gaps`]: which of the organisation's own components
//!   no source gave;
//! * [`launch`] and [`trial_verdict`]: whether a new `headwater-client` takes over;
//! * [`root_look_is_due`]: when every source is asked for newer roots;
//! * [`next_wake`], [`poll_after`], [`pause_after`] and [`network_is_new`]: when the next run begins, and whether it starts afresh.
//!
//! The other folders carry the decisions out.

mod own_components;

use std::collections::{BTreeSet, HashSet};
use std::net::IpAddr;
use std::time::Duration;

use headwater_api::report::{Attempt, AttemptResult, ClassOutcome, ClassResult, Reason, Report};
use headwater_repo::{
    Delta, DeltaFormat, DeltaPath, DeltaPaths, Digest, FileEntry, ReleaseList, ReleaseStep, Sequence,
    Standing,
};
use jiff::Timestamp;

use crate::limits::{
    DELTA_MEMORY_MAX, ENROL_AGAIN, NETWORK_RETRY_MIN, POLICY_LOOK_MAX, POLL_JITTER_PERCENT, ROOT_LOOK_AGAIN,
    ROOT_LOOK_INTERVAL, SELF_STARTS_MAX, TRIAL_STARTS_MAX,
};

pub use own_components::{Gaps, KnownOwn, LastList, gaps, partial_is_a_finding};

/// What is known of one name when a source offers it.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The installed release.
    pub installed: Option<InstalledRelease>,
    /// The source's signed release list.
    pub list: &'a ReleaseList,
    /// The releases that the organisation's last known list withdraws: more than `list` does where the source is
    /// the vendor's.
    pub withdrawn_by_organisation: &'a BTreeSet<Sequence>,
    /// Why the list's current release failed here; `None` if it did not, or is to be tried again.
    pub failed_before: Option<&'a str>,
    /// The list's current release when the installed one was first found without confirmation.
    pub kept_instead_of: Option<Sequence>,
}

/// An installed release, and what its number is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstalledRelease {
    /// Its number.
    pub sequence: Sequence,
    /// Its content.
    pub identity: Digest,
    /// What the keys that vouch for it are worth under the present root.
    pub standing: Standing,
    /// It is the organisation's, and the list is the vendor's.
    pub outranks_list: bool,
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
    /// Install the list's current release though it is not newer: what is installed is not what was signed (I2a, I2c).
    Replace {
        /// The installed release.
        have: Sequence,
        /// Why it must go.
        why: Replaced,
    },
    /// Leave nothing installed: only keys that were compromised vouch for what is installed, and the organisation
    /// withdrew the list's current release.
    Deactivate,
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
    /// No list of the present keys has the installed release, and its keys were replaced as planned: keep it (I2a).
    Unconfirmed {
        /// The installed release.
        have: Sequence,
    },
    /// The vendor has other content under the number of the organisation's installed release: keep it (I2c).
    OtherContent {
        /// The installed release.
        have: Sequence,
    },
    /// The organisation withdrew the list's current release: keep what is installed.
    Withdrawn,
}

/// Why an installed release is replaced by one that is not newer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replaced {
    /// The signed list has other content under its number.
    OtherContent,
    /// Only keys that were compromised vouch for it.
    Compromised,
}

/// Decides about the release that a source offers of one name.
pub fn decide(known: &Known<'_>) -> Decision {
    let decision = match &known.installed {
        None => Decision::Install,
        Some(installed) => about_installed(known, installed),
    };
    if !matches!(decision, Decision::Install | Decision::RollBack { .. } | Decision::Replace { .. }) {
        return decision;
    }
    let is_condemned = known.installed.is_some_and(|installed| is_condemned(known.list, &installed));
    if known.withdrawn_by_organisation.contains(&known.list.current().sequence) {
        return if is_condemned { Decision::Deactivate } else { Decision::Withdrawn };
    }
    // What must not stay gives way to a release that failed here once: that is tried again, and if it fails again,
    // nothing is left installed (P11).
    match known.failed_before {
        Some(why) if !is_condemned && !matches!(decision, Decision::RollBack { .. }) => {
            Decision::FailedBefore { why: why.to_owned() }
        }
        _ => decision,
    }
}

/// A number orders releases only as long as what set it holds: the keys that vouch for it, or the list itself.
fn about_installed(known: &Known<'_>, installed: &InstalledRelease) -> Decision {
    let InstalledRelease { sequence: have, identity, standing, outranks_list } = *installed;
    let (list, offered) = (known.list, known.list.current());
    match list.step(Some(have)) {
        ReleaseStep::UpToDate if identity == offered.identity => Decision::UpToDate,
        ReleaseStep::UpToDate if is_condemned(list, installed) => {
            Decision::Replace { have, why: Replaced::Compromised }
        }
        ReleaseStep::UpToDate if outranks_list => Decision::OtherContent { have },
        ReleaseStep::UpToDate => Decision::Replace { have, why: Replaced::OtherContent },
        ReleaseStep::Forward(_) => Decision::Install,
        ReleaseStep::RollBack(_) => Decision::RollBack { from: have },
        ReleaseStep::Ahead if standing == Standing::Holds || list.confirms(have, &identity) => {
            Decision::Backwards { have }
        }
        ReleaseStep::Ahead if standing == Standing::Compromised => {
            Decision::Replace { have, why: Replaced::Compromised }
        }
        ReleaseStep::Ahead if known.kept_instead_of.is_some_and(|seen| offered.sequence > seen) => {
            Decision::Install
        }
        ReleaseStep::Ahead => Decision::Unconfirmed { have },
    }
}

/// Whether an installed release must go: only keys that were compromised vouch for it. It must not come back either.
pub fn is_condemned(list: &ReleaseList, installed: &InstalledRelease) -> bool {
    installed.standing == Standing::Compromised && !list.confirms(installed.sequence, &installed.identity)
}

/// Decides about a document of class settings (the policy, or a domain's settings). It has no release list, so its own
/// version orders it. `have` is the version in effect of the same policy or domain; `None` also where the keys that vouch
/// for it do not reach their threshold any more.
pub fn decide_document(have: Option<Sequence>, offered: Sequence, failed_before: Option<&str>) -> Decision {
    match (have, failed_before) {
        (Some(have), _) if have > offered => Decision::Backwards { have },
        (_, Some(why)) => Decision::FailedBefore { why: why.to_owned() },
        (_, None) => Decision::Install,
    }
}

/// The deltas that make a missing file for fewer bytes than its body; `None` if the body is cheapest.
///
/// * `is_local`: whether this endpoint has a file, in any release and under any name;
/// * `stored`: whether a blob was fetched before, so that it costs nothing (P10);
/// * `refused`: deltas that no source has or that failed.
pub fn delta_path_to(
    file: &FileEntry,
    paths: &DeltaPaths<'_>,
    is_local: &dyn Fn(&Digest) -> bool,
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
    paths.cheapest(&file.sha256, full, is_local, &price)
}

/// What to do about a release whose trial was interrupted (a crash, a power loss).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resume {
    /// Probe it again, starting with the install command.
    ProbeAgain,
    /// It was interrupted too often: revert.
    Revert,
}

/// Decides about a trial that was started `starts` times.
pub fn resume(starts: u32) -> Resume {
    if starts >= TRIAL_STARTS_MAX { Resume::Revert } else { Resume::ProbeAgain }
}

/// The outcome of one name in a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameOutcome {
    /// The name.
    pub name: String,
    /// The result.
    pub result: ClassResult,
    /// A sentence for people; empty where nothing happened.
    pub message: String,
    /// The reason that the report states if the fault was not a source's.
    pub fault: Option<Reason>,
}

/// The result of a class: the worst of its names.
pub fn class_result(names: &[NameOutcome]) -> ClassResult {
    worst(names.iter().map(|name| name.result))
}

/// The worst of some results; [`ClassResult::Current`] of none.
pub fn worst(results: impl IntoIterator<Item = ClassResult>) -> ClassResult {
    let rank = |result: &ClassResult| match result {
        ClassResult::Current => 0,
        ClassResult::Updated => 1,
        ClassResult::Unserved => 2,
        ClassResult::Partial => 3,
        ClassResult::Reverted => 4,
        ClassResult::Failed => 5,
    };
    results.into_iter().max_by_key(rank).unwrap_or(ClassResult::Current)
}

/// The message of a class, from those of its names.
pub fn class_message(names: &[NameOutcome]) -> String {
    let messages: Vec<&str> =
        names.iter().filter(|name| !name.message.is_empty()).map(|name| name.message.as_str()).collect();
    match (messages.is_empty(), names.len()) {
        (false, _) => messages.join("; "),
        (true, 0) => "nothing is published".to_owned(),
        (true, 1) => format!("{} is current", names[0].name),
        (true, 2) => format!("{} and {} are current", names[0].name, names[1].name),
        (true, count) => format!("all {count} are current"),
    }
}

/// Whether to ask every source for newer roots at `now`. `asked`: when they were last asked, and whether that settled it.
/// A time in the future was noted under a clock that was ahead.
pub fn root_look_is_due(asked: Option<(Timestamp, bool)>, now: Timestamp) -> bool {
    let Some((at, is_settled)) = asked else { return true };
    let interval = if is_settled { ROOT_LOOK_INTERVAL } else { ROOT_LOOK_AGAIN };
    Duration::try_from(now.duration_since(at)).ok().is_none_or(|elapsed| elapsed >= interval)
}

/// Which program a starting daemon runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Launch {
    /// The one that was started, because there is no release.
    Own,
    /// The release that `current` names. It has completed a run.
    Current,
    /// The release that `current` names. It is on probation: count this start first.
    Probation,
    /// The previous release: the current one completed no run in its starts.
    Revert,
}

/// Decides which program a starting daemon runs. `probation` is the number of starts of a release on probation; `None` if
/// none is.
pub fn launch(has_current: bool, probation: Option<u32>) -> Launch {
    match (has_current, probation) {
        (false, _) => Launch::Own,
        (true, None) => Launch::Current,
        (true, Some(starts)) if starts >= SELF_STARTS_MAX => Launch::Revert,
        (true, Some(_)) => Launch::Probation,
    }
}

/// Whether a new `headwater-client` did as well in its trial run as the running one: a class that succeeded with the
/// running one must not fail with the new one.
///
/// # Errors
///
/// What it did worse, as a sentence.
pub fn trial_verdict(own: &[ClassOutcome], trial: &[ClassOutcome]) -> Result<(), String> {
    for outcome in own {
        if !succeeded(outcome.result) {
            continue;
        }
        match trial.iter().find(|other| other.class == outcome.class) {
            None => return Err(format!("its trial run did not reach class {}", outcome.class)),
            Some(other) if !succeeded(other.result) => {
                return Err(format!("its trial run failed for class {}: {}", outcome.class, other.message));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

fn succeeded(result: ClassResult) -> bool {
    matches!(result, ClassResult::Updated | ClassResult::Current)
}

/// The time from one poll to the next: the interval, up to [`POLL_JITTER_PERCENT`] shorter or longer depending on the
/// number `random`. Never less than a second.
pub fn poll_after(interval: Duration, random: u64) -> Duration {
    let interval_ms = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX / 200).min(u64::MAX / 200);
    let spread = interval_ms * POLL_JITTER_PERCENT / 100;
    let shifted = interval_ms - spread + random % (2 * spread + 1);
    Duration::from_millis(shifted.max(1000))
}

/// What a daemon does when its pause ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// A run over all classes.
    Run,
    /// A look for a newer policy alone.
    PolicyLook,
}

/// How long a daemon pauses whose next poll is `to_poll` away, and what it does then. It looks for a newer policy at least
/// daily, however long the interval is (P5a).
pub fn next_wake(to_poll: Duration, random: u64) -> (Duration, Wake) {
    if to_poll <= POLICY_LOOK_MAX {
        return (to_poll.max(Duration::from_secs(1)), Wake::Run);
    }
    let jitter = u32::try_from(POLL_JITTER_PERCENT).unwrap_or(0);
    (poll_after(POLICY_LOOK_MAX * 100 / (100 + jitter), random), Wake::PolicyLook)
}

/// How a run of the daemon ended, as far as the time of the next one depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunEnd {
    /// Somebody answered, or something else than the network was the problem.
    Complete,
    /// Nobody could be reached, or this computer has no address (N7).
    NoNetwork,
    /// The client is not enrolled yet.
    NotEnrolled,
}

/// How a run ended: without network if this computer had no address, or if no source could be reached.
pub fn run_end(report: &Report) -> RunEnd {
    let unreachable = |attempt: &Attempt| {
        let reason = attempt.reason;
        attempt.result == AttemptResult::Failed
            && matches!(
                reason,
                Some(
                    Reason::Name
                        | Reason::Connect
                        | Reason::Timeout
                        | Reason::Silent
                        | Reason::NoCommonFamily
                )
            )
    };
    let nobody = !report.attempts.is_empty() && report.attempts.iter().all(unreachable);
    if report.addresses.is_empty() || nobody { RunEnd::NoNetwork } else { RunEnd::Complete }
}

/// The time to the next run, after `tries` runs that ended like this one before it. `poll` is the time to the next regular
/// poll; no retry is later. Retries begin after seconds and back off, so that neither a laptop that wakes up nor a site
/// whose line is back waits for a whole interval (N7).
pub fn pause_after(end: RunEnd, tries: u32, poll: Duration, random: u64) -> Duration {
    let longest = match end {
        RunEnd::Complete => return poll,
        RunEnd::NoNetwork => poll,
        RunEnd::NotEnrolled => poll.min(ENROL_AGAIN),
    };
    let back_off = NETWORK_RETRY_MIN.saturating_mul(1 << tries.min(16));
    poll_after(back_off, random).min(longest)
}

/// Whether the network is another one than in the last run, so that its failures say nothing any more: nobody could be
/// reached then, or this computer had other addresses.
pub fn network_is_new(last_run: Option<&Report>, addresses: &[IpAddr]) -> bool {
    last_run.is_some_and(|last| {
        let same = last.addresses.iter().cloned().eq(addresses.iter().map(ToString::to_string));
        run_end(last) == RunEnd::NoNetwork || !same
    })
}
