//! Small worlds by chance: few addresses, few sources, so that everything meets everything.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use headwater_policy::{
    Class, ClassSet, Client, Entry, EntrySource, Ipv4Range, Ipv6Prefix, Mode, Occasion, Options,
    OwnComponents, Policy, PolicyDraft, Scheme, Selector, ServerFallback, SourceList, SourceUrl, UpdateAgent,
    UpdateAgents, VendorFallback, check_source,
};
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::{collection, option, sample};

const V6: u128 = 0x2001_0db8_0000_0000_0000_0000_0000_0000;

fn v4() -> impl Strategy<Value = Ipv4Addr> {
    (0_u8..12).prop_map(|last| Ipv4Addr::new(10, 0, 0, last))
}

fn v6() -> impl Strategy<Value = Ipv6Addr> {
    (0_u128..12).prop_map(|last| Ipv6Addr::from_bits(V6 | last))
}

pub fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        4 => v4().prop_map(IpAddr::V4),
        4 => v6().prop_map(IpAddr::V6),
        1 => v4().prop_map(|address| IpAddr::V6(address.to_ipv6_mapped())),
    ]
}

fn classes() -> impl Strategy<Value = ClassSet> {
    prop_oneof![
        3 => Just(ClassSet::ALL),
        2 => sample::subsequence(Class::ALL.to_vec(), 1..=3).prop_map(|classes| classes.into_iter().collect()),
    ]
}

fn selector() -> impl Strategy<Value = Selector> {
    let range = (v4(), v4()).prop_map(|(a, b)| Ipv4Range::new(a.min(b), a.max(b)).unwrap());
    let length = prop_oneof![Just(0_u8), Just(32), 122_u8..=128];
    let prefix = (v6(), length).prop_map(|(address, length)| Ipv6Prefix::new(address, length).unwrap());
    (option::weighted(0.7, range), option::weighted(0.5, prefix))
        .prop_filter_map("selects nobody", |(range, prefix)| Selector::new(range, prefix).ok())
}

const SERVERS: [&str; 3] =
    ["https://hq.example:8471", "http://10.0.0.200", "https://[2001:db8::200]:8471/base"];
const VENDORS: [&str; 3] =
    ["https://vendor.example/repo", "http://10.0.0.201/repo", "http://[2001:db8::201]"];
const URLS: [&str; 8] = [
    "http://mirror.example/hw",
    "HTTP://Mirror.Example:80/x/../hw/",
    "http://10.0.0.202:81/",
    "http://[2001:db8::202]/%7ehw",
    "HTTPS://HQ.EXAMPLE:8471/",
    "https://[2001:DB8:0::200]:8471/%62ase/",
    "https://vendor.example:443/./repo/",
    "http://10.0.0.200:80/",
];

fn url(among: &'static [&'static str]) -> impl Strategy<Value = SourceUrl> {
    sample::select(among).prop_map(|text| text.parse().unwrap())
}

fn id(number: usize) -> String {
    format!("ua-{}", (b'a' + number as u8) as char)
}

fn source(agents: usize) -> impl Strategy<Value = EntrySource> {
    prop_oneof![
        6 => (0..agents.max(1)).prop_map(|number| EntrySource::UpdateAgent(id(number).parse().unwrap())),
        3 => (url(&URLS), classes()).prop_map(|(url, classes)| EntrySource::Url { url, classes }),
        1 => Just(EntrySource::Vendor),
    ]
}

fn agent(number: usize) -> impl Strategy<Value = UpdateAgent> {
    let scheme = prop_oneof![Just(Scheme::Http), Just(Scheme::Https)];
    let port = prop_oneof![Just(80_u16), Just(443), Just(8472)];
    let shares = prop_oneof![9 => classes(), 1 => Just(ClassSet::NONE)];
    (collection::vec(address(), 1..4), scheme, port, shares).prop_map(
        move |(addresses, scheme, port, shares)| {
            UpdateAgent::new(id(number).parse().unwrap(), addresses, scheme, port, shares).unwrap()
        },
    )
}

fn options() -> impl Strategy<Value = Options> {
    let fallback = prop_oneof![
        Just(VendorFallback::Documented),
        Just(VendorFallback::PrivilegeOnly),
        Just(VendorFallback::Never)
    ];
    let switches = sample::subsequence(Class::ALL.to_vec(), 0..=3);
    (switches, any::<bool>(), fallback).prop_map(|(on, server_only, vendor_fallback)| Options {
        server_fallback: ServerFallback { classes: on.into_iter().collect() },
        update_agents_from_server_only: server_only,
        vendor_fallback,
    })
}

/// A policy to make plans from: entries of which no plan could come are left out.
pub fn policy() -> impl Strategy<Value = Policy> {
    (0_usize..6).prop_flat_map(|count| {
        let agents: Vec<_> = (0..count).map(agent).collect();
        let entry = (selector(), source(count)).prop_map(|(selector, source)| Entry { selector, source });
        let mode = prop_oneof![1 => Just(Mode::Standard), 5 => Just(Mode::Customized)];
        let places = (url(&SERVERS), option::weighted(0.8, url(&VENDORS)));
        (mode, options(), places, agents, collection::vec(entry, 0..14)).prop_map(
            |(mode, options, (server, vendor), agents, entries)| {
                let update_agents = UpdateAgents::new(agents).unwrap();
                let fits = |entry: &Entry| {
                    let families = entry.selector.families();
                    check_source(1, families, &entry.source, &update_agents, vendor.as_ref(), Occasion::Plan)
                        .is_empty()
                };
                let entries = SourceList::new(entries.into_iter().filter(fits).collect()).unwrap();
                let own_components = OwnComponents::default();
                Policy::already_saved(PolicyDraft {
                    mode,
                    options,
                    server,
                    vendor,
                    update_agents,
                    own_components,
                    entries,
                })
            },
        )
    })
}

/// A client, often one of the update agents, at addresses of its own.
pub fn client() -> impl Strategy<Value = Client> {
    let who = prop_oneof![(0_usize..6).prop_map(id), Just("pc".to_owned())];
    (who, collection::vec(address(), 0..4), any::<bool>())
        .prop_map(|(id, addresses, allowed)| Client::new(id.parse().unwrap(), addresses, allowed))
}
