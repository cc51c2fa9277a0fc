//! Searching delegated roles, as vendors' repositories may have them.

use headwater_repo::{Lookup, Trusted, VerifyError, limits};
use serde_json::{Value, json};

use crate::world::{
    SNAPSHOT_KEY, Source, TARGETS_KEY, TIMESTAMP_KEY, client, edited, key, key_document, name, published,
    sign, start,
};

/// Key of all delegated roles unless a test says otherwise.
const DELEGATED_KEY: u8 = 40;

/// `parent` delegates to `children`: name, paths, terminating.
fn delegations(children: &[(&str, &str, bool)]) -> Value {
    let id = key(DELEGATED_KEY).id().to_string();
    let role = |(name, paths, terminating): &(&str, &str, bool)| json!({"name": name, "keyids": [id], "threshold": 1, "paths": [paths], "terminating": terminating});
    let roles: Vec<_> = children.iter().map(role).collect();
    json!({"keys": {id.clone(): key_document(DELEGATED_KEY)}, "roles": roles})
}

fn targets(listed: &[&str], children: &[(&str, &str, bool)]) -> Value {
    let file = |length: usize| json!({"length": length, "hashes": {"sha256": "00".repeat(32)}});
    let listed: serde_json::Map<_, _> =
        listed.iter().map(|name| ((*name).to_owned(), file(name.len()))).collect();
    json!({
        "_type": "targets", "spec_version": "1.0.31", "version": 1, "expires": "2027-01-01T00:00:00Z",
        "targets": listed, "delegations": delegations(children)
    })
}

/// A repository with these roles; `targets` is the top one.
fn repository(roles: &[(&str, Value)]) -> Source {
    let (mut source, _) = published();
    let mut meta = serde_json::Map::new();
    for (role, document) in roles {
        let number = if *role == "targets" { TARGETS_KEY } else { DELEGATED_KEY };
        source.files.insert(format!("metadata/1.{role}.json"), sign(document, &[number]));
        meta.insert(format!("{role}.json"), json!({"version": 1}));
    }
    let snapshot = edited(&source.files["metadata/1.snapshot.json"], &[SNAPSHOT_KEY], |document| {
        document["meta"] = Value::Object(meta);
    });
    source.files.insert("metadata/1.snapshot.json".to_owned(), snapshot);
    let timestamp = edited(&source.files["metadata/timestamp.json"], &[TIMESTAMP_KEY], |document| {
        document["meta"]["snapshot.json"] = json!({"version": 1});
    });
    source.files.insert("metadata/timestamp.json".to_owned(), timestamp);
    source
}

/// Searches as a client does; gives the answer and the roles that were fetched for it.
fn search(source: &Source, target: &str) -> (Result<Lookup, VerifyError>, Vec<String>) {
    let mut trusted = client();
    source.refresh(&mut trusted, start()).unwrap();
    let mut fetched = Vec::new();
    loop {
        match trusted.lookup(&name(target), start()) {
            Ok(Lookup::Wanted(role)) => {
                fetched.push(role.name.clone());
                let bytes = source.metadata(&role.wanted.file).unwrap();
                if let Err(error) = trusted.update_delegated(&role, bytes, start()) {
                    return (Err(error), fetched);
                }
            }
            answer => return (answer, fetched),
        }
    }
}

/// The search for `target` fetches these roles and finds it, or does not.
fn check(source: &Source, target: &str, found: bool, fetched: &[&str]) {
    let (answer, got) = search(source, target);
    assert_eq!(got, fetched, "{target}");
    match answer.unwrap() {
        Lookup::Found(description) if found => assert_eq!(description.length, target.len() as u64),
        Lookup::Absent if !found => {}
        answer => panic!("{target}: {answer:?}"),
    }
}

#[test]
fn depth_first_in_order() {
    let source = repository(&[
        ("targets", targets(&["top"], &[("a", "*/*", false), ("b", "*/*", false), ("c", "*", false)])),
        ("a", targets(&[], &[("a1", "x/*", false)])),
        ("a1", targets(&["x/in-a1", "top"], &[])),
        ("b", targets(&["x/in-a1", "x/in-b"], &[])),
        ("c", targets(&["plain", "x/in-c"], &[])),
    ]);
    check(&source, "top", true, &[]);
    check(&source, "x/in-a1", true, &["a", "a1"]);
    check(&source, "x/in-b", true, &["a", "a1", "b"]);
    check(&source, "y/in-b", false, &["a", "b"]);
    check(&source, "plain", true, &["c"]);
    // `c` lists it, but is trusted with names without a folder only.
    check(&source, "x/in-c", false, &["a", "a1", "b"]);
}

#[test]
fn a_terminating_role_has_the_last_word() {
    let source = repository(&[
        ("targets", targets(&[], &[("a", "*", false), ("b", "*", true), ("c", "*", false)])),
        ("a", targets(&[], &[])),
        ("b", targets(&[], &[])),
        ("c", targets(&["x"], &[])),
    ]);
    check(&source, "x", false, &["a", "b"]);
}

