//! The results of a run as Markdown: beside the goals, tool by tool, pair by pair. Pure.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::measure::Row;
use super::peers::{FULL, OURS, Peer, REFERENCE, Ready};
use super::selection::Choice;
use super::series::RELEASES_BEHIND;
use super::summary::{GOAL_DISTANCES, Results};

/// Goal of the geometric mean of bytes ÷ full.
pub const BYTES_GOAL: f64 = 0.039;
/// Goal of the CPU seconds of all decodings.
const DECODE_SECONDS_GOAL: f64 = 2.8;
/// Goal of the peak while decoding, in bytes.
const DECODE_MEMORY_GOAL: f64 = 64e6;
/// Shares of clients one release behind, and goals of the expected bytes relative to [`REFERENCE`].
pub const EXPECTED_GOALS: [(f64, f64); 2] = [(0.2, 0.80), (0.5, 0.70)];

/// All tables of a run of `tools`, what the server chooses among them if the run has it; `machine` in general terms.
pub fn tables(results: &Results, choices: &[Choice], tools: &[Ready], machine: &str) -> String {
    let mut text = format!("Measured on {machine}.{}\n\n", reused(results, tools));
    text += &goals(results, choices);
    text += &overall(results, tools);
    text += &chosen(results, choices);
    for series in results.series() {
        text += &pairs(results, tools, series);
    }
    text
}

/// Which rows are not of this run.
fn reused(results: &Results, tools: &[Ready]) -> String {
    let describe = |peer: &Peer| {
        let rows = || results.rows().filter(|row| row.peer == peer.key);
        let (all, reused) = (rows().count(), rows().filter(|row| row.reused).count());
        let some = if reused < all { format!(" ({reused} of {all})") } else { String::new() };
        (reused > 0).then(|| format!("{}{some}", peer.name))
    };
    let reused: Vec<String> =
        [&FULL].into_iter().chain(tools.iter().map(|ready| ready.peer)).filter_map(describe).collect();
    if reused.is_empty() {
        return String::new();
    }
    format!(" From an earlier pass: {}.", reused.join("; "))
}

fn goals(results: &Results, choices: &[Choice]) -> String {
    let ours = results.overall(OURS);
    let reference = results.overall(REFERENCE);
    let mut text = "| | goal | Headwater | HDiffPatch, lzma2 | best other tool, pair by pair | |\n|---|---|---|---|---|---|\n".to_owned();
    let mut line = |what: &str, goal: f64, of: [Option<f64>; 3], show: fn(f64) -> String| {
        let [ours, reference, best] = of.map(|value| value.map_or_else(|| "–".to_owned(), show));
        let verdict = of[0].map_or_else(String::new, |value| verdict(value, goal));
        let _ =
            writeln!(text, "| {what} | ≤ {} | **{ours}** | {reference} | {best} | {verdict} |", show(goal));
    };
    let both = |value: fn(&super::summary::Overall) -> f64| {
        [ours.as_ref().map(value), reference.as_ref().map(value)]
    };
    let [a, b] = both(|it| it.bytes);
    line("bytes ÷ full, geometric mean", BYTES_GOAL, [a, b, results.best_other()], ratio);
    let [a, b] = both(|it| it.decode_seconds);
    line("decode CPU s, all pairs", DECODE_SECONDS_GOAL, [a, b, None], seconds);
    let [a, b] = both(|it| it.decode_memory as f64);
    line("decode peak RSS MB", DECODE_MEMORY_GOAL, [a, b, None], megabytes);
    for (p, goal) in EXPECTED_GOALS {
        let of = [results.expected(OURS, p), results.expected(REFERENCE, p), results.expected_best_other(p)];
        line(&format!("expected bytes, p = {p}"), goal, of, share);
        let bytes: BTreeMap<&str, f64> =
            choices.iter().filter(|it| it.p == p).map(|it| (it.series.as_str(), it.expected)).collect();
        if let Some(chosen) = results.expected_of(&bytes, p) {
            line(&format!("… as the server chooses, p = {p}"), goal, [Some(chosen), None, None], share);
        }
    }
    text + "\n"
}

