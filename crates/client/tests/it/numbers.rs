//! Numbers of statements that the server has taken before: of a clock that was ahead, or of a data folder that was put back
//! (I3).

use headwater_client::{Config, DataFolder, enrol};
use jiff::SignedDuration;

use crate::world::{World, update};

/// A number of a clock that was a month ahead.
fn of_a_month_ahead() -> u64 {
    let then = headwater_client::os::now() + SignedDuration::from_hours(24 * 30);
    u64::try_from(then.as_millisecond()).unwrap()
}

fn taken<T>(world: &World, look: impl FnOnce(&mut headwater_api::enrol::TakenSequences) -> T) -> T {
    look(&mut world.fleet.lock().known.get_mut("pc-1").unwrap().taken)
}

fn was_refused(report: &headwater_api::report::Report, what: &str) -> bool {
    report.warnings.iter().any(|warning| warning.contains(&format!("the server refused {what}")))
}

fn lose_state(client: &Config) {
    std::fs::remove_file(DataFolder::new(&client.data).state()).unwrap();
}

#[tokio::test]
async fn check_ins_continue_after_the_number_that_the_server_has() {
    let world = World::new().await;
    let client = world.client("pc-1");
    update(&client).await;
    let ahead = of_a_month_ahead();
    taken(&world, |taken| taken.check_in = ahead);
    let before = world.received(|received| received.check_ins.len());
    let report = update(&client).await;
    assert!(was_refused(&report, "a check-in"), "{report:#?}");
    let report = update(&client).await;
    assert!(!was_refused(&report, "a check-in"), "{report:#?}");
    assert_eq!(world.received(|received| (received.check_ins.len() - before, received.replayed)), (2, 1));
    assert_eq!(taken(&world, |taken| taken.check_in), ahead + 2);
}

#[tokio::test]
async fn nobody_but_the_server_uses_up_a_clients_numbers() {
    let world = World::new().await;
    let client = world.client("pc-1");
    update(&client).await;
    world.received(|received| received.carrier_lies = true);
    let ahead = of_a_month_ahead();
    taken(&world, |taken| taken.check_in = ahead);
    let report = update(&client).await;
    assert!(!was_refused(&report, "a check-in"), "{report:#?}");
    let state: serde_json::Value =
        serde_json::from_slice(&std::fs::read(DataFolder::new(&client.data).state()).unwrap()).unwrap();
    assert!(state["check_in_number"].as_u64().unwrap() < ahead);
}

#[tokio::test]
async fn renewals_continue_after_the_number_that_the_server_has() {
    let world = World::new().await;
    world.fleet.lock().issued_before = SignedDuration::from_hours(24 * 300);
    let client = world.client("pc-1");
    enrol(&client).await.unwrap();
    let ahead = of_a_month_ahead();
    taken(&world, |taken| taken.renewal = ahead);
    world.fleet.lock().issued_before = SignedDuration::ZERO;
    let report = update(&client).await;
    assert!(was_refused(&report, "a renewal"), "{report:#?}");
    assert_eq!(
        (world.received(|received| received.renewals), taken(&world, |taken| taken.renewal)),
        (1, ahead + 1)
    );
}

#[tokio::test]
async fn a_client_that_enrols_again_continues_where_the_server_is() {
    let world = World::new().await;
    let client = world.client("pc-1");
    update(&client).await;
    let ahead = of_a_month_ahead();
    taken(&world, |taken| (taken.check_in, taken.renewal) = (ahead, ahead));
    // The folder was put back to before the enrolment; its key is the same.
    lose_state(&client);
    let folder = DataFolder::new(&client.data);
    std::fs::remove_file(folder.identity("certificate.pem")).unwrap();
    std::fs::copy(world.bundle(), folder.bundle()).unwrap();
    enrol(&client).await.unwrap();
    update(&client).await;
    assert_eq!(world.received(|received| (received.enrolments, received.replayed)), (2, 0));
    assert_eq!(taken(&world, |taken| taken.check_in), ahead + 1);
}
