//! The store: whole or not at all, within its quota, and nothing collected that is in use.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Read;

use headwater_delta::limits::DELTA_MEMORY_MAX;
use headwater_delta::{DeltaOptions, Uncontrolled, encode_delta};
use headwater_depot::store::UnpackError;
use headwater_depot::{Store, StoreError};
use headwater_repo::limits::DECODER_MEMORY_MAX;
use headwater_repo::{Body, BodyFormat, Delta, DeltaFormat, Digest, FileEntry, FilePath, Hop};
use tempfile::TempDir;

use crate::world::noise;

fn store(quota: Option<u64>) -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), quota).unwrap();
    (folder, store)
}

#[test]
fn what_was_put_is_read_back_under_its_digest() {
    let (_folder, store) = store(None);
    let bytes = noise(300_000);
    let digest = store.put(&bytes).unwrap();
    assert_eq!(digest, Digest::of(&bytes));
    assert_eq!(store.put(&bytes).unwrap(), digest, "twice is once");
    assert_eq!(store.usage().stored, 300_000);
    let mut read = Vec::new();
    store.read(&digest).unwrap().unwrap().read_to_end(&mut read).unwrap();
    assert_eq!(read, bytes);
    assert!(store.file(&digest).unwrap().ends_with(format!("blobs/{}/{digest}", &digest.to_string()[..2])));
    assert!(store.read(&Digest::of(b"another")).unwrap().is_none());
}

#[test]
fn a_blob_half_written_at_a_crash_is_gone_and_a_partial_one_stays() {
    let (folder, store) = store(None);
    let bytes = noise(10_000);
    let digest = Digest::of(&bytes);
    let mut writer = store.write(100).unwrap();
    writer.append(b"half").unwrap();
    // Never dropped, as in a crash.
    std::mem::forget(writer);
    let mut partial = store.partial(digest, 10_000).unwrap();
    partial.append(&bytes[..4_000]).unwrap();
    std::mem::forget(partial);

    let again = Store::open(folder.path(), None).unwrap();
    assert_eq!(fs::read_dir(folder.path().join("new")).unwrap().count(), 0);
    assert!(!again.has(&digest));
    assert_eq!(again.usage().stored, 4_000);
    let mut partial = again.partial(digest, 10_000).unwrap();
    assert_eq!(partial.length(), 4_000);
    partial.append(&bytes[4_000..]).unwrap();
    assert!(partial.is_right());
    partial.finish().unwrap();
    assert!(again.verify(&digest).unwrap());
    assert_eq!(again.usage().stored, 10_000);
    assert_eq!(fs::read_dir(folder.path().join("partial")).unwrap().count(), 0);
}

#[test]
fn bytes_of_another_digest_never_become_a_blob() {
    let (_folder, store) = store(None);
    let wanted = Digest::of(b"wanted");
    let mut writer = store.write(3).unwrap();
    writer.append(b"got").unwrap();
    let error = writer.finish(Some(wanted)).unwrap_err();
    assert!(matches!(error, StoreError::WrongDigest { .. }), "{error}");
    let mut partial = store.partial(wanted, 6).unwrap();
    partial.append(b"wrong!").unwrap();
    assert!(!partial.is_right());
    partial.finish().unwrap_err();
    assert!(!store.has(&wanted) && store.blobs().unwrap().is_empty());
}

#[test]
fn the_quota_counts_blobs_partial_files_and_promises() {
    let (_folder, store) = store(Some(1_000));
    store.put(&noise(400)).unwrap();
    let promised = store.write(500).unwrap();
    let refused = store.write(101).unwrap_err();
    assert!(matches!(refused, StoreError::Quota { wanted: 101, used: 900, quota: 1_000 }), "{refused}");
    store.partial(Digest::of(b"x"), 101).unwrap_err();
    store.room_for([(Digest::of(b"x"), 100)]).unwrap();
    drop(promised);
    let mut writer = store.write(0).unwrap();
    writer.append(&noise(600)).unwrap();
    let refused = writer.append(b"one more").unwrap_err();
    assert!(matches!(refused, StoreError::Quota { .. }), "{refused}");
    drop(writer);
    assert_eq!((store.usage().stored, store.usage().reserved), (400, 0));
}

