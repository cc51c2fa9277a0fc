//! Confidential settings (I3): sealed for the domain's clients, with a new key when one of them goes.

use headwater_api::v1::ReplacementReason;
use headwater_identity::{DomainKey, EncryptionKey, SealedSettings, StatementKind};
use headwater_policy::Class;
use headwater_repo::Passphrase;
use headwater_server::restore::Restore;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::endpoint::Endpoint;
use crate::harness::{Server, answer, config, files, now, token};

/// The domain of the tests.
const DOMAIN: &str = "root/paris";

async fn world() -> Server {
    let server = Server::start().await;
    server.ok("POST", "/api/v1/domains", Some(json!({"path": DOMAIN}))).await;
    server.ok("POST", "/api/v1/domains", Some(json!({"path": "root/oslo"}))).await;
    set(&server, json!({"settings": {"confidential": true}, "values": {"proxy": "s3cret"}})).await;
    server
}

async fn set(server: &Server, edit: Value) {
    let base = server.get("/api/v1/domains/root%2Fparis").await["saved_version"].clone();
    let edit = json!({"edit": edit, "base_version": base});
    server.ok("PATCH", "/api/v1/domains/root%2Fparis/settings", Some(edit)).await;
}

async fn signed(server: &Server) -> Value {
    server.target(Class::Settings, "domains/root/paris.json").await.unwrap()
}

/// What the client was given at a check-in: the ids of keys, and the keys as far as it can open them.
async fn keys(endpoint: &Endpoint) -> Vec<DomainKey> {
    let (status, reply) = endpoint.state(StatementKind::CheckIn, &endpoint.check_in_body()).await;
    assert_eq!(status, 200, "{reply}");
    let given = reply["domain_keys"].as_array().cloned().unwrap_or_default();
    given
        .iter()
        .map(|given| {
            let sealed = serde_json::from_value(given["sealed"].clone()).unwrap();
            let domain = given["domain"].as_str().unwrap().parse().unwrap();
            let key = DomainKey::open(&endpoint.encryption_key, &sealed, &endpoint.id, &domain).unwrap();
            assert_eq!(key.id().to_string(), given["key_id"].as_str().unwrap());
            key
        })
        .collect()
}

fn opened(document: &Value, key: &DomainKey) -> Option<Value> {
    let sealed: SealedSettings = serde_json::from_value(document["sealed"].clone()).unwrap();
    let bytes =
        key.open_settings(&DOMAIN.parse().unwrap(), document["version"].as_u64().unwrap(), &sealed).ok()?;
    Some(serde_json::from_slice(&bytes).unwrap())
}

#[tokio::test]
async fn only_the_domains_own_clients_read_its_settings() {
    let server = world().await;
    let document = signed(&server).await;
    assert!(!document.to_string().contains("s3cret"), "{document}");
    assert_eq!((&document["domain"], &document["settings"]), (&json!(DOMAIN), &Value::Null));
    let inside = Endpoint::enrolled(&server, "pc-1", DOMAIN).await;
    let outside = Endpoint::enrolled(&server, "pc-2", "root/oslo").await;
    let given = keys(&inside).await;
    let inner = opened(&document, &given[0]).unwrap();
    assert_eq!((&inner["values"]["proxy"], &inner["version"]), (&json!("s3cret"), &document["version"]));
    assert!(keys(&outside).await.is_empty());
    for file in crate::harness::files(&server.repository(Class::Settings)) {
        let bytes = std::fs::read(&file).unwrap();
        assert!(!bytes.windows(6).any(|window| window == b"s3cret"), "{}", file.display());
    }
    // Administrators go on reading them, and can open them to everybody again.
    assert_eq!(server.get("/api/v1/domains/root%2Fparis").await["effective"]["values"]["proxy"], "s3cret");
    set(&server, json!({"settings": {"confidential": false}})).await;
    assert_eq!(signed(&server).await["values"]["proxy"], "s3cret");
}

