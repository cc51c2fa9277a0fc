//! A thief's mirror that stands first in the plan keeps no client from the root that ends the stolen keys (I2b).

use std::fs;
use std::path::Path;

use headwater_api::policy::EntryDocument;
use headwater_api::report::{ClassResult, Reason, Report};
use headwater_client::decide::root_look_is_due;
use headwater_client::limits::{ROOT_LOOK_AGAIN, ROOT_LOOK_INTERVAL, ROOT_LOOK_WAIT_MAX};
use headwater_client::{Config, DataFolder};
use headwater_depot::serve::{ListenLimits, ServeLimits, SharedRepositories, listen, router};
use headwater_policy::{Class, Repository};
use headwater_repo::limits::{NUMBER_MAX, TIMESTAMP_LIFE_DAYS_MAX};
use headwater_repo::{KeyReplacement, Role};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::world::{World, class, client_of_rules, current, update};

const ONLINE: [Role; 3] = [Role::Timestamp, Role::Snapshot, Role::Targets];
const RULES: &str = "components/rules/current/rules/changing.txt";

/// A client whose first source of components has stayed as it was before the keys were replaced and release 2 was published.
async fn frozen(why: KeyReplacement) -> (World, Config) {
    let mut world = World::new().await;
    world.component("rules", 1);
    let copy = world.folder.path().join("mirror");
    copy_folder(&world.components().folder.clone(), &copy);
    let site = SharedRepositories::new(ServeLimits::default());
    site.share(Class::Components, copy);
    let url = serve(site).await;
    entries(&mut world, &[&url]);
    let client = world.client("pc-1");
    let report = update(&client).await;
    assert_eq!(class(&report, "components").source, Some(format!("url:{url}")), "{report:#?}");
    world.components().replace_keys(&ONLINE, why);
    world.component("rules", 2);
    (world, client)
}

/// The plan of every client: these mirrors for components, then the server.
fn entries(world: &mut World, mirrors: &[&str]) {
    world.policy.mode = "customized".to_owned();
    let entry = |url: &&str| -> EntryDocument {
        let clients = json!({"ipv4": "127.0.0.0-127.255.255.255"});
        let source = json!({"url": url, "classes": ["components"]});
        serde_json::from_value(json!({"clients": clients, "source": source})).unwrap()
    };
    world.policy.entries = mirrors.iter().map(entry).collect();
    world.publish_settings();
}

async fn serve(site: SharedRepositories) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(listen(router(site), listener, ListenLimits::default(), std::future::pending()));
    url
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Changes what a client remembers.
fn edit_state(client: &Config, edit: impl FnOnce(&mut Value)) {
    let path = DataFolder::new(&client.data).state();
    let mut state: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    edit(&mut state);
    fs::write(&path, serde_json::to_vec(&state).unwrap()).unwrap();
}

fn ago(hours: i64) -> Value {
    json!(headwater_client::os::now() - SignedDuration::from_hours(hours))
}

fn reasons(report: &Report, source: &str) -> Vec<Reason> {
    let of = report.attempts.iter().filter(|attempt| attempt.class == "components");
    of.filter(|attempt| attempt.source.starts_with(source)).filter_map(|attempt| attempt.reason).collect()
}

#[test]
fn every_source_is_asked_daily_and_soon_again_if_that_settled_nothing() {
    let now: Timestamp = "2026-05-01T12:00:00Z".parse().unwrap();
    let (interval, again) = (ROOT_LOOK_INTERVAL.as_secs() as i64, ROOT_LOOK_AGAIN.as_secs() as i64);
    let asked = |seconds: i64, settled| {
        root_look_is_due(Some((now - SignedDuration::from_secs(seconds), settled)), now)
    };
    assert!(root_look_is_due(None, now));
    assert_eq!([asked(interval - 1, true), asked(interval, true)], [false, true]);
    assert_eq!([asked(again - 1, false), asked(again, false)], [false, true]);
    assert!(asked(-60, true), "the clock was ahead");
    assert!(ROOT_LOOK_INTERVAL < std::time::Duration::from_secs(24 * 3600));
    assert!(ROOT_LOOK_WAIT_MAX < std::time::Duration::from_secs(10));
}

