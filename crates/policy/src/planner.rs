//! Makes plans (P1–P6).
//!
//! A [`Planner`] is made once for a policy and asked for any number of clients. For each it finds the entries that
//! select the client, walks them in list order, and adds the fallbacks. Circles are looked for only when an update
//! agent asks.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::OnceLock;

use crate::address::{Family, FamilySet};
use crate::circles::Circles;
use crate::class::{Class, ClassSet};
use crate::client::Client;
use crate::draft::number_of;
use crate::entry::Entry;
use crate::matching::{Match, matches};
use crate::options::{Mode, VendorFallback};
use crate::plan::{Plan, Plans, SkipReason, Skipped, SourceKey, Step, StepReason};
use crate::policy::Policy;
use crate::source_url::SourceUrl;
use crate::unserved::Unserved;
use crate::update_agent::AgentUrls;

/// The plan of one client for one class (P1–P6).
pub fn plan(policy: &Policy, client: &Client, class: Class) -> Plan {
    Planner::new(policy).plan(client, class)
}

/// The plans of one client for all classes, with every entry passed over and why (S10).
pub fn explain(policy: &Policy, client: &Client) -> Plans {
    Planner::new(policy).plans(client)
}

/// The same for a client that need not exist, with these addresses (S10). It is no update agent.
pub fn explain_address(policy: &Policy, addresses: &[IpAddr], download_from_vendor: bool) -> Plans {
    let addresses: Vec<IpAddr> = addresses.iter().map(IpAddr::to_canonical).collect();
    let asker = Asker::new(None, &addresses, download_from_vendor);
    let planner = Planner::new(policy);
    planner.plans_of(&asker, &planner.matches(&addresses), SkippedEntries::All)
}

/// A policy, ready to be asked for plans.
#[derive(Debug)]
pub struct Planner<'a> {
    policy: &'a Policy,
    sources: Vec<Source>,
    keys: usize,
    circles: OnceLock<Circles>,
}

/// What the source of one entry comes to.
#[derive(Debug)]
struct Source {
    key: SourceKey,
    /// Equal for equal keys; [`SERVER`] and [`VENDOR`] are kept for those.
    key_number: usize,
    gives: ClassSet,
    /// Its update agent, by position, and where that is.
    agent: Option<(usize, AgentUrls)>,
}

impl Source {
    fn agent_position(&self) -> Option<usize> {
        self.agent.as_ref().map(|(position, _)| *position)
    }
}

const SERVER: usize = 0;
const VENDOR: usize = 1;

/// Who asks for a plan.
pub(crate) struct Asker<'a> {
    /// The update agent that it is, by position.
    agent: Option<usize>,
    addresses: &'a [IpAddr],
    families: FamilySet,
    download_from_vendor: bool,
}

impl<'a> Asker<'a> {
    fn new(agent: Option<usize>, addresses: &'a [IpAddr], download_from_vendor: bool) -> Self {
        let families = addresses.iter().copied().map(Family::of).collect();
        Self { agent, addresses, families, download_from_vendor }
    }

    fn shares_family(&self, url: &SourceUrl) -> bool {
        url.literal_family().is_none_or(|family| self.families.contains(family))
    }
}

/// Which of the entries that were passed over a plan lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SkippedEntries {
    /// Every entry.
    All,
    /// Only entries that select the client: enough to count with, and much cheaper.
    Selected,
}

impl<'a> Planner<'a> {
    /// Gets a policy ready.
    pub fn new(policy: &'a Policy) -> Self {
        let mut numbers = HashMap::from([(SourceKey::Server, SERVER), (SourceKey::Vendor, VENDOR)]);
        let mut resolve = |entry: &Entry| {
            let source = &entry.source;
            let key = policy.source_key(source);
            let next = numbers.len();
            let key_number = *numbers.entry(key.clone()).or_insert(next);
            let agent = match &key {
                SourceKey::UpdateAgent(id) => {
                    let position = policy.update_agents().position(id);
                    let agents = policy.update_agents().as_slice();
                    position.map(|position| (position, agents[position].urls(&entry.selector)))
                }
                _ => None,
            };
            Source { key, key_number, gives: policy.gives(source), agent }
        };
        let sources: Vec<Source> = policy.entries().as_slice().iter().map(&mut resolve).collect();
        Self { policy, sources, keys: numbers.len(), circles: OnceLock::new() }
    }

