//! `headwater repo`: a static repository from its making to its keys' rotation, verified as a client does.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::run::{done, headwater};

fn json(folder: &Path, arguments: &[&str]) -> Value {
    let arguments: Vec<&str> = arguments.iter().copied().chain(["--json"]).collect();
    serde_json::from_str(&done(folder, &arguments)).unwrap()
}

/// The words that publish folder `rules` as a version of `rules`.
fn publication<'a>(version: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let words =
        ["repo", "publish", "public", "--keys", "keys", "rules", "--name", "rules", "--version", version];
    [&words[..], more].concat()
}

/// A folder with a repository and two releases in it.
fn repository() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    done(here, &["repo", "init", "public", "--keys", "keys"]);
    fs::create_dir(here.join("rules")).unwrap();
    for version in ["1.0", "1.1"] {
        fs::write(here.join("rules/base"), format!("rules of {version}\n").repeat(1000)).unwrap();
        done(here, &publication(version, &[]));
    }
    folder
}

/// The timestamp of a repository is what everything hangs on, and the one file that is overwritten.
#[test]
fn a_timestamp_that_is_lost_or_damaged_is_signed_again_beyond_any_that_a_mirror_has() {
    let (folder, other) = (repository(), repository());
    let here = folder.path();
    let path = here.join("public/components/metadata/timestamp.json");
    let refresh = ["repo", "refresh", "public", "--keys", "keys"];
    let good = fs::read(&path).unwrap();
    let foreign = fs::read(other.path().join("public/components/metadata/timestamp.json")).unwrap();
    let root = fs::read(here.join("public/components/metadata/1.root.json")).unwrap();
    for damage in [None, Some(&b""[..]), Some(&good[..good.len() / 2]), Some(&foreign)] {
        let before = fs::read(&path).unwrap();
        match damage {
            None => fs::remove_file(&path).unwrap(),
            Some(bytes) => fs::write(&path, bytes).unwrap(),
        }
        let shown = headwater(here, &["repo", "show", "public"]);
        assert_eq!(shown.exit, 1, "{shown:?}");
        let refreshed = json(here, &refresh);
        assert_eq!(refreshed["signed"], serde_json::json!(["targets", "snapshot", "timestamp"]));
        assert_eq!(json(here, &["repo", "verify", "public"])["problems"], serde_json::json!([]));
        // A reader that has seen the one before accepts this one.
        let mut reader = headwater_repo::Trusted::from_root(&root).unwrap();
        reader.update_timestamp(&before, jiff::Timestamp::MIN).unwrap();
        reader.update_timestamp(&fs::read(&path).unwrap(), jiff::Timestamp::MIN).unwrap();
        assert!(version(&path) > version_of(&before).max(1_700_000_000));
    }
    // A new timestamp does not replace anything else that is missing.
    let snapshots = || {
        let found = fs::read_dir(here.join("public/components/metadata")).unwrap();
        let found = found.map(|entry| entry.unwrap().path());
        found
            .filter(|path| path.to_str().unwrap().ends_with(".snapshot.json"))
            .max_by_key(|path| version(path))
    };
    fs::remove_file(snapshots().unwrap()).unwrap();
    let newest = snapshots().unwrap();
    let refused = headwater(here, &refresh);
    assert_eq!(refused.exit, 2, "an older snapshot is there, and does not become current again: {refused:?}");
    assert_eq!(snapshots().unwrap(), newest, "nothing was signed");
}

fn version(path: &Path) -> u64 {
    version_of(&fs::read(path).unwrap())
}

fn version_of(metadata: &[u8]) -> u64 {
    serde_json::from_slice::<Value>(metadata).unwrap()["signed"]["version"].as_u64().unwrap()
}

#[test]
fn what_is_published_verifies_through_rollback_rotation_and_refresh() {
    let folder = repository();
    let here = folder.path();
    done(here, &["repo", "rollback", "public", "--keys", "keys", "rules", "--to", "1.0"]);
    for role in ["timestamp", "snapshot", "targets", "root"] {
        done(here, &["repo", "rotate", "public", "--keys", "keys", role, "--because", "planned"]);
    }
    let refreshed = json(here, &["repo", "refresh", "public", "--keys", "keys"]);
    assert_eq!(refreshed["signed"], serde_json::json!(["timestamp"]));
    let verified = json(here, &["repo", "verify", "public"]);
    assert_eq!(verified["problems"], serde_json::json!([]));
    assert_eq!(
        (&verified["releases"], &verified["blobs"], &verified["root_version"]),
        (&2.into(), &2.into(), &5.into())
    );
    let shown = json(here, &["repo", "show", "public"]);
    assert_eq!((&shown["names"][0]["current"], &shown["names"][0]["withdrawn"][0]), (&1.into(), &2.into()));
}

