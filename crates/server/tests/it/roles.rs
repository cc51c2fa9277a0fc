//! Update agents: giving and taking the role (U1, U2, U6).

use headwater_policy::Repository;
use serde_json::{Value, json};

use crate::harness::Server;

const UA: &str = "/api/v1/update-agents/ua-1";

async fn world() -> Server {
    let server = Server::start().await;
    server.ok("POST", "/api/v1/domains", Some(json!({"path": "root/paris"}))).await;
    server.check_in("ua-1", "root/paris", "10.0.0.9").await;
    server.check_in("ua-2", "root/paris", "10.0.0.8").await;
    server
}

fn classes(classes: &[&str]) -> Option<Value> {
    Some(json!({"classes": classes}))
}

async fn signed(server: &Server) -> Value {
    server.target(Repository::Policy, "policy.json").await.unwrap()["policy"]["update_agents"].clone()
}

#[tokio::test]
async fn a_role_is_given_with_what_the_client_reported_and_changed_in_part() {
    let server = world().await;
    server.ok("PUT", UA, classes(&["components", "settings"])).await;
    let agent = json!({
        "id": "ua-1", "addresses": ["10.0.0.9"], "port": 8472, "classes": ["settings", "components"]
    });
    assert_eq!(signed(&server).await, json!([agent]));
    let change =
        json!({"classes": ["programs"], "addresses": ["10.0.0.10", "::1"], "port": 9000, "scheme": "https"});
    server.ok("PUT", UA, Some(change)).await;
    server.ok("PUT", UA, classes(&["components"])).await;
    let agent = json!({
        "id": "ua-1", "addresses": ["10.0.0.10", "::1"], "port": 9000, "classes": ["components"]
    });
    assert_eq!(signed(&server).await, json!([agent]));
    assert_eq!(server.get("/api/v1/clients/ua-1").await["update_agent"], true);
    // The last box taken: no update agent.
    server.ok("PUT", UA, classes(&[])).await;
    assert_eq!(signed(&server).await, json!([]));
}

#[tokio::test]
async fn a_role_that_entries_name_is_taken_only_with_force() {
    let server = world().await;
    server.ok("PUT", UA, classes(&["components"])).await;
    let entry = json!({"clients": {"ipv4": "10.1.0.0-10.1.0.9"}, "source": {"update_agent": "ua-1"}});
    let edits = json!({"edits": [{"op": "add", "entry": entry}]});
    server.ok("POST", "/api/v1/drafts/default/edits", Some(edits)).await;
    server.ok("POST", "/api/v1/drafts/default/save", Some(json!({}))).await;
    let error = server.refused("DELETE", UA, None, 409, "named_by_entries").await;
    assert_eq!(error["details"]["entries"], json!([1]));
    server.refused("PUT", UA, classes(&[]), 409, "named_by_entries").await;
    server.refused("DELETE", "/api/v1/clients/ua-1", None, 409, "is_update_agent").await;
    let answer = server.ok("DELETE", &format!("{UA}?force=true"), None).await;
    let item = &answer["items"][0];
    assert_eq!((&item["classes"], &item["entries"]), (&json!([]), &json!([1])));
    let preview = server.ok("POST", "/api/v1/drafts/default/preview", None).await;
    let mut warnings = preview["warnings"].as_array().unwrap().iter();
    assert!(warnings.any(|warning| warning["code"] == "broken"), "{preview}");
}

#[tokio::test]
async fn a_whole_domain_but_never_the_root() {
    let server = world().await;
    let paris = "/api/v1/domains/root%2Fparis/update-agents";
    let root = "/api/v1/domains/root/update-agents";
    let answer = server.ok("PUT", paris, classes(&["settings"])).await;
    assert_eq!(answer["items"].as_array().unwrap().len(), 2);
    server.refused("PUT", root, classes(&["settings"]), 422, "not_for_root").await;
    server.refused("DELETE", root, None, 422, "not_for_root").await;
    let answer = server.ok("DELETE", paris, None).await;
    assert_eq!(answer["items"], json!([]));
}
