//! What is kept between runs: reports in order, state whole, a newer format refused, leftovers removed, full disks
//! reported.

use headwater_api::report::ClassResult;
use headwater_client::data::{FailedRelease, State};
use headwater_client::limits::{FAILED_REMEMBERED_MAX, SPOOL_REPORTS_MAX};
use headwater_client::{Config, DataFolder, Error, RunOptions, Spool, run_once, status};
use headwater_policy::Class;
use headwater_repo::{Digest, Sequence};

use crate::world::{World, assert_no_leftovers, class, client_of_rules, current, update};

#[tokio::test]
async fn reports_wait_for_the_server_and_arrive_in_order() {
    let world = World::new().await;
    let client = world.client("pc-1");
    world.received(|received| received.deaf = true);
    for _ in 0..3 {
        update(&client).await;
    }
    assert_eq!(Spool::open(client.data.join("reports")).unwrap().waiting().unwrap().len(), 3);
    world.received(|received| received.deaf = false);
    update(&client).await;
    let runs =
        world.received(|received| received.reports.iter().map(|report| report.run).collect::<Vec<_>>());
    assert_eq!(runs, [1, 2, 3, 4]);
    assert_eq!(world.received(|received| received.numbers.clone()), [1, 2, 3, 4]);
    assert_eq!(Spool::open(client.data.join("reports")).unwrap().waiting().unwrap().len(), 0);
}

#[tokio::test]
async fn the_spool_keeps_the_newest_at_its_limit() {
    let world = World::new().await;
    let client = world.client("pc-1");
    let mut report = update(&client).await;
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::open(folder.path().join("reports")).unwrap();
    let newest = SPOOL_REPORTS_MAX as u64 + 2;
    for run in 1..=newest {
        report.run = run;
        spool.keep(&report).unwrap();
    }
    let waiting = spool.waiting().unwrap();
    assert_eq!(waiting.len(), SPOOL_REPORTS_MAX);
    assert!(waiting[0].ends_with(format!("{:020}.json", 3)), "{}", waiting[0].display());
}

#[tokio::test]
async fn a_state_of_a_newer_format_is_refused_and_left_alone() {
    let world = World::new().await;
    let client = world.client("pc-1");
    update(&client).await;
    let folder = DataFolder::new(&client.data);
    let newer =
        std::fs::read_to_string(folder.state()).unwrap().replacen("\"format\": 1", "\"format\": 99", 1);
    std::fs::write(folder.state(), &newer).unwrap();
    let error = run_once(&client, &RunOptions::default()).await.unwrap_err();
    assert!(matches!(error, Error::Malformed { .. }), "{error}");
    assert_eq!(std::fs::read_to_string(folder.state()).unwrap(), newer);
}

#[test]
fn the_oldest_failure_is_forgotten_at_the_limit() {
    let mut state = State::default();
    for number in 1..=FAILED_REMEMBERED_MAX as u64 + 1 {
        let failed = FailedRelease {
            sequence: Sequence::new(number).unwrap(),
            manifest: Digest::of(b"m"),
            why: "probe".to_owned(),
            at: "2026-05-01T12:00:00Z".parse().unwrap(),
        };
        state.remember_failed(Class::Components, "rules", failed);
    }
    let is_remembered = |number| {
        state
            .failed_why(Class::Components, "rules", Sequence::new(number).unwrap(), &Digest::of(b"m"))
            .is_some()
    };
    let newest = FAILED_REMEMBERED_MAX as u64 + 1;
    assert_eq!([1, 2, newest].map(is_remembered), [false, true, true]);
}

#[tokio::test]
async fn what_a_crash_left_is_removed_and_an_unjudged_release_is_judged() {
    let (_world, client) = client_of_rules(1).await;
    let slot = client.data.join("components/rules");
    std::fs::create_dir_all(slot.join("releases/.tmp-1-2-abc/sub")).unwrap();
    std::fs::write(slot.join(".tmp-1-current"), b"").unwrap();
    std::fs::create_dir_all(slot.join("releases/9-unfinished")).unwrap();
    let name = std::fs::read_link(slot.join("current")).unwrap();
    let release = name.file_name().unwrap().to_str().unwrap();
    std::fs::write(
        slot.join("trial.json"),
        format!("{{\"release\":\"{release}\",\"previous\":null,\"starts\":1}}"),
    )
    .unwrap();
    let report = update(&client).await;
    assert_eq!(class(&report, "components").result, ClassResult::Current);
    assert_no_leftovers(&client.data);
    assert!(!slot.join("releases/9-unfinished").exists());
    assert!(!slot.join("trial.json").exists());
    assert_eq!(current(&client, "components/rules/current/rules/changing.txt"), "release 1\n");
}

/// A folder that is a file stands for a disk that refuses: like permission and space, it is not the source's fault.
#[tokio::test]
async fn a_disk_that_refuses_ends_the_run_and_the_server_learns_of_it() {
    let (mut world, client) = client_of_rules(1).await;
    world.component("rules", 2);
    let releases = client.data.join("components/rules/releases");
    std::fs::rename(&releases, client.data.join("aside")).unwrap();
    std::os::unix::fs::symlink("/proc/headwater", &releases).unwrap();
    let error = run_once(&client, &RunOptions::default()).await.unwrap_err();
    let Error::Ended { report, .. } = &error else { panic!("{error:?}") };
    assert!(report.warnings.iter().any(|warning| warning.contains("components/rules failed")), "{report:#?}");
    assert_eq!(world.received(|received| received.reports.len()), 2, "the report was sent all the same");
    std::fs::remove_file(&releases).unwrap();
    std::fs::rename(client.data.join("aside"), &releases).unwrap();
    update(&client).await;
    assert_eq!(current(&client, "components/rules/current/rules/changing.txt"), "release 2\n");
}

