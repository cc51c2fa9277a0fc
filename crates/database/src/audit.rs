//! The audit log's records and their chain (R2, I4): pure.
//!
//! The hash of each record covers all of it and the hash of the one before: if a record is edited, removed or moved, every
//! later hash is wrong. A chain that was written again from some record on, or cut off at its end, is found by its head:
//! see [`Head`].

use std::fmt;

use headwater_repo::Digest;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::limits::AUDIT_VALUE_BYTES_MAX;

/// The hash that the first record follows.
pub const BEGINNING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// One thing that was done; it has no place in the chain yet.
#[derive(Debug, Clone, PartialEq)]
#[must_use = "what was done is recorded with the transaction that does it"]
pub struct Record {
    /// When.
    pub time: Timestamp,
    /// Who.
    pub who: String,
    /// From where: an address, or `local`.
    pub from: String,
    /// What: a noun and a verb, such as `domain.add`.
    pub action: String,
    /// What it was done to.
    pub subject: String,
    /// The state before; null if there is none.
    pub before: Value,
    /// The state afterwards.
    pub after: Value,
}

impl Record {
    /// What the server itself did.
    pub fn by_server(time: Timestamp, action: &str, subject: impl fmt::Display) -> Self {
        Self {
            time,
            who: "server".to_owned(),
            from: "local".to_owned(),
            action: action.to_owned(),
            subject: subject.to_string(),
            before: Value::Null,
            after: Value::Null,
        }
    }

    /// The state before.
    pub fn before(self, before: Value) -> Self {
        Self { before: bounded(before), ..self }
    }

    /// The state afterwards.
    pub fn after(self, after: Value) -> Self {
        Self { after: bounded(after), ..self }
    }

    /// The record with its place in the chain.
    #[must_use]
    pub fn after_head(self, head: &Head) -> Chained {
        let number = head.number + 1;
        let hash = hash(number, &self, &head.hash);
        Chained { number, record: self, previous: head.hash.clone(), hash }
    }
}

/// The action of the record that the server adds when the log is not as it left it.
const BROKEN: &str = "audit.broken";

impl Record {
    /// That the log was not as the server had left it. Nothing that is done later removes this record.
    pub fn broken(time: Timestamp, finding: &str) -> Self {
        Self::by_server(time, BROKEN, "the audit log").after(json!({ "finding": finding }))
    }

    /// What was found, if this is such a record.
    #[must_use]
    pub fn finding(&self) -> Option<String> {
        (self.action == BROKEN).then(|| self.after["finding"].as_str().unwrap_or_default().to_owned())
    }
}

/// The audit entry of a transaction: nothing is committed without one.
#[derive(Debug)]
#[must_use = "give it to the commit"]
pub enum Audit {
    /// Somebody did this.
    Record(Record),
    /// No entry; why none is needed, for the reader of the code.
    Exempt(&'static str),
}

impl From<Record> for Audit {
    fn from(record: Record) -> Self {
        Self::Record(record)
    }
}

/// A record in its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Chained {
    /// 1, 2, 3, … without a gap.
    pub number: u64,
    /// What was done.
    pub record: Record,
    /// The hash of the record before, hex.
    pub previous: String,
    /// The hash of this one, hex.
    pub hash: String,
}

/// Where the chain ends. An earlier head shows whether today's chain still contains it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Number of the last record; 0 if there is none.
    pub number: u64,
    /// Its hash, hex.
    pub hash: String,
}

impl Default for Head {
    fn default() -> Self {
        Self::beginning()
    }
}

impl Head {
    /// Of the empty log.
    #[must_use]
    pub fn beginning() -> Self {
        Self { number: 0, hash: BEGINNING.to_owned() }
    }
}

/// Follows a chain, record by record.
#[derive(Debug, Clone, Default)]
pub struct Follower {
    head: Head,
}

