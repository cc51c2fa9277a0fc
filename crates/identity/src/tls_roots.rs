//! What certificates are verified with: the provider, the store of roots, and the verifier of clients.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use crate::error::IdentityError;

/// The verifier of clients' certificates: each must lead to one of these CAs.
pub(crate) fn client_verifier<'a>(
    cas: impl IntoIterator<Item = &'a CertificateDer<'static>>,
) -> Result<Arc<dyn ClientCertVerifier>, IdentityError> {
    WebPkiClientVerifier::builder_with_provider(Arc::new(store(cas)?), provider())
        .build()
        .map_err(|error| IdentityError::Tls(error.to_string()))
}

pub(crate) fn store<'a>(
    cas: impl IntoIterator<Item = &'a CertificateDer<'static>>,
) -> Result<RootCertStore, IdentityError> {
    let mut store = RootCertStore::empty();
    for ca in cas {
        store.add(ca.clone()).map_err(tls)?;
    }
    Ok(store)
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

pub(crate) fn tls(error: rustls::Error) -> IdentityError {
    IdentityError::Tls(error.to_string())
}
