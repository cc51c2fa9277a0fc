//! Enrolment, renewal, signed reports, revocation and confidential settings, as a client goes through them (I3, U5).

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use headwater_api::policy::{EntryDocument, SelectorDocument, SourceDocument, UpdateAgentDocument};
use headwater_api::report::{ClassResult, Reason};
use headwater_client::{
    Config, Daemon, EnrolOutcome, Error, RunOptions, Spool, enrol, re_enrol, run_once, status,
};
use headwater_policy::Class;
use jiff::SignedDuration;

use crate::world::{World, class, client_of_rules, current, update};

/// The world with one update agent for everything.
async fn with_agent(world: &mut World) -> (Config, Daemon) {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    world.policy.mode = "customized".to_owned();
    world.policy.update_agents = vec![UpdateAgentDocument {
        id: "ua".to_owned(),
        addresses: vec!["127.0.0.1".to_owned()],
        scheme: None,
        port,
        classes: Class::ALL.map(|class| class.to_string()).to_vec(),
    }];
    world.policy.entries = vec![EntryDocument {
        clients: SelectorDocument { ipv4: Some("127.0.0.0-127.255.255.255".to_owned()), ipv6: None },
        source: SourceDocument::UpdateAgent("ua".to_owned()),
    }];
    world.publish_settings();
    let config = world.client("ua");
    let daemon = Daemon::start(config.clone()).await.unwrap();
    daemon.update(RunOptions::default()).await.unwrap();
    (config, daemon)
}

fn files(config: &Config) -> Vec<(String, u32)> {
    let folder = config.data.join("identity");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            (entry.file_name().to_string_lossy().into_owned(), mode)
        })
        .collect();
    files.sort();
    files
}

#[tokio::test]
async fn a_client_enrols_once_and_keeps_its_key_to_itself() {
    let world = World::new().await;
    let machine_id = world.folder.path().join("machine-id");
    fs::write(&machine_id, "0123456789abcdef0123456789abcdef\n").unwrap();
    let client = Config { machine_id, ..world.client("pc-1") };
    enrol(&client).await.unwrap();
    let expected = ["certificate.pem", "encryption-key.pem", "key.pem", "machine.json"]
        .map(|name| (name.to_owned(), 0o600));
    assert_eq!(files(&client), expected);
    let folder_mode = fs::metadata(client.data.join("identity")).unwrap().permissions().mode() & 0o777;
    assert_eq!(folder_mode, 0o700);
    let bundle = fs::read_to_string(client.data.join("bundle.json")).unwrap();
    assert!(!bundle.contains("hwt_"), "the token was used and is struck out");
    enrol(&client).await.unwrap();
    update(&client).await;
    assert_eq!(world.received(|received| (received.enrolments, received.check_ins.len())), (1, 1));
    let identity = status(&client).unwrap().identity.unwrap();
    let known = world.fleet.lock().known["pc-1"].key.fingerprint().to_string();
    assert_eq!(identity.key, known);
}

#[tokio::test]
async fn an_answer_that_is_lost_is_asked_for_again_with_the_same_key() {
    let world = World::new().await;
    let client = world.client("pc-1");
    world.received(|received| received.answers_lost = true);
    let error = enrol(&client).await.unwrap_err();
    assert!(matches!(error, Error::NotEnrolled(_)), "{error}");
    assert!(!client.data.join("identity/certificate.pem").exists());
    let key = fs::read(client.data.join("identity/key.pem")).unwrap();
    // The bundle in the folder is enough, and the token in it is still there.
    world.received(|received| received.answers_lost = false);
    enrol(&Config { bundle: None, ..client.clone() }).await.unwrap();
    assert_eq!(fs::read(client.data.join("identity/key.pem")).unwrap(), key);
    assert_eq!(world.received(|received| received.enrolments), 2);
}

#[tokio::test(start_paused = true)]
async fn a_busy_server_is_asked_again_after_the_time_that_it_names() {
    let world = World::new().await;
    world.received(|received| received.busy = 2);
    let begun = tokio::time::Instant::now();
    enrol(&world.client("pc-1")).await.unwrap();
    assert_eq!(begun.elapsed().as_secs(), 2, "twice the second that it named");
    assert_eq!(world.received(|received| (received.busy, received.enrolments)), (0, 1));
}

