//! Sealing, keys' files, tokens; and that nothing secret is ever printed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use headwater_identity::limits::{PEM_LENGTH_MAX, SEALED_LENGTH_MAX};
use headwater_identity::{
    ClientKey, DomainKey, EncryptionKey, EncryptionPublicKey, EnrolToken, FleetCa, IdentityError, Purpose,
    Sealed,
};
use secrecy::ExposeSecret as _;

use crate::{domain, id, now};

#[test]
fn only_its_key_opens_what_was_sealed_and_only_for_its_purpose() {
    let (key, other) = (EncryptionKey::generate().unwrap(), EncryptionKey::generate().unwrap());
    let sealed = key.public().seal(b"the token", Purpose::Enrolment).unwrap();
    assert_eq!(key.open(&sealed, Purpose::Enrolment).unwrap().expose_secret(), b"the token");
    let check = |what: &str, opened: Result<_, IdentityError>| {
        assert_eq!(opened.map(|_| ()), Err(IdentityError::Sealed), "{what}");
    };
    check("another key", other.open(&sealed, Purpose::Enrolment));
    let (client, root) = (id("a"), domain("root"));
    check("another purpose", key.open(&sealed, Purpose::DomainKey { client: &client, domain: &root }));
    let cut = Sealed { body: sealed.body[..sealed.body.len() - 4].to_owned(), ..sealed.clone() };
    check("cut off", key.open(&cut, Purpose::Enrolment));
    let empty = Sealed { encapsulated: String::new(), body: String::new() };
    check("empty", key.open(&empty, Purpose::Enrolment));
    let no_base64 = Sealed { body: "%".to_owned(), ..sealed };
    check("no base64", key.open(&no_base64, Purpose::Enrolment));
}

#[test]
fn sealing_has_a_limit() {
    let key = EncryptionKey::generate().unwrap();
    assert!(key.public().seal(&vec![0; SEALED_LENGTH_MAX], Purpose::Enrolment).is_ok());
    let oversized = key.public().seal(&vec![0; SEALED_LENGTH_MAX + 1], Purpose::Enrolment);
    assert!(matches!(oversized, Err(IdentityError::Oversized { .. })));
    let sealed = Sealed { encapsulated: String::new(), body: "A".repeat(SEALED_LENGTH_MAX * 2 + 1) };
    assert!(matches!(key.open(&sealed, Purpose::Enrolment), Err(IdentityError::Oversized { .. })));
}

#[test]
fn a_domain_key_reaches_one_client_and_opens_one_version_of_one_domain() {
    let reader = EncryptionKey::generate().unwrap();
    let key = DomainKey::generate().unwrap();
    let sealed = key.seal_to(&reader.public(), &id("a"), &domain("root/paris")).unwrap();
    let kept = DomainKey::open(&reader, &sealed, &id("a"), &domain("root/paris")).unwrap();
    assert_eq!(kept.id(), key.id());
    assert!(DomainKey::open(&reader, &sealed, &id("b"), &domain("root/paris")).is_err());
    assert!(DomainKey::open(&reader, &sealed, &id("a"), &domain("root")).is_err());

    let settings = key.seal_settings(&domain("root/paris"), 4, b"{}").unwrap();
    assert_eq!(settings.key_id, key.id().to_string());
    assert_eq!(kept.open_settings(&domain("root/paris"), 4, &settings).unwrap(), b"{}");
    assert!(kept.open_settings(&domain("root/paris"), 3, &settings).is_err());
    assert!(kept.open_settings(&domain("root/rome"), 4, &settings).is_err());
    let other = DomainKey::generate().unwrap();
    assert!(other.open_settings(&domain("root/paris"), 4, &settings).is_err());
}

