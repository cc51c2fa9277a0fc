//! A release that is being assembled.

use std::path::Path;

use headwater_depot::Walk;
use headwater_repo::Manifest;

use crate::data::Slot;
use crate::session::Context;

/// A release that is being assembled.
#[derive(Clone, Copy)]
pub(crate) struct Assembly<'a> {
    pub context: &'a Context,
    pub walk: &'a Walk,
    pub slot: &'a Slot,
    pub manifest: &'a Manifest,
    /// The folder in which it is assembled.
    pub folder: &'a Path,
}

impl Assembly<'_> {
    /// The component or program, for progress and messages.
    pub(crate) fn name(&self) -> String {
        let name = self.slot.folder().file_name();
        name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }
}
