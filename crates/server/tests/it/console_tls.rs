//! The console over TLS: a certificate of the fleet CA, one handed in, and what is refused.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use headwater_identity::{FleetCa, ServedName, ServerKey};
use headwater_server::{Config, ConsoleTls, RawConfig};
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use reqwest::header::{COOKIE, ORIGIN, SET_COOKIE};
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::harness::{Server, now};

const PASSWORD: &str = "correct horse battery";

fn beyond_loopback(folder: &Path) -> RawConfig {
    RawConfig {
        data: Some(folder.to_owned()),
        fleet_listen: Some("127.0.0.1:0".parse().unwrap()),
        console_listen: Some("0.0.0.0:0".parse().unwrap()),
        console_names: Some(vec!["headwater.test".to_owned()]),
        ..RawConfig::default()
    }
}

/// A browser, as it were, that believes these CAs and finds the server by its name.
fn browser(server: &Server, ca: &str) -> reqwest::Client {
    let certificates = reqwest::Certificate::from_pem_bundle(ca.as_bytes()).unwrap();
    let at = SocketAddr::from(([127, 0, 0, 1], server.running.console_addr.port()));
    reqwest::Client::builder()
        .tls_certs_only(certificates)
        .tls_info(true)
        .resolve("headwater.test", at)
        .resolve("elsewhere.test", at)
        // Each request by a handshake of its own, so that it sees the certificate of the moment.
        .pool_max_idle_per_host(0)
        .build()
        .unwrap()
}

/// The certificate that the console shows, whether the server is healthy or not.
async fn shown(http: &reqwest::Client, url: &str) -> Vec<u8> {
    let response = http.get(format!("{url}/health")).send().await.unwrap();
    let info = response.extensions().get::<reqwest::tls::TlsInfo>().unwrap();
    info.peer_certificate().unwrap().to_vec()
}

fn signing(status: &serde_json::Value) -> &serde_json::Value {
    status["jobs"].as_array().unwrap().iter().find(|job| job["name"] == "sign").unwrap()
}

#[tokio::test]
async fn beyond_loopback_the_fleet_ca_vouches_for_the_console() {
    let server = Server::start_with(|folder| Config::try_from(beyond_loopback(folder)).unwrap()).await;
    let port = server.running.console_addr.port();
    let url = server.running.console_url.trim_end_matches('/').to_owned();
    assert_eq!(url, format!("https://headwater.test:{port}"));
    let listening = fs::read_to_string(server.folder.path().join("listening.json")).unwrap();
    assert!(listening.contains(&url), "{listening}");

    let ca = fs::read_to_string(server.folder.path().join("console-ca.pem")).unwrap();
    let http = browser(&server, &ca);
    let first = shown(&http, &url).await;
    assert_eq!(first, shown(&http, &format!("https://127.0.0.1:{port}")).await);
    // Who does not know the CA, comes by another name or without TLS gets nowhere.
    let other_ca = FleetCa::make(now()).unwrap().certificate().to_pem();
    let refused = async |http: &reqwest::Client, url: &str| {
        assert!(http.get(format!("{url}/health")).send().await.is_err(), "{url}");
    };
    refused(&browser(&server, &other_ca), &url).await;
    refused(&http, &format!("https://elsewhere.test:{port}")).await;
    refused(&http, &format!("http://127.0.0.1:{port}")).await;

    // A new CA issues a new one, which who knows the former still believes.
    let asked = crate::harness::local(&server.running).post("http://localhost/api/v1/keys/ca/rotate");
    assert!(asked.send().await.unwrap().status().is_success());
    server.running.services().upkeep.run_signing(now()).await;
    let second = shown(&http, &url).await;
    assert_ne!(first, second);
    server.running.services().upkeep.run_signing(now() + SignedDuration::from_hours(24 * 59)).await;
    assert_eq!(second, shown(&http, &url).await);
    // Renewed at two thirds of 90 days; that one begins then, and not now.
    server.running.services().upkeep.run_signing(now() + SignedDuration::from_hours(24 * 61)).await;
    let error = http.get(format!("{url}/health")).send().await.unwrap_err();
    assert!(format!("{error:?}").contains("NotValidYet"), "{error:?}");
}

