//! The console plane's routes about the fleet: clients, enrolment, update agents, the fleet's keys.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use headwater_api::bundle::EnrolBundle;
use headwater_api::v1::{
    CaRotated, ClientView, ClientsAnswer, ClientsQuery, EnrolBundleRequest, ForceQuery, KeyRotated,
    MoveRequest, ReEnrolAnswer, ReEnrolRequest, RemovedClientAnswer, ReportsAnswer, ReportsQuery,
    RevokedView, RoleRequest, RotateCaQuery, TokensAnswer, UnknownClientsAnswer, UpdateAgentsAnswer,
};

use super::json::{Body, Path, Query};
use super::now;
use crate::caller::Caller;
use crate::error::Result;
use crate::fleet::{FleetService, FormerCas};

type Server = State<Arc<FleetService>>;

pub async fn give_domain(
    State(fleet): Server,
    caller: Caller,
    Path(path): Path<String>,
    Body(request): Body<RoleRequest>,
) -> Result<Json<UpdateAgentsAnswer>> {
    Ok(Json(fleet.set_role_of_domain(&path, &request, &caller).await?))
}

pub async fn take_domain(
    State(fleet): Server,
    caller: Caller,
    Path(path): Path<String>,
    Query(query): Query<ForceQuery>,
) -> Result<Json<UpdateAgentsAnswer>> {
    let request = RoleRequest { force: query.force, ..RoleRequest::default() };
    Ok(Json(fleet.set_role_of_domain(&path, &request, &caller).await?))
}

pub async fn clients(State(fleet): Server, Query(query): Query<ClientsQuery>) -> Result<Json<ClientsAnswer>> {
    Ok(Json(fleet.client_views(&query, now()).await?))
}

pub async fn move_clients(
    State(fleet): Server,
    caller: Caller,
    Body(request): Body<MoveRequest>,
) -> Result<Json<ClientsAnswer>> {
    let items = fleet.move_clients(&request.clients, &request.domain, &caller).await?;
    Ok(Json(ClientsAnswer { items, next: None, counts: None, policy_version: None }))
}

pub async fn client(State(fleet): Server, Path(id): Path<String>) -> Result<Json<ClientView>> {
    Ok(Json(fleet.client_view(&id, now()).await?))
}

pub async fn remove_client(
    State(fleet): Server,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<RemovedClientAnswer>> {
    Ok(Json(fleet.remove_client(&id, &caller).await?))
}

pub async fn revoke_client(
    State(fleet): Server,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<RevokedView>> {
    Ok(Json(fleet.revoke_client(&id, &caller).await?))
}

pub async fn unknown_clients(State(fleet): Server) -> Result<Json<UnknownClientsAnswer>> {
    Ok(Json(UnknownClientsAnswer { items: fleet.unknown_clients().await? }))
}

pub async fn re_enrol(
    State(fleet): Server,
    caller: Caller,
    Body(request): Body<ReEnrolRequest>,
) -> Result<Json<ReEnrolAnswer>> {
    Ok(Json(fleet.re_enrol(request, &caller).await?))
}

pub async fn tokens(State(fleet): Server) -> Result<Json<TokensAnswer>> {
    Ok(Json(TokensAnswer { items: fleet.tokens(now()).await? }))
}

pub async fn enrol_bundle(
    State(fleet): Server,
    caller: Caller,
    Body(request): Body<EnrolBundleRequest>,
) -> Result<(StatusCode, Json<EnrolBundle>)> {
    Ok((StatusCode::CREATED, Json(fleet.enrol_bundle(request, &caller).await?)))
}

pub async fn revoke_token(
    State(fleet): Server,
    caller: Caller,
    Path(number): Path<u64>,
) -> Result<StatusCode> {
    fleet.revoke_token(number, &caller).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn reports(State(fleet): Server, Query(query): Query<ReportsQuery>) -> Result<Json<ReportsAnswer>> {
    let (items, next) = fleet.reports(query.client.as_deref(), query.before, query.limit).await?;
    Ok(Json(ReportsAnswer { items, next }))
}

pub async fn update_agents(State(fleet): Server) -> Result<Json<UpdateAgentsAnswer>> {
    Ok(Json(fleet.update_agents().await?))
}

pub async fn give(
    State(fleet): Server,
    caller: Caller,
    Path(id): Path<String>,
    Body(request): Body<RoleRequest>,
) -> Result<Json<UpdateAgentsAnswer>> {
    Ok(Json(fleet.set_role(&id, &request, &caller).await?))
}

pub async fn take(
    State(fleet): Server,
    caller: Caller,
    Path(id): Path<String>,
    Query(query): Query<ForceQuery>,
) -> Result<Json<UpdateAgentsAnswer>> {
    let request = RoleRequest { force: query.force, ..RoleRequest::default() };
    Ok(Json(fleet.set_role(&id, &request, &caller).await?))
}

pub async fn rotate_ca(
    State(fleet): Server,
    caller: Caller,
    Query(query): Query<RotateCaQuery>,
) -> Result<Json<CaRotated>> {
    let former = if query.at_once { FormerCas::Distrusted } else { FormerCas::StayGood };
    let at_once = former == FormerCas::Distrusted;
    Ok(Json(CaRotated { number: fleet.rotate_ca(former, &caller).await?, at_once }))
}

pub async fn rotate_response_signing_key(State(fleet): Server, caller: Caller) -> Result<Json<KeyRotated>> {
    Ok(Json(KeyRotated { key: fleet.rotate_response_signing_key(&caller).await? }))
}

pub async fn rotate_enrolment_encryption_key(
    State(fleet): Server,
    caller: Caller,
) -> Result<Json<KeyRotated>> {
    Ok(Json(KeyRotated { key: fleet.rotate_enrolment_encryption_key(&caller).await? }))
}
