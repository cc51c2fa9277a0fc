//! At the end of a run, removes from the store what no later run needs.
//!
//! An installed release lies in its slot, and what an update agent serves lies in its served tree, so an up-to-date client
//! keeps no bodies. The store keeps:
//!
//! * the targets that the last verified metadata names (lists, manifests, settings): small, and read by every run;
//! * the bodies and deltas of a release that is still to be installed, so that they are not fetched again (P10);
//! * those that an update agent still has to put into its served tree (U4).
//!
//! Each repository is judged alone: a class that always fails must not fill the disk with what the others installed long ago.

use std::collections::HashSet;

use headwater_agent::ServedTree;
use headwater_depot::MetadataStore;
use headwater_depot::files;
use headwater_policy::{Class, Repository};
use headwater_repo::{Digest, Manifest, ReleaseList, TargetDescription, Trusted, error_chain, layout};

use crate::data::{DataFolder, RepositoryOwner};
use crate::decide::Decision;
use crate::error::Error;
use crate::session::{Context, Session};
use crate::update::Offer;

/// Removes what is not needed. A failure becomes a warning and stops nothing. A trial run removes nothing: the store
/// belongs to the run that started the trial, which is not over.
pub(crate) fn collect_garbage(session: &mut Session) {
    if session.context.options.self_trial {
        return;
    }
    if let Err(error) = collect(session) {
        let problem = error_chain(&error);
        session.findings.warnings.push(format!("cannot remove unneeded files from the store: {problem}"));
    }
    if let Err(error) = remove_secrets(&session.context.folder) {
        let problem = error_chain(&error);
        session.findings.warnings.push(format!("cannot remove what a crash left behind: {problem}"));
    }
}

/// Removes half-written files that a crash left where keys and tokens are.
fn remove_secrets(folder: &DataFolder) -> Result<(), Error> {
    let identity = folder.identity("");
    files::remove_temporaries(&identity).map_err(Error::file("cleaning", &identity))?;
    let is_bundle = |name: &str| name.starts_with(files::TEMPORARY_PREFIX) && name.ends_with("-bundle.json");
    files::remove_entries_but(folder.root(), |name| !is_bundle(name))
        .map_err(Error::file("cleaning", folder.root()))
}

fn collect(session: &Session) -> Result<(), Error> {
    let mut kept = HashSet::new();
    let organisation = Repository::ALL.map(|repository| (RepositoryOwner::Organisation, repository));
    let vendor = (RepositoryOwner::Vendor, Class::Components.into());
    for (owner, repository) in organisation.into_iter().chain([vendor]) {
        let folder = session.context.folder.metadata(owner, repository);
        if !folder.is_dir() {
            continue;
        }
        let Some(trusted) = MetadataStore::open(folder).and_then(|metadata| metadata.load())? else {
            continue;
        };
        if trusted.received().timestamp.is_some() && trusted.targets_version().is_none() {
            // A refresh stopped between timestamp and targets: what is needed is not known now.
            return Ok(());
        }
        keep(session, owner, repository, &trusted, &mut kept)?;
    }
    session.context.store.collect(&kept)?;
    Ok(())
}

/// Adds what the metadata of a repository makes worth keeping.
fn keep(
    session: &Session,
    owner: RepositoryOwner,
    repository: Repository,
    trusted: &Trusted,
    kept: &mut HashSet<Digest>,
) -> Result<(), Error> {
    let Some(class) = repository.class().filter(|class| *class != Class::Settings) else {
        // Every target is a document.
        kept.extend(trusted.targets().filter_map(|(_, description)| description.sha256));
        return Ok(());
    };
    let context = &session.context;
    let tree = ServedTree::new(context.folder.served());
    let shares = owner == RepositoryOwner::Organisation && context.effective.shares().contains(class);
    for (name, description) in trusted.targets() {
        kept.extend(description.sha256);
        if layout::component_of_release_list(&name).is_none() {
            continue;
        }
        let list = stored(context, &description)?.and_then(|bytes| ReleaseList::parse(&bytes).ok());
        let Some(offer) = list.and_then(|list| Offer::of(trusted, list).ok()) else { continue };
        let manifest = stored(context, &offer.manifest)?.and_then(|bytes| Manifest::parse(&bytes).ok());
        let Some(manifest) = manifest else { continue };
        let (decision, _) = offer.decide(context, &session.state, (owner, class), trusted)?;
        let to_install = session.findings.repairs.has_unrepaired(class, offer.name())
            || matches!(decision, Decision::Install | Decision::RollBack { .. } | Decision::Replace { .. });
        let bodies = manifest.files.iter().map(|file| file.body.sha256);
        let blobs = bodies.chain(manifest.deltas().map(|delta| delta.sha256));
        kept.extend(blobs.filter(|blob| to_install || (shares && !tree.has(class, &layout::blob(blob)))));
    }
    Ok(())
}

/// A target, if the store has it.
fn stored(context: &Context, description: &TargetDescription) -> Result<Option<Vec<u8>>, Error> {
    Ok(context.store.target(description)?)
}
