//! Files and functions that a reader can hold in the head, and a README that is read to its end.

use super::code::code_only;
use super::workspace::Source;

/// Lines of a Rust file; longer ones are split by concept.
const FILE_LINES_MAX: usize = 600;
/// Lines of a function, from `fn` to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;

/// Lines of the README; longer texts are pages of `docs`.
const README_LINES_MAX: usize = 90;

/// Findings of files and functions that are too long.
pub fn check(sources: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    let readme = sources.iter().find(|source| source.path == "README.md");
    if let Some(lines) = readme.map(|it| it.text.lines().count()).filter(|lines| *lines > README_LINES_MAX) {
        findings.push(format!(
            "README.md: {lines} lines, at most {README_LINES_MAX}; move long forms to docs and link them"
        ));
    }
    for source in sources.iter().filter(|source| source.path.ends_with(".rs")) {
        let lines = source.text.lines().count();
        if lines > FILE_LINES_MAX {
            findings.push(format!(
                "{}: {lines} lines, at most {FILE_LINES_MAX}; split it by concept",
                source.path
            ));
        }
        for function in functions(&code_only(&source.text)) {
            if function.lines > FUNCTION_LINES_MAX {
                findings.push(format!(
                    "{}:{}: `fn {}` has {} lines, at most {FUNCTION_LINES_MAX}; name its steps as functions",
                    source.path, function.line, function.name, function.lines
                ));
            }
        }
    }
    findings
}

/// A function with a body.
pub(super) struct Function {
    /// Its name.
    pub name: String,
    /// The line of its `fn`, from 1.
    pub line: usize,
    /// Its lines.
    pub lines: usize,
}

/// Functions with a body, by counting braces in text without comments and literals.
pub(super) fn functions(code: &str) -> Vec<Function> {
    let mut functions = Vec::new();
    // Functions whose body is open: index of their record and the depth outside the body.
    let mut open: Vec<(Function, usize)> = Vec::new();
    let mut waiting: Option<Function> = None;
    let mut depth = 0;
    for (index, line) in code.lines().enumerate() {
        let mut rest = line;
        while let Some(at) = rest.find(|c| "{};".contains(c) || c == 'f') {
            let after = &rest[at + 1..];
            match rest.as_bytes()[at] {
                b'{' => {
                    if let Some(function) = waiting.take() {
                        open.push((function, depth));
                    }
                    depth += 1;
                }
                b'}' => {
                    depth = depth.saturating_sub(1);
                    if open.last().is_some_and(|(_, outside)| *outside == depth) {
                        let (mut function, _) = open.pop().expect("there is a last one");
                        function.lines = index + 2 - function.line;
                        functions.push(function);
                    }
                }
                b';' => waiting = None,
                _ => {
                    let starts_word = !rest[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
                    if let (true, Some(named)) = (starts_word, after.strip_prefix("n ")) {
                        let name: String =
                            named.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                        if !name.is_empty() {
                            waiting = Some(Function { name, line: index + 1, lines: 0 });
                        }
                    }
                }
            }
            rest = after;
        }
    }
    functions
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_lines(body: &str, expected: &[(&str, usize)]) {
        let found: Vec<_> = functions(&code_only(body)).into_iter().map(|f| (f.name, f.lines)).collect();
        let expected: Vec<_> = expected.iter().map(|(name, lines)| ((*name).to_owned(), *lines)).collect();
        assert_eq!(found, expected, "{body}");
    }

    #[test]
    fn functions_are_counted_whole() {
        check_lines("fn a() {\n}\n", &[("a", 2)]);
        check_lines("fn a(\n) {\n  fn b() {\n  }\n}\n", &[("b", 2), ("a", 5)]);
        check_lines("trait T { fn a();\n fn b() { 1 }\n}\n", &[("b", 1)]);
        check_lines(
            "fn a<'x>() {\n let c = '{'; let s = \"}\\\"{\"; // }\n /* } */ let r = r#\"}\"#;\n}\n",
            &[("a", 4)],
        );
    }

    #[test]
    fn what_is_too_long_is_found() {
        let long = format!("fn a() {{\n{}}}\n", "x;\n".repeat(FUNCTION_LINES_MAX));
        let file = "\n".repeat(FILE_LINES_MAX + 1);
        let source = |path: &str, text: String| Source { path: path.to_owned(), text };
        let findings =
            check(&[source("a.rs", long), source("b.rs", file), source("c.rs", "fn a() {\n}\n".to_owned())]);
        assert_eq!(findings.len(), 2, "{findings:?}");
        let readme = |lines: usize| check(&[source("README.md", "\n".repeat(lines))]).len();
        assert_eq!((readme(README_LINES_MAX), readme(README_LINES_MAX + 1)), (0, 1));
        assert!(findings[0].starts_with("a.rs:1: `fn a` has 72 lines"), "{findings:?}");
        assert!(findings[1].starts_with("b.rs: 601 lines"), "{findings:?}");
    }
}