impl Follower {
    /// The next record.
    ///
    /// # Errors
    /// A sentence that names the first record that does not follow.
    pub fn follow(&mut self, next: &Chained) -> Result<(), String> {
        let expected = self.head.number + 1;
        if next.number != expected {
            return Err(format!("record {expected} is missing: record {} stands in its place", next.number));
        }
        if next.previous != self.head.hash {
            return Err(format!("record {expected} does not follow the one before it"));
        }
        if next.hash != hash(next.number, &next.record, &next.previous) {
            return Err(format!("record {expected} is not as it was written"));
        }
        self.head = Head { number: next.number, hash: next.hash.clone() };
        Ok(())
    }

    /// Where it has come to.
    #[must_use]
    pub fn head(&self) -> &Head {
        &self.head
    }
}

/// Every part with its length before it, so that no two records have the same bytes.
fn hash(number: u64, record: &Record, previous: &str) -> String {
    let mut bytes = b"headwater audit record 1\n".to_vec();
    let parts = [
        number.to_string(),
        record.time.to_string(),
        record.who.clone(),
        record.from.clone(),
        record.action.clone(),
        record.subject.clone(),
        record.before.to_string(),
        record.after.to_string(),
        previous.to_owned(),
    ];
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    Digest::of(&bytes).to_string()
}

fn bounded(value: Value) -> Value {
    let text = value.to_string();
    if text.len() <= AUDIT_VALUE_BYTES_MAX {
        return value;
    }
    json!({ "bytes": text.len(), "sha256": Digest::of(text.as_bytes()).to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(count: u64) -> Vec<Chained> {
        let mut head = Head::beginning();
        let mut chain = Vec::new();
        for number in 1..=count {
            let next = Record::by_server(Timestamp::UNIX_EPOCH, "test.do", number)
                .after(json!({"n": number}))
                .after_head(&head);
            head = Head { number: next.number, hash: next.hash.clone() };
            chain.push(next);
        }
        chain
    }

    fn follow(chain: &[Chained]) -> Result<Head, String> {
        let mut follower = Follower::default();
        chain.iter().try_for_each(|record| follower.follow(record))?;
        Ok(follower.head().clone())
    }

    #[test]
    fn tampering_is_found_where_it_happened() {
        let check = |tamper: &dyn Fn(&mut Vec<Chained>), expected: &str| {
            let mut records = chain(5);
            assert_eq!(follow(&records).unwrap().number, 5);
            tamper(&mut records);
            let found = follow(&records).unwrap_err();
            assert!(found.contains(expected), "{found}");
        };
        check(&|chain| chain[2].record.who = "eve".to_owned(), "record 3 is not as it was written");
        check(&|chain| chain[2].record.after = json!({"n": 4}), "record 3 is not as it was written");
        check(&|chain| chain[2].record.time = Timestamp::MAX, "record 3 is not as it was written");
        check(&|chain| drop(chain.remove(2)), "record 3 is missing");
        check(&|chain| drop(chain.remove(0)), "record 1 is missing");
        check(&|chain| chain.swap(1, 2), "record 2 is missing");
        check(
            &|chain| {
                chain[1].record.who = "eve".to_owned();
                let head = Head { number: 1, hash: chain[0].hash.clone() };
                chain[1] = chain[1].record.clone().after_head(&head);
            },
            "record 3 does not follow",
        );
    }

    #[test]
    fn what_moves_from_one_field_to_another_is_another_record() {
        let one = Record {
            who: "ab".to_owned(),
            from: "c".to_owned(),
            ..Record::by_server(Timestamp::UNIX_EPOCH, "x", "y")
        };
        let other = Record {
            who: "a".to_owned(),
            from: "bc".to_owned(),
            ..Record::by_server(Timestamp::UNIX_EPOCH, "x", "y")
        };
        assert_ne!(hash(1, &one, BEGINNING), hash(1, &other, BEGINNING));
    }

    #[test]
    fn a_value_beyond_the_limit_is_shown_by_its_digest() {
        let long = Value::from("x".repeat(AUDIT_VALUE_BYTES_MAX));
        let record = Record::by_server(Timestamp::UNIX_EPOCH, "x", "y").after(long);
        assert_eq!(record.after["bytes"], AUDIT_VALUE_BYTES_MAX + 2);
        let short = Value::from("x".repeat(AUDIT_VALUE_BYTES_MAX - 2));
        assert_eq!(Record { after: Value::Null, ..record }.after(short.clone()).after, short);
    }
}
