//! Many new bytes: packed as one LZMA stream beside the coded bits.
//!
//! Unpacking a byte takes a decoder a small part of the time that coding it bit by bit does, for some more bytes. So few new
//! bytes are coded, and many are packed: from [`crate::limits::PACKED_MIN`] on, of programs sooner. New bytes of a program
//! are often like those in whose place they stand: what no copy brings of the base goes before them, as a *dictionary*.

use std::cell::RefCell;
use std::io::{self, Read, Seek, SeekFrom, Write};

use lzma_rust2::{LzmaOptions, LzmaReader, LzmaWriter};

use super::control::{Control, DeltaError, go_on};
use super::operations::{Op, left_out};
use super::pages::Pages;
use super::read_at::ReadAt;
use crate::body::DecodeError;
use crate::limits::{CHUNK, PACKED_WINDOW_MAX, PACKED_WINDOW_MIN};

/// The head's description of new bytes that are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packed {
    /// Bytes that they are.
    pub(super) size: u32,
    /// Bytes that they take, behind the head.
    pub(super) stored: u32,
    /// Bytes of the dictionary before them.
    pub(super) dictionary: u32,
    pub(super) grain: Grain,
}

/// What the bytes are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grain {
    Bytes,
    /// Words of four.
    Words,
}

impl Grain {
    /// The bits that predict a literal, of the byte before (lc) and of the place (lp); and those that predict a match,
    /// of the place (pb).
    fn properties(self) -> (u32, u32, u32) {
        match self {
            Self::Bytes => (4, 0, 0),
            Self::Words => (2, 2, 2),
        }
    }
}

/// The matches that the encoder looks for: as many and as long as there are.
const NICE_LENGTH: u32 = 273;
const DEPTH: i32 = 1000;

impl Packed {
    /// Bytes of the window that unpacking takes.
    pub(super) fn window(self) -> u32 {
        self.size.saturating_add(self.dictionary).clamp(PACKED_WINDOW_MIN, PACKED_WINDOW_MAX)
    }
}

/// The last `size` bytes of what no copy brings of the base.
pub(super) fn dictionary<B: ReadAt + ?Sized>(
    base: &mut Pages<'_, B>,
    ops: &[Op],
    size: u32,
) -> Result<Vec<u8>, DecodeError> {
    let parts = left_out(ops, base.size() as u32);
    let all: u32 = parts.iter().map(|part| part.end - part.start).sum();
    let mut skipped = all
        .checked_sub(size)
        .ok_or(DecodeError::WrongFile("its dictionary is longer than what it leaves out of its base"))?;
    let mut bytes = vec![0; size as usize];
    let mut filled = 0;
    for part in parts {
        let start = part.end.min(part.start + skipped);
        skipped -= start - part.start;
        let end = filled + (part.end - start) as usize;
        base.read(i64::from(start), &mut bytes[filled..end]).map_err(DecodeError::Read)?;
        filled = end;
    }
    Ok(bytes)
}

/// Packs `bytes`, behind the dictionary.
pub(super) fn pack(
    packed: Packed,
    dictionary: Vec<u8>,
    bytes: &[u8],
    control: &dyn Control,
) -> Result<Vec<u8>, DeltaError> {
    let mut options = LzmaOptions::with_preset(9);
    options.dict_size = packed.window();
    (options.lc, options.lp, options.pb) = packed.grain.properties();
    options.preset_dict = Some(dictionary);
    options.nice_len = NICE_LENGTH;
    options.depth_limit = DEPTH;
    let mut writer = LzmaWriter::new_no_header(Vec::new(), &options, false)?;
    for chunk in bytes.chunks(CHUNK) {
        go_on(control)?;
        writer.write_all(chunk)?;
    }
    Ok(writer.finish()?)
}

/// New bytes, unpacked as they are wanted.
pub(super) struct Unpacker<R>(LzmaReader<R>);

impl<R: Read> Unpacker<R> {
    /// Of `stored`, behind the dictionary.
    pub(super) fn new(stored: R, packed: Packed, dictionary: &[u8]) -> Result<Self, DecodeError> {
        let (lc, lp, pb) = packed.grain.properties();
        let size = u64::from(packed.size);
        let reader = LzmaReader::new(stored, size, lc, lp, pb, packed.window(), Some(dictionary));
        reader.map(Self).map_err(failed)
    }

