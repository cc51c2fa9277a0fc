//! What administrators see of increments.

use std::sync::Arc;

use headwater_api::v1::{IncrementBeingMade, IncrementsOfComponent, IncrementsView};
use headwater_policy::Class;
use headwater_repo::ComponentName;

use super::workshop::Progress;
use crate::app::App;
use crate::error::Result;

impl App {
    /// How far the increments of every component and program are.
    ///
    /// # Errors
    /// When the database or the disk fails.
    pub async fn increments_view(&self) -> Result<IncrementsView> {
        let mut items = Vec::new();
        for class in [Class::Components, Class::Programs] {
            for row in self.db.components(class).await? {
                let Ok(name) = ComponentName::new(row.name) else { continue };
                let Some(lineup) = self.lineup(class, &name)? else { continue };
                let standing =
                    self.workshop.state().components.get(&(class, name.clone())).cloned().unwrap_or_default();
                let increments = || lineup.current.increments();
                items.push(IncrementsOfComponent {
                    class: class.to_string(),
                    name: name.to_string(),
                    release: lineup.current.sequence.get(),
                    version: lineup.current.version.to_string(),
                    increments: increments().count() as u64,
                    increment_bytes: increments().map(|increment| increment.size).sum(),
                    body_bytes: lineup.current.files.iter().map(|file| file.body.size).sum(),
                    lacking: standing.lacking as u64,
                    done: standing.done == Some(lineup.state),
                });
            }
        }
        let being_made = |progress: &Arc<Progress>| IncrementBeingMade {
            base: progress.job.base.to_string(),
            result: progress.job.result.to_string(),
            permille: progress.permille(),
        };
        let making = self.workshop.state().working.iter().map(being_made).collect();
        Ok(IncrementsView { paused: self.workshop.is_stopped(), making, items })
    }
}
