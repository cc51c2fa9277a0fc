//! Residuals: whether a field is as predicted, and its difference to the prediction if it is not.

use super::addresses::{SOURCES, Source};
use super::field_kind::{FIELD_KINDS, FieldKind};
use super::fields::Field;
use super::mixing::Counter;
use super::numbers::Number;
use super::range_coder::BitCoder;

/// Models whether fields are as predicted, and their residuals.
#[derive(Debug)]
pub(super) struct Residuals {
    right: Vec<Counter>,
    /// Whether each of the last four fields of a kind was as predicted.
    outcomes: [usize; FIELD_KINDS],
    residuals: Number<1>,
    fits: Counter,
    /// Whether a word that is not as predicted is at least the same instruction.
    same: Vec<Counter>,
}

impl Residuals {
    pub(super) fn new() -> Self {
        Self {
            right: vec![Counter::at(60000); FIELD_KINDS * SOURCES * 16],
            outcomes: [15; FIELD_KINDS],
            residuals: Number::new(),
            fits: Counter::default(),
            same: vec![Counter::default(); FIELD_KINDS * SOURCES],
        }
    }

    /// Codes what `field`, which is predicted as `predicted`, is; `actual` is known to an encoder only.
    pub(super) fn code(
        &mut self,
        coder: &mut impl BitCoder,
        field: &Field,
        source: Source,
        predicted: u64,
        actual: u64,
    ) -> u64 {
        if self.right(coder, field.kind, source, actual == predicted) {
            return predicted;
        }
        let residual = actual.wrapping_sub(predicted) as i64;
        let kind_and_source = (field.kind as usize * SOURCES + source as usize) as u64;
        let low = self.residuals.code_signed(coder, [kind_and_source], residual as i32);
        let new = predicted.wrapping_add(i64::from(low) as u64);
        if field.width() == 4 {
            return new;
        }
        let high = (residual.wrapping_sub(i64::from(low)) >> 32) as i32;
        if self.fits.code(coder, high == 0, 250) {
            return new;
        }
        let high = self.residuals.code_signed(coder, [kind_and_source], high);
        new.wrapping_add((high as u64) << 32)
    }

    /// Codes whether a field is as predicted.
    pub(super) fn right(
        &mut self,
        coder: &mut impl BitCoder,
        kind: FieldKind,
        source: Source,
        right: bool,
    ) -> bool {
        let outcomes = &mut self.outcomes[kind as usize];
        let context = (kind as usize * SOURCES + source as usize) * 16 + (*outcomes & 15);
        let right = self.right[context].code(coder, right, 1000);
        *outcomes = *outcomes << 1 | usize::from(right);
        right
    }

    /// Codes the residual of the number that a word encodes; `None` if the word differs in other ways.
    pub(super) fn number(
        &mut self,
        coder: &mut impl BitCoder,
        kind: FieldKind,
        source: Source,
        residual: Option<i32>,
    ) -> Option<i32> {
        let kind_and_source = kind as usize * SOURCES + source as usize;
        let same = self.same[kind_and_source].code(coder, residual.is_some(), 250);
        same.then(|| self.residuals.code_signed(coder, [kind_and_source as u64], residual.unwrap_or(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delta::fields::Origin;
    use crate::delta::range_coder::{BitReader, BitWriter};

    #[test]
    fn an_address_may_differ_from_its_prediction_by_any_number() {
        let field = Field { at: 0, kind: FieldKind::Pointer, origin: Origin::Listed(0) };
        let check = |predicted: u64, actual: u64| {
            let mut writer = BitWriter::new();
            Residuals::new().code(&mut writer, &field, Source::Copied, predicted, actual);
            let written = writer.finish();
            let mut reader = BitReader::new(&written[..]);
            let read = Residuals::new().code(&mut reader, &field, Source::Copied, predicted, 0);
            assert_eq!(read, actual, "{predicted:#x}");
        };
        check(0, i64::MAX as u64);
        check(1 << 63, 0);
        check(1 << 63 | 1, 0x7fff_ffff);
        check(u64::MAX, 0);
    }
}
