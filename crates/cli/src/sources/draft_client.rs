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
    /// Name of the draft.
    pub name: String,
    /// Its owner, if it is another administrator's.
    pub owner: Option<String>,
    /// Where results go.
    pub output: Output,
}

impl DraftClient {
    /// The API's path of the draft, and of what is done to it.
    pub fn address(&self, what: &str) -> String {
        let owner =
            self.owner.as_ref().map_or_else(String::new, |owner| format!("?owner={}", segment(owner)));
        format!("/api/v1/drafts/{}{what}{owner}", segment(&self.name))
    }

    /// The part of a query that names the draft.
    fn query(&self) -> String {
        let owner =
            self.owner.as_ref().map_or_else(String::new, |owner| format!("&owner={}", segment(owner)));
        format!("draft={}{owner}", segment(&self.name))
    }

    /// The draft as it is now.
    pub async fn draft(&self) -> Result<DraftView, Failure> {
        self.api.get(&self.address("")).await
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
        draft_flag(&self.name, self.owner.as_deref())
    }

    /// Shows what saving would do; bad input if it would be refused.
    pub async fn preview(&self) -> Result<Exit, Failure> {
        let preview: PreviewAnswer = self.api.ask(Method::POST, &self.address("/preview")).await?;
        let save = format!("headwater sources save{}", self.flag());
        self.output.result(&preview, |preview| show::preview(preview, &save));
        Ok(if preview.errors.is_empty() { Exit::Done } else { Exit::BadInput })
    }

    /// Publishes the draft.
    pub async fn save(&self, request: SaveRequest) -> Result<(), Failure> {
        let saved: SavedAnswer = self.api.call(Method::POST, &self.address("/save"), &request).await?;
        self.output.result(&saved, show::published);
        Ok(())
    }

    /// Shows what changed between two versions, or up to the draft.
    pub async fn diff(&self, from: Option<u64>, to: Option<u64>) -> Result<(), Failure> {
        let from = match from {
            Some(version) => version,
            None => self.saved().await?.version,
        };
        let other = to.map_or_else(|| self.query(), |version| format!("to={version}"));
        let answer: DiffAnswer = self.api.get(&format!("/api/v1/sources/diff?from={from}&{other}")).await?;
        self.output.result(&answer, |answer| show::changes(&answer.changes));
        Ok(())
    }

    /// Shows what restoring an earlier version would do; bad input if it would be refused.
    pub async fn preview_restored(&self, version: u64) -> Result<Exit, Failure> {
        let over = self.saved().await?.version;
        let path = format!("/api/v1/sources/history/{version}/preview");
        let preview: PreviewAnswer = self.api.ask(Method::POST, &path).await?;
        let save = format!("headwater sources restore {version} --over-version {over}");
        self.output.result(&preview, |preview| show::preview(preview, &save));
        Ok(if preview.errors.is_empty() { Exit::Done } else { Exit::BadInput })
    }

    /// Publishes an earlier version again, over the one that the administrator has seen.
    pub async fn restore(&self, request: RestoreRequest) -> Result<(), Failure> {
        let saved: SavedAnswer = self.api.call(Method::POST, "/api/v1/sources/restore", &request).await?;
        self.output.result(&saved, show::published);
        Ok(())
    }

    /// Explains the plans of a client; `subject` is the query that names it.
    pub async fn explain(&self, subject: &str, saved: bool) -> Result<(), Failure> {
        let draft = if saved { String::new() } else { format!("&{}", self.query()) };
        let explained: Explained = self.api.get(&format!("/api/v1/explain?{subject}{draft}")).await?;
        self.output.result(&explained, show::explained);
        Ok(())
    }
}