#[tokio::test]
async fn over_tls_a_session_is_for_the_consoles_own_pages_over_tls() {
    let server = Server::start_with(|folder| Config::try_from(beyond_loopback(folder)).unwrap()).await;
    let url = server.running.console_url.trim_end_matches('/').to_owned();
    let ca = fs::read_to_string(server.folder.path().join("console-ca.pem")).unwrap();
    let http = browser(&server, &ca);
    let first = server.running.take_first_password().unwrap();
    let body = json!({"name": "admin", "password": first.expose_secret(), "new_password": PASSWORD});
    let response = http.post(format!("{url}/api/v1/sign-in")).json(&body).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let cookie = response.headers()[SET_COOKIE].to_str().unwrap().to_owned();
    assert!(cookie.starts_with("__Host-headwater_session=") && cookie.ends_with("; Secure"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();
    let check = async |origin: &str, expected: u16| {
        let request = http.request(Method::POST, format!("{url}/api/v1/deltas/resume"));
        let response = request.header(COOKIE, cookie).header(ORIGIN, origin).send().await.unwrap();
        assert_eq!(response.status(), expected, "{origin}");
    };
    check(&url, 200).await;
    check(&url.replace("https:", "http:"), 403).await;
    check("https://elsewhere.test", 403).await;
    check("https://headwater.test", 403).await;
    check("null", 403).await;
}

/// Writes a certificate and its key, as another CA issues them; returns with what it is verified.
fn hand_in(folder: &Path, now: Timestamp) -> String {
    let ca = FleetCa::make(now).unwrap();
    let key = ServerKey::generate().unwrap();
    let names = [ServedName::parse("headwater.test").unwrap()];
    let chain = ca.issue_server(&key.public(), &names, &[], now).unwrap();
    fs::write(folder.join("console.crt"), chain.to_pem()).unwrap();
    fs::write(folder.join("console.key"), key.to_pem().expose_secret()).unwrap();
    ca.certificate().to_pem()
}

#[tokio::test]
async fn a_certificate_handed_in_is_shown_and_read_again() {
    let files = tempfile::tempdir().unwrap();
    let ca = hand_in(files.path(), now());
    let server = Server::start_with(|folder| {
        let raw = RawConfig {
            console_certificate: Some(files.path().join("console.crt")),
            console_key: Some(files.path().join("console.key")),
            ..beyond_loopback(folder)
        };
        Config::try_from(raw).unwrap()
    })
    .await;
    let url = server.running.console_url.trim_end_matches('/').to_owned();
    assert!(!server.folder.path().join("console-ca.pem").exists());
    let http = browser(&server, &ca);
    let first = shown(&http, &url).await;

    // Files that will not do are reported, and the one before stays.
    fs::write(files.path().join("console.crt"), "no certificate").unwrap();
    server.running.services().upkeep.run_signing(now()).await;
    assert_eq!(first, shown(&http, &url).await);
    let client = crate::harness::local(&server.running);
    let status = client.get("http://localhost/api/v1/status").send().await.unwrap();
    let status = serde_json::from_str(&status.text().await.unwrap()).unwrap();
    let job = signing(&status).to_string();
    assert!(job.contains("a certificate in PEM"), "{job}");

    let ca = hand_in(files.path(), now());
    server.running.services().upkeep.run_signing(now()).await;
    assert_ne!(first, shown(&browser(&server, &ca), &url).await);
}

#[test]
fn plain_http_is_for_loopback_alone() {
    let check = |listen: &str, names: &[&str], expected: ConsoleTls| {
        let raw = RawConfig {
            data: Some("/x".into()),
            console_listen: Some(listen.parse().unwrap()),
            console_names: Some(names.iter().map(|name| (*name).to_owned()).collect()),
            ..RawConfig::default()
        };
        assert_eq!(Config::try_from(raw).unwrap().console_tls, expected, "{listen} {names:?}");
    };
    check("127.0.0.1:8470", &[], ConsoleTls::Plain);
    check("[::1]:8470", &[], ConsoleTls::Plain);
    check("127.0.0.1:8470", &["localhost"], ConsoleTls::FleetCa);
    check("10.0.0.1:8470", &[], ConsoleTls::FleetCa);
    check("0.0.0.0:8470", &[], ConsoleTls::FleetCa);
    check("[::]:8470", &["headwater.example"], ConsoleTls::FleetCa);
}
