//! An enrolled client: its id, its keys and the certificate that the server issued for them.

use headwater_depot::files::{self, FileAccess};
use headwater_identity::{Chain, tls};
use headwater_policy::ClientId;

use crate::data::DataFolder;
use crate::error::Error;
use crate::identity::client_keys::{ClientKeys, certificate_path, forget_certificate};
use crate::identity::files::{internal, load};
use crate::identity::trust_anchors::TrustAnchors;

/// An enrolled client.
#[derive(Debug, Clone)]
pub struct ClientIdentity {
    pub id: ClientId,
    pub keys: ClientKeys,
    pub chain: Chain,
}

impl ClientIdentity {
    /// The identity in a data folder; `None` if the client is not enrolled. Writes nothing.
    pub(crate) fn load(folder: &DataFolder, id: &ClientId) -> Result<Option<Self>, Error> {
        let path = certificate_path(folder);
        let Some(chain) = load(&path, Chain::from_pem)? else { return Ok(None) };
        let Some(keys) = ClientKeys::load(folder)? else { return Ok(None) };
        let names_us = chain.peer().is_ok_and(|peer| peer.client == *id);
        if !names_us || chain.key() != keys.key.public() {
            let problem =
                "the certificate is for another client or another key; remove the file and enrol again"
                    .to_owned();
            return Err(Error::Malformed { path, problem });
        }
        Ok(Some(Self { id: id.clone(), keys, chain }))
    }

    /// Stores a certificate, if it is for this client and its key.
    pub(crate) fn store(
        folder: &DataFolder,
        id: &ClientId,
        keys: &ClientKeys,
        pem: &str,
    ) -> Result<Self, Error> {
        let refused = |problem: String| {
            Error::NotEnrolled(format!("the certificate that the server issued cannot be used: {problem}"))
        };
        let chain = Chain::from_pem(pem).map_err(|error| refused(error.to_string()))?;
        let peer = chain.peer().map_err(|error| refused(error.to_string()))?;
        if peer.client != *id || chain.key() != keys.key.public() {
            return Err(refused("it is for another client or another key".to_owned()));
        }
        let path = certificate_path(folder);
        files::replace(&path, chain.to_pem().as_bytes(), FileAccess::Owner)
            .map_err(Error::file("writing the certificate", &path))?;
        Ok(Self { id: id.clone(), keys: keys.clone(), chain })
    }

    /// Removes the certificate of another fleet. The keys stay.
    pub(crate) fn forget(folder: &DataFolder) -> Result<(), Error> {
        forget_certificate(folder)
    }

    /// The TLS configuration with which this client connects to the fleet.
    pub(crate) fn tls(&self, anchors: &TrustAnchors) -> Result<rustls::ClientConfig, Error> {
        tls::client_config(&anchors.cas, Some((&self.chain, &self.keys.key))).map_err(internal)
    }
}
