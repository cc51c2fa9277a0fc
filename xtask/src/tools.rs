//! What the tests and benchmarks need beside Rust: found, or installed.
//!
//! Debian packages only as root and only when missing; Python packages in virtual environments of the checkout; cargo programs by
//! `cargo install --locked`. A machine without them still runs what can be run: a test without its tool skips itself and reports it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::command::{cargo, output, run, target_folder, workspace_root};

/// The peer that reads what we publish and writes what we read, what it signs with, and the tool that asks our REST
/// interface whatever its document allows.
const PYTHON_PACKAGES: [&str; 3] = ["tuf>=7,<8", "securesystemslib[crypto]>=1,<2", "schemathesis>=4.32,<5"];

/// Programs of the tests between hosts and of those with slow connections, and the Debian packages that bring them.
const HOST_TOOLS: [(&str, &str); 5] = [
    ("ip", "iproute2"),
    ("nginx", "nginx-light"),
    ("curl", "curl"),
    ("slowhttptest", "slowhttptest"),
    ("faketime", "faketime"),
];

/// Installs the missing ones of [`HOST_TOOLS`]; where it may not, the tests that need them skip themselves.
pub fn ensure_host_tools() {
    ensure_programs(&HOST_TOOLS);
}

/// Installs missing programs by their Debian packages; where it may not, what needs them is left out.
pub fn ensure_programs(programs: &[(&str, &str)]) {
    let missing = programs.iter().filter(|(program, _)| !is_there(program));
    let packages: Vec<&str> = missing.map(|(_, package)| *package).collect();
    if packages.is_empty() {
        return;
    }
    if let Err(error) = install_packages(&packages) {
        eprintln!("  not installed: {}: {error:#}", packages.join(" "));
        eprintln!("  what needs them will be skipped; as root: apt-get install {}", packages.join(" "));
    }
}

/// `cargo nextest`.
pub fn ensure_nextest() -> Result<()> {
    ensure_cargo_program("cargo-nextest", "cargo-nextest")
}

/// `cargo deny`.
pub fn ensure_cargo_deny() -> Result<()> {
    ensure_cargo_program("cargo-deny", "cargo-deny")
}

/// `cargo fuzz`, and the C++ compiler that builds the fuzzer.
pub fn ensure_cargo_fuzz() -> Result<()> {
    ensure_programs(&[("c++", "g++")]);
    ensure_cargo_program("cargo-fuzz", "cargo-fuzz@0.13.2")
}

/// A Python with [`PYTHON_PACKAGES`], in `.venv`; made on first use.
pub fn ensure_python(root: &Path) -> Result<PathBuf> {
    let code = "import sys, tuf, cryptography, schemathesis; sys.exit(tuf.__version__.split('.')[0] != '7')";
    ensure_venv(&root.join(".venv"), &PYTHON_PACKAGES, code)
        .context("the tests with python-tuf and schemathesis need them")
}

/// A Python in a virtual environment in which `code` succeeds once `packages` are installed; made on first use.
pub fn ensure_venv(folder: &Path, packages: &[&str], code: &str) -> Result<PathBuf> {
    let python = folder.join("bin/python");
    let is_complete = || quiet(Command::new(&python).args(["-c", code]));
    if is_complete() {
        return Ok(python);
    }
    let made = make_venv(folder).or_else(|error| {
        eprintln!("  {error:#}; trying the Debian package");
        install_packages(&["python3-venv"])?;
        make_venv(folder)
    });
    made.with_context(|| format!("Python 3.10 or newer with `venv` is needed for {packages:?}"))?;
    run(Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
        .args(packages))?;
    if !is_complete() {
        bail!("{packages:?} were installed in {} but cannot be used", folder.display());
    }
    Ok(python)
}

fn make_venv(folder: &Path) -> Result<()> {
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))
}

/// `crate_` is the name of the program's crate, with the version where it matters.
fn ensure_cargo_program(program: &str, crate_: &str) -> Result<()> {
    if is_there(program) {
        return Ok(());
    }
    run(Command::new("cargo").args(["install", "--locked", crate_]))
}

/// Installs Debian packages.
pub fn install_packages(packages: &[&str]) -> Result<()> {
    if !quiet(Command::new("test").args(["-w", "/var/lib/dpkg"])) || !is_there("apt-get") {
        bail!("only root on a Debian system installs packages");
    }
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        run(&mut command)
    };
    apt(&["update", "--quiet=2"])?;
    let fresh_nginx = packages.iter().any(|package| package.starts_with("nginx"));
    let mut install = vec!["install", "--yes", "--quiet=2", "--no-install-recommends"];
    install.extend(packages);
    apt(&install)?;
    if fresh_nginx {
        // The package starts a web server on port 80; the tests run their own elsewhere.
        quiet(Command::new("service").args(["nginx", "stop"]));
    }
    Ok(())
}

/// The program of a crate's example, built with a profile.
pub fn example(package: &str, example: &str, profile: Profile) -> Result<PathBuf> {
    let (folder, name) = match profile {
        Profile::Debug => ("debug/examples", "dev"),
        Profile::Release => ("release/examples", "release"),
    };
    run(&mut cargo(&["build", "--quiet", "--profile", name, "--package", package, "--example", example]))?;
    Ok(target_folder(&workspace_root()).join(folder).join(example))
}

/// How something is built.
#[derive(Debug, Clone, Copy)]
pub enum Profile {
    /// As for the tests.
    Debug,
    /// As it is delivered: for what is measured.
    Release,
}

/// SHA-256 of a file in hexadecimal, by coreutils: a crate for it would be built before every other step.
pub fn sha256(path: &Path) -> Result<String> {
    let line = output(Command::new("sha256sum").arg("--").arg(path))?;
    Ok(line.split_whitespace().next().unwrap_or_default().to_owned())
}

/// Whether the program is on the path, or in a folder that only root's path has.
pub fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.extend(["/usr/sbin".into(), "/sbin".into()]);
    folders.iter().any(|folder| folder.join(program).is_file())
}

fn quiet(command: &mut Command) -> bool {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
