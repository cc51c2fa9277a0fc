//! API tokens (I4): made and revoked by people, used by programs.
//!
//! A token may do what its role and its scopes allow, and never more than its administrator may at that moment. Tokens
//! make no tokens: one that was stolen ends when it ends.

use std::collections::BTreeSet;

use headwater_api::v1::{ApiTokenRequest, ApiTokenView};
use headwater_policy::Problem;
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde_json::json;

use super::service::AccessService;
use crate::caller::{Actor, AdministratorRole, Caller, SignedIn};
use crate::db::administrators::{self as rows, ApiTokenRow};
use crate::error::{Refusal, Result};
use crate::limits;
use crate::request::refuse;
use crate::secret;

/// What every API token begins with.
const PREFIX: &str = "hwa_";

impl AccessService {
    /// Who has this token.
    ///
    /// # Errors
    /// [`Refusal::BadApiToken`].
    pub async fn who_has_token(&self, token: &SecretString, now: Timestamp) -> Result<SignedIn> {
        let Some(row) = self.db.api_token(&secret::hash(token)).await?.filter(|row| now < row.expires) else {
            return Err(Refusal::BadApiToken.into());
        };
        let role = match &row.administrator {
            None => row.role,
            Some(name) => {
                let owner = self.db.administrator(name).await?.ok_or(Refusal::BadApiToken)?;
                row.role.min(owner.role)
            }
        };
        let administrator = row.administrator.unwrap_or_else(|| "local".to_owned());
        Ok(SignedIn { actor: Actor::Token { administrator, name: row.name }, role, scopes: row.scopes })
    }

    /// One's own tokens; for an admin, all.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn api_tokens(&self, caller: &Caller) -> Result<Vec<ApiTokenView>> {
        let rows = self.db.api_tokens().await?;
        Ok(rows
            .into_iter()
            .filter(|row| is_own(row, caller) || caller.role == AdministratorRole::Admin)
            .map(view)
            .collect())
    }

    /// Makes a token.
    ///
    /// # Errors
    /// Refusals for a name that is taken, a role above one's own, unknown scopes, and for a caller that has only a token.
    pub async fn make_api_token(
        &self,
        request: &ApiTokenRequest,
        caller: &Caller,
    ) -> Result<(SecretString, ApiTokenView)> {
        let administrator = match &caller.actor {
            Actor::Local(_) => None,
            Actor::Administrator(name) => Some(name.clone()),
            Actor::Vouched { .. } => {
                return Err(Refusal::NotThisWay(
                    "a user of the identity provider has no tokens; ask an admin to add you here",
                )
                .into());
            }
            _ => {
                return Err(Refusal::NotThisWay(
                    "a token makes no tokens; sign in with a password, or on the server's own machine",
                )
                .into());
            }
        };
        let role = check(request, &self.scopes)?;
        if role > caller.role {
            return Err(Refusal::Forbidden { needs: role, has: caller.role }.into());
        }
        let days = request.days.unwrap_or(limits::TOKEN_DAYS_DEFAULT);
        let token = secret::random(PREFIX);
        let row = ApiTokenRow {
            name: request.name.clone(),
            token: secret::hash(&token),
            administrator,
            role,
            scopes: request.scopes.clone(),
            made: caller.now,
            expires: caller.now + SignedDuration::from_hours(24 * i64::from(days)),
        };
        let _change = self.change().await;
        let mut tx = self.db.begin().await?;
        if tx.api_tokens().await?.iter().any(|known| known.name == row.name) {
            return Err(Refusal::Exists { what: "token", name: row.name, hint: "take another name" }.into());
        }
        if rows::count_tokens(&mut tx).await? >= limits::TOKENS_MAX {
            return Err(Refusal::TooLarge {
                what: "the number of tokens".to_owned(),
                limit: limits::TOKENS_MAX,
                unit: "tokens",
                hint: "revoke those that nobody needs",
            }
            .into());
        }
        rows::insert_token(&mut tx, &row).await?;
        let details = json!({"role": request.role, "scopes": row.scopes, "expires": row.expires});
        tx.commit(caller.audit_entry("token.make", &row.name).after(details)).await?;
        Ok((token, view(row)))
    }

    /// Revokes a token: one's own; an admin, any.
    ///
    /// # Errors
    /// A refusal when there is none of that name, or it is somebody else's.
    pub async fn revoke_api_token(&self, name: &str, caller: &Caller) -> Result<()> {
        let _change = self.change().await;
        let mut tx = self.db.begin().await?;
        let known = tx.api_tokens().await?.into_iter().find(|row| row.name == name);
        let may = |row: &ApiTokenRow| is_own(row, caller) || caller.role == AdministratorRole::Admin;
        let Some(row) = known.filter(may) else {
            let name = name.escape_debug().to_string();
            let hint = "look at the list of tokens; those of others are an admin's";
            return Err(Refusal::NotFound { what: "token", name, hint }.into());
        };
        rows::delete_token(&mut tx, name).await?;
        let details = json!({"role": row.role.to_string(), "administrator": row.administrator});
        Ok(tx.commit(caller.audit_entry("token.revoke", name).before(details)).await?)
    }
}

