//! Drafts belong to the administrators who opened them (S9): beside each other, and another's only where the owner is named.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Server, add_edit, answer, token};

const RANGE: &str = "10.1.0.0-10.1.255.255";
const A: &str = "http://a.invalid/hw";
const B: &str = "http://b.invalid/hw";

/// Somebody with a token of their own.
struct Administrator<'a> {
    server: &'a Server,
    token: String,
}

impl<'a> Administrator<'a> {
    async fn new(server: &'a Server, name: &str) -> Self {
        Self { server, token: token(&server.running, name, "admin").await }
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let mut request = self.server.anonymous(method, path).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        answer(request.send().await.unwrap()).await
    }

    async fn ok(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let (status, answer) = self.ask(method, path, body).await;
        assert!((200..300).contains(&status), "{path}: {status} {answer}");
        answer
    }

    async fn edit(&self, path: &str, url: &str) -> Value {
        self.ok(Method::POST, path, Some(json!({"edits": [add_edit(RANGE, url)]}))).await
    }
}

fn urls(policy: &Value) -> Vec<&str> {
    let entries = policy["entries"].as_array().unwrap().iter();
    entries.map(|entry| entry["source"]["url"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn each_has_drafts_of_their_own_and_saves_no_other() {
    let server = Server::start().await;
    let (ann, bob) = (Administrator::new(&server, "ann").await, Administrator::new(&server, "bob").await);
    ann.edit("/api/v1/drafts/default/edits", A).await;
    let own = bob.ok(Method::GET, "/api/v1/drafts/default", None).await;
    assert_eq!((&own["revision"], &own["owner"]), (&json!(0), &json!("local/bob")), "{own}");
    // A save without edits publishes nothing, whatever others have begun.
    let saved = bob.ok(Method::POST, "/api/v1/drafts/default/save", Some(json!({}))).await;
    assert_eq!(saved["unchanged"], true, "{saved}");
    bob.edit("/api/v1/drafts/default/edits", B).await;
    let drafts = bob.ok(Method::GET, "/api/v1/drafts", None).await;
    let owners: Vec<(&str, &str, &str)> = drafts["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|draft| {
            (
                draft["owner"].as_str().unwrap(),
                draft["owner_name"].as_str().unwrap(),
                urls(&draft["policy"])[0],
            )
        })
        .collect();
    assert_eq!(owners, [("local/ann", "local (token ann)", A), ("local/bob", "local (token bob)", B)]);
    bob.ok(Method::POST, "/api/v1/drafts/default/save", Some(json!({"comment": "b"}))).await;
    assert_eq!(urls(&server.get("/api/v1/sources").await["policy"]), [B]);
    // The other draft is as it was, and is refused with what changed.
    let (status, refused) = ann.ask(Method::POST, "/api/v1/drafts/default/save", Some(json!({}))).await;
    assert_eq!((status, &refused["error"]["code"]), (409, &json!("draft_outdated")), "{refused}");
    assert!(refused["error"]["details"]["changes"][0]["text"].as_str().unwrap().contains(B), "{refused}");
    let history = server.get("/api/v1/sources/history").await;
    let by: Vec<&Value> = history["items"].as_array().unwrap().iter().map(|item| &item["saved_by"]).collect();
    assert_eq!(by, [&json!("local (token bob)"), &json!("server")], "{history}");
    assert_eq!(server.get("/api/v1/sources").await["saved_by"], "local (token bob)");
}

#[tokio::test]
async fn anothers_draft_is_meant_only_where_its_owner_is_named() {
    let server = Server::start().await;
    let (ann, bob) = (Administrator::new(&server, "ann").await, Administrator::new(&server, "bob").await);
    ann.edit("/api/v1/drafts/default/edits", A).await;
    let of_ann = |what: &str| format!("/api/v1/drafts/default{what}?owner=local%2Fann");
    let seen = bob.ok(Method::GET, &of_ann(""), None).await;
    assert_eq!((urls(&seen["policy"]), &seen["owner"]), (vec![A], &json!("local/ann")));
    let diff = bob.ok(Method::GET, "/api/v1/sources/diff?from=1&draft=default&owner=local%2Fann", None).await;
    assert!(!diff["changes"].as_array().unwrap().is_empty(), "{diff}");
    let explain = "/api/v1/explain?addresses=10.1.0.1&draft=default";
    for (owner, status) in [("", 200), ("&owner=local%2Fann", 200), ("&owner=carl", 404)] {
        assert_eq!(bob.ask(Method::GET, &format!("{explain}{owner}"), None).await.0, status, "{owner}");
    }
    bob.ok(Method::POST, &of_ann("/preview"), None).await;
    bob.edit(&of_ann("/edits"), B).await;
    // Nobody begins a draft for somebody else.
    for (method, path) in [
        (Method::GET, "/api/v1/drafts/other?owner=local%2Fann"),
        (Method::POST, "/api/v1/drafts/other/save?owner=local%2Fann"),
        (Method::DELETE, "/api/v1/drafts/default?owner=carl"),
        (Method::GET, "/api/v1/domains/root/drafts/default?owner=local%2Fann"),
    ] {
        let body = (method == Method::POST).then(|| json!({}));
        let (status, refused) = bob.ask(method, path, body).await;
        assert_eq!((status, &refused["error"]["code"]), (404, &json!("not_found")), "{path}: {refused}");
    }
    bob.ok(Method::POST, &of_ann("/save"), Some(json!({}))).await;
    assert_eq!(urls(&server.get("/api/v1/sources").await["policy"]), [A, B]);
    assert_eq!(ann.ok(Method::GET, "/api/v1/drafts/default", None).await["revision"], 0);
    let audit = server.get("/api/v1/audit?limit=2").await;
    let record = |at: usize| (audit["items"][at]["action"].clone(), audit["items"][at]["subject"].clone());
    assert_eq!(record(0), (json!("sources.save"), json!("default (local/ann's)")), "{audit}");
    assert_eq!(record(1), (json!("draft.edit"), json!("default (local/ann's)")), "{audit}");
    assert_eq!(audit["items"][0]["who"], "local (token bob)");
}

#[tokio::test]
async fn drafts_of_a_domains_settings_have_owners_too() {
    let server = Server::start().await;
    let (ann, bob) = (Administrator::new(&server, "ann").await, Administrator::new(&server, "bob").await);
    let edit = |minutes: u32| Some(json!({"edit": {"settings": {"poll_interval_minutes": minutes}}}));
    let drafts = "/api/v1/domains/root/drafts/default";
    ann.ok(Method::POST, &format!("{drafts}/edits"), edit(5)).await;
    let own = bob.ok(Method::GET, drafts, None).await;
    assert_eq!((&own["revision"], &own["owner"]), (&json!(0), &json!("local/bob")), "{own}");
    bob.ok(Method::POST, &format!("{drafts}/edits"), edit(7)).await;
    let domain = server.get("/api/v1/domains/root").await;
    let owners: Vec<&Value> =
        domain["drafts"].as_array().unwrap().iter().map(|draft| &draft["owner"]).collect();
    assert_eq!(owners, ["local/ann", "local/bob"]);
    bob.ok(Method::POST, &format!("{drafts}/save"), Some(json!({}))).await;
    let (status, refused) = ann.ask(Method::POST, &format!("{drafts}/save"), Some(json!({}))).await;
    assert_eq!((status, &refused["error"]["code"]), (409, &json!("draft_outdated")), "{refused}");
    let seen = bob.ok(Method::GET, &format!("{drafts}?owner=local%2Fann"), None).await;
    assert_eq!(seen["settings"], json!({"poll_interval_minutes": 5}));
    let save = format!("{drafts}/save?owner=local%2Fann");
    bob.ok(Method::POST, &save, Some(json!({"over_version": 2}))).await;
    let history = server.get("/api/v1/domains/root/history").await;
    assert_eq!(history["items"][0]["saved_by"], "local (token bob)", "{history}");
    assert_eq!(history["items"][2]["saved_by"], "server", "{history}");
    let audit = server.get("/api/v1/audit?limit=1").await;
    assert_eq!(audit["items"][0]["subject"], "default (local/ann's) of root", "{audit}");
}
