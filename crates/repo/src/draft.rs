//! Publishing in types: a [`TargetsDraft`] of targets becomes [`Unsigned`] metadata becomes [`Signed`] files, and
//! nothing else can be written to a repository.
//!
//! The same input gives the same bytes, whenever and wherever it is signed: Ed25519 is deterministic, maps are sorted,
//! and the time is an argument.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::digest::Digest;
use crate::document::{Envelope, Hashes, Pin, PinsDocument, SPEC_VERSION, TargetDocument, TargetsDocument};
use crate::error::WriteError;
use crate::expiry::Expiry;
use crate::key_id::KeyId;
use crate::keys::KeyRing;
use crate::layout;
use crate::limits::{
    NUMBER_MAX, SNAPSHOT_LENGTH_MAX, TARGET_LENGTH_MAX, TARGETS_LENGTH_MAX, TIMESTAMP_LENGTH_MAX,
};
use crate::names::{Role, TargetName};
use crate::published::Published;
use crate::root::{SignedRoot, next_version};

/// The targets that shall be published next.
#[derive(Debug, Clone)]
pub struct TargetsDraft {
    root: SignedRoot,
    new_roots: Vec<SignedRoot>,
    present: Option<Published>,
    version_bump: u64,
    targets: BTreeMap<String, TargetDocument>,
    contents: BTreeMap<TargetName, Vec<u8>>,
}

/// Metadata that only needs its signatures.
#[derive(Debug, Clone)]
pub struct Unsigned {
    root: SignedRoot,
    new_roots: Vec<SignedRoot>,
    contents: BTreeMap<TargetName, Vec<u8>>,
    targets: Step<TargetsDocument, TargetsDocument>,
    snapshot: Step<Unpinned, PinsDocument>,
    timestamp: Unpinned,
}

/// A role's part of a publication.
#[derive(Debug, Clone)]
enum Step<N, K> {
    /// To be signed.
    New(N),
    /// Stays as it was published.
    Keep(K, Vec<u8>),
}

/// A snapshot or timestamp before what it pins is signed.
#[derive(Debug, Clone, Copy)]
struct Unpinned {
    version: u64,
    expires: Timestamp,
}

/// Signed files, ready to be written.
#[derive(Debug, Clone)]
pub struct Signed {
    files: Vec<File>,
    published: Published,
}

/// A file of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its path under the class's base, with `/`.
    pub path: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

impl TargetsDraft {
    /// The first publication of a new repository.
    pub fn first(root: SignedRoot) -> Self {
        Self {
            new_roots: vec![root.clone()],
            root,
            present: None,
            version_bump: 0,
            targets: BTreeMap::new(),
            contents: BTreeMap::new(),
        }
    }

    /// The publication after `present`, so far with the same targets.
    pub fn next(present: &Published) -> Self {
        Self {
            root: present.root.clone(),
            new_roots: Vec::new(),
            version_bump: 0,
            targets: present.target_documents().clone(),
            present: Some(present.clone()),
            contents: BTreeMap::new(),
        }
    }

    /// Publishes under a new root: how keys of the online roles are replaced.
    ///
    /// # Errors
    ///
    /// `root` is not the next version of the present root.
    pub fn rotate_root(&mut self, root: SignedRoot) -> Result<(), WriteError> {
        let expected = next_version(Role::Root, self.root.version())?;
        if root.version() != expected {
            let got = root.version();
            return Err(WriteError::Invalid(format!(
                "root version {got} cannot follow: version {expected} is next"
            )));
        }
        self.root = root.clone();
        self.new_roots.push(root);
        Ok(())
    }

    /// Lifts the versions of targets, snapshot and timestamp by so much more than one: beyond anything that a lost server
    /// can have signed since the state from which this one begins.
    pub fn bump_version(&mut self, by: u64) {
        self.version_bump = by;
    }

    /// Adds a target, or gives it new content.
    ///
    /// # Errors
    ///
    /// Content of more than [`TARGET_LENGTH_MAX`] bytes, which clients would refuse.
    pub fn add(&mut self, name: TargetName, content: Vec<u8>) -> Result<(), WriteError> {
        let length = content.len() as u64;
        if length > TARGET_LENGTH_MAX {
            let refusal = format!("target {name} has {length} bytes: {TARGET_LENGTH_MAX} are allowed");
            return Err(WriteError::Invalid(refusal));
        }
        let hashes = Hashes { sha256: Digest::of(&content) };
        self.targets.insert(name.as_str().to_owned(), TargetDocument { hashes, length });
        self.contents.insert(name, content);
        Ok(())
    }

    /// Takes a target out. Its file may stay; nothing leads to it any more. Returns whether it was there.
    pub fn remove(&mut self, name: &TargetName) -> bool {
        self.contents.remove(name);
        self.targets.remove(name.as_str()).is_some()
    }

