//! What stands in for a bundle whose copy in the data folder is damaged or gone: what was verified with it. A client that
//! had a signed policy and metadata of every repository needs no bundle any more, except to enrol again.

use headwater_api::bundle::RepositoryRoots;
use headwater_depot::MetadataStore;
use headwater_policy::{Class, Repository};

use crate::bundle::document::{Bundle, BundleFleet, Parsed, parse};
use crate::data::policy::policy_of;
use crate::data::{DataFolder, RepositoryOwner, State};
use crate::error::Error;

/// Reads the bundle in the data folder, or what stands in for it. Writes nothing.
///
/// # Errors
///
/// There is none, or it cannot be read or understood, and nothing stands in for it.
pub fn kept(folder: &DataFolder) -> Result<Bundle, Error> {
    kept_or_recovered(folder).map(|(bundle, _)| bundle)
}

/// As [`kept`], with a warning if something stands in for it.
///
/// # Errors
///
/// As [`kept`].
pub fn kept_or_recovered(folder: &DataFolder) -> Result<(Bundle, Option<String>), Error> {
    found(parse(&folder.bundle()), folder)
}

/// The bundle of the data folder, or what stands in for it, with a warning; or the error that states how to get one.
pub(crate) fn found(
    parsed: Result<Option<Parsed>, Error>,
    folder: &DataFolder,
) -> Result<(Bundle, Option<String>), Error> {
    let (error, problem) = match parsed {
        Ok(Some((_, bundle))) => return Ok((bundle, None)),
        Ok(None) => (Error::NoBundle(folder.root().to_owned()), "it is missing".to_owned()),
        Err(Error::Malformed { path, problem }) if path == folder.bundle() => {
            let hint = format!("{problem}, and pass it once with --bundle FILE");
            (Error::Malformed { path, problem: hint }, problem)
        }
        Err(error) => return Err(error),
    };
    let bundle = recovered(folder).ok_or(error)?;
    let warning = format!(
        "the bundle {} cannot be used ({problem}); this client continues with the last signed policy. To replace it, \
         pass another once with --bundle FILE",
        folder.bundle().display()
    );
    Ok((bundle, Some(warning)))
}

/// The bundle that the state and the stored metadata make; `None` if they are not enough. Writes nothing.
fn recovered(folder: &DataFolder) -> Option<Bundle> {
    let state = State::load(folder).ok()?;
    let signed = state.policy?;
    let server = policy_of(&signed.policy).ok()?.server().to_string();
    if signed.fleet.ca.is_empty() {
        return None;
    }
    Some(Bundle {
        server_urls: vec![server],
        client: None,
        domain: state.domain.or_else(|| Some(state.last_run?.domain))?,
        roots: RepositoryRoots {
            policy: newest_root(folder, Repository::Policy)?,
            settings: newest_root(folder, Class::Settings)?,
            components: newest_root(folder, Class::Components)?,
            programs: newest_root(folder, Class::Programs)?,
        },
        policy: signed.policy,
        fleet: BundleFleet {
            ca: signed.fleet.ca,
            encryption_key: String::new(),
            response_signing_keys: signed.fleet.response_signing_keys,
            token: None,
        },
    })
}

/// The newest root of a repository that was verified.
fn newest_root(folder: &DataFolder, repository: impl Into<Repository>) -> Option<serde_json::Value> {
    let metadata = folder.metadata(RepositoryOwner::Organisation, repository);
    if !metadata.is_dir() {
        return None;
    }
    let trusted = MetadataStore::open(metadata).ok()?.load().ok()??;
    let newest = trusted.received().roots.values().next_back()?.to_vec();
    serde_json::from_slice(&newest).ok()
}
