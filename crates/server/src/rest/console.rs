//! The console listener: `/api/v1` and `/health`. One line a route, one small function each.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{delete, get, patch, post, put};
use axum::{Json, Router, middleware};
use headwater_api::bundle::{ClientBundle, EnrolBundle};
use headwater_api::v1::{BackupRequest, ClassKeysView, KeysView, RootDraft, RootDraftRequest, RootRequest};
use headwater_api::v1::{
    BundleQuery, ClientView, ClientsAnswer, ClientsQuery, ComponentView, DiffAnswer, DiffQuery,
    DomainRequest, DomainView, DomainsAnswer, Draft, DraftsAnswer, EditsRequest, EnrolBundleRequest,
    ExplainQuery, Explained, ForceQuery, Health, HistoryAnswer, ImportRequest, IncrementsView, MoveRequest,
    PageQuery, Preview, PublishOptions, PublishQuery, Published, ReleasesAnswer, ReportsAnswer, ReportsQuery,
    RestoreRequest, RevokedView, RoleRequest, RollbackRequest, SaveRequest, Saved, SavedPolicy,
    SavedSettings, SettingsDiffAnswer, SettingsDraft, SettingsDraftsAnswer, SettingsEditRequest,
    SettingsHistoryAnswer, SettingsSaved, SettingsSetRequest, Status, StrangersAnswer, SyncResult,
    TokensAnswer, UpdateAgentsAnswer, VendorRequest, VendorView,
};

use super::json::{Asked, Body, Named};
use super::{backups, guard, json, now, upload};
use crate::app::App;
use crate::app::archive::Format;
use crate::app::releases::{NewRelease, parse_name};
use crate::error::{Error, Refusal, Result};

type Server = State<Arc<App>>;

/// Everything that administrators may ask, of a listener at `address`.
pub fn console(app: Arc<App>, address: SocketAddr) -> Router {
    let api = Router::new()
        .route("/status", get(status))
        .route("/releases", get(releases))
        .route("/releases/{class}/{name}", get(component).post(publish))
        .route("/releases/{class}/{name}/rollback", post(roll_back))
        .route("/increments", get(increments))
        .route("/increments/pause", post(pause_increments))
        .route("/increments/resume", post(resume_increments))
        .route("/sources", get(sources))
        .route("/sources/history", get(history))
        .route("/sources/history/{version}", get(saved_version))
        .route("/sources/diff", get(diff))
        .route("/sources/restore", post(restore))
        .route("/drafts", get(drafts))
        .route("/drafts/{name}", get(draft).put(import).delete(discard))
        .route("/drafts/{name}/edits", post(edit))
        .route("/drafts/{name}/preview", post(preview))
        .route("/drafts/{name}/save", post(save))
        .route("/explain", get(explain))
        .route("/domains", get(domains).post(add_domain))
        .route("/domains/{path}", get(domain).delete(remove_domain))
        .route("/domains/{path}/settings", patch(set_settings))
        .route("/domains/{path}/history", get(settings_history))
        .route("/domains/{path}/history/{version}", get(settings_version))
        .route("/domains/{path}/diff", get(settings_diff))
        .route("/domains/{path}/restore", post(restore_settings))
        .route("/domains/{path}/drafts", get(settings_drafts))
        .route("/domains/{path}/drafts/{name}", get(settings_draft).delete(discard_settings))
        .route("/domains/{path}/drafts/{name}/edits", post(edit_settings))
        .route("/domains/{path}/drafts/{name}/save", post(save_settings))
        .route("/domains/{path}/update-agents", put(give_domain).delete(take_domain))
        .route("/clients", get(clients))
        .route("/clients/{id}/revoke", post(revoke_client))
        .route("/strangers", get(strangers))
        .route("/enrol-tokens", get(tokens).post(enrol_bundle))
        .route("/enrol-tokens/{number}", delete(revoke_token))
        .route("/clients/move", post(move_clients))
        .route("/clients/{id}", get(client).delete(remove_client))
        .route("/reports", get(reports))
        .route("/update-agents", get(update_agents))
        .route("/update-agents/{id}", put(give).delete(take))
        .route("/vendor", get(vendor).put(set_vendor).delete(remove_vendor))
        .route("/vendor/sync", post(sync))
        .route("/backup", post(backup))
        .route("/keys", get(keys))
        .route("/keys/{class}/draft", post(draft_root))
        .route("/keys/{class}/root", post(take_root))
        .route("/client-bundle", get(bundle))
        .method_not_allowed_fallback(json::wrong_method)
        .with_state(app);
    Router::new()
        .route("/health", get(health))
        .nest("/api/v1", api)
        .fallback(json::no_route)
        .layer(middleware::from_fn_with_state(address, guard::own_origin_only))
}

