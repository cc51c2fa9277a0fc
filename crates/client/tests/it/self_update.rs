//! `headwater-client` updating itself: a good release takes over, a bad one does not, and one that completes no run
//! as daemon is taken back.

use headwater_api::report::ClassResult;
use headwater_client::Config;
use headwater_client::self_update::choose;

use crate::world::{NewRelease, World, class, update};

const PROGRAM: &str = env!("CARGO_BIN_EXE_headwater-client");

fn publish(world: &mut World, sequence: u64, script: &str) {
    let script = format!("#!/bin/sh\n# release {sequence}\n{script}\n");
    world.programs().release(&NewRelease {
        name: "headwater-client",
        sequence,
        files: &[("headwater-client", script.as_bytes())],
        ..NewRelease::default()
    });
}

async fn world_with_client() -> (World, Config) {
    let mut world = World::new().await;
    world.component("rules", 1);
    let mut client = world.client("pc-1");
    client.program = Some(PROGRAM.into());
    (world, client)
}

#[tokio::test]
async fn a_release_that_makes_a_trial_run_takes_over_and_has_three_starts() {
    let (mut world, client) = world_with_client().await;
    publish(&mut world, 1, &format!("exec {PROGRAM} \"$@\""));
    let report = update(&client).await;
    assert_eq!(class(&report, "programs").result, ClassResult::Updated, "{report:#?}");
    let current =
        client.data.join("programs/headwater-client/current/headwater-client").canonicalize().unwrap();
    for _ in 0..3 {
        assert_eq!(choose(&client.data).unwrap().unwrap().canonicalize().unwrap(), current);
    }
    assert_eq!(choose(&client.data).unwrap(), None, "there is none before it: the installed program goes on");
    let report = update(&client).await;
    assert_eq!(class(&report, "programs").result, ClassResult::Reverted, "{report:#?}");
    assert!(class(&report, "programs").message.contains("completed no run"), "{report:#?}");
}

#[tokio::test]
async fn a_release_that_proves_nothing_never_becomes_current() {
    let (mut world, client) = world_with_client().await;
    publish(&mut world, 1, "echo broken >&2; exit 9");
    let report = update(&client).await;
    let outcome = class(&report, "programs");
    assert_eq!(outcome.result, ClassResult::Reverted, "{report:#?}");
    assert!(outcome.message.contains("without proof: broken"), "{}", outcome.message);
    assert!(!client.data.join("programs/headwater-client/current").exists());
    assert_eq!(choose(&client.data).unwrap(), None);
    let again = update(&client).await;
    assert!(class(&again, "programs").message.contains("not tried again"), "{again:#?}");
    publish(&mut world, 2, &format!("exec {PROGRAM} \"$@\""));
    assert_eq!(class(&update(&client).await, "programs").result, ClassResult::Updated);
}

#[tokio::test]
async fn a_trial_that_writes_too_much_does_not_fill_the_memory() {
    let (mut world, client) = world_with_client().await;
    publish(&mut world, 1, "yes broken | head -c 400000000 >&2; exit 9");
    let report = update(&client).await;
    let message = &class(&report, "programs").message;
    assert!(message.contains("without proof") && message.len() < 8 * 1024, "{} bytes", message.len());
    let memory = std::fs::read_to_string("/proc/self/status").unwrap();
    let most =
        memory.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")).unwrap();
    let most: u64 = most.parse().unwrap();
    assert!(most < 250_000, "{most} kB at its most");
}

#[tokio::test]
async fn a_release_without_the_program_is_refused_with_the_missing_file() {
    let (mut world, client) = world_with_client().await;
    let files: &[(&str, &[u8])] = &[("headwater-client-2", b"#!/bin/sh\n")];
    let name = "headwater-client";
    world.programs().release(&NewRelease { name, sequence: 1, files, ..NewRelease::default() });
    let report = update(&client).await;
    assert!(class(&report, "programs").message.contains("it has no file headwater-client,"), "{report:#?}");
}
