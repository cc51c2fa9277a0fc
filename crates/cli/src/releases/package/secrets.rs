//! Refuses secrets as content of a release: a server's data folder, and private keys of servers, repositories and key
//! holders.
//!
//! A key is recognised by its file name *and* its content: certificates, public keys and the keys of other programs are
//! content like any other.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use headwater_policy::Repository;
use headwater_repo::Role;

use super::file::PackedFile;
use crate::limits::KEY_FILE_BYTES_MAX;
use crate::terminal::failure::Failure;

/// Refuses a server's data folder and everything in it.
pub fn refuse_data_folder(path: &Path) -> Result<(), Failure> {
    let real = path.canonicalize().map_err(|error| Failure::file("find", path, &error))?;
    match real.ancestors().find(|folder| is_data_folder(folder)) {
        None => Ok(()),
        Some(folder) => Err(refused(format!(
            "{} is in {}, the data folder of a server, with its keys",
            path.display(),
            folder.display()
        ))),
    }
}

/// Refuses files if one of them is a private key, or belongs to a data folder among them.
pub fn refuse_keys(files: &[PackedFile]) -> Result<(), Failure> {
    for file in files {
        let path = file.path.display();
        if file.path.ends_with(SERVER_LOCK) && file.path.parent().is_some_and(is_data_folder) {
            return Err(refused(format!("{path} belongs to the data folder of a server, with its keys")));
        }
        if has_name_of_a_key(&file.path) && holds_a_private_key(file)? {
            return Err(refused(format!("{path} is a private key, and anybody may read what is published")));
        }
    }
    Ok(())
}

const SERVER_LOCK: &str = "server.lock";

fn refused(message: String) -> Failure {
    Failure::bad_input(message).with_hint("publish a folder that contains only what clients should get")
}

fn is_data_folder(folder: &Path) -> bool {
    folder.join(SERVER_LOCK).is_file() && folder.join("keys").is_dir()
}

/// Keys of a server's data folder that belong to no role and no repository.
const SERVER_KEYS: [&str; 3] = ["ca", "response-signing", "enrolment-encryption"];

/// Whether a file is named like a key: `root.pem`, `root-0123456789ab.pem`, `enrolment-encryption-until-1795132800.pem`.
fn has_name_of_a_key(path: &Path) -> bool {
    if path.extension().is_none_or(|extension| extension != "pem") {
        return false;
    }
    let Some(name) = path.file_stem().and_then(|name| name.to_str()) else { return false };
    let roles = Role::ALL.iter().map(|role| role.name());
    let repositories = Repository::ALL.map(Repository::as_str).into_iter();
    let mut rests = roles.chain(repositories).chain(SERVER_KEYS).filter_map(|key| name.strip_prefix(key));
    let is_id = |part: &str| part.len() == 12 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_suffix = |part: &str| part == "until" || is_id(part) || is_number(part);
    rests.any(|rest| {
        let suffixes = rest.strip_prefix('-').map(|suffixes| suffixes.split('-').all(is_suffix));
        suffixes.unwrap_or(rest.is_empty())
    })
}

fn holds_a_private_key(file: &PackedFile) -> Result<bool, Failure> {
    if file.size > KEY_FILE_BYTES_MAX {
        return Ok(false);
    }
    let mut bytes = Vec::new();
    File::open(&file.path)
        .and_then(|opened| opened.take(KEY_FILE_BYTES_MAX).read_to_end(&mut bytes))
        .map_err(|error| Failure::file("read", &file.path, &error))?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(["-----BEGIN PRIVATE KEY-----", "-----BEGIN ENCRYPTED PRIVATE KEY-----"]
        .iter()
        .any(|begin| text.contains(begin)))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use headwater_repo::SecretKey;
    use secrecy::ExposeSecret as _;

    use crate::limits::KEY_FILE_BYTES_MAX;
    use crate::releases::package::Package;

    #[test]
    fn keys_are_recognised_by_name_and_content() {
        let folder = tempfile::tempdir().unwrap();
        let key = SecretKey::generate().unwrap().to_pem().expose_secret().to_owned();
        let encrypted = key.replace(" PRIVATE", " ENCRYPTED PRIVATE");
        let certificate = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
        let ca = format!("{certificate}{key}");
        let check = |name: &str, text: &str, refused: bool| {
            fs::create_dir(folder.path().join("rules")).unwrap();
            fs::write(folder.path().join("rules").join(name), text).unwrap();
            for path in [folder.path().join("rules"), folder.path().join("rules").join(name)] {
                let package = Package::of(&path, true).map(|_| ());
                assert_eq!(package.is_err(), refused, "{name}: {package:?}");
            }
            fs::remove_dir_all(folder.path().join("rules")).unwrap();
        };
        check("root-0123456789ab.pem", &key, true);
        check("timestamp.pem", &key, true);
        check("snapshot-until-1795132800-0123456789ab.pem", &key, true);
        check("components.pem", &encrypted, true);
        check("ca-2.pem", &ca, true);
        check("response-signing.pem", &key, true);
        check("response-signing-1795132800.pem", &key, true);
        check("enrolment-encryption.pem", &key, true);
        check("enrolment-encryption-until-1795132800.pem", &key, true);
        // An organisation may publish these.
        check("root.pem", certificate, false);
        check("ca-1.pem", certificate, false);
        check("root-ca.pem", &ca, false);
        check("proxy.pem", &key, false);
        check("response-signing.txt", &key, false);
        check("response-signing-new.pem", &key, false);
        check("encryption.pem", &key, false);
        check("rooted.pem", &key, false);
        check("targets.pem", "-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----\n", false);
        let room = usize::try_from(KEY_FILE_BYTES_MAX).unwrap() - key.len();
        check("root.pem", &format!("{}{key}", " ".repeat(room)), true);
        check("root.pem", &format!("{}{key}", " ".repeat(room + 1)), false);
    }

    #[test]
    fn a_data_folder_is_never_content() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("all/data");
        fs::create_dir_all(data.join("keys/components")).unwrap();
        fs::create_dir_all(data.join("repository")).unwrap();
        fs::write(folder.path().join("all/rules"), "rules").unwrap();
        fs::write(data.join("keys/audit.key"), "secret").unwrap();
        fs::write(data.join("repository/blob"), "blob").unwrap();
        // Without the marker it is a folder like any other.
        let check = |path: &Path, refused: bool| {
            let package = Package::of(path, false).map(|_| ());
            assert_eq!(package.is_err(), refused, "{}: {package:?}", path.display());
        };
        let paths = [data.clone(), data.join("keys"), data.join("keys/audit.key"), data.join("repository")];
        paths.iter().chain([&folder.path().join("all")]).for_each(|path| check(path, false));
        fs::write(data.join("server.lock"), "").unwrap();
        paths.iter().chain([&folder.path().join("all")]).for_each(|path| check(path, true));
        check(&folder.path().join("all/rules"), false);
    }
}
