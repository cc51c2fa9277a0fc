//! A backup of the running server, at one moment: nothing is published or saved while it is captured, which takes no longer
//! than copying the database and looking what new files there are, because files are immutable and only linked. Writing it
//! out goes on beside everything.

use std::path::{Path, PathBuf};
use std::{fs, io};

use headwater_policy::Repository;
use headwater_repo::{Passphrase, layout};
use serde_json::json;
use tempfile::TempDir;

use super::backup_file::{KEYS, pack_keys, seal_keys};
use super::service::UpkeepService;
use crate::caller::Caller;
use crate::data::{files_below, make_folder};
use crate::error::{Doing, Result};

impl UpkeepService {
    /// Captures everything that a backup holds in a folder of its own, which is removed when it is dropped.
    ///
    /// # Errors
    /// When the database or the disk fails.
    pub async fn capture_backup(
        &self,
        passphrase: Option<Passphrase>,
        bodies: bool,
        caller: &Caller,
    ) -> Result<TempDir> {
        let contents = json!({"keys": passphrase.is_some(), "bodies": bodies});
        self.db.begin().await?.commit(caller.audit_entry("backup.make", "").after(contents)).await?;
        let uploads = self.data.uploads();
        let folder = tempfile::Builder::new()
            .prefix("backup-")
            .tempdir_in(&uploads)
            .doing(|| format!("cannot write in {}", uploads.display()))?;
        let repository = |part: &str| {
            Repository::ALL.map(|repository| {
                let below = Path::new("repository").join(repository.as_str()).join(part);
                (self.data.repository(repository).join(part), folder.path().join(below))
            })
        };
        let mut folders = match bodies {
            true => repository("blobs").to_vec(),
            false => Vec::new(),
        };
        // Bodies are many and never change: most are linked before anybody has to wait for it. What cannot be linked is
        // reported below.
        let _ = link_all(folders.clone(), |from, to| fs::hard_link(from, to)).await;
        folders.extend(repository(layout::METADATA_FOLDER));
        folders.extend(repository(layout::TARGETS_FOLDER));
        folders.push((self.data.vendor(), folder.path().join("vendor")));
        let keys = {
            let _change = self.publishing.change().await;
            self.db.copy_to(&folder.path().join("server.db")).await?;
            link_all(folders, link_or_copy).await?;
            match passphrase {
                Some(passphrase) => Some((pack_keys(&self.data.all_keys())?, passphrase)),
                None => None,
            }
        };
        if let Some((keys, passphrase)) = keys {
            let sealed = tokio::task::spawn_blocking(move || seal_keys(&keys, &passphrase))
                .await
                .expect("encrypting does not panic")?;
            crate::data::write_file(&folder.path().join(KEYS), &sealed)?;
        }
        Ok(folder)
    }
}

/// Folders to be captured, each with where to.
type Folders = Vec<(PathBuf, PathBuf)>;

/// The same files in other folders of the same disk, off the threads that answer.
async fn link_all(folders: Folders, link: fn(&Path, &Path) -> io::Result<()>) -> Result<()> {
    let linking = tokio::task::spawn_blocking(move || {
        folders.iter().try_for_each(|(from, to)| link_below(from, to, link))
    });
    linking.await.expect("linking does not panic")
}

fn link_below(from: &Path, to: &Path, link: fn(&Path, &Path) -> io::Result<()>) -> Result<()> {
    if !from.exists() {
        return Ok(());
    }
    for path in files_below(from).doing(|| format!("cannot list {}", from.display()))? {
        let new = to.join(path.strip_prefix(from).expect("it is below"));
        make_folder(new.parent().expect("it is in a folder"))?;
        link(&path, &new).doing(|| format!("cannot write {}", new.display()))?;
    }
    Ok(())
}

/// What was linked before stays.
fn link_or_copy(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(_) => fs::copy(from, to).map(drop),
        Ok(()) => Ok(()),
    }
}
