//! A repository to fetch from, fetch settings, the paused clock, and what tests ask of them.

use std::collections::BTreeMap;
use std::time::Duration;

use headwater_depot::fetch::{HeadStarts, SourcePace};
use headwater_depot::{FetchSettings, Fetcher, Source, SourceMemory, Walk};
use headwater_policy::Class;
use headwater_repo::{
    Digest, Expiry, KeyRing, Published, Role, RootDraft, SecretKey, SignedRoot, TargetName, TargetsDraft,
    Trusted, layout,
};
use jiff::{SignedDuration, Timestamp};

/// Files by path below the class's folder.
pub type Files = BTreeMap<String, Vec<u8>>;

/// The moment at which all tests take place.
pub fn now() -> Timestamp {
    "2026-05-01T12:00:00Z".parse().unwrap()
}

/// One class's repository, published again and again.
pub struct World {
    ring: KeyRing,
    pub root: SignedRoot,
    present: Option<Published>,
    pub files: Files,
}

impl World {
    pub fn new() -> Self {
        let (root_key, online) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
        let mut draft = RootDraft::first().role(Role::Root, 1, [root_key.public()]);
        for role in [Role::Timestamp, Role::Snapshot, Role::Targets] {
            draft = draft.role(role, 1, [online.public()]);
        }
        let ring: KeyRing = [root_key, online].into_iter().collect();
        let root = draft.finish(now(), &Expiry::default()).unwrap().sign_with(&ring).unwrap();
        let files = Files::from([(root.path(), root.bytes().to_vec())]);
        Self { ring, root, present: None, files }
    }

    /// Publishes one version in which the target `name` has that content.
    pub fn publish(&mut self, content: &str) -> Files {
        self.publish_at(content, now())
    }

    pub fn publish_at(&mut self, content: &str, at: Timestamp) -> Files {
        let mut draft = match &self.present {
            Some(present) => TargetsDraft::next(present),
            None => TargetsDraft::first(self.root.clone()),
        };
        draft.add(target_name(), content.as_bytes().to_vec()).unwrap();
        let signed = draft.finish(at, &Expiry::default()).unwrap().sign(&self.ring).unwrap();
        for file in signed.files() {
            self.files.insert(file.path.clone(), file.bytes.clone());
        }
        self.present = Some(signed.published().clone());
        self.files.clone()
    }

    /// The next root, with the same keys; clients find it beside the first.
    pub fn rotate_root(&mut self) {
        self.next_root(RootDraft::next(&self.root).unwrap());
    }

    /// The next root, under which timestamps of the old key count for nothing.
    pub fn revoke_timestamp_key(&mut self) {
        let key = SecretKey::generate().unwrap().public();
        self.next_root(RootDraft::next(&self.root).unwrap().role(Role::Timestamp, 1, [key]));
    }

    fn next_root(&mut self, draft: RootDraft) {
        let next = draft.finish(now(), &Expiry::default()).unwrap();
        self.root = next.sign_with(&self.ring).unwrap();
        self.files.insert(self.root.path(), self.root.bytes().to_vec());
    }

    pub fn add_blob(&mut self, bytes: &[u8]) -> headwater_depot::Blob {
        let digest = Digest::of(bytes);
        self.files.insert(layout::blob(&digest), bytes.to_vec());
        headwater_depot::Blob { digest, size: bytes.len() as u64 }
    }

    pub fn trusted(&self) -> Trusted {
        Trusted::from_root(&self.files["metadata/1.root.json"]).unwrap()
    }
}

pub fn target_name() -> TargetName {
    TargetName::new("feed/releases.json").unwrap()
}

pub fn long_ago() -> Timestamp {
    now().checked_sub(SignedDuration::from_hours(24 * 5)).unwrap()
}

/// Head starts in proportion to the product's, for a first one of so many milliseconds.
pub fn head_starts(millis: u64) -> HeadStarts {
    let of_first = |percent| Duration::from_millis(millis * percent / 100);
    HeadStarts {
        first: SourcePace { silence: of_first(100), total: of_first(200) },
        dead: of_first(17),
        min: of_first(50),
        max: SourcePace { silence: of_first(300), total: of_first(400) },
    }
}

/// Times in proportion to the product's. The tests run on a paused clock, on which a loaded machine adds nothing to them.
pub fn settings() -> FetchSettings {
    FetchSettings {
        connect_timeout: Duration::from_secs(1),
        idle_timeout: Duration::from_millis(1500),
        head_starts: head_starts(300),
        metadata_total: Duration::from_secs(5),
        soft_stall: Duration::from_millis(400),
        busy_wait_max: Duration::from_secs(1),
        ..FetchSettings::default()
    }
}

pub fn fetcher() -> Fetcher {
    Fetcher::new(settings(), SourceMemory::default()).unwrap()
}

/// Sources as a plan would have them: entries 1, 2, … at these base URLs.
pub fn sources(bases: &[&str]) -> Vec<Source> {
    let numbered = bases.iter().zip(1..);
    numbered
        .map(|(base, entry)| {
            Source::new(format!("url:{base}"), &base.parse().unwrap(), Some(entry), Class::Components)
        })
        .collect()
}

pub fn walk(fetcher: &Fetcher, bases: &[&str]) -> Walk {
    Walk::new(fetcher, sources(bases), 0, now())
}

/// Lets so much of a test's paused clock pass: what is due until then happens, and nobody waits in real time. The clock
/// moves only while every task waits, so that after the shortest time all that could happen has happened.
///
/// # Panics
/// When the clock is not paused (`start_paused = true`).
pub async fn pass_time(time: Duration) {
    tokio::time::advance(Duration::ZERO).await;
    tokio::time::sleep(time).await;
}

/// Bytes that do not repeat.
pub fn noise(size: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    })
    .flatten()
    .take(size)
    .collect()
}
