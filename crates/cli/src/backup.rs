//! `headwater backup` and `headwater restore`: a lost or stolen server made anew, with no visit to any endpoint (I2).

use std::path::{Path, PathBuf};

use clap::Args;
use headwater_api::v1::BackupRequest;
use headwater_policy::Class;
use headwater_repo::{Digest, Hasher, Passphrase};
use headwater_server::error::Error;
use headwater_server::restore::Restore;
use headwater_server::{Config, RawConfig};
use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};

use crate::console::{Console, ServerLocation};
use crate::failure::{Exit, Failure};
use crate::keys::passphrase::first_line;
use crate::keys::roots::Carried;
use crate::keys::{self, Holders, roots};
use crate::output::{Output, bytes, time};
use crate::private::PrivateFile;
use headwater_repo::error_chain;

const BACKUP_EXAMPLES: &str = "\
Examples:
  headwater backup --out /mnt/backup/headwater.tar --keys-passphrase-file /etc/headwater/backup-passphrase
  headwater backup --out headwater.tar --without-keys

The server goes on meanwhile. The passphrase encrypts the keys alone: whoever has the file reads the database, settings
of confidential domains too. Keep the passphrase apart from the backup. Root keys that are offline are in no backup:
keep a copy of their folder in another place.";

const RESTORE_EXAMPLES: &str = "\
Examples:
  headwater restore headwater.tar --data /var/lib/headwater --root-keys /media/stick/root-keys
  headwater restore headwater.tar --data /var/lib/headwater --export-root roots.json      for holders elsewhere
  headwater restore headwater.tar --data /var/lib/headwater --signed-root roots.json
  headwater restore headwater.tar --data /var/lib/headwater --root-keys ./root-keys --newer-roots /mnt/mirror

All online keys are replaced, so a stolen server can sign nothing that clients take once they have been updated.
Endpoints follow by themselves. docs/recovery.md walks through it.";

/// Back up a running server
#[derive(Debug, Args)]
#[command(after_help = BACKUP_EXAMPLES)]
pub struct BackupArguments {
    /// The file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// A file whose first line is the passphrase to encrypt the keys with
    #[arg(long, value_name = "FILE", required_unless_present = "without_keys")]
    keys_passphrase_file: Option<PathBuf>,
    /// Leave the keys out: they are backed up in another way
    #[arg(long, conflicts_with = "keys_passphrase_file")]
    without_keys: bool,
    /// Put the bodies of releases in, too
    #[arg(long)]
    bodies: bool,
    #[command(flatten)]
    server: ServerLocation,
}

/// Make a lost or stolen server anew from a backup and the root keys
#[derive(Debug, Args)]
#[command(after_help = RESTORE_EXAMPLES)]
pub struct RestoreArguments {
    /// The backup
    file: PathBuf,
    /// The data folder to make
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The server's configuration, for how long signatures are good and the passphrase of its keys
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A file whose first line is the passphrase of the backup's keys
    #[arg(long, value_name = "FILE")]
    keys_passphrase_file: Option<PathBuf>,
    /// A copy of the lost data folder's keys, for a backup without them
    #[arg(long, value_name = "FOLDER")]
    keys: Option<PathBuf>,
    #[command(flatten)]
    holders: Holders,
    /// Where newer roots than the backup's may be: a mirror, what an update agent serves, the roots beside root keys. What a
    /// copy of the settings there says was revoked since the backup is revoked
    #[arg(long, value_name = "FOLDER")]
    newer_roots: Vec<PathBuf>,
    /// Write the roots to be signed into a file, and wait for them
    #[arg(long, value_name = "FILE", conflicts_with = "signed_root")]
    export_root: Option<PathBuf>,
    /// The roots that the holders signed
    #[arg(long, value_name = "FILE")]
    signed_root: Option<PathBuf>,
}

/// Backs up.
pub async fn backup(arguments: BackupArguments, output: Output) -> Result<Exit, Failure> {
    let passphrase = arguments.keys_passphrase_file.as_deref().map(first_line).transpose()?;
    let request = BackupRequest { passphrase, bodies: arguments.bodies };
    let console = Console::new(&arguments.server)?;
    let mut chunks = console.download(Method::POST, "/api/v1/backup", &request).await?;
    // Under its name it is whole; what there is of one that broke off is worth nothing, and goes.
    let mut file = PrivateFile::new(&arguments.out)?;
    let (mut hasher, mut size) = (Hasher::new(), 0_u64);
    while let Some(chunk) = chunks.next().await? {
        hasher.update(&chunk);
        size += chunk.len() as u64;
        file.add(&chunk)?;
    }
    file.keep()?;
    let digest: Digest = hasher.finish();
    output.result(&json!({"file": arguments.out, "size": size, "sha256": digest}), |_| {
        format!("wrote {} ({}, SHA-256 {digest})", arguments.out.display(), bytes(size))
    });
    if !output.is_json() {
        output.note("next: bring it to another place, without the passphrase");
        output.note("its database can be read without any passphrase, settings of confidential domains too: let nobody have it who may not read those");
    }
    Ok(Exit::Done)
}

