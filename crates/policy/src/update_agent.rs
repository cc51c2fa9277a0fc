//! Update agents as the policy has them (U1, U2).

use std::net::IpAddr;

use crate::address::{Family, FamilySet};
use crate::class::ClassSet;
use crate::id::ClientId;
use crate::limits::{ADDRESSES_MAX, UPDATE_AGENTS_MAX};
use crate::problem::{ParseError, Problem};
use crate::scheme::Scheme;
use crate::selector::Selector;
use crate::source_url::SourceUrl;

/// A client with the role of serving others, and where it is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateAgent {
    id: ClientId,
    addresses: Vec<IpAddr>,
    scheme: Scheme,
    port: u16,
    classes: ClassSet,
}

impl UpdateAgent {
    /// An update agent. Addresses are in order of preference within a family; IPv4-mapped ones become IPv4.
    /// With no `classes` it is none (U2): it stays known so that entries which name it can be shown as broken (U6).
    ///
    /// # Errors
    /// Port 0, no address, or more than [`ADDRESSES_MAX`].
    pub fn new(
        id: ClientId,
        addresses: Vec<IpAddr>,
        scheme: Scheme,
        port: u16,
        classes: ClassSet,
    ) -> Result<Self, ParseError> {
        if port == 0 {
            return Err(ParseError::new("port 0 will not do; give a number from 1 to 65535"));
        }
        if addresses.is_empty() {
            return Err(ParseError::new("it has no address, so nobody can reach it"));
        }
        if addresses.len() > ADDRESSES_MAX {
            return Err(ParseError::new(format!("it has more than {ADDRESSES_MAX} addresses")));
        }
        let addresses = addresses.iter().map(IpAddr::to_canonical).collect();
        Ok(Self { id, addresses, scheme, port, classes })
    }

    /// The client's id.
    pub fn id(&self) -> &ClientId {
        &self.id
    }

    /// Where it is reached, in order of preference within a family.
    pub fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    /// How it is spoken to.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// TCP port of its listener.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The classes it shares.
    pub fn classes(&self) -> ClassSet {
        self.classes
    }

    /// Does it share anything? If not it is no update agent (U2).
    pub fn is_active(&self) -> bool {
        !self.classes.is_empty()
    }

    /// The families it has.
    pub fn families(&self) -> FamilySet {
        self.addresses.iter().copied().map(Family::of).collect()
    }

    /// Is `url` one of its own?
    pub(crate) fn is_at(&self, url: &SourceUrl) -> bool {
        let own = |address| SourceUrl::from_address(self.scheme, address, self.port);
        url.literal().is_some_and(|literal| self.addresses.contains(&literal) && own(literal) == *url)
    }

    /// The same with other classes.
    #[must_use]
    pub(crate) fn with_classes(mut self, classes: ClassSet) -> Self {
        self.classes = classes;
        self
    }

    /// Its URLs for clients that `selector` selects, made once for many: an address in the selector is where they are, so
    /// it goes before the others (U4b).
    pub(crate) fn urls(&self, selector: &Selector) -> AgentUrls {
        let (inside, others): (Vec<IpAddr>, Vec<IpAddr>) =
            self.addresses.iter().copied().partition(|address| selector.contains(*address));
        let first = |families: FamilySet| {
            let has = |address: &&IpAddr| families.contains(Family::of(**address));
            let address = inside.iter().find(has).or_else(|| others.iter().find(has))?;
            Some(SourceUrl::from_address(self.scheme, *address, self.port))
        };
        AgentUrls {
            v4: first(FamilySet::only(Family::V4)),
            v6: first(FamilySet::only(Family::V6)),
            any: first(FamilySet::BOTH),
        }
    }

    /// The addresses of a family between which clients that `selector` selects cannot tell: several are in it, or none is
    /// and there are several. Empty if there is one right one (U4b).
    pub(crate) fn candidates(&self, selector: &Selector, family: Family) -> Vec<IpAddr> {
        let of_family = self.addresses.iter().copied().filter(|address| Family::of(*address) == family);
        let (inside, others): (Vec<IpAddr>, Vec<IpAddr>) =
            of_family.partition(|address| selector.contains(*address));
        let candidates = if inside.is_empty() { others } else { inside };
        if candidates.len() > 1 { candidates } else { Vec::new() }
    }
}

/// The URLs of an update agent for the clients of one entry: by its best address of each family, and by its best address.
#[derive(Debug)]
pub(crate) struct AgentUrls {
    v4: Option<SourceUrl>,
    v6: Option<SourceUrl>,
    any: Option<SourceUrl>,
}

impl AgentUrls {
    /// Where a client with the families `client` that was selected by the families `matched` reaches it: its best
    /// address of a matched family, else its best of any that the client has; `None` if they share no family.
    pub fn reach(&self, client: FamilySet, matched: FamilySet) -> Option<&SourceUrl> {
        self.first_in(matched).or_else(|| self.first_in(client))
    }

    fn first_in(&self, families: FamilySet) -> Option<&SourceUrl> {
        match (families.contains(Family::V4), families.contains(Family::V6)) {
            (true, true) => self.any.as_ref(),
            (true, false) => self.v4.as_ref(),
            (false, true) => self.v6.as_ref(),
            (false, false) => None,
        }
    }
}

/// The update agents that a policy knows, each id once, in order of id.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UpdateAgents(Vec<UpdateAgent>);

impl UpdateAgents {
    /// Puts them in order.
    ///
    /// # Errors
    /// Every id that occurs twice, and more than [`UPDATE_AGENTS_MAX`].
    pub fn new(mut agents: Vec<UpdateAgent>) -> Result<Self, Vec<Problem>> {
        agents.sort_by(|a, b| a.id.cmp(&b.id));
        let mut problems: Vec<Problem> = agents
            .windows(2)
            .filter(|pair| pair[0].id == pair[1].id)
            .map(|pair| {
                Problem::general(format!("update agent {}: the id occurs more than once", pair[0].id))
            })
            .collect();
        problems.dedup();
        if agents.len() > UPDATE_AGENTS_MAX {
            problems.push(Problem::general(format!(
                "there are {} update agents; at most {UPDATE_AGENTS_MAX} are allowed",
                agents.len()
            )));
        }
        if problems.is_empty() { Ok(Self(agents)) } else { Err(problems) }
    }

    /// All, in order of id.
    pub fn as_slice(&self) -> &[UpdateAgent] {
        &self.0
    }

    /// All, in order of id.
    pub fn iter(&self) -> std::slice::Iter<'_, UpdateAgent> {
        self.0.iter()
    }

    /// The one with this id.
    pub fn get(&self, id: &ClientId) -> Option<&UpdateAgent> {
        self.position(id).map(|at| &self.0[at])
    }

    pub(crate) fn position(&self, id: &ClientId) -> Option<usize> {
        self.0.binary_search_by(|agent| agent.id.cmp(id)).ok()
    }

    /// Puts one in, in place of the one with the same id if there is one.
    pub fn insert(&mut self, agent: UpdateAgent) {
        match self.0.binary_search_by(|known| known.id.cmp(&agent.id)) {
            Ok(at) => self.0[at] = agent,
            Err(at) => self.0.insert(at, agent),
        }
    }

    /// Takes one out.
    pub fn remove(&mut self, id: &ClientId) -> Option<UpdateAgent> {
        self.position(id).map(|at| self.0.remove(at))
    }
}

impl<'a> IntoIterator for &'a UpdateAgents {
    type Item = &'a UpdateAgent;
    type IntoIter = std::slice::Iter<'a, UpdateAgent>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
