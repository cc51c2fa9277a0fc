//! Decisions as data.

use std::collections::BTreeSet;
use std::time::Duration;

use headwater_api::report::{ClassOutcome, ClassResult};
use headwater_client::decide::{
    Decision, InstalledRelease, Known, KnownOwn, LastList, Launch, NameOutcome, Replaced, Resume, RunEnd,
    Wake, class_result, decide, decide_document, gaps, launch, network_is_new, next_wake,
    partial_is_a_finding, pause_after, poll_after, resume, run_end, trial_verdict,
};
use headwater_client::exit_code;
use headwater_client::limits::{
    ENROL_AGAIN, NETWORK_RETRY_MIN, POLICY_LOOK_MAX, SELF_STARTS_MAX, TRIAL_STARTS_MAX,
};
use headwater_client::render::bytes;
use headwater_repo::{ComponentName, Digest, Release, ReleaseList, Sequence, Standing, VersionText};
use serde_json::json;

/// The content of a release of [`list`].
fn content(number: u64) -> Digest {
    Digest::of(&number.to_be_bytes())
}

/// A release that was installed from a list of the present keys.
fn installed(number: u64) -> InstalledRelease {
    let standing = Standing::Holds;
    InstalledRelease { sequence: sequence(number), identity: content(number), standing, outranks_list: false }
}

fn sequence(number: u64) -> Sequence {
    Sequence::new(number).unwrap()
}

