//! C1, C3: clients at several ages behind an update agent, and no full body is fetched by anybody; killed while they
//! decode; lied to.

use std::path::PathBuf;

use anyhow::{Context, Result};
use headwater_api::policy::OptionsDocument;
use headwater_repo::{Manifest, layout};
use headwater_sim::chance::Chance;
use headwater_sim::faulty::Fault;
use headwater_sim::limits::COMMAND_WAIT_MAX;
use headwater_sim::wait;
use headwater_sim::world::{Endpoint, World, scenario};

use super::{Moments, PARIS};

const AGENT: &str = "update_agent:ua-paris";
const FILE: &str = "rules.bin";
const SIZE: usize = 400_000;

/// The file as release `number` has it: what it was, and a little more of it changed.
fn content(number: u64) -> Vec<u8> {
    let mut content = Chance::new(11).bytes(SIZE);
    for release in 1..=number {
        let change = Chance::new(release).bytes(64);
        let at = (release as usize * 65_537) % (SIZE - 64);
        content[at..at + 64].copy_from_slice(&change);
    }
    content
}

/// Publishes a release and waits until its deltas have joined it.
fn publish(world: &World, number: u64) -> Result<()> {
    world.publish("rules", &number.to_string(), &[(FILE, content(number))])?;
    wait::until("the deltas", COMMAND_WAIT_MAX, || {
        let item = world.headwater(&["deltas", "status"])?["items"][0].take();
        Ok((item["release"] == number && item["done"] == true).then_some(()))
    })
}

/// The manifest of a release as it is published now.
fn manifest(world: &World, number: u64) -> Result<Manifest> {
    let folder = world.server_data().join("repository/components/targets/rules");
    let mut newest = None;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().ends_with(&format!(".{number}.json")) {
            newest = newest.max(Some((entry.metadata()?.modified()?, entry.path())));
        }
    }
    let (_, path) = newest.context("the release is published")?;
    Ok(Manifest::parse(&std::fs::read(path)?)?)
}

/// Takes the body away: who has the release all the same has it by deltas. The server itself needs it again for the
/// next release.
fn lose_body(world: &World, number: u64) -> Result<LostBody> {
    let body = manifest(world, number)?.files[0].body.sha256;
    let place = world.server_data().join("repository/components").join(layout::blob(&body));
    let aside = world.folder().join(format!("body-{number}"));
    std::fs::rename(&place, &aside)?;
    Ok(LostBody { place, aside })
}

struct LostBody {
    place: PathBuf,
    aside: PathBuf,
}

impl LostBody {
    fn put_back(self) -> Result<()> {
        Ok(std::fs::rename(self.aside, self.place)?)
    }
}

fn is_at(client: &Endpoint, number: u64) {
    assert!(client.installed_file("rules", FILE) == Some(content(number)), "not at release {number}");
}

fn component_bytes(run: &headwater_sim::world::Run) -> (u64, u64) {
    let attempts = || run.report.attempts.iter().filter(|attempt| attempt.class == "components");
    (attempts().map(|attempt| attempt.bytes).sum(), attempts().map(|attempt| attempt.delta_bytes).sum())
}

#[test]
fn clients_of_every_age_behind_an_update_agent_and_no_body_is_fetched() {
    scenario(|world| {
        let agent = world.update_agent("ua-paris", &["10.1.0.5"])?;
        world.save(&format!("{PARIS} {AGENT}"), OptionsDocument::default())?;
        let mut clients = Vec::new();
        for number in 1..=3 {
            publish(world, number)?;
            agent.update()?;
            let client = world.client(&format!("pc-{number}"), &[&format!("10.1.0.{}", 10 + number)])?;
            client.update()?;
            is_at(&client, number);
            clients.push(client);
        }
        publish(world, 4)?;
        let _lost = lose_body(world, 4)?;
        let run = agent.update()?;
        assert_eq!(run.code, Some(0));
        let (all, of_deltas) = component_bytes(&run);
        assert!(of_deltas > 0 && all < 40_000, "the update agent fetched {all} bytes");
        assert_eq!(run.report.update_agent.unwrap().problems, std::collections::BTreeMap::new());
        for client in &clients {
            let run = client.update()?;
            assert_eq!(run.attempts("components"), format!("{AGENT} used"));
            let (all, of_deltas) = component_bytes(&run);
            assert!(of_deltas > 0 && all < 40_000, "{all} bytes");
            is_at(client, 4);
        }
        // Who has nothing yet gets the body that the update agent made.
        let new = world.client("pc-new", &["10.1.0.99"])?;
        assert_eq!(new.update()?.attempts("components"), format!("{AGENT} used"));
        is_at(&new, 4);
        Ok(())
    });
}

#[test]
fn a_source_that_lies_in_deltas_costs_the_client_nothing_but_the_lie() {
    scenario(|world| {
        publish(world, 1)?;
        world.save(&format!("{PARIS} url:http://10.1.0.9 components"), OptionsDocument::default())?;
        let mirror = world.faulty_source("mirror", "10.1.0.9")?;
        let faults = [
            (Fault::Flip { at: 50 }, "wrong_digest"),
            (Fault::Truncate { at: 50 }, "truncated"),
            (Fault::Endless, "oversized"),
            (Fault::Status { code: 404, retry_after_seconds: None }, "missing"),
        ];
        let mut clients = Vec::new();
        for index in 0..faults.len() {
            let client = world.client(&format!("pc-{index}"), &[&format!("10.1.1.{}", index + 1)])?;
            client.update()?;
            clients.push(client);
        }
        publish(world, 2)?;
        let _lost = lose_body(world, 2)?;
        for (client, (fault, reason)) in clients.iter().zip(faults) {
            mirror.set(&[fault.on("/blobs/")])?;
            let run = client.update()?;
            assert_eq!(run.code, Some(0), "{reason}");
            let expected = format!("url:http://10.1.0.9 failed {reason}\nserver used");
            assert_eq!(run.attempts("components"), expected);
            assert!(component_bytes(&run).1 > 0);
            is_at(client, 2);
        }
        Ok(())
    });
}

#[test]
fn killed_at_any_moment_of_a_delta_the_old_or_the_new_release_is_there_whole() {
    scenario(|world| {
        publish(world, 1)?;
        world.save("", OptionsDocument::default())?;
        let client = world.client("pc-1", &["10.1.0.11"])?;
        let mut moments = Moments::like(|| client.update())?;
        let mut published = 1;
        let mut lost: Option<LostBody> = None;
        let mut killed = 0;
        for _ in 0..40 {
            let now = client.installed_file("rules", FILE);
            if now == Some(content(published)) {
                lost.take().map_or(Ok(()), LostBody::put_back)?;
                published += 1;
                publish(world, published)?;
                lost = Some(lose_body(world, published)?);
            }
            let mut update = client.start_update()?;
            killed += usize::from(moments.kill(&mut update));
            let after = client.installed_file("rules", FILE);
            assert!(
                after == Some(content(published)) || after == Some(content(published - 1)),
                "neither release {published} nor the one before"
            );
        }
        assert!(killed > 10, "only {killed} updates were killed before they ended");
        let run = client.update()?;
        assert_eq!(run.code, Some(0));
        is_at(&client, published);
        Ok(())
    });
}
