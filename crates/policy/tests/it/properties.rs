//! What holds for every plan.

use headwater_policy::{
    Class, Client, Entry, EntrySource, Plan, Planner, Policy, SourceKey, SourceList, plan,
};
use proptest::prelude::{prop_assert, prop_assert_eq, proptest};
use proptest::sample::Index;
use proptest::test_runner::Config;

use crate::naive;
use crate::world::{client, policy};

fn outcome(plan: &Plan) -> naive::Outcome {
    let steps = plan.steps.iter();
    let skipped = plan.skipped.iter();
    (
        steps.map(|step| (step.source.to_string(), step.url.to_string(), step.entry)).collect(),
        skipped.map(|skipped| (skipped.entry, skipped.reason.as_str())).collect(),
    )
}

fn without(policy: &Policy, place: usize) -> Policy {
    let mut draft = policy.to_draft();
    draft.entries.remove(&[place as u32 + 1]).unwrap();
    Policy::already_saved(draft)
}

fn sources(plan: &Plan) -> Vec<(SourceKey, String)> {
    plan.steps.iter().map(|step| (step.source.clone(), step.url.to_string())).collect()
}

proptest! {
    #![proptest_config(Config { cases: 2000, failure_persistence: None, ..Config::default() })]

    /// P1–P6, against the rules written once more.
    #[test]
    fn the_plan_is_that_of_the_rules(policy in policy(), client in client()) {
        for class in Class::ALL {
            prop_assert_eq!(outcome(&plan(&policy, &client, class)), naive::plan(&policy, &client, class));
        }
    }

    /// S4: the order of the plan is the order of the list, fallbacks last; every entry is a step or listed as skipped.
    #[test]
    fn the_plan_has_the_order_of_the_list(policy in policy(), client in client()) {
        for class in Class::ALL {
            let plan = plan(&policy, &client, class);
            let numbers: Vec<Option<u32>> = plan.steps.iter().map(|step| step.entry).collect();
            prop_assert!(numbers.is_sorted_by_key(|number| number.unwrap_or(u32::MAX)), "{numbers:?}");
            let mut all: Vec<u32> = numbers.into_iter().flatten().collect();
            all.extend(plan.skipped.iter().map(|skipped| skipped.entry));
            all.sort_unstable();
            let expected = 1..=policy.entries().len() as u32;
            prop_assert!(all.is_empty() || all.into_iter().eq(expected));
        }
    }

    /// P1: nobody outside a selector gets its source by it.
    #[test]
    fn nobody_outside_a_selector_gets_its_source(policy in policy(), client in client()) {
        for class in Class::ALL {
            for step in plan(&policy, &client, class).steps {
                let Some(number) = step.entry else { continue };
                let selector = policy.entries().get(number).unwrap().selector;
                prop_assert!(client.addresses().iter().any(|address| selector.contains(*address)));
            }
        }
    }

    /// P1: an entry that does not select a client never changes its plan, but for P5's whole-list rules and for the
    /// circles that it makes among other update agents.
    #[test]
    fn an_entry_for_others_changes_nothing(policy in policy(), client in client(), at in proptest::arbitrary::any::<Index>()) {
        if policy.entries().is_empty() {
            return Ok(());
        }
        let place = at.index(policy.entries().len());
        let entry: &Entry = &policy.entries().as_slice()[place];
        let selected = client.addresses().iter().any(|address| entry.selector.contains(*address));
        let agent = policy.update_agent(client.id()).is_some();
        if selected || agent {
            return Ok(());
        }
        let fewer = without(&policy, place);
        for class in Class::ALL {
            let (mut with, mut without) = (sources(&plan(&policy, &client, class)), sources(&plan(&fewer, &client, class)));
            if policy.source_key(&entry.source) == SourceKey::Vendor {
                with.retain(|(key, _)| *key != SourceKey::Vendor);
                without.retain(|(key, _)| *key != SourceKey::Vendor);
            }
            prop_assert_eq!(with, without);
        }
    }

    /// P6: a walk along the plans of update agents, each at the policy's addresses, never returns to one.
    #[test]
    fn no_plan_leads_in_a_circle(policy in policy()) {
        let planner = Planner::new(&policy);
        let mut below: Vec<(String, Vec<String>)> = Vec::new();
        for agent in policy.update_agents().iter().filter(|agent| agent.is_active()) {
            let client = Client::new(agent.id().clone(), agent.addresses().to_vec(), false);
            let mut from = Vec::new();
            for class in Class::ALL {
                for step in planner.plan(&client, class).steps {
                    if let SourceKey::UpdateAgent(id) = step.source {
                        from.push(id.to_string());
                    }
                }
            }
            below.push((agent.id().to_string(), from));
        }
        // Remove each update agent that depends on none that is left; in a circle one always does.
        while !below.is_empty() {
            let left: Vec<String> = below.iter().map(|(id, _)| id.clone()).collect();
            let before = below.len();
            below.retain(|(_, from)| from.iter().any(|id| left.contains(id)));
            prop_assert!(below.len() < before, "a circle among {left:?}");
        }
    }

    /// S6: moving an entry there and back leaves the list as it was.
    #[test]
    fn a_move_can_be_undone(policy in policy(), from in proptest::arbitrary::any::<Index>(), to in proptest::arbitrary::any::<Index>()) {
        let mut list: SourceList = policy.entries().clone();
        if list.is_empty() {
            return Ok(());
        }
        let (from, to) = (from.index(list.len()) as u32 + 1, to.index(list.len()) as u32 + 1);
        let moved = list.get(from).unwrap().clone();
        list.move_to(from, to).unwrap();
        prop_assert_eq!(list.get(to), Some(&moved));
        list.move_to(to, from).unwrap();
        prop_assert_eq!(&list, policy.entries());
    }

    /// P6: a source appears once.
    #[test]
    fn a_source_appears_once(policy in policy(), client in client()) {
        for class in Class::ALL {
            let mut keys: Vec<SourceKey> = plan(&policy, &client, class).steps.into_iter().map(|step| step.source).collect();
            let count = keys.len();
            keys.sort();
            keys.dedup();
            prop_assert_eq!(count, keys.len());
            let own = SourceKey::UpdateAgent(client.id().clone());
            let agent = policy.update_agent(client.id()).is_some();
            prop_assert!(!agent || !keys.contains(&own), "P6: a client plans itself");
        }
    }

    /// S7: a diff is enough to know which entries came, went, moved and changed.
    #[test]
    fn a_diff_accounts_for_every_entry(old in policy(), new in policy()) {
        use headwater_policy::EntryChange;
        let (old, new) = (old.entries().as_slice(), new.entries().as_slice());
        let (mut gone, mut come) = (vec![false; old.len()], vec![false; new.len()]);
        for change in headwater_policy::diff(old, new) {
            let (from, to) = match &change {
                EntryChange::Added { to, entry } => { prop_assert_eq!(entry, &new[*to as usize - 1]); (None, Some(*to)) }
                EntryChange::Removed { from, entry } => { prop_assert_eq!(entry, &old[*from as usize - 1]); (Some(*from), None) }
                EntryChange::Moved { from, to, .. } | EntryChange::Edited { from, to, .. } => (Some(*from), Some(*to)),
            };
            from.into_iter().for_each(|from| gone[from as usize - 1] = true);
            to.into_iter().for_each(|to| come[to as usize - 1] = true);
        }
        let kept_old: Vec<&Entry> = old.iter().zip(&gone).filter(|(_, gone)| !**gone).map(|(entry, _)| entry).collect();
        let kept_new: Vec<&Entry> = new.iter().zip(&come).filter(|(_, come)| !**come).map(|(entry, _)| entry).collect();
        prop_assert_eq!(kept_old, kept_new);
    }
}