#[tokio::test]
async fn who_leaves_reads_nothing_of_what_comes_after() {
    let server = world().await;
    let stays = Endpoint::enrolled(&server, "pc-0", DOMAIN).await;
    let mut before = keys(&stays).await.remove(0);
    let mut version = signed(&server).await["version"].as_u64().unwrap();
    for (client, way) in [("pc-1", "revoked"), ("pc-2", "removed"), ("pc-3", "moved"), ("pc-4", "replaced")] {
        let leaves = Endpoint::enrolled(&server, client, DOMAIN).await;
        assert_eq!(keys(&leaves).await[0].id(), before.id());
        match way {
            "revoked" => drop(server.ok("POST", &format!("/api/v1/clients/{client}/revoke"), None).await),
            "removed" => drop(server.ok("DELETE", &format!("/api/v1/clients/{client}"), None).await),
            "moved" => {
                let moved = json!({"clients": [client], "domain": "root/oslo"});
                server.ok("POST", "/api/v1/clients/move", Some(moved)).await;
                assert!(keys(&leaves).await.is_empty());
            }
            _ => {
                let bundle = server.bundle(json!({"client": client})).await;
                assert_eq!(Endpoint::new(client, &bundle).enrol(&bundle).await.0, 200);
            }
        }
        let document = signed(&server).await;
        let now = keys(&stays).await.remove(0);
        assert_ne!(now.id(), before.id(), "{way}");
        assert!(document["version"].as_u64().unwrap() > version, "{way}: clients take it as newer");
        assert!(opened(&document, &before).is_none(), "{way}");
        assert_eq!(opened(&document, &now).unwrap()["values"]["proxy"], "s3cret");
        (before, version) = (now, document["version"].as_u64().unwrap());
    }
}

#[tokio::test]
async fn a_restored_server_publishes_no_secret_in_the_open_and_has_new_keys() {
    let server = world().await;
    let pc = Endpoint::enrolled(&server, "pc-1", DOMAIN).await;
    let before = keys(&pc).await.remove(0);
    let passphrase = "staple of the backup";
    let request =
        server.raw(reqwest::Method::POST, "/api/v1/backup").json(&json!({"passphrase": passphrase}));
    let bytes = request.send().await.unwrap().bytes().await.unwrap();
    let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(
        !holds(before.to_text().expose_secret()) && !holds("PRIVATE KEY"),
        "a backup holds no key in the open"
    );
    let folder = tempfile::tempdir().unwrap();
    let (backup, data) = (folder.path().join("backup.tar"), folder.path().join("data"));
    std::fs::write(&backup, &bytes).unwrap();
    let passphrase = Passphrase::new(passphrase.to_owned()).unwrap();
    let restore =
        Restore::begin(&backup, config(&data), Some(&passphrase), None, false, now()).await.unwrap();
    // The root keys were never moved offline: they are in the backup, and sign automatically.
    for draft in restore.drafts(&[], ReplacementReason::Planned, now()).await.unwrap() {
        restore.publish(draft.repository.parse().unwrap(), &draft.root, &[], now()).await.unwrap();
    }
    restore.finish().await.unwrap();
    let targets = files(&data.join("repository/settings/targets"));
    for file in &targets {
        let text = std::fs::read_to_string(file).unwrap();
        assert!(!text.contains("s3cret"), "{}: {text}", file.display());
    }
    let sealed = targets.iter().map(|file| std::fs::read_to_string(file).unwrap());
    let sealed = sealed.filter_map(|text| serde_json::from_str::<Value>(&text).ok());
    let newest = sealed
        .filter(|document| document["sealed"].is_object())
        .max_by_key(|document| document["version"].as_u64())
        .unwrap();
    assert!(opened(&newest, &before).is_none(), "who stole the server has the former key");
}

