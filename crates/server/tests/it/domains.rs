//! The domain tree and what its clients get (D1, D2).

use headwater_server::limits;
use serde_json::json;

use crate::harness::Server;

const PARIS: &str = "/api/v1/domains/root%2Fparis";
const PARIS_SETTINGS: &str = "/api/v1/domains/root%2Fparis/settings";

#[tokio::test]
async fn a_tree_grows_and_is_cut_only_where_empty() {
    let server = Server::start().await;
    let add = |path: &str| Some(json!({"path": path}));
    server.refused("POST", "/api/v1/domains", add("root/paris/lab"), 404, "not_found").await;
    server.ok("POST", "/api/v1/domains", add("root/paris")).await;
    server.refused("POST", "/api/v1/domains", add("root/paris"), 409, "exists").await;
    server.ok("POST", "/api/v1/domains", add("root/paris/lab")).await;
    server.refused("DELETE", PARIS, None, 409, "domain_not_empty").await;
    server.ok("DELETE", "/api/v1/domains/root%2Fparis%2Flab", None).await;
    assert!(server.domain("root/paris/lab").await.is_none());
    server.check_in("pc-1", "root/paris", "10.0.0.1").await;
    server.refused("DELETE", PARIS, None, 409, "domain_not_empty").await;
    let to_root = json!({"clients": ["pc-1"], "domain": "root"});
    server.ok("POST", "/api/v1/clients/move", Some(to_root)).await;
    server.ok("DELETE", PARIS, None).await;
    server.refused("DELETE", "/api/v1/domains/root", None, 422, "not_for_root").await;
    server.refused("GET", PARIS, None, 404, "not_found").await;
}

#[tokio::test]
async fn the_nearest_explicit_value_counts_and_only_changed_domains_are_signed_again() {
    let server = Server::start().await;
    for path in ["root/paris", "root/paris/lab", "root/rome"] {
        server.ok("POST", "/api/v1/domains", Some(json!({"path": path}))).await;
    }
    let signed = async |path: &str| server.domain(path).await.unwrap();
    let (lab, rome) = (signed("root/paris/lab").await, signed("root/rome").await);
    let edit = json!({
        "settings": {"poll_interval_minutes": 5}, "values": {"level": 3}, "files": {"etc/motd": "hi"}
    });
    let saved = server.set("root/paris", edit).await;
    assert_eq!(saved["domains"], json!(["root/paris", "root/paris/lab"]));
    let view = server.get(PARIS).await;
    assert_eq!(view["settings"], json!({"poll_interval_minutes": 5}));
    assert_eq!(view["effective"]["settings"]["poll_interval_minutes"], 5);

    let after = signed("root/paris/lab").await;
    let minutes = &after["settings"]["poll_interval_minutes"];
    assert_eq!((minutes, &after["values"]["level"]), (&json!(5), &json!(3)));
    assert_eq!(after["files"]["etc/motd"], "hi");
    assert!(after["version"].as_u64() > lab["version"].as_u64());
    assert_eq!(signed("root/rome").await, rome);

    let lab_edit = json!({"settings": {"poll_interval_minutes": 7}, "values": {"level": 4}});
    server.set("root/paris/lab", lab_edit).await;
    let clear = json!({"settings": {"poll_interval_minutes": null}, "files": {"etc/motd": null}});
    server.set("root/paris", clear).await;
    let lab = signed("root/paris/lab").await;
    let minutes = &lab["settings"]["poll_interval_minutes"];
    assert_eq!((minutes, &lab["values"]["level"], &lab["files"]), (&json!(7), &json!(4), &json!({})));
    assert_eq!(signed("root/paris").await["settings"]["poll_interval_minutes"], 60);

    // Each of the two documents keeps its version while it stays the same.
    let before = signed("root/rome").await;
    server.set("root/rome", json!({"settings": {"poll_interval_minutes": 9}})).await;
    let typed = signed("root/rome").await;
    assert_eq!(typed["version"], before["version"]);
    assert!(typed["typed_version"].as_u64() > before["typed_version"].as_u64());
    server.set("root/rome", json!({"values": {"level": 1}})).await;
    let free = signed("root/rome").await;
    assert_eq!(free["typed_version"], typed["typed_version"]);
    assert!(free["version"].as_u64() > typed["typed_version"].as_u64());
}

#[tokio::test]
async fn a_domain_added_again_never_seems_older() {
    let server = Server::start().await;
    server.ok("POST", "/api/v1/domains", Some(json!({"path": "root/paris"}))).await;
    let edit = json!({"settings": {"poll_interval_minutes": 5}});
    server.set("root/paris", edit).await;
    let before = server.get(PARIS).await["effective"]["version"].as_u64();
    server.ok("DELETE", PARIS, None).await;
    let again = server.ok("POST", "/api/v1/domains", Some(json!({"path": "root/paris"}))).await;
    assert!(again["effective"]["version"].as_u64() > before);
}

#[tokio::test]
async fn bad_settings_change_nothing() {
    let server = Server::start().await;
    server.ok("POST", "/api/v1/domains", Some(json!({"path": "root/paris"}))).await;
    let before = server.get(PARIS).await;
    let long = "x".repeat(limits::EXTRA_NAME_BYTES_MAX + 1);
    let many =
        |count: usize| (0..count).map(|n| (n.to_string(), json!(n))).collect::<serde_json::Map<_, _>>();
    for (edit, word) in [
        (json!({"settings": {"pol": 5}}), "pol"),
        (json!({"settings": {"pol": null}}), "pol"),
        (json!({"settings": {"poll_interval_minutes": 0}}), "poll_interval_minutes"),
        (json!({"settings": {"poll_interval_minutes": 129_601}}), "129600"),
        (
            json!({"settings": {"poll_interval_minutes": "5"}}),
            "poll_interval_minutes is \"5\" and must be a whole number",
        ),
        (json!({"settings": {"probe_command": "x"}}), "probe_command is \"x\" and must be a list of texts"),
        (json!({"settings": {"download_from_vendor": true}, "files": {"../x": "y"}}), ".."),
        (json!({"files": {"/etc/passwd": "y"}}), "/etc/passwd"),
        (json!({"files": {"a": "y", "a/b": "y"}}), "folder"),
        (json!({"values": {long: 1}}), "255"),
        (json!({"values": many(limits::DOMAIN_EXTRAS_MAX + 1)}), "1000"),
        (json!({"files": {"big": "x".repeat(limits::DOMAIN_EXTRAS_BYTES_MAX)}}), "1048576"),
    ] {
        let edits = format!("{PARIS}/drafts/default/edits");
        for (method, path, request) in [
            ("PATCH", PARIS_SETTINGS, json!({"edit": edit, "base_version": 1})),
            ("POST", edits.as_str(), json!({"edit": edit})),
        ] {
            let error = server.refused(method, path, Some(request), 400, "invalid_request").await;
            assert!(error["message"].as_str().unwrap().contains(word), "{word}: {error}");
        }
    }
    assert_eq!(server.get(PARIS).await, before);
    server.set("root/paris", json!({"values": many(limits::DOMAIN_EXTRAS_MAX)})).await;
}
