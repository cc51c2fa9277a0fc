//! Every limit of this crate, with its unit and its reason.

/// Entries that a source list holds (S2; OfficeScan's own limit).
pub const ENTRIES_MAX: usize = 1024;
/// Sources of an earlier plan that a client remembers for the policy: more than fail at once, few enough to try in a run.
pub const FORMER_SOURCES_MAX: usize = 16;
/// Update agents that a policy knows: four for each of the sites that the list can name, and to spare.
pub const UPDATE_AGENTS_MAX: usize = 16_384;
/// Addresses of one client or update agent: far above what a host with many bridges has.
pub const ADDRESSES_MAX: usize = 1024;
/// Bytes of a client's id: the longest host name of DNS (RFC 1035).
pub const ID_BYTES_MAX: usize = 253;
/// Bytes of a URL: what every proxy on the way is known to pass.
pub const URL_BYTES_MAX: usize = 2048;
/// Bytes of a host name in a URL (RFC 1035).
pub const HOST_BYTES_MAX: usize = 253;
/// Bytes of one label of a host name (RFC 1035).
pub const HOST_LABEL_BYTES_MAX: usize = 63;
/// Domains in the tree, the root included: the whole tree is handled in memory, and each is a signed document.
pub const DOMAINS_MAX: usize = 1000;
/// Levels of the tree, the root included: paths stay readable and file names within every limit.
pub const DOMAIN_DEPTH_MAX: usize = 16;
/// Bytes of one domain's name: it is part of a file name.
pub const DOMAIN_NAME_BYTES_MAX: usize = 64;
/// Minutes between polls, at most: 90 days (N3).
pub const POLL_INTERVAL_MINUTES_MAX: u32 = 129_600;
/// Seconds to connect, at most: beyond this a dead source holds up a run for longer than people wait.
pub const CONNECT_TIMEOUT_SECONDS_MAX: u32 = 300;
/// Seconds without a byte, at most: slower links than this do not finish an update.
pub const IDLE_TIMEOUT_SECONDS_MAX: u32 = 3_600;
/// Seconds that a hook or an install command may take, at most: one hour, in which no other update is installed.
pub const HOOK_TIMEOUT_SECONDS_MAX: u32 = 3_600;
/// Arguments of a hook's command, the program included.
pub const COMMAND_ARGUMENTS_MAX: usize = 64;
/// Bytes of one argument of a hook's command: below the kernel's own limit of 128 KiB.
pub const COMMAND_ARGUMENT_BYTES_MAX: usize = 4_096;
/// Mebibytes of an update agent's quota, at most: 1 PiB, which only a mistyped unit exceeds.
pub const UPDATE_AGENT_QUOTA_MIB_MAX: u64 = 1 << 30;
/// Downloads that an update agent serves at once, at most: its open files allow no more (U4).
pub const UPDATE_AGENT_DOWNLOADS_MAX: u32 = 10_000;
/// The organisation's own components: what one server publishes by hand; the policy names each.
pub const OWN_COMPONENTS_MAX: usize = 4096;
/// Bytes of a component's name: it is part of file names and of TUF targets.
pub const COMPONENT_NAME_BYTES_MAX: usize = 64;
/// Components named in one sentence: people look at a few, the number covers the rest.
pub const COMPONENT_NAMES_SHOWN_MAX: usize = 10;
/// Clients named as examples in one warning: people look at a few, the number covers the rest.
pub const EXAMPLES_MAX: usize = 10;
/// Characters of a domain's value in a line that describes a change: a line is read at a glance, the value may be a MiB.
pub const SHOWN_VALUE_CHARS_MAX: usize = 100;

/// Exceptions of a proxy: each is looked at for each request.
pub const PROXY_EXCEPTIONS_MAX: usize = 64;

/// Bytes of the exceptions of a proxy as text.
pub const PROXY_EXCEPTIONS_BYTES_MAX: usize = 8192;
