//! Update agents: a site without its server, IPv6 alone, and a full disk.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};
use headwater_api::policy::OptionsDocument;
use headwater_sim::chance::Chance;
use headwater_sim::faulty::Fault;
use headwater_sim::limits::COMMAND_WAIT_MAX;
use headwater_sim::wait;
use headwater_sim::world::{Setup, scenario, scenario_with};

use super::{PARIS, no_fallback, rules};

const AGENT: &str = "update_agent:ua-paris";

/// P1, U3: the server is out of reach; everything, a newer policy included, comes through the update agent.
#[test]
fn server_down_and_the_policy_only_through_the_update_agent() {
    scenario(|world| {
        world.publish("rules", "1", &rules("1"))?;
        let agent = world.update_agent("ua-paris", &["10.1.0.5"])?;
        world.save(&format!("{PARIS} {AGENT}"), OptionsDocument::default())?;
        let client = world.client("pc-1", &["10.1.0.11"])?;
        assert_eq!(client.enrol()?, Some(0));
        // A newer policy that the client can only learn of through its update agent.
        world.save(&format!("{PARIS} {AGENT}"), no_fallback())?;
        agent.update()?;
        let policy_version = world.headwater(&["sources", "history"])?["items"][0]["version"].as_u64();
        world.stop_server();
        let run = client.update()?;
        assert_eq!(run.code, Some(0));
        for class in ["settings", "components"] {
            assert_eq!(run.attempts(class), format!("{AGENT} used"));
        }
        assert_eq!(run.installed("rules"), "1");
        assert_eq!(Some(run.report.policy_version), policy_version);
        Ok(())
    });
}

