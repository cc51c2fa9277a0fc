//! The audit log (R2): every change is recorded, and tampering is found.

use headwater_database::testing::{Tampering, tamper, tamper_under_triggers};
use serde_json::{Value, json};

use crate::endpoint::Endpoint;
use crate::harness::{Server, add_edit, config};

async fn records(server: &Server) -> Vec<Value> {
    let answer = server.get("/api/v1/audit?after=0&limit=1000").await;
    answer["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn every_change_is_recorded_with_who_what_and_from_where() {
    let server = Server::start().await;
    let before = records(&server).await.len();
    server.publish("components", "rules", "1", &[("a", b"1")]).await;
    server.publish("components", "rules", "2", &[("a", b"2")]).await;
    server.ok("POST", "/api/v1/releases/components/rules/rollback", Some(json!({"to": 1}))).await;
    server.ok("POST", "/api/v1/domains", Some(json!({"path": "root/paris"}))).await;
    let edits = json!({"edits": [add_edit("10.0.0.0-10.0.0.9", "http://mirror.invalid/hw")]});
    server.ok("POST", "/api/v1/drafts/mine/edits", Some(edits)).await;
    server.ok("POST", "/api/v1/drafts/mine/save", Some(json!({"comment": "why"}))).await;
    server.ok("DELETE", "/api/v1/domains/root%2Fparis", None).await;
    let new = records(&server).await.split_off(before);
    let actions: Vec<(&str, &str)> = new
        .iter()
        .map(|record| (record["action"].as_str().unwrap(), record["subject"].as_str().unwrap()))
        .collect();
    assert_eq!(
        actions,
        [
            ("release.publish", "components/rules"),
            // The signed policy lists the organisation's own components.
            ("policy.sign_again", "the signed policy"),
            ("release.publish", "components/rules"),
            ("release.roll_back", "components/rules"),
            ("domain.add", "root/paris"),
            ("draft.edit", "mine"),
            ("sources.save", "mine"),
            ("domain.remove", "root/paris"),
        ]
    );
    assert!(
        new.iter().all(|record| record["who"] == "local (token harness)" && record["from"] == "127.0.0.1")
    );
    assert_eq!(new[3]["before"], json!({"sequence": 2, "version": "2"}));
    assert_eq!(new[3]["after"], json!({"sequence": 1, "version": "1"}));
    assert_eq!(new[6]["after"]["comment"], "why");
    let verified = server.get("/api/v1/audit/verify").await;
    assert_eq!(verified["intact"], true, "{verified}");
    assert_eq!(verified["records"], (before + 8) as u64);
    let page = server.get("/api/v1/audit?limit=2").await;
    assert_eq!(page["items"][0]["action"], "domain.remove");
    assert_eq!(page["next"], (before + 7) as u64);
    server.refused("GET", "/api/v1/audit?before=1&after=1", None, 400, "invalid_request").await;
}

#[tokio::test]
async fn an_enrolment_leads_to_who_made_its_token_and_a_draft_of_a_root_is_recorded() {
    let server = Server::start().await;
    Endpoint::enrolled(&server, "pc-1", "root").await;
    let draft = json!({"replace": ["timestamp"]});
    server.ok("POST", "/api/v1/keys/components/draft", Some(draft.clone())).await;
    let records = records(&server).await;
    let of = |action: &str| records.iter().find(|record| record["action"] == action).unwrap();
    let made = &of("enrol_token.make")["after"];
    assert!(made["number"].as_u64().unwrap() > 0, "{made}");
    assert_eq!(of("client.enrol")["after"]["token"], made["number"]);
    assert_eq!(of("keys.draft_root")["subject"], "components");
    assert_eq!(of("keys.draft_root")["after"]["replace"], draft["replace"]);
}

/// Tampers with the database of a stopped server; returns what its next start finds.
async fn tampered(tampering: Tampering) -> Value {
    let server = Server::start().await;
    for number in 0..4 {
        server.ok("POST", "/api/v1/domains", Some(json!({"path": format!("root/d{number}")}))).await;
    }
    assert_eq!(server.get("/api/v1/audit/verify").await["intact"], true);
    let folder = server.stop().await;
    tamper(&folder.path().join("server.db"), tampering).await.unwrap();
    // The same ports as before are not to be had, and saying so would be a record: nothing is asked but to verify.
    let running = headwater_server::run(config(folder.path()), std::future::pending()).await.unwrap();
    let http = crate::harness::local(&running);
    let answer = http.get("http://localhost/api/v1/audit/verify").send().await.unwrap();
    let verified = crate::harness::answer(answer).await.1;
    running.stop();
    running.ended().await;
    verified
}

#[tokio::test]
async fn tampering_is_found() {
    for tampering in Tampering::ALL {
        let expected = match tampering {
            Tampering::ChangeRecord => "record 3 is not as it was written",
            Tampering::RemoveRecord => "record 3 is missing",
            Tampering::SwapRecords => "record 3",
            Tampering::SpoilRecord => "cannot be read",
            // Cut off at the end: by what is sealed, and if that is set back as well, by what was signed.
            Tampering::RemoveLast | Tampering::RemoveAll => "the signed policy names record",
            Tampering::SetBack => "without this server's seal",
        };
        let verified = tampered(tampering).await;
        assert_eq!(verified["intact"], false, "{tampering:?}: {verified}");
        let findings = verified["findings"].to_string();
        assert!(findings.contains(expected), "{tampering:?}: {findings}");
    }
}

#[tokio::test]
async fn the_log_refuses_to_be_changed() {
    let server = Server::start().await;
    let folder = server.stop().await;
    for tampering in [Tampering::ChangeRecord, Tampering::RemoveRecord] {
        let error = tamper_under_triggers(&folder.path().join("server.db"), tampering).await.unwrap_err();
        let error = headwater_repo::error_chain(&error);
        assert!(error.contains("append-only"), "{error}");
    }
}
