//! A status: the client, what is installed, what failed, the plans with their reasons, and the last run.

use std::fmt::Write as _;

use headwater_policy::Repository;

use crate::render::report::{in_brackets, report};
use crate::status::Status;

/// Renders a status.
pub fn status(status: &Status) -> String {
    let mut out = String::new();
    let addresses = if status.addresses.is_empty() { "none".to_owned() } else { status.addresses.join(", ") };
    let _ = writeln!(
        out,
        "{} in domain {} (headwater-client {}), policy version {}, addresses: {addresses}",
        status.client, status.domain, status.program, status.policy_version
    );
    for address in &status.interfaces {
        let _ = writeln!(out, "  {} on {}: {}", address.address, address.interface, address.reason);
    }
    for damaged in &status.damaged {
        let _ = writeln!(out, "Damaged: {damaged}");
    }
    render_identity(&mut out, status);
    render_daemon(&mut out, status);
    if !status.shares.is_empty() {
        let _ = writeln!(out, "Update agent: shares {}", status.shares.join(", "));
    }
    for repository in Repository::ALL {
        render_repository(&mut out, status, repository);
    }
    for failed in &status.failed {
        let _ = writeln!(out, "\nNot tried again: {failed}");
    }
    match &status.last_run {
        Some(last) => {
            let started = last.started.strftime("%Y-%m-%d %H:%M:%S UTC");
            let _ = write!(out, "\nLast run, at {started}:\n{}", report(last));
        }
        None => out.push_str("\nNo run yet.\n"),
    }
    out
}

fn render_identity(out: &mut String, status: &Status) {
    let Some(identity) = &status.identity else {
        out.push_str("Identity: not enrolled\n");
        return;
    };
    let _ =
        writeln!(out, "Identity: key {}, certificate valid until {}", identity.key, identity.certificate_end);
    if let Some(why) = &identity.refused {
        let _ = writeln!(out, "The server refused this client at the last check-in: {why}");
    }
    if let Some(warning) = &identity.other_machine {
        let _ = writeln!(out, "Warning: {warning}");
    }
}

fn render_daemon(out: &mut String, status: &Status) {
    let Some(daemon) = &status.daemon else {
        out.push_str("Daemon: not running\n");
        return;
    };
    let _ = write!(out, "Daemon: running (process {})", daemon.process);
    if !daemon.serving.is_empty() {
        let _ = write!(out, ", serves at {}", daemon.serving.join(", "));
    }
    out.push('\n');
    for problem in &daemon.problems {
        let _ = writeln!(out, "Warning: {problem}");
    }
}

/// What is installed of a class, or the version of the policy, and the plan.
fn render_repository(out: &mut String, status: &Status, repository: Repository) {
    let name = repository.as_str();
    let _ = writeln!(out, "\n{name}:");
    let names = status.installed.get(name).into_iter().flatten();
    for (name, installed) in names.clone() {
        let _ = writeln!(out, "  {name} {} (release {})", installed.version, installed.sequence);
    }
    if repository == Repository::Policy {
        let _ = match status.policy_version {
            0 => writeln!(out, "  that of the bundle"),
            version => writeln!(out, "  version {version}"),
        };
    } else if names.count() == 0 {
        let _ = writeln!(out, "  nothing installed");
    }
    if let Some(plan) = status.plans.get(name) {
        for (number, step) in (1..).zip(&plan.steps) {
            let entry = in_brackets(step.entry);
            let _ = writeln!(out, "  {number}. {}{entry} at {}: {}", step.source, step.url, step.reason);
        }
        if let Some(why) = &plan.unserved {
            let _ = writeln!(out, "  unserved: {why}");
        }
        if let Some(why) = &plan.partial {
            let _ = writeln!(out, "  partial: {why}");
        }
    }
}
