//! A vendor source with deltas: what the server takes of it, and what it makes itself (C1).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use headwater_delta::limits::LEVEL_DEFAULT;
use headwater_delta::{DeltaOptions, Uncontrolled, encode, encode_delta};
use headwater_depot::serve::{ListenLimits, ServeLimits, SharedRepositories, listen, router};
use headwater_policy::Class;
use headwater_repo::{
    Body, BodyFormat, ComponentName, Delta, DeltaFormat, Digest, Expiry, FileEntry, FilePath, KeyReplacement,
    KeyRing, Manifest, Published, ReleaseList, Role, RootDraft, SecretKey, Sequence, SignedRoot,
    TargetsDraft, VersionText, layout, roll_back, stage_release,
};
use jiff::SignedDuration;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::deltas::{RULES, content, make, manifest, update};
use crate::harness::{Server, now};

/// A vendor's static repository, served over HTTP.
pub(crate) struct Vendor {
    folder: TempDir,
    ring: KeyRing,
    root: SignedRoot,
    present: Option<Published>,
    list: Option<ReleaseList>,
    url: String,
}

impl Vendor {
    pub(crate) async fn start() -> Self {
        headwater_depot::http::install_tls_provider();
        let folder = tempfile::tempdir().unwrap();
        let (root_key, online) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
        let draft = [Role::Timestamp, Role::Snapshot, Role::Targets]
            .into_iter()
            .fold(RootDraft::first().role(Role::Root, 1, [root_key.public()]), |draft, role| {
                draft.role(role, 1, [online.public()])
            });
        let ring: KeyRing = [root_key, online].into_iter().collect();
        let root = draft.finish(now(), &Expiry::default()).unwrap().sign_with(&ring).unwrap();
        let site = SharedRepositories::new(ServeLimits::default());
        site.share(Class::Components, folder.path().to_owned());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(listen(router(site), listener, ListenLimits::default(), std::future::pending()));
        Self { folder, ring, root, present: None, list: None, url }
    }

    pub(crate) fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// Publishes a list of releases by their numbers, the last of them current and with deltas from those of `from`.
    pub(crate) fn publish(&mut self, numbers: &[u64], from: &[u64]) {
        self.publish_as("rules", numbers, from, |_| {});
    }

    /// The same under another name, each manifest changed before it is signed.
    pub(crate) fn publish_as(
        &mut self,
        name: &str,
        numbers: &[u64],
        from: &[u64],
        change: impl Fn(&mut Manifest),
    ) {
        let mut draft = match &self.present {
            Some(present) => TargetsDraft::next(present),
            None => TargetsDraft::first(self.root.clone()),
        };
        let name = ComponentName::new(name).unwrap();
        draft.remove(&layout::release_list(&name));
        let mut list = None;
        for number in numbers {
            let mut files = vec![self.file(*number)];
            if number == numbers.last().unwrap() {
                files[0].deltas = from.iter().map(|base| self.delta(*base, *number)).collect();
            }
            let mut manifest = Manifest { component: name.clone(), ..self.release(*number, files) };
            change(&mut manifest);
            list = Some(stage_release(&mut draft, list.as_ref(), &manifest, now()).unwrap());
        }
        self.list = list;
        self.sign(draft);
    }

    /// Publishes a list with one release that has the content of another number.
    fn publish_with_content_of(&mut self, number: u64, content: u64) {
        let mut draft = TargetsDraft::next(self.present.as_ref().unwrap());
        let name = ComponentName::new("rules").unwrap();
        draft.remove(&layout::release_list(&name));
        let manifest = self.release(number, vec![self.file(content)]);
        self.list = Some(stage_release(&mut draft, None, &manifest, now()).unwrap());
        self.sign(draft);
    }

    /// Publishes one more release.
    fn publish_next(&mut self, number: u64) {
        self.publish_next_with_content_of(number, number);
    }

