//! Makes plans (P1–P6), for each class of content and for the policy (P5a).
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
use crate::partial::Partial;
use crate::plan::{Plan, Plans, SkipReason, Skipped, SourceKey, Step, StepReason};
use crate::policy::Policy;
use crate::repository::Repository;
use crate::source_url::SourceUrl;
use crate::unserved::Unserved;
use crate::update_agent::AgentUrls;

/// The plan of one client for one repository (P1–P6, P5a).
pub fn plan(policy: &Policy, client: &Client, repository: impl Into<Repository>) -> Plan {
    Planner::new(policy).plan(client, repository)
}

/// The plans of one client for all repositories, with every entry passed over and why (S10).
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
    /// The first class of a run that it gives the repository along with; `None` if it does not give it. It gives a class
    /// or not; the policy comes with any class, and with no class from an update agent that has the role.
    fn gives_with(&self, repository: Repository) -> Option<Class> {
        match repository {
            Repository::Class(class) => self.gives.contains(class).then_some(class),
            Repository::Policy if self.key_number == VENDOR => None,
            Repository::Policy if self.agent.is_some() && !self.gives.is_empty() => Some(Class::Settings),
            Repository::Policy => self.gives.iter().next(),
        }
    }

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

    /// The plan of one client for one repository.
    pub fn plan(&self, client: &Client, repository: impl Into<Repository>) -> Plan {
        let matches = self.matches(client.addresses());
        self.plan_of(&self.asker(client), &matches, repository.into(), SkippedEntries::All)
    }

    /// The plans of one client for all repositories.
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
        let [policy, settings, components, programs] =
            Repository::ALL.map(|repository| self.plan_of(asker, matches, repository, listed));
        Plans { policy, settings, components, programs }
    }

    /// Does the list decide for this client (P2), or the server alone (P3)?
    pub(crate) fn consults_list(&self, asker: &Asker<'_>) -> bool {
        let server_only = asker.agent.is_some() && self.policy.options().update_agents_from_server_only;
        self.policy.mode() == Mode::Customized && !server_only
    }

    fn plan_of(
        &self,
        asker: &Asker<'_>,
        matches: &[Match],
        repository: Repository,
        listed: SkippedEntries,
    ) -> Plan {
        let mut making = Making { plan: Plan::default(), ranks: Vec::new(), taken: vec![false; self.keys] };
        let server_reason = if self.consults_list(asker) {
            self.walk_list(asker, matches, repository, listed, &mut making);
            self.server_fallback(repository).map(|class| (StepReason::ServerFallback, class))
        } else if self.policy.mode() == Mode::Standard {
            Some((StepReason::StandardMode, Class::Settings))
        } else {
            Some((StepReason::UpdateAgentsFromServerOnly, Class::Settings))
        };
        let to_server = server_reason.is_some() || repository == Repository::Policy;
        if let Some((reason, class)) = server_reason {
            making.fall_back(asker, SERVER, SourceKey::Server, self.policy.server(), reason, class);
        }
        if let (Some(url), Some(reason)) = (self.policy.vendor(), self.vendor_reason(asker, repository)) {
            making.fall_back(asker, VENDOR, SourceKey::Vendor, url, reason, Class::Components);
        }
        if repository == Repository::Policy {
            making.order_by_class();
            let reason = StepReason::LastResort;
            making.fall_back(asker, SERVER, SourceKey::Server, self.policy.server(), reason, Class::Programs);
        }
        if making.plan.steps.is_empty() {
            making.plan.unserved = Some(self.unserved(asker, repository, to_server));
        } else if making.plan.steps.iter().all(|step| step.source == SourceKey::Vendor) {
            making.plan.partial = self.partial(asker, repository, to_server);
        }
        making.plan
    }

    /// The first class of the repository's that falls back to the server (P2); the policy does with any class.
    fn server_fallback(&self, repository: Repository) -> Option<Class> {
        let is_on = |class: &Class| self.policy.options().server_fallback.is_on(*class);
        Class::ALL.into_iter().filter(|class| repository.class().is_none_or(|of| of == *class)).find(is_on)
    }

    /// P1, P2 and P6: the matching entries in list order.
    fn walk_list(
        &self,
        asker: &Asker<'_>,
        matches: &[Match],
        repository: Repository,
        listed: SkippedEntries,
        making: &mut Making,
    ) {
        let own_circles = self.own_circles(asker, matches);
        let mut next_unlisted = 0;
        for found in matches {
            making.skip_unselected(next_unlisted..found.place, listed);
            next_unlisted = found.place + 1;
            match self.consider(asker, found, repository, own_circles.as_ref(), &making.taken) {
                Ok((step, class)) => {
                    making.taken[self.sources[found.place].key_number] = true;
                    making.push(step, class);
                }
                Err(reason) => making.plan.skipped.push(Skipped { entry: number_of(found.place), reason }),
            }
        }
        making.skip_unselected(next_unlisted..self.sources.len(), listed);
    }

    /// One entry that selects the client: a step and the class that it comes with, or why not, tested in the order of
    /// [`SkipReason`].
    fn consider(
        &self,
        asker: &Asker<'_>,
        found: &Match,
        repository: Repository,
        own_circles: Option<&Circles>,
        taken: &[bool],
    ) -> Result<(Step, Class), SkipReason> {
        let source = &self.sources[found.place];
        let class = source.gives_with(repository).ok_or(SkipReason::Class)?;
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
        let step = Step { source: source.key.clone(), url, entry: Some(number_of(found.place)), reason };
        Ok((step, class))
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
    fn vendor_reason(&self, asker: &Asker<'_>, repository: Repository) -> Option<StepReason> {
        if repository != Repository::Class(Class::Components) {
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
    fn unserved(&self, asker: &Asker<'_>, repository: Repository, to_server: bool) -> Unserved {
        match repository.class() {
            _ if asker.addresses.is_empty() => Unserved::NoAddress,
            Some(class) if !to_server => Unserved::NoEntry(class),
            _ => Unserved::ServerFamily(self.policy.server().clone()),
        }
    }

    /// P4a: what a plan of the vendor source alone is without, and why it has no other source.
    fn partial(&self, asker: &Asker<'_>, repository: Repository, to_server: bool) -> Option<Partial> {
        let names = self.policy.own_components();
        let is_incomplete = !names.is_empty();
        is_incomplete
            .then(|| Partial { names: names.clone(), why: self.unserved(asker, repository, to_server) })
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
    /// The class that each step comes with.
    ranks: Vec<Class>,
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
        class: Class,
    ) {
        if !self.taken[number] && asker.shares_family(url) {
            self.taken[number] = true;
            self.push(Step { source: key, url: url.clone(), entry: None, reason }, class);
        }
    }

    fn push(&mut self, step: Step, class: Class) {
        self.plan.steps.push(step);
        self.ranks.push(class);
    }

    /// The sources of class settings first, then what other classes add: a source of settings is likelier to have the
    /// policy than a mirror of components.
    fn order_by_class(&mut self) {
        let mut ranked: Vec<(Class, Step)> =
            std::mem::take(&mut self.ranks).into_iter().zip(std::mem::take(&mut self.plan.steps)).collect();
        ranked.sort_by_key(|(class, _)| *class);
        (self.ranks, self.plan.steps) = ranked.into_iter().unzip();
    }
}
