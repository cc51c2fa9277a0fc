//! One request for one file.

use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::http::header::{
    ACCEPT_RANGES, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, RETRY_AFTER,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, Method, StatusCode, response};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use headwater_policy::{ClientNetwork, Repository};
use headwater_repo::layout::BLOBS_FOLDER;
use headwater_repo::{Digest, error_chain};

use super::cache::Cached;
use super::holder::Holder;
use super::pace::SendPermit;
use super::path::{PathKind, PathRefusal, Wanted, wanted};
use super::range::{Portion, portion};
use super::shared_repositories::SharedRepositories;
use crate::limits::{
    CACHED_FILE_MAX, CACHED_METADATA_MAX, RETRY_AFTER as RETRY_AFTER_TIME, TIMESTAMP_MAX_AGE_SECONDS,
};
use crate::objects::{ObjectReader, ObjectStore, OpenObject};
use crate::store_error::{StoreError, disk};

/// Distinguishes a repository that is not shared from a file that is not there; both are 404.
const REASON_HEADER: &str = "headwater-reason";

/// A file ready to be sent.
enum Found {
    Small(Cached),
    Large { object: OpenObject, digest: Digest },
}

pub(super) async fn answer(shared: SharedRepositories, repository: Repository, request: Request) -> Response {
    let head_only = match *request.method() {
        Method::GET => false,
        Method::HEAD => true,
        _ => {
            return refuse(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD", |head| {
                head.header(ALLOW, "GET, HEAD")
            });
        }
    };
    let Some(objects) = shared.objects(repository) else {
        let add_headers = |head: response::Builder| head.header(REASON_HEADER, "not-shared");
        return refuse(StatusCode::NOT_FOUND, &format!("{repository} is not shared here"), add_headers);
    };
    // The raw path: what the router decoded has lost how it was written.
    let raw = request.uri().path();
    let below =
        raw.strip_prefix('/').and_then(|path| path.strip_prefix(repository.as_str())?.strip_prefix('/'));
    let wanted = match below.map_or(Err(PathRefusal::Bad), wanted) {
        Ok(wanted) => wanted,
        Err(PathRefusal::Bad) => {
            return refuse(StatusCode::BAD_REQUEST, "that is no path of this shared", |head| head);
        }
        Err(PathRefusal::Elsewhere) => return missing(),
    };
    let found = match find(&shared, repository, objects, &wanted).await {
        Ok(Some(found)) => found,
        Ok(None) => return missing(),
        Err(error) => {
            tracing::error!(%repository, path = %wanted.path, error = error_chain(&error), "a file could not be read");
            return refuse(StatusCode::INTERNAL_SERVER_ERROR, "the file could not be read", |head| head);
        }
    };
    let address =
        request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_canonical());
    let holder = request.extensions().get::<Holder>().cloned().unwrap_or_else(|| {
        address.map_or(Holder::Unknown, |address| Holder::Network(ClientNetwork::of(address)))
    });
    let asker = Asker { shared, repository, address, holder, head_only };
    asker.send(request.headers(), found, wanted.kind)
}

async fn find(
    shared: &SharedRepositories,
    repository: Repository,
    objects: Arc<dyn ObjectStore>,
    wanted: &Wanted,
) -> Result<Option<Found>, StoreError> {
    let (shared, wanted) = (shared.clone(), wanted.clone());
    let reading = tokio::task::spawn_blocking(move || read(&shared, repository, &*objects, &wanted));
    reading.await.expect("reading a file does not panic")
}

fn read(
    shared: &SharedRepositories,
    repository: Repository,
    objects: &dyn ObjectStore,
    wanted: &Wanted,
) -> Result<Option<Found>, StoreError> {
    // Before it is opened: what is replaced between the two is read again at the next request.
    let Some(stamp) = objects.stamp(&wanted.path)? else { return Ok(None) };
    let key = (repository, wanted.path.clone());
    if let Some(cached) = shared.inner.cache.get(&key, &stamp) {
        return Ok(Some(Found::Small(cached)));
    }
    let Some(mut object) = objects.open(&wanted.path)? else { return Ok(None) };
    let size = object.size;
    match wanted.kind {
        PathKind::Content(digest) if size > CACHED_FILE_MAX || wanted.path.starts_with(BLOBS_FOLDER) => {
            return Ok(Some(Found::Large { object, digest }));
        }
        PathKind::Metadata | PathKind::Timestamp if size > CACHED_METADATA_MAX => {
            tracing::error!(path = wanted.path, size, "metadata that no client would take is not served");
            return Ok(None);
        }
        _ => {}
    }
    let mut bytes = Vec::new();
    let location = objects.location(&wanted.path);
    object.reader.read_to_end(&mut bytes).map_err(disk("read", Path::new(&location)))?;
    let digest = match wanted.kind {
        PathKind::Content(digest) => digest,
        _ => Digest::of(&bytes),
    };
    let cached = Cached { bytes: Bytes::from(bytes), tag: tag(&digest) };
    shared.inner.cache.put(key, stamp, cached.clone());
    Ok(Some(Found::Small(cached)))
}

struct Asker {
    shared: SharedRepositories,
    repository: Repository,
    address: Option<IpAddr>,
    holder: Holder,
    head_only: bool,
}

