//! The rest of one blob from one source.
//!
//! The blob's name is its digest, so any server's bytes fit any other's: a range is asked for without conditions,
//! and the tag of a server that uses our entity tags must agree. A server that ignores the range and sends everything is
//! read past what is there. One that cannot serve the range in any other way (416, 501, a range that nobody asked for) is
//! asked once more, for the whole file: what is there stays, and a partial file never keeps a download from its end (P9).

use std::time::Duration;

use headwater_api::report::Reason;
use reqwest::header::{CONTENT_RANGE, ETAG};
use reqwest::{Response, StatusCode};
use tokio::time::timeout;

use super::fault::Fault;
use super::http::{Activity, Http, absent, is_absent, wrong_status};
use super::rate::MinimumRate;
use super::timeout::IdleTimeout;
use super::trouble::Trouble;
use crate::store::Partial;

/// One request's times, and where its bytes are counted.
pub(super) struct Request<'a> {
    pub(super) http: &'a Http,
    pub(super) url: &'a str,
    /// In which enough must come.
    pub(super) span: Duration,
    pub(super) timeout: IdleTimeout,
    pub(super) activity: &'a Activity,
    /// Called with each new length of the partial file.
    pub(super) moved: &'a (dyn Fn(u64) + Sync),
}

/// An answer whose body is the blob from `begins_at` on.
struct Begun {
    response: Response,
    begins_at: u64,
}

/// Fetches the rest of `partial`. What came stays in it, unless it proved wrong.
pub(super) async fn resume(request: &Request<'_>, partial: &mut Partial) -> Result<(), Trouble> {
    if partial.length() == partial.size() {
        // Whole and not right: left by an earlier run, or there would be nothing to do.
        if partial.is_right() {
            return Ok(());
        }
        partial.restart()?;
        (request.moved)(0);
    }
    let offset = partial.length();
    let begun = match ask(request, partial, offset).await {
        Err(trouble) if offset > 0 && may_lack_ranges(&trouble, request.timeout) => {
            ask(request, partial, 0).await?
        }
        begun => begun?,
    };
    let outcome = append(request, begun.response, partial, offset - begun.begins_at).await;
    match &outcome {
        Err(Trouble::Fault(fault)) if matches!(fault.reason, Reason::WrongDigest | Reason::Oversized) => {
            partial.restart()?;
            (request.moved)(0);
        }
        _ => {}
    }
    outcome
}

/// Does the answer to a range leave it open whether the source would give the whole file?
fn may_lack_ranges(trouble: &Trouble, timeout: IdleTimeout) -> bool {
    match trouble {
        // It may have no idea what to do with a range; but while others are left, they are asked first.
        Trouble::Stalled => timeout == IdleTimeout::Full,
        Trouble::Fault(fault) => !matches!(
            fault.reason,
            Reason::Busy | Reason::Name | Reason::NoCommonFamily | Reason::Tls | Reason::Timeout
        ),
        Trouble::Disk(_) => false,
    }
}

async fn ask(request: &Request<'_>, partial: &Partial, offset: u64) -> Result<Begun, Trouble> {
    let head = timeout(request.span, request.http.get(request.url, offset, request.activity)).await;
    let response = head.map_err(|_| Trouble::Stalled)??;
    let begins_at = first_byte(&response, request.url, partial, offset)?;
    Ok(Begun { response, begins_at })
}

