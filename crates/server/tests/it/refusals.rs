//! Bad input to every endpoint: a clear error with its code, and nothing changed.

use std::io::{Read as _, Write as _};

use headwater_server::limits;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::Server;

/// Everything that an administrator could see change.
async fn state(server: &Server) -> Vec<Value> {
    let mut state = Vec::new();
    for path in ["releases", "sources", "drafts", "domains", "clients", "update-agents", "reports"] {
        state.push(server.get(&format!("/api/v1/{path}")).await);
    }
    state
}

/// Method, path below `/api/v1`, body, status, code.
type Case<'a> = (&'static str, &'a str, Option<Value>, u16, &'static str);

/// Each is refused as it says, and nothing has changed afterwards.
async fn check(cases: Vec<Case<'_>>) {
    let server = Server::start().await;
    server.check_in("pc-1", "root", "10.0.0.1").await;
    let before = state(&server).await;
    for (method, path, body, status, code) in cases {
        let error = server.refused(method, &format!("/api/v1{path}"), body, status, code).await;
        let message = error["message"].as_str().unwrap_or_default();
        assert!(message.len() > 15, "{method} {path}: {error}");
    }
    assert_eq!(state(&server).await, before);
}

const BAD: &str = "invalid_request";
const LIST: &str = "invalid_list";

#[tokio::test]
async fn of_releases() {
    let component_with_install = "/releases/components/x?version=1&options=%7B%22install%22%3A%7B%22command%22\
        %3A%5B%22a%22%5D%2C%22timeout_seconds%22%3A1%7D%7D";
    let some = || Some(json!({}));
    check(vec![
        ("GET", "/nothing", None, 404, "no_route"),
        ("PUT", "/status", some(), 405, "wrong_method"),
        ("GET", "/releases/settings/x", None, 400, BAD),
        ("GET", "/releases/pattern/x", None, 400, BAD),
        ("GET", "/releases/components/X", None, 400, BAD),
        ("GET", "/releases/components/x", None, 404, "not_found"),
        ("POST", "/releases/components/x", some(), 400, BAD),
        ("POST", "/releases/components/x?version=", some(), 400, BAD),
        ("POST", "/releases/components/x?version=1&format=rar", some(), 400, BAD),
        ("POST", "/releases/components/x?version=1&colour=red", some(), 400, BAD),
        ("POST", "/releases/components/x?version=1&options={", some(), 400, BAD),
        ("POST", component_with_install, some(), 400, BAD),
        ("POST", "/releases/settings/x?version=1", some(), 400, BAD),
        ("POST", "/releases/components/x/rollback", Some(json!({"to": 1})), 404, "not_found"),
        ("POST", "/releases/components/x/rollback", Some(json!({"to": 0})), 400, BAD),
        ("POST", "/releases/components/x/rollback", Some(json!({"too": 1})), 400, BAD),
        ("POST", "/releases/components/x/rollback", None, 415, "not_json"),
    ])
    .await;
}

