//! Every limit of the server, with its unit and reason.

use std::time::Duration;

/// Bytes of a JSON body on the console plane. A list of 1024 entries with names is below 1 MiB; a vendor's root
/// metadata is tens of KiB.
pub const CONSOLE_BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Time for a JSON body to arrive, on both planes: the largest statement over a slow line. A body that comes a byte at a
/// time holds a connection no longer.
pub const BODY_TIME_MAX: Duration = Duration::from_secs(120);

/// Bytes of an over-long body that are read and dropped so that its sender can read why it is refused: what a person sends by mistake.
pub const DROPPED_BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Time for that.
pub const DROPPED_BODY_TIME_MAX: Duration = Duration::from_secs(10);

/// Bytes of a check-in. A client states its id, its addresses and three versions.
pub const CHECK_IN_BODY_BYTES_MAX: usize = 64 * 1024;

/// Bytes of a report. A run tries at most three classes over at most some dozens of sources.
pub const REPORT_BODY_BYTES_MAX: usize = 1024 * 1024;

/// Attempts in one report: three classes over every entry of a full list is more than any real run.
pub const REPORT_ATTEMPTS_MAX: usize = 4096;

/// Installed releases named in one report.
pub const REPORT_INSTALLED_MAX: usize = 4096;

/// Bytes of the program's version in a report or check-in; other texts are bounded by the whole.
pub const REPORT_TEXT_BYTES_MAX: usize = 4096;

/// Clients in the registry: the design's fleet; beyond it an embedded database is the wrong choice.
pub const CLIENTS_MAX: u64 = 200_000;

/// Clients moved by one request.
pub const MOVE_CLIENTS_MAX: usize = 10_000;

/// Bytes of one domain's free values and files together: every client of it fetches them.
pub const DOMAIN_EXTRAS_BYTES_MAX: usize = 1024 * 1024;

/// Free values of one domain, and free files of one domain.
pub const DOMAIN_EXTRAS_MAX: usize = 1000;

/// Bytes of the path of a free file and of the name of a free value.
pub const EXTRA_NAME_BYTES_MAX: usize = 255;

/// Drafts at once: one an administrator is plenty.
pub const DRAFTS_MAX: u64 = 100;

/// Drafts of domains' settings at once, of all domains together: each may hold [`DOMAIN_EXTRAS_BYTES_MAX`].
pub const DOMAIN_DRAFTS_MAX: u64 = 200;

/// Characters of a draft's name.
pub const DRAFT_NAME_CHARS_MAX: usize = 64;

/// Edits in one request: removing and adding a whole list.
pub const EDITS_MAX: usize = 4096;

/// Characters of a comment on a saved version.
pub const COMMENT_CHARS_MAX: usize = 1000;

/// Items of a page, at most.
pub const PAGE_ITEMS_MAX: u32 = 1000;

/// Items of a page when the request does not name how many.
pub const PAGE_ITEMS_DEFAULT: u32 = 100;

/// Bytes of all files of a release, unpacked: an archive of a few bytes can unpack to any number.
pub const RELEASE_BYTES_MAX: u64 = 64 << 30;

/// Bytes of the headers of one entry of a tar, long names and extensions included: they are read into memory, and a
/// compressed archive of a few MiB can hold GiB of them. Real ones are a few KiB.
pub const TAR_HEADER_BYTES_MAX: u64 = 1024 * 1024;

/// Bytes that an entry of a tar takes beside its content, at most on average: headers, a long name, times, padding.
pub const TAR_OVERHEAD_BYTES: u64 = 4 * 1024;

/// Bytes that may be read of a zip to learn what is in it: the list is read into memory. One of 100,000 files with names of 200
/// bytes takes 30 MiB.
pub const ZIP_DIRECTORY_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Uploads at once: each takes a core for compression and disk for its archive.
pub const UPLOADS_MAX: usize = 2;

/// Seconds after which an upload that found no place may come again.
pub const UPLOAD_RETRY_AFTER_SECONDS: u32 = 30;

/// Silence in an upload after which it is given up.
pub const UPLOAD_IDLE_MAX: Duration = Duration::from_secs(60);

