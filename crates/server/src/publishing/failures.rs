//! What a failure to publish means at this server: a refusal that the caller can do something about, or a fault.

use headwater_depot::store::StoreError;
use headwater_policy::Repository;
use headwater_publisher::Error as PublishError;
use headwater_repo::{ComponentName, WriteError, error_chain};

use crate::error::{Error, Refusal};

/// A failure to publish in a repository as the server's own.
pub(super) fn of_publisher(repository: impl Into<Repository>, error: PublishError) -> Error {
    let repository = repository.into();
    let reason = error_chain(&error);
    match error {
        PublishError::Destination(own) => match own.downcast::<Error>() {
            Ok(own) => *own,
            Err(_) => Error::Corrupt { what: "publication", reason },
        },
        PublishError::UnknownComponent(name) => no_component(repository, &name),
        PublishError::VersionTaken { component, version, .. } => Refusal::Exists {
            what: "version",
            name: format!("{version} of {component}"),
            hint: "publish under a new version; one that was published never changes",
        }
        .into(),
        PublishError::VersionWithdrawn { component, version, sequence } => {
            let (name, version) = (component.to_string(), version.to_string());
            Refusal::VersionWithdrawn { name, version, sequence: sequence.get() }.into()
        }
        PublishError::VersionUsed { component, version, sequence, removed } => {
            let (name, version) = (component.to_string(), version.to_string());
            Refusal::VersionUsed { name, version, sequence: sequence.get(), removed }.into()
        }
        PublishError::SequencesUsedUp(_) | PublishError::Unstartable(_) => Refusal::invalid(reason).into(),
        PublishError::ContentMissing { sequence, .. } => Refusal::invalid(format!(
            "to: the content of release {sequence} is not here; choose another release, publish that one again with the \
             same content, or, if it is the vendor's, let the vendor go back to it and synchronise"
        ))
        .into(),
        PublishError::Missing(path) => Error::Lost { path: format!("repository/{repository}/{}", path.display()) },
        PublishError::Write(WriteError::Content(content)) => Refusal::invalid(content.to_string()).into(),
        PublishError::Write(_) => Error::Repository { repository, doing: "signing", reason },
        PublishError::Store(error) => store_failed(repository, error),
        PublishError::File { doing, path, source } => {
            Error::Disk { doing: format!("cannot {doing} {}", path.display()), source }
        }
        PublishError::Pack { .. } => Refusal::Archive(reason).into(),
        PublishError::TooLarge { what, limit, unit } => {
            let hint = "split it into several components";
            Refusal::TooLarge { what: what.to_owned(), limit, unit, hint }.into()
        }
        PublishError::Encode { source, .. } => {
            Error::Disk { doing: "cannot make a delta".to_owned(), source: std::io::Error::other(source) }
        }
        _ => Error::Corrupt { what: "repository", reason },
    }
}

/// A store's failure as the server's.
pub(crate) fn store_failed(repository: impl Into<Repository>, error: StoreError) -> Error {
    let repository = repository.into();
    match error {
        StoreError::Quota { .. } => Refusal::Quota(repository).into(),
        StoreError::Disk { action, path, source } => {
            Error::Disk { doing: format!("cannot {action} {}", path.display()), source }
        }
        other => Error::Disk {
            doing: format!("the content of {repository} cannot be used"),
            source: std::io::Error::other(other),
        },
    }
}

/// There is no such component or program.
pub(super) fn no_component(repository: impl Into<Repository>, name: &ComponentName) -> Error {
    let repository = repository.into();
    Refusal::NotFound {
        what: "component or program",
        name: format!("{name} in class {repository}"),
        hint: "look at the list of releases, or publish it first",
    }
    .into()
}
