//! The outcome of a class, as reports state it.

use headwater_api::report::{ClassOutcome, ClassResult};
use headwater_policy::Class;

/// The outcome of a class.
pub(crate) fn outcome(
    class: Class,
    result: ClassResult,
    source: Option<String>,
    message: String,
) -> ClassOutcome {
    ClassOutcome { class: class.to_string(), result, source, message, names: Vec::new(), spared_bytes: 0 }
}