/// Seconds that the blobs of a release stay after it has left the release list: a client may be fetching them.
pub const BLOB_GRACE_SECONDS: i64 = 60 * 60;

/// Age of a metadata or target file that is no longer current, before it is collected, in seconds: a client that
/// has read the older `timestamp.json` still comes for them.
pub const OLD_METADATA_GRACE_SECONDS: i64 = 24 * 60 * 60;

/// Priority of the threads that make deltas, as `nice` counts: they take what nobody else wants.
pub const DELTA_NICENESS: i32 = 15;

/// Time that making deltas waits at most after failures in a row: nothing else reports that a disk has space again.
pub const DELTAS_RETRY_MAX: Duration = Duration::from_secs(10 * 60);

/// Threads that make deltas at once, at most.
pub const DELTAS_THREADS_MAX: u64 = 64;

/// Storage for the deltas to one file, in percent of its body, at most.
pub const DELTAS_STORAGE_PERCENT_MAX: u64 = 10_000;

/// Time between two looks of the job loop at what is due.
pub const JOB_TICK: Duration = Duration::from_secs(30);

/// Bytes of each class's blobs that are read to verify them, each time: an hour's share, so that a store of 100 GiB is looked through in
/// a day, at a MiB a second on average.
pub const SCRUB_BYTES: u64 = 4 << 30;

/// Seconds between two runs of each job that cleans or checks: retention, garbage, scrub.
pub const UPKEEP_INTERVAL_SECONDS: i64 = 60 * 60;

/// Minutes between two syncs of the vendor source at most: 90 days, as polling (N3).
pub const VENDOR_SCHEDULE_MINUTES_MAX: u32 = 129_600;

/// Components taken from the vendor source.
pub const VENDOR_COMPONENTS_MAX: usize = 1000;

/// Rejected releases of the vendor source that one message names.
pub const REJECTED_NAMED_MAX: usize = 8;

/// Days that reports are kept, at most: ten years.
pub const REPORT_RETENTION_DAYS_MAX: u32 = 3650;

/// Connections of the fleet listener at once.
pub const FLEET_CONNECTIONS_MAX: usize = 4096;

/// Connections of the console listener at once.
pub const CONSOLE_CONNECTIONS_MAX: usize = 256;

/// Time for an open request to end when the server stops.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);

/// Time for all names of a list together: a full list must not wait minutes for a name server that is silent.
pub const RESOLVE_ALL_TIME_MAX: Duration = Duration::from_secs(5);

/// Names resolved at once, and time for one, when a list is checked (S5).
pub const RESOLVE_AT_ONCE: usize = 16;
/// See [`RESOLVE_AT_ONCE`].
pub const RESOLVE_TIME_MAX: Duration = Duration::from_secs(2);

/// Characters of a vendor's name that are shown where no component may have it.
pub const VENDOR_NAME_SHOWN_MAX: usize = 80;

/// Bytes of an enrolment: a signing request, a token, some addresses, sealed, in base64 twice.
pub const ENROL_BODY_BYTES_MAX: usize = 64 * 1024;

/// Bytes of a renewal: likewise.
pub const RENEWAL_BODY_BYTES_MAX: usize = 64 * 1024;

/// Bytes of a statement that holds a report: as text in JSON every quotation mark of the report takes a byte more, and
/// there is an envelope around it.
pub const REPORT_STATEMENT_BYTES_MAX: usize = 2 * REPORT_BODY_BYTES_MAX + 64 * 1024;

/// Enrolments and renewals at once: each costs some signatures and a write.
pub const ENROL_AT_ONCE_MAX: usize = 8;

/// Refused enrolments, and likewise refused renewals, from one address (IPv6: one /64) within [`ENROL_WINDOW_SECONDS`]: a
/// token cannot be guessed, this is about the work. Those that are taken are not counted: behind an update agent's one
/// address is a whole site.
pub const ENROL_REFUSALS_MAX: u32 = 30;

/// Likewise, brought by an update agent: one client that asks wrongly without end does not block its site.
pub const ENROL_REFUSALS_CARRIED_MAX: u32 = 300;

/// See [`ENROL_REFUSALS_MAX`].
pub const ENROL_WINDOW_SECONDS: i64 = 60;

