//! The stories over a static folder, and what is its own.

use std::fs;

use headwater_publisher::Error;
use headwater_publisher::folder::{KeyFolder, StaticFolder, StaticRepository, create};
use headwater_repo::Expiry;
use jiff::Timestamp;

use crate::stories::{self, for_each_story};

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

/// A repository that has published nothing.
fn repository(folder: &tempfile::TempDir) -> StaticRepository {
    let keys = KeyFolder::open(&folder.path().join("keys"), true).unwrap();
    let place = StaticFolder::new(&folder.path().join("public"), "components");
    create(place.clone(), &keys, (1, 1), Expiry::default(), now()).unwrap();
    StaticRepository::open(place, keys.ring().unwrap(), Expiry::default()).unwrap()
}

macro_rules! over_a_folder {
    ($story:ident) => {
        #[test]
        fn $story() {
            let folder = tempfile::tempdir().unwrap();
            stories::$story(&repository(&folder), now());
        }
    };
}

for_each_story!(over_a_folder);

#[test]
fn a_run_leaves_no_folder_of_its_own_and_takes_those_of_killed_runs_away() {
    let folder = tempfile::tempdir().unwrap();
    let repository = repository(&folder);
    let root = repository.folder().root().to_owned();
    let hidden = || {
        let entries = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().file_name());
        entries.filter(|name| name.to_string_lossy().starts_with('.')).count()
    };
    assert_eq!(hidden(), 1, "where it writes");
    fs::create_dir_all(root.join(".work-killed/new")).unwrap();
    fs::write(root.join(".work-killed/new/1"), "half a body").unwrap();
    let keys = KeyFolder::open(&folder.path().join("keys"), false).unwrap();
    let other =
        StaticRepository::open(repository.folder().clone(), keys.ring().unwrap(), Expiry::default()).unwrap();
    assert_eq!(hidden(), 2, "the two that run; the killed one's is gone");
    drop((repository, other));
    assert_eq!(hidden(), 0);
}

#[test]
fn of_many_that_make_a_repository_at_once_one_does() {
    const MAKERS: usize = 8;
    let folder = tempfile::tempdir().unwrap();
    let place = StaticFolder::new(&folder.path().join("public"), "components");
    let start = std::sync::Barrier::new(MAKERS);
    let make = &|maker: usize| {
        let keys = KeyFolder::open(&folder.path().join(format!("keys-{maker}")), true).unwrap();
        start.wait();
        create(place.clone(), &keys, (1, 1), Expiry::default(), now())
    };
    let made: Vec<_> = std::thread::scope(|scope| {
        let makers: Vec<_> = (0..MAKERS).map(|maker| scope.spawn(move || make(maker))).collect();
        makers.into_iter().map(|maker| maker.join().unwrap()).collect()
    });
    assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 1, "{made:?}");
    let others = made.iter().filter_map(|made| made.as_ref().err());
    assert!(others.into_iter().all(|error| matches!(error, Error::RepositoryExists(_))), "{made:?}");
}
