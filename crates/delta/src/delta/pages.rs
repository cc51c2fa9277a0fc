//! The base, a page at a time: what a decoder keeps of it in memory is bounded, whatever its size.

use std::io;

use super::read_at::ReadAt;
use crate::limits::{PAGE, PAGES_KEPT};

/// A base with some of its pages: of those whose numbers are alike modulo [`PAGES_KEPT`], the one used last.
pub(super) struct Pages<'a, B: ?Sized> {
    base: &'a B,
    size: u64,
    kept: Vec<Page>,
}

struct Page {
    number: u64,
    bytes: Vec<u8>,
}

impl<'a, B: ReadAt + ?Sized> Pages<'a, B> {
    pub(super) fn new(base: &'a B) -> io::Result<Self> {
        Ok(Self { base, size: base.size()?, kept: Vec::new() })
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Fills `bytes` from `at` on; before the start and after the end of the base there are zeros.
    pub(super) fn read(&mut self, mut at: i64, mut bytes: &mut [u8]) -> io::Result<()> {
        if at < 0 {
            let before = bytes.len().min(at.unsigned_abs() as usize);
            bytes[..before].fill(0);
            bytes = &mut bytes[before..];
            at = 0;
        }
        let mut at = at as u64;
        while !bytes.is_empty() {
            if at >= self.size {
                bytes.fill(0);
                break;
            }
            let page = self.page(at / PAGE as u64)?;
            let start = (at % PAGE as u64) as usize;
            let part = (page.len() - start).min(bytes.len());
            let (now, rest) = bytes.split_at_mut(part);
            now.copy_from_slice(&page[start..start + part]);
            bytes = rest;
            at += part as u64;
        }
        Ok(())
    }

    /// The page with that number, which begins within the base.
    fn page(&mut self, number: u64) -> io::Result<&[u8]> {
        let place = (number % PAGES_KEPT as u64) as usize;
        if self.kept.len() <= place {
            self.kept.resize_with(place + 1, || Page { number: u64::MAX, bytes: Vec::new() });
        }
        let page = &mut self.kept[place];
        if page.number != number {
            let start = number * PAGE as u64;
            page.bytes.resize((self.size - start).min(PAGE as u64) as usize, 0);
            self.base.read_exact_at(&mut page.bytes, start)?;
            page.number = number;
        }
        Ok(&page.bytes)
    }
}
