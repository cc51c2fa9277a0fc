//! The root ceremony: who may start it, who must sign, what clients make of it (I2).

use headwater_repo::{
    Expiry, Role, RootDraft, SignedRoot, TargetsDraft, Trusted, UnsignedRoot, VerifyError, WriteError, limits,
};
use jiff::SignedDuration;
use serde_json::json;

use crate::world::{
    ONLINE_KEYS, ROOT_KEYS, TARGETS_KEY, client, edited, key, name, public, published, ring, root,
    root_draft, sign, signed_part, start,
};

fn finish(draft: RootDraft) -> Result<UnsignedRoot, WriteError> {
    draft.finish(start(), &Expiry::default())
}

fn refusal(draft: RootDraft) -> String {
    finish(draft).unwrap_err().to_string()
}

#[test]
fn drafts_that_make_no_sense() {
    let many = (50..50 + limits::ROLE_KEYS_MAX as u8 + 1).map(public);
    let cases = [
        (RootDraft::first(), "no keys"),
        (root_draft().role(Role::Snapshot, 1, []), "no keys"),
        (root_draft().role(Role::Root, 0, [public(1)]), "threshold is 0"),
        (root_draft().role(Role::Root, 3, [public(1), public(2)]), "threshold is 3"),
        (root_draft().role(Role::Root, 2, [public(1), public(1)]), "the same key twice"),
        (root_draft().role(Role::Timestamp, 1, [public(1)]), "is a root key"),
        (root_draft().role(Role::Targets, 1, many), "33 keys"),
    ];
    for (draft, expected) in cases {
        let refusal = refusal(draft);
        assert!(refusal.contains(expected), "{refusal:?} should say {expected:?}");
    }
    assert!(
        finish(root_draft().role(Role::Targets, 1, (50..50 + limits::ROLE_KEYS_MAX as u8).map(public)))
            .is_ok()
    );
}

#[test]
fn one_key_may_hold_all_online_roles() {
    let roles = [Role::Targets, Role::Snapshot, Role::Timestamp];
    let draft = roles.into_iter().fold(root_draft(), |draft, role| draft.role(role, 1, [public(20)]));
    let signed = finish(draft).unwrap().sign_with(&ring(&ROOT_KEYS)).unwrap();
    assert_eq!(signed.key_ids(Role::Timestamp), [key(20).id()]);
}

#[test]
fn the_threshold_must_be_met_by_distinct_root_keys() {
    let mut unsigned = finish(root_draft()).unwrap();
    let missing = |found| WriteError::KeysMissing { role: Role::Root, threshold: 2, found };
    assert_eq!(unsigned.complete(), Err(missing(0)));
    unsigned.sign(&key(1)).unwrap();
    unsigned.sign(&key(1)).unwrap();
    assert_eq!(unsigned.complete(), Err(missing(1)));
    let foreign = WriteError::ForeignKey { key: key(TARGETS_KEY).id().to_string() };
    assert_eq!(unsigned.sign(&key(TARGETS_KEY)), Err(foreign));
    unsigned.sign(&key(3)).unwrap();
    assert_eq!(unsigned.complete().unwrap().version(), 1);
}

#[test]
fn key_holders_sign_one_after_another_at_their_own_machines() {
    let unsigned = finish(root_draft()).unwrap();
    let carried = ROOT_KEYS.iter().rev().fold(unsigned.to_bytes(), |bytes, number| {
        let mut unsigned = UnsignedRoot::from_bytes(&bytes, None).unwrap();
        unsigned.sign(&key(*number)).unwrap();
        unsigned.to_bytes()
    });
    let signed = UnsignedRoot::from_bytes(&carried, None).unwrap().complete().unwrap();
    let at_one_table = unsigned.sign_with(&ring(&ROOT_KEYS)).unwrap();
    assert_eq!(signed.bytes(), at_one_table.bytes(), "the order of signing does not show");
}

#[test]
fn a_carried_file_that_was_tampered_with() {
    let mut unsigned = finish(root_draft()).unwrap();
    ROOT_KEYS.iter().for_each(|number| unsigned.sign(&key(*number)).unwrap());
    let text = String::from_utf8(unsigned.to_bytes()).unwrap().replace("2027-11-22", "2099-11-22");
    let changed = UnsignedRoot::from_bytes(text.as_bytes(), None).unwrap();
    let error = changed.complete().unwrap_err();
    assert!(
        matches!(&error, WriteError::Present { source: VerifyError::WrongSignature { .. }, .. }),
        "unexpected: {error:?}"
    );
    for junk in [&b""[..], b"{}", &vec![b' '; limits::ROOT_LENGTH_MAX as usize + 1]] {
        assert!(UnsignedRoot::from_bytes(junk, None).is_err());
    }
    let skipping = edited(root().bytes(), &ROOT_KEYS, |document| document["version"] = json!(3));
    assert!(UnsignedRoot::from_bytes(&skipping, Some(&root())).is_err());
    assert!(UnsignedRoot::from_bytes(&skipping, None).is_err());
}

