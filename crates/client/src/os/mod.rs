//! What depends on the operating system, behind a small interface: links, durability, locks, processes, the host's name
//! and addresses. Linux now; another system gets its own file beside `os/linux.rs`. Nothing here decides anything.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use headwater_depot::files::{folder_of, sync_folder};
use headwater_policy::Interface;
use jiff::Timestamp;

#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod system;

pub use system::{
    current_link, default_route_interfaces, exec, free_bytes, free_files, group_number, host_name,
    in_own_process_group, is_storage_fault, kill_process_group, mode_of, open_file, owner_only, set_group,
    set_mode, stop_signal, switch_link,
};

/// The clock, read at the entry points of the client only.
#[expect(
    clippy::disallowed_methods,
    reason = "the client's one clock; everything below takes `now` as an argument"
)]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// A lock on a file, held until dropped; the system frees it when the process dies.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// The result of [`lock`].
#[derive(Debug)]
pub enum Locked {
    /// This process has it.
    Held(Lock),
    /// Another process has it; its process id if it wrote one.
    Busy(String),
}

/// Takes the lock on `path` without waiting, and writes our process id into it.
///
/// # Errors
///
/// The file cannot be created or locked.
pub fn lock(path: &Path) -> io::Result<Locked> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let mut file = owner_only(&mut options).open(path)?;
    match file.try_lock() {
        Ok(()) => {
            // Only for people: a full disk must not stop a run before it can report that.
            let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
            Ok(Locked::Held(Lock { _file: file }))
        }
        Err(TryLockError::WouldBlock) => Ok(Locked::Busy(holder(&mut file))),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// The content of a lock file. It is empty on a full disk, and between taking and writing the lock.
fn holder(file: &mut File) -> String {
    let mut holder = String::new();
    let _ = file.take(32).read_to_string(&mut holder);
    if holder.trim().is_empty() { "unknown".to_owned() } else { holder.trim().to_owned() }
}

/// The process that holds the lock on `path`; `None` if none does. Creates and writes nothing.
///
/// # Errors
///
/// The file cannot be opened, or its lock not tested.
pub fn lock_holder(path: &Path) -> io::Result<Option<String>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => Ok(Some(holder(&mut file))),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// The interfaces of this host. Which of their addresses count is decided elsewhere.
///
/// # Errors
///
/// The system refuses.
pub fn interfaces() -> io::Result<Vec<Interface>> {
    let mut interfaces: Vec<Interface> = Vec::new();
    let routed = default_route_interfaces();
    for found in if_addrs::get_if_addrs()? {
        let address = found.ip();
        if let Some(known) = interfaces.iter_mut().find(|known| known.name == found.name) {
            known.addresses.push(address);
            continue;
        }
        interfaces.push(Interface {
            addresses: vec![address],
            is_up: found.is_oper_up(),
            is_loopback: found.is_loopback(),
            has_default_route: routed.contains(&found.name),
            name: found.name,
        });
    }
    Ok(interfaces)
}

/// Makes a folder, its parents, and their names durable.
///
/// # Errors
///
/// A folder cannot be made or synced.
pub fn create_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let above = folder_of(folder);
    if above != folder {
        create_folder(above)?;
    }
    match fs::create_dir(folder) {
        Ok(()) => sync_folder(above),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// As [`create_folder`], and gives the folder itself this mode, whatever the umask and whatever it was before.
///
/// # Errors
///
/// It cannot be made, or its mode cannot be set.
pub fn ensure_folder(folder: &Path, mode: u32) -> io::Result<()> {
    create_folder(folder)?;
    if mode_of(&fs::metadata(folder)?) == mode { Ok(()) } else { set_mode(folder, mode) }
}

/// Makes a whole tree durable: every file, every folder, the innermost first.
///
/// # Errors
///
/// Something in it cannot be opened or synced.
pub fn sync_tree(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_tree(&entry.path())?;
        } else {
            File::open(entry.path())?.sync_all()?;
        }
    }
    sync_folder(folder)
}

/// Reads a file of at most `bytes_max` bytes; `None` if there is none.
///
/// # Errors
///
/// It cannot be read, or is longer.
pub fn read_bounded(path: &Path, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(bytes_max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("longer than {bytes_max} bytes")));
    }
    Ok(Some(bytes))
}

/// Runs work that waits for the disk where it delays nothing else.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("disk work does not panic")
}
