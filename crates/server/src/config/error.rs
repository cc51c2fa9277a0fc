//! Why a configuration is refused.

use std::path::PathBuf;

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("configuration file {path} cannot be read; check the path and its permissions")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML, or has an unknown key.
    #[error("configuration file {path} is not valid; docs/server.example.toml lists every key")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<toml::de::Error>,
    },
    /// A value is not usable.
    #[error("configuration key `{key}`: {reason}")]
    Value {
        /// The key.
        key: &'static str,
        /// What is wrong and what would do.
        reason: String,
    },
}

/// A value that is not usable.
pub(super) fn value(key: &'static str, reason: String) -> ConfigError {
    ConfigError::Value { key, reason }
}
