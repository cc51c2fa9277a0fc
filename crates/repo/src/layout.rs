//! Where files are under `{base}/{class}/`, the same at every source: relative paths with `/`, not yet
//! percent-encoded (see [`url_path`]).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::digest::Digest;
use crate::names::{ComponentName, Role, Sequence, TargetName};

/// The only file whose content changes under its name.
pub const TIMESTAMP: &str = "metadata/timestamp.json";
/// The folder of metadata.
pub const METADATA_FOLDER: &str = "metadata";
/// The folder of targets.
pub const TARGETS_FOLDER: &str = "targets";
/// The folder of blobs.
pub const BLOBS_FOLDER: &str = "blobs";

/// `metadata/N.ROLE.json`, or `metadata/timestamp.json`, which has no number.
pub fn metadata(role: Role, version: u64) -> String {
    format!("{METADATA_FOLDER}/{}", metadata_file(role, version))
}

/// The file's name inside the folder of metadata: `N.ROLE.json`, or `timestamp.json`.
pub(crate) fn metadata_file(role: Role, version: u64) -> String {
    match role {
        Role::Timestamp => "timestamp.json".to_owned(),
        Role::Root | Role::Snapshot | Role::Targets => format!("{version}.{role}.json"),
    }
}

/// `targets/dir/SHA256.name`: with consistent snapshots the digest stands before the last part only.
pub fn target(name: &TargetName, digest: &Digest) -> String {
    format!("{TARGETS_FOLDER}/{}", target_file(name.as_str(), &digest.to_string()))
}

/// A target's path inside the folder of targets: `dir/HASH.name`.
pub(crate) fn target_file(name: &str, hash: &str) -> String {
    match name.rsplit_once('/') {
        Some((folder, last)) => format!("{folder}/{hash}.{last}"),
        None => format!("{hash}.{name}"),
    }
}

/// `blobs/aa/SHA256`, where `aa` is the digest's first two digits.
pub fn blob(digest: &Digest) -> String {
    let digest = digest.to_string();
    format!("{BLOBS_FOLDER}/{}/{digest}", &digest[..2])
}

/// The target that lists a component's releases: `NAME/releases.json`.
pub fn release_list(component: &ComponentName) -> TargetName {
    TargetName::new(format!("{component}/releases.json")).expect("component names are target name parts")
}

/// The target that describes one release: `NAME/SEQUENCE.json`.
pub fn manifest(component: &ComponentName, sequence: Sequence) -> TargetName {
    TargetName::new(format!("{component}/{sequence}.json")).expect("component names are target name parts")
}

/// The target that stays of a component that was removed: `NAME/removed.json`.
pub fn tombstone(component: &ComponentName) -> TargetName {
    TargetName::new(format!("{component}/removed.json")).expect("component names are target name parts")
}

/// The component whose release list has this name, if it is one.
pub fn component_of_release_list(name: &TargetName) -> Option<ComponentName> {
    name.as_str().strip_suffix("/releases.json").and_then(|component| ComponentName::new(component).ok())
}

/// Whether a target is the tombstone of a component.
pub fn is_tombstone(name: &TargetName) -> bool {
    name.as_str().strip_suffix("/removed.json").is_some_and(|component| ComponentName::new(component).is_ok())
}

/// Every byte but RFC 3986's unreserved ones.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The same, with `/` between the parts of a path.
const PATH: &AsciiSet = &SEGMENT.remove(b'/');

/// A path as it stands in a URL: every byte but RFC 3986's unreserved ones and `/` percent-encoded.
pub fn url_path(path: &str) -> String {
    utf8_percent_encode(path, PATH).to_string()
}

/// A delegated role's name as one part of a path, percent-encoded, `/` too: `N.STEM.json` is its file at the source. The
/// name may be any text.
pub fn role_file_stem(role: &str) -> String {
    utf8_percent_encode(role, SEGMENT).to_string()
}
