//! No import circle between the files of a crate: what cannot be read without its user cannot be read alone.
//!
//! A file uses another if it names an item that the other defines (see `modules`). Of each group of files that use one
//! another in a circle, the shortest circle is reported.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::modules::{Crate, Edge};
use super::workspace::{Member, Source};

/// Findings, one for each group of files.
pub fn check(members: &[Member], sources: &[Source]) -> Vec<String> {
    let roots = members.iter().flat_map(|member| roots(member, sources));
    roots.flat_map(|root| circles(&Crate::new(&root, sources).edges())).collect()
}

/// The roots of a member's own code: its library and its programs.
fn roots(member: &Member, sources: &[Source]) -> Vec<String> {
    let folder = format!("{}/src/", member.folder);
    let is_root = |path: &str| {
        path.strip_prefix(&folder).is_some_and(|rest| {
            ["lib.rs", "main.rs"].contains(&rest)
                || rest.starts_with("bin/") && rest.matches('/').count() == 1
        })
    };
    sources.iter().map(|source| source.path.clone()).filter(|path| is_root(path)).collect()
}

/// One line for each group of files that reach one another.
fn circles(edges: &BTreeSet<Edge>) -> Vec<String> {
    let mut next: BTreeMap<&str, BTreeMap<&str, &Edge>> = BTreeMap::new();
    for edge in edges {
        next.entry(&edge.from).or_default().entry(&edge.to).or_insert(edge);
    }
    let mut findings = Vec::new();
    let mut grouped: BTreeSet<&str> = BTreeSet::new();
    for file in next.keys().copied() {
        if grouped.contains(file) {
            continue;
        }
        let reached = reached(&next, file);
        let group: BTreeSet<&str> =
            reached.into_iter().filter(|other| self::reached(&next, other).contains(file)).collect();
        if group.is_empty() {
            continue;
        }
        grouped.extend(&group);
        let circles = group.iter().filter_map(|file| shortest(&next, file));
        if let Some(circle) = circles.min_by_key(Vec::len) {
            findings.push(describe(&circle, group.len()));
        }
    }
    findings
}

/// Every file that `from` uses, directly or by others.
fn reached<'a>(next: &BTreeMap<&'a str, BTreeMap<&'a str, &Edge>>, from: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut waiting: Vec<&str> = vec![from];
    while let Some(file) = waiting.pop() {
        for other in next.get(file).into_iter().flat_map(BTreeMap::keys).copied() {
            if reached.insert(other) {
                waiting.push(other);
            }
        }
    }
    reached
}

/// The fewest uses that lead from a file back to it.
fn shortest<'a>(next: &BTreeMap<&str, BTreeMap<&str, &'a Edge>>, start: &str) -> Option<Vec<&'a Edge>> {
    let mut waiting: VecDeque<Vec<&Edge>> = VecDeque::from([Vec::new()]);
    let mut seen = BTreeSet::new();
    while let Some(path) = waiting.pop_front() {
        let at = path.last().map_or(start, |edge| edge.to.as_str());
        for edge in next.get(at).into_iter().flat_map(BTreeMap::values).copied() {
            let longer = [path.as_slice(), &[edge]].concat();
            if edge.to == start {
                return Some(longer);
            }
            if seen.insert(&edge.to) {
                waiting.push_back(longer);
            }
        }
    }
    None
}

fn describe(circle: &[&Edge], files: usize) -> String {
    let uses: Vec<String> =
        circle.iter().map(|edge| format!("{} uses `{}` of {}", edge.from, edge.path, edge.to)).collect();
    format!(
        "{}: {files} files import one another in a circle: {}; move what both need to a file below them",
        circle[0].from,
        uses.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_edges(edges: &[(&str, &str)], expected: &[&str]) {
        let edge = |(from, to): &(&str, &str)| Edge {
            from: (*from).to_owned(),
            to: (*to).to_owned(),
            path: format!("crate::{to}"),
            named: Vec::new(),
        };
        let found = circles(&edges.iter().map(edge).collect());
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (finding, expected) in found.iter().zip(expected) {
            assert!(finding.contains(expected), "{finding} does not contain {expected}");
        }
    }

    #[test]
    fn a_circle_is_found_and_the_shortest_is_shown() {
        check_edges(&[("a", "b"), ("b", "c"), ("a", "c")], &[]);
        check_edges(&[("a", "b"), ("b", "a")], &["a: 2 files"]);
        let two = [("a", "b"), ("b", "c"), ("c", "a"), ("c", "b"), ("x", "y"), ("y", "x"), ("c", "x")];
        check_edges(
            &two,
            &["3 files import one another in a circle: b uses `crate::c` of c, c uses", "x: 2 files"],
        );
    }
}
