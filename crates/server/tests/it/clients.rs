//! Check-ins, reports, the registry, enrolment bundles.

use headwater_database::testing::{Rows, fill};
use headwater_identity::StatementKind;
use headwater_policy::ADDRESSES_MAX;
use headwater_server::limits;
use serde_json::{Value, json};

use crate::endpoint::Endpoint;
use crate::harness::Server;

pub fn report(client: &str, run: u64) -> Value {
    let began = "2026-11-22T10:00:00Z";
    json!({
        "format": 1, "client": client, "domain": "root", "run": run, "started": began, "duration_ms": 5,
        "addresses": ["10.0.0.1"], "program": "0.1.0", "policy_version": 1,
        "classes": [
            {"class": "components", "result": "current", "source": "server", "message": "up to date"}
        ],
        "attempts": [{
            "source": "server", "url": "http://x", "entry": null, "class": "components", "result": "current",
            "reason": null, "detail": "", "bytes": 10, "started": began, "duration_ms": 1,
            "from_version": 3, "to_version": 4
        }],
        "installed": {"components": {"rules": {"sequence": 1, "version": "1"}}}
    })
}

#[tokio::test]
async fn a_check_in_files_a_client_and_announces_what_is_newest() {
    let server = Server::start().await;
    server.ok("POST", "/api/v1/domains", Some(json!({"path": "root/paris"}))).await;
    let answer = server.check_in("pc-1", "root/paris", "::ffff:10.0.0.1").await;
    assert_eq!(answer["domain"], "root/paris");
    assert_eq!(answer["announced"]["components"], 1);
    assert_eq!(server.get("/api/v1/clients/pc-1").await["addresses"], json!(["10.0.0.1"]));
    server.publish("components", "rules", "1", &[("a", b"x")]).await;
    let answer = server.check_in("pc-1", "root", "10.0.0.2").await;
    assert_eq!((&answer["announced"]["components"], &answer["domain"]), (&json!(2), &json!("root/paris")));
    let client = server.get("/api/v1/clients/pc-1").await;
    assert_eq!((&client["addresses"], &client["domain"]), (&json!(["10.0.0.2"]), &json!("root/paris")));
}

#[tokio::test]
async fn reports_are_stored_once_and_found_by_client() {
    let server = Server::start().await;
    for (client, run) in [("pc-1", 1), ("pc-1", 1), ("pc-1", 2), ("pc-2", 1)] {
        assert_eq!(server.state_as_client(StatementKind::Report, report(client, run)).await.0, 200);
    }
    let of_one = server.get("/api/v1/reports?client=pc-1").await;
    let items = of_one["items"].as_array().unwrap().iter();
    assert_eq!(items.map(|item| item["report"]["run"].as_u64().unwrap()).collect::<Vec<_>>(), [2, 1]);
    let page = server.get("/api/v1/reports?limit=1").await;
    assert_eq!(page["items"][0]["report"]["client"], "pc-2");
    let next = server.get(&format!("/api/v1/reports?limit=1&before={}", page["next"])).await;
    assert_eq!(next["items"][0]["report"]["run"], 2);
    let client = server.get("/api/v1/clients/pc-1").await;
    assert_eq!((&client["last_report"]["run"], &client["versions"]["components"]), (&json!(2), &json!(4)));
    server.ok("DELETE", "/api/v1/clients/pc-1", None).await;
    let unknown = server.refused("GET", "/api/v1/reports?client=pc-1", None, 404, "not_found").await;
    assert!(unknown["message"].as_str().unwrap().starts_with("client pc-1 does not exist"), "{unknown}");
    server.forget("pc-1").await;
    server.check_in("pc-1", "root", "10.0.0.1").await;
    assert_eq!(
        server.get("/api/v1/reports?client=pc-1").await["items"],
        json!([]),
        "its reports went with it"
    );
    server.ok("DELETE", "/api/v1/clients/pc-1", None).await;
    server.refused("GET", "/api/v1/clients/pc-1", None, 404, "not_found").await;
}

