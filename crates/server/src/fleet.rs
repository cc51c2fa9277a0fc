//! Who belongs to the fleet (I3): clients, their identities, enrolment, certificates, statements, revocation, and which
//! clients are update agents.
//!
//! Each decision is made apart ([`admission`], [`sequence`]) from rows that were read in the transaction that saves its
//! outcome. What others must know of the fleet (CAs, response-signing keys, revoked keys) travels in the signed policy:
//! a change of it signs that again in the same step (`SourceListService::stage_fleet`).

mod admission;
mod ahead;
mod ca;
mod clients;
mod console_certificate;
mod copies;
mod enrol;
mod enrolment_tokens;
mod fleet_keys;
mod fleet_view;
mod former;
mod kept_reports;
mod key_files;
mod listeners;
mod peers;
mod re_enrolment;
mod refusals;
mod registry;
mod revocation;
mod rotation;
mod sequence;
mod service;
mod settings;
mod statements;
mod still_readable;
mod unknown_once;
mod unknown_requests;
mod update_agents;

pub use self::ca::FormerCas;
pub(crate) use self::fleet_keys::FleetKeys;
pub use self::service::FleetService;
pub(crate) use self::service::Parts as FleetParts;
pub(crate) use self::settings::FleetSettings;
