//! What one Rust file declares and names: its modules, its `use` items and the paths in its code.
//!
//! It reads words and punctuation and no more of the grammar than it needs. Items under `#[cfg(test)]` are skipped: a
//! test may name anything.

use std::collections::BTreeSet;

use super::code::code_only;

/// A module's path from the crate's root: `["rest", "table"]`.
pub type ModulePath = Vec<String>;

/// What a file declares and names. Inline modules count as modules of their own in the same file.
#[derive(Debug, Default)]
pub struct Imports {
    /// Modules that the file declares, and whether their text lies in a file of their own.
    pub modules: Vec<(ModulePath, bool)>,
    /// One for each name that a `use` item brings in.
    pub uses: Vec<Use>,
    /// Paths of two or more segments in the code, each with the module that it stands in.
    pub paths: Vec<(ModulePath, Vec<String>)>,
    /// Items that the file defines, each with its module.
    pub items: BTreeSet<(ModulePath, String)>,
}

/// One name that a `use` item brings in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// The module that the item stands in.
    pub module: ModulePath,
    /// What is named, as it is written.
    pub path: Vec<String>,
    /// The name here; `*` for all that there is.
    pub name: String,
    /// Whether other modules may use the name: `pub use`, `pub(crate) use`.
    pub public: bool,
}

/// Reads the file of `module`.
pub fn read(text: &str, module: &[String]) -> Imports {
    let code = code_only(text);
    let tokens = tokens(&code);
    let mut reader = Reader {
        tokens: &tokens,
        at: 0,
        module: module.to_vec(),
        opened: Vec::new(),
        found: Imports::default(),
    };
    while reader.at < tokens.len() {
        reader.step();
    }
    reader.found
}

/// Words, `::`, and single characters.
fn tokens(code: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let length = match word {
            0 if rest.starts_with("::") => 2,
            0 => first.len_utf8(),
            _ => word,
        };
        if !first.is_whitespace() {
            tokens.push(&rest[..length]);
        }
        rest = &rest[length..];
    }
    tokens
}

struct Reader<'a> {
    tokens: &'a [&'a str],
    at: usize,
    /// The module that the next token stands in.
    module: ModulePath,
    /// Open braces, and which of them are inline modules.
    opened: Vec<bool>,
    found: Imports,
}

impl<'a> Reader<'a> {
    fn step(&mut self) {
        let public = self.token(0) == "pub";
        if public {
            self.at += 1;
            if self.token(0) == "(" {
                self.skip_balanced();
            }
        }
        match self.token(0) {
            "#" => self.attribute(),
            "mod" if is_word(self.token(1)) => self.declared(),
            "use" => self.import(public),
            "fn" | "struct" | "enum" | "trait" | "type" | "const" | "static" | "union"
                if is_word(self.token(1)) =>
            {
                self.found.items.insert((self.module.clone(), self.token(1).to_owned()));
                self.at += 2;
            }
            "{" => {
                self.opened.push(false);
                self.at += 1;
            }
            "}" => {
                if self.opened.pop() == Some(true) {
                    self.module.pop();
                }
                self.at += 1;
            }
            word if is_word(word) => self.path(),
            _ => self.at += 1,
        }
    }

    /// An attribute; what `#[cfg(test)]` stands before is skipped whole.
    fn attribute(&mut self) {
        let start = self.at;
        self.at += if self.token(1) == "!" { 2 } else { 1 };
        self.skip_balanced();
        let words = &self.tokens[start..self.at];
        if words.get(2) == Some(&"cfg") && words.contains(&"test") && !words.contains(&"not") {
            while !["{", ";", ""].contains(&self.token(0)) {
                if self.token(0) == "(" { self.skip_balanced() } else { self.at += 1 }
            }
            if self.token(0) == "{" { self.skip_balanced() } else { self.at += 1 }
        }
    }

    fn declared(&mut self) {
        let mut module = self.module.clone();
        module.push(self.token(1).to_owned());
        let inline = self.token(2) == "{";
        if inline {
            self.opened.push(true);
            self.module.clone_from(&module);
        }
        self.found.modules.push((module, !inline));
        self.at += 3;
    }

    fn import(&mut self, public: bool) {
        self.at += 1;
        self.tree(&mut Vec::new(), public);
    }

