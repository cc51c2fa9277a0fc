//! Release lists and manifests: what publishers may write, and what clients do with it (C1, C5, P11).

use std::cmp::Ordering;

use headwater_repo::{
    Body, BodyFormat, ComponentName, ContentError, Digest, Expiry, FileEntry, FilePath, Hook, Manifest,
    ReleaseList, ReleaseStep, Sequence, TargetsDraft, VersionText, WriteError, layout, limits, roll_back,
    stage_release,
};
use proptest::prelude::{prop_assert, prop_assert_eq, proptest};
use serde_json::{Value, json};

use crate::world::{ONLINE_KEYS, Source, client, ring, root, start};

fn sequence(number: u64) -> Sequence {
    Sequence::new(number).unwrap()
}

fn file(path: &str) -> FileEntry {
    let body = Body { sha256: Digest::of(b"packed"), size: 6, format: BodyFormat::Zstd, memory: 1 << 20 };
    let path = FilePath::new(path).unwrap();
    FileEntry { path, mode: 0o644, size: 10, sha256: Digest::of(b"0123456789"), body, deltas: Vec::new() }
}

fn manifest(number: u64) -> Manifest {
    Manifest {
        component: ComponentName::new("rules").unwrap(),
        sequence: sequence(number),
        version: VersionText::new(format!("2026.{number}")).unwrap(),
        files: vec![file("a.dat"), file("sub/b.dat")],
        install: None,
        probe: None,
        intermediates: Vec::new(),
    }
}

fn release(number: u64) -> headwater_repo::Release {
    let version = VersionText::new(format!("2026.{number}")).unwrap();
    let identity = manifest(number).identity();
    headwater_repo::Release {
        sequence: sequence(number),
        version,
        published: start(),
        identity,
        size: 20,
        files: 2,
    }
}

/// The component's list after so many releases.
fn list(count: u64) -> ReleaseList {
    let first = ReleaseList::first(ComponentName::new("rules").unwrap(), release(1)).unwrap();
    (2..=count).fold(first, |list, number| list.with(release(number)).unwrap().0)
}

#[test]
fn a_manifest_is_written_and_read() {
    let mut full = manifest(7);
    full.install = Some(Hook { command: vec!["./install.sh".into(), "--now".into()], timeout_seconds: 60 });
    full.probe = Some(Hook { command: vec!["/usr/bin/check".into()], timeout_seconds: 5 });
    let bytes = full.to_bytes().unwrap();
    assert_eq!(Manifest::parse(&bytes).unwrap(), full);
    assert_eq!(full.size(), 20);
    let mut shuffled = full.clone();
    shuffled.files.reverse();
    assert_eq!(shuffled.to_bytes().unwrap(), bytes, "order of input does not show");
}

/// The result of reading the manifest after `edit`.
fn refusal(edit: impl FnOnce(&mut Value)) -> ContentError {
    let mut document: Value = serde_json::from_slice(&manifest(7).to_bytes().unwrap()).unwrap();
    edit(&mut document);
    Manifest::parse(&serde_json::to_vec(&document).unwrap()).unwrap_err()
}

