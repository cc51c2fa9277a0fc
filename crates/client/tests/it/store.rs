//! What a run leaves in the store: what a later run still asks for, and nothing else (P10, U4).

use headwater_api::report::ClassResult;
use headwater_client::{Config, DataFolder};
use headwater_depot::Store;
use headwater_policy::Class;
use headwater_repo::{Digest, layout};

use crate::world::{NewRelease, TestRepository, World, class, update, words};

/// How many of a repository's bodies are in the client's store.
pub fn bodies(repository: &TestRepository, client: &Config) -> usize {
    let store = Store::open(DataFolder::new(&client.data).store(), None).unwrap();
    let stored: Vec<Digest> = store.blobs().unwrap();
    stored.iter().filter(|digest| repository.folder.join(layout::blob(digest)).exists()).count()
}

#[tokio::test]
async fn what_is_installed_leaves_the_store_though_another_class_fails() {
    let mut world = World::new().await;
    world.component("rules", 1);
    world.site.unshare(Class::Programs);
    let client = world.client("pc-1");
    let report = update(&client).await;
    assert_eq!(class(&report, "components").result, ClassResult::Updated, "{report:#?}");
    assert_eq!(class(&report, "programs").result, ClassResult::Failed, "{report:#?}");
    assert_eq!(bodies(world.components(), &client), 0);
}

#[tokio::test]
async fn what_was_reverted_leaves_it_too() {
    let mut world = World::new().await;
    let probe = Some((words(&["false"]), 10));
    let files: &[(&str, &[u8])] = &[("a.txt", b"1")];
    world.components().release(&NewRelease { name: "rules", sequence: 1, files, probe, install: None });
    let client = world.client("pc-1");
    let report = update(&client).await;
    assert_eq!(class(&report, "components").result, ClassResult::Failed, "{report:#?}");
    assert_eq!(bodies(world.components(), &client), 0);
}

#[tokio::test]
async fn what_was_fetched_of_an_unfinished_release_is_not_fetched_again() {
    let mut world = World::new().await;
    world.component("rules", 1);
    let mut by_size: Vec<_> = world.components().blobs().into_iter().collect();
    by_size.sort_by_key(|body| body.metadata().unwrap().len());
    let [small, big] = <[_; 2]>::try_from(by_size).unwrap();
    let client = world.client("pc-1");
    let store = DataFolder::new(&client.data).store();
    Store::open(store, None).unwrap().put(&std::fs::read(&big).unwrap()).unwrap();
    let aside = world.folder.path().join("aside");
    std::fs::rename(&small, &aside).unwrap();
    let report = update(&client).await;
    assert_eq!(class(&report, "components").result, ClassResult::Failed, "{report:#?}");
    assert_eq!(bodies(world.components(), &client), 1);
    std::fs::rename(&aside, &small).unwrap();
    let report = update(&client).await;
    assert_eq!(class(&report, "components").result, ClassResult::Updated, "{report:#?}");
    let fetched: u64 = report.attempts.iter().filter(|a| a.class == "components").map(|a| a.bytes).sum();
    assert!(fetched < 100_000, "{fetched} bytes, though the bigger body was here");
    assert_eq!(bodies(world.components(), &client), 0);
}
