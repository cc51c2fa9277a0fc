//! Deltas at the client: the fewest bytes, and the full body where they fail (C1, P10, P11).

use headwater_api::report::{Attempt, AttemptResult, ClassResult, Reason, Report};
use headwater_client::limits::{DELTA_MEMORY_MAX, DELTA_ROUNDS_MAX};
use headwater_client::{Config, RunOptions};
use headwater_policy::Class;
use headwater_repo::{DeltaFormat, Digest, Intermediate, Manifest};

use crate::update_agent::{agent, free_port, with_agent};
use crate::world::{NewRelease, World, assert_no_leftovers, class, current, noise, update};

/// The file as release `number` has it: mostly what it was before.
fn content(number: u64) -> Vec<u8> {
    let mut content = noise(300_000);
    for release in 1..=number {
        let at = usize::try_from(release * 7_919 % 290_000).unwrap();
        content[at..at + 16].copy_from_slice(&Digest::of(&release.to_le_bytes()).as_bytes()[..16]);
    }
    content
}

fn release(world: &mut World, number: u64) {
    let content = content(number);
    let files: &[(&str, &[u8])] = &[("data.bin", &content)];
    world.components().release(&NewRelease {
        name: "rules",
        sequence: number,
        files,
        ..NewRelease::default()
    });
}

/// Publishes a release again with these deltas, each between two releases.
fn join(world: &mut World, edges: &[(u64, u64)]) -> Vec<Digest> {
    let made: Vec<_> = edges
        .iter()
        .map(|(from, to)| (*to, world.components().delta(&content(*from), &content(*to))))
        .collect();
    let blobs = made.iter().map(|(_, delta)| delta.sha256).collect();
    world.components().join("rules", |manifest| {
        manifest.files[0].deltas.clear();
        manifest.intermediates.clear();
        for (to, delta) in made {
            let sha256 = Digest::of(&content(to));
            if sha256 == manifest.files[0].sha256 {
                manifest.files[0].deltas.push(delta);
            } else {
                manifest.intermediates.push(Intermediate { sha256, size: 300_000, deltas: vec![delta] });
            }
        }
    });
    blobs
}

/// The body is nowhere: who gets the release all the same has it by deltas.
fn lose_body(world: &mut World) {
    let mut body = None;
    world.components().join("rules", |manifest| body = Some(manifest.files[0].body.sha256));
    world.components().lose(&body.unwrap());
}

fn is_at(client: &Config, number: u64) {
    let path = client.data.join("components/rules/current/data.bin");
    assert_eq!(std::fs::read(path).unwrap(), content(number), "release {number}");
    assert_no_leftovers(&client.data);
}

/// Bytes of the class components, and of these of deltas.
fn bytes(report: &Report) -> (u64, u64) {
    let attempts = || report.attempts.iter().filter(|attempt| attempt.class == "components");
    (attempts().map(|attempt| attempt.bytes).sum(), attempts().map(|attempt| attempt.delta_bytes).sum())
}

/// What the report states about deltas that failed.
fn problems(report: &Report) -> Vec<&str> {
    let of_deltas =
        |attempt: &&Attempt| attempt.reason == Some(Reason::Delta) && attempt.result == AttemptResult::Failed;
    report.attempts.iter().filter(of_deltas).map(|attempt| attempt.detail.as_str()).collect()
}

async fn at_release(world: &mut World, number: u64) -> Config {
    release(world, number);
    let client = world.client(&format!("pc-{number}"));
    update(&client).await;
    is_at(&client, number);
    client
}

#[tokio::test]
async fn a_delta_is_taken_in_place_of_the_body() {
    let mut world = World::new().await;
    let client = at_release(&mut world, 1).await;
    release(&mut world, 2);
    join(&mut world, &[(1, 2)]);
    lose_body(&mut world);
    let report = update(&client).await;
    is_at(&client, 2);
    let (all, of_deltas) = bytes(&report);
    assert!(of_deltas > 0 && all < 15_000, "{of_deltas} of {all}");
    assert!(class(&report, "components").spared_bytes > 250_000, "{report:#?}");
    let again = update(&client).await;
    assert_eq!(class(&again, "components").result, ClassResult::Current);
    assert_eq!((bytes(&again).1, class(&again, "components").spared_bytes), (0, 0));
}

#[tokio::test]
async fn far_behind_it_goes_over_what_lies_between() {
    let mut world = World::new().await;
    let far = at_release(&mut world, 1).await;
    let near = at_release(&mut world, 2).await;
    for number in 3..=5 {
        release(&mut world, number);
    }
    join(&mut world, &[(1, 2), (2, 3), (3, 4), (4, 5), (3, 5)]);
    lose_body(&mut world);
    for client in [far, near] {
        update(&client).await;
        is_at(&client, 5);
    }
}

