//! What a client trusts of one repository, built from bytes that anybody may have sent (I1).
//!
//! The walk of The Update Framework, section 5 of its specification, in steps that fetch nothing:
//!
//! 1. [`Trusted::from_root`], or that and [`Trusted::load_floor`] with what was kept of the last run;
//! 2. while a source has it: [`Trusted::root_wanted`] → [`Trusted::update_root`]; then [`Trusted::check_root`];
//! 3. [`Trusted::timestamp_wanted`] → [`Trusted::update_timestamp`];
//! 4. [`Trusted::snapshot_wanted`] → [`Trusted::update_snapshot`];
//! 5. [`Trusted::targets_wanted`] → [`Trusted::update_targets`]; then [`Trusted::authorised`] and targets.
//!
//! A step that fails leaves the value as it was. The received bytes are kept as they came, so that they can be stored
//! and served on ([`Trusted::received`]). The cryptography and the rules are those of crate `sigstore-tuf`; this is
//! the only module that drives it. Searching delegated roles is in `delegations`.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use sigstore_tuf::{Error, Metadata, Role as _, Root, Snapshot, Targets, TrustedMetadataSet};

use crate::digest::Digest;
use crate::error::{VerifyError, error_chain};
use crate::layout;
use crate::limits::{ROOT_LENGTH_MAX, SNAPSHOT_LENGTH_MAX, TARGETS_LENGTH_MAX, TIMESTAMP_LENGTH_MAX};
use crate::names::{Role, TargetName};
use crate::signers::check_distinct;

/// The verified metadata of one repository. Cloning is how several sources are tried side by side.
#[derive(Debug, Clone)]
pub struct Trusted {
    pub(crate) set: TrustedMetadataSet,
    received: Received,
    /// Versions by file name that a kept snapshot pinned which the kept timestamp had already left behind.
    left_behind: BTreeMap<String, u64>,
}

/// Bytes as they came, all verified. [`Arc`]s, because every source that is tried gets its own [`Trusted`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Received {
    /// Root versions since the one that this value was made from, that one included.
    pub roots: BTreeMap<u64, Arc<[u8]>>,
    /// `timestamp.json`.
    pub timestamp: Option<Arc<[u8]>>,
    /// The snapshot metadata.
    pub snapshot: Option<Arc<[u8]>>,
    /// The top targets metadata.
    pub targets: Option<Arc<[u8]>>,
    /// Delegated targets metadata by role name.
    pub delegated: BTreeMap<String, Arc<[u8]>>,
}

/// A file to fetch next from the folder of metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The file's name in the source's folder of metadata, percent-encoded where that is needed.
    pub file: String,
    /// The version that it must have; `None` for `timestamp.json`.
    pub version: Option<u64>,
    /// Bytes that it may have: more is an endless or a wrong file.
    pub length_max: u64,
}

/// What a verified target must look like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetDescription {
    /// Its name.
    pub name: String,
    /// Its length in bytes.
    pub length: u64,
    /// Its SHA-256, if its publisher gave one; ours always do.
    pub sha256: Option<Digest>,
    /// Its path in the source's folder of targets, not yet percent-encoded.
    pub path: String,
    hashes: BTreeMap<String, String>,
}

impl Trusted {
    /// Starts from a root that came by a trusted way. It may have expired: [`Self::check_root`] comes after newer ones.
    ///
    /// # Errors
    ///
    /// Not a root, or not signed by its own root role.
    pub fn from_root(bytes: &[u8]) -> Result<Self, VerifyError> {
        check_length(bytes, ROOT_LENGTH_MAX, "root")?;
        let set = TrustedMetadataSet::from_root(bytes).map_err(|error| verify_error("root", error))?;
        check_roles(&set)?;
        check_signed::<Root>(&set, bytes, Role::Root)?;
        check_version(Role::Root, set.root().version)?;
        let roots = BTreeMap::from([(set.root().version, Arc::from(bytes))]);
        Ok(Self { set, received: Received { roots, ..Received::default() }, left_behind: BTreeMap::new() })
    }

