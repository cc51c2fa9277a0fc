//! What a run works with, in three parts: what its steps read ([`Context`]), what is remembered between runs
//! ([`State`]), and what its steps find ([`Findings`]).

mod context;
mod effective;
mod findings;

pub(crate) use context::{Context, Timeout};
pub(crate) use effective::{Effective, addresses};
pub(crate) use findings::{ClassFindings, Findings};

use crate::data::State;
use crate::error::Error;

/// One run.
pub struct Session {
    pub context: Context,
    pub state: State,
    pub findings: Findings,
}

impl Session {
    /// Writes the state. A trial run stores nothing.
    pub(crate) fn save_state(&self) -> Result<(), Error> {
        if self.context.options.self_trial { Ok(()) } else { self.state.save(&self.context.folder) }
    }
}
