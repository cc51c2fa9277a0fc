//! One draft of the source list at one server: requests and their results as text.

use headwater_api::v1::{
    DiffAnswer, DraftView, Explained, PreviewAnswer, RestoreRequest, SaveRequest, SavedAnswer, SavedPolicy,
};
use reqwest::Method;

use super::show;
use crate::api_client::{ApiClient, segment};
use crate::terminal::failure::{Exit, Failure};
use crate::terminal::output::Output;
use crate::values::draft_flag;

/// One draft at one server.
#[derive(Debug)]
pub struct DraftClient {
    /// The server.
    pub api: ApiClient,
    /// Path of the draft.
    pub path: String,
    /// Name of the draft.
    pub name: String,
    /// Where results go.
    pub output: Output,
}

impl DraftClient {
    /// The draft as it is now.
    pub async fn draft(&self) -> Result<DraftView, Failure> {
        self.api.get(&self.path).await
    }

    /// The saved list.
    pub async fn saved(&self) -> Result<SavedPolicy, Failure> {
        self.api.get("/api/v1/sources").await
    }

    /// Notes the next step after an edit.
    pub fn next_after_edit(&self) {
        if !self.output.is_json() {
            let draft = self.flag();
            self.output.note(&format!("next: `headwater sources preview{draft}` shows what would change, `headwater sources save{draft}` publishes it"));
        }
    }

    /// The flag that names the draft in other commands; empty for the default one.
    pub fn flag(&self) -> String {
        draft_flag(&self.name)
    }

    /// Shows what saving would do; bad input if it would be refused.
    pub async fn preview(&self) -> Result<Exit, Failure> {
        let preview: PreviewAnswer = self.api.ask(Method::POST, &format!("{}/preview", self.path)).await?;
        self.output.result(&preview, |preview| show::preview(preview, &self.flag()));
        Ok(if preview.errors.is_empty() { Exit::Done } else { Exit::BadInput })
    }

    /// Publishes the draft.
    pub async fn save(&self, request: SaveRequest) -> Result<(), Failure> {
        let saved: SavedAnswer =
            self.api.call(Method::POST, &format!("{}/save", self.path), &request).await?;
        self.output.result(&saved, show::published);
        Ok(())
    }

    /// Shows what changed between two versions, or up to the draft.
    pub async fn diff(&self, from: Option<u64>, to: Option<u64>) -> Result<(), Failure> {
        let from = match from {
            Some(version) => version,
            None => self.saved().await?.version,
        };
        let other =
            to.map_or_else(|| format!("draft={}", segment(&self.name)), |version| format!("to={version}"));
        let answer: DiffAnswer = self.api.get(&format!("/api/v1/sources/diff?from={from}&{other}")).await?;
        self.output.result(&answer, |answer| show::changes(&answer.changes));
        Ok(())
    }

    /// Publishes an earlier version again.
    pub async fn restore(&self, version: u64, comment: Option<String>) -> Result<(), Failure> {
        let expected_version = self.saved().await?.version;
        let request = RestoreRequest { version, expected_version, comment };
        let saved: SavedAnswer = self.api.call(Method::POST, "/api/v1/sources/restore", &request).await?;
        self.output.result(&saved, show::published);
        Ok(())
    }

    /// Explains the plans of a client; `subject` is the query that names it.
    pub async fn explain(&self, subject: &str, saved: bool) -> Result<(), Failure> {
        let draft = if saved { String::new() } else { format!("&draft={}", segment(&self.name)) };
        let explained: Explained = self.api.get(&format!("/api/v1/explain?{subject}{draft}")).await?;
        self.output.result(&explained, show::explained);
        Ok(())
    }
}