    /// The trusted root's version.
    pub fn root_version(&self) -> u64 {
        self.set.root().version
    }

    /// Whether files are named with their version or hash. Always so in repositories that we write.
    fn consistent_snapshot(&self) -> bool {
        self.set.root().consistent_snapshot
    }

    /// The next root. Its absence at the source ends the chain; see
    /// [`ROOT_ROTATIONS_MAX`](crate::limits::ROOT_ROTATIONS_MAX) for how many to follow.
    pub fn root_wanted(&self) -> Wanted {
        let version = self.root_version().saturating_add(1);
        let file = layout::metadata_file(Role::Root, version);
        Wanted { file, version: Some(version), length_max: ROOT_LENGTH_MAX }
    }

    /// Takes the next root: signed by the trusted one's keys and by its own.
    ///
    /// What was loaded below the root is verified again under it; what its new keys did not sign is forgotten, and with it
    /// its rollback floor. That is how a repository recovers from a stolen key (specification 5.3.11).
    ///
    /// # Errors
    ///
    /// [`VerifyError::Older`] for the trusted version or an older one, [`VerifyError::Mismatch`] for one that skips.
    pub fn update_root(&mut self, bytes: &[u8]) -> Result<(), VerifyError> {
        check_length(bytes, ROOT_LENGTH_MAX, "root")?;
        let mut next = self.clone();
        next.set.update_root(bytes).map_err(|error| verify_error("root", error))?;
        check_roles(&next.set)?;
        check_signed::<Root>(&self.set, bytes, Role::Root)?;
        check_signed::<Root>(&next.set, bytes, Role::Root)?;
        let before = std::mem::take(&mut next.received);
        next.left_behind.clear();
        next.received.roots = before.roots;
        next.received.roots.insert(next.set.root().version, Arc::from(bytes));
        next.load_floor(before.timestamp.as_deref(), before.snapshot.as_deref(), before.targets.as_deref());
        *self = next;
        Ok(())
    }

    /// Takes the roots that `other` has beyond this one, each as by [`Self::update_root`].
    ///
    /// # Errors
    ///
    /// As there; the roots before the one that failed stay taken.
    pub fn follow(&mut self, other: &Self) -> Result<(), VerifyError> {
        let from = self.root_version().saturating_add(1);
        other.received.roots.range(from..).try_for_each(|(_, root)| self.update_root(root))
    }

    /// Is the trusted root still good at `now`?
    ///
    /// # Errors
    ///
    /// [`VerifyError::Expired`].
    pub fn check_root(&self, now: Timestamp) -> Result<(), VerifyError> {
        self.set.check_root_expired(now).map_err(|error| verify_error("root", error))
    }

    /// Loads what was kept of an earlier run, expired or not, as the floor below which nothing is accepted.
    ///
    /// It is verified like anything else but for its age; a file that fails, and those that hang on it, are left out:
    /// they will be fetched. Nothing loaded so is usable before [`Self::authorised`] allows it. Call it after the kept
    /// roots; later roots keep the floor (see [`Self::update_root`]).
    pub fn load_floor(&mut self, timestamp: Option<&[u8]>, snapshot: Option<&[u8]>, targets: Option<&[u8]>) {
        // Nothing has expired at the beginning of time, and versions are compared all the same.
        let long_ago = Timestamp::MIN;
        let Some(timestamp) = timestamp else { return };
        if self.update_timestamp(timestamp, long_ago).is_err() {
            return;
        }
        let Some(snapshot) = snapshot else { return };
        if self.update_snapshot(snapshot, long_ago).is_err() {
            self.leave_behind(snapshot);
            return;
        }
        if let Some(targets) = targets {
            // A failure here means that it will be fetched again.
            let _ = self.update_targets(targets, long_ago);
        }
    }

