//! The walk of sources for metadata (P7, P9): every way to be unable, and who is taken instead.

use std::time::Duration;

use headwater_api::report::{Attempt, AttemptResult, Reason};
use headwater_depot::limits::{BUSY_WAIT_MAX, DETAIL_LENGTH_MAX, REDIRECTS_MAX, TIMEOUTS_MAX};
use headwater_depot::{FetchSettings, Fetcher, Refreshed, Source, SourceMemory, Store, Unable, Walk};
use headwater_policy::{Class, FamilySet};
use headwater_repo::limits::ROOT_ROTATIONS_MAX;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use crate::bad_source::{Act, BadSource};
use crate::world::{World, fetcher, head_starts, long_ago, now, settings, target_name, walk};

const TIMESTAMP: &str = "/timestamp.json";

pub fn outcomes(attempts: &[Attempt]) -> Vec<(AttemptResult, Option<Reason>)> {
    attempts.iter().map(|attempt| (attempt.result, attempt.reason)).collect()
}

pub async fn closed_port() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// An `https` URL where somebody answers, but not in TLS.
async fn speaks_no_tls() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.write_all(b"HTTP/1.1 400 no TLS here\r\n\r\n").await.unwrap();
            stream.read_to_end(&mut Vec::new()).await.unwrap();
        }
    });
    url
}

/// The first source does `act` with `part`; the second is honest and must be taken, whatever the first did.
async fn check(part: &str, act: Act, result: AttemptResult, reason: Reason) {
    let mut world = World::new();
    let files = world.publish("one");
    let bad = BadSource::start(files.clone()).await.on(part, act.clone());
    let good = BadSource::start(files).await;
    check_falls_through(&format!("{act:?}"), &world, &bad.url, &good.url, result, reason).await;
}

async fn check_falls_through(
    name: &str,
    world: &World,
    bad: &str,
    good: &str,
    result: AttemptResult,
    reason: Reason,
) {
    let began = Instant::now();
    let walk = walk(&fetcher(), &[bad, good]);
    let refreshed =
        walk.refresh(&world.trusted(), None).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    let attempts = walk.attempts();
    assert_eq!(refreshed.source, 1, "{name}: {attempts:?}");
    let want = [(result, Some(reason)), (AttemptResult::Used, None)];
    assert_eq!(outcomes(&attempts), want, "{name}: {attempts:?}");
    assert!(!attempts[0].detail.is_empty(), "{name}: a fault without a word");
    if reason == Reason::Expired {
        assert!(attempts[0].detail.contains("this computer's clock says 20"), "{name}: {attempts:?}");
    }
    let lost = began.elapsed();
    assert!(lost <= settings().head_starts.first.total, "{name}: {lost:?} lost to it");
}

#[tokio::test(start_paused = true)]
async fn a_source_that_is_unable_is_passed_with_its_reason() {
    use AttemptResult::{Failed, PassedOver};
    let to_itself = || Act::Redirect("/components/metadata/timestamp.json".into());
    check("", Act::Silent, PassedOver, Reason::Silent).await;
    check(TIMESTAMP, Act::Drip, PassedOver, Reason::Silent).await;
    check("", Act::HangUp, Failed, Reason::Connect).await;
    check("", Act::Status(500), Failed, Reason::HttpStatus).await;
    check("", to_itself(), Failed, Reason::HttpStatus).await;
    check(TIMESTAMP, Act::Encoded, Failed, Reason::HttpStatus).await;
    check("", Act::Busy(3600), Failed, Reason::Busy).await;
    check("", Act::Busy(u64::MAX), Failed, Reason::Busy).await;
    check(TIMESTAMP, Act::Status(404), Failed, Reason::NotShared).await;
    check("snapshot", Act::Status(404), Failed, Reason::Missing).await;
    check("targets.json", Act::Status(410), Failed, Reason::Missing).await;
    check(TIMESTAMP, Act::Garbage, Failed, Reason::Unparsable).await;
    check(TIMESTAMP, Act::Truncate(20), Failed, Reason::Truncated).await;
    check(TIMESTAMP, Act::Endless, Failed, Reason::Oversized).await;
    check("snapshot", Act::Endless, Failed, Reason::Oversized).await;
    check("targets.json", Act::Longer, Failed, Reason::Oversized).await;
    check("targets.json", Act::Garbage, Failed, Reason::WrongDigest).await;
}

