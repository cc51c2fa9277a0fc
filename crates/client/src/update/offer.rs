//! The release that a source offers of one name, and the decision about it.

use std::collections::BTreeSet;

use headwater_api::report::{ClassResult, Reason};
use headwater_policy::Class;
use headwater_repo::{Digest, Manifest, ReleaseList, Sequence, TargetDescription, Trusted};

use crate::data::{ReleaseRecord, RepositoryOwner, State};
use crate::decide::{Decision, Known, NameOutcome, decide};
use crate::error::Error;
use crate::session::Context;

/// The release that a source offers of one name.
pub struct Offer {
    list: ReleaseList,
    /// The target that is its manifest.
    pub manifest: TargetDescription,
    /// Which release it is, if that is known: a sequence may be published again with other content. The manifest's own
    /// digest does not state it, because deltas that join a release change that digest.
    identity: Option<Digest>,
}

impl Offer {
    /// The current release of a list.
    ///
    /// # Errors
    ///
    /// Why the metadata does not name its manifest.
    pub(crate) fn of(trusted: &Trusted, list: ReleaseList) -> Result<Self, String> {
        let name = list.manifest(list.current().sequence);
        let manifest =
            trusted.target(&name).ok_or_else(|| format!("the signed metadata has no manifest {name}"))?;
        if manifest.sha256.is_none() {
            return Err(format!("the manifest {name} has no SHA-256"));
        }
        Ok(Self { list, manifest, identity: None })
    }

    /// Sets which release it is, from its manifest. Needed where a release of this sequence failed before.
    pub(crate) fn identify(&mut self, manifest: &Manifest) {
        self.identity = Some(manifest.identity());
    }

    /// What to do about it, and the record of what is installed.
    pub(crate) fn decide(
        &self,
        context: &Context,
        state: &State,
        owner: RepositoryOwner,
        class: Class,
    ) -> Result<(Decision, Option<ReleaseRecord>), Error> {
        let slot = context.folder.slot(class, self.name());
        let installed = slot.installed().map_err(Error::file("reading", slot.folder()))?;
        let installed = installed.map(|(_, record)| record);
        let none = BTreeSet::new();
        let withdrawn = match owner {
            // This list itself states what was withdrawn.
            RepositoryOwner::Organisation => None,
            RepositoryOwner::Vendor => state.withdrawn.get(self.name()),
        };
        let failed = self
            .identity
            .and_then(|identity| state.failed_why(class, self.name(), self.sequence(), &identity));
        let decision = decide(&Known {
            installed: installed.as_ref().map(|record| record.sequence),
            list: &self.list,
            withdrawn_by_organisation: withdrawn.unwrap_or(&none),
            failed_before: failed.filter(|_| !context.options.retry_failed),
        });
        Ok((decision, installed))
    }

    pub(crate) fn name(&self) -> &str {
        self.list.component().as_str()
    }

    pub(crate) fn sequence(&self) -> Sequence {
        self.list.current().sequence
    }
}

/// The outcome of a decision that changes nothing.
pub(crate) fn kept_outcome(offer: &Offer, decision: Decision) -> NameOutcome {
    let (name, offered) = (offer.name(), offer.sequence());
    let (result, message, fault) = match decision {
        Decision::FailedBefore { why } => {
            let message = format!(
                "{name}: release {offered} failed here and is not tried again before a newer release or \
                 `update --retry-failed`: {why}"
            );
            (ClassResult::Reverted, message, None)
        }
        Decision::Backwards { have } => {
            let message = format!(
                "{name}: kept release {have}; the source offers the older {offered} without a signed rollback"
            );
            (ClassResult::Current, message, Some(Reason::Backwards))
        }
        Decision::Withdrawn => {
            let message =
                format!("{name}: the organisation has withdrawn release {offered}, so it is not installed");
            (ClassResult::Current, message, None)
        }
        Decision::UpToDate | Decision::Install | Decision::RollBack { .. } => {
            (ClassResult::Current, String::new(), None)
        }
    };
    NameOutcome { name: name.to_owned(), result, message, fault }
}