async fn health() -> Json<Health> {
    Json(Health { status: "ok".to_owned() })
}

async fn status(State(app): Server) -> Result<Json<Status>> {
    Ok(Json(app.status(now()).await?))
}

async fn releases(State(app): Server) -> Result<Json<ReleasesAnswer>> {
    Ok(Json(ReleasesAnswer { items: app.components().await? }))
}

async fn component(
    State(app): Server,
    Named((class, name)): Named<(String, String)>,
) -> Result<Json<ComponentView>> {
    let (class, name) = parse_name(&class, &name)?;
    Ok(Json(app.component(class, &name).await?))
}

async fn publish(
    State(app): Server,
    Named((class, name)): Named<(String, String)>,
    Asked(query): Asked<PublishQuery>,
    request: Request,
) -> Result<(StatusCode, Json<Published>)> {
    let options: PublishOptions = match &query.options {
        None => PublishOptions::default(),
        Some(text) => serde_json::from_str(text)
            .map_err(|error| Error::from(Refusal::invalid(format!("options: not what is taken: {error}"))))?,
    };
    let release = NewRelease::parse(&class, &name, &query.version, &options)?;
    let format = query.format.as_deref().map(Format::parse).transpose()?;
    let _place = upload::place(&app)?;
    let archive = upload::receive(&app, request.into_body()).await?;
    Ok((StatusCode::CREATED, Json(app.publish(release, archive, format, now()).await?)))
}

async fn roll_back(
    State(app): Server,
    Named((class, name)): Named<(String, String)>,
    Body(request): Body<RollbackRequest>,
) -> Result<Json<ComponentView>> {
    let (class, name) = parse_name(&class, &name)?;
    Ok(Json(app.roll_back(class, &name, request.to, now()).await?))
}

async fn increments(State(app): Server) -> Result<Json<IncrementsView>> {
    Ok(Json(app.increments_view().await?))
}

async fn pause_increments(State(app): Server) -> Result<Json<IncrementsView>> {
    app.workshop.pause();
    Ok(Json(app.increments_view().await?))
}

async fn resume_increments(State(app): Server) -> Result<Json<IncrementsView>> {
    app.workshop.resume();
    Ok(Json(app.increments_view().await?))
}

async fn sources(State(app): Server) -> Result<Json<SavedPolicy>> {
    Ok(Json(app.saved_now().await?))
}

async fn history(State(app): Server, Asked(page): Asked<PageQuery>) -> Result<Json<HistoryAnswer>> {
    let (items, next) = app.history(page.before, page.limit).await?;
    Ok(Json(HistoryAnswer { items, next }))
}

async fn saved_version(State(app): Server, Named(version): Named<u64>) -> Result<Json<SavedPolicy>> {
    Ok(Json(app.saved_then(version).await?))
}

async fn diff(State(app): Server, Asked(query): Asked<DiffQuery>) -> Result<Json<DiffAnswer>> {
    Ok(Json(DiffAnswer { changes: app.diff(query.from, query.to, query.draft.as_deref()).await? }))
}

async fn restore(State(app): Server, Body(request): Body<RestoreRequest>) -> Result<Json<Saved>> {
    let RestoreRequest { version, expected_version, comment } = request;
    Ok(Json(app.restore(version, expected_version, comment, now()).await?))
}

async fn drafts(State(app): Server) -> Result<Json<DraftsAnswer>> {
    Ok(Json(DraftsAnswer { items: app.draft_views().await? }))
}

async fn draft(State(app): Server, Named(name): Named<String>) -> Result<Json<Draft>> {
    Ok(Json(app.draft_view(&name).await?))
}

async fn import(
    State(app): Server,
    Named(name): Named<String>,
    Body(request): Body<ImportRequest>,
) -> Result<Json<Draft>> {
    Ok(Json(app.import_draft(&name, &request.policy, request.expected_revision, now()).await?))
}