    /// Keeps the pins of a snapshot that is not the timestamp's any more, because a walk ended between the two:
    /// an attacker with the online keys but not those of targets could otherwise break a walk off there in order to go back.
    fn leave_behind(&mut self, bytes: &[u8]) {
        let Some(role) = self.set.root().role(Role::Snapshot.name()) else { return };
        let Ok(snapshot) = Metadata::<Snapshot>::from_slice(bytes) else { return };
        let is_signed = snapshot.verify_threshold(&self.set.root().keys, role, Role::Snapshot.name()).is_ok();
        if is_signed && check_signed::<Snapshot>(&self.set, bytes, Role::Snapshot).is_ok() {
            self.left_behind =
                snapshot.signed().meta.iter().map(|(name, pin)| (name.clone(), pin.version)).collect();
            self.received.snapshot = Some(Arc::from(bytes));
        }
    }

    fn check_left_behind(&self, next: &Snapshot) -> Result<(), VerifyError> {
        let role = || Role::Snapshot.to_string();
        self.left_behind.iter().try_for_each(|(name, have)| match next.meta.get(name) {
            None => {
                let reason = format!("it leaves out {name}, which an earlier one had");
                Err(VerifyError::Mismatch { role: role(), reason })
            }
            Some(pin) if pin.version < *have => {
                Err(VerifyError::Older { role: role(), have: *have, got: pin.version })
            }
            Some(_) => Ok(()),
        })
    }

    /// `timestamp.json`.
    pub fn timestamp_wanted(&self) -> Wanted {
        Wanted {
            file: layout::metadata_file(Role::Timestamp, 0),
            version: None,
            length_max: TIMESTAMP_LENGTH_MAX,
        }
    }

    /// Takes a timestamp. Of the same version as the trusted one, that is kept.
    ///
    /// # Errors
    ///
    /// [`VerifyError::Older`] also where it pins an older snapshot than the trusted one does.
    pub fn update_timestamp(&mut self, bytes: &[u8], now: Timestamp) -> Result<(), VerifyError> {
        check_length(bytes, TIMESTAMP_LENGTH_MAX, "timestamp")?;
        check_signed::<sigstore_tuf::Timestamp>(&self.set, bytes, Role::Timestamp)?;
        let mut set = self.set.clone();
        match set.update_timestamp(bytes, now) {
            Ok(()) => {
                check_version(Role::Timestamp, set.timestamp().expect("it was taken just now").version)?;
                self.set = set;
                self.received.timestamp = Some(Arc::from(bytes));
                Ok(())
            }
            Err(Error::EqualVersion { .. }) => Ok(()),
            Err(error) => Err(verify_error("timestamp", error)),
        }
    }

    /// The trusted timestamp's version.
    pub fn timestamp_version(&self) -> Option<u64> {
        self.set.timestamp().map(|timestamp| timestamp.version)
    }

    /// The snapshot to fetch; `None` if the trusted one is the one that the timestamp pins, and still good at `now`.
    ///
    /// # Errors
    ///
    /// No timestamp is loaded, it has expired, or it pins no snapshot.
    pub fn snapshot_wanted(&self, now: Timestamp) -> Result<Option<Wanted>, VerifyError> {
        let timestamp = self.set.timestamp().ok_or_else(|| incomplete("timestamp"))?;
        self.set.check_timestamp_expired(now).map_err(|error| verify_error("timestamp", error))?;
        let pin = timestamp.snapshot_meta().ok_or_else(|| unpinned("timestamp", "snapshot"))?;
        if self.set.snapshot().is_some_and(|have| have.version == pin.version && !have.is_expired(now)) {
            return Ok(None);
        }
        Ok(Some(self.wanted("snapshot", pin.version, pin.length, SNAPSHOT_LENGTH_MAX)))
    }

