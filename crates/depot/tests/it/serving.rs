//! What is served, and how: status and headers as data through one `check`.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, StatusCode};
use headwater_depot::limits::{
    CACHE_TOTAL_MAX, CACHED_FILE_MAX, CACHED_METADATA_MAX, COUNTED_ADDRESSES_MAX, REQUEST_PATH_MAX,
};
use headwater_depot::serve::{ServeLimits, SharedRepositories, router};
use headwater_policy::Class;
use headwater_repo::{Digest, layout};
use http_body_util::BodyExt;
use tempfile::TempDir;
use tower::ServiceExt;

use crate::world::noise;

const IMMUTABLE: &str = "public, max-age=31536000, immutable";

struct Shop {
    folder: TempDir,
    site: SharedRepositories,
    router: Router,
    blob: Digest,
}

impl Shop {
    /// Shares `components` with one blob of ten bytes, a target and metadata.
    fn new() -> Self {
        Self::with(ServeLimits::default(), b"0123456789")
    }

    fn with(limits: ServeLimits, blob: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let site = SharedRepositories::new(limits);
        site.share(Class::Components, folder.path().join("shared"));
        let digest = Digest::of(blob);
        let shop = Self { router: router(site.clone()), site, folder, blob: digest };
        shop.put(&layout::blob(&digest), blob);
        shop.put("metadata/timestamp.json", b"{}");
        shop.put("metadata/1.root.json", b"root");
        shop.put(&format!("targets/feed/{}.1.json", Digest::of(b"target")), b"target");
        shop.put(&format!("targets/domains/root/{}.b\u{fc}ro 1.json", Digest::of(b"target")), b"target");
        shop
    }

