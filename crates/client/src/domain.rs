//! Class settings: the signed policy, and the settings of this client's domain (D1, D2).
//!
//! The policy is in force from here on, for the plans of the classes that follow in the same run. The domain's
//! settings are a release like any other: `settings/current/` holds `values.json` and the domain's files.

use std::collections::BTreeSet;
use std::path::Path;

use headwater_api::report::{ClassResult, Reason};
use headwater_api::settings::{DomainDocument, FORMAT, SignedPolicy};
use headwater_depot::MetadataStore;
use headwater_policy::Class;
use headwater_repo::{Digest, FilePath, Sequence, TargetName, Trusted};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::assemble::blocking;
use crate::classes::{ContentError, Verified};
use crate::content::{target, unusable};
use crate::domain_keys;
use crate::error::Error;
use crate::folder::Owner;
use crate::in_force::policy_of;
use crate::install::{Hooks, Judged, activate, remember};
use crate::machine::{Decision, NameOutcome, decide_document};
use crate::os;
use crate::session::Session;
use crate::slot::{Record, RecordFile, Slot};

/// The file of a domain's values, beside its files.
const VALUES: &str = "values.json";

/// Brings policy and domain settings up to date.
pub(crate) async fn update(
    session: &mut Session,
    verified: &Verified<'_>,
) -> Result<Vec<NameOutcome>, ContentError> {
    let policy = update_policy(session, verified).await?;
    let domain = update_domain(session, verified).await?;
    Ok(vec![policy, domain])
}

async fn update_policy(session: &mut Session, verified: &Verified<'_>) -> Result<NameOutcome, ContentError> {
    let nothing = |message: String| NameOutcome {
        name: "policy".to_owned(),
        result: ClassResult::Current,
        message,
        fault: None,
    };
    let name = TargetName::new("policy.json").expect("policy.json is a target name");
    let Some(description) = verified.trusted.target(&name) else {
        return Ok(nothing(String::new()));
    };
    if description.sha256.is_some() && description.sha256 == session.state.policy_digest {
        return Ok(nothing(String::new()));
    }
    let bytes = target(session, verified, &description).await?;
    let signed: SignedPolicy = read("the policy", &bytes)?;
    let policy = policy_of(&signed.policy).map_err(unusable)?;
    let offered = Sequence::new(signed.version).map_err(unusable)?;
    let had = session.state.policy.as_ref();
    let have = had.and_then(|had| Sequence::new(had.version).ok());
    if let Decision::Backwards { have } = decide_document(have, offered, None) {
        let message = format!("kept policy version {have}; the source has {offered}");
        return Ok(NameOutcome { fault: Some(Reason::Backwards), ..nothing(message) });
    }
    if had.is_some_and(|had| had.vendor_root != signed.vendor_root)
        && let Some(root) = &signed.vendor_root
    {
        forget_another_vendor(&session.folder.metadata(Owner::Vendor, Class::Components), root)?;
    }
    let message = format!("policy updated to version {}", signed.version);
    session.in_force.policy = policy;
    session.state.policy = Some(signed);
    session.state.policy_digest = description.sha256;
    session.save_state()?;
    Ok(NameOutcome { result: ClassResult::Updated, ..nothing(message) })
}

/// Forgets what was believed of a vendor source, where `root` is another's: it says nothing of that one. Of the same
/// one, at whatever address and after whatever pause, it is remembered, for it shall not lead backwards.
fn forget_another_vendor(folder: &Path, root: &serde_json::Value) -> Result<(), ContentError> {
    if !folder.is_dir() {
        return Ok(());
    }
    let kept = MetadataStore::open(folder).and_then(|metadata| metadata.load());
    // What is damaged is put right where it is used.
    let Ok(Some(kept)) = kept else { return Ok(()) };
    if !is_same_chain(kept, root) {
        os::remove_tree(folder).map_err(Error::file("removing", folder))?;
    }
    Ok(())
}

/// Whether a root is one of a repository's chain, the next of it, or the one before.
fn is_same_chain(mut kept: Trusted, root: &serde_json::Value) -> bool {
    let bytes = serde_json::to_vec(root).expect("a JSON value is written as JSON");
    let Ok(mut given) = Trusted::from_root(&bytes) else { return false };
    let roots: Vec<_> = kept.received().roots.values().cloned().collect();
    let is_it =
        |kept: &[u8]| serde_json::from_slice::<serde_json::Value>(kept).is_ok_and(|kept| kept == *root);
    roots.iter().any(|kept| is_it(kept))
        || kept.update_root(&bytes).is_ok()
        || roots.first().is_some_and(|first| given.update_root(first).is_ok())
}