    /// Takes the snapshot that the timestamp pins.
    ///
    /// # Errors
    ///
    /// [`VerifyError::Older`] also where one of its pins goes backwards, [`VerifyError::Mismatch`] where one vanished.
    pub fn update_snapshot(&mut self, bytes: &[u8], now: Timestamp) -> Result<(), VerifyError> {
        check_length(bytes, SNAPSHOT_LENGTH_MAX, "snapshot")?;
        let timestamp = self.set.timestamp().ok_or_else(|| incomplete("timestamp"))?;
        timestamp.snapshot_meta().ok_or_else(|| unpinned("timestamp", "snapshot"))?;
        let mut set = self.set.clone();
        set.update_snapshot(bytes, now).map_err(|error| verify_error("snapshot", error))?;
        check_signed::<Snapshot>(&set, bytes, Role::Snapshot)?;
        check_version(Role::Snapshot, set.snapshot().expect("it was taken just now").version)?;
        self.check_left_behind(set.snapshot().expect("it was taken just now"))?;
        self.set = set;
        self.left_behind.clear();
        self.received.snapshot = Some(Arc::from(bytes));
        self.received.targets = None;
        self.received.delegated.clear();
        Ok(())
    }

    /// The top targets metadata to fetch; `None` if the trusted one is the one that the snapshot pins, and good at `now`.
    ///
    /// # Errors
    ///
    /// No snapshot is loaded, it has expired, or it pins no targets.
    pub fn targets_wanted(&self, now: Timestamp) -> Result<Option<Wanted>, VerifyError> {
        let snapshot = self.set.snapshot().ok_or_else(|| incomplete("snapshot"))?;
        self.set.check_snapshot_expired(now).map_err(|error| verify_error("snapshot", error))?;
        let pin = snapshot.meta.get("targets.json").ok_or_else(|| unpinned("snapshot", "targets"))?;
        let have = self.set.targets_role("targets");
        if have.is_some_and(|have| have.version == pin.version && !have.is_expired(now)) {
            return Ok(None);
        }
        Ok(Some(self.wanted("targets", pin.version, pin.length, TARGETS_LENGTH_MAX)))
    }

    /// Takes the top targets metadata that the snapshot pins.
    ///
    /// # Errors
    ///
    /// As every step.
    pub fn update_targets(&mut self, bytes: &[u8], now: Timestamp) -> Result<(), VerifyError> {
        check_length(bytes, TARGETS_LENGTH_MAX, "targets")?;
        let snapshot = self.set.snapshot().ok_or_else(|| incomplete("snapshot"))?;
        snapshot.meta.get("targets.json").ok_or_else(|| unpinned("snapshot", "targets"))?;
        let mut set = self.set.clone();
        let version = set.update_targets(bytes, now).map_err(|error| verify_error("targets", error))?.version;
        check_signed::<Targets>(&set, bytes, Role::Targets)?;
        check_version(Role::Targets, version)?;
        self.set = set;
        self.received.targets = Some(Arc::from(bytes));
        Ok(())
    }

    /// The trusted targets metadata's version: what the server announces, and what *stale* is measured by (P9).
    pub fn targets_version(&self) -> Option<u64> {
        self.set.targets_role("targets").map(|targets| targets.version)
    }

    /// The version of each role that is loaded.
    pub fn versions(&self) -> Vec<(Role, u64)> {
        let snapshot = self.set.snapshot().map(|snapshot| snapshot.version);
        let lower = [
            (Role::Timestamp, self.timestamp_version()),
            (Role::Snapshot, snapshot),
            (Role::Targets, self.targets_version()),
        ];
        let lower = lower.into_iter().filter_map(|(role, version)| Some((role, version?)));
        std::iter::once((Role::Root, self.root_version())).chain(lower).collect()
    }

