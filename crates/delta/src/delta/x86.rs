//! As much of the x86-64 instruction encoding as it takes to find the addresses in code.
//!
//! An instruction's length follows from its prefixes, opcode, ModRM and SIB bytes; what it does is nobody's business
//! here. A sweep that starts in the middle of an instruction falls into step after a few.

/// An instruction: how long it is, and where in it the four bytes of a relative address are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Instruction {
    pub(super) length: usize,
    pub(super) relative: Option<usize>,
}

/// Bytes of the longest instruction.
pub(super) const LENGTH_MAX: usize = 15;

/// What follows an opcode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Plain,
    Imm8,
    Imm16,
    Imm24,
    /// Four bytes, or two after an operand-size prefix.
    Imm32,
    /// Four bytes; eight with REX.W.
    ImmWide,
    Address64,
    Relative32,
    Modrm,
    ModrmImm8,
    ModrmImm32,
    /// An immediate only where the register field of ModRM is 0 or 1.
    TestImm8,
    TestImm32,
    Unknown,
}

/// The instruction at the start of `code`; `None` if it is not one that we know.
pub(super) fn instruction(code: &[u8]) -> Option<Instruction> {
    let mut at = 0;
    let mut short = false;
    let mut wide = false;
    loop {
        match *code.get(at)? {
            0x66 => short = true,
            0x67 | 0xf2 | 0xf3 | 0xf0 | 0x2e | 0x36 | 0x3e | 0x26 | 0x64 | 0x65 => {}
            _ => break,
        }
        at += 1;
        if at >= LENGTH_MAX {
            return None;
        }
    }
    if let rex @ 0x40..=0x4f = *code.get(at)? {
        wide = rex & 8 != 0;
        at += 1;
    }
    let opcode = *code.get(at)?;
    let form = match opcode {
        0x0f => {
            at += 1;
            match *code.get(at)? {
                0x38 => {
                    at += 1;
                    Form::Modrm
                }
                0x3a => {
                    at += 1;
                    Form::ModrmImm8
                }
                second => FORMS[1][usize::from(second)],
            }
        }
        0xc5 => {
            at += 2;
            vector(1, *code.get(at)?)
        }
        0xc4 => {
            let map = *code.get(at + 1)? & 0x1f;
            at += 3;
            vector(map, *code.get(at)?)
        }
        0x62 => {
            let map = *code.get(at + 1)? & 7;
            at += 4;
            vector(map, *code.get(at)?)
        }
        _ => FORMS[0][usize::from(opcode)],
    };
    operands(code, at + 1, form, short, wide)
}

fn operands(code: &[u8], mut at: usize, form: Form, short: bool, wide: bool) -> Option<Instruction> {
    let imm32 = if short { 2 } else { 4 };
    let mut relative = None;
    let mut immediate = match form {
        Form::Unknown => return None,
        Form::Plain | Form::Modrm | Form::TestImm8 | Form::TestImm32 => 0,
        Form::Imm8 | Form::ModrmImm8 => 1,
        Form::Imm16 => 2,
        Form::Imm24 => 3,
        Form::Imm32 | Form::ModrmImm32 => imm32,
        Form::ImmWide => {
            if wide {
                8
            } else {
                imm32
            }
        }
        Form::Address64 => 8,
        Form::Relative32 => {
            relative = Some(at);
            4
        }
    };
    if matches!(form, Form::Modrm | Form::ModrmImm8 | Form::ModrmImm32 | Form::TestImm8 | Form::TestImm32) {
        let modrm = *code.get(at)?;
        at += 1;
        let (mode, register, memory) = (modrm >> 6, modrm >> 3 & 7, modrm & 7);
        match form {
            Form::TestImm8 if register < 2 => immediate = 1,
            Form::TestImm32 if register < 2 => immediate = imm32,
            _ => {}
        }
        let mut displacement = [0, 1, 4, 0][usize::from(mode)];
        if mode != 3 && memory == 4 {
            let sib = *code.get(at)?;
            at += 1;
            if mode == 0 && sib & 7 == 5 {
                displacement = 4;
            }
        } else if mode == 0 && memory == 5 {
            relative = Some(at);
            displacement = 4;
        }
        at += displacement;
    }
    let length = at + immediate;
    (length <= code.len() && length <= LENGTH_MAX).then_some(Instruction { length, relative })
}

/// What follows each opcode of one byte, and of two by the second.
static FORMS: [[Form; 256]; 2] = {
    let mut forms = [[Form::Unknown; 256]; 2];
    let mut opcode = 0;
    while opcode < 256 {
        forms[0][opcode] = one_byte(opcode as u8);
        forms[1][opcode] = two_byte(opcode as u8);
        opcode += 1;
    }
    forms
};

const fn one_byte(opcode: u8) -> Form {
    match opcode {
        0x00..=0x3f => match opcode & 7 {
            0..=3 => Form::Modrm,
            4 => Form::Imm8,
            5 => Form::Imm32,
            _ => Form::Unknown,
        },
        0x50..=0x5f | 0x6c..=0x6f | 0x90..=0x99 | 0x9b..=0x9f | 0xa4..=0xa7 | 0xaa..=0xaf => Form::Plain,
        0x63 | 0x84..=0x8f | 0xd0..=0xd3 | 0xd8..=0xdf | 0xfe | 0xff => Form::Modrm,
        0x68 | 0xa9 => Form::Imm32,
        0x69 | 0x81 | 0xc7 => Form::ModrmImm32,
        0x6b | 0x80 | 0x83 | 0xc0 | 0xc1 | 0xc6 => Form::ModrmImm8,
        0x6a | 0x70..=0x7f | 0xa8 | 0xb0..=0xb7 | 0xcd | 0xe0..=0xe7 | 0xeb => Form::Imm8,
        0xa0..=0xa3 => Form::Address64,
        0xb8..=0xbf => Form::ImmWide,
        0xc2 | 0xca => Form::Imm16,
        0xc8 => Form::Imm24,
        0xc3 | 0xc9 | 0xcb | 0xcc | 0xcf | 0xd7 | 0xec..=0xef | 0xf1 | 0xf4 | 0xf5 | 0xf8..=0xfd => {
            Form::Plain
        }
        0xe8 | 0xe9 => Form::Relative32,
        0xf6 => Form::TestImm8,
        0xf7 => Form::TestImm32,
        _ => Form::Unknown,
    }
}

const fn two_byte(opcode: u8) -> Form {
    match opcode {
        0x05..=0x09 | 0x0b | 0x30..=0x35 | 0x37 | 0x77 | 0xa0..=0xa2 | 0xa8..=0xaa | 0xc8..=0xcf => {
            Form::Plain
        }
        0x80..=0x8f => Form::Relative32,
        0x0f | 0x70..=0x73 | 0xa4 | 0xac | 0xba | 0xc2 | 0xc4..=0xc6 => Form::ModrmImm8,
        0x04 | 0x0a | 0x0c | 0x24..=0x27 | 0x36 | 0x39..=0x3f => Form::Unknown,
        _ => Form::Modrm,
    }
}

fn vector(map: u8, opcode: u8) -> Form {
    match map {
        1 if opcode == 0x77 => Form::Plain,
        1 if matches!(opcode, 0x70..=0x73 | 0xc2 | 0xc4..=0xc6) => Form::ModrmImm8,
        1 | 2 | 5 | 6 => Form::Modrm,
        3 => Form::ModrmImm8,
        _ => Form::Unknown,
    }
}
