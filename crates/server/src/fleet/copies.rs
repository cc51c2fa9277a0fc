//! Two machines with one identity: a copied data folder, or one that was put back to an earlier state (I3a).
//!
//! A client never gives one number to two reports, so a number that comes again with other content is of another
//! machine, or of a state that the client had before. Nothing is lost by it: the report is refused, and the server's
//! signed answer says after which number its sender continues. What was found is kept until the client's key is replaced.

use std::net::IpAddr;

use headwater_api::report::Report;
use headwater_api::v1::{CopiedIdentity, SeenMachine};
use headwater_identity::Peer;
use headwater_policy::ClientId;
use headwater_repo::Digest;
use jiff::Timestamp;

use crate::db::Tx;
use crate::db::copies::{self as rows, ReportDigest};
use crate::error::Result;
use crate::limits::{MACHINE_ADDRESSES_MAX, MACHINE_HOST_CHARS_MAX};

/// What a report with a number of the past is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PastReport {
    /// The one that was taken: its client has not received the answer.
    Repeated,
    /// Another one.
    Other {
        /// What two machines were found; `None` if the report is older than all that are remembered, so that it may be
        /// one that was taken.
        found: Option<Box<CopiedIdentity>>,
    },
}

/// The decision alone, by the reports that are remembered, in order of number. `started` is when the run began.
pub(super) fn judge(remembered: &[ReportDigest], report: ReportDigest, started: Timestamp) -> PastReport {
    let same = remembered.iter().find(|known| known.sequence == report.sequence);
    if same.is_some_and(|known| known.digest == report.digest) {
        return PastReport::Repeated;
    }
    let is_new = remembered.first().is_some_and(|oldest| started > oldest.machine.at);
    let first = same.or_else(|| remembered.last().filter(|_| is_new));
    let found = first.map(|first| {
        let (first, second) = (first.machine.clone(), report.machine);
        Box::new(CopiedIdentity { sequence: report.sequence, first, second })
    });
    PastReport::Other { found }
}

/// What is remembered of a report: the digest of what was stated, and who made it.
pub(super) fn digest_of(
    (sequence, body): (u64, &str),
    report: &Report,
    (client, peer): (&ClientId, &Peer),
    from: IpAddr,
    now: Timestamp,
) -> ReportDigest {
    let carrier = (peer.client != *client).then_some(&peer.client);
    let digest = Digest::of(body.as_bytes()).to_string();
    ReportDigest { sequence, digest, machine: machine_of(report, carrier, from, now) }
}

fn machine_of(report: &Report, carrier: Option<&ClientId>, from: IpAddr, now: Timestamp) -> SeenMachine {
    let printable = report.host.chars().filter(|one| !one.is_control());
    SeenMachine {
        host: printable.take(MACHINE_HOST_CHARS_MAX).collect(),
        addresses: report.addresses.iter().take(MACHINE_ADDRESSES_MAX).cloned().collect(),
        from: from.to_canonical().to_string(),
        carrier: carrier.map(ToString::to_string),
        at: now,
    }
}

/// Stores what was found, and logs it.
pub(super) async fn note(tx: &mut Tx, client: &str, found: &CopiedIdentity) -> Result<()> {
    tracing::warn!(client, "{found}");
    Ok(rows::put(tx, client, found).await?)
}

/// The warning of the server's status; `None` if nothing was found.
pub(super) fn warning(copied: u64) -> Option<String> {
    let clients = match copied {
        0 => return None,
        1 => "1 client is".to_owned(),
        more => format!("{more} clients are"),
    };
    Some(format!(
        "the identity of {clients} used by two machines, or was put back to an earlier state: `headwater clients list` names \
         both machines and says what to do"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(sequence: u64, content: &str, at: &str) -> ReportDigest {
        let machine =
            SeenMachine { host: content.to_owned(), at: at.parse().unwrap(), ..SeenMachine::default() };
        ReportDigest { sequence, digest: content.to_owned(), machine }
    }

    #[test]
    fn a_number_is_not_taken_for_the_content() {
        let at = |hour: u64| format!("2026-11-22T{hour:02}:00:00Z");
        let remembered = [report(3, "c", &at(3)), report(4, "d", &at(4))];
        let check = |sequence: u64, content: &str, started: u64, expected: &str| {
            let outcome =
                match judge(&remembered, report(sequence, content, &at(9)), at(started).parse().unwrap()) {
                    PastReport::Repeated => "repeated".to_owned(),
                    PastReport::Other { found: None } => "refused".to_owned(),
                    PastReport::Other { found: Some(found) } => {
                        format!("{} and {}", found.first.host, found.second.host)
                    }
                };
            assert_eq!(outcome, expected, "{sequence} {content} {started}");
        };
        check(4, "d", 3, "repeated");
        check(4, "x", 8, "d and x");
        check(3, "x", 1, "c and x");
        check(1, "x", 8, "d and x");
        check(1, "a", 1, "refused");
        assert_eq!(
            judge(&[], report(1, "a", &at(1)), at(9).parse().unwrap()),
            PastReport::Other { found: None },
            "a server that remembers nothing accuses nobody"
        );
    }

    #[test]
    fn what_is_remembered_of_a_machine_is_bounded_and_can_be_shown() {
        let now: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        let machine = |host: String, addresses: usize| {
            let report: Report = serde_json::from_value(serde_json::json!({
                "format": 1, "client": "pc", "domain": "root", "run": 1, "started": now, "duration_ms": 5,
                "addresses": vec!["10.0.0.1"; addresses], "host": host, "program": "", "policy_version": 1,
                "classes": [], "attempts": [], "installed": {}
            }))
            .unwrap();
            machine_of(&report, None, "::ffff:10.0.0.2".parse().unwrap(), now)
        };
        for (over, text) in [(0, ""), (1, "x")] {
            let host = "h".repeat(MACHINE_HOST_CHARS_MAX);
            let seen = machine(format!("{host}{text}"), MACHINE_ADDRESSES_MAX + over);
            assert_eq!((seen.host, seen.addresses.len()), (host, MACHINE_ADDRESSES_MAX));
        }
        let seen = machine("pc\u{1b}[31m".to_owned(), 0);
        assert_eq!(seen.to_string(), "pc[31m (10.0.0.2) at 2026-11-22 10:00:00 UTC");
    }
}
