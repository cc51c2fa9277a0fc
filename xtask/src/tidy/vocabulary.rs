//! Plain technical English: words of the dialect that the project had, each with what to use instead.
//!
//! Words are looked for in comments, texts and names of Rust files, in Markdown and in the OpenAPI document. In a name
//! they are its parts: `a_word_of_it`, `WordOfIt`.

use std::collections::BTreeMap;

use super::code::code_only;
use super::workspace::Source;

/// Banned everywhere: in prose as words, in names as parts of them.
const WORDS: [(&str, &str); 19] = [
    ("told", "`rendered`, `described`, `notified`, `reported`: what it is"),
    ("said", "`output`, `message`, `stated`: what it is"),
    ("lacks", "`has no`, `is missing`"),
    ("lacking", "`missing`, `without`"),
    ("whoever", "name who acts"),
    ("whom", "name the one"),
    ("thereof", "`of it`"),
    ("by itself", "`automatically`, or `alone`"),
    ("by themselves", "`automatically`, or `alone`"),
    ("way out", "`hint`, or name what to do"),
    ("is to be had", "`is available`"),
    ("anew", "`again`"),
    ("in vain", "`without success`"),
    ("good for nothing", "`useless`, or name what is wrong"),
    ("heard", "`received`, `knows`"),
    ("readmit", "`re-enrol`"),
    ("at hand", "`present`, `available`, `held`: what it is"),
    ("given out", "`published`, `issued`, `sent`"),
    ("gives out", "`publishes`, `issues`, `sends`"),
];

/// Banned in prose alone: in code they are ordinary (`let in_use`).
const PROSE: [(&str, &str); 9] = [
    ("shut out", "`revoked`, `rejected`"),
    ("shuts out", "`revokes`, `rejects`"),
    ("shut one out", "`revoke one`"),
    ("shuts one out", "`revokes one`"),
    ("let in", "`admitted`"),
    ("lets in", "`admits`"),
    ("none: it", "`None` if …"),
    ("none: the", "`None` if …"),
    ("none: there", "`None` if …"),
];

/// Banned as names, or as parts of names in snake case.
const NAMES: [(&str, &str); 18] = [
    ("tell", "`render`, `describe`, `report`, `notify`"),
    ("say", "`render`, `describe`, `report`, `state`"),
    ("Assortment", "`DeltaPlan`"),
    ("Lineup", "`ReleaseChain`"),
    ("Workshop", "`DeltaWorker`"),
    ("Board", "`JobStatuses`"),
    ("Desk", "`DraftClient`"),
    ("Shelf", "`ServedTree`"),
    ("Door", "`Admission`"),
    ("Onlooker", "`ProgressSink`"),
    ("Believed", "`TrustAnchors`"),
    ("Disbelief", "`VerifyError`"),
    ("Doubt", "`VerifyError`"),
    ("Nameless", "`Anonymous`"),
    ("Judged", "`ProbeOutcome`"),
    ("WentBack", "`Reverted`"),
    ("Unsaid", "`SendError`"),
    ("Stranger", "`UnknownClient`"),
];

/// Places where a banned word is the right one: file, word, reason.
const ALLOWED: [(&str, &str, &str); 1] =
    [("xtask/src/tidy/vocabulary.rs", "", "this list names what it bans")];

/// A banned word and where it stands.
struct Finding {
    path: String,
    line: usize,
    word: &'static str,
    hint: &'static str,
}

/// Findings of banned words.
pub fn check(sources: &[Source]) -> Vec<String> {
    let shown = |it: Finding| format!("{}:{}: `{}`: use {}", it.path, it.line, it.word, it.hint);
    sources.iter().filter(|source| is_read(&source.path)).flat_map(findings).map(shown).collect()
}

/// How often each word stands in each crate, one line a crate; the worst first.
pub fn counts(sources: &[Source]) -> Vec<String> {
    let mut counts: BTreeMap<String, BTreeMap<&str, usize>> = BTreeMap::new();
    for source in sources.iter().filter(|source| is_read(&source.path)) {
        for it in findings(source) {
            *counts.entry(area(&it.path)).or_default().entry(it.word).or_default() += 1;
        }
    }
    let mut lines: Vec<(usize, String)> = Vec::new();
    for (area, words) in counts {
        let mut words: Vec<_> = words.into_iter().collect();
        words.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let total = words.iter().map(|(_, count)| count).sum();
        let words: Vec<String> = words.into_iter().map(|(word, count)| format!("{word} {count}")).collect();
        lines.push((total, format!("{total:>5}  {area:<16} {}", words.join(", "))));
    }
    lines.sort_by_key(|(total, _)| std::cmp::Reverse(*total));
    lines.into_iter().map(|(_, line)| line).collect()
}

/// The crate of a file, or its folder.
fn area(path: &str) -> String {
    let mut parts = path.split('/');
    match parts.next() {
        Some("crates") => format!("crates/{}", parts.next().unwrap_or_default()),
        Some(first) => first.to_owned(),
        None => String::new(),
    }
}

