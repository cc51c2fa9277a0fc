//! What publishing promises, whatever it publishes into. Each story begins with a repository that has published nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use headwater_depot::objects::{ObjectContent, ObjectInfo, ObjectStore, OpenObject, Stamp};
use headwater_depot::{Store, StoreError};
use headwater_publisher::deltas::{
    DeltaJob, DeltaObserver, DeltaReport, DeltaSettings, ReleaseChain, Unobserved, make,
};
use headwater_publisher::roots::{NewRoots, RootChange, draft_root, publish_under, replace_root};
use headwater_publisher::{
    ChangeLock, ContentLimits, Destination, Error, History, NewRelease, Operation, Outcome, Packer, Refresh,
    ReleaseContent, SigningKeys, StagedChange, StoredFile, manifest, publish, release_list, remove,
    roll_back, sign_again,
};
use headwater_repo::{
    ComponentName, Delta, DeltaPaths, Digest, Expiry, FileEntry, FilePath, Inventory, InventoryItem,
    Manifest, Published, Role, Sequence, SignedRoot, TargetName, VersionText,
};
use jiff::{SignedDuration, Timestamp};

/// Files of a release, in memory.
struct Files(Vec<(&'static str, Vec<u8>)>);

impl ReleaseContent for Files {
    fn store(&self, store: &Store) -> Result<Vec<StoredFile>, Error> {
        let mut packer = Packer::new(store, ContentLimits::default());
        for (path, bytes) in &self.0 {
            packer.add(FilePath::new(*path).unwrap(), false, bytes.len() as u64, &bytes[..])?;
        }
        packer.finish()
    }
}

/// Noise, of which a little changes from release to release.
fn noise(number: u64) -> Vec<u8> {
    let block = |block: u64| {
        let changed = (1..=number).filter(|release| release * 37 % 2_000 == block).count() as u64;
        *Digest::of(&[block.to_le_bytes(), changed.to_le_bytes()].concat()).as_bytes()
    };
    (0..2_000).flat_map(block).collect()
}

fn rules() -> ComponentName {
    ComponentName::new("rules").unwrap()
}

fn new(version: &str) -> NewRelease {
    NewRelease { component: rules(), version: VersionText::new(version).unwrap(), install: None, probe: None }
}

fn try_publish(to: &dyn Destination, number: u64, version: &str, now: Timestamp) -> Result<Outcome, Error> {
    let files = Files(vec![("data.bin", noise(number)), ("VERSION", version.into())]);
    publish(to, &new(version), &files, &DeltaSettings::default(), now)
}

fn publish_all(to: &dyn Destination, numbers: std::ops::RangeInclusive<u64>, now: Timestamp) {
    for number in numbers {
        let outcome = try_publish(to, number, &number.to_string(), now).unwrap();
        assert!(matches!(outcome, Outcome::New(_)), "{outcome:?}");
    }
}

fn make_all(to: &dyn Destination, now: Timestamp) -> DeltaReport {
    make(to, &rules(), &DeltaSettings::default(), &Unobserved, now).unwrap()
}

fn current(to: &dyn Destination) -> Manifest {
    let published = to.published().unwrap();
    let list = release_list(to.objects(), &published, &rules()).unwrap().unwrap();
    manifest(to.objects(), &published, &rules(), list.current().sequence).unwrap()
}

fn sequence(number: u64) -> Sequence {
    Sequence::new(number).unwrap()
}

/// The data file of the current release.
fn data(manifest: &Manifest) -> &FileEntry {
    manifest.files.iter().find(|file| file.path.as_str() == "data.bin").unwrap()
}

/// Everything that is signed is there, and unpacks to what was signed.
fn check_whole(to: &dyn Destination) {
    let published = to.published().unwrap();
    let list = release_list(to.objects(), &published, &rules()).unwrap().unwrap();
    for release in list.releases() {
        let manifest = manifest(to.objects(), &published, &rules(), release.sequence).unwrap();
        for file in &manifest.files {
            to.store().unpack(file, std::io::sink()).unwrap();
        }
        for delta in manifest.deltas() {
            assert!(to.store().has_whole(&delta.sha256, delta.size));
        }
    }
}

/// Makes the current release's data of release `number`'s, by deltas alone. Gives what that costs, in bytes.
fn update(to: &dyn Destination, number: u64) -> Option<u64> {
    let manifest = current(to);
    let (file, had) = (data(&manifest), noise(number));
    let paths = DeltaPaths::of(&manifest);
    let price = |delta: &Delta| Some(delta.size);
    let path = paths.cheapest(&file.sha256, file.body.size, &|base| *base == Digest::of(&had), &price)?;
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().join("base");
    fs::write(&base, had).unwrap();
    for hop in &path.hops {
        let mut made = Vec::new();
        to.store().apply(hop, &fs::File::open(&base).unwrap(), 56 << 20, &mut made).unwrap();
        fs::write(&base, made).unwrap();
    }
    assert_eq!(Digest::of(&fs::read(&base).unwrap()), file.sha256);
    Some(path.cost)
}

fn body(to: &dyn Destination, file: &FileEntry) -> PathBuf {
    to.store().file(&file.body.sha256).unwrap()
}

pub fn a_release_is_complete_at_once(to: &dyn Destination, now: Timestamp) {
    publish_all(to, 1..=2, now);
    let published = to.published().unwrap();
    let list = release_list(to.objects(), &published, &rules()).unwrap().unwrap();
    assert_eq!((list.releases().len(), list.current().version.as_str()), (2, "2"));
    assert_eq!(list.current().sequence, sequence(2));
    check_whole(to);
}

pub fn the_same_content_again_signs_nothing_and_repairs(to: &dyn Destination, now: Timestamp) {
    publish_all(to, 1..=2, now);
    let before = to.published().unwrap();
    let path = body(to, data(&current(to)));
    let whole = fs::read(&path).unwrap();
    let again = |new_bodies: usize| match try_publish(to, 2, "2", now).unwrap() {
        Outcome::Again(published) => {
            assert_eq!(published.release.sequence, sequence(2));
            assert_eq!(published.files.iter().filter(|file| file.new).count(), new_bodies);
        }
        outcome => panic!("{outcome:?}"),
    };
    again(0);
    fs::remove_file(&path).unwrap();
    again(1);
    let mut damaged = whole.clone();
    damaged[20] ^= 1;
    fs::write(&path, damaged).unwrap();
    again(1);
    fs::write(&path, &whole[1..]).unwrap();
    again(1);
    assert_eq!(fs::read(&path).unwrap(), whole);
    assert_eq!(to.published().unwrap(), before);
    check_whole(to);
}

pub fn a_version_has_one_content(to: &dyn Destination, now: Timestamp) {
    publish_all(to, 1..=2, now);
    let before = to.published().unwrap();
    let refused = try_publish(to, 3, "2", now).unwrap_err();
    assert!(matches!(refused, Error::VersionTaken { .. }), "{refused}");
    let with_probe = NewRelease {
        probe: Some(headwater_repo::Hook { command: vec!["true".to_owned()], timeout_seconds: 1 }),
        ..new("2")
    };
    let files = Files(vec![("data.bin", noise(2)), ("VERSION", "2".into())]);
    let refused = publish(to, &with_probe, &files, &DeltaSettings::default(), now).unwrap_err();
    assert!(matches!(refused, Error::VersionTaken { .. }), "{refused}");
    assert_eq!(to.published().unwrap(), before);
}

pub fn deltas_join_and_lead_to_the_current_release(to: &dyn Destination, now: Timestamp) {
    publish_all(to, 1..=4, now);
    assert!(!current(to).has_deltas(), "it was there before its deltas");
    let report = make_all(to, now);
    assert_eq!((report.missing, report.deltas > 0), (0, true), "{report:?}");
    for number in 1..=3 {
        let bytes = update(to, number).expect("a path by deltas");
        assert!(bytes < 10_000, "{bytes} from release {number}");
    }
    assert_eq!(make_all(to, now).made, 0, "nothing is made twice");
    publish_all(to, 5..=5, now);
    make_all(to, now);
    let published = to.published().unwrap();
    let before = manifest(to.objects(), &published, &rules(), sequence(4)).unwrap();
    assert!(!before.has_deltas(), "only the current release names deltas");
    check_whole(to);
}

pub fn a_lost_delta_is_made_again(to: &dyn Destination, now: Timestamp) {
    publish_all(to, 1..=2, now);
    make_all(to, now);
    let before = current(to);
    let path = to.store().file(&before.deltas().next().unwrap().sha256).unwrap();
    let whole = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    make_all(to, now);
    assert_eq!((fs::read(&path).unwrap(), current(to)), (whole.clone(), before), "removed");
    fs::write(&path, &whole[1..]).unwrap();
    make_all(to, now);
    assert_eq!(fs::read(&path).unwrap(), whole, "cut short");
}

pub fn a_body_that_cannot_be_read_keeps_no_other_delta_from_joining(to: &dyn Destination, now: Timestamp) {
    publish_all(to, 1..=4, now);
    let published = to.published().unwrap();
    let of = |number| manifest(to.objects(), &published, &rules(), sequence(number)).unwrap();
    let paths = [1, 2].map(|number| body(to, data(&of(number))));
    fs::remove_file(&paths[0]).unwrap();
    let mut damaged = fs::read(&paths[1]).unwrap();
    damaged[20] ^= 1;
    fs::write(&paths[1], damaged).unwrap();
    let report = make_all(to, now);
    let [missing, damaged] = paths.map(|path| format!("{}, a body of data.bin, ", path.display()));
    assert!(report.left_out.contains(&(missing + "is not there")), "{report:?}");
    assert!(report.damaged.contains(&(damaged + "is not what was signed")), "{report:?}");
    assert!(update(to, 3).is_some() && update(to, 1).is_none());
    // With the content they are made.
    for number in 1..=2 {
        try_publish(to, number, &number.to_string(), now).unwrap();
    }
    let report = make_all(to, now);
    assert_eq!((report.left_out.len(), report.damaged.len()), (0, 0));
    assert!(update(to, 1).is_some() && update(to, 2).is_some());
}

pub fn what_takes_too_much_memory_is_not_made(to: &dyn Destination, now: Timestamp) {
    publish_all(to, 1..=2, now);
    let settings = DeltaSettings { memory_bytes_max: 100_000, ..DeltaSettings::default() };
    let report = make(to, &rules(), &settings, &Unobserved, now).unwrap();
    assert_eq!((report.made, report.missing, &report.too_large[..]), (0, 0, &["data.bin".to_owned()][..]));
}

/// Stops when the first delta is being made.
#[derive(Default)]
struct StopsAtFirst(AtomicBool);

impl DeltaObserver for StopsAtFirst {
    fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn started(&self, _job: &Arc<DeltaJob>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

pub fn making_deltas_stops_and_goes_on(to: &dyn Destination, now: Timestamp) {
    publish_all(to, 1..=3, now);
    let observer = StopsAtFirst::default();
    let report = make(to, &rules(), &DeltaSettings::default(), &observer, now).unwrap();
    assert_eq!((report.made, report.missing > 0), (0, true), "{report:?}");
    check_whole(to);
    assert_eq!(make_all(to, now).missing, 0);
    assert!(update(to, 1).is_some() && update(to, 2).is_some());
}

pub fn an_earlier_release_is_current_again(to: &dyn Destination, now: Timestamp) {
    publish_all(to, 1..=3, now);
    make_all(to, now);
    let list = roll_back(to, &rules(), sequence(2), now).unwrap();
    assert_eq!((list.current().sequence, list.withdrawn()), (sequence(2), &[sequence(3)][..]));
    make_all(to, now);
    assert!(update(to, 1).is_some() && update(to, 3).is_some(), "deltas lead back");
    let withdrawn = try_publish(to, 3, "3", now).unwrap_err();
    assert!(matches!(withdrawn, Error::VersionWithdrawn { .. }), "its version stays used: {withdrawn}");
    let newer = roll_back(to, &rules(), sequence(3), now).unwrap_err();
    assert!(matches!(newer, Error::Write(_)), "{newer}");
    let published = to.published().unwrap();
    let first = manifest(to.objects(), &published, &rules(), sequence(1)).unwrap();
    fs::remove_file(body(to, data(&first))).unwrap();
    let refused = roll_back(to, &rules(), sequence(1), now).unwrap_err();
    assert!(matches!(refused, Error::ContentMissing { .. }), "nobody could fetch it: {refused}");
    assert_eq!(to.published().unwrap(), published);
    publish_all(to, 4..=4, now);
    assert_eq!(current(to).sequence, sequence(4), "after the withdrawn one");
}

pub fn what_is_removed_keeps_its_numbers(to: &dyn Destination, now: Timestamp) {
    publish_all(to, 1..=2, now);
    remove(to, &rules(), now).unwrap();
    assert_eq!(release_list(to.objects(), &to.published().unwrap(), &rules()).unwrap(), None);
    let gone = remove(to, &rules(), now).unwrap_err();
    assert!(matches!(gone, Error::UnknownComponent(_)), "{gone}");
    let gone = make(to, &rules(), &DeltaSettings::default(), &Unobserved, now).unwrap_err();
    assert!(matches!(gone, Error::UnknownComponent(_)), "{gone}");
    publish_all(to, 3..=3, now);
    assert_eq!(current(to).sequence, sequence(3));
}

pub fn signatures_are_renewed_at_half_of_their_lives(to: &dyn Destination, now: Timestamp) {
    publish_all(to, 1..=1, now);
    let Expiry { timestamp, snapshot, targets, root } = *to.expiry();
    let sign = |at: Timestamp, least: Refresh| {
        let lock = to.lock().unwrap();
        sign_again(to, &lock, &to.published().unwrap(), least, at).unwrap()
    };
    let versions = |of: &Published| {
        [Role::Root, Role::Targets, Role::Snapshot, Role::Timestamp].map(|role| of.version(role))
    };
    let begun = versions(&to.published().unwrap());
    let second = SignedDuration::from_secs(2);
    assert_eq!(sign(now, Refresh::Due), None);
    assert_eq!(sign(now, Refresh::Timestamp), Some(Role::Timestamp));
    let mut signed = vec![];
    for life in [timestamp, snapshot, targets, root] {
        signed.push(sign(now + life / 2 + second, Refresh::Due));
    }
    let expected = [Role::Timestamp, Role::Snapshot, Role::Targets, Role::Root].map(Some);
    assert_eq!(signed, expected, "the root, too, for its key is present");
    assert_eq!(sign(now + root / 2 + second, Refresh::Everything), Some(Role::Targets));
    let [was, is] = [begun, versions(&to.published().unwrap())];
    assert_eq!([is[0] - was[0], is[1] - was[1], is[2] - was[2], is[3] - was[3]], [1, 3, 4, 6]);
}

pub fn a_root_is_replaced(to: &dyn Destination, now: Timestamp) {
    publish_all(to, 1..=1, now);
    let before = to.published().unwrap();
    let draft = draft_root(before.root(), &RootChange::default(), to.expiry(), now).unwrap();
    let lock = to.lock().unwrap();
    let root = replace_root(to, &lock, draft.clone(), now).unwrap();
    assert_eq!(root.version(), before.root().version() + 1);
    assert_eq!(to.published().unwrap().root(), &root);
    let refused = replace_root(to, &lock, draft, now).unwrap_err();
    assert!(matches!(refused, Error::Write(_)), "it does not follow: {refused}");
    drop(lock);
    check_whole(to);
    publish_all(to, 2..=2, now);
}

pub fn several_new_roots_raise_the_versions_and_bring_targets(to: &dyn Destination, now: Timestamp) {
    publish_all(to, 1..=1, now);
    let before = to.published().unwrap();
    let keys = to.keys().unwrap();
    let next = |present: &SignedRoot| {
        let draft = draft_root(present, &RootChange::default(), to.expiry(), now).unwrap();
        draft.sign_with(&keys.ring).unwrap()
    };
    let second = next(before.root());
    let roots = vec![second.clone(), next(&second)];
    let name = TargetName::new("notice.json").unwrap();
    let targets = vec![(name.clone(), b"{}".to_vec())];
    let lock = to.lock().unwrap();
    publish_under(to, &lock, NewRoots { roots, version_bump: 1000, targets }, now).unwrap();
    drop(lock);
    let published = to.published().unwrap();
    assert_eq!(published.root().version(), before.root().version() + 2);
    assert!(published.version(Role::Targets) > before.version(Role::Targets) + 1000);
    assert!(published.target(&name).is_some());
    check_whole(to);
}

pub fn a_failed_write_publishes_nothing(to: &dyn Destination, now: Timestamp) {
    publish_all(to, 1..=2, now);
    make_all(to, now);
    let before = to.published().unwrap();
    let mut failures = 0;
    loop {
        let failing = Failing { to, objects: FailingObjects { inner: to.objects(), left: failures.into() } };
        match try_publish(&failing, 3, "3", now) {
            Ok(_) => break,
            Err(error) => assert!(matches!(error, Error::Store(_)), "{error}"),
        }
        assert_eq!(to.published().unwrap(), before, "after {failures} writes");
        check_whole(to);
        failures += 1;
    }
    assert_eq!(
        failures, 4,
        "the manifest, the list, targets and snapshot; the commit is the destination's own"
    );
    assert_eq!(current(to).sequence, sequence(3));
    check_whole(to);
}

/// Objects that cannot be written any more after so many writes: a full disk, or the moment before a power cut.
#[derive(Debug)]
struct FailingObjects<'a> {
    inner: &'a dyn ObjectStore,
    left: AtomicUsize,
}

impl FailingObjects<'_> {
    fn spend(&self) -> Result<(), StoreError> {
        let spent = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        let full = |_| StoreError::Disk {
            action: "write",
            path: "somewhere".into(),
            source: std::io::ErrorKind::StorageFull.into(),
        };
        spent.map(drop).map_err(full)
    }
}

impl ObjectStore for FailingObjects<'_> {
    fn put_new(&self, path: &str, content: ObjectContent<'_>) -> Result<bool, StoreError> {
        self.spend()?;
        self.inner.put_new(path, content)
    }

    fn replace(&self, path: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.spend()?;
        self.inner.replace(path, bytes)
    }

    fn get(&self, path: &str, range: Option<std::ops::Range<u64>>) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.get(path, range)
    }

    fn open(&self, path: &str) -> Result<Option<OpenObject>, StoreError> {
        self.inner.open(path)
    }

    fn stamp(&self, path: &str) -> Result<Option<Stamp>, StoreError> {
        self.inner.stamp(path)
    }

    fn location(&self, path: &str) -> String {
        self.inner.location(path)
    }

    fn size(&self, path: &str) -> Result<Option<u64>, StoreError> {
        self.inner.size(path)
    }

    fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, StoreError> {
        self.inner.list(prefix)
    }

    fn delete(&self, path: &str) -> Result<bool, StoreError> {
        self.inner.delete(path)
    }
}

