//! What a client remembers between runs: `state.json`, versioned, replaced atomically.
//!
//! What is installed is *not* here: the `current` links state it, so that no crash between a link and this file can
//! make the two differ.

use std::collections::{BTreeMap, BTreeSet};

use headwater_api::enrol::TakenSequences;
use headwater_api::report::Report;
use headwater_api::settings::{SignedPolicy, TypedSettingsDocument};
use headwater_depot::files::{self, FileAccess};
use headwater_policy::{Class, FormerSource};
use headwater_repo::{Digest, Evidence, FirstSeen, Sequence};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::data::folder::DataFolder;
use crate::error::Error;
use crate::limits::{FAILED_REMEMBERED_MAX, STATE_BYTES_MAX};
use crate::os;

/// The current format of [`State`].
const FORMAT: u32 = 1;

/// What is remembered between runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// The format of the file.
    pub format: u32,
    /// Number of the last run.
    pub run: u64,
    /// The domain that the server last stated; `None` if only the bundle states one.
    #[serde(default)]
    pub domain: Option<String>,
    /// The last signed policy (P1); `None` if there is only the bundle's.
    #[serde(default)]
    pub policy: Option<SignedPolicy>,
    /// The digest of the last signed `policy.json`, so that an unchanged one is not fetched again (P10).
    #[serde(default)]
    pub policy_digest: Option<Digest>,
    /// What vouches for the policy: its version is a minimum as long as this holds (I2a).
    #[serde(default)]
    pub policy_evidence: Option<Evidence>,
    /// The last signed settings of this client's domain (D2); `None` if the built-in defaults apply.
    #[serde(default)]
    pub settings: Option<TypedSettingsDocument>,
    /// The digest of their target, so that unchanged ones are not fetched again (P10).
    #[serde(default)]
    pub settings_digest: Option<Digest>,
    /// What vouches for them: their version is a minimum as long as this holds (I2a).
    #[serde(default)]
    pub settings_evidence: Option<Evidence>,
    /// The policy version under which a partial class was last reported as a finding (P4a).
    #[serde(default)]
    pub partial_reported: Option<u64>,
    /// The sources of the last plan of which one gave the policy (P5a).
    #[serde(default)]
    pub policy_sources: Vec<RememberedSource>,
    /// Releases that failed here, by class and name.
    #[serde(default)]
    pub failed: BTreeMap<String, BTreeMap<String, Vec<FailedRelease>>>,
    /// Releases that the organisation withdrew, by class and name, from its last known lists.
    #[serde(default)]
    pub withdrawn: BTreeMap<String, BTreeMap<String, BTreeSet<Sequence>>>,
    /// The current release of the list that first did not confirm an installed release, by class and name: what is
    /// published after it is newer, whatever number the installed one has.
    #[serde(default)]
    pub kept_instead_of: BTreeMap<String, BTreeMap<String, Sequence>>,
    /// When each repository's sources were last asked for newer roots.
    #[serde(default)]
    pub roots_asked: BTreeMap<String, RootsAsked>,
    /// When the present version of each role was first seen, by repository.
    #[serde(default)]
    pub first_seen: BTreeMap<String, FirstSeen>,
    /// Content version of each repository (`policy`, a class, or `vendor`) that was applied in full.
    #[serde(default)]
    pub versions: BTreeMap<String, u64>,
    /// What is remembered of sources, in the form of `headwater_depot::SourceMemory`.
    #[serde(default)]
    pub sources: serde_json::Value,
    /// Consecutive failed check-ins.
    #[serde(default)]
    pub check_in_failures: u32,
    /// No check-in before this time.
    #[serde(default)]
    pub check_in_not_before: Option<Timestamp>,
    /// No check-in through update agents before this time.
    #[serde(default)]
    pub carried_not_before: Option<Timestamp>,
    /// Why the server refused this client at the last check-in; `None` if it did not.
    #[serde(default)]
    pub refused: Option<String>,
    /// Number of the newest check-in.
    #[serde(default)]
    pub check_in_number: u64,
    /// Number of the newest renewal.
    #[serde(default)]
    pub renewal_number: u64,
    /// When a renewal last failed.
    #[serde(default)]
    pub renewal_tried: Option<Timestamp>,
    /// The last run.
    #[serde(default)]
    pub last_run: Option<Report>,
}

/// A source of the policy, as it stands in the state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RememberedSource {
    /// As in a plan: `update_agent:ID`, `url:…`, `server`.
    pub source: String,
    /// Where this client reached it.
    pub url: String,
}

/// The part that every format of the state has.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

