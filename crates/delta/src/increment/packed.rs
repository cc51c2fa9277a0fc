//! Many new bytes: packed as one LZMA stream beside the coded bits.
//!
//! Unpacking a byte takes a decoder a small part of the time that coding it bit by bit does, for some more bytes. So few new
//! bytes are coded, and many are packed: from [`crate::limits::PACKED_MIN`] on, of programs sooner.

use std::cell::RefCell;
use std::io::{self, Read, Seek, SeekFrom, Write};

use lzma_rust2::{LzmaOptions, LzmaReader, LzmaWriter};

use super::{Control, IncrementError, go_on};
use crate::body::DecodeError;
use crate::limits::{CHUNK, PACKED_WINDOW_LOG_MAX, PACKED_WINDOW_LOG_MIN};

/// What the bytes are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grain {
    Bytes,
    /// Words of four.
    Words,
}

impl Grain {
    /// The bits that foresee a literal, of the byte before (lc) and of the place (lp); and those that foresee a match,
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

/// Bytes of the window that unpacking so many bytes takes.
pub(super) fn window(size: u32) -> u32 {
    size.checked_next_power_of_two()
        .unwrap_or(u32::MAX)
        .clamp(1 << PACKED_WINDOW_LOG_MIN, 1 << PACKED_WINDOW_LOG_MAX)
}

/// Packs `bytes`.
pub(super) fn pack(bytes: &[u8], grain: Grain, control: &dyn Control) -> Result<Vec<u8>, IncrementError> {
    let mut options = LzmaOptions::with_preset(9);
    options.dict_size = window(bytes.len() as u32);
    (options.lc, options.lp, options.pb) = grain.properties();
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
    /// Of `stored`, which unpacks to `size` bytes.
    pub(super) fn new(stored: R, size: u32, grain: Grain) -> Result<Self, DecodeError> {
        let (lc, lp, pb) = grain.properties();
        LzmaReader::new(stored, u64::from(size), lc, lp, pb, window(size), None).map(Self).map_err(failed)
    }

    /// Fills `bytes` with the next ones.
    pub(super) fn fill(&mut self, bytes: &mut [u8]) -> Result<(), DecodeError> {
        self.0.read_exact(bytes).map_err(failed)
    }
}

/// What is wrong with what is stored is told from a disk that cannot be read; a system's own errors are never `Other`.
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
    use crate::increment::Uncontrolled;

    #[test]
    fn a_window_has_room_for_all_new_bytes_within_the_limits() {
        let check = |size: u32, log: u32| assert_eq!(window(size), 1 << log, "{size}");
        check(0, PACKED_WINDOW_LOG_MIN);
        check((1 << PACKED_WINDOW_LOG_MIN) + 1, PACKED_WINDOW_LOG_MIN + 1);
        check(1 << (PACKED_WINDOW_LOG_MAX - 1), PACKED_WINDOW_LOG_MAX - 1);
        check(1 << PACKED_WINDOW_LOG_MAX, PACKED_WINDOW_LOG_MAX);
        check((1 << PACKED_WINDOW_LOG_MAX) + 1, PACKED_WINDOW_LOG_MAX);
        check(u32::MAX, PACKED_WINDOW_LOG_MAX);
    }

    #[test]
    fn what_is_cut_off_or_spoiled_does_not_unpack() {
        let bytes: Vec<u8> = (0..20_000u32).flat_map(|i| (i * i).to_le_bytes()).collect();
        for grain in [Grain::Bytes, Grain::Words] {
            let packed = pack(&bytes, grain, &Uncontrolled).unwrap();
            let unpack = |packed: &[u8]| {
                let mut unpacked = vec![0; bytes.len()];
                Unpacker::new(packed, bytes.len() as u32, grain)?.fill(&mut unpacked).map(|()| unpacked)
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
