//! Two machines with one identity: both are seen, no report is lost, and a new enrolment resolves it (I3a).

use anyhow::Result;
use headwater_sim::process;
use headwater_sim::world::{Endpoint, World, scenario};
use serde_json::{Value, json};

use super::rotation::identity;
use super::rules;

/// The client enrols with a new key and a bundle for it alone.
fn re_enrol(world: &World, client: &Endpoint, id: &str) -> Result<()> {
    let bundle = world.folder().join("new-key.json").display().to_string();
    world.headwater(&["clients", "enrol-bundle", "--client", id, "--out", &bundle])?;
    let mut command = client.host().command(&process::program("headwater-client")?);
    command.args(["enrol", &bundle, "--id", id, "--new-key", "--data"]).arg(client.data());
    assert_eq!(process::run(id, command, &world.log("re-enrol"))?.code, Some(0));
    Ok(())
}

fn copied(world: &World, id: &str) -> Result<Value> {
    Ok(world.headwater(&["clients", "show", id])?["copied"].clone())
}

fn reports(world: &World, id: &str) -> Result<Value> {
    let identity = identity(world, id)?;
    assert_eq!(identity["report_gaps"], json!([]), "{identity}");
    Ok(identity["reports_taken"].clone())
}

#[test]
fn two_machines_with_one_identity_are_both_seen_and_lose_no_report() {
    scenario(|world| {
        world.publish("rules", "1", &rules("1"))?;
        let original = world.client("pc-1", &["10.2.0.11"])?;
        assert_eq!(original.update()?.installed("rules"), "1");
        let copy = world.copy_of(&original, "pc-copy", &["10.2.0.12"])?;
        assert_eq!(copied(world, "pc-1")?, Value::Null);
        world.publish("rules", "2", &rules("2"))?;
        for machine in [&original, &copy, &original] {
            let run = machine.update()?;
            assert_eq!((run.code, run.installed("rules")), (Some(0), "2"));
        }
        assert_eq!(reports(world, "pc-1")?, 4, "every report of both");
        let found = copied(world, "pc-1")?;
        let of = |machine: &str| found[machine]["addresses"].clone();
        assert_eq!((of("first"), of("second")), (json!(["10.2.0.12"]), json!(["10.2.0.11"])), "{found}");
        let status = world.headwater(&["status"])?;
        assert_eq!(status["copied_identities"], 1, "{status}");

        // The machine of the copy, with an empty data folder.
        let other = world.client("pc-2", &["10.2.0.13"])?;
        assert_eq!(other.update()?.installed("rules"), "2");
        re_enrol(world, &original, "pc-1")?;
        assert_eq!(copied(world, "pc-1")?, Value::Null);
        assert_eq!(original.update()?.code, Some(0));
        assert_eq!((reports(world, "pc-1")?, reports(world, "pc-2")?), (json!(1), json!(1)));
        let refused = copy.update()?.report.warnings.join(" ");
        assert!(refused.contains("the server refuses this client"), "the shared key is revoked: {refused}");
        Ok(())
    });
}
