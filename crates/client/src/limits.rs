//! Every limit of the client, with its unit and its reason.

use std::time::Duration;

/// Longest time that the check-in may hold up a run: it is a hint, and the plan needs no server (P1).
pub const CHECK_IN_WAIT_MAX: Duration = Duration::from_secs(1);

/// Longest time for sending one report: a server that falls silent after the check-in costs a run no more than 3 s.
pub const REPORT_SEND_WAIT_MAX: Duration = Duration::from_secs(3);

/// The same where this run's check-in got no answer: with [`CHECK_IN_WAIT_MAX`], a silent server costs 2 s.
pub const REPORT_SEND_WAIT_UNANSWERED: Duration = Duration::from_secs(1);

/// Longest answer of the server, in bytes: a certificate and its chain, or a domain's keys, in a signed envelope.
pub const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// Update agents that are asked to carry one message when the server is out of reach: the first of the plan.
pub const CARRIERS_MAX: usize = 3;

/// Longest time for an enrolment or renewal on one way: it is asked for rarely, and the server may be busy with many.
pub const CERTIFICATE_WAIT_MAX: Duration = Duration::from_secs(15);

/// How often a client that enrols comes again when it is told to come later: many clients are set up at once.
pub const ENROL_TRIES_MAX: u32 = 4;

/// Longest of these waits, whatever it is told: a person may be looking on.
pub const ENROL_WAIT_MAX: Duration = Duration::from_secs(120);

/// Pause before a client that could not renew its certificate asks again: it has a third of its life left to do so.
pub const RENEWAL_BACK_OFF: Duration = Duration::from_secs(600);

/// Pause before a daemon that is not enrolled yet tries again.
pub const ENROL_AGAIN: Duration = Duration::from_secs(15);

/// Keys of confidential settings that are kept: those of a few domains' last changes.
pub const DOMAIN_KEYS_KEPT_MAX: usize = 16;

/// Longest file of a key, certificate or domain keys that is read, in bytes.
pub const IDENTITY_FILE_BYTES_MAX: u64 = 64 * 1024;

/// First pause after a failed check-in; doubles up to [`CHECK_IN_BACK_OFF_MAX`].
pub const CHECK_IN_BACK_OFF_MIN: Duration = Duration::from_secs(60);

/// Longest pause after failed check-ins: a server that came back is found within the hour.
pub const CHECK_IN_BACK_OFF_MAX: Duration = Duration::from_secs(3600);

/// Reports kept while the server is out of reach; the oldest go first. Three weeks of hourly runs.
pub const SPOOL_REPORTS_MAX: usize = 512;

/// Bytes of reports kept while the server is out of reach; the oldest go first.
pub const SPOOL_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Reports sent after one run, so that a long absence does not become one long burst.
pub const SPOOL_SEND_MAX: usize = 64;

/// Output of a hook or an install command that is kept, in bytes: the end says why it failed.
pub const COMMAND_OUTPUT_BYTES_MAX: usize = 4 * 1024;

/// Longest time that a hook or an install command may be given, whatever a manifest says.
pub const COMMAND_TIME_MAX: Duration = Duration::from_secs(3600);

/// Releases remembered as failed, for one name: what is no longer offered need not be remembered.
pub const FAILED_REMEMBERED_MAX: usize = 16;

/// Starts of an unfinished trial (crashes in the middle of a probe) before the client goes back.
pub const TRIAL_STARTS_MAX: u32 = 3;

/// Starts that a new `headwater-client` gets to complete a run as daemon before the client goes back.
pub const SELF_STARTS_MAX: u32 = 3;

/// Longest trial run of a new `headwater-client`: a complete run with nothing new to fetch.
pub const SELF_TRIAL_TIME_MAX: Duration = Duration::from_secs(120);

/// Difference between the server's clock and ours from which the client warns: half of a timestamp's day
/// would already refuse good metadata, so warn long before.
pub const CLOCK_SKEW_WARN: Duration = Duration::from_secs(15 * 60);

/// Longest `state.json` that is read, in bytes.
pub const STATE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Longest file of the client's id that is read, in bytes: an id and a line's end, with room to spare.
pub const ID_FILE_BYTES_MAX: u64 = 1024;

/// Longest client bundle that is read, in bytes: 1024 entries, and roots.
pub const BUNDLE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Longest configuration file that is read, in bytes.
pub const CONFIG_BYTES_MAX: u64 = 1024 * 1024;

/// Share of the poll interval, in percent, by which a poll comes earlier or later, so that a site's clients spread.
pub const POLL_JITTER_PERCENT: u64 = 10;

/// Memory that decoding a delta may take, in bytes: with the program itself an update stays under 64 MiB. One that
/// needs more is passed over, and another way or the full body taken.
pub const DELTA_MEMORY_MAX: u64 = 56 * 1024 * 1024;

/// How often ways by deltas are looked for anew, where sources do not give them or they come to nothing, before the
/// full bodies are taken: what is broken in three ways is broken.
pub const DELTA_ROUNDS_MAX: u32 = 3;

/// Free space that an install leaves on the disk, in bytes, for the endpoint's own needs.
pub const FREE_BYTES_MIN: u64 = 16 * 1024 * 1024;

/// Time that a run gets to end when the daemon is told to stop; cut off, it leaves old or new releases, whole.
pub const STOP_GRACE: Duration = Duration::from_secs(5);

/// Pause before an update agent tries again to listen where it could not (the port may have been freed), and looks
/// whether a run beside it has brought another policy.
pub const LISTEN_AGAIN: Duration = Duration::from_secs(5);

/// Time in which a starting daemon tries again for the lock that it holds: whoever asks for the status takes it, too.
pub const DAEMON_LOCK_WAIT: Duration = Duration::from_millis(500);

/// Longest `daemon.json` that is read, in bytes: a few addresses and sentences.
pub const DAEMON_FILE_BYTES_MAX: u64 = 256 * 1024;

/// Time between polls where the settings in force cannot be read.
pub const POLL_INTERVAL_DEFAULT: Duration = Duration::from_secs(3600);

/// Time to connect, and again for a byte, for the organisation's sources while the vendor source stands behind them
/// (or the other way round): a silent one costs a class no more than 3 s.
pub const IMPATIENT_TIMEOUT: Duration = Duration::from_millis(1250);

/// Components or programs named in one message, beside the first, that no source gives.
pub const NAMES_TOLD_MAX: usize = 10;
