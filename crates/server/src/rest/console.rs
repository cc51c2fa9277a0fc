//! The console listener: `/api/v1` and `/health`. One line a route; the handlers stand in a file for each service.

use std::sync::Arc;

use axum::extract::{FromRef, State};
use axum::{Router, middleware};

use super::authorizer::Authorizer;
use super::origin_check::{self, OriginCheck};
use super::responses::HealthAnswer;
use super::route::RequiredRole;
use super::table::Table;
use super::transport::Transport;
use super::{admin, clients, domains, now, oidc, openapi, publishing, sources, upkeep};
use crate::access::AccessService;
use crate::caller::AdministratorRole;
use crate::fleet::FleetService;
use crate::publishing::PublishingService;
use crate::services::Services;
use crate::source_list::SourceListService;
use crate::upkeep::UpkeepService;

macro_rules! given_to_handlers {
    ($($service:ty = $field:ident),*) => {
        $(impl FromRef<Services> for Arc<$service> {
            fn from_ref(services: &Services) -> Self {
                services.$field.clone()
            }
        })*
    };
}

given_to_handlers!(
    PublishingService = publishing,
    SourceListService = source_list,
    FleetService = fleet,
    AccessService = access,
    UpkeepService = upkeep
);

/// Everybody who can connect.
const ANYONE: RequiredRole = RequiredRole::Anyone;
const VIEWER: RequiredRole = RequiredRole::Role(AdministratorRole::Viewer);
const OPERATOR: RequiredRole = RequiredRole::Role(AdministratorRole::Operator);
const ADMIN: RequiredRole = RequiredRole::Role(AdministratorRole::Admin);

/// Everything that administrators may ask of the console plane, and the role that it requires.
pub fn table() -> Table<Services> {
    fleet_and_trust(content(Table::new()))
}

/// What is published, from where it is taken, and what is set at domains.
fn content(table: Table<Services>) -> Table<Services> {
    table
        .get("/health", ANYONE, health)
        .get("/api/v1/openapi.json", ANYONE, openapi::openapi)
        .get("/api/v1/status", VIEWER, upkeep::status)
        .get("/api/v1/releases", VIEWER, publishing::releases)
        .get("/api/v1/releases/{class}/{name}", VIEWER, publishing::component)
        .post("/api/v1/releases/{class}/{name}", OPERATOR, publishing::publish)
        .post("/api/v1/releases/{class}/{name}/rollback", OPERATOR, publishing::roll_back)
        .delete("/api/v1/releases/{class}/{name}", OPERATOR, publishing::remove_component)
        .get("/api/v1/deltas", VIEWER, publishing::deltas)
        .post("/api/v1/deltas/pause", OPERATOR, publishing::pause_deltas)
        .post("/api/v1/deltas/resume", OPERATOR, publishing::resume_deltas)
        .get("/api/v1/sources", VIEWER, sources::sources)
        .get("/api/v1/sources/history", VIEWER, sources::history)
        .get("/api/v1/sources/history/{version}", VIEWER, sources::saved_version)
        .post("/api/v1/sources/history/{version}/preview", VIEWER, sources::preview_restored)
        .get("/api/v1/sources/diff", VIEWER, sources::diff)
        .post("/api/v1/sources/restore", OPERATOR, sources::restore)
        .get("/api/v1/drafts", VIEWER, sources::drafts)
        .get("/api/v1/drafts/{name}", VIEWER, sources::draft)
        .put("/api/v1/drafts/{name}", OPERATOR, sources::import)
        .delete("/api/v1/drafts/{name}", OPERATOR, sources::discard)
        .post("/api/v1/drafts/{name}/edits", OPERATOR, sources::edit)
        .post("/api/v1/drafts/{name}/preview", VIEWER, sources::preview)
        .post("/api/v1/drafts/{name}/save", OPERATOR, sources::save)
        .get("/api/v1/explain", VIEWER, sources::explain)
        .get("/api/v1/domains", VIEWER, domains::domains)
        .post("/api/v1/domains", OPERATOR, domains::add_domain)
        .get("/api/v1/domains/{path}", VIEWER, domains::domain)
        .delete("/api/v1/domains/{path}", OPERATOR, domains::remove_domain)
        .patch("/api/v1/domains/{path}/settings", OPERATOR, domains::set_settings)
        .get("/api/v1/domains/{path}/history", VIEWER, domains::settings_history)
        .get("/api/v1/domains/{path}/history/{version}", VIEWER, domains::settings_version)
        .get("/api/v1/domains/{path}/diff", VIEWER, domains::settings_diff)
        .post("/api/v1/domains/{path}/restore", OPERATOR, domains::restore_settings)
        .get("/api/v1/domains/{path}/drafts", VIEWER, domains::settings_drafts)
        .get("/api/v1/domains/{path}/drafts/{name}", VIEWER, domains::settings_draft)
        .delete("/api/v1/domains/{path}/drafts/{name}", OPERATOR, domains::discard_settings)
        .post("/api/v1/domains/{path}/drafts/{name}/edits", OPERATOR, domains::edit_settings)
        .post("/api/v1/domains/{path}/drafts/{name}/save", OPERATOR, domains::save_settings)
        .put("/api/v1/domains/{path}/update-agents", OPERATOR, clients::give_domain)
        .delete("/api/v1/domains/{path}/update-agents", OPERATOR, clients::take_domain)
}

