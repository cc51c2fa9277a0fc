//! What holding a class takes, and what the quota and the disk allow.

use headwater_depot::Blob;
use headwater_repo::Digest;

use crate::hold_error::HoldError;
use crate::limits::{FREE_BYTES_MIN, FREE_FILES_MIN};

/// What holding takes and what there is, in bytes and files.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    /// To be added to the served tree.
    pub wanted: u64,
    /// Of these, to be added to the disk: what the client fetched for itself is linked, not stored twice.
    pub to_store: u64,
    /// In the served tree already, as far as it counts against the quota.
    pub held: u64,
    pub quota: u64,
    pub free: u64,
    /// Files to be made.
    pub files: u64,
    /// Files that can still be made; `None` if the disk has no such limit.
    pub free_files: Option<u64>,
}

impl Room {
    /// Refuses what does not fit, before a byte of the bodies is fetched (U4).
    pub(crate) fn check(self) -> Result<(), HoldError> {
        let Self { wanted, to_store, held, quota, free, files, free_files } = self;
        if wanted > 0 && held.saturating_add(wanted) > quota {
            return Err(HoldError::Quota { wanted, held, quota });
        }
        if to_store > free.saturating_sub(FREE_BYTES_MIN) {
            return Err(HoldError::NoRoom { wanted: to_store, free, reserve: FREE_BYTES_MIN });
        }
        match free_files {
            Some(free) if files > free.saturating_sub(FREE_FILES_MIN) => {
                Err(HoldError::NoInodes { wanted: files, free, reserve: FREE_FILES_MIN })
            }
            _ => Ok(()),
        }
    }

    /// Those blobs that fit beside what must be held, in their order.
    pub(crate) fn fitting(self, blobs: &[Blob], stored: &dyn Fn(&Digest) -> bool) -> Vec<Blob> {
        let mut quota = self.quota.saturating_sub(self.held.saturating_add(self.wanted));
        let mut free = self.free.saturating_sub(FREE_BYTES_MIN).saturating_sub(self.to_store);
        let mut files =
            self.free_files.map_or(u64::MAX, |free| free.saturating_sub(FREE_FILES_MIN + self.files));
        let mut fits = |blob: &&Blob| {
            let (to_store, new) = if stored(&blob.digest) { (0, 0) } else { (blob.size, 1) };
            if blob.size > quota || to_store > free || new > files {
                return false;
            }
            (quota, free, files) = (quota - blob.size, free - to_store, files - new);
            true
        };
        blobs.iter().filter(|blob| fits(blob)).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deltas_get_the_remaining_room_in_their_order() {
        let blob = |size: u64| Blob { digest: Digest::of(&size.to_le_bytes()), size };
        let blobs = [blob(5), blob(20), blob(4), blob(2)];
        let free = FREE_BYTES_MIN + 4 + 100;
        let room = Room { wanted: 10, to_store: 4, held: 80, quota: 100, free, files: 3, free_files: None };
        let sizes = |room: Room, stored: bool| {
            room.fitting(&blobs, &|_| stored).iter().map(|blob| blob.size).collect::<Vec<_>>()
        };
        assert_eq!(sizes(room, false), [5, 4]);
        assert_eq!(sizes(Room { quota: 1000, ..room }, false), [5, 20, 4, 2]);
        let full = Room { quota: 1000, free: FREE_BYTES_MIN + 4 + 6, ..room };
        assert_eq!(sizes(full, false), [5]);
        assert_eq!(sizes(full, true), [5, 20, 4, 2], "what is stored is linked");
        assert_eq!(sizes(Room { quota: 80, ..room }, false), [0; 0]);
        let few = Room { quota: 1000, free_files: Some(FREE_FILES_MIN + 3 + 2), ..room };
        assert_eq!(sizes(few, false), [5, 20], "a file each");
        assert_eq!(sizes(few, true), [5, 20, 4, 2]);
    }

    #[test]
    fn quota_and_free_space_are_exact_to_the_byte() {
        let free = FREE_BYTES_MIN + 4;
        let room = Room { wanted: 10, to_store: 4, held: 90, quota: 100, free, files: 3, free_files: None };
        assert!(room.check().is_ok());
        assert!(matches!(Room { quota: 99, ..room }.check(), Err(HoldError::Quota { .. })));
        let full = Room { free: room.free - 1, ..room };
        let message = full.check().unwrap_err().to_string();
        assert!(
            message.contains("takes 4 more")
                && message.contains("67108867 are free on the disk, of which 67108864 stay")
        );
        let few = Room { free_files: Some(FREE_FILES_MIN + 3), ..room };
        assert!(few.check().is_ok());
        let message = Room { files: 4, ..few }.check().unwrap_err().to_string();
        assert!(message.contains("4 more files; the disk has 1027 free inodes"), "{message}");
        // A lowered quota removes nothing that is served.
        assert!(Room { wanted: 0, to_store: 0, quota: 1, ..room }.check().is_ok());
    }
}
