//! Tests of bodies and increments.

#[cfg(test)]
mod body;
#[cfg(test)]
mod increment;
#[cfg(test)]
mod program;
