//! The configuration: the example file, unknown keys, limits, loopback.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use headwater_repo::{Role, life_days_max};
use headwater_server::{Config, ConfigError, RawConfig, limits};

#[test]
fn the_example_file_lists_every_key_and_is_valid() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/server.example.toml");
    // Keys that have no default of any use stand there as comments.
    let mut text = std::fs::read_to_string(path).unwrap();
    for key in ["fleet_ca", "console_certificate", "console_key"] {
        text = text.replace(&format!("\n# {key} = "), &format!("\n{key} = "));
    }
    let (keys, oidc) = text.split_once("\n# [oidc]").unwrap();
    let is_key = |line: &&str| line.starts_with('[') || line.contains(" = ");
    let oidc: Vec<&str> = oidc.lines().filter_map(|line| line.strip_prefix("# ")).filter(is_key).collect();
    let folder = tempfile::tempdir().unwrap();
    let secret = private(folder.path(), "secret", "s3cret");
    let oidc = oidc.join("\n").replace("/etc/headwater/oidc-secret", &secret);
    let text = format!("{keys}\n[oidc]\n{oidc}");
    let file = folder.path().join("server.toml");
    std::fs::write(&file, text).unwrap();
    let raw = RawConfig::read(&file).unwrap();
    let shown = format!("{raw:?}");
    assert!(!shown.contains("None"), "a key is missing in the example: {shown}");
    let config = Config::try_from(raw).unwrap();
    let defaults = Config::try_from(RawConfig { data: Some("/x".into()), ..RawConfig::default() }).unwrap();
    assert_eq!(config.fleet_listen, defaults.fleet_listen);
    assert_eq!(config.console_listen, defaults.console_listen);
    assert_eq!(config.report_retention_days, defaults.report_retention_days);
    assert_eq!(config.reports_bytes_max, defaults.reports_bytes_max);
    assert_eq!(config.upload_bytes_max, defaults.upload_bytes_max);
    assert_eq!(config.class_quota_bytes, defaults.class_quota_bytes);
    assert_eq!(config.expiry, defaults.expiry);
    // Of the section, what has a default stands there with it.
    let oidc = config.oidc.unwrap();
    let less = format!("issuer = 'https://x'\nclient_id = 'x'\nclient_secret_file = '{secret}'");
    let defaults =
        with_oidc(folder.path(), &format!("{less}\nroles = {{ x = 'viewer' }}")).unwrap().oidc.unwrap();
    assert_eq!(oidc.scopes, defaults.scopes);
    assert_eq!((oidc.name_claim, oidc.role_claim), (defaults.name_claim, defaults.role_claim));
}

/// A file that its owner alone may read; returns its path.
fn private(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    path.to_str().unwrap().to_owned()
}

fn with_oidc(folder: &Path, section: &str) -> Result<Config, ConfigError> {
    let path = folder.join("with-oidc.toml");
    std::fs::write(&path, format!("data = '/x'\n[oidc]\n{section}")).unwrap();
    RawConfig::read(&path).and_then(Config::try_from)
}

