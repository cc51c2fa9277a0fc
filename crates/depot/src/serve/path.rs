//! From a request's path to an object of a shared class, and to nothing else.

use headwater_repo::Digest;
use headwater_repo::layout::{BLOBS_FOLDER, METADATA_FOLDER, TARGETS_FOLDER, TIMESTAMP};

use crate::limits::REQUEST_PATH_MAX;

/// A path of a class's objects that may be served if it is there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Wanted {
    /// Relative, with `/`, decoded.
    pub(super) path: String,
    pub(super) kind: PathKind,
}

/// What kind of file a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum PathKind {
    /// `timestamp.json`: the only file that changes.
    Timestamp,
    /// Metadata named by version.
    Metadata,
    /// A target or blob, whose digest is in its name.
    Content(Digest),
}

/// Why a path is not one of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PathRefusal {
    /// Longer than any path of ours, or encoded to deceive.
    Bad,
    /// Well formed, and not part of the layout.
    Elsewhere,
}

/// Reads the raw path below `/{class}/`.
pub(super) fn wanted(raw: &str) -> Result<Wanted, PathRefusal> {
    if raw.len() > REQUEST_PATH_MAX {
        return Err(PathRefusal::Bad);
    }
    let parts = raw.split('/').map(decode).collect::<Option<Vec<String>>>().ok_or(PathRefusal::Bad)?;
    if parts.iter().any(|part| part.is_empty() || part.starts_with('.')) {
        return Err(PathRefusal::Bad);
    }
    let path = parts.join("/");
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let kind = match parts.as_slice() {
        [METADATA_FOLDER, _] if path == TIMESTAMP => PathKind::Timestamp,
        [METADATA_FOLDER, name] if name.ends_with(".json") => PathKind::Metadata,
        [TARGETS_FOLDER, .., name] => match name.split_once('.').map(|(digest, _)| digest.parse()) {
            Some(Ok(digest)) => PathKind::Content(digest),
            _ => return Err(PathRefusal::Elsewhere),
        },
        [BLOBS_FOLDER, folder, name] => match name.parse() {
            Ok(digest) if name.starts_with(folder) && folder.len() == 2 => PathKind::Content(digest),
            _ => return Err(PathRefusal::Elsewhere),
        },
        _ => return Err(PathRefusal::Elsewhere),
    };
    Ok(Wanted { path, kind })
}

/// Decodes one part, once; `None` if it holds what no part of ours does: a separator, a control character, an
/// escape of a character that needs none (the way to write `..` or a name twice), or bytes that are not UTF-8.
fn decode(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let [high, low, tail @ ..] = rest else { return None };
        rest = tail;
        let byte = hex::decode([*high, *low]).ok()?[0];
        if byte.is_ascii_alphanumeric() || b"-._~/\\%".contains(&byte) {
            return None;
        }
        bytes.push(byte);
    }
    let text = String::from_utf8(bytes).ok()?;
    (!text.chars().any(|c| c.is_control() || c == '\\' || c == '/')).then_some(text)
}
