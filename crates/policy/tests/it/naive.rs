//! The plan once more, written from the rules without regard to speed, to compare with.

use std::collections::BTreeMap;
use std::net::IpAddr;

use headwater_policy::{
    Class, Client, Entry, EntrySource, Family, Mode, Policy, Selector, SourceUrl, UpdateAgent, VendorFallback,
};

/// (source, URL, entry) of each step, and (entry, reason) of each entry passed over.
pub type Outcome = (Vec<(String, String, Option<u32>)>, Vec<(u32, &'static str)>);

fn selects(selector: &Selector, addresses: &[IpAddr]) -> bool {
    addresses.iter().any(|address| match address {
        IpAddr::V4(v4) => selector.ipv4().is_some_and(|range| range.first() <= *v4 && *v4 <= range.last()),
        IpAddr::V6(v6) => selector.ipv6().is_some_and(|prefix| {
            let length = u32::from(prefix.length());
            length == 0 || (v6.to_bits() ^ prefix.address().to_bits()) >> (128 - length) == 0
        }),
    })
}

fn is_agent(policy: &Policy, id: &str) -> bool {
    policy.update_agents().iter().any(|agent| agent.id().as_str() == id && !agent.classes().is_empty())
}

/// Entries (from 0) that `who` must pass over lest a circle closes: edges by entry, then by id (P6).
fn loops(policy: &Policy, who: &Client) -> Vec<usize> {
    let agents: BTreeMap<&str, &UpdateAgent> =
        policy.update_agents().iter().map(|agent| (agent.id().as_str(), agent)).collect();
    let mut edges: Vec<(&str, &str)> = Vec::new();
    let mut own = Vec::new();
    for (place, entry) in policy.entries().as_slice().iter().enumerate() {
        let EntrySource::UpdateAgent(to) = &entry.source else { continue };
        for (from, agent) in &agents {
            let same = *from == who.id().as_str();
            let addresses = if same { who.addresses() } else { agent.addresses() };
            if agent.classes().is_empty() || !selects(&entry.selector, addresses) {
                continue;
            }
            if reaches(&edges, to.as_str(), from) {
                if same {
                    own.push(place);
                }
            } else {
                edges.push((from, to.as_str()));
            }
        }
    }
    own
}

fn reaches<'a>(edges: &[(&'a str, &'a str)], from: &'a str, to: &str) -> bool {
    let mut seen = vec![from];
    let mut next = 0;
    while next < seen.len() {
        let at = seen[next];
        next += 1;
        if at == to {
            return true;
        }
        for (_, end) in edges.iter().filter(|(start, _)| *start == at) {
            if !seen.contains(end) {
                seen.push(end);
            }
        }
    }
    false
}

fn meets(url: &SourceUrl, client: &Client) -> bool {
    url.literal_family()
        .is_none_or(|family| client.addresses().iter().any(|address| Family::of(*address) == family))
}

/// Where `client`, which an entry selects, reaches the update agent.
fn agent_url(agent: &UpdateAgent, client: &Client, selector: &Selector) -> Option<String> {
    let by: Vec<Family> = client
        .addresses()
        .iter()
        .filter(|address| selects(selector, &[**address]))
        .map(|address| Family::of(*address))
        .collect();
    let has: Vec<Family> = client.addresses().iter().map(|address| Family::of(*address)).collect();
    let first = |families: &[Family]| {
        let has = |at: &&IpAddr| families.contains(&Family::of(**at));
        let inside = agent.addresses().iter().find(|at| has(at) && selects(selector, &[**at]));
        inside.or_else(|| agent.addresses().iter().find(has))
    };
    let address = first(&by).or_else(|| first(&has))?;
    let host = if address.is_ipv6() { format!("[{address}]") } else { address.to_string() };
    let scheme = agent.scheme().as_str();
    let default = (scheme == "http" && agent.port() == 80) || (scheme == "https" && agent.port() == 443);
    Some(if default { format!("{scheme}://{host}") } else { format!("{scheme}://{host}:{}", agent.port()) })
}

/// The plan by the rules.
pub fn plan(policy: &Policy, client: &Client, class: Class) -> Outcome {
    let (mut steps, mut skipped): Outcome = (Vec::new(), Vec::new());
    let agent = is_agent(policy, client.id().as_str());
    let options = policy.options();
    let by_list = policy.mode() == Mode::Customized && !(agent && options.update_agents_from_server_only);
    let entries = policy.entries().as_slice();
    let loops = if agent { loops(policy, client) } else { Vec::new() };
    for (place, entry) in entries.iter().enumerate().filter(|_| by_list) {
        let number = place as u32 + 1;
        let (key, gives, url) = named(policy, client, entry, class);
        let own = matches!(&entry.source, EntrySource::UpdateAgent(id) if id == client.id()) && agent;
        let reason = if !selects(&entry.selector, client.addresses()) {
            Some("selector")
        } else if !gives {
            Some("class")
        } else if url.is_none() {
            Some("family")
        } else if own {
            Some("self")
        } else if loops.contains(&place) {
            Some("loop")
        } else if steps.iter().any(|(other, _, _)| *other == key) {
            Some("repeat")
        } else {
            None
        };
        match (reason, url) {
            (None, Some(url)) => steps.push((key, url, Some(number))),
            (reason, _) => skipped.push((number, reason.unwrap())),
        }
    }
    let mut fall_back = |key: &str, url: &SourceUrl| {
        if meets(url, client) && !steps.iter().any(|(other, _, _)| other == key) {
            steps.push((key.to_owned(), url.to_string(), None));
        }
    };
    if !by_list || options.server_fallback.is_on(class) {
        fall_back("server", policy.server());
    }
    if let Some(vendor) =
        policy.vendor().filter(|_| class == Class::Components && vendor_last(policy, client, by_list, agent))
    {
        fall_back("vendor", vendor);
    }
    (steps, skipped)
}

/// What the entry names: its key, whether that gives the class, and where the client reaches it.
fn named(policy: &Policy, client: &Client, entry: &Entry, class: Class) -> (String, bool, Option<String>) {
    if names_vendor(policy, &entry.source) {
        let vendor = policy.vendor();
        let url = vendor.filter(|vendor| meets(vendor, client)).map(ToString::to_string);
        return ("vendor".to_owned(), vendor.is_some() && class == Class::Components, url);
    }
    match &entry.source {
        EntrySource::UpdateAgent(id) => {
            let to = policy.update_agents().iter().find(|agent| agent.id() == id).unwrap();
            let url = agent_url(to, client, &entry.selector);
            (format!("update_agent:{id}"), to.classes().contains(class), url)
        }
        EntrySource::Url { url, classes } => {
            let server = url == policy.server();
            let key = if server { "server".to_owned() } else { format!("url:{url}") };
            (key, server || classes.contains(class), meets(url, client).then(|| url.to_string()))
        }
        EntrySource::Vendor => unreachable!(),
    }
}

fn names_vendor(policy: &Policy, source: &EntrySource) -> bool {
    match source {
        EntrySource::Vendor => true,
        EntrySource::Url { url, .. } => Some(url) == policy.vendor() && url != policy.server(),
        EntrySource::UpdateAgent(_) => false,
    }
}

/// P5: does the vendor source come last?
fn vendor_last(policy: &Policy, client: &Client, by_list: bool, agent: bool) -> bool {
    let options = policy.options();
    let entries = policy.entries().as_slice();
    let allowed = client.download_from_vendor();
    let listed = entries.iter().any(|entry| names_vendor(policy, &entry.source));
    let first = entries.first().is_some_and(|entry| names_vendor(policy, &entry.source));
    match (options.vendor_fallback, by_list, agent, options.server_fallback.is_on(Class::Components)) {
        (VendorFallback::Never, ..) => false,
        (VendorFallback::PrivilegeOnly, ..) | (_, true, _, true) | (_, false, false, _) => allowed,
        (VendorFallback::Documented, false, true, _) => allowed || first,
        (VendorFallback::Documented, true, _, false) => allowed || !listed,
    }
}
