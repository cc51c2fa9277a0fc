//! Whether a vendor's content is what was signed of it (C2a): signatures and digests show that bytes are the vendor's, and
//! only decoding them shows that clients can install them.
//!
//! A body is decoded to nowhere: never more bytes than the signed size of its file, in bounded memory. A delta is applied
//! where its base is here. One whose base is not here cannot be tried: its digest, size, format and memory are what was
//! signed, and a client for which it makes another file takes the body.

use std::collections::{HashMap, HashSet};
use std::io;

use headwater_api::v1::RejectedRelease;
use headwater_delta::limits::DELTA_MEMORY_MAX;
use headwater_depot::Store;
use headwater_depot::store::UnpackError;
use headwater_repo::{Digest, FileEntry, Hop, Manifest};

use super::stopped::Stopped;
use crate::limits::RELEASE_BYTES_MAX;

/// Decodes content, each piece once.
pub(super) struct Verifier<'a> {
    store: &'a Store,
    /// The current release and its deltas were verified before.
    is_known: bool,
    /// Files with the bodies that make them.
    right: HashSet<(Digest, u64, Digest)>,
}

/// What decoding showed.
enum Verdict {
    Right,
    /// It is as signed, and makes something else: why.
    Wrong(String),
    /// The disk damaged it or it was never here: why.
    Gone(String),
}

impl<'a> Verifier<'a> {
    pub fn new(store: &'a Store, is_known: bool) -> Self {
        Self { store, is_known, right: HashSet::new() }
    }

    /// Forgets those of the files that are here whose bodies do not make what `wanted` states of them.
    pub async fn forget_wrong(
        &mut self,
        wanted: &Manifest,
        here: &mut HashMap<Digest, FileEntry>,
    ) -> Result<(), Stopped> {
        if self.is_known {
            return Ok(());
        }
        for file in &wanted.files {
            let Some(present) = here.get(&file.sha256) else { continue };
            let file = FileEntry { body: present.body.clone(), ..file.clone() };
            if !matches!(self.body(&file).await?, Verdict::Right) {
                here.remove(&file.sha256);
            }
        }
        Ok(())
    }

    /// Why a release is rejected, all of whose files are here by now. `None` if it is right.
    pub async fn whole(
        &mut self,
        release: &Manifest,
        here: &HashMap<Digest, FileEntry>,
    ) -> Result<Option<RejectedRelease>, Stopped> {
        if self.is_known {
            return Ok(None);
        }
        for file in &release.files {
            let file = FileEntry { body: here[&file.sha256].body.clone(), ..file.clone() };
            match self.body(&file).await? {
                Verdict::Right => {}
                Verdict::Wrong(reason) => return Ok(Some(rejected(release, Some(&file), reason))),
                Verdict::Gone(reason) => return Err(Stopped(reason)),
            }
        }
        Ok(None)
    }

    /// Why a release is rejected of which something is here. `None` if nothing that is here is wrong.
    pub async fn what_is_here(&mut self, release: &Manifest) -> Result<Option<RejectedRelease>, Stopped> {
        for file in &release.files {
            if !self.store.has_whole(&file.body.sha256, file.body.size) {
                continue;
            }
            if let Verdict::Wrong(reason) = self.body(file).await? {
                return Ok(Some(rejected(release, Some(file), reason)));
            }
        }
        Ok(None)
    }

    /// Why a delta is left out that is here, as is the file that it is for. `None` if it makes what is signed.
    pub async fn delta(&self, base: &FileEntry, hop: Hop) -> Result<Option<String>, Stopped> {
        if self.is_known {
            return Ok(None);
        }
        let (store, base) = (self.store.clone(), base.clone());
        let applied = tokio::task::spawn_blocking(move || -> Result<(), UnpackError> {
            let mut from = tempfile::tempfile_in(store.scratch_folder()).map_err(UnpackError::Write)?;
            store.unpack(&base, &mut from)?;
            store.apply(&hop, &from, DELTA_MEMORY_MAX, io::sink())
        });
        Ok(match verdict(applied.await.expect("applying a delta does not panic"))? {
            Verdict::Right => None,
            Verdict::Wrong(reason) | Verdict::Gone(reason) => Some(reason),
        })
    }

    async fn body(&mut self, file: &FileEntry) -> Result<Verdict, Stopped> {
        let key = (file.sha256, file.size, file.body.sha256);
        if self.right.contains(&key) {
            return Ok(Verdict::Right);
        }
        let (store, file) = (self.store.clone(), file.clone());
        let unpacked = tokio::task::spawn_blocking(move || store.unpack(&file, io::sink())).await;
        let verdict = verdict(unpacked.expect("unpacking does not panic"))?;
        if matches!(verdict, Verdict::Right) {
            self.right.insert(key);
        }
        Ok(verdict)
    }
}

fn verdict(unpacked: Result<(), UnpackError>) -> Result<Verdict, Stopped> {
    match unpacked {
        Ok(()) => Ok(Verdict::Right),
        Err(UnpackError::Wrong { reason, .. }) => Ok(Verdict::Wrong(reason)),
        Err(gone @ UnpackError::NotThere(_)) => Ok(Verdict::Gone(gone.to_string())),
        Err(other) => Err(other.into()),
    }
}

/// Why a release is rejected before anything of it is fetched: its files are more than those of a release that is published
/// here may be, and all would be decoded.
pub(super) fn too_large(release: &Manifest) -> Option<RejectedRelease> {
    let size = release.size();
    (size > RELEASE_BYTES_MAX).then(|| {
        rejected(release, None, format!("its files have {size} bytes; {RELEASE_BYTES_MAX} are allowed"))
    })
}

fn rejected(release: &Manifest, file: Option<&FileEntry>, reason: String) -> RejectedRelease {
    RejectedRelease {
        name: release.component.to_string(),
        sequence: release.sequence.get(),
        version: release.version.to_string(),
        file: file.map(|file| file.path.to_string()),
        reason,
    }
}
