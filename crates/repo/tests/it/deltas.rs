//! Deltas: in manifests, as ways to a file, and which of them there are (C1), against brute force.

use std::collections::BTreeMap;

use headwater_repo::{
    Body, BodyFormat, ComponentName, Delta, DeltaFormat, DeltaPaths, DeltaPlan, Digest, Earlier, Edge,
    FileEntry, FilePath, Intermediate, Inventory, InventoryItem, Manifest, MissingDelta, NeededDeltas, Past,
    Sequence, VersionText, choose, expected_ages, limits, needed_deltas,
};
use proptest::prelude::{Strategy, prop_assert, prop_assert_eq, proptest};

/// What older and newer programs wrote, for ever readable.
const PLAIN: &str = r#"{"format":1,"component":"rules","sequence":2,"version":"b","files":[{"path":"a","mode":420,"size":9,"sha256":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","body":{"sha256":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","size":9,"format":"zstd","memory":1024}}]}"#;
const WITH_DELTAS: &str = r#"{"format":2,"component":"rules","sequence":2,"version":"b","files":[{"path":"a","mode":420,"size":9,"sha256":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","body":{"sha256":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","size":9,"format":"zstd","memory":1024},"deltas":[{"base":"cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc","sha256":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","size":4,"format":"headwater1","memory":2048},{"base":"eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee","sha256":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff","size":5,"format":"of_tomorrow","memory":1}]}],"intermediates":[{"sha256":"cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc","size":8,"deltas":[{"base":"1111111111111111111111111111111111111111111111111111111111111111","sha256":"2222222222222222222222222222222222222222222222222222222222222222","size":3,"format":"headwater1","memory":2048}]}]}"#;

#[test]
fn manifests_of_either_format_are_read_and_written_again_the_same() {
    for golden in [PLAIN, WITH_DELTAS] {
        let manifest = Manifest::parse(golden.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(manifest.to_bytes().unwrap()).unwrap(), golden);
    }
    let manifest = Manifest::parse(WITH_DELTAS.as_bytes()).unwrap();
    assert_eq!(manifest.files[0].deltas[1].format, DeltaFormat::Other("of_tomorrow".to_owned()));
    let plain = Manifest::parse(PLAIN.as_bytes()).unwrap();
    assert_eq!(manifest.without_deltas(), plain);
    assert_eq!(manifest.identity(), plain.identity(), "a release is the same, however it is had");
    let mut another = plain.clone();
    another.files[0].mode = 0o755;
    assert_ne!(another.identity(), plain.identity());
}

#[test]
fn a_manifest_says_nothing_impossible_of_deltas() {
    let check = |from: &str, to: &str, reason: &str| {
        let text = WITH_DELTAS.replacen(from, to, 1);
        assert_ne!(text, WITH_DELTAS, "{from}");
        let refused = Manifest::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(refused.contains(reason), "{refused} does not state {reason}");
    };
    let (a, c, e) = ("a".repeat(64), "c".repeat(64), "e".repeat(64));
    check("\"format\":2", "\"format\":1", "has no deltas");
    check(&format!("\"base\":\"{c}\""), &format!("\"base\":\"{a}\""), "the file itself");
    check(&format!("\"base\":\"{e}\""), &format!("\"base\":\"{c}\""), "two deltas");
    check("headwater1", "Headwater", "lower-case");
    check("headwater1", &"x".repeat(limits::DELTA_FORMAT_LENGTH_MAX + 1), "1 to 32");
    check("\"size\":4", &format!("\"size\":{}", limits::FILE_SIZE_MAX + 1), "larger");
    check("\"size\":8", &format!("\"size\":{}", limits::FILE_SIZE_MAX + 1), "larger");

    let mut manifest = Manifest::parse(WITH_DELTAS.as_bytes()).unwrap();
    let number = |n: usize| Digest::of(&n.to_le_bytes());
    let many = |count| (0..count).map(|n| delta(number(n), 1)).collect();
    manifest.files[0].deltas = many(limits::DELTAS_OF_FILE_MAX);
    manifest.to_bytes().unwrap();
    manifest.files[0].deltas = many(limits::DELTAS_OF_FILE_MAX + 1);
    assert!(manifest.to_bytes().unwrap_err().to_string().contains("65 deltas"));
    manifest.files[0].deltas.clear();
    let intermediate = |n| Intermediate { sha256: number(n), size: 1, deltas: Vec::new() };
    manifest.intermediates = (0..=limits::INTERMEDIATES_MAX).map(intermediate).collect();
    assert!(manifest.to_bytes().unwrap_err().to_string().contains("100001 intermediates"));
    manifest.intermediates = vec![intermediate(1), intermediate(1)];
    assert!(manifest.to_bytes().unwrap_err().to_string().contains("twice"));
}