#[tokio::test]
async fn what_clients_state_is_bounded() {
    let server = Server::start().await;
    let check_in = |key: &str, value: Value| {
        let mut body = json!({
            "client": "pc", "domain": "root", "addresses": [], "program": "1", "policy_version": 0, "versions": {}
        });
        body[key] = value;
        (StatementKind::CheckIn, body)
    };
    let with = |key: &str, value: Value| {
        let mut body = report("pc", 1);
        body[key] = value;
        (StatementKind::Report, body)
    };
    let mut attempt = report("pc", 1)["attempts"][0].clone();
    attempt["url"] = json!("");
    let release = json!({"sequence": 1, "version": "1"});
    let many: serde_json::Map<_, _> =
        (0..=limits::REPORT_INSTALLED_MAX).map(|n| (n.to_string(), release.clone())).collect();
    let outcome = json!([{"class": "x", "result": "current", "source": null, "message": ""}]);
    for ((kind, body), status) in [
        (check_in("client", json!("../etc")), 400),
        (check_in("client", json!("")), 400),
        (check_in("addresses", json!(["10.0.0.256"])), 400),
        (check_in("addresses", json!(vec!["10.0.0.1"; ADDRESSES_MAX + 1])), 400),
        (check_in("program", json!("x".repeat(limits::REPORT_TEXT_BYTES_MAX + 1))), 400),
        (check_in("program", json!("x".repeat(limits::CHECK_IN_BODY_BYTES_MAX))), 413),
        (check_in("versions", json!({"patterns": 1})), 400),
        (check_in("policy_version", json!(-1)), 400),
        (with("format", json!(2)), 400),
        (with("client", json!("a b")), 400),
        (with("attempts", json!(vec![attempt; limits::REPORT_ATTEMPTS_MAX + 1])), 400),
        (with("program", json!("x".repeat(limits::REPORT_BODY_BYTES_MAX))), 413),
        (with("installed", json!({"components": many})), 400),
        (with("classes", outcome), 400),
        (with("run", json!("1")), 400),
    ] {
        let (got, answer) = server.state_as_client(kind, body).await;
        assert_eq!(got, status, "{kind}: {answer}");
        assert!(answer["error"]["message"].is_string());
    }
    let client = server.get("/api/v1/clients/pc").await;
    assert_eq!(
        (&client["last_report"], &client["program"]),
        (&Value::Null, &json!("1")),
        "nothing was taken"
    );
    let (kind, body) = check_in("addresses", json!(vec!["10.0.0.1"; ADDRESSES_MAX]));
    assert_eq!(server.state_as_client(kind, body).await.0, 200);
}

#[tokio::test]
async fn clients_are_listed_by_page_and_domain_and_moved_all_or_none() {
    let server = Server::start().await;
    server.ok("POST", "/api/v1/domains", Some(json!({"path": "root/paris"}))).await;
    for id in ["a", "b", "c"] {
        server.check_in(id, "root", "10.0.0.1").await;
    }
    let page = server.get("/api/v1/clients?limit=2").await;
    assert_eq!(page["next"], "b");
    assert_eq!(server.get("/api/v1/clients?limit=2&after=b").await["items"][0]["id"], "c");
    let to_paris = |ids: &[&str]| Some(json!({"clients": ids, "domain": "root/paris"}));
    server.refused("POST", "/api/v1/clients/move", to_paris(&["a", "nobody"]), 404, "not_found").await;
    assert_eq!(server.get("/api/v1/clients?domain=root/paris").await["items"], json!([]));
    server.ok("POST", "/api/v1/clients/move", to_paris(&["a"])).await;
    assert_eq!(server.get("/api/v1/clients?domain=root/paris").await["items"][0]["id"], "a");
    assert_eq!(server.check_in("a", "root", "10.0.0.1").await["domain"], "root/paris");
}