#[test]
fn a_new_root_needs_the_old_keys_and_the_new_ones() {
    let first = root();
    let draft = RootDraft::next(&first).unwrap().role(Role::Root, 2, [4, 5].map(public));
    let unsigned = finish(draft).unwrap();
    assert_eq!(unsigned.version(), 2);
    for too_few in [&[4, 5][..], &[1, 2], &[1, 4, 5], &[1, 2, 4]] {
        let error = unsigned.clone().sign_with(&ring(too_few)).unwrap_err();
        assert!(matches!(error, WriteError::KeysMissing { role: Role::Root, .. }), "{too_few:?}: {error:?}");
    }
    let second = unsigned.sign_with(&ring(&[1, 2, 4, 5])).unwrap();
    let mut trusted = client();
    trusted.update_root(second.bytes()).unwrap();
    assert_eq!(trusted.root_version(), 2);
    assert_eq!(trusted.received().roots.len(), 2);
}

#[test]
fn roots_that_clients_refuse() {
    let first = signed_part(root().bytes());
    let second = |edit: &dyn Fn(&mut serde_json::Value), keys: &[u8]| {
        let mut document = first.clone();
        document["version"] = json!(2);
        edit(&mut document);
        client().update_root(&sign(&document, keys)).unwrap_err()
    };
    let own_keys = |document: &mut serde_json::Value| {
        document["keys"][key(9).id().to_string()] = crate::world::key_document(9);
        document["roles"]["root"] = json!({"keyids": [key(9).id().to_string()], "threshold": 1});
    };
    assert!(matches!(second(&own_keys, &[9]), VerifyError::WrongSignature { .. }), "a thief's own root");
    assert!(
        matches!(second(&own_keys, &[1, 2]), VerifyError::WrongSignature { .. }),
        "not signed by its own key"
    );
    assert!(matches!(second(&|_| (), &[1]), VerifyError::WrongSignature { .. }), "one of two");
    assert!(matches!(
        second(&|document| document["version"] = json!(3), &[1, 2]),
        VerifyError::Mismatch { .. }
    ));
    assert!(matches!(second(&|document| document["version"] = json!(1), &[1, 2]), VerifyError::Older { .. }));
    let without_role = |document: &mut serde_json::Value| {
        document["roles"].as_object_mut().unwrap().remove("timestamp");
    };
    assert!(matches!(second(&without_role, &[1, 2]), VerifyError::Unparsable { .. }));
}

#[test]
fn an_expired_root_leads_to_a_good_one() {
    let mut source = published().0;
    let late = start() + SignedDuration::from_hours(24 * 400);
    let second = RootDraft::next(&root()).unwrap().finish(late, &Expiry::default()).unwrap();
    let second = second.sign_with(&ring(&ROOT_KEYS)).unwrap();
    let mut trusted = client();
    assert!(matches!(trusted.check_root(late), Err(VerifyError::Expired { .. })));
    source.files.insert(second.path(), second.bytes().to_vec());
    trusted.update_root(source.metadata("2.root.json").unwrap()).unwrap();
    assert_eq!(trusted.check_root(late), Ok(()));
}

#[test]
fn online_keys_are_replaced_through_the_root() {
    let (mut source, present) = published();
    let mut trusted = client();
    source.refresh(&mut trusted, start()).unwrap();
    let replaced = [31, 32, 33];
    let second = RootDraft::next(present.root())
        .unwrap()
        .role(Role::Targets, 1, [public(31)])
        .role(Role::Snapshot, 1, [public(32)])
        .role(Role::Timestamp, 1, [public(33)]);
    let second = finish(second).unwrap().sign_with(&ring(&ROOT_KEYS)).unwrap();
    let mut draft = TargetsDraft::next(&present);
    draft.rotate_root(second.clone()).unwrap();
    assert!(draft.rotate_root(second).is_err(), "a root is not its own successor");
    draft.add(name("b.txt"), b"b".to_vec()).unwrap();
    let unsigned = draft.finish(start(), &Expiry::default()).unwrap();
    assert!(unsigned.clone().sign(&ring(&ONLINE_KEYS)).is_err(), "the old keys count no more");
    let signed = unsigned.sign(&ring(&replaced)).unwrap();
    assert_eq!(signed.files()[0].path, "metadata/2.root.json");
    source.write(&signed);
    assert_eq!(source.refresh(&mut trusted, start()), Ok(()));
    assert_eq!(source.refresh(&mut client(), start()), Ok(()));
}

#[test]
fn signed_roots_are_read_back() {
    let root = root();
    assert_eq!(SignedRoot::from_bytes(root.bytes()).unwrap(), root);
    assert_eq!(root.threshold(Role::Root), 2);
    let mut expected = ROOT_KEYS.map(public).to_vec();
    expected.sort_unstable_by_key(headwater_repo::PublicKey::id);
    assert_eq!(root.keys(Role::Root), Some(expected));
    let inconsistent =
        edited(root.bytes(), &ROOT_KEYS, |document| document["consistent_snapshot"] = json!(false));
    assert!(Trusted::from_root(&inconsistent).is_ok(), "others may do so");
    assert!(SignedRoot::from_bytes(&inconsistent).is_err(), "we do not");
    let last = edited(root.bytes(), &ROOT_KEYS, |document| document["version"] = json!(limits::NUMBER_MAX));
    let last = SignedRoot::from_bytes(&last).unwrap();
    assert!(refusal(RootDraft::next(&last).unwrap()).contains("last version"));
}
