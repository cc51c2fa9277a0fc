//! Where a client looks for a newer policy (P5a): what its plan has, what it remembers, and the server last.

use headwater_policy::{
    Client, FORMER_SOURCES_MAX, FormerSource, Plan, Policy, Repository, SourceKey, is_former, is_last_resort,
    plan, policy_plan, remembered,
};

use crate::story;

const CLIENT: &str = "client pc-1 10.0.0.1\n";

fn of(text: &str) -> (Policy, Client) {
    let mut read = story::read(&format!("{text}\n{CLIENT}"));
    (read.draft.into_policy().unwrap(), read.clients.remove(0))
}

fn former(source: &str, url: &str) -> FormerSource {
    FormerSource { source: source.parse().unwrap(), url: url.parse().unwrap() }
}

/// The steps: `F` is remembered, `L` is the last resort.
fn steps(plan: &Plan) -> Vec<String> {
    let mark = |step| match (is_former(step), is_last_resort(step)) {
        (true, _) => "F ",
        (_, true) => "L ",
        _ => "",
    };
    plan.steps.iter().map(|step| format!("{}{}", mark(step), step.url)).collect()
}

#[test]
fn remembered_sources_come_before_the_last_resort_and_none_twice() {
    let (policy, client) = of("entry 10.0.0.0-10.0.0.9 -> http://typo.example/");
    let same = former("url:http://typo.example", "http://typo.example");
    let agent = former("update_agent:ua", "https://10.0.0.5:8472");
    let plan = policy_plan(&policy, &client, &[same, agent.clone(), agent]);
    assert_eq!(steps(&plan), ["http://typo.example", "F https://10.0.0.5:8472", "L https://hq.example:8471"]);
    assert_eq!(remembered(&plan), [former("url:http://typo.example", "http://typo.example")]);
}

/// The present list may have an address wrong and the name right.
#[test]
fn a_source_that_is_in_the_plan_at_another_address_is_remembered() {
    let (policy, client) = of("agent ua 10.0.0.7\nentry 10.0.0.0-10.0.0.9 -> ua");
    let before =
        [former("update_agent:ua", "https://10.0.0.5:8472"), former("server", "https://old.example:8471")];
    assert_eq!(
        steps(&policy_plan(&policy, &client, &before)),
        [
            "https://10.0.0.7:8472",
            "F https://10.0.0.5:8472",
            "F https://old.example:8471",
            "L https://hq.example:8471"
        ]
    );
}

#[test]
fn the_server_is_asked_at_its_place_where_it_is_remembered_or_in_the_plan() {
    let server = [former("server", "https://hq.example:8471")];
    let (policy, client) = of("entry 10.0.0.0-10.0.0.9 -> http://m.example/");
    assert_eq!(
        steps(&policy_plan(&policy, &client, &server)),
        ["http://m.example", "F https://hq.example:8471", "L https://hq.example:8471"]
    );
    let (policy, client) = of("standard");
    assert_eq!(steps(&policy_plan(&policy, &client, &server)), ["https://hq.example:8471"]);
}

#[test]
fn what_can_never_give_the_policy_is_left_out() {
    let (policy, client) = of("entry 10.0.0.0-10.0.0.9 -> http://m.example/");
    let useless = [
        former("vendor", "https://vendor.example"),
        former("update_agent:pc-1", "https://10.0.0.1:8472"),
        former("update_agent:ua", "https://[2001:db8::5]:8472"),
    ];
    let plan = policy_plan(&policy, &client, &useless);
    assert_eq!(plan, self::plan(&policy, &client, Repository::Policy));
}

#[test]
fn so_many_sources_are_remembered() {
    let entries = |count: usize| {
        let entry = |number| format!("entry 10.0.0.0-10.0.0.9 -> http://m{number}.example/\n");
        (0..count).map(entry).collect::<String>()
    };
    for (count, expected) in
        [(FORMER_SOURCES_MAX, FORMER_SOURCES_MAX), (FORMER_SOURCES_MAX + 1, FORMER_SOURCES_MAX)]
    {
        let (policy, client) = of(&entries(count));
        assert_eq!(remembered(&policy_plan(&policy, &client, &[])).len(), expected);
        let old: Vec<_> =
            (0..count).map(|number| former("server", &format!("https://old{number}.example"))).collect();
        let (policy, client) = of("standard");
        let plan = policy_plan(&policy, &client, &old);
        assert_eq!(plan.steps.iter().filter(|step| is_former(step)).count(), expected);
    }
}

#[test]
fn a_source_is_read_as_it_is_written() {
    for text in ["update_agent:ua-1", "url:http://m.example/hw", "server", "vendor"] {
        assert_eq!(text.parse::<SourceKey>().unwrap().to_string(), text);
    }
    for wrong in ["", "url", "url:ftp://x", "update_agent:", "other:x", "Server"] {
        assert!(wrong.parse::<SourceKey>().is_err(), "{wrong}");
    }
}
