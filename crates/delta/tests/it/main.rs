//! Tests of bodies and deltas.

#[cfg(test)]
mod body;
#[cfg(test)]
mod delta;
#[cfg(test)]
mod format;
#[cfg(test)]
mod program;
