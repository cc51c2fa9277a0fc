//! What a shell offers for a line that is not complete yet.

use std::fs;
use std::path::Path;
use std::process::Command;

/// The candidates of bash for the last word of a line, sorted and without flags.
fn complete(folder: &Path, line: &str) -> Vec<String> {
    let words: Vec<&str> = line.split(' ').collect();
    let ran = Command::new(env!("CARGO_BIN_EXE_headwater-client"))
        .arg("--")
        .args(&words)
        .current_dir(folder)
        .env("HEADWATER_CLIENT_COMPLETE", "bash")
        .env("_CLAP_IFS", "\n")
        .env("_CLAP_COMPLETE_INDEX", (words.len() - 1).to_string())
        .output()
        .unwrap();
    assert!(ran.status.success(), "{line}: {ran:?}");
    let stdout = String::from_utf8(ran.stdout).unwrap();
    let mut candidates: Vec<String> =
        stdout.lines().filter(|word| !word.starts_with("--")).map(str::to_owned).collect();
    candidates.sort();
    candidates
}

#[test]
fn words_ids_and_files_are_completed_each_where_it_is_meant() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("pc-file"), "").unwrap();
    fs::create_dir(folder.path().join("data")).unwrap();
    fs::write(folder.path().join("data/id"), "pc-17\n").unwrap();
    let check = |line: &str, expected: &[&str]| {
        assert_eq!(complete(folder.path(), line), expected, "{line}");
    };
    check("headwater-client up", &["update"]);
    check("headwater-client completions b", &["bash"]);
    check("headwater-client run --data data --id ", &["pc-17"]);
    check("headwater-client run --data data --id pc", &["pc-17"]);
    check("headwater-client run --data data --id other", &[]);
    // Addresses are no files.
    check("headwater-client run --address pc", &[]);
    check("headwater-client enrol pc", &["pc-file"]);
    check("headwater-client run --bundle pc", &["pc-file"]);
}
