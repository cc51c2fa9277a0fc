//! What a source may not do to a client, one crafted file for each error (I1, P9, P11).

use headwater_repo::{Expiry, Role, RootDraft, Trusted, VerifyError, limits};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::world::{
    ONLINE_KEYS, ROOT_KEYS, SNAPSHOT_KEY, Source, TARGETS_KEY, TIMESTAMP_KEY, client, day, edited, key,
    key_document, name, public, publish_more, published, ring, root, sign, signed_part, start,
};

/// The result of a refresh at `now` after `change` was made to what the source has.
fn check(now: Timestamp, change: impl FnOnce(&mut Source)) -> VerifyError {
    let (mut source, _) = published();
    change(&mut source);
    source.refresh(&mut client(), now).unwrap_err()
}

fn timestamp(source: &mut Source) -> &mut Vec<u8> {
    source.files.get_mut("metadata/timestamp.json").unwrap()
}

fn edit_timestamp(source: &mut Source, keys: &[u8], edit: impl FnOnce(&mut Value)) {
    let bytes = timestamp(source);
    *bytes = edited(bytes, keys, edit);
}

/// Changes a file and everything above it that pins it, as one who holds all online keys could.
fn edit_targets(source: &mut Source, keys: &[u8], edit: impl FnOnce(&mut Value)) {
    let targets = edited(&source.files["metadata/1.targets.json"], keys, edit);
    put_targets(source, targets);
}

fn put_targets(source: &mut Source, targets: Vec<u8>) {
    let pin = json!({"version": 1, "length": targets.len()});
    let snapshot = edited(&source.files["metadata/1.snapshot.json"], &[SNAPSHOT_KEY], |document| {
        document["meta"]["targets.json"] = pin;
    });
    source.files.insert("metadata/1.targets.json".to_owned(), targets);
    put_snapshot(source, snapshot);
}

fn put_snapshot(source: &mut Source, snapshot: Vec<u8>) {
    edit_timestamp(source, &[TIMESTAMP_KEY], |document| {
        document["meta"]["snapshot.json"] = json!({"version": 1, "length": snapshot.len()});
    });
    source.files.insert("metadata/1.snapshot.json".to_owned(), snapshot);
}

macro_rules! assert_error {
    ($error:expr, $pattern:pat $(if $guard:expr)?) => {
        let error = $error;
        assert!(matches!(&error, $pattern $(if $guard)?), "unexpected: {error:?}");
    };
}

#[test]
fn a_good_repository_is_trusted() {
    let (source, _) = published();
    let mut trusted = client();
    source.refresh(&mut trusted, start()).unwrap();
    let target = trusted.target(&name("a/one.txt")).unwrap();
    assert_eq!(target.check(&source.files[&format!("targets/{}", target.path)]), Ok(()));
    assert_error!(target.check(b"two"), Err(VerifyError::Mismatch { .. }));
    assert_error!(target.check(b"three"), Err(VerifyError::Mismatch { .. }));
    assert_eq!(trusted.targets_version(), Some(1));
    assert_eq!(trusted.target(&name("a/two.txt")), None);
    assert_eq!(trusted.targets().count(), 1);
}

#[test]
fn what_cannot_be_read() {
    let unparsable: [(&str, Vec<u8>); 8] = [
        ("nothing", Vec::new()),
        ("no JSON", b"{".to_vec()),
        ("HTML", b"<html>captive portal</html>".to_vec()),
        ("too deep", "[".repeat(100_000).into_bytes().into_iter().take(16_000).collect()),
        ("too long", vec![b' '; usize::try_from(limits::TIMESTAMP_LENGTH_MAX).unwrap() + 1]),
        ("no signatures", b"{\"signed\":{}}".to_vec()),
        ("a float", sign(&json!({"_type": "timestamp", "version": 1.5}), &[TIMESTAMP_KEY])),
        (
            "a version beyond 64 bits",
            b"{\"signatures\":[],\"signed\":{\"version\":18446744073709551616}}".to_vec(),
        ),
    ];
    for (what, bytes) in unparsable {
        let error = check(start(), |source| *timestamp(source) = bytes);
        assert!(
            matches!(&error, VerifyError::Unparsable { role, .. } if role == "timestamp"),
            "{what}: {error:?}"
        );
    }
}

#[test]
fn another_roles_file_is_not_taken() {
    // Same keys for all online roles is what small repositories do: the type must still be right.
    let error =
        check(start(), |source| *timestamp(source) = source.files["metadata/1.snapshot.json"].clone());
    assert_error!(error, VerifyError::Unparsable { role, .. } if role == "timestamp");
    let error = check(start(), |source| {
        let timestamp = timestamp(source).clone();
        put_targets(source, timestamp);
    });
    assert_error!(error, VerifyError::Unparsable { role, .. } if role == "targets");
}

