//! Bodies: resumed at the same byte, verified, taken from any source that has them (P9, P10).

use std::sync::Mutex;

use headwater_api::report::{AttemptResult, Reason};
use headwater_depot::limits::{BLOB_SIZE_MAX, BLOBS_AT_ONCE, BUSY_RETRIES_MAX};
use headwater_depot::{Blob, FetchError, FetchProgress, Store, StoreError, Walk};
use headwater_repo::{Digest, layout};
use tempfile::TempDir;

use crate::bad_source::{Act, BadSource};
use crate::world::{World, fetcher, noise, walk};

const SIZE: usize = 200_000;
const CUT: usize = 50_000;

struct Scene {
    first: BadSource,
    second: BadSource,
    walk: Walk,
    blob: Blob,
    folder: TempDir,
    store: Store,
}

impl Scene {
    /// Two sources with the same blob; the first is chosen.
    async fn new() -> Self {
        let mut world = World::new();
        world.publish("one");
        let blob = world.add_blob(&noise(SIZE));
        let first = BadSource::start(world.files.clone()).await;
        let second = BadSource::start(world.files.clone()).await;
        let walk = walk(&fetcher(), &[&first.url, &second.url]);
        walk.refresh(&world.trusted(), None).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), None).unwrap();
        Self { first, second, walk, blob, folder, store }
    }

    async fn fetch(&self) -> Result<(), FetchError> {
        self.walk.blobs(&self.store, &[self.blob], &|_| {}).await
    }

    fn attempt(&self, source: usize) -> Option<(AttemptResult, Option<Reason>)> {
        self.walk.attempts().get(source).map(|attempt| (attempt.result, attempt.reason))
    }
}

/// What the first source does with the blob, what it is blamed for, and which bytes each source then sends.
async fn check(act: Act, reason: Reason, first: &[(usize, usize)], second: &[(usize, usize)]) {
    let scene = Scene::new().await;
    scene.first.script("/blobs/", act.clone(), usize::MAX);
    scene.walk.name_blobs([(scene.blob.digest, "rules: data.bin".to_owned())]);
    scene.fetch().await.unwrap_or_else(|error| panic!("{act:?}: {error}"));
    assert!(scene.store.verify(&scene.blob.digest).unwrap(), "{act:?}");
    let result = if reason == Reason::Silent { AttemptResult::PassedOver } else { AttemptResult::Failed };
    assert_eq!(scene.attempt(0), Some((result, Some(reason))), "{act:?}");
    let blamed = scene.walk.attempts()[0].detail.clone();
    assert!(blamed.contains("rules: data.bin"), "{act:?}: what for, beside the address: {blamed}");
    assert_eq!(scene.attempt(1), Some((AttemptResult::Used, None)), "{act:?}");
    if act != Act::Endless && act != Act::Drip {
        assert_eq!(scene.first.ranges("/blobs/"), first, "{act:?}, the first source");
    }
    if act != Act::Drip {
        assert_eq!(scene.second.ranges("/blobs/"), second, "{act:?}, the second source");
    }
    assert_eq!(scene.store.usage().stored, SIZE as u64, "{act:?}: nothing is counted twice");
    assert_eq!(scene.store.usage().reserved, 0, "{act:?}");
}

#[tokio::test(start_paused = true)]
async fn what_the_first_source_has_not_comes_from_the_second_at_the_same_byte() {
    let all = [(0, SIZE)];
    let rest = [(CUT, SIZE - CUT)];
    check(Act::Stall(CUT), Reason::Silent, &[(0, CUT)], &rest).await;
    check(Act::Truncate(CUT), Reason::Truncated, &[(0, CUT), (CUT, 0)], &rest).await;
    check(Act::Flip(CUT), Reason::WrongDigest, &[(0, SIZE), (0, SIZE)], &all).await;
    check(Act::Endless, Reason::Oversized, &[], &all).await;
    check(Act::Drip, Reason::Silent, &[], &[]).await;
    check(Act::Status(404), Reason::Missing, &[(0, 0), (0, 0)], &all).await;
    check(Act::Status(500), Reason::HttpStatus, &[(0, 0)], &all).await;
    check(Act::Busy(600), Reason::Busy, &[(0, 0)], &all).await;
    check(Act::HangUp, Reason::Connect, &[(0, 0)], &all).await;
    check(Act::Silent, Reason::Silent, &[(0, 0)], &all).await;
}