/// Seconds after which one that was refused too often may come again.
pub const ENROL_RETRY_AFTER_SECONDS: u32 = 60;

/// Addresses whose refusals are counted; beyond it the count begins again.
pub const ENROL_ADDRESSES_MAX: usize = 4096;

/// Tokens at once, ended ones counted until they are collected.
pub const ENROL_TOKENS_MAX: u64 = 10_000;

/// Uses of one token: a fleet in one bundle.
pub const ENROL_USES_MAX: u32 = 100_000;

/// Seconds that a token lasts: at least, when the request does not name it (a week), and at most (a year).
pub const ENROL_EXPIRES_SECONDS_MIN: u32 = 60;
/// See [`ENROL_EXPIRES_SECONDS_MIN`].
pub const ENROL_EXPIRES_SECONDS_DEFAULT: u32 = 7 * 24 * 3600;
/// See [`ENROL_EXPIRES_SECONDS_MIN`].
pub const ENROL_EXPIRES_SECONDS_MAX: u32 = 365 * 24 * 3600;

/// Highest number of a statement: what JSON readers of every kind hold exactly.
pub const SEQUENCE_MAX: u64 = 1 << 53;

/// Gaps in a client's reports that are kept apart.
pub const REPORT_GAPS_MAX: usize = 64;

/// Characters of a host's name that are remembered with a report: those of a label in DNS.
pub const MACHINE_HOST_CHARS_MAX: usize = 63;

/// Addresses of a machine that are remembered with a report: enough to find it.
pub const MACHINE_ADDRESSES_MAX: usize = 8;

/// Clients that are re-enrolled by one request: every one is a change of its own with a record of its own.
pub const RE_ENROL_AT_ONCE_MAX: usize = 10_000;

/// Seconds between two notes of the same unknown client: one that asks without end costs a write now and then.
pub const UNKNOWN_CLIENT_PAUSE_SECONDS: i64 = 10;

/// Unknown clients that are noted for the first time within [`UNKNOWN_CLIENT_PAUSE_SECONDS`]: an id costs nothing to make up.
pub const UNKNOWN_CLIENTS_NEW_MAX: u32 = 60;

/// Days that an unknown client is remembered that asks no more.
pub const UNKNOWN_CLIENT_DAYS: i64 = 90;

/// Revoked keys in the signed policy, which every client fetches (a mebibyte); the server itself refuses all of them.
pub const REVOKED_SIGNED_MAX: u32 = 8192;

/// Revoked keys from which on the status warns that their room in the signed policy ends: three quarters of it.
pub const REVOKED_WARNED_MIN: u32 = REVOKED_SIGNED_MAX / 4 * 3;

/// Names and addresses of the server's certificate beside the host of `fleet_url`.
pub const FLEET_NAMES_MAX: usize = 32;
/// Likewise of the console's certificate, beside where it listens.
pub const CONSOLE_NAMES_MAX: usize = 32;

/// CAs in use at once: the newest and those that clients of all ages still trust. The cross-signed certificates between them
/// must fit into a chain.
pub const FLEET_CAS_MAX: usize = 4;

/// Seconds that a replaced online key signs beside its successor: as long as a snapshot lives, so that a mirror or client
/// that got the new timestamp before the new root goes on.
pub const RETIRED_KEY_SECONDS: i64 = 7 * 24 * 60 * 60;

/// Days before the root expires from which on the status warns: time to bring key holders together.
pub const ROOT_WARNING_DAYS: i64 = 120;

/// Members of a backup: every blob of 100 components with 15 releases of 100 files, and room.
pub const BACKUP_MEMBERS_MAX: usize = 2_000_000;

/// Bytes of a backup's listing: 200 for each of [`BACKUP_MEMBERS_MAX`].
pub const BACKUP_LISTING_BYTES_MAX: u64 = 400 << 20;

/// Bytes of one key file of a backup: the longest holds a key and its certificates.
pub const BACKUP_KEY_BYTES_MAX: u64 = 1 << 20;

/// Chunks of a backup that wait for a slow reader, of 64 KiB each.
pub const BACKUP_CHUNKS_WAITING_MAX: usize = 16;

