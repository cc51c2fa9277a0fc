//! `headwater backup`: a copy of a running server, from which `headwater restore` makes another.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use headwater_api::v1::BackupRequest;
use headwater_repo::{Digest, Hasher};
use reqwest::Method;
use secrecy::SecretString;
use serde_json::json;

use crate::api_client::{ApiClient, ServerLocation};
use crate::keys::passphrase::first_line;
use crate::terminal::failure::{Exit, Failure};
use crate::terminal::output::{Output, bytes};
use crate::terminal::private::PrivateFile;

const EXAMPLES: &str = "\
Examples:
  headwater backup --out /mnt/backup/headwater.tar --keys-passphrase-file /etc/headwater/backup-passphrase
  headwater backup --out headwater.tar --without-keys

The server continues to run. The passphrase encrypts only the keys: anybody with the file can read the database, and with
it the settings of confidential domains. Store the passphrase apart from the backup. A backup has no offline root keys:
keep a copy of their folder in another place.";

/// Back up a running server
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct BackupArguments {
    /// The file to write; it must not exist yet
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    out: PathBuf,
    /// A file whose first line is the passphrase that encrypts the keys
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, required_unless_present = "without_keys")]
    keys_passphrase_file: Option<PathBuf>,
    /// Leave the keys out, if they are backed up in another way
    #[arg(long, conflicts_with = "keys_passphrase_file")]
    without_keys: bool,
    /// Include the bodies of releases
    #[arg(long)]
    bodies: bool,
    #[command(flatten)]
    server: ServerLocation,
}

/// Backs up.
pub async fn backup(arguments: BackupArguments, output: Output) -> Result<Exit, Failure> {
    let passphrase =
        arguments.keys_passphrase_file.as_deref().map(first_line).transpose()?.map(SecretString::from);
    let request = BackupRequest { passphrase, bodies: arguments.bodies };
    let api = ApiClient::new(&arguments.server)?;
    // The file gets its name only when it is whole; a part of a backup is useless and is removed.
    let mut file = PrivateFile::fresh(&arguments.out)?;
    let mut chunks = api.download(Method::POST, "/api/v1/backup", &request).await?;
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
        output.note("next: move it to another place, without the passphrase");
        output.note("the database in it is not encrypted: keep it from everybody who may not read the settings of confidential domains");
    }
    Ok(Exit::Done)
}
