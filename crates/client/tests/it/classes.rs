//! A run over the classes: what comes in, what is kept, what is refused (P7–P12, D2).

use headwater_api::policy::{EntryDocument, SelectorDocument, SourceDocument};
use headwater_api::report::{AttemptResult, ClassResult, Reason, Report};
use headwater_client::{Error, RunOptions, exit_code, render, run_once, status};
use headwater_depot::serve::{ListenLimits, ServeLimits, SharedRepositories, listen, router};
use headwater_policy::Class;
use tokio::net::TcpListener;

use crate::world::{
    NewRelease, World, assert_no_leftovers, class, client_of_rules, current, noise, update, words,
};

#[tokio::test]
async fn a_first_run_installs_everything_and_a_second_fetches_nothing() {
    let mut world = World::new().await;
    world.files.insert("etc/agent.conf".to_owned(), "level=3\n".to_owned());
    world.publish_settings();
    world.component("rules", 1);
    let client = world.client("pc-1");
    let first = update(&client).await;
    let results: Vec<_> =
        first.classes.iter().map(|outcome| (outcome.class.as_str(), outcome.result)).collect();
    let expected = [
        ("policy", ClassResult::Updated),
        ("settings", ClassResult::Updated),
        ("components", ClassResult::Updated),
        ("programs", ClassResult::Current),
    ];
    assert_eq!(results, expected, "{first:#?}");
    assert_eq!(current(&client, "components/rules/current/rules/changing.txt"), "release 1\n");
    assert_eq!(current(&client, "settings/current/etc/agent.conf"), "level=3\n");
    assert!(current(&client, "settings/current/values.json").contains("\"proxy\""));
    assert_eq!(first.policy_version, 2);
    assert_eq!(first.installed["components"]["rules"].sequence, 1);
    assert_no_leftovers(&client.data);

    let second = update(&client).await;
    assert!(second.classes.iter().all(|outcome| outcome.result == ClassResult::Current), "{second:#?}");
    let bytes: u64 = second.attempts.iter().map(|attempt| attempt.bytes).sum();
    assert!(bytes < 30_000, "timestamps and the next roots only, not {bytes} bytes");
    assert_eq!(
        world.received(|received| received.reports.iter().map(|report| report.run).collect::<Vec<_>>()),
        [1, 2]
    );
    assert_eq!(world.received(|received| received.check_ins.len()), 2);
}

#[tokio::test]
async fn an_unchanged_file_is_taken_from_the_installed_release() {
    let (mut world, client) = client_of_rules(1).await;
    world.component("rules", 2);
    let report = update(&client).await;
    assert_eq!(current(&client, "components/rules/current/rules/changing.txt"), "release 2\n");
    let bytes: u64 = report.attempts.iter().filter(|a| a.class == "components").map(|a| a.bytes).sum();
    assert!(bytes < 100_000, "{bytes} bytes, though the big file is here");
    assert_eq!(
        std::fs::read(client.data.join("components/rules/current/rules/big.bin")).unwrap(),
        noise(200_000)
    );
}

#[tokio::test]
async fn a_run_names_every_source_of_a_class() {
    let mut world = World::new().await;
    let site = SharedRepositories::new(ServeLimits::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(listen(router(site.clone()), listener, ListenLimits::default(), std::future::pending()));
    world.policy.mode = "customized".to_owned();
    world.policy.entries = vec![EntryDocument {
        clients: SelectorDocument { ipv4: Some("127.0.0.0-127.255.255.255".to_owned()), ipv6: None },
        source: SourceDocument::Url { url, classes: None },
    }];
    world.publish_settings();
    world.component("rules", 1);
    // The mirror does not have one of the two bodies.
    let (from, mirror) = (world.components().folder.clone(), world.folder.path().join("mirror"));
    copy_tree(&from, &mirror);
    let missing = world.components().blobs().into_iter().next().unwrap();
    std::fs::remove_file(mirror.join(missing.strip_prefix(&from).unwrap())).unwrap();
    site.share(Class::Components, mirror);
    let report = update(&world.client("pc-1")).await;
    let first = class(&report, "components").source.clone().unwrap();
    assert!(first.starts_with("url:"), "{report:#?}");
    let message = render::report(&report);
    assert!(message.contains(&format!("\ncomponents: updated from {first}, then server\n")), "{message}");
    assert!(message.contains("\nprograms: current from server\n"), "{message}");
}

fn copy_tree(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let copy = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &copy);
        } else {
            std::fs::copy(entry.path(), copy).unwrap();
        }
    }
}

