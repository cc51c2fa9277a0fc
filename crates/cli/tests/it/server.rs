//! The commands against a server that runs: what an administrator does in a day.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use headwater_client::{Config, RunOptions, run_once};
use serde_json::{Value, json};

use crate::run::{Ran, headwater};

/// A server of its own, with a folder to work in; ends with the test.
pub struct World {
    folder: tempfile::TempDir,
    server: Child,
    console: String,
    first_password: String,
}

impl World {
    pub fn new() -> Self {
        Self::with_console("127.0.0.1:0")
    }

    /// One whose console listens there.
    pub fn with_console(listen: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut server = Command::new(env!("CARGO_BIN_EXE_headwater"))
            .args([
                "server",
                "--data",
                "data",
                "--fleet-listen",
                "127.0.0.1:0",
                "--console-listen",
                listen,
                "--json",
            ])
            .current_dir(folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut events = BufReader::new(server.stdout.as_mut().unwrap());
        events.read_line(&mut line).unwrap();
        let event: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(event["event"], "listening");
        let console = event["console"].as_str().unwrap().trim_end_matches('/').to_owned();
        line.clear();
        events.read_line(&mut line).unwrap();
        let event: Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&event["event"], &event["name"]), (&"first_password".into(), &"admin".into()));
        let first_password = event["password"].as_str().unwrap().to_owned();
        Self { folder, server, console, first_password }
    }

    /// URL of its console listener.
    pub fn console(&self) -> String {
        self.console.clone()
    }

    /// The password that its first start printed.
    pub fn first_password(&self) -> String {
        self.first_password.clone()
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn run(&self, command: &str) -> Ran {
        let arguments: Vec<&str> =
            command.split_whitespace().chain(["--server", "unix:data/console.sock"]).collect();
        headwater(self.path(), &arguments)
    }

    pub fn json(&self, command: &str) -> Value {
        let ran = self.run(&format!("{command} --json"));
        assert_eq!(ran.exit, 0, "{command}: {ran:?}");
        serde_json::from_str(&ran.stdout).unwrap()
    }

    /// A client enrols and runs once.
    pub fn client(&self, id: &str, address: &str) {
        self.check(&format!("clients enrol-bundle --client {id} --out {id}.json"), 0, &[id]);
        let config = Config::new(self.path().join(id), id).unwrap();
        let config = Config {
            bundle: Some(self.path().join(format!("{id}.json"))),
            addresses: Some(vec![address.parse().unwrap()]),
            ..config
        };
        headwater_depot::http::install_tls_provider();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(run_once(&config, &RunOptions::default())).unwrap();
    }

    /// Expects the exit code, and the words on stdout or stderr.
    pub fn check(&self, command: &str, exit: i32, words: &[&str]) {
        let ran = self.run(command);
        assert_eq!(ran.exit, exit, "{command}: {ran:?}");
        for word in words {
            assert!(
                ran.stdout.contains(word) || ran.stderr.contains(word),
                "{command}: no `{word}` in {ran:?}"
            );
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[test]
fn releases_are_published_listed_and_rolled_back() {
    let world = World::new();
    fs::create_dir(world.path().join("rules")).unwrap();
    for version in ["1.0", "1.1"] {
        fs::write(world.path().join("rules/base"), version).unwrap();
        world.check(
            &format!("publish rules --name rules --version {version}"),
            0,
            &["published rules", "next: clients install it"],
        );
    }
    world.check("publish rules --name rules --version 1.1", 0, &["is published already", "same content"]);
    fs::write(world.path().join("rules/base"), "other").unwrap();
    world.check("publish rules --name rules --version 1.1", 1, &["exists already"]);
    world.check("publish rules --name Rules", 2, &["Rules"]);
    world.check("releases list", 0, &["rules", "1.1", "here"]);
    world.check("releases rollback rules --to 1.0", 0, &["withdrawn", "current"]);
    world.check("publish rules --name rules --version 1.1", 1, &["withdrawn", "under another version"]);
    world.check("releases rollback rules --to 9", 2, &["no release `9`", "1.1, 1.0"]);
    assert_eq!(world.json("releases show rules")["current"], json!(1));
    world.check("publish rules --name tool --program --version 1", 0, &["of programs"]);
    fs::write(world.path().join("rules.tar.xz"), "packed").unwrap();
    world.check(
        "publish rules.tar.xz --name packed",
        0,
        &["(1 file,", "only tar, tar.gz and zip are unpacked"],
    );
    world.check("releases show tool", 2, &["tool"]);
    world.check("releases remove packed", 0, &["packed is no longer published", "clients keep"]);
    world.check("releases remove packed", 2, &["packed"]);
}

#[test]
fn the_list_of_releases_tells_how_far_deltas_are() {
    let world = World::new();
    let publish = |name: &str, version: &str, content: &[u8]| {
        fs::create_dir_all(world.path().join(name)).unwrap();
        fs::write(world.path().join(name).join("base"), content).unwrap();
        world.check(&format!("publish {name} --name {name} --version {version}"), 0, &["published"]);
    };
    let standing = |name: &str| {
        let listed = world.json("releases list");
        let item = listed["items"].as_array().unwrap().iter().find(|item| item["name"] == name).cloned();
        item.unwrap()["deltas_standing"].clone()
    };
    // Each look takes a process: no time is waited for.
    let wait = |name: &str, expected: Value| {
        let mut last = Value::Null;
        for _ in 0..2_000 {
            last = standing(name);
            if last == expected {
                return;
            }
        }
        panic!("{name} is {last}, not {expected}");
    };
    world.check("deltas pause", 0, &[]);
    publish("broken", "1", &noise(1));
    publish("broken", "2", &[b"new", &noise(1)[..]].concat());
    spoil(&world.path().join("data/repository/components/blobs"));
    publish("large", "1", &noise(2));
    assert_eq!(standing("large"), json!({"state": "none", "made": 0, "missing": 0}));
    publish("large", "2", &[b"new", &noise(2)[..]].concat());
    assert_eq!(standing("large"), json!({"state": "queued", "made": 0, "missing": 1}));
    world.check("releases list", 0, &["DELTAS", "0 made, 1 queued"]);
    publish("unlike", "1", &noise(3));
    publish("unlike", "2", &noise(4));
    world.check("deltas resume", 0, &[]);
    wait("large", json!({"state": "made", "made": 1, "missing": 0}));
    wait("unlike", json!({"state": "none_smaller", "made": 0, "missing": 0}));
    // What is spoiled is not here any more: nothing is to be made of it.
    wait("broken", json!({"state": "failed", "made": 0, "missing": 0}));
    world.check("releases list", 0, &["1 made", "none is smaller", "failed", "`headwater status` shows why"]);
    let widest = world.run("releases list").stdout.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(100), "{widest:?}");
}

/// What cannot be packed any smaller, and has nothing in common with that of another seed.
fn noise(seed: u64) -> Vec<u8> {
    let next = |state: &u64| {
        Some(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407))
    };
    std::iter::successors(Some(seed), next).skip(8).take(20_000).map(|state| (state >> 56) as u8).collect()
}

/// Every file under `folder` is something else, of as many bytes.
fn spoil(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            spoil(&path);
        } else {
            // Published files may be links to one another: the name is given to another file.
            let size = fs::metadata(&path).unwrap().len();
            fs::remove_file(&path).unwrap();
            fs::write(&path, vec![0; size as usize]).unwrap();
        }
    }
}

