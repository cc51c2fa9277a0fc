//! What a static repository contains, and until when its signatures are valid.

use headwater_publisher::folder::StaticFolder;
use headwater_repo::{Published, Role, Sequence, layout};
use serde_json::{Value, json};

use crate::terminal::failure::Failure;
use crate::terminal::output::{bytes, table};

/// What is published, by name.
pub fn show(folder: &StaticFolder) -> Result<Value, Failure> {
    let published = folder.published()?;
    let mut components = Vec::new();
    for name in published.targets().filter_map(|(name, _, _)| layout::component_of_release_list(&name)) {
        let Some(list) = folder.release_list(&published, &name)? else { continue };
        let releases: Vec<Value> = list
            .releases()
            .iter()
            .rev()
            .map(|release| json!({"sequence": release.sequence.get(), "version": release.version.as_str(), "published": release.published, "files": release.files, "size": release.size}))
            .collect();
        let withdrawn: Vec<u64> = list.withdrawn().iter().copied().map(Sequence::get).collect();
        components.push(json!({"name": name.as_str(), "current": list.current().sequence.get(), "withdrawn": withdrawn, "releases": releases}));
    }
    let versions: serde_json::Map<String, Value> =
        Role::ALL.iter().map(|role| (role.name().to_owned(), json!(published.version(*role)))).collect();
    Ok(json!({"names": components, "versions": versions, "expires": expiries(&published)}))
}

/// The same as text.
pub fn show_text(view: &Value) -> String {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut rows = Vec::new();
    for component in list(&view["names"]) {
        for release in list(&component["releases"]) {
            let state = match &release["sequence"] {
                sequence if *sequence == component["current"] => "current",
                sequence if list(&component["withdrawn"]).contains(sequence) => "withdrawn",
                _ => "",
            };
            let size = bytes(release["size"].as_u64().unwrap_or_default());
            rows.push(vec![
                text(&component["name"]),
                release["sequence"].to_string(),
                text(&release["version"]),
                release["files"].to_string(),
                size,
                text(&release["published"]),
                state.to_owned(),
            ]);
        }
    }
    let releases = table(
        &["name", "release", "version", "files", "size", "published", "state"],
        rows,
        "nothing is published yet",
    );
    let roles = Role::ALL.iter().map(|role| {
        vec![
            role.name().to_owned(),
            view["versions"][role.name()].to_string(),
            text(&view["expires"][role.name()]),
        ]
    });
    format!("{releases}\n\n{}", table(&["role", "version", "expires"], roles.collect(), ""))
}

/// Until when each role's signature is valid.
pub fn expiries(published: &Published) -> Value {
    Role::ALL
        .iter()
        .map(|role| (role.name().to_owned(), json!(published.expires(*role).to_string())))
        .collect::<serde_json::Map<_, _>>()
        .into()
}
