//! The server's services know one another by their facades: `crate::fleet::FleetService`, and nothing that lies deeper.

use std::collections::BTreeSet;

use super::modules::{Crate, Edge};
use super::workspace::Source;

/// The root of the crate that has services.
const ROOT: &str = "crates/server/src/lib.rs";
/// Its services, each a folder.
const SERVICES: [&str; 5] = ["access", "fleet", "publishing", "source_list", "upkeep"];

/// Findings of items that are named past a service's facade, from wherever in the server.
pub fn check(sources: &[Source]) -> Vec<String> {
    let crate_ = Crate::new(ROOT, sources);
    deeper(&crate_.edges(), |path| crate_.is_module(path))
}

fn deeper(edges: &BTreeSet<Edge>, is_module: impl Fn(&[String]) -> bool) -> Vec<String> {
    let mut findings = Vec::new();
    for edge in edges {
        let [service, inner, ..] = edge.named.as_slice() else { continue };
        let own = service_of(&edge.from) == Some(service);
        if SERVICES.contains(&service.as_str()) && !own && is_module(&[service.clone(), inner.clone()]) {
            findings.push(format!(
                "{}: uses `{}`: a service is named by its facade, `crate::{service}::…`; pass the item on there",
                edge.from, edge.path
            ));
        }
    }
    findings
}

/// The service that a file belongs to.
fn service_of(path: &str) -> Option<&str> {
    let inner = path.strip_prefix("crates/server/src/")?;
    let first = inner.split('/').next()?;
    Some(first.strip_suffix(".rs").unwrap_or(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_facade_is_named_from_outside() {
        let check_one = |from: &str, named: &str, expected: usize| {
            let named: Vec<String> = named.split("::").map(str::to_owned).collect();
            let (from, to) =
                (format!("crates/server/src/{from}"), "crates/server/src/fleet/enrol.rs".to_owned());
            let edge = Edge { from, to, path: named.join("::"), named };
            let found = deeper(&BTreeSet::from([edge]), |path| path == ["fleet", "enrol"]);
            assert_eq!(found.len(), expected, "{found:?}");
        };
        check_one("upkeep/jobs.rs", "fleet::enrol::Bundle", 1);
        check_one("rest/clients.rs", "fleet::enrol::Bundle", 1);
        check_one("upkeep/jobs.rs", "fleet::Fleet", 0);
        check_one("upkeep/jobs.rs", "fleet::Fleet::new", 0);
        check_one("fleet/ca.rs", "fleet::enrol::Bundle", 0);
        check_one("fleet.rs", "fleet::enrol::Bundle", 0);
    }
}
