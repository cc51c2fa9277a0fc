//! What a plan of the vendor source alone cannot give, and what to do about it (P4a).

use std::fmt;

use crate::own_components::OwnComponents;
use crate::unserved::Unserved;

/// The organisation's own components that no source of a plan has, although it has the vendor source. Displayed as a
/// sentence that ends with what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partial {
    /// Their names.
    pub names: OwnComponents,
    /// Why the plan has no source that has them.
    pub why: Unserved,
}

impl fmt::Display for Partial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { names, why } = self;
        write!(
            f,
            "the vendor source does not have the organisation's own components ({names}), and the plan has no other source \
             of the class: {why}"
        )
    }
}
