//! Files that only their owner can read: whole or missing, whatever stood in their place before.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use headwater_depot::files::{FileAccess, NewFile};

use crate::terminal::failure::Failure;

/// A file that only its owner can read, about to be written; until it is kept, the old one stays. A link at its path is
/// replaced, not followed.
#[derive(Debug)]
pub struct PrivateFile {
    path: PathBuf,
    new: NewFile,
}

impl PrivateFile {
    /// Begins one. An unwritable folder is found before there is anything to lose.
    pub fn new(path: &Path) -> Result<Self, Failure> {
        // Replacing a device or a pipe would remove it; as root, that of the whole machine.
        if fs::symlink_metadata(path).is_ok_and(|there| !there.is_file() && !there.is_symlink()) {
            let path = path.display();
            return Err(Failure::bad_input(format!("{path} is not a file"))
                .with_hint("give the path of a new file, or of one that may be replaced"));
        }
        let new = NewFile::create(path, FileAccess::Owner).map_err(|error| unwritable(path, &error))?;
        Ok(Self { path: path.to_owned(), new })
    }

    /// Begins a file that must not exist yet: what is there is somebody's bundle or backup.
    pub fn fresh(path: &Path) -> Result<Self, Failure> {
        if fs::symlink_metadata(path).is_ok() {
            return Err(Failure::bad_input(format!("{} exists already", path.display()))
                .with_hint("give the path of a new file, or move that one away first"));
        }
        Self::new(path)
    }

    /// Adds to it.
    pub fn add(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.new.write_all(bytes).map_err(|error| unwritable(&self.path, &error))
    }

    /// Moves it to its path, durably.
    pub fn keep(self) -> Result<(), Failure> {
        let Self { path, new } = self;
        new.commit().map_err(|error| unwritable(&path, &error))
    }
}

/// Writes a file that only its owner can read, in place of the old one.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let mut file = PrivateFile::new(path)?;
    file.add(bytes)?;
    file.keep()
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::file("write", path, error)
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_path_that_is_not_a_file_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let (path, below) = (folder.path().join("socket"), folder.path().join("folder"));
        let _socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
        fs::create_dir(&below).unwrap();
        for path in [path, below] {
            let problem = format!("{:?}", write_private(&path, b"secret").unwrap_err());
            assert!(problem.contains("is not a file"), "{problem}");
            assert!(!path.is_file());
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left of it");
    }

    #[test]
    fn a_fresh_file_never_replaces_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bundle.json");
        PrivateFile::fresh(&path).unwrap().keep().unwrap();
        let refused = PrivateFile::fresh(&path).unwrap_err();
        assert!(refused.message.ends_with("exists already"), "{refused}");
        assert_eq!(refused.exit as u8, 2);
        symlink("/nowhere", folder.path().join("link")).unwrap();
        assert!(PrivateFile::fresh(&folder.path().join("link")).is_err(), "a dangling link is there, too");
    }

    #[test]
    fn links_are_not_followed_and_wider_permissions_do_not_stay() {
        let folder = tempfile::tempdir().unwrap();
        let (elsewhere, path) = (folder.path().join("elsewhere"), folder.path().join("key.pem"));
        fs::write(&elsewhere, "theirs").unwrap();
        // Somebody who may write in the folder put them there: for this file, and for temporary ones.
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
