//! The domain tree and what its clients get (D1, D2). Each domain has two signed documents, the typed settings with the
//! policy and the rest in class settings; each is made again when what it states has changed. What is set at one domain: `domain_settings` and `settings_drafts`.

use std::collections::BTreeMap;

use headwater_api::settings::DomainDocument;
use headwater_api::v1::{DomainSettings, DomainView, DraftLine};
use headwater_policy::{DOMAINS_MAX, DomainPath, DomainRefusal};
use headwater_repo::Role;
use jiff::Timestamp;

use super::confidential::domain_bytes;
use super::domain_documents::{Part, documents, empty_domain, no_domain, parse_domain, saved_now, tree};
use super::service::SourceListService;
use super::withheld::seen_by;
use crate::audit::Record;
use crate::caller::{AdministratorRole, Caller, DraftOwner};
use crate::db::domain_settings::insert_version;
use crate::db::domains::{self as rows, DomainRow};
use crate::db::{Connection, Tx};
use crate::error::{Error, Refusal, Result};
use crate::publishing::{StagedPublication, failed};

impl SourceListService {
    /// Every domain as `reader` sees it, the root first.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn domain_views(&self, reader: AdministratorRole) -> Result<Vec<DomainView>> {
        let rows = self.db.domains().await?;
        let clients = self.db.clients_by_domain().await?;
        let drafts = self.db.settings_draft_names().await?;
        let views = views(&rows, &clients, &drafts)?;
        Ok(views.into_iter().map(|view| seen_by(reader, view)).collect())
    }

    /// One domain.
    ///
    /// # Errors
    /// A refusal when there is none.
    pub async fn domain_view(&self, path: &str, reader: AdministratorRole) -> Result<DomainView> {
        let path = self.known_domain(&mut self.db.connection().await?, path).await?;
        let views = self.domain_views(reader).await?;
        views.into_iter().find(|view| view.path == path.as_str()).ok_or_else(|| no_domain(path.as_str()))
    }

    /// Adds a domain.
    ///
    /// # Errors
    /// Refusals when it is there already, or the one above it is not.
    pub async fn add_domain(&self, path: &str, caller: &Caller) -> Result<DomainView> {
        let path = parse_domain(path)?;
        {
            let _change = self.publishing.change().await;
            let mut tx = self.db.begin().await?;
            let before = tx.domains().await?;
            tree(&before)?.add(path.clone(), Default::default()).map_err(refused)?;
            let mut domain = empty_domain(&path);
            domain.saved_version += tx.domain_version_last(path.as_str()).await?;
            let mut after = before.clone();
            after.push(domain);
            after.sort_by(|one, other| one.path.cmp(&other.path));
            let comment = "domain added".to_owned();
            let audit_entry = caller.audit_entry("domain.add", &path);
            self.save_domains(tx, Changed { before: &before, after, comment }, audit_entry).await?;
        }
        self.domain_view(path.as_str(), caller.role).await
    }

    /// Removes a domain that is empty (D1).
    ///
    /// # Errors
    /// Refusals for the root, an unknown domain and one that is not empty.
    pub async fn remove_domain(&self, path: &str, caller: &Caller) -> Result<()> {
        let path = parse_domain(path)?;
        let _change = self.publishing.change().await;
        let mut tx = self.db.begin().await?;
        let before = tx.domains().await?;
        let clients = tx.clients_in_domain(path.as_str()).await?;
        let drafts = tx.settings_drafts_count(Some(path.as_str())).await?;
        let many = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        tree(&before)?.remove(&path, many(clients), many(drafts)).map_err(refused)?;
        let after = before.iter().filter(|row| row.path != path.as_str()).cloned().collect();
        let comment = "domain removed".to_owned();
        let audit_entry = caller.audit_entry("domain.remove", &path);
        self.save_domains(tx, Changed { before: &before, after, comment }, audit_entry).await?;
        Ok(())
    }

    /// The domain itself, or the nearest above it that exists; the root if it is no domain at all.
    pub(crate) async fn nearest_domain(&self, db: &mut Connection, text: &str) -> Result<String> {
        let domains = db.domains().await?;
        let path = text.parse::<DomainPath>().unwrap_or_else(|_| DomainPath::root());
        let nearest = path.ancestry().find(|path| domains.iter().any(|row| row.path == path.as_str()));
        Ok(nearest.unwrap_or_else(DomainPath::root).to_string())
    }

    /// A domain that exists, as `db` has it.
    pub(crate) async fn known_domain(&self, db: &mut Connection, path: &str) -> Result<DomainPath> {
        let path = parse_domain(path)?;
        let known = db.domains().await?.iter().any(|row| row.path == path.as_str());
        if known { Ok(path) } else { Err(no_domain(path.as_str())) }
    }

    /// A domain that exists and those below it; `None` for the root, below which every domain is.
    pub(crate) async fn domain_and_below(
        &self,
        db: &mut Connection,
        path: &str,
    ) -> Result<Option<Vec<String>>> {
        let path = self.known_domain(db, path).await?;
        if path.is_root() {
            return Ok(None);
        }
        let below = format!("{path}/");
        let domains = db.domains().await?.into_iter().map(|row| row.path);
        Ok(Some(domains.filter(|other| other == path.as_str() || other.starts_with(&below)).collect()))
    }

    /// Whether the clients of a domain may download from the vendor source (P5).
    pub(crate) async fn vendor_allowed(&self) -> Result<impl Fn(&str) -> bool + use<>> {
        let documents = documents(&self.db.domains().await?)?;
        let allowed: BTreeMap<String, bool> = documents
            .into_iter()
            .map(|document| (document.domain, document.settings.download_from_vendor))
            .collect();
        Ok(move |domain: &str| allowed.get(domain).copied().unwrap_or(false))
    }

    /// Saves a change of the tree or of what is set in it, and signs what clients get by it; `tx` may hold more of the
    /// same change. The caller holds [`PublishingService::change`](crate::publishing::PublishingService::change).
    /// Returns which domains' clients get something new.
    pub(crate) async fn save_domains(
        &self,
        mut tx: Tx,
        changed: Changed<'_>,
        audit_entry: Record,
    ) -> Result<Vec<String>> {
        let Changed { before, mut after, comment } = changed;
        let now = audit_entry.time;
        let version = self.next_settings_version();
        let (old, new) = (documents(before)?, documents(&after)?);
        for (row, document) in after.iter_mut().zip(&new) {
            let is_same = |part: Part| old.iter().any(|old| part.is_same(old, document));
            if !is_same(Part::Typed) {
                row.typed_version = version;
            }
            if !is_same(Part::Free) {
                row.version = version;
            }
        }
        let is_changed = |row: &&DomainRow| row.version == version || row.typed_version == version;
        let changed: Vec<String> = after.iter().filter(is_changed).map(|row| row.path.clone()).collect();
        let removed: Vec<_> =
            before.iter().filter(|row| !after.iter().any(|other| other.path == row.path)).collect();
        let new = documents(&after)?;
        let mut staged = Vec::new();
        for part in Part::ALL {
            staged.extend(self.stage_part(&mut tx, part, (&old, &new), now).await?);
        }
        for row in &removed {
            rows::delete(&mut tx, &row.path).await?;
            crate::db::fleet::delete_domain_keys(&mut tx, &row.path).await?;
            let nothing = DomainRow {
                saved_version: row.saved_version + 1,
                set: DomainSettings::default(),
                ..(*row).clone()
            };
            insert_version(&mut tx, &row.path, &saved_now(&nothing, &comment, &audit_entry)).await?;
        }
        for row in after.iter().filter(|row| !before.contains(row)) {
            rows::put(&mut tx, row).await?;
            if !before.iter().any(|old| old.path == row.path && old.saved_version == row.saved_version) {
                insert_version(&mut tx, &row.path, &saved_now(row, &comment, &audit_entry)).await?;
            }
        }
        self.publishing.commit(tx, staged, audit_entry).await?;
        Ok(changed)
    }
}

