//! `headwater keys init`: makes root keys, encrypted, and moves the roots to them.

use headwater_api::v1::{KeysView, ReplacementReason, RepositoryKeysView, RootDraftRequest};
use headwater_repo::{PublicKey, Role};
use jiff::Timestamp;
use serde_json::json;

use super::arguments::{InitArguments, Signer};
use super::ceremony;
use super::holder::{HolderFolder, HolderKeys};
use super::repositories::Repositories;
use crate::terminal::failure::Failure;
use crate::terminal::output::Output;

/// Makes the holders' keys and moves the roots to them. After a failure, a second run continues.
pub async fn init(arguments: &InitArguments, now: Timestamp, output: Output) -> Result<(), Failure> {
    if arguments.threshold > arguments.holders {
        return Err(Failure::bad_input(format!(
            "{} of {} holders cannot sign: there are not enough",
            arguments.threshold, arguments.holders
        ))
        .with_hint("lower --threshold"));
    }
    // Before keys are made that nothing would use.
    let online = match arguments.offline {
        true => None,
        false => Some(repositories_with_root_keys(arguments).await?),
    };
    let (signers, public) = make_keys(arguments)?;
    let paths: Vec<_> = signers.iter().map(|(folder, _)| folder.path()).collect();
    let Some((repositories, present)) = online else {
        let keys: Vec<_> = public.iter().map(|keys| &keys.keys).collect();
        output.result(&json!({"folders": paths, "keys": keys}), |_| {
            format!("made root keys in {}", arguments.out.display())
        });
        return Ok(());
    };
    let mut published = Vec::new();
    for repository in arguments.repositories.repositories() {
        let keys = public.iter().map(|keys| keys.of(repository)).collect::<Result<Vec<_>, _>>()?;
        let view = present.repositories.iter().find(|view| view.repository == repository.as_str());
        if view.is_some_and(|view| is_held_by(view, &keys, arguments.threshold)) {
            continue;
        }
        if view.is_some_and(|view| !view.root_keys_here) {
            return Err(offline_already(repository.as_str()));
        }
        let request = RootDraftRequest {
            replace: Vec::new(),
            root_keys: Some(keys.iter().map(ToString::to_string).collect()),
            root_threshold: Some(arguments.threshold),
            because: Some(ReplacementReason::Planned),
        };
        let mut carried = repositories.draft(repository, &request, now).await?;
        ceremony::sign(&mut carried, &signers)?;
        let version = repositories.submit(&carried, now).await?;
        // The draft of the next root names the present one, with the signature that the repository added.
        let root = repositories.draft(repository, &RootDraftRequest::default(), now).await?.previous;
        for (folder, _) in &signers {
            folder.keep_root(repository, &root)?;
        }
        published.push(json!({"repository": repository.as_str(), "root_version": version}));
    }
    let result = json!({"folders": paths, "threshold": arguments.threshold, "roots": published});
    output.result(&result, |_| {
        format!(
            "the root keys are now only in {}; {} of {} must sign",
            arguments.out.display(),
            arguments.threshold,
            arguments.holders
        )
    });
    if !output.is_json() {
        output.note(
            "next: keep the folder offline, with a copy in another place: without it and its passphrase nothing can be recovered",
        );
    }
    Ok(())
}

/// The repositories, and their keys now. Refused if no root key is there and the folder has none either, so that this is no
/// second run of the same command.
async fn repositories_with_root_keys(arguments: &InitArguments) -> Result<(Repositories, KeysView), Failure> {
    let repositories = arguments.repositories.open()?;
    let present = repositories.view().await?;
    let continues = arguments.out.exists();
    match present.repositories.iter().find(|view| !view.root_keys_here) {
        Some(view) if !continues => Err(offline_already(&view.repository)),
        _ => Ok((repositories, present)),
    }
}

fn offline_already(repository: &str) -> Failure {
    Failure::failed(format!("the root keys of {repository} are already offline")).with_hint(
        "make new ones with `headwater keys init --offline --out NEW`, then `headwater keys rotate root --because planned \
         --root-keys OLD --new-root-keys NEW`",
    )
}

/// The holders' folders with their keys; existing keys stay.
fn make_keys(arguments: &InitArguments) -> Result<(Vec<Signer>, Vec<HolderKeys>), Failure> {
    arguments.repositories.refuse_keys_in(&arguments.out)?;
    let names = arguments.repositories.repositories();
    let (mut signers, mut public) = (Vec::new(), Vec::new());
    for index in 0..arguments.holders as usize {
        let folder = match arguments.holders {
            1 => HolderFolder::new(&arguments.out),
            _ => HolderFolder::new(arguments.out.join(format!("holder-{}", index + 1))),
        };
        let passphrase = if folder.has_keys() {
            arguments.passphrases.known(index, folder.path())?
        } else {
            arguments.passphrases.chosen(index, folder.path())?
        };
        public.push(folder.make(&names, &passphrase)?);
        signers.push((folder, passphrase));
    }
    Ok((signers, public))
}

/// Whether these keys are the root keys of a repository already.
fn is_held_by(view: &RepositoryKeysView, keys: &[PublicKey], threshold: u32) -> bool {
    let mut ids: Vec<String> = keys.iter().map(|key| key.id().to_string()).collect();
    ids.sort();
    let root = view.roles.iter().find(|role| role.role == Role::Root.name());
    root.is_some_and(|root| root.keys == ids && root.threshold == threshold)
}