#[tokio::test]
async fn what_moved_between_paths_and_names_is_not_fetched() {
    let mut world = World::new().await;
    let client = at_release(&mut world, 1).await;
    let (content, script) = (content(1), "#!/bin/sh\n".repeat(20_000));
    let files: &[(&str, &[u8])] = &[("deep/moved.bin", &content), ("tool.sh", script.as_bytes())];
    world.programs().release(&NewRelease { name: "tool", sequence: 1, files, ..NewRelease::default() });
    let report = update(&client).await;
    assert_eq!(current(&client, "programs/tool/current/tool.sh"), script);
    assert_eq!(std::fs::read(client.data.join("programs/tool/current/deep/moved.bin")).unwrap(), content);
    let fetched: u64 = report.attempts.iter().filter(|a| a.class == "programs").map(|a| a.bytes).sum();
    assert!(fetched < 15_000, "{fetched} bytes, though the component has the file");
}

#[tokio::test]
async fn a_delta_that_no_source_has_or_that_is_spoilt_gives_way_to_the_body() {
    for spoil in [true, false] {
        let mut world = World::new().await;
        let client = at_release(&mut world, 1).await;
        release(&mut world, 2);
        let blob = join(&mut world, &[(1, 2)])[0];
        if spoil {
            let path = world.components().folder.join(headwater_repo::layout::blob(&blob));
            let mut bytes = std::fs::read(&path).unwrap();
            bytes[20] ^= 1;
            std::fs::write(path, bytes).unwrap();
        } else {
            world.components().lose(&blob);
        }
        let report = update(&client).await;
        is_at(&client, 2);
        let reason = if spoil { Reason::WrongDigest } else { Reason::Missing };
        assert!(bytes(&report).0 > 300_000, "the body came");
        assert_eq!(class(&report, "components").spared_bytes, 0);
        let is_failed = |attempt: &Attempt| {
            (attempt.class.as_str(), attempt.reason, attempt.result)
                == ("components", Some(reason), AttemptResult::Failed)
        };
        let failed = report.attempts.iter().find(|attempt| is_failed(attempt)).unwrap();
        let named = ["rules: delta to data.bin from components/rules/", "/data.bin", "full body", "/blobs/"];
        assert!(named.iter().all(|part| failed.detail.contains(part)), "{failed:#?}");
    }
}

#[tokio::test]
async fn a_signed_delta_that_makes_something_else_gives_way_to_another_path() {
    let mut world = World::new().await;
    let client = at_release(&mut world, 1).await;
    release(&mut world, 2);
    release(&mut world, 3);
    join(&mut world, &[(1, 2), (2, 3)]);
    // A publisher's fault: named for release 1, made of something else. It is one small hop, and looks the cheapest.
    let mut other = content(2);
    other.insert(150_000, 7);
    let mut wrong = world.components().delta(&other, &content(3));
    wrong.base = Digest::of(&content(1));
    world.components().join("rules", |manifest| manifest.files[0].deltas.push(wrong));
    lose_body(&mut world);
    let report = update(&client).await;
    is_at(&client, 3);
    let [message] = &problems(&report)[..] else { panic!("{report:#?}") };
    assert!(message.starts_with("rules: data.bin was not made from components/rules/"), "{message}");
    assert!(message.ends_with("; another delta made it"), "{message}");
}

#[tokio::test]
async fn after_a_few_paths_that_failed_the_body_is_taken() {
    // The file with some bytes changed: another base, from which a delta is the larger the more changed.
    let base = |number: usize, changed: usize| {
        let mut base = content(1);
        let changes = noise(changed);
        changes.iter().enumerate().for_each(|(at, change)| base[number * 50_000 + at * 7] ^= change | 1);
        base
    };
    let rounds = usize::try_from(DELTA_ROUNDS_MAX).unwrap();
    for wrong in [rounds - 1, rounds] {
        let mut world = World::new().await;
        let bases: Vec<Vec<u8>> = (0..=wrong).map(|number| base(number, 20 + 700 * number)).collect();
        let names = ["a", "b", "c", "d", "e", "f"];
        let files: Vec<(&str, &[u8])> = names.iter().copied().zip(bases.iter().map(Vec::as_slice)).collect();
        world.components().release(&NewRelease {
            name: "rules",
            sequence: 1,
            files: &files,
            ..NewRelease::default()
        });
        let client = world.client("pc");
        update(&client).await;
        release(&mut world, 2);
        let mut made = Vec::new();
        for (number, base) in bases.iter().enumerate() {
            let mut from = base.clone();
            // All but the last, which is the largest, are of something else: of the file with a byte more in its middle.
            if number < wrong {
                from.insert(150_000, 7);
            }
            let mut delta = world.components().delta(&from, &content(2));
            delta.base = Digest::of(base);
            made.push(delta);
        }
        assert!(made.is_sorted_by_key(|delta| delta.size));
        world.components().join("rules", |manifest| manifest.files[0].deltas = made);
        let report = update(&client).await;
        is_at(&client, 2);
        let body = bytes(&report).0 > 300_000;
        assert_eq!(body, wrong == rounds, "{wrong} deltas failed");
        let then = if body { "; its full body is fetched" } else { "; another delta made it" };
        let problems = problems(&report);
        assert_eq!(problems.len(), wrong);
        assert!(problems.iter().all(|message| message.ends_with(then)), "{problems:#?}");
    }
}

