//! Fills a database with a fleet and its history, and times what a server asks of it: for `cargo xtask bench database`.
//!
//! Arguments: clients, days, then the folder for a SQLite file or the address of a PostgreSQL. The result is one JSON
//! object on stdout; progress is shown on stderr.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use headwater_api::report::Report;
use headwater_api::v1::ClientState;
use headwater_database::audit::Audit;
use headwater_database::clients::{self, ClientRow};
use headwater_database::fleet_view::Filter;
use headwater_database::reports::{self, Storing};
use headwater_database::testing::fleet::{FleetSize, fill};
use headwater_database::{AuditKey, Db, client_releases, report_room};
use headwater_policy::Class;
use headwater_repo::ComponentName;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

type Done<T> = Result<T, Box<dyn Error>>;

/// How often each question is asked.
const TIMES: usize = 20;

/// How many reports are stored.
const REPORTS: u64 = 200;

#[tokio::main]
async fn main() -> Done<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [clients, days, place] = arguments.as_slice() else {
        return Err("expected: CLIENTS DAYS FOLDER|ADDRESS".into());
    };
    let size = FleetSize { clients: clients.parse()?, days: days.parse()? };
    let is_postgres = place.starts_with("postgres");
    let db = open(place, is_postgres).await?;
    let started = Instant::now();
    fill(&db, size, |day| eprintln!("  filled {day} of {} days", size.days)).await?;
    let filled = started.elapsed().as_secs_f64();
    let mut bench = Bench { db, size, rows: Vec::new() };
    bench.read().await?;
    bench.change().await?;
    let bytes = if is_postgres { 0 } else { std::fs::metadata(Path::new(place).join("fleet.db"))?.len() };
    let result = json!({
        "database": if is_postgres { "PostgreSQL" } else { "SQLite" },
        "clients": size.clients, "days": size.days, "bytes": bytes, "filled_seconds": filled, "rows": bench.rows,
    });
    println!("{result}");
    bench.db.close().await;
    Ok(())
}

async fn open(place: &str, is_postgres: bool) -> Done<Db> {
    let key = AuditKey::new(&[1; AuditKey::BYTES]);
    if !is_postgres {
        return Ok(Db::open(&Path::new(place).join("fleet.db"), key).await?);
    }
    #[cfg(feature = "postgres")]
    return Ok(Db::open_postgres(place, key).await?);
    #[cfg(not(feature = "postgres"))]
    Err("built without the feature `postgres`".into())
}

struct Bench {
    db: Db,
    size: FleetSize,
    rows: Vec<Value>,
}

impl Bench {
    /// Adds a row: the median and the longest of several times, in milliseconds.
    fn add(&mut self, what: &str, mut times: Vec<f64>) {
        times.sort_by(f64::total_cmp);
        let (median, longest) = (times[times.len() / 2], times[times.len() - 1]);
        eprintln!("  {what}: {median:.2} ms");
        self.rows.push(json!({"what": what, "median_ms": median, "longest_ms": longest}));
    }

    async fn time<T>(&mut self, what: &str, work: impl AsyncFn(&Db) -> Done<T>) -> Done<()> {
        let mut times = Vec::new();
        for _ in 0..TIMES {
            let started = Instant::now();
            work(&self.db).await?;
            times.push(milliseconds(started));
        }
        self.add(what, times);
        Ok(())
    }