impl SourceListService {
    /// The version of whatever this change makes again of the settings of domains. Every change is signed in one of the
    /// two repositories or in both, so that this number only ever grows: a domain that was removed and added again never
    /// seems older than it was.
    pub(super) fn next_settings_version(&self) -> u64 {
        let signed = |part: Part| self.publishing.published(part.repository()).version(Role::Targets);
        Part::ALL.into_iter().map(signed).sum::<u64>() + 1
    }

    /// Signs one of the two documents of each domain for which it differs; `None` if it does for none.
    async fn stage_part(
        &self,
        tx: &mut Tx,
        part: Part,
        (old, new): (&[DomainDocument], &[DomainDocument]),
        now: Timestamp,
    ) -> Result<Option<StagedPublication>> {
        let is_changed = |document: &&DomainDocument| !old.iter().any(|old| part.is_same(old, document));
        let changed: Vec<_> = new.iter().filter(is_changed).collect();
        let is_removed = |document: &&DomainDocument| !new.iter().any(|new| new.domain == document.domain);
        let removed: Vec<_> = old.iter().filter(is_removed).collect();
        if changed.is_empty() && removed.is_empty() {
            return Ok(None);
        }
        let mut draft = self.publishing.draft(part.repository());
        for document in changed {
            let bytes = domain_bytes(tx, part, document, now).await?;
            draft.add(part.target(&document.domain), bytes).map_err(failed(part.repository(), "domain"))?;
        }
        for document in removed {
            draft.remove(&part.target(&document.domain));
        }
        self.publishing.stage(part.repository(), draft, now).map(Some)
    }
}

