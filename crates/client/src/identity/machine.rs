//! The machine on which this client enrolled, so that a copied data folder is noticed there (I3a).
//!
//! Kept is an HMAC of the machine's id under a random secret beside it: the id itself neither leaves the machine nor lies
//! here. A container may get another id at any start, so a mismatch warns and blocks nothing.

use std::path::Path;

use headwater_depot::files::{self, FileAccess};
use headwater_identity::MachineMark;

use crate::data::DataFolder;
use crate::error::Error;
use crate::limits::IDENTITY_FILE_BYTES_MAX;
use crate::os;

const FILE: &str = "machine.json";

/// Digits of a machine's id: 128 bits, hexadecimal.
const ID_DIGITS: usize = 32;

/// Remembers the machine, in place of one that was remembered. Without an id nothing is remembered.
pub(crate) fn remember(folder: &DataFolder, id_file: &Path) -> Result<(), Error> {
    let path = folder.identity(FILE);
    let Some(id) = machine_id(id_file) else {
        return files::remove_if_present(&path).map_err(Error::file("removing", &path));
    };
    let mark = MachineMark::make(&id).map_err(super::internal)?;
    let bytes = serde_json::to_vec(&mark).map_err(|error| Error::Internal(error.to_string()))?;
    files::replace(&path, &bytes, FileAccess::Owner).map_err(Error::file("writing the machine's mark", &path))
}

/// Remembers the machine if none is remembered.
pub(crate) fn adopt(folder: &DataFolder, id_file: &Path) -> Result<(), Error> {
    if read(folder).is_some() { Ok(()) } else { remember(folder, id_file) }
}

/// What a person is to know if this is not the machine on which this client enrolled. Writes nothing.
pub(crate) fn warning(folder: &DataFolder, id_file: &Path) -> Option<String> {
    let (mark, id) = (read(folder)?, machine_id(id_file)?);
    (!mark.is_of(&id)).then(|| {
        format!(
            "this client enrolled on another machine: {} differs. If this data folder was copied, two machines use one identity: \
             enrol this one with an empty data folder and another id. If nobody copied it (a container, a new machine id), \
             re-enrol it with a new key, or remove {}",
            id_file.display(),
            folder.identity(FILE).display()
        )
    })
}

/// A damaged file counts as none.
fn read(folder: &DataFolder) -> Option<MachineMark> {
    let bytes = os::read_bounded(&folder.identity(FILE), IDENTITY_FILE_BYTES_MAX).ok().flatten()?;
    serde_json::from_slice(&bytes).ok()
}

/// The id of this machine; `None` where there is none yet.
fn machine_id(file: &Path) -> Option<String> {
    let bytes = os::read_bounded(file, IDENTITY_FILE_BYTES_MAX).ok().flatten()?;
    let id = String::from_utf8(bytes).ok()?.trim().to_ascii_lowercase();
    (id.len() == ID_DIGITS && id.bytes().all(|digit| digit.is_ascii_hexdigit())).then_some(id)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn another_machine_is_noticed_and_one_without_an_id_is_not() {
        let data = tempfile::tempdir().unwrap();
        let folder = DataFolder::new(data.path());
        os::create_folder(&data.path().join("identity")).unwrap();
        let id_file = data.path().join("machine-id");
        let is_other = |id: Option<&str>| {
            match id {
                Some(id) => fs::write(&id_file, id).unwrap(),
                None => fs::remove_file(&id_file).unwrap(),
            }
            adopt(&folder, &id_file).unwrap();
            warning(&folder, &id_file).is_some()
        };
        let (one, other) = ("0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdee");
        assert!(!is_other(Some("uninitialized\n")));
        assert!(!folder.identity(FILE).exists(), "there is nothing to remember");
        assert!(!is_other(Some(&format!("{one}\n"))), "an identity without a mark takes this machine's");
        assert!(
            !fs::read_to_string(folder.identity(FILE)).unwrap().contains(one),
            "the id does not lie here"
        );
        assert!(is_other(Some(other)));
        assert!(is_other(Some(other)), "what is remembered stays");
        assert!(!is_other(Some("")));
        assert!(!is_other(None));
        assert!(!is_other(Some(one)));
        fs::write(&id_file, other).unwrap();
        remember(&folder, &id_file).unwrap();
        assert!(!is_other(Some(other)));
        fs::write(folder.identity(FILE), "{").unwrap();
        assert!(!is_other(Some(one)), "a damaged mark is made again");
    }
}
