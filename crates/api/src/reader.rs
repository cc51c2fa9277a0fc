//! Takes a [`Json`] document apart and notes every problem on the way.

use std::fmt::Display;
use std::str::FromStr;

use headwater_policy::Problem;

use crate::json::Json;

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
}

/// An object's fields, each key once, `null` taken as absent.
pub(crate) struct Fields<'j>(Vec<(&'j str, &'j Json)>);

impl<'j> Fields<'j> {
    /// The value of a key that may be absent.
    pub fn get(&self, key: &str) -> Option<&'j Json> {
        self.0.iter().find(|(name, _)| *name == key).map(|(_, value)| *value)
    }
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

    fn wrong_kind(&mut self, spot: &Spot, wanted: &str, json: &Json) {
        self.problem(spot, format!("must be {wanted}, and is {}", json.kind()));
    }

    /// An object with some of the `known` keys, and no others.
    pub fn object<'j>(&mut self, json: &'j Json, spot: &Spot, known: &[&str]) -> Option<Fields<'j>> {
        let Json::Object(all) = json else {
            self.wrong_kind(spot, "an object", json);
            return None;
        };
        let mut fields: Vec<(&str, &Json)> = Vec::with_capacity(all.len());
        for (key, value) in all {
            let shown = key.escape_debug();
            if !known.contains(&key.as_str()) {
                self.problem(spot, format!("the key `{shown}` is unknown; known are {}", known.join(", ")));
            } else if fields.iter().any(|(name, _)| name == key) {
                self.problem(spot, format!("the key `{shown}` comes twice"));
            } else {
                fields.push((key, value));
            }
        }
        fields.retain(|(_, value)| **value != Json::Null);
        Some(Fields(fields))
    }

    /// The value of a key that must be there.
    pub fn required<'j>(&mut self, fields: &Fields<'j>, key: &str, spot: &Spot) -> Option<&'j Json> {
        let value = fields.get(key);
        if value.is_none() {
            self.problem(spot, format!("the key `{key}` is missing"));
        }
        value
    }

    /// The items of a list.
    pub fn list<'j>(&mut self, json: &'j Json, spot: &Spot) -> Option<&'j [Json]> {
        let Json::List(items) = json else {
            self.wrong_kind(spot, "a list", json);
            return None;
        };
        Some(items)
    }

    /// A text.
    pub fn text<'j>(&mut self, json: &'j Json, spot: &Spot) -> Option<&'j str> {
        let Json::Text(text) = json else {
            self.wrong_kind(spot, "a text", json);
            return None;
        };
        Some(text)
    }

    /// A text that is turned into something.
    pub fn parsed<T: FromStr<Err: Display>>(&mut self, json: &Json, spot: &Spot) -> Option<T> {
        self.made(json, spot, T::from_str)
    }

    /// A text that `make` turns into something.
    pub fn made<T, E: Display>(
        &mut self,
        json: &Json,
        spot: &Spot,
        make: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let made = make(self.text(json, spot)?);
        self.kept(made, spot)
    }

    /// What was made, or the problem of it.
    pub fn kept<T, E: Display>(&mut self, made: Result<T, E>, spot: &Spot) -> Option<T> {
        made.map_err(|error| self.problem(spot, error)).ok()
    }

    /// `true` or `false` at a key that must be there.
    pub fn required_bool(&mut self, fields: &Fields<'_>, key: &str, spot: &Spot) -> Option<bool> {
        match self.required(fields, key, spot)? {
            Json::Bool(value) => Some(*value),
            other => {
                self.wrong_kind(&spot.field(key), "true or false", other);
                None
            }
        }
    }

    /// A text at a key that must be there, turned into something.
    pub fn required_parsed<T: FromStr<Err: Display>>(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        spot: &Spot,
    ) -> Option<T> {
        let json = self.required(fields, key, spot)?;
        self.parsed(json, &spot.field(key))
    }

    /// A list of texts, each turned into something; `None` if any of them cannot be.
    pub fn all_made<T, E: Display>(
        &mut self,
        json: &Json,
        spot: &Spot,
        make: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Vec<T>> {
        let items = self.list(json, spot)?;
        let made: Vec<Option<T>> =
            items.iter().enumerate().map(|(place, item)| self.made(item, &spot.item(place), &make)).collect();
        made.into_iter().collect()
    }

    /// A TCP port.
    pub fn port(&mut self, json: &Json, spot: &Spot) -> Option<u16> {
        let Json::Whole(number) = json else {
            self.wrong_kind(spot, "a whole number from 1 to 65535", json);
            return None;
        };
        let port = u16::try_from(*number).ok().filter(|port| *port > 0);
        if port.is_none() {
            self.problem(spot, format!("{number} is no port; give a number from 1 to 65535"));
        }
        port
    }
}
