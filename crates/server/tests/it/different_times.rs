//! Database and repositories of different times (I2d): nothing is signed over, nothing is deleted, and there is a way on.

use std::fs;
use std::path::{Path, PathBuf};

use headwater_identity::StatementKind;
use headwater_policy::{Class, Repository};
use headwater_server::run;
use jiff::SignedDuration;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Server, add_edit, config, entry, files, now, tar};

const DATABASE: &str = "server.db";

/// Copies a file, or everything below a folder.
pub fn copy(from: &Path, to: &Path) {
    for path in if from.is_dir() { files(from) } else { vec![from.to_owned()] } {
        let below = path.strip_prefix(from).unwrap();
        let new = if below.as_os_str().is_empty() { to.to_owned() } else { to.join(below) };
        fs::create_dir_all(new.parent().unwrap()).unwrap();
        fs::copy(path, new).unwrap();
    }
}

/// Stops a server and keeps a copy of its folder.
async fn kept(server: Server) -> (TempDir, TempDir) {
    let folder = server.stop().await;
    let copied = TempDir::new().unwrap();
    for part in [DATABASE, "repository", "keys"] {
        copy(&folder.path().join(part), &copied.path().join(part));
    }
    (folder, copied)
}

async fn start_on(folder: TempDir) -> Server {
    let config = config(folder.path());
    Server::start_on(folder, config).await
}

/// A server whose database is of before `change`, and its repositories of after it.
async fn with_older_database(change: impl AsyncFn(&Server)) -> Server {
    let server = Server::start().await;
    server.publish("components", "rules", "1", &[("a", b"one")]).await;
    let (folder, copied) = kept(server).await;
    let server = start_on(folder).await;
    change(&server).await;
    let folder = server.stop().await;
    fs::copy(copied.path().join(DATABASE), folder.path().join(DATABASE)).unwrap();
    start_on(folder).await
}

/// The state of everything that is served.
fn served(server: &Server) -> Vec<(PathBuf, Vec<u8>)> {
    let paths = files(&server.folder.path().join("repository"));
    let mut all: Vec<_> = paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    all.sort();
    all
}

async fn problem(server: &Server, code: &str) -> Option<Value> {
    let status = server.get("/api/v1/status").await;
    status["problems"].as_array().unwrap().iter().find(|it| it["code"] == code).cloned()
}

/// Signing is stopped for this reason, everything else stays as it is, and the server says so everywhere.
async fn check_stopped(server: &Server, words: &[&str]) {
    let before = served(server);
    let found = problem(server, "signing_stopped").await.expect("signing is stopped");
    let message = found["message"].as_str().unwrap();
    for word in words.iter().chain(&["clients accept it until 20", "headwater adopt", "one backup"]) {
        assert!(message.contains(word), "no `{word}` in {message}");
    }
    let (status, health) = server.ask("GET", "/health", None).await;
    assert_eq!((status, &health["status"]), (503, &json!("failed")), "{health}");
    assert_eq!(health["problems"], json!(["signing_stopped"]));

    let path = "/api/v1/releases/components/rules?version=9";
    let (status, answer) = server.upload(path, tar(&[("a", b"nine")])).await;
    assert_eq!((status, &answer["error"]["code"]), (409, &json!("signing_stopped")), "{answer}");
    let domain = json!({"path": "root/rome"});
    server.refused("POST", "/api/v1/domains", Some(domain), 409, "signing_stopped").await;
    let services = server.running.services();
    let later = now() + SignedDuration::from_hours(100);
    services.upkeep.run_signing(later).await;
    services.upkeep.run_jobs(later).await;
    services.upkeep.run_deltas(later).await;
    assert_eq!(served(server), before, "something was signed or deleted");
    let status = server.get("/api/v1/status").await;
    let jobs = status["jobs"].as_array().unwrap();
    let sign = jobs.iter().find(|job| job["name"] == "sign").unwrap();
    assert!(sign["error"].as_str().unwrap().contains("signing is stopped"), "{sign}");
    assert!(!sign["failing_since"].is_null());
}

