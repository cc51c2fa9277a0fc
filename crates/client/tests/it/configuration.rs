//! The configuration file: every key, none but known ones, and errors that say what would be right.

use headwater_client::{Config, Daemon, Error, RawConfig, RunOptions, run_once, status};

use crate::world::{World, update};

#[test]
fn the_example_file_is_understood_and_shows_every_key() {
    let text = include_str!("../../../../docs/client.example.toml");
    let raw = RawConfig::parse(text).unwrap();
    let config = Config::try_from(raw.clone()).unwrap();
    assert_eq!(config.id.as_str(), "pc-17");
    let RawConfig { data, bundle, id, addresses, unsafe_bind_beyond_loopback } = raw;
    let shown = [
        data.is_some(),
        bundle.is_some(),
        id.is_some(),
        addresses.is_some(),
        unsafe_bind_beyond_loopback.is_some(),
    ];
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
    check("data = \"d\"\nid = \"a\"\naddresses = []", "is no address");
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
    assert!(Config::try_from(raw).unwrap_err().to_string().contains("is no folder"));
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
