//! CPU time of programs that this process ran, and of those that they ran: user and system.

use std::fs;

use anyhow::{Context, Result};

/// Ticks of a second in what Linux reports, the same on every architecture.
const TICKS: f64 = 100.0;

/// CPU seconds of all children that ended, theirs included.
pub fn children() -> Result<f64> {
    let text = fs::read_to_string("/proc/self/stat").context("CPU time is read from /proc, as on Linux")?;
    parse(&text).with_context(|| format!("unexpected content of /proc/self/stat: `{text}`"))
}

/// The fields 16 and 17, counted from 1; the second is a name in brackets that may hold anything.
fn parse(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split_whitespace().skip(13);
    let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) / TICKS)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn user_and_system_time_of_children_are_summed() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194304 100 200 0 0 11 12 250 50 20 0 1 0 99";
        assert_eq!(parse(stat), Some(3.0));
        assert_eq!(parse("7 (a) S 1"), None);
    }
}
