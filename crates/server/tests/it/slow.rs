//! `slowhttptest` in its four modes against both planes: it opens connections and keeps them busy with next to nothing,
//! from one address; others are answered all the while, metadata and bodies. And one client that takes all the bodies it can
//! get and reads none of them.
//!
//! The first needs the Debian package `slowhttptest`; `cargo xtask test` sees to it. Without it these tests say that they were
//! skipped.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use headwater_depot::limits::{ADDRESS_SHARE_DIVISOR, DOWNLOADS_MAX};
use headwater_policy::Class;
use headwater_server::{Config, limits};
use tokio::process::{Child, Command};

use crate::endpoint::Endpoint;
use crate::harness::{Server, config};

/// What is attacked: the connections that one address may have, and what is asked in each mode (something long to read
/// slowly, something that takes a body).
struct Plane {
    base: String,
    port: u16,
    places: usize,
    read: &'static str,
    write: &'static str,
}

impl Plane {
    /// Connections that the server holds with the attacker now.
    fn held(&self) -> usize {
        let (local, remote) = (format!("0100007F:{:04X}", self.port), "0100007F:");
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let held = |line: &&str| {
            let mut words = line.split_whitespace().skip(1);
            let ends = (words.next(), words.next(), words.next());
            matches!(ends, (Some(own), Some(other), Some("01")) if own == local && other.starts_with(remote))
        };
        table.lines().filter(held).count()
    }
}

/// Starts an attack by more connections than one address may have; `None` if the program is not here.
fn attack(mode: &str, plane: &Plane) -> Option<Child> {
    let path = if mode == "-B" { plane.write } else { plane.read };
    let mut command = Command::new("slowhttptest");
    command.args([mode, "-u", &format!("{}{path}", plane.base)]);
    command.args(["-c", &(plane.places + 100).to_string(), "-r", "400", "-l", "60", "-i", "1", "-p", "1"]);
    match mode {
        "-B" => command.args(["-f", "application/json", "-s", "8192", "-x", "2"]),
        "-X" => command.args(["-w", "1", "-y", "32", "-n", "1", "-z", "1", "-k", "3"]),
        "-R" => command.args(["-t", "GET", "-a", "1", "-b", "1500"]),
        _ => command.args(["-x", "2"]),
    };
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn().ok()
}

/// While each attack runs, `ask` (on a connection of its own, from another address) is answered every time: until the
/// attacker has had nearly all places that one address may have, and some times more.
async fn check(plane: &Plane, ask: impl AsyncFn() -> u16) {
    for mode in ["-H", "-B", "-X", "-R"] {
        let Some(mut attack) = attack(mode, plane) else {
            eprintln!(
                "SKIPPED: slowhttptest is not here. Run `cargo xtask test`, or apt-get install slowhttptest."
            );
            return;
        };
        let (mut answered, mut most, mut after) = (0, 0, 0);
        while after < 10 {
            most = most.max(plane.held());
            after += usize::from(most >= plane.places * 9 / 10);
            assert_eq!(ask().await, 200, "{} {mode}: after {answered} answers", plane.base);
            answered += 1;
            if attack.try_wait().unwrap().is_some() {
                // What is asked for in ranges is small here, and sent before the next connection comes.
                assert!(after > 0 || mode == "-R", "{mode}: {most} of {} places were taken", plane.places);
                break;
            }
        }
        // It may have ended already.
        let _ = attack.kill().await;
        eprintln!("{} {mode}: {answered} answers, {most} of {} places taken", plane.base, plane.places);
    }
}

/// Somebody at another address, with a new connection for each request.
fn other() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .local_address(Some([127, 0, 0, 2].into()))
        .pool_max_idle_per_host(0)
        .timeout(Duration::from_secs(30))
}

