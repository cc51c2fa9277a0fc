//! `headwater domains settings`: the settings of a domain, edited in a draft and published by `save` (S7, D2).
//!
//! The server decides and refuses; these commands show its answers.

mod show;

pub use show::draft_names;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};
use headwater_api::v1::{
    DomainView, RestoreRequest, SaveRequest, SavedSettings, SettingsDiffAnswer, SettingsDraft,
    SettingsDraftsAnswer, SettingsEdit, SettingsEditRequest, SettingsHistoryAnswer, SettingsSaved,
    SettingsSetRequest,
};
use reqwest::Method;
use serde_json::{Value, json};

use super::path::address;
use crate::api_client::{ApiClient, segment};
use crate::completions::candidates;
use crate::terminal::failure::Failure;
use crate::terminal::output::Output;
use crate::values::draft_flag;

/// Show, edit and publish what is set at a domain
#[derive(Debug, Args)]
pub struct SettingsArguments {
    #[command(subcommand)]
    command: Command,
    /// The draft to work on, by default one of your own
    #[arg(long, global = true, default_value = "default", value_name = "NAME", value_hint = ValueHint::Other)]
    draft: String,
    /// Work on another administrator's draft: the owner, as `headwater domains settings drafts` shows it
    #[arg(long, global = true, value_name = "OWNER", value_hint = ValueHint::Other)]
    owner: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what is set at a domain, and what its clients get
    Get {
        /// The path of the domain
        #[arg(value_hint = ValueHint::Other, add = candidates::domains())]
        path: String,
        /// Show what an earlier version set
        #[arg(long, value_name = "VERSION", value_hint = ValueHint::Other)]
        version: Option<u64>,
    },
    /// Change what is set at a domain, in the draft: all of it or nothing
    Set(Box<SetArguments>),
    /// Publish the draft as one new version
    Save {
        /// The path of the domain
        #[arg(value_hint = ValueHint::Other, add = candidates::domains())]
        path: String,
        /// The reason, for the history
        #[arg(long, value_hint = ValueHint::Other)]
        comment: Option<String>,
        /// Publish over this version although the draft began from an older one: you have reviewed what changed
        #[arg(long, value_name = "VERSION", value_hint = ValueHint::Other)]
        over_version: Option<u64>,
    },
    /// Discard the draft
    Discard {
        /// The path of the domain
        #[arg(value_hint = ValueHint::Other, add = candidates::domains())]
        path: String,
    },
    /// List the domain's drafts, of all administrators
    Drafts {
        /// The path of the domain
        #[arg(value_hint = ValueHint::Other, add = candidates::domains())]
        path: String,
    },
    /// List the saved versions, newest first
    History {
        /// The path of the domain
        #[arg(value_hint = ValueHint::Other, add = candidates::domains())]
        path: String,
        /// How many at most
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
    /// Show what changed: from the published version to the draft, or between two saved versions
    Diff {
        /// The path of the domain
        #[arg(value_hint = ValueHint::Other, add = candidates::domains())]
        path: String,
        /// A saved version [default: the published one]
        from: Option<u64>,
        /// A saved version [default: the draft]
        to: Option<u64>,
    },
    /// Show what restoring an earlier version would change; with --over-version, publish it as a new version
    Restore {
        /// The path of the domain
        #[arg(value_hint = ValueHint::Other, add = candidates::domains())]
        path: String,
        /// The version
        version: u64,
        /// The reason, for the history
        #[arg(long, value_hint = ValueHint::Other)]
        comment: Option<String>,
        /// Publish it over this version, the published one: the preview names it
        #[arg(long, value_name = "VERSION", value_hint = ValueHint::Other)]
        over_version: Option<u64>,
    },
}

#[derive(Debug, Args)]
struct SetArguments {
    /// The path of the domain
    #[arg(value_hint = ValueHint::Other, add = candidates::domains())]
    path: String,
    /// Settings, each KEY=VALUE
    #[arg(value_name = "KEY=VALUE", value_hint = ValueHint::Other, add = candidates::setting_assignments())]
    settings: Vec<String>,
    /// A value for the software on the endpoint
    #[arg(long = "value", value_name = "KEY=VALUE", value_hint = ValueHint::Other)]
    values: Vec<String>,
    /// A file for the software on the endpoint: its name there, and the file to take it from
    #[arg(long = "file", value_name = "NAME=FILE", value_hint = ValueHint::Other)]
    files: Vec<String>,
    /// Clear a setting: the nearest domain above that sets it counts
    #[arg(long, value_name = "KEY", value_hint = ValueHint::Other, add = candidates::settings())]
    unset: Vec<String>,
    /// Clear a value
    #[arg(long, value_name = "KEY", value_hint = ValueHint::Other)]
    unset_value: Vec<String>,
    /// Clear a file
    #[arg(long, value_name = "NAME", value_hint = ValueHint::Other)]
    unset_file: Vec<String>,
    /// Publish this change immediately; drafts stay as they are
    #[arg(long, conflicts_with_all = ["draft", "owner"])]
    save: bool,
    /// The reason, for the history
    #[arg(long, requires = "save", value_hint = ValueHint::Other)]
    comment: Option<String>,
    /// Refuse if a version after this one has been saved [default: the published one]
    #[arg(long, value_name = "VERSION", requires = "save", value_hint = ValueHint::Other)]
    base_version: Option<u64>,
}

impl SetArguments {
    fn edit(&self) -> Result<SettingsEdit, Failure> {
        let edit = SettingsEdit {
            settings: assignments("setting", &self.settings, &self.unset)?,
            values: assignments("value", &self.values, &self.unset_value)?,
            files: files_of(&self.files, self.unset_file.clone())?,
        };
        if edit == SettingsEdit::default() {
            return Err(Failure::bad_input(format!("nothing to set at {}", self.path))
                .with_hint("give KEY=VALUE, --value, --file or --unset KEY"));
        }
        Ok(edit)
    }
}

/// One named draft at one server.
struct SettingsDraftClient {
    api: ApiClient,
    draft: String,
    /// Its owner, if it is another administrator's.
    owner: Option<String>,
    output: Output,
}

/// Runs one of the commands.
pub async fn run(arguments: SettingsArguments, api: ApiClient, output: Output) -> Result<(), Failure> {
    let draft_client = SettingsDraftClient { api, draft: arguments.draft, owner: arguments.owner, output };
    match arguments.command {
        Command::Get { path, version: None } => {
            let domain: DomainView = draft_client.api.get(&address(&path)).await?;
            output.result(&domain, show::domain);
        }
        Command::Get { path, version: Some(version) } => {
            let saved: SavedSettings =
                draft_client.api.get(&format!("{}/history/{version}", address(&path))).await?;
            output.result(&saved, show::saved);
        }
        Command::Set(arguments) if arguments.save => draft_client.set_and_save(*arguments).await?,
        Command::Set(arguments) => draft_client.set(&arguments).await?,
        Command::Save { path, comment, over_version } => {
            let request = SaveRequest { comment, over_version };
            let address = draft_client.address(&path, "/save");
            let saved: SettingsSaved = draft_client.api.call(Method::POST, &address, &request).await?;
            output.result(&saved, show::published);
        }
        Command::Discard { path } => {
            let (): () = draft_client.api.ask(Method::DELETE, &draft_client.address(&path, "")).await?;
            output.result(&json!({"discarded": draft_client.draft, "domain": path}), |_| {
                format!("discarded draft {} of {path}", draft_client.draft)
            });
        }
        Command::Drafts { path } => {
            let drafts: SettingsDraftsAnswer =
                draft_client.api.get(&format!("{}/drafts", address(&path))).await?;
            output.result(&drafts, show::drafts);
        }
        Command::History { path, limit } => {
            let history: SettingsHistoryAnswer =
                draft_client.api.get(&format!("{}/history?limit={limit}", address(&path))).await?;
            output.result(&history, show::history);
        }
        Command::Diff { path, from, to } => draft_client.diff(&path, from, to).await?,
        Command::Restore { path, version, over_version: None, .. } => {
            draft_client.preview_restored(&path, version).await?;
        }
        Command::Restore { path, version, comment, over_version: Some(expected_version) } => {
            let request = RestoreRequest { version, expected_version, comment };
            let address = format!("{}/restore", address(&path));
            let saved: SettingsSaved = draft_client.api.call(Method::POST, &address, &request).await?;
            output.result(&saved, show::published);
        }
    }
    Ok(())
}

impl SettingsDraftClient {
    /// The API's path of the draft of a domain, and of what is done to it.
    fn address(&self, path: &str, what: &str) -> String {
        let owner =
            self.owner.as_ref().map_or_else(String::new, |owner| format!("?owner={}", segment(owner)));
        format!("{}/drafts/{}{what}{owner}", address(path), segment(&self.draft))
    }

