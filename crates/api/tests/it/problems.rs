//! Bad files, and everything that must be reported about them. `UPDATE=1` writes the latter again.
//!
//! A file is `policy` (to be saved), `plan` (a policy to make plans from) or `client` on a line, the JSON, `---`, and the problems, one a line.

use std::path::Path;

use headwater_api::policy::{ClientDocument, PolicyDocument};

#[test]
fn every_problem_is_reported() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/problems");
    let mut wrong = Vec::new();
    let mut count = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let (given, expected) = text.split_once("---\n").unwrap_or((&text, ""));
        let (kind, json) = given.split_once('\n').unwrap();
        let problems = match kind {
            "policy" => PolicyDocument::parse(json).err(),
            "plan" => PolicyDocument::parse_for_plan(json).err(),
            "client" => ClientDocument::parse(json).err(),
            _ => panic!("{}: `{kind}` is no kind of file", path.display()),
        };
        let found: String =
            problems.unwrap_or_default().iter().map(|problem| format!("{problem}\n")).collect();
        count += 1;
        if found == expected {
            continue;
        }
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, format!("{given}---\n{found}")).unwrap();
        } else {
            wrong.push(format!("{}: expected\n{expected}but found\n{found}", path.display()));
        }
    }
    assert!(count >= 5, "only {count} files were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
