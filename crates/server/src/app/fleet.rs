//! Who belongs to the fleet (I3): enrolment, certificates, statements, revocation.
pub mod admission;
pub mod sequence;
