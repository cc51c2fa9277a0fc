//! A fleet CA that the organisation makes itself (`fleet_ca`): taken, followed by another, and what is refused (I3).

use std::fs;
use std::path::{Path, PathBuf};

use headwater_identity::{FleetCa, ServedName, ServerKey};
use headwater_server::{Config, run};
use jiff::SignedDuration;
use secrecy::ExposeSecret as _;

use crate::endpoint::Endpoint;
use crate::harness::{Server, config, now};

fn write(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("organisation-ca.pem");
    fs::write(&path, text).unwrap();
    path
}

/// A CA's file: its key, and its certificate.
fn parts(ca: &FleetCa) -> (String, String) {
    let text = ca.to_pem().expose_secret().to_owned();
    let at = text.find("-----BEGIN CERTIFICATE").unwrap();
    (text[..at].to_owned(), text[at..].to_owned())
}

#[tokio::test]
async fn a_ca_that_is_handed_in_issues_and_another_may_follow_it() {
    let files = tempfile::tempdir().unwrap();
    let first = FleetCa::make(now()).unwrap();
    let path = write(files.path(), first.to_pem().expose_secret());
    let with = |folder: &Path| Config { fleet_ca: Some(path.clone()), ..config(folder) };
    let server = Server::start_with(with).await;
    let pc = Endpoint::enrolled(&server, "pc-1", "root").await;
    assert_eq!(pc.cas, [first.certificate().clone()]);
    assert_eq!(pc.get("/settings/metadata/timestamp.json").await.0, 200);
    let own = server.folder.path().join("keys/fleet/ca-1.pem");
    assert!(!own.exists(), "the server keeps no copy of the key");
    let rotated = server.rotate_ca(now()).await;
    assert!(rotated.unwrap_err().to_string().contains("put another file there"));

    let second = FleetCa::make(now()).unwrap();
    fs::write(&path, second.to_pem().expose_secret()).unwrap();
    let server = server.restart().await;
    let late = Endpoint::enrolled(&server, "pc-2", "root").await;
    assert_eq!(late.cas, [second.certificate().clone(), first.certificate().clone()]);
    assert_eq!(late.get("/settings/metadata/timestamp.json").await.0, 200);
}

#[tokio::test]
async fn what_is_no_ca_is_refused_with_its_file_the_reason_and_a_hint() {
    let files = tempfile::tempdir().unwrap();
    let (ca, other) = (FleetCa::make(now()).unwrap(), FleetCa::make(now()).unwrap());
    let ((key, certificate), (_, of_other)) = (parts(&ca), parts(&other));
    let server_key = ServerKey::generate().unwrap();
    let names = [ServedName::parse("headwater.test").unwrap()];
    let leaf = ca.issue_server(&server_key.public(), &names, &[], now()).unwrap();
    let leaf = format!("{}{}", server_key.to_pem().expose_secret(), leaf.to_pem());
    let long_ago = now() - SignedDuration::from_hours(24 * 366 * 40);
    let expired = FleetCa::make(long_ago).unwrap();
    let check = async |text: Option<&str>, word: &str| {
        let folder = tempfile::tempdir().unwrap();
        let path = match text {
            Some(text) => write(files.path(), text),
            None => files.path().join("nowhere.pem"),
        };
        let config = Config { fleet_ca: Some(path.clone()), ..config(folder.path()) };
        let error = headwater_repo::error_chain(&run(config, std::future::pending()).await.unwrap_err());
        for word in [word, path.to_str().unwrap(), "fleet_ca", "both in PEM"] {
            assert!(error.contains(word), "{word:?} is missing: {error}");
        }
    };
    check(Some(&format!("{key}{of_other}")), "is not that of the certificate").await;
    check(Some(&leaf), "the certificate of a CA").await;
    check(Some(expired.to_pem().expose_secret()), "ran out at").await;
    check(Some(&certificate), "its P-256 key").await;
    check(Some(&key), "its certificate").await;
    check(Some(""), "a fleet CA in PEM").await;
    check(None, "No such file").await;
}
