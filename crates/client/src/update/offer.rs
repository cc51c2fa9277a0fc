//! The release that a source offers of one name, and the decision about it.

use std::collections::BTreeSet;

use headwater_api::report::{ClassResult, Reason};
use headwater_depot::MetadataStore;
use headwater_policy::Class;
use headwater_repo::{ReleaseList, Sequence, Standing, TargetDescription, Trusted};

use crate::data::{ReleaseRecord, RepositoryOwner, State, Voucher};
use crate::decide::{Decision, InstalledRelease, Known, NameOutcome, decide};
use crate::error::Error;
use crate::session::Context;

/// The release that a source offers of one name.
pub struct Offer {
    /// The source's signed release list.
    pub list: ReleaseList,
    /// The target that is its manifest. Its own digest does not state which release it is, because deltas that join a
    /// release change that digest; the list's identity does.
    pub manifest: TargetDescription,
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
        Ok(Self { list, manifest })
    }

    /// What to do about it, and what is installed.
    pub(crate) fn decide(
        &self,
        context: &Context,
        state: &State,
        (owner, class): (RepositoryOwner, Class),
        trusted: &Trusted,
    ) -> Result<(Decision, Option<(String, ReleaseRecord)>), Error> {
        let slot = context.folder.slot(class, self.name());
        let installed = slot.installed().map_err(Error::file("reading", slot.folder()))?;
        let none = BTreeSet::new();
        let withdrawn = match owner {
            // This list itself states what was withdrawn.
            RepositoryOwner::Organisation => None,
            RepositoryOwner::Vendor => state.withdrawn_of(class, self.name()),
        };
        let failed = state.failed_why(class, self.name(), self.sequence(), &self.list.current().identity);
        let known = installed.as_ref().map(|(_, record)| {
            installed_release(record, standing(context, (owner, class), trusted, &record.voucher), owner)
        });
        let decision = decide(&Known {
            installed: known,
            list: &self.list,
            withdrawn_by_organisation: withdrawn.unwrap_or(&none),
            failed_before: failed.filter(|_| !context.options.retry_failed),
            kept_instead_of: state.kept_instead_of(class, self.name()),
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

/// What a decision has to know of a record.
pub(crate) fn installed_release(
    record: &ReleaseRecord,
    standing: Standing,
    list_of: RepositoryOwner,
) -> InstalledRelease {
    InstalledRelease {
        sequence: record.sequence,
        identity: record.manifest,
        standing,
        outranks_list: list_of == RepositoryOwner::Vendor
            && record.voucher.owner == RepositoryOwner::Organisation,
    }
}

/// What a voucher is worth under the present root of the repository whose keys it names. `trusted` is that of `of`; another
/// repository's is read from the disk. One that is not there any more vouches for nothing.
pub(crate) fn standing(
    context: &Context,
    (owner, class): (RepositoryOwner, Class),
    trusted: &Trusted,
    voucher: &Voucher,
) -> Standing {
    if voucher.owner == owner {
        return trusted.standing(&voucher.evidence);
    }
    let folder = context.folder.metadata(voucher.owner, class);
    if !folder.is_dir() {
        return Standing::Replaced;
    }
    match MetadataStore::open(folder).and_then(|metadata| metadata.load()) {
        Ok(Some(other)) => other.standing(&voucher.evidence),
        Ok(None) | Err(_) => Standing::Replaced,
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
        Decision::Unconfirmed { have } => {
            let message = format!(
                "{name}: kept release {have}, which no list of the present keys confirms; the next release that is \
                 published replaces it"
            );
            (ClassResult::Current, message, Some(Reason::Unconfirmed))
        }
        Decision::OtherContent { have } => {
            let message = format!(
                "{name}: kept release {have} of the organisation; the vendor source has other content under the same number"
            );
            (ClassResult::Failed, message, Some(Reason::OtherContent))
        }
        Decision::Withdrawn => {
            let message =
                format!("{name}: the organisation has withdrawn release {offered}, so it is not installed");
            (ClassResult::Current, message, None)
        }
        Decision::UpToDate
        | Decision::Install
        | Decision::RollBack { .. }
        | Decision::Replace { .. }
        | Decision::Deactivate => (ClassResult::Current, String::new(), None),
    };
    NameOutcome { name: name.to_owned(), result, message, fault }
}
