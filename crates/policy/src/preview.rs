//! What saving a policy would do, and what looks like a mistake in it (S8). Warnings never block.

use std::collections::BTreeMap;
use std::fmt;

use crate::address::is_link_local;
use crate::class::Class;
use crate::client::Client;
use crate::draft::number_of;
use crate::entry::{Entry, EntrySource};
use crate::id::ClientId;
use crate::limits::EXAMPLES_MAX;
use crate::options::{Mode, VendorFallback};
use crate::plan::{Plan, Plans, SkipReason, SourceKey, StepReason};
use crate::planner::{Planner, SkippedEntries};
use crate::policy::Policy;
use crate::policy_plan::is_last_resort;
use crate::repository::Repository;
use crate::shadow::shadowed;
use crate::source_url::SourceUrl;
use crate::update_agent::UpdateAgent;

/// What a warning is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WarningKind {
    /// The entry is there already.
    Repeated,
    /// Earlier entries name its source for all of its clients.
    Shadowed,
    /// No known client is selected.
    NoClient,
    /// Clients that no entry selects.
    NotSelected,
    /// The entry selects a family that its source does not have.
    FamilyCannotMeet,
    /// The entry's update agent has lost the role (U6).
    Broken,
    /// The entry's source gives no class at all.
    GivesNothing,
    /// Clients that nobody serves with a class.
    NobodyServes,
    /// Clients whose plan has no source for the organisation's own components (P4a).
    NoOwnComponents,
    /// `documented` sends clients to the vendor source (P5).
    SendsToVendor,
    /// A source is link-local (S3).
    LinkLocal,
    /// An update agent passes over an entry, which would lead in a circle.
    Loop,
    /// A URL is that of an update agent, which its identity would follow when it moves.
    UpdateAgentByUrl,
    /// No entry names the update agent.
    NotNamed,
    /// Server and vendor source are the same URL.
    SameUrl,
    /// Clients of the entry cannot tell which address of the update agent is theirs (U4b).
    SeveralAddresses,
    /// Clients for which at most one source of the list has the policy (P5a).
    PolicyFromOne,
}

impl WarningKind {
    /// A stable word for documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Repeated => "repeated",
            Self::Shadowed => "shadowed",
            Self::NoClient => "no_client_matches",
            Self::NotSelected => "client_matches_none",
            Self::FamilyCannotMeet => "family_cannot_meet",
            Self::Broken => "broken",
            Self::GivesNothing => "gives_nothing",
            Self::NobodyServes => "nobody_serves",
            Self::NoOwnComponents => "no_own_components",
            Self::SendsToVendor => "sends_to_vendor",
            Self::LinkLocal => "link_local",
            Self::Loop => "loop",
            Self::UpdateAgentByUrl => "update_agent_by_url",
            Self::NotNamed => "not_named",
            Self::SameUrl => "same_url",
            Self::SeveralAddresses => "several_addresses",
            Self::PolicyFromOne => "policy_from_one_source",
        }
    }
}

