//! Edits of a draft: from flags to the edits of the API.

use clap::{Args, ValueHint};
use headwater_api::policy::{EntryDocument, OptionsDocument, SelectorDocument, SourceDocument};
use headwater_api::v1::{DraftView, Edit, EditsRequest, KeysView};
use headwater_policy::Class;
use jiff::Timestamp;
use reqwest::Method;

use super::draft_client::DraftClient;
use super::show;
use crate::completions::candidates;
use crate::repository_look::look;
use crate::terminal::failure::Failure;
use crate::terminal::output::counted;
use crate::values::{class_words, switch_parser, vendor_fallback_words};

/// Arguments of `sources add`.
#[derive(Debug, Args)]
pub struct AddArguments {
    #[command(flatten)]
    selector: SelectorArguments,
    #[command(flatten)]
    source: SourceArguments,
    /// The number of the new entry; later entries move down [default: last]
    #[arg(long, value_name = "NUMBER", value_hint = ValueHint::Other)]
    at: Option<u32>,
}

/// Arguments of `sources edit`.
#[derive(Debug, Args)]
pub struct EditArguments {
    /// The number of the entry
    #[arg(value_hint = ValueHint::Other)]
    number: u32,
    #[command(flatten)]
    selector: SelectorArguments,
    /// Select no IPv4 addresses
    #[arg(long, conflicts_with = "ipv4")]
    no_ipv4: bool,
    /// Select no IPv6 addresses
    #[arg(long, conflicts_with = "ipv6")]
    no_ipv6: bool,
    #[command(flatten)]
    source: SourceArguments,
}

/// Arguments of `sources move`.
#[derive(Debug, Args)]
pub struct MoveArguments {
    /// The number of the entry
    #[arg(value_hint = ValueHint::Other)]
    number: u32,
    #[command(flatten)]
    to: NewPosition,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct NewPosition {
    /// One step up: clients try it earlier
    #[arg(long)]
    up: bool,
    /// One step down: clients try it later
    #[arg(long)]
    down: bool,
    /// To this number
    #[arg(long, value_name = "NUMBER", value_hint = ValueHint::Other)]
    to: Option<u32>,
}

#[derive(Debug, Args)]
struct SelectorArguments {
    /// IPv4 addresses of the clients: a range, a prefix with its length, or one address
    #[arg(long, value_name = "FIRST-LAST", value_hint = ValueHint::Other)]
    ipv4: Option<String>,
    /// IPv6 addresses of the clients: a prefix with its length, or one address
    #[arg(long, value_name = "PREFIX/LENGTH", value_hint = ValueHint::Other)]
    ipv6: Option<String>,
}

#[derive(Debug, Args)]
struct SourceArguments {
    /// Update from this update agent, named by its client id
    #[arg(long, value_name = "ID", value_hint = ValueHint::Other, add = candidates::update_agents(), conflicts_with_all = ["url", "vendor"])]
    update_agent: Option<String>,
    /// Update from this URL, http or https
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url, conflicts_with = "vendor")]
    url: Option<String>,
    /// Update from the vendor source
    #[arg(long)]
    vendor: bool,
    /// The classes that the URL has [default: all three]
    #[arg(long, value_delimiter = ',', value_name = "CLASS,…", requires = "url", value_parser = class_words())]
    classes: Option<Vec<String>>,
    /// Do not look from this machine whether a repository is at the URL
    #[arg(long, requires = "url")]
    no_check: bool,
}

impl SourceArguments {
    fn document(self) -> Option<SourceDocument> {
        match (self.update_agent, self.url, self.vendor) {
            (Some(id), _, _) => Some(SourceDocument::UpdateAgent(id)),
            (None, Some(url), _) => Some(SourceDocument::Url { url, classes: self.classes }),
            (None, None, true) => Some(SourceDocument::Vendor),
            (None, None, false) => None,
        }
    }
}

