//! Turns a policy file into a policy, and reports every problem with the entry that it is about.
//!
//! 1. The pieces: every key, text and number, each alone.
//! 2. How they fit together (S2, S5, U1). A piece that was unreadable raises no further problem there.

use std::collections::{HashMap, HashSet};

use headwater_policy::{
    ADDRESSES_MAX, Class, ClassSet, Client, ClientId, Draft, ENTRIES_MAX, Entry, EntrySource, Family,
    FamilySet, Mode, Occasion, Options, Problem, Scheme, Selector, ServerFallback, SourceList, SourceUrl,
    UpdateAgent, UpdateAgents, check_source, parse_address,
};

use crate::json::Json;
use crate::reader::{Fields, Reader, Spot};

/// Whether problems of how the pieces fit together count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Check {
    /// The pieces only: for a draft that is still edited.
    Pieces,
    /// Everything that counts on this occasion.
    For(Occasion),
}

const POLICY_KEYS: [&str; 6] = ["mode", "options", "server", "vendor", "update_agents", "entries"];
const OPTIONS_KEYS: [&str; 3] = ["server_fallback", "update_agents_from_server_only", "vendor_fallback"];
const AGENT_KEYS: [&str; 5] = ["id", "addresses", "scheme", "port", "classes"];

/// Reads a policy.
pub(crate) fn read_policy(json: &Json, check: Check) -> Result<Draft, Vec<Problem>> {
    let mut reader = Reader::default();
    let draft = policy(&mut reader, json, check);
    reader.finish(draft)
}

/// Reads a client.
pub(crate) fn read_client(json: &Json) -> Result<Client, Vec<Problem>> {
    let mut reader = Reader::default();
    let client = client(&mut reader, json);
    reader.finish(client)
}

/// Reads one entry alone; `number` is its place in the list, from 1.
pub(crate) fn read_entry(json: &Json, number: u32) -> Result<Entry, Vec<Problem>> {
    let mut reader = Reader::default();
    let entry = entry(&mut reader, json, &Spot::entry(number));
    reader.finish(entry.whole())
}

/// Reads the options alone.
pub(crate) fn read_options(json: &Json) -> Result<Options, Vec<Problem>> {
    let mut reader = Reader::default();
    let options = options(&mut reader, json);
    reader.finish(options)
}

/// Reads an update agent alone.
pub(crate) fn read_update_agent(json: &Json, id: &str) -> Result<UpdateAgent, Vec<Problem>> {
    let mut reader = Reader::default();
    let agent = update_agent(&mut reader, json, &Spot::named(format!("update agent {}", id.escape_debug())));
    reader.finish(agent)
}

fn client(reader: &mut Reader, json: &Json) -> Option<Client> {
    let top = Spot::default();
    let fields = reader.object(json, &top, &["id", "addresses", "download_from_vendor"])?;
    let id = reader.required_parsed(&fields, "id", &top);
    let addresses = reader.required(&fields, "addresses", &top).and_then(|json| {
        let spot = top.field("addresses");
        let addresses = reader.all_made(json, &spot, parse_address)?;
        if addresses.len() > ADDRESSES_MAX {
            reader
                .problem(&spot, format!("there are {}; at most {ADDRESSES_MAX} are taken", addresses.len()));
        }
        Some(addresses)
    });
    let download_from_vendor = match fields.get("download_from_vendor") {
        None => Some(false),
        Some(_) => reader.required_bool(&fields, "download_from_vendor", &top),
    };
    Some(Client::new(id?, addresses?, download_from_vendor?))
}

