//! The console plane's routes about administrators: signing in, tokens, the audit log.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::AppendHeaders;
use axum::{Extension, Json};
use headwater_api::secret::Secret as Told;
use headwater_api::v1::{
    AdministratorRequest, AdministratorRoleRequest, AdministratorView, AdministratorsAnswer, ApiTokenRequest,
    ApiTokensAnswer, AuditAnswer, AuditQuery, AuditVerified, NewApiToken, NewPassword, PasswordRequest,
    SessionView, SignInRequest,
};

use super::described::WithHeader;
use super::gate::{Door, cookie};
use super::json::{Asked, Body, Named};
use crate::access::Caller;
use crate::app::App;
use crate::error::Result;
use crate::limits::SESSION_HOURS;
use crate::secret::Secret;

type Server = State<Arc<App>>;

pub async fn sign_in(
    State(app): Server,
    caller: Caller,
    Extension(door): Extension<Door>,
    Body(request): Body<SignInRequest>,
) -> Result<(WithHeader, Json<SessionView>)> {
    let (password, new) = (secret(&request.password), request.new_password.as_ref().map(secret));
    let (token, view) = app.sign_in(&request.name, &password, new.as_ref(), &caller).await?;
    let cookie = door.set_cookie(token.expose(), SESSION_HOURS * 3600);
    Ok((AppendHeaders([(header::SET_COOKIE, cookie)]), Json(view)))
}

pub async fn sign_out(
    State(app): Server,
    caller: Caller,
    Extension(door): Extension<Door>,
    headers: HeaderMap,
) -> Result<(StatusCode, WithHeader)> {
    if let Some(token) = cookie(&headers, door.cookie_name()) {
        app.sign_out(&token, &caller).await?;
    }
    Ok((StatusCode::NO_CONTENT, AppendHeaders([(header::SET_COOKIE, door.set_cookie("", 0))])))
}

pub async fn session(caller: Caller) -> Json<SessionView> {
    Json(SessionView { name: caller.actor.to_string(), role: caller.role.to_string() })
}

pub async fn change_password(
    State(app): Server,
    caller: Caller,
    Body(request): Body<PasswordRequest>,
) -> Result<StatusCode> {
    app.change_password(&secret(&request.password), &secret(&request.new_password), &caller).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn administrators(State(app): Server) -> Result<Json<AdministratorsAnswer>> {
    Ok(Json(AdministratorsAnswer { items: app.administrators().await? }))
}

pub async fn add(
    State(app): Server,
    caller: Caller,
    Body(request): Body<AdministratorRequest>,
) -> Result<(StatusCode, Json<NewPassword>)> {
    let (administrator, password) = app.add_administrator(request, &caller).await?;
    Ok((StatusCode::CREATED, Json(NewPassword { administrator, password: told(&password) })))
}

pub async fn set_role(
    State(app): Server,
    caller: Caller,
    Named(name): Named<String>,
    Body(request): Body<AdministratorRoleRequest>,
) -> Result<Json<AdministratorView>> {
    Ok(Json(app.set_administrator_role(&name, &request.role, &caller).await?))
}

pub async fn reset_password(
    State(app): Server,
    caller: Caller,
    Named(name): Named<String>,
) -> Result<Json<NewPassword>> {
    let (administrator, password) = app.reset_password(&name, &caller).await?;
    Ok(Json(NewPassword { administrator, password: told(&password) }))
}

pub async fn remove(State(app): Server, caller: Caller, Named(name): Named<String>) -> Result<StatusCode> {
    app.remove_administrator(&name, &caller).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn tokens(State(app): Server, caller: Caller) -> Result<Json<ApiTokensAnswer>> {
    Ok(Json(ApiTokensAnswer { items: app.api_tokens(&caller).await? }))
}

pub async fn make_token(
    State(app): Server,
    caller: Caller,
    Body(request): Body<ApiTokenRequest>,
) -> Result<(StatusCode, Json<NewApiToken>)> {
    let (token, details) = app.make_api_token(&request, &caller).await?;
    Ok((StatusCode::CREATED, Json(NewApiToken { token: told(&token), details })))
}

pub async fn revoke_token(
    State(app): Server,
    caller: Caller,
    Named(name): Named<String>,
) -> Result<StatusCode> {
    app.revoke_api_token(&name, &caller).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn audit(State(app): Server, Asked(query): Asked<AuditQuery>) -> Result<Json<AuditAnswer>> {
    let (items, next) = app.audit(&query).await?;
    Ok(Json(AuditAnswer { items, next }))
}

pub async fn verify_audit(State(app): Server) -> Result<Json<AuditVerified>> {
    Ok(Json(app.verify_audit().await?))
}

fn secret(told: &Told) -> Secret {
    Secret::new(told.expose().to_owned())
}

fn told(secret: &Secret) -> Told {
    Told::new(secret.expose())
}
