//! What several services check of a request: all problems at once, and the length of a page.

use headwater_policy::{ParseError, Problem};

use crate::error::{Refusal, Result};
use crate::limits;

/// The texts of `name`, parsed; those that do not parse become problems.
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

/// How many items a page has.
pub(crate) fn page(limit: Option<u32>) -> Result<u32> {
    match limit {
        None => Ok(limits::PAGE_ITEMS_DEFAULT),
        Some(limit) if (1..=limits::PAGE_ITEMS_MAX).contains(&limit) => Ok(limit),
        Some(limit) => {
            Err(Refusal::invalid(format!("limit {limit} is outside 1 to {}", limits::PAGE_ITEMS_MAX)).into())
        }
    }
}
