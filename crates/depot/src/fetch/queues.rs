//! Whose turn it is to give one file.
//!
//! The sources are in two queues. In the first, a source that brings nothing for two seconds is followed by the next and
//! moves to the second queue, with all that failed earlier in the run; there each gets the whole idle time-out.

use std::collections::VecDeque;

use super::timeout::IdleTimeout;
use super::walk::Walk;

/// The next turn.
pub(super) struct Next {
    pub(super) source: usize,
    pub(super) timeout: IdleTimeout,
}

/// One file's sources that have not had their turn.
pub(super) struct Queues {
    first: VecDeque<usize>,
    later: VecDeque<usize>,
    /// How often each was waited for because it was busy.
    pub(super) waits: Vec<u32>,
}

impl Queues {
    /// The chosen source, then the others in order; the poor ones apart, in order.
    pub(super) fn new(walk: &Walk) -> Self {
        let source_states = walk.source_states().clone();
        let others = (0..walk.sources.len()).filter(|source| Some(*source) != source_states.chosen);
        let all = source_states.chosen.into_iter().chain(others);
        let (later, first) = all.partition(|source| source_states.poor[*source]);
        Self { first, later, waits: vec![0; walk.sources.len()] }
    }

    /// Gives the source another turn, after all those that have not had one.
    pub(super) fn postpone(&mut self, source: usize) {
        self.later.push_back(source);
    }

    pub(super) fn next(&mut self, walk: &Walk) -> Option<Next> {
        while let Some(source) = self.first.pop_front() {
            // Another file may have marked it as poor meanwhile.
            if walk.source_states().poor[source] {
                self.later.push_back(source);
                continue;
            }
            let is_last = self.first.is_empty() && self.later.is_empty();
            return Some(Next {
                source,
                timeout: if is_last { IdleTimeout::Full } else { IdleTimeout::Soft },
            });
        }
        let at = self.later.iter().position(|source| walk.busy_for(*source).is_none()).unwrap_or(0);
        self.later.remove(at).map(|source| Next { source, timeout: IdleTimeout::Full })
    }
}
