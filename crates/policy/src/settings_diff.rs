//! What changed in what a domain sets explicitly, and whether a draft of it is saved (S7, D1).
//!
//! Values are compared and shown, never validated: readers of documents define what a value is.

use std::collections::BTreeMap;
use std::fmt;

use crate::limits::SHOWN_VALUE_CHARS_MAX;
use crate::save::{SaveDecision, decide};

/// The parts of a domain's settings (D2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SettingsPart {
    /// What Headwater itself obeys.
    Setting,
    /// A value for the software on the endpoint.
    Value,
    /// A file for the software on the endpoint.
    File,
}

impl SettingsPart {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Setting => "setting",
            Self::Value => "value",
            Self::File => "file",
        }
    }
}

/// Everything that a domain sets explicitly, by part and key; nothing of what stands above it.
pub type Explicit<V> = BTreeMap<(SettingsPart, String), V>;

/// One key that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingChange<V> {
    /// The part that the key is of.
    pub part: SettingsPart,
    /// The key: a setting, the name of a value, the path of a file.
    pub key: String,
    /// The older value; `None` if there was none.
    pub before: Option<V>,
    /// The present value; `None` if there is none, so that the nearest domain above counts.
    pub after: Option<V>,
}

impl<V: fmt::Display> fmt::Display for SettingChange<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (part, key) = (self.part.as_str(), &self.key);
        match (&self.before, &self.after) {
            // A file is too long to be shown.
            (None, Some(_)) if self.part == SettingsPart::File => write!(f, "{part} {key} added"),
            (Some(_), None) if self.part == SettingsPart::File => write!(f, "{part} {key} removed"),
            (Some(_), Some(_)) if self.part == SettingsPart::File => write!(f, "{part} {key} changed"),
            (None, Some(after)) => write!(f, "{part} {key} set to {}", shown(after)),
            (Some(before), None) => write!(f, "{part} {key} cleared, was {}", shown(before)),
            (Some(before), Some(after)) => {
                write!(f, "{part} {key}: {} became {}", shown(before), shown(after))
            }
            (None, None) => write!(f, "{part} {key} unchanged"),
        }
    }
}

fn shown(value: &impl fmt::Display) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN_VALUE_CHARS_MAX) {
        None => text,
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// What turns `old` into `new`, in order of part and key.
pub fn diff_settings<V: Clone + PartialEq>(old: &Explicit<V>, new: &Explicit<V>) -> Vec<SettingChange<V>> {
    let change = |place: &(SettingsPart, String), before: Option<&V>, after: Option<&V>| SettingChange {
        part: place.0,
        key: place.1.clone(),
        before: before.cloned(),
        after: after.cloned(),
    };
    let mut changes: Vec<_> = new
        .iter()
        .filter(|(place, value)| old.get(*place) != Some(*value))
        .map(|(place, value)| change(place, old.get(place), Some(value)))
        .collect();
    let gone = old.iter().filter(|(place, _)| !new.contains_key(*place));
    changes.extend(gone.map(|(place, value)| change(place, Some(value), None)));
    changes.sort_by(|one, other| (one.part, &one.key).cmp(&(other.part, &other.key)));
    changes
}

/// Decides whether `draft`, begun from version `base` of what the same domain sets, is saved over `current`. Versions
/// that equal the base count for nothing: nobody's work would be overwritten.
///
/// `base_settings` are those of version `base`; `None` if it is not known any more.
pub fn decide_settings_save<V: Clone + PartialEq>(
    draft: &Explicit<V>,
    base: u64,
    base_settings: Option<&Explicit<V>>,
    (version, current): (u64, &Explicit<V>),
) -> SaveDecision<Vec<SettingChange<V>>> {
    let since = base_settings.map(|base| diff_settings(base, current));
    let base = if since.as_ref().is_some_and(Vec::is_empty) { version } else { base };
    decide(base, version, || since, || diff_settings(current, draft), Vec::is_empty)
}
