//! The table: every route of both planes × everybody, what is expected, and as people read it.

use headwater_server::caller::AdministratorRole;
use headwater_server::{AllowedCaller, FleetRoute, RequiredRole, RouteRow};
use reqwest::Method;

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// Shows no certificate and nothing else.
    Anonymous,
    /// Shows a certificate of another fleet.
    Foreign,
    Client,
    UpdateAgent,
    /// A client whose key was revoked.
    Revoked,
    /// Who signed in with a password, as the console's own pages ask.
    Session(AdministratorRole),
    /// A program with an API token for everything that the role may.
    Token(AdministratorRole),
    /// A program with an admin's API token for [`SCOPE`] alone.
    ScopedToken,
    /// Who may open the local socket.
    Socket,
}

/// What the scoped token is for.
pub const SCOPE: &str = "status";

/// Everybody, in the order of the columns, with their headings.
pub const EVERYBODY: [(Caller, &str); 13] = [
    (Caller::Anonymous, "nobody"),
    (Caller::Foreign, "foreign"),
    (Caller::Client, "client"),
    (Caller::UpdateAgent, "agent"),
    (Caller::Revoked, "revoked"),
    (Caller::Session(AdministratorRole::Viewer), "viewer"),
    (Caller::Session(AdministratorRole::Operator), "operator"),
    (Caller::Session(AdministratorRole::Admin), "admin"),
    (Caller::Token(AdministratorRole::Viewer), "t.viewer"),
    (Caller::Token(AdministratorRole::Operator), "t.operator"),
    (Caller::Token(AdministratorRole::Admin), "t.admin"),
    (Caller::ScopedToken, "t.scoped"),
    (Caller::Socket, "socket"),
];

impl Caller {
    /// The role on the console plane.
    fn role(self) -> Option<AdministratorRole> {
        match self {
            Self::Session(role) | Self::Token(role) => Some(role),
            Self::ScopedToken | Self::Socket => Some(AdministratorRole::Admin),
            Self::Anonymous | Self::Foreign | Self::Client | Self::UpdateAgent | Self::Revoked => None,
        }
    }

    fn is_token(self) -> bool {
        matches!(self, Self::Token(_) | Self::ScopedToken)
    }
}

/// What somebody is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    /// It is done, or the handler says why not.
    Yes,
    /// A refusal: the status.
    No(u16),
    /// There is no connection.
    Unconnected,
    /// The plane is not there for.
    Elsewhere,
}

impl std::fmt::Display for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Yes => f.pad("yes"),
            Self::No(status) => f.pad(&status.to_string()),
            Self::Unconnected => f.pad("cut"),
            Self::Elsewhere => f.pad("-"),
        }
    }
}

/// What one asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asks {
    /// What the route gives.
    Plainly,
    /// Likewise, with a statement of another client.
    Carrying,
    /// What no route gives.
    Nothing,
}

/// One line of the table.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    pub method: Method,
    pub path: String,
    pub asks: Asks,
    pub cells: [Cell; EVERYBODY.len()],
}

impl Line {
    /// What this line is of, without its cells.
    pub fn name(&self) -> String {
        let path = match self.asks {
            Asks::Plainly => self.path.clone(),
            Asks::Carrying => format!("{} of another", self.path),
            Asks::Nothing => "anything else".to_owned(),
        };
        format!("{:6} {path}", self.method.as_str())
    }

    fn expecting(self, cell: impl Fn(Caller) -> Cell) -> Self {
        Self { cells: EVERYBODY.map(|(caller, _)| cell(caller)), ..self }
    }

    /// The line with its cells; `!` before one that is not as expected.
    pub fn text(&self, expected: Option<&Self>) -> String {
        let cells = self.cells.iter().zip(EVERYBODY).enumerate().map(|(at, (cell, (_, heading)))| {
            let wrong = expected.is_some_and(|expected| expected.cells[at] != *cell);
            let shown = format!("{}{cell}", if wrong { "!" } else { "" });
            format!("  {shown:>width$}", width = heading.len())
        });
        format!("{:52}{}", self.name(), cells.collect::<String>())
    }
}

fn nothing() -> Line {
    let cells = [Cell::Elsewhere; EVERYBODY.len()];
    Line { method: Method::GET, path: "/nothing".to_owned(), asks: Asks::Nothing, cells }
}

