//! Drafts become signed files: order, versions, expiry, determinism.

use std::collections::BTreeSet;

use headwater_repo::{Expiry, Published, Role, TargetsDraft, Unsigned, WriteError, limits};
use jiff::{SignedDuration, Timestamp};

use crate::world::{
    ONLINE_KEYS, SNAPSHOT_KEY, Source, TARGETS_KEY, TIMESTAMP_KEY, client, day, name, publish_more,
    published, ring, root, start,
};

fn read_back(source: &Source, version: u64) -> Result<Published, WriteError> {
    let file = |role: &str| source.metadata(&format!("{version}.{role}.json")).unwrap();
    let timestamp = source.metadata("timestamp.json").unwrap();
    Published::read(source.metadata("1.root.json").unwrap(), timestamp, file("snapshot"), file("targets"))
}

#[test]
fn what_is_pointed_at_is_written_before_what_points() {
    let mut draft = TargetsDraft::first(root());
    draft.add(name("a/one.txt"), b"one".to_vec()).unwrap();
    draft.add(name("two.txt"), b"two".to_vec()).unwrap();
    let signed = draft.finish(start(), &Expiry::default()).unwrap().sign(&ring(&ONLINE_KEYS)).unwrap();
    let paths: Vec<_> = signed.files().iter().map(|file| file.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "metadata/1.root.json",
            "targets/a/7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed.one.txt",
            "targets/3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3.two.txt",
            "metadata/1.targets.json",
            "metadata/1.snapshot.json",
            "metadata/timestamp.json",
        ]
    );
}

#[test]
fn a_reader_between_two_writes_sees_a_whole_state() {
    let (old, present) = published();
    let mut new = old.clone();
    publish_more(&mut new, &present, "b.txt", start());
    let mut draft = TargetsDraft::next(&present);
    draft.add(name("b.txt"), b"b.txt".to_vec()).unwrap();
    let signed = draft.finish(start(), &Expiry::default()).unwrap().sign(&ring(&ONLINE_KEYS)).unwrap();
    for written in 0..=signed.files().len() {
        let mut source = old.clone();
        source
            .files
            .extend(signed.files()[..written].iter().map(|file| (file.path.clone(), file.bytes.clone())));
        let mut trusted = client();
        assert_eq!(source.refresh(&mut trusted, start()), Ok(()), "after {written} files");
        for (target, description) in trusted.targets() {
            let path = format!("targets/{}", description.path);
            assert_eq!(description.check(&source.files[&path]), Ok(()), "{target} after {written} files");
        }
    }
}

#[test]
fn equal_input_gives_equal_bytes() {
    let (one, _) = published();
    let (other, _) = published();
    assert!(one.files == other.files);
}

#[test]
fn each_role_expires_in_its_own_time() {
    let (_, published) = published();
    let days = |role| published.expires(role).duration_since(start()).as_hours() / 24;
    assert_eq!(Role::ALL.map(days), [365, 1, 7, 90]);
}

#[test]
fn the_published_state_is_read_back() {
    let (mut source, present) = published();
    assert_eq!(read_back(&source, 1).unwrap(), present);
    let second = publish_more(&mut source, &present, "b.txt", start());
    let again = read_back(&source, 2).unwrap();
    assert_eq!(again, second);
    assert_eq!(again.targets().count(), 2);
    assert_eq!(again.target(&name("a/one.txt")).unwrap().0, 3);
    assert_eq!(Role::ALL.map(|role| again.version(role)), [1, 2, 2, 2]);
    // Files that do not belong together are nothing to build upon.
    let mixed = Published::read(
        source.metadata("1.root.json").unwrap(),
        source.metadata("timestamp.json").unwrap(),
        source.metadata("1.snapshot.json").unwrap(),
        source.metadata("1.targets.json").unwrap(),
    );
    assert!(matches!(mixed, Err(WriteError::Present { role: Role::Snapshot, .. })));
}

#[test]
fn targets_come_change_and_go() {
    let (mut source, present) = published();
    let mut draft = TargetsDraft::next(&present);
    draft.add(name("a/one.txt"), b"uno".to_vec()).unwrap();
    draft.add(name("gone.txt"), Vec::new()).unwrap();
    assert!(draft.remove(&name("gone.txt")));
    assert!(!draft.remove(&name("gone.txt")));
    let signed = draft.finish(start(), &Expiry::default()).unwrap().sign(&ring(&ONLINE_KEYS)).unwrap();
    assert_eq!(signed.files().len(), 4, "one target, three metadata files, no root");
    source.write(&signed);
    let mut trusted = client();
    source.refresh(&mut trusted, start()).unwrap();
    assert_eq!(trusted.target(&name("a/one.txt")).unwrap().check(b"uno"), Ok(()));
    assert_eq!(trusted.target(&name("gone.txt")), None);
}

