//! A generated feed of rules, edited as real rule sets are.
//!
//! Everything follows from a seed, so that two demos publish the same bytes. A release differs from the previous one as real
//! ones do: a few rules are added (most of them in the newest family), some get a new revision in place, some are removed;
//! a small list of fresh indicators is mostly replaced; a sorted binary table has insertions throughout; a header has the
//! counts.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

/// Rules in the first release; about 180 bytes each.
const RULES: usize = 14_000;
/// Records of the binary table; 20 bytes each.
const RECORDS: usize = 40_000;
/// Lines of the list that is mostly replaced each time.
const FRESH: usize = 1_500;
/// Rule families, in the order of the file.
const FAMILIES: [&str; 6] = ["worm", "backdoor", "macro", "phish", "miner", "locker"];

/// The rule set, one release after another.
#[derive(Debug, Clone)]
pub struct RuleSet {
    chance: Chance,
    number: u32,
    next_id: u32,
    rules: Vec<Rule>,
    records: Vec<[u8; 20]>,
    fresh: Vec<String>,
}

#[derive(Debug, Clone)]
struct Rule {
    id: u32,
    family: usize,
    revision: u32,
    severity: u32,
    pattern: [u64; 4],
}

impl RuleSet {
    /// The first release.
    pub fn new(seed: u64) -> Self {
        let mut set = Self {
            chance: Chance(seed),
            number: 1,
            next_id: 100_000,
            rules: Vec::with_capacity(RULES),
            records: Vec::with_capacity(RECORDS),
            fresh: Vec::with_capacity(FRESH),
        };
        for index in 0..RULES {
            let rule = set.make_rule(index * FAMILIES.len() / RULES);
            set.rules.push(rule);
        }
        for _ in 0..RECORDS {
            let record = set.make_record();
            set.records.push(record);
        }
        set.records.sort_unstable();
        set.replace_fresh(0);
        set
    }

    /// Advances to the next release.
    pub fn advance(&mut self) {
        self.number += 1;
        let retired = self.rules.len() / 500;
        for _ in 0..retired {
            let index = self.chance.below(self.rules.len());
            self.rules.remove(index);
        }
        for _ in 0..self.rules.len() / 200 {
            let index = self.chance.below(self.rules.len());
            let fresh = self.chance.next();
            let rule = &mut self.rules[index];
            rule.revision += 1;
            rule.pattern[3] = fresh;
        }
        for _ in 0..self.rules.len() / 100 {
            let family =
                if self.chance.below(3) > 0 { FAMILIES.len() - 1 } else { self.chance.below(FAMILIES.len()) };
            let rule = self.make_rule(family);
            let at = self.rules.partition_point(|other| other.family <= family);
            self.rules.insert(at, rule);
        }
        for _ in 0..RECORDS / 150 {
            let record = self.make_record();
            let at = self.records.partition_point(|other| other < &record);
            self.records.insert(at, record);
        }
        self.replace_fresh(FRESH / 5);
    }

    /// The version of the release.
    pub fn version(&self) -> String {
        format!("2026.11.{}", self.number)
    }

    /// Writes the release as a folder.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder.join("rules"))?;
        let mut header = String::new();
        let _ = writeln!(
            header,
            "version {}\nrules {}\nrecords {}",
            self.version(),
            self.rules.len(),
            self.records.len()
        );
        fs::write(folder.join("VERSION"), header)?;
        fs::write(folder.join("rules/base.rules"), self.rules_text())?;
        fs::write(folder.join("rules/fresh.list"), self.fresh.join("\n"))?;
        fs::write(folder.join("rules/hashes.bin"), self.records.concat())
    }

    fn rules_text(&self) -> String {
        let mut text = format!("# rule set {}\n", self.version());
        for rule in &self.rules {
            let [a, b, c, d] = rule.pattern;
            let _ = writeln!(
                text,
                "rule {} {{ family = \"{}\"; revision = {}; severity = {}; strings: $a = {{ {a:016x} {b:016x} }} $b = {{ {c:016x} }} $c = {{ {d:016x} }}; condition: $a and any of ($b, $c) }}",
                rule.id, FAMILIES[rule.family], rule.revision, rule.severity
            );
        }
        text
    }

    fn make_rule(&mut self, family: usize) -> Rule {
        self.next_id += 1;
        Rule {
            id: self.next_id,
            family,
            revision: 1,
            severity: 1 + u32::try_from(self.chance.below(5)).unwrap_or(0),
            pattern: std::array::from_fn(|_| self.chance.next()),
        }
    }

    fn make_record(&mut self) -> [u8; 20] {
        let mut record = [0; 20];
        record[..8].copy_from_slice(&self.chance.next().to_be_bytes());
        record[8..16].copy_from_slice(&self.chance.next().to_be_bytes());
        record[16..].copy_from_slice(&self.number.to_be_bytes());
        record
    }

    fn replace_fresh(&mut self, kept: usize) {
        self.fresh.truncate(kept);
        while self.fresh.len() < FRESH {
            let host = self.chance.next();
            self.fresh.push(format!("h{:08x}.example-{:03}.test", host >> 32, host % 997));
        }
    }
}

/// Writes release `number` of a small program: a shell script, its list of words, an installer. The installer runs in the
/// folder of the release and changes nothing elsewhere.
pub fn write_program(folder: &Path, number: u32) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let tool = format!(
        "#!/bin/sh\n# greet, release {number}: the demo's small program.\nif [ \"$1\" = --self-test ]; then\n    test -s words.txt && exit 0\n    echo \"words.txt is missing\" >&2\n    exit 1\nfi\necho \"greet {number}: $(head -n 1 words.txt)\"\n"
    );
    let install = "#!/bin/sh\nset -e\nsh ./greet.sh --self-test\necho installed\n";
    let mut words = String::new();
    for line in 1..=u64::from(number) * 40 {
        let _ = writeln!(words, "word {line} of release {number}");
    }
    fs::write(folder.join("greet.sh"), tool)?;
    fs::write(folder.join("install.sh"), install)?;
    fs::write(folder.join("words.txt"), words)
}

/// SplitMix64: small, seeded, the same everywhere.
#[derive(Debug, Clone)]
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("a remainder of a usize is a usize")
    }
}

#[cfg(test)]
mod tests {
    use super::{RuleSet, write_program};

    #[test]
    fn a_release_is_a_few_megabytes_and_mostly_like_the_previous_one() {
        let mut set = RuleSet::new(7);
        let first = set.rules_text();
        set.advance();
        let second = set.rules_text();
        assert!((2_000_000..5_000_000).contains(&first.len()), "{}", first.len());
        let old: std::collections::HashSet<&str> = first.lines().collect();
        let kept = second.lines().filter(|line| old.contains(line)).count();
        assert!(kept * 100 / first.lines().count() >= 97, "{kept} lines kept");
        assert_ne!(first, second);
    }

    #[test]
    fn the_same_seed_makes_the_same_feed() {
        let (mut one, mut other) = (RuleSet::new(7), RuleSet::new(7));
        one.advance();
        other.advance();
        assert_eq!(one.rules_text(), other.rules_text());
        assert_ne!(one.rules_text(), RuleSet::new(8).rules_text());
    }

    #[test]
    fn the_program_installs_itself_on_any_linux() {
        let folder = tempfile::tempdir().unwrap();
        write_program(folder.path(), 2).unwrap();
        let status = std::process::Command::new("/bin/sh")
            .arg("install.sh")
            .current_dir(folder.path())
            .stdout(std::process::Stdio::null())
            .status()
            .unwrap();
        assert!(status.success());
    }
}
