//! A backup of the running server, at one moment: nothing is published or saved while it is caught, which takes no longer
//! than copying the database, because the files are immutable and only linked. Writing it out goes on beside everything.

use std::fs;
use std::path::Path;

use headwater_policy::Class;
use headwater_repo::{Passphrase, layout};
use tempfile::TempDir;

use super::App;
use crate::backup::{KEYS, files_below, seal_keys};
use crate::data::make_folder;
use crate::error::{Doing, Result};

impl App {
    /// Catches everything that a backup holds in a folder of its own, which goes when it is dropped.
    ///
    /// # Errors
    /// When the database or the disk fails.
    pub async fn catch_backup(&self, passphrase: Option<Passphrase>, bodies: bool) -> Result<TempDir> {
        let uploads = self.data.uploads();
        let folder = tempfile::Builder::new()
            .prefix("backup-")
            .tempdir_in(&uploads)
            .doing(|| format!("cannot write in {}", uploads.display()))?;
        let _change = self.change().await;
        self.db.copy_to(&folder.path().join("server.db")).await?;
        for class in Class::ALL {
            let repository = self.data.repository(class);
            let below = Path::new("repository").join(class.as_str());
            let mut parts = vec![layout::METADATA_FOLDER, layout::TARGETS_FOLDER];
            if bodies {
                parts.push("blobs");
            }
            for part in parts {
                link_all(&repository.join(part), &folder.path().join(&below).join(part))?;
            }
        }
        link_all(&self.data.vendor(), &folder.path().join("vendor"))?;
        if let Some(passphrase) = passphrase {
            let keys = self.data.all_keys();
            let sealed = tokio::task::spawn_blocking(move || seal_keys(&keys, &passphrase))
                .await
                .expect("encrypting does not panic")?;
            crate::data::write_file(&folder.path().join(KEYS), &sealed)?;
        }
        Ok(folder)
    }
}

/// The same files in another folder of the same disk.
fn link_all(from: &Path, to: &Path) -> Result<()> {
    if !from.exists() {
        return Ok(());
    }
    for path in files_below(from).doing(|| format!("cannot list {}", from.display()))? {
        let link = to.join(path.strip_prefix(from).expect("it is below"));
        make_folder(link.parent().expect("it is in a folder"))?;
        fs::hard_link(&path, &link)
            .or_else(|_| fs::copy(&path, &link).map(drop))
            .doing(|| format!("cannot write {}", link.display()))?;
    }
    Ok(())
}
