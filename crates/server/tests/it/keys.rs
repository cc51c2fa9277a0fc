//! Keys: moved offline, replaced while clients of all ages follow, and what is refused (I2).

use std::sync::Arc;

use headwater_policy::{Class, Repository};
use headwater_repo::{Passphrase, SecretKey, UnsignedRoot};
use headwater_server::caller::Caller;
use headwater_server::run;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::harness::{Server, config, now};

const CLASS: Class = Class::Components;

fn holders(count: usize) -> Vec<SecretKey> {
    (0..count).map(|_| SecretKey::generate().unwrap()).collect()
}

fn public(keys: &[SecretKey]) -> Vec<String> {
    keys.iter().map(|key| key.public().to_string()).collect()
}

/// The drafted root with these signatures added, as holders add them on machines of their own.
fn signed(draft: &Value, keys: &[&SecretKey]) -> Value {
    let previous = serde_json::to_vec(&draft["previous"]).unwrap();
    let previous = headwater_repo::SignedRoot::from_bytes(&previous).unwrap();
    let root = serde_json::to_vec(&draft["root"]).unwrap();
    let mut root = UnsignedRoot::from_bytes(&root, Some(&previous)).unwrap();
    keys.iter().for_each(|key| root.sign(key).unwrap());
    json!({"root": serde_json::from_slice::<Value>(&root.to_bytes()).unwrap()})
}

async fn draft(server: &Server, request: Value) -> Value {
    server.ok("POST", "/api/v1/keys/components/draft", Some(request)).await
}

async fn submit(server: &Server, root: Value) -> Value {
    server.ok("POST", "/api/v1/keys/components/root", Some(root)).await
}

/// Moves the root key of class components offline, to holders so many of which must sign.
async fn offline(server: &Server, keys: &[SecretKey], threshold: u32) {
    let request = json!({"root_keys": public(keys), "root_threshold": threshold});
    let draft = draft(server, request).await;
    let holders: Vec<&SecretKey> = keys.iter().take(threshold as usize).collect();
    submit(server, signed(&draft, &holders)).await;
}

