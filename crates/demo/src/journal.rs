//! The reports of the clients, as the server has them: each run once, oldest first.

use std::collections::{BTreeMap, BTreeSet};

use headwater_api::report::Report;
use headwater_api::v1::{ReportsAnswer, StoredReport};

use crate::error::Result;
use crate::host::Api;

/// The runs so far.
#[derive(Debug, Default)]
pub struct Journal {
    /// Highest report number of the server so far.
    last: u64,
    runs: BTreeSet<(String, u64)>,
    reports: Vec<StoredReport>,
}

impl Journal {
    /// Takes the new reports of the server, and those of clients that the server does not have; returns the new ones.
    pub async fn read(&mut self, api: &Api, local: Vec<Report>) -> Result<Vec<Report>> {
        let mut fresh = self.fetch(api).await?;
        fresh.reverse();
        let known = fresh.len();
        for report in local {
            let received = report.started;
            fresh.push(StoredReport { number: 0, received, report });
        }
        let mut new = Vec::with_capacity(known);
        for stored in fresh {
            self.last = self.last.max(stored.number);
            if self.runs.insert((stored.report.client.clone(), stored.report.run)) {
                new.push(stored.report.clone());
                self.reports.push(stored);
            }
        }
        Ok(new)
    }

    /// All of them.
    pub fn reports(&self) -> &[StoredReport] {
        &self.reports
    }

    /// The last run of each client.
    pub fn latest(&self) -> BTreeMap<String, Report> {
        let mut latest: BTreeMap<String, Report> = BTreeMap::new();
        for stored in &self.reports {
            let report = &stored.report;
            if latest.get(&report.client).is_none_or(|before| before.run < report.run) {
                latest.insert(report.client.clone(), report.clone());
            }
        }
        latest
    }

    /// Newest first, page by page, until one is known.
    async fn fetch(&self, api: &Api) -> Result<Vec<StoredReport>> {
        let mut fresh = Vec::new();
        let mut path = "/api/v1/reports?limit=100".to_owned();
        loop {
            let page: ReportsAnswer = api.get(&path).await?;
            let old = page.items.iter().any(|stored| stored.number <= self.last);
            fresh.extend(page.items.into_iter().filter(|stored| stored.number > self.last));
            match page.next {
                Some(next) if !old => path = format!("/api/v1/reports?limit=100&before={next}"),
                _ => return Ok(fresh),
            }
        }
    }
}
