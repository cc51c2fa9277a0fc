//! Bad input to every command: the exit code shows it, the message names the input, nothing is done in part.

use std::fs;

use serde_json::Value;

use crate::run::headwater;

/// Runs in a folder with a few files; expects the exit code and the words on stderr.
fn check(command: &str, exit: i32, words: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("text.txt"), "not JSON").unwrap();
    fs::write(folder.path().join("bad.csv"), "ipv4,ipv6,source,classes\n10.0.0.1\n10.0.0.2,,,\n").unwrap();
    fs::write(folder.path().join("binary"), [0xff, 0xfe, 0x00]).unwrap();
    fs::write(folder.path().join("half.json"), r#"{"mode": "customized", "server": {"url": "http://hq"}}"#)
        .unwrap();
    fs::create_dir(folder.path().join("empty")).unwrap();
    let long = fs::File::create(folder.path().join("long")).unwrap();
    long.set_len(headwater_cli::limits::INPUT_FILE_BYTES_MAX + 1).unwrap();
    let arguments: Vec<&str> = command.split_whitespace().collect();
    let ran = headwater(folder.path(), &arguments);
    assert_eq!(ran.exit, exit, "{command}: {ran:?}");
    for word in words {
        assert!(ran.stderr.contains(word), "{command}: no `{word}` in {}", ran.stderr);
    }
    assert_eq!(ran.stdout, "", "{command}");
}

#[test]
fn usage_is_refused_with_the_argument() {
    check("", 2, &["Usage: headwater"]);
    check("sourcs list", 2, &["sourcs", "sources"]);
    check("publish text.txt", 2, &["--name"]);
    check("publish text.txt --name x --timeout 0s", 2, &["--timeout", "0s"]);
    check("publish text.txt --name x --install run", 2, &["--program"]);
    check("sources add --vendor --url http://a", 2, &["--vendor", "--url"]);
    check("sources move 1", 2, &["--up"]);
    check("sources move one --up", 2, &["one"]);
    check("sources explain", 2, &["--client"]);
    check("sources export --format xml", 2, &["xml", "json", "csv"]);
    check("sources options --vendor-fallback", 2, &["--vendor-fallback"]);
    check("sources options --server-fallback-components maybe", 2, &["maybe", "on, off"]);
    check("clients enrol-bundle", 2, &["--out"]);
    check("clients move --domain root/x", 2, &["<IDS>"]);
    check("clients reports --limit 0", 2, &["--limit", "0"]);
    check("update-agents give", 2, &["<ID|--domain <DOMAIN>>"]);
    check("vendor set", 2, &["--url"]);
    check("demo --clients 0", 2, &["--clients", "0"]);
    check("demo --clients 501", 2, &["--clients", "500"]);
    check("demo --update-agents 101", 2, &["--update-agents", "100"]);
    check("repo refresh x --keys k --timestamp-days 0", 2, &["--timestamp-days", "0"]);
    for role in headwater_repo::Role::ALL {
        let max = headwater_repo::life_days_max(role);
        let too_long = format!("repo refresh x --keys k --{role}-days {}", max + 1);
        check(&too_long, 2, &[&format!("--{role}-days"), &max.to_string()]);
    }
    check("completions tcsh", 2, &["tcsh", "bash"]);
    check("plan --policy text.txt", 2, &["--client"]);
}

#[test]
fn input_is_refused_before_a_server_is_asked() {
    check("publish absent --name x", 2, &["cannot read absent", "check the path"]);
    check("publish empty --name x", 2, &["empty has no files"]);
    check("publish text.txt --name x --probe '", 2, &["--probe", "missing closing quote"]);
    check("sources add --vendor", 2, &["must select some clients", "--ipv4"]);
    check("sources add --ipv4 10.0.0.1", 2, &["must name a source", "--update-agent"]);
    check("sources import absent", 2, &["cannot read absent"]);
    check("sources import text.txt", 2, &["text.txt is not a source list"]);
    check("sources import half.json", 2, &["`options` is missing", "`update_agents`", "`entries`"]);
    check("sources import bad.csv", 2, &["line 2 (entry 1)", "line 3 (entry 2)", "names no source"]);
    check("sources import binary", 2, &["binary is not UTF-8", "the intended file"]);
    check("sources import long", 2, &["long is larger than", "the intended file"]);
    check("plan --policy long --client text.txt", 2, &["long is larger than"]);
    check("sources import empty", 2, &["empty is a folder", "give a file"]);
    check("domains settings set root", 2, &["nothing to set at root", "KEY=VALUE"]);
    check("domains settings set root poll", 2, &["`poll` is not KEY=VALUE"]);
    check("domains settings set root --file a=absent", 2, &["cannot read absent"]);
    check("domains settings set root poll=1 --save --draft x", 2, &["--save", "--draft"]);
    check("domains settings set root poll=1 --base-version 1", 2, &["--save"]);
    check("domains settings restore root", 2, &["VERSION"]);
    check("domains settings history root --limit 1001", 2, &["1001"]);
    check("vendor set --url http://v --root text.txt", 2, &["text.txt is not the expected JSON"]);
    check("plan --policy absent --client text.txt", 2, &["cannot read absent"]);
    check("demo --feed absent --exit", 2, &["cannot read the feed absent"]);
    check("demo --feed empty --exit", 2, &["empty has no releases"]);
    check("demo --data . --exit", 2, &["is not empty"]);
    check("sources list --server ftp://x", 2, &["ftp://x", "HEADWATER_SERVER"]);
}

