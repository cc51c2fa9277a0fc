//! Which clients are outdated, failed, reverted or silent, since when and why (R1a); which runs stay (R2).

use headwater_api::v1::{ClientState, ClientsQuery};
use headwater_identity::StatementKind;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::clients::report;
use crate::harness::{Server, now};

/// A client reports a run: how it ended for components, and which release of `rules` it left.
async fn reports(server: &Server, id: &str, run: u64, result: &str, sequence: u64) {
    let mut report = report(id, run);
    let policy = server.get("/api/v1/sources").await["version"].clone();
    assert!(policy.is_u64(), "{policy}");
    report["policy_version"] = policy;
    let message = format!("rules: {result} for a reason");
    report["classes"][0]["result"] = json!(result);
    report["classes"][0]["message"] = json!(message);
    if ["failed", "reverted"].contains(&result) {
        report["classes"][0]["names"] = json!([{"name": "rules", "result": result, "message": message}]);
    }
    report["installed"]["components"]["rules"] =
        json!({"sequence": sequence, "version": sequence.to_string()});
    let (status, answer) = server.state_as_client(StatementKind::Report, report).await;
    assert_eq!(status, 200, "{answer}");
}

/// Ids, states and reasons of a list.
async fn listed(server: &Server, query: &str) -> Vec<(String, String, String)> {
    let answer = server.get(&format!("/api/v1/clients?{query}")).await;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let items = answer["items"].as_array().unwrap().iter();
    items.map(|item| (text(&item["id"]), text(&item["state"]), text(&item["reason"]))).collect()
}

async fn ids(server: &Server, query: &str) -> Vec<String> {
    listed(server, query).await.into_iter().map(|(id, ..)| id).collect()
}

/// Releases 1 and 2 of `rules`, and a client for each state that a report makes.
async fn fleet() -> Server {
    let server = Server::start().await;
    server.publish("components", "rules", "1", &[("a", b"x")]).await;
    server.publish("components", "rules", "2", &[("a", b"y")]).await;
    for domain in ["root/paris", "root/paris/lab"] {
        server.ok("POST", "/api/v1/domains", Some(json!({"path": domain}))).await;
    }
    server.client("pc-lab", "root/paris/lab").await;
    for (id, result, sequence) in [
        ("pc-good", "updated", 2),
        ("pc-lab", "failed", 1),
        ("pc-old", "current", 1),
        ("pc-reverted", "reverted", 1),
    ] {
        reports(&server, id, 1, result, sequence).await;
    }
    server.client("pc-new", "root/paris").await;
    server
}

#[tokio::test]
async fn the_list_says_how_each_client_stands_and_why() {
    let server = fleet().await;
    let expected = [
        ("pc-good", "current", ""),
        ("pc-lab", "failed", "components: rules: failed for a reason"),
        ("pc-new", "unknown", "it has not reported a run yet"),
        ("pc-old", "outdated", "rules is at 1, and 2 is current"),
        ("pc-reverted", "reverted", "components: rules: reverted for a reason"),
    ];
    let expected = expected.map(|(id, state, why)| (id.to_owned(), state.to_owned(), why.to_owned()));
    assert_eq!(listed(&server, "").await, expected);
    let counts = server.get("/api/v1/clients?limit=1").await;
    let first = &counts["counts"];
    let number = |key: &str| first[key].as_u64().unwrap();
    let keys = ["clients", "current", "outdated", "failed", "reverted", "silent", "unknown"];
    assert_eq!(keys.map(number), [5, 1, 1, 1, 1, 0, 1]);
    let second =
        server.get(&format!("/api/v1/clients?limit=1&after={}", counts["next"].as_str().unwrap())).await;
    assert_eq!((&second["items"][0]["id"], &second["counts"]), (&json!("pc-lab"), &Value::Null));
    let status = server.get("/api/v1/status").await;
    assert_eq!(status["client_counts"], *first, "the status says the same");
}

#[tokio::test]
async fn a_list_is_filtered_by_state_domain_release_and_policy() {
    let server = fleet().await;
    for (query, expected) in [
        ("state=failed", &["pc-lab"][..]),
        ("state=failed,reverted", &["pc-lab", "pc-reverted"]),
        ("state=outdated", &["pc-old"]),
        ("domain=root", &["pc-good", "pc-lab", "pc-new", "pc-old", "pc-reverted"]),
        ("domain=root%2Fparis", &["pc-lab", "pc-new"]),
        ("domain=root%2Fparis%2Flab", &["pc-lab"]),
        ("domain=root%2Fparis&state=unknown", &["pc-new"]),
        ("release=rules%3D1", &["pc-lab", "pc-old", "pc-reverted"]),
        ("release=rules%3D1&state=outdated", &["pc-old"]),
        ("policy_behind=true", &["pc-new"]),
        ("state=silent", &[]),
    ] {
        assert_eq!(ids(&server, query).await, expected, "{query}");
    }
    let all = server.get("/api/v1/clients?state=failed&releases=true").await;
    let rules = &all["items"][0]["releases"][0];
    assert_eq!(
        (&rules["name"], &rules["version"], &rules["wanted"]),
        (&json!("rules"), &json!("1"), &json!("2"))
    );
    assert_eq!(rules["reason"], "rules: failed for a reason");
    for wrong in ["state=bad", "release=rules", "silent_seconds=1", "domain=root%2Fnowhere"] {
        let (status, answer) = server.ask("GET", &format!("/api/v1/clients?{wrong}"), None).await;
        assert!((400..=404).contains(&status), "{wrong}: {answer}");
    }
}

