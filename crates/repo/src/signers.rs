//! Which keys signed, counted by what they are: a root may list one key under several ids, in other case or with extra
//! fields, and it still counts once (specification 6.1: a threshold is of distinct keys).
//!
//! The verifying library counts ids. Where a role of a root names one key twice, its count is made here again.

use std::collections::{BTreeMap, BTreeSet};

use sigstore_tuf::key::Key;
use sigstore_tuf::{Metadata, Role, RoleKeys};

use crate::digest::Digest;
use crate::error::VerifyError;

/// What a key is, however it is written: the digest of its public part.
pub(crate) fn key_digest(key: &Key) -> Option<Digest> {
    let verifying = key.verification_key().ok()?;
    let public = verifying.as_bytes();
    // A point of a curve may be written whole or as one coordinate and a sign: the coordinate is in both.
    let point = match (key.scheme.starts_with("ecdsa"), public) {
        (true, [2 | 3, x @ ..]) => x,
        (true, [4, both @ ..]) => &both[..both.len() / 2],
        _ => public,
    };
    Some(Digest::of(point))
}

/// The keys of a role by what they are. Keys that this program cannot use are left out: they verify nothing.
pub(crate) fn key_digests(keys: &BTreeMap<String, Key>, role: &RoleKeys) -> BTreeSet<Digest> {
    role.keyids.iter().filter_map(|id| key_digest(keys.get(id)?)).collect()
}

/// The keys of a role whose signature `metadata` has.
pub(crate) fn signers<T: Role>(
    metadata: &Metadata<T>,
    keys: &BTreeMap<String, Key>,
    role: &RoleKeys,
) -> BTreeSet<Digest> {
    let mut one = role.clone();
    one.threshold = 1;
    let has_signed = |id: &&String| {
        one.keyids = vec![(*id).clone()];
        metadata.verify_threshold(keys, &one, "").is_ok()
    };
    let signed: Vec<&String> = role.keyids.iter().filter(has_signed).collect();
    signed.into_iter().filter_map(|id| key_digest(keys.get(id)?)).collect()
}

/// Counts the signatures of a role again where it names one key under several ids; the library has verified the rest.
pub(crate) fn check_distinct<T: Role>(
    bytes: &[u8],
    keys: &BTreeMap<String, Key>,
    role: &RoleKeys,
    name: &str,
) -> Result<(), VerifyError> {
    let ids: BTreeSet<&String> = role.keyids.iter().collect();
    if key_digests(keys, role).len() == ids.len() {
        return Ok(());
    }
    let metadata = Metadata::<T>::from_slice(bytes)
        .map_err(|error| VerifyError::Unparsable { role: name.to_owned(), reason: error.to_string() })?;
    let found = signers(&metadata, keys, role).len();
    if found >= role.threshold {
        return Ok(());
    }
    let reason = format!("{found} of {} needed keys signed, each counted once", role.threshold);
    Err(VerifyError::WrongSignature { role: name.to_owned(), reason })
}