#[tokio::test]
async fn of_the_source_list() {
    let edits = |edit: Value| Some(json!({"edits": [edit]}));
    let entry = json!({"clients": {"ipv4": "10.0.0.1"}, "source": "vendor"});
    let nobody = json!({"op": "add", "entry": {"clients": {}, "source": "vendor"}});
    let options = headwater_api::policy::OptionsDocument::default();
    let server = json!({"url": "http://x"});
    let wild =
        json!({"mode": "wild", "options": options, "server": server, "update_agents": [], "entries": []});
    let long = format!("/drafts/{}", "x".repeat(limits::DRAFT_NAME_CHARS_MAX + 1));
    let page = format!("/sources/history?limit={}", limits::PAGE_ITEMS_MAX + 1);
    let comment = "x".repeat(limits::COMMENT_CHARS_MAX + 1);
    let many = json!({"edits": vec![json!({"op": "add", "entry": entry}); limits::EDITS_MAX + 1]});
    check(vec![
        ("GET", "/sources/history?limit=0", None, 400, BAD),
        ("GET", &page, None, 400, BAD),
        ("GET", "/sources/history?page=1", None, 400, BAD),
        ("GET", "/sources/history/9", None, 404, "not_found"),
        ("GET", "/sources/history/x", None, 400, BAD),
        ("GET", "/sources/diff", None, 400, BAD),
        ("GET", "/sources/diff?from=1&to=9", None, 404, "not_found"),
        ("GET", "/sources/diff?from=1&to=1&draft=x", None, 400, BAD),
        ("POST", "/sources/restore", Some(json!({"version": 9, "expected_version": 1})), 404, "not_found"),
        ("POST", "/sources/restore", Some(json!({"version": 1})), 400, BAD),
        ("GET", &long, None, 400, BAD),
        ("GET", "/drafts/a%20b", None, 400, BAD),
        ("DELETE", "/drafts/none", None, 404, "not_found"),
        ("PUT", "/drafts/x", Some(json!({"policy": {}})), 400, BAD),
        ("PUT", "/drafts/x", Some(json!({"policy": wild})), 422, LIST),
        ("PUT", "/drafts/x", Some(json!("x".repeat(limits::CONSOLE_BODY_BYTES_MAX))), 413, "too_large"),
        ("POST", "/drafts/x/edits", edits(json!({"op": "explode"})), 400, BAD),
        ("POST", "/drafts/x/edits", edits(json!({"op": "move_up", "number": 1})), 422, LIST),
        ("POST", "/drafts/x/edits", edits(json!({"op": "remove", "numbers": [0]})), 422, LIST),
        ("POST", "/drafts/x/edits", edits(json!({"op": "set_mode", "mode": "x"})), 400, BAD),
        ("POST", "/drafts/x/edits", edits(nobody), 422, LIST),
        ("POST", "/drafts/x/edits", Some(many), 413, "too_large"),
        ("POST", "/drafts/x/save", Some(json!({"comment": comment})), 400, BAD),
        ("POST", "/drafts/x/save", Some(json!({"force": true})), 400, BAD),
        ("GET", "/explain", None, 400, BAD),
        ("GET", "/explain?client=pc-1&addresses=::1", None, 400, BAD),
        ("GET", "/explain?client=nobody", None, 404, "not_found"),
        ("GET", "/explain?addresses=10.0.0.1,x", None, 400, BAD),
    ])
    .await;
}

#[tokio::test]
async fn of_domain_settings() {
    let edit = |edit: Value| Some(json!({"edit": edit}));
    let set = |edit: Value, base: u64| Some(json!({"edit": edit, "base_version": base}));
    let minutes = |minutes: u64| json!({"settings": {"poll_interval_minutes": minutes}});
    let restore =
        |version: u64, expected: u64| Some(json!({"version": version, "expected_version": expected}));
    let long = "/domains/root/drafts/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    check(vec![
        ("PATCH", "/domains/root%2Fx/settings", set(json!({}), 1), 404, "not_found"),
        ("PATCH", "/domains/root/settings", edit(minutes(5)), 400, BAD),
        ("PATCH", "/domains/root/settings", set(json!({"setings": {}}), 1), 400, BAD),
        ("PATCH", "/domains/root/settings", set(minutes(0), 1), 400, BAD),
        ("PATCH", "/domains/root/settings", set(minutes(5), 0), 404, "not_found"),
        ("PATCH", "/domains/root/settings", set(minutes(5), 2), 404, "not_found"),
        ("GET", "/domains/root%2Fx/drafts", None, 404, "not_found"),
        ("GET", "/domains/root%2Fx/drafts/x", None, 404, "not_found"),
        ("GET", "/domains/root/drafts/a%20b", None, 400, BAD),
        ("GET", long, None, 400, BAD),
        ("DELETE", "/domains/root/drafts/none", None, 404, "not_found"),
        ("DELETE", "/domains/root%2Fx/drafts/none", None, 404, "not_found"),
        ("POST", "/domains/root/drafts/x/edits", Some(minutes(5)), 400, BAD),
        ("POST", "/domains/root/drafts/x/edits", edit(minutes(0)), 400, BAD),
        ("POST", "/domains/root%2Fx/drafts/x/edits", edit(minutes(5)), 404, "not_found"),
        ("POST", "/domains/root/drafts/a%20b/edits", edit(minutes(5)), 400, BAD),
        ("POST", "/domains/root/drafts/x/save", Some(json!({"comment": "x".repeat(1001)})), 400, BAD),
        ("POST", "/domains/root/drafts/x/save", Some(json!({"force": true})), 400, BAD),
        ("POST", "/domains/root%2Fx/drafts/x/save", Some(json!({})), 404, "not_found"),
        ("GET", "/domains/root/history?limit=0", None, 400, BAD),
        ("GET", "/domains/root/history?limit=1001", None, 400, BAD),
        ("GET", "/domains/root/history/9", None, 404, "not_found"),
        ("GET", "/domains/root/history/x", None, 400, BAD),
        ("GET", "/domains/root%2Fx/history", None, 404, "not_found"),
        ("GET", "/domains/root/diff", None, 400, BAD),
        ("GET", "/domains/root/diff?from=1&to=9", None, 404, "not_found"),
        ("GET", "/domains/root/diff?from=1&to=1&draft=x", None, 400, BAD),
        ("POST", "/domains/root/restore", restore(9, 1), 404, "not_found"),
        ("POST", "/domains/root/restore", restore(1, 2), 409, "version_moved"),
        ("POST", "/domains/root/restore", Some(json!({"version": 1})), 400, BAD),
    ])
    .await;
}