/// Where in the blob the answer's body begins: at `offset`, or at 0 where the range was ignored.
fn first_byte(response: &Response, url: &str, partial: &Partial, offset: u64) -> Result<u64, Fault> {
    let status = response.status();
    if is_absent(status) {
        return Err(absent(status, url));
    }
    let range = response.headers().get(CONTENT_RANGE).map(|value| value.to_str().unwrap_or("no text"));
    let begins_at = match (status, range) {
        // Some add a range to every answer; only where none was asked for can it mean nothing else than the whole.
        (StatusCode::OK, None) => 0,
        (StatusCode::OK, Some(_)) if offset == 0 => 0,
        (StatusCode::PARTIAL_CONTENT, Some(range)) if is_rest(range, offset, partial.size()) => offset,
        (StatusCode::OK | StatusCode::PARTIAL_CONTENT, range) => {
            let range = range.unwrap_or("no range");
            let detail = format!("{url}: asked for bytes from {offset} on, got {status} and {range}");
            return Err(Fault::new(Reason::HttpStatus, detail));
        }
        (other, _) => return Err(wrong_status(other, url)),
    };
    if let Some(tag) = response.headers().get(ETAG).and_then(|value| value.to_str().ok()) {
        let digest = tag.strip_prefix("\"sha256-").and_then(|rest| rest.strip_suffix('"'));
        if digest.is_some_and(|digest| digest != partial.digest().to_string()) {
            return Err(Fault::new(Reason::WrongDigest, format!("{url}: its tag is {tag}")));
        }
    }
    if response.content_length().is_some_and(|length| length > partial.size() - begins_at) {
        return Err(Fault::new(
            Reason::Oversized,
            format!("{url}: it is longer than {} bytes", partial.size()),
        ));
    }
    Ok(begins_at)
}

async fn append(
    request: &Request<'_>,
    mut response: Response,
    partial: &mut Partial,
    mut skip: u64,
) -> Result<(), Trouble> {
    let url = response.url().to_string();
    let mut rate = MinimumRate::new(request.span);
    while let Some(mut bytes) = request.http.chunk(&mut response, &mut rate, request.activity).await? {
        let skipped = skip.min(bytes.len() as u64);
        skip -= skipped;
        let _ = bytes.split_to(usize::try_from(skipped).expect("at most the chunk's own length"));
        if partial.length() + bytes.len() as u64 > partial.size() {
            let detail = format!("{url}: more than {} bytes came", partial.size());
            return Err(Fault::new(Reason::Oversized, detail).into());
        }
        // Into the page cache; the fsync comes at the end, off this task.
        partial.append(&bytes)?;
        (request.moved)(partial.length());
    }
    if partial.length() < partial.size() {
        let detail = format!("{url}: it ended after {} of {} bytes", partial.length(), partial.size());
        return Err(Fault::new(Reason::Truncated, detail).into());
    }
    if !partial.is_right() {
        let detail = format!("{url}: the digest of what came is another");
        return Err(Fault::new(Reason::WrongDigest, detail).into());
    }
    Ok(())
}

/// Is this `bytes FIRST-LAST/TOTAL` (or `…/*`) all that is missing?
fn is_rest(content_range: &str, offset: u64, size: u64) -> bool {
    let Some((range, total)) = content_range.strip_prefix("bytes ").and_then(|value| value.split_once('/'))
    else {
        return false;
    };
    let Some((first, last)) = range.split_once('-') else { return false };
    let is = |text: &str, number: u64| text.parse() == Ok(number);
    is(first, offset)
        && size.checked_sub(1).is_some_and(|end| is(last, end))
        && (total == "*" || is(total, size))
}

#[cfg(test)]
mod tests {
    use super::is_rest;

    #[test]
    fn only_the_rest_is_the_rest() {
        for right in ["bytes 10-99/100", "bytes 10-99/*"] {
            assert!(is_rest(right, 10, 100), "{right}");
        }
        for wrong in [
            "",
            "bytes */100",
            "bytes 9-99/100",
            "bytes 11-99/100",
            "bytes 10-98/100",
            "bytes 10-99/101",
            "bytes 10-100/100",
            "bytes 10-18446744073709551615/*",
            "bytes 10/100",
            "bytes 10-99",
            "items 10-99/100",
            "bytes 10-99, 10-99/100",
        ] {
            assert!(!is_rest(wrong, 10, 100), "{wrong}");
        }
    }
}
