//! Releases of a vendor source whose content is not what its manifest states: rejected and named (C2a).

use headwater_delta::encode;
use headwater_delta::limits::LEVEL_DEFAULT;
use headwater_policy::Class;
use headwater_repo::{Body, BodyFormat, Digest, FileEntry, Intermediate, layout};
use serde_json::{Value, json};

use crate::deltas::{RULES, content};
use crate::harness::Server;
use crate::upstream::{Vendor, blob_names};

/// What a wrong manifest states, and the words in which that is reported.
type Wrong = (&'static str, fn(&Vendor, &mut FileEntry));

const WRONG: [Wrong; 6] = [
    ("its digest is another", |_, file| file.sha256 = Digest::of(b"something else")),
    ("it is shorter than declared", |_, file| file.size += 1),
    ("it is longer than declared", |_, file| file.size -= 1),
    ("it is not one zstd frame", |vendor, file| {
        let garbage = b"four bytes, or some more, that are no zstd";
        file.body = stored(vendor, garbage, 1 << 20);
    }),
    ("it is longer than declared", |vendor, file| {
        let (zeros, mut bytes) = (vec![0; 64 << 20], Vec::new());
        let (body, _) = encode(&zeros[..], zeros.len() as u64, LEVEL_DEFAULT, &mut bytes).unwrap();
        file.body = stored(vendor, &bytes, body.memory);
        file.size = 4;
    }),
    ("its files have 1099511627776 bytes; 68719476736 are allowed", |_, file| {
        file.size = 1 << 40;
    }),
];

fn stored(vendor: &Vendor, bytes: &[u8], memory: u64) -> Body {
    let sha256 = Digest::of(bytes);
    vendor.write(&layout::blob(&sha256), bytes);
    Body { sha256, size: bytes.len() as u64, format: BodyFormat::Zstd, memory }
}

fn wrong_file(vendor: &Vendor, number: u64, change: fn(&Vendor, &mut FileEntry)) -> FileEntry {
    let mut file = vendor.file(number);
    change(vendor, &mut file);
    file
}

async fn sync(server: &Server) -> Value {
    server.ok("POST", "/api/v1/vendor/sync", None).await
}

fn blobs(server: &Server) -> usize {
    blob_names(&server.repository(Class::Components)).len()
}

#[tokio::test]
async fn a_release_that_does_not_decode_is_named_and_the_others_go_on() {
    let (mut vendor, server) = (Vendor::start().await, Server::start().await);
    vendor.is_vendor_of(&server).await;
    server.ok("POST", "/api/v1/deltas/pause", None).await;
    vendor.publish(&[1], &[]);
    assert_eq!(sync(&server).await["error"], Value::Null);
    let before = blobs(&server);
    for (number, (words, change)) in (2..).zip(WRONG) {
        let wrong = wrong_file(&vendor, number, change);
        vendor.publish_as("rules", &[1, number], &[], |manifest| {
            if manifest.sequence.get() == number {
                manifest.files = vec![wrong.clone()];
            }
        });
        let others = format!("other-{number}");
        vendor.publish_as(&others, &[1], &[], |_| {});
        for release in [json!([{"name": others, "sequence": 1, "version": "1"}]), json!([])] {
            let result = sync(&server).await;
            assert_eq!(result["releases"], release, "{result}");
            let rejected = &result["rejected"][0];
            assert_eq!((&rejected["name"], &rejected["sequence"]), (&json!("rules"), &json!(number)));
            let reason = rejected["reason"].as_str().unwrap();
            assert!(reason.contains(words), "{result}");
            assert_eq!(rejected["file"].is_null(), words.contains("allowed"), "{result}");
            let error = result["error"].as_str().unwrap();
            assert!(error.contains(&format!("rules {number} (release {number}): ")), "{error}");
            assert!(error.contains(words), "{error}");
            // What it brought does not stay: the content of the others is that of release 1.
            assert_eq!(blobs(&server), before);
        }
        assert_eq!(server.get(RULES).await["current"], 1);
        let jobs = server.get("/api/v1/status").await["jobs"].clone();
        let job = jobs.as_array().unwrap().iter().find(|job| job["name"] == "vendor").unwrap();
        assert_eq!(job["message"], "no new releases, 1 rejected");
        assert!(job["error"].as_str().unwrap().contains(words), "{job}");
        assert_eq!(server.get("/api/v1/vendor").await["last_sync"]["rejected"][0]["sequence"], number);
    }
    vendor.publish(&[1, 9], &[]);
    assert_eq!(sync(&server).await["error"], Value::Null);
    assert_eq!(server.get(RULES).await["current"], 9);
}

/// A body that is here is decoded as one that is fetched, and stays for the release that it is right for.
#[tokio::test]
async fn what_is_stored_already_is_verified_too() {
    let (mut vendor, server) = (Vendor::start().await, Server::start().await);
    vendor.is_vendor_of(&server).await;
    vendor.publish_as("other", &[1], &[], |_| {});
    sync(&server).await;
    let before = blobs(&server);
    let body = vendor.file(1).body;
    vendor.publish_as("rules", &[2], &[], |manifest| manifest.files[0].body = body.clone());
    let result = sync(&server).await;
    assert_eq!((&result["rejected"][0]["name"], blobs(&server)), (&json!("rules"), before), "{result}");
    server.refused("GET", RULES, None, 404, "not_found").await;
}

#[tokio::test]
async fn an_earlier_release_that_is_wrong_is_left_out_alone() {
    let (mut vendor, server) = (Vendor::start().await, Server::start().await);
    vendor.is_vendor_of(&server).await;
    vendor.publish_as("rules", &[1, 2, 3], &[], |manifest| {
        if manifest.sequence.get() == 2 {
            manifest.files[0].sha256 = Digest::of(b"something else");
        }
    });
    let result = sync(&server).await;
    assert_eq!((&result["rejected"][0]["sequence"], &result["rejected"][1]), (&json!(2), &Value::Null));
    let view = server.get(RULES).await;
    let listed: Vec<_> = view["releases"].as_array().unwrap().iter().map(|one| &one["sequence"]).collect();
    assert_eq!((listed, &view["current"]), (vec![&json!(3), &json!(1)], &json!(3)));
    let body = layout::blob(&vendor.file(2).body.sha256);
    assert!(!server.repository(Class::Components).join(body).exists());
    assert_eq!(sync(&server).await["error"], Value::Null);
}

/// A delta whose base is here is tried before it is passed on.
#[tokio::test]
async fn a_delta_that_makes_something_else_is_left_out() {
    let (mut vendor, server) = (Vendor::start().await, Server::start().await);
    vendor.is_vendor_of(&server).await;
    server.ok("POST", "/api/v1/deltas/pause", None).await;
    vendor.publish(&[1], &[]);
    sync(&server).await;
    let (wrong, step) = (vendor.delta(1, 4), vendor.delta(2, 3));
    vendor.publish_as("rules", &[1, 3], &[], |manifest| {
        if manifest.sequence.get() == 3 {
            let between = content(2);
            manifest.files[0].deltas = vec![step.clone()];
            manifest.intermediates = vec![Intermediate {
                sha256: Digest::of(&between),
                size: between.len() as u64,
                deltas: vec![wrong.clone()],
            }];
        }
    });
    let result = sync(&server).await;
    assert_eq!((&result["error"], &result["rejected"]), (&Value::Null, &Value::Null), "{result}");
    let skipped = result["skipped"].to_string();
    assert!(
        skipped.contains(&format!("rules 3 (release 3): the delta {} was left out", wrong.sha256)),
        "{skipped}"
    );
    assert_eq!(server.get(RULES).await["current"], 3);
    assert!(!server.repository(Class::Components).join(layout::blob(&wrong.sha256)).exists());
}