    /// The length and digest of a target as the draft has it.
    pub fn target(&self, name: &TargetName) -> Option<(u64, Digest)> {
        self.targets.get(name.as_str()).map(|target| (target.length, target.hashes.sha256))
    }

    /// Ends the draft: new versions of targets, snapshot and timestamp, which expire as `expiry` sets, from `now` on.
    ///
    /// # Errors
    ///
    /// A version or time beyond its limit.
    pub fn finish(self, now: Timestamp, expiry: &Expiry) -> Result<Unsigned, WriteError> {
        let document = TargetsDocument {
            kind: Role::Targets.to_string(),
            expires: expiry.expires(Role::Targets, now)?,
            spec_version: SPEC_VERSION.to_owned(),
            targets: self.targets,
            version: version_after(self.present.as_ref(), Role::Targets, self.version_bump)?,
        };
        Ok(Unsigned {
            targets: Step::New(document),
            snapshot: Step::New(unpinned(
                self.present.as_ref(),
                Role::Snapshot,
                self.version_bump,
                now,
                expiry,
            )?),
            timestamp: unpinned(self.present.as_ref(), Role::Timestamp, self.version_bump, now, expiry)?,
            root: self.root,
            new_roots: self.new_roots,
            contents: self.contents,
        })
    }
}

impl Unsigned {
    /// Only a new timestamp, before the present one expires.
    ///
    /// # Errors
    ///
    /// A version or time beyond its limit.
    pub fn timestamp_again(present: &Published, now: Timestamp, expiry: &Expiry) -> Result<Self, WriteError> {
        Ok(Self {
            root: present.root.clone(),
            new_roots: Vec::new(),
            contents: BTreeMap::new(),
            targets: Step::Keep(present.targets.clone(), present.targets_bytes.clone()),
            snapshot: Step::Keep(present.snapshot.clone(), present.snapshot_bytes.clone()),
            timestamp: unpinned(Some(present), Role::Timestamp, 0, now, expiry)?,
        })
    }

    /// A new snapshot and timestamp, before the present snapshot expires. The targets stay as they are.
    ///
    /// # Errors
    ///
    /// A version or time beyond its limit.
    pub fn snapshot_again(present: &Published, now: Timestamp, expiry: &Expiry) -> Result<Self, WriteError> {
        let snapshot = Step::New(unpinned(Some(present), Role::Snapshot, 0, now, expiry)?);
        Ok(Self { snapshot, ..Self::timestamp_again(present, now, expiry)? })
    }

    /// Signs with all keys of `ring` that belong to the roles.
    ///
    /// # Errors
    ///
    /// [`WriteError::KeysMissing`]; metadata that is longer than clients accept.
    pub fn sign(self, ring: &KeyRing) -> Result<Signed, WriteError> {
        self.sign_overlapping(ring, &[])
    }

    /// As [`Self::sign`], and with keys of `ring` that had a role until lately: a source or client that has not seen the
    /// newest root yet goes on meanwhile. To those that have seen it, they mean nothing.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn sign_overlapping(self, ring: &KeyRing, retired: &[(Role, KeyId)]) -> Result<Signed, WriteError> {
        let root = self.root;
        let signer = Signer { root: &root, ring, retired };
        let new_root = |root: SignedRoot| File { path: root.path(), bytes: root.bytes().to_vec() };
        let mut files: Vec<File> = self.new_roots.into_iter().map(new_root).collect();
        let target_file =
            |(name, bytes): (_, Vec<u8>)| File { path: layout::target(&name, &Digest::of(&bytes)), bytes };
        files.extend(self.contents.into_iter().map(target_file));
        let (targets, targets_bytes) = match self.targets {
            Step::Keep(document, bytes) => (document, bytes),
            Step::New(document) => {
                let bytes = signer.signed(Role::Targets, &document, TARGETS_LENGTH_MAX)?;
                files.push(File {
                    path: layout::metadata(Role::Targets, document.version),
                    bytes: bytes.clone(),
                });
                (document, bytes)
            }
        };
        let (snapshot, snapshot_bytes) = match self.snapshot {
            Step::Keep(document, bytes) => (document, bytes),
            Step::New(unpinned) => {
                let document = unpinned.pin(Role::Snapshot, Role::Targets, &targets_bytes, targets.version);
                let bytes = signer.signed(Role::Snapshot, &document, SNAPSHOT_LENGTH_MAX)?;
                files.push(File {
                    path: layout::metadata(Role::Snapshot, document.version),
                    bytes: bytes.clone(),
                });
                (document, bytes)
            }
        };
        let timestamp =
            self.timestamp.pin(Role::Timestamp, Role::Snapshot, &snapshot_bytes, snapshot.version);
        let bytes = signer.signed(Role::Timestamp, &timestamp, TIMESTAMP_LENGTH_MAX)?;
        files.push(File { path: layout::TIMESTAMP.to_owned(), bytes });
        Ok(Signed {
            files,
            published: Published { root, targets, targets_bytes, snapshot, snapshot_bytes, timestamp },
        })
    }
}

