//! The console plane's routes about the server itself: status, backup, a sync with the vendor source.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use headwater_api::v1::{AdoptAnswer, AdoptRequest, BackupRequest, Status, SyncResult};

use super::json::Body;
use super::responses::Tar;
use super::{backups, now};
use crate::caller::Caller;
use crate::error::Result;
use crate::services::Services;
use crate::upkeep::UpkeepService;

type Server = State<Arc<UpkeepService>>;

pub async fn status(State(upkeep): Server) -> Result<Json<Status>> {
    Ok(Json(upkeep.status(now()).await?))
}

pub async fn sync(State(upkeep): Server, caller: Caller) -> Result<Json<SyncResult>> {
    Ok(Json(upkeep.sync_vendor(&caller).await?))
}

pub async fn backup(
    State(upkeep): Server,
    caller: Caller,
    Body(request): Body<BackupRequest>,
) -> Result<Tar> {
    Ok(Tar(backups::backup(&upkeep, request, &caller).await?))
}

pub async fn adopt(
    State(services): State<Services>,
    caller: Caller,
    Body(request): Body<AdoptRequest>,
) -> Result<Json<AdoptAnswer>> {
    Ok(Json(services.adopt(request.raise, &caller).await?))
}
