//! The source list as a file: JSON, the whole policy document, or CSV, the entries alone.

use std::fs;
use std::path::Path;

use clap::ValueEnum;
use headwater_api::policy::PolicyDocument;
use headwater_api::v1::{DraftView, ImportRequest};
use reqwest::Method;
use serde_json::json;

use super::csv;
use super::draft_client::DraftClient;
use super::edit::show_after_edit;
use crate::terminal::failure::Failure;
use crate::terminal::input::read_text;
use crate::terminal::output::{Output, counted};

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

/// Reads a policy document and reports every problem of its syntax. The server checks its meaning.
fn read_policy(path: &Path) -> Result<PolicyDocument, Failure> {
    let text = read_text(path)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    serde_json::from_str(text).map_err(|error| {
        let problems = PolicyDocument::parse(text).err().unwrap_or_default();
        let mut problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        if problems.is_empty() {
            problems.push(error.to_string());
        }
        Failure::bad_input(format!("{} is not a source list", path.display())).with_problems(problems)
    })
}

/// Replaces the list of the draft by that of the file.
pub async fn import(draft_client: &DraftClient, path: &Path, format: Option<Format>) -> Result<(), Failure> {
    let (policy, expected_revision) = match format.unwrap_or_else(|| Format::of(path)) {
        Format::Json => (read_policy(path)?, None),
        Format::Csv => {
            let text = read_text(path)?;
            let entries = csv::read(&text).map_err(|problems| {
                Failure::bad_input(format!("{} is not a source list", path.display())).with_problems(problems)
            })?;
            let draft = draft_client.draft().await?;
            (PolicyDocument { entries, ..draft.policy }, Some(draft.revision))
        }
    };
    let request = ImportRequest { policy, expected_revision };
    let draft: DraftView = draft_client.api.call(Method::PUT, &draft_client.address(""), &request).await?;
    show_after_edit(draft_client, &draft, &[]);
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
        format!("wrote {} to {}", counted(policy.entries.len(), "entry"), path.display())
    });
    Ok(())
}
