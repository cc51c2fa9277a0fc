//! What viewers see of confidential domains (I4): that something is set there and under which name, and not to what.
//! So with the commands among the typed settings; numbers and switches are no secrets and are shown.

use headwater_api::v1::{DomainSettings, DomainView, SettingChangeView};
use headwater_policy::SettingsPart;
use serde_json::Value;

use super::domain_documents::documents;
use super::domain_settings::changes;
use super::service::SourceListService;
use crate::caller::AdministratorRole;
use crate::error::Result;

/// What stands in place of a value or a file's text.
const WITHHELD: &str = "(confidential)";

impl SourceListService {
    /// Whether values are kept from this reader: the domain is confidential, or was so in one of these
    /// versions, or is to be so by one of these drafts.
    pub(crate) async fn withholds(
        &self,
        reader: AdministratorRole,
        path: &str,
        sets: &[&DomainSettings],
    ) -> Result<bool> {
        if reader > AdministratorRole::Viewer {
            return Ok(false);
        }
        if sets.iter().any(|set| set.settings.get("confidential") == Some(&Value::Bool(true))) {
            return Ok(true);
        }
        let documents = documents(&self.db.domains().await?)?;
        Ok(documents.iter().any(|document| document.domain == path && document.settings.confidential))
    }
}

/// A domain as this reader sees it.
pub(crate) fn seen_by(reader: AdministratorRole, view: DomainView) -> DomainView {
    if reader > AdministratorRole::Viewer || !view.effective.settings.confidential {
        return view;
    }
    let mut effective = view.effective;
    effective.values.values_mut().for_each(|value| *value = Value::from(WITHHELD));
    effective.files.values_mut().for_each(|text| *text = WITHHELD.to_owned());
    let commands = [&mut effective.settings.probe_command, &mut effective.settings.after_command];
    commands.into_iter().flatten().for_each(|command| *command = vec![WITHHELD.to_owned()]);
    DomainView { set: without_values(view.set), effective, ..view }
}

/// What is set, without to what.
pub(crate) fn without_values(mut set: DomainSettings) -> DomainSettings {
    set.settings.values_mut().for_each(withhold_command);
    set.values.values_mut().for_each(|value| *value = Value::from(WITHHELD));
    set.files.values_mut().for_each(|text| *text = WITHHELD.to_owned());
    set
}

/// What changed, without from what and to what.
pub(crate) fn changes_without_values(
    mut diff: Vec<headwater_policy::SettingChange<Value>>,
) -> Vec<SettingChangeView> {
    for change in &mut diff {
        let values = [&mut change.before, &mut change.after].into_iter().flatten();
        match change.part {
            SettingsPart::Setting => values.for_each(withhold_command),
            _ => values.for_each(|value| *value = Value::from(WITHHELD)),
        }
    }
    changes(diff)
}

/// Of typed settings commands alone are lists.
fn withhold_command(setting: &mut Value) {
    if setting.is_array() {
        *setting = Value::from(vec![WITHHELD]);
    }
}
