//! Releases, blobs, deltas, what is signed and announced, the vendor source.

use std::collections::BTreeSet;

use headwater_policy::{Class, Repository};
use headwater_repo::{ComponentName, Delta, DeltaFormat, Digest, InventoryItem, Sequence};

use super::{TEST, at, check};
use crate::deltas::{announce, forget, mark, put};
use crate::releases::{self, ReleaseRow};
use crate::repositories::{self, RepositoryRow};
use crate::vendor::{self, VendorRow};

const CLASS: Class = Class::Components;

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

#[tokio::test]
async fn the_inventory_is_kept_marked_and_forgotten() {
    check(async |db| {
        let delta = |text: &str| Delta {
            base: digest("old"),
            sha256: digest(text),
            size: 7,
            format: DeltaFormat::Other("of_tomorrow".to_owned()),
            memory: 9,
        };
        let pair = |result: &str| (digest("old"), digest(result));
        let mut tx = db.begin().await.unwrap();
        put(&mut tx, CLASS, pair("made"), false, Some(&delta("x"))).await.unwrap();
        put(&mut tx, CLASS, pair("made"), false, Some(&delta("a"))).await.unwrap();
        put(&mut tx, CLASS, pair("taken"), true, Some(&delta("b"))).await.unwrap();
        put(&mut tx, CLASS, pair("useless"), false, None).await.unwrap();
        tx.commit(TEST).await.unwrap();
        let inventory = db.inventory(CLASS).await.unwrap();
        assert_eq!(inventory[&pair("made")], InventoryItem::Made(delta("a")));
        assert_eq!(inventory[&pair("taken")], InventoryItem::Taken(delta("b")));
        assert_eq!(inventory[&pair("useless")], InventoryItem::Useless);
        assert!(db.blobs(CLASS).await.unwrap().contains(&digest("a")));

        let mut tx = db.begin().await.unwrap();
        mark(&mut tx, CLASS, pair("made"), false, at(100)).await.unwrap();
        mark(&mut tx, CLASS, pair("taken"), false, at(100)).await.unwrap();
        // Still not named: since the first time. Named again: not at all.
        mark(&mut tx, CLASS, pair("made"), false, at(200)).await.unwrap();
        mark(&mut tx, CLASS, pair("taken"), true, at(200)).await.unwrap();
        forget(&mut tx, at(150)).await.unwrap();
        tx.commit(TEST).await.unwrap();
        let left = db.inventory(CLASS).await.unwrap();
        assert!(!left.contains_key(&pair("made")) && left.len() == 2, "{left:?}");
    })
    .await;
}

#[tokio::test]
async fn blobs_of_releases_are_kept_until_a_while_after_they_were_dropped() {
    check(async |db| {
        let name = ComponentName::new("rules-1.x").unwrap();
        let sequence = |number| Sequence::new(number).unwrap();
        let mut tx = db.begin().await.unwrap();
        releases::put_component(&mut tx, CLASS, &name, true).await.unwrap();
        for number in 1..=2 {
            let release = ReleaseRow { sequence: number, version: format!("v{number}") };
            let blobs = [digest("both"), digest(&release.version)];
            releases::insert_release(&mut tx, CLASS, &name, &release, &blobs).await.unwrap();
        }
        releases::add_blobs(&mut tx, CLASS, &name, sequence(2), &[digest("both"), digest("more")])
            .await
            .unwrap();
        releases::drop_before(&mut tx, CLASS, &name, sequence(2), at(100)).await.unwrap();
        tx.commit(TEST).await.unwrap();
        assert_eq!(db.releases(CLASS, &name).await.unwrap().len(), 2);
        assert!(db.component(CLASS, &name).await.unwrap().unwrap().from_vendor);
        let both = db.releases_with(CLASS, &digest("both")).await.unwrap();
        assert_eq!(both, ["rules-1.x (release 1)", "rules-1.x (release 2)"]);
        assert_eq!(db.blobs(CLASS).await.unwrap().len(), 4);
        let mut tx = db.begin().await.unwrap();
        releases::forget_blobs(&mut tx, at(101)).await.unwrap();
        releases::release_vendor_names(&mut tx).await.unwrap();
        tx.commit(TEST).await.unwrap();
        let left: BTreeSet<Digest> = ["both", "v2", "more"].map(digest).into();
        assert_eq!(db.blobs(CLASS).await.unwrap(), left);
        assert!(!db.component(CLASS, &name).await.unwrap().unwrap().from_vendor);
        let mut tx = db.begin().await.unwrap();
        releases::drop_all(&mut tx, CLASS, &name, at(200)).await.unwrap();
        releases::forget_blobs(&mut tx, at(201)).await.unwrap();
        tx.commit(TEST).await.unwrap();
        assert!(db.blobs(CLASS).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_floor_is_above_everything_known() {
    check(async |db| {
        let name = ComponentName::new("rules").unwrap();
        let mut tx = db.begin().await.unwrap();
        releases::lift_sequence_floor(&mut tx, CLASS, 10).await.unwrap();
        let release = ReleaseRow { sequence: 25, version: "v".to_owned() };
        releases::insert_release(&mut tx, CLASS, &name, &release, &[]).await.unwrap();
        tx.commit(TEST).await.unwrap();
        assert_eq!(db.sequence_floor(CLASS).await.unwrap(), 10);
        assert_eq!(db.sequence_floor(Class::Programs).await.unwrap(), 0);
        for expected in [125, 225] {
            let mut tx = db.begin().await.unwrap();
            releases::lift_sequence_floor(&mut tx, CLASS, 100).await.unwrap();
            tx.commit(TEST).await.unwrap();
            assert_eq!(db.sequence_floor(CLASS).await.unwrap(), expected);
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_signed_and_announced_and_the_vendor_source_replace_what_was() {
    check(async |db| {
        let repository = Repository::Policy;
        assert_eq!(db.repository(repository).await.unwrap(), None);
        let mut row = RepositoryRow {
            repository,
            root_version: 1,
            snapshot_version: 2,
            targets_version: 3,
            timestamp: vec![0, 255, 7],
        };
        let mut source = VendorRow {
            url: "https://vendor".to_owned(),
            root: "{}".to_owned(),
            root_version: 1,
            schedule_minutes: 60,
            last_started: None,
            last_sync: None,
        };
        for version in [3, 4] {
            row.targets_version = version;
            source.last_started = Some(at(5));
            let mut tx = db.begin().await.unwrap();
            repositories::put(&mut tx, &row).await.unwrap();
            announce(&mut tx, repository, version).await.unwrap();
            vendor::put(&mut tx, &source).await.unwrap();
            tx.commit(TEST).await.unwrap();
            assert_eq!(db.repository(repository).await.unwrap(), Some(row.clone()));
            assert_eq!(db.announced().await.unwrap()[repository.as_str()], version);
            assert_eq!(db.vendor().await.unwrap(), Some(source.clone()));
        }
        let mut tx = db.begin().await.unwrap();
        vendor::delete(&mut tx).await.unwrap();
        tx.commit(TEST).await.unwrap();
        assert_eq!(db.vendor().await.unwrap(), None);
    })
    .await;
}
