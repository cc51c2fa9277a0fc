//! Means and sums over the rows. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::measure::Row;
use super::peers::{FULL, OURS, REFERENCE};
use super::series::RELEASES_BEHIND;

/// Distances over which the goals are means and sums.
pub const GOAL_DISTANCES: [usize; 2] = [1, 14];

/// One row for each pair and tool, found by them.
pub struct Results {
    rows: Vec<Row>,
    /// Ours between neighbours of which neither is the newest.
    hops: Vec<Row>,
}

/// A tool over all pairs.
#[derive(Debug, PartialEq)]
pub struct Overall {
    /// Geometric mean of bytes ÷ full over the goals' distances.
    pub bytes: f64,
    /// CPU seconds over the same pairs.
    pub encode_seconds: f64,
    /// CPU seconds over the same pairs.
    pub decode_seconds: f64,
    /// The largest peak while decoding one of them, in bytes.
    pub decode_memory: u64,
}

/// Bytes of the deltas from one release: straight to the newest, and to the one after it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Age {
    /// To the newest.
    pub straight: u64,
    /// To the one after it.
    pub hop: u64,
}

impl Results {
    /// Rows of one run.
    pub fn new(rows: Vec<Row>) -> Self {
        let (rows, hops) = rows.into_iter().partition(|row| row.behind == 0);
        Self { rows, hops }
    }

