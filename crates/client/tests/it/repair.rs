//! Installed files that something changed afterwards are found and repaired before a class counts as current (P11).

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use headwater_api::report::{ClassResult, Report};
use headwater_client::{Config, RunOptions, Trigger, exit_code, run_once};

use crate::world::{NewRelease, World, assert_no_leftovers, class, current, noise, update, words};

const BIG: &str = "rules/big.bin";

async fn installed() -> (World, Config, PathBuf) {
    let mut world = World::new().await;
    world.component("rules", 1);
    let client = world.client("pc-1");
    update(&client).await;
    let release = client.data.join("components/rules/current");
    (world, client, release)
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

fn assert_whole(client: &Config, release: &Path) {
    assert!(fs::symlink_metadata(release.join(BIG)).unwrap().is_file());
    assert_eq!(fs::read(release.join(BIG)).unwrap(), noise(200_000));
    assert_eq!(fs::read_to_string(release.join("rules/changing.txt")).unwrap(), "release 1\n");
    assert_eq!((mode(&release.join(BIG)), mode(&release.join("rules"))), (0o644, 0o755));
    assert_no_leftovers(&client.data);
}

/// The class states the repair, and so does a warning; the next run has nothing more to do.
async fn assert_repaired(client: &Config, of: &str, report: &Report, what: &str) {
    let outcome = class(report, of);
    assert_eq!(outcome.result, ClassResult::Updated, "{report:#?}");
    assert!(outcome.message.contains(what), "{report:#?}");
    assert!(report.warnings.iter().any(|warning| warning.contains(what)), "{report:#?}");
    let next = update(client).await;
    assert_eq!(class(&next, of).result, ClassResult::Current, "{next:#?}");
    assert!(!next.warnings.iter().any(|warning| warning.contains("repaired")), "{next:#?}");
}

#[tokio::test]
async fn every_kind_of_damage_is_repaired_before_the_class_is_current() {
    let (_world, client, release) = installed().await;
    let outside = client.data.join("outside");
    fs::create_dir(&outside).unwrap();
    type Spoil<'a> = &'a dyn Fn(&Path);
    let spoils: [(&str, Spoil<'_>); 8] = [
        ("rules/big.bin (3 bytes instead of 200000)", &|at| fs::write(at.join(BIG), "abc").unwrap()),
        ("rules/big.bin (gone)", &|at| fs::remove_file(at.join(BIG)).unwrap()),
        ("rules/big.bin (mode 0000 instead of 0644)", &|at| {
            fs::set_permissions(at.join(BIG), fs::Permissions::from_mode(0o000)).unwrap();
        }),
        ("rules (mode 0000 instead of 0755)", &|at| {
            fs::set_permissions(at.join("rules"), fs::Permissions::from_mode(0o000)).unwrap();
        }),
        ("rules/big.bin (a folder is in its place)", &|at| {
            fs::remove_file(at.join(BIG)).unwrap();
            fs::create_dir(at.join(BIG)).unwrap();
        }),
        ("rules/big.bin (a symbolic link is in its place)", &|at| {
            fs::remove_file(at.join(BIG)).unwrap();
            symlink("/etc/passwd", at.join(BIG)).unwrap();
        }),
        ("rules (a symbolic link is in its place)", &|at| {
            fs::remove_dir_all(at.join("rules")).unwrap();
            symlink(&outside, at.join("rules")).unwrap();
        }),
        ("rules (gone)", &|at| fs::remove_dir_all(at.join("rules")).unwrap()),
    ];
    for (what, spoil) in spoils {
        spoil(&release);
        let report = update(&client).await;
        assert_whole(&client, &release);
        assert_repaired(&client, "components", &report, what).await;
    }
    assert_eq!(fs::read_dir(outside).unwrap().count(), 0, "nothing is written through a link");
}

/// A release that is gone, with its link or its record, is no release that is current.
#[tokio::test]
async fn a_release_that_is_gone_is_named_and_installed_again() {
    let (_world, client, release) = installed().await;
    let slot = client.data.join("components/rules");
    let records = || fs::read_dir(slot.join("releases")).unwrap().map(|entry| entry.unwrap().path());
    let repair = RunOptions { trigger: Trigger::Repair, ..RunOptions::default() };
    type Spoil<'a> = &'a dyn Fn();
    let spoils: [Spoil<'_>; 3] = [
        &|| fs::remove_file(slot.join("current")).unwrap(),
        &|| {
            records()
                .filter(|path| path.extension().is_some())
                .for_each(|path| fs::remove_file(path).unwrap())
        },
        &|| fs::remove_dir_all(&slot).unwrap(),
    ];
    for spoil in spoils {
        for options in [&repair, &RunOptions::default()] {
            spoil();
            let report = run_once(&client, options).await.unwrap();
            let named =
                "components: rules: release v1 was installed, and something on this computer removed it";
            assert!(report.warnings.iter().any(|warning| warning.starts_with(named)), "{report:#?}");
            assert_whole(&client, &release);
            let next = update(&client).await;
            assert!(!next.warnings.iter().any(|warning| warning.contains("removed it")), "{next:#?}");
        }
    }
}

#[tokio::test]
async fn what_others_added_is_reported_once_and_stays() {
    let (_world, client, release) = installed().await;
    fs::write(release.join("rules/note.txt"), "mine").unwrap();
    fs::remove_file(release.join(BIG)).unwrap();
    fs::create_dir(release.join(BIG)).unwrap();
    fs::write(release.join(BIG).join("inside.txt"), "mine too").unwrap();
    let report = update(&client).await;
    assert!(
        report
            .warnings
            .iter()
            .any(|warning| warning.contains("added files") && warning.contains("rules/note.txt"))
    );
    let next = update(&client).await;
    let warned = |what: &str| next.warnings.iter().any(|warning| warning.contains(what));
    assert!(!warned("rules/note.txt") && warned("rules/big.bin.moved"), "{next:#?}");
    assert_whole(&client, &release);
    assert_eq!(fs::read_to_string(release.join("rules/note.txt")).unwrap(), "mine");
    assert_eq!(fs::read_to_string(release.join("rules/big.bin.moved/inside.txt")).unwrap(), "mine too");
}

#[tokio::test]
async fn without_a_source_a_damaged_class_fails_until_it_is_repaired() {
    let (mut world, client, release) = installed().await;
    fs::write(release.join(BIG), "abc").unwrap();
    fs::write(release.join("rules/changing.txt"), "x").unwrap();
    let blobs: Vec<(PathBuf, Vec<u8>)> =
        world.components().blobs().into_iter().map(|at| (at.clone(), fs::read(at).unwrap())).collect();
    blobs.iter().for_each(|(at, _)| fs::remove_file(at).unwrap());
    let report = update(&client).await;
    let outcome = class(&report, "components");
    assert_eq!(outcome.result, ClassResult::Failed, "{report:#?}");
    assert!(
        outcome.message.contains("could not be repaired: rules/big.bin (3 bytes instead of 200000)"),
        "{report:#?}"
    );
    assert_eq!(outcome.names[0].name, "rules");
    assert_eq!(exit_code(&report), 3);
    assert_eq!(fs::read_to_string(release.join(BIG)).unwrap(), "abc", "nothing is half repaired");
    blobs.iter().for_each(|(at, bytes)| fs::write(at, bytes).unwrap());
    let report = update(&client).await;
    assert_whole(&client, &release);
    assert_repaired(&client, "components", &report, "rules/big.bin").await;
}

#[tokio::test]
async fn what_is_here_repairs_without_a_source() {
    let (mut world, client, release) = installed().await;
    world.component("copies", 1);
    update(&client).await;
    world.components().blobs().iter().for_each(|at| fs::remove_file(at).unwrap());
    fs::remove_dir_all(release.join("rules")).unwrap();
    let report = update(&client).await;
    assert_whole(&client, &release);
    assert_repaired(&client, "components", &report, "rules/big.bin (gone)").await;
}

#[tokio::test]
async fn settings_are_repaired_from_their_own_record() {
    let mut world = World::new().await;
    world.files.insert("etc/agent.conf".to_owned(), "level=3\n".to_owned());
    world.publish_settings();
    let client = world.client("pc-1");
    update(&client).await;
    fs::write(client.data.join("settings/current/etc/agent.conf"), "").unwrap();
    fs::remove_file(client.data.join("settings/current/values.json")).unwrap();
    let report = update(&client).await;
    assert_eq!(current(&client, "settings/current/etc/agent.conf"), "level=3\n");
    assert!(current(&client, "settings/current/values.json").contains("proxy"));
    assert_repaired(&client, "settings", &report, "values.json (gone)").await;
}

#[tokio::test]
async fn an_install_command_changes_its_own_files_and_runs_again_after_a_repair() {
    let mut world = World::new().await;
    let client = world.client("pc-1");
    let script = "#!/bin/sh\necho run >> ../../../../runs\necho configured > config\nchmod 600 config\necho made > made\nrm -f unused\n";
    world.programs().release(&NewRelease {
        name: "fix",
        sequence: 1,
        files: &[("install.sh", script.as_bytes()), ("config", b"empty"), ("unused", b"1")],
        install: Some((words(&["./install.sh"]), 20)),
        ..NewRelease::default()
    });
    update(&client).await;
    let report = update(&client).await;
    assert_eq!(class(&report, "programs").result, ClassResult::Current, "{report:#?}");
    assert_eq!(report.warnings, Vec::<String>::new());
    let runs = || fs::read_to_string(client.data.join("runs")).unwrap().lines().count();
    assert_eq!(runs(), 1);
    fs::remove_file(client.data.join("programs/fix/current/config")).unwrap();
    let report = update(&client).await;
    assert_repaired(&client, "programs", &report, "config (gone)").await;
    assert_eq!(current(&client, "programs/fix/current/config"), "configured\n");
    assert_eq!(runs(), 2);
    // A crash between repair and activation.
    let slot = headwater_client::data::Slot::new(client.data.join("programs/fix"));
    let (name, _) = slot.installed().unwrap().unwrap();
    slot.note_repaired(&name).unwrap();
    update(&client).await;
    assert_eq!((runs(), slot.repaired().unwrap()), (3, None));
}

#[tokio::test]
async fn the_own_program_is_repaired_and_not_started_again() {
    let mut world = World::new().await;
    let mut client = world.client("pc-1");
    let files: &[(&str, &[u8])] = &[("headwater-client", b"#!/bin/sh\nexit 1\n"), ("data", b"data")];
    let release = NewRelease { name: "headwater-client", sequence: 1, files, ..NewRelease::default() };
    world.programs().release(&release);
    update(&client).await;
    client.program = Some(client.data.join("programs/headwater-client/current/headwater-client"));
    let program = fs::canonicalize(client.program.as_ref().unwrap()).unwrap();
    fs::remove_file(&program).unwrap();
    let report = update(&client).await;
    assert_repaired(&client, "programs", &report, "headwater-client (gone)").await;
    assert!(program.is_file(), "in the same place");
    assert!(!client.data.join("programs/headwater-client/starts").exists(), "no trial and no probation");
}

#[tokio::test]
async fn repair_compares_every_byte_and_updates_nothing() {
    let (mut world, client, release) = installed().await;
    let options = RunOptions { trigger: Trigger::Repair, ..RunOptions::default() };
    let mut other = noise(200_000);
    other[100_000] ^= 1;
    fs::write(release.join(BIG), &other).unwrap();
    let unseen = update(&client).await;
    assert_eq!(class(&unseen, "components").result, ClassResult::Current, "same size and mode: {unseen:#?}");
    let report = run_once(&client, &options).await.unwrap();
    assert_whole(&client, &release);
    assert_repaired(&client, "components", &report, "rules/big.bin (other content)").await;
    world.component("rules", 2);
    let report = run_once(&client, &options).await.unwrap();
    assert_eq!((class(&report, "components").result, exit_code(&report)), (ClassResult::Current, 0));
    assert!(
        class(&report, "components").message.contains("every byte of 1 installed release"),
        "{report:#?}"
    );
    assert_whole(&client, &release);
    // The domain may leave updates to the daemon; a repair is none.
    world.settings.allow_manual_update = false;
    world.publish_settings();
    update(&client).await;
    assert_eq!(exit_code(&run_once(&client, &options).await.unwrap()), 0);
}

#[tokio::test]
async fn the_command_repairs_and_prints_what_it_did() {
    let (_world, client, release) = installed().await;
    fs::write(release.join(BIG), "abc").unwrap();
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_headwater-client"))
        .args(["repair", "--json", "--address", "127.0.0.1", "--data"])
        .arg(&client.data)
        .output()
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report: Report = serde_json::from_slice(&output.stdout).unwrap();
    assert!(class(&report, "components").message.contains("repaired release v1"), "{report:#?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("WARN"), "{output:?}");
    assert_whole(&client, &release);
}

/// SIGKILL at any moment of a repair leaves each file as it was or as it is to be, and the next run goes on.
#[tokio::test]
async fn killed_at_any_moment_of_a_repair_no_file_is_half_written() {
    const KILLS: u64 = 12;
    let (_world, client, release) = installed().await;
    let start = || {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_headwater-client"));
        command.args(["repair", "--address", "127.0.0.1", "--data"]).arg(&client.data);
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).kill_on_drop(true);
        command
    };
    let spoil = || {
        fs::write(release.join(BIG), "abc").unwrap();
        fs::write(release.join("rules/changing.txt"), "").unwrap();
    };
    spoil();
    let begun = std::time::Instant::now();
    assert!(start().status().await.unwrap().success());
    let span_ms = u64::try_from(begun.elapsed().as_millis()).unwrap().max(KILLS);
    for moment in 1..=KILLS {
        spoil();
        let mut child = start().spawn().unwrap();
        let moment = std::time::Duration::from_millis(span_ms * moment / KILLS);
        if tokio::time::timeout(moment, child.wait()).await.is_err() {
            child.kill().await.unwrap();
        }
        let big = fs::read(release.join(BIG)).unwrap();
        assert!(big == b"abc" || big == noise(200_000), "{} bytes", big.len());
        let small = fs::read_to_string(release.join("rules/changing.txt")).unwrap();
        assert!(small.is_empty() || small == "release 1\n", "{small}");
    }
    assert!(start().status().await.unwrap().success());
    assert_whole(&client, &release);
}
