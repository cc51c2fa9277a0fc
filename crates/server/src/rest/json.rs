//! Bodies, queries and path parts as typed values; what does not parse is refused in our own words.

use axum::extract::{self, FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use headwater_depot::http::BoundedBody;
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;

use super::errors::answer;
use crate::limits;

/// A JSON body of at most [`limits::CONSOLE_BODY_BYTES_MAX`], of type `application/json`.
///
/// The type is asked for so that a form on a web page cannot make a request without the browser asking first.
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Response;

    async fn from_request(request: Request, _: &S) -> Result<Self, Response> {
        let kind = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok())
            .unwrap_or_default();
        if kind.split(';').next().map(str::trim) != Some("application/json") {
            let message = "the body must be JSON; send the header content-type: application/json".to_owned();
            return Err(answer(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", message, None));
        }
        read(request, limits::CONSOLE_BODY_BYTES_MAX).await.map(Self)
    }
}

/// Reads a JSON body of at most `max` bytes.
pub async fn read<T: DeserializeOwned>(request: Request, max: usize) -> Result<T, Response> {
    let collected = tokio::time::timeout(limits::BODY_TIME_MAX, collect(request.into_body(), max)).await;
    let Ok(collected) = collected else {
        let message =
            format!("the body took longer than {} s; send it faster", limits::BODY_TIME_MAX.as_secs());
        return Err(answer(StatusCode::REQUEST_TIMEOUT, "too_slow", message, None));
    };
    let bytes = match collected {
        Ok(Some(bytes)) => bytes,
        Ok(None) => {
            let message = format!("the body is over the limit of {max} bytes; send less at once");
            return Err(answer(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message, None));
        }
        Err(_) => {
            let message = "the body ended early; send it again".to_owned();
            return Err(answer(StatusCode::BAD_REQUEST, "invalid_request", message, None));
        }
    };
    serde_json::from_slice(&bytes).map_err(|error| {
        let message = format!("the body is not what this request takes: {error}");
        answer(StatusCode::BAD_REQUEST, "invalid_request", message, None)
    })
}

/// The body of a request, for both planes; `None` if it is over `max` bytes.
///
/// Most programs listen only when they have sent all: one that is answered before that, with its connection closed on
/// what it still sends, sees a broken connection and not the answer. So the rest is read and dropped, within bounds.
async fn collect(mut body: axum::body::Body, max: usize) -> Result<Option<Vec<u8>>, axum::Error> {
    let mut bounded = BoundedBody::new(max);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        if bounded.append(&data).is_err() {
            drop(bounded);
            drop_rest(body).await;
            return Ok(None);
        }
    }
    Ok(Some(bounded.into_bytes()))
}

/// Reads what a refused sender still sends, within bounds, so that it can read the answer.
pub async fn drop_rest(body: axum::body::Body) {
    // Whether all of the rest came in time makes no difference to the answer.
    let _ = tokio::time::timeout(limits::DROPPED_BODY_TIME_MAX, drop_bytes(body)).await;
}

async fn drop_bytes(mut body: axum::body::Body) {
    let mut dropped = 0;
    while let Some(Ok(frame)) = body.frame().await {
        dropped += frame.data_ref().map_or(0, |data| data.len());
        if dropped > limits::DROPPED_BODY_BYTES_MAX {
            return;
        }
    }
}

/// The query, unknown keys refused.
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let query = extract::Query::<T>::from_request_parts(parts, state).await.map_err(|error| {
            let message = format!("the query is not what this request takes: {}", error.body_text());
            answer(StatusCode::BAD_REQUEST, "invalid_request", message, None)
        })?;
        Ok(Self(query.0))
    }
}

/// The parts of the path.
pub struct Path<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let path = extract::Path::<T>::from_request_parts(parts, state).await.map_err(|error| {
            let message = format!("the path is not what this request takes: {}", error.body_text());
            answer(StatusCode::BAD_REQUEST, "invalid_request", message, None)
        })?;
        Ok(Self(path.0))
    }
}

/// There is no such path.
pub async fn no_route() -> Response {
    let message = "there is nothing at this path; the table of routes lists what there is".to_owned();
    answer(StatusCode::NOT_FOUND, "no_route", message, None)
}

/// The path takes other methods.
pub async fn wrong_method() -> Response {
    let message = "this path does not take that method; the table of routes lists which it takes".to_owned();
    answer(StatusCode::METHOD_NOT_ALLOWED, "wrong_method", message, None).into_response()
}

/// A repository named in a path.
pub fn repository(text: &str) -> crate::error::Result<headwater_policy::Repository> {
    text.parse().map_err(|error: headwater_policy::ParseError| {
        crate::error::Refusal::invalid(error.to_string()).into()
    })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use axum::body::Body;
    use axum::extract::Request;
    use futures_util::{StreamExt, stream};

    use super::{collect, read};
    use crate::limits::{BODY_TIME_MAX, DROPPED_BODY_BYTES_MAX, DROPPED_BODY_TIME_MAX};

    #[tokio::test]
    async fn of_a_body_without_end_a_bounded_rest_is_read() {
        const CHUNK: usize = 1024 * 1024;
        let sent = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&sent);
        let endless = stream::repeat(vec![b' '; CHUNK]).map(move |chunk| {
            counted.fetch_add(CHUNK, Ordering::Relaxed);
            Ok::<_, Infallible>(chunk)
        });
        assert_eq!(collect(Body::from_stream(endless), 10).await.unwrap(), None);
        let dropped = sent.load(Ordering::Relaxed) - CHUNK;
        assert_eq!(dropped, DROPPED_BODY_BYTES_MAX + CHUNK, "the one that crosses it is the last");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_comes_a_byte_at_a_time_is_given_up() {
        let begun = tokio::time::Instant::now();
        let byte = |()| async {
            // Slow on purpose: a byte a second, by the clock of the test.
            tokio::time::sleep(Duration::from_secs(1)).await;
            Some((Ok::<_, Infallible>(" "), ()))
        };
        let request = Request::new(Body::from_stream(stream::unfold((), byte)));
        let refused = read::<serde_json::Value>(request, 1 << 20).await.unwrap_err();
        assert_eq!(refused.status(), 408);
        assert_eq!(begun.elapsed().as_secs(), BODY_TIME_MAX.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn the_rest_of_a_body_is_waited_for_a_bounded_time() {
        let begun = tokio::time::Instant::now();
        let first = stream::once(async { Ok::<_, Infallible>("too much") });
        let silent = Body::from_stream(first.chain(stream::pending()));
        assert_eq!(collect(silent, 3).await.unwrap(), None);
        // The clock of the test goes by whole milliseconds.
        assert_eq!(begun.elapsed().as_secs(), DROPPED_BODY_TIME_MAX.as_secs());
    }
}