    /// Publishes one more release that has the content of another number.
    fn publish_next_with_content_of(&mut self, number: u64, content: u64) {
        let mut draft = TargetsDraft::next(self.present.as_ref().unwrap());
        let manifest = self.release(number, vec![self.file(content)]);
        self.list = Some(stage_release(&mut draft, self.list.as_ref(), &manifest, now()).unwrap());
        self.sign(draft);
    }

    /// Goes on from an earlier state under new online keys, because the former were stolen.
    fn recover(&mut self, present: Published, list: ReleaseList) {
        let online = SecretKey::generate().unwrap();
        let draft = RootDraft::next(&self.root).unwrap().because(KeyReplacement::Compromised);
        let draft = [Role::Timestamp, Role::Snapshot, Role::Targets]
            .into_iter()
            .fold(draft, |draft, role| draft.role(role, 1, [online.public()]));
        self.ring.add(online);
        self.root = draft.finish(now(), &Expiry::default()).unwrap().sign_with(&self.ring).unwrap();
        let mut draft = TargetsDraft::next(&present);
        draft.rotate_root(self.root.clone()).unwrap();
        self.list = Some(list);
        self.sign(draft);
    }

    /// Adds a target of any name.
    fn add(&mut self, name: &str) {
        let mut draft = TargetsDraft::next(self.present.as_ref().unwrap());
        draft.add(name.parse().unwrap(), b"{}".to_vec()).unwrap();
        self.sign(draft);
    }

    fn release(&self, number: u64, files: Vec<FileEntry>) -> Manifest {
        Manifest {
            component: ComponentName::new("rules").unwrap(),
            sequence: Sequence::new(number).unwrap(),
            version: VersionText::new(number.to_string()).unwrap(),
            files,
            install: None,
            probe: None,
            intermediates: Vec::new(),
        }
    }

    /// Withdraws every release after one.
    fn roll_back(&mut self, to: u64) {
        let mut draft = TargetsDraft::next(self.present.as_ref().unwrap());
        let list = roll_back(&mut draft, self.list.as_ref().unwrap(), Sequence::new(to).unwrap());
        self.list = Some(list.unwrap());
        self.sign(draft);
    }

    fn sign(&mut self, draft: TargetsDraft) {
        let signed = draft.finish(now(), &Expiry::default()).unwrap().sign(&self.ring).unwrap();
        self.write(&self.root.path(), self.root.bytes());
        for file in signed.files() {
            self.write(&file.path, &file.bytes);
        }
        self.present = Some(signed.published().clone());
    }

    pub(crate) fn file(&self, number: u64) -> FileEntry {
        let (content, mut stored) = (content(number), Vec::new());
        let (body, _) = encode(&content[..], content.len() as u64, LEVEL_DEFAULT, &mut stored).unwrap();
        let sha256 = Digest::from(body.sha256);
        self.write(&layout::blob(&sha256), &stored);
        FileEntry {
            path: FilePath::new("data.bin").unwrap(),
            mode: 0o644,
            size: content.len() as u64,
            sha256: Digest::of(&content),
            body: Body { sha256, size: body.size, format: BodyFormat::Zstd, memory: body.memory },
            deltas: Vec::new(),
        }
    }

    pub(crate) fn delta(&self, base: u64, number: u64) -> Delta {
        let (base, options) = (content(base), DeltaOptions::beside(u64::MAX));
        let made = encode_delta(&base, &content(number), &options, &Uncontrolled).unwrap().unwrap();
        let sha256 = Digest::from(made.body.sha256);
        self.write(&layout::blob(&sha256), &made.bytes);
        Delta {
            base: Digest::of(&base),
            sha256,
            size: made.body.size,
            format: DeltaFormat::Headwater1,
            memory: made.body.memory,
        }
    }

    fn lose_body(&self, number: u64) {
        let blob = layout::blob(&self.file(number).body.sha256);
        std::fs::remove_file(self.folder.path().join(blob)).unwrap();
    }

