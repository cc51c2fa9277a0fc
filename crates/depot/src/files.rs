//! Files that are replaced whole: the one place of the product that does so.
//!
//! 1. a temporary file is made in the same folder, with its final permissions, never through a link;
//! 2. the bytes are written and synced to the disk;
//! 3. the file is renamed over the old one, and the folder is synced.
//!
//! After a crash the old file is there or the new one. A temporary file that a crash leaves has a name that begins
//! with [`TEMPORARY_PREFIX`]; the owner of a folder calls [`remove_temporaries`] at its next start, while nobody else
//! writes there.

mod owner;
mod removal;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

pub use owner::{OwnedByAnother, refuse_root_in_folder_of_another};
pub use removal::{
    remove_entries_but, remove_files_but, remove_if_present, remove_temporaries, remove_temporaries_below,
    remove_tree,
};

/// How the names of temporary files and folders begin.
pub const TEMPORARY_PREFIX: &str = ".tmp-";

/// Bytes of a file's own name that its temporary name repeats, so that it stays within what file systems allow.
const NAME_PART_MAX: usize = 100;

/// Who may read a new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileAccess {
    /// Its owner alone: keys, tokens, state that names them.
    Owner,
    /// Everyone that the process's file mode mask admits.
    Umask,
    /// Everyone, whatever the mask: files that another program serves.
    Everyone,
}

/// Replaces the file at `path` by `bytes`, durably. A link at `path` is replaced, not followed.
///
/// # Errors
/// A step fails; the old file is then untouched and no temporary file is left.
pub fn replace(path: &Path, bytes: &[u8], access: FileAccess) -> io::Result<()> {
    let mut new = NewFile::create(path, access)?;
    new.write_all(bytes)?;
    new.commit()
}

/// A file being written that will replace the one at its path. Dropped before [`NewFile::commit`], it leaves nothing.
#[derive(Debug)]
pub struct NewFile {
    path: PathBuf,
    temporary: Temporary,
    file: File,
}

impl NewFile {
    /// Begins the file that will stand at `path`, so that an unwritable folder is found before there is work to lose.
    ///
    /// # Errors
    /// The folder is missing or refuses.
    pub fn create(path: &Path, access: FileAccess) -> io::Result<Self> {
        loop {
            let temporary = temporary_beside(path);
            match options(access).open(&temporary) {
                Ok(file) => {
                    let new = Self { path: path.to_owned(), temporary: Temporary(Some(temporary)), file };
                    make_readable(&new.file, access)?;
                    return Ok(new);
                }
                // A crash of an earlier process with this number left it. The next name is another one.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The open file, to be read back.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Puts the file in place, durably.
    ///
    /// # Errors
    /// A step fails; before the renaming the old file is untouched.
    pub fn commit(self) -> io::Result<()> {
        let path = self.path.clone();
        self.commit_as(&path)
    }

    /// As [`NewFile::commit`], under a name that is known only now: that of a file named by its own digest. `path` is
    /// on the same file system.
    ///
    /// # Errors
    /// As [`NewFile::commit`].
    pub fn commit_as(mut self, path: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        if let Some(temporary) = &self.temporary.0 {
            fs::rename(temporary, path)?;
        }
        self.temporary.0 = None;
        sync_folder(folder_of(path))
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The name of a temporary file, while it has that; dropping it removes the file.
#[derive(Debug)]
struct Temporary(Option<PathBuf>);

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // Best effort: the next start removes what is left.
            let _ = fs::remove_file(path);
        }
    }
}

/// A name for a temporary file or folder in the folder of `path`; no two calls of one process give the same.
#[must_use]
pub fn temporary_beside(path: &Path) -> PathBuf {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut begin = name.len().saturating_sub(NAME_PART_MAX);
    while !name.is_char_boundary(begin) {
        begin += 1;
    }
    folder_of(path).join(format!("{TEMPORARY_PREFIX}{}-{number}-{}", std::process::id(), &name[begin..]))
}

/// Makes the names in a folder durable.
///
/// # Errors
/// The folder cannot be opened or synced.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    // Windows has no such call and needs none: its renames are journalled.
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// The folder that a path is in; of a bare name, the current one.
#[must_use]
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(above) if above.as_os_str().is_empty() => Path::new("."),
        Some(above) => above,
        None => path,
    }
}

#[cfg(unix)]
fn options(access: FileAccess) -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    options.mode(if access == FileAccess::Owner { 0o600 } else { 0o666 });
    options
}

#[cfg(not(unix))]
fn options(_: FileAccess) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    options
}

#[cfg(unix)]
fn make_readable(file: &File, access: FileAccess) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    match access {
        FileAccess::Everyone => file.set_permissions(fs::Permissions::from_mode(0o644)),
        FileAccess::Owner | FileAccess::Umask => Ok(()),
    }
}

#[cfg(not(unix))]
fn make_readable(_: &File, _: FileAccess) -> io::Result<()> {
    Ok(())
}