#[test]
fn signing_again_touches_only_what_expires() {
    let (mut source, present) = published();
    let mut trusted = client();
    source.refresh(&mut trusted, start()).unwrap();
    let again = Unsigned::timestamp_again(&present, day(1), &Expiry::default()).unwrap();
    let again = again.sign(&ring(&[TIMESTAMP_KEY])).unwrap();
    assert_eq!(again.files().iter().map(|file| &file.path).collect::<Vec<_>>(), ["metadata/timestamp.json"]);
    source.write(&again);
    assert_eq!(source.refresh(&mut trusted, day(2)), Ok(()));
    let again = Unsigned::snapshot_again(again.published(), day(7), &Expiry::default()).unwrap();
    let again = again.sign(&ring(&[TIMESTAMP_KEY, SNAPSHOT_KEY])).unwrap();
    assert_eq!(again.files().len(), 2);
    source.write(&again);
    assert_eq!(source.refresh(&mut trusted, day(8)), Ok(()));
    let versions = Role::ALL.map(|role| again.published().version(role));
    assert_eq!(versions, [1, 3, 2, 1]);
    assert_eq!(trusted.targets_version(), Some(1));
}

#[test]
fn every_role_needs_its_key() {
    for (missing, role) in
        [(TARGETS_KEY, Role::Targets), (SNAPSHOT_KEY, Role::Snapshot), (TIMESTAMP_KEY, Role::Timestamp)]
    {
        let numbers: Vec<u8> = ONLINE_KEYS.into_iter().filter(|number| *number != missing).collect();
        let unsigned = TargetsDraft::first(root()).finish(start(), &Expiry::default()).unwrap();
        let error = unsigned.sign(&ring(&numbers)).unwrap_err();
        assert_eq!(error, WriteError::KeysMissing { role, threshold: 1, found: 0 });
    }
}

#[test]
fn lives_that_are_none() {
    let with = |timestamp: SignedDuration| Expiry { timestamp, ..Expiry::default() };
    for expiry in [with(SignedDuration::ZERO), with(-SignedDuration::from_secs(5)), with(SignedDuration::MAX)]
    {
        assert!(TargetsDraft::first(root()).finish(start(), &expiry).is_err(), "{expiry:?}");
    }
    assert!(TargetsDraft::first(root()).finish(Timestamp::MAX, &Expiry::default()).is_err());
}

#[test]
fn what_clients_would_refuse_is_not_published() {
    let mut draft = TargetsDraft::first(root());
    let longest = usize::try_from(limits::TARGET_LENGTH_MAX).unwrap();
    assert!(draft.add(name("a"), vec![0; longest + 1]).is_err());
    assert!(draft.add(name("a"), vec![0; longest]).is_ok());
    let mut draft = TargetsDraft::first(root());
    // Each takes more than 1000 bytes of metadata: together more than the limit by a little.
    for number in 0..limits::TARGETS_LENGTH_MAX / 1000 {
        let long = vec!["x".repeat(169); 6].join("/");
        draft.add(name(&format!("{number:05}/{}", &long[..990])), Vec::new()).unwrap();
    }
    let error = draft.finish(start(), &Expiry::default()).unwrap().sign(&ring(&ONLINE_KEYS)).unwrap_err();
    assert!(error.to_string().contains("publish fewer targets"), "{error}");
}

#[test]
fn names_outside_ascii_are_signed_as_they_are() {
    // The same letter in two forms of Unicode: two names, both verifiable.
    let names: BTreeSet<_> = ["domains/\u{e9}.json", "domains/e\u{301}.json"].into_iter().collect();
    let mut draft = TargetsDraft::first(root());
    // A combining mark is no letter: that form cannot be a name of ours.
    let allowed: Vec<_> =
        names.iter().filter_map(|text| headwater_repo::TargetName::new(*text).ok()).collect();
    assert_eq!(allowed.len(), 1);
    draft.add(allowed[0].clone(), b"{}".to_vec()).unwrap();
    let mut source = Source::default();
    source.write(&draft.finish(start(), &Expiry::default()).unwrap().sign(&ring(&ONLINE_KEYS)).unwrap());
    assert_eq!(source.refresh(&mut client(), start()), Ok(()));
}
