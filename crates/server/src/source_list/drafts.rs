//! Drafts, once for everything that is drafted: the source list, and the settings of one domain (S2, S6, S7).
//!
//! A draft has an owner, a name, the saved version that it began from, and a revision that counts its edits, so that two
//! people do not overwrite one another unseen. A request that names no owner means the caller's own draft; one that names
//! an owner means theirs, which must be stored (S9). A draft that is not stored is what is saved now. What an edit means,
//! and when a draft may be saved, is decided for each subject apart (`policy_drafts`, `settings_drafts`).

use jiff::Timestamp;

use crate::audit::Record;
use crate::caller::{Caller, DraftOwner};
use crate::db::{Connection, Tx};
use crate::error::{DraftLabel, Refusal, Result};
use crate::limits;

/// Which draft is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftId {
    owner: DraftOwner,
    name: String,
    /// It is not the caller's.
    is_anothers: bool,
}

impl DraftId {
    /// The caller's draft of a name, or that of another `owner`.
    ///
    /// # Errors
    /// A refusal for what is no name of a draft.
    pub fn new(caller: &Caller, name: String, owner: Option<String>) -> Result<Self> {
        check_name(&name)?;
        let own = caller.actor.draft_owner();
        Ok(match owner.filter(|owner| *owner != own.key) {
            None => Self { owner: own, name, is_anothers: false },
            Some(key) => {
                let owner = DraftOwner { name: key.clone(), key };
                Self { owner, name, is_anothers: true }
            }
        })
    }

    /// Whose it is, and its name.
    pub(super) fn key(&self) -> (&str, &str) {
        (&self.owner.key, &self.name)
    }

    /// What refusals call it.
    pub(super) fn refused(&self) -> DraftLabel {
        let owner = self.is_anothers.then(|| self.owner.key.clone());
        DraftLabel { name: self.name.clone(), owner }
    }

    /// What the audit log calls it: the owner is named if it is not the caller.
    pub(super) fn label(&self, domain: Option<&str>) -> String {
        let owner = if self.is_anothers { format!(" ({}'s)", self.owner.key) } else { String::new() };
        let domain = domain.map_or_else(String::new, |domain| format!(" of {domain}"));
        format!("{}{owner}{domain}", self.name)
    }
}

/// A draft.
#[derive(Debug, Clone)]
pub(super) struct NamedDraft<C> {
    /// Whose it is.
    pub owner: DraftOwner,
    /// Its name.
    pub name: String,
    /// The saved version that it began from.
    pub base_version: u64,
    /// Counts its edits; 0: it is not stored.
    pub revision: u64,
    /// When it was last edited.
    pub edited: Timestamp,
    /// What it would save.
    pub content: C,
}

impl<C> NamedDraft<C> {
    /// When it was last edited; `None` if it is not stored.
    pub fn last_edited(&self) -> Option<Timestamp> {
        (self.revision > 0).then_some(self.edited)
    }
}

/// What drafts are of.
pub(super) trait Subject {
    /// What a draft holds.
    type Content;
    /// The entry of the audit log when one is discarded.
    const DISCARD: &'static str;
    /// What there may be no more of than [`Self::DRAFTS_MAX`].
    const DRAFTS: &'static str;
    /// How many there may be.
    const DRAFTS_MAX: u64;
    /// What helps where there are too many.
    const TOO_MANY_HINT: &'static str;
    /// What helps where there is no draft of a name.
    const MISSING_HINT: &'static str;

    /// The version that is saved now, and its content.
    fn saved(&self) -> (u64, Self::Content);
    /// The domain; `None` if the subject is the source list.
    fn domain(&self) -> Option<&str>;
    /// Reads a stored draft.
    async fn load(&self, db: &mut Connection, id: &DraftId) -> Result<Option<NamedDraft<Self::Content>>>;
    /// How many are stored, of all subjects of this kind.
    async fn count(db: &mut Connection) -> Result<u64>;
    /// Stores a draft.
    async fn put(&self, tx: &mut Tx, draft: &NamedDraft<Self::Content>) -> Result<()>;
    /// Deletes a stored draft; returns whether there was one.
    async fn delete(&self, tx: &mut Tx, id: &DraftId) -> Result<bool>;

