//! The audit log (R2): shown, verified, and anchored.
//!
//! The chain shows what was edited, taken out or moved. That its end was cut off is seen at two places that name the
//! last record: `audit_head` in the database, sealed with a key that is not there, and the target `audit.json` of the
//! signed policy, which every client of the fleet has a copy of. A thief of the server and all its keys can still
//! make again what came after the last copy that somebody else holds; what came before, nobody can.

use headwater_api::v1::{AuditQuery, AuditRecord, AuditVerified};
use headwater_repo::error_chain;
use jiff::Timestamp;

use super::service::AccessService;
use crate::audit::{Chained, Follower, Head, Record};
use crate::error::{Refusal, Result};
use crate::limits;
use crate::publishing::AuditAnchor;
use crate::request::page;

impl AccessService {
    /// Records of the log; and where the next page begins.
    ///
    /// # Errors
    /// A refusal for a page that is too long.
    pub async fn audit(&self, query: &AuditQuery) -> Result<(Vec<AuditRecord>, Option<u64>)> {
        let limit = page(query.limit)?;
        let records = match (query.before, query.after) {
            (Some(_), Some(_)) => {
                return Err(Refusal::invalid("before and after exclude each other; give one of them").into());
            }
            (None, Some(after)) => self.db.audit_after(after, limit).await?,
            (before, None) => self.db.audit_before(before.unwrap_or(u64::MAX), limit).await?,
        };
        let next =
            (records.len() == limit as usize).then(|| records.last().map(|last| last.number)).flatten();
        Ok((records.into_iter().map(view).collect(), next))
    }

    /// Verifies the whole log.
    ///
    /// # Errors
    /// Only when the database fails; what is wrong with the log is in the answer.
    pub async fn verify_audit(&self) -> Result<AuditVerified> {
        let anchor = self.publishing.audit_anchor()?;
        let mut follower = Follower::default();
        let mut findings = Vec::new();
        let mut at_anchor = None;
        let (head, broke_off) = loop {
            let broke_off = !self.follow_all(&mut follower, &anchor, &mut at_anchor, &mut findings).await?;
            let head = self.db.audit_head().await?;
            let number = head.as_ref().map_or(0, |sealed| sealed.head.number);
            // What was recorded while the rest was read is followed too.
            let more = self.db.audit_after(follower.head().number, 1).await;
            if broke_off || follower.head().number >= number || more.is_ok_and(|more| more.is_empty()) {
                break (head, broke_off);
            }
        };
        if !broke_off {
            findings
                .extend(ending(follower.head(), head.as_ref().map(|sealed| (&sealed.head, sealed.genuine))));
        }
        if let Some(anchor) = &anchor {
            findings.extend(anchored(anchor, at_anchor.as_deref(), follower.head()));
        }
        Ok(verdict(follower.head(), anchor.map(|anchor| anchor.number), findings))
    }

