//! The whole file as one zstd frame in which the base goes before it: for what is like the base in many short pieces that
//! stand in no order, as keys and certificates are, and for what does not compress.

use std::io::{BufReader, Read, Write};

use zstd::stream::raw::CParameter;
use zstd::stream::read::Decoder;
use zstd::stream::write::Encoder;

use super::control::{Control, DeltaError, go_on};
use super::read_at::ReadAt;
use crate::body::{DecodeError, Decoded, copy_checked};
use crate::limits::{CHUNK, LEVEL_MAX, MEMORY_OVERHEAD, PREFIXED_CHAIN_LOG_MAX, WINDOW_LOG_MIN};

/// Bytes of memory that decoding takes: the base, the window, and what the decoder has beside them.
pub(super) fn memory(base_size: u64, size: u64) -> u64 {
    base_size + (1 << window_log(size)) + MEMORY_OVERHEAD
}

/// The smallest window that holds the whole file; the base need not be in it.
fn window_log(size: u64) -> u32 {
    size.max(1 << WINDOW_LOG_MIN).next_power_of_two().ilog2()
}

/// Two entries for each of so many bytes. An index of a sixteenth leads to them as well as zstd's own larger one.
fn chain_log(size: u64) -> u32 {
    (window_log(size) + 1).min(PREFIXED_CHAIN_LOG_MAX)
}

/// The frame of `new` behind `base`.
pub(super) fn encode(base: &[u8], new: &[u8], control: &dyn Control) -> Result<Vec<u8>, DeltaError> {
    let size = new.len() as u64;
    let mut encoder = Encoder::with_ref_prefix(Vec::new(), LEVEL_MAX, base)?;
    encoder.set_pledged_src_size(Some(size))?;
    encoder.window_log(window_log(size))?;
    let chain_log = chain_log(base.len() as u64 + size);
    encoder.set_parameter(CParameter::ChainLog(chain_log))?;
    encoder.set_parameter(CParameter::HashLog(chain_log - 4))?;
    encoder.include_checksum(false)?;
    for chunk in new.chunks(CHUNK) {
        go_on(control)?;
        encoder.write_all(chunk)?;
    }
    Ok(encoder.finish()?)
}

/// Writes the file of which `stored` is the frame behind `base`, within the bytes of memory that it states.
pub(super) fn decode(
    stored: impl Read,
    base: &(impl ReadAt + ?Sized),
    memory_stated: u64,
    file: &Decoded,
    out: impl Write,
) -> Result<(), DecodeError> {
    let base_size = base.size().map_err(DecodeError::Read)?;
    if memory(base_size, file.size) > memory_stated {
        return Err(DecodeError::WrongFile("it states too little memory"));
    }
    let mut prefix = vec![0; base_size as usize];
    base.read_exact_at(&mut prefix, 0).map_err(DecodeError::Read)?;
    let decoder = Decoder::with_ref_prefix(BufReader::new(stored), &prefix);
    let mut decoder = decoder.map_err(DecodeError::Read)?.single_frame();
    decoder.window_log_max(window_log(file.size)).map_err(DecodeError::Read)?;
    copy_checked(&mut decoder, file, out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delta::control::Uncontrolled;

    #[test]
    fn a_window_holds_the_file_and_memory_the_base_too() {
        for (size, log) in [(0, 10), (1024, 10), (1025, 11), (1 << 20, 20), ((1 << 20) + 1, 21)] {
            assert_eq!(window_log(size), log, "{size}");
            assert_eq!(memory(7, size), 7 + (1 << log) + MEMORY_OVERHEAD, "{size}");
        }
        assert_eq!(chain_log(1 << 20), 21);
        assert_eq!(chain_log(1 << PREFIXED_CHAIN_LOG_MAX), PREFIXED_CHAIN_LOG_MAX);
    }

    #[test]
    fn a_frame_with_a_longer_window_than_the_file_is_refused() {
        let new = vec![7; 1 << 20];
        let frame = encode(b"", &new, &Uncontrolled).unwrap();
        let file = |size| Decoded { sha256: [0; 32], size };
        let error = |size| decode(&frame[..], b"".as_slice(), u64::MAX, &file(size), Vec::new()).unwrap_err();
        assert!(
            matches!(error(1 << 19), DecodeError::WrongFile(why) if why.contains("memory")),
            "{}",
            error(1 << 19)
        );
        assert!(
            matches!(error(1 << 20), DecodeError::WrongFile(why) if why.contains("digest")),
            "{}",
            error(1 << 20)
        );
    }
}
