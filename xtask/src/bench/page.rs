//! Pages of `docs/benchmarks`: their measured part is written by a command, the words round it by people.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::command::workspace_root;

/// Round the measured part of a page.
const MEASURED: [&str; 2] =
    ["<!-- measured: written by cargo xtask bench -->\n", "<!-- end of what was measured -->"];

/// Replaces the measured part of `page`, a path in the checkout.
pub fn write_measured(page: &str, measured: &str) -> Result<()> {
    let path = workspace_root().join(page);
    let text = fs::read_to_string(&path).with_context(|| format!("read {page}"))?;
    let text = replace_measured(&text, measured);
    write(&path, &text.with_context(|| format!("{page} has no measured part"))?)
}

fn replace_measured(page: &str, measured: &str) -> Option<String> {
    let (before, rest) = page.split_once(MEASURED[0])?;
    let (_, after) = rest.split_once(MEASURED[1])?;
    Some([before, MEASURED[0], "\n", measured, MEASURED[1], after].concat())
}

/// Processes that ran or waited for a core in the last minute, on average, where the system reports it.
pub fn processes() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

/// The machine in general terms, and how busy it was.
pub fn machine(busy: &[f64]) -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kind = format!("a machine of {cores} cores ({}, {})", std::env::consts::ARCH, std::env::consts::OS);
    let mean = busy.iter().sum::<f64>() / busy.len() as f64;
    if mean.is_nan() {
        kind
    } else {
        format!("{kind} with {mean:.0} processes at work or waiting on average")
    }
}

/// Writes a file, and names it if that fails.
pub fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("write {}", path.display()))
}

/// Fails unless `page` has a measured part.
#[cfg(test)]
pub fn assert_measured(page: &str) {
    let text = fs::read_to_string(workspace_root().join(page)).unwrap();
    assert!(replace_measured(&text, "").is_some());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_measured_part_of_a_page_is_replaced() {
        let page = format!("# Words\n{}old{}\nMore.\n", MEASURED[0], MEASURED[1]);
        let expected = format!("# Words\n{}\nnew\n{}\nMore.\n", MEASURED[0], MEASURED[1]);
        assert_eq!(replace_measured(&page, "new\n"), Some(expected));
        assert_eq!(replace_measured("# Words\n", "new\n"), None);
    }
}
