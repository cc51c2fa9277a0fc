//! Drafts and saved versions of what is set at a domain: edit, save, history, restore (S7).
//!
//! A version is of what is set at one domain explicitly, never of what its clients get: saving a domain makes new documents
//! for those below it, and nobody's draft of theirs outdated by it.

use headwater_api::v1::{
    DomainSettings, RestoreRequest, SaveRequest, SavedSettings, SettingChangeView, SettingsDraft,
    SettingsEdit, SettingsHistoryAnswer, SettingsHistoryItem, SettingsSaved, SettingsSetRequest,
};
use headwater_policy::{SaveDecision, decide_settings_save, diff_settings};
use headwater_publisher::ChangeLock;

use super::domain_documents::{audit_value, no_domain, parse_domain};
use super::domain_settings::{apply, changes, changes_between, check, explicit};
use super::domains::Changed;
use super::drafts::{self, DraftId, NamedDraft, Subject, check_comment};
use super::service::SourceListService;
use super::withheld::{changes_without_values, without_values};
use crate::audit::Record;
use crate::caller::{AdministratorRole, Caller};
use crate::db::domain_settings::{self as rows, StoredSettingsDraft, StoredVersion, VersionLine};
use crate::db::domains::DomainRow;
use crate::db::{Connection, Tx};
use crate::error::{Refusal, Result};
use crate::limits;
use crate::request::page;

/// What is to be saved, and from where it began.
struct Saving {
    /// The draft that it removes; `None` if it is one step beside all drafts.
    draft: Option<DraftId>,
    base_version: u64,
    set: DomainSettings,
    comment: String,
    /// What is done, for the audit log.
    audit_entry: Record,
}

impl SourceListService {
    /// A draft as `reader` sees it; one that does not exist is what is saved.
    ///
    /// # Errors
    /// Refusals for an unknown domain and a bad name.
    pub async fn settings_draft(
        &self,
        path: &str,
        id: &DraftId,
        reader: AdministratorRole,
    ) -> Result<SettingsDraft> {
        let mut db = self.db.connection().await?;
        let row = domain_row(&mut db, path).await?;
        let draft = drafts::open(&mut db, &Drafted(&row), id).await?;
        drop(db);
        self.seen_draft(draft, &row, reader).await
    }

    /// Every stored draft of a domain.
    ///
    /// # Errors
    /// A refusal for an unknown domain.
    pub async fn settings_drafts(&self, path: &str, reader: AdministratorRole) -> Result<Vec<SettingsDraft>> {
        let row = self.domain_row(path).await?;
        let mut views = Vec::new();
        for draft in self.db.settings_drafts(&row.path).await? {
            views.push(self.seen_draft(of_row(draft), &row, reader).await?);
        }
        Ok(views)
    }

    /// Makes an edit in a draft: all of it or nothing.
    ///
    /// # Errors
    /// A refusal that names everything wrong, and one for a draft that somebody else edited.
    pub async fn edit_settings_draft(
        &self,
        path: &str,
        id: &DraftId,
        edit: SettingsEdit,
        expected_revision: Option<u64>,
        caller: &Caller,
    ) -> Result<SettingsDraft> {
        let (_change, mut tx, row) = self.begin_settings(path).await?;
        let mut draft = drafts::open(&mut tx, &Drafted(&row), id).await?;
        drafts::expect_revision(&Drafted(&row), (id, &draft), expected_revision)?;
        let before = audit_value(draft.base_version, &draft.content);
        draft.content = apply(&draft.content, edit)?;
        let audit_entry = caller.audit_entry("settings_draft.edit", id.label(Some(&row.path)));
        let audit_entry = audit_entry.before(before).after(audit_value(draft.base_version, &draft.content));
        let draft = drafts::store(tx, &Drafted(&row), draft, audit_entry).await?;
        Ok(view(draft, &row))
    }