    /// May the loaded targets be used at `now`? The whole chain is there, hangs together, and nothing in it has expired.
    ///
    /// # Errors
    ///
    /// [`VerifyError::Incomplete`] before the walk's end, [`VerifyError::Expired`].
    pub fn authorised(&self, now: Timestamp) -> Result<(), VerifyError> {
        self.check_root(now)?;
        if self.snapshot_wanted(now)?.is_some() {
            return Err(incomplete("snapshot"));
        }
        if self.targets_wanted(now)?.is_none() {
            return Ok(());
        }
        Err(match self.set.targets_role("targets") {
            Some(targets) if targets.is_expired(now) => {
                VerifyError::Expired { role: "targets".to_owned(), expired_at: targets.expires }
            }
            _ => incomplete("targets"),
        })
    }

    /// A target as the top targets metadata describes it, without searching delegated roles
    /// (see [`Self::lookup`](Self::lookup) for that). Ask [`Self::authorised`] first.
    pub fn target(&self, name: &TargetName) -> Option<TargetDescription> {
        let file = self.set.targets_role("targets")?.target(name.as_str())?;
        Some(self.description(name.as_str(), file))
    }

    /// The names and descriptions of all targets of the top targets metadata, in order of name. Names that
    /// [`TargetName`] does not allow are left out.
    pub fn targets(&self) -> impl Iterator<Item = (TargetName, TargetDescription)> {
        let targets = self.set.targets_role("targets").into_iter().flat_map(|role| &role.targets);
        targets.filter_map(|(name, file)| {
            TargetName::new(name.as_str()).ok().map(|parsed| (parsed, self.description(name, file)))
        })
    }

    /// Release lists of names that no component may have: [`Self::targets`] or
    /// [`layout::component_of_release_list`] leave them out.
    pub fn unusable_release_lists(&self) -> Vec<&str> {
        let targets = self.set.targets_role("targets").into_iter().flat_map(|role| &role.targets);
        let named = targets.filter_map(|(name, _)| Some((name, name.strip_suffix("/releases.json")?)));
        let is_unusable = |name: &str| {
            TargetName::new(name).ok().is_none_or(|name| layout::component_of_release_list(&name).is_none())
        };
        named.filter(|(name, _)| is_unusable(name)).map(|(_, component)| component).collect()
    }

    /// The bytes of everything that is trusted, as they came.
    pub fn received(&self) -> &Received {
        &self.received
    }

    pub(crate) fn received_mut(&mut self) -> &mut Received {
        &mut self.received
    }

    pub(crate) fn description(&self, name: &str, file: &sigstore_tuf::TargetFile) -> TargetDescription {
        let hash = ["sha256", "sha512"].iter().find_map(|algorithm| file.hashes.get(*algorithm));
        let path = match hash.or_else(|| file.hashes.values().next()) {
            Some(hash) if self.consistent_snapshot() => layout::target_file(name, hash),
            _ => name.to_owned(),
        };
        let sha256 = file.hashes.get("sha256").and_then(|hash| hash.to_ascii_lowercase().parse().ok());
        TargetDescription {
            name: name.to_owned(),
            length: file.length,
            sha256,
            path,
            hashes: file.hashes.clone(),
        }
    }

    pub(crate) fn wanted(&self, role: &str, version: u64, pinned: Option<u64>, length_max: u64) -> Wanted {
        let name = layout::role_file_stem(role);
        let file = if self.consistent_snapshot() {
            format!("{version}.{name}.json")
        } else {
            format!("{name}.json")
        };
        Wanted { file, version: Some(version), length_max: pinned.unwrap_or(length_max).min(length_max) }
    }
}

