//! The demonstration over real series of releases.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use headwater_sim::limits::{COMMAND_WAIT_MAX, FULL_WAIT_MAX};
use headwater_sim::process::{self, program};
use serde_json::Value;

/// Releases of each series that are taken unless all are asked for.
const RELEASES_MAX: usize = 3;
/// Series larger than this are taken with two releases, in bytes of one release.
const LARGE_RELEASE_BYTES: u64 = 4 * 1024 * 1024;

#[test]
fn the_demo_brings_every_client_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    check_demo(folder.path(), COMMAND_WAIT_MAX, &[]);
}

#[test]
fn the_demo_over_real_series() {
    let Some(feeds) = std::env::var_os("HEADWATER_FEEDS").map(PathBuf::from) else {
        eprintln!(
            "SKIPPED: set HEADWATER_FEEDS to a folder of series (each folder a component, each file a release)"
        );
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let full = std::env::var_os("HEADWATER_FULL").is_some();
    let feed = if full { feeds } else { part_of(&feeds, folder.path()).unwrap() };
    let limit = if full { FULL_WAIT_MAX } else { COMMAND_WAIT_MAX };
    check_demo(folder.path(), limit, &["--feed".into(), feed.into()]);
}

/// The first releases of each series, in a folder of links.
fn part_of(feeds: &Path, folder: &Path) -> Result<PathBuf> {
    let part = folder.join("feed");
    for series in fs::read_dir(feeds)? {
        let series = series?;
        let mut releases: Vec<_> = fs::read_dir(series.path())?.collect::<Result<_, _>>()?;
        releases.sort_by_key(fs::DirEntry::file_name);
        let large =
            releases.first().map_or(Ok(0), |it| it.metadata().map(|it| it.len()))? > LARGE_RELEASE_BYTES;
        fs::create_dir_all(part.join(series.file_name()))?;
        for release in releases.iter().take(if large { 2 } else { RELEASES_MAX }) {
            fs::copy(release.path(), part.join(series.file_name()).join(release.file_name()))?;
        }
    }
    Ok(part)
}

fn check_demo(folder: &Path, limit: Duration, arguments: &[OsString]) {
    let mut command = Command::new(program("headwater").unwrap());
    // The demonstration gives up first, and says who is not current.
    let timeout = (limit.as_secs() - 10).to_string();
    command.args(["demo", "--exit", "--json", "--timeout", &timeout]).args(arguments);
    command.arg("--data").arg(folder.join("demo"));
    let log = folder.join("log");
    let ended = process::run_within(limit, "headwater demo", command, &log).unwrap();
    let log_text = || fs::read_to_string(&log).unwrap_or_default();
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, log_text());
    let result: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert!(result["clients"].as_u64() > Some(0), "{result}");
    assert_eq!(result["current"], result["clients"], "{result}");
    assert!(result["bytes_from_update_agents"].as_u64() > Some(0), "{result}");
}
