//! Keys replaced while clients of all ages go on updating (I2), and a repository restored from an older state.

use headwater_repo::{
    Expiry, Published, Role, RootDraft, SignedRoot, TargetsDraft, Trusted, UnsignedRoot, VerifyError,
    WriteError,
};

use crate::world::{
    ONLINE_KEYS, ROOT_KEYS, Source, client, day, key, name, public, publish_more, published, ring, root,
    start,
};

const ONLINE_ROLES: [Role; 3] = [Role::Targets, Role::Snapshot, Role::Timestamp];

/// The root after the present one, with these keys for the online roles.
fn next_root(present: &SignedRoot, online: [u8; 3], days: i64) -> SignedRoot {
    let keys = ONLINE_ROLES.into_iter().zip(online);
    let draft = RootDraft::next(present).unwrap();
    let draft = keys.fold(draft, |draft, (role, number)| draft.role(role, 1, [public(number)]));
    draft.finish(day(days), &Expiry::default()).unwrap().sign_with(&ring(&ROOT_KEYS)).unwrap()
}

fn rotated(source: &mut Source, present: &Published, online: [u8; 3], days: i64) -> Published {
    let mut draft = TargetsDraft::next(present);
    draft.rotate_root(next_root(present.root(), online, days)).unwrap();
    let signed = draft.finish(day(days), &Expiry::default()).unwrap().sign(&ring(&online)).unwrap();
    source.write(&signed);
    signed.published().clone()
}

#[test]
fn clients_of_all_ages_follow() {
    let (mut source, mut present) = published();
    let mut ages: Vec<Trusted> = Vec::new();
    for round in 1..=5_u8 {
        let days = i64::from(round) * 60;
        // One that has just updated and then sleeps, and one that only ever had its first root.
        let mut client = client();
        source.refresh(&mut client, day(days - 60)).unwrap();
        ages.push(client);
        let online = [40 + round * 3, 41 + round * 3, 42 + round * 3];
        present = rotated(&mut source, &present, online, days);
    }
    ages.push(client());
    for mut client in ages {
        let before = client.root_version();
        assert_eq!(source.refresh(&mut client, day(300)), Ok(()), "with root {before}");
        assert_eq!((client.root_version(), client.targets_version()), (6, Some(6)));
    }
}

#[test]
fn root_keys_change_hands_and_old_clients_follow() {
    let (mut source, mut present) = published();
    let mut asleep = client();
    source.refresh(&mut asleep, start()).unwrap();
    let hands: [[u8; 3]; 3] = [[1, 2, 4], [4, 5, 6], [7, 8, 9]];
    let mut before = ROOT_KEYS.to_vec();
    for hand in hands {
        let root = RootDraft::next(present.root()).unwrap().role(Role::Root, 2, hand.map(public));
        let unsigned = root.finish(start(), &Expiry::default()).unwrap();
        let not_its_keys = unsigned.clone().sign_with(&ring(&[61, 62])).unwrap_err();
        assert!(matches!(not_its_keys, WriteError::KeysMissing { found: 0, .. }));
        let root = unsigned.sign_with(&ring(&[&before[..], &hand[..]].concat())).unwrap();
        let mut draft = TargetsDraft::next(&present);
        draft.rotate_root(root).unwrap();
        let signed = draft.finish(start(), &Expiry::default()).unwrap().sign(&ring(&ONLINE_KEYS)).unwrap();
        source.write(&signed);
        present = signed.published().clone();
        before = hand.to_vec();
    }
    assert_eq!(source.refresh(&mut asleep, start()), Ok(()));
    assert_eq!(asleep.root_version(), 4);
}

#[test]
fn a_root_of_another_repository_is_refused() {
    let ours = root();
    let others = RootDraft::first()
        .role(Role::Root, 1, [public(50)])
        .role(Role::Targets, 1, [public(51)])
        .role(Role::Snapshot, 1, [public(52)])
        .role(Role::Timestamp, 1, [public(53)])
        .finish(start(), &Expiry::default())
        .unwrap()
        .sign_with(&ring(&[50]))
        .unwrap();
    let second = RootDraft::next(&others).unwrap().finish(start(), &Expiry::default()).unwrap();
    let second = second.sign_with(&ring(&[50])).unwrap();
    let read = UnsignedRoot::from_bytes(second.bytes(), Some(&ours)).unwrap();
    assert!(matches!(read.complete(), Err(WriteError::KeysMissing { threshold: 2, found: 0, .. })));
    assert!(matches!(client().update_root(second.bytes()), Err(VerifyError::WrongSignature { .. })));
}

#[test]
fn holders_sign_copies_side_by_side() {
    let unsigned = RootDraft::next(&root()).unwrap().finish(start(), &Expiry::default()).unwrap();
    let copy = |number| {
        let mut copy = UnsignedRoot::from_bytes(&unsigned.to_bytes(), Some(&root())).unwrap();
        copy.sign(&key(number)).unwrap();
        copy
    };
    let (mut first, second) = (copy(1), copy(2));
    assert!(first.complete().is_err() && second.complete().is_err());
    first.merge(&second).unwrap();
    first.merge(&second).unwrap();
    assert_eq!(first.signers().len(), 2);
    assert_eq!(first.complete().unwrap().version(), 2);
    let other = RootDraft::next(&root()).unwrap().finish(day(1), &Expiry::default()).unwrap();
    assert!(first.merge(&other).unwrap_err().to_string().contains("two different roots"));
}

