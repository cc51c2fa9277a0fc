//! Encrypted key files: what opens them, what does not, and what reading one may cost.

use std::process::Command;

use headwater_repo::limits::{
    PASSPHRASE_LENGTH_MAX, PASSPHRASE_LENGTH_MIN, PBKDF2_ROUNDS_MAX, SCRYPT_BYTES_MAX, SCRYPT_LANES_MAX,
};
use headwater_repo::{Cost, KeyError, Passphrase, SecretKey, sealed};
use pkcs8::der::asn1::OctetString;
use pkcs8::der::{Decode as _, Encode as _};
use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::{Kdf, Pbkdf2Params, Salt};
use pkcs8::{EncryptedPrivateKeyInfoOwned, LineEnding, SecretDocument};
use secrecy::ExposeSecret as _;

use crate::world::key;

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(text.to_owned()).unwrap()
}

#[test]
fn an_encrypted_key_opens_with_its_passphrase_only() {
    let good = passphrase("correct horse battery");
    for cost in [Cost::Offline, Cost::Online] {
        let pem = key(1).to_encrypted_pem(&good, cost).unwrap();
        assert!(sealed::is_encrypted(&pem));
        assert_eq!(SecretKey::read(&pem, Some(&good)).unwrap().id(), key(1).id());
        let check = |given: Option<&Passphrase>, expected| {
            assert_eq!(SecretKey::read(&pem, given).unwrap_err(), expected);
        };
        check(None, KeyError::PassphraseNeeded);
        check(Some(&passphrase("correct horse batterz")), KeyError::WrongPassphrase);
        assert_eq!(SecretKey::from_pem(&pem).unwrap_err(), KeyError::NotPem);
    }
    let plain = key(1).to_pem();
    assert!(!sealed::is_encrypted(plain.expose_secret()));
    assert_eq!(SecretKey::read(plain.expose_secret(), Some(&good)).unwrap().id(), key(1).id());
    assert!(!format!("{good:?}").contains("horse"));
}

#[test]
fn passphrases_have_a_length() {
    let of = |length: usize| "p".repeat(length);
    assert!(Passphrase::for_new(of(PASSPHRASE_LENGTH_MIN)).is_ok());
    assert_eq!(Passphrase::for_new(of(PASSPHRASE_LENGTH_MIN - 1)).unwrap_err(), KeyError::Passphrase);
    assert!(Passphrase::new(of(1)).is_ok());
    assert!(Passphrase::new(of(PASSPHRASE_LENGTH_MAX)).is_ok());
    for length in [0, PASSPHRASE_LENGTH_MAX + 1] {
        assert_eq!(Passphrase::new(of(length)).unwrap_err(), KeyError::Passphrase);
    }
}

#[test]
fn a_file_cannot_make_its_reader_work_for_hours() {
    let good = passphrase("correct horse battery");
    let pem = key(1).to_encrypted_pem(&good, Cost::Online).unwrap();
    let (_, document) = SecretDocument::from_pem(&pem).unwrap();
    let check = |change: &dyn Fn(&mut Kdf)| {
        let mut info = EncryptedPrivateKeyInfoOwned::from_der(document.as_bytes()).unwrap();
        let EncryptionScheme::Pbes2(parameters) = &mut info.encryption_algorithm else { unreachable!() };
        change(&mut parameters.kdf);
        let changed = SecretDocument::try_from(info.to_der().unwrap()).unwrap();
        let pem = changed.to_pem("ENCRYPTED PRIVATE KEY", LineEnding::LF).unwrap();
        assert_eq!(SecretKey::read(&pem, Some(&good)).unwrap_err(), KeyError::TooCostly);
    };
    let scrypt = |change: &dyn Fn(&mut pkcs8::pkcs5::pbes2::ScryptParams)| {
        check(&|kdf| {
            let Kdf::Scrypt(scrypt) = kdf else { unreachable!() };
            change(scrypt);
        });
    };
    let most = SCRYPT_BYTES_MAX / (128 * 8);
    scrypt(&|scrypt| scrypt.cost_parameter = most * 2);
    scrypt(&|scrypt| scrypt.cost_parameter = 1 << 63);
    scrypt(&|scrypt| scrypt.cost_parameter = 0);
    scrypt(&|scrypt| scrypt.cost_parameter = 3);
    scrypt(&|scrypt| scrypt.block_size = u16::MAX);
    scrypt(&|scrypt| scrypt.block_size = 0);
    scrypt(&|scrypt| scrypt.parallelization = SCRYPT_LANES_MAX + 1);
    scrypt(&|scrypt| scrypt.parallelization = 0);
    // At the limit it is tried, and opens nothing.
    let mut info = EncryptedPrivateKeyInfoOwned::from_der(document.as_bytes()).unwrap();
    let EncryptionScheme::Pbes2(parameters) = &mut info.encryption_algorithm else { unreachable!() };
    let Kdf::Scrypt(params) = &mut parameters.kdf else { unreachable!() };
    params.cost_parameter = most;
    let result = sealed::open(&info.to_der().unwrap(), &good);
    assert_ne!(result.map(|_| ()), Err(KeyError::TooCostly));
    let salt = [1; 16];
    check(&|kdf| *kdf = Pbkdf2Params::hmac_sha256(PBKDF2_ROUNDS_MAX + 1, &salt).unwrap().into());
    assert!(Salt::new(salt).is_ok());
}

