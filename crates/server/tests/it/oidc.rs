//! Signing in at an identity provider (I4): who is admitted, and every way in which its word is not taken.

use futures_util::FutureExt as _;
use headwater_api::v1::{SessionView, VouchedQuery};
use headwater_server::caller::{Actor, AdministratorRole, Caller};
use headwater_server::error::{Error, ProviderFault, Refusal};
use headwater_server::{Config, RawConfig, RawOidc, limits};
use jiff::SignedDuration;
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Method, Response};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use url::Url;

use crate::harness::{self, Server, answer, now, skip_time};
use crate::provider::{CLIENT_ID, CLIENT_SECRET, Key, Provider, Signed, Token};

struct World {
    provider: Provider,
    server: Server,
}

/// `[oidc]` for a provider, its secret in a folder.
fn raw_oidc(issuer: &str, folder: &std::path::Path) -> RawOidc {
    use std::os::unix::fs::PermissionsExt as _;
    let secret = folder.join("client-secret");
    std::fs::write(&secret, format!("{CLIENT_SECRET}\n")).unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let roles = [("boss", "admin"), ("ops", "operator"), ("all", "viewer")];
    RawOidc {
        issuer: Some(issuer.to_owned()),
        client_id: Some(CLIENT_ID.to_owned()),
        client_secret_file: Some(secret),
        scopes: Some(vec!["profile".to_owned(), "groups".to_owned()]),
        roles: Some(roles.map(|(claimed, role)| (claimed.to_owned(), role.to_owned())).into()),
        ..RawOidc::default()
    }
}

fn config(issuer: &str, folder: &std::path::Path) -> Config {
    let raw = RawConfig {
        data: Some(folder.to_owned()),
        fleet_listen: Some("127.0.0.1:0".parse().unwrap()),
        console_listen: Some("127.0.0.1:0".parse().unwrap()),
        oidc: Some(raw_oidc(issuer, folder)),
        ..RawConfig::default()
    };
    Config::try_from(raw).unwrap()
}

impl World {
    async fn start() -> Self {
        let provider = Provider::start().await;
        let server = Server::start_with(|folder| config(&provider.issuer, folder)).await;
        Self { provider, server }
    }

    async fn begin(&self, caller: &Caller) -> Result<(Url, SecretString), Error> {
        self.server.running.services().access.begin_at_provider(caller).await
    }

    /// Somebody signs in from an address; `change` is what the provider says otherwise than usual.
    async fn sign_in(
        &self,
        caller: &Caller,
        change: impl FnOnce(&mut Token),
    ) -> Result<(SecretString, SessionView), Error> {
        let (url, browser) = self.begin(caller).await?;
        let code = self.provider.grant(&url, change);
        self.end(caller, back(&url, Some(&code)), Some(&browser)).await
    }

    async fn end(
        &self,
        caller: &Caller,
        query: VouchedQuery,
        browser: Option<&SecretString>,
    ) -> Result<(SecretString, SessionView), Error> {
        self.server.running.services().access.end_at_provider(query, browser, caller).await
    }

    async fn last_record(&self) -> Value {
        self.server.get("/api/v1/audit?limit=1").await["items"][0].clone()
    }
}

fn from(address: &str) -> Caller {
    Caller { actor: Actor::Anonymous, role: AdministratorRole::Viewer, from: address.to_owned(), now: now() }
}

fn later(seconds: i64) -> Caller {
    Caller { now: now() + SignedDuration::from_secs(seconds), ..from("10.0.0.1") }
}

/// What the browser comes back with that was sent to `url`.
fn back(url: &Url, code: Option<&str>) -> VouchedQuery {
    let state = url.query_pairs().find(|(name, _)| name == "state").map(|(_, value)| value.into_owned());
    VouchedQuery { state, code: code.map(str::to_owned), ..VouchedQuery::default() }
}

/// `not_vouched: wrong_nonce`, `provider_down`.
fn why(result: Result<(SecretString, SessionView), Error>) -> String {
    match result {
        Ok((_, view)) => format!("signed in: {} {}", view.name, view.role),
        Err(Error::Refused(Refusal::NotVouched(why))) => why.code().to_owned(),
        Err(Error::Refused(Refusal::Provider(fault))) => fault.code().to_owned(),
        Err(other) => other.to_string(),
    }
}

