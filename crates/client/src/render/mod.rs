//! Reports and statuses as text for people, and the words and numbers of which such text is made.

mod report;
mod status;

pub use report::report;
pub use status::status;

/// Bytes for people: `0 B`, `12.30 KiB`, `4.50 MiB`.
pub fn bytes(count: u64) -> String {
    indicatif::HumanBytes(count).to_string()
}

/// A count with its noun: `1 client`, `2 clients`, `2 entries`.
pub fn counted(count: usize, noun: &str) -> String {
    match (count, noun.strip_suffix("ry")) {
        (1, _) => format!("1 {noun}"),
        (_, Some(stem)) => format!("{count} {stem}ries"),
        (_, None) => format!("{count} {noun}s"),
    }
}

/// The snake_case word of a value on the wire, with blanks instead of underscores.
pub fn word<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word.replace('_', " "),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::counted;

    #[test]
    fn a_noun_follows_its_count() {
        let check = |count, noun, expected: &str| assert_eq!(counted(count, noun), expected);
        check(1, "site", "1 site");
        check(2, "site", "2 sites");
        check(1, "entry", "1 entry");
        check(0, "entry", "0 entries");
    }
}
