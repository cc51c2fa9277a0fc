//! The console listener: `/api/v1` and `/health`. One line a route, one small function each.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::{Json, Router, middleware};
use headwater_api::bundle::EnrolBundle;
use headwater_api::v1::{
    BackupRequest, CaRotated, ClassKeysView, KeyRotated, KeysView, RootDraft, RootDraftRequest, RootRequest,
    RotateCaQuery,
};
use headwater_api::v1::{
    ClientView, ClientsAnswer, ClientsQuery, ComponentAnswer, ComponentView, DeltasView, DiffAnswer,
    DiffQuery, DomainRequest, DomainView, DomainsAnswer, Draft, DraftsAnswer, EditsRequest,
    EnrolBundleRequest, ExplainQuery, Explained, ForceQuery, Health, HistoryAnswer, ImportRequest,
    MoveRequest, PageQuery, Preview, PublishOptions, PublishQuery, Published, ReEnrolAnswer, ReEnrolRequest,
    ReleasesAnswer, ReportsAnswer, ReportsQuery, RestoreRequest, RevokedView, RoleRequest, RollbackRequest,
    SaveRequest, Saved, SavedPolicy, SavedSettings, SettingsDiffAnswer, SettingsDraft, SettingsDraftsAnswer,
    SettingsEditRequest, SettingsHistoryAnswer, SettingsSaved, SettingsSetRequest, Status, SyncResult,
    TokensAnswer, UnknownClientsAnswer, UpdateAgentsAnswer, VendorRequest, VendorView,
};

use super::described::Tar;
use super::gate::{Door, Gate};
use super::json::{Asked, Body, Named};
use super::table::{RequiredRole, Table};
use super::{admin, backups, guard, json, now, oidc, openapi, upload};
use crate::access::{Caller, Role};
use crate::app::App;
use crate::app::fleet::FormerCas;
use crate::error::{Error, Refusal, Result};
use crate::publishing::{Format, NewRelease, parse_name};

type Server = State<Arc<App>>;

/// Whoever can connect.
const ANYONE: RequiredRole = RequiredRole::Anyone;
const VIEWER: RequiredRole = RequiredRole::Role(Role::Viewer);
const OPERATOR: RequiredRole = RequiredRole::Role(Role::Operator);
const ADMIN: RequiredRole = RequiredRole::Role(Role::Admin);

/// Everything that administrators may ask of the console plane, and the least role that it takes.
pub fn table() -> Table<Arc<App>> {
    fleet_and_trust(content(Table::new()))
}

