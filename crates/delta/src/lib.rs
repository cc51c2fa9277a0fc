//! Bodies and increments: how the files of a release are stored and sent.
//!
//! A body is one zstd frame. [`encode`] makes it, the same bytes for the same input and level;
//! [`decode`] turns it back into the file as a stream, in bounded memory, and only after the digest of the
//! stored bytes was verified. Where bodies are kept and how they travel is the depot's business; this crate
//! opens no file and no socket.
//!
//! An increment is what turns a file's predecessor into the file: [`encode_increment`] and [`decode_increment`].

mod body;
mod increment;
pub mod limits;

pub use body::{Body, DecodeError, Decoded, EncodeError, FileDigest, decode, encode};
pub use increment::{
    Control, Increment, IncrementError, IncrementOptions, ReadAt, Uncontrolled, decode_increment,
    encode_increment,
};
