//! Finding what the disk changed of what is served, before a client does (U4 holds for a server, too).
//!
//! Read → what is damaged goes → it lacks, and what lacks is told or mended as ever: deltas are made again, the bodies
//! of a vendor's current release come with the next sync, and the status says which releases are to be published again.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use headwater_policy::Class;
use headwater_repo::Digest;

use super::App;
use crate::error::Result;
use crate::limits::SCRUB_BYTES;

/// Where the round of each class is.
#[derive(Debug, Default)]
pub(crate) struct Rounds(Mutex<BTreeMap<Class, Digest>>);

impl Rounds {
    fn last(&self, class: Class) -> Option<Digest> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&class).copied()
    }

    fn set(&self, class: Class, last: Digest) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(class, last);
    }
}

impl App {
    /// Verifies some of each class's blobs, the next of them each time; says in a sentence what was found.
    ///
    /// # Errors
    /// When the disk or the database fails.
    pub async fn scrub(&self) -> Result<String> {
        let (mut read, mut damaged) = (0, Vec::new());
        for class in Class::ALL {
            let (store, last) = (self.publishing.store(class).clone(), self.rounds.last(class));
            let scrubbed = tokio::task::spawn_blocking(move || store.scrub(last, SCRUB_BYTES))
                .await
                .expect("scrubbing does not panic")
                .map_err(|error| crate::publishing::store_failed(class, error))?;
            if let Some(last) = scrubbed.last {
                self.rounds.set(class, last);
            }
            read += scrubbed.read;
            for digest in scrubbed.damaged {
                let of = self.db.releases_with(class, &digest).await?;
                let of = if of.is_empty() { "a delta".to_owned() } else { of.join(", ") };
                tracing::error!(%class, %digest, of, "a blob was damaged on the disk and is removed; see the status");
                damaged.push(format!("{digest} of {class} ({of})"));
            }
        }
        if damaged.is_empty() {
            return Ok(format!("{read} blobs read, all whole"));
        }
        self.publishing.request_deltas();
        Ok(format!(
            "{read} blobs read; damaged on the disk and removed: {}; look after the disk",
            damaged.join("; ")
        ))
    }
}
