//! The modules of a crate, and which file uses what another defines.
//!
//! Steps: follow the `mod` items from the crate's root, read each file, resolve each path to the file that defines the
//! item: through modules, `use` items and re-exports. Paths out of the crate resolve to nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::imports::{self, Imports, ModulePath};
use super::workspace::Source;

/// Re-exports that a path may lead through.
const REEXPORTS_MAX: usize = 16;

/// The modules that one root (`src/lib.rs`, `src/main.rs`) declares.
pub struct Crate {
    /// The file of each module. An inline module has its parent's.
    files: BTreeMap<ModulePath, String>,
    found: Vec<(String, ModulePath, Imports)>,
    /// Names that `use` items bring into a module.
    names: BTreeMap<(ModulePath, String), Vec<String>>,
    /// Modules all of whose names are brought into a module.
    globs: BTreeMap<ModulePath, Vec<Vec<String>>>,
    items: BTreeSet<(ModulePath, String)>,
}

/// A file uses an item that another file of its crate defines.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// The file that uses it.
    pub from: String,
    /// The file that defines it.
    pub to: String,
    /// The item, as it is named at `from`.
    pub path: String,
    /// The item's path from the crate's root, as it is named at `from`, before re-exports are followed.
    pub named: ModulePath,
}

/// Where a path leads.
struct Target {
    module: ModulePath,
    /// The path names the module itself.
    is_module: bool,
}

impl Crate {
    /// The crate whose root is the file `root`, as `crates/server/src/lib.rs`.
    pub fn new(root: &str, sources: &[Source]) -> Self {
        let texts: BTreeMap<&str, &str> =
            sources.iter().map(|it| (it.path.as_str(), it.text.as_str())).collect();
        let folder = root.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut crate_ = Self {
            files: BTreeMap::new(),
            found: Vec::new(),
            names: BTreeMap::new(),
            globs: BTreeMap::new(),
            items: BTreeSet::new(),
        };
        let mut waiting = vec![(ModulePath::new(), root.to_owned())];
        while let Some((module, file)) = waiting.pop() {
            let Some(text) = texts.get(file.as_str()) else { continue };
            let found = imports::read(text, &module);
            for (child, in_file) in &found.modules {
                let base = format!("{folder}/{}", child.join("/"));
                let path = [format!("{base}.rs"), format!("{base}/mod.rs")];
                match path.into_iter().find(|path| texts.contains_key(path.as_str())) {
                    Some(path) if *in_file => waiting.push((child.clone(), path)),
                    _ => {
                        crate_.files.insert(child.clone(), file.clone());
                    }
                }
            }
            crate_.files.insert(module.clone(), file.clone());
            crate_.take(&found);
            crate_.found.push((file, module, found));
        }
        crate_
    }

    fn take(&mut self, found: &Imports) {
        for it in &found.uses {
            if it.name == "*" {
                self.globs.entry(it.module.clone()).or_default().push(it.path.clone());
            } else {
                self.names.entry((it.module.clone(), it.name.clone())).or_insert_with(|| it.path.clone());
            }
        }
        self.items.extend(found.items.iter().cloned());
    }

    /// Each use of an item that another file defines, one for each pair of files and item.
    ///
    /// A parent that declares a child module, or passes its items on (`pub use`), does not use it.
    pub fn edges(&self) -> BTreeSet<Edge> {
        let mut edges = BTreeSet::new();
        for (file, _, found) in &self.found {
            let uses = found.uses.iter().map(|it| (&it.module, &it.path, it.public));
            let paths = found.paths.iter().map(|(module, path)| (module, path, false));
            for (module, path, public) in uses.chain(paths) {
                let Some(target) = self.resolve(module, path, 0) else { continue };
                let to = &self.files[&target.module];
                let passes_on = public && target.module.starts_with(module);
                if to != file && !target.is_module && !passes_on {
                    let named = self.absolute(module, path);
                    edges.insert(Edge { from: file.clone(), to: to.clone(), path: path.join("::"), named });
                }
            }
        }
        edges
    }

    /// Whether the crate has such a module.
    pub fn is_module(&self, path: &[String]) -> bool {
        self.files.contains_key(path)
    }

