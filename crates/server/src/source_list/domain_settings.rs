//! What is set at one domain, as values: editing it, checking it, comparing it (D2, S7). Saving it: `settings_drafts`.

use std::collections::BTreeMap;

use headwater_api::settings::SettingsDocument;
use headwater_api::v1::{DomainSettings, SettingChangeView, SettingsEdit};
use headwater_policy::{Explicit, Problem, SettingsPart, diff_settings};
use headwater_repo::FilePath;
use serde_json::{Value, json};

use crate::db::to_json;
use crate::error::{Refusal, Result};
use crate::limits;
use crate::request::refuse;

/// Makes an edit: all of it or nothing.
pub(crate) fn apply(set: &DomainSettings, edit: SettingsEdit) -> Result<DomainSettings> {
    let mut set = set.clone();
    for (key, value) in edit.settings {
        // An unknown key is refused even where it is to be cleared.
        let alone = BTreeMap::from([(key.clone(), value.clone())]);
        document(&alone).map_err(|error| unreadable(&key, &value, &error))?;
        match value {
            Value::Null => set.settings.remove(&key),
            value => set.settings.insert(key, value),
        };
    }
    for (name, value) in edit.values {
        match value {
            Value::Null => set.values.remove(&name),
            value => set.values.insert(name, value),
        };
    }
    for (path, text) in edit.files {
        match text {
            None => set.files.remove(&path),
            Some(text) => set.files.insert(path, text),
        };
    }
    check(&set)?;
    Ok(set)
}

/// Describes what a setting must be, in words of people who do not know the program's own.
fn unreadable(key: &str, value: &Value, error: &serde_json::Error) -> Refusal {
    let message = error.to_string();
    let Some((_, wanted)) = message.split_once(", expected ").filter(|_| !message.starts_with("unknown"))
    else {
        return Refusal::invalid(format!("settings: {message}"));
    };
    let wanted = match wanted {
        "a sequence" => "a list of texts, as in [\"program\", \"argument\"]",
        "a boolean" => "true or false",
        "u32" | "u64" => "a whole number",
        "a string" => "a text",
        other => other,
    };
    Refusal::invalid(format!("settings: {key} is {value} and must be {wanted}"))
}

/// Refuses what may not be set at a domain.
pub(crate) fn check(set: &DomainSettings) -> Result<()> {
    document(&set.settings)
        .map_err(|error| Refusal::invalid(format!("settings: {error}")))?
        .read()
        .map_err(Refusal::Invalid)?;
    check_extras(set)
}

/// The typed part, read.
pub(crate) fn document(
    settings: &BTreeMap<String, Value>,
) -> std::result::Result<SettingsDocument, serde_json::Error> {
    serde_json::from_value(Value::Object(settings.clone().into_iter().collect()))
}

/// What is set, as it is decided with.
pub(crate) fn explicit(set: &DomainSettings) -> Explicit<Value> {
    let part =
        |part: SettingsPart| move |(key, value): (&String, &Value)| ((part, key.clone()), value.clone());
    let files = set
        .files
        .iter()
        .map(|(path, text)| ((SettingsPart::File, path.clone()), Value::String(text.clone())));
    let settings = set.settings.iter().map(part(SettingsPart::Setting));
    settings.chain(set.values.iter().map(part(SettingsPart::Value))).chain(files).collect()
}

/// What turns `old` into `new`, as wire messages.
pub(crate) fn changes_between(old: &DomainSettings, new: &DomainSettings) -> Vec<SettingChangeView> {
    changes(diff_settings(&explicit(old), &explicit(new)))
}

/// A difference as wire messages.
pub(crate) fn changes(diff: Vec<headwater_policy::SettingChange<Value>>) -> Vec<SettingChangeView> {
    let wire = |change: headwater_policy::SettingChange<Value>| SettingChangeView {
        text: change.to_string(),
        part: change.part.as_str().to_owned(),
        key: change.key,
        before: change.before,
        after: change.after,
    };
    diff.into_iter().map(wire).collect()
}

fn check_extras(set: &DomainSettings) -> Result<()> {
    let mut problems = Vec::new();
    for name in set.values.keys() {
        if name.is_empty() || name.len() > limits::EXTRA_NAME_BYTES_MAX || name.chars().any(char::is_control)
        {
            let max = limits::EXTRA_NAME_BYTES_MAX;
            problems.push(Problem::general(format!(
                "values: `{}`: a name has 1 to {max} bytes and no control characters",
                name.escape_debug()
            )));
        }
    }
    for path in set.files.keys() {
        let file = match FilePath::new(path.as_str()) {
            Ok(file) => file,
            Err(error) => {
                problems.push(Problem::general(format!("files: {error}")));
                continue;
            }
        };
        if let Some(folder) = file.folders().find(|folder| set.files.contains_key(*folder)) {
            problems
                .push(Problem::general(format!("files: `{folder}` is a file, and the folder of `{path}`")));
        }
    }
    for (what, count) in [("values", set.values.len()), ("files", set.files.len())] {
        if count > limits::DOMAIN_EXTRAS_MAX {
            problems.push(Problem::general(format!(
                "{what}: there are {count}, at most {} are allowed",
                limits::DOMAIN_EXTRAS_MAX
            )));
        }
    }
    let bytes = to_json(&json!({ "values": set.values, "files": set.files })).len();
    if bytes > limits::DOMAIN_EXTRAS_BYTES_MAX {
        let max = limits::DOMAIN_EXTRAS_BYTES_MAX;
        problems.push(Problem::general(format!(
            "values and files: they have {bytes} bytes as JSON, at most {max} are allowed"
        )));
    }
    refuse(problems)
}
