//! SIGKILL while `headwater restore` works: nothing half restored is served, and the same command again ends it (I2).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{World, headwater_at, lost};

/// Moments tried, spread over everything that a restore writes.
const KILLS: usize = 12;

const RESTORE: &str = "restore backup/headwater.tar --data data --keys-passphrase-file etc/backup-passphrase \
                       --root-keys root-keys --passphrase-file root-pass";

/// Every file that a restore has to do with, now.
fn files(world: &World) -> BTreeSet<PathBuf> {
    fn walk(folder: &Path, found: &mut BTreeSet<PathBuf>) {
        // What goes away meanwhile is not there.
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, found);
            } else {
                found.insert(path);
            }
        }
    }
    let mut found = BTreeSet::new();
    ["data.restoring", "root-keys"].iter().for_each(|folder| walk(&world.path(folder), &mut found));
    found
}

/// Starts the restore and kills it when it has written so many files that were not there before; how many it had, and
/// whether it ended before that.
fn kill_after(world: &World, written: usize) -> (usize, bool) {
    // Files that exist before do not count, but those that it unpacks again do.
    let _ = fs::remove_dir_all(world.path("data.restoring"));
    let before = files(world);
    let mut restore = Command::new(env!("CARGO_BIN_EXE_headwater"))
        .args(RESTORE.split_whitespace())
        .current_dir(world.folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut seen = BTreeSet::new();
    loop {
        seen.extend(files(world).difference(&before).cloned());
        let ended = restore.try_wait().unwrap().is_some();
        if ended || seen.len() >= written {
            let _ = restore.kill();
            restore.wait().unwrap();
            return (seen.len(), ended);
        }
    }
}

#[test]
fn a_restore_that_is_killed_is_served_to_nobody_and_ends_when_it_is_run_again() {
    let mut world = lost();
    // What a whole one writes, seen from outside.
    let (all, ended) = kill_after(&world, usize::MAX);
    assert!(ended && all > KILLS, "{all} files");
    fs::remove_dir_all(world.path("data")).unwrap();
    let mut cut = 0;
    for kill in 0..KILLS {
        let (written, ended) = kill_after(&world, 1 + all * kill / KILLS);
        if world.path("data").exists() {
            // It came to the very end: the folder has its name, so it is whole.
            assert!(world.path("data/server.db").exists(), "{written} files written");
            fs::remove_dir_all(world.path("data")).unwrap();
            continue;
        }
        assert!(!ended, "it failed after {written} files");
        cut += 1;
        for folder in ["data", "data.restoring"] {
            let started = headwater_at(world.folder.path(), "", &["server", "--data", folder]);
            assert_ne!(started.exit, 0, "{started:?}");
            let message = "data.restoring holds a restore that has not ended: run `headwater restore` again";
            assert!(started.stderr.contains(message), "after {written} files: {started:?}");
        }
        assert!(!world.path("data").exists(), "nothing was made in its place");
    }
    assert!(cut > KILLS / 2, "{cut} of {KILLS} were killed in time");
    world.ok(RESTORE);
    assert!(!world.path("data.restoring").exists());
    world.start();
    world.publish("5");
    for id in ["eldest", "seen", "never"] {
        assert_eq!(world.update(id), "rules 5", "{id}");
    }
}