#[test]
fn manifests_that_are_refused() {
    let invalid: [(&str, &str, Value); 13] = [
        ("/files/1/path", "stands twice", json!("a.dat")),
        ("/files/1/path", "is a file, and the folder", json!("a.dat/b")),
        ("/files/0/mode", "mode is 4755", json!(0o4755)),
        ("/files/0/size", "larger than", json!(limits::FILE_SIZE_MAX + 1)),
        ("/files/0/body/size", "larger than", json!(limits::FILE_SIZE_MAX + 1)),
        ("/files/0/body/memory", "bytes of memory", json!(limits::DECODER_MEMORY_MAX + 1)),
        ("/install", "names no program", json!({"command": [], "timeout_seconds": 1})),
        ("/install", "names no program", json!({"command": [""], "timeout_seconds": 1})),
        ("/install", "time limit is 0", json!({"command": ["a"], "timeout_seconds": 0})),
        (
            "/probe",
            "time limit is 3601",
            json!({"command": ["a"], "timeout_seconds": limits::COMMAND_TIMEOUT_SECONDS_MAX + 1}),
        ),
        (
            "/probe",
            "65 words",
            json!({"command": vec!["a"; limits::COMMAND_WORDS_MAX + 1], "timeout_seconds": 1}),
        ),
        (
            "/probe",
            "words is longer",
            json!({"command": ["a".repeat(limits::COMMAND_WORD_LENGTH_MAX + 1)], "timeout_seconds": 1}),
        ),
        ("/install", "outside the release", json!({"command": ["../../bin/sh"], "timeout_seconds": 1})),
    ];
    for (pointer, expected, value) in invalid {
        let error = refusal(|document| match document.pointer_mut(pointer) {
            Some(place) => *place = value,
            None => document[&pointer[1..]] = value,
        });
        let text = error.to_string();
        assert!(
            matches!(error, ContentError::Invalid { .. }) && text.contains(expected),
            "{pointer}: {text}"
        );
    }
    for bad_path in ["/etc/passwd", "../x", "a/../../x", "a\0b", "C:x"] {
        let error = refusal(|document| document["files"][0]["path"] = json!(bad_path));
        assert!(error.to_string().contains("file path"), "{bad_path:?}: {error}");
    }
    assert!(refusal(|document| document["sequence"] = json!(0)).to_string().contains("sequence \"0\""));
    assert!(refusal(|document| document["component"] = json!("..")).to_string().contains("component name"));
    assert!(matches!(refusal(|document| document["surprise"] = json!(1)), ContentError::Unparsable { .. }));
    assert!(matches!(
        refusal(|document| document["files"][0]["size"] = json!(-1)),
        ContentError::Unparsable { .. }
    ));
    assert!(matches!(
        refusal(|document| document["files"][0]["body"]["format"] = json!("rar")),
        ContentError::Unparsable { .. }
    ));
}

#[test]
fn a_later_format_is_named() {
    let error = refusal(|document| *document = json!({"format": 3, "something": "new"}));
    assert_eq!(error, ContentError::UnknownFormat { what: "release manifest", got: 3, known: 2 });
    let error = ReleaseList::parse(b"{\"format\":9}").unwrap_err();
    assert_eq!(error, ContentError::UnknownFormat { what: "release list", got: 9, known: 1 });
}

#[test]
fn targets_have_a_limit_of_length() {
    let longest = usize::try_from(limits::TARGET_LENGTH_MAX).unwrap();
    let mut bytes = manifest(1).to_bytes().unwrap();
    bytes.resize(longest, b' ');
    assert!(Manifest::parse(&bytes).is_ok());
    bytes.push(b' ');
    assert!(matches!(Manifest::parse(&bytes), Err(ContentError::Invalid { .. })));
    assert!(matches!(ReleaseList::parse(&bytes), Err(ContentError::Invalid { .. })));
}

#[test]
fn a_manifest_has_a_limit_of_files() {
    let mut many = manifest(1);
    many.files = (0..=limits::FILES_MAX).map(|number| file(&format!("{number}"))).collect();
    assert!(many.to_bytes().unwrap_err().to_string().contains("100001 files"));
    many.files.pop();
    assert!(many.to_bytes().is_ok());
}

#[test]
fn a_release_list_is_written_and_read() {
    let list = list(3).rolled_back(sequence(2)).unwrap();
    assert_eq!(ReleaseList::parse(&list.to_bytes()).unwrap(), list);
    let document: Value = serde_json::from_slice(&list.to_bytes()).unwrap();
    assert_eq!(document["current"], json!(2));
    assert_eq!(document["withdrawn"], json!([3]));
    assert_eq!(document["releases"][2]["manifest"], json!("rules/3.json"));
}

