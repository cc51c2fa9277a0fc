//! Limits of what the client reads, keeps, sends and waits for, crossed.

use std::path::Path;
use std::time::Duration;

use headwater_client::command::{self, CommandEnd};
use headwater_client::data::State;
use headwater_client::limits::{
    ANSWER_BYTES_MAX, CERTIFICATE_WAIT_MAX, COMMAND_TIME_MAX, DAEMON_FILE_BYTES_MAX, ID_FILE_BYTES_MAX,
    IDENTITY_FILE_BYTES_MAX, NUMBER_FILE_BYTES_MAX, REPORT_SEND_WAIT_MAX, SPOOL_BYTES_MAX, SPOOL_SEND_MAX,
    STATE_BYTES_MAX,
};
use headwater_client::{Config, Daemon, DataFolder, RunOptions, Spool, enrol, status};
use tokio::time::Instant;

use crate::world::{World, update};

/// Makes a file of that length out of what it holds, with blanks after it.
fn lengthen(path: &Path, length: u64) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes.resize(usize::try_from(length).unwrap(), b' ');
    std::fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn the_clients_own_files_have_a_longest() {
    let world = World::new().await;
    let client = world.client("pc-1");
    let daemon = Daemon::start(client.clone()).await.unwrap();
    daemon.update(RunOptions::default()).await.unwrap();
    let folder = DataFolder::new(&client.data);
    let check = |path: &Path, length: u64| {
        let whole = std::fs::read(path).unwrap();
        lengthen(path, length);
        assert!(status(&client).is_ok(), "{}: {length} bytes", path.display());
        lengthen(path, length + 1);
        let message = match status(&client) {
            Ok(status) => status.damaged.concat(),
            Err(error) => format!("{:#}", anyhow::Error::from(error)),
        };
        assert!(message.contains("longer than") && message.contains(path.to_str().unwrap()), "{message}");
        std::fs::write(path, whole).unwrap();
    };
    check(&client.data.join("id"), ID_FILE_BYTES_MAX);
    check(&client.data.join("state.json"), STATE_BYTES_MAX);
    check(&client.data.join("daemon.json"), DAEMON_FILE_BYTES_MAX);
    check(&client.data.join("identity/certificate.pem"), IDENTITY_FILE_BYTES_MAX);
    assert!(State::load(&folder).is_ok());
    daemon.stop().await;
}

#[tokio::test]
async fn an_answer_to_a_check_in_has_a_longest() {
    let world = World::new().await;
    let client = world.client("pc-1");
    for (bytes, failures) in [(ANSWER_BYTES_MAX, 0), (ANSWER_BYTES_MAX + 1, 1)] {
        world.received(|received| received.answer_bytes = bytes);
        update(&client).await;
        let state = State::load(&DataFolder::new(&client.data)).unwrap();
        assert_eq!(state.check_in_failures, failures, "{bytes} bytes");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_silent_at_enrolment_is_waited_for_a_bounded_time() {
    let world = World::new().await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let bundle = std::fs::read_to_string(world.bundle()).unwrap();
    let there = format!("https://{}", silent.local_addr().unwrap());
    let path = world.folder.path().join("silent.json");
    std::fs::write(&path, bundle.replace(&world.url, &there)).unwrap();
    let client = Config { bundle: Some(path), ..world.client("pc-1") };
    let begun = Instant::now();
    assert!(enrol(&client).await.unwrap_err().is_not_enrolled());
    assert_eq!(begun.elapsed(), CERTIFICATE_WAIT_MAX);
}

/// The server answers check-ins and is silent at the report.
#[tokio::test(start_paused = true)]
async fn a_report_that_is_not_taken_is_waited_for_a_bounded_time() {
    let world = World::new().await;
    let client = world.client("pc-1");
    world.received(|received| received.silent = true);
    let begun = Instant::now();
    update(&client).await;
    assert_eq!(begun.elapsed(), REPORT_SEND_WAIT_MAX);
    assert_eq!(Spool::open(client.data.join("reports")).unwrap().waiting().unwrap().len(), 1, "it is kept");
}

#[tokio::test]
async fn the_spool_keeps_to_its_room_and_always_the_newest() {
    let world = World::new().await;
    let mut report = update(&world.client("pc-1")).await;
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::open(folder.path().join("reports")).unwrap();
    let kept = |spool: &Spool| spool.waiting().unwrap().len();
    let half = usize::try_from(SPOOL_BYTES_MAX / 2).unwrap();
    report.warnings = vec!["x".repeat(half - 64 * 1024)];
    for (run, expected) in [(1, 1), (2, 2), (3, 2)] {
        report.run = run;
        spool.keep(&report).unwrap();
        assert_eq!(kept(&spool), expected, "after run {run}");
    }
    report.warnings = vec!["x".repeat(2 * half)];
    report.run = 4;
    spool.keep(&report).unwrap();
    assert_eq!(kept(&spool), 1);
    assert!(spool.waiting().unwrap()[0].ends_with(format!("{:020}.json", 4)));
}

#[tokio::test]
async fn a_long_absence_does_not_become_one_long_burst() {
    let world = World::new().await;
    let client = world.client("pc-1");
    let mut report = update(&client).await;
    let spool = Spool::open(client.data.join("reports")).unwrap();
    let waiting = SPOOL_SEND_MAX as u64 + 1;
    for run in 2..2 + waiting {
        report.run = run;
        spool.keep(&report).unwrap();
    }
    world.received(|received| received.reports.clear());
    let folder = DataFolder::new(&client.data);
    let mut state = State::load(&folder).unwrap();
    state.run = 1 + waiting;
    state.save(&folder).unwrap();
    update(&client).await;
    assert_eq!(world.received(|received| received.reports.len()), SPOOL_SEND_MAX);
    assert_eq!(spool.waiting().unwrap().len(), 2, "the rest, and this run's, go with the next");
    update(&client).await;
    assert_eq!(spool.waiting().unwrap().len(), 0);
}

#[test]
fn the_number_of_reports_made_has_a_longest() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::open(folder.path().to_owned()).unwrap();
    let path = folder.path().join("made");
    std::fs::write(&path, "7").unwrap();
    lengthen(&path, NUMBER_FILE_BYTES_MAX);
    assert_eq!(spool.made().unwrap(), 7);
    lengthen(&path, NUMBER_FILE_BYTES_MAX + 1);
    let error = anyhow::Error::from(spool.made().unwrap_err());
    assert!(format!("{error:#}").contains("longer than"), "{error:#}");
}

#[test]
fn a_domain_may_give_commands_as_long_as_the_client_allows() {
    let of_domains = Duration::from_secs(headwater_policy::HOOK_TIMEOUT_SECONDS_MAX.into());
    assert_eq!(of_domains, COMMAND_TIME_MAX, "what can be saved has an effect");
}

/// The clock of this test advances automatically while all tasks wait, so an hour takes no time.
#[tokio::test(start_paused = true)]
async fn no_command_takes_longer_than_any_may() {
    let folder = tempfile::tempdir().unwrap();
    let command = ["sleep".to_owned(), "1000000".to_owned()];
    let ended = command::run(&command, folder.path(), &[], 2 * COMMAND_TIME_MAX).await;
    assert_eq!(ended.end, CommandEnd::TimedOut(COMMAND_TIME_MAX.as_secs()));
}