/// Something that looks like a mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// What it is about.
    pub kind: WarningKind,
    /// The entry, from 1; `None` if the problem is not about one.
    pub entry: Option<u32>,
    /// A sentence for people.
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.entry {
            Some(entry) => write!(f, "entry {entry}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// What saving a policy would do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Preview {
    /// What looks like a mistake: by entry, then what is about none.
    pub warnings: Vec<Warning>,
    /// Known clients that were looked at.
    pub clients: usize,
    /// Those of them whose sources or their order change in at least one class; all of them where there was no policy.
    pub clients_changed: usize,
}

/// Looks at a policy before it is saved: alone, with the clients that are known, and against the policy
/// that it replaces. 10,000 clients and a full list take seconds at most.
pub fn preview(policy: &Policy, replaced: Option<&Policy>, clients: &[Client]) -> Preview {
    let planner = Planner::new(policy);
    let old = replaced.map(Planner::new);
    let mut survey = Survey::new(policy.entries().len());
    for client in clients {
        survey.look_at(&planner, old.as_ref(), client);
    }
    let mut warnings = entry_warnings(policy);
    warnings.extend(survey.warnings(policy, clients.len()));
    warnings.extend(general_warnings(&planner, clients.len()));
    warnings.sort_by_key(|warning| (warning.entry.unwrap_or(u32::MAX), warning.kind));
    Preview { warnings, clients: clients.len(), clients_changed: survey.changed }
}

fn warning(kind: WarningKind, entry: impl Into<Option<u32>>, message: String) -> Warning {
    Warning { kind, entry: entry.into(), message }
}

/// The problems of entries that need no client to be seen.
fn entry_warnings(policy: &Policy) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for found in shadowed(policy) {
        let by: Vec<String> = found.by.iter().map(|number| format!("entry {number}")).collect();
        let by = by.join(" and ");
        warnings.push(if found.repeated {
            warning(WarningKind::Repeated, found.entry, format!("it repeats {by}; remove one of them"))
        } else {
            let message =
                format!("{by} names the same source for all of its clients, so it gives nobody anything");
            warning(WarningKind::Shadowed, found.entry, message)
        });
    }
    for (number, entry) in policy.entries().numbered() {
        match &entry.source {
            EntrySource::UpdateAgent(id) => match policy.update_agents().get(id) {
                Some(agent) if agent.is_active() => {
                    warnings.extend(agent_warning(number, agent));
                    warnings.extend(address_warnings(number, entry, agent));
                }
                Some(_) | None => warnings.push(broken(number, id)),
            },
            EntrySource::Url { url, .. } => {
                if url.literal().is_some_and(is_link_local) {
                    let message = format!("{url} is link-local: only clients on its own link reach it");
                    warnings.push(warning(WarningKind::LinkLocal, number, message));
                }
                let same = policy.update_agents().iter().find(|agent| agent.is_at(url));
                warnings.extend(same.map(|agent| {
                    let message = format!(
                        "{url} is update agent {0}; name {0} itself, then the entry follows it",
                        agent.id()
                    );
                    warning(WarningKind::UpdateAgentByUrl, number, message)
                }));
            }
            EntrySource::Vendor => {}
        }
        warnings.extend(family_warnings(policy, number, entry));
        // An update agent that gives nothing has its own problem above.
        let by_agent = matches!(entry.source, EntrySource::UpdateAgent(_));
        if policy.gives(&entry.source).is_empty() && !by_agent {
            let message = "its source gives no class, so the entry does nothing".to_owned();
            warnings.push(warning(WarningKind::GivesNothing, number, message));
        }
    }
    warnings
}

/// Families that the entry selects and its source does not have: errors when a draft is saved, but update agents move later,
/// and the vendor source stands elsewhere in the policy.
fn family_warnings(policy: &Policy, number: u32, entry: &Entry) -> Vec<Warning> {
    let has = match &entry.source {
        EntrySource::UpdateAgent(id) => policy.update_agents().get(id).map(UpdateAgent::families),
        EntrySource::Url { url, .. } => Some(url.families()),
        EntrySource::Vendor => policy.vendor().map(SourceUrl::families),
    };
    let Some(has) = has else { return Vec::new() };
    let unmet = entry.selector.families().iter().filter(|family| !has.contains(*family));
    let warn = |family| {
        let message = format!("{} has no {family} address, but {family} clients are selected", entry.source);
        warning(WarningKind::FamilyCannotMeet, number, message)
    };
    unmet.map(warn).collect()
}

fn broken(number: u32, id: &ClientId) -> Warning {
    let message = format!("{id} is no update agent any more; give it the role again, or name another source");
    warning(WarningKind::Broken, number, message)
}

fn agent_warning(number: u32, agent: &UpdateAgent) -> Option<Warning> {
    let id = agent.id();
    let address = agent.addresses().iter().find(|address| is_link_local(**address))?;
    let message = format!(
        "update agent {id} has the link-local address {address}: only clients on its own link reach it"
    );
    Some(warning(WarningKind::LinkLocal, number, message))
}

/// Several addresses of which any could be the one for the clients of the entry.
fn address_warnings(number: u32, entry: &Entry, agent: &UpdateAgent) -> Vec<Warning> {
    let warn = |family| {
        let candidates = agent.candidates(&entry.selector, family);
        let (first, id) = (candidates.first()?, agent.id());
        let all: Vec<String> = candidates.iter().map(ToString::to_string).collect();
        let message = format!(
            "update agent {id} has several {family} addresses that clients of this entry could reach it at ({}); they use \
             {first}. If that is another one, give {id} the role again with that address first",
            all.join(", ")
        );
        Some(warning(WarningKind::SeveralAddresses, number, message))
    };
    entry.selector.families().iter().filter_map(warn).collect()
}

