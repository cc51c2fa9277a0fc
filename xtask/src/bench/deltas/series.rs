//! The releases that are compared: each folder a series, each file in it a release, in order of name.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Clients at any of so many releases get a delta (rule C1).
pub const RELEASES_BEHIND: usize = 14;

/// An old file and a newer one of its series, the newest but for hops.
pub struct Pair {
    /// The series' folder.
    pub series: String,
    /// How many releases lie between, the newest counted; 0: the newest alone.
    pub distance: usize,
    /// How many releases the newer file is before the newest: 0 but for hops.
    pub behind: usize,
    /// The older release.
    pub base: PathBuf,
    /// The newer release.
    pub new: PathBuf,
}

/// The pairs of every series, or of those named, by series and distance from the newest.
pub fn pairs(data: &Path, series: Option<&[String]>, distances: &[usize]) -> Result<Vec<Pair>> {
    between(data, series, &distances.iter().map(|distance| (*distance, 0)).collect::<Vec<_>>())
}

/// The hops between neighbours, of every series or of those named: from each of the last releases to the one after it. That
/// to the newest is a pair already.
pub fn hops(data: &Path, series: Option<&[String]>) -> Result<Vec<Pair>> {
    between(data, series, &(1..RELEASES_BEHIND).map(|behind| (1, behind)).collect::<Vec<_>>())
}

/// Pairs by distance, and by how far the newer is before the newest.
fn between(data: &Path, series: Option<&[String]>, wanted: &[(usize, usize)]) -> Result<Vec<Pair>> {
    let mut pairs = Vec::new();
    for folder in list(data)?.iter().filter(|folder| folder.is_dir()) {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if series.is_some_and(|wanted| !wanted.contains(&name)) {
            continue;
        }
        let releases = list(folder)?;
        if releases.is_empty() {
            continue;
        }
        for (distance, behind) in wanted {
            let at = |behind: usize| releases.len().checked_sub(1 + behind).map(|at| releases[at].clone());
            let (Some(base), Some(new)) = (at(behind + distance), at(*behind)) else {
                eprintln!("  not measured: {name} has no release {} before its newest", behind + distance);
                continue;
            };
            pairs.push(Pair { series: name.clone(), distance: *distance, behind: *behind, base, new });
        }
    }
    if pairs.is_empty() {
        bail!("nothing to compare in {}: no folder with at least two releases is wanted", data.display());
    }
    Ok(pairs)
}

fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    paths.sort();
    Ok(paths)
}
