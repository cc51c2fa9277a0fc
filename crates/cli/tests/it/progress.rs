//! Progress bars: only on a terminal.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;

use crate::run::headwater;

const SYNCING: &str = r#"{"url": "http://vendor.example", "root_version": 1, "schedule_minutes": 0, "last_sync": null,
    "syncing": {"component": "rules", "number": 2, "components": 5, "bytes_done": 400, "bytes_total": 1000}}"#;
const SYNCED: &str = r#"{"started": "2026-01-01T00:00:00Z", "duration_ms": 5, "releases": [], "bytes": 1000, "error": null,
    "skipped": []}"#;

/// A console whose sync ends when its progress was requested, or at once if it will not be. Returns how often it was
/// requested.
fn console(watched: bool) -> (String, thread::JoinHandle<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (seen, was_seen) = mpsc::channel();
    let serving = thread::spawn(move || {
        let mut looks = 0;
        let mut syncing = None;
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let request = head(&mut stream);
            if request.starts_with("POST") {
                syncing = Some(stream);
            } else {
                looks += 1;
                answer(stream, SYNCING);
            }
            // Two looks: the first was drawn when the second comes.
            if syncing.is_some() && (!watched || looks >= 2) {
                answer(syncing.take().unwrap(), SYNCED);
                seen.send(looks).unwrap();
                return;
            }
        }
    });
    let waiting = thread::spawn(move || {
        let looks = was_seen.recv().unwrap();
        serving.join().unwrap();
        looks
    });
    (url, waiting)
}

fn head(stream: &mut TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(reader.read_line(&mut head).unwrap() > 0, "{head}");
    }
    head
}

fn answer(mut stream: TcpStream, body: &str) {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    let _ = stream.read(&mut [0]);
}

/// What a terminal shows of `headwater vendor sync`; `None` if this machine has no `script` to make one.
fn on_a_terminal(url: &str, more: &str) -> Option<String> {
    let program = env!("CARGO_BIN_EXE_headwater");
    let command = format!("'{program}' vendor sync --server {url} {more}");
    let ran = Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .output();
    let Ok(ran) = ran else {
        eprintln!("SKIPPED: there is no `script` on this machine");
        return None;
    };
    assert!(ran.status.success(), "{ran:?}");
    Some(String::from_utf8_lossy(&ran.stdout).into_owned())
}

#[test]
fn a_sync_on_a_terminal_shows_its_progress() {
    let (url, looks) = console(true);
    let Some(shown) = on_a_terminal(&url, "") else { return };
    assert!(shown.contains("rules (2 of 5) ["), "{shown}");
    assert!(shown.contains("400 B/1000 B"), "{shown}");
    assert!(shown.contains("no new releases"), "{shown}");
    assert!(looks.join().unwrap() >= 2);
}

#[test]
fn without_a_terminal_there_is_no_bar() {
    let (url, looks) = console(false);
    if let Some(shown) = on_a_terminal(&url, "--json") {
        assert!(!shown.contains("rules") && shown.contains("\"bytes\": 1000"), "{shown}");
        assert_eq!(looks.join().unwrap(), 0);
    }
    let (url, looks) = console(false);
    let folder = tempfile::tempdir().unwrap();
    let ran = headwater(folder.path(), &["vendor", "sync", "--server", &url]);
    assert_eq!((ran.exit, ran.stderr.as_str()), (0, ""), "{ran:?}");
    assert!(ran.stdout.contains("no new releases"), "{ran:?}");
    assert_eq!(looks.join().unwrap(), 0);
}