#[tokio::test]
async fn an_enrolment_bundle_has_all_that_a_client_needs() {
    let server = Server::start().await;
    server.ok("POST", "/api/v1/domains", Some(json!({"path": "root/paris"}))).await;
    let paris = Some(json!({"domain": "root/paris", "uses": limits::ENROL_USES_MAX}));
    let bundle = server.ok("POST", "/api/v1/enrol-tokens", paris).await;
    let urls = json!([server.running.fleet_url]);
    assert_eq!((&bundle["domain"], &bundle["server_urls"]), (&json!("root/paris"), &urls));
    assert_eq!(bundle["roots"]["programs"]["signed"]["_type"], "root");
    assert_eq!(bundle["policy"], server.get("/api/v1/sources").await["policy"]);
    let wanted = |key: &str, value: Value| Some(json!({ key: value }));
    let max = limits::ENROL_EXPIRES_SECONDS_MAX;
    for (key, value, status, code) in [
        ("domain", json!("root/rome"), 404, "not_found"),
        ("domain", json!("rome"), 400, "invalid_request"),
        ("uses", json!(0), 400, "invalid_request"),
        ("uses", json!(limits::ENROL_USES_MAX + 1), 400, "invalid_request"),
        ("expires_seconds", json!(limits::ENROL_EXPIRES_SECONDS_MIN - 1), 400, "invalid_request"),
        ("expires_seconds", json!(max + 1), 400, "invalid_request"),
        ("client", json!("a b"), 400, "invalid_request"),
        ("token", json!("mine"), 400, "invalid_request"),
    ] {
        server.refused("POST", "/api/v1/enrol-tokens", wanted(key, value), status, code).await;
    }
    server.ok("POST", "/api/v1/enrol-tokens", wanted("expires_seconds", json!(max))).await;
    server.refused("DELETE", "/api/v1/enrol-tokens/9", None, 404, "not_found").await;
}

#[tokio::test]
async fn all_reports_together_keep_to_their_room() {
    let server = Server::start().await;
    for run in 1..=6 {
        let mut body = report("pc-1", run);
        body["attempts"][0]["detail"] = "é".repeat(400_000).into();
        assert_eq!(server.state_as_client(StatementKind::Report, body).await.0, 200);
    }
    let kept = server.get("/api/v1/reports?limit=10").await;
    let runs = kept["items"].as_array().unwrap().iter();
    let runs: Vec<_> = runs.map(|item| item["report"]["run"].as_u64().unwrap()).collect();
    assert_eq!(runs, [6, 5], "the newest stay, 2 MiB of them");
}

#[tokio::test]
async fn the_registry_takes_no_more_clients_than_it_may() {
    let server = Server::start().await;
    let database = server.folder.path().join("server.db");
    fill(&database, Rows::Clients, limits::CLIENTS_MAX - 1).await.unwrap();
    server.check_in("last", "root", "10.0.0.1").await;
    let bundle = server.bundle(json!({})).await;
    let (status, answer) = Endpoint::new("one-more", &bundle).enrol(&bundle).await;
    assert_eq!((status, &answer["error"]["code"]), (413, &json!("too_large")), "{answer}");
    server.refused("GET", "/api/v1/clients/one-more", None, 404, "not_found").await;
    server.check_in("last", "root", "10.0.0.2").await;
}

#[tokio::test]
async fn an_enrolment_bundle_names_every_url_of_the_server() {
    let check = async |url: Option<&str>, names: &[&str], expected: &[&str]| {
        let server = Server::start_with(|folder| {
            let raw = headwater_server::RawConfig {
                data: Some(folder.to_owned()),
                fleet_listen: Some("127.0.0.1:0".parse().unwrap()),
                console_listen: Some("127.0.0.1:0".parse().unwrap()),
                fleet_url: url.map(str::to_owned),
                fleet_names: Some(names.iter().map(|name| (*name).to_owned()).collect()),
                ..headwater_server::RawConfig::default()
            };
            headwater_server::Config::try_from(raw).unwrap()
        })
        .await;
        let port = server.running.fleet_addr.port().to_string();
        let urls: Vec<String> = expected.iter().map(|url| url.replace("PORT", &port)).collect();
        assert_eq!(server.bundle(json!({})).await.server_urls, urls);
    };
    check(None, &[], &["https://127.0.0.1:PORT"]).await;
    let names = ["hq.example", "127.0.0.1", "2001:db8::1"];
    check(None, &names, &["https://127.0.0.1:PORT", "https://hq.example:PORT", "https://[2001:db8::1]:PORT"])
        .await;
    let url = "https://[2001:db8::1]:8471/fleet";
    check(Some(url), &["10.0.0.1"], &[url, "https://10.0.0.1:8471/fleet"]).await;
}