/// Of one's own; a token has itself alone.
fn is_own(row: &ApiTokenRow, caller: &Caller) -> bool {
    match &caller.actor {
        Actor::Administrator(name) => row.administrator.as_ref() == Some(name),
        Actor::Token { name, .. } => row.name == *name,
        _ => false,
    }
}

fn check(request: &ApiTokenRequest, known: &BTreeSet<&str>) -> Result<AdministratorRole> {
    let mut problems = Vec::new();
    if let Err(problem) = super::administrators::check_name(&request.name) {
        problems.push(Problem::general(format!("name: {problem}")));
    }
    let role = request.role.parse::<AdministratorRole>();
    if let Err(problem) = &role {
        problems.push(Problem::general(format!("role: {problem}")));
    }
    if request.scopes.len() > limits::TOKEN_SCOPES_MAX {
        problems.push(Problem::general(format!("scopes: at most {} are allowed", limits::TOKEN_SCOPES_MAX)));
    }
    // Beyond as many as are allowed, nobody reads what is wrong with each.
    for scope in request.scopes.iter().take(limits::TOKEN_SCOPES_MAX) {
        if !known.contains(scope.as_str()) {
            let known: Vec<&str> = known.iter().copied().collect();
            problems.push(Problem::general(format!(
                "scopes: `{}` is none; there are {}",
                scope.escape_debug(),
                known.join(", ")
            )));
        }
    }
    if let Some(days) = request.days.filter(|days| !(1..=limits::TOKEN_DAYS_MAX).contains(days)) {
        problems.push(Problem::general(format!("days: {days} is outside 1 to {}", limits::TOKEN_DAYS_MAX)));
    }
    refuse(problems)?;
    Ok(role.expect("every problem was refused"))
}

fn view(row: ApiTokenRow) -> ApiTokenView {
    ApiTokenView {
        name: row.name,
        administrator: row.administrator,
        role: row.role.to_string(),
        scopes: row.scopes,
        made: row.made,
        expires: row.expires,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_token_is_asked_for_with_keeps_to_its_limits() {
        let request = |scope: &str, scopes: usize, days: u32| ApiTokenRequest {
            name: "ci".to_owned(),
            role: "viewer".to_owned(),
            scopes: vec![scope.to_owned(); scopes],
            days: Some(days),
        };
        let known = BTreeSet::from(["status"]);
        let check = |scopes: usize, days: u32, problem: Option<&str>| {
            let checked =
                super::check(&request("status", scopes, days), &known).map_err(|error| format!("{error:?}"));
            match problem {
                None => assert_eq!(checked, Ok(AdministratorRole::Viewer)),
                Some(problem) => {
                    assert!(checked.as_ref().is_err_and(|error| error.contains(problem)), "{checked:?}")
                }
            }
        };
        let (scopes, days) = (limits::TOKEN_SCOPES_MAX, limits::TOKEN_DAYS_MAX);
        check(scopes, days, None);
        check(0, 1, None);
        check(scopes + 1, days, Some("scopes: at most 64"));
        check(scopes, days + 1, Some("days: 3651 is outside 1 to 3650"));
        check(scopes, 0, Some("days: 0 is outside"));
        let refused =
            format!("{:?}", super::check(&request("moon", 1000 * scopes, days), &known).unwrap_err());
        assert_eq!(
            refused.matches("`moon` is none").count(),
            scopes,
            "problems are listed of a bounded number"
        );
    }
}
