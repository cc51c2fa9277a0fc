//! `slowhttptest` in its four modes against both planes: it opens connections and keeps them busy with next to nothing,
//! from one address; others are answered all the while.
//!
//! Needs the Debian package `slowhttptest`; `cargo xtask test` sees to it. Without it these tests say that they were
//! skipped.

use std::process::Stdio;
use std::time::Duration;

use headwater_server::{Config, limits};
use tokio::process::{Child, Command};

use crate::endpoint::Endpoint;
use crate::harness::{Server, config};

/// Connections of the attack: more than the console plane has in all.
const CONNECTIONS: usize = limits::CONSOLE_CONNECTIONS_MAX + 100;

/// What is asked of a plane in each mode: something long to read slowly, something that takes a body.
struct Targets {
    base: String,
    read: &'static str,
    write: &'static str,
}

/// Starts an attack of some seconds; none: the program is not here.
fn attack(mode: &str, targets: &Targets) -> Option<Child> {
    let path = if mode == "-B" { targets.write } else { targets.read };
    let mut command = Command::new("slowhttptest");
    command.args([mode, "-u", &format!("{}{path}", targets.base)]);
    command.args(["-c", &CONNECTIONS.to_string(), "-r", "200", "-l", "6", "-i", "1", "-p", "1"]);
    match mode {
        "-B" => command.args(["-f", "application/json", "-s", "8192", "-x", "2"]),
        "-X" => command.args(["-w", "1", "-y", "32", "-n", "1", "-z", "1", "-k", "3"]),
        "-R" => command.args(["-t", "GET", "-a", "1", "-b", "1500"]),
        _ => command.args(["-x", "2"]),
    };
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn().ok()
}

/// While each attack runs, `ask` (on a connection of its own, from another address) is answered every time.
async fn check(targets: &Targets, ask: impl AsyncFn() -> u16) {
    for mode in ["-H", "-B", "-X", "-R"] {
        let Some(mut attack) = attack(mode, targets) else {
            eprintln!(
                "SKIPPED: slowhttptest is not here. Run `cargo xtask test`, or apt-get install slowhttptest."
            );
            return;
        };
        let mut answered = 0;
        while attack.try_wait().unwrap().is_none() {
            assert_eq!(ask().await, 200, "{} {mode}: after {answered} answers", targets.base);
            answered += 1;
        }
        assert!(answered > 0, "{mode}: it was over before anybody asked");
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
    let targets = Targets { base, read: "/api/v1/openapi.json", write: "/api/v1/sign-in" };
    let http = other().build().unwrap();
    let ask = async || {
        let status = http.get(format!("{}/api/v1/status", server.running.console_url));
        status.bearer_auth(&server.token).send().await.unwrap().status().as_u16()
    };
    check(&targets, ask).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_the_fleet_plane_others_are_answered() {
    let server = Server::start_with(|folder| Config { anonymous_components: true, ..config(folder) }).await;
    server.publish("components", "name", "1", &[("a", &[7; 100_000])]).await;
    let endpoint = Endpoint::enrolled(&server, "pc", "root").await;
    let base = server.running.fleet_url.trim_end_matches('/').to_owned();
    let targets = Targets { base, read: "/components/metadata/timestamp.json", write: "/client/v1/enrol" };
    // From the attacker's own address: the fleet plane has places enough for that too.
    let ask = async || endpoint.status("/settings/metadata/timestamp.json").await.unwrap();
    check(&targets, ask).await;
}
