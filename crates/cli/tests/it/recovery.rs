//! docs/recovery.md, line by line, with clients of several ages that continue to update (I2).

mod killed;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use headwater_client::{Config, RunOptions, Trigger, run_once};
use serde_json::Value;

use crate::run::{Ran, headwater};

const FLEET: &str = "127.0.0.1:0";

/// An organisation in a folder: a server that comes and goes, and clients.
struct World {
    folder: tempfile::TempDir,
    server: Option<Child>,
    console: String,
    fleet: String,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut world = Self { folder, server: None, console: String::new(), fleet: FLEET.to_owned() };
        for (path, text) in
            [("etc/backup-passphrase", "passphrase of backups"), ("root-pass", "passphrase of roots")]
        {
            let path = world.path(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("{text}\n")).unwrap();
        }
        fs::create_dir(world.path("backup")).unwrap();
        world.start();
        world
    }

    fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    /// Starts the server where it was before.
    fn start(&mut self) {
        let mut server = Command::new(env!("CARGO_BIN_EXE_headwater"))
            .args(["server", "--data", "data", "--console-listen", "127.0.0.1:0", "--json", "--fleet-listen"])
            .arg(&self.fleet)
            .current_dir(self.folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(server.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let event: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        self.console = format!("unix:{}", self.path("data/console.sock").display());
        let url = event["fleet"].as_str().unwrap();
        self.fleet = url[url.find("//").unwrap() + 2..].trim_end_matches('/').to_owned();
        self.server = Some(server);
    }

    /// The machine is lost, with everything on it.
    fn lose(&mut self) {
        let mut server = self.server.take().unwrap();
        server.kill().unwrap();
        server.wait().unwrap();
        fs::remove_dir_all(self.path("data")).unwrap();
    }

    /// Stops the server as a service manager does: its database is one file then.
    fn end(&mut self) {
        let mut server = self.server.take().unwrap();
        let id = rustix::process::Pid::from_child(&server);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        server.wait().unwrap();
    }

    fn run(&self, command: &str) -> Ran {
        let arguments: Vec<&str> = command.split_whitespace().collect();
        headwater_at(self.folder.path(), &self.console, &arguments)
    }

    fn ok(&self, command: &str) {
        let ran = self.run(command);
        assert_eq!(ran.exit, 0, "{command}: {ran:?}");
    }

    /// Runs the commands under a heading of docs/recovery.md, on the folders of this world.
    fn follow(&mut self, heading: &str) {
        let text =
            fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/recovery.md")).unwrap();
        let section = text.split("\n## ").find(|section| section.starts_with(heading)).unwrap();
        let mut in_block = false;
        for line in section.lines() {
            if line.starts_with("```") {
                in_block = line == "```sh";
                continue;
            }
            let Some(command) = line.strip_prefix("headwater ").filter(|_| in_block) else { continue };
            let mut command = command
                .replace("/var/lib/headwater", "data")
                .replace("/mnt/backup", "backup")
                .replace("/etc/headwater", "etc")
                .replace("/media/stick/", "");
            if command.starts_with("server ") {
                self.start();
                continue;
            }
            if command.contains("--root-keys") || command.starts_with("keys init") {
                command.push_str(" --passphrase-file root-pass");
            }
            self.ok(&command);
        }
    }

    fn publish(&self, version: &str) {
        fs::create_dir_all(self.path("rules")).unwrap();
        fs::write(self.path("rules/base"), format!("rules {version}")).unwrap();
        self.ok(&format!("publish rules --name rules --version {version}"));
    }

    /// Writes a bundle of the server as it is now, for a client that enrols at its first run.
    fn enrol(&self, id: &str) {
        self.ok(&format!("clients enrol-bundle --domain root --out {id}.bundle"));
    }

    /// The first release is published and taken by some clients; another has its bundle and has never run.
    fn begin(&self, clients: &[&str], never_ran: &str) {
        self.enrol(never_ran);
        clients.iter().for_each(|id| self.enrol(id));
        self.publish("1");
        for id in clients {
            assert_eq!(self.update(id), "rules 1", "{id}");
        }
    }

    /// Updates a client. Returns the rules that it then has.
    fn update(&self, id: &str) -> String {
        let report = self.run_client(id);
        let results: BTreeMap<&str, &str> = report["classes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|class| (class["class"].as_str().unwrap(), class["result"].as_str().unwrap()))
            .collect();
        for (class, result) in results {
            assert!(["updated", "current"].contains(&result), "{id} {class}: {report}");
        }
        fs::read_to_string(self.path(&format!("clients/{id}/components/rules/current/base")))
            .unwrap_or_default()
    }

    fn run_client(&self, id: &str) -> Value {
        let config = Config::new(self.path(&format!("clients/{id}")), id).unwrap();
        let config = Config {
            bundle: Some(self.path(&format!("{id}.bundle"))),
            addresses: Some(vec!["127.0.0.1".parse().unwrap()]),
            ..config
        };
        headwater_depot::http::install_tls_provider();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        // As `headwater-client update` does: a person who asks again does not have to wait.
        let options = RunOptions { trigger: Trigger::Person, ..RunOptions::default() };
        let report = runtime.block_on(run_once(&config, &options)).unwrap();
        serde_json::to_value(report).unwrap()
    }

    /// The version of the signed policy that a client has.
    fn policy(&self, id: &str) -> u64 {
        let state = fs::read(self.path(&format!("clients/{id}/state.json"))).unwrap();
        let state: Value = serde_json::from_slice(&state).unwrap();
        state["policy"]["version"].as_u64().unwrap()
    }

    fn save_a_list(&self, network: u8) {
        let range = format!("10.{network}.0.0-10.{network}.0.9");
        self.ok(&format!("sources add --ipv4 {range} --url http://mirror{network}.invalid/hw --no-check"));
        let saved = self.run("sources save");
        assert_eq!(saved.exit, 0, "{saved:?}");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

fn headwater_at(folder: &Path, console: &str, arguments: &[&str]) -> Ran {
    let ran = Command::new(env!("CARGO_BIN_EXE_headwater"))
        .args(arguments)
        .current_dir(folder)
        .env("HEADWATER_SERVER", console)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Ran {
        exit: ran.status.code().unwrap(),
        stdout: String::from_utf8(ran.stdout).unwrap(),
        stderr: String::from_utf8(ran.stderr).unwrap(),
    }
}

/// A server with a backup, after which it went on: clients have seen what the backup does not know.
fn lost() -> World {
    let mut world = World::new();
    world.begin(&["eldest", "seen"], "never");
    world.follow("Before anything happens");
    for version in ["2", "3"] {
        world.publish(version);
    }
    world.save_a_list(1);
    world.save_a_list(2);
    // A change of keys that the backup does not know of; its roots are kept beside the root keys.
    world.follow("One online key is stolen");
    world.publish("4");
    assert_eq!(world.update("seen"), "rules 4");
    assert!(world.policy("seen") >= 3);
    world.lose();
    world
}

fn all_follow(world: &World) {
    let before = world.policy("seen");
    // As it was installed: no client goes back.
    assert_eq!(world.update("seen"), "rules 4");
    assert!(world.policy("seen") > before, "the restored policy overtakes the lost one");
    world.publish("5");
    world.save_a_list(3);
    world.enrol("new");
    for id in ["eldest", "seen", "never", "new"] {
        assert_eq!(world.update(id), "rules 5", "{id}");
    }
    let shown = world.run("keys show --json");
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    // Its first root, that of the offline key, that of the change after the backup, the restored one.
    assert_eq!(shown["repositories"][2]["root_version"], 4, "{shown}");
    assert_eq!(shown["to_do"], serde_json::json!([]));
}

/// A file of last night beside what was published since: nothing is signed over it, and clients follow what is adopted.
#[test]
fn an_older_database_is_adopted_and_clients_follow() {
    let mut world = World::new();
    world.begin(&["eldest", "seen"], "never");
    world.end();
    fs::copy(world.path("data/server.db"), world.path("backup/server.db")).unwrap();
    world.start();
    world.publish("2");
    world.save_a_list(1);
    assert_eq!(world.update("seen"), "rules 2");
    world.end();
    fs::copy(world.path("backup/server.db"), world.path("data/server.db")).unwrap();
    world.start();

    let status = world.run("status");
    let words = "signing is stopped: the database and the repositories are of different times";
    assert!(status.stdout.starts_with("FAILED since") && status.stdout.contains(words), "{status:?}");
    fs::write(world.path("rules/base"), "another 2").unwrap();
    let refused = world.run("publish rules --name rules --version 2b");
    assert!(refused.exit == 1 && refused.stderr.contains(words), "{refused:?}");
    // What verifies goes on being served.
    assert_eq!(world.update("eldest"), "rules 2");

    world.follow("Database and repositories are of different times");
    assert_eq!(world.update("seen"), "rules 2");
    let listed = world.run("sources list");
    assert!(listed.stdout.contains("mirror1.invalid"), "the signed list was adopted: {listed:?}");
    world.publish("3");
    for id in ["eldest", "seen", "never"] {
        assert_eq!(world.update(id), "rules 3", "{id}");
    }
}

#[test]
fn a_lost_server_is_restored_and_clients_of_all_ages_follow() {
    let mut world = lost();
    world.follow("The machine is lost");
    // Were it stolen, its CA would go, too.
    world.ok("keys rotate ca");
    all_follow(&world);
    // And once more from the same old backup: it overtakes the first restore as well.
    world.lose();
    world.follow("The machine is lost");
    world.publish("6");
    for id in ["eldest", "seen"] {
        assert_eq!(world.update(id), "rules 6", "{id}");
    }
    // A client that enrolled after the backup is unknown to it, and proves that the lost server knew it.
    let key = fs::read(world.path("clients/new/identity/key.pem")).unwrap();
    for id in ["new", "never"] {
        let refused = world.run_client(id);
        assert!(
            refused["warnings"].to_string().contains(&format!("headwater clients re-enrol {id}")),
            "{refused}"
        );
    }
    world.follow("Clients that enrolled after the backup");
    assert_eq!(world.update("new"), "rules 6");
    assert_eq!(fs::read(world.path("clients/new/identity/key.pem")).unwrap(), key);

    // As if it had been stolen: its keys are useless, and all clients continue.
    world.follow("The server was stolen");
    world.publish("7");
    for id in ["eldest", "seen", "never", "new"] {
        assert_eq!(world.update(id), "rules 7", "{id}");
    }
    let policy = fs::read_to_string(world.path("clients/new/state.json")).unwrap();
    let policy: Value = serde_json::from_str(&policy).unwrap();
    assert_eq!(policy["policy"]["fleet"]["ca"].as_array().map(Vec::len), Some(1));
}

#[test]
fn holders_elsewhere_restore_a_lost_server() {
    let mut world = lost();
    world.follow("The root keys are elsewhere");
    all_follow(&world);
}

#[test]
fn what_cannot_be_restored_is_refused_and_leaves_nothing() {
    let world = lost();
    let refused = |command: &str, exit: i32, word: &str| {
        let ran = world.run(command);
        assert_eq!(ran.exit, exit, "{command}: {ran:?}");
        assert!(ran.stderr.contains(word), "{command}: no {word:?} in {}", ran.stderr);
        assert!(!world.path("data").exists(), "{command}");
    };
    let restore = "restore backup/headwater.tar --data data";
    let with_pass = format!("{restore} --keys-passphrase-file etc/backup-passphrase");
    let roots = "--root-keys root-keys --passphrase-file root-pass";
    refused(&format!("{restore} {roots}"), 2, "it needs its passphrase");
    refused(&format!("{restore} --keys-passphrase-file root-pass {roots}"), 2, "passphrase is wrong");
    refused(&with_pass, 1, "1 of its keys, and 0");
    refused(
        &format!("{with_pass} --root-keys root-keys --passphrase-file etc/backup-passphrase"),
        2,
        "passphrase is wrong",
    );
    refused(&format!("{with_pass} --signed-root none.json {roots}"), 1, "no restore waits");

    // A draft that does not know of the newest root is not signed: its keys have overtaken it.
    world.ok(&format!("{with_pass} --export-root stale.json"));
    refused(&format!("{with_pass} {roots}"), 1, "waits for signed roots");
    refused(&format!("keys sign-root stale.json {roots}"), 1, "have signed another root 3");
    refused(&format!("{restore} --signed-root stale.json"), 1, "1 of its keys, and 0");
    fs::remove_dir_all(world.path("data.restoring")).unwrap();

    let whole = fs::read(world.path("backup/headwater.tar")).unwrap();
    let damage = |name: &str, bytes: &[u8]| {
        fs::write(world.path("backup/headwater.tar"), bytes).unwrap();
        let ran = world.run(&format!("{with_pass} {roots}"));
        assert_eq!(ran.exit, 1, "{name}: {ran:?}");
        assert!(!world.path("data").exists(), "{name}");
        ran.stderr
    };
    assert!(damage("cut", &whole[..whole.len() / 2 / 512 * 512]).contains("backup"));
    let mut changed = whole.clone();
    let policy = b"mirror1.invalid";
    assert!(
        !changed.windows(policy.len()).any(|window| window == policy),
        "the list was saved after the backup"
    );
    let at = changed.windows(5).position(|window| window == b"SQLit").unwrap() + 2000;
    changed[at] ^= 1;
    assert!(damage("changed", &changed).contains("not as listed"));
    fs::write(world.path("backup/headwater.tar"), &whole).unwrap();
    world.ok(&format!("{with_pass} {roots}"));
    let ran = world.run(&format!("{with_pass} {roots}"));
    assert!(ran.exit == 1 && ran.stderr.contains("is not empty"), "{ran:?}");
}

#[test]
fn a_backup_without_keys_needs_a_copy_of_them() {
    let mut world = World::new();
    world.enrol("pc");
    world.publish("1");
    assert_eq!(world.update("pc"), "rules 1");
    world.ok("keys init --out root-keys --passphrase-file root-pass");
    world.ok("backup --out backup/headwater.tar --without-keys --bodies");
    assert_eq!(world.update("pc"), "rules 1");
    let copy =
        Command::new("cp").arg("-r").arg(world.path("data/keys")).arg(world.path("keys-copy")).status();
    assert!(copy.unwrap().success());
    world.lose();
    let restore =
        "restore backup/headwater.tar --data data --root-keys root-keys --passphrase-file root-pass";
    let ran = world.run(restore);
    assert!(ran.exit == 1 && ran.stderr.contains("--keys"), "{ran:?}");
    world.ok(&format!("{restore} --keys keys-copy"));
    world.start();
    // The bodies came with it.
    world.enrol("new");
    assert_eq!((world.update("pc"), world.update("new")), ("rules 1".to_owned(), "rules 1".to_owned()));
}

#[test]
fn a_backup_that_cannot_be_made_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(headwater(folder.path(), &["backup", "--out", "x", "--without-keys"]).exit, 1);
    assert_eq!(
        headwater(folder.path(), &["backup", "--out", "x"]).exit,
        2,
        "with the keys or without: it is reported"
    );
    assert!(!folder.path().join("x").exists());
}

#[test]
fn revocations_of_after_the_backup_come_from_a_copy_of_the_policy() {
    let mut world = World::new();
    world.begin(&["before", "stays"], "after");
    world.follow("Before anything happens");
    assert_eq!(world.update("after"), "rules 1");
    for id in ["before", "after"] {
        world.ok(&format!("clients revoke {id}"));
    }
    // What a mirror or an update agent holds.
    let copied =
        Command::new("cp").arg("-r").arg(world.path("data/repository")).arg(world.path("mirror")).status();
    assert!(copied.unwrap().success());
    let forged = Command::new("cp").arg("-r").arg(world.path("mirror")).arg(world.path("forged")).status();
    assert!(forged.unwrap().success());
    let targets =
        fs::read_dir(world.path("forged/policy/targets")).unwrap().map(|entry| entry.unwrap().path());
    for target in targets.filter(|path| path.is_file()) {
        let text = fs::read_to_string(&target).unwrap().replace(r#""client":"after""#, r#""client":"stays""#);
        fs::write(target, text).unwrap();
    }
    world.lose();
    let restore = "restore backup/headwater.tar --data data --keys-passphrase-file etc/backup-passphrase --root-keys \
                   root-keys --passphrase-file root-pass";
    let ran = world.run(&format!("{restore} --newer-roots forged"));
    assert!(ran.exit == 0 && ran.stderr.contains("cannot take revocations from forged"), "{ran:?}");
    assert!(ran.stderr.contains("repeat all changes made after"), "{ran:?}");
    fs::remove_dir_all(world.path("data")).unwrap();
    let ran = world.run(&format!("{restore} --newer-roots mirror"));
    assert!(ran.exit == 0 && ran.stdout.contains("before") && ran.stdout.contains("after"), "{ran:?}");
    world.start();
    world.publish("2");
    assert_eq!(world.update("stays"), "rules 2");
    for id in ["before", "after"] {
        let report = world.run_client(id);
        assert!(report["warnings"].to_string().contains("was revoked"), "{id}: {report}");
    }
    let ran = world.run("clients re-enrol after --domain root");
    assert!(ran.exit == 1 && ran.stdout.contains("was revoked or removed"), "{ran:?}");
    world.ok("clients enrol-bundle --domain root --uses 2 --out shared.bundle");
    for id in ["before", "after"] {
        let config = Config::new(world.path(&format!("again/{id}")), id).unwrap();
        let config = Config { bundle: Some(world.path("shared.bundle")), ..config };
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let refusal = runtime.block_on(headwater_client::enrol(&config)).unwrap_err().to_string();
        assert!(
            refusal.contains(&format!("client {id} was revoked")),
            "a shared bundle no longer admits them: {refusal}"
        );
    }
}