/// The problems of the policy as a whole.
fn general_warnings(planner: &Planner<'_>, clients: usize) -> Vec<Warning> {
    let policy = planner.policy();
    let mut warnings = Vec::new();
    for agent in policy.update_agents().iter().filter(|agent| agent.is_active()) {
        let names = |source: &EntrySource| matches!(source, EntrySource::UpdateAgent(id) if id == agent.id());
        if !policy.entries().as_slice().iter().any(|entry| names(&entry.source)) {
            let message = format!("no entry names update agent {}, so it serves nobody", agent.id());
            warnings.push(warning(WarningKind::NotNamed, None, message));
        }
    }
    if policy.vendor() == Some(policy.server()) {
        let message = format!("the server and the vendor source are the same URL, {}", policy.server());
        warnings.push(warning(WarningKind::SameUrl, None, message));
    }
    let options = policy.options();
    let documented = policy.mode() == Mode::Customized
        && options.vendor_fallback == VendorFallback::Documented
        && !options.server_fallback.is_on(Class::Components);
    if clients == 0 && documented && policy.vendor().is_some() && !planner.vendor_is_listed() {
        let message = "components do not fall back to the server and the vendor source is not on the list: vendor_fallback \
                       `documented` sends every client to the vendor source, on the Internet, last"
            .to_owned();
        warnings.push(warning(WarningKind::SendsToVendor, None, message));
    }
    warnings
}

/// Some clients: how many, and a few by name.
#[derive(Debug, Default)]
struct Group {
    count: usize,
    examples: Vec<String>,
}

impl Group {
    fn add(&mut self, client: &Client) {
        self.count += 1;
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(client.id().to_string());
        }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more = if self.count > self.examples.len() { ", …" } else { "" };
        let word = if self.count == 1 { "client" } else { "clients" };
        write!(f, "{} {word} ({}{more})", self.count, self.examples.join(", "))
    }
}

/// What the known clients show.
struct Survey {
    selects: Vec<bool>,
    not_selected: Group,
    nobody_serves: BTreeMap<Class, Group>,
    without_own: Group,
    sent_to_vendor: Group,
    /// By the one source of the list that has the policy for them; `None` if none has.
    policy_from: BTreeMap<Option<SourceKey>, Group>,
    loops: BTreeMap<u32, Group>,
    changed: usize,
}

impl Survey {
    fn new(entries: usize) -> Self {
        Self {
            selects: vec![false; entries],
            not_selected: Group::default(),
            nobody_serves: BTreeMap::new(),
            without_own: Group::default(),
            sent_to_vendor: Group::default(),
            policy_from: BTreeMap::new(),
            loops: BTreeMap::new(),
            changed: 0,
        }
    }

    fn look_at(&mut self, planner: &Planner<'_>, old: Option<&Planner<'_>>, client: &Client) {
        let matches = planner.matches(client.addresses());
        let asker = planner.asker(client);
        for found in &matches {
            self.selects[found.place] = true;
        }
        if matches.is_empty() && planner.consults_list(&asker) {
            self.not_selected.add(client);
        }
        let plans = planner.plans_of(&asker, &matches, SkippedEntries::Selected);
        for class in Class::ALL {
            if plans.get(class).steps.is_empty() {
                self.nobody_serves.entry(class).or_default().add(client);
            }
        }
        if plans.components.partial.is_some() {
            self.without_own.add(client);
        }
        let documented = [StepReason::VendorNotListed, StepReason::VendorFirstEntry];
        if plans.components.steps.iter().any(|step| documented.contains(&step.reason)) {
            self.sent_to_vendor.add(client);
        }
        let mut listed = plans.policy.steps.iter().filter(|step| !is_last_resort(step));
        match (listed.next(), listed.next()) {
            (None, _) => self.policy_from.entry(None).or_default().add(client),
            // Who goes to the server alone depends on it for everything.
            (Some(only), None) if only.source != SourceKey::Server => {
                self.policy_from.entry(Some(only.source.clone())).or_default().add(client);
            }
            _ => {}
        }
        let mut loops: Vec<u32> = Class::ALL.iter().flat_map(|class| looped(plans.get(*class))).collect();
        loops.sort_unstable();
        loops.dedup();
        for entry in loops {
            self.loops.entry(entry).or_default().add(client);
        }
        let before = old.map(|old| {
            old.plans_of(&old.asker(client), &old.matches(client.addresses()), SkippedEntries::Selected)
        });
        if before.is_none_or(|before| !same_sources(&before, &plans)) {
            self.changed += 1;
        }
    }