fn is_read(path: &str) -> bool {
    let is_rust = path.ends_with(".rs") && (path.starts_with("crates/") || path.starts_with("xtask/"));
    is_rust || path.ends_with(".md") || path == "docs/openapi.json"
}

fn findings(source: &Source) -> Vec<Finding> {
    let is_rust = source.path.ends_with(".rs");
    let code = if is_rust { code_only(&source.text) } else { blank(&source.text) };
    let prose = without(&source.text, &code);
    let mut findings = Vec::new();
    for (index, (code, prose)) in code.lines().zip(prose.lines()).enumerate() {
        let lower = prose.to_lowercase();
        let in_prose = WORDS.iter().chain(&PROSE).filter(|(word, _)| has_word(&lower, word));
        let in_names = names_in(code);
        for (word, hint) in in_prose.chain(in_names) {
            findings.push(Finding { path: source.path.clone(), line: index + 1, word, hint });
        }
    }
    findings.retain(|it| {
        !ALLOWED.iter().any(|(path, word, _)| *path == it.path && (word.is_empty() || *word == it.word))
    });
    findings
}

fn blank(text: &str) -> String {
    text.chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect()
}

/// What of the text is not code.
fn without(text: &str, code: &str) -> String {
    text.chars().zip(code.chars()).map(|(c, code)| if c == code && c != '\n' { ' ' } else { c }).collect()
}

/// Whether a text has a word or a phrase, not as a part of another word; `_` ends a word.
fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        [before, after].into_iter().flatten().all(|c| !c.is_alphanumeric())
    })
}

/// The banned words that are names in a line of code, or parts of names.
fn names_in(code: &str) -> Vec<&'static (&'static str, &'static str)> {
    let plain = code.replace('_', " ").to_lowercase();
    let near: Vec<_> =
        WORDS.iter().chain(&NAMES).filter(|(word, _)| plain.contains(&word.to_lowercase())).collect();
    if near.is_empty() {
        return near;
    }
    let words = name_words(code);
    near.into_iter().filter(|(word, _)| words.contains(&format!(" {word} "))).collect()
}

/// The parts of each name in a line of code, and the names: `told_of(X)` gives ` told  of  told of  X `.
fn name_words(code: &str) -> String {
    let mut words = String::from(" ");
    for name in code.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|name| !name.is_empty()) {
        let parts = || name.split('_').flat_map(camel_parts);
        words += &parts().map(|part| format!(" {} ", part.to_lowercase())).collect::<String>();
        words += &format!(" {} ", name.replace('_', " ").to_lowercase());
        words += &format!(" {name} ");
    }
    words
}

/// `WentBack` → `Went`, `Back`.
fn camel_parts(name: &str) -> Vec<&str> {
    let starts = name.char_indices().filter(|(at, c)| *at == 0 || c.is_uppercase()).map(|(at, _)| at);
    let starts: Vec<usize> = starts.collect();
    let ends = starts.iter().skip(1).copied().chain([name.len()]);
    starts.iter().zip(ends).map(|(start, end)| &name[*start..end]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_one(path: &str, text: &str, expected: &[&str]) {
        let findings = findings(&Source { path: path.to_owned(), text: text.to_owned() });
        let found: Vec<String> = findings.iter().map(|it| format!("{} {}", it.line, it.word)).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn banned_words_are_found_in_prose_and_in_names() {
        let path = "crates/a/src/lib.rs";
        check_one(path, "// fine\n/// Whoever is Told.\n", &["2 told", "2 whoever"]);
        check_one(path, "fn is_told() {}\nlet way_out = WhomIt;\n", &["1 told", "2 whom", "2 way out"]);
        check_one(path, "let x = \"the way out: {way_out}\";", &["1 way out"]);
        check_one(path, "struct Desk;\nfn tell_it() {}", &["1 Desk", "2 tell"]);
        check_one("docs/x.md", "Made anew, by itself.", &["1 by itself", "1 anew"]);
        check_one("docs/x.md", "Clients are let in.", &["1 let in"]);
    }

    #[test]
    fn other_words_that_contain_them_are_not() {
        check_one("crates/a/src/lib.rs", "// unheard of, essay\nlet in_use = desktop; fn essay() {}", &[]);
        check_one("crates/a/src/lib.rs", "/// What the page says.\nfn the_page_says() {}", &[]);
    }

    #[test]
    fn counts_are_by_crate() {
        let source = |path: &str, text: &str| Source { path: path.to_owned(), text: text.to_owned() };
        let sources = [source("docs/a.md", "told"), source("crates/b/src/lib.rs", "// told, told\n// said")];
        assert_eq!(
            counts(&sources),
            ["    2  crates/b         said 1, told 1", "    1  docs             told 1"]
        );
    }
}