#[test]
fn a_later_specification_is_not_guessed_at() {
    let error = check(start(), |source| {
        edit_timestamp(source, &[TIMESTAMP_KEY], |document| document["spec_version"] = json!("2.0.0"));
    });
    assert_error!(error, VerifyError::Unparsable { .. });
}

#[test]
fn a_timestamp_that_pins_nothing() {
    let error = check(start(), |source| {
        edit_timestamp(source, &[TIMESTAMP_KEY], |document| document["meta"] = json!({}));
    });
    assert_error!(error, VerifyError::Unparsable { role, .. } if role == "timestamp");
}

#[test]
fn wrong_signatures() {
    for signers in [&[][..], &[SNAPSHOT_KEY], &ROOT_KEYS, &[99]] {
        let error = check(start(), |source| edit_timestamp(source, signers, |_| ()));
        assert!(
            matches!(&error, VerifyError::WrongSignature { role, .. } if role == "timestamp"),
            "{error:?}"
        );
        let error = check(start(), |source| edit_targets(source, signers, |_| ()));
        assert!(matches!(&error, VerifyError::WrongSignature { role, .. } if role == "targets"), "{error:?}");
    }
    let error = check(start(), |source| {
        let snapshot = edited(&source.files["metadata/1.snapshot.json"], &[TIMESTAMP_KEY], |_| ());
        put_snapshot(source, snapshot);
    });
    assert_error!(error, VerifyError::WrongSignature { role, .. } if role == "snapshot");
}

#[test]
fn a_signature_over_something_else() {
    let error = check(start(), |source| {
        let mut file: Value = serde_json::from_slice(timestamp(source)).unwrap();
        file["signed"]["version"] = json!(7);
        *timestamp(source) = serde_json::to_vec(&file).unwrap();
    });
    assert_error!(error, VerifyError::WrongSignature { .. });
}

/// A client that trusts a root with the given timestamp role, and that role's file signed by `signers`.
fn check_threshold(threshold: u64, keys: &[u8], signers: &[u8]) -> Result<(), VerifyError> {
    let mut document = signed_part(root().bytes());
    let ids: Vec<_> = keys.iter().map(|number| key(*number).id().to_string()).collect();
    for number in keys {
        document["keys"][key(*number).id().to_string()] = key_document(*number);
    }
    document["roles"]["timestamp"] = json!({"keyids": ids, "threshold": threshold});
    let mut trusted = Trusted::from_root(&sign(&document, &ROOT_KEYS))?;
    let (source, _) = published();
    let bytes = edited(source.metadata("timestamp.json").unwrap(), signers, |_| ());
    trusted.update_timestamp(&bytes, start())
}

#[test]
fn thresholds_count_distinct_keys() {
    assert_eq!(check_threshold(2, &[21, 22, 23], &[21, 23]), Ok(()));
    assert_eq!(check_threshold(2, &[21, 22, 23], &[21, 99, 23]), Ok(()), "unknown keys do no harm");
    let refused: [(u64, &[u8], &[u8]); 6] = [
        (2, &[21, 22], &[21]),
        (2, &[21, 22], &[21, 21]),
        (2, &[21, 21], &[21]),
        (2, &[21, 21], &[21, 21]),
        (2, &[21, 22], &[21, 99]),
        (2, &[21], &[21]),
    ];
    for (threshold, keys, signers) in refused {
        let result = check_threshold(threshold, keys, signers);
        assert!(
            matches!(result, Err(VerifyError::WrongSignature { .. })),
            "{threshold} of {keys:?}, signed by {signers:?}: {result:?}"
        );
    }
    assert!(check_threshold(0, &[21], &[]).is_err(), "a threshold of 0 is no threshold");
}

#[test]
fn expired_metadata() {
    let cases = [(day(2), "timestamp"), (day(366), "root")];
    for (now, expected) in cases {
        let error = check(now, |_| ());
        assert!(matches!(&error, VerifyError::Expired { role, .. } if role == expected), "{error:?}");
    }
    let past = "2026-11-22T10:59:59Z";
    let error = check(start(), |source| {
        edit_targets(source, &[TARGETS_KEY], |document| document["expires"] = json!(past))
    });
    assert_eq!(error, VerifyError::Expired { role: "targets".to_owned(), expired_at: past.parse().unwrap() });
    let error = check(start(), |source| {
        let edit = |document: &mut Value| document["expires"] = json!(past);
        let snapshot = edited(&source.files["metadata/1.snapshot.json"], &[SNAPSHOT_KEY], edit);
        put_snapshot(source, snapshot);
    });
    assert_error!(error, VerifyError::Expired { role, .. } if role == "snapshot");
}

