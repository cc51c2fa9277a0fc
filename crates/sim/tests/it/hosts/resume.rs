//! P10: what broke off goes on at the byte where it stopped, from the next source; nothing is fetched twice.

use std::fs;

use anyhow::Result;
use headwater_sim::chance::Chance;
use headwater_sim::faulty::{Fault, Request};
use headwater_sim::limits::COMMAND_WAIT_MAX;
use headwater_sim::wait;
use headwater_sim::world::{FaultySource, scenario};

use super::{PARIS, fallback};

const BODY_BYTES: usize = 3_000_000;

/// Requests for blobs that have ended or stalled, once at least `count` have.
fn blob_requests(source: &FaultySource, count: usize) -> Result<Vec<Request>> {
    wait::until("the source's log", COMMAND_WAIT_MAX, || {
        let mut requests = source.requests()?;
        requests.retain(|request| request.path.contains("/blobs/"));
        Ok((requests.len() >= count).then_some(requests))
    })
}

#[test]
fn the_next_source_goes_on_at_the_same_byte() {
    for (fault, stopped_at) in
        [(Fault::Stall { at: 1_234_567 }, 1_234_567), (Fault::Truncate { at: 2_000_001 }, 2_000_001)]
    {
        scenario(|world| {
            let content = Chance::new(3).bytes(BODY_BYTES);
            world.publish("rules", "1", &[("rules.bin", content.clone())])?;
            let first = world.faulty_source("first", "10.1.0.8")?;
            let second = world.faulty_source("second", "10.1.0.9")?;
            let entries =
                format!("{PARIS} url:http://10.1.0.8 components\n{PARIS} url:http://10.1.0.9 components");
            world.save(&entries, fallback(true, false, true))?;
            first.set(&[fault.clone().on("/blobs/")])?;
            let client = world.client("pc-1", &["10.1.0.11"])?;
            let run = client.update()?;
            assert_eq!(run.code, Some(0));
            assert_eq!(client.installed_file("rules", "rules.bin"), Some(content));
            let asked_first = blob_requests(&first, 1)?;
            let asked_second = blob_requests(&second, 1)?;
            assert_eq!(asked_second.len(), 1, "{asked_second:?}");
            assert_eq!(asked_second[0].range_start, Some(stopped_at));
            let sent: u64 = asked_first.iter().chain(&asked_second).map(|request| request.bytes).sum();
            // Content that does not compress is stored as it is, in a frame of some bytes more.
            assert!(
                (BODY_BYTES as u64..BODY_BYTES as u64 + 1000).contains(&sent),
                "{sent} bytes sent: {asked_first:?}"
            );
            Ok(())
        });
    }
}

/// A client killed in the middle of a body goes on there in its next run.
#[test]
fn the_next_run_goes_on_at_the_same_byte() {
    scenario(|world| {
        let content = Chance::new(4).bytes(BODY_BYTES);
        world.publish("rules", "1", &[("rules.bin", content.clone())])?;
        let source = world.faulty_source("source", "10.1.0.9")?;
        world.save(&format!("{PARIS} url:http://10.1.0.9 components"), fallback(true, false, true))?;
        source.set(&[Fault::Stall { at: 1_500_000 }.on("/blobs/")])?;
        let client = world.client("pc-1", &["10.1.0.11"])?;
        let mut update = client.start_update()?;
        let stalled = blob_requests(&source, 1)?;
        // What was sent may be on the way still: the client is killed when most of it is on its disk.
        let digest = stalled[0].path.rsplit('/').next().unwrap_or_default();
        let partial = client.data().join("store/partial").join(digest);
        let on_disk = || fs::metadata(&partial).map_or(0, |metadata| metadata.len());
        wait::until("the client's part of the body", COMMAND_WAIT_MAX, || {
            Ok((on_disk() > 1_000_000).then_some(()))
        })?;
        update.kill();
        let kept = on_disk();
        source.set(&[])?;
        let run = client.update()?;
        assert_eq!(run.code, Some(0));
        assert_eq!(client.installed_file("rules", "rules.bin"), Some(content));
        let asked = blob_requests(&source, 2)?;
        let again = asked.last().and_then(|request| request.range_start);
        // What was on the way when the client was killed may be lost, what was on its disk not.
        assert!(kept > 1_000_000 && again == Some(kept), "{kept} bytes kept: {asked:?}");
        Ok(())
    });
}

/// A source that broke off and cannot serve the rest is asked for the whole: a partial file blocks nothing, for a client in
/// the next run and for the server's vendor sync alike.
#[test]
fn a_source_that_cannot_serve_the_rest() {
    let of_range = |code, content_range: Option<&str>| Fault::OfRange {
        code,
        content_range: content_range.map(str::to_owned),
    };
    scenario(|world| {
        let source = world.faulty_source("source", "10.1.0.9")?;
        world.save(&format!("{PARIS} url:http://10.1.0.9 components"), fallback(true, false, true))?;
        let client = world.client("pc-1", &["10.1.0.11"])?;
        for (number, fault) in [
            of_range(416, None),
            of_range(501, None),
            of_range(206, None),
            of_range(206, Some("bytes 7-9/10")),
            of_range(200, Some("bytes 1500000-2999999/3000000")),
        ]
        .into_iter()
        .enumerate()
        {
            let content = Chance::new(10 + number as u64).bytes(BODY_BYTES);
            world.publish("rules", &format!("{number}"), &[("rules.bin", content.clone())])?;
            source.set(&[Fault::Truncate { at: 1_500_000 }.on("/blobs/")])?;
            assert_eq!(client.update()?.outcome("components"), "failed", "{fault:?}");
            source.set(&[fault.clone().on("/blobs/")])?;
            let run = client.update()?;
            assert_eq!(run.code, Some(0), "{fault:?}: {}", run.attempts("components"));
            assert_eq!(client.installed_file("rules", "rules.bin"), Some(content), "{fault:?}");
        }
        Ok(())
    });
}
