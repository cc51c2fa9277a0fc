//! What each route does, in a sentence: the OpenAPI document says it. A route without one keeps the server from starting.

use axum::http::Method;

/// The sentence of a route.
pub fn of(method: &Method, path: &str) -> Option<&'static str> {
    let names =
        |key: &str| key.split_once(' ').is_some_and(|(word, of)| word == method.as_str() && of == path);
    SUMMARIES.iter().find(|(key, _)| names(key)).map(|(_, summary)| *summary)
}

const SUMMARIES: &[(&str, &str)] = &[
    ("GET /health", "Says that the server answers."),
    ("GET /api/v1/openapi.json", "This document."),
    ("GET /api/v1/status", "The state of the server, its repositories and its jobs."),
    ("GET /api/v1/releases", "All components and programs with their releases."),
    ("GET /api/v1/releases/{class}/{name}", "One component or program with its releases."),
    ("POST /api/v1/releases/{class}/{name}", "Publishes a release from an archive (tar, tar.gz or zip)."),
    (
        "POST /api/v1/releases/{class}/{name}/rollback",
        "Goes back to an earlier release; every later one is withdrawn.",
    ),
    (
        "DELETE /api/v1/releases/{class}/{name}",
        "Takes a component or program out of what is published; clients keep what they have.",
    ),
    ("GET /api/v1/deltas", "How far the making of deltas is."),
    ("POST /api/v1/deltas/pause", "Pauses the making of deltas."),
    ("POST /api/v1/deltas/resume", "Resumes the making of deltas."),
    ("GET /api/v1/sources", "The policy as it is saved, with the source list."),
    ("GET /api/v1/sources/history", "The saved versions of the policy, newest first."),
    ("GET /api/v1/sources/history/{version}", "One saved version of the policy."),
    ("GET /api/v1/sources/diff", "What differs between two versions, or a version and a draft."),
    ("POST /api/v1/sources/restore", "Publishes what an earlier version says as a new version."),
    ("GET /api/v1/drafts", "The drafts of the policy."),
    ("GET /api/v1/drafts/{name}", "One draft of the policy."),
    ("PUT /api/v1/drafts/{name}", "Replaces a draft by a document."),
    ("DELETE /api/v1/drafts/{name}", "Discards a draft."),
    ("POST /api/v1/drafts/{name}/edits", "Edits a draft: all edits or none."),
    ("POST /api/v1/drafts/{name}/preview", "What saving a draft would do."),
    ("POST /api/v1/drafts/{name}/save", "Saves and signs a draft."),
    ("GET /api/v1/explain", "The plans of a client, with every entry passed over and why."),
    ("GET /api/v1/domains", "All domains."),
    ("POST /api/v1/domains", "Adds a domain."),
    ("GET /api/v1/domains/{path}", "One domain, with what is set there and what its clients get."),
    ("DELETE /api/v1/domains/{path}", "Removes an empty domain."),
    ("PATCH /api/v1/domains/{path}/settings", "Edits what is set at a domain and saves it in one step."),
    ("GET /api/v1/domains/{path}/history", "The saved versions of what is set at a domain, newest first."),
    ("GET /api/v1/domains/{path}/history/{version}", "One saved version of what is set at a domain."),
    ("GET /api/v1/domains/{path}/diff", "What differs between two versions of what is set at a domain."),
    ("POST /api/v1/domains/{path}/restore", "Publishes what was set at a domain as a new version."),
    ("GET /api/v1/domains/{path}/drafts", "The drafts of what is set at a domain."),
    ("GET /api/v1/domains/{path}/drafts/{name}", "One draft of what is set at a domain."),
    ("DELETE /api/v1/domains/{path}/drafts/{name}", "Discards a draft of what is set at a domain."),
    ("POST /api/v1/domains/{path}/drafts/{name}/edits", "Edits a draft of what is set at a domain."),
    ("POST /api/v1/domains/{path}/drafts/{name}/save", "Saves and signs a draft of what is set at a domain."),
    ("PUT /api/v1/domains/{path}/update-agents", "Gives every client of a domain the update agent role."),
    (
        "DELETE /api/v1/domains/{path}/update-agents",
        "Takes the update agent role from every client of a domain.",
    ),
    ("GET /api/v1/clients", "The clients, by id."),
    ("POST /api/v1/clients/{id}/revoke", "Revokes a client's key: nobody of the fleet answers it any more."),
    ("GET /api/v1/unknown-clients", "Those who ask and are not known."),
    (
        "POST /api/v1/unknown-clients/re-enrol",
        "Takes clients in again that have proven a certificate of this fleet.",
    ),
    ("GET /api/v1/enrol-tokens", "The enrolment tokens that still admit somebody."),
    ("POST /api/v1/enrol-tokens", "Makes an enrolment bundle with a token of its own."),
    ("DELETE /api/v1/enrol-tokens/{number}", "Revokes an enrolment token."),
    ("POST /api/v1/clients/move", "Moves clients to a domain: all or none."),
    ("GET /api/v1/clients/{id}", "One client, with its latest report."),
    ("DELETE /api/v1/clients/{id}", "Removes a client; its key is revoked."),
    ("GET /api/v1/reports", "What clients reported of their runs, newest first."),
    ("GET /api/v1/update-agents", "The update agents."),
    ("PUT /api/v1/update-agents/{id}", "Gives a client the update agent role, or changes it."),
    ("DELETE /api/v1/update-agents/{id}", "Takes the update agent role from a client."),
    ("GET /api/v1/vendor", "The vendor source, as set."),
    ("PUT /api/v1/vendor", "Sets the vendor source."),
    ("DELETE /api/v1/vendor", "Removes the vendor source."),
    ("POST /api/v1/vendor/sync", "Takes what is new at the vendor source; answers when that is done."),
    ("POST /api/v1/backup", "A backup of the server, as a tar."),
    ("GET /api/v1/keys", "The signing keys, and what has to be done by when."),
    (
        "POST /api/v1/keys/ca/rotate",
        "Makes a new fleet CA, which clients come to know while the old one still counts, or is given up.",
    ),
    (
        "POST /api/v1/keys/response-signing/rotate",
        "Replaces the key that the server signs answers to clients with.",
    ),
    (
        "POST /api/v1/keys/enrolment-encryption/rotate",
        "Replaces the key that enrolments are sealed to; older bundles stay good.",
    ),
    ("POST /api/v1/keys/{class}/draft", "Drafts a new root to be signed."),
    ("POST /api/v1/keys/{class}/root", "Takes a signed root into force."),
    ("GET /api/v1/tokens", "API tokens: one's own; for an admin, all."),
    ("POST /api/v1/tokens", "Makes an API token, and shows it this once."),
    ("DELETE /api/v1/tokens/{name}", "Revokes an API token."),
    (
        "POST /api/v1/administrators/{name}/password",
        "Gives an administrator a new password good for one sign-in.",
    ),
    ("POST /api/v1/sign-in", "Signs an administrator in and gives the session's cookie."),
    (
        "GET /api/v1/sign-in/oidc",
        "Sends a browser to the identity provider to sign in; 404 where none is configured.",
    ),
    (
        "GET /api/v1/sign-in/oidc/callback",
        "Takes a browser back from the identity provider, gives the session's cookie and leads to the console.",
    ),
    ("POST /api/v1/sign-out", "Ends the session."),
    ("GET /api/v1/session", "Who is signed in."),
    ("PUT /api/v1/session/password", "Changes one's own password."),
    ("GET /api/v1/administrators", "The administrators."),
    ("POST /api/v1/administrators", "Adds an administrator, and shows a password good for one sign-in."),
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
            assert!(there, "{key} is no route; take its line out of rest/summaries.rs");
        }
    }
}
