//! The warnings of S8, and that a large fleet is looked at in time.

use std::fmt::Write as _;

use headwater_policy::{Client, Policy, WarningKind, preview};

use crate::story;

fn check(story: &str, expected: &[&str]) {
    let read = story::read(story);
    let policy = read.draft.into_policy().unwrap();
    let found = preview(&policy, None, &read.clients);
    let found: Vec<String> = found
        .warnings
        .iter()
        .map(|warning| {
            let entry = warning.entry.map_or(String::new(), |entry| format!("{entry} "));
            format!("{entry}{}", warning.kind.as_str())
        })
        .collect();
    assert_eq!(found, expected, "{story}");
}

#[test]
fn warnings() {
    check("entry 10.0.0.0-10.0.0.9 -> http://m.example/\nclient a 10.0.0.1", &["policy_from_one_source"]);
    check(
        "entry 10.0.0.0-10.0.0.9 -> http://m.example/
         entry 10.0.0.0-10.0.0.9 -> http://m.example:80
         entry 10.0.0.1-10.0.0.2 -> http://m.example
         entry 10.0.0.1-10.0.0.2 -> http://other.example
         client a 10.0.0.1",
        &["2 repeated", "3 shadowed"],
    );
    check(
        "entry 10.0.0.0-10.0.0.9 -> http://m.example/ components
         entry 10.0.0.0-10.0.0.9 -> http://m.example/
         client a 10.0.0.1",
        &["policy_from_one_source"],
    );
    check(
        "entry 10.0.0.0-10.0.0.9 -> http://m.example/\nclient a 10.0.0.1\nclient b 10.9.9.9",
        &[
            "client_matches_none",
            "nobody_serves",
            "nobody_serves",
            "nobody_serves",
            "policy_from_one_source",
            "policy_from_one_source",
        ],
    );
    check(
        "fallback components settings programs
         entry 10.0.0.0-10.0.0.9 -> http://[fe80::1]
         client a 10.9.9.9"
            .replace("10.0.0.0-10.0.0.9", "fe80::/64")
            .as_str(),
        &["1 no_client_matches", "1 link_local", "client_matches_none"],
    );
    check(
        "vendor http://192.0.2.1/
         agent ua 10.0.0.5
         entry 10.0.0.0-10.0.0.9 2001:db8::/32 -> vendor
         entry 10.0.0.0-10.0.0.9 -> https://10.0.0.5:8472",
        &["1 family_cannot_meet", "2 update_agent_by_url", "not_named"],
    );
    check(
        "vendor https://vendor.example/
         fallback settings programs
         entry 10.0.0.0-10.0.0.9 -> http://m.example/
         client a 10.0.0.1",
        &["sends_to_vendor"],
    );
    let first_entry = "standard
         vendor https://vendor.example/
         agent ua 10.0.0.5
         entry 10.0.0.5-10.0.0.5 -> vendor
         entry 10.0.0.5-10.0.0.5 -> ua
         client ua 10.0.0.5";
    check(first_entry, &["sends_to_vendor"]);
    check(&format!("vendor_fallback privilege_only\n{first_entry}"), &[]);
    check(&format!("vendor_fallback never\n{first_entry}"), &[]);
}

#[test]
fn warnings_of_update_agents() {
    check(
        "agent a 10.0.0.1\nagent b 10.0.0.2\nagent gone 10.0.0.3 shares
         entry 10.0.0.0-10.0.0.9 -> a\nentry 10.0.0.0-10.0.0.9 -> b\nentry 10.0.0.0-10.0.0.9 -> gone
         client a 10.0.0.1\nclient c 10.0.0.8\nclient b 10.0.0.2",
        &[
            "2 loop",
            "3 broken",
            "nobody_serves",
            "nobody_serves",
            "nobody_serves",
            "policy_from_one_source",
            "policy_from_one_source",
        ],
    );
}

