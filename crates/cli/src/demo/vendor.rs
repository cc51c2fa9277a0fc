//! The demo's vendor source: a static repository, and a listener that gives it out.

use std::io;
use std::net::IpAddr;
use std::path::Path;

use headwater_depot::serve::{self, ListenLimits, ServeLimits};
use headwater_policy::Class;
use headwater_repo::ComponentName;
use jiff::Timestamp;
use serde_json::Value;
use tokio::net::TcpListener;

use super::publications::NewRelease;
use crate::failure::Failure;
use crate::pack::Package;
use crate::progress::Progress;
use crate::repository::ceremony::{first_root, init};
use crate::repository::folder::Folder;
use crate::repository::increments::{self, Content};
use crate::repository::keys::KeyFolder;
use crate::repository::publish;

/// The vendor source.
#[derive(Debug)]
pub struct Vendor {
    /// Its base URL.
    pub url: String,
    /// Its root metadata.
    pub root: Value,
    folder: Folder,
    keys: KeyFolder,
}

impl Vendor {
    /// Makes the repository in `data` and serves it at `address` until the process ends.
    pub async fn start(data: &Path, address: IpAddr, now: Timestamp) -> Result<Self, Failure> {
        let base = data.join("vendor");
        let folder = Folder::new(&base, "components");
        let keys = KeyFolder::open(&data.join("vendor-keys"), true)?;
        init(&folder, &keys, 1, 1, now)?;
        let site = serve::Site::new(ServeLimits::default());
        site.share(Class::Components, folder.path(""));
        let unable = |error: io::Error| {
            Failure::failed(format!("the vendor source cannot listen at {address}: {error}"))
        };
        let listener = TcpListener::bind((address, 0)).await.map_err(unable)?;
        let at = listener.local_addr().map_err(unable)?;
        tokio::spawn(serve::listen(
            serve::router(site),
            listener,
            ListenLimits::default(),
            std::future::pending(),
        ));
        Ok(Self { url: format!("http://{at}"), root: first_root(&folder)?, folder, keys })
    }

    /// Packs a release: the dear part of publishing, which may be done ahead.
    /// Increments are made from the release before; from older ones they lead over those made before.
    pub fn pack(&self, release: &NewRelease) -> Result<Content, Failure> {
        let package = Package::of(&release.path, true)?;
        let files = publish::bodies(&self.folder, &package, &Progress::bytes(false, "", 0))?;
        increments::make(&self.folder, &publish::component_name(&release.name)?, files, 1)
    }

    /// Publishes a packed release of a component.
    pub fn publish(&self, release: &NewRelease, content: Content, now: Timestamp) -> Result<u64, Failure> {
        let options = headwater_api::v1::PublishOptions::default();
        let new = publish::NewRelease { name: &release.name, version: &release.version, options: &options };
        let published =
            publish::publish(&self.folder, &self.keys.ring()?, &new, |_: &ComponentName| Ok(content), now)?;
        Ok(published.size)
    }
}
