//! `headwater keys rotate ca | response-signing | enrolment-encryption`: keys by which the fleet knows the server. No root key signs them.

use super::Rotated;
use super::place::Place;
use crate::failure::Failure;
use crate::output::Output;

/// Replaces one of them.
pub async fn rotate(place: &Place, what: Rotated, at_once: bool, output: Output) -> Result<(), Failure> {
    if what == Rotated::Ca {
        let rotated = place.rotate_ca(at_once).await?;
        output.result(&rotated, |ca| {
            let former = match at_once {
                true => "those before are given up: every client gets another certificate when it next asks",
                false => "certificates of the one before stay good until they end",
            };
            format!("the fleet has CA {} now; {former}", ca.number)
        });
        return Ok(());
    }
    if at_once {
        return Err(Failure::bad_input("--at-once goes with `rotate ca`").with_hint(
            "the others are replaced at once anyway: who learns of the new one believes it alone",
        ));
    }
    let (which, told) = match what {
        Rotated::ResponseSigning => {
            ("response-signing", "clients believe it alone once they have the policy signed just now")
        }
        _ => ("enrolment-encryption", "bundles made before stay good until they end"),
    };
    let rotated = place.rotate_fleet_key(which).await?;
    output.result(&rotated, |rotated| format!("the {which} key is {} now; {told}", rotated.key));
    Ok(())
}
