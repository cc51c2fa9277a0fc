//! The outcome of a class or of the policy, as reports state it.

use headwater_api::report::{ClassOutcome, ClassResult};
use headwater_policy::Repository;

/// The outcome of a class, or of the policy.
pub(crate) fn outcome(
    repository: impl Into<Repository>,
    result: ClassResult,
    source: Option<String>,
    message: String,
) -> ClassOutcome {
    let class = repository.into().to_string();
    ClassOutcome { class, result, source, message, names: Vec::new(), spared_bytes: 0 }
}