/// What is published is taken as the truth, and everything goes on.
async fn adopt(server: &Server) -> Value {
    let adopted = server.ok("POST", "/api/v1/adopt", Some(json!({}))).await;
    assert_eq!(problem(server, "signing_stopped").await, None);
    assert_eq!(problem(server, "job_failed").await, None);
    for repository in Repository::ALL {
        server.trusted(repository, now()).await;
    }
    adopted
}

#[tokio::test]
async fn an_older_database_does_not_sign_over_a_newer_release() {
    let server = with_older_database(async |server| {
        server.publish("components", "rules", "2", &[("a", b"two")]).await;
        server.publish("components", "words", "1", &[("b", b"words")]).await;
    })
    .await;
    check_stopped(&server, &["components: the database is older than the repository"]).await;
    let list = server.target(Class::Components, "rules/releases.json").await.unwrap();
    assert_eq!(list["current"], 2, "what verifies is served");

    let adopted = adopt(&server).await;
    assert_eq!(adopted["releases"], 2);
    let publishing = &server.running.services().publishing;
    publishing.collect_garbage(now() + SignedDuration::from_hours(48)).await.unwrap();
    let blobs = files(&server.repository(Class::Components).join("blobs"));
    assert!(blobs.len() >= 3, "the bodies of what was adopted stay: {blobs:?}");
    let next = server.publish("components", "rules", "3", &[("a", b"three")]).await;
    assert!(next["release"]["sequence"].as_u64().unwrap() > 2, "{next}");
    let list = server.get("/api/v1/releases/components/rules").await;
    assert_eq!(list["releases"].as_array().unwrap().len(), 3, "{list}");
    assert_eq!(list["missing"], json!([]));
    let verified = server.get("/api/v1/audit/verify").await;
    assert_eq!(verified["intact"], false, "the log has lost what was recorded: {verified}");

    let server = server.restart().await;
    assert_eq!(server.get("/health").await, json!({"status": "ok"}));
    server.publish("components", "words", "2", &[("b", b"more")]).await;
}

