//! Every key of the fleet is replaced, more than once, while clients are off; they catch up automatically (I2, I3).

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use headwater_api::policy::OptionsDocument;
use headwater_sim::clock;
use headwater_sim::world::{Endpoint, World, scenario};
use jiff::Timestamp;
use serde_json::Value;

use super::{PARIS, rules};

const AGENT: &str = "update_agent:ua-paris";

/// Offline root keys, one folder after the other.
pub(super) struct RootKeys {
    folder: PathBuf,
    /// The file with the passphrase of all of them.
    pub passphrase: String,
    ceremonies: u32,
}

impl RootKeys {
    pub fn make(world: &World) -> Result<Self> {
        let passphrase = world.folder().join("passphrase");
        fs::write(&passphrase, "passphrase of roots\n")?;
        let keys = Self {
            folder: world.folder().to_owned(),
            passphrase: passphrase.display().to_string(),
            ceremonies: 0,
        };
        world.headwater(&["keys", "init", "--out", &keys.path(0), "--passphrase-file", &keys.passphrase])?;
        Ok(keys)
    }

    pub fn path(&self, ceremony: u32) -> String {
        self.folder.join(format!("root-keys-{ceremony}")).display().to_string()
    }

    /// Replaces the root keys, then all online keys and the CA.
    fn replace_all(&mut self, world: &World) -> Result<()> {
        let (old, new) = (self.path(self.ceremonies), self.path(self.ceremonies + 1));
        self.ceremonies += 1;
        let pass = ["--passphrase-file", &self.passphrase];
        world.headwater(&[&["keys", "init", "--offline", "--out", &new][..], &pass].concat())?;
        let rotate =
            ["keys", "rotate", "root", "--because", "planned", "--root-keys", &old, "--new-root-keys", &new];
        world.headwater(&[&rotate[..], &pass].concat())?;
        for role in ["targets", "snapshot", "timestamp"] {
            world.headwater(
                &[&["keys", "rotate", role, "--because", "planned", "--root-keys", &new][..], &pass].concat(),
            )?;
        }
        world.headwater(&["keys", "rotate", "ca"])?;
        Ok(())
    }
}

/// What the server knows of a client's key and reports.
pub(super) fn identity(world: &World, id: &str) -> Result<Value> {
    Ok(world.headwater(&["clients", "show", id])?["identity"].clone())
}

/// It updates to a release from a source, and the server has all reports. Returns whether its certificate had expired.
fn catches_up(world: &World, client: &Endpoint, id: &str, version: &str, source: &str) -> Result<bool> {
    let before = identity(world, id)?;
    let run = client.update()?;
    assert_eq!(run.code, Some(0), "{id}: {:?}", run.report);
    assert_eq!(run.installed("rules"), version, "{id}");
    assert_eq!(run.outcome("components"), format!("updated from {source}"), "{id}");
    let after = identity(world, id)?;
    assert_eq!(after["key"], before["key"], "{id} did not enrol again");
    assert_eq!(after["reports_taken"], before["reports_taken"].as_u64().context("a number")? + 1, "{id}");
    assert_eq!(after["reports_made"], after["reports_taken"], "{id} checked in and reported it");
    let end = |identity: &Value| -> Result<Timestamp> {
        Ok(identity["certificate_end"].as_str().context("a time")?.parse()?)
    };
    assert!(end(&after)? > run.report.started, "{id}");
    Ok(end(&before)? < run.report.started)
}

pub(super) fn cut_off_from_the_server(client: &Endpoint) -> Result<()> {
    let mut cut = client.host().command(Path::new("ip"));
    assert!(cut.args(["route", "add", "unreachable", "10.0.0.1"]).status()?.success());
    Ok(())
}

/// I2, I3: root, targets, snapshot, timestamp and CA keys are replaced twice within a quarter of a year. One client is on all the
/// time; one is off meanwhile; of two more the certificate runs out, one of which has its update agent alone. All update, check in
/// and report again with the key that they enrolled with, and nobody goes to them.
#[test]
fn clients_that_missed_rotations_of_every_key_catch_up() {
    if !clock::may_pass() {
        return;
    }
    scenario(|world| {
        world.publish("rules", "1", &rules("1"))?;
        let mut root_keys = RootKeys::make(world)?;
        let mut agent = world.update_agent("ua-paris", &["10.1.0.5"])?;
        world.save(&format!("{PARIS} {AGENT}"), OptionsDocument::default())?;
        agent.update()?;
        let on = world.client("pc-on", &["10.2.0.11"])?;
        let ran_out = world.client("pc-ran-out", &["10.2.0.12"])?;
        let behind = world.client("pc-behind", &["10.1.0.13"])?;
        cut_off_from_the_server(&behind)?;
        for client in [&on, &ran_out, &behind] {
            assert_eq!(client.update()?.installed("rules"), "1");
        }

        agent.stop_daemon();
        world.pass_days(30)?;
        let off = world.client("pc-off", &["10.2.0.14"])?;
        assert_eq!(off.update()?.installed("rules"), "1");
        root_keys.replace_all(world)?;
        world.publish("rules", "2", &rules("2"))?;
        catches_up(world, &on, "pc-on", "2", "server")?;
        catches_up(world, &agent, "ua-paris", "2", "server")?;

        world.pass_days(31)?;
        root_keys.replace_all(world)?;
        world.publish("rules", "3", &rules("3"))?;
        catches_up(world, &on, "pc-on", "3", "server")?;

        // The update agent missed a rotation of every key, too.
        world.pass_days(40)?;
        world.publish("rules", "4", &rules("4"))?;
        assert!(!catches_up(world, &off, "pc-off", "4", "server")?);
        assert!(catches_up(world, &ran_out, "pc-ran-out", "4", "server")?);
        assert!(catches_up(world, &agent, "ua-paris", "4", "server")?);
        agent.start_daemon()?;
        assert!(catches_up(world, &behind, "pc-behind", "4", AGENT)?);
        let unknown = world.headwater(&["clients", "unknown"])?;
        assert_eq!(unknown["items"], serde_json::json!([]), "nobody had to enrol again");
        Ok(())
    });
}
