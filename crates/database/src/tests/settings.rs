//! The policy, domains, and their versions and drafts.

use headwater_api::policy::PolicyDocument;
use headwater_api::v1::DomainSettings;
use serde_json::json;

use super::{TEST, at, check, put_domain};
use crate::domain_settings::{self, StoredSettingsDraft, StoredVersion};
use crate::domains::{self, DomainRow};
use crate::policies::{self, DraftOwner, PolicyRow, StoredDraft};

fn document() -> PolicyDocument {
    let options = headwater_api::policy::OptionsDocument::default();
    serde_json::from_value(json!({
        "mode": "standard", "options": options, "server": {"url": "https://server"}, "update_agents": [], "entries": []
    }))
    .unwrap()
}

fn owner(key: &str) -> DraftOwner {
    DraftOwner { key: key.to_owned(), name: key.to_owned() }
}

/// The next administrator of a removed one's name does not get the drafts.
#[tokio::test]
async fn drafts_of_a_removed_administrator_stay_and_are_nobodys() {
    check(async |db| {
        let draft = |key: &str| StoredDraft {
            owner: owner(key),
            name: "default".to_owned(),
            base_version: 1,
            revision: 1,
            edited: at(6),
            document: document(),
        };
        let of_domain = |key: &str| StoredSettingsDraft {
            path: "root".to_owned(),
            owner: owner(key),
            name: "default".to_owned(),
            base_version: 1,
            revision: 1,
            edited: at(8),
            set: DomainSettings::default(),
        };
        let mut tx = db.begin().await.unwrap();
        put_domain(&mut tx, "root").await;
        for key in ["ann", "ann/ci", "anna", "a%/x"] {
            policies::put_draft(&mut tx, &draft(key)).await.unwrap();
            domain_settings::put_draft(&mut tx, &of_domain(key)).await.unwrap();
        }
        policies::keep_drafts_of_removed(&mut tx, "ann", at(9)).await.unwrap();
        policies::keep_drafts_of_removed(&mut tx, "a%", at(10)).await.unwrap();
        tx.commit(TEST).await.unwrap();
        let owners: Vec<DraftOwner> =
            db.drafts().await.unwrap().into_iter().map(|draft| draft.owner).collect();
        let keys: Vec<&str> = owners.iter().map(|owner| owner.key.as_str()).collect();
        assert_eq!(keys, ["anna", "removed:10:a%/x", "removed:9:ann", "removed:9:ann/ci"]);
        assert_eq!(owners[2].name, "ann (removed)");
        let of_domains = db.settings_draft_names().await.unwrap();
        assert_eq!(of_domains.into_iter().map(|draft| draft.1).collect::<Vec<_>>(), owners);
    })
    .await;
}

