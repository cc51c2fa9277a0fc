//! The listener: real sockets, slow clients, too many clients, and its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::post;
use headwater_depot::limits::{
    ADDRESS_SHARE_DIVISOR, CONNECTIONS_MAX, DOWNLOADS_MAX, REFUSALS_MAX, REQUEST_HEAD_MAX,
};
use headwater_depot::serve::{ListenLimits, ServeLimits, SharedRepositories, listen, router};
use headwater_depot::{Blob, Store};
use headwater_policy::Class;
use headwater_repo::{Digest, layout};
use rustix::process::{Resource, getrlimit, setrlimit};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::world::{World, fetcher, noise, pass_time, walk};

struct Running {
    address: SocketAddr,
    folder: TempDir,
    site: SharedRepositories,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    async fn start(limits: ListenLimits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let site = SharedRepositories::new(ServeLimits::default());
        site.share(Class::Components, folder.path());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let shutdown = async { drop(stopped.await) };
        let task = tokio::spawn(listen(router(site.clone()), listener, limits, shutdown));
        Self { address, folder, site, stop, task }
    }

    fn put(&self, path: &str, bytes: &[u8]) {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn connect_from(&self, own: &str) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(own.parse().unwrap(), 0)).unwrap();
        socket.connect(self.address).await.unwrap()
    }

    /// Everything that comes back on a connection of its own until it is closed.
    async fn exchange(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }
}

/// As many files as a test of many connections opens; false: this system does not let it.
fn may_open(files: u64) -> bool {
    let mut allowed = getrlimit(Resource::Nofile);
    allowed.current = allowed.maximum;
    let raised = setrlimit(Resource::Nofile, allowed);
    let enough = allowed.maximum.is_none_or(|maximum| maximum >= files);
    if !enough {
        eprintln!(
            "SKIPPED: this system lets a process open {:?} files, the test needs {files}",
            allowed.maximum
        );
    }
    enough && raised.is_ok()
}

/// A moment of the paused clock, in which all that could happen happens.
const MOMENT: Duration = Duration::from_millis(1);

/// Leaves, and returns once the server has closed the connection too: its place is free.
async fn leave(mut stream: TcpStream) {
    stream.shutdown().await.unwrap();
    stream.read_to_end(&mut Vec::new()).await.unwrap();
}

const GET: &str = "GET /components/metadata/timestamp.json HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn what_we_serve_is_what_we_fetch() {
    let mut world = World::new();
    world.publish("one");
    let blob = world.add_blob(&noise(3_000_000));
    let server = Running::start(ListenLimits::default()).await;
    for (path, bytes) in &world.files {
        server.put(path, bytes);
    }
    let walk = walk(&fetcher(), &[&format!("http://{}", server.address)]);
    walk.refresh(&world.trusted(), None).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), None).unwrap();
    let mut partial = store.partial(blob.digest, blob.size).unwrap();
    partial.append(&noise(3_000_000)[..1_000_000]).unwrap();
    drop(partial);
    walk.blobs(&store, &[blob], &|_| {}).await.unwrap();
    assert!(store.verify(&blob.digest).unwrap());
    let served = server.site.served();
    assert_eq!(served[0].address, Some("127.0.0.1".parse().unwrap()));
    let attempt = &walk.attempts()[0];
    assert_eq!(served[0].bytes, attempt.bytes, "both sides count the same");
    assert!(attempt.bytes < 2_100_000, "{}: the rest alone was fetched", attempt.bytes);
}