#[tokio::test]
async fn a_claim_of_the_provider_gives_the_role() {
    let world = World::start().await;
    let check = async |groups: Value, expected: &str| {
        let claims = json!({"groups": groups});
        let result = world.sign_in(&from("10.0.0.1"), |token| token.claims(claims)).await;
        assert_eq!(why(result), expected, "{groups}");
    };
    check(json!(["boss"]), "signed in: oidc:7 (ann) admin").await;
    check(json!("ops"), "signed in: oidc:7 (ann) operator").await;
    check(json!(["cooks", "all", "ops"]), "signed in: oidc:7 (ann) operator").await;
    check(json!("all"), "signed in: oidc:7 (ann) viewer").await;
    check(json!(["cooks"]), "no_role").await;
    check(json!([]), "no_role").await;
    check(Value::Null, "no_role").await;
    let (token, _) = world.sign_in(&from("10.0.0.1"), |_| {}).await.unwrap();
    let record = world.last_record().await;
    assert_eq!((&record["action"], &record["who"]), (&json!("session.begin"), &json!("oidc:7 (ann)")));
    assert_eq!(record["after"], json!({"issuer": world.provider.issuer, "role": "viewer"}));
    // It ends with its time.
    let has = async |seconds| {
        let now = now() + SignedDuration::from_secs(seconds);
        world.server.running.services().access.who_has_session(&token, now).await.is_ok()
    };
    let life = limits::VOUCHED_SESSION_HOURS * 3600;
    assert!(has(life - 60).await && !has(life).await);
}

#[tokio::test]
async fn what_the_provider_did_not_state_for_this_sign_in_is_not_accepted() {
    let world = World::start().await;
    let mut number = 0;
    let mut check = async |what: &str, change: &dyn Fn(&mut Token), expected: &str| {
        // Each from an address of its own: many refusals make one wait.
        number += 1;
        let caller = from(&format!("10.0.1.{number}"));
        let outcome = why(world.sign_in(&caller, change).await);
        assert_eq!(outcome, expected, "{what}");
        if !outcome.starts_with("signed in") {
            let record = world.last_record().await;
            assert_eq!((&record["action"], &record["from"]), (&json!("session.refuse"), &json!(caller.from)));
            assert_eq!(record["after"]["why"], expected, "{what}");
        }
    };
    let second = now().as_second();
    let says = |claims: Value| move |token: &mut Token| token.claims(claims.clone());
    let fine = "signed in: oidc:7 (ann) viewer";
    check("as usual", &|_| {}, fine).await;
    check("another nonce", &says(json!({"nonce": "x"})), "wrong_nonce").await;
    check("no nonce", &says(json!({"nonce": null})), "wrong_nonce").await;
    check("for another", &says(json!({"aud": "other"})), "wrong_audience").await;
    check("for others too", &says(json!({"aud": [CLIENT_ID, "other"]})), "wrong_audience").await;
    check("for one in a list", &says(json!({"aud": [CLIENT_ID]})), fine).await;
    check("given to another", &says(json!({"azp": "other"})), "wrong_audience").await;
    check("given to this server", &says(json!({"azp": CLIENT_ID})), fine).await;
    check("expired", &says(json!({"exp": second - 1})), "expired").await;
    check("never expires", &says(json!({"exp": null})), "bad_token").await;
    check("another issuer", &says(json!({"iss": "http://127.0.0.1:1"})), "wrong_issuer").await;
    check(
        "its issuer with a slash",
        &says(json!({"iss": format!("{}/", world.provider.issuer)})),
        "wrong_issuer",
    )
    .await;
    check("no subject", &says(json!({"sub": null})), "bad_token").await;
    check("a subject that hides", &says(json!({"sub": "7\n"})), "bad_token").await;
    check("another key", &|token| token.signed = Signed::By(Key::ecdsa("one")), "wrong_signature").await;
    check(
        "a key of another kind",
        &|token| {
            token.header["alg"] = json!("RS256");
            token.signed = Signed::By(Key::rsa("one"));
        },
        "wrong_signature",
    )
    .await;
    check("a key that is not published", &|token| token.header["kid"] = json!("two"), "wrong_signature")
        .await;
    let unsigned = |algorithm: &'static str| {
        move |token: &mut Token| {
            token.header["alg"] = json!(algorithm);
            token.signed = Signed::Nobody;
        }
    };
    check("none", &unsigned("none"), "wrong_algorithm").await;
    check("None", &unsigned("None"), "bad_token").await;
    check("no signature", &|token| token.signed = Signed::Nobody, "wrong_signature").await;
    let public = world.provider.known().key.public();
    let knowing = |secret: Vec<u8>| {
        move |token: &mut Token| {
            token.header["alg"] = json!("HS256");
            token.signed = Signed::Knowing(secret.clone());
        }
    };
    check("a MAC with the public key", &knowing(public), "wrong_algorithm").await;
    check("a MAC with the secret", &knowing(CLIENT_SECRET.into()), "wrong_algorithm").await;
    check("a header that must be understood", &|token| token.header["crit"] = json!(["exp"]), "bad_token")
        .await;
}

