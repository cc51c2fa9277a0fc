//! The stored metadata of one repository, as the start of the next refresh.

use headwater_depot::files;
use headwater_depot::{MetadataStore, StoreError};
use headwater_policy::Repository;
use headwater_repo::Trusted;

use crate::data::RepositoryOwner;
use crate::error::Error;
use crate::fetch::content::ContentError;
use crate::os;
use crate::session::Session;

/// Loads the metadata of a repository, or starts from its root. Damaged metadata is removed, so that it is fetched again.
pub(crate) fn open_repository(
    session: &mut Session,
    repository: Repository,
    owner: RepositoryOwner,
) -> Result<(MetadataStore, Trusted), ContentError> {
    let root = root(session, repository, owner)?;
    let folder = session.context.folder.metadata(owner, repository);
    let open = || -> Result<(MetadataStore, Trusted), StoreError> {
        let metadata = MetadataStore::open(&folder)?;
        let trusted = metadata.load_or_start(&root)?;
        Ok((metadata, trusted))
    };
    os::create_folder(&folder).map_err(Error::file("creating", &folder))?;
    match open() {
        Err(StoreError::Damaged { path, reason }) => {
            // Everything in it is fetched and verified again, from the first root.
            session.findings.warnings.push(format!(
                "stored metadata was damaged ({}: {reason}) and is fetched again",
                path.display()
            ));
            files::remove_tree(&folder).map_err(Error::file("removing", &folder))?;
            os::create_folder(&folder).map_err(Error::file("creating", &folder))?;
            Ok(open()?)
        }
        other => Ok(other?),
    }
}

/// The root metadata that verification starts from.
fn root(session: &Session, repository: Repository, owner: RepositoryOwner) -> Result<Vec<u8>, ContentError> {
    if owner == RepositoryOwner::Organisation {
        return Ok(session.context.bundle.root(repository));
    }
    let signed = session.state.policy.as_ref().and_then(|policy| policy.vendor_root.as_ref());
    let Some(root) = signed else {
        return Err(ContentError::Sources(
            "the signed policy has no root of the vendor source, so its content cannot be verified"
                .to_owned(),
        ));
    };
    Ok(serde_json::to_vec(root).expect("a JSON value is written as JSON"))
}
