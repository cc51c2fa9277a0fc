//! The policy's step of a run (P5a, P8): no saved list keeps its own correction from a client that reaches a source of its
//! plan, one of the plan before, or the server.

use headwater_api::policy::{EntryDocument, SelectorDocument, SourceDocument};
use headwater_api::report::{ClassResult, Report};
use headwater_client::data::State;
use headwater_client::{DataFolder, RunOptions, Trigger, exit_code, run_once, status};
use headwater_policy::{Class, Repository};

use crate::update_agent::{agent, free_port, with_agent};
use crate::world::{World, class, client_of_rules, update};

/// Nobody listens there.
const DEAD: &str = "http://127.0.0.1:1";

/// Saves a list with these sources for everybody, and no fallback to the server.
fn save(world: &mut World, urls: &[&str]) {
    world.policy.mode = "customized".to_owned();
    let fallback = &mut world.policy.options.server_fallback;
    (fallback.settings, fallback.components, fallback.programs) = (false, false, false);
    let entry = |url: &&str| EntryDocument {
        clients: SelectorDocument { ipv4: Some("127.0.0.0-127.255.255.255".to_owned()), ipv6: None },
        source: SourceDocument::Url { url: (*url).to_owned(), classes: None },
    };
    world.policy.entries = urls.iter().map(entry).collect();
    world.publish_settings();
}

fn announce(world: &World) {
    let version = world.content_version(Repository::Policy);
    world.fleet.lock().announced.insert("policy".to_owned(), version);
}

/// The sources that were asked for the policy, in the order they began.
fn asked(report: &Report) -> Vec<&str> {
    let of_policy = report.attempts.iter().filter(|attempt| attempt.class == "policy");
    of_policy.map(|attempt| attempt.source.as_str()).collect()
}

#[tokio::test]
async fn a_list_that_leads_nowhere_does_not_keep_its_own_correction_away() {
    let mut world = World::new().await;
    save(&mut world, &[DEAD]);
    let client = world.client("pc-1");
    announce(&world);
    let broken = update(&client).await;
    assert_eq!(class(&broken, "policy").source.as_deref(), Some("server"), "{broken:#?}");
    assert_eq!(class(&broken, "settings").result, ClassResult::Failed);

    // The server names nothing newer: it is not asked for documents, and the policy is known to be the newest.
    let waiting = update(&client).await;
    assert!(!asked(&waiting).contains(&"server"), "{waiting:#?}");
    assert_eq!(class(&waiting, "policy").result, ClassResult::Current, "{waiting:#?}");

    let mirror = world.mirror.clone();
    save(&mut world, &[&mirror]);
    announce(&world);
    let corrected = update(&client).await;
    assert_eq!(class(&corrected, "policy").source.as_deref(), Some("server"), "{corrected:#?}");
    assert_eq!(class(&corrected, "settings").result, ClassResult::Updated, "by the corrected list");
    assert_eq!(corrected.policy_version, 3);
}

#[tokio::test]
async fn a_source_of_the_plan_before_gives_the_correction_where_the_server_is_not_reached() {
    let mut world = World::new().await;
    let (mirror, server) = (world.mirror.clone(), world.policy.server.url.clone());
    save(&mut world, &[&mirror]);
    let client = world.client("pc-1");
    update(&client).await;
    world.policy.server.url = "https://127.0.0.1:1".to_owned();
    save(&mut world, &[DEAD]);
    assert_eq!(update(&client).await.policy_version, 3, "it takes the list that leads nowhere");

    let plan = status(&client).unwrap().plans.remove("policy").unwrap();
    let sources: Vec<&str> = plan.steps.iter().map(|step| step.source.as_str()).collect();
    assert_eq!(sources, [format!("url:{DEAD}"), format!("url:{mirror}"), "server".to_owned()]);

    let waiting = update(&client).await;
    assert_eq!(class(&waiting, "policy").source, Some(format!("url:{mirror}")), "{waiting:#?}");
    world.policy.server.url = server;
    save(&mut world, &[&mirror]);
    let corrected = update(&client).await;
    assert_eq!((corrected.policy_version, class(&corrected, "policy").result), (4, ClassResult::Updated));
    assert_eq!(class(&corrected, "settings").result, ClassResult::Updated);
    let state = State::load(&DataFolder::new(&client.data)).unwrap();
    assert_eq!(state.policy_sources[0].url, mirror, "only what gave the policy is remembered");
}

