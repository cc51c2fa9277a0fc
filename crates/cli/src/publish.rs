//! `headwater publish`: a folder, a file or an archive becomes the next release of a component or program.

use std::path::PathBuf;

use clap::Args;
use headwater_api::v1::{Hook, PublishOptions, Published};
use jiff::Timestamp;

use crate::console::{Console, ServerLocation, segment};
use crate::failure::{Exit, Failure};
use crate::output::{Output, bytes, counted};
use crate::pack::Package;

const EXAMPLES: &str = "\
Examples:
  headwater publish ./rules --name rules
  headwater publish rules.tar.gz --name rules --version 2026.11.22
  headwater publish ./scanner-7.1 --name scanner --program --install 'sh install.sh --quiet' --timeout 120s
  headwater publish ./engine --name engine --probe './engine --self-test'

A folder is sent as it is; an archive (tar, tar.gz, zip) is unpacked by the server; any other file becomes
a release of one file. Without --version the release is named after the moment, as in 20261122.154501.";

/// Publish a folder, a file or an archive as the next release
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct PublishArguments {
    /// What to publish
    path: PathBuf,
    /// The component or program it is a release of
    #[arg(long)]
    name: String,
    /// The release's version, unique within its name [default: the date and time]
    #[arg(long)]
    version: Option<String>,
    /// It is a program or hot fix (class programs), not a component
    #[arg(long)]
    program: bool,
    /// Command that installs it, run in the release's verified folder; words as in a shell, but no shell
    #[arg(long, value_name = "COMMAND", requires = "program")]
    install: Option<String>,
    /// Command that judges it before it is kept; when it fails, clients go back to their last good release
    #[arg(long, value_name = "COMMAND")]
    probe: Option<String>,
    /// How long either command may take, in seconds, or with s, m, h
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_seconds)]
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
    let release = Release {
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
    let console = Console::new(&arguments.server)?;
    let published = upload(&console, &release, package, output).await?;
    output.result(&published, |published| {
        let release = &published.release;
        if published.again {
            return format!(
                "{} {} was published before, as release {} of {} with the same content; {} of it lacked here and is stored again",
                published.name,
                release.version,
                release.sequence,
                published.class,
                bytes(published.blob_bytes_new),
            );
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
        output.note("next: clients take it at their next update; `headwater clients list` shows who has");
    }
    Ok(Exit::Done)
}

/// What a release says beside its content.
#[derive(Debug, Clone, Copy)]
pub struct Release<'a> {
    /// `components` or `programs`.
    pub class: &'a str,
    /// The component or program.
    pub name: &'a str,
    /// The release's version.
    pub version: &'a str,
    /// Its commands.
    pub options: &'a PublishOptions,
}

/// Sends a package to the server, which answers when the release is signed.
pub async fn upload(
    console: &Console,
    release: &Release<'_>,
    package: Package,
    output: Output,
) -> Result<Published, Failure> {
    let mut query = vec![("version", release.version.to_owned()), ("format", package.format().to_owned())];
    if *release.options != PublishOptions::default() {
        query.push((
            "options",
            serde_json::to_string(release.options).expect("a wire message always serialises"),
        ));
    }
    let progress = output.progress(&format!("{} {}", release.name, release.version), package.bytes);
    let path = format!("/api/v1/releases/{}/{}", release.class, segment(release.name));
    let published = console.upload(&path, &query, package.stream(progress.clone())).await;
    progress.finish();
    published
}

/// A release's commands, from the flags that give them.
pub fn hooks(
    install: Option<&str>,
    probe: Option<&str>,
    timeout_seconds: u32,
) -> Result<PublishOptions, Failure> {
    let hook = |flag: &str, command: Option<&str>| -> Result<Option<Hook>, Failure> {
        let Some(command) = command else { return Ok(None) };
        let words =
            words(command).map_err(|reason| Failure::bad_input(format!("{flag} `{command}`: {reason}")))?;
        Ok(Some(Hook { command: words, timeout_seconds }))
    };
    Ok(PublishOptions { install: hook("--install", install)?, probe: hook("--probe", probe)? })
}

fn version_of(now: Timestamp) -> String {
    now.strftime("%Y%m%d.%H%M%S").to_string()
}

/// Splits a command into words at blanks, as a shell does, with its two quotes and the backslash; nothing else.
fn words(command: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut characters = command.chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some(open), character) if character == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None | Some('"'), '\\') => match characters.next() {
                Some(next) => word.get_or_insert_default().push(next),
                None => return Err("it ends in a backslash".to_owned()),
            },
            (None, character) if character.is_whitespace() => words.extend(word.take()),
            (_, character) => word.get_or_insert_default().push(character),
        }
    }
    if quote.is_some() {
        return Err("a quote is not closed".to_owned());
    }
    words.extend(word);
    if words.is_empty() { Err("it has no words".to_owned()) } else { Ok(words) }
}

/// A time as people write it: `90`, `90s`, `5m`, `1h`, `7d`.
pub fn parse_seconds(text: &str) -> Result<u32, String> {
    let (digits, factor) = match text.char_indices().next_back() {
        Some((at, 's')) => (&text[..at], 1),
        Some((at, 'm')) => (&text[..at], 60),
        Some((at, 'h')) => (&text[..at], 3600),
        Some((at, 'd')) => (&text[..at], 24 * 3600),
        _ => (text, 1),
    };
    let number: u32 =
        digits.parse().map_err(|_| "a time is a whole number with s, m, h or d, such as 90s".to_owned())?;
    match number.checked_mul(factor) {
        Some(0) => Err("a time limit of nothing would always be over".to_owned()),
        Some(seconds) => Ok(seconds),
        None => Err("that is more than a century".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::{parse_seconds, version_of, words};

    #[test]
    fn commands_become_words() {
        let check =
            |command: &str, expected: &[&str]| assert_eq!(words(command).unwrap(), expected, "{command}");
        check("sh install.sh  --quiet", &["sh", "install.sh", "--quiet"]);
        check("run 'two words' \"and \\\"three\\\" more\"", &["run", "two words", "and \"three\" more"]);
        check("run '' a\\ b", &["run", "", "a b"]);
        check("run '\\n'", &["run", "\\n"]);
        for bad in ["", "  ", "run 'open", "run \\"] {
            assert!(words(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_are_read_with_their_units() {
        let check = |text: &str, seconds: u32| assert_eq!(parse_seconds(text), Ok(seconds));
        check("90", 90);
        check("90s", 90);
        check("5m", 300);
        check("1h", 3600);
        for bad in ["", "s", "0", "-1s", "1y", "1.5m", "4294967295h", "5ü"] {
            assert!(parse_seconds(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_release_without_a_version_is_named_after_the_moment() {
        assert_eq!(version_of("2026-11-22T15:45:01.5Z".parse().unwrap()), "20261122.154501");
    }
}