#[test]
fn a_flipped_byte_is_found() {
    let folder = repository();
    let blobs = folder.path().join("public/components/blobs");
    let first =
        fs::read_dir(&blobs).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.is_dir()).unwrap();
    let blob = fs::read_dir(first).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&blob).unwrap();
    bytes[10] ^= 1;
    fs::write(&blob, bytes).unwrap();
    let ran = headwater(folder.path(), &["repo", "verify", "public"]);
    assert_eq!(ran.exit, 1);
    assert!(ran.stdout.contains("is not what was signed"), "{ran:?}");
}

#[test]
fn refusals_leave_the_repository_as_it_was() {
    let folder = repository();
    let here = folder.path();
    let before = fs::read(here.join("public/components/metadata/timestamp.json")).unwrap();
    let check = |arguments: &[&str], exit: i32, word: &str| {
        let ran = headwater(here, arguments);
        assert_eq!(ran.exit, exit, "{arguments:?}: {ran:?}");
        assert!(ran.stderr.contains(word), "{arguments:?}: {}", ran.stderr);
    };
    let publish = ["repo", "publish", "public", "--keys", "keys", "rules", "--name"];
    check(&["repo", "init", "public", "--keys", "keys"], 2, "already");
    check(&["repo", "init", "other", "--keys", "keys"], 2, "the keys of another repository");
    fs::write(here.join("rules/base"), "others\n").unwrap();
    let other = [&publish[..], &["rules", "--version", "1.1"]].concat();
    check(&other, 1, "has a release 1.1 already, with other content");
    check(&[&publish[..], &["Rules", "--version", "2"]].concat(), 2, "`Rules`");
    check(&[&publish[..], &["rules", "--version", "2", "--install", "x"]].concat(), 2, "--class programs");
    check(&["repo", "rollback", "public", "--keys", "keys", "rules", "--to", "7"], 2, "no release `7`");
    check(
        &["repo", "rollback", "public", "--keys", "keys", "engine", "--to", "1"],
        2,
        "nothing named engine",
    );
    check(&["repo", "refresh", "public", "--keys", "absent"], 2, "no key folder absent");
    check(&["repo", "show", "absent"], 2, "no repository at absent");
    for key in fs::read_dir(here.join("keys")).unwrap().map(|entry| entry.unwrap().path()) {
        if key.file_name().unwrap().to_string_lossy().starts_with("root") {
            fs::rename(&key, here.join("offline.pem")).unwrap();
        }
    }
    check(
        &["repo", "rotate", "public", "--keys", "keys", "timestamp", "--because", "planned"],
        1,
        "root key",
    );
    assert_eq!(fs::read(here.join("public/components/metadata/timestamp.json")).unwrap(), before);
    done(here, &["repo", "verify", "public"]);
}

/// A byte of every file under `folder` becomes another.
fn flip(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            flip(&path);
        } else {
            let mut bytes = fs::read(&path).unwrap();
            bytes[0] ^= 1;
            fs::write(&path, bytes).unwrap();
        }
    }
}

