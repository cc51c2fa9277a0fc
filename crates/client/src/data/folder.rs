//! The paths of a client's data folder.
//!
//! Everyone may pass through the data folder ([`DATA_FOLDER_MODE`]) to the slots, which are for the software on the
//! endpoint. Everything else is for the client alone. No mode depends on the umask.
//!
//! ```text
//! client.lock               held during a run
//! id                        the client's id
//! identity/                 key, encryption key, certificate, domain keys, mark of the machine; readable by the client only
//! daemon.lock               held while a daemon runs
//! daemon.json               where it serves, and what hinders it
//! state.json                what is remembered between runs
//! bundle.json               what the client started from
//! metadata/{policy,settings,components,programs,vendor}/
//! store/                    stored bodies, deltas and targets, by digest
//! served/REPOSITORY/        what an update agent serves
//! settings/                 a slot: what the domain sets for the software on this endpoint
//! components/NAME/          a slot for each component
//! programs/NAME/            a slot for each program
//! reports/                  reports not yet sent
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use headwater_api::report::Installed;
use headwater_depot::files::refuse_root_in_folder_of_another;
use headwater_policy::{Class, Repository};

use crate::data::repository_owner::RepositoryOwner;
use crate::data::slot::{SLOT_FOLDER_MODE, Slot};
use crate::error::Error;
use crate::os;

/// The file of the certificate in `identity/`.
pub const CERTIFICATE: &str = "certificate.pem";

/// What a server has in its data folder from its first moment on.
const SERVER_LOCK: &str = "server.lock";

/// The database of a server.
const SERVER_DATABASE: &str = "server.db";

/// Mode of the data folder: others pass through it and cannot list it.
pub const DATA_FOLDER_MODE: u32 = 0o711;

/// Mode of the folders that are for the client alone.
const PRIVATE_FOLDER_MODE: u32 = 0o700;

/// A client's data folder.
#[derive(Debug, Clone)]
pub struct DataFolder {
    root: PathBuf,
}

impl DataFolder {
    /// The folder at `root`; creates nothing.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Makes the folder, its private parts and those of the slots, with their modes. Called before anything is written.
    ///
    /// # Errors
    ///
    /// Root runs this in the folder of another user; the folder is a server's; or the disk refuses.
    pub fn prepare(&self) -> Result<(), Error> {
        self.refuse_root()?;
        if [SERVER_DATABASE, SERVER_LOCK].iter().any(|name| self.root.join(name).exists()) {
            return Err(Error::FolderOfServer(self.root.clone()));
        }
        os::ensure_folder(&self.root, DATA_FOLDER_MODE).map_err(Error::file("creating", &self.root))?;
        for part in ["identity", "metadata", "store", "served", "reports"] {
            let part = self.root.join(part);
            os::ensure_folder(&part, PRIVATE_FOLDER_MODE).map_err(Error::file("creating", &part))?;
        }
        for class in [Class::Components, Class::Programs] {
            let slots = self.root.join(class.as_str());
            os::ensure_folder(&slots, SLOT_FOLDER_MODE).map_err(Error::file("creating", &slots))?;
        }
        Ok(())
    }

    /// Refuses root where another user owns the folder.
    ///
    /// # Errors
    ///
    /// Root runs this in the folder of another user.
    pub fn refuse_root(&self) -> Result<(), Error> {
        Ok(refuse_root_in_folder_of_another(&self.root)?)
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The lock that a run holds.
    pub fn lock(&self) -> PathBuf {
        self.root.join("client.lock")
    }

    /// The lock that a daemon holds while it runs.
    pub fn daemon_lock(&self) -> PathBuf {
        self.root.join("daemon.lock")
    }

    /// Where the daemon serves, and what hinders it.
    pub fn daemon(&self) -> PathBuf {
        self.root.join("daemon.json")
    }

    /// The file of the client's id.
    pub fn id(&self) -> PathBuf {
        self.root.join("id")
    }

    /// A file of the client's identity: key, encryption key, certificate, or domain keys.
    pub fn identity(&self, file: &str) -> PathBuf {
        self.root.join("identity").join(file)
    }

    /// What is remembered between runs.
    pub fn state(&self) -> PathBuf {
        self.root.join("state.json")
    }

    /// What the client started from.
    pub fn bundle(&self) -> PathBuf {
        self.root.join("bundle.json")
    }

    /// Signed metadata of one repository, as received. The vendor has only one, of components.
    pub fn metadata(&self, owner: RepositoryOwner, repository: impl Into<Repository>) -> PathBuf {
        self.root.join("metadata").join(owner.name_of(repository))
    }

    /// Stored bodies, deltas and targets, by digest.
    pub fn store(&self) -> PathBuf {
        self.root.join("store")
    }

    /// What an update agent serves.
    pub fn served(&self) -> PathBuf {
        self.root.join("served")
    }

    /// Reports not yet sent.
    pub fn reports(&self) -> PathBuf {
        self.root.join("reports")
    }

    /// The slot of what the domain sets for the software on this endpoint.
    pub fn settings_slot(&self) -> Slot {
        Slot::new(self.root.join("settings"))
    }

    /// The slot of one component or program.
    pub fn slot(&self, class: Class, name: &str) -> Slot {
        Slot::new(self.root.join(class.to_string()).join(name))
    }

    /// Every slot, with its class and name, in the order of a run.
    ///
    /// # Errors
    ///
    /// A folder cannot be read.
    pub fn slots(&self) -> std::io::Result<Vec<(Class, String, Slot)>> {
        let mut slots = vec![(Class::Settings, "settings".to_owned(), self.settings_slot())];
        for class in [Class::Components, Class::Programs] {
            for name in self.slot_names(class)? {
                let slot = self.slot(class, &name);
                slots.push((class, name, slot));
            }
        }
        Ok(slots)
    }

    /// What is installed, by class and name, from the links.
    ///
    /// # Errors
    ///
    /// A folder, link or record cannot be read.
    pub fn installed(&self) -> Result<BTreeMap<String, BTreeMap<String, Installed>>, Error> {
        let at = || Error::file("reading", self.root());
        let mut classes: BTreeMap<_, BTreeMap<_, _>> =
            Class::ALL.map(|class| (class.to_string(), BTreeMap::new())).into();
        for (class, name, slot) in self.slots().map_err(at())? {
            if let Some((_, record)) = slot.installed().map_err(at())? {
                let installed = Installed { sequence: record.sequence.get(), version: record.version };
                classes.entry(class.to_string()).or_default().insert(name, installed);
            }
        }
        Ok(classes)
    }

    /// The names of class components or programs that have a slot, in order.
    pub(crate) fn slot_names(&self, class: Class) -> std::io::Result<Vec<String>> {
        let entries = match std::fs::read_dir(self.root.join(class.as_str())) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_dir()
                && let Ok(name) = entry.file_name().into_string()
            {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }
}
