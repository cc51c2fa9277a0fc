//! Turns a policy file into a policy, and reports every problem with the entry that it is about.
//!
//! 1. The pieces: every key, text and number, each alone.
//! 2. How they fit together (S2, S5, U1). A piece that was unreadable raises no further problem there.
//!
//! [`Reader::finish`] gives nothing once there is a problem, so that what is read meanwhile may be incomplete.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use headwater_policy::{
    ADDRESSES_MAX, Class, ClassSet, Client, ClientId, ENTRIES_MAX, Entry, EntrySource, Family, FamilySet,
    Occasion, Options, OwnComponent, OwnComponents, PolicyDraft, Problem, Scheme, Selector, ServerFallback,
    SourceList, SourceUrl, UpdateAgent, UpdateAgents, check_source,
};
use serde_json::value::RawValue;

use crate::raw_policy::{
    Address, RawClient, RawEntry, RawLocation, RawOptions, RawPolicy, RawSelector, RawServerFallback,
    RawSource, RawUpdateAgent,
};
use crate::reader::{Keys, Reader, Spot, Text};

/// Whether problems of how the pieces fit together count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Check {
    /// The pieces only: for a draft that is still edited.
    Pieces,
    /// Everything that counts on this occasion.
    For(Occasion),
}

/// Reads a policy.
pub(crate) fn read_policy(json: &RawValue, check: Check) -> Result<PolicyDraft, Vec<Problem>> {
    let mut reader = Reader::default();
    let draft = policy(&mut reader, json, check);
    reader.finish(draft)
}

/// Reads a client.
pub(crate) fn read_client(json: &RawValue) -> Result<Client, Vec<Problem>> {
    let mut reader = Reader::default();
    let client = client(&mut reader, json);
    reader.finish(client)
}

/// Reads one entry alone; `number` is its place in the list, from 1.
pub(crate) fn read_entry(json: &RawValue, number: u32) -> Result<Entry, Vec<Problem>> {
    let mut reader = Reader::default();
    let entry = entry(&mut reader, json, &Spot::entry(number));
    reader.finish(entry.whole())
}

/// Reads the options alone.
pub(crate) fn read_options(json: &RawValue) -> Result<Options, Vec<Problem>> {
    let mut reader = Reader::default();
    let options = options(&mut reader, json);
    reader.finish(options)
}

fn client(reader: &mut Reader, json: &RawValue) -> Option<Client> {
    let (raw, keys) = reader.object::<RawClient<'_>>(json, &Spot::default())?;
    let id = reader.required(&keys, "id", raw.id);
    let addresses = addresses(reader, &keys, raw.addresses);
    if let Some(addresses) = addresses.as_ref().filter(|addresses| addresses.len() > ADDRESSES_MAX) {
        let message = format!("there are {}; at most {ADDRESSES_MAX} are allowed", addresses.len());
        reader.problem(&keys.spot.field("addresses"), message);
    }
    Some(Client::new(id?.0, addresses?, raw.download_from_vendor.unwrap_or_default()))
}

fn policy(reader: &mut Reader, json: &RawValue, check: Check) -> Option<PolicyDraft> {
    let (raw, keys) = reader.object::<RawPolicy<'_>>(json, &Spot::default())?;
    let mode = reader.required(&keys, "mode", raw.mode);
    let options = reader.required(&keys, "options", raw.options).and_then(|json| options(reader, json));
    let server = reader.required(&keys, "server", raw.server);
    let server = server.and_then(|json| location(reader, json, "server"));
    let vendor = raw.vendor.map(|json| location(reader, json, "vendor"));
    let update_agents = reader.required(&keys, "update_agents", raw.update_agents);
    let references = References::read(reader, update_agents, vendor);
    let own_components = own_components(reader, raw.own_components.unwrap_or_default());
    let entries = reader.required(&keys, "entries", raw.entries).map(|items| entries(reader, &items));
    if let Check::For(occasion) = check {
        for (number, entry) in (1..).zip(entries.iter().flatten()) {
            reader.problems(references.check(number, entry, occasion));
        }
    }
    let entries: Vec<Entry> = entries?.into_iter().map(ReadEntry::whole).collect::<Option<_>>()?;
    Some(PolicyDraft {
        mode: mode?.0,
        options: options?,
        server: server?,
        vendor: references.vendor.flatten(),
        update_agents: references.update_agents,
        own_components: own_components?,
        entries: SourceList::new(entries).ok()?,
    })
}

fn own_components(reader: &mut Reader, items: Vec<&RawValue>) -> Option<OwnComponents> {
    let spot = Spot::named("own_components");
    let names: Vec<Text<OwnComponent>> = reader.items(&items, &spot)?;
    let made = OwnComponents::new(names.into_iter().map(|Text(name)| name));
    reader.kept(made, &spot)
}

