//! The console plane's routes about administrators: signing in, tokens, the audit log.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use headwater_api::v1::{ApiTokenRequest, ApiTokensAnswer, NewApiToken};

use super::json::{Body, Named};
use crate::access::By;
use crate::app::App;
use crate::error::Result;

type Server = State<Arc<App>>;

pub async fn tokens(State(app): Server, by: By) -> Result<Json<ApiTokensAnswer>> {
    Ok(Json(ApiTokensAnswer { items: app.api_tokens(&by).await? }))
}

pub async fn make_token(
    State(app): Server,
    by: By,
    Body(request): Body<ApiTokenRequest>,
) -> Result<(StatusCode, Json<NewApiToken>)> {
    let (token, view) = app.make_api_token(&request, &by).await?;
    Ok((StatusCode::CREATED, Json(NewApiToken { token: token.expose().to_owned(), details: view })))
}

pub async fn revoke_token(State(app): Server, by: By, Named(name): Named<String>) -> Result<StatusCode> {
    app.revoke_api_token(&name, &by).await?;
    Ok(StatusCode::NO_CONTENT)
}