#[tokio::test]
async fn a_damaged_state_is_moved_aside_and_nothing_verified_is_forgotten() {
    let (_world, client) = client_of_rules(1).await;
    let folder = DataFolder::new(&client.data);
    let whole = std::fs::read(folder.state()).unwrap();
    for damage in [&b""[..], &whole[..whole.len() / 2], b"{\"format\": 1, \"run\": \"x\"}"] {
        std::fs::write(folder.state(), damage).unwrap();
        let message = status(&client).unwrap_err().to_string();
        assert!(message.contains("the next run moves it aside"), "{message}");
        let report = update(&client).await;
        assert!(report.warnings[0].contains("starts with an empty state"), "{report:#?}");
        assert_eq!(std::fs::read(folder.state().with_extension("json.damaged")).unwrap(), damage);
        assert_eq!(report.client, "pc-1");
        assert_eq!(class(&report, "components").result, ClassResult::Current);
        assert!(update(&client).await.warnings.is_empty());
    }
}

#[tokio::test]
async fn damaged_metadata_is_fetched_again() {
    let (mut world, client) = client_of_rules(1).await;
    let metadata = client.data.join("metadata/components");
    let set = || metadata.join(std::fs::read_to_string(metadata.join("current")).unwrap().trim());
    let damages: [&dyn Fn(); 4] = [
        &|| std::fs::write(metadata.join("current"), "nonsense").unwrap(),
        &|| std::fs::write(set().join("1.root.json"), "{").unwrap(),
        &|| std::fs::write(set().join("timestamp.json"), "{").unwrap(),
        &|| std::fs::remove_dir_all(set()).unwrap(),
    ];
    for (number, damage) in damages.iter().enumerate() {
        damage();
        let report = update(&client).await;
        assert_eq!(class(&report, "components").result, ClassResult::Current, "{number}: {report:#?}");
        assert_eq!(report.warnings.len(), usize::from(number != 2), "{number}: {report:#?}");
    }
    world.component("rules", 2);
    update(&client).await;
    assert_eq!(current(&client, "components/rules/current/rules/changing.txt"), "release 2\n");
}

/// A bundle of another organisation leads nowhere; the right one, given next, takes its place. Once something was
/// verified, no other does.
#[tokio::test]
async fn a_bundle_that_led_nowhere_gives_way_to_the_right_one() {
    let (mut right, other) = (World::new().await, World::new().await);
    right.component("rules", 1);
    let client = right.client("pc-1");
    let mut wrong: serde_json::Value =
        serde_json::from_slice(&std::fs::read(other.bundle()).unwrap()).unwrap();
    wrong["policy"] = serde_json::to_value(&right.policy).unwrap();
    let wrong_path = right.folder.path().join("wrong.json");
    std::fs::write(&wrong_path, wrong.to_string()).unwrap();
    let mistaken = Config { bundle: Some(wrong_path), ..client.clone() };
    let report = update(&mistaken).await;
    assert_eq!(class(&report, "settings").result, ClassResult::Failed, "{report:#?}");
    assert_eq!(class(&update(&client).await, "components").result, ClassResult::Updated);
    let report = update(&mistaken).await;
    assert_eq!(class(&report, "components").result, ClassResult::Current);
    let message = &report.warnings[0];
    assert!(message.contains("wrong.json names other roots and is not used"), "{message}");
    assert_eq!(status(&mistaken).unwrap().last_run.unwrap().warnings, report.warnings);

    let absent = Config { bundle: Some("absent.json".into()), ..right.client("pc-2") };
    let message = run_once(&absent, &RunOptions::default()).await.unwrap_err().to_string();
    assert!(message.contains("absent.json does not exist"), "{message}");
}

/// What a restored backup or a copy that follows links makes of `current` and `previous`, and other damage by hand.
#[tokio::test]
async fn a_slot_that_was_tampered_with_is_put_right() {
    let mut world = World::new().await;
    let client = world.client("pc-1");
    for sequence in [1, 2] {
        world.component("rules", sequence);
        update(&client).await;
    }
    let slot = client.data.join("components/rules");
    let (current_link, previous) = (slot.join("current"), slot.join("previous"));
    let to_folder = |link: &std::path::Path| {
        let target = link.canonicalize().unwrap();
        std::fs::remove_file(link).unwrap();
        let copied = std::process::Command::new("cp").arg("-r").arg(target).arg(link).status();
        assert!(copied.unwrap().success());
    };
    let to_file = |link: &std::path::Path| {
        std::fs::remove_file(link).unwrap();
        std::fs::write(link, "x").unwrap();
    };
    let damages: [&dyn Fn(); 5] = [
        &|| to_file(&current_link),
        &|| to_folder(&current_link),
        &|| to_folder(&previous),
        &|| to_file(&previous),
        &|| std::fs::write(slot.join("trial.json"), "nonsense").unwrap(),
    ];
    let mut published = 2;
    for (number, damage) in damages.iter().enumerate() {
        damage();
        assert!(status(&client).is_ok(), "{number}");
        published += 1;
        world.component("rules", published);
        let report = update(&client).await;
        assert_eq!(class(&report, "components").result, ClassResult::Updated, "{number}: {report:#?}");
        let expected = format!("release {published}\n");
        assert_eq!(current(&client, "components/rules/current/rules/changing.txt"), expected, "{number}");
        // The next release has one to go back to again.
        published += 1;
        world.component("rules", published);
        update(&client).await;
        assert!(previous.is_symlink(), "{number}");
    }
    assert_no_leftovers(&client.data);
}
