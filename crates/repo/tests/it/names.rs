//! Names, paths, digests, keys: what is read, what is refused.

use std::fmt::Debug;
use std::str::FromStr;

use headwater_repo::{
    ComponentName, Digest, FilePath, Hasher, KeyError, NameError, PublicKey, SecretKey, Sequence, TargetName,
    VersionText, layout, limits,
};
use proptest::prelude::{prop_assert, prop_assert_eq, proptest};
use secrecy::ExposeSecret as _;

use crate::world::{key, name};

fn check<T: Debug + FromStr<Err = NameError>>(good: &[&str], bad: &[&str]) {
    let parse = str::parse::<T>;
    for text in good {
        assert!(parse(text).is_ok(), "{text:?} should be allowed: {:?}", parse(text));
    }
    for text in bad {
        assert!(parse(text).is_err(), "{text:?} should be refused");
    }
}

#[test]
fn target_names() {
    let long_part = "x".repeat(limits::TARGET_NAME_PART_LENGTH_MAX);
    let long_name = vec!["x".repeat(99); 10].join("/") + "/" + &"x".repeat(24);
    assert_eq!(long_name.len(), limits::TARGET_NAME_LENGTH_MAX);
    check::<TargetName>(
        &[
            "a",
            "policy.json",
            "domains/root/Île-de-France.json",
            "a b/c",
            "a..b",
            "...",
            &long_part,
            &long_name,
        ],
        &[
            "",
            "/a",
            "a/",
            "a//b",
            ".",
            "..",
            "../a",
            "a/../b",
            "a/./b",
            "a\\b",
            "a\0b",
            "a\nb",
            "a?b",
            "a#b",
            "a%2fb",
            "a:b",
            " a",
            "a /b",
            "a\u{202e}b",
            "a\u{2215}\u{0}b",
            &format!("{long_part}x"),
            &format!("{long_name}x"),
        ],
    );
}

#[test]
fn component_names() {
    let longest = "x".repeat(limits::COMPONENT_NAME_LENGTH_MAX);
    check::<ComponentName>(
        &["a", "virus-patterns", "7zip", "a.b_c", "policy-2", &longest],
        &["", ".", "..", ".a", "-a", "_a", "a.", "A", "a/b", "a b", "é", "policy", &format!("{longest}x")],
    );
}

#[test]
fn version_texts() {
    let longest = "x".repeat(limits::VERSION_TEXT_LENGTH_MAX);
    check::<VersionText>(
        &["1", "2026-11-22.3", "12.0 beta (ü)", &longest],
        &["", " 1", "1\n", "1\u{7}", "\u{1b}[31m", &format!("{longest}x")],
    );
}

#[test]
fn sequences() {
    check::<Sequence>(
        &["1", "9007199254740991"],
        &["0", "", "+1", "-1", "01", "1 ", "1e3", "9007199254740992", "18446744073709551616"],
    );
    assert_eq!(Sequence::new(limits::NUMBER_MAX).unwrap().next(), None, "the last number has none after it");
    assert_eq!(Sequence::FIRST.next(), Sequence::new(2).ok());
}

#[test]
fn file_paths() {
    let part = "x".repeat(limits::FILE_PATH_PART_LENGTH_MAX);
    let longest = format!("{}/{}", vec!["x".repeat(99); 20].join("/"), "x".repeat(48));
    assert_eq!(longest.len(), limits::FILE_PATH_LENGTH_MAX);
    check::<FilePath>(
        &["a", "a/b/c", ".hidden", "a..b", "Ünïcode/日本.dat", "console", &part, &longest],
        &[
            "",
            "/a",
            "/",
            "a/",
            "a//b",
            ".",
            "..",
            "a/..",
            "../a",
            "a/./b",
            "a\0",
            "a\\b",
            "c:a",
            "a\nb",
            "a.",
            "a ",
            "a./b",
            "NUL",
            "nul.txt",
            "sub/com1",
            "LPT9.x",
            "a*",
            &format!("{part}x"),
            &format!("{longest}x"),
        ],
    );
}

