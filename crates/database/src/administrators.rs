//! Administrators, sessions and API tokens.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use sqlx::Row;

use crate::error::{Error, Result};
use crate::policies::keep_drafts_of_removed;
use crate::{Connection, Db, SqlRow, Tx, count, json, number, time, to_json};

/// What an administrator may do. Each role includes the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AdministratorRole {
    /// Sees everything but administrators, the audit log and what confidential domains keep secret.
    Viewer,
    /// Publishes, edits the source list, domains and clients. No keys, no administrators.
    Operator,
    /// Everything.
    Admin,
}

impl AdministratorRole {
    /// All roles, the least first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Admin];
}

impl fmt::Display for AdministratorRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        })
    }
}

impl FromStr for AdministratorRole {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|role| role.to_string() == text)
            .ok_or_else(|| format!("`{}` is no role; viewer, operator and admin are", text.escape_debug()))
    }
}

/// What the identity provider states about somebody who signed in there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vouched {
    /// Which provider.
    pub issuer: String,
    /// Its permanent name for them.
    pub subject: String,
    /// The name that is shown.
    pub name: String,
    /// What they may.
    pub role: AdministratorRole,
}

/// An administrator of this server.
#[derive(Debug, Clone, PartialEq)]
pub struct AdministratorRow {
    /// Lower case.
    pub name: String,
    /// What they may.
    pub role: AdministratorRole,
    /// argon2id, as a PHC string.
    pub password: String,
    /// The next sign-in must set another password.
    pub one_time: bool,
    /// When they were added.
    pub made: Timestamp,
    /// When they last signed in.
    pub last_sign_in: Option<Timestamp>,
}

/// A session.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionRow {
    /// Hash of the cookie's value.
    pub token: String,
    /// Whose.
    pub whose: Whose,
    /// When it began.
    pub made: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
}

/// The owner of a session.
#[derive(Debug, Clone, PartialEq)]
pub enum Whose {
    /// An administrator of this server, by name; the role is the one that they have at each request.
    Administrator(String),
    /// Somebody who signed in at an identity provider.
    Vouched(Vouched),
}

impl Whose {
    /// The key of its rows. No administrator's name has a colon.
    fn key(&self) -> String {
        match self {
            Self::Administrator(name) => name.clone(),
            Self::Vouched(vouched) => format!("{VOUCHED}{}", vouched.subject),
        }
    }
}

/// Precedes a provider's subject where the name of an administrator stands otherwise.
const VOUCHED: &str = "oidc:";

/// An API token.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiTokenRow {
    /// Its name.
    pub name: String,
    /// Its hash.
    pub token: String,
    /// Whose; `None` if it was made on the server's own machine.
    pub administrator: Option<String>,
    /// What it may.
    pub role: AdministratorRole,
    /// The parts of the API that it is for; empty: all.
    pub scopes: Vec<String>,
    /// When it was made.
    pub made: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
}

impl Connection {
    /// One administrator.
    pub async fn administrator(&mut self, name: &str) -> Result<Option<AdministratorRow>> {
        let query = sqlx::query("SELECT * FROM administrators WHERE name = $1").bind(name);
        query.fetch_optional(self.sql()).await?.as_ref().map(administrator).transpose()
    }

    /// All administrators, in order of name.
    pub async fn administrators(&mut self) -> Result<Vec<AdministratorRow>> {
        let rows = sqlx::query("SELECT * FROM administrators ORDER BY name").fetch_all(self.sql()).await?;
        rows.iter().map(administrator).collect()
    }

    /// All tokens, in order of name.
    pub async fn api_tokens(&mut self) -> Result<Vec<ApiTokenRow>> {
        let rows = sqlx::query("SELECT * FROM api_tokens ORDER BY name").fetch_all(self.sql()).await?;
        rows.iter().map(token_row).collect()
    }
}

impl Db {
    /// One administrator.
    pub async fn administrator(&self, name: &str) -> Result<Option<AdministratorRow>> {
        self.connection().await?.administrator(name).await
    }

    /// All administrators, in order of name.
    pub async fn administrators(&self) -> Result<Vec<AdministratorRow>> {
        self.connection().await?.administrators().await
    }

    /// The session of a hash.
    pub async fn session(&self, token: &str) -> Result<Option<SessionRow>> {
        let query = sqlx::query("SELECT * FROM sessions WHERE token = $1").bind(token);
        query.fetch_optional(self.read()).await?.as_ref().map(session).transpose()
    }

    /// The token of a hash.
    pub async fn api_token(&self, token: &str) -> Result<Option<ApiTokenRow>> {
        let query = sqlx::query("SELECT * FROM api_tokens WHERE token = $1").bind(token);
        query.fetch_optional(self.read()).await?.as_ref().map(token_row).transpose()
    }

    /// All tokens, in order of name.
    pub async fn api_tokens(&self) -> Result<Vec<ApiTokenRow>> {
        self.connection().await?.api_tokens().await
    }
}

