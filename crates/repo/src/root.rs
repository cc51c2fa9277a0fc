//! The root ceremony: who signs for what, agreed by the holders of the root keys, at machines without a network.
//!
//! [`RootDraft`] names keys and thresholds → [`UnsignedRoot`] goes from key holder to key holder as a file and
//! gathers signatures → [`SignedRoot`] exists only once the thresholds of the new root role, and of the one before it,
//! are met (specification 5.3.4).

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::document::{Envelope, RoleKeys, RootDocument, SPEC_VERSION};
use crate::error::{VerifyError, WriteError};
use crate::expiry::Expiry;
use crate::key_id::KeyId;
use crate::key_replacement::KeyReplacement;
use crate::keys::{KeyRing, PublicKey, SecretKey};
use crate::layout;
use crate::limits::{NUMBER_MAX, ROLE_KEYS_MAX, ROOT_LENGTH_MAX};
use crate::names::Role;
use crate::trusted::Trusted;

/// A root in the making: the first of a repository, or the next one.
#[derive(Debug, Clone)]
pub struct RootDraft {
    previous: Option<SignedRoot>,
    roles: BTreeMap<Role, (usize, Vec<PublicKey>)>,
    key_replacement: Option<KeyReplacement>,
}

/// A root that gathers signatures.
#[derive(Debug, Clone)]
pub struct UnsignedRoot {
    previous: Option<SignedRoot>,
    envelope: Envelope<RootDocument>,
}

/// A root that clients accept: signed by enough of its own keys, and of its predecessor's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedRoot {
    pub(crate) document: RootDocument,
    bytes: Vec<u8>,
}

impl RootDraft {
    /// The first root of a new repository. Every role needs its keys: [`Self::role`].
    pub fn first() -> Self {
        Self { previous: None, roles: BTreeMap::new(), key_replacement: None }
    }

    /// The root after `previous`, so far with the same keys and thresholds.
    ///
    /// # Errors
    ///
    /// `previous` has keys other than Ed25519, which this program could not carry on.
    pub fn next(previous: &SignedRoot) -> Result<Self, WriteError> {
        let mut roles = BTreeMap::new();
        for role in Role::ALL {
            let keys = previous.keys(role).ok_or_else(|| {
                WriteError::Invalid(format!(
                    "the root's {role} role has a key that is not Ed25519: it cannot be kept"
                ))
            })?;
            roles.insert(role, (previous.threshold(role), keys));
        }
        Ok(Self { previous: Some(previous.clone()), roles, key_replacement: None })
    }

    /// Gives `role` these keys, of which `threshold` must sign, in place of those it had.
    #[must_use]
    pub fn role(mut self, role: Role, threshold: usize, keys: impl IntoIterator<Item = PublicKey>) -> Self {
        self.roles.insert(role, (threshold, keys.into_iter().collect()));
        self
    }

    /// States why the root replaces keys.
    #[must_use]
    pub fn because(mut self, why: KeyReplacement) -> Self {
        self.key_replacement = Some(why);
        self
    }

    /// Ends the draft. The root will expire as `expiry` says, counted from `now`.
    ///
    /// # Errors
    ///
    /// A role without keys, with one key twice, with more than [`ROLE_KEYS_MAX`], or with a threshold that is 0 or more than
    /// its keys; a root key that would also sign for another role.
    pub fn finish(self, now: Timestamp, expiry: &Expiry) -> Result<UnsignedRoot, WriteError> {
        let version = match &self.previous {
            None => 1,
            Some(previous) => next_version(Role::Root, previous.version())?,
        };
        let (mut keys, mut roles) = (BTreeMap::new(), BTreeMap::new());
        for role in Role::ALL {
            let (threshold, of_role) = self.roles.get(&role).cloned().unwrap_or_default();
            check_role(role, threshold, &of_role)?;
            let mut keyids: Vec<KeyId> = of_role.iter().map(PublicKey::id).collect();
            keyids.sort_unstable();
            roles.insert(role.name().to_owned(), RoleKeys { keyids, threshold });
            keys.extend(of_role.iter().map(|key| (key.id(), key.document())));
        }
        self.check_offline()?;
        let expires = expiry.expires(Role::Root, now)?;
        let (kind, spec_version) = (Role::Root.to_string(), SPEC_VERSION.to_owned());
        let document = RootDocument {
            kind,
            consistent_snapshot: true,
            expires,
            keys,
            roles,
            spec_version,
            version,
            key_replacement: self.key_replacement,
        };
        Ok(UnsignedRoot { previous: self.previous, envelope: Envelope::unsigned(document) })
    }

