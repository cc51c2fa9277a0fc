//! Bodies and deltas: how the files of a release are stored and sent.
//!
//! A body is one zstd frame. [`encode`] makes it, the same bytes for the same input and level;
//! [`decode`] turns it back into the file as a stream, in bounded memory, and only after the digest of the
//! stored bytes was verified. Where bodies are kept and how they travel is the depot's business; this crate
//! opens no file and no socket.
//!
//! A delta is what turns a file's predecessor into the file: [`encode_delta`] and [`decode_delta`].

mod body;
mod delta;
pub mod limits;

pub use body::{Body, DecodeError, Decoded, EncodeError, FileDigest, decode, encode};
pub use delta::{Control, Delta, DeltaError, DeltaOptions, ReadAt, Uncontrolled, decode_delta, encode_delta};
