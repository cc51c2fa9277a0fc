//! The domain tree and its settings (D1, D2). Each domain has its own signed document, made anew when what its clients
//! get has changed.

use std::collections::BTreeMap;

use headwater_api::settings::{DomainDocument, FORMAT, SettingsDocument};
use headwater_api::v1::{DomainView, SettingsEdit};
use headwater_policy::{Class, DOMAINS_MAX, DomainPath, DomainRefusal, DomainTree, Problem};
use headwater_repo::{FilePath, Role, TargetName};
use jiff::Timestamp;
use serde_json::Value;

use super::App;
use super::policies::invalid;
use super::problems::refuse;
use super::signing::failed;
use crate::db::domains::{self as rows, DomainRow, Extras};
use crate::db::to_json;
use crate::error::{Error, Refusal, Result};
use crate::limits;

impl App {
    /// Every domain, the root first.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn domain_views(&self) -> Result<Vec<DomainView>> {
        let rows = self.db.domains().await?;
        let clients = self.db.clients_by_domain().await?;
        views(&rows, &clients)
    }

    /// One domain.
    ///
    /// # Errors
    /// A refusal when there is none.
    pub async fn domain_view(&self, path: &str) -> Result<DomainView> {
        let path = self.known_domain(path).await?;
        let views = self.domain_views().await?;
        views.into_iter().find(|view| view.path == path.as_str()).ok_or_else(|| no_domain(path.as_str()))
    }

    /// Adds a domain.
    ///
    /// # Errors
    /// Refusals when it is there already, or the one above it is not.
    pub async fn add_domain(&self, path: &str, now: Timestamp) -> Result<DomainView> {
        let path = parse_domain(path)?;
        {
            let _change = self.change().await;
            let before = self.db.domains().await?;
            tree(&before)?.add(path.clone(), Default::default()).map_err(refused)?;
            let mut after = before.clone();
            after.push(empty_domain(&path));
            after.sort_by(|one, other| one.path.cmp(&other.path));
            self.save_domains(&before, after, now).await?;
        }
        self.domain_view(path.as_str()).await
    }

    /// Removes a domain that is empty (D1).
    ///
    /// # Errors
    /// Refusals for the root, an unknown domain and one that is not empty.
    pub async fn remove_domain(&self, path: &str, now: Timestamp) -> Result<()> {
        let path = parse_domain(path)?;
        let _change = self.change().await;
        let before = self.db.domains().await?;
        let clients = self.db.clients_by_domain().await?.get(path.as_str()).copied().unwrap_or(0);
        tree(&before)?.remove(&path, usize::try_from(clients).unwrap_or(usize::MAX)).map_err(refused)?;
        let after = before.iter().filter(|row| row.path != path.as_str()).cloned().collect();
        self.save_domains(&before, after, now).await
    }

    /// Changes what is set at a domain: all or nothing.
    ///
    /// # Errors
    /// A refusal that names everything wrong.
    pub async fn edit_domain(&self, path: &str, edit: SettingsEdit, now: Timestamp) -> Result<DomainView> {
        let path = self.known_domain(path).await?;
        {
            let _change = self.change().await;
            let before = self.db.domains().await?;
            let mut after = before.clone();
            let row = after
                .iter_mut()
                .find(|row| row.path == path.as_str())
                .ok_or_else(|| no_domain(path.as_str()))?;
            apply(row, edit)?;
            self.save_domains(&before, after, now).await?;
        }
        self.domain_view(path.as_str()).await
    }

    /// A domain that exists.
    pub(crate) async fn known_domain(&self, path: &str) -> Result<DomainPath> {
        let path = parse_domain(path)?;
        let known = self.db.domains().await?.iter().any(|row| row.path == path.as_str());
        if known { Ok(path) } else { Err(no_domain(path.as_str())) }
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

    async fn save_domains(
        &self,
        before: &[DomainRow],
        mut after: Vec<DomainRow>,
        now: Timestamp,
    ) -> Result<()> {
        // One number for all documents that this change makes anew: it only ever grows, so that a domain that was
        // removed and added again never seems older than it was.
        let version = self.published(Class::Settings).version(Role::Targets) + 1;
        let old = documents(before)?;
        let new = documents(&after)?;
        for (row, document) in after.iter_mut().zip(&new) {
            let unchanged = old.iter().any(|old| same_content(old, document));
            if !unchanged {
                row.version = version;
            }
        }
        let mut draft = self.draft(Class::Settings);
        for document in documents(&after)?.iter().filter(|document| document.version == version) {
            draft
                .add(domain_target(&document.domain), to_json(document).into_bytes())
                .map_err(failed(Class::Settings, "domain"))?;
        }
        let removed: Vec<_> =
            before.iter().filter(|row| !after.iter().any(|other| other.path == row.path)).collect();
        for row in &removed {
            draft.remove(&domain_target(&row.path));
        }
        let staged = if after.iter().any(|row| row.version == version) || !removed.is_empty() {
            vec![self.stage(Class::Settings, draft, now)?]
        } else {
            Vec::new()
        };
        let mut tx = self.db.begin().await?;
        for row in &removed {
            rows::delete(&mut tx, &row.path).await?;
        }
        for row in after.iter().filter(|row| !before.contains(row)) {
            rows::put(&mut tx, row).await?;
        }
        self.commit(tx, staged).await
    }
}