/// As at a server: missing bodies are written again, and nothing is signed.
#[test]
fn the_same_content_under_the_same_version_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let publish = "repo publish public --keys keys rules --name rules --deltas 0 --version";
    let publish: Vec<&str> = publish.split(' ').collect();
    done(here, &["repo", "init", "public", "--keys", "keys"]);
    fs::create_dir(here.join("rules")).unwrap();
    for version in ["1.0", "1.1"] {
        fs::write(here.join("rules/base"), format!("rules of {version}\n").repeat(1000)).unwrap();
        done(here, &[&publish[..], &[version]].concat());
    }
    let metadata = here.join("public/components/metadata/timestamp.json");
    let before = fs::read(&metadata).unwrap();
    let again = json(here, &[&publish[..], &["1.1"]].concat());
    assert_eq!((&again["again"], &again["sequence"]), (&Value::Bool(true), &2.into()));
    assert!(done(here, &[&publish[..], &["1.1"]].concat()).contains("nothing was signed"));
    assert_eq!(fs::read(&metadata).unwrap(), before);
    fs::remove_dir_all(here.join("public/components/blobs")).unwrap();
    assert_eq!(headwater(here, &["repo", "verify", "public"]).exit, 1);
    done(here, &[&publish[..], &["1.1"]].concat());
    fs::write(here.join("rules/base"), "rules of 1.0\n".repeat(1000)).unwrap();
    done(here, &[&publish[..], &["1.0"]].concat());
    done(here, &["repo", "verify", "public"]);
    // Bodies that the disk changed are written again.
    flip(&here.join("public/components/blobs"));
    assert_eq!(headwater(here, &["repo", "verify", "public"]).exit, 1);
    done(here, &[&publish[..], &["1.0"]].concat());
    fs::write(here.join("rules/base"), "rules of 1.1\n".repeat(1000)).unwrap();
    done(here, &[&publish[..], &["1.1"]].concat());
    done(here, &["repo", "verify", "public"]);
    fs::write(here.join("rules/base"), "rules of 1.0\n".repeat(1000)).unwrap();
    // Another command to run, another bit, another name: another release.
    let other = [&publish[..], &["1.0", "--probe", "true"]].concat();
    assert_eq!(headwater(here, &other).exit, 1);
    fs::rename(here.join("rules/base"), here.join("rules/other")).unwrap();
    let ran = headwater(here, &[&publish[..], &["1.0"]].concat());
    assert!(ran.exit == 1 && ran.stderr.contains("give another --version"), "{ran:?}");
    assert_eq!(fs::read(&metadata).unwrap(), before);
}

#[cfg(unix)]
#[test]
fn keys_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = repository();
    for key in fs::read_dir(folder.path().join("keys")).unwrap().map(|entry| entry.unwrap().path()) {
        assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o077, 0, "{}", key.display());
    }
}

#[test]
fn signatures_are_valid_as_long_as_the_flags_set() {
    let folder = repository();
    let refresh = ["repo", "refresh", "public", "--keys", "keys"];
    let check = |lives: &[&str], role: &str, days: i64| {
        let arguments: Vec<&str> = refresh.iter().chain(lives).copied().collect();
        let refreshed = json(folder.path(), &arguments);
        let expires: jiff::Timestamp = refreshed["expires"][role].as_str().unwrap().parse().unwrap();
        #[expect(clippy::disallowed_methods, reason = "the program signed by the same clock")]
        let left = expires.duration_since(jiff::Timestamp::now());
        assert_eq!((left.as_hours() + 12) / 24, days, "{role} after {lives:?}: {refreshed}");
    };
    check(&[], "timestamp", 1);
    check(&["--timestamp-days", "30"], "timestamp", 30);
    // What has half of its life before it is left as it is.
    check(&["--targets-days", "100"], "targets", 90);
    check(&["--targets-days", "400"], "targets", 400);
}

