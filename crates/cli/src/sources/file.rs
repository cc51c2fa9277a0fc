//! The source list as a file: JSON, the whole policy document, or CSV, the entries alone.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use clap::ValueEnum;
use headwater_api::policy::PolicyDocument;
use headwater_api::v1::{Draft, ImportRequest};
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::edit::show_after_edit;
use super::{Desk, csv};
use crate::failure::Failure;
use crate::limits::INPUT_FILE_BYTES_MAX;
use crate::output::Output;

/// How the list is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// The whole policy document
    Json,
    /// The entries alone
    Csv,
}

impl Format {
    fn of(path: &Path) -> Self {
        let is_csv = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
        if is_csv { Self::Csv } else { Self::Json }
    }
}

/// Reads a text file (`-`: stdin), no larger than any list can be.
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
            }
            _ => unreadable(error),
        })?;
    }
    if bytes.len() as u64 > INPUT_FILE_BYTES_MAX {
        return Err(Failure::bad_input(format!(
            "{} is larger than {INPUT_FILE_BYTES_MAX} bytes",
            path.display()
        ))
        .with_hint("check that it is the file you meant"));
    }
    String::from_utf8(bytes).map_err(|_| Failure::bad_input(format!("{} is not UTF-8 text", path.display())))
}

/// Reads a JSON file.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, Failure> {
    let text = read_text(path)?;
    serde_json::from_str(&text).map_err(|error| {
        Failure::bad_input(format!("{} is not the JSON it should be: {error}", path.display()))
    })
}

/// Reads a policy document. Where it is not one, every problem is told; what it means is for the server.
fn read_policy(path: &Path) -> Result<PolicyDocument, Failure> {
    let text = read_text(path)?;
    serde_json::from_str(&text).map_err(|error| {
        let problems = PolicyDocument::parse(&text).err().unwrap_or_default();
        let mut problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        if problems.is_empty() {
            problems.push(error.to_string());
        }
        Failure::bad_input(format!("{} is not a source list", path.display())).with_problems(problems)
    })
}

/// Replaces the draft's list by the file's.
pub async fn import(desk: &Desk, path: &Path, format: Option<Format>) -> Result<(), Failure> {
    let (policy, expected_revision) = match format.unwrap_or_else(|| Format::of(path)) {
        Format::Json => (read_policy(path)?, None),
        Format::Csv => {
            let text = read_text(path)?;
            let entries = csv::read(&text).map_err(|problems| {
                Failure::bad_input(format!("{} is not a source list", path.display())).with_problems(problems)
            })?;
            let draft = desk.draft().await?;
            (PolicyDocument { entries, ..draft.policy }, Some(draft.revision))
        }
    };
    let request = ImportRequest { policy, expected_revision };
    let draft: Draft = desk.console.call(Method::PUT, &desk.path, &request).await?;
    show_after_edit(desk, &draft, &[]);
    Ok(())
}

/// Writes the list.
pub fn export(
    policy: &PolicyDocument,
    out: Option<&Path>,
    format: Option<Format>,
    output: Output,
) -> Result<(), Failure> {
    let format = format.unwrap_or_else(|| out.map_or(Format::Json, Format::of));
    let json = || serde_json::to_string_pretty(policy).expect("a wire message always serialises");
    let Some(path) = out else {
        output.result(policy, |policy| {
            if format == Format::Csv { csv::write(&policy.entries).trim_end().to_owned() } else { json() }
        });
        return Ok(());
    };
    let text = if format == Format::Csv { csv::write(&policy.entries) } else { json() + "\n" };
    fs::write(path, text).map_err(|error| Failure::file("write", path, &error))?;
    output.result(&json!({"written": path, "entries": policy.entries.len()}), |_| {
        format!("wrote {} entries to {}", policy.entries.len(), path.display())
    });
    Ok(())
}