async fn discard(State(app): Server, Named(name): Named<String>) -> Result<StatusCode> {
    app.discard_draft(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn edit(
    State(app): Server,
    Named(name): Named<String>,
    Body(request): Body<EditsRequest>,
) -> Result<Json<Draft>> {
    Ok(Json(app.edit_draft(&name, request.edits, request.expected_revision, now()).await?))
}

async fn preview(State(app): Server, Named(name): Named<String>) -> Result<Json<Preview>> {
    Ok(Json(app.preview(&name).await?))
}

async fn save(
    State(app): Server,
    Named(name): Named<String>,
    Body(request): Body<SaveRequest>,
) -> Result<Json<Saved>> {
    Ok(Json(app.save_draft(&name, request.comment, request.over_version, now()).await?))
}

async fn explain(State(app): Server, Asked(query): Asked<ExplainQuery>) -> Result<Json<Explained>> {
    let ExplainQuery { client, addresses, draft } = query;
    Ok(Json(app.explain(client.as_deref(), addresses.as_deref(), draft.as_deref()).await?))
}

async fn domains(State(app): Server) -> Result<Json<DomainsAnswer>> {
    Ok(Json(DomainsAnswer { items: app.domain_views().await? }))
}

async fn add_domain(
    State(app): Server,
    Body(request): Body<DomainRequest>,
) -> Result<(StatusCode, Json<DomainView>)> {
    Ok((StatusCode::CREATED, Json(app.add_domain(&request.path, now()).await?)))
}

async fn domain(State(app): Server, Named(path): Named<String>) -> Result<Json<DomainView>> {
    Ok(Json(app.domain_view(&path).await?))
}

async fn remove_domain(State(app): Server, Named(path): Named<String>) -> Result<StatusCode> {
    app.remove_domain(&path, now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn set_settings(
    State(app): Server,
    Named(path): Named<String>,
    Body(request): Body<SettingsSetRequest>,
) -> Result<Json<SettingsSaved>> {
    Ok(Json(app.set_settings(&path, request, now()).await?))
}

async fn settings_history(
    State(app): Server,
    Named(path): Named<String>,
    Asked(page): Asked<PageQuery>,
) -> Result<Json<SettingsHistoryAnswer>> {
    Ok(Json(app.settings_history(&path, page.before, page.limit).await?))
}

async fn settings_version(
    State(app): Server,
    Named((path, version)): Named<(String, u64)>,
) -> Result<Json<SavedSettings>> {
    Ok(Json(app.settings_then(&path, version).await?))
}

async fn settings_diff(
    State(app): Server,
    Named(path): Named<String>,
    Asked(query): Asked<DiffQuery>,
) -> Result<Json<SettingsDiffAnswer>> {
    let DiffQuery { from, to, draft } = query;
    Ok(Json(SettingsDiffAnswer { changes: app.settings_diff(&path, from, to, draft.as_deref()).await? }))
}

async fn restore_settings(
    State(app): Server,
    Named(path): Named<String>,
    Body(request): Body<RestoreRequest>,
) -> Result<Json<SettingsSaved>> {
    Ok(Json(app.restore_settings(&path, request, now()).await?))
}

async fn settings_drafts(
    State(app): Server,
    Named(path): Named<String>,
) -> Result<Json<SettingsDraftsAnswer>> {
    Ok(Json(SettingsDraftsAnswer { items: app.settings_drafts(&path).await? }))
}

async fn settings_draft(
    State(app): Server,
    Named((path, name)): Named<(String, String)>,
) -> Result<Json<SettingsDraft>> {
    Ok(Json(app.settings_draft(&path, &name).await?))
}

async fn discard_settings(
    State(app): Server,
    Named((path, name)): Named<(String, String)>,
) -> Result<StatusCode> {
    app.discard_settings_draft(&path, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn edit_settings(
    State(app): Server,
    Named((path, name)): Named<(String, String)>,
    Body(request): Body<SettingsEditRequest>,
) -> Result<Json<SettingsDraft>> {
    let SettingsEditRequest { edit, expected_revision } = request;
    Ok(Json(app.edit_settings_draft(&path, &name, edit, expected_revision, now()).await?))
}

async fn save_settings(
    State(app): Server,
    Named((path, name)): Named<(String, String)>,
    Body(request): Body<SaveRequest>,
) -> Result<Json<SettingsSaved>> {
    Ok(Json(app.save_settings_draft(&path, &name, request, now()).await?))
}

async fn give_domain(
    State(app): Server,
    Named(path): Named<String>,
    Body(request): Body<RoleRequest>,
) -> Result<Json<UpdateAgentsAnswer>> {
    Ok(Json(app.set_role_of_domain(&path, &request, now()).await?))
}

async fn take_domain(
    State(app): Server,
    Named(path): Named<String>,
    Asked(query): Asked<ForceQuery>,
) -> Result<Json<UpdateAgentsAnswer>> {
    let request = RoleRequest { force: query.force, ..RoleRequest::default() };
    Ok(Json(app.set_role_of_domain(&path, &request, now()).await?))
}

async fn clients(State(app): Server, Asked(query): Asked<ClientsQuery>) -> Result<Json<ClientsAnswer>> {
    let (items, next) =
        app.client_views(query.domain.as_deref(), query.after.as_deref(), query.limit).await?;
    Ok(Json(ClientsAnswer { items, next }))
}

async fn move_clients(State(app): Server, Body(request): Body<MoveRequest>) -> Result<Json<ClientsAnswer>> {
    let items = app.move_clients(&request.clients, &request.domain).await?;
    Ok(Json(ClientsAnswer { items, next: None }))
}

async fn client(State(app): Server, Named(id): Named<String>) -> Result<Json<ClientView>> {
    Ok(Json(app.client_view(&id).await?))
}

async fn remove_client(State(app): Server, Named(id): Named<String>) -> Result<StatusCode> {
    app.remove_client(&id, now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn revoke_client(State(app): Server, Named(id): Named<String>) -> Result<Json<RevokedView>> {
    Ok(Json(app.revoke_client(&id, now()).await?))
}

async fn strangers(State(app): Server) -> Result<Json<StrangersAnswer>> {
    Ok(Json(StrangersAnswer { items: app.strangers().await? }))
}

async fn tokens(State(app): Server) -> Result<Json<TokensAnswer>> {
    Ok(Json(TokensAnswer { items: app.tokens(now()).await? }))
}

async fn enrol_bundle(
    State(app): Server,
    Body(request): Body<EnrolBundleRequest>,
) -> Result<(StatusCode, Json<EnrolBundle>)> {
    Ok((StatusCode::CREATED, Json(app.enrol_bundle(request, now()).await?)))
}

async fn revoke_token(State(app): Server, Named(number): Named<u64>) -> Result<StatusCode> {
    app.revoke_token(number).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn reports(State(app): Server, Asked(query): Asked<ReportsQuery>) -> Result<Json<ReportsAnswer>> {
    let (items, next) = app.reports(query.client.as_deref(), query.before, query.limit).await?;
    Ok(Json(ReportsAnswer { items, next }))
}

async fn update_agents(State(app): Server) -> Result<Json<UpdateAgentsAnswer>> {
    Ok(Json(app.update_agents().await?))
}

async fn give(
    State(app): Server,
    Named(id): Named<String>,
    Body(request): Body<RoleRequest>,
) -> Result<Json<UpdateAgentsAnswer>> {
    Ok(Json(app.set_role(&id, &request, now()).await?))
}

async fn take(
    State(app): Server,
    Named(id): Named<String>,
    Asked(query): Asked<ForceQuery>,
) -> Result<Json<UpdateAgentsAnswer>> {
    let request = RoleRequest { force: query.force, ..RoleRequest::default() };
    Ok(Json(app.set_role(&id, &request, now()).await?))
}

async fn vendor(State(app): Server) -> Result<Json<VendorView>> {
    Ok(Json(app.vendor_view().await?))
}

async fn set_vendor(State(app): Server, Body(request): Body<VendorRequest>) -> Result<Json<VendorView>> {
    Ok(Json(app.set_vendor(request, now()).await?))
}

async fn remove_vendor(State(app): Server) -> Result<StatusCode> {
    app.remove_vendor(now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn sync(State(app): Server) -> Result<Json<SyncResult>> {
    Ok(Json(app.sync_vendor(now()).await?))
}

async fn bundle(State(app): Server, Asked(query): Asked<BundleQuery>) -> Result<Json<ClientBundle>> {
    Ok(Json(app.client_bundle(query.domain.as_deref().unwrap_or("root")).await?))
}

async fn backup(State(app): Server, Body(request): Body<BackupRequest>) -> Result<Response> {
    backups::backup(&app, request, now()).await
}

async fn keys(State(app): Server) -> Json<KeysView> {
    Json(app.keys_view(now()))
}

async fn draft_root(
    State(app): Server,
    Named(class): Named<String>,
    Body(request): Body<RootDraftRequest>,
) -> Result<Json<RootDraft>> {
    Ok(Json(app.draft_root(json::class(&class)?, &request, now()).await?))
}

async fn take_root(
    State(app): Server,
    Named(class): Named<String>,
    Body(request): Body<RootRequest>,
) -> Result<Json<ClassKeysView>> {
    Ok(Json(app.submit_root(json::class(&class)?, &request.root, now()).await?))
}
