//! Linux: symbolic links, `statvfs`, process groups, `exec`.

use std::fs;
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};

use headwater_depot::files::{remove_if_present, remove_tree, sync_folder, temporary_beside};

/// Points `link` at `target` (a path relative to the link's folder) in one step: a new link is created beside it and
/// renamed over it, and the folder is synced. After a power loss it is the old or the new one. A folder in its place (made
/// by a copy that follows links) is removed.
///
/// # Errors
///
/// A step fails; the old link is then untouched.
pub fn switch_link(link: &Path, target: &Path) -> io::Result<()> {
    let temporary = temporary_beside(link);
    remove_if_present(&temporary)?;
    symlink(target, &temporary)?;
    if fs::symlink_metadata(link).is_ok_and(|found| found.is_dir()) {
        remove_tree(link)?;
    }
    if let Err(error) = fs::rename(&temporary, link) {
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    match link.parent() {
        Some(folder) => sync_folder(folder),
        None => Ok(()),
    }
}

/// Where `link` points, as written; `None` if there is no link, or something else in its place.
///
/// # Errors
///
/// It cannot be read.
pub fn current_link(link: &Path) -> io::Result<Option<PathBuf>> {
    match fs::read_link(link) {
        Ok(target) => Ok(Some(target)),
        // A file or a folder that is no link is an invalid argument.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidInput) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Opens a file in a folder that others can change. Only a regular file is opened: a pipe would block.
///
/// # Errors
///
/// It cannot be opened, or is no regular file.
pub fn open_file(path: &Path) -> io::Result<fs::File> {
    let at_once = rustix::fs::OFlags::NONBLOCK.bits();
    let file = fs::OpenOptions::new().read(true).custom_flags(at_once.cast_signed()).open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"))
    }
}

/// Makes new files readable and writable for their owner alone.
pub fn owner_only(options: &mut fs::OpenOptions) -> &mut fs::OpenOptions {
    options.mode(0o600)
}

/// Sets a file's permission bits.
///
/// # Errors
///
/// The system refuses.
pub fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o777))
}

/// The permission bits of something, of a link itself.
pub fn mode_of(found: &fs::Metadata) -> u32 {
    found.permissions().mode() & 0o777
}

/// The names of the interfaces over which a default route leads, by IPv4 or IPv6; empty if the system does not show them.
pub fn default_route_interfaces() -> Vec<String> {
    const UP_NOT_REJECTED: (u32, u32) = (0x1, 0x200);
    let is_used = |flags: &str| {
        u32::from_str_radix(flags, 16)
            .is_ok_and(|flags| flags & UP_NOT_REJECTED.0 != 0 && flags & UP_NOT_REJECTED.1 == 0)
    };
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let mut names = Vec::new();
    for line in read("/proc/net/route").lines().skip(1) {
        // Interface, destination, gateway, flags, …, mask.
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [name, "00000000", _, flags, _, _, _, "00000000", ..] = words[..]
            && is_used(flags)
        {
            names.push(name.to_owned());
        }
    }
    for line in read("/proc/net/ipv6_route").lines() {
        // Destination, its prefix length, six more, flags, interface.
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [destination, "00", .., flags, name] = words[..]
            && destination.bytes().all(|byte| byte == b'0')
            && is_used(flags)
        {
            names.push(name.to_owned());
        }
    }
    names
}

/// Gives a file or folder to a group.
///
/// # Errors
///
/// The system refuses.
pub fn set_group(path: &Path, group: u32) -> io::Result<()> {
    std::os::unix::fs::chown(path, None, Some(group))
}

/// The number of a group, given by that or by its name in `/etc/group`; `None` if there is no such group.
pub fn group_number(group: &str) -> Option<u32> {
    if let Ok(number) = group.parse() {
        return Some(number);
    }
    let groups = fs::read_to_string("/etc/group").ok()?;
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        if name == group { number.parse().ok() } else { None }
    })
}

/// Bytes that an ordinary process may still write to the disk of `folder`.
///
/// # Errors
///
/// The system refuses.
pub fn free_bytes(folder: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(folder)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Files and folders that may still be made on the disk of `folder`; `None` if it has no such limit.
///
/// # Errors
///
/// The system refuses.
pub fn free_files(folder: &Path) -> io::Result<Option<u64>> {
    let disk = rustix::fs::statvfs(folder)?;
    Ok((disk.f_files > 0).then_some(disk.f_favail))
}

/// This host's name.
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Whether an error is caused by the disk or by permissions (P9: not the source's fault; it ends the run).
pub fn is_storage_fault(error: &io::Error) -> bool {
    use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(error.kind(), PermissionDenied | QuotaExceeded | ReadOnlyFilesystem | StorageFull)
        || error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
}

/// Makes a command start in a process group of its own, so that it can be killed with everything it started.
pub fn in_own_process_group(command: &mut tokio::process::Command) -> &mut tokio::process::Command {
    command.process_group(0)
}

/// Kills every process of the group that `leader` leads.
pub fn kill_process_group(leader: u32) {
    let leader = i32::try_from(leader).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(leader) = leader {
        let _ = rustix::process::kill_process_group(leader, rustix::process::Signal::KILL);
    }
}

/// Becomes another program, with these arguments and one more variable in the environment. Returns only on failure.
pub fn exec(program: &Path, arguments: &[std::ffi::OsString], variable: (&str, &str)) -> io::Error {
    std::process::Command::new(program).args(arguments).env(variable.0, variable.1).exec()
}

/// Completes at SIGTERM or SIGINT.
///
/// # Errors
///
/// The signal handlers cannot be installed.
pub fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
