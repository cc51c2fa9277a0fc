//! The console plane's routes about domains and their settings.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use headwater_api::v1::{
    DiffQuery, DomainRequest, DomainView, DomainsAnswer, DraftQuery, PageQuery, RestoreRequest, SaveRequest,
    SavedSettings, SettingsDiffAnswer, SettingsDraft, SettingsDraftsAnswer, SettingsEditRequest,
    SettingsHistoryAnswer, SettingsSaved, SettingsSetRequest,
};

use super::json::{Body, Path, Query};
use crate::caller::Caller;
use crate::error::Result;
use crate::source_list::{DraftId, SourceListService};

type Server = State<Arc<SourceListService>>;

pub async fn domains(State(source_list): Server, caller: Caller) -> Result<Json<DomainsAnswer>> {
    Ok(Json(DomainsAnswer { items: source_list.domain_views(caller.role).await? }))
}

pub async fn add_domain(
    State(source_list): Server,
    caller: Caller,
    Body(request): Body<DomainRequest>,
) -> Result<(StatusCode, Json<DomainView>)> {
    Ok((StatusCode::CREATED, Json(source_list.add_domain(&request.path, &caller).await?)))
}

pub async fn domain(
    State(source_list): Server,
    caller: Caller,
    Path(path): Path<String>,
) -> Result<Json<DomainView>> {
    Ok(Json(source_list.domain_view(&path, caller.role).await?))
}

pub async fn remove_domain(
    State(source_list): Server,
    caller: Caller,
    Path(path): Path<String>,
) -> Result<StatusCode> {
    source_list.remove_domain(&path, &caller).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn set_settings(
    State(source_list): Server,
    caller: Caller,
    Path(path): Path<String>,
    Body(request): Body<SettingsSetRequest>,
) -> Result<Json<SettingsSaved>> {
    Ok(Json(source_list.set_settings(&path, request, &caller).await?))
}

pub async fn settings_history(
    State(source_list): Server,
    Path(path): Path<String>,
    Query(page): Query<PageQuery>,
) -> Result<Json<SettingsHistoryAnswer>> {
    Ok(Json(source_list.settings_history(&path, page.before, page.limit).await?))
}

pub async fn settings_version(
    State(source_list): Server,
    caller: Caller,
    Path((path, version)): Path<(String, u64)>,
) -> Result<Json<SavedSettings>> {
    Ok(Json(source_list.settings_then(&path, version, caller.role).await?))
}

pub async fn settings_diff(
    State(source_list): Server,
    caller: Caller,
    Path(path): Path<String>,
    Query(query): Query<DiffQuery>,
) -> Result<Json<SettingsDiffAnswer>> {
    let DiffQuery { from, to, draft, owner } = query;
    let draft = draft.map(|name| DraftId::new(&caller, name, owner)).transpose()?;
    let changes = source_list.settings_diff(&path, from, to, draft.as_ref(), caller.role).await?;
    Ok(Json(SettingsDiffAnswer { changes }))
}

pub async fn restore_settings(
    State(source_list): Server,
    caller: Caller,
    Path(path): Path<String>,
    Body(request): Body<RestoreRequest>,
) -> Result<Json<SettingsSaved>> {
    Ok(Json(source_list.restore_settings(&path, request, &caller).await?))
}

pub async fn settings_drafts(
    State(source_list): Server,
    caller: Caller,
    Path(path): Path<String>,
) -> Result<Json<SettingsDraftsAnswer>> {
    Ok(Json(SettingsDraftsAnswer { items: source_list.settings_drafts(&path, caller.role).await? }))
}

pub async fn settings_draft(
    State(source_list): Server,
    caller: Caller,
    Path((path, name)): Path<(String, String)>,
    Query(DraftQuery { owner }): Query<DraftQuery>,
) -> Result<Json<SettingsDraft>> {
    let id = DraftId::new(&caller, name, owner)?;
    Ok(Json(source_list.settings_draft(&path, &id, caller.role).await?))
}

pub async fn discard_settings(
    State(source_list): Server,
    caller: Caller,
    Path((path, name)): Path<(String, String)>,
    Query(DraftQuery { owner }): Query<DraftQuery>,
) -> Result<StatusCode> {
    let id = DraftId::new(&caller, name, owner)?;
    source_list.discard_settings_draft(&path, &id, &caller).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn edit_settings(
    State(source_list): Server,
    caller: Caller,
    Path((path, name)): Path<(String, String)>,
    Query(DraftQuery { owner }): Query<DraftQuery>,
    Body(request): Body<SettingsEditRequest>,
) -> Result<Json<SettingsDraft>> {
    let id = DraftId::new(&caller, name, owner)?;
    let SettingsEditRequest { edit, expected_revision } = request;
    Ok(Json(source_list.edit_settings_draft(&path, &id, edit, expected_revision, &caller).await?))
}

pub async fn save_settings(
    State(source_list): Server,
    caller: Caller,
    Path((path, name)): Path<(String, String)>,
    Query(DraftQuery { owner }): Query<DraftQuery>,
    Body(request): Body<SaveRequest>,
) -> Result<Json<SettingsSaved>> {
    let id = DraftId::new(&caller, name, owner)?;
    Ok(Json(source_list.save_settings_draft(&path, &id, request, &caller).await?))
}