#[test]
fn release_lists_that_are_refused() {
    let cases: [(&str, &str, Value); 9] = [
        ("/current", "is not in it", json!(9)),
        ("/releases", "0 releases", json!([])),
        ("/withdrawn", "current release 3 was withdrawn", json!([3])),
        ("/withdrawn", "release 9 is not in it", json!([9])),
        ("/withdrawn", "not in order", json!([2, 1])),
        ("/withdrawn", "not in order", json!([1, 1])),
        ("/releases/0/manifest", "manifest is not rules/1.json", json!("../1.json")),
        ("/releases/0/files", "larger than releases", json!(limits::FILES_MAX + 1)),
        ("/releases/0/size", "larger than releases", json!(u64::MAX)),
    ];
    for (pointer, expected, value) in cases {
        let mut document: Value = serde_json::from_slice(&list(3).to_bytes()).unwrap();
        *document.pointer_mut(pointer).unwrap() = value;
        let error = ReleaseList::parse(&serde_json::to_vec(&document).unwrap()).unwrap_err().to_string();
        assert!(error.contains(expected), "{pointer}: {error}");
    }
    let mut document: Value = serde_json::from_slice(&list(3).to_bytes()).unwrap();
    document["releases"].as_array_mut().unwrap().swap(0, 1);
    let error = ReleaseList::parse(&serde_json::to_vec(&document).unwrap()).unwrap_err().to_string();
    assert!(error.contains("not in order"), "{error}");
}

#[test]
fn the_list_keeps_fifteen() {
    let full = list(limits::RELEASES_MAX as u64);
    assert_eq!(full.releases().len(), limits::RELEASES_MAX);
    let rolled_back = full.rolled_back(sequence(1)).unwrap();
    assert_eq!(rolled_back.withdrawn().len(), limits::RELEASES_MAX - 1);
    let (next, dropped) = rolled_back.with(release(16)).unwrap();
    assert_eq!(next.releases().len(), limits::RELEASES_MAX);
    assert_eq!(dropped.iter().map(|release| release.sequence.get()).collect::<Vec<_>>(), [1]);
    let mut document: Value = serde_json::from_slice(&full.to_bytes()).unwrap();
    let mut sixteenth = document["releases"][14].clone();
    sixteenth["sequence"] = json!(16);
    sixteenth["manifest"] = json!("rules/16.json");
    document["releases"].as_array_mut().unwrap().push(sixteenth);
    let error = ReleaseList::parse(&serde_json::to_vec(&document).unwrap()).unwrap_err().to_string();
    assert!(error.contains("16 releases"), "{error}");
}

#[test]
fn sequences_only_grow() {
    let list = list(3).rolled_back(sequence(1)).unwrap();
    for number in [1, 2, 3] {
        assert!(list.with(release(number)).is_err(), "release {number} was there already");
    }
    let (next, _) = list.with(release(4)).unwrap();
    assert_eq!(next.current().sequence, sequence(4));
    assert_eq!(next.withdrawn(), [sequence(2), sequence(3)], "what was withdrawn stays so");
    // Below a number that a thief gave and that was withdrawn, the list goes on.
    let stolen = list.with(release(limits::NUMBER_MAX)).unwrap().0.rolled_back(sequence(1)).unwrap();
    assert!(stolen.with(release(1)).is_err());
    let (goes_on, _) = stolen.with(release(5)).unwrap();
    assert_eq!(
        (goes_on.current().sequence, goes_on.newest().sequence.get()),
        (sequence(5), limits::NUMBER_MAX)
    );
    assert_eq!(ReleaseList::parse(&goes_on.to_bytes()).unwrap(), goes_on);
    let last = list.with(release(limits::NUMBER_MAX)).unwrap().0;
    assert_eq!(last.newest().sequence.next(), None);
}

#[test]
fn rollbacks_that_make_no_sense() {
    let list = list(3);
    for number in [3, 4, 99] {
        assert!(list.rolled_back(sequence(number)).is_err(), "to {number}");
    }
    let back = list.rolled_back(sequence(2)).unwrap();
    let further = back.rolled_back(sequence(1)).unwrap();
    assert_eq!(further.withdrawn(), [sequence(2), sequence(3)]);
}

