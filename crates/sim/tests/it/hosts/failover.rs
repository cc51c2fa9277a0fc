//! Sources that do not serve: the next is taken, in time, and the report says why.

use headwater_api::policy::OptionsDocument;
use headwater_sim::chance::Chance;
use headwater_sim::faulty::{Fault, Rule};
use headwater_sim::world::{FaultySource, World, scenario};

use super::{PARIS, no_fallback, rules};

const MIRROR: &str = "10.1.0.9";

/// Paris updates from a mirror, then from the server; one release is out.
fn with_mirror(world: &World) -> anyhow::Result<FaultySource> {
    world.publish("rules", "1", &rules("1"))?;
    world.save(&format!("{PARIS} url:http://{MIRROR}"), OptionsDocument::default())?;
    world.faulty_source("mirror", MIRROR)
}

#[test]
fn without_faults_the_first_source_serves_alone() {
    scenario(|world| {
        let _mirror = with_mirror(world)?;
        let client = world.client("pc-1", &["10.1.0.11"])?;
        let run = client.update()?;
        assert_eq!(run.code, Some(0));
        for class in ["settings", "components"] {
            assert_eq!(run.attempts(class), "url:http://10.1.0.9 used");
        }
        assert_eq!(run.outcome("components"), "updated from url:http://10.1.0.9");
        assert_eq!(client.installed_file("rules", "more/list.txt").unwrap(), rules("1")[1].1);
        let again = client.update()?;
        assert_eq!(again.attempts("components"), "url:http://10.1.0.9 current");
        Ok(())
    });
}

/// P7, P9: the connection is refused.
#[test]
fn first_source_down() {
    scenario(|world| {
        let mut mirror = with_mirror(world)?;
        mirror.stop();
        let run = world.client("pc-1", &["10.1.0.11"])?.update()?;
        assert_eq!(run.code, Some(0));
        assert_eq!(run.attempts("components"), "url:http://10.1.0.9 failed connect\nserver used");
        assert_eq!(run.installed("rules"), "1");
        Ok(())
    });
}

/// P9: its host is gone, so nothing comes back at all, not even a refusal.
#[test]
fn first_source_gone() {
    scenario(|world| {
        let mirror = with_mirror(world)?;
        mirror.host().unplug()?;
        let run = world.client("pc-1", &["10.1.0.11"])?.update()?;
        assert_eq!(run.code, Some(0));
        assert!(run.attempts("components").ends_with("server used"), "{}", run.attempts("components"));
        for class in ["settings", "components", "programs"] {
            let attempts = run.attempts(class);
            assert!(!attempts.contains("timeout"), "{class} waited for it to the end: {attempts}");
        }
        assert_eq!(run.installed("rules"), "1");
        Ok(())
    });
}

/// It accepts and never answers: it is passed over, and nothing waits for it until its time-outs.
#[test]
fn first_source_silent() {
    scenario(|world| {
        let mirror = with_mirror(world)?;
        mirror.set(&[Fault::Silent.on("")])?;
        let run = world.client("pc-1", &["10.1.0.11"])?.update()?;
        assert_eq!(run.code, Some(0));
        for class in ["settings", "components"] {
            assert_eq!(run.attempts(class), "url:http://10.1.0.9 passed_over silent\nserver used");
        }
        assert_eq!(run.installed("rules"), "1");
        Ok(())
    });
}

/// A mirror that usually takes 0.4 s and took 1.5 s once: passed over then, and used again in the next run.
#[test]
fn first_source_slow_once() {
    scenario(|world| {
        let mirror = with_mirror(world)?;
        let client = world.client("pc-1", &["10.1.0.11"])?;
        let late = |milliseconds| [Fault::Late { milliseconds }.on("")];
        mirror.set(&late(400))?;
        assert_eq!(client.update()?.attempts("components"), "url:http://10.1.0.9 used");
        assert_eq!(client.update()?.attempts("components"), "url:http://10.1.0.9 current");
        mirror.set(&late(1500))?;
        let run = client.update()?;
        assert!(run.attempts("settings").starts_with("url:http://10.1.0.9 passed_over silent\nserver"));
        mirror.set(&late(400))?;
        for number in 1..=3 {
            let run = client.update()?;
            assert_eq!(run.attempts("components"), "url:http://10.1.0.9 current", "run {number} after it");
        }
        Ok(())
    });
}

/// A mirror that always takes longer than the first head start: used from the second run on.
#[test]
fn first_source_always_slow() {
    scenario(|world| {
        let mirror = with_mirror(world)?;
        let client = world.client("pc-1", &["10.1.0.11"])?;
        mirror.set(&[Fault::Late { milliseconds: 1200 }.on(".root.json")])?;
        client.update()?;
        for number in 2..=3 {
            let run = client.update()?;
            assert_eq!(run.attempts("settings"), "url:http://10.1.0.9 current", "run {number}");
        }
        Ok(())
    });
}

