//! The update agent's part of a run: after a class was updated, hold for others what the signed policy lets this
//! client share; without the role, hold nothing. Trouble here is told in the report and stops nothing (U3, U4).

use headwater_agent::{Hold, Shelf, hold as hold_class};
use headwater_api::report::UpdateAgentReport;
use headwater_policy::{Class, ClassSet};

use crate::classes::Verified;
use crate::os;
use crate::session::Session;

/// The classes that this client shares by the policy in force.
pub(crate) fn shared(session: &Session) -> ClassSet {
    session
        .policy
        .update_agent(&session.client_id)
        .map_or(ClassSet::NONE, headwater_policy::UpdateAgent::classes)
}

/// Holds a class for others, if this client shares it.
pub(crate) async fn hold(session: &mut Session, verified: &Verified<'_>) {
    let class = verified.class;
    if session.options.self_trial || !shared(session).contains(class) {
        return;
    }
    let shelf = Shelf::new(session.folder.served());
    let request = Hold {
        class,
        trusted: verified.trusted,
        walk: verified.walk,
        store: &session.store,
        shelf: &shelf,
        quota_bytes: quota_bytes(session),
    };
    if let Err(error) = hold_class(&request).await {
        tracing::warn!(%class, %error, "the class cannot be held for others now");
        let mut said = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(deeper) = cause {
            said = format!("{said}: {deeper}");
            cause = deeper.source();
        }
        report(session).problems.insert(class.to_string(), said);
    }
}

/// At a run's end: what is no longer shared goes, and the report says what is held.
pub(crate) fn settle(session: &mut Session) {
    if session.options.self_trial {
        return;
    }
    let shared = shared(session);
    let shelf = Shelf::new(session.folder.served());
    for class in Class::ALL {
        if !shared.contains(class)
            && let Err(error) = shelf.remove(class)
        {
            session
                .warnings
                .push(format!("what was held of class {class} for others cannot be removed: {error}"));
        }
    }
    if shared.is_empty() {
        session.update_agent = None;
        return;
    }
    let serves = shared.iter().filter_map(|class| Some((class.to_string(), shelf.version(class)?))).collect();
    let bytes_held = shelf.bytes_held();
    let bytes_free = os::free_bytes(session.folder.root()).ok();
    let bytes_quota = quota_bytes(session);
    let report = report(session);
    *report = UpdateAgentReport {
        serves,
        bytes_held,
        bytes_quota,
        bytes_free,
        problems: std::mem::take(&mut report.problems),
    };
}

fn report(session: &mut Session) -> &mut UpdateAgentReport {
    session.update_agent.get_or_insert_default()
}

fn quota_bytes(session: &Session) -> u64 {
    session.settings.update_agent_quota_mib.saturating_mul(1024 * 1024)
}
