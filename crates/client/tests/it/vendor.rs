//! The vendor source: its own root and memory, taken when the organisation's sources are unable (P5).

use std::time::{Duration, Instant};

use headwater_api::policy::LocationDocument;
use headwater_api::report::{ClassResult, Reason};
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

#[tokio::test]
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
    let begun = Instant::now();
    let report = update(&client).await;
    assert_eq!(class(&report, "components").source.as_deref(), Some("vendor"), "{report:#?}");
    let components: u64 =
        report.attempts.iter().filter(|attempt| attempt.class == "components").map(|a| a.duration_ms).sum();
    assert!(components < 3_500, "{components} ms, {:?} in all: {report:#?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(60));
}
