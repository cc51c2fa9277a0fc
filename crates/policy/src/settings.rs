//! Settings of domains: their typed part, as written and as effective (D1, D2).

use crate::limits::{
    COMMAND_ARGUMENT_BYTES_MAX, COMMAND_ARGUMENTS_MAX, CONNECT_TIMEOUT_SECONDS_MAX, HOOK_TIMEOUT_SECONDS_MAX,
    IDLE_TIMEOUT_SECONDS_MAX, POLL_INTERVAL_MINUTES_MAX, PROXY_EXCEPTIONS_BYTES_MAX,
    UPDATE_AGENT_DOWNLOADS_MAX, UPDATE_AGENT_QUOTA_MIB_MAX,
};
use crate::problem::Problem;
use crate::proxy::Proxy;

/// What one domain sets explicitly; anything else comes from the nearest domain above that sets it (D1).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// Minutes between polls, 1–129600 (N3).
    pub poll_interval_minutes: Option<u32>,
    /// *Clients download from the vendor source* (P5).
    pub download_from_vendor: Option<bool>,
    /// May a person on the endpoint start a run (N4)?
    pub allow_manual_update: Option<bool>,
    /// Seconds to connect to a source (P9).
    pub connect_timeout_seconds: Option<u32>,
    /// Seconds without a byte before a source is given up (P9).
    pub idle_timeout_seconds: Option<u32>,
    /// The HTTP proxy by which clients reach URLs and the vendor source; an empty one means that there is none.
    pub proxy: Option<String>,
    /// The hosts that are reached without it, between commas.
    pub proxy_exceptions: Option<String>,
    /// Command that tests a new release before it is kept; an empty one means that there is none.
    pub probe_command: Option<Vec<String>>,
    /// Command run after a release was kept; an empty one means that there is none.
    pub after_command: Option<Vec<String>>,
    /// Seconds that a hook or an install command may take.
    pub hook_timeout_seconds: Option<u32>,
    /// Mebibytes that an update agent may hold (U4).
    pub update_agent_quota_mib: Option<u64>,
    /// Downloads that an update agent serves at once (U4).
    pub update_agent_downloads_max: Option<u32>,
    /// Kibibytes a second that an update agent serves in total; 0 means no limit (U4, N5).
    pub update_agent_bandwidth_kib_per_second: Option<u64>,
    /// The settings are for the domain's own clients: update agents that carry them cannot read them (I3).
    pub confidential: Option<bool>,
}

/// The typed settings, all decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectiveSettings {
    /// See [`Settings::poll_interval_minutes`].
    pub poll_interval_minutes: u32,
    /// See [`Settings::download_from_vendor`].
    pub download_from_vendor: bool,
    /// See [`Settings::allow_manual_update`].
    pub allow_manual_update: bool,
    /// See [`Settings::connect_timeout_seconds`].
    pub connect_timeout_seconds: u32,
    /// See [`Settings::idle_timeout_seconds`].
    pub idle_timeout_seconds: u32,
    /// See [`Settings::proxy`]; `None` if there is no proxy.
    pub proxy: Option<String>,
    /// See [`Settings::proxy_exceptions`].
    pub proxy_exceptions: String,
    /// See [`Settings::probe_command`]; `None` if there is no probe.
    pub probe_command: Option<Vec<String>>,
    /// See [`Settings::after_command`]; `None` if there is no command.
    pub after_command: Option<Vec<String>>,
    /// See [`Settings::hook_timeout_seconds`].
    pub hook_timeout_seconds: u32,
    /// See [`Settings::update_agent_quota_mib`].
    pub update_agent_quota_mib: u64,
    /// See [`Settings::update_agent_downloads_max`].
    pub update_agent_downloads_max: u32,
    /// See [`Settings::update_agent_bandwidth_kib_per_second`].
    pub update_agent_bandwidth_kib_per_second: u64,
    /// See [`Settings::confidential`].
    pub confidential: bool,
}

impl Default for EffectiveSettings {
    /// What holds where no domain sets anything. The time-outs are P9's.
    fn default() -> Self {
        Self {
            poll_interval_minutes: 60,
            download_from_vendor: false,
            allow_manual_update: true,
            connect_timeout_seconds: 10,
            idle_timeout_seconds: 30,
            proxy: None,
            proxy_exceptions: String::new(),
            probe_command: None,
            after_command: None,
            hook_timeout_seconds: 600,
            update_agent_quota_mib: 20 * 1024,
            update_agent_downloads_max: 50,
            update_agent_bandwidth_kib_per_second: 0,
            confidential: false,
        }
    }
}

impl Settings {
    /// What these leave open is taken from `above` (D1).
    #[must_use]
    pub fn or(self, above: &Self) -> Self {
        Self {
            poll_interval_minutes: self.poll_interval_minutes.or(above.poll_interval_minutes),
            download_from_vendor: self.download_from_vendor.or(above.download_from_vendor),
            allow_manual_update: self.allow_manual_update.or(above.allow_manual_update),
            connect_timeout_seconds: self.connect_timeout_seconds.or(above.connect_timeout_seconds),
            idle_timeout_seconds: self.idle_timeout_seconds.or(above.idle_timeout_seconds),
            proxy: self.proxy.or_else(|| above.proxy.clone()),
            proxy_exceptions: self.proxy_exceptions.or_else(|| above.proxy_exceptions.clone()),
            probe_command: self.probe_command.or_else(|| above.probe_command.clone()),
            after_command: self.after_command.or_else(|| above.after_command.clone()),
            hook_timeout_seconds: self.hook_timeout_seconds.or(above.hook_timeout_seconds),
            update_agent_quota_mib: self.update_agent_quota_mib.or(above.update_agent_quota_mib),
            update_agent_downloads_max: self.update_agent_downloads_max.or(above.update_agent_downloads_max),
            update_agent_bandwidth_kib_per_second: self
                .update_agent_bandwidth_kib_per_second
                .or(above.update_agent_bandwidth_kib_per_second),
            confidential: self.confidential.or(above.confidential),
        }
    }