    /// That there is no such draft.
    fn missing(&self, id: &DraftId) -> Refusal {
        Refusal::NotFound { what: "draft", name: id.label(self.domain()), hint: Self::MISSING_HINT }
    }
}

/// A draft as it is stored, or a new one of the caller's over what is saved.
///
/// # Errors
/// A refusal where another's is meant and there is none.
pub(super) async fn open<S: Subject>(
    db: &mut Connection,
    subject: &S,
    id: &DraftId,
) -> Result<NamedDraft<S::Content>> {
    if let Some(stored) = subject.load(db, id).await? {
        return Ok(stored);
    }
    if id.is_anothers {
        return Err(subject.missing(id).into());
    }
    let (base_version, content) = subject.saved();
    Ok(NamedDraft {
        owner: id.owner.clone(),
        name: id.name.clone(),
        base_version,
        revision: 0,
        edited: Timestamp::UNIX_EPOCH,
        content,
    })
}

/// Refuses an edit of a draft that somebody else edited since.
///
/// # Errors
/// [`Refusal::DraftChanged`].
pub(super) fn expect_revision<S: Subject>(
    subject: &S,
    (id, draft): (&DraftId, &NamedDraft<S::Content>),
    expected: Option<u64>,
) -> Result<()> {
    match expected {
        Some(expected) if expected != draft.revision => {
            let (draft, revision) = (id.refused(), draft.revision);
            let domain = subject.domain().map(str::to_owned);
            Err(Refusal::DraftChanged { draft, domain, revision, expected }.into())
        }
        _ => Ok(()),
    }
}

/// Stores a draft that was edited, as its next revision; it was opened in `tx`.
///
/// # Errors
/// A refusal when there are too many drafts.
pub(super) async fn store<S: Subject>(
    mut tx: Tx,
    subject: &S,
    mut draft: NamedDraft<S::Content>,
    audit_entry: Record,
) -> Result<NamedDraft<S::Content>> {
    if draft.revision == 0 && S::count(&mut tx).await? >= S::DRAFTS_MAX {
        return Err(Refusal::TooLarge {
            what: S::DRAFTS.to_owned(),
            limit: S::DRAFTS_MAX,
            unit: "drafts",
            hint: S::TOO_MANY_HINT,
        }
        .into());
    }
    draft.revision += 1;
    draft.edited = audit_entry.time;
    subject.put(&mut tx, &draft).await?;
    tx.commit(audit_entry).await?;
    Ok(draft)
}

/// Throws a draft away.
///
/// # Errors
/// A refusal when there is none.
pub(super) async fn discard<S: Subject>(
    mut tx: Tx,
    subject: &S,
    id: &DraftId,
    caller: &Caller,
) -> Result<()> {
    if !subject.delete(&mut tx, id).await? {
        return Err(subject.missing(id).into());
    }
    Ok(tx.commit(caller.audit_entry(S::DISCARD, id.label(subject.domain()))).await?)
}

/// Refuses what is no name of a draft.
fn check_name(name: &str) -> Result<()> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
    if name.is_empty() || name.len() > limits::DRAFT_NAME_CHARS_MAX || !name.chars().all(fits) {
        return Err(Refusal::invalid(format!(
            "`{}` is not a valid name of a draft: use 1 to {} letters, digits and -_.@",
            name.escape_debug(),
            limits::DRAFT_NAME_CHARS_MAX
        ))
        .into());
    }
    Ok(())
}

/// The comment on a version; empty where none was given.
pub(super) fn check_comment(comment: Option<String>) -> Result<String> {
    let comment = comment.unwrap_or_default();
    if comment.chars().count() > limits::COMMENT_CHARS_MAX {
        return Err(Refusal::invalid(format!(
            "comment: it is longer than {} characters; shorten it",
            limits::COMMENT_CHARS_MAX
        ))
        .into());
    }
    Ok(comment)
}