impl Unpinned {
    fn pin(self, role: Role, pinned: Role, bytes: &[u8], version: u64) -> PinsDocument {
        let meta = BTreeMap::from([(format!("{pinned}.json"), Pin::of(bytes, version))]);
        let (kind, spec_version) = (role.to_string(), SPEC_VERSION.to_owned());
        PinsDocument { kind, expires: self.expires, meta, spec_version, version: self.version }
    }
}

fn version_after(present: Option<&Published>, role: Role, version_bump: u64) -> Result<u64, WriteError> {
    present.map_or(Ok(1), |present| {
        next_version(role, present.version(role).saturating_add(version_bump).min(NUMBER_MAX))
    })
}

fn unpinned(
    present: Option<&Published>,
    role: Role,
    version_bump: u64,
    now: Timestamp,
    expiry: &Expiry,
) -> Result<Unpinned, WriteError> {
    Ok(Unpinned { version: version_after(present, role, version_bump)?, expires: expiry.expires(role, now)? })
}

/// Who signs a publication.
struct Signer<'a> {
    root: &'a SignedRoot,
    ring: &'a KeyRing,
    retired: &'a [(Role, KeyId)],
}

impl Signer<'_> {
    fn signed<T: Serialize + DeserializeOwned + Clone>(
        &self,
        role: Role,
        document: &T,
        length_max: u64,
    ) -> Result<Vec<u8>, WriteError> {
        let mut envelope = Envelope::unsigned(document.clone());
        let (ids, threshold) = (self.root.key_ids(role), self.root.threshold(role));
        let keys: Vec<_> = ids.iter().filter_map(|id| self.ring.get(id)).collect();
        if keys.len() < threshold {
            return Err(WriteError::KeysMissing { role, threshold, found: keys.len() });
        }
        keys.iter().for_each(|key| envelope.sign(key));
        let retired = self.retired.iter().filter(|(of, id)| *of == role && !ids.contains(id));
        retired.filter_map(|(_, id)| self.ring.get(id)).for_each(|key| envelope.sign(key));
        let bytes = envelope.to_bytes();
        if bytes.len() as u64 > length_max {
            let length = bytes.len();
            let refusal = format!(
                "{role} metadata would have {length} bytes: {length_max} are allowed; publish fewer targets"
            );
            return Err(WriteError::Invalid(refusal));
        }
        Ok(bytes)
    }
}

impl Signed {
    /// The files in the order in which they must be written: what is pointed at before what points, the timestamp last.
    /// A reader in between sees the old state or the new one, whole.
    pub fn files(&self) -> &[File] {
        &self.files
    }

    /// The state once the files are written: what the next draft starts from.
    pub fn published(&self) -> &Published {
        &self.published
    }
}

impl Published {
    /// Reads a state whose timestamp is lost, as if version `assumed` of it were there: beyond any that readers can have
    /// seen. A timestamp that `ring` signs stands in for it, so that the rest is verified as ever; it is for nobody else.
    ///
    /// # Errors
    ///
    /// As [`Self::read`]; [`WriteError::KeysMissing`].
    pub fn read_without_timestamp(
        root: &[u8],
        snapshot: &[u8],
        targets: &[u8],
        assumed: u64,
        ring: &KeyRing,
        now: Timestamp,
    ) -> Result<Self, WriteError> {
        let present = |role: Role| move |source| WriteError::Present { role, source };
        let unverified = Self {
            root: SignedRoot::from_bytes(root).map_err(present(Role::Root))?,
            targets: Envelope::parse(Role::Targets, targets).map_err(present(Role::Targets))?.signed,
            targets_bytes: targets.to_vec(),
            snapshot: Envelope::parse(Role::Snapshot, snapshot).map_err(present(Role::Snapshot))?.signed,
            snapshot_bytes: snapshot.to_vec(),
            timestamp: PinsDocument {
                kind: Role::Timestamp.to_string(),
                expires: now,
                meta: BTreeMap::new(),
                spec_version: SPEC_VERSION.to_owned(),
                version: assumed,
            },
        };
        let signed = Unsigned::timestamp_again(&unverified, now, &Expiry::default())?.sign(ring)?;
        let stand_in = signed.files().last().expect("a timestamp was signed");
        Self::read(root, &stand_in.bytes, snapshot, targets)
    }
}