    /// All of them, hops included.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().chain(&self.hops)
    }

    /// Series, by name.
    pub fn series(&self) -> BTreeSet<&str> {
        self.rows.iter().map(|row| row.series.as_str()).collect()
    }

    /// Distances that were measured, from near to far.
    pub fn distances(&self) -> BTreeSet<usize> {
        self.rows.iter().map(|row| row.distance).filter(|distance| *distance > 0).collect()
    }

    /// One tool's row for one pair.
    pub fn find(&self, series: &str, distance: usize, peer: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.series == series && row.distance == distance && row.peer == peer)
    }

    /// Bytes of a series' newest file alone.
    pub fn full(&self, series: &str) -> Option<f64> {
        self.find(series, 0, FULL.key).map(|row| row.bytes as f64)
    }

    /// A tool over the goals' pairs of all series; `None` if one is missing.
    pub fn overall(&self, peer: &str) -> Option<Overall> {
        let rows =
            self.goal_pairs().map(|(series, d)| self.find(series, d, peer)).collect::<Option<Vec<_>>>()?;
        let ratios = rows.iter().map(|row| Some(row.bytes as f64 / self.full(&row.series)?));
        Some(Overall {
            bytes: geometric_mean(&ratios.collect::<Option<Vec<_>>>()?)?,
            encode_seconds: rows.iter().map(|row| row.encode_seconds).sum(),
            decode_seconds: rows.iter().map(|row| row.decode_seconds).sum(),
            decode_memory: rows.iter().map(|row| row.decode_memory).max()?,
        })
    }

    /// Geometric mean of bytes ÷ full where for each of the goals' pairs the best of the other tools is taken.
    pub fn best_other(&self) -> Option<f64> {
        let ratios = self
            .goal_pairs()
            .map(|(series, distance)| Some(self.best_other_bytes(series, distance)? / self.full(series)?));
        geometric_mean(&ratios.collect::<Option<Vec<_>>>()?)
    }

    fn best_other_bytes(&self, series: &str, distance: usize) -> Option<f64> {
        let others = self.rows.iter().filter(|row| row.series == series && row.distance == distance);
        let bytes = others.filter(|row| row.peer != OURS && row.peer != FULL.key).map(|row| row.bytes);
        bytes.min().map(|bytes| bytes as f64)
    }

    fn goal_pairs(&self) -> impl Iterator<Item = (&str, usize)> {
        self.series().into_iter().flat_map(|series| GOAL_DISTANCES.map(|distance| (series, distance)))
    }

    /// Expected bytes of a client with the tool ÷ those with [`REFERENCE`], geometric mean over the series, where each
    /// release behind has a share `p` of the clients that are at least so far behind.
    pub fn expected(&self, peer: &str, p: f64) -> Option<f64> {
        self.expected_by(p, |series, distance| Some(self.find(series, distance, peer)?.bytes as f64))
    }

    /// As [`Self::expected`], with the best of the other tools for each pair.
    pub fn expected_best_other(&self, p: f64) -> Option<f64> {
        self.expected_by(p, |series, distance| self.best_other_bytes(series, distance))
    }

    /// Bytes of a series' newest file alone, and of our deltas from each of the last releases; `None` if hops were not
    /// measured. Distances that were not measured lie between those that were, as everywhere here.
    pub fn ages(&self, series: &str) -> Option<(u64, Vec<Age>)> {
        let sizes = self.distances().into_iter();
        let sizes = sizes.map(|distance| Some((distance, self.find(series, distance, OURS)?.bytes as f64)));
        let sizes = sizes.collect::<Option<BTreeMap<_, _>>>()?;
        let hop = |behind: usize| {
            let hops = || self.hops.iter().filter(|row| row.series == series);
            hops().find(|row| row.behind == behind).map(|row| row.bytes)
        };
        let age = |behind: usize| {
            let straight = between(&sizes, behind)?.round() as u64;
            Some(Age { straight, hop: if behind == 1 { straight } else { hop(behind - 1)? } })
        };
        let ages = (1..=RELEASES_BEHIND).map(age).collect::<Option<_>>()?;
        Some((self.find(series, 0, FULL.key)?.bytes, ages))
    }

    /// As [`Self::expected`], for what a client of each series fetches on average.
    pub fn expected_of(&self, bytes: &BTreeMap<&str, f64>, p: f64) -> Option<f64> {
        let ratios = self.series().into_iter().map(|series| {
            let reference = |distance| Some(self.find(series, distance, REFERENCE)?.bytes as f64);
            Some(bytes.get(series)? / self.expected_bytes(p, &reference)?)
        });
        geometric_mean(&ratios.collect::<Option<Vec<_>>>()?)
    }

    fn expected_by(&self, p: f64, bytes: impl Fn(&str, usize) -> Option<f64>) -> Option<f64> {
        let of = |series| Some((series, self.expected_bytes(p, &|distance| bytes(series, distance))?));
        self.expected_of(&self.series().into_iter().map(of).collect::<Option<_>>()?, p)
    }

    fn expected_bytes(&self, p: f64, bytes: &dyn Fn(usize) -> Option<f64>) -> Option<f64> {
        let sizes = self.distances().into_iter().map(|distance| Some((distance, bytes(distance)?)));
        expected_bytes(&sizes.collect::<Option<BTreeMap<_, _>>>()?, p)
    }
}

/// `None` if there are no values.
pub fn geometric_mean(values: &[f64]) -> Option<f64> {
    let sum: f64 = values.iter().map(|value| value.ln()).sum();
    (!values.is_empty()).then(|| (sum / values.len() as f64).exp())
}

/// What a client fetches on average, of those 1 to 14 releases behind: a share `p` is one behind, a share `p` of the rest two
/// behind, and so on. Distances that were not measured lie on the line between their neighbours, both logarithmic.
pub fn expected_bytes(sizes: &BTreeMap<usize, f64>, p: f64) -> Option<f64> {
    let (mut bytes, mut clients) = (0.0, 0.0);
    for behind in 1..=RELEASES_BEHIND {
        let share = share(p, behind);
        bytes += share * between(sizes, behind)?;
        clients += share;
    }
    Some(bytes / clients)
}

/// Of all clients, those so many releases behind.
pub fn share(p: f64, behind: usize) -> f64 {
    p * (1.0 - p).powi(behind as i32 - 1)
}

