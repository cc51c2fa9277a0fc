//! The console plane's routes about the source list: versions, drafts, preview, explanation; and the vendor source in it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use headwater_api::v1::{
    DiffAnswer, DiffQuery, DraftQuery, DraftView, DraftsAnswer, EditsRequest, ExplainQuery, Explained,
    HistoryAnswer, ImportRequest, PageQuery, PreviewAnswer, RestoreRequest, SaveRequest, SavedAnswer,
    SavedPolicy, VendorRequest, VendorView,
};

use super::json::{Body, Path, Query};
use crate::caller::Caller;
use crate::error::Result;
use crate::source_list::{DraftId, SourceListService};

type Server = State<Arc<SourceListService>>;

pub async fn sources(State(source_list): Server) -> Result<Json<SavedPolicy>> {
    Ok(Json(source_list.saved_now().await?))
}

pub async fn history(
    State(source_list): Server,
    Query(page): Query<PageQuery>,
) -> Result<Json<HistoryAnswer>> {
    let (items, next) = source_list.history(page.before, page.limit).await?;
    Ok(Json(HistoryAnswer { items, next }))
}

pub async fn saved_version(
    State(source_list): Server,
    Path(version): Path<u64>,
) -> Result<Json<SavedPolicy>> {
    Ok(Json(source_list.saved_then(version).await?))
}

pub async fn diff(
    State(source_list): Server,
    caller: Caller,
    Query(query): Query<DiffQuery>,
) -> Result<Json<DiffAnswer>> {
    let DiffQuery { from, to, draft, owner } = query;
    let draft = draft.map(|name| DraftId::new(&caller, name, owner)).transpose()?;
    Ok(Json(DiffAnswer { changes: source_list.diff(from, to, draft.as_ref()).await? }))
}

pub async fn restore(
    State(source_list): Server,
    caller: Caller,
    Body(request): Body<RestoreRequest>,
) -> Result<Json<SavedAnswer>> {
    let RestoreRequest { version, expected_version, comment } = request;
    Ok(Json(source_list.restore(version, expected_version, comment, &caller).await?))
}

pub async fn drafts(State(source_list): Server) -> Result<Json<DraftsAnswer>> {
    Ok(Json(DraftsAnswer { items: source_list.draft_views().await? }))
}

pub async fn draft(
    State(source_list): Server,
    caller: Caller,
    Path(name): Path<String>,
    Query(DraftQuery { owner }): Query<DraftQuery>,
) -> Result<Json<DraftView>> {
    Ok(Json(source_list.draft_view(&DraftId::new(&caller, name, owner)?).await?))
}

pub async fn import(
    State(source_list): Server,
    caller: Caller,
    Path(name): Path<String>,
    Query(DraftQuery { owner }): Query<DraftQuery>,
    Body(request): Body<ImportRequest>,
) -> Result<Json<DraftView>> {
    let id = DraftId::new(&caller, name, owner)?;
    Ok(Json(source_list.import_draft(&id, &request.policy, request.expected_revision, &caller).await?))
}

pub async fn discard(
    State(source_list): Server,
    caller: Caller,
    Path(name): Path<String>,
    Query(DraftQuery { owner }): Query<DraftQuery>,
) -> Result<StatusCode> {
    let id = DraftId::new(&caller, name, owner)?;
    source_list.discard_draft(&id, &caller).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn edit(
    State(source_list): Server,
    caller: Caller,
    Path(name): Path<String>,
    Query(DraftQuery { owner }): Query<DraftQuery>,
    Body(request): Body<EditsRequest>,
) -> Result<Json<DraftView>> {
    let id = DraftId::new(&caller, name, owner)?;
    Ok(Json(source_list.edit_draft(&id, request.edits, request.expected_revision, &caller).await?))
}

pub async fn preview(
    State(source_list): Server,
    caller: Caller,
    Path(name): Path<String>,
    Query(DraftQuery { owner }): Query<DraftQuery>,
) -> Result<Json<PreviewAnswer>> {
    Ok(Json(source_list.preview(&DraftId::new(&caller, name, owner)?).await?))
}

pub async fn preview_restored(
    State(source_list): Server,
    Path(version): Path<u64>,
) -> Result<Json<PreviewAnswer>> {
    Ok(Json(source_list.preview_restored(version).await?))
}

pub async fn save(
    State(source_list): Server,
    caller: Caller,
    Path(name): Path<String>,
    Query(DraftQuery { owner }): Query<DraftQuery>,
    Body(request): Body<SaveRequest>,
) -> Result<Json<SavedAnswer>> {
    let id = DraftId::new(&caller, name, owner)?;
    Ok(Json(source_list.save_draft(&id, request.comment, request.over_version, &caller).await?))
}

pub async fn explain(
    State(source_list): Server,
    caller: Caller,
    Query(query): Query<ExplainQuery>,
) -> Result<Json<Explained>> {
    let ExplainQuery { client, addresses, draft, owner } = query;
    let draft = draft.map(|name| DraftId::new(&caller, name, owner)).transpose()?;
    Ok(Json(source_list.explain(client.as_deref(), addresses.as_deref(), draft.as_ref()).await?))
}

pub async fn set_vendor(
    State(source_list): Server,
    caller: Caller,
    Body(request): Body<VendorRequest>,
) -> Result<Json<VendorView>> {
    Ok(Json(source_list.set_vendor(request, &caller).await?))
}

pub async fn remove_vendor(State(source_list): Server, caller: Caller) -> Result<StatusCode> {
    source_list.remove_vendor(&caller).await?;
    Ok(StatusCode::NO_CONTENT)
}
