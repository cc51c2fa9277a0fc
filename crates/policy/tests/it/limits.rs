//! Every limit, crossed.

use headwater_policy::{
    ADDRESSES_MAX, COMMAND_ARGUMENT_BYTES_MAX, COMMAND_ARGUMENTS_MAX, COMPONENT_NAME_BYTES_MAX,
    COMPONENT_NAMES_SHOWN_MAX, CONNECT_TIMEOUT_SECONDS_MAX, ClassSet, ClientId, DOMAIN_DEPTH_MAX,
    DOMAIN_NAME_BYTES_MAX, DOMAINS_MAX, DomainPath, DomainRefusal, DomainTree, ENTRIES_MAX, EditRefusal,
    Entry, HOOK_TIMEOUT_SECONDS_MAX, HOST_BYTES_MAX, HOST_LABEL_BYTES_MAX, ID_BYTES_MAX,
    IDLE_TIMEOUT_SECONDS_MAX, OWN_COMPONENTS_MAX, OwnComponent, OwnComponents, POLL_INTERVAL_MINUTES_MAX,
    PROXY_EXCEPTIONS_BYTES_MAX, Scheme, Settings, SourceList, SourceUrl, UPDATE_AGENT_DOWNLOADS_MAX,
    UPDATE_AGENT_QUOTA_MIB_MAX, UPDATE_AGENTS_MAX, URL_BYTES_MAX, UpdateAgent, UpdateAgents,
};

use crate::story;

fn entries(count: usize) -> Vec<Entry> {
    vec![story::entry(&["10.0.0.1", "->", "http://mirror.example/"]); count]
}

/// S2: 1024 in, 1025 refused, by every way in, and the list stays as it was.
#[test]
fn a_list_holds_1024_entries() {
    assert_eq!(ENTRIES_MAX, 1024);
    let mut list = SourceList::new(entries(1024)).unwrap();
    let full = list.clone();
    assert_eq!(SourceList::new(entries(1025)), Err(EditRefusal::Full(1025)));
    assert_eq!(list.add(entries(1).remove(0)), Err(EditRefusal::Full(1025)));
    assert_eq!(list.insert(1, entries(1).remove(0)), Err(EditRefusal::Full(1025)));
    assert_eq!(list, full);
    assert!(EditRefusal::Full(1025).to_string().contains("at most 1024"));
}

#[test]
fn texts_have_a_longest() {
    assert!("a".repeat(ID_BYTES_MAX).parse::<ClientId>().is_ok());
    assert!("a".repeat(ID_BYTES_MAX + 1).parse::<ClientId>().is_err());
    let url = |bytes: usize| format!("http://m.example/{}", "a".repeat(bytes - "http://m.example/".len()));
    assert!(url(URL_BYTES_MAX).parse::<SourceUrl>().is_ok());
    assert!(url(URL_BYTES_MAX + 1).parse::<SourceUrl>().is_err());
    let host = |labels: usize, last: usize| format!("http://{}{}/", "abc.".repeat(labels), "a".repeat(last));
    assert!(host(0, HOST_LABEL_BYTES_MAX).parse::<SourceUrl>().is_ok());
    assert!(host(0, HOST_LABEL_BYTES_MAX + 1).parse::<SourceUrl>().is_err());
    let labels = (HOST_BYTES_MAX - 1) / 4;
    assert!(host(labels, HOST_BYTES_MAX - labels * 4).parse::<SourceUrl>().is_ok());
    assert!(host(labels, HOST_BYTES_MAX - labels * 4 + 1).parse::<SourceUrl>().is_err());
    let deep = |levels: usize| format!("root{}", "/a".repeat(levels - 1));
    assert!(deep(DOMAIN_DEPTH_MAX).parse::<DomainPath>().is_ok());
    assert!(deep(DOMAIN_DEPTH_MAX + 1).parse::<DomainPath>().is_err());
    assert!(format!("root/{}", "a".repeat(DOMAIN_NAME_BYTES_MAX)).parse::<DomainPath>().is_ok());
    assert!(format!("root/{}", "a".repeat(DOMAIN_NAME_BYTES_MAX + 1)).parse::<DomainPath>().is_err());
}

