//! Programs and hot fixes: install commands, their limits, and going back.

use std::time::{Duration, Instant};

use headwater_api::report::ClassResult;
use headwater_client::command::{self, Verdict};
use headwater_client::limits::COMMAND_OUTPUT_BYTES_MAX;

use crate::world::{NewRelease, World, class, current, update, words};

#[tokio::test]
async fn an_install_command_runs_in_its_release_and_a_failing_one_brings_the_former_back() {
    let mut world = World::new().await;
    let client = world.client("pc-1");
    let installed = client.data.join("installed");
    let script = format!(
        "#!/bin/sh\nset -e\ntest \"$HEADWATER_NAME\" = fix\ntest -f install.sh\ncat version > {}\ntest \"$(cat version)\" != 2\n",
        installed.display()
    );
    for (sequence, version) in [(1, "1"), (2, "2")] {
        world.programs().release(&NewRelease {
            name: "fix",
            sequence,
            files: &[("install.sh", script.as_bytes()), ("version", version.as_bytes())],
            install: Some((words(&["./install.sh"]), 20)),
            ..NewRelease::default()
        });
        let report = update(&client).await;
        let expected = if sequence == 1 { ClassResult::Updated } else { ClassResult::WentBack };
        assert_eq!(class(&report, "programs").result, expected, "{report:#?}");
        assert_eq!(current(&client, "programs/fix/current/version"), "1");
        assert_eq!(std::fs::read_to_string(&installed).unwrap(), "1", "put in force again");
    }
}

#[tokio::test]
async fn an_install_command_is_found_from_a_relative_data_folder() {
    let mut world = World::new().await;
    let files: &[(&str, &[u8])] =
        &[("install.sh", b"#!/bin/sh\ntest -e \"$HEADWATER_RELEASE/install.sh\"\n")];
    let install = Some((words(&["./install.sh"]), 20));
    world.programs().release(&NewRelease {
        name: "fix",
        sequence: 1,
        files,
        install,
        ..NewRelease::default()
    });
    let bundle = world.bundle();
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_headwater-client"))
        .args(["update", "--id", "pc-1", "--address", "127.0.0.1", "--data", "relative", "--bundle"])
        .arg(bundle)
        .current_dir(world.folder.path())
        .output()
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[tokio::test]
async fn a_command_at_its_limit_is_killed_with_all_that_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    let command = words(&["sh", "-c", "sleep 300 & echo $! > child; sleep 300"]);
    let ended = command::run(&command, folder.path(), &[], Duration::from_secs(1)).await;
    assert_eq!(ended.verdict, Verdict::TimedOut(1));
    assert!(begun.elapsed() < Duration::from_secs(20));
    let child = std::fs::read_to_string(folder.path().join("child")).unwrap();
    let gone = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.trim()));
        stat.is_err() || stat.is_ok_and(|stat| stat.contains(") Z"))
    };
    while !gone() {
        assert!(begun.elapsed() < Duration::from_secs(30), "the child outlived its group");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_commands_output_is_bounded_and_its_environment_small() {
    let folder = tempfile::tempdir().unwrap();
    let limit = Duration::from_secs(20);
    let command = words(&["sh", "-c", "yes | head -c 100000; echo the end; exit 3"]);
    let ended = command::run(&command, folder.path(), &[], limit).await;
    assert_eq!(ended.verdict, Verdict::Failed(Some(3)));
    assert!(ended.output.len() <= COMMAND_OUTPUT_BYTES_MAX && ended.output.ends_with("the end"));
    let ended =
        command::run(&words(&["env"]), folder.path(), &[("HEADWATER_NAME", "x".to_owned())], limit).await;
    let names: Vec<&str> = ended.output.lines().filter_map(|line| line.split('=').next()).collect();
    assert!(names.iter().all(|name| ["PATH", "LANG", "HEADWATER_NAME", "PWD"].contains(name)), "{names:?}");
    let missing = command::run(&words(&["./not-there"]), folder.path(), &[], limit).await;
    assert_eq!(missing.verdict, Verdict::NotStarted);
}

#[tokio::test]
async fn a_stopped_update_takes_its_install_command_along() {
    let mut world = World::new().await;
    let started = world.folder.path().join("started");
    let script =
        format!("#!/bin/sh\nsleep 300 &\necho $! >{0}.new; mv {0}.new {0}\nsleep 300\n", started.display());
    let files: &[(&str, &[u8])] = &[("install.sh", script.as_bytes())];
    let install = Some((words(&["./install.sh"]), 60));
    world.programs().release(&NewRelease {
        name: "fix",
        sequence: 1,
        files,
        install,
        ..NewRelease::default()
    });
    let mut update = tokio::process::Command::new(env!("CARGO_BIN_EXE_headwater-client"))
        .args(["update", "--id", "pc-1", "--address", "127.0.0.1", "--data"])
        .arg(world.folder.path().join("client"))
        .arg("--bundle")
        .arg(world.bundle())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while !started.exists() {
        assert!(begun.elapsed() < Duration::from_secs(60), "the install command never started");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let child = std::fs::read_to_string(&started).unwrap();
    let told =
        tokio::process::Command::new("kill").args(["-TERM", &update.id().unwrap().to_string()]).status();
    assert!(told.await.unwrap().success());
    assert_eq!(update.wait().await.unwrap().code(), Some(1));
    let stat = format!("/proc/{}/stat", child.trim());
    let runs = || std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z "));
    let begun = Instant::now();
    while runs() {
        assert!(begun.elapsed() < Duration::from_secs(5), "the install command goes on");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
