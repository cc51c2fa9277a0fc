//! The vendor source of the demo: a static repository, and a listener that serves it.

use std::fs::{self, File};
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use headwater_depot::Store;
use headwater_depot::serve::{self, ListenLimits, ServeLimits};
use headwater_policy::Class;
use headwater_publisher::deltas::{DeltaObserver, DeltaSettings, make};
use headwater_publisher::folder::{KeyFolder, StaticFolder, StaticRepository, create};
use headwater_publisher::{
    ContentLimits, Destination as _, NewRelease, Outcome, Packer, ReleaseContent, StoredFile, publish,
};
use headwater_repo::{ComponentName, Expiry, FilePath, Role, VersionText, error_chain, layout};
use jiff::Timestamp;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::error::{Error, Result};
use crate::limits::DELTAS_NICENESS;
use crate::publications::FeedRelease;

/// The vendor source.
#[derive(Debug)]
pub struct Vendor {
    /// Its base URL.
    pub url: String,
    /// Its root metadata.
    pub root: Value,
    repository: StaticRepository,
    stopped: AtomicBool,
}

/// The packed files of a release.
#[derive(Debug)]
pub struct Packed(Mutex<Option<Vec<StoredFile>>>);

impl ReleaseContent for Packed {
    fn store(&self, _store: &Store) -> headwater_publisher::Result<Vec<StoredFile>> {
        let files = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(files.unwrap_or_default())
    }
}

impl Vendor {
    /// Makes the repository in `data` and serves it at `address` until the process ends.
    pub async fn start(data: &Path, address: IpAddr, now: Timestamp) -> Result<Self> {
        let folder = StaticFolder::new(&data.join("vendor"), Class::Components.as_str());
        let keys = KeyFolder::open(&data.join("vendor-keys"), true).map_err(|error| failed(&error))?;
        create(folder.clone(), &keys, (1, 1), Expiry::default(), now).map_err(|error| failed(&error))?;
        let site = serve::SharedRepositories::new(ServeLimits::default());
        site.share(Class::Components, folder.root());
        let unable = |error: io::Error| {
            Error::failed(format!("the vendor source cannot listen at {address}: {error}"))
        };
        let listener = TcpListener::bind((address, 0)).await.map_err(unable)?;
        let at = listener.local_addr().map_err(unable)?;
        tokio::spawn(serve::listen(
            serve::router(site),
            listener,
            ListenLimits::default(),
            std::future::pending(),
        ));
        let root = folder.read(&layout::metadata(Role::Root, 1)).map_err(|error| failed(&error))?;
        let root = serde_json::from_slice(&root)
            .map_err(|error| Error::failed(format!("the vendor's root cannot be read: {error}")))?;
        let ring = keys.ring().map_err(|error| failed(&error))?;
        let repository =
            StaticRepository::open(folder, ring, Expiry::default()).map_err(|error| failed(&error))?;
        Ok(Self { url: format!("http://{at}"), root, repository, stopped: AtomicBool::new(false) })
    }

    /// Packs a release: the costly part of publishing, which may be done ahead.
    pub fn pack(&self, release: &FeedRelease) -> Result<Packed> {
        let mut packer = Packer::new(self.repository.store(), ContentLimits::default());
        for (path, name) in files(&release.path)? {
            if self.stopped.load(Ordering::Relaxed) {
                return Err(Error::failed("packing was stopped"));
            }
            let unreadable = |error: io::Error| Error::file("read", &path, &error);
            let name = FilePath::new(name).map_err(|error| Error::bad_input(error.to_string()))?;
            let file = File::open(&path).map_err(unreadable)?;
            let metadata = file.metadata().map_err(unreadable)?;
            let executable = metadata.permissions().mode() & 0o111 != 0;
            packer.add(name, executable, metadata.len(), file).map_err(|error| failed(&error))?;
        }
        if packer.is_empty() {
            return Err(Error::bad_input(format!("{} has no files", release.path.display())));
        }
        Ok(Packed(Mutex::new(Some(packer.finish().map_err(|error| failed(&error))?))))
    }

