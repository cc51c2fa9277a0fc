//! A source that misbehaves on command: the static layout from memory, and a script of faults. One that is slow is so on
//! the test's paused clock.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::world::{Files, pass_time};

/// Between two bytes of a source that drips.
const DRIP: Duration = Duration::from_millis(20);

/// What to do with a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    Honest,
    /// Accept, read, never answer.
    Silent,
    /// Answer after that time.
    Late(Duration),
    /// Close without an answer.
    HangUp,
    /// A byte now and then.
    Drip,
    /// So many bytes at a time.
    Rate {
        bytes: usize,
        every: Duration,
    },
    /// Send up to this byte of the file, then nothing.
    Stall(usize),
    /// Promise all, close at this byte of the file.
    Truncate(usize),
    /// Change this byte of the file.
    Flip(usize),
    /// Send something else of the same length.
    Garbage,
    /// No length, no end.
    Endless,
    /// Announce one byte more than there is.
    Longer,
    Status(u16),
    /// 503 with these seconds.
    Busy(u64),
    IgnoreRange,
    WrongRange,
    /// To a request for a range: this status, with this header of the range (`""`: none), and all bytes from that one on.
    OfRange {
        status: u16,
        header: String,
        from: usize,
    },
    /// To a request for a range: closes without an answer.
    HangUpOnRange,
    /// To a request for a range: no answer.
    SilentOnRange,
    WrongTag,
    Redirect(String),
    Encoded,
}

/// One answered request: how many bytes of a body were sent, and the range that was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Sent {
    pub path: String,
    pub from: usize,
    pub bytes: usize,
    pub headers: String,
}

#[derive(Default)]
struct State {
    files: Files,
    /// Part of the path, what to do, and for how many requests.
    script: Vec<(String, Act, usize)>,
    sent: Vec<Sent>,
}

