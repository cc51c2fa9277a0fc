//! Which bundle counts. The first one is copied into the data folder, and the copy counts from then on. A bundle that is
//! passed later replaces the copy only if the copy is of no use.

use std::collections::HashSet;
use std::path::Path;

use headwater_api::bundle::{EnrolBundle, RepositoryRoots};
use headwater_api::secret::is_same;
use headwater_depot::MetadataStore;
use headwater_depot::files::{self, FileAccess};
use headwater_policy::Repository;

use crate::bundle::document::{Bundle, Parsed, parse};
use crate::bundle::recovered::found;
use crate::config::Config;
use crate::data::{DataFolder, RepositoryOwner, State};
use crate::error::Error;
use crate::identity::{ClientIdentity, ClientKeys};

/// What a bundle is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BundleUse {
    /// A run, or a first enrolment.
    Start,
    /// An enrolment with new keys: the token of the passed bundle counts.
    ReEnrol,
}

/// Returns the bundle that counts, and copies a passed one into the data folder where it replaces the copy there:
///
/// * there is no copy yet, or the copy is damaged;
/// * nothing was ever verified with the copy, and the passed bundle leads elsewhere: the copy was the wrong one;
/// * the client is not enrolled (or re-enrols), and the passed bundle has another token of the same fleet. The roots with
///   which content was verified stay.
///
/// Also returns a warning if the passed bundle leads elsewhere and is not used, and if the copy is damaged and the last
/// signed policy stands in for it.
///
/// # Errors
///
/// There is no bundle, or it cannot be read or understood, or it is not used and the client cannot enrol without it.
pub fn adopt(
    config: &Config,
    folder: &DataFolder,
    purpose: BundleUse,
) -> Result<(Bundle, Option<String>), Error> {
    let kept = parse(&folder.bundle());
    let Some(path) = &config.bundle else {
        return found(kept, folder);
    };
    let (bytes, bundle) = match choose(kept, parse(path), path, config, folder, purpose)? {
        Choice::Keep(bundle, warning) => return Ok((bundle, warning)),
        Choice::Replace(parsed) => parsed,
    };
    replace(folder, &bytes, purpose)?;
    Ok((bundle, None))
}

enum Choice {
    /// The copy counts; a warning if the passed bundle leads elsewhere.
    Keep(Bundle, Option<String>),
    /// This one replaces the copy.
    Replace(Parsed),
}

fn choose(
    kept: Result<Option<Parsed>, Error>,
    passed: Result<Option<Parsed>, Error>,
    path: &Path,
    config: &Config,
    folder: &DataFolder,
    purpose: BundleUse,
) -> Result<Choice, Error> {
    let (kept, (bytes, other)) = match (kept, passed) {
        (Ok(Some((_, kept))), Ok(Some(passed))) => (kept, passed),
        (Ok(Some((_, kept))), _) => return Ok(Choice::Keep(kept, None)),
        (Err(error @ Error::Storage { .. }), _) => return Err(error),
        (Ok(None) | Err(_), Ok(Some(passed))) => return Ok(Choice::Replace(passed)),
        (kept @ (Ok(None) | Err(_)), unusable) => {
            let error = unusable.err().unwrap_or_else(|| Error::BundleMissing(path.to_owned()));
            let (bundle, warning) = found(kept, folder).map_err(|_| error)?;
            return Ok(Choice::Keep(bundle, warning));
        }
    };
    let enrolled = purpose == BundleUse::Start
        && ClientIdentity::load(folder, &config.id).is_ok_and(|identity| identity.is_some());
    let new_token = !enrolled && !is_same(kept.fleet.token.as_ref(), other.fleet.token.as_ref());
    if has_verified(folder) && new_token && is_of_one_fleet(&kept, &other, folder) {
        return Ok(Choice::Replace(with_roots(&bytes, kept.roots)));
    }
    if was_wrong(&kept, &other, new_token, folder) {
        return Ok(Choice::Replace((bytes, other)));
    }
    match difference(&kept, &other).map(|what| not_used(path, what)) {
        Some(problem) if new_token => Err(Error::Malformed { path: path.to_owned(), problem }),
        warning => Ok(Choice::Keep(kept, warning)),
    }
}

/// Replaces the copy, and removes what only counts with the former one.
fn replace(folder: &DataFolder, bytes: &[u8], purpose: BundleUse) -> Result<(), Error> {
    folder.prepare()?;
    // Metadata of other roots no longer counts.
    for repository in Repository::ALL.into_iter().filter(|_| !has_verified(folder)) {
        let metadata = folder.metadata(RepositoryOwner::Organisation, repository);
        files::remove_tree(&metadata).map_err(Error::file("removing", &metadata))?;
    }
    if purpose == BundleUse::ReEnrol {
        // These keys belong to another token: the server may have accepted and revoked them since.
        ClientKeys::forget_next(folder)?;
    } else if !has_verified(folder) {
        ClientIdentity::forget(folder)?;
    }
    let path = folder.bundle();
    // It may hold a token.
    files::replace(&path, bytes, FileAccess::Owner).map_err(Error::file("writing the bundle", &path))
}