/// A destination with such objects.
struct Failing<'a> {
    to: &'a dyn Destination,
    objects: FailingObjects<'a>,
}

impl Destination for Failing<'_> {
    fn lock(&self) -> Result<ChangeLock, Error> {
        self.to.lock()
    }

    fn published(&self) -> Result<Published, Error> {
        self.to.published()
    }

    fn timestamp_version(&self) -> Result<u64, Error> {
        self.to.timestamp_version()
    }

    fn objects(&self) -> &dyn ObjectStore {
        &self.objects
    }

    fn store(&self) -> &Store {
        self.to.store()
    }

    fn keys(&self) -> Result<Arc<SigningKeys>, Error> {
        self.to.keys()
    }

    fn expiry(&self) -> &Expiry {
        self.to.expiry()
    }

    fn admit(&self, component: &ComponentName, operation: Operation) -> Result<(), Error> {
        self.to.admit(component, operation)
    }

    fn history(&self, component: &ComponentName) -> Result<History, Error> {
        self.to.history(component)
    }

    fn inventory(&self, chain: &ReleaseChain) -> Result<Inventory, Error> {
        self.to.inventory(chain)
    }

    fn note_delta(&self, pair: (Digest, Digest), item: &InventoryItem) -> Result<(), Error> {
        self.to.note_delta(pair, item)
    }

    fn keeps_inventory(&self) -> bool {
        self.to.keeps_inventory()
    }

    fn clients_by_release(&self, component: &ComponentName) -> Result<BTreeMap<u64, u64>, Error> {
        self.to.clients_by_release(component)
    }

    fn commit(&self, lock: &ChangeLock, change: StagedChange<'_>) -> Result<(), Error> {
        self.to.commit(lock, change)
    }
}

/// Gives every story to a macro that makes a test of it.
macro_rules! for_each_story {
    ($test:ident) => {
        $test!(a_release_is_complete_at_once);
        $test!(the_same_content_again_signs_nothing_and_repairs);
        $test!(a_version_has_one_content);
        $test!(deltas_join_and_lead_to_the_current_release);
        $test!(a_lost_delta_is_made_again);
        $test!(a_body_that_cannot_be_read_keeps_no_other_delta_from_joining);
        $test!(what_takes_too_much_memory_is_not_made);
        $test!(making_deltas_stops_and_goes_on);
        $test!(an_earlier_release_is_current_again);
        $test!(what_is_removed_keeps_its_numbers);
        $test!(signatures_are_renewed_at_half_of_their_lives);
        $test!(a_root_is_replaced);
        $test!(several_new_roots_raise_the_versions_and_bring_targets);
        $test!(a_failed_write_publishes_nothing);
    };
}
pub(crate) use for_each_story;