/// What is expected of the console plane.
pub fn console(rows: Vec<RouteRow>) -> Vec<Line> {
    let lines = rows.into_iter().map(|row| {
        let scope = row.scope();
        let line =
            Line { method: row.method.clone(), path: row.path.to_owned(), asks: Asks::Plainly, ..nothing() };
        // Neither signing in again nor a password is for programs.
        let makes_tokens = (&row.method, row.path) == (&Method::POST, "/api/v1/tokens");
        let sets_password = row.path == "/api/v1/session/password";
        line.expecting(|caller| match (row.required_role, caller.role()) {
            (RequiredRole::Anyone, _) => Cell::Yes,
            (RequiredRole::Role(_), None) => Cell::No(401),
            (RequiredRole::Role(required), Some(role)) if role < required => Cell::No(403),
            _ if caller == Caller::ScopedToken && scope != SCOPE => Cell::No(403),
            _ if caller.is_token() && (makes_tokens || sets_password) => Cell::No(403),
            _ if caller == Caller::Socket && sets_password => Cell::No(403),
            _ => Cell::Yes,
        })
    });
    lines.chain([nothing().expecting(|_| Cell::No(404))]).collect()
}

/// What is expected of the fleet plane, `open` where `anonymous_components` is set.
pub fn fleet(rows: Vec<FleetRoute>, open: bool) -> Vec<Line> {
    let mut lines = Vec::new();
    for row in rows {
        let line = |asks| Line { method: row.method.clone(), path: row.path.to_owned(), asks, ..nothing() };
        let is_renewal = row.path == "/client/v1/renew";
        lines.push(line(Asks::Plainly).expecting(|caller| match (row.who, caller) {
            // Who enrols comes with a new key; a renewal is by the key that was revoked.
            (AllowedCaller::Anyone, Caller::Revoked) if is_renewal => Cell::No(403),
            (AllowedCaller::Anyone, caller) => members(caller, Cell::Yes, Cell::Yes),
            (AllowedCaller::ClientOrReader, caller) if open => members(caller, Cell::Yes, Cell::No(403)),
            (AllowedCaller::Client | AllowedCaller::ClientOrReader, caller) => of_members(caller, Cell::Yes),
        }));
        if row.who == AllowedCaller::Client && row.method == Method::POST {
            lines.push(line(Asks::Carrying).expecting(|caller| match caller {
                Caller::Client => Cell::No(403),
                caller => of_members(caller, Cell::Yes),
            }));
        }
    }
    lines.push(nothing().expecting(|caller| of_members(caller, Cell::No(404))));
    lines
}

/// Open to all that can connect, but for who is `revoked`.
fn members(caller: Caller, cell: Cell, revoked: Cell) -> Cell {
    match caller {
        Caller::Revoked => revoked,
        Caller::Foreign => Cell::Unconnected,
        Caller::Socket => Cell::Elsewhere,
        _ => cell,
    }
}

/// Open to enrolled clients alone, whatever administrators bring.
fn of_members(caller: Caller, cell: Cell) -> Cell {
    match caller {
        Caller::Client | Caller::UpdateAgent => cell,
        caller => members(caller, Cell::No(401), Cell::No(403)),
    }
}

/// The headings and lines, in columns.
pub fn text(lines: &[Line]) -> String {
    let headings: String = EVERYBODY.iter().map(|(_, heading)| format!("  {heading}")).collect();
    let lines = lines.iter().map(|line| line.text(None));
    [format!("{:52}{headings}", "")].into_iter().chain(lines).collect::<Vec<_>>().join("\n")
}

/// Those of `lines` that a page does not have, and those of the page's that are no route's any more.
pub fn differences(page: &str, lines: &[Line]) -> (Vec<String>, Vec<String>) {
    let routes: Vec<String> = lines.iter().map(|line| line.text(None)).collect();
    let has_method = |line: &&str| {
        ["GET ", "POST ", "PUT ", "PATCH ", "DELETE "].iter().any(|method| line.starts_with(method))
    };
    let page: Vec<&str> = page.lines().filter(has_method).collect();
    let missing = routes.iter().filter(|line| !page.contains(&line.as_str())).cloned().collect();
    let gone = page.into_iter().filter(|line| !routes.iter().any(|route| route == line));
    (missing, gone.map(str::to_owned).collect())
}
