//! Searching a target through delegated roles: depth first, in order, as section 5.6.7 of the specification says.
//!
//! Our own repositories delegate nothing; vendors' may. The search fetches nothing: where it needs a role's file it
//! says so ([`Lookup::Wanted`]), takes it ([`Trusted::update_delegated`]) and is asked again.

use std::collections::BTreeSet;

use jiff::Timestamp;
use sigstore_tuf::Targets;

use crate::error::VerifyError;
use crate::limits::{ROLES_VISITED_MAX, TARGETS_LENGTH_MAX};
use crate::names::{Role, TargetName};
use crate::signers::check_distinct;
use crate::trusted::{TargetDescription, Trusted, Wanted, check_length, verify_error};

/// Where a search for a target has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// The target, as the first role that is trusted with it describes it.
    Found(TargetDescription),
    /// No role that is trusted with that name lists it.
    Absent,
    /// Fetch this role's file, give it to [`Trusted::update_delegated`], then ask again.
    Wanted(DelegatedRole),
}

/// A delegated role, reached through one that delegates to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DelegatedRole {
    /// Its name: any text, not fit for a file's name.
    pub name: String,
    /// The role through which the search came to it, whose keys for it count.
    pub delegator: String,
    /// Its file.
    pub wanted: Wanted,
}

impl Trusted {
    /// Searches `name` through the roles that are loaded.
    ///
    /// # Errors
    ///
    /// [`Self::authorised`] says no at `now`, a role on the way is not signed by the keys of the role that leads to it
    /// or has expired, or the search goes beyond [`ROLES_VISITED_MAX`] roles.
    pub fn lookup(&self, name: &TargetName, now: Timestamp) -> Result<Lookup, VerifyError> {
        self.authorised(now)?;
        let top = Role::Targets.name();
        let mut to_visit = vec![(top.to_owned(), String::new())];
        let mut visited = BTreeSet::new();
        // The next role to visit is the last of `to_visit`.
        while let Some((role, delegator)) = to_visit.pop() {
            if visited.contains(&role) {
                continue;
            }
            if visited.len() >= ROLES_VISITED_MAX {
                return Err(VerifyError::TooManyRoles { visited_max: ROLES_VISITED_MAX });
            }
            if role != top {
                match self.delegated_wanted(&role) {
                    // Not in the snapshot: not part of the repository.
                    None => continue,
                    Some(wanted) if self.set.targets_role(&role).is_none() => {
                        return Ok(Lookup::Wanted(DelegatedRole { name: role, delegator, wanted }));
                    }
                    Some(_) => {
                        // The same role may be reached through others, with other keys.
                        let verified = self.set.verify_delegated_targets(&role, &delegator, now);
                        verified.map_err(|error| verify_error(&role, error))?;
                        if let Some(bytes) = self.received().delegated.get(&role) {
                            self.check_delegated(&role, &delegator, bytes)?;
                        }
                    }
                }
            }
            let targets = self.set.targets_role(&role).expect("loaded: checked just above");
            if let Some(file) = targets.target(name.as_str()) {
                return Ok(Lookup::Found(self.description(name.as_str(), file)));
            }
            let children = self.children(&role, name)?;
            if children.terminating {
                to_visit.clear();
            }
            to_visit.extend(children.roles.into_iter().rev().map(|child| (child, role.clone())));
            visited.insert(role);
        }
        Ok(Lookup::Absent)
    }

    /// Takes the file of a role that [`Self::lookup`] asked for.
    ///
    /// # Errors
    ///
    /// As every step.
    pub fn update_delegated(
        &mut self,
        role: &DelegatedRole,
        bytes: &[u8],
        now: Timestamp,
    ) -> Result<(), VerifyError> {
        check_length(bytes, TARGETS_LENGTH_MAX, &role.name)?;
        let mut set = self.set.clone();
        set.update_delegated_targets(bytes, &role.name, &role.delegator, now)
            .map_err(|error| verify_error(&role.name, error))?;
        self.check_delegated(&role.name, &role.delegator, bytes)?;
        self.set = set;
        self.received_mut().delegated.insert(role.name.clone(), bytes.into());
        Ok(())
    }

    /// Counts every key once, whatever ids the delegating role lists it under.
    fn check_delegated(&self, role: &str, delegator: &str, bytes: &[u8]) -> Result<(), VerifyError> {
        let delegations = self.set.targets_role(delegator).and_then(|targets| targets.delegations.as_ref());
        let Some(delegations) = delegations else { return Ok(()) };
        match delegations.roles.iter().find(|delegated| delegated.name == role) {
            Some(delegated) => {
                check_distinct::<Targets>(bytes, &delegations.keys, &delegated.role_keys(), role)
            }
            None => Ok(()),
        }
    }

    fn delegated_wanted(&self, role: &str) -> Option<Wanted> {
        let pin = self.set.snapshot()?.meta.get(&format!("{role}.json"))?;
        Some(self.wanted(role, pin.version, pin.length, TARGETS_LENGTH_MAX))
    }

    fn children(&self, role: &str, name: &TargetName) -> Result<Children, VerifyError> {
        let mut children = Children { roles: Vec::new(), terminating: false };
        let delegations = self.set.targets_role(role).and_then(|targets| targets.delegations.as_ref());
        for child in delegations.into_iter().flat_map(|delegations| &delegations.roles) {
            // A delegated role with the name of a top role would stand in for it in every store of files.
            if Role::ALL.iter().any(|top| top.name() == child.name) {
                continue;
            }
            if child.matches_path(name.as_str()).map_err(|error| verify_error(role, error))? {
                children.roles.push(child.name.clone());
                if child.terminating {
                    children.terminating = true;
                    break;
                }
            }
        }
        Ok(children)
    }
}

/// The roles that one role trusts with a name, in its order.
struct Children {
    roles: Vec<String>,
    /// The last of them is the last to be asked at all.
    terminating: bool,
}