/// Clocks differ a little.
#[tokio::test]
async fn a_token_from_the_future_is_not_believed() {
    let world = World::start().await;
    let check = async |what: &str, claims: Value, expected: &str| {
        let outcome = why(world.sign_in(&from("10.0.0.1"), |token| token.claims(claims)).await);
        assert_eq!(outcome, expected, "{what}");
    };
    let (second, ahead) = (now().as_second(), limits::PROVIDER_AHEAD_SECONDS_MAX);
    let fine = "signed in: oidc:7 (ann) viewer";
    check("issued a little ahead of this clock", json!({"iat": second + ahead - 5}), fine).await;
    check("issued in the future", json!({"iat": second + ahead + 60}), "not_yet").await;
    check("good from the future on", json!({"nbf": second + ahead + 60}), "not_yet").await;
    check("good since a while", json!({"nbf": second - 60}), fine).await;
    check("good since nobody knows when", json!({"nbf": "soon"}), "bad_token").await;
}

#[tokio::test]
async fn an_answer_counts_once_and_in_the_browser_that_began() {
    let world = World::start().await;
    let caller = from("10.0.0.1");
    let (url, browser) = world.begin(&caller).await.unwrap();
    let code = world.provider.grant(&url, |_| {});
    let answer = || back(&url, Some(&code));
    assert!(world.end(&caller, answer(), Some(&browser)).await.is_ok());
    assert_eq!(why(world.end(&caller, answer(), Some(&browser)).await), "not_begun");

    let check = async |change: &dyn Fn(&mut VouchedQuery, &mut Option<SecretString>), expected: &str| {
        let (url, browser) = world.begin(&caller).await.unwrap();
        let code = world.provider.grant(&url, |_| {});
        let (mut query, mut browser) = (back(&url, Some(&code)), Some(browser));
        change(&mut query, &mut browser);
        assert_eq!(why(world.end(&caller, query, browser.as_ref()).await), expected);
        assert!(world.sign_in(&caller, |_| {}).await.is_ok());
    };
    let fine = "signed in: oidc:7 (ann) viewer";
    check(&|_, browser| *browser = Some(headwater_server::secret::random("")), "other_browser").await;
    check(&|_, browser| *browser = None, "other_browser").await;
    check(&|query, _| query.state = None, "not_begun").await;
    check(&|query, _| query.state = Some("x".to_owned()), "not_begun").await;
    check(&|query, _| query.code = None, "no_code").await;
    check(&|query, _| query.code = Some("x".to_owned()), "code_refused").await;
    check(&|query, _| query.error = Some("access_denied".to_owned()), "denied").await;
    check(&|query, _| query.iss = Some("http://127.0.0.1:1".to_owned()), "wrong_issuer").await;
    check(&|query, _| query.iss = Some(world.provider.issuer.clone()), fine).await;
    // The state of another sign-in, with its own code: the nonce is the other's.
    let (other, _) = world.begin(&caller).await.unwrap();
    let (url, browser) = world.begin(&caller).await.unwrap();
    let code = world.provider.grant(&other, |_| {});
    assert_eq!(why(world.end(&caller, back(&other, Some(&code)), Some(&browser)).await), "other_browser");
    let late =
        Caller { now: caller.now + SignedDuration::from_secs(limits::SIGN_IN_SECONDS), ..caller.clone() };
    assert_eq!(why(world.end(&late, back(&url, Some(&code)), Some(&browser)).await), "not_begun");
}

