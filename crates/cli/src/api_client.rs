//! The server's REST API: requests, answers and refusals, over the console listener or the local socket.

pub mod credentials;
mod location;
mod refusal;

use std::path::Path;
use std::time::Duration;

use headwater_repo::error_chain;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::location::Endpoint;
pub use self::location::{ServerLocation, check_url, is_loopback};
pub use self::refusal::ROOT_KEYS_HINT;
use crate::limits::CONNECT_TIMEOUT_SECONDS;
use crate::terminal::failure::Failure;

/// The server's API.
#[derive(Debug, Clone)]
pub struct ApiClient {
    /// As people name it.
    name: String,
    base: String,
    http: reqwest::Client,
    token: Option<SecretString>,
}

impl ApiClient {
    /// Checks the address; nothing is sent yet. From elsewhere the token is that of `headwater login`, or of the
    /// environment variable HEADWATER_TOKEN.
    pub fn new(location: &ServerLocation) -> Result<Self, Failure> {
        let endpoint = Endpoint::find(location)?;
        let ca = endpoint.login.as_ref().and_then(|login| login.ca.as_deref());
        let http = http(&endpoint.base, ca, endpoint.socket.as_deref())?;
        let token = std::env::var("HEADWATER_TOKEN").ok().filter(|token| !token.is_empty());
        let token = token.or(endpoint.login.map(|login| login.token)).filter(|_| endpoint.socket.is_none());
        let api =
            Self { name: endpoint.name, base: endpoint.base, http, token: token.map(SecretString::from) };
        if api.token.is_some() {
            api.refuse_in_the_clear("the token")?;
        }
        Ok(api)
    }

    /// A server by its URL, before anybody has signed in; `ca` holds the certificates that vouch for the server's own.
    pub fn anonymous(url: &str, ca: Option<&str>) -> Result<Self, Failure> {
        let base = check_url(url)?;
        let http = http(&base, ca, None)?;
        Ok(Self { name: base.clone(), base, http, token: None })
    }

    /// The URL in the spelling that the login is stored under.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The `Origin` that a browser sends with requests of the console's own pages.
    pub fn origin(&self) -> String {
        reqwest::Url::parse(&self.base).map(|url| url.origin().ascii_serialization()).unwrap_or_default()
    }

    /// Refuses to send a secret that others on the way could read.
    pub fn refuse_in_the_clear(&self, what: &str) -> Result<(), Failure> {
        if !self.base.starts_with("http://") || is_loopback(&self.base) {
            return Ok(());
        }
        Err(Failure::bad_input(format!("{} would carry {what} in the clear", self.base))
            .with_hint("use https://, or a tunnel to the server's loopback"))
    }

    /// GET a message.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.receive(self.request(Method::GET, path)?).await
    }

    /// Sends a message and takes the answer.
    pub async fn call<B: Serialize + ?Sized, T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &B,
    ) -> Result<T, Failure> {
        self.receive(self.request(method, path)?.json(body)).await
    }

    /// Sends a message without a body and takes the answer.
    pub async fn ask<T: DeserializeOwned>(&self, method: Method, path: &str) -> Result<T, Failure> {
        self.receive(self.request(method, path)?).await
    }

    /// Sends a message and takes an answer of any length in chunks.
    pub async fn download<B: Serialize + ?Sized>(
        &self,
        method: Method,
        path: &str,
        body: &B,
    ) -> Result<Download, Failure> {
        let response = self.send(self.request(method, path)?.json(body)).await?;
        Ok(Download { response, name: self.name.clone() })
    }

    /// Streams a body up and takes the answer.
    pub async fn upload<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
        body: reqwest::Body,
    ) -> Result<T, Failure> {
        let request = self
            .request(Method::POST, path)?
            .query(query)
            .header("content-type", "application/octet-stream")
            .body(body);
        self.receive(request).await
    }

    /// A request, with the token if there is one. A path that would lead elsewhere is refused.
    pub fn request(&self, method: Method, path: &str) -> Result<reqwest::RequestBuilder, Failure> {
        if let Some(word) = invalid_segment(path) {
            return Err(Failure::bad_input(format!("`{word}` is not a valid name or id")));
        }
        let request = self.http.request(method, format!("{}{path}", self.base));
        Ok(match &self.token {
            Some(token) => request.bearer_auth(token.expose_secret()),
            None => request,
        })
    }

    /// Sends a request and reads its answer.
    pub async fn receive<T: DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> Result<T, Failure> {
        let response = self.send(request).await?;
        let bytes = self.body(response).await?;
        let bytes = if bytes.is_empty() { b"null".to_vec() } else { bytes };
        self.parse(&bytes)
    }

    /// The message in an answer.
    pub fn parse<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, Failure> {
        serde_json::from_slice(bytes).map_err(|error| refusal::unexpected_answer(&self.name, bytes, &error))
    }

    /// The whole body of an answer.
    pub async fn body(&self, response: reqwest::Response) -> Result<Vec<u8>, Failure> {
        let bytes = response.bytes().await.map_err(|error| refusal::broken_off(&self.name, &error))?;
        Ok(bytes.into())
    }

    /// Sends a request; a refusal is a failure.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Result<reqwest::Response, Failure> {
        let response = request.send().await.map_err(|error| refusal::unreachable(&self.name, &error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = response.bytes().await.unwrap_or_default();
        Err(refusal::refusal(&self.name, status, &body))
    }
}

