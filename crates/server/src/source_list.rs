//! The source list and everything else of the policy and of class settings: options, domains and their typed settings, their drafts and
//! histories, preview and explanation.
//!
//! It composes the content of the policy's repository and of class `settings` and stages it with `publishing`; planning and comparing are `policy`'s.

mod adopt;
mod confidential;
mod domain_documents;
mod domain_settings;
mod domains;
mod drafts;
mod first;
mod fleet_document;
mod policies;
mod policy_drafts;
mod preview;
mod restored;
mod service;
mod settings_drafts;
mod vendor_source;
mod withheld;

pub use self::drafts::DraftId;
pub use self::policies::Current;
pub(crate) use self::policies::{current, invalid_list, policy_target};
pub use self::service::SourceListService;
