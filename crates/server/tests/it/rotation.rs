//! Keys by which the fleet knows the server are replaced: a stolen CA at once, the response-signing key and the encryption
//! key (I2, I3).

use headwater_identity::limits::RESPONSE_SIGNING_KEYS_FORMER_MAX;
use headwater_identity::{Answer, FleetCa, StatementKind};
use headwater_policy::{Class, Repository};
use headwater_server::caller::Caller;
use headwater_server::limits::FLEET_CAS_MAX;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::endpoint::Endpoint;
use crate::harness::{Server, now};

const TIMESTAMP: &str = "/settings/metadata/timestamp.json";
const AT_ONCE: &str = "/api/v1/keys/ca/rotate?at_once=true";

async fn fleet_part(server: &Server) -> Value {
    server.target(Repository::Policy, "policy.json").await.unwrap()["fleet"].clone()
}

async fn domain_key_id(server: &Server) -> Value {
    let sealed = server.target(Class::Settings, "domains/root/paris.json").await.unwrap();
    sealed["sealed"]["key_id"].clone()
}

#[tokio::test]
async fn a_ca_that_was_stolen_is_distrusted_at_once_and_clients_prove_their_key() {
    let server = Server::start().await;
    server.ok("POST", "/api/v1/domains", Some(json!({"path": "root/paris"}))).await;
    server.set("root/paris", json!({"settings": {"confidential": true}})).await;
    let mut pc = Endpoint::enrolled(&server, "pc-1", "root/paris").await;
    assert_eq!(pc.get(TIMESTAMP).await.0, 200);
    let key_id = domain_key_id(&server).await;
    let stolen = std::fs::read_to_string(server.folder.path().join("keys/fleet/ca-1.pem")).unwrap();
    let stolen = FleetCa::from_pem(&stolen).unwrap();
    let before = fleet_part(&server).await["ca"].clone();

    assert_eq!(server.ok("POST", AT_ONCE, None).await, json!({"number": 2, "at_once": true}));
    let fleet = fleet_part(&server).await;
    assert_eq!(fleet["ca"].as_array().unwrap().len(), 1, "the new one alone");
    assert_eq!(fleet["distrusted_ca"], before);
    assert_ne!(
        domain_key_id(&server).await,
        key_id,
        "what was in the stolen database opens nothing any more"
    );
    // On the connection that it has, and on a new one.
    assert_eq!(pc.get(TIMESTAMP).await, (401, "ca_distrusted".to_owned()));
    let (status, reply) = pc.state(StatementKind::CheckIn, &pc.check_in_body()).await;
    assert_eq!((status, &reply["error"]["code"]), (401, &json!("ca_distrusted")));

    // Who has the stolen CA gets nowhere with what it signs.
    let bundle = server.bundle(json!({})).await;
    let mut thief = Endpoint::new("pc-2", &bundle);
    let forged = stolen.issue_client(&thief.key.public(), &thief.id, &[], now()).unwrap();
    assert_eq!(thief.renew_with(Some(forged.to_pem())).await.0, 403);
    let unknown_clients = server.get("/api/v1/unknown-clients").await["items"].clone();
    assert!(
        unknown_clients.as_array().unwrap().iter().all(|one| one["proven"] == false),
        "{unknown_clients}"
    );

    let key = pc.key.fingerprint();
    assert_eq!(pc.renew().await.0, 200, "the key alone counts");
    assert_eq!(pc.key.fingerprint(), key);
    assert_eq!(pc.get(TIMESTAMP).await.0, 200);
    assert_eq!(pc.state(StatementKind::CheckIn, &pc.check_in_body()).await.0, 200);
    let server = server.restart().await;
    assert_eq!(fleet_part(&server).await["distrusted_ca"], before, "also after a start");
    for _ in 0..=FLEET_CAS_MAX {
        server.ok("POST", AT_ONCE, None).await;
    }
}

