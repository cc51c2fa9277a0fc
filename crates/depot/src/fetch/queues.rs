//! Whose turn it is to give one file.
//!
//! Its sources stand in two queues. In the first, a source that brings nothing for two seconds gives way to the next and
//! goes to the second queue, with all that failed earlier in the run; there each gets the whole idle time-out.

use std::collections::VecDeque;

use super::walk::Walk;

/// What a source's next turn is.
pub(super) struct Next {
    pub(super) source: usize,
    /// Nobody else is left: it gets the whole idle time-out.
    pub(super) patient: bool,
}

/// One file's sources that have not had their turn.
pub(super) struct Queues {
    first: VecDeque<usize>,
    later: VecDeque<usize>,
    /// How often each was waited for because it was busy.
    pub(super) waits: Vec<u32>,
}

impl Queues {
    /// The chosen source, then the others in order; apart from them, in order, those that have done badly.
    pub(super) fn new(walk: &Walk) -> Self {
        let standing = walk.standing().clone();
        let others = (0..walk.sources.len()).filter(|source| Some(*source) != standing.chosen);
        let all = standing.chosen.into_iter().chain(others);
        let (later, first) = all.partition(|source| standing.poor[*source]);
        Self { first, later, waits: vec![0; walk.sources.len()] }
    }

    /// Gives the source another turn, after all those that have not had one.
    pub(super) fn postpone(&mut self, source: usize) {
        self.later.push_back(source);
    }

    pub(super) fn next(&mut self, walk: &Walk) -> Option<Next> {
        while let Some(source) = self.first.pop_front() {
            // Another file may have found it wanting meanwhile.
            if walk.standing().poor[source] {
                self.later.push_back(source);
                continue;
            }
            let patient = self.first.is_empty() && self.later.is_empty();
            return Some(Next { source, patient });
        }
        let at = self.later.iter().position(|source| walk.busy_for(*source).is_none()).unwrap_or(0);
        self.later.remove(at).map(|source| Next { source, patient: true })
    }
}
