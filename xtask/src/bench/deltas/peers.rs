//! The tools that are measured, as data: what they run, in shell, and where they come from.
//!
//! Every snippet runs in a folder with `base` and `new`. `encode` leaves what a client would fetch in `delta`, a file or a
//! folder; `decode` makes `out` from `base` and that, and may fetch more from the folder at http://127.0.0.1:$PORT/.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{command, tools};

/// One way from an old file to a new one.
pub struct Peer {
    /// What `--peers` calls it.
    pub key: &'static str,
    /// What people read.
    pub name: &'static str,
    /// Where it comes from.
    pub origin: Origin,
    /// What is there before anything is counted: what a server or a client has from the release before.
    pub before_encode: &'static str,
    /// Counted.
    pub encode: &'static str,
    /// As `before_encode`, before each decoding.
    pub before_decode: &'static str,
    /// Counted.
    pub decode: &'static str,
    /// An empty run, whose CPU time is taken off both directions: an interpreter's start is not the tool's.
    pub start: &'static str,
}

/// Where a tool comes from.
pub enum Origin {
    /// This workspace; `$DELTA` is its program.
    Workspace,
    /// A Debian package.
    Debian {
        /// The package.
        package: &'static str,
        /// A program of it.
        program: &'static str,
    },
    /// A PyPI package; `$PYTHON` has it.
    Python {
        /// The requirement for pip.
        requirement: &'static str,
        /// The module.
        module: &'static str,
    },
}

/// A peer with nothing before and no start to take off; all others are written as what differs.
pub const PLAIN: Peer = Peer {
    key: "",
    name: "",
    origin: Origin::Workspace,
    before_encode: "",
    encode: "",
    before_decode: "",
    decode: "",
    start: "",
};

const ZSTD: Origin = Origin::Debian { package: "zstd", program: "zstd" };

/// What every tool's bytes are divided by: the new file without the old one.
pub const FULL: Peer = Peer {
    key: "full",
    name: "full, zstd -19",
    origin: ZSTD,
    encode: "zstd -q -19 new -o delta",
    decode: "zstd -q -d delta -o out",
    ..PLAIN
};

/// What the page is about.
pub const OURS: &str = "headwater";
/// What the goals are measured by.
pub const REFERENCE: &str = "hdiffpatch";