    async fn domain(&self, path: &str) -> Result<DomainView, Failure> {
        self.api.get(&address(path)).await
    }

    async fn set(&self, arguments: &SetArguments) -> Result<(), Failure> {
        let request = SettingsEditRequest { edit: arguments.edit()?, expected_revision: None };
        let path = &arguments.path;
        let address = self.address(path, "/edits");
        let draft: SettingsDraft = self.api.call(Method::POST, &address, &request).await?;
        self.output.result(&draft, show::draft);
        if !self.output.is_json() {
            let flag = draft_flag(&self.draft, self.owner.as_deref());
            self.output.note(&format!(
                "next: `headwater domains settings save {path}{flag}` publishes it, `headwater domains settings \
                 discard {path}{flag}` discards it"
            ));
        }
        Ok(())
    }

    async fn set_and_save(&self, arguments: SetArguments) -> Result<(), Failure> {
        let edit = arguments.edit()?;
        let SetArguments { path, comment, base_version, .. } = arguments;
        let domain = self.domain(&path).await?;
        let base_version = base_version.unwrap_or(domain.saved_version);
        let request = SettingsSetRequest { edit, base_version, comment };
        let address = format!("{}/settings", address(&path));
        let saved: SettingsSaved = self.api.call(Method::PATCH, &address, &request).await?;
        self.output.result(&saved, show::published);
        if !saved.unchanged && !domain.drafts.is_empty() {
            let drafts = show::draft_names(&domain.drafts);
            self.output.note(&format!(
                "{path} has unsaved drafts without this change: {drafts}; saving one of them reports what changed \
                 since"
            ));
        }
        Ok(())
    }

