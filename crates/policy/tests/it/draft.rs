//! Editing and saving (S2, S6, S7), and the role of update agent (U1, U2, U6).

use headwater_policy::{
    ClassSet, EditRefusal, Entry, Force, Policy, RoleRefusal, SaveDecision, Scheme, SourceList, UpdateAgent,
    decide_save, diff, diff_policies, give_role, give_role_to_domain, take_role,
};

use crate::story;

fn entry(last: u8) -> Entry {
    story::entry(&[&format!("10.0.0.{last}"), "->", "http://mirror.example/"])
}

fn list(lasts: &[u8]) -> SourceList {
    SourceList::new(lasts.iter().copied().map(entry).collect()).unwrap()
}

/// S6: every edit, and what it leaves.
#[test]
fn edits() {
    let edited = |edit: &dyn Fn(&mut SourceList) -> Result<(), EditRefusal>| {
        let mut changed = list(&[1, 2, 3, 4]);
        let result = edit(&mut changed);
        if result.is_err() {
            assert_eq!(changed, list(&[1, 2, 3, 4]), "a refused edit leaves the list as it was");
        }
        result.map(|()| changed)
    };
    assert_eq!(edited(&|list| list.add(entry(9)).map(drop)), Ok(list(&[1, 2, 3, 4, 9])));
    assert_eq!(edited(&|list| list.insert(1, entry(9))), Ok(list(&[9, 1, 2, 3, 4])));
    assert_eq!(edited(&|list| list.insert(5, entry(9))), Ok(list(&[1, 2, 3, 4, 9])));
    assert_eq!(edited(&|list| list.edit(2, entry(9))), Ok(list(&[1, 9, 3, 4])));
    assert_eq!(edited(&|list| list.remove(&[3, 1, 3])), Ok(list(&[2, 4])));
    assert_eq!(edited(&|list| list.move_up(3).map(drop)), Ok(list(&[1, 3, 2, 4])));
    assert_eq!(edited(&|list| list.move_up(1).map(drop)), Ok(list(&[1, 2, 3, 4])));
    assert_eq!(edited(&|list| list.move_down(3).map(drop)), Ok(list(&[1, 2, 4, 3])));
    assert_eq!(edited(&|list| list.move_down(4).map(drop)), Ok(list(&[1, 2, 3, 4])));
    assert_eq!(edited(&|list| list.move_to(4, 1).map(drop)), Ok(list(&[4, 1, 2, 3])));
    assert_eq!(edited(&|list| list.move_to(1, 3).map(drop)), Ok(list(&[2, 3, 1, 4])));
    let missing = |number| Err(EditRefusal::NoSuchEntry { number, entries: 4 });
    assert_eq!(edited(&|list| list.edit(0, entry(9))), missing(0));
    assert_eq!(edited(&|list| list.insert(6, entry(9))), missing(6));
    assert_eq!(edited(&|list| list.remove(&[1, 5])), missing(5));
    assert_eq!(edited(&|list| list.move_down(5).map(drop)), missing(5));
    assert_eq!(edited(&|list| list.move_to(1, 5).map(drop)), missing(5));
}

/// S7: the fewest entries count as moved.
#[test]
fn differences() {
    let changes = |old: &[u8], new: &[u8]| {
        let changes = diff(list(old).as_slice(), list(new).as_slice());
        changes
            .iter()
            .map(|change| change.to_string().split(':').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(changes(&[1, 2, 3], &[1, 2, 3]), Vec::<String>::new());
    assert_eq!(changes(&[1, 2, 3], &[1, 2, 3, 4]), ["entry 4 added"]);
    assert_eq!(changes(&[1, 2, 3], &[2, 3]), ["entry 1 removed"]);
    assert_eq!(changes(&[1, 2, 3, 4], &[2, 3, 4, 1]), ["entry 1 moved to 4"]);
    assert_eq!(changes(&[1, 2, 3], &[1, 9, 3]), ["entry 2 changed"]);
    assert_eq!(changes(&[1, 2, 3], &[8, 1, 9, 3]), ["entry 1 added", "entry 2 changed, now 3"]);
}

fn policy(extra: &str) -> Policy {
    story::read(&format!("agent ua 10.1.0.5\nentry 10.1.0.0-10.1.0.9 -> ua\n{extra}"))
        .draft
        .into_policy()
        .unwrap()
}

/// S7: two administrators never overwrite each other silently.
#[test]
fn saving() {
    let (one, two, mine) =
        (policy(""), policy("update_agents_from_server_only"), policy("fallback programs"));
    assert!(matches!(decide_save(&one, 0, None, None), SaveDecision::Publish { version: 1, .. }));
    assert_eq!(decide_save(&one, 4, Some(&one), Some((4, &one))), SaveDecision::Unchanged);
    let saved = decide_save(&mine, 4, Some(&one), Some((4, &one)));
    assert_eq!(saved, SaveDecision::Publish { version: 5, changes: diff_policies(&one, &mine) });
    let refused = decide_save(&mine, 4, Some(&one), Some((5, &two)));
    let changes = Some(diff_policies(&one, &two));
    assert_eq!(refused, SaveDecision::Outdated { base: 4, current: 5, changes });
    assert_eq!(diff_policies(&one, &two).options, ["update_agents_from_server_only: false became true"]);
}

/// U1, U2, U6.
#[test]
fn roles() {
    let mut draft = policy("").to_draft();
    let agent = |id: &str, classes| {
        UpdateAgent::new(id.parse().unwrap(), vec!["10.1.0.7".parse().unwrap()], Scheme::Https, 8472, classes)
            .unwrap()
    };
    let refused = give_role(&mut draft, agent("ua-2", ClassSet::NONE));
    assert!(matches!(refused, Err(RoleRefusal::NoClasses(_))), "U2");
    let both = vec![agent("ua-2", ClassSet::ALL), agent("ua-3", ClassSet::ALL)];
    assert_eq!(
        give_role_to_domain(&mut draft, &"root".parse().unwrap(), both.clone()),
        Err(RoleRefusal::Root),
        "U1"
    );
    give_role_to_domain(&mut draft, &"root/paris".parse().unwrap(), both).unwrap();
    take_role(&mut draft, &"ua-3".parse().unwrap(), Force::No).unwrap();
    let ua = "ua".parse().unwrap();
    let refused = take_role(&mut draft, &ua, Force::No).unwrap_err();
    assert_eq!(refused, RoleRefusal::StillNamed { id: ua.clone(), entries: vec![1] }, "U6");
    assert!(refused.to_string().contains("entry 1"), "{refused}");
    take_role(&mut draft, &ua, Force::Yes).unwrap();
    let policy =
        draft.clone().into_policy().expect("a broken entry does not keep the policy from being saved");
    assert!(policy.update_agent(&ua).is_none());
    assert!(matches!(take_role(&mut draft, &ua, Force::Yes), Err(RoleRefusal::NotAnUpdateAgent(_))));
}