#[tokio::test(flavor = "multi_thread")]
async fn on_the_console_plane_others_are_answered() {
    let server = Server::start().await;
    let base = server.running.console_url.clone();
    let plane = Plane {
        base,
        port: server.running.console_addr.port(),
        places: limits::CONSOLE_CONNECTIONS_MAX / ADDRESS_SHARE_DIVISOR,
        read: "/api/v1/openapi.json",
        write: "/api/v1/sign-in",
    };
    let http = other().build().unwrap();
    let ask = async || {
        let status = http.get(format!("{}/api/v1/status", server.running.console_url));
        status.bearer_auth(&server.token).send().await.unwrap().status().as_u16()
    };
    check(&plane, ask).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_the_fleet_plane_others_are_answered() {
    let server = Server::start_with(|folder| Config { anonymous_components: true, ..config(folder) }).await;
    server.publish("components", "name", "1", &[("a", &[7; 100_000])]).await;
    let endpoint = Endpoint::enrolled(&server, "pc", "root").await;
    let body = body_path(&server);
    let base = server.running.fleet_url.trim_end_matches('/').to_owned();
    let plane = Plane {
        base,
        port: server.running.fleet_addr.port(),
        places: limits::FLEET_CONNECTIONS_MAX / ADDRESS_SHARE_DIVISOR,
        read: "/components/metadata/timestamp.json",
        write: "/client/v1/enrol",
    };
    let http = endpoint.http_with(other());
    let urls = ["/settings/metadata/timestamp.json", &body].map(|path| format!("{}{path}", plane.base));
    let ask = async || {
        for url in &urls {
            let answer = http.get(url).send().await.unwrap();
            if answer.status() != 200 || answer.bytes().await.is_err() {
                return 0;
            }
        }
        200
    };
    check(&plane, ask).await;
}

/// The path of the only body that the server has.
fn body_path(server: &Server) -> String {
    let blobs = server.repository(Class::Components).join("blobs");
    let only = |folder: &Path| std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    let path = only(&only(&blobs));
    let names: Vec<String> =
        path.iter().rev().take(3).map(|name| name.to_string_lossy().into_owned()).collect();
    format!("/components/{}/{}/{}", names[2], names[1], names[0])
}

/// One enrolled client opens as many downloads as it can, reads nothing of them, and opens new ones again and again; another
/// gets each body that it asks for.
#[tokio::test(flavor = "multi_thread")]
async fn one_client_leaves_others_their_bodies() {
    let server = Server::start_with(|folder| Config { upload_bytes_max: 32 << 20, ..config(folder) }).await;
    // More than the buffers of both sockets take.
    server.publish("components", "name", "1", &[("a", &noise(12_000_000))]).await;
    let greedy = Endpoint::enrolled(&server, "greedy", "root").await;
    let modest = Endpoint::enrolled(&server, "modest", "root").await;
    let url = format!("{}{}", server.running.fleet_url.trim_end_matches('/'), body_path(&server));
    let take = async |http: &reqwest::Client| http.get(&url).send().await.ok();
    let one_connection_each = || reqwest::Client::builder().pool_max_idle_per_host(0);
    let taker = greedy.http_with(one_connection_each());
    let asker = modest.http_with(one_connection_each());
    let mut unread = Vec::new();
    for round in 0..3 {
        for _ in 0..DOWNLOADS_MAX + 10 {
            // Once it has all that it can have, it is refused: that is its own affair.
            unread.extend(take(&taker).await.filter(|answer| answer.status() == 200));
        }
        for number in 0..20 {
            let answer = take(&asker).await.expect("it is answered");
            assert_eq!(answer.status(), 200, "request {number} of round {round}, {} unread", unread.len());
        }
        // All of a body, not only its head.
        let answer = take(&asker).await.expect("it is answered");
        assert_eq!(answer.bytes().await.map(|body| body.len() >= 12_000_000).ok(), Some(true));
        let half = unread.len() / 2;
        unread.truncate(half);
    }
}

/// Bytes that do not compress.
fn noise(size: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(next).flatten().take(size).collect()
}
