//! SIGKILL while a client enrols, on either side: the next try works, the token is spent once for each client, and
//! each has one identity (I3). On loopback: nothing here needs hosts of its own.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use headwater_sim::limits::START_WAIT_MAX;
use headwater_sim::process::{self, Process};
use headwater_sim::wait;
use serde_json::Value;

/// Enrolments cut short, at as many moments, on each side.
const KILLS: usize = 20;

/// The bundle that they enrol with.
const BUNDLE: &str = "bundle.json";

/// Uses of the one token.
const USES: usize = 100;

/// A server that comes and goes, and the clients that enrol with one bundle.
struct World {
    folder: tempfile::TempDir,
    server: Option<Process>,
    fleet: String,
}

impl World {
    fn new() -> Result<Self> {
        let mut world = Self { folder: tempfile::tempdir()?, server: None, fleet: "127.0.0.1:0".to_owned() };
        world.start()?;
        world.headwater(&format!("clients enrol-bundle --domain root --uses {USES} --out bundle.json"))?;
        Ok(world)
    }

    fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    /// Starts the server where it was before; returns when it listens.
    fn start(&mut self) -> Result<()> {
        let listening = self.path("server/listening.json");
        let _ = fs::remove_file(&listening);
        let mut command = Command::new(process::program("headwater")?);
        command.args(["server", "--data", "server", "--console-listen", "127.0.0.1:0", "--fleet-listen"]);
        command.arg(&self.fleet).current_dir(self.folder.path());
        let mut server = Process::start("the server", command, &self.path("server.log"))?;
        let listening = wait::until("the server to listen", START_WAIT_MAX, || {
            server.check_running()?;
            Ok(fs::read(&listening).ok().and_then(|text| serde_json::from_slice::<Value>(&text).ok()))
        })?;
        let url = listening["fleet"].as_str().context("it says where")?;
        self.fleet = url.trim_start_matches("https://").trim_end_matches('/').to_owned();
        self.server = Some(server);
        Ok(())
    }

    fn headwater(&self, arguments: &str) -> Result<Value> {
        let mut command = Command::new(process::program("headwater")?);
        command.args(arguments.split(' ')).arg("--json").current_dir(self.folder.path());
        command.env("HEADWATER_DATA", self.path("server"));
        let ended = process::run("headwater", command, &self.path("headwater.log"))?;
        ensure!(ended.code == Some(0), "{arguments}: {}", process::tail(&self.path("headwater.log")));
        Ok(serde_json::from_str(&ended.stdout)?)
    }

    fn client(&self, words: &[&str], id: &str) -> Result<Command> {
        let mut command = Command::new(process::program("headwater-client")?);
        command.args(words).args(["--id", id, "--address", "127.0.0.1", "--json", "--data"]);
        command.arg(self.path(id)).current_dir(self.folder.path());
        Ok(command)
    }

    fn start_enrolment(&self, id: &str, bundle: &str) -> Result<Process> {
        Process::start(id, self.client(&["enrol", bundle], id)?, &self.path("clients.log"))
    }

    /// Enrols a client, whatever happened to it before.
    fn enrol(&self, id: &str, bundle: &str) -> Result<()> {
        let log = self.path("clients.log");
        let ended = process::run(id, self.client(&["enrol", bundle], id)?, &log)?;
        ensure!(ended.code == Some(0), "{id}: {}", process::tail(&log));
        Ok(())
    }

    fn status(&self, id: &str) -> Result<Value> {
        let ended = process::run(id, self.client(&["status"], id)?, &self.path("clients.log"))?;
        Ok(serde_json::from_str(&ended.stdout)?)
    }

    /// Uses of the token that are left.
    fn uses_left(&self) -> Result<usize> {
        let tokens = self.headwater("clients tokens")?;
        let left = tokens["items"][0]["uses_left"].as_u64().context("there is one token")?;
        Ok(usize::try_from(left)?)
    }

    /// What is in a client's identity folder, but for the mark of the machine: not every machine has an id.
    fn identity(&self, id: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(id).join("identity")).into_iter().flatten().flatten();
        let mut names: Vec<_> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.retain(|name| name != "machine.json");
        names.sort();
        names
    }

    /// What a crash left in a client's folder.
    fn temporaries(&self, id: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(id)).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| name.starts_with(".tmp-") && name.ends_with("-bundle.json")).collect()
    }

    /// Each client is enrolled once, with the key that it has; the token was spent once for each.
    fn check(&self, ids: &[String]) -> Result<()> {
        for id in ids {
            let known = self.headwater(&format!("clients show {id}"))?;
            let own = self.status(id)?;
            assert_eq!(known["identity"]["key"], own["identity"]["key"], "{id}");
            let update = process::run(id, self.client(&["update"], id)?, &self.path("clients.log"))?;
            assert_eq!(update.code, Some(0), "{id} is admitted: {}", update.stdout);
            assert_eq!(self.identity(id), ["certificate.pem", "encryption-key.pem", "key.pem"], "{id}");
            assert_eq!(self.temporaries(id), Vec::<String>::new(), "{id}");
        }
        let clients = self.headwater("clients list")?;
        assert_eq!(clients["items"].as_array().map(Vec::len), Some(ids.len()), "{clients}");
        assert_eq!(self.uses_left()?, USES - ids.len());
        let unknown = self.headwater("clients unknown")?;
        assert_eq!(unknown["items"], Value::Array(Vec::new()), "nobody else has asked");
        Ok(())
    }
}

/// What can be seen of an enrolment from outside, in its order.
const STATES: [fn(&Path) -> bool; 4] = [
    |client| client.join("bundle.json").exists(),
    |client| client.join("identity/key.pem").exists(),
    |client| client.join("identity/encryption-key.pem").exists(),
    |client| client.join("identity/certificate.pem").exists(),
];

