//! Tables of records of one width: found by their looks, and compared record by record.

use std::collections::HashMap;

use super::operations::Op;
use crate::limits::{RECORD_WIDTH_MAX, RECORD_WIDTH_MIN};

/// A file that is records one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Table {
    /// Bytes of a record.
    pub(super) width: usize,
}

/// Fewest records that make a table.
const RECORDS_MIN: usize = 64;
/// Bytes that are looked at to recognise a table.
const SAMPLE: usize = 1 << 18;

impl Table {
    /// The table that both files are, if they are.
    ///
    /// In a table a byte equals the one a record before more often than those at any other distance.
    pub(super) fn of(base: &[u8], new: &[u8]) -> Option<Self> {
        let start = (base.len() / 2).saturating_sub(SAMPLE / 2);
        let sample = &base[start..base.len().min(start + SAMPLE)];
        let alike = |distance: usize| {
            let pairs = sample.len().saturating_sub(distance).max(1);
            sample.iter().zip(sample.iter().skip(distance)).filter(|(a, b)| a == b).count() * 1000 / pairs
        };
        let width = (RECORD_WIDTH_MIN..=RECORD_WIDTH_MAX)
            .filter(|width| base.len().is_multiple_of(*width) && new.len().is_multiple_of(*width))
            .filter(|width| base.len() / width >= RECORDS_MIN)
            .max_by_key(|width| (alike(*width), RECORD_WIDTH_MAX - width))?;
        let elsewhere =
            (1..=2 * RECORD_WIDTH_MAX).filter(|distance| !distance.is_multiple_of(width)).map(alike).max()?;
        (alike(width) > elsewhere + 100).then_some(Self { width })
    }

    /// The records of `new` that the base has, in the order that both have them.
    pub(super) fn ops(self, base: &[u8], new: &[u8]) -> Vec<Op> {
        let places: HashMap<&[u8], usize> =
            base.chunks_exact(self.width).enumerate().map(|(i, record)| (record, i)).collect();
        let mut ops = Vec::new();
        let (mut op, mut at) = (Op::default(), 0);
        for record in new.chunks_exact(self.width) {
            let known = places.get(record).copied().filter(|place| *place >= at);
            match known {
                Some(place) if op.copy > 0 && place == at => op.copy += self.width as u32,
                Some(place) => {
                    if op.copy > 0 {
                        ops.push(std::mem::take(&mut op));
                    }
                    op.base = (place * self.width) as u32;
                    op.copy = self.width as u32;
                }
                None => {
                    if op.copy > 0 {
                        ops.push(std::mem::take(&mut op));
                    }
                    op.literal += self.width as u32;
                    continue;
                }
            }
            at = op.base as usize / self.width + op.copy as usize / self.width;
        }
        ops.push(op);
        ops
    }
}
