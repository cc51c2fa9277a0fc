//! Colours of the story.

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
