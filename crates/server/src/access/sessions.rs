//! Signing in (I4): a password or the identity provider's word becomes a random token in a cookie, stored hashed.

use headwater_api::v1::SessionView;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::attempts::{FailureRecord, Key};
use super::service::AccessService;
use crate::caller::{Actor, Caller, SignedIn, Vouched};
use crate::client_network::client_network;
use crate::db::administrators::{self as rows, AdministratorRow, SessionRow, Whose};
use crate::error::{Refusal, Result};
use crate::limits;
use crate::secret;

impl AccessService {
    /// Who has this session. The role is that of the administrator now.
    ///
    /// # Errors
    /// [`Refusal::NotSignedIn`].
    pub async fn who_has_session(&self, cookie: &SecretString, now: Timestamp) -> Result<SignedIn> {
        let row = self.db.session(&secret::hash(cookie)).await?.filter(|row| now < row.expires);
        let row = row.ok_or(Refusal::NotSignedIn)?;
        match row.whose {
            Whose::Administrator(name) => {
                let role = self.db.administrator(&name).await?.ok_or(Refusal::NotSignedIn)?.role;
                Ok(SignedIn::whole(Actor::Administrator(name), role))
            }
            // The word of a provider that is no longer asked no longer counts.
            Whose::Vouched(vouched) if self.asks(&vouched.issuer) => {
                Ok(SignedIn::whole(Actor::from(&vouched), vouched.role))
            }
            Whose::Vouched(_) => Err(Refusal::NotSignedIn.into()),
        }
    }

    /// Signs an administrator in; returns the session's token.
    ///
    /// # Errors
    /// Refusals for a wrong name or password (never which of them), one that is good for one sign-in without another
    /// to follow it, and for who tries too often.
    pub async fn sign_in(
        &self,
        name: &str,
        password: &SecretString,
        new_password: Option<&SecretString>,
        caller: &Caller,
    ) -> Result<(SecretString, SessionView)> {
        let row = self.prove(name, password, caller).await?;
        if row.one_time && new_password.is_none() {
            return Err(Refusal::OneTimePassword.into());
        }
        let stored = match new_password {
            Some(new) if new.expose_secret() == password.expose_secret() => {
                return Err(Refusal::invalid("new_password: it is the old one; choose another").into());
            }
            Some(new) => Some(self.hash_password(new).await?),
            None => None,
        };
        let _change = self.change().await;
        let mut tx = self.db.begin().await?;
        let row = still(&mut tx, row).await?;
        let role = row.role;
        let changed = stored.is_some();
        if changed {
            rows::delete_sessions(&mut tx, &row.name).await?;
        }
        let row = AdministratorRow {
            password: stored.unwrap_or(row.password),
            one_time: row.one_time && !changed,
            last_sign_in: Some(caller.now),
            ..row
        };
        rows::put(&mut tx, &row).await?;
        let caller = Caller { actor: Actor::Administrator(row.name.clone()), role, ..caller.clone() };
        let token = begin(&mut tx, Whose::Administrator(row.name.clone()), caller.now).await?;
        let audit_entry =
            caller.audit_entry("session.begin", &row.name).after(json!({"password_changed": changed}));
        tx.commit(audit_entry).await?;
        Ok((token, SessionView { name: row.name, role: role.to_string() }))
    }