    /// The settings with everything open decided by the defaults.
    pub fn decide(self) -> EffectiveSettings {
        let default = EffectiveSettings::default();
        let command = |command: Option<Vec<String>>| command.filter(|command| !command.is_empty());
        EffectiveSettings {
            poll_interval_minutes: self.poll_interval_minutes.unwrap_or(default.poll_interval_minutes),
            download_from_vendor: self.download_from_vendor.unwrap_or(default.download_from_vendor),
            allow_manual_update: self.allow_manual_update.unwrap_or(default.allow_manual_update),
            connect_timeout_seconds: self.connect_timeout_seconds.unwrap_or(default.connect_timeout_seconds),
            idle_timeout_seconds: self.idle_timeout_seconds.unwrap_or(default.idle_timeout_seconds),
            proxy: self.proxy.filter(|proxy| !proxy.is_empty()),
            proxy_exceptions: self.proxy_exceptions.unwrap_or_default(),
            probe_command: command(self.probe_command),
            after_command: command(self.after_command),
            hook_timeout_seconds: self.hook_timeout_seconds.unwrap_or(default.hook_timeout_seconds),
            update_agent_quota_mib: self.update_agent_quota_mib.unwrap_or(default.update_agent_quota_mib),
            update_agent_downloads_max: self
                .update_agent_downloads_max
                .unwrap_or(default.update_agent_downloads_max),
            update_agent_bandwidth_kib_per_second: self
                .update_agent_bandwidth_kib_per_second
                .unwrap_or(default.update_agent_bandwidth_kib_per_second),
            confidential: self.confidential.unwrap_or(default.confidential),
        }
    }

    /// Everything in them that is out of its limits.
    pub fn problems(&self) -> Vec<Problem> {
        let numbers = [
            (
                "poll_interval_minutes",
                self.poll_interval_minutes.map(u64::from),
                u64::from(POLL_INTERVAL_MINUTES_MAX),
            ),
            (
                "connect_timeout_seconds",
                self.connect_timeout_seconds.map(u64::from),
                u64::from(CONNECT_TIMEOUT_SECONDS_MAX),
            ),
            (
                "idle_timeout_seconds",
                self.idle_timeout_seconds.map(u64::from),
                u64::from(IDLE_TIMEOUT_SECONDS_MAX),
            ),
            (
                "hook_timeout_seconds",
                self.hook_timeout_seconds.map(u64::from),
                u64::from(HOOK_TIMEOUT_SECONDS_MAX),
            ),
            ("update_agent_quota_mib", self.update_agent_quota_mib, UPDATE_AGENT_QUOTA_MIB_MAX),
            (
                "update_agent_downloads_max",
                self.update_agent_downloads_max.map(u64::from),
                u64::from(UPDATE_AGENT_DOWNLOADS_MAX),
            ),
        ];
        let numbers = numbers.into_iter().filter_map(|(name, value, max)| {
            let value = value.filter(|value| *value == 0 || *value > max)?;
            Some(Problem::general(format!("{name}: {value} is not within 1-{max}")))
        });
        let commands = [("probe_command", &self.probe_command), ("after_command", &self.after_command)];
        let commands = commands.into_iter().filter_map(|(name, command)| {
            let fault = command_fault(command.as_deref()?)?;
            Some(Problem::general(format!("{name}: {fault}")))
        });
        numbers.chain(commands).chain(self.proxy_fault()).collect()
    }

    /// What is wrong with the proxy. Exceptions may stand without one: it may be set at another domain.
    fn proxy_fault(&self) -> Option<Problem> {
        let exceptions = self.proxy_exceptions.as_deref().unwrap_or_default();
        if exceptions.len() > PROXY_EXCEPTIONS_BYTES_MAX {
            let message = format!("proxy_exceptions: more than {PROXY_EXCEPTIONS_BYTES_MAX} bytes");
            return Some(Problem::general(message));
        }
        let proxy = self.proxy.as_deref().filter(|proxy| !proxy.is_empty());
        let key = if proxy.is_some() { "proxy" } else { "proxy_exceptions" };
        let fault = Proxy::parse(proxy.unwrap_or("http://proxy.example"), exceptions).err()?;
        Some(Problem::general(format!("{key}: {fault}")))
    }
}

fn command_fault(command: &[String]) -> Option<String> {
    if command.len() > COMMAND_ARGUMENTS_MAX {
        return Some(format!("more than {COMMAND_ARGUMENTS_MAX} arguments"));
    }
    if command.iter().any(|argument| argument.len() > COMMAND_ARGUMENT_BYTES_MAX) {
        return Some(format!("an argument has more than {COMMAND_ARGUMENT_BYTES_MAX} bytes"));
    }
    if command.iter().any(|argument| argument.contains('\0')) {
        return Some("an argument has a NUL character, which no command line can carry".to_owned());
    }
    let no_program = command.first().is_some_and(String::is_empty);
    no_program.then(|| "the name of the program is empty".to_owned())
}
