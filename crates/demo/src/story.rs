//! The text of the demo: what each client received, from which source, and why. Pure: reports in, lines out.

use std::collections::BTreeMap;

use headwater_api::plan::PlanDocument;
use headwater_api::report::{Attempt, AttemptResult, ClassOutcome, ClassResult, Installed, Report};
use headwater_client::render::{bytes, counted, word};

use crate::sites::Site;
use crate::text::Paint;
use crate::totals::Totals;

/// With more clients than these, a line describes a whole site.
const SINGLE_LINES_MAX: usize = 12;

/// What is known when a round is described.
#[derive(Debug)]
pub struct Story<'a> {
    /// Colours.
    pub paint: Paint,
    /// The sites.
    pub sites: &'a [Site],
    /// The plans of each client, for the reasons.
    pub plans: &'a BTreeMap<String, PlanDocument>,
    /// The previous report of each client.
    pub before: &'a BTreeMap<String, Report>,
}

/// What a run received from one source for one reason.
struct Received {
    from: String,
    bytes: u64,
    news: Vec<String>,
}

impl Story<'_> {
    /// A round of runs, client by client or, where there are many, site by site.
    pub fn round(&self, reports: &[&Report], singly: bool) -> String {
        let members: usize = self.sites.iter().map(|site| site.all().count()).sum();
        let mut lines = Vec::new();
        for site in self.sites {
            let here: Vec<&Report> = site
                .all()
                .flat_map(|client| reports.iter().filter(move |report| report.client == client.id))
                .copied()
                .collect();
            if singly && members <= SINGLE_LINES_MAX {
                lines.extend(here.into_iter().map(|report| self.run(report)));
            } else {
                lines.extend(self.site(site, &here));
            }
        }
        lines.join("\n")
    }

    /// One run: a line for each source that gave something new, and what went wrong.
    fn run(&self, report: &Report) -> String {
        let address = report.addresses.first().map_or("", String::as_str);
        let mut who = format!("{} {address:<10}", self.paint.bold(&format!("{:<9}", report.client)));
        let mut text = String::new();
        let mut line = |what: &str| {
            text.push_str(&format!("  {who} {what}\n"));
            who = " ".repeat(20);
        };
        for received in self.received(report) {
            let from = self.paint.dim(&format!("from {:<34}", received.from));
            line(&format!(
                "{:>10} {from} {}",
                bytes(received.bytes),
                self.paint.green(&received.news.join(", "))
            ));
        }
        for failure in failures(&report.attempts) {
            line(&self.paint.yellow(&failure));
        }
        for outcome in report.classes.iter().filter(|outcome| is_problem(outcome.result)) {
            let line_text = format!("{}: {}: {}", outcome.class, word(&outcome.result), outcome.message);
            line(&self.paint.red(&line_text));
        }
        text.trim_end().to_owned()
    }

    fn received(&self, report: &Report) -> Vec<Received> {
        let mut all: Vec<Received> = Vec::new();
        for outcome in report.classes.iter().filter(|outcome| outcome.result == ClassResult::Updated) {
            let from = self.from(report, outcome);
            let attempts = report.attempts.iter().filter(|attempt| attempt.class == outcome.class);
            let bytes: u64 = attempts.map(|attempt| attempt.bytes).sum();
            let news = self.news(report, &outcome.class);
            match all.iter_mut().find(|received| received.from == from) {
                Some(received) => {
                    received.bytes += bytes;
                    received.news.push(news);
                }
                None => all.push(Received { from, bytes, news: vec![news] }),
            }
        }
        all
    }

    /// The source of a class, and why it was this one: the entry, or the plan's reason up to its first stop.
    fn from(&self, report: &Report, outcome: &ClassOutcome) -> String {
        let Some(source) = &outcome.source else { return "no source".to_owned() };
        let plan = self.plans.get(&report.client).and_then(|plans| plans.get(&outcome.class));
        let step = plan.and_then(|plan| plan.steps.iter().find(|step| step.source == *source));
        let why =
            match step.map(|step| (step.entry, step.reason.split([';', ':', '(']).next().map(str::trim))) {
                Some((Some(entry), _)) => format!(" (entry {entry})"),
                Some((None, Some(reason))) => format!(" ({reason})"),
                Some((None, None)) | None => String::new(),
            };
        format!("{}{why}", source_words(source))
    }

    /// What is new of a class: versions from and to.
    fn news(&self, report: &Report, class: &str) -> String {
        let before = self.before.get(&report.client);
        if class == "settings" {
            return match before.map_or(0, |before| before.policy_version) {
                0 => format!("source list {}", report.policy_version),
                before if before == report.policy_version => "settings of its domain".to_owned(),
                before => format!("source list {before} → {}", report.policy_version),
            };
        }
        let none = BTreeMap::new();
        let now = report.installed.get(class).unwrap_or(&none);
        let then = before.and_then(|report| report.installed.get(class)).unwrap_or(&none);
        let changed: Vec<String> = now
            .iter()
            .filter(|(name, installed)| then.get(*name) != Some(*installed))
            .map(|(name, installed)| version_step(name, then.get(name), installed))
            .collect();
        match changed.as_slice() {
            [] => class.to_owned(),
            [first, second, rest @ ..] if !rest.is_empty() => {
                format!("{first}, {second} and {} more", rest.len())
            }
            all => all.join(", "),
        }
    }

    /// A site in one line, and what went wrong there.
    fn site(&self, site: &Site, reports: &[&Report]) -> Vec<String> {
        let mut from: BTreeMap<String, u64> = BTreeMap::new();
        for attempt in reports.iter().flat_map(|report| &report.attempts) {
            *from.entry(source_words(&attempt.source)).or_default() += attempt.bytes;
        }
        let from: Vec<String> = from
            .iter()
            .filter(|(_, count)| **count > 0)
            .map(|(source, count)| format!("{} from {source}", bytes(*count)))
            .collect();
        let has = |report: &Report, which: fn(ClassResult) -> bool| {
            report.classes.iter().any(|outcome| which(outcome.result))
        };
        let updated =
            reports.iter().filter(|report| has(report, |result| result == ClassResult::Updated)).count();
        let summary =
            format!("  {:<10} {updated} of {} updated: {}", site.name, reports.len(), from.join(", "));
        let failed = reports.iter().filter(|report| has(report, is_problem));
        std::iter::once(summary).chain(failed.map(|report| self.run(report))).collect()
    }
}

