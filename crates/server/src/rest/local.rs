//! The local socket: the console plane for the users who may open a file in the data folder, signed in as `local:UID`.
//!
//! The system names the user at the other end; the file's permissions (0600 in a folder of 0700) decide who that can be.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;

use axum::Router;
use headwater_depot::serve::serve_connection;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::authorizer::LocalPeer;
use crate::caller::Actor;
use crate::error::{Doing, Result};
use crate::limits;

/// The socket, bound; its file goes when this is dropped.
#[derive(Debug)]
pub struct LocalListener {
    listener: UnixListener,
    path: PathBuf,
}

impl LocalListener {
    /// Binds the socket in place of one that an earlier run left. The data folder is locked, so nobody else has it.
    ///
    /// # Errors
    /// When the disk refuses, or the path is longer than the system takes.
    pub fn bind(path: &Path) -> Result<Self> {
        let doing = || format!("cannot make the local socket {}", path.display());
        let folder = path.parent().unwrap_or(Path::new("."));
        // It has its permissions before anybody can find it.
        let inside = tempfile::Builder::new().prefix(".s").rand_bytes(4).tempdir_in(folder).doing(doing)?;
        let new = inside.path().join("s");
        let listener = UnixListener::bind(&new).doing(doing)?;
        std::fs::set_permissions(&new, Permissions::from_mode(0o600)).doing(doing)?;
        std::fs::rename(&new, path).doing(doing)?;
        Ok(Self { listener, path: path.to_owned() })
    }
}

impl Drop for LocalListener {
    fn drop(&mut self) {
        // One that stays is replaced by the next start.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Serves `router` on the socket until `shutdown` ends.
pub async fn listen_locally(router: Router, local: LocalListener, shutdown: impl Future<Output = ()>) {
    let permits = Arc::new(Semaphore::new(limits::LOCAL_CONNECTIONS_MAX));
    let (stopping, stopped) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        // Beyond the limit nobody is accepted; the shutdown is noticed all the same.
        let accept = async {
            let permit = Arc::clone(&permits).acquire_owned().await.expect("nobody closes it");
            (local.listener.accept().await, permit)
        };
        let (stream, permit) = tokio::select! {
            () = &mut shutdown => break,
            (accepted, permit) = accept => match accepted {
                Ok((stream, _)) => (stream, permit),
                Err(error) => {
                    tracing::warn!(%error, "a connection to the local socket could not be accepted");
                    sleep(limits::ACCEPT_PAUSE).await;
                    continue;
                }
            },
        };
        // Collects what has ended, so that the set does not grow.
        while connections.try_join_next().is_some() {}
        connections.spawn(serve(router.clone(), stream, stopped.clone(), permit));
    }
    drop(local);
    stopping.send_replace(true);
    let ended = async { while connections.join_next().await.is_some() {} };
    if timeout(limits::SHUTDOWN_GRACE, ended).await.is_err() {
        tracing::info!("connections to the local socket are cut that did not end in time");
    }
}

async fn serve(
    router: Router,
    stream: UnixStream,
    stopped: watch::Receiver<bool>,
    _permit: OwnedSemaphorePermit,
) {
    let peer = match stream.peer_cred() {
        Ok(peer) => LocalPeer(peer.uid()),
        Err(error) => {
            return tracing::warn!(%error, "the system does not name the user who opened the local socket");
        }
    };
    let router = router.layer(axum::Extension(peer));
    serve_connection(router, stream, Actor::Local(peer.0), limits::LOCAL_HEADER_TIMEOUT, stopped).await;
}