#[tokio::test]
async fn of_the_servers_urls_those_are_asked_in_order_that_the_clients_families_reach() {
    let world = World::new().await;
    // Nobody is there; and to a client without IPv6 the second is none.
    let urls = format!("https://127.0.0.1:9\",\"https://[2001:db8::1]:9\",\"{}", world.url);
    let bundle = fs::read_to_string(world.bundle()).unwrap();
    let path = world.folder.path().join("urls.json");
    let listed = format!("\"server_urls\":[\"{}\"]", world.url);
    assert!(bundle.contains(&listed));
    fs::write(&path, bundle.replace(&listed, &format!("\"server_urls\":[\"{urls}\"]"))).unwrap();
    let client = Config { bundle: Some(path), ..world.client("pc-1") };
    enrol(&client).await.unwrap();
    let elsewhere = Config {
        addresses: Some(vec!["2001:db8::7".parse().unwrap()]),
        data: world.folder.path().join("elsewhere"),
        ..client
    };
    let message = enrol(&elsewhere).await.unwrap_err().to_string();
    assert!(message.contains("2001:db8::1") && !message.contains("127.0.0.1"), "{message}");
}

#[tokio::test]
async fn a_refused_token_is_reported_with_a_hint() {
    let world = World::new().await;
    let client = world.client("pc-1");
    world.fleet.lock().token = headwater_identity::EnrolToken::generate().unwrap();
    let error = run_once(&client, &RunOptions::default()).await.unwrap_err();
    assert!(error.is_not_enrolled(), "{error}");
    let message = enrol(&client).await.unwrap_err().to_string();
    assert!(message.contains("403") && message.contains("enrol-bundle"), "{message}");
    // Another bundle, with a token that is good.
    enrol(&world.client("pc-1")).await.unwrap();
}

#[tokio::test]
async fn a_client_whose_key_was_revoked_comes_back_with_a_new_one() {
    let mut world = World::new().await;
    world.component("rules", 1);
    let client = world.client("pc-1");
    assert_eq!(enrol(&client).await.unwrap(), EnrolOutcome::Enrolled);
    update(&client).await;
    let key = || fs::read(client.data.join("identity/key.pem")).unwrap();
    let former = key();
    world.fleet.revoke("pc-1");

    // A second enrolment changes nothing and sends nothing.
    assert_eq!(enrol(&world.client("pc-1")).await.unwrap(), EnrolOutcome::AlreadyEnrolled);
    assert_eq!(class(&update(&client).await, "components").result, ClassResult::Failed);
    // What admits nobody costs it nothing.
    let used = Config { bundle: Some(client.data.join("bundle.json")), ..client.clone() };
    let message = format!("{:#}", anyhow::Error::from(re_enrol(&used).await.unwrap_err()));
    assert!(message.contains("no token"), "{message}");
    assert_eq!((key(), world.received(|received| received.enrolments)), (former.clone(), 1));

    re_enrol(&world.client("pc-1")).await.unwrap();
    assert_ne!(key(), former);
    assert_eq!(class(&update(&client).await, "components").result, ClassResult::Current);
}

