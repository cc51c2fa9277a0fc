//! What the server does automatically, with the clock passed in.

use headwater_policy::{Class, Repository};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::harness::{Server, config, files, now};

fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

/// Lets the signing job look every six hours for so many days; returns when that ended.
async fn live(server: &Server, days_long: i64) -> Timestamp {
    let mut moment = now();
    let end = moment + days(days_long);
    while moment < end {
        moment += SignedDuration::from_hours(6);
        server.running.services().upkeep.run_signing(moment).await;
    }
    moment
}

#[tokio::test]
async fn metadata_is_signed_again_long_before_it_expires() {
    let server = Server::start().await;
    server.publish("components", "rules", "1", &[("a", b"1")]).await;
    let before = server.trusted(Class::Components, now()).await.1;
    let end = live(&server, 30).await;
    let (_, trusted) = server.trusted(Class::Components, end + SignedDuration::from_hours(11)).await;
    assert_eq!(trusted.targets_version(), before.targets_version(), "what nobody changed keeps its version");
    assert!(trusted.timestamp_version() > before.timestamp_version());
    assert_eq!(trusted.root_version(), 1);
}

#[tokio::test]
async fn metadata_lives_as_long_as_configured() {
    let folder = tempfile::tempdir().unwrap();
    let day = days(1).as_secs();
    let check = async |lives: [i64; 2], expected: [i64; 2]| {
        let mut config = config(folder.path());
        (config.expiry.timestamp, config.expiry.targets) = (days(lives[0]), days(lives[1]));
        let running = headwater_server::run(config, std::future::pending()).await.unwrap();
        running.services().upkeep.run_signing(now()).await;
        let metadata = folder.path().join("repository/components/metadata");
        let left = |name: &str| {
            let signed: Value = serde_json::from_slice(&std::fs::read(metadata.join(name)).unwrap()).unwrap();
            let expires: Timestamp = signed["signed"]["expires"].as_str().unwrap().parse().unwrap();
            (expires.duration_since(now()).as_secs() + day / 2) / day
        };
        assert_eq!([left("timestamp.json"), left("1.targets.json")], expected);
        running.stop();
        running.ended().await;
    };
    check([3, 20], [3, 20]).await;
    // A longer life counts from the next signing on, and half of it is not left: so it is signed at once.
    check([10, 20], [10, 20]).await;
}

#[tokio::test]
async fn a_server_that_slept_for_years_renews_its_root_too() {
    let server = Server::start().await;
    let later = now() + days(3 * 365);
    server.running.services().upkeep.run_signing(later).await;
    for repository in Repository::ALL {
        let (_, trusted) = server.trusted(repository, later).await;
        assert_eq!(trusted.root_version(), 2, "{repository}");
    }
    let status = server.get("/api/v1/status").await;
    assert_eq!(status["repositories"][0]["root_version"], 2);
    assert_eq!(status["jobs"][0]["error"], Value::Null);
}

#[tokio::test]
async fn what_was_saved_is_answered_as_saved_though_the_disk_refuses_the_file_that_leads_to_it() {
    let server = Server::start().await;
    let timestamp = server.repository(Repository::Policy).join("metadata/timestamp.json");
    std::fs::remove_file(&timestamp).unwrap();
    // A folder in its place, which no file replaces.
    std::fs::create_dir(&timestamp).unwrap();
    server.ok("POST", "/api/v1/domains", Some(json!({"path": "root/paris"}))).await;
    assert_eq!(server.rotate_ca(now()).await.unwrap(), 2);
    server.running.services().upkeep.run_signing(now()).await;
    let status = server.get("/api/v1/status").await;
    assert!(status["jobs"][0]["error"].is_string(), "the status shows it: {status}");
    let before = server.trusted(Class::Components, now()).await.1.timestamp_version();
    server.running.services().upkeep.run_signing(now() + SignedDuration::from_hours(13)).await;
    let (_, components) = server.trusted(Class::Components, now()).await;
    assert!(components.timestamp_version() > before, "the other classes go on");
    std::fs::remove_dir(&timestamp).unwrap();
    server.running.services().upkeep.run_signing(now()).await;
    assert!(server.domain("root/paris").await.is_some());
    assert_eq!(server.rotate_ca(now()).await.unwrap(), 3);
}

#[tokio::test]
async fn old_metadata_goes_after_a_day_and_roots_never() {
    let server = Server::start().await;
    for version in ["1", "2", "3"] {
        server.publish("components", "rules", version, &[("a", version.as_bytes())]).await;
    }
    let metadata = || files(&server.repository(Class::Components).join("metadata")).len();
    assert_eq!(metadata(), 2 + 4 * 2);
    server.running.services().publishing.collect_garbage(now()).await.unwrap();
    assert_eq!(metadata(), 2 + 4 * 2);
    server.running.services().publishing.collect_garbage(now() + days(2)).await.unwrap();
    assert_eq!(metadata(), 4);
    assert!(server.target(Class::Components, "rules/1.json").await.is_some());
}

#[tokio::test]
async fn reports_go_after_their_retention() {
    let server = Server::start().await;
    let report = json!({
        "format": 1, "client": "pc-1", "domain": "root", "run": 1, "started": "2026-11-22T10:00:00Z",
        "duration_ms": 5, "addresses": [], "program": "1", "policy_version": 1, "classes": [], "attempts": [],
        "installed": {}
    });
    assert_eq!(server.state_as_client(headwater_identity::StatementKind::Report, report).await.0, 200);
    let count = async || server.get("/api/v1/reports").await["items"].as_array().unwrap().len();
    let forget = async |days_later: i64| {
        server.running.services().upkeep.forget_reports(now() + days(days_later)).await.unwrap()
    };
    assert_eq!(forget(89).await, "no reports older than 90 days");
    assert_eq!(count().await, 1);
    assert_eq!(forget(91).await, "1 report older than 90 days removed");
    assert_eq!(count().await, 0);
}

#[tokio::test]
async fn a_damaged_body_is_removed_and_the_status_shows_how_it_comes_back() {
    let server = Server::start().await;
    server.publish("components", "rules", "1", &[("a", b"content of a")]).await;
    let bodies = files(&server.repository(Class::Components).join("blobs"));
    let [body] = bodies.as_slice() else { panic!("{bodies:?}") };
    let whole = std::fs::read(body).unwrap();
    let mut flipped = whole.clone();
    flipped[3] ^= 1;
    std::fs::write(body, flipped).unwrap();
    server.running.services().upkeep.run_jobs(now() + days(1)).await;
    let status = server.get("/api/v1/status").await;
    let job = status["jobs"].as_array().unwrap().iter().find(|job| job["name"] == "scrub").unwrap().clone();
    assert!(job["message"].as_str().unwrap().contains("of components (rules (release 1))"), "{job}");
    assert!(status["warnings"].to_string().contains("publish components/rules 1 again"), "{status}");
    assert!(!body.exists());
    server.publish("components", "rules", "1", &[("a", b"content of a")]).await;
    assert_eq!(std::fs::read(body).unwrap(), whole);
}
