//! `cargo xtask bench deltas`: our deltas beside other tools, over real series of releases, in one run.
//!
//! Steps: find the pairs of files, make the tools ready, measure each tool on each pair, render tables and a chart.
//! `peers` has what each tool runs; the series are the caller's and never part of the project.

mod chart;
mod measure;
mod peers;
mod selection;
mod series;
mod serve;
mod summary;
mod table;

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, bail};

use self::measure::{Bench, Row};
use self::peers::{FULL, OURS, PEERS, Peer, Ready};
use self::selection::Chooser;
use self::series::Pair;
use self::summary::Results;
use crate::bench::page::{self, machine, processes, write};
use crate::command;

/// The page whose measured part `--write` replaces, and the chart on it.
const PAGE: &str = "docs/benchmarks/deltas.md";
const CHART: &str = "docs/benchmarks/deltas.svg";
const CHART_TITLE: &str = "Bytes of a delta ÷ full zstd -19, geometric mean of distances 1 and 14";

/// What a run measures, and where its results go.
#[derive(Debug, PartialEq)]
pub struct Options {
    data: PathBuf,
    series: Option<Vec<String>>,
    distances: Vec<usize>,
    peers: Option<Vec<String>>,
    json: Option<PathBuf>,
    reuse: Option<PathBuf>,
    only_reuse: bool,
    hops: bool,
    write: bool,
}

impl Options {
    /// From the words after `bench deltas`.
    pub fn parse(words: &[&str]) -> Result<Self> {
        let mut options = Self {
            data: PathBuf::new(),
            series: None,
            distances: vec![1, 2, 5, 14],
            peers: None,
            json: None,
            reuse: None,
            only_reuse: false,
            hops: false,
            write: false,
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match *word {
                "--write" => options.write = true,
                "--hops" => options.hops = true,
                "--only-reuse" => options.only_reuse = true,
                _ => options.take(word, words.next())?,
            }
        }
        if options.data.as_os_str().is_empty() {
            bail!("`bench deltas` needs `--data DIR`, a folder of series");
        }
        if options.distances.contains(&0) {
            bail!("a distance counts releases, from 1 on");
        }
        Ok(options)
    }

    /// A word that has a value.
    fn take(&mut self, word: &str, value: Option<&&str>) -> Result<()> {
        let value = value.with_context(|| format!("`{word}` needs a value"))?;
        match word {
            "--data" => self.data = value.into(),
            "--series" => self.series = Some(list(value)?),
            "--distances" => self.distances = list(value)?,
            "--peers" => self.peers = Some(list(value)?),
            "--json" => self.json = Some(value.into()),
            "--reuse" => self.reuse = Some(value.into()),
            _ => bail!("`bench deltas` does not know `{word}`"),
        }
        Ok(())
    }

    fn peers(&self) -> Result<Vec<&'static Peer>> {
        let Some(keys) = &self.peers else { return Ok(PEERS.iter().collect()) };
        let find = |key: &String| {
            let known: Vec<&str> = PEERS.iter().map(|peer| peer.key).collect();
            let found = PEERS.iter().find(|peer| peer.key == key);
            found.with_context(|| format!("`{key}` is no tool; there are {}", known.join(", ")))
        };
        keys.iter().map(find).collect()
    }
}

fn list<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(text: &str) -> Result<Vec<T>> {
    let parse = |word: &str| word.parse().with_context(|| format!("`{text}`: cannot parse `{word}`"));
    text.split(',').map(parse).collect()
}

/// Measures and renders; fails in the end if something could not be measured or was decoded wrongly.
pub fn run(options: &Options) -> Result<()> {
    let target = command::target_folder(&command::workspace_root());
    let only = options.series.as_deref();
    let pairs = series::pairs(&options.data, only, &options.distances)?;
    let wholes = series::pairs(&options.data, only, &[0])?;
    let (full, _) = peers::make_ready(&[&FULL], &target)?;
    let (tools, programs) = peers::make_ready(&options.peers()?, &target)?;
    let ours = tools.iter().find(|ready| ready.peer.key == OURS).map_or(&[][..], std::slice::from_ref);
    let hops = if options.hops { series::hops(&options.data, only)? } else { Vec::new() };
    let chooser = options.hops.then(Chooser::new).transpose()?;
    let earlier = options.reuse.as_deref().map_or_else(|| Ok(Vec::new()), read_rows)?;
    let bench = Bench::new(target.join("bench"), programs, earlier)?;
    let work = [(full.as_slice(), &wholes), (&tools, &pairs), (ours, &hops)];
    let work = work
        .iter()
        .flat_map(|(tools, pairs)| pairs.iter().flat_map(|pair| tools.iter().map(move |tool| (tool, pair))));
    let Run { rows, busy, failures } = measure_all(&bench, work, options)?;
    let results = Results::new(rows);
    let populations = table::EXPECTED_GOALS.map(|(p, _)| p);
    let choices =
        chooser.map_or_else(|| Ok(Vec::new()), |chooser| chooser.choices(&results, &populations))?;
    let tables = table::tables(&results, &choices, &tools, &machine(&busy));
    println!("\n{tables}");
    if options.write {
        write_page(&results, &tables, &tools)?;
    }
    if !failures.is_empty() {
        bail!("not measured: {}", failures.join(", "));
    }
    Ok(())
}

