//! Deleting what is kept for a while only: reports, unknown clients, ended enrolment tokens.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::service::UpkeepService;
use crate::audit::Audit;
use crate::caller::Caller;
use crate::db::{enrolment_tokens, report_room, unknown_clients};
use crate::error::Result;
use crate::limits::UNKNOWN_CLIENT_DAYS;

impl UpkeepService {
    /// Deletes reports beyond their retention; returns a sentence with their number.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_reports(&self, now: Timestamp) -> Result<String> {
        let days = self.settings.report_retention_days;
        let before = now - SignedDuration::from_hours(24 * i64::from(days));
        let mut count = 0;
        let mut tx = self.db.begin().await?;
        loop {
            let deleted = report_room::delete_before(&mut tx, before, now).await?;
            count += deleted.reports;
            if !deleted.is_part {
                break;
            }
            tx.commit(Audit::Exempt("the last part is recorded, with the number of all")).await?;
            tx = self.db.begin().await?;
        }
        unknown_clients::delete_before(&mut tx, now - SignedDuration::from_hours(24 * UNKNOWN_CLIENT_DAYS))
            .await?;
        enrolment_tokens::delete_ended(&mut tx, now).await?;
        tx.commit(if count == 0 {
            Audit::Exempt("no report was old; unknown clients and enrolment tokens end at their time")
        } else {
            Caller::server(now)
                .audit_entry("reports.forget", format!("older than {days} days"))
                .after(json!({"removed": count}))
                .into()
        })
        .await?;
        Ok(match count {
            0 => format!("no reports older than {days} days"),
            1 => format!("1 report older than {days} days removed"),
            _ => format!("{count} reports older than {days} days removed"),
        })
    }
}