/// Connections of the local socket at once; one beyond waits.
pub const LOCAL_CONNECTIONS_MAX: usize = 64;

/// Time for the head of a request on the local socket, also for the next one on a kept connection.
pub const LOCAL_HEADER_TIMEOUT: Duration = Duration::from_secs(60);

/// Pause after a connection that could not be accepted: out of file handles, most likely.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Administrators and API tokens: people and programs of one organisation.
pub const ADMINISTRATORS_MAX: u64 = 1000;
/// See [`ADMINISTRATORS_MAX`].
pub const TOKENS_MAX: u64 = 10_000;

/// Characters of the name of an administrator or token.
pub const ADMINISTRATOR_NAME_CHARS_MAX: usize = 64;

/// Scopes of one token: there are fewer parts of the API than that.
pub const TOKEN_SCOPES_MAX: usize = 64;

/// Days that an API token lives, at most and when the request does not name how many.
pub const TOKEN_DAYS_MAX: u32 = 3650;
/// See [`TOKEN_DAYS_MAX`].
pub const TOKEN_DAYS_DEFAULT: u32 = 90;

/// Hours that a session lives: a working day and the evening.
pub const SESSION_HOURS: i64 = 12;

/// Sessions of one administrator at once; the oldest ends when one more begins.
pub const SESSIONS_PER_ADMINISTRATOR_MAX: u32 = 16;

/// Characters of a password at least, and bytes at most: NIST SP 800-63B asks for 8 and for 64 to be possible.
pub const PASSWORD_CHARS_MIN: usize = 12;
/// See [`PASSWORD_CHARS_MIN`].
pub const PASSWORD_BYTES_MAX: usize = 1024;

/// Passwords worked out at once: each takes 19 MiB and a core for some milliseconds.
pub const PASSWORDS_AT_ONCE: usize = 2;

/// Failed attempts to sign in that cost no wait: what a person mistypes.
pub const ATTEMPTS_UNPUNISHED: u32 = 5;

/// Seconds that an account waits at most after a failed attempt: somebody else must not keep its owner out for long.
pub const ATTEMPT_WAIT_ACCOUNT_MAX: i64 = 60;

/// Seconds that an address waits at most.
pub const ATTEMPT_WAIT_ADDRESS_MAX: i64 = 15 * 60;

/// Accounts and addresses whose failed attempts are remembered.
pub const ATTEMPTS_KEYS_MAX: usize = 10_000;

/// Failed attempts recorded in the audit log within an hour; the first that is not is recorded as such. A caller
/// with many addresses must not fill the disk.
pub const ATTEMPTS_RECORDED_MAX: u32 = 1000;

/// Releases that the status names whose content is not here; of more it shows the number.
pub const MISSING_NAMED_MAX: usize = 8;

/// Scopes and mapped values of `[oidc]`: what one organisation writes by hand.
pub const OIDC_SCOPES_MAX: usize = 16;
/// See [`OIDC_SCOPES_MAX`].
pub const OIDC_ROLES_MAX: usize = 256;

/// Bytes of the secret by which the identity provider knows this server.
pub const OIDC_SECRET_BYTES_MAX: usize = 1024;

/// Time for all that the identity provider is asked in one step of a sign-in, and for one connection to it: somebody waits,
/// and can sign in with a password meanwhile.
pub const PROVIDER_TIME_MAX: Duration = Duration::from_secs(5);
/// See [`PROVIDER_TIME_MAX`].
pub const PROVIDER_CONNECT_TIME_MAX: Duration = Duration::from_secs(2);

/// Bytes of one answer of the identity provider: keys and their certificates, or a token that names every group.
pub const PROVIDER_ANSWER_BYTES_MAX: usize = 256 * 1024;

/// Characters of a reason that the identity provider gives, or that its answers give cause for.
pub const PROVIDER_REASON_CHARS_MAX: usize = 300;

/// Seconds that the metadata of the identity provider, its keys included, is kept.
pub const PROVIDER_KEPT_SECONDS: i64 = 60 * 60;

/// Seconds from when an identity provider was asked, and failed, until it is asked again: twice as long as it has to answer.
/// A caller that comes meanwhile is refused at once.
pub const PROVIDER_PAUSE_SECONDS: i64 = 10;

