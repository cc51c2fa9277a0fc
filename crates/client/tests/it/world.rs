//! An organisation in a temporary folder: its four signed repositories, a server that serves them and takes check-ins
//! and reports, and clients.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use headwater_api::bundle::{ENROL_FORMAT, EnrolBundle, RepositoryRoots};
use headwater_api::policy::{LocationDocument, OptionsDocument, PolicyDocument};
use headwater_api::report::{ClassOutcome, Report};
use headwater_api::settings::{
    EffectiveSettingsDocument, FreeSettingsDocument, SealedBody, SealedDomainDocument, SignedPolicy,
    TypedSettingsDocument,
};
use headwater_client::{Config, RunOptions, run_once};
use headwater_delta::limits::LEVEL_DEFAULT;
use headwater_delta::{DeltaOptions, Uncontrolled, encode_delta};
use headwater_depot::serve::{ListenLimits, ServeLimits, SharedRepositories, listen, listen_tls, router};
use headwater_identity::DomainKey;
use headwater_identity::tls::client_of;
use headwater_policy::{Class, EffectiveSettings, Repository};
use headwater_repo::{
    Body, BodyFormat, ComponentName, Delta, DeltaFormat, Digest, Expiry, FileEntry, FilePath, Hook,
    KeyReplacement, KeyRing, Manifest, Published, ReleaseList, Role, RootDraft, SecretKey, Sequence,
    SignedRoot, TargetName, TargetsDraft, VersionText, layout, remove_releases, roll_back, stage_release,
};
use secrecy::{ExposeSecret as _, SecretString};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::fleet::{Fleet, Received};

/// One repository on the disk.
pub struct TestRepository {
    ring: KeyRing,
    pub root: SignedRoot,
    present: Option<Published>,
    lists: BTreeMap<String, ReleaseList>,
    /// The newest manifest of each name.
    manifests: BTreeMap<String, Manifest>,
    pub folder: PathBuf,
}

/// A release to publish.
#[derive(Default, Clone)]
pub struct NewRelease<'a> {
    pub name: &'a str,
    pub sequence: u64,
    pub files: &'a [(&'a str, &'a [u8])],
    pub install: Option<(Vec<String>, u64)>,
    pub probe: Option<(Vec<String>, u64)>,
}

/// A state of a repository.
#[derive(Clone)]
pub struct Remembered {
    present: Option<Published>,
    lists: BTreeMap<String, ReleaseList>,
    manifests: BTreeMap<String, Manifest>,
}

impl TestRepository {
    pub fn new(folder: PathBuf) -> Self {
        let (root_key, online) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
        let mut draft = RootDraft::first().role(Role::Root, 1, [root_key.public()]);
        for role in [Role::Timestamp, Role::Snapshot, Role::Targets] {
            draft = draft.role(role, 1, [online.public()]);
        }
        let ring: KeyRing = [root_key, online].into_iter().collect();
        let now = headwater_client::os::now();
        let root = draft.finish(now, &Expiry::default()).unwrap().sign_with(&ring).unwrap();
        let repository =
            Self { ring, root, present: None, lists: BTreeMap::new(), manifests: BTreeMap::new(), folder };
        repository.write(&repository.root.path(), repository.root.bytes());
        repository
    }

    pub fn draft(&self) -> TargetsDraft {
        match &self.present {
            Some(present) => TargetsDraft::next(present),
            None => TargetsDraft::first(self.root.clone()),
        }
    }

    /// Another root key and other online keys, vouched for by the root key before.
    pub fn rotate_root(&mut self) {
        self.replace_keys(&[Role::Timestamp, Role::Snapshot, Role::Targets], KeyReplacement::Planned);
    }

    /// Another root key and another online key for these roles.
    pub fn replace_keys(&mut self, roles: &[Role], why: KeyReplacement) {
        let (root_key, online) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
        let draft = RootDraft::next(&self.root).unwrap().role(Role::Root, 1, [root_key.public()]);
        let mut draft = draft.because(why);
        for role in roles {
            draft = draft.role(*role, 1, [online.public()]);
        }
        for key in [root_key, online] {
            self.ring.add(key);
        }
        let now = headwater_client::os::now();
        self.root = draft.finish(now, &Expiry::default()).unwrap().sign_with(&self.ring).unwrap();
        let mut draft = self.draft();
        draft.rotate_root(self.root.clone()).unwrap();
        self.publish(draft);
    }

