//! The bundle: what a client starts from. It is copied into the data folder at the first start, and what
//! lies there counts from then on; a bundle given later is taken only in place of one that is of no use.

use std::collections::HashSet;
use std::path::Path;

use headwater_api::bundle::{ClassRoots, ENROL_FORMAT, EnrolBundle};
use headwater_api::policy::PolicyDocument;
use headwater_api::secret::is_same;
use headwater_depot::MetadataStore;
use headwater_policy::Class;
use headwater_repo::Trusted;
use secrecy::SecretString;

use crate::config::Config;
use crate::error::Error;
use crate::folder::{DataFolder, Owner};
use crate::in_force::policy_of;
use crate::limits::BUNDLE_BYTES_MAX;
use crate::member::{Keys, Member};
use crate::os;
use crate::state::State;

/// What a client starts from.
#[derive(Debug, Clone)]
pub(crate) struct Bundle {
    /// Base URLs of the server's fleet listener, in the order to try.
    pub server_urls: Vec<String>,
    /// The domain that it was made for.
    pub domain: String,
    /// The root metadata of each class repository.
    pub roots: ClassRoots,
    /// The saved policy when it was made.
    pub policy: PolicyDocument,
    /// With what to enrol.
    pub fleet: Fleet,
}

/// With what to enrol.
#[derive(Debug, Clone)]
pub(crate) struct Fleet {
    /// Certificates of the fleet CA (PEM).
    pub ca: Vec<String>,
    /// The key that an enrolment is sealed to.
    pub encryption_key: String,
    /// The keys that the server signs its answers with.
    pub response_signing_keys: Vec<String>,
    /// What admits this client; none: it was used.
    pub token: Option<SecretString>,
}

impl From<EnrolBundle> for Bundle {
    fn from(bundle: EnrolBundle) -> Self {
        let EnrolBundle {
            server_urls,
            domain,
            ca,
            encryption_key,
            response_signing_keys,
            roots,
            token,
            policy,
            ..
        } = bundle;
        Self {
            server_urls,
            domain,
            roots,
            policy,
            fleet: Fleet { ca, encryption_key, response_signing_keys, token },
        }
    }
}