/// A domain at which nothing is set.
pub(crate) fn empty_domain(path: &DomainPath) -> DomainRow {
    DomainRow { path: path.to_string(), version: 0, settings: BTreeMap::new(), extras: Extras::default() }
}

/// What the clients of each domain get: the nearest explicit value of everything, in the order of the rows.
pub(crate) fn documents(rows: &[DomainRow]) -> Result<Vec<DomainDocument>> {
    let tree = tree(rows)?;
    rows.iter()
        .map(|row| {
            let path: DomainPath = row.path.parse().map_err(corrupt)?;
            let mut extras = Extras::default();
            let above: Vec<_> = path.ancestry().collect();
            for domain in above.iter().rev() {
                if let Some(row) = rows.iter().find(|row| row.path == domain.as_str()) {
                    extras.values.extend(row.extras.values.clone());
                    extras.files.extend(row.extras.files.clone());
                }
            }
            let settings = tree.effective(&path).ok_or_else(|| no_domain(path.as_str()))?;
            Ok(DomainDocument {
                format: FORMAT,
                domain: row.path.clone(),
                version: row.version,
                settings: settings.into(),
                values: extras.values,
                files: extras.files,
            })
        })
        .collect()
}

/// The name of a domain's target.
pub(crate) fn domain_target(path: &str) -> TargetName {
    TargetName::new(format!("domains/{path}.json")).expect("domain paths are target name parts")
}

fn same_content(one: &DomainDocument, other: &DomainDocument) -> bool {
    one.domain == other.domain
        && one.settings == other.settings
        && one.values == other.values
        && one.files == other.files
}

fn views(rows: &[DomainRow], clients: &BTreeMap<String, u64>) -> Result<Vec<DomainView>> {
    let view = |(row, effective): (&DomainRow, DomainDocument)| DomainView {
        path: row.path.clone(),
        clients: clients.get(&row.path).copied().unwrap_or(0),
        settings: row.settings.clone(),
        values: row.extras.values.clone(),
        files: row.extras.files.clone(),
        effective,
    };
    Ok(rows.iter().zip(documents(rows)?).map(view).collect())
}

fn tree(rows: &[DomainRow]) -> Result<DomainTree> {
    let mut domains = Vec::new();
    for row in rows {
        let settings = settings_document(&row.settings)
            .ok()
            .and_then(|document| document.read().ok())
            .ok_or_else(|| Error::Corrupt { what: "domain settings", reason: row.path.clone() })?;
        domains.push((row.path.parse().map_err(corrupt)?, settings));
    }
    DomainTree::new(domains)
        .map_err(|error| Error::Corrupt { what: "domain tree", reason: error.to_string() })
}

fn corrupt(error: headwater_policy::ParseError) -> Error {
    Error::Corrupt { what: "domain path", reason: error.to_string() }
}

fn settings_document(
    settings: &BTreeMap<String, Value>,
) -> std::result::Result<SettingsDocument, serde_json::Error> {
    serde_json::from_value(Value::Object(settings.clone().into_iter().collect()))
}