/// Arguments of `sources options`.
#[derive(Debug, Args)]
pub struct OptionsArguments {
    /// Whether clients fall back to the server for components
    #[arg(long, value_name = "on|off", value_parser = switch_parser())]
    server_fallback_components: Option<bool>,
    /// Whether clients fall back to the server for settings
    #[arg(long, value_name = "on|off", value_parser = switch_parser())]
    server_fallback_settings: Option<bool>,
    /// Whether clients fall back to the server for programs
    #[arg(long, value_name = "on|off", value_parser = switch_parser())]
    server_fallback_programs: Option<bool>,
    /// Whether update agents update from the server alone
    #[arg(long, value_name = "on|off", value_parser = switch_parser())]
    update_agents_from_server_only: Option<bool>,
    /// When clients fall back to the vendor source
    #[arg(long, value_name = "WHEN", value_parser = vendor_fallback_words())]
    vendor_fallback: Option<String>,
}

impl OptionsArguments {
    fn apply(&self, options: &OptionsDocument) -> OptionsDocument {
        let mut options = options.clone();
        let fallback = &mut options.server_fallback;
        let switches = [
            (self.server_fallback_components, &mut fallback.components),
            (self.server_fallback_settings, &mut fallback.settings),
            (self.server_fallback_programs, &mut fallback.programs),
            (self.update_agents_from_server_only, &mut options.update_agents_from_server_only),
        ];
        for (wanted, switch) in switches {
            *switch = wanted.unwrap_or(*switch);
        }
        if let Some(vendor_fallback) = &self.vendor_fallback {
            options.vendor_fallback.clone_from(vendor_fallback);
        }
        options
    }
}

/// Adds an entry.
pub async fn add(draft_client: &DraftClient, arguments: AddArguments) -> Result<(), Failure> {
    let selector = SelectorDocument { ipv4: arguments.selector.ipv4, ipv6: arguments.selector.ipv6 };
    if selector == SelectorDocument::default() {
        return Err(Failure::bad_input("an entry must select some clients")
            .with_hint("give --ipv4 FIRST-LAST, --ipv6 PREFIX/LENGTH, or both"));
    }
    let no_check = arguments.source.no_check;
    let Some(source) = arguments.source.document() else {
        return Err(Failure::bad_input("an entry must name a source")
            .with_hint("give --update-agent ID, --url URL or --vendor"));
    };
    let entry = EntryDocument { clients: selector, source: source.clone() };
    apply(draft_client, Edit::Add { entry, at: arguments.at }, None).await?;
    look_at_source(draft_client, &source, no_check).await;
    Ok(())
}

/// Says what is at the URL of an entry that was just added or changed. Nothing there is no error: it may come later, or this
/// machine may not reach it.
async fn look_at_source(draft_client: &DraftClient, source: &SourceDocument, no_check: bool) {
    let SourceDocument::Url { url, classes } = source else { return };
    if no_check {
        return;
    }
    let words = classes.as_ref().map_or_else(
        || Class::ALL.to_vec(),
        |words| words.iter().filter_map(|word| word.parse().ok()).collect(),
    );
    // Without the right to see the keys, whose repository it is stays open.
    let ours: Option<KeysView> = draft_client.api.get("/api/v1/keys").await.ok();
    #[expect(
        clippy::disallowed_methods,
        reason = "what has expired is reported at the moment of the command"
    )]
    let (found, warnings) = look(url, &words, ours.as_ref(), Timestamp::now()).await;
    draft_client.output.looked(&found, &warnings);
}

/// Changes an entry.
pub async fn edit(draft_client: &DraftClient, arguments: EditArguments) -> Result<(), Failure> {
    let draft = draft_client.draft().await?;
    let index = usize::try_from(arguments.number).ok().and_then(|number| number.checked_sub(1));
    let Some(mut entry) = index.and_then(|index| draft.policy.entries.get(index)).cloned() else {
        let count = counted(draft.policy.entries.len(), "entry");
        return Err(Failure::bad_input(format!(
            "there is no entry {}: the list has {count}",
            arguments.number
        ))
        .with_hint("`headwater sources list` shows the numbers"));
    };
    let clients = &mut entry.clients;
    clients.ipv4 = arguments.selector.ipv4.or(clients.ipv4.take()).filter(|_| !arguments.no_ipv4);
    clients.ipv6 = arguments.selector.ipv6.or(clients.ipv6.take()).filter(|_| !arguments.no_ipv6);
    let no_check = arguments.source.no_check;
    let changed = arguments.source.document();
    if let Some(source) = &changed {
        entry.source = source.clone();
    }
    let edit = Edit::Edit { number: arguments.number, entry };
    apply(draft_client, edit, Some(draft.revision)).await?;
    if let Some(source) = changed {
        look_at_source(draft_client, &source, no_check).await;
    }
    Ok(())
}

