//! Drafts of what is set at a domain: two administrators, history, diff, restore, crashes (S7).

use headwater_server::limits;
use serde_json::{Value, json};

use crate::harness::Server;

const PARIS: &str = "/api/v1/domains/root%2Fparis";

/// A server with the domains root, root/paris and root/paris/lab.
async fn start() -> Server {
    let server = Server::start().await;
    for path in ["root/paris", "root/paris/lab"] {
        server.ok("POST", "/api/v1/domains", Some(json!({"path": path}))).await;
    }
    server
}

fn poll(minutes: u32) -> Value {
    json!({"settings": {"poll_interval_minutes": minutes}})
}

fn at(domain: &str, rest: &str) -> String {
    format!("/api/v1/domains/{}{rest}", domain.replace('/', "%2F"))
}

async fn edit(server: &Server, domain: &str, draft: &str, edit: Value) -> Value {
    server.ok("POST", &at(domain, &format!("/drafts/{draft}/edits")), Some(json!({"edit": edit}))).await
}

async fn save(server: &Server, domain: &str, draft: &str) -> Value {
    let request = json!({"comment": format!("by {draft}")});
    server.ok("POST", &at(domain, &format!("/drafts/{draft}/save")), Some(request)).await
}

async fn signed(server: &Server, domain: &str) -> Value {
    server.domain(domain).await.unwrap()
}

