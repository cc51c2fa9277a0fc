//! Reads typed documents with `serde`, and notes every problem on the way.
//!
//! `serde` stops at the first fault. Files that people write deserve better: [`Reader::object`] reads each key of an
//! object alone, so that no fault hides another, and then what is left of the object as a whole.

use std::fmt::{self, Display};
use std::str::FromStr;

use headwater_policy::Problem;
use serde::de::value::MapDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_path_to_error::{Path, Segment};

/// A spot of a document, for messages.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spot {
    /// The entry of the source list, from 1.
    pub entry: Option<u32>,
    /// How to get there from the entry, or from the top.
    path: String,
}

impl Spot {
    /// The spot of a list's item that has a name of its own, such as `update_agents[2]`.
    pub fn named(path: impl Into<String>) -> Self {
        Self { entry: None, path: path.into() }
    }

    /// The spot of an entry, from 1.
    pub fn entry(number: u32) -> Self {
        Self { entry: Some(number), path: String::new() }
    }

    /// The spot of a field.
    pub fn field(&self, key: &str) -> Self {
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        Self { entry: self.entry, path }
    }

    /// The spot of a list's item, from 0.
    pub fn item(&self, place: usize) -> Self {
        Self { entry: self.entry, path: format!("{}[{}]", self.path, place + 1) }
    }

    /// The spot that a path leads to from here.
    fn along(&self, path: &Path) -> Self {
        path.iter().fold(self.clone(), |spot, segment| match segment {
            Segment::Seq { index } => spot.item(*index),
            Segment::Map { key } => spot.field(&key.escape_debug().to_string()),
            Segment::Enum { .. } | Segment::Unknown => spot,
        })
    }
}

/// A text that stands for something else.
pub(crate) struct Text<T>(pub T);

impl<'de, T: FromStr<Err: Display>> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map(Self).map_err(Error::custom)
    }
}

/// Where an object stands, and which of its keys have a fault that was noted.
pub(crate) struct Keys {
    /// Where the object stands.
    pub spot: Spot,
    faulty: Vec<String>,
}

impl Keys {
    /// Whether the key is there, with or without a fault.
    pub fn has<V>(&self, key: &str, value: Option<&V>) -> bool {
        value.is_some() || self.has_fault(key)
    }

    /// Whether a fault of the key was noted.
    pub fn has_fault(&self, key: &str) -> bool {
        self.faulty.iter().any(|faulty| faulty == key)
    }
}

/// The keys and values of an object, in their order, also keys that come twice.
struct Pairs<'j>(Vec<(String, &'j RawValue)>);

impl<'de> Deserialize<'de> for Pairs<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor;

        impl<'de> Visitor<'de> for PairsVisitor {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'de>, A::Error> {
                let pairs = std::iter::from_fn(|| map.next_entry().transpose());
                pairs.collect::<Result<_, _>>().map(Pairs)
            }
        }

        deserializer.deserialize_map(PairsVisitor)
    }
}

fn read_pairs<'j, T: Deserialize<'j>>(
    pairs: &[(String, &'j RawValue)],
) -> Result<T, serde_path_to_error::Error<serde_json::Error>> {
    let pairs = pairs.iter().map(|(key, value)| (key.as_str(), *value));
    serde_path_to_error::deserialize(MapDeserializer::new(pairs))
}

/// Reads, and notes problems.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    problems: Vec<Problem>,
}

impl Reader {
    /// Notes a problem at a spot.
    pub fn problem(&mut self, spot: &Spot, message: impl Display) {
        let message =
            if spot.path.is_empty() { message.to_string() } else { format!("{}: {message}", spot.path) };
        self.problems.push(Problem { entry: spot.entry, message });
    }

    /// Notes problems that others found.
    pub fn problems(&mut self, problems: Vec<Problem>) {
        self.problems.extend(problems);
    }

    /// What was read, if nothing was wrong.
    ///
    /// # Errors
    /// Every problem, those of no entry first, then by entry.
    pub fn finish<T>(mut self, read: Option<T>) -> Result<T, Vec<Problem>> {
        self.problems.sort_by_key(|problem| problem.entry);
        match read {
            Some(read) if self.problems.is_empty() => Ok(read),
            _ => Err(self.problems),
        }
    }

    /// A value of any type but an object; its first fault is noted.
    pub fn value<'j, T: Deserialize<'j>>(&mut self, json: &'j RawValue, spot: &Spot) -> Option<T> {
        let read = serde_path_to_error::deserialize(json);
        read.map_err(|error| self.fault(spot, error)).ok()
    }

    /// Each item of a list; `None` if one of them has a fault.
    pub fn items<'j, T: Deserialize<'j>>(&mut self, items: &[&'j RawValue], spot: &Spot) -> Option<Vec<T>> {
        let items = items.iter().enumerate();
        let read: Vec<Option<T>> = items.map(|(place, item)| self.value(item, &spot.item(place))).collect();
        read.into_iter().collect()
    }

    /// An object of type `T`, whose fields are all optional: what has a fault is left out, and `null` is taken as absent.
    pub fn object<'j, T: Deserialize<'j>>(&mut self, json: &'j RawValue, spot: &Spot) -> Option<(T, Keys)> {
        let Pairs(all) = self.value(json, spot)?;
        let mut good: Vec<(String, &RawValue)> = Vec::with_capacity(all.len());
        let mut faulty = Vec::new();
        for pair in all {
            let key = pair.0.clone();
            if good.iter().any(|(known, _)| *known == key) || faulty.contains(&key) {
                self.problem(spot, format!("the key `{}` comes twice", key.escape_debug()));
            } else if let Err(error) = read_pairs::<T>(std::slice::from_ref(&pair)) {
                self.fault(spot, error);
                faulty.push(key);
            } else {
                good.push(pair);
            }
        }
        let object = read_pairs(&good).expect("optional fields that were read alone are read together");
        Some((object, Keys { spot: spot.clone(), faulty }))
    }

    /// The value of a key that must be there.
    pub fn required<V>(&mut self, keys: &Keys, key: &str, value: Option<V>) -> Option<V> {
        if !keys.has(key, value.as_ref()) {
            self.problem(&keys.spot, format!("the key `{key}` is missing"));
        }
        value
    }

    /// What was made, or the problem of it.
    pub fn kept<T, E: Display>(&mut self, made: Result<T, E>, spot: &Spot) -> Option<T> {
        made.map_err(|error| self.problem(spot, error)).ok()
    }

    fn fault(&mut self, spot: &Spot, error: serde_path_to_error::Error<serde_json::Error>) {
        let spot = spot.along(error.path());
        self.problem(&spot, reason(&error.into_inner()));
    }
}

/// What serde says of a value, without the value: it may be long, a secret, or meant for a terminal.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    // The position counts from the beginning of the value, which nobody can see.
    let position = format!(" at line {} column {}", error.line(), error.column());
    let text = text.strip_suffix(&position).unwrap_or(&text);
    if error.is_syntax() {
        return format!("this is no JSON: {text}");
    }
    let Some((found, expected)) = text.rsplit_once(", expected ") else { return text.to_owned() };
    let expected = expected.replace("a sequence", "an array");
    if let Some(found) = found.strip_prefix("invalid type: ") {
        let kind = found.split(['`', '"']).next().unwrap_or_default().trim_end();
        let kind = kind.replace("sequence", "array").replace("map", "object");
        format!("expected {expected}, found {kind}")
    } else if found.starts_with("unknown field ") {
        format!("this key is unknown; expected {expected}")
    } else {
        text.to_owned()
    }
}
