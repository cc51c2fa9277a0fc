//! Numbers of statements: nothing counts twice, and what never arrived shows (I3, U5). The decisions alone.

use crate::db::identities::Gap;
use crate::error::Refusal;
use crate::limits::{REPORT_GAPS_MAX, SEQUENCE_MAX};

/// What the number of a report means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrival {
    /// It is taken; this is the newest taken now, and these never arrived.
    Taken {
        /// The newest taken.
        newest: u64,
        /// Those that never arrived, in order.
        gaps: Vec<Gap>,
    },
    /// The number was taken before: by this report, whose client has not received the answer, or by another.
    Past,
}

/// Check-ins and renewals: each number is higher than the one before; only the newest is of any use.
///
/// # Errors
/// It was taken before, or is no number that a client reaches.
pub fn rising(taken: u64, sequence: u64) -> Result<(), Refusal> {
    possible(sequence)?;
    if sequence > taken { Ok(()) } else { Err(Refusal::Replayed { taken, answer: None }) }
}

/// Reports: every one counts. Numbers that were left out are gaps, until a report of that number comes all the same.
///
/// # Errors
/// It is no number that a client reaches.
pub fn arrival(newest: u64, gaps: &[Gap], sequence: u64) -> Result<Arrival, Refusal> {
    possible(sequence)?;
    let mut after: Vec<Gap> = Vec::with_capacity(gaps.len() + 1);
    if sequence > newest {
        after.extend_from_slice(gaps);
        if sequence > newest + 1 {
            after.push((newest + 1, sequence - 1));
        }
        return Ok(Arrival::Taken { newest: sequence, gaps: bounded(after) });
    }
    if !gaps.iter().any(|(first, last)| (*first..=*last).contains(&sequence)) {
        return Ok(Arrival::Past);
    }
    for (first, last) in gaps.iter().copied() {
        if (first..=last).contains(&sequence) {
            after.extend([(first, sequence - 1), (sequence + 1, last)].into_iter().filter(|(a, b)| a <= b));
        } else {
            after.push((first, last));
        }
    }
    Ok(Arrival::Taken { newest, gaps: bounded(after) })
}

fn possible(sequence: u64) -> Result<(), Refusal> {
    if (1..=SEQUENCE_MAX).contains(&sequence) {
        return Ok(());
    }
    Err(Refusal::invalid(format!("sequence: {sequence} is outside 1 to {SEQUENCE_MAX}")))
}

/// Too many gaps become fewer that cover more than was missed: nothing that was missed is hidden by that.
fn bounded(mut gaps: Vec<Gap>) -> Vec<Gap> {
    while gaps.len() > REPORT_GAPS_MAX {
        let (_, last) = gaps.remove(1);
        gaps[0].1 = last;
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_show_until_they_are_filled() {
        let check = |newest: u64, gaps: &[Gap], sequence: u64, expected: &str| {
            let outcome = match arrival(newest, gaps, sequence) {
                Ok(Arrival::Taken { newest, gaps }) => format!("{newest} {gaps:?}"),
                Ok(Arrival::Past) => "past".to_owned(),
                Err(_) => "refused".to_owned(),
            };
            assert_eq!(outcome, expected, "{newest} {gaps:?} {sequence}");
        };
        check(0, &[], 1, "1 []");
        check(7, &[], 8, "8 []");
        check(0, &[], 3, "3 [(1, 2)]");
        check(7, &[(2, 3)], 10, "10 [(2, 3), (8, 9)]");
        check(7, &[], 7, "past");
        check(7, &[(2, 4)], 5, "past");
        check(7, &[(2, 4)], 3, "7 [(2, 2), (4, 4)]");
        check(7, &[(2, 4)], 2, "7 [(3, 4)]");
        check(7, &[(2, 2), (4, 5)], 2, "7 [(4, 5)]");
        check(7, &[], 0, "refused");
        check(7, &[], SEQUENCE_MAX + 1, "refused");
        check(7, &[], u64::MAX, "refused");
    }

    #[test]
    fn no_client_can_make_endless_gaps() {
        let (mut newest, mut gaps) = (0, Vec::new());
        for step in 1..=(2 * REPORT_GAPS_MAX as u64) {
            let Ok(Arrival::Taken { newest: now, gaps: after }) = arrival(newest, &gaps, step * 2) else {
                panic!("step {step}");
            };
            (newest, gaps) = (now, after);
        }
        assert_eq!(gaps.len(), REPORT_GAPS_MAX);
        assert_eq!(gaps[0].0, 1, "the first that was missed is still shown");
    }

    #[test]
    fn what_was_taken_is_not_taken_again() {
        assert_eq!(rising(3, 4), Ok(()));
        assert_eq!(rising(3, 9), Ok(()));
        assert_eq!(rising(3, 3), Err(Refusal::Replayed { taken: 3, answer: None }));
        assert!(rising(0, 0).is_err());
        assert!(rising(0, SEQUENCE_MAX + 1).is_err());
    }
}