#[test]
fn what_was_verified_expires_all_the_same() {
    let (source, _) = published();
    let mut trusted = client();
    source.refresh(&mut trusted, start()).unwrap();
    assert_eq!(trusted.authorised(day(1)), Ok(()));
    // The source goes on sending the same timestamp: freeze.
    assert_error!(source.refresh(&mut trusted, day(2)), Err(VerifyError::Expired { role, .. }) if role == "timestamp");
    assert_error!(trusted.authorised(day(2)), Err(VerifyError::Expired { .. }));
}

#[test]
fn older_metadata() {
    let (old, present) = published();
    let mut new = old.clone();
    publish_more(&mut new, &present, "b.txt", start());
    let mut trusted = client();
    new.refresh(&mut trusted, start()).unwrap();
    let expected = VerifyError::Older { role: "timestamp".to_owned(), have: 2, got: 1 };
    assert_eq!(old.refresh(&mut trusted, start()), Err(expected));
    assert_eq!(trusted.targets_version(), Some(2), "what was trusted stays");
}

#[test]
fn older_parts_under_a_newer_timestamp() {
    let (old, present) = published();
    let mut source = old.clone();
    publish_more(&mut source, &present, "b.txt", start());
    let mut trusted = client();
    source.refresh(&mut trusted, start()).unwrap();
    // Who holds only the timestamp key points at the old snapshot.
    let pin = signed_part(old.metadata("timestamp.json").unwrap())["meta"].take();
    edit_timestamp(&mut source, &[TIMESTAMP_KEY], |document| {
        document["version"] = json!(3);
        document["meta"] = pin;
    });
    let error = source.refresh(&mut trusted.clone(), start()).unwrap_err();
    assert_eq!(error, VerifyError::Older { role: "timestamp".to_owned(), have: 2, got: 1 });
    // Who holds the snapshot key too points at the old targets.
    let snapshot = edited(&source.files["metadata/2.snapshot.json"], &[SNAPSHOT_KEY], |document| {
        document["version"] = json!(3);
        document["meta"]["targets.json"] = json!({"version": 1});
    });
    source.files.insert("metadata/3.snapshot.json".to_owned(), snapshot);
    edit_timestamp(&mut source, &[TIMESTAMP_KEY], |document| {
        document["meta"]["snapshot.json"] = json!({"version": 3})
    });
    let error = source.refresh(&mut trusted.clone(), start()).unwrap_err();
    assert_eq!(error, VerifyError::Older { role: "snapshot".to_owned(), have: 2, got: 1 });
}

#[test]
fn a_vanished_role() {
    let (mut source, _) = published();
    let mut trusted = client();
    source.refresh(&mut trusted, start()).unwrap();
    let snapshot = edited(&source.files["metadata/1.snapshot.json"], &[SNAPSHOT_KEY], |document| {
        document["version"] = json!(2);
        document["meta"] = json!({});
    });
    source.files.insert("metadata/2.snapshot.json".to_owned(), snapshot);
    edit_timestamp(&mut source, &[TIMESTAMP_KEY], |document| {
        document["version"] = json!(2);
        document["meta"]["snapshot.json"] = json!({"version": 2});
    });
    assert_error!(source.refresh(&mut trusted, start()), Err(VerifyError::Mismatch { .. }));
}

#[test]
fn the_floor_holds_across_runs_and_expiry() {
    let (old, present) = published();
    let mut new = old.clone();
    publish_more(&mut new, &present, "b.txt", start());
    let mut first_run = client();
    new.refresh(&mut first_run, start()).unwrap();
    let kept = first_run.received();
    let mut second_run = client();
    second_run.load_floor(kept.timestamp.as_deref(), kept.snapshot.as_deref(), kept.targets.as_deref());
    assert_eq!(second_run.received(), kept, "the bytes are kept as they came");
    // Long after everything expired, the floor is still there, and nothing else is.
    assert_error!(second_run.authorised(day(30)), Err(VerifyError::Expired { .. }));
    assert_error!(old.refresh(&mut second_run, start()), Err(VerifyError::Older { .. }));
    assert_eq!(new.refresh(&mut second_run, start()), Ok(()));
}