#[test]
fn what_is_no_key_file_is_refused_without_a_panic() {
    let good = passphrase("correct horse battery");
    let pem = key(1).to_encrypted_pem(&good, Cost::Online).unwrap();
    let (_, document) = SecretDocument::from_pem(&pem).unwrap();
    let der = document.as_bytes();
    for at in 0..der.len() {
        // Every length, tag and number of the format's head, changed.
        let mut changed = der.to_vec();
        changed[at] ^= 0x41;
        if at < 90 {
            assert!(sealed::open(&changed, &good).is_err() || at > 20, "byte {at}");
        }
        assert!(sealed::open(&der[..at], &good).is_err(), "cut at {at}");
    }
    let mut info = EncryptedPrivateKeyInfoOwned::from_der(der).unwrap();
    info.encrypted_data = OctetString::new(Vec::new()).unwrap();
    assert!(sealed::open(&info.to_der().unwrap(), &good).is_err());
}

#[test]
fn a_sealed_archive_is_whole_or_refused() {
    let good = passphrase("correct horse battery");
    let archive = vec![7; 100_000];
    let sealed = sealed::seal(&archive, &good).unwrap();
    assert_eq!(*sealed::open(&sealed, &good).unwrap(), archive);
    let wrong = |bytes: &[u8], passphrase: &Passphrase| {
        assert_eq!(sealed::open(bytes, passphrase).unwrap_err(), KeyError::WrongPassphrase);
    };
    wrong(&sealed, &passphrase("wrong"));
    let mut changed = sealed.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    wrong(&changed, &good);
}

#[test]
fn openssl_reads_our_key_files_and_we_read_its() {
    if Command::new("openssl").arg("version").output().is_err() {
        eprintln!("skipped: there is no openssl here");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let good = passphrase("correct horse battery");
    let openssl = |arguments: &[&str]| {
        let ran = Command::new("openssl").args(arguments).current_dir(folder.path()).output().unwrap();
        assert!(ran.status.success(), "{ran:?}");
    };
    let pem = key(1).to_encrypted_pem(&good, Cost::Offline).unwrap();
    std::fs::write(folder.path().join("ours.pem"), pem).unwrap();
    let secret = "pass:correct horse battery";
    openssl(&["pkey", "-in", "ours.pem", "-passin", secret, "-out", "plain.pem"]);
    let plain = std::fs::read_to_string(folder.path().join("plain.pem")).unwrap();
    assert_eq!(SecretKey::from_pem(&plain).unwrap().id(), key(1).id());
    openssl(&["pkcs8", "-topk8", "-in", "plain.pem", "-out", "theirs.pem", "-passout", secret]);
    let theirs = std::fs::read_to_string(folder.path().join("theirs.pem")).unwrap();
    assert_eq!(SecretKey::read(&theirs, Some(&good)).unwrap().id(), key(1).id());
}
