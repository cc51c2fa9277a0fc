//! A web server for one folder on loopback that counts what it sends, for tools that fetch parts of files (zsync).
//!
//! One request a connection, of one range or many. Counted are bytes of files, not what HTTP puts round them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{fs, io, thread};

/// Bytes of a request that are read.
const REQUEST_BYTES: u64 = 64 * 1024;
/// What stands between the parts of an answer; no file of a series has it.
const BOUNDARY: &str = "headwater-bench-between-ranges";

/// Listens until the program ends.
pub struct FileServer {
    /// On 127.0.0.1.
    pub port: u16,
    sent: Arc<AtomicU64>,
}

impl FileServer {
    /// Serves the files that lie in a folder, by name.
    pub fn start(folder: PathBuf) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let sent = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&sent);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that went away is an error of one connection, and no reason to end.
                let _ = converse(stream, &folder, &counter);
            }
        });
        Ok(Self { port, sent })
    }

    /// Bytes of files sent since the last call.
    pub fn take_sent(&self) -> u64 {
        self.sent.swap(0, Ordering::SeqCst)
    }
}

fn converse(mut stream: TcpStream, folder: &Path, counter: &AtomicU64) -> io::Result<()> {
    let request = BufReader::new((&stream).take(REQUEST_BYTES))
        .lines()
        .take_while(|line| matches!(line, Ok(line) if !line.is_empty()));
    let answer = Answer::to(&request.collect::<io::Result<Vec<_>>>()?, folder);
    counter.fetch_add(answer.file_bytes, Ordering::SeqCst);
    let Answer { status, header, body, .. } = answer;
    let length = body.len();
    write!(stream, "HTTP/1.1 {status}\r\n{header}Content-Length: {length}\r\nConnection: close\r\n\r\n")?;
    stream.write_all(&body)
}

struct Answer {
    status: &'static str,
    header: String,
    body: Vec<u8>,
    file_bytes: u64,
}

impl Answer {
    fn to(request: &[String], folder: &Path) -> Self {
        let path = request.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
        let name = path.trim_start_matches('/');
        let file = (!name.contains('/')).then(|| fs::read(folder.join(name)).ok()).flatten();
        let Some(file) = file else { return Self::none("404 Not Found") };
        let ranges = request.iter().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("range").then(|| value.trim())
        });
        match ranges.map(|ranges| parse_ranges(ranges, file.len())) {
            None => {
                Self { status: "200 OK", header: String::new(), file_bytes: file.len() as u64, body: file }
            }
            Some(Some(ranges)) => Self::partial(&file, &ranges),
            Some(None) => Self::none("416 Range Not Satisfiable"),
        }
    }

    fn none(status: &'static str) -> Self {
        Self { status, header: String::new(), body: Vec::new(), file_bytes: 0 }
    }

    fn partial(file: &[u8], ranges: &[(usize, usize)]) -> Self {
        let content_range = |&(from, end): &(usize, usize)| {
            format!("Content-Range: bytes {from}-{}/{}\r\n", end - 1, file.len())
        };
        let file_bytes = ranges.iter().map(|(from, end)| (end - from) as u64).sum();
        let status = "206 Partial Content";
        if let [range] = ranges {
            return Self {
                status,
                header: content_range(range),
                body: file[range.0..range.1].to_vec(),
                file_bytes,
            };
        }
        let mut body = Vec::new();
        for range in ranges {
            body.extend(format!("\r\n--{BOUNDARY}\r\n{}\r\n", content_range(range)).bytes());
            body.extend(&file[range.0..range.1]);
        }
        body.extend(format!("\r\n--{BOUNDARY}--\r\n").bytes());
        let header = format!("Content-Type: multipart/byteranges; boundary={BOUNDARY}\r\n");
        Self { status, header, body, file_bytes }
    }
}

/// `bytes=0-9,20-29` as starts and ends within a file of `length` bytes; `None` if one is not in it.
fn parse_ranges(text: &str, length: usize) -> Option<Vec<(usize, usize)>> {
    let parse = |range: &str| {
        let (from, last) = range.trim().split_once('-')?;
        let from: usize = from.parse().ok()?;
        let end =
            if last.is_empty() { length } else { last.parse::<usize>().ok()?.saturating_add(1).min(length) };
        (from < end).then_some((from, end))
    };
    text.strip_prefix("bytes=")?.split(',').map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_lie_in_the_file() {
        let check = |text: &str, expected: Option<&[(usize, usize)]>| {
            assert_eq!(parse_ranges(text, 100).as_deref(), expected, "{text}");
        };
        check("bytes=0-9", Some(&[(0, 10)]));
        check("bytes=0-9, 90-199", Some(&[(0, 10), (90, 100)]));
        check("bytes=50-", Some(&[(50, 100)]));
        check("bytes=100-", None);
        check("bytes=9-0", None);
        check("lines=0-9", None);
    }

    #[test]
    fn bytes_of_files_are_counted_and_nothing_else() {
        let one = Answer::partial(b"0123456789", &[(2, 4)]);
        assert_eq!((one.body.as_slice(), one.file_bytes), (&b"23"[..], 2));
        let two = Answer::partial(b"0123456789", &[(2, 4), (9, 10)]);
        assert_eq!(two.file_bytes, 3);
        assert!(two.body.len() > 100, "{two:?}", two = String::from_utf8_lossy(&two.body));
    }
}
