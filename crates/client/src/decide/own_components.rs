//! The organisation's own components after the vendor source served the class (P4a): which of them no source gave, and
//! when that is a finding.
//!
//! The vendor source does not have them. Whether the other sources of the plan have something newer is known only if one
//! of them answers; until then a client goes by the last list of the organisation's that it verified, as long as that is
//! good, and by the content version that the server announced.

/// The last list of the organisation's components that this client verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LastList {
    /// Its metadata is whole and has not expired.
    pub is_good: bool,
    /// Its content version.
    pub version: u64,
    /// The content version that was applied in full.
    pub applied: u64,
    /// The content version that the server announced in this run; `None` if it did not answer.
    pub announced: Option<u64>,
}

impl LastList {
    /// Whether what it led to is the newest content that this client knows of.
    pub fn is_newest_known(&self) -> bool {
        self.is_good
            && self.version == self.applied
            && self.announced.is_none_or(|announced| announced <= self.version)
    }
}

/// What is known of one own component after a run in which no source of the organisation's completed the class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownOwn<'a> {
    /// The name.
    pub name: &'a str,
    /// A release of it is installed.
    pub is_installed: bool,
    /// The last list names it.
    pub is_listed: bool,
    /// A source of the organisation's brought it up to date before another name stopped the class.
    pub is_done: bool,
}

/// The own components that are not as they should be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Gaps<'a> {
    /// Nothing of them is installed.
    pub missing: Vec<&'a str>,
    /// Something is installed, and nothing good says that it is the newest.
    pub outdated: Vec<&'a str>,
}

impl Gaps<'_> {
    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.outdated.is_empty()
    }
}

/// Which own components are missing or outdated, as far as the last list tells.
pub fn gaps<'a>(known: &[KnownOwn<'a>], last: &LastList) -> Gaps<'a> {
    let mut gaps = Gaps::default();
    for own in known.iter().filter(|own| !own.is_done) {
        match own.is_installed {
            false => gaps.missing.push(own.name),
            true if last.is_newest_known() && own.is_listed => {}
            true => gaps.outdated.push(own.name),
        }
    }
    gaps
}

/// Whether a partial class is reported as a finding: once under each policy version, however many runs end so.
pub fn partial_is_a_finding(reported_under: Option<u64>, policy_version: u64) -> bool {
    reported_under != Some(policy_version)
}
