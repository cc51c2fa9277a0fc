//! Files that a command reads, bounded in size.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use serde::de::DeserializeOwned;

use super::failure::Failure;
use crate::limits::INPUT_FILE_BYTES_MAX;

/// Reads a text file (`-`: stdin), no larger than any valid input.
pub fn read_text(path: &Path) -> Result<String, Failure> {
    let unreadable = |error: io::Error| Failure::file("read", path, &error);
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        io::stdin().take(INPUT_FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    } else {
        let file = fs::File::open(path).map_err(unreadable)?;
        file.take(INPUT_FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| match error.kind() {
            io::ErrorKind::IsADirectory => {
                Failure::bad_input(format!("{} is a folder, not a file", path.display()))
                    .with_hint("give a file")
            }
            _ => unreadable(error),
        })?;
    }
    if bytes.len() as u64 > INPUT_FILE_BYTES_MAX {
        return Err(Failure::bad_input(format!(
            "{} is larger than {INPUT_FILE_BYTES_MAX} bytes",
            path.display()
        ))
        .with_hint("check that it is the intended file"));
    }
    String::from_utf8(bytes).map_err(|_| {
        Failure::bad_input(format!("{} is not UTF-8 text", path.display()))
            .with_hint("check that it is the intended file")
    })
}

/// Reads a JSON file.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, Failure> {
    let text = read_text(path)?;
    serde_json::from_str(&text).map_err(|error| {
        Failure::bad_input(format!("{} is not the expected JSON: {error}", path.display()))
            .with_hint("check that it is the intended file")
    })
}
