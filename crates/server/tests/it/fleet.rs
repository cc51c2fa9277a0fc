//! Enrolment, statements and revocation on the fleet listener (I3, U5).

use headwater_database::testing::{Rows, fill};
use headwater_identity::{CaCertificate, Statement, StatementKind, tls};
use headwater_policy::Repository;
use headwater_server::limits;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::clients::report;
use crate::endpoint::Endpoint;
use crate::harness::{Server, now, until};

/// The code of a refusal.
fn code(answer: &(u16, Value)) -> (u16, &str) {
    (answer.0, answer.1["error"]["code"].as_str().unwrap_or_default())
}

async fn fleet_part(server: &Server) -> Value {
    server.target(Repository::Policy, "policy.json").await.unwrap()["fleet"].clone()
}

#[tokio::test]
async fn a_token_admits_a_client_into_its_domain_whatever_the_client_states() {
    let server = Server::start().await;
    server.ok("POST", "/api/v1/domains", Some(json!({"path": "root/paris"}))).await;
    let pc = Endpoint::enrolled(&server, "pc-1", "root/paris").await;
    let (_, reply) = pc.state(StatementKind::CheckIn, &pc.check_in_body()).await;
    assert_eq!(reply["domain"], "root/paris", "its check-in says root");
    let client = server.get("/api/v1/clients/pc-1").await;
    assert_eq!(client["identity"]["key"], pc.key.fingerprint().to_string());
    assert_eq!(client["domain"], "root/paris");
    assert_eq!(server.get("/api/v1/enrol-tokens").await["items"], json!([]), "the one use is spent");
    let fleet = fleet_part(&server).await;
    assert_eq!((fleet["ca"].as_array().unwrap().len(), &fleet["revoked"]), (1, &json!([])));
}

#[tokio::test]
async fn enrolment_is_refused_by_name() {
    let server = Server::start().await;
    let bundle = server.bundle(json!({"uses": 2})).await;
    let mut first = Endpoint::new("pc-1", &bundle);
    assert_eq!(first.enrol(&bundle).await.0, 200);
    assert_eq!(first.enrol(&bundle).await.0, 200, "the same key again: the answer was lost");
    let mut other = Endpoint::new("pc-1", &bundle);
    let taken = other.enrol(&bundle).await;
    assert_eq!(code(&taken), (409, "id_taken"));
    assert!(
        taken.1["error"]["message"].as_str().unwrap().contains("headwater clients remove pc-1"),
        "{taken:?}"
    );
    let request = first.enrolment(&bundle, json!({"client": "pc-3"}));
    assert_eq!(code(&first.post("/client/v1/enrol", &request).await), (409, "key_taken"));
    assert_eq!(Endpoint::new("pc-2", &bundle).enrol(&bundle).await.0, 200);
    assert_eq!(code(&Endpoint::new("pc-3", &bundle).enrol(&bundle).await), (403, "bad_token"));

    let revoked = server.bundle(json!({})).await;
    let number = server.get("/api/v1/enrol-tokens").await["items"][0]["number"].clone();
    server.ok("DELETE", &format!("/api/v1/enrol-tokens/{number}"), None).await;
    assert_eq!(code(&Endpoint::new("pc-4", &revoked).enrol(&revoked).await), (403, "bad_token"));
    let bound = server.bundle(json!({"client": "pc-5"})).await;
    assert_eq!(code(&Endpoint::new("pc-6", &bound).enrol(&bound).await), (403, "bad_token"));

    let endpoint = Endpoint::new("pc-7", &bound);
    for other in [
        json!({"client": "../etc"}),
        json!({"client": ""}),
        json!({"request": "nothing"}),
        json!({"request": null}),
        json!({"encryption_key": "x"}),
        json!({"addresses": ["10.0.0.256"]}),
        json!({"program": "x".repeat(4097)}),
        json!({"format": 2}),
    ] {
        let body = endpoint.enrolment(&bound, other.clone());
        assert_eq!(
            code(&endpoint.post("/client/v1/enrol", &body).await),
            (400, "invalid_request"),
            "{other}"
        );
    }
    let token = endpoint.enrolment(&bound, json!({"token": "hwt_x"}));
    assert_eq!(code(&endpoint.post("/client/v1/enrol", &token).await), (403, "bad_token"));
    let unsealed = json!({"encapsulated": "", "body": ""});
    assert_eq!(code(&endpoint.post("/client/v1/enrol", &unsealed).await), (400, "invalid_request"));
    let long = json!({"encapsulated": "", "body": "x".repeat(70_000)});
    assert_eq!(code(&endpoint.post("/client/v1/enrol", &long).await), (413, "too_large"));
    let unknown_clients = server.get("/api/v1/unknown-clients").await;
    assert!(
        unknown_clients["items"].as_array().unwrap().iter().any(|one| one["reason"] == "other_key"),
        "{unknown_clients}"
    );
}

