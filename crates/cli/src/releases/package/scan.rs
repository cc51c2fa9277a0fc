//! Scans the folder of a release, and reports everything in it that cannot be published at once.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use headwater_repo::FilePath;

use super::file::PackedFile;
use crate::limits::PROBLEMS_SHOWN_MAX;
use crate::terminal::failure::Failure;

/// Files below `folder` in order of name, at most `files_max`.
pub fn scan(folder: &Path, files_max: usize) -> Result<Vec<PackedFile>, Failure> {
    let mut scan = Scan { files_max, files: Vec::new(), problems: Vec::new() };
    scan.collect(folder, "")?;
    match scan.problems.len() {
        0 => Ok(scan.files),
        1 => Err(Failure::bad_input(scan.problems.remove(0)).with_hint(HINT)),
        count => {
            if count > PROBLEMS_SHOWN_MAX {
                scan.problems.truncate(PROBLEMS_SHOWN_MAX);
                scan.problems.push(format!("and {} more", count - PROBLEMS_SHOWN_MAX));
            }
            Err(Failure::bad_input(format!(
                "{} has {count} files and folders that a release cannot contain",
                folder.display()
            ))
            .with_problems(scan.problems)
            .with_hint(HINT))
        }
    }
}

const HINT: &str = "rename it or leave it out; instead of links, publish what `cp -rL` makes of the folder";

struct Scan {
    files_max: usize,
    files: Vec<PackedFile>,
    problems: Vec<String>,
}

impl Scan {
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
                // Everything below such a folder has the same problem.
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

/// The path of an entry in the release, or the problem of its name.
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
    fn all_invalid_names_are_reported_at_once() {
        let folder = tempfile::tempdir().unwrap();
        for name in [&b"good"[..], b"a:b", b"nul.txt", b"ends.", b"latin-\xe9"] {
            fs::write(folder.path().join(OsStr::from_bytes(name)), "x").unwrap();
        }
        std::os::unix::fs::symlink("good", folder.path().join("link")).unwrap();
        fs::create_dir(folder.path().join("con")).unwrap();
        fs::write(folder.path().join("con/below"), "x").unwrap();
        let failure = scan(folder.path(), 10).unwrap_err();
        assert!(failure.message.contains("has 6 files and folders"), "{failure}");
        let problems = failure.problems.join("\n");
        for word in ["a:b", "nul.txt", "ends.", "not UTF-8", "link is a symbolic link", "\"con\""] {
            assert!(problems.contains(word), "{word}: {problems}");
        }
    }

    #[test]
    fn problems_are_listed_up_to_a_limit_and_the_rest_counted() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..PROBLEMS_SHOWN_MAX + 3 {
            fs::write(folder.path().join(format!("{number}:")), "x").unwrap();
        }
        let problems = scan(folder.path(), 1000).unwrap_err().problems;
        assert_eq!(problems.len(), PROBLEMS_SHOWN_MAX + 1);
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
        assert_eq!(scan(folder.path(), 2).unwrap().len(), 2);
        let failure = scan(folder.path(), 1).unwrap_err();
        assert!(failure.message.contains("has more than 1 files"), "{failure}");
    }
}
