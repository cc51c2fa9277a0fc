//! The configuration file: every key, only known keys, and errors that state what is valid.

use clap::Parser as _;
use headwater_client::arguments::{Arguments, Command};
use headwater_client::{Config, Daemon, Error, RawConfig, RunOptions, run_once, status};

use crate::world::{World, update};

#[test]
fn the_example_file_is_understood_and_shows_every_key() {
    let text = include_str!("../../../../docs/client.example.toml");
    let raw = RawConfig::parse(text).unwrap();
    let config = Config::try_from(raw.clone()).unwrap();
    assert_eq!(config.id.as_str(), "pc-17");
    assert_eq!(config.confidential_group, Some(0));
    let RawConfig { data, bundle, id, addresses, confidential_group } = raw;
    let shown =
        [data.is_some(), bundle.is_some(), id.is_some(), addresses.is_some(), confidential_group.is_some()];
    assert_eq!(shown, [true; 5]);
}

#[test]
fn wrong_configurations_are_refused_by_name() {
    let check = |text: &str, expected: &str| {
        let error = match RawConfig::parse(text) {
            Err(error) => error.to_string(),
            Ok(raw) => Config::try_from(raw).unwrap_err().to_string(),
        };
        assert!(error.contains(expected), "{text}: {error}");
    };
    check("data = \"d\"\npoll = 3", "unknown field `poll`");
    check("id = \"pc-1\"", "--data DIR");
    check("data = \"d\"\nid = \"\"", "id: ``");
    check("data = \"d\"\nid = \"a b\"", "id: `a b`");
    check("data = \"d\"\nid = \"a\"\naddresses = [\"10.1.2\"]", "is not an IP address");
    check("data = \"d\"\nid = \"a\"\naddresses = []", "has no address");
    check("data = \"d\"\nid = \"a\"\nconfidential_group = \"no-such-group\"", "is not a group");
}

#[test]
fn flags_win_over_the_file() {
    let file = RawConfig::parse("data = \"/a\"\nid = \"file\"").unwrap();
    let flags = RawConfig { id: Some("flag".to_owned()), ..RawConfig::default() };
    let config = Config::try_from(file.overridden_by(flags)).unwrap();
    assert_eq!((config.data.to_str(), config.id.as_str()), (Some("/a"), "flag"));
}

/// Hooks and install commands run in the release's folder, where a relative path would lead elsewhere.
#[test]
fn a_relative_data_folder_is_made_absolute() {
    let config = Config::new("a/b", "pc-1").unwrap();
    assert_eq!(config.data, std::env::current_dir().unwrap().join("a/b"));
    let raw = RawConfig { data: Some("".into()), ..RawConfig::default() };
    assert!(Config::try_from(raw).unwrap_err().to_string().contains("is not a folder"));
}

/// The id of the first run is the folder's: without `--id` it is the same client, and another id is refused.
#[tokio::test]
async fn a_data_folder_remembers_whose_it_is() {
    let world = World::new().await;
    let client = world.client("pc-17");
    update(&client).await;
    let with_id = |id: Option<&str>| {
        let raw = RawConfig {
            data: Some(client.data.clone()),
            id: id.map(str::to_owned),
            addresses: Some(vec!["127.0.0.1".to_owned()]),
            ..RawConfig::default()
        };
        Config::try_from(raw).unwrap()
    };
    assert_eq!(with_id(None).id.as_str(), "pc-17");
    assert_eq!(status(&with_id(None)).unwrap().client, "pc-17");
    assert_eq!(update(&with_id(None)).await.client, "pc-17");
    let other = with_id(Some("pc-18"));
    let refused = run_once(&other, &RunOptions::default()).await.unwrap_err().to_string();
    assert!(refused.contains("client pc-17, not of pc-18") && refused.contains("--data DIR"), "{refused}");
    assert!(matches!(status(&other), Err(Error::OtherId { .. })));
    assert!(matches!(Daemon::start(other).await, Err(Error::OtherId { .. })));
}

