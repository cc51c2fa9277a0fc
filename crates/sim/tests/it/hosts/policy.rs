//! The policy is always reachable (P5a): no saved list keeps its own correction from a client.

use std::path::Path;

use anyhow::{Result, ensure};
use headwater_sim::mirror;
use headwater_sim::world::{Endpoint, World, scenario};

use super::{PARIS, no_fallback, rules};

const AGENT: &str = "update_agent:ua-paris";
/// A mistyped mirror: no host has the address.
const TYPO: &str = "url:http://10.1.0.99";
const MIRROR: &str = "url:http://10.1.0.9";

fn saved_version(world: &World) -> Result<Option<u64>> {
    Ok(world.headwater(&["sources", "history"])?["items"][0]["version"].as_u64())
}

/// From now on the client reaches no address of the server.
fn cut_off(client: &Endpoint) -> Result<()> {
    for address in headwater_sim::world::SERVER_ADDRESSES {
        let mut command = client.host().command(Path::new("ip"));
        let family = if address.contains(':') { "-6" } else { "-4" };
        command.args([family, "route", "add", "unreachable", address]);
        if client.host().addresses().iter().any(|own| own.is_ipv6()) || family == "-4" {
            ensure!(command.status()?.success(), "the way to {address} is cut");
        }
    }
    Ok(())
}

/// The settings do not fall back to the server, and the list's only source is mistyped: the client takes that list, and
/// its next run has the correction. A new client that knows nothing but the mistyped list gets the correction, too.
#[test]
fn a_mistyped_list_does_not_lock_clients_out_of_its_correction() {
    scenario(|world| {
        world.publish("rules", "1", &rules("1"))?;
        let client = world.client("pc-1", &["10.1.0.11"])?;
        assert_eq!(client.update()?.code, Some(0));
        world.save(&format!("{PARIS} {TYPO}"), no_fallback())?;
        let broken = client.update()?;
        assert_eq!(Some(broken.report.policy_version), saved_version(world)?, "it takes the mistyped list");
        let newcomer = world.client("pc-2", &["10.1.0.12"])?;
        newcomer.update()?;

        let folder = world.copy_repository("mirror-folder")?;
        let host = world.host("mirror", &["10.1.0.9"])?;
        let _nginx = mirror::nginx(&host, &folder, &world.folder().join("nginx"))?;
        world.save(&format!("{PARIS} {MIRROR}"), no_fallback())?;
        for client in [&client, &newcomer] {
            let run = client.update()?;
            assert_eq!(Some(run.report.policy_version), saved_version(world)?, "it has the correction");
            assert!(run.outcome("components").ends_with(&format!("from {MIRROR}")), "by the corrected list");
        }
        Ok(())
    });
}

/// An update agent that shares programs alone passes a newer policy on at a site that does not reach the server.
#[test]
fn an_update_agent_of_programs_passes_the_policy_on_at_an_offline_site() {
    scenario(|world| {
        world.publish("rules", "1", &rules("1"))?;
        let agent = world.update_agent("ua-paris", &["10.1.0.5"])?;
        world.headwater(&["update-agents", "give", "ua-paris", "--classes", "programs"])?;
        world.save(&format!("{PARIS} {AGENT}"), no_fallback())?;
        agent.update()?;
        let client = world.client("pc-1", &["10.1.0.11"])?;
        assert_eq!(client.enrol()?, Some(0));
        cut_off(&client)?;
        client.update()?;
        world.save(&format!("{PARIS} {AGENT}\n{PARIS} {MIRROR}"), no_fallback())?;
        agent.update()?;
        world.stop_server();
        let run = client.update()?;
        assert_eq!(run.attempts("policy"), format!("{AGENT} used"));
        world.start_server()?;
        assert_eq!(Some(run.report.policy_version), saved_version(world)?);
        Ok(())
    });
}

/// The server is out of reach and the list leads nowhere: the source of the list before gives the correction.
#[test]
fn the_source_of_the_list_before_gives_the_correction() {
    scenario(|world| {
        world.publish("rules", "1", &rules("1"))?;
        let agent = world.update_agent("ua-paris", &["10.1.0.5"])?;
        world.save(&format!("{PARIS} {AGENT}"), no_fallback())?;
        agent.update()?;
        let client = world.client("pc-1", &["10.1.0.11"])?;
        assert_eq!(client.enrol()?, Some(0));
        cut_off(&client)?;
        assert_eq!(client.update()?.attempts("policy"), format!("{AGENT} used"));
        world.save(&format!("10.1.0.5 {MIRROR}\n{PARIS} {TYPO}"), no_fallback())?;
        agent.update()?;
        let broken = client.update()?;
        assert_eq!(Some(broken.report.policy_version), saved_version(world)?, "it takes the mistyped list");
        world.save(&format!("{PARIS} {AGENT}"), no_fallback())?;
        agent.update()?;
        let run = client.update()?;
        assert_eq!(run.attempts("policy"), format!("{TYPO} passed_over silent\n{AGENT} used"));
        assert_eq!(run.attempts("components"), format!("{AGENT} current"));
        Ok(())
    });
}
