//! The source list and its drafts as text.

use std::collections::BTreeMap;

use headwater_api::plan::ClassPlanDocument;
use headwater_api::policy::{EntryDocument, OptionsDocument, PolicyDocument, SourceDocument};
use headwater_api::v1::{
    ChangeView, DraftView, DraftsAnswer, Explained, Finding, HistoryAnswer, PreviewAnswer, SavedAnswer,
    SavedPolicy,
};
use headwater_policy::{Repository, parse_address};
use serde_json::json;

use crate::limits::{CHANGES_SHOWN_MAX, ENTRIES_BESIDE_AN_EDIT, FINDINGS_ALIKE_MAX, LIST_AFTER_EDIT_MAX};
use crate::terminal::failure::Failure;
use crate::terminal::output::{Output, table, time};

/// A draft, and how it relates to the saved list.
pub fn draft(draft: &DraftView) -> String {
    with_heading(draft, &policy(&draft.policy))
}

/// A draft after an edit of the entries `edited` (numbers of the list as it is now). Of a long list only the entries near
/// them; `flag` names the draft.
pub fn edited(draft: &DraftView, edited: &[u32], flag: &str) -> String {
    let count = draft.policy.entries.len();
    if count <= LIST_AFTER_EDIT_MAX {
        return self::draft(draft);
    }
    let near = |number: u32| edited.iter().any(|at| at.abs_diff(number) <= ENTRIES_BESIDE_AN_EDIT);
    let rows: Vec<_> = (1..)
        .zip(&draft.policy.entries)
        .filter(|(number, _)| near(*number))
        .take(LIST_AFTER_EDIT_MAX)
        .map(|(number, entry)| row_in(&draft.policy, number, entry))
        .collect();
    let shown = if rows.is_empty() { String::new() } else { format!("{}\n", entries(rows, "")) };
    with_heading(
        draft,
        &format!(
            "mode {}\n{shown}the list has {count} entries; `headwater sources list{flag}` shows all of them",
            draft.policy.mode
        ),
    )
}

fn with_heading(draft: &DraftView, body: &str) -> String {
    let heading = match (draft.revision, draft.base_version == draft.saved_version) {
        (0, _) => format!("source list, version {} (no unsaved edits)", draft.saved_version),
        (_, true) => format!(
            "draft {} of {}, from version {}, not saved yet",
            draft.name, draft.owner_name, draft.base_version
        ),
        (_, false) => format!(
            "draft {} of {}, from version {}, not saved yet; version {} has been saved since",
            draft.name, draft.owner_name, draft.base_version, draft.saved_version
        ),
    };
    let notes: String = draft.notes.iter().map(|note| format!("\nnote: {note}")).collect();
    format!("{heading}\n{body}{notes}")
}

/// A published version.
pub fn saved(saved: &SavedPolicy) -> String {
    let comment = if saved.comment.is_empty() { String::new() } else { format!(": {}", saved.comment) };
    format!(
        "source list, version {} of {} by {}{comment}\n{}",
        saved.version,
        time(saved.saved),
        saved.saved_by,
        policy(&saved.policy)
    )
}

/// Mode, options and entries.
pub fn policy(policy: &PolicyDocument) -> String {
    format!("mode {}\n{}\n\n{}", policy.mode, options(&policy.options), list(policy))
}

/// The entries alone.
pub fn list(policy: &PolicyDocument) -> String {
    let empty = match policy.mode.as_str() {
        "standard" => "no entries: every client updates from the server",
        _ => "no entries: no client has a source of its own",
    };
    let rows =
        policy.entries.iter().zip(1_u32..).map(|(entry, number)| row_in(policy, number, entry)).collect();
    entries(rows, empty)
}

fn entries(rows: Vec<Vec<String>>, when_empty: &str) -> String {
    table(&["#", "IPv4 clients", "IPv6 clients", "source", "classes"], rows, when_empty)
}

