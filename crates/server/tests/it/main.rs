//! The server, whole, in this process on free ports, spoken to over HTTP as clients and administrators do.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod administrators;
mod audit;
mod authorisation;
mod clients;
mod confidential;
mod config;
mod console_tls;
mod copies;
mod deltas;
mod different_times;
mod domain_drafts;
mod domains;
mod draft_owners;
mod endpoint;
mod fleet;
mod fleet_ca;
mod fleet_view;
mod harness;
mod jobs;
mod keys;
mod limits;
mod oidc;
mod openapi;
mod provider;
mod publishing;
mod re_enrolment;
mod refusals;
mod rejected;
mod releases;
mod roles;
mod rotation;
mod schemathesis;
mod silence;
mod slow;
mod sources;
mod start;
mod upstream;
mod vendor;
