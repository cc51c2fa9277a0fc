//! `headwater restore`: a new server from a backup and the root keys, without a visit to any endpoint (I2).

use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use headwater_policy::Repository;
use headwater_repo::{Passphrase, error_chain};
use headwater_server::error::{Error, Refusal};
use headwater_server::restore::Restore;
use headwater_server::{Config, RawConfig};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::keys::arguments::{Holders, Signer};
use crate::keys::ceremony;
use crate::keys::passphrase::first_line;
use crate::keys::roots::{self, Carried};
use crate::terminal::failure::{Exit, Failure};
use crate::terminal::output::{Output, time};
use crate::values::Because;

const EXAMPLES: &str = "\
Examples:
  headwater restore headwater.tar --data /var/lib/headwater --root-keys /media/stick/root-keys
  headwater restore headwater.tar --data /var/lib/headwater --root-keys ./root-keys --because compromised
  headwater restore headwater.tar --data /var/lib/headwater --export-root roots.json      for holders elsewhere
  headwater restore headwater.tar --data /var/lib/headwater --signed-root roots.json
  headwater restore headwater.tar --data /var/lib/headwater --root-keys ./root-keys --newer-roots /mnt/mirror

A restore replaces all online keys: once clients have updated, they accept nothing that a stolen server signs. Endpoints
follow automatically. docs/recovery.md explains the procedure.";

/// Restore a lost or stolen server from a backup and the root keys
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct RestoreArguments {
    /// The backup
    #[arg(value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// The data folder to create
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    data: PathBuf,
    /// The server's configuration, for the lifetimes of signatures and the passphrase of its keys
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    config: Option<PathBuf>,
    /// A file whose first line is the passphrase of the backup's keys
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    keys_passphrase_file: Option<PathBuf>,
    /// A copy of the lost data folder's keys, for a backup without them
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    keys: Option<PathBuf>,
    #[command(flatten)]
    holders: Holders,
    /// A folder that may have newer roots than the backup: a mirror, the folder that an update agent serves, the roots beside
    /// root keys. If it has a copy of the policy, clients that were revoked after the backup are revoked again
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    newer_roots: Vec<PathBuf>,
    /// Whether somebody else may have the lost server's keys: endpoints then replace what only these keys signed
    #[arg(long, value_name = "WHY", default_value = "planned", conflicts_with = "signed_root")]
    because: Because,
    /// Write the roots to sign into a file, for holders on other machines
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "signed_root")]
    export_root: Option<PathBuf>,
    /// The roots that the holders signed
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    signed_root: Option<PathBuf>,
}

/// Restores.
pub async fn restore(arguments: RestoreArguments, output: Output) -> Result<Exit, Failure> {
    #[expect(clippy::disallowed_methods, reason = "signatures are of the moment of the command")]
    let now = Timestamp::now();
    // Fails before anybody types a passphrase.
    std::fs::File::open(&arguments.file).map_err(|error| Failure::file("read", &arguments.file, &error))?;
    let signers = arguments.holders.open()?;
    let mut newer = newer_roots(&arguments, &signers)?;
    let passphrase = arguments.keys_passphrase_file.as_deref().map(first_line).transpose()?;
    let passphrase =
        passphrase.map(Passphrase::new).transpose().map_err(|error| Failure::bad_input(error.to_string()))?;
    let restore = Restore::begin(
        &arguments.file,
        config(&arguments)?,
        passphrase.as_ref(),
        arguments.keys.as_deref(),
        arguments.signed_root.is_some(),
        now,
    )
    .await
    .map_err(|error| failed(&error))?;
    let revoked = newer_revocations(&restore, &arguments, &newer, output, now).await;
    let mut carried = match &arguments.signed_root {
        Some(file) => {
            let carried = roots::read(file)?;
            newer.extend(carried.iter().map(|root| (root.repository, root.previous.bytes().to_vec())));
            carried
        }
        None => {
            let drafts = restore
                .drafts(&newer, arguments.because.into(), now)
                .await
                .map_err(|error| failed(&error))?;
            drafts.iter().map(Carried::read).collect::<Result<Vec<_>, _>>()?
        }
    };
    for root in &mut carried {
        ceremony::sign(root, &signers)?;
    }
    if let Some(file) = &arguments.export_root {
        roots::write(file, &carried)?;
        let waiting = restore.wait().map_err(|error| failed(&error))?;
        output.result(&json!({"file": file, "waiting": waiting}), |_| {
            format!("wrote {}; {} waits for the signatures", file.display(), waiting.display())
        });
        return Ok(Exit::Done);
    }
    let mut published = Vec::new();
    for root in &carried {
        let value = root.draft().root;
        let version =
            restore.publish(root.repository, &value, &newer, now).await.map_err(|error| failed(&error))?;
        ceremony::keep(root, &signers)?;
        published.push(json!({"repository": root.repository.as_str(), "root_version": version}));
    }
    let (made, has_bodies) = (restore.made(), restore.has_bodies());
    restore.finish().await.map_err(|error| failed(&error))?;
    let result = json!({"data": arguments.data, "backup_made": made, "roots": published, "revoked": revoked});
    report(&arguments, output, (made, has_bodies), &revoked, &result);
    Ok(Exit::Done)
}

