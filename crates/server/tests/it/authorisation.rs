//! Who may ask what (I4): every route of the console plane × everybody.

use headwater_server::{Least, access::Role, console_routes};
use reqwest::Method;

use crate::harness::{Server, token};

/// The least role of every route. A route that is not here fails the first test.
const EXPECTED: &str = "\
anyone   GET    /health
anyone   GET    /api/v1/openapi.json
anyone   POST   /api/v1/sign-in
viewer   GET    /api/v1/status
viewer   GET    /api/v1/releases
viewer   GET    /api/v1/releases/{class}/{name}
operator POST   /api/v1/releases/{class}/{name}
operator POST   /api/v1/releases/{class}/{name}/rollback
viewer   GET    /api/v1/increments
operator POST   /api/v1/increments/pause
operator POST   /api/v1/increments/resume
viewer   GET    /api/v1/sources
viewer   GET    /api/v1/sources/history
viewer   GET    /api/v1/sources/history/{version}
viewer   GET    /api/v1/sources/diff
operator POST   /api/v1/sources/restore
viewer   GET    /api/v1/drafts
viewer   GET    /api/v1/drafts/{name}
operator PUT    /api/v1/drafts/{name}
operator DELETE /api/v1/drafts/{name}
operator POST   /api/v1/drafts/{name}/edits
viewer   POST   /api/v1/drafts/{name}/preview
operator POST   /api/v1/drafts/{name}/save
viewer   GET    /api/v1/explain
viewer   GET    /api/v1/domains
operator POST   /api/v1/domains
viewer   GET    /api/v1/domains/{path}
operator DELETE /api/v1/domains/{path}
operator PATCH  /api/v1/domains/{path}/settings
viewer   GET    /api/v1/domains/{path}/history
viewer   GET    /api/v1/domains/{path}/history/{version}
viewer   GET    /api/v1/domains/{path}/diff
operator POST   /api/v1/domains/{path}/restore
viewer   GET    /api/v1/domains/{path}/drafts
viewer   GET    /api/v1/domains/{path}/drafts/{name}
operator DELETE /api/v1/domains/{path}/drafts/{name}
operator POST   /api/v1/domains/{path}/drafts/{name}/edits
operator POST   /api/v1/domains/{path}/drafts/{name}/save
operator PUT    /api/v1/domains/{path}/update-agents
operator DELETE /api/v1/domains/{path}/update-agents
viewer   GET    /api/v1/clients
operator POST   /api/v1/clients/{id}/revoke
viewer   GET    /api/v1/strangers
operator GET    /api/v1/enrol-tokens
operator POST   /api/v1/enrol-tokens
operator DELETE /api/v1/enrol-tokens/{number}
operator POST   /api/v1/clients/move
viewer   GET    /api/v1/clients/{id}
operator DELETE /api/v1/clients/{id}
viewer   GET    /api/v1/reports
viewer   GET    /api/v1/update-agents
operator PUT    /api/v1/update-agents/{id}
operator DELETE /api/v1/update-agents/{id}
viewer   GET    /api/v1/vendor
admin    PUT    /api/v1/vendor
admin    DELETE /api/v1/vendor
operator POST   /api/v1/vendor/sync
admin    POST   /api/v1/backup
admin    GET    /api/v1/keys
admin    POST   /api/v1/keys/ca/rotate
admin    POST   /api/v1/keys/{class}/draft
admin    POST   /api/v1/keys/{class}/root
viewer   GET    /api/v1/tokens
viewer   POST   /api/v1/tokens
viewer   DELETE /api/v1/tokens/{name}
viewer   POST   /api/v1/sign-out
viewer   GET    /api/v1/session
viewer   PUT    /api/v1/session/password
admin    GET    /api/v1/administrators
admin    POST   /api/v1/administrators
admin    PUT    /api/v1/administrators/{name}/role
admin    POST   /api/v1/administrators/{name}/password
admin    DELETE /api/v1/administrators/{name}
admin    GET    /api/v1/audit
admin    GET    /api/v1/audit/verify
";