/// Restores.
pub async fn restore(arguments: RestoreArguments, output: Output) -> Result<Exit, Failure> {
    #[expect(clippy::disallowed_methods, reason = "signatures are of the moment of the command")]
    let now = Timestamp::now();
    // Before anybody types a passphrase.
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
            newer.extend(carried.iter().map(|root| (root.class, root.previous.bytes().to_vec())));
            carried
        }
        None => {
            let drafts = restore.drafts(&newer, now).await.map_err(|error| failed(&error))?;
            drafts.iter().map(Carried::read).collect::<Result<Vec<_>, _>>()?
        }
    };
    for root in &mut carried {
        keys::sign(root, &signers)?;
    }
    if let Some(file) = &arguments.export_root {
        roots::write(file, &carried)?;
        let waiting = restore.wait().map_err(|error| failed(&error))?;
        output.result(&json!({"file": file, "waiting": waiting}), |_| {
            format!("wrote {}; {} waits for it", file.display(), waiting.display())
        });
        return Ok(Exit::Done);
    }
    let mut published = Vec::new();
    for root in &carried {
        let value = root.draft().root;
        let version =
            restore.publish(root.class, &value, &newer, now).await.map_err(|error| failed(&error))?;
        keys::keep(root, &signers)?;
        published.push(json!({"class": root.class.as_str(), "root_version": version}));
    }
    let (made, has_bodies) = (restore.made(), restore.has_bodies());
    restore.finish().await.map_err(|error| failed(&error))?;
    let told = json!({"data": arguments.data, "backup_made": made, "roots": published, "revoked": revoked});
    tell_restored(&arguments, output, made, has_bodies, &revoked, &told);
    Ok(Exit::Done)
}

/// Takes over what newer copies of the signed settings revoke; says of which copy it could not.
async fn newer_revocations(
    restore: &Restore,
    arguments: &RestoreArguments,
    newer: &[(Class, Vec<u8>)],
    output: Output,
    now: Timestamp,
) -> Vec<String> {
    let mut revoked = Vec::new();
    for folder in arguments.newer_roots.iter().filter(|folder| folder.join("settings/targets").is_dir()) {
        match restore.take_revocations(folder, newer, now).await {
            Ok(clients) => revoked.extend(clients),
            Err(error) => output.note(&format!(
                "no revocations are taken from {}: {}",
                folder.display(),
                error_chain(&error)
            )),
        }
    }
    revoked
}

fn tell_restored(
    arguments: &RestoreArguments,
    output: Output,
    made: Timestamp,
    has_bodies: bool,
    revoked: &[String],
    told: &Value,
) {
    output.result(told, |_| {
        let mut text =
            format!("{} is as it was at {}, with new online keys", arguments.data.display(), time(made));
        if !revoked.is_empty() {
            text.push_str(&format!("\nrevoked since then, and again now: {}", revoked.join(", ")));
        }
        text
    });
    if output.is_json() {
        return;
    }
    output.note(&format!(
        "next: start the server at the address that the lost one had\nwhat was done after {} has to be done again: releases, \
         the source list, domains, administrators, and clients removed or revoked\nclients that enrolled after it: headwater \
         clients unknown",
        time(made)
    ));
    if !has_bodies {
        output.note("the backup has no bodies of releases: publish again what clients shall still fetch from this server: the same content under the same versions, or new ones");
    }
}

/// Roots beside the root keys, and in the folders that were named for them.
fn newer_roots(
    arguments: &RestoreArguments,
    signers: &[keys::Signer],
) -> Result<Vec<(Class, Vec<u8>)>, Failure> {
    let mut newer = Vec::new();
    for (folder, _) in signers {
        for class in Class::ALL {
            newer.extend(folder.roots(class)?.into_iter().map(|root| (class, root)));
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

/// Roots in the layout of a source, of what an update agent serves, or of a key holder's `roots`.
fn roots_in(folder: &Path) -> Result<Vec<(Class, Vec<u8>)>, Failure> {
    let mut roots = Vec::new();
    for class in Class::ALL {
        let below = folder.join(class.as_str());
        for metadata in [below.join("metadata"), below] {
            let Ok(entries) = std::fs::read_dir(&metadata) else { continue };
            for entry in entries {
                let path = entry.map_err(|error| Failure::file("list", &metadata, &error))?.path();
                if path.to_string_lossy().ends_with(".root.json") {
                    let bytes = std::fs::read(&path).map_err(|error| Failure::file("read", &path, &error))?;
                    roots.push((class, bytes));
                }
            }
        }
    }
    if roots.is_empty() {
        return Err(Failure::bad_input(format!("there are no roots in {}", folder.display())).with_hint(
            "give the folder with settings/metadata, components/metadata and programs/metadata in it",
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
    Failure::new(exit, error_chain(error))
}