fn policy(reader: &mut Reader, json: &Json, check: Check) -> Option<Draft> {
    let top = Spot::default();
    let fields = reader.object(json, &top, &POLICY_KEYS)?;
    let mode: Option<Mode> = reader.required_parsed(&fields, "mode", &top);
    let options = reader.required(&fields, "options", &top).and_then(|json| options(reader, json));
    let server = reader.required(&fields, "server", &top).and_then(|json| location(reader, json, "server"));
    let vendor_json = fields.get("vendor");
    let vendor = vendor_json.map(|json| location(reader, json, "vendor"));
    let directory = Directory::read(reader, &fields);
    let entries = entries(reader, &fields);
    if let Check::For(occasion) = check {
        let vendor = match &vendor {
            None => VendorKnown::Absent,
            Some(None) => VendorKnown::Unreadable,
            Some(Some(url)) => VendorKnown::At(url),
        };
        for (number, read) in (1..).zip(entries.iter().flatten()) {
            if let Some(source) = &read.source {
                reader.problems(directory.check(number, read.selected, source, vendor, occasion));
            }
        }
    }
    let entries: Vec<Entry> = entries?.into_iter().map(ReadEntry::whole).collect::<Option<_>>()?;
    let entries = SourceList::new(entries).ok()?;
    let vendor = match vendor {
        None => None,
        Some(url) => Some(url?),
    };
    let update_agents =
        UpdateAgents::new(directory.agents?).map_err(|problems| reader.problems(problems)).ok()?;
    Some(Draft { mode: mode?, options: options?, server: server?, vendor, update_agents, entries })
}

fn options(reader: &mut Reader, json: &Json) -> Option<Options> {
    let spot = Spot::named("options");
    let fields = reader.object(json, &spot, &OPTIONS_KEYS)?;
    let server_fallback = reader.required(&fields, "server_fallback", &spot).and_then(|json| {
        let spot = spot.field("server_fallback");
        let switches = reader.object(json, &spot, &Class::ALL.map(Class::as_str))?;
        let on = Class::ALL.map(|class| reader.required_bool(&switches, class.as_str(), &spot));
        let on: Vec<bool> = on.into_iter().collect::<Option<_>>()?;
        Some(
            Class::ALL
                .into_iter()
                .zip(on)
                .filter(|(_, on)| *on)
                .map(|(class, _)| class)
                .collect::<ClassSet>(),
        )
    });
    let server_only = reader.required_bool(&fields, "update_agents_from_server_only", &spot);
    let vendor_fallback = reader.required_parsed(&fields, "vendor_fallback", &spot);
    Some(Options {
        server_fallback: ServerFallback { classes: server_fallback? },
        update_agents_from_server_only: server_only?,
        vendor_fallback: vendor_fallback?,
    })
}

fn location(reader: &mut Reader, json: &Json, key: &str) -> Option<SourceUrl> {
    let spot = Spot::named(key);
    let fields = reader.object(json, &spot, &["url"])?;
    reader.required_parsed(&fields, "url", &spot)
}

fn classes(reader: &mut Reader, json: &Json, spot: &Spot) -> Option<ClassSet> {
    let classes: Vec<Class> = reader.all_made(json, spot, str::parse)?;
    Some(classes.into_iter().collect())
}

/// The classes that a URL gives: an empty list would make an entry that does nothing.
fn given_classes(reader: &mut Reader, json: &Json, spot: &Spot) -> Option<ClassSet> {
    let classes = classes(reader, json, spot)?;
    if classes.is_empty() {
        reader.problem(
            spot,
            "the list is empty, so the entry gives nothing; name a class, or leave it out for all three",
        );
        return None;
    }
    Some(classes)
}

/// What is known of the vendor source while entries are checked.
#[derive(Clone, Copy)]
enum VendorKnown<'a> {
    Absent,
    Unreadable,
    At(&'a SourceUrl),
}

/// The update agents as far as they could be read.
struct Directory {
    /// All of them, if all could be.
    agents: Option<Vec<UpdateAgent>>,
    /// Those that could be, each id once.
    readable: UpdateAgents,
    /// Ids of those that could not be; `None` if not even these are known.
    unreadable: Option<HashSet<String>>,
}

