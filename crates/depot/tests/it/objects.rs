//! Objects in a folder: what each call promises.

use std::fs;

use headwater_depot::files::Access;
use headwater_depot::objects::{Content, FolderStore, ObjectStore};

fn paths(store: &dyn ObjectStore, prefix: &str) -> Vec<String> {
    store.list(prefix).unwrap().into_iter().map(|object| object.path).collect()
}

#[test]
fn an_object_that_is_there_is_never_replaced_by_a_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = FolderStore::new(folder.path(), Access::Everyone);
    assert!(store.put_new("blobs/aa/one", Content::Bytes(b"first")).unwrap());
    assert!(!store.put_new("blobs/aa/one", Content::Bytes(b"second")).unwrap());
    let file = folder.path().join("file");
    fs::write(&file, "third").unwrap();
    assert!(!store.put_new("blobs/aa/one", Content::File(&file)).unwrap());
    assert!(file.exists(), "a file that did not become an object stays");
    assert_eq!(store.get("blobs/aa/one", None).unwrap().unwrap(), b"first");
    assert!(store.put_new("blobs/bb/two", Content::File(&file)).unwrap());
    assert!(!file.exists());
    store.replace("blobs/aa/one", b"fourth").unwrap();
    assert_eq!(store.get("blobs/aa/one", None).unwrap().unwrap(), b"fourth");
}

#[test]
fn a_range_gives_as_much_as_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let store = FolderStore::new(folder.path(), Access::Everyone);
    store.replace("targets/x", b"0123456789").unwrap();
    let check = |range: std::ops::Range<u64>, expected: &[u8]| {
        assert_eq!(store.get("targets/x", Some(range.clone())).unwrap().unwrap(), expected, "{range:?}");
    };
    check(0..10, b"0123456789");
    check(3..5, b"34");
    check(8..20, b"89");
    check(10..12, b"");
    check(12..14, b"");
    assert_eq!(store.get("targets/y", Some(0..1)).unwrap(), None);
}

#[test]
fn objects_are_listed_by_path_and_deleted_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = FolderStore::new(folder.path(), Access::Everyone);
    for path in ["metadata/2.root.json", "metadata/1.root.json", "targets/rules/a", "targets/b"] {
        store.replace(path, b"content").unwrap();
    }
    // What a crash left half written is no object.
    fs::write(folder.path().join("metadata/.tmp-1-1-1.root.json"), "half").unwrap();
    assert_eq!(paths(&store, "metadata/"), ["metadata/1.root.json", "metadata/2.root.json"]);
    assert_eq!(paths(&store, "targets/"), ["targets/b", "targets/rules/a"]);
    assert_eq!(paths(&store, "absent/"), Vec::<String>::new());
    assert_eq!(store.size("targets/b").unwrap(), Some(7));
    assert!(store.delete("targets/b").unwrap());
    assert!(!store.delete("targets/b").unwrap());
    assert_eq!((store.size("targets/b").unwrap(), store.size("targets").unwrap()), (None, None));
}
