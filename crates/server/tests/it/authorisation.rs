//! Who may ask what (I3, I4): every route of both planes × everybody, as `docs/authorisation.md` shows it.

mod everybody;
mod table;

use std::path::Path;

use headwater_server::{Config, RawConfig, RequiredRole, console_routes, fleet_routes};
use reqwest::Method;

use self::everybody::{Everybody, Somebody};
use self::table::{Cell, EVERYBODY, Line, console, differences, fleet, text};
use crate::endpoint::Endpoint;
use crate::harness::{Server, config};

const HINT: &str = "look at who may ask, then run this test with HEADWATER_UPDATE=1 and commit the page";

/// The page, from the routers' own tables.
fn page() -> String {
    let (console, closed) = (text(&console(console_routes())), text(&fleet(fleet_routes(), false)));
    // What differs is shown, the rest is the same.
    let open = fleet(fleet_routes(), true).into_iter();
    let open: Vec<Line> = open.filter(|line| !fleet(fleet_routes(), false).contains(line)).collect();
    format!(
        "# Permissions\n\n\
         Every route of both planes, for every kind of caller. The lines are the routers' own tables. Tests send each\n\
         request to a running server, over TLS, with real certificates, sessions and tokens (`server::authorisation`),\n\
         and fail when this page is not current.\n\n\
         `yes`: permitted; the answer may still reject the content of the request. A number: refused with that HTTP\n\
         status. `cut`: no connection. `-`: the caller cannot reach that plane.\n\n\
         | column | caller |\n| --- | --- |\n\
         | `nobody` | shows no certificate, session or token |\n\
         | `foreign` | shows a certificate of another fleet |\n\
         | `client`, `agent`, `revoked` | show their certificates: a client, an update agent, a revoked client |\n\
         | `viewer`, `operator`, `admin` | signed in with a password, each in that role |\n\
         | `t.viewer`, `t.operator`, `t.admin` | programs with an API token of that role |\n\
         | `t.scoped` | a program with an admin's API token for `{}` alone |\n\
         | `socket` | a process that can open the server's local socket |\n\n\
         ## Console plane\n\nThis plane requests no certificate: it treats clients and update agents as nobody. For\n\
         confidential domains, `viewer` and `t.viewer` get the names of values, files and commands that are set, and\n\
         not their content (`server::confidential`).\n\n\
         ```text\n{console}\n```\n\n\
         ## Fleet plane\n\n*Of another*: with a statement of another client.\n\n```text\n{closed}\n```\n\n\
         With `anonymous_components = true`, these lines differ:\n\n```text\n{}\n```\n",
        table::SCOPE,
        text(&open),
    )
}

#[test]
fn the_page_has_every_route_and_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/authorisation.md");
    if std::env::var_os("HEADWATER_UPDATE").is_some() {
        std::fs::write(&path, page()).unwrap();
    }
    let copy = std::fs::read_to_string(&path).unwrap_or_default();
    let lines = [console(console_routes()), fleet(fleet_routes(), false), fleet(fleet_routes(), true)];
    let (missing, gone) = differences(&copy, &lines.concat());
    assert!(
        missing.is_empty() && gone.is_empty(),
        "docs/authorisation.md misses\n{}\nand has, though the routers do not,\n{}\n{HINT}",
        missing.join("\n"),
        gone.join("\n")
    );
    assert!(copy == page(), "docs/authorisation.md is not current; {HINT}");
}

#[test]
fn a_route_without_a_row_is_found() {
    let page = page();
    let mut routes = console_routes();
    let known = console(routes.clone());
    assert_eq!(differences(&page, &known).0, Vec::<String>::new());
    // A new one, and one that more may ask.
    routes[3].path = "/api/v1/new";
    let was = std::mem::replace(&mut routes[5].required_role, RequiredRole::Anyone);
    assert_ne!(was, RequiredRole::Anyone);
    let (missing, gone) = differences(&page, &console(routes));
    assert!(missing.len() == 2 && missing[0].contains("/api/v1/new"), "{missing:#?}");
    assert!(gone.contains(&known[3].text(None)) && gone.contains(&known[5].text(None)), "{gone:#?}");
}

/// Everybody asks everything; what differs from what is expected is shown in the table.
async fn check(everybody: &Everybody, expected: &[Line], ask: impl AsyncFn(&Somebody, &Line) -> Cell) {
    let mut found = expected.to_vec();
    // Who has signed out asks no more.
    found.sort_by_key(|line| line.path.ends_with("/sign-out"));
    for line in &mut found {
        for (at, who) in everybody.all.iter().enumerate() {
            assert_eq!(who.caller(), EVERYBODY[at].0);
            line.cells[at] = ask(who, line).await;
        }
    }
    let of = |line: &Line| expected.iter().find(|one| one.name() == line.name()).unwrap();
    let wrong: Vec<&Line> = found.iter().filter(|line| line.cells != of(line).cells).collect();
    let shown: Vec<String> = wrong
        .iter()
        .map(|line| format!("{}\n{}  (expected)", line.text(Some(of(line))), of(line).text(None)))
        .collect();
    assert!(wrong.is_empty(), "not as expected where a `!` is:\n{}\n{}", text(&[]), shown.join("\n"));
}