/// Waits until the enrolment has come to the moment of a kill: one of the states, and a part of the time that the
/// rest takes.
fn come_to(client: &Path, enrolment: &mut Process, kill: usize, span: Duration) {
    let state = STATES[kill % STATES.len()];
    while !state(client) && !enrolment.has_ended() {
        std::thread::yield_now();
    }
    wait::pause(
        span * u32::try_from(kill / STATES.len()).unwrap_or(0)
            / u32::try_from(KILLS / STATES.len()).unwrap_or(1),
    );
}

/// Enrols the first client; returns the ids of those that are enrolled, and how long an enrolment takes from the keys on.
fn enrol_first(world: &World) -> Result<(Vec<String>, Duration)> {
    let begun = Instant::now();
    world.enrol("first", BUNDLE)?;
    // From the keys on it is less than half of the whole.
    Ok((vec!["first".to_owned()], begun.elapsed() / 2))
}

#[test]
fn a_client_killed_while_it_enrols_enrols_once() -> Result<()> {
    let world = World::new()?;
    let (mut ids, span) = enrol_first(&world)?;
    let mut unanswered = 0;
    for kill in 0..KILLS {
        let id = format!("pc-{kill}");
        let mut enrolment = world.start_enrolment(&id, BUNDLE)?;
        come_to(&world.path(&id), &mut enrolment, kill, span);
        enrolment.kill();
        let spent = USES - ids.len() - world.uses_left()?;
        assert!(spent <= 1);
        let has_certificate = world.identity(&id).iter().any(|name| name == "certificate.pem");
        assert!(spent == 1 || !has_certificate, "no certificate but for a use of the token");
        unanswered += usize::from(spent == 1 && !has_certificate);
        world.enrol(&id, BUNDLE)?;
        ids.push(id);
    }
    eprintln!(
        "{unanswered} of {KILLS} were killed after the server had admitted them and before they got the answer"
    );
    world.check(&ids)
}

#[test]
fn a_server_killed_while_a_client_enrols_admits_it_once() -> Result<()> {
    let mut world = World::new()?;
    let (mut ids, span) = enrol_first(&world)?;
    let (mut failed, mut unanswered) = (0, 0);
    for kill in 0..KILLS {
        let id = format!("pc-{kill}");
        let mut enrolment = world.start_enrolment(&id, BUNDLE)?;
        come_to(&world.path(&id), &mut enrolment, kill, span);
        world.server = None;
        let enrolled = enrolment.wait(START_WAIT_MAX)?.success();
        world.start()?;
        let spent = USES - ids.len() - world.uses_left()?;
        assert!(spent == 1 || !enrolled, "what a client received is kept");
        failed += usize::from(!enrolled);
        unanswered += usize::from(spent == 1 && !enrolled);
        world.enrol(&id, BUNDLE)?;
        ids.push(id);
    }
    eprintln!("{failed} of {KILLS} failed, {unanswered} of them after the server had admitted them");
    assert!(failed > 0, "every kill came too late");
    world.check(&ids)
}

/// Stands before the server. On the first connection it keeps back everything that the server sends after the handshake;
/// the others pass.
fn keeping_back(server: &str) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    let server = server.to_owned();
    std::thread::spawn(move || {
        for (number, client) in listener.incoming().flatten().enumerate() {
            let Ok(server) = TcpStream::connect(&server) else { continue };
            std::thread::spawn(move || pass(client, server, number == 0));
        }
    });
    Ok(address)
}

/// Passes bytes both ways until one side goes.
fn pass(client: TcpStream, server: TcpStream, keeps_back: bool) -> std::io::Result<()> {
    let (greeted, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let copy = |mut from: TcpStream, mut to: TcpStream, passes: Box<dyn Fn() -> bool + Send>| {
        move || {
            let mut bytes = [0; 16 * 1024];
            while let Ok(count @ 1..) = from.read(&mut bytes) {
                if passes() && to.write_all(&bytes[..count]).is_err() {
                    break;
                }
            }
            // It may be gone already.
            let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
        }
    };
    let (greeting, asking) = (Arc::clone(&greeted), Arc::clone(&asked));
    let up = move || {
        asking.fetch_or(greeted.load(Ordering::SeqCst), Ordering::SeqCst);
        true
    };
    let down = move || {
        greeting.store(true, Ordering::SeqCst);
        !(keeps_back && asked.load(Ordering::SeqCst))
    };
    std::thread::spawn(copy(client.try_clone()?, server.try_clone()?, Box::new(up)));
    copy(server, client, Box::new(down))();
    Ok(())
}

#[test]
fn a_client_that_was_admitted_and_got_no_answer_enrols_once() -> Result<()> {
    let mut world = World::new()?;
    let mut ids = Vec::new();
    for (number, kills_server) in [false, true, false, true].into_iter().enumerate() {
        let id = format!("pc-{number}");
        let relay = keeping_back(&world.fleet)?;
        let bundle = format!("{id}.json");
        let text = fs::read_to_string(world.path(BUNDLE))?;
        fs::write(world.path(&bundle), text.replace(&world.fleet, &relay))?;
        let mut enrolment = world.start_enrolment(&id, &bundle)?;
        let left = USES - ids.len() - 1;
        wait::until("the token to be spent", START_WAIT_MAX, || {
            Ok((world.uses_left()? == left).then_some(()))
        })?;
        assert_eq!(world.identity(&id), ["encryption-key.pem", "key.pem"], "it has no answer yet");
        if kills_server {
            world.server = None;
            assert!(!enrolment.wait(START_WAIT_MAX)?.success());
            world.start()?;
        } else {
            enrolment.kill();
        }
        world.enrol(&id, &bundle)?;
        ids.push(id);
    }
    world.check(&ids)
}