#[tokio::test]
async fn a_spoilt_installed_file_is_fetched_and_not_copied() {
    let (mut world, client) = client_of_rules(1).await;
    std::fs::write(client.data.join("components/rules/current/rules/big.bin"), b"spoilt").unwrap();
    world.component("rules", 2);
    let report = update(&client).await;
    assert!(report.warnings.iter().any(|message| message.contains("/rules/big.bin")), "{report:#?}");
    assert_eq!(
        std::fs::read(client.data.join("components/rules/current/rules/big.bin")).unwrap(),
        noise(200_000)
    );
}

#[tokio::test]
async fn a_signed_rollback_goes_back_and_anything_else_does_not() {
    let mut world = World::new().await;
    world.component("rules", 1);
    world.component("rules", 2);
    let client = world.client("pc-1");
    update(&client).await;
    world.components().roll_back("rules", 1);
    let report = update(&client).await;
    assert_eq!(class(&report, "components").result, ClassResult::Updated, "{report:#?}");
    assert!(
        class(&report, "components").message.contains("rolled back by signature from v2 to v1"),
        "{report:#?}"
    );
    assert_eq!(current(&client, "components/rules/current/rules/changing.txt"), "release 1\n");

    world.component("rules", 3);
    update(&client).await;
    world.components().leave_out("rules");
    world.components().forget("rules");
    world.component("rules", 2);
    let report = update(&client).await;
    let components = class(&report, "components");
    assert_eq!(components.result, ClassResult::Current, "{report:#?}");
    assert!(components.message.contains("kept release 3"), "{report:#?}");
    let reasons: Vec<_> = report.attempts.iter().filter_map(|attempt| attempt.reason).collect();
    assert_eq!(reasons, [Reason::Backwards], "{report:#?}");
    assert_eq!(current(&client, "components/rules/current/rules/changing.txt"), "release 3\n");
}

#[tokio::test]
async fn a_probe_that_fails_goes_back_once_and_is_remembered_until_asked() {
    let (mut world, client) = client_of_rules(1).await;
    world.components().release(&NewRelease {
        name: "rules",
        sequence: 2,
        files: &[("a.txt", b"2")],
        probe: Some((words(&["sh", "-c", "echo no good; test -e /nonexistent"]), 10)),
        ..NewRelease::default()
    });
    let report = update(&client).await;
    let outcome = class(&report, "components");
    assert_eq!(outcome.result, ClassResult::Reverted, "{report:#?}");
    assert!(outcome.message.contains("no good"), "{}", outcome.message);
    assert_eq!(current(&client, "components/rules/current/rules/changing.txt"), "release 1\n");
    assert!(report.attempts.iter().any(|attempt| attempt.reason == Some(Reason::Install)));

    let again = update(&client).await;
    assert!(class(&again, "components").message.contains("not tried again"), "{again:#?}");
    assert!(!again.attempts.iter().any(|attempt| attempt.reason == Some(Reason::Install)));
    let asked = RunOptions { retry_failed: true, ..RunOptions::default() };
    let asked = run_once(&client, &asked).await.unwrap();
    assert!(asked.attempts.iter().any(|attempt| attempt.reason == Some(Reason::Install)), "{asked:#?}");

    world.component("rules", 3);
    let newer = update(&client).await;
    assert_eq!(class(&newer, "components").result, ClassResult::Updated);
    assert_eq!(current(&client, "components/rules/current/rules/changing.txt"), "release 3\n");
}

#[tokio::test]
async fn one_class_failing_does_not_stop_the_next() {
    let mut world = World::new().await;
    world.component("rules", 1);
    world.site.unshare(headwater_policy::Class::Settings);
    let client = world.client("pc-1");
    let report = update(&client).await;
    assert_eq!(class(&report, "settings").result, ClassResult::Failed);
    assert_eq!(class(&report, "components").result, ClassResult::Updated);
    let attempt = &report.attempts[1];
    assert_eq!((attempt.result, attempt.class.as_str()), (AttemptResult::Failed, "settings"), "{attempt:?}");
}

#[tokio::test]
async fn a_second_run_beside_the_first_is_refused_by_name() {
    let world = World::new().await;
    let client = world.client("pc-1");
    std::fs::create_dir_all(&client.data).unwrap();
    let held = headwater_client::os::lock(&client.data.join("client.lock")).unwrap();
    let error = run_once(&client, &RunOptions::default()).await.unwrap_err();
    assert!(matches!(error, Error::Busy { .. }), "{error}");
    drop(held);
    update(&client).await;
}

