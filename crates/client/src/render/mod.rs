//! Reports and statuses as text for people.

mod report;
mod status;

pub use report::report;
pub use status::status;

/// Bytes for people: `0 B`, `12.30 KiB`, `4.50 MiB`.
pub fn bytes(count: u64) -> String {
    indicatif::HumanBytes(count).to_string()
}