    pub(crate) async fn is_vendor_of(&self, server: &Server) {
        let root: Value = serde_json::from_slice(self.root.bytes()).unwrap();
        let vendor = json!({"url": self.url, "root": root, "schedule_minutes": 0});
        server.ok("PUT", "/api/v1/vendor", Some(vendor)).await;
    }
}

/// A vendor that has published these releases, and a server that has them.
async fn followed(numbers: &[u64]) -> (Vendor, Server) {
    let (mut vendor, server) = (Vendor::start().await, Server::start().await);
    vendor.is_vendor_of(&server).await;
    vendor.publish(numbers, &[]);
    sync(&server).await;
    (vendor, server)
}

async fn sync(server: &Server) -> Value {
    let result = server.ok("POST", "/api/v1/vendor/sync", None).await;
    assert_eq!(result["error"], Value::Null, "{result}");
    result
}

pub(crate) fn blob_names(folder: &Path) -> BTreeSet<PathBuf> {
    let blobs = crate::harness::files(&folder.join("blobs"));
    blobs.iter().map(|path| path.strip_prefix(folder).unwrap().to_owned()).collect()
}

fn every_second(from: u64, to: u64) -> Vec<u64> {
    (from..=to).step_by(2).collect()
}

#[tokio::test]
async fn the_vendors_own_example_is_followed_without_one_full_download() {
    let (mut vendor, server) = (Vendor::start().await, Server::start().await);
    vendor.is_vendor_of(&server).await;
    // What it makes itself would be the same, byte for byte: so first only what it takes.
    server.ok("POST", "/api/v1/deltas/pause", None).await;
    // The server at 171, holding 169 … 159.
    vendor.publish(&every_second(159, 171), &[]);
    sync(&server).await;
    // The source at 175, with deltas from 147, 149 … 173, and not one body that the server does not have.
    let (bases, numbers) = (every_second(147, 173), every_second(147, 175));
    let sizes: BTreeMap<u64, u64> = bases.iter().map(|base| (*base, vendor.delta(*base, 175).size)).collect();
    vendor.publish(&numbers, &bases);
    for number in numbers.iter().filter(|number| !(159..=171).contains(*number)) {
        vendor.lose_body(*number);
    }
    let result = sync(&server).await;

    // It took 171→175 and the seven from files that it does not have: 147 … 157 and 173.
    let taken: Vec<u64> =
        bases.iter().copied().filter(|base| *base == 171 || !(159..=171).contains(base)).collect();
    assert_eq!(taken.len(), 8);
    let here = blob_names(&server.repository(Class::Components));
    for base in &bases {
        let blob = PathBuf::from(layout::blob(&vendor.delta(*base, 175).sha256));
        assert_eq!(here.contains(&blob), taken.contains(base), "delta {base} → 175");
    }
    let deltas: u64 = taken.iter().map(|base| sizes[base]).sum();
    let metadata = 40_000;
    let bytes = result["bytes"].as_u64().unwrap();
    assert!((deltas..deltas + metadata).contains(&bytes), "{bytes} for deltas of {deltas}");

    // It makes 159 … 169 itself, and serves all 14.
    server.ok("POST", "/api/v1/deltas/resume", None).await;
    make(&server).await;
    let manifest = manifest(&server).await;
    assert_eq!(manifest.sequence.get(), 175);
    for base in &bases {
        let cost = update(&server, &manifest, *base).await.expect("a path by deltas");
        assert!(cost < 20_000, "{cost} from {base}");
    }
    assert!(blob_names(&server.repository(Class::Components)).len() >= 7 + 1 + 14);

    // To go back to what was passed over is refused here, and followed when the vendor does.
    let path = "/api/v1/releases/components/rules/rollback";
    server.refused("POST", path, Some(json!({"to": 173})), 400, "invalid_request").await;
    let again = sync(&server).await["bytes"].as_u64().unwrap();
    assert!(again < metadata, "{again} bytes, though nothing is new");
}