/// What is published, from where it is taken, and what is set at domains.
fn content(table: Table<Arc<App>>) -> Table<Arc<App>> {
    table
        .get("/health", ANYONE, health)
        .get("/api/v1/openapi.json", ANYONE, openapi::openapi)
        .get("/api/v1/status", VIEWER, status)
        .get("/api/v1/releases", VIEWER, releases)
        .get("/api/v1/releases/{class}/{name}", VIEWER, component)
        .post("/api/v1/releases/{class}/{name}", OPERATOR, publish)
        .post("/api/v1/releases/{class}/{name}/rollback", OPERATOR, roll_back)
        .delete("/api/v1/releases/{class}/{name}", OPERATOR, remove_component)
        .get("/api/v1/deltas", VIEWER, deltas)
        .post("/api/v1/deltas/pause", OPERATOR, pause_deltas)
        .post("/api/v1/deltas/resume", OPERATOR, resume_deltas)
        .get("/api/v1/sources", VIEWER, sources)
        .get("/api/v1/sources/history", VIEWER, history)
        .get("/api/v1/sources/history/{version}", VIEWER, saved_version)
        .get("/api/v1/sources/diff", VIEWER, diff)
        .post("/api/v1/sources/restore", OPERATOR, restore)
        .get("/api/v1/drafts", VIEWER, drafts)
        .get("/api/v1/drafts/{name}", VIEWER, draft)
        .put("/api/v1/drafts/{name}", OPERATOR, import)
        .delete("/api/v1/drafts/{name}", OPERATOR, discard)
        .post("/api/v1/drafts/{name}/edits", OPERATOR, edit)
        .post("/api/v1/drafts/{name}/preview", VIEWER, preview)
        .post("/api/v1/drafts/{name}/save", OPERATOR, save)
        .get("/api/v1/explain", VIEWER, explain)
        .get("/api/v1/domains", VIEWER, domains)
        .post("/api/v1/domains", OPERATOR, add_domain)
        .get("/api/v1/domains/{path}", VIEWER, domain)
        .delete("/api/v1/domains/{path}", OPERATOR, remove_domain)
        .patch("/api/v1/domains/{path}/settings", OPERATOR, set_settings)
        .get("/api/v1/domains/{path}/history", VIEWER, settings_history)
        .get("/api/v1/domains/{path}/history/{version}", VIEWER, settings_version)
        .get("/api/v1/domains/{path}/diff", VIEWER, settings_diff)
        .post("/api/v1/domains/{path}/restore", OPERATOR, restore_settings)
        .get("/api/v1/domains/{path}/drafts", VIEWER, settings_drafts)
        .get("/api/v1/domains/{path}/drafts/{name}", VIEWER, settings_draft)
        .delete("/api/v1/domains/{path}/drafts/{name}", OPERATOR, discard_settings)
        .post("/api/v1/domains/{path}/drafts/{name}/edits", OPERATOR, edit_settings)
        .post("/api/v1/domains/{path}/drafts/{name}/save", OPERATOR, save_settings)
        .put("/api/v1/domains/{path}/update-agents", OPERATOR, give_domain)
        .delete("/api/v1/domains/{path}/update-agents", OPERATOR, take_domain)
}

/// Who belongs to the fleet, whom the server believes, and who administers it.
fn fleet_and_trust(table: Table<Arc<App>>) -> Table<Arc<App>> {
    table
        .get("/api/v1/clients", VIEWER, clients)
        .post("/api/v1/clients/{id}/revoke", OPERATOR, revoke_client)
        .get("/api/v1/unknown-clients", VIEWER, unknown_clients)
        // A key counts again: that is a matter of keys.
        .post("/api/v1/unknown-clients/re-enrol", ADMIN, re_enrol)
        .get("/api/v1/enrol-tokens", OPERATOR, tokens)
        .post("/api/v1/enrol-tokens", OPERATOR, enrol_bundle)
        .delete("/api/v1/enrol-tokens/{number}", OPERATOR, revoke_token)
        .post("/api/v1/clients/move", OPERATOR, move_clients)
        .get("/api/v1/clients/{id}", VIEWER, client)
        .delete("/api/v1/clients/{id}", OPERATOR, remove_client)
        .get("/api/v1/reports", VIEWER, reports)
        .get("/api/v1/update-agents", VIEWER, update_agents)
        .put("/api/v1/update-agents/{id}", OPERATOR, give)
        .delete("/api/v1/update-agents/{id}", OPERATOR, take)
        .get("/api/v1/vendor", VIEWER, vendor)
        // Whose signatures count as the vendor's is a matter of keys.
        .put("/api/v1/vendor", ADMIN, set_vendor)
        .delete("/api/v1/vendor", ADMIN, remove_vendor)
        .post("/api/v1/vendor/sync", OPERATOR, sync)
        // It holds what the server knows, and its keys if they are asked for.
        .post("/api/v1/backup", ADMIN, backup)
        .get("/api/v1/keys", ADMIN, keys)
        .post("/api/v1/keys/ca/rotate", ADMIN, rotate_ca)
        .post("/api/v1/keys/response-signing/rotate", ADMIN, rotate_response_signing_key)
        .post("/api/v1/keys/enrolment-encryption/rotate", ADMIN, rotate_enrolment_encryption_key)
        .post("/api/v1/keys/{class}/draft", ADMIN, draft_root)
        .post("/api/v1/keys/{class}/root", ADMIN, take_root)
        .get("/api/v1/tokens", VIEWER, admin::tokens)
        .post("/api/v1/tokens", VIEWER, admin::make_token)
        .delete("/api/v1/tokens/{name}", VIEWER, admin::revoke_token)
        .post("/api/v1/sign-in", ANYONE, admin::sign_in)
        .get("/api/v1/sign-in/oidc", ANYONE, oidc::begin)
        .get(crate::config::CALLBACK_PATH, ANYONE, oidc::end)
        .post("/api/v1/sign-out", VIEWER, admin::sign_out)
        .get("/api/v1/session", VIEWER, admin::session)
        .put("/api/v1/session/password", VIEWER, admin::change_password)
        .get("/api/v1/administrators", ADMIN, admin::administrators)
        .post("/api/v1/administrators", ADMIN, admin::add)
        .put("/api/v1/administrators/{name}/role", ADMIN, admin::set_role)
        .post("/api/v1/administrators/{name}/password", ADMIN, admin::reset_password)
        .delete("/api/v1/administrators/{name}", ADMIN, admin::remove)
        .get("/api/v1/audit", ADMIN, admin::audit)
        .get("/api/v1/audit/verify", ADMIN, admin::verify_audit)
}

