//! The vendor source: its own root and memory, taken when the organisation's sources are unable (P5).

use headwater_api::policy::{EntryDocument, LocationDocument, SelectorDocument, SourceDocument};
use headwater_api::report::{ClassResult, Reason, Report};
use headwater_client::{exit_code, render, status};
use headwater_depot::serve::{ListenLimits, ServeLimits, SharedRepositories, listen, router};
use headwater_policy::Class;
use tokio::net::TcpListener;

use crate::store::bodies;
use crate::world::{NewRelease, TestRepository, World, class, current, update};

/// A vendor's repository with one component, served; and a world whose clients may use it.
async fn with_vendor() -> (World, TestRepository) {
    let mut world = World::new().await;
    let mut vendor = TestRepository::new(world.folder.path().join("vendor"));
    vendor.release(&NewRelease {
        name: "rules",
        sequence: 5,
        files: &[("a.txt", b"five")],
        ..NewRelease::default()
    });
    world.policy.vendor = Some(serve(&vendor.folder).await);
    world.settings.download_from_vendor = true;
    world.publish_settings_with(Some(serde_json::from_slice(vendor.root.bytes()).unwrap()));
    (world, vendor)
}

/// Serves a vendor's folder; returns its URL.
async fn serve(folder: &std::path::Path) -> LocationDocument {
    let site = SharedRepositories::new(ServeLimits::default());
    site.share(Class::Components, folder);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(listen(router(site), listener, ListenLimits::default(), std::future::pending()));
    LocationDocument { url }
}

fn root_of(vendor: &TestRepository) -> Option<serde_json::Value> {
    Some(serde_json::from_slice(vendor.root.bytes()).unwrap())
}

/// What a client has seen of a vendor source counts at every address of it, also after the policy named none for a
/// while; another vendor starts again from its root.
#[tokio::test]
async fn a_new_address_leads_nobody_backwards() {
    let (mut world, mut vendor) = with_vendor().await;
    world.site.unshare(Class::Components);
    let old = world.folder.path().join("old");
    let copied = std::process::Command::new("cp").arg("-r").arg(&vendor.folder).arg(&old).status();
    assert!(copied.unwrap().success());
    let release = |sequence: u64| NewRelease {
        name: "rules",
        sequence,
        files: &[("a.txt", b"new")],
        ..NewRelease::default()
    };
    vendor.release(&release(6));
    let client = world.client("pc-1");
    update(&client).await;
    assert_eq!(current(&client, "components/rules/current/a.txt"), "new");

    world.policy.vendor = None;
    world.publish_settings_with(None);
    update(&client).await;
    world.policy.vendor = Some(serve(&old).await);
    world.publish_settings_with(root_of(&vendor));
    let report = update(&client).await;
    let attempt = report.attempts.iter().find(|attempt| attempt.source == "vendor").unwrap();
    assert_eq!(attempt.reason, Some(Reason::Older), "{report:#?}");
    assert_eq!(current(&client, "components/rules/current/a.txt"), "new");

    let mut other = TestRepository::new(world.folder.path().join("other"));
    other.release(&release(7));
    world.policy.vendor = Some(serve(&other.folder).await);
    world.publish_settings_with(root_of(&other));
    let report = update(&client).await;
    assert_eq!(class(&report, "components").result, ClassResult::Updated, "{report:#?}");
}

