//! Verified content from the sources of one segment: metadata, targets, and why content is not available.

mod content;
mod repository;
mod target;

pub(crate) use content::{ContentError, Scope, VerifiedRepository};
pub(crate) use repository::open_repository;
pub(crate) use target::{target, unusable};
