//! Rust text without what is not code: what the rules about names and lengths read.

/// The text with comments, strings and characters blanked, its lines where they were.
pub fn code_only(text: &str) -> String {
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
        '/' if next == '/' => (at..text.len()).find(|i| text[*i] == '\n').unwrap_or(text.len()),
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
    use super::code_only;

    #[test]
    fn comments_and_literals_are_blanked() {
        let check = |text: &str, expected: &str| assert_eq!(code_only(text), expected);
        check("a // b\nc", "a     \nc");
        check("a // b", "a     ");
        check("a /* b\n */ c", "a     \n    c");
        check("f(\"x\\\"\", 'y', r#\"z\"#, 'a)", "f(     ,    ,       , 'a)");
    }
}
