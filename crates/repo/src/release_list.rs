//! A component's releases: which is current, which were withdrawn. Target `NAME/releases.json`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::error::ContentError;
use crate::layout;
use crate::limits::{FILE_SIZE_MAX, FILES_MAX, RELEASES_MAX};
use crate::manifest::{check_format, unparsable};
use crate::names::{ComponentName, Sequence, TargetName, VersionText};

/// The format that this program writes and the newest that it reads.
pub const FORMAT: u64 = 1;
const WHAT: &str = "release list";

/// The releases of one component that are still available, and which of them clients should have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseList {
    component: ComponentName,
    current: Sequence,
    withdrawn: Vec<Sequence>,
    releases: Vec<Release>,
}

/// One release, as the list describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Its number.
    pub sequence: Sequence,
    /// What people call it.
    pub version: VersionText,
    /// When it was published.
    pub published: Timestamp,
    /// Which content it is: [`Manifest::identity`](crate::Manifest::identity). The number alone orders releases.
    pub identity: Digest,
    /// Bytes of its files, unpacked.
    pub size: u64,
    /// How many files it has.
    pub files: u64,
}

/// What a client with some release installed should do. Each is an answer; none is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReleaseStep<'a> {
    /// The current release is installed.
    UpToDate,
    /// Install the current release: it is newer, or nothing is installed.
    Forward(&'a Release),
    /// Go back to the current release: what is installed was withdrawn, and that is signed (P11).
    RollBack(&'a Release),
    /// What is installed is newer than the current release and was not withdrawn: stay (P11).
    Ahead,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawList {
    format: u64,
    component: ComponentName,
    current: Sequence,
    withdrawn: Vec<Sequence>,
    releases: Vec<RawRelease>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRelease {
    sequence: Sequence,
    version: VersionText,
    published: Timestamp,
    manifest: String,
    identity: Digest,
    size: u64,
    files: u64,
}

impl ReleaseList {
    /// A list with one release, the current one.
    pub fn first(component: ComponentName, release: Release) -> Result<Self, ContentError> {
        let list =
            Self { component, current: release.sequence, withdrawn: Vec::new(), releases: vec![release] };
        list.check()?;
        Ok(list)
    }

    /// Reads a verified target.
    ///
    /// # Errors
    ///
    /// Anything that breaks a rule of these types or a limit; a later format.
    pub fn parse(bytes: &[u8]) -> Result<Self, ContentError> {
        check_format(WHAT, bytes, FORMAT)?;
        let raw: RawList = serde_json::from_slice(bytes).map_err(|error| unparsable(WHAT, &error))?;
        let RawList { format: _, component, current, withdrawn, releases } = raw;
        for release in &releases {
            let expected = layout::manifest(&component, release.sequence);
            if release.manifest != expected.as_str() {
                let reason = format!("release {}'s manifest is not {expected}", release.sequence);
                return Err(ContentError::Invalid { what: WHAT, reason });
            }
        }
        let releases = releases.into_iter().map(Release::from).collect();
        let list = Self { component, current, withdrawn, releases };
        list.check()?;
        Ok(list)
    }

    /// The target's content. Equal lists give equal bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let release = |release: &Release| RawRelease {
            sequence: release.sequence,
            version: release.version.clone(),
            published: release.published,
            manifest: layout::manifest(&self.component, release.sequence).to_string(),
            identity: release.identity,
            size: release.size,
            files: release.files,
        };
        let raw = RawList {
            format: FORMAT,
            component: self.component.clone(),
            current: self.current,
            withdrawn: self.withdrawn.clone(),
            releases: self.releases.iter().map(release).collect(),
        };
        serde_json::to_vec(&raw).expect("release lists are plain JSON")
    }

    /// Whose releases these are.
    pub fn component(&self) -> &ComponentName {
        &self.component
    }

    /// The release that clients should have.
    pub fn current(&self) -> &Release {
        self.release(self.current).expect("checked: the current release is in the list")
    }

    /// The newest release, withdrawn or not: the next one's sequence must be higher.
    pub fn newest(&self) -> &Release {
        self.releases.last().expect("checked: there is at least one release")
    }

    /// The newest release that was not withdrawn.
    fn newest_good(&self) -> Option<Sequence> {
        let good = |release: &&Release| !self.withdrawn.contains(&release.sequence);
        self.releases.iter().rfind(good).map(|release| release.sequence)
    }

    /// All releases, newest last.
    pub fn releases(&self) -> &[Release] {
        &self.releases
    }

    /// The releases that must not stay installed, in order.
    pub fn withdrawn(&self) -> &[Sequence] {
        &self.withdrawn
    }

    /// The release with that sequence.
    pub fn release(&self, sequence: Sequence) -> Option<&Release> {
        self.releases.iter().find(|release| release.sequence == sequence)
    }

    /// Whether the list has this content under this number (I2c).
    pub fn confirms(&self, sequence: Sequence, identity: &Digest) -> bool {
        self.release(sequence).is_some_and(|release| release.identity == *identity)
    }

    /// The releases beside the current one, the nearest first: distance counts releases, not numbers. Of two as near, the
    /// older: the newer one was withdrawn.
    pub fn nearest_first(&self) -> Vec<&Release> {
        let is_current = |release: &Release| release.sequence == self.current;
        let current =
            self.releases.iter().position(is_current).expect("checked: the current release is in it");
        let mut others: Vec<usize> = (0..self.releases.len()).filter(|at| *at != current).collect();
        others.sort_by_key(|at| (at.abs_diff(current), *at));
        others.into_iter().map(|at| &self.releases[at]).collect()
    }

    /// The target that describes a release of this list.
    pub fn manifest(&self, sequence: Sequence) -> TargetName {
        layout::manifest(&self.component, sequence)
    }

    /// What a client should do that has `installed`.
    pub fn step(&self, installed: Option<Sequence>) -> ReleaseStep<'_> {
        match installed {
            Some(installed) if installed == self.current => ReleaseStep::UpToDate,
            Some(installed) if installed > self.current => match self.withdrawn.contains(&installed) {
                true => ReleaseStep::RollBack(self.current()),
                false => ReleaseStep::Ahead,
            },
            Some(_) | None => ReleaseStep::Forward(self.current()),
        }
    }

    /// The list with `release` added as the current one, and the releases that fell off its end. A withdrawn release may
    /// have a higher sequence: a thief of keys gave it, and the list goes on below it.
    ///
    /// # Errors
    ///
    /// Its sequence is listed, or not higher than that of every release that was not withdrawn.
    pub fn with(&self, release: Release) -> Result<(Self, Vec<Release>), ContentError> {
        let got = release.sequence;
        let newest = self.newest_good().unwrap_or(self.current);
        if got <= newest || self.release(got).is_some() {
            return Err(invalid(format!(
                "release {got} cannot follow release {newest}: sequences must grow"
            )));
        }
        let mut next = self.clone();
        next.current = release.sequence;
        let at = next.releases.partition_point(|listed| listed.sequence < got);
        next.releases.insert(at, release);
        let dropped: Vec<_> =
            next.releases.drain(..next.releases.len().saturating_sub(RELEASES_MAX)).collect();
        let oldest = next.releases[0].sequence;
        next.withdrawn.retain(|sequence| *sequence >= oldest);
        next.check()?;
        Ok((next, dropped))
    }

    /// The list with `sequence` as the current release and every later one withdrawn (C5).
    ///
    /// # Errors
    ///
    /// `sequence` is not in the list, was itself withdrawn, or is not earlier than the current release.
    pub fn rolled_back(&self, sequence: Sequence) -> Result<Self, ContentError> {
        if self.release(sequence).is_none() {
            let kept: Vec<_> = self.releases.iter().map(|release| release.sequence.to_string()).collect();
            let reason =
                format!("there is no release {sequence} to go back to; there are {}", kept.join(", "));
            return Err(invalid(reason));
        }
        if sequence >= self.current {
            return Err(invalid(format!(
                "release {sequence} is not earlier than the current one, {}; to go forward, publish a new release",
                self.current
            )));
        }
        let mut next = self.clone();
        next.current = sequence;
        let later = self.releases.iter().map(|release| release.sequence).filter(|later| *later > sequence);
        next.withdrawn.extend(later);
        next.withdrawn.sort_unstable();
        next.withdrawn.dedup();
        next.check()?;
        Ok(next)
    }

    fn check(&self) -> Result<(), ContentError> {
        let reason = if self.releases.is_empty() || self.releases.len() > RELEASES_MAX {
            format!("it has {} releases; 1 to {RELEASES_MAX} are allowed", self.releases.len())
        } else if !self.releases.is_sorted_by(|a, b| a.sequence < b.sequence) {
            "its releases are not in order of sequence".to_owned()
        } else if self.release(self.current).is_none() {
            format!("its current release {} is not in it", self.current)
        } else if self.withdrawn.contains(&self.current) {
            format!("its current release {} was withdrawn", self.current)
        } else if !self.withdrawn.is_sorted_by(|a, b| a < b) {
            "its withdrawn releases are not in order of sequence".to_owned()
        } else if let Some(unknown) =
            self.withdrawn.iter().find(|sequence| self.release(**sequence).is_none())
        {
            format!("the withdrawn release {unknown} is not in it")
        } else if let Some(release) = self.releases.iter().find(|release| !release.is_possible()) {
            format!("release {} is larger than releases may be", release.sequence)
        } else {
            return Ok(());
        };
        Err(invalid(reason))
    }
}

impl Release {
    fn is_possible(&self) -> bool {
        self.files <= FILES_MAX as u64 && self.size <= self.files * FILE_SIZE_MAX
    }
}

impl From<RawRelease> for Release {
    fn from(raw: RawRelease) -> Self {
        let RawRelease { sequence, version, published, manifest: _, identity, size, files } = raw;
        Self { sequence, version, published, identity, size, files }
    }
}

fn invalid(reason: String) -> ContentError {
    ContentError::Invalid { what: WHAT, reason }
}