#[tokio::test]
async fn a_revoked_client_comes_back_after_the_roots_changed_and_a_refused_one_keeps_what_it_has() {
    let (mut world, client) = client_of_rules(1).await;
    let identity = || {
        ["key.pem", "encryption-key.pem", "certificate.pem"]
            .map(|name| fs::read(client.data.join("identity").join(name)).unwrap())
    };
    let former = identity();

    // A token that the server does not know, and a bundle of another fleet: neither costs it its key.
    let good =
        std::mem::replace(&mut world.fleet.lock().token, headwater_identity::EnrolToken::generate().unwrap());
    let refused = Config { bundle: Some(client.data.join("../../kept.json")), ..client.clone() };
    fs::copy(client.bundle.as_ref().unwrap(), refused.bundle.as_ref().unwrap()).unwrap();
    let message = re_enrol(&refused).await.unwrap_err().to_string();
    assert!(message.contains("403"), "{message}");
    let other_fleet = World::new().await;
    let other = Config { bundle: Some(other_fleet.bundle()), ..client.clone() };
    let message = re_enrol(&other).await.unwrap_err().to_string();
    assert!(message.contains("other roots"), "{message}");
    assert_eq!(identity(), former);
    world.fleet.lock().token = good;
    assert_eq!(class(&update(&client).await, "components").result, ClassResult::Current);

    // Revoked, and all keys of the repositories are others by now.
    world.fleet.revoke("pc-1");
    world.repositories.values_mut().for_each(|repository| repository.rotate_root());
    world.component("rules", 2);
    re_enrol(&world.client("pc-1")).await.unwrap();
    assert!(identity().iter().zip(&former).all(|(now, former)| now != former));
    assert_eq!(class(&update(&client).await, "components").result, ClassResult::Updated);
}

#[tokio::test]
async fn a_revoked_client_comes_back_to_a_fleet_of_another_ca() {
    let (mut world, client) = client_of_rules(1).await;
    world.fleet.revoke("pc-1");
    world.fleet.replace_ca();
    world.show_new_certificate();
    world.publish_settings();
    world.component("rules", 2);
    re_enrol(&world.client("pc-1")).await.unwrap();
    let report = update(&client).await;
    assert_eq!(class(&report, "components").result, ClassResult::Updated, "{report:#?}");
}

#[tokio::test]
async fn a_key_that_was_revoked_before_its_answer_came_is_not_asked_with_again() {
    let world = World::new().await;
    let client = world.client("pc-1");
    update(&client).await;
    let next = || fs::read(client.data.join("identity/key.next.pem")).unwrap();
    world.fleet.revoke("pc-1");
    world.received(|received| received.answers_lost = true);
    let bundle = world.client("pc-1");
    re_enrol(&bundle).await.unwrap_err();
    let lost = next();
    re_enrol(&bundle).await.unwrap_err();
    assert_eq!(next(), lost, "the same token asks with the same key");

    world.fleet.revoke("pc-1");
    world.received(|received| received.answers_lost = false);
    world.fleet.lock().token = headwater_identity::EnrolToken::generate().unwrap();
    re_enrol(&world.client("pc-1")).await.unwrap();
    assert_ne!(fs::read(client.data.join("identity/key.pem")).unwrap(), lost);
    assert_eq!(class(&update(&client).await, "components").result, ClassResult::Current);
}

#[tokio::test]
async fn a_client_that_cannot_reach_the_server_enrols_checks_in_and_reports_by_an_update_agent() {
    let mut world = World::new().await;
    world.component("rules", 1);
    let (_, agent) = with_agent(&mut world).await;
    let real = world.url.clone();
    // To this client alone the server is at an address where nobody is.
    let bundle = fs::read_to_string(world.bundle()).unwrap().replace(&real, "https://127.0.0.1:9");
    let path = world.folder.path().join("far.json");
    fs::write(&path, bundle).unwrap();
    let client = Config { bundle: Some(path), ..world.client("pc-1") };
    enrol(&client).await.unwrap();
    assert_eq!(world.received(|received| received.enrolments), 2);
    // The policy that it fetches names the real server; the way there is still shut.
    world.policy.server.url = "https://127.0.0.1:9".to_owned();
    world.received(|received| {
        received.check_ins.clear();
        received.reports.clear();
    });
    let report = update(&client).await;
    assert_eq!(class(&report, "components").source.as_deref(), Some("update_agent:ua"), "{report:#?}");
    let (check_ins, reports) = world.received(|received| {
        let reports = received.reports.iter().map(|report| report.client.clone()).collect::<Vec<_>>();
        (received.check_ins.iter().map(|check_in| check_in.client.clone()).collect::<Vec<_>>(), reports)
    });
    assert_eq!((check_ins, reports), (vec!["pc-1".to_owned()], vec!["pc-1".to_owned()]));
    assert_eq!(Spool::open(client.data.join("reports")).unwrap().waiting().unwrap().len(), 0);
    agent.stop().await;
}