#[tokio::test]
async fn who_is_refused_too_often_waits() {
    let server = Server::start().await;
    let bundle = server.bundle(json!({})).await;
    let endpoint = Endpoint::new("pc-1", &bundle);
    let wrong = json!({"encapsulated": "", "body": ""});
    for _ in 0..limits::ENROL_REFUSALS_MAX {
        assert_eq!(endpoint.post("/client/v1/enrol", &wrong).await.0, 400);
    }
    assert_eq!(code(&endpoint.post("/client/v1/enrol", &wrong).await), (429, "too_often"));
}

#[tokio::test]
async fn one_client_that_asks_wrongly_does_not_block_the_site_of_its_update_agent() {
    let server = Server::start().await;
    let carrier = Endpoint::enrolled(&server, "ua-1", "root").await;
    let role = json!({"classes": ["components"]});
    server.ok("PUT", "/api/v1/update-agents/ua-1", Some(role)).await;
    let wrong = json!({"encapsulated": "", "body": ""});
    for _ in 0..limits::ENROL_REFUSALS_CARRIED_MAX {
        assert_eq!(carrier.post("/client/v1/enrol", &wrong).await.0, 400);
    }
    assert_eq!(code(&carrier.post("/client/v1/enrol", &wrong).await), (429, "too_often"));
}

#[tokio::test]
async fn whose_renewals_are_refused_too_often_waits_and_others_enrol() {
    let server = Server::start().await;
    let mut pc = Endpoint::enrolled(&server, "pc-1", "root").await;
    let wrong =
        pc.statement(StatementKind::Renewal, 1, &json!({"format": 1, "request": "x", "encryption_key": "x"}));
    for _ in 0..limits::ENROL_REFUSALS_MAX {
        assert_eq!(pc.post("/client/v1/renew", &wrong).await.0, 400);
    }
    assert_eq!(code(&pc.post("/client/v1/renew", &wrong).await), (429, "too_often"));
    assert_eq!(code(&pc.renew().await), (429, "too_often"), "a good one waits, too");
    Endpoint::enrolled(&server, "pc-2", "root").await;
}

#[tokio::test]
async fn a_token_for_one_client_replaces_its_key() {
    let server = Server::start().await;
    server.ok("POST", "/api/v1/domains", Some(json!({"path": "root/paris"}))).await;
    let old = Endpoint::enrolled(&server, "pc-1", "root/paris").await;
    let bundle = server.bundle(json!({"client": "pc-1"})).await;
    assert_eq!(bundle.domain, "root/paris", "it stays where it is");
    let mut new = Endpoint::new("pc-1", &bundle);
    assert_eq!(new.enrol(&bundle).await.0, 200);
    assert_eq!(new.state(StatementKind::CheckIn, &new.check_in_body()).await.0, 200);
    assert_eq!(code(&old.state(StatementKind::CheckIn, &old.check_in_body()).await), (403, "revoked"));
    let revoked = fleet_part(&server).await["revoked"].clone();
    assert_eq!(revoked, json!([{"client": "pc-1", "key": old.key.fingerprint().to_string()}]));
}