#[test]
fn the_list_is_edited_in_a_draft_and_published_by_save() {
    let world = World::new();
    world.check("sources mode customized", 0, &["not saved yet", "next: `headwater sources preview`"]);
    world.check(
        "sources add --ipv4 10.1.0.0-10.1.255.255 --url http://a.example --no-check",
        0,
        &["http://a.example"],
    );
    world.check(
        "sources add --ipv6 2001:DB8::/32 --url http://b.example --classes components --at 1 --no-check",
        0,
        &["2001:db8::/32"],
    );
    world.check("sources move 2 --up", 0, &["not saved"]);
    world.check("sources edit 1 --ipv6 2001:db8:1::/48", 0, &["2001:db8:1::/48"]);
    world.check("sources options --server-fallback-programs off", 0, &["programs off"]);
    world.check("sources find 10.1.7.7", 0, &["http://a.example"]);
    world.check("sources list --saved", 0, &["mode standard"]);
    world.check("sources save --comment first", 0, &["saved and signed as version 2"]);
    world.check("sources save", 0, &["nothing was saved"]);
    world.check("sources history", 0, &["first"]);
    world.check(
        "sources explain --address 10.1.7.7 --saved",
        0,
        &["http://a.example", "entry", "does not apply"],
    );
    world.check("sources explain --address 10.9.9.9", 0, &["unserved", "--server-fallback-programs on"]);
    world.check("sources remove 2 1", 0, &["no entries"]);
    world.check("sources diff", 0, &["removed"]);
    world.check("sources discard", 0, &["discarded"]);
    assert_eq!(world.json("sources list")["policy"]["entries"].as_array().unwrap().len(), 2);
    world.check(
        "sources restore 1",
        0,
        &["plans change for", "next: `headwater sources restore 1 --over-version 2`"],
    );
    world.check("sources restore 1 --over-version 1", 1, &["not 1"]);
    world.check("sources restore 1 --over-version 2", 0, &["saved and signed as version 3"]);
    assert_eq!(world.json("sources list --saved")["policy"]["mode"], "standard");
}