#[test]
fn a_walk_broken_off_after_the_timestamp_costs_no_floor() {
    let (old, present) = published();
    let mut source = old.clone();
    publish_more(&mut source, &present, "b.txt", start());
    let mut first_run = client();
    source.refresh(&mut first_run, start()).unwrap();
    // Who holds the keys of timestamp and snapshot, but not of targets, shows a timestamp and then nothing.
    edit_timestamp(&mut source, &[TIMESTAMP_KEY], |document| {
        document["version"] = json!(3);
        document["meta"]["snapshot.json"] = json!({"version": 3});
    });
    first_run.update_timestamp(source.metadata("timestamp.json").unwrap(), start()).unwrap();
    let kept = first_run.received().clone();
    for (meta, older) in [(json!({"targets.json": {"version": 1}}), true), (json!({}), false)] {
        let mut second_run = client();
        second_run.load_floor(kept.timestamp.as_deref(), kept.snapshot.as_deref(), kept.targets.as_deref());
        assert_eq!(second_run.received().snapshot, kept.snapshot, "kept for the run after this one too");
        let mut source = source.clone();
        let snapshot = edited(&source.files["metadata/2.snapshot.json"], &[SNAPSHOT_KEY], |document| {
            document["version"] = json!(3);
            document["meta"] = meta;
        });
        source.files.insert("metadata/3.snapshot.json".to_owned(), snapshot);
        let error = source.refresh(&mut second_run, start()).unwrap_err();
        match older {
            true => assert_eq!(error, VerifyError::Older { role: "snapshot".to_owned(), have: 2, got: 1 }),
            false => assert!(matches!(error, VerifyError::Mismatch { .. }), "{error:?}"),
        }
    }
}

#[test]
fn a_broken_store_costs_the_floor_and_nothing_else() {
    let (source, _) = published();
    let mut trusted = client();
    trusted.load_floor(Some(b"junk"), Some(b"junk"), Some(b"junk"));
    assert_eq!(source.refresh(&mut trusted, start()), Ok(()));
    let mut trusted = client();
    trusted.load_floor(source.metadata("timestamp.json"), Some(b"junk"), source.metadata("1.targets.json"));
    assert_eq!(trusted.targets_version(), None);
    assert_eq!(source.refresh(&mut trusted, start()), Ok(()));
}

#[test]
fn a_new_root_keeps_the_floor_that_its_keys_signed() {
    let (old, present) = published();
    let mut new = old.clone();
    publish_more(&mut new, &present, "b.txt", start());
    let mut trusted = client();
    new.refresh(&mut trusted, start()).unwrap();
    let next = |keys: &[u8], timestamp_key: u8| {
        let draft = RootDraft::next(&root()).unwrap().role(Role::Timestamp, 1, [public(timestamp_key)]);
        draft.finish(start(), &Expiry::default()).unwrap().sign_with(&ring(keys)).unwrap()
    };
    let mut same_keys = trusted.clone();
    same_keys.update_root(next(&ROOT_KEYS, TIMESTAMP_KEY).bytes()).unwrap();
    assert_eq!(same_keys.targets_version(), Some(2));
    assert_error!(old.refresh(&mut same_keys, start()), Err(VerifyError::Older { .. }));
    // The timestamp key was stolen and used to run far ahead: a new key brings everybody back.
    let mut other_key = trusted;
    other_key.update_root(next(&ROOT_KEYS, 30).bytes()).unwrap();
    assert_eq!((other_key.timestamp_version(), other_key.targets_version()), (None, None));
}

#[test]
fn files_that_are_not_the_announced_ones() {
    let cases: [(&str, Value); 3] = [
        ("length", json!({"version": 1, "length": 1})),
        ("hash", json!({"version": 1, "hashes": {"sha256": "00".repeat(32)}})),
        ("version", json!({"version": 2})),
    ];
    for (what, pin) in cases {
        let error = check(start(), |source| {
            edit_timestamp(source, &[TIMESTAMP_KEY], |document| document["meta"]["snapshot.json"] = pin);
            let snapshot = source.files["metadata/1.snapshot.json"].clone();
            source.files.insert("metadata/2.snapshot.json".to_owned(), snapshot);
        });
        assert!(
            matches!(&error, VerifyError::Mismatch { role, .. } if role == "snapshot"),
            "{what}: {error:?}"
        );
    }
}