/// Releases 1 to 4; with `rolled_back_to`, everything above it withdrawn.
fn list(rolled_back_to: Option<u64>) -> ReleaseList {
    let release = |number: u64| Release {
        sequence: sequence(number),
        version: VersionText::new(format!("v{number}")).unwrap(),
        published: "2026-05-01T12:00:00Z".parse().unwrap(),
        identity: content(number),
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
        |have: Option<u64>, rolled: Option<u64>, withdrawn: &[u64], failed: bool, expected: Decision| {
            let list = list(rolled);
            let withdrawn: BTreeSet<Sequence> = withdrawn.iter().copied().map(sequence).collect();
            let known = Known {
                installed: have.map(installed),
                list: &list,
                withdrawn_by_organisation: &withdrawn,
                failed_before: failed.then_some("probe"),
                kept_instead_of: None,
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
    // What was withdrawn gives way even to a release that failed once (P11).
    check(Some(4), Some(2), &[], true, Decision::RollBack { from: sequence(4) });
    check(Some(3), None, &[4], false, Decision::Withdrawn);
    check(Some(4), None, &[4], false, Decision::UpToDate);
    check(None, None, &[3], false, Decision::Install);
}

/// I2a, I2c: a number is worth what the keys behind it are worth, and it does not state the content.
#[test]
fn what_to_do_about_a_release_that_nothing_good_vouches_for() {
    use Standing::{Compromised, Holds, Replaced as Planned};
    // installed, its content, standing, of the organisation in a vendor's list, failed before, kept instead of
    let check_list = |list: &ReleaseList,
                      (have, is_listed): (u64, bool),
                      standing: Standing,
                      (outranks_list, failed, kept): (bool, bool, Option<u64>),
                      expected: Decision| {
        let identity = if is_listed { content(have) } else { Digest::of(b"other") };
        let installed = InstalledRelease { sequence: sequence(have), identity, standing, outranks_list };
        let known = Known {
            installed: Some(installed),
            list,
            withdrawn_by_organisation: &BTreeSet::new(),
            failed_before: failed.then_some("probe"),
            kept_instead_of: kept.map(sequence),
        };
        assert_eq!(decide(&known), expected, "{known:?}");
    };
    let plain = (false, false, None);
    let all = list(None);
    let max = headwater_repo::limits::NUMBER_MAX;
    let compromised = |have| Decision::Replace { have: sequence(have), why: Replaced::Compromised };
    let other = |have| Decision::Replace { have: sequence(have), why: Replaced::OtherContent };
    let check = |have, standing, how, expected| check_list(&all, have, standing, how, expected);
    check((max, false), Holds, plain, Decision::Backwards { have: sequence(max) });
    check((max, false), Compromised, plain, compromised(max));
    check((max, false), Planned, plain, Decision::Unconfirmed { have: sequence(max) });
    // Published after it was found without confirmation: newer, whatever number it has.
    check((max, false), Planned, (false, false, Some(3)), Decision::Install);
    check((max, false), Planned, (false, false, Some(4)), Decision::Unconfirmed { have: sequence(max) });
    // The same number, other content: never current.
    check((4, false), Holds, plain, other(4));
    check((4, false), Planned, plain, other(4));
    check((4, false), Compromised, plain, compromised(4));
    check((4, false), Holds, (true, false, None), Decision::OtherContent { have: sequence(4) });
    // A list of the present keys confirms it by digest.
    check((4, true), Compromised, plain, Decision::UpToDate);
    check((3, true), Compromised, (false, true, None), Decision::FailedBefore { why: "probe".to_owned() });
    check((3, true), Compromised, plain, Decision::Install);
    // What must go gives way even to a release that failed once.
    check((3, false), Compromised, (false, true, None), Decision::Install);
    check((max, false), Compromised, (false, true, None), compromised(max));
    check((3, false), Planned, (false, true, None), Decision::FailedBefore { why: "probe".to_owned() });
    // Withdrawn by number, with whatever content.
    let back = list(Some(2));
    check_list(&back, (4, false), Planned, plain, Decision::RollBack { from: sequence(4) });

    let withdrawn = BTreeSet::from([sequence(4)]);
    let gone = |standing| {
        let identity = Digest::of(b"other");
        let installed = InstalledRelease { sequence: sequence(3), identity, standing, outranks_list: false };
        decide(&Known {
            installed: Some(installed),
            list: &all,
            withdrawn_by_organisation: &withdrawn,
            failed_before: None,
            kept_instead_of: None,
        })
    };
    assert_eq!(gone(Compromised), Decision::Deactivate, "nothing may stay, and nothing may come");
    assert_eq!(gone(Planned), Decision::Withdrawn);
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
    use ClassResult::{Current, Failed, Unserved};
    let outcomes = |results: &[(&str, ClassResult)]| -> Vec<ClassOutcome> {
        let outcome = |(class, result): &(&str, ClassResult)| ClassOutcome {
            class: (*class).to_owned(),
            result: *result,
            source: None,
            message: String::new(),
            names: Vec::new(),
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
    check(&[("settings", Unserved)], &[("settings", Unserved)], true);
}

/// P4a: a class without a source is not done, whatever the others did.
#[test]
fn exit_codes() {
    use ClassResult::{Current, Failed, Partial, Reverted, Unserved, Updated};
    let check = |results: &[ClassResult], expected: u8| {
        let outcome = |result: &ClassResult| json!({"class": "components", "result": result, "source": null, "message": ""});
        let classes: Vec<_> = results.iter().map(outcome).collect();
        let report = json!({
            "format": 1, "client": "pc-1", "domain": "root", "run": 1, "started": "2026-11-22T12:00:00Z", "duration_ms": 5,
            "addresses": [], "program": "0.1.0", "policy_version": 1, "classes": classes, "attempts": [], "installed": {},
        });
        assert_eq!(exit_code(&serde_json::from_value(report).unwrap()), expected, "{results:?}");
    };
    check(&[Updated, Current, Current], 0);
    check(&[Updated, Current, Unserved], 3);
    check(&[Current, Failed, Current], 3);
    check(&[Current, Reverted, Unserved], 3);
    check(&[Failed, Failed, Failed], 1);
    check(&[Failed, Failed, Unserved], 1);
    check(&[Unserved, Unserved, Unserved], 3);
    check(&[Updated, Current, Partial], 3);
    check(&[Partial, Partial, Partial], 3);
    check(&[Failed, Failed, Partial], 1);
    check(&[], 1);
}

/// P4a: what no source of the organisation's gave is missing, or outdated as far as the last good list tells.
#[test]
fn own_components_are_missing_or_outdated_as_far_as_is_known() {
    let own = |name, is_installed, is_listed, is_done| KnownOwn { name, is_installed, is_listed, is_done };
    let known = [
        own("absent", false, true, false),
        own("done", true, false, true),
        own("listed", true, true, false),
        own("unlisted", true, false, false),
    ];
    let newest = LastList { is_good: true, version: 7, applied: 7, announced: Some(7) };
    let check = |last: LastList, outdated: &[&str]| {
        let found = gaps(&known, &last);
        assert_eq!((found.missing, found.outdated), (vec!["absent"], outdated.to_vec()), "{last:?}");
    };
    check(newest, &["unlisted"]);
    check(LastList { announced: None, ..newest }, &["unlisted"]);
    check(LastList { announced: Some(8), ..newest }, &["listed", "unlisted"]);
    check(LastList { is_good: false, ..newest }, &["listed", "unlisted"]);
    check(LastList { applied: 6, ..newest }, &["listed", "unlisted"]);
    check(LastList::default(), &["listed", "unlisted"]);
    assert!(gaps(&known[1..3], &newest).is_empty());
    assert!(gaps(&[], &LastList::default()).is_empty());
}

#[test]
fn a_partial_class_is_one_finding_under_each_policy_version() {
    assert!(partial_is_a_finding(None, 0));
    assert!(partial_is_a_finding(Some(3), 4));
    assert!(!partial_is_a_finding(Some(4), 4));
}

#[test]
fn polls_spread_around_the_interval() {
    let hour = Duration::from_secs(3600);
    assert_eq!(poll_after(hour, 0), Duration::from_secs(3240));
    assert_eq!(poll_after(hour, 720_000), Duration::from_secs(3960));
    assert_eq!(poll_after(Duration::ZERO, 7), Duration::from_secs(1));
}

/// P5a: the policy is looked for at least daily, however far apart polls are.
#[test]
fn polls_that_are_far_apart_have_looks_for_the_policy_between_them() {
    assert_eq!(next_wake(POLICY_LOOK_MAX, 5), (POLICY_LOOK_MAX, Wake::Run));
    assert_eq!(next_wake(Duration::ZERO, 5), (Duration::from_secs(1), Wake::Run));
    for random in [0, 1, u64::MAX / 2, u64::MAX] {
        let (pause, wake) = next_wake(POLICY_LOOK_MAX + Duration::from_secs(1), random);
        assert_eq!(wake, Wake::PolicyLook);
        assert!(pause <= POLICY_LOOK_MAX && pause > POLICY_LOOK_MAX / 2, "{pause:?}");
    }
}

#[test]
fn bytes_are_shown_in_binary_units() {
    let check = |count: u64, expected: &str| assert_eq!(bytes(count), expected);
    check(0, "0 B");
    check(1_023, "1023 B");
    check(1_024, "1.00 KiB");
    check(12_582_912, "12.00 MiB");
}

/// N7: retries after seconds, ever later, never later than the poll.
#[test]
fn a_run_without_network_is_tried_again_in_seconds() {
    let poll = Duration::from_secs(3600);
    let pause = |end, tries| pause_after(end, tries, poll, 0).as_secs_f64();
    assert_eq!(pause(RunEnd::Complete, 9), 3600.0);
    let pauses: Vec<f64> = (0..4).map(|tries| pause(RunEnd::NoNetwork, tries)).collect();
    assert_eq!(pauses, [1.8, 3.6, 7.2, 14.4].map(|pause| pause * NETWORK_RETRY_MIN.as_secs_f64() / 2.0));
    assert_eq!(pause(RunEnd::NoNetwork, 60), 3600.0);
    assert_eq!(pause(RunEnd::NotEnrolled, 60), ENROL_AGAIN.as_secs_f64());
    assert_eq!(pause_after(RunEnd::NoNetwork, 9, Duration::from_secs(1), 0), Duration::from_secs(1));
}

#[test]
fn a_run_had_no_network_if_nobody_was_reached() {
    use headwater_api::report::{Attempt, AttemptResult, Reason, Report};
    let report = |addresses: &[&str], attempts: &[(AttemptResult, Option<Reason>)]| {
        let attempt = |(result, reason): &(AttemptResult, Option<Reason>)| Attempt {
            source: "server".to_owned(),
            url: String::new(),
            entry: None,
            class: "settings".to_owned(),
            result: *result,
            reason: *reason,
            detail: String::new(),
            bytes: 0,
            delta_bytes: 0,
            started: "2026-05-01T12:00:00Z".parse().unwrap(),
            duration_ms: 0,
            from_version: 0,
            to_version: 0,
        };
        let mut report: Report = serde_json::from_str(EMPTY_REPORT).unwrap();
        report.addresses = addresses.iter().map(|it| (*it).to_owned()).collect();
        report.attempts = attempts.iter().map(attempt).collect();
        report
    };
    let failed = |reason| (AttemptResult::Failed, Some(reason));
    let end = |addresses: &[&str], attempts: &[_]| run_end(&report(addresses, attempts));
    let here: &[&str] = &["10.1.0.5"];
    assert_eq!(end(here, &[failed(Reason::Connect), failed(Reason::Name)]), RunEnd::NoNetwork);
    assert_eq!(end(&[], &[]), RunEnd::NoNetwork);
    assert_eq!(end(here, &[]), RunEnd::Complete, "the plan may have no source");
    assert_eq!(end(here, &[failed(Reason::Connect), failed(Reason::Expired)]), RunEnd::Complete);
    assert_eq!(end(here, &[failed(Reason::Timeout), (AttemptResult::Current, None)]), RunEnd::Complete);

    let reached = report(here, &[(AttemptResult::Current, None)]);
    let address = ["10.1.0.5".parse().unwrap()];
    assert!(!network_is_new(None, &address));
    assert!(!network_is_new(Some(&reached), &address));
    assert!(network_is_new(Some(&reached), &["10.1.0.6".parse().unwrap()]));
    assert!(network_is_new(Some(&report(here, &[failed(Reason::Connect)])), &address));
}

const EMPTY_REPORT: &str = r#"{"format": 1, "client": "pc-1", "domain": "root", "run": 1,
    "started": "2026-05-01T12:00:00Z", "duration_ms": 1, "addresses": [], "program": "1", "policy_version": 1,
    "classes": [], "attempts": [], "installed": {}}"#;
