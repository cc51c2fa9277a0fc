//! End-to-end tests: real programs on separate hosts, and the harness's own parts.

#[cfg(test)]
mod faulty;
#[cfg(test)]
mod hosts;
#[cfg(test)]
mod killed;
