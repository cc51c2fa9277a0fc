//! Limits that take many of something to cross: connections, components of a vendor.

use std::net::SocketAddr;

use futures_util::FutureExt as _;
use headwater_database::testing::{Rows, fill};
use headwater_depot::serve::{ListenLimits, ServeLimits, SharedRepositories, listen, router};
use headwater_policy::Class;
use headwater_repo::{ComponentName, Expiry, KeyRing, Role, RootDraft, SecretKey, TargetsDraft, layout};
use headwater_server::limits;
use rustix::process::{Resource, getrlimit, setrlimit};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixStream};

use crate::endpoint::Endpoint;
use crate::harness::{Server, answer, in_time, leave, local, now};

/// Each listener has its places; one connection more is asked to come back, and admitted once a place is free.
#[tokio::test]
async fn each_listener_takes_its_connections_and_no_more() {
    // Both ends of each connection are in this process.
    if !may_open(2 * limits::FLEET_CONNECTIONS_MAX as u64 + 500) {
        return;
    }
    let server = Server::start().await;
    let console = async || {
        let mut stream = TcpStream::connect(server.running.console_addr).await.ok()?;
        stream
            .write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .await
            .ok()?;
        let mut status = [0; 12];
        stream.read_exact(&mut status).await.ok()?;
        String::from_utf8_lossy(&status[9..]).parse::<u16>().ok()
    };
    check(server.running.console_addr, limits::CONSOLE_CONNECTIONS_MAX, console, 200).await;
    // Who shows no certificate is answered too: with a refusal.
    let bundle = server.bundle(json!({})).await;
    let fleet = async || Endpoint::new("pc", &bundle).status("/nothing").await;
    check(server.running.fleet_addr, limits::FLEET_CONNECTIONS_MAX, fleet, 401).await;
}

/// Opens as many connections as there may be; one more gets 503, and answered as usual once one is gone.
async fn check(address: SocketAddr, max: usize, ask: impl AsyncFn() -> Option<u16>, usual: u16) {
    let mut open = Vec::new();
    for number in 0..max {
        // One address has a half of them.
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 2 + u8::from(number >= max / 2)], 0))).unwrap();
        open.push(socket.connect(address).await.unwrap());
    }
    assert_eq!(ask().await, Some(503), "{address}");
    leave(open.pop().unwrap()).await;
    assert_eq!(ask().await, Some(usual), "{address}: a place is free");
}

/// As many files as a test of many connections opens; false: this system does not let it.
fn may_open(files: u64) -> bool {
    let mut allowed = getrlimit(Resource::Nofile);
    allowed.current = allowed.maximum;
    let raised = setrlimit(Resource::Nofile, allowed);
    let enough = allowed.maximum.is_none_or(|maximum| maximum >= files);
    if !enough {
        eprintln!(
            "SKIPPED: this system lets a process open {:?} files, the test needs {files}",
            allowed.maximum
        );
    }
    enough && raised.is_ok()
}

#[tokio::test]
async fn a_vendor_with_more_components_than_are_taken_is_refused_whole() {
    let check = async |components: usize| {
        let folder = tempfile::tempdir().unwrap();
        let root = sign(folder.path(), components);
        let site = SharedRepositories::new(ServeLimits::default());
        site.share(Class::Components, folder.path());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(listen(router(site), listener, ListenLimits::default(), std::future::pending()));
        let server = Server::start().await;
        server.ok("PUT", "/api/v1/vendor", Some(json!({"url": url, "root": root}))).await;
        let result = server.ok("POST", "/api/v1/vendor/sync", None).await;
        result["error"].as_str().unwrap().to_owned()
    };
    let max = limits::VENDOR_COMPONENTS_MAX;
    let refused = format!("it has {} components; at most {max} are allowed", max + 1);
    assert_eq!(check(max + 1).await, refused);
    // What it lists is no release list, so each is left out.
    let taken = check(max).await;
    assert!(taken.contains("could not be taken whole"), "{taken}");
}

