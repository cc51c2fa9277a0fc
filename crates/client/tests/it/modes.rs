//! Modes and owners in the data folder: the software on the endpoint reads what is installed, nobody else reads the rest,
//! whatever the umask (P11); and root leaves nothing behind that the folder's owner cannot replace.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use headwater_client::{Config, Daemon, Error, RunOptions, enrol, run_once};
use headwater_identity::DomainKey;
use rustix::fs::Mode;

use crate::world::{NewRelease, World, assert_no_leftovers, update};

/// A user that nobody is.
const NOBODY: u32 = 65534;

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The mode of a path.
fn mode(path: &Path) -> u32 {
    let found = fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    found.permissions().mode() & 0o777
}

/// Every folder and file below `folder`, links not followed.
fn all_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![folder.to_owned()];
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => found.extend(all_below(&entry.path())),
            kind if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
    found
}

/// A world with a component that has a script in a folder, and the path of its current release.
async fn world_with_component() -> (World, Config) {
    let mut world = World::new().await;
    let files: &[(&str, &[u8])] = &[("sub/folder/rules.txt", b"rules\n"), ("sub/run.sh", b"#!/bin/sh\n")];
    world.files.insert("conf/site.conf".to_owned(), "site\n".to_owned());
    world.publish_settings();
    world.components().release(&NewRelease { name: "rules", sequence: 1, files, ..NewRelease::default() });
    let client = world.client("pc-1");
    (world, client)
}

#[tokio::test]
async fn installed_content_is_readable_and_nothing_else_is_whatever_the_umask() {
    let (world, _) = world_with_component().await;
    for (id, umask) in [("pc-1", 0o077), ("pc-2", 0o000)] {
        rustix::process::umask(Mode::from_raw_mode(umask));
        let client = world.client(id);
        update(&client).await;
        assert_eq!(mode(&client.data), 0o711, "umask {umask:o}");
        for part in ["components", "components/rules", "components/rules/current/sub/folder", "programs"] {
            assert_eq!(mode(&client.data.join(part)), 0o755, "{part}, umask {umask:o}");
        }
        for part in ["settings", "settings/releases", "settings/current/conf"] {
            assert_eq!(mode(&client.data.join(part)), 0o755, "{part}, umask {umask:o}");
        }
        let file = |path: &str| mode(&client.data.join(path));
        assert_eq!(file("components/rules/current/sub/folder/rules.txt"), 0o644, "umask {umask:o}");
        assert_eq!(file("components/rules/current/sub/run.sh"), 0o755, "umask {umask:o}");
        assert_eq!(file("settings/current/values.json"), 0o644, "umask {umask:o}");
        for part in ["identity", "metadata", "store", "served", "reports"] {
            assert_eq!(mode(&client.data.join(part)), 0o700, "{part}, umask {umask:o}");
        }
        for path in all_below(&client.data.join("identity")).into_iter().skip(1) {
            assert_eq!(mode(&path), 0o600, "{}, umask {umask:o}", path.display());
        }
        for part in ["state.json", "bundle.json", "id", "client.lock"] {
            assert_eq!(file(part), 0o600, "{part}, umask {umask:o}");
        }
        // The record of the settings has every value in it.
        for record in fs::read_dir(client.data.join("settings/releases")).unwrap().map(Result::unwrap) {
            if record.path().extension().is_some_and(|extension| extension == "json") {
                assert_eq!(mode(&record.path()), 0o600, "umask {umask:o}");
            }
        }
    }
}

/// The same, seen by the software that uses the content: another user, who finds its way and cannot look around.
#[tokio::test]
async fn another_user_reads_current_and_cannot_list_the_data_folder() {
    if !is_root() {
        eprintln!("SKIPPED: only root can become another user");
        return;
    }
    let (world, client) = world_with_component().await;
    rustix::process::umask(Mode::from_raw_mode(0o077));
    update(&client).await;
    for above in [world.folder.path().to_owned(), world.folder.path().join("clients")] {
        fs::set_permissions(above, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let reads = |program: &str, path: &str| {
        let mut command = Command::new(program);
        let output = command.arg(client.data.join(path)).uid(NOBODY).gid(NOBODY).output().unwrap();
        output.status.success()
    };
    assert!(reads("cat", "components/rules/current/sub/folder/rules.txt"));
    assert!(reads("cat", "settings/current/conf/site.conf"));
    assert!(!reads("ls", ""));
    assert!(!reads("cat", "state.json"));
    assert!(!reads("cat", "identity/key.pem"));
}

#[tokio::test]
async fn confidential_settings_are_for_the_configured_group() {
    let (mut world, mut client) = world_with_component().await;
    world.fleet.lock().domain_key = Some(DomainKey::generate().unwrap());
    world.settings.confidential = true;
    world.publish_settings();
    if is_root() {
        client.confidential_group = Some(NOBODY);
    }
    rustix::process::umask(Mode::from_raw_mode(0o000));
    update(&client).await;
    let current = client.data.join("settings/current");
    assert_eq!((mode(&current), mode(&current.join("conf"))), (0o750, 0o750));
    assert_eq!((mode(&current.join("values.json")), mode(&current.join("conf/site.conf"))), (0o640, 0o640));
    if is_root() {
        use std::os::unix::fs::MetadataExt as _;
        for path in [current.join("conf"), current.join("values.json")] {
            assert_eq!(fs::metadata(path).unwrap().gid(), NOBODY);
        }
    }
    // Components are for everyone all the same.
    assert_eq!(mode(&client.data.join("components/rules/current")), 0o755);
}

/// What root wrote into the folder of another user stopped that user's service for good.
#[tokio::test]
async fn root_writes_nothing_in_the_data_folder_of_another_user() {
    if !is_root() {
        eprintln!("SKIPPED: only root is refused");
        return;
    }
    let (_world, client) = world_with_component().await;
    fs::create_dir_all(&client.data).unwrap();
    chown(&client.data, Some(NOBODY), Some(NOBODY)).unwrap();
    let refused = [
        run_once(&client, &RunOptions::default()).await.unwrap_err(),
        enrol(&client).await.unwrap_err(),
        Daemon::start(client.clone()).await.unwrap_err(),
    ];
    for error in refused {
        assert!(matches!(error, Error::OwnedByAnother(_)) && error.is_storage(), "{error}");
        assert!(error.to_string().contains("Run the command as that user: `sudo -u "), "{error}");
    }
    assert_eq!(fs::read_dir(&client.data).unwrap().count(), 0);
    // To look is harmless.
    chown(&client.data, Some(0), Some(0)).unwrap();
    update(&client).await;
    chown(&client.data, Some(NOBODY), Some(NOBODY)).unwrap();
    headwater_client::status(&client).unwrap();
    assert_no_leftovers(&client.data);
}