    /// Begins a session of a person that the identity provider vouches for.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn sign_in_vouched(
        &self,
        vouched: Vouched,
        caller: &Caller,
    ) -> Result<(SecretString, SessionView)> {
        let caller = Caller { actor: Actor::from(&vouched), role: vouched.role, ..caller.clone() };
        let view = SessionView { name: caller.actor.to_string(), role: vouched.role.to_string() };
        let issued = json!({"issuer": vouched.issuer, "role": view.role});
        let mut tx = self.db.begin().await?;
        let token = begin(&mut tx, Whose::Vouched(vouched), caller.now).await?;
        tx.commit(caller.audit_entry("session.begin", &caller.actor).after(issued)).await?;
        Ok((token, view))
    }

    /// Ends a session.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn sign_out(&self, cookie: &SecretString, caller: &Caller) -> Result<()> {
        let mut tx = self.db.begin().await?;
        rows::delete_session(&mut tx, &secret::hash(cookie)).await?;
        Ok(tx.commit(caller.audit_entry("session.end", &caller.actor)).await?)
    }

    /// Sets one's own password; every session of one's own ends.
    ///
    /// # Errors
    /// Refusals for a wrong password, one that will not do, and for a caller that has none here.
    pub async fn change_password(
        &self,
        password: &SecretString,
        new: &SecretString,
        caller: &Caller,
    ) -> Result<()> {
        let Actor::Administrator(name) = &caller.actor else {
            return Err(Refusal::NotThisWay(
                "only who is signed in has a password to change; an admin sets another's with set-password",
            )
            .into());
        };
        let row = self.prove(name, password, caller).await?;
        let stored = self.hash_password(new).await?;
        let _change = self.change().await;
        let mut tx = self.db.begin().await?;
        let row = still(&mut tx, row).await?;
        rows::put(&mut tx, &AdministratorRow { password: stored, one_time: false, ..row }).await?;
        rows::delete_sessions(&mut tx, name).await?;
        Ok(tx.commit(caller.audit_entry("administrator.change_password", name)).await?)
    }

    /// The administrator whose name and password these are, within what may be tried.
    async fn prove(&self, name: &str, password: &SecretString, caller: &Caller) -> Result<AdministratorRow> {
        let name = name.trim().to_lowercase();
        let keys =
            [Key::Account(name.chars().take(100).collect()), Key::Address(client_network(&caller.from))];
        // The wait is asked for and the attempt counted in one step: of many at once only few are tried.
        {
            let mut attempts = self.attempts.lock().expect("nobody panics while holding this lock");
            if let Some(seconds) = attempts.wait(&keys, caller.now) {
                return Err(Refusal::TooManyAttempts { seconds }.into());
            }
            attempts.fail(&keys, caller.now);
        }
        let row = self.db.administrator(&name).await?;
        let stored = row.as_ref().map(|row| row.password.clone());
        if self.is_password(password, stored).await? {
            let mut attempts = self.attempts.lock().expect("nobody panics while holding this lock");
            attempts.succeed(&keys);
            return row.ok_or_else(|| Refusal::WrongPassword.into());
        }
        // A name that nobody has may be a password in the wrong field: it is not written down.
        let who = row.map_or_else(|| "a name that nobody has".to_owned(), |row| row.name);
        self.record_failure(caller, &who, Value::Null).await?;
        Err(Refusal::WrongPassword.into())
    }

    /// Records a failed attempt, within what the log may grow by in an hour.
    pub(crate) async fn record_failure(&self, caller: &Caller, who: &str, why: Value) -> Result<()> {
        let recorded = self.failures.lock().expect("nobody panics while holding this lock").fail(caller.now);
        let audit_entry = Caller { actor: Actor::Anonymous, ..caller.clone() };
        let who = match recorded {
            FailureRecord::This => who,
            FailureRecord::NoMore => "many; those of the rest of this hour are not recorded",
            FailureRecord::Nothing => return Ok(()),
        };
        self.record(audit_entry.audit_entry("session.refuse", who).after(why)).await
    }
}

/// The administrator as they are now, whose password was proven before it was one's turn: it may have been changed
/// since, they removed, or their role taken.
async fn still(tx: &mut crate::db::Tx, proven: AdministratorRow) -> Result<AdministratorRow> {
    let now = tx.administrator(&proven.name).await?;
    let same = now.filter(|now| now.password == proven.password);
    Ok(same.ok_or(Refusal::WrongPassword)?)
}

async fn begin(tx: &mut crate::db::Tx, whose: Whose, now: Timestamp) -> Result<SecretString> {
    let token = secret::random("");
    let session =
        SessionRow { token: secret::hash(&token), made: now, expires: now + session_life(&whose), whose };
    rows::insert_session(tx, &session, limits::SESSIONS_PER_ADMINISTRATOR_MAX).await?;
    Ok(token)
}

fn session_life(whose: &Whose) -> SignedDuration {
    SignedDuration::from_hours(match whose {
        Whose::Administrator(_) => limits::SESSION_HOURS,
        Whose::Vouched(_) => limits::VOUCHED_SESSION_HOURS,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::Db;

    #[tokio::test]
    async fn the_oldest_session_ends_when_one_more_begins_than_there_may_be() {
        let folder = tempfile::tempdir().unwrap();
        let key = crate::secret::load_or_make_audit_key(&folder.path().join("audit.key")).unwrap();
        let db = Db::open(&folder.path().join("server.db"), key).await.unwrap();
        let mut tokens = Vec::new();
        for second in 0..=i64::from(limits::SESSIONS_PER_ADMINISTRATOR_MAX) {
            let oldest_there = match tokens.first() {
                Some(first) => db.session(&secret::hash(first)).await.unwrap().is_some(),
                None => true,
            };
            assert!(oldest_there, "{second} sessions began");
            let mut tx = db.begin().await.unwrap();
            let now = Timestamp::from_second(second).unwrap();
            tokens.push(begin(&mut tx, Whose::Administrator("ann".to_owned()), now).await.unwrap());
            tx.commit(Caller::server(now).audit_entry("session.begin", "ann")).await.unwrap();
        }
        let (first, rest) = tokens.split_first().unwrap();
        assert_eq!(db.session(&secret::hash(first)).await.unwrap(), None);
        for token in rest {
            assert!(db.session(&secret::hash(token)).await.unwrap().is_some());
        }
    }
}