#[tokio::test]
async fn an_update_agent_serves_the_policy_whatever_it_shares() {
    let mut world = World::new().await;
    with_agent(&mut world, free_port(), &["programs"]);
    let daemon = agent(world.client("ua")).await;
    let client = world.client("pc-1");
    // Nobody else has it.
    world.site.unshare(Repository::Policy);
    let report = update(&client).await;
    assert_eq!(class(&report, "policy").source.as_deref(), Some("update_agent:ua"), "{report:#?}");
    assert_eq!(class(&report, "settings").source.as_deref(), Some("server"), "it shares no settings");
    let held = daemon.update(RunOptions::default()).await.unwrap().update_agent.unwrap();
    assert_eq!(held.serves.keys().collect::<Vec<_>>(), ["policy", "programs"]);
    daemon.stop().await;
}

#[tokio::test]
async fn no_source_of_the_policy_stops_no_class() {
    let mut world = World::new().await;
    world.component("rules", 1);
    let client = world.client("pc-1");
    world.site.unshare(Repository::Policy);
    let report = update(&client).await;
    assert_eq!(class(&report, "policy").result, ClassResult::Failed);
    assert_eq!(class(&report, "components").result, ClassResult::Updated, "by the bundle's policy");
    assert_eq!(exit_code(&report), 3);
}

#[tokio::test]
async fn typed_settings_travel_with_the_policy() {
    let mut world = World::new().await;
    let client = world.client("pc-1");
    update(&client).await;
    world.site.unshare(Class::Settings);
    world.settings.poll_interval_minutes = 7;
    world.publish_settings();
    let report = update(&client).await;
    assert_eq!(class(&report, "settings").result, ClassResult::Failed, "its repository is gone");
    assert_eq!(class(&report, "policy").result, ClassResult::Updated, "{report:#?}");
    let state = State::load(&DataFolder::new(&client.data)).unwrap();
    assert_eq!(state.settings.unwrap().settings.poll_interval_minutes, 7);
}

#[tokio::test]
async fn a_source_that_is_behind_the_named_policy_gives_way_to_the_server() {
    let mut world = World::new().await;
    let stale = world.folder.path().join("stale");
    let mirror = World::mirror_of(&stale).await;
    save(&mut world, &[&mirror]);
    world.copy_to(&stale);
    let client = world.client("pc-1");
    let behind = update(&client).await;
    assert_eq!(asked(&behind), [format!("url:{mirror}")], "nobody named a newer one: {behind:#?}");
    world.publish_settings();
    announce(&world);
    let report = update(&client).await;
    assert_eq!(asked(&report), [format!("url:{mirror}"), "server".to_owned()], "{report:#?}");
    assert_eq!(class(&report, "policy").source.as_deref(), Some("server"));
    assert_eq!(report.policy_version, 3);
}

#[tokio::test]
async fn a_daily_look_takes_the_policy_and_runs_no_class() {
    let (mut world, client) = client_of_rules(1).await;
    world.component("rules", 2);
    world.settings.poll_interval_minutes = 7;
    world.publish_settings();
    let look = RunOptions { trigger: Trigger::PolicyLook, ..RunOptions::default() };
    let report = run_once(&client, &look).await.unwrap();
    assert_eq!(report.classes.len(), 1, "{report:#?}");
    assert_eq!(class(&report, "policy").result, ClassResult::Updated);
    assert_eq!(report.installed["components"]["rules"].sequence, 1);
    let state = State::load(&DataFolder::new(&client.data)).unwrap();
    assert_eq!(state.settings.unwrap().settings.poll_interval_minutes, 7);
}