#[test]
fn what_is_exported_is_imported_the_same() {
    let world = World::new();
    world.check("sources add --ipv4 10.1.0.0-10.1.255.255 --ipv6 2001:db8:1::/48 --url http://a.example --classes components,programs --no-check", 0, &[]);
    world.check("sources add --ipv6 2001:db8::/32 --url http://b.example --no-check", 0, &[]);
    let before = world.json("sources list")["policy"].clone();
    for file in ["list.csv", "list.json"] {
        world.check(&format!("sources export --out {file}"), 0, &["wrote 2 entries"]);
        world.check("sources remove 1 2", 0, &[]);
        world.check(&format!("sources import {file}"), 0, &["http://a.example"]);
        assert_eq!(world.json("sources list")["policy"], before, "{file}");
    }
    assert_eq!(world.json("sources export"), before);
}

#[test]
fn refused_edits_leave_the_draft_as_it_was() {
    let world = World::new();
    world.check("sources add --ipv4 10.1.0.1 --url http://a.example --no-check", 0, &[]);
    let before = world.json("sources list");
    world.check("sources add --ipv4 10.1.0.9-10.1.0.1 --url http://a.example --no-check", 2, &["reversed"]);
    world.check("sources add --ipv4 10.1.0.1 --url ftp://a.example", 2, &["ftp"]);
    world.check("sources edit 7 --vendor", 2, &["no entry 7", "sources list"]);
    world.check("sources remove 1 7", 2, &["no entry 7"]);
    world.check("sources mode both", 2, &["both"]);
    world.check("sources options --vendor-fallback sometimes", 2, &["sometimes"]);
    fs::write(
        world.path().join("two.csv"),
        "ipv4,ipv6,source,classes\n10.0.0.9-10.0.0.1,,http://a,\n,x,http://b,\n",
    )
    .unwrap();
    world.check("sources import two.csv", 2, &["entry 1", "entry 2"]);
    let after = world.json("sources list");
    assert_eq!((&after["policy"], &after["revision"]), (&before["policy"], &before["revision"]));
}

