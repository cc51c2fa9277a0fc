//! Signing in, sessions, tokens (I4).

use reqwest::header::{COOKIE, ORIGIN, SET_COOKIE};
use reqwest::{Method, Response, StatusCode};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::harness::{Server, answer, local, until};

const PASSWORD: &str = "correct horse battery";

async fn sign_in(server: &Server, name: &str, password: &str, new: Option<&str>) -> Response {
    let body = json!({"name": name, "password": password, "new_password": new});
    let body = if new.is_none() { json!({"name": name, "password": password}) } else { body };
    server.anonymous(Method::POST, "/api/v1/sign-in").json(&body).send().await.unwrap()
}

fn cookie(response: &Response) -> String {
    let header = response.headers()[SET_COOKIE].to_str().unwrap();
    assert!(header.contains("HttpOnly") && header.contains("SameSite=Strict"), "{header}");
    header.split(';').next().unwrap().to_owned()
}

async fn code(response: Response) -> (u16, String) {
    let (status, body) = answer(response).await;
    (status, body["error"]["code"].as_str().unwrap_or_default().to_owned())
}

/// The cookie of a new administrator's session.
async fn added(server: &Server, name: &str, role: &str) -> String {
    let made = server.ok("POST", "/api/v1/administrators", Some(json!({"name": name, "role": role}))).await;
    let response = sign_in(server, name, made["password"].as_str().unwrap(), Some(PASSWORD)).await;
    assert_eq!(response.status(), 200);
    cookie(&response)
}

