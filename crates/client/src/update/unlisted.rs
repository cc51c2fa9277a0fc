//! Installed names that the signed metadata lists no longer.
//!
//! What was removed stays: nobody removes content from every endpoint by leaving it out. Every run reports it until it is
//! published again or its folder is removed. After a theft of keys only what a tombstone of the present keys confirms
//! stays (I2a); the rest is deactivated.

use headwater_api::report::{ClassResult, Reason};
use headwater_policy::{Class, OwnComponents};
use headwater_repo::{ComponentName, Standing, Tombstone, layout};

use crate::data::{ReleaseRecord, RepositoryOwner, Slot};
use crate::decide::NameOutcome;
use crate::error::Error;
use crate::fetch::{ContentError, VerifiedRepository, target, unusable};
use crate::session::Session;
use crate::update::offer::standing;
use crate::update::voucher::renew_voucher;

/// Looks at every installed name of the class that is not `listed`.
pub(crate) async fn unlisted_names(
    session: &mut Session,
    verified: &VerifiedRepository<'_>,
    class: Class,
    listed: &(dyn Fn(&str) -> bool + Sync),
) -> Result<Vec<NameOutcome>, ContentError> {
    if verified.owner == RepositoryOwner::Vendor {
        // The organisation decides what is published.
        return Ok(Vec::new());
    }
    let folder = session.context.folder.clone();
    let mut names = Vec::new();
    for name in folder.slot_names(class).map_err(Error::file("reading", folder.root()))? {
        let slot = folder.slot(class, &name);
        let installed = slot.installed().map_err(Error::file("reading", slot.folder()))?;
        if let Some((release, record)) = installed.filter(|_| !listed(&name)) {
            names.push(unlisted(session, verified, class, &slot, name, &release, record).await?);
        }
    }
    Ok(names)
}

/// Own components that the policy names, and of which this source neither has a release nor knows that it was removed:
/// it is older than the policy. Those that are not installed are missing (P4a).
pub(crate) fn not_listed(
    session: &Session,
    verified: &VerifiedRepository<'_>,
    own: &OwnComponents,
    listed: &dyn Fn(&str) -> bool,
) -> Result<Vec<NameOutcome>, ContentError> {
    let mut names = Vec::new();
    for name in own.iter().filter(|name| !listed(name)) {
        let slot = session.context.folder.slot(Class::Components, name);
        let is_installed = slot.installed().map_err(Error::file("reading", slot.folder()))?.is_some();
        let tombstone = ComponentName::new(name).map(|component| layout::tombstone(&component));
        let was_removed = tombstone.is_ok_and(|target| verified.trusted.target(&target).is_some());
        if !is_installed && !was_removed {
            let message = format!("{name}: the policy names it, and the source does not list it");
            let (name, result) = (name.to_owned(), ClassResult::Partial);
            names.push(NameOutcome { name, result, message, fault: None });
        }
    }
    Ok(names)
}

async fn unlisted(
    session: &Session,
    verified: &VerifiedRepository<'_>,
    class: Class,
    slot: &Slot,
    name: String,
    release: &str,
    record: ReleaseRecord,
) -> Result<NameOutcome, ContentError> {
    let tombstone = tombstone(session, verified, &name).await?;
    let confirmed = tombstone.is_some_and(|tombstone| tombstone.confirms(record.sequence, &record.manifest));
    let standing = standing(&session.context, (verified.owner, class), verified.trusted, &record.voucher);
    let version = record.version.clone();
    if confirmed {
        renew_voucher(session, verified, slot, release, record, standing)?;
    }
    let here = slot.folder().display();
    let kept = |fault, why: &str| {
        let message = format!(
            "{name} is no longer published{why}; {version} stays installed (to remove it here, remove {here})"
        );
        NameOutcome { name: name.clone(), result: ClassResult::Current, message, fault }
    };
    Ok(match standing {
        _ if confirmed => kept(None, ""),
        Standing::Holds => kept(None, ""),
        Standing::Replaced => {
            kept(Some(Reason::Unconfirmed), ", and no list of the present keys confirms it")
        }
        Standing::Compromised if session.context.options.self_trial => kept(None, ""),
        Standing::Compromised => {
            slot.deactivate().map_err(Error::file("deactivating", slot.folder()))?;
            let message = format!(
                "{name}: deactivated release {version}; only keys that were compromised vouch for it, and the present \
                 keys list neither a release of it nor that it was removed"
            );
            NameOutcome { name, result: ClassResult::Updated, message, fault: Some(Reason::Unconfirmed) }
        }
    })
}

/// What the signed metadata says of a name that was removed.
async fn tombstone(
    session: &Session,
    verified: &VerifiedRepository<'_>,
    name: &str,
) -> Result<Option<Tombstone>, ContentError> {
    let Ok(component) = ComponentName::new(name) else { return Ok(None) };
    let Some(description) = verified.trusted.target(&layout::tombstone(&component)) else { return Ok(None) };
    let bytes = target(&session.context, verified, &description).await?;
    let tombstone = Tombstone::parse(&bytes).map_err(unusable)?;
    Ok(Some(tombstone).filter(|tombstone| *tombstone.component() == component))
}
