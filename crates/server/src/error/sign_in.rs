//! Why nobody was signed in: the provider's word is not taken, or there is none.

use crate::limits;

/// Why the word of the identity provider is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotVouched {
    /// The answer belongs to no sign-in that is under way.
    #[error(
        "this sign-in was not begun here, is over, or took more than {} minutes; begin again",
        limits::SIGN_IN_SECONDS / 60
    )]
    NotBegun,
    /// The cookie is not that of the browser which began.
    #[error(
        "this sign-in was begun in another browser or tab, or at another name of the console than the one that the \
         identity provider leads back to; begin again, by that name"
    )]
    OtherBrowser,
    /// The provider signed nobody in.
    #[error("the identity provider did not sign you in ({0}); try again, or ask its administrators")]
    Denied(String),
    /// There is no code in the answer.
    #[error("the identity provider sent no code back; begin again")]
    NoCode,
    /// The provider does not know the code that it gave out.
    #[error("the identity provider does not take the code that came back ({0}); begin again")]
    CodeRefused(String),
    /// The answer or its token comes from elsewhere.
    #[error(
        "the answer is not by the identity provider of [oidc]: {0}; begin again, and report it to an admin if it stays so"
    )]
    WrongIssuer(String),
    /// The token is for another program.
    #[error("the identity provider's token is not for this server: {0}; check client_id in [oidc]")]
    WrongAudience(String),
    /// The token is not for this sign-in.
    #[error("the identity provider's token is not for this sign-in (nonce); begin again")]
    WrongNonce,
    /// The token is too old.
    #[error(
        "the identity provider's token has expired; begin again, and check the clocks of both if it stays so"
    )]
    Expired,
    /// The token is from the future.
    #[error(
        "the identity provider's token is good only later ({0}); begin again, and check the clocks of both if it stays so"
    )]
    NotYet(String),
    /// No key of the provider made the signature.
    #[error("the identity provider's token is not signed by one of its keys: {0}; begin again")]
    WrongSignature(String),
    /// The token is signed by nobody, or in a way that others than the provider could have.
    #[error(
        "the identity provider's token is not signed in a way that is believed: {0}; have it sign with RS256 or ES256"
    )]
    WrongAlgorithm(String),
    /// What should be a token is none.
    #[error(
        "the identity provider's token cannot be read: {0}; report it to the administrators of the provider"
    )]
    BadToken(String),
    /// The claims give no role.
    #[error(
        "{who} is signed in at the identity provider, and {why} in [oidc.roles]; ask an admin of this server"
    )]
    NoRole {
        /// The person that the provider vouches for.
        who: String,
        /// What is wrong with the claim.
        why: String,
    },
}

impl NotVouched {
    /// What programs and the audit log call it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotBegun => "not_begun",
            Self::OtherBrowser => "other_browser",
            Self::Denied(_) => "denied",
            Self::NoCode => "no_code",
            Self::CodeRefused(_) => "code_refused",
            Self::WrongIssuer(_) => "wrong_issuer",
            Self::WrongAudience(_) => "wrong_audience",
            Self::WrongNonce => "wrong_nonce",
            Self::Expired => "expired",
            Self::NotYet(_) => "not_yet",
            Self::WrongSignature(_) => "wrong_signature",
            Self::WrongAlgorithm(_) => "wrong_algorithm",
            Self::BadToken(_) => "bad_token",
            Self::NoRole { .. } => "no_role",
        }
    }
}

/// Why the identity provider cannot be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderFault {
    /// It cannot be reached.
    #[error("the identity provider cannot be reached; sign in with a password, or try again later")]
    Down,
    /// It does not answer.
    #[error(
        "the identity provider has not answered within {} s; sign in with a password, or try again later",
        limits::PROVIDER_TIME_MAX.as_secs()
    )]
    Silent,
    /// Its answer is not one of an identity provider.
    #[error(
        "the identity provider answers what cannot be used: {0}; check [oidc], or sign in with a password"
    )]
    Broken(String),
}

impl ProviderFault {
    /// What programs call it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Down => "provider_down",
            Self::Silent => "provider_silent",
            Self::Broken(_) => "provider_broken",
        }
    }
}
