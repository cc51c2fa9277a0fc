//! `headwater keys`: the ceremonies, on a static repository; and what is refused.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::run::{Ran, done, headwater};

/// Words of a command; `headwater keys` in front.
fn keys(here: &Path, command: &str) -> Ran {
    let arguments: Vec<&str> = ["keys"].into_iter().chain(command.split_whitespace()).collect();
    headwater(here, &arguments)
}

fn ok(here: &Path, command: &str) -> Value {
    let ran = keys(here, &format!("{command} --json"));
    assert_eq!(ran.exit, 0, "{command}: {ran:?}");
    serde_json::from_str(&ran.stdout).unwrap()
}

fn refused(here: &Path, command: &str, exit: i32, words: &[&str]) {
    let ran = keys(here, command);
    assert_eq!(ran.exit, exit, "{command}: {ran:?}");
    for word in words {
        assert!(ran.stderr.contains(word), "{command}: no {word:?} in {}", ran.stderr);
    }
}

const STATIC: &str = "--repository public --online-keys online";

/// A static repository, and files with passphrases.
fn world() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    done(here, &["repo", "init", "public", "--keys", "online"]);
    for (name, text) in [("one", "passphrase one"), ("two", "passphrase two"), ("wrong", "passphrase wrong")]
    {
        fs::write(here.join(name), format!("{text}\n")).unwrap();
    }
    folder
}

fn verified(here: &Path) -> u64 {
    let arguments = ["repo", "verify", "public", "--json"];
    let verified: Value = serde_json::from_str(&done(here, &arguments)).unwrap();
    assert_eq!(verified["problems"], json!([]));
    verified["root_version"].as_u64().unwrap()
}

#[test]
fn root_keys_move_offline_and_back_no_more() {
    let folder = world();
    let here = folder.path();
    let made = ok(here, &format!("init --out root --passphrase-file one {STATIC}"));
    assert_eq!(made["roots"], json!([{"repository": "components", "root_version": 2}]));
    let pem = fs::read_to_string(here.join("root/components.pem")).unwrap();
    assert!(pem.contains("ENCRYPTED PRIVATE KEY"));
    // Run again: nothing is left to do.
    assert_eq!(ok(here, &format!("init --out root --passphrase-file one {STATIC}"))["roots"], json!([]));
    refused(
        here,
        &format!("init --out other --passphrase-file one {STATIC}"),
        1,
        &["already offline", "rotate root"],
    );

    let rotate = |what: &str, rest: &str| {
        format!("rotate {what} --because planned --root-keys root --passphrase-file {rest} {STATIC}")
    };
    refused(here, &rotate("timestamp", "wrong"), 2, &["passphrase is wrong"]);
    refused(here, &format!("rotate timestamp {STATIC}"), 2, &["--because compromised if"]);
    refused(here, &format!("export-root --out x --rotate online {STATIC}"), 2, &["--because planned"]);
    refused(here, &format!("export-root --out x --because planned {STATIC}"), 2, &["leave it out"]);
    refused(here, &format!("rotate timestamp --because planned {STATIC}"), 1, &["1 of its keys, and 0"]);
    refused(
        here,
        &format!("rotate timestamp --because planned --root-keys nowhere {STATIC}"),
        2,
        &["no root keys in nowhere"],
    );
    assert_eq!(verified(here), 2);
    ok(here, &rotate("timestamp", "one"));
    ok(here, &rotate("online", "one"));
    ok(here, &format!("renew --root-keys root --passphrase-file one {STATIC}"));
    assert_eq!(verified(here), 5);
    assert!(here.join("root/roots/components/5.root.json").exists());
    done(here, &["repo", "refresh", "public", "--keys", "online"]);

    ok(here, "init --offline --out next --passphrase-file two");
    refused(here, &rotate("root", "one"), 2, &["--new-root-keys"]);
    let both = "rotate root --because planned --root-keys root --new-root-keys next --passphrase-file one --passphrase-file two";
    ok(here, &format!("{both} {STATIC}"));
    refused(here, &rotate("timestamp", "one"), 1, &["1 of its keys, and 0"]);
    ok(here, &format!("rotate timestamp --because planned --root-keys next --passphrase-file two {STATIC}"));
    assert_eq!(verified(here), 7);
    let view = ok(here, &format!("show {STATIC}"));
    assert_eq!(
        (&view["repositories"][0]["roles"][0]["here"], &view["repositories"][0]["root_version"]),
        (&json!(0), &json!(7))
    );
}

