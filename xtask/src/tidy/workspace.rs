//! What the rules read: the text files of the checkout, and its packages.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, MetadataCommand};

use crate::command::workspace_root;

/// A text file of the checkout.
pub struct Source {
    /// Relative to the checkout.
    pub path: String,
    /// Whole content.
    pub text: String,
}

/// A package of the workspace.
pub struct Member {
    /// Name in Cargo.toml, as `headwater-policy`.
    pub package: String,
    /// Folder relative to the checkout, as `crates/policy`.
    pub folder: String,
    /// Has a library, so that it can have doc tests.
    pub has_library: bool,
    /// Packages of the workspace that it uses, for whatever purpose.
    pub uses: Vec<String>,
}

impl Member {
    /// The short name, as in the table: `policy`.
    pub fn short(&self) -> &str {
        short(&self.package)
    }
}

/// `headwater-policy` → `policy`.
pub fn short(package: &str) -> &str {
    package.strip_prefix("headwater-").unwrap_or(package)
}

/// Packages of the workspace, as cargo describes them.
pub fn members() -> Result<Vec<Member>> {
    let root = workspace_root();
    let metadata = MetadataCommand::new().current_dir(&root).no_deps().exec().context("cargo metadata")?;
    let names: Vec<String> = metadata.packages.iter().map(|package| package.name.to_string()).collect();
    let mut members = Vec::new();
    for package in &metadata.packages {
        let folder = package.manifest_path.parent().context("a manifest lies in a folder")?;
        let folder = folder.strip_prefix(&root).context("a member lies in the workspace")?;
        members.push(Member {
            package: package.name.to_string(),
            folder: folder.to_string(),
            has_library: package.targets.iter().any(cargo_metadata::Target::is_lib),
            uses: package
                .dependencies
                .iter()
                .filter(|used| used.kind != DependencyKind::Development)
                .map(|used| used.name.clone())
                .filter(|used| names.contains(used))
                .collect(),
        });
    }
    Ok(members)
}

/// Text files under a folder that people wrote: no build output, no hidden tool folders but `.ci` and `.config`.
pub fn sources(folder: &Path) -> Result<Vec<Source>> {
    let root = workspace_root();
    let mut sources = Vec::new();
    let mut folders: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_symlink()
                || name == "target"
                || (name.starts_with('.') && ![".ci", ".config"].contains(&&*name))
            {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                let path = path.strip_prefix(&root).unwrap_or(&path).to_string_lossy().into_owned();
                sources.push(Source { path, text });
            }
        }
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(sources)
}
