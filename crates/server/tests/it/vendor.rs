//! The vendor source: another repository over HTTP, verified and signed again (C2).

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use futures_util::{StreamExt, stream};
use headwater_api::v1::SyncProgress;
use headwater_policy::{Class, Proxy, Repository};
use headwater_server::Config;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::harness::{Server, config, in_time, now, tar, until};

const RULES: &str = "/api/v1/releases/components/rules";

/// A vendor, and a server that takes from it.
async fn world() -> (Server, Server) {
    let (vendor, server) = (Server::start().await, Server::start().await);
    server.ok("PUT", "/api/v1/vendor", Some(settings(&vendor).await)).await;
    (vendor, server)
}

async fn settings(vendor: &Server) -> Value {
    let root = vendor.root(Class::Components);
    json!({"url": vendor.mirror_url, "root": root, "schedule_minutes": 10})
}

async fn sync(server: &Server) -> Value {
    server.ok("POST", "/api/v1/vendor/sync", None).await
}

#[tokio::test]
async fn releases_keep_the_vendors_sequences_and_rollbacks() {
    let (vendor, server) = world().await;
    for version in ["1", "2"] {
        vendor.publish("components", "rules", version, &[("a", version.as_bytes())]).await;
    }
    let result = sync(&server).await;
    let count = result["releases"].as_array().unwrap().len();
    assert_eq!((&result["error"], count), (&Value::Null, 2), "{result}");
    vendor.publish("components", "rules", "3", &[("a", b"3")]).await;
    let third = json!([{"name": "rules", "sequence": 3, "version": "3"}]);
    assert_eq!(sync(&server).await["releases"], third);
    assert_eq!(sync(&server).await["releases"], json!([]));
    let ours = server.target(Class::Components, "rules/3.json").await.unwrap();
    assert_eq!(ours, vendor.target(Class::Components, "rules/3.json").await.unwrap());
    vendor.ok("POST", &format!("{RULES}/rollback"), Some(json!({"to": 1}))).await;
    sync(&server).await;
    let view = server.get(RULES).await;
    assert_eq!((&view["current"], &view["withdrawn"]), (&json!(1), &json!([2, 3])));
    assert_eq!(view["from_vendor"], true);
    assert_eq!(server.get("/api/v1/vendor").await["last_sync"]["error"], Value::Null);
}

/// The name of the vendor source is known to the proxy alone; here the vendor's own mirror stands for it.
#[tokio::test]
async fn the_vendor_source_is_reached_by_the_proxy_of_the_configuration() {
    let vendor = Server::start().await;
    vendor.publish("components", "rules", "1", &[("a", b"1")]).await;
    let proxy = Proxy::parse(&vendor.mirror_url, "").unwrap();
    let server = Server::start_with(|folder| Config { proxy: Some(proxy.clone()), ..config(folder) }).await;
    let mut set = settings(&vendor).await;
    set["url"] = json!("http://vendor.invalid");
    server.ok("PUT", "/api/v1/vendor", Some(set)).await;
    let result = sync(&server).await;
    assert_eq!(
        (&result["error"], result["releases"].as_array().unwrap().len()),
        (&Value::Null, 1),
        "{result}"
    );
}

