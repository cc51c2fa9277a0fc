//! The publications of the demo, in order: the folders of a feed, or generated rules.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::feed::{RuleSet, write_program};

/// Publications without a feed.
const PUBLICATIONS: u32 = 2;
/// Two demos publish the same bytes.
const SEED: u64 = 20_261_122;

/// Releases that are published together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Publication {
    /// New releases of components, by the vendor.
    pub components: Vec<FeedRelease>,
    /// New release of the program, published at the server.
    pub program: Option<FeedRelease>,
}

/// A release to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedRelease {
    /// The component or program.
    pub name: String,
    /// Its version.
    pub version: String,
    /// A file or folder.
    pub path: PathBuf,
}

/// The publications of the feed, or generated ones in `work`.
pub fn plan(feed: Option<&Path>, work: &Path) -> Result<Vec<Publication>> {
    let mut publications = match feed {
        Some(feed) => read_feed(feed)?,
        None => make_feed(work).map_err(|error| Error::file("write into", work, &error))?,
    };
    // A small program goes with the first and the second publication, whatever the feed.
    for (number, publication) in (1..=PUBLICATIONS).zip(&mut publications) {
        let path = work.join(format!("greet-{number}"));
        write_program(&path, number).map_err(|error| Error::file("write", &path, &error))?;
        publication.program =
            Some(FeedRelease { name: "greet".to_owned(), version: number.to_string(), path });
    }
    Ok(publications)
}

fn make_feed(work: &Path) -> io::Result<Vec<Publication>> {
    let mut rules = RuleSet::new(SEED);
    let mut publications = Vec::new();
    for number in 1..=PUBLICATIONS {
        if number > 1 {
            rules.advance();
        }
        let path = work.join(format!("rules-{number}"));
        rules.write(&path)?;
        let release = FeedRelease { name: "rules".to_owned(), version: rules.version(), path };
        publications.push(Publication { components: vec![release], program: None });
    }
    Ok(publications)
}

/// Each folder is a component, each file or folder in it, in order of name, a release.
fn read_feed(feed: &Path) -> Result<Vec<Publication>> {
    let mut publications: Vec<Publication> = Vec::new();
    for folder in entries(feed)? {
        if !folder.is_dir() {
            continue;
        }
        let name = name_of(&folder)?.to_lowercase();
        let paths = entries(&folder)?;
        let versions = versions(paths.iter().map(|path| name_of(path)).collect::<Result<_>>()?);
        for (index, (path, version)) in paths.into_iter().zip(versions).enumerate() {
            if publications.len() <= index {
                publications.push(Publication::default());
            }
            publications[index].components.push(FeedRelease { name: name.clone(), version, path });
        }
    }
    if publications.is_empty() {
        return Err(Error::bad_input(format!("the feed {} has no releases", feed.display()))
            .with_hint("each folder in it is a component, each file or folder in that a release"));
    }
    Ok(publications)
}

/// Names without the `NNN_` that orders them, if all of them stay different.
fn versions(names: Vec<String>) -> Vec<String> {
    let shorter = |name: &String| {
        let (number, rest) = name.split_once('_')?;
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        (is_number && !rest.is_empty()).then(|| rest.to_owned())
    };
    let short: Option<Vec<String>> = names.iter().map(shorter).collect();
    let distinct = |names: &Vec<String>| names.iter().collect::<BTreeSet<_>>().len() == names.len();
    short.filter(distinct).unwrap_or(names)
}

/// The folder's entries in order of name, hidden ones left out.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = |error: io::Error| match error.kind() {
        io::ErrorKind::NotADirectory => {
            Error::bad_input(format!("the feed {} is not a folder", folder.display()))
                .with_hint("each folder in it is a component, each file or folder in that a release")
        }
        _ => Error::file("read the feed", folder, &error),
    };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

fn name_of(path: &Path) -> Result<String> {
    let name = path.file_name().and_then(|name| name.to_str());
    name.map(str::to_owned)
        .ok_or_else(|| Error::bad_input(format!("the name of {} is not UTF-8", path.display())))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::plan;

    #[test]
    fn folders_are_components_and_their_entries_releases_in_order() {
        let (feed, work) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for path in ["psl/002_b", "psl/001_a", "engine/1", "README", ".git/x"] {
            let path = feed.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "content").unwrap();
        }
        let planned: Vec<String> = plan(Some(feed.path()), work.path())
            .unwrap()
            .iter()
            .map(|publication| {
                let all = publication.components.iter().chain(&publication.program);
                all.map(|release| format!("{} {}", release.name, release.version))
                    .collect::<Vec<_>>()
                    .join(", ")
            })
            .collect();
        assert_eq!(planned, ["engine 1, psl a, greet 1", "psl b, greet 2"]);
    }

    #[test]
    fn an_empty_feed_is_refused_by_name() {
        let (feed, work) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let refused = plan(Some(feed.path()), work.path()).unwrap_err();
        assert!(refused.message.contains("has no releases"), "{refused}");
        let absent = plan(Some(&feed.path().join("absent")), work.path()).unwrap_err();
        assert!(absent.message.contains("absent"), "{absent}");
    }
}
