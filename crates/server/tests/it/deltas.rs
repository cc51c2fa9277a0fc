//! Deltas at the server: which there are, that they make what was published, and that they come and go (C1).

use std::collections::BTreeSet;
use std::fs::File;

use headwater_depot::{Blob, Store};
use headwater_policy::Class;
use headwater_repo::{Delta, DeltaPaths, Digest, Manifest};
use headwater_server::publishing::DeltaInProgress;
use headwater_server::{Config, open};
use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::harness::{Server, config, now, until};

pub const RULES: &str = "/api/v1/releases/components/rules";

/// The file as release `number` has it: noise, of which a little changes from release to release.
pub fn content(number: u64) -> Vec<u8> {
    let mut content = Vec::with_capacity(64_000);
    for block in 0..2_000_u64 {
        let changed = (1..=number).filter(|release| release * 37 % 2_000 == block).count() as u64;
        content.extend(Digest::of(&[block.to_le_bytes(), changed.to_le_bytes()].concat()).as_bytes());
    }
    content
}

pub async fn publish(server: &Server, number: u64) {
    let version = number.to_string();
    let files: &[(&str, &[u8])] = &[("data.bin", &content(number)), ("VERSION", version.as_bytes())];
    server.publish("components", "rules", &version, files).await;
}

pub async fn make(server: &Server) {
    server.running.services().publishing.make_deltas(now()).await.unwrap();
}

pub async fn manifest(server: &Server) -> Manifest {
    let current = server.get(RULES).await["current"].as_u64().unwrap();
    let target = server.target(Class::Components, &format!("rules/{current}.json")).await.unwrap();
    Manifest::parse(&serde_json::to_vec(&target).unwrap()).unwrap()
}

/// Makes the current release's data of release `number`'s, by deltas alone, and returns how many bytes that took.
pub async fn update(server: &Server, manifest: &Manifest, number: u64) -> Option<u64> {
    let file = manifest.files.iter().find(|file| file.path.as_str() == "data.bin").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("store"), None).unwrap();
    let had = content(number);
    let price = |delta: &Delta| Some(delta.size);
    let path = DeltaPaths::of(manifest).cheapest(
        &file.sha256,
        file.body.size,
        &|base| *base == Digest::of(&had),
        &price,
    )?;
    let wanted: Vec<Blob> =
        path.hops.iter().map(|hop| Blob { digest: hop.delta.sha256, size: hop.delta.size }).collect();
    let (walk, _) = server.trusted(Class::Components, now()).await;
    assert!(walk.deltas(&store, &wanted, &|_| {}).await.unwrap().is_empty());
    let base = folder.path().join("base");
    std::fs::write(&base, had).unwrap();
    for hop in &path.hops {
        let mut made = Vec::new();
        store.apply(hop, &File::open(&base).unwrap(), 56 << 20, &mut made).unwrap();
        std::fs::write(&base, made).unwrap();
    }
    assert_eq!(Digest::of(&std::fs::read(&base).unwrap()), file.sha256);
    Some(path.cost)
}

fn blobs(server: &Server) -> BTreeSet<String> {
    crate::harness::files(&server.repository(Class::Components).join("blobs"))
        .iter()
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect()
}

#[tokio::test]
async fn a_release_is_there_at_once_and_its_deltas_join_it() {
    let server = Server::start().await;
    for number in 1..=4 {
        publish(&server, number).await;
    }
    let answer = server.check_in("pc", "root", "10.0.0.1").await;
    let before = answer["announced"]["components"].as_u64().unwrap();
    make(&server).await;
    let manifest = manifest(&server).await;
    assert_eq!(manifest.sequence.get(), 4);
    for number in 1..=3 {
        let bytes = update(&server, &manifest, number).await.expect("a path by deltas");
        assert!(bytes < 10_000, "{bytes} from release {number}");
    }
    let version = manifest.files.iter().find(|file| file.path.as_str() == "VERSION").unwrap();
    assert_eq!(version.deltas, [], "a byte is its own delta");
    let answer = server.check_in("pc", "root", "10.0.0.1").await;
    assert_eq!(answer["announced"]["components"], before, "nobody is stale for lack of deltas");
    let published = server.trusted(Class::Components, now()).await.1.targets_version().unwrap();
    assert!(published > before);
    let view = server.get("/api/v1/deltas").await;
    let item = &view["items"][0];
    assert_eq!((&item["missing"], &item["done"], &view["paused"]), (&json!(0), &json!(true), &json!(false)));
    assert!(item["deltas"].as_u64().unwrap() >= 3 && item["delta_bytes"].as_u64().unwrap() > 0, "{view}");
}

