//! A server that is not reached: each reason with its own cure; and what stays on this machine goes to no proxy.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::run::{Ran, headwater_with, headwater_with_input};
use crate::server::World;

const TOKEN: (&str, &str) = ("HEADWATER_TOKEN", "hwa_secret");

/// Answers every connection with these bytes, and gives what it was sent.
fn answering(answer: &'static str) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (seen, received) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut head = [0; 4096];
            let read = stream.read(&mut head).unwrap_or(0);
            // The test may have ended.
            let _ = seen.send(String::from_utf8_lossy(&head[..read]).into_owned());
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (address, received)
}

const PORTAL: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 26\r\nConnection: close\r\n\r\n<html>please log in</html>";

fn check(ran: &Ran, words: &[&str], never: &[&str]) {
    assert_eq!(ran.exit, 1, "{ran:?}");
    for word in words {
        assert!(ran.stderr.contains(word), "no `{word}`: {ran:?}");
    }
    for word in never {
        assert!(!ran.stderr.contains(word), "`{word}`: {ran:?}");
    }
}

fn status(folder: &Path, url: &str, environment: &[(&str, &str)]) -> Ran {
    let environment: Vec<_> = [TOKEN].into_iter().chain(environment.iter().copied()).collect();
    headwater_with(folder, &["status", "--server", url], &environment, "")
}

#[test]
fn each_reason_has_its_own_cure() {
    let world = World::with_console("0.0.0.0:0");
    let folder = world.path();
    let (portal, _received) = answering(PORTAL);
    let start = "start one with";
    let page = status(folder, &format!("http://{portal}"), &[]);
    check(&page, &["captive portal", "browser"], &["expected value", start]);
    let signing_in = headwater_with_input(folder, &["login", &format!("http://{portal}")], "secret\n");
    check(&signing_in, &["captive portal"], &["decoding", start]);
    let no_tls = status(folder, &format!("https://{portal}"), &[]);
    check(&no_tls, &["does not speak TLS", "InvalidContentType", "http://"], &[start]);
    let tls_port = world.console().replace("https://", "http://");
    let plain = headwater_with_input(folder, &["login", &tls_port], "secret\n");
    check(&plain, &["does not speak plain HTTP", "write https://"], &["broke off", start]);
    let unknown = headwater_with_input(folder, &["login", &world.console()], "secret\n");
    check(&unknown, &["not signed by a CA", "--ca console-ca.pem"], &[start]);
    let empty =
        headwater_with_input(folder, &["login", &world.console(), "--ca", "data/server.lock"], "secret\n");
    assert!(empty.exit == 2 && empty.stderr.contains("no certificate in it"), "{empty:?}");
    let nobody = status(folder, "http://127.0.0.1:9", &[]);
    check(&nobody, &["nothing listens", "Connection refused", start], &[]);
}

/// A proxy reads what is sent in the clear: the token of a server on this machine is none of its business.
#[test]
fn what_stays_on_this_machine_goes_to_no_proxy() {
    let world = World::new();
    let (proxy, received) = answering("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n");
    let proxy = format!("http://{proxy}");
    let variables = ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
    let environment = variables.map(|variable| (variable, proxy.as_str()));
    let ran = status(world.path(), &world.console(), &environment);
    check(&ran, &["API token"], &["502"]);
    let environment: Vec<_> = environment.into_iter().collect();
    let here =
        headwater_with(world.path(), &["status", "--server", "unix:data/console.sock"], &environment, "");
    assert_eq!(here.exit, 0, "{here:?}");
    assert_eq!(received.try_iter().count(), 0, "nothing went to the proxy");
    // A server elsewhere is reached by the proxy that the environment names, and only by a tunnel.
    let ran = status(world.path(), "https://headwater.example:8470", &environment);
    check(&ran, &["proxy", "NO_PROXY"], &[]);
    let asked = received.recv_timeout(Duration::from_secs(10)).unwrap();
    assert!(asked.starts_with("CONNECT headwater.example:8470"), "{asked}");
    assert!(!asked.contains("hwa_secret"), "{asked}");
}

#[test]
fn what_was_written_before_is_not_overwritten() {
    let world = World::new();
    world.check("clients enrol-bundle --out bundle.json", 0, &["the name of its host", "--id ID"]);
    let first = std::fs::read(world.path().join("bundle.json")).unwrap();
    world.check("clients enrol-bundle --out bundle.json", 2, &["exists already"]);
    assert_eq!(std::fs::read(world.path().join("bundle.json")).unwrap(), first);
    assert_eq!(world.json("clients tokens")["items"].as_array().unwrap().len(), 1, "no token is lost");
    world.check("backup --without-keys --out bundle.json", 2, &["exists already"]);
    assert_eq!(std::fs::read(world.path().join("bundle.json")).unwrap(), first);
}

#[test]
fn a_refusal_says_what_is_in_the_way_and_the_next_step_works() {
    let world = World::new();
    world.client("ua-1", "10.1.0.5");
    world.check("update-agents give ua-1 --address 10.1.0.5", 0, &[]);
    world.check("clients remove ua-1", 1, &["is an update agent", "headwater update-agents take ua-1"]);
    world.check("update-agents take ua-1", 0, &[]);
    world.check("clients revoke ua-1", 0, &[]);
    world.check("clients enrol-bundle --client ua-1 --out again.json", 0, &["enrol again.json --new-key"]);
    world.check("clients enrol-bundle --client pc-2 --out pc-2.json", 0, &["no client pc-2 exists yet"]);
    let bundle = std::fs::read_to_string(world.path().join("again.json")).unwrap();
    assert!(bundle.contains("\"client\": \"ua-1\""), "{bundle}");
}

