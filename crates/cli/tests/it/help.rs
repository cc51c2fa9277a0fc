//! Help, version and completions.

use std::fs;
use std::path::Path;

use crate::run::{done, headwater};

#[test]
fn every_command_has_help_with_examples() {
    let here = Path::new(".");
    let all = done(here, &["--help"]);
    let commands = headwater_cli::command();
    let commands: Vec<&str> =
        commands.get_subcommands().filter(|command| !command.is_hide_set()).map(|it| it.get_name()).collect();
    assert!(commands.contains(&"status") && commands.contains(&"restore"), "{commands:?}");
    for command in commands {
        assert!(all.contains(&format!("\n  {command} ")), "{command} is not in the list:\n{all}");
        let help = done(here, &[command, "--help"]);
        assert!(help.contains("Examples:"), "{command}:\n{help}");
        assert!(help.contains(&format!("headwater {command}")), "{command}:\n{help}");
    }
}

#[test]
fn every_command_below_a_noun_shows_its_own_examples() {
    fn check(command: &clap::Command, path: &str) {
        let mut verbs = command.get_subcommands().filter(|verb| verb.get_name() != "help").peekable();
        if verbs.peek().is_none() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains(&format!("  {path}")), "{path} has no example of its own:\n{help}");
        }
        for verb in verbs {
            check(verb, &format!("{path} {}", verb.get_name()));
        }
    }
    check(&headwater_cli::command(), "headwater");
}

/// `cargo xtask lint` checks docs/reference by this.
#[test]
fn a_page_of_the_reference_that_is_not_current_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |expected: &str| {
        let ran = headwater(folder.path(), &["reference", ".", "--check"]);
        assert_eq!(ran.exit, 1, "{ran:?}");
        assert!(ran.stderr.contains(expected) && ran.stderr.contains("cargo xtask reference"), "{ran:?}");
    };
    refused("headwater-clients.md");
    done(folder.path(), &["reference", "."]);
    done(folder.path(), &["reference", ".", "--check"]);
    fs::write(folder.path().join("headwater-gone.md"), "").unwrap();
    refused("headwater-gone.md");
    fs::remove_file(folder.path().join("headwater-gone.md")).unwrap();
    fs::write(folder.path().join("headwater-clients.md"), "other").unwrap();
    refused("headwater-clients.md");
}

#[test]
fn the_arguments_do_not_contradict_one_another() {
    headwater_cli::command().debug_assert();
}

#[test]
fn every_shell_has_a_completion_script() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = done(Path::new("."), &["completions", shell]);
        assert!(script.contains("HEADWATER_COMPLETE") && script.contains("headwater"), "{shell}: {script}");
    }
}

#[test]
fn the_version_is_printed() {
    assert_eq!(done(Path::new("."), &["--version"]), format!("headwater {}\n", env!("CARGO_PKG_VERSION")));
}