#[tokio::test]
async fn after_a_restart_nothing_is_made_twice_and_the_same_is_named() {
    let server = Server::start().await;
    for number in 1..=3 {
        publish(&server, number).await;
    }
    make(&server).await;
    let (before, stored) = (manifest(&server).await, blobs(&server));
    let server = server.restart().await;
    let done = server.running.services().publishing.make_deltas(now()).await.unwrap();
    assert!(done.starts_with("0 deltas made"), "{done}");
    assert_eq!((manifest(&server).await, blobs(&server)), (before, stored));
}

#[tokio::test]
async fn after_a_restart_a_finished_release_shows_so_before_the_job_comes_by() {
    let server = Server::start().await;
    for number in 1..=3 {
        publish(&server, number).await;
    }
    make(&server).await;
    let before = server.running.services().publishing.deltas_view().await.unwrap();
    assert!(before.items[0].done);
    let (config, url) = (server.config.clone(), server.running.fleet_url.parse().unwrap());
    let _folder = server.stop().await;
    let services = open(config, url, now()).await.unwrap();
    assert_eq!(services.publishing.deltas_view().await.unwrap().items, before.items);
}

#[tokio::test]
async fn what_no_manifest_names_any_more_goes_and_what_is_named_stays() {
    let server = Server::start().await;
    for number in 1..=3 {
        publish(&server, number).await;
    }
    make(&server).await;
    let old: BTreeSet<String> =
        manifest(&server).await.deltas().map(|delta| delta.sha256.to_string()).collect();
    publish(&server, 4).await;
    make(&server).await;
    let manifest_3 = server.target(Class::Components, "rules/3.json").await.unwrap();
    assert_eq!(manifest_3["format"], 1, "only the current release names deltas");
    let named = |manifest: &Manifest| -> BTreeSet<String> {
        manifest.deltas().map(|delta| delta.sha256.to_string()).collect()
    };
    let current = manifest(&server).await;
    let still = named(&current);
    let services = server.running.services();
    services.publishing.collect_garbage(now()).await.unwrap();
    assert!(old.iter().all(|blob| blobs(&server).contains(blob)), "a client may be fetching it");
    services.publishing.collect_garbage(now() + SignedDuration::from_hours(2)).await.unwrap();
    let left = blobs(&server);
    assert!(still.iter().all(|blob| left.contains(blob)));
    let gone: Vec<&String> = old.difference(&still).collect();
    assert!(!gone.is_empty() && gone.iter().all(|blob| !left.contains(*blob)), "{gone:?}");
    for number in 1..=3 {
        update(&server, &current, number).await.expect("a path by deltas");
    }
}

#[tokio::test]
async fn rolled_back_clients_of_the_withdrawn_release_have_a_delta_too() {
    let server = Server::start().await;
    for number in 1..=3 {
        publish(&server, number).await;
    }
    make(&server).await;
    server.ok("POST", &format!("{RULES}/rollback"), Some(json!({"to": 2}))).await;
    make(&server).await;
    let manifest = manifest(&server).await;
    assert_eq!(manifest.sequence.get(), 2);
    for number in [1, 3] {
        update(&server, &manifest, number).await.expect("a path by deltas");
    }
}

#[tokio::test]
async fn making_is_paused_and_goes_on() {
    let server = Server::start().await;
    let view = server.ok("POST", "/api/v1/deltas/pause", None).await;
    assert_eq!(view["paused"], true);
    publish(&server, 1).await;
    publish(&server, 2).await;
    let done = server.running.services().publishing.make_deltas(now()).await.unwrap();
    assert!(done.starts_with("stopped after 0"), "{done}");
    assert!(!manifest(&server).await.has_deltas());
    server.ok("POST", "/api/v1/deltas/resume", None).await;
    make(&server).await;
    assert!(manifest(&server).await.has_deltas());
}