    /// Before anything is recorded or signed again: sees whether the log still holds what was signed of it, and records
    /// if it does not.
    pub(crate) async fn check_audit_end(&self, now: Timestamp) -> Result<()> {
        let Some(anchor) = self.publishing.audit_anchor()? else { return Ok(()) };
        let before = anchor.number.saturating_sub(1);
        let hash = match self.db.audit_after(before, 1).await {
            Ok(records) => {
                records.into_iter().find(|record| record.number == anchor.number).map(|it| it.hash)
            }
            Err(headwater_database::Error::Corrupt { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        match anchored(&anchor, hash.as_deref(), &self.db.last_recorded()) {
            Some(finding) => {
                self.publishing.note_odd(format!("the audit log is not as it was: {finding}"), now);
                self.record(Record::broken(now, &finding)).await
            }
            None => Ok(()),
        }
    }

    /// Returns whether all records follow one another.
    async fn follow_all(
        &self,
        follower: &mut Follower,
        anchor: &Option<AuditAnchor>,
        at_anchor: &mut Option<String>,
        findings: &mut Vec<String>,
    ) -> Result<bool> {
        loop {
            let after = follower.head().number;
            let records = match self.db.audit_after(after, limits::AUDIT_RECORDS_AT_ONCE).await {
                Ok(records) => records,
                Err(error @ headwater_database::Error::Corrupt { .. }) => {
                    findings.push(format!("a record after {after} cannot be read: {}", error_chain(&error)));
                    return Ok(false);
                }
                Err(error) => return Err(error.into()),
            };
            if records.is_empty() {
                return Ok(true);
            }
            for record in &records {
                if let Err(finding) = follower.follow(record) {
                    findings.push(finding);
                    return Ok(false);
                }
                findings.extend(
                    record.record.finding().map(|finding| format!("record {}: {finding}", record.number)),
                );
                if anchor.as_ref().is_some_and(|anchor| anchor.number == record.number) {
                    *at_anchor = Some(record.hash.clone());
                }
            }
        }
    }
}

/// What verifying answers.
fn verdict(last: &Head, signed: Option<u64>, mut findings: Vec<String>) -> AuditVerified {
    findings.truncate(limits::AUDIT_FINDINGS_MAX);
    AuditVerified {
        intact: findings.is_empty(),
        records: last.number,
        head: last.hash.clone(),
        signed,
        findings,
    }
}

/// What is wrong with the end, if anything.
fn ending(last: &Head, head: Option<(&Head, bool)>) -> Option<String> {
    match head {
        None if last.number == 0 => None,
        None => Some("the mark of where the log ends is missing".to_owned()),
        Some((_, false)) => Some("the seal on the end of the log is not this server's".to_owned()),
        Some((head, true)) if head.number > last.number => {
            Some(format!("records {} to {} are missing: the end was cut off", last.number + 1, head.number))
        }
        Some((head, true)) if head.number < last.number => Some(format!(
            "the log goes on to record {} beyond its sealed end, record {}",
            last.number, head.number
        )),
        Some((head, true)) if head != last => {
            Some(format!("the last record, {}, is not the one that the sealed end names", last.number))
        }
        Some(_) => None,
    }
}

/// What is wrong by what was signed, if anything.
fn anchored(anchor: &AuditAnchor, hash: Option<&str>, last: &Head) -> Option<String> {
    if anchor.number == 0 || hash == Some(anchor.hash.as_str()) {
        return None;
    }
    Some(match hash {
        Some(_) => format!("record {} is not the one that the signed policy names", anchor.number),
        None => format!(
            "the signed policy names record {}, and the log can be followed to record {} only",
            anchor.number, last.number
        ),
    })
}

/// A record as a message.
fn view(chained: Chained) -> AuditRecord {
    let Chained { number, record, previous, hash } = chained;
    AuditRecord {
        number,
        time: record.time,
        who: record.who,
        from: record.from,
        action: record.action,
        subject: record.subject,
        before: record.before,
        after: record.after,
        previous,
        hash,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_log_is_the_one_that_was_sealed() {
        let at = |number: u64, hash: &str| Head { number, hash: hash.to_owned() };
        let last = at(5, "five");
        let check = |sealed: Option<(Head, bool)>, expected: &str| {
            let sealed = sealed.as_ref().map(|(head, genuine)| (head, *genuine));
            let found = ending(&last, sealed).unwrap_or_default();
            assert!(found.starts_with(expected) && found.is_empty() == expected.is_empty(), "{found}");
        };
        check(Some((last.clone(), true)), "");
        check(None, "the mark of where the log ends is missing");
        check(Some((last.clone(), false)), "the seal on the end");
        check(Some((at(7, "seven"), true)), "records 6 to 7 are missing");
        check(Some((at(4, "four"), true)), "the log goes on to record 5 beyond its sealed end, record 4");
        check(Some((at(5, "other"), true)), "the last record, 5, is not the one");
        assert_eq!(ending(&Head::beginning(), None), None);
    }

    #[test]
    fn the_first_findings_are_shown() {
        let check = |found: usize, shown: usize| {
            let findings: Vec<String> = (0..found).map(|number| format!("finding {number}")).collect();
            let verified = verdict(&Head::beginning(), None, findings.clone());
            assert_eq!(verified.findings, findings[..shown]);
            assert_eq!(verified.intact, found == 0);
        };
        let max = limits::AUDIT_FINDINGS_MAX;
        check(0, 0);
        check(max - 1, max - 1);
        check(max, max);
        check(max + 1, max);
    }
}