#[test]
fn collecting_spares_what_is_kept_held_read_or_fetched() {
    let (_folder, store) = store(None);
    let put = |size| store.put(&noise(size)).unwrap();
    let (kept, held, read, waste) = (put(1), put(2), put(3), put(4));
    let fetched = Digest::of(b"fetched");
    let mut partial = store.partial(fetched, 10).unwrap();
    partial.append(b"12345").unwrap();
    let hold = store.hold(held);
    let reader = store.read(&read).unwrap().unwrap();
    let collected = store.collect(&HashSet::from([kept])).unwrap();
    assert_eq!((collected.removed, collected.bytes), (1, 4));
    assert!(!store.has(&waste));
    assert!(store.has(&kept) && store.has(&held) && store.has(&read));
    drop((hold, reader, partial));
    let collected = store.collect(&HashSet::from([kept])).unwrap();
    assert_eq!((collected.removed, collected.bytes), (3, 10));
    assert_eq!(store.usage().stored, 1);
}

#[test]
fn a_blob_that_the_disk_changed_is_found_and_removed() {
    let (_folder, store) = store(None);
    let digest = store.put(b"good").unwrap();
    fs::write(store.file(&digest).unwrap(), b"evil").unwrap();
    assert!(!store.verify(&digest).unwrap());
    assert!(!store.has(&digest));
    assert_eq!(store.usage().stored, 0);
}

#[test]
fn a_look_for_damage_reads_a_bounded_part_and_goes_on_where_it_stopped() {
    let (_folder, store) = store(None);
    let mut digests: Vec<_> = (1..=5).map(|number| store.put(&noise(100 + number)).unwrap()).collect();
    digests.sort();
    for damaged in [digests[1], digests[4]] {
        let mut bytes = fs::read(store.file(&damaged).unwrap()).unwrap();
        bytes[50] ^= 1;
        fs::write(store.file(&damaged).unwrap(), bytes).unwrap();
    }
    let first = store.scrub(None, 200).unwrap();
    assert_eq!((first.read, first.last, first.damaged), (2, Some(digests[1]), vec![digests[1]]));
    let second = store.scrub(first.last, 100).unwrap();
    assert_eq!((second.read, second.last), (1, Some(digests[2])));
    let third = store.scrub(second.last, u64::MAX).unwrap();
    assert_eq!((third.read, third.damaged), (4, vec![digests[4]]), "to the end, and round");
    assert_eq!(store.blobs().unwrap().len(), 3);
}

#[test]
fn a_blob_that_was_cut_short_is_not_whole_and_is_replaced() {
    let (_folder, store) = store(None);
    let digest = store.put(&noise(100)).unwrap();
    fs::write(store.file(&digest).unwrap(), [0; 60]).unwrap();
    assert!(store.has(&digest) && !store.has_whole(&digest, 100));
    store.put(&noise(100)).unwrap();
    assert!(store.verify(&digest).unwrap());
}

/// A file as a manifest would describe it, with its body in the store.
fn packed(store: &Store, content: &[u8]) -> FileEntry {
    let size = content.len() as u64;
    let mut writer = store.write(size).unwrap();
    let (body, file) = headwater_delta::encode(content, size, 3, &mut writer).unwrap();
    let (digest, stored) = writer.finish(None).unwrap();
    assert_eq!((digest.as_bytes(), stored), (&body.sha256, body.size));
    FileEntry {
        path: FilePath::new("rules/a.txt").unwrap(),
        mode: 0o644,
        size: file.size,
        sha256: Digest::of(content),
        body: Body { sha256: digest, size: body.size, format: BodyFormat::Zstd, memory: body.memory },
        deltas: Vec::new(),
    }
}

#[test]
fn a_body_is_unpacked_to_the_file_that_was_packed_and_to_no_other() {
    let (_folder, store) = store(None);
    let content = noise(100_000);
    let entry = packed(&store, &content);
    let mut out = Vec::new();
    store.unpack(&entry, &mut out).unwrap();
    assert_eq!(out, content);

    let mut greedy = entry.clone();
    greedy.body.memory = DECODER_MEMORY_MAX + 1;
    let another = FileEntry { sha256: Digest::of(b"another"), ..entry.clone() };
    let longer = FileEntry { size: entry.size + 1, ..entry.clone() };
    for wrong in [greedy, another, longer] {
        let error = store.unpack(&wrong, Vec::new()).unwrap_err();
        assert!(matches!(error, UnpackError::Wrong { .. }), "{error}");
    }

    let path = store.file(&entry.body.sha256).unwrap();
    let mut damaged = fs::read(&path).unwrap();
    damaged[50] ^= 1;
    fs::write(&path, damaged).unwrap();
    let mut out = Vec::new();
    let error = store.unpack(&entry, &mut out).unwrap_err();
    assert!(
        matches!(error, UnpackError::NotThere(_)) && error.to_string().contains("rules/a.txt"),
        "{error}"
    );
    assert!(out.is_empty(), "nothing is decoded before it was verified");
    assert!(!store.has(&entry.body.sha256), "it will be fetched again");
}

