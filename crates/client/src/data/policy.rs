//! A policy from the document that carries it.

use headwater_api::policy::PolicyDocument;
use headwater_policy::Policy;

/// Reads a policy from its document.
///
/// # Errors
///
/// Every problem in it, as one sentence.
pub fn policy_of(document: &PolicyDocument) -> Result<Policy, String> {
    let problems = match document.read().map(Policy::already_saved) {
        Ok(policy) => return Ok(policy),
        Err(problems) => problems,
    };
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    Err(format!("the policy is not valid: {}", problems.join("; ")))
}
