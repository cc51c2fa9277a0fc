//! What a stolen key leaves behind, and what ends it: evidence, the age of a version, keys that count once (I2a, I2b).

use headwater_repo::limits::{
    ROOT_LIFE_DAYS_MAX, SNAPSHOT_LIFE_DAYS_MAX, TARGETS_LIFE_DAYS_MAX, TIMESTAMP_LIFE_DAYS_MAX,
};
use headwater_repo::{
    Evidence, Expiry, FirstSeen, KeyReplacement, Role, RootDraft, Standing, TargetsDraft, Trusted,
    UnsignedRoot, VerifyError, life_days_max,
};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::world::{
    ONLINE_KEYS, ROOT_KEYS, TARGETS_KEY, TIMESTAMP_KEY, client, day, edited, key, key_document, public,
    published, ring, root, sign, signed_part, start,
};

/// A client that followed roots, each of which replaces the targets keys by these, of which so many must sign.
fn followed(roots: &[(&[u8], usize, Option<KeyReplacement>)]) -> (Trusted, Vec<Evidence>) {
    let (mut source, mut present) = published();
    let mut trusted = client();
    source.refresh(&mut trusted, start()).unwrap();
    let mut evidence = vec![trusted.evidence().unwrap()];
    for (keys, threshold, why) in roots {
        let draft = RootDraft::next(present.root()).unwrap();
        let draft = draft.role(Role::Targets, *threshold, keys.iter().map(|number| public(*number)));
        let draft = why.map_or(draft.clone(), |why| draft.because(why));
        let root = draft.finish(start(), &Expiry::default()).unwrap().sign_with(&ring(&ROOT_KEYS)).unwrap();
        let mut draft = TargetsDraft::next(&present);
        draft.rotate_root(root).unwrap();
        let all = ring(&[&ONLINE_KEYS[..], keys].concat());
        let signed = draft.finish(start(), &Expiry::default()).unwrap().sign(&all).unwrap();
        source.write(&signed);
        present = signed.published().clone();
        source.refresh(&mut trusted, start()).unwrap();
        evidence.push(trusted.evidence().unwrap());
    }
    (trusted, evidence)
}

#[test]
fn evidence_holds_while_its_keys_reach_the_threshold() {
    use KeyReplacement::{Compromised, Planned};
    let check = |roots: &[(&[u8], usize, Option<KeyReplacement>)], expected: &[Standing]| {
        let (trusted, evidence) = followed(roots);
        let standing: Vec<Standing> = evidence.iter().map(|evidence| trusted.standing(evidence)).collect();
        assert_eq!(standing, expected, "{roots:?}");
    };
    use Standing::{Compromised as Stolen, Holds, Replaced};
    check(&[], &[Holds]);
    check(&[(&[TARGETS_KEY], 1, None)], &[Holds, Holds]);
    check(&[(&[31], 1, Some(Planned))], &[Replaced, Holds]);
    check(&[(&[31], 1, None)], &[Replaced, Holds]);
    check(&[(&[31], 1, Some(Compromised))], &[Stolen, Holds]);
    // A key is added: the former one alone does not reach the new threshold.
    check(&[(&[TARGETS_KEY, 31], 2, Some(Planned))], &[Replaced, Holds]);
    check(&[(&[TARGETS_KEY, 31], 1, Some(Planned))], &[Holds, Holds]);
    // Any root since then that says so, whichever replaced the key.
    check(&[(&[31], 1, Some(Planned)), (&[32], 1, Some(Compromised))], &[Stolen, Stolen, Holds]);
    check(&[(&[31], 1, Some(Compromised)), (&[32], 1, Some(Planned))], &[Stolen, Replaced, Holds]);
    // The key comes back.
    check(&[(&[31], 1, Some(Planned)), (&[TARGETS_KEY], 1, Some(Planned))], &[Holds, Replaced, Holds]);
}

#[test]
fn the_reason_travels_with_the_root_and_is_signed() {
    let draft = RootDraft::next(&root()).unwrap().because(KeyReplacement::Compromised);
    let unsigned = draft.finish(start(), &Expiry::default()).unwrap();
    let read = UnsignedRoot::from_bytes(&unsigned.to_bytes(), Some(&root())).unwrap();
    assert_eq!(read.key_replacement(), Some(KeyReplacement::Compromised));
    let signed = read.sign_with(&ring(&ROOT_KEYS)).unwrap();
    assert!(client().update_root(signed.bytes()).is_ok());
    let text = String::from_utf8(signed.bytes().to_vec()).unwrap();
    let changed = text.replace("\"compromised\"", "\"planned\"");
    assert!(matches!(client().update_root(changed.as_bytes()), Err(VerifyError::WrongSignature { .. })));
    // The next root says nothing of the one before.
    let next = RootDraft::next(&signed).unwrap().finish(start(), &Expiry::default()).unwrap();
    assert_eq!(next.key_replacement(), None);
}

