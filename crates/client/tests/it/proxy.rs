//! The proxy of a domain: it serves URLs and the vendor source, and nothing else (D2).

use headwater_api::policy::{EntryDocument, SelectorDocument, SourceDocument};
use headwater_api::report::{AttemptResult, Reason, Report};
use headwater_client::Config;

use crate::world::{World, class, current, update};

/// A mirror by a name that only the proxy knows. The proxy is the mirror itself: it answers requests for any host.
async fn world() -> (World, Config) {
    let mut world = World::new().await;
    world.component("rules", 1);
    world.policy.mode = "customized".to_owned();
    world.policy.entries = vec![EntryDocument {
        clients: SelectorDocument { ipv4: Some("127.0.0.0/8".to_owned()), ipv6: None },
        source: SourceDocument::Url { url: "http://updates.invalid".to_owned(), classes: None },
    }];
    world.settings.proxy = Some(world.mirror.clone());
    world.publish_settings();
    let client = world.client("pc-1");
    (world, client)
}

fn of_mirror(report: &Report) -> Vec<(AttemptResult, Option<Reason>)> {
    let attempts =
        report.attempts.iter().filter(|attempt| attempt.class == "components" && attempt.source != "server");
    attempts.map(|attempt| (attempt.result, attempt.reason)).collect()
}

/// The setting counts from the run that brings it: the policy came from the server.
#[tokio::test]
async fn a_url_is_reached_by_the_proxy_of_the_domain() {
    let (mut world, client) = world().await;
    let report = update(&client).await;
    assert_eq!(of_mirror(&report), [(AttemptResult::Used, None)], "{report:#?}");
    assert_eq!(current(&client, "components/rules/current/rules/changing.txt"), "release 1\n");

    // An exception is reached directly, and has no address here.
    world.settings.proxy_exceptions = "corp.example, invalid".to_owned();
    world.component("rules", 2);
    world.publish_settings();
    let report = update(&client).await;
    assert_eq!(of_mirror(&report), [(AttemptResult::Failed, Some(Reason::Name))], "{report:#?}");
    assert_eq!(class(&report, "components").source.as_deref(), Some("server"));
}

/// Whatever the proxy is, the server gives the correction (P5a).
#[tokio::test]
async fn a_proxy_that_does_not_answer_keeps_nobody_from_the_server() {
    let (mut world, client) = world().await;
    world.settings.proxy = Some("http://127.0.0.1:9".to_owned());
    world.publish_settings();
    let report = update(&client).await;
    assert_eq!(of_mirror(&report), [(AttemptResult::Failed, Some(Reason::Connect))], "{report:#?}");
    assert_eq!(class(&report, "components").source.as_deref(), Some("server"));
    world.settings.proxy = Some(world.mirror.clone());
    world.component("rules", 2);
    world.publish_settings();
    let report = update(&client).await;
    assert_eq!(of_mirror(&report), [(AttemptResult::Used, None)], "{report:#?}");
}