fn options(reader: &mut Reader, json: &RawValue) -> Option<Options> {
    let (raw, keys) = reader.object::<RawOptions<'_>>(json, &Spot::named("options"))?;
    let server_fallback = reader.required(&keys, "server_fallback", raw.server_fallback);
    let server_fallback = server_fallback.and_then(|json| server_fallback_of(reader, json, &keys));
    let server_only = "update_agents_from_server_only";
    let server_only = reader.required(&keys, server_only, raw.update_agents_from_server_only);
    let vendor_fallback = reader.required(&keys, "vendor_fallback", raw.vendor_fallback);
    Some(Options {
        server_fallback: server_fallback?,
        update_agents_from_server_only: server_only?,
        vendor_fallback: vendor_fallback?.0,
    })
}

fn server_fallback_of(reader: &mut Reader, json: &RawValue, options: &Keys) -> Option<ServerFallback> {
    let (raw, keys) = reader.object::<RawServerFallback>(json, &options.spot.field("server_fallback"))?;
    let switches = [
        (Class::Settings, raw.settings),
        (Class::Components, raw.components),
        (Class::Programs, raw.programs),
    ];
    let on = switches.map(|(class, on)| reader.required(&keys, class.as_str(), on).map(|on| (class, on)));
    let on: Vec<(Class, bool)> = on.into_iter().collect::<Option<_>>()?;
    Some(ServerFallback { classes: on.into_iter().filter(|(_, on)| *on).map(|(class, _)| class).collect() })
}

fn location(reader: &mut Reader, json: &RawValue, key: &str) -> Option<SourceUrl> {
    let (raw, keys) = reader.object::<RawLocation>(json, &Spot::named(key))?;
    reader.required(&keys, "url", raw.url).map(|Text(url)| url)
}

fn addresses(reader: &mut Reader, keys: &Keys, items: Option<Vec<&RawValue>>) -> Option<Vec<IpAddr>> {
    let items = reader.required(keys, "addresses", items)?;
    let addresses: Vec<Text<Address>> = reader.items(&items, &keys.spot.field("addresses"))?;
    Some(addresses.into_iter().map(|Text(Address(address))| address).collect())
}

fn classes(reader: &mut Reader, keys: &Keys, items: &[&RawValue]) -> Option<ClassSet> {
    let classes: Vec<Text<Class>> = reader.items(items, &keys.spot.field("classes"))?;
    Some(classes.into_iter().map(|Text(class)| class).collect())
}

/// What entries may name, as far as it could be read.
struct References {
    /// The update agents that could be read, each id once.
    update_agents: UpdateAgents,
    /// Ids of those that could not be; `None` if not even these are known.
    unreadable: Option<HashSet<ClientId>>,
    /// `None` if there is no vendor source, `Some(None)` if it could not be read.
    vendor: Option<Option<SourceUrl>>,
}

impl References {
    fn read(
        reader: &mut Reader,
        update_agents: Option<Vec<&RawValue>>,
        vendor: Option<Option<SourceUrl>>,
    ) -> Self {
        let nothing = Self { update_agents: UpdateAgents::default(), unreadable: None, vendor };
        let Some(items) = update_agents else { return nothing };
        let spot = Spot::named("update_agents");
        let mut first_at: HashMap<ClientId, usize> = HashMap::new();
        let mut unreadable = HashSet::new();
        let mut readable = Vec::new();
        for (place, json) in items.into_iter().enumerate() {
            let spot = spot.item(place);
            let (id, agent) = update_agent(reader, json, &spot);
            let Some(id) = id else { continue };
            if let Some(first) = first_at.get(&id) {
                let message = format!("the id `{id}` is that of update_agents[{}] already", first + 1);
                reader.problem(&spot, message);
                continue;
            }
            match agent {
                Some(agent) => readable.push(agent),
                None => drop(unreadable.insert(id.clone())),
            }
            first_at.insert(id, place);
        }
        match UpdateAgents::new(readable) {
            Ok(update_agents) => Self { update_agents, unreadable: Some(unreadable), ..nothing },
            Err(problems) => {
                reader.problems(problems);
                nothing
            }
        }
    }

    /// Problems of an entry whose source could be read.
    fn check(&self, number: u32, entry: &ReadEntry, occasion: Occasion) -> Vec<Problem> {
        let Some(source) = &entry.source else { return Vec::new() };
        let is_undecided = match source {
            EntrySource::UpdateAgent(id) => self.unreadable.as_ref().is_none_or(|ids| ids.contains(id)),
            EntrySource::Vendor => self.vendor == Some(None),
            EntrySource::Url { .. } => false,
        };
        if is_undecided {
            return Vec::new();
        }
        let vendor = self.vendor.as_ref().and_then(Option::as_ref);
        check_source(number, entry.selected, source, &self.update_agents, vendor, occasion)
    }
}