/// When the sources of a repository were asked for newer roots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootsAsked {
    /// The time.
    pub at: Timestamp,
    /// Every one of them answered.
    pub all_answered: bool,
}

/// A release that failed here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedRelease {
    /// Its sequence.
    pub sequence: Sequence,
    /// Which release of that sequence: the identity of its manifest, or the digest of its document.
    pub manifest: Digest,
    /// Why it failed.
    pub why: String,
    /// When.
    pub at: Timestamp,
}

impl Default for State {
    fn default() -> Self {
        Self {
            format: FORMAT,
            run: 0,
            domain: None,
            policy: None,
            policy_digest: None,
            policy_evidence: None,
            settings: None,
            settings_digest: None,
            settings_evidence: None,
            partial_reported: None,
            policy_sources: Vec::new(),
            failed: BTreeMap::new(),
            withdrawn: BTreeMap::new(),
            kept_instead_of: BTreeMap::new(),
            roots_asked: BTreeMap::new(),
            first_seen: BTreeMap::new(),
            versions: BTreeMap::new(),
            sources: serde_json::Value::Null,
            check_in_failures: 0,
            check_in_not_before: None,
            carried_not_before: None,
            refused: None,
            check_in_number: 0,
            renewal_number: 0,
            renewal_tried: None,
            last_run: None,
        }
    }
}