#[tokio::test]
async fn of_domains_clients_and_roles() {
    let settings = |more: Value| {
        let mut request = json!({"classes": ["settings"]});
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Some(request)
    };
    let pc = "/update-agents/pc-1";
    let moved =
        |clients: usize, domain: &str| Some(json!({"clients": vec!["pc-1"; clients], "domain": domain}));
    check(vec![
        ("POST", "/domains", Some(json!({"path": "paris"})), 400, BAD),
        ("POST", "/domains", Some(json!({"path": "root/a/../b"})), 400, BAD),
        ("PUT", "/domains/root%2Fx/update-agents", Some(json!({"classes": []})), 404, "not_found"),
        ("GET", "/clients?domain=root/x", None, 404, "not_found"),
        ("GET", "/clients?limit=x", None, 400, BAD),
        ("DELETE", "/clients/nobody", None, 404, "not_found"),
        ("POST", "/clients/move", moved(1, "root/x"), 404, "not_found"),
        ("POST", "/clients/move", moved(limits::MOVE_CLIENTS_MAX + 1, "root"), 413, "too_large"),
        ("GET", "/reports?limit=0", None, 400, BAD),
        ("PUT", "/update-agents/nobody", settings(json!({})), 404, "not_found"),
        ("PUT", "/update-agents/a%20b", settings(json!({})), 400, BAD),
        ("PUT", pc, Some(json!({"classes": ["x"]})), 400, BAD),
        ("PUT", pc, settings(json!({"port": 0})), 400, BAD),
        ("PUT", pc, settings(json!({"scheme": "ftp"})), 400, BAD),
        ("PUT", pc, settings(json!({"scheme": "http"})), 400, BAD),
        ("PUT", pc, settings(json!({"addresses": ["x"]})), 400, BAD),
        ("PUT", pc, settings(json!({"addresses": []})), 400, BAD),
        ("DELETE", pc, None, 404, "not_found"),
        ("DELETE", "/update-agents/pc-1?force=maybe", None, 400, BAD),
        ("POST", "/enrol-tokens", Some(json!({"domain": "rome"})), 400, BAD),
    ])
    .await;
}

#[tokio::test]
async fn of_the_vendor_source() {
    let vendor = |url: &str, more: Value| {
        let mut request = json!({"url": url});
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Some(request)
    };
    check(vec![
        ("GET", "/vendor", None, 404, "no_vendor"),
        ("DELETE", "/vendor", None, 404, "no_vendor"),
        ("POST", "/vendor/sync", None, 404, "no_vendor"),
        ("PUT", "/vendor", vendor("http://vendor.invalid", json!({})), 400, BAD),
        ("PUT", "/vendor", vendor("gopher://x", json!({"root": {}})), 400, BAD),
    ])
    .await;
}

