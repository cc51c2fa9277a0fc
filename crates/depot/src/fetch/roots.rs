//! Looking for newer roots at every source, whatever else it has (I2b): a thief's mirror serves what its stolen keys sign,
//! and never the root that ends them.

use std::time::Duration;

use futures_util::future::join_all;
use headwater_repo::Trusted;
use headwater_repo::limits::ROOT_ROTATIONS_MAX;

use super::fault::Fault;
use super::http::{Activity, Small};
use super::walk::Walk;

/// What the sources had.
#[derive(Debug)]
pub struct RootLook {
    /// What is trusted under the newest valid root.
    pub trusted: Trusted,
    /// The sources that did not answer, as in a plan.
    pub unanswered: Vec<String>,
    /// Roots that are not valid: sentences.
    pub refused: Vec<String>,
}

impl Walk {
    /// Asks every source for the next roots, all at once and each for no longer than `wait`, and follows those that are
    /// valid, wherever they come from. Fails nothing: a source without a newer root is as good as before.
    pub async fn look_for_roots(&self, trusted: &Trusted, wait: Duration) -> RootLook {
        let looks = (0..self.sources.len()).map(|source| async move {
            let (mut found, activity) = (trusted.clone(), Activity::new());
            let outcome = tokio::time::timeout(wait, self.follow_roots(source, &mut found, &activity)).await;
            (source, found, outcome)
        });
        let mut look = RootLook { trusted: trusted.clone(), unanswered: Vec::new(), refused: Vec::new() };
        for (source, found, outcome) in join_all(looks).await {
            match outcome {
                Ok(Ok(())) => {}
                Ok(Err(RootFault::Refused(fault))) => look.refused.push(fault.detail),
                Ok(Err(RootFault::Unanswered(_))) | Err(_) => {
                    look.unanswered.push(self.sources[source].key().to_owned());
                }
            }
            if found.root_version() > look.trusted.root_version() {
                // Of two chains that fork, which takes stolen root keys, the first source's is followed.
                let _ = look.trusted.follow(&found);
            }
        }
        look
    }

    /// Follows the roots of one source to its last.
    pub(super) async fn follow_roots(
        &self,
        source: usize,
        trusted: &mut Trusted,
        activity: &Activity,
    ) -> Result<(), RootFault> {
        let source = &self.sources[source];
        let http = self.fetcher.http(source);
        for _ in 0..ROOT_ROTATIONS_MAX {
            let wanted = trusted.root_wanted();
            let url = source.metadata(&wanted.file);
            let found = http.small(&url, wanted.length_max, activity).await.map_err(RootFault::Unanswered)?;
            let Small::Found(bytes) = found else { break };
            let refused = |error| Fault::of_metadata(&error, &url).by_clock(self.clock.now());
            trusted.update_root(&bytes).map_err(|error| RootFault::Refused(refused(error)))?;
        }
        Ok(())
    }
}

/// Why the roots of a source lead no further.
#[derive(Debug)]
pub(super) enum RootFault {
    /// It did not answer.
    Unanswered(Fault),
    /// It has one that is not valid.
    Refused(Fault),
}

impl From<RootFault> for Fault {
    fn from(fault: RootFault) -> Self {
        match fault {
            RootFault::Unanswered(fault) | RootFault::Refused(fault) => fault,
        }
    }
}