/// The size at a distance, on the line between those measured; beyond them the nearest.
fn between(sizes: &BTreeMap<usize, f64>, distance: usize) -> Option<f64> {
    let before = sizes.range(..=distance).next_back();
    let after = sizes.range(distance..).next();
    let ((near, low), (far, high)) = (before.or(after)?, after.or(before)?);
    if near == far {
        return Some(*low);
    }
    let logarithm = |distance: usize| (distance as f64).ln();
    let part = (logarithm(distance) - logarithm(*near)) / (logarithm(*far) - logarithm(*near));
    Some(low * (high / low).powf(part))
}

#[cfg(test)]
mod tests {
    use super::super::tests::row;
    use super::*;

    fn check_close(found: Option<f64>, expected: f64) {
        assert!(
            found.is_some_and(|found| (found / expected - 1.0).abs() < 1e-9),
            "{found:?} is not {expected}"
        );
    }

    #[test]
    fn a_geometric_mean_is_of_something() {
        check_close(geometric_mean(&[1.0, 100.0]), 10.0);
        check_close(geometric_mean(&[0.5]), 0.5);
        assert_eq!(geometric_mean(&[]), None);
    }

    #[test]
    fn sizes_between_lie_on_a_line_of_logarithms() {
        let sizes = BTreeMap::from([(1, 10.0), (4, 1000.0)]);
        check_close(between(&sizes, 1), 10.0);
        check_close(between(&sizes, 2), 100.0);
        check_close(between(&sizes, 4), 1000.0);
        check_close(between(&sizes, 14), 1000.0);
        assert_eq!(between(&BTreeMap::new(), 1), None);
    }

    #[test]
    fn near_releases_weigh_as_many_clients_as_are_there() {
        let flat = (1..=14).map(|distance| (distance, 7.0)).collect();
        check_close(expected_bytes(&flat, 0.2), 7.0);
        // Only clients one release behind fetch anything: their share of all, 14 releases making one minus a half to the 14th.
        let near = (1..=14).map(|distance| (distance, if distance == 1 { 1.0 } else { 0.0 })).collect();
        check_close(expected_bytes(&near, 0.5), 0.5 / (1.0 - 0.5_f64.powi(14)));
    }

    #[test]
    fn the_server_is_asked_where_all_hops_were_measured() {
        let straight = [row("a", 0, FULL.key, 1000), row("a", 1, OURS, 10), row("a", 14, OURS, 160)];
        let hop = |behind: usize| Row { behind, ..row("a", 1, OURS, 20 + behind as u64) };
        let ages = |hops: usize| {
            Results::new([&straight[..], &(1..=hops).map(hop).collect::<Vec<_>>()].concat()).ages("a")
        };
        assert_eq!(ages(12), None, "one hop is missing");
        let (body, ages) = ages(13).unwrap();
        assert_eq!((body, ages.len()), (1000, 14));
        assert_eq!((ages[0], ages[13]), (Age { straight: 10, hop: 10 }, Age { straight: 160, hop: 33 }));
    }

    #[test]
    fn tools_are_compared_over_the_same_pairs() {
        let rows = vec![
            row("a", 0, FULL.key, 1000),
            row("a", 1, OURS, 10),
            row("a", 14, OURS, 160),
            row("a", 1, REFERENCE, 20),
            row("a", 14, REFERENCE, 320),
            row("a", 1, "bsdiff", 40),
        ];
        let results = Results::new(rows);
        check_close(results.overall(OURS).map(|overall| overall.bytes), 0.04);
        assert_eq!(results.overall(OURS).map(|overall| overall.decode_seconds), Some(1.0));
        assert_eq!(results.overall("bsdiff"), None, "a pair is missing");
        check_close(results.best_other(), 0.08);
        check_close(results.expected(OURS, 0.2), 0.5);
        check_close(results.expected(REFERENCE, 0.2), 1.0);
        check_close(results.expected_best_other(0.5), 1.0);
    }
}
