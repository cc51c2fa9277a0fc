//! Copies of a repository folder, honest and forged, and a plain web server that serves them.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::network::Host;
use crate::process::Process;

/// Copies a repository folder as it is now.
///
/// # Errors
/// It cannot be copied.
pub fn copy(repository: &Path, to: &Path) -> Result<()> {
    let status =
        Command::new("cp").arg("-r").arg(repository).arg(to).status().context("`cp` could not be started")?;
    if !status.success() {
        bail!("{} could not be copied to {}", repository.display(), to.display());
    }
    Ok(())
}

/// Debian's nginx on `host`, giving out `folder` at port 80; ready when this returns.
///
/// # Errors
/// nginx is missing or does not start.
pub fn nginx(host: &Host, folder: &Path, work: &Path) -> Result<Process> {
    fs::create_dir_all(work)?;
    let work_shown = work.display();
    let mut temporary = String::new();
    for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        temporary += &format!("  {kind}_temp_path {work_shown}/{kind};\n");
    }
    let config = format!(
        "daemon off;\nmaster_process off;\nuser root;\npid {work_shown}/pid;\nerror_log {work_shown}/error.log;\n\
         events {{}}\nhttp {{\n{temporary}  access_log {work_shown}/access.log;\n  server {{\n    listen 80;\n    listen [::]:80;\n    \
         root {};\n  }}\n}}\n",
        folder.display()
    );
    let config_path = work.join("nginx.conf");
    fs::write(&config_path, config)?;
    let mut command = host.command(Path::new("nginx"));
    command.arg("-c").arg(&config_path).arg("-p").arg(work).arg("-e").arg(work.join("error.log"));
    let mut process = Process::start("nginx", command, &work.join("nginx.log"))?;
    let address = host.addresses().first().context("a host has an address")?;
    wait_for_listener(host, SocketAddr::new(*address, 80), &mut process)?;
    Ok(process)
}

/// Waits until something accepts connections there, seen from the host itself.
///
/// # Errors
/// The program ended, or nothing listens within the limit.
pub fn wait_for_listener(host: &Host, address: SocketAddr, process: &mut Process) -> Result<()> {
    crate::wait::until(&format!("a listener at {address}"), crate::limits::START_WAIT_MAX, || {
        process.check_running()?;
        Ok(is_listening(host, address)?.then_some(()))
    })
}

/// Does something listen at this port of the host? Asked of the kernel, so that the listener sees no connection.
fn is_listening(host: &Host, address: SocketAddr) -> Result<bool> {
    let port = format!(":{:04X} ", address.port());
    let mut command = host.command(Path::new("cat"));
    let output = command.args(["/proc/self/net/tcp", "/proc/self/net/tcp6"]).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // Columns: number, local address:port, remote address:port, state (0A: listening).
    let listens = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        columns.get(1).is_some_and(|local| format!("{local} ").ends_with(&port))
            && columns.get(3) == Some(&"0A")
    };
    Ok(text.lines().any(listens))
}

/// Where the server keeps what it publishes.
pub fn of_server(data: &Path) -> PathBuf {
    data.join("repository")
}
