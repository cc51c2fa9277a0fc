//! The update agent role, switched by the signed policy (U1–U4).

use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use headwater_api::policy::{EntryDocument, SelectorDocument, SourceDocument, UpdateAgentDocument};
use headwater_api::report::ClassResult;
use headwater_client::limits::LOOK_AGAIN;
use headwater_client::{Config, Daemon, DaemonStatus, ProgressSink, RunOptions, run_once, status};

use crate::world::{World, class, current, pass_time, update};

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub fn with_agent(world: &mut World, port: u16, classes: &[&str]) {
    world.policy.mode = "customized".to_owned();
    world.policy.update_agents = vec![UpdateAgentDocument {
        id: "ua".to_owned(),
        addresses: vec!["127.0.0.1".to_owned()],
        scheme: Some("https".to_owned()),
        port,
        classes: classes.iter().map(|class| (*class).to_owned()).collect(),
    }];
    world.policy.entries = vec![EntryDocument {
        clients: SelectorDocument { ipv4: Some("127.0.0.0-127.255.255.255".to_owned()), ipv6: None },
        source: SourceDocument::UpdateAgent("ua".to_owned()),
    }];
    world.publish_settings();
}

fn source(report: &headwater_api::report::Report, of: &str) -> String {
    class(report, of).source.clone().unwrap_or_default()
}

pub async fn agent(config: Config) -> Daemon {
    let daemon = Daemon::start(config).await.unwrap();
    daemon.update(RunOptions::default()).await.unwrap();
    daemon
}

/// A world with release 1 of `rules`, and the daemon of its update agent, which holds these classes.
async fn holder_of_rules(classes: &[&str]) -> (World, Config, Daemon) {
    let mut world = World::new().await;
    world.component("rules", 1);
    with_agent(&mut world, free_port(), classes);
    let config = world.client("ua");
    let daemon = agent(config.clone()).await;
    (world, config, daemon)
}

#[tokio::test]
async fn it_holds_and_serves_what_it_shares_and_stops_when_the_role_is_taken() {
    let (mut world, config, daemon) = holder_of_rules(&["settings", "components"]).await;
    let address: std::net::SocketAddr =
        format!("127.0.0.1:{}", world.policy.update_agents[0].port).parse().unwrap();
    assert_eq!(daemon.serving(), [address]);

    let client = world.client("pc-1");
    let report = update(&client).await;
    assert_eq!(source(&report, "components"), "update_agent:ua", "{report:#?}");
    assert_eq!(source(&report, "settings"), "update_agent:ua", "{report:#?}");
    assert_eq!(source(&report, "programs"), "server", "{report:#?}");
    assert_eq!(current(&client, "components/rules/current/rules/changing.txt"), "release 1\n");

    world.policy.entries.clear();
    world.policy.update_agents.clear();
    world.publish_settings();
    let report = daemon.update(RunOptions::default()).await.unwrap();
    assert!(report.update_agent.is_none());
    assert!(daemon.serving().is_empty());
    assert!(!config.data.join("served/components").exists());
    daemon.stop().await;
}

#[tokio::test]
async fn beyond_its_quota_it_keeps_serving_the_old_release_and_reports_it() {
    let mut world = World::new().await;
    let port = free_port();
    world.component("small", 1);
    with_agent(&mut world, port, &["settings", "components"]);
    world.settings.update_agent_quota_mib = 1;
    world.publish_settings();
    let config = world.client("ua");
    let daemon = agent(config.clone()).await;
    let big = crate::world::noise(3_000_000);
    world.components().release(&crate::world::NewRelease {
        name: "small",
        sequence: 2,
        files: &[("big.bin", &big)],
        ..Default::default()
    });
    let report = daemon.update(RunOptions::default()).await.unwrap();
    assert_eq!(class(&report, "components").result, ClassResult::Updated, "it updates itself: {report:#?}");
    let agent = report.update_agent.as_ref().unwrap();
    assert!(agent.problems["components"].contains("update_agent_quota_mib"), "{agent:#?}");
    assert_eq!(headwater_client::exit_code(&report), 3, "it does not hold what it has");
    let client = world.client("pc-1");
    world.site.unshare(headwater_policy::Class::Components);
    update(&client).await;
    assert_eq!(current(&client, "components/small/current/rules/changing.txt"), "release 1\n");
    daemon.stop().await;
}

