//! Every limit of this crate, with its unit and its reason.

/// Compression level when nobody asks for another (zstd's scale, 1–22). Publishing is done once and clients
/// download many times, so this is dearer than zstd's own 3; higher levels gain little on pattern files.
pub const LEVEL_DEFAULT: i32 = 12;

/// Highest level accepted: zstd's highest.
pub const LEVEL_MAX: i32 = 22;

/// Smallest window, as a power of two in bytes: zstd's own least (1 KiB).
pub const WINDOW_LOG_MIN: u32 = 10;

/// Largest window, as a power of two in bytes (8 MiB): what RFC 8878 recommends that every decoder support,
/// and what a small endpoint can spare.
pub const WINDOW_LOG_MAX: u32 = 23;

/// Bytes that a decoder needs beside its window: tables, and its block buffers in and out.
pub const MEMORY_OVERHEAD: u64 = 1024 * 1024;

/// Bytes of file handled at a time.
pub const CHUNK: usize = 128 * 1024;

/// Longest file that a delta is made from or to, in bytes (1 GiB): above, only the full body exists. Positions
/// in a file fit in 32 bits by this. A decoder refuses longer ones, too.
pub const DELTA_FILE_MAX: u64 = 1 << 30;

/// Most memory a delta may ask of a decoder, in bytes (56 MiB): with the program itself a client stays
/// under 64 MiB.
pub const DELTA_MEMORY_MAX: u64 = 56 * 1024 * 1024;

/// Unit in which a delta states the memory its decoder takes, in bytes (256 KiB).
pub const MEMORY_UNIT: u64 = 256 * 1024;

/// Bytes that any decoder of deltas takes: pages of the base, history, the smaller models, buffers.
pub const DELTA_MEMORY_FIXED: u64 = 16 * 1024 * 1024;

/// Bytes of a base that a decoder reads at once.
pub const PAGE: usize = 4 * 1024;

/// Pages of a base that a decoder keeps (8 MiB).
pub const PAGES_KEPT: usize = 2048;

/// Bytes of the new file that a decoder remembers, as a power of two (4 MiB).
pub const HISTORY_LOG: u32 = 22;

/// Entries of the index of that history, as a power of two, 4 bytes each.
pub const HISTORY_INDEX_LOG: u32 = 18;

/// Table for predicting bytes that stand in place of others, as a power of two of rows (1 MiB).
pub const REPLACED_ROWS_LOG: u32 = 15;

/// Smallest table for predicting bytes, as a power of two of rows.
pub const ROWS_LOG_MIN: u8 = 12;

/// Largest table for predicting bytes, as a power of two of rows (8 MiB).
pub const ROWS_LOG_MAX: u8 = 18;

/// Bytes of a row.
pub const ROW_MEMORY: u64 = 32;

/// Fewest new bytes of a program that are packed rather than coded bit by bit: packing fewer gains nothing.
pub const PACKED_MIN_OF_PROGRAM: u64 = 4 * 1024;

/// Fewest new bytes of anything else that are packed (512 KiB): fewer are coded, for it takes less bytes; more would
/// take a decoder too long, at about half a microsecond each.
pub const PACKED_MIN: u64 = 512 * 1024;

/// Smallest window for unpacking, in bytes (64 KiB).
pub const PACKED_WINDOW_MIN: u32 = 64 * 1024;

/// Largest window for unpacking, in bytes (32 MiB): the new bytes of a program of 40 MB, and a dictionary before them.
pub const PACKED_WINDOW_MAX: u32 = 32 * 1024 * 1024;

/// Most entries of the chains in which an encoder of zstd frames looks for matches, as a power of two, 4 bytes each (128 MiB).
pub const PREFIXED_CHAIN_LOG_MAX: u32 = 25;

/// Bytes of the base and the file together up to which what is no text is tried as a zstd frame, too (16 MiB): with longer
/// ones it was never smaller, and takes an encoder a second for each megabyte.
pub const PREFIXED_EFFORT_MAX: usize = 16 * 1024 * 1024;

/// Narrowest record of a table, in bytes: with fewer, a text is as good.
pub const RECORD_WIDTH_MIN: usize = 3;

/// Widest record of a table, in bytes: wider ones are too few to learn much of.
pub const RECORD_WIDTH_MAX: usize = 64;

/// Loaded parts of a program that are looked at; linkers make about four.
pub const ELF_SEGMENTS_MAX: u64 = 32;

/// Named parts of a program that are looked at; linkers make about thirty.
pub const ELF_SECTIONS_MAX: u64 = 256;

/// Addresses in a program that are followed: those of 40 MB of code.
pub const FIELDS_MAX: usize = 2_500_000;

/// Bytes that a decoder takes for each.
pub const FIELD_MEMORY: usize = 8;

/// Most copies of a delta that codes them before all else.
pub const OPS_MAX: usize = 400_000;

/// Bytes that a decoder takes for each: the copy, and where it moves addresses, twice while that is found; before
/// that, what the copies leave out.
pub const OP_MEMORY: usize = 64;

/// Bytes looked through nearby, over all changes of a text, before an encoder looks less far (about ten CPU seconds).
pub const TEXT_EFFORT_MAX: u64 = 150_000_000;
