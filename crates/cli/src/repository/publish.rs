//! `headwater repo publish`: a release with its content from the disk, and then its deltas.

use std::fs::File;
use std::io::{BufReader, Read as _};

use headwater_api::v1::PublishOptions;
use headwater_depot::Store;
use headwater_policy::Class;
use headwater_publisher::folder::StaticRepository;
use headwater_publisher::{
    ContentLimits, Error, NewRelease, Outcome, Packer, ReleaseContent, StoredFile, publish,
};
use headwater_repo::{Digest, FileEntry, FilePath, Hasher, Hook, Release, VersionText};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::apart::{open_key_folder, refuse_content_of};
use super::arguments::{PublishArguments, component_name};
use super::deltas::{make_deltas, report_end};
use crate::limits::RELEASE_FILES_MAX;
use crate::releases::package::{Package, PackedFile};
use crate::releases::publish::hooks;
use crate::terminal::failure::{Exit, Failure};
use crate::terminal::output::{Output, bytes, counted};
use crate::terminal::progress::Progress;
use crate::terminal::stop::Stop;

/// Bytes that are read at once.
const READ_BYTES: usize = 64 * 1024;

/// Publishes, then makes deltas until all are made or it is stopped.
pub(super) fn run(
    arguments: &PublishArguments,
    stop: &Stop,
    now: Timestamp,
    output: Output,
) -> Result<Exit, Failure> {
    if arguments.install.is_some() && arguments.repository.class != Class::Programs {
        return Err(Failure::bad_input("only programs are installed by a command")
            .with_hint("give --class programs, or leave --install out"));
    }
    let options = hooks(arguments.install.as_deref(), arguments.probe.as_deref(), arguments.timeout)?;
    let new = new_release(&arguments.name, &arguments.version, &options)?;
    let (repository_folder, keys) = (&arguments.repository.folder, &arguments.keys.folder);
    let key_folder = open_key_folder(keys, repository_folder, false)?;
    refuse_content_of(keys, "the key folder", &arguments.path)?;
    refuse_content_of(repository_folder, "the repository", &arguments.path)?;
    let package = Package::of(&arguments.path, arguments.keep_archive)?;
    let expiry = arguments.keys.lifetimes.expiry();
    let repository = StaticRepository::open(arguments.repository.folder(), key_folder.ring()?, expiry)?;
    let progress = output.progress(&arguments.name, package.bytes);
    let content = LocalContent::new(&package, &progress, stop)?;
    let outcome = publish(&repository, &new, &content, &arguments.deltas.settings(), now);
    progress.finish();
    let release = match outcome? {
        Outcome::New(published) => published.release,
        Outcome::Again(published) => {
            report_again(&new, &published.release, output);
            return Ok(Exit::Done);
        }
    };
    if !output.is_json() {
        output.note(&format!(
            "published {} {} as release {} ({}, {})",
            new.component,
            release.version,
            release.sequence,
            counted(usize::try_from(release.files).unwrap_or(usize::MAX), "file"),
            bytes(release.size)
        ));
    }
    let report = make_deltas(&repository, &new.component, &arguments.deltas, stop, now, output)?;
    let mut answer = described(&new, &release);
    answer["deltas"] = json!(report.deltas);
    answer["delta_bytes"] = json!(report.delta_bytes);
    answer["missing"] = json!(report.missing);
    output.result(&answer, |_| {
        let (count, size) = (report.deltas, bytes(report.delta_bytes));
        format!("added {} to it ({size})", counted(count, "delta"))
    });
    Ok(report_end(&report, output))
}

/// A release, from the arguments of the command line.
pub fn new_release(name: &str, version: &str, options: &PublishOptions) -> Result<NewRelease, Failure> {
    let signed = |hook: &headwater_api::v1::Hook| Hook {
        command: hook.command.clone(),
        timeout_seconds: hook.timeout_seconds.into(),
    };
    let version = VersionText::new(version)
        .map_err(|error| Failure::bad_input(format!("version `{version}`: {error}")))?;
    let (install, probe) = (options.install.as_ref().map(signed), options.probe.as_ref().map(signed));
    Ok(NewRelease { component: component_name(name)?, version, install, probe })
}

/// Reports a release that was published before, as a server does: nothing is signed, and missing bodies are stored again.
fn report_again(new: &NewRelease, release: &Release, output: Output) {
    let mut answer = described(new, release);
    answer["again"] = json!(true);
    output.result(&answer, |_| {
        let (name, version, sequence) = (&new.component, &release.version, release.sequence);
        format!("{name} {version} was published before, as release {sequence} with the same content; nothing was signed, and its bodies are whole")
    });
}

fn described(new: &NewRelease, release: &Release) -> Value {
    json!({
        "name": new.component.as_str(),
        "sequence": release.sequence.get(),
        "version": release.version.as_str(),
        "files": release.files,
        "size": release.size,
    })
}

/// The files of a package on this disk.
#[derive(Debug)]
pub struct LocalContent<'a> {
    files: &'a [PackedFile],
    progress: &'a Progress,
    stop: &'a Stop,
}

impl<'a> LocalContent<'a> {
    /// The files of a package; an archive is refused.
    pub fn new(package: &'a Package, progress: &'a Progress, stop: &'a Stop) -> Result<Self, Failure> {
        let Some(files) = package.files() else {
            return Err(Failure::bad_input("`headwater repo publish` does not unpack archives").with_hint(
                "unpack it and publish the folder, or give --keep-archive to publish it as a file",
            ));
        };
        Ok(Self { files, progress, stop })
    }

    fn digest(&self, file: &PackedFile) -> Result<Digest, Error> {
        let mut content = self.stop.reading(File::open(&file.path).map_err(Error::file("read", &file.path))?);
        let (mut hasher, mut buffer) = (Hasher::new(), vec![0; READ_BYTES]);
        loop {
            match content.read(&mut buffer) {
                Ok(0) => return Ok(hasher.finish()),
                Ok(count) => hasher.update(&buffer[..count]),
                Err(_) if self.stop.is_requested() => return Err(Error::Stopped),
                Err(error) => return Err(Error::file("read", &file.path)(error)),
            }
        }
    }
}

impl ReleaseContent for LocalContent<'_> {
    fn differs_from(&self, files: &[FileEntry]) -> Result<bool, Error> {
        if self.files.len() != files.len() {
            return Ok(true);
        }
        for one in self.files {
            let known = files.iter().find(|file| file.path.as_str() == one.name);
            let is_alike =
                |file: &&FileEntry| file.size == one.size && (file.mode & 0o111 != 0) == one.executable;
            let Some(known) = known.filter(is_alike) else { return Ok(true) };
            if self.digest(one)? != known.sha256 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn store(&self, store: &Store) -> Result<Vec<StoredFile>, Error> {
        let limits = ContentLimits { files: RELEASE_FILES_MAX, ..ContentLimits::default() };
        let mut packer = Packer::new(store, limits);
        for file in self.files {
            let path = FilePath::new(&file.name)
                .map_err(|error| Error::BadPath { path: file.path.clone(), reason: error.to_string() })?;
            let content = File::open(&file.path).map_err(Error::file("read", &file.path))?;
            let content = self.stop.reading(BufReader::new(content));
            let added = packer.add(path, file.executable, file.size, content);
            added.map_err(|error| if self.stop.is_requested() { Error::Stopped } else { error })?;
            self.progress.advance(file.size);
        }
        packer.finish()
    }
}
