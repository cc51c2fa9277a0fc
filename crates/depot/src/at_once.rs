//! Many slow calls of the disk together: it takes one flush after the other slowly, and many in hardly more time than one.

use std::path::Path;

use crate::limits::SYNCS_AT_ONCE;
use crate::store_error::StoreError;

/// Does the same to all paths, on several threads; the first failure is returned.
pub(crate) fn at_once(
    paths: &[&Path],
    sync: impl Fn(&Path) -> Result<(), StoreError> + Copy + Send,
) -> Result<(), StoreError> {
    let share = paths.len().div_ceil(SYNCS_AT_ONCE).max(1);
    if paths.len() <= 1 {
        return paths.iter().try_for_each(|path| sync(path));
    }
    std::thread::scope(|scope| {
        let parts: Vec<_> = paths
            .chunks(share)
            .map(|part| scope.spawn(move || part.iter().try_for_each(|path| sync(path))))
            .collect();
        parts.into_iter().try_for_each(|part| part.join().expect("syncing does not panic"))
    })
}
