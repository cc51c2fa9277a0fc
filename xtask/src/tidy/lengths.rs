//! Files and functions that a reader can hold in the head.

use super::Source;

/// Lines of a Rust file; longer ones are split by concept.
const FILE_LINES_MAX: usize = 600;
/// Lines of a function, from `fn` to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;

/// Findings of files and functions that are too long.
pub fn check(sources: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
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

struct Function {
    name: String,
    line: usize,
    lines: usize,
}

/// Functions with a body, by counting braces in text without comments and literals.
fn functions(code: &str) -> Vec<Function> {
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

/// The text with comments, strings and characters blanked, its lines where they were.
fn code_only(text: &str) -> String {
    let bytes: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = literal_end(&bytes, at);
        if end == at {
            code.push(bytes[at]);
            at += 1;
        } else {
            code.extend(bytes[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    code
}

/// Where the comment or literal that begins at `at` ends; `at` if none begins there.
fn literal_end(text: &[char], at: usize) -> usize {
    let find = |from: usize, wanted: &str| {
        let wanted: Vec<char> = wanted.chars().collect();
        (from..text.len()).find(|i| text[*i..].starts_with(&wanted)).map_or(text.len(), |i| i + wanted.len())
    };
    let next = text.get(at + 1).copied().unwrap_or(' ');
    let after_word = at > 0 && (text[at - 1].is_alphanumeric() || text[at - 1] == '_');
    match text[at] {
        '/' if next == '/' => find(at, "\n") - 1,
        '/' if next == '*' => find(at, "*/"),
        '"' => quoted_end(text, at + 1, '"'),
        'r' if !after_word || text[at - 1] == 'b' => {
            let hashes = text[at + 1..].iter().take_while(|c| **c == '#').count();
            match text.get(at + 1 + hashes) {
                Some('"') => find(at + 2 + hashes, &format!("\"{}", "#".repeat(hashes))),
                _ => at,
            }
        }
        // A character, not a lifetime.
        '\'' if next == '\\' || text.get(at + 2) == Some(&'\'') => quoted_end(text, at + 1, '\''),
        _ => at,
    }
}

fn quoted_end(text: &[char], mut at: usize, quote: char) -> usize {
    while at < text.len() {
        match text[at] {
            '\\' => at += 2,
            c if c == quote => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
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
        assert!(findings[0].starts_with("a.rs:1: `fn a` has 72 lines"), "{findings:?}");
        assert!(findings[1].starts_with("b.rs: 601 lines"), "{findings:?}");
    }
}