#[test]
fn of_an_identity_provider_everything_that_matters_must_be_configured() {
    let folder = tempfile::tempdir().unwrap();
    let check = |key: &str, line: &str, word: &str| {
        let max = limits::OIDC_SECRET_BYTES_MAX;
        let file = private(folder.path(), "secret", &format!("{}\n", "s".repeat(max)));
        private(folder.path(), "long", &format!("{}\n", "s".repeat(max + 1)));
        private(folder.path(), "empty", "\n");
        std::fs::write(folder.path().join("open"), "s").unwrap();
        std::fs::set_permissions(folder.path().join("open"), Permissions::from_mode(0o640)).unwrap();
        let line = line.replace("DIR", folder.path().to_str().unwrap());
        let file = format!("client_secret_file = '{file}'");
        let usual = ["issuer = 'https://id.example'", "client_id = 'x'", &file, "roles = { a = 'admin' }"];
        let others = usual.into_iter().filter(|other| !other.starts_with(&format!("{key} ")));
        let text: Vec<&str> = others.chain([line.as_str()]).collect();
        let outcome = match with_oidc(folder.path(), &text.join("\n")) {
            Ok(config) => format!("taken {config:?}"),
            Err(error) => format!("{error} {:?}", std::error::Error::source(&error).map(ToString::to_string)),
        };
        assert!(outcome.contains(word), "{line}: {outcome}");
        assert!(!outcome.contains("sss"), "{outcome}");
    };
    check("", "", "taken");
    for key in ["issuer", "client_id", "client_secret_file", "roles"] {
        check(key, "", &format!("oidc.{key}"));
    }
    check("", "isuer = 'https://x'", "isuer");
    check("issuer", "issuer = 'http://id.example'", "write https://");
    check("issuer", "issuer = 'http://127.0.0.1:1'", "taken");
    check("issuer", "issuer = 'http://[::1]:1'", "taken");
    check("issuer", "issuer = 'https://x/?a=b'", "query");
    check("issuer", "issuer = 'https://me@x/'", "user");
    check("issuer", "issuer = 'ftp://x'", "write https://");
    check("client_secret_file", "client_secret_file = 'DIR/none'", "/none");
    check("client_secret_file", "client_secret_file = 'DIR/long'", "bytes");
    check("client_secret_file", "client_secret_file = 'DIR/empty'", "bytes");
    check("client_secret_file", "client_secret_file = 'DIR/open'", "chmod 600");
    check("", "redirect_url = 'https://x/api/v1/sign-in/oidc/callback'", "taken");
    check("", "redirect_url = 'http://x/api/v1/sign-in/oidc/callback'", "write https://");
    check("", "redirect_url = 'https://x/'", "its path must be");
    check("", "scopes = ['a b']", "no scope");
    let scopes = |count: usize| format!("scopes = [{}]", vec!["'x'"; count].join(", "));
    check("", &scopes(limits::OIDC_SCOPES_MAX), "taken");
    check("", &scopes(limits::OIDC_SCOPES_MAX + 1), "oidc.scopes");
    check("", "role_claim = 'sub'", "taken");
    check("", "role_claim = 'email'", "can choose");
    check("roles", "roles = {}", "oidc.roles");
    check("roles", "roles = { a = 'root' }", "viewer, operator and admin");
    let roles = |count: usize| {
        let each: Vec<String> = (0..count).map(|number| format!("r{number} = 'viewer'")).collect();
        format!("roles = {{ {} }}", each.join(", "))
    };
    check("roles", &roles(limits::OIDC_ROLES_MAX), "taken");
    check("roles", &roles(limits::OIDC_ROLES_MAX + 1), "oidc.roles");
}

#[test]
fn what_will_not_do_is_refused_by_name() {
    let check = |text: &str, word: &str| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.toml");
        std::fs::write(&path, text).unwrap();
        let error = RawConfig::read(&path).and_then(Config::try_from).unwrap_err();
        let source = std::error::Error::source(&error).map(ToString::to_string);
        let shown = format!("{error} {source:?}");
        assert!(shown.contains(word), "{text}: {shown}");
    };
    check("", "data");
    check("data = '/x'\nfleet_listn = '127.0.0.1:1'", "fleet_listn");
    check("data = '/x'\nfleet_url = 'http://x'", "https://");
    check("data = '/x'\nfleet_names = ['a b']", "fleet_names");
    let names = vec!["'x'"; limits::FLEET_NAMES_MAX + 1].join(", ");
    check(&format!("data = '/x'\nfleet_names = [{names}]"), "fleet_names");
    check("data = '/x'\nconsole_names = ['a b']", "console_names");
    let names = vec!["'x'"; limits::CONSOLE_NAMES_MAX + 1].join(", ");
    check(&format!("data = '/x'\nconsole_names = [{names}]"), "console_names");
    check("data = '/x'\nconsole_certificate = '/x'", "console_key");
    check("data = '/x'\nconsole_key = '/x'", "console_certificate");
    check("data = '/x'\nfleet_url = 'ftp://x'", "fleet_url");
    check("data = '/x'\nreport_retention_days = 0", "report_retention_days");
    let days = limits::REPORT_RETENTION_DAYS_MAX + 1;
    check(&format!("data = '/x'\nreport_retention_days = {days}"), "report_retention_days");
    check("data = '/x'\nupload_mib_max = 0", "upload_mib_max");
    check("data = '/x'\nreports_mib_max = 0", "reports_mib_max");
    for role in Role::ALL {
        let key = format!("{role}_life_days");
        check(&format!("data = '/x'\n{key} = 0"), &key);
        check(&format!("data = '/x'\n{key} = {}", life_days_max(role) + 1), &key);
    }
    check("data = '/x'\ndeltas_releases = 15", "deltas_releases");
    check("data = '/x'\ndeltas_memory_mib = 0", "deltas_memory_mib");
    check("data = '/x'\ndeltas_threads = 0", "deltas_threads");
    for (key, max) in [
        ("deltas_threads", limits::DELTAS_THREADS_MAX),
        ("deltas_storage_percent", limits::DELTAS_STORAGE_PERCENT_MAX),
    ] {
        check(&format!("data = '/x'\n{key} = {}", max + 1), key);
    }
    check("data = 1", "data");
}

#[test]
fn flags_win_over_the_file() {
    let flags = RawConfig { report_retention_days: Some(1), ..RawConfig::default() };
    let file =
        RawConfig { report_retention_days: Some(2), data: Some("/file".into()), ..RawConfig::default() };
    let config = Config::try_from(flags.over(file)).unwrap();
    assert_eq!((config.report_retention_days, config.data), (1, "/file".into()));
}
