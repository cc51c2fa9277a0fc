//! Words, numbers and colours of the story.

use indicatif::HumanBytes;
use serde::Serialize;

/// A number of bytes with a binary unit: `2.44 KiB`.
pub fn bytes(count: u64) -> String {
    HumanBytes(count).to_string()
}

/// A count with its noun: `1 client`, `2 clients`.
pub fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// The snake_case word of a value on the wire, with blanks instead of underscores.
pub fn word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word.replace('_', " "),
        _ => String::new(),
    }
}

/// Terminal colours, or none.
#[derive(Debug, Clone, Copy)]
pub struct Paint {
    /// Whether there are colours.
    pub on: bool,
}

impl Paint {
    /// No colours at all.
    pub const PLAIN: Self = Self { on: false };

    /// A heading.
    pub fn bold(&self, text: &str) -> String {
        self.code("1", text)
    }

    /// Of less importance.
    pub fn dim(&self, text: &str) -> String {
        self.code("2", text)
    }

    /// Success.
    pub fn green(&self, text: &str) -> String {
        self.code("32", text)
    }

    /// Failure.
    pub fn red(&self, text: &str) -> String {
        self.code("31", text)
    }

    /// A warning.
    pub fn yellow(&self, text: &str) -> String {
        self.code("33", text)
    }

    fn code(&self, code: &str, text: &str) -> String {
        if self.on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