impl Asker {
    fn send(self, headers: &HeaderMap, found: Found, kind: PathKind) -> Response {
        let (size, tag) = match &found {
            Found::Small(cached) => (cached.bytes.len() as u64, cached.tag.clone()),
            Found::Large { object, digest } => (object.size, tag(digest)),
        };
        // RFC 9110, section 14.2: a range means something with GET alone.
        let portion = match portion(headers, size, &tag) {
            Portion::Part { .. } | Portion::Outside if self.head_only => Portion::Whole,
            portion => portion,
        };
        let head = Response::builder()
            .header(ETAG, &tag)
            .header(CACHE_CONTROL, cache_control(kind))
            .header(ACCEPT_RANGES, "bytes")
            .header(X_CONTENT_TYPE_OPTIONS, "nosniff");
        let (first, length, head) = match portion {
            Portion::Same => {
                self.count(1, 0);
                return finish(head.status(StatusCode::NOT_MODIFIED), Body::empty());
            }
            Portion::Outside => {
                let head = head.status(StatusCode::RANGE_NOT_SATISFIABLE);
                return finish(head.header(CONTENT_RANGE, format!("bytes */{size}")), Body::empty());
            }
            Portion::Whole => (0, size, head.status(StatusCode::OK)),
            Portion::Part { first, length } => {
                let range = format!("bytes {first}-{}/{size}", first + length - 1);
                (first, length, head.status(StatusCode::PARTIAL_CONTENT).header(CONTENT_RANGE, range))
            }
        };
        let head = head.header(CONTENT_TYPE, content_type(kind)).header(CONTENT_LENGTH, length);
        if self.head_only {
            self.count(1, 0);
            return finish(head, Body::empty());
        }
        match found {
            Found::Small(cached) => {
                self.count(1, length);
                self.shared.inner.pace.sent(length);
                let (from, to) = (index(first), index(first + length));
                finish(head, Body::from(cached.bytes.slice(from..to)))
            }
            Found::Large { object, .. } => match self.shared.inner.pace.enter(self.holder.clone()) {
                Some(permit) => {
                    self.count(1, 0);
                    finish(head, self.stream(object.reader, first, length, permit))
                }
                None => {
                    let seconds = RETRY_AFTER_TIME.as_secs();
                    let add_headers = |head: response::Builder| head.header(RETRY_AFTER, seconds);
                    refuse(
                        StatusCode::SERVICE_UNAVAILABLE,
                        "too many downloads at once; come back later",
                        add_headers,
                    )
                }
            },
        }
    }

    fn stream(self, mut file: Box<dyn ObjectReader>, first: u64, length: u64, permit: SendPermit) -> Body {
        let begin = file.seek(SeekFrom::Start(first));
        let begin = begin.map(|_| (self, file, length, permit));
        let chunks = stream::try_unfold(Some(begin), |state| async move {
            let Some(begin) = state else { return Ok(None) };
            let (asker, mut file, left, permit) = begin?;
            if left == 0 {
                return Ok(None);
            }
            if permit.is_ended() {
                tracing::debug!(caller = ?asker.holder, "a download was ended in favour of a caller that has fewer");
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            let count = index(left.min(permit.chunk_max() as u64));
            let reading = tokio::task::spawn_blocking(move || {
                let mut chunk = vec![0; count];
                file.read_exact(&mut chunk).map(|()| (file, chunk))
            });
            let (file, chunk) = reading.await.expect("reading a file does not panic")?;
            permit.turn(count as u64).await;
            asker.count(0, count as u64);
            Ok::<_, io::Error>(Some((
                Bytes::from(chunk),
                Some(Ok((asker, file, left - count as u64, permit))),
            )))
        });
        Body::from_stream(chunks)
    }

    fn count(&self, requests: u64, bytes: u64) {
        self.shared.inner.counters.count(self.address, self.repository, requests, bytes);
    }
}

fn tag(digest: &Digest) -> String {
    format!("\"sha256-{digest}\"")
}

fn cache_control(kind: PathKind) -> String {
    match kind {
        PathKind::Timestamp => format!("public, max-age={TIMESTAMP_MAX_AGE_SECONDS}"),
        PathKind::Metadata | PathKind::Content(_) => "public, max-age=31536000, immutable".to_owned(),
    }
}

fn content_type(kind: PathKind) -> &'static str {
    match kind {
        PathKind::Timestamp | PathKind::Metadata => "application/json",
        PathKind::Content(_) => "application/octet-stream",
    }
}

fn missing() -> Response {
    refuse(StatusCode::NOT_FOUND, "there is no such file", |head| head.header(REASON_HEADER, "missing"))
}

/// A refusal with a message for people. Never cached: what is missing now may be published in a second.
fn refuse(
    status: StatusCode,
    message: &str,
    add_headers: impl FnOnce(response::Builder) -> response::Builder,
) -> Response {
    let head = Response::builder()
        .status(status)
        .header(CACHE_CONTROL, "no-store")
        .header(CONTENT_TYPE, "text/plain");
    finish(add_headers(head), Body::from(format!("{message}\n")))
}

fn finish(head: response::Builder, body: Body) -> Response {
    head.body(body).expect("headers made of our own words are valid")
}

fn index(bytes: u64) -> usize {
    usize::try_from(bytes).expect("a file in memory, or a chunk of one, is no longer than memory")
}