impl Directory {
    fn read(reader: &mut Reader, fields: &Fields<'_>) -> Self {
        let spot = Spot::named("update_agents");
        let items = reader
            .required(fields, "update_agents", &Spot::default())
            .and_then(|json| reader.list(json, &spot));
        let mut directory = Self {
            agents: Some(Vec::new()),
            readable: UpdateAgents::default(),
            unreadable: Some(HashSet::new()),
        };
        let Some(items) = items else {
            return Self { agents: None, unreadable: None, ..directory };
        };
        let mut first_at: HashMap<String, usize> = HashMap::new();
        let mut readable = Vec::new();
        for (place, json) in items.iter().enumerate() {
            let spot = spot.item(place);
            let id = id_as_written(json);
            let repeats = id.as_ref().and_then(|id| first_at.get(id)).copied();
            if let (Some(id), Some(first)) = (&id, repeats) {
                let shown = id.escape_debug();
                reader.problem(
                    &spot,
                    format!("the id `{shown}` is that of update_agents[{}] already", first + 1),
                );
            }
            let agent = update_agent(reader, json, &spot);
            match (&id, &agent) {
                (Some(_), Some(agent)) if repeats.is_none() => readable.push(agent.clone()),
                (Some(id), None) if repeats.is_none() => {
                    directory.unreadable.get_or_insert_default().insert(id.clone());
                }
                _ => {}
            }
            if let Some(id) = id {
                first_at.entry(id).or_insert(place);
            }
            directory.agents = directory.agents.zip(agent).map(|(mut agents, agent)| {
                agents.push(agent);
                agents
            });
        }
        directory.readable = UpdateAgents::new(readable).unwrap_or_default();
        // What two update agents claim is reported once, above.
        if first_at.len() != items.len() {
            directory.agents = None;
        }
        directory
    }

    fn check(
        &self,
        number: u32,
        selected: FamilySet,
        source: &EntrySource,
        vendor: VendorKnown<'_>,
        occasion: Occasion,
    ) -> Vec<Problem> {
        let undecided = match (source, vendor) {
            (EntrySource::UpdateAgent(id), _) => {
                self.unreadable.as_ref().is_none_or(|unreadable| unreadable.contains(id.as_str()))
            }
            (EntrySource::Vendor, VendorKnown::Unreadable) => true,
            _ => false,
        };
        if undecided {
            return Vec::new();
        }
        let vendor = match vendor {
            VendorKnown::At(url) => Some(url),
            VendorKnown::Absent | VendorKnown::Unreadable => None,
        };
        check_source(number, selected, source, &self.readable, vendor, occasion)
    }
}

fn id_as_written(json: &Json) -> Option<String> {
    let Json::Object(fields) = json else { return None };
    fields.iter().find_map(|(key, value)| match value {
        Json::Text(id) if key == "id" => Some(id.clone()),
        _ => None,
    })
}

