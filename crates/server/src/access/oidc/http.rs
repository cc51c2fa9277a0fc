//! Asks the identity provider over HTTP: no redirect is followed, no answer is longer than it may be. How long all of it
//! may take is the caller's.

use std::pin::Pin;

use headwater_depot::http::{BodyError, read_body, through_proxy};
use headwater_policy::Proxy;
use headwater_repo::error_chain;
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse, http};

use crate::error::ProviderFault;
use crate::limits::{PROVIDER_ANSWER_BYTES_MAX, PROVIDER_CONNECT_TIME_MAX};

/// Asks one provider.
#[derive(Debug)]
pub struct ProviderClient(reqwest::Client);

impl ProviderClient {
    /// For a provider of this URL, reached by this proxy if there is one. Where that is https, so is everything that it leads to.
    ///
    /// # Errors
    /// When the system's certificates cannot be read.
    pub fn new(issuer: &str, proxy: Option<&Proxy>) -> reqwest::Result<Self> {
        let builder = reqwest::Client::builder()
            .connect_timeout(PROVIDER_CONNECT_TIME_MAX)
            .https_only(issuer.starts_with("https:"))
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none());
        Ok(Self(through_proxy(builder, proxy).build()?))
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, ProviderFault> {
        let request = request.try_into().map_err(|error| fault(&error))?;
        let mut response = self.0.execute(request).await.map_err(|error| fault(&error))?;
        if response.status().is_redirection() {
            let reason =
                format!("it redirects (HTTP status {}), and no redirect is followed", response.status());
            return Err(ProviderFault::Broken(reason));
        }
        if response.status().is_server_error() {
            return Err(ProviderFault::Broken(format!("HTTP status {}", response.status())));
        }
        let body =
            read_body(&mut response, PROVIDER_ANSWER_BYTES_MAX).await.map_err(|error| match error {
                BodyError::Connection(error) => fault(&error),
                BodyError::TooLong { bytes_max } => {
                    ProviderFault::Broken(format!("an answer of more than {bytes_max} bytes"))
                }
            })?;
        let mut answer = http::Response::new(body);
        *answer.status_mut() = response.status();
        *answer.headers_mut() = std::mem::take(response.headers_mut());
        Ok(answer)
    }
}

impl<'c> AsyncHttpClient<'c> for ProviderClient {
    type Error = ProviderFault;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, ProviderFault>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}

fn fault(error: &reqwest::Error) -> ProviderFault {
    tracing::warn!(error = error_chain(error), "the identity provider cannot be asked");
    if error.is_builder() {
        return ProviderFault::Broken("it leads to an address that is not asked (https:// only)".to_owned());
    }
    ProviderFault::Down
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    /// A listener that accepts nobody and has no room for more: the system lets who comes then wait.
    #[tokio::test(start_paused = true)]
    async fn one_that_cannot_be_connected_to_is_given_up() {
        headwater_depot::http::install_tls_provider();
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let _waiting = [TcpStream::connect(address).unwrap(), TcpStream::connect(address).unwrap()];
        let begun = tokio::time::Instant::now();
        let url = format!("http://{address}/");
        let request = http::Request::get(&url).body(Vec::new()).unwrap();
        let fault = ProviderClient::new(&url, None).unwrap().call(request).await.unwrap_err();
        assert_eq!(fault, ProviderFault::Down);
        assert_eq!(begun.elapsed().as_secs(), PROVIDER_CONNECT_TIME_MAX.as_secs());
    }

    #[tokio::test]
    async fn what_an_https_provider_leads_to_is_https_too() {
        headwater_depot::http::install_tls_provider();
        let request = http::Request::get("http://127.0.0.1:1/").body(Vec::new()).unwrap();
        let fault = ProviderClient::new("https://id.example", None).unwrap().call(request).await.unwrap_err();
        assert!(matches!(&fault, ProviderFault::Broken(reason) if reason.contains("https")), "{fault}");
    }
}
