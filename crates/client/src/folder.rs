//! The data folder: where everything of a client lies.
//!
//! ```text
//! client.lock               held during a run
//! id                        which client this is
//! identity/                 key, encryption key, certificate, domain keys: for this client alone
//! daemon.lock               held while a daemon runs
//! daemon.json               what it serves where, and what hinders it
//! state.json                what is remembered between runs
//! bundle.json               what the client started from
//! metadata/{settings,components,programs,vendor}/
//! store/                    bodies by digest
//! served/CLASS/             what an update agent serves
//! settings/                 a slot: the domain's settings
//! components/NAME/          a slot for each component
//! programs/NAME/            a slot for each program
//! reports/                  reports not yet sent
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use headwater_api::report::Installed;
use headwater_policy::Class;

use crate::error::Error;
use crate::slot::Slot;

/// Whose repository it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// The organisation's, one for each class: at the server, its update agents and mirrors.
    Organisation,
    /// The vendor's, with a root and a memory of its own.
    Vendor,
}

impl Owner {
    /// The name by which the client knows the repository of a class, in its data folder and in its state.
    pub fn repository(self, class: Class) -> &'static str {
        match self {
            Self::Organisation => class.as_str(),
            Self::Vendor => "vendor",
        }
    }
}

/// A client's data folder.
#[derive(Debug, Clone)]
pub struct DataFolder {
    root: PathBuf,
}

impl DataFolder {
    /// The folder at `root`; nothing is made yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
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

    /// What the daemon serves where.
    pub fn daemon(&self) -> PathBuf {
        self.root.join("daemon.json")
    }

    /// Which client this is.
    pub fn id(&self) -> PathBuf {
        self.root.join("id")
    }

    /// Its key, its encryption key, its certificate and the keys of its domain's settings.
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
    pub fn metadata(&self, owner: Owner, class: Class) -> PathBuf {
        self.root.join("metadata").join(owner.repository(class))
    }

    /// Bodies by digest.
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

    /// The slot of the domain's settings.
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

    /// What is installed, by class and name, as the links say.
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

    /// The names that have a slot, of class components or programs, in order.
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