#[test]
fn holders_sign_on_machines_of_their_own() {
    let folder = world();
    let here = folder.path();
    ok(here, &format!("init --out h --holders 3 --threshold 2 --passphrase-file one {STATIC}"));
    ok(here, "init --offline --out foreign --passphrase-file one");
    ok(here, &format!("export-root --out roots.json --rotate snapshot --because planned {STATIC}"));
    let sign =
        |holder: &str, file: &str| format!("sign-root {file} --root-keys {holder} --passphrase-file one");

    refused(here, &sign("foreign", "roots.json"), 1, &["sign nothing"]);
    refused(here, "sign-root roots.json", 2, &["nobody signs"]);
    refused(here, &format!("import-root roots.json {STATIC}"), 1, &["2 of its keys, and 0"]);
    assert_eq!(ok(here, &sign("h/holder-2", "roots.json"))["roots"][0]["missing"], "1 of 2 signatures");
    assert_eq!(ok(here, &sign("h/holder-2", "roots.json"))["roots"][0]["missing"], "1 of 2 signatures");
    refused(here, &format!("import-root roots.json {STATIC}"), 1, &["2 of its keys, and 1"]);
    let of_other_class = format!("import-root roots.json {STATIC} --only programs");
    assert_ne!(keys(here, &of_other_class).exit, 0);

    // Side by side: two copies, brought together at the end.
    fs::copy(here.join("roots.json"), here.join("copy.json")).unwrap();
    let before = fs::read_to_string(here.join("copy.json")).unwrap();
    assert_eq!(ok(here, &sign("h/holder-3", "copy.json"))["roots"][0]["missing"], Value::Null);
    fs::write(here.join("first.json"), before).unwrap();
    let changed = fs::read_to_string(here.join("copy.json")).unwrap().replacen(
        "\"threshold\": 2",
        "\"threshold\": 1",
        1,
    );
    fs::write(here.join("changed.json"), changed).unwrap();
    assert_ne!(keys(here, &format!("import-root changed.json {STATIC}")).exit, 0);
    let taken = ok(here, &format!("import-root first.json copy.json {STATIC}"));
    assert_eq!(taken["roots"][0]["root_version"], 3);
    // Once more: it is taken already.
    ok(here, &format!("import-root first.json copy.json {STATIC}"));
    assert_eq!(verified(here), 3);
    assert!(here.join("h/holder-3/roots/components/3.root.json").exists());
}

/// Flags without effect are refused by name, not ignored.
#[test]
fn the_fleets_own_keys_are_replaced_without_root_keys() {
    let folder = world();
    for what in ["ca", "response-signing", "enrolment-encryption"] {
        let flag = |flag: &str| format!("rotate {what} {flag}");
        refused(folder.path(), &flag("--root-keys root"), 2, &["--root-keys", "leave it out"]);
        refused(folder.path(), &flag("--passphrase-file one"), 2, &["--passphrase-file", "leave it out"]);
        refused(folder.path(), &flag("--because planned"), 2, &["--because", "leave it out"]);
        refused(folder.path(), &flag("--only programs"), 2, &["--only", "leave it out"]);
    }
}

/// The moments at which a change of keys can break off are those between two files that it writes.
#[test]
fn a_rotation_that_crashed_is_ended_by_the_next_command() {
    for (name, command) in [
        ("again", "repo rotate public --keys online timestamp --because planned"),
        ("refresh", "repo refresh public --keys online"),
        ("publish", "repo publish public --keys online rules --name rules --version 1"),
    ] {
        for kept in 1..=3 {
            let folder = world();
            let here = folder.path();
            fs::create_dir(here.join("rules")).unwrap();
            fs::write(here.join("rules/a"), "rules").unwrap();
            let metadata = here.join("public/components/metadata");
            let before = fs::read(metadata.join("timestamp.json")).unwrap();
            let key_files = || {
                let names = fs::read_dir(here.join("online")).unwrap().map(|entry| entry.unwrap().path());
                names.filter(|path| path.is_file()).collect::<Vec<_>>()
            };
            let keys_before = key_files();
            done(
                here,
                &["repo", "rotate", "public", "--keys", "online", "timestamp", "--because", "planned"],
            );
            // Back to where it was after so many files: root, targets, snapshot; the timestamp is the last.
            fs::write(metadata.join("timestamp.json"), before).unwrap();
            for (number, file) in ["2.targets.json", "2.snapshot.json"].into_iter().enumerate() {
                if kept < number + 2 {
                    fs::remove_file(metadata.join(file)).unwrap();
                }
            }
            let new_key = key_files().into_iter().find(|path| !keys_before.contains(path)).unwrap();
            fs::create_dir_all(here.join("online/pending")).unwrap();
            fs::rename(new_key, here.join("online/pending/timestamp.pem")).unwrap();
            assert_eq!(headwater(here, &["repo", "verify", "public"]).exit, 1, "{name} {kept}");

            done(here, &command.split_whitespace().collect::<Vec<_>>());
            assert_eq!(verified(here), if name == "again" { 3 } else { 2 }, "{name} {kept}");
            done(here, &["repo", "rotate", "public", "--keys", "online", "snapshot", "--because", "planned"]);
            verified(here);
        }
    }
}