#[tokio::test]
async fn who_is_not_in_contact_is_silent_however_its_run_ended() {
    let server = fleet().await;
    let fleet = &server.running.services().fleet;
    let query = ClientsQuery { silent_seconds: Some(3600), ..ClientsQuery::default() };
    let later = now() + SignedDuration::from_hours(2);
    let answer = fleet.client_views(&query, later).await.unwrap();
    assert!(answer.items.iter().all(|client| client.state == ClientState::Silent), "{:?}", answer.counts);
    assert_eq!(answer.items[0].since, answer.items[0].last_seen);
    assert_eq!(answer.items[1].reason.as_deref(), Some("components: rules: failed for a reason"));
    assert_eq!(answer.counts.map(|counts| counts.silent), Some(5));
    let failed = ClientsQuery { state: Some("failed".to_owned()), ..query };
    assert!(fleet.client_views(&failed, later).await.unwrap().items.is_empty());
    server.check_in("pc-lab", "root", "10.0.0.1").await;
    let failed = ClientsQuery { silent_seconds: None, ..failed };
    assert_eq!(fleet.client_views(&failed, later).await.unwrap().items.len(), 1, "a day is not over");
}

#[tokio::test]
async fn publishing_and_rolling_back_change_who_is_outdated() {
    let server = fleet().await;
    let state = async |id: &str| server.get(&format!("/api/v1/clients/{id}")).await;
    let current_since = state("pc-good").await["since"].clone();
    server.publish("components", "rules", "3", &[("a", b"z")]).await;
    let outdated = state("pc-good").await;
    assert_eq!(
        (&outdated["state"], &outdated["reason"]),
        (&json!("outdated"), &json!("rules is at 2, and 3 is current"))
    );
    assert!(outdated["since"].as_str() >= current_since.as_str(), "{outdated}");
    server.ok("POST", "/api/v1/releases/components/rules/rollback", Some(json!({"to": 2}))).await;
    assert_eq!(state("pc-good").await["state"], "current");
    server.publish("programs", "scanner", "7", &[("a", b"z")]).await;
    assert_eq!(state("pc-good").await["reason"], "scanner 7 is missing");
    server.ok("DELETE", "/api/v1/releases/programs/scanner", None).await;
    assert_eq!(state("pc-good").await["state"], "current");
    let edit = json!({"edits": [{"op": "set_mode", "mode": "customized"}]});
    server.ok("POST", "/api/v1/drafts/d/edits", Some(edit)).await;
    server.ok("POST", "/api/v1/drafts/d/save", Some(json!({}))).await;
    let behind = state("pc-good").await;
    assert_eq!(behind["state"], "outdated");
    assert!(behind["reason"].as_str().unwrap().starts_with("it has policy version"), "{behind}");
    reports(&server, "pc-good", 2, "current", 2).await;
    assert_eq!(state("pc-good").await["state"], "current");
}

#[tokio::test]
async fn a_release_shows_how_many_clients_have_it() {
    let server = fleet().await;
    let rules = server.get("/api/v1/releases/components/rules").await;
    let of = |sequence: u64| {
        let clients = rules["clients"].as_array().unwrap().iter();
        let found = clients.clone().find(|one| one["sequence"] == sequence).unwrap().clone();
        ["clients", "failed", "reverted"].map(|key| found[key].as_u64().unwrap())
    };
    assert_eq!((of(2), of(1)), ([1, 0, 0], [3, 1, 1]));
}

#[tokio::test]
async fn of_runs_that_found_nothing_new_the_newest_is_shown_whole_and_all_are_counted() {
    let server = Server::start().await;
    for run in 1..=3 {
        let mut quiet = report("pc-1", run);
        quiet["attempts"][0]["to_version"] = json!(3);
        assert_eq!(server.state_as_client(StatementKind::Report, quiet).await.0, 200);
    }
    let mut failed = report("pc-1", 4);
    failed["classes"][0]["result"] = json!("failed");
    assert_eq!(server.state_as_client(StatementKind::Report, failed).await.0, 200);
    let mut quiet = report("pc-1", 5);
    quiet["attempts"][0]["to_version"] = json!(3);
    assert_eq!(server.state_as_client(StatementKind::Report, quiet).await.0, 200);
    let kept = server.get("/api/v1/reports?client=pc-1").await;
    let runs: Vec<u64> =
        kept["items"].as_array().unwrap().iter().map(|it| it["report"]["run"].as_u64().unwrap()).collect();
    assert_eq!(runs, [5, 4]);
    let client = server.get("/api/v1/clients/pc-1").await;
    assert_eq!(client["last_report"]["run"], 5);
    let day = &client["days"][0];
    assert_eq!((&day["source"], &day["runs"], &day["bytes"]), (&json!("server"), &json!(5), &json!(50)));
}