/// The one object on stdout is the failure, where there is one.
#[test]
fn with_json_a_failure_is_one_object_on_stdout() {
    let folder = tempfile::tempdir().unwrap();
    let check = |arguments: &[&str], exit: i32, expected: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_headwater-client"));
        let ran = command.args(arguments).arg("--json").current_dir(folder.path()).output().unwrap();
        let message: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
        assert_eq!((ran.status.code(), &message["error"]["exit"]), (Some(exit), &exit.into()), "{message}");
        assert!(message["error"]["message"].as_str().unwrap().contains(expected), "{message}");
    };
    check(&["update", "--data", "new", "--id", "pc-1"], 2, "--bundle");
    check(&["update", "--data", "new", "--id", "pc-1", "--bundle", "."], 2, "it is a folder");
    check(&["status", "--data", "new", "--id", "pc-1"], 2, "--bundle");
    // Only a run takes a bundle by a flag: `enrol` has it as its argument, and `status` changes nothing.
    check(&["enrol", "b.json", "--data", "new", "--bundle", "b.json"], 2, "'--bundle'");
    check(&["status", "--data", "new", "--bundle", "b.json"], 2, "'--bundle'");
    check(&["run", "--data", "new", "--id", "pc 1"], 2, "pc 1");
    check(&["upgrade"], 2, "upgrade");
    check(&["update", "--address", "10.1.2"], 2, "10.1.2");
}

/// Who reads no further has what they wanted; what cannot be written is a failure of its own.
#[tokio::test]
async fn a_stdout_that_cannot_be_written_ends_no_command_in_a_panic() {
    let world = World::new().await;
    let client = world.client("pc-1");
    update(&client).await;
    let data = client.data.to_str().unwrap();
    let run = |arguments: &[&str], stdout: std::process::Stdio| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_headwater-client"));
        command.args(arguments).stdout(stdout);
        let ran = command.stderr(std::process::Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
        (ran.status.code(), String::from_utf8(ran.stderr).unwrap())
    };
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    assert_eq!(
        run(&["status", "--data", data], writer.try_clone().unwrap().into()),
        (Some(0), String::new())
    );
    assert_eq!(run(&["--help"], writer.into()), (Some(0), String::new()));
    for arguments in [&["status", "--data", data][..], &["--help"], &["update", "--help"], &["--version"]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let (exit, message) = run(arguments, full.into());
        assert!(
            exit == Some(4) && message.contains("cannot write to stdout"),
            "{arguments:?} {exit:?}: {message}"
        );
    }
}

/// Whatever a run reads whole is no longer than its limit: one byte more is refused by name.
#[tokio::test]
async fn files_that_are_too_long_are_refused_by_name() {
    use headwater_client::limits::{BUNDLE_BYTES_MAX, CONFIG_BYTES_MAX};
    let folder = tempfile::tempdir().unwrap();
    let file = |length: u64| {
        let path = folder.path().join(format!("of-{length}"));
        std::fs::File::create(&path).unwrap().set_len(length).unwrap();
        path
    };
    let check = |error: &dyn std::error::Error, refused: bool| {
        let message = format!("{error}: {:?}", error.source().map(ToString::to_string));
        assert_eq!(message.contains("longer than"), refused, "{message}");
    };
    check(&RawConfig::read(&file(CONFIG_BYTES_MAX)).unwrap_err(), false);
    check(&RawConfig::read(&file(CONFIG_BYTES_MAX + 1)).unwrap_err(), true);
    let bundle = async |length| {
        let mut config = Config::new(folder.path().join("data"), "pc-1").unwrap();
        config.bundle = Some(file(length));
        run_once(&config, &RunOptions::default()).await.unwrap_err()
    };
    check(&bundle(BUNDLE_BYTES_MAX).await, false);
    check(&bundle(BUNDLE_BYTES_MAX + 1).await, true);
}

#[test]
fn the_service_unit_starts_the_daemon() {
    let unit = include_str!("../../../../packaging/systemd/headwater-client.service");
    let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    let arguments = Arguments::try_parse_from(start.split_whitespace()).unwrap();
    assert!(matches!(arguments.command, Command::Run(_)), "{start}");
}
