//! Finding what the disk changed: nothing that is there is fetched or made again, so it would stay bad for ever.
//!
//! A wrong size is seen at every look ([`Store::has_whole`]). Digests are verified in rounds, a bounded number of bytes at
//! a time.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};

use headwater_repo::Digest;

use super::{Found, Store};
use crate::store_error::StoreError;

/// What a look of [`Store::scrub`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scrubbed {
    /// Blobs read.
    pub read: u64,
    /// Blobs whose digest was not their name; they are gone.
    pub damaged: Vec<Digest>,
    /// The last one: where the next look goes on.
    pub last: Option<Digest>,
}

impl Store {
    /// Is the blob there, with all of its `size` bytes? Another size is the disk's doing, and is as good as not there.
    pub fn has_whole(&self, digest: &Digest, size: u64) -> bool {
        self.size(digest) == Some(size)
    }

    /// Reads the blobs after `last`, at most `bytes_max` and the blob that crosses them, and removes those that are
    /// damaged.
    ///
    /// # Errors
    ///
    /// The folder cannot be listed, or a damaged blob not be removed.
    pub fn scrub(&self, last: Option<Digest>, bytes_max: u64) -> Result<Scrubbed, StoreError> {
        let whole = self.files()?.into_iter().filter(Found::is_whole);
        let there = whole.map(|file| (file.digest, file.size)).collect();
        let mut scrubbed = Scrubbed { last, ..Scrubbed::default() };
        for digest in next_in_round(&there, last, bytes_max) {
            // One that was collected meanwhile is not damaged.
            if self.has(&digest) && !self.verify(&digest)? {
                scrubbed.damaged.push(digest);
            }
            scrubbed.read += 1;
            scrubbed.last = Some(digest);
        }
        Ok(scrubbed)
    }
}

/// What a look reads of a round: those after `last`, and from the first again after the last one; at most `bytes_max`
/// and the blob that crosses them.
pub fn next_in_round(there: &BTreeMap<Digest, u64>, last: Option<Digest>, bytes_max: u64) -> Vec<Digest> {
    let after = last.map_or(Unbounded, Excluded);
    let mut round = there.range((after, Unbounded)).chain(last.iter().flat_map(|last| there.range(..=last)));
    let mut bytes = 0_u64;
    let mut chosen = Vec::new();
    while bytes < bytes_max
        && let Some((digest, size)) = round.next()
    {
        bytes = bytes.saturating_add(*size);
        chosen.push(*digest);
    }
    chosen
}
