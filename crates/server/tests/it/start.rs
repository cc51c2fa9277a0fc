//! First start makes everything; later starts keep it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use headwater_policy::{Class, Repository};
use headwater_server::{Config, run};
use serde_json::{Value, json};

use crate::harness::{Server, add_edit, config, files, now};

#[tokio::test]
async fn first_start_makes_everything() {
    let server = Server::start().await;
    assert_eq!(server.get("/health").await, json!({"status": "ok"}));

    let policy = server.target(Repository::Policy, "policy.json").await.unwrap();
    assert_eq!((&policy["version"], &policy["policy"]["mode"]), (&json!(1), &json!("standard")));
    assert_eq!(policy["policy"]["server"]["url"], server.running.fleet_url.as_str());
    let root = server.domain("root").await.unwrap();
    assert_eq!((&root["version"], &root["settings"]["poll_interval_minutes"]), (&json!(1), &json!(60)));
    for class in [Class::Components, Class::Programs] {
        let (_, trusted) = server.trusted(class, now()).await;
        assert_eq!((trusted.targets_version(), trusted.targets().count()), (Some(1), 0));
    }

    let folder = server.folder.path();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let keys = files(&folder.join("keys"));
    // Four roles of four repositories; the fleet's CA, response-signing key and encryption key; the seal of the audit log.
    assert_eq!(keys.len(), 4 * 4 + 3 + 1);
    assert!(keys.iter().all(|path| mode(path) == 0o600));
    assert_eq!(mode(&folder.join("keys")), 0o700);
    let listening: Value =
        serde_json::from_slice(&std::fs::read(folder.join("listening.json")).unwrap()).unwrap();
    let (fleet, console) = (&server.running.fleet_url, &server.running.console_url);
    let socket = folder.join("console.sock");
    assert_eq!(
        listening,
        json!({"event": "listening", "fleet": fleet, "console": console, "socket": socket})
    );
    assert_eq!(mode(&socket), 0o600);
    let warnings = server.get("/api/v1/status").await["warnings"].clone();
    assert_eq!(warnings.as_array().map(Vec::len), Some(1), "{warnings}");
    assert!(warnings[0].as_str().unwrap().contains("headwater keys init"), "{warnings}");
}

#[tokio::test]
async fn a_restart_keeps_everything() {
    let server = Server::start().await;
    server.publish("components", "rules", "1", &[("a", b"one")]).await;
    server.ok("POST", "/api/v1/domains", Some(json!({"path": "root/paris"}))).await;
    server.check_in("pc-1", "root/paris", "10.0.0.1").await;
    let edits = json!({"edits": [add_edit("10.0.0.0-10.0.0.9", "http://mirror.invalid/hw")]});
    server.ok("POST", "/api/v1/drafts/mine/edits", Some(edits)).await;
    let kept = async |server: &Server| {
        [
            server.get("/api/v1/releases").await,
            server.get("/api/v1/domains").await,
            server.get("/api/v1/clients").await["items"].clone(),
            server.get("/api/v1/drafts").await["items"][0]["policy"]["entries"].clone(),
        ]
    };
    let before = kept(&server).await;
    let (_, trusted) = server.trusted(Class::Components, now()).await;

    let server = server.restart().await;
    assert_eq!(kept(&server).await, before);
    let (_, again) = server.trusted(Class::Components, now()).await;
    assert_eq!(trusted.targets_version(), again.targets_version());
    // The ports are others, so the policy says where the server is now, signed.
    let policy = server.target(Repository::Policy, "policy.json").await.unwrap();
    assert_eq!(policy["policy"]["server"]["url"], server.running.fleet_url.as_str());
}

#[tokio::test]
async fn two_servers_never_share_a_folder() {
    let server = Server::start().await;
    let error = run(config(server.folder.path()), std::future::pending()).await.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("in use by another server"), "{cause}");
}

