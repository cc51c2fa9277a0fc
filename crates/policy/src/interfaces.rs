//! Which addresses of a computer count, for selectors and for being reached as update agent (U4b).
//!
//! Containers and virtual machines give a computer addresses that exist on thousands of others too, and that nobody
//! else can reach. Their interfaces are known by their names. An interface with a default route is never one of them.

use std::fmt;
use std::net::IpAddr;

use crate::address::is_link_local;

/// A network interface, as the system shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// It is up and has a carrier.
    pub is_up: bool,
    /// It is the loopback interface.
    pub is_loopback: bool,
    /// A default route leads over it.
    pub has_default_route: bool,
}

/// Whether an address counts, and why or why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressVerdict {
    /// It counts.
    Counts,
    /// It counts because a default route leads over its interface.
    CountsByDefaultRoute,
    /// It counts because no other address does.
    CountsAsOnlyOne,
    /// Loopback.
    Loopback,
    /// Valid on its own link only, or no address at all.
    LinkLocal,
    /// The interface is down.
    Down,
    /// The interface is one of containers or virtual machines, by its name.
    Virtual,
}

impl AddressVerdict {
    /// Whether the address counts.
    pub fn counts(self) -> bool {
        matches!(self, Self::Counts | Self::CountsByDefaultRoute | Self::CountsAsOnlyOne)
    }
}

impl fmt::Display for AddressVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Counts => "counts",
            Self::CountsByDefaultRoute => "counts: a default route leads over the interface",
            Self::CountsAsOnlyOne => "counts, because no other address does",
            Self::Loopback => "ignored: loopback",
            Self::LinkLocal => "ignored: valid on its own link only",
            Self::Down => "ignored: the interface is down",
            Self::Virtual => "ignored: an interface of containers or virtual machines",
        })
    }
}

/// An address with its interface and its verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JudgedAddress {
    /// The interface's name.
    pub interface: String,
    /// The address.
    pub address: IpAddr,
    /// Whether it counts.
    pub verdict: AddressVerdict,
}

/// Decides which addresses count: those that do first, those of interfaces with a default route before others, each once.
pub fn judge_addresses(interfaces: &[Interface]) -> Vec<JudgedAddress> {
    let mut judged: Vec<JudgedAddress> = interfaces
        .iter()
        .flat_map(|interface| {
            interface.addresses.iter().map(|address| {
                let address = address.to_canonical();
                JudgedAddress {
                    interface: interface.name.clone(),
                    address,
                    verdict: judge(interface, address),
                }
            })
        })
        .collect();
    if !judged.iter().any(|judged| judged.verdict.counts()) {
        for judged in &mut judged {
            if matches!(judged.verdict, AddressVerdict::Down | AddressVerdict::Virtual) {
                judged.verdict = AddressVerdict::CountsAsOnlyOne;
            }
        }
    }
    let rank = |verdict: AddressVerdict| match verdict {
        AddressVerdict::CountsByDefaultRoute => 0,
        verdict if verdict.counts() => 1,
        _ => 2,
    };
    judged.sort_by(|a, b| {
        (rank(a.verdict), a.address, &a.interface).cmp(&(rank(b.verdict), b.address, &b.interface))
    });
    judged.dedup_by(|second, first| second.address == first.address);
    judged
}

fn judge(interface: &Interface, address: IpAddr) -> AddressVerdict {
    if interface.is_loopback || address.is_loopback() {
        return AddressVerdict::Loopback;
    }
    if address.is_unspecified() || is_link_local(address) {
        return AddressVerdict::LinkLocal;
    }
    if !interface.is_up {
        return AddressVerdict::Down;
    }
    if interface.has_default_route {
        return AddressVerdict::CountsByDefaultRoute;
    }
    if is_virtual(&interface.name) { AddressVerdict::Virtual } else { AddressVerdict::Counts }
}

/// Whether an interface is one of containers or virtual machines: `docker*`, `veth*`, `cni*`, `virbr*`, `br-<hex>`.
fn is_virtual(name: &str) -> bool {
    let prefixes = ["docker", "veth", "cni", "virbr"];
    let is_hex = |id: &str| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    prefixes.iter().any(|prefix| name.starts_with(prefix)) || name.strip_prefix("br-").is_some_and(is_hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `NAME ADDRESS [down] [loopback] [route]`, one interface a line.
    fn interfaces(text: &str) -> Vec<Interface> {
        let line = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            Interface {
                name: words[0].to_owned(),
                addresses: vec![words[1].parse().unwrap()],
                is_up: !words.contains(&"down"),
                is_loopback: words.contains(&"loopback"),
                has_default_route: words.contains(&"route"),
            }
        };
        text.lines().map(str::trim).filter(|it| !it.is_empty()).map(line).collect()
    }

    fn counting(text: &str) -> String {
        let judged = judge_addresses(&interfaces(text));
        let counts = judged.iter().filter(|it| it.verdict.counts()).map(|it| it.address.to_string());
        counts.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn addresses_of_containers_and_of_interfaces_that_are_down_do_not_count() {
        let all = "lo 127.0.0.1 loopback
            docker0 172.17.0.1
            br-0a1b2c3d4e5f 172.18.0.1
            veth12ab 169.254.1.1
            virbr0 192.168.122.1
            cni0 10.42.0.1
            eth1 10.9.0.1 down
            br-lan 10.2.0.1
            eth0 192.168.1.10 route";
        assert_eq!(counting(all), "192.168.1.10 10.2.0.1");
        let why = |address: &str| {
            let judged = judge_addresses(&interfaces(all));
            let address: IpAddr = address.parse().unwrap();
            judged.into_iter().find(|it| it.address == address).unwrap().verdict
        };
        assert_eq!(why("127.0.0.1"), AddressVerdict::Loopback);
        assert_eq!(why("169.254.1.1"), AddressVerdict::LinkLocal);
        assert_eq!(why("172.17.0.1"), AddressVerdict::Virtual);
        assert_eq!(why("10.9.0.1"), AddressVerdict::Down);
    }

    #[test]
    fn an_interface_with_a_default_route_counts_whatever_its_name() {
        assert_eq!(counting("virbr0 10.1.0.5 route\neth0 10.1.0.6"), "10.1.0.5 10.1.0.6");
        assert_eq!(counting("docker0 fd00::5 route\neth0 fe80::1"), "fd00::5");
    }

    #[test]
    fn if_none_remains_all_count_but_loopback() {
        let all = "lo 127.0.0.1 loopback\ndocker0 172.17.0.1\neth0 10.1.0.5 down";
        assert_eq!(counting(all), "10.1.0.5 172.17.0.1");
        assert_eq!(counting("lo ::1 loopback\neth0 fe80::1"), "");
    }

    #[test]
    fn an_address_on_two_interfaces_counts_once() {
        assert_eq!(counting("docker0 10.1.0.5\neth0 ::ffff:10.1.0.5"), "10.1.0.5");
    }
}