/// An update agent, and its id also if the rest could not be read.
fn update_agent(
    reader: &mut Reader,
    json: &RawValue,
    spot: &Spot,
) -> (Option<ClientId>, Option<UpdateAgent>) {
    let Some((raw, keys)) = reader.object::<RawUpdateAgent<'_>>(json, spot) else { return (None, None) };
    let id = reader.required(&keys, "id", raw.id).map(|Text(id)| id);
    let addresses = addresses(reader, &keys, raw.addresses);
    let port = reader.required(&keys, "port", raw.port);
    let given = reader.required(&keys, "classes", raw.classes);
    let classes = given.and_then(|items| classes(reader, &keys, &items));
    let scheme = raw.scheme.map_or_else(Scheme::default, |Text(scheme)| scheme);
    let make = |id| Some(UpdateAgent::new(id, addresses?, scheme, port?.0, classes?));
    let agent = id.clone().and_then(make).and_then(|agent| reader.kept(agent, spot));
    (id, agent)
}

/// An entry as far as it could be read.
#[derive(Default)]
struct ReadEntry {
    selector: Option<Selector>,
    /// The families that it is meant to select, also where what stands there cannot be read.
    selected: FamilySet,
    source: Option<EntrySource>,
}

impl ReadEntry {
    fn whole(self) -> Option<Entry> {
        Some(Entry { selector: self.selector?, source: self.source? })
    }
}

/// The entries as far as they could be read.
fn entries(reader: &mut Reader, items: &[&RawValue]) -> Vec<ReadEntry> {
    if items.len() > ENTRIES_MAX {
        let message =
            format!("the list has {} entries and may have at most {ENTRIES_MAX}; remove some", items.len());
        reader.problem(&Spot::entry(number(ENTRIES_MAX)), message);
    }
    let items = items.iter().enumerate();
    items.map(|(place, json)| entry(reader, json, &Spot::entry(number(place)))).collect()
}

fn number(place: usize) -> u32 {
    u32::try_from(place + 1).unwrap_or(u32::MAX)
}

fn entry(reader: &mut Reader, json: &RawValue, spot: &Spot) -> ReadEntry {
    let Some((raw, keys)) = reader.object::<RawEntry<'_>>(json, spot) else { return ReadEntry::default() };
    let clients = reader.required(&keys, "clients", raw.clients);
    let (selector, selected) =
        clients.map_or((None, FamilySet::NONE), |json| selector(reader, json, &spot.field("clients")));
    let source = reader.required(&keys, "source", raw.source);
    let source = source.and_then(|json| source_of(reader, json, &spot.field("source")));
    ReadEntry { selector, selected, source }
}

/// The selector, and the families that it is meant to select.
fn selector(reader: &mut Reader, json: &RawValue, spot: &Spot) -> (Option<Selector>, FamilySet) {
    let Some((raw, keys)) = reader.object::<RawSelector>(json, spot) else { return (None, FamilySet::NONE) };
    let meant = [
        keys.has("ipv4", raw.ipv4.as_ref()).then_some(Family::V4),
        keys.has("ipv6", raw.ipv6.as_ref()).then_some(Family::V6),
    ];
    let meant: FamilySet = meant.into_iter().flatten().collect();
    // A family that was written but cannot be read has its problem already.
    if keys.has_fault("ipv4") || keys.has_fault("ipv6") {
        return (None, meant);
    }
    let made = Selector::new(raw.ipv4.map(|Text(range)| range), raw.ipv6.map(|Text(prefix)| prefix));
    (reader.kept(made, spot), meant)
}

fn source_of(reader: &mut Reader, json: &RawValue, spot: &Spot) -> Option<EntrySource> {
    if json.get().starts_with('"') {
        let word: String = reader.value(json, spot)?;
        if word == "vendor" {
            return Some(EntrySource::Vendor);
        }
        let shown = word.escape_debug();
        reader.problem(spot, format!("`{shown}` is no source; a source is {SOURCE_FORMS}"));
        return None;
    }
    let (raw, keys) = reader.object::<RawSource<'_>>(json, spot)?;
    let has_agent = keys.has("update_agent", raw.update_agent.as_ref());
    let has_url = keys.has("url", raw.url.as_ref());
    let has_classes = keys.has("classes", raw.classes.as_ref());
    if !has_agent && !has_url {
        reader.problem(spot, format!("it names no source; a source is {SOURCE_FORMS}"));
    }
    if has_agent && has_url {
        let message = "an entry has one source, not an update agent and a URL; make two entries of it";
        reader.problem(spot, message);
    }
    if has_agent && has_classes {
        let message = "`classes` goes with a URL; an update agent gives what it is set to share";
        reader.problem(spot, message);
    }
    if has_agent {
        return raw.update_agent.filter(|_| !has_url).map(|Text(id)| EntrySource::UpdateAgent(id));
    }
    // An empty list would make an entry that does nothing.
    if raw.classes.as_ref().is_some_and(Vec::is_empty) {
        reader.problem(
            &spot.field("classes"),
            "the list is empty, so the entry gives nothing; name a class, or leave it out for all three",
        );
    }
    let classes = match raw.classes {
        Some(items) => classes(reader, &keys, &items)?,
        None => ClassSet::ALL,
    };
    raw.url.map(|Text(url)| EntrySource::Url { url, classes })
}

const SOURCE_FORMS: &str = "{\"update_agent\": ID}, {\"url\": URL, \"classes\": […]} or \"vendor\"";