/// A signed repository of that many components, in name only; returns its root.
fn sign(folder: &std::path::Path, components: usize) -> serde_json::Value {
    let (root_key, online) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
    let root = RootDraft::first().role(Role::Root, 1, [root_key.public()]);
    let roles = [Role::Timestamp, Role::Snapshot, Role::Targets];
    let root = roles.into_iter().fold(root, |root, role| root.role(role, 1, [online.public()]));
    let ring: KeyRing = [root_key, online].into_iter().collect();
    let root = root.finish(now(), &Expiry::default()).unwrap().sign_with(&ring).unwrap();
    let mut draft = TargetsDraft::first(root.clone());
    for number in 0..components {
        let name = ComponentName::new(format!("c{number}")).unwrap();
        draft.add(layout::release_list(&name), format!("{number}").into_bytes()).unwrap();
    }
    let signed = draft.finish(now(), &Expiry::default()).unwrap().sign(&ring).unwrap();
    for file in signed.files() {
        let path = folder.join(&file.path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, &file.bytes).unwrap();
    }
    serde_json::from_slice(root.bytes()).unwrap()
}

#[tokio::test]
async fn a_vendor_schedule_keeps_to_its_limit() {
    let (vendor, server) = (Server::start().await, Server::start().await);
    let root = vendor.root(Class::Components);
    let every =
        |minutes: u32| Some(json!({"url": vendor.mirror_url, "root": root, "schedule_minutes": minutes}));
    let max = limits::VENDOR_SCHEDULE_MINUTES_MAX;
    server.ok("PUT", "/api/v1/vendor", every(max)).await;
    server.refused("PUT", "/api/v1/vendor", every(max + 1), 400, "invalid_request").await;
}

/// Asks over a connection to the local socket that stays open; returns the beginning of the answer.
async fn ask_locally(stream: &mut UnixStream) -> String {
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut start = [0; 15];
    stream.read_exact(&mut start).await.unwrap();
    String::from_utf8_lossy(&start).into_owned()
}

#[tokio::test]
async fn a_connection_too_many_to_the_local_socket_waits_for_a_place() {
    let server = Server::start().await;
    let connect = || UnixStream::connect(&server.running.socket);
    let mut open = Vec::new();
    for _ in 0..limits::LOCAL_CONNECTIONS_MAX {
        open.push(connect().await.unwrap());
    }
    let mut beyond = connect().await.unwrap();
    let mut asked = Box::pin(ask_locally(&mut beyond));
    // It asks first, and all others are answered: it waits for a place.
    for stream in &mut open {
        assert_eq!((&mut asked).now_or_never(), None, "it was answered");
        assert_eq!(ask_locally(stream).await, "HTTP/1.1 200 OK");
    }
    assert_eq!((&mut asked).now_or_never(), None, "it was answered");
    open.pop();
    assert_eq!(in_time("it has the place", asked).await, "HTTP/1.1 200 OK");
}

#[tokio::test]
async fn a_server_whose_local_socket_is_full_stops_all_the_same() {
    let server = Server::start().await;
    let mut open = Vec::new();
    for _ in 0..limits::LOCAL_CONNECTIONS_MAX {
        let mut stream = UnixStream::connect(&server.running.socket).await.unwrap();
        assert_eq!(ask_locally(&mut stream).await, "HTTP/1.1 200 OK");
        open.push(stream);
    }
    in_time("the server stops, though it has no place for another", server.stop()).await;
}

/// Rows are put into the database: each administrator made as people make them costs a password worked out.
#[tokio::test]
async fn there_are_so_many_administrators_and_tokens_and_no_more() {
    let (people, tokens) = (limits::ADMINISTRATORS_MAX, limits::TOKENS_MAX);
    let folder = Server::start().await.stop().await;
    // There is one of each: `admin`, and the harness's token.
    let database = folder.path().join("server.db");
    fill(&database, Rows::Administrators, people - 2).await.unwrap();
    fill(&database, Rows::ApiTokens, tokens - 2).await.unwrap();
    let config = crate::harness::config(folder.path());
    let server = Server::start_on(folder, config).await;
    let check = async |what: &str| {
        let ask = async |name: &str| {
            let request = local(&server.running).post(format!("http://localhost/api/v1/{what}"));
            answer(request.json(&json!({"name": name, "role": "viewer"})).send().await.unwrap()).await
        };
        let (status, last) = ask("last").await;
        assert_eq!(status, 201, "{last}");
        let (status, refused) = ask("beyond").await;
        assert_eq!((status, refused["error"]["code"].as_str()), (413, Some("too_large")), "{refused}");
    };
    check("administrators").await;
    check("tokens").await;
}