/// What is whole is taken: one lost file of an old release keeps nobody from the current one.
#[tokio::test]
async fn an_old_release_without_a_body_is_reported_and_does_not_block_the_current_one() {
    let (vendor, server) = world().await;
    let noise = |seed: u8| {
        (0..40_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8 ^ seed).collect::<Vec<u8>>()
    };
    for number in 1..=3_u8 {
        vendor.publish("components", "rules", &format!("v{number}"), &[("data.bin", &noise(number))]).await;
    }
    let lost = async |version: u64| {
        let manifest = vendor.target(Class::Components, &format!("rules/{version}.json")).await.unwrap();
        let digest = manifest["files"][0]["body"]["sha256"].as_str().unwrap().to_owned();
        let folder = vendor.repository(Class::Components).join("blobs");
        let path = crate::harness::files(&folder).into_iter().find(|path| path.ends_with(&digest)).unwrap();
        std::fs::remove_file(path).unwrap();
    };
    lost(1).await;
    let result = sync(&server).await;
    assert_eq!(
        (&result["error"], result["releases"].as_array().unwrap().len()),
        (&Value::Null, 3),
        "{result}"
    );
    let skipped = result["skipped"][0].as_str().unwrap();
    assert!(skipped.starts_with("rules v1 (release 1): data.bin could not be fetched"), "{result}");
    assert_eq!(server.get(RULES).await["current"], 3);

    vendor.publish("components", "rules", "v4", &[("data.bin", &noise(4))]).await;
    lost(4).await;
    let result = sync(&server).await;
    assert!(result["error"].as_str().unwrap().contains("rules v4 (release 4): data.bin"), "{result}");
    assert_eq!(server.get(RULES).await["current"], 3);
}

/// A vendor that begins to send its targets and goes silent: the sync ends when the vendor source is removed, and not by its
/// time-outs.
#[tokio::test]
async fn a_sync_ends_when_its_source_is_removed() {
    let (vendor, server) = (Server::start().await, Arc::new(Server::start().await));
    vendor.publish("components", "rules", "1", &[("a", b"1")]).await;
    let asked = Arc::new(Notify::new());
    let url = stalling(vendor.mirror_url.clone(), Arc::clone(&asked)).await;
    let settings = json!({"url": url, "root": vendor.root(Class::Components), "schedule_minutes": 0});
    server.ok("PUT", "/api/v1/vendor", Some(settings)).await;
    let syncing = {
        let server = Arc::clone(&server);
        tokio::spawn(async move { sync(&server).await })
    };
    asked.notified().await;
    server.ok("DELETE", "/api/v1/vendor", None).await;
    let result = in_time("the end of the sync", syncing).await.unwrap();
    assert!(result["error"].as_str().unwrap().contains("removed or replaced"), "{result}");
}