/// An entry; broken if the update agent that it names has lost the role.
fn row_in(policy: &PolicyDocument, number: u32, entry: &EntryDocument) -> Vec<String> {
    let mut row = row(number, entry);
    if let (SourceDocument::UpdateAgent(id), Some(classes)) = (&entry.source, row.last_mut()) {
        let agent = policy.update_agents.iter().find(|agent| agent.id == *id);
        if agent.is_none_or(|agent| agent.classes.is_empty()) {
            *classes = "broken: it is no update agent".to_owned();
        }
    }
    row
}

fn row(number: u32, entry: &EntryDocument) -> Vec<String> {
    let (source, classes) = source(&entry.source);
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    vec![number.to_string(), or_dash(&entry.clients.ipv4), or_dash(&entry.clients.ipv6), source, classes]
}

fn source(source: &SourceDocument) -> (String, String) {
    match source {
        SourceDocument::Vendor => ("vendor source".to_owned(), "components".to_owned()),
        SourceDocument::UpdateAgent(id) => (format!("update agent {id}"), "as it shares".to_owned()),
        SourceDocument::Url { url, classes } => {
            (url.clone(), classes.as_ref().map_or_else(|| "all".to_owned(), |words| words.join(", ")))
        }
    }
}

/// The options beside the list.
pub fn options(options: &OptionsDocument) -> String {
    let switch = |on: bool| if on { "on" } else { "off" };
    let fallback = &options.server_fallback;
    format!(
        "server fallback: components {}, settings {}, programs {}\nupdate agents from the server only: {}\nvendor fallback: {}",
        switch(fallback.components),
        switch(fallback.settings),
        switch(fallback.programs),
        switch(options.update_agents_from_server_only),
        options.vendor_fallback,
    )
}

/// The entries that select an address.
pub fn find(draft: &DraftView, address: &str, output: Output) -> Result<(), Failure> {
    let parsed = parse_address(address).map_err(|error| Failure::bad_input(error.to_string()))?;
    let selects = |number: u32, entry: &EntryDocument| {
        entry.read(number).is_ok_and(|entry| entry.selector.contains(parsed))
    };
    let found: Vec<(u32, &EntryDocument)> =
        (1..).zip(&draft.policy.entries).filter(|(number, entry)| selects(*number, entry)).collect();
    let object: Vec<_> =
        found.iter().map(|(number, entry)| json!({"number": number, "entry": entry})).collect();
    output.result(&json!({"address": parsed.to_string(), "entries": object}), |_| {
        let rows = found.iter().map(|(number, entry)| row(*number, entry)).collect();
        entries(rows, &format!("no entry selects {parsed}"))
    });
    Ok(())
}

/// What changed.
pub fn changes(changes: &[ChangeView]) -> String {
    if changes.is_empty() {
        return "nothing differs".to_owned();
    }
    let lines: Vec<&str> = changes.iter().map(|change| change.text.as_str()).collect();
    lines.join("\n")
}

/// What saving would do; `save` is the command that does it.
pub fn preview(preview: &PreviewAnswer, save: &str) -> String {
    let nothing = preview.changes.is_empty() && !preview.errors.is_empty();
    let mut text = if nothing {
        "cannot be compared until the errors are corrected".to_owned()
    } else {
        first_changes(&preview.changes)
    };
    text.push_str(&findings("errors to correct before saving", &preview.errors));
    text.push_str(&findings("warnings", &preview.warnings));
    let known = preview.clients_known;
    text.push_str(&match preview.plans_changed {
        Some(changed) => format!("\n\nplans change for {changed} of {known} known clients"),
        None => format!("\n\nthe plans of {known} known clients were not computed: correct the errors first"),
    });
    if preview.errors.is_empty() && !preview.changes.is_empty() {
        text.push_str(&format!("\nnext: `{save}`"));
    }
    text
}

/// The first changes of a list that may be long, and how many more there are.
fn first_changes(all: &[ChangeView]) -> String {
    let shown = &all[..all.len().min(CHANGES_SHOWN_MAX)];
    let text = changes(shown);
    match all.len() - shown.len() {
        0 => text,
        more => format!("{text}\nand {more} more changes; --json lists all"),
    }
}