    /// Root keys stay offline (I2): one that also signs every day would not.
    fn check_offline(&self) -> Result<(), WriteError> {
        let (_, root_keys) = &self.roles[&Role::Root];
        for role in [Role::Timestamp, Role::Snapshot, Role::Targets] {
            if let Some(key) = self.roles[&role].1.iter().find(|key| root_keys.contains(key)) {
                let id = key.id();
                return Err(WriteError::Invalid(format!(
                    "key {id} is a root key and cannot sign for {role} too"
                )));
            }
        }
        Ok(())
    }
}

fn check_role(role: Role, threshold: usize, keys: &[PublicKey]) -> Result<(), WriteError> {
    let distinct: BTreeSet<_> = keys.iter().collect();
    let problem = if keys.is_empty() {
        "it has no keys".to_owned()
    } else if distinct.len() < keys.len() {
        "it has the same key twice".to_owned()
    } else if keys.len() > ROLE_KEYS_MAX {
        format!("it has {} keys, more than the {ROLE_KEYS_MAX} that are allowed", keys.len())
    } else if threshold == 0 || threshold > keys.len() {
        format!("its threshold is {threshold} and it has {} keys", keys.len())
    } else {
        return Ok(());
    };
    Err(WriteError::Invalid(format!("the {role} role is not right: {problem}")))
}

impl UnsignedRoot {
    /// The root with the signatures so far, as a file for the next key holder.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.envelope.to_bytes()
    }

    /// Reads that file. `previous` is the repository's present root, taken from the repository and not from the one who
    /// brought the file; `None` for a first root.
    ///
    /// # Errors
    ///
    /// Not a root that a [`RootDraft`] could have become, or not the one that follows `previous`.
    pub fn from_bytes(bytes: &[u8], previous: Option<&SignedRoot>) -> Result<Self, WriteError> {
        let unreadable = |source| WriteError::Present { role: Role::Root, source };
        crate::trusted::check_length(bytes, ROOT_LENGTH_MAX, Role::Root.name()).map_err(unreadable)?;
        let envelope: Envelope<RootDocument> = Envelope::parse(Role::Root, bytes).map_err(unreadable)?;
        check_document(&envelope.signed).map_err(unreadable)?;
        let expected = previous.map_or(Ok(1), |previous| next_version(Role::Root, previous.version()))?;
        if envelope.signed.version != expected {
            let got = envelope.signed.version;
            return Err(WriteError::Invalid(format!(
                "this root is version {got}; version {expected} is next"
            )));
        }
        Ok(Self { previous: previous.cloned(), envelope })
    }

    /// Adds a signature.
    ///
    /// # Errors
    ///
    /// [`WriteError::ForeignKey`]: the key is neither one of the new root role's nor of the present one's.
    pub fn sign(&mut self, key: &SecretKey) -> Result<(), WriteError> {
        let id = key.id();
        let own = self.envelope.signed.role(Role::Root).keyids.contains(&id);
        let before = self.previous.iter().any(|root| root.document.role(Role::Root).keyids.contains(&id));
        if !own && !before {
            return Err(WriteError::ForeignKey { key: id.to_string() });
        }
        self.envelope.sign(key);
        Ok(())
    }

    /// Adds the signatures of all keys of `ring` that belong to this root or the one before, then completes.
    ///
    /// # Errors
    ///
    /// As [`Self::complete`].
    pub fn sign_with(mut self, ring: &KeyRing) -> Result<SignedRoot, WriteError> {
        for key in ring.keys() {
            match self.sign(key) {
                Ok(()) | Err(WriteError::ForeignKey { .. }) => {}
                Err(other) => return Err(other),
            }
        }
        self.complete()
    }

    /// Ends the ceremony.
    ///
    /// # Errors
    ///
    /// [`WriteError::KeysMissing`] while a threshold is not met, counting signatures of distinct keys; a bad signature
    /// that somebody brought in with the file.
    pub fn complete(&self) -> Result<SignedRoot, WriteError> {
        let signed_by = self.signers();
        let authorities = self.previous.iter().map(|root| &root.document).chain([&self.envelope.signed]);
        for document in authorities {
            let RoleKeys { keyids, threshold } = document.role(Role::Root);
            let found = keyids.iter().filter(|id| signed_by.contains(id)).count();
            if found < *threshold {
                return Err(WriteError::KeysMissing { role: Role::Root, threshold: *threshold, found });
            }
        }
        let bytes = self.envelope.to_bytes();
        let present = |source| WriteError::Present { role: Role::Root, source };
        // It is verified by the code that every client runs.
        match &self.previous {
            Some(previous) => {
                Trusted::from_root(&previous.bytes).and_then(|mut trusted| trusted.update_root(&bytes))
            }
            None => Trusted::from_root(&bytes).map(drop),
        }
        .map_err(present)?;
        Ok(SignedRoot { document: self.envelope.signed.clone(), bytes })
    }

    /// Adds the signatures that another copy of the same root gathered, where holders sign side by side.
    ///
    /// # Errors
    ///
    /// `other` is not the same root.
    pub fn merge(&mut self, other: &Self) -> Result<(), WriteError> {
        if self.envelope.signed != other.envelope.signed {
            return Err(WriteError::Invalid(
                "these are two different roots: have the holders sign copies of one file".to_owned(),
            ));
        }
        for signature in &other.envelope.signatures {
            if !self.envelope.signatures.iter().any(|have| have.keyid == signature.keyid) {
                self.envelope.signatures.push(signature.clone());
            }
        }
        self.envelope.signatures.sort_by(|a, b| a.keyid.cmp(&b.keyid));
        Ok(())
    }

    /// The new root's version.
    pub fn version(&self) -> u64 {
        self.envelope.signed.version
    }

    /// When it will expire.
    pub fn expires(&self) -> Timestamp {
        self.envelope.signed.expires
    }

    /// Why it replaces keys, if it says so.
    pub fn key_replacement(&self) -> Option<KeyReplacement> {
        self.envelope.signed.key_replacement
    }

    /// How many of a role's keys must sign.
    pub fn threshold(&self, role: Role) -> usize {
        self.envelope.signed.role(role).threshold
    }

    /// The ids of a role's keys.
    pub fn key_ids(&self, role: Role) -> &[KeyId] {
        &self.envelope.signed.role(role).keyids
    }

    /// The ids under which there are signatures. [`Self::complete`] decides whether they are good.
    pub fn signers(&self) -> BTreeSet<KeyId> {
        self.envelope.signatures.iter().filter_map(|signature| KeyId::parse(&signature.keyid)).collect()
    }
}

