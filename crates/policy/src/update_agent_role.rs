//! Giving and taking the role of update agent (U1, U2, U6).

use crate::class::ClassSet;
use crate::draft::PolicyDraft;
use crate::entry::EntrySource;
use crate::id::{ClientId, DomainPath};
use crate::limits::UPDATE_AGENTS_MAX;
use crate::update_agent::UpdateAgent;

/// Is the role taken even from a client that entries name (U6)?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Force {
    /// No: that is refused.
    No,
    /// Yes: those entries are broken from then on, and shown so.
    Yes,
}

/// Why a role was not given or taken. The draft is as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RoleRefusal {
    /// Nothing to share means no role (U2).
    #[error("{0} would share no class, and so be no update agent; choose at least one")]
    NoClasses(ClientId),
    /// The root's clients are everybody (U1).
    #[error("the role is not given to all clients of the root; choose a domain, or single clients")]
    Root,
    /// One too many.
    #[error("there would be more than {UPDATE_AGENTS_MAX} update agents")]
    Full,
    /// It has no role to take.
    #[error("{0} is no update agent")]
    NotAnUpdateAgent(ClientId),
    /// Entries still name it (U6).
    #[error("{id} is still named by {}; change these first, or force it and leave them broken", list(.entries))]
    StillNamed {
        /// The client.
        id: ClientId,
        /// The entries that name it, from 1.
        entries: Vec<u32>,
    },
}

fn list(entries: &[u32]) -> String {
    let numbers: Vec<String> = entries.iter().map(u32::to_string).collect();
    let word = if entries.len() == 1 { "entry" } else { "entries" };
    format!("{word} {}", numbers.join(", "))
}

/// Gives the role to a client, or changes what it shares and where it is reached (U1, U2).
///
/// # Errors
/// It would share nothing, or there are too many.
pub fn give_role(draft: &mut PolicyDraft, agent: UpdateAgent) -> Result<(), RoleRefusal> {
    if !agent.is_active() {
        return Err(RoleRefusal::NoClasses(agent.id().clone()));
    }
    let known = draft.update_agents.get(agent.id()).is_some();
    if !known && draft.update_agents.as_slice().len() >= UPDATE_AGENTS_MAX {
        return Err(RoleRefusal::Full);
    }
    draft.update_agents.insert(agent);
    Ok(())
}

/// Gives the role to all clients of a domain, all or none; never to the root's (U1).
///
/// # Errors
/// The domain is the root, or one of the clients is refused.
pub fn give_role_to_domain(
    draft: &mut PolicyDraft,
    domain: &DomainPath,
    agents: Vec<UpdateAgent>,
) -> Result<(), RoleRefusal> {
    if domain.is_root() {
        return Err(RoleRefusal::Root);
    }
    let mut changed = draft.clone();
    for agent in agents {
        give_role(&mut changed, agent)?;
    }
    *draft = changed;
    Ok(())
}

/// Takes the role from a client. Forced while entries name it, the client stays known as sharing nothing, which is no
/// update agent (U2), so that its entries can be kept and shown as broken (U6).
///
/// # Errors
/// It has no role, or entries still name it and `force` is not given.
pub fn take_role(draft: &mut PolicyDraft, id: &ClientId, force: Force) -> Result<(), RoleRefusal> {
    let known = draft.update_agents.get(id).cloned();
    let entries: Vec<u32> = draft
        .entries
        .numbered()
        .filter(|(_, entry)| matches!(&entry.source, EntrySource::UpdateAgent(named) if named == id))
        .map(|(number, _)| number)
        .collect();
    match known {
        None => return Err(RoleRefusal::NotAnUpdateAgent(id.clone())),
        Some(agent) if !agent.is_active() && !entries.is_empty() => {
            return Err(RoleRefusal::NotAnUpdateAgent(id.clone()));
        }
        Some(_) if entries.is_empty() => {
            draft.update_agents.remove(id);
        }
        Some(_) if force == Force::No => {
            return Err(RoleRefusal::StillNamed { id: id.clone(), entries });
        }
        Some(agent) => draft.update_agents.insert(agent.with_classes(ClassSet::NONE)),
    }
    Ok(())
}
