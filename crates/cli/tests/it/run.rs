//! Running the program.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// How a run ended.
#[derive(Debug)]
pub struct Ran {
    /// Exit code.
    pub exit: i32,
    /// Results.
    pub stdout: String,
    /// Remarks and errors.
    pub stderr: String,
}

/// Runs `headwater` in a folder, with no server anywhere unless the arguments name one.
pub fn headwater(folder: &Path, arguments: &[&str]) -> Ran {
    headwater_with_input(folder, arguments, "")
}

/// Likewise, with something on its stdin.
pub fn headwater_with_input(folder: &Path, arguments: &[&str], input: &str) -> Ran {
    headwater_with(folder, arguments, &[], input)
}

/// Likewise, with more in its environment.
pub fn headwater_with(folder: &Path, arguments: &[&str], environment: &[(&str, &str)], input: &str) -> Ran {
    let mut running = Command::new(env!("CARGO_BIN_EXE_headwater"))
        .args(arguments)
        .current_dir(folder)
        .env("HEADWATER_SERVER", "http://127.0.0.1:9")
        .env("XDG_CONFIG_HOME", folder.join("config"))
        .env_remove("HEADWATER_DATA")
        .env_remove("HEADWATER_TOKEN")
        .env_remove("NO_COLOR")
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Few commands read it; one that ends before has not missed anything.
    let _ = running.stdin.take().unwrap().write_all(input.as_bytes());
    let ran = running.wait_with_output().unwrap();
    Ran {
        exit: ran.status.code().unwrap(),
        stdout: String::from_utf8(ran.stdout).unwrap(),
        stderr: String::from_utf8(ran.stderr).unwrap(),
    }
}

/// Runs it and expects it to end well.
pub fn done(folder: &Path, arguments: &[&str]) -> String {
    let ran = headwater(folder, arguments);
    assert_eq!(ran.exit, 0, "{arguments:?}: {ran:?}");
    ran.stdout
}
