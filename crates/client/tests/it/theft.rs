//! After a theft of online keys: what the thief raised falls with the keys, and what they alone signed goes (I2a, I2c).

use headwater_api::report::{ClassResult, Reason, Report};
use headwater_client::Config;
use headwater_client::data::ReleaseRecord;
use headwater_policy::{Class, Repository};
use headwater_repo::limits::NUMBER_MAX;
use headwater_repo::{KeyReplacement, Role};

use crate::world::{NewRelease, World, class, client_of_rules, current, update, words};

const ONLINE: [Role; 3] = [Role::Timestamp, Role::Snapshot, Role::Targets];
const RULES: &str = "components/rules/current/rules/changing.txt";

/// The faults of this client that a report has, beside those of sources.
fn findings(report: &Report) -> Vec<Reason> {
    let own = [Reason::Unconfirmed, Reason::OtherContent, Reason::Backwards, Reason::Install];
    let reasons = report.attempts.iter().filter_map(|attempt| attempt.reason);
    reasons.filter(|reason| own.contains(reason)).collect()
}

fn message(report: &Report) -> &str {
    &class(report, "components").message
}

fn record(client: &Config, name: &str) -> ReleaseRecord {
    let slot = client.data.join("components").join(name);
    let release = std::fs::read_link(slot.join("current")).unwrap();
    let record = slot.join(release).with_extension("json");
    serde_json::from_slice(&std::fs::read(record).unwrap()).unwrap()
}

/// A client of release 1 that then took the highest number there is from a thief of all online keys; the organisation knows
/// nothing of it and replaces the keys.
async fn robbed(why: KeyReplacement) -> (World, Config) {
    let (mut world, client) = client_of_rules(1).await;
    let honest = world.components().remembered();
    world.component("rules", NUMBER_MAX);
    update(&client).await;
    assert_eq!(current(&client, RULES), format!("release {NUMBER_MAX}\n"));
    world.components().put_back(honest);
    world.components().replace_keys(&ONLINE, why);
    (world, client)
}

#[tokio::test]
async fn a_number_that_a_thief_raised_is_no_minimum_and_its_content_goes() {
    let (mut world, client) = robbed(KeyReplacement::Compromised).await;
    let report = update(&client).await;
    assert_eq!(class(&report, "components").result, ClassResult::Updated, "{report:#?}");
    assert!(message(&report).contains("only keys that were compromised vouch for release"), "{report:#?}");
    assert_eq!(findings(&report), [Reason::Unconfirmed], "{report:#?}");
    assert_eq!(current(&client, RULES), "release 1\n");
    let report = update(&client).await;
    assert_eq!((class(&report, "components").result, findings(&report)), (ClassResult::Current, vec![]));
    world.component("rules", 2);
    update(&client).await;
    assert_eq!(current(&client, RULES), "release 2\n");
}

#[tokio::test]
async fn after_a_planned_replacement_it_is_kept_and_reported_until_something_is_published() {
    let (mut world, client) = robbed(KeyReplacement::Planned).await;
    for _ in 0..2 {
        let report = update(&client).await;
        assert_eq!(class(&report, "components").result, ClassResult::Current, "{report:#?}");
        assert!(message(&report).contains("which no list of the present keys confirms"), "{report:#?}");
        assert_eq!(findings(&report), [Reason::Unconfirmed], "{report:#?}");
        assert_eq!(current(&client, RULES), format!("release {NUMBER_MAX}\n"));
    }
    world.component("rules", 2);
    let report = update(&client).await;
    assert_eq!((class(&report, "components").result, findings(&report)), (ClassResult::Updated, vec![]));
    assert_eq!(current(&client, RULES), "release 2\n");
}

#[tokio::test]
async fn keys_of_other_roles_are_replaced_without_a_word_about_content() {
    let (mut world, client) = client_of_rules(2).await;
    world.components().leave_out("rules");
    world.components().forget("rules");
    world.component("rules", 1);
    world.components().replace_keys(&[Role::Timestamp, Role::Snapshot], KeyReplacement::Compromised);
    let report = update(&client).await;
    assert_eq!(findings(&report), [Reason::Backwards], "the targets keys still vouch for it: {report:#?}");
    assert_eq!(current(&client, RULES), "release 2\n");
}

#[tokio::test]
async fn what_the_present_keys_confirm_stays_through_one_theft_after_the_other() {
    let (mut world, client) = client_of_rules(1).await;
    let mut before = record(&client, "rules");
    for why in [KeyReplacement::Compromised, KeyReplacement::Planned, KeyReplacement::Compromised] {
        world.components().replace_keys(&ONLINE, why);
        let report = update(&client).await;
        assert_eq!((class(&report, "components").result, findings(&report)), (ClassResult::Current, vec![]));
        let after = record(&client, "rules");
        assert_ne!(after.voucher, before.voucher, "the present keys vouch for it now");
        assert_eq!(after.manifest, before.manifest);
        before = after;
    }
}

