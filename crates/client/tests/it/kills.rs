//! SIGKILL at random moments of an update leaves the old or the new release, whole, and the next run completes (P11).

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use headwater_client::Config;
use headwater_client::data::Slot;
use headwater_repo::Digest;
use tokio::process::Command;

use crate::world::{World, assert_no_leftovers, current};

/// Moments tried here; the end-to-end test tries more.
const KILLS: u64 = 40;

fn update(client: &Config) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_headwater-client"));
    command
        .args(["update", "--id", client.id.as_str(), "--address", "127.0.0.1", "--data"])
        .arg(&client.data);
    command.arg("--bundle").arg(client.bundle.as_ref().unwrap());
    command.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    command
}

/// The current release is whole: every file has the digest that was published. Returns its sequence.
fn whole(slot: &Path) -> Option<u64> {
    let (name, record) = Slot::new(slot.to_owned()).installed().unwrap()?;
    for file in &record.files {
        let bytes = std::fs::read(slot.join("releases").join(&name).join(&file.path)).unwrap();
        assert_eq!(Digest::of(&bytes), file.sha256, "{} of release {name}", file.path);
    }
    Some(record.sequence.get())
}

#[tokio::test]
async fn killed_at_any_moment_the_old_or_the_new_release_is_there_whole() {
    let mut world = World::new().await;
    world.component("rules", 1);
    let client = world.client("pc-1");
    let slot = client.data.join("components/rules");
    let begun = Instant::now();
    assert!(update(&client).status().await.unwrap().success());
    let mut span_ms = u64::try_from(begun.elapsed().as_millis()).unwrap().max(20);
    let mut published = 1;
    let (mut killed, mut tries) = (0, 0);
    while killed < KILLS {
        tries += 1;
        assert!(tries < KILLS * 10, "only {killed} of {tries} were killed in time");
        let before = whole(&slot).unwrap();
        if before == published {
            published += 1;
            world.component("rules", published);
        }
        // Spread over the whole run, each moment another.
        let moment = Duration::from_millis(span_ms * ((tries * 7919) % KILLS) / KILLS);
        let mut child = update(&client).spawn().unwrap();
        if tokio::time::timeout(moment, child.wait()).await.is_err() {
            child.kill().await.unwrap();
            killed += 1;
        } else {
            // It was faster than the first run, which did more or got less of the machine.
            span_ms = (span_ms * 9 / 10).max(20);
        }
        let after = whole(&slot).unwrap();
        assert!(after == before || after == published, "{after} after {before}, published {published}");
    }
    assert!(update(&client).status().await.unwrap().success());
    assert_eq!(whole(&slot), Some(published));
    assert_eq!(
        current(&client, "components/rules/current/rules/changing.txt"),
        format!("release {published}\n")
    );
    assert_no_leftovers(&client.data);
}
