//! Whose a folder is. What root writes in the folder of another user that user cannot replace, so one command as root
//! would stop the service for good. Root is refused there, before anything is written.

use std::path::{Path, PathBuf};

/// Root was asked to write in a folder of another user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} belongs to the user {owner}, who could not replace what root writes there. Run the command as that user: \
     `sudo -u {owner} …`. Or give the folder to root: `chown -R root {}`", folder.display(), folder.display()
)]
pub struct OwnedByAnother {
    /// The folder.
    pub folder: PathBuf,
    /// Its owner: a name, or `#` and a number if the user has no name on this computer.
    pub owner: String,
}

/// Refuses root in a folder that another user owns. A missing folder is nobody's.
///
/// # Errors
/// This process is root, and the folder is another user's.
#[cfg(unix)]
pub fn refuse_root_in_folder_of_another(folder: &Path) -> Result<(), OwnedByAnother> {
    use std::os::unix::fs::MetadataExt as _;
    let Ok(found) = std::fs::metadata(folder) else { return Ok(()) };
    if !rustix::process::geteuid().is_root() || found.uid() == 0 {
        return Ok(());
    }
    Err(OwnedByAnother { folder: folder.to_owned(), owner: user_name(found.uid()) })
}

/// Refuses nobody where folders have no such owners.
///
/// # Errors
/// Never.
#[cfg(not(unix))]
pub fn refuse_root_in_folder_of_another(_: &Path) -> Result<(), OwnedByAnother> {
    Ok(())
}

/// The user's name in `/etc/passwd`, or `#` and the number, which `sudo -u` understands too.
#[cfg(unix)]
fn user_name(uid: u32) -> String {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (number.parse() == Ok(uid)).then(|| name.to_owned())
    });
    named.unwrap_or_else(|| format!("#{uid}"))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn root_is_refused_in_the_folder_of_another_user_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(refuse_root_in_folder_of_another(&folder.path().join("missing")), Ok(()));
        assert_eq!(refuse_root_in_folder_of_another(folder.path()), Ok(()));
        if !rustix::process::geteuid().is_root() {
            return;
        }
        std::os::unix::fs::chown(folder.path(), Some(4_000_001), None).unwrap();
        let refused = refuse_root_in_folder_of_another(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("sudo -u #4000001"), "{refused}");
        assert_eq!(user_name(0), "root");
    }
}