#[test]
fn keys_come_back_from_their_files() {
    let key = ClientKey::generate().unwrap();
    let same = ClientKey::from_pem(key.to_pem().expose_secret()).unwrap();
    assert_eq!(same.public(), key.public());
    assert_eq!(key.public().to_string().parse(), Ok(key.public()));
    assert_eq!(key.fingerprint().to_string().parse(), Ok(key.fingerprint()));
    let seal = EncryptionKey::generate().unwrap();
    assert_eq!(EncryptionKey::from_pem(seal.to_pem().expose_secret()).unwrap().public(), seal.public());
    assert_eq!(seal.public().to_string().parse::<EncryptionPublicKey>(), Ok(seal.public()));
    let domain = DomainKey::generate().unwrap();
    assert_eq!(domain.to_text().expose_secret().parse::<DomainKey>().unwrap().id(), domain.id());
    let ca = FleetCa::make(now()).unwrap();
    assert_eq!(FleetCa::from_pem(ca.to_pem().expose_secret()).unwrap().certificate(), ca.certificate());
    let token = EnrolToken::generate().unwrap();
    let text = token.to_text();
    assert!(text.expose_secret().starts_with("hwt_") && text.expose_secret().len() == 47);
    assert_eq!(text.expose_secret().parse::<EnrolToken>().unwrap().digest(), token.digest());
}

#[test]
fn an_encryption_key_to_which_nothing_can_be_sealed_is_refused() {
    // Points of low order (RFC 7748, section 6.1): 0, 1, and one of order 8.
    let of_order_eight = [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda,
        0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
    ];
    let mut one = [0; 32];
    one[0] = 1;
    for point in [[0; 32], one, of_order_eight] {
        let text = STANDARD.encode(point);
        assert!(
            matches!(text.parse::<EncryptionPublicKey>(), Err(IdentityError::Unreadable { .. })),
            "{text}"
        );
    }
}

#[test]
fn what_is_no_key_is_refused() {
    let seal = EncryptionKey::generate().unwrap();
    let key = ClientKey::generate().unwrap();
    let other_ca = FleetCa::make(now()).unwrap();
    let ca = FleetCa::make(now()).unwrap();
    assert!(ClientKey::from_pem(seal.to_pem().expose_secret()).is_err(), "of another curve");
    assert!(EncryptionKey::from_pem(key.to_pem().expose_secret()).is_err(), "of another curve");
    assert!(ClientKey::from_pem("").is_err());
    assert!(ClientKey::from_pem(&" ".repeat(PEM_LENGTH_MAX + 1)).is_err());
    assert!(EncryptionKey::from_pem(&" ".repeat(PEM_LENGTH_MAX + 1)).is_err());
    assert!(FleetCa::from_pem(key.to_pem().expose_secret()).is_err(), "no certificate");
    let mixed = format!("{}{}", key.to_pem().expose_secret(), other_ca.certificate().to_pem());
    assert!(FleetCa::from_pem(&mixed).is_err(), "they do not belong together");
    for text in ["", "hwt_", "hwa_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "hwt_AAAA"] {
        assert!(text.parse::<EnrolToken>().is_err(), "{text}");
    }
    for text in ["", "AAAA", &seal.public().to_string(), &"A".repeat(PEM_LENGTH_MAX + 4)] {
        assert!(text.parse::<headwater_identity::PublicKey>().is_err());
    }
    assert!(ca.to_pem().expose_secret().len() < PEM_LENGTH_MAX);
}

#[test]
fn nothing_secret_is_printed() {
    let key = ClientKey::generate().unwrap();
    let seal = EncryptionKey::generate().unwrap();
    let ca = FleetCa::make(now()).unwrap();
    let token = EnrolToken::generate().unwrap();
    let domain_key = DomainKey::generate().unwrap();
    let opened = {
        let sealed = seal.public().seal(b"opened words", Purpose::Enrolment).unwrap();
        seal.open(&sealed, Purpose::Enrolment).unwrap()
    };
    let printed = format!(
        "{key:?} {seal:?} {ca:?} {token:?} {domain_key:?} {:?} {:?} {:?} {opened:?} {:?}",
        key.to_pem(),
        seal.to_pem(),
        token.to_text(),
        domain_key.to_text()
    );
    let secrets = [key.to_pem(), seal.to_pem(), ca.to_pem(), token.to_text(), domain_key.to_text()];
    for secret in secrets {
        for line in secret.expose_secret().lines().filter(|line| !line.starts_with("-----")) {
            assert!(!printed.contains(line), "{printed}");
            assert!(!printed.contains(&line[line.len() / 2..]), "{printed}");
        }
    }
    assert!(!printed.contains("opened words"));
}
