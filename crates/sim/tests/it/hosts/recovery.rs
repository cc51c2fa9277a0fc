//! The server is lost, and made again from its backup; the clients are where they were, and nobody goes to them (I2).

use std::fs;

use anyhow::Result;
use headwater_api::policy::OptionsDocument;
use headwater_sim::limits::COMMAND_WAIT_MAX;
use headwater_sim::wait;
use headwater_sim::world::{World, scenario};
use serde_json::json;

use super::rotation::{RootKeys, cut_off_from_the_server, identity};
use super::{PARIS, rules};

const AGENT: &str = "update_agent:ua-paris";

/// The machine burns; another comes in its place.
fn lose_and_restore(world: &mut World, backup: &str, root_keys: &RootKeys) -> Result<()> {
    world.stop_server();
    fs::remove_dir_all(world.server_data())?;
    let (data, root, pass) =
        (world.server_data().display().to_string(), root_keys.path(0), &root_keys.passphrase);
    let restore = ["restore", backup, "--data", &data, "--keys-passphrase-file", pass];
    let holders = ["--root-keys", &root, "--passphrase-file", pass];
    world.headwater(&[&restore[..], &holders].concat())?;
    world.start_server()
}

/// I2, I3: clients that enrolled after the backup are refused, say so, and go on asking; once they are re-enrolled they go on
/// with the key that they have: one straight, one that has its update agent alone. Then the fleet gives up its CA, as after a
/// theft, and everybody gets another certificate by its key.
#[test]
fn clients_of_after_the_backup_are_re_enrolled_and_nobody_goes_to_them() {
    scenario(|world| {
        world.publish("rules", "1", &rules("1"))?;
        let root_keys = RootKeys::make(world)?;
        let agent = world.update_agent("ua-paris", &["10.1.0.5"])?;
        world.save(&format!("{PARIS} {AGENT}"), OptionsDocument::default())?;
        agent.update()?;
        let known = world.client("pc-known", &["10.2.0.11"])?;
        assert_eq!(known.update()?.installed("rules"), "1");
        let backup = world.folder().join("backup.tar").display().to_string();
        world.headwater(&["backup", "--out", &backup, "--keys-passphrase-file", &root_keys.passphrase])?;
        let late = world.client("pc-late", &["10.2.0.12"])?;
        let behind = world.client("pc-behind", &["10.1.0.13"])?;
        cut_off_from_the_server(&behind)?;
        for client in [&late, &behind] {
            assert_eq!(client.update()?.installed("rules"), "1");
        }
        let keys = [identity(world, "pc-late")?["key"].clone(), identity(world, "pc-behind")?["key"].clone()];

        lose_and_restore(world, &backup, &root_keys)?;
        world.publish("rules", "2", &rules("2"))?;
        agent.update()?;
        assert_eq!(known.update()?.installed("rules"), "2");
        let refused = late.update()?;
        assert_eq!(refused.installed("rules"), "1");
        let warnings = refused.report.warnings.join(" ");
        assert!(
            warnings.contains("continues to check in")
                && warnings.contains("headwater clients re-enrol pc-late"),
            "{warnings}"
        );
        // Its update agent gives it what is signed all the same.
        let refused = behind.update()?;
        assert_eq!(refused.installed("rules"), "2");
        assert!(refused.report.warnings.join(" ").contains("headwater clients re-enrol pc-behind"));

        let re_enrolled = world.headwater(&["clients", "re-enrol", "--all-proven", "--domain", "root"])?;
        assert_eq!(re_enrolled["re_enrolled"], json!(["pc-behind", "pc-late"]), "{re_enrolled}");
        for (client, id, key) in [(&late, "pc-late", &keys[0]), (&behind, "pc-behind", &keys[1])] {
            let run = client.update()?;
            assert_eq!((run.code, run.installed("rules")), (Some(0), "2"), "{id}: {:?}", run.report.warnings);
            let now = identity(world, id)?;
            assert_eq!(&now["key"], key, "{id} did not enrol again");
            assert_eq!((&now["reports_made"], &now["reports_taken"]), (&json!(3), &json!(3)), "{id}");
            assert_eq!(
                now["report_gaps"],
                json!([{"first": 1, "last": 1}]),
                "{id}: what the lost server took"
            );
        }

        world.headwater(&["keys", "rotate", "ca", "--at-once"])?;
        for which in ["response-signing", "enrolment-encryption"] {
            world.headwater(&["keys", "rotate", which])?;
        }
        world.publish("rules", "3", &rules("3"))?;
        for client in [&agent, &known, &late] {
            let run = client.update()?;
            assert_eq!((run.code, run.installed("rules")), (Some(0), "3"), "{:?}", run.report.warnings);
        }
        // The daemon of the update agent looks now and then what the run beside it has brought.
        let has_it = || {
            let run = behind.update()?;
            Ok((run.installed("rules") == "3" && run.report.warnings.is_empty()).then_some(()))
        };
        wait::until("the client behind its update agent to be taken in", COMMAND_WAIT_MAX, has_it)?;
        assert_eq!(identity(world, "pc-behind")?["key"], keys[1]);
        Ok(())
    });
}
