//! Looking through the folder of a release: everything in it that cannot be published is told at once.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use headwater_repo::FilePath;

use super::PackedFile;
use crate::failure::Failure;
use crate::limits::PROBLEMS_TOLD_MAX;

/// Files below `folder` in order of name, at most `files_max`.
pub fn through(folder: &Path, files_max: usize) -> Result<Vec<PackedFile>, Failure> {
    let mut look = Look { files_max, files: Vec::new(), problems: Vec::new() };
    look.collect(folder, "")?;
    match look.problems.len() {
        0 => Ok(look.files),
        1 => Err(Failure::bad_input(look.problems.remove(0)).with_hint(WAY_OUT)),
        count => {
            if count > PROBLEMS_TOLD_MAX {
                look.problems.truncate(PROBLEMS_TOLD_MAX);
                look.problems.push(format!("and {} more", count - PROBLEMS_TOLD_MAX));
            }
            Err(Failure::bad_input(format!(
                "{} has {count} files and folders that no release can have",
                folder.display()
            ))
            .with_problems(look.problems)
            .with_hint(WAY_OUT))
        }
    }
}

const WAY_OUT: &str =
    "rename it or leave it out; instead of links, publish what `cp -rL` makes of the folder";

struct Look {
    files_max: usize,
    files: Vec<PackedFile>,
    problems: Vec<String>,
}

impl Look {
    /// `prefix` is the folder's path in the release.
    fn collect(&mut self, folder: &Path, prefix: &str) -> Result<(), Failure> {
        let unreadable = |error: io::Error| Failure::file("read", folder, &error);
        let mut entries =
            fs::read_dir(folder).map_err(unreadable)?.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            let metadata =
                fs::symlink_metadata(&path).map_err(|error| Failure::file("read", &path, &error))?;
            let name = match name_of(&entry, prefix) {
                Ok(name) => name,
                // What is below such a folder has the same fault.
                Err(problem) => {
                    self.problems.push(problem);
                    continue;
                }
            };
            if metadata.is_dir() {
                self.collect(&path, &format!("{name}/"))?;
            } else if metadata.is_file() {
                File::open(&path).map_err(|error| Failure::file("read", &path, &error))?;
                self.files.push(PackedFile::new(&path, name, &metadata));
            } else {
                let kind =
                    if metadata.is_symlink() { "a symbolic link" } else { "neither a file nor a folder" };
                self.problems
                    .push(format!("{} is {kind}: a release holds files and folders only", path.display()));
            }
            if self.files.len() > self.files_max {
                return Err(Failure::bad_input(format!(
                    "{} has more than {} files",
                    folder.display(),
                    self.files_max
                ))
                .with_hint(
                    "publish it as several components, or pack it in an archive and give --keep-archive",
                ));
            }
        }
        Ok(())
    }
}

/// An entry's path in the release; an error is what is wrong with it.
fn name_of(entry: &fs::DirEntry, prefix: &str) -> Result<String, String> {
    let name = entry.file_name();
    let Some(name) = name.to_str() else {
        return Err(format!("the name of {} is not UTF-8", entry.path().display()));
    };
    let name = FilePath::new(format!("{prefix}{name}")).map_err(|error| error.to_string())?;
    Ok(name.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    use super::*;
    use crate::limits::RELEASE_FILES_MAX;

    #[test]
    fn every_name_that_will_not_do_is_told_at_once() {
        let folder = tempfile::tempdir().unwrap();
        for name in [&b"good"[..], b"a:b", b"nul.txt", b"ends.", b"latin-\xe9"] {
            fs::write(folder.path().join(OsStr::from_bytes(name)), "x").unwrap();
        }
        std::os::unix::fs::symlink("good", folder.path().join("link")).unwrap();
        fs::create_dir(folder.path().join("con")).unwrap();
        fs::write(folder.path().join("con/below"), "x").unwrap();
        let failure = through(folder.path(), 10).unwrap_err();
        assert!(failure.message.contains("has 6 files and folders"), "{failure}");
        let told = failure.problems.join("\n");
        for word in ["a:b", "nul.txt", "ends.", "not UTF-8", "link is a symbolic link", "\"con\""] {
            assert!(told.contains(word), "{word}: {told}");
        }
    }

    #[test]
    fn so_many_problems_are_told_and_the_rest_counted() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..PROBLEMS_TOLD_MAX + 3 {
            fs::write(folder.path().join(format!("{number}:")), "x").unwrap();
        }
        let problems = through(folder.path(), 1000).unwrap_err().problems;
        assert_eq!(problems.len(), PROBLEMS_TOLD_MAX + 1);
        assert_eq!(problems.last().unwrap(), "and 3 more");
    }

    #[test]
    fn a_release_has_so_many_files_and_no_more() {
        assert_eq!(RELEASE_FILES_MAX, headwater_repo::limits::FILES_MAX, "as many as a manifest names");
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("sub")).unwrap();
        for path in ["a", "sub/b"] {
            fs::write(folder.path().join(path), "x").unwrap();
        }
        assert_eq!(through(folder.path(), 2).unwrap().len(), 2);
        let failure = through(folder.path(), 1).unwrap_err();
        assert!(failure.message.contains("has more than 1 files"), "{failure}");
    }
}
