//! Repositories made in one line, and metadata that our own types would never write.

use std::collections::BTreeMap;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use headwater_repo::{
    Expiry, KeyRing, PublicKey, Published, Role, RootDraft, SecretKey, Signed, SignedRoot, TargetName,
    TargetsDraft, Trusted, VerifyError,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// The moment at which every test begins.
pub fn start() -> Timestamp {
    "2026-11-22T11:00:00Z".parse().unwrap()
}

/// So many days after [`start`].
pub fn day(days: i64) -> Timestamp {
    start() + SignedDuration::from_hours(24 * days)
}

/// The key with that number: the same in every run.
pub fn key(number: u8) -> SecretKey {
    let mut der = hex::decode("302e020100300506032b657004220420").unwrap();
    der.extend([number; 32]);
    SecretKey::from_pem(&format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        STANDARD.encode(der)
    ))
    .unwrap()
}

pub fn public(number: u8) -> PublicKey {
    key(number).public()
}

pub fn ring(numbers: &[u8]) -> KeyRing {
    numbers.iter().map(|number| key(*number)).collect()
}

/// Keys of the root role (two of three), of targets, snapshot and timestamp.
pub const ROOT_KEYS: [u8; 3] = [1, 2, 3];
pub const TARGETS_KEY: u8 = 11;
pub const SNAPSHOT_KEY: u8 = 12;
pub const TIMESTAMP_KEY: u8 = 13;
pub const ONLINE_KEYS: [u8; 3] = [TARGETS_KEY, SNAPSHOT_KEY, TIMESTAMP_KEY];

pub fn root_draft() -> RootDraft {
    RootDraft::first()
        .role(Role::Root, 2, ROOT_KEYS.map(public))
        .role(Role::Targets, 1, [public(TARGETS_KEY)])
        .role(Role::Snapshot, 1, [public(SNAPSHOT_KEY)])
        .role(Role::Timestamp, 1, [public(TIMESTAMP_KEY)])
}

pub fn root() -> SignedRoot {
    root_at(start())
}

pub fn root_at(now: Timestamp) -> SignedRoot {
    root_draft().finish(now, &Expiry::default()).unwrap().sign_with(&ring(&ROOT_KEYS)).unwrap()
}

pub fn name(text: &str) -> TargetName {
    TargetName::new(text).unwrap()
}

/// What a source has: files by path.
#[derive(Clone, Default)]
pub struct Source {
    pub files: BTreeMap<String, Vec<u8>>,
}

impl Source {
    pub fn write(&mut self, signed: &Signed) {
        let files = signed.files().iter().map(|file| (file.path.clone(), file.bytes.clone()));
        self.files.extend(files);
    }

    pub fn metadata(&self, file: &str) -> Option<&[u8]> {
        self.files.get(&format!("metadata/{file}")).map(Vec::as_slice)
    }

    /// The whole walk, as a client does it.
    pub fn refresh(&self, trusted: &mut Trusted, now: Timestamp) -> Result<(), VerifyError> {
        while let Some(bytes) = self.metadata(&trusted.root_wanted().file) {
            trusted.update_root(bytes)?;
        }
        trusted.check_root(now)?;
        trusted.update_timestamp(self.metadata("timestamp.json").unwrap(), now)?;
        if let Some(wanted) = trusted.snapshot_wanted(now)? {
            trusted.update_snapshot(self.metadata(&wanted.file).unwrap(), now)?;
        }
        if let Some(wanted) = trusted.targets_wanted(now)? {
            trusted.update_targets(self.metadata(&wanted.file).unwrap(), now)?;
        }
        trusted.authorised(now)
    }
}

/// A repository with the target `a/one.txt`, published at [`start`].
pub fn published() -> (Source, Published) {
    let mut draft = TargetsDraft::first(root());
    draft.add(name("a/one.txt"), b"one".to_vec()).unwrap();
    let signed = draft.finish(start(), &Expiry::default()).unwrap().sign(&ring(&ONLINE_KEYS)).unwrap();
    let mut source = Source::default();
    source.write(&signed);
    (source, signed.published().clone())
}

/// The next publication: one target more.
pub fn publish_more(source: &mut Source, present: &Published, target: &str, now: Timestamp) -> Published {
    let mut draft = TargetsDraft::next(present);
    draft.add(name(target), target.as_bytes().to_vec()).unwrap();
    let signed = draft.finish(now, &Expiry::default()).unwrap().sign(&ring(&ONLINE_KEYS)).unwrap();
    source.write(&signed);
    signed.published().clone()
}

/// A client that has the root and nothing else.
pub fn client() -> Trusted {
    Trusted::from_root(root().bytes()).unwrap()
}

/// Any document, signed by these keys. Its strings must be plain ASCII, so that serde_json's order is canonical; line ends
/// stand for themselves in canonical JSON.
pub fn sign(signed: &Value, keys: &[u8]) -> Vec<u8> {
    let bytes = serde_json::to_string(signed).unwrap().replace("\\n", "\n").into_bytes();
    let signatures: Vec<Value> = keys
        .iter()
        .map(|number| {
            let pair = Ed25519KeyPair::from_seed_unchecked(&[*number; 32]).unwrap();
            assert_eq!(pair.public_key().as_ref(), public(*number).as_bytes());
            json!({"keyid": key(*number).id().to_string(), "sig": hex::encode(pair.sign(&bytes))})
        })
        .collect();
    serde_json::to_vec(&json!({"signed": signed, "signatures": signatures})).unwrap()
}

/// The signed part of a file.
pub fn signed_part(bytes: &[u8]) -> Value {
    serde_json::from_slice::<Value>(bytes).unwrap()["signed"].take()
}

/// Fields of a document put in place of others, and it signed again.
pub fn edited(bytes: &[u8], keys: &[u8], edit: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut document = signed_part(bytes);
    edit(&mut document);
    sign(&document, keys)
}

/// A key as metadata names it.
pub fn key_document(number: u8) -> Value {
    json!({"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": public(number).to_string()}})
}