/// Whether a run changed anything, or failed in another way than the previous one.
pub fn is_news(report: &Report, before: Option<&Report>) -> bool {
    let updated = report.classes.iter().any(|outcome| outcome.result == ClassResult::Updated);
    updated || before.is_none_or(|before| problems(before) != problems(report))
}

fn problems(report: &Report) -> Vec<(&str, ClassResult)> {
    let problems = report.classes.iter().filter(|outcome| is_problem(outcome.result));
    problems.map(|outcome| (outcome.class.as_str(), outcome.result)).collect()
}

fn is_problem(result: ClassResult) -> bool {
    !matches!(result, ClassResult::Updated | ClassResult::Current)
}

/// The end of the demo in a few lines.
pub fn ending(totals: &Totals, paint: Paint) -> String {
    let all = totals.bytes_from_server + totals.bytes_from_update_agents + totals.bytes_from_vendor;
    let saved = totals.bytes_from_update_agents + totals.bytes_from_vendor;
    let percent = (saved * 100).checked_div(all).unwrap_or_default();
    let current = format!(
        "{} of {} and {} of {} are current",
        totals.current,
        counted(totals.clients, "client"),
        totals.update_agents_current,
        counted(totals.update_agents, "update agent")
    );
    let current = if totals.is_complete() { paint.green(&current) } else { paint.red(&current) };
    format!(
        "{current} after {}, {:.1} s\n  {:>11} from the server\n  {:>11} from update agents\n  {:>11} from the vendor source\n  {:>11} of these as deltas, which saved another {}\nThe server sent {} instead of {}: {} saved",
        counted(totals.publications, "publication"),
        totals.seconds,
        bytes(totals.bytes_from_server),
        bytes(totals.bytes_from_update_agents),
        bytes(totals.bytes_from_vendor),
        bytes(totals.bytes_by_delta),
        bytes(totals.bytes_spared_by_deltas),
        bytes(totals.bytes_from_server),
        bytes(all),
        paint.bold(&format!("{} ({percent} %)", bytes(saved))),
    )
}

