//! Every limit of the client, with its unit and its reason.

use std::time::Duration;

use headwater_repo::limits::COMMAND_TIMEOUT_SECONDS_MAX;

/// Longest time that a check-in may delay a run: it is a hint, and the plan needs no server (P1).
pub const CHECK_IN_WAIT_MAX: Duration = Duration::from_secs(1);

/// Longest time to send one report: a server that stops answering after the check-in delays a run by at most 3 s.
pub const REPORT_SEND_WAIT_MAX: Duration = Duration::from_secs(3);

/// The same if the check-in of this run got no answer: with [`CHECK_IN_WAIT_MAX`], a silent server costs 2 s.
pub const REPORT_SEND_WAIT_UNANSWERED: Duration = Duration::from_secs(1);

/// Longest answer of the server, in bytes: a certificate and its chain, or a domain's keys, in a signed envelope.
pub const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// Update agents that are asked to carry one message when the server is unreachable: the first of the plan.
pub const CARRIERS_MAX: usize = 3;

/// Longest time for an enrolment or renewal over one route: they are rare, and the server may be busy with many.
pub const CERTIFICATE_WAIT_MAX: Duration = Duration::from_secs(15);

/// Longest time that one source is asked for newer roots: all are asked at once, so a silent one delays one run a day by as
/// much.
pub const ROOT_LOOK_WAIT_MAX: Duration = Duration::from_secs(3);

/// Time after which every source is asked for newer roots again: below a day, so that hourly and daily polls do it daily.
pub const ROOT_LOOK_INTERVAL: Duration = Duration::from_secs(20 * 3600);

/// The same if a source did not answer, or a newer root was named than any source had.
pub const ROOT_LOOK_AGAIN: Duration = Duration::from_secs(3600);

/// Tries of an enrolment while the server is busy: many clients may be set up at once.
pub const ENROL_TRIES_MAX: u32 = 4;

/// Longest wait between these tries, whatever `Retry-After` states: a person may be waiting.
pub const ENROL_WAIT_MAX: Duration = Duration::from_secs(120);

/// Pause after a failed renewal: a third of the certificate's life is left for it.
pub const RENEWAL_BACK_OFF: Duration = Duration::from_secs(600);

/// Longest pause before a daemon that is not enrolled tries again.
pub const ENROL_AGAIN: Duration = Duration::from_secs(15);

/// First pause after a run that found no network; doubles up to the poll interval.
pub const NETWORK_RETRY_MIN: Duration = Duration::from_secs(2);

/// Keys of confidential settings that are kept: those of the last changes of a few domains.
pub const DOMAIN_KEYS_KEPT_MAX: usize = 16;

/// Longest file of a key, certificate or domain keys that is read, in bytes.
pub const IDENTITY_FILE_BYTES_MAX: u64 = 64 * 1024;

/// First pause after a failed check-in; doubles up to [`CHECK_IN_BACK_OFF_MAX`].
pub const CHECK_IN_BACK_OFF_MIN: Duration = Duration::from_secs(60);

/// Longest pause after failed check-ins: a server that works again is found within the hour.
pub const CHECK_IN_BACK_OFF_MAX: Duration = Duration::from_secs(3600);

/// Reports kept while the server is unreachable: three weeks of hourly runs. The oldest are removed first.
pub const SPOOL_REPORTS_MAX: usize = 512;

/// Bytes of reports kept while the server is unreachable. The oldest are removed first.
pub const SPOOL_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Reports sent after one run, so that a long absence does not end in one long burst.
pub const SPOOL_SEND_MAX: usize = 64;

/// Times that reports are renumbered after one run: more than one only if a copy of this client reports at the same time.
pub const RENUMBERED_MAX: u32 = 4;

/// Output of a hook or an install command that is kept, in bytes: the end states why it failed.
pub const COMMAND_OUTPUT_BYTES_MAX: usize = 4 * 1024;

/// Longest time limit of a hook or an install command: the one that a manifest, and a domain, may give.
pub const COMMAND_TIME_MAX: Duration = Duration::from_secs(COMMAND_TIMEOUT_SECONDS_MAX);

/// Releases remembered as failed, for one name: what is no longer offered need not be remembered.
pub const FAILED_REMEMBERED_MAX: usize = 16;

