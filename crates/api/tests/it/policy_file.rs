//! The policy file: what is read is what is written, the limit of S2, and that nothing a person writes is a surprise.

use headwater_api::policy::{EntryDocument, PolicyDocument};
use headwater_policy::{ADDRESSES_MAX, Policy};
use proptest::prelude::{Just, Strategy, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::sample::Index;
use serde_json::{Value, json};

const GOLDEN: &str = include_str!("../golden/policy.1.json");

/// Keys that a document may leave out.
const OPTIONAL: [&str; 4] = ["vendor", "scheme", "ipv4", "ipv6"];

fn read(value: &Value) -> Result<Policy, Vec<headwater_policy::Problem>> {
    PolicyDocument::parse(&value.to_string())
}

/// S3: what is exported is imported again, in canonical form.
#[test]
fn what_is_written_is_what_was_read() {
    let policy = PolicyDocument::parse(GOLDEN).unwrap();
    let written = PolicyDocument::of(&policy.to_draft());
    let text = serde_json::to_string(&written).unwrap();
    assert_eq!(PolicyDocument::parse(&text), Ok(policy.clone()));
    assert_eq!(written.read().unwrap().into_policy(), Ok(policy.clone()));
    for (number, entry) in policy.entries().numbered() {
        assert_eq!(EntryDocument::of(entry).read(number).as_ref(), Ok(entry));
    }
}

/// S2: 1024 in, 1025 refused, with the first entry too many.
#[test]
fn a_file_holds_1024_entries() {
    let mut file: Value = serde_json::from_str(GOLDEN).unwrap();
    let entry = file["entries"][1].clone();
    file["entries"] = vec![entry.clone(); 1024].into();
    assert_eq!(read(&file).unwrap().entries().len(), 1024);
    file["entries"] = vec![entry; 1025].into();
    file["entries"][3]["source"] = json!("nowhere");
    let problems = read(&file).unwrap_err();
    assert_eq!(problems.iter().map(|problem| problem.entry).collect::<Vec<_>>(), [Some(4), Some(1025)]);
    assert!(problems[1].message.contains("at most 1024"));
}

/// S7: a document that leaves a key out would silently empty or reset a part of the draft. A file and a message are
/// read alike: what one door refuses, the others refuse too.
#[test]
fn no_key_is_left_out_and_none_is_added_at_any_door() {
    let golden: Value = serde_json::from_str(GOLDEN).unwrap();
    let refused = |file: &Value, key: &str| {
        let problems = read(file).unwrap_err();
        assert!(problems.iter().any(|it| it.message.contains(&format!("`{key}`"))), "{key}: {problems:?}");
        let import = json!({"policy": file, "expected_revision": null});
        let error =
            serde_json::from_value::<headwater_api::v1::ImportRequest>(import).unwrap_err().to_string();
        assert!(error.contains(&format!("`{key}`")), "{error}");
    };
    let mut objects = Vec::new();
    pointers(&golden, "", &mut objects);
    let mut left_out = 0;
    // A source has one key of several.
    for at in objects.iter().filter(|at| !at.ends_with("/source")) {
        let Some(fields) = golden.pointer(at).unwrap().as_object() else { continue };
        for key in fields.keys().filter(|key| !OPTIONAL.contains(&key.as_str())) {
            let mut file = golden.clone();
            file.pointer_mut(at).unwrap().as_object_mut().unwrap().remove(key);
            refused(&file, key);
            left_out += 1;
        }
    }
    for at in ["", "/options", "/options/server_fallback", "/server", "/update_agents/0", "/entries/0"] {
        let mut file = golden.clone();
        file.pointer_mut(at).unwrap()["more"] = json!(1);
        let problems = read(&file).unwrap_err();
        assert!(problems.iter().any(|it| it.message.contains("more")), "{at}: {problems:?}");
        assert!(serde_json::from_value::<PolicyDocument>(file).is_err(), "{at}");
    }
    assert!(left_out > 15, "{left_out}");
}

#[test]
fn a_client_has_not_endless_addresses() {
    let client = |count: usize| {
        let text = json!({"id": "pc", "addresses": vec!["10.0.0.1"; count], "download_from_vendor": false});
        headwater_api::policy::ClientDocument::parse(&text.to_string())
    };
    assert!(client(ADDRESSES_MAX).is_ok());
    assert!(client(ADDRESSES_MAX + 1).is_err());
}

/// A byte order mark is no fault; text that is no JSON is one problem with its place.
#[test]
fn the_text_itself() {
    assert!(PolicyDocument::parse(&format!("\u{feff}{GOLDEN}")).is_ok());
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    assert_eq!(PolicyDocument::parse(&deep).unwrap_err().len(), 1, "however deep it is");
    let problems = PolicyDocument::parse(&GOLDEN[..GOLDEN.len() / 2]).unwrap_err();
    assert!(problems.len() == 1 && problems[0].message.contains("line"), "{problems:?}");
}

/// The pointers of all values in a document.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(key, value)| pointers(value, &format!("{at}/{key}"), found))
        }
        Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(place, value)| pointers(value, &format!("{at}/{place}"), found));
        }
        _ => {}
    }
}

fn junk() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(json!(true)),
        Just(json!(-1)),
        Just(json!(0)),
        Just(json!(1.5)),
        Just(json!(1_u64 << 63)),
        Just(json!("")),
        Just(json!([])),
        Just(json!({})),
        Just(json!("::/0")),
        Just(json!("10.0.0.9-10.0.0.1")),
        Just(json!({"odd": 1})),
        "\\PC{0,20}".prop_map(Value::String),
        "(http|https|ftp)://[a-z@:/?#%\\[\\].0-9]{0,20}".prop_map(Value::String),
    ]
}

proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 1000, failure_persistence: None, ..Default::default() })]

    /// Junk anywhere is never a panic. Junk in one entry is reported with that entry, and no other is blamed. What is taken
    /// all the same can be written and read again.
    #[test]
    fn junk_is_reported_where_it_is(at in proptest::arbitrary::any::<Index>(), junk in junk()) {
        let mut file: Value = serde_json::from_str(GOLDEN).unwrap();
        let mut all = Vec::new();
        pointers(&file, "", &mut all);
        let pointer = at.get(&all).clone();
        *file.pointer_mut(&pointer).unwrap() = junk;
        match read(&file) {
            Ok(policy) => {
                let again = serde_json::to_string(&PolicyDocument::of(&policy.to_draft())).unwrap();
                prop_assert_eq!(PolicyDocument::parse(&again), Ok(policy));
            }
            Err(problems) => {
                prop_assert!(!problems.is_empty());
                if let Some(rest) = pointer.strip_prefix("/entries/") {
                    let place: u32 = rest.split('/').next().unwrap().parse().unwrap();
                    prop_assert!(problems.iter().all(|problem| problem.entry == Some(place + 1)), "{problems:?}");
                }
            }
        }
    }
}