    /// Throws a draft away.
    ///
    /// # Errors
    /// A refusal when there is none.
    pub async fn discard_settings_draft(&self, path: &str, id: &DraftId, caller: &Caller) -> Result<()> {
        let (_change, tx, row) = self.begin_settings(path).await?;
        drafts::discard(tx, &Drafted(&row), id, caller).await
    }

    /// Saves a draft as one new version, and publishes what clients get by it (S7).
    ///
    /// # Errors
    /// A refusal when somebody saved since the draft began, with what changed.
    pub async fn save_settings_draft(
        &self,
        path: &str,
        id: &DraftId,
        request: SaveRequest,
        caller: &Caller,
    ) -> Result<SettingsSaved> {
        let comment = check_comment(request.comment)?;
        let (_change, mut tx, row) = self.begin_settings(path).await?;
        let draft = drafts::open(&mut tx, &Drafted(&row), id).await?;
        let seen = request.over_version.filter(|version| *version == row.saved_version);
        let base_version = seen.unwrap_or(draft.base_version);
        let saving = Saving {
            draft: Some(id.clone()),
            base_version,
            set: draft.content,
            comment,
            audit_entry: caller.audit_entry("settings.save", id.label(Some(&row.path))),
        };
        self.save_settings(tx, &row, saving).await
    }

    /// Edits and saves in one step, beside all drafts.
    ///
    /// # Errors
    /// A refusal that names everything wrong, and one when somebody saved since the version that the caller saw.
    pub async fn set_settings(
        &self,
        path: &str,
        request: SettingsSetRequest,
        caller: &Caller,
    ) -> Result<SettingsSaved> {
        let comment = check_comment(request.comment)?;
        let (_change, mut tx, row) = self.begin_settings(path).await?;
        let base = settings_version(&mut tx, &row, request.base_version).await?;
        let set = apply(&base.set, request.edit)?;
        let audit_entry = caller.audit_entry("settings.set", path);
        let saving = Saving { draft: None, base_version: base.version, set, comment, audit_entry };
        self.save_settings(tx, &row, saving).await
    }

    /// Saves an earlier version as a new one (S7).
    ///
    /// # Errors
    /// Refusals when that version is not there, when the saved version is not the expected one, and when a rule has
    /// become stricter than that version.
    pub async fn restore_settings(
        &self,
        path: &str,
        request: RestoreRequest,
        caller: &Caller,
    ) -> Result<SettingsSaved> {
        let RestoreRequest { version, expected_version: expected, comment } = request;
        let comment = check_comment(comment)?;
        let (_change, mut tx, row) = self.begin_settings(path).await?;
        let saved_version = row.saved_version;
        if saved_version != expected {
            return Err(Refusal::VersionMoved { saved_version, expected }.into());
        }
        let set = settings_version(&mut tx, &row, version).await?.set;
        let comment = if comment.is_empty() { format!("version {version} restored") } else { comment };
        let audit_entry = caller.audit_entry("settings.restore", format!("{path} version {version}"));
        let saving = Saving { draft: None, base_version: saved_version, set, comment, audit_entry };
        self.save_settings(tx, &row, saving).await
    }

    /// Saved versions of a domain, newest first.
    ///
    /// # Errors
    /// Refusals for an unknown domain and a page that is too long.
    pub async fn settings_history(
        &self,
        path: &str,
        before: Option<u64>,
        limit: Option<u32>,
    ) -> Result<SettingsHistoryAnswer> {
        let limit = page(limit)?;
        let row = self.domain_row(path).await?;
        let lines = self.db.domain_versions(&row.path, before.unwrap_or(u64::MAX), limit).await?;
        let next = (lines.len() == limit as usize).then(|| lines.last().map(|line| line.version)).flatten();
        let item = |line: VersionLine| SettingsHistoryItem {
            version: line.version,
            saved: line.saved,
            saved_by: line.saved_by,
            comment: line.comment,
            items: line.items,
        };
        Ok(SettingsHistoryAnswer { items: lines.into_iter().map(item).collect(), next })
    }