    pub fn publish(&mut self, draft: TargetsDraft) {
        let now = headwater_client::os::now();
        let signed = draft.finish(now, &Expiry::default()).unwrap().sign(&self.ring).unwrap();
        for file in signed.files() {
            self.write(&file.path, &file.bytes);
        }
        self.present = Some(signed.published().clone());
    }

    fn content_version(&self) -> u64 {
        self.present.as_ref().map_or(0, |present| present.version(Role::Targets))
    }

    pub fn release(&mut self, new: &NewRelease<'_>) {
        let files = new.files.iter().map(|(path, bytes)| self.body(path, bytes)).collect();
        let manifest = Manifest {
            component: ComponentName::new(new.name).unwrap(),
            sequence: Sequence::new(new.sequence).unwrap(),
            version: VersionText::new(format!("v{}", new.sequence)).unwrap(),
            files,
            install: new.install.clone().map(|(command, timeout_seconds)| Hook { command, timeout_seconds }),
            probe: new.probe.clone().map(|(command, timeout_seconds)| Hook { command, timeout_seconds }),
            intermediates: Vec::new(),
        };
        let mut draft = self.draft();
        let now = headwater_client::os::now();
        let list = stage_release(&mut draft, self.lists.get(new.name), &manifest, now).unwrap();
        self.lists.insert(new.name.to_owned(), list);
        self.manifests.insert(new.name.to_owned(), manifest);
        self.publish(draft);
    }

    /// Publishes the newest release of a name again, its manifest edited: as when deltas join.
    pub fn join(&mut self, name: &str, edit: impl FnOnce(&mut Manifest)) {
        let manifest = self.manifests.get_mut(name).unwrap();
        edit(manifest);
        let target = layout::manifest(&manifest.component, manifest.sequence);
        let bytes = manifest.to_bytes().unwrap();
        let mut draft = self.draft();
        draft.add(target, bytes).unwrap();
        self.publish(draft);
    }

    /// Makes a delta and puts its blob in place.
    pub fn delta(&self, base: &[u8], new: &[u8]) -> Delta {
        let options = DeltaOptions::beside(u64::MAX);
        let made = encode_delta(base, new, &options, &Uncontrolled).unwrap().unwrap();
        let sha256 = Digest::from(made.body.sha256);
        self.write(&layout::blob(&sha256), &made.bytes);
        Delta {
            base: Digest::of(base),
            sha256,
            size: made.body.size,
            format: DeltaFormat::Headwater1,
            memory: made.body.memory,
        }
    }

    /// Takes a blob away, so that nobody can have it from here.
    pub fn lose(&self, blob: &Digest) {
        fs::remove_file(self.folder.join(layout::blob(blob))).unwrap();
    }

    pub fn roll_back(&mut self, name: &str, to: u64) {
        let mut draft = self.draft();
        let list = roll_back(&mut draft, &self.lists[name], Sequence::new(to).unwrap()).unwrap();
        self.lists.insert(name.to_owned(), list);
        self.publish(draft);
    }

    /// What is published and what is known of it, to which [`Self::put_back`] leads back: what a thief publishes between the
    /// two is unknown to the organisation.
    pub fn remembered(&self) -> Remembered {
        Remembered {
            present: self.present.clone(),
            lists: self.lists.clone(),
            manifests: self.manifests.clone(),
        }
    }

    /// Goes on from an earlier state, of which clients may have seen later versions.
    pub fn put_back(&mut self, remembered: Remembered) {
        let Remembered { present, lists, manifests } = remembered;
        (self.present, self.lists, self.manifests) = (present, lists, manifests);
    }

