//! As much of the A64 instruction encoding as it takes to find the addresses in code.
//!
//! An instruction is a word of four bytes, some of whose bits encode an address. A far address takes two
//! words: one encodes the page, relative to its own, and another, soon after, the place in that page.

use super::field_kind::FieldKind;

/// How a word encodes an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) kind: FieldKind,
    unit: Unit,
    /// The bits that encode it, unless they are those of [`Unit::split`].
    low: u32,
    width: u32,
}

/// What the number in a word counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// Words from here.
    Words,
    /// Bytes from here.
    Bytes,
    /// Pages from this one.
    Pages,
    /// Units of two to the power of so many bytes, from the start of the page.
    InPage(u32),
}

impl Unit {
    /// Whether the lowest two bits of the number stand apart from the others.
    fn split(self) -> bool {
        matches!(self, Self::Bytes | Self::Pages)
    }
}

const PAGE_LOG: u32 = 12;

impl Form {
    /// How `word` encodes an address, if it does.
    pub(super) fn of(word: u32) -> Option<Self> {
        let form = |kind, unit, low, width| Some(Self { kind, unit, low, width });
        // An offset that is no place in a page is one in something else.
        let in_page = |scale| {
            let bits = PAGE_LOG - scale;
            if word >> 10 & 0xfff < 1_u32 << bits {
                form(FieldKind::InPage, Unit::InPage(scale), 10, bits)
            } else {
                None
            }
        };
        match word >> 24 {
            0x94..=0x97 => form(FieldKind::Call, Unit::Words, 0, 26),
            0x14..=0x17 => form(FieldKind::Jump, Unit::Words, 0, 26),
            0x54 if word & 0x10 == 0 => form(FieldKind::Branch, Unit::Words, 5, 19),
            0x34 | 0x35 | 0xb4 | 0xb5 => form(FieldKind::Branch, Unit::Words, 5, 19),
            0x36 | 0x37 | 0xb6 | 0xb7 => form(FieldKind::Branch, Unit::Words, 5, 14),
            0x18 | 0x58 | 0x98 | 0x1c | 0x5c | 0x9c => form(FieldKind::Memory, Unit::Words, 5, 19),
            0x10 | 0x30 | 0x50 | 0x70 => form(FieldKind::Memory, Unit::Bytes, 5, 19),
            0x90 | 0xb0 | 0xd0 | 0xf0 => form(FieldKind::Page, Unit::Pages, 5, 19),
            // ADD of 64 bits, its immediate not shifted.
            0x91 if word & 0x40_0000 == 0 => in_page(0),
            // Load and store with an unsigned offset, which counts what is loaded.
            0x39 | 0x79 | 0xb9 | 0xf9 => in_page(word >> 30),
            0x3d | 0x7d | 0xbd | 0xfd => {
                let whole = word >> 30 == 0 && word & 0x80_0000 != 0;
                in_page(if whole { 4 } else { word >> 30 })
            }
            _ => None,
        }
    }

    /// The bits of a word that encode the address.
    pub(super) fn bits(self) -> u32 {
        let split = if self.unit.split() { 3 << 29 } else { 0 };
        ((1 << self.width) - 1) << self.low | split
    }

    /// The number that `word` encodes.
    pub(super) fn number(self, word: u32) -> i32 {
        let number = (word >> self.low) as i32;
        if let Unit::InPage(_) = self.unit {
            return number & ((1 << self.width) - 1);
        }
        let shift = u32::BITS - self.width;
        let number = number << shift >> shift;
        if self.unit.split() { number << 2 | (word >> 29 & 3) as i32 } else { number }
    }

    /// `word` with another number, cut to the bits it has.
    pub(super) fn with(self, word: u32, number: i32) -> u32 {
        let (high, apart) =
            if self.unit.split() { (number >> 2, (number as u32 & 3) << 29) } else { (number, 0) };
        word & !self.bits() | (high as u32 & ((1 << self.width) - 1)) << self.low | apart
    }

