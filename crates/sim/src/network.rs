//! Hosts: network namespaces, each with one interface on a common bridge, IPv4 and IPv6.
//!
//! The bridge stands in a namespace of its own, so that the machine's own network is untouched. All hosts are on one link
//! (10.0.0.0/8 and fd00::/16), so that no routes are needed and an address alone says which site a host is at. Names carry
//! the process id of the test; what a killed test left behind is removed when the next one starts.

use std::io::Write as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, bail};

use crate::clock::Clock;

/// Where `ip netns` has the files of each namespace's /etc.
const NAMES_FOLDER: &str = "/etc/netns";
const PREFIX: &str = "headwater";
static COUNTER: AtomicU32 = AtomicU32::new(0);

/// Hosts that can reach one another.
#[derive(Debug)]
pub struct Network {
    name: String,
    ports: AtomicU32,
    clock: Clock,
}

/// One host. Removed when dropped; what runs on it must have ended.
#[derive(Debug)]
pub struct Host {
    namespace: String,
    switch: String,
    port: String,
    addresses: Vec<IpAddr>,
    clock: Clock,
}

/// May this machine make hosts? If not, a message goes to stderr, and the test that asked is to be skipped.
///
/// # Panics
/// If it may not and `HEADWATER_REQUIRE_NAMESPACES` is 1.
pub fn may_make_hosts() -> bool {
    let name = format!("{PREFIX}-{}-probe{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
    let tried = ip(&["netns", "add", &name])
        .and_then(|()| ip(&["-n", &name, "link", "add", "br0", "type", "bridge"]));
    let _ = ip(&["netns", "del", &name]);
    let Err(error) = tried else { return true };
    let obstacle =
        format!("no network namespaces here ({error:#}); run as root on Linux, with iproute2 installed");
    assert!(
        std::env::var_os("HEADWATER_REQUIRE_NAMESPACES").is_none_or(|value| value != "1"),
        "HEADWATER_REQUIRE_NAMESPACES is set, but {obstacle}"
    );
    eprintln!("SKIPPED: {obstacle}");
    false
}

impl Network {
    /// An empty network.
    ///
    /// # Errors
    /// Namespaces cannot be made; [`may_make_hosts`] says so beforehand.
    pub fn new() -> Result<Self> {
        remove_leftovers();
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}-{}-{number}", std::process::id());
        let network = Self { name, ports: AtomicU32::new(0), clock: Clock::default() };
        let switch = network.switch();
        ip(&["netns", "add", &switch])?;
        // No spanning tree and no snooping: a port forwards at once, multicast (neighbour discovery) included.
        let bridge =
            "link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0\nlink set br0 up\n";
        ip_batch(&["-n", &switch], bridge)?;
        Ok(network)
    }

    /// A host with these addresses.
    ///
    /// # Errors
    /// The namespace or its interface cannot be made.
    pub fn host(&self, name: &str, addresses: &[IpAddr]) -> Result<Host> {
        let port = format!("port{}", self.ports.fetch_add(1, Ordering::Relaxed));
        let host = Host {
            namespace: format!("{}-{name}", self.name),
            switch: self.switch(),
            port,
            addresses: addresses.to_vec(),
            clock: self.clock.clone(),
        };
        let Host { namespace, switch, port, .. } = &host;
        ip(&["netns", "add", namespace])?;
        ip(&[
            "link", "add", port, "netns", switch, "type", "veth", "peer", "name", "eth0", "netns", namespace,
        ])?;
        ip_batch(&["-n", switch], &format!("link set {port} master br0\nlink set {port} up\n"))?;
        let mut lines = "link set lo up\nlink set eth0 addrgenmode none\nlink set eth0 up\n".to_owned();
        for address in addresses {
            lines += &match address {
                IpAddr::V4(address) => format!("addr add {address}/8 dev eth0\n"),
                // Usable at once: nobody else has the address.
                IpAddr::V6(address) => format!("addr add {address}/16 dev eth0 nodad\n"),
            };
        }
        ip_batch(&["-n", namespace], &lines)?;
        Ok(host)
    }

    /// The clock of programs on its hosts.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    fn switch(&self) -> String {
        format!("{}-switch", self.name)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = ip(&["netns", "del", &self.switch()]);
    }
}

impl Host {
    /// Its addresses, as given.
    pub fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    /// A command that will run on this host, by the network's clock, and is killed should the test die.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace, "setpriv", "--pdeathsig", "KILL"]).arg(program);
        self.clock.set_for(&mut command);
        command
    }

    /// Pulls the plug: packets to and from the host are lost silently.
    ///
    /// # Errors
    /// The interface cannot be switched.
    pub fn unplug(&self) -> Result<()> {
        ip(&["-n", &self.switch, "link", "set", &self.port, "down"])
    }

    /// Lets programs on this host resolve names: one line `ADDRESS NAME` for each address.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn set_names(&self, lines: &str) -> Result<()> {
        // `ip netns exec` shows this folder's files in /etc.
        let folder = self.names_folder();
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join("hosts"), format!("127.0.0.1 localhost\n::1 localhost\n{lines}\n"))?;
        Ok(())
    }

    fn names_folder(&self) -> PathBuf {
        Path::new(NAMES_FOLDER).join(&self.namespace)
    }

    /// Puts the plug back.
    ///
    /// # Errors
    /// The interface cannot be switched.
    pub fn plug(&self) -> Result<()> {
        ip(&["-n", &self.switch, "link", "set", &self.port, "up"])
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = ip(&["-n", &self.switch, "link", "del", &self.port]);
        let _ = ip(&["netns", "del", &self.namespace]);
        let _ = std::fs::remove_dir_all(self.names_folder());
    }
}

/// Removes namespaces of tests that are no longer there.
fn remove_leftovers() {
    let Ok(entries) = std::fs::read_dir("/var/run/netns") else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.strip_prefix('-'))
            .and_then(|rest| rest.split('-').next());
        if owner.is_some_and(|owner| !Path::new("/proc").join(owner).exists()) {
            // Two tests may start at once and both remove it: one fails, and need not care.
            let _ = ip(&["netns", "del", &name]);
            let _ = std::fs::remove_dir_all(Path::new(NAMES_FOLDER).join(&name));
        }
    }
}

fn ip(arguments: &[&str]) -> Result<()> {
    ip_batch(arguments, "")
}

/// Runs `ip` with these arguments, or, where there are lines, with each of the lines.
fn ip_batch(arguments: &[&str], lines: &str) -> Result<()> {
    let mut command = Command::new("ip");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    if !lines.is_empty() {
        command.args(["-batch", "-"]);
    }
    let mut child = command.spawn().context("`ip` could not be started")?;
    child.stdin.take().context("a piped stdin is there")?.write_all(lines.as_bytes())?;
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("`ip {}` failed: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