fn key_files(server: &Server) -> Vec<String> {
    let folder = server.folder.path().join("keys/components");
    let mut names: Vec<String> = crate::harness::files(&folder)
        .iter()
        .map(|path| path.strip_prefix(&folder).unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn root_keys_move_offline_and_the_server_goes_on() {
    let server = Server::start().await;
    server.publish("components", "rules", "1", &[("a", b"1")]).await;
    let keys = holders(3);
    offline(&server, &keys, 2).await;
    assert_eq!(key_files(&server), ["snapshot.pem", "targets.pem", "timestamp.pem"]);
    let view = server.get("/api/v1/keys").await;
    let components = &view["repositories"][2];
    assert_eq!((&components["repository"], &components["root_version"]), (&json!("components"), &json!(2)));
    assert_eq!(components["root_keys_here"], false);
    let (root, targets) = (&components["roles"][0], &components["roles"][2]);
    assert_eq!(
        (&root["threshold"], &root["here"], &root["keys"].as_array().unwrap().len()),
        (&json!(2), &json!(0), &3)
    );
    assert_eq!((&targets["threshold"], &targets["here"]), (&json!(1), &json!(1)), "{view}");
    // The two other classes still have theirs here.
    assert!(view["to_do"][0].as_str().unwrap().contains("headwater keys init"), "{view}");

    let server = server.restart().await;
    server.publish("components", "rules", "2", &[("a", b"2")]).await;
    let (_, trusted) = server.trusted(CLASS, now()).await;
    assert_eq!((trusted.root_version(), trusted.targets_version()), (2, Some(4)));
}

#[tokio::test]
async fn online_keys_are_replaced_and_clients_of_all_ages_follow() {
    let server = Server::start().await;
    let keys = holders(1);
    offline(&server, &keys, 1).await;
    for round in 0..3 {
        let all = json!({"replace": ["targets", "snapshot", "timestamp"]});
        let before = server.get("/api/v1/keys").await["repositories"][2]["roles"].clone();
        let first = draft(&server, all.clone()).await;
        let again = draft(&server, all).await;
        let keys_of = |draft: &Value| draft["root"]["signed"]["keys"].clone();
        assert_eq!(keys_of(&first), keys_of(&again), "a draft that nobody signed costs no key");
        let view = submit(&server, signed(&first, &[&keys[0]])).await;
        for role in 1..4 {
            assert_ne!(view["roles"][role]["keys"], before[role]["keys"]);
        }
        assert_eq!(view["retired"].as_array().unwrap().len(), 3 * (round + 1));
        server.publish("components", "rules", &format!("{round}"), &[("a", b"1")]).await;
        // The harness starts each client at the first root.
        let (_, trusted) = server.trusted(CLASS, now()).await;
        assert_eq!(trusted.root_version(), 3 + round as u64);
    }
    assert_eq!(key_files(&server).len(), 3 + 9);
    let server = server.restart().await;
    assert_eq!(key_files(&server).len(), 3 + 9);
    server.running.services().upkeep.run_signing(now() + SignedDuration::from_hours(24 * 8)).await;
    assert_eq!(key_files(&server), ["snapshot.pem", "targets.pem", "timestamp.pem"]);
}

#[tokio::test]
async fn roots_that_are_refused_change_nothing() {
    let server = Server::start().await;
    let keys = holders(3);
    offline(&server, &keys, 2).await;
    let good = draft(&server, json!({})).await;
    let refused = async |root: Value, status, code, word: &str| {
        let error = server.refused("POST", "/api/v1/keys/components/root", Some(root), status, code).await;
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(word), "{message}");
    };
    refused(signed(&good, &[]), 409, "root_unsigned", "another repository's").await;
    refused(signed(&good, &[&keys[0]]), 409, "root_unsigned", "2 of its keys, and 1").await;
    refused(signed(&good, &[&keys[1], &keys[1]]), 409, "root_unsigned", "2 of its keys, and 1").await;

    let mut twice = signed(&good, &[&keys[1]]);
    let signature = twice["root"]["signatures"][0].clone();
    twice["root"]["signatures"].as_array_mut().unwrap().push(signature);
    refused(twice, 409, "root_unsigned", "2 of its keys, and 1").await;

    let mut by_nobody = signed(&good, &[&keys[0]]);
    let signature = json!({"keyid": holders(1)[0].id().to_string(), "sig": "00".repeat(64)});
    by_nobody["root"]["signatures"].as_array_mut().unwrap().push(signature);
    refused(by_nobody, 409, "root_unsigned", "2 of its keys, and 1").await;

    let mut forged = signed(&good, &[&keys[0]]);
    let forgery = json!({"keyid": keys[1].id().to_string(), "sig": "00".repeat(64)});
    forged["root"]["signatures"].as_array_mut().unwrap().push(forgery);
    refused(forged, 422, "bad_root", "signed by enough").await;

    // The server signs the root of programs with its own key; then that is of the same version as ours.
    let other = server.ok("POST", "/api/v1/keys/programs/draft", Some(json!({}))).await;
    server.ok("POST", "/api/v1/keys/programs/root", Some(signed(&other, &[]))).await;
    let other = server.ok("POST", "/api/v1/keys/programs/draft", Some(json!({}))).await;
    let of_programs = std::fs::read_to_string(server.folder.path().join("keys/programs/root.pem")).unwrap();
    let of_programs = SecretKey::from_pem(&of_programs).unwrap();
    let other = signed(&other, &[&of_programs]);
    refused(other, 409, "root_unsigned", "2 of its keys, and 0").await;

    let mut foreign = good.clone();
    let online = foreign["root"]["signed"]["roles"]["timestamp"]["keyids"][0].as_str().unwrap().to_owned();
    let other = holders(1).remove(0);
    let text = foreign["root"].to_string().replace(&online, &other.id().to_string());
    foreign["root"] = serde_json::from_str(&text).unwrap();
    foreign["root"]["signed"]["keys"][other.id().to_string()] =
        json!({"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": other.public().to_string()}});
    refused(
        signed(&foreign, &[&keys[0], &keys[1]]),
        422,
        "bad_root",
        "timestamp key that this server does not hold",
    )
    .await;

    let old = server
        .running
        .services()
        .publishing
        .draft_root(
            CLASS.into(),
            &Default::default(),
            &Caller::server(now() - SignedDuration::from_hours(24 * 400)),
        )
        .await;
    let old = serde_json::to_value(old.unwrap()).unwrap();
    refused(signed(&old, &[&keys[0], &keys[1]]), 422, "bad_root", "it expired").await;

    assert_eq!(server.trusted(CLASS, now()).await.1.root_version(), 2);
    submit(&server, signed(&good, &[&keys[2], &keys[1]])).await;
    refused(signed(&good, &[&keys[2], &keys[1]]), 422, "bad_root", "version 4 is next").await;
}

#[tokio::test]
async fn drafts_that_make_no_root_are_refused() {
    let server = Server::start().await;
    let keys = holders(3);
    let bad_draft = async |request: Value, word: &str| {
        let (status, answer) = server.ask("POST", "/api/v1/keys/components/draft", Some(request)).await;
        assert!(status == 400 || status == 422, "{status} {answer}");
        assert!(answer.to_string().contains(word), "{answer}");
    };
    bad_draft(json!({"replace": ["root"]}), "none of targets").await;
    bad_draft(json!({"root_keys": ["12"]}), "64 hexadecimal").await;
    bad_draft(json!({"root_keys": public(&keys), "root_threshold": 4}), "threshold is 4").await;
}

