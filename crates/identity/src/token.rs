//! The token by which clients enrol (I3). How often one may be used is the server's to count.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::error::IdentityError;

const PREFIX: &str = "hwt_";

/// A random number of 256 bits. As text: `hwt_` and 43 characters. It cannot be printed; the server keeps its digest.
#[derive(Clone)]
pub struct EnrolToken(Zeroizing<[u8; 32]>);

/// What the server keeps of a token: its SHA-256. As text: 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenDigest([u8; 32]);

impl EnrolToken {
    /// Makes a new token.
    ///
    /// # Errors
    ///
    /// [`IdentityError::NoRandomness`].
    pub fn generate() -> Result<Self, IdentityError> {
        let mut bytes = Zeroizing::new([0; 32]);
        aws_lc_rs::rand::fill(bytes.as_mut_slice()).map_err(|_| IdentityError::NoRandomness)?;
        Ok(Self(bytes))
    }

    /// What the server keeps of it.
    pub fn digest(&self) -> TokenDigest {
        TokenDigest(digest(&SHA256, self.0.as_slice()).as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }

    /// The token as text, for the enrolment bundle and the sealed request.
    pub fn to_text(&self) -> SecretString {
        SecretString::from(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(self.0.as_slice())))
    }
}

impl FromStr for EnrolToken {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        let unreadable =
            IdentityError::Unreadable { wanted: "an enrolment token (`hwt_` and 43 characters)" };
        let encoded =
            text.strip_prefix(PREFIX).filter(|rest| rest.len() == 43).ok_or_else(|| unreadable.clone())?;
        let mut bytes = Zeroizing::new([0; 32]);
        let length =
            URL_SAFE_NO_PAD.decode_slice(encoded, bytes.as_mut_slice()).map_err(|_| unreadable.clone())?;
        if length == bytes.len() { Ok(Self(bytes)) } else { Err(unreadable) }
    }
}

impl fmt::Debug for EnrolToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EnrolToken(…)")
    }
}

impl fmt::Display for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}
