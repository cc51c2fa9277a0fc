//! Sources that give signed content to everyone: a client whose key was revoked goes on reading there what is not sealed.

use std::net::IpAddr;

use crate::plan::SourceKey;
use crate::planner::Planner;
use crate::policy::Policy;
use crate::source_url::SourceUrl;

/// A URL of the source list that is neither the server nor the vendor source: nobody there knows certificates of the fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenSource {
    /// Where it is.
    pub url: SourceUrl,
    /// The entries that name it, from 1.
    pub entries: Vec<u32>,
    /// One of them selects the client.
    pub is_selected: bool,
}

/// The open sources of a list, in its order, for a client at these addresses.
pub fn open_sources(policy: &Policy, addresses: &[IpAddr]) -> Vec<OpenSource> {
    let addresses: Vec<IpAddr> = addresses.iter().map(IpAddr::to_canonical).collect();
    let matches = Planner::new(policy).matches(&addresses);
    let mut found: Vec<OpenSource> = Vec::new();
    for (number, entry) in policy.entries().numbered() {
        let SourceKey::Url(url) = policy.source_key(&entry.source) else { continue };
        let is_selected = matches.iter().any(|found| crate::draft::number_of(found.place) == number);
        match found.iter_mut().find(|open| open.url == url) {
            Some(open) => {
                open.entries.push(number);
                open.is_selected |= is_selected;
            }
            None => found.push(OpenSource { url, entries: vec![number], is_selected }),
        }
    }
    found
}
