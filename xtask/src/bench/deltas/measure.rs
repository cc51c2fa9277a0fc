//! One tool on one pair: what it costs, measured by GNU time, and that every decoding gave the file.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::peers::{Peer, Programs, Ready};
use super::series::Pair;
use super::serve::FileServer;
use crate::tools;

/// Decodings of each pair: the least CPU time counts, and the most memory.
const DECODE_RUNS: usize = 3;

/// What one tool took for one pair.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The series.
    pub series: String,
    /// Releases between.
    pub distance: usize,
    /// Releases between the newer file and the newest of the series: 0 but for hops.
    #[serde(default)]
    pub behind: usize,
    /// The tool's key.
    pub peer: String,
    /// The tool's version.
    pub version: String,
    /// The snippet that encoded.
    pub encode: String,
    /// The snippet that decoded.
    pub decode: String,
    /// SHA-256 of the older file.
    pub from: String,
    /// SHA-256 of the newer file.
    pub to: String,
    /// What a client fetches.
    pub bytes: u64,
    /// CPU seconds, user and system, without the tool's start.
    pub encode_seconds: f64,
    /// CPU seconds, user and system, without the tool's start.
    pub decode_seconds: f64,
    /// Peak of resident memory while decoding, in bytes.
    pub decode_memory: u64,
    /// Taken from an earlier run, and not measured in the one that wrote it down.
    #[serde(default)]
    pub reused: bool,
}

impl Row {
    /// Nothing measured yet.
    fn blank(ready: &Ready, pair: &Pair) -> Result<Self> {
        let Ready { peer, version } = ready;
        Ok(Self {
            series: pair.series.clone(),
            distance: pair.distance,
            behind: pair.behind,
            peer: peer.key.to_owned(),
            version: version.clone(),
            encode: peer.encode.to_owned(),
            decode: peer.decode.to_owned(),
            from: tools::sha256(&pair.base)?,
            to: tools::sha256(&pair.new)?,
            bytes: 0,
            encode_seconds: 0.0,
            decode_seconds: f64::INFINITY,
            decode_memory: 0,
            reused: false,
        })
    }

    /// Whether this was measured with the same tool, the same snippets and the same files.
    fn answers(&self, other: &Self) -> bool {
        let key = |row: &Self| {
            [&row.peer, &row.version, &row.encode, &row.decode, &row.from, &row.to].map(String::clone)
        };
        key(self) == key(other)
    }
}

/// A folder in which tools are run, one after another.
pub struct Bench {
    folder: PathBuf,
    server: FileServer,
    programs: Programs,
    earlier: Vec<Row>,
}

impl Bench {
    /// A folder of this process, gone with the bench; rows of `earlier` are taken where they answer.
    pub fn new(folder: PathBuf, programs: Programs, earlier: Vec<Row>) -> Result<Self> {
        let folder = folder.join(std::process::id().to_string());
        let server = FileServer::start(folder.clone()).context("listen on loopback")?;
        Ok(Self { folder, server, programs, earlier })
    }

    /// What an earlier run measured of one tool on one pair.
    pub fn earlier(&self, ready: &Ready, pair: &Pair) -> Result<Option<Row>> {
        let blank = Row::blank(ready, pair)?;
        let found = self.earlier.iter().find(|earlier| earlier.answers(&blank));
        // The same release may stand at another distance in another data folder.
        Ok(found.map(|it| Row {
            series: blank.series,
            distance: blank.distance,
            behind: blank.behind,
            reused: true,
            ..it.clone()
        }))
    }

    /// Measures one tool on one pair, or finds that it was.
    pub fn row(&self, ready: &Ready, pair: &Pair) -> Result<Row> {
        if let Some(earlier) = self.earlier(ready, pair)? {
            return Ok(earlier);
        }
        let mut row = Row::blank(ready, pair)?;
        let peer = ready.peer;
        self.lay_out(pair)?;
        let start = self.start(peer)?;
        self.shell(peer.before_encode)?;
        row.encode_seconds = (self.shell(peer.encode)?.seconds - start).max(0.0);
        for _ in 0..DECODE_RUNS {
            self.shell(peer.before_decode)?;
            let cost = self.decode(peer, &row.to)?;
            row.bytes = size(&self.folder.join("delta"))? + self.server.take_sent();
            row.decode_seconds = row.decode_seconds.min((cost.seconds - start).max(0.0));
            row.decode_memory = row.decode_memory.max(cost.memory);
        }
        Ok(row)
    }

    /// An empty folder but for `base` and `new`.
    fn lay_out(&self, pair: &Pair) -> Result<()> {
        if self.folder.exists() {
            fs::remove_dir_all(&self.folder).with_context(|| format!("empty {}", self.folder.display()))?;
        }
        fs::create_dir_all(&self.folder)?;
        for (path, name) in [(&pair.base, "base"), (&pair.new, "new")] {
            fs::copy(path, self.folder.join(name)).with_context(|| format!("copy {}", path.display()))?;
        }
        Ok(())
    }