impl TargetDescription {
    /// Are these the target's bytes? Length and every hash that we know must fit, and we must know one.
    ///
    /// # Errors
    ///
    /// [`VerifyError::Mismatch`].
    pub fn check(&self, bytes: &[u8]) -> Result<(), VerifyError> {
        let mismatch =
            |reason: String| VerifyError::Mismatch { role: format!("target {:?}", self.name), reason };
        if bytes.len() as u64 != self.length {
            return Err(mismatch(format!("{} bytes instead of {}", bytes.len(), self.length)));
        }
        let mut known = false;
        for (algorithm, expected) in &self.hashes {
            let algorithm = match algorithm.as_str() {
                "sha256" => &aws_lc_rs::digest::SHA256,
                "sha512" => &aws_lc_rs::digest::SHA512,
                _ => continue,
            };
            let got = hex::encode(aws_lc_rs::digest::digest(algorithm, bytes));
            if !got.eq_ignore_ascii_case(expected) {
                return Err(mismatch(format!("digest {got} instead of {expected}")));
            }
            known = true;
        }
        if known { Ok(()) } else { Err(mismatch("no digest that we know is given for it".to_owned())) }
    }
}

pub(crate) fn check_length(bytes: &[u8], length_max: u64, role: &str) -> Result<(), VerifyError> {
    if bytes.len() as u64 <= length_max {
        return Ok(());
    }
    let reason = format!("it has {} bytes, more than the {length_max} that are allowed", bytes.len());
    Err(VerifyError::Unparsable { role: role.to_owned(), reason })
}

fn check_roles(set: &TrustedMetadataSet) -> Result<(), VerifyError> {
    match Role::ALL.iter().find(|role| set.root().role(role.name()).is_none()) {
        None => Ok(()),
        Some(role) => {
            let reason = format!("it names no keys for the role {role}");
            Err(VerifyError::Unparsable { role: "root".to_owned(), reason })
        }
    }
}

/// Counts every key once, whatever ids a root lists it under. The library has verified the signatures under `set`'s root.
fn check_signed<T: sigstore_tuf::Role>(
    set: &TrustedMetadataSet,
    bytes: &[u8],
    role: Role,
) -> Result<(), VerifyError> {
    match set.root().role(role.name()) {
        Some(keys) => check_distinct::<T>(bytes, &set.root().keys, keys, role.name()),
        None => Ok(()),
    }
}

/// Versions begin at 1 (specification 4.3 and after: an integer greater than zero).
fn check_version(role: Role, version: u64) -> Result<(), VerifyError> {
    if version > 0 {
        return Ok(());
    }
    let reason = "its version is 0, and versions begin at 1".to_owned();
    Err(VerifyError::Unparsable { role: role.to_string(), reason })
}

pub(crate) fn incomplete(role: &str) -> VerifyError {
    VerifyError::Incomplete { role: role.to_owned() }
}

pub(crate) fn unpinned(role: &str, child: &str) -> VerifyError {
    VerifyError::Unparsable {
        role: role.to_owned(),
        reason: format!("it does not name the current {child} metadata"),
    }
}

/// The library's errors as this crate's: by what the caller does next.
pub(crate) fn verify_error(role: &str, error: Error) -> VerifyError {
    let role = role.to_owned();
    match error {
        Error::Expired { role, expires } => VerifyError::Expired { role, expired_at: expires },
        Error::Rollback { trusted, new, .. } => VerifyError::Older { role, have: trusted, got: new },
        Error::BadRootVersion { trusted, new } if new <= trusted => {
            VerifyError::Older { role, have: trusted, got: new }
        }
        Error::BadRootVersion { trusted, new } => {
            VerifyError::Mismatch { role, reason: format!("version {new} cannot follow version {trusted}") }
        }
        Error::IntegrityMismatch(reason) => VerifyError::Mismatch { role, reason },
        Error::ThresholdNotMet { found, threshold, .. } => VerifyError::WrongSignature {
            role,
            reason: format!("{found} of {threshold} needed signatures are good"),
        },
        error @ (Error::DuplicateSignature { .. }
        | Error::UnusableKey { .. }
        | Error::UnsupportedScheme { .. }
        | Error::UnknownRole(_)
        | Error::Crypto(_)) => VerifyError::WrongSignature { role, reason: error.to_string() },
        error => VerifyError::Unparsable { role, reason: error_chain(&error) },
    }
}