fn texts(changes: &Value) -> Vec<&str> {
    changes.as_array().unwrap().iter().map(|change| change["text"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn edits_gather_until_save_and_no_client_sees_any_of_it() {
    let server = start().await;
    let before = signed(&server, "root/paris").await;
    edit(&server, "root/paris", "default", poll(5)).await;
    let more = json!({"values": {"level": 3}, "files": {"etc/motd": "hi"}});
    let draft = edit(&server, "root/paris", "default", more).await;
    assert_eq!((&draft["revision"], &draft["base_version"]), (&json!(2), &json!(1)));
    let changes = ["setting poll_interval_minutes set to 5", "value level set to 3", "file etc/motd added"];
    assert_eq!(texts(&draft["changes"]), changes);
    assert_eq!(signed(&server, "root/paris").await, before);
    let view = server.get(PARIS).await;
    assert_eq!(
        (&view["settings"], &view["drafts"]),
        (
            &json!({}),
            &json!([{"owner": "local/harness", "owner_name": "local (token harness)", "name": "default"}])
        )
    );
    // It outlives the server.
    let server = server.restart().await;
    let after = server.get(&at("root/paris", "/drafts/default")).await;
    assert_eq!((&after["revision"], &after["changes"]), (&draft["revision"], &draft["changes"]));

    let saved = save(&server, "root/paris", "default").await;
    assert_eq!((&saved["version"], texts(&saved["changes"])), (&json!(2), changes.to_vec()));
    assert_eq!(saved["domains"], json!(["root/paris", "root/paris/lab"]));
    for domain in ["root/paris", "root/paris/lab"] {
        let document = signed(&server, domain).await;
        assert_eq!(document["settings"]["poll_interval_minutes"], 5, "{domain}");
        assert_eq!((&document["values"]["level"], &document["files"]["etc/motd"]), (&json!(3), &json!("hi")));
    }
    assert_eq!(server.get(&at("root/paris", "/drafts")).await["items"], json!([]));
    // Saving what changes nothing makes no version.
    let again = save(&server, "root/paris", "default").await;
    assert_eq!(
        (&again["version"], &again["unchanged"], &again["domains"]),
        (&json!(2), &json!(true), &json!([]))
    );
}

#[tokio::test]
async fn two_administrators_never_overwrite_each_other_silently() {
    let server = start().await;
    edit(&server, "root/paris", "ann", poll(5)).await;
    edit(&server, "root/paris", "bob", poll(7)).await;
    save(&server, "root/paris", "ann").await;
    let bob = at("root/paris", "/drafts/bob/save");
    let error = server.refused("POST", &bob, Some(json!({})), 409, "draft_outdated").await;
    assert_eq!((&error["details"]["saved_version"], &error["details"]["draft"]), (&json!(2), &json!("bob")));
    assert_eq!(texts(&error["details"]["changes"]), ["setting poll_interval_minutes set to 5"]);
    assert_eq!(server.get(PARIS).await["saved_version"], 2);
    // Having seen version 2, Bob saves over it; having seen another, he does not.
    server.refused("POST", &bob, Some(json!({"over_version": 1})), 409, "draft_outdated").await;
    let saved = server.ok("POST", &bob, Some(json!({"over_version": 2}))).await;
    assert_eq!(texts(&saved["changes"]), ["setting poll_interval_minutes: 5 became 7"]);
    // The same draft, edited twice from the same revision.
    edit(&server, "root/paris", "both", poll(8)).await;
    let late = json!({"edit": poll(9), "expected_revision": 0});
    let edits = at("root/paris", "/drafts/both/edits");
    let error = server.refused("POST", &edits, Some(late), 409, "draft_changed").await;
    let details = json!({"draft": "both", "owner": null, "domain": "root/paris", "revision": 1});
    assert_eq!(error["details"], details);
}

#[tokio::test]
async fn an_edit_in_one_step_is_checked_against_the_version_that_was_seen() {
    let server = start().await;
    server.set("root/paris", poll(5)).await;
    let settings = at("root/paris", "/settings");
    let late = |base: u32| json!({"edit": {"settings": {"idle_timeout_seconds": 9}}, "base_version": base});
    let error = server.refused("PATCH", &settings, Some(late(1)), 409, "draft_outdated").await;
    assert_eq!(error["details"]["draft"], Value::Null);
    assert_eq!(texts(&error["details"]["changes"]), ["setting poll_interval_minutes set to 5"]);
    let saved = server.ok("PATCH", &settings, Some(late(2))).await;
    assert_eq!((&saved["version"], &saved["domains"]), (&json!(3), &json!(["root/paris", "root/paris/lab"])));
    let view = server.get(PARIS).await;
    assert_eq!(view["settings"], json!({"poll_interval_minutes": 5, "idle_timeout_seconds": 9}));
    // A draft that began before is outdated by it, as by any other save.
    edit(&server, "root/paris", "ann", poll(7)).await;
    server.set("root/paris", poll(8)).await;
    server
        .refused("POST", &at("root/paris", "/drafts/ann/save"), Some(json!({})), 409, "draft_outdated")
        .await;
}

#[tokio::test]
async fn a_save_above_or_below_makes_no_draft_outdated() {
    let server = start().await;
    edit(&server, "root/paris", "ann", poll(5)).await;
    let before = signed(&server, "root/paris").await["typed_version"].as_u64();
    server.set("root", json!({"settings": {"idle_timeout_seconds": 9}})).await;
    server.set("root/paris/lab", poll(7)).await;
    assert!(signed(&server, "root/paris").await["typed_version"].as_u64() > before);
    let saved = save(&server, "root/paris", "ann").await;
    assert_eq!((&saved["version"], &saved["domains"]), (&json!(2), &json!(["root/paris"])));
    let document = signed(&server, "root/paris").await["settings"].clone();
    assert_eq!(
        (&document["poll_interval_minutes"], &document["idle_timeout_seconds"]),
        (&json!(5), &json!(9))
    );
}

#[tokio::test]
async fn what_was_brought_back_makes_no_draft_outdated() {
    let server = start().await;
    edit(&server, "root/paris", "ann", poll(5)).await;
    server.set("root/paris", poll(7)).await;
    let restore = json!({"version": 1, "expected_version": 2});
    server.ok("POST", &at("root/paris", "/restore"), Some(restore)).await;
    assert_eq!(save(&server, "root/paris", "ann").await["version"], 4);
}

#[tokio::test]
async fn a_version_that_gives_clients_nothing_new_is_kept_and_signs_nothing() {
    let server = start().await;
    server.set("root", poll(5)).await;
    let before = signed(&server, "root/paris").await;
    let saved = server.set("root/paris", poll(5)).await;
    assert_eq!((&saved["version"], &saved["unchanged"]), (&json!(2), &json!(false)));
    assert_eq!(saved["domains"], json!([]));
    assert_eq!(signed(&server, "root/paris").await, before);
    // From now on it holds against the root.
    assert_eq!(server.set("root", poll(6)).await["domains"], json!(["root"]));
}

#[tokio::test]
async fn every_version_is_kept_shown_as_a_diff_and_restored() {
    let server = start().await;
    for minutes in [5, 7] {
        edit(&server, "root/paris", "ann", poll(minutes)).await;
        save(&server, "root/paris", "ann").await;
    }
    let history = server.get(&at("root/paris", "/history")).await;
    let items = history["items"].as_array().unwrap().iter();
    let lines = items.map(|item| json!([item["version"], item["comment"], item["items"]]));
    let expected = [json!([3, "by ann", 1]), json!([2, "by ann", 1]), json!([1, "domain added", 0])];
    assert_eq!(lines.collect::<Vec<_>>(), expected);
    let page = server.get(&at("root/paris", "/history?limit=2")).await;
    let rest = server.get(&at("root/paris", &format!("/history?limit=2&before={}", page["next"]))).await;
    assert_eq!((&rest["items"][0]["version"], &rest["next"]), (&json!(1), &Value::Null));
    let then = server.get(&at("root/paris", "/history/2")).await;
    assert_eq!(then["settings"], json!({"poll_interval_minutes": 5}));
    let diff = async |query: &str| server.get(&at("root/paris", &format!("/diff?{query}"))).await;
    let changes = diff("from=2&to=3").await["changes"].clone();
    let change = json!([{
        "part": "setting", "key": "poll_interval_minutes", "before": 5, "after": 7,
        "text": "setting poll_interval_minutes: 5 became 7"
    }]);
    assert_eq!(changes, change);
    assert_eq!(diff("from=2").await["changes"], change, "to the current one");
    edit(&server, "root/paris", "bob", json!({"settings": {"poll_interval_minutes": null}})).await;
    let of_draft = diff("from=3&draft=bob").await["changes"].clone();
    assert_eq!(texts(&of_draft), ["setting poll_interval_minutes cleared, was 7"]);

    let restore = |version, expected| Some(json!({"version": version, "expected_version": expected}));
    let path = at("root/paris", "/restore");
    server.refused("POST", &path, restore(2, 2), 409, "version_moved").await;
    let saved = server.ok("POST", &path, restore(2, 3)).await;
    assert_eq!((&saved["version"], &saved["changes"][0]["after"]), (&json!(4), &json!(5)));
    assert_eq!(signed(&server, "root/paris/lab").await["settings"]["poll_interval_minutes"], 5);
    assert_eq!(server.get(&at("root/paris", "/history/4")).await["comment"], "version 2 restored");
    assert_eq!(server.ok("POST", &path, restore(2, 4)).await["unchanged"], true);
}

#[tokio::test]
async fn a_domain_goes_with_no_unsaved_draft_in_it_and_comes_back_with_its_history() {
    let server = start().await;
    server.set("root/paris/lab", poll(5)).await;
    let lab = at("root/paris/lab", "");
    edit(&server, "root/paris/lab", "ann", poll(7)).await;
    let error = server.refused("DELETE", &lab, None, 409, "domain_not_empty").await;
    assert!(error["message"].as_str().unwrap().contains("1 unsaved drafts"), "{error}");
    server.ok("DELETE", &at("root/paris/lab", "/drafts/ann"), None).await;
    server.ok("DELETE", &lab, None).await;
    server.refused("GET", &at("root/paris/lab", "/history"), None, 404, "not_found").await;

    let again = server.ok("POST", "/api/v1/domains", Some(json!({"path": "root/paris/lab"}))).await;
    assert_eq!((&again["settings"], &again["saved_version"]), (&json!({}), &json!(4)));
    // What was seen before it went is not taken for what is there now.
    let late = json!({"edit": poll(9), "base_version": 2});
    server.refused("PATCH", &at("root/paris/lab", "/settings"), Some(late), 409, "draft_outdated").await;
    let history = server.get(&at("root/paris/lab", "/history")).await;
    let comments = history["items"].as_array().unwrap().iter().map(|item| item["comment"].as_str().unwrap());
    assert_eq!(comments.collect::<Vec<_>>(), ["domain added", "domain removed", "", "domain added"]);
    let restore = json!({"version": 2, "expected_version": 4});
    server.ok("POST", &at("root/paris/lab", "/restore"), Some(restore)).await;
    assert_eq!(signed(&server, "root/paris/lab").await["settings"]["poll_interval_minutes"], 5);
}

#[tokio::test]
async fn nothing_is_saved_unsigned_nor_signed_unsaved() {
    for (point, minutes, version, drafts) in
        [("publishing::staged", 60, 1, 1), ("publishing::saved", 5, 2, 0)]
    {
        let server = start().await;
        edit(&server, "root/paris", "default", poll(5)).await;
        fail::cfg(point, "1*return").unwrap();
        let path = at("root/paris", "/drafts/default/save");
        assert_eq!(server.ask("POST", &path, Some(json!({}))).await.0, 500);
        let server = server.restart().await;
        let view = server.get(PARIS).await;
        assert_eq!(view["effective"], signed(&server, "root/paris").await, "{point:?}");
        let got = &view["effective"]["settings"]["poll_interval_minutes"];
        assert_eq!((got, &view["saved_version"]), (&json!(minutes), &json!(version)), "{point:?}");
        assert_eq!(view["drafts"].as_array().unwrap().len(), drafts, "{point:?}");
        let history = server.get(&at("root/paris", "/history")).await;
        assert_eq!(history["items"].as_array().unwrap().len() as u64, version, "{point:?}");
        // What was not saved can be saved now.
        assert_eq!(save(&server, "root/paris", "default").await["version"], 2, "{point:?}");
        assert_eq!(signed(&server, "root/paris").await["settings"]["poll_interval_minutes"], 5);
    }
}

#[tokio::test]
async fn one_draft_too_many_is_refused() {
    let server = start().await;
    let edits = |number: u64| at("root/paris", &format!("/drafts/d{number}/edits"));
    for number in 1..=limits::DOMAIN_DRAFTS_MAX {
        server.ok("POST", &edits(number), Some(json!({"edit": poll(5)}))).await;
    }
    let of_another = at("root", "/drafts/default/edits");
    server.refused("POST", &of_another, Some(json!({"edit": poll(5)})), 413, "too_large").await;
    server.ok("POST", &edits(1), Some(json!({"edit": poll(6)}))).await;
}
