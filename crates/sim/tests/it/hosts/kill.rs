//! SIGKILL at random moments: the old release or the new one, whole, and the next run completes (P11).

use std::collections::BTreeSet;

use anyhow::Result;
use headwater_api::policy::OptionsDocument;
use headwater_sim::world::{Endpoint, World, scenario};

use super::Moments;

const KILLS: u32 = 200;
const FILES: [&str; 6] = ["a.txt", "b.txt", "c/d.txt", "c/e.txt", "f.txt", "g.txt"];

fn publish(world: &World, version: u32) -> Result<()> {
    let text = |name: &&'static str| (*name, format!("{name} {version}\n").repeat(3000).into_bytes());
    let files: Vec<_> = FILES.iter().map(text).collect();
    world.publish("rules", &version.to_string(), &files)
}

/// The installed version, after looking that every file is of it; 0 if there is none.
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
    scenario(|world| {
        publish(world, 1)?;
        world.save("", OptionsDocument::default())?;
        let client = world.client("pc-1", &["10.1.0.11"])?;
        client.update()?;
        publish(world, 2)?;
        let mut moments = Moments::like(|| client.update())?;
        let (mut published, mut killed, mut too_late) = (2, 0, 0);
        while killed < KILLS {
            let before = installed(&client)?;
            if before == published {
                published += 1;
                publish(world, published)?;
            }
            let mut update = client.start_update()?;
            if moments.kill(&mut update) {
                killed += 1;
            } else {
                too_late += 1;
                assert!(too_late < KILLS, "{too_late} updates ended before they could be killed");
            }
            let after = installed(&client)?;
            assert!(after == before || after == published, "{before} became {after}, {published} is out");
        }
        let run = client.update()?;
        assert_eq!(run.code, Some(0));
        assert_eq!(installed(&client)?, published);
        assert_eq!(run.installed("rules"), published.to_string());
        eprintln!(
            "{killed} killed, {too_late} too late, {published} releases, an update takes about {:?}",
            moments.span
        );
        Ok(())
    });
}
