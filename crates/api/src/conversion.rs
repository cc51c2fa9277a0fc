//! From documents to the types of `headwater-policy`, and back. All problems are reported at once, by entry.

use headwater_policy::{
    Class, ClassSet, Client, EffectiveSettings, Entry, EntrySource, Occasion, Options, Plans, Policy,
    PolicyDraft, Problem, Repository, Scheme, Settings, UpdateAgent,
};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::plan::{ClassPlanDocument, PlanDocument, SkippedDocument, StepDocument};
use crate::policy::{
    ClientDocument, EntryDocument, LocationDocument, OptionsDocument, PolicyDocument, SelectorDocument,
    ServerFallbackDocument, SourceDocument, UpdateAgentDocument,
};
use crate::read_policy::{Check, read_client, read_entry, read_options, read_policy};
use crate::settings::{EffectiveSettingsDocument, SettingsDocument};

fn from_text(text: &str) -> Result<&RawValue, Vec<Problem>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    serde_json::from_str(text).map_err(|error| vec![Problem::general(format!("this is no JSON: {error}"))])
}

/// What a person would have written to get this message, so that there is one reader for both.
fn as_written(message: &impl Serialize) -> Box<RawValue> {
    to_raw_value(message).expect("a wire message always serialises")
}

impl PolicyDocument {
    /// Reads a policy file.
    ///
    /// # Errors
    /// Every problem found, each with the entry that it is about (S2, S3, S5).
    pub fn parse(text: &str) -> Result<Policy, Vec<Problem>> {
        Policy::new(read_policy(from_text(text)?, Check::For(Occasion::Save))?)
    }

    /// Reads a policy file to make plans from: it may have been saved long ago, and addresses change.
    ///
    /// # Errors
    /// Every problem found, each with the entry that it is about; see [`Occasion::Plan`].
    pub fn parse_for_plan(text: &str) -> Result<Policy, Vec<Problem>> {
        let json = from_text(text)?;
        // The file must be corrected anyway, so that what saving it would refuse is reported, too.
        match read_policy(json, Check::For(Occasion::Plan)) {
            Ok(draft) => Ok(Policy::already_saved(draft)),
            Err(problems) => Err(read_policy(json, Check::For(Occasion::Save)).err().unwrap_or(problems)),
        }
    }

    /// The policy as written. How its pieces fit together is checked by [`PolicyDraft::into_policy`].
    ///
    /// # Errors
    /// Everything that cannot be read, with the number of the entry it stands in.
    pub fn read(&self) -> Result<PolicyDraft, Vec<Problem>> {
        read_policy(&as_written(self), Check::Pieces)
    }

    /// The same as a document.
    pub fn of(draft: &PolicyDraft) -> Self {
        Self {
            mode: draft.mode.to_string(),
            options: OptionsDocument::of(&draft.options),
            server: LocationDocument { url: draft.server.to_string() },
            vendor: draft.vendor.as_ref().map(|vendor| LocationDocument { url: vendor.to_string() }),
            update_agents: draft.update_agents.iter().map(UpdateAgentDocument::of).collect(),
            own_components: draft.own_components.iter().map(str::to_owned).collect(),
            entries: draft.entries.as_slice().iter().map(EntryDocument::of).collect(),
        }
    }
}

impl OptionsDocument {
    /// The options as written.
    ///
    /// # Errors
    /// An unknown word.
    pub fn read(&self) -> Result<Options, Vec<Problem>> {
        read_options(&as_written(self))
    }

    /// The same as a document.
    pub fn of(options: &Options) -> Self {
        Self {
            server_fallback: ServerFallbackDocument {
                components: options.server_fallback.is_on(Class::Components),
                settings: options.server_fallback.is_on(Class::Settings),
                programs: options.server_fallback.is_on(Class::Programs),
            },
            update_agents_from_server_only: options.update_agents_from_server_only,
            vendor_fallback: options.vendor_fallback.to_string(),
        }
    }
}

impl UpdateAgentDocument {
    /// The same as a document.
    pub fn of(agent: &UpdateAgent) -> Self {
        Self {
            id: agent.id().to_string(),
            addresses: agent.addresses().iter().map(ToString::to_string).collect(),
            scheme: (agent.scheme() != Scheme::default()).then(|| agent.scheme().to_string()),
            port: agent.port(),
            classes: class_words(agent.classes()),
        }
    }
}