#[tokio::test]
async fn a_revoked_client_is_refused_at_once_on_an_open_connection_too() {
    let server = Server::start().await;
    let mut pc = Endpoint::enrolled(&server, "pc-1", "root").await;
    let timestamp = "/settings/metadata/timestamp.json";
    assert_eq!(pc.get(timestamp).await.0, 200);
    assert_eq!(server.get("/api/v1/clients").await["items"][0]["no_key"], Value::Null);
    server.ok("POST", "/api/v1/clients/pc-1/revoke", None).await;
    assert_eq!(server.get("/api/v1/clients").await["items"][0]["no_key"], true);
    assert_eq!(pc.get(timestamp).await, (403, "revoked".to_owned()));
    assert_eq!(code(&pc.state(StatementKind::CheckIn, &pc.check_in_body()).await), (403, "revoked"));
    assert_eq!(code(&pc.renew().await), (403, "not_enrolled"));
    let bundle = server.bundle(json!({})).await;
    assert_eq!(code(&pc.enrol(&bundle).await), (403, "revoked"), "a new token does not help the old key");
    let reply = server.refused("POST", "/api/v1/clients/pc-1/revoke", None, 404, "not_found").await;
    assert_eq!(
        reply["message"],
        "client pc-1 has no key to revoke: it was revoked before, or never enrolled"
    );
    let unknown_clients = server.get("/api/v1/unknown-clients").await["items"].clone();
    let noted = unknown_clients.as_array().unwrap().iter().find(|one| one["reason"] == "revoked").unwrap();
    assert_eq!((&noted["client"], &noted["key"]), (&json!("pc-1"), &json!(pc.key.fingerprint().to_string())));
    let key = pc.key.fingerprint().to_string();
    assert_eq!(fleet_part(&server).await["revoked"], json!([{"client": "pc-1", "key": key}]));
    let mut new = Endpoint::new("pc-1", &bundle);
    let refused = new.enrol(&bundle).await;
    assert_eq!(code(&refused), (409, "was_revoked"), "a shared token does not free the id");
    let reply = refused.1["error"]["message"].as_str().unwrap();
    assert!(reply.contains("headwater clients enrol-bundle --client pc-1"), "{reply}");
    let key = new.key.fingerprint().to_string();
    let unknown_clients = server.get("/api/v1/unknown-clients").await["items"].clone();
    let [noted] = unknown_clients.as_array().unwrap().as_slice() else { panic!("{unknown_clients}") };
    assert_eq!(
        (&noted["client"], &noted["reason"]),
        (&json!("pc-1"), &json!("revoked")),
        "an id is listed once"
    );
    assert!(noted.to_string().contains(&key), "{noted}");
    let own = server.bundle(json!({"client": "pc-1"})).await;
    assert_eq!(new.enrol(&own).await.0, 200, "a token for it alone does");
    // When its certificate has run out, nobody needs to be notified any more.
    server.running.services().upkeep.run_signing(now() + SignedDuration::from_hours(24 * 91)).await;
    let signed = std::fs::read_dir(server.repository(Repository::Policy).join("targets")).unwrap();
    let texts = signed.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap_or_default());
    assert!(
        texts
            .filter(|text| text.contains("response_signing_keys"))
            .any(|text| text.contains(r#""revoked":[]"#))
    );
}

#[tokio::test]
async fn a_removed_client_is_revoked() {
    let server = Server::start().await;
    let pc = Endpoint::enrolled(&server, "pc-1", "root").await;
    server.ok("DELETE", "/api/v1/clients/pc-1", None).await;
    assert_eq!(pc.get("/settings/metadata/timestamp.json").await, (403, "revoked".to_owned()));
    assert_eq!(fleet_part(&server).await["revoked"][0]["client"], "pc-1");
    let bundle = server.bundle(json!({})).await;
    assert_eq!(
        Endpoint::new("pc-1", &bundle).enrol(&bundle).await.0,
        200,
        "the id is free for a new enrolment"
    );
}

#[tokio::test]
async fn a_revoked_client_is_not_admitted_by_being_removed_and_is_free_once_it_came_back() {
    let server = Server::start().await;
    let shared = server.bundle(json!({"uses": 3})).await;
    assert_eq!(Endpoint::new("pc-1", &shared).enrol(&shared).await.0, 200);
    server.ok("POST", "/api/v1/clients/pc-1/revoke", None).await;
    server.ok("DELETE", "/api/v1/clients/pc-1", None).await;
    let server = server.restart().await;
    let comes = async |bundle: &headwater_api::bundle::EnrolBundle| {
        let mut pc = Endpoint::new("pc-1", bundle);
        pc.follow(&server);
        pc.enrol(bundle).await
    };
    assert_eq!(code(&comes(&shared).await), (409, "was_revoked"));
    assert_eq!(comes(&server.bundle(json!({"client": "pc-1"})).await).await.0, 200);
    server.ok("DELETE", "/api/v1/clients/pc-1", None).await;
    assert_eq!(comes(&shared).await.0, 200, "it was admitted since");
}

#[tokio::test]
async fn statements_count_once_and_what_is_missing_shows() {
    let server = Server::start().await;
    let pc = Endpoint::enrolled(&server, "pc-1", "root").await;
    let other = Endpoint::enrolled(&server, "pc-2", "root").await;
    let check_in = pc.check_in_body();
    assert_eq!(pc.state_as(StatementKind::CheckIn, 5, &check_in).await.0, 200);
    let replayed = pc.state_as(StatementKind::CheckIn, 5, &check_in).await;
    let details = &replayed.1["error"]["details"];
    assert_eq!((code(&replayed), &details["taken"]), ((409, "replayed"), &json!(5)));
    // The server's own word, so that no carrier makes a client use up its numbers.
    assert_eq!(pc.believed(details["answer"].clone(), StatementKind::CheckIn, 5), json!({"taken": 5}));
    assert_eq!(code(&pc.state_as(StatementKind::CheckIn, 4, &check_in).await), (409, "replayed"));
    assert_eq!(code(&pc.state_as(StatementKind::CheckIn, 0, &check_in).await), (400, "invalid_request"));
    let of_other = other.check_in_body();
    assert_eq!(code(&pc.state_as(StatementKind::CheckIn, 6, &of_other).await), (400, "invalid_request"));

    for (sequence, run) in [(1, 1), (2, 2), (2, 2), (5, 5), (4, 4)] {
        let (status, reply) = pc.state_as(StatementKind::Report, sequence, &report("pc-1", run)).await;
        assert_eq!((status, &reply["taken"]), (200, &json!(sequence)), "{reply}");
    }
    let mut made = check_in.clone();
    made["reports_made"] = json!(7);
    assert_eq!(pc.state_as(StatementKind::CheckIn, 7, &made).await.0, 200);
    let identity = server.get("/api/v1/clients/pc-1").await["identity"].clone();
    assert_eq!(identity["report_gaps"], json!([{"first": 3, "last": 3}]));
    assert_eq!((&identity["reports_made"], &identity["reports_taken"]), (&json!(7), &json!(5)));
    let stored = server.get("/api/v1/reports?client=pc-1").await;
    assert_eq!(stored["items"].as_array().unwrap().len(), 4, "the one that came twice is stored once");
}

#[tokio::test]
async fn what_is_forged_or_changed_is_not_believed() {
    let server = Server::start().await;
    let pc = Endpoint::enrolled(&server, "pc-1", "root").await;
    let thief = Endpoint::enrolled(&server, "pc-2", "root").await;
    let statement = pc.statement(StatementKind::CheckIn, 1, &pc.check_in_body());
    let check = async |change: &dyn Fn(&mut Value), status: u16, expected: &str| {
        let mut changed = statement.clone();
        change(&mut changed);
        assert_eq!(code(&pc.post("/client/v1/check-in", &changed).await), (status, expected), "{changed}");
    };
    check(&|s| s["sequence"] = json!(2), 403, "bad_statement").await;
    check(
        &|s| s["body"] = json!(s["body"].as_str().unwrap().replace("10.0.0.1", "10.0.0.2")),
        403,
        "bad_statement",
    )
    .await;
    check(&|s| s["kind"] = json!("report"), 403, "bad_statement").await;
    check(&|s| s["signature"] = json!("AAAA"), 403, "bad_statement").await;
    check(&|s| s["format"] = json!(2), 403, "bad_statement").await;
    check(&|s| s["client"] = json!("a b"), 400, "invalid_request").await;
    check(&|s| s["client"] = json!("pc-2"), 403, "not_a_carrier").await;
    let forged =
        Statement::sign(&thief.key, &pc.id, StatementKind::CheckIn, 1, pc.check_in_body().to_string())
            .unwrap();
    let forged = serde_json::to_value(forged).unwrap();
    assert_eq!(code(&pc.post("/client/v1/check-in", &forged).await), (403, "bad_statement"));
    assert_eq!(pc.post("/client/v1/check-in", &statement).await.0, 200, "the true one is");
}

#[tokio::test]
async fn an_update_agent_carries_and_nobody_else_does() {
    let server = Server::start().await;
    let pc = Endpoint::enrolled(&server, "pc-1", "root").await;
    let agent = Endpoint::enrolled(&server, "ua-1", "root").await;
    let carried = async |sequence: u64| {
        let statement = pc.statement(StatementKind::CheckIn, sequence, &pc.check_in_body());
        agent.post("/client/v1/check-in", &statement).await
    };
    assert_eq!(code(&carried(1).await), (403, "not_a_carrier"));
    let role = json!({"classes": ["components"], "addresses": ["10.0.0.9"]});
    server.ok("PUT", "/api/v1/update-agents/ua-1", Some(role)).await;
    let (status, answer) = carried(1).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(
        pc.believed(answer, StatementKind::CheckIn, 1)["domain"],
        "root",
        "the carrier cannot lie about the answer"
    );
    assert_eq!(code(&carried(1).await), (409, "replayed"));
    server.ok("DELETE", "/api/v1/update-agents/ua-1", None).await;
    assert_eq!(code(&carried(2).await), (403, "not_a_carrier"));
}

#[tokio::test]
async fn a_certificate_is_renewed_by_the_key_alone_and_has_an_update_agents_addresses() {
    let server = Server::start().await;
    let mut pc = Endpoint::enrolled(&server, "ua-1", "root").await;
    assert!(pc.chain.as_ref().unwrap().served_names().is_empty());
    let role = json!({"classes": ["components"], "addresses": ["10.0.0.9", "2001:db8::9"]});
    server.ok("PUT", "/api/v1/update-agents/ua-1", Some(role)).await;
    let (status, reply) = pc.renew().await;
    assert_eq!((status, &reply["taken"]["renewal"]), (200, &json!(1)), "{reply}");
    assert_eq!(pc.chain.as_ref().unwrap().served_names(), ["10.0.0.9", "2001:db8::9"]);
    assert_eq!(pc.get("/components/metadata/timestamp.json").await.0, 200);
    let again = json!({"format": 1, "request": "x", "encryption_key": "x"});
    let replayed = pc.statement(StatementKind::Renewal, 1, &again);
    assert_eq!(code(&pc.post("/client/v1/renew", &replayed).await), (409, "replayed"));
    let wrong = pc.statement(StatementKind::Renewal, 2, &again);
    assert_eq!(code(&pc.post("/client/v1/renew", &wrong).await), (400, "invalid_request"));
    let other = headwater_identity::ClientKey::generate().unwrap();
    let of_other = json!({
        "format": 1, "request": other.signing_request(&pc.id).unwrap(), "encryption_key": pc.encryption_key.public().to_string()
    });
    let of_other = pc.statement(StatementKind::Renewal, 3, &of_other);
    assert_eq!(code(&pc.post("/client/v1/renew", &of_other).await), (400, "invalid_request"));
}

#[tokio::test]
async fn a_new_ca_is_believed_by_those_who_know_only_the_old_one() {
    let server = Server::start().await;
    let before = server.bundle(json!({"uses": 2})).await;
    let mut pc = Endpoint::new("pc-1", &before);
    assert_eq!(pc.enrol(&before).await.0, 200);
    assert_eq!(server.rotate_ca(now()).await.unwrap(), 2);
    assert_eq!(pc.get("/settings/metadata/timestamp.json").await.0, 200, "the old certificate is still good");
    // The listener shows the new CA's; who trusts only the old one gets to it over the cross-signed certificate.
    let mut late = Endpoint::new("pc-2", &before);
    assert_eq!(late.enrol(&before).await.0, 200);
    assert_eq!(fleet_part(&server).await["ca"].as_array().unwrap().len(), 2);
    let after = server.bundle(json!({})).await;
    assert_eq!(after.ca.len(), 2);
    let newest = CaCertificate::from_pem(&after.ca[0]).unwrap();
    assert_ne!(newest, pc.cas[0]);
    assert!(tls::client_config(&[newest], None).is_ok());
    let server = server.restart().await;
    assert_eq!(server.get("/api/v1/clients/pc-1").await["identity"]["key"], pc.key.fingerprint().to_string());
    let keys = std::fs::read_dir(server.folder.path().join("keys/fleet")).unwrap();
    let mut names: Vec<_> = keys.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(
        names,
        ["ca-2.pem", "enrolment-encryption.pem", "response-signing.pem"],
        "what has signed its last is gone"
    );
}

#[tokio::test]
async fn the_ca_is_not_rotated_away_from_under_clients() {
    let server = Server::start().await;
    let max = limits::FLEET_CAS_MAX as u64;
    for number in 2..=max {
        assert_eq!(server.rotate_ca(now()).await.unwrap(), number);
    }
    let error = server.rotate_ca(now()).await.unwrap_err().to_string();
    assert!(error.contains("rotate again after"), "{error}");
    let later = now() + SignedDuration::from_hours(24 * 91);
    assert_eq!(server.rotate_ca(later).await.unwrap(), max + 1);
}

#[tokio::test]
async fn so_many_enrol_at_once_and_no_more() {
    let server = Server::start().await;
    let unknown_client = Endpoint::new("unknown", &server.bundle(json!({})).await);
    let mut bundles = Vec::new();
    for number in 0..limits::ENROL_AT_ONCE_MAX {
        bundles.push(server.bundle(json!({"client": format!("pc-{number}")})).await);
    }
    // A token for one client may replace a key, so its enrolment waits for who changes the policy.
    let publishing = &server.running.services().publishing;
    let (changing, mut waiting) = (publishing.change().await, publishing.changes_waiting());
    let enrolling: Vec<_> = bundles
        .into_iter()
        .enumerate()
        .map(|(number, bundle)| {
            tokio::spawn(
                async move { Endpoint::new(&format!("pc-{number}"), &bundle).enrol(&bundle).await.0 },
            )
        })
        .collect();
    let statement = unknown_client.statement(StatementKind::Renewal, 1, &json!({}));
    until("all have their places", &mut waiting, |waiting| *waiting == limits::ENROL_AT_ONCE_MAX).await;
    assert_eq!(code(&unknown_client.post("/client/v1/renew", &statement).await), (503, "busy"));
    drop(changing);
    for enrolled in enrolling {
        assert_eq!(enrolled.await.unwrap(), 200);
    }
    assert_eq!(code(&unknown_client.post("/client/v1/renew", &statement).await), (403, "not_enrolled"));
}

#[tokio::test]
async fn tokens_and_signed_revocations_keep_to_their_number() {
    let server = Server::start().await;
    let pc = Endpoint::enrolled(&server, "pc-1", "root").await;
    let other = Endpoint::enrolled(&server, "pc-2", "root").await;
    let database = server.folder.path().join("server.db");
    // Two were used, and are there until they end.
    fill(&database, Rows::EnrolTokens, limits::ENROL_TOKENS_MAX - 3).await.unwrap();
    fill(&database, Rows::RevokedKeys, u64::from(limits::REVOKED_SIGNED_MAX) - 1).await.unwrap();
    server.bundle(json!({})).await;
    server.refused("POST", "/api/v1/enrol-tokens", Some(json!({})), 413, "too_large").await;
    let warned = async || server.get("/api/v1/status").await["warnings"].to_string();
    assert!(warned().await.contains("8191 revoked keys"), "{}", warned().await);
    // It is still refused here; those whose certificates end last are signed.
    let signed = async || fleet_part(&server).await["revoked"].as_array().unwrap().len();
    server.running.services().upkeep.run_signing(now()).await;
    assert_eq!(signed().await, limits::REVOKED_SIGNED_MAX as usize - 1);
    server.ok("POST", "/api/v1/clients/pc-1/revoke", None).await;
    assert_eq!(signed().await, limits::REVOKED_SIGNED_MAX as usize);
    assert_eq!(pc.get("/settings/metadata/timestamp.json").await, (403, "revoked".to_owned()));
    server.ok("POST", "/api/v1/clients/pc-2/revoke", None).await;
    assert_eq!(signed().await, limits::REVOKED_SIGNED_MAX as usize);
    assert_eq!(other.get("/settings/metadata/timestamp.json").await, (403, "revoked".to_owned()));
    assert!(warned().await.contains("1 is left out"), "{}", warned().await);
}
