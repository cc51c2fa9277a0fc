//! Giving and taking the update agent role (U1, U2, U6). Each change is a new version of the policy.

use std::str::FromStr;

use headwater_api::v1::{RoleRequest, UpdateAgentView, UpdateAgentsAnswer};
use headwater_policy::{
    Class, ClassSet, ClientId, EntrySource, Force, ParseError, Policy, PolicyDraft, RoleRefusal, Scheme,
    UpdateAgent, give_role, give_role_to_domain, parse_address, take_role,
};

use super::registry::known_client;
use super::service::FleetService;
use crate::audit::Record;
use crate::caller::Caller;
use crate::db::Tx;
use crate::db::clients::ClientRow;
use crate::error::{Error, Refusal, Result};
use crate::request::{parse_each, refuse};
use crate::source_list::{self, Current, invalid_list};

/// Where an update agent listens unless the request names another.
const PORT_DEFAULT: u16 = 8472;

/// A [`RoleRequest`], read.
struct UpdateAgentRole {
    classes: ClassSet,
    addresses: Option<Vec<std::net::IpAddr>>,
    port: Option<u16>,
    scheme: Option<Scheme>,
    force: Force,
}

impl FleetService {
    /// The update agents.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn update_agents(&self) -> Result<UpdateAgentsAnswer> {
        let current = self.source_list.current().await?;
        let mut items = Vec::new();
        for agent in current.policy.update_agents() {
            let id = agent.id();
            items.push(UpdateAgentView {
                id: id.to_string(),
                domain: self.db.client(id.as_str()).await?.map(|row| row.domain),
                addresses: agent.addresses().iter().map(ToString::to_string).collect(),
                port: agent.port(),
                scheme: agent.scheme().to_string(),
                classes: agent.classes().iter().map(|class| class.to_string()).collect(),
                entries: entries_naming(&current.policy, id),
            });
        }
        Ok(UpdateAgentsAnswer { items, policy_version: current.saved.version })
    }

    /// Gives one client the role, changes it, or takes it (no class).
    ///
    /// # Errors
    /// Refusals for an unknown client, bad values, and entries that still name it (U6).
    pub async fn set_role(
        &self,
        id: &str,
        request: &RoleRequest,
        caller: &Caller,
    ) -> Result<UpdateAgentsAnswer> {
        let role = read(request)?;
        let id: ClientId = id.parse().map_err(|error: ParseError| Refusal::invalid(error.to_string()))?;
        let comment;
        let _change = self.publishing.change().await;
        let mut tx = self.db.begin().await?;
        let current = source_list::current(&mut tx).await?;
        let mut draft = current.policy.to_draft();
        if role.classes.is_empty() {
            take_role(&mut draft, &id, role.force).map_err(refused)?;
            comment = format!("update agent role taken from {id}");
        } else {
            let row = known_client(&mut tx, id.as_str()).await?;
            let agent = agent(&draft, &row, &role)?;
            give_role(&mut draft, agent).map_err(refused)?;
            comment = format!("update agent role of {id} set");
        }
        let action = if role.classes.is_empty() { "update_agent.take" } else { "update_agent.give" };
        self.save_roles(tx, &current, draft, comment, caller.audit_entry(action, &id)).await
    }

    /// Gives every client of a domain the role, changes it, or takes it (no class). Never for the root (U1).
    ///
    /// # Errors
    /// As [`FleetService::set_role`]; all or none.
    pub async fn set_role_of_domain(
        &self,
        path: &str,
        request: &RoleRequest,
        caller: &Caller,
    ) -> Result<UpdateAgentsAnswer> {
        let role = read(request)?;
        if role.addresses.is_some() {
            return Err(
                Refusal::invalid("addresses: a whole domain has none in common; leave them out").into()
            );
        }
        let _change = self.publishing.change().await;
        let mut tx = self.db.begin().await?;
        let domain = self.source_list.known_domain(&mut tx, path).await?;
        if domain.is_root() {
            return Err(Refusal::NotForRoot(
                "the role is not given to or taken from all its clients; choose a domain, or single clients",
            )
            .into());
        }
        let current = source_list::current(&mut tx).await?;
        let mut draft = current.policy.to_draft();
        let rows = tx.clients(Some(domain.as_str()), "", u32::MAX).await?;
        let comment = if role.classes.is_empty() {
            for row in rows {
                let id: ClientId = row.id.parse().map_err(corrupt)?;
                if draft.update_agents.get(&id).is_some_and(UpdateAgent::is_active) {
                    take_role(&mut draft, &id, role.force).map_err(refused)?;
                }
            }
            format!("update agent role taken from the clients of {domain}")
        } else {
            let agents = rows.iter().map(|row| agent(&draft, row, &role)).collect::<Result<_>>()?;
            give_role_to_domain(&mut draft, &domain, agents).map_err(refused)?;
            format!("update agent role given to the clients of {domain}")
        };
        let action = if role.classes.is_empty() { "update_agent.take" } else { "update_agent.give" };
        self.save_roles(tx, &current, draft, comment, caller.audit_entry(action, &domain)).await
    }

    async fn save_roles(
        &self,
        tx: Tx,
        current: &Current,
        draft: PolicyDraft,
        comment: String,
        audit_entry: Record,
    ) -> Result<UpdateAgentsAnswer> {
        let next = draft.into_policy().map_err(invalid_list)?;
        let root = current.saved.vendor_root.clone();
        self.source_list.save_policy(tx, current, &next, root, comment, audit_entry).await?;
        self.update_agents().await
    }
}

