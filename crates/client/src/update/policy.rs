//! The signed policy, and with it the typed settings of this client's domain. Both are in effect from here on, for the
//! classes that follow in the same run.

use std::path::Path;

use headwater_api::report::{ClassResult, Reason};
use headwater_api::settings::SignedPolicy;
use headwater_depot::MetadataStore;
use headwater_depot::files;
use headwater_policy::Class;
use headwater_repo::{Sequence, Standing, TargetName, Trusted};

use crate::data::RepositoryOwner;
use crate::data::policy::policy_of;
use crate::decide::{Decision, NameOutcome, decide_document};
use crate::error::Error;
use crate::fetch::{ContentError, VerifiedRepository, target, unusable};
use crate::session::Session;
use crate::update::document::read_document;
use crate::update::typed_settings::update_typed_settings;

/// Brings policy and typed settings up to date.
pub(crate) async fn update_policy(
    session: &mut Session,
    verified: &VerifiedRepository<'_>,
) -> Result<Vec<NameOutcome>, ContentError> {
    let policy = update_document(session, verified).await?;
    let settings = update_typed_settings(session, verified).await?;
    Ok(vec![policy, settings])
}

async fn update_document(
    session: &mut Session,
    verified: &VerifiedRepository<'_>,
) -> Result<NameOutcome, ContentError> {
    let current = |message: String| NameOutcome {
        name: "policy".to_owned(),
        result: ClassResult::Current,
        message,
        fault: None,
    };
    let name = TargetName::new("policy.json").expect("policy.json is a target name");
    let Some(description) = verified.trusted.target(&name) else {
        return Ok(current(String::new()));
    };
    // The version is a minimum as long as the keys that vouch for it reach their threshold (I2a).
    let vouched = session.state.policy_evidence.as_ref();
    let holds = vouched.is_some_and(|evidence| verified.trusted.standing(evidence) == Standing::Holds);
    if description.sha256.is_some() && description.sha256 == session.state.policy_digest {
        if !holds {
            session.state.policy_evidence = verified.trusted.evidence();
            session.save_state()?;
        }
        return Ok(current(String::new()));
    }
    if !holds && let Some(policy) = &mut session.state.policy {
        // Root versions that it names are minimums like its own.
        policy.fleet.roots.clear();
    }
    let bytes = target(&session.context, verified, &description).await?;
    let signed: SignedPolicy = read_document("the policy", &bytes)?;
    let policy = policy_of(&signed.policy).map_err(unusable)?;
    let offered = Sequence::new(signed.version).map_err(unusable)?;
    let had = session.state.policy.as_ref();
    let have = had.filter(|_| holds).and_then(|had| Sequence::new(had.version).ok());
    if let Decision::Backwards { have } = decide_document(have, offered, None) {
        let message = format!("kept policy version {have}; the source has the older {offered}");
        return Ok(NameOutcome { fault: Some(Reason::Backwards), ..current(message) });
    }
    if had.is_some_and(|had| had.vendor_root != signed.vendor_root)
        && let Some(root) = &signed.vendor_root
    {
        let metadata = session.context.folder.metadata(RepositoryOwner::Vendor, Class::Components);
        forget_another_vendor(&metadata, root)?;
    }
    let message = format!("policy updated to version {}", signed.version);
    session.context.effective.policy = policy;
    session.state.policy = Some(signed);
    session.state.policy_digest = description.sha256;
    session.state.policy_evidence = verified.trusted.evidence();
    session.save_state()?;
    Ok(NameOutcome { result: ClassResult::Updated, ..current(message) })
}

/// Removes the metadata of a vendor source if `root` belongs to another one. Metadata of the same one stays, at any
/// address and after any pause, because that source must not lead backwards.
fn forget_another_vendor(folder: &Path, root: &serde_json::Value) -> Result<(), ContentError> {
    if !folder.is_dir() {
        return Ok(());
    }
    let kept = MetadataStore::open(folder).and_then(|metadata| metadata.load());
    // Damaged metadata is repaired where it is used.
    let Ok(Some(kept)) = kept else { return Ok(()) };
    if !is_same_chain(kept, root) {
        files::remove_tree(folder).map_err(Error::file("removing", folder))?;
    }
    Ok(())
}

/// Whether a root is one of a repository's chain, the next of it, or the one before.
fn is_same_chain(mut kept: Trusted, root: &serde_json::Value) -> bool {
    let bytes = serde_json::to_vec(root).expect("a JSON value is written as JSON");
    let Ok(mut given) = Trusted::from_root(&bytes) else { return false };
    let roots: Vec<_> = kept.received().roots.values().cloned().collect();
    let is_it =
        |kept: &[u8]| serde_json::from_slice::<serde_json::Value>(kept).is_ok_and(|kept| kept == *root);
    roots.iter().any(|kept| is_it(kept))
        || kept.update_root(&bytes).is_ok()
        || roots.first().is_some_and(|first| given.update_root(first).is_ok())
}
