//! SIGKILL at random moments: the old release or the new one, whole, and the next run completes (P11).

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::Result;
use headwater_api::policy::OptionsDocument;
use headwater_sim::chance::Chance;
use headwater_sim::limits::COMMAND_WAIT_MAX;
use headwater_sim::wait;
use headwater_sim::world::{Endpoint, World, scenario};

const KILLS: u32 = 200;
const FILES: [&str; 6] = ["a.txt", "b.txt", "c/d.txt", "c/e.txt", "f.txt", "g.txt"];

fn publish(world: &World, version: u32) -> Result<()> {
    let text = |name: &&'static str| (*name, format!("{name} {version}\n").repeat(3000).into_bytes());
    let files: Vec<_> = FILES.iter().map(text).collect();
    world.publish("rules", &version.to_string(), &files)
}

/// The installed version, after looking that every file is of it; 0: none.
fn installed(client: &Endpoint) -> Result<u32> {
    let mut versions = BTreeSet::new();
    for name in FILES {
        let Some(content) = client.installed_file("rules", name) else {
            versions.insert(0);
            continue;
        };
        let content = String::from_utf8(content)?;
        let version = content.split_whitespace().nth(1).unwrap_or_default().to_owned();
        assert_eq!(content, format!("{name} {version}\n").repeat(3000), "{name} is not whole");
        versions.insert(version.parse()?);
    }
    assert_eq!(versions.len(), 1, "a mixture of releases: {versions:?}");
    Ok(versions.pop_first().unwrap_or_default())
}

#[test]
fn any_moment_leaves_the_old_or_the_new_release_whole() {
    let seed = Chance::seed();
    eprintln!("HEADWATER_SEED={seed}");
    scenario(|world| {
        let mut chance = Chance::new(seed);
        publish(world, 1)?;
        world.save("", OptionsDocument::default())?;
        let client = world.client("pc-1", &["10.1.0.11"])?;
        client.update()?;
        let (mut published, mut killed_in_time) = (1, 0);
        // What an update takes here and now; moments are drawn from a little more than that.
        publish(world, 2)?;
        let started = Instant::now();
        client.update()?;
        let typical = started.elapsed();
        for _ in 0..KILLS {
            let before = installed(&client)?;
            if before == published || before == 2 && published == 1 {
                published = before + 1;
                publish(world, published)?;
            }
            let moment = Duration::from_micros(chance.below(typical.as_micros() as u64 * 12 / 10));
            let mut update = client.start_update()?;
            wait::pause(moment);
            killed_in_time += u32::from(!update.has_ended());
            update.kill();
            let after = installed(&client)?;
            assert!(
                after == before || after == published,
                "{before} became {after}, {published} is published"
            );
        }
        let run = client.update()?;
        assert_eq!(run.code, Some(0));
        assert_eq!(installed(&client)?, published);
        assert_eq!(run.installed("rules"), published.to_string());
        eprintln!(
            "{killed_in_time} of {KILLS} killed before their end, {published} releases, an update takes {typical:?}"
        );
        assert!(killed_in_time > KILLS / 2, "only {killed_in_time} were killed in the middle");
        assert_eq!(update_to_the_end(&client)?, Some(0));
        Ok(())
    });
}

fn update_to_the_end(client: &Endpoint) -> Result<Option<i32>> {
    Ok(client.start_update()?.wait(COMMAND_WAIT_MAX)?.code())
}
