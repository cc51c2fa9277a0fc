//! Whether the source of an entry exists, and whether the clients that the entry selects can reach it (S5).

use crate::address::FamilySet;
use crate::entry::EntrySource;
use crate::problem::Problem;
use crate::source_url::SourceUrl;
use crate::update_agent::UpdateAgents;

/// What an entry is checked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// It is saved: each family that it selects must be met, and the vendor source that it names must exist.
    Save,
    /// A plan is made from what may have been saved long ago, and addresses change: clients without the source's
    /// families pass over the entry (`family`), and all do if there is no vendor source (`class`).
    Plan,
}

/// What is wrong with the source of an entry that selects clients of the families `selected`: it does not exist, or
/// those clients can never reach it (S5). A name may have both families; the vendor source named as such is where
/// the policy has it, so its families are a warning only (see `preview`).
pub fn check_source(
    number: u32,
    selected: FamilySet,
    source: &EntrySource,
    update_agents: &UpdateAgents,
    vendor: Option<&SourceUrl>,
    occasion: Occasion,
) -> Vec<Problem> {
    let (families, name) = match source {
        EntrySource::UpdateAgent(id) => match update_agents.get(id) {
            Some(agent) => (agent.families(), format!("update agent {id}")),
            None => {
                let message = format!(
                    "there is no update agent `{id}`; give that client the role first, or name another"
                );
                return vec![Problem::of_entry(number, message)];
            }
        },
        EntrySource::Url { url, .. } => (url.families(), format!("the URL {url}")),
        EntrySource::Vendor if vendor.is_none() && occasion == Occasion::Save => {
            let message = "it names the vendor source, but the policy has none; give `vendor` a URL, or name another source";
            return vec![Problem::of_entry(number, message)];
        }
        EntrySource::Vendor => return Vec::new(),
    };
    if occasion == Occasion::Plan {
        return Vec::new();
    }
    let unmet = selected.iter().filter(|family| !families.contains(*family));
    let problem = |family| {
        let message = format!(
            "{name} has no {family} address, but the entry selects {family} clients, which could never reach it; name \
             another source, or select no {family} clients"
        );
        Problem::of_entry(number, message)
    };
    unmet.map(problem).collect()
}