pub struct BadSource {
    pub url: String,
    state: Arc<Mutex<State>>,
    at_once_max: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl BadSource {
    /// Serves `files` as class `components`.
    pub async fn start(files: Files) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let files = files.into_iter().map(|(path, bytes)| (format!("/components/{path}"), bytes)).collect();
        let state = Arc::new(Mutex::new(State { files, ..State::default() }));
        let at_once = Arc::new(AtomicUsize::new(0));
        let at_once_max = Arc::new(AtomicUsize::new(0));
        let (shared, max) = (Arc::clone(&state), Arc::clone(&at_once_max));
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                // The system holds nothing back in real time, of which the paused clock knows nothing.
                stream.set_nodelay(true).unwrap();
                let (state, now, max) = (Arc::clone(&shared), Arc::clone(&at_once), Arc::clone(&max));
                tokio::spawn(async move {
                    max.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    // A client that goes away is what many tests are about.
                    let _ = answer(stream, &state).await;
                    now.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { url, state, at_once_max, task }
    }

    /// From now on, does `act` with requests whose path contains `part`.
    pub fn on(self, part: &str, act: Act) -> Self {
        self.script(part, act, usize::MAX);
        self
    }

    /// Forgets what it was to do.
    pub fn clear(&self) {
        self.state.lock().unwrap().script.clear();
    }

    /// The same, for the first `times` such requests.
    pub fn script(&self, part: &str, act: Act, times: usize) {
        self.state.lock().unwrap().script.push((part.to_owned(), act, times));
    }

    pub fn sent(&self) -> Vec<Sent> {
        self.state.lock().unwrap().sent.clone()
    }

    /// What was sent for paths that contain `part`, as (first byte, bytes).
    pub fn ranges(&self, part: &str) -> Vec<(usize, usize)> {
        self.sent()
            .iter()
            .filter(|sent| sent.path.contains(part))
            .map(|sent| (sent.from, sent.bytes))
            .collect()
    }

    pub fn at_once_max(&self) -> usize {
        self.at_once_max.load(Ordering::SeqCst)
    }
}

impl Drop for BadSource {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(mut stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).await? == 0 {
            return Ok(());
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    let path = head.split(' ').nth(1).unwrap().to_owned();
    let from =
        head.split("range: bytes=").nth(1).and_then(|rest| rest.split('-').next()?.parse().ok()).unwrap_or(0);
    let (act, file) = {
        let mut state = state.lock().unwrap();
        let act = state.script.iter_mut().find(|(part, _, times)| path.contains(part.as_str()) && *times > 0);
        let act = act.map_or(Act::Honest, |(_, act, times)| {
            *times -= 1;
            act.clone()
        });
        state.sent.push(Sent { path: path.clone(), from, bytes: 0, headers: head.clone() });
        (act, state.files.get(&path).cloned())
    };
    if let Act::Late(time) = act {
        pass_time(time).await;
    }
    let mut reply = Reply { stream: &mut stream, state, path: &path, from };
    match (act, file) {
        (Act::Silent, _) => wait_for_ever().await,
        (Act::HangUp, _) => Ok(()),
        (Act::HangUpOnRange, _) if from > 0 => Ok(()),
        (Act::SilentOnRange, _) if from > 0 => wait_for_ever().await,
        (Act::OfRange { status, header, from: first }, Some(file)) if from > 0 => {
            let mut headers = vec![("content-length", (file.len() - first).to_string())];
            headers.extend((!header.is_empty()).then_some(("content-range", header)));
            reply.head(status, &headers).await?;
            reply.body(&file[first..]).await
        }
        (Act::Status(status), _) => reply.head(status, &[("content-length", "0".into())]).await,
        (Act::Busy(seconds), _) => {
            reply.head(503, &[("retry-after", seconds.to_string()), ("content-length", "0".into())]).await
        }
        (Act::Redirect(to), _) => reply.head(302, &[("location", to), ("content-length", "0".into())]).await,
        (_, None) => reply.head(404, &[("content-length", "0".into())]).await,
        (act, Some(file)) => reply.file(act, file).await,
    }
}

struct Reply<'a> {
    stream: &'a mut TcpStream,
    state: &'a Mutex<State>,
    path: &'a str,
    from: usize,
}

impl Reply<'_> {
    async fn head(&mut self, status: u16, headers: &[(&str, String)]) -> std::io::Result<()> {
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!("HTTP/1.1 {status} X\r\n{headers}connection: close\r\n\r\n");
        self.stream.write_all(head.as_bytes()).await
    }

    async fn file(&mut self, act: Act, mut file: Vec<u8>) -> std::io::Result<()> {
        let whole = self.from == 0 || act == Act::IgnoreRange;
        let first = if whole { 0 } else { self.from };
        let total = file.len();
        let mut headers = BTreeMap::from([("content-length", (total - first).to_string())]);
        if !whole {
            let claimed = if act == Act::WrongRange { first - 1 } else { first };
            headers.insert("content-range", format!("bytes {claimed}-{}/{total}", total - 1));
        }
        match &act {
            Act::Flip(at) => file[*at] ^= 1,
            Act::Garbage => file.fill(b'x'),
            Act::Longer => drop(headers.insert("content-length", (total - first + 1).to_string())),
            Act::Endless => drop(headers.remove("content-length")),
            Act::WrongTag => drop(headers.insert("etag", format!("\"sha256-{}\"", "0".repeat(64)))),
            Act::Encoded => drop(headers.insert("content-encoding", "gzip".into())),
            _ => {}
        }
        let headers: Vec<_> = headers.into_iter().collect();
        self.head(if whole { 200 } else { 206 }, &headers).await?;
        match act {
            Act::Stall(at) => {
                self.body(&file[first..at.max(first)]).await?;
                wait_for_ever().await
            }
            Act::Truncate(at) => self.body(&file[first..at.max(first)]).await,
            Act::Drip => {
                for byte in &file[first..] {
                    self.body(std::slice::from_ref(byte)).await?;
                    pass_time(DRIP).await;
                }
                Ok(())
            }
            Act::Rate { bytes, every } => {
                for chunk in file[first..].chunks(bytes) {
                    self.body(chunk).await?;
                    pass_time(every).await;
                }
                Ok(())
            }
            Act::Endless => {
                self.body(&file[first..]).await?;
                loop {
                    self.body(&[0; 4096]).await?;
                }
            }
            _ => self.body(&file[first..]).await,
        }
    }

    async fn body(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes).await?;
        let mut state = self.state.lock().unwrap();
        let sent =
            state.sent.iter_mut().rfind(|sent| sent.path == self.path && sent.from == self.from).unwrap();
        sent.bytes += bytes.len();
        Ok(())
    }
}

async fn wait_for_ever() -> std::io::Result<()> {
    std::future::pending().await
}
