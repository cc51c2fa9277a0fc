//! Every limit of the update agent, with its unit and its reason.

/// Free space that holding for others leaves on the disk, in bytes: the endpoint's own work comes first.
pub const FREE_BYTES_MIN: u64 = 64 * 1024 * 1024;