#[tokio::test]
async fn curl_goes_on_where_it_stopped() {
    let server = Running::start(ListenLimits::default()).await;
    let bytes = noise(500_000);
    let digest = Digest::of(&bytes);
    server.put(&layout::blob(&digest), &bytes);
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    std::fs::write(&out, &bytes[..123_456]).unwrap();
    let url = format!("http://{}/components/{}", server.address, layout::blob(&digest));
    let mut curl = tokio::process::Command::new("curl");
    curl.args(["-sS", "--fail", "-C", "-", "-o"]).arg(&out).arg(&url);
    let Ok(output) = curl.output().await else {
        eprintln!("SKIPPED: there is no curl on this machine");
        return;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(std::fs::read(&out).unwrap() == bytes);
    assert_eq!(server.site.served()[0].bytes, 500_000 - 123_456);
}

#[tokio::test(start_paused = true)]
async fn a_request_is_completed_though_its_sender_has_gone() {
    let (begun, ending) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (begin, end) = (Arc::clone(&begun), Arc::clone(&ending));
    let work = post(|| async move {
        begin.notify_one();
        end.notified().await;
        "done"
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = Router::new().route("/", work);
    tokio::spawn(listen(routes, listener, ListenLimits::default(), std::future::pending()));
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    begun.notified().await;
    // It will say no more; that it still reads is how we see what becomes of its request.
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let cut = tokio::time::timeout(MOMENT, stream.read_to_end(&mut answer)).await;
    assert!(cut.is_err(), "it was given up in the middle");
    ending.notify_one();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.ends_with(b"done"), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn a_connection_beyond_the_limit_gets_503_at_once() {
    let server = Running::start(ListenLimits { connections_max: 1, ..ListenLimits::default() }).await;
    server.put("metadata/timestamp.json", b"{}");
    let mut first = server.connect().await;
    first.write_all(GET.replace("connection: close\r\n", "").as_bytes()).await.unwrap();
    let mut byte = [0];
    first.read_exact(&mut byte).await.unwrap();
    let answer = server.exchange(GET).await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("Retry-After: 5"), "{answer}");
    leave(first).await;
    let answer = server.exchange(GET).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "its place is free: {answer}");
}

#[tokio::test]
async fn so_many_connections_at_once_and_no_more() {
    if !may_open(2 * CONNECTIONS_MAX as u64 + 200) {
        return;
    }
    let server = Running::start(ListenLimits::default()).await;
    server.put("metadata/timestamp.json", b"{}");
    let mut open = Vec::new();
    for _ in 0..CONNECTIONS_MAX / ADDRESS_SHARE_DIVISOR {
        open.push(server.connect_from("127.0.0.1").await);
    }
    let answer = server.exchange(GET).await;
    assert!(answer.starts_with("HTTP/1.1 503"), "its share is taken: {answer}");
    let mut other = server.connect_from("127.0.0.2").await;
    other.write_all(GET.as_bytes()).await.unwrap();
    let mut status = [0; 12];
    other.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 200", "there is room for another");
    drop(other);
    for _ in 0..CONNECTIONS_MAX / ADDRESS_SHARE_DIVISOR {
        open.push(server.connect_from("127.0.0.2").await);
    }
    let mut third = server.connect_from("127.0.0.3").await;
    third.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 503", "all are taken");
}

/// A caller that floods a full listener gets only so many refusals: the rest is closed without one.
#[tokio::test(start_paused = true)]
async fn so_many_are_refused_with_an_answer_at_once_and_no_more() {
    let limits = ListenLimits {
        connections_max: 0,
        refusal_time: Duration::from_secs(600),
        ..ListenLimits::default()
    };
    let server = Running::start(limits).await;
    let mut refused = Vec::new();
    for number in 0..REFUSALS_MAX {
        let mut stream = server.connect().await;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 503", "{number}");
        refused.push(stream);
    }
    let mut answer = Vec::new();
    let _ = server.connect().await.read_to_end(&mut answer).await;
    assert!(answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
    refused.clear();
    pass_time(MOMENT).await;
    let answer = server.exchange("").await;
    assert!(answer.starts_with("HTTP/1.1 503"), "there is room for refusals again: {answer}");
}

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_come_or_does_not_end_is_cut_off() {
    let limits = ListenLimits::default();
    let server = Running::start(limits).await;
    for head in ["GET / HTT", ""] {
        let began = Instant::now();
        let cut = server.exchange(head).await;
        assert!(!cut.contains("200"), "{head:?}: {cut}");
        assert_eq!(began.elapsed(), limits.header_timeout, "{head:?}");
    }
    let endless = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(REQUEST_HEAD_MAX));
    let mut stream = server.connect().await;
    // It may hang up before all is written.
    let _ = stream.write_all(endless.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_gives_its_place_back() {
    let limits = ListenLimits::default();
    let server = Running::start(limits).await;
    // More than the buffers of both sockets take.
    let bytes = noise(30_000_000);
    let blob = Blob { digest: Digest::of(&bytes), size: bytes.len() as u64 };
    server.put(&layout::blob(&blob.digest), &bytes);
    let mut stream = server.connect().await;
    let request = format!("GET /components/{} HTTP/1.1\r\nhost: x\r\n\r\n", layout::blob(&blob.digest));
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    pass_time(limits.send_timeout - MOMENT).await;
    assert_eq!(server.site.downloads(), 1, "it has its time");
    pass_time(2 * MOMENT).await;
    assert_eq!(server.site.downloads(), 0, "the download that stalls is ended");
    drop(stream);
}

/// One address takes all downloads and reads none of them; another gets its own, each time.
#[tokio::test]
async fn downloads_that_are_not_read_leave_others_theirs() {
    let server = Running::start(ListenLimits::default()).await;
    let bytes = noise(12_000_000);
    let blob = layout::blob(&Digest::of(&bytes));
    server.put(&blob, &bytes);
    let request = format!("GET /components/{blob} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    let status = async |own: &str| {
        let mut stream = server.connect_from(own).await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        (String::from_utf8_lossy(&answer).into_owned(), stream)
    };
    let mut unread = Vec::new();
    for number in 0..=DOWNLOADS_MAX {
        let (answer, stream) = status("127.0.0.1").await;
        assert_eq!(answer == "HTTP/1.1 200", number < DOWNLOADS_MAX, "{number}: {answer}");
        unread.push(stream);
    }
    for number in 0..20 {
        let (answer, mut stream) = status("127.0.0.2").await;
        assert_eq!(answer, "HTTP/1.1 200", "{number}");
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        assert!(rest.len() > bytes.len(), "{number}: {} bytes", rest.len());
    }
    assert!(server.site.downloads() <= DOWNLOADS_MAX);
}

#[tokio::test(start_paused = true)]
async fn shutdown_ends_idle_connections_and_after_its_grace_all() {
    let limits = ListenLimits::default();
    let server = Running::start(limits).await;
    server.put("metadata/timestamp.json", b"{}");
    let mut idle = server.connect().await;
    idle.write_all(GET.replace("connection: close\r\n", "").as_bytes()).await.unwrap();
    let mut byte = [0];
    idle.read_exact(&mut byte).await.unwrap();
    // More than the buffers of both sockets take: this download does not end before somebody reads it.
    let bytes = noise(30_000_000);
    let path = layout::blob(&Digest::of(&bytes));
    server.put(&path, &bytes);
    let mut stalled = server.connect().await;
    stalled
        .write_all(format!("GET /components/{path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes())
        .await
        .unwrap();
    stalled.read_exact(&mut byte).await.unwrap();
    let began = Instant::now();
    server.stop.send(()).unwrap();
    idle.read_to_end(&mut Vec::new()).await.unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO, "the idle one is closed at once");
    server.task.await.unwrap();
    assert_eq!(began.elapsed(), limits.shutdown_grace, "the other one after its grace");
    let mut rest = Vec::new();
    let _ = stalled.read_to_end(&mut rest).await;
    assert!(rest.len() < bytes.len(), "the download was cut");
    let refused = TcpStream::connect(server.address).await;
    assert!(refused.is_err(), "it still listens");
}