#[tokio::test]
async fn a_lower_number_is_replaced_too_and_one_of_the_same_content_is_not() {
    let mut world = World::new().await;
    let client = world.client("pc-1");
    for number in 1..=2 {
        world.component("rules", number);
    }
    let honest = world.components().remembered();
    // The thief gives a number that the organisation will give itself, with other content.
    world.components().release(&NewRelease {
        name: "rules",
        sequence: 3,
        files: &[("rules/changing.txt", b"evil\n")],
        ..NewRelease::default()
    });
    update(&client).await;
    world.components().put_back(honest);
    world.components().replace_keys(&ONLINE, KeyReplacement::Compromised);
    world.component("rules", 3);
    let report = update(&client).await;
    assert_eq!(findings(&report), [Reason::Unconfirmed], "{report:#?}");
    assert_eq!(current(&client, RULES), "release 3\n");
}

#[tokio::test]
async fn a_policy_and_settings_of_the_highest_version_fall_with_the_keys() {
    for why in [KeyReplacement::Compromised, KeyReplacement::Planned] {
        let mut world = World::new().await;
        let client = world.client("pc-1");
        update(&client).await;
        let both = [Repository::Policy, Class::Settings.into()];
        let (honest, version) = (both.map(|name| world.repositories[&name].remembered()), world.version);
        world.version = NUMBER_MAX - 1;
        world.settings.poll_interval_minutes = 999;
        world.publish_settings();
        assert_eq!(update(&client).await.policy_version, NUMBER_MAX);
        for (name, honest) in both.iter().zip(honest) {
            let repository = world.repositories.get_mut(name).unwrap();
            repository.put_back(honest);
            repository.replace_keys(&ONLINE, why);
        }
        world.version = version;
        world.settings.poll_interval_minutes = 7;
        let report = update(&client).await;
        assert_eq!(report.policy_version, version, "{why}: {report:#?}");
        world.publish_settings();
        let report = update(&client).await;
        assert_eq!((report.policy_version, findings(&report)), (version + 1, vec![]), "{why}: {report:#?}");
        let settings = headwater_client::status(&client).unwrap();
        assert_eq!(settings.policy_version, version + 1);
    }
}

#[tokio::test]
async fn of_unlisted_names_only_those_with_a_tombstone_stay_after_a_theft() {
    let mut world = World::new().await;
    for name in ["removed", "listed"] {
        world.component(name, 1);
    }
    let client = world.client("pc-1");
    update(&client).await;
    world.components().remove("removed");
    let honest = world.components().remembered();
    world.component("evil", 1);
    update(&client).await;
    world.components().put_back(honest);
    world.components().replace_keys(&ONLINE, KeyReplacement::Compromised);
    for round in 0..2 {
        let report = update(&client).await;
        let file = |name: &str| client.data.join("components").join(name).join("current").exists();
        assert_eq!((file("listed"), file("removed"), file("evil")), (true, true, false), "{report:#?}");
        let deactivated = message(&report).contains("evil: deactivated release v1");
        assert_eq!(deactivated, round == 0, "{report:#?}");
        assert!(
            message(&report).contains("removed is no longer published; v1 stays installed"),
            "{report:#?}"
        );
    }
}

#[tokio::test]
async fn a_name_that_is_published_again_has_no_tombstone_and_its_next_number() {
    let (mut world, client) = client_of_rules(1).await;
    world.components().remove("rules");
    let report = update(&client).await;
    assert!(message(&report).contains("rules is no longer published"), "{report:#?}");
    world.component("rules", 2);
    update(&client).await;
    assert_eq!(current(&client, RULES), "release 2\n");
    let tombstone = "rules/removed.json".parse().unwrap();
    assert_eq!(world.components().draft().target(&tombstone), None);
}

/// I2c: the same number with other content, signed by the same keys.
#[tokio::test]
async fn other_content_under_the_same_number_is_a_finding_and_replaced() {
    let (mut world, client) = client_of_rules(1).await;
    world.components().leave_out("rules");
    world.components().forget("rules");
    world.components().release(&NewRelease {
        name: "rules",
        sequence: 1,
        files: &[("rules/changing.txt", b"other\n")],
        ..NewRelease::default()
    });
    let report = update(&client).await;
    assert_eq!(class(&report, "components").result, ClassResult::Updated, "{report:#?}");
    assert_eq!(findings(&report), [Reason::OtherContent], "{report:#?}");
    assert_eq!(current(&client, RULES), "other\n");
    assert_eq!(findings(&update(&client).await), []);
}

/// P11: .27 was withdrawn before the client asked again, and .28 fails its probe.
#[tokio::test]
async fn a_failed_probe_never_leads_back_to_a_withdrawn_release() {
    for held_before in [true, false] {
        let mut world = World::new().await;
        world.component("rules", 26);
        let client = world.client("pc-1");
        if held_before {
            update(&client).await;
        }
        world.component("rules", 27);
        update(&client).await;
        world.components().roll_back("rules", 26);
        world.components().release(&NewRelease {
            name: "rules",
            sequence: 28,
            files: &[("rules/changing.txt", b"bad\n")],
            probe: Some((words(&["false"]), 10)),
            ..NewRelease::default()
        });
        let report = update(&client).await;
        assert_eq!(findings(&report), [Reason::Install], "{report:#?}");
        let (result, content) = if held_before {
            (ClassResult::Reverted, "release 26\n")
        } else {
            (ClassResult::Failed, "(components/rules")
        };
        assert_eq!(class(&report, "components").result, result, "{report:#?}");
        assert!(current(&client, RULES).starts_with(content), "{}", current(&client, RULES));
        // It is not tried again, and nothing withdrawn comes back.
        update(&client).await;
        assert!(current(&client, RULES).starts_with(content), "{}", current(&client, RULES));
    }
}
