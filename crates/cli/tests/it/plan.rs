//! `headwater plan` on the documented example.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::run::headwater;

const POLICY: &str = r#"
{"mode": "customized",
 "options": {"server_fallback": {"components": true, "settings": true, "programs": false},
             "update_agents_from_server_only": false, "vendor_fallback": "documented"},
 "server": {"url": "https://hq.example:8471"},
 "vendor": {"url": "https://vendor.example/repo"},
 "update_agents": [{"id": "ua-paris", "addresses": ["10.1.0.5", "2001:db8:1::5"], "port": 8472,
                    "classes": ["components", "settings", "programs"]}],
 "entries": [
   {"clients": {"ipv4": "10.1.0.0-10.1.255.255", "ipv6": "2001:db8:1::/48"}, "source": {"update_agent": "ua-paris"}},
   {"clients": {"ipv4": "10.2.0.0-10.2.255.255"}, "source": {"url": "http://mirror.example/hw", "classes": ["components"]}},
   {"clients": {"ipv6": "2001:db8::/32"}, "source": "vendor"}]}"#;
const CLIENT: &str = r#"{"id": "pc-17", "addresses": ["10.1.3.4"], "download_from_vendor": false}"#;

fn plan(folder: &Path, policy: &str, client: &str) -> (i32, String, String) {
    fs::write(folder.join("policy.json"), policy).unwrap();
    fs::write(folder.join("client.json"), client).unwrap();
    let ran = headwater(folder, &["plan", "--policy", "policy.json", "--client", "client.json"]);
    (ran.exit, ran.stdout, ran.stderr)
}

#[test]
fn the_example_gives_the_plan_of_the_documentation() {
    let folder = tempfile::tempdir().unwrap();
    let (exit, stdout, stderr) = plan(folder.path(), POLICY, CLIENT);
    assert_eq!((exit, stderr.as_str()), (0, ""));
    let mut plans: Value = serde_json::from_str(&stdout).unwrap();
    for repository in ["policy", "components", "settings", "programs"] {
        for step in plans[repository]["steps"].as_array_mut().unwrap() {
            let reason = step.as_object_mut().unwrap().remove("reason").unwrap();
            assert!(reason.as_str().is_some_and(|reason| !reason.is_empty()));
        }
    }
    let agent = json!({"source": "update_agent:ua-paris", "url": "https://10.1.0.5:8472", "entry": 1});
    let server = json!({"source": "server", "url": "https://hq.example:8471", "entry": null});
    let skipped = json!([{"entry": 2, "reason": "selector"}, {"entry": 3, "reason": "selector"}]);
    let expected = json!({
        "policy": {"steps": [agent, server], "skipped": skipped},
        "components": {"steps": [agent, server], "skipped": skipped},
        "settings": {"steps": [agent, server], "skipped": skipped},
        "programs": {"steps": [agent], "skipped": skipped},
    });
    assert_eq!(plans, expected);
}

/// P4a: the plan says so, for programs and for people.
#[test]
fn an_unserved_class_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let (exit, stdout, stderr) = plan(folder.path(), POLICY, &CLIENT.replace("10.1.3.4", "10.2.3.4"));
    assert_eq!(exit, 3, "as a run of that client ends");
    let plans: Value = serde_json::from_str(&stdout).unwrap();
    let why = plans["programs"]["unserved"].as_str().unwrap();
    assert!(why.contains("--server-fallback-programs on"), "{why}");
    assert_eq!(stderr.trim_end(), format!("warning: no source for class programs: {why}"));
    assert_eq!(plans["components"].get("unserved"), None);
}

/// P4a: what the vendor source does not have, and that no other source of the plan has it.
#[test]
fn a_partial_class_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let policy = POLICY
        .replace(r#""entries""#, r#""own_components": ["rules", "tools"], "entries""#)
        .replace(r#""components": true"#, r#""components": false"#);
    let (exit, stdout, stderr) = plan(folder.path(), &policy, &CLIENT.replace("10.1.3.4", "2001:db8:2::1"));
    assert_eq!(exit, 3, "{stderr}");
    let plans: Value = serde_json::from_str(&stdout).unwrap();
    let why = plans["components"]["partial"].as_str().unwrap();
    assert!(why.contains("(rules, tools)") && why.contains("--server-fallback-components on"), "{why}");
    assert!(stderr.contains(&format!("warning: class components is partial: {why}")), "{stderr}");
    let (_, stdout, _) = plan(folder.path(), &policy, CLIENT);
    assert_eq!(serde_json::from_str::<Value>(&stdout).unwrap()["components"].get("partial"), None);
    let policy = policy.replace("rules", "Rules!");
    let (exit, _, stderr) = plan(folder.path(), &policy, CLIENT);
    assert!(exit == 2 && stderr.contains("own_components[1]"), "{stderr}");
}

#[test]
fn every_problem_is_reported_with_its_entry() {
    let folder = tempfile::tempdir().unwrap();
    let policy = POLICY
        .replace("10.2.0.0-10.2.255.255", "10.2.255.255-10.2.0.0")
        .replace("2001:db8::/32", "2001:db8::/129");
    let (exit, stdout, stderr) = plan(folder.path(), &policy, CLIENT);
    assert_eq!((exit, stdout.as_str()), (2, ""));
    assert!(stderr.contains("entry 2:") && stderr.contains("entry 3:"), "{stderr}");
}
