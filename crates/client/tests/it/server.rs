//! The server at check-in and report: a signal and a receiver of reports, never something that a run waits for (P1, P12).

use std::time::Duration;

use headwater_api::policy::{EntryDocument, SelectorDocument, SourceDocument};
use headwater_api::report::{ClassResult, Reason};
use headwater_client::data::State;
use headwater_client::limits::{CHECK_IN_WAIT_MAX, REPORT_SEND_WAIT_UNANSWERED, SHORT_TIMEOUT};
use headwater_client::{DataFolder, Spool};
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::world::{World, class, update};

/// A mirror gives everything, and the server accepts and never answers: neither check-in nor report.
#[tokio::test(start_paused = true)]
async fn a_silent_server_costs_a_run_no_more_than_three_seconds() {
    let mut world = World::new().await;
    world.component("rules", 1);
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    world.policy.server.url = format!("https://{}", silent.local_addr().unwrap());
    world.policy.mode = "customized".to_owned();
    world.policy.entries = vec![EntryDocument {
        clients: SelectorDocument { ipv4: Some("127.0.0.0-127.255.255.255".to_owned()), ipv6: None },
        source: SourceDocument::Url { url: world.mirror.clone(), classes: None },
    }];
    world.publish_settings();
    let client = world.client("pc-1");
    for result in [ClassResult::Updated, ClassResult::Current] {
        let begun = Instant::now();
        let report = update(&client).await;
        let all = begun.elapsed();
        assert_eq!(class(&report, "components").result, result, "{report:#?}");
        let lost = all.saturating_sub(Duration::from_millis(
            report.attempts.iter().map(|attempt| attempt.duration_ms).sum(),
        ));
        let waits = CHECK_IN_WAIT_MAX + REPORT_SEND_WAIT_UNANSWERED;
        assert!(lost <= waits && waits < Duration::from_secs(3), "{lost:?} of {all:?} lost to the server");
    }
    assert_eq!(Spool::open(client.data.join("reports")).unwrap().waiting().unwrap().len(), 2, "reports wait");
}

/// The only source is silent: one class waits for it with the full time-outs, the others do not do so again.
#[tokio::test(start_paused = true)]
async fn a_silent_only_source_is_waited_for_once() {
    let mut world = World::new().await;
    (world.settings.connect_timeout_seconds, world.settings.idle_timeout_seconds) = (2, 2);
    world.publish_settings();
    let client = world.client("pc-1");
    update(&client).await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    world.policy.server.url = format!("https://{}", silent.local_addr().unwrap());
    world.publish_settings();
    // The policy that names the silent server still comes from the old one, and counts for the classes.
    let report = update(&client).await;
    let waited = |class: &str| {
        let attempt = report.attempts.iter().find(|attempt| attempt.class == class).unwrap();
        assert_eq!(attempt.reason, Some(Reason::Timeout), "{report:#?}");
        Duration::from_millis(attempt.duration_ms)
    };
    // To shake hands: 2 s, and then 1.25 s.
    let (first, second) = (waited("settings"), waited("components"));
    assert_eq!((first, second), (Duration::from_secs(2), SHORT_TIMEOUT));
}

/// A clock that was years ahead when the server did not answer: set right, it does not keep the client away.
#[tokio::test]
async fn a_clock_set_back_does_not_stop_check_ins() {
    let world = World::new().await;
    let client = world.client("pc-1");
    update(&client).await;
    let folder = DataFolder::new(&client.data);
    let mut state = State::load(&folder).unwrap();
    let mut keep_away = |pause: i64| {
        state.check_in_not_before =
            Some(headwater_client::os::now() + jiff::SignedDuration::from_secs(pause));
        state.save(&folder).unwrap();
        world.received(|received| received.check_ins.clear());
    };
    for (pause, expected) in [(3_000, 0), (400 * 24 * 3_600, 1)] {
        keep_away(pause);
        update(&client).await;
        assert_eq!(world.received(|received| received.check_ins.len()), expected, "after {pause} s");
    }
}

/// The server was lost and is back without its newest clients while a client pauses between check-ins: the refused report
/// leads to the renewal that proves who it is, at once and not at every run.
#[tokio::test]
async fn a_client_that_pauses_between_check_ins_shows_its_certificate_to_a_server_that_lost_it() {
    let world = World::new().await;
    let client = world.client("pc-1");
    update(&client).await;
    let folder = DataFolder::new(&client.data);
    let mut state = State::load(&folder).unwrap();
    state.check_in_not_before = Some(headwater_client::os::now() + jiff::SignedDuration::from_secs(3_000));
    state.save(&folder).unwrap();
    world.fleet.lock().known.clear();
    update(&client).await;
    let certificate = std::fs::read_to_string(folder.identity("certificate.pem")).unwrap();
    let shown = || world.received(|received| received.unknown_renewals.clone());
    assert_eq!(shown(), [certificate]);
    assert!(State::load(&folder).unwrap().refused.is_some(), "the status says so");
    let report = update(&client).await;
    assert!(report.warnings.iter().any(|warning| warning.contains("refuses this client")), "{report:#?}");
    assert_eq!(shown().len(), 1, "a refused renewal pauses");
}