#[test]
fn two_drafts_do_not_overwrite_each_other() {
    let world = World::new();
    for draft in ["ann", "bob"] {
        world.check(
            &format!("sources add --ipv4 10.1.0.1 --url http://{draft}.example --draft {draft} --no-check"),
            0,
            &[&format!("--draft {draft}")],
        );
    }
    world.check("sources save --draft ann", 0, &["version 2"]);
    world.check("sources save --draft bob", 1, &["ann.example", "--over-version 2"]);
    world.check("sources save --draft bob --over-version 2", 0, &["version 3"]);
}

#[test]
fn domains_and_their_settings() {
    let world = World::new();
    world.check("domains add root/paris", 0, &["added root/paris"]);
    world.check(
        "domains settings set root poll_interval_minutes=15 --save",
        0,
        &["version 2 of root", "set to 15", "clients of root, root/paris"],
    );
    world.check("domains settings get root", 0, &["set here", "settings version 2"]);
    world.check("domains settings get root/paris", 0, &["15", "from above"]);
    world.check("domains settings get root", 0, &["default"]);
    world.check("domains settings set root/paris poll_interval_minutes=0", 2, &["poll_interval_minutes"]);
    world.check(
        "domains settings set root/paris --unset poll_interval_minutes --save",
        0,
        &["nothing was saved"],
    );
    world.check("domains remove root/paris", 0, &["removed"]);
    world.check("domains remove root", 2, &["root"]);
}

#[test]
fn settings_are_edited_in_a_draft_and_published_by_save() {
    let world = World::new();
    world.check("domains add root/paris", 0, &[]);
    let set = "domains settings set root/paris";
    world.check(
        &format!("{set} poll_interval_minutes=15"),
        0,
        &["not saved yet", "set to 15", "settings save root/paris`"],
    );
    world.check(&format!("{set} --value level=3"), 0, &["poll_interval_minutes", "value level set to 3"]);
    world.check(
        "domains settings get root/paris",
        0,
        &["60", "not saved yet: draft default", "diff root/paris"],
    );
    world.check("domains list", 0, &["UNSAVED DRAFTS", "default"]);
    world.check("domains remove root/paris", 1, &["1 unsaved drafts", "discard"]);
    world.check("domains settings diff root/paris", 0, &["value level set to 3"]);
    world.check("domains settings drafts root/paris", 0, &["default"]);
    world.check(
        "domains settings save root/paris --comment first",
        0,
        &["saved as version 2 of root/paris", "clients of root/paris"],
    );
    world.check("domains settings save root/paris", 0, &["nothing was saved"]);
    world.check(&format!("{set} poll_interval_minutes=5"), 0, &["15 became 5"]);
    world.check("domains settings discard root/paris", 0, &["discarded draft default of root/paris"]);
    world.check("domains settings discard root/paris", 2, &["draft default of root/paris does not exist"]);
    world.check("domains settings history root/paris", 0, &["first", "domain added"]);
    world.check(
        "domains settings get root/paris --version 2",
        0,
        &["version 2", "first", "15", "value level"],
    );
    world.check("domains settings get root/paris --version 9", 2, &["9 of root/paris", "history"]);
    world.check("domains settings diff root/paris 1 2", 0, &["set to 15"]);
    world.check(
        "domains settings restore root/paris 1",
        0,
        &["cleared, was 15", "restore root/paris 1 --over-version 2`"],
    );
    let restore = "domains settings restore root/paris 1 --over-version 2";
    world.check(restore, 0, &["version 3 of root/paris", "cleared, was 15"]);
    let domain = world.json("domains settings get root/paris");
    assert_eq!((&domain["saved_version"], &domain["settings"]), (&json!(3), &json!({})));
}

