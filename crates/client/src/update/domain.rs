//! What this client's domain sets for the software on the endpoint (D2). It is a release like any other: `settings/current/` holds `values.json` and the
//! domain's files.

use std::collections::BTreeSet;

use headwater_api::report::{ClassResult, Reason};
use headwater_api::settings::FreeSettingsDocument;
use headwater_policy::Class;
use headwater_repo::{Digest, FilePath, Sequence, Standing, TargetDescription, TargetName};

use crate::data::{Readers, RecordFile, ReleaseRecord, Slot, Voucher};
use crate::decide::{Decision, NameOutcome, decide_document};
use crate::error::Error;
use crate::fetch::{ContentError, VerifiedRepository, target, unusable};
use crate::identity::domain_keys;
use crate::install::{Hooks, ProbeOutcome, activate, remember_failure};
use crate::os::blocking;
use crate::session::{Fetching, Session};
use crate::update::document::read_document;
use crate::update::voucher::renew_voucher;

/// The file of a domain's values, beside its files.
const VALUES: &str = "values.json";

/// The name of the settings in the state and for hooks.
const SETTINGS: &str = "settings";

/// Brings what the domain sets up to date.
pub(crate) async fn update_domain(
    session: &mut Session,
    verified: &VerifiedRepository<'_>,
) -> Result<NameOutcome, ContentError> {
    let domain = session.context.effective.domain.clone();
    let found = TargetName::new(format!("domains/{domain}.json"))
        .ok()
        .and_then(|name| verified.trusted.target(&name));
    let Some((description, digest)) = found.and_then(|found| found.sha256.map(|digest| (found, digest)))
    else {
        let message =
            format!("the signed settings have no domain {domain}; the previous settings stay in effect");
        return Ok(outcome(&domain, ClassResult::Current, message, None));
    };
    let slot = session.context.folder.settings_slot();
    let installed = slot.installed().map_err(Error::file("reading", slot.folder()))?;
    let worth = |record: &ReleaseRecord| verified.trusted.standing(&record.voucher.evidence);
    if let Some((release, record)) = installed.as_ref().filter(|(_, record)| record.manifest == digest) {
        renew_voucher(session, verified, &slot, release, record.clone(), worth(record))?;
        return Ok(outcome(&domain, ClassResult::Current, String::new(), None));
    }
    let fetching = Fetching::begin(verified.walk);
    let fetched = match fetch_document(session, verified, &description, &domain).await {
        Ok(fetched) => fetched,
        Err(ContentError::Run(Error::Sealed(why))) => {
            return Ok(outcome(&domain, ClassResult::Failed, why, None));
        }
        Err(error) => return Err(error),
    };
    let sequence = Sequence::new(fetched.document.version).map_err(unusable)?;
    let of_this_domain = installed.filter(|(_, record)| domain_of(record) == Some(domain.as_str()));
    let from = of_this_domain.as_ref().map(|(_, record)| record.sequence);
    // A version that only replaced keys vouch for is no minimum (I2a).
    let vouched = of_this_domain.filter(|(_, record)| worth(record) == Standing::Holds);
    let have = vouched.map(|(_, record)| record.sequence);
    let failed = session.state.failed_why(Class::Settings, SETTINGS, sequence, &digest);
    let failed = failed.filter(|_| !session.context.options.retry_failed);
    if let Some(kept) = kept_outcome(&domain, decide_document(have, sequence, failed), sequence) {
        return Ok(kept);
    }
    let voucher = verified.voucher()?;
    let done = install(session, &slot, fetched, (sequence, digest, voucher)).await?;
    if done.result == ClassResult::Updated {
        let (from, to) = (from.map(|from| from.to_string()), sequence.to_string());
        let change = fetching.end(verified.walk, Class::Settings, &done.name, (from.as_deref(), to.as_str()));
        session.findings.changes.push(change);
    }
    Ok(done)
}

fn outcome(domain: &str, result: ClassResult, message: String, fault: Option<Reason>) -> NameOutcome {
    NameOutcome { name: format!("domain {domain}"), result, message, fault }
}

/// The outcome of a decision that changes nothing; `None` if the settings are to be installed.
fn kept_outcome(domain: &str, decision: Decision, offered: Sequence) -> Option<NameOutcome> {
    match decision {
        Decision::Backwards { have } => {
            let message = format!("kept settings {have} of {domain}; the source has the older {offered}");
            Some(outcome(domain, ClassResult::Current, message, Some(Reason::Backwards)))
        }
        Decision::FailedBefore { why } => {
            let message = format!(
                "settings {offered} failed here and are not tried again before newer settings or \
                 `update --retry-failed`: {why}"
            );
            Some(outcome(domain, ClassResult::Reverted, message, None))
        }
        _ => None,
    }
}