fn node(number: usize) -> Digest {
    Digest::of(&[u8::try_from(number).unwrap()])
}

fn delta(base: Digest, size: u64) -> Delta {
    let sha256 = Digest::of(format!("{base} {size}").as_bytes());
    Delta { base, sha256, size, format: DeltaFormat::Headwater1, memory: 1 }
}

/// A release of one file, node 0, with these deltas (from, to, size); any may be there twice.
fn release(edges: &[(usize, usize, u64)]) -> Manifest {
    let mut to: BTreeMap<usize, BTreeMap<usize, u64>> = BTreeMap::new();
    for (from, node, size) in edges.iter().filter(|(from, to, _)| from != to) {
        to.entry(*node).or_default().insert(*from, *size);
    }
    let into = |to: &BTreeMap<usize, u64>| to.iter().map(|(from, size)| delta(node(*from), *size)).collect();
    let file = FileEntry {
        path: FilePath::new("a").unwrap(),
        mode: 0o644,
        size: 1,
        sha256: node(0),
        body: Body { sha256: node(200), size: 1000, format: BodyFormat::Zstd, memory: 1 },
        deltas: to.remove(&0).as_ref().map(into).unwrap_or_default(),
    };
    Manifest {
        component: ComponentName::new("rules").unwrap(),
        sequence: Sequence::FIRST,
        version: VersionText::new("1").unwrap(),
        files: vec![file],
        install: None,
        probe: None,
        intermediates: to
            .iter()
            .map(|(number, from)| Intermediate { sha256: node(*number), size: 1, deltas: into(from) })
            .collect(),
    }
}

/// The cheapest way by trying every one that visits no file twice.
fn naive(edges: &[(usize, usize, u64)], at: usize, seen: &[usize], has: &[usize]) -> Option<u64> {
    if at != 0 && has.contains(&at) {
        return Some(0);
    }
    let into: BTreeMap<usize, u64> = edges
        .iter()
        .filter(|(from, to, _)| *to == at && from != to)
        .map(|(from, _, size)| (*from, *size))
        .collect();
    let mut seen = seen.to_vec();
    seen.push(at);
    let through = |(from, size): (&usize, &u64)| Some(naive(edges, *from, &seen, has)? + size);
    into.iter().filter(|(from, _)| !seen.contains(from)).filter_map(through).min()
}

proptest! {
    #[test]
    fn the_way_taken_is_the_cheapest_there_is(
        edges in proptest::collection::vec((0..6_usize, 0..6_usize, 0..300_u64), 0..14),
        has in proptest::collection::vec(1..6_usize, 0..3),
        full in 0..700_u64,
    ) {
        let manifest = release(&edges);
        let ways = DeltaPaths::of(&manifest);
        let is_present = |digest: &Digest| has.iter().any(|number| node(*number) == *digest);
        let way = ways.cheapest(&node(0), full, &is_present, &|delta| Some(delta.size));
        let expected = naive(&edges, 0, &[], &has).filter(|cost| *cost < full);
        prop_assert_eq!(way.as_ref().map(|way| way.cost), expected);
        if let Some(way) = way {
            prop_assert!(is_present(&way.hops[0].delta.base));
            prop_assert_eq!(way.hops.last().unwrap().sha256, node(0));
            for pair in way.hops.windows(2) {
                prop_assert_eq!(pair[0].sha256, pair[1].delta.base);
            }
            prop_assert!(ways.bases(&node(0)).contains(&way.hops[0].delta.base));
        }
    }
}

