//! The commands of a domain's settings, and the environment of every command.

use std::path::Path;
use std::time::Duration;

use headwater_api::settings::EffectiveSettingsDocument;
use headwater_policy::Class;

use crate::data::{ReleaseRecord, Slot};

/// The domain's probe, which decides beside a release's own, and the command that runs after a release was kept.
#[derive(Debug, Clone)]
pub struct Hooks {
    pub probe: Option<Vec<String>>,
    pub after: Option<Vec<String>>,
    pub timeout: Duration,
}

impl Hooks {
    pub(crate) fn of(settings: &EffectiveSettingsDocument) -> Self {
        let some = |command: &Option<Vec<String>>| command.clone().filter(|words| !words.is_empty());
        Self {
            probe: some(&settings.probe_command),
            after: some(&settings.after_command),
            timeout: Duration::from_secs(settings.hook_timeout_seconds.into()),
        }
    }
}

/// The environment of hooks and install commands, beside `PATH` and `LANG`.
pub(crate) fn variables(
    class: Class,
    name: &str,
    slot: &Slot,
    record: &ReleaseRecord,
    folder: &Path,
    previous: Option<&str>,
) -> Vec<(&'static str, String)> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let mut variables = vec![
        ("HEADWATER_CLASS", class.to_string()),
        ("HEADWATER_NAME", name.to_owned()),
        ("HEADWATER_SEQUENCE", record.sequence.to_string()),
        ("HEADWATER_VERSION", record.version.clone()),
        ("HEADWATER_RELEASE", text(folder)),
        ("HEADWATER_CURRENT", text(&slot.current())),
    ];
    if let Some(previous) = previous {
        variables.push(("HEADWATER_PREVIOUS", text(&slot.release_folder(previous))));
    }
    variables
}
