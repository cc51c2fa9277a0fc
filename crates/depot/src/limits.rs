//! Every limit and default of this crate, with its unit and its reason.
//!
//! The lengths of metadata are `headwater_repo::limits`; these are the ones of moving and keeping bytes.

use std::time::Duration;

/// Bytes of memory that decoding a delta of the format may take.
pub use headwater_delta::limits::DELTA_MEMORY_MAX;

/// Time to connect to a source, name resolution and TLS included (P9).
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Time without a byte before a source is given up (P9).
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Wait before the next address of a name is tried beside those that have not answered (RFC 8305, section 5).
pub const ADDRESS_DELAY: Duration = Duration::from_millis(250);

/// How long the address of a name that answered is used first: a run, and not much longer.
pub const ADDRESS_KEPT: Duration = Duration::from_secs(300);

/// Addresses of one name that are tried: what a resolver gives in one answer, and more than fit in the time to connect.
pub const ADDRESSES_MAX: usize = 16;

/// Names whose address is remembered: the sources of a plan, and what they redirect to.
pub const NAMES_KEPT_MAX: usize = 256;

/// Silence after which the next source is asked for metadata beside a source of which nothing is known: a site that lost
/// its update agent must not notice it.
pub const HEAD_START: Duration = Duration::from_secs(1);

/// The same for a source that is remembered as dead: time enough for a round trip at a site, no more.
pub const HEAD_START_DEAD: Duration = Duration::from_millis(100);

/// The shortest for a source that has answered, however fast: a moment's load on it must not send its site elsewhere.
pub const HEAD_START_MIN: Duration = Duration::from_millis(500);

/// The longest: a source by satellite needs three round trips to its first byte, of 0.6 s each.
pub const HEAD_START_MAX: Duration = Duration::from_secs(3);

/// Time after which a source that sends metadata, but does not come to an end, counts as silent: what trickles a
/// byte at a time is no better than nothing.
pub const METADATA_SLOW: Duration = Duration::from_secs(3);

/// The longest such time, for a source that is known to need it.
pub const METADATA_SLOW_MAX: Duration = Duration::from_secs(6);

/// The part of one answer in what a source usually needs, as its reciprocal: a quarter.
pub const USUAL_WEIGHT: u32 = 4;

/// Runs in a row in which a source is slower than its head start, after which it is remembered as dead.
pub const RACES_LOST_MAX: u32 = 2;

/// How long anything is remembered of a source: a week, so that a laptop still knows on Monday how far its server is.
pub const MEMORY_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// Time for the whole metadata of one source, and for one target: 256 roots, or 5 MB, over a very slow line. Longer is an
/// endless source.
pub const METADATA_TOTAL: Duration = Duration::from_secs(300);

/// Silence after which a body is continued at another source, where there is one.
pub const SOFT_STALL: Duration = Duration::from_secs(2);

/// Bytes that metadata, a target or a body must bring in each time-out, or have as its rest, not to count as stalled: half
/// a modem. Without it, one byte a second would hold a client for ever.
pub const STALL_BYTES_MIN: u64 = 2048;

/// Longest that a client waits for a busy source (503) when no other is left (P9).
pub const BUSY_WAIT_MAX: Duration = Duration::from_secs(60);

/// Wait for a busy source that does not say how long.
pub const BUSY_WAIT_DEFAULT: Duration = Duration::from_secs(5);

/// Shortest such wait, whatever the source says: nobody is asked in a tight loop.
pub const BUSY_WAIT_MIN: Duration = Duration::from_secs(1);

/// Times that one busy source is waited for in one run and for one thing: with [`BUSY_WAIT_MAX`] five minutes at most.
pub const BUSY_RETRIES_MAX: u32 = 5;

/// First back-off of a source that failed; doubles with each failure.
pub const BACK_OFF_MIN: Duration = Duration::from_secs(60);

/// Longest back-off.
pub const BACK_OFF_MAX: Duration = Duration::from_secs(3600);

/// Sources of which something is remembered: the source list's 1024 entries, and as many that were on older lists.
pub const SOURCES_REMEMBERED_MAX: usize = 2048;

/// Tries of one file at one source: one, and one retry (P9).
pub const TRIES: u32 = 2;

/// Whole time-outs in a row after which a source is not asked again in a run: a class of many targets would take hours
/// with a source that lets each of them run out.
pub const TIMEOUTS_MAX: u32 = 3;

