//! Domains and their settings (D1, D2).

use headwater_policy::{DomainPath, DomainRefusal, DomainTree, EffectiveSettings, Settings};

fn path(text: &str) -> DomainPath {
    text.parse().unwrap()
}

/// D1: the nearest explicit value; D2: an empty command means that there is none.
#[test]
fn the_nearest_explicit_value_holds() {
    let hook = Some(vec!["/bin/true".to_owned()]);
    let tree = DomainTree::new([
        (path("root/paris/lab"), Settings { probe_command: Some(vec![]), ..Settings::default() }),
        (path("root/paris"), Settings { poll_interval_minutes: Some(5), ..Settings::default() }),
        (
            path("root"),
            Settings { poll_interval_minutes: Some(90), probe_command: hook.clone(), ..Settings::default() },
        ),
    ])
    .unwrap();
    let of = |text| tree.effective(&path(text)).unwrap();
    assert_eq!((of("root").poll_interval_minutes, of("root").probe_command), (90, hook.clone()));
    assert_eq!((of("root/paris").poll_interval_minutes, of("root/paris").probe_command), (5, hook));
    assert_eq!((of("root/paris/lab").poll_interval_minutes, of("root/paris/lab").probe_command), (5, None));
    assert_eq!(tree.effective(&path("root/nowhere")), None);
    assert_eq!(DomainTree::default().effective(&path("root")), Some(EffectiveSettings::default()));
}

/// D1: a domain is deleted only when empty.
#[test]
fn only_an_empty_domain_goes() {
    let mut tree = DomainTree::default();
    let missing = tree.add(path("root/paris/lab"), Settings::default());
    assert_eq!(missing, Err(DomainRefusal::NoParent(path("root/paris"))));
    tree.add(path("root/paris"), Settings::default()).unwrap();
    tree.add(path("root/paris/lab"), Settings::default()).unwrap();
    let again = tree.add(path("root/paris"), Settings::default());
    assert_eq!(again, Err(DomainRefusal::Exists(path("root/paris"))));
    let full = |clients, domains, drafts| {
        Err(DomainRefusal::NotEmpty { domain: path("root/paris"), clients, domains, drafts })
    };
    assert_eq!(tree.remove(&path("root/paris"), 2, 0), full(2, 1, 0));
    tree.remove(&path("root/paris/lab"), 0, 0).unwrap();
    assert_eq!(tree.remove(&path("root/paris"), 2, 0), full(2, 0, 0));
    assert_eq!(tree.remove(&path("root/paris"), 0, 1), full(0, 0, 1), "S7");
    tree.remove(&path("root/paris"), 0, 0).unwrap();
    assert_eq!(tree.remove(&path("root/paris"), 0, 0), Err(DomainRefusal::Missing(path("root/paris"))));
    assert_eq!(tree.remove(&path("root"), 0, 0), Err(DomainRefusal::Root));
}

/// D1: `root/Paris` beside `root/paris` would be a trap; trees that have both are read all the same.
#[test]
fn names_differ_in_more_than_upper_and_lower_case() {
    let mut tree = DomainTree::default();
    tree.add(path("root/paris"), Settings::default()).unwrap();
    let alike = |known: &str| Err(DomainRefusal::Alike(path(known)));
    assert_eq!(tree.add(path("root/Paris"), Settings::default()), alike("root/paris"));
    tree.add(path("root/paris/Lab"), Settings::default()).unwrap();
    assert_eq!(tree.add(path("root/paris/lab"), Settings::default()), alike("root/paris/Lab"));
    tree.add(path("root/lab"), Settings::default()).unwrap();
    let kept = ["root/paris", "root/PARIS"].map(|text| (path(text), Settings::default()));
    assert!(DomainTree::new(kept).is_ok());
}