#[test]
fn every_route_is_in_the_table() {
    let line = |method: &str, path: &str, least: &str| format!("{least:8} {method:6} {path}");
    let mut routes: Vec<String> = console_routes()
        .iter()
        .map(|row| {
            let least = match row.least {
                Least::Anyone => "anyone".to_owned(),
                Least::Role(role) => role.to_string(),
            };
            line(row.method.as_str(), row.path, &least)
        })
        .collect();
    let mut expected: Vec<String> = EXPECTED.lines().map(str::to_owned).collect();
    routes.sort();
    expected.sort();
    let missing: Vec<_> = routes.iter().filter(|route| !expected.contains(route)).collect();
    let gone: Vec<_> = expected.iter().filter(|route| !routes.contains(route)).collect();
    assert!(missing.is_empty() && gone.is_empty(), "not in the table: {missing:#?}\nno route: {gone:#?}");
}

/// Over the network, with what each has: a client has its enrolment token and no other secret that goes over the wire.
#[tokio::test]
async fn everybody_may_what_the_table_says_and_no_more() {
    let server = Server::start().await;
    let enrolment = format!("hwt_{}", "A".repeat(43));
    let mut everybody: Vec<(&str, Option<String>, Option<Role>)> = vec![
        ("anonymous", None, None),
        ("client", Some(enrolment.clone()), None),
        ("update agent", Some(enrolment.clone()), None),
        ("revoked client", Some(enrolment), None),
    ];
    for role in Role::ALL {
        let name = format!("of-{role}");
        let token = token(&server.running, &name, &role.to_string()).await;
        let who = ["viewer", "operator", "admin"][role as usize];
        everybody.push((who, Some(token), Some(role)));
    }
    for row in console_routes() {
        // What the gate lets pass must change nothing that the rest of the test needs.
        let path =
            row.path.replace("{class}", "components").replace("{number}", "999").replace("{version}", "9");
        let path: String = path
            .split('/')
            .map(|part| if part.starts_with('{') { "nobody" } else { part })
            .collect::<Vec<_>>()
            .join("/");
        for (who, token, role) in &everybody {
            let mut request = server.stranger(row.method.clone(), &path);
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            let status = request.send().await.unwrap().status().as_u16();
            let told = format!("{who}: {} {path}: {status}", row.method);
            match (row.least, role) {
                (Least::Anyone, _) => assert!(!matches!(status, 401 | 403 | 500..), "{told}"),
                (Least::Role(_), None) => assert_eq!(status, 401, "{told}"),
                (Least::Role(least), Some(role)) if *role < least => assert_eq!(status, 403, "{told}"),
                // A token makes no tokens and has no password.
                (Least::Role(_), Some(_))
                    if path.ends_with("/session/password")
                        || (path.ends_with("/tokens") && row.method == Method::POST) =>
                {
                    assert!(matches!(status, 403 | 415), "{told}");
                }
                (Least::Role(_), Some(_)) => assert!(!matches!(status, 401 | 403 | 500..), "{told}"),
            }
        }
    }
}

#[tokio::test]
async fn methods_and_paths_that_are_not_there_tell_nothing() {
    let server = Server::start().await;
    let ask = async |method: Method, path: &str| server.stranger(method, path).send().await.unwrap().status();
    assert_eq!(ask(Method::DELETE, "/api/v1/status").await, 405);
    assert_eq!(ask(Method::GET, "/api/v1/status/").await, 404);
    assert_eq!(ask(Method::GET, "/api/v1//status").await, 404);
    assert_eq!(ask(Method::GET, "/api/v1/Status").await, 404);
    // HEAD is what GET is, without the body.
    assert_eq!(ask(Method::HEAD, "/api/v1/status").await, 401);
    assert_eq!(ask(Method::OPTIONS, "/api/v1/status").await, 405);
}