impl EntryDocument {
    /// The entry as written; `number` is its place in the list, from 1, for the problems.
    ///
    /// # Errors
    /// Everything that cannot be read.
    pub fn read(&self, number: u32) -> Result<Entry, Vec<Problem>> {
        read_entry(&as_written(self), number)
    }

    /// The same as a document.
    pub fn of(entry: &Entry) -> Self {
        Self {
            clients: SelectorDocument {
                ipv4: entry.selector.ipv4().map(|range| range.to_string()),
                ipv6: entry.selector.ipv6().map(|prefix| prefix.to_string()),
            },
            source: match &entry.source {
                EntrySource::Vendor => SourceDocument::Vendor,
                EntrySource::UpdateAgent(id) => SourceDocument::UpdateAgent(id.to_string()),
                EntrySource::Url { url, classes } => SourceDocument::Url {
                    url: url.to_string(),
                    classes: (*classes != ClassSet::ALL).then(|| class_words(*classes)),
                },
            },
        }
    }
}

impl ClientDocument {
    /// Reads a client file.
    ///
    /// # Errors
    /// Every problem found.
    pub fn parse(text: &str) -> Result<Client, Vec<Problem>> {
        read_client(from_text(text)?)
    }

    /// The same as a document.
    pub fn of(client: &Client) -> Self {
        Self {
            id: client.id().to_string(),
            addresses: client.addresses().iter().map(ToString::to_string).collect(),
            download_from_vendor: client.download_from_vendor(),
        }
    }
}

impl SettingsDocument {
    /// The settings as written.
    ///
    /// # Errors
    /// Every value outside its limits.
    pub fn read(&self) -> Result<Settings, Vec<Problem>> {
        let settings = Settings {
            poll_interval_minutes: self.poll_interval_minutes,
            download_from_vendor: self.download_from_vendor,
            allow_manual_update: self.allow_manual_update,
            connect_timeout_seconds: self.connect_timeout_seconds,
            idle_timeout_seconds: self.idle_timeout_seconds,
            proxy: self.proxy.clone(),
            proxy_exceptions: self.proxy_exceptions.clone(),
            probe_command: self.probe_command.clone(),
            after_command: self.after_command.clone(),
            hook_timeout_seconds: self.hook_timeout_seconds,
            update_agent_quota_mib: self.update_agent_quota_mib,
            update_agent_downloads_max: self.update_agent_downloads_max,
            update_agent_bandwidth_kib_per_second: self.update_agent_bandwidth_kib_per_second,
            confidential: self.confidential,
        };
        let problems = settings.problems();
        if problems.is_empty() { Ok(settings) } else { Err(problems) }
    }
}

impl From<EffectiveSettings> for EffectiveSettingsDocument {
    fn from(settings: EffectiveSettings) -> Self {
        Self {
            poll_interval_minutes: settings.poll_interval_minutes,
            download_from_vendor: settings.download_from_vendor,
            allow_manual_update: settings.allow_manual_update,
            connect_timeout_seconds: settings.connect_timeout_seconds,
            idle_timeout_seconds: settings.idle_timeout_seconds,
            proxy: settings.proxy,
            proxy_exceptions: settings.proxy_exceptions,
            probe_command: settings.probe_command,
            after_command: settings.after_command,
            hook_timeout_seconds: settings.hook_timeout_seconds,
            update_agent_quota_mib: settings.update_agent_quota_mib,
            update_agent_downloads_max: settings.update_agent_downloads_max,
            update_agent_bandwidth_kib_per_second: settings.update_agent_bandwidth_kib_per_second,
            confidential: settings.confidential,
        }
    }
}

/// A client's plans as a document.
pub fn plan_document(plans: &Plans) -> PlanDocument {
    let class_plan = |repository| {
        let plan = plans.get(repository);
        ClassPlanDocument {
            steps: plan
                .steps
                .iter()
                .map(|step| StepDocument {
                    source: step.source.to_string(),
                    url: step.url.to_string(),
                    entry: step.entry,
                    reason: step.reason.to_string(),
                })
                .collect(),
            skipped: plan
                .skipped
                .iter()
                .map(|skipped| SkippedDocument { entry: skipped.entry, reason: skipped.reason.to_string() })
                .collect(),
            unserved: plan.unserved.as_ref().map(ToString::to_string),
            partial: plan.partial.as_ref().map(ToString::to_string),
        }
    };
    Repository::ALL.into_iter().map(|repository| (repository.to_string(), class_plan(repository))).collect()
}

fn class_words(classes: ClassSet) -> Vec<String> {
    classes.iter().map(|class| class.to_string()).collect()
}