#[tokio::test(start_paused = true)]
async fn a_source_whose_head_shows_the_lie_sends_no_body_for_it() {
    for (act, reason) in [(Act::Longer, Reason::Oversized), (Act::WrongTag, Reason::WrongDigest)] {
        let scene = Scene::new().await;
        scene.first.script("/blobs/", act.clone(), usize::MAX);
        scene.fetch().await.unwrap();
        assert_eq!(scene.attempt(0), Some((AttemptResult::Failed, Some(reason))), "{act:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_passes_costs_one_retry_at_the_same_source() {
    for (act, ranges) in [
        (Act::Truncate(CUT), vec![(0, CUT), (CUT, SIZE - CUT)]),
        (Act::Flip(CUT), vec![(0, SIZE), (0, SIZE)]),
        (Act::Status(404), vec![(0, 0), (0, SIZE)]),
    ] {
        let scene = Scene::new().await;
        scene.first.script("/blobs/", act.clone(), 1);
        scene.fetch().await.unwrap();
        assert_eq!(scene.first.ranges("/blobs/"), ranges, "{act:?}");
        assert!(scene.second.sent().is_empty(), "{act:?}");
        assert_eq!(scene.attempt(0), Some((AttemptResult::Used, None)), "{act:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_without_ranges_is_read_past_what_is_there() {
    let scene = Scene::new().await;
    scene.first.script("/blobs/", Act::Stall(CUT), usize::MAX);
    scene.second.script("/blobs/", Act::IgnoreRange, usize::MAX);
    scene.fetch().await.unwrap();
    assert_eq!(scene.second.ranges("/blobs/"), [(CUT, SIZE)]);
    assert!(scene.store.verify(&scene.blob.digest).unwrap());
}

/// One source that broke off, and from then on answers requests for a range like this: it gives the whole file.
async fn check_of_range(act: Act) {
    let mut world = World::new();
    world.publish("one");
    let blob = world.add_blob(&noise(SIZE));
    let source = BadSource::start(world.files.clone()).await;
    source.script("/blobs/", Act::Truncate(CUT), 1);
    source.script("/blobs/", act.clone(), usize::MAX);
    let walk = walk(&fetcher(), &[&source.url]);
    walk.refresh(&world.trusted(), None).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), None).unwrap();
    walk.blobs(&store, &[blob], &|_| {}).await.unwrap_or_else(|error| panic!("{act:?}: {error}"));
    assert!(store.verify(&blob.digest).unwrap(), "{act:?}");
    let asked: Vec<usize> = source.ranges("/blobs/").iter().map(|(from, _)| *from).collect();
    assert_eq!(asked, [0, CUT, 0], "{act:?}: once without success, then for all of it");
    assert_eq!(walk.attempts()[0].result, AttemptResult::Used, "{act:?}");
}

#[tokio::test(start_paused = true)]
async fn a_source_that_cannot_serve_the_rest_is_asked_for_the_whole() {
    for status in [400, 403, 404, 405, 412, 416, 500, 501, 502] {
        check_of_range(Act::OfRange { status, header: String::new(), from: SIZE }).await;
    }
    let rest = format!("bytes {CUT}-{}/{SIZE}", SIZE - 1);
    for (status, header, from) in [
        (206, String::new(), CUT),
        (206, String::new(), 0),
        (206, "nonsense".to_owned(), CUT),
        (206, format!("bytes {}-{}/{SIZE}", CUT - 1, SIZE - 1), CUT - 1),
        (206, format!("bytes {CUT}-{}/{}", SIZE - 1, SIZE + 1), CUT),
        (206, format!("bytes {CUT}-{}/{SIZE}", CUT + 9), CUT),
        (200, rest.clone(), CUT),
        (200, rest.clone(), 0),
        (416, format!("bytes */{SIZE}"), SIZE),
    ] {
        check_of_range(Act::OfRange { status, header, from }).await;
    }
    check_of_range(Act::HangUpOnRange).await;
    check_of_range(Act::SilentOnRange).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_there_stays_when_the_whole_is_asked_for_and_breaks_off_too() {
    let scene = Scene::new().await;
    scene.first.script("/blobs/", Act::Truncate(CUT), 1);
    scene.first.script("/blobs/", Act::Status(501), 1);
    scene.first.script("/blobs/", Act::Truncate(CUT / 2), usize::MAX);
    scene.fetch().await.unwrap();
    assert_eq!(scene.first.ranges("/blobs/"), [(0, CUT), (CUT, 0), (0, CUT / 2)]);
    assert_eq!(scene.second.ranges("/blobs/"), [(CUT, SIZE - CUT)], "the next goes on at the same byte");
}

#[tokio::test(start_paused = true)]
async fn a_stalled_source_is_asked_again_with_the_full_timeout_when_no_other_is_left() {
    let scene = Scene::new().await;
    scene.first.script("/blobs/", Act::Stall(CUT), 1);
    scene.second.script("/blobs/", Act::Status(500), usize::MAX);
    scene.fetch().await.unwrap();
    assert_eq!(scene.first.ranges("/blobs/"), [(0, CUT), (CUT, SIZE - CUT)]);
    assert_eq!(scene.attempt(0), Some((AttemptResult::Used, None)), "it gave all in the end");
}

#[tokio::test(start_paused = true)]
async fn a_source_that_stays_busy_is_given_up() {
    let scene = Scene::new().await;
    scene.first.script("/blobs/", Act::Busy(0), usize::MAX);
    scene.second.script("/blobs/", Act::Status(404), usize::MAX);
    let error = scene.fetch().await.unwrap_err();
    assert_eq!(error.reason(), Reason::Busy);
    assert_eq!(scene.first.ranges("/blobs/").len(), BUSY_RETRIES_MAX as usize);
}

#[tokio::test(start_paused = true)]
async fn a_busy_source_is_waited_for_when_no_other_is_left() {
    let scene = Scene::new().await;
    scene.first.script("/blobs/", Act::Busy(1), 1);
    scene.second.script("/blobs/", Act::Status(404), usize::MAX);
    scene.fetch().await.unwrap();
    assert_eq!(scene.first.ranges("/blobs/"), [(0, 0), (0, SIZE)]);
}

#[tokio::test(start_paused = true)]
async fn when_nobody_has_it_the_error_names_it_and_what_came_is_kept() {
    let scene = Scene::new().await;
    scene.first.script("/blobs/", Act::Truncate(CUT), usize::MAX);
    scene.second.script("/blobs/", Act::Status(404), usize::MAX);
    let error = scene.fetch().await.unwrap_err();
    assert!(error.to_string().contains(&scene.blob.digest.to_string()), "{error}");
    // The next run, in another process, goes on there.
    let store = Store::open(scene.folder.path(), None).unwrap();
    assert_eq!(store.partial(scene.blob.digest, scene.blob.size).unwrap().length(), CUT as u64);
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_run_left_is_continued_and_what_it_spoilt_is_fetched_again() {
    for (left, ranges) in [
        (noise(SIZE)[..CUT].to_vec(), vec![(CUT, SIZE - CUT)]),
        (vec![0; CUT], vec![(CUT, SIZE - CUT), (0, SIZE)]),
        (vec![0; SIZE], vec![(0, SIZE)]),
        (vec![0; SIZE + 1], vec![(0, SIZE)]),
    ] {
        let scene = Scene::new().await;
        let partial = scene.folder.path().join("partial").join(scene.blob.digest.to_string());
        std::fs::write(&partial, &left).unwrap();
        let store = Store::open(scene.folder.path(), None).unwrap();
        scene.walk.blobs(&store, &[scene.blob], &|_| {}).await.unwrap();
        assert_eq!(scene.first.ranges("/blobs/"), ranges, "{} bytes left", left.len());
        assert_eq!(scene.attempt(0), Some((AttemptResult::Used, None)), "nobody is blamed for our own disk");
        assert_eq!(store.usage().stored, SIZE as u64);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_verified_is_never_fetched_twice() {
    let scene = Scene::new().await;
    scene.fetch().await.unwrap();
    scene.walk.blobs(&scene.store, &[scene.blob, scene.blob], &|_| {}).await.unwrap();
    let (one, two) = tokio::join!(scene.fetch(), scene.fetch());
    one.and(two).unwrap();
    assert_eq!(scene.first.ranges("/blobs/"), [(0, SIZE)]);
}

#[tokio::test(start_paused = true)]
async fn the_quota_is_checked_before_a_byte_is_fetched_and_is_nobody_elses_fault() {
    let scene = Scene::new().await;
    let folder = tempfile::tempdir().unwrap();
    let fetch = async |quota| {
        let store = Store::open(folder.path(), Some(quota)).unwrap();
        scene.walk.blobs(&store, &[scene.blob], &|_| {}).await
    };
    let error = fetch(SIZE as u64 - 1).await.unwrap_err();
    assert!(matches!(error, FetchError::Disk(StoreError::Quota { .. })), "{error}");
    assert_eq!(error.reason(), Reason::Disk);
    assert!(scene.first.ranges("/blobs/").is_empty());
    fetch(SIZE as u64).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_refuses_ends_it_and_blames_no_source() {
    let scene = Scene::new().await;
    // Stands where the blob's folder must be: root may write anywhere, but not into a file.
    let path = scene.store.file(&scene.blob.digest).unwrap();
    std::fs::write(path.parent().unwrap(), b"").unwrap();
    let error = scene.fetch().await.unwrap_err();
    assert_eq!(error.reason(), Reason::Disk, "{error}");
    assert_eq!(scene.attempt(0).unwrap().1, None, "no source is blamed");
    assert!(scene.second.sent().is_empty(), "another source would not help");
    std::fs::remove_file(path.parent().unwrap()).unwrap();
    scene.fetch().await.unwrap();
    assert_eq!(scene.first.ranges("/blobs/"), [(0, SIZE)], "what was fetched is not lost");
}

#[tokio::test(start_paused = true)]
async fn no_more_blobs_are_fetched_at_once_than_the_limit_and_progress_adds_up() {
    let mut world = World::new();
    world.publish("one");
    let blobs: Vec<Blob> = (1..=12).map(|i| world.add_blob(&noise(1000 * i))).collect();
    let source = BadSource::start(world.files.clone()).await;
    let late = std::time::Duration::from_millis(30);
    let source = source.on("/blobs/", Act::Late(late));
    let walk = walk(&fetcher(), &[&source.url]);
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), None).unwrap();
    let seen = Mutex::new(Vec::new());
    walk.blobs(&store, &blobs, &|progress| seen.lock().unwrap().push(progress)).await.unwrap();
    assert_eq!(source.at_once_max(), BLOBS_AT_ONCE);
    let total = blobs.iter().map(|blob| blob.size).sum();
    let last = FetchProgress { bytes_done: total, bytes_total: total, blobs_done: 12, blobs_total: 12 };
    assert_eq!(seen.lock().unwrap().last(), Some(&last));
}

#[tokio::test(start_paused = true)]
async fn a_blob_beyond_the_limit_is_not_asked_for() {
    let scene = Scene::new().await;
    let blob = Blob { digest: Digest::of(b"huge"), size: BLOB_SIZE_MAX + 1 };
    let error = scene.walk.blobs(&scene.store, &[blob], &|_| {}).await.unwrap_err();
    assert_eq!(error.reason(), Reason::Oversized);
    assert!(scene.first.ranges(&layout::blob(&blob.digest)).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_source_that_fell_silent_is_not_waited_for_again_in_the_run() {
    let mut world = World::new();
    world.publish("one");
    let blobs: Vec<Blob> = (1..=8).map(|i| world.add_blob(&noise(1000 * i))).collect();
    let first = BadSource::start(world.files.clone()).await.on("/blobs/", Act::Silent);
    let second = BadSource::start(world.files.clone()).await;
    let walk = walk(&fetcher(), &[&first.url, &second.url]);
    walk.refresh(&world.trusted(), None).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), None).unwrap();
    walk.blobs(&store, &blobs, &|_| {}).await.unwrap();
    let asked = first.ranges("/blobs/").len();
    assert!(asked <= BLOBS_AT_ONCE, "{asked} requests to a silent source");
}
