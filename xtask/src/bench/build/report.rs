//! The measurements of a build as Markdown, beside the goals. Pure.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::wrapper::Cost;

/// CPU seconds of a build from nothing.
const CPU_GOAL: f64 = 1000.0;
/// Minutes of the same on two cores that do nothing else.
const MINUTES_GOAL: f64 = 9.0;
/// Seconds of a debug build after one file of the server changed.
const REBUILD_GOAL: f64 = 10.0;
/// How many of the dependencies are named.
const DEPENDENCIES: usize = 15;

/// What was measured; what was left out is `None`.
#[derive(Debug, Default, PartialEq)]
pub struct Measured {
    /// A release build of `headwater` from nothing.
    pub release: Option<Release>,
    /// Seconds of a debug build, link included, after one file of the server changed.
    pub rebuild: Option<f64>,
}

/// A release build from nothing.
#[derive(Debug, PartialEq)]
pub struct Release {
    /// CPU seconds of everything: compilers, linkers, build scripts and what those run.
    pub cpu: f64,
    /// Seconds on the clock.
    pub wall: f64,
    /// Bytes of the program.
    pub size: u64,
    /// Of each package.
    pub packages: BTreeMap<String, Cost>,
}

/// Tables of what was measured, on a machine in general terms.
pub fn tables(measured: &Measured, machine: &str) -> String {
    let mut text = format!("Measured on {machine}.\n\n| figure | measured | goal |\n|---|---:|---:|\n");
    if let Some(release) = &measured.release {
        let _ = writeln!(text, "| release build from nothing, CPU s | {:.0} | {CPU_GOAL} |", release.cpu);
        let minutes = release.wall / 60.0;
        let _ = writeln!(text, "| the same, minutes on the clock | {minutes:.1} | {MINUTES_GOAL} |");
        let _ = writeln!(text, "| size of `headwater`, MB | {:.1} | – |", release.size as f64 / 1e6);
    }
    if let Some(seconds) = measured.rebuild {
        let what = "debug build and link after a change of one file of the server, s";
        let _ = writeln!(text, "| {what} | {seconds:.1} | {REBUILD_GOAL} |");
    }
    if let Some(release) = &measured.release {
        text += &packages(release);
    }
    text
}

fn packages(release: &Release) -> String {
    let mut packages: Vec<_> = release.packages.iter().collect();
    packages.sort_by(|a, b| b.1.cpu.total_cmp(&a.1.cpu));
    let (ours, others): (Vec<_>, Vec<_>) =
        packages.into_iter().partition(|(name, _)| name.starts_with("headwater-"));
    let sum = |of: &[(&String, &Cost)]| of.iter().map(|(_, cost)| cost.cpu).sum::<f64>();
    let (own, named) = (sum(&ours), &others[..DEPENDENCIES.min(others.len())]);
    let rest = &others[named.len()..];
    let mut text = String::from("\n| package | CPU s | s on the clock |\n|---|---:|---:|\n");
    for (name, cost) in ours.iter().chain(named) {
        let _ = writeln!(text, "| {name} | {:.1} | {:.1} |", cost.cpu, cost.wall);
    }
    let _ = writeln!(text, "| {} more | {:.1} | – |", rest.len(), sum(rest));
    let scripts = release.cpu - own - sum(&others);
    let _ = writeln!(text, "| cargo, build scripts and their compilers | {scripts:.1} | – |");
    let _ = writeln!(text, "\nOur own packages take {own:.0} CPU s of {:.0}.", release.cpu);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_stand_beside_the_goals_and_packages_by_cost() {
        let cost = |name: &str, cpu: f64| (name.to_owned(), Cost { cpu, wall: cpu / 2.0 });
        let mut packages: BTreeMap<_, _> = (0..DEPENDENCIES).map(|i| cost(&format!("dep{i}"), 2.0)).collect();
        packages.extend([cost("headwater-cli", 20.0), cost("headwater-api", 30.0), cost("small", 1.0)]);
        let release = Release { cpu: 90.0, wall: 60.0, size: 42_000_000, packages };
        let text = tables(&Measured { release: Some(release), rebuild: Some(8.25) }, "2 cores");
        for expected in [
            "Measured on 2 cores.",
            "| release build from nothing, CPU s | 90 | 1000 |",
            "| the same, minutes on the clock | 1.0 | 9 |",
            "| size of `headwater`, MB | 42.0 | – |",
            "server, s | 8.2 | 10 |",
            "| headwater-api | 30.0 | 15.0 |\n| headwater-cli | 20.0 | 10.0 |\n| dep0 |",
            "| 1 more | 1.0 | – |",
            "| cargo, build scripts and their compilers | 9.0 | – |",
            "Our own packages take 50 CPU s of 90.",
        ] {
            assert!(text.contains(expected), "no `{expected}` in\n{text}");
        }
    }
}
