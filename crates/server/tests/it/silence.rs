//! The log at its most talkative, through enrolment, sign-in, tokens, keys and a backup: who changed what is in it, and none
//! of the secrets.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use secrecy::ExposeSecret as _;
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use crate::endpoint::Endpoint;
use crate::harness::{Server, files};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn the_log_shows_who_changed_what_and_no_secret_at_any_level() {
    let log = Log::default();
    tracing_subscriber::fmt().with_env_filter("trace").with_writer(log.clone()).with_ansi(false).init();
    let server = Server::start().await;
    let mut secrets = vec![server.token.clone()];
    let first = server.running.take_first_password().unwrap().expose_secret().to_owned();
    let (new, passphrase) = ("correct horse battery", "staple of the backup");
    let sign_in = json!({"name": "admin", "password": first, "new_password": new});
    let request = server.anonymous(reqwest::Method::POST, "/api/v1/sign-in").json(&sign_in);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
    let session = cookie.split(['=', ';']).nth(1).unwrap();
    let bundle = server.bundle(json!({})).await;
    secrets.push(bundle.token.as_ref().unwrap().expose_secret().to_owned());
    let mut endpoint = Endpoint::new("pc", &bundle);
    assert_eq!(endpoint.enrol(&bundle).await.0, 200);
    server.ok("POST", "/api/v1/keys/components/draft", Some(json!({"replace": ["timestamp"]}))).await;
    server.ok("POST", "/api/v1/backup", Some(json!({"passphrase": passphrase}))).await;
    secrets.extend([first, new.to_owned(), passphrase.to_owned(), session.to_owned()]);
    for file in files(&server.folder.path().join("keys")) {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let private = text.split("-----BEGIN ").filter(|part| part.contains("PRIVATE KEY"));
        secrets.extend(private.flat_map(|part| part.lines().skip(1).take(1)).map(str::to_owned));
    }
    assert!(secrets.len() > 8, "there are keys: {}", secrets.len());
    server.running.stop();
    server.running.ended().await;
    let text = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(text.contains("listening") && text.contains("TRACE"), "the log has a lot");
    let shows = |parts: &[&str]| {
        let line = |line: &str| line.contains(" INFO ") && parts.iter().all(|part| line.contains(part));
        let recorded: Vec<_> = text.lines().filter(|line| line.contains("recorded in")).collect();
        assert!(text.lines().any(line), "{parts:?} is not in {recorded:#?}");
    };
    shows(&["(token harness)\"", "action=\"keys.draft_root\"", "subject=\"components\"", "entry="]);
    shows(&["who=\"client:pc\"", "action=\"client.enrol\""]);
    shows(&["stopped", "data="]);
    for secret in secrets {
        assert!(secret.len() > 8 && !text.contains(&secret), "the log shows {secret}");
    }
}