/// Adds or changes an administrator.
pub async fn put(tx: &mut Tx, row: &AdministratorRow) -> Result<()> {
    sqlx::query(
        "INSERT INTO administrators (name, role, password, one_time, made, last_sign_in) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (name) DO UPDATE SET role = excluded.role, \
         password = excluded.password, one_time = excluded.one_time, last_sign_in = excluded.last_sign_in",
    )
    .bind(&row.name)
    .bind(row.role.to_string())
    .bind(&row.password)
    .bind(i64::from(row.one_time))
    .bind(row.made.as_second())
    .bind(row.last_sign_in.map(Timestamp::as_second))
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Removes an administrator, with tokens and sessions. Drafts stay, under an owner that nobody becomes.
pub async fn delete(tx: &mut Tx, name: &str, now: Timestamp) -> Result<()> {
    delete_sessions(tx, name).await?;
    keep_drafts_of_removed(tx, name, now).await?;
    sqlx::query("DELETE FROM administrators WHERE name = $1").bind(name).execute(tx.sql()).await?;
    Ok(())
}

/// Begins a session, and ends those that are over or too many.
pub async fn insert_session(tx: &mut Tx, row: &SessionRow, at_once_max: u32) -> Result<()> {
    sqlx::query("DELETE FROM sessions WHERE expires <= $1")
        .bind(row.made.as_second())
        .execute(tx.sql())
        .await?;
    sqlx::query(
        "DELETE FROM sessions WHERE token IN (SELECT token FROM sessions WHERE administrator = $1 \
         ORDER BY made DESC LIMIT $2 OFFSET $3)",
    )
    .bind(row.whose.key())
    .bind(number(u64::MAX))
    .bind(i64::from(at_once_max.saturating_sub(1)))
    .execute(tx.sql())
    .await?;
    let vouched = match &row.whose {
        Whose::Administrator(_) => None,
        Whose::Vouched(vouched) => Some(vouched),
    };
    sqlx::query(
        "INSERT INTO sessions (token, administrator, role, issuer, name, made, expires) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(&row.token)
    .bind(row.whose.key())
    .bind(vouched.map(|vouched| vouched.role.to_string()))
    .bind(vouched.map(|vouched| &vouched.issuer))
    .bind(vouched.map(|vouched| &vouched.name))
    .bind(row.made.as_second())
    .bind(row.expires.as_second())
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Ends a session.
pub async fn delete_session(tx: &mut Tx, token: &str) -> Result<()> {
    sqlx::query("DELETE FROM sessions WHERE token = $1").bind(token).execute(tx.sql()).await?;
    Ok(())
}

/// Ends all sessions of an administrator.
pub async fn delete_sessions(tx: &mut Tx, administrator: &str) -> Result<()> {
    sqlx::query("DELETE FROM sessions WHERE administrator = $1")
        .bind(administrator)
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// Adds a token.
pub async fn insert_token(tx: &mut Tx, row: &ApiTokenRow) -> Result<()> {
    sqlx::query(
        "INSERT INTO api_tokens (name, token, administrator, role, scopes, made, expires) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(&row.name)
    .bind(&row.token)
    .bind(&row.administrator)
    .bind(row.role.to_string())
    .bind(to_json(&row.scopes))
    .bind(row.made.as_second())
    .bind(row.expires.as_second())
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Revokes a token.
pub async fn delete_token(tx: &mut Tx, name: &str) -> Result<()> {
    sqlx::query("DELETE FROM api_tokens WHERE name = $1").bind(name).execute(tx.sql()).await?;
    Ok(())
}

/// How many tokens there are.
pub async fn count_tokens(tx: &mut Tx) -> Result<u64> {
    Ok(count(sqlx::query_scalar("SELECT count(*) FROM api_tokens").fetch_one(tx.sql()).await?))
}

fn administrator(row: &SqlRow) -> Result<AdministratorRow> {
    Ok(AdministratorRow {
        name: row.get("name"),
        role: role(row.get("role"))?,
        password: row.get("password"),
        one_time: row.get::<i64, _>("one_time") != 0,
        made: time(row.get("made")),
        last_sign_in: row.get::<Option<i64>, _>("last_sign_in").map(time),
    })
}

fn session(row: &SqlRow) -> Result<SessionRow> {
    let key: String = row.get("administrator");
    let whose = match (key.strip_prefix(VOUCHED), row.get::<Option<String>, _>("issuer")) {
        (Some(subject), Some(issuer)) => Whose::Vouched(Vouched {
            issuer,
            subject: subject.to_owned(),
            name: row.get("name"),
            role: role(row.get("role"))?,
        }),
        _ => Whose::Administrator(key),
    };
    Ok(SessionRow {
        token: row.get("token"),
        whose,
        made: time(row.get("made")),
        expires: time(row.get("expires")),
    })
}

fn token_row(row: &SqlRow) -> Result<ApiTokenRow> {
    Ok(ApiTokenRow {
        name: row.get("name"),
        token: row.get("token"),
        administrator: row.get("administrator"),
        role: role(row.get("role"))?,
        scopes: json("token scopes", row.get("scopes"))?,
        made: time(row.get("made")),
        expires: time(row.get("expires")),
    })
}

fn role(text: &str) -> Result<AdministratorRole> {
    AdministratorRole::from_str(text).map_err(|reason| Error::Corrupt { what: "role", reason })
}
