//! Finds damaged blobs in the served tree. A blob that is there is not fetched again, so damage would stay for ever.
//!
//! Every run checks sizes. Digests are verified in rounds: each run continues where the one before stopped, and reads at most
//! [`SCRUB_BYTES`] and the blob that crosses them. A damaged blob is removed at once from the served tree and from the store,
//! where it may be the same file; then it is missing and is fetched like any other.

use std::collections::BTreeMap;
use std::io;

use headwater_depot::Store;
use headwater_depot::store::{digest_of, next_in_round};
use headwater_policy::Repository;
use headwater_repo::{Digest, layout};

use crate::limits::SCRUB_BYTES;
use crate::served_tree::ServedTree;

/// Checks those of `blobs` (digest and size) that are in the served tree; removes the damaged ones and returns their number.
pub(crate) fn scrub(
    tree: &ServedTree,
    store: &Store,
    repository: Repository,
    blobs: &BTreeMap<Digest, u64>,
) -> io::Result<usize> {
    let mut damaged = Vec::new();
    let mut there = BTreeMap::new();
    for (digest, size) in blobs {
        match tree.size(repository, &layout::blob(digest)) {
            Some(found) if found == *size => _ = there.insert(*digest, *size),
            Some(_) => damaged.push(*digest),
            None => {}
        }
    }
    let round = next_in_round(&there, tree.scrubbed(repository), SCRUB_BYTES);
    for digest in &round {
        let read = tree.open(repository, &layout::blob(digest)).and_then(|mut file| digest_of(&mut file));
        // A blob that cannot be read is damaged, too.
        if !read.is_ok_and(|(got, _)| got == *digest) {
            damaged.push(*digest);
        }
    }
    for digest in &damaged {
        tracing::warn!(%repository, %digest, "a blob held for others is damaged on the disk; it is fetched again");
        tree.remove_file(repository, &layout::blob(digest))?;
        store.verify(digest).map_err(io::Error::other)?;
    }
    if let Some(last) = round.last() {
        tree.set_scrubbed(repository, last)?;
    }
    Ok(damaged.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_goes_on_where_it_stopped_and_starts_again_at_its_end() {
        let blobs = BTreeMap::from([1_u8, 2, 3, 4, 5].map(|n| (Digest::from([n; 32]), SCRUB_BYTES / 2)));
        let read = |last: Option<u8>| {
            let last = last.map(|n| Digest::from([n; 32]));
            let chosen = next_in_round(&blobs, last, SCRUB_BYTES);
            chosen.iter().map(|digest| digest.as_bytes()[0]).collect::<Vec<_>>()
        };
        assert_eq!(read(None), [1, 2]);
        assert_eq!(read(Some(2)), [3, 4]);
        assert_eq!(read(Some(4)), [5, 1]);
        assert_eq!(read(Some(9)), [1, 2], "what was last is gone");
        assert_eq!(next_in_round(&blobs, None, u64::MAX).len(), 5, "nothing is read twice");
        let large = BTreeMap::from([(Digest::from([7; 32]), SCRUB_BYTES * 3)]);
        assert_eq!(next_in_round(&large, None, SCRUB_BYTES).len(), 1, "the largest is read too");
    }
}