#[tokio::test]
async fn a_crash_in_a_change_of_keys_needs_no_hands() {
    for point in ["publishing::staged", "publishing::saved"] {
        let server = Server::start().await;
        let keys = holders(1);
        offline(&server, &keys, 1).await;
        let draft = draft(&server, json!({"replace": ["targets", "snapshot", "timestamp"]})).await;
        fail::cfg(point, "1*return").unwrap();
        let root = signed(&draft, &[&keys[0]]);
        server.refused("POST", "/api/v1/keys/components/root", Some(root), 500, "interrupted").await;
        let server = server.restart().await;
        assert_eq!(server.trusted(CLASS, now()).await.1.root_version(), 3, "{point:?}");
        server.publish("components", "rules", "1", &[("a", b"1")]).await;
        let (_, trusted) = server.trusted(CLASS, now()).await;
        assert!(trusted.authorised(now()).is_ok());
        assert!(!key_files(&server).iter().any(|name| name.starts_with("pending")));
    }
}

#[tokio::test]
async fn a_full_disk_in_a_change_of_keys_is_made_good_by_the_signing_job() {
    let server = Server::start().await;
    let keys = holders(1);
    offline(&server, &keys, 1).await;
    let draft = draft(&server, json!({"replace": ["timestamp"]})).await;
    // A folder where the file should be: the root is written, what hangs on it cannot be.
    let in_the_way = server.repository(CLASS).join("metadata/3.targets.json");
    std::fs::create_dir(&in_the_way).unwrap();
    let root = signed(&draft, &[&keys[0]]);
    server.refused("POST", "/api/v1/keys/components/root", Some(root), 507, "disk").await;
    assert!(server.repository(CLASS).join("metadata/3.root.json").exists());
    server.running.services().upkeep.run_signing(now()).await;
    let status = server.get("/api/v1/status").await;
    assert!(status["jobs"][0]["error"].is_string(), "{status}");
    std::fs::remove_dir(&in_the_way).unwrap();
    server.running.services().upkeep.run_signing(now()).await;
    assert_eq!(server.trusted(CLASS, now()).await.1.root_version(), 3);
}

#[tokio::test]
async fn an_offline_root_is_missed_long_before_it_expires() {
    let server = Server::start().await;
    let keys = holders(1);
    for repository in Repository::ALL {
        let path = format!("/api/v1/keys/{repository}");
        let request = json!({"root_keys": public(&keys), "root_threshold": 1});
        let draft = server.ok("POST", &format!("{path}/draft"), Some(request)).await;
        server.ok("POST", &format!("{path}/root"), Some(signed(&draft, &[&keys[0]]))).await;
    }
    let services = server.running.services();
    let later = |days: i64| now() + SignedDuration::from_hours(24 * days);
    assert!(services.publishing.keys_view(later(10)).to_do.is_empty());
    let to_do = services.publishing.keys_view(later(250)).to_do;
    assert!(to_do.len() == 1 && to_do[0].contains("headwater keys renew"), "{to_do:?}");
    services.upkeep.run_signing(later(300)).await;
    let status = server.get("/api/v1/status").await;
    assert_eq!(status["jobs"][0]["error"], Value::Null, "what is online goes on: {status}");
    assert_eq!(server.trusted(CLASS, later(300)).await.1.root_version(), 2);
    assert!(services.publishing.keys_view(later(400)).to_do[0].contains("has expired"));

    // Expired, and renewed: clients that slept through it follow.
    let draft = services
        .publishing
        .draft_root(CLASS.into(), &Default::default(), &Caller::server(later(400)))
        .await
        .unwrap();
    let root = signed(&serde_json::to_value(draft).unwrap(), &[&keys[0]]);
    services.publishing.submit_root(CLASS.into(), &root["root"], &Caller::server(later(400))).await.unwrap();
    services.upkeep.run_signing(later(400)).await;
    assert_eq!(server.trusted(CLASS, later(400)).await.1.root_version(), 3);
}

#[tokio::test]
async fn online_keys_are_encrypted_once_there_is_a_passphrase() {
    let server = Server::start().await;
    let folder = server.stop().await;
    let pem = || std::fs::read_to_string(folder.path().join("keys/settings/timestamp.pem")).unwrap();
    assert!(pem().contains("BEGIN PRIVATE KEY"));
    let with = |passphrase: Option<&str>| {
        let mut config = config(folder.path());
        config.keys_passphrase = passphrase.map(|text| Arc::new(Passphrase::new(text.to_owned()).unwrap()));
        config
    };
    let running = run(with(Some("a passphrase of a machine")), std::future::pending()).await.unwrap();
    running.stop();
    running.ended().await;
    assert!(pem().contains("BEGIN ENCRYPTED PRIVATE KEY"));
    for (passphrase, word) in [(None, "needs its passphrase"), (Some("another one"), "passphrase is wrong")] {
        let error = run(with(passphrase), std::future::pending()).await.unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains(word) && cause.contains("keys_passphrase_file"), "{cause}");
    }
    let config = with(Some("a passphrase of a machine"));
    let server = Server::start_on(folder, config).await;
    server.publish("components", "rules", "1", &[("a", b"1")]).await;
    assert_eq!(server.trusted(CLASS, now()).await.1.targets_version(), Some(2));
    let repositories = server.running.services().publishing.keys_view(now()).repositories;
    assert!(
        repositories.iter().all(|view| view.root_keys_here),
        "the root keys are opened too: {repositories:?}"
    );
}
