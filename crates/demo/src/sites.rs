//! The sites of the demo: loopback addresses, update agents and clients. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use headwater_api::policy::{EntryDocument, SelectorDocument, SourceDocument};

/// Names of the first sites.
const NAMES: [&str; 6] = ["paris", "oslo", "lima", "osaka", "accra", "quito"];

/// An office with its own addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Its name, and that of its domain below the root.
    pub name: String,
    /// The addresses of its clients.
    pub selector: SelectorDocument,
    /// Its update agent; `None` if its entry names the vendor source.
    pub agent: Option<DemoClient>,
    /// Its other clients.
    pub clients: Vec<DemoClient>,
}

/// A client, with or without the role of an update agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoClient {
    /// Its id.
    pub id: String,
    /// Its domain.
    pub domain: String,
    /// Its addresses, the site's own first.
    pub addresses: Vec<IpAddr>,
}

impl Site {
    /// All clients there, the update agent first.
    pub fn all(&self) -> impl Iterator<Item = &DemoClient> {
        self.agent.iter().chain(&self.clients)
    }

    /// The site's line in the source list.
    pub fn entry(&self) -> EntryDocument {
        let source = match &self.agent {
            Some(agent) => SourceDocument::UpdateAgent(agent.id.clone()),
            None => SourceDocument::Vendor,
        };
        EntryDocument { clients: self.selector.clone(), source }
    }
}

/// One site for each update agent, 127.N.0.0/16, and one without: `::1`, or where there is no IPv6 one more
/// of 127.N.0.0/16. The clients are distributed in turn. Those at `::1` have an IPv4 address too, by which they
/// reach the server.
pub fn sites(clients: u32, update_agents: u32, ipv6: bool) -> Vec<Site> {
    let last = update_agents + 1;
    let mut sites: Vec<Site> =
        (1..=last).map(|number| site(number, number < last, ipv6 && number == last)).collect();
    let count = sites.len();
    for client in 0..clients as usize {
        let site = &mut sites[client % count];
        let place = site.clients.len() + 1;
        let own = ipv4(client % count + 1, 1 + place / 250, 1 + place % 250);
        let ipv6 = site.selector.ipv6.as_ref().map(|_| Ipv6Addr::LOCALHOST.into());
        let addresses = ipv6.into_iter().chain([own]).collect();
        let (id, domain) = (format!("{}-{place}", site.name), format!("root/{}", site.name));
        site.clients.push(DemoClient { id, domain, addresses });
    }
    sites
}

fn site(number: u32, has_agent: bool, ipv6: bool) -> Site {
    let index = number as usize;
    let name = match NAMES.get(index - 1) {
        _ if !has_agent => "remote".to_owned(),
        Some(name) => (*name).to_owned(),
        None => format!("site-{number}"),
    };
    let selector = if ipv6 {
        SelectorDocument { ipv4: None, ipv6: Some("::1/128".to_owned()) }
    } else {
        SelectorDocument { ipv4: Some(format!("127.{number}.0.0-127.{number}.255.255")), ipv6: None }
    };
    let agent = has_agent.then(|| DemoClient {
        id: format!("ua-{name}"),
        domain: format!("root/{name}"),
        addresses: vec![ipv4(index, 0, 5)],
    });
    Site { name, selector, agent, clients: Vec::new() }
}

fn ipv4(second: usize, third: usize, fourth: usize) -> IpAddr {
    let octet =
        |number: usize| u8::try_from(number).expect("the limits of a demo keep every octet below 256");
    Ipv4Addr::new(127, octet(second), octet(third), octet(fourth)).into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::sites;
    use crate::limits::{CLIENTS_MAX, UPDATE_AGENTS_MAX};

    fn check(clients: u32, update_agents: u32, ipv6: bool, expected: &[&str]) {
        let described: Vec<String> = sites(clients, update_agents, ipv6)
            .iter()
            .map(|site| {
                let members: Vec<String> = site
                    .all()
                    .map(|member| {
                        let addresses: Vec<String> =
                            member.addresses.iter().map(ToString::to_string).collect();
                        format!("{}@{}", member.id, addresses.join("+"))
                    })
                    .collect();
                format!("{}: {}", site.name, members.join(" "))
            })
            .collect();
        assert_eq!(described, expected);
    }

    #[test]
    fn clients_are_distributed_over_the_sites() {
        check(
            6,
            2,
            true,
            &[
                "paris: ua-paris@127.1.0.5 paris-1@127.1.1.2 paris-2@127.1.1.3",
                "oslo: ua-oslo@127.2.0.5 oslo-1@127.2.1.2 oslo-2@127.2.1.3",
                "remote: remote-1@::1+127.3.1.2 remote-2@::1+127.3.1.3",
            ],
        );
        check(1, 0, false, &["remote: remote-1@127.1.1.2"]);
        check(0, 1, false, &["paris: ua-paris@127.1.0.5", "remote: "]);
    }

    #[test]
    fn at_the_limits_every_client_has_its_own_id() {
        let sites = sites(CLIENTS_MAX, UPDATE_AGENTS_MAX, true);
        let ids: BTreeSet<&str> =
            sites.iter().flat_map(|site| site.all()).map(|member| member.id.as_str()).collect();
        assert_eq!(ids.len(), (CLIENTS_MAX + UPDATE_AGENTS_MAX) as usize);
    }
}