#[test]
fn a_version_is_fresh_for_so_many_days_after_it_was_first_seen() {
    let (source, _) = published();
    let mut trusted = client();
    source.refresh(&mut trusted, start()).unwrap();
    for (role, days) in [
        (Role::Timestamp, TIMESTAMP_LIFE_DAYS_MAX),
        (Role::Snapshot, SNAPSHOT_LIFE_DAYS_MAX),
        (Role::Targets, TARGETS_LIFE_DAYS_MAX),
        (Role::Root, ROOT_LIFE_DAYS_MAX),
    ] {
        assert_eq!(life_days_max(role), days);
        let mut seen = FirstSeen::default();
        seen.note(&trusted, start());
        let mut only: Value = serde_json::to_value(&seen).unwrap();
        only.as_object_mut().unwrap().retain(|name, _| name == role.name());
        let seen: FirstSeen = serde_json::from_value(only).unwrap();
        let end = day(i64::from(days));
        assert_eq!(seen.check(&trusted, end), Ok(()));
        let too_late = seen.check(&trusted, end + SignedDuration::from_secs(1));
        assert!(matches!(too_late, Err(VerifyError::SeenTooLongAgo { .. })), "{too_late:?}");
    }
    let mut seen = FirstSeen::default();
    assert_eq!(seen.check(&trusted, day(99_999)), Ok(()), "seen now for the first time");
    seen.note(&trusted, day(10));
    seen.note(&trusted, start());
    assert!(seen.check(&trusted, day(181)).is_err(), "the clock was ahead when it was noted");
}

/// One key under two names, and a threshold that two keys must reach.
#[test]
fn a_key_counts_once_whatever_a_root_calls_it() {
    let spki = {
        let mut der = hex::decode("302a300506032b6570032100").unwrap();
        der.extend(public(TIMESTAMP_KEY).as_bytes());
        use base64::Engine as _;
        let body = base64::engine::general_purpose::STANDARD.encode(der);
        format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
    };
    let plain = key_document(TIMESTAMP_KEY);
    let with = |field: &str, value: Value| {
        let mut document = plain.clone();
        document[field] = value;
        document
    };
    let upper = public(TIMESTAMP_KEY).to_string().to_uppercase();
    for alias in [
        plain.clone(),
        with("keyval", json!({"public": upper})),
        with("keyval", json!({"public": spki})),
        with("x-owner", json!("somebody")),
        with("keyval", json!({"public": public(TIMESTAMP_KEY).to_string(), "x": 1})),
        with("keytype", json!("ed25519-again")),
    ] {
        let check = |threshold: u64, other: Option<u8>, expected: bool| {
            let (id, second) = (key(TIMESTAMP_KEY).id().to_string(), "f".repeat(64));
            let root = edited(root().bytes(), &ROOT_KEYS, |document| {
                document["keys"][&second] = alias.clone();
                document["roles"]["timestamp"] = json!({"keyids": [id, second], "threshold": threshold});
                if let Some(number) = other {
                    let id = key(number).id().to_string();
                    document["keys"][&id] = key_document(number);
                    document["roles"]["timestamp"]["keyids"].as_array_mut().unwrap().push(json!(id));
                }
            });
            let (source, _) = published();
            let timestamp = signed_part(source.metadata("timestamp.json").unwrap());
            let keys: Vec<u8> = std::iter::once(TIMESTAMP_KEY).chain(other).collect();
            let mut signed: Value = serde_json::from_slice(&sign(&timestamp, &keys)).unwrap();
            let again = json!({"keyid": second, "sig": signed["signatures"][0]["sig"]});
            signed["signatures"].as_array_mut().unwrap().push(again);
            let mut trusted = Trusted::from_root(&root).unwrap();
            let taken = trusted.update_timestamp(&serde_json::to_vec(&signed).unwrap(), start());
            assert_eq!(taken.is_ok(), expected, "{threshold} {other:?} {alias}: {taken:?}");
            if !expected {
                assert!(matches!(taken, Err(VerifyError::WrongSignature { .. })), "{taken:?}");
                assert_eq!(trusted.timestamp_version(), None);
            }
        };
        check(1, None, true);
        check(2, None, false);
        check(2, Some(40), true);
        check(3, Some(40), false);
    }
}

#[test]
fn a_root_that_one_key_signs_twice_is_signed_once() {
    let second = "f".repeat(64);
    let aliased = edited(root().bytes(), &[1], |document| {
        document["keys"][&second] = key_document(1);
        let id = key(1).id().to_string();
        document["roles"]["root"] = json!({"keyids": [id, second], "threshold": 2});
    });
    let mut aliased: Value = serde_json::from_slice(&aliased).unwrap();
    let again = json!({"keyid": second, "sig": aliased["signatures"][0]["sig"]});
    aliased["signatures"].as_array_mut().unwrap().push(again);
    let refused = Trusted::from_root(&serde_json::to_vec(&aliased).unwrap());
    assert!(matches!(refused, Err(VerifyError::WrongSignature { .. })), "{refused:?}");
}

/// Specification 4.3 to 4.6: versions are integers greater than zero.
#[test]
fn version_zero_is_none() {
    let (source, _) = published();
    let zero = edited(source.metadata("timestamp.json").unwrap(), &[TIMESTAMP_KEY], |document| {
        document["version"] = json!(0);
    });
    let mut trusted = client();
    let refused = trusted.update_timestamp(&zero, start());
    assert!(matches!(refused, Err(VerifyError::Unparsable { .. })), "{refused:?}");
    assert_eq!(trusted.timestamp_version(), None);
    let root = edited(root().bytes(), &ROOT_KEYS, |document| document["version"] = json!(0));
    assert!(matches!(Trusted::from_root(&root), Err(VerifyError::Unparsable { .. })));
}