/// Removes entries.
pub async fn remove(draft_client: &DraftClient, numbers: Vec<u32>) -> Result<(), Failure> {
    apply(draft_client, Edit::Remove { numbers }, None).await
}

/// Moves an entry.
pub async fn move_entry(draft_client: &DraftClient, arguments: &MoveArguments) -> Result<(), Failure> {
    let number = arguments.number;
    let edit = match (arguments.to.up, arguments.to.to) {
        (_, Some(to)) => Edit::MoveTo { number, to },
        (true, None) => Edit::MoveUp { number },
        (false, None) => Edit::MoveDown { number },
    };
    apply(draft_client, edit, None).await
}

/// Sets the mode.
pub async fn set_mode(draft_client: &DraftClient, mode: String) -> Result<(), Failure> {
    apply(draft_client, Edit::SetMode { mode }, None).await
}

/// Shows the options, or sets those that are given.
pub async fn options(draft_client: &DraftClient, arguments: &OptionsArguments) -> Result<(), Failure> {
    let draft = draft_client.draft().await?;
    let options = arguments.apply(&draft.policy.options);
    if options == draft.policy.options {
        draft_client.output.result(&draft.policy.options, show::options);
        return Ok(());
    }
    apply(draft_client, Edit::SetOptions { options }, Some(draft.revision)).await
}

async fn apply(
    draft_client: &DraftClient,
    edit: Edit,
    expected_revision: Option<u64>,
) -> Result<(), Failure> {
    let request = EditsRequest { edits: vec![edit], expected_revision };
    let draft: DraftView =
        draft_client.api.call(Method::POST, &draft_client.address("/edits"), &request).await?;
    let last = u32::try_from(draft.policy.entries.len()).unwrap_or(u32::MAX);
    show_after_edit(draft_client, &draft, &positions(&request.edits, last));
    Ok(())
}

/// The positions of the edits in the list as it is afterwards; `last` is its last number.
fn positions(edits: &[Edit], last: u32) -> Vec<u32> {
    let of_one = |edit: &Edit| match edit {
        Edit::Add { at, .. } => vec![at.unwrap_or(last)],
        Edit::Edit { number, .. } => vec![*number],
        Edit::Remove { numbers } => {
            let mut numbers = numbers.clone();
            numbers.sort_unstable();
            // Each removal moves the entries below it up.
            numbers.iter().zip(0..).map(|(number, before)| number.saturating_sub(before).min(last)).collect()
        }
        Edit::MoveUp { number } => vec![number.saturating_sub(1)],
        Edit::MoveDown { number } => vec![number.saturating_add(1)],
        Edit::MoveTo { number, to } => vec![*number, *to],
        Edit::SetMode { .. } | Edit::SetOptions { .. } => vec![],
    };
    edits.iter().flat_map(of_one).collect()
}

/// Shows the draft after an edit of the entries at `positions`, and the next step.
pub fn show_after_edit(draft_client: &DraftClient, draft: &DraftView, positions: &[u32]) {
    draft_client.output.result(draft, |draft| show::edited(draft, positions, &draft_client.flag()));
    draft_client.next_after_edit();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_position_of_an_edit_is_that_in_the_list_afterwards() {
        let check = |edit: serde_json::Value, expected: &[u32]| {
            let edit: Edit = serde_json::from_value(edit).unwrap();
            assert_eq!(positions(std::slice::from_ref(&edit), 30), expected, "{edit:?}");
        };
        let entry = serde_json::json!({"clients": {"ipv4": "10.0.0.1"}, "source": "vendor"});
        check(serde_json::json!({"op": "add", "entry": entry}), &[30]);
        check(serde_json::json!({"op": "add", "entry": entry, "at": 4}), &[4]);
        check(serde_json::json!({"op": "remove", "numbers": [9, 4, 31]}), &[4, 8, 29]);
        check(serde_json::json!({"op": "remove", "numbers": [31]}), &[30]);
        check(serde_json::json!({"op": "move_up", "number": 9}), &[8]);
        check(serde_json::json!({"op": "move_down", "number": 9}), &[10]);
        check(serde_json::json!({"op": "move_to", "number": 9, "to": 2}), &[9, 2]);
        check(serde_json::json!({"op": "set_mode", "mode": "standard"}), &[]);
    }
}