/// P5a: who would get the policy from one source of the list at most, and who depends on no single one.
#[test]
fn one_source_of_the_policy_is_warned_of() {
    let check = |story: &str, expected: &[&str]| {
        let read = story::read(story);
        let found = preview(&read.draft.into_policy().unwrap(), None, &read.clients).warnings;
        let about = found.into_iter().filter(|warning| warning.kind == WarningKind::PolicyFromOne);
        let messages: Vec<String> = about.map(|warning| warning.message).collect();
        assert_eq!(messages.len(), expected.len(), "{messages:?}");
        let begins = messages.iter().zip(expected).all(|(message, start)| message.starts_with(start));
        assert!(begins, "{messages:?}");
    };
    let two = "agent ua 10.0.0.5 shares programs\nentry 10.0.0.0-10.0.0.9 -> ua\n";
    let client = "\nclient pc-1 10.0.0.1";
    check(&format!("{two}entry 10.0.0.0-10.0.0.9 -> http://m.example/ components{client}"), &[]);
    check(&format!("fallback programs\n{two}{client}"), &[]);
    check(&format!("standard{client}"), &[]);
    check(
        &format!("{two}{client}"),
        &["only one source of the list, update_agent:ua, gives the policy to 1 client (pc-1)"],
    );
    check(
        &format!("vendor http://v.example/\nentry 10.0.0.0-10.0.0.9 -> vendor{client}"),
        &["no source of the list gives the policy to 1 client (pc-1)"],
    );
}

/// An update agent that lost a family, or is gone, after the policy was saved: its entries are passed over and warned of.
#[test]
fn a_saved_policy_outlives_a_change_of_addresses() {
    let read = story::read(
        "fallback components
         agent ua 10.0.0.5
         entry 10.0.0.0-10.0.0.9 2001:db8::/32 -> ua
         entry 2001:db8::/32 -> gone
         client a 2001:db8::1",
    );
    assert_eq!(read.draft.problems().len(), 2);
    let policy = Policy::already_saved(read.draft);
    let plan = headwater_policy::plan(&policy, &read.clients[0], headwater_policy::Class::Components);
    let skipped: Vec<&str> = plan.skipped.iter().map(|skipped| skipped.reason.as_str()).collect();
    assert_eq!((plan.steps.len(), skipped), (1, vec!["family", "class"]));
    let warnings = preview(&policy, None, &[]).warnings;
    let kinds: Vec<&str> = warnings.iter().map(|warning| warning.kind.as_str()).collect();
    assert_eq!(kinds, ["family_cannot_meet", "broken"]);
}

/// S8: how many clients' plans change.
#[test]
fn changed_plans_are_counted() {
    let old = "entry 10.0.0.0-10.0.0.4 -> http://m.example/\nentry 10.0.0.0-10.0.0.9 -> http://n.example/";
    let new = "entry 10.0.0.0-10.0.0.9 -> http://n.example/\nentry 10.0.0.0-10.0.0.4 -> http://m.example/";
    let policy = |text| story::read(text).draft.into_policy().unwrap();
    let clients = story::read("client a 10.0.0.1\nclient b 10.0.0.8\nclient c 10.0.0.2").clients;
    assert_eq!(preview(&policy(new), Some(&policy(old)), &clients).clients_changed, 2);
    assert_eq!(preview(&policy(old), Some(&policy(old)), &clients).clients_changed, 0);
}

/// Update agents at sites of 256 addresses, each named for its own site and again for `everybody` or its neighbours.
fn sites(count: usize, everybody: bool) -> Policy {
    let mut text = String::from("fallback components settings programs\n");
    for site in 0..count {
        let (high, low) = (site / 256, site % 256);
        let wider = if everybody {
            "10.0.0.0-10.255.255.255".to_owned()
        } else {
            format!("10.{high}.0.0-10.{high}.{low}.255")
        };
        writeln!(text, "agent ua-{site} 10.{high}.{low}.5").unwrap();
        writeln!(text, "entry 10.{high}.{low}.0-10.{high}.{low}.255 -> ua-{site}").unwrap();
        writeln!(text, "entry {wider} -> ua-{site}").unwrap();
    }
    story::read(&text).draft.into_policy().unwrap()
}

/// S8: 10,000 clients and a full list, against the list that it replaces.
#[test]
fn a_large_fleet_is_looked_at() {
    let clients: Vec<Client> = (0..10_000_u32)
        .map(|number| {
            let address = std::net::Ipv4Addr::from_bits(0x0a00_0000 | (number * 13));
            Client::new(format!("pc-{number}").parse().unwrap(), vec![address.into()], false)
        })
        .collect();
    let found = preview(&sites(512, false), Some(&sites(500, false)), &clients);
    assert_eq!(found.clients, 10_000);
    assert!(found.clients_changed > 0);
}

/// P6: a full list whose every second entry selects every update agent.
#[test]
fn a_knot_of_circles_is_untied() {
    let policy = sites(512, true);
    let client = |agent: &headwater_policy::UpdateAgent| {
        Client::new(agent.id().clone(), agent.addresses().to_vec(), false)
    };
    let agents: Vec<Client> = policy.update_agents().iter().map(client).collect();
    let found = preview(&policy, None, &agents);
    assert!(found.warnings.iter().any(|warning| warning.kind.as_str() == "loop"));
}
