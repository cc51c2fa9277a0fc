//! The console plane's routes about what is published: releases, deltas, the vendor source, keys.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use headwater_api::v1::{
    ComponentAnswer, ComponentView, DeltasView, KeysView, PublishOptions, PublishQuery, PublishedAnswer,
    ReleasesAnswer, RepositoryKeysView, RollbackRequest, RootDraftAnswer, RootDraftRequest, RootRequest,
    VendorView,
};

use super::json::{Body, Path, Query};
use super::{json, now, upload};
use crate::caller::Caller;
use crate::error::{Error, Refusal, Result};
use crate::publishing::{Format, PublishingService, ReleaseRequest, parse_name};
use crate::services::Services;

type Server = State<Arc<PublishingService>>;

pub async fn releases(State(publishing): Server) -> Result<Json<ReleasesAnswer>> {
    Ok(Json(ReleasesAnswer { items: publishing.components().await? }))
}

pub async fn component(
    State(publishing): Server,
    Path((class, name)): Path<(String, String)>,
) -> Result<Json<ComponentAnswer>> {
    let (class, name) = parse_name(&class, &name)?;
    Ok(Json(publishing.component(class, &name).await?))
}

pub async fn publish(
    State(services): State<Services>,
    caller: Caller,
    Path((class, name)): Path<(String, String)>,
    Query(query): Query<PublishQuery>,
    request: Request,
) -> Result<(StatusCode, Json<PublishedAnswer>)> {
    let options: PublishOptions = match &query.options {
        None => PublishOptions::default(),
        Some(text) => serde_json::from_str(text)
            .map_err(|error| Error::from(Refusal::invalid(format!("options: not what is taken: {error}"))))?,
    };
    let release = ReleaseRequest::parse(&class, &name, &query.version, &options)?;
    let format = query.format.as_deref().map(Format::parse).transpose()?;
    let publishing = &services.publishing;
    let _permit = publishing.permit_upload()?;
    let archive = upload::receive(publishing, request.into_body()).await?;
    let published = publishing.publish(release, archive, format, &caller).await?;
    services.source_list.sign_own_components(&caller).await;
    Ok((StatusCode::CREATED, Json(published)))
}

pub async fn roll_back(
    State(publishing): Server,
    caller: Caller,
    Path((class, name)): Path<(String, String)>,
    Body(request): Body<RollbackRequest>,
) -> Result<Json<ComponentView>> {
    let (class, name) = parse_name(&class, &name)?;
    Ok(Json(publishing.roll_back(class, &name, request.to, &caller).await?))
}

pub async fn remove_component(
    State(services): State<Services>,
    caller: Caller,
    Path((class, name)): Path<(String, String)>,
) -> Result<StatusCode> {
    let (class, name) = parse_name(&class, &name)?;
    services.publishing.remove_component(class, &name, &caller).await?;
    services.source_list.sign_own_components(&caller).await;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn deltas(State(publishing): Server) -> Result<Json<DeltasView>> {
    Ok(Json(publishing.deltas_view().await?))
}

pub async fn pause_deltas(State(publishing): Server, caller: Caller) -> Result<Json<DeltasView>> {
    publishing.record(caller.audit_entry("deltas.pause", "until the next start")).await?;
    publishing.pause_deltas();
    Ok(Json(publishing.deltas_view().await?))
}

pub async fn resume_deltas(State(publishing): Server, caller: Caller) -> Result<Json<DeltasView>> {
    publishing.record(caller.audit_entry("deltas.resume", "")).await?;
    publishing.resume_deltas();
    Ok(Json(publishing.deltas_view().await?))
}

pub async fn vendor(State(publishing): Server) -> Result<Json<VendorView>> {
    Ok(Json(publishing.vendor_view().await?))
}

pub async fn keys(State(publishing): Server) -> Json<KeysView> {
    Json(publishing.keys_view(now()))
}

pub async fn draft_root(
    State(publishing): Server,
    caller: Caller,
    Path(repository): Path<String>,
    Body(request): Body<RootDraftRequest>,
) -> Result<Json<RootDraftAnswer>> {
    Ok(Json(publishing.draft_root(json::repository(&repository)?, &request, &caller).await?))
}

pub async fn take_root(
    State(publishing): Server,
    caller: Caller,
    Path(repository): Path<String>,
    Body(request): Body<RootRequest>,
) -> Result<Json<RepositoryKeysView>> {
    Ok(Json(publishing.submit_root(json::repository(&repository)?, &request.root, &caller).await?))
}
