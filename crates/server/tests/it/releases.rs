//! Publishing, keeping, rolling back; what is refused; what a crash leaves.

use std::io::Write;

use headwater_policy::Class;
use serde_json::json;
use tar::EntryType as E;

use crate::harness::{Server, add, files, leave, now, tar};

/// An admin begins an upload of 100,000 bytes.
fn upload_head(server: &Server) -> String {
    let token = &server.token;
    format!(
        "POST {UPLOAD} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Length: 100000\r\n\r\n"
    )
}

const UPLOAD: &str = "/api/v1/releases/components/rules?version=1";

/// The content of a released file, the way a client makes it.
async fn content(server: &Server, class: Class, manifest: &str, path: &str) -> Vec<u8> {
    let manifest = server.target(class, manifest).await.unwrap();
    let file = manifest["files"].as_array().unwrap().iter().find(|file| file["path"] == path).unwrap();
    let digest = file["body"]["sha256"].as_str().unwrap();
    let blob = server.repository(class).join("blobs").join(&digest[..2]).join(digest);
    zstd::decode_all(std::fs::File::open(blob).unwrap()).unwrap()
}

#[tokio::test]
async fn every_archive_format_gives_the_same_release() {
    let server = Server::start().await;
    let plain = tar(&[("./bin/tool", b"#!/bin/sh\n"), ("data.txt", b"data")]);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain).unwrap();
    let mut zipped = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    zipped.add_directory("bin", options).unwrap();
    zipped.start_file("bin/tool", options.unix_permissions(0o755)).unwrap();
    zipped.write_all(b"#!/bin/sh\n").unwrap();
    zipped.start_file("data.txt", options).unwrap();
    zipped.write_all(b"data").unwrap();
    let archives =
        [("tar", plain), ("tgz", gzip.finish().unwrap()), ("zip", zipped.finish().unwrap().into_inner())];
    for (name, archive) in archives {
        let path = format!("/api/v1/releases/programs/{name}?version=1");
        let (status, answer) = server.upload(&path, archive).await;
        assert_eq!(status, 201, "{answer}");
        assert_eq!(answer["release"]["files"], 2);
        let manifest_name = format!("{name}/1.json");
        assert_eq!(content(&server, Class::Programs, &manifest_name, "bin/tool").await, b"#!/bin/sh\n");
        let manifest = server.target(Class::Programs, &manifest_name).await.unwrap();
        assert_eq!(manifest["files"][0]["mode"], 0o755);
    }
}