#[test]
fn what_may_not_be_used_is_gone_round() {
    let manifest = release(&[(1, 0, 10), (2, 0, 50), (2, 1, 5)]);
    let ways = DeltaPaths::of(&manifest);
    let cost = |refused: &[u64]| {
        let price = |delta: &Delta| (!refused.contains(&delta.size)).then_some(delta.size);
        ways.cheapest(&node(0), 100, &|digest| *digest == node(2), &price).map(|way| way.cost)
    };
    assert_eq!(cost(&[]), Some(15));
    assert_eq!(cost(&[10]), Some(50));
    assert_eq!(cost(&[10, 50]), None, "then the body");
    let stored = |delta: &Delta| Some(if delta.size == 50 { 0 } else { delta.size });
    assert_eq!(ways.cheapest(&node(0), 100, &|digest| *digest == node(2), &stored).unwrap().hops.len(), 1);
}

/// What a set of edges comes to: over the budget by, and the clients' bytes; `None` if somebody is left without a way
/// who could have one.
fn score(past: &Past, set: &[&Edge], budget: u64) -> Option<(u64, u128)> {
    let far = |edges: &[&Edge]| {
        let mut far = vec![0_u64];
        for node in 1..=past.weights.len() {
            let out = edges.iter().filter(|edge| edge.from == node && edge.to < node);
            let least = out.map(|edge| edge.size + far[edge.to]).min();
            let pays = least.filter(|least| least + limits::DELTA_NAMED_BYTES < past.body);
            far.push(pays.unwrap_or(past.body));
        }
        far
    };
    let all: Vec<&Edge> = past.edges.iter().collect();
    let (best, mine) = (far(&all), far(set));
    if (1..mine.len()).any(|node| mine[node] == past.body && best[node] < past.body) {
        return None;
    }
    let stored: u64 = set.iter().filter(|edge| !edge.free).map(|edge| edge.size).sum();
    let cost =
        past.weights.iter().zip(&mine[1..]).map(|(weight, far)| u128::from(*weight) * u128::from(*far));
    Some((stored.saturating_sub(budget), cost.sum()))
}

fn pasts() -> impl Strategy<Value = (Past, u64)> {
    let edge = (0..6_usize, 0..6_usize, 0..3_000_u64, 0..10_u8).prop_map(|(from, to, size, free)| Edge {
        from,
        to,
        size,
        free: free == 0,
    });
    let edges = proptest::collection::vec(edge, 0..10);
    let weights = proptest::collection::vec(0..50_u64, 0..5);
    (500..5_000_u64, weights, edges, 0..6_000_u64)
        .prop_map(|(body, weights, edges, budget)| (Past { body, weights, edges }, budget))
}

proptest! {
    #[test]
    fn the_choice_is_the_best_of_all_choices((past, budget) in pasts()) {
        let chosen = choose(&past, budget);
        let mine: Vec<&Edge> = chosen.iter().map(|place| &past.edges[*place]).collect();
        let count = past.edges.len();
        let every = (0..1_u32 << count)
            .filter_map(|set| {
                let set: Vec<&Edge> =
                    (0..count).filter(|place| set >> place & 1 == 1).map(|place| &past.edges[place]).collect();
                score(&past, &set, budget)
            })
            .min();
        prop_assert_eq!(score(&past, &mine, budget), every);
    }
}

#[test]
fn fourteen_releases_within_a_tight_budget_are_chosen_in_time() {
    let mut edges = Vec::new();
    for from in 1..=14_usize {
        let far = |distance: usize| (1000.0 * (distance as f64).powf(0.55)) as u64 + (from as u64 * 37) % 11;
        edges.push(Edge { from, to: 0, size: far(from), free: false });
        if from > 1 {
            edges.push(Edge { from, to: from - 1, size: far(1), free: false });
            edges.push(Edge { from, to: 1, size: far(from - 1), free: false });
        }
    }
    let weights = (0..14).map(|age| 1 << (20 - age)).collect();
    let past = Past { body: 100_000, weights, edges };
    let stored = |budget| choose(&past, budget).iter().map(|place| past.edges[*place].size).sum::<u64>();
    let direct = choose(&past, u64::MAX);
    assert!(direct.iter().all(|place| past.edges[*place].to == 0), "with room, everybody goes straight");
    for budget in [0, 10_000, 15_000, 20_000, 30_000, 40_000] {
        assert_eq!(choose(&past, budget).len(), 14, "nobody is left without a way");
        assert!(stored(budget) <= budget.max(stored(0)), "{budget}");
    }
}