/// Starts of an unfinished trial (crashes in the middle of a probe) before the client reverts.
pub const TRIAL_STARTS_MAX: u32 = 3;

/// Starts in which a new `headwater-client` must complete a run as daemon; otherwise the client reverts.
pub const SELF_STARTS_MAX: u32 = 3;

/// Longest trial run of a new `headwater-client`: a complete run with nothing new to fetch.
pub const SELF_TRIAL_TIME_MAX: Duration = Duration::from_secs(120);

/// Difference between the server's clock and this computer's from which the client warns: with half a day valid metadata looks expired.
pub const CLOCK_SKEW_WARN: Duration = Duration::from_secs(15 * 60);

/// Longest `state.json` that is read, in bytes.
pub const STATE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Longest file of the client's id that is read, in bytes: an id and a line end, with a margin.
pub const ID_FILE_BYTES_MAX: u64 = 1024;

/// Longest file that holds one number which is read, in bytes: reports made, starts of a program on probation.
pub const NUMBER_FILE_BYTES_MAX: u64 = 64;

/// Longest enrolment bundle that is read, in bytes: 1024 entries, and roots.
pub const BUNDLE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Longest configuration file that is read, in bytes.
pub const CONFIG_BYTES_MAX: u64 = 1024 * 1024;

/// Share of the poll interval, in percent, by which a poll comes earlier or later, so that a site's clients spread out.
pub const POLL_JITTER_PERCENT: u64 = 10;

/// Longest time between two looks of a daemon for a newer policy: a day, so that no wrong polling interval outlives its
/// correction for long (P5a).
pub const POLICY_LOOK_MAX: Duration = Duration::from_secs(24 * 3600);

/// Memory that decoding a delta may take, in bytes: with the program itself an update stays under 64 MiB. A delta that
/// needs more is skipped for another delta or the full body.
pub const DELTA_MEMORY_MAX: u64 = headwater_depot::limits::DELTA_MEMORY_MAX;

/// How often paths of deltas are selected, because sources do not have them or they fail, before full bodies are
/// fetched: after three failures the deltas are broken.
pub const DELTA_ROUNDS_MAX: u32 = 3;

/// Free space that an install leaves on the disk, in bytes, for the endpoint's own needs.
pub const FREE_BYTES_MIN: u64 = 16 * 1024 * 1024;

/// Files and folders (inodes) that an install leaves to the disk, for the endpoint's own needs: a small disk of 32 MiB has
/// 8192 in all.
pub const FREE_FILES_MIN: u64 = 512;

/// Time that a run gets to end when the daemon stops. If it is cut off, it leaves old or new releases whole.
pub const STOP_GRACE: Duration = Duration::from_secs(5);

/// Pause after which a daemon looks whether its addresses have changed, and an update agent tries again to listen (the port
/// may be free now) and checks whether a run beside it has brought another policy.
pub const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Time in which a starting daemon retries to take its lock: `headwater-client status` takes it for a moment, too.
pub const DAEMON_LOCK_WAIT: Duration = Duration::from_millis(500);

/// Longest `daemon.json` that is read, in bytes: a few addresses and sentences.
pub const DAEMON_FILE_BYTES_MAX: u64 = 256 * 1024;

/// Time between polls if the settings in effect cannot be read.
pub const POLL_INTERVAL_DEFAULT: Duration = Duration::from_secs(3600);

/// Time to connect, and again for a byte, for the organisation's sources while the vendor source follows them (or the other
/// way round): a silent source delays a class by at most 3 s.
pub const SHORT_TIMEOUT: Duration = Duration::from_millis(1250);

/// Names or files listed in one message.
pub const NAMES_LISTED_MAX: usize = 10;

/// Files that are not the release's and are remembered for one release: one that writes its data beside its files would
/// make the record grow without end.
pub const ADDED_FILES_MAX: usize = 1000;

/// Time between two checks of installed files by a daemon whose runs are rarer (P11).
pub const CHECK_INTERVAL: Duration = Duration::from_secs(3600);

/// Files that a daemon looks at in one step of such a check: a few milliseconds.
pub const CHECK_STEP_FILES_MAX: usize = 1000;