#[tokio::test]
async fn hooks_travel_in_the_manifest() {
    let server = Server::start().await;
    let options = json!({
        "install": {"command": ["./setup", "-q"], "timeout_seconds": 30},
        "probe": {"command": ["./probe"], "timeout_seconds": 5}
    });
    let publish = async |path: &str, mode: u32| {
        let mut packed = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_mode(mode);
        header.set_size(1);
        packed.append_data(&mut header, path, &b"x"[..]).unwrap();
        let answer = server
            .raw(reqwest::Method::POST, "/api/v1/releases/programs/fix")
            .query(&[("version", "7"), ("options", &options.to_string())])
            .body(packed.into_inner().unwrap());
        let answer = answer.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    // What would fail on every client is refused here.
    let (status, reply) = publish("set-up", 0o755).await;
    assert!(status == 400 && reply.contains("./setup is none of the release's files"), "{status}: {reply}");
    let (status, reply) = publish("setup", 0o644).await;
    assert!(status == 400 && reply.contains("./setup is not executable"), "{status}: {reply}");
    // The probe's program may be what the install command makes.
    let (status, reply) = publish("setup", 0o755).await;
    assert_eq!(status, 201, "{reply}");
    let manifest = server.target(Class::Programs, "fix/1.json").await.unwrap();
    assert_eq!((&manifest["install"], &manifest["probe"]), (&options["install"], &options["probe"]));
}

#[tokio::test]
async fn identical_content_costs_no_blobs() {
    let server = Server::start().await;
    let first = server.publish("components", "rules", "1", &[("a", b"same")]).await;
    let second = server.publish("components", "rules", "2", &[("a", b"same")]).await;
    assert_eq!((&first["blobs_new"], &second["blobs_new"]), (&json!(1), &json!(0)));
    assert_eq!(second["release"]["sequence"], 2);
}

#[tokio::test]
async fn the_last_fifteen_releases_are_kept() {
    let server = Server::start().await;
    for number in 1..=16 {
        let text = number.to_string();
        server.publish("components", "rules", &text, &[("a", text.as_bytes())]).await;
    }
    let view = server.get("/api/v1/releases/components/rules").await;
    let releases = view["releases"].as_array().unwrap().iter();
    let sequences: Vec<_> = releases.map(|release| release["sequence"].as_u64().unwrap()).collect();
    assert_eq!(sequences, (2..=16).rev().collect::<Vec<_>>());
    assert!(server.target(Class::Components, "rules/1.json").await.is_none());
    // A version that left the list is still taken.
    let (status, answer) = server.upload(UPLOAD, tar(&[("a", b"x")])).await;
    assert_eq!((status, answer["error"]["code"].as_str()), (409, Some("version_used")));

    let blobs = || files(&server.repository(Class::Components).join("blobs")).len();
    let services = server.running.services();
    services.publishing.collect_garbage(now()).await.unwrap();
    assert_eq!(blobs(), 16, "clients may still come for what was just dropped");
    services.publishing.collect_garbage(now() + jiff::SignedDuration::from_hours(2)).await.unwrap();
    assert_eq!(blobs(), 15);
}

#[tokio::test]
async fn rollback_withdraws_the_later_releases() {
    let server = Server::start().await;
    for version in ["1", "2", "3"] {
        server.publish("components", "rules", version, &[("a", version.as_bytes())]).await;
    }
    let path = "/api/v1/releases/components/rules/rollback";
    let view = server.ok("POST", path, Some(json!({"to": 1}))).await;
    assert_eq!((&view["current"], &view["withdrawn"]), (&json!(1), &json!([2, 3])));
    let list = server.target(Class::Components, "rules/releases.json").await.unwrap();
    assert_eq!((&list["current"], &list["withdrawn"]), (&json!(1), &json!([2, 3])));
    server.refused("POST", path, Some(json!({"to": 1})), 400, "invalid_request").await;
    server.refused("POST", path, Some(json!({"to": 9})), 400, "invalid_request").await;
    let answer = server.publish("components", "rules", "4", &[("a", b"4")]).await;
    assert_eq!(answer["release"]["sequence"], 4);
}

#[tokio::test]
async fn what_cannot_be_rolled_back_can_be_taken_out() {
    let server = Server::start().await;
    server.publish("components", "other", "1", &[("a", b"other")]).await;
    server.publish("components", "rules", "1", &[("a", b"broken")]).await;
    let path = "/api/v1/releases/components/rules";
    server.refused("DELETE", "/api/v1/releases/programs/rules", None, 404, "not_found").await;
    server.ok("DELETE", path, None).await;
    server.refused("GET", path, None, 404, "not_found").await;
    server.refused("DELETE", path, None, 404, "not_found").await;
    assert!(server.target(Class::Components, "rules/releases.json").await.is_none());
    assert!(server.target(Class::Components, "rules/1.json").await.is_none());
    let status = server.get("/api/v1/status").await;
    let repositories = status["repositories"].as_array().unwrap();
    let names = repositories.iter().find(|status| status["repository"] == "components");
    assert_eq!(names.unwrap()["names"], 1, "{status}");
    let services = server.running.services();
    services.publishing.collect_garbage(now() + jiff::SignedDuration::from_hours(2)).await.unwrap();
    assert_eq!(files(&server.repository(Class::Components).join("blobs")).len(), 1);
    // What was removed is not there already, and its version is never used again.
    for (version, content) in [("1", &b"broken"[..]), ("1", b"mended")] {
        let upload = format!("{path}?version={version}");
        let (status, reply) = server.upload(&upload, tar(&[("a", content)])).await;
        assert_eq!((status, &reply["error"]["code"]), (409, &json!("version_used")), "{reply}");
        let reply = reply["error"]["message"].as_str().unwrap();
        assert!(reply.contains("was removed") && reply.contains("another version"), "{reply}");
    }
    // Published again it goes on where it stopped, so that clients that had the broken one go forward.
    let answer = server.publish("components", "rules", "2", &[("a", b"whole")]).await;
    assert_eq!(answer["release"]["sequence"], 2);
    let audit = server.get("/api/v1/audit?after=0&limit=1000").await;
    assert!(audit.to_string().contains("release.remove"), "{audit}");
}

/// A server that was restored without the bodies of releases gets them again (C1).
#[tokio::test]
async fn the_same_content_under_the_same_version_brings_back_what_is_missing() {
    let server = Server::start().await;
    server.publish("components", "rules", "1", &[("a", b"first"), ("b", b"second")]).await;
    server.publish("components", "rules", "2", &[("a", b"third")]).await;
    let blobs = server.repository(Class::Components).join("blobs");
    let before = files(&blobs);
    std::fs::remove_dir_all(&blobs).unwrap();
    std::fs::create_dir(&blobs).unwrap();
    let missing = async || server.get("/api/v1/releases/components/rules").await["missing"].clone();
    let warned = async || server.get("/api/v1/status").await["warnings"].to_string();
    assert_eq!(missing().await, json!([2, 1]));
    assert!(warned().await.contains("components/rules 2"), "{}", warned().await);
    for (content, status) in [(&b"changed"[..], 409), (&b"first"[..], 201)] {
        let (got, answer) = server.upload(UPLOAD, tar(&[("b", b"second"), ("a", content)])).await;
        assert_eq!(got, status, "{answer}");
        if status == 201 {
            assert_eq!((&answer["again"], &answer["release"]["sequence"]), (&json!(true), &json!(1)));
        }
    }
    let view = server.get("/api/v1/releases/components/rules").await;
    assert_eq!((&view["current"], view["releases"].as_array().unwrap().len()), (&json!(2), 2));
    server
        .running
        .services()
        .publishing
        .collect_garbage(now() + jiff::SignedDuration::from_hours(2))
        .await
        .unwrap();
    let again = files(&blobs);
    assert_eq!((before.len(), again.len()), (3, 2));
    assert!(again.iter().all(|blob| before.contains(blob)), "{again:?}");
    assert_eq!(missing().await, json!([2]));
    const SECOND: &str = "/api/v1/releases/components/rules?version=2";
    server.upload(SECOND, tar(&[("a", b"third")])).await;
    assert_eq!(missing().await, json!([]));
    // One that the disk changed, and of which nobody knows yet, is replaced too.
    let body = files(&blobs).into_iter().find(|blob| !again.contains(blob)).unwrap();
    let whole = std::fs::read(&body).unwrap();
    std::fs::remove_file(&body).unwrap();
    std::fs::write(&body, vec![0; whole.len()]).unwrap();
    server.upload(SECOND, tar(&[("a", b"third")])).await;
    assert_eq!(std::fs::read(&body).unwrap(), whole);
    assert!(!warned().await.contains("components/rules"), "{}", warned().await);
}

fn bad_archives() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let special = |path: &str, kind| {
        let mut builder = tar::Builder::new(Vec::new());
        add(&mut builder, "good", E::Regular, b"good");
        add(&mut builder, path, kind, b"");
        builder.into_inner().unwrap()
    };
    let mut cut = tar(&[("a", &[7; 4000])]);
    cut.truncate(2000);
    vec![
        ("symlink", special("link", E::Symlink), "link: it is a symbolic link"),
        ("hard link", special("link", E::Link), "a hard link"),
        ("device", special("dev", E::Char), "a device"),
        ("pipe", special("pipe", E::Fifo), "a named pipe"),
        ("absolute", tar(&[("/etc/passwd", b"x")]), "/etc/passwd"),
        ("climbing", tar(&[("a/../../b", b"x")]), ".."),
        ("twice", tar(&[("a", b"x"), ("a", b"y")]), "twice"),
        ("file and folder", tar(&[("a", b"x"), ("a/b", b"y")]), "folder"),
        ("empty", tar(&[]), "no file"),
        ("no bytes", Vec::new(), "no file"),
        ("not an archive", vec![b'x'; 2048], "cannot be read"),
        ("cut short", cut, "a: it cannot be packed"),
        ("zip cut short", b"PK\x03\x04".to_vec(), "cannot be read"),
        ("gzip cut short", vec![0x1f, 0x8b, 8, 0], "cannot be read"),
    ]
}

