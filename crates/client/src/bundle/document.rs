//! The bundle as a document: read, checked, and the copy in the data folder without its token.

use std::path::Path;

use headwater_api::bundle::{ENROL_FORMAT, EnrolBundle, RepositoryRoots};
use headwater_api::policy::PolicyDocument;
use headwater_depot::files::{self, FileAccess};
use headwater_policy::{Class, ClientId, Repository};
use headwater_repo::Trusted;
use secrecy::SecretString;

use crate::data::policy::policy_of;
use crate::data::{DataFolder, State};
use crate::error::Error;
use crate::identity::TrustAnchors;
use crate::limits::BUNDLE_BYTES_MAX;
use crate::os;

/// What a client starts from.
#[derive(Debug, Clone)]
pub struct Bundle {
    /// Base URLs of the server's fleet listener, in the order to try.
    pub server_urls: Vec<String>,
    /// The domain that it was made for.
    pub domain: String,
    /// The one client that it admits; `None` if it admits any.
    pub client: Option<String>,
    /// The root metadata of each repository.
    pub roots: RepositoryRoots,
    /// The saved policy when the bundle was made.
    pub policy: PolicyDocument,
    /// What enrolment needs.
    pub fleet: BundleFleet,
}

/// What enrolment needs.
#[derive(Debug, Clone)]
pub struct BundleFleet {
    /// Certificates of the fleet CA (PEM).
    pub ca: Vec<String>,
    /// The key to which an enrolment is encrypted.
    pub encryption_key: String,
    /// The keys with which the server signs its answers.
    pub response_signing_keys: Vec<String>,
    /// The token that admits this client; `None` if it was used.
    pub token: Option<SecretString>,
}

impl From<EnrolBundle> for Bundle {
    fn from(bundle: EnrolBundle) -> Self {
        let EnrolBundle {
            server_urls,
            domain,
            client,
            ca,
            encryption_key,
            response_signing_keys,
            roots,
            token,
            policy,
            ..
        } = bundle;
        let fleet = BundleFleet { ca, encryption_key, response_signing_keys, token };
        Self { server_urls, domain, client, roots, policy, fleet }
    }
}

impl Bundle {
    /// The root metadata that verification of a repository starts from.
    pub(crate) fn root(&self, repository: Repository) -> Vec<u8> {
        let root = match repository {
            Repository::Policy => &self.roots.policy,
            Repository::Class(Class::Settings) => &self.roots.settings,
            Repository::Class(Class::Components) => &self.roots.components,
            Repository::Class(Class::Programs) => &self.roots.programs,
        };
        serde_json::to_vec(root).expect("a JSON value is written as JSON")
    }

    /// The trust anchors in the bundle.
    pub(crate) fn own_trust_anchors(&self) -> Result<TrustAnchors, Error> {
        TrustAnchors::read(&self.fleet.ca, &self.fleet.response_signing_keys)
    }

    /// The trust anchors in effect: those of the last signed policy, or if there are none, those of the bundle.
    pub(crate) fn trust_anchors(&self, state: &State) -> Result<TrustAnchors, Error> {
        TrustAnchors::of_policy(state)?.map_or_else(|| self.own_trust_anchors(), Ok)
    }
}

/// A bundle with its bytes.
pub(crate) type Parsed = (Vec<u8>, Bundle);

/// Reads a bundle; `None` if there is no such file.
pub(crate) fn parse(path: &Path) -> Result<Option<Parsed>, Error> {
    let malformed = |problem: String| Error::Malformed { path: path.to_owned(), problem };
    if path.is_dir() {
        return Err(malformed(
            "it is a folder; pass the file that `headwater clients enrol-bundle` made".to_owned(),
        ));
    }
    let read = os::read_bounded(path, BUNDLE_BYTES_MAX).map_err(Error::file("reading the bundle", path))?;
    let Some(bytes) = read else { return Ok(None) };
    let bundle = understood(&bytes).map_err(malformed)?;
    policy_of(&bundle.policy).map_err(malformed)?;
    for repository in Repository::ALL {
        Trusted::from_root(&bundle.root(repository)).map_err(|error| {
            malformed(format!(
                "its root for {repository}: {error}; make the bundle again with `headwater clients enrol-bundle`"
            ))
        })?;
    }
    Ok(Some((bytes, bundle)))
}

/// The client that a bundle is for; `None` if it is for any, or cannot be read, which its use reports.
pub(crate) fn named_client(path: &Path) -> Option<ClientId> {
    let bytes = os::read_bounded(path, BUNDLE_BYTES_MAX).ok().flatten()?;
    understood(&bytes).ok()?.client?.parse().ok()
}

/// A bundle of the format that this program knows.
fn understood(bytes: &[u8]) -> Result<Bundle, String> {
    #[derive(serde::Deserialize)]
    struct Head {
        format: u32,
    }
    let hint = |error: serde_json::Error| {
        format!("{error}; make the bundle again with `headwater clients enrol-bundle`")
    };
    match serde_json::from_slice::<Head>(bytes).map_err(hint)?.format {
        ENROL_FORMAT => serde_json::from_slice::<EnrolBundle>(bytes).map(Bundle::from).map_err(hint),
        format => Err(format!("it has format {format}; use a newer headwater-client")),
    }
}

/// Removes the used token from the bundle in the data folder.
pub fn strike_token(folder: &DataFolder) -> Result<(), Error> {
    let path = folder.bundle();
    let read = os::read_bounded(&path, BUNDLE_BYTES_MAX).map_err(Error::file("reading the bundle", &path))?;
    let Some(mut bundle) = read.and_then(|bytes| serde_json::from_slice::<EnrolBundle>(&bytes).ok()) else {
        return Ok(());
    };
    if bundle.token.take().is_none() {
        return Ok(());
    }
    let bytes = serde_json::to_vec(&bundle).expect("what was JSON is written as JSON");
    files::replace(&path, &bytes, FileAccess::Owner).map_err(Error::file("writing the bundle", &path))
}
