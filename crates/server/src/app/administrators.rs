//! Administrators of this server (I4).

use crate::limits;

/// Why a name will not do, or nothing.
pub(crate) fn check_name(name: &str) -> std::result::Result<(), String> {
    let max = limits::ADMINISTRATOR_NAME_CHARS_MAX;
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.@".contains(c);
    if name.is_empty() || name.len() > max || !name.chars().all(fits) {
        let name = name.escape_debug();
        return Err(format!("`{name}` is none; 1 to {max} lower-case letters, digits and -_.@ are taken"));
    }
    Ok(())
}
