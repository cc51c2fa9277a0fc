//! Decisions as data.

use std::collections::BTreeSet;
use std::time::Duration;

use headwater_api::report::{ClassOutcome, ClassResult};
use headwater_client::decide::{
    Decision, Known, Launch, NameOutcome, Resume, class_result, decide, decide_document, launch, poll_after,
    resume, trial_verdict,
};
use headwater_client::limits::{SELF_STARTS_MAX, TRIAL_STARTS_MAX};
use headwater_client::render::bytes;
use headwater_repo::{ComponentName, Release, ReleaseList, Sequence, VersionText};

fn sequence(number: u64) -> Sequence {
    Sequence::new(number).unwrap()
}

/// Releases 1 to 4; with `rolled_back_to`, everything above it withdrawn.
fn list(rolled_back_to: Option<u64>) -> ReleaseList {
    let release = |number: u64| Release {
        sequence: sequence(number),
        version: VersionText::new(format!("v{number}")).unwrap(),
        published: "2026-05-01T12:00:00Z".parse().unwrap(),
        size: 1,
        files: 1,
    };
    let first = ReleaseList::first(ComponentName::new("rules").unwrap(), release(1)).unwrap();
    let all = (2..=4).fold(first, |list, number| list.with(release(number)).unwrap().0);
    match rolled_back_to {
        Some(to) => all.rolled_back(sequence(to)).unwrap(),
        None => all,
    }
}

#[test]
fn what_to_do_about_an_offered_release() {
    // installed, list rolled back to, withdrawn by the organisation, failed before
    let check =
        |installed: Option<u64>, rolled: Option<u64>, withdrawn: &[u64], failed: bool, expected: Decision| {
            let list = list(rolled);
            let withdrawn: BTreeSet<Sequence> = withdrawn.iter().copied().map(sequence).collect();
            let known = Known {
                installed: installed.map(sequence),
                list: &list,
                withdrawn_by_organisation: &withdrawn,
                failed_before: failed.then_some("probe"),
            };
            assert_eq!(decide(&known), expected, "{known:?}");
        };
    let failed = || Decision::FailedBefore { why: "probe".to_owned() };
    check(None, None, &[], false, Decision::Install);
    check(Some(3), None, &[], false, Decision::Install);
    check(Some(4), None, &[], false, Decision::UpToDate);
    check(Some(4), None, &[], true, Decision::UpToDate);
    check(Some(5), None, &[], false, Decision::Backwards { have: sequence(5) });
    check(Some(5), Some(2), &[], false, Decision::Backwards { have: sequence(5) });
    check(Some(4), Some(2), &[], false, Decision::RollBack { from: sequence(4) });
    check(Some(1), Some(2), &[], false, Decision::Install);
    check(Some(3), None, &[], true, failed());
    check(Some(4), Some(2), &[], true, failed());
    check(Some(3), None, &[4], false, Decision::Withdrawn);
    check(Some(4), None, &[4], false, Decision::UpToDate);
    check(None, None, &[3], false, Decision::Install);
}

#[test]
fn what_to_do_about_an_offered_document() {
    let check = |have: Option<u64>, offered: u64, failed: Option<&str>, expected: Decision| {
        let decided = decide_document(have.map(sequence), sequence(offered), failed);
        assert_eq!(decided, expected, "{have:?} {offered} {failed:?}");
    };
    check(None, 1, None, Decision::Install);
    check(Some(1), 2, None, Decision::Install);
    // The same version signed again: what was signed last counts.
    check(Some(2), 2, None, Decision::Install);
    check(Some(3), 2, None, Decision::Backwards { have: sequence(3) });
    check(Some(1), 2, Some("probe"), Decision::FailedBefore { why: "probe".to_owned() });
    check(Some(3), 2, Some("probe"), Decision::Backwards { have: sequence(3) });
}

#[test]
fn a_class_is_as_bad_as_its_worst_name() {
    use ClassResult::{Current, Failed, Reverted, Updated};
    let check = |names: &[ClassResult], expected: ClassResult| {
        let outcomes: Vec<NameOutcome> = names
            .iter()
            .map(|result| NameOutcome {
                name: "n".to_owned(),
                result: *result,
                message: String::new(),
                fault: None,
            })
            .collect();
        assert_eq!(class_result(&outcomes), expected, "{names:?}");
    };
    check(&[], Current);
    check(&[Current, Updated], Updated);
    check(&[Updated, Reverted, Current], Reverted);
    check(&[Reverted, Failed, Updated], Failed);
}

#[test]
fn a_new_program_has_its_starts_and_no_more() {
    assert_eq!(launch(false, None), Launch::Own);
    assert_eq!(launch(true, None), Launch::Current);
    assert_eq!(launch(true, Some(0)), Launch::Probation);
    assert_eq!(launch(true, Some(SELF_STARTS_MAX - 1)), Launch::Probation);
    assert_eq!(launch(true, Some(SELF_STARTS_MAX)), Launch::Revert);
    assert_eq!(resume(TRIAL_STARTS_MAX - 1), Resume::ProbeAgain);
    assert_eq!(resume(TRIAL_STARTS_MAX), Resume::Revert);
}

#[test]
fn a_new_program_must_do_what_the_old_one_did() {
    use ClassResult::{Current, Failed, NoSource};
    let outcomes = |results: &[(&str, ClassResult)]| -> Vec<ClassOutcome> {
        let outcome = |(class, result): &(&str, ClassResult)| ClassOutcome {
            class: (*class).to_owned(),
            result: *result,
            source: None,
            message: String::new(),
            spared_bytes: 0,
        };
        results.iter().map(outcome).collect()
    };
    let check = |own: &[(&str, ClassResult)], trial: &[(&str, ClassResult)], good: bool| {
        assert_eq!(trial_verdict(&outcomes(own), &outcomes(trial)).is_ok(), good, "{own:?} {trial:?}");
    };
    check(&[("settings", Current)], &[("settings", Current)], true);
    check(&[("settings", Current)], &[("settings", Failed)], false);
    check(&[("settings", Current)], &[], false);
    check(&[("settings", Failed)], &[("settings", Failed)], true);
    check(&[("settings", NoSource)], &[("settings", NoSource)], true);
}

#[test]
fn polls_spread_around_the_interval() {
    let hour = Duration::from_secs(3600);
    assert_eq!(poll_after(hour, 0), Duration::from_secs(3240));
    assert_eq!(poll_after(hour, 720_000), Duration::from_secs(3960));
    assert_eq!(poll_after(Duration::ZERO, 7), Duration::from_secs(1));
}

#[test]
fn bytes_are_shown_in_binary_units() {
    let check = |count: u64, expected: &str| assert_eq!(bytes(count), expected);
    check(0, "0 B");
    check(1_023, "1023 B");
    check(1_024, "1.00 KiB");
    check(12_582_912, "12.00 MiB");
}
