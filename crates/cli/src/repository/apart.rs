//! Keeps keys out of what is served: a web server that serves a folder serves everything in it.

use std::io;
use std::path::{self, Component, Path, PathBuf};

use headwater_policy::Repository;
use headwater_publisher::folder::KeyFolder;
use headwater_repo::layout;

use crate::terminal::failure::Failure;

/// Opens the folder of the keys that sign what is published in `served`; with `make`, makes it. It must be apart from `served`.
pub fn open_key_folder(keys: &Path, served: &Path, make: bool) -> Result<KeyFolder, Failure> {
    refuse_keys_in(served, keys)?;
    Ok(KeyFolder::open(keys, make)?)
}

/// Refuses a key folder that is, contains or lies in the folder `served`, or lies in any other repository.
pub fn refuse_keys_in(served: &Path, keys: &Path) -> Result<(), Failure> {
    if overlap(served, keys)? { Err(not_apart(served, keys)) } else { refuse_keys_in_repository(keys) }
}

/// Refuses a key folder that lies in a repository, also in one of a server.
pub fn refuse_keys_in_repository(keys: &Path) -> Result<(), Failure> {
    let place = resolved(keys).map_err(|error| Failure::file("find", keys, &error))?;
    let is_repository = |folder: &&Path| {
        let has = |name: &str| folder.join(name).join(layout::TIMESTAMP).is_file();
        Repository::ALL.into_iter().any(|repository| has(repository.as_str()))
    };
    place.ancestors().find(is_repository).map_or(Ok(()), |served| Err(not_apart(served, keys)))
}

fn not_apart(served: &Path, keys: &Path) -> Failure {
    Failure::bad_input(format!(
        "the key folder {} and {}, which is served to others, are not apart: one is in the other",
        keys.display(),
        served.display()
    ))
    .with_hint(
        "keep keys in a folder of their own, such as ./keys beside ./public; if keys were served already, move them \
         there, then replace each with `headwater repo rotate`",
    )
}

/// Refuses to publish what is, contains or lies in `folder`, which is `what`.
pub fn refuse_content_of(folder: &Path, what: &str, content: &Path) -> Result<(), Failure> {
    if !overlap(folder, content)? {
        return Ok(());
    }
    let (content, folder) = (content.display(), folder.display());
    Err(Failure::bad_input(format!("{content} is, contains or lies in {folder}, which is {what}"))
        .with_hint("publish a folder that contains only what clients should get"))
}

fn overlap(one: &Path, other: &Path) -> Result<bool, Failure> {
    let resolve = |path| resolved(path).map_err(|error| Failure::file("find", path, &error));
    let (one, other) = (resolve(one)?, resolve(other)?);
    Ok(one.starts_with(&other) || other.starts_with(&one))
}

/// Where a path leads, through links; its last parts may not exist yet.
fn resolved(path: &Path) -> io::Result<PathBuf> {
    let mut resolved = PathBuf::new();
    for part in path::absolute(path)?.components() {
        if part == Component::ParentDir {
            resolved.pop();
            continue;
        }
        resolved.push(part);
        if let Ok(real) = resolved.canonicalize() {
            resolved = real;
        }
    }
    Ok(resolved)
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::{overlap, refuse_keys_in_repository};

    #[test]
    fn no_repository_holds_keys() {
        let folder = tempfile::tempdir().unwrap();
        let (there, metadata) =
            (folder.path().join("repository"), folder.path().join("repository/settings/metadata"));
        fs::create_dir_all(&metadata).unwrap();
        let refused = |keys: &str| refuse_keys_in_repository(&folder.path().join(keys)).is_err();
        assert!(!refused("repository/new/keys"), "it is not one yet");
        fs::write(metadata.join("timestamp.json"), "").unwrap();
        for keys in ["repository", "repository/new/keys", "keys/../repository/settings"] {
            assert!(refused(keys), "{keys}");
        }
        assert!(!refused("keys") && !refused("repository-keys"), "{}", there.display());
    }

    #[test]
    fn folders_that_overlap_are_found_by_any_path() {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path();
        fs::create_dir_all(here.join("public/components")).unwrap();
        fs::create_dir(here.join("keys")).unwrap();
        symlink(here.join("public"), here.join("link")).unwrap();
        symlink(here.join("keys"), here.join("public/inward")).unwrap();
        let check = |one: &str, other: &str, expected: bool| {
            for (one, other) in [(one, other), (other, one)] {
                assert_eq!(overlap(&here.join(one), &here.join(other)).unwrap(), expected, "{one} {other}");
            }
        };
        check("public", "keys", false);
        check("public", "public-keys", false);
        check("public", "public/../keys", false);
        check("public", "link/../keys", false);
        check("public", "public", true);
        check("public", "public/keys", true);
        check("public", ".", true);
        check("public", "link/new/keys", true);
        check("public", "new/../public/keys", true);
        check("link/components", "public", true);
        check("keys", "public/inward", true);
        check("keys", "public/inward/pending", true);
    }
}