impl State {
    /// Reads the state. A client without one starts with the empty state.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is damaged, or is of a newer format than this program knows.
    pub fn load(folder: &DataFolder) -> Result<Self, Error> {
        let path = folder.state();
        let bytes = match os::read_bounded(&path, STATE_BYTES_MAX) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok(Self::default()),
            Err(error) if error.kind() == std::io::ErrorKind::FileTooLarge => {
                return Err(Error::Damaged { path, problem: error.to_string() });
            }
            Err(error) => return Err(Error::file("reading the state", &path)(error)),
        };
        let malformed = |problem: String| Error::Malformed { path: path.clone(), problem };
        let damaged =
            |error: serde_json::Error| Error::Damaged { path: path.clone(), problem: error.to_string() };
        let Format { format } = serde_json::from_slice(&bytes).map_err(damaged)?;
        if format > FORMAT {
            return Err(malformed(format!(
                "it is of format {format}, this program knows up to {FORMAT}; use the newer headwater-client"
            )));
        }
        serde_json::from_slice(&bytes).map_err(damaged)
    }

    /// As [`State::load`], but moves a damaged file aside and starts with an empty state: installed releases and
    /// verified metadata are stored elsewhere. Also returns a warning in that case.
    ///
    /// # Errors
    ///
    /// The file cannot be read or moved aside, or is of a newer format than this program knows.
    pub fn load_or_reset(folder: &DataFolder) -> Result<(Self, Option<String>), Error> {
        let path = folder.state();
        match Self::load(folder) {
            Ok(state) => Ok((state, None)),
            Err(Error::Damaged { problem, .. }) => {
                let aside = path.with_extension("json.damaged");
                std::fs::rename(&path, &aside).map_err(Error::file("moving aside", &path))?;
                let warning = format!(
                    "state.json was damaged ({problem}); the client starts with an empty state. The damaged file is {}",
                    aside.display()
                );
                tracing::warn!("{warning}");
                Ok((Self::default(), Some(warning)))
            }
            Err(error) => Err(error),
        }
    }

    /// Writes the state, whole or not at all.
    ///
    /// # Errors
    ///
    /// The disk is full or refuses.
    pub fn save(&self, folder: &DataFolder) -> Result<(), Error> {
        let path = folder.state();
        let bytes = serde_json::to_vec_pretty(self)
            .map_err(|error| Error::Internal(format!("the state cannot be written as JSON: {error}")))?;
        files::replace(&path, &bytes, FileAccess::Owner).map_err(Error::file("writing the state", &path))
    }

    /// The remembered sources of the policy. What cannot be read is left out.
    pub(crate) fn former_sources(&self) -> Vec<FormerSource> {
        let read = |remembered: &RememberedSource| {
            let (source, url) = (remembered.source.parse().ok()?, remembered.url.parse().ok()?);
            Some(FormerSource { source, url })
        };
        self.policy_sources.iter().filter_map(read).collect()
    }

    /// Remembers the sources of the policy.
    pub(crate) fn remember_policy_sources(&mut self, sources: &[FormerSource]) {
        let remember = |former: &FormerSource| RememberedSource {
            source: former.source.to_string(),
            url: former.url.to_string(),
        };
        self.policy_sources = sources.iter().map(remember).collect();
    }

    /// Whether the organisation withdrew a release, as far as its last known list says.
    pub fn was_withdrawn(&self, class: Class, name: &str, sequence: Sequence) -> bool {
        self.withdrawn_of(class, name).is_some_and(|withdrawn| withdrawn.contains(&sequence))
    }

    /// The releases of a name that the organisation withdrew; `None` if no list of its is known.
    pub fn withdrawn_of(&self, class: Class, name: &str) -> Option<&BTreeSet<Sequence>> {
        self.withdrawn.get(class.as_str())?.get(name)
    }

    /// Records which releases of a name the organisation withdrew.
    pub fn note_withdrawn(&mut self, class: Class, name: &str, withdrawn: BTreeSet<Sequence>) {
        self.withdrawn.entry(class.to_string()).or_default().insert(name.to_owned(), withdrawn);
    }

    /// What was offered when an installed release was first found without confirmation.
    pub fn kept_instead_of(&self, class: Class, name: &str) -> Option<Sequence> {
        self.kept_instead_of.get(class.as_str())?.get(name).copied()
    }

    /// Records what was offered when an installed release was first found without confirmation, or that it is over.
    pub(crate) fn note_kept(&mut self, class: Class, name: &str, instead_of: Option<Sequence>) {
        let names = self.kept_instead_of.entry(class.to_string()).or_default();
        match instead_of {
            Some(offered) => drop(names.entry(name.to_owned()).or_insert(offered)),
            None => drop(names.remove(name)),
        }
    }

    /// The number of the next check-in. Numbers also rise with the clock, so that a client that lost its state does
    /// not use numbers again that the server has seen.
    pub(crate) fn next_check_in(&mut self, now: Timestamp) -> u64 {
        self.check_in_number = number_after(self.check_in_number, now);
        self.check_in_number
    }

    /// The number of the next renewal; rises in the same way.
    pub(crate) fn next_renewal(&mut self, now: Timestamp) -> u64 {
        self.renewal_number = number_after(self.renewal_number, now);
        self.renewal_number
    }

    /// Continues after the numbers that the server has taken of this client. Returns whether that changes anything.
    pub(crate) fn continue_after(&mut self, taken: &TakenSequences) -> bool {
        let before = (self.check_in_number, self.renewal_number);
        self.check_in_number = self.check_in_number.max(taken.check_in);
        self.renewal_number = self.renewal_number.max(taken.renewal);
        before != (self.check_in_number, self.renewal_number)
    }

    /// Ends every pause between check-ins: the next one tries every route.
    pub(crate) fn reset_check_in_pauses(&mut self) {
        (self.check_in_failures, self.check_in_not_before, self.carried_not_before) = (0, None, None);
    }

    /// Why a release failed here; `None` if it did not.
    pub fn failed_why(
        &self,
        class: Class,
        name: &str,
        sequence: Sequence,
        manifest: &Digest,
    ) -> Option<&str> {
        let failed = self.failed.get(&class.to_string())?.get(name)?;
        let found =
            failed.iter().find(|failed| failed.sequence == sequence && failed.manifest == *manifest)?;
        Some(&found.why)
    }

    /// Records that a release failed here. At the limit the oldest record gives way.
    pub fn remember_failed(&mut self, class: Class, name: &str, failed: FailedRelease) {
        let all = self.failed.entry(class.to_string()).or_default().entry(name.to_owned()).or_default();
        all.retain(|other| other.sequence != failed.sequence);
        all.push(failed);
        let excess = all.len().saturating_sub(FAILED_REMEMBERED_MAX);
        all.drain(..excess);
    }

    /// Forgets the failed releases of a name up to `sequence`: a release at least as new was kept.
    pub fn forget_failed(&mut self, class: Class, name: &str, sequence: Sequence) {
        if let Some(names) = self.failed.get_mut(&class.to_string())
            && let Some(all) = names.get_mut(name)
        {
            all.retain(|failed| failed.sequence > sequence);
            if all.is_empty() {
                names.remove(name);
            }
        }
    }

    /// The releases that failed here, as sentences.
    pub fn failed_sentences(&self) -> Vec<String> {
        let mut sentences = Vec::new();
        for (class, names) in &self.failed {
            for (name, all) in names {
                for FailedRelease { sequence, why, at, .. } in all {
                    sentences.push(format!("{class}: {name} release {sequence} failed at {at}: {why}"));
                }
            }
        }
        sentences
    }
}

fn number_after(last: u64, now: Timestamp) -> u64 {
    last.saturating_add(1).max(u64::try_from(now.as_millisecond()).unwrap_or(0))
}
