//! The source list: drafts, two administrators, the limit, preview, history, explain (S2, S6–S10).

use headwater_api::policy::OptionsDocument;
use headwater_policy::Repository;
use serde_json::{Value, json};

use crate::harness::{Server, add_edit, entry};

const A: &str = "http://10.0.0.1:8080/hw";
const B: &str = "http://10.0.0.2:8080/hw";
const C: &str = "http://10.0.0.3:8080/hw";
const RANGE: &str = "10.1.0.0-10.1.255.255";

async fn edit(server: &Server, draft: &str, edits: Vec<Value>) -> Value {
    server.ok("POST", &format!("/api/v1/drafts/{draft}/edits"), Some(json!({"edits": edits}))).await
}

async fn save(server: &Server, draft: &str) -> Value {
    server.ok("POST", &format!("/api/v1/drafts/{draft}/save"), Some(json!({"comment": "c"}))).await
}

async fn signed(server: &Server) -> Value {
    server.target(Repository::Policy, "policy.json").await.unwrap()
}

fn urls(policy: &Value) -> Vec<&str> {
    policy["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["source"]["url"].as_str().unwrap())
        .collect()
}

fn document(server: &Server, entries: usize) -> Value {
    let server = json!({"url": server.running.fleet_url});
    let options = OptionsDocument::default();
    let entries = vec![entry(RANGE, A); entries];
    json!({"mode": "customized", "options": options, "server": server, "update_agents": [], "entries": entries})
}

#[tokio::test]
async fn edits_gather_until_save_and_then_are_signed() {
    let server = Server::start().await;
    edit(&server, "default", vec![add_edit(RANGE, A), add_edit(RANGE, B)]).await;
    let mode = json!({"op": "set_mode", "mode": "customized"});
    edit(&server, "default", vec![json!({"op": "move_up", "number": 2}), mode]).await;
    let first = json!({"op": "add", "entry": entry(RANGE, C), "at": 1});
    let draft = edit(&server, "default", vec![first]).await;
    assert_eq!(urls(&draft["policy"]), [C, B, A]);
    let edits = vec![json!({"op": "remove", "numbers": [1]}), json!({"op": "move_to", "number": 2, "to": 1})];
    let draft = edit(&server, "default", edits).await;
    assert_eq!((urls(&draft["policy"]), &draft["revision"]), (vec![A, B], &json!(4)));
    // No client sees any of it.
    assert_eq!(signed(&server).await["version"], 1);

    let saved = save(&server, "default").await;
    assert_eq!((&saved["version"], &saved["unchanged"]), (&json!(2), &json!(false)));
    let policy = signed(&server).await["policy"].clone();
    assert_eq!((urls(&policy), &policy["mode"]), (vec![A, B], &json!("customized")));
    assert_eq!(server.get("/api/v1/drafts").await["items"], json!([]));
    // Saving what changes nothing makes no version.
    assert_eq!(save(&server, "default").await["unchanged"], true);
    assert_eq!(server.get("/api/v1/sources").await["version"], 2);
}

#[tokio::test]
async fn two_administrators_never_overwrite_each_other_silently() {
    let server = Server::start().await;
    edit(&server, "ann", vec![add_edit(RANGE, A)]).await;
    edit(&server, "bob", vec![add_edit(RANGE, B)]).await;
    save(&server, "ann").await;
    let bob = "/api/v1/drafts/bob/save";
    let error = server.refused("POST", bob, Some(json!({})), 409, "draft_outdated").await;
    assert_eq!(error["details"]["saved_version"], 2);
    assert!(error["details"]["changes"][0]["text"].as_str().unwrap().contains(A), "{error}");
    assert_eq!(server.get("/api/v1/sources").await["version"], 2);
    // Having seen version 2, Bob saves over it; having seen another, he does not.
    server.refused("POST", bob, Some(json!({"over_version": 1})), 409, "draft_outdated").await;
    server.ok("POST", bob, Some(json!({"over_version": 2}))).await;
    assert_eq!(urls(&server.get("/api/v1/sources").await["policy"]), [B]);
    // The same draft, edited twice from the same revision.
    edit(&server, "both", vec![add_edit(RANGE, A)]).await;
    let edits = json!({"edits": [add_edit(RANGE, A)], "expected_revision": 0});
    server.refused("POST", "/api/v1/drafts/both/edits", Some(edits), 409, "draft_changed").await;
}

#[tokio::test]
async fn a_role_given_meanwhile_makes_no_draft_outdated() {
    let server = Server::start().await;
    edit(&server, "ann", vec![add_edit(RANGE, A)]).await;
    server.check_in("ua-1", "root", "10.0.0.9").await;
    server.ok("PUT", "/api/v1/update-agents/ua-1", Some(json!({"classes": ["components"]}))).await;
    save(&server, "ann").await;
    let policy = signed(&server).await["policy"].clone();
    assert_eq!((&policy["update_agents"][0]["id"], urls(&policy)), (&json!("ua-1"), vec![A]));
}

#[tokio::test]
async fn the_1025th_entry_is_refused_by_every_way_in() {
    let server = Server::start().await;
    let path = "/api/v1/drafts/default";
    let import = |entries| json!({"policy": document(&server, entries)});
    server.ok("PUT", path, Some(import(1024))).await;
    server.refused("PUT", path, Some(import(1025)), 422, "invalid_list").await;
    let one = json!({"edits": [add_edit(RANGE, A)]});
    let error = server.refused("POST", &format!("{path}/edits"), Some(one), 422, "invalid_list").await;
    assert!(error["message"].as_str().unwrap().contains("1024"), "{error}");
    let none = json!({"edits": [{"op": "remove", "numbers": [2000]}]});
    let error = server.refused("POST", &format!("{path}/edits"), Some(none), 422, "invalid_list").await;
    let message = error["message"].as_str().unwrap();
    assert_eq!(
        message, "the source list cannot be taken: there is no entry 2000: the source list has 1024",
        "the number once, though the problem is of an entry"
    );
    let draft = server.get(path).await;
    assert_eq!((urls(&draft["policy"]).len(), &draft["revision"]), (1024, &json!(1)));
    // By edits alone.
    let edits = |count| json!({"edits": vec![add_edit(RANGE, A); count]});
    server.ok("POST", "/api/v1/drafts/other/edits", Some(edits(1024))).await;
    server.refused("POST", "/api/v1/drafts/third/edits", Some(edits(1025)), 422, "invalid_list").await;
    assert_eq!(server.get("/api/v1/drafts/third").await["revision"], 0);
    server.ok("POST", "/api/v1/drafts/other/save", Some(json!({}))).await;
    assert_eq!(urls(&signed(&server).await["policy"]).len(), 1024);
}

#[tokio::test]
async fn every_problem_of_an_import_is_listed_by_entry() {
    let server = Server::start().await;
    let check = async |policy: &Value, entries: &[u64]| {
        let body = Some(json!({"policy": policy}));
        let error = server.refused("PUT", "/api/v1/drafts/default", body, 422, "invalid_list").await;
        let problems = error["details"]["problems"].as_array().unwrap().iter();
        assert_eq!(problems.map(|problem| problem["entry"].as_u64().unwrap()).collect::<Vec<_>>(), entries);
    };
    let mut policy = document(&server, 4);
    policy["entries"][0]["clients"]["ipv4"] = json!("10.0.0.9-10.0.0.1");
    policy["entries"][3]["source"]["url"] = json!("ftp://x");
    check(&policy, &[1, 4]).await;
    policy["entries"][0]["clients"]["ipv4"] = json!(RANGE);
    policy["entries"][3] = entry(RANGE, A);
    assert_eq!(server.get("/api/v1/drafts/default").await["revision"], 0);
}

/// An entry that cannot be saved hinders nothing but saving.
#[tokio::test]
async fn a_draft_with_a_broken_entry_is_imported_compared_and_explained() {
    let server = Server::start().await;
    let mut policy = document(&server, 2);
    policy["mode"] = json!("customized");
    policy["entries"][0]["source"] = json!({"update_agent": "nobody"});
    let draft = server.ok("PUT", "/api/v1/drafts/default", Some(json!({"policy": policy}))).await;
    let note = draft["notes"][0].as_str().unwrap();
    assert!(note.starts_with("cannot be saved yet: entry 1"), "{draft}");
    let diff = server.get("/api/v1/sources/diff?from=1&draft=default").await;
    assert!(diff["changes"].to_string().contains("nobody"), "{diff}");
    let plans = server.get("/api/v1/explain?addresses=10.1.0.1&draft=default").await;
    assert_eq!(plans["plans"]["components"]["steps"][0]["entry"], 2, "{plans}");
    let preview = server.ok("POST", "/api/v1/drafts/default/preview", None).await;
    assert_eq!(
        (&preview["errors"][0]["entry"], &preview["plans_changed"]),
        (&json!(1), &Value::Null),
        "{preview}"
    );
    server.refused("POST", "/api/v1/drafts/default/save", Some(json!({})), 422, "invalid_list").await;
}

/// What restoring would do is shown before anything is changed.
#[tokio::test]
async fn a_version_is_previewed_before_it_is_restored() {
    let server = Server::start().await;
    let mode = json!({"op": "set_mode", "mode": "customized"});
    edit(&server, "default", vec![mode, add_edit(RANGE, A)]).await;
    save(&server, "default").await;
    server.check_in("pc-1", "root", "10.1.0.1").await;
    let preview = server.ok("POST", "/api/v1/sources/history/1/preview", None).await;
    assert_eq!((&preview["plans_changed"], &preview["errors"]), (&json!(1), &json!([])), "{preview}");
    assert!(preview["changes"].to_string().contains(A), "{preview}");
    assert_eq!(server.get("/api/v1/sources").await["version"], 2);
    server.refused("POST", "/api/v1/sources/history/9/preview", None, 404, "not_found").await;
}

/// A mirror knows no certificates: a revoked client goes on reading there.
#[tokio::test]
async fn who_revokes_or_removes_a_client_learns_where_it_goes_on_reading() {
    let server = Server::start().await;
    edit(&server, "default", vec![add_edit(RANGE, A), add_edit("10.9.0.0-10.9.0.9", B)]).await;
    save(&server, "default").await;
    server.check_in("pc-1", "root", "10.1.0.1").await;
    let expected = json!({
        "sources": [{"url": A, "entries": [1], "selects": true}, {"url": B, "entries": [2], "selects": false}],
        "anonymous_components": false
    });
    let revoked = server.ok("POST", "/api/v1/clients/pc-1/revoke", None).await;
    assert_eq!(revoked["readable"], expected);
    let removed = server.ok("DELETE", "/api/v1/clients/pc-1", None).await;
    assert_eq!((&removed["client"], &removed["readable"]), (&json!("pc-1"), &expected));
}

#[tokio::test]
async fn what_an_import_does_not_take_is_noted() {
    let server = Server::start().await;
    let mut policy = document(&server, 1);
    policy["server"]["url"] = json!("https://elsewhere.example");
    policy["vendor"] = json!({"url": "https://vendor.example"});
    let draft = server.ok("PUT", "/api/v1/drafts/default", Some(json!({"policy": policy}))).await;
    assert_eq!(draft["notes"].as_array().unwrap().len(), 2, "{draft}");
    assert_eq!(draft["policy"]["server"]["url"], server.running.fleet_url.as_str());
}

#[tokio::test]
async fn what_is_exported_imports_again() {
    let server = Server::start().await;
    let options = OptionsDocument { vendor_fallback: "never".to_owned(), ..OptionsDocument::default() };
    let options = json!({"op": "set_options", "options": options});
    edit(&server, "default", vec![add_edit(RANGE, A), options]).await;
    save(&server, "default").await;
    let exported = server.get("/api/v1/sources").await["policy"].clone();
    let draft = server.ok("PUT", "/api/v1/drafts/x", Some(json!({"policy": exported}))).await;
    assert_eq!((&draft["policy"], &draft["notes"]), (&exported, &json!([])));
}

#[tokio::test]
async fn preview_warns_and_never_blocks() {
    let server = Server::start().await;
    server.check_in("pc-1", "root", "10.1.0.1").await;
    server.check_in("pc-2", "root", "10.2.0.1").await;
    let mode = json!({"op": "set_mode", "mode": "customized"});
    let unknown = add_edit("10.9.0.0-10.9.0.9", "http://no-such-name.invalid/hw");
    edit(&server, "default", vec![mode, add_edit(RANGE, A), add_edit(RANGE, A), unknown]).await;
    let preview = server.ok("POST", "/api/v1/drafts/default/preview", None).await;
    let warnings = preview["warnings"].as_array().unwrap().iter();
    let codes: Vec<_> = warnings.map(|warning| warning["code"].as_str().unwrap()).collect();
    for code in ["repeated", "no_client_matches", "client_matches_none", "name_not_resolved"] {
        assert!(codes.contains(&code), "{code}: {preview}");
    }
    assert_eq!((&preview["clients_known"], &preview["errors"]), (&json!(2), &json!([])));
    assert_eq!(preview["plans_changed"], 1);
    save(&server, "default").await;
}

#[tokio::test]
async fn every_version_is_kept_shown_as_a_diff_and_restored() {
    let server = Server::start().await;
    for url in [A, B] {
        edit(&server, "default", vec![add_edit(RANGE, url)]).await;
        save(&server, "default").await;
    }
    let history = server.get("/api/v1/sources/history").await;
    let items = history["items"].as_array().unwrap().iter();
    assert_eq!(items.map(|item| item["version"].as_u64().unwrap()).collect::<Vec<_>>(), [3, 2, 1]);
    let page = server.get("/api/v1/sources/history?limit=2").await;
    let rest = server.get(&format!("/api/v1/sources/history?limit=2&before={}", page["next"])).await;
    assert_eq!(rest["items"][0]["version"], 1);
    assert_eq!(urls(&server.get("/api/v1/sources/history/2").await["policy"]), [A]);
    let diff = server.get("/api/v1/sources/diff?from=2&to=3").await;
    assert_eq!((&diff["changes"][0]["kind"], &diff["changes"][0]["after"]), (&json!("added"), &json!(2)));

    let restore = |expected| Some(json!({"version": 2, "expected_version": expected}));
    server.refused("POST", "/api/v1/sources/restore", restore(2), 409, "version_moved").await;
    let saved = server.ok("POST", "/api/v1/sources/restore", restore(3)).await;
    assert_eq!(saved["version"], 4);
    assert_eq!(urls(&signed(&server).await["policy"]), [A]);
}

#[tokio::test]
async fn explain_answers_for_clients_addresses_and_drafts() {
    let server = Server::start().await;
    server.check_in("pc-1", "root", "10.1.0.1").await;
    let mode = json!({"op": "set_mode", "mode": "customized"});
    edit(&server, "default", vec![mode, add_edit(RANGE, A)]).await;
    let of_draft = server.get("/api/v1/explain?client=pc-1&draft=default").await;
    let first = &of_draft["plans"]["components"]["steps"][0]["source"];
    assert_eq!(*first, format!("url:{A}"), "{of_draft}");
    let saved = server.get("/api/v1/explain?client=pc-1").await;
    assert_eq!(saved["plans"]["components"]["steps"][0]["source"], "server");
    let any = server.get("/api/v1/explain?addresses=10.2.0.1,2001:db8::1&draft=default").await;
    assert_eq!(any["plans"]["programs"]["skipped"], json!([{"entry": 1, "reason": "selector"}]));
}

#[tokio::test]
async fn nothing_is_saved_unsigned_nor_signed_unsaved() {
    for (point, entries) in [("publishing::staged", 0), ("publishing::saved", 1)] {
        let server = Server::start().await;
        edit(&server, "default", vec![add_edit(RANGE, A)]).await;
        fail::cfg(point, "1*return").unwrap();
        let (status, _) = server.ask("POST", "/api/v1/drafts/default/save", Some(json!({}))).await;
        assert_eq!(status, 500);
        let server = server.restart().await;
        let (saved, signed) = (server.get("/api/v1/sources").await, signed(&server).await);
        assert_eq!(
            (&saved["version"], &saved["policy"]),
            (&signed["version"], &signed["policy"]),
            "{point:?}"
        );
        assert_eq!(urls(&saved["policy"]).len(), entries, "{point:?}");
        let drafts = server.get("/api/v1/drafts").await["items"].as_array().unwrap().len();
        assert_eq!(drafts, 1 - entries, "{point:?}");
    }
}

#[tokio::test]
async fn a_draft_beyond_the_limit_is_refused() {
    let server = Server::start().await;
    let edits = json!({"edits": [add_edit(RANGE, A)]});
    for number in 1..=headwater_server::limits::DRAFTS_MAX {
        server.ok("POST", &format!("/api/v1/drafts/d{number}/edits"), Some(edits.clone())).await;
    }
    server.refused("POST", "/api/v1/drafts/one-more/edits", Some(edits.clone()), 413, "too_large").await;
    server.ok("POST", "/api/v1/drafts/d1/edits", Some(edits)).await;
}

#[tokio::test]
async fn an_edit_notes_what_will_keep_the_draft_from_being_saved() {
    let server = Server::start().await;
    let edits = json!({"edits": [
        add_edit("10.0.0.1", "http://10.0.0.9/"),
        {"op": "add", "entry": {"clients": {"ipv4": "10.0.0.1"}, "source": {"update_agent": "nobody"}}},
    ]});
    let draft = server.ok("POST", "/api/v1/drafts/mine/edits", Some(edits)).await;
    let notes = draft["notes"].as_array().unwrap();
    assert_eq!(notes.len(), 1, "{draft}");
    assert!(notes[0].as_str().unwrap().starts_with("cannot be saved yet: entry 2: "), "{draft}");
}
