//! What a shell offers for a line that is not complete yet: words of the command line, and values that the server knows.

use std::fs;
use std::path::Path;

use crate::run::headwater_with;
use crate::server::World;

/// The candidates of bash for the last word of a line at a server, sorted and without flags.
fn complete(folder: &Path, server: &str, line: &str) -> Vec<String> {
    let words: Vec<&str> = line.split(' ').collect();
    let index = (words.len() - 1).to_string();
    let environment = [
        ("HEADWATER_SERVER", server),
        ("HEADWATER_COMPLETE", "bash"),
        ("_CLAP_IFS", "\n"),
        ("_CLAP_COMPLETE_INDEX", index.as_str()),
    ];
    let arguments: Vec<&str> = ["--"].into_iter().chain(words).collect();
    let ran = headwater_with(folder, &arguments, &environment, "");
    assert_eq!(ran.exit, 0, "{line}: {ran:?}");
    let mut candidates: Vec<String> =
        ran.stdout.lines().filter(|word| !word.starts_with("--")).map(str::to_owned).collect();
    candidates.sort();
    candidates
}

#[test]
fn words_of_the_command_line_are_completed() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let check = |line: &str, expected: &[&str]| {
        assert_eq!(complete(folder.path(), "http://127.0.0.1:9", line), expected, "{line}");
    };
    check("headwater up", &["update-agents"]);
    check("headwater clients rev", &["revoke", "revoke-token"]);
    check("headwater sources mode ", &["customized", "standard"]);
    check("headwater sources options --vendor-fallback ", &["documented", "never", "privilege_only"]);
    check("headwater administrators add ann --role ", &["admin", "operator", "viewer"]);
    check("headwater keys rotate t", &["targets", "timestamp"]);
    check("headwater completions b", &["bash"]);
    // Names are no files, and no server answers.
    check("headwater clients show f", &[]);
    check("headwater domains add f", &[]);
    check("headwater publish ./x --name f", &[]);
    check("headwater publish f", &["file"]);
    check("headwater sources import f", &["file"]);
}

#[test]
fn values_of_the_server_are_completed() {
    let world = World::new();
    world.client("ua-paris", "10.1.0.5");
    for domain in ["root/oslo", "root/paris"] {
        world.check(&format!("domains add {domain}"), 0, &[]);
    }
    world.check("clients enrol-bundle --out b.json", 0, &[]);
    world.check("update-agents give ua-paris", 0, &[]);
    world.check("tokens create ci --role viewer", 0, &[]);
    world.check("sources mode customized --draft mine", 0, &[]);
    fs::write(world.path().join("rules"), "1").unwrap();
    for version in ["1.0", "1.1"] {
        fs::write(world.path().join("rules"), version).unwrap();
        world.check(&format!("publish rules --name rules --version {version}"), 0, &[]);
    }
    let check = |line: &str, expected: &[&str]| {
        assert_eq!(complete(world.path(), "unix:data/console.sock", line), expected, "{line}");
    };
    check("headwater clients show ", &["ua-paris"]);
    check("headwater clients list --domain root/p", &["root/paris"]);
    check("headwater domains settings get ", &["root", "root/oslo", "root/paris"]);
    check("headwater domains settings set root poll_i", &["poll_interval_minutes="]);
    check("headwater domains settings set root --unset poll_i", &["poll_interval_minutes"]);
    check("headwater sources add --update-agent ", &["ua-paris"]);
    check("headwater sources list --draft ", &["mine"]);
    check("headwater releases show ", &["rules"]);
    check("headwater releases rollback rules --to ", &["1.0", "1.1"]);
    check("headwater releases rollback other --to ", &[]);
    check("headwater tokens revoke ", &["ci"]);
    check("headwater administrators remove ", &["admin"]);
    check("headwater clients revoke-token ", &["2"]);
    check("headwater clients re-enrol ", &[]);
}
