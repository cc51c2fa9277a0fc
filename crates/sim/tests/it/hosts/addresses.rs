//! Addresses of update agents and clients: which count, and what happens when the network comes late (U4b, N7).

use std::path::Path;

use anyhow::Result;
use headwater_api::policy::OptionsDocument;
use headwater_sim::limits::COMMAND_WAIT_MAX;
use headwater_sim::network::Host;
use headwater_sim::wait;
use headwater_sim::world::{Endpoint, scenario};

use super::rules;

/// Runs `ip` on a host.
fn ip(host: &Host, words: &str) -> Result<()> {
    let status = host.command(Path::new("ip")).args(words.split(' ')).status()?;
    anyhow::ensure!(status.success(), "`ip {words}` ended with {status}");
    Ok(())
}

/// U4b: containers give an update agent an address that every other computer has too. It is not reported, does not match a
/// selector, and nobody is sent there; `status` says so.
#[test]
fn an_update_agent_with_containers_is_reached_at_its_own_address() {
    scenario(|world| {
        world.publish("rules", "1", &rules("1"))?;
        let mut agent = world.client("ua-site", &["10.1.0.5"])?;
        ip(agent.host(), "link add docker0 type bridge")?;
        ip(agent.host(), "addr add 10.0.172.1/24 dev docker0")?;
        ip(agent.host(), "link set docker0 up")?;
        agent.update()?;
        let known = world.headwater(&["clients", "show", "ua-site"])?;
        assert_eq!(known["addresses"], serde_json::json!(["10.1.0.5"]), "{known}");
        world.headwater(&["update-agents", "give", "ua-site"])?;
        world.save("10.1.0.0-10.1.255.255 update_agent:ua-site", OptionsDocument::default())?;
        agent.start_daemon()?;
        agent.update()?;
        let status = agent.status()?;
        let docker = status["interfaces"].as_array().unwrap().iter().find(|it| it["interface"] == "docker0");
        assert_eq!(docker.unwrap()["counts"], false, "{status}");

        let client = world.client("pc-1", &["10.1.0.11"])?;
        let run = client.update()?;
        assert_eq!(run.attempts("components"), "update_agent:ua-site used");
        let attempt = run.report.attempts.iter().find(|attempt| attempt.class == "components").unwrap();
        assert_eq!(attempt.url, "https://10.1.0.5:8472");
        Ok(())
    });
}

/// N7: a daemon that starts without a network, and one whose network changes, do not wait for their next poll, an hour away.
#[test]
fn a_daemon_without_network_updates_soon_after_it_has_one() {
    scenario(|world| {
        world.publish("rules", "1", &rules("1"))?;
        let mut client = world.client("pc-1", &["10.1.0.11"])?;
        client.update()?;
        world.publish("rules", "2", &rules("2"))?;
        ip(client.host(), "link set eth0 down")?;
        client.start_polling()?;
        ip(client.host(), "link set eth0 up")?;
        let has = |client: &Endpoint, version: &str| {
            let file = client.installed_file("rules", "rules.txt");
            Ok((file == Some(rules(version)[0].1.clone())).then_some(()))
        };
        wait::until("the update after the network came", COMMAND_WAIT_MAX, || has(&client, "2"))?;

        world.publish("rules", "3", &rules("3"))?;
        ip(client.host(), "addr add 10.1.0.12/8 dev eth0")?;
        wait::until("the update after the address changed", COMMAND_WAIT_MAX, || has(&client, "3"))
    });
}
