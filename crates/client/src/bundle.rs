//! The client bundle: what a client starts from. It is copied into the data folder at the first start, and what
//! lies there counts from then on; a bundle given later is taken only in place of one that is of no use.

use std::path::Path;

use headwater_api::bundle::ClientBundle;
use headwater_policy::Class;
use headwater_repo::Trusted;

use crate::config::Config;
use crate::error::Error;
use crate::folder::{DataFolder, Owner};
use crate::in_force::policy_of;
use crate::limits::BUNDLE_BYTES_MAX;
use crate::os;
use crate::state::State;

/// Reads the bundle in the data folder. One that is given is taken, and copied there, if there is none yet, if the
/// one there is damaged, or if it was the wrong one: nothing was ever verified with it. Beside it a warning, where
/// the given one leads elsewhere and is not taken.
///
/// # Errors
///
/// There is none, neither there nor given, or it cannot be read or understood.
pub(crate) fn take(config: &Config, folder: &DataFolder) -> Result<(ClientBundle, Option<String>), Error> {
    let kept = parse(&folder.bundle());
    let Some(given) = &config.bundle else {
        return Ok((found(kept, config, folder)?, None));
    };
    let (bytes, bundle) = match (kept, parse(given)) {
        (Ok(Some((_, kept))), Ok(Some((bytes, given)))) if was_wrong(&kept, &given, folder) => (bytes, given),
        (Ok(Some((_, kept))), Ok(Some((_, other)))) => {
            let warning = differs(&kept, &other).map(|what| not_taken(given, what));
            return Ok((kept, warning));
        }
        (Ok(Some((_, kept))), _) => return Ok((kept, None)),
        (Err(error @ Error::Storage { .. }), _) => return Err(error),
        (Ok(None) | Err(_), Ok(Some(given))) => given,
        (Ok(None) | Err(_), Ok(None)) => return Err(Error::BundleMissing(given.clone())),
        (Ok(None) | Err(_), Err(error)) => return Err(error),
    };
    os::create_folder(folder.root()).map_err(Error::file("making", folder.root()))?;
    // Where the former led to other roots, these are believed no longer.
    for class in Class::ALL.into_iter().filter(|_| !has_verified(folder)) {
        let metadata = folder.metadata(Owner::Organisation, class);
        os::remove_tree(&metadata).map_err(Error::file("removing", &metadata))?;
    }
    let path = folder.bundle();
    os::write_atomic(&path, &bytes).map_err(Error::file("writing the bundle", &path))?;
    Ok((bundle, None))
}

/// Reads the bundle in the data folder and touches nothing.
///
/// # Errors
///
/// There is none, or it cannot be read or understood.
pub(crate) fn kept(config: &Config, folder: &DataFolder) -> Result<ClientBundle, Error> {
    found(parse(&folder.bundle()), config, folder)
}

/// The root to start from, for a class of the organisation.
pub(crate) fn root(bundle: &ClientBundle, class: Class) -> Vec<u8> {
    let root = match class {
        Class::Settings => &bundle.roots.settings,
        Class::Components => &bundle.roots.components,
        Class::Programs => &bundle.roots.programs,
    };
    serde_json::to_vec(root).expect("a JSON value is written as JSON")
}

type Parsed = Option<(Vec<u8>, ClientBundle)>;

fn found(parsed: Result<Parsed, Error>, config: &Config, folder: &DataFolder) -> Result<ClientBundle, Error> {
    match parsed {
        Ok(Some((_, bundle))) => Ok(bundle),
        Ok(None) => Err(Error::NoBundle(config.data.clone())),
        Err(Error::Malformed { path, problem }) if path == folder.bundle() => {
            Err(Error::Malformed { path, problem: format!("{problem}, and give it once with --bundle FILE") })
        }
        Err(error) => Err(error),
    }
}

/// Whether the kept bundle is to give way: it leads elsewhere than the given one, and led nowhere so far.
fn was_wrong(kept: &ClientBundle, given: &ClientBundle, folder: &DataFolder) -> bool {
    if differs(kept, given).is_none() || has_verified(folder) {
        return false;
    }
    tracing::warn!(
        "nothing was ever verified with the bundle that was given first; this one takes its place"
    );
    true
}

/// What a bundle leads elsewhere by than another; none: it leads to the same.
fn differs(kept: &ClientBundle, given: &ClientBundle) -> Option<&'static str> {
    let differences = [
        (kept.roots != given.roots, "other roots"),
        (kept.server_url != given.server_url, "another server"),
        (kept.domain != given.domain, "another domain"),
    ];
    differences.into_iter().find(|(differs, _)| *differs).map(|(_, what)| what)
}

fn not_taken(given: &Path, what: &str) -> String {
    format!(
        "the bundle {} names {what} and is not used: this client has verified content by the bundle that it began \
         with; leave --bundle out, or begin anew with it in another --data DIR",
        given.display()
    )
}

fn has_verified(folder: &DataFolder) -> bool {
    // A state that cannot be read is of a client that had one.
    State::load(folder).map_or(true, |state| !state.versions.is_empty())
}

/// A bundle and its bytes; `None` if there is no such file.
fn parse(path: &Path) -> Result<Parsed, Error> {
    let malformed = |problem: String| Error::Malformed { path: path.to_owned(), problem };
    if path.is_dir() {
        return Err(malformed(
            "it is a folder; give the file that `headwater clients bundle` made".to_owned(),
        ));
    }
    let read = os::read_bounded(path, BUNDLE_BYTES_MAX).map_err(Error::file("reading the bundle", path))?;
    let Some(bytes) = read else { return Ok(None) };
    let bundle: ClientBundle = serde_json::from_slice(&bytes)
        .map_err(|error| malformed(format!("{error}; make it again with `headwater clients bundle`")))?;
    if bundle.format > headwater_api::bundle::FORMAT {
        return Err(malformed(format!("it is of format {}; use a newer headwater-client", bundle.format)));
    }
    policy_of(&bundle.policy).map_err(malformed)?;
    for class in Class::ALL {
        Trusted::from_root(&root(&bundle, class)).map_err(|error| {
            malformed(format!("its root for {class}: {error}; make it again with `headwater clients bundle`"))
        })?;
    }
    Ok(Some((bytes, bundle)))
}
