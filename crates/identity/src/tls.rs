//! TLS as the fleet speaks it: version 1.3 only, both sides of the fleet's own CA. Administrators show no certificate.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ServerSessionMemoryCache, WebPkiClientVerifier};
use rustls::{ClientConfig, ServerConfig};

use crate::certificate::{CaCertificate, Chain, Peer};
use crate::error::IdentityError;
use crate::keys::SecretKey;
use crate::limits::{CHAIN_CERTIFICATES_MAX, PEM_LENGTH_MAX, TLS_SESSIONS_MAX};
use crate::tls_roots::{provider, store, tls};

/// The client that a certificate names, as a handshake showed it; `None` if it names none.
pub fn client_of(certificate: &CertificateDer<'_>) -> Option<String> {
    Peer::from_der(certificate).ok().map(|peer| peer.client.to_string())
}

/// Whether a listener admits callers without a certificate. Its routes decide what such callers may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anonymous {
    /// The handshake succeeds without a certificate, so that one can enrol.
    Allowed,
    /// No certificate, no handshake.
    Refused,
}

/// TLS of a listener: it shows `chain`; certificates shown to it must be of one of `clients`' CAs.
///
/// # Errors
///
/// [`IdentityError::Tls`]: chain and key do not belong together, or there is no CA.
pub fn server_config(
    chain: &Chain,
    key: &SecretKey,
    clients: &[CaCertificate],
    anonymous: Anonymous,
) -> Result<Arc<ServerConfig>, IdentityError> {
    let provider = provider();
    let verifier = WebPkiClientVerifier::builder_with_provider(
        Arc::new(store(clients.iter().map(CaCertificate::der))?),
        Arc::clone(&provider),
    );
    let verifier = match anonymous {
        Anonymous::Allowed => verifier.allow_unauthenticated(),
        Anonymous::Refused => verifier,
    };
    let verifier = verifier.build().map_err(|error| IdentityError::Tls(error.to_string()))?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(tls)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain.der().to_vec(), key.der())
        .map_err(tls)?;
    config.session_storage = ServerSessionMemoryCache::new(TLS_SESSIONS_MAX);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// TLS of a listener that asks nobody for a certificate: it shows a chain (PEM, the leaf first) of any CA and any kind of
/// key (PEM).
///
/// # Errors
///
/// [`IdentityError::Unreadable`]: no certificate or too many, or no key. [`IdentityError::Tls`]: they do not belong
/// together.
pub fn one_sided_server_config(chain: &str, key: &str) -> Result<Arc<ServerConfig>, IdentityError> {
    let unreadable = |wanted| move || IdentityError::Unreadable { wanted };
    let wanted = "a certificate in PEM, with those that lead to its CA after it";
    let certificates = Some(chain)
        .filter(|chain| chain.len() <= PEM_LENGTH_MAX)
        .and_then(|chain| {
            CertificateDer::pem_slice_iter(chain.as_bytes()).collect::<Result<Vec<_>, _>>().ok()
        })
        .filter(|chain| (1..=CHAIN_CERTIFICATES_MAX).contains(&chain.len()))
        .ok_or_else(unreadable(wanted))?;
    let key = Some(key)
        .filter(|key| key.len() <= PEM_LENGTH_MAX)
        .and_then(|key| PrivateKeyDer::from_pem_slice(key.as_bytes()).ok())
        .ok_or_else(unreadable("a private key in PEM"))?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(tls)?
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .map_err(tls)?;
    config.session_storage = ServerSessionMemoryCache::new(TLS_SESSIONS_MAX);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// TLS of a client: servers must show a certificate of one of `servers`' CAs; `own` is shown to them.
///
/// # Errors
///
/// [`IdentityError::Tls`]: chain and key do not belong together, or there is no CA.
pub fn client_config(
    servers: &[CaCertificate],
    own: Option<(&Chain, &SecretKey)>,
) -> Result<ClientConfig, IdentityError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(tls)?
        .with_root_certificates(store(servers.iter().map(CaCertificate::der))?);
    let mut config = match own {
        Some((chain, key)) => builder.with_client_auth_cert(chain.der().to_vec(), key.der()).map_err(tls)?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