#[tokio::test]
async fn what_this_client_cannot_decode_is_passed_over() {
    type Edit = fn(&mut Manifest);
    let edits: [Edit; 2] = [
        |manifest| manifest.files[0].deltas[0].memory = DELTA_MEMORY_MAX + 1,
        |manifest| manifest.files[0].deltas[0].format = DeltaFormat::Other("of_tomorrow".to_owned()),
    ];
    for edit in edits {
        let mut world = World::new().await;
        let client = at_release(&mut world, 1).await;
        release(&mut world, 2);
        join(&mut world, &[(1, 2)]);
        world.components().join("rules", edit);
        let report = update(&client).await;
        is_at(&client, 2);
        assert_eq!(bytes(&report).1, 0);
        assert!(bytes(&report).0 > 300_000);
    }
    let mut world = World::new().await;
    let client = at_release(&mut world, 1).await;
    release(&mut world, 2);
    join(&mut world, &[(1, 2)]);
    world.components().join("rules", |manifest| manifest.files[0].deltas[0].memory = DELTA_MEMORY_MAX);
    assert!(bytes(&update(&client).await).1 > 0, "at the limit it is taken");
}

#[tokio::test]
async fn a_base_that_was_changed_here_is_no_base() {
    let mut world = World::new().await;
    let client = at_release(&mut world, 1).await;
    release(&mut world, 2);
    join(&mut world, &[(1, 2)]);
    let path = client.data.join("components/rules/current/data.bin");
    std::fs::write(&path, noise(300_000)).unwrap();
    let report = update(&client).await;
    is_at(&client, 2);
    assert_eq!(bytes(&report).1, 0, "not fetched for nothing");
    let [message] = &report.warnings[..] else { panic!("{report:#?}") };
    assert!(message.starts_with("rules: something on this computer changed"), "{message}");
    assert!(message.contains("/components/rules/") && message.contains("/data.bin"), "{message}");
}

#[tokio::test]
async fn deltas_that_join_do_not_make_a_failed_release_another() {
    let mut world = World::new().await;
    let client = at_release(&mut world, 1).await;
    let content = content(2);
    let files: &[(&str, &[u8])] = &[("data.bin", &content)];
    let probe = Some((vec!["/bin/false".to_owned()], 10));
    world.components().release(&NewRelease {
        name: "rules",
        sequence: 2,
        files,
        probe,
        ..NewRelease::default()
    });
    assert_eq!(class(&update(&client).await, "components").result, ClassResult::Reverted);
    join(&mut world, &[(1, 2)]);
    let report = update(&client).await;
    assert!(class(&report, "components").message.contains("not tried again"), "{report:#?}");
    is_at(&client, 1);
}

#[tokio::test]
async fn an_update_agent_makes_the_body_it_serves_and_holds_the_deltas() {
    let mut world = World::new().await;
    let far = at_release(&mut world, 1).await;
    let near = at_release(&mut world, 2).await;
    with_agent(&mut world, free_port(), &["settings", "components"]);
    let config = world.client("ua");
    let daemon = agent(config.clone()).await;
    is_at(&config, 2);
    release(&mut world, 3);
    join(&mut world, &[(1, 2), (2, 3)]);
    lose_body(&mut world);
    let report = daemon.update(RunOptions::default()).await.unwrap();
    is_at(&config, 3);
    let (all, of_deltas) = bytes(&report);
    assert!(all < 20_000 && of_deltas > 0, "{all}");
    assert_eq!(report.update_agent.unwrap().problems, Default::default());

    // Who comes from here on finds everything at the update agent, also who has nothing yet.
    world.site.unshare(Class::Components);
    for (client, at_most) in [(far, 20_000), (near, 20_000), (world.client("new"), 320_000)] {
        let report = update(&client).await;
        is_at(&client, 3);
        let all = bytes(&report).0;
        assert!(all < at_most, "{all}");
    }
    daemon.stop().await;
}

#[tokio::test]
async fn an_update_agent_without_room_for_deltas_reports_it_and_serves_the_body() {
    let mut world = World::new().await;
    let client = at_release(&mut world, 1).await;
    world.settings.update_agent_quota_mib = 1;
    with_agent(&mut world, free_port(), &["components"]);
    let daemon = agent(world.client("ua")).await;
    let new = noise(700_000);
    let files: &[(&str, &[u8])] = &[("data.bin", &new)];
    world.components().release(&NewRelease { name: "rules", sequence: 2, files, ..NewRelease::default() });
    // As large as the body: there is no room for both.
    let delta = world.components().delta(&content(1), &new);
    world.components().join("rules", |manifest| manifest.files[0].deltas.push(delta));
    let report = daemon.update(RunOptions::default()).await.unwrap();
    let agent = report.update_agent.unwrap();
    assert!(agent.problems["components"].starts_with("1 delta is not held"), "{agent:#?}");
    update(&client).await;
    assert_eq!(std::fs::read(client.data.join("components/rules/current/data.bin")).unwrap(), new);
    daemon.stop().await;
}