#[tokio::test]
async fn a_delta_that_no_longer_exists_gives_way_to_the_body() {
    let (mut vendor, server) = followed(&[1]).await;
    vendor.publish(&[1, 2], &[1]);
    let blob = vendor.folder.path().join(layout::blob(&vendor.delta(1, 2).sha256));
    std::fs::remove_file(blob).unwrap();
    let result = sync(&server).await;
    assert!(result["bytes"].as_u64().unwrap() > 60_000, "the body: {result}");
    make(&server).await;
    let manifest = manifest(&server).await;
    update(&server, &manifest, 1).await.expect("the missing one is made here");
}

#[tokio::test]
async fn a_new_server_takes_one_body_and_the_deltas_to_it() {
    let (mut vendor, server) = (Vendor::start().await, Server::start().await);
    vendor.is_vendor_of(&server).await;
    let numbers: Vec<u64> = (1..=15).collect();
    vendor.publish(&numbers, &numbers[..14]);
    for number in &numbers[..14] {
        vendor.lose_body(*number);
    }
    let bytes = sync(&server).await["bytes"].as_u64().unwrap();
    assert!(bytes < 64_000 + 120_000, "{bytes}");
    let manifest = manifest(&server).await;
    for number in &numbers[..14] {
        update(&server, &manifest, *number).await.expect("named at once");
    }
}

/// A release that was passed over is listed and not held: it is fetched when the vendor goes back to it (C5, C2).
#[tokio::test]
async fn the_vendor_is_followed_back_to_a_release_that_was_passed_over() {
    let (mut vendor, server) = (Vendor::start().await, Server::start().await);
    vendor.is_vendor_of(&server).await;
    vendor.publish(&[1, 2, 3], &[1, 2]);
    sync(&server).await;
    let held = |number: u64| {
        let blob = layout::blob(&vendor.file(number).body.sha256);
        server.repository(Class::Components).join(blob).exists()
    };
    assert!(held(3) && !held(2) && !held(1));

    // It cannot be had: nothing changes, and that is reported.
    vendor.roll_back(1);
    vendor.lose_body(1);
    let result = server.ok("POST", "/api/v1/vendor/sync", None).await;
    assert!(result["error"].as_str().unwrap().starts_with("rules could not be taken whole"), "{result}");
    assert_eq!(server.get(RULES).await["current"], 3);

    // It can again.
    vendor.file(1);
    sync(&server).await;
    let view = server.get(RULES).await;
    assert_eq!((&view["current"], &view["withdrawn"]), (&json!(1), &json!([2, 3])));
    let blob = layout::blob(&vendor.file(1).body.sha256);
    assert!(server.repository(Class::Components).join(blob).exists());
    // Who has the withdrawn release gets a delta back; the one passed over is not here to make one from.
    make(&server).await;
    let manifest = manifest(&server).await;
    assert_eq!(manifest.sequence.get(), 1);
    update(&server, &manifest, 3).await.expect("a path by deltas");
    let services = server.running.services();
    services.publishing.collect_garbage(now()).await.unwrap();
    services.publishing.collect_garbage(now() + SignedDuration::from_hours(2)).await.unwrap();
    update(&server, &manifest, 3).await.expect("what is named stays");

    vendor.publish(&[1, 2, 3, 4], &[3]);
    sync(&server).await;
    assert_eq!(server.get(RULES).await["current"], 4);
}

#[tokio::test]
async fn a_vendor_that_goes_back_beyond_what_is_listed_here_is_reported() {
    let (mut vendor, server) = followed(&[2, 3]).await;
    vendor.publish(&[1], &[]);
    let result = server.ok("POST", "/api/v1/vendor/sync", None).await;
    let error = result["error"].as_str().unwrap();
    assert!(error.contains("went back to release 1") && error.contains("stay at release 3"), "{error}");
    assert_eq!(server.get(RULES).await["current"], 3);
}

