//! Which of two time-outs a source has for its turn.

/// How long a source may bring nothing before its turn ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IdleTimeout {
    /// Two seconds: another source may do better.
    Soft,
    /// The whole idle time-out: no other source is left.
    Full,
}