#[test]
fn digests_have_one_spelling() {
    let digest = Digest::of(b"abc");
    let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(digest.to_string(), text);
    assert_eq!(text.parse(), Ok(digest));
    for bad in ["", &text[1..], &text.to_uppercase(), &format!("{text}0"), &text.replace('b', "g")] {
        assert!(bad.parse::<Digest>().is_err(), "{bad:?} should be refused");
    }
}

proptest! {
    #[test]
    fn pieces_hash_like_the_whole(pieces: Vec<Vec<u8>>) {
        let mut hasher = Hasher::new();
        pieces.iter().for_each(|piece| hasher.update(piece));
        prop_assert_eq!(hasher.finish(), Digest::of(&pieces.concat()));
    }

    #[test]
    fn no_allowed_name_leaves_its_folder(text in "[./a\\\\ %:]{1,12}") {
        for allowed in [TargetName::new(text.as_str()).map(|name| name.to_string()), FilePath::new(text.as_str()).map(|path| path.to_string())] {
            let Ok(allowed) = allowed else { continue };
            let parts = std::path::Path::new(&allowed).components();
            prop_assert!(parts.into_iter().all(|part| matches!(part, std::path::Component::Normal(_))));
        }
    }
}

#[test]
fn layout_is_the_one_of_every_source() {
    let digest = Digest::of(b"abc");
    assert_eq!(layout::target(&name("a/b.json"), &digest), format!("targets/a/{digest}.b.json"));
    assert_eq!(layout::target(&name("policy.json"), &digest), format!("targets/{digest}.policy.json"));
    assert_eq!(layout::blob(&digest), format!("blobs/ba/{digest}"));
    assert_eq!(layout::url_path("targets/a b/é"), "targets/a%20b/%C3%A9");
    let component = ComponentName::new("rules").unwrap();
    assert_eq!(layout::component_of_release_list(&layout::release_list(&component)), Some(component));
    assert_eq!(layout::component_of_release_list(&name("a/b/releases.json")), None);
}

#[test]
fn keys_survive_their_file_and_never_print() {
    let key = SecretKey::generate().unwrap();
    let pem = key.to_pem();
    let again = SecretKey::from_pem(pem.expose_secret()).unwrap();
    assert_eq!(again.public(), key.public());
    assert_eq!(key.public().to_string().parse::<PublicKey>().unwrap(), key.public());
    assert_eq!(format!("{pem:?}"), "SecretBox<str>([REDACTED])");
    assert_eq!(format!("{key:?}"), format!("SecretKey(of {})", key.id()));
}

#[test]
fn key_ids_are_those_of_the_specification() {
    // Computed by python-tuf's securesystemslib for the seed of 32 times 01.
    assert_eq!(
        key(1).public().to_string(),
        "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c"
    );
    assert_eq!(key(1).id().to_string(), "7ab6b86cb2c9684b0ddc10896153aa2595decf4d4327a5ff1a8ab7422c828b12");
}

#[test]
fn what_is_no_key_is_refused() {
    let pem = |body: &str| format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
    let long = pem(&"A".repeat(limits::KEY_PEM_LENGTH_MAX));
    let cases: [(&str, KeyError); 5] = [
        ("", KeyError::NotPem),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", KeyError::NotPem),
        (&pem("!!!!"), KeyError::NotPem),
        (&long, KeyError::NotPem),
        (&pem("MEECAQAwEwYHKoZIzj0CAQYIKoZIzj0DAQcEJzAl"), KeyError::NotEd25519),
    ];
    for (text, expected) in cases {
        assert_eq!(SecretKey::from_pem(text).unwrap_err(), expected, "{text:?}");
    }
    assert_eq!("00".parse::<PublicKey>(), Err(KeyError::NotPublic));
}
