//! Why something was not published.

use std::io;
use std::path::{Path, PathBuf};

use headwater_depot::StoreError;
use headwater_depot::files::OwnedByAnother;
use headwater_repo::{ComponentName, ContentError, FilePath, Sequence, TargetName, VersionText, WriteError};

/// Nothing was published.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Root in a folder of another user.
    #[error(transparent)]
    OwnedByAnother(#[from] OwnedByAnother),
    /// There is no such component or program.
    #[error("nothing named {0} is published")]
    UnknownComponent(ComponentName),
    /// A listed release has the version, and other content.
    #[error("{component} has a release {version} already, with other content: number {sequence}")]
    VersionTaken {
        /// The component.
        component: ComponentName,
        /// The version.
        version: VersionText,
        /// The release that has it.
        sequence: Sequence,
    },
    /// A listed release has the version, and was withdrawn.
    #[error(
        "{component} {version}, release {sequence}, was withdrawn and stays withdrawn: no client goes to it, whatever is \
         published under that version"
    )]
    VersionWithdrawn {
        /// The component.
        component: ComponentName,
        /// The version.
        version: VersionText,
        /// The release that has it.
        sequence: Sequence,
    },
    /// A release had the version that is not listed any more.
    #[error("{component} had a release {version}, number {sequence}, which is not listed any more")]
    VersionUsed {
        /// The component.
        component: ComponentName,
        /// The version.
        version: VersionText,
        /// The release that had it.
        sequence: Sequence,
        /// The whole component was removed.
        removed: bool,
    },
    /// There is no higher number for a release.
    #[error("{0} has used up its release numbers")]
    SequencesUsedUp(ComponentName),
    /// The release has a command that it has no file for.
    #[error("{0}")]
    Unstartable(String),
    /// Clients could not fetch the release that is to be the current one.
    #[error("the content of release {sequence} of {component} is not here")]
    ContentMissing {
        /// The component.
        component: ComponentName,
        /// The release.
        sequence: Sequence,
    },
    /// A file of the repository that signed metadata leads to is not there.
    #[error("{} is missing", .0.display())]
    Missing(PathBuf),
    /// A file of the repository is not what was signed.
    #[error("{} is not what was signed", .0.display())]
    Damaged(PathBuf),
    /// The release list names a release that has no manifest.
    #[error("{0} is listed and not published")]
    NotPublished(TargetName),
    /// A signed file is not one that this program wrote.
    #[error("{name} cannot be read")]
    Unreadable {
        /// The target.
        name: TargetName,
        /// What is wrong with it.
        #[source]
        source: ContentError,
    },
    /// The draft or its signing was refused.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A file to publish, or a part of the repository.
    #[error("cannot {doing} {}", path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// What the system answered.
        #[source]
        source: io::Error,
    },
    /// A file cannot be in a release by its name.
    #[error("{}: {reason}", path.display())]
    BadPath {
        /// Where it is.
        path: PathBuf,
        /// What is wrong with its name.
        reason: String,
    },
    /// The store of bodies failed, or its quota is reached.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file of the release could not be packed.
    #[error("{path}: it cannot be packed")]
    Pack {
        /// Its path in the release.
        path: FilePath,
        /// Why.
        #[source]
        source: headwater_delta::EncodeError,
    },
    /// The release has more than a release may have.
    #[error("{what} is over the limit of {limit} {unit}")]
    TooLarge {
        /// What of it.
        what: &'static str,
        /// How much it may be.
        limit: u64,
        /// Of what.
        unit: &'static str,
    },
    /// The encoder failed.
    #[error("{path}: no delta could be made")]
    Encode {
        /// The file that the delta was to lead to.
        path: FilePath,
        /// Why.
        #[source]
        source: headwater_delta::DeltaError,
    },
    /// There is no repository.
    #[error("there is no repository at {}", .0.display())]
    NoRepository(PathBuf),
    /// There is one already.
    #[error("there is a repository at {} already", .0.display())]
    RepositoryExists(PathBuf),
    /// The file that leads to everything is lost; the rest may be there.
    #[error("{} is missing", .0.display())]
    NoTimestamp(PathBuf),
    /// Nothing can be built upon the repository.
    #[error("{0}")]
    Repository(String),
    /// There is no key folder.
    #[error("there is no key folder {}", .0.display())]
    NoKeyFolder(PathBuf),
    /// Another run uses the key folder.
    #[error("the keys in {} are in use by another run", .0.display())]
    KeysInUse(PathBuf),
    /// The key folder has keys, and a new repository gets keys of its own.
    #[error("{} has the keys of another repository", .0.display())]
    KeysOfAnother(PathBuf),
    /// A file of the key folder is no key, or no key can be made.
    #[error("{0}")]
    Keys(String),
    /// It was stopped.
    #[error("it was stopped; nothing was published")]
    Stopped,
    /// The destination's own failure: its database, its rules.
    #[error(transparent)]
    Destination(Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// A failure with a file or folder.
    pub fn file(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { doing, path, source }
    }

    /// A failure that is the destination's own.
    pub fn of_destination(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Destination(Box::new(error))
    }
}