/// What the server would make of each series for each population, beside straight deltas from everywhere.
fn chosen(results: &Results, choices: &[Choice]) -> String {
    if choices.is_empty() {
        return String::new();
    }
    let mut text = "### What the server chooses\n\n| series | p | straight from | stored ÷ full | all straight | bytes per client | all straight |\n|---|---|---:|---:|---:|---:|---:|\n".to_owned();
    for Choice { series, p, stored, stored_straight, straight, expected, expected_straight } in choices {
        let part = |bytes: &u64| {
            results.full(series).map_or_else(|| "–".to_owned(), |full| share(*bytes as f64 / full))
        };
        let bytes = [*expected, *expected_straight].map(|bytes| thousands(bytes.round() as u64));
        let _ = writeln!(
            text,
            "| {series} | {p} | {straight} of {RELEASES_BEHIND} | {} | {} | {} |",
            part(stored),
            part(stored_straight),
            bytes.join(" | ")
        );
    }
    text + "\n"
}

fn verdict(value: f64, goal: f64) -> String {
    if value <= goal { "reached".to_owned() } else { format!("missed: {:.2} times the goal", value / goal) }
}

fn overall(results: &Results, tools: &[Ready]) -> String {
    let distances = GOAL_DISTANCES.map(|distance| format!("d{distance}")).join(" and ");
    let mut text = format!("### All pairs of {distances}\n\n");
    text += "| tool | version | bytes ÷ full | encode CPU s | decode CPU s | decode peak RSS MB |\n|---|---|---|---|---|---|\n";
    for Ready { peer, version } in tools.iter().filter(|ready| ready.peer.key != FULL.key) {
        let Some(it) = results.overall(peer.key) else { continue };
        let version = if peer.key == OURS { "this" } else { version };
        let costs =
            [seconds(it.encode_seconds), seconds(it.decode_seconds), megabytes(it.decode_memory as f64)];
        let _ = writeln!(text, "| {} | {version} | {} | {} |", peer.name, ratio(it.bytes), costs.join(" | "));
    }
    text + "\n"
}

/// One series: bytes at each distance, costs at the nearest and the farthest.
fn pairs(results: &Results, tools: &[Ready], series: &str) -> String {
    let distances = results.distances();
    let (Some(near), Some(far)) = (distances.first(), distances.last()) else { return String::new() };
    let full = results.full(series).map_or_else(|| "–".to_owned(), |bytes| thousands(bytes as u64));
    let mut text = format!("### {series}: {full} bytes in full\n\n| tool |");
    let heads = distances.iter().map(|distance| format!("bytes d{distance}"));
    let ends = ["encode CPU s", "decode CPU s", "RSS MB"]
        .iter()
        .flat_map(|what| [near, far].map(|distance| format!("{what} d{distance}")));
    let heads: Vec<String> = heads.chain(ends).collect();
    let _ = writeln!(text, " {} |\n|---|{}", heads.join(" | "), "---:|".repeat(heads.len()));
    for peer in tools.iter().map(|ready| ready.peer).filter(|peer| peer.key != FULL.key) {
        let cell = |distance: usize, show: &dyn Fn(&Row) -> String| {
            results.find(series, distance, peer.key).map_or_else(|| "–".to_owned(), show)
        };
        let bytes = distances.iter().map(|distance| cell(*distance, &|row| thousands(row.bytes)));
        let costs: [&dyn Fn(&Row) -> String; 3] =
            [&|row| seconds(row.encode_seconds), &|row| seconds(row.decode_seconds), &|row| {
                megabytes(row.decode_memory as f64)
            }];
        let ends = costs.iter().flat_map(|show| [near, far].map(|distance| cell(*distance, show)));
        let cells: Vec<String> = bytes.chain(ends).collect();
        let _ = writeln!(text, "| {} | {} |", peer.name, cells.join(" | "));
    }
    text + "\n"
}

/// A part of the full body; with as many digits as neighbours differ in.
pub fn ratio(value: f64) -> String {
    format!("{value:.4}")
}

fn share(value: f64) -> String {
    format!("{value:.2}")
}