    /// Fills `bytes` with the next ones.
    pub(super) fn fill(&mut self, bytes: &mut [u8]) -> Result<(), DecodeError> {
        self.0.read_exact(bytes).map_err(failed)
    }
}

/// What is wrong with what is stored is distinguished from a disk that cannot be read; a system's own errors are never `Other`.
fn failed(error: io::Error) -> DecodeError {
    match error.kind() {
        io::ErrorKind::InvalidData
        | io::ErrorKind::InvalidInput
        | io::ErrorKind::UnexpectedEof
        | io::ErrorKind::Other => DecodeError::WrongFile("its new bytes do not unpack"),
        _ => DecodeError::Read(error),
    }
}

/// A part of a file, read beside others of it.
pub(super) struct Part<'a, S> {
    file: &'a RefCell<S>,
    at: u64,
    end: u64,
}

impl<'a, S> Part<'a, S> {
    /// From `at` up to `end`.
    pub(super) fn new(file: &'a RefCell<S>, at: u64, end: u64) -> Self {
        Self { file, at, end }
    }
}

impl<S: Read + Seek> Read for Part<'_, S> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let wanted = self.end.saturating_sub(self.at).min(bytes.len() as u64) as usize;
        let mut file = self.file.borrow_mut();
        file.seek(SeekFrom::Start(self.at))?;
        let read = file.read(&mut bytes[..wanted])?;
        self.at += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delta::control::Uncontrolled;

    #[test]
    fn a_window_has_room_for_new_bytes_and_dictionary_within_the_limits() {
        let check = |size, dictionary, window| {
            let packed = Packed { size, stored: 0, dictionary, grain: Grain::Bytes };
            assert_eq!(packed.window(), window, "{size} {dictionary}");
        };
        check(0, 0, PACKED_WINDOW_MIN);
        check(PACKED_WINDOW_MIN, 1, PACKED_WINDOW_MIN + 1);
        check(PACKED_WINDOW_MAX - 2, 1, PACKED_WINDOW_MAX - 1);
        check(PACKED_WINDOW_MAX, 1, PACKED_WINDOW_MAX);
        check(u32::MAX, u32::MAX, PACKED_WINDOW_MAX);
    }

    #[test]
    fn a_dictionary_is_the_end_of_what_is_left_out() {
        let ops = [(4, 3), (1, 1), (9, u32::MAX)].map(|(base, copy)| Op { literal: 0, copy, base });
        let dictionary = |size| dictionary(&mut Pages::new(&b"0123456789"[..]).unwrap(), &ops, size);
        assert_eq!(dictionary(5).unwrap(), b"02378");
        assert_eq!(dictionary(3).unwrap(), b"378");
        assert_eq!(dictionary(0).unwrap(), b"");
        assert!(matches!(dictionary(6), Err(DecodeError::WrongFile(_))));
    }

    #[test]
    fn what_is_cut_off_or_spoiled_does_not_unpack() {
        let bytes: Vec<u8> = (0..20_000u32).flat_map(|i| (i * i).to_le_bytes()).collect();
        for grain in [Grain::Bytes, Grain::Words] {
            let described = Packed { size: bytes.len() as u32, stored: 0, dictionary: 1000, grain };
            let packed = pack(described, bytes[..1000].to_vec(), &bytes, &Uncontrolled).unwrap();
            let unpack = |packed: &[u8]| {
                let mut unpacked = vec![0; bytes.len()];
                Unpacker::new(packed, described, &bytes[..1000])?.fill(&mut unpacked).map(|()| unpacked)
            };
            assert_eq!(unpack(&packed).unwrap(), bytes);
            for cut in [0, 3, packed.len() / 2] {
                assert!(matches!(unpack(&packed[..cut]), Err(DecodeError::WrongFile(_))), "{cut}");
            }
            for at in 0..64 {
                let mut spoiled = packed.clone();
                spoiled[at] ^= 0xff;
                let unpacked = unpack(&spoiled);
                assert!(matches!(unpacked, Ok(_) | Err(DecodeError::WrongFile(_))), "{at}: {unpacked:?}");
            }
        }
    }
}