#[tokio::test]
async fn what_is_in_the_data_folder_is_its_owners_alone() {
    // A folder that was made by hand, and a database of before.
    let folder = tempfile::tempdir().unwrap();
    let give = |path: &Path, mode: u32| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    give(folder.path(), 0o755);
    std::fs::write(folder.path().join("server.db"), b"").unwrap();
    give(&folder.path().join("server.db"), 0o644);

    let running = run(config(folder.path()), std::future::pending()).await.unwrap();
    for file in ["server.db", "server.db-wal", "server.db-shm"] {
        let mode = std::fs::metadata(folder.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    running.stop();
    running.ended().await;

    for mode in [0o777, 0o770, 0o702] {
        give(folder.path(), mode);
        let error = run(config(folder.path()), std::future::pending()).await.unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("chmod 700"), "{cause}");
    }
}

#[tokio::test]
async fn an_address_that_cannot_be_listened_at_is_reported_with_its_own_reason() {
    let folder = tempfile::tempdir().unwrap();
    let failure = async |address: &str| {
        let config = Config { fleet_listen: address.parse().unwrap(), ..config(folder.path()) };
        run(config, std::future::pending()).await.unwrap_err().to_string()
    };
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let error = failure(&taken.local_addr().unwrap().to_string()).await;
    assert!(error.contains("another program has the port"), "{error}");
    let error = failure("203.0.113.9:8471").await;
    assert!(error.contains("203.0.113.9 is no address of this machine"), "{error}");
}

#[tokio::test]
async fn what_was_lost_is_missed_and_not_made_again() {
    let check = async |lost: &[&str], word: Option<&str>| {
        let server = Server::start().await;
        server.publish("components", "rules", "1", &[("a", b"one")]).await;
        let folder = server.stop().await;
        for path in lost {
            std::fs::remove_file(folder.path().join(path)).unwrap();
        }
        match (run(config(folder.path()), std::future::pending()).await, word) {
            (Ok(running), None) => {
                running.stop();
                running.ended().await;
            }
            (Err(error), Some(word)) => {
                let cause = std::error::Error::source(&error).unwrap().to_string();
                assert!(cause.contains(word) && cause.contains("backup"), "{lost:?}: {cause}");
            }
            (Ok(_), Some(_)) => panic!("{lost:?}: it started"),
            (Err(error), None) => panic!("{lost:?}: {error:?}"),
        }
        for path in lost {
            assert!(!folder.path().join(path).exists(), "{path} was made again");
        }
    };
    check(&["server.db"], Some("server.db is missing")).await;
    check(&["keys/settings/targets.pem"], Some("targets.pem is missing")).await;
    check(&["keys/components/root.pem"], None).await;
    let signed = "is missing from the data folder, though it is signed";
    check(&["repository/components/metadata/1.root.json"], Some(signed)).await;
    check(&["repository/components/metadata/2.targets.json"], Some(signed)).await;
}

#[tokio::test]
async fn a_lost_release_list_is_called_lost() {
    let server = Server::start().await;
    server.publish("components", "rules", "1", &[("a", b"one")]).await;
    let repository = server.repository(Class::Components);
    let list = files(&repository)
        .into_iter()
        .find(|path| path.to_string_lossy().ends_with(".releases.json"))
        .unwrap();
    std::fs::remove_file(&list).unwrap();
    let error = server.refused("GET", "/api/v1/releases/components/rules", None, 500, "lost").await;
    let message = error["message"].as_str().unwrap();
    let path = list.strip_prefix(server.folder.path()).unwrap().to_str().unwrap();
    assert!(message.starts_with(path) && message.contains("backup"), "{message}");
}

#[tokio::test]
async fn a_first_start_needs_a_folder_of_its_own() {
    let start = async |folder: &Path, config_file: Option<&str>| {
        let mut config = config(folder);
        config.files.extend(config_file.map(|name| folder.join(name)));
        let running = run(config, std::future::pending()).await?;
        let is_first = running.is_first_start();
        running.stop();
        running.ended().await;
        Ok::<bool, headwater_server::StartError>(is_first)
    };
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    for name in ["thesis.odt", "server.toml"] {
        std::fs::write(folder.path().join(name), "words").unwrap();
    }
    let error = start(folder.path(), None).await.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("not empty: it has server.toml, thesis.odt"), "{cause}");
    assert_eq!(files(folder.path()).len(), 2, "nothing was made in it");

    std::fs::remove_file(folder.path().join("thesis.odt")).unwrap();
    std::fs::create_dir(folder.path().join("lost+found")).unwrap();
    assert!(start(folder.path(), Some("server.toml")).await.unwrap());
    // What is put there later does not matter: the server is there.
    std::fs::write(folder.path().join("notes"), "words").unwrap();
    assert!(!start(folder.path(), Some("server.toml")).await.unwrap());
}
