//! A plan without any source says why, and what to do (P4a).

use headwater_policy::{Class, explain, preview};

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

/// P4a: the vendor source alone does not have the organisation's own components, and the preview warns of it.
#[test]
fn a_plan_of_the_vendor_source_alone_is_partial() {
    let check = |story: &str, expected: &str| {
        let read = story::read(story);
        let policy = read.draft.into_policy().unwrap();
        let found = explain(&policy, &read.clients[0]).components.partial.map(|partial| partial.to_string());
        assert_eq!(found.is_some(), !expected.is_empty(), "{story}: {found:?}");
        assert!(found.unwrap_or_default().contains(expected), "{story}");
        let warnings = preview(&policy, None, &read.clients).warnings;
        let warned = warnings.iter().find(|warning| warning.kind.as_str() == "no_own_components");
        assert_eq!(warned.is_some(), !expected.is_empty(), "{story}: {warnings:?}");
    };
    let vendor = "vendor https://v.example/\nentry 10.0.0.0-10.0.0.9 -> vendor\n";
    let pc = "\nclient pc 10.0.0.1";
    check(&format!("{vendor}{pc}"), "");
    let own = format!("own tools rules\n{vendor}");
    check(&format!("{own}{pc}"), "own components (rules, tools), and the plan has no other source");
    check(&format!("{own}{pc}"), "`headwater sources options --server-fallback-components on`");
    check(&format!("fallback components\n{own}{pc}"), "");
    check(&format!("{own}entry 10.0.0.0-10.0.0.9 -> http://m.example/ components{pc}"), "");
    check(&format!("{own}entry 10.0.0.0-10.0.0.9 -> http://m.example/ settings{pc}"), "no entry gives it");
    // Where nobody gives the class at all, the class is unserved.
    check("own rules\nclient pc 10.0.0.1", "");
    // By the default fallback to the vendor source.
    check("own rules\nvendor https://v.example/\nclient pc 10.0.0.1", "no entry gives it");
    let other_family = "standard\nserver https://192.0.2.1:8471\nclient pc 2001:db8::1 may";
    check(&format!("own rules\nvendor https://v.example/\n{other_family}"), "a DNS name");
}
