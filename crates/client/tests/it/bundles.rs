//! Which id a client enrols under, and what to do about an enrolment or a source that fails: of each failure its own.

use std::fs;

use headwater_api::policy::{EntryDocument, SelectorDocument, SourceDocument};
use headwater_api::report::Reason;
use headwater_client::{Config, Daemon, Error, IdOrigin, RawConfig, RunOptions, enrol, re_enrol, run_once};

use crate::world::{World, update};

/// The bundle of one client names it; a chosen id counts more, and that of an enrolled client most.
#[tokio::test]
async fn a_bundle_for_one_client_enrols_it_whatever_its_host_is_called() {
    let world = World::new().await;
    let any = world.bundle();
    let named = |id: &str| {
        let path = world.folder.path().join(format!("for-{id}.json"));
        let bundle = fs::read_to_string(&any).unwrap().replacen('{', &format!("{{\"client\":\"{id}\","), 1);
        fs::write(&path, bundle).unwrap();
        path
    };
    let data = world.folder.path().join("clients/endpoint");
    let config = |id: Option<&str>, bundle| {
        let raw = RawConfig {
            data: Some(data.clone()),
            id: id.map(str::to_owned),
            addresses: Some(vec!["127.0.0.1".to_owned()]),
            ..RawConfig::default()
        };
        Config::try_from(raw).unwrap().with_bundle(bundle)
    };
    assert_eq!(config(None, any.clone()).id_origin, IdOrigin::HostName);
    assert_eq!(config(Some("pc-9"), named("pc-17")).id.as_str(), "pc-9");
    // An enrolment under a wrong id that comes to nothing does not spoil the folder.
    world.received(|received| received.answers_lost = true);
    enrol(&config(Some("pc-9"), any.clone())).await.unwrap_err();
    assert_eq!(config(None, any.clone()).id.as_str(), "pc-9", "the next try is the same client's");
    world.received(|received| received.answers_lost = false);
    let client = config(None, named("pc-17"));
    assert_eq!((client.id.as_str(), client.id_origin), ("pc-17", IdOrigin::Bundle));
    enrol(&client).await.unwrap();
    assert_eq!(fs::read_to_string(data.join("id")).unwrap(), "pc-17\n");
    assert!(world.fleet.lock().known.contains_key("pc-17"));
    assert_eq!(config(None, named("pc-18")).id.as_str(), "pc-17", "it has enrolled");
    assert!(matches!(enrol(&config(Some("pc-18"), any)).await, Err(Error::OtherId { .. })));
}

/// A mistyped folder or bundle leaves nothing behind.
#[tokio::test]
async fn without_a_bundle_no_data_folder_is_made() {
    let world = World::new().await;
    let client = world.client("pc-1");
    let missing = world.folder.path().join("missing.json");
    for bundle in [None, Some(missing)] {
        let config = Config { bundle: bundle.clone(), ..client.clone() };
        for error in [
            enrol(&config).await.unwrap_err(),
            re_enrol(&config).await.unwrap_err(),
            run_once(&config, &RunOptions::default()).await.unwrap_err(),
            Daemon::start(config.clone()).await.map(drop).unwrap_err(),
        ] {
            assert!(matches!(error, Error::NoBundle(_) | Error::BundleMissing(_)), "{bundle:?}: {error}");
        }
        assert!(!client.data.exists(), "{bundle:?}");
    }
}

#[tokio::test]
async fn a_clients_data_is_not_put_into_the_folder_of_a_server() {
    let world = World::new().await;
    let client = world.client("pc-1");
    fs::create_dir_all(&client.data).unwrap();
    fs::write(client.data.join("server.db"), "").unwrap();
    for error in [
        enrol(&client).await.unwrap_err(),
        run_once(&client, &RunOptions::default()).await.unwrap_err(),
        Daemon::start(client.clone()).await.map(drop).unwrap_err(),
    ] {
        assert!(matches!(error, Error::FolderOfServer(_)), "{error}");
    }
    assert_eq!(fs::read_dir(&client.data).unwrap().count(), 1, "nothing was written");
}

/// The bundle is replaced only where it is wrong.
#[tokio::test]
async fn an_enrolment_that_fails_says_what_to_do_about_that_failure() {
    let world = World::new().await;
    let portal = axum_page().await;
    let elsewhere = |url: &str| {
        let path = world.folder.path().join("elsewhere.json");
        fs::write(&path, fs::read_to_string(world.bundle()).unwrap().replace(&world.url, url)).unwrap();
        Config { bundle: Some(path), ..world.client("pc-1") }
    };
    for (url, words) in [
        ("https://127.0.0.1:9".to_owned(), ["nothing listens", "the bundle stays valid"]),
        (portal.replace("http://", "https://"), ["does not speak TLS", "another service"]),
    ] {
        let message = enrol(&elsewhere(&url)).await.unwrap_err().to_string();
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
        assert!(!message.contains("make another"), "{message}");
    }
}

/// A web page on every path, without TLS.
async fn axum_page() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let page = axum::Router::new().fallback(async || axum::response::Html("<html>please log in</html>"));
    tokio::spawn(async move { axum::serve(listener, page).await });
    url
}

/// A source behind a captive portal: a sentence, and not what a parser says.
#[tokio::test]
async fn a_web_page_in_place_of_metadata_is_named() {
    let mut world = World::new().await;
    world.component("rules", 1);
    world.policy.mode = "customized".to_owned();
    world.policy.entries = vec![EntryDocument {
        clients: SelectorDocument { ipv4: Some("127.0.0.1".to_owned() + "-127.0.0.1"), ipv6: None },
        source: SourceDocument::Url { url: axum_page().await, classes: None },
    }];
    world.publish_settings();
    let report = update(&world.client("pc-1")).await;
    let failed: Vec<_> =
        report.attempts.iter().filter(|attempt| attempt.reason == Some(Reason::Unparsable)).collect();
    assert!(!failed.is_empty(), "{report:#?}");
    for attempt in failed {
        assert!(attempt.detail.contains("captive portal"), "{attempt:?}");
        let json = serde_json::to_value(attempt).unwrap();
        assert_eq!(json.get("to_version"), None, "a failed attempt has no version: {json}");
    }
}
