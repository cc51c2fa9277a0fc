//! Drafts of the source list: edit, import, save, restore (S2, S6, S7).
//!
//! A draft is of the mode, the options and the entries. Server, vendor source and update agents are always those of the
//! saved policy, so giving a client the role does not make anybody's draft outdated.

use headwater_api::policy::{EntryDocument, PolicyDocument};
use headwater_api::v1::{DraftView, Edit, SavedAnswer};
use headwater_policy::{EditRefusal, Policy, PolicyDraft, Problem, SaveDecision, decide_save, diff_policies};
use headwater_publisher::ChangeLock;
use serde_json::json;

use super::drafts::{self, DraftId, Subject, check_comment};
use super::policies::{Current, changes, invalid_list, read_saved, saved_version};
use super::service::SourceListService;
use crate::audit::Record;
use crate::caller::Caller;
use crate::db::policies::{self as rows, StoredDraft};
use crate::db::{Connection, Tx};
use crate::error::{Refusal, Result};
use crate::limits;

/// A draft over today's server, vendor source and update agents.
#[derive(Debug, Clone)]
pub(super) struct Open {
    /// As stored.
    pub stored: drafts::NamedDraft<PolicyDocument>,
    /// What it would be saved as, checked piece by piece only.
    pub draft: PolicyDraft,
}

impl SourceListService {
    /// A draft; one that does not exist is the saved policy.
    ///
    /// # Errors
    /// A refusal for a bad name.
    pub async fn draft_view(&self, id: &DraftId) -> Result<DraftView> {
        let mut db = self.db.connection().await?;
        let current = self.current_in(&mut db).await?;
        let open = open_draft(&mut db, id, &current).await?;
        Ok(view(&open, &current, Vec::new()))
    }

