//! What an instruction word that encodes an address will be in the new file.

use std::io;

use super::aarch64::Form;
use super::addresses::{Addresses, Source};
use super::elf::u32_at;
use super::field_kind::FieldKind;
use super::fields::{Field, Origin};
use super::pages::Pages;
use super::read_at::ReadAt;

/// A word of the base, and what it likely becomes.
#[derive(Debug, Clone, Copy)]
pub(super) struct PredictedWord {
    pub(super) word: u32,
    pub(super) kind: FieldKind,
    pub(super) source: Source,
    form: Form,
    /// What the old word leads to.
    target: u64,
    /// Where the new word is, or the page in which it encodes a place; `None` if it encodes a part of an address only.
    from: Option<u64>,
}

impl PredictedWord {
    /// Predicts what the word `old` at `field` becomes at `new_at`, after the bytes `made`; `None` if it encodes no
    /// address.
    pub(super) fn new<B: ReadAt + ?Sized>(
        (field, old): (&Field, u32),
        (new_at, made): (u64, &[u8]),
        addresses: &Addresses,
        pages: &mut Pages<'_, B>,
    ) -> io::Result<Option<Self>> {
        let at = u64::from(field.at);
        let (Origin::Word(words), Some(form)) = (field.origin, Form::of(old)) else { return Ok(None) };
        let Some((place, new_place)) = addresses.places(at, new_at) else { return Ok(None) };
        let apart = u64::from(words) * 4;
        let mut target = form.target(old, place);
        let mut from = Some(new_place);
        if field.kind == FieldKind::Page {
            from = None;
            if apart > 0 {
                let rest = encoded_target(word_at(pages, at + apart)?, FieldKind::InPage, 0);
                target = target.wrapping_add(rest.unwrap_or(0));
            }
        } else if field.kind == FieldKind::InPage {
            let page =
                encoded_target(word_at(pages, at - apart)?, FieldKind::Page, place.wrapping_sub(apart));
            target = target.wrapping_add(page.unwrap_or(0));
            let before = made.len().checked_sub(apart as usize).map(|before| u32_at(made, before));
            from = before
                .and_then(|before| encoded_target(before, FieldKind::Page, new_place.wrapping_sub(apart)));
        }
        let (new_target, source) = addresses.follow(target);
        let astray =
            field.kind == FieldKind::InPage && from.is_some_and(|page| new_target.wrapping_sub(page) >= 4096);
        let kind = if astray { FieldKind::Astray } else { field.kind };
        let word = form.with(old, form.number_of(new_target, new_place));
        Ok(Some(Self { word, kind, source, form, target, from }))
    }

    /// By how much the number in `word` is other than predicted; `None` if more than the number differs.
    pub(super) fn residual(&self, word: u32) -> Option<i32> {
        let same = (word ^ self.word) & !self.form.bits() == 0;
        same.then(|| self.form.number(word).wrapping_sub(self.form.number(self.word)))
    }

    /// The word whose number is that much another.
    pub(super) fn with_residual(&self, residual: i32) -> u32 {
        self.form.with(self.word, self.form.number(self.word).wrapping_add(residual))
    }

    /// Learns that it became `word`.
    pub(super) fn learn(&self, addresses: &mut Addresses, word: u32) {
        if let Some(from) = self.from {
            let start = if matches!(self.kind, FieldKind::InPage | FieldKind::Astray) { from } else { 0 };
            addresses.moved(self.target, start.wrapping_add(self.form.target(word, from)));
        }
    }
}

/// What the `word` at `place` leads to, if it encodes an address in that way.
fn encoded_target(word: u32, kind: FieldKind, place: u64) -> Option<u64> {
    Form::of(word).filter(|form| form.kind == kind).map(|form| form.target(word, place))
}

fn word_at<B: ReadAt + ?Sized>(pages: &mut Pages<'_, B>, at: u64) -> io::Result<u32> {
    let mut word = [0; 4];
    pages.read(at as i64, &mut word)?;
    Ok(u32::from_le_bytes(word))
}
