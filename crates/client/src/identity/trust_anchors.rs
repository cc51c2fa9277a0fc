//! What this client trusts: the CAs of the fleet, and the keys with which the server signs its answers.

use headwater_api::settings::FleetDocument;
use headwater_identity::{CaCertificate, PublicKey, tls};

use crate::data::State;
use crate::error::Error;
use crate::identity::files::internal;

/// What this client trusts. The last signed policy decides; before there is one, the bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustAnchors {
    /// The CAs that issue the certificates of servers and update agents.
    pub cas: Vec<CaCertificate>,
    /// The keys with which the server signs its answers.
    pub response_signing_keys: Vec<PublicKey>,
}

impl TrustAnchors {
    /// Those of the last signed policy; `None` if there is none yet, or it no longer counts after an enrolment.
    pub(crate) fn of_policy(state: &State) -> Result<Option<Self>, Error> {
        let signed = state.policy.as_ref().map(|policy| &policy.fleet);
        let signed = signed.filter(|fleet| !fleet.ca.is_empty());
        signed
            .map(|FleetDocument { ca, response_signing_keys, .. }| Self::read(ca, response_signing_keys))
            .transpose()
    }

    /// Reads certificates (PEM) and public keys.
    pub(crate) fn read(ca: &[String], response_signing_keys: &[String]) -> Result<Self, Error> {
        let cas =
            ca.iter().map(|pem| CaCertificate::from_pem(pem)).collect::<Result<_, _>>().map_err(internal)?;
        let response_signing_keys = response_signing_keys
            .iter()
            .map(|text| text.parse())
            .collect::<Result<_, _>>()
            .map_err(internal)?;
        Ok(Self { cas, response_signing_keys })
    }

    /// The TLS configuration of a client that has no certificate, or an expired one.
    pub(crate) fn anonymous_tls(&self) -> Result<rustls::ClientConfig, Error> {
        tls::client_config(&self.cas, None).map_err(internal)
    }
}