/// Takes over the revocations in newer copies of the signed policy; notes each copy that it cannot read.
async fn newer_revocations(
    restore: &Restore,
    arguments: &RestoreArguments,
    newer: &[(Repository, Vec<u8>)],
    output: Output,
    now: Timestamp,
) -> Vec<String> {
    let mut revoked = Vec::new();
    for folder in arguments.newer_roots.iter().filter(|folder| folder.join("policy/targets").is_dir()) {
        match restore.take_revocations(folder, newer, now).await {
            Ok(clients) => revoked.extend(clients),
            Err(error) => output.note(&format!(
                "cannot take revocations from {}: {}",
                folder.display(),
                error_chain(&error)
            )),
        }
    }
    revoked
}

fn report(
    arguments: &RestoreArguments,
    output: Output,
    (made, has_bodies): (Timestamp, bool),
    revoked: &[String],
    result: &Value,
) {
    output.result(result, |_| {
        let mut text =
            format!("{} is as it was at {}, with new online keys", arguments.data.display(), time(made));
        if !revoked.is_empty() {
            text.push_str(&format!("\nrevoked since then, and now again: {}", revoked.join(", ")));
        }
        text
    });
    if output.is_json() {
        return;
    }
    output.note(&format!(
        "next: start the server at the address of the lost one\nrepeat all changes made after {}: releases, the source list, \
         domains, administrators, removed and revoked clients\nclients that enrolled after it: headwater clients unknown",
        time(made)
    ));
    if !has_bodies {
        output.note("the backup has no bodies of releases: publish again what clients should still fetch from this server, the same content under the same version or a new one");
    }
}

/// Roots beside the root keys, and in the folders of --newer-roots.
fn newer_roots(
    arguments: &RestoreArguments,
    signers: &[Signer],
) -> Result<Vec<(Repository, Vec<u8>)>, Failure> {
    let mut newer = Vec::new();
    for (folder, _) in signers {
        for repository in Repository::ALL {
            newer.extend(folder.roots(repository)?.into_iter().map(|root| (repository, root)));
        }
    }
    for folder in &arguments.newer_roots {
        newer.extend(roots_in(folder)?);
    }
    Ok(newer)
}

fn config(arguments: &RestoreArguments) -> Result<Config, Failure> {
    let file = match &arguments.config {
        Some(path) => RawConfig::read(path).map_err(|error| Failure::bad_input(error_chain(&error)))?,
        None => RawConfig::default(),
    };
    let flags = RawConfig { data: Some(arguments.data.clone()), ..RawConfig::default() };
    Config::try_from(flags.over(file)).map_err(|error| Failure::bad_input(error_chain(&error)))
}

/// Roots in the layout of a source, of an update agent's folder, or of a key holder's `roots`.
fn roots_in(folder: &Path) -> Result<Vec<(Repository, Vec<u8>)>, Failure> {
    let mut roots = Vec::new();
    for repository in Repository::ALL {
        let below = folder.join(repository.as_str());
        for metadata in [below.join("metadata"), below] {
            let Ok(entries) = std::fs::read_dir(&metadata) else { continue };
            for entry in entries {
                let path = entry.map_err(|error| Failure::file("list", &metadata, &error))?.path();
                if path.to_string_lossy().ends_with(".root.json") {
                    let bytes = std::fs::read(&path).map_err(|error| Failure::file("read", &path, &error))?;
                    roots.push((repository, bytes));
                }
            }
        }
    }
    if roots.is_empty() {
        return Err(Failure::bad_input(format!("there are no roots in {}", folder.display())).with_hint(
            "give the folder that contains policy/metadata, settings/metadata, components/metadata and programs/metadata",
        ));
    }
    Ok(roots)
}

fn failed(error: &Error) -> Failure {
    let exit = match error {
        Error::Disk { .. } => Exit::Disk,
        Error::BackupPassphrase(_) => Exit::BadInput,
        _ if error.is_disk_full() => Exit::Disk,
        _ => Exit::Failed,
    };
    let failure = Failure::new(exit, error_chain(error));
    match error {
        Error::Refused(Refusal::RootUnsigned { .. }) => failure.with_hint(
            "pass the folder of the root keys with --root-keys FOLDER, once for each holder who must sign; for holders elsewhere: \
             --export-root FILE, and then --signed-root FILE",
        ),
        _ => failure,
    }
}
