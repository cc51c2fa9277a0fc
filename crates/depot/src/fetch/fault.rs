//! Why a source was unable (P9), from the errors of the network and of the verifier.

use std::io;
use std::time::Duration;

use headwater_api::report::Reason;
use headwater_repo::VerifyError;
use jiff::Timestamp;

use crate::http::{AddressError, chain, connection_failure};
use crate::limits::{DETAIL_LENGTH_MAX, STALL_BYTES_MIN};
use crate::store_error::StoreError;

/// One source was unable to give something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Fault {
    /// Its class.
    pub reason: Reason,
    /// What exactly, for people.
    pub detail: String,
    /// For [`Reason::Busy`]: how long the source asks to be left alone.
    pub retry_after: Option<Duration>,
}

/// Fetching came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Every source was unable; the attempts say how.
    #[error("no source could give {what}; the last error: {}", last.detail)]
    NoSource {
        /// What was to be fetched.
        what: String,
        /// The last source's fault.
        last: Fault,
    },
    /// The plan has no source.
    #[error(
        "there is no source to fetch {what} from; add one to the source list or switch the server's fallback on"
    )]
    EmptyPlan {
        /// What was to be fetched.
        what: String,
    },
    /// This computer's own disk: not a source's fault, and the end of the run (P9).
    #[error("the disk refused what was fetched")]
    Disk(#[from] StoreError),
}

impl FetchError {
    /// The class that a report names.
    pub fn reason(&self) -> Reason {
        match self {
            Self::NoSource { last, .. } => last.reason,
            Self::EmptyPlan { .. } => Reason::Missing,
            Self::Disk(_) => Reason::Disk,
        }
    }
}

impl Fault {
    pub(crate) fn new(reason: Reason, detail: impl Into<String>) -> Self {
        let detail: String = detail.into();
        let detail = detail.chars().take(DETAIL_LENGTH_MAX).collect();
        Self { reason, detail, retry_after: None }
    }

    /// A request failed before its answer's head came, or while its body did.
    pub(crate) fn of_request(error: &reqwest::Error, url: &str, phase: Phase) -> Self {
        let reason = reason_of(error, phase);
        Self::new(reason, format!("{url}: {}", connection_failure(error)))
    }

    /// No address of the source could be connected to.
    pub(crate) fn of_address(error: &AddressError, url: &str) -> Self {
        Self::new(reason_of_address(error), format!("{url}: {error}"))
    }

    /// What came was too little to wait for more.
    pub(crate) fn too_slow(url: &str, span: Duration) -> Self {
        let span = span.as_secs_f32();
        let detail =
            format!("{url}: it sends next to nothing: less than {STALL_BYTES_MIN} bytes in {span} s");
        Self::new(Reason::Timeout, detail)
    }

    /// Metadata from `url` was refused.
    pub(crate) fn of_metadata(error: &VerifyError, url: &str) -> Self {
        let reason = match error {
            VerifyError::Unparsable { .. } => Reason::Unparsable,
            VerifyError::WrongSignature { .. } => Reason::WrongSignature,
            VerifyError::Expired { .. } | VerifyError::SeenTooLongAgo { .. } => Reason::Expired,
            VerifyError::Older { .. } => Reason::Older,
            VerifyError::Mismatch { .. } => Reason::WrongDigest,
            _ => Reason::Missing,
        };
        Self::new(reason, format!("{url}: {error}"))
    }

    /// The fault, with what was asked for.
    pub(crate) fn over(&self, what: &str) -> Self {
        let retry_after = self.retry_after;
        Self { retry_after, ..Self::new(self.reason, format!("{what}: {}", self.detail)) }
    }

    /// Names this computer's clock where it decided: a wrong one makes good metadata look expired.
    pub(crate) fn by_clock(mut self, now: Timestamp) -> Self {
        if self.reason == Reason::Expired {
            self.detail.push_str(&format!("; this computer's clock says {now:.0}, and may be wrong"));
        }
        self
    }
}

/// How far a request had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The answer's head had not come.
    Head,
    /// Its body was coming.
    Body,
}

fn reason_of_address(error: &AddressError) -> Reason {
    match error {
        AddressError::Unknown { .. } | AddressError::NoAnswer { .. } => Reason::Name,
        AddressError::NoCommonFamily { .. } => Reason::NoCommonFamily,
        AddressError::Unreachable { all_failed: true, .. } => Reason::Connect,
        AddressError::Unreachable { all_failed: false, .. } => Reason::Timeout,
    }
}

fn reason_of(error: &reqwest::Error, phase: Phase) -> Reason {
    // A connection that closes is a file that ends early only once the file has begun.
    let ended = if phase == Phase::Body { Reason::Truncated } else { Reason::Connect };
    for cause in chain(error) {
        if let Some(address) = cause.downcast_ref::<AddressError>() {
            return reason_of_address(address);
        }
        if cause.downcast_ref::<rustls::Error>().is_some() {
            return Reason::Tls;
        }
        if cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_incomplete_message) {
            return ended;
        }
        if let Some(error) = cause.downcast_ref::<io::Error>() {
            match error.kind() {
                io::ErrorKind::UnexpectedEof => return ended,
                io::ErrorKind::TimedOut => return Reason::Timeout,
                _ => {}
            }
        }
    }
    if error.is_timeout() { Reason::Timeout } else { Reason::Connect }
}
