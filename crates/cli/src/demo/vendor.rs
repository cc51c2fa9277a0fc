//! The demo's vendor source: a static repository, and a listener that gives it out.

use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use headwater_depot::serve::{self, ListenLimits, ServeLimits};
use headwater_policy::Class;
use headwater_repo::{FileEntry, KeyRing};
use jiff::Timestamp;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::publications::NewRelease;
use crate::limits::DEMO_DELTAS_NICENESS;
use crate::releases::package::Package;
use crate::repository::ceremony::{first_root, init};
use crate::repository::deltas;
use crate::repository::folder::Folder;
use crate::repository::keys::KeyFolder;
use crate::repository::publish::{self, Outcome};
use crate::terminal::failure::Failure;
use crate::terminal::progress::Progress;
use crate::terminal::stop::Stop;

/// The vendor source.
#[derive(Debug)]
pub struct Vendor {
    /// Its base URL.
    pub url: String,
    /// Its root metadata.
    pub root: Value,
    folder: Folder,
    ring: KeyRing,
    stop: Stop,
}

impl Vendor {
    /// Makes the repository in `data` and serves it at `address` until the process ends.
    pub async fn start(data: &Path, address: IpAddr, now: Timestamp) -> Result<Self, Failure> {
        let base = data.join("vendor");
        let folder = Folder::new(&base, "components");
        let keys = KeyFolder::open(&data.join("vendor-keys"), &base, true)?;
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
        let (root, ring) = (first_root(&folder)?, keys.ring()?);
        Ok(Self { url: format!("http://{at}"), root, folder, ring, stop: Stop::default() })
    }

    /// Packs a release: the dear part of publishing, which may be done ahead.
    pub fn pack(&self, release: &NewRelease) -> Result<Vec<FileEntry>, Failure> {
        let package = Package::of(&release.path, true)?;
        publish::bodies(&self.folder, &package, &Progress::bytes(false, "", 0), &self.stop)
    }

    /// Publishes a packed release of a component.
    pub fn publish(
        &self,
        release: &NewRelease,
        files: Vec<FileEntry>,
        now: Timestamp,
    ) -> Result<u64, Failure> {
        let options = headwater_api::v1::PublishOptions::default();
        let new = publish::NewRelease { name: &release.name, version: &release.version, options: &options };
        let outcome = publish::publish(&self.folder, &self.ring, &new, || Ok(files), |_| Ok(false), now)?;
        let (Outcome::New(published) | Outcome::Again(published)) = outcome;
        Ok(published.size)
    }

    /// Makes the deltas to current releases, one component after the other, from the release before alone: from
    /// older ones they lead over those made before.
    pub fn make_deltas(self: &Arc<Self>, names: Vec<String>, now: Timestamp) -> Result<Making, Failure> {
        let stop = Stop::default();
        let (tell, ended) = oneshot::channel();
        let (vendor, told) = (Arc::clone(self), stop.clone());
        // A thread of its own: what is made low in priority stays so until the thread ends, and nobody has to wait for it.
        let spawned = std::thread::Builder::new().name("deltas".to_owned()).spawn(move || {
            // Best effort: without it, it is only less polite.
            let _ = rustix::process::nice(DEMO_DELTAS_NICENESS);
            let hidden = Progress::bytes(false, "", 0);
            let one = |name: &String| {
                let component = publish::component_name(name)?;
                let watch = (&told, &hidden);
                deltas::make(&vendor.folder, &vendor.ring, &component, 1, watch, now).map(drop)
            };
            let _ = tell.send(names.iter().try_for_each(one));
        });
        spawned.map_err(|error| Failure::failed(format!("cannot start a thread: {error}")))?;
        Ok(Making { stop, ended })
    }

    /// Ends packing, and publishing for as long as this process lives: nothing is written into the repository any more.
    pub fn close(&self) -> Result<(), Failure> {
        self.stop.tell();
        std::mem::forget(self.folder.lock()?);
        Ok(())
    }
}

/// Deltas that are being made beside everything else; given up when dropped.
#[derive(Debug)]
pub struct Making {
    stop: Stop,
    ended: oneshot::Receiver<Result<(), Failure>>,
}

impl Making {
    /// Waits until all are made.
    pub async fn ended(&mut self) -> Result<(), Failure> {
        let ended = (&mut self.ended).await;
        ended.unwrap_or_else(|_| Err(Failure::failed("making deltas broke down")))
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        self.stop.tell();
    }
}
