//! What each route does, in a sentence. A route without one has no OpenAPI document.

use axum::http::Method;

/// The sentence of a route.
pub fn of(method: &Method, path: &str) -> Option<&'static str> {
    let names =
        |key: &str| key.split_once(' ').is_some_and(|(word, of)| word == method.as_str() && of == path);
    SUMMARIES.iter().find(|(key, _)| names(key)).map(|(_, summary)| *summary)
}

const SUMMARIES: &[(&str, &str)] = &[
    ("GET /health", "Whether the server works; 503 if it does not do all of its work."),
    (
        "POST /api/v1/adopt",
        "Takes what is published as the truth, where database and repositories are of different times.",
    ),
    ("GET /api/v1/openapi.json", "This document."),
    ("GET /api/v1/status", "The state of the server, its repositories and its jobs."),
    ("GET /api/v1/releases", "All components and programs with their releases."),
    ("GET /api/v1/releases/{class}/{name}", "One component or program with its releases."),
    ("POST /api/v1/releases/{class}/{name}", "Publishes a release from an archive (tar, tar.gz or zip)."),
    (
        "POST /api/v1/releases/{class}/{name}/rollback",
        "Rolls back to an earlier release; every later one is withdrawn.",
    ),
    (
        "DELETE /api/v1/releases/{class}/{name}",
        "Removes a component or program from what is published; clients keep what they have.",
    ),
    ("GET /api/v1/deltas", "The progress of making deltas."),
    ("POST /api/v1/deltas/pause", "Pauses the making of deltas."),
    ("POST /api/v1/deltas/resume", "Resumes the making of deltas."),
    ("GET /api/v1/sources", "The saved policy, with the source list."),
    ("GET /api/v1/sources/history", "The saved versions of the policy, newest first."),
    ("GET /api/v1/sources/history/{version}", "One saved version of the policy."),
    ("POST /api/v1/sources/history/{version}/preview", "What restoring a saved version would do."),
    ("GET /api/v1/sources/diff", "The difference between two versions, or between a version and a draft."),
    ("POST /api/v1/sources/restore", "Publishes an earlier version as a new one."),
    ("GET /api/v1/drafts", "The drafts of the policy."),
    ("GET /api/v1/drafts/{name}", "One draft of the policy."),
    ("PUT /api/v1/drafts/{name}", "Replaces a draft with a document."),
    ("DELETE /api/v1/drafts/{name}", "Discards a draft."),
    ("POST /api/v1/drafts/{name}/edits", "Edits a draft: all edits or none."),
    ("POST /api/v1/drafts/{name}/preview", "What saving a draft would do."),
    ("POST /api/v1/drafts/{name}/save", "Saves and signs a draft."),
    ("GET /api/v1/explain", "The plans of a client, with every entry passed over and the reason."),
    ("GET /api/v1/domains", "All domains."),
    ("POST /api/v1/domains", "Adds a domain."),
    ("GET /api/v1/domains/{path}", "One domain, with its settings and what its clients get."),
    ("DELETE /api/v1/domains/{path}", "Removes an empty domain."),
    ("PATCH /api/v1/domains/{path}/settings", "Edits the settings of a domain and saves them in one step."),
    ("GET /api/v1/domains/{path}/history", "The saved versions of a domain's settings, newest first."),
    ("GET /api/v1/domains/{path}/history/{version}", "One saved version of a domain's settings."),
    ("GET /api/v1/domains/{path}/diff", "The difference between two versions of a domain's settings."),
    (
        "POST /api/v1/domains/{path}/restore",
        "Publishes an earlier version of a domain's settings as a new one.",
    ),
    ("GET /api/v1/domains/{path}/drafts", "The drafts of a domain's settings."),
    ("GET /api/v1/domains/{path}/drafts/{name}", "One draft of a domain's settings."),
    ("DELETE /api/v1/domains/{path}/drafts/{name}", "Discards a draft of a domain's settings."),
    ("POST /api/v1/domains/{path}/drafts/{name}/edits", "Edits a draft of a domain's settings."),
    ("POST /api/v1/domains/{path}/drafts/{name}/save", "Saves and signs a draft of a domain's settings."),
    ("PUT /api/v1/domains/{path}/update-agents", "Gives every client of a domain the update agent role."),
    (
        "DELETE /api/v1/domains/{path}/update-agents",
        "Removes the update agent role from every client of a domain.",
    ),
    ("GET /api/v1/clients", "The clients, by id."),
    ("POST /api/v1/clients/{id}/revoke", "Revokes a client's key; the whole fleet rejects it."),
    ("GET /api/v1/unknown-clients", "The clients that ask and are not known."),
    (
        "POST /api/v1/unknown-clients/re-enrol",
        "Re-enrols clients that have proven a certificate of this fleet.",
    ),
    ("GET /api/v1/enrol-tokens", "The enrolment tokens that can still admit a client."),
    ("POST /api/v1/enrol-tokens", "Makes an enrolment bundle with a token of its own."),
    ("DELETE /api/v1/enrol-tokens/{number}", "Revokes an enrolment token."),
    ("POST /api/v1/clients/move", "Moves clients to a domain: all or none."),
    ("GET /api/v1/clients/{id}", "One client, with its latest report."),
    ("DELETE /api/v1/clients/{id}", "Removes a client; its key is revoked."),
    ("GET /api/v1/reports", "The clients' reports of their runs, newest first."),
    ("GET /api/v1/update-agents", "The update agents."),
    ("PUT /api/v1/update-agents/{id}", "Gives a client the update agent role, or changes it."),
    ("DELETE /api/v1/update-agents/{id}", "Removes the update agent role from a client."),
    ("GET /api/v1/vendor", "The vendor source and its last sync."),
    ("PUT /api/v1/vendor", "Sets the vendor source."),
    ("DELETE /api/v1/vendor", "Removes the vendor source."),
    ("POST /api/v1/vendor/sync", "Imports what is new at the vendor source; answers when that is done."),
    ("POST /api/v1/backup", "A backup of the server, as a tar."),
    ("GET /api/v1/keys", "The signing keys, with what an administrator has to do by when."),
    (
        "POST /api/v1/keys/ca/rotate",
        "Replaces the fleet CA; the former one stays valid for a while, or is revoked at once.",
    ),
    (
        "POST /api/v1/keys/response-signing/rotate",
        "Replaces the key that the server signs answers to clients with.",
    ),
    (
        "POST /api/v1/keys/enrolment-encryption/rotate",
        "Replaces the key that encrypts enrolments; older bundles stay valid.",
    ),
    ("POST /api/v1/keys/{repository}/draft", "Drafts a new root for its holders to sign."),
    ("POST /api/v1/keys/{repository}/root", "Activates a signed root."),
    ("GET /api/v1/tokens", "The caller's own API tokens; for an admin, all."),
    ("POST /api/v1/tokens", "Makes an API token and shows it once."),
    ("DELETE /api/v1/tokens/{name}", "Revokes an API token."),
    ("POST /api/v1/administrators/{name}/password", "Gives an administrator a new password for one sign-in."),
    ("POST /api/v1/sign-in", "Signs an administrator in and sets the session's cookie."),
    (
        "GET /api/v1/sign-in/oidc",
        "Sends a browser to the identity provider to sign in; 404 where none is configured.",
    ),
    (
        "GET /api/v1/sign-in/oidc/callback",
        "Receives a browser from the identity provider, sets the session's cookie and leads to the console.",
    ),
    ("POST /api/v1/sign-out", "Ends the session."),
    ("GET /api/v1/session", "The administrator who is signed in."),
    ("PUT /api/v1/session/password", "Changes the caller's own password."),
    ("GET /api/v1/administrators", "The administrators."),
    ("POST /api/v1/administrators", "Adds an administrator and shows a password for one sign-in."),
    ("PUT /api/v1/administrators/{name}/role", "Changes an administrator's role."),
    ("DELETE /api/v1/administrators/{name}", "Removes an administrator with sessions and tokens."),
    ("GET /api/v1/audit", "The audit log, newest first."),
    ("GET /api/v1/audit/verify", "Checks the audit log from its first record to its head."),
];

#[cfg(test)]
mod tests {
    use super::SUMMARIES;

    #[test]
    fn each_is_of_a_route() {
        let rows = crate::console_routes();
        for (key, _) in SUMMARIES {
            let there = rows.iter().any(|row| format!("{} {}", row.method, row.path) == *key);
            assert!(there, "{key} is no route; remove its line from rest/openapi/summaries.rs");
        }
    }
}