#[test]
fn many_blobs_are_persisted_together_or_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), None).unwrap();
    let stage = |text: &str| {
        let mut writer = store.write(0).unwrap();
        writer.append(text.as_bytes()).unwrap();
        writer.stage(Some(Digest::of(text.as_bytes()))).unwrap()
    };
    let count = headwater_depot::limits::SYNCS_AT_ONCE * 3 + 1;
    let texts: Vec<String> = (0..count).map(|number| format!("blob {number}")).collect();
    let mut staged: Vec<_> = texts.iter().map(|text| stage(text)).collect();
    staged.push(stage("blob 0"));
    assert_eq!(store.blobs().unwrap(), [], "nothing is there before it is durable");
    store.persist(staged).unwrap();
    assert_eq!(store.blobs().unwrap().len(), count);
    assert!(texts.iter().all(|text| store.verify(&Digest::of(text.as_bytes())).unwrap()));
    let bytes: usize = texts.iter().map(String::len).sum();
    assert_eq!(store.usage().stored, bytes as u64, "the one that came twice is counted once");
    drop(stage("never persisted"));
    assert_eq!(store.usage().stored, bytes as u64);
    assert_eq!(std::fs::read_dir(folder.path().join("new")).unwrap().count(), 0);
}

/// A delta that makes `new` of `base`, with its blob in the store.
fn hop(store: &Store, base: &[u8], new: &[u8]) -> Hop {
    let made = encode_delta(base, new, &DeltaOptions::beside(u64::MAX), &Uncontrolled).unwrap().unwrap();
    let sha256 = store.put(&made.bytes).unwrap();
    let (size, memory) = (made.body.size, made.body.memory);
    let delta = Delta { base: Digest::of(base), sha256, size, format: DeltaFormat::Headwater1, memory };
    Hop { delta, sha256: Digest::of(new), size: new.len() as u64 }
}

#[test]
fn a_path_of_deltas_makes_the_file_at_its_end_and_leaves_nothing_between() {
    let (folder, store) = store(None);
    let first = noise(20_000);
    let second = [&first[..], b"second"].concat();
    let third = [b"third", &second[..]].concat();
    let hops = [hop(&store, &first, &second), hop(&store, &second, &third)];
    let path = folder.path().join("first");
    fs::write(&path, &first).unwrap();
    let base = File::open(&path).unwrap();
    let mut made = Vec::new();
    store.apply_path(&hops, &base, DELTA_MEMORY_MAX, &mut made).unwrap();
    assert!(made == third);
    assert_eq!(fs::read_dir(folder.path().join("new")).unwrap().count(), 0);
}

#[test]
fn a_path_of_deltas_names_the_delta_that_fails_and_removes_it_where_the_disk_spoiled_it() {
    let (folder, store) = store(None);
    let (first, third) = (noise(20_000), noise(22_000));
    let second = [&first[..], b"second"].concat();
    let hops = [hop(&store, &first, &second), hop(&store, &second, &third)];
    let path = folder.path().join("base");
    let apply = |base: &[u8]| {
        fs::write(&path, base).unwrap();
        store.apply_path(&hops, &File::open(&path).unwrap(), DELTA_MEMORY_MAX, &mut Vec::new()).unwrap_err()
    };
    let failed = apply(&noise(20_001)[1..]);
    assert_eq!(failed.delta, hops[0].delta.sha256, "the base is another file");
    assert!(matches!(failed.source, UnpackError::Wrong { .. }), "{failed}");
    assert!(store.has(&failed.delta), "the delta itself is good");

    let spoiled = store.file(&hops[1].delta.sha256).unwrap();
    let mut bytes = fs::read(&spoiled).unwrap();
    bytes[50] ^= 1;
    fs::write(&spoiled, bytes).unwrap();
    let failed = apply(&first);
    assert_eq!(failed.delta, hops[1].delta.sha256);
    assert!(matches!(failed.source, UnpackError::NotThere(_)), "{failed}");
    assert!(!store.has(&failed.delta), "it will be fetched again");
    assert!(store.has(&hops[0].delta.sha256));
    assert_eq!(fs::read_dir(folder.path().join("new")).unwrap().count(), 0);
}