/// What was removed by hand, cut short or changed by the disk shows so, and is made again.
#[tokio::test]
async fn deltas_lost_from_the_disk_show_so_and_are_made_again() {
    let server = Server::start().await;
    for number in 1..=2 {
        publish(&server, number).await;
    }
    make(&server).await;
    let shown = async || {
        let view = server.get(RULES).await;
        let states =
            view["deltas"].as_array().unwrap().iter().map(|it| it["state"].as_str().unwrap().to_owned());
        states.collect::<Vec<_>>()
    };
    assert_eq!(shown().await, ["joined"]);
    let before = manifest(&server).await;
    let path = crate::harness::files(&server.repository(Class::Components).join("blobs"))
        .into_iter()
        .find(|path| path.ends_with(before.deltas().next().unwrap().sha256.to_string()))
        .unwrap();
    let whole = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    server.running.services().publishing.pause_deltas();
    assert_eq!(shown().await, ["queued"], "removed by hand");
    server.running.services().publishing.resume_deltas();
    make(&server).await;
    assert_eq!((std::fs::read(&path).unwrap(), manifest(&server).await), (whole.clone(), before));
    std::fs::write(&path, &whole[1..]).unwrap();
    make(&server).await;
    assert_eq!(std::fs::read(&path).unwrap(), whole, "cut short");
    let mut flipped = whole.clone();
    flipped[0] ^= 1;
    std::fs::write(&path, flipped).unwrap();
    let done = server.running.services().upkeep.scrub().await.unwrap();
    assert!(done.contains("of components (a delta)"), "{done}");
    make(&server).await;
    assert_eq!(std::fs::read(&path).unwrap(), whole, "changed");
    assert_eq!(shown().await, ["joined"]);
}

#[tokio::test]
async fn a_component_whose_bodies_are_spoiled_keeps_no_other_from_its_deltas() {
    let server = Server::start().await;
    server.running.services().publishing.pause_deltas();
    for number in 1..=2 {
        let files: &[(&str, &[u8])] = &[("data.bin", &content(number + 10))];
        server.publish("components", "a-first", &number.to_string(), files).await;
    }
    for body in crate::harness::files(&server.repository(Class::Components).join("blobs")) {
        let mut bytes = std::fs::read(&body).unwrap();
        bytes[0] ^= 1;
        std::fs::remove_file(&body).unwrap();
        std::fs::write(&body, bytes).unwrap();
    }
    for number in 1..=2 {
        publish(&server, number).await;
    }
    server.running.services().publishing.resume_deltas();
    let failed = server.running.services().publishing.make_deltas(now()).await.unwrap_err();
    assert!(failed.to_string().contains("data.bin"), "{failed}");
    update(&server, &manifest(&server).await, 1).await.expect("a path by deltas");
}

/// Noise that takes a while to compare with other noise, and comes to nothing.
fn large(seed: u8) -> Vec<u8> {
    (0..100_000_u32)
        .flat_map(|block| *Digest::of(&[&[seed][..], &block.to_le_bytes()].concat()).as_bytes())
        .collect()
}

/// A server that makes the delta between two releases of noise.
async fn busy() -> Server {
    let server = Server::start().await;
    for number in 1..=2_u8 {
        server.publish("components", "rules", &number.to_string(), &[("noise", &large(number))]).await;
    }
    server
}