/// The worlds must hold what the properties are about, or they prove nothing.
#[test]
fn the_worlds_are_rich_enough() {
    use proptest::strategy::{Strategy, ValueTree};
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut seen = std::collections::BTreeMap::new();
    for _ in 0..3000 {
        let policy = policy().new_tree(&mut runner).unwrap().current();
        let client = client().new_tree(&mut runner).unwrap().current();
        for class in Class::ALL {
            let plan = plan(&policy, &client, class);
            for skipped in &plan.skipped {
                *seen.entry(skipped.reason.to_string()).or_insert(0) += 1;
            }
            for step in &plan.steps {
                let kind = step.source.to_string().split(':').next().unwrap().to_owned();
                *seen.entry(kind).or_insert(0) += 1;
            }
        }
        let by_url = |entry: &Entry| matches!(&entry.source, EntrySource::Url { .. });
        let is_server =
            |entry: &&Entry| by_url(entry) && policy.source_key(&entry.source) == SourceKey::Server;
        *seen.entry("server by URL".to_owned()).or_insert(0) +=
            policy.entries().as_slice().iter().filter(is_server).count();
    }
    for word in [
        "selector",
        "class",
        "family",
        "self",
        "loop",
        "repeat",
        "update_agent",
        "url",
        "server",
        "vendor",
        "server by URL",
    ] {
        assert!(seen.get(word).copied().unwrap_or(0) >= 20, "{word}: {seen:?}");
    }
}
