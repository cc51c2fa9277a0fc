//! From documents to the types of `headwater-policy`, and back. Everything found wrong is told at once, by entry.

use std::str::FromStr;

use headwater_policy::{
    Class, ClassSet, Client, Draft, ENTRIES_MAX, EffectiveSettings, Entry, EntrySource, Options, ParseError,
    Plans, Problem, ServerFallback, Settings, SourceList, SourceUrl, UpdateAgent, UpdateAgents,
    parse_address,
};

use crate::plan::{ClassPlanDocument, PlanDocument, SkippedDocument, StepDocument};
use crate::policy::{
    ClientDocument, EntryDocument, LocationDocument, OptionsDocument, PolicyDocument, SelectorDocument,
    ServerFallbackDocument, SourceDocument, UpdateAgentDocument,
};
use crate::settings::{EffectiveSettingsDocument, SettingsDocument};

impl PolicyDocument {
    /// The policy as written. How its pieces fit together is checked by [`Draft::into_policy`].
    ///
    /// # Errors
    /// Everything that cannot be read, with the number of the entry it stands in.
    pub fn read(&self) -> Result<Draft, Vec<Problem>> {
        let mut problems = Vec::new();
        let mode = read(&self.mode, "mode", &mut problems);
        let options = self.options.read().map_err(|found| problems.extend(found)).ok();
        let server = read::<SourceUrl>(&self.server.url, "server", &mut problems);
        let vendor =
            self.vendor.as_ref().map(|vendor| read::<SourceUrl>(&vendor.url, "vendor", &mut problems));
        let mut agents = Vec::new();
        for agent in &self.update_agents {
            match agent.read() {
                Ok(agent) => agents.push(agent),
                Err(found) => problems.extend(found),
            }
        }
        let agents = UpdateAgents::new(agents).map_err(|found| problems.extend(found)).ok();
        let entries = read_entries(&self.entries).map_err(|found| problems.extend(found)).ok();
        match (mode, options, server, vendor, agents, entries) {
            (Some(mode), Some(options), Some(server), vendor, Some(update_agents), Some(entries))
                if problems.is_empty() =>
            {
                Ok(Draft { mode, options, server, vendor: vendor.flatten(), update_agents, entries })
            }
            _ => Err(problems),
        }
    }

    /// The document that says the same.
    pub fn of(draft: &Draft) -> Self {
        Self {
            mode: draft.mode.to_string(),
            options: OptionsDocument::of(&draft.options),
            server: LocationDocument { url: draft.server.to_string() },
            vendor: draft.vendor.as_ref().map(|vendor| LocationDocument { url: vendor.to_string() }),
            update_agents: draft.update_agents.iter().map(UpdateAgentDocument::of).collect(),
            entries: draft.entries.as_slice().iter().map(EntryDocument::of).collect(),
        }
    }
}

