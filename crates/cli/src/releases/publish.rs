//! `headwater publish`: publishes a folder, a file or an archive as the next release of a component or program.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use headwater_api::v1::{Hook, PublishOptions, PublishedAnswer};
use jiff::Timestamp;

use crate::api_client::{ApiClient, ServerLocation, segment};
use crate::completions::candidates;
use crate::releases::package::Package;
use crate::terminal::failure::{Exit, Failure};
use crate::terminal::output::{Output, bytes, counted};
use crate::values::parse_seconds;

const EXAMPLES: &str = "\
Examples:
  headwater publish ./rules --name rules
  headwater publish rules.tar.gz --name rules --version 2026.11.22
  headwater publish ./scanner-7.1 --name scanner --program --install 'sh install.sh --quiet' --timeout 120s
  headwater publish ./engine --name engine --probe './engine --self-test'

The server unpacks an archive (tar, tar.gz, zip). Any other file becomes a release of one file. Without --version
the version is the date and time in UTC, such as 20261122.154501.";

/// Publish a folder, a file or an archive as the next release
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct PublishArguments {
    /// The folder, file or archive
    #[arg(value_hint = ValueHint::AnyPath)]
    path: PathBuf,
    /// The component or program
    #[arg(long, value_hint = ValueHint::Other, add = candidates::releases())]
    name: String,
    /// The version of the release; no other release of this name may have it [default: the date and time]
    #[arg(long, value_hint = ValueHint::Other)]
    version: Option<String>,
    /// Publish a program or hot fix (class programs), not a component
    #[arg(long)]
    program: bool,
    /// Command that installs the release. Clients run it in the folder of the verified release, without a shell
    #[arg(long, value_name = "COMMAND", requires = "program", value_hint = ValueHint::Other)]
    install: Option<String>,
    /// Command that checks the release after its activation. If it fails, a client reverts to its last good release
    #[arg(long, value_name = "COMMAND", value_hint = ValueHint::Other)]
    probe: Option<String>,
    /// Time limit of each of these commands, such as 90s or 5m
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_seconds, value_hint = ValueHint::Other)]
    timeout: u32,
    /// Publish an archive as a file instead of unpacking it
    #[arg(long)]
    keep_archive: bool,
    #[command(flatten)]
    server: ServerLocation,
}

/// Publishes.
pub async fn run(arguments: PublishArguments, output: Output) -> Result<Exit, Failure> {
    let options = hooks(arguments.install.as_deref(), arguments.probe.as_deref(), arguments.timeout)?;
    #[expect(clippy::disallowed_methods, reason = "the default version is the moment of the command")]
    let version = arguments.version.clone().unwrap_or_else(|| version_of(Timestamp::now()));
    let release = ReleaseUpload {
        class: if arguments.program { "programs" } else { "components" },
        name: &arguments.name,
        version: &version,
        options: &options,
    };
    let package = Package::of(&arguments.path, arguments.keep_archive)?;
    if package.is_unknown_archive() && !arguments.keep_archive {
        output.note(&format!(
            "note: {} is published as one file; only tar, tar.gz and zip are unpacked",
            arguments.path.display()
        ));
    }
    let api = ApiClient::new(&arguments.server)?;
    let published = upload(&api, &release, package, output).await?;
    output.result(&published, |published| {
        let release = &published.release;
        if published.again {
            let (name, class) = (&published.name, &published.class);
            let already = format!(
                "{name} {} is published already, as release {} of {class} with the same content",
                release.version, release.sequence,
            );
            return match published.blob_bytes_new {
                0 => format!("{already}; nothing was changed"),
                missing => format!(
                    "{already}; {} of it were missing on the server and are stored again",
                    bytes(missing)
                ),
            };
        }
        format!(
            "published {} {} as release {} of {} ({}, {}; {} new to the server)",
            published.name,
            release.version,
            release.sequence,
            published.class,
            counted(release.files as usize, "file"),
            bytes(release.size),
            bytes(published.blob_bytes_new),
        )
    });
    if !output.is_json() && !published.again {
        output.note("next: clients install it at their next update; `headwater clients list` shows which clients have it");
    }
    Ok(Exit::Done)
}

/// A release to upload, apart from its content.
#[derive(Debug, Clone, Copy)]
pub struct ReleaseUpload<'a> {
    /// `components` or `programs`.
    pub class: &'a str,
    /// The component or program.
    pub name: &'a str,
    /// The release's version.
    pub version: &'a str,
    /// Its commands.
    pub options: &'a PublishOptions,
}

/// Sends a package to the server. The server answers when the release is signed.
pub async fn upload(
    api: &ApiClient,
    release: &ReleaseUpload<'_>,
    package: Package,
    output: Output,
) -> Result<PublishedAnswer, Failure> {
    let mut query = vec![("version", release.version.to_owned()), ("format", package.format().to_owned())];
    if *release.options != PublishOptions::default() {
        query.push((
            "options",
            serde_json::to_string(release.options).expect("a wire message always serialises"),
        ));
    }
    let progress = output.progress(&format!("{} {}", release.name, release.version), package.bytes);
    let path = format!("/api/v1/releases/{}/{}", release.class, segment(release.name));
    let published = api.upload(&path, &query, package.stream(progress.clone())).await;
    progress.finish();
    published
}

/// The commands of a release, from the flags `--install`, `--probe` and `--timeout`.
pub fn hooks(
    install: Option<&str>,
    probe: Option<&str>,
    timeout_seconds: u32,
) -> Result<PublishOptions, Failure> {
    let hook = |flag: &str, command: Option<&str>| -> Result<Option<Hook>, Failure> {
        let Some(command) = command else { return Ok(None) };
        let words =
            split(command).map_err(|reason| Failure::bad_input(format!("{flag} `{command}`: {reason}")))?;
        Ok(Some(Hook { command: words, timeout_seconds }))
    };
    Ok(PublishOptions { install: hook("--install", install)?, probe: hook("--probe", probe)? })
}

/// The words of a command, split and unquoted as a shell does it, without its expansions.
fn split(command: &str) -> Result<Vec<String>, String> {
    let words = shell_words::split(command).map_err(|error| error.to_string())?;
    if words.is_empty() { Err("it has no words".to_owned()) } else { Ok(words) }
}

fn version_of(now: Timestamp) -> String {
    now.strftime("%Y%m%d.%H%M%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::{split, version_of};

    #[test]
    fn commands_become_words() {
        let check =
            |command: &str, expected: &[&str]| assert_eq!(split(command).unwrap(), expected, "{command}");
        check("sh install.sh  --quiet", &["sh", "install.sh", "--quiet"]);
        check("run 'two words' \"and \\\"three\\\" more\"", &["run", "two words", "and \"three\" more"]);
        check("run '' a\\ b", &["run", "", "a b"]);
        check("run '\\n'", &["run", "\\n"]);
        for bad in ["", "  ", "run 'open", "run \"open"] {
            assert!(split(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_release_without_a_version_is_named_after_the_moment() {
        assert_eq!(version_of("2026-11-22T15:45:01.5Z".parse().unwrap()), "20261122.154501");
    }
}
