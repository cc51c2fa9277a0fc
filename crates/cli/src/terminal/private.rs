//! Files that only their owner reads: whole or not there, whatever stood in their place before.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::terminal::failure::Failure;

/// A file that only its owner reads, about to be written; until it is kept, what was there stays. A link there is
/// replaced, not followed.
#[derive(Debug)]
pub struct PrivateFile {
    path: PathBuf,
    new: NamedTempFile,
}

impl PrivateFile {
    /// Begins one, so that a folder in which nothing can be written is told before there is anything to lose.
    pub fn new(path: &Path) -> Result<Self, Failure> {
        // A device or a pipe would be gone from its place; as root, that of the whole machine.
        if fs::symlink_metadata(path).is_ok_and(|there| !there.is_file() && !there.is_symlink()) {
            let path = path.display();
            return Err(Failure::bad_input(format!(
                "{path} is not a file; name one, which is written whole"
            )));
        }
        let mut prefix = path.file_name().unwrap_or_default().to_owned();
        prefix.push(".");
        let new = tempfile::Builder::new().prefix(&prefix).suffix(".partial").tempfile_in(folder(path));
        Ok(Self { path: path.to_owned(), new: new.map_err(|error| unwritable(path, &error))? })
    }

    /// Adds to it.
    pub fn add(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.new.write_all(bytes).map_err(|error| unwritable(&self.path, &error))
    }

    /// Gives it its name, so that it is there after a power cut, too.
    pub fn keep(self) -> Result<(), Failure> {
        let Self { path, new } = self;
        let keep = || {
            new.as_file().sync_all()?;
            new.persist(&path).map_err(|error| error.error)?;
            sync(folder(&path))
        };
        keep().map_err(|error| unwritable(&path, &error))
    }
}

/// Writes a file that only its owner reads, in place of what was there.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let mut file = PrivateFile::new(path)?;
    file.add(bytes)?;
    file.keep()
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(unix)]
fn sync(folder: &Path) -> std::io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

/// Elsewhere a folder cannot be opened to be synced.
#[cfg(not(unix))]
fn sync(_: &Path) -> std::io::Result<()> {
    Ok(())
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::file("write", path, error)
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn what_is_no_file_stays_in_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let (path, below) = (folder.path().join("socket"), folder.path().join("folder"));
        let _socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
        fs::create_dir(&below).unwrap();
        for path in [path, below] {
            let told = format!("{:?}", write_private(&path, b"secret").unwrap_err());
            assert!(told.contains("is not a file"), "{told}");
            assert!(!path.is_file());
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left of it");
    }

    #[test]
    fn links_are_not_followed_and_wider_permissions_do_not_stay() {
        let folder = tempfile::tempdir().unwrap();
        let (elsewhere, path) = (folder.path().join("elsewhere"), folder.path().join("key.pem"));
        fs::write(&elsewhere, "theirs").unwrap();
        // Whoever may write in the folder put them there: for this file, and for one that was half written.
        for name in ["key.pem", "key.new", "key.partial"] {
            symlink(&elsewhere, folder.path().join(name)).unwrap();
        }
        write_private(&path, b"secret").unwrap();
        assert_eq!(fs::read(&elsewhere).unwrap(), b"theirs");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        write_private(&path, b"new secret").unwrap();
        let metadata = fs::symlink_metadata(&path).unwrap();
        assert!(metadata.is_file() && metadata.permissions().mode() & 0o777 == 0o600);
        assert_eq!(fs::read(&path).unwrap(), b"new secret");
    }
}