#[tokio::test]
async fn bad_archives_are_refused_by_name_and_leave_nothing() {
    let server = Server::start().await;
    let version = async || server.get("/api/v1/status").await["repositories"][2]["targets_version"].clone();
    let before = version().await;
    for (name, archive, word) in bad_archives() {
        let (status, answer) = server.upload(UPLOAD, archive).await;
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(status == 422 || status == 400, "{name}: {status} {answer}");
        assert!(message.contains(word), "{name}: {message}");
    }
    assert_eq!(version().await, before);
    assert_eq!(server.get("/api/v1/releases").await["items"], json!([]));
    server.running.services().publishing.collect_garbage(now()).await.unwrap();
    assert_eq!(files(&server.repository(Class::Components).join("blobs")).len(), 0);
    assert_eq!(files(&server.folder.path().join("uploads")).len(), 0);
}

#[tokio::test]
async fn an_archive_over_the_limit_is_refused() {
    let server = Server::start().await;
    let (status, answer) = server.upload(UPLOAD, vec![0; 8 * 1024 * 1024 + 1]).await;
    assert_eq!((status, answer["error"]["code"].as_str()), (413, Some("too_large")), "{answer}");
}

#[tokio::test]
async fn an_upload_that_breaks_off_publishes_nothing() {
    use tokio::io::AsyncWriteExt;
    let server = Server::start().await;
    let mut connection = tokio::net::TcpStream::connect(server.running.console_addr).await.unwrap();
    let head = upload_head(&server);
    connection.write_all(head.as_bytes()).await.unwrap();
    connection.write_all(&tar(&[("a", b"x")])).await.unwrap();
    drop(connection);
    assert_eq!(server.get("/api/v1/releases").await["items"], json!([]));
    // Other content would be refused if the version had been used.
    server.publish("components", "rules", "1", &[("a", b"y")]).await;
}

