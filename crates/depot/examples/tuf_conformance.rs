//! The client's own refresh and download behind the command line of the public TUF conformance suite
//! (theupdateframework/tuf-conformance, `CLIENT-CLI.md`):
//!
//! ```text
//! tuf_conformance --metadata-dir DIR init TRUSTED_ROOT
//! tuf_conformance --metadata-dir DIR --metadata-url URL refresh
//! tuf_conformance --metadata-dir DIR --metadata-url URL --target-name NAME --target-base-url URL --target-dir DIR download
//! ```
//!
//! Fetching, verifying and searching are `depot`'s and `repo`'s, as in the client. Only where files are kept differs: the
//! suite looks for `root.json`, `timestamp.json` … and delegated roles' files in one folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use headwater_depot::{FetchSettings, Fetcher, Source, SourceMemory, Walk};
use headwater_repo::{TargetName, Trusted, layout};
use jiff::Timestamp;

/// A client of The Update Framework for its conformance suite.
#[derive(Parser)]
struct Arguments {
    /// Where trusted metadata is kept.
    #[arg(long)]
    metadata_dir: PathBuf,
    /// Base URL of the repository's metadata.
    #[arg(long)]
    metadata_url: Option<String>,
    /// A target to download; may be repeated.
    #[arg(long)]
    target_name: Vec<String>,
    /// Base URL of the repository's targets.
    #[arg(long)]
    target_base_url: Option<String>,
    /// Where downloaded targets are kept.
    #[arg(long)]
    target_dir: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Starts from a root that came by a trusted way.
    Init {
        /// The root's file.
        trusted_root: PathBuf,
    },
    /// Brings the top-level metadata up to date.
    Refresh,
    /// Does so, then downloads targets.
    Download,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(usage) => {
            let _ = usage.print();
            // The suite knows 0 and 1 alone.
            return if usage.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
    };
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tuf_conformance: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<()> {
    let folder = &arguments.metadata_dir;
    if let Command::Init { trusted_root } = &arguments.command {
        let root = fs::read(trusted_root).with_context(|| format!("{}", trusted_root.display()))?;
        Trusted::from_root(&root)?;
        fs::create_dir_all(folder)?;
        return replace(&folder.join("root.json"), &root);
    }
    #[expect(clippy::disallowed_methods, reason = "the entry point of a program")]
    let now = Timestamp::now();
    let metadata_url = arguments.metadata_url.as_deref().context("--metadata-url is missing")?;
    let targets_url = arguments.target_base_url.as_deref().unwrap_or(metadata_url);
    // Fails if there is one already, which serves as well.
    headwater_depot::http::install_tls_provider();
    let fetcher = Fetcher::new(FetchSettings::default(), SourceMemory::default())?;
    let trusted = load(folder)?;
    let sources = vec![Source::of_repository(metadata_url, targets_url)];
    let walk = Walk::new(&fetcher, sources, trusted.targets_version().unwrap_or(0), now);
    let mut trusted = refresh(&walk, &trusted, folder).await?;
    match arguments.command {
        Command::Download => download(&walk, &mut trusted, &arguments).await,
        Command::Init { .. } | Command::Refresh => Ok(()),
    }
}

/// Refreshes and keeps what was verified, also where the refresh did not come to its end.
async fn refresh(walk: &Walk, trusted: &Trusted, folder: &Path) -> Result<Trusted> {
    match walk.refresh(trusted, None).await {
        Ok(refreshed) => {
            keep(folder, &refreshed.trusted)?;
            Ok(refreshed.trusted)
        }
        Err(unable) => {
            if let Some(progress) = &unable.progress {
                keep(folder, progress)?;
            }
            Err(unable.into())
        }
    }
}

async fn download(walk: &Walk, trusted: &mut Trusted, arguments: &Arguments) -> Result<()> {
    if arguments.target_base_url.is_none() {
        bail!("--target-base-url is missing");
    }
    let folder = arguments.target_dir.as_deref().context("--target-dir is missing")?;
    for name in &arguments.target_name {
        let name = TargetName::new(name)?;
        let found = walk.find(trusted, &name).await;
        keep(&arguments.metadata_dir, trusted)?;
        let description = found?.with_context(|| format!("there is no target {name}"))?;
        let path = folder.join(name.as_str());
        if fs::read(&path).is_ok_and(|bytes| description.check(&bytes).is_ok()) {
            continue;
        }
        let bytes = walk.target(&description).await?;
        fs::create_dir_all(path.parent().context("a target's path has a folder")?)?;
        replace(&path, &bytes)?;
    }
    Ok(())
}

fn load(folder: &Path) -> Result<Trusted> {
    let read = |name: &str| match fs::read(folder.join(name)) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| folder.join(name).display().to_string()),
    };
    let root = read("root.json")?.context("there is no root.json: run init first")?;
    let mut trusted = Trusted::from_root(&root)?;
    let (timestamp, snapshot, targets) =
        (read("timestamp.json")?, read("snapshot.json")?, read("targets.json")?);
    trusted.load_floor(timestamp.as_deref(), snapshot.as_deref(), targets.as_deref());
    Ok(trusted)
}

/// Writes what is trusted, as received, under names without versions.
fn keep(folder: &Path, trusted: &Trusted) -> Result<()> {
    let received = trusted.received();
    let root = received.roots.last_key_value().map(|(_, bytes)| ("root".to_owned(), bytes));
    let top = [
        ("timestamp", &received.timestamp),
        ("snapshot", &received.snapshot),
        ("targets", &received.targets),
    ];
    let top = top.into_iter().filter_map(|(name, bytes)| Some((name.to_owned(), bytes.as_ref()?)));
    // A role may have any name: percent-encoded, it is one part of a path.
    let delegated = received.delegated.iter().map(|(name, bytes)| (layout::role_file_stem(name), bytes));
    for (name, bytes) in root.into_iter().chain(top).chain(delegated) {
        replace(&folder.join(format!("{name}.json")), bytes)?;
    }
    Ok(())
}

/// Writes a file beside its place, then moves it there, if it is not there already.
fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|present| present == bytes) {
        return Ok(());
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    io::Write::write_all(&mut file, bytes)?;
    file.persist(path).with_context(|| path.display().to_string())?;
    Ok(())
}