fn apply(row: &mut DomainRow, edit: SettingsEdit) -> Result<()> {
    for (key, value) in edit.settings {
        // An unknown key is refused even where it is to be cleared.
        let alone = BTreeMap::from([(key.clone(), value.clone())]);
        settings_document(&alone).map_err(|error| Refusal::invalid(format!("settings: {key}: {error}")))?;
        match value {
            Value::Null => row.settings.remove(&key),
            value => row.settings.insert(key, value),
        };
    }
    settings_document(&row.settings)
        .map_err(|error| Refusal::invalid(format!("settings: {error}")))?
        .read()
        .map_err(invalid)?;
    for (name, value) in edit.values {
        match value {
            Value::Null => row.extras.values.remove(&name),
            value => row.extras.values.insert(name, value),
        };
    }
    for (path, text) in edit.files {
        match text {
            None => row.extras.files.remove(&path),
            Some(text) => row.extras.files.insert(path, text),
        };
    }
    check_extras(&row.extras)
}

fn check_extras(extras: &Extras) -> Result<()> {
    let mut problems = Vec::new();
    for name in extras.values.keys() {
        if name.is_empty() || name.len() > limits::EXTRA_NAME_BYTES_MAX || name.chars().any(char::is_control)
        {
            let max = limits::EXTRA_NAME_BYTES_MAX;
            problems.push(Problem::general(format!(
                "values: `{}`: a name has 1 to {max} bytes and no control characters",
                name.escape_debug()
            )));
        }
    }
    for path in extras.files.keys() {
        let file = match FilePath::new(path.as_str()) {
            Ok(file) => file,
            Err(error) => {
                problems.push(Problem::general(format!("files: {error}")));
                continue;
            }
        };
        if let Some(folder) = file.folders().find(|folder| extras.files.contains_key(*folder)) {
            problems
                .push(Problem::general(format!("files: `{folder}` is a file, and the folder of `{path}`")));
        }
    }
    for (what, count) in [("values", extras.values.len()), ("files", extras.files.len())] {
        if count > limits::DOMAIN_EXTRAS_MAX {
            problems.push(Problem::general(format!(
                "{what}: there are {count}, at most {} are taken",
                limits::DOMAIN_EXTRAS_MAX
            )));
        }
    }
    let bytes = to_json(extras).len();
    if bytes > limits::DOMAIN_EXTRAS_BYTES_MAX {
        let max = limits::DOMAIN_EXTRAS_BYTES_MAX;
        problems.push(Problem::general(format!(
            "values and files: they have {bytes} bytes as JSON, at most {max} are taken"
        )));
    }
    refuse(problems)
}

fn parse_domain(path: &str) -> Result<DomainPath> {
    Ok(path.parse().map_err(|error: headwater_policy::ParseError| Refusal::invalid(error.to_string()))?)
}

fn no_domain(path: &str) -> Error {
    Refusal::NotFound {
        what: "domain",
        name: path.to_owned(),
        way_out: "look at the list of domains, or add it first",
    }
    .into()
}

fn refused(refusal: DomainRefusal) -> Error {
    match refusal {
        DomainRefusal::Exists(path) => {
            Refusal::Exists { what: "domain", name: path.to_string(), way_out: "take another name" }
        }
        DomainRefusal::Alike(path) => Refusal::Exists {
            what: "domain",
            name: path.to_string(),
            way_out: "names that differ in upper and lower case alone are taken for one another; take another name",
        },
        DomainRefusal::Missing(path) | DomainRefusal::NoParent(path) => return no_domain(path.as_str()),
        DomainRefusal::Root => Refusal::NotForRoot("it cannot be removed"),
        DomainRefusal::NotEmpty { domain, clients, domains } => Refusal::DomainNotEmpty {
            path: domain.to_string(),
            clients: clients as u64,
            domains: domains as u64,
        },
        DomainRefusal::Full => Refusal::TooLarge {
            what: "the number of domains".to_owned(),
            limit: DOMAINS_MAX as u64,
            unit: "domains",
            way_out: "remove one that is empty",
        },
    }
    .into()
}