    fn warnings(&self, policy: &Policy, clients: usize) -> Vec<Warning> {
        let mut warnings = Vec::new();
        if clients > 0 {
            for (place, _) in self.selects.iter().enumerate().filter(|(_, selects)| !**selects) {
                let selector = policy.entries().as_slice()[place].selector;
                let message = format!("no known client is in {selector}");
                warnings.push(warning(WarningKind::NoClient, number_of(place), message));
            }
        }
        for (entry, group) in &self.loops {
            let message = format!("{group} would update in a circle by it, and will pass over it");
            warnings.push(warning(WarningKind::Loop, *entry, message));
        }
        if self.not_selected.count > 0 {
            let message = format!("no entry selects {}", self.not_selected);
            warnings.push(warning(WarningKind::NotSelected, None, message));
        }
        for (class, group) in &self.nobody_serves {
            let message =
                format!("no source gives {class} to {group}: their runs end as unserved, with exit code 3");
            warnings.push(warning(WarningKind::NobodyServes, None, message));
        }
        if self.without_own.count > 0 {
            let message = format!(
                "the vendor source alone gives components to {}, and it does not have the organisation's own ({}): their \
                 runs end as partial, with exit code 3. Add an entry that names another source, or switch the fallback to \
                 the server on",
                self.without_own,
                policy.own_components()
            );
            warnings.push(warning(WarningKind::NoOwnComponents, None, message));
        }
        for (only, group) in &self.policy_from {
            let from = match only {
                Some(source) => format!("only one source of the list, {source}, gives the policy to {group}"),
                None => format!("no source of the list gives the policy to {group}"),
            };
            let message = format!(
                "{from}; a later correction of this list reaches them otherwise only while they reach the server or a \
                 source of the list before. Name a second source, or switch a fallback to the server on"
            );
            warnings.push(warning(WarningKind::PolicyFromOne, None, message));
        }
        if self.sent_to_vendor.count > 0 {
            let message = format!(
                "vendor_fallback `documented` sends {} to the vendor source, on the Internet, last; `privilege_only` or \
                 `never` would not",
                self.sent_to_vendor
            );
            warnings.push(warning(WarningKind::SendsToVendor, None, message));
        }
        warnings
    }
}

fn looped(plan: &Plan) -> impl Iterator<Item = u32> + '_ {
    plan.skipped.iter().filter(|skipped| skipped.reason == SkipReason::Loop).map(|skipped| skipped.entry)
}

/// Would the client notice no difference?
fn same_sources(before: &Plans, after: &Plans) -> bool {
    Repository::ALL.into_iter().all(|repository| {
        let (before, after) = (&before.get(repository).steps, &after.get(repository).steps);
        before.len() == after.len()
            && before.iter().zip(after).all(|(a, b)| a.source == b.source && a.url == b.url)
    })
}

#[cfg(test)]
mod tests {
    use super::{EXAMPLES_MAX, Group};

    #[test]
    fn a_few_clients_are_named_and_the_rest_counted() {
        let clients = |count: usize| {
            let mut group = Group::default();
            for number in 0..count {
                let id = format!("pc-{number}").parse().unwrap();
                group.add(&crate::Client::new(id, Vec::new(), false));
            }
            group.to_string()
        };
        assert!(clients(EXAMPLES_MAX).ends_with("pc-9)"), "{}", clients(EXAMPLES_MAX));
        let more = clients(EXAMPLES_MAX + 1);
        assert!(more.starts_with("11 clients (pc-0,") && more.ends_with("pc-9, …)"), "{more}");
    }
}
