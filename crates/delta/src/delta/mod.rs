//! One file as what changed since another: the two calls, and what they promise.
//!
//! A delta is small where [`crate::Body`] is not: it names the bytes of the file's predecessor, the *base*.
//! Like a body it is described by a [`Body`] in a signed manifest, is verified whole before it is decoded, decodes
//! as a stream in bounded memory, and gives the file that was signed or an error.

mod aarch64;
mod addresses;
mod change_flags;
mod container;
mod context_slots;
mod control;
mod elf;
mod encode;
mod field_kind;
mod field_search;
mod fields;
mod frames;
mod go;
mod literals;
mod mask;
mod match_model;
mod matching;
mod mixing;
mod numbers;
mod operations;
mod packed;
mod pages;
mod predicted_words;
mod prefixed;
mod range_coder;
mod read_at;
mod residuals;
mod substitutions;
mod suffix_array;
mod table;
mod text_matching;
mod walk;
mod x86;

use std::cell::RefCell;
use std::io::{Read, Seek, SeekFrom, Write};

use aws_lc_rs::digest::{SHA256, digest};

pub use self::control::{Control, DeltaError, DeltaOptions, Uncontrolled};
pub use self::read_at::ReadAt;

use self::container::Head;
use self::packed::{Packed, Part, Unpacker};
use self::range_coder::BitReader;
use crate::body::{Body, Checked, DecodeError, Decoded, verify_stored};
use crate::limits::DELTA_FILE_MAX;

/// A delta, made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delta {
    /// What to store and send.
    pub bytes: Vec<u8>,
    /// Its description in the manifest.
    pub body: Body,
}

/// Makes the delta from `base` to `new`; `None` if it would not be smaller than the full body or would take
/// more than is allowed.
///
/// The same input and options give the same bytes.
pub fn encode_delta(
    base: &[u8],
    new: &[u8],
    options: &DeltaOptions,
    control: &dyn Control,
) -> Result<Option<Delta>, DeltaError> {
    if base.len().max(new.len()) as u64 > DELTA_FILE_MAX {
        return Ok(None);
    }
    let Some((bytes, memory)) = encode::smallest(base, new, options, control)? else {
        return Ok(None);
    };
    let size = bytes.len() as u64;
    if size >= options.size_max {
        return Ok(None);
    }
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(digest(&SHA256, &bytes).as_ref());
    Ok(Some(Delta { bytes, body: Body { sha256, size, memory } }))
}

/// Verifies `stored` against `body`, then writes the file it makes of `base`, which must be `file`.
///
/// Never writes more than `file.size` bytes, never takes more than `memory_max` bytes. On an error what was written
/// to `out` is worthless. A base that is not the one the delta was made from gives [`DecodeError::WrongFile`].
pub fn decode_delta(
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
    let base_size = base.size().map_err(DecodeError::Read)?;
    if base_size.max(file.size) > DELTA_FILE_MAX {
        return Err(DecodeError::WrongFile("it or its base is longer than deltas are made for"));
    }
    verify_stored(stored, body)?;
    stored.seek(SeekFrom::Start(0)).map_err(DecodeError::Read)?;
    let head = Head::read(&mut stored.take(body.size), body.memory)?;
    let stored = RefCell::new(stored);
    let [packed, coded] = head.parts(body.size);
    if head.is_prefixed() {
        let frame = Part::new(&stored, coded.start, coded.end);
        return prefixed::decode(frame, base, head.memory(), file, out);
    }
    let mut coder = BitReader::new(Part::new(&stored, coded.start, coded.end));
    let packed = Part::new(&stored, packed.start, packed.end);
    let mut target = Made {
        checked: Checked::new(*file),
        packed: head.packed.map(|described| (packed, described)),
        new_bytes: None,
        out: &mut out,
    };
    let walked = container::code(&mut coder, head, base, file.size, None, &mut target);
    // What could not be read was taken for zeros, and may have led anywhere.
    if let Some(error) = coder.failure() {
        return Err(DecodeError::Read(error));
    }
    walked?;
    target.checked.finish()?;
    out.flush().map_err(DecodeError::Write)
}

struct Made<R, W> {
    checked: Checked,
    /// New bytes that are packed, until the walk begins.
    packed: Option<(R, Packed)>,
    new_bytes: Option<Unpacker<R>>,
    out: W,
}

impl<R: Read, W: Write> walk::Target for Made<R, W> {
    fn known(&self, _at: u64, _length: usize) -> Option<&[u8]> {
        None
    }

    fn begin(&mut self, dictionary: &[u8]) -> Result<(), DecodeError> {
        let unpacker = |(stored, packed)| Unpacker::new(stored, packed, dictionary);
        self.new_bytes = self.packed.take().map(unpacker).transpose()?;
        Ok(())
    }

    fn unpack(&mut self, _at: u64, bytes: &mut [u8]) -> Result<(), DecodeError> {
        let new_bytes = self.new_bytes.as_mut().ok_or(DecodeError::WrongFile("it has no packed bytes"))?;
        new_bytes.fill(bytes)
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        self.checked.take(bytes)?;
        self.out.write_all(bytes).map_err(DecodeError::Write)
    }
}