/// What came of a run.
#[derive(Default)]
struct Run {
    rows: Vec<Row>,
    /// How busy the machine was after each measurement.
    busy: Vec<f64>,
    failures: Vec<String>,
}

fn measure_all<'a>(
    bench: &Bench,
    work: impl Iterator<Item = (&'a Ready, &'a Pair)>,
    options: &Options,
) -> Result<Run> {
    let mut run = Run::default();
    for (tool, pair) in work {
        let row =
            if options.only_reuse { bench.earlier(tool, pair) } else { bench.row(tool, pair).map(Some) };
        match row {
            Ok(None) => {}
            Ok(Some(row)) => {
                println!("  {}", describe(&row));
                run.busy.extend(processes().filter(|_| !row.reused));
                run.rows.push(row);
                // Whatever ends the run, what was measured is not lost.
                if let Some(path) = &options.json {
                    write(path, &serde_json::to_string_pretty(&run.rows)?)?;
                }
            }
            Err(error) => {
                let what =
                    format!("{} {} {}", pair.series, named(pair.distance, pair.behind), tool.peer.name);
                eprintln!("  {what}: {error:#}");
                run.failures.push(what);
            }
        }
    }
    Ok(run)
}

/// The measured part of the page, and the chart.
fn write_page(results: &Results, tables: &str, tools: &[Ready]) -> Result<()> {
    let root = command::workspace_root();
    let dots = tools.iter().filter_map(|ready| {
        let value = results.overall(ready.peer.key)?.bytes;
        Some(chart::Dot { name: ready.peer.name.to_owned(), value, ours: ready.peer.key == OURS })
    });
    write(&root.join(CHART), &chart::draw(CHART_TITLE, table::BYTES_GOAL, dots.collect()))?;
    page::write_measured(PAGE, tables)
}

/// d5; of a hop, which releases before the newest it leads from and to.
fn named(distance: usize, behind: usize) -> String {
    if behind == 0 { format!("d{distance}") } else { format!("d{}→d{behind}", behind + distance) }
}

fn describe(row: &Row) -> String {
    format!(
        "{} {} {}: {} bytes, encode {:.2} s, decode {:.2} s, {:.0} MB{}",
        row.series,
        named(row.distance, row.behind),
        row.peer,
        row.bytes,
        row.encode_seconds,
        row.decode_seconds,
        row.decode_memory as f64 / 1e6,
        if row.reused { " (earlier pass)" } else { "" }
    )
}

fn read_rows(path: &Path) -> Result<Vec<Row>> {
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    serde_json::from_str(&text)
        .with_context(|| format!("{} is not the `--json` of an earlier run", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row as a run would make it: 2 s to encode, 0.5 s to decode, 30 MB.
    pub fn row(series: &str, distance: usize, peer: &str, bytes: u64) -> Row {
        Row {
            series: series.to_owned(),
            distance,
            behind: 0,
            peer: peer.to_owned(),
            version: "1.0".to_owned(),
            encode: String::new(),
            decode: String::new(),
            from: String::new(),
            to: String::new(),
            bytes,
            encode_seconds: 2.0,
            decode_seconds: 0.5,
            decode_memory: 30_000_000,
            reused: false,
        }
    }

    #[test]
    fn options_are_parsed_or_named() {
        let options =
            Options::parse(&["--data", "feed", "--series", "a,b", "--distances", "1,3", "--write"]).unwrap();
        assert_eq!(options.series, Some(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!((options.distances.as_slice(), options.write), (&[1, 3][..], true));
        let check = |words: &[&str], expected: &str| {
            let error = Options::parse(words).and_then(|options| options.peers()).err().unwrap();
            assert!(format!("{error:#}").contains(expected), "{error:#}");
        };
        check(&[], "--data DIR");
        check(&["--data"], "needs a value");
        check(&["--data", "feed", "--distances", "1,x"], "`x`");
        check(&["--data", "feed", "--distances", "0"], "from 1 on");
        check(&["--data", "feed", "--peers", "rsync"], "there are headwater, hdiffpatch");
        check(&["--data", "feed", "--what", "1"], "--what");
    }

    #[test]
    fn the_page_has_a_measured_part() {
        page::assert_measured(PAGE);
    }
}