#[tokio::test]
async fn the_domain_may_forbid_people_to_start_runs() {
    let mut world = World::new().await;
    world.settings.allow_manual_update = false;
    world.publish_settings();
    let client = world.client("pc-1");
    update(&client).await;
    let person = RunOptions { trigger: headwater_client::Trigger::Person, ..RunOptions::default() };
    world.component("rules", 1);
    let Err(Error::Ended { report, source, .. }) = run_once(&client, &person).await else {
        panic!("it ran whole")
    };
    assert!(matches!(*source, Error::ManualNotAllowed(_)), "{source}");
    assert_eq!(report.classes.len(), 1, "the policy alone: {report:#?}");
    // The policy is followed all the same, so it can be allowed again.
    world.settings.allow_manual_update = true;
    world.publish_settings();
    let report = run_once(&client, &person).await.unwrap();
    assert_eq!(class(&report, "components").result, ClassResult::Updated);
}

#[tokio::test]
async fn settings_are_in_effect_for_the_classes_that_follow_and_hooks_know_what_they_judge() {
    let mut world = World::new().await;
    world.component("rules", 1);
    let client = world.client("pc-1");
    let seen = client.data.join("seen");
    let hook = |word: &str| {
        let script =
            format!("echo {word} $HEADWATER_CLASS $HEADWATER_NAME $HEADWATER_VERSION >> {}", seen.display());
        Some(words(&["sh", "-c", &script]))
    };
    world.settings.probe_command = hook("probe");
    world.settings.after_command = hook("after");
    world.publish_settings();
    update(&client).await;
    let lines = std::fs::read_to_string(&seen).unwrap();
    let expected = "probe settings settings 2\nafter settings settings 2\n\
                    probe components rules v1\nafter components rules v1\n";
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn what_is_no_longer_published_stays_and_is_reported() {
    let mut world = World::new().await;
    world.component("rules", 1);
    world.component("engine", 1);
    let client = world.client("pc-1");
    update(&client).await;
    world.components().leave_out("rules");
    world.component("engine", 2);
    for result in [ClassResult::Updated, ClassResult::Current] {
        let report = update(&client).await;
        let outcome = class(&report, "components");
        assert_eq!(outcome.result, result, "{report:#?}");
        assert!(outcome.message.contains("rules is no longer published; v1 stays"), "{}", outcome.message);
        assert_eq!(report.installed["components"]["rules"].sequence, 1);
    }
    assert_eq!(current(&client, "components/rules/current/rules/changing.txt"), "release 1\n");
    std::fs::remove_dir_all(client.data.join("components/rules")).unwrap();
    let report = update(&client).await;
    assert_eq!(class(&report, "components").message, "engine is current");
}

#[tokio::test]
async fn what_was_done_before_the_sources_failed_is_reported_with_its_own_class() {
    let mut world = World::new().await;
    let files: &[(&str, &[u8])] = &[("a.txt", b"a")];
    world.components().release(&NewRelease { name: "good", sequence: 1, files, ..NewRelease::default() });
    let before = world.components().blobs();
    world.component("without-bodies", 1);
    for body in world.components().blobs().difference(&before) {
        std::fs::remove_file(body).unwrap();
    }
    let report = update(&world.client("pc-1")).await;
    let components = class(&report, "components");
    assert_eq!(components.result, ClassResult::Failed, "{report:#?}");
    assert!(components.message.contains("good updated to v1"), "{report:#?}");
    assert_eq!(class(&report, "programs").message, "nothing is published", "{report:#?}");
    assert_eq!(report.installed["components"]["good"].sequence, 1);
}

/// P4a: unserved is exit code 3, a warning that says what to do, and never current.
#[tokio::test]
async fn a_class_without_any_source_is_unserved_and_the_report_states_what_to_do() {
    let unserved = |report: &Report| -> Vec<String> {
        let warnings = report.warnings.iter().filter(|warning| warning.starts_with("no source for class"));
        warnings.cloned().collect()
    };
    let mut world = World::new().await;
    world.component("rules", 1);
    let mut client = world.client("pc-1");
    update(&client).await;
    client.addresses = Some(vec!["2001:db8::1".parse().unwrap()]);
    let report = update(&client).await;
    let outcome = class(&report, "components");
    assert_eq!(outcome.result, ClassResult::Unserved);
    assert!(outcome.message.contains("2001:db8::1"), "{}", outcome.message);
    assert_eq!((unserved(&report).len(), exit_code(&report)), (3, 3), "{report:#?}");
    assert!(unserved(&report)[0].contains("of a family that the client does not have"), "{report:#?}");

    world.policy.mode = "customized".to_owned();
    world.policy.options.server_fallback.programs = false;
    world.publish_settings();
    let client = world.client("pc-2");
    let report = update(&client).await;
    assert_eq!(class(&report, "programs").result, ClassResult::Unserved);
    let [warning] = &unserved(&report)[..] else { panic!("{report:#?}") };
    assert!(
        warning.starts_with("no source for class programs: no entry gives it to the client"),
        "{warning}"
    );
    assert!(warning.contains("--server-fallback-programs on"), "{warning}");
    assert_eq!(exit_code(&report), 3);
    let shown = render::status(&status(&client).unwrap());
    assert!(shown.contains("unserved: no entry gives it to the client"), "{shown}");
    // A second run has one finding again, not two.
    assert_eq!(unserved(&update(&client).await).len(), 1);
}

#[tokio::test]
async fn a_policy_that_a_newer_server_wrote_is_not_half_obeyed() {
    let check = async |change: fn(&mut serde_json::Value), expected: &str| {
        let mut world = World::new().await;
        world.component("rules", 1);
        let client = world.client("pc-1");
        update(&client).await;
        world.publish_policy_of_tomorrow(change);
        world.component("rules", 2);
        let report = update(&client).await;
        let policy = class(&report, "policy");
        assert_eq!(policy.result, ClassResult::Failed, "{expected}: {policy:#?}");
        for word in [expected, "the previous version stays in effect", "update headwater-client"] {
            assert!(policy.message.contains(word), "{word}: {}", policy.message);
        }
        assert_eq!(report.policy_version, 1, "{expected}: the last policy is kept");
        assert_eq!(class(&report, "components").result, ClassResult::Updated, "{report:#?}");
        assert_eq!(current(&client, "components/rules/current/rules/changing.txt"), "release 2\n");
        assert_eq!(class(&report, "programs").result, ClassResult::Current);

        world.publish_settings();
        let report = update(&client).await;
        assert_eq!((class(&report, "policy").result, report.policy_version), (ClassResult::Updated, 3));
    };
    let later_format = |signed: &mut serde_json::Value| {
        signed["format"] = 2.into();
        signed["policy"] = "of another form".into();
    };
    check(later_format, "has format 2").await;
    check(|signed| signed["policy"]["options"]["site_cache"] = true.into(), "site_cache").await;
    check(|signed| signed["policy"]["waves"] = 3.into(), "waves").await;
}

#[tokio::test]
async fn progress_is_reported() {
    use std::sync::{Arc, Mutex};
    let mut world = World::new().await;
    world.component("rules", 1);
    let calls = Arc::new(Mutex::new(Vec::new()));
    let progress_sink = headwater_client::ProgressSink::new({
        let calls = Arc::clone(&calls);
        move |what, progress| {
            calls.lock().unwrap().push((what.to_owned(), progress.bytes_done, progress.bytes_total));
        }
    });
    let options = RunOptions { progress_sink, ..RunOptions::default() };
    run_once(&world.client("pc-1"), &options).await.unwrap();
    let calls = calls.lock().unwrap();
    assert!(calls.iter().all(|(what, done, total)| what == "rules" && done <= total), "{calls:?}");
    assert!(calls.iter().any(|(_, done, total)| done < total), "{calls:?}");
    assert!(calls.last().is_some_and(|(_, done, total)| done == total && *total > 200_000), "{calls:?}");
}

/// The report of a run that the disk ended states what the run had done before.
#[tokio::test]
async fn a_run_that_the_disk_ends_reports_what_it_had_updated() {
    let mut world = World::new().await;
    world.component("first", 1);
    world.component("second", 1);
    let client = world.client("pc-1");
    std::fs::create_dir_all(client.data.join("components")).unwrap();
    std::fs::write(client.data.join("components/second"), "no folder").unwrap();
    let ended = run_once(&client, &RunOptions::default()).await.unwrap_err();
    let Error::Ended { report, .. } = ended else { panic!("{ended}") };
    let components = class(&report, "components");
    assert_eq!(components.result, ClassResult::Failed);
    assert!(
        components.message.contains("first") && components.message.contains("; the run ended early: "),
        "{report:#?}"
    );
    assert!(report.installed["components"].contains_key("first"), "{report:#?}");
}

/// Each class is walked after the one before, and its attempts say so (P12).
#[tokio::test]
async fn attempts_have_their_own_start_times() {
    let mut world = World::new().await;
    world.component("rules", 1);
    let report = update(&world.client("pc-1")).await;
    let attempts = &report.attempts;
    assert!(attempts.len() >= 4, "{report:#?}");
    for pair in attempts.windows(2) {
        let ended = pair[0].started + std::time::Duration::from_millis(pair[0].duration_ms);
        assert!(pair[0].class == pair[1].class || ended <= pair[1].started, "{attempts:#?}");
    }
}
