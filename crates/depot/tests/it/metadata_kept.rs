//! Kept metadata: all at once, whatever the moment of a crash.

use std::fs;
use std::path::Path;

use headwater_depot::files::temporary_beside;
use headwater_depot::{MetadataStore, StoreError};
use headwater_repo::Trusted;

use crate::world::{World, now};

/// What a client trusts after fetching everything that is published.
pub fn fetched(world: &World) -> Trusted {
    let mut trusted = world.trusted();
    for version in 2.. {
        let Some(root) = world.files.get(&format!("metadata/{version}.root.json")) else { break };
        trusted.update_root(root).unwrap();
    }
    let file = |name: String| &world.files[&format!("metadata/{name}")];
    trusted.update_timestamp(file("timestamp.json".into()), now()).unwrap();
    let wanted = trusted.snapshot_wanted(now()).unwrap().unwrap();
    trusted.update_snapshot(file(wanted.file), now()).unwrap();
    let wanted = trusted.targets_wanted(now()).unwrap().unwrap();
    trusted.update_targets(file(wanted.file), now()).unwrap();
    trusted
}

fn open(folder: &Path) -> MetadataStore {
    MetadataStore::open(folder).unwrap()
}

fn version(folder: &Path) -> Option<u64> {
    open(folder).load().unwrap().and_then(|trusted| trusted.targets_version())
}

#[test]
fn what_was_saved_is_loaded_byte_for_byte_with_the_whole_root_chain() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::new();
    world.publish("one");
    world.rotate_root();
    let trusted = fetched(&world);
    assert!(open(folder.path()).load().unwrap().is_none());
    open(folder.path()).save(trusted.received()).unwrap();
    let loaded = open(folder.path()).load().unwrap().unwrap();
    assert_eq!(loaded.received(), trusted.received());
    assert_eq!(loaded.root_version(), 2);
    loaded.authorised(now()).unwrap();
}

#[test]
fn saving_the_same_again_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::new();
    world.publish("one");
    let trusted = fetched(&world);
    let store = open(folder.path());
    store.save(trusted.received()).unwrap();
    let names =
        || fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    let before = names();
    store.save(trusted.received()).unwrap();
    assert_eq!(names(), before);
}

/// Leaves a folder as a crash does.
type Crash = fn(&Path);

/// A crash after each step of a save leaves these files; the next start must find that version.
#[test]
fn a_crash_at_any_step_leaves_the_old_set_or_the_new_one() {
    let mut world = World::new();
    world.publish("one");
    let old = fetched(&world);
    world.publish("two");
    let new = fetched(&world);

    let steps: [(&str, Crash, u64); 5] = [
        ("a set without files", |folder| fs::create_dir(folder.join("set-2")).unwrap(), 1),
        (
            "a set with half a file",
            |folder| {
                fs::create_dir(folder.join("set-2")).unwrap();
                fs::write(folder.join("set-2/timestamp.json"), b"{\"sig").unwrap();
            },
            1,
        ),
        (
            "the new name written and not yet in force",
            |folder| fs::write(temporary_beside(&folder.join("current")), b"set").unwrap(),
            1,
        ),
        ("the new name in force, the old set still there", |folder| rename_last(folder), 2),
        (
            "all done",
            |folder| {
                rename_last(folder);
                fs::remove_dir_all(folder.join("set-1")).unwrap();
            },
            2,
        ),
    ];
    for (name, crash, want) in steps {
        let folder = tempfile::tempdir().unwrap();
        open(folder.path()).save(old.received()).unwrap();
        if want == 2 {
            let kept = tempfile::tempdir().unwrap();
            fs::rename(folder.path().join("set-1"), kept.path().join("set-1")).unwrap();
            fs::create_dir(folder.path().join("set-1")).unwrap();
            fs::write(folder.path().join("set-1/1.root.json"), b"damaged by the crash").unwrap();
            let aside = tempfile::tempdir().unwrap();
            open(aside.path()).save(new.received()).unwrap();
            fs::rename(aside.path().join("set-1"), folder.path().join("set-2")).unwrap();
        }
        crash(folder.path());
        assert_eq!(version(folder.path()), Some(want), "{name}");
        open(folder.path()).save(new.received()).unwrap();
        assert_eq!(version(folder.path()), Some(2), "{name}: the next save");
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            2,
            "{name}: `current` and one set, no leftovers"
        );
    }
}

fn rename_last(folder: &Path) {
    let new = temporary_beside(&folder.join("current"));
    fs::write(&new, b"set-2\n").unwrap();
    fs::rename(new, folder.join("current")).unwrap();
}

#[test]
fn damage_below_the_roots_only_costs_fetching_and_damage_to_the_roots_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::new();
    world.publish("one");
    open(folder.path()).save(fetched(&world).received()).unwrap();
    fs::write(folder.path().join("set-1/snapshot.json"), b"{}").unwrap();
    let loaded = open(folder.path()).load().unwrap().unwrap();
    assert_eq!((loaded.timestamp_version(), loaded.targets_version()), (Some(1), None));
    fs::write(folder.path().join("set-1/1.root.json"), b"{}").unwrap();
    let error = open(folder.path()).load().unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    fs::write(folder.path().join("set-1/1.root.json"), vec![b' '; 600_000]).unwrap();
    let error = open(folder.path()).load().unwrap_err();
    assert!(error.to_string().contains("longer than"), "{error}");
}

#[test]
fn a_start_from_a_given_root_counts_only_before_the_first_save() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::new();
    world.publish("one");
    let root = world.files["metadata/1.root.json"].clone();
    let store = open(folder.path());
    let mut trusted = store.load_or_start(&root).unwrap();
    assert_eq!(trusted.root_version(), 1);
    world.rotate_root();
    trusted.update_root(world.root.bytes()).unwrap();
    store.save(trusted.received()).unwrap();
    assert_eq!(store.load_or_start(&root).unwrap().root_version(), 2);
    store.forget().unwrap();
    assert_eq!(store.load_or_start(&root).unwrap().root_version(), 1);
    assert!(store.load_or_start(b"no root").is_err());
}
