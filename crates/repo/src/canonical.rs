//! The bytes that signatures cover: canonical JSON as The Update Framework means it (OLPC's).
//!
//! The verifying library's own encoder is used, so that signer and verifier cannot differ. Crate `olpc-cjson` is not,
//! because it puts strings into Unicode form NFC first, which neither that library nor python-tuf does: a target name
//! in another form would be signed by us and refused by everybody.

use serde::Serialize;

use crate::digest::Digest;

/// The canonical JSON of `value`, which must hold neither floats nor maps with keys other than strings.
pub(crate) fn canonical<T: Serialize>(value: &T) -> Vec<u8> {
    let value = serde_json::to_value(value).expect("our documents are plain JSON");
    sigstore_tuf::canonical_json::to_canonical_bytes(&value).expect("our documents hold no floats")
}

/// The digest of the canonical JSON of `value`.
pub(crate) fn canonical_digest<T: Serialize>(value: &T) -> Digest {
    Digest::of(&canonical(value))
}