#[test]
fn a_terminating_role_ends_the_search_of_those_above_it() {
    let source = repository(&[
        ("targets", targets(&[], &[("a", "*", false), ("z", "*", false)])),
        ("a", targets(&[], &[("t", "*", true)])),
        ("t", targets(&[], &[("u", "*", false)])),
        ("u", targets(&[], &[])),
        ("z", targets(&["x"], &[])),
    ]);
    check(&source, "x", false, &["a", "t", "u"]);
}

#[test]
fn circles_end() {
    let source = repository(&[
        ("targets", targets(&[], &[("a", "*", false)])),
        ("a", targets(&[], &[("b", "*", false), ("a", "*", false)])),
        ("b", targets(&[], &[("a", "*", false)])),
    ]);
    check(&source, "x", false, &["a", "b"]);
}

#[test]
fn a_role_outside_the_snapshot_is_no_role() {
    let mut roles = vec![("targets", targets(&[], &[("ghost", "*", false), ("b", "*", false)]))];
    roles.push(("b", targets(&["x"], &[])));
    check(&repository(&roles), "x", true, &["b"]);
}

#[test]
fn a_delegated_role_is_never_a_top_role() {
    let source =
        repository(&[("targets", targets(&[], &[("snapshot", "*", false), ("targets", "*", false)]))]);
    check(&source, "x", false, &[]);
}

#[test]
fn another_key_does_not_speak_for_the_role() {
    let mut source =
        repository(&[("targets", targets(&[], &[("a", "*", false)])), ("a", targets(&["x"], &[]))]);
    source.files.insert("metadata/1.a.json".to_owned(), sign(&targets(&["x"], &[]), &[TARGETS_KEY]));
    let (answer, _) = search(&source, "x");
    assert!(matches!(answer, Err(VerifyError::WrongSignature { .. })), "{answer:?}");
}

#[test]
fn every_way_to_a_role_has_its_own_keys() {
    // `b` is loaded through `a`, whose key signed it; the top role's second way to `b` asks for another key.
    let mut top = targets(&[], &[("a", "x", false), ("b", "*", false)]);
    let other = key(41).id().to_string();
    top["delegations"]["keys"][&other] = key_document(41);
    top["delegations"]["roles"][1]["keyids"] = json!([other]);
    let source = repository(&[
        ("targets", top),
        ("a", targets(&[], &[("b", "x", false)])),
        ("b", targets(&["y"], &[])),
    ]);
    let mut trusted = client();
    source.refresh(&mut trusted, start()).unwrap();
    let fetch = |trusted: &mut Trusted, target: &str| loop {
        match trusted.lookup(&name(target), start()) {
            Ok(Lookup::Wanted(role)) => {
                trusted.update_delegated(&role, source.metadata(&role.wanted.file).unwrap(), start())?;
            }
            answer => return answer,
        }
    };
    assert!(matches!(fetch(&mut trusted, "x"), Ok(Lookup::Absent)));
    assert!(matches!(fetch(&mut trusted, "y"), Err(VerifyError::WrongSignature { .. })));
}

#[test]
fn names_of_roles_stay_inside_the_folder() {
    let source = repository(&[
        ("targets", targets(&[], &[("../evil", "*", false)])),
        ("../evil", targets(&["x"], &[])),
    ]);
    let mut trusted = client();
    source.refresh(&mut trusted, start()).unwrap();
    let Ok(Lookup::Wanted(role)) = trusted.lookup(&name("x"), start()) else { panic!("the role is needed") };
    assert_eq!(role.wanted.file, "1...%2Fevil.json");
}

#[test]
fn the_search_has_an_end() {
    let names: Vec<String> = (0..limits::ROLES_VISITED_MAX).map(|number| format!("r{number}")).collect();
    let chain = |count: usize| {
        let children: Vec<_> = names[..count].iter().map(|name| (name.as_str(), "*", false)).collect();
        let mut roles = vec![("targets", targets(&[], &children))];
        roles.extend(names[..count].iter().map(|name| (name.as_str(), targets(&[], &[]))));
        repository(&roles)
    };
    // The top role counts as one.
    check(
        &chain(limits::ROLES_VISITED_MAX - 1),
        "x",
        false,
        &names[..limits::ROLES_VISITED_MAX - 1].iter().map(String::as_str).collect::<Vec<_>>(),
    );
    let (answer, _) = search(&chain(limits::ROLES_VISITED_MAX), "x");
    assert_eq!(answer, Err(VerifyError::TooManyRoles { visited_max: limits::ROLES_VISITED_MAX }));
}

#[test]
fn nothing_is_searched_before_the_walks_end() {
    assert!(matches!(client().lookup(&name("x"), start()), Err(VerifyError::Incomplete { .. })));
}
