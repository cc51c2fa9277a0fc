//! The manifest of one release: its files, and what to do once they are in place. Target `NAME/SEQUENCE.json`.
//!
//! The Update Framework signs manifests; manifests pin blobs. So metadata stays small however many files there are.

use serde::{Deserialize, Serialize};

use crate::deltas::{self, Delta, Intermediate, intermediates_problem};
use crate::digest::Digest;
use crate::error::ContentError;
use crate::limits::{
    COMMAND_TIMEOUT_SECONDS_MAX, COMMAND_WORD_LENGTH_MAX, COMMAND_WORDS_MAX, DECODER_MEMORY_MAX,
    FILE_SIZE_MAX, FILES_MAX, TARGET_LENGTH_MAX,
};
use crate::names::{ComponentName, Sequence, VersionText};
use crate::paths::{FilePath, conflict};

/// The newest format that this program reads. Manifests with deltas are written in it.
pub const FORMAT: u64 = 2;
/// The format of manifests without deltas, as before there were any.
const FORMAT_PLAIN: u64 = 1;
const WHAT: &str = "release manifest";
/// Permission bits that a file of a release may have: no set-user-id, no set-group-id, no sticky bit.
const MODE_MAX: u32 = 0o777;

/// One release of a component or program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Whose release it is.
    pub component: ComponentName,
    /// Its number.
    pub sequence: Sequence,
    /// What people call it.
    pub version: VersionText,
    /// Its files, in order of path.
    pub files: Vec<FileEntry>,
    /// What installs it, if files in place are not enough (class `programs`).
    pub install: Option<Hook>,
    /// What judges it before it is kept.
    pub probe: Option<Hook>,
    /// Files of earlier releases that are steps on the way to these.
    pub intermediates: Vec<Intermediate>,
}

/// One file of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Where it stands in the release's folder.
    pub path: FilePath,
    /// Its Unix permission bits, at most `0o777`.
    pub mode: u32,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256.
    pub sha256: Digest,
    /// The blob from which it is made.
    pub body: Body,
    /// What else it can be made of; the one that most clients are expected to use first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deltas: Vec<Delta>,
}

/// A blob that holds one file, packed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Body {
    /// The blob's SHA-256, which is its name. Nothing is unpacked before this was checked.
    pub sha256: Digest,
    /// The blob's size in bytes.
    pub size: u64,
    /// How it is packed.
    pub format: BodyFormat,
    /// Bytes of memory that unpacking needs.
    pub memory: u64,
}

/// How a blob is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BodyFormat {
    /// One zstd frame.
    Zstd,
}

/// A command run in a release's verified folder; done well if it ends with 0 in time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hook {
    /// Program and arguments; no shell. A program with `/` in it is relative to the release's folder.
    pub command: Vec<String>,
    /// Seconds that it may take.
    pub timeout_seconds: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawManifest {
    format: u64,
    component: ComponentName,
    sequence: Sequence,
    version: VersionText,
    files: Vec<FileEntry>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    install: Option<Hook>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    probe: Option<Hook>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    intermediates: Vec<Intermediate>,
}

impl Manifest {
    /// Reads a verified target.
    ///
    /// # Errors
    ///
    /// Anything that breaks a rule of these types or a limit; a later format.
    pub fn parse(bytes: &[u8]) -> Result<Self, ContentError> {
        check_format(WHAT, bytes, FORMAT)?;
        let raw: RawManifest = serde_json::from_slice(bytes).map_err(|error| unparsable(WHAT, &error))?;
        let RawManifest { format, component, sequence, version, files, install, probe, intermediates } = raw;
        let manifest = Self { component, sequence, version, files, install, probe, intermediates };
        if format == FORMAT_PLAIN && manifest.has_deltas() {
            return Err(invalid(format!("format {FORMAT_PLAIN} has no deltas")));
        }
        manifest.check()?;
        Ok(manifest)
    }

