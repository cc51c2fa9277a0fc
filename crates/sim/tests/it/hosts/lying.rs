//! Sources that lie: nothing false is installed, the report names the lie, and the next source is taken.

use std::path::Path;

use anyhow::Result;
use headwater_api::policy::OptionsDocument;
use headwater_sim::chance::Chance;
use headwater_sim::faulty::{Fault, Rule};
use headwater_sim::forge;
use headwater_sim::world::{World, scenario};

use super::{PARIS, rules};

const MIRROR: &str = "10.1.0.9";
const BODY_BYTES: usize = 300_000;

/// One client for each fault, all of them with the same expected end.
/// `result` is what the report says of the lying source: `failed` where nothing of it was good.
fn check_faults(world: &World, result: &str, faults: &[(Rule, &str)]) -> Result<()> {
    let content = Chance::new(7).bytes(BODY_BYTES);
    world.publish("rules", "1", &[("rules.bin", content.clone())])?;
    world.save(&format!("{PARIS} url:http://{MIRROR} components"), OptionsDocument::default())?;
    let mirror = world.faulty_source("mirror", MIRROR)?;
    for (index, (rule, reason)) in faults.iter().enumerate() {
        mirror.set(std::slice::from_ref(rule))?;
        let client = world.client(&format!("pc-{index}"), &[&format!("10.1.1.{}", index + 1)])?;
        let run = client.update()?;
        assert_eq!(run.code, Some(0), "{rule:?}");
        let expected = format!("url:http://{MIRROR} {result} {reason}\nserver used");
        assert_eq!(run.attempts("components"), expected, "{rule:?}");
        assert_eq!(client.installed_file("rules", "rules.bin"), Some(content.clone()), "{rule:?}");
    }
    Ok(())
}

/// Its metadata was good; it was unable all the same.
#[test]
fn lies_in_bodies() {
    scenario(|world| {
        check_faults(
            world,
            "failed",
            &[
                (Fault::Flip { at: 123_456 }.on("/blobs/"), "wrong_digest"),
                (Fault::Truncate { at: 123_456 }.on("/blobs/"), "truncated"),
                (Fault::Endless.on("/blobs/"), "oversized"),
                (Fault::Status { code: 404, retry_after_seconds: None }.on("/blobs/"), "missing"),
                (Fault::Status { code: 500, retry_after_seconds: None }.on("/blobs/"), "http_status"),
                (Fault::Flip { at: 100 }.on("/targets/"), "wrong_digest"),
            ],
        )
    });
}

#[test]
fn lies_in_metadata() {
    scenario(|world| {
        check_faults(
            world,
            "failed",
            &[
                (Fault::Flip { at: 0 }.on("timestamp.json"), "unparsable"),
                (Fault::Truncate { at: 40 }.on("timestamp.json"), "truncated"),
                (Fault::Endless.on("timestamp.json"), "oversized"),
                (Fault::Flip { at: 100 }.on("snapshot.json"), "wrong_digest"),
                (Fault::Endless.on("targets.json"), "oversized"),
            ],
        )
    });
}

/// The mirror serves a folder that `damage` has been at. The client has what the server had at the end of that.
fn check_folder(damage: impl FnOnce(&World, &Path) -> Result<()>, expected: &str) {
    scenario(|world| {
        world.publish("rules", "1", &rules("1"))?;
        let folder = world.copy_repository("mirror-folder")?;
        damage(world, &folder)?;
        let client = world.client("pc-1", &["10.1.0.11"])?;
        let installed = client.update()?.installed("rules").to_owned();
        let _mirror = world.faulty_folder("mirror", MIRROR, &folder)?;
        world.save(&format!("{PARIS} url:http://{MIRROR} components"), OptionsDocument::default())?;
        let run = client.update()?;
        assert_eq!(run.code, Some(0));
        assert_eq!(run.attempts("components"), expected);
        assert_eq!(run.installed("rules"), installed);
        Ok(())
    });
}

#[test]
fn a_signature_by_another_key() {
    check_folder(
        |_, folder| forge::sign_with_another_key(&folder.join("components")),
        "url:http://10.1.0.9 failed wrong_signature\nserver current",
    );
}

#[test]
fn an_expired_timestamp() {
    check_folder(
        |world, folder| {
            forge::expire(&folder.join("components"), &world.server_data().join("keys/components"))
        },
        "url:http://10.1.0.9 failed expired\nserver current",
    );
}

/// P11: an honest but older repository never leads a client backwards.
#[test]
fn an_older_version() {
    check_folder(
        |world, _| world.publish("rules", "2", &rules("2")),
        "url:http://10.1.0.9 failed older\nserver current",
    );
}
