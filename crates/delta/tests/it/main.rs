//! Tests of bodies.

#[cfg(test)]
mod body;