    /// The plan of one client for one class.
    pub fn plan(&self, client: &Client, class: Class) -> Plan {
        let matches = self.matches(client.addresses());
        self.plan_of(&self.asker(client), &matches, class, SkippedEntries::All)
    }

    /// The plans of one client for all classes.
    pub fn plans(&self, client: &Client) -> Plans {
        let matches = self.matches(client.addresses());
        self.plans_of(&self.asker(client), &matches, SkippedEntries::All)
    }

    pub(crate) fn policy(&self) -> &'a Policy {
        self.policy
    }

    pub(crate) fn matches(&self, addresses: &[IpAddr]) -> Vec<Match> {
        matches(self.policy.entries(), addresses)
    }

    pub(crate) fn asker<'c>(&self, client: &'c Client) -> Asker<'c> {
        let active = self.policy.update_agent(client.id());
        let agent = active.and_then(|agent| self.policy.update_agents().position(agent.id()));
        Asker::new(agent, client.addresses(), client.download_from_vendor())
    }

    pub(crate) fn plans_of(&self, asker: &Asker<'_>, matches: &[Match], listed: SkippedEntries) -> Plans {
        let [settings, components, programs] =
            Class::ALL.map(|class| self.plan_of(asker, matches, class, listed));
        Plans { settings, components, programs }
    }

    /// Does the list decide for this client (P2), or the server alone (P3)?
    pub(crate) fn consults_list(&self, asker: &Asker<'_>) -> bool {
        let server_only = asker.agent.is_some() && self.policy.options().update_agents_from_server_only;
        self.policy.mode() == Mode::Customized && !server_only
    }

    fn plan_of(&self, asker: &Asker<'_>, matches: &[Match], class: Class, listed: SkippedEntries) -> Plan {
        let mut making = Making { plan: Plan::default(), taken: vec![false; self.keys] };
        let server_reason = if self.consults_list(asker) {
            self.walk_list(asker, matches, class, listed, &mut making);
            self.policy.options().server_fallback.is_on(class).then_some(StepReason::ServerFallback)
        } else if self.policy.mode() == Mode::Standard {
            Some(StepReason::StandardMode)
        } else {
            Some(StepReason::UpdateAgentsFromServerOnly)
        };
        let to_server = server_reason.is_some();
        if let Some(reason) = server_reason {
            making.fall_back(asker, SERVER, SourceKey::Server, self.policy.server(), reason);
        }
        if let (Some(url), Some(reason)) = (self.policy.vendor(), self.vendor_reason(asker, class)) {
            making.fall_back(asker, VENDOR, SourceKey::Vendor, url, reason);
        }
        if making.plan.steps.is_empty() {
            making.plan.unserved = Some(self.unserved(asker, class, to_server));
        }
        making.plan
    }

    /// P1, P2 and P6: the matching entries in list order.
    fn walk_list(
        &self,
        asker: &Asker<'_>,
        matches: &[Match],
        class: Class,
        listed: SkippedEntries,
        making: &mut Making,
    ) {
        let own_circles = self.own_circles(asker, matches);
        let mut next_unlisted = 0;
        for found in matches {
            making.skip_unselected(next_unlisted..found.place, listed);
            next_unlisted = found.place + 1;
            match self.consider(asker, found, class, own_circles.as_ref(), &making.taken) {
                Ok(step) => {
                    making.taken[self.sources[found.place].key_number] = true;
                    making.plan.steps.push(step);
                }
                Err(reason) => making.plan.skipped.push(Skipped { entry: number_of(found.place), reason }),
            }
        }
        making.skip_unselected(next_unlisted..self.sources.len(), listed);
    }

    /// One entry that selects the client: a step, or why not, tested in the order of [`SkipReason`].
    fn consider(
        &self,
        asker: &Asker<'_>,
        found: &Match,
        class: Class,
        own_circles: Option<&Circles>,
        taken: &[bool],
    ) -> Result<Step, SkipReason> {
        let source = &self.sources[found.place];
        if !source.gives.contains(class) {
            return Err(SkipReason::Class);
        }
        let url = self.reach(asker, found).ok_or(SkipReason::Family)?;
        let to = source.agent_position();
        if to.is_some() && to == asker.agent {
            return Err(SkipReason::OwnSelf);
        }
        if let (Some(agent), Some(_)) = (asker.agent, to) {
            let circles = own_circles.unwrap_or_else(|| self.circles());
            if circles.passed_over(found.place, agent) {
                return Err(SkipReason::Loop);
            }
        }
        if taken[source.key_number] {
            return Err(SkipReason::Repeat);
        }
        let selector = self.policy.entries().as_slice()[found.place].selector;
        let reason = StepReason::Selected { address: found.address, selector };
        Ok(Step { source: source.key.clone(), url, entry: Some(number_of(found.place)), reason })
    }

    /// Where the client reaches the entry's source; `None` if they share no family.
    fn reach(&self, asker: &Asker<'_>, found: &Match) -> Option<SourceUrl> {
        let source = &self.sources[found.place];
        if let Some((_, urls)) = &source.agent {
            return urls.reach(asker.families, found.families).cloned();
        }
        let url = match &source.key {
            SourceKey::Server => self.policy.server(),
            SourceKey::Vendor => self.policy.vendor()?,
            SourceKey::Url(url) => url,
            SourceKey::UpdateAgent(_) => return None,
        };
        asker.shares_family(url).then(|| url.clone())
    }

    /// P5: why the vendor source comes last in this plan; `None` if it does not.
    fn vendor_reason(&self, asker: &Asker<'_>, class: Class) -> Option<StepReason> {
        if class != Class::Components {
            return None;
        }
        let allowed = asker.download_from_vendor.then_some(StepReason::VendorAllowed);
        match self.policy.options().vendor_fallback {
            VendorFallback::Documented => allowed.or_else(|| self.documented_vendor_reason(asker)),
            VendorFallback::PrivilegeOnly => allowed,
            VendorFallback::Never => None,
        }
    }

    /// P5: why `documented` sends a client to the vendor source although its domain does not allow it.
    fn documented_vendor_reason(&self, asker: &Asker<'_>) -> Option<StepReason> {
        if !self.consults_list(asker) {
            let is_vendor = |source: &Source| source.key_number == VENDOR;
            let first = asker.agent.is_some() && self.sources.first().is_some_and(is_vendor);
            return first.then_some(StepReason::VendorFirstEntry);
        }
        let falls_back = self.policy.options().server_fallback.is_on(Class::Components);
        (!falls_back && !self.vendor_is_listed()).then_some(StepReason::VendorNotListed)
    }

    /// P4a: why a plan without a step has none; `to_server` if it should have ended at the server.
    fn unserved(&self, asker: &Asker<'_>, class: Class, to_server: bool) -> Unserved {
        if asker.addresses.is_empty() {
            Unserved::NoAddress
        } else if to_server {
            Unserved::ServerFamily(self.policy.server().clone())
        } else {
            Unserved::NoEntry(class)
        }
    }

    /// Whether any entry names the vendor source, for any clients.
    pub(crate) fn vendor_is_listed(&self) -> bool {
        self.sources.iter().any(|source| source.key_number == VENDOR)
    }

    fn circles(&self) -> &Circles {
        self.circles.get_or_init(|| Circles::new(self.policy, None))
    }

    /// Circles with the asker's own addresses, where they make a difference: other entries select it by them than
    /// by the policy's.
    fn own_circles(&self, asker: &Asker<'_>, found: &[Match]) -> Option<Circles> {
        let agent = asker.agent?;
        let by_policy = self.matches(self.policy.update_agents().as_slice()[agent].addresses());
        let same = by_policy.iter().map(|found| found.place).eq(found.iter().map(|found| found.place));
        (!same).then(|| Circles::new(self.policy, Some((agent, asker.addresses))))
    }
}

/// A plan in the making.
struct Making {
    plan: Plan,
    /// By key number: is the source in the plan?
    taken: Vec<bool>,
}

impl Making {
    fn skip_unselected(&mut self, places: std::ops::Range<usize>, listed: SkippedEntries) {
        if listed == SkippedEntries::All {
            let skip = |place| Skipped { entry: number_of(place), reason: SkipReason::Selector };
            self.plan.skipped.extend(places.map(skip));
        }
    }

    fn fall_back(
        &mut self,
        asker: &Asker<'_>,
        number: usize,
        key: SourceKey,
        url: &SourceUrl,
        reason: StepReason,
    ) {
        if !self.taken[number] && asker.shares_family(url) {
            self.taken[number] = true;
            self.plan.steps.push(Step { source: key, url: url.clone(), entry: None, reason });
        }
    }
}