/// Releases of three files: one that changes in every release, one that never does but moves, one that is new in the
/// last. Oldest first.
fn series(count: u64) -> Vec<Manifest> {
    let release = |number: u64| {
        let mut files = vec![
            file(&format!("data/rules-{number}.dat"), format!("rules {number}")),
            file(&format!("{number}/same"), "same".to_owned()),
        ];
        if number == count {
            files.push(file("new", "new".to_owned()));
        }
        Manifest {
            component: ComponentName::new("rules").unwrap(),
            sequence: Sequence::new(number).unwrap(),
            version: VersionText::new(number.to_string()).unwrap(),
            files,
            install: None,
            probe: None,
            intermediates: Vec::new(),
        }
    };
    (1..=count).map(release).collect()
}

fn file(path: &str, content: String) -> FileEntry {
    FileEntry {
        path: FilePath::new(path).unwrap(),
        mode: 0o644,
        size: 100_000,
        sha256: Digest::of(content.as_bytes()),
        body: Body {
            sha256: Digest::of(format!("packed {content}").as_bytes()),
            size: 50_000,
            format: BodyFormat::Zstd,
            memory: 1,
        },
        deltas: Vec::new(),
    }
}

/// Makes what is missing, round by round, as a maker of deltas does; returns how many were made.
fn make_all(
    current: &Manifest,
    earlier: &[Earlier<'_>],
    inventory: &mut Inventory,
    budget_percent: u64,
) -> (Manifest, u32) {
    let number =
        |digest: &Digest| (1..99_u64).find(|n| Digest::of(format!("rules {n}").as_bytes()) == *digest);
    let mut made = 0;
    loop {
        let NeededDeltas { manifest, missing } =
            needed_deltas(current, earlier, inventory, &|_, _| true, budget_percent);
        Manifest::parse(&manifest.to_bytes().unwrap()).unwrap();
        let Some(MissingDelta { base, result, .. }) = missing.first() else { return (manifest, made) };
        let far = (number(result).unwrap() - number(base).unwrap()) as f64;
        let size = (2_000.0 * far.powf(0.6)) as u64;
        inventory.insert((*base, *result), InventoryItem::Made(delta(*base, size)));
        made += 1;
    }
}

#[test]
fn clients_at_each_of_the_last_14_releases_get_a_delta() {
    let series = series(20);
    let (current, older) = series.split_last().unwrap();
    let weights = expected_ages(&[0; 14]);
    let earlier: Vec<Earlier<'_>> = older
        .iter()
        .rev()
        .zip(&weights)
        .map(|(manifest, weight)| Earlier { manifest, weight: *weight })
        .collect();
    let reach = |manifest: &Manifest| -> Vec<u64> {
        let ways = DeltaPaths::of(manifest);
        let price = |delta: &Delta| Some(delta.size);
        let to = &manifest.files[0];
        earlier
            .iter()
            .map(|earlier| {
                let had = earlier.manifest.files[0].sha256;
                ways.cheapest(&to.sha256, to.body.size, &|digest| *digest == had, &price)
                    .expect("no way")
                    .cost
            })
            .collect()
    };
    let mut inventory = Inventory::new();
    let (wide, made) = make_all(current, &earlier, &mut inventory, 1_000);
    assert_eq!((wide.files[0].deltas.len(), wide.intermediates.len()), (14, 0), "all straight");
    assert!(made < 30, "{made} were made");
    assert!(wide.files[1].deltas.is_empty(), "a file that moved costs nothing");
    assert!(wide.files[2].deltas.is_empty(), "a new one has no past");
    let straight = reach(&wide);

    let mut inventory = Inventory::new();
    let (tight, _) = make_all(current, &earlier, &mut inventory, 60);
    let stored: u64 = tight.deltas().map(|delta| delta.size).sum();
    assert!(stored <= 30_000 && !tight.intermediates.is_empty(), "{stored}");
    let over_hops = reach(&tight);
    assert_eq!(over_hops[0], straight[0], "the newest, which most have, goes straight");
    assert!(over_hops.iter().zip(&straight).all(|(hops, straight)| hops >= straight));

    // The next release: one delta made, and everybody has a way again.
    let next = series_next(&series);
    let mut earlier = earlier.clone();
    earlier.insert(0, Earlier { manifest: current, weight: weights[0] });
    let hop = (current.files[0].sha256, next.files[0].sha256);
    inventory.insert(hop, InventoryItem::Made(delta(hop.0, 2_000)));
    let NeededDeltas { manifest, .. } = needed_deltas(&next, &earlier, &inventory, &|_, _| true, 1_000);
    let ways = DeltaPaths::of(&manifest);
    assert_eq!(ways.bases(&next.files[0].sha256).len(), 15);
}

/// A release of many files, each changed in each: a delta that was made is decided about with its file alone.
#[test]
fn one_delta_more_costs_one_decision_however_many_files_there_are() {
    let releases: Vec<Manifest> = (1..=4)
        .map(|number| {
            let mut release = series(4).remove(0);
            release.sequence = Sequence::new(number).unwrap();
            release.files = (0..50).map(|n| file(&format!("rule-{n}"), format!("{n} in {number}"))).collect();
            release
        })
        .collect();
    let (current, older) = releases.split_last().unwrap();
    let earlier: Vec<Earlier<'_>> =
        older.iter().rev().map(|manifest| Earlier { manifest, weight: 1 }).collect();
    let mut all = DeltaPlan::of(current, &earlier, Inventory::new(), &|_, _| true, 1_000);
    let (mut made, mut decided, mut inventory) = (0, 0, Inventory::new());
    loop {
        let next = all.missing().next();
        let Some(MissingDelta { base, result, .. }) = next else { break };
        let item = InventoryItem::Made(delta(base, 2_000));
        inventory.insert((base, result), item.clone());
        decided += all.put((base, result), item);
        made += 1;
    }
    assert!(made >= 150, "{made}");
    assert_eq!(decided, made);
    let again = needed_deltas(current, &earlier, &inventory, &|_, _| true, 1_000);
    assert_eq!(
        (all.manifest(), again.missing),
        (again.manifest, Vec::new()),
        "as if decided for all at once"
    );
}

fn series_next(series: &[Manifest]) -> Manifest {
    self::series(series.len() as u64 + 1).pop().unwrap()
}

#[test]
fn what_is_useless_is_not_made_again_and_what_was_taken_is_kept() {
    let series = series(4);
    let earlier: Vec<Earlier<'_>> =
        series[..3].iter().rev().map(|manifest| Earlier { manifest, weight: 1 }).collect();
    let file = |number: usize| series[number - 1].files[0].sha256;
    let mut inventory = Inventory::new();
    for (base, result) in [(3, 4), (2, 4), (1, 4), (2, 3), (1, 2)] {
        inventory.insert((file(base), file(result)), InventoryItem::Useless);
    }
    let elsewhere = Digest::of(b"a release that only the vendor has");
    inventory.insert((elsewhere, file(4)), InventoryItem::Taken(delta(elsewhere, 9_000)));
    inventory.insert((file(2), elsewhere), InventoryItem::Taken(delta(file(2), 7)));
    let NeededDeltas { manifest, missing } =
        needed_deltas(&series[3], &earlier, &inventory, &|_, _| true, 300);
    assert_eq!(missing, []);
    assert_eq!(manifest.files[0].deltas, [delta(elsewhere, 9_000)]);
    assert_eq!(manifest.intermediates, [], "of a file whose size nobody says here no intermediate is made");
    let nothing = needed_deltas(&series[3], &earlier, &Inventory::new(), &|_, _| false, 300);
    assert_eq!(nothing.missing, [], "what cannot be made is not asked for");
    assert!(!nothing.manifest.has_deltas());
}

#[test]
fn a_choice_too_large_to_be_looked_through_is_still_one() {
    let nodes = 60_usize;
    let mut seed = 7_u64;
    let mut size = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        1_000 + (seed >> 33) % 2_000
    };
    let mut edges = Vec::new();
    for from in 1..=nodes {
        for to in from.saturating_sub(4)..from {
            edges.push(Edge { from, to, size: size(), free: false });
        }
        edges.push(Edge { from, to: 0, size: size() * 3, free: false });
    }
    let past = Past { body: 1_000_000, weights: (1..=60).collect(), edges };
    let least: u64 = (1..=nodes)
        .map(|from| past.edges.iter().filter(|edge| edge.from == from).map(|edge| edge.size).min().unwrap())
        .sum();
    let partial_choices = (1..=nodes).fold(1_u64, |all, _| all.saturating_mul(4));
    assert!(partial_choices > u64::from(limits::CHOICES_MAX), "and most fit the budget badly");
    assert_eq!(choose(&past, least + 5_000).len(), nodes, "everybody has a way");
}
