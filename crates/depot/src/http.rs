//! What every HTTP client of the product shares: one TLS provider, the choice among a name's addresses, and bodies of
//! bounded length.

mod addresses;
mod connection;

use std::sync::Once;

use headwater_policy::Proxy;
use reqwest::{ClientBuilder, Response, Url};

pub use addresses::{AddressError, Addresses};
pub(crate) use connection::chain;
pub use connection::{
    ConnectionFailure, ConnectionProblem, WEB_PAGE, connection_failure, describe_unreadable, is_web_page,
};

/// Makes aws-lc-rs the TLS provider of this process, once. Programs call it before their first connection; a library
/// that makes an HTTP client calls it as well, because a test or an example may not have.
pub fn install_tls_provider() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // It fails only if there is a provider already, which then stays.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    });
}

/// Sends through a proxy what is for a host that it applies to. A builder that shall use no other proxy has `no_proxy` before.
pub fn through_proxy(builder: ClientBuilder, proxy: Option<&Proxy>) -> ClientBuilder {
    let Some(proxy) = proxy.cloned() else { return builder };
    let url = Url::parse(proxy.url().as_str());
    if let Err(error) = &url {
        tracing::warn!(%error, proxy = %proxy.url(), "the proxy is no usable URL; nothing goes through it");
    }
    builder.proxy(reqwest::Proxy::custom(move |target| {
        let applies = target.host_str().is_some_and(|host| proxy.applies_to(host));
        url.clone().ok().filter(|_| applies)
    }))
}

/// Why a body was not read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It is longer than allowed.
    #[error("the response is longer than the {bytes_max} bytes allowed")]
    TooLong {
        /// Bytes allowed.
        bytes_max: usize,
    },
    /// The connection failed.
    #[error("the connection failed while the response was read")]
    Connection(#[from] reqwest::Error),
}

/// Reads a whole body of at most `bytes_max` bytes. How long that may take is the request's own time-out.
///
/// # Errors
/// The body is longer, or the connection fails.
pub async fn read_body(response: &mut Response, bytes_max: usize) -> Result<Vec<u8>, BodyError> {
    let mut body = BoundedBody::new(bytes_max);
    while let Some(chunk) = response.chunk().await? {
        body.append(&chunk)?;
    }
    Ok(body.bytes)
}

/// A body as it arrives, never longer than allowed: of a response, or of a request at the server.
#[derive(Debug)]
pub struct BoundedBody {
    bytes: Vec<u8>,
    bytes_max: usize,
}

impl BoundedBody {
    /// An empty one.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes: Vec::new(), bytes_max }
    }

    /// Appends what arrived.
    ///
    /// # Errors
    /// [`BodyError::TooLong`] if it is too long with that.
    pub fn append(&mut self, chunk: &[u8]) -> Result<(), BodyError> {
        if self.bytes.len() + chunk.len() > self.bytes_max {
            return Err(BodyError::TooLong { bytes_max: self.bytes_max });
        }
        self.bytes.extend_from_slice(chunk);
        Ok(())
    }

    /// What arrived.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}