/// An answer that arrives.
#[derive(Debug)]
pub struct Download {
    response: reqwest::Response,
    name: String,
}

impl Download {
    /// The next bytes; `None` at the end. An answer that breaks off is a failure.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        let chunk = self.response.chunk().await.map_err(|error| refusal::broken_off(&self.name, &error))?;
        Ok(chunk.map(|chunk| chunk.to_vec()))
    }
}

/// Makes the TLS library usable; every later call does nothing.
pub fn install_tls_provider() {
    // It fails only if a provider is in place already.
    headwater_depot::http::install_tls_provider();
}

/// What sends to the server at `base`. What stays on this machine never goes to a proxy, which would read the token; for
/// other servers HTTPS_PROXY and NO_PROXY count, and an `https` request passes a proxy unread.
fn http(base: &str, ca: Option<&str>, socket: Option<&Path>) -> Result<reqwest::Client, Failure> {
    let builder = || {
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(CONNECT_TIMEOUT_SECONDS))
            // A redirect could lead the token elsewhere.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("headwater/", env!("CARGO_PKG_VERSION")));
        let http = if socket.is_some() || is_loopback(base) { http.no_proxy() } else { http };
        match socket {
            Some(path) => http.unix_socket(path.to_owned()),
            None => http,
        }
    };
    let failed = |error: reqwest::Error| {
        Failure::failed(format!("cannot set up HTTP: {}", error_chain(&error)))
            .with_hint("check HTTP_PROXY, HTTPS_PROXY and ALL_PROXY in the environment, and --ca")
    };
    let Some(ca) = ca else {
        // A machine without certificate authorities: the first connection that needs one says so.
        let made = builder().build().or_else(|_| builder().tls_certs_only([]).build());
        return made.map_err(failed);
    };
    let certificates = reqwest::Certificate::from_pem_bundle(ca.as_bytes()).map_err(|error| {
        Failure::bad_input(format!("the CA's certificates cannot be read: {}", error_chain(&error)))
            .with_hint("give a PEM file with --ca")
    })?;
    if certificates.is_empty() {
        return Err(Failure::bad_input("the file of the CA has no certificate in it")
            .with_hint("give a PEM file with --ca, such as console-ca.pem of the server's data folder"));
    }
    builder().tls_certs_only(certificates).build().map_err(failed)
}

/// The first segment that is empty or names this or the upper folder: the URL would name something else.
fn invalid_segment(path: &str) -> Option<&str> {
    let path = path.split('?').next().unwrap_or_default();
    path.split('/').skip(1).find(|segment| matches!(*segment, "" | "." | ".."))
}

/// The characters that a path segment may hold as they are (RFC 3986, unreserved).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// One segment of a path, percent-encoded.
pub fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

#[cfg(test)]
mod tests {
    use super::{ApiClient, invalid_segment, segment};

    #[test]
    fn every_spelling_of_a_server_gives_one_url_and_one_origin() {
        super::install_tls_provider();
        let check = |url: &str, base: &str, origin: &str| {
            let api = ApiClient::anonymous(url, None).unwrap();
            assert_eq!((api.base(), api.origin().as_str()), (base, origin));
        };
        let plain = "https://headwater.example";
        check("https://headwater.example", plain, plain);
        check("HTTPS://Headwater.Example:443/", plain, plain);
        check(
            "https://headwater.example:8470//",
            "https://headwater.example:8470",
            "https://headwater.example:8470",
        );
        check("http://[::1]:8470", "http://[::1]:8470", "http://[::1]:8470");
        check("https://headwater.example/console/", "https://headwater.example/console", plain);
        assert!(ApiClient::anonymous("headwater.example:8470", None).is_err());
    }

    #[test]
    fn a_segment_stays_one_segment() {
        assert_eq!(segment("root/paris"), "root%2Fparis");
        assert_eq!(segment("pc-17.é"), "pc-17.%C3%A9");
        for name in ["", ".", ".."] {
            assert_eq!(
                invalid_segment(&format!("/api/v1/domains/{}/drafts?x=/./", segment(name))),
                Some(name)
            );
            assert_eq!(invalid_segment(&format!("/api/v1/clients/{}", segment(name))), Some(name));
        }
        assert_eq!(invalid_segment(&format!("/api/v1/clients/{}?a=..", segment("a/../b"))), None);
    }
}