/// A name with addresses at which nobody is: each costs a quarter of a second once, not its share of the time to connect, in
/// which the server would be used in its place.
#[test]
fn a_name_with_dead_addresses() {
    scenario(|world| {
        world.publish("rules", "1", &rules("1"))?;
        let _mirror = world.faulty_source("mirror", "10.9.0.9")?;
        world.save(&format!("{PARIS} url:http://mirror.example"), OptionsDocument::default())?;
        let client = world.client("pc-1", &["10.1.0.11"])?;
        // The nearest to the client's own address come first.
        let names = ["10.1.0.10", "10.1.0.9", "10.9.0.9"].map(|address| format!("{address} mirror.example"));
        client.host().set_names(&names.join("\n"))?;
        let run = client.update()?;
        assert_eq!(run.code, Some(0));
        assert_eq!(run.attempts("components"), "url:http://mirror.example used");
        assert_eq!(run.attempts("settings"), "url:http://mirror.example used");
        Ok(())
    });
}

/// It falls silent in the middle of a body: it is passed over, and the next source goes on.
#[test]
fn first_source_falls_silent_in_a_body() {
    scenario(|world| {
        let mirror = with_mirror(world)?;
        let content = Chance::new(2).bytes(200_000);
        world.publish("rules", "2", &[("rules.bin", content.clone())])?;
        mirror.set(&[Fault::Stall { at: 100_000 }.on("/blobs/")])?;
        let client = world.client("pc-1", &["10.1.0.11"])?;
        let run = client.update()?;
        assert_eq!(run.code, Some(0));
        assert_eq!(client.installed_file("rules", "rules.bin"), Some(content));
        assert_eq!(run.attempts("components"), "url:http://10.1.0.9 passed_over silent\nserver used");
        Ok(())
    });
}

/// Older than what the server announced: the next is tried; where none is fresher, the stale one is taken.
#[test]
fn first_source_stale() {
    scenario(|world| {
        world.publish("rules", "1", &rules("1"))?;
        let stale = world.copy_repository("stale")?;
        let _mirror = world.faulty_folder("mirror", MIRROR, &stale)?;
        world.publish("rules", "2", &rules("2"))?;
        let entry = format!("{PARIS} url:http://{MIRROR} components");
        world.save(&entry, OptionsDocument::default())?;
        let run = world.client("pc-1", &["10.1.0.11"])?.update()?;
        assert_eq!(run.attempts("components"), "url:http://10.1.0.9 failed stale\nserver used");
        assert_eq!(run.installed("rules"), "2");
        // Without the server in the plan there is nothing fresher. Settings come from the server, as before.
        world.save(&entry, super::fallback(true, false, true))?;
        let run = world.client("pc-2", &["10.1.0.12"])?.update()?;
        assert_eq!(run.code, Some(0));
        assert_eq!(run.outcome("components"), "updated from url:http://10.1.0.9");
        assert_eq!(run.installed("rules"), "1");
        Ok(())
    });
}

/// One class is not shared (404), the others come from there.
#[test]
fn a_class_that_is_not_shared() {
    scenario(|world| {
        let mirror = with_mirror(world)?;
        mirror.set(&[Fault::Status { code: 404, retry_after_seconds: None }.on("/components/")])?;
        let run = world.client("pc-1", &["10.1.0.11"])?.update()?;
        assert_eq!(run.code, Some(0));
        assert_eq!(run.attempts("settings"), "url:http://10.1.0.9 used");
        assert_eq!(run.attempts("components"), "url:http://10.1.0.9 failed not_shared\nserver used");
        Ok(())
    });
}

/// Busy for longer than a client waits: the next; busy for a moment: it is not given up where nothing else is left.
#[test]
fn a_busy_source() {
    scenario(|world| {
        let mirror = with_mirror(world)?;
        let busy =
            |seconds| Fault::Status { code: 503, retry_after_seconds: Some(seconds) }.on("/components/");
        mirror.set(&[busy(3600)])?;
        let run = world.client("pc-1", &["10.1.0.11"])?.update()?;
        assert_eq!(run.attempts("components"), "url:http://10.1.0.9 failed busy\nserver used");
        world.save(&format!("{PARIS} url:http://{MIRROR}"), no_fallback())?;
        mirror.set(&[Rule { times: Some(1), ..busy(1) }])?;
        let run = world.client("pc-2", &["10.1.0.12"])?.update()?;
        assert_eq!(run.outcome("components"), "updated from url:http://10.1.0.9");
        Ok(())
    });
}

/// P7: the run quits for each class, is reported, and what was installed stays.
#[test]
fn every_source_down() {
    scenario(|world| {
        let mut mirror = with_mirror(world)?;
        let client = world.client("pc-1", &["10.1.0.11"])?;
        client.update()?;
        world.publish("rules", "2", &rules("2"))?;
        mirror.stop();
        world.stop_server();
        let run = client.update()?;
        assert_eq!(run.code, Some(1));
        for class in ["settings", "components", "programs"] {
            assert_eq!(run.outcome(class), "failed", "{class}");
            assert_eq!(run.attempts(class), "url:http://10.1.0.9 failed connect\nserver failed connect");
        }
        assert_eq!(run.installed("rules"), "1");
        assert_eq!(client.installed_file("rules", "rules.txt").unwrap(), rules("1")[0].1);
        // The report was kept, and reaches the server with the next run.
        world.start_server()?;
        let run = client.update()?;
        assert_eq!(run.installed("rules"), "2");
        let reports = world.headwater(&["clients", "reports", "pc-1"])?;
        assert_eq!(reports["items"].as_array().map(Vec::len), Some(3), "{reports}");
        Ok(())
    });
}
