//! The configuration: the example file, unknown keys, limits, loopback.

use headwater_server::{Config, RawConfig, limits};

#[test]
fn the_example_file_lists_every_key_and_is_valid() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/server.example.toml");
    // Keys that have no default of any use stand there as comments.
    let mut text = std::fs::read_to_string(path).unwrap();
    for key in ["fleet_ca", "console_certificate", "console_key"] {
        text = text.replace(&format!("\n# {key} = "), &format!("\n{key} = "));
    }
    let folder = tempfile::tempdir().unwrap();
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
    for key in ["timestamp_life_days", "snapshot_life_days", "targets_life_days", "root_life_days"] {
        check(&format!("data = '/x'\n{key} = 0"), key);
        check(&format!("data = '/x'\n{key} = {}", limits::LIFE_DAYS_MAX + 1), key);
    }
    check("data = '/x'\nincrements_releases = 15", "increments_releases");
    check("data = '/x'\nincrements_memory_mib = 0", "increments_memory_mib");
    for (key, max) in [
        ("increments_threads", limits::INCREMENTS_THREADS_MAX),
        ("increments_storage_percent", limits::INCREMENTS_STORAGE_PERCENT_MAX),
    ] {
        check(&format!("data = '/x'\n{key} = 0"), key);
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
