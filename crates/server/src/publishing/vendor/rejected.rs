//! What becomes of releases that a sync rejects (C2a): they are reported, and what they brought does not stay.

use headwater_api::v1::{RejectedRelease, SyncResult};
use headwater_policy::Class;

use crate::error::Result;
use crate::limits::REJECTED_NAMED_MAX;
use crate::publishing::failures::store_failed;
use crate::publishing::service::PublishingService;

impl PublishingService {
    /// Removes the blobs that rejected releases brought and that no other release needs.
    pub(super) async fn discard_rejected(&self) -> Result<()> {
        let mut unwanted = self.vendor_sync.take_rejected();
        if unwanted.is_empty() {
            return Ok(());
        }
        let class = Class::Components;
        // Nothing is published meanwhile that needs one of them.
        let _change = self.change().await;
        for needed in self.db.blobs(class).await? {
            unwanted.remove(&needed);
        }
        let store = self.store(class).clone();
        let discarded = tokio::task::spawn_blocking(move || store.discard(&unwanted)).await;
        let discarded = discarded.expect("discarding does not panic");
        let discarded = discarded.map_err(|error| store_failed(class, error))?;
        tracing::debug!(
            blobs = discarded.removed,
            bytes = discarded.bytes,
            "vendor source: rejected content removed"
        );
        Ok(())
    }
}

/// Makes a failure of a sync that rejected something: it is not to end as if all were well.
pub(super) fn note_in_error(result: &mut SyncResult) {
    for rejected in &result.rejected {
        tracing::warn!(%rejected, "vendor source: a release is rejected");
    }
    if let Some(sentence) = sentence(&result.rejected) {
        result.error = Some(match result.error.take() {
            None => sentence,
            Some(error) => format!("{error}; {sentence}"),
        });
    }
}

fn sentence(rejected: &[RejectedRelease]) -> Option<String> {
    if rejected.is_empty() {
        return None;
    }
    let named: Vec<String> = rejected.iter().take(REJECTED_NAMED_MAX).map(ToString::to_string).collect();
    let more = rejected.len() - named.len();
    let more = if more == 0 { String::new() } else { format!("; and {more} more") };
    Some(format!(
        "rejected, because the content is not what the vendor signed of it (report it to the vendor; it is tried again at the next \
         sync): {}{more}",
        named.join("; ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_are_named_and_no_more() {
        let one = |sequence| RejectedRelease {
            name: "rules".to_owned(),
            sequence,
            version: format!("v{sequence}"),
            file: None,
            reason: "wrong".to_owned(),
        };
        let many: Vec<_> = (1..).map(one).take(REJECTED_NAMED_MAX + 2).collect();
        assert_eq!(sentence(&[]), None);
        assert!(sentence(&many[..1]).unwrap().ends_with("rules v1 (release 1): wrong"));
        assert!(sentence(&many).unwrap().ends_with("; and 2 more"));
    }
}