fn seconds(value: f64) -> String {
    if value < 10.0 { format!("{value:.2}") } else { format!("{value:.0}") }
}

fn megabytes(bytes: f64) -> String {
    format!("{:.0}", bytes / 1e6)
}

fn thousands(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::peers::PEERS;
    use super::super::tests::row;
    use super::*;

    #[test]
    fn numbers_are_read_by_people() {
        let found = [thousands(999), thousands(1_000), thousands(12_345_678), seconds(0.018), seconds(11.7)];
        assert_eq!(found, ["999", "1,000", "12,345,678", "0.02", "12"]);
        assert_eq!([verdict(0.039, 0.039), verdict(5.6, 2.8)], ["reached", "missed: 2.00 times the goal"]);
    }

    #[test]
    fn a_run_is_shown_beside_the_goals() {
        let mut rows = vec![row("psl", 0, FULL.key, 81_006)];
        for (distance, ours, reference) in [(1, 94, 299), (14, 1_122, 1_956)] {
            rows.push(row("psl", distance, OURS, ours));
            rows.push(Row { reused: true, ..row("psl", distance, REFERENCE, reference) });
        }
        rows[1].reused = true;
        let choice = |p: f64, expected: f64| Choice {
            series: "psl".to_owned(),
            p,
            stored: 8_101,
            stored_straight: 12_151,
            straight: 9,
            expected,
            expected_straight: 250.4,
        };
        let choices = [choice(0.2, 700.0), choice(0.5, 300.0)];
        let tools: Vec<Ready> =
            PEERS[..2].iter().map(|peer| Ready { peer, version: "1.0".to_owned() }).collect();
        let expected = "\
Measured on 2 cores. From an earlier pass: Headwater (1 of 2); HDiffPatch, lzma2.

| | goal | Headwater | HDiffPatch, lzma2 | best other tool, pair by pair | |
|---|---|---|---|---|---|
| bytes ÷ full, geometric mean | ≤ 0.0390 | **0.0040** | 0.0094 | 0.0094 | reached |
| decode CPU s, all pairs | ≤ 2.80 | **1.00** | 1.00 | – | reached |
| decode peak RSS MB | ≤ 64 | **30** | 30 | – | reached |
| expected bytes, p = 0.2 | ≤ 0.80 | **0.46** | 1.00 | 1.00 | reached |
| … as the server chooses, p = 0.2 | ≤ 0.80 | **0.87** | – | – | missed: 1.09 times the goal |
| expected bytes, p = 0.5 | ≤ 0.70 | **0.38** | 1.00 | 1.00 | reached |
| … as the server chooses, p = 0.5 | ≤ 0.70 | **0.64** | – | – | reached |

### All pairs of d1 and d14

| tool | version | bytes ÷ full | encode CPU s | decode CPU s | decode peak RSS MB |
|---|---|---|---|---|---|
| Headwater | this | 0.0040 | 4.00 | 1.00 | 30 |
| HDiffPatch, lzma2 | 1.0 | 0.0094 | 4.00 | 1.00 | 30 |

### What the server chooses

| series | p | straight from | stored ÷ full | all straight | bytes per client | all straight |
|---|---|---:|---:|---:|---:|---:|
| psl | 0.2 | 9 of 14 | 0.10 | 0.15 | 700 | 250 |
| psl | 0.5 | 9 of 14 | 0.10 | 0.15 | 300 | 250 |

### psl: 81,006 bytes in full

| tool | bytes d1 | bytes d14 | encode CPU s d1 | encode CPU s d14 | decode CPU s d1 | decode CPU s d14 | RSS MB d1 | RSS MB d14 |
|---|---:|---:|---:|---:|---:|---:|---:|---:|
| Headwater | 94 | 1,122 | 2.00 | 2.00 | 0.50 | 0.50 | 30 | 30 |
| HDiffPatch, lzma2 | 299 | 1,956 | 2.00 | 2.00 | 0.50 | 0.50 | 30 | 30 |

";
        assert_eq!(tables(&Results::new(rows), &choices, &tools, "2 cores"), expected);
    }
}