#[tokio::test]
async fn a_release_shows_its_deltas_and_how_far_they_are() {
    let server = Server::start().await;
    server.ok("POST", "/api/v1/deltas/pause", None).await;
    for number in 1..=3 {
        publish(&server, number).await;
    }
    let view = server.get(RULES).await;
    let shown = |view: &Value| -> Vec<String> {
        let deltas = view["deltas"].as_array().unwrap().iter();
        let lines = deltas.map(|one| {
            let size = if one["size"].as_u64() > Some(0) { "some" } else { "no" };
            let [from, to, path] = [&one["from"], &one["to"], &one["path"]];
            format!("{from} → {to} {path} {} {size} bytes", one["state"])
        });
        lines.collect()
    };
    let queued = r#"1 → 3 "data.bin" "queued" no bytes"#;
    assert!(shown(&view).contains(&queued.to_owned()), "{view}");
    server.ok("POST", "/api/v1/deltas/resume", None).await;
    make(&server).await;
    let view = server.get(RULES).await;
    assert_eq!(
        shown(&view),
        [r#"2 → 3 "data.bin" "joined" some bytes"#, r#"1 → 3 "data.bin" "joined" some bytes"#],
        "{view}"
    );
}

#[tokio::test]
async fn deltas_are_shown_by_file_and_from_the_nearest_release_on() {
    let server = Server::start().await;
    server.ok("POST", "/api/v1/deltas/pause", None).await;
    for number in 1..=4_u64 {
        let contents: Vec<Vec<u8>> = (0..3).map(|file| content(number + 10 * file)).collect();
        let files = [("b.bin", &contents[0][..]), ("a.bin", &contents[1]), ("c.bin", &contents[2])];
        server.publish("components", "rules", &number.to_string(), &files).await;
    }
    let view = server.get(RULES).await;
    let lines: Vec<String> = view["deltas"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["to"] == 4)
        .map(|one| format!("{} {}", one["path"].as_str().unwrap(), one["from"]))
        .collect();
    let expected = ["a.bin", "b.bin", "c.bin"].map(|path| [3, 2, 1].map(|from| format!("{path} {from}")));
    assert_eq!(lines, expected.concat(), "{view}");
}

#[tokio::test]
async fn a_delta_that_is_being_made_is_shown_so() {
    let server = busy().await;
    until("a part of the delta", &mut in_progress(&server), |deltas| {
        deltas.iter().any(|delta| delta.job.permille() > 0)
    })
    .await;
    let view = server.get(RULES).await;
    let one = &view["deltas"][0];
    assert_eq!((&one["from"], &one["to"], &one["size"]), (&json!(1), &json!(2), &Value::Null), "{view}");
    assert_eq!(one["state"], "making", "{view}");
    assert!(one["permille"].as_u64() > Some(0), "{view}");
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_is_stopped_waits_for_no_delta() {
    let server = busy().await;
    until_making_any(&server).await;
    let before = blobs(&server);
    let server = server.restart().await;
    let view = server.get(RULES).await;
    assert_eq!(view["deltas"][0]["size"], Value::Null, "it was broken off, and is still wanted: {view}");
    assert_eq!(blobs(&server), before, "nothing half made is left");
}

/// Waits until it is being made, and shown.
async fn until_making(server: &Server) {
    until_making_any(server).await;
    let making = &server.get("/api/v1/deltas").await["making"];
    if let Some(one) = making.as_array().unwrap().first() {
        let of = [&one["class"], &one["name"], &one["path"]];
        assert_eq!(of, ["components", "rules", "noise"], "{making}");
    }
}

async fn until_making_any(server: &Server) {
    until("a delta is being made", &mut in_progress(server), |deltas| !deltas.is_empty()).await;
}

fn in_progress(server: &Server) -> watch::Receiver<Vec<DeltaInProgress>> {
    server.running.services().publishing.deltas_in_progress()
}

/// Waits until nothing is being made any more. Making is paused then.
async fn until_idle(server: &Server) {
    until("no delta is being made", &mut in_progress(server), Vec::is_empty).await;
    assert_eq!(server.get("/api/v1/deltas").await["making"], json!([]));
    server.ok("POST", "/api/v1/deltas/pause", None).await;
}

async fn first_delta(server: &Server) -> Value {
    server.get(RULES).await["deltas"][0].clone()
}

#[tokio::test]
async fn what_a_newer_release_does_not_need_is_not_made_to_its_end() {
    let server = busy().await;
    until_making(&server).await;
    server.publish("components", "rules", "3", &[("noise", b"short")]).await;
    until_idle(&server).await;
    server.ok("POST", &format!("{RULES}/rollback"), Some(json!({"to": 2}))).await;
    let one = first_delta(&server).await;
    assert_eq!((&one["from"], &one["state"]), (&json!(1), &json!("queued")), "it was not tried to its end");
    server.stop().await;
}

#[tokio::test]
async fn what_was_removed_holds_nothing_up() {
    let server = busy().await;
    until_making(&server).await;
    server.ok("DELETE", RULES, None).await;
    until_idle(&server).await;
    for number in 1..=2_u8 {
        let version = format!("{number} again");
        server.publish("components", "rules", &version, &[("noise", &large(number))]).await;
    }
    let one = first_delta(&server).await;
    assert_eq!(one["state"], "queued", "it was not tried to its end: {one}");
    server.stop().await;
}

#[tokio::test]
async fn switched_off_or_beyond_the_memory_allowed_none_is_made() {
    type Edit = fn(&mut Config);
    let edits: [(Edit, Value); 3] = [
        (|config| config.deltas_releases = 0, json!([])),
        (|config| config.deltas_storage_percent = 0, json!([])),
        (|config| config.deltas_memory_bytes = 100_000, json!(["data.bin"])),
    ];
    for (edit, too_large) in edits {
        let server = Server::start_with(|folder| {
            let mut config = config(folder);
            edit(&mut config);
            config
        })
        .await;
        publish(&server, 1).await;
        publish(&server, 2).await;
        make(&server).await;
        assert!(!manifest(&server).await.has_deltas());
        let view = server.get("/api/v1/deltas").await;
        let item = &view["items"][0];
        assert_eq!((&item["done"], &item["too_large"]), (&json!(true), &too_large), "{view}");
        assert_eq!(server.get(RULES).await["too_large"], too_large);
        let standing = &server.get("/api/v1/releases").await["items"][0]["deltas_standing"];
        assert_eq!(standing["state"] == "too_large", too_large != json!([]), "{standing}");
        server.stop().await;
    }
}