    fn put(&self, path: &str, bytes: &[u8]) {
        let path = self.folder.path().join("shared").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn blob_path(&self) -> String {
        format!("/components/{}", layout::blob(&self.blob))
    }

    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Answer { status: head.status, headers: head.headers, body }
    }
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// One request for the ten-byte blob: status, body and `Content-Range` of the answer.
async fn check(headers: &[(&str, &str)], status: u16, body: &str, range: &str) {
    let shop = Shop::new();
    let tag = format!("\"sha256-{}\"", shop.blob);
    let headers: Vec<(&str, String)> =
        headers.iter().map(|(name, value)| (*name, value.replace("TAG", &tag))).collect();
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let answer = shop.ask("GET", &shop.blob_path(), &headers).await;
    let got = (
        answer.status.as_u16(),
        String::from_utf8_lossy(&answer.body).into_owned(),
        answer.header("content-range"),
    );
    assert_eq!(got, (status, body.to_owned(), range), "{headers:?}");
    assert_eq!(answer.header("etag"), tag, "{headers:?}");
    assert_eq!(answer.header("cache-control"), IMMUTABLE, "{headers:?}");
    assert_eq!(answer.header("accept-ranges"), "bytes", "{headers:?}");
    if status < 300 {
        assert_eq!(answer.header("content-length"), body.len().to_string(), "{headers:?}");
    }
}

#[tokio::test]
async fn ranges_and_conditions_are_answered_as_rfc_9110_says() {
    let all = "0123456789";
    check(&[], 200, all, "").await;
    check(&[("range", "bytes=0-")], 206, all, "bytes 0-9/10").await;
    check(&[("range", "bytes=3-")], 206, "3456789", "bytes 3-9/10").await;
    check(&[("range", "bytes=3-5")], 206, "345", "bytes 3-5/10").await;
    check(&[("range", "bytes=3-99")], 206, "3456789", "bytes 3-9/10").await;
    check(&[("range", "bytes=9-9")], 206, "9", "bytes 9-9/10").await;
    check(&[("range", "bytes=-3")], 206, "789", "bytes 7-9/10").await;
    check(&[("range", "bytes=-99")], 206, all, "bytes 0-9/10").await;
    check(&[("range", "Bytes=3-5")], 206, "345", "bytes 3-5/10").await;
    check(&[("range", "bytes=0-99999999999999999999999")], 206, all, "bytes 0-9/10").await;
    check(&[("range", "bytes=10-")], 416, "", "bytes */10").await;
    check(&[("range", "bytes=99999999999999999999999-")], 416, "", "bytes */10").await;
    check(&[("range", "bytes=-0")], 416, "", "bytes */10").await;
    for ignored in
        ["bytes=5-3", "bytes=-", "bytes=a-b", "bytes=", "lines=1-2", "bytes", "bytes=+1-2", "bytes=0-1,3-4"]
    {
        check(&[("range", ignored)], 200, all, "").await;
    }
    check(&[("range", "bytes=3-"), ("if-range", "TAG")], 206, "3456789", "bytes 3-9/10").await;
    check(&[("range", "bytes=3-"), ("if-range", "\"another\"")], 200, all, "").await;
    check(&[("range", "bytes=3-"), ("if-range", "W/TAG")], 200, all, "").await;
    check(&[("range", "bytes=3-"), ("if-range", "Fri, 01 May 2026 12:00:00 GMT")], 200, all, "").await;
    check(&[("if-none-match", "TAG")], 304, "", "").await;
    check(&[("if-none-match", "\"x\", W/TAG")], 304, "", "").await;
    check(&[("if-none-match", "*")], 304, "", "").await;
    check(&[("if-none-match", "\"x\"")], 200, all, "").await;
    check(&[("if-none-match", "TAG"), ("range", "bytes=3-")], 304, "", "").await;
    check(&[("accept-encoding", "gzip, br, zstd")], 200, all, "").await;
}

#[tokio::test]
async fn only_the_timestamp_may_change_and_says_so() {
    let shop = Shop::new();
    let target = format!("/components/targets/feed/{}.1.json", Digest::of(b"target"));
    for (path, cache_control, tag) in [
        ("/components/metadata/timestamp.json", "public, max-age=10", Digest::of(b"{}")),
        ("/components/metadata/1.root.json", IMMUTABLE, Digest::of(b"root")),
        (target.as_str(), IMMUTABLE, Digest::of(b"target")),
    ] {
        let answer = shop.ask("GET", path, &[]).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert_eq!(answer.header("cache-control"), cache_control, "{path}");
        assert_eq!(answer.header("etag"), format!("\"sha256-{tag}\""), "{path}");
        let head = shop.ask("HEAD", path, &[("range", "bytes=0-0")]).await;
        assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0), "{path}");
        assert_eq!(head.header("content-length"), answer.body.len().to_string(), "{path}");
    }
}

