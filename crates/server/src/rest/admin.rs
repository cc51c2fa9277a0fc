//! The console plane's routes about administrators: signing in, tokens, the audit log.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::AppendHeaders;
use axum::{Extension, Json};
use headwater_api::v1::{
    AdministratorRequest, AdministratorRoleRequest, AdministratorView, AdministratorsAnswer, ApiTokenRequest,
    ApiTokensAnswer, AuditAnswer, AuditQuery, AuditVerified, NewApiToken, NewPassword, PasswordRequest,
    SessionView, SignInRequest,
};
use secrecy::ExposeSecret as _;

use super::authorizer::cookie;
use super::json::{Body, Path, Query};
use super::responses::WithHeader;
use super::transport::Transport;
use crate::access::AccessService;
use crate::caller::Caller;
use crate::error::Result;
use crate::limits::SESSION_HOURS;

type Server = State<Arc<AccessService>>;

pub async fn sign_in(
    State(access): Server,
    caller: Caller,
    Extension(transport): Extension<Transport>,
    Body(request): Body<SignInRequest>,
) -> Result<(WithHeader, Json<SessionView>)> {
    let SignInRequest { name, password, new_password } = &request;
    let (token, view) = access.sign_in(name, password, new_password.as_ref(), &caller).await?;
    let cookie = transport.set_cookie(token.expose_secret(), SESSION_HOURS * 3600);
    Ok((AppendHeaders([(header::SET_COOKIE, cookie)]), Json(view)))
}

pub async fn sign_out(
    State(access): Server,
    caller: Caller,
    Extension(transport): Extension<Transport>,
    headers: HeaderMap,
) -> Result<(StatusCode, WithHeader)> {
    if let Some(token) = cookie(&headers, transport.cookie_name()) {
        access.sign_out(&token, &caller).await?;
    }
    Ok((StatusCode::NO_CONTENT, AppendHeaders([(header::SET_COOKIE, transport.set_cookie("", 0))])))
}

pub async fn session(caller: Caller) -> Json<SessionView> {
    Json(SessionView { name: caller.actor.to_string(), role: caller.role.to_string() })
}

pub async fn change_password(
    State(access): Server,
    caller: Caller,
    Body(request): Body<PasswordRequest>,
) -> Result<StatusCode> {
    access.change_password(&request.password, &request.new_password, &caller).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn administrators(State(access): Server) -> Result<Json<AdministratorsAnswer>> {
    Ok(Json(AdministratorsAnswer { items: access.administrators().await? }))
}

pub async fn add(
    State(access): Server,
    caller: Caller,
    Body(request): Body<AdministratorRequest>,
) -> Result<(StatusCode, Json<NewPassword>)> {
    let (administrator, password) = access.add_administrator(request, &caller).await?;
    Ok((StatusCode::CREATED, Json(NewPassword { administrator, password })))
}

pub async fn set_role(
    State(access): Server,
    caller: Caller,
    Path(name): Path<String>,
    Body(request): Body<AdministratorRoleRequest>,
) -> Result<Json<AdministratorView>> {
    Ok(Json(access.set_administrator_role(&name, &request.role, &caller).await?))
}

pub async fn reset_password(
    State(access): Server,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<NewPassword>> {
    let (administrator, password) = access.reset_password(&name, &caller).await?;
    Ok(Json(NewPassword { administrator, password }))
}

pub async fn remove(State(access): Server, caller: Caller, Path(name): Path<String>) -> Result<StatusCode> {
    access.remove_administrator(&name, &caller).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn tokens(State(access): Server, caller: Caller) -> Result<Json<ApiTokensAnswer>> {
    Ok(Json(ApiTokensAnswer { items: access.api_tokens(&caller).await? }))
}

pub async fn make_token(
    State(access): Server,
    caller: Caller,
    Body(request): Body<ApiTokenRequest>,
) -> Result<(StatusCode, Json<NewApiToken>)> {
    let (token, details) = access.make_api_token(&request, &caller).await?;
    Ok((StatusCode::CREATED, Json(NewApiToken { token, details })))
}

pub async fn revoke_token(
    State(access): Server,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<StatusCode> {
    access.revoke_api_token(&name, &caller).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn audit(State(access): Server, Query(query): Query<AuditQuery>) -> Result<Json<AuditAnswer>> {
    let (items, next) = access.audit(&query).await?;
    Ok(Json(AuditAnswer { items, next }))
}

pub async fn verify_audit(State(access): Server) -> Result<Json<AuditVerified>> {
    Ok(Json(access.verify_audit().await?))
}