#[tokio::test(start_paused = true)]
async fn a_source_that_cannot_be_reached_is_passed_with_its_reason() {
    let mut world = World::new();
    let good = BadSource::start(world.publish("one")).await;
    let refused = closed_port().await;
    let no_tls = speaks_no_tls().await;
    for (bad, reason) in [
        (refused.as_str(), Reason::Connect),
        ("http://no-such-host.invalid", Reason::Name),
        (no_tls.as_str(), Reason::Tls),
    ] {
        check_falls_through(bad, &world, bad, &good.url, AttemptResult::Failed, reason).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_few_redirects_are_followed_and_no_more() {
    let mut world = World::new();
    let last = BadSource::start(world.publish("one")).await;
    let mut hops = vec![last];
    for _ in 0..=REDIRECTS_MAX {
        let to = format!("{}/components/metadata/timestamp.json", hops.last().unwrap().url);
        hops.push(BadSource::start(world.files.clone()).await.on(TIMESTAMP, Act::Redirect(to)));
    }
    let fetcher = fetcher();
    let enough = walk(&fetcher, &[&hops[REDIRECTS_MAX].url]);
    assert_eq!(enough.refresh(&world.trusted(), None).await.unwrap().version, 1);
    let too_many = walk(&fetcher, &[&hops[REDIRECTS_MAX + 1].url]);
    let unable = too_many.refresh(&world.trusted(), None).await.unwrap_err();
    assert_eq!(unable.last.unwrap().reason, Reason::HttpStatus);
}

#[tokio::test(start_paused = true)]
async fn what_others_signed_or_signed_too_long_ago_is_refused() {
    let mut world = World::new();
    let expired = BadSource::start(world.publish_at("old", long_ago())).await;
    let good = BadSource::start(world.publish("new")).await;
    let forged = BadSource::start(World::new().publish("forged")).await;
    let failed = AttemptResult::Failed;
    check_falls_through("expired", &world, &expired.url, &good.url, failed, Reason::Expired).await;
    check_falls_through("forged", &world, &forged.url, &good.url, failed, Reason::WrongSignature).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_older_than_what_the_client_has_is_refused() {
    let mut world = World::new();
    let older = BadSource::start(world.publish("one")).await;
    let good = BadSource::start(world.publish("two")).await;
    let fetcher = fetcher();
    let have = walk(&fetcher, &[&good.url]).refresh(&world.trusted(), None).await.unwrap().trusted;
    let walk = Walk::new(&fetcher, crate::world::sources(&[&older.url, &good.url]), 2, now());
    let refreshed = walk.refresh(&have, None).await.unwrap();
    assert_eq!((refreshed.source, refreshed.version), (1, 2));
    let want = [(AttemptResult::Failed, Some(Reason::Older)), (AttemptResult::Current, None)];
    assert_eq!(outcomes(&walk.attempts()), want);
}

#[tokio::test(start_paused = true)]
async fn a_stale_source_is_passed_and_taken_only_if_nobody_is_fresher() {
    let mut world = World::new();
    let stale = BadSource::start(world.publish("one")).await;
    let fresh = BadSource::start(world.publish("two")).await;
    let fetcher = fetcher();

    let fresher = walk(&fetcher, &[&stale.url, &fresh.url]);
    let refreshed = fresher.refresh(&world.trusted(), Some(2)).await.unwrap();
    assert_eq!((refreshed.source, refreshed.version, refreshed.stale), (1, 2, false));
    let want = [(AttemptResult::Failed, Some(Reason::Stale)), (AttemptResult::Used, None)];
    assert_eq!(outcomes(&fresher.attempts()), want);

    let alone = walk(&fetcher, &[&stale.url, &closed_port().await, &fresh.url]);
    let refreshed = alone.refresh(&world.trusted(), Some(3)).await.unwrap();
    assert_eq!((refreshed.source, refreshed.version, refreshed.stale), (2, 2, true), "the best of the stale");
    let want = [
        (AttemptResult::Failed, Some(Reason::Stale)),
        (AttemptResult::Failed, Some(Reason::Connect)),
        (AttemptResult::Used, Some(Reason::Stale)),
    ];
    assert_eq!(outcomes(&alone.attempts()), want);
}

#[tokio::test(start_paused = true)]
async fn the_first_that_answers_well_is_taken_and_nobody_else_is_asked() {
    let mut world = World::new();
    let files = world.publish("one");
    let (first, second) = (BadSource::start(files.clone()).await, BadSource::start(files).await);
    let walk = walk(&fetcher(), &[&first.url, &second.url]);
    let Refreshed { source, trusted, .. } = walk.refresh(&world.trusted(), None).await.unwrap();
    assert_eq!(source, 0);
    assert!(second.sent().is_empty(), "{:?}", second.sent());
    let description = trusted.target(&target_name()).unwrap();
    assert_eq!(walk.target(&description).await.unwrap(), b"one");
    let sent: usize = first.sent().iter().map(|sent| sent.bytes).sum();
    let attempts = walk.attempts();
    assert_eq!(attempts.len(), 1, "one attempt for one source, metadata and content");
    assert_eq!(attempts[0].bytes, sent as u64);
    assert_eq!((attempts[0].entry, attempts[0].class.as_str()), (Some(1), "components"));
    assert_eq!((attempts[0].from_version, attempts[0].to_version), (0, 1));
    let headers = &first.sent()[0].headers;
    assert!(headers.contains("accept-encoding: identity"), "{headers}");
}

#[tokio::test(start_paused = true)]
async fn an_earlier_source_that_comes_back_in_time_is_taken_before_a_later_one() {
    let mut world = World::new();
    let files = world.publish("one");
    let late = settings().head_starts.first.silence + Duration::from_millis(100);
    let first = BadSource::start(files.clone()).await;
    first.script("2.root.json", Act::Late(late), 1);
    let second = BadSource::start(files).await;
    second.script("", Act::Late(late), 1);
    // Both begin late: the first has answered well by the time the second could be taken.
    let walk = walk(&fetcher(), &[&first.url, &second.url]);
    let refreshed = walk.refresh(&world.trusted(), None).await.unwrap();
    assert_eq!(refreshed.source, 0, "{:?}", walk.attempts());
    let want = [(AttemptResult::Used, None), (AttemptResult::PassedOver, Some(Reason::Overtaken))];
    assert_eq!(outcomes(&walk.attempts()), want);
}

#[tokio::test(start_paused = true)]
async fn a_later_source_that_answered_well_waits_while_an_earlier_one_shows_life() {
    let mut world = World::new();
    let files = world.publish("one");
    let mut head_starts = head_starts(600);
    head_starts.first.total = Duration::from_secs(5);
    let full_timeout = FetchSettings { head_starts, ..settings() };
    // The first: silent until 900, a sign of life, done at 1300. The second: begun at 600, done at 1100.
    let first = BadSource::start(files.clone()).await;
    first.script("root.json", Act::Late(Duration::from_millis(900)), 1);
    first.script(TIMESTAMP, Act::Late(Duration::from_millis(400)), 1);
    let second = BadSource::start(files).await;
    second.script("root.json", Act::Late(Duration::from_millis(500)), 1);
    let walk =
        walk(&Fetcher::new(full_timeout, SourceMemory::default()).unwrap(), &[&first.url, &second.url]);
    let refreshed = walk.refresh(&world.trusted(), None).await.unwrap();
    let attempts = walk.attempts();
    assert_eq!(refreshed.source, 0, "{attempts:?}");
    let want = [(AttemptResult::Used, None), (AttemptResult::PassedOver, Some(Reason::Overtaken))];
    assert_eq!(outcomes(&attempts), want);
    assert_eq!(attempts[1].to_version, 1, "it had answered");
}

/// The first head start in the tests of what is remembered, in milliseconds.
const FIRST_MS: u64 = 600;

/// One run: which source is taken, what became of the first, and what is remembered for the next run.
async fn run(
    memory: &SourceMemory,
    world: &World,
    bases: &[&str],
) -> (usize, (AttemptResult, Option<Reason>), SourceMemory) {
    // As between two runs of the client.
    let memory: SourceMemory = serde_json::from_str(&serde_json::to_string(memory).unwrap()).unwrap();
    let settings = FetchSettings { head_starts: head_starts(FIRST_MS), ..settings() };
    let fetcher = Fetcher::new(settings, memory).unwrap();
    let walk = walk(&fetcher, bases);
    let source = walk.refresh(&world.trusted(), None).await.unwrap().source;
    (source, outcomes(&walk.attempts())[0], fetcher.source_memory())
}

#[tokio::test(start_paused = true)]
async fn a_silent_source_is_remembered_as_dead_after_two_runs_and_keeps_its_place() {
    let mut world = World::new();
    let files = world.publish("one");
    let silent = BadSource::start(files.clone()).await.on("", Act::Silent);
    let good = BadSource::start(files).await;
    let bases = [silent.url.as_str(), good.url.as_str()];
    let mut memory = SourceMemory::default();
    let passed_over = (AttemptResult::PassedOver, Some(Reason::Silent));
    for number in 1..=2 {
        assert!(!memory.is_dead(bases[0], now()), "before run {number}");
        let (taken, first, after) = run(&memory, &world, &bases).await;
        assert_eq!((taken, first), (1, passed_over), "run {number}");
        memory = after;
    }
    assert!(memory.is_dead(bases[0], now()) && !memory.is_dead(bases[1], now()));
    let began = Instant::now();
    let (taken, first, _) = run(&memory, &world, &bases).await;
    assert_eq!((taken, first), (1, passed_over));
    let (lost, head_starts) = (began.elapsed(), head_starts(FIRST_MS));
    assert!((head_starts.dead..head_starts.min).contains(&lost), "{lost:?} lost to a source that is dead");
}

#[tokio::test(start_paused = true)]
async fn a_slow_first_source_that_was_once_slower_is_used_again_in_the_next_run() {
    let mut world = World::new();
    let files = world.publish("one");
    let usual = Duration::from_millis(FIRST_MS / 5);
    let slow = BadSource::start(files.clone()).await;
    let good = BadSource::start(files).await;
    let bases = [slow.url.as_str(), good.url.as_str()];
    slow.script("", Act::Late(usual), usize::MAX);
    let mut memory = SourceMemory::default();
    for number in 1..=3 {
        let (taken, _, after) = run(&memory, &world, &bases).await;
        assert_eq!(taken, 0, "run {number}");
        memory = after;
    }
    slow.clear();
    slow.script("", Act::Late(6 * usual), usize::MAX);
    let (taken, first, memory) = run(&memory, &world, &bases).await;
    assert_eq!(
        (taken, first),
        (1, (AttemptResult::PassedOver, Some(Reason::Silent))),
        "it was too slow once"
    );
    slow.clear();
    slow.script("", Act::Late(usual), usize::MAX);
    let (taken, first, _) = run(&memory, &world, &bases).await;
    assert_eq!((taken, first), (0, (AttemptResult::Used, None)), "and is as it was");
}

/// As by satellite: it never answers within the first head start, and is used from the second run on.
#[tokio::test(start_paused = true)]
async fn a_source_that_is_always_slow_is_learnt() {
    let mut world = World::new();
    let files = world.publish("one");
    let slow = BadSource::start(files.clone())
        .await
        .on("2.root.json", Act::Late(Duration::from_millis(FIRST_MS + 150)));
    let good = BadSource::start(files).await;
    let bases = [slow.url.as_str(), good.url.as_str()];
    let mut memory = SourceMemory::default();
    for (number, expected) in [1, 0, 0, 0].into_iter().enumerate() {
        let (taken, first, after) = run(&memory, &world, &bases).await;
        assert_eq!(taken, expected, "run {}: {first:?}", number + 1);
        memory = after;
    }
}

#[tokio::test(start_paused = true)]
async fn a_busy_source_is_waited_for_when_no_other_is_left_and_not_asked_again_before() {
    let mut world = World::new();
    let files = world.publish("one");
    let busy = BadSource::start(files.clone()).await;
    busy.script("", Act::Busy(1), 1);
    let fetcher = fetcher();
    let alone = walk(&fetcher, &[&busy.url, &closed_port().await]);
    let refreshed = alone.refresh(&world.trusted(), None).await.unwrap();
    assert_eq!(refreshed.source, 0);
    assert_eq!(outcomes(&alone.attempts())[0], (AttemptResult::Used, None));

    let long = BadSource::start(files).await.on("", Act::Busy(BUSY_WAIT_MAX.as_secs() + 1));
    walk(&fetcher, &[&long.url]).refresh(&world.trusted(), None).await.unwrap_err();
    let asked = long.sent().len();
    let again = walk(&fetcher, &[&long.url, &busy.url]);
    assert_eq!(again.refresh(&world.trusted(), None).await.unwrap().source, 1);
    assert_eq!(long.sent().len(), asked, "asked again before its time");
    assert_eq!(outcomes(&again.attempts())[0], (AttemptResult::Failed, Some(Reason::Busy)));
}

#[tokio::test(start_paused = true)]
async fn when_every_source_failed_the_walk_ends_and_reports_it() {
    let mut world = World::new();
    let silent = BadSource::start(world.publish("one")).await.on("", Act::Silent);
    let walk = walk(&fetcher(), &[&closed_port().await, &silent.url]);
    let Unable { last, progress, message } = walk.refresh(&world.trusted(), None).await.unwrap_err();
    assert_eq!(last.unwrap().reason, Reason::Timeout, "the last one had the whole idle time-out");
    assert!(progress.is_none());
    assert!(message.contains("2 sources"), "{message}");
    let want =
        [(AttemptResult::Failed, Some(Reason::Connect)), (AttemptResult::Failed, Some(Reason::Timeout))];
    assert_eq!(outcomes(&walk.attempts()), want);

    let nobody = Walk::new(&fetcher(), Vec::new(), 0, now());
    let unable = nobody.refresh(&world.trusted(), None).await.unwrap_err();
    assert!(unable.last.is_none() && unable.message.contains("no source"), "{unable}");
}

#[tokio::test(start_paused = true)]
async fn metadata_that_does_not_come_to_an_end_is_given_up() {
    let mut world = World::new();
    let drip = BadSource::start(world.publish("one")).await.on("", Act::Drip);
    let impatient = FetchSettings { metadata_total: Duration::from_millis(500), ..settings() };
    let walk = walk(&Fetcher::new(impatient, SourceMemory::default()).unwrap(), &[&drip.url]);
    let unable = walk.refresh(&world.trusted(), None).await.unwrap_err();
    let last = unable.last.unwrap();
    assert_eq!(last.reason, Reason::Timeout, "{last}");
    assert!(walk.attempts()[0].bytes > 0);
}

/// A target a byte at a time: with another source it is passed after a moment; alone, it ends with the time-outs.
#[tokio::test(start_paused = true)]
async fn a_target_that_drips_holds_nobody() {
    let mut world = World::new();
    let files = world.publish(&"content ".repeat(500));
    let drip = BadSource::start(files.clone()).await.on("/targets/", Act::Drip);
    let good = BadSource::start(files).await;
    for (bases, fetched) in [(vec![&drip.url, &good.url], true), (vec![&drip.url], false)] {
        let bases: Vec<&str> = bases.into_iter().map(String::as_str).collect();
        let walk = walk(&fetcher(), &bases);
        let trusted = walk.refresh(&world.trusted(), None).await.unwrap().trusted;
        let description = trusted.target(&target_name()).unwrap();
        let began = Instant::now();
        let outcome = walk.target(&description).await;
        let longest = if fetched { settings().soft_stall } else { settings().idle_timeout };
        assert_eq!(began.elapsed(), longest, "{bases:?}");
        assert_eq!(outcome.as_ref().is_ok(), fetched, "{bases:?}: {outcome:?}");
        if let Err(error) = outcome {
            assert_eq!(error.reason(), Reason::Timeout, "{error}");
            assert!(error.to_string().contains("next to nothing"), "{error}");
        }
    }
}

/// Just fast enough not to stall, and without end: the total holds.
#[tokio::test(start_paused = true)]
async fn a_target_that_takes_too_long_as_a_whole_is_given_up() {
    let mut world = World::new();
    let source = BadSource::start(world.publish(&"content ".repeat(60_000))).await;
    let source = source.on("/targets/", Act::Rate { bytes: 4096, every: Duration::from_millis(100) });
    let impatient = FetchSettings { metadata_total: Duration::from_millis(2500), ..settings() };
    let walk = walk(&Fetcher::new(impatient, SourceMemory::default()).unwrap(), &[&source.url]);
    let trusted = walk.refresh(&world.trusted(), None).await.unwrap().trusted;
    let began = Instant::now();
    let error = walk.target(&trusted.target(&target_name()).unwrap()).await.unwrap_err();
    assert_eq!(error.reason(), Reason::Timeout, "{error}");
    assert_eq!(began.elapsed(), Duration::from_millis(2500));
}

/// Many targets of one source that lets every time-out run out: not each of them costs one.
#[tokio::test(start_paused = true)]
async fn a_source_that_times_out_again_and_again_is_not_asked_again_in_the_run() {
    let mut world = World::new();
    let drip = BadSource::start(world.publish(&"content ".repeat(500))).await.on("/targets/", Act::Drip);
    let hurried = FetchSettings { idle_timeout: Duration::from_millis(200), ..settings() };
    let walk = walk(&Fetcher::new(hurried, SourceMemory::default()).unwrap(), &[&drip.url]);
    let trusted = walk.refresh(&world.trusted(), None).await.unwrap().trusted;
    let description = trusted.target(&target_name()).unwrap();
    for number in 0..2 * TIMEOUTS_MAX {
        let error = walk.target(&description).await.unwrap_err();
        assert_eq!(
            error.to_string().contains("not asked again"),
            number >= TIMEOUTS_MAX,
            "{number}: {error}"
        );
    }
    assert_eq!(drip.ranges("/targets/").len(), TIMEOUTS_MAX as usize);
}

#[tokio::test(start_paused = true)]
async fn what_a_fault_says_is_cut_to_what_a_report_holds() {
    let world = World::new();
    let long = format!("http://no-such-host.invalid/{}", "x".repeat(DETAIL_LENGTH_MAX));
    let walk = walk(&fetcher(), &[&long]);
    walk.refresh(&world.trusted(), None).await.unwrap_err();
    assert_eq!(walk.attempts()[0].detail.chars().count(), DETAIL_LENGTH_MAX);
}

#[tokio::test(start_paused = true)]
async fn no_more_roots_are_followed_than_the_limit() {
    let mut world = World::new();
    world.publish("one");
    for _ in 0..=ROOT_ROTATIONS_MAX {
        world.rotate_root();
    }
    let source = BadSource::start(world.files.clone()).await;
    let refreshed = walk(&fetcher(), &[&source.url]).refresh(&world.trusted(), None).await.unwrap();
    assert_eq!(refreshed.trusted.root_version(), u64::from(ROOT_ROTATIONS_MAX) + 1);
}

#[tokio::test(start_paused = true)]
async fn a_name_without_an_address_of_our_families_is_no_common_family() {
    let world = World::new();
    let no_family = FetchSettings { families: FamilySet::NONE, ..settings() };
    let fetcher = Fetcher::new(no_family, SourceMemory::default()).unwrap();
    let walk = walk(&fetcher, &["http://localhost:1"]);
    let unable = walk.refresh(&world.trusted(), None).await.unwrap_err();
    assert_eq!(unable.last.unwrap().reason, Reason::NoCommonFamily);
}

#[tokio::test(start_paused = true)]
async fn any_repository_is_read_from_its_two_urls() {
    let mut world = World::new();
    let server = BadSource::start(world.publish("one")).await;
    let base = format!("{}/{}", server.url, Class::Components);
    let source = Source::of_repository(&format!("{base}/metadata/"), &format!("{base}/targets"));
    let walk = Walk::new(&fetcher(), vec![source], 0, now());
    let mut trusted = walk.refresh(&world.trusted(), None).await.unwrap().trusted;
    let description = walk.find(&mut trusted, &target_name()).await.unwrap().unwrap();
    assert_eq!(walk.target(&description).await.unwrap(), b"one");
}

#[tokio::test(start_paused = true)]
async fn a_target_is_fetched_once_and_then_read_from_the_store() {
    let mut world = World::new();
    let server = BadSource::start(world.publish("one")).await;
    let walk = walk(&fetcher(), &[&server.url]);
    let trusted = walk.refresh(&world.trusted(), None).await.unwrap().trusted;
    let description = trusted.target(&target_name()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), None).unwrap();
    for _ in 0..2 {
        assert_eq!(walk.stored_target(&store, &description).await.unwrap(), b"one");
    }
    assert_eq!(server.ranges("targets/").len(), 1, "the second came from the store");

    let kept = store.file(&description.sha256.unwrap()).unwrap();
    std::fs::write(kept, "0ne").unwrap();
    for _ in 0..2 {
        assert_eq!(walk.stored_target(&store, &description).await.unwrap(), b"one");
    }
    assert_eq!(server.ranges("targets/").len(), 2, "a spoiled one is fetched once, and then kept");
}