fn read(request: &RoleRequest) -> Result<UpdateAgentRole> {
    let mut problems = Vec::new();
    let classes = parse_each("classes", &request.classes, Class::from_str, &mut problems);
    let addresses = request.addresses.as_ref();
    let addresses = addresses.map(|texts| parse_each("addresses", texts, parse_address, &mut problems));
    let scheme = parse_each("scheme", &request.scheme, Scheme::from_str, &mut problems).pop();
    refuse(problems)?;
    Ok(UpdateAgentRole {
        classes: classes.into_iter().collect(),
        addresses,
        port: request.port,
        scheme,
        force: if request.force { Force::Yes } else { Force::No },
    })
}

/// The update agent that a client becomes: what the request leaves out stays as it was, or is what the client reported.
fn agent(draft: &PolicyDraft, row: &ClientRow, role: &UpdateAgentRole) -> Result<UpdateAgent> {
    let id: ClientId = row.id.parse().map_err(corrupt)?;
    let known = draft.update_agents.get(&id);
    let reported = || row.addresses.iter().filter_map(|text| parse_address(text).ok()).collect();
    let addresses = role
        .addresses
        .clone()
        .unwrap_or_else(|| known.map_or_else(reported, |agent| agent.addresses().to_vec()));
    if role.scheme == Some(Scheme::Http) {
        return Err(Refusal::invalid("scheme: update agents speak TLS; leave it out, or write https").into());
    }
    let port = role.port.unwrap_or_else(|| known.map_or(PORT_DEFAULT, UpdateAgent::port));
    UpdateAgent::new(id, addresses, Scheme::Https, port, role.classes)
        .map_err(|error| Refusal::invalid(format!("client {}: {error}", row.id)).into())
}

fn entries_naming(policy: &Policy, id: &ClientId) -> Vec<u32> {
    let names = |source: &EntrySource| matches!(source, EntrySource::UpdateAgent(named) if named == id);
    policy.entries().numbered().filter(|(_, entry)| names(&entry.source)).map(|(number, _)| number).collect()
}

fn corrupt(error: ParseError) -> Error {
    Error::Corrupt { what: "client id", reason: error.to_string() }
}

fn refused(refusal: RoleRefusal) -> Error {
    match refusal {
        RoleRefusal::StillNamed { id, entries } => Refusal::NamedByEntries { id: id.to_string(), entries },
        RoleRefusal::Root => Refusal::NotForRoot("the role is not given to all its clients"),
        RoleRefusal::NotAnUpdateAgent(id) => Refusal::NotFound {
            what: "update agent",
            name: id.to_string(),
            hint: "look at the list of update agents",
        },
        other @ (RoleRefusal::NoClasses(_) | RoleRefusal::Full) => Refusal::invalid(other.to_string()),
    }
    .into()
}