    /// Removes a name, as the organisation does: its tombstone stays.
    pub fn remove(&mut self, name: &str) {
        let mut draft = self.draft();
        let list = self.lists.remove(name).unwrap();
        remove_releases(&mut draft, &list, headwater_client::os::now()).unwrap();
        self.publish(draft);
    }

    /// Forgets the releases of a name: the next one begins a list of its own, as after a restored backup.
    pub fn forget(&mut self, name: &str) {
        self.lists.remove(name);
    }

    /// The bodies on the disk.
    pub fn blobs(&self) -> BTreeSet<PathBuf> {
        let below =
            |folder: PathBuf| fs::read_dir(folder).into_iter().flatten().flatten().map(|at| at.path());
        below(self.folder.join(layout::BLOBS_FOLDER)).flat_map(below).collect()
    }

    /// Names it no longer.
    pub fn leave_out(&mut self, name: &str) {
        let mut draft = self.draft();
        assert!(draft.remove(&TargetName::new(format!("{name}/releases.json")).unwrap()));
        self.publish(draft);
    }

    fn body(&self, path: &str, bytes: &[u8]) -> FileEntry {
        let mut stored = Vec::new();
        let (packed, _) =
            headwater_delta::encode(bytes, bytes.len() as u64, LEVEL_DEFAULT, &mut stored).unwrap();
        let digest = Digest::from(packed.sha256);
        self.write(&layout::blob(&digest), &stored);
        FileEntry {
            path: FilePath::new(path).unwrap(),
            mode: if path.ends_with(".sh") || path == "headwater-client" { 0o755 } else { 0o644 },
            size: bytes.len() as u64,
            sha256: Digest::of(bytes),
            body: Body {
                sha256: digest,
                size: stored.len() as u64,
                format: BodyFormat::Zstd,
                memory: packed.memory,
            },
            deltas: Vec::new(),
        }
    }

    fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        headwater_depot::files::replace(&path, bytes, headwater_depot::files::FileAccess::Umask).unwrap();
    }
}

pub struct World {
    pub folder: TempDir,
    pub repositories: BTreeMap<Repository, TestRepository>,
    pub policy: PolicyDocument,
    pub settings: EffectiveSettingsDocument,
    pub files: BTreeMap<String, String>,
    pub version: u64,
    pub fleet: Fleet,
    pub site: SharedRepositories,
    /// The server's fleet listener.
    pub url: String,
    /// The same content for everybody, as a mirror has it.
    pub mirror: String,
    tls: watch::Sender<Arc<rustls::ServerConfig>>,
    _stop: watch::Sender<bool>,
}