#[tokio::test]
async fn who_is_refused_too_often_waits() {
    let world = World::start().await;
    let caller = from("10.0.0.1");
    for _ in 0..limits::ATTEMPTS_UNPUNISHED {
        assert_eq!(
            why(world.sign_in(&caller, |token| token.claims(json!({"groups": null}))).await),
            "no_role"
        );
    }
    let waits =
        |result: Result<(), Error>| matches!(result, Err(Error::Refused(Refusal::TooManyAttempts { .. })));
    assert!(waits(world.begin(&caller).await.map(drop)));
    let query = VouchedQuery::default();
    assert!(waits(world.end(&caller, query, None).await.map(drop)));
    assert!(world.begin(&from("10.0.0.2")).await.is_ok());
}

#[tokio::test]
async fn keys_are_kept_and_fetched_again_when_the_provider_changes_them() {
    let world = World::start().await;
    let asked = || world.provider.asked("keys");
    let fine = "signed in: oidc:7 (ann) viewer";
    assert_eq!(why(world.sign_in(&from("10.0.0.1"), |_| {}).await), fine);
    assert_eq!(why(world.sign_in(&later(limits::PROVIDER_KEPT_SECONDS - 30), |_| {}).await), fine);
    assert_eq!(asked(), 1);
    let rotate = |key: Key| {
        let mut known = world.provider.known();
        (known.key, known.listed) = (key.clone(), vec![key]);
    };
    rotate(Key::rsa("two"));
    assert_eq!(why(world.sign_in(&from("10.0.0.1"), |_| {}).await), fine);
    assert_eq!(asked(), 2);
    // Anybody can make up the name of a key: that makes nobody fetch keys all the time.
    let unknown_key = |token: &mut Token| token.header["kid"] = json!("three");
    assert_eq!(why(world.sign_in(&from("10.0.0.1"), unknown_key).await), "wrong_signature");
    assert_eq!(asked(), 2);
    rotate(Key::ecdsa("four"));
    assert_eq!(why(world.sign_in(&from("10.0.0.1"), |_| {}).await), "wrong_signature");
    assert_eq!(asked(), 2);
    assert_eq!(why(world.sign_in(&later(limits::PROVIDER_KEYS_PAUSE_SECONDS), |_| {}).await), fine);
    assert_eq!(asked(), 3);
    assert_eq!(why(world.sign_in(&later(2 * limits::PROVIDER_KEPT_SECONDS), |_| {}).await), fine);
    assert_eq!(asked(), 4);
}