fn update_agent(reader: &mut Reader, json: &Json, spot: &Spot) -> Option<UpdateAgent> {
    let fields = reader.object(json, spot, &AGENT_KEYS)?;
    let id: Option<ClientId> = reader.required_parsed(&fields, "id", spot);
    let addresses = reader
        .required(&fields, "addresses", spot)
        .and_then(|json| reader.all_made(json, &spot.field("addresses"), parse_address));
    let scheme = match fields.get("scheme") {
        Some(json) => reader.parsed(json, &spot.field("scheme")),
        None => Some(Scheme::default()),
    };
    let port = reader.required(&fields, "port", spot).and_then(|json| reader.port(json, &spot.field("port")));
    let classes = reader
        .required(&fields, "classes", spot)
        .and_then(|json| classes(reader, json, &spot.field("classes")));
    let agent = UpdateAgent::new(id?, addresses?, scheme?, port?, classes?);
    reader.kept(agent, spot)
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

/// The entries as far as they could be read; `None` if there is no list.
fn entries(reader: &mut Reader, fields: &Fields<'_>) -> Option<Vec<ReadEntry>> {
    let json = reader.required(fields, "entries", &Spot::default())?;
    let items = reader.list(json, &Spot::named("entries"))?;
    if items.len() > ENTRIES_MAX {
        let message =
            format!("the list has {} entries and may have at most {ENTRIES_MAX}; remove some", items.len());
        reader.problem(&Spot::entry(number(ENTRIES_MAX)), message);
    }
    let read = |(place, json)| entry(reader, json, &Spot::entry(number(place)));
    Some(items.iter().enumerate().map(read).collect())
}

fn number(place: usize) -> u32 {
    u32::try_from(place + 1).unwrap_or(u32::MAX)
}

fn entry(reader: &mut Reader, json: &Json, spot: &Spot) -> ReadEntry {
    let Some(fields) = reader.object(json, spot, &["clients", "source"]) else { return ReadEntry::default() };
    let clients = reader.required(&fields, "clients", spot);
    let (selector, selected) =
        clients.map_or((None, FamilySet::NONE), |json| selector(reader, json, &spot.field("clients")));
    let source = reader.required(&fields, "source", spot);
    let source = source.and_then(|json| source_of(reader, json, &spot.field("source")));
    ReadEntry { selector, selected, source }
}

/// The selector, and the families that it is meant to select.
fn selector(reader: &mut Reader, json: &Json, spot: &Spot) -> (Option<Selector>, FamilySet) {
    let Some(fields) = reader.object(json, spot, &["ipv4", "ipv6"]) else { return (None, FamilySet::NONE) };
    let ipv4 = fields.get("ipv4").map(|json| reader.parsed(json, &spot.field("ipv4")));
    let ipv6 = fields.get("ipv6").map(|json| reader.parsed(json, &spot.field("ipv6")));
    let meant = [ipv4.as_ref().map(|_| Family::V4), ipv6.as_ref().map(|_| Family::V6)];
    let meant = meant.into_iter().flatten().collect();
    // A family that was written but cannot be read has its problem already.
    if ipv4 == Some(None) || ipv6 == Some(None) {
        return (None, meant);
    }
    let selector = reader.kept(Selector::new(ipv4.flatten(), ipv6.flatten()), spot);
    (selector, selector.map_or(meant, |selector| selector.families()))
}

fn source_of(reader: &mut Reader, json: &Json, spot: &Spot) -> Option<EntrySource> {
    if let Json::Text(word) = json {
        if word == "vendor" {
            return Some(EntrySource::Vendor);
        }
        let shown = word.escape_debug();
        reader.problem(spot, format!("`{shown}` is no source; a source is {SOURCE_FORMS}"));
        return None;
    }
    let fields = reader.object(json, spot, &["update_agent", "url", "classes"])?;
    match (fields.get("update_agent"), fields.get("url"), fields.get("classes")) {
        (Some(id), None, None) => {
            reader.parsed(id, &spot.field("update_agent")).map(EntrySource::UpdateAgent)
        }
        (None, Some(url), given) => {
            let url = reader.parsed(url, &spot.field("url"));
            let classes = match given {
                Some(json) => given_classes(reader, json, &spot.field("classes")),
                None => Some(ClassSet::ALL),
            };
            Some(EntrySource::Url { url: url?, classes: classes? })
        }
        (Some(id), url, given) => {
            let _: Option<ClientId> = reader.parsed(id, &spot.field("update_agent"));
            if let Some(url) = url {
                let _: Option<SourceUrl> = reader.parsed(url, &spot.field("url"));
                reader.problem(
                    spot,
                    "an entry has one source, not an update agent and a URL; make two entries of it",
                );
            }
            if given.is_some() {
                let message = "`classes` goes with a URL; an update agent gives what it is set to share";
                reader.problem(spot, message);
            }
            None
        }
        (None, None, _) => {
            reader.problem(spot, format!("it names no source; a source is {SOURCE_FORMS}"));
            None
        }
    }
}

const SOURCE_FORMS: &str = "{\"update_agent\": ID}, {\"url\": URL, \"classes\": […]} or \"vendor\"";