    /// The target's content. Equal manifests give equal bytes.
    ///
    /// # Errors
    ///
    /// What [`Self::parse`] would refuse: a manifest that nobody could read is not published.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ContentError> {
        let mut sorted = self.clone();
        sorted.files.sort_by(|a, b| a.path.cmp(&b.path));
        sorted.check()?;
        let format = if sorted.has_deltas() { FORMAT } else { FORMAT_PLAIN };
        let Self { component, sequence, version, files, install, probe, intermediates } = sorted;
        let raw = RawManifest { format, component, sequence, version, files, install, probe, intermediates };
        let bytes = serde_json::to_vec(&raw).expect("manifests are plain JSON");
        if bytes.len() as u64 > TARGET_LENGTH_MAX {
            return Err(invalid(format!("it has {} bytes; {TARGET_LENGTH_MAX} are allowed", bytes.len())));
        }
        Ok(bytes)
    }

    /// Whether it names any delta.
    pub fn has_deltas(&self) -> bool {
        !self.intermediates.is_empty() || self.files.iter().any(|file| !file.deltas.is_empty())
    }

    /// The same release without deltas: what a client without any file of it needs to know.
    #[must_use]
    pub fn without_deltas(&self) -> Self {
        let mut plain = self.clone();
        plain.intermediates.clear();
        plain.files.iter_mut().for_each(|file| file.deltas.clear());
        plain
    }

    /// What the release is, however it is had: manifests that differ in their deltas or bodies only have the same.
    pub fn identity(&self) -> Digest {
        let mut bare = self.without_deltas();
        bare.files.sort_by(|a, b| a.path.cmp(&b.path));
        let Self { component, sequence, version, files, install, probe, intermediates: _ } = &bare;
        let files: Vec<_> =
            files.iter().map(|file| (&file.path, file.mode, file.size, file.sha256)).collect();
        let content = (component, sequence, version, files, install, probe);
        Digest::of(&serde_json::to_vec(&content).expect("manifests are plain JSON"))
    }

    /// Every blob of a delta that it names, with the size; the ones that most clients are expected to use first.
    pub fn deltas(&self) -> impl Iterator<Item = &Delta> {
        let direct = self.files.iter().flat_map(|file| &file.deltas);
        direct.chain(self.intermediates.iter().flat_map(|file| &file.deltas))
    }

    /// Bytes of all files, unpacked.
    pub fn size(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }

    /// Why a command of this release could be started on no client: its program is named as one of the release's
    /// files, and is none or is not executable. What an install command may have made by then is not looked for.
    pub fn unstartable(&self) -> Option<String> {
        let probe = self.probe.as_ref().filter(|_| self.install.is_none());
        [("install", self.install.as_ref()), ("probe", probe)].into_iter().find_map(|(name, hook)| {
            let program = hook?.command.first()?;
            if !program.contains('/') || program.starts_with('/') {
                return None;
            }
            let parts: Vec<&str> = program.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
            let path = parts.join("/");
            let why = match self.files.iter().find(|file| file.path.as_str() == path) {
                None => "is none of the release's files",
                Some(file) if file.mode & 0o111 == 0 => "is not executable in the release",
                Some(_) => return None,
            };
            Some(format!("{name}: its program {program} {why}, so it could be started nowhere"))
        })
    }

    fn check(&self) -> Result<(), ContentError> {
        if self.files.len() > FILES_MAX {
            return Err(invalid(format!("it has {} files; {FILES_MAX} are allowed", self.files.len())));
        }
        if let Some(reason) = conflict(self.files.iter().map(|file| &file.path)) {
            return Err(invalid(reason));
        }
        self.files.iter().try_for_each(FileEntry::check)?;
        if let Some(reason) = intermediates_problem(&self.intermediates) {
            return Err(invalid(reason));
        }
        for (name, hook) in [("install", &self.install), ("probe", &self.probe)] {
            if let Some(hook) = hook {
                hook.check(name)?;
            }
        }
        Ok(())
    }
}

impl FileEntry {
    fn check(&self) -> Result<(), ContentError> {
        let reason = if self.mode > MODE_MAX {
            format!("its mode is {:o} (octal), which is more than permission bits", self.mode)
        } else if self.size > FILE_SIZE_MAX || self.body.size > FILE_SIZE_MAX {
            format!("it or its body is larger than {FILE_SIZE_MAX} bytes")
        } else if self.body.memory > DECODER_MEMORY_MAX {
            let memory = self.body.memory;
            format!("unpacking it takes {memory} bytes of memory; {DECODER_MEMORY_MAX} are allowed")
        } else if let Some(reason) = deltas::problem(&self.sha256, &self.deltas) {
            reason
        } else {
            return Ok(());
        };
        Err(invalid(format!("file {:?}: {reason}", self.path.as_str())))
    }
}

impl Hook {
    fn check(&self, name: &str) -> Result<(), ContentError> {
        let Self { command, timeout_seconds } = self;
        let reason = if command.first().is_none_or(String::is_empty) {
            "it names no program".to_owned()
        } else if command.len() > COMMAND_WORDS_MAX {
            format!("it has {} words; {COMMAND_WORDS_MAX} are allowed", command.len())
        } else if command.iter().any(|word| word.len() > COMMAND_WORD_LENGTH_MAX) {
            format!("one of its words is longer than {COMMAND_WORD_LENGTH_MAX} bytes")
        } else if command.iter().any(|word| word.contains('\0')) {
            "one of its words holds a NUL character".to_owned()
        } else if *timeout_seconds == 0 || *timeout_seconds > COMMAND_TIMEOUT_SECONDS_MAX {
            format!("its time limit is {timeout_seconds} s; 1 to {COMMAND_TIMEOUT_SECONDS_MAX} are allowed")
        } else if command[0].split('/').any(|part| part == "..") {
            "its program is outside the release's folder".to_owned()
        } else {
            return Ok(());
        };
        Err(invalid(format!("{name} command: {reason}")))
    }
}

/// Looks at the format before anything else, so that a later one is named and not called broken.
pub(crate) fn check_format(what: &'static str, bytes: &[u8], known: u64) -> Result<(), ContentError> {
    #[derive(Deserialize)]
    struct Format {
        format: u64,
    }
    if bytes.len() as u64 > TARGET_LENGTH_MAX {
        let reason = format!("it has {} bytes; {TARGET_LENGTH_MAX} are allowed", bytes.len());
        return Err(ContentError::Invalid { what, reason });
    }
    let Format { format: got } = serde_json::from_slice(bytes).map_err(|error| unparsable(what, &error))?;
    if got == 0 || got > known {
        return Err(ContentError::UnknownFormat { what, got, known });
    }
    Ok(())
}

pub(crate) fn unparsable(what: &'static str, error: &serde_json::Error) -> ContentError {
    ContentError::Unparsable { what, reason: error.to_string() }
}

fn invalid(reason: String) -> ContentError {
    ContentError::Invalid { what: WHAT, reason }
}
