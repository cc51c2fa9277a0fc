//! Files are replaced whole, with the permissions asked for, and leave nothing beside them.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use headwater_depot::files::{
    FileAccess, NewFile, TEMPORARY_PREFIX, remove_temporaries, replace, temporary_beside,
};

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_file_is_replaced_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    for (bytes, access) in
        [(b"old", FileAccess::Umask), (b"new", FileAccess::Owner), (b"all", FileAccess::Everyone)]
    {
        replace(&path, bytes, access).unwrap();
        assert_eq!(fs::read(&path).unwrap(), bytes);
        assert_eq!(names(folder.path()), ["state.json"]);
    }
    let error = replace(&folder.path().join("none/state.json"), b"x", FileAccess::Umask).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
}

#[test]
fn a_file_that_is_not_committed_leaves_the_old_one_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    replace(&path, b"old", FileAccess::Umask).unwrap();
    let mut new = NewFile::create(&path, FileAccess::Umask).unwrap();
    new.write_all(b"new").unwrap();
    assert_eq!(names(folder.path()).len(), 2);
    drop(new);
    assert_eq!(names(folder.path()), ["state.json"]);
    assert_eq!(fs::read(&path).unwrap(), b"old");
}

#[test]
fn what_a_crash_left_is_recognised_and_removed_and_nothing_else_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    replace(&path, b"kept", FileAccess::Umask).unwrap();
    fs::write(temporary_beside(&path), "half").unwrap();
    fs::create_dir_all(temporary_beside(&path).join("below")).unwrap();
    let long = folder.path().join("é".repeat(120));
    replace(&long, b"kept", FileAccess::Umask).unwrap();
    let left = temporary_beside(&long);
    assert!(left.file_name().unwrap().to_string_lossy().starts_with(TEMPORARY_PREFIX));
    fs::write(left, "half").unwrap();
    assert_eq!(names(folder.path()).len(), 5);
    remove_temporaries(folder.path()).unwrap();
    assert_eq!(names(folder.path()).len(), 2);
    remove_temporaries(&folder.path().join("missing")).unwrap();
}

#[cfg(unix)]
#[test]
fn permissions_are_those_asked_for_from_the_first_byte_and_links_are_not_followed() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    let folder = tempfile::tempdir().unwrap();
    let (elsewhere, path) = (folder.path().join("elsewhere"), folder.path().join("key.pem"));
    fs::write(&elsewhere, "theirs").unwrap();
    symlink(&elsewhere, &path).unwrap();
    let mode = |path: &Path| fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777;
    let new = NewFile::create(&path, FileAccess::Owner).unwrap();
    let temporary = names(folder.path()).into_iter().find(|name| name.starts_with(TEMPORARY_PREFIX)).unwrap();
    assert_eq!(mode(&folder.path().join(temporary)), 0o600);
    new.commit().unwrap();
    assert!(fs::symlink_metadata(&path).unwrap().is_file());
    assert_eq!(fs::read(&elsewhere).unwrap(), b"theirs");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    replace(&path, b"secret", FileAccess::Owner).unwrap();
    assert_eq!(mode(&path), 0o600);
    replace(&path, b"public", FileAccess::Everyone).unwrap();
    assert_eq!(mode(&path), 0o644);
}