/// U5, I3: a client that cannot reach the server enrols, checks in and reports through its update agent. Revoked, it is
/// refused by the server at once and by the update agent from the next signed policy on.
#[test]
fn a_client_behind_its_update_agent_enrols_reports_and_is_revoked() {
    scenario(|world| {
        world.publish("rules", "1", &rules("1"))?;
        let agent = world.update_agent("ua-paris", &["10.1.0.5"])?;
        world.save(&format!("{PARIS} {AGENT}"), OptionsDocument::default())?;
        agent.update()?;
        let client = world.client("pc-1", &["10.1.0.11"])?;
        let cut = client
            .host()
            .command(Path::new("ip"))
            .args(["route", "add", "unreachable", "10.0.0.1"])
            .status()?;
        assert!(cut.success(), "the way to the server is cut");
        assert_eq!(client.enrol()?, Some(0));
        let run = client.update()?;
        assert_eq!(run.outcome("components"), format!("updated from {AGENT}"));
        assert_eq!(run.installed("rules"), "1");
        let known = world.headwater(&["clients", "show", "pc-1"])?.to_string();
        assert!(known.contains(r#""reports_made":1,"reports_taken":1"#), "{known}");

        world.headwater(&["clients", "revoke", "pc-1"])?;
        assert_eq!(client.update()?.attempts("components"), format!("{AGENT} current"));
        agent.update()?;
        // The daemon looks now and then what the run beside it has brought.
        let refused = format!("{AGENT} failed not_admitted");
        let is_refused = || Ok(client.update()?.attempts("components").starts_with(&refused).then_some(()));
        wait::until("the update agent to refuse", COMMAND_WAIT_MAX, is_refused)
    });
}

/// P6: an IPv6-only client at a dual-stack update agent, then at the server.
#[test]
fn an_ipv6_only_client() {
    scenario_with(Setup { server_by_ipv6: true }, |world| {
        world.publish("rules", "1", &rules("1"))?;
        let mut agent = world.update_agent("ua-paris", &["10.1.0.5", "fd00:1::5"])?;
        world.save(&format!("{PARIS},fd00:1::/32 {AGENT}"), OptionsDocument::default())?;
        agent.update()?;
        let client = world.client("pc-1", &["fd00:1::11"])?;
        let run = client.update()?;
        assert_eq!(run.code, Some(0));
        assert_eq!(run.attempts("components"), format!("{AGENT} used"));
        let attempt = run.report.attempts.iter().find(|attempt| attempt.class == "components").unwrap();
        assert_eq!(attempt.url, "https://[fd00:1::5]:8472");
        agent.stop_daemon();
        world.publish("rules", "2", &rules("2"))?;
        let run = client.update()?;
        assert_eq!(run.attempts("components"), format!("{AGENT} failed connect\nserver used"));
        assert_eq!(run.installed("rules"), "2");
        Ok(())
    });
}

/// A small file system for one folder; unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn new(folder: &Path, mebibytes: u32) -> Result<Self> {
        let size = format!("size={mebibytes}m");
        let status =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder).status()?;
        if !status.success() {
            bail!("tmpfs could not be mounted");
        }
        Ok(Self(folder.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// P9, P11, U4: the disk of an update agent fills in the middle of an update. It says so, goes on serving the release
/// that it has whole, its clients fall through to the server, and with space again it completes.
#[test]
fn an_update_agent_loses_its_disk_space() {
    scenario(|world| {
        let mut chance = Chance::new(1);
        let (first, second) = (chance.bytes(1_000_000), chance.bytes(12_000_000));
        world.publish("rules", "1", &[("rules.bin", first)])?;
        let upstream = world.faulty_source("upstream", "10.0.0.9")?;
        // The update agent itself updates through a source that we can slow down.
        world.save("10.1.0.5 url:http://10.0.0.9 components", OptionsDocument::default())?;
        let client = world.client("pc-1", &["10.1.0.11"])?;
        let disk_folder = world.folder().join("ua-paris");
        std::fs::create_dir(&disk_folder)?;
        let _disk = SmallDisk::new(&disk_folder, 100)?;
        let mut agent = world.update_agent("ua-paris", &["10.1.0.5"])?;
        let entries = format!("10.1.0.5 url:http://10.0.0.9 components\n{PARIS} {AGENT}");
        world.save(&entries, OptionsDocument::default())?;
        agent.update()?;
        assert_eq!(client.update()?.outcome("components"), format!("updated from {AGENT}"));

        world.publish("rules", "2", &[("rules.bin", second.clone())])?;
        upstream.set(&[Fault::Slow { bytes_per_second: 4_000_000 }.on("/blobs/")])?;
        let mut update = agent.start_update()?;
        let partial = || Ok(holds_at_least(&agent.data().join("store"), 3_000_000)?.then_some(()));
        wait::until("a part of the body", COMMAND_WAIT_MAX, partial)?;
        fill(&agent.data().join("filler"));
        assert_eq!(update.wait(COMMAND_WAIT_MAX)?.code(), Some(4));

        let run = client.update()?;
        assert_eq!(run.attempts("components"), format!("{AGENT} failed stale\nserver used"));
        assert_eq!(client.installed_file("rules", "rules.bin"), Some(second.clone()));

        std::fs::remove_file(agent.data().join("filler"))?;
        upstream.set(&[])?;
        let run = agent.update()?;
        assert_eq!(run.installed("rules"), "2");
        let other = world.client("pc-2", &["10.1.0.12"])?;
        assert_eq!(other.update()?.attempts("components"), format!("{AGENT} used"));
        agent.stop_daemon();
        Ok(())
    });
}

/// Whether the files under a folder take at least so many bytes.
fn holds_at_least(folder: &Path, bytes: u64) -> Result<bool> {
    let (mut folders, mut held) = (vec![folder.to_owned()], 0);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(it) if it.is_dir() => folders.push(entry.path()),
                Ok(it) => held += it.len(),
                // It was renamed meanwhile.
                Err(_) => {}
            }
        }
    }
    Ok(held >= bytes)
}

/// Writes until the disk is full.
fn fill(path: &Path) {
    use std::io::Write as _;
    let mut file = std::fs::File::create(path).unwrap();
    let chunk = [0; 64 * 1024];
    while file.write_all(&chunk).is_ok() {}
}
