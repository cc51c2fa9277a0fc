//! Signing in from elsewhere, administrators, tokens and the audit log by the command line.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::run::{headwater, headwater_with, headwater_with_input};
use crate::server::World;

#[test]
fn login_from_elsewhere_with_the_first_password() {
    let world = World::new();
    let url = world.console();
    let first = world.first_password();
    // Nobody is signed in; the hint names the command.
    let refused = headwater(world.path(), &["clients", "list", "--server", &url]);
    assert_eq!(refused.exit, 1, "{refused:?}");
    assert!(refused.stderr.contains("headwater login"), "{refused:?}");
    let wrong = headwater_with_input(world.path(), &["login", &url], "wrong\n");
    assert_eq!(wrong.exit, 1, "{wrong:?}");
    let none = headwater_with_input(world.path(), &["login", &url], "");
    assert_eq!(none.exit, 2, "{none:?}");
    let input = format!("{first}\ncorrect horse battery\n");
    let done = headwater_with_input(world.path(), &["login", &url, "--json"], &input);
    assert_eq!(done.exit, 0, "{done:?}");
    let login: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!((&login["name"], &login["role"]), (&"admin".into(), &"admin".into()));
    let kept = world.path().join("config/headwater/credentials.json");
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&kept).unwrap().permissions()) & 0o777,
        0o600
    );
    let listed = headwater(world.path(), &["administrators", "list", "--server", &url]);
    assert_eq!(listed.exit, 0, "{listed:?}");
    let out = headwater(world.path(), &["logout"]);
    assert_eq!(out.exit, 0, "{out:?}");
    let refused = headwater(world.path(), &["clients", "list", "--server", &url]);
    assert_eq!(refused.exit, 1, "{refused:?}");
    // The token is revoked there too.
    assert_eq!(world.json("tokens list")["items"], Value::Array(Vec::new()));
    // A token that cannot be revoked is reported.
    let again = headwater_with_input(world.path(), &["login", &url], "correct horse battery\n");
    assert_eq!(again.exit, 0, "{again:?}");
    let name = world.json("tokens list")["items"][0]["name"].as_str().unwrap().to_owned();
    world.json(&format!("tokens revoke {name}"));
    let out = headwater(world.path(), &["logout", "--json"]);
    assert_eq!(out.exit, 3, "{out:?}");
    assert!(out.stdout.contains("\"revoked\": false"), "{out:?}");
}

#[test]
fn login_over_tls_with_the_fleets_ca() {
    let world = World::with_console("0.0.0.0:0");
    let url = world.console();
    assert!(url.starts_with("https://127.0.0.1:"), "{url}");
    let input = format!("{}\ncorrect horse battery\n", world.first_password());
    // A server with an unknown certificate gets no password.
    let unknown = headwater_with_input(world.path(), &["login", &url], &input);
    assert_eq!(unknown.exit, 1, "{unknown:?}");
    assert!(unknown.stderr.contains("CA") && unknown.stderr.contains("--ca console-ca.pem"), "{unknown:?}");
    let login = ["login", &url, "--ca", "data/console-ca.pem"];
    let done = headwater_with_input(world.path(), &login, &input);
    assert_eq!(done.exit, 0, "{done:?}");
    // The token and the CA are kept together.
    let listed = headwater(world.path(), &["administrators", "list", "--server", &url]);
    assert_eq!(listed.exit, 0, "{listed:?}");
    assert!(listed.stdout.contains("admin"), "{listed:?}");
    let out = headwater(world.path(), &["logout"]);
    assert_eq!(out.exit, 0, "{out:?}");
    let refused = headwater(world.path(), &["administrators", "list", "--server", &url]);
    assert_eq!(refused.exit, 1, "{refused:?}");
}

#[test]
fn a_password_is_not_sent_in_the_clear() {
    let folder = tempfile::tempdir().unwrap();
    let ran = headwater_with_input(folder.path(), &["login", "http://headwater.example:8470"], "secret\n");
    assert_eq!(ran.exit, 2, "{ran:?}");
    assert!(ran.stderr.contains("in the clear"), "{ran:?}");
    let asked = ["clients", "list", "--server", "http://headwater.example:8470"];
    let ran = headwater_with(folder.path(), &asked, &[("HEADWATER_TOKEN", "hwa_secret")], "");
    assert_eq!(ran.exit, 2, "{ran:?}");
    assert!(ran.stderr.contains("the token in the clear"), "{ran:?}");
}

