//! `headwater domains`: the tree and its settings (D1, D2).

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use headwater_api::v1::{DomainRequest, DomainView, DomainsAnswer, SettingsEdit};
use reqwest::Method;
use serde_json::{Value, json};

use crate::console::{Console, ServerLocation, segment};
use crate::failure::{Exit, Failure};
use crate::output::{Output, table};

const EXAMPLES: &str = "\
Examples:
  headwater domains list
  headwater domains add root/paris
  headwater domains settings get root/paris
  headwater domains settings set root/paris poll_interval_minutes=15 download_from_vendor=true
  headwater domains settings set root/paris 'probe_command=[\"./engine\",\"--self-test\"]'
  headwater domains settings set root/paris --unset poll_interval_minutes
  headwater domains settings set root --value scan.heuristics=high --file exclusions.txt=./exclusions.txt
  headwater domains remove root/paris";

/// List, add and remove domains; get and set their settings
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct DomainsArguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    server: ServerLocation,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the domains
    List,
    /// Add a domain below one that exists
    Add {
        /// Its path, such as root/paris
        path: String,
    },
    /// Remove a domain that has no clients and no sub-domains
    Remove {
        /// Its path
        path: String,
    },
    /// Get or set a domain's settings
    #[command(subcommand)]
    Settings(Settings),
}

#[derive(Debug, Subcommand)]
enum Settings {
    /// Show what is set at a domain, and what its clients get
    Get {
        /// The domain's path
        path: String,
    },
    /// Change what is set at a domain: all or nothing; published to its clients at once
    Set {
        /// The domain's path
        path: String,
        /// Settings, each KEY=VALUE
        #[arg(value_name = "KEY=VALUE")]
        settings: Vec<String>,
        /// A value for the software on the endpoint
        #[arg(long = "value", value_name = "KEY=VALUE")]
        values: Vec<String>,
        /// A file for the software on the endpoint: its name there, and the file to take it from
        #[arg(long = "file", value_name = "NAME=FILE")]
        files: Vec<String>,
        /// Clear a setting, so that the nearest value above counts
        #[arg(long, value_name = "KEY")]
        unset: Vec<String>,
        /// Clear a value
        #[arg(long, value_name = "KEY")]
        unset_value: Vec<String>,
        /// Clear a file
        #[arg(long, value_name = "NAME")]
        unset_file: Vec<String>,
    },
}

/// Runs one of the commands.
pub async fn run(arguments: DomainsArguments, output: Output) -> Result<Exit, Failure> {
    let console = Console::new(&arguments.server)?;
    let at = |path: &str| format!("/api/v1/domains/{}", segment(path));
    match arguments.command {
        Command::List => {
            let answer: DomainsAnswer = console.get("/api/v1/domains").await?;
            output.result(&answer, list_text);
        }
        Command::Add { path } => {
            let domain: DomainView =
                console.call(Method::POST, "/api/v1/domains", &DomainRequest { path }).await?;
            output.result(&domain, |domain| format!("added {}", domain.path));
        }
        Command::Remove { path } => {
            let (): () = console.ask(Method::DELETE, &at(&path)).await?;
            output.result(&json!({"removed": path}), |_| format!("removed {path}"));
        }
        Command::Settings(Settings::Get { path }) => {
            let domain: DomainView = console.get(&at(&path)).await?;
            output.result(&domain, domain_text);
        }
        Command::Settings(Settings::Set {
            path,
            settings,
            values,
            files,
            unset,
            unset_value,
            unset_file,
        }) => {
            let edit = SettingsEdit {
                settings: assignments("setting", &settings, &unset)?,
                values: assignments("value", &values, &unset_value)?,
                files: files_of(&files, unset_file)?,
            };
            if edit == SettingsEdit::default() {
                return Err(Failure::bad_input(format!("nothing to set at {path}"))
                    .with_way_out("give KEY=VALUE, --value, --file or --unset KEY"));
            }
            let domain: DomainView =
                console.call(Method::PATCH, &format!("{}/settings", at(&path)), &edit).await?;
            output.result(&domain, domain_text);
        }
    }
    Ok(Exit::Done)
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
                .with_way_out("publish it as a component instead")
        })?;
        edit.insert(name.to_owned(), Some(text));
    }
    edit.extend(unset.into_iter().map(|name| (name, None)));
    Ok(edit)
}

fn list_text(answer: &DomainsAnswer) -> String {
    let rows = answer.items.iter().map(|domain| {
        let set = domain.settings.len() + domain.values.len() + domain.files.len();
        vec![
            domain.path.clone(),
            domain.clients.to_string(),
            set.to_string(),
            domain.effective.version.to_string(),
        ]
    });
    table(&["domain", "clients", "set here", "settings version"], rows.collect(), "no domains")
}

fn domain_text(domain: &DomainView) -> String {
    let effective =
        serde_json::to_value(&domain.effective.settings).expect("a wire message always serialises");
    let typed = effective.as_object().into_iter().flatten().map(|(key, value)| {
        let from = match domain.settings.contains_key(key) {
            true => "set here",
            false if domain.path == "root" => "default",
            false => "from above",
        };
        vec![key.clone(), value.to_string(), from.to_owned()]
    });
    let values = domain.effective.values.iter().map(|(key, value)| {
        let from = if domain.values.contains_key(key) { "set here" } else { "from above" };
        vec![format!("value {key}"), value.to_string(), from.to_owned()]
    });
    let files = domain.effective.files.iter().map(|(name, text)| {
        let from = if domain.files.contains_key(name) { "set here" } else { "from above" };
        vec![format!("file {name}"), format!("{} bytes", text.len()), from.to_owned()]
    });
    let rows = typed.chain(values).chain(files).collect();
    let heading =
        format!("{}, settings version {}, {} clients", domain.path, domain.effective.version, domain.clients);
    format!("{heading}\n{}", table(&["setting", "value", "where"], rows, "no settings"))
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
    fn an_assignment_that_is_none_is_named() {
        let refused = |set: &[&str], unset: &[&str]| {
            let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
            assignments("setting", &owned(set), &owned(unset)).unwrap_err().message
        };
        assert_eq!(refused(&["poll"], &[]), "setting `poll` is not KEY=VALUE");
        assert_eq!(refused(&["a=1", "a=2"], &[]), "setting `a` is given twice");
        assert_eq!(refused(&["a=1"], &["a"]), "setting `a` is both set and cleared");
    }
}
