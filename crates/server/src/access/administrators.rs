//! Administrators of this server (I4): added, listed, removed, given roles and passwords.

use headwater_api::v1::{AdministratorRequest, AdministratorView};
use headwater_policy::Problem;
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::json;

use super::service::AccessService;
use crate::caller::{AdministratorRole, Caller};
use crate::db::administrators::{self as rows, AdministratorRow};
use crate::db::{Connection, Tx};
use crate::error::{Error, Refusal, Result};
use crate::limits;
use crate::request::refuse;
use crate::secret;

/// Who is made at the first start.
const FIRST: &str = "admin";

impl AccessService {
    /// Makes the first administrator where there is none; the password, which is good for one sign-in, waits for
    /// [`Self::take_first_password`].
    pub(crate) async fn make_first_administrator(&self, now: Timestamp) -> Result<()> {
        if !self.db.administrators().await?.is_empty() {
            return Ok(());
        }
        let (password, stored) = self.new_password().await?;
        let tx = self.db.begin().await?;
        insert(tx, FIRST.to_owned(), AdministratorRole::Admin, stored, &Caller::server(now)).await?;
        *self.first_password.lock().expect("nobody panics while holding this lock") = Some(password);
        Ok(())
    }

    /// All administrators.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn administrators(&self) -> Result<Vec<AdministratorView>> {
        Ok(self.db.administrators().await?.into_iter().map(view).collect())
    }

    /// Adds an administrator, with a password that is good for one sign-in.
    ///
    /// # Errors
    /// Refusals for a name or role that will not do, and a name that is taken.
    pub async fn add_administrator(
        &self,
        request: AdministratorRequest,
        caller: &Caller,
    ) -> Result<(AdministratorView, SecretString)> {
        let mut problems = Vec::new();
        if let Err(problem) = check_name(&request.name) {
            problems.push(Problem::general(format!("name: {problem}")));
        }
        let role = request.role.parse::<AdministratorRole>();
        if let Err(problem) = &role {
            problems.push(Problem::general(format!("role: {problem}")));
        }
        refuse(problems)?;
        let role = role.expect("every problem was refused");
        let (password, stored) = self.new_password().await?;
        let _change = self.change().await;
        let mut tx = self.db.begin().await?;
        let known = tx.administrators().await?;
        if known.iter().any(|row| row.name == request.name) {
            let hint = "take another name, or set this one's role or password";
            return Err(Refusal::Exists { what: "administrator", name: request.name, hint }.into());
        }
        if known.len() as u64 >= limits::ADMINISTRATORS_MAX {
            return Err(Refusal::TooLarge {
                what: "the number of administrators".to_owned(),
                limit: limits::ADMINISTRATORS_MAX,
                unit: "administrators",
                hint: "remove those who are gone",
            }
            .into());
        }
        let row = insert(tx, request.name, role, stored, caller).await?;
        Ok((view(row), password))
    }

    /// Removes an administrator, with sessions and tokens.
    ///
    /// # Errors
    /// Refusals when there is none of that name, and for the last admin.
    pub async fn remove_administrator(&self, name: &str, caller: &Caller) -> Result<()> {
        let _change = self.change().await;
        let mut tx = self.db.begin().await?;
        let row = known_administrator(&mut tx, name).await?;
        keep_an_admin(&mut tx, &row).await?;
        rows::delete(&mut tx, name, caller.now).await?;
        let details = json!({"role": row.role.to_string()});
        Ok(tx.commit(caller.audit_entry("administrator.remove", name).before(details)).await?)
    }

    /// Gives an administrator another role, from the next request on.
    ///
    /// # Errors
    /// Refusals when there is none of that name, for an unknown role, and for the last admin.
    pub async fn set_administrator_role(
        &self,
        name: &str,
        role: &str,
        caller: &Caller,
    ) -> Result<AdministratorView> {
        let role: AdministratorRole =
            role.parse().map_err(|problem| Refusal::invalid(format!("role: {problem}")))?;
        let _change = self.change().await;
        let mut tx = self.db.begin().await?;
        let row = known_administrator(&mut tx, name).await?;
        if role != AdministratorRole::Admin {
            keep_an_admin(&mut tx, &row).await?;
        }
        let before = json!({"role": row.role.to_string()});
        let row = AdministratorRow { role, ..row };
        rows::put(&mut tx, &row).await?;
        let audit_entry = caller.audit_entry("administrator.set_role", name).before(before);
        tx.commit(audit_entry.after(json!({"role": role.to_string()}))).await?;
        Ok(view(row))
    }

    /// Gives an administrator another password, good for one sign-in; every session ends.
    ///
    /// # Errors
    /// A refusal when there is none of that name.
    pub async fn reset_password(
        &self,
        name: &str,
        caller: &Caller,
    ) -> Result<(AdministratorView, SecretString)> {
        known_administrator(&mut self.db.connection().await?, name).await?;
        let (password, stored) = self.new_password().await?;
        let _change = self.change().await;
        let mut tx = self.db.begin().await?;
        let row = known_administrator(&mut tx, name).await?;
        let row = AdministratorRow { password: stored, one_time: true, ..row };
        rows::put(&mut tx, &row).await?;
        rows::delete_sessions(&mut tx, name).await?;
        tx.commit(caller.audit_entry("administrator.set_password", name)).await?;
        Ok((view(row), password))
    }

    /// A random password, and what is stored of it: made before the change begins, because it takes a while.
    async fn new_password(&self) -> Result<(SecretString, String)> {
        let password = secret::random_password();
        let stored = self.hash_password(&password).await?;
        Ok((password, stored))
    }
}

