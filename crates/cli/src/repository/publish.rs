//! Publishing into a static repository: bodies, manifest, signatures; and the way back.

use std::fs;
use std::io::{self, BufReader, Read as _};
use std::path::Path;

use headwater_api::v1::PublishOptions;
use headwater_delta as delta;
use headwater_repo::{
    Body, BodyFormat, ComponentName, Digest, Draft, FileEntry, FilePath, Hasher, Hook, KeyRing, Manifest,
    Published, Release, ReleaseList, Role, Sequence, VersionText, WriteError, layout, roll_back,
    stage_release,
};
use jiff::Timestamp;

use super::deltas;
use super::folder::{Folder, keep};
use crate::releases::package::{Package, PackedFile};
use crate::terminal::failure::Failure;
use crate::terminal::progress::Progress;
use crate::terminal::stop::Stop;
use headwater_repo::error_chain;

/// Bytes that are read at once.
const READ_BYTES: usize = 64 * 1024;

/// What to publish.
#[derive(Debug)]
pub struct NewRelease<'a> {
    /// The component or program.
    pub name: &'a str,
    /// Its version.
    pub version: &'a str,
    /// Its commands.
    pub options: &'a PublishOptions,
}

/// What became of a release that was to be published.
#[derive(Debug)]
pub enum Outcome {
    /// It is the current one.
    New(Release),
    /// It was published before, with the same content: only bodies that lacked were written.
    Again(Release),
}

/// Publishes a release as the current one. `content` writes its bodies, as [`bodies`] does, once nothing else stands
/// against it; `is_same` says whether it has the files of another. Of deltas it has those that are there already;
/// [`deltas::make`] makes more.
pub fn publish(
    folder: &Folder,
    ring: &KeyRing,
    new: &NewRelease<'_>,
    content: impl FnOnce() -> Result<Vec<FileEntry>, Failure>,
    is_same: impl FnOnce(&[FileEntry]) -> Result<bool, Failure>,
    now: Timestamp,
) -> Result<Outcome, Failure> {
    let signed = |hook: &headwater_api::v1::Hook| Hook {
        command: hook.command.clone(),
        timeout_seconds: hook.timeout_seconds.into(),
    };
    let component = component_name(new.name)?;
    let version = VersionText::new(new.version)
        .map_err(|error| Failure::bad_input(format!("version `{}`: {error}", new.version)))?;
    let _lock = folder.lock()?;
    let present = folder.published()?;
    must_sign(&present, ring)?;
    let list = release_list(folder, &present, &component)?;
    if let Some(taken) =
        list.iter().flat_map(|list| list.releases()).find(|release| release.version == version)
    {
        let known = deltas::manifest(folder, &present, &component, taken.sequence)?;
        let hooks = (new.options.install.as_ref().map(signed), new.options.probe.as_ref().map(signed));
        if hooks == (known.install, known.probe) && is_same(&known.files)? {
            content()?;
            return Ok(Outcome::Again(taken.clone()));
        }
        return Err(Failure::failed(format!(
            "{component} has a release {version} already, with other content: number {}",
            taken.sequence
        ))
        .with_hint("give another --version"));
    }
    let sequence = match &list {
        None => Sequence::FIRST,
        Some(list) => list
            .newest()
            .sequence
            .next()
            .ok_or_else(|| Failure::failed(format!("{component} has used up its release numbers")))?,
    };
    let manifest = Manifest {
        files: content()?,
        install: new.options.install.as_ref().map(signed),
        probe: new.options.probe.as_ref().map(signed),
        component,
        sequence,
        version,
        intermediates: Vec::new(),
    };
    if let Some(problem) = manifest.unstartable() {
        return Err(Failure::bad_input(problem));
    }
    let manifest = deltas::named(folder, &present, list.as_ref(), manifest)?;
    let mut draft = Draft::next(&present);
    let list = stage_release(&mut draft, list.as_ref(), &manifest, now).map_err(refused)?;
    sign(folder, ring, draft, now)?;
    Ok(Outcome::New(list.current().clone()))
}

/// Makes an earlier release current again and withdraws all later ones.
pub fn go_back(
    folder: &Folder,
    ring: &KeyRing,
    name: &str,
    to: &str,
    now: Timestamp,
) -> Result<ReleaseList, Failure> {
    let component = component_name(name)?;
    let _lock = folder.lock()?;
    let present = folder.published()?;
    let Some(list) = release_list(folder, &present, &component)? else {
        return Err(Failure::bad_input(format!("nothing named {component} was published"))
            .with_hint("`headwater repo show` lists what was"));
    };
    let by_version = list.releases().iter().find(|release| release.version.as_str() == to);
    let by_number = || list.releases().iter().find(|release| release.sequence.to_string() == to);
    let Some(release) = by_version.or_else(by_number) else {
        return Err(Failure::bad_input(format!("{component} has no release `{to}`"))
            .with_hint("`headwater repo show` lists them"));
    };
    let mut draft = Draft::next(&present);
    let list = roll_back(&mut draft, &list, release.sequence).map_err(refused)?;
    sign(folder, ring, draft, now)?;
    Ok(list)
}

/// The release list of a component, as published.
pub fn release_list(
    folder: &Folder,
    present: &Published,
    component: &ComponentName,
) -> Result<Option<ReleaseList>, Failure> {
    let Some(bytes) = folder.target(present, &layout::release_list(component))? else { return Ok(None) };
    ReleaseList::parse(&bytes).map(Some).map_err(|error| {
        Failure::failed(format!("the releases of {component} cannot be read: {}", error_chain(&error)))
    })
}

