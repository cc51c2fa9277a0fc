//! The ceremony of a new root: draft it, collect the holders' signatures, publish under it; in one go, or through files.

use std::path::PathBuf;

use headwater_api::v1::RootDraftRequest;
use headwater_policy::Repository;
use headwater_repo::KeyId;
use jiff::Timestamp;
use serde_json::json;

use super::arguments::{Holders, NewRoots, Rotated, Signer};
use super::holder::{HolderFolder, HolderKeys};
use super::repositories::{Repositories, RepositoriesArguments};
use super::roots::{self, Carried};
use crate::terminal::failure::Failure;
use crate::terminal::output::Output;
use crate::values::Because;

/// What the next roots change.
#[derive(Debug, Clone, Copy, Default)]
pub struct RootsChange<'a> {
    /// The keys to replace.
    pub what: &'a [Rotated],
    /// Other root keys.
    pub new_roots: Option<&'a NewRoots>,
    /// Why keys are replaced. `None` if none are.
    pub because: Option<Because>,
}

/// Drafts roots, signs them with the given holders' keys, and publishes under them.
pub async fn change(
    arguments: &RepositoriesArguments,
    holders: &Holders,
    change: RootsChange<'_>,
    now: Timestamp,
    output: Output,
) -> Result<(), Failure> {
    let repositories = arguments.open()?;
    let mut signers = holders.open()?;
    if let Some(new_roots) = change.new_roots {
        let new = new_roots.new_root_keys.iter().filter(|path| path.is_dir());
        for (index, path) in new.enumerate() {
            let folder = HolderFolder::new(path);
            let passphrase = holders.passphrases.known(holders.root_keys.len() + index, path)?;
            signers.push((folder, passphrase));
        }
    }
    let mut drafted = draft(arguments, &repositories, change, now).await?;
    for carried in &mut drafted {
        sign(carried, &signers)?;
    }
    for carried in &drafted {
        repositories.submit(carried, now).await?;
        keep(carried, &signers)?;
    }
    report(&drafted, output, &json!({}));
    Ok(())
}

/// The drafts of the next roots, one for each repository.
pub async fn draft(
    arguments: &RepositoriesArguments,
    repositories: &Repositories,
    change: RootsChange<'_>,
    now: Timestamp,
) -> Result<Vec<Carried>, Failure> {
    let RootsChange { what, new_roots, because } = change;
    let mut replace: Vec<String> =
        what.iter().flat_map(|what| what.roles()).map(|role| role.name().to_owned()).collect();
    replace.sort();
    replace.dedup();
    let new: Vec<HolderKeys> = new_roots
        .map(|new| new.new_root_keys.iter().map(|path| HolderKeys::read(path)).collect())
        .transpose()?
        .unwrap_or_default();
    let mut drafted = Vec::new();
    for repository in arguments.repositories() {
        let because = because.map(Into::into);
        let mut request =
            RootDraftRequest { replace: replace.clone(), because, ..RootDraftRequest::default() };
        if !new.is_empty() {
            let keys = new.iter().map(|keys| keys.of(repository)).collect::<Result<Vec<_>, _>>()?;
            request.root_keys = Some(keys.iter().map(ToString::to_string).collect());
            request.root_threshold = Some(new_roots.and_then(|new| new.new_threshold).unwrap_or(1));
        }
        drafted.push(repositories.draft(repository, &request, now).await?);
    }
    Ok(drafted)
}

/// Adds the signatures of these holders. Returns the ids of keys that the root does not accept.
pub fn sign(carried: &mut Carried, signers: &[Signer]) -> Result<Vec<KeyId>, Failure> {
    let mut foreign_keys = Vec::new();
    for (folder, passphrase) in signers {
        folder.check_not_behind(carried)?;
        if let Some(key) = folder.key(carried.repository, passphrase)?
            && !carried.sign(&key)?
        {
            foreign_keys.push(key.id());
        }
    }
    Ok(foreign_keys)
}

/// Stores a root that has all its signatures, and the previous one, beside the keys.
pub fn keep(carried: &Carried, signers: &[Signer]) -> Result<(), Failure> {
    let Ok(root) = carried.root.complete() else { return Ok(()) };
    for (folder, _) in signers {
        folder.keep_root(carried.repository, &carried.previous)?;
        folder.keep_root(carried.repository, &root)?;
    }
    Ok(())
}

/// `keys sign-root`: adds signatures to the roots in a file.
pub fn sign_file(file: &PathBuf, holders: &Holders, now: Timestamp, output: Output) -> Result<(), Failure> {
    let mut carried = roots::read(file)?;
    if holders.root_keys.is_empty() {
        return Err(Failure::bad_input("no root keys are given, so nobody signs")
            .with_hint("give --root-keys FOLDER"));
    }
    let signers = holders.open()?;
    let mut foreign_keys = Vec::new();
    for root in &mut carried {
        root.check_life(now)?;
        foreign_keys.extend(sign(root, &signers)?);
    }
    if foreign_keys.len() == carried.len() * signers.len() {
        return Err(Failure::failed(
            "these keys are root keys neither before nor after the change, so they sign nothing",
        )
        .with_hint(
            "`headwater keys show` lists the ids of the root keys; pass the folder with one of them",
        ));
    }
    roots::write(file, &carried)?;
    for root in &carried {
        keep(root, &signers)?;
    }
    report(&carried, output, &json!({"file": file}));
    Ok(())
}

/// `keys import-root`: publishes under the signed roots of files.
pub async fn import(
    files: &[PathBuf],
    arguments: &RepositoriesArguments,
    now: Timestamp,
    output: Output,
) -> Result<(), Failure> {
    let mut merged: Vec<Carried> = Vec::new();
    for file in files {
        for carried in roots::read(file)? {
            match merged.iter_mut().find(|have| have.repository == carried.repository) {
                None => merged.push(carried),
                Some(have) => have.root.merge(&carried.root).map_err(crate::repository::failure::refused)?,
            }
        }
    }
    let only: Vec<Repository> = arguments.repositories();
    merged.retain(|carried| only.contains(&carried.repository));
    let repositories = arguments.open()?;
    // A second run after a failure continues with the roots that were not taken.
    let present = repositories.view().await?;
    let is_taken = |carried: &Carried| {
        let view = present.repositories.iter().find(|view| view.repository == carried.repository.as_str());
        view.is_some_and(|view| view.root_version == carried.root.version())
    };
    for carried in merged.iter().filter(|carried| !is_taken(carried)) {
        repositories.submit(carried, now).await?;
    }
    report(&merged, output, &json!({}));
    Ok(())
}

/// Prints what the roots change, and which signatures are missing.
pub fn report(carried: &[Carried], output: Output, more: &serde_json::Value) {
    let one = |carried: &Carried| {
        json!({
            "repository": carried.repository.as_str(),
            "root_version": carried.root.version(),
            "expires": carried.root.expires(),
            "missing": carried.missing().ok().flatten(),
        })
    };
    let mut object = more.clone();
    object["roots"] = carried.iter().map(one).collect();
    output.result(&object, |_| {
        let lines = carried.iter().flat_map(|carried| {
            let mut lines = carried.description();
            if let Ok(Some(missing)) = carried.missing() {
                lines.push(format!("  has {missing}"));
            }
            lines
        });
        lines.collect::<Vec<_>>().join("\n")
    });
}
