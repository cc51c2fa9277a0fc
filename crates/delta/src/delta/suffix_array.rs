//! Sorting all suffixes of a file, in time and memory that grow with its size alone, and with a look now and then at
//! whether it was cancelled.
//!
//! Induced sorting (Nong, Zhang and Chan, 2009). A suffix that is smaller than the next is *rising*; a rising one after
//! one that is not is a *valley*. Valleys sorted, all others follow in two passes; to sort them, the pieces between
//! them are named by rank, and the string of names is sorted in the same way. So the names are at most half as many.

use super::control::{Control, DeltaError, go_on};

/// Steps between two looks at whether the sorting was cancelled.
const STEPS_BETWEEN_LOOKS: usize = 1 << 20;

const NONE: u32 = u32::MAX;

/// Where the suffixes of `bytes` begin, in their order.
pub(super) fn sorted(bytes: &[u8], control: &dyn Control) -> Result<Vec<u32>, DeltaError> {
    sort(bytes, 255, control)
}

fn sort<T: Copy + Ord + Into<u32>>(
    text: &[T],
    highest: u32,
    control: &dyn Control,
) -> Result<Vec<u32>, DeltaError> {
    if text.len() < 2 {
        return Ok((0..text.len() as u32).collect());
    }
    let sorter = Sorter::new(text, highest, control)?;
    let valleys: Vec<u32> = (0..text.len()).filter(|at| sorter.is_valley(*at)).map(|at| at as u32).collect();
    let mut order = vec![NONE; text.len()];
    sorter.induce(&valleys, &mut order)?;
    if valleys.len() > 1 {
        let (names, highest) = sorter.names(&valleys, &order)?;
        let ranked = sort(&names, highest, control)?;
        let ranked: Vec<u32> = ranked.into_iter().map(|i| valleys[i as usize]).collect();
        sorter.induce(&ranked, &mut order)?;
    }
    Ok(order)
}

struct Sorter<'a, T> {
    text: &'a [T],
    rising: Vec<bool>,
    /// Where the suffixes that begin with each letter begin, and those of them that rise.
    starts: Vec<u32>,
    rising_starts: Vec<u32>,
    control: &'a dyn Control,
}

impl<'a, T: Copy + Ord + Into<u32>> Sorter<'a, T> {
    fn new(text: &'a [T], highest: u32, control: &'a dyn Control) -> Result<Self, DeltaError> {
        let letters = highest as usize + 1;
        let (mut starts, mut rising_starts) = (vec![0; letters + 1], vec![0; letters + 1]);
        let mut rising = vec![false; text.len()];
        for at in (0..text.len()).rev() {
            look(at, control)?;
            if let Some(next) = text.get(at + 1) {
                rising[at] = text[at] < *next || text[at] == *next && rising[at + 1];
            }
            let letter: u32 = text[at].into();
            starts[letter as usize + 1] += 1;
            if !rising[at] {
                rising_starts[letter as usize] += 1;
            }
        }
        for letter in 0..letters {
            starts[letter + 1] += starts[letter];
            rising_starts[letter] += starts[letter];
        }
        Ok(Self { text, rising, starts, rising_starts, control })
    }

    fn is_valley(&self, at: usize) -> bool {
        at > 0 && self.rising[at] && !self.rising[at - 1]
    }

    fn letter(&self, at: usize) -> usize {
        let letter: u32 = self.text[at].into();
        letter as usize
    }

    /// Sorts all suffixes, as far as `valleys` are sorted.
    fn induce(&self, valleys: &[u32], order: &mut [u32]) -> Result<(), DeltaError> {
        order.fill(NONE);
        let mut free = self.rising_starts.clone();
        for valley in valleys {
            let slot = &mut free[self.letter(*valley as usize)];
            order[*slot as usize] = *valley;
            *slot += 1;
        }
        free.copy_from_slice(&self.starts);
        let mut falling = |at: usize, order: &mut [u32]| {
            let slot = &mut free[self.letter(at)];
            order[*slot as usize] = at as u32;
            *slot += 1;
        };
        falling(self.text.len() - 1, order);
        for i in 0..order.len() {
            look(i, self.control)?;
            let at = order[i];
            if at != NONE && at > 0 && !self.rising[at as usize - 1] {
                falling(at as usize - 1, order);
            }
        }
        free.copy_from_slice(&self.starts);
        for i in (0..order.len()).rev() {
            look(i, self.control)?;
            let at = order[i];
            if at != NONE && at > 0 && self.rising[at as usize - 1] {
                let slot = &mut free[self.letter(at as usize - 1) + 1];
                *slot -= 1;
                order[*slot as usize] = at - 1;
            }
        }
        Ok(())
    }

    /// The pieces from each valley to the next, named by their rank in `order`; and the highest name.
    fn names(&self, valleys: &[u32], order: &[u32]) -> Result<(Vec<u32>, u32), DeltaError> {
        // No two valleys are neighbours, so half of a place tells which it is.
        let mut which = vec![NONE; self.text.len() / 2 + 1];
        for (i, valley) in valleys.iter().enumerate() {
            which[*valley as usize / 2] = i as u32;
        }
        let mut names = vec![0; valleys.len()];
        let (mut name, mut before) = (0, None);
        for (i, at) in order.iter().enumerate() {
            look(i, self.control)?;
            if !self.is_valley(*at as usize) {
                continue;
            }
            let this = which[*at as usize / 2] as usize;
            if before.is_some_and(|before| !self.same_piece(valleys, before, this)) {
                name += 1;
            }
            names[this] = name;
            before = Some(this);
        }
        Ok((names, name))
    }

    fn same_piece(&self, valleys: &[u32], one: usize, other: usize) -> bool {
        let (Some(end), Some(other_end)) = (valleys.get(one + 1), valleys.get(other + 1)) else {
            return false;
        };
        // A piece has the first letter of the next valley, too.
        let piece = |from: u32, end: u32| &self.text[from as usize..=end as usize];
        piece(valleys[one], *end) == piece(valleys[other], *other_end)
    }
}

fn look(step: usize, control: &dyn Control) -> Result<(), DeltaError> {
    if step.is_multiple_of(STEPS_BETWEEN_LOOKS) { go_on(control) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;

    use super::*;
    use crate::delta::control::Uncontrolled;

    fn check(bytes: &[u8]) {
        let mut expected: Vec<u32> = (0..bytes.len() as u32).collect();
        expected.sort_by_key(|at| &bytes[*at as usize..]);
        assert_eq!(sorted(bytes, &Uncontrolled).unwrap(), expected, "{bytes:?}");
    }

    #[test]
    fn suffixes_are_sorted() {
        for text in ["", "a", "aa", "ab", "ba", "banana", "mississippi", "abababab", "aaaaaaab", "zyxwv"] {
            check(text.as_bytes());
        }
    }

    proptest! {
        #[test]
        fn suffixes_of_anything_are_sorted(
            few in proptest::collection::vec(0u8..3, 0..400),
            many in proptest::collection::vec(any::<u8>(), 0..400),
        ) {
            check(&few);
            check(&many);
        }
    }

    #[test]
    fn sorting_can_be_stopped() {
        struct Stop(Cell<u32>);
        impl Control for Stop {
            fn cancelled(&self) -> bool {
                self.0.set(self.0.get() + 1);
                true
            }
            fn progress(&self, _done: u32) {}
        }
        let stop = Stop(Cell::new(0));
        assert!(matches!(sorted(b"banana", &stop), Err(DeltaError::Cancelled)));
        assert_eq!(stop.0.get(), 1);
    }
}