    /// The number that encodes `target` in a word at `place`.
    pub(super) fn number_of(self, target: u64, place: u64) -> i32 {
        match self.unit {
            Unit::Words => (target.wrapping_sub(place) as i64 >> 2) as i32,
            Unit::Bytes => target.wrapping_sub(place) as i32,
            Unit::Pages => (target >> PAGE_LOG).wrapping_sub(place >> PAGE_LOG) as i32,
            Unit::InPage(scale) => ((target & ((1 << PAGE_LOG) - 1)) >> scale) as i32,
        }
    }

    /// What `word` at `place` leads to: an address, the start of a page, or a place in a page.
    pub(super) fn target(self, word: u32, place: u64) -> u64 {
        let number = i64::from(self.number(word)) as u64;
        match self.unit {
            Unit::Words => place.wrapping_add(number << 2),
            Unit::Bytes => place.wrapping_add(number),
            Unit::Pages => (place >> PAGE_LOG).wrapping_add(number) << PAGE_LOG,
            Unit::InPage(scale) => number << scale,
        }
    }
}

/// Words after one that encodes a page in which another is taken to encode a place in it.
const REACH: u64 = 64;

/// Goes through code word by word and finds which words encode a page and a place together.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    /// For each register, the word of the page that was put there: which it is.
    pages: [Option<u64>; 32],
}

/// A word that encodes an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) kind: FieldKind,
    /// Words back to the one that encodes the page of this place.
    pub(super) back: Option<u8>,
}

impl Sweep {
    /// Looks at `word`, the `nth`.
    pub(super) fn next(&mut self, word: u32, nth: u64) -> Option<Found> {
        let form = Form::of(word);
        let register = |low: u32| (word >> low & 31) as usize;
        let found = match form.map(|form| form.kind) {
            Some(FieldKind::InPage) => {
                let back = self.pages[register(5)].map(|page| nth - page).filter(|back| *back <= REACH);
                back.map(|back| Found { kind: FieldKind::InPage, back: Some(back as u8) })
            }
            kind => kind.map(|kind| Found { kind, back: None }),
        };
        match found.map(|found| found.kind) {
            Some(FieldKind::Call) => self.pages = [None; 32],
            Some(FieldKind::Jump | FieldKind::Branch) => {}
            Some(FieldKind::Page) => self.pages[register(0)] = Some(nth),
            // Most others write the register that the lowest bits name.
            _ => self.pages[register(0)] = None,
        }
        found
    }
}