    async fn preview_restored(&self, path: &str, version: u64) -> Result<(), Failure> {
        let saved = self.domain(path).await?.saved_version;
        let changes = format!("{}/diff?from={saved}&to={version}", address(path));
        let answer: SettingsDiffAnswer = self.api.get(&changes).await?;
        self.output.result(&answer, |answer| show::changes(&answer.changes));
        if !self.output.is_json() && !answer.changes.is_empty() {
            self.output.note(&format!(
                "next: `headwater domains settings restore {path} {version} --over-version {saved}` publishes this"
            ));
        }
        Ok(())
    }

    async fn diff(&self, path: &str, from: Option<u64>, to: Option<u64>) -> Result<(), Failure> {
        let from = match from {
            Some(version) => version,
            None => self.domain(path).await?.saved_version,
        };
        let owner =
            self.owner.as_ref().map_or_else(String::new, |owner| format!("&owner={}", segment(owner)));
        let draft = || format!("draft={}{owner}", segment(&self.draft));
        let other = to.map_or_else(draft, |version| format!("to={version}"));
        let answer: SettingsDiffAnswer =
            self.api.get(&format!("{}/diff?from={from}&{other}", address(path))).await?;
        self.output.result(&answer, |answer| show::changes(&answer.changes));
        Ok(())
    }
}

/// `KEY=VALUE`: JSON where it is JSON, else text.
fn assignments(what: &str, set: &[String], unset: &[String]) -> Result<BTreeMap<String, Value>, Failure> {
    let mut edit = BTreeMap::new();
    for assignment in set {
        let Some((key, value)) = assignment.split_once('=').filter(|(key, _)| !key.is_empty()) else {
            return Err(Failure::bad_input(format!("{what} `{assignment}` is not KEY=VALUE")));
        };
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
        if edit.insert(key.to_owned(), value).is_some() {
            return Err(Failure::bad_input(format!("{what} `{key}` is given twice")));
        }
    }
    for key in unset {
        if edit.insert(key.clone(), Value::Null).is_some() {
            return Err(Failure::bad_input(format!("{what} `{key}` is both set and cleared")));
        }
    }
    Ok(edit)
}

fn files_of(set: &[String], unset: Vec<String>) -> Result<BTreeMap<String, Option<String>>, Failure> {
    let mut edit = BTreeMap::new();
    for assignment in set {
        let Some((name, path)) = assignment.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            return Err(Failure::bad_input(format!("file `{assignment}` is not NAME=FILE")));
        };
        let path = PathBuf::from(path);
        let text = fs::read(&path).map_err(|error| Failure::file("read", &path, &error))?;
        let text = String::from_utf8(text).map_err(|_| {
            Failure::bad_input(format!("{} is not UTF-8 text", path.display()))
                .with_hint("publish it as a component instead")
        })?;
        edit.insert(name.to_owned(), Some(text));
    }
    edit.extend(unset.into_iter().map(|name| (name, None)));
    Ok(edit)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::assignments;

    #[test]
    fn values_are_json_where_they_are_json() {
        let set = ["a=15", "b=true", "c=high", "d=[\"x\"]", "e="].map(str::to_owned);
        let edit = assignments("setting", &set, &["f".to_owned()]).unwrap();
        let expected = json!({"a": 15, "b": true, "c": "high", "d": ["x"], "e": "", "f": null});
        assert_eq!(serde_json::to_value(edit).unwrap(), expected);
    }

    #[test]
    fn an_invalid_assignment_is_named() {
        let refused = |set: &[&str], unset: &[&str]| {
            let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
            assignments("setting", &owned(set), &owned(unset)).unwrap_err().message
        };
        assert_eq!(refused(&["poll"], &[]), "setting `poll` is not KEY=VALUE");
        assert_eq!(refused(&["a=1", "a=2"], &[]), "setting `a` is given twice");
        assert_eq!(refused(&["a=1"], &["a"]), "setting `a` is both set and cleared");
    }
}
