//! Two machines with one identity: found by a number that comes again with other content; nothing is lost by it (I3a).

use headwater_database::limits::REPORT_DIGESTS_MAX;
use headwater_identity::StatementKind;
use serde_json::{Value, json};

use crate::clients::report;
use crate::endpoint::Endpoint;
use crate::harness::{Server, now};

/// A report of a run that begins now, on a machine.
fn report_of(host: &str, address: &str, run: u64) -> Value {
    let mut report = report("pc-1", run);
    report["host"] = json!(host);
    report["addresses"] = json!([address]);
    report["started"] = json!(now());
    report
}

/// The server's own word that a number was taken, and after which its sender continues.
fn continues_after(pc: &Endpoint, answer: &(u16, Value), sequence: u64) -> Value {
    let error = &answer.1["error"];
    assert_eq!((answer.0, &error["code"]), (409, &json!("replayed")), "{error}");
    let taken = pc.believed(error["details"]["answer"].clone(), StatementKind::Report, sequence);
    taken["taken"].clone()
}

async fn copied(server: &Server) -> Value {
    server.get("/api/v1/clients/pc-1").await["copied"].clone()
}

async fn runs_stored(server: &Server) -> usize {
    server.get("/api/v1/reports?client=pc-1").await["items"].as_array().unwrap().len()
}

#[tokio::test]
async fn another_report_with_a_number_that_was_taken_is_found_and_not_lost() {
    let server = Server::start().await;
    let pc = Endpoint::enrolled(&server, "pc-1", "root").await;
    Endpoint::enrolled(&server, "pc-2", "root").await;
    let (original, copy) = (report_of("office-1", "10.0.0.1", 3), report_of("office-2", "10.0.0.9", 4));
    let mut digests = Vec::new();
    for _ in 0..2 {
        let (status, reply) = pc.state_as(StatementKind::Report, 1, &original).await;
        assert_eq!((status, &reply["taken"]), (200, &json!(1)), "the same content: the answer was lost");
        digests.push(reply["digest"].clone());
    }
    assert_eq!(digests[0], digests[1]);
    assert_eq!((copied(&server).await, runs_stored(&server).await), (Value::Null, 1));
    assert_eq!(server.get("/api/v1/status").await["copied_identities"], 0);

    let refused = pc.state_as(StatementKind::Report, 1, &copy).await;
    assert_eq!(continues_after(&pc, &refused, 1), 1);
    assert_eq!(pc.state_as(StatementKind::Report, 2, &copy).await.0, 200);
    assert_eq!(runs_stored(&server).await, 2, "it is not lost");
    let found = copied(&server).await;
    let (first, second) = (&found["first"], &found["second"]);
    assert_eq!((&first["host"], &first["addresses"]), (&json!("office-1"), &json!(["10.0.0.1"])));
    assert_eq!((&second["host"], &second["addresses"]), (&json!("office-2"), &json!(["10.0.0.9"])));
    assert_eq!(found["sequence"], 1);
    let listed = server.get("/api/v1/clients").await["items"].clone();
    assert_eq!((&listed[0]["copied"], &listed[1]["copied"]), (&found, &Value::Null));
    let status = server.get("/api/v1/status").await;
    assert_eq!(status["copied_identities"], 1);
    assert!(status["warnings"].to_string().contains("used by two machines"), "{status}");

    let bundle = server.bundle(json!({"client": "pc-1"})).await;
    let mut new = Endpoint::new("pc-1", &bundle);
    assert_eq!(new.enrol(&bundle).await.0, 200);
    assert_eq!(copied(&server).await, Value::Null, "a new key resolves it");
    assert_eq!(server.get("/api/v1/status").await["copied_identities"], 0);
    assert_eq!(new.state_as(StatementKind::Report, 1, &report_of("office-1", "10.0.0.1", 5)).await.0, 200);
}

#[tokio::test]
async fn a_number_of_long_ago_is_found_if_its_report_is_new() {
    let server = Server::start().await;
    let pc = Endpoint::enrolled(&server, "pc-1", "root").await;
    let newest = u64::from(REPORT_DIGESTS_MAX) + 2;
    let old = report_of("office-1", "10.0.0.1", 1);
    for sequence in 1..=newest {
        let body = if sequence == 1 { old.clone() } else { report_of("office-1", "10.0.0.1", sequence) };
        assert_eq!(pc.state_as(StatementKind::Report, sequence, &body).await.0, 200);
    }
    // A carrier that sends an old statement again makes no finding.
    let mut replayed = old;
    replayed["started"] = json!("2026-11-22T10:00:00Z");
    let refused = pc.state_as(StatementKind::Report, 1, &replayed).await;
    assert_eq!(continues_after(&pc, &refused, 1), newest);
    assert_eq!(copied(&server).await, Value::Null);
    // A snapshot that was put back.
    let later = now() + jiff::SignedDuration::from_mins(1);
    let mut put_back = report_of("office-1", "10.0.0.1", 2);
    put_back["started"] = json!(later);
    let refused = pc.state_as(StatementKind::Report, 2, &put_back).await;
    assert_eq!(continues_after(&pc, &refused, 2), newest);
    assert_eq!(copied(&server).await["sequence"], 2);
    let before = runs_stored(&server).await;
    assert_eq!(pc.state_as(StatementKind::Report, newest + 1, &put_back).await.0, 200);
    assert_eq!(runs_stored(&server).await, before + 1);
}

#[tokio::test]
async fn a_copy_behind_an_update_agent_is_found_with_its_carrier() {
    let server = Server::start().await;
    let pc = Endpoint::enrolled(&server, "pc-1", "root").await;
    let agent = Endpoint::enrolled(&server, "ua-1", "root").await;
    let role = json!({"classes": ["components"], "addresses": ["10.0.0.9"]});
    server.ok("PUT", "/api/v1/update-agents/ua-1", Some(role)).await;
    assert_eq!(pc.state_as(StatementKind::Report, 1, &report_of("a", "10.0.0.1", 1)).await.0, 200);
    let carried = async |sequence: u64| {
        let statement = pc.statement(StatementKind::Report, sequence, &report_of("b", "10.0.0.2", 2));
        agent.post("/client/v1/report", &statement).await
    };
    let refused = carried(1).await;
    assert_eq!(continues_after(&pc, &refused, 1), 1);
    let found = copied(&server).await;
    assert_eq!((&found["first"]["carrier"], &found["second"]["carrier"]), (&Value::Null, &json!("ua-1")));
    assert_eq!(carried(2).await.0, 200);
    assert_eq!(runs_stored(&server).await, 2);
}
