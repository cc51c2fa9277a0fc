//! The tree of domains (D1).

use std::collections::BTreeMap;

use crate::id::DomainPath;
use crate::limits::DOMAINS_MAX;
use crate::settings::{EffectiveSettings, Settings};

/// Why the tree was not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DomainRefusal {
    /// It is there already.
    #[error("there is a domain {0} already")]
    Exists(DomainPath),
    /// One is there that differs from it in upper and lower case alone.
    #[error("there is a domain {0} already, which differs in upper and lower case alone")]
    Alike(DomainPath),
    /// It is not there.
    #[error("there is no domain {0}")]
    Missing(DomainPath),
    /// The domain above it is not there.
    #[error("there is no domain {0} to put it under; add that first")]
    NoParent(DomainPath),
    /// The root stays.
    #[error("the root of the tree cannot be removed")]
    Root,
    /// Only an empty domain is removed (D1).
    #[error(
        "{domain} is not empty: {clients} clients, {domains} domains and {drafts} drafts are in it; move them or \
         discard them first"
    )]
    NotEmpty {
        /// The domain.
        domain: DomainPath,
        /// Clients in it.
        clients: usize,
        /// Domains right under it.
        domains: usize,
        /// Unsaved drafts of its settings: somebody's work (S7).
        drafts: usize,
    },
    /// One domain too many.
    #[error("the tree would have more than {DOMAINS_MAX} domains; remove some first")]
    Full,
}

/// All domains with what each sets explicitly. The root is always there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainTree(BTreeMap<DomainPath, Settings>);

impl Default for DomainTree {
    fn default() -> Self {
        Self(BTreeMap::from([(DomainPath::root(), Settings::default())]))
    }
}

impl DomainTree {
    /// A tree of these domains, in any order; the root may be among them.
    ///
    /// # Errors
    /// A domain comes twice or has none above it, or there are too many.
    pub fn new(domains: impl IntoIterator<Item = (DomainPath, Settings)>) -> Result<Self, DomainRefusal> {
        let mut tree = Self::default();
        let mut ordered: Vec<_> = domains.into_iter().collect();
        ordered.sort_by(|a, b| a.0.cmp(&b.0));
        for (path, settings) in ordered {
            if path.is_root() {
                tree.set(&path, settings)?;
            } else {
                tree.put(path, settings)?;
            }
        }
        Ok(tree)
    }

    /// Adds a domain.
    ///
    /// # Errors
    /// It, or one that people would take for it, is there already, the one above it is not, or the tree is full.
    pub fn add(&mut self, path: DomainPath, settings: Settings) -> Result<(), DomainRefusal> {
        let lower = path.as_str().to_lowercase();
        match self.0.keys().find(|known| **known != path && known.as_str().to_lowercase() == lower) {
            Some(alike) => Err(DomainRefusal::Alike(alike.clone())),
            None => self.put(path, settings),
        }
    }

    fn put(&mut self, path: DomainPath, settings: Settings) -> Result<(), DomainRefusal> {
        if self.0.contains_key(&path) {
            return Err(DomainRefusal::Exists(path));
        }
        if let Some(parent) = path.parent().filter(|parent| !self.0.contains_key(parent)) {
            return Err(DomainRefusal::NoParent(parent));
        }
        if self.0.len() >= DOMAINS_MAX {
            return Err(DomainRefusal::Full);
        }
        self.0.insert(path, settings);
        Ok(())
    }

    /// Replaces what a domain sets explicitly.
    ///
    /// # Errors
    /// It is not there.
    pub fn set(&mut self, path: &DomainPath, settings: Settings) -> Result<(), DomainRefusal> {
        let known = self.0.get_mut(path).ok_or_else(|| DomainRefusal::Missing(path.clone()))?;
        *known = settings;
        Ok(())
    }

    /// Removes a domain, if neither it nor anything under it holds anything; `clients` are those in it, `drafts` the
    /// unsaved ones of its settings.
    ///
    /// # Errors
    /// It is the root, is not there, or is not empty (D1).
    pub fn remove(&mut self, path: &DomainPath, clients: usize, drafts: usize) -> Result<(), DomainRefusal> {
        if path.is_root() {
            return Err(DomainRefusal::Root);
        }
        if !self.0.contains_key(path) {
            return Err(DomainRefusal::Missing(path.clone()));
        }
        let domains = self.0.keys().filter(|other| other.parent().as_ref() == Some(path)).count();
        if clients > 0 || domains > 0 || drafts > 0 {
            return Err(DomainRefusal::NotEmpty { domain: path.clone(), clients, domains, drafts });
        }
        self.0.remove(path);
        Ok(())
    }

    /// What holds in a domain: for each setting the nearest explicit value, else the default (D1); `None` if there is no
    /// such domain.
    pub fn effective(&self, path: &DomainPath) -> Option<EffectiveSettings> {
        self.0.get(path)?;
        let explicit = path.ancestry().filter_map(|domain| self.0.get(&domain));
        Some(explicit.fold(Settings::default(), |nearer, above| nearer.or(above)).decide())
    }
}