impl SignedRoot {
    /// Reads a root of ours back, for example the one that a repository was made with.
    ///
    /// # Errors
    ///
    /// Not a root, not signed by its own keys, without consistent snapshots, or with ids other than ours compute.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, VerifyError> {
        Trusted::from_root(bytes)?;
        let document = Envelope::<RootDocument>::parse(Role::Root, bytes)?.signed;
        check_document(&document)?;
        Ok(Self { document, bytes: bytes.to_vec() })
    }

    /// The file.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its path under the class's base: `metadata/N.root.json`.
    pub fn path(&self) -> String {
        layout::metadata(Role::Root, self.version())
    }

    /// Its version.
    pub fn version(&self) -> u64 {
        self.document.version
    }

    /// When it expires.
    pub fn expires(&self) -> Timestamp {
        self.document.expires
    }

    /// How many of a role's keys must sign.
    pub fn threshold(&self, role: Role) -> usize {
        self.document.role(role).threshold
    }

    /// The ids of a role's keys.
    pub fn key_ids(&self, role: Role) -> &[KeyId] {
        &self.document.role(role).keyids
    }

    /// A role's keys; `None` if one of them is not Ed25519.
    pub fn keys(&self, role: Role) -> Option<Vec<PublicKey>> {
        let public = |id: &KeyId| self.document.keys.get(id)?.ed25519_public()?.parse().ok();
        self.key_ids(role).iter().map(public).collect()
    }
}

/// What the type [`RootDocument`] promises to the rest of this crate.
fn check_document(document: &RootDocument) -> Result<(), VerifyError> {
    let reason = if !document.consistent_snapshot {
        "it has no consistent snapshots"
    } else if Role::ALL.iter().any(|role| !document.roles.contains_key(role.name())) {
        "it does not name keys for all four roles"
    } else if document.kind != Role::Root.name() {
        "it is another role's"
    } else {
        return Ok(());
    };
    Err(VerifyError::Unparsable { role: Role::Root.to_string(), reason: reason.to_owned() })
}

pub(crate) fn next_version(role: Role, version: u64) -> Result<u64, WriteError> {
    version.checked_add(1).filter(|next| *next <= NUMBER_MAX).ok_or_else(|| {
        WriteError::Invalid(format!("{role} metadata has reached the last version, {version}"))
    })
}
