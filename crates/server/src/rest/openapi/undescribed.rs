//! What stands for `described` in a build without the feature `openapi`: a row of the table describes nothing.

/// Every handler has it.
pub trait Described<T> {
    /// Describes nothing.
    fn description() -> Description {
        Description
    }
}

impl<T, H> Described<T> for H {}

/// No description.
#[derive(Debug, Clone, Copy)]
pub struct Description;