#[tokio::test]
async fn a_provider_that_answers_what_it_should_not_is_reported() {
    let check = async |what: &str, change: &dyn Fn(&Provider), expected: &str| {
        let world = World::start().await;
        change(&world.provider);
        let result = world.sign_in(&from("10.0.0.1"), |_| {}).await;
        assert_eq!(why(result), expected, "{what}");
    };
    let answers = |path: &'static str, status: u16, text: &'static str| {
        move |provider: &Provider| {
            provider.known().answers.insert(path, (status, text.to_owned()));
        }
    };
    let says = |name: &'static str, value: Value| {
        move |provider: &Provider| provider.known().discovery[name] = value.clone()
    };
    let padded = |path: &'static str, length: usize| {
        move |provider: &Provider| {
            provider.known().padding.insert(path, length);
        }
    };
    let fine = "signed in: oidc:7 (ann) viewer";
    let max = limits::PROVIDER_ANSWER_BYTES_MAX;
    for path in ["discovery", "keys", "token"] {
        check("as long as may be", &padded(path, max), fine).await;
        check("longer", &padded(path, max + 1), "provider_broken").await;
        check("a fault", &answers(path, 500, "{}"), "provider_broken").await;
        check("a redirect", &answers(path, 302, ""), "provider_broken").await;
    }
    for path in ["discovery", "keys", "token"] {
        let world = World::start().await;
        answers(path, 302, "{}")(&world.provider);
        let Err(error) = world.sign_in(&from("10.0.0.1"), |_| {}).await else { panic!("{path}: signed in") };
        assert!(error.to_string().contains("redirects (HTTP status 302"), "{path}: {error}");
    }
    check("no JSON", &answers("discovery", 200, "hello"), "provider_broken").await;
    check("no JSON", &answers("keys", 200, "hello"), "provider_broken").await;
    check("no JSON", &answers("token", 200, "hello"), "bad_token").await;
    check("no token", &answers("token", 200, r#"{"access_token":"x","token_type":"Bearer"}"#), "bad_token")
        .await;
    check("another's name", &says("issuer", json!("http://127.0.0.1:1")), "provider_broken").await;
    check("no endpoint", &says("token_endpoint", Value::Null), "provider_broken").await;
    check(
        "the secret in the body",
        &says("token_endpoint_auth_methods_supported", json!(["client_secret_post"])),
        fine,
    )
    .await;
    check("no such client", &answers("token", 401, r#"{"error":"invalid_client"}"#), "provider_broken").await;
}

/// Nobody is where the provider should be, or somebody who says nothing: that is answered soon, and passwords work.
#[tokio::test]
async fn a_provider_that_is_down_or_silent_keeps_nobody_out() {
    let check = async |listener: std::net::TcpListener, is_silent: bool, fault: ProviderFault| {
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        listener.set_nonblocking(true).unwrap();
        let listener = is_silent.then(|| TcpListener::from_std(listener).unwrap());
        let server = Server::start_with(|folder| config(&issuer, folder)).await;
        let first = server.running.take_first_password().unwrap();
        let body = json!({"name": "admin", "password": first.expose_secret(), "new_password": "correct horse battery"});
        let asking = tokio::spawn(server.anonymous(Method::GET, "/api/v1/sign-in/oidc").send());
        let mut asked = None;
        if let Some(listener) = &listener {
            asked = Some(listener.accept().await.unwrap());
        }
        let signed_in = server.anonymous(Method::POST, "/api/v1/sign-in").json(&body).send().await;
        assert_eq!(signed_in.unwrap().status(), 200);
        if asked.is_some() {
            assert!(!asking.is_finished(), "it waits for the provider");
            skip_time(limits::PROVIDER_TIME_MAX).await;
        }
        let reply = asking.await.unwrap().unwrap();
        assert_eq!(reply.headers()["retry-after"], limits::PROVIDER_PAUSE_SECONDS.to_string());
        let (status, reply) = answer(reply).await;
        assert_eq!((status, &reply["error"]["code"]), (503, &json!(fault.code())));
        assert_eq!(reply["error"]["message"], fault.to_string());
        assert!(reply["error"]["message"].as_str().unwrap().contains("sign in with a password"));
        // The next caller is refused at once: it is asked once.
        let (status, again) = server.ask("GET", "/api/v1/sign-in/oidc", None).await;
        assert_eq!((status, again), (503, reply));
        let Some(listener) = listener else { return };
        assert!(listener.accept().now_or_never().is_none(), "it was asked once");
    };
    let listener = || std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    check(listener(), false, ProviderFault::Down).await;
    check(listener(), true, ProviderFault::Silent).await;
    let message = ProviderFault::Silent.to_string();
    assert!(message.contains(&format!("{} s", limits::PROVIDER_TIME_MAX.as_secs())), "{message}");
}

async fn send(server: &Server, path: &str, cookie: &str) -> Response {
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let base = server.running.console_url.trim_end_matches('/');
    http.get(format!("{base}{path}")).header(COOKIE, cookie).send().await.unwrap()
}

/// As a browser walks it.
#[tokio::test]
async fn a_browser_is_led_there_and_back_and_is_signed_in() {
    let world = World::start().await;
    let leave = send(&world.server, "/api/v1/sign-in/oidc", "").await;
    assert_eq!(leave.status(), 303);
    assert_eq!(leave.headers()["cache-control"], "no-store");
    let cookie = leave.headers()[SET_COOKIE].to_str().unwrap();
    assert!(cookie.contains("HttpOnly; SameSite=Lax; Max-Age=600"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let url: Url = leave.headers()[LOCATION].to_str().unwrap().parse().unwrap();
    assert!(url.as_str().starts_with(&format!("{}/authorize?", world.provider.issuer)), "{url}");
    let sent: std::collections::BTreeMap<_, _> = url.query_pairs().collect();
    let console = &world.server.running.console_url;
    assert_eq!(sent["redirect_uri"], format!("{console}/api/v1/sign-in/oidc/callback").as_str());

    let code = world.provider.grant(&url, |token| token.claims(json!({"groups": ["ops"]}))).replace(' ', "+");
    // A provider sends more than is asked for.
    let back = format!("/api/v1/sign-in/oidc/callback?state={}&code={code}&session_state=x", sent["state"]);
    let arrive = send(&world.server, &back, &cookie).await;
    assert_eq!(arrive.status(), 200);
    let cookies: Vec<_> =
        arrive.headers().get_all(SET_COOKIE).iter().map(|value| value.to_str().unwrap().to_owned()).collect();
    assert!(cookies[0].contains("SameSite=Strict; Max-Age=14400"), "{cookies:?}");
    assert!(cookies[1].starts_with("headwater_sign_in=;") && cookies[1].contains("Max-Age=0"), "{cookies:?}");
    let session = cookies[0].split(';').next().unwrap().to_owned();
    // The cookie is Strict: what leads to the console must be a page of its own.
    assert!(arrive.text().await.unwrap().contains(r#"<meta http-equiv="refresh" content="0;url=/">"#));

    let (status, reply) = answer(send(&world.server, "/api/v1/session", &session).await).await;
    assert_eq!((status, reply), (200, json!({"name": "oidc:7 (ann)", "role": "operator"})));
    assert_eq!(send(&world.server, "/api/v1/keys", &session).await.status(), 403);
    let (status, reply) = answer(send(&world.server, &back, &cookie).await).await;
    assert_eq!((status, &reply["error"]["code"]), (401, &json!("not_vouched")));
    assert_eq!(reply["error"]["details"], json!({"why": "not_begun"}));
}

/// The name is only shown: who is called like an administrator of this server is somebody else.
#[tokio::test]
async fn a_namesake_of_an_administrator_is_somebody_else() {
    let world = World::start().await;
    let subject = |token: &mut Token| {
        token.claims(json!({"sub": "admin", "preferred_username": "admin", "groups": "ops"}));
    };
    let (session, view) = world.sign_in(&from("10.0.0.1"), subject).await.unwrap();
    assert_eq!((view.name.as_str(), view.role.as_str()), ("oidc:admin (admin)", "operator"));
    let cookie = format!("headwater_session={}", session.expose_secret());
    let origin = world.server.running.console_url.trim_end_matches('/').to_owned();
    let ask = async |method: Method, path: &str, body: Value| {
        let request = world.server.anonymous(method, path).header(COOKIE, &cookie).header("origin", &origin);
        let (status, reply) = answer(request.json(&body).send().await.unwrap()).await;
        (status, reply["error"]["code"].as_str().unwrap_or_default().to_owned())
    };
    let expected = (403, "not_this_way".to_owned());
    let token = json!({"name": "x", "role": "viewer"});
    assert_eq!(ask(Method::POST, "/api/v1/tokens", token).await, expected);
    let password = json!({"password": "x", "new_password": "correct horse battery"});
    assert_eq!(ask(Method::PUT, "/api/v1/session/password", password).await, expected);
    // What ends the sessions of one does not end those of the other.
    world.server.ok("POST", "/api/v1/administrators/admin/password", None).await;
    assert_eq!(ask(Method::POST, "/api/v1/deltas/resume", json!(null)).await.0, 200);
    assert_eq!(ask(Method::POST, "/api/v1/sign-out", json!(null)).await.0, 204);
    assert_eq!(ask(Method::POST, "/api/v1/deltas/resume", json!(null)).await.0, 401);
}

#[tokio::test]
async fn the_word_of_a_provider_that_is_no_longer_asked_no_longer_counts() {
    let world = World::start().await;
    let (session, _) = world.sign_in(&from("10.0.0.1"), |_| {}).await.unwrap();
    let issuer = world.provider.issuer.clone();
    let restart = async |folder: TempDir, config: Config, expected: bool| {
        let server = Server::start_on(folder, config).await;
        let has = server.running.services().access.who_has_session(&session, now()).await.is_ok();
        assert_eq!(has, expected);
        server.stop().await
    };
    let folder = world.server.stop().await;
    let (same, other, none) = (
        config(&issuer, folder.path()),
        config("http://127.0.0.1:1", folder.path()),
        harness::config(folder.path()),
    );
    let folder = restart(folder, same, true).await;
    let folder = restart(folder, other, false).await;
    restart(folder, none, false).await;
}

#[tokio::test]
async fn without_a_provider_the_answer_names_that() {
    let server = Server::start().await;
    for path in ["/api/v1/sign-in/oidc", "/api/v1/sign-in/oidc/callback?state=x&code=y"] {
        let reply = server.refused("GET", path, None, 404, "no_provider").await;
        assert!(reply["message"].as_str().unwrap().contains("[oidc]"), "{reply}");
    }
}
