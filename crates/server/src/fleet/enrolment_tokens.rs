//! Enrolment bundles and their tokens: made, listed, revoked.

use headwater_api::bundle::{ENROL_FORMAT, EnrolBundle, RepositoryRoots};
use headwater_api::v1::{EnrolBundleRequest, TokenView};
use headwater_identity::EnrolToken;
use headwater_policy::{Class, ClientId, ParseError, Repository};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use super::service::FleetService;
use crate::caller::Caller;
use crate::db::Connection;
use crate::db::enrolment_tokens::{self as rows, EnrolmentTokenRow};
use crate::error::{Error, Refusal, Result, key_failed};
use crate::limits;

impl FleetService {
    /// Makes an enrolment bundle with a token of its own. The token stands in it alone: here its digest is kept.
    ///
    /// # Errors
    /// Refusals for an unknown domain, an id that is none, and values outside their limits.
    pub async fn enrol_bundle(&self, request: EnrolBundleRequest, caller: &Caller) -> Result<EnrolBundle> {
        let now = caller.now;
        let uses = request.uses.unwrap_or(1);
        let seconds = request.expires_seconds.unwrap_or(limits::ENROL_EXPIRES_SECONDS_DEFAULT);
        check(&request, uses, seconds)?;
        let mut tx = self.db.begin().await?;
        let known = match &request.client {
            Some(id) => tx.client(id).await?,
            None => None,
        };
        // A client that comes back with a new key stays where it is, unless the request names another.
        let domain = request.domain.or(known.map(|row| row.domain)).unwrap_or_else(|| "root".to_owned());
        let domain = self.source_list.known_domain(&mut tx, &domain).await?.to_string();
        let token = EnrolToken::generate().map_err(key_failed("making a token"))?;
        let expires = now + SignedDuration::from_secs(seconds.into());
        let row = EnrolmentTokenRow {
            number: 0,
            digest: token.digest().to_string(),
            domain: domain.clone(),
            client: request.client,
            uses,
            uses_left: uses,
            made: now,
            expires,
        };
        rows::delete_ended(&mut tx, now).await?;
        if rows::how_many(&mut tx).await? >= limits::ENROL_TOKENS_MAX {
            return Err(Refusal::TooLarge {
                what: "the number of enrolment tokens".to_owned(),
                limit: limits::ENROL_TOKENS_MAX,
                unit: "tokens",
                hint: "revoke some, or give one token more uses",
            }
            .into());
        }
        let number = rows::insert(&mut tx, &row).await?;
        let made = json!({"number": number, "client": row.client, "uses": uses, "expires": expires});
        tx.commit(caller.audit_entry("enrol_token.make", &domain).after(made)).await?;
        tracing::info!(domain, uses, %expires, "enrolment token made");
        self.bundle_with(domain, row.client, token, expires).await
    }

    /// The tokens that still admit somebody, the newest first.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn tokens(&self, now: Timestamp) -> Result<Vec<TokenView>> {
        admitting(&mut self.db.connection().await?, now).await
    }

    /// Revokes a token: nobody enrols with it any more. Who has, stays.
    ///
    /// # Errors
    /// A refusal when there is none of that number.
    pub async fn revoke_token(&self, number: u64, caller: &Caller) -> Result<()> {
        let mut tx = self.db.begin().await?;
        if !rows::delete(&mut tx, number).await? {
            return Err(Refusal::NotFound {
                what: "enrolment token",
                name: number.to_string(),
                hint: "look at the list of tokens",
            }
            .into());
        }
        tx.commit(caller.audit_entry("enrol_token.revoke", number)).await?;
        tracing::info!(number, "enrolment token revoked");
        Ok(())
    }

    async fn bundle_with(
        &self,
        domain: String,
        client: Option<String>,
        token: EnrolToken,
        expires: Timestamp,
    ) -> Result<EnrolBundle> {
        let keys = self.fleet_keys();
        let current = self.source_list.current().await?;
        let root = |repository: Repository| {
            serde_json::from_slice(self.publishing.published(repository).root().bytes())
                .map_err(|error| Error::Corrupt { what: "root metadata", reason: error.to_string() })
        };
        Ok(EnrolBundle {
            format: ENROL_FORMAT,
            server_urls: self.fleet_urls(),
            domain,
            client,
            ca: keys.cas.iter().map(headwater_identity::CaCertificate::to_pem).collect(),
            encryption_key: keys.encryption_key.public().to_string(),
            response_signing_keys: vec![keys.response_signing_key.public().to_string()],
            roots: RepositoryRoots {
                policy: root(Repository::Policy)?,
                settings: root(Class::Settings.into())?,
                components: root(Class::Components.into())?,
                programs: root(Class::Programs.into())?,
            },
            token: Some(SecretString::from(token.to_text().expose_secret())),
            token_expires: Some(expires),
            policy: current.saved.document,
        })
    }
}

/// The tokens that still admit somebody, the newest first, as `db` has them.
pub(super) async fn admitting(db: &mut Connection, now: Timestamp) -> Result<Vec<TokenView>> {
    let view = |row: EnrolmentTokenRow| TokenView {
        number: row.number,
        domain: row.domain,
        client: row.client,
        uses: row.uses,
        uses_left: row.uses_left,
        made: row.made,
        expires: row.expires,
    };
    let rows = rows::all(db).await?;
    Ok(rows.into_iter().filter(|row| row.uses_left > 0 && row.expires > now).map(view).collect())
}

fn check(request: &EnrolBundleRequest, uses: u32, seconds: u32) -> std::result::Result<(), Refusal> {
    if !(1..=limits::ENROL_USES_MAX).contains(&uses) {
        return Err(Refusal::invalid(format!("uses: {uses} is outside 1 to {}", limits::ENROL_USES_MAX)));
    }
    let (min, max) = (limits::ENROL_EXPIRES_SECONDS_MIN, limits::ENROL_EXPIRES_SECONDS_MAX);
    if !(min..=max).contains(&seconds) {
        return Err(Refusal::invalid(format!("expires_seconds: {seconds} is outside {min} to {max}")));
    }
    if let Some(id) = &request.client {
        id.parse::<ClientId>().map_err(|error: ParseError| Refusal::invalid(format!("client: {error}")))?;
        if uses != 1 {
            return Err(Refusal::invalid("uses: a token for one client has one use; leave uses out"));
        }
    }
    Ok(())
}