#[test]
fn the_servers_error_code_is_in_json() {
    let world = World::new();
    let api = world.console();
    let ran = headwater(world.path(), &["clients", "list", "--server", &api, "--json"]);
    let failure: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((ran.exit, &failure["error"]["code"]), (1, &"not_signed_in".into()), "{ran:?}");
}

#[test]
fn administrators_and_tokens_and_their_audit_records() {
    let world = World::new();
    world.check("administrators add ann --role operator", 0, &["added ann (operator)", "password"]);
    world.check("administrators add ann --role operator", 1, &["exists already"]);
    world.check("administrators add Bob --role operator", 2, &["lower-case"]);
    world.check("administrators set-role ann viewer", 0, &["ann is viewer now"]);
    world.check("administrators set-password ann", 0, &["new password for ann"]);
    world.check("administrators list", 0, &["admin", "ann", "for one sign-in"]);
    world.check("administrators remove admin", 1, &["last admin"]);
    world.check("administrators remove ann", 0, &["removed"]);
    let token = world.json("tokens create ci --role operator --scopes releases --days 3");
    let token = token["token"].as_str().unwrap();
    assert!(token.starts_with("hwa_"));
    world.check("tokens create ci --role operator", 1, &["exists already"]);
    world.check("tokens create x --role operator --scopes moon", 2, &["moon", "releases"]);
    let listed = world.run("tokens list").stdout;
    assert!(listed.contains("ci") && !listed.contains(token), "{listed}");
    world.check("tokens revoke ci", 0, &["revoked"]);
    world.check("audit list", 0, &["administrator.add", "ann", "local:", "token.revoke"]);
    world.check("audit verify", 0, &["intact"]);
    let verified = world.json("audit verify");
    let head = format!("{}:{}", verified["records"], verified["head"].as_str().unwrap());
    world.check("domains add root/x", 0, &[]);
    world.check(&format!("audit verify --expect {head}"), 0, &["intact"]);
    world.check("audit verify --expect 1:00", 1, &["record 1"]);
    world.check("audit verify --expect x", 2, &["--expect"]);
    world.check("audit export --out log.jsonl", 0, &["wrote"]);
    let log = world.path().join("log.jsonl");
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&log).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600, "viewers and operators may not read it");
    let exported = fs::read_to_string(&log).unwrap();
    assert_eq!(world.run("audit export").stdout.lines().next(), exported.lines().next());
    let last: Value = serde_json::from_str(exported.lines().last().unwrap()).unwrap();
    assert_eq!((&last["action"], &last["subject"]), (&"domain.add".into(), &"root/x".into()));
    assert!(!exported.contains(token));
}

/// A secret that cannot be shown is useless, and a command whose output is lost does not report success.
#[cfg(target_os = "linux")]
#[test]
fn output_that_cannot_be_written_is_reported() {
    let world = World::new();
    let check = |command: &str, word: &str| {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let ran = Command::new(env!("CARGO_BIN_EXE_headwater"))
            .args(command.split_whitespace())
            .env("HEADWATER_SERVER", "unix:data/console.sock")
            .current_dir(world.path())
            .stdout(full)
            .output()
            .unwrap();
        let errors = String::from_utf8(ran.stderr).unwrap();
        assert_eq!(ran.status.code(), Some(4), "{command}: {errors}");
        assert!(errors.contains("cannot write to stdout") && errors.contains(word), "{command}: {errors}");
    };
    check("releases list", "check before");
    check("releases list --json", "check before");
    check("--help", "check before");
    check("completions bash", "check before");
    check("openapi", "check before");
    check("audit export", "check before");
    check("administrators add ann --role viewer", "set-password ann");
    check("tokens create ci --role viewer", "is revoked");
    assert_eq!(world.json("tokens list")["items"], Value::Array(Vec::new()));
}
