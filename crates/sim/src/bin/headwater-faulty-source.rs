//! `headwater-faulty-source`: an update source that misbehaves on command. See `headwater_sim::faulty`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match headwater_sim::faulty::Settings::parse(&words).and_then(headwater_sim::faulty::serve) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("headwater-faulty-source: {error:#}");
            ExitCode::FAILURE
        }
    }
}
