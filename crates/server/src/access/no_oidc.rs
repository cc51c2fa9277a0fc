//! In place of `oidc` where the program is built without it: there is no identity provider. A configuration that names
//! one is refused when it is read.

use std::convert::Infallible;

use headwater_api::v1::VouchedQuery;
use jiff::Timestamp;
use secrecy::SecretString;
use url::Url;

use crate::caller::{Caller, Vouched};
use crate::config::Config;
use crate::error::{Refusal, Result};

/// The identity provider that there is not.
#[derive(Debug)]
pub struct Oidc(Infallible);

impl Oidc {
    /// Always `None`.
    pub fn open(_: &Config) -> Result<Option<Self>> {
        Ok(None)
    }

    pub fn is_issuer(&self, _: &str) -> bool {
        match self.0 {}
    }

    pub async fn begin(&self, _: String, _: Timestamp) -> Result<(Url, SecretString)> {
        match self.0 {}
    }

    pub async fn vouched(
        &self,
        _: VouchedQuery,
        _: Option<&SecretString>,
        _: &Caller,
    ) -> std::result::Result<Vouched, Refusal> {
        match self.0 {}
    }
}
