//! Tests of bodies.

mod body;
