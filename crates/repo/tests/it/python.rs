//! The same repositories in the eyes of another implementation: python-tuf reads ours, we read python-tuf's.
//!
//! Needs a Python with the package `tuf` in `HEADWATER_PYTHON`; `cargo xtask test` sees to that. Without it these tests
//! say that they were skipped.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;

use headwater_repo::{Digest, Expiry, Lookup, RootDraft, TargetsDraft, Trusted, Unsigned};
use jiff::Timestamp;

use crate::world::{ONLINE_KEYS, ROOT_KEYS, Source, name, ring, root_at};

/// python-tuf has the real clock, so these tests do too.
#[expect(clippy::disallowed_methods, reason = "the other side of these tests reads the machine's clock")]
fn now() -> Timestamp {
    Timestamp::now()
}

/// Runs one of `tests/python`, or reports that it was skipped and returns false.
fn run(script: &str, arguments: &[&str]) -> bool {
    let Some(python) = std::env::var_os("HEADWATER_PYTHON") else {
        eprintln!(
            "SKIPPED: python-tuf was not asked. Run `cargo xtask test`, or set HEADWATER_PYTHON to a Python that has \
             the package `tuf` (python3 -m venv .venv && .venv/bin/pip install 'tuf>=7,<8')."
        );
        return false;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python").join(script);
    let output =
        Command::new(python).arg("-B").arg(&script).args(arguments).output().expect("HEADWATER_PYTHON runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {}\n{text}", script.display(), output.status);
    true
}

/// Serves files by path on a port of its own, as plain as a web server can be, until the test's process ends.
fn serve(files: BTreeMap<String, Vec<u8>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for connection in listener.incoming() {
            // A reader that hangs up is the reader's business.
            let _ = connection.and_then(|connection| answer(&connection, &files));
        }
    });
    base
}

fn answer(mut connection: &TcpStream, files: &BTreeMap<String, Vec<u8>>) -> std::io::Result<()> {
    let mut lines = BufReader::new(connection).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let path = request.split(' ').nth(1).unwrap_or_default().trim_start_matches('/');
    let (status, body) = match files.get(path) {
        Some(body) => ("200 OK", body.as_slice()),
        None => ("404 Not Found", &b""[..]),
    };
    write!(connection, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())?;
    connection.write_all(body)
}

fn check_python_reads(source: &Source, first_root: &[u8], targets: &[(&str, &[u8])]) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root.json");
    std::fs::write(&root, first_root).unwrap();
    let base = serve(source.files.clone());
    let digests: Vec<_> = targets.iter().map(|(_, content)| Digest::of(content).to_string()).collect();
    let mut arguments = vec![root.to_str().unwrap(), &base];
    for ((name, _), digest) in targets.iter().zip(&digests) {
        arguments.extend([*name, digest]);
    }
    run("read.py", &arguments);
}

#[test]
fn python_tuf_reads_what_we_publish() {
    let first = root_at(now());
    let mut draft = TargetsDraft::first(first.clone());
    draft.add(name("a/one.txt"), b"one".to_vec()).unwrap();
    draft.add(name("deep/er/policy.json"), b"{}".to_vec()).unwrap();
    let signed = draft.finish(now(), &Expiry::default()).unwrap().sign(&ring(&ONLINE_KEYS)).unwrap();
    let mut source = Source::default();
    source.write(&signed);
    check_python_reads(&source, first.bytes(), &[("a/one.txt", b"one"), ("deep/er/policy.json", b"{}")]);

    // Then with all keys replaced, a target changed, and the snapshot signed again.
    let roles = [
        (headwater_repo::Role::Targets, 31),
        (headwater_repo::Role::Snapshot, 32),
        (headwater_repo::Role::Timestamp, 33),
    ];
    let rotated = roles.into_iter().fold(RootDraft::next(&first).unwrap(), |draft, (role, number)| {
        draft.role(role, 1, [crate::world::public(number)])
    });
    let rotated = rotated.role(headwater_repo::Role::Root, 2, [4, 5].map(crate::world::public));
    let all_roots = [&ROOT_KEYS[..], &[4, 5]].concat();
    let second = rotated.finish(now(), &Expiry::default()).unwrap().sign_with(&ring(&all_roots)).unwrap();
    let mut draft = TargetsDraft::next(signed.published());
    draft.rotate_root(second).unwrap();
    draft.add(name("a/one.txt"), b"uno".to_vec()).unwrap();
    let signed = draft.finish(now(), &Expiry::default()).unwrap().sign(&ring(&[31, 32, 33])).unwrap();
    source.write(&signed);
    let again = Unsigned::snapshot_again(signed.published(), now(), &Expiry::default()).unwrap();
    source.write(&again.sign(&ring(&[32, 33])).unwrap());
    check_python_reads(&source, first.bytes(), &[("a/one.txt", b"uno"), ("deep/er/policy.json", b"{}")]);
}

#[test]
fn we_read_what_python_tuf_publishes() {
    let folder = tempfile::tempdir().unwrap();
    if !run("write.py", &[folder.path().to_str().unwrap()]) {
        return;
    }
    let read = |path: &str| std::fs::read(folder.path().join(path)).ok();
    let mut source = Source::default();
    for entry in std::fs::read_dir(folder.path().join("metadata")).unwrap() {
        let entry = entry.unwrap();
        let path = format!("metadata/{}", entry.file_name().to_str().unwrap());
        source.files.insert(path, std::fs::read(entry.path()).unwrap());
    }
    let mut trusted = Trusted::from_root(&read("metadata/1.root.json").unwrap()).unwrap();
    source.refresh(&mut trusted, now()).unwrap();
    assert_eq!(trusted.root_version(), 2);
    for (target, content) in [("a/one.txt", &b"one"[..]), ("vendor/über uns.txt", b"delegated")] {
        let description = loop {
            match trusted.lookup(&name(target), now()).unwrap() {
                Lookup::Found(description) => break description,
                Lookup::Wanted(role) => {
                    let bytes = source.metadata(&role.wanted.file).unwrap();
                    trusted.update_delegated(&role, bytes, now()).unwrap();
                }
                Lookup::Absent => panic!("{target} is not found"),
            }
        };
        assert_eq!(description.check(content), Ok(()));
        assert_eq!(read(&format!("targets/{}", description.path)).as_deref(), Some(content));
    }
}