/// A change of the tree, or of what is set in it. A domain whose saved version differs gets that version.
pub(crate) struct Changed<'a> {
    /// Every domain as it is.
    pub before: &'a [DomainRow],
    /// Every domain as it will be.
    pub after: Vec<DomainRow>,
    /// Why, for the history of the domains that get a new version.
    pub comment: String,
}

fn views(
    rows: &[DomainRow],
    clients: &BTreeMap<String, u64>,
    drafts: &[(String, DraftOwner, String)],
) -> Result<Vec<DomainView>> {
    let view = |(row, effective): (&DomainRow, DomainDocument)| DomainView {
        path: row.path.clone(),
        clients: clients.get(&row.path).copied().unwrap_or(0),
        saved_version: row.saved_version,
        drafts: drafts.iter().filter(|draft| draft.0 == row.path).map(draft_line).collect(),
        set: row.set.clone(),
        effective,
    };
    Ok(rows.iter().zip(documents(rows)?).map(view).collect())
}

fn draft_line((_, owner, name): &(String, DraftOwner, String)) -> DraftLine {
    DraftLine { owner: owner.key.clone(), owner_name: owner.name.clone(), name: name.clone() }
}

fn refused(refusal: DomainRefusal) -> Error {
    match refusal {
        DomainRefusal::Exists(path) => {
            Refusal::Exists { what: "domain", name: path.to_string(), hint: "take another name" }
        }
        DomainRefusal::Alike(path) => Refusal::Exists {
            what: "domain",
            name: path.to_string(),
            hint: "names that differ only in upper and lower case are one name on some disks; choose another name",
        },
        DomainRefusal::Missing(path) | DomainRefusal::NoParent(path) => return no_domain(path.as_str()),
        DomainRefusal::Root => Refusal::NotForRoot("it cannot be removed"),
        DomainRefusal::NotEmpty { domain, clients, domains, drafts } => Refusal::DomainNotEmpty {
            path: domain.to_string(),
            clients: clients as u64,
            domains: domains as u64,
            drafts: drafts as u64,
        },
        DomainRefusal::Full => Refusal::TooLarge {
            what: "the number of domains".to_owned(),
            limit: DOMAINS_MAX as u64,
            unit: "domains",
            hint: "remove one that is empty",
        },
    }
    .into()
}
