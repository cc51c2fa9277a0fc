//! Gathering everything that is wrong with a request, so that it is told at once.

use headwater_policy::{ParseError, Problem};

use crate::error::{Refusal, Result};

/// What the texts of `name` say; those that say nothing become problems.
pub(crate) fn parse_each<T>(
    name: &str,
    texts: impl IntoIterator<Item: AsRef<str>>,
    parse: impl Fn(&str) -> std::result::Result<T, ParseError>,
    problems: &mut Vec<Problem>,
) -> Vec<T> {
    let mut parsed = Vec::new();
    for text in texts {
        match parse(text.as_ref()) {
            Ok(value) => parsed.push(value),
            Err(error) => problems.push(Problem::general(format!("{name}: {error}"))),
        }
    }
    parsed
}

/// Goes on only where nothing is wrong.
pub(crate) fn refuse(problems: Vec<Problem>) -> Result<()> {
    if problems.is_empty() { Ok(()) } else { Err(Refusal::Invalid(problems).into()) }
}
