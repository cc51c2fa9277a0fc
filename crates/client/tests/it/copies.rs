//! A data folder that was copied to another machine, or put back: no report is lost, and the machine is noticed (I3a).

use std::path::Path;
use std::process::Command;

use headwater_client::limits::RENUMBERED_MAX;
use headwater_client::{Config, DataFolder, Spool, status};

use crate::world::{World, class, update};

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}

/// The same client on another machine.
fn copy_of(client: &Config, name: &str) -> Config {
    let data = client.data.with_file_name(name);
    copy(&client.data, &data);
    Config { data, ..client.clone() }
}

fn waiting(client: &Config) -> usize {
    Spool::open(DataFolder::new(&client.data).reports()).unwrap().waiting().unwrap().len()
}

#[tokio::test]
async fn the_reports_of_a_copy_and_of_the_original_all_arrive() {
    let world = World::new().await;
    let original = world.client("pc-1");
    update(&original).await;
    let copy = copy_of(&original, "copy");
    for client in [&original, &copy, &copy, &original] {
        update(client).await;
        assert_eq!(waiting(client), 0);
    }
    let numbers = world.received(|received| received.numbers.clone());
    assert_eq!(numbers, [1, 2, 3, 4, 5], "the copy's first and the original's last were renumbered");
    assert_eq!(world.received(|received| received.reports.len()), 5);
}

#[tokio::test]
async fn reports_that_waited_while_a_snapshot_was_put_back_arrive_in_order() {
    let world = World::new().await;
    let client = world.client("pc-1");
    update(&client).await;
    let snapshot = copy_of(&client, "snapshot");
    for _ in 0..3 {
        update(&client).await;
    }
    world.received(|received| received.deaf = true);
    for _ in 0..2 {
        update(&snapshot).await;
    }
    assert_eq!(waiting(&snapshot), 2);
    world.received(|received| received.deaf = false);
    update(&snapshot).await;
    assert_eq!(waiting(&snapshot), 0);
    assert_eq!(world.received(|received| received.numbers.clone()), [1, 2, 3, 4, 5, 6, 7]);
    let runs =
        world.received(|received| received.reports.iter().map(|report| report.run).collect::<Vec<_>>());
    assert_eq!(runs, [1, 2, 3, 4, 2, 3, 4], "every run of both");
}

#[tokio::test]
async fn a_copy_that_reports_at_the_same_time_stops_nobody_and_holds_no_run() {
    let world = World::new().await;
    let client = world.client("pc-1");
    for (overtaken, left) in [(RENUMBERED_MAX, 0), (RENUMBERED_MAX + 1, 1), (0, 0)] {
        world.received(|received| received.overtaken = overtaken);
        update(&client).await;
        assert_eq!(waiting(&client), left, "{overtaken}");
    }
    assert_eq!(world.received(|received| received.reports.len()), 3);
}

#[tokio::test]
async fn a_confirmation_of_another_report_confirms_nothing() {
    let world = World::new().await;
    let client = world.client("pc-1");
    world.received(|received| received.acknowledges_others = true);
    update(&client).await;
    assert_eq!(waiting(&client), 1);
    world.received(|received| received.acknowledges_others = false);
    update(&client).await;
    assert_eq!(waiting(&client), 0);
    assert_eq!(world.received(|received| received.numbers.clone()), [1, 2]);
}

#[tokio::test]
async fn another_machine_is_warned_of_and_updates_all_the_same() {
    let mut world = World::new().await;
    let id_file = world.folder.path().join("machine-id");
    std::fs::write(&id_file, "0123456789abcdef0123456789abcdef\n").unwrap();
    let client = Config { machine_id: id_file.clone(), ..world.client("pc-1") };
    let is_warned = |report: &headwater_api::report::Report| {
        report.warnings.iter().any(|warning| warning.contains("enrolled on another machine"))
    };
    let of_status = || status(&client).unwrap().identity.unwrap().other_machine;
    assert!(!is_warned(&update(&client).await));
    assert_eq!(of_status(), None);
    std::fs::write(&id_file, "fedcba9876543210fedcba9876543210\n").unwrap();
    world.component("rules", 1);
    let report = update(&client).await;
    assert!(is_warned(&report), "{report:#?}");
    assert_eq!(class(&report, "components").result, headwater_api::report::ClassResult::Updated);
    assert!(of_status().unwrap().contains("machine-id"));
    std::fs::remove_file(&id_file).unwrap();
    assert!(!is_warned(&update(&client).await), "without an id nothing is known");
    assert_eq!(of_status(), None);
}