/// Refuses a passed bundle that has no token.
///
/// # Errors
///
/// The file is missing, cannot be understood, or has no token.
pub fn refuse_without_token(config: &Config) -> Result<(), Error> {
    let (path, bundle) = passed(config)?;
    if bundle.fleet.token.is_some() {
        return Ok(());
    }
    let problem = "it has no token, because it was used already; make another bundle".to_owned();
    Err(Error::Malformed { path: path.to_owned(), problem })
}

/// The bundle that was passed, and its path.
///
/// # Errors
///
/// None was passed, or the file is missing or cannot be understood.
pub fn passed(config: &Config) -> Result<(&Path, Bundle), Error> {
    let path = config.bundle.as_deref().ok_or_else(|| Error::NoBundle(config.data.clone()))?;
    let (_, bundle) = parse(path)?.ok_or_else(|| Error::BundleMissing(path.to_owned()))?;
    Ok((path, bundle))
}

/// Whether the copy is to be replaced: by another token for the same roots, or because it leads elsewhere than the passed
/// bundle and nothing was verified with it.
fn was_wrong(kept: &Bundle, passed: &Bundle, new_token: bool, folder: &DataFolder) -> bool {
    if new_token && kept.roots == passed.roots {
        return true;
    }
    if difference(kept, passed).is_none() || has_verified(folder) {
        return false;
    }
    tracing::warn!("nothing was ever verified with the first bundle; the passed bundle replaces it");
    true
}

/// Whether each root of the passed bundle is signed by a key that may sign one that this client has: then it is a later or
/// earlier root of the same fleet. No content is trusted because of this; it only detects a bundle passed by mistake.
fn is_of_one_fleet(kept: &Bundle, passed: &Bundle, folder: &DataFolder) -> bool {
    Repository::ALL.into_iter().all(|repository| {
        let verified = MetadataStore::open(folder.metadata(RepositoryOwner::Organisation, repository))
            .and_then(|store| store.load())
            .ok()
            .flatten();
        let held =
            verified.iter().flat_map(|trusted| trusted.received().roots.values().map(|root| root.to_vec()));
        let known: HashSet<String> = held
            .chain([kept.root(repository)])
            .flat_map(|root| key_ids(&root, "/signed/roles/root/keyids"))
            .collect();
        let passed = passed.root(repository);
        let mut signers = key_ids(&passed, "/signed/roles/root/keyids");
        signers.extend(key_ids(&passed, "/signatures"));
        signers.iter().any(|signer| known.contains(signer))
    })
}

/// Ids of keys in root metadata: a list of ids, or of objects with an id in `keyid`.
fn key_ids(root: &[u8], at: &str) -> Vec<String> {
    let root: serde_json::Value = serde_json::from_slice(root).unwrap_or_default();
    let list = root.pointer(at).and_then(|list| list.as_array()).cloned().unwrap_or_default();
    let id = |entry: &serde_json::Value| Some(entry.get("keyid").unwrap_or(entry).as_str()?.to_owned());
    list.iter().filter_map(id).collect()
}

/// The same bundle with other roots.
fn with_roots(bytes: &[u8], roots: RepositoryRoots) -> Parsed {
    let bundle: EnrolBundle = serde_json::from_slice(bytes).expect("it was understood before");
    let bundle = EnrolBundle { roots, ..bundle };
    let bytes = serde_json::to_vec(&bundle).expect("what was JSON is written as JSON");
    (bytes, bundle.into())
}

/// In what the passed bundle leads elsewhere; `None` if both lead to the same place.
fn difference(kept: &Bundle, passed: &Bundle) -> Option<&'static str> {
    let differences = [
        (kept.roots != passed.roots, "other roots"),
        (kept.server_urls != passed.server_urls, "another server"),
        (kept.domain != passed.domain, "another domain"),
    ];
    differences.into_iter().find(|(differs, _)| *differs).map(|(_, what)| what)
}

fn not_used(passed: &Path, what: &str) -> String {
    format!(
        "the bundle {} names {what} and is not used: this client has verified content with its first bundle. Leave \
         --bundle out, or start again with this bundle in another --data DIR",
        passed.display()
    )
}

fn has_verified(folder: &DataFolder) -> bool {
    // A state that cannot be read belongs to a client that had one.
    State::load(folder).map_or(true, |state| !state.versions.is_empty())
}