/// Commands that need a server, one for each verb.
const SERVER_COMMANDS: &[&str] = &[
    "status",
    "publish text.txt --name x",
    "deltas status",
    "deltas pause",
    "deltas resume",
    "backup --out backup.tar --without-keys",
    "keys show",
    "administrators list",
    "administrators add ann --role viewer",
    "administrators set-role ann viewer",
    "administrators set-password ann",
    "administrators remove ann",
    "tokens list",
    "tokens create ci --role viewer",
    "tokens revoke ci",
    "audit list",
    "audit verify",
    "audit export",
    "audit export --out log.jsonl",
    "releases list",
    "releases show x",
    "releases rollback x --to 1",
    "releases remove x",
    "sources list",
    "sources list --saved",
    "sources add --vendor --ipv4 10.0.0.1",
    "sources edit 1 --vendor",
    "sources remove 1",
    "sources move 1 --up",
    "sources find 10.0.0.1",
    "sources mode standard",
    "sources options",
    "sources export",
    "sources preview",
    "sources save",
    "sources discard",
    "sources drafts",
    "sources history",
    "sources diff",
    "sources restore 1",
    "sources explain --client x",
    "clients list",
    "clients show x",
    "clients move x --domain root",
    "clients remove x",
    "clients enrol-bundle --out bundle.json",
    "clients tokens",
    "clients revoke-token 1",
    "clients revoke x",
    "clients unknown",
    "clients re-enrol x --domain root",
    "clients reports",
    "domains list",
    "domains add root/x",
    "domains remove root/x",
    "domains settings get root",
    "domains settings set root poll_interval_minutes=5",
    "domains settings set root poll_interval_minutes=5 --save",
    "domains settings save root",
    "domains settings discard root",
    "domains settings drafts root",
    "domains settings history root",
    "domains settings diff root",
    "domains settings restore root 1",
    "update-agents list",
    "update-agents give x",
    "update-agents take x",
    "vendor show",
    "vendor set --url http://v",
    "vendor sync",
    "vendor remove",
];

#[test]
fn a_server_that_does_not_answer_is_named_with_a_hint() {
    for command in SERVER_COMMANDS {
        check(command, 1, &["http://127.0.0.1:9", "--server URL", "HEADWATER_SERVER"]);
    }
}

#[test]
fn with_json_a_failure_is_one_object_on_stdout() {
    let folder = tempfile::tempdir().unwrap();
    let ran = headwater(folder.path(), &["--json", "publish", "absent", "--name", "x"]);
    let object: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((ran.exit, &object["error"]["exit"]), (2, &Value::from(2)));
    assert!(object["error"]["message"].as_str().unwrap().contains("absent"), "{object}");
}

#[test]
fn with_json_wrong_usage_and_completions_are_one_object_too() {
    let folder = tempfile::tempdir().unwrap();
    let check = |arguments: &[&str], exit: i32, pointer: &str, word: &str| {
        let ran = headwater(folder.path(), arguments);
        assert_eq!(ran.exit, exit, "{arguments:?}: {ran:?}");
        let object: Value = serde_json::from_str(&ran.stdout).unwrap();
        let text = object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        assert!(text.contains(word), "{arguments:?}: {object}");
    };
    check(&["nonsense", "--json"], 2, "/error/message", "nonsense");
    check(&["--json", "sources", "move", "1"], 2, "/error/message", "required");
    check(&["--json", "sources"], 2, "/error/message", "sources");
    check(&["completions", "bash", "--json"], 0, "/script", "_headwater");
}