/// Who belongs to the fleet, the keys, and who administers.
fn fleet_and_trust(table: Table<Services>) -> Table<Services> {
    table
        .get("/api/v1/clients", VIEWER, clients::clients)
        .post("/api/v1/clients/{id}/revoke", OPERATOR, clients::revoke_client)
        .get("/api/v1/unknown-clients", VIEWER, clients::unknown_clients)
        // A key counts again: that is a matter of keys.
        .post("/api/v1/unknown-clients/re-enrol", ADMIN, clients::re_enrol)
        .get("/api/v1/enrol-tokens", OPERATOR, clients::tokens)
        .post("/api/v1/enrol-tokens", OPERATOR, clients::enrol_bundle)
        .delete("/api/v1/enrol-tokens/{number}", OPERATOR, clients::revoke_token)
        .post("/api/v1/clients/move", OPERATOR, clients::move_clients)
        .get("/api/v1/clients/{id}", VIEWER, clients::client)
        .delete("/api/v1/clients/{id}", OPERATOR, clients::remove_client)
        .get("/api/v1/reports", VIEWER, clients::reports)
        .get("/api/v1/update-agents", VIEWER, clients::update_agents)
        .put("/api/v1/update-agents/{id}", OPERATOR, clients::give)
        .delete("/api/v1/update-agents/{id}", OPERATOR, clients::take)
        .get("/api/v1/vendor", VIEWER, publishing::vendor)
        // Whose signatures count as the vendor's is a matter of keys.
        .put("/api/v1/vendor", ADMIN, sources::set_vendor)
        .delete("/api/v1/vendor", ADMIN, sources::remove_vendor)
        .post("/api/v1/vendor/sync", OPERATOR, upkeep::sync)
        // It holds what the server knows, and its keys if they are asked for.
        .post("/api/v1/backup", ADMIN, upkeep::backup)
        // It decides what the fleet's truth is.
        .post("/api/v1/adopt", ADMIN, upkeep::adopt)
        .get("/api/v1/keys", ADMIN, publishing::keys)
        .post("/api/v1/keys/ca/rotate", ADMIN, clients::rotate_ca)
        .post("/api/v1/keys/response-signing/rotate", ADMIN, clients::rotate_response_signing_key)
        .post("/api/v1/keys/enrolment-encryption/rotate", ADMIN, clients::rotate_enrolment_encryption_key)
        .post("/api/v1/keys/{repository}/draft", ADMIN, publishing::draft_root)
        .post("/api/v1/keys/{repository}/root", ADMIN, publishing::take_root)
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

/// The console plane on the local socket: a user who may open that has every role.
pub fn local_console(services: Services) -> Router {
    through(services, Transport::Plain)
}

/// The console plane of a listener.
pub fn console(services: Services, listener: OriginCheck) -> Router {
    let transport = listener.transport;
    through(services, transport)
        .layer(middleware::from_fn_with_state(Arc::new(listener), origin_check::own_origin_only))
}

fn through(services: Services, transport: Transport) -> Router {
    let authorizer = Authorizer { access: services.access.clone(), transport };
    table().into_router(&authorizer).with_state(services)
}

async fn health(State(upkeep): State<Arc<UpkeepService>>) -> HealthAnswer {
    HealthAnswer(upkeep.health(now()))
}