#[test]
fn update_agents_are_not_without_number() {
    let agent = |number: usize, addresses: usize| {
        let addresses = vec!["10.0.0.1".parse().unwrap(); addresses];
        UpdateAgent::new(format!("ua-{number}").parse().unwrap(), addresses, Scheme::Https, 1, ClassSet::ALL)
    };
    assert!(agent(1, ADDRESSES_MAX).is_ok());
    assert!(agent(1, ADDRESSES_MAX + 1).is_err());
    assert!(agent(1, 0).is_err());
    let agents =
        |count: usize| UpdateAgents::new((0..count).map(|number| agent(number, 1).unwrap()).collect());
    assert!(agents(UPDATE_AGENTS_MAX).is_ok());
    assert!(agents(UPDATE_AGENTS_MAX + 1).is_err());
}

#[test]
fn the_tree_is_not_without_number() {
    let mut tree = DomainTree::default();
    for number in 1..DOMAINS_MAX {
        tree.add(format!("root/d{number}").parse().unwrap(), Settings::default()).unwrap();
    }
    assert_eq!(tree.add("root/more".parse().unwrap(), Settings::default()), Err(DomainRefusal::Full));
}

#[test]
fn settings_have_limits() {
    let command = |count: usize, bytes: usize| Some(vec!["a".repeat(bytes); count]);
    let at = |beyond: u32| Settings {
        poll_interval_minutes: Some(POLL_INTERVAL_MINUTES_MAX + beyond),
        connect_timeout_seconds: Some(CONNECT_TIMEOUT_SECONDS_MAX + beyond),
        idle_timeout_seconds: Some(IDLE_TIMEOUT_SECONDS_MAX + beyond),
        hook_timeout_seconds: Some(HOOK_TIMEOUT_SECONDS_MAX + beyond),
        update_agent_quota_mib: Some(UPDATE_AGENT_QUOTA_MIB_MAX + u64::from(beyond)),
        update_agent_downloads_max: Some(UPDATE_AGENT_DOWNLOADS_MAX + beyond),
        probe_command: command(COMMAND_ARGUMENTS_MAX + beyond as usize, 1),
        after_command: command(1, COMMAND_ARGUMENT_BYTES_MAX + beyond as usize),
        proxy_exceptions: Some("a".repeat(PROXY_EXCEPTIONS_BYTES_MAX + beyond as usize)),
        ..Settings::default()
    };
    assert_eq!(at(0).problems(), []);
    assert_eq!(at(1).problems().len(), 9);
    let zero = Settings { poll_interval_minutes: Some(0), ..Settings::default() };
    assert_eq!(zero.problems().len(), 1, "N3: 1–129600");
}

#[test]
fn own_components_are_so_many_with_names_so_long_and_a_sentence_names_a_few() {
    assert!("a".repeat(COMPONENT_NAME_BYTES_MAX).parse::<OwnComponent>().is_ok());
    for bad in ["", "Rules", "a/b", &"a".repeat(COMPONENT_NAME_BYTES_MAX + 1)] {
        assert!(bad.parse::<OwnComponent>().is_err(), "{bad}");
    }
    let names = |count: usize| OwnComponents::new((0..count).map(|n| format!("c{n:05}").parse().unwrap()));
    assert!(names(OWN_COMPONENTS_MAX).is_ok());
    assert!(names(OWN_COMPONENTS_MAX + 1).is_err());
    let most = names(COMPONENT_NAMES_SHOWN_MAX).unwrap().to_string();
    assert!(most.ends_with("c00008, c00009"), "{most}");
    let more = names(COMPONENT_NAMES_SHOWN_MAX + 1).unwrap().to_string();
    assert!(more.ends_with("c00009 and 1 more"), "{more}");
}
