//! The demo's words: what each client did, and why. Pure: reports in, lines out.

use std::collections::BTreeMap;

use headwater_api::plan::PlanDocument;
use headwater_api::report::{Attempt, AttemptResult, ClassResult, Installed, Report};

use super::sites::Site;
use super::totals::Totals;
use crate::output::{Paint, bytes, counted, word};

/// More clients than these are told of by site.
const TOLD_SINGLY_MAX: usize = 12;

/// What is known for telling a round.
#[derive(Debug)]
pub struct Story<'a> {
    /// Colours.
    pub paint: Paint,
    /// Who is where.
    pub sites: &'a [Site],
    /// Each client's plans, for the reasons.
    pub plans: &'a BTreeMap<String, PlanDocument>,
    /// What each client had installed before.
    pub before: &'a BTreeMap<String, Report>,
}

impl Story<'_> {
    /// A round of runs, client by client or, where there are many, site by site.
    pub fn round(&self, reports: &[&Report], singly: bool) -> String {
        let members: usize = self.sites.iter().map(|site| site.members().count()).sum();
        let mut lines = Vec::new();
        for site in self.sites {
            let here: Vec<&Report> = site
                .members()
                .flat_map(|member| reports.iter().filter(move |report| report.client == member.id))
                .copied()
                .collect();
            if singly && members <= TOLD_SINGLY_MAX {
                lines.extend(here.into_iter().map(|report| self.run(report)));
            } else {
                lines.extend(self.site(site, &here));
            }
        }
        lines.join("\n")
    }

    /// One run: a line for each class.
    pub fn run(&self, report: &Report) -> String {
        let addresses = report.addresses.join(" ");
        let mut text = format!(
            "  {} {}",
            self.paint.bold(&report.client),
            self.paint.dim(&format!("at {addresses}, {} ms", report.duration_ms))
        );
        for outcome in &report.classes {
            let attempts: Vec<&Attempt> =
                report.attempts.iter().filter(|attempt| attempt.class == outcome.class).collect();
            let received = attempts.iter().map(|attempt| attempt.bytes).sum();
            let (source, why) = match &outcome.source {
                Some(source) => (source_words(source), self.why(&report.client, &outcome.class, source)),
                None => ("no source".to_owned(), String::new()),
            };
            let result = match outcome.result {
                ClassResult::Updated => {
                    self.paint.green(&format!("{:<34}", self.step(report, &outcome.class)))
                }
                ClassResult::Current => self.paint.dim(&format!("{:<34}", "nothing new")),
                result => self.paint.red(&format!("{}: {}", word(&result), outcome.message)),
            };
            let line = format!(
                "    {:<11} {:<22} {:>9}  {result}  {}",
                outcome.class,
                source,
                bytes(received),
                self.paint.dim(&why)
            );
            text.push_str(&format!("\n{}", line.trim_end()));
            for failed in attempts.iter().filter(|attempt| attempt.result == AttemptResult::Failed) {
                text.push_str(&format!("\n    {:<11} {}", "", self.paint.yellow(&failure(failed))));
            }
        }
        text
    }

    /// What changed for a class: versions from and to.
    fn step(&self, report: &Report, class: &str) -> String {
        if class == "settings" {
            let before = self.before.get(&report.client).map_or(0, |before| before.policy_version);
            return match before {
                0 => format!("source list {} (first)", report.policy_version),
                before if before == report.policy_version => "settings of its domain".to_owned(),
                before => format!("source list {before} → {}", report.policy_version),
            };
        }
        let none = BTreeMap::new();
        let now = report.installed.get(class).unwrap_or(&none);
        let then =
            self.before.get(&report.client).and_then(|report| report.installed.get(class)).unwrap_or(&none);
        let changed: Vec<String> = now
            .iter()
            .filter(|(name, installed)| then.get(*name) != Some(*installed))
            .map(|(name, installed)| version_step(name, then.get(name), installed))
            .collect();
        match changed.as_slice() {
            [] => "updated".to_owned(),
            [first, second, rest @ ..] if !rest.is_empty() => {
                format!("{first}, {second} and {} more", rest.len())
            }
            all => all.join(", "),
        }
    }

    fn why(&self, client: &str, class: &str, source: &str) -> String {
        let plan = self.plans.get(client).and_then(|plans| plans.get(class));
        let step = plan.and_then(|plan| plan.steps.iter().find(|step| step.source == source));
        match step.map(|step| (step.entry, &step.reason)) {
            Some((Some(entry), reason)) => format!("entry {entry}: {reason}"),
            Some((None, reason)) => reason.clone(),
            None => String::new(),
        }
    }

    /// A site in one line, and one for each client that failed.
    fn site(&self, site: &Site, reports: &[&Report]) -> Vec<String> {
        let mut from: BTreeMap<String, u64> = BTreeMap::new();
        let mut updated = 0;
        let mut lines = Vec::new();
        for report in reports {
            for attempt in &report.attempts {
                *from.entry(source_words(&attempt.source)).or_default() += attempt.bytes;
            }
            let has = |result: ClassResult| report.classes.iter().any(|outcome| outcome.result == result);
            updated += usize::from(has(ClassResult::Updated));
            if has(ClassResult::Failed) || has(ClassResult::WentBack) || has(ClassResult::NoSource) {
                lines.push(self.run(report));
            }
        }
        let from: Vec<String> = from
            .iter()
            .filter(|(_, count)| **count > 0)
            .map(|(source, count)| format!("{} from {source}", bytes(*count)))
            .collect();
        let text = format!("  {:<10} {updated} of {} updated: {}", site.name, reports.len(), from.join(", "));
        lines.insert(0, text);
        lines
    }
}