    /// CPU seconds of the tool's start, at the least.
    fn start(&self, peer: &Peer) -> Result<f64> {
        let mut least = f64::INFINITY;
        for _ in 0..DECODE_RUNS {
            least = least.min(self.shell(peer.start)?.seconds);
        }
        Ok(least)
    }

    fn decode(&self, peer: &Peer, wanted: &str) -> Result<Cost> {
        let out = self.folder.join("out");
        if out.exists() {
            fs::remove_file(&out)?;
        }
        let cost = self.shell(peer.decode)?;
        let digest = tools::sha256(&out)?;
        if digest != wanted {
            bail!("{} made a file with SHA-256 {digest} instead of {wanted}", peer.name);
        }
        Ok(cost)
    }

    /// Runs a snippet; its output is shown only if it fails.
    fn shell(&self, snippet: &str) -> Result<Cost> {
        if snippet.is_empty() {
            return Ok(Cost::default());
        }
        let times = self.folder.join("times");
        let mut command = Command::new("time");
        command
            .args(["--format=%U %S %M", "--output"])
            .arg(&times)
            .args(["sh", "-e", "-c", snippet])
            .current_dir(&self.folder)
            .env("DELTA", &self.programs.delta)
            .env("PYTHON", &self.programs.python)
            .env("PORT", self.server.port.to_string())
            .env_remove("http_proxy")
            .stdin(Stdio::null());
        let output = command.output().context("`time` could not be started")?;
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr);
            bail!("`{snippet}` ended with {}: {}", output.status, message.trim());
        }
        let text = fs::read_to_string(&times)?;
        Cost::parse(&text).with_context(|| format!("unexpected output of `time`: `{}`", text.trim()))
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // Left behind it costs room under `target`, no more.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// What a snippet took, its children included.
#[derive(Debug, Default, PartialEq)]
struct Cost {
    /// CPU seconds, user and system.
    seconds: f64,
    /// Peak of resident memory of the largest process, in bytes.
    memory: u64,
}

impl Cost {
    fn parse(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [user, system, kibibytes] = words.as_slice() else { return None };
        let seconds = user.parse::<f64>().ok()? + system.parse::<f64>().ok()?;
        Some(Self { seconds, memory: kibibytes.parse::<u64>().ok()? * 1024 })
    }
}

/// Bytes of a file, or of all files in a folder; nothing there is none.
fn size(path: &Path) -> Result<u64> {
    if path.is_dir() {
        let sizes = fs::read_dir(path)?.map(|entry| size(&entry?.path()));
        return sizes.sum();
    }
    Ok(if path.exists() { fs::metadata(path)?.len() } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::super::peers::PLAIN;
    use super::*;
    use crate::command;

    const COPY: Peer = Peer {
        key: "copy",
        name: "cp",
        encode: "mkdir delta; cp new delta",
        decode: "cp delta/new out",
        ..PLAIN
    };
    const WRONG: Peer = Peer { decode: "cp base out", ..COPY };
    const BROKEN: Peer = Peer { decode: "echo too bad >&2; false", ..COPY };

    #[test]
    fn every_decoding_is_verified() {
        if !tools::is_there("time") {
            eprintln!("SKIPPED: GNU time is not here; on Debian: apt-get install time");
            return;
        }
        let root = command::workspace_root();
        let (base, new) = (root.join("Cargo.toml"), root.join("README.md"));
        let pair = Pair { series: "files".to_owned(), distance: 1, behind: 0, base, new };
        let bench = |earlier| {
            Bench::new(command::target_folder(&root).join("bench-test"), Programs::default(), earlier)
                .unwrap()
        };
        let measure =
            |bench: &Bench, peer: &'static Peer| bench.row(&Ready { peer, version: "1".to_owned() }, &pair);
        let row = measure(&bench(Vec::new()), &COPY).unwrap();
        assert_eq!(row.bytes, fs::metadata(&pair.new).unwrap().len());
        assert!(row.decode_memory > 0 && row.decode_seconds.is_finite() && !row.reused, "{row:?}");
        let later = bench(vec![row.clone()]);
        assert_eq!(measure(&later, &COPY).unwrap(), Row { reused: true, ..row });
        let check = |peer, expected: &str| {
            let error = format!("{:#}", measure(&later, peer).unwrap_err());
            assert!(error.contains(expected), "{error}");
        };
        check(&WRONG, "instead of");
        check(&BROKEN, "too bad");
    }

    #[test]
    fn the_output_of_time_is_parsed() {
        assert_eq!(Cost::parse("1.25 0.50 1024\n"), Some(Cost { seconds: 1.75, memory: 1 << 20 }));
        assert_eq!(Cost::parse("Command exited with non-zero status 1\n1.25 0.50 1024\n"), None);
    }
}