#[test]
fn what_a_client_does_with_what_it_has() {
    let forward = list(3);
    let back = forward.rolled_back(sequence(2)).unwrap();
    let cases = [
        (&forward, None, ReleaseStep::Forward(forward.current())),
        (&forward, Some(1), ReleaseStep::Forward(forward.current())),
        (&forward, Some(3), ReleaseStep::UpToDate),
        (&forward, Some(9), ReleaseStep::Ahead),
        (&back, Some(3), ReleaseStep::RollBack(back.current())),
        (&back, Some(2), ReleaseStep::UpToDate),
        (&back, Some(1), ReleaseStep::Forward(back.current())),
        (&back, Some(9), ReleaseStep::Ahead),
    ];
    for (list, installed, expected) in cases {
        assert_eq!(list.step(installed.map(sequence)), expected, "installed: {installed:?}");
    }
}

#[test]
fn releases_are_staged_in_a_draft() {
    let mut draft = TargetsDraft::first(root());
    let mut current = None;
    for number in 1..=16 {
        current = Some(stage_release(&mut draft, current.as_ref(), &manifest(number), start()).unwrap());
    }
    let list = current.unwrap();
    let component = list.component().clone();
    assert!(
        draft.target(&layout::manifest(&component, sequence(1))).is_none(),
        "the oldest manifest is gone"
    );
    assert!(draft.target(&layout::manifest(&component, sequence(2))).is_some());
    let rolled_back = roll_back(&mut draft, &list, sequence(15)).unwrap();
    let signed = draft.finish(start(), &Expiry::default()).unwrap().sign(&ring(&ONLINE_KEYS)).unwrap();
    let mut source = Source::default();
    source.write(&signed);
    let mut trusted = client();
    source.refresh(&mut trusted, start()).unwrap();
    let description = trusted.target(&layout::release_list(&component)).unwrap();
    let bytes = &source.files[&format!("targets/{}", description.path)];
    assert_eq!(description.check(bytes), Ok(()));
    assert_eq!(ReleaseList::parse(bytes).unwrap(), rolled_back);
}

#[test]
fn a_stale_list_is_not_built_upon() {
    let mut draft = TargetsDraft::first(root());
    let first = stage_release(&mut draft, None, &manifest(1), start()).unwrap();
    stage_release(&mut draft, Some(&first), &manifest(2), start()).unwrap();
    let before = draft.target(&layout::release_list(first.component()));
    let refused = |result: Result<ReleaseList, WriteError>| {
        assert!(matches!(result, Err(WriteError::Content(ContentError::Invalid { .. }))), "{result:?}");
    };
    refused(stage_release(&mut draft, Some(&first), &manifest(3), start()));
    refused(stage_release(&mut draft, None, &manifest(3), start()));
    refused(roll_back(&mut draft, &first, sequence(1)));
    assert_eq!(draft.target(&layout::release_list(first.component())), before);
}

proptest! {
    /// Whatever is published and taken back in whatever order: the list can be read, and every client that ever
    /// installed something is led to the current release, backwards only away from what was withdrawn (P11).
    #[test]
    fn every_client_ends_at_the_current_release(changes in proptest::collection::vec(0_u64..6, 0..60)) {
        let mut list = list(1);
        let mut ever_current = vec![sequence(1)];
        for change in changes {
            let changed = match change {
                0..=2 => list.with(release(list.newest().sequence.get() + change + 1)).map(|(next, _)| next),
                back => list.rolled_back(sequence(list.current().sequence.get().saturating_sub(back).max(1))),
            };
            let Ok(next) = changed else { continue };
            prop_assert_eq!(&ReleaseList::parse(&next.to_bytes()).unwrap(), &next);
            prop_assert!(next.newest().sequence >= list.newest().sequence);
            list = next;
            ever_current.push(list.current().sequence);
            for installed in &ever_current {
                let expected = match installed.cmp(&list.current().sequence) {
                    Ordering::Equal => ReleaseStep::UpToDate,
                    Ordering::Less => ReleaseStep::Forward(list.current()),
                    Ordering::Greater => ReleaseStep::RollBack(list.current()),
                };
                prop_assert_eq!(list.step(Some(*installed)), expected);
            }
        }
    }
}