    /// The path from the crate's root, where it begins at a module.
    fn absolute(&self, module: &[String], path: &[String]) -> ModulePath {
        if let Some((start, rest)) = self.start(module, path) {
            return [start.as_slice(), rest].concat();
        }
        let target = path.first().and_then(|first| self.names.get(&(module.to_vec(), first.clone())));
        match target.filter(|target| target[..] != *path) {
            Some(target) => match self.start(module, target) {
                Some((start, rest)) => [start.as_slice(), rest, &path[1..]].concat(),
                None => path.to_vec(),
            },
            None => path.to_vec(),
        }
    }

    /// The module that a path begins at, and what is left of the path.
    fn start<'a>(&self, module: &[String], path: &'a [String]) -> Option<(ModulePath, &'a [String])> {
        let first = path.first()?;
        match first.as_str() {
            "crate" => Some((Vec::new(), &path[1..])),
            "self" => Some((module.to_vec(), &path[1..])),
            "super" => {
                let ups = path.iter().take_while(|word| *word == "super").count();
                Some((module[..module.len().saturating_sub(ups)].to_vec(), &path[ups..]))
            }
            _ => self.files.contains_key(&child(module, first)).then(|| (child(module, first), &path[1..])),
        }
    }

    fn resolve(&self, module: &[String], path: &[String], depth: usize) -> Option<Target> {
        if depth > REEXPORTS_MAX {
            return None;
        }
        let Some((mut at, mut rest)) = self.start(module, path) else {
            // A name that a `use` item brought in, and what is below it.
            let target =
                self.names.get(&(module.to_vec(), path.first()?.clone())).filter(|it| it[..] != *path)?;
            let whole = [target.as_slice(), &path[1..]].concat();
            return self.resolve(module, &whole, depth + 1);
        };
        while let Some(name) = rest.first() {
            let below = child(&at, name);
            if self.files.contains_key(&below) {
                (at, rest) = (below, &rest[1..]);
                continue;
            }
            if self.items.contains(&(at.clone(), name.clone())) {
                break;
            }
            if let Some(target) = self.names.get(&(at.clone(), name.clone())) {
                return self.resolve(&at, &[target.as_slice(), &rest[1..]].concat(), depth + 1);
            }
            for glob in self.globs.get(&at).into_iter().flatten() {
                let found = self.resolve(&at, &[glob.as_slice(), rest].concat(), depth + 1);
                if let Some(found) =
                    found.filter(|it| self.items.contains(&(it.module.clone(), name.clone())))
                {
                    return Some(found);
                }
            }
            break;
        }
        Some(Target { module: at, is_module: rest.is_empty() })
    }
}

fn child(module: &[String], name: &str) -> ModulePath {
    [module, &[name.to_owned()]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(files: &[(&str, &str)], expected: &[&str]) {
        let source =
            |(path, text): &(&str, &str)| Source { path: format!("src/{path}"), text: (*text).to_owned() };
        let sources: Vec<Source> = files.iter().map(source).collect();
        let edges = Crate::new("src/lib.rs", &sources).edges();
        let shown: Vec<String> =
            edges.iter().map(|it| format!("{} → {}: {}", &it.from[4..], &it.to[4..], it.path)).collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn declaring_and_passing_on_a_child_is_no_use() {
        check(&[("lib.rs", "mod a; pub use a::X;"), ("a.rs", "pub struct X;")], &[]);
        check(&[("lib.rs", "mod a; use a::X;"), ("a.rs", "pub struct X;")], &["lib.rs → a.rs: a::X"]);
    }

    #[test]
    fn a_path_leads_to_the_file_that_defines_the_item() {
        let a = ("a.rs", "mod deep; pub use self::deep::X; pub use deep::*;");
        let deep = ("a/deep.rs", "pub struct X; pub fn f() {}");
        let files = |b| [("lib.rs", "mod a; mod b;"), a, deep, ("b.rs", b)];
        check(&files("use crate::a::X;"), &["b.rs → a/deep.rs: crate::a::X"]);
        check(&files("use super::a; fn g() { a::f() }"), &["b.rs → a/deep.rs: a::f"]);
        check(&files("use std::fmt; fn g() { fmt::f(); other::f() }"), &[]);
        check(
            &files("mod inline { fn g() { super::super::a::f() } }"),
            &["b.rs → a/deep.rs: super::super::a::f"],
        );
    }
}