async fn with_cookie(server: &Server, cookie: &str, method: Method, path: &str, origin: Option<&str>) -> u16 {
    let mut request = server.anonymous(method, path).header(COOKIE, cookie);
    if let Some(origin) = origin {
        request = request.header(ORIGIN, origin);
    }
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn the_first_password_is_given_once_and_good_for_one_sign_in() {
    let server = Server::start().await;
    let first = server.running.take_first_password().unwrap();
    assert!(server.running.take_first_password().is_none());
    let refused = sign_in(&server, "admin", first.expose_secret(), None).await;
    assert_eq!(code(refused).await, (403, "one_time_password".to_owned()));
    let refused = sign_in(&server, "admin", first.expose_secret(), Some("short")).await;
    assert_eq!(code(refused).await, (400, "invalid_request".to_owned()));
    let signed_in = sign_in(&server, "Admin ", first.expose_secret(), Some(PASSWORD)).await;
    assert_eq!(signed_in.status(), 200);
    let cookie = cookie(&signed_in);
    assert_eq!(answer(signed_in).await.1, json!({"name": "admin", "role": "admin"}));
    assert_eq!(with_cookie(&server, &cookie, Method::GET, "/api/v1/administrators", None).await, 200);
    let refused = sign_in(&server, "admin", first.expose_secret(), Some(PASSWORD)).await;
    assert_eq!(code(refused).await, (401, "wrong_password".to_owned()));
    let server = server.restart().await;
    assert!(server.running.take_first_password().is_none());
    assert_eq!(sign_in(&server, "admin", PASSWORD, None).await.status(), 200);
}

#[tokio::test]
async fn a_cookie_changes_something_only_for_the_consoles_own_pages() {
    let server = Server::start().await;
    let cookie = added(&server, "ann", "operator").await;
    let own = server.running.console_url.trim_end_matches('/').to_owned();
    let check = async |origin: Option<&str>, expected: u16| {
        let path = "/api/v1/deltas/resume";
        let got = with_cookie(&server, &cookie, Method::POST, path, origin).await;
        assert_eq!(got, expected, "{origin:?}");
    };
    check(None, 403).await;
    check(Some("https://evil.example"), 403).await;
    check(Some("null"), 403).await;
    check(Some(&own), 200).await;
    assert_eq!(with_cookie(&server, &cookie, Method::GET, "/api/v1/status", None).await, 200);
}

#[tokio::test]
async fn a_session_ends_with_sign_out_and_with_its_administrator() {
    let server = Server::start().await;
    let origin = server.running.console_url.trim_end_matches('/').to_owned();
    let status = async |cookie: &str| with_cookie(&server, cookie, Method::GET, "/api/v1/status", None).await;
    let cookie = added(&server, "ann", "viewer").await;
    assert_eq!(status(&cookie).await, 200);
    let out = with_cookie(&server, &cookie, Method::POST, "/api/v1/sign-out", Some(&origin)).await;
    assert_eq!(out, 204);
    assert_eq!(status(&cookie).await, 401);
    assert_eq!(status("headwater_session=x").await, 401);

    let response = sign_in(&server, "ann", PASSWORD, None).await;
    let cookie = self::cookie(&response);
    let role = Some(json!({"role": "admin"}));
    assert_eq!(with_cookie(&server, &cookie, Method::GET, "/api/v1/audit", None).await, 403);
    server.ok("PUT", "/api/v1/administrators/ann/role", role).await;
    assert_eq!(with_cookie(&server, &cookie, Method::GET, "/api/v1/audit", None).await, 200);
    server.ok("POST", "/api/v1/administrators/ann/password", None).await;
    assert_eq!(status(&cookie).await, 401);

    let cookie = added(&server, "bob", "viewer").await;
    server.ok("DELETE", "/api/v1/administrators/bob", None).await;
    assert_eq!(status(&cookie).await, 401);
}

/// Sets the password of who has the session.
async fn change(server: &Server, cookie: &str, password: &str, new: &str) -> Response {
    let own = server.running.console_url.trim_end_matches('/').to_owned();
    let request = server.anonymous(Method::PUT, "/api/v1/session/password").header(COOKIE, cookie);
    let body = json!({"password": password, "new_password": new});
    request.header(ORIGIN, own).json(&body).send().await.unwrap()
}

#[tokio::test]
async fn who_changes_the_password_signs_in_again_with_it_everywhere() {
    let server = Server::start().await;
    let (here, new) = (added(&server, "ann", "viewer").await, "another horse battery");
    let elsewhere = cookie(&sign_in(&server, "ann", PASSWORD, None).await);
    let refused = change(&server, &here, "wrong horse battery", new).await;
    assert_eq!(code(refused).await, (401, "wrong_password".to_owned()));
    let refused = change(&server, &here, PASSWORD, "short").await;
    assert_eq!(code(refused).await, (400, "invalid_request".to_owned()));
    assert_eq!(change(&server, &here, PASSWORD, new).await.status(), 204);
    for cookie in [here, elsewhere] {
        assert_eq!(with_cookie(&server, &cookie, Method::GET, "/api/v1/status", None).await, 401);
    }
    assert_eq!(sign_in(&server, "ann", PASSWORD, None).await.status(), 401);
    assert_eq!(sign_in(&server, "ann", new, None).await.status(), 200);
}

#[tokio::test]
async fn a_change_of_the_password_brings_nobody_back_who_was_removed_meanwhile() {
    let server = Server::start().await;
    let cookie = added(&server, "ann", "admin").await;
    let access = &server.running.services().access;
    let (turn, mut waiting) = (access.change().await, access.changes_waiting());
    let mut removed = Box::pin(server.ok("DELETE", "/api/v1/administrators/ann", None));
    let mut changed = Box::pin(change(&server, &cookie, PASSWORD, "another horse battery"));
    // The removal waits for its turn; behind it, when the password is proven, the change.
    tokio::select! {
        _ = &mut removed => panic!("removed out of turn"),
        () = until("the removal waits", &mut waiting, |waiting| *waiting == 1) => {}
    }
    tokio::select! {
        _ = &mut changed => panic!("changed out of turn"),
        () = until("the change waits behind it", &mut waiting, |waiting| *waiting == 2) => {}
    }
    drop(turn);
    removed.await;
    assert_eq!(code(changed.await).await, (401, "wrong_password".to_owned()));
    let left = server.get("/api/v1/administrators").await;
    assert_eq!(left["items"].as_array().unwrap().len(), 1, "{left}");
}

#[tokio::test]
async fn who_fails_often_waits_and_nobody_learns_which_names_there_are() {
    let server = Server::start().await;
    let mut codes = Vec::new();
    for _ in 0..=headwater_server::limits::ATTEMPTS_UNPUNISHED {
        let response = sign_in(&server, "admin", "wrong", None).await;
        let wait = response.headers().get("retry-after").is_some();
        codes.push((code(response).await, wait));
    }
    let (last, before) = codes.split_last().unwrap();
    assert!(
        before.iter().all(|(reply, wait)| *reply == (401, "wrong_password".to_owned()) && !wait),
        "{codes:?}"
    );
    assert_eq!(*last, ((429, "too_many_attempts".to_owned()), true));
    // The address waits, for every name; the local socket does not.
    assert_eq!(code(sign_in(&server, "nobody", "wrong", None).await).await.0, 429);
    let body = json!({"name": "nobody", "password": "wrong"});
    let asked =
        local(&server.running).post("http://localhost/api/v1/sign-in").json(&body).send().await.unwrap();
    assert_eq!(code(asked).await, (401, "wrong_password".to_owned()));
}

#[tokio::test]
async fn the_last_admin_stays() {
    let server = Server::start().await;
    let role = |role: &str| Some(json!({"role": role}));
    server.refused("DELETE", "/api/v1/administrators/admin", None, 409, "last_admin").await;
    server.refused("PUT", "/api/v1/administrators/admin/role", role("viewer"), 409, "last_admin").await;
    added(&server, "ann", "admin").await;
    server.ok("PUT", "/api/v1/administrators/admin/role", role("viewer")).await;
    server.refused("DELETE", "/api/v1/administrators/ann", None, 409, "last_admin").await;
    let bad = |name: &str, role: &str| Some(json!({"name": name, "role": role}));
    server.refused("POST", "/api/v1/administrators", bad("Ann", "admin"), 400, "invalid_request").await;
    server.refused("POST", "/api/v1/administrators", bad("bob", "root"), 400, "invalid_request").await;
    server.refused("POST", "/api/v1/administrators", bad("ann", "admin"), 409, "exists").await;
    server.refused("PUT", "/api/v1/administrators/x/role", role("admin"), 404, "not_found").await;
}

#[tokio::test]
async fn a_token_may_what_its_role_and_its_administrator_may() {
    let server = Server::start().await;
    let cookie = added(&server, "ann", "operator").await;
    let origin = server.running.console_url.trim_end_matches('/').to_owned();
    let make = async |body: Value| {
        let request = server.anonymous(Method::POST, "/api/v1/tokens").header(COOKIE, &cookie);
        answer(request.header(ORIGIN, &origin).json(&body).send().await.unwrap()).await
    };
    let ask = async |token: &Value, method: Method, path: &str| {
        let request = server.anonymous(method, path).bearer_auth(token.as_str().unwrap());
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(make(json!({"name": "x", "role": "admin"})).await.0, 403);
    assert_eq!(make(json!({"name": "x", "role": "viewer", "scopes": ["moon"]})).await.0, 400);
    assert_eq!(make(json!({"name": "x", "role": "viewer", "days": 3651})).await.0, 400);
    assert_eq!(make(json!({"name": "x", "role": "viewer", "days": 0})).await.0, 400);
    let (status, made) =
        make(json!({"name": "ci", "role": "operator", "scopes": ["releases", "tokens"]})).await;
    assert_eq!(status, 201, "{made}");
    assert_eq!(make(json!({"name": "ci", "role": "viewer"})).await.0, 409);
    let token = &made["token"];
    assert!(token.as_str().unwrap().starts_with("hwa_"));
    assert_eq!(ask(token, Method::GET, "/api/v1/releases").await, 200);
    assert_eq!(ask(token, Method::GET, "/api/v1/status").await, 403);
    // It makes no other one.
    let request = server.anonymous(Method::POST, "/api/v1/tokens").bearer_auth(token.as_str().unwrap());
    let refused = request.json(&json!({"name": "y", "role": "viewer"})).send().await.unwrap();
    assert_eq!(code(refused).await, (403, "not_this_way".to_owned()));
    // It is listed without itself, and stored hashed.
    let listed = server.get("/api/v1/tokens").await.to_string();
    assert!(listed.contains("\"ci\"") && !listed.contains(token.as_str().unwrap()), "{listed}");
    // It falls with its administrator's role.
    let path = "/api/v1/releases/components/x/rollback";
    assert_eq!(ask(token, Method::POST, path).await, 415);
    server.ok("PUT", "/api/v1/administrators/ann/role", Some(json!({"role": "viewer"}))).await;
    assert_eq!(ask(token, Method::POST, path).await, 403);
    server.ok("DELETE", "/api/v1/tokens/ci", None).await;
    assert_eq!(ask(token, Method::GET, "/api/v1/releases").await, 401);
    server.refused("DELETE", "/api/v1/tokens/ci", None, 404, "not_found").await;
}

#[tokio::test]
async fn secrets_are_stored_hashed() {
    let server = Server::start().await;
    let cookie = added(&server, "ann", "viewer").await;
    let token = server.token.clone();
    let folder = server.stop().await;
    for path in crate::harness::files(folder.path()) {
        let bytes = std::fs::read(&path).unwrap();
        for secret in [PASSWORD, &token, cookie.split_once('=').unwrap().1] {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{} holds a secret", path.display());
        }
    }
}

#[tokio::test]
async fn the_local_socket_needs_nothing() {
    let server = Server::start().await;
    let session = local(&server.running).get("http://localhost/api/v1/session").send().await.unwrap();
    assert_eq!(session.status(), StatusCode::OK);
    let (_, session) = answer(session).await;
    assert!(session["name"].as_str().unwrap().starts_with("local:"), "{session}");
    assert_eq!(session["role"], "admin");
}
