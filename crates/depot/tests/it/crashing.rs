//! Killed at any moment, and out of space in the middle: nothing half, nothing lost.
//!
//! The tests run this test program again as a child, one test of it that does nothing else, and kill it or take its space.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use headwater_api::report::Reason;
use headwater_depot::{Blob, MetadataStore, Store};
use headwater_repo::{Digest, Trusted};

use crate::bad_source::BadSource;
use crate::metadata_kept::fetched;
use crate::world::{World, fetcher, noise, walk};

const FOLDER: &str = "HEADWATER_TEST_FOLDER";
const SOURCE: &str = "HEADWATER_TEST_SOURCE";
const SIZE: usize = 600_000;

/// The test `name` of this program, in a process of its own that works in `folder`.
fn child(before: &str, name: &str, folder: &Path) -> Command {
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new("sh");
    let script = format!("{before} exec \"$0\" --exact --nocapture --test-threads 1 \"$1\"");
    command.arg("-c").arg(script).arg(program).arg(name);
    command.env(FOLDER, folder).stdout(Stdio::piped());
    command
}

/// Where a child works; none in the parent, where the child's part is no test and does nothing.
fn folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

#[test]
fn writes_for_ever() {
    let Some(folder) = folder() else { return };
    let store = Store::open(folder.join("store"), None).unwrap();
    let kept = MetadataStore::open(folder.join("metadata")).unwrap();
    let mut world = World::new();
    println!("started");
    for number in 0u64.. {
        world.publish(&format!("{number}"));
        kept.save(fetched(&world).received()).unwrap();
        store.put(&noise(10_000 + usize::try_from(number).unwrap())).unwrap();
        let bytes = noise(20_000);
        let mut partial = store.partial(Digest::of(&bytes), 20_000).unwrap();
        for chunk in bytes[usize::try_from(partial.length()).unwrap()..].chunks(1_000) {
            partial.append(chunk).unwrap();
        }
        partial.finish().unwrap();
        std::fs::remove_file(store.file(&Digest::of(&bytes)).unwrap()).unwrap();
        println!("done {number}");
    }
}

#[test]
fn killed_at_any_moment_it_leaves_whole_blobs_and_a_whole_set_of_metadata() {
    for round in 0..20u32 {
        let folder = tempfile::tempdir().unwrap();
        let mut child = child("", "crashing::writes_for_ever", folder.path()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let rounds = lines
            .by_ref()
            .map(Result::unwrap)
            .filter(|line| line.contains("started") || line.contains("done"));
        let last = rounds.take(1 + round as usize % 5).last().unwrap();
        // A different moment of the round after, each time: some work, not some time.
        for _ in 0..round * 50_000 {
            std::hint::black_box(round);
        }
        child.kill().unwrap();
        child.wait().unwrap();

        let store = Store::open(folder.path().join("store"), None).unwrap();
        for digest in store.blobs().unwrap() {
            assert!(store.verify(&digest).unwrap(), "round {round}: {digest} is not whole");
        }
        let kept = MetadataStore::open(folder.path().join("metadata")).unwrap();
        match kept.load().unwrap() {
            Some(trusted) => whole(&trusted, &format!("round {round}")),
            None => assert!(last.contains("started"), "round {round}: what was saved is gone"),
        }
    }
}

/// Root, timestamp, snapshot and targets of one and the same publication.
fn whole(trusted: &Trusted, round: &str) {
    trusted.authorised(crate::world::now()).unwrap_or_else(|error| panic!("{round}: {error}"));
    assert_eq!(trusted.timestamp_version(), trusted.targets_version(), "{round}");
}

fn blob() -> Blob {
    Blob { digest: Digest::of(&noise(SIZE)), size: SIZE as u64 }
}

#[tokio::test]
async fn fetches_one_blob() {
    let Some(folder) = folder() else { return };
    let store = Store::open(folder, None).unwrap();
    let walk = walk(&fetcher(), &[&std::env::var(SOURCE).unwrap()]);
    let error = walk.blobs(&store, &[blob()], &|_| {}).await.unwrap_err();
    assert_eq!(error.reason(), Reason::Disk, "{error}");
    assert_eq!(walk.attempts()[0].reason, None, "the source is not blamed");
    println!("refused by the disk");
}

#[tokio::test]
async fn space_that_ends_in_the_middle_loses_nothing_and_blames_nobody() {
    let mut world = World::new();
    world.add_blob(&noise(SIZE));
    let source = BadSource::start(world.files.clone()).await;
    let folder = tempfile::tempdir().unwrap();
    // Files of at most 200 blocks of 512 bytes: writing more fails as a full disk does, also for root.
    let mut limited = child("trap '' XFSZ; ulimit -f 200;", "crashing::fetches_one_blob", folder.path());
    limited.env(SOURCE, &source.url);
    let output = tokio::task::spawn_blocking(move || limited.output().unwrap()).await.unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && printed.contains("refused by the disk"), "{printed}");

    let store = Store::open(folder.path(), None).unwrap();
    let there = store.partial(blob().digest, blob().size).unwrap().length();
    assert!(there > 50_000 && there < 300_000, "{there} bytes are there");
    walk(&fetcher(), &[&source.url]).blobs(&store, &[blob()], &|_| {}).await.unwrap();
    let there = usize::try_from(there).unwrap();
    assert_eq!(source.ranges("/blobs/").last(), Some(&(there, SIZE - there)));
    assert!(store.verify(&blob().digest).unwrap());
}