/// I2c: the number says nothing of the content.
#[tokio::test]
async fn other_content_under_a_number_that_was_taken_is_reported_and_not_taken() {
    let (mut vendor, server) = followed(&[1, 2]).await;
    let before = manifest(&server).await;
    vendor.publish_with_content_of(2, 7);
    let result = server.ok("POST", "/api/v1/vendor/sync", None).await;
    let error = result["error"].as_str().unwrap();
    assert!(error.contains("release 2 has other content"), "{result}");
    assert_eq!(manifest(&server).await.identity(), before.identity());
    // A newer release is taken, and the difference is still reported.
    vendor.publish_next(3);
    let result = server.ok("POST", "/api/v1/vendor/sync", None).await;
    assert!(result["error"].as_str().unwrap().contains("release 2 has other content"), "{result}");
    assert_eq!(
        (server.get(RULES).await["current"].clone(), &result["releases"][0]["sequence"]),
        (json!(3), &json!(3))
    );
}

#[tokio::test]
async fn a_vendor_that_goes_back_without_withdrawing_is_reported() {
    let (mut vendor, server) = followed(&[1, 2, 3]).await;
    vendor.publish(&[1, 2], &[]);
    let result = server.ok("POST", "/api/v1/vendor/sync", None).await;
    let error = result["error"].as_str().unwrap();
    assert!(error.contains("went back to release 2 without withdrawing release 3"), "{result}");
    assert_eq!(server.get(RULES).await["current"], 3);
    vendor.publish(&[1, 2, 3], &[]);
    vendor.roll_back(2);
    let result = sync(&server).await;
    assert_eq!(result["rolled_back"], json!([{"name": "rules", "sequence": 2, "version": "2"}]), "{result}");
    assert_eq!(server.get(RULES).await["current"], 2);
}

/// P11: what the vendor withdrew before its next release is withdrawn here, too.
#[tokio::test]
async fn a_withdrawal_before_the_next_release_is_followed() {
    let (mut vendor, server) = followed(&[26, 27]).await;
    vendor.roll_back(26);
    vendor.publish_next(28);
    sync(&server).await;
    let view = server.get(RULES).await;
    assert_eq!((&view["current"], &view["withdrawn"]), (&json!(28), &json!([27])), "{view}");
}

#[tokio::test]
async fn a_name_that_no_component_may_have_is_reported() {
    let (mut vendor, server) = (Vendor::start().await, Server::start().await);
    vendor.is_vendor_of(&server).await;
    vendor.publish(&[1], &[]);
    vendor.add("Rules of Theirs/releases.json");
    let result = sync(&server).await;
    let skipped = result["skipped"][0].as_str().unwrap();
    assert!(
        skipped.contains("Rules of Theirs") && skipped.contains("no component may have this name"),
        "{result}"
    );
    assert_eq!(server.get(RULES).await["current"], 1);
}

/// I2a: a thief of the vendor's keys raised the number; the vendor replaced them and goes on below it.
#[tokio::test]
async fn a_number_that_a_thief_of_the_vendors_keys_raised_is_left_again() {
    let (mut vendor, server) = followed(&[1, 2]).await;
    let honest = (vendor.present.clone().unwrap(), vendor.list.clone().unwrap());
    let stolen = headwater_repo::limits::NUMBER_MAX;
    vendor.publish_next_with_content_of(stolen, 9);
    sync(&server).await;
    assert_eq!(server.get(RULES).await["current"], stolen);
    vendor.recover(honest.0, honest.1);
    let result = sync(&server).await;
    assert_eq!(result["rolled_back"][0]["sequence"], 2, "{result}");
    vendor.publish_next(3);
    sync(&server).await;
    let view = server.get(RULES).await;
    assert_eq!((&view["current"], &view["withdrawn"]), (&json!(3), &json!([stolen])), "{view}");
}
