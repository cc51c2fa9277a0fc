//! Signed envelopes: what a client states and what the server answers, independent of the carrier (I3, U5).
//!
//! The body is text and is signed as it stands, so that nothing depends on how two programs write JSON. What is signed
//! begins with words that distinguish a statement from an answer, and holds the kind, the client and the number: a signature is
//! good for one of them only. Whether a number was seen before is for the keeper of the numbers to check.

use std::str::FromStr as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use headwater_policy::ClientId;
use serde::{Deserialize, Serialize};

use crate::error::{IdentityError, StatementVerifyError};
use crate::keys::{ClientKey, PublicKey, ResponseSigningKey};
use crate::limits::{BODY_LENGTH_MAX, RESPONSE_SIGNING_KEYS_FORMER_MAX};
use crate::statement_kind::StatementKind;

/// The current format of [`Statement`] and [`Answer`].
pub const FORMAT: u32 = 1;

/// A client's signed envelope, as it travels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement(Envelope);

/// The server's signed envelope, as it travels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer(Envelope);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Envelope {
    format: u32,
    client: String,
    kind: StatementKind,
    sequence: u64,
    body: String,
    signature: String,
    /// The same, signed by keys that were replaced: for clients that trust only these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    also: Vec<String>,
}

/// A statement that its client signed; only [`Statement::verify`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedStatement {
    client: ClientId,
    kind: StatementKind,
    sequence: u64,
    body: String,
}

/// An answer that the server signed, to what was asked; only [`Answer::verify`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedAnswer {
    body: String,
}

impl Statement {
    /// Signs a statement.
    ///
    /// # Errors
    ///
    /// [`IdentityError::Oversized`], [`IdentityError::NoRandomness`].
    pub fn sign(
        key: &ClientKey,
        client: &ClientId,
        kind: StatementKind,
        sequence: u64,
        body: String,
    ) -> Result<Self, IdentityError> {
        Envelope::sign(Maker::Client, key, client, kind, sequence, body).map(Self)
    }

    /// Whose statement it claims to be, to find the key to verify it with. Do not trust it before that.
    pub fn claimed_client(&self) -> Option<ClientId> {
        ClientId::from_str(&self.0.client).ok()
    }

    /// The number it claims to have. Do not trust it before it is verified.
    pub fn claimed_sequence(&self) -> u64 {
        self.0.sequence
    }

    /// Its body, to find a key in it to verify it with. Do not trust it before that.
    pub fn claimed_body(&self) -> &str {
        &self.0.body
    }

    /// Verifies that `client`, who has `key`, stated it, as this kind.
    ///
    /// # Errors
    ///
    /// [`StatementVerifyError`].
    pub fn verify(
        self,
        client: &ClientId,
        key: &PublicKey,
        kind: StatementKind,
    ) -> Result<VerifiedStatement, StatementVerifyError> {
        let envelope = self.0.verify(Maker::Client, client, std::slice::from_ref(key), kind)?;
        Ok(VerifiedStatement {
            client: client.clone(),
            kind,
            sequence: envelope.sequence,
            body: envelope.body,
        })
    }
}

impl VerifiedStatement {
    /// Who stated it.
    pub fn client(&self) -> &ClientId {
        &self.client
    }

    /// What kind it is.
    pub fn kind(&self) -> StatementKind {
        self.kind
    }

    /// Its number among the client's statements of this kind.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Its body, JSON.
    pub fn body(&self) -> &str {
        &self.body
    }
}

impl Answer {
    /// Signs an answer to a client's statement of that kind and number.
    ///
    /// # Errors
    ///
    /// [`IdentityError::Oversized`], [`IdentityError::NoRandomness`].
    pub fn sign(
        key: &ResponseSigningKey,
        client: &ClientId,
        kind: StatementKind,
        sequence: u64,
        body: String,
    ) -> Result<Self, IdentityError> {
        Envelope::sign(Maker::Server, key, client, kind, sequence, body).map(Self)
    }