/// The console plane on the local socket: whoever may open that may everything.
pub fn local_console(app: Arc<App>) -> Router {
    through(app, Door::Plain)
}

/// The console plane of a listener at `address`.
pub fn console(app: Arc<App>, door: Door, address: SocketAddr) -> Router {
    let names = app.config.console_names.iter().map(ToString::to_string).collect();
    let own = Arc::new(guard::Own { door, names, address });
    through(app, door).layer(middleware::from_fn_with_state(own, guard::own_origin_only))
}

fn through(app: Arc<App>, door: Door) -> Router {
    table().into_router(&Gate { app: app.clone(), door }).with_state(app)
}

async fn health() -> Json<Health> {
    Json(Health { status: "ok".to_owned() })
}

async fn status(State(app): Server) -> Result<Json<Status>> {
    Ok(Json(app.status(now()).await?))
}

async fn releases(State(app): Server) -> Result<Json<ReleasesAnswer>> {
    Ok(Json(ReleasesAnswer { items: app.publishing.components().await? }))
}

async fn component(
    State(app): Server,
    Named((class, name)): Named<(String, String)>,
) -> Result<Json<ComponentAnswer>> {
    let (class, name) = parse_name(&class, &name)?;
    Ok(Json(app.publishing.component(class, &name).await?))
}

async fn publish(
    State(app): Server,
    caller: Caller,
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
    let _place = app.publishing.permit_upload()?;
    let archive = upload::receive(&app.publishing, request.into_body()).await?;
    Ok((StatusCode::CREATED, Json(app.publishing.publish(release, archive, format, &caller).await?)))
}

async fn roll_back(
    State(app): Server,
    caller: Caller,
    Named((class, name)): Named<(String, String)>,
    Body(request): Body<RollbackRequest>,
) -> Result<Json<ComponentView>> {
    let (class, name) = parse_name(&class, &name)?;
    Ok(Json(app.publishing.roll_back(class, &name, request.to, &caller).await?))
}

