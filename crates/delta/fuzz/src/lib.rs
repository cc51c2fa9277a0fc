//! The form of the inputs, which the targets read and the example `corpus` writes.

/// Two parts of an input: so many bytes as the first four give (little-endian), and the rest.
#[must_use]
pub fn split(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, parts) = input.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    Some(parts.split_at(parts.len().min(length)))
}

/// The input with these two parts.
#[must_use]
pub fn joined(first: &[u8], second: &[u8]) -> Vec<u8> {
    let length = u32::try_from(first.len()).expect("an input is short");
    [&length.to_le_bytes(), first, second].concat()
}

/// Longest file that an input of `decode` announces (64 KiB): a few bytes may decode to as many as are announced, which
/// takes about half a microsecond each.
pub const SIZE_MAX: u32 = 1 << 16;

/// What an input of `decode` takes from a manifest: it stands before the base, and both before the delta.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Declared {
    /// Bytes of the file.
    pub size: u32,
    /// Its digest.
    pub sha256: [u8; 32],
    /// Memory that decoding is declared to take, in units of 256 KiB.
    pub memory: u8,
    /// Memory that the client allows, likewise.
    pub memory_max: u8,
}

impl Declared {
    /// Bytes that it takes.
    pub const LENGTH: usize = 38;

    /// Reads it; the rest follows.
    #[must_use]
    pub fn read(input: &[u8]) -> Option<(Self, &[u8])> {
        let ([size @ .., memory, memory_max], rest) = input.split_first_chunk::<6>()?;
        let (sha256, rest) = rest.split_first_chunk::<32>()?;
        let size = u32::from_le_bytes(*size).min(SIZE_MAX);
        Some((Self { size, sha256: *sha256, memory: *memory, memory_max: *memory_max }, rest))
    }

    /// As [`Declared::read`] reads it.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        [&self.size.to_le_bytes()[..], &[self.memory, self.memory_max], &self.sha256].concat()
    }
}
