//! What is kept between runs: reports in order, state whole, a newer format refused, leftovers removed, full disks
//! told.

use headwater_api::report::ClassResult;
use headwater_client::limits::{FAILED_REMEMBERED_MAX, SPOOL_REPORTS_MAX};
use headwater_client::state::{Failed, State};
use headwater_client::{DataFolder, Error, RunOptions, Spool, run_once};
use headwater_policy::Class;
use headwater_repo::{Digest, Sequence};

use crate::world::{World, assert_no_leftovers, class, current, update};

#[tokio::test]
async fn reports_wait_for_the_server_and_arrive_in_order() {
    let world = World::new().await;
    let client = world.client("pc-1");
    world.heard(|heard| heard.deaf = true);
    for _ in 0..3 {
        update(&client).await;
    }
    assert_eq!(std::fs::read_dir(client.data.join("reports")).unwrap().count(), 3);
    world.heard(|heard| heard.deaf = false);
    update(&client).await;
    let runs = world.heard(|heard| heard.reports.iter().map(|report| report.run).collect::<Vec<_>>());
    assert_eq!(runs, [1, 2, 3, 4]);
    assert_eq!(std::fs::read_dir(client.data.join("reports")).unwrap().count(), 0);
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
        let failed = Failed {
            sequence: Sequence::new(number).unwrap(),
            manifest: Digest::of(b"m"),
            why: "probe".to_owned(),
            at: "2026-05-01T12:00:00Z".parse().unwrap(),
        };
        state.remember_failed(Class::Components, "rules", failed);
    }
    let why = |number| {
        state
            .failed_why(Class::Components, "rules", Sequence::new(number).unwrap(), &Digest::of(b"m"))
            .is_some()
    };
    assert_eq!((why(1), why(2), why(FAILED_REMEMBERED_MAX as u64 + 1)), (false, true, true));
}

#[tokio::test]
async fn what_a_crash_left_is_removed_and_an_unjudged_release_is_judged() {
    let mut world = World::new().await;
    world.component("rules", 1);
    let client = world.client("pc-1");
    update(&client).await;
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
    let mut world = World::new().await;
    world.component("rules", 1);
    let client = world.client("pc-1");
    update(&client).await;
    world.component("rules", 2);
    let releases = client.data.join("components/rules/releases");
    std::fs::rename(&releases, client.data.join("aside")).unwrap();
    std::os::unix::fs::symlink("/proc/headwater", &releases).unwrap();
    let error = run_once(&client, &RunOptions::default()).await.unwrap_err();
    let Error::Ended { report, .. } = &error else { panic!("{error:?}") };
    assert!(report.warnings.iter().any(|warning| warning.contains("components/rules failed")), "{report:#?}");
    assert_eq!(world.heard(|heard| heard.reports.len()), 2, "the report was sent all the same");
    std::fs::remove_file(&releases).unwrap();
    std::fs::rename(client.data.join("aside"), &releases).unwrap();
    update(&client).await;
    assert_eq!(current(&client, "components/rules/current/rules/changing.txt"), "release 2\n");
}