#[tokio::test]
async fn an_update_agent_serves_enrolled_clients_alone_and_not_the_revoked() {
    let mut world = World::new().await;
    world.component("rules", 1);
    let (agent_config, agent) = with_agent(&mut world).await;
    let client = world.client("pc-1");
    let report = update(&client).await;
    assert_eq!(class(&report, "components").source.as_deref(), Some("update_agent:ua"), "{report:#?}");
    let served = status(&agent_config).unwrap().identity.unwrap().serves_at;
    assert_eq!(served, ["127.0.0.1"]);

    world.fleet.revoke("pc-1");
    world.publish_settings();
    let refused = |report: headwater_api::report::Report| {
        report
            .attempts
            .iter()
            .filter(|attempt| {
                attempt.reason == Some(Reason::NotAdmitted)
                    && ["401", "403"].iter().any(|code| attempt.detail.contains(code))
            })
            .map(|attempt| attempt.source.clone())
            .collect::<std::collections::BTreeSet<_>>()
    };
    let received = || world.received(|received| (received.check_ins.len(), received.reports.len()));
    let before = received();
    let report = update(&client).await;
    assert_eq!(received(), before, "the server at once, over every route");
    assert!(
        status(&client).unwrap().identity.unwrap().refused.is_some(),
        "its certificate looks as good as ever"
    );
    assert_eq!(refused(report), [].into(), "the update agent does not know it yet");
    agent.update(RunOptions::default()).await.unwrap();
    let report = update(&client).await;
    let both = ["server".to_owned(), "update_agent:ua".to_owned()];
    assert_eq!(refused(report), both.into(), "the update agent from the next signed policy on");
    agent.stop().await;
}

#[tokio::test]
async fn components_are_open_to_anonymous_callers_where_the_signed_policy_allows_it() {
    let mut world = World::new().await;
    world.component("rules", 1);
    let (_, agent) = with_agent(&mut world).await;
    let ca = world.fleet.lock().ca_certificates();
    let tls = headwater_identity::tls::client_config(&ca, None).unwrap();
    let http = reqwest::Client::builder().tls_backend_preconfigured(tls).build().unwrap();
    let at = agent.serving()[0];
    let status_of = async |class: &str| {
        let url = format!("https://{at}/{class}/metadata/timestamp.json");
        http.get(url).send().await.unwrap().status().as_u16()
    };
    assert_eq!((status_of("components").await, status_of("settings").await), (401, 401));
    world.fleet.lock().anonymous_components = true;
    world.publish_settings();
    agent.update(RunOptions::default()).await.unwrap();
    assert_eq!((status_of("components").await, status_of("settings").await), (200, 401));
    agent.stop().await;
}

#[tokio::test]
async fn a_certificate_is_renewed_at_two_thirds_and_after_it_ran_out() {
    let world = World::new().await;
    for (id, days, renewals) in [("fresh", 59, 0), ("due", 61, 1), ("a-year-off", 360, 1)] {
        let client = world.client(id);
        world.fleet.lock().issued_before = SignedDuration::from_hours(24 * days);
        enrol(&client).await.unwrap();
        world.fleet.lock().issued_before = SignedDuration::ZERO;
        world.received(|received| received.renewals = 0);
        let report = update(&client).await;
        assert_eq!(world.received(|received| received.renewals), renewals, "{id}");
        assert_eq!(class(&report, "settings").result, ClassResult::Updated, "{id}: {report:#?}");
        update(&client).await;
        assert_eq!(world.received(|received| received.renewals), renewals, "{id}: once is enough");
    }
}

#[tokio::test]
async fn a_renewal_that_is_refused_is_not_asked_for_at_every_run() {
    let world = World::new().await;
    let client = world.client("pc-1");
    world.fleet.lock().issued_before = SignedDuration::from_hours(24 * 61);
    enrol(&client).await.unwrap();
    world.received(|received| received.answers_lost = true);
    update(&client).await;
    update(&client).await;
    assert_eq!(world.received(|received| received.renewals), 1);
}