/// With a console over TLS by the fleet CA, as beyond loopback.
fn over_tls(folder: &Path) -> RawConfig {
    RawConfig {
        data: Some(folder.to_owned()),
        fleet_listen: Some("127.0.0.1:0".parse().unwrap()),
        console_listen: Some("127.0.0.1:0".parse().unwrap()),
        console_names: Some(vec!["localhost".to_owned()]),
        ..RawConfig::default()
    }
}

#[tokio::test]
async fn everybody_may_what_the_table_allows_and_no_more() {
    let server = Server::start_with(|folder| Config::try_from(over_tls(folder)).unwrap()).await;
    let everybody = Everybody::of(&server).await;
    let on_the_fleet_plane = async |who: &Somebody, line: &Line| everybody.ask_fleet(who, line).await;
    check(&everybody, &fleet(fleet_routes(), false), on_the_fleet_plane).await;
    let on_the_console = async |who: &Somebody, line: &Line| everybody.ask_console(who, line).await;
    check(&everybody, &console(console_routes()), on_the_console).await;
}

#[tokio::test]
async fn components_can_be_opened_to_everybody_and_nothing_else() {
    let server = Server::start_with(|folder| {
        let raw = RawConfig { anonymous_components: Some(true), ..over_tls(folder) };
        Config::try_from(raw).unwrap()
    })
    .await;
    let everybody = Everybody::of(&server).await;
    let on_the_fleet_plane = async |who: &Somebody, line: &Line| everybody.ask_fleet(who, line).await;
    check(&everybody, &fleet(fleet_routes(), true), on_the_fleet_plane).await;
}

#[tokio::test]
async fn on_the_console_methods_and_paths_that_are_not_there_reveal_nothing() {
    let server = Server::start().await;
    let ask =
        async |method: Method, path: &str| server.anonymous(method, path).send().await.unwrap().status();
    assert_eq!(ask(Method::DELETE, "/api/v1/status").await, 405);
    assert_eq!(ask(Method::GET, "/api/v1/status/").await, 404);
    assert_eq!(ask(Method::GET, "/api/v1//status").await, 404);
    assert_eq!(ask(Method::GET, "/api/v1/Status").await, 404);
    // HEAD is what GET is, without the body.
    assert_eq!(ask(Method::HEAD, "/api/v1/status").await, 401);
    assert_eq!(ask(Method::OPTIONS, "/api/v1/status").await, 405);
}

#[tokio::test]
async fn on_the_fleet_plane_methods_and_paths_that_are_not_there_are_answered_to_clients_alone() {
    let server = Server::start_with(|folder| Config { anonymous_components: true, ..config(folder) }).await;
    let client = Endpoint::enrolled(&server, "pc-1", "root").await;
    let anonymous = Endpoint::new("pc-0", &server.bundle(serde_json::json!({})).await);
    let check = async |method: Method, path: &str, nobody: u16, somebody: u16| {
        assert_eq!(anonymous.ask(method.clone(), path).await, nobody, "{method} {path} by nobody");
        assert_eq!(client.ask(method.clone(), path).await, somebody, "{method} {path} by a client");
    };
    check(Method::GET, "/client/v1/check-in", 401, 405).await;
    check(Method::GET, "/client/v1/enrol", 405, 405).await;
    check(Method::POST, "/client/v1/enrol/", 401, 404).await;
    check(Method::GET, "/api/v1/status", 401, 404).await;
    check(Method::PUT, "/settings/metadata/timestamp.json", 401, 405).await;
    check(Method::GET, "/settings", 401, 404).await;
    check(Method::GET, "/components/nothing", 404, 404).await;
    check(Method::GET, "/components", 401, 404).await;
    check(Method::GET, "/componentsx/metadata/timestamp.json", 401, 404).await;
    // What leads out of the class is not looked for; `depot::serving` has more of them.
    check(Method::GET, "/components/..%2fsettings/metadata/timestamp.json", 400, 400).await;
}

#[tokio::test]
async fn plain_http_gets_nowhere_on_the_fleet_plane() {
    let server = Server::start().await;
    let plain = server.running.fleet_url.replace("https://", "http://");
    let http = reqwest::Client::new();
    let answered = http.get(format!("{plain}/settings/metadata/timestamp.json")).send().await;
    assert!(answered.is_err(), "{answered:?}");
}