/// Whether a run changed anything, or went wrong otherwise than the one before it.
pub fn is_news(report: &Report, before: Option<&Report>) -> bool {
    let updated = report.classes.iter().any(|outcome| outcome.result == ClassResult::Updated);
    updated || before.is_none_or(|before| troubles(before) != troubles(report))
}

fn troubles(report: &Report) -> Vec<(&str, ClassResult)> {
    let went_wrong = |result| !matches!(result, ClassResult::Updated | ClassResult::Current);
    report
        .classes
        .iter()
        .filter(|it| went_wrong(it.result))
        .map(|it| (it.class.as_str(), it.result))
        .collect()
}

/// How everything came out.
pub fn ending(totals: &Totals, paint: Paint) -> String {
    let all = totals.bytes_from_server + totals.bytes_from_update_agents + totals.bytes_from_vendor;
    let spared = totals.bytes_from_update_agents + totals.bytes_from_vendor;
    let percent = (spared * 100).checked_div(all).unwrap_or_default();
    let current = format!(
        "{} of {} and {} of {} are current",
        totals.current,
        counted(totals.clients, "client"),
        totals.update_agents_current,
        counted(totals.update_agents, "update agent")
    );
    let current = if totals.is_whole() { paint.green(&current) } else { paint.red(&current) };
    format!(
        "{current} after {}, {:.1} s\n  {:>9} from the server\n  {:>9} from update agents\n  {:>9} from the vendor source\nThe server sent {} in place of {}: {} spared",
        counted(totals.publications, "publication"),
        totals.seconds,
        bytes(totals.bytes_from_server),
        bytes(totals.bytes_from_update_agents),
        bytes(totals.bytes_from_vendor),
        bytes(totals.bytes_from_server),
        bytes(all),
        paint.bold(&format!("{} ({percent} %)", bytes(spared))),
    )
}

fn version_step(name: &str, from: Option<&Installed>, to: &Installed) -> String {
    match from {
        Some(from) => format!("{name} {} → {}", from.version, to.version),
        None => format!("{name} {} (first)", to.version),
    }
}

fn failure(attempt: &Attempt) -> String {
    let reason = attempt.reason.as_ref().map(word).unwrap_or_default();
    let detail = if attempt.detail.is_empty() { String::new() } else { format!(": {}", attempt.detail) };
    format!("before that {} failed, {reason}{detail}", source_words(&attempt.source))
}

fn source_words(source: &str) -> String {
    match source {
        "vendor" => "vendor source".to_owned(),
        source => match source.strip_prefix("update_agent:") {
            Some(id) => format!("update agent {id}"),
            None => source.strip_prefix("url:").unwrap_or(source).to_owned(),
        },
    }
}
