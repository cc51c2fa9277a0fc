//! The kinds of address fields that a program has.

/// The kind of a field: fields of a kind are predicted equally well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FieldKind {
    /// The target of a call.
    Call,
    /// The target of a jump.
    Jump,
    /// An operand in memory.
    Memory,
    /// A whole address, the only field of eight bytes.
    Pointer,
    /// Of the tables for unwinding.
    Frame,
    /// Of Go's tables: into code.
    Text,
    /// Of Go's tables: into another table.
    Table,
    /// Into data.
    Data,
    /// The target of a jump that is taken or not.
    Branch,
    /// The page of an operand.
    Page,
    /// Where in its page an operand is.
    InPage,
    /// The same, where the page was not as predicted.
    Astray,
}

/// Kinds of fields.
pub(super) const FIELD_KINDS: usize = FieldKind::Astray as usize + 1;
