//! What the program prints, and its exit codes.

use std::io::{ErrorKind, Write as _};

use headwater_client::{ConfigError, Error};

/// Nothing can be written to stdout, for example because the disk is full.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to stdout")]
pub(crate) struct StdoutError(#[source] pub std::io::Error);

/// Writes to stdout. A reader that stops reading (`| head`) is no error.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(StdoutError(error).into()),
        _ => Ok(()),
    }
}

/// Writes the one JSON object of a failure to stdout.
pub(crate) fn print_failure(message: &str, exit: u8) -> anyhow::Result<()> {
    print(&format!("{}\n", serde_json::json!({"error": {"message": message, "exit": exit}})))
}

/// Writes an error to stderr, and with `--json` to stdout; returns the exit code.
pub(crate) fn fail(error: &anyhow::Error, json: bool) -> u8 {
    print_error(error);
    let exit = exit_code(error);
    if json {
        let _ = print_failure(&format!("{error:#}"), exit);
    }
    exit
}

/// Writes an error to stderr; if that is closed, nobody can read it.
pub(crate) fn print_error(error: &anyhow::Error) {
    let _ = writeln!(std::io::stderr(), "error: {error:#}");
}

/// The exit code for an error: 2 bad input, 4 disk or permission, 1 anything else.
pub(crate) fn exit_code(error: &anyhow::Error) -> u8 {
    if error.downcast_ref::<ConfigError>().is_some() {
        return 2;
    }
    if error.downcast_ref::<StdoutError>().is_some() {
        return 4;
    }
    match error.downcast_ref::<Error>() {
        Some(error) if error.is_storage() => 4,
        Some(
            Error::FolderOfServer(_)
            | Error::NoBundle(_)
            | Error::BundleMissing(_)
            | Error::Malformed { .. }
            | Error::OtherId { .. },
        ) => 2,
        Some(_) | None => 1,
    }
}