    /// One saved version of a domain.
    ///
    /// # Errors
    /// Refusals for an unknown domain and a version that is not there.
    pub async fn settings_then(
        &self,
        path: &str,
        version: u64,
        reader: AdministratorRole,
    ) -> Result<SavedSettings> {
        let mut db = self.db.connection().await?;
        let row = domain_row(&mut db, path).await?;
        let StoredVersion { version, saved, saved_by, comment, set } =
            settings_version(&mut db, &row, version).await?;
        drop(db);
        let set = match self.withholds(reader, &row.path, &[&set]).await? {
            true => without_values(set),
            false => set,
        };
        Ok(SavedSettings { domain: row.path, version, saved, saved_by, comment, set })
    }

    /// What changed from one saved version of a domain to another, to the current one, or to a draft.
    ///
    /// # Errors
    /// Refusals for an unknown domain and versions that are not there.
    pub async fn settings_diff(
        &self,
        path: &str,
        from: u64,
        to: Option<u64>,
        draft: Option<&DraftId>,
        reader: AdministratorRole,
    ) -> Result<Vec<SettingChangeView>> {
        let mut db = self.db.connection().await?;
        let row = domain_row(&mut db, path).await?;
        let before = settings_version(&mut db, &row, from).await?.set;
        let after = match (to, draft) {
            (Some(_), Some(_)) => {
                return Err(Refusal::invalid("to and draft exclude each other; give one of them").into());
            }
            (Some(to), None) => settings_version(&mut db, &row, to).await?.set,
            (None, Some(id)) => drafts::open(&mut db, &Drafted(&row), id).await?.content,
            (None, None) => row.set,
        };
        drop(db);
        let diff = diff_settings(&explicit(&before), &explicit(&after));
        Ok(match self.withholds(reader, &row.path, &[&before, &after]).await? {
            true => changes_without_values(diff),
            false => changes(diff),
        })
    }

    /// Begins a change of a domain's settings: waits for its turn, and reads the domain.
    async fn begin_settings(&self, path: &str) -> Result<(ChangeLock, Tx, DomainRow)> {
        let change = self.publishing.change().await;
        let mut tx = self.db.begin().await?;
        let row = domain_row(&mut tx, path).await?;
        Ok((change, tx, row))
    }

    /// The one way to a new version; the caller holds
    /// [`PublishingService::change`](crate::publishing::PublishingService::change).
    async fn save_settings(&self, mut tx: Tx, row: &DomainRow, saving: Saving) -> Result<SettingsSaved> {
        let Saving { draft, base_version, set, comment, audit_entry } = saving;
        check(&set)?;
        let base = match base_version == row.saved_version {
            true => Some(explicit(&row.set)),
            false => tx.domain_version(&row.path, base_version).await?.map(|base| explicit(&base.set)),
        };
        let now_set = (row.saved_version, &explicit(&row.set));
        let (version, diff) =
            match decide_settings_save(&explicit(&set), base_version, base.as_ref(), now_set) {
                SaveDecision::Outdated { base, current, changes: since } => {
                    let refusal = Refusal::SettingsOutdated {
                        domain: row.path.clone(),
                        draft: draft.map(|id| id.refused()),
                        base_version: base,
                        saved_version: current,
                        changes: since.map(changes).unwrap_or_default(),
                    };
                    return Err(refusal.into());
                }
                SaveDecision::Unchanged => (row.saved_version, Vec::new()),
                SaveDecision::Publish { version, changes } => (version, changes),
            };
        if let Some(id) = &draft {
            Drafted(row).delete(&mut tx, id).await?;
        }
        let before = tx.domains().await?;
        let mut after = before.clone();
        let audit_entry =
            audit_entry.before(audit_value(row.saved_version, &row.set)).after(audit_value(version, &set));
        if let Some(changed) = after.iter_mut().find(|other| other.path == row.path) {
            changed.saved_version = version;
            changed.set = set;
        }
        let unchanged = diff.is_empty();
        let domains = self.save_domains(tx, Changed { before: &before, after, comment }, audit_entry).await?;
        if !unchanged {
            tracing::info!(domain = row.path, version, "settings saved");
        }
        Ok(SettingsSaved { domain: row.path.clone(), version, unchanged, changes: changes(diff), domains })
    }

