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
    text_of(bytes).map_err(|problem| {
        Failure::bad_input(format!("{} is not UTF-8 text{problem}", path.display()))
            .with_hint("check that it is the intended file, and save it as UTF-8")
    })
}

/// The text without a byte order mark, which some editors and spreadsheets put before it.
fn text_of(bytes: Vec<u8>) -> Result<String, &'static str> {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(", but UTF-16");
    }
    let mut text = String::from_utf8(bytes).map_err(|_| "")?;
    if text.starts_with('\u{feff}') {
        text.remove(0);
    }
    Ok(text)
}

/// Reads a JSON file.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, Failure> {
    let text = read_text(path)?;
    serde_json::from_str(&text).map_err(|error| {
        Failure::bad_input(format!("{} is not the expected JSON: {error}", path.display()))
            .with_hint("check that it is the intended file")
    })
}

#[cfg(test)]
mod tests {
    use super::text_of;

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_text() {
        let check = |bytes: &[u8], expected| assert_eq!(text_of(bytes.to_vec()), expected, "{bytes:?}");
        check(b"\xef\xbb\xbf{}", Ok("{}".to_owned()));
        check(b"{}", Ok("{}".to_owned()));
        check(b"", Ok(String::new()));
        check(b"\xff\xfe{\0", Err(", but UTF-16"));
        check(b"\xe9", Err(""));
    }
}
