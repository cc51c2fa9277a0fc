//! Who holds a place in a shared pool (connections, downloads): places are counted by holder, so that nobody takes the places of the others
//! (U4).

use std::sync::Arc;

use headwater_policy::ClientNetwork;
use rustls::pki_types::CertificateDer;

/// Who holds places in a shared pool.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Holder {
    /// A client that showed a certificate of the fleet, from wherever it comes.
    Client(Arc<str>),
    /// Everybody at one address (IPv6: one /64): before the handshake, and without a certificate.
    Network(ClientNetwork),
    /// A caller whose address is not known: a router that no listener runs.
    Unknown,
}

/// Names the client of a certificate that the TLS configuration found good; `None` if it names none.
pub type Identify = fn(&CertificateDer<'_>) -> Option<String>;

/// For a listener at which nobody shows a certificate.
pub fn nobody(_: &CertificateDer<'_>) -> Option<String> {
    None
}