/// `word` without the address it encodes.
pub(super) fn blanked(word: u32) -> u32 {
    Form::of(word).map_or(word, |form| form.with(word, 0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLACE: u64 = 0x1_2344;

    #[test]
    fn words_hold_addresses() {
        let check = |name: &str, word: u32, kind: FieldKind, target: u64| {
            let form = Form::of(word).expect(name);
            assert_eq!((form.kind, form.target(word, PLACE)), (kind, target), "{name}");
            assert_ne!(blanked(word), word, "{name}");
            assert_eq!(form.with(blanked(word), form.number_of(target, PLACE)), word, "{name}");
        };
        check("bl .+4", 0x9400_0001, FieldKind::Call, PLACE + 4);
        check("bl .-4", 0x97ff_ffff, FieldKind::Call, PLACE - 4);
        check("b .+64", 0x1400_0010, FieldKind::Jump, PLACE + 64);
        check("b.ne .+8", 0x5400_0041, FieldKind::Branch, PLACE + 8);
        check("cbz x3, .-8", 0xb4ff_ffc3, FieldKind::Branch, PLACE - 8);
        check("cbnz w3, .+8", 0x3500_0043, FieldKind::Branch, PLACE + 8);
        check("tbz w3, #1, .+8", 0x3608_0043, FieldKind::Branch, PLACE + 8);
        check("tbnz x3, #33, .-8", 0xb70f_ffc3, FieldKind::Branch, PLACE - 8);
        check("ldr x3, .+16", 0x5800_0083, FieldKind::Memory, PLACE + 16);
        check("ldr q3, .-16", 0x9cff_ff83, FieldKind::Memory, PLACE - 16);
        check("adr x3, .+7", 0x7000_0023, FieldKind::Memory, PLACE + 7);
        check("adr x3, .-1", 0x70ff_ffe3, FieldKind::Memory, PLACE - 1);
        check("adrp x3, this page + 5", 0xb000_0023, FieldKind::Page, 0x1_7000);
        check("adrp x3, this page - 1", 0xf0ff_ffe3, FieldKind::Page, 0x1_1000);
        check("add x3, x4, #0x123", 0x9104_8c83, FieldKind::InPage, 0x123);
        check("ldrb w3, [x4, #0x123]", 0x3944_8c83, FieldKind::InPage, 0x123);
        check("strh w3, [x4, #6]", 0x7900_0c83, FieldKind::InPage, 6);
        check("ldr s3, [x4, #12]", 0xbd40_0c83, FieldKind::InPage, 12);
        check("ldr x3, [x4, #0xff8]", 0xf947_fc83, FieldKind::InPage, 0xff8);
        check("str q3, [x4, #0x20]", 0x3d80_0883, FieldKind::InPage, 0x20);
    }

    #[test]
    fn other_words_hold_none() {
        for (name, word) in [
            ("nop", 0xd503_201f),
            ("ret", 0xd65f_03c0),
            ("blr x3", 0xd63f_0060),
            ("bc.ne .+8", 0x5400_0051),
            ("add x3, x4, #0x123, lsl #12", 0x9144_8c83),
            ("add w3, w4, #0x123", 0x1104_8c83),
            ("ldr x3, [x4], #8", 0xf840_8483),
            ("ldr x3, [x4, #0x1000]", 0xf948_0083),
            ("nothing", 0),
        ] {
            assert_eq!((Form::of(word), blanked(word)), (None, word), "{name}");
        }
    }

    proptest! {
        #[test]
        fn another_number_leaves_the_rest_of_a_word(word: u32, number: i32) {
            if let Some(form) = Form::of(word) {
                let other = form.with(word, number);
                prop_assert_eq!((other ^ word) & !form.bits(), 0);
                let bits = form.bits().count_ones();
                prop_assert_eq!((form.number(other) ^ number) << (u32::BITS - bits), 0);
                prop_assert_eq!(form.with(word, form.number(word)), word);
            }
        }
    }

    const ADRP_X3: u32 = 0xb000_0023;
    const ADD_X3: u32 = 0x9104_8c63;
    const LDR_X5_X3: u32 = 0xf940_0465;
    const BL: u32 = 0x9400_0001;
    const MOV_X3_X0: u32 = 0xaa00_03e3;
    const B_NE: u32 = 0x5400_0041;
    const NOP: u32 = 0xd503_201f;

    /// How far back the last of `words` finds its page; `None` if it encodes no place.
    fn back(words: &[u32]) -> Option<u8> {
        let mut sweep = Sweep::default();
        let found = words.iter().zip(0..).map(|(word, nth)| sweep.next(*word, nth)).last();
        found.flatten().and_then(|found| found.back)
    }

    #[test]
    fn a_place_belongs_to_the_page_in_its_register() {
        assert_eq!(back(&[ADRP_X3, ADD_X3]), Some(1));
        assert_eq!(back(&[ADRP_X3, NOP, B_NE, LDR_X5_X3]), Some(3), "others between");
        assert_eq!(back(&[ADRP_X3, LDR_X5_X3, LDR_X5_X3]), Some(2), "two places in a page");
        assert_eq!(back(&[ADRP_X3, ADRP_X3, ADD_X3]), Some(1), "the later page");
        assert_eq!(back(&[ADD_X3]), None, "no page");
        assert_eq!(back(&[ADRP_X3, ADD_X3, LDR_X5_X3]), None, "the register is an address by now");
        assert_eq!(back(&[ADRP_X3, MOV_X3_X0, ADD_X3]), None, "the register is something else");
        assert_eq!(back(&[ADRP_X3, BL, ADD_X3]), None, "a call came between");
    }

    #[test]
    fn a_page_is_not_looked_for_beyond_the_reach() {
        let check = |between: u64, found: Option<u8>| {
            let mut words = vec![ADRP_X3];
            words.resize(1 + between as usize, NOP);
            words.push(LDR_X5_X3);
            assert_eq!(back(&words), found, "{between} between");
        };
        check(REACH - 1, Some(REACH as u8));
        check(REACH, None);
    }
}
