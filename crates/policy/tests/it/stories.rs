//! Runs every story: the plans must be those that stand beside it. `UPDATE=1` writes them again.

use std::path::Path;

use crate::story::{read, render};

#[test]
#[expect(clippy::disallowed_methods, reason = "stories are files beside this test")]
fn every_story_ends_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stories");
    let mut wrong = Vec::new();
    let mut count = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let (story, expected) = text.split_once("---\n").unwrap_or((&text, ""));
        let found = render(read(story));
        count += 1;
        if found == expected {
            continue;
        }
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, format!("{story}---\n{found}")).unwrap();
        } else {
            wrong.push(format!("{}: expected\n{expected}but found\n{found}", path.display()));
        }
    }
    assert!(count >= 15, "only {count} stories were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
