//! `headwater keys rotate ca | response-signing | enrolment-encryption`: keys by which the fleet recognises the server.
//! No root key signs them.

use super::arguments::Rotated;
use super::repositories::Repositories;
use crate::terminal::failure::Failure;
use crate::terminal::output::Output;

/// Replaces one of them.
pub async fn rotate(
    repositories: &Repositories,
    what: Rotated,
    at_once: bool,
    output: Output,
) -> Result<(), Failure> {
    if what == Rotated::Ca {
        let rotated = repositories.rotate_ca(at_once).await?;
        output.result(&rotated, |ca| {
            let previous = match at_once {
                true => "certificates of earlier CAs are only accepted for renewal: every client gets a new one at its next contact",
                false => "certificates of the previous CA stay valid until they expire",
            };
            format!("the fleet now has CA {}; {previous}", ca.number)
        });
        return Ok(());
    }
    if at_once {
        return Err(Failure::bad_input("--at-once goes with `rotate ca`").with_hint(
            "the other keys are always replaced at once: a client that learns of the new key trusts no other",
        ));
    }
    let (which, effect) = match what {
        Rotated::ResponseSigning => {
            ("response-signing", "clients trust it alone once they have the policy that was just signed")
        }
        _ => ("enrolment-encryption", "existing bundles stay valid until they expire"),
    };
    let rotated = repositories.rotate_fleet_key(which).await?;
    output.result(&rotated, |rotated| format!("the {which} key is now {}; {effect}", rotated.key));
    Ok(())
}
