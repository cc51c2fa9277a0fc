//! How much room the disks of the data folder have, and the warnings before anything fails.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use headwater_api::v1::{DiskStatus, ServerProblem, Severity};

use crate::error::{Doing, Result};
use crate::limits::{
    DISK_FAILED_BYTES, DISK_FAILED_FILES, DISK_WARNED_BYTES_MAX, DISK_WARNED_BYTES_MIN, DISK_WARNED_DIVISOR,
    DISK_WARNED_FILES_MAX, DISK_WARNED_FILES_MIN,
};

/// What fails when a disk is full.
const WHAT_FAILS: &str = "publishing, saving, reports of clients and signing again fail when it is full, and clients stop \
                          accepting what is no longer signed";

/// The disks that these folders are on, each once.
///
/// # Errors
/// When the system refuses.
pub(super) fn disks(folders: &[PathBuf]) -> Result<Vec<DiskStatus>> {
    let mut disks: Vec<(u64, DiskStatus)> = Vec::new();
    for folder in folders {
        let doing = || format!("cannot look at the disk of {}", folder.display());
        let device = std::fs::metadata(folder).doing(doing)?.dev();
        let name = folder.display().to_string();
        match disks.iter_mut().find(|(known, _)| *known == device) {
            Some((_, disk)) => disk.folders.push(name),
            None => disks.push((device, disk_of(folder, name)?)),
        }
    }
    Ok(disks.into_iter().map(|(_, disk)| disk).collect())
}

fn disk_of(folder: &Path, name: String) -> Result<DiskStatus> {
    let disk = rustix::fs::statvfs(folder)
        .map_err(std::io::Error::from)
        .doing(|| format!("cannot look at the disk of {}", folder.display()))?;
    let has_limit = disk.f_files > 0;
    Ok(DiskStatus {
        folders: vec![name],
        free_bytes: disk.f_bavail.saturating_mul(disk.f_frsize),
        bytes: disk.f_blocks.saturating_mul(disk.f_frsize),
        free_files: has_limit.then_some(disk.f_favail),
        files: has_limit.then_some(disk.f_files),
    })
}

/// What is wrong with the room on a disk.
pub(super) fn problems(disk: &DiskStatus) -> Vec<ServerProblem> {
    let folder = disk.folders.first().map_or("the data folder", String::as_str);
    let problem = |code: &str, severity, message: String| ServerProblem {
        code: code.to_owned(),
        severity,
        since: None,
        message,
    };
    let mut found = Vec::new();
    let warned = (disk.bytes / DISK_WARNED_DIVISOR).clamp(DISK_WARNED_BYTES_MIN, DISK_WARNED_BYTES_MAX);
    if let Some(severity) = severity(disk.free_bytes, warned, DISK_FAILED_BYTES) {
        let (free, all) = (disk.free_bytes >> 20, disk.bytes >> 20);
        let message = format!(
            "the disk of {folder} has {free} MiB of {all} MiB left: {WHAT_FAILS}; free space there, remove components that \
             nobody needs, lower reports_mib_max or deltas_storage_percent, or move the folder to a larger disk"
        );
        found.push(problem("disk_space", severity, message));
    }
    if let (Some(free), Some(files)) = (disk.free_files, disk.files) {
        let warned = (files / DISK_WARNED_DIVISOR).clamp(DISK_WARNED_FILES_MIN, DISK_WARNED_FILES_MAX);
        if let Some(severity) = severity(free, warned, DISK_FAILED_FILES) {
            let message = format!(
                "the disk of {folder} can have {free} of {files} more files (inodes): {WHAT_FAILS}; remove files there, or move \
                 the folder to a disk with more inodes"
            );
            found.push(problem("disk_files", severity, message));
        }
    }
    found
}

fn severity(free: u64, warned: u64, failed: u64) -> Option<Severity> {
    match free {
        free if free < failed => Some(Severity::Failed),
        free if free < warned => Some(Severity::Warning),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn disk(free_gib_tenths: u64, gib: u64, files: Option<(u64, u64)>) -> DiskStatus {
        DiskStatus {
            folders: vec!["data".to_owned()],
            free_bytes: free_gib_tenths * GIB / 10,
            bytes: gib * GIB,
            free_files: files.map(|(free, _)| free),
            files: files.map(|(_, all)| all),
        }
    }

    #[test]
    fn a_disk_is_warned_of_long_before_it_is_full() {
        let check = |disk: DiskStatus, expected: &[(&str, Severity)]| {
            let found = problems(&disk);
            let found: Vec<_> = found.iter().map(|it| (it.code.as_str(), it.severity)).collect();
            assert_eq!(found, expected, "{disk:?}");
        };
        check(disk(500, 1000, None), &[]);
        check(disk(99, 1000, None), &[("disk_space", Severity::Warning)]);
        check(disk(30, 20, None), &[]);
        check(disk(9, 20, None), &[("disk_space", Severity::Warning)]);
        check(disk(0, 20, None), &[("disk_space", Severity::Failed)]);
        check(disk(500, 1000, Some((1_000_000, 4_000_000))), &[]);
        check(disk(500, 1000, Some((20_000, 4_000_000))), &[("disk_files", Severity::Warning)]);
        check(disk(500, 1000, Some((100, 4_000_000))), &[("disk_files", Severity::Failed)]);
        check(
            disk(0, 20, Some((100, 4_000_000))),
            &[("disk_space", Severity::Failed), ("disk_files", Severity::Failed)],
        );
    }

    #[test]
    fn the_bounds_are_crossed_by_one_byte_or_file() {
        let check = |free_bytes: u64, bytes: u64, expected: Option<Severity>| {
            let disk = DiskStatus { free_bytes, bytes, ..disk(0, 0, None) };
            let found = problems(&disk).first().map(|it| it.severity);
            assert_eq!(found, expected, "{free_bytes} of {bytes}");
        };
        for (bytes, warned) in [(1, DISK_WARNED_BYTES_MIN), (u64::MAX, DISK_WARNED_BYTES_MAX)] {
            check(warned, bytes, None);
            check(warned - 1, bytes, Some(Severity::Warning));
        }
        check(DISK_FAILED_BYTES, 1, Some(Severity::Warning));
        check(DISK_FAILED_BYTES - 1, 1, Some(Severity::Failed));
        let check = |free: u64, files: u64, expected: Option<Severity>| {
            let found = problems(&disk(1000, 10, Some((free, files)))).first().map(|it| it.severity);
            assert_eq!(found, expected, "{free} of {files} files");
        };
        for (files, warned) in [(1, DISK_WARNED_FILES_MIN), (u64::MAX, DISK_WARNED_FILES_MAX)] {
            check(warned, files, None);
            check(warned - 1, files, Some(Severity::Warning));
        }
        check(DISK_FAILED_FILES, 1, Some(Severity::Warning));
        check(DISK_FAILED_FILES - 1, 1, Some(Severity::Failed));
    }

    #[test]
    fn folders_of_one_disk_are_one_disk() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("repository");
        std::fs::create_dir(&below).unwrap();
        let found = disks(&[folder.path().to_owned(), below]).unwrap();
        assert_eq!((found.len(), found[0].folders.len()), (1, 2));
        assert!(found[0].bytes > 0);
    }
}
