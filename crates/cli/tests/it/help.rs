//! Help, version and completions.

use std::path::Path;

use crate::run::done;

#[test]
fn every_command_has_help_with_examples() {
    let here = Path::new(".");
    let commands = [
        "server",
        "publish",
        "releases",
        "sources",
        "clients",
        "domains",
        "update-agents",
        "vendor",
        "repo",
        "plan",
        "demo",
        "completions",
    ];
    let all = done(here, &["--help"]);
    for command in commands {
        assert!(all.contains(&format!("\n  {command} ")), "{command} is not in the list:\n{all}");
        let help = done(here, &[command, "--help"]);
        assert!(help.contains("Examples:"), "{command}:\n{help}");
        assert!(help.contains(&format!("headwater {command}")), "{command}:\n{help}");
    }
}

#[test]
fn the_version_is_told() {
    assert_eq!(done(Path::new("."), &["--version"]), format!("headwater {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn every_shell_gets_completions() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = done(Path::new("."), &["completions", shell]);
        assert!(script.contains("update-agents"), "{shell}: {script}");
    }
}