#[test]
fn the_walk_has_an_order() {
    let (source, _) = published();
    let file = |name: &str| source.metadata(name).unwrap();
    let mut trusted = client();
    let incomplete = |role: &str| VerifyError::Incomplete { role: role.to_owned() };
    assert_eq!(trusted.update_snapshot(file("1.snapshot.json"), start()), Err(incomplete("timestamp")));
    assert_eq!(trusted.update_targets(file("1.targets.json"), start()), Err(incomplete("snapshot")));
    assert_eq!(trusted.authorised(start()), Err(incomplete("timestamp")));
    trusted.update_timestamp(file("timestamp.json"), start()).unwrap();
    assert_eq!(trusted.authorised(start()), Err(incomplete("snapshot")));
    trusted.update_snapshot(file("1.snapshot.json"), start()).unwrap();
    assert_eq!(trusted.authorised(start()), Err(incomplete("targets")));
    trusted.update_targets(file("1.targets.json"), start()).unwrap();
    assert_eq!(trusted.authorised(start()), Ok(()));
    assert_eq!(trusted.update_timestamp(file("timestamp.json"), start()), Ok(()));
}

#[test]
fn limits_of_length_are_crossed_by_one_byte() {
    let padded = |bytes: &[u8], length: u64| {
        let mut bytes = bytes.to_vec();
        bytes.resize(usize::try_from(length).unwrap(), b' ');
        bytes
    };
    let (source, _) = published();
    let root = root();
    assert!(Trusted::from_root(&padded(root.bytes(), limits::ROOT_LENGTH_MAX)).is_ok());
    assert_error!(
        Trusted::from_root(&padded(root.bytes(), limits::ROOT_LENGTH_MAX + 1)).map(drop),
        Err(VerifyError::Unparsable { .. })
    );
    let timestamp = source.metadata("timestamp.json").unwrap();
    assert!(client().update_timestamp(&padded(timestamp, limits::TIMESTAMP_LENGTH_MAX), start()).is_ok());
    // Snapshot and targets: the limit comes before the pin is looked at.
    let mut trusted = client();
    trusted.update_timestamp(timestamp, start()).unwrap();
    let snapshot = source.metadata("1.snapshot.json").unwrap();
    let error = trusted.update_snapshot(&padded(snapshot, limits::SNAPSHOT_LENGTH_MAX + 1), start());
    assert_error!(error, Err(VerifyError::Unparsable { .. }));
    trusted.update_snapshot(snapshot, start()).unwrap();
    let targets = source.metadata("1.targets.json").unwrap();
    let error = trusted.update_targets(&padded(targets, limits::TARGETS_LENGTH_MAX + 1), start());
    assert_error!(error, Err(VerifyError::Unparsable { .. }));
}

#[test]
fn a_wanted_file_is_no_longer_than_its_pin() {
    let (source, _) = published();
    let mut trusted = client();
    trusted.update_timestamp(source.metadata("timestamp.json").unwrap(), start()).unwrap();
    let wanted = trusted.snapshot_wanted(start()).unwrap().unwrap();
    assert_eq!(wanted.file, "1.snapshot.json");
    assert_eq!(wanted.length_max, source.files["metadata/1.snapshot.json"].len() as u64);
}

#[test]
fn huge_versions_are_numbers_like_others() {
    let (mut source, _) = published();
    edit_timestamp(&mut source, &[TIMESTAMP_KEY], |document| document["version"] = json!(u64::MAX));
    let mut trusted = client();
    assert_eq!(source.refresh(&mut trusted, start()), Ok(()));
    assert_eq!(trusted.timestamp_version(), Some(u64::MAX));
    let document = edited(root().bytes(), &ROOT_KEYS, |document| document["version"] = json!(u64::MAX));
    let mut trusted = Trusted::from_root(&document).unwrap();
    let same_again = trusted.root_wanted();
    assert_eq!(same_again.version, Some(u64::MAX));
    assert_error!(trusted.update_root(&document), Err(VerifyError::Older { .. }));
}

#[test]
fn equal_keys_in_json_are_one() {
    // Readers differ in which of two equal keys they take; the signature covers the one that we take.
    let error = check(start(), |source| {
        let text = String::from_utf8(timestamp(source).clone()).unwrap();
        *timestamp(source) =
            text.replacen("\"version\":1}}", "\"version\":1,\"version\":9}}", 1).into_bytes();
        assert!(timestamp(source).len() > text.len());
    });
    assert_error!(error, VerifyError::WrongSignature { .. } | VerifyError::Unparsable { .. });
}

#[test]
fn unknown_keys_in_the_online_ring_change_nothing() {
    let (mut source, present) = published();
    let numbers = [&ONLINE_KEYS[..], &[55, 56]].concat();
    let signed = headwater_repo::TargetsDraft::next(&present).finish(start(), &Expiry::default()).unwrap();
    source.write(&signed.sign(&ring(&numbers)).unwrap());
    assert_eq!(source.refresh(&mut client(), start()), Ok(()));
}
