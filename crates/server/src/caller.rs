//! Who asks, and what they may (I4). Pure: signing in is done in `access`, the authorizer stands in `rest`.

use std::fmt;

use headwater_api::v1::LOGIN_TOKEN_PREFIX;
use jiff::Timestamp;
use serde_json::Value;

pub use headwater_database::administrators::{AdministratorRole, Vouched};
pub use headwater_database::policies::DraftOwner;

use crate::audit::Record;

/// Who does something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// An administrator of this server, who signed in with a password.
    Administrator(String),
    /// Somebody who signed in at the identity provider. The subject is who it is; the name is only shown.
    Vouched {
        /// What the provider calls them for good.
        subject: String,
        /// What people call them.
        name: String,
    },
    /// A program that has an administrator's API token.
    Token {
        /// Whose.
        administrator: String,
        /// The token's name.
        name: String,
    },
    /// A user who may open the local socket, by number of the system's user.
    Local(u32),
    /// A client, proven by its key.
    Client(String),
    /// The server itself: first start, jobs.
    Server,
    /// Nobody who is known.
    Anonymous,
}

impl Actor {
    /// Whose drafts this one works on (S9). A login's token stands for the administrator who signed in. Any other token is a
    /// program's: it has drafts of its own, so that it never publishes what its administrator has begun.
    pub fn draft_owner(&self) -> DraftOwner {
        let shown = self.to_string();
        let (key, name) = match self {
            Self::Administrator(name) => (name.clone(), shown),
            Self::Vouched { subject, name } => (format!("oidc:{subject}"), name.clone()),
            Self::Token { administrator, name } if name.starts_with(LOGIN_TOKEN_PREFIX) => {
                (administrator.clone(), administrator.clone())
            }
            Self::Token { administrator, name } => (format!("{administrator}/{name}"), shown),
            Self::Local(_) | Self::Client(_) | Self::Server | Self::Anonymous => (shown.clone(), shown),
        };
        DraftOwner { key, name }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Administrator(name) => f.write_str(name),
            Self::Vouched { subject, name } => write!(f, "oidc:{subject} ({name})"),
            Self::Token { administrator, name } => write!(f, "{administrator} (token {name})"),
            Self::Local(uid) => write!(f, "local:{uid}"),
            Self::Client(id) => write!(f, "client:{id}"),
            Self::Server => f.write_str("server"),
            Self::Anonymous => f.write_str("anonymous"),
        }
    }
}

/// The actor for a person that an identity provider vouched for.
impl From<&Vouched> for Actor {
    fn from(vouched: &Vouched) -> Self {
        Self::Vouched { subject: vouched.subject.clone(), name: vouched.name.clone() }
    }
}

/// Somebody who has proven who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedIn {
    /// Who.
    pub actor: Actor,
    /// What they may.
    pub role: AdministratorRole,
    /// Parts of the API that they may ask; empty: all.
    pub scopes: Vec<String>,
}

impl SignedIn {
    /// Signed in for all parts of the API.
    #[must_use]
    pub fn whole(actor: Actor, role: AdministratorRole) -> Self {
        Self { actor, role, scopes: Vec::new() }
    }

    /// Whether a part of the API may be asked.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes.is_empty() || self.scopes.iter().any(|named| named == scope)
    }
}

/// Who does something, from where and when: what every use case that changes anything is given, and what every
/// record of the audit log begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Who.
    pub actor: Actor,
    /// What they may.
    pub role: AdministratorRole,
    /// Address that the request came from, or `local`.
    pub from: String,
    /// When the request came.
    pub now: Timestamp,
}

impl Caller {
    /// The server itself.
    #[must_use]
    pub fn server(now: Timestamp) -> Self {
        Self { actor: Actor::Server, role: AdministratorRole::Admin, from: "local".to_owned(), now }
    }

    /// A client that has proven its key.
    #[must_use]
    pub fn client(id: &str, from: String, now: Timestamp) -> Self {
        Self { actor: Actor::Client(id.to_owned()), role: AdministratorRole::Viewer, from, now }
    }

    /// The record that this was done: an action such as `domain.add`, and what it was done to.
    pub fn audit_entry(&self, action: &'static str, subject: impl fmt::Display) -> Record {
        Record {
            time: self.now,
            who: self.actor.to_string(),
            from: self.from.clone(),
            action: action.to_owned(),
            subject: subject.to_string(),
            before: Value::Null,
            after: Value::Null,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drafts_belong_to_the_administrator_and_a_programs_to_its_token() {
        let check = |actor: Actor, key: &str, name: &str| {
            let owner = actor.draft_owner();
            assert_eq!((owner.key.as_str(), owner.name.as_str()), (key, name));
        };
        let token = |name: &str| Actor::Token { administrator: "ann".to_owned(), name: name.to_owned() };
        check(Actor::Administrator("ann".to_owned()), "ann", "ann");
        check(token("login-x7"), "ann", "ann");
        check(token("ci"), "ann/ci", "ann (token ci)");
        let vouched = Actor::Vouched { subject: "7".to_owned(), name: "Ann".to_owned() };
        check(vouched, "oidc:7", "Ann");
        check(Actor::Local(0), "local:0", "local:0");
    }

    #[test]
    fn each_role_may_what_the_ones_before_may() {
        assert!(
            AdministratorRole::Viewer < AdministratorRole::Operator
                && AdministratorRole::Operator < AdministratorRole::Admin
        );
        for role in AdministratorRole::ALL {
            assert_eq!(role.to_string().parse(), Ok(role));
        }
        assert!("root".parse::<AdministratorRole>().unwrap_err().contains("viewer, operator and admin"));
    }
}