#[tokio::test]
async fn saved_policies_and_drafts_are_found_by_version_and_name() {
    check(async |db| {
        assert_eq!(db.policy_latest().await.unwrap(), None);
        assert!(db.policy_now().await.is_err());
        let mut tx = db.begin().await.unwrap();
        for version in 1..=3 {
            let vendor_root = (version == 2).then(|| json!({"signed": {}}));
            let comment = format!("version {version}");
            let saved_by = "ann".to_owned();
            let saved =
                PolicyRow { version, saved: at(5), saved_by, comment, document: document(), vendor_root };
            policies::insert(&mut tx, &saved).await.unwrap();
        }
        assert_eq!(tx.policy_now().await.unwrap().version, 3, "a change reads what it wrote");
        let mut draft = StoredDraft {
            owner: owner("ann"),
            name: "b".to_owned(),
            base_version: 1,
            revision: 1,
            edited: at(6),
            document: document(),
        };
        policies::put_draft(&mut tx, &draft).await.unwrap();
        draft.revision = 2;
        policies::put_draft(&mut tx, &draft).await.unwrap();
        policies::put_draft(&mut tx, &StoredDraft { name: "a".to_owned(), ..draft.clone() }).await.unwrap();
        tx.commit(TEST).await.unwrap();
        assert_eq!(db.policy(2).await.unwrap().unwrap().vendor_root, Some(json!({"signed": {}})));
        let page: Vec<u64> = db.policies(3, 10).await.unwrap().iter().map(|saved| saved.version).collect();
        assert_eq!(page, [2, 1]);
        assert_eq!(db.connection().await.unwrap().draft("ann", "b").await.unwrap(), Some(draft));
        assert_eq!(db.connection().await.unwrap().draft("bob", "b").await.unwrap(), None);
        let names: Vec<String> = db.drafts().await.unwrap().into_iter().map(|draft| draft.name).collect();
        assert_eq!(names, ["a", "b"]);
        let mut tx = db.begin().await.unwrap();
        assert!(policies::delete_draft(&mut tx, "ann", "a").await.unwrap());
        assert!(!policies::delete_draft(&mut tx, "ann", "a").await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn versions_of_a_domain_outlive_it_and_drafts_keep_it() {
    check(async |db| {
        let set: DomainSettings = serde_json::from_value(json!({
            "settings": {"poll_interval_minutes": 5}, "values": {"a": [1, null], "b": true}, "files": {"c": "d"}
        }))
        .unwrap();
        let row = DomainRow { path: "root/paris".to_owned(), version: 3, typed_version: 2, saved_version: 1, set: set.clone() };
        let mut tx = db.begin().await.unwrap();
        put_domain(&mut tx, "root").await;
        domains::put(&mut tx, &row).await.unwrap();
        domains::put(&mut tx, &DomainRow { version: 4, ..row.clone() }).await.unwrap();
        for version in 1..=2 {
            let saved_by = "ann".to_owned();
            let stored = StoredVersion { version, saved: at(7), saved_by, comment: "why".to_owned(), set: set.clone() };
            domain_settings::insert_version(&mut tx, &row.path, &stored).await.unwrap();
        }
        let mut draft = StoredSettingsDraft {
            path: row.path.clone(),
            owner: owner("ann"),
            name: "mine".to_owned(),
            base_version: 1,
            revision: 1,
            edited: at(8),
            set: set.clone(),
        };
        domain_settings::put_draft(&mut tx, &draft).await.unwrap();
        draft.revision = 2;
        domain_settings::put_draft(&mut tx, &draft).await.unwrap();
        tx.commit(TEST).await.unwrap();
        assert_eq!(db.domains().await.unwrap()[1], DomainRow { version: 4, ..row.clone() });
        assert_eq!(db.domain_version(&row.path, 2).await.unwrap().unwrap().set, set);
        assert_eq!(db.connection().await.unwrap().domain_version_last(&row.path).await.unwrap(), 2);
        assert_eq!(db.connection().await.unwrap().domain_version_last("root").await.unwrap(), 0);
        let lines = db.domain_versions(&row.path, 2, 9).await.unwrap();
        assert_eq!((lines.len(), lines[0].version, lines[0].items), (1, 1, 4));
        assert_eq!(db.connection().await.unwrap().settings_draft(&row.path, "ann", "mine").await.unwrap(), Some(draft.clone()));
        assert_eq!(db.settings_drafts(&row.path).await.unwrap(), [draft]);
        assert_eq!(db.settings_draft_names().await.unwrap(), [(row.path.clone(), owner("ann"), "mine".to_owned())]);
        let mut tx = db.begin().await.unwrap();
        assert!(domains::delete(&mut tx, &row.path).await.is_err(), "it has a draft");
        drop(tx);
        let mut tx = db.begin().await.unwrap();
        assert!(domain_settings::delete_draft(&mut tx, &row.path, "ann", "mine").await.unwrap());
        domains::delete(&mut tx, &row.path).await.unwrap();
        tx.commit(TEST).await.unwrap();
        assert_eq!(db.connection().await.unwrap().domain_version_last(&row.path).await.unwrap(), 2, "its numbers are not used again");
    })
    .await;
}
