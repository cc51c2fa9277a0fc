//! Files on this endpoint that new releases can be made from.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use headwater_repo::{Digest, FileEntry, Hasher};

use crate::data::{DataFolder, Slot};
use crate::os;

/// Files of installed releases, by digest, as their records state.
pub type LocalFiles = BTreeMap<Digest, PathBuf>;

/// The files of everything that is installed.
pub(crate) fn installed_files(folder: &DataFolder) -> io::Result<LocalFiles> {
    let slots: Vec<Slot> = folder.slots()?.into_iter().map(|(_, _, slot)| slot).collect();
    slots.split_last().map_or_else(|| Ok(LocalFiles::new()), |(last, others)| local_files(last, others))
}

/// The files of all installed releases. If several have the same file, that of the current release in `slot` wins.
pub(crate) fn local_files(slot: &Slot, others: &[Slot]) -> io::Result<LocalFiles> {
    let mut local = LocalFiles::new();
    for slot in others.iter().chain([slot]) {
        for (name, record) in [slot.previous()?, slot.installed()?].into_iter().flatten() {
            let folder = slot.release_folder(&name);
            local.extend(record.files.iter().map(|file| (file.sha256, folder.join(&file.path))));
        }
    }
    Ok(local)
}

/// Copies the files that are local, and returns those that are missing. Also returns local files whose content has
/// changed; they are removed from `local`.
pub(crate) fn copy_local(
    local: &mut LocalFiles,
    assembling: &Path,
    files: Vec<FileEntry>,
) -> io::Result<(Vec<FileEntry>, BTreeSet<PathBuf>)> {
    let (mut missing, mut changed) = (Vec::new(), BTreeSet::new());
    for file in files {
        let path = assembling.join(file.path.as_str());
        if let Some(above) = path.parent() {
            fs::create_dir_all(above)?;
        }
        let copied = match local.get(&file.sha256) {
            Some(from) => copy_verified(from, &path, &file.sha256)?,
            None => false,
        };
        if copied {
            os::set_mode(&path, file.mode)?;
        } else {
            changed.extend(local.remove(&file.sha256));
            missing.push(file);
        }
    }
    Ok((missing, changed))
}

/// Whether the content of a file has this digest.
pub(crate) fn has_digest(path: &Path, digest: &Digest) -> bool {
    os::open_file(path).is_ok_and(|mut opened| {
        let mut hasher = Hasher::new();
        copy_hashed(&mut opened, &mut io::sink(), &mut hasher).is_ok() && hasher.finish() == *digest
    })
}

/// Copies a file if its content has this digest.
pub(crate) fn copy_verified(from: &Path, to: &Path, digest: &Digest) -> io::Result<bool> {
    let Ok(mut source) = os::open_file(from) else { return Ok(false) };
    let mut target = File::create(to)?;
    let mut hasher = Hasher::new();
    copy_hashed(&mut source, &mut target, &mut hasher)?;
    let verified = hasher.finish() == *digest;
    if !verified {
        fs::remove_file(to)?;
    }
    Ok(verified)
}

/// Copies a file, and hashes what is copied.
pub(crate) fn copy_hashed(from: &mut File, to: &mut impl io::Write, hasher: &mut Hasher) -> io::Result<()> {
    let mut chunk = vec![0; 256 * 1024];
    loop {
        let count = from.read(&mut chunk)?;
        if count == 0 {
            return Ok(());
        }
        hasher.update(&chunk[..count]);
        to.write_all(&chunk[..count])?;
    }
}

#[cfg(test)]
mod tests {
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    #[test]
    fn a_pipe_in_the_place_of_a_file_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let (pipe, copy) = (folder.path().join("pipe"), folder.path().join("copy"));
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let digest = Digest::of(b"");
        assert!(!has_digest(&pipe, &digest));
        assert!(!copy_verified(&pipe, &copy, &digest).unwrap());
        assert!(!copy.exists());
    }
}
