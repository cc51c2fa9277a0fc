//! Which bytes of a file a request asks for, after RFC 9110, sections 13 and 14. Pure.

use axum::http::HeaderMap;
use axum::http::header::{HeaderName, IF_NONE_MATCH, IF_RANGE, RANGE};

/// What to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Portion {
    /// 200: everything.
    Whole,
    /// 206: from `first` on, `length` bytes, at least one.
    Part { first: u64, length: u64 },
    /// 304: the asker has it.
    Same,
    /// 416: no byte of that range is there.
    Outside,
}

/// Decides for a file of `size` bytes with the strong entity tag `tag`.
///
/// Several ranges in one request are answered with the whole file, as RFC 9110 section 14.2 lets a server do: no
/// client of ours asks so, and multipart answers are a way to make a server work.
pub(super) fn portion(headers: &HeaderMap, size: u64, tag: &str) -> Portion {
    if let Some(tags) = text(headers, IF_NONE_MATCH)
        && names(tags, tag)
    {
        return Portion::Same;
    }
    let Some(range) = text(headers, RANGE) else { return Portion::Whole };
    // A weak tag or a date never matches: we give strong tags and no dates.
    if text(headers, IF_RANGE).is_some_and(|condition| condition != tag) {
        return Portion::Whole;
    }
    parse(range, size)
}

fn parse(range: &str, size: u64) -> Portion {
    let Some((unit, set)) = range.split_once('=') else { return Portion::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") || set.contains(',') {
        return Portion::Whole;
    }
    let Some((first, last)) = set.trim().split_once('-') else { return Portion::Whole };
    let (first, last) = (number(first), number(last));
    let (first, end) = match (first, last) {
        (Some(Some(first)), Some(None)) => (first, size),
        (Some(Some(first)), Some(Some(last))) if last >= first => (first, last.saturating_add(1).min(size)),
        (Some(None), Some(Some(suffix))) => (size.saturating_sub(suffix), size),
        _ => return Portion::Whole,
    };
    if first >= end { Portion::Outside } else { Portion::Part { first, length: end - first } }
}

/// Empty: `Some(None)`. Digits: the number, or the largest that there is if it is larger. Anything else: `None`.
fn number(text: &str) -> Option<Option<u64>> {
    if text.is_empty() {
        return Some(None);
    }
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| Some(text.parse().unwrap_or(u64::MAX)))
}

/// Does a list of entity tags name `tag`, compared weakly?
fn names(tags: &str, tag: &str) -> bool {
    tags.trim() == "*" || tags.split(',').any(|one| one.trim().trim_start_matches("W/") == tag)
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