async fn update_domain(session: &mut Session, verified: &Verified<'_>) -> Result<NameOutcome, ContentError> {
    let domain = session.in_force.domain.clone();
    let outcome = |result, message: String, fault| NameOutcome {
        name: format!("domain {domain}"),
        result,
        message,
        fault,
    };
    let found = TargetName::new(format!("domains/{domain}.json"))
        .ok()
        .and_then(|name| verified.trusted.target(&name));
    let Some((description, digest)) = found.and_then(|found| found.sha256.map(|digest| (found, digest)))
    else {
        let message = format!("the signed settings have no domain {domain}; what was in force stays");
        return Ok(outcome(ClassResult::Current, message, None));
    };
    let slot = session.folder.settings_slot();
    let installed = slot.installed().map_err(Error::file("reading", slot.folder()))?;
    if installed.as_ref().is_some_and(|(_, record)| record.manifest == digest) {
        return Ok(outcome(ClassResult::Current, String::new(), None));
    }
    let bytes = target(session, verified, &description).await?;
    let bytes = match domain_keys::opened(&session.folder, &bytes) {
        Ok(bytes) => bytes,
        Err(Error::Sealed(why)) => return Ok(outcome(ClassResult::Failed, why, None)),
        Err(error) => return Err(error.into()),
    };
    let document: DomainDocument = read(&format!("the settings of {domain}"), &bytes)?;
    if document.domain != domain {
        return Err(unusable(format!("the settings of {domain} are those of {}", document.domain)));
    }
    let sequence = Sequence::new(document.version).map_err(unusable)?;
    let of_this_domain = installed.filter(|(_, record)| of_domain(record) == Some(domain.as_str()));
    let have = of_this_domain.map(|(_, record)| record.sequence);
    let failed = session.state.failed_why(Class::Settings, "settings", sequence, &digest);
    match decide_document(have, sequence, failed.filter(|_| !session.options.retry_failed)) {
        Decision::Backwards { have } => {
            let message = format!("kept settings {have} of {domain}; the source has {sequence}");
            return Ok(outcome(ClassResult::Current, message, Some(Reason::Backwards)));
        }
        Decision::FailedBefore { why } => {
            let message = format!(
                "settings {sequence} failed here and are not tried again until there are newer ones or `update --retry-failed`: {why}"
            );
            return Ok(outcome(ClassResult::Reverted, message, None));
        }
        _ => {}
    }
    let files = files_of(&document).map_err(unusable)?;
    let record = record_of(&document, &bytes, sequence, digest, &files).map_err(unusable)?;
    let release = place(&slot, &record, files).await?;
    let hooks = Hooks::of(&document.settings);
    Ok(match activate(Class::Settings, "settings", &slot, &release, &hooks).await? {
        Judged::Kept(problem) => {
            session.state.forget_failed(Class::Settings, "settings", sequence);
            session.in_force.settings = document.settings;
            let problem = problem.map_or_else(String::new, |problem| format!(", but {problem}"));
            outcome(
                ClassResult::Updated,
                format!("settings of {domain} updated to {sequence}{problem}"),
                None,
            )
        }
        Judged::Reverted(why) => {
            remember(session, Class::Settings, "settings", &record, &why);
            let message = format!("went back after trying settings {sequence} of {domain}: {why}");
            outcome(ClassResult::Reverted, message, Some(Reason::Install))
        }
    })
}

/// A signed document, if this program knows its format and every key that must not be passed over. Otherwise what was
/// in force stays, and the classes after this one run by it.
fn read<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T, ContentError> {
    /// What tells of the rest how to read it, and is therefore read first.
    #[derive(Deserialize)]
    struct Head {
        format: u32,
    }
    let hint = "what was in force stays; update headwater-client on this machine to the server's version";
    let head: Head = serde_json::from_slice(bytes)
        .map_err(|error| unusable(format!("{what} cannot be read ({error}); {hint}")))?;
    if head.format > FORMAT {
        let format = head.format;
        return Err(unusable(format!(
            "{what}: this program knows format {FORMAT}, and it is of format {format}; {hint}"
        )));
    }
    serde_json::from_slice(bytes)
        .map_err(|error| unusable(format!("{what} cannot be read ({error}); {hint}")))
}

/// The domain whose settings a record holds.
fn of_domain(record: &Record) -> Option<&str> {
    record.document.as_ref()?.get("domain")?.as_str()
}

/// The files to be in `settings/current/`, or why there cannot be such.
fn files_of(document: &DomainDocument) -> Result<Vec<(String, Vec<u8>)>, String> {
    let values = serde_json::to_vec_pretty(&document.values).map_err(|error| error.to_string())?;
    let mut files = vec![(VALUES.to_owned(), values)];
    let names: BTreeSet<&str> = document.files.keys().map(String::as_str).chain([VALUES]).collect();
    for (path, text) in &document.files {
        let checked = FilePath::new(path.clone()).map_err(|error| error.to_string())?;
        if path == VALUES || checked.folders().any(|folder| names.contains(folder)) {
            return Err(format!("the file {path} is in the way of another file"));
        }
        files.push((path.clone(), text.clone().into_bytes()));
    }
    Ok(files)
}

fn record_of(
    document: &DomainDocument,
    bytes: &[u8],
    sequence: Sequence,
    manifest: Digest,
    files: &[(String, Vec<u8>)],
) -> Result<Record, serde_json::Error> {
    Ok(Record {
        sequence,
        version: document.version.to_string(),
        manifest,
        files: files
            .iter()
            .map(|(path, bytes)| RecordFile {
                path: path.clone(),
                sha256: Digest::of(bytes),
                size: bytes.len() as u64,
            })
            .collect(),
        install: None,
        probe: None,
        document: Some(serde_json::from_slice(bytes)?),
    })
}

async fn place(slot: &Slot, record: &Record, files: Vec<(String, Vec<u8>)>) -> Result<String, Error> {
    let at = slot.folder().to_owned();
    let (slot, record) = (slot.clone(), record.clone());
    let placed = blocking(move || -> std::io::Result<String> {
        let assembling = slot.begin(&record)?;
        for (path, bytes) in &files {
            let path = assembling.join(path);
            if let Some(above) = path.parent() {
                std::fs::create_dir_all(above)?;
            }
            std::fs::write(&path, bytes)?;
        }
        slot.finish(&assembling, &record)
    });
    placed.await.map_err(Error::file("assembling in", &at))
}