#[tokio::test]
async fn so_many_uploads_at_once_and_no_more() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let server = Server::start().await;
    // The server asks for the content of an upload once it has a place.
    let head = upload_head(&server).replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n");
    let begin = async || {
        let mut connection = tokio::net::TcpStream::connect(server.running.console_addr).await.unwrap();
        connection.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        connection.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 100");
        connection
    };
    let mut open = Vec::new();
    for _ in 0..headwater_server::limits::UPLOADS_MAX {
        open.push(begin().await);
    }
    let answer = async || server.upload(UPLOAD, Vec::new()).await.0;
    assert_eq!(answer().await, 503, "no more are taken");
    for connection in open {
        leave(connection).await;
    }
    assert_eq!(answer().await, 422, "one that is not even an archive is taken, and refused for that");
}

/// What a killed server leaves is either the old state or the new one, and the next start is whole.
async fn check_crash(point: &str, published: bool) {
    let server = Server::start().await;
    server.publish("components", "rules", "1", &[("a", b"one")]).await;
    fail::cfg(point, "1*return").unwrap();
    let path = "/api/v1/releases/components/rules?version=2";
    let (status, _) = server.upload(path, tar(&[("a", b"two")])).await;
    assert_eq!(status, 500);
    // Clients see the old state, whole, until the server is there again.
    let list = server.target(Class::Components, "rules/releases.json").await.unwrap();
    assert_eq!(list["current"], 1, "{point:?}");

    let server = server.restart().await;
    let view = server.get("/api/v1/releases/components/rules").await;
    let list = server.target(Class::Components, "rules/releases.json").await.unwrap();
    let current = if published { 2 } else { 1 };
    assert_eq!((&view["current"], &list["current"]), (&json!(current), &json!(current)), "{point:?}");
    server.running.services().publishing.collect_garbage(now()).await.unwrap();
    let blobs = files(&server.repository(Class::Components).join("blobs")).len();
    assert_eq!(blobs, current, "{point:?}");
    let version = if published { "3" } else { "2" };
    let answer = server.publish("components", "rules", version, &[("a", b"three")]).await;
    assert_eq!(answer["release"]["sequence"], current + 1);
    let manifest = format!("rules/{}.json", current + 1);
    assert_eq!(content(&server, Class::Components, &manifest, "a").await, b"three");
}

#[tokio::test]
async fn killed_after_storing_bodies() {
    check_crash("publishing::bodies_stored", false).await;
}

#[tokio::test]
async fn killed_after_staging() {
    check_crash("publishing::staged", false).await;
}

#[tokio::test]
async fn killed_after_saving() {
    check_crash("publishing::saved", true).await;
}

/// What an archive is made to unpack to, and not what it seems to be (C2).
#[tokio::test]
async fn a_zip_that_unpacks_to_more_than_it_is_is_refused() {
    let server = Server::start().await;
    let zeros = vec![0; 1 << 20];
    let zip = || {
        let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for name in ["rules", "ruled"] {
            writer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
            writer.write_all(&zeros).unwrap();
        }
        writer.finish().unwrap().into_inner()
    };
    let positions = |bytes: &[u8], wanted: &[u8]| -> Vec<usize> {
        (0..bytes.len() - wanted.len()).filter(|at| bytes[*at..].starts_with(wanted)).collect()
    };
    let (mut twice, mut overlapping, mut lying) = (zip(), zip(), zip());
    for at in positions(&twice, b"ruled") {
        twice[at + 4] = b's';
    }
    let second = positions(&overlapping, b"PK\x01\x02")[1];
    overlapping[second + 42..second + 46].fill(0);
    for at in positions(&lying, &(1_u32 << 20).to_le_bytes()) {
        lying[at..at + 4].copy_from_slice(&[1, 0, 0, 0]);
    }
    for (archive, words) in [
        (twice, "the name is in it twice"),
        (overlapping, "share their bytes"),
        (lying, "larger than its declared uncompressed size"),
    ] {
        let (status, answer) = server.upload(UPLOAD, archive).await;
        assert_eq!(status, 422, "{answer}");
        assert!(answer.to_string().contains(words), "{answer}");
    }
}