impl World {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let site = SharedRepositories::new(ServeLimits::default());
        let mut repositories = BTreeMap::new();
        for name in Repository::ALL {
            let at = folder.path().join("server").join(name.as_str());
            site.share(name, at.clone());
            let mut repository = TestRepository::new(at);
            let first = repository.draft();
            repository.publish(first);
            repositories.insert(name, repository);
        }
        let fleet = Fleet::new();
        let (stop, mut stopped) = watch::channel(false);
        let tls = watch::Sender::new(fleet.tls());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let routes = fleet.routes(router(site.clone()));
        let shutdown = async move { drop(stopped.wait_for(|stopped| *stopped).await) };
        tokio::spawn(listen_tls(
            routes,
            listener,
            tls.subscribe(),
            client_of,
            ListenLimits::default(),
            shutdown,
        ));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mirror = format!("http://{}", listener.local_addr().unwrap());
        let content = router(site.clone());
        tokio::spawn(listen(content, listener, ListenLimits::default(), std::future::pending()));
        let policy = PolicyDocument {
            mode: "standard".to_owned(),
            options: OptionsDocument::default(),
            server: LocationDocument { url: url.clone() },
            vendor: None,
            update_agents: Vec::new(),
            own_components: Vec::new(),
            entries: Vec::new(),
        };
        let settings = EffectiveSettings::default().into();
        let mut world = Self {
            folder,
            repositories,
            policy,
            settings,
            files: BTreeMap::new(),
            version: 0,
            fleet,
            site,
            url,
            mirror,
            tls,
            _stop: stop,
        };
        world.publish_settings();
        world
    }

    /// Publishes `policy`, `settings` and `files` as they are now.
    pub fn publish_settings(&mut self) {
        self.publish_settings_with(None);
    }

    pub fn publish_settings_with(&mut self, vendor_root: Option<serde_json::Value>) {
        self.version += 1;
        let agents = self.policy.update_agents.iter();
        self.fleet.lock().agents = agents.map(|agent| (agent.id.clone(), agent.addresses.clone())).collect();
        let signed = SignedPolicy {
            format: 1,
            version: self.version,
            policy: self.policy.clone(),
            vendor_root,
            fleet: self.fleet.document(),
        };
        let (domain, version) = ("root".to_owned(), self.version);
        let typed = TypedSettingsDocument {
            format: 1,
            domain: domain.clone(),
            version,
            settings: self.settings.clone(),
        };
        let values = BTreeMap::from([("proxy".to_owned(), serde_json::json!("none"))]);
        let free = FreeSettingsDocument { format: 1, domain, version, values, files: self.files.clone() };
        let (typed, free) = (self.document(&typed), self.document(&free));
        let policy = serde_json::to_vec(&signed).unwrap();
        self.sign(Repository::Policy, &[("policy.json", policy), ("settings/root.json", typed)]);
        self.sign(Class::Settings, &[("domains/root.json", free)]);
    }

    /// A domain's document: open, or sealed with its key.
    fn document(&self, document: &impl serde::Serialize) -> Vec<u8> {
        let document = serde_json::to_vec(document).unwrap();
        match &self.fleet.lock().domain_key {
            None => document,
            Some(key) => sealed(key, self.version, &document),
        }
    }

    fn sign(&mut self, repository: impl Into<Repository>, targets: &[(&str, Vec<u8>)]) {
        let repository = self.repositories.get_mut(&repository.into()).unwrap();
        let mut draft = repository.draft();
        for (name, bytes) in targets {
            draft.add(TargetName::new(*name).unwrap(), bytes.clone()).unwrap();
        }
        repository.publish(draft);
    }

    /// Publishes the policy as it is now, after `change` did with its JSON what this version's own types cannot.
    pub fn publish_policy_of_tomorrow(&mut self, change: impl FnOnce(&mut serde_json::Value)) {
        self.version += 1;
        let signed = SignedPolicy {
            format: 1,
            version: self.version,
            policy: self.policy.clone(),
            vendor_root: None,
            fleet: self.fleet.document(),
        };
        let mut signed = serde_json::to_value(signed).unwrap();
        change(&mut signed);
        self.sign(Repository::Policy, &[("policy.json", serde_json::to_vec(&signed).unwrap())]);
    }

    /// The newest content version of a repository.
    pub fn content_version(&self, repository: Repository) -> u64 {
        self.repositories[&repository].content_version()
    }

    /// Copies what is published now to a folder that is not there yet.
    pub fn copy_to(&self, folder: &Path) {
        let from = self.folder.path().join("server");
        let copied = std::process::Command::new("cp").arg("-r").arg(from).arg(folder).status();
        assert!(copied.unwrap().success());
    }

    /// A mirror of a folder.
    pub async fn mirror_of(folder: &Path) -> String {
        let site = SharedRepositories::new(ServeLimits::default());
        Repository::ALL.iter().for_each(|name| site.share(*name, folder.join(name.as_str())));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(listen(router(site), listener, ListenLimits::default(), std::future::pending()));
        url
    }

    pub fn components(&mut self) -> &mut TestRepository {
        self.repositories.get_mut(&Class::Components.into()).unwrap()
    }

    pub fn programs(&mut self) -> &mut TestRepository {
        self.repositories.get_mut(&Class::Programs.into()).unwrap()
    }

    /// A new component release of a few files, all of the same content but for the number in one of them.
    pub fn component(&mut self, name: &str, sequence: u64) {
        let big = noise(200_000);
        let changing = format!("release {sequence}\n");
        let files: &[(&str, &[u8])] = &[("rules/big.bin", &big), ("rules/changing.txt", changing.as_bytes())];
        self.components().release(&NewRelease { name, sequence, files, ..NewRelease::default() });
    }

    pub fn bundle(&self) -> PathBuf {
        let root = |name: Repository| serde_json::from_slice(self.repositories[&name].root.bytes()).unwrap();
        let fleet = self.fleet.document();
        let inner = self.fleet.lock();
        let bundle = EnrolBundle {
            client: None,
            format: ENROL_FORMAT,
            server_urls: vec![self.url.clone()],
            domain: "root".to_owned(),
            ca: fleet.ca,
            encryption_key: inner.encryption_key.public().to_string(),
            response_signing_keys: fleet.response_signing_keys,
            roots: RepositoryRoots {
                policy: root(Repository::Policy),
                settings: root(Class::Settings.into()),
                components: root(Class::Components.into()),
                programs: root(Class::Programs.into()),
            },
            token: Some(SecretString::from(inner.token.to_text().expose_secret())),
            token_expires: None,
            policy: self.policy.clone(),
        };
        let path = self.folder.path().join("bundle.json");
        fs::write(&path, serde_json::to_vec(&bundle).unwrap()).unwrap();
        path
    }

    /// A client with an address of its own.
    pub fn client(&self, id: &str) -> Config {
        let mut config = Config::new(self.folder.path().join("clients").join(id), id).unwrap();
        config.bundle = Some(self.bundle());
        config.addresses = Some(vec!["127.0.0.1".parse().unwrap()]);
        config
    }

    pub fn received<T>(&self, look: impl FnOnce(&mut Received) -> T) -> T {
        look(&mut self.fleet.lock().received)
    }

    /// From the next connection on the server shows what the fleet's keys are now.
    pub fn show_new_certificate(&self) {
        self.tls.send_replace(self.fleet.tls());
    }
}