#[test]
fn root_keys_that_are_offline_are_asked_for_and_no_others_are_made() {
    let world = World::new();
    std::fs::write(world.path().join("word"), "a long passphrase\n").unwrap();
    world.check("keys init --out root-keys --passphrase-file word", 0, &[]);
    world.check("keys init --out more --passphrase-file word", 1, &["already offline", "--because planned"]);
    assert!(!world.path().join("more").exists(), "no unused keys");
    world.check("keys rotate timestamp --because planned", 1, &["--root-keys FOLDER", "export-root"]);
}

/// An earlier login at the same server is replaced, and its token is revoked.
#[test]
fn a_second_login_leaves_one_token() {
    let world = World::new();
    let url = world.console();
    let input = format!("{}\ncorrect horse battery\n", world.first_password());
    assert_eq!(headwater_with_input(world.path(), &["login", &url], &input).exit, 0);
    let name = |world: &World| {
        let tokens = world.json("tokens list")["items"].clone();
        assert_eq!(tokens.as_array().unwrap().len(), 1, "{tokens}");
        tokens[0]["name"].as_str().unwrap().to_owned()
    };
    let first = name(&world);
    let again = headwater_with_input(world.path(), &["login", &url], "correct horse battery\n");
    assert_eq!(again.exit, 0, "{again:?}");
    assert_ne!(name(&world), first);
}

#[test]
fn every_address_needs_a_name_in_bundles() {
    let folder = tempfile::tempdir().unwrap();
    let start = |listen: &str| {
        let arguments =
            ["server", "--data", "data", "--console-listen", "127.0.0.1:0", "--fleet-listen", listen];
        crate::run::headwater(folder.path(), &arguments)
    };
    for listen in [":0", "0.0.0.0:0", "[::]:0"] {
        let ran = start(listen);
        assert!(ran.exit == 2 && ran.stderr.contains("--fleet-url"), "{ran:?}");
    }
    let ran = start("8471");
    assert!(ran.exit == 2 && ran.stderr.contains("write :8471"), "{ran:?}");
    assert!(!folder.path().join("data").exists());
}

/// Before clients find it out: what is at a URL, whose it is, and whether anything is.
#[test]
fn a_url_is_looked_at_before_it_becomes_a_source() {
    let world = World::new();
    let (portal, _received) = answering(PORTAL);
    let add = |url: &str| format!("sources add --ipv4 10.1.0.0/16 --url {url}");
    world.check(
        &add(&format!("http://{portal}")),
        0,
        &["10.1.0.0-10.1.255.255", "warning", "captive portal"],
    );
    world.check(&add("http://127.0.0.1:9"), 0, &["warning", "nothing listens"]);
    let quiet = world.run(&format!("{} --no-check", add("http://127.0.0.1:9")));
    assert!(quiet.exit == 0 && !quiet.stderr.contains("warning"), "{quiet:?}");
    // A mirror of this server, of another, and one that is empty.
    let mirror = serving(&world.path().join("data/repository"));
    let ours = world.run(&add(&mirror));
    assert!(
        ours.stderr.contains("policy (version 1, valid until") && !ours.stderr.contains("warning"),
        "{ours:?}"
    );
    let other = World::new();
    other.check(&add(&mirror), 0, &["is not signed by this server's keys"]);
    world.check(&add(&format!("{mirror}/nothing")), 0, &["there is no repository at"]);
    std::fs::copy(
        world.path().join("data/repository/components/metadata/1.root.json"),
        world.path().join("root.json"),
    )
    .unwrap();
    other.check(
        &format!("vendor set --url {mirror} --root {}", world.path().join("root.json").display()),
        0,
        &["has components (version 1"],
    );
    other.check("vendor set --url http://127.0.0.1:9", 0, &["warning", "nothing listens"]);
}

/// A web server for a folder; returns its URL.
fn serving(folder: &Path) -> String {
    let (listener, folder) = (TcpListener::bind("127.0.0.1:0").unwrap(), folder.to_owned());
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut head = [0; 4096];
            let read = stream.read(&mut head).unwrap_or(0);
            let head = String::from_utf8_lossy(&head[..read]).into_owned();
            let path = head.split(' ').nth(1).unwrap_or_default().trim_start_matches('/').to_owned();
            let (status, body) = match std::fs::read(folder.join(path)) {
                Ok(body) => ("200 OK", body),
                Err(_) => ("404 Not Found", Vec::new()),
            };
            let length = body.len();
            let answer =
                format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
            // Whether it arrives is for the other side to judge.
            let _ = stream.write_all(answer.as_bytes()).and_then(|()| stream.write_all(&body));
        }
    });
    url
}

#[test]
fn lists_of_spreadsheets_and_editors_are_read() {
    let world = World::new();
    let csv = "\u{feff}ipv4;ipv6;source;classes\r\n10.1.0.0/16;;http://m.example/;components, programs\r\n;;;\r\n;;;\r\n";
    std::fs::write(world.path().join("list.csv"), csv).unwrap();
    world.check("sources import list.csv", 0, &["10.1.0.0-10.1.255.255"]);
    let json = world.json("sources export")["policy"].clone();
    let json = if json.is_null() { world.json("sources export") } else { json };
    std::fs::write(world.path().join("list.json"), format!("\u{feff}{json}")).unwrap();
    world.check("sources import list.json", 0, &[]);
}