/// Redirects followed for one request: a mirror's selector, a CDN, and one to spare.
pub const REDIRECTS_MAX: usize = 3;

/// Blobs fetched at once: fills a line with latency, and leaves an update agent room for others.
pub const BLOBS_AT_ONCE: usize = 4;

/// Bytes of one blob: `headwater_repo`'s largest file and zstd's worst growth.
pub const BLOB_SIZE_MAX: u64 = (1 << 40) + (1 << 33);

/// Characters of detail kept of a fault: it travels in reports.
pub const DETAIL_LENGTH_MAX: usize = 500;

/// Bytes written or read at a time where bytes are copied on the disk.
pub const COPY_CHUNK: usize = 256 * 1024;

/// Bytes of one chunk of a body that is served: measured best against per-chunk cost.
pub const SERVE_CHUNK: usize = 256 * 1024;

/// Bytes of one chunk under a bandwidth limit, at least: less costs more in calls than it smooths.
pub const SERVE_CHUNK_MIN: usize = 4 * 1024;

/// Bytes of one target in the memory cache of small files; larger ones are streamed.
pub const CACHED_FILE_MAX: u64 = 1024 * 1024;

/// Bytes of one metadata file in that cache, and of any that is served: above `headwater_repo`'s largest.
pub const CACHED_METADATA_MAX: u64 = 8 * 1024 * 1024;

/// Bytes of all files in that cache.
pub const CACHE_TOTAL_MAX: u64 = 32 * 1024 * 1024;

/// Bytes of a request's path: a class, a folder, and the longest target name, all percent-encoded.
pub const REQUEST_PATH_MAX: usize = 4096;

/// Bytes of a request's head, and of a connection's read buffer.
pub const REQUEST_HEAD_MAX: usize = 8192;

/// Time for a request's head to arrive, also for the next one on a kept connection.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// Time for the TLS handshake of a connection: a few round trips over a slow line. It holds one of
/// [`CONNECTIONS_MAX`] permits meanwhile.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Time of waiting for a caller to take what we send, in which it must take [`SEND_BYTES_MIN`]: one that does not read is cut
/// off, and its permit given to another.
pub const SEND_TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes that a caller must take in each [`SEND_TIMEOUT`] of waiting: half a kilobyte a second, a quarter of what a client
/// requires of a source before it goes to the next ([`STALL_BYTES_MIN`] in [`SOFT_STALL`]).
pub const SEND_BYTES_MIN: u64 = 16 * 1024;

/// Connections at once: an update agent's site of some hundred clients, a few connections each, well below
/// the usual 1024 open files of a process less what files it serves.
pub const CONNECTIONS_MAX: usize = 512;

/// The part of a listener's connections that one address (IPv6: one /64) may have: a half. A site behind one address
/// is served well, and a caller that opens connections without end leaves the other half to the others.
pub const ADDRESS_SHARE_DIVISOR: usize = 2;

/// The part of a listener's connections that one client may have, once its certificate was seen: an eighth. An update agent
/// carries for its whole site, and needs about half of that.
pub const CLIENT_SHARE_DIVISOR: usize = 8;

/// Connections beyond that which get a 503 at once; the rest is dropped.
pub const REFUSALS_MAX: usize = 64;

/// Time for a refused connection to read its 503.
pub const REFUSAL_TIME: Duration = Duration::from_secs(1);

/// Pause after a connection could not be accepted, most often because file handles ran out.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Time for running answers to end at shutdown.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);

/// Downloads of bodies at once, unless the settings say otherwise (U4).
pub const DOWNLOADS_MAX: usize = 64;

/// Bytes a second that each download is to have under a bandwidth limit; where they are not left, a further one is
/// refused for now (U4). A client moves on below [`STALL_BYTES_MIN`] in [`SOFT_STALL`]; this is 16 times that.
pub const BANDWIDTH_SHARE_MIN: u64 = 16 * 1024;

/// `Retry-After` of an answer beyond the limits.
pub const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Client addresses that bytes are counted for; those beyond are counted together.
pub const COUNTED_ADDRESSES_MAX: usize = 16_384;

/// `max-age` of `timestamp.json`, in seconds: short, for caches between.
pub const TIMESTAMP_MAX_AGE_SECONDS: u32 = 10;

/// Files synced to the disk at once when many blobs are stored: more bring nothing on any disk that we measured.
pub const SYNCS_AT_ONCE: usize = 32;
