//! One request for the rest of one blob.
//!
//! The blob's name is its digest, so any server's bytes fit any other's: a range is asked for without conditions,
//! and the tag of a server that uses our entity tags must agree. A server that ignores the range
//! and sends everything is read past what is there.

use std::time::Duration;

use headwater_api::report::Reason;
use reqwest::header::{CONTENT_RANGE, ETAG};
use reqwest::{Response, StatusCode};
use tokio::time::{Instant, timeout_at};

use super::fault::Fault;
use super::http::{Activity, Http, is_absent, wrong_status};
use super::trouble::Trouble;
use crate::limits::STALL_BYTES_MIN;
use crate::store::Partial;

/// Fetches from `url` the rest of `partial`. `moved` is called with each new length.
///
/// Less than [`STALL_BYTES_MIN`] in `stall_timeout` is a stall. What came stays in `partial`, unless it proved wrong.
pub(super) async fn resume(
    http: &Http,
    url: &str,
    partial: &mut Partial,
    stall_timeout: Duration,
    activity: &Activity,
    moved: &(dyn Fn(u64) + Sync),
) -> Result<(), Trouble> {
    if partial.length() == partial.size() {
        // Whole and not right: left by an earlier run, or there would be nothing to do.
        if partial.is_right() {
            return Ok(());
        }
        partial.restart()?;
        moved(0);
    }
    let offset = partial.length();
    let head = timeout_at(Instant::now() + stall_timeout, http.get(url, offset, activity)).await;
    let response = head.map_err(|_| Trouble::Stalled)??;
    let begins_at = first_byte(&response, url, partial, offset)?;
    let outcome = append(http, response, partial, offset - begins_at, stall_timeout, activity, moved).await;
    match &outcome {
        Err(Trouble::Fault(fault)) if matches!(fault.reason, Reason::WrongDigest | Reason::Oversized) => {
            partial.restart()?;
            moved(0);
        }
        _ => {}
    }
    outcome
}

/// Where in the blob the answer's body begins: at `offset`, or at 0 where the range was ignored.
fn first_byte(response: &Response, url: &str, partial: &Partial, offset: u64) -> Result<u64, Fault> {
    let status = response.status();
    if is_absent(status) {
        return Err(Fault::new(Reason::Missing, format!("{url}: it is not there")));
    }
    let begins_at = match status {
        StatusCode::OK => 0,
        StatusCode::PARTIAL_CONTENT if offset > 0 => {
            let range = response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
            let right = range.and_then(content_range).is_some_and(|(first, total)| {
                first == offset && total.is_none_or(|total| total == partial.size())
            });
            if !right {
                let detail =
                    format!("{url}: asked for bytes from {offset} on, got {}", range.unwrap_or("no range"));
                return Err(Fault::new(Reason::HttpStatus, detail));
            }
            offset
        }
        other => return Err(wrong_status(other, url)),
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
    http: &Http,
    mut response: Response,
    partial: &mut Partial,
    mut skip: u64,
    stall_timeout: Duration,
    activity: &Activity,
    moved: &(dyn Fn(u64) + Sync),
) -> Result<(), Trouble> {
    let url = response.url().to_string();
    let mut window = Window::new(stall_timeout);
    loop {
        let mut bytes = match timeout_at(window.ends, http.chunk(&mut response, activity)).await {
            Ok(chunk) => match chunk? {
                Some(bytes) => bytes,
                None => break,
            },
            Err(_) => return Err(Trouble::Stalled),
        };
        window.came(bytes.len() as u64);
        let skipped = skip.min(bytes.len() as u64);
        skip -= skipped;
        let _ = bytes.split_to(usize::try_from(skipped).expect("at most the chunk's own length"));
        if partial.length() + bytes.len() as u64 > partial.size() {
            let detail = format!("{url}: more than {} bytes came", partial.size());
            return Err(Fault::new(Reason::Oversized, detail).into());
        }
        // Into the page cache; the fsync comes at the end, off this task.
        partial.append(&bytes)?;
        moved(partial.length());
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

/// A span of time in which enough bytes must come.
struct Window {
    stall_timeout: Duration,
    ends: Instant,
    came: u64,
}

impl Window {
    fn new(stall_timeout: Duration) -> Self {
        Self { stall_timeout, ends: Instant::now() + stall_timeout, came: 0 }
    }

    fn came(&mut self, bytes: u64) {
        self.came += bytes;
        if self.came >= STALL_BYTES_MIN {
            *self = Self::new(self.stall_timeout);
        }
    }
}

/// `bytes FIRST-LAST/TOTAL` or `…/*`: the first byte and the total.
fn content_range(value: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = value.strip_prefix("bytes ")?.split_once('/')?;
    let (first, _) = range.split_once('-')?;
    let total = if total == "*" { None } else { Some(total.parse().ok()?) };
    Some((first.parse().ok()?, total))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Window;
    use crate::limits::STALL_BYTES_MIN;

    #[test]
    fn a_trickle_does_not_win_time() {
        let mut window = Window::new(Duration::from_secs(2));
        let ends = window.ends;
        window.came(STALL_BYTES_MIN - 1);
        assert_eq!(window.ends, ends);
        window.came(1);
        assert!(window.ends > ends && window.came == 0, "enough came: another span begins");
    }
}