fn findings(heading: &str, findings: &[Finding]) -> String {
    if findings.is_empty() {
        return String::new();
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut text = format!("\n\n{heading}:");
    for finding in findings {
        let alike = counts.entry(&finding.code).or_default();
        *alike += 1;
        if *alike <= FINDINGS_ALIKE_MAX {
            let entry = finding.entry.map(|entry| format!("entry {entry}: ")).unwrap_or_default();
            text.push_str(&format!("\n  {entry}{}", finding.message));
        }
    }
    for (code, count) in counts.into_iter().filter(|(_, count)| *count > FINDINGS_ALIKE_MAX) {
        let more = count - FINDINGS_ALIKE_MAX;
        text.push_str(&format!("\n  and {more} more of kind `{code}`; --json lists all"));
    }
    text
}

/// A newly published version.
pub fn published(saved: &SavedAnswer) -> String {
    if saved.unchanged {
        return format!("nothing differs from version {}, so nothing was saved", saved.version);
    }
    let warnings = findings("warnings", &saved.warnings);
    format!(
        "saved and signed as version {}\n{}{warnings}\n\nnext: clients follow it from their next run on; `headwater clients list` shows which clients have it",
        saved.version,
        first_changes(&saved.changes)
    )
}

/// The drafts that exist.
pub fn drafts(answer: &DraftsAnswer) -> String {
    let rows = answer.items.iter().map(|draft| {
        let edited = draft.edited.map(time).unwrap_or_default();
        vec![
            draft.owner.clone(),
            draft.name.clone(),
            draft.base_version.to_string(),
            draft.revision.to_string(),
            draft.policy.entries.len().to_string(),
            edited,
        ]
    });
    table(
        &["owner", "draft", "of version", "edits", "entries", "edited"],
        rows.collect(),
        "no drafts: nothing is unsaved",
    )
}

/// The saved versions.
pub fn history(answer: &HistoryAnswer) -> String {
    let rows = answer.items.iter().map(|item| {
        vec![
            item.version.to_string(),
            time(item.saved),
            item.saved_by.clone(),
            item.mode.clone(),
            item.entries.to_string(),
            item.comment.clone(),
        ]
    });
    table(
        &["version", "saved", "by", "mode", "entries", "comment"],
        rows.collect(),
        "nothing has been saved yet",
    )
}

/// A client's plans.
pub fn explained(explained: &Explained) -> String {
    let client = &explained.client;
    let name = if client.id.is_empty() { "a client".to_owned() } else { client.id.clone() };
    let mut text =
        format!("{name} at {}, policy version {}", client.addresses.join(" "), explained.policy_version);
    for repository in Repository::ALL.map(Repository::as_str) {
        if let Some(plan) = explained.plans.get(repository) {
            text.push_str(&format!("\n\n{repository}\n{}", plan_table(plan)));
        }
    }
    text
}

fn plan_table(plan: &ClassPlanDocument) -> String {
    let rows = plan.steps.iter().zip(1_u32..).map(|(step, place)| {
        let entry = step.entry.map_or_else(|| "-".to_owned(), |entry| entry.to_string());
        vec![format!("  {place}."), step.source.clone(), step.url.clone(), entry, step.reason.clone()]
    });
    let unserved = match &plan.unserved {
        Some(why) => format!("  unserved, so the client keeps what it has: {why}"),
        None => "  no source".to_owned(),
    };
    let mut text = table(&["", "source", "url", "entry", "why"], rows.collect(), &unserved);
    if let Some(why) = &plan.partial {
        text.push_str(&format!("\n  partial: {why}"));
    }
    let mut reasons: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    for skipped in &plan.skipped {
        reasons.entry(&skipped.reason).or_default().push(skipped.entry);
    }
    for (reason, numbers) in reasons {
        text.push_str(&format!("\n  does not apply ({reason}): entries {}", runs(&numbers)));
    }
    text
}

/// Numbers in rising order, those that follow each other as one: `1-3, 7`.
fn runs(numbers: &[u32]) -> String {
    let runs = numbers.chunk_by(|one, next| one + 1 == *next).map(|run| match run {
        [first, .., last] => format!("{first}-{last}"),
        [only] => only.to_string(),
        [] => String::new(),
    });
    runs.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preview_shows_the_first_changes_and_states_what_was_not_computed() {
        let answer = |count: usize, errors: usize, plans_changed: Option<u64>| {
            let changes: Vec<_> = (0..count)
                .map(|n| serde_json::json!({"kind": "added", "text": format!("change {n}.")}))
                .collect();
            let errors = vec![serde_json::json!({"entry": 1, "code": "error", "message": "bad"}); errors];
            let answer = serde_json::json!({
                "changes": changes, "errors": errors, "warnings": [], "clients_known": 7, "plans_changed": plans_changed
            });
            preview(&serde_json::from_value(answer).unwrap(), "headwater sources save")
        };
        let most = answer(CHANGES_SHOWN_MAX, 0, Some(3));
        assert!(!most.contains("more changes") && most.contains("plans change for 3 of 7"), "{most}");
        assert!(most.ends_with("next: `headwater sources save`"), "{most}");
        let more = answer(CHANGES_SHOWN_MAX + 2, 0, Some(3));
        assert!(more.contains("and 2 more changes; --json") && !more.contains("change 20."), "{more}");
        let wrong = answer(0, 1, None);
        assert!(wrong.contains("the plans of 7 known clients were not computed"), "{wrong}");
        assert!(!wrong.contains("next:"), "{wrong}");
    }

    #[test]
    fn a_long_list_is_shown_around_an_edit() {
        let check = |count: usize, at: &[u32], numbers: &[&str]| {
            let entry = serde_json::json!({"clients": {"ipv4": "10.0.0.1"}, "source": "vendor"});
            let draft: DraftView = serde_json::from_value(serde_json::json!({
                "owner": "ann", "owner_name": "ann", "name": "default", "base_version": 1, "saved_version": 1, "revision": 3, "edited": null,
                "policy": {
                    "mode": "customized", "options": OptionsDocument::default(), "server": {"url": "http://hq"},
                    "update_agents": [], "entries": vec![entry; count]
                },
                "notes": []
            }))
            .unwrap();
            let text = edited(&draft, at, "");
            let shown: Vec<&str> = text
                .lines()
                .filter(|line| line.contains("vendor source"))
                .filter_map(|line| line.split_whitespace().next())
                .collect();
            assert_eq!(shown, numbers, "{text}");
            assert_eq!(
                text.contains(&format!("the list has {count} entries; `headwater sources list`")),
                count > LIST_AFTER_EDIT_MAX,
                "{text}"
            );
        };
        check(3, &[1], &["1", "2", "3"]);
        check(LIST_AFTER_EDIT_MAX + 1, &[1], &["1", "2", "3"]);
        check(1024, &[700], &["698", "699", "700", "701", "702"]);
        check(1024, &[1024, 2], &["1", "2", "3", "4", "1022", "1023", "1024"]);
        check(1024, &[], &[]);
        let many: Vec<u32> = (1..=1024).collect();
        let first: Vec<String> = (1..=LIST_AFTER_EDIT_MAX).map(|number| number.to_string()).collect();
        check(1024, &many, &first.iter().map(String::as_str).collect::<Vec<_>>());
    }

    #[test]
    fn a_long_list_is_shown_in_short() {
        assert_eq!(runs(&[1, 2, 3, 7, 9, 10]), "1-3, 7, 9-10");
        let finding = |entry: u32, code: &str| Finding {
            entry: Some(entry),
            code: code.to_owned(),
            message: "no client is in it".to_owned(),
        };
        let many: Vec<_> =
            (1..=1024).map(|entry| finding(entry, "no_client")).chain([finding(7, "shadowed")]).collect();
        let text = findings("warnings", &many);
        assert_eq!(text.lines().count(), 2 + 1 + FINDINGS_ALIKE_MAX + 2, "{text}");
        assert!(
            text.contains("entry 7: no client") && text.contains("1014 more of kind `no_client`"),
            "{text}"
        );
    }
}
