//! One file as what changed since another: the two calls, and what they promise.
//!
//! An increment is small where [`crate::Body`] is not: it names the bytes of the file's predecessor, the *base*.
//! Like a body it is described by a [`Body`] in a signed manifest, is verified whole before it is decoded, decodes
//! as a stream in bounded memory, and gives the file that was signed or an error.

use std::io::{self, Read, Seek, SeekFrom, Write};

use aws_lc_rs::digest::{SHA256, digest};

use crate::body::{Body, DecodeError, Decoded, read_some, verify_stored};
use crate::limits::{CHUNK, INCREMENT_FILE_MAX, INCREMENT_MEMORY_MAX, MEMORY_OVERHEAD};

/// The base of an increment, read where the decoder wants it: a file, or bytes in memory.
pub trait ReadAt {
    /// Bytes there are.
    fn size(&self) -> io::Result<u64>;

    /// Fills `bytes` from `offset` on; fewer bytes than that is an error.
    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()>;
}

impl ReadAt for [u8] {
    fn size(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let from = usize::try_from(offset).ok().and_then(|start| self.get(start..));
        let part = from.and_then(|from| from.get(..bytes.len()));
        bytes.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// What an encoder may cost its decoders and itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IncrementOptions {
    /// Bytes of memory that decoding may take, at most.
    pub memory_max: u64,
    /// Bytes of the full body: an increment that is not smaller is none.
    pub size_max: u64,
}

impl IncrementOptions {
    /// What any client can decode, and is worth having beside a body of `full_size` bytes.
    #[must_use]
    pub fn beside(full_size: u64) -> Self {
        Self { memory_max: INCREMENT_MEMORY_MAX, size_max: full_size }
    }
}

/// How a long encoding hears that it is not wanted any more, and tells how far it is.
pub trait Control {
    /// Whether to stop; asked at least some times a second.
    fn cancelled(&self) -> bool;

    /// `done` of 1000 parts are done. Never goes back.
    fn progress(&self, done: u32);
}

/// A control that never stops and hears nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Uncontrolled;

impl Control for Uncontrolled {
    fn cancelled(&self) -> bool {
        false
    }

    fn progress(&self, _done: u32) {}
}

/// An increment, made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Increment {
    /// What to store and send.
    pub bytes: Vec<u8>,
    /// What the manifest says of it.
    pub body: Body,
}

/// An increment could not be made.
#[derive(Debug, thiserror::Error)]
pub enum IncrementError {
    /// The control said so.
    #[error("making an increment was stopped")]
    Cancelled,
    /// The compressor failed.
    #[error("making an increment failed")]
    Io(#[from] io::Error),
}

/// Makes the increment from `base` to `new`; none, when it would not be smaller than the full body or would take
/// more than is allowed.
///
/// The same input and options give the same bytes.
pub fn encode_increment(
    base: &[u8],
    new: &[u8],
    options: &IncrementOptions,
    control: &dyn Control,
) -> Result<Option<Increment>, IncrementError> {
    let memory = base.len() as u64 + new.len() as u64 + MEMORY_OVERHEAD;
    if base.len().max(new.len()) as u64 > INCREMENT_FILE_MAX || memory > options.memory_max {
        return Ok(None);
    }
    let mut encoder = zstd::stream::write::Encoder::with_ref_prefix(Vec::new(), 19, base)?;
    encoder.long_distance_matching(true)?;
    encoder.window_log(u64::BITS - (memory.leading_zeros()))?;
    for chunk in new.chunks(CHUNK) {
        if control.cancelled() {
            return Err(IncrementError::Cancelled);
        }
        encoder.write_all(chunk)?;
    }
    let bytes = encoder.finish()?;
    let size = bytes.len() as u64;
    control.progress(1000);
    if size >= options.size_max {
        return Ok(None);
    }
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(digest(&SHA256, &bytes).as_ref());
    Ok(Some(Increment { bytes, body: Body { sha256, size, memory } }))
}

/// Verifies `stored` against `body`, then writes the file it makes of `base`, which must be `file`.
///
/// Never writes more than `file.size` bytes, never takes more than `memory_max` bytes. On an error what was written
/// to `out` is worthless. A base that is not the one the increment was made from gives [`DecodeError::WrongFile`].
pub fn decode_increment(
    stored: &mut (impl Read + Seek),
    body: &Body,
    base: &(impl ReadAt + ?Sized),
    file: &Decoded,
    memory_max: u64,
    mut out: impl Write,
) -> Result<(), DecodeError> {
    if body.memory > memory_max {
        return Err(DecodeError::Memory { needed: body.memory, allowed: memory_max });
    }
    verify_stored(stored, body)?;
    stored.seek(SeekFrom::Start(0)).map_err(DecodeError::Read)?;
    let base_size = base.size().map_err(DecodeError::Read)?;
    if base_size > body.memory {
        return Err(DecodeError::WrongFile("its base is not the one it was made from"));
    }
    let mut prefix = vec![0; base_size as usize];
    base.read_exact_at(&mut prefix, 0).map_err(DecodeError::Read)?;
    let reader = io::BufReader::new(stored.take(body.size));
    let mut decoder = zstd::stream::read::Decoder::with_ref_prefix(reader, &prefix)
        .map_err(DecodeError::Read)?
        .single_frame();
    decoder.window_log_max(27).map_err(DecodeError::Read)?;
    let mut checked = crate::body::Checked::new(*file);
    let mut chunk = vec![0; CHUNK];
    loop {
        let n = read_some(&mut decoder, &mut chunk)
            .map_err(|_| DecodeError::WrongFile("it is no increment within its declared memory"))?;
        if n == 0 {
            break;
        }
        checked.take(&chunk[..n])?;
        out.write_all(&chunk[..n]).map_err(DecodeError::Write)?;
    }
    checked.finish()?;
    out.flush().map_err(DecodeError::Write)
}
