//! A backup as the body of an answer: written by a thread of its own as fast as its reader takes it.

use std::io::{self, Write};

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use headwater_api::v1::BackupRequest;
use headwater_repo::Passphrase;
use secrecy::ExposeSecret as _;
use tokio::sync::mpsc;

use crate::caller::Caller;
use crate::error::{Refusal, Result};
use crate::limits::BACKUP_CHUNKS_WAITING_MAX;
use crate::upkeep::{UpkeepService, write_backup};

/// Catches a backup and streams it.
pub async fn backup(upkeep: &UpkeepService, request: BackupRequest, caller: &Caller) -> Result<Response> {
    let passphrase = request
        .passphrase
        .map(|passphrase| Passphrase::for_new(passphrase.expose_secret().to_owned()))
        .transpose()
        .map_err(|error| Refusal::invalid(format!("passphrase: {error}")))?;
    let folder = upkeep.capture_backup(passphrase, request.bodies, caller).await?;
    let now = caller.now;
    let (sender, receiver) = mpsc::channel(BACKUP_CHUNKS_WAITING_MAX);
    tokio::task::spawn_blocking(move || {
        let mut out = io::BufWriter::with_capacity(64 * 1024, Chunks(sender.clone()));
        let written = write_backup(folder.path(), now, request.bodies, &mut out).and_then(|()| out.flush());
        if let Err(error) = written {
            tracing::warn!(%error, "a backup broke off");
            // Without it the reader would take what there is for all: the connection breaks instead.
            let _ = sender.blocking_send(Err(error));
        }
    });
    let chunks = futures_util::stream::unfold(receiver, |mut receiver| async move {
        let chunk = receiver.recv().await?;
        Some((chunk, receiver))
    });
    Ok(([(header::CONTENT_TYPE, "application/x-tar")], Body::from_stream(chunks)).into_response())
}

/// Sends what is written.
struct Chunks(mpsc::Sender<io::Result<Bytes>>);

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let gone = |_| io::Error::new(io::ErrorKind::BrokenPipe, "its reader has gone away");
        self.0.blocking_send(Ok(Bytes::copy_from_slice(bytes))).map_err(gone)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_slow_reader_makes_the_writer_wait() {
        let (sender, mut receiver) = mpsc::channel(BACKUP_CHUNKS_WAITING_MAX);
        let watched = sender.clone();
        let writer = tokio::task::spawn_blocking(move || {
            let mut chunks = Chunks(sender);
            (0..=BACKUP_CHUNKS_WAITING_MAX).try_for_each(|_| chunks.write_all(b"chunk"))
        });
        while watched.capacity() > 0 {
            tokio::task::yield_now().await;
        }
        assert!(!writer.is_finished(), "one chunk more than may wait");
        assert!(receiver.recv().await.is_some());
        writer.await.unwrap().unwrap();
        drop(receiver);
        let gone = tokio::task::spawn_blocking(move || Chunks(watched).write_all(b"chunk")).await.unwrap();
        assert_eq!(gone.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
