//! What publishing needs of the configuration.

use std::sync::Arc;

use headwater_policy::Proxy;
use headwater_publisher::deltas::DeltaSettings;
use headwater_repo::{Expiry, Passphrase};

use crate::config::Config;

/// What publishing needs of the configuration.
#[derive(Debug, Clone)]
pub struct PublishingSettings {
    /// Opens the keys, where they are sealed.
    pub keys_passphrase: Option<Arc<Passphrase>>,
    /// How long what is signed is good.
    pub expiry: Expiry,
    /// Bytes that the content of one class may take.
    pub class_quota_bytes: u64,
    /// By which the vendor source is reached; `None` for directly.
    pub proxy: Option<Proxy>,
    /// Bytes that an uploaded archive may have.
    pub upload_bytes_max: u64,
    /// Which deltas there shall be.
    pub deltas: DeltaSettings,
    /// How much the threads that make them give way to others.
    pub deltas_niceness: i32,
}

impl From<&Config> for PublishingSettings {
    fn from(config: &Config) -> Self {
        Self {
            keys_passphrase: config.keys_passphrase.clone(),
            expiry: config.expiry,
            class_quota_bytes: config.class_quota_bytes,
            proxy: config.proxy.clone(),
            upload_bytes_max: config.upload_bytes_max,
            deltas: DeltaSettings {
                releases: config.deltas_releases,
                made_from: config.deltas_releases,
                storage_percent: config.deltas_storage_percent,
                memory_bytes_max: config.deltas_memory_bytes,
                threads: config.deltas_threads,
                ..DeltaSettings::default()
            },
            deltas_niceness: config.deltas_niceness,
        }
    }
}