#[tokio::test]
async fn the_response_signing_key_is_replaced_and_clients_of_all_ages_believe_answers() {
    let server = Server::start().await;
    let mut old = Endpoint::enrolled(&server, "pc-1", "root").await;
    let first = fleet_part(&server).await["response_signing_keys"].clone();
    for round in 1..=RESPONSE_SIGNING_KEYS_FORMER_MAX {
        let rotated = server.ok("POST", "/api/v1/keys/response-signing/rotate", None).await;
        assert_eq!(
            fleet_part(&server).await["response_signing_keys"],
            json!([rotated["key"]]),
            "round {round}"
        );
        assert_eq!(old.state(StatementKind::CheckIn, &old.check_in_body()).await.0, 200, "round {round}");
        assert_eq!(old.renew().await.0, 200, "round {round}");
    }
    let server = server.restart().await;
    old.follow(&server);
    let new = Endpoint::enrolled(&server, "pc-2", "root").await;
    for client in [&old, &new] {
        assert_eq!(client.state(StatementKind::CheckIn, &client.check_in_body()).await.0, 200);
    }
    // Who missed more than that learns of the newest by the signed policy, which needs no answer.
    server.ok("POST", "/api/v1/keys/response-signing/rotate", None).await;
    let number = old.next(StatementKind::CheckIn);
    let statement = old.statement(StatementKind::CheckIn, number, &old.check_in_body());
    let (status, answer) = old.post("/client/v1/check-in", &statement).await;
    let answer: Answer = serde_json::from_value(answer).unwrap();
    let first = first[0].as_str().unwrap().parse().unwrap();
    assert_eq!(status, 200);
    assert!(answer.verify(&[first], &old.id, StatementKind::CheckIn, number).is_err());
}

#[tokio::test]
async fn the_response_signing_key_is_not_rotated_away_from_under_bundles() {
    let server = Server::start().await;
    let bundle = server.bundle(json!({"uses": 3})).await;
    for _ in 0..RESPONSE_SIGNING_KEYS_FORMER_MAX {
        server.ok("POST", "/api/v1/keys/response-signing/rotate", None).await;
    }
    assert_eq!(
        Endpoint::new("pc-1", &bundle).enrol(&bundle).await.0,
        200,
        "the oldest response-signing key still signs"
    );
    let keys = fleet_part(&server).await["response_signing_keys"].clone();
    let reply =
        server.refused("POST", "/api/v1/keys/response-signing/rotate", None, 400, "invalid_request").await;
    let reply = reply["message"].as_str().unwrap();
    assert!(
        reply.contains("rotate again after") && reply.contains("headwater clients revoke-token 1"),
        "{reply}"
    );
    assert_eq!(fleet_part(&server).await["response_signing_keys"], keys, "nothing was changed");
    let server = server.restart().await;
    let mut pc = Endpoint::new("pc-2", &bundle);
    pc.follow(&server);
    assert_eq!(pc.enrol(&bundle).await.0, 200);
    // A client that the bundle no longer admits does not have to believe an answer.
    server.ok("DELETE", "/api/v1/enrol-tokens/1", None).await;
    server.ok("POST", "/api/v1/keys/response-signing/rotate", None).await;
}

#[tokio::test]
async fn bundles_stay_good_for_their_life_though_the_encryption_key_is_replaced() {
    let server = Server::start().await;
    let bundle = server.bundle(json!({"uses": 3})).await;
    let rotated = server.ok("POST", "/api/v1/keys/enrolment-encryption/rotate", None).await;
    assert_eq!(Endpoint::new("pc-1", &bundle).enrol(&bundle).await.0, 200);
    let newer = server.bundle(json!({})).await;
    assert_eq!(newer.encryption_key, rotated["key"].as_str().unwrap());
    assert_ne!(newer.encryption_key, bundle.encryption_key);
    assert_eq!(Endpoint::new("pc-2", &newer).enrol(&newer).await.0, 200);

    let server = server.restart().await;
    let mut pc = Endpoint::new("pc-3", &bundle);
    pc.follow(&server);
    assert_eq!(pc.enrol(&bundle).await.0, 200, "also after a start");
    // Once the last bundle has ended, the former key opens nothing.
    let later = Caller::server(now() + SignedDuration::from_hours(24 * 8));
    server.running.services().fleet.rotate_enrolment_encryption_key(&later).await.unwrap();
    let mut pc = Endpoint::new("pc-4", &bundle);
    pc.follow(&server);
    let (status, reply) = pc.enrol(&bundle).await;
    assert_eq!(status, 400, "{reply}");
    assert!(reply["error"]["message"].as_str().unwrap().contains("make a new bundle"), "{reply}");
}
