//! Decides which sources a client tries, in which order, and why.
//!
//! This crate is pure: values in, values out. It reads no file, no clock and no socket, knows no JSON
//! and nothing of signatures. Text is turned into its types at the edge ([`ClientId`], [`SourceUrl`],
//! [`Ipv4Range`], …), and a [`Policy`] exists only if every rule about it holds.
//!
//! - [`PolicyDraft`] → [`Policy`]: edits gather (S6, S7), then everything is checked (S2, S3, S5);
//! - [`plan`], [`Planner`], [`explain`]: P1–P6, S10; [`policy_plan`]: P5a;
//! - [`judge_addresses`]: which addresses of a computer count, U4b;
//! - [`preview`]: the warnings of S8; [`diff`], [`decide_save`]: S7;
//! - [`DomainTree`], [`Settings`]: D1, D2; [`diff_settings`], [`decide_settings_save`]: S7 for them; [`take_role`] and its like: U1, U2, U6.
//!
//! Left to others: reading documents (`headwater-api`), walking a plan (`headwater-depot`), DNS.

mod address;
mod circles;
mod class;
mod client;
mod diff;
mod domain;
mod draft;
mod entry;
mod id;
mod interfaces;
mod limits;
mod matching;
mod open_sources;
mod options;
mod own_components;
mod partial;
mod plan;
mod planner;
mod policy;
mod policy_plan;
mod preview;
mod problem;
mod proxy;
mod repository;
mod save;
mod scheme;
mod selector;
mod settings;
mod settings_diff;
mod shadow;
mod source_check;
mod source_url;
mod unserved;
mod update_agent;
mod update_agent_role;

pub use address::{ClientNetwork, Family, FamilySet, is_link_local, parse_address};
pub use class::{Class, ClassSet};
pub use client::Client;
pub use diff::{EntryChange, PolicyDiff, diff, diff_policies};
pub use domain::{DomainRefusal, DomainTree};
pub use draft::{EditRefusal, PolicyDraft, SourceList};
pub use entry::{Entry, EntrySource};
pub use id::{ClientId, DomainPath};
pub use interfaces::{AddressVerdict, Interface, JudgedAddress, judge_addresses};
pub use limits::*;
pub use open_sources::{OpenSource, open_sources};
pub use options::{Mode, Options, ServerFallback, VendorFallback};
pub use own_components::{OwnComponent, OwnComponents};
pub use partial::Partial;
pub use plan::{Plan, Plans, SkipReason, Skipped, SourceKey, Step, StepReason};
pub use planner::{Planner, explain, explain_address, plan};
pub use policy::Policy;
pub use policy_plan::{FormerSource, is_former, is_last_resort, policy_plan, remembered};
pub use preview::{Preview, Warning, WarningKind, preview};
pub use problem::{ParseError, Problem};
pub use proxy::Proxy;
pub use repository::Repository;
pub use save::{SaveDecision, decide_save};
pub use scheme::Scheme;
pub use selector::{Ipv4Range, Ipv6Prefix, Selector};
pub use settings::{EffectiveSettings, Settings};
pub use settings_diff::{Explicit, SettingChange, SettingsPart, decide_settings_save, diff_settings};
pub use source_check::{Occasion, check_source};
pub use source_url::{SourceUrl, is_loopback_host};
pub use unserved::Unserved;
pub use update_agent::{UpdateAgent, UpdateAgents};
pub use update_agent_role::{Force, RoleRefusal, give_role, give_role_to_domain, take_role};