    /// Every stored draft.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn draft_views(&self) -> Result<Vec<DraftView>> {
        let current = self.current().await?;
        let drafts = self.db.drafts().await?;
        drafts
            .into_iter()
            .map(|stored| {
                let stored = of_row(stored);
                let draft = over(&current.policy, &stored.content)?;
                Ok(view(&Open { stored, draft }, &current, Vec::new()))
            })
            .collect()
    }

    /// Makes edits in a draft: all or none.
    ///
    /// # Errors
    /// Refusals for an edit that cannot be made (S2) and for a draft that somebody else edited.
    pub async fn edit_draft(
        &self,
        id: &DraftId,
        edits: Vec<Edit>,
        expected_revision: Option<u64>,
        caller: &Caller,
    ) -> Result<DraftView> {
        if edits.len() > limits::EDITS_MAX {
            return Err(Refusal::TooLarge {
                what: "the number of edits".to_owned(),
                limit: limits::EDITS_MAX as u64,
                unit: "edits",
                hint: "import the whole list instead",
            }
            .into());
        }
        let (_change, mut tx, current) = self.begin_policy().await?;
        let mut open = open_draft(&mut tx, id, &current).await?;
        drafts::expect_revision(&Drafted(&current), (id, &open.stored), expected_revision)?;
        let audit_entry = caller.audit_entry("draft.edit", id.label(None)).after(json!({"edits": edits}));
        for edit in edits {
            apply(&mut open.draft, edit)?;
        }
        let notes = unsaveable(&open.draft);
        store_draft(tx, open, &current, notes, audit_entry).await
    }

    /// Replaces the content of a draft by a whole document.
    ///
    /// # Errors
    /// A refusal with everything in the document that cannot be read, by entry. What only keeps it from being saved is noted.
    pub async fn import_draft(
        &self,
        id: &DraftId,
        document: &PolicyDocument,
        expected_revision: Option<u64>,
        caller: &Caller,
    ) -> Result<DraftView> {
        let (_change, mut tx, current) = self.begin_policy().await?;
        let mut open = open_draft(&mut tx, id, &current).await?;
        drafts::expect_revision(&Drafted(&current), (id, &open.stored), expected_revision)?;
        let imported = document.read().map_err(invalid_list)?;
        let mut notes = not_taken(&current.policy, &imported);
        open.draft.mode = imported.mode;
        open.draft.options = imported.options;
        open.draft.entries = imported.entries;
        notes.extend(unsaveable(&open.draft));
        let audit_entry = caller
            .audit_entry("draft.import", id.label(None))
            .after(json!({"entries": open.draft.entries.len()}));
        store_draft(tx, open, &current, notes, audit_entry).await
    }

    /// Begins a change of the policy: waits for its turn, and reads what is saved.
    async fn begin_policy(&self) -> Result<(ChangeLock, Tx, Current)> {
        let change = self.publishing.change().await;
        let mut tx = self.db.begin().await?;
        let current = self.current_in(&mut tx).await?;
        Ok((change, tx, current))
    }

    /// Throws a draft away.
    ///
    /// # Errors
    /// A refusal when there is none.
    pub async fn discard_draft(&self, id: &DraftId, caller: &Caller) -> Result<()> {
        let (_change, tx, current) = self.begin_policy().await?;
        drafts::discard(tx, &Drafted(&current), id, caller).await
    }

    /// Publishes a draft as one new signed version (S7).
    ///
    /// # Errors
    /// Refusals for a list with errors in it, and when somebody saved since the draft began, with what changed.
    pub async fn save_draft(
        &self,
        id: &DraftId,
        comment: Option<String>,
        over_version: Option<u64>,
        caller: &Caller,
    ) -> Result<SavedAnswer> {
        let comment = check_comment(comment)?;
        let warnings = self.preview(id).await?.warnings;
        let (_change, mut tx, current) = self.begin_policy().await?;
        let open = open_draft(&mut tx, id, &current).await?;
        let next = open.draft.clone().into_policy().map_err(invalid_list)?;
        let base = base(&mut tx, &open.stored, &current, over_version).await?;
        let base_policy = base.as_ref().map(|base| &base.policy);
        let base_version = base.as_ref().map_or(0, |base| base.saved.version);
        match decide_save(&next, base_version, base_policy, Some((current.saved.version, &current.policy))) {
            SaveDecision::Outdated { base, current, changes: since } => Err(Refusal::DraftOutdated {
                draft: id.refused(),
                base_version: base,
                saved_version: current,
                changes: since.as_ref().map(changes).unwrap_or_default(),
            }
            .into()),
            SaveDecision::Unchanged => {
                Drafted(&current).delete(&mut tx, id).await?;
                tx.commit(caller.audit_entry("draft.discard", id.label(None))).await?;
                Ok(SavedAnswer {
                    version: current.saved.version,
                    unchanged: true,
                    changes: Vec::new(),
                    warnings,
                })
            }
            SaveDecision::Publish { changes: diff, .. } => {
                Drafted(&current).delete(&mut tx, id).await?;
                let root = current.saved.vendor_root.clone();
                let audit_entry = caller.audit_entry("sources.save", id.label(None));
                let version = self.save_policy(tx, &current, &next, root, comment, audit_entry).await?;
                Ok(SavedAnswer { version, unchanged: false, changes: changes(&diff), warnings })
            }
        }
    }

    /// Publishes the mode, options and entries of an earlier version as a new one (S7).
    ///
    /// # Errors
    /// Refusals when that version is not there, when the saved version is not the expected one, and when its entries
    /// name what no longer exists.
    pub async fn restore(
        &self,
        version: u64,
        expected_version: u64,
        comment: Option<String>,
        caller: &Caller,
    ) -> Result<SavedAnswer> {
        let comment = check_comment(comment)?;
        let (_change, mut tx, current) = self.begin_policy().await?;
        if current.saved.version != expected_version {
            let refusal =
                Refusal::VersionMoved { saved_version: current.saved.version, expected: expected_version };
            return Err(refusal.into());
        }
        let earlier = saved_version(&mut tx, version).await?;
        let next = over(&current.policy, &earlier.document)?.into_policy().map_err(invalid_list)?;
        let diff = diff_policies(&current.policy, &next);
        let comment = if comment.is_empty() { format!("version {version} restored") } else { comment };
        let root = current.saved.vendor_root.clone();
        let audit_entry = caller.audit_entry("sources.restore", format!("version {version}"));
        let saved = self.save_policy(tx, &current, &next, root, comment, audit_entry).await?;
        let unchanged = saved == current.saved.version;
        Ok(SavedAnswer { version: saved, unchanged, changes: changes(&diff), warnings: Vec::new() })
    }
}

/// A draft as it is stored, or a new one over the saved policy.
pub(super) async fn open_draft(db: &mut Connection, id: &DraftId, current: &Current) -> Result<Open> {
    let stored = drafts::open(db, &Drafted(current), id).await?;
    let draft = over(&current.policy, &stored.content)?;
    Ok(Open { stored, draft })
}

async fn store_draft(
    tx: Tx,
    mut open: Open,
    current: &Current,
    notes: Vec<String>,
    audit_entry: Record,
) -> Result<DraftView> {
    open.stored.content = PolicyDocument::of(&open.draft);
    let audit_entry = audit_entry.before(json!({"revision": open.stored.revision}));
    open.stored = drafts::store(tx, &Drafted(current), open.stored, audit_entry).await?;
    Ok(view(&open, current, notes))
}

/// The version that a draft began from; the current one where nothing that a draft is of differs, or where the
/// administrator has seen it.
async fn base(
    db: &mut Connection,
    stored: &drafts::NamedDraft<PolicyDocument>,
    current: &Current,
    over_version: Option<u64>,
) -> Result<Option<Current>> {
    if stored.base_version == current.saved.version || over_version == Some(current.saved.version) {
        return Ok(Some(current.clone()));
    }
    let Some(base) = db.policy(stored.base_version).await? else { return Ok(None) };
    let part = |document: &PolicyDocument| {
        (document.mode.clone(), document.options.clone(), document.entries.clone())
    };
    if part(&base.document) == part(&current.saved.document) {
        return Ok(Some(current.clone()));
    }
    read_saved(base).map(Some)
}

/// The source list as a subject of drafts.
struct Drafted<'a>(&'a Current);