/// Signs a draft with the keys at hand and writes it.
pub fn sign(folder: &Folder, ring: &KeyRing, draft: Draft, now: Timestamp) -> Result<(), Failure> {
    let signed =
        draft.finish(now, folder.expiry()).and_then(|unsigned| unsigned.sign(ring)).map_err(refused)?;
    folder.write(&signed)
}

/// Refuses keys that cannot sign the next publication, before anything is done for it.
pub fn must_sign(present: &Published, ring: &KeyRing) -> Result<(), Failure> {
    for role in [Role::Targets, Role::Snapshot, Role::Timestamp] {
        let (ids, threshold) = (present.root().key_ids(role), present.root().threshold(role));
        if !ring.reaches(ids, threshold) {
            let found = ids.iter().filter(|id| ring.get(id).is_some()).count();
            return Err(refused(WriteError::KeysMissing { role, threshold, found }));
        }
    }
    Ok(())
}

/// A refusal to sign or stage: most often a key that is not at hand.
pub fn refused(error: WriteError) -> Failure {
    let failure = Failure::failed(error_chain(&error));
    match error {
        WriteError::KeysMissing { role, .. } => {
            failure.with_hint(format!("bring the {role} key into the folder of --keys, then run this again"))
        }
        WriteError::Content(_) | WriteError::Invalid(_) => Failure::bad_input(failure.message),
        _ => failure,
    }
}

/// A name, or why it will not do.
pub fn component_name(name: &str) -> Result<ComponentName, Failure> {
    ComponentName::new(name).map_err(|error| Failure::bad_input(format!("name `{name}`: {error}")))
}

/// Writes the bodies of a release's files, as far as they are not there yet. Nothing points at them before it is published.
pub fn bodies(
    folder: &Folder,
    package: &Package,
    progress: &Progress,
    stop: &Stop,
) -> Result<Vec<FileEntry>, Failure> {
    let Some(files) = package.files() else {
        return Err(Failure::bad_input("an archive is not unpacked here")
            .with_hint("unpack it and publish the folder, or give --keep-archive to publish it as a file"));
    };
    let blobs = folder.path(layout::BLOBS_FOLDER);
    fs::create_dir_all(&blobs).map_err(|error| Failure::file("make", &blobs, &error))?;
    let mut entries = Vec::with_capacity(files.len());
    for file in files {
        let path = FilePath::new(&file.name)
            .map_err(|error| Failure::bad_input(format!("{}: {error}", file.path.display())))?;
        let (body, decoded) = write_body(folder, &blobs, file, stop)?;
        progress.advance(file.size);
        entries.push(FileEntry {
            path,
            mode: if file.executable { 0o755 } else { 0o644 },
            size: decoded.size,
            sha256: Digest::from(decoded.sha256),
            body: Body {
                sha256: Digest::from(body.sha256),
                size: body.size,
                format: BodyFormat::Zstd,
                memory: body.memory,
            },
            deltas: Vec::new(),
        });
    }
    Ok(entries)
}

/// Whether a package has these files: the same paths, modes and bytes.
pub fn is_same(package: &Package, files: &[FileEntry], stop: &Stop) -> Result<bool, Failure> {
    let packed = package.files().unwrap_or_default();
    if packed.len() != files.len() {
        return Ok(false);
    }
    for one in packed {
        let known = files.iter().find(|file| file.path.as_str() == one.name);
        let is_alike =
            |file: &&FileEntry| file.size == one.size && (file.mode & 0o111 != 0) == one.executable;
        let Some(known) = known.filter(is_alike) else { return Ok(false) };
        if digest(one, stop)? != known.sha256 {
            return Ok(false);
        }
    }
    Ok(true)
}

fn digest(file: &PackedFile, stop: &Stop) -> Result<Digest, Failure> {
    let unreadable = |error: io::Error| match stop.is_told() {
        true => Failure::failed("it was stopped; nothing was published"),
        false => Failure::file("read", &file.path, &error),
    };
    let mut content = stop.reading(fs::File::open(&file.path).map_err(unreadable)?);
    let (mut hasher, mut buffer) = (Hasher::new(), vec![0; READ_BYTES]);
    loop {
        match content.read(&mut buffer).map_err(unreadable)? {
            0 => return Ok(hasher.finish()),
            count => hasher.update(&buffer[..count]),
        }
    }
}

fn write_body(
    folder: &Folder,
    blobs: &Path,
    file: &PackedFile,
    stop: &Stop,
) -> Result<(delta::Body, delta::Decoded), Failure> {
    let unreadable = |error: io::Error| Failure::file("read", &file.path, &error);
    let unwritable = |error: io::Error| Failure::file("write into", blobs, &error);
    let content = fs::File::open(&file.path).map_err(unreadable)?;
    let mut stored = tempfile::NamedTempFile::new_in(blobs).map_err(unwritable)?;
    let content = stop.reading(BufReader::new(content));
    let encoded = delta::encode(content, file.size, delta::limits::LEVEL_DEFAULT, stored.as_file_mut());
    let (body, decoded) = encoded.map_err(|error| match error {
        _ if stop.is_told() => Failure::failed("it was stopped; nothing was published"),
        delta::EncodeError::Io(error) => unwritable(error),
        error => Failure::failed(format!("{}: {}", file.path.display(), error_chain(&error))),
    })?;
    let digest = Digest::from(body.sha256);
    if !folder.has_blob(&digest) {
        let place = folder.path(&layout::blob(&digest));
        let parent = place.parent().unwrap_or(blobs);
        fs::create_dir_all(parent).and_then(|()| keep(stored, &place)).map_err(unwritable)?;
    }
    Ok((body, decoded))
}
