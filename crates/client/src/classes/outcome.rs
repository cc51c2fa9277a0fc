//! The outcome of a class or of the policy, as reports state it, and its message.

use headwater_api::report::{ClassOutcome, ClassResult};
use headwater_policy::Repository;

use crate::session::Session;

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

/// The messages of names that were finished before their segment failed.
pub(super) fn finished_messages(session: &mut Session) -> impl Iterator<Item = String> + use<> {
    std::mem::take(&mut session.findings.class.finished).into_iter().map(|name| name.message)
}

/// Sentences as one text.
pub(super) fn joined(sentences: impl Iterator<Item = String>) -> String {
    sentences.collect::<Vec<_>>().join("; ")
}
