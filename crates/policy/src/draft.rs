//! The source list, and a policy that is being edited (S2, S6, S7).

use crate::entry::Entry;
use crate::limits::ENTRIES_MAX;
use crate::options::{Mode, Options};
use crate::own_components::OwnComponents;
use crate::problem::Problem;
use crate::source_check::{Occasion, check_source};
use crate::source_url::SourceUrl;
use crate::update_agent::UpdateAgents;

/// Why an edit was not made. The list is as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditRefusal {
    /// One entry too many (S2).
    #[error("the source list would have {0} entries and may have at most {ENTRIES_MAX}; remove some first")]
    Full(usize),
    /// There is no such entry.
    #[error("there is no entry {number}: the source list has {entries}")]
    NoSuchEntry {
        /// The number that was given.
        number: u32,
        /// Entries that there are.
        entries: usize,
    },
}

/// The ordered source list: at most [`ENTRIES_MAX`] entries, counted from 1 (S2, S4).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SourceList(Vec<Entry>);

impl SourceList {
    /// A list of these entries, in this order.
    ///
    /// # Errors
    /// There are more than [`ENTRIES_MAX`] (S2).
    pub fn new(entries: Vec<Entry>) -> Result<Self, EditRefusal> {
        if entries.len() > ENTRIES_MAX {
            return Err(EditRefusal::Full(entries.len()));
        }
        Ok(Self(entries))
    }

    /// All entries, in order.
    pub fn as_slice(&self) -> &[Entry] {
        &self.0
    }

    /// Entries that there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The entries with their numbers, from 1.
    pub fn numbered(&self) -> impl Iterator<Item = (u32, &Entry)> {
        (1..).zip(&self.0)
    }

    /// The entry with this number, from 1.
    pub fn get(&self, number: u32) -> Option<&Entry> {
        self.place(number).ok().map(|place| &self.0[place])
    }

    /// Adds an entry at the end and returns its number.
    ///
    /// # Errors
    /// The list is full (S2).
    pub fn add(&mut self, entry: Entry) -> Result<u32, EditRefusal> {
        let number = number_of(self.0.len());
        if self.0.len() >= ENTRIES_MAX {
            return Err(EditRefusal::Full(self.0.len() + 1));
        }
        self.0.push(entry);
        Ok(number)
    }

    /// Puts an entry in so that it has this number; the one that had it and those after it move on by one.
    ///
    /// # Errors
    /// The list is full (S2), or the number is beyond its end.
    pub fn insert(&mut self, number: u32, entry: Entry) -> Result<(), EditRefusal> {
        if number != number_of(self.0.len()) {
            self.place(number)?;
        }
        self.add(entry)?;
        self.move_to(number_of(self.0.len() - 1), number).map(|_| ())
    }

    /// Puts `entry` in the place of the one with this number.
    ///
    /// # Errors
    /// There is no such entry.
    pub fn edit(&mut self, number: u32, entry: Entry) -> Result<(), EditRefusal> {
        let place = self.place(number)?;
        self.0[place] = entry;
        Ok(())
    }

    /// Removes the entries with these numbers, all or none; a number may be given twice.
    ///
    /// # Errors
    /// One of them does not exist.
    pub fn remove(&mut self, numbers: &[u32]) -> Result<(), EditRefusal> {
        let mut stays = vec![true; self.0.len()];
        for number in numbers {
            stays[self.place(*number)?] = false;
        }
        let mut stays = stays.into_iter();
        self.0.retain(|_| stays.next().unwrap_or(true));
        Ok(())
    }

    /// Moves an entry one step up and returns its new number; the first stays.
    ///
    /// # Errors
    /// There is no such entry.
    pub fn move_up(&mut self, number: u32) -> Result<u32, EditRefusal> {
        self.move_to(number, number.saturating_sub(1).max(1))
    }

    /// Moves an entry one step down and returns its new number; the last stays.
    ///
    /// # Errors
    /// There is no such entry.
    pub fn move_down(&mut self, number: u32) -> Result<u32, EditRefusal> {
        self.place(number)?;
        self.move_to(number, number.saturating_add(1).min(number_of(self.0.len()) - 1))
    }

    /// Moves an entry so that it has the number `to`, and returns that; those between move by one.
    ///
    /// # Errors
    /// There is no such entry, or no such place.
    pub fn move_to(&mut self, number: u32, to: u32) -> Result<u32, EditRefusal> {
        let (from_place, to_place) = (self.place(number)?, self.place(to)?);
        let entry = self.0.remove(from_place);
        self.0.insert(to_place, entry);
        Ok(to)
    }

    fn place(&self, number: u32) -> Result<usize, EditRefusal> {
        let place = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
        place
            .filter(|place| *place < self.0.len())
            .ok_or(EditRefusal::NoSuchEntry { number, entries: self.0.len() })
    }
}

/// The number of an entry at a place of the list.
pub(crate) fn number_of(place: usize) -> u32 {
    u32::try_from(place + 1).expect("a list has at most ENTRIES_MAX entries")
}

/// A policy that is being edited: its pieces are sound, how they fit together is not checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyDraft {
    /// Whether the source list is consulted (S1).
    pub mode: Mode,
    /// The options beside the list (S9).
    pub options: Options,
    /// The organisation's own server.
    pub server: SourceUrl,
    /// The vendor source; `None` if there is none, so that it is in no plan.
    pub vendor: Option<SourceUrl>,
    /// The update agents that entries may name (U1).
    pub update_agents: UpdateAgents,
    /// The names of the organisation's own components (P4a). Nobody edits them: they are what its server publishes.
    pub own_components: OwnComponents,
    /// The source list.
    pub entries: SourceList,
}

impl PolicyDraft {
    /// Everything that keeps the draft from being saved, by entry (S5, U1).
    pub fn problems(&self) -> Vec<Problem> {
        let (agents, vendor) = (&self.update_agents, self.vendor.as_ref());
        let check = |(number, entry): (u32, &Entry)| {
            let selected = entry.selector.families();
            check_source(number, selected, &entry.source, agents, vendor, Occasion::Save)
        };
        self.entries.numbered().flat_map(check).collect()
    }
}