#[tokio::test]
async fn an_older_database_is_found_by_each_repository() {
    let check = async |change: &dyn Fn(&'static Server) -> std::pin::Pin<Box<dyn Future<Output = ()>>>,
                       word| {
        // The server lives as long as the test's process: the change borrows it.
        let server = Server::start().await;
        let (folder, copied) = kept(server).await;
        let server: &'static Server = Box::leak(Box::new(start_on(folder).await));
        change(server).await;
        server.running.services().upkeep.run_signing(now()).await;
        let data = TempDir::new().unwrap();
        for part in ["repository", "keys"] {
            copy(&server.folder.path().join(part), &data.path().join(part));
        }
        fs::copy(copied.path().join(DATABASE), data.path().join(DATABASE)).unwrap();
        let server = start_on(data).await;
        check_stopped(&server, &[word]).await;
        adopt(&server).await;
    };
    check(
        &|server| {
            Box::pin(async move {
                server.publish("programs", "scanner", "1", &[("run", b"#!")]).await;
            })
        },
        "programs: the database is older",
    )
    .await;
    check(
        &|server| {
            Box::pin(async move {
                server.set("root", json!({"values": {"colour": "blue"}})).await;
            })
        },
        "settings: the database is older",
    )
    .await;
}

#[tokio::test]
async fn the_signed_source_list_domains_and_revocations_are_adopted() {
    let server = with_older_database(async |server| {
        let edits = json!({"edits": [add_edit("10.0.0.0-10.0.0.9", "http://mirror.invalid/hw")]});
        server.ok("POST", "/api/v1/drafts/mine/edits", Some(edits)).await;
        server.ok("POST", "/api/v1/drafts/mine/save", Some(json!({"comment": "mirror"}))).await;
        server.ok("POST", "/api/v1/domains", Some(json!({"path": "root/paris"}))).await;
        server.client("thief", "root").await;
        server.ok("POST", "/api/v1/clients/thief/revoke", None).await;
    })
    .await;
    check_stopped(&server, &["policy: the database is older than the repository"]).await;
    let audit = server.get("/api/v1/audit").await["items"].to_string();
    assert!(audit.contains("repository.hold") && audit.contains("thief"), "revoked at the start: {audit}");
    let before = server.target(Repository::Policy, "policy.json").await.unwrap();
    let adopted = adopt(&server).await;
    assert_eq!((&adopted["domains"], &adopted["revoked"]), (&json!(["root/paris"]), &json!([])));
    let after = server.target(Repository::Policy, "policy.json").await.unwrap();
    assert!(after["version"].as_u64() > before["version"].as_u64());
    let listed = |policy: &Value| policy["policy"]["entries"].clone();
    assert_eq!(listed(&after), listed(&before));
    assert_eq!(listed(&after)[0]["source"], entry("10.0.0.0-10.0.0.9", "http://mirror.invalid/hw")["source"]);
    assert_eq!(after["fleet"]["revoked"][0]["client"], "thief");
    assert!(server.domain("root/paris").await.is_some());
    // And it goes on from there.
    server.set("root/paris", json!({"values": {"colour": "blue"}})).await;
}

/// The database and the repository of two copies that both went on.
#[tokio::test]
async fn what_went_on_apart_is_adopted_as_it_is_signed() {
    async fn gone_on(folder: TempDir, url: &str, body: &[u8]) -> TempDir {
        let server = start_on(folder).await;
        let edits = json!({"edits": [add_edit("10.0.0.0-10.0.0.9", url)]});
        server.ok("POST", "/api/v1/drafts/mine/edits", Some(edits)).await;
        server.ok("POST", "/api/v1/drafts/mine/save", Some(json!({"comment": url}))).await;
        server.publish("components", "rules", url.rsplit('/').next().unwrap(), &[("a", body)]).await;
        server.stop().await
    }
    let (folder, copied) = kept(Server::start().await).await;
    let signed = gone_on(folder, "http://signed.invalid/2a", b"two, signed").await;
    let other = gone_on(copied, "http://lost.invalid/2b", b"two, lost").await;
    fs::copy(other.path().join(DATABASE), signed.path().join(DATABASE)).unwrap();
    let server = start_on(signed).await;
    check_stopped(&server, &["policy: database and repository have different content under"]).await;

    adopt(&server).await;
    let policy = server.target(Repository::Policy, "policy.json").await.unwrap();
    let entries = policy["policy"]["entries"].to_string();
    assert!(entries.contains("signed.invalid") && !entries.contains("lost.invalid"), "{entries}");
    let list = server.get("/api/v1/releases/components/rules").await;
    assert_eq!(list["releases"][0]["version"], "2a", "{list}");
    let path = "/api/v1/releases/components/rules?version=2a";
    let (status, answer) = server.upload(path, tar(&[("a", b"another")])).await;
    assert_eq!((status, &answer["error"]["code"]), (409, &json!("exists")), "{answer}");
    let history = server.get("/api/v1/sources/history").await["items"].to_string();
    assert!(history.contains("http://lost.invalid"), "what the database had stays in the history: {history}");
}

#[tokio::test]
async fn an_older_repository_is_found_too() {
    let server = Server::start().await;
    server.publish("components", "rules", "1", &[("a", b"one")]).await;
    let (folder, copied) = kept(server).await;
    let server = start_on(folder).await;
    let second = server.publish("components", "rules", "2", &[("a", b"two")]).await;
    let folder = server.stop().await;
    fs::remove_dir_all(folder.path().join("repository")).unwrap();
    copy(&copied.path().join("repository"), &folder.path().join("repository"));
    let server = start_on(folder).await;
    check_stopped(&server, &["components: the repository is older than the database", "is missing"]).await;
    let list = server.target(Class::Components, "rules/releases.json").await.unwrap();
    assert_eq!(list["current"], 1, "what verifies is served");

    let adopted = adopt(&server).await;
    let of = |name: &str| {
        let found = adopted["repositories"].as_array().unwrap().iter().find(|it| it["repository"] == name);
        found.unwrap()["targets_version"].as_u64().unwrap()
    };
    assert!(of("components") > second["targets_version"].as_u64().unwrap(), "{adopted}");
    // The lost release's version stays used, and its sequence too.
    let path = "/api/v1/releases/components/rules?version=2";
    let (status, answer) = server.upload(path, tar(&[("a", b"two again")])).await;
    assert_eq!((status, &answer["error"]["code"]), (409, &json!("version_used")), "{answer}");
    let third = server.publish("components", "rules", "3", &[("a", b"three")]).await;
    assert!(third["release"]["sequence"].as_u64() > second["release"]["sequence"].as_u64());
}

/// A backup of the folder was copied over it: what the backup has is older, what it does not have is still there.
#[tokio::test]
async fn a_folder_that_was_copied_over_a_newer_one_is_found_by_what_it_left() {
    let server = Server::start().await;
    server.publish("components", "rules", "1", &[("a", b"one")]).await;
    let (folder, copied) = kept(server).await;
    let server = start_on(folder).await;
    for (version, content) in [("2", b"two"), ("3", b"3rd")] {
        server.publish("components", "rules", version, &[("a", content)]).await;
    }
    let folder = server.stop().await;
    copy(copied.path(), folder.path());
    let server = start_on(folder).await;
    check_stopped(&server, &["components: the database is older than the repository", ".snapshot.json"])
        .await;
    let adopted = adopt(&server).await;
    assert_eq!(adopted["releases"], 2);
    let list = server.target(Class::Components, "rules/releases.json").await.unwrap();
    assert_eq!(list["current"], 3);
}

#[tokio::test]
async fn the_database_of_the_same_time_ends_it() {
    let server = Server::start().await;
    let (folder, copied) = kept(server).await;
    let server = start_on(folder).await;
    server.publish("components", "rules", "1", &[("a", b"one")]).await;
    let (folder, newer) = kept(server).await;
    fs::copy(copied.path().join(DATABASE), folder.path().join(DATABASE)).unwrap();
    let server = start_on(folder).await;
    check_stopped(&server, &["components: the database is older"]).await;
    let folder = server.stop().await;
    fs::copy(newer.path().join(DATABASE), folder.path().join(DATABASE)).unwrap();
    let server = start_on(folder).await;
    assert_eq!(server.get("/health").await, json!({"status": "ok"}));
    server.publish("components", "rules", "2", &[("a", b"two")]).await;
}

#[tokio::test]
async fn adopting_that_is_interrupted_leaves_signing_stopped_and_ends_when_it_is_done_again() {
    let server = with_older_database(async |server| {
        server.publish("components", "rules", "2", &[("a", b"two")]).await;
    })
    .await;
    for skipped in 0..3 {
        fail::cfg("publishing::staged", &format!("{skipped}*off->1*return->off")).unwrap();
        server.refused("POST", "/api/v1/adopt", Some(json!({})), 500, "interrupted").await;
        assert!(problem(&server, "signing_stopped").await.is_some());
    }
    fail::cfg("publishing::staged", "off").unwrap();
    let server = server.restart().await;
    assert!(problem(&server, "signing_stopped").await.is_some());
    adopt(&server).await;
    server.publish("components", "rules", "3", &[("a", b"three")]).await;
    let server = server.restart().await;
    assert_eq!(server.get("/health").await, json!({"status": "ok"}));
}

#[tokio::test]
async fn nothing_is_deleted_in_the_hour_after_something_odd() {
    let server = Server::start().await;
    server.publish("components", "rules", "1", &[("a", b"one")]).await;
    let timestamp = server.repository(Class::Components).join("metadata/timestamp.json");
    let before = fs::read(&timestamp).unwrap();
    let folder = server.stop().await;
    for spoil in [None, Some(b"no metadata")] {
        match spoil {
            None => fs::remove_file(&timestamp).unwrap(),
            Some(bytes) => fs::write(&timestamp, bytes).unwrap(),
        }
        let running = run(config(folder.path()), std::future::pending()).await.unwrap();
        assert_eq!(fs::read(&timestamp).unwrap(), before, "{spoil:?}: it is put back");
        let stray = folder.path().join("repository/components/blobs/aa").join("a".repeat(64));
        fs::create_dir_all(stray.parent().unwrap()).unwrap();
        fs::write(&stray, "stray").unwrap();
        let upkeep = &running.services().upkeep;
        upkeep.run_jobs(now()).await;
        assert!(stray.exists());
        let status = upkeep.status(now()).await.unwrap();
        assert!(status.problems.iter().any(|it| it.code == "odd_start"), "{:?}", status.problems);
        let garbage = status.jobs.iter().find(|job| job.name == "garbage").unwrap();
        assert!(garbage.message.starts_with("waits"), "{}", garbage.message);
        upkeep.run_jobs(now() + SignedDuration::from_mins(61)).await;
        assert!(!stray.exists());
        running.stop();
        running.ended().await;
    }
}

#[tokio::test]
async fn a_machine_that_was_set_back_whole_is_found_by_its_clients_and_goes_beyond() {
    let server = Server::start().await;
    server.publish("components", "rules", "1", &[("a", b"one")]).await;
    let state = async |server: &Server, version: u64| {
        let body = json!({
            "client": "pc-1", "domain": "root", "addresses": ["10.0.0.1"], "program": "1", "policy_version": 0,
            "versions": {"components": version}
        });
        assert_eq!(server.state_as_client(StatementKind::CheckIn, body).await.0, 200);
    };
    state(&server, 2).await;
    assert_eq!(problem(&server, "clients_ahead").await, None);
    server.refused("POST", "/api/v1/adopt", Some(json!({})), 409, "nothing_to_adopt").await;
    state(&server, 9).await;
    let found = problem(&server, "clients_ahead").await.unwrap();
    let message = found["message"].as_str().unwrap();
    assert!(
        message.contains("pc-1 has version 9 of components") && message.contains("adopt --raise"),
        "{message}"
    );
    assert_eq!(server.get("/health").await["status"], "warning", "a number alone stops nothing");

    let adopted = server.ok("POST", "/api/v1/adopt", Some(json!({"raise": true}))).await;
    assert!(adopted["repositories"][2]["targets_version"].as_u64().unwrap() > 1_000_000_000, "{adopted}");
    let next = server.publish("components", "rules", "2", &[("a", b"two")]).await;
    assert!(next["release"]["sequence"].as_u64().unwrap() > 1_000_000_000, "no number is used twice: {next}");
    state(&server, 9).await;
    assert_eq!(problem(&server, "clients_ahead").await, None);
}

/// What cannot be a database of this server is refused by name, and nothing is changed.
#[tokio::test]
async fn a_database_that_is_empty_damaged_or_anothers_is_refused_and_nothing_is_changed() {
    let check = async |spoil: &dyn Fn(&Path), words: &[&str]| {
        let server = Server::start().await;
        server.publish("components", "rules", "1", &[("a", b"one")]).await;
        let folder = server.stop().await;
        spoil(&folder.path().join(DATABASE));
        let state = |part: &str| {
            let paths = files(&folder.path().join(part));
            paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect::<Vec<_>>()
        };
        let before = (state("repository"), state("keys"), fs::read(folder.path().join(DATABASE)).unwrap());
        let error = run(config(folder.path()), std::future::pending()).await.unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        for word in words.iter().chain(&["nothing was changed", "backup"]) {
            assert!(cause.contains(word), "no `{word}` in {cause}");
        }
        let after = (state("repository"), state("keys"), fs::read(folder.path().join(DATABASE)).unwrap());
        assert!(after == before, "{words:?}: something was changed");
    };
    check(&|path| fs::write(path, b"").unwrap(), &["server.db is empty, and beside it"]).await;
    check(&|path| fs::write(path, b"hello").unwrap(), &["no SQLite database"]).await;
    check(
        &|path| {
            let bytes = fs::read(path).unwrap();
            fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        },
        &["it is cut off"],
    )
    .await;
    check(
        &|path| {
            let mut bytes = fs::read(path).unwrap();
            bytes[8192..].fill(0x5a);
            fs::write(path, bytes).unwrap();
        },
        &["it is damaged"],
    )
    .await;
    let another = Server::start().await;
    let folder = another.stop().await;
    let fresh = fs::read(folder.path().join(DATABASE)).unwrap();
    let server = Server::start().await;
    let folder = server.stop().await;
    fs::write(folder.path().join(DATABASE), fresh).unwrap();
    let error = run(config(folder.path()), std::future::pending()).await;
    // Another server's: what it has recorded is not what is there.
    assert!(error.is_err() || problem_of(&error.unwrap()).await, "another server's database was taken");
}

async fn problem_of(running: &headwater_server::Running) -> bool {
    let status = running.services().upkeep.status(now()).await.unwrap();
    status.problems.iter().any(|it| it.code == "signing_stopped")
}
