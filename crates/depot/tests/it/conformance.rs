//! The client's refresh and download under examination: `examples/tuf_conformance.rs` against the repositories that
//! `tests/python/conformance.py` plays to it with python-tuf.
//!
//! Needs a Python with the package `tuf` in `HEADWATER_PYTHON`; `cargo xtask test` sees to that.

use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn every_played_repository_ends_as_the_specification_says() {
    let Some(python) = std::env::var_os("HEADWATER_PYTHON") else {
        eprintln!(
            "SKIPPED: python-tuf did not examine the client. Run `cargo xtask test`, or set HEADWATER_PYTHON to a \
             Python that has the packages `tuf` 7 and `securesystemslib[crypto]`."
        );
        return;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/conformance.py");
    let output = Command::new(python).arg("-B").arg(script).arg(example()).output().expect("Python runs");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}\n{}", String::from_utf8_lossy(&output.stderr));
    println!("{}", printed.lines().last().unwrap_or_default());
}

/// Cargo builds a package's examples with its tests, in a folder beside theirs.
fn example() -> PathBuf {
    let test = std::env::current_exe().expect("a running program has a path");
    let profile = test.parent().and_then(Path::parent).expect("tests are in target/PROFILE/deps");
    let example = profile.join("examples/tuf_conformance");
    assert!(
        example.exists(),
        "{} is missing: build it with `cargo build -p headwater-depot --example tuf_conformance`",
        example.display()
    );
    example
}