    /// Signs the same by keys that were replaced, too: for clients that have not learnt of the newer one yet. More than
    /// [`RESPONSE_SIGNING_KEYS_FORMER_MAX`] are left out.
    ///
    /// # Errors
    ///
    /// [`IdentityError::NoRandomness`].
    pub fn also_by<'a>(
        mut self,
        keys: impl Iterator<Item = &'a ResponseSigningKey>,
    ) -> Result<Self, IdentityError> {
        let Envelope { client, kind, sequence, body, .. } = &self.0;
        let bytes = signed_bytes(Maker::Server, client, *kind, *sequence, body);
        for key in keys.take(RESPONSE_SIGNING_KEYS_FORMER_MAX) {
            let signature = STANDARD.encode(key.sign(&bytes)?);
            self.0.also.push(signature);
        }
        Ok(self)
    }

    /// Verifies that the server, by one of its response-signing keys, answered this client's statement of that kind and
    /// number.
    ///
    /// # Errors
    ///
    /// [`StatementVerifyError`].
    pub fn verify(
        self,
        keys: &[PublicKey],
        client: &ClientId,
        kind: StatementKind,
        sequence: u64,
    ) -> Result<VerifiedAnswer, StatementVerifyError> {
        let envelope = self.0.verify(Maker::Server, client, keys, kind)?;
        if envelope.sequence != sequence {
            return Err(StatementVerifyError::Sequence { wanted: sequence, found: envelope.sequence });
        }
        Ok(VerifiedAnswer { body: envelope.body })
    }
}

impl VerifiedAnswer {
    /// Its body, JSON.
    pub fn body(&self) -> &str {
        &self.body
    }
}

/// Who made an envelope: the first words of what is signed.
#[derive(Debug, Clone, Copy)]
enum Maker {
    Client,
    Server,
}

impl Envelope {
    fn sign(
        maker: Maker,
        key: &crate::keys::SecretKey,
        client: &ClientId,
        kind: StatementKind,
        sequence: u64,
        body: String,
    ) -> Result<Self, IdentityError> {
        if body.len() > BODY_LENGTH_MAX {
            return Err(IdentityError::Oversized { what: "the body of a statement", max: BODY_LENGTH_MAX });
        }
        let signature = key.sign(&signed_bytes(maker, client.as_str(), kind, sequence, &body))?;
        let signature = STANDARD.encode(signature);
        Ok(Self {
            format: FORMAT,
            client: client.to_string(),
            kind,
            sequence,
            body,
            signature,
            also: Vec::new(),
        })
    }

    fn verify(
        self,
        maker: Maker,
        client: &ClientId,
        keys: &[PublicKey],
        kind: StatementKind,
    ) -> Result<Self, StatementVerifyError> {
        if self.format != FORMAT {
            return Err(StatementVerifyError::Format(self.format));
        }
        if self.body.len() > BODY_LENGTH_MAX {
            return Err(StatementVerifyError::Oversized(BODY_LENGTH_MAX));
        }
        if self.kind != kind {
            return Err(StatementVerifyError::Kind { wanted: kind, found: self.kind });
        }
        if self.client != client.as_str() {
            let found = self.client.chars().take(80).collect::<String>().escape_debug().to_string();
            return Err(StatementVerifyError::Client { wanted: client.clone(), found });
        }
        let bytes = signed_bytes(maker, &self.client, kind, self.sequence, &self.body);
        let signatures =
            std::iter::once(&self.signature).chain(self.also.iter().take(RESPONSE_SIGNING_KEYS_FORMER_MAX));
        let is_by_one = |text: &String| {
            let signature = STANDARD.decode(text);
            signature.is_ok_and(|signature| keys.iter().any(|key| key.verifies(&bytes, &signature)))
        };
        if signatures.into_iter().any(is_by_one) { Ok(self) } else { Err(StatementVerifyError::Signature) }
    }
}

/// What is signed: every part with its length before it, so that no two envelopes have the same bytes.
fn signed_bytes(maker: Maker, client: &str, kind: StatementKind, sequence: u64, body: &str) -> Vec<u8> {
    let domain = match maker {
        Maker::Client => "headwater statement, format 1",
        Maker::Server => "headwater answer, format 1",
    };
    let mut bytes = Vec::with_capacity(body.len() + 128);
    for part in [domain, client, &kind.to_string(), &sequence.to_string(), body] {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes
}