/// All that are compared.
pub const PEERS: [Peer; 9] = [
    Peer {
        key: OURS,
        name: "Headwater",
        encode: "\"$DELTA\" encode base new delta",
        decode: "\"$DELTA\" decode base delta out",
        ..PLAIN
    },
    Peer {
        key: REFERENCE,
        name: "HDiffPatch, lzma2",
        origin: Origin::Python { requirement: "hdiffpatch>=2.6,<3", module: "hdiffpatch" },
        encode: r#""$PYTHON" -c '
import hdiffpatch
old, new = open("base", "rb").read(), open("new", "rb").read()
lzma2 = hdiffpatch.Lzma2Config(level=9)
open("delta", "wb").write(hdiffpatch.diff(old, new, lzma2, validate=False))'"#,
        decode: r#""$PYTHON" -c '
import hdiffpatch
old, delta = open("base", "rb").read(), open("delta", "rb").read()
open("out", "wb").write(hdiffpatch.apply(old, delta))'"#,
        start: "\"$PYTHON\" -c 'import hdiffpatch'",
        ..PLAIN
    },
    Peer {
        key: "bsdiff",
        name: "bsdiff",
        origin: Origin::Debian { package: "bsdiff", program: "bspatch" },
        encode: "bsdiff base new delta",
        decode: "bspatch base out delta",
        ..PLAIN
    },
    Peer {
        key: "zstd22",
        name: "zstd -22 --patch-from",
        origin: ZSTD,
        encode: "zstd -q -22 --ultra --long=27 --patch-from=base new -o delta",
        decode: "zstd -q -d --long=27 --patch-from=base delta -o out",
        ..PLAIN
    },
    Peer {
        key: "zstd19",
        name: "zstd -19 --patch-from",
        origin: ZSTD,
        encode: "zstd -q -19 --long=27 --patch-from=base new -o delta",
        decode: "zstd -q -d --long=27 --patch-from=base delta -o out",
        ..PLAIN
    },
    Peer {
        key: "xdelta3",
        name: "xdelta3 -9, lzma",
        origin: Origin::Debian { package: "xdelta3", program: "xdelta3" },
        encode: "xdelta3 -e -9 -S lzma -B 268435456 -W 16777216 -s base new delta",
        decode: "xdelta3 -d -B 268435456 -s base delta out",
        ..PLAIN
    },
    Peer {
        key: "ostree",
        name: "ostree static delta",
        origin: Origin::Debian { package: "ostree", program: "ostree" },
        before_encode: "
mkdir old fresh; cp base old/file; cp new fresh/file
ostree --repo=server init --mode=archive
commit() { ostree --repo=server commit --canonical-permissions -s release -b \"$1\" --tree=dir=\"$1\"; }
commit old > from; commit fresh > to",
        encode: "ostree --repo=server static-delta generate --inline --min-fallback-size=0 --from=$(cat from) --to=$(cat to) --filename=delta",
        before_decode: "
rm -rf client; ostree --repo=client init --mode=bare-user-only
ostree --repo=client pull-local server $(cat from)",
        decode: "ostree --repo=client static-delta apply-offline delta; ostree --repo=client cat $(cat to) file > out",
        ..PLAIN
    },
    Peer {
        key: "casync",
        name: "casync",
        origin: Origin::Debian { package: "casync", program: "casync" },
        before_encode: "casync make --store=old.castr old.caibx base",
        encode: "
mkdir delta; casync make --store=delta/chunks delta/new.caibx new
(cd old.castr; find . -type f) | (cd delta/chunks; xargs rm -f)",
        decode: "casync extract --store=delta/chunks --seed=base delta/new.caibx out",
        ..PLAIN
    },
    Peer {
        key: "zsync",
        name: "zsync -z",
        origin: Origin::Debian { package: "zsync", program: "zsync" },
        encode: "zsyncmake -z -C -u new.gz -o new.zsync new",
        decode: "zsync -i base -o out http://127.0.0.1:$PORT/new.zsync",
        ..PLAIN
    },
];

/// A peer that is here, by its version.
pub struct Ready {
    /// The peer.
    pub peer: &'static Peer,
    /// Of a Debian or PyPI package; of ours the first digits of the program's SHA-256.
    pub version: String,
}

/// Programs for the snippets' variables.
#[derive(Default)]
pub struct Programs {
    /// `$DELTA`.
    pub delta: std::path::PathBuf,
    /// `$PYTHON`.
    pub python: std::path::PathBuf,
}

/// Installs what is missing where that is possible; names what stays missing and how to get it.
pub fn make_ready(wanted: &[&'static Peer], target: &Path) -> Result<(Vec<Ready>, Programs)> {
    let debian = wanted.iter().filter_map(|peer| match peer.origin {
        Origin::Debian { package, program } => Some((program, package)),
        _ => None,
    });
    tools::ensure_programs(&debian.chain([("time", "time")]).collect::<Vec<_>>());
    if !tools::is_there("time") {
        bail!("GNU time measures CPU time and memory, and is missing; on Debian: apt-get install time");
    }
    let mut programs = Programs::default();
    let mut ready = Vec::new();
    for peer in wanted {
        match version(peer, target, &mut programs) {
            Ok(version) => ready.push(Ready { peer, version }),
            Err(error) => eprintln!("  not measured: {}: {error:#}", peer.name),
        }
    }
    Ok((ready, programs))
}

/// The version of a peer that is here, or how to get it.
fn version(peer: &Peer, target: &Path, programs: &mut Programs) -> Result<String> {
    match peer.origin {
        Origin::Workspace => {
            programs.delta = tools::example("headwater-delta", "delta", tools::Profile::Release)?;
            Ok(tools::sha256(&programs.delta)?[..12].to_owned())
        }
        Origin::Debian { package, program } => {
            if !tools::is_there(program) {
                bail!("`{program}` is not here; on Debian, as root: apt-get install {package}");
            }
            command::output(Command::new("dpkg-query").args(["-W", "-f", "${Version}", package]))
        }
        Origin::Python { requirement, module } => {
            let folder = target.join("bench-venv");
            programs.python = tools::ensure_venv(&folder, &[requirement], &format!("import {module}"))
                .with_context(|| format!("get it with: pip install '{requirement}'"))?;
            let code = format!("import importlib.metadata as m; print(m.version('{module}'))");
            command::output(Command::new(&programs.python).args(["-c", &code]))
        }
    }
}
