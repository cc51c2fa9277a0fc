//! A plan without any source says why, and what to do (P4a).

use headwater_policy::{Class, explain};

use crate::story;

/// Checks for each class whether it is unserved, by the start of the reason; `""` for a class with a source.
fn check(story: &str, expected: [&str; 3]) {
    let read = story::read(story);
    let policy = read.draft.into_policy().unwrap();
    let plans = explain(&policy, &read.clients[0]);
    for (class, expected) in Class::ALL.into_iter().zip(expected) {
        let plan = plans.get(class);
        let found = plan.unserved.as_ref().map(ToString::to_string);
        assert_eq!(found.is_some(), plan.steps.is_empty(), "{story}: {class}");
        assert_eq!(found.is_some(), !expected.is_empty(), "{story}: {class}: {found:?}");
        assert!(found.unwrap_or_default().starts_with(expected), "{story}: {class}");
    }
}

#[test]
fn unserved_classes_have_a_reason() {
    let entry = "entry 10.0.0.0-10.0.0.9 -> http://m.example/ components";
    check(&format!("fallback settings programs\n{entry}\nclient a 10.0.0.1"), ["", "", ""]);
    check(&format!("{entry}\nclient a 10.0.0.1"), ["no entry gives it", "", "no entry gives it"]);
    check(&format!("{entry}\nclient a"), ["the client has no address"; 3]);
    check(
        "standard\nserver https://192.0.2.1:8471\nclient a 2001:db8::1",
        ["the server at https://192.0.2.1:8471 has an address of a family"; 3],
    );
    // `never` leaves components without a source where the vendor source was the last one.
    let vendor = format!("vendor https://v.example/\n{entry}\nfallback settings programs\nclient b 10.9.9.9");
    check(&vendor, ["", "", ""]);
    check(&format!("vendor_fallback never\n{vendor}"), ["", "no entry gives it", ""]);
}

/// What to do names the switch of the class.
#[test]
fn the_switch_of_the_class_is_named() {
    let read = story::read("client a 10.0.0.1");
    let policy = read.draft.into_policy().unwrap();
    for class in Class::ALL {
        let why = explain(&policy, &read.clients[0]).get(class).unserved.as_ref().unwrap().to_string();
        assert!(why.ends_with(&format!("`headwater sources options --server-fallback-{class} on`")), "{why}");
    }
}