/// Reads the bundle in the data folder. One that is given is taken, and copied there, if there is none yet, if the
/// one there is damaged, or if it was the wrong one: nothing was ever verified with it. Whoever is no member, or is to
/// be one `anew`, takes another token of the same fleet, and keeps the roots that it has verified content by. Beside it a
/// warning, where the given one leads elsewhere and is not taken.
///
/// # Errors
///
/// There is none, neither there nor given, or it cannot be read or understood; or it is not taken, and this client is no
/// member without it.
pub(crate) fn take(
    config: &Config,
    folder: &DataFolder,
    anew: bool,
) -> Result<(Bundle, Option<String>), Error> {
    let kept = parse(&folder.bundle());
    let Some(given) = &config.bundle else {
        return Ok((found(kept, config, folder)?, None));
    };
    let enrolled = !anew && Member::load(folder, &config.id).is_ok_and(|member| member.is_some());
    let (bytes, bundle) = match (kept, parse(given)) {
        (Ok(Some((_, kept))), Ok(Some((bytes, other)))) => {
            let is_token = !enrolled && !is_same(kept.fleet.token.as_ref(), other.fleet.token.as_ref());
            if has_verified(folder) && is_token && is_of_one_fleet(&kept, &other, folder) {
                with_roots(&bytes, kept.roots)
            } else if was_wrong(&kept, &other, is_token, folder) {
                (bytes, other)
            } else {
                let warning = differs(&kept, &other).map(|what| not_taken(given, what));
                return match warning {
                    Some(problem) if is_token => Err(Error::Malformed { path: given.clone(), problem }),
                    warning => Ok((kept, warning)),
                };
            }
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
    if anew {
        // They asked with another token, and may have been taken and revoked since.
        Keys::forget_beside(folder)?;
    } else if !has_verified(folder) {
        Member::forget(folder)?;
    }
    let path = folder.bundle();
    // It may hold a token.
    os::write_private(&path, &bytes).map_err(Error::file("writing the bundle", &path))?;
    Ok((bundle, None))
}

/// Refuses a given bundle that admits nobody.
///
/// # Errors
///
/// It is not there, cannot be understood, or has no token.
pub(crate) fn refuse_without_token(config: &Config) -> Result<(), Error> {
    let Some(given) = &config.bundle else { return Err(Error::NoBundle(config.data.clone())) };
    let (_, bundle) = parse(given)?.ok_or_else(|| Error::BundleMissing(given.clone()))?;
    match bundle.fleet.token {
        Some(_) => Ok(()),
        None => {
            let problem = "it has no token: it was used already; make another one".to_owned();
            Err(Error::Malformed { path: given.clone(), problem })
        }
    }
}

/// Strikes the token out of the bundle in the data folder: it was used.
pub(crate) fn strike_token(folder: &DataFolder) -> Result<(), Error> {
    let path = folder.bundle();
    let read = os::read_bounded(&path, BUNDLE_BYTES_MAX).map_err(Error::file("reading the bundle", &path))?;
    let Some(mut bundle) = read.and_then(|bytes| serde_json::from_slice::<EnrolBundle>(&bytes).ok()) else {
        return Ok(());
    };
    if bundle.token.take().is_none() {
        return Ok(());
    }
    let bytes = serde_json::to_vec(&bundle).expect("what was JSON is written as JSON");
    os::write_private(&path, &bytes).map_err(Error::file("writing the bundle", &path))
}

/// Reads the bundle in the data folder and touches nothing.
///
/// # Errors
///
/// There is none, or it cannot be read or understood.
pub(crate) fn kept(config: &Config, folder: &DataFolder) -> Result<Bundle, Error> {
    found(parse(&folder.bundle()), config, folder)
}

/// The root to start from, for a class of the organisation.
pub(crate) fn root(bundle: &Bundle, class: Class) -> Vec<u8> {
    let root = match class {
        Class::Settings => &bundle.roots.settings,
        Class::Components => &bundle.roots.components,
        Class::Programs => &bundle.roots.programs,
    };
    serde_json::to_vec(root).expect("a JSON value is written as JSON")
}

type Parsed = Option<(Vec<u8>, Bundle)>;

fn found(parsed: Result<Parsed, Error>, config: &Config, folder: &DataFolder) -> Result<Bundle, Error> {
    match parsed {
        Ok(Some((_, bundle))) => Ok(bundle),
        Ok(None) => Err(Error::NoBundle(config.data.clone())),
        Err(Error::Malformed { path, problem }) if path == folder.bundle() => {
            Err(Error::Malformed { path, problem: format!("{problem}, and give it once with --bundle FILE") })
        }
        Err(error) => Err(error),
    }
}

/// Whether the kept bundle is to give way: to another token for the same roots, or because it leads elsewhere than the
/// given one, and led nowhere so far.
fn was_wrong(kept: &Bundle, given: &Bundle, is_token: bool, folder: &DataFolder) -> bool {
    if is_token && kept.roots == given.roots {
        return true;
    }
    if differs(kept, given).is_none() || has_verified(folder) {
        return false;
    }
    tracing::warn!(
        "nothing was ever verified with the bundle that was given first; this one takes its place"
    );
    true
}

/// Whether each root of a given bundle is signed by a key that may sign one that this client has: then it is a later or
/// earlier one of the same fleet. Nothing is believed for that, it only tells apart what was given by mistake.
fn is_of_one_fleet(kept: &Bundle, given: &Bundle, folder: &DataFolder) -> bool {
    Class::ALL.into_iter().all(|class| {
        let verified = MetadataStore::open(folder.metadata(Owner::Organisation, class))
            .and_then(|store| store.load())
            .ok()
            .flatten();
        let held =
            verified.iter().flat_map(|trusted| trusted.received().roots.values().map(|root| root.to_vec()));
        let known: HashSet<String> = held
            .chain([root(kept, class)])
            .flat_map(|root| key_ids(&root, "/signed/roles/root/keyids"))
            .collect();
        let given = root(given, class);
        let mut signers = key_ids(&given, "/signed/roles/root/keyids");
        signers.extend(key_ids(&given, "/signatures"));
        signers.iter().any(|signer| known.contains(signer))
    })
}

/// Ids of keys in root metadata: a list of them, or of objects that name one as `keyid`.
fn key_ids(root: &[u8], at: &str) -> Vec<String> {
    let root: serde_json::Value = serde_json::from_slice(root).unwrap_or_default();
    let list = root.pointer(at).and_then(|list| list.as_array()).cloned().unwrap_or_default();
    let id = |entry: &serde_json::Value| Some(entry.get("keyid").unwrap_or(entry).as_str()?.to_owned());
    list.iter().filter_map(id).collect()
}

/// A bundle that begins at other roots.
fn with_roots(bytes: &[u8], roots: ClassRoots) -> (Vec<u8>, Bundle) {
    let bundle: EnrolBundle = serde_json::from_slice(bytes).expect("it was understood before");
    let bundle = EnrolBundle { roots, ..bundle };
    let bytes = serde_json::to_vec(&bundle).expect("what was JSON is written as JSON");
    (bytes, bundle.into())
}

/// What a bundle leads elsewhere by than another; none: it leads to the same.
fn differs(kept: &Bundle, given: &Bundle) -> Option<&'static str> {
    let differences = [
        (kept.roots != given.roots, "other roots"),
        (kept.server_urls != given.server_urls, "another server"),
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
            "it is a folder; give the file that `headwater clients enrol-bundle` made".to_owned(),
        ));
    }
    let read = os::read_bounded(path, BUNDLE_BYTES_MAX).map_err(Error::file("reading the bundle", path))?;
    let Some(bytes) = read else { return Ok(None) };
    let bundle = understood(&bytes).map_err(malformed)?;
    policy_of(&bundle.policy).map_err(malformed)?;
    for class in Class::ALL {
        Trusted::from_root(&root(&bundle, class)).map_err(|error| {
            malformed(format!(
                "its root for {class}: {error}; make it again with `headwater clients enrol-bundle`"
            ))
        })?;
    }
    Ok(Some((bytes, bundle)))
}

/// A bundle of any format that was ever made.
fn understood(bytes: &[u8]) -> Result<Bundle, String> {
    #[derive(serde::Deserialize)]
    struct Head {
        format: u32,
    }
    let again =
        |error: serde_json::Error| format!("{error}; make it again with `headwater clients enrol-bundle`");
    match serde_json::from_slice::<Head>(bytes).map_err(again)?.format {
        ENROL_FORMAT => serde_json::from_slice::<EnrolBundle>(bytes).map(Bundle::from).map_err(again),
        format if format < ENROL_FORMAT => Err(format!(
            "it is of format {format}, of before there was enrolment; make one with `headwater clients enrol-bundle`"
        )),
        format => Err(format!("it is of format {format}; use a newer headwater-client")),
    }
}