#[test]
fn two_drafts_of_a_domain_do_not_overwrite_each_other() {
    let world = World::new();
    let set = "domains settings set root";
    world.check(&format!("{set} poll_interval_minutes=5 --draft ann"), 0, &["save root --draft ann"]);
    world.check(&format!("{set} poll_interval_minutes=7"), 0, &[]);
    world.check("domains settings save root --draft ann", 0, &["version 2"]);
    world.check(
        "domains settings save root",
        1,
        &["set to 5", "save root --over-version 2", "discard root`"],
    );
    world.check("domains settings save root --over-version 2", 0, &["version 3", "5 became 7"]);
    // In one step.
    let at_once = format!("{set} idle_timeout_seconds=9 --save");
    world.check(&format!("{at_once} --base-version 2"), 1, &["5 became 7", "--base-version 3"]);
    world.check(&format!("{set} connect_timeout_seconds=9 --draft ann"), 0, &[]);
    world.check(&at_once, 0, &["version 4", "without this change: ann"]);
    world.check("domains settings save root --draft ann", 1, &["save root --draft ann --over-version 4"]);
}

#[test]
fn who_may_enrol() {
    let world = World::new();
    world.check("clients tokens", 0, &["no valid enrolment tokens", "enrol-bundle"]);
    world.check("domains add root/paris", 0, &["added root/paris"]);
    world.check(
        "clients enrol-bundle --domain root/paris --uses 40 --expires 2d --out b.json",
        0,
        &[
            "wrote b.json for 40 clients of root/paris, until",
            "like a password",
            "headwater-client enrol b.json",
        ],
    );
    let bundle = world.path().join("b.json");
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&bundle).unwrap());
    assert_eq!(mode & 0o777, 0o600, "it holds a secret");
    let bundle: serde_json::Value = serde_json::from_slice(&std::fs::read(&bundle).unwrap()).unwrap();
    let token = bundle["token"].as_str().unwrap();
    assert!(token.starts_with("hwt_"), "{token}");
    world.check("clients tokens", 0, &["root/paris", "40 of 40", "any"]);
    world.check("clients revoke-token 1", 0, &["revoked token 1"]);
    world.check("clients revoke-token 1", 2, &["enrolment token 1 does not exist"]);
    world.check("clients enrol-bundle --domain root/oslo --out c.json", 2, &["root/oslo"]);
    world.check("clients enrol-bundle --uses 0 --out c.json", 2, &["uses: 0"]);
    world.check("clients enrol-bundle --expires 2y --out c.json", 2, &["--expires"]);
    world.check("clients enrol-bundle --client pc-1 --uses 2 --out c.json", 2, &["--uses", "--client"]);
    world.check("clients unknown", 0, &["no unknown client has contacted"]);
    world.check("clients revoke pc-1", 2, &["pc-1"]);
}

#[test]
fn who_is_not_known_is_named() {
    let world = World::new();
    for command in [
        "clients show pc-9",
        "clients remove pc-9",
        "clients move pc-9 --domain root",
        "update-agents give pc-9",
        "update-agents take pc-9",
        "sources explain --client pc-9",
    ] {
        world.check(command, 2, &["pc-9"]);
    }
    world.check("vendor show", 2, &["no vendor source"]);
    world.check("update-agents give --domain root", 2, &["root"]);
}

#[test]
fn an_entry_whose_update_agent_lost_the_role_is_shown_as_broken() {
    let world = World::new();
    world.client("ua-paris", "10.1.0.5");
    world.check("clients show ua-paris", 0, &["certificate until", "1 arrived of 1 made"]);
    world.check("update-agents give ua-paris", 0, &["ua-paris"]);
    world.check("sources add --ipv4 10.1.0.0-10.1.0.255 --update-agent ua-paris", 0, &["as it shares"]);
    world.check("sources save", 0, &["saved and signed"]);
    world.check("update-agents take ua-paris", 1, &["--force"]);
    world.check("update-agents take ua-paris --force", 0, &["nothing: broken"]);
    world.check("sources list", 0, &["broken: it is no update agent"]);
    world.check(
        "sources --draft mine add --ipv4 10.0.0.1 --update-agent absent",
        0,
        &["cannot be saved yet: entry 2"],
    );
}