/// Seconds between two times that its keys are fetched because a token names another: anybody can make one up.
pub const PROVIDER_KEYS_PAUSE_SECONDS: i64 = 60;

/// Seconds that a token of the identity provider may be ahead of this server's clock: what clocks that are kept differ by.
pub const PROVIDER_AHEAD_SECONDS_MAX: i64 = 60;

/// Seconds that somebody has for signing in at the identity provider.
pub const SIGN_IN_SECONDS: i64 = 10 * 60;

/// Sign-ins at the identity provider that are under way at once, altogether and begun from one address (IPv6: one /64); the
/// oldest ends when one more begins.
pub const SIGN_INS_MAX: usize = 4096;
/// See [`SIGN_INS_MAX`].
pub const SIGN_INS_PER_ADDRESS_MAX: usize = 64;

/// Hours that the identity provider's word counts: who is removed there is removed here after that.
pub const VOUCHED_SESSION_HOURS: i64 = 4;

/// Characters of a subject (OpenID Connect Core, 2), and of the name shown with it.
pub const SUBJECT_CHARS_MAX: usize = 255;
/// See [`SUBJECT_CHARS_MAX`].
pub const VOUCHED_NAME_CHARS_MAX: usize = 64;

/// Records of the audit log that are read at once when it is verified.
pub const AUDIT_RECORDS_AT_ONCE: u32 = 1000;

/// Findings that verifying the audit log reports: after the first the rest follows from it.
pub const AUDIT_FINDINGS_MAX: usize = 20;

/// Seconds after which records that nothing signed names make the server sign where the audit log ends.
pub const AUDIT_ANCHOR_SECONDS: i64 = 24 * 60 * 60;

/// Seconds without a word after which a client is silent, unless somebody asks otherwise: a day, many times what clients
/// wait between two check-ins unless their domain says otherwise.
pub const SILENT_SECONDS_DEFAULT: u32 = 24 * 60 * 60;

/// The fewest that may be asked for: clients check in no more often than each minute.
pub const SILENT_SECONDS_MIN: u32 = 60;

/// The most that may be asked for: a year.
pub const SILENT_SECONDS_MAX: u32 = 366 * 24 * 60 * 60;

/// Clients of a page that has everything that each has installed: each may have a thousand names.
pub const CLIENTS_WITH_RELEASES_MAX: u32 = 100;

/// Days of which a client's sources are shown with it.
pub const CLIENT_DAYS_SHOWN: i64 = 7;

/// Connections that the kernel holds for a listener until they are accepted.
pub const ACCEPT_BACKLOG: i32 = 1024;

/// Seconds after a start that found something odd in which nothing is deleted: who put a wrong file in place has that
/// time to notice.
pub const NOTHING_DELETED_SECONDS: i64 = 60 * 60;

/// Names that the refusal of a foreign folder lists before it counts the rest.
pub const FOREIGN_NAMES_MAX: usize = 5;

/// Clients that are remembered for stating versions that this server has not signed.
pub const CLIENTS_AHEAD_MAX: usize = 1000;

/// Clients that the warning about them names before it counts the rest.
pub const CLIENTS_AHEAD_NAMED_MAX: usize = 5;

/// The part of a disk that must be free without a warning: a twentieth, within the bounds below.
pub const DISK_WARNED_DIVISOR: u64 = 20;

/// Free bytes below which there is a warning on every disk (1 GiB): an hour of uploads and reports.
pub const DISK_WARNED_BYTES_MIN: u64 = 1 << 30;

/// Free bytes above which there is none, however large the disk is (10 GiB).
pub const DISK_WARNED_BYTES_MAX: u64 = 10 << 30;

/// Free bytes below which the server counts as failed (64 MiB): the database and signing may stop at any time.
pub const DISK_FAILED_BYTES: u64 = 64 << 20;

/// Free inodes below which there is a warning on every disk that limits them.
pub const DISK_WARNED_FILES_MIN: u64 = 5_000;

/// Free inodes above which there is none.
pub const DISK_WARNED_FILES_MAX: u64 = 50_000;

/// Free inodes below which the server counts as failed.
pub const DISK_FAILED_FILES: u64 = 500;
