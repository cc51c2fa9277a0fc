//! Objects in a folder: what each call promises. And a store and its serving over objects that are no files.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::{Cursor, Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use axum::body::Body;
use axum::extract::Request;
use headwater_depot::files::FileAccess;
use headwater_depot::objects::{FolderStore, ObjectContent, ObjectInfo, ObjectStore, OpenObject, Stamp};
use headwater_depot::serve::{ServeLimits, SharedRepositories, router};
use headwater_depot::{Store, StoreError};
use headwater_policy::Class;
use headwater_repo::{Digest, layout};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

fn paths(store: &dyn ObjectStore, prefix: &str) -> Vec<String> {
    store.list(prefix).unwrap().into_iter().map(|object| object.path).collect()
}

#[test]
fn an_object_that_is_there_is_never_replaced_by_a_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = FolderStore::new(folder.path(), FileAccess::Everyone);
    assert!(store.put_new("blobs/aa/one", ObjectContent::Bytes(b"first")).unwrap());
    assert!(!store.put_new("blobs/aa/one", ObjectContent::Bytes(b"second")).unwrap());
    let file = folder.path().join("file");
    fs::write(&file, "third").unwrap();
    assert!(!store.put_new("blobs/aa/one", ObjectContent::File(&file)).unwrap());
    assert!(file.exists(), "a file that did not become an object stays");
    assert_eq!(store.get("blobs/aa/one", None).unwrap().unwrap(), b"first");
    assert!(store.put_new("blobs/bb/two", ObjectContent::File(&file)).unwrap());
    assert!(!file.exists());
    store.replace("blobs/aa/one", b"fourth").unwrap();
    assert_eq!(store.get("blobs/aa/one", None).unwrap().unwrap(), b"fourth");
}

#[test]
fn a_range_gives_as_much_as_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let store = FolderStore::new(folder.path(), FileAccess::Everyone);
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
    let store = FolderStore::new(folder.path(), FileAccess::Everyone);
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

#[test]
fn an_object_is_opened_at_any_place_and_has_another_stamp_once_it_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let store = FolderStore::new(folder.path(), FileAccess::Everyone);
    store.replace("targets/x", b"0123456789").unwrap();
    let before = store.stamp("targets/x").unwrap().unwrap();
    assert_eq!(store.stamp("targets/x").unwrap().unwrap(), before);
    let mut opened = store.open("targets/x").unwrap().unwrap();
    store.replace("targets/x", b"9876543210").unwrap();
    assert_ne!(store.stamp("targets/x").unwrap().unwrap(), before);
    opened.reader.seek(SeekFrom::Start(7)).unwrap();
    let mut rest = String::new();
    opened.reader.read_to_string(&mut rest).unwrap();
    assert_eq!((opened.size, rest.as_str()), (10, "789"), "as it was when it was opened");
    assert!(store.open("targets").unwrap().is_none() && store.stamp("targets").unwrap().is_none());
    assert!(store.open("targets/x/y").unwrap().is_none() && store.stamp("targets/x/y").unwrap().is_none());
}

#[cfg(unix)]
#[test]
fn a_confined_folder_opens_nothing_through_a_link_that_leads_out() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("secret"), "secret").unwrap();
    fs::create_dir_all(folder.path().join("shared/targets")).unwrap();
    std::os::unix::fs::symlink("../../secret", folder.path().join("shared/targets/x")).unwrap();
    let root = folder.path().join("shared");
    assert!(FolderStore::new(&root, FileAccess::Umask).open("targets/x").unwrap().is_some());
    assert!(FolderStore::confined(&root, FileAccess::Umask).open("targets/x").unwrap().is_none());
}

/// Objects in memory: what a storage that is no folder has to do.
#[derive(Debug, Default)]
struct Memory(Mutex<BTreeMap<String, Vec<u8>>>);

impl ObjectStore for Memory {
    fn put_new(&self, path: &str, content: ObjectContent<'_>) -> Result<bool, StoreError> {
        if self.size(path)?.is_some() {
            return Ok(false);
        }
        let bytes = match content {
            ObjectContent::Bytes(bytes) => bytes.to_vec(),
            ObjectContent::File(file) => {
                let bytes = fs::read(file).unwrap();
                fs::remove_file(file).unwrap();
                bytes
            }
        };
        self.0.lock().unwrap().insert(path.to_owned(), bytes);
        Ok(true)
    }

