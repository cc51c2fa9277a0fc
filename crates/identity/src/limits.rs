//! Every limit of this crate, with its unit and the reason for its size.

use std::time::Duration;

const HOUR: u64 = 60 * 60;
const DAY: u64 = 24 * HOUR;

/// Life of a certificate of a client, an update agent or the server. Long enough for holidays, short enough that a key
/// stolen and never missed stops being good (I3).
pub const CERTIFICATE_LIFE: Duration = Duration::from_secs(90 * DAY);
/// How far before now a certificate begins: an endpoint's clock may be behind the server's.
pub const CERTIFICATE_HEAD_START: Duration = Duration::from_secs(HOUR);
/// Life of a fleet CA: it outlives the endpoints, so that rotating it is a choice and not an appointment.
pub const CA_LIFE: Duration = Duration::from_secs(10 * 365 * DAY);
/// Bytes of one PEM text read here: a chain of [`CHAIN_CERTIFICATES_MAX`] with room to spare.
pub const PEM_LENGTH_MAX: usize = 65_536;
/// Certificates of a chain: a leaf and five cross-signed ones. The verifying library follows at most six issuers.
pub const CHAIN_CERTIFICATES_MAX: usize = 6;
/// Names and addresses of a server's or update agent's certificate: more than any machine has interfaces.
pub const CERTIFICATE_NAMES_MAX: usize = 64;
/// Keys that were replaced and sign answers beside the newest: as often as clients of all ages are likely to have missed.
pub const RESPONSE_SIGNING_KEYS_FORMER_MAX: usize = 4;
/// Bytes of a statement's or answer's body: a report with some thousand attempts, or a check-in's answer with the
/// keys of a domain.
pub const BODY_LENGTH_MAX: usize = 1_048_576;
/// Bytes that are sealed at once: an enrolment request, or a domain's settings.
pub const SEALED_LENGTH_MAX: usize = 1_048_576;
/// Sessions that a listener remembers, for handshakes that cost little: a site's clients.
pub const TLS_SESSIONS_MAX: usize = 4_096;