#[tokio::test]
async fn a_file_replaced_on_the_disk_is_seen_at_once() {
    let shop = Shop::new();
    let timestamp = "/components/metadata/timestamp.json";
    for content in ["{}", "{1}", "{2}", "{3}"] {
        let new = shop.folder.path().join("new");
        fs::write(&new, content).unwrap();
        fs::rename(&new, shop.folder.path().join("shared/metadata/timestamp.json")).unwrap();
        for _ in 0..2 {
            assert_eq!(shop.ask("GET", timestamp, &[]).await.body, content.as_bytes());
        }
    }
    fs::remove_file(shop.folder.path().join("shared/metadata/timestamp.json")).unwrap();
    assert_eq!(shop.ask("GET", timestamp, &[]).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn nothing_but_the_layout_is_served_however_it_is_spelt() {
    let shop = Shop::new();
    let shared = shop.folder.path().join("shared");
    fs::write(shop.folder.path().join("secret"), b"secret").unwrap();
    fs::write(shared.join("secret"), b"secret").unwrap();
    fs::write(shared.join("targets/secret.json"), b"secret").unwrap();
    let endless = fs::File::create(shared.join("metadata/3.targets.json")).unwrap();
    endless.set_len(CACHED_METADATA_MAX + 1).unwrap();
    fs::write(shared.join("metadata/.hidden.json"), b"secret").unwrap();
    link(Path::new("../../secret"), &shared.join("metadata/9.root.json"));
    link(shop.folder.path(), &shared.join("targets/out"));
    let blob = shop.blob.to_string();
    let bad_or_missing = |status: StatusCode| matches!(status.as_u16(), 400 | 404);
    for path in [
        "/components/secret",
        "/components/metadata",
        "/components/metadata/",
        "/components/targets/feed",
        "/components/targets/feed/",
        "/components/targets/secret.json",
        "/components/metadata/../secret",
        "/components/metadata/../../secret",
        "/components/metadata/%2e%2e/secret",
        "/components/metadata/..%2fsecret",
        "/components/targets/..%2f..%2fsecret",
        "/components/targets/..%5c..%5csecret",
        "/components/targets/%252e%252e/secret",
        "/components/targets//feed",
        "/components/targets/./feed",
        "/components/targets/out/secret",
        "/components/metadata/9.root.json",
        "/components/metadata/.hidden.json",
        "/components/metadata/3.targets.json",
        "/components/metadata/1.root%2ejson",
        "/components/metadata/1.root.json%00",
        "/components/metadata/%",
        "/components/metadata/%f",
        "/components/metadata/%ff.json",
        "/components//etc/passwd",
        "/metadata/1.root.json",
        "/Components/metadata/1.root.json",
        "/%63omponents/metadata/1.root.json",
        &format!("/components/blobs/00/{blob}"),
        &format!("/components/blobs/{}/{}", &blob[..2], blob.to_uppercase()),
        &format!("/components/blobs/{}", &blob[..2]),
        &format!("/components/targets/{}", "a/".repeat(REQUEST_PATH_MAX / 2)),
    ] {
        let answer = shop.ask("GET", path, &[]).await;
        assert!(bad_or_missing(answer.status), "{path}: {}", answer.status);
        assert!(!answer.body.ends_with(b"secret"), "{path}");
    }
    let spelt = format!("/components/targets/domains/root/{}.b%C3%BCro%201.json", Digest::of(b"target"));
    assert_eq!(shop.ask("GET", &spelt, &[]).await.status, StatusCode::OK, "an honest escape");
}

#[cfg(unix)]
fn link(to: &Path, from: &Path) {
    std::os::unix::fs::symlink(to, from).unwrap();
}

#[tokio::test]
async fn a_class_that_is_not_shared_differs_from_a_file_that_is_missing() {
    let shop = Shop::new();
    let reason = async |path: &str| {
        let answer = shop.ask("GET", path, &[]).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        assert_eq!(answer.header("cache-control"), "no-store");
        answer.header("headwater-reason").to_owned()
    };
    assert_eq!(reason("/programs/metadata/timestamp.json").await, "not-shared");
    assert_eq!(reason("/components/metadata/2.root.json").await, "missing");
    shop.site.unshare(Class::Components);
    assert_eq!(reason("/components/metadata/1.root.json").await, "not-shared");
    shop.site.share(Class::Components, shop.folder.path().join("shared"));
    assert_eq!(shop.ask("GET", "/components/metadata/1.root.json", &[]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn only_get_and_head_are_answered() {
    let shop = Shop::new();
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let answer = shop.ask(method, &shop.blob_path(), &[]).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
        assert_eq!(answer.header("allow"), "GET, HEAD", "{method}");
    }
}

#[tokio::test]
async fn large_files_come_whole_in_chunks_and_are_counted_as_they_go() {
    let bytes = noise(CACHED_FILE_MAX as usize + 300_001);
    let shop = Shop::with(ServeLimits::default(), &bytes);
    let answer = shop.ask("GET", &shop.blob_path(), &[("range", "bytes=300000-")]).await;
    assert_eq!(answer.body, bytes[300_000..]);
    shop.ask("GET", "/components/metadata/timestamp.json", &[]).await;
    let served = shop.site.served();
    assert_eq!(served.len(), 1);
    assert_eq!((served[0].repository, served[0].requests), (Class::Components.into(), 2));
    assert_eq!(served[0].bytes, bytes.len() as u64 - 300_000 + 2);
}

#[tokio::test]
async fn downloads_beyond_the_limit_are_put_off_and_metadata_is_not() {
    let limits = ServeLimits { downloads_max: 1, bytes_per_second: None };
    let shop = Shop::with(limits, &noise(2_000_000));
    let request = || Request::get(shop.blob_path()).body(Body::empty()).unwrap();
    let first = shop.router.clone().oneshot(request()).await.unwrap();
    assert_eq!(shop.site.downloads(), 1);
    let second = shop.ask("GET", &shop.blob_path(), &[]).await;
    assert_eq!((second.status, second.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "5"));
    assert_eq!(shop.ask("HEAD", &shop.blob_path(), &[]).await.status, StatusCode::OK);
    assert_eq!(shop.ask("GET", "/components/metadata/timestamp.json", &[]).await.status, StatusCode::OK);
    drop(first);
    assert_eq!(shop.site.downloads(), 0, "a client that went away gives its place back");
    assert_eq!(shop.ask("GET", &shop.blob_path(), &[]).await.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn the_bandwidth_limit_holds_for_all_together() {
    let limits = ServeLimits { downloads_max: 10, bytes_per_second: Some(400_000) };
    let shop = Shop::with(limits, &noise(200_000));
    let began = tokio::time::Instant::now();
    let path = shop.blob_path();
    let (one, two) = tokio::join!(shop.ask("GET", &path, &[]), shop.ask("GET", &path, &[]));
    assert_eq!((one.body.len(), two.body.len()), (200_000, 200_000));
    // The first chunk leaves at once, and is an eighth of a second's worth.
    let took = began.elapsed().as_secs_f64();
    assert!((0.85..1.0).contains(&took), "400000 bytes at 400000 a second took {took} s");

    shop.site.set_limits(ServeLimits { downloads_max: 10, bytes_per_second: Some(100_000) });
    // Six shares of 16 KiB fit in 100 kB: the seventh is refused for now.
    let request = || Request::get(shop.blob_path()).body(Body::empty()).unwrap();
    let mut running = Vec::new();
    for number in 1..=7 {
        let response = shop.router.clone().oneshot(request()).await.unwrap();
        let want = if number <= 6 { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        assert_eq!(response.status(), want, "download {number}");
        running.push(response);
    }
}

#[tokio::test]
async fn more_small_files_than_the_cache_holds_are_still_served_right() {
    let shop = Shop::new();
    let size = usize::try_from(CACHED_FILE_MAX).unwrap();
    let count = u8::try_from(CACHE_TOTAL_MAX / CACHED_FILE_MAX + 3).unwrap();
    let path = |number: u8| format!("targets/{}.{number}.json", Digest::of(&[number]));
    for number in 0..count {
        shop.put(&path(number), &vec![number; size]);
    }
    for number in (0..count).chain(0..count) {
        let answer =
            shop.ask("GET", &format!("/components/{}", path(number)), &[("range", "bytes=-1")]).await;
        assert_eq!(answer.body, [number]);
    }
}

#[tokio::test]
async fn addresses_beyond_the_limit_are_counted_together_and_none_is_counted_twice() {
    let shop = Shop::new();
    let ask = async |address: IpAddr| {
        let mut request = Request::get("/components/metadata/timestamp.json").body(Body::empty()).unwrap();
        request.extensions_mut().insert(ConnectInfo(SocketAddr::new(address, 1)));
        shop.router.clone().oneshot(request).await.unwrap();
    };
    let beyond = 3;
    for number in 0..u32::try_from(COUNTED_ADDRESSES_MAX + beyond).unwrap() {
        ask(Ipv4Addr::from(number).into()).await;
    }
    // The same client over a socket of both families.
    ask(Ipv4Addr::from(0).to_ipv6_mapped().into()).await;
    let served = shop.site.served();
    assert_eq!(served.len(), COUNTED_ADDRESSES_MAX + 1);
    let requests =
        |address: Option<IpAddr>| served.iter().find(|one| one.address == address).unwrap().requests;
    assert_eq!(requests(None), beyond as u64);
    assert_eq!(requests(Some(Ipv4Addr::from(0).into())), 2);
}
