//! A damaged part of the data folder is named, and does not stop what works without it (N7).

use std::fs;

use headwater_api::policy::{EntryDocument, SelectorDocument, SourceDocument};
use headwater_api::report::{ClassResult, Report};
use headwater_client::{Config, Daemon, DataFolder, RunOptions, run_once, status};

use crate::world::{World, class, client_of_rules, current, update};

/// A client that was current once, with the next release published.
async fn world_before_an_update() -> (World, Config) {
    let (mut world, client) = client_of_rules(1).await;
    world.component("rules", 2);
    (world, client)
}

fn is_updated(report: &Report, client: &Config) -> bool {
    class(report, "components").result == ClassResult::Updated
        && current(client, "components/rules/current/rules/changing.txt") == "release 2\n"
}

#[tokio::test]
async fn a_damaged_bundle_is_named_and_the_last_signed_policy_stands_in_for_it() {
    for damage in ["{\"format\": 1", ""] {
        let (_world, client) = world_before_an_update().await;
        let path = DataFolder::new(&client.data).bundle();
        fs::write(&path, damage).unwrap();
        let without = Config { bundle: None, ..client.clone() };
        let report = update(&without).await;
        assert!(is_updated(&report, &client), "{report:#?}");
        let warning = &report.warnings[0];
        assert!(
            warning.contains("bundle.json cannot be used") && warning.contains("--bundle FILE"),
            "{warning}"
        );
        assert!(status(&without).unwrap().damaged[0].contains("bundle.json"));
        // One that is passed and is gone changes nothing about that; the right one replaces the copy.
        let gone = Config { bundle: Some("gone.json".into()), ..client.clone() };
        assert_eq!(class(&update(&gone).await, "components").result, ClassResult::Current);
        assert!(update(&client).await.warnings.is_empty());
        assert!(update(&without).await.warnings.is_empty());
    }
}

/// A client that never verified anything has nothing that could stand in for its bundle.
#[tokio::test]
async fn a_new_client_with_a_damaged_bundle_states_what_to_do() {
    let world = World::new().await;
    let client = Config { bundle: None, ..world.client("pc-1") };
    fs::create_dir_all(&client.data).unwrap();
    fs::write(DataFolder::new(&client.data).bundle(), "{\"format\": 1").unwrap();
    let message = run_once(&client, &RunOptions::default()).await.unwrap_err().to_string();
    assert!(message.contains("pass it once with --bundle FILE"), "{message}");
}

#[tokio::test]
async fn a_damaged_id_is_read_from_the_certificate_and_written_again() {
    for damage in [&b"\xff\x00 no id"[..], b"", &[b'x'; 5000]] {
        let (_world, client) = world_before_an_update().await;
        let path = DataFolder::new(&client.data).id();
        fs::write(&path, damage).unwrap();
        // As the service starts: no flag names the client.
        let unnamed = headwater_client::RawConfig { data: Some(client.data.clone()), ..Default::default() };
        let unnamed = Config::try_from(unnamed).unwrap();
        assert_eq!(unnamed.id.as_str(), "pc-1");
        assert!(status(&client).unwrap().damaged.len() == 1);
        let report = update(&client).await;
        assert!(is_updated(&report, &client), "{report:#?}");
        assert!(report.warnings[0].contains("the id of this client was damaged"), "{report:#?}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "pc-1\n");
        assert!(update(&client).await.warnings.is_empty());
        // Another client's id is refused all the same.
        fs::write(&path, damage).unwrap();
        let other = Config::new(&client.data, "pc-2").unwrap();
        assert!(run_once(&other, &RunOptions::default()).await.is_err());
    }
}

/// Without its identity a client is nobody to the server; a mirror serves it as before.
#[tokio::test]
async fn a_client_with_a_damaged_identity_still_uses_sources_that_need_none() {
    for file in ["identity/key.pem", "identity/certificate.pem", "identity/encryption-key.pem"] {
        let (mut world, client) = world_before_an_update().await;
        world.policy.mode = "customized".to_owned();
        world.policy.entries.push(EntryDocument {
            clients: SelectorDocument { ipv4: Some("127.0.0.1".to_owned()), ipv6: None },
            source: SourceDocument::Url { url: world.mirror.clone(), classes: None },
        });
        world.publish_settings();
        let client = Config { bundle: None, ..client };
        world.component("scripts", 1);
        update(&client).await;
        world.component("scripts", 2);
        fs::write(client.data.join(file), "nonsense").unwrap();
        let report = update(&client).await;
        assert_eq!(class(&report, "components").result, ClassResult::Updated, "{file}: {report:#?}");
        assert_eq!(class(&report, "components").source.as_deref(), Some(&*format!("url:{}", world.mirror)));
        let named =
            report.warnings.iter().any(|warning| warning.contains(file.trim_start_matches("identity/")));
        assert!(named, "{file}: {report:#?}");
        assert!(status(&client).unwrap().damaged[0].contains("identity"), "{file}");
        // A daemon starts with it, too.
        let daemon = Daemon::start(client.clone()).await.unwrap();
        assert!(daemon.update(RunOptions::default()).await.is_ok(), "{file}");
        daemon.stop().await;
    }
}