#[tokio::test]
async fn an_enrolment_that_is_replayed_sets_no_encryption_key_back() {
    let server = world().await;
    let bundle = server.bundle(json!({"domain": DOMAIN})).await;
    let mut pc = Endpoint::new("pc-1", &bundle);
    let carried = pc.enrolment(&bundle, json!({}));
    assert_eq!(pc.enrol(&bundle).await.0, 200);
    pc.encryption_key = EncryptionKey::generate().unwrap();
    assert_eq!(pc.renew().await.0, 200);
    assert_eq!(keys(&pc).await.len(), 1);
    // The update agent that carried it sends it again.
    assert_eq!(pc.post("/client/v1/enrol", &carried).await.0, 200);
    assert_eq!(keys(&pc).await.len(), 1, "sealed to the key that it has now");
}

#[tokio::test]
async fn viewers_see_what_is_set_in_a_confidential_domain_and_not_to_what() {
    let server = world().await;
    set(&server, json!({"values": {"proxy": "s3cret too"}, "files": {"app.conf": "s3cret file"}})).await;
    let commands =
        json!({"probe_command": ["check", "s3cret probe"], "after_command": ["notify", "s3cret after"]});
    set(&server, json!({"settings": commands})).await;
    let edit =
        json!({"edit": {"values": {"proxy": "s3cret draft"}, "settings": {"probe_command": ["s3cret new"]}}});
    server.ok("POST", "/api/v1/domains/root%2Fparis/drafts/mine/edits", Some(edit)).await;
    // What a draft or an earlier version keeps to itself is kept, whatever is saved now.
    let edit = json!({"edit": {"settings": {"confidential": true}, "values": {"pin": "s3cret pin"}}});
    server.ok("POST", "/api/v1/domains/root%2Foslo/drafts/mine/edits", Some(edit)).await;
    let viewer = token(&server.running, "reads", "viewer").await;
    let newest = server.get("/api/v1/domains/root%2Fparis").await["saved_version"].clone();
    let then = format!("domains/root%2Fparis/history/{newest}");
    let paths = [
        "domains",
        "domains/root%2Fparis",
        "domains/root%2Fparis/diff?from=1",
        "domains/root%2Fparis/diff?from=1&draft=mine&owner=local%2Fharness",
        "domains/root%2Fparis/drafts",
        "domains/root%2Fparis/drafts/mine?owner=local%2Fharness",
        "domains/root%2Foslo/drafts/mine?owner=local%2Fharness",
        "domains/root%2Foslo/diff?from=1&draft=mine&owner=local%2Fharness",
        &then,
    ];
    let see = async |path: &str| {
        let request = server.anonymous(reqwest::Method::GET, path).bearer_auth(&viewer);
        answer(request.send().await.unwrap()).await
    };
    for path in paths {
        let path = format!("/api/v1/{path}");
        let (status, seen) = see(&path).await;
        assert_eq!(status, 200, "{path}: {seen}");
        let name = if path.contains("oslo") { "pin" } else { "proxy" };
        assert!(!seen.to_string().contains("s3cret"), "{path}: {seen}");
        assert!(seen.to_string().contains(name), "{path}: {seen}");
        assert!(server.get(&path).await.to_string().contains("s3cret"), "{path}: an admin reads it");
    }
    // Which typed settings there are, and what is no secret of them, is seen.
    let paris = see("/api/v1/domains/root%2Fparis").await.1;
    for settings in [&paris["settings"], &paris["effective"]["settings"]] {
        let commands = [&settings["probe_command"], &settings["after_command"]];
        assert_eq!(commands, [&json!(["(confidential)"]); 2], "{paris}");
    }
    assert_eq!(paris["effective"]["settings"]["confidential"], true);
    set(&server, json!({"settings": {"confidential": false}})).await;
    assert!(
        !see(&format!("/api/v1/{then}")).await.1.to_string().contains("s3cret"),
        "it was confidential then"
    );
}