/// A domain's document for those with the key alone.
fn sealed(key: &DomainKey, version: u64, document: &[u8]) -> Vec<u8> {
    let sealed = key.seal_settings(&"root".parse().unwrap(), version, document).unwrap();
    let document = SealedDomainDocument {
        format: 1,
        domain: "root".to_owned(),
        version,
        sealed: SealedBody { key_id: sealed.key_id, nonce: sealed.nonce, body: sealed.body },
    };
    serde_json::to_vec(&document).unwrap()
}

/// A world with a release of `rules`, and a client that has it.
pub async fn client_of_rules(sequence: u64) -> (World, Config) {
    let mut world = World::new().await;
    world.component("rules", sequence);
    let client = world.client("pc-1");
    update(&client).await;
    (world, client)
}

pub async fn update(config: &Config) -> Report {
    run_once(config, &RunOptions::default()).await.unwrap()
}

pub fn class<'a>(report: &'a Report, class: &str) -> &'a ClassOutcome {
    report.classes.iter().find(|outcome| outcome.class == class).unwrap()
}

/// The content of a file of a current release.
pub fn current(config: &Config, path: &str) -> String {
    fs::read_to_string(config.data.join(path)).unwrap_or_else(|error| format!("({path}: {error})"))
}

pub fn words(command: &[&str]) -> Vec<String> {
    command.iter().map(|word| (*word).to_owned()).collect()
}

/// No temporary file or folder below `folder`.
pub fn assert_no_leftovers(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        assert!(!name.starts_with(headwater_depot::files::TEMPORARY_PREFIX), "{}", entry.path().display());
        if entry.file_type().unwrap().is_dir() {
            assert_no_leftovers(&entry.path());
        }
    }
}

/// As long as a test waits for a state that is to come.
pub const WAIT_MAX: Duration = Duration::from_secs(60);

/// Lets so much of a test's paused clock pass: what is due until then happens, and nobody waits in real time.
///
/// # Panics
/// When the clock is not paused (`start_paused = true`).
pub async fn pass_time(time: Duration) {
    tokio::time::advance(Duration::ZERO).await;
    tokio::time::sleep(time).await;
}

/// Bytes that do not repeat.
pub fn noise(size: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.flatten().take(size).collect()
}
