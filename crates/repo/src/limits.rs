//! Every limit of this crate, with its unit and the reason for its size.
//!
//! The lengths are what a source may send, the counts what a signer may ask of a reader.

/// Bytes of one root metadata file. A root with 50 keys is 20 kB; the specification's reference client allows 512 kB.
pub const ROOT_LENGTH_MAX: u64 = 512_000;
/// Bytes of `timestamp.json`: one pin and a few signatures. The one file fetched at every check, so small.
pub const TIMESTAMP_LENGTH_MAX: u64 = 16_384;
/// Bytes of one snapshot metadata file: a pin per targets role.
pub const SNAPSHOT_LENGTH_MAX: u64 = 2_000_000;
/// Bytes of one targets metadata file: about 20 000 targets, 1300 components with 15 releases each.
pub const TARGETS_LENGTH_MAX: u64 = 5_000_000;
/// Bytes of one target that this crate parses: a manifest with [`FILES_MAX`] entries fits.
pub const TARGET_LENGTH_MAX: u64 = 50_000_000;

/// Days that a timestamp may be good, and that a reader takes a version of it for fresh: half a year, for media that are
/// carried to a site.
pub const TIMESTAMP_LIFE_DAYS_MAX: u32 = 180;
/// Likewise of the snapshot.
pub const SNAPSHOT_LIFE_DAYS_MAX: u32 = 180;
/// Likewise of the targets: two years, for a vendor that publishes seldom.
pub const TARGETS_LIFE_DAYS_MAX: u32 = 730;
/// Likewise of a root: ten years. Its keys are offline, so a thief of a server cannot make it last.
pub const ROOT_LIFE_DAYS_MAX: u32 = 3650;

/// Root versions followed in one refresh: three years of monthly rotations missed by an endpoint in a drawer is 36;
/// more than this is a source that makes roots up, or an endpoint that must enrol again.
pub const ROOT_ROTATIONS_MAX: u32 = 256;
/// Targets roles visited to find one target, the top one included. The verifying library's own client stops at 32,
/// too few for a vendor who delegates by product; 256 files of [`TARGETS_LENGTH_MAX`] is the most that a holder of the
/// targets key can cost a client in one search.
pub const ROLES_VISITED_MAX: usize = 256;

/// Bytes of a target's name. Longer ones do not fit one path component and its hash prefix on common file systems.
pub const TARGET_NAME_LENGTH_MAX: usize = 1024;
/// Bytes of one part of a target's name that we write: with the 65 bytes of `<sha256>.` in front it is a file name.
pub const TARGET_NAME_PART_LENGTH_MAX: usize = 180;
/// Bytes of a component's name: it is a folder's name on every endpoint.
pub const COMPONENT_NAME_LENGTH_MAX: usize = 64;
/// Bytes of the version text that people read.
pub const VERSION_TEXT_LENGTH_MAX: usize = 128;
/// The highest sequence and metadata version: integers up to here survive every JSON reader (2^53 - 1).
pub const NUMBER_MAX: u64 = 9_007_199_254_740_991;

/// Releases that a release list keeps: the current one and the 14 before it, which get deltas (C1).
pub const RELEASES_MAX: usize = 15;
/// Deltas to one file: one from each of the 14 releases before, twice over, and some taken from a vendor.
pub const DELTAS_OF_FILE_MAX: usize = 64;
/// Files of earlier releases that one manifest names as steps: as many as a release has files.
pub const INTERMEDIATES_MAX: usize = 100_000;
/// Bytes of the word that names a delta's format.
pub const DELTA_FORMAT_LENGTH_MAX: usize = 32;
/// Partial choices of deltas that are looked at for one file. 14 releases with three ways each are done in a few
/// hundred where the budget is wide, in some ten thousand where it is tight; the best one found so far is taken then.
pub const CHOICES_MAX: u32 = 200_000;
/// Bytes that naming a delta costs every client, whether it uses it or not: the length of its entry in a manifest.
pub const DELTA_NAMED_BYTES: u64 = 250;
/// Files of one release: more belongs in an archive.
pub const FILES_MAX: usize = 100_000;
/// Bytes of one file of a release, unpacked: 1 TiB, so that sums of [`FILES_MAX`] files cannot overflow.
pub const FILE_SIZE_MAX: u64 = 1 << 40;
/// Bytes of one file's path in a release: below Linux's 4096 with room for the folder that it is installed under.
pub const FILE_PATH_LENGTH_MAX: usize = 2048;
/// Bytes of one part of a file's path: what file systems take.
pub const FILE_PATH_PART_LENGTH_MAX: usize = 255;
/// Bytes of memory that a body's decoder may need: a zstd window of 128 MiB and some room.
pub const DECODER_MEMORY_MAX: u64 = 256 << 20;
/// Words of an install or probe command.
pub const COMMAND_WORDS_MAX: usize = 64;
/// Bytes of one word of an install or probe command.
pub const COMMAND_WORD_LENGTH_MAX: usize = 4096;
/// Seconds that an install or probe command may be given: one hour, as a domain's settings allow.
pub const COMMAND_TIMEOUT_SECONDS_MAX: u64 = 3_600;

/// Keys of one role.
pub const ROLE_KEYS_MAX: usize = 32;
/// Bytes of a key file in PEM: an Ed25519 key in PKCS#8 is 119.
pub const KEY_PEM_LENGTH_MAX: usize = 4096;
/// Bytes of a passphrase for something new: what a person types; a guess costs a tenth of a second.
pub const PASSPHRASE_LENGTH_MIN: usize = 12;
/// Bytes of any passphrase.
pub const PASSPHRASE_LENGTH_MAX: usize = 1024;
/// Bytes of memory that an encrypted key file may ask of scrypt (128 * N * r). Ours ask for 16 MiB.
pub const SCRYPT_BYTES_MAX: u64 = 256 << 20;
/// The p of scrypt, by which its time is multiplied.
pub const SCRYPT_LANES_MAX: u16 = 16;
/// Rounds of PBKDF2: ten times what is recommended, some seconds.
pub const PBKDF2_ROUNDS_MAX: u32 = 10_000_000;
