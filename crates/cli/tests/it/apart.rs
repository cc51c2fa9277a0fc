//! Keys and the repository stay apart, even if somebody mixes up the folders.

use std::fs;
use std::path::Path;

use crate::run::{done, headwater};

#[test]
fn keys_are_never_published() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let refused = |arguments: &str, word: &str| {
        let ran = headwater(here, &arguments.split(' ').collect::<Vec<_>>());
        assert!(ran.exit == 2 && ran.stderr.contains(word), "{arguments}: {ran:?}");
        assert!(ran.stderr.contains("hint: "), "{arguments}: {ran:?}");
    };
    for keys in ["public/keys", "public", ".", "public/components/../keys", "./x/../public/keys"] {
        refused(&format!("repo init public --keys {keys}"), "are not apart");
    }
    assert!(!here.join("public").exists() && !here.join("x").exists(), "nothing was made");

    done(here, &["repo", "init", "public", "--keys", "keys"]);
    let inside = here.join("public/keys");
    copy(&here.join("keys"), &inside);
    for command in ["publish public keys --name a --version 1", "deltas public a", "rollback public a --to 1"]
    {
        refused(&format!("repo {command} --keys public/keys"), "are not apart");
    }
    for command in ["refresh public", "rotate public timestamp --because planned"] {
        refused(&format!("repo {command} --keys public/keys"), "are not apart");
    }
    refused("keys show --repository public --online-keys public/keys", "are not apart");
    refused("keys init --repository public --online-keys keys --out public/root-keys", "are not apart");
    fs::remove_dir_all(&inside).unwrap();

    let publish = "repo publish public --keys keys --name a --version 1";
    for content in ["keys", ".", "keys/pending/../lock"] {
        fs::create_dir_all(here.join("keys/pending")).unwrap();
        refused(&format!("{publish} {content}"), "which is the key folder");
    }
    for content in ["public", "public/components/metadata"] {
        refused(&format!("{publish} {content}"), "which is the repository");
    }
    copy(&here.join("keys"), &here.join("copy"));
    refused(&format!("{publish} copy"), "is a private key");
    refused("publish copy --name a", "is a private key");
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("public", here.join("link")).unwrap();
        refused("repo refresh public --keys link", "are not apart");
        refused(&format!("{publish} link"), "which is the repository");
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(|entry| entry.unwrap()) {
        if entry.path().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}
