//! Paths of files inside a release: they come from a publisher and become paths on every endpoint.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits::{FILE_PATH_LENGTH_MAX, FILE_PATH_PART_LENGTH_MAX};
use crate::name_error::NameError;
use crate::names::text_type;

/// A relative path with `/` between its parts that cannot leave the folder that it is joined to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilePath(String);

impl FilePath {
    /// Parses a path.
    ///
    /// Refused because they mean something else on some system: control characters (NUL among them), `\`, `:`, the
    /// characters `<>"|?*`, parts that end in a space or a dot, and the device names of Windows.
    ///
    /// # Errors
    ///
    /// A path that is empty, absolute, too long, holds an empty part, `.`, `..` or one of those refused.
    pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
        let text = text.into();
        match path_problem(&text) {
            Some(reason) => Err(NameError::new("file path", &text, reason)),
            None => Ok(Self(text)),
        }
    }

    /// The path as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The folders above the file, the nearest first: `a/b` and `a` for `a/b/c`.
    pub fn folders(&self) -> impl Iterator<Item = &str> {
        self.0.rmatch_indices('/').map(|(at, _)| &self.0[..at])
    }
}

fn path_problem(text: &str) -> Option<&'static str> {
    if text.is_empty() || text.len() > FILE_PATH_LENGTH_MAX {
        return Some("it must have 1 to 2048 bytes");
    }
    if text.starts_with('/') {
        return Some("it must be relative: remove the \"/\" at its start");
    }
    text.split('/').find_map(|part| {
        if part.is_empty() {
            Some("it must not end with \"/\" nor hold \"//\"")
        } else if part == "." || part == ".." {
            Some("\".\" and \"..\" are not allowed as parts")
        } else if part.len() > FILE_PATH_PART_LENGTH_MAX {
            Some("no part between \"/\" may have more than 255 bytes")
        } else if part.chars().any(|c| c.is_control() || "\\:<>\"|?*".contains(c)) {
            Some("control characters and \\ : < > \" | ? * are not allowed")
        } else if part.ends_with([' ', '.']) {
            Some("no part may end with a space or a dot")
        } else if is_device(part) {
            Some("a part is the name of a device on Windows")
        } else {
            None
        }
    })
}

/// `CON`, `nul.txt`, `Com1` …: opened on Windows, these are devices in every folder.
fn is_device(part: &str) -> bool {
    let stem = part.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    match stem.as_bytes() {
        b"CON" | b"PRN" | b"AUX" | b"NUL" => true,
        [b'C', b'O', b'M', digit] | [b'L', b'P', b'T', digit] => digit.is_ascii_digit(),
        _ => false,
    }
}

/// Why these paths cannot all be files of one folder, if they cannot: two are the same, or one is also a folder.
pub(crate) fn conflict<'a>(paths: impl IntoIterator<Item = &'a FilePath>) -> Option<String> {
    let mut files = BTreeSet::new();
    let mut all = Vec::new();
    for path in paths {
        if !files.insert(path.as_str()) {
            return Some(format!("the path {path:?} stands twice", path = path.as_str()));
        }
        all.push(path);
    }
    all.iter().find_map(|path| {
        path.folders()
            .find(|folder| files.contains(folder))
            .map(|folder| format!("{folder:?} is a file, and the folder of {:?}", path.as_str()))
    })
}

text_type!(FilePath);