    async fn seen_draft(
        &self,
        draft: NamedDraft<DomainSettings>,
        row: &DomainRow,
        reader: AdministratorRole,
    ) -> Result<SettingsDraft> {
        let withheld = self.withholds(reader, &row.path, &[&row.set, &draft.content]).await?;
        let diff = withheld.then(|| diff_settings(&explicit(&row.set), &explicit(&draft.content)));
        let view = view(draft, row);
        Ok(match diff {
            Some(diff) => {
                SettingsDraft { changes: changes_without_values(diff), set: without_values(view.set), ..view }
            }
            None => view,
        })
    }

    async fn domain_row(&self, path: &str) -> Result<DomainRow> {
        domain_row(&mut self.db.connection().await?, path).await
    }
}

async fn settings_version(db: &mut Connection, row: &DomainRow, version: u64) -> Result<StoredVersion> {
    db.domain_version(&row.path, version).await?.ok_or_else(|| {
        Refusal::NotFound {
            what: "version",
            name: format!("{version} of {}", row.path),
            hint: "look at the history of the domain's settings",
        }
        .into()
    })
}

async fn domain_row(db: &mut Connection, path: &str) -> Result<DomainRow> {
    let path = parse_domain(path)?;
    let found = db.domains().await?.into_iter().find(|row| row.path == path.as_str());
    found.ok_or_else(|| no_domain(path.as_str()))
}

/// The settings of one domain as a subject of drafts.
struct Drafted<'a>(&'a DomainRow);

impl Subject for Drafted<'_> {
    type Content = DomainSettings;
    const DISCARD: &'static str = "settings_draft.discard";
    const DRAFTS: &'static str = "the number of drafts of domains' settings";
    const DRAFTS_MAX: u64 = limits::DOMAIN_DRAFTS_MAX;
    const TOO_MANY_HINT: &'static str = "discard one that nobody needs; the list of domains names them";
    const MISSING_HINT: &'static str = "look at the list of the domain's drafts";

    fn saved(&self) -> (u64, DomainSettings) {
        (self.0.saved_version, self.0.set.clone())
    }

    fn domain(&self) -> Option<&str> {
        Some(&self.0.path)
    }

    async fn load(&self, db: &mut Connection, id: &DraftId) -> Result<Option<NamedDraft<DomainSettings>>> {
        let (owner, name) = id.key();
        Ok(db.settings_draft(&self.0.path, owner, name).await?.map(of_row))
    }

    async fn count(db: &mut Connection) -> Result<u64> {
        Ok(db.settings_drafts_count(None).await?)
    }

    async fn put(&self, tx: &mut Tx, draft: &NamedDraft<DomainSettings>) -> Result<()> {
        let NamedDraft { owner, name, base_version, revision, edited, content } = draft.clone();
        let path = self.0.path.clone();
        let row = StoredSettingsDraft { path, owner, name, base_version, revision, edited, set: content };
        Ok(rows::put_draft(tx, &row).await?)
    }

    async fn delete(&self, tx: &mut Tx, id: &DraftId) -> Result<bool> {
        let (owner, name) = id.key();
        Ok(rows::delete_draft(tx, &self.0.path, owner, name).await?)
    }
}

fn of_row(row: StoredSettingsDraft) -> NamedDraft<DomainSettings> {
    let StoredSettingsDraft { path: _, owner, name, base_version, revision, edited, set } = row;
    NamedDraft { owner, name, base_version, revision, edited, content: set }
}

fn view(draft: NamedDraft<DomainSettings>, row: &DomainRow) -> SettingsDraft {
    SettingsDraft {
        changes: changes_between(&row.set, &draft.content),
        edited: draft.last_edited(),
        domain: row.path.clone(),
        owner: draft.owner.key,
        owner_name: draft.owner.name,
        name: draft.name,
        base_version: draft.base_version,
        saved_version: row.saved_version,
        revision: draft.revision,
        set: draft.content,
    }
}