/// A whole source list.
fn read_entries(documents: &[EntryDocument]) -> Result<SourceList, Vec<Problem>> {
    if documents.len() > ENTRIES_MAX {
        return Err(vec![Problem::general(format!(
            "the source list has {} entries and may have at most {ENTRIES_MAX}; remove some",
            documents.len()
        ))]);
    }
    let (mut entries, mut problems) = (Vec::new(), Vec::new());
    for (number, document) in (1..).zip(documents) {
        match document.read(number) {
            Ok(entry) => entries.push(entry),
            Err(found) => problems.extend(found),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    SourceList::new(entries).map_err(|refusal| vec![Problem::general(refusal.to_string())])
}

impl OptionsDocument {
    /// The options as written.
    ///
    /// # Errors
    /// An unknown word.
    pub fn read(&self) -> Result<Options, Vec<Problem>> {
        let mut problems = Vec::new();
        let vendor_fallback = read(&self.vendor_fallback, "options: vendor_fallback", &mut problems);
        let on = [
            (Class::Components, self.server_fallback.components),
            (Class::Settings, self.server_fallback.settings),
            (Class::Programs, self.server_fallback.programs),
        ];
        let classes = on.into_iter().filter(|(_, on)| *on).map(|(class, _)| class).collect();
        match vendor_fallback {
            Some(vendor_fallback) => Ok(Options {
                server_fallback: ServerFallback { classes },
                update_agents_from_server_only: self.update_agents_from_server_only,
                vendor_fallback,
            }),
            None => Err(problems),
        }
    }

    /// The document that says the same.
    pub fn of(options: &Options) -> Self {
        Self {
            server_fallback: ServerFallbackDocument {
                components: options.server_fallback.is_on(Class::Components),
                settings: options.server_fallback.is_on(Class::Settings),
                programs: options.server_fallback.is_on(Class::Programs),
            },
            update_agents_from_server_only: options.update_agents_from_server_only,
            vendor_fallback: options.vendor_fallback.to_string(),
        }
    }
}

impl UpdateAgentDocument {
    /// The update agent as written.
    ///
    /// # Errors
    /// Everything that cannot be read.
    pub fn read(&self) -> Result<UpdateAgent, Vec<Problem>> {
        let mut problems = Vec::new();
        let name = format!("update agent {}", self.id.escape_debug());
        let id = read(&self.id, "update agent", &mut problems);
        let addresses = read_all(&self.addresses, parse_address, &name, &mut problems);
        let scheme = self.scheme.as_ref().map(|scheme| read(scheme, &name, &mut problems));
        let classes: Vec<Class> = read_all(&self.classes, Class::from_str, &name, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        let (Some(id), Some(scheme)) = (id, scheme.unwrap_or_else(|| Some(Default::default()))) else {
            return Err(problems);
        };
        UpdateAgent::new(id, addresses, scheme, self.port, classes.into_iter().collect())
            .map_err(|error| vec![Problem::general(format!("{name}: {error}"))])
    }

    /// The document that says the same.
    pub fn of(agent: &UpdateAgent) -> Self {
        Self {
            id: agent.id().to_string(),
            addresses: agent.addresses().iter().map(ToString::to_string).collect(),
            scheme: Some(agent.scheme().to_string()),
            port: agent.port(),
            classes: class_words(agent.classes()),
        }
    }
}

impl EntryDocument {
    /// The entry as written; `number` is its place in the list, from 1, for the problems.
    ///
    /// # Errors
    /// Everything that cannot be read.
    pub fn read(&self, number: u32) -> Result<Entry, Vec<Problem>> {
        let mut found = Vec::new();
        let ipv4 = self.clients.ipv4.as_ref().map(|text| read(text, "clients", &mut found));
        let ipv6 = self.clients.ipv6.as_ref().map(|text| read(text, "clients", &mut found));
        let selector = match found.is_empty() {
            true => headwater_policy::Selector::new(ipv4.flatten(), ipv6.flatten())
                .map_err(|error| found.push(Problem::general(format!("clients: {error}"))))
                .ok(),
            false => None,
        };
        let source = self.source.read(&mut found);
        match (selector, source) {
            (Some(selector), Some(source)) if found.is_empty() => Ok(Entry { selector, source }),
            _ => Err(found.into_iter().map(|problem| Problem::of_entry(number, problem.message)).collect()),
        }
    }

    /// The document that says the same.
    pub fn of(entry: &Entry) -> Self {
        Self {
            clients: SelectorDocument {
                ipv4: entry.selector.ipv4().map(|range| range.to_string()),
                ipv6: entry.selector.ipv6().map(|prefix| prefix.to_string()),
            },
            source: match &entry.source {
                EntrySource::Vendor => SourceDocument::Vendor,
                EntrySource::UpdateAgent(id) => SourceDocument::UpdateAgent(id.to_string()),
                EntrySource::Url { url, classes } => SourceDocument::Url {
                    url: url.to_string(),
                    classes: (*classes != ClassSet::ALL).then(|| class_words(*classes)),
                },
            },
        }
    }
}

impl SourceDocument {
    fn read(&self, problems: &mut Vec<Problem>) -> Option<EntrySource> {
        match self {
            Self::Vendor => Some(EntrySource::Vendor),
            Self::UpdateAgent(id) => read(id, "source", problems).map(EntrySource::UpdateAgent),
            Self::Url { url, classes } => {
                let url = read(url, "source", problems);
                let classes = match classes {
                    None => ClassSet::ALL,
                    Some(words) => {
                        let classes: ClassSet = read_all(words, Class::from_str, "source: classes", problems)
                            .into_iter()
                            .collect();
                        if words.is_empty() {
                            problems.push(Problem::general(
                                "source: classes: the list is empty, so the entry gives nothing; name a class, or \
                                 leave `classes` out for all three",
                            ));
                        }
                        classes
                    }
                };
                url.map(|url| EntrySource::Url { url, classes })
            }
        }
    }
}

impl ClientDocument {
    /// The client as written.
    ///
    /// # Errors
    /// Everything that cannot be read.
    pub fn read(&self) -> Result<Client, Vec<Problem>> {
        let mut problems = Vec::new();
        let id = read(&self.id, "id", &mut problems);
        let addresses = read_all(&self.addresses, parse_address, "addresses", &mut problems);
        match id {
            Some(id) if problems.is_empty() => Ok(Client::new(id, addresses, self.download_from_vendor)),
            _ => Err(problems),
        }
    }

    /// The document that says the same.
    pub fn of(client: &Client) -> Self {
        Self {
            id: client.id().to_string(),
            addresses: client.addresses().iter().map(ToString::to_string).collect(),
            download_from_vendor: client.download_from_vendor(),
        }
    }
}

impl SettingsDocument {
    /// The settings as written.
    ///
    /// # Errors
    /// Every value outside its limits.
    pub fn read(&self) -> Result<Settings, Vec<Problem>> {
        let settings = Settings {
            poll_interval_minutes: self.poll_interval_minutes,
            download_from_vendor: self.download_from_vendor,
            allow_manual_update: self.allow_manual_update,
            connect_timeout_seconds: self.connect_timeout_seconds,
            idle_timeout_seconds: self.idle_timeout_seconds,
            probe_command: self.probe_command.clone(),
            after_command: self.after_command.clone(),
            hook_timeout_seconds: self.hook_timeout_seconds,
            update_agent_quota_mib: self.update_agent_quota_mib,
            update_agent_downloads_max: self.update_agent_downloads_max,
            update_agent_bandwidth_kib_per_second: self.update_agent_bandwidth_kib_per_second,
        };
        let problems = settings.problems();
        if problems.is_empty() { Ok(settings) } else { Err(problems) }
    }
}

impl From<EffectiveSettings> for EffectiveSettingsDocument {
    fn from(settings: EffectiveSettings) -> Self {
        Self {
            poll_interval_minutes: settings.poll_interval_minutes,
            download_from_vendor: settings.download_from_vendor,
            allow_manual_update: settings.allow_manual_update,
            connect_timeout_seconds: settings.connect_timeout_seconds,
            idle_timeout_seconds: settings.idle_timeout_seconds,
            probe_command: settings.probe_command,
            after_command: settings.after_command,
            hook_timeout_seconds: settings.hook_timeout_seconds,
            update_agent_quota_mib: settings.update_agent_quota_mib,
            update_agent_downloads_max: settings.update_agent_downloads_max,
            update_agent_bandwidth_kib_per_second: settings.update_agent_bandwidth_kib_per_second,
        }
    }
}

/// A client's plans as a document.
pub fn plan_document(plans: &Plans) -> PlanDocument {
    let class_plan = |class| {
        let plan = plans.get(class);
        ClassPlanDocument {
            steps: plan
                .steps
                .iter()
                .map(|step| StepDocument {
                    source: step.source.to_string(),
                    url: step.url.to_string(),
                    entry: step.entry,
                    reason: step.reason.to_string(),
                })
                .collect(),
            skipped: plan
                .skipped
                .iter()
                .map(|skipped| SkippedDocument { entry: skipped.entry, reason: skipped.reason.to_string() })
                .collect(),
        }
    };
    Class::ALL.into_iter().map(|class| (class.to_string(), class_plan(class))).collect()
}

fn class_words(classes: ClassSet) -> Vec<String> {
    classes.iter().map(|class| class.to_string()).collect()
}

fn read<T: FromStr<Err = ParseError>>(text: &str, place: &str, problems: &mut Vec<Problem>) -> Option<T> {
    text.parse().map_err(|error| problems.push(Problem::general(format!("{place}: {error}")))).ok()
}

fn read_all<T>(
    texts: &[String],
    parse: impl Fn(&str) -> Result<T, ParseError>,
    place: &str,
    problems: &mut Vec<Problem>,
) -> Vec<T> {
    texts
        .iter()
        .filter_map(|text| {
            parse(text).map_err(|error| problems.push(Problem::general(format!("{place}: {error}")))).ok()
        })
        .collect()
}
