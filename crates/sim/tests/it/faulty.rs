//! The faulty source does what its script demands, and nothing worse.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;

use headwater_sim::faulty::{self, Fault, Settings, Upstream};

/// A source over a folder with `blobs/aa/file` of 100,000 bytes.
struct Source {
    folder: tempfile::TempDir,
    address: SocketAddr,
}

fn source(fault: Option<Fault>) -> Source {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("blobs/aa")).unwrap();
    std::fs::write(folder.path().join("blobs/aa/file"), content()).unwrap();
    let script = folder.path().join("script.json");
    let rules: Vec<_> = fault.into_iter().map(|fault| fault.on("/blobs/")).collect();
    std::fs::write(&script, serde_json::to_vec(&rules).unwrap()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let settings = Settings {
        listen: address,
        upstream: Upstream::Folder(folder.path().to_owned()),
        script,
        log: folder.path().join("log"),
    };
    std::thread::spawn(move || faulty::serve_on(&listener, settings));
    Source { folder, address }
}

fn content() -> Vec<u8> {
    (0..100_000_u32).map(|i| (i % 251) as u8).collect()
}

impl Source {
    /// Status and body; reading ends with the connection, which a silent source ends with ours, or after a million bytes.
    fn get(&self, range: &str) -> (u16, Vec<u8>) {
        let mut connection = TcpStream::connect(self.address).unwrap();
        let range = if range.is_empty() { String::new() } else { format!("Range: bytes={range}\r\n") };
        write!(connection, "GET /blobs/aa/file HTTP/1.1\r\nHost: x\r\n{range}\r\n").unwrap();
        connection.shutdown(Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        let mut chunk = [0; 4096];
        while answer.len() < 1_000_000 {
            match connection.read(&mut chunk) {
                Ok(0) | Err(_) => break,
                Ok(count) => answer.extend(&chunk[..count]),
            }
        }
        let Some(end) = answer.windows(4).position(|it| it == b"\r\n\r\n") else {
            return (0, answer);
        };
        let status = String::from_utf8_lossy(&answer[9..12]).parse().unwrap();
        (status, answer[end + 4..].to_vec())
    }

    fn log(&self) -> String {
        std::fs::read_to_string(Path::new(self.folder.path()).join("log")).unwrap()
    }
}

#[test]
fn without_a_fault_it_is_honest() {
    let source = source(None);
    assert_eq!(source.get(""), (200, content()));
    assert_eq!(source.get("99990-"), (206, content()[99_990..].to_vec()));
    assert!(source.log().contains(r#""range_start":99990,"status":206,"bytes":10"#), "{}", source.log());
}

#[test]
fn each_fault_is_what_it_says() {
    let flipped = {
        let mut content = content();
        content[20_000] ^= 0x20;
        content
    };
    let check = |fault: Fault, range: &str, expected: (u16, Vec<u8>)| {
        let got = source(Some(fault.clone())).get(range);
        assert!(got == expected, "{fault:?}: status {}, {} bytes", got.0, got.1.len());
    };
    check(Fault::Silent, "", (0, Vec::new()));
    check(Fault::Stall { at: 70_000 }, "", (200, content()[..70_000].to_vec()));
    check(Fault::Stall { at: 70_000 }, "60000-", (206, content()[60_000..70_000].to_vec()));
    check(Fault::Truncate { at: 5 }, "", (200, content()[..5].to_vec()));
    check(Fault::Flip { at: 20_000 }, "", (200, flipped.clone()));
    check(Fault::Flip { at: 20_000 }, "19999-", (206, flipped[19_999..].to_vec()));
    check(Fault::Status { code: 503, retry_after_seconds: Some(1) }, "", (503, Vec::new()));
    check(Fault::Slow { bytes_per_second: 200_000 }, "", (200, content()));
    assert!(source(Some(Fault::Endless)).get("").1.len() > 900_000);
}
