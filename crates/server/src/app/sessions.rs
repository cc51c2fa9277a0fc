//! Sessions of browsers (I4): a random token in a cookie, stored hashed.

use jiff::Timestamp;

use super::App;
use crate::access::{Actor, SignedIn};
use crate::error::{Refusal, Result};
use crate::secret::Secret;

impl App {
    /// Who has this session. The role is that of the administrator now.
    ///
    /// # Errors
    /// [`Refusal::NotSignedIn`].
    pub async fn who_has_session(&self, cookie: &Secret, now: Timestamp) -> Result<SignedIn> {
        let row = self.db.session(&cookie.hash()).await?.filter(|row| now < row.expires);
        let row = row.ok_or(Refusal::NotSignedIn)?;
        let role = match row.role {
            Some(role) => role,
            None => {
                let administrator = self.db.administrator(&row.administrator).await?;
                administrator
                    .filter(|administrator| !administrator.one_time)
                    .ok_or(Refusal::NotSignedIn)?
                    .role
            }
        };
        Ok(SignedIn::whole(Actor::Administrator(row.administrator), role))
    }
}
