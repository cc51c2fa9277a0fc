//! Sources that have a newer root or timestamp and not the rest: what is learnt from them, and what is not (ADR 8).

use std::time::Duration;

use headwater_api::report::{AttemptResult, Reason};
use headwater_depot::{FetchSettings, Fetcher, SourceMemory};

use crate::bad_source::{Act, BadSource};
use crate::metadata_walk::{closed_port, outcomes};
use crate::world::{World, fetcher, head_starts, settings, walk};

/// A mirror that was copied but for its snapshot.
async fn half(world: &World) -> BadSource {
    BadSource::start(world.files.clone()).await.on("snapshot", Act::Status(404))
}

#[tokio::test(start_paused = true)]
async fn what_verified_at_the_only_source_is_not_lost() {
    let mut world = World::new();
    world.publish("one");
    world.rotate_root();
    let half = half(&world).await;
    let unable = walk(&fetcher(), &[&half.url]).refresh(&world.trusted(), None).await.unwrap_err();
    let progress = unable.progress.unwrap();
    assert_eq!((progress.root_version(), progress.timestamp_version()), (2, Some(1)));
}

#[tokio::test(start_paused = true)]
async fn a_half_synchronised_mirror_does_not_keep_older_ones_out_for_ever() {
    let mut world = World::new();
    let older = BadSource::start(world.publish("one")).await;
    world.publish("two");
    world.rotate_root();
    let half = half(&world).await;
    let fetcher = fetcher();

    // The older one is out of reach for a moment: the roots are kept, the timestamp that leads nowhere is not.
    let unable = walk(&fetcher, &[&half.url, &closed_port().await]).refresh(&world.trusted(), None).await;
    let kept = unable.unwrap_err().progress.unwrap();
    assert_eq!((kept.root_version(), kept.timestamp_version()), (2, None));

    let next = walk(&fetcher, &[&half.url, &older.url]);
    let refreshed = next.refresh(&kept, None).await.unwrap();
    assert_eq!((refreshed.source, refreshed.version), (1, 1));
    let want = [(AttemptResult::Failed, Some(Reason::Missing)), (AttemptResult::Used, None)];
    assert_eq!(outcomes(&next.attempts()), want);
}

#[tokio::test(start_paused = true)]
async fn a_root_from_a_source_that_failed_goes_with_what_another_gives() {
    let mut world = World::new();
    let older = BadSource::start(world.publish("one")).await;
    world.rotate_root();
    let half = half(&world).await;
    let walk = walk(&fetcher(), &[&half.url, &older.url]);
    let refreshed = walk.refresh(&world.trusted(), None).await.unwrap();
    assert_eq!((refreshed.source, refreshed.trusted.root_version()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn what_a_root_revoked_is_taken_from_nobody_once_a_source_has_shown_that_root() {
    let mut world = World::new();
    let revoked = BadSource::start(world.publish("one")).await;
    world.revoke_timestamp_key();
    let half = half(&world).await;
    let walk = walk(&fetcher(), &[&half.url, &revoked.url]);
    let unable = walk.refresh(&world.trusted(), None).await.unwrap_err();
    assert_eq!(unable.progress.unwrap().root_version(), 2);
    let want = (AttemptResult::Failed, Some(Reason::WrongSignature));
    assert_eq!(outcomes(&walk.attempts()), [want, want]);
}

#[tokio::test(start_paused = true)]
async fn what_answered_well_is_verified_again_when_another_source_shows_a_newer_root() {
    let mut world = World::new();
    let revoked = BadSource::start(world.publish("one")).await;
    world.revoke_timestamp_key();
    let half = half(&world).await;
    // The first: silent until 600, then alive, and failed at 1200. The second: begun at 400, done long before that.
    let mut head_starts = head_starts(400);
    head_starts.first.total = Duration::from_secs(5);
    let full_timeout = FetchSettings { head_starts, ..settings() };
    half.script("root.json", Act::Late(Duration::from_millis(600)), 1);
    half.script("3.root.json", Act::Late(Duration::from_millis(300)), 1);
    half.script("timestamp.json", Act::Late(Duration::from_millis(300)), 1);
    revoked.script("timestamp.json", Act::Late(Duration::from_millis(400)), 1);
    let walk =
        walk(&Fetcher::new(full_timeout, SourceMemory::default()).unwrap(), &[&half.url, &revoked.url]);
    walk.refresh(&world.trusted(), None).await.unwrap_err();
    let attempts = walk.attempts();
    assert_eq!(attempts[1].to_version, 1, "it had answered: {attempts:?}");
    let want = (AttemptResult::Failed, Some(Reason::WrongSignature));
    assert_eq!(outcomes(&attempts), [want, want]);
}
