//! A change of any byte of any signed file: the file is refused, or it means the same as before.

use headwater_repo::{Manifest, ReleaseList, Trusted};
use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};

use crate::world::{client, name, publish_more, published, start};

/// All that a client takes from the metadata.
fn meaning(trusted: &Trusted) -> String {
    let targets: Vec<_> = trusted.targets().collect();
    format!(
        "{} {:?} {:?} {targets:?}",
        trusted.root_version(),
        trusted.timestamp_version(),
        trusted.targets_version()
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn one_changed_byte(file in 0_usize..4, at in any::<proptest::sample::Index>(), to in any::<u8>()) {
        let (mut source, present) = published();
        publish_more(&mut source, &present, "b.txt", start());
        let mut untouched = client();
        source.refresh(&mut untouched, start()).unwrap();
        let file = ["1.root.json", "timestamp.json", "2.snapshot.json", "2.targets.json"][file];
        let bytes = source.files.get_mut(&format!("metadata/{file}")).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = to;
        let Ok(mut trusted) = Trusted::from_root(source.metadata("1.root.json").unwrap()) else { return Ok(()) };
        if source.refresh(&mut trusted, start()).is_ok() {
            prop_assert_eq!(meaning(&trusted), meaning(&untouched));
        }
    }

    #[test]
    fn cut_short(file in 0_usize..4, at in any::<proptest::sample::Index>()) {
        let (mut source, _) = published();
        let file = ["1.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json"][file];
        let bytes = source.files.get_mut(&format!("metadata/{file}")).unwrap();
        let length = at.index(bytes.len());
        bytes.truncate(length);
        let refused = Trusted::from_root(source.metadata("1.root.json").unwrap())
            .and_then(|mut trusted| source.refresh(&mut trusted, start()));
        prop_assert_eq!(refused.is_err(), true);
    }

    #[test]
    fn no_bytes_make_the_parsers_panic(bytes: Vec<u8>) {
        let _ = (Manifest::parse(&bytes), ReleaseList::parse(&bytes), Trusted::from_root(&bytes).is_ok());
    }

    #[test]
    fn one_changed_byte_of_a_target(at in any::<proptest::sample::Index>(), flip in 1_u8..) {
        let (source, _) = published();
        let mut trusted = client();
        source.refresh(&mut trusted, start()).unwrap();
        let description = trusted.target(&name("a/one.txt")).unwrap();
        let mut bytes = source.files[&format!("targets/{}", description.path)].clone();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        prop_assert_eq!(description.check(&bytes).is_err(), true);
    }
}
