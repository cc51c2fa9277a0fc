//! Clients that enrolled after the backup that the server was restored from: they prove it, and are taken in again by an
//! administrator alone (I2, I3).

use headwater_identity::{FleetCa, StatementKind};
use headwater_server::limits;
use serde_json::{Value, json};

use crate::clients::report;
use crate::different_times::copy;
use crate::endpoint::Endpoint;
use crate::harness::{Server, config, now};

const RE_ENROL: &str = "/api/v1/unknown-clients/re-enrol";

/// The same server with the database of before `since`, as if it were restored from a backup.
async fn restored<T>(server: Server, since: impl AsyncFnOnce(&Server) -> T) -> (Server, T) {
    const PARTS: [&str; 2] = ["server.db", "repository"];
    let (aside, folder) = (tempfile::tempdir().unwrap(), server.folder.path().to_owned());
    let stopped = server.stop().await;
    for part in PARTS {
        copy(&folder.join(part), &aside.path().join(part));
    }
    let server = Server::start_on(stopped, config(&folder)).await;
    let made = since(&server).await;
    let stopped = server.stop().await;
    for name in ["server.db-wal", "server.db-shm"] {
        let _ = std::fs::remove_file(folder.join(name));
    }
    std::fs::remove_dir_all(folder.join("repository")).unwrap();
    for part in PARTS {
        copy(&aside.path().join(part), &folder.join(part));
    }
    (Server::start_on(stopped, config(&folder)).await, made)
}

/// It is refused, and shows its certificate.
async fn renew_with_own_certificate(client: &mut Endpoint, server: &Server) -> (u16, Value) {
    client.follow(server);
    let certificate = client.chain.as_ref().map(headwater_identity::Chain::to_pem);
    client.renew_with(certificate).await
}

async fn unknown_client(server: &Server, id: &str) -> Value {
    let unknown_clients = server.get("/api/v1/unknown-clients").await;
    let all = unknown_clients["items"].as_array().unwrap().clone();
    // With its key, if it proved one.
    let one = all.iter().filter(|one| one["client"] == id).max_by_key(|one| one["proven"].as_bool());
    one.cloned().unwrap_or_default()
}

