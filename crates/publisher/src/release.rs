//! Publishing a release.
//!
//! 1. refuse what can be refused before the work;
//! 2. store the bodies, beside everything else: nothing leads to them yet;
//! 3. under the lock: look again, decide, stage, commit.
//!
//! The same content under the same version is no error: what the disk lost or changed of it is there again, and nothing is
//! signed. A version that was withdrawn stays withdrawn: its lost bodies are restored, and anything else is refused.

use headwater_repo::{
    ComponentName, Digest, FileEntry, Hook, Manifest, Published, Release, ReleaseList, Role, Sequence,
    TargetsDraft, VersionText, stage_release,
};
use jiff::Timestamp;

use crate::commit::stage_and_commit;
use crate::content::{ReleaseContent, StoredFile};
use crate::deltas::current::with_present_deltas;
use crate::deltas::settings::DeltaSettings;
use crate::destination::{Destination, Operation, Purpose};
use crate::read::{manifest, release_list};
use crate::{Error, Result};

/// A release about to be published, valid but for its files.
#[derive(Debug, Clone)]
pub struct NewRelease {
    /// Whose release.
    pub component: ComponentName,
    /// Its version.
    pub version: VersionText,
    /// Installs it (programs).
    pub install: Option<Hook>,
    /// Judges it.
    pub probe: Option<Hook>,
}

/// What became of it.
#[derive(Debug)]
pub enum Outcome {
    /// It is the current release.
    New(PublishedRelease),
    /// It was published before, with the same content: only bodies that were missing or damaged were stored.
    Again(PublishedRelease),
}

/// A release that is published.
#[derive(Debug)]
pub struct PublishedRelease {
    /// The component's releases.
    pub list: ReleaseList,
    /// This one.
    pub release: Release,
    /// Its files, and which bodies are new.
    pub files: Vec<StoredFile>,
    /// Version of the targets metadata.
    pub targets_version: u64,
}

/// What a release that somebody wants to publish would be.
enum Turn {
    /// The next one, with this sequence.
    Next(Sequence),
    /// The one that has its version already, if the content is the same.
    Again(Box<Manifest>),
}

/// Publishes a release as the current one. It names the deltas that there are; [`crate::deltas::make`] makes more.
/// `deltas`: which ones are named.
///
/// # Errors
/// A version that is taken, was used or was withdrawn; what the destination does not admit; the content's, the disk's, the keys'.
pub fn publish(
    destination: &dyn Destination,
    new: &NewRelease,
    content: &dyn ReleaseContent,
    deltas: &DeltaSettings,
    now: Timestamp,
) -> Result<Outcome> {
    destination.admit(&new.component, Operation::Publish)?;
    let published = destination.published()?;
    destination.keys()?.check(&published)?;
    if let Turn::Again(known) = turn(destination, &published, new)?
        && (!has_hooks_of(new, &known) || content.differs_from(&known.files)?)
    {
        let list = release_list(destination.objects(), &published, &new.component)?;
        return Err(version_taken(new, known.sequence, list.as_ref()));
    }
    let files = content.store(destination.store())?;

    let lock = destination.lock()?;
    // Load, again: somebody may have been faster.
    destination.admit(&new.component, Operation::Publish)?;
    let published = destination.published()?;
    let list = release_list(destination.objects(), &published, &new.component)?;
    let sequence = match turn(destination, &published, new)? {
        Turn::Next(sequence) => sequence,
        Turn::Again(known) => return again(new, &known, list, files, &published),
    };
    // Decide.
    let manifest = manifest_of(new, sequence, &files);
    if let Some(problem) = manifest.unstartable() {
        return Err(Error::Unstartable(problem));
    }
    let manifest = with_present_deltas(destination, &published, list.as_ref(), manifest, deltas)?;
    let mut draft = TargetsDraft::next(&published);
    let next = stage_release(&mut draft, list.as_ref(), &manifest, now)?;
    // Save.
    let bodies: Vec<Digest> = files.iter().map(|file| file.entry.body.sha256).collect();
    let purpose = Purpose::Publish { before: list.as_ref(), list: &next, bodies: &bodies };
    let targets_version = stage_and_commit(destination, &lock, draft, purpose, now)?;
    // Answer.
    let release = next.current().clone();
    Ok(Outcome::New(PublishedRelease { list: next, release, files, targets_version }))
}

fn turn(destination: &dyn Destination, published: &Published, new: &NewRelease) -> Result<Turn> {
    let (component, version) = (&new.component, &new.version);
    let list = release_list(destination.objects(), published, component)?;
    let listed = list.iter().flat_map(|list| list.releases());
    if let Some(taken) = listed.clone().find(|release| release.version == *version) {
        let known = manifest(destination.objects(), published, component, taken.sequence)?;
        return Ok(Turn::Again(Box::new(known)));
    }
    let history = destination.history(component)?;
    if let Some((sequence, _)) = history.releases.iter().find(|(_, used)| used == version) {
        let (component, version) = (component.clone(), version.clone());
        return Err(Error::VersionUsed { component, version, sequence: *sequence, removed: list.is_none() });
    }
    let known = history.releases.iter().map(|(sequence, _)| sequence.get());
    let newest = known.chain(listed.map(|release| release.sequence.get())).max().unwrap_or(0);
    let next = newest.max(history.sequence_floor).checked_add(1).and_then(|next| Sequence::new(next).ok());
    next.map(Turn::Next).ok_or_else(|| Error::SequencesUsedUp(component.clone()))
}

/// Nothing is signed: the release is there. One that was withdrawn is published again only to restore bodies.
fn again(
    new: &NewRelease,
    known: &Manifest,
    list: Option<ReleaseList>,
    files: Vec<StoredFile>,
    published: &Published,
) -> Result<Outcome> {
    let sorted = |mut manifest: Manifest| {
        manifest.files.sort_by(|one, other| one.path.cmp(&other.path));
        manifest
    };
    let is_same = sorted(manifest_of(new, known.sequence, &files)) == sorted(known.without_deltas());
    let release = list.as_ref().and_then(|list| list.release(known.sequence)).cloned();
    let is_useful = !is_withdrawn(list.as_ref(), known.sequence) || files.iter().any(|file| file.new);
    match (is_same && is_useful, list, release) {
        (true, Some(list), Some(release)) => {
            let targets_version = published.version(Role::Targets);
            Ok(Outcome::Again(PublishedRelease { list, release, files, targets_version }))
        }
        (_, list, _) => Err(version_taken(new, known.sequence, list.as_ref())),
    }
}

fn has_hooks_of(new: &NewRelease, known: &Manifest) -> bool {
    (&new.install, &new.probe) == (&known.install, &known.probe)
}

fn version_taken(new: &NewRelease, sequence: Sequence, list: Option<&ReleaseList>) -> Error {
    let (component, version) = (new.component.clone(), new.version.clone());
    if is_withdrawn(list, sequence) {
        Error::VersionWithdrawn { component, version, sequence }
    } else {
        Error::VersionTaken { component, version, sequence }
    }
}

fn is_withdrawn(list: Option<&ReleaseList>, sequence: Sequence) -> bool {
    list.is_some_and(|list| list.withdrawn().contains(&sequence))
}

fn manifest_of(new: &NewRelease, sequence: Sequence, files: &[StoredFile]) -> Manifest {
    let entries: Vec<FileEntry> = files.iter().map(|file| file.entry.clone()).collect();
    Manifest {
        component: new.component.clone(),
        sequence,
        version: new.version.clone(),
        files: entries,
        install: new.install.clone(),
        probe: new.probe.clone(),
        intermediates: Vec::new(),
    }
}