fn version_step(name: &str, from: Option<&Installed>, to: &Installed) -> String {
    match from {
        Some(from) => format!("{name} {} → {}", from.version, to.version),
        None => format!("{name} {}", to.version),
    }
}

/// The sources that failed: each once for a reason, with the classes and the first detail.
fn failures(attempts: &[Attempt]) -> Vec<String> {
    let mut all: Vec<(String, Vec<&str>, &str)> = Vec::new();
    for attempt in attempts.iter().filter(|attempt| attempt.result == AttemptResult::Failed) {
        let reason = attempt.reason.as_ref().map(word).unwrap_or_default();
        let failed = format!("{} failed: {reason}", source_words(&attempt.source));
        match all.iter_mut().find(|(other, ..)| *other == failed) {
            Some((_, classes, _)) if classes.contains(&attempt.class.as_str()) => {}
            Some((_, classes, _)) => classes.push(&attempt.class),
            None => all.push((failed, vec![&attempt.class], &attempt.detail)),
        }
    }
    let line = |(failed, classes, detail): (String, Vec<&str>, &str)| {
        let detail = if detail.is_empty() { String::new() } else { format!(": {detail}") };
        format!("{failed} ({}){detail}", classes.join(", "))
    };
    all.into_iter().map(line).collect()
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use headwater_api::report::Report;
    use serde_json::{Value, json};

    use super::Story;
    use crate::sites::sites;
    use crate::text::Paint;

    fn attempt(class: &str, source: &str, result: &str, reason: Value, bytes: u64) -> Value {
        json!({
            "source": source, "url": "http://x", "entry": 1, "class": class, "result": result, "reason": reason,
            "detail": "", "bytes": bytes, "started": "2026-11-22T12:00:00Z", "duration_ms": 1, "from_version": 0, "to_version": 1,
        })
    }

    #[test]
    fn a_client_has_a_line_for_each_source_and_one_for_what_failed() {
        let outcome = |class: &str, source: &str, result: &str| json!({"class": class, "source": source, "result": result, "message": ""});
        let report: Report = serde_json::from_value(json!({
            "format": 1, "client": "remote-1", "domain": "root", "run": 1, "started": "2026-11-22T12:00:00Z", "duration_ms": 5,
            "addresses": ["::1", "127.1.1.2"], "program": "0.1.0", "policy_version": 3,
            "classes": [outcome("settings", "server", "updated"), outcome("components", "vendor", "updated"), outcome("programs", "server", "updated")],
            "attempts": [
                attempt("settings", "update_agent:u", "failed", json!("connect"), 0), attempt("settings", "server", "used", Value::Null, 2000),
                attempt("components", "vendor", "used", Value::Null, 1_000_000),
                attempt("programs", "update_agent:u", "failed", json!("connect"), 0), attempt("programs", "server", "used", Value::Null, 500),
            ],
            "installed": {"components": {"rules": {"sequence": 2, "version": "b"}}, "programs": {"greet": {"sequence": 1, "version": "1"}}},
        }))
        .unwrap();
        let step = |source: &str, entry: Option<u32>| json!({"steps": [{"source": source, "url": "http://x", "entry": entry, "reason": "server fallback; so"}], "skipped": []});
        let plans = json!({"settings": step("server", None), "components": step("vendor", Some(1)), "programs": step("server", None)});
        let plans = BTreeMap::from([("remote-1".to_owned(), serde_json::from_value(plans).unwrap())]);
        let sites = sites(1, 0, true);
        let story = Story { paint: Paint::PLAIN, sites: &sites, plans: &plans, before: &BTreeMap::new() };
        let expected = [
            "  remote-1  ::1          2.44 KiB from server (server fallback)           source list 3, greet 1",
            "                       976.56 KiB from vendor source (entry 1)            rules b",
            "                       update agent u failed: connect (settings, programs)",
        ];
        assert_eq!(story.round(&[&report], true).lines().collect::<Vec<_>>(), expected);
        assert_eq!(
            story.round(&[&report], false),
            "  remote     1 of 1 updated: 2.44 KiB from server, 976.56 KiB from vendor source"
        );
    }
}