/// What the disk changed is not handed out for ever: it is found and fetched again, though nothing newer is published.
#[tokio::test]
async fn what_is_damaged_in_the_served_tree_is_fetched_again() {
    let (_world, config, daemon) = holder_of_rules(&["settings", "components"]).await;
    let below = |folder: &std::path::Path| {
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>()
    };
    let folders = below(&config.data.join("served/components/blobs"));
    let held: Vec<_> = folders.iter().flat_map(|folder| below(folder)).collect();
    assert!(held.len() > 1, "{held:?}");
    let damages: [fn(&mut Vec<u8>); 2] = [|bytes| bytes.push(0), |bytes| bytes[0] ^= 1];
    for damage in damages {
        for path in &held {
            let mut bytes = std::fs::read(path).unwrap();
            damage(&mut bytes);
            std::fs::write(path, bytes).unwrap();
        }
        let report = daemon.update(RunOptions::default()).await.unwrap();
        assert_eq!(class(&report, "components").result, ClassResult::Current);
        let expected = format!("{} files of components held for others were damaged", held.len());
        assert!(report.warnings.iter().any(|warning| warning.starts_with(&expected)), "{report:#?}");
        for path in &held {
            let bytes = std::fs::read(path).unwrap();
            let digest = headwater_repo::Digest::of(&bytes).to_string();
            assert_eq!(path.file_name().unwrap().to_str(), Some(digest.as_str()));
        }
    }
    daemon.stop().await;
}

/// Settings come first: a quota that others fill already keeps no site from new settings.
#[tokio::test]
async fn settings_are_held_though_the_quota_is_full() {
    let mut world = World::new().await;
    let big = crate::world::noise(3_000_000);
    world.components().release(&crate::world::NewRelease {
        name: "big",
        sequence: 1,
        files: &[("big.bin", &big)],
        ..Default::default()
    });
    with_agent(&mut world, free_port(), &["settings", "components"]);
    let config = world.client("ua");
    let report = update(&config).await.update_agent.unwrap();
    assert!(report.problems.is_empty() && report.bytes_held > 3_000_000, "{report:#?}");
    let before = report.serves["settings"];
    world.settings.update_agent_quota_mib = 1;
    world.publish_settings();
    let report = update(&config).await.update_agent.unwrap();
    assert!(report.problems.is_empty(), "{report:#?}");
    assert!(report.serves["settings"] > before, "{report:#?}");
    // A class that does not fit alone is still too much.
    world.files.insert("big.txt".to_owned(), "x".repeat(2_000_000));
    world.publish_settings();
    let report = update(&config).await.update_agent.unwrap();
    assert!(report.problems["settings"].contains("update_agent_quota_mib"), "{report:#?}");
}

#[tokio::test]
async fn a_port_in_use_is_named_in_the_report() {
    let mut world = World::new().await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    with_agent(&mut world, port, &["components"]);
    let daemon = agent(world.client("ua")).await;
    let report = daemon.update(RunOptions::default()).await.unwrap();
    let expected = format!("127.0.0.1:{port}");
    assert!(report.warnings.iter().any(|warning| warning.contains(&expected)), "{:?}", report.warnings);
    daemon.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_port_that_is_taken_shows_in_the_status_and_is_used_once_it_is_free() {
    let mut world = World::new().await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    with_agent(&mut world, port, &["settings"]);
    let config = world.client("ua");
    assert_eq!(status_of(&config), None, "no daemon, no folder yet");
    let daemon = agent(config.clone()).await;
    let found = status_of(&config).unwrap();
    assert!(found.problems[0].contains("cannot listen on"), "{found:?}");
    let second = Daemon::start(config.clone()).await.unwrap_err();
    assert!(second.to_string().contains(&format!("process {}", std::process::id())), "{second}");
    drop(taken);
    pass_time(LOOK_AGAIN + Duration::from_millis(1)).await;
    assert!(!status_of(&config).unwrap().serving.is_empty(), "it listens");
    assert!(status_of(&config).unwrap().problems.is_empty());
    daemon.stop().await;
    assert_eq!(status_of(&config), None);
}

#[tokio::test]
async fn an_update_agent_without_an_address_of_its_own_reports_that_it_listens_nowhere() {
    let mut world = World::new().await;
    with_agent(&mut world, free_port(), &["settings"]);
    let mut config = world.client("ua");
    config.addresses = Some(vec!["127.0.0.9".parse().unwrap()]);
    let daemon = agent(config.clone()).await;
    assert!(status_of(&config).unwrap().problems[0].contains("listens nowhere"));
    daemon.stop().await;
}

fn status_of(config: &Config) -> Option<DaemonStatus> {
    status(config).ok().and_then(|status| status.daemon)
}

#[tokio::test]
async fn progress_of_holding_for_others_is_reported_too() {
    let mut world = World::new().await;
    world.component("rules", 1);
    with_agent(&mut world, free_port(), &["components"]);
    let calls = Arc::new(Mutex::new(Vec::new()));
    let progress_sink = ProgressSink::new({
        let calls = Arc::clone(&calls);
        move |what, progress| {
            calls.lock().unwrap().push((what.to_owned(), progress.bytes_done, progress.bytes_total));
        }
    });
    let options = RunOptions { progress_sink, ..RunOptions::default() };
    run_once(&world.client("ua"), &options).await.unwrap();
    let calls = calls.lock().unwrap();
    let (held, done, total) = calls.last().unwrap();
    assert_eq!((held.as_str(), done), ("components for others", total), "{calls:?}");
    assert!(*total > 200_000, "{calls:?}");
}