/// The document of the domain.
struct Fetched {
    document: FreeSettingsDocument,
    /// Its decrypted bytes.
    bytes: Vec<u8>,
    /// Whether it came sealed: then not everyone on this endpoint may read it.
    sealed: bool,
}

async fn fetch_document(
    session: &Session,
    verified: &VerifiedRepository<'_>,
    description: &TargetDescription,
    domain: &str,
) -> Result<Fetched, ContentError> {
    let signed = target(&session.context, verified, description).await?;
    let bytes = domain_keys::decrypted(&session.context.folder, &signed)?;
    let document: FreeSettingsDocument = read_document(&format!("the settings of {domain}"), &bytes)?;
    if document.domain != domain {
        return Err(unusable(format!("the settings of {domain} are those of {}", document.domain)));
    }
    Ok(Fetched { document, sealed: bytes != signed, bytes })
}

async fn install(
    session: &mut Session,
    slot: &Slot,
    Fetched { document, bytes, sealed }: Fetched,
    signed: (Sequence, Digest, Voucher),
) -> Result<NameOutcome, ContentError> {
    let domain = document.domain.clone();
    let sequence = signed.0;
    let files = files_of(&document).map_err(unusable)?;
    let readers = if sealed || session.context.effective.settings.confidential {
        Readers::Group(session.context.config.confidential_group)
    } else {
        Readers::Everyone
    };
    let record = record_of(&document, &bytes, signed, &files, readers).map_err(unusable)?;
    let release = assemble(slot, &record, files).await?;
    let hooks = Hooks::of(&session.context.effective.settings);
    Ok(match activate(Class::Settings, SETTINGS, slot, &release, &hooks, &|_| true).await? {
        ProbeOutcome::Kept(problem) => {
            session.state.forget_failed(Class::Settings, SETTINGS, sequence);
            let problem = problem.map_or_else(String::new, |problem| format!(", but {problem}"));
            let message = format!("settings of {domain} updated to {sequence}{problem}");
            outcome(&domain, ClassResult::Updated, message, None)
        }
        ProbeOutcome::Reverted(why) => {
            let (state, now) = (&mut session.state, session.context.now);
            remember_failure(state, now, Class::Settings, SETTINGS, &record, &why);
            let message = format!("reverted after a trial of settings {sequence} of {domain}: {why}");
            outcome(&domain, ClassResult::Reverted, message, Some(Reason::Install))
        }
        ProbeOutcome::Removed(why) => {
            let (state, now) = (&mut session.state, session.context.now);
            remember_failure(state, now, Class::Settings, SETTINGS, &record, &why);
            let message =
                format!("no settings are installed after a trial of settings {sequence} of {domain}: {why}");
            outcome(&domain, ClassResult::Failed, message, Some(Reason::Install))
        }
    })
}

/// The domain whose settings a record holds.
fn domain_of(record: &ReleaseRecord) -> Option<&str> {
    record.document.as_ref()?.get("domain")?.as_str()
}

/// The files of `settings/current/`, or why they cannot exist.
pub(crate) fn files_of(document: &FreeSettingsDocument) -> Result<Vec<(String, Vec<u8>)>, String> {
    let values = serde_json::to_vec_pretty(&document.values).map_err(|error| error.to_string())?;
    let mut files = vec![(VALUES.to_owned(), values)];
    let names: BTreeSet<&str> = document.files.keys().map(String::as_str).chain([VALUES]).collect();
    for (path, text) in &document.files {
        let checked = FilePath::new(path.clone()).map_err(|error| error.to_string())?;
        if path == VALUES || checked.folders().any(|folder| names.contains(folder)) {
            return Err(format!("the file {path} has the path of another file"));
        }
        files.push((path.clone(), text.clone().into_bytes()));
    }
    Ok(files)
}

fn record_of(
    document: &FreeSettingsDocument,
    bytes: &[u8],
    (sequence, manifest, voucher): (Sequence, Digest, Voucher),
    files: &[(String, Vec<u8>)],
    readers: Readers,
) -> Result<ReleaseRecord, serde_json::Error> {
    Ok(ReleaseRecord {
        sequence,
        version: document.version.to_string(),
        manifest,
        voucher,
        files: files
            .iter()
            .map(|(path, bytes)| RecordFile {
                path: path.clone(),
                sha256: Digest::of(bytes),
                size: bytes.len() as u64,
                mode: readers.file_mode(),
            })
            .collect(),
        install: None,
        probe: None,
        document: Some(serde_json::from_slice(bytes)?),
        readers,
    })
}

async fn assemble(
    slot: &Slot,
    record: &ReleaseRecord,
    files: Vec<(String, Vec<u8>)>,
) -> Result<String, Error> {
    let at = slot.folder().to_owned();
    let (slot, record) = (slot.clone(), record.clone());
    let assembled = blocking(move || -> std::io::Result<String> {
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
    assembled.await.map_err(Error::file("assembling in", &at))
}