#[test]
fn a_retired_key_helps_those_that_have_not_seen_the_new_root() {
    let (mut source, present) = published();
    let online = [31, 32, 33];
    let mut draft = TargetsDraft::next(&present);
    draft.rotate_root(next_root(present.root(), online, 0)).unwrap();
    let unsigned = draft.finish(day(1), &Expiry::default()).unwrap();
    let retired: Vec<_> =
        ONLINE_ROLES.into_iter().zip(ONLINE_KEYS).map(|(role, number)| (role, key(number).id())).collect();
    let all = ring(&[&online[..], &ONLINE_KEYS[..]].concat());
    let check = |source: &Source, lagging: bool| {
        let mut lagging_source = source.clone();
        lagging_source.files.remove("metadata/2.root.json");
        assert_eq!(lagging_source.refresh(&mut client(), day(1)).is_ok(), lagging);
        assert_eq!(source.clone().refresh(&mut client(), day(1)), Ok(()));
    };
    let mut without = source.clone();
    without.write(&unsigned.clone().sign(&all).unwrap());
    check(&without, false);
    source.write(&unsigned.sign_overlapping(&all, &retired).unwrap());
    check(&source, true);
    // Alone it is worth nothing to those that have seen the new root.
    let mut stolen = source.clone();
    publish_more(&mut stolen, &present, "chosen.txt", day(1));
    assert!(matches!(stolen.refresh(&mut client(), day(1)), Err(VerifyError::WrongSignature { .. })));
}

#[test]
fn a_change_of_keys_that_broke_off_is_ended() {
    let (mut source, present) = published();
    let next = next_root(present.root(), [31, 32, 33], 0);
    source.files.insert(next.path(), next.bytes().to_vec());
    assert!(source.refresh(&mut client(), start()).is_err(), "the new root is there, its signatures are not");
    let file = |source: &Source, file: &str| source.metadata(file).unwrap().to_vec();
    let rest = ["timestamp.json", "1.snapshot.json", "1.targets.json"].map(|name| file(&source, name));
    let [timestamp, snapshot, targets] = &rest;
    assert!(Published::read(next.bytes(), timestamp, snapshot, targets).is_err());
    let between =
        Published::read_between(present.root().bytes(), next.bytes(), timestamp, snapshot, targets).unwrap();
    let unsigned = TargetsDraft::next(&between).finish(start(), &Expiry::default()).unwrap();
    source.write(&unsigned.sign(&ring(&[31, 32, 33])).unwrap());
    assert_eq!(source.refresh(&mut client(), start()), Ok(()));
    let foreign = next_root(&next, [31, 32, 33], 0);
    let root = present.root().bytes();
    assert!(Published::read_between(root, foreign.bytes(), timestamp, snapshot, targets).is_err());
}

/// The server was lost, its backup is older than what clients have seen.
#[test]
fn a_restored_repository_overtakes_what_the_lost_one_signed() {
    let (mut lost, backup) = published();
    let mut present = backup.clone();
    for round in 0..5 {
        present = publish_more(&mut lost, &present, &format!("later{round}.txt"), day(1));
    }
    let mut seen = client();
    lost.refresh(&mut seen, day(1)).unwrap();

    let restore = |bump: u64, online: [u8; 3]| {
        let mut source = lost.clone();
        let mut draft = TargetsDraft::next(&backup);
        draft.bump_version(bump);
        draft.rotate_root(next_root(backup.root(), online, 2)).unwrap();
        let signed = draft.finish(day(2), &Expiry::default()).unwrap().sign(&ring(&online)).unwrap();
        source.write(&signed);
        (source, signed.published().clone())
    };
    let same = restore(0, ONLINE_KEYS).0.refresh(&mut seen.clone(), day(2));
    assert!(matches!(same, Err(VerifyError::Older { .. })), "the floor holds while the keys are the same");
    // Either suffices: new keys (5.3.11 of the specification), or versions beyond.
    for (bump, online) in [(0, [31, 32, 33]), (1000, ONLINE_KEYS), (1000, [31, 32, 33])] {
        let (mut source, published) = restore(bump, online);
        let mut following = seen.clone();
        assert_eq!(source.refresh(&mut following, day(2)), Ok(()), "{bump} {online:?}");
        assert_eq!(following.targets_version(), Some(2 + bump));
        let mut draft = TargetsDraft::next(&published);
        draft.add(name("new.txt"), b"new".to_vec()).unwrap();
        source.write(&draft.finish(day(2), &Expiry::default()).unwrap().sign(&ring(&online)).unwrap());
        assert_eq!(source.refresh(&mut following, day(2)), Ok(()));
        assert!(following.target(&name("new.txt")).is_some());
    }
}
