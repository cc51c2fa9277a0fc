//! Drafts of what a domain says explicitly (S7).

use headwater_policy::{
    Explicit, SHOWN_VALUE_CHARS_MAX, SaveDecision, SettingsPart, decide_settings_save, diff_settings,
};

/// `poll=5 value:level=3 file:etc/motd=hi`
fn explicit(text: &str) -> Explicit<String> {
    text.split_whitespace()
        .map(|word| {
            let (place, value) = word.split_once('=').unwrap();
            let (part, key) = match place.split_once(':') {
                Some(("value", key)) => (SettingsPart::Value, key),
                Some(("file", key)) => (SettingsPart::File, key),
                _ => (SettingsPart::Setting, place),
            };
            ((part, key.to_owned()), value.to_owned())
        })
        .collect()
}

fn changes(old: &str, new: &str) -> Vec<String> {
    diff_settings(&explicit(old), &explicit(new)).iter().map(ToString::to_string).collect()
}

#[test]
fn a_difference_is_shown_by_part_and_key() {
    let check =
        |old: &str, new: &str, expected: &[&str]| assert_eq!(changes(old, new), expected, "{old} → {new}");
    check("poll=5 value:a=1", "poll=5 value:a=1", &[]);
    check(
        "poll=5 idle=9 value:poll=1 file:a=x file:b=x",
        "poll=7 connect=2 file:a=y file:c=x",
        &[
            "setting connect set to 2",
            "setting idle cleared, was 9",
            "setting poll: 5 became 7",
            "value poll cleared, was 1",
            "file a changed",
            "file b removed",
            "file c added",
        ],
    );
}

#[test]
fn a_long_value_is_cut_where_it_is_shown() {
    let fits = "é".repeat(SHOWN_VALUE_CHARS_MAX);
    assert_eq!(changes("", &format!("value:a={fits}")), [format!("value a set to {fits}")]);
    assert_eq!(changes("", &format!("value:a={fits}é")), [format!("value a set to {fits}…")]);
}

#[test]
fn a_draft_of_settings_is_saved_only_over_what_it_began_from() {
    let [one, two, mine] = ["poll=5", "poll=6", "poll=5 idle=7"].map(explicit);
    let diff = diff_settings;
    let decided = |base, base_settings, current| decide_settings_save(&mine, base, base_settings, current);
    let published = |version, over| SaveDecision::Publish { version, changes: diff(over, &mine) };
    assert_eq!(decided(4, Some(&one), (4, &one)), published(5, &one));
    assert_eq!(decided(4, Some(&mine), (4, &mine)), SaveDecision::Unchanged);
    let changes = Some(diff(&one, &two));
    assert_eq!(decided(4, Some(&one), (6, &two)), SaveDecision::Outdated { base: 4, current: 6, changes });
    assert_eq!(
        decided(4, None, (6, &two)),
        SaveDecision::Outdated { base: 4, current: 6, changes: None },
        "what is not known is not taken for the same"
    );
    assert_eq!(decided(4, Some(&one), (6, &one)), published(7, &one), "changed and changed back");
}