    /// Publishes a packed release of a component. Returns its size in bytes.
    pub fn publish(&self, release: &FeedRelease, files: &Packed, now: Timestamp) -> Result<u64> {
        let invalid = |error: &dyn std::error::Error| Error::bad_input(error.to_string());
        let new = NewRelease {
            component: ComponentName::new(&release.name).map_err(|error| invalid(&error))?,
            version: VersionText::new(&release.version).map_err(|error| invalid(&error))?,
            install: None,
            probe: None,
        };
        let outcome = publish(&self.repository, &new, files, &DeltaSettings::default(), now);
        let (Outcome::New(published) | Outcome::Again(published)) =
            outcome.map_err(|error| failed(&error))?;
        Ok(published.release.size)
    }

    /// Makes the deltas to current releases, one component after the other, each from the previous release alone: clients
    /// with older ones apply several.
    pub fn make_deltas(self: &Arc<Self>, names: Vec<String>, now: Timestamp) -> Result<Making> {
        let stop = Arc::new(AtomicBool::new(false));
        let (sender, ended) = oneshot::channel();
        let (vendor, observer) = (Arc::clone(self), Stoppable(Arc::clone(&stop)));
        // Its own thread: the low priority lasts until the thread ends, and nothing has to wait for it.
        let spawned = std::thread::Builder::new().name("deltas".to_owned()).spawn(move || {
            // Without it, the demo is only slower.
            let _ = rustix::process::nice(DELTAS_NICENESS);
            let settings = DeltaSettings { made_from: 1, ..DeltaSettings::default() };
            let one = |name: &String| -> Result<()> {
                let component =
                    ComponentName::new(name).map_err(|error| Error::bad_input(error.to_string()))?;
                make(&vendor.repository, &component, &settings, &observer, now)
                    .map(drop)
                    .map_err(|error| failed(&error))
            };
            let _ = sender.send(names.iter().try_for_each(one));
        });
        spawned.map_err(|error| Error::failed(format!("cannot start a thread: {error}")))?;
        Ok(Making { stop, ended })
    }

    /// Ends packing, and publishing for the rest of this process: nothing is written into the repository any more.
    pub fn close(&self) -> Result<()> {
        self.stopped.store(true, Ordering::Relaxed);
        std::mem::forget(self.repository.lock().map_err(|error| failed(&error))?);
        Ok(())
    }
}

/// Stops the making of deltas with the demo.
struct Stoppable(Arc<AtomicBool>);

impl DeltaObserver for Stoppable {
    fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Deltas that are made in the background; dropping it stops that.
#[derive(Debug)]
pub struct Making {
    stop: Arc<AtomicBool>,
    ended: oneshot::Receiver<Result<()>>,
}

impl Making {
    /// Waits until all are made.
    pub async fn ended(&mut self) -> Result<()> {
        let ended = (&mut self.ended).await;
        ended.unwrap_or_else(|_| Err(Error::failed("making deltas panicked")))
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// The files of a release with their paths in it: everything below a folder, or the one file.
fn files(path: &Path) -> Result<Vec<(PathBuf, String)>> {
    let name_of = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        name.ok_or_else(|| Error::bad_input(format!("the name of {} is not UTF-8", path.display())))
    };
    if !path.is_dir() {
        return Ok(vec![(path.to_owned(), name_of(path)?)]);
    }
    let mut found = Vec::new();
    let unreadable = |error: io::Error| Error::file("read", path, &error);
    for entry in fs::read_dir(path).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?.path();
        let name = name_of(&entry)?;
        if entry.is_dir() {
            found.extend(files(&entry)?.into_iter().map(|(file, below)| (file, format!("{name}/{below}"))));
        } else {
            found.push((entry, name));
        }
    }
    Ok(found)
}

fn failed(error: &headwater_publisher::Error) -> Error {
    Error::failed(error_chain(error))
}