async fn remove_component(
    State(app): Server,
    caller: Caller,
    Named((class, name)): Named<(String, String)>,
) -> Result<StatusCode> {
    let (class, name) = parse_name(&class, &name)?;
    app.publishing.remove_component(class, &name, &caller).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn deltas(State(app): Server) -> Result<Json<DeltasView>> {
    Ok(Json(app.publishing.deltas_view().await?))
}

async fn pause_deltas(State(app): Server, caller: Caller) -> Result<Json<DeltasView>> {
    app.publishing.record(caller.audit_entry("deltas.pause", "until the next start")).await?;
    app.publishing.pause_deltas();
    Ok(Json(app.publishing.deltas_view().await?))
}

async fn resume_deltas(State(app): Server, caller: Caller) -> Result<Json<DeltasView>> {
    app.publishing.record(caller.audit_entry("deltas.resume", "")).await?;
    app.publishing.resume_deltas();
    Ok(Json(app.publishing.deltas_view().await?))
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

async fn restore(
    State(app): Server,
    caller: Caller,
    Body(request): Body<RestoreRequest>,
) -> Result<Json<Saved>> {
    let RestoreRequest { version, expected_version, comment } = request;
    Ok(Json(app.restore(version, expected_version, comment, &caller).await?))
}

async fn drafts(State(app): Server) -> Result<Json<DraftsAnswer>> {
    Ok(Json(DraftsAnswer { items: app.draft_views().await? }))
}

async fn draft(State(app): Server, Named(name): Named<String>) -> Result<Json<Draft>> {
    Ok(Json(app.draft_view(&name).await?))
}

async fn import(
    State(app): Server,
    caller: Caller,
    Named(name): Named<String>,
    Body(request): Body<ImportRequest>,
) -> Result<Json<Draft>> {
    Ok(Json(app.import_draft(&name, &request.policy, request.expected_revision, &caller).await?))
}

async fn discard(State(app): Server, caller: Caller, Named(name): Named<String>) -> Result<StatusCode> {
    app.discard_draft(&name, &caller).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn edit(
    State(app): Server,
    caller: Caller,
    Named(name): Named<String>,
    Body(request): Body<EditsRequest>,
) -> Result<Json<Draft>> {
    Ok(Json(app.edit_draft(&name, request.edits, request.expected_revision, &caller).await?))
}

async fn preview(State(app): Server, Named(name): Named<String>) -> Result<Json<Preview>> {
    Ok(Json(app.preview(&name).await?))
}

async fn save(
    State(app): Server,
    caller: Caller,
    Named(name): Named<String>,
    Body(request): Body<SaveRequest>,
) -> Result<Json<Saved>> {
    Ok(Json(app.save_draft(&name, request.comment, request.over_version, &caller).await?))
}

async fn explain(State(app): Server, Asked(query): Asked<ExplainQuery>) -> Result<Json<Explained>> {
    let ExplainQuery { client, addresses, draft } = query;
    Ok(Json(app.explain(client.as_deref(), addresses.as_deref(), draft.as_deref()).await?))
}

async fn domains(State(app): Server, caller: Caller) -> Result<Json<DomainsAnswer>> {
    Ok(Json(DomainsAnswer { items: app.domain_views(caller.role).await? }))
}

async fn add_domain(
    State(app): Server,
    caller: Caller,
    Body(request): Body<DomainRequest>,
) -> Result<(StatusCode, Json<DomainView>)> {
    Ok((StatusCode::CREATED, Json(app.add_domain(&request.path, &caller).await?)))
}

async fn domain(State(app): Server, caller: Caller, Named(path): Named<String>) -> Result<Json<DomainView>> {
    Ok(Json(app.domain_view(&path, caller.role).await?))
}

async fn remove_domain(State(app): Server, caller: Caller, Named(path): Named<String>) -> Result<StatusCode> {
    app.remove_domain(&path, &caller).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn set_settings(
    State(app): Server,
    caller: Caller,
    Named(path): Named<String>,
    Body(request): Body<SettingsSetRequest>,
) -> Result<Json<SettingsSaved>> {
    Ok(Json(app.set_settings(&path, request, &caller).await?))
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
    caller: Caller,
    Named((path, version)): Named<(String, u64)>,
) -> Result<Json<SavedSettings>> {
    Ok(Json(app.settings_then(&path, version, caller.role).await?))
}

async fn settings_diff(
    State(app): Server,
    caller: Caller,
    Named(path): Named<String>,
    Asked(query): Asked<DiffQuery>,
) -> Result<Json<SettingsDiffAnswer>> {
    let DiffQuery { from, to, draft } = query;
    let changes = app.settings_diff(&path, from, to, draft.as_deref(), caller.role).await?;
    Ok(Json(SettingsDiffAnswer { changes }))
}

async fn restore_settings(
    State(app): Server,
    caller: Caller,
    Named(path): Named<String>,
    Body(request): Body<RestoreRequest>,
) -> Result<Json<SettingsSaved>> {
    Ok(Json(app.restore_settings(&path, request, &caller).await?))
}

async fn settings_drafts(
    State(app): Server,
    caller: Caller,
    Named(path): Named<String>,
) -> Result<Json<SettingsDraftsAnswer>> {
    Ok(Json(SettingsDraftsAnswer { items: app.settings_drafts(&path, caller.role).await? }))
}

async fn settings_draft(
    State(app): Server,
    caller: Caller,
    Named((path, name)): Named<(String, String)>,
) -> Result<Json<SettingsDraft>> {
    Ok(Json(app.settings_draft(&path, &name, caller.role).await?))
}

async fn discard_settings(
    State(app): Server,
    caller: Caller,
    Named((path, name)): Named<(String, String)>,
) -> Result<StatusCode> {
    app.discard_settings_draft(&path, &name, &caller).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn edit_settings(
    State(app): Server,
    caller: Caller,
    Named((path, name)): Named<(String, String)>,
    Body(request): Body<SettingsEditRequest>,
) -> Result<Json<SettingsDraft>> {
    let SettingsEditRequest { edit, expected_revision } = request;
    Ok(Json(app.edit_settings_draft(&path, &name, edit, expected_revision, &caller).await?))
}

async fn save_settings(
    State(app): Server,
    caller: Caller,
    Named((path, name)): Named<(String, String)>,
    Body(request): Body<SaveRequest>,
) -> Result<Json<SettingsSaved>> {
    Ok(Json(app.save_settings_draft(&path, &name, request, &caller).await?))
}

async fn give_domain(
    State(app): Server,
    caller: Caller,
    Named(path): Named<String>,
    Body(request): Body<RoleRequest>,
) -> Result<Json<UpdateAgentsAnswer>> {
    Ok(Json(app.set_role_of_domain(&path, &request, &caller).await?))
}

async fn take_domain(
    State(app): Server,
    caller: Caller,
    Named(path): Named<String>,
    Asked(query): Asked<ForceQuery>,
) -> Result<Json<UpdateAgentsAnswer>> {
    let request = RoleRequest { force: query.force, ..RoleRequest::default() };
    Ok(Json(app.set_role_of_domain(&path, &request, &caller).await?))
}

async fn clients(State(app): Server, Asked(query): Asked<ClientsQuery>) -> Result<Json<ClientsAnswer>> {
    let (items, next) =
        app.client_views(query.domain.as_deref(), query.after.as_deref(), query.limit).await?;
    Ok(Json(ClientsAnswer { items, next }))
}

async fn move_clients(
    State(app): Server,
    caller: Caller,
    Body(request): Body<MoveRequest>,
) -> Result<Json<ClientsAnswer>> {
    let items = app.move_clients(&request.clients, &request.domain, &caller).await?;
    Ok(Json(ClientsAnswer { items, next: None }))
}

async fn client(State(app): Server, Named(id): Named<String>) -> Result<Json<ClientView>> {
    Ok(Json(app.client_view(&id).await?))
}

async fn remove_client(State(app): Server, caller: Caller, Named(id): Named<String>) -> Result<StatusCode> {
    app.remove_client(&id, &caller).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn revoke_client(
    State(app): Server,
    caller: Caller,
    Named(id): Named<String>,
) -> Result<Json<RevokedView>> {
    Ok(Json(app.revoke_client(&id, &caller).await?))
}

async fn unknown_clients(State(app): Server) -> Result<Json<UnknownClientsAnswer>> {
    Ok(Json(UnknownClientsAnswer { items: app.unknown_clients().await? }))
}

async fn re_enrol(
    State(app): Server,
    caller: Caller,
    Body(request): Body<ReEnrolRequest>,
) -> Result<Json<ReEnrolAnswer>> {
    Ok(Json(app.re_enrol(request, &caller).await?))
}

async fn tokens(State(app): Server) -> Result<Json<TokensAnswer>> {
    Ok(Json(TokensAnswer { items: app.tokens(now()).await? }))
}

async fn enrol_bundle(
    State(app): Server,
    caller: Caller,
    Body(request): Body<EnrolBundleRequest>,
) -> Result<(StatusCode, Json<EnrolBundle>)> {
    Ok((StatusCode::CREATED, Json(app.enrol_bundle(request, &caller).await?)))
}

async fn revoke_token(State(app): Server, caller: Caller, Named(number): Named<u64>) -> Result<StatusCode> {
    app.revoke_token(number, &caller).await?;
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
    caller: Caller,
    Named(id): Named<String>,
    Body(request): Body<RoleRequest>,
) -> Result<Json<UpdateAgentsAnswer>> {
    Ok(Json(app.set_role(&id, &request, &caller).await?))
}

async fn take(
    State(app): Server,
    caller: Caller,
    Named(id): Named<String>,
    Asked(query): Asked<ForceQuery>,
) -> Result<Json<UpdateAgentsAnswer>> {
    let request = RoleRequest { force: query.force, ..RoleRequest::default() };
    Ok(Json(app.set_role(&id, &request, &caller).await?))
}

async fn vendor(State(app): Server) -> Result<Json<VendorView>> {
    Ok(Json(app.publishing.vendor_view().await?))
}

async fn set_vendor(
    State(app): Server,
    caller: Caller,
    Body(request): Body<VendorRequest>,
) -> Result<Json<VendorView>> {
    Ok(Json(app.set_vendor(request, &caller).await?))
}

async fn remove_vendor(State(app): Server, caller: Caller) -> Result<StatusCode> {
    app.remove_vendor(&caller).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn sync(State(app): Server, caller: Caller) -> Result<Json<SyncResult>> {
    Ok(Json(app.sync_vendor(&caller).await?))
}

async fn backup(State(app): Server, caller: Caller, Body(request): Body<BackupRequest>) -> Result<Tar> {
    app.publishing
        .record(caller.audit_entry("backup.make", "").after(serde_json::json!({
            "keys": request.passphrase.is_some(),
            "bodies": request.bodies,
        })))
        .await?;
    Ok(Tar(backups::backup(&app, request, caller.now).await?))
}

async fn keys(State(app): Server) -> Json<KeysView> {
    Json(app.publishing.keys_view(now()))
}

async fn rotate_ca(
    State(app): Server,
    caller: Caller,
    Asked(query): Asked<RotateCaQuery>,
) -> Result<Json<CaRotated>> {
    let former = if query.at_once { FormerCas::GivenUp } else { FormerCas::StayGood };
    let at_once = former == FormerCas::GivenUp;
    Ok(Json(CaRotated { number: app.rotate_ca(former, &caller).await?, at_once }))
}

async fn rotate_response_signing_key(State(app): Server, caller: Caller) -> Result<Json<KeyRotated>> {
    Ok(Json(KeyRotated { key: app.rotate_response_signing_key(&caller).await? }))
}

async fn rotate_enrolment_encryption_key(State(app): Server, caller: Caller) -> Result<Json<KeyRotated>> {
    Ok(Json(KeyRotated { key: app.rotate_enrolment_encryption_key(&caller).await? }))
}

async fn draft_root(
    State(app): Server,
    caller: Caller,
    Named(class): Named<String>,
    Body(request): Body<RootDraftRequest>,
) -> Result<Json<RootDraft>> {
    Ok(Json(app.publishing.draft_root(json::class(&class)?, &request, &caller).await?))
}

async fn take_root(
    State(app): Server,
    caller: Caller,
    Named(class): Named<String>,
    Body(request): Body<RootRequest>,
) -> Result<Json<ClassKeysView>> {
    Ok(Json(app.publishing.submit_root(json::class(&class)?, &request.root, &caller).await?))
}