#[tokio::test]
async fn it_serves_when_the_server_does_not_share_and_what_the_organisation_withdrew_is_not_taken() {
    let (mut world, vendor) = with_vendor().await;
    for sequence in [4, 5] {
        world.component("rules", sequence);
    }
    world.components().roll_back("rules", 4);
    let client = world.client("pc-1");
    assert_eq!(class(&update(&client).await, "components").source.as_deref(), Some("server"));
    world.site.unshare(Class::Components);
    let report = update(&client).await;
    let outcome = class(&report, "components");
    assert_eq!(
        (outcome.source.as_deref(), outcome.result),
        (Some("vendor"), ClassResult::Current),
        "{report:#?}"
    );
    assert!(outcome.message.contains("withdrawn"), "{}", outcome.message);
    assert_eq!(current(&client, "components/rules/current/rules/changing.txt"), "release 4\n");

    let other = world.client("pc-2");
    let report = update(&other).await;
    assert_eq!(class(&report, "components").source.as_deref(), Some("vendor"), "{report:#?}");
    assert_eq!(current(&other, "components/rules/current/a.txt"), "five");
    assert_eq!(bodies(&vendor, &other), 0, "what is installed leaves the store");
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_before_it_costs_no_more_than_three_seconds() {
    let (mut world, _vendor) = with_vendor().await;
    let client = world.client("pc-1");
    update(&client).await;
    // A server that accepts and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    world.policy.mode = "customized".to_owned();
    world.policy.options.server_fallback.programs = false;
    world.policy.server.url = format!("https://{}", silent.local_addr().unwrap());
    let vendor_root = headwater_client::data::State::load(&headwater_client::DataFolder::new(&client.data));
    world.publish_settings_with(vendor_root.unwrap().policy.unwrap().vendor_root);
    let report = update(&client).await;
    assert_eq!(class(&report, "components").source.as_deref(), Some("vendor"), "{report:#?}");
    let components: u64 =
        report.attempts.iter().filter(|attempt| attempt.class == "components").map(|a| a.duration_ms).sum();
    assert!(components <= 3_000, "{components} ms: {report:#?}");
}

/// P4a: what an update run of each kind installs of the organisation's own components, and how the class ends.
fn ended(report: &Report) -> (ClassResult, u8, usize) {
    let findings = report.warnings.iter().filter(|warning| warning.contains("is partial")).count();
    (class(report, "components").result, exit_code(report), findings)
}

/// The vendor source first, for everybody; other entries follow.
fn vendor_first(world: &mut World, vendor: &TestRepository, server_fallback: bool, others: &[EntryDocument]) {
    let everybody = SelectorDocument { ipv4: Some("127.0.0.0-127.255.255.255".to_owned()), ipv6: None };
    world.policy.mode = "customized".to_owned();
    world.policy.options.server_fallback.components = server_fallback;
    world.policy.entries = vec![EntryDocument { clients: everybody, source: SourceDocument::Vendor }];
    world.policy.entries.extend_from_slice(others);
    world.publish_settings_with(root_of(vendor));
}

#[tokio::test]
async fn the_organisations_own_components_come_from_the_other_sources_of_the_plan() {
    let (mut world, mut vendor) = with_vendor().await;
    // The vendor has something under an own name: it is not what the organisation publishes.
    let files: &[(&str, &[u8])] = &[("a.txt", b"theirs")];
    vendor.release(&NewRelease { name: "tools", sequence: 9, files, ..NewRelease::default() });
    world.component("tools", 1);
    // What the organisation took from the vendor source and is older there.
    world.component("rules", 4);
    world.policy.own_components = vec!["tools".to_owned()];
    vendor_first(&mut world, &vendor, true, &[]);
    let client = world.client("pc-1");
    let report = update(&client).await;
    assert_eq!(ended(&report), (ClassResult::Updated, 0, 0), "{report:#?}");
    let installed = |report: &Report, name: &str| report.installed["components"][name].sequence;
    assert_eq!((installed(&report, "rules"), installed(&report, "tools")), (5, 1), "{report:#?}");
    let report = update(&client).await;
    assert_eq!(ended(&report), (ClassResult::Current, 0, 0), "{report:#?}");
    assert!(!class(&report, "components").message.contains("older"), "{report:#?}");
    world.component("tools", 2);
    let report = update(&client).await;
    assert_eq!((ended(&report).0, installed(&report, "tools")), (ClassResult::Updated, 2), "{report:#?}");
}

/// Earlier sources, too: the server is the first of the plan here, and is asked again after the vendor source.
#[tokio::test]
async fn where_no_source_gives_them_the_class_is_partial_and_a_finding_once_for_a_policy_version() {
    let (mut world, vendor) = with_vendor().await;
    world.component("tools", 1);
    world.policy.own_components = vec!["tools".to_owned()];
    world.publish_settings_with(root_of(&vendor));
    world.site.unshare(Class::Components);
    let client = world.client("pc-1");
    let report = update(&client).await;
    assert_eq!(ended(&report), (ClassResult::Partial, 3, 1), "{report:#?}");
    let outcome = class(&report, "components");
    assert_eq!(outcome.source.as_deref(), Some("vendor"));
    assert!(outcome.message.contains("missing: tools"), "{}", outcome.message);
    let asked = |report: &Report| {
        let of_class = report.attempts.iter().filter(|attempt| attempt.class == "components");
        of_class.map(|attempt| attempt.source.clone()).collect::<Vec<_>>()
    };
    assert_eq!(asked(&report), ["server", "vendor", "server"], "once each");
    let name = &outcome.names[0];
    assert_eq!((name.name.as_str(), name.result), ("tools", ClassResult::Partial), "{report:#?}");
    assert_eq!(current(&client, "components/rules/current/a.txt"), "five");
    assert_eq!(ended(&update(&client).await), (ClassResult::Partial, 3, 0), "the finding is known");
    world.publish_settings_with(root_of(&vendor));
    assert_eq!(ended(&update(&client).await), (ClassResult::Partial, 3, 1), "another policy");
    let folder = world.components().folder.clone();
    world.site.share(Class::Components, folder);
    let report = update(&client).await;
    assert_eq!(report.installed["components"]["tools"].sequence, 1, "{report:#?}");
    // As far as is known, they are the newest: until the server names something newer.
    world.site.unshare(Class::Components);
    let report = update(&client).await;
    assert_eq!(ended(&report), (ClassResult::Current, 0, 0), "{report:#?}");
    let newer = world.content_version(Class::Components.into()) + 1;
    world.fleet.lock().announced.insert("components".to_owned(), newer);
    let report = update(&client).await;
    assert_eq!(ended(&report).0, ClassResult::Partial, "{report:#?}");
    assert!(class(&report, "components").message.contains("perhaps outdated: tools"), "{report:#?}");
}

#[tokio::test]
async fn a_plan_of_the_vendor_source_alone_is_partial_and_status_states_what_to_do() {
    let (mut world, vendor) = with_vendor().await;
    world.component("tools", 1);
    world.policy.own_components = vec!["tools".to_owned()];
    vendor_first(&mut world, &vendor, false, &[]);
    let client = world.client("pc-1");
    let report = update(&client).await;
    assert_eq!(ended(&report), (ClassResult::Partial, 3, 1), "{report:#?}");
    let warning = report.warnings.iter().find(|warning| warning.contains("is partial")).unwrap();
    assert!(warning.contains("--server-fallback-components on"), "{warning}");
    let shown = render::status(&status(&client).unwrap());
    assert!(shown.contains("partial: the vendor source does not have the organisation's own"), "{shown}");
    assert!(shown.contains("components: partial from vendor"), "{shown}");
    let shown = render::report(&report);
    assert!(shown.contains("missing: tools"), "{shown}");
}

/// A mirror that is older than the policy does not have a new name yet.
#[tokio::test]
async fn a_source_that_does_not_list_an_own_component_leaves_the_class_partial() {
    let (mut world, vendor) = with_vendor().await;
    world.component("tools", 1);
    world.component("gone", 1);
    world.components().remove("gone");
    world.policy.own_components = ["gone", "new", "tools"].map(str::to_owned).to_vec();
    vendor_first(&mut world, &vendor, true, &[]);
    let client = world.client("pc-1");
    let report = update(&client).await;
    assert_eq!(ended(&report), (ClassResult::Partial, 3, 1), "{report:#?}");
    let names: Vec<&str> = class(&report, "components").names.iter().map(|name| name.name.as_str()).collect();
    assert_eq!(names, ["new"], "what was removed is not missing: {report:#?}");
    assert_eq!(report.installed["components"]["tools"].sequence, 1);
}
