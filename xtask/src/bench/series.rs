//! The releases that are compared: each folder a series, each file in it a release, in order of name.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// An old file and the newest of its series.
pub struct Pair {
    /// The series' folder.
    pub series: String,
    /// How many releases lie between, the newest counted; 0: the newest by itself.
    pub distance: usize,
    /// The older release.
    pub base: PathBuf,
    /// The newest release.
    pub new: PathBuf,
}

/// The pairs of every series, or of those named, by series and distance.
pub fn pairs(data: &Path, series: Option<&[String]>, distances: &[usize]) -> Result<Vec<Pair>> {
    let mut pairs = Vec::new();
    for folder in list(data)?.iter().filter(|folder| folder.is_dir()) {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if series.is_some_and(|wanted| !wanted.contains(&name)) {
            continue;
        }
        let releases = list(folder)?;
        let Some(new) = releases.last() else { continue };
        for distance in distances {
            let Some(base) = releases.len().checked_sub(1 + distance).map(|at| &releases[at]) else {
                eprintln!("  not measured: {name} has no release {distance} before its newest");
                continue;
            };
            let (base, new) = (base.clone(), new.clone());
            pairs.push(Pair { series: name.clone(), distance: *distance, base, new });
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