impl Subject for Drafted<'_> {
    type Content = PolicyDocument;
    const DISCARD: &'static str = "draft.discard";
    const DRAFTS: &'static str = "the number of drafts";
    const DRAFTS_MAX: u64 = limits::DRAFTS_MAX;
    const TOO_MANY_HINT: &'static str = "discard one that nobody needs";
    const MISSING_HINT: &'static str = "look at the list of drafts";

    fn saved(&self) -> (u64, PolicyDocument) {
        (self.0.saved.version, self.0.saved.document.clone())
    }

    fn domain(&self) -> Option<&str> {
        None
    }

    async fn load(
        &self,
        db: &mut Connection,
        id: &DraftId,
    ) -> Result<Option<drafts::NamedDraft<PolicyDocument>>> {
        let (owner, name) = id.key();
        Ok(db.draft(owner, name).await?.map(of_row))
    }

    async fn count(db: &mut Connection) -> Result<u64> {
        Ok(db.drafts_count().await?)
    }

    async fn put(&self, tx: &mut Tx, draft: &drafts::NamedDraft<PolicyDocument>) -> Result<()> {
        let drafts::NamedDraft { owner, name, base_version, revision, edited, content } = draft.clone();
        let row = StoredDraft { owner, name, base_version, revision, edited, document: content };
        Ok(rows::put_draft(tx, &row).await?)
    }

    async fn delete(&self, tx: &mut Tx, id: &DraftId) -> Result<bool> {
        let (owner, name) = id.key();
        Ok(rows::delete_draft(tx, owner, name).await?)
    }
}

fn of_row(row: StoredDraft) -> drafts::NamedDraft<PolicyDocument> {
    let StoredDraft { owner, name, base_version, revision, edited, document } = row;
    drafts::NamedDraft { owner, name, base_version, revision, edited, content: document }
}

/// The mode, options and entries of a document over everything else of a policy.
pub(super) fn over(current: &Policy, document: &PolicyDocument) -> Result<PolicyDraft> {
    let own = document.read().map_err(invalid_list)?;
    Ok(PolicyDraft { mode: own.mode, options: own.options, entries: own.entries, ..current.to_draft() })
}

fn apply(draft: &mut PolicyDraft, edit: Edit) -> Result<()> {
    let entry = |number, document: &EntryDocument| document.read(number).map_err(invalid_list);
    let done = match edit {
        Edit::Add { entry: document, at } => {
            let at = at.unwrap_or(draft.entries.len() as u32 + 1);
            draft.entries.insert(at, entry(at, &document)?)
        }
        Edit::Edit { number, entry: document } => {
            let edited = entry(number, &document)?;
            draft.entries.edit(number, edited)
        }
        Edit::Remove { numbers } => draft.entries.remove(&numbers),
        Edit::MoveUp { number } => draft.entries.move_up(number).map(drop),
        Edit::MoveDown { number } => draft.entries.move_down(number).map(drop),
        Edit::MoveTo { number, to } => draft.entries.move_to(number, to).map(drop),
        Edit::SetMode { mode } => {
            draft.mode = mode
                .parse()
                .map_err(|error: headwater_policy::ParseError| Refusal::invalid(format!("mode: {error}")))?;
            Ok(())
        }
        Edit::SetOptions { options } => {
            draft.options = options.read().map_err(Refusal::Invalid)?;
            Ok(())
        }
    };
    done.map_err(refused_edit)
}

fn refused_edit(refusal: EditRefusal) -> crate::error::Error {
    // The message names the entry that there is not.
    invalid_list(vec![Problem::general(refusal.to_string())])
}

/// What keeps a draft from being saved. It is stored all the same, so that it can be corrected entry by entry.
fn unsaveable(draft: &PolicyDraft) -> Vec<String> {
    draft.problems().iter().map(|problem| format!("cannot be saved yet: {problem}")).collect()
}

fn not_taken(current: &Policy, imported: &PolicyDraft) -> Vec<String> {
    let mut notes = Vec::new();
    if *current.server() != imported.server {
        notes.push(format!("the server stays {}; it is where this server listens", current.server()));
    }
    if current.vendor() != imported.vendor.as_ref() {
        notes.push("the vendor source stays as it is; set it with its root metadata".to_owned());
    }
    if *current.update_agents() != imported.update_agents {
        notes
            .push("the update agents stay as they are; give or take the role by client or domain".to_owned());
    }
    if !imported.own_components.is_empty() && current.own_components() != &imported.own_components {
        notes.push(
            "the names of the organisation's own components stay: they are what is published here".to_owned(),
        );
    }
    notes
}

fn view(open: &Open, current: &Current, notes: Vec<String>) -> DraftView {
    DraftView {
        owner: open.stored.owner.key.clone(),
        owner_name: open.stored.owner.name.clone(),
        name: open.stored.name.clone(),
        base_version: open.stored.base_version,
        saved_version: current.saved.version,
        revision: open.stored.revision,
        edited: open.stored.last_edited(),
        policy: PolicyDocument::of(&open.draft),
        notes,
    }
}
