//! The demo's vendor source: a static repository, and a listener that gives it out.

use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use headwater_depot::Store;
use headwater_depot::serve::{self, ListenLimits, ServeLimits};
use headwater_policy::Class;
use headwater_publisher::deltas::{DeltaObserver, DeltaSettings, make};
use headwater_publisher::folder::{KeyFolder, StaticFolder, StaticRepository};
use headwater_publisher::{Content, Destination as _, Error, Outcome, StoredFile, publish};
use headwater_repo::Expiry;
use jiff::Timestamp;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::publications::NewRelease;
use crate::limits::DEMO_DELTAS_NICENESS;
use crate::releases::package::Package;
use crate::repository::ceremony::{first_root, init};
use crate::repository::publish::{LocalContent, component_name, new_release};
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
    repository: StaticRepository,
    stop: Stop,
}

/// Files that are packed already.
#[derive(Debug)]
pub struct Packed(Mutex<Option<Vec<StoredFile>>>);

impl Content for Packed {
    fn store(&self, _store: &Store) -> Result<Vec<StoredFile>, Error> {
        let files = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(files.unwrap_or_default())
    }
}

impl Vendor {
    /// Makes the repository in `data` and serves it at `address` until the process ends.
    pub async fn start(data: &Path, address: IpAddr, now: Timestamp) -> Result<Self, Failure> {
        let folder = StaticFolder::new(&data.join("vendor"), Class::Components.as_str());
        let keys = KeyFolder::open(&data.join("vendor-keys"), true)?;
        init(folder.clone(), &keys, (1, 1), Expiry::default(), now)?;
        let site = serve::Site::new(ServeLimits::default());
        site.share(Class::Components, folder.root());
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
        let root = first_root(&folder)?;
        let repository = StaticRepository::open(folder, keys.ring()?, Expiry::default())?;
        Ok(Self { url: format!("http://{at}"), root, repository, stop: Stop::default() })
    }

    /// Packs a release: the costly part of publishing, which may be done ahead.
    pub fn pack(&self, release: &NewRelease) -> Result<Packed, Failure> {
        let package = Package::of(&release.path, true)?;
        let hidden = Progress::bytes(false, "", 0);
        let files = LocalContent::new(&package, &hidden, &self.stop)?.store(self.repository.store())?;
        Ok(Packed(Mutex::new(Some(files))))
    }

    /// Publishes a packed release of a component. Gives its bytes.
    pub fn publish(&self, release: &NewRelease, files: &Packed, now: Timestamp) -> Result<u64, Failure> {
        let options = headwater_api::v1::PublishOptions::default();
        let new = new_release(&release.name, &release.version, &options)?;
        let outcome = publish(&self.repository, &new, files, &DeltaSettings::default(), now)?;
        let (Outcome::New(published) | Outcome::Again(published)) = outcome;
        Ok(published.release.size)
    }

    /// Makes the deltas to current releases, one component after the other, from the release before alone: from
    /// older ones they lead over those made before.
    pub fn make_deltas(self: &Arc<Self>, names: Vec<String>, now: Timestamp) -> Result<Making, Failure> {
        let stop = Stop::default();
        let (sender, ended) = oneshot::channel();
        let (vendor, stopped) = (Arc::clone(self), stop.clone());
        // A thread of its own: what is made low in priority stays so until the thread ends, and nobody has to wait for it.
        let spawned = std::thread::Builder::new().name("deltas".to_owned()).spawn(move || {
            // Best effort: without it, it is only less polite.
            let _ = rustix::process::nice(DEMO_DELTAS_NICENESS);
            let settings = DeltaSettings { made_from: 1, ..DeltaSettings::default() };
            let one = |name: &String| -> Result<(), Failure> {
                let component = component_name(name)?;
                make(&vendor.repository, &component, &settings, &Stoppable(&stopped), now)?;
                Ok(())
            };
            let _ = sender.send(names.iter().try_for_each(one));
        });
        spawned.map_err(|error| Failure::failed(format!("cannot start a thread: {error}")))?;
        Ok(Making { stop, ended })
    }

    /// Ends packing, and publishing for as long as this process lives: nothing is written into the repository any more.
    pub fn close(&self) -> Result<(), Failure> {
        self.stop.tell();
        std::mem::forget(self.repository.lock()?);
        Ok(())
    }
}

/// An encoding that is stopped with the demo.
struct Stoppable<'a>(&'a Stop);

impl DeltaObserver for Stoppable<'_> {
    fn is_stopped(&self) -> bool {
        self.0.is_told()
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