#[tokio::test]
async fn of_bodies_that_are_not_json() {
    let server = Server::start().await;
    let check = async |kind: &str, body: &'static str, status: u16| {
        let request = server.raw(Method::POST, "/api/v1/domains").header("content-type", kind).body(body);
        assert_eq!(request.send().await.unwrap().status(), status, "{kind} {body}");
    };
    check("application/json", "{", 400).await;
    check("application/json", "", 400).await;
    check("application/json", "[1]", 400).await;
    check("text/plain", r#"{"path": "root/x"}"#, 415).await;
    check("application/x-www-form-urlencoded", "path=root/x", 415).await;
    check("application/json; charset=utf-8", r#"{"path": "root/x"}"#, 201).await;
}

#[tokio::test]
async fn of_bodies_that_are_too_long() {
    let server = Server::start().await;
    // A program that sends all before it listens, as most do.
    let check = async |plane: &str, path: &'static str, bytes: usize, expected: &str| {
        let address = plane.strip_prefix("http://").unwrap().to_owned();
        let token = server.token.clone();
        let sent = tokio::task::spawn_blocking(move || {
            let mut stream = std::net::TcpStream::connect(&address)?;
            let head = format!(
                "POST {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {bytes}\r\n\r\n"
            );
            stream.write_all(head.as_bytes())?;
            stream.write_all(&vec![b' '; bytes])?;
            let mut status = [0; 12];
            stream.read_exact(&mut status).map(|()| status)
        });
        let status = sent.await.unwrap().map(|status| String::from_utf8_lossy(&status).into_owned());
        assert_eq!(status.unwrap(), format!("HTTP/1.1 {expected}"), "{path}: {bytes} bytes");
    };
    let console = &server.running.console_url;
    let limit = limits::CONSOLE_BODY_BYTES_MAX;
    check(console, "/api/v1/domains", limit, "400").await;
    check(console, "/api/v1/domains", limit + 1, "413").await;
    check(console, "/api/v1/domains", 5 * limit, "413").await;
    let mut request = server.anonymous(Method::POST, "/api/v1/domains").body(vec![b' '; 5 * limit]);
    request = request.header("content-type", "application/json");
    assert_eq!(request.send().await.unwrap().status(), 401);
    let client = server.client("pc", "root").await;
    for (path, limit) in [
        ("/client/v1/check-in", limits::CHECK_IN_BODY_BYTES_MAX),
        ("/client/v1/enrol", limits::ENROL_BODY_BYTES_MAX),
        ("/client/v1/renew", limits::RENEWAL_BODY_BYTES_MAX),
    ] {
        assert_eq!(client.post_blank(path, limit).await.0, 400, "{path}");
        assert_eq!(client.post_blank(path, limit + 1).await.0, 413, "{path}");
        assert_eq!(client.post_blank(path, 200 * limit).await.0, 413, "{path}");
    }
    let limit = limits::REPORT_STATEMENT_BYTES_MAX;
    assert_eq!(client.post_blank("/client/v1/report", limit + 1).await.0, 413);
}

#[tokio::test]
async fn of_web_pages_elsewhere() {
    let server = Server::start().await;
    let ask = async |name: &str, value: &str| {
        server.raw(Method::GET, "/api/v1/status").header(name, value).send().await.unwrap().status().as_u16()
    };
    assert_eq!(ask("origin", "https://evil.example").await, 403);
    assert_eq!(ask("origin", "null").await, 403);
    assert_eq!(ask("origin", &server.running.console_url).await, 200);
    assert_eq!(ask("host", "evil.example").await, 403);
    assert_eq!(ask("host", "localhost").await, 200);
}

#[tokio::test]
async fn of_the_other_plane() {
    let server = Server::start().await;
    assert_eq!(server.ask("GET", "/settings/metadata/timestamp.json", None).await.0, 404);
    let client = server.client("pc", "root").await;
    assert_eq!(client.post("/api/v1/domains", &json!({"path": "root/x"})).await.0, 404);
}
