//! At a run's end the store lets go of what no later run asks for.
//!
//! An installed release lies in its slot, and what an update agent serves lies on its shelf: a client that is up to
//! date keeps no bodies. Kept are
//!
//! * the targets that the last verified metadata names (lists, manifests, settings): small, and read by every run;
//! * the bodies and deltas of a release still to be installed: what was fetched of it is not fetched again (P10);
//! * those that an update agent has still to put on its shelf (U4).
//!
//! Every repository is looked at for itself: a class that always fails must not fill the disk with what the others
//! installed long ago.

use std::collections::HashSet;

use headwater_agent::Shelf;
use headwater_depot::MetadataStore;
use headwater_policy::Class;
use headwater_repo::{Digest, Manifest, ReleaseList, TargetDescription, Trusted, layout};

use crate::content::Offer;
use crate::error::Error;
use crate::folder::{DataFolder, Owner};
use crate::machine::Decision;
use crate::os;
use crate::session::{Session, store_error};
use headwater_repo::error_chain;

/// Removes from the store what nobody will ask for. Trouble with it is told and stops nothing. A trial run leaves the
/// store alone: it is the one of the run that made the trial, which is not over.
pub(crate) fn sweep(session: &mut Session) {
    if !session.options.self_trial
        && let Err(error) = collect(session)
    {
        session.warnings.push(format!("the store could not be swept: {}", error_chain(&error)));
    }
    if !session.options.self_trial
        && let Err(error) = remove_secrets(&session.folder)
    {
        session.warnings.push(format!("what a crash left could not be removed: {}", error_chain(&error)));
    }
}

/// Removes what a crash left half written where keys and tokens are: keys that were never used, a bundle with its token.
fn remove_secrets(folder: &DataFolder) -> Result<(), Error> {
    let identity = folder.identity("");
    os::remove_temporaries(&identity).map_err(Error::file("cleaning", &identity))?;
    let is_bundle = |name: &str| name.starts_with(os::TEMPORARY_PREFIX) && name.ends_with("-bundle.json");
    os::remove_but(folder.root(), |name| !is_bundle(name)).map_err(Error::file("cleaning", folder.root()))
}

fn collect(session: &Session) -> Result<(), Error> {
    let mut kept = HashSet::new();
    let organisation = Class::ALL.map(|class| (Owner::Organisation, class));
    for (owner, class) in organisation.into_iter().chain([(Owner::Vendor, Class::Components)]) {
        let folder = session.folder.metadata(owner, class);
        if !folder.is_dir() {
            continue;
        }
        let Some(trusted) = MetadataStore::open(folder).and_then(|kept| kept.load()).map_err(store_error)?
        else {
            continue;
        };
        if trusted.received().timestamp.is_some() && trusted.targets_version().is_none() {
            // A walk broke off between timestamp and targets: nobody can say now what is wanted.
            return Ok(());
        }
        keep(session, owner, class, &trusted, &mut kept)?;
    }
    session.store.collect(&kept).map(drop).map_err(store_error)
}

/// Adds what a repository's metadata makes worth keeping.
fn keep(
    session: &Session,
    owner: Owner,
    class: Class,
    trusted: &Trusted,
    kept: &mut HashSet<Digest>,
) -> Result<(), Error> {
    let shelf = Shelf::new(session.folder.served());
    let shares = owner == Owner::Organisation && session.in_force.shares().contains(class);
    for (name, description) in trusted.targets() {
        kept.extend(description.sha256);
        if class == Class::Settings || layout::component_of_release_list(&name).is_none() {
            continue;
        }
        let list = here(session, &description)?.and_then(|bytes| ReleaseList::parse(&bytes).ok());
        let Some(mut offer) = list.and_then(|list| Offer::of(trusted, list).ok()) else { continue };
        let manifest = here(session, &offer.manifest)?.and_then(|bytes| Manifest::parse(&bytes).ok());
        let Some(manifest) = manifest else { continue };
        offer.identify(&manifest);
        let (decision, _) = offer.decide(session, owner, class)?;
        let to_install = matches!(decision, Decision::Install | Decision::RollBack { .. });
        let bodies = manifest.files.iter().map(|file| file.body.sha256);
        let blobs = bodies.chain(manifest.deltas().map(|delta| delta.sha256));
        kept.extend(blobs.filter(|blob| to_install || (shares && !shelf.has(class, &layout::blob(blob)))));
    }
    Ok(())
}

/// A target, if the store has it.
fn here(session: &Session, description: &TargetDescription) -> Result<Option<Vec<u8>>, Error> {
    session.store.target(description).map_err(store_error)
}
