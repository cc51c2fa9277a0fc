//! Programs and hot fixes: install commands, their limits, and going back.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::time::Duration;

use headwater_api::report::ClassResult;
use headwater_client::command::{self, CommandEnd};
use headwater_client::limits::COMMAND_OUTPUT_BYTES_MAX;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::world::{NewRelease, WAIT_MAX, World, class, current, update, words};

/// Publishes program `fix`, which installs itself by that script.
fn release_fix(world: &mut World, script: &str) {
    world.programs().release(&NewRelease {
        name: "fix",
        sequence: 1,
        files: &[("install.sh", script.as_bytes())],
        install: Some((words(&["./install.sh"]), 60)),
        ..NewRelease::default()
    });
}

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
        let expected = if sequence == 1 { ClassResult::Updated } else { ClassResult::Reverted };
        assert_eq!(class(&report, "programs").result, expected, "{report:#?}");
        assert_eq!(current(&client, "programs/fix/current/version"), "1");
        assert_eq!(std::fs::read_to_string(&installed).unwrap(), "1", "activated again");
    }
}

#[tokio::test]
async fn an_install_command_is_found_from_a_relative_data_folder() {
    let mut world = World::new().await;
    release_fix(&mut world, "#!/bin/sh\ntest -e \"$HEADWATER_RELEASE/install.sh\"\n");
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
    let mut holders = Holders::of(folder.path().join("held"));
    let command = words(&["sh", "-c", "exec > held; sleep 300 & echo begun; sleep 300"]);
    let ended = command::run(&command, folder.path(), &[], Duration::from_secs(1)).await;
    assert_eq!(ended.end, CommandEnd::TimedOut(1));
    holders.begin().await;
    holders.are_gone().await;
}

#[tokio::test]
async fn a_commands_output_is_bounded_and_its_environment_small() {
    let folder = tempfile::tempdir().unwrap();
    let limit = Duration::from_secs(20);
    let command = words(&["sh", "-c", "yes | head -c 100000; echo the end; exit 3"]);
    let ended = command::run(&command, folder.path(), &[], limit).await;
    assert_eq!(ended.end, CommandEnd::Failed(Some(3)));
    assert!(ended.output.len() <= COMMAND_OUTPUT_BYTES_MAX && ended.output.ends_with("the end"));
    let ended =
        command::run(&words(&["env"]), folder.path(), &[("HEADWATER_NAME", "x".to_owned())], limit).await;
    let names: Vec<&str> = ended.output.lines().filter_map(|line| line.split('=').next()).collect();
    assert!(names.iter().all(|name| ["PATH", "LANG", "HEADWATER_NAME", "PWD"].contains(name)), "{names:?}");
    let missing = command::run(&words(&["./not-there"]), folder.path(), &[], limit).await;
    assert_eq!(missing.end, CommandEnd::NotStarted);
}

#[tokio::test]
async fn a_stopped_update_takes_its_install_command_along() {
    let mut world = World::new().await;
    let held = world.folder.path().join("held");
    let mut holders = Holders::of(held.clone());
    let script = format!("#!/bin/sh\nexec >{}\nsleep 300 &\necho begun\nsleep 300\n", held.display());
    release_fix(&mut world, &script);
    let mut update = tokio::process::Command::new(env!("CARGO_BIN_EXE_headwater-client"))
        .args(["update", "--id", "pc-1", "--address", "127.0.0.1", "--data"])
        .arg(world.folder.path().join("client"))
        .arg("--bundle")
        .arg(world.bundle())
        .spawn()
        .unwrap();
    holders.begin().await;
    let status =
        tokio::process::Command::new("kill").args(["-TERM", &update.id().unwrap().to_string()]).status();
    assert!(status.await.unwrap().success());
    assert_eq!(update.wait().await.unwrap().code(), Some(1));
    holders.are_gone().await;
}

/// The processes that hold a pipe open: a command that writes to it, and all that it started.
struct Holders {
    output: mpsc::UnboundedReceiver<String>,
}

impl Holders {
    /// Makes the pipe.
    fn of(pipe: PathBuf) -> Self {
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let (lines, output) = mpsc::unbounded_channel();
        // A thread of its own: a test that fails does not wait for it.
        std::thread::spawn(move || {
            for line in BufReader::new(File::open(&pipe).unwrap()).lines() {
                let _ = lines.send(line.unwrap());
            }
        });
        Self { output }
    }

    /// Waits until one of them has written its line.
    async fn begin(&mut self) {
        let output = timeout(WAIT_MAX, self.output.recv()).await.expect("the command begins");
        assert_eq!(output.as_deref(), Some("begun"));
    }

    /// Waits until none is left.
    async fn are_gone(&mut self) {
        let output = timeout(WAIT_MAX, self.output.recv()).await.expect("nothing that it started goes on");
        assert_eq!(output, None);
    }
}
