//! What changed between two policies (S7).

use std::fmt;

use crate::class::Class;
use crate::draft::number_of;
use crate::entry::Entry;
use crate::policy::Policy;
use crate::source_url::SourceUrl;

/// One change of a list. Numbers count from 1, `from` in the old list and `to` in the new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryChange {
    /// A new entry.
    Added {
        /// Its number.
        to: u32,
        /// The entry.
        entry: Entry,
    },
    /// An entry is gone.
    Removed {
        /// The number it had.
        from: u32,
        /// The entry.
        entry: Entry,
    },
    /// The same entry at another place among the others.
    Moved {
        /// The number it had.
        from: u32,
        /// Its number.
        to: u32,
        /// The entry.
        entry: Entry,
    },
    /// Another entry in its place.
    Edited {
        /// The number it had.
        from: u32,
        /// Its number.
        to: u32,
        /// The entry as it was.
        before: Entry,
        /// The entry as it is.
        after: Entry,
    },
}

impl fmt::Display for EntryChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added { to, entry } => write!(f, "entry {to} added: {entry}"),
            Self::Removed { from, entry } => write!(f, "entry {from} removed: {entry}"),
            Self::Moved { from, to, entry } => write!(f, "entry {from} moved to {to}: {entry}"),
            Self::Edited { from, to, before, after } if from == to => {
                write!(f, "entry {to} changed: {before} became {after}")
            }
            Self::Edited { from, to, before, after } => {
                write!(f, "entry {from} changed, now {to}: {before} became {after}")
            }
        }
    }
}

/// What turns `old` into `new`, in the order of the new list where there is one. As many entries as possible are
/// taken as unmoved.
pub fn diff(old: &[Entry], new: &[Entry]) -> Vec<EntryChange> {
    let (mut gone, mut come) = unmatched(old, new);
    let mut changes = Vec::new();
    // The same entry gone here and come there was moved.
    come.retain(|(to, _)| {
        let Some(at) = gone.iter().position(|(from, _)| old[*from] == new[*to]) else {
            return true;
        };
        let (from, _) = gone.remove(at);
        let entry = new[*to].clone();
        changes.push((*to, EntryChange::Moved { from: number_of(from), to: number_of(*to), entry }));
        false
    });
    // One gone and one come between the same unmoved neighbours is one edited.
    come.retain(|(to, gap)| {
        let Some(at) = gone.iter().position(|(_, of)| of == gap) else {
            return true;
        };
        let (from, _) = gone.remove(at);
        let (before, after) = (old[from].clone(), new[*to].clone());
        changes.push((*to, EntryChange::Edited { from: number_of(from), to: number_of(*to), before, after }));
        false
    });
    changes.extend(
        come.iter().map(|(to, _)| (*to, EntryChange::Added { to: number_of(*to), entry: new[*to].clone() })),
    );
    changes.extend(gone.iter().map(|(from, _)| {
        (*from, EntryChange::Removed { from: number_of(*from), entry: old[*from].clone() })
    }));
    changes.sort_by_key(|(place, _)| *place);
    changes.into_iter().map(|(_, change)| change).collect()
}

/// Places in `old` and in `new` outside a longest common subsequence, each with the number of unmoved entries before it.
type Unmatched = (Vec<(usize, usize)>, Vec<(usize, usize)>);

fn unmatched(old: &[Entry], new: &[Entry]) -> Unmatched {
    let width = new.len() + 1;
    // longest[i][j]: common entries of old[i..] and new[j..]
    let mut longest = vec![0_u32; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            longest[i * width + j] = if old[i] == new[j] {
                longest[(i + 1) * width + j + 1] + 1
            } else {
                longest[(i + 1) * width + j].max(longest[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j, mut unmoved) = (0, 0, 0);
    let (mut gone, mut come) = (Vec::new(), Vec::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            (i, j, unmoved) = (i + 1, j + 1, unmoved + 1);
        } else if j == new.len()
            || (i < old.len() && longest[(i + 1) * width + j] >= longest[i * width + j + 1])
        {
            gone.push((i, unmoved));
            i += 1;
        } else {
            come.push((j, unmoved));
            j += 1;
        }
    }
    (gone, come)
}

/// What changed between two policies.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PolicyDiff {
    /// Mode, options, server, vendor source and update agents: one line each.
    pub options: Vec<String>,
    /// The source list.
    pub entries: Vec<EntryChange>,
}

impl PolicyDiff {
    /// Is there no difference?
    pub fn is_empty(&self) -> bool {
        self.options.is_empty() && self.entries.is_empty()
    }
}

/// What turns `old` into `new`.
pub fn diff_policies(old: &Policy, new: &Policy) -> PolicyDiff {
    let fallback = |policy: &Policy, class| policy.options().server_fallback.is_on(class).to_string();
    let vendor = |policy: &Policy| policy.vendor().map_or("none", SourceUrl::as_str).to_owned();
    let mut pairs = vec![
        ("mode".to_owned(), old.mode().to_string(), new.mode().to_string()),
        ("server".to_owned(), old.server().to_string(), new.server().to_string()),
        ("vendor".to_owned(), vendor(old), vendor(new)),
    ];
    for class in Class::ALL {
        pairs.push((format!("server_fallback.{class}"), fallback(old, class), fallback(new, class)));
    }
    let (before, after) = (old.options(), new.options());
    pairs.push((
        "update_agents_from_server_only".to_owned(),
        before.update_agents_from_server_only.to_string(),
        after.update_agents_from_server_only.to_string(),
    ));
    let fallbacks = (before.vendor_fallback.to_string(), after.vendor_fallback.to_string());
    pairs.push(("vendor_fallback".to_owned(), fallbacks.0, fallbacks.1));
    let mut options: Vec<String> = pairs
        .into_iter()
        .filter(|(_, before, after)| before != after)
        .map(|(name, before, after)| format!("{name}: {before} became {after}"))
        .collect();
    options.extend(agent_changes(old, new));
    PolicyDiff { options, entries: diff(old.entries().as_slice(), new.entries().as_slice()) }
}

fn agent_changes(old: &Policy, new: &Policy) -> Vec<String> {
    let mut changes = Vec::new();
    for agent in new.update_agents() {
        match old.update_agents().get(agent.id()) {
            None => changes.push(format!("update agent {} added", agent.id())),
            Some(before) if before != agent => changes.push(format!("update agent {} changed", agent.id())),
            Some(_) => {}
        }
    }
    let gone = old.update_agents().iter().filter(|agent| new.update_agents().get(agent.id()).is_none());
    changes.extend(gone.map(|agent| format!("update agent {} removed", agent.id())));
    changes
}
