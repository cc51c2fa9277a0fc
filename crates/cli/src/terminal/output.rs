//! Output: results on stdout (a table, or one JSON object), everything else on stderr.

use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;

use comfy_table::{ContentArrangement, Table, TableStyle};
pub use headwater_client::render::{bytes, counted, word};
use serde::Serialize;

use crate::terminal::failure::{Exit, Failure};
use crate::terminal::progress::Progress;

/// The first error of writing to stdout.
static LOST: OnceLock<io::Error> = OnceLock::new();

/// Where a command writes to, and how.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    json: bool,
    colour: bool,
    progress: bool,
}

impl Output {
    /// For people, or one JSON object with `json`. Colour and progress bars only on a terminal;
    /// no colour where `NO_COLOR` is set (no-color.org).
    pub fn new(json: bool, no_color: bool) -> Self {
        Self {
            json,
            colour: !json && !no_color && io::stdout().is_terminal(),
            progress: !json && io::stderr().is_terminal(),
        }
    }

    /// Whether one JSON object is wanted.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Whether stdout may have colours.
    pub fn has_colour(&self) -> bool {
        self.colour
    }

    /// Prints the result of a command: the object as JSON, or as `human` renders it.
    pub fn result<T: Serialize>(&self, object: &T, human: impl FnOnce(&T) -> String) {
        if self.json {
            let text = serde_json::to_string_pretty(object).expect("a wire message always serialises");
            self.stdout(&text);
        } else {
            self.stdout(&human(object));
        }
    }

    /// Prints an event on one line while the command continues.
    pub fn event<T: Serialize>(&self, object: &T, human: impl FnOnce() -> String) {
        let text = if self.json {
            serde_json::to_string(object).expect("a wire message always serialises")
        } else {
            human()
        };
        self.stdout(&text);
    }

    /// Prints a line of text on stdout; nothing with `--json`.
    pub fn line(&self, text: &str) {
        if !self.json {
            self.stdout(text);
        }
    }

    /// Prints a remark on stderr: a warning, or the next step.
    pub fn note(&self, text: &str) {
        let _ = writeln!(io::stderr(), "{text}");
    }

    /// Prints what a look at a source found, and what may be wrong with it, on stderr.
    pub fn looked(&self, found: &str, warnings: &[String]) {
        if !found.is_empty() && !self.json {
            self.note(found);
        }
        for warning in warnings {
            self.note(&format!("warning: {warning}"));
        }
    }

    /// Prints a failure on stderr, and with `--json` as one object on stdout as well.
    pub fn failure(&self, failure: &Failure) {
        let _ = writeln!(io::stderr(), "error: {failure}");
        if self.json {
            self.stdout(&failure.to_json().to_string());
        }
    }

    /// Whether a progress bar would be visible.
    pub fn shows_progress(&self) -> bool {
        self.progress
    }

    /// A progress bar over `total` bytes, shown only on a terminal.
    pub fn progress(&self, what: &str, total: u64) -> Progress {
        Progress::bytes(self.progress, what, total)
    }

    /// The failure of a command whose output could not be written, for example to a full disk.
    pub fn lost(&self) -> Option<Failure> {
        let error = LOST.get()?;
        let failure = Failure::new(Exit::Disk, format!("cannot write to stdout: {error}"));
        Some(
            failure
                .with_hint("the command may have taken effect nevertheless: check before you run it again"),
        )
    }

    /// Prints a script or document as it is.
    pub fn raw(&self, bytes: &[u8]) {
        let mut stdout = io::stdout().lock();
        keep(stdout.write_all(bytes).and_then(|()| stdout.flush()));
    }

    fn stdout(&self, text: &str) {
        self.raw(format!("{text}\n").as_bytes());
    }
}

/// Records an error of writing to stdout. A closed pipe (`| head`) is none.
pub(crate) fn keep(written: io::Result<()>) {
    if let Err(error) = written
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        // Only the first error is kept.
        let _ = LOST.set(error);
    }
}

/// A table without borders; `when_empty` if it has no rows.
pub fn table(header: &[&str], rows: Vec<Vec<String>>, when_empty: &str) -> String {
    if rows.is_empty() {
        return when_empty.to_owned();
    }
    let mut table = Table::new();
    table
        .load_style(TableStyle::new())
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header.iter().map(|name| name.to_uppercase()));
    for row in rows {
        table.add_row(row.iter().map(|cell| one_line(cell)).collect::<Vec<_>>());
    }
    for index in 0..header.len() {
        if let Some(column) = table.column_mut(index) {
            column.set_padding((0, 2));
        }
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// Text of somebody else, such as a client, for one line of a terminal: control characters, which could move the cursor,
/// change colours or forge lines, and marks that turn the direction of writing are escaped.
pub fn one_line(text: &str) -> String {
    let is_unsafe =
        |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unsafe(c) { line.extend(c.escape_default()) } else { line.push(c) }
    }
    line
}

/// A time in UTC, to the second.
pub fn time(moment: jiff::Timestamp) -> String {
    moment.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::{one_line, table};

    #[test]
    fn text_of_others_cannot_control_the_terminal() {
        let check = |text: &str, expected: &str| {
            assert_eq!(one_line(text), expected);
            let shown = table(&["name"], vec![vec![text.to_owned()]], "");
            assert_eq!(shown, format!("NAME\n{expected}"));
        };
        check("pc-17, é → 日本", "pc-17, é → 日本");
        check("\u{1b}[31mred\nforged", "\\u{1b}[31mred\\nforged");
        check("a\u{202e}b\u{9b}2J\r", "a\\u{202e}b\\u{9b}2J\\r");
    }

    #[test]
    fn a_table_has_no_blanks_at_the_ends_of_its_lines() {
        let rows = vec![vec!["a".to_owned(), String::new()], vec!["bcd".to_owned(), "x".to_owned()]];
        assert_eq!(table(&["name", "n"], rows, ""), "NAME  N\na\nbcd   x");
        assert_eq!(table(&["name"], vec![], "nobody"), "nobody");
    }
}