#[tokio::test]
async fn a_client_that_missed_three_rotations_of_the_ca_catches_up() {
    let mut world = World::new().await;
    let client = world.client("pc-1");
    update(&client).await;
    for _ in 0..3 {
        world.fleet.rotate_ca();
    }
    world.show_new_certificate();
    world.publish_settings();
    let report = update(&client).await;
    assert_eq!(class(&report, "settings").result, ClassResult::Updated, "{report:#?}");
    // The policy that it has now names the newest CA.
    let kept = fs::read_to_string(client.data.join("state.json")).unwrap();
    let newest = world.fleet.lock().ca_certificates()[0].to_pem();
    assert!(kept.contains(&serde_json::to_string(&newest).unwrap()));
}

#[tokio::test]
async fn reports_are_counted_without_a_gap_and_one_that_is_dropped_shows() {
    let world = World::new().await;
    let client = world.client("pc-1");
    update(&client).await;
    world.received(|received| received.deaf = true);
    update(&client).await;
    update(&client).await;
    let spool = Spool::open(client.data.join("reports")).unwrap();
    let waiting = spool.waiting().unwrap();
    assert_eq!((waiting.len(), spool.made().unwrap()), (2, 3));
    // Somebody drops one.
    fs::remove_file(&waiting[0]).unwrap();
    world.received(|received| received.deaf = false);
    update(&client).await;
    assert_eq!(world.received(|received| received.numbers.clone()), [1, 3, 4]);
    let reports_made = world.received(|received| received.check_ins.last().unwrap().reports_made);
    assert_eq!(reports_made, 3, "a check-in states how many there were");
}

#[test]
fn reports_that_waited_are_numbered_on_from_what_the_server_has_taken() {
    let check = |had: &[u64], taken: u64, expected: &[u64]| {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path().to_owned()).unwrap();
        for number in had {
            fs::write(folder.path().join(format!("{number:020}.json")), number.to_string()).unwrap();
        }
        spool.renumber(taken).unwrap();
        let waiting = spool.waiting().unwrap();
        let numbers: Vec<u64> =
            waiting.iter().map(|path| path.file_stem().unwrap().to_str().unwrap().parse().unwrap()).collect();
        let content: Vec<u64> =
            waiting.iter().map(|path| fs::read_to_string(path).unwrap().parse().unwrap()).collect();
        assert_eq!((numbers.as_slice(), content.as_slice()), (expected, had), "{had:?} from {taken}");
        assert_eq!(spool.made().unwrap(), taken + had.len() as u64);
    };
    check(&[], 0, &[]);
    check(&[], 9, &[]);
    check(&[58, 59], 0, &[1, 2]);
    check(&[1, 2, 3], 57, &[58, 59, 60]);
    check(&[1, 4, 5], 1, &[2, 3, 4]);
    check(&[5, 6, 300], 5, &[6, 7, 8]);
    check(&[1, 8, 300], 6, &[7, 8, 9]);
}

#[tokio::test]
async fn confidential_settings_are_opened_with_the_key_of_the_check_in_alone() {
    let mut world = World::new().await;
    let client = world.client("pc-1");
    enrol(&client).await.unwrap();
    let key = headwater_identity::DomainKey::generate().unwrap();
    world.fleet.lock().domain_key = Some(key);
    world.publish_settings();
    // The check-in is not answered: no key yet.
    world.received(|received| received.answers_lost = true);
    let report = update(&client).await;
    let settings = class(&report, "settings");
    assert!(
        settings.message.contains("confidential") && settings.message.contains("check-in"),
        "{settings:#?}"
    );
    assert!(!client.data.join("settings/current/values.json").exists());
    world.received(|received| received.answers_lost = false);
    // The failed check-in is remembered for a minute; this is after it.
    let folder = headwater_client::DataFolder::new(&client.data);
    let mut state = headwater_client::data::State::load(&folder).unwrap();
    state.check_in_not_before = None;
    state.save(&folder).unwrap();
    let report = update(&client).await;
    assert_eq!(class(&report, "settings").result, ClassResult::Updated, "{report:#?}");
    assert!(current(&client, "settings/current/values.json").contains("proxy"));
    assert!(files(&client).contains(&("domain-keys.json".to_owned(), 0o600)));
}