/// Text that does not pack well, of which release `number` has a few lines of its own.
fn rules(number: usize) -> String {
    let line = |at: usize| {
        let changed = (0..=number).rev().find(|release| (release * 31) % 2_000 == at).unwrap_or(0);
        let mut word = (at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (changed as u64) << 7;
        word = (word ^ (word >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        format!("rule {at} {word:016x}\n")
    };
    (0..2_000).map(line).collect()
}

/// Noise that takes a while to compare with other noise, and comes to nothing.
fn noise(seed: u8) -> Vec<u8> {
    let block = |number: u32| headwater_repo::Digest::of(&[&[seed][..], &number.to_le_bytes()].concat());
    (0..30_000).flat_map(|number| *block(number).as_bytes()).collect()
}

/// Stopped while it makes deltas, it has published; what is there is whole, and another command continues (C1).
#[test]
fn what_is_published_is_whole_before_its_deltas_are_made() {
    use std::io::{BufRead as _, BufReader, Read as _};
    use std::process::{Command, Stdio};

    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    done(here, &["repo", "init", "public", "--keys", "keys"]);
    let words = ["repo", "publish", "public", "--keys", "keys", "engine", "--name", "engine", "--version"];
    fs::write(here.join("engine"), noise(1)).unwrap();
    done(here, &[&words[..], &["1"]].concat());
    fs::write(here.join("engine"), noise(2)).unwrap();
    let mut publish = Command::new(env!("CARGO_BIN_EXE_headwater"))
        .args(words)
        .arg("2")
        .current_dir(here)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut errors = BufReader::new(publish.stderr.take().unwrap());
    let mut line = String::new();
    errors.read_line(&mut line).unwrap();
    assert!(line.starts_with("published engine 2 as release 2"), "{line}");
    let verified = json(here, &["repo", "verify", "public"]);
    assert_eq!(verified["problems"], serde_json::json!([]), "whole while deltas are being made");
    let interrupt = Command::new("kill").args(["-INT", &publish.id().to_string()]).status().unwrap();
    assert!(interrupt.success());
    let mut rest = String::new();
    errors.read_to_string(&mut rest).unwrap();
    assert_eq!(publish.wait().unwrap().code(), Some(3), "{rest}");
    assert!(rest.contains("stopped with 1 delta to be made"), "{rest}");

    assert_eq!(json(here, &["repo", "verify", "public"])["problems"], serde_json::json!([]));
    let blobs = fs::read_dir(here.join("public/components/blobs")).unwrap();
    let parts: Vec<_> = blobs.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect();
    assert_eq!(parts, Vec::<std::path::PathBuf>::new(), "nothing half written is left");
    let rest = json(here, &["repo", "deltas", "public", "--keys", "keys", "engine"]);
    assert_eq!((&rest["deltas"], &rest["missing"]), (&0.into(), &0.into()), "noise has no deltas");
}

#[test]
fn after_a_rollback_deltas_lead_back() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    done(here, &["repo", "init", "public", "--keys", "keys"]);
    let mut made = Vec::new();
    for number in 1..=3 {
        fs::write(here.join("base"), rules(number)).unwrap();
        let words = ["repo", "publish", "public", "--keys", "keys", "base", "--name", "rules", "--version"];
        made.push(json(here, &[&words[..], &[&number.to_string()]].concat())["deltas"].as_u64().unwrap());
    }
    assert_eq!(made, [0, 1, 2]);
    done(here, &["repo", "rollback", "public", "--keys", "keys", "rules", "--to", "2"]);
    let standing = json(here, &["repo", "deltas", "public", "--keys", "keys", "rules"]);
    assert_eq!(standing["deltas"], 2, "from the one before and from the withdrawn one: {standing}");
    let problems = || json(here, &["repo", "verify", "public"])["problems"].clone();
    assert_eq!(problems(), serde_json::json!([]));
    // What the disk loses comes back: bodies by publishing them again, deltas by making them again.
    fs::remove_dir_all(here.join("public/components/blobs")).unwrap();
    for number in 1..=3 {
        fs::write(here.join("base"), rules(number)).unwrap();
        let words = ["repo", "publish", "public", "--keys", "keys", "base", "--name", "rules", "--version"];
        done(here, &[&words[..], &[&number.to_string()]].concat());
    }
    assert_ne!(headwater(here, &["repo", "verify", "public"]).exit, 0, "deltas are lost");
    done(here, &["repo", "deltas", "public", "--keys", "keys", "rules"]);
    assert_eq!(problems(), serde_json::json!([]));
}

/// A body that cannot be read does not stop the rest of the work, in this run or the next.
#[test]
fn one_body_that_cannot_be_read_keeps_no_other_delta_from_joining() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    done(here, &["repo", "init", "public", "--keys", "keys"]);
    fs::create_dir(here.join("rules")).unwrap();
    let path = here.join("public/components");
    let bodies = [1, 2, 3, 4].map(|number| {
        fs::write(here.join("rules/base"), rules(number)).unwrap();
        let words = "repo publish public --keys keys rules --name rules --deltas 0 --version";
        let words: Vec<&str> = words.split(' ').collect();
        done(here, &[&words[..], &[&number.to_string()]].concat());
        let all = fs::read_dir(path.join("targets/rules")).unwrap().map(|entry| entry.unwrap().path());
        let ending = format!(".{number}.json");
        let mut mine = all.filter(|path| path.to_string_lossy().ends_with(&ending));
        let manifest = headwater_repo::Manifest::parse(&fs::read(mine.next().unwrap()).unwrap()).unwrap();
        path.join(headwater_repo::layout::blob(&manifest.files[0].body.sha256))
    });
    let deltas = ["repo", "deltas", "public", "--keys", "keys", "rules"];
    fs::rename(&bodies[0], here.join("first")).unwrap();
    fs::create_dir(&bodies[0]).unwrap();
    let standing = headwater(here, &deltas);
    assert!(
        standing.exit == 0 && standing.stderr.contains("a body of base, is not there"),
        "a folder in its place is no body: {standing:?}"
    );
    fs::remove_dir(&bodies[0]).unwrap();
    fs::write(&bodies[0], "damaged").unwrap();
    fs::remove_file(&bodies[1]).unwrap();
    let standing = json(here, &[&deltas[..], &["--deltas", "0"]].concat());
    assert_eq!(standing["deltas"], 2, "those made before it joined: {standing}");
    let went_on = headwater(here, &deltas);
    assert!(went_on.exit == 0 && went_on.stderr.contains("a body of base, is not what was"), "{went_on:?}");
    fs::remove_file(&bodies[0]).unwrap();
    let went_on = headwater(here, &deltas);
    assert!(went_on.exit == 0 && went_on.stderr.contains("a body of base, is not there"), "{went_on:?}");
    fs::rename(here.join("first"), &bodies[0]).unwrap();
    assert_eq!(json(here, &deltas)["deltas"], 3, "it is there again");
}

/// Half a body, of a run that was killed while it wrote, is served for ever if nobody removes it.
#[test]
fn what_a_killed_run_left_half_written_is_removed_by_the_next() {
    let folder = repository();
    let here = folder.path().join("public/components");
    let left = [
        "blobs/.tmp-1-1-x",
        "metadata/.tmp-1-1-x",
        "targets/.tmp-1-1-x",
        "targets/rules/.tmp-1-1-x",
        ".work-x1/new/1",
    ];
    for command in ["publish public rules --name rules --version 1.2", "deltas public rules"] {
        for path in left {
            fs::create_dir_all(here.join(path).parent().unwrap()).unwrap();
            fs::write(here.join(path), "half").unwrap();
        }
        let command = format!("repo {command} --keys keys");
        done(folder.path(), &command.split(' ').collect::<Vec<_>>());
        assert_eq!(left.map(|path| here.join(path).exists()), [false; 5], "{command}");
    }
    done(folder.path(), &["repo", "verify", "public"]);
}

/// Nothing is packed that cannot be signed.
#[test]
fn keys_of_another_repository_are_refused_before_anything_is_made() {
    let folder = repository();
    let here = folder.path();
    done(here, &["repo", "init", "other", "--keys", "other-keys"]);
    fs::write(here.join("rules/base"), "rules of 1.2\n".repeat(1000)).unwrap();
    let blobs = || fs::read_dir(here.join("public/components/blobs")).unwrap().count();
    let before = blobs();
    for command in ["publish public rules --version 1.2 --name rules", "deltas public rules"] {
        let command = format!("repo {command} --keys other-keys");
        let ran = headwater(here, &command.split(' ').collect::<Vec<_>>());
        assert!(ran.exit == 1 && ran.stderr.contains("copy the targets key"), "{ran:?}");
    }
    assert_eq!(blobs(), before, "nothing was packed");
}

#[test]
fn a_release_is_published_with_deltas_from_those_before() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    done(here, &["repo", "init", "public", "--keys", "keys"]);
    fs::create_dir(here.join("rules")).unwrap();
    let publish = |number: usize, deltas: &str| {
        fs::write(here.join("rules/base"), rules(number)).unwrap();
        let version = number.to_string();
        done(here, &publication(&version, &["--deltas", deltas]));
    };
    let manifest = |number: usize| -> headwater_repo::Manifest {
        let targets = here.join("public/components/targets/rules");
        let ending = format!(".{number}.json");
        let all = fs::read_dir(targets).unwrap().map(|entry| entry.unwrap().path());
        let mine = all.filter(|path| path.to_string_lossy().ends_with(&ending));
        let newest = mine.max_by_key(|path| fs::metadata(path).unwrap().modified().unwrap()).unwrap();
        headwater_repo::Manifest::parse(&fs::read(newest).unwrap()).unwrap()
    };
    for number in 1..=4 {
        publish(number, "14");
    }
    let current = manifest(4);
    let paths = headwater_repo::DeltaPaths::of(&current);
    for number in 1..=3 {
        let had = headwater_repo::Digest::of(rules(number).as_bytes());
        let file = &current.files[0];
        let path =
            paths.cheapest(&file.sha256, file.body.size, &|base| *base == had, &|made| Some(made.size));
        assert!(path.expect("a path from every release").cost < file.body.size / 5, "{number}");
    }
    assert!(!manifest(3).has_deltas(), "only the current release names deltas");
    publish(5, "1");
    let next = manifest(5);
    assert_eq!(next.files[0].deltas.len(), 1, "straight from one, over it from the others");
    assert!(!next.intermediates.is_empty());
    publish(6, "0");
    assert!(!manifest(6).has_deltas());
    assert_eq!(json(here, &["repo", "verify", "public"])["problems"], serde_json::json!([]));
    let refused = headwater(here, &publication("7", &["--deltas", "15"]));
    assert_eq!(refused.exit, 2);
}