    /// One tree of a `use` item, from its first token to the one behind it.
    fn tree(&mut self, prefix: &mut Vec<String>, public: bool) {
        let depth = prefix.len();
        loop {
            match self.token(0) {
                "::" => self.at += 1,
                "{" => {
                    self.at += 1;
                    while !["}", ""].contains(&self.token(0)) {
                        self.tree(prefix, public);
                        self.at += usize::from(self.token(0) == ",");
                    }
                    self.at += 1;
                    break;
                }
                "*" => {
                    self.at += 1;
                    self.bring(prefix, "*", public);
                    break;
                }
                word if is_word(word) => {
                    self.at += 1;
                    if word != "self" || prefix.is_empty() {
                        prefix.push(word.to_owned());
                    }
                    if self.token(0) == "as" {
                        let name = self.token(1).to_owned();
                        self.at += 2;
                        self.bring(prefix, &name, public);
                        break;
                    }
                    if self.token(0) != "::" {
                        let name = prefix.last().cloned().unwrap_or_default();
                        self.bring(prefix, &name, public);
                        break;
                    }
                }
                _ => break,
            }
        }
        prefix.truncate(depth);
    }

    fn bring(&mut self, path: &[String], name: &str, public: bool) {
        let name = name.to_owned();
        self.found.uses.push(Use { module: self.module.clone(), path: path.to_vec(), name, public });
    }

    /// A word, or the path that begins with it.
    fn path(&mut self) {
        let mut path = vec![self.token(0).to_owned()];
        let continues = self.at > 0 && [".", "::"].contains(&self.tokens[self.at - 1]);
        self.at += 1;
        while self.token(0) == "::" && is_word(self.token(1)) {
            path.push(self.token(1).to_owned());
            self.at += 2;
        }
        if path.len() > 1 && !continues {
            self.found.paths.push((self.module.clone(), path));
        }
    }

    /// From an opening bracket to behind the one that closes it.
    fn skip_balanced(&mut self) {
        let mut depth = 0_usize;
        while self.at < self.tokens.len() {
            match self.token(0) {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth = depth.saturating_sub(1),
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return;
            }
        }
    }

    /// The token that is `ahead` of the next one; empty behind the end.
    fn token(&self, ahead: usize) -> &'a str {
        self.tokens.get(self.at + ahead).copied().unwrap_or_default()
    }
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uses(text: &str) -> Vec<String> {
        let shown = |it: Use| {
            let public = if it.public { "pub " } else { "" };
            format!("{public}{}: {} = {}", it.module.join("::"), it.name, it.path.join("::"))
        };
        read(text, &["m".to_owned()]).uses.into_iter().map(shown).collect()
    }

    #[test]
    fn a_use_item_is_one_use_for_each_name() {
        assert_eq!(
            uses("use crate::a::{self, B, c::D as E};"),
            ["m: a = crate::a", "m: B = crate::a::B", "m: E = crate::a::c::D"]
        );
        assert_eq!(uses("pub(crate) use self::a::*;"), ["pub m: * = self::a"]);
        assert_eq!(uses("mod n { use super::X; } use Y;"), ["m::n: X = super::X", "m: Y = Y"]);
    }

    #[test]
    fn what_stands_under_cfg_test_is_not_read() {
        let text = "#[cfg(test)]\nuse crate::a;\n#[cfg(test)]\nmod tests { use crate::b; }\nuse crate::c;";
        assert_eq!(uses(text), ["m: c = crate::c"]);
        assert_eq!(uses("#[cfg(not(test))]\nuse crate::a;"), ["m: a = crate::a"]);
    }

    #[test]
    fn modules_paths_and_items_are_found() {
        let found = read("mod a; mod b { fn f() { crate::a::g(); x.y::<T>() } }\n// mod c;", &[]);
        let names: Vec<_> = found.modules.iter().map(|(path, file)| (path.join("::"), *file)).collect();
        assert_eq!(names, [("a".to_owned(), true), ("b".to_owned(), false)]);
        let paths: Vec<_> =
            found.paths.iter().map(|(module, path)| (module.join("::"), path.join("::"))).collect();
        assert_eq!(paths, [("b".to_owned(), "crate::a::g".to_owned())]);
        assert!(found.items.contains(&(vec!["b".to_owned()], "f".to_owned())));
    }
}
