//! `headwater reference`: the command lines of both programs as Markdown for docs/, or as man pages for packages.
//!
//! Everything comes from clap, so that the pages say what `--help` says. One Markdown page for each noun, with its verbs;
//! one man page for each command, as `man headwater-clients-list` looks for it.

mod markdown;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory as _, ValueHint};
use clap_mangen::Man;
use serde_json::json;

use crate::terminal::failure::{Exit, Failure};
use crate::terminal::output::{Output, counted};

const EXAMPLES: &str = "\
Examples:
  headwater reference docs/reference
  headwater reference docs/reference --check     exit 1 if a page differs from what the programs say
  headwater reference /usr/share/man --man       man pages, into /usr/share/man/man1";

/// Write the reference of both programs as Markdown, or as man pages
#[derive(Debug, Args)]
#[command(hide = true, after_help = EXAMPLES)]
pub struct ReferenceArguments {
    /// The folder to write into
    #[arg(value_hint = ValueHint::DirPath)]
    folder: PathBuf,
    /// Compare the pages there instead of writing them
    #[arg(long)]
    check: bool,
    /// Write man pages instead of Markdown
    #[arg(long)]
    man: bool,
}

/// Writes the pages, or compares them.
pub fn run(
    arguments: &ReferenceArguments,
    headwater: clap::Command,
    output: Output,
) -> Result<Exit, Failure> {
    let programs = [built(headwater), built(headwater_client::arguments::Arguments::command())];
    let mut pages = BTreeMap::new();
    if arguments.man {
        for program in &programs {
            add_man_pages(program, &mut pages)?;
        }
    } else {
        for (name, text) in markdown::pages(&programs) {
            pages.insert(PathBuf::from(name), text.into_bytes());
        }
    }
    if arguments.check {
        return check(&arguments.folder, &pages, output);
    }
    for (path, content) in &pages {
        let path = arguments.folder.join(path);
        let written = match path.parent() {
            Some(folder) => fs::create_dir_all(folder).and_then(|()| fs::write(&path, content)),
            None => fs::write(&path, content),
        };
        written.map_err(|error| Failure::file("write", &path, &error))?;
    }
    for path in surplus(&arguments.folder, &pages)? {
        fs::remove_file(&path).map_err(|error| Failure::file("remove", &path, &error))?;
    }
    output.result(&json!({"written": arguments.folder, "pages": pages.len()}), |_| {
        format!("wrote {} to {}", counted(pages.len(), "page"), arguments.folder.display())
    });
    Ok(Exit::Done)
}

fn built(command: clap::Command) -> clap::Command {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    command
}

fn add_man_pages(command: &clap::Command, pages: &mut BTreeMap<PathBuf, Vec<u8>>) -> Result<(), Failure> {
    for verb in markdown::visible(command) {
        add_man_pages(verb, pages)?;
    }
    let page = Man::new(command.clone());
    let mut text = Vec::new();
    page.render(&mut text).map_err(|error| Failure::failed(format!("cannot render a man page: {error}")))?;
    pages.insert(Path::new("man1").join(page.get_filename()), text);
    Ok(())
}

fn check(folder: &Path, pages: &BTreeMap<PathBuf, Vec<u8>>, output: Output) -> Result<Exit, Failure> {
    let is_stale =
        |(path, content): &(&PathBuf, &Vec<u8>)| fs::read(folder.join(path)).ok().as_ref() != Some(*content);
    let stale = pages.iter().filter(is_stale).map(|(path, _)| folder.join(path));
    let problems: Vec<String> =
        stale.chain(surplus(folder, pages)?).map(|path| path.display().to_string()).collect();
    if problems.is_empty() {
        output.result(&json!({"current": true}), |_| format!("{} is current", folder.display()));
        return Ok(Exit::Done);
    }
    let count = counted(problems.len(), "page");
    Err(Failure::failed(format!("the reference in {} is not current: {count} to write", folder.display()))
        .with_problems(problems)
        .with_hint("write them again with `cargo xtask reference`"))
}

/// Pages of the folder that belong to no command any more.
fn surplus(folder: &Path, pages: &BTreeMap<PathBuf, Vec<u8>>) -> Result<Vec<PathBuf>, Failure> {
    let mut surplus = Vec::new();
    let Some(first) = pages.keys().next() else { return Ok(surplus) };
    let (below, extension) = (first.parent().unwrap_or(Path::new("")), first.extension());
    let Ok(entries) = fs::read_dir(folder.join(below)) else { return Ok(surplus) };
    for entry in entries {
        let path = entry.map_err(|error| Failure::file("list", folder, &error))?.path();
        let name = below.join(path.file_name().unwrap_or_default());
        let is_ours = name.file_name().is_some_and(|name| name.to_string_lossy().starts_with("headwater"));
        if is_ours && path.extension() == extension && !pages.contains_key(&name) {
            surplus.push(path);
        }
    }
    Ok(surplus)
}