/// A mirror of a mirror that sends a byte of each target and no more; tells when one is asked for.
async fn stalling(mirror: String, asked: Arc<Notify>) -> String {
    let answer = move |request: axum::extract::Request| {
        let (url, asked) = (format!("{mirror}{}", request.uri().path()), Arc::clone(&asked));
        async move {
            let answer = reqwest::get(&url).await.unwrap();
            let (status, bytes) = (answer.status(), answer.bytes().await.unwrap());
            let mut response = axum::response::Response::new(Body::from(bytes));
            *response.status_mut() = status;
            if url.contains("/targets/") {
                asked.notify_one();
                let first = stream::iter([Ok::<_, Infallible>(" ")]);
                *response.body_mut() = Body::from_stream(first.chain(stream::pending()));
            }
            response
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let routes = axum::Router::new().fallback(answer);
    tokio::spawn(headwater_depot::serve::listen(
        routes,
        listener,
        headwater_depot::serve::ListenLimits::default(),
        std::future::pending(),
    ));
    url
}

#[tokio::test]
async fn the_root_travels_in_the_signed_policy() {
    let (vendor, server) = world().await;
    let policy = server.target(Repository::Policy, "policy.json").await.unwrap();
    assert_eq!(policy["policy"]["vendor"]["url"], vendor.mirror_url.as_str());
    assert_eq!(policy["vendor_root"], settings(&vendor).await["root"]);
    server.ok("DELETE", "/api/v1/vendor", None).await;
    let policy = server.target(Repository::Policy, "policy.json").await.unwrap();
    assert_eq!((&policy["policy"]["vendor"], &policy["vendor_root"]), (&Value::Null, &Value::Null));
    server.refused("GET", "/api/v1/vendor", None, 404, "no_vendor").await;
}

#[tokio::test]
async fn names_belong_to_their_first_publisher() {
    let (vendor, server) = world().await;
    vendor.publish("components", "theirs", "1", &[("a", b"1")]).await;
    vendor.publish("components", "ours", "1", &[("a", b"1")]).await;
    server.publish("components", "ours", "1", &[("a", b"mine")]).await;
    let result = sync(&server).await;
    assert!(result["skipped"][0].as_str().unwrap().starts_with("ours"), "{result}");
    let path = "/api/v1/releases/components/theirs?version=2";
    let (status, answer) = server.upload(path, tar(&[("a", b"x")])).await;
    assert_eq!((status, answer["error"]["code"].as_str()), (409, Some("name_of_vendor")));
}

#[tokio::test]
async fn a_vendor_with_other_keys_is_not_believed() {
    let (vendor, other, server) = (Server::start().await, Server::start().await, Server::start().await);
    vendor.publish("components", "rules", "1", &[("a", b"1")]).await;
    let mut wrong = settings(&other).await;
    wrong["url"] = json!(vendor.mirror_url);
    server.ok("PUT", "/api/v1/vendor", Some(wrong)).await;
    let result = sync(&server).await;
    assert!(result["error"].is_string(), "{result}");
    assert_eq!(server.get("/api/v1/releases").await["items"], json!([]));
    // The right root mends it.
    server.ok("PUT", "/api/v1/vendor", Some(settings(&vendor).await)).await;
    assert_eq!(sync(&server).await["error"], Value::Null);
}

#[tokio::test]
async fn the_server_is_not_its_own_vendor() {
    let (_vendor, server) = world().await;
    let mut own = settings(&server).await;
    for url in [server.running.fleet_url.clone(), format!("{}/", server.running.fleet_url)] {
        own["url"] = json!(url);
        let error = server.refused("PUT", "/api/v1/vendor", Some(own.clone()), 400, "invalid_request").await;
        assert!(error["message"].as_str().unwrap().contains("this server's own"), "{error}");
    }
}

#[tokio::test]
async fn the_schedule_syncs_automatically() {
    let (vendor, server) = world().await;
    vendor.publish("components", "rules", "1", &[("a", b"1")]).await;
    let later = now() + jiff::SignedDuration::from_mins(11);
    server.running.services().upkeep.run_jobs(later).await;
    assert_eq!(server.get("/api/v1/releases").await["items"][0]["name"], "rules");
    let status = server.get("/api/v1/status").await;
    assert_eq!((&status["jobs"][1]["name"], &status["jobs"][1]["error"]), (&json!("vendor"), &Value::Null));
}

#[tokio::test]
async fn a_dead_vendor_is_reported_and_shown() {
    let (vendor, server) = world().await;
    vendor.stop().await;
    assert!(sync(&server).await["error"].is_string());
    assert!(server.get("/api/v1/vendor").await["last_sync"]["error"].is_string());
    let jobs = server.get("/api/v1/status").await["jobs"].clone();
    let vendor = jobs.as_array().unwrap().iter().find(|job| job["name"] == "vendor").unwrap();
    assert_eq!((&vendor["message"], vendor["error"].is_string()), (&json!("failed"), true), "{jobs}");
    let bad = json!({"url": "http://x.invalid", "root": {"signed": {}}});
    server.refused("PUT", "/api/v1/vendor", Some(bad), 400, "invalid_request").await;
}

#[tokio::test]
async fn a_running_sync_shows_how_far_it_is() {
    let (vendor, server) = (Server::start().await, Server::start().await);
    let content: Vec<u8> =
        (0..300_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    vendor.publish("components", "rules", "1", &[("a", &content)]).await;
    let gate = Gate::before(&vendor).await;
    let mut behind = settings(&vendor).await;
    behind["url"] = json!(gate.url);
    server.ok("PUT", "/api/v1/vendor", Some(behind)).await;
    assert_eq!(server.get("/api/v1/vendor").await["syncing"], Value::Null, "none runs yet");
    let mut progress = server.running.services().publishing.vendor_sync_progress();
    let looking = async {
        let has_bytes = |sync: &Option<SyncProgress>| sync.as_ref().is_some_and(|sync| sync.bytes_done > 0);
        until("the first bytes", &mut progress, has_bytes).await;
        let syncing = server.get("/api/v1/vendor").await["syncing"].clone();
        gate.open.notify_one();
        syncing
    };
    let (result, seen) = tokio::join!(sync(&server), looking);
    assert_eq!(result["error"], Value::Null, "{result}");
    let numbers = (&seen["component"], &seen["number"], &seen["components"]);
    assert_eq!(numbers, (&json!("rules"), &json!(1), &json!(1)), "{seen}");
    let (done, total) = (seen["bytes_done"].as_u64().unwrap(), seen["bytes_total"].as_u64().unwrap());
    assert!(done < total && total > 500_000, "{seen}");
    assert_eq!(server.get("/api/v1/vendor").await["syncing"], Value::Null, "it is over");
}

/// Stands before a vendor and gives of each blob the first half, until it is opened.
struct Gate {
    url: String,
    open: Arc<Notify>,
}

impl Gate {
    async fn before(vendor: &Server) -> Self {
        let open = Arc::new(Notify::new());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (behind, opened) = (vendor.mirror_url.clone(), Arc::clone(&open));
        let pass = move |uri: axum::http::Uri| {
            let (url, opened) = (format!("{}{uri}", behind.trim_end_matches('/')), Arc::clone(&opened));
            async move {
                let answer = reqwest::get(&url).await.unwrap();
                let status = answer.status();
                let mut first = answer.bytes().await.unwrap();
                let rest =
                    first.split_off(if url.contains("/blobs/") { first.len() / 2 } else { first.len() });
                let rest = stream::once(async move {
                    if !rest.is_empty() {
                        opened.notified().await;
                    }
                    Ok::<_, Infallible>(rest)
                });
                (status, Body::from_stream(stream::iter([Ok(first)]).chain(rest)))
            }
        };
        let router = axum::Router::new().fallback(pass);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, open }
    }
}

/// P4a: the signed policy names what is published here and is not the vendor's, after whatever changes it; it is the same
/// saved version, and nothing is signed where no name changed.
#[tokio::test]
async fn the_signed_policy_names_the_organisations_own_components() {
    let (vendor, server) = world().await;
    let policy = || async { server.target(Repository::Policy, "policy.json").await.unwrap() };
    let own = || async { policy().await["policy"]["own_components"].clone() };
    let saved = policy().await["version"].clone();
    assert_eq!(own().await, Value::Null);
    vendor.publish("components", "theirs", "1", &[("a", b"1")]).await;
    sync(&server).await;
    assert_eq!(own().await, Value::Null);
    server.publish("components", "ours", "1", &[("a", b"mine")]).await;
    server.publish("programs", "greet", "1", &[("a", b"mine")]).await;
    assert_eq!(own().await, json!(["ours"]));
    assert_eq!(policy().await["version"], saved);
    let version = || async { server.trusted(Repository::Policy, now()).await.1.targets_version() };
    let signed = version().await;
    server.publish("components", "ours", "2", &[("a", b"other")]).await;
    assert_eq!(version().await, signed, "the names are the same");
    let draft = server.get("/api/v1/drafts/mine").await;
    assert_eq!(draft["policy"]["own_components"], json!(["ours"]));
    server.ok("DELETE", "/api/v1/releases/components/ours", None).await;
    assert_eq!(own().await, Value::Null);
    // What was taken from it stays when it is removed, as the organisation's.
    server.ok("DELETE", "/api/v1/vendor", None).await;
    assert_eq!(own().await, json!(["theirs"]));
}