#[tokio::test]
async fn once_a_day_the_new_root_is_found_behind_a_mirror_that_hides_it() {
    for why in [KeyReplacement::Compromised, KeyReplacement::Planned] {
        let (_world, client) = frozen(why).await;
        let report = update(&client).await;
        assert_eq!(class(&report, "components").result, ClassResult::Current, "not asked yet: {report:#?}");
        assert_eq!(current(&client, RULES), "release 1\n");
        edit_state(&client, |state| state["roots_asked"]["components"]["at"] = ago(21));
        let report = update(&client).await;
        assert_eq!(reasons(&report, "url:"), [Reason::WrongSignature], "{report:#?}");
        assert_eq!(current(&client, RULES), "release 2\n", "{report:#?}");
    }
}

#[tokio::test]
async fn a_root_that_the_server_or_the_policy_names_is_looked_for_at_once() {
    for by_policy in [true, false] {
        let (mut world, client) = frozen(KeyReplacement::Compromised).await;
        let roots = [("components".to_owned(), 2)].into();
        if by_policy {
            world.fleet.lock().roots_of_policy = roots;
            world.publish_settings();
            // The policy names it to the classes that follow in the same run, whose sources were asked by then.
            update(&client).await;
        } else {
            world.fleet.lock().roots_answered = roots;
        }
        let report = update(&client).await;
        assert_eq!(current(&client, RULES), "release 2\n", "{by_policy}: {report:#?}");
    }
}

#[tokio::test]
async fn under_an_older_root_than_was_named_nothing_new_is_installed() {
    let (mut world, client) = client_of_rules(1).await;
    world.fleet.lock().roots_answered = [("components".to_owned(), 9), ("policy".to_owned(), 9)].into();
    world.component("rules", 2);
    world.publish_settings();
    let version = world.version;
    let report = update(&client).await;
    assert_eq!(class(&report, "components").result, ClassResult::Failed, "{report:#?}");
    assert_eq!(reasons(&report, "server"), [Reason::StaleRoot], "{report:#?}");
    assert_eq!(current(&client, RULES), "release 1\n");
    // The policy, which may end the trust in the key that names this, is never kept out by it.
    assert_eq!(report.policy_version, version);
    assert!(report.warnings.iter().any(|warning| warning.starts_with("stale root:")), "{report:#?}");
    world.fleet.lock().roots_answered.clear();
    update(&client).await;
    assert_eq!(current(&client, RULES), "release 2\n", "what was named is no minimum for the next run");
}

#[tokio::test]
async fn a_root_version_that_a_thief_named_falls_with_the_policy() {
    let (mut world, client) = client_of_rules(1).await;
    let both = [Repository::Policy, Class::Settings.into()];
    let (honest, version) = (both.map(|name| world.repositories[&name].remembered()), world.version);
    world.fleet.lock().roots_of_policy = [("components".to_owned(), NUMBER_MAX)].into();
    world.version = NUMBER_MAX - 1;
    world.publish_settings();
    world.component("rules", 2);
    let report = update(&client).await;
    assert_eq!(reasons(&report, "server"), [Reason::StaleRoot], "{report:#?}");
    world.fleet.lock().roots_of_policy.clear();
    world.version = version;
    for (name, honest) in both.iter().zip(honest) {
        let repository = world.repositories.get_mut(name).unwrap();
        repository.put_back(honest);
        repository.replace_keys(&ONLINE, KeyReplacement::Compromised);
    }
    let report = update(&client).await;
    assert_eq!(current(&client, RULES), "release 2\n", "{report:#?}");
}

#[tokio::test]
async fn a_version_that_was_first_seen_long_ago_counts_as_expired() {
    let (mut world, client) = client_of_rules(1).await;
    let hours = 24 * i64::from(TIMESTAMP_LIFE_DAYS_MAX);
    let age = |hours| {
        edit_state(&client, |state| state["first_seen"]["components"]["timestamp"]["at"] = ago(hours))
    };
    age(hours - 1);
    assert_eq!(class(&update(&client).await, "components").result, ClassResult::Current);
    age(hours + 1);
    let report = update(&client).await;
    assert_eq!(class(&report, "components").result, ClassResult::Failed, "{report:#?}");
    assert_eq!(reasons(&report, "server"), [Reason::Expired], "{report:#?}");
    world.component("rules", 2);
    assert_eq!(class(&update(&client).await, "components").result, ClassResult::Updated);
    // Noted under a clock that was ahead: it says nothing.
    age(-9999);
    assert_eq!(class(&update(&client).await, "components").result, ClassResult::Current);
}
