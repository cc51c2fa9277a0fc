//! The settings of domains and their drafts as text.

use headwater_api::v1::{
    DomainView, DraftLine, SavedSettings, SettingChangeView, SettingsDraft, SettingsDraftsAnswer,
    SettingsHistoryAnswer, SettingsSaved,
};

use crate::terminal::output::{counted, one_line, table, time};

/// What is set at a domain, and what its clients get.
pub fn domain(domain: &DomainView) -> String {
    let effective =
        serde_json::to_value(&domain.effective.settings).expect("a wire message always serialises");
    let typed = effective.as_object().into_iter().flatten().map(|(key, value)| {
        let from = match domain.set.settings.contains_key(key) {
            true => "set here",
            false if domain.path == "root" => "default",
            false => "from above",
        };
        vec![key.clone(), value.to_string(), from.to_owned()]
    });
    let values = domain.effective.values.iter().map(|(key, value)| {
        let from = if domain.set.values.contains_key(key) { "set here" } else { "from above" };
        vec![format!("value {key}"), value.to_string(), from.to_owned()]
    });
    let files = domain.effective.files.iter().map(|(name, text)| {
        let from = if domain.set.files.contains_key(name) { "set here" } else { "from above" };
        vec![format!("file {name}"), file(text), from.to_owned()]
    });
    let rows = typed.chain(values).chain(files).collect();
    let heading = format!(
        "{}, settings version {}, release {}, {}",
        domain.path,
        domain.saved_version,
        domain.effective.version,
        counted(usize::try_from(domain.clients).unwrap_or(usize::MAX), "client")
    );
    let drafts = match domain.drafts.as_slice() {
        [] => String::new(),
        drafts => format!(
            "\n\nnot saved yet: draft {}; `headwater domains settings diff {}` shows what it changes",
            draft_names(drafts),
            domain.path
        ),
    };
    format!("{heading}\n{}{drafts}", table(&["setting", "value", "where"], rows, "no settings"))
}

/// Drafts with their owners.
pub fn draft_names(drafts: &[DraftLine]) -> String {
    let named = drafts.iter().map(|draft| format!("{} of {}", draft.name, draft.owner));
    named.collect::<Vec<_>>().join(", ")
}

/// A file as a table shows it. One that the server hides from the reader has no length.
fn file(text: &str) -> String {
    match text {
        "(confidential)" => text.to_owned(),
        text => counted(text.len(), "byte"),
    }
}

/// What an earlier version set.
pub fn saved(saved: &SavedSettings) -> String {
    let comment = if saved.comment.is_empty() { String::new() } else { format!(": {}", saved.comment) };
    let typed = saved.set.settings.iter().map(|(key, value)| vec![key.clone(), value.to_string()]);
    let values = saved.set.values.iter().map(|(key, value)| vec![format!("value {key}"), value.to_string()]);
    let files = saved.set.files.iter().map(|(name, text)| vec![format!("file {name}"), file(text)]);
    let rows = typed.chain(values).chain(files).collect();
    format!(
        "{}, settings version {} of {} by {}{}\n{}",
        saved.domain,
        saved.version,
        time(saved.saved),
        saved.saved_by,
        one_line(&comment),
        table(&["setting", "value"], rows, "nothing was set: everything came from above")
    )
}

/// A draft, and how it relates to the saved version.
pub fn draft(draft: &SettingsDraft) -> String {
    let SettingsDraft { domain, name, owner_name, base_version, saved_version, .. } = draft;
    let heading = match base_version == saved_version {
        true => format!("{domain}: draft {name} of {owner_name}, from version {base_version}, not saved yet"),
        false => format!(
            "{domain}: draft {name} of {owner_name}, from version {base_version}, not saved yet; version {saved_version} was saved \
             meanwhile"
        ),
    };
    format!("{heading}\n{}", changes(&draft.changes))
}

/// What changed.
pub fn changes(changes: &[SettingChangeView]) -> String {
    if changes.is_empty() {
        return "nothing differs".to_owned();
    }
    let lines: Vec<String> = changes.iter().map(|change| one_line(&change.text)).collect();
    lines.join("\n")
}

/// A newly published version.
pub fn published(saved: &SettingsSaved) -> String {
    let SettingsSaved { domain, version, .. } = saved;
    if saved.unchanged {
        return format!("nothing differs from version {version} of {domain}, so nothing was saved");
    }
    let next = match saved.domains.as_slice() {
        [] => "it changes nothing for any client".to_owned(),
        domains => format!(
            "signed again for the clients of {}\nnext: they follow it from their next run on; `headwater clients list` \
             shows which clients have it",
            domains.join(", ")
        ),
    };
    format!("saved as version {version} of {domain}\n{}\n\n{next}", changes(&saved.changes))
}

/// The drafts of a domain.
pub fn drafts(answer: &SettingsDraftsAnswer) -> String {
    let rows = answer.items.iter().map(|draft| {
        vec![
            draft.owner.clone(),
            draft.name.clone(),
            draft.base_version.to_string(),
            draft.revision.to_string(),
            draft.changes.len().to_string(),
            draft.edited.map(time).unwrap_or_default(),
        ]
    });
    table(
        &["owner", "draft", "of version", "edits", "changes", "edited"],
        rows.collect(),
        "no drafts: nothing is unsaved",
    )
}

/// The saved versions.
pub fn history(answer: &SettingsHistoryAnswer) -> String {
    let rows = answer.items.iter().map(|item| {
        vec![
            item.version.to_string(),
            time(item.saved),
            item.saved_by.clone(),
            item.items.to_string(),
            item.comment.clone(),
        ]
    });
    table(&["version", "saved", "by", "set here", "comment"], rows.collect(), "nothing has been saved yet")
}

#[cfg(test)]
mod tests {
    use headwater_api::v1::DomainSettings;

    use super::*;

    #[test]
    fn a_hidden_file_has_no_length() {
        let files = [("a.conf", "(confidential)"), ("b.conf", "four")];
        let files = files.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
        let saved = SavedSettings {
            domain: "root".to_owned(),
            version: 1,
            saved: jiff::Timestamp::UNIX_EPOCH,
            saved_by: "ann".to_owned(),
            comment: String::new(),
            set: DomainSettings { files, ..DomainSettings::default() },
        };
        let text = super::saved(&saved);
        assert!(text.contains("(confidential)") && text.contains("4 bytes"), "{text}");
        assert!(!text.contains("14 bytes"), "{text}");
    }
}
