//! Who may ask what of the fleet listener: every path × everybody.

use headwater_identity::Kind;
use serde_json::{Value, json};

use crate::endpoint::Endpoint;
use crate::harness::{Server, config};

const OK: &str = "200";

/// What `who` is answered: a status, and the code of a refusal.
async fn ask(who: &Endpoint, method: &str, path: &str, body: &Value) -> String {
    let (status, code) = match method {
        "GET" => who.get(path).await,
        _ => {
            let (status, answer) = who.post(path, body).await;
            (status, answer["error"]["code"].as_str().unwrap_or_default().to_owned())
        }
    };
    format!("{status} {code}").trim().to_owned()
}

#[tokio::test]
async fn every_path_asks_for_a_known_client_but_enrolment_and_renewal() {
    let server = Server::start().await;
    let anonymous = Endpoint::new("pc-0", &server.bundle(json!({})).await);
    let client = Endpoint::enrolled(&server, "pc-1", "root").await;
    let agent = Endpoint::enrolled(&server, "ua-1", "root").await;
    let role = json!({"classes": ["components"], "addresses": ["10.0.0.9"]});
    server.ok("PUT", "/api/v1/update-agents/ua-1", Some(role)).await;
    let revoked = Endpoint::enrolled(&server, "pc-2", "root").await;
    server.ok("POST", "/api/v1/clients/pc-2/revoke", None).await;
    let everybody = [&anonymous, &client, &agent, &revoked];
    let nobody = "401 certificate_needed";
    let gone = "403 revoked";
    let statement = |kind| client.statement(kind, 1, &client.check_in_body());
    let report = client.statement(Kind::Report, 1, &crate::clients::report("pc-1", 1));
    let empty = json!({});
    let bad = "400 invalid_request";
    // Method, path, body → anonymous, client, update agent, revoked client.
    let table: [(&str, &str, &Value, [&str; 4]); 11] = [
        ("GET", "/settings/metadata/timestamp.json", &empty, [nobody, OK, OK, gone]),
        ("GET", "/components/metadata/timestamp.json", &empty, [nobody, OK, OK, gone]),
        ("GET", "/programs/metadata/1.root.json", &empty, [nobody, OK, OK, gone]),
        ("GET", "/nothing", &empty, [nobody, "404 no_route", "404 no_route", gone]),
        ("POST", "/client/v1/check-in", &statement(Kind::CheckIn), [nobody, OK, "409 replayed", gone]),
        ("POST", "/client/v1/report", &report, [nobody, OK, OK, gone]),
        ("POST", "/client/v1/enrol", &empty, [bad, bad, bad, bad]),
        ("POST", "/client/v1/renew", &empty, [bad, bad, bad, bad]),
        ("POST", "/client/v1/enrol/", &empty, [nobody, "404 no_route", "404 no_route", gone]),
        ("GET", "/client/v1/check-in", &empty, [nobody, "405 wrong_method", "405 wrong_method", gone]),
        ("GET", "/api/v1/status", &empty, [nobody, "404 no_route", "404 no_route", gone]),
    ];
    for (method, path, body, expected) in table {
        for (who, expected) in everybody.iter().zip(expected) {
            assert_eq!(ask(who, method, path, body).await, expected, "{method} {path} by {}", who.id);
        }
    }
}

#[tokio::test]
async fn components_can_be_opened_to_everybody_and_nothing_else() {
    let server = Server::start_with(|folder| headwater_server::Config {
        anonymous_components: true,
        ..config(folder)
    })
    .await;
    let anonymous = Endpoint::new("pc-0", &server.bundle(json!({})).await);
    let revoked = Endpoint::enrolled(&server, "pc-1", "root").await;
    server.ok("POST", "/api/v1/clients/pc-1/revoke", None).await;
    let empty = json!({});
    for (path, expected) in [
        ("/components/metadata/timestamp.json", OK),
        ("/components/nothing", "404"),
        ("/components", "401 certificate_needed"),
        ("/componentsx/metadata/timestamp.json", "401 certificate_needed"),
        ("/components/../settings/metadata/timestamp.json", "401 certificate_needed"),
        ("/components/%2e%2e/settings/metadata/timestamp.json", "401 certificate_needed"),
        ("/settings/metadata/timestamp.json", "401 certificate_needed"),
        ("/programs/metadata/timestamp.json", "401 certificate_needed"),
        ("/client/v1/check-in", "401 certificate_needed"),
    ] {
        assert_eq!(ask(&anonymous, "GET", path, &empty).await, expected, "{path}");
    }
    assert_eq!(ask(&revoked, "GET", "/components/metadata/timestamp.json", &empty).await, "403 revoked");
}

#[tokio::test]
async fn plain_http_and_strange_certificates_get_nowhere() {
    let server = Server::start().await;
    let other = Server::start().await;
    let stranger = Endpoint::enrolled(&other, "pc-1", "root").await;
    let plain = server.running.fleet_url.replace("https://", "http://");
    let http = reqwest::Client::new();
    let answered = http.get(format!("{plain}/settings/metadata/timestamp.json")).send().await;
    assert!(answered.is_err(), "{answered:?}");
    // It shows a certificate of another fleet's CA, and trusts this fleet's: the handshake fails.
    let bundle = server.bundle(json!({})).await;
    let cas: Vec<_> =
        bundle.ca.iter().map(|pem| headwater_identity::CaCertificate::from_pem(pem).unwrap()).collect();
    let own = Some((stranger.chain.as_ref().unwrap(), &stranger.key));
    let tls = headwater_identity::tls::client_config(&cas, own).unwrap();
    let http = reqwest::Client::builder().tls_backend_preconfigured(tls).build().unwrap();
    let answered =
        http.get(format!("{}/components/metadata/timestamp.json", server.running.fleet_url)).send().await;
    assert!(answered.is_err(), "{answered:?}");
}
