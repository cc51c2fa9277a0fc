//! Finding what the disk damaged of what is served, before a client does (U4 holds for a server, too).
//!
//! A damaged blob is removed, and then is missing as any other: deltas are made again, the bodies of a vendor's current
//! release come with the next sync, and the status names the releases that are to be published again.

use headwater_policy::Class;

use super::service::UpkeepService;
use crate::error::Result;
use crate::limits::SCRUB_BYTES;

impl UpkeepService {
    /// Verifies some of each class's blobs, the next of them each time; returns a sentence with what was found.
    ///
    /// # Errors
    /// When the disk or the database fails.
    pub async fn scrub(&self) -> Result<String> {
        let (mut read, mut damaged) = (0, Vec::new());
        for class in Class::ALL {
            let (store, last) = (self.publishing.store(class).clone(), self.scrub_progress.last(class));
            let scrubbed = tokio::task::spawn_blocking(move || store.scrub(last, SCRUB_BYTES))
                .await
                .expect("scrubbing does not panic")
                .map_err(|error| crate::publishing::store_failed(class, error))?;
            if let Some(last) = scrubbed.last {
                self.scrub_progress.set(class, last);
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
            return Ok(match read {
                0 => "no blobs to read".to_owned(),
                1 => "1 blob read, and it is whole".to_owned(),
                _ => format!("{read} blobs read, all whole"),
            });
        }
        self.publishing.request_deltas();
        Ok(format!(
            "{read} blobs read; damaged on the disk and removed: {}; look after the disk",
            damaged.join("; ")
        ))
    }
}