    fn replace(&self, path: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.0.lock().unwrap().insert(path.to_owned(), bytes.to_vec());
        Ok(())
    }

    fn get(&self, path: &str, range: Option<Range<u64>>) -> Result<Option<Vec<u8>>, StoreError> {
        assert_eq!(range, None, "not asked for here");
        Ok(self.0.lock().unwrap().get(path).cloned())
    }

    fn open(&self, path: &str) -> Result<Option<OpenObject>, StoreError> {
        let open =
            |bytes: Vec<u8>| OpenObject { size: bytes.len() as u64, reader: Box::new(Cursor::new(bytes)) };
        Ok(self.get(path, None)?.map(open))
    }

    fn stamp(&self, path: &str) -> Result<Option<Stamp>, StoreError> {
        let stamp = |bytes: Vec<u8>| Stamp { size: bytes.len() as u64, tag: Digest::of(&bytes).to_string() };
        Ok(self.get(path, None)?.map(stamp))
    }

    fn size(&self, path: &str) -> Result<Option<u64>, StoreError> {
        Ok(self.stamp(path)?.map(|stamp| stamp.size))
    }

    fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, StoreError> {
        let objects = self.0.lock().unwrap();
        let listed = objects.iter().filter(|(path, _)| path.starts_with(prefix));
        let info = |(path, bytes): (&String, &Vec<u8>)| ObjectInfo {
            path: path.clone(),
            size: bytes.len() as u64,
            modified: SystemTime::UNIX_EPOCH,
        };
        Ok(listed.map(info).collect())
    }

    fn delete(&self, path: &str) -> Result<bool, StoreError> {
        Ok(self.0.lock().unwrap().remove(path).is_some())
    }

    fn location(&self, path: &str) -> String {
        format!("memory:{path}")
    }
}

#[tokio::test]
async fn bodies_are_stored_verified_collected_and_served_over_objects_that_are_no_files() {
    let scratch = tempfile::tempdir().unwrap();
    let objects = Arc::new(Memory::default());
    let over = || Store::open_over(objects.clone(), Some(100), scratch.path()).unwrap();
    let store = over();
    let (kept, waste) = (store.put(b"kept").unwrap(), store.put(b"waste").unwrap());
    let mut partial = store.partial(Digest::of(b"fetched"), 7).unwrap();
    partial.append(b"fetched").unwrap();
    partial.finish().unwrap();
    assert_eq!(store.usage().stored, 16);
    assert_eq!(store.file(&kept), None::<PathBuf>);
    assert_eq!(store.location(&kept), format!("memory:{}", layout::blob(&kept)));
    for folder in ["new", "partial"] {
        assert_eq!(fs::read_dir(scratch.path().join(folder)).unwrap().count(), 0, "{folder}");
    }

    objects.replace(&layout::blob(&waste), b"wasted").unwrap();
    let scrubbed = store.scrub(None, u64::MAX).unwrap();
    assert_eq!((scrubbed.read, scrubbed.damaged), (3, vec![waste]));
    let collected = store.collect(&HashSet::from([kept])).unwrap();
    assert_eq!((collected.removed, collected.bytes), (1, 7));
    assert_eq!(over().blobs().unwrap(), [kept], "another process finds the same");

    objects.replace(layout::TIMESTAMP, b"{}").unwrap();
    let site = SharedRepositories::new(ServeLimits::default());
    site.share_objects(Class::Components, objects.clone());
    let get = async |path: &str| {
        let request = Request::get(format!("/components/{path}")).body(Body::empty()).unwrap();
        let answer = router(site.clone()).oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.into_body().collect().await.unwrap().to_bytes().to_vec())
    };
    assert_eq!(get(&layout::blob(&kept)).await, (200, b"kept".to_vec()));
    assert_eq!(get(layout::TIMESTAMP).await, (200, b"{}".to_vec()));
    objects.replace(layout::TIMESTAMP, b"{ }").unwrap();
    assert_eq!(get(layout::TIMESTAMP).await, (200, b"{ }".to_vec()), "a replaced one is seen at once");
    assert_eq!(get(&layout::blob(&waste)).await.0, 404);
}