    async fn read(&mut self) -> Done<()> {
        let end = self.size.end();
        let silent_before = end - SignedDuration::from_hours(24);
        let middle = format!("pc-{}", 1_000_000 + self.size.clients / 2);
        let page = async |db: &Db, filter: &Filter<'_>, after: &str| -> Done<usize> {
            Ok(db.fleet_page(filter, silent_before, after, 100, false).await?.len())
        };
        let counts = async |db: &Db, filter: &Filter<'_>| -> Done<()> {
            db.fleet_counts(filter, silent_before, 1).await?;
            Ok(())
        };
        let domains = ["root/d7".to_owned()];
        let all = || Filter::default();
        let failed = || Filter { states: [ClientState::Failed].into(), ..all() };
        let outdated = || Filter { states: [ClientState::Outdated].into(), ..all() };
        let silent = || Filter { states: [ClientState::Silent].into(), ..all() };
        let domain = || Filter { domains: Some(&domains), ..all() };
        let release = || Filter { release: Some(("rules-1", "v99")), ..all() };
        let pages = [
            ("100 clients, the first", all(), ""),
            ("100 clients, from the middle", all(), middle.as_str()),
            ("100 clients that failed", failed(), ""),
            ("100 clients that are outdated", outdated(), ""),
            ("clients that are silent: none", silent(), ""),
            ("100 clients of one domain of 50", domain(), ""),
            ("100 clients with an older release", release(), ""),
        ];
        for (what, filter, after) in &pages {
            self.time(what, async |db| page(db, filter, after).await).await?;
        }
        self.time("how many clients stand how", async |db| counts(db, &all()).await).await?;
        self.time("the same of one domain", async |db| counts(db, &domain()).await).await?;
        let name = ComponentName::new("rules-1")?;
        self.time("how many clients have which release", async |db| {
            Ok(db.release_counts(Class::Components, &name).await?)
        })
        .await?;
        self.time("one client's last 20 runs", async |db| {
            Ok(db.reports(Some(&middle), u64::MAX, 20).await?)
        })
        .await?;
        self.time("one client's sources of 30 days", async |db| {
            Ok(db.days_of_client(&middle, days(end, 30)).await?)
        })
        .await?;
        self.time("bytes by source, today", async |db| Ok(db.bytes_by_source(end).await?)).await?;
        self.time("bytes by source, 30 days", async |db| Ok(db.bytes_by_source(days(end, 30)).await?)).await
    }

    async fn change(&mut self) -> Done<()> {
        let end = self.size.end();
        for (what, kept) in [("store a report that is counted", false), ("store a report that is kept", true)]
        {
            let mut times = Vec::new();
            for number in 0..REPORTS {
                let client = format!("pc-{}", 1_000_001 + number % self.size.clients);
                let report = report(&client, 1000 + number * 2 + u64::from(kept))?;
                let started = Instant::now();
                store(&self.db, &report, kept, end).await?;
                times.push(milliseconds(started));
            }
            self.add(what, times);
        }
        let name = ComponentName::new("rules-1")?;
        let started = Instant::now();
        let mut tx = self.db.begin().await?;
        client_releases::want(&mut tx, Class::Components, &name, 101, "v101", end).await?;
        tx.commit(Audit::Exempt("benchmark")).await?;
        self.add("publish a release: all clients become outdated", vec![milliseconds(started)]);
        let oldest = end - SignedDuration::from_hours(24 * (i64::try_from(self.size.days)? - 1));
        let mut times = Vec::new();
        let mut is_part = true;
        while is_part {
            let started = Instant::now();
            let mut tx = self.db.begin().await?;
            is_part = report_room::delete_before(&mut tx, oldest, end).await?.is_part;
            tx.commit(Audit::Exempt("benchmark")).await?;
            times.push(milliseconds(started));
        }
        let all = times.iter().sum();
        self.add("retention: one part of many", times);
        self.add("retention: delete one day, all parts", vec![all]);
        Ok(())
    }
}

fn days(end: Timestamp, count: i64) -> Timestamp {
    end - SignedDuration::from_hours(24 * (count - 1))
}

fn milliseconds(started: Instant) -> f64 {
    started.elapsed().as_secs_f64() * 1000.0
}

async fn store(db: &Db, report: &Report, kept: bool, now: Timestamp) -> Done<()> {
    let mut tx = db.begin().await?;
    let known = tx.client(&report.client).await?.ok_or("the client was filled in")?;
    clients::put(&mut tx, &ClientRow { last_seen: now, ..known }).await?;
    reports::insert(&mut tx, report, Storing { kept, newest: true }, now).await?;
    Ok(tx.commit(Audit::Exempt("benchmark")).await?)
}

fn report(client: &str, run: u64) -> Done<Report> {
    let began = "2026-11-22T10:00:00Z";
    let classes = ["settings", "components", "programs"];
    let outcome = |class| json!({"class": class, "result": "current", "source": "server", "message": "all are current"});
    let attempt = |class| {
        json!({
            "source": "server", "url": "https://10.1.2.3:8471/", "entry": null, "class": class, "result": "current",
            "reason": null, "detail": "", "bytes": 900, "started": began, "duration_ms": 90,
            "from_version": 100, "to_version": 100
        })
    };
    let release = |number| (format!("rules-{number}"), json!({"sequence": 100, "version": "v100"}));
    let installed: serde_json::Map<String, Value> = (0..5).map(release).collect();
    Ok(serde_json::from_value(json!({
        "format": 1, "client": client, "domain": "root", "run": run, "started": began, "duration_ms": 300,
        "addresses": ["10.0.0.1"], "program": "0.1.0", "policy_version": 1,
        "classes": classes.map(outcome), "attempts": classes.map(attempt), "installed": {"components": installed}
    }))?)
}