async fn insert(
    mut tx: Tx,
    name: String,
    role: AdministratorRole,
    password: String,
    caller: &Caller,
) -> Result<AdministratorRow> {
    let row = AdministratorRow { name, role, password, one_time: true, made: caller.now, last_sign_in: None };
    rows::put(&mut tx, &row).await?;
    let details = json!({"role": role.to_string()});
    tx.commit(caller.audit_entry("administrator.add", &row.name).after(details)).await?;
    Ok(row)
}

async fn known_administrator(db: &mut Connection, name: &str) -> Result<AdministratorRow> {
    db.administrator(name).await?.ok_or_else(|| {
        let name = name.escape_debug().to_string();
        let hint = "look at the list of administrators";
        Error::from(Refusal::NotFound { what: "administrator", name, hint })
    })
}

async fn keep_an_admin(db: &mut Connection, row: &AdministratorRow) -> Result<()> {
    let others = db.administrators().await?;
    let other = |other: &AdministratorRow| other.role == AdministratorRole::Admin && other.name != row.name;
    if row.role == AdministratorRole::Admin && !others.iter().any(other) {
        return Err(Refusal::LastAdmin(row.name.clone()).into());
    }
    Ok(())
}

/// Why a name will not do, or nothing.
pub(crate) fn check_name(name: &str) -> std::result::Result<(), String> {
    let max = limits::ADMINISTRATOR_NAME_CHARS_MAX;
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.@".contains(c);
    if name.is_empty() || name.len() > max || !name.chars().all(fits) {
        let name = name.escape_debug();
        return Err(format!("`{name}` is not valid: use 1 to {max} lower-case letters, digits and -_.@"));
    }
    Ok(())
}

fn view(row: AdministratorRow) -> AdministratorView {
    AdministratorView {
        name: row.name,
        role: row.role.to_string(),
        one_time: row.one_time,
        made: row.made,
        last_sign_in: row.last_sign_in,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_of_few_letters() {
        let max = limits::ADMINISTRATOR_NAME_CHARS_MAX;
        let check = |name: &str, taken: bool| assert_eq!(check_name(name).is_ok(), taken, "{name}");
        check("", false);
        check("ann@example.com", true);
        check("Ann", false);
        check(&"a".repeat(max), true);
        check(&"a".repeat(max + 1), false);
    }
}
