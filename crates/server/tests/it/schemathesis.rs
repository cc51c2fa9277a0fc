//! A program of others against the server: `schemathesis` asks what the OpenAPI document says can be asked, and more.
//!
//! Needs `HEADWATER_SCHEMATHESIS`, the path of that program; `cargo xtask test` sees to it. Without it the test says that
//! it was skipped.

use std::path::PathBuf;
use std::process::Stdio;

use headwater_server::Config;
use serde_json::json;

use crate::harness::{Server, config};

/// What is asked of every answer: no fault of the server, and nothing that the document does not say.
const CHECKS: &str =
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance";

/// Requests made up for each operation, beside those at the edges of every value.
const EXAMPLES: &str = "10";

fn schemathesis() -> Option<PathBuf> {
    let program = std::env::var_os("HEADWATER_SCHEMATHESIS");
    if program.is_none() {
        eprintln!(
            "SKIPPED: schemathesis was not asked. Run `cargo xtask test`, or set HEADWATER_SCHEMATHESIS to the program \
             (python3 -m venv .venv && .venv/bin/pip install 'schemathesis>=4,<5')."
        );
    }
    program.map(PathBuf::from)
}

/// Something of everything, so that there is something to find.
async fn with_content() -> Server {
    let server = Server::start_with(|folder| Config { upload_bytes_max: 1 << 20, ..config(folder) }).await;
    server.publish("components", "name", "1", &[("a", b"one")]).await;
    server.publish("components", "name", "2", &[("a", b"two")]).await;
    server.ok("POST", "/api/v1/domains", Some(json!({"path": "root/paris"}))).await;
    server.set("root", json!({"settings": {"poll_interval_minutes": 30}})).await;
    server.check_in("client", "root", "10.0.0.1").await;
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn schemathesis_finds_no_fault_and_nothing_undocumented() {
    let Some(program) = schemathesis() else { return };
    let server = with_content().await;
    let folder = tempfile::tempdir().unwrap();
    let document = folder.path().join("openapi.json");
    std::fs::write(&document, headwater_server::openapi()).unwrap();
    let mut asking = tokio::process::Command::new(program)
        .arg("run")
        .arg(&document)
        .args(["--url", &server.running.console_url, "--checks", CHECKS, "--max-examples", EXAMPLES])
        .args(["--header", &format!("Authorization: Bearer {}", server.token)])
        .args(["--phases", "examples,coverage,fuzzing", "--generation-deterministic", "--no-color"])
        // It learns names from answers, and would soon revoke the token by which it asks.
        .args(["--exclude-operation-id", "delete_tokens_name"])
        .args(["--request-timeout", "30", "--warnings", "off"])
        // One at a time: Python 3.11's parser of its own sources counts its depth wrongly where two threads use it.
        .args(["--suppress-health-check", "all", "--workers", "1"])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut output = Vec::new();
    let mut stdout = asking.stdout.take().unwrap();
    tokio::io::AsyncReadExt::read_to_end(&mut stdout, &mut output).await.unwrap();
    let status = asking.wait().await.unwrap();
    assert!(status.success(), "{}", String::from_utf8_lossy(&output));
    // It is still there, and nothing that was asked has taken our own token.
    assert_eq!(server.get("/health").await["status"], "ok");
    server.get("/api/v1/status").await;
}