#[tokio::test]
async fn a_client_that_enrolled_after_the_backup_is_re_enrolled_with_its_key() {
    let server = Server::start().await;
    server.ok("POST", "/api/v1/domains", Some(json!({"path": "root/paris"}))).await;
    server.set("root/paris", json!({"settings": {"confidential": true}})).await;
    let (server, mut pc) = restored(server, async |server: &Server| {
        let pc = Endpoint::enrolled(server, "pc-1", "root").await;
        for run in 1..=4 {
            assert_eq!(pc.state(StatementKind::Report, &report("pc-1", run)).await.0, 200);
        }
        pc
    })
    .await;
    pc.follow(&server);
    let (status, reply) = pc.state(StatementKind::CheckIn, &pc.check_in_body()).await;
    assert_eq!((status, &reply["error"]["code"]), (403, &json!("not_enrolled")));
    assert!(
        reply["error"]["message"].as_str().unwrap().contains("headwater clients re-enrol pc-1"),
        "{reply}"
    );
    assert_eq!(pc.renew().await.0, 403);
    assert_eq!(unknown_client(&server, "pc-1").await["proven"], false, "it has shown no certificate");
    let nothing = server.ok("POST", RE_ENROL, Some(json!({"all_proven": true, "domain": "root"}))).await;
    assert_eq!(nothing["re_enrolled"], json!([]));

    assert_eq!(renew_with_own_certificate(&mut pc, &server).await.0, 403, "nobody is admitted by that alone");
    let seen = unknown_client(&server, "pc-1").await;
    let key = pc.key.fingerprint().to_string();
    assert_eq!((&seen["proven"], &seen["key"]), (&json!(true), &json!(key)));
    let answer =
        server.ok("POST", RE_ENROL, Some(json!({"clients": ["pc-1"], "domain": "root/paris"}))).await;
    assert_eq!(answer["re_enrolled"], json!(["pc-1"]), "{answer}");
    assert_eq!(unknown_client(&server, "pc-1").await, Value::Null);
    let again = server.ok("POST", RE_ENROL, Some(json!({"clients": ["pc-1"], "domain": "root"}))).await;
    let reply = (&again["re_enrolled"], &again["enrolled_already"], &again["refused"]);
    assert_eq!(reply, (&json!([]), &json!(["pc-1"]), &json!([])), "{again}");

    let (status, reply) = pc.state(StatementKind::CheckIn, &pc.check_in_body()).await;
    assert_eq!((status, &reply["domain"]), (200, &json!("root/paris")), "{reply}");
    assert_eq!(reply["domain_keys"].as_array().map(Vec::len), Some(1), "what its domain keeps to itself");
    assert_eq!(pc.state(StatementKind::Report, &report("pc-1", 5)).await.0, 200);
    let known = server.get("/api/v1/clients/pc-1").await["identity"].clone();
    assert_eq!((&known["key"], &known["reports_taken"]), (&json!(key), &json!(5)));
    assert_eq!(known["report_gaps"], json!([{"first": 1, "last": 4}]), "what the lost server took is shown");
    assert_eq!(pc.renew().await.0, 200);
    let audit = server.get("/api/v1/audit").await.to_string();
    assert!(audit.contains(r#""action":"client.re_enrol""#) && audit.contains(&key), "{audit}");
}

#[tokio::test]
async fn who_must_not_come_back_is_refused_by_name() {
    let server = Server::start().await;
    let mut revoked = Endpoint::enrolled(&server, "revoked", "root").await;
    for id in ["again", "removed", "taken"] {
        Endpoint::enrolled(&server, id, "root").await;
    }
    for id in ["revoked", "again"] {
        server.ok("POST", &format!("/api/v1/clients/{id}/revoke"), None).await;
    }
    server.ok("DELETE", "/api/v1/clients/removed", None).await;
    let (server, mut since) = restored(server, async |server: &Server| {
        let mut since = Vec::new();
        for id in ["again", "removed", "taken", "twice", "twice", "other"] {
            let bundle = server.bundle(json!({"client": id, "domain": "root"})).await;
            let mut endpoint = Endpoint::new(id, &bundle);
            assert_eq!(endpoint.enrol(&bundle).await.0, 200);
            since.push(endpoint);
        }
        since
    })
    .await;
    for client in &mut since {
        assert_eq!(renew_with_own_certificate(client, &server).await.0, 403, "{}", client.id);
    }
    assert_eq!(unknown_client(&server, "taken").await["reason"], "other_key");
    assert_eq!(renew_with_own_certificate(&mut revoked, &server).await.1["error"]["code"], "revoked");

    // Certificates that prove nothing: of a CA that is none of this fleet, and of another client.
    let bundle = server.bundle(json!({})).await;
    let mut forger = Endpoint::new("forged", &bundle);
    forger.chain = Some(forged(&forger));
    assert_eq!(renew_with_own_certificate(&mut forger, &server).await.0, 403);
    let mut thief = Endpoint::new("other", &bundle);
    thief.chain.clone_from(&since[5].chain);
    assert_eq!(renew_with_own_certificate(&mut thief, &server).await.0, 403);

    let ids = ["revoked", "again", "removed", "taken", "twice", "forged", "nobody"];
    let answer = server.ok("POST", RE_ENROL, Some(json!({"clients": ids, "domain": "root"}))).await;
    assert_eq!(answer["re_enrolled"], json!([]), "{answer}");
    let why = |id: &str| {
        let refused = answer["refused"].as_array().unwrap();
        refused.iter().find(|one| one["client"] == id).unwrap()["reason"].as_str().unwrap().to_owned()
    };
    for (id, word) in [
        ("revoked", "was revoked or removed"),
        ("again", "was revoked or removed"),
        ("removed", "was revoked or removed"),
        ("taken", "another key is enrolled as taken"),
        ("twice", "two keys are proven for client twice"),
        ("forged", "has proven no certificate"),
        ("nobody", "has proven no certificate"),
    ] {
        assert!(why(id).contains(word), "{id}: {}", why(id));
    }
    let all = server.ok("POST", RE_ENROL, Some(json!({"all_proven": true, "domain": "root"}))).await;
    assert_eq!(all["re_enrolled"], json!(["other"]), "{all}");

    server
        .refused("POST", RE_ENROL, Some(json!({"all_proven": true, "domain": "root/x"})), 404, "not_found")
        .await;
    for wrong in
        [json!({"domain": "root"}), json!({"clients": ["other"], "all_proven": true, "domain": "root"})]
    {
        server.refused("POST", RE_ENROL, Some(wrong), 400, "invalid_request").await;
    }
    let ids: Vec<String> = (0..=limits::RE_ENROL_AT_ONCE_MAX).map(|number| format!("pc-{number}")).collect();
    let many = Some(json!({"clients": ids, "domain": "root"}));
    server.refused("POST", RE_ENROL, many, 413, "too_large").await;
}

/// A certificate for a client's key by a CA that is not of its fleet.
fn forged(client: &Endpoint) -> headwater_identity::Chain {
    let ca = FleetCa::make(now()).unwrap();
    ca.issue_client(&client.key.public(), &client.id, &[], now()).unwrap()
}

/// Whether the id is enrolled, the forger does not learn by it: the answer is the one that it gets without a certificate.
#[tokio::test]
async fn a_forged_certificate_is_listed_here_and_shown_to_nobody_else() {
    let server = Server::start().await;
    Endpoint::enrolled(&server, "enrolled", "root").await;
    let bundle = server.bundle(json!({})).await;
    for id in ["enrolled", "unknown"] {
        let mut forger = Endpoint::new(id, &bundle);
        forger.chain = Some(forged(&forger));
        let reply = renew_with_own_certificate(&mut forger, &server).await;
        let noted = unknown_client(&server, id).await;
        assert_eq!((reply.0, &noted["reason"], &noted["proven"]), (403, &json!("bad_proof"), &json!(false)));
        assert_eq!(reply, forger.renew().await, "{id}");
    }
}

#[tokio::test]
async fn a_key_that_another_took_the_place_of_proves_nothing_any_more() {
    let server = Server::start().await;
    let mut former = Endpoint::enrolled(&server, "pc-1", "root").await;
    let own = server.bundle(json!({"client": "pc-1"})).await;
    assert_eq!(Endpoint::new("pc-1", &own).enrol(&own).await.0, 200);
    assert_eq!(renew_with_own_certificate(&mut former, &server).await.0, 403);
    let noted = unknown_client(&server, "pc-1").await;
    assert_eq!((&noted["reason"], &noted["proven"]), (&json!("revoked"), &json!(false)), "{noted}");
}
