//! Keys as a table.

use headwater_api::v1::KeysView;

use crate::terminal::output::{table, time};

/// One row for each role, then what has to be done.
pub fn text(view: &KeysView) -> String {
    let rows = view.repositories.iter().flat_map(|repository| {
        repository.roles.iter().map(move |role| {
            let ids: Vec<&str> = role.keys.iter().map(|key| key.get(..12).unwrap_or(key)).collect();
            let location = match (role.here as usize, role.keys.len()) {
                (0, _) => "offline".to_owned(),
                (here, all) if here == all => "here".to_owned(),
                (here, all) => format!("{here} of {all} here"),
            };
            vec![
                repository.repository.clone(),
                role.role.clone(),
                format!("{} of {}", role.threshold, role.keys.len()),
                ids.join(" "),
                location,
                time(role.expires),
            ]
        })
    });
    let mut text =
        table(&["repository", "role", "sign", "keys", "where", "valid until"], rows.collect(), "no keys");
    for repository in &view.repositories {
        text.push_str(&format!(
            "\nroot {} of {}: {} {}",
            repository.root_version,
            repository.repository,
            if repository.root_keys_here { "renewed automatically about" } else { "to renew by" },
            time(repository.renew_by)
        ));
        for retired in &repository.retired {
            text.push_str(&format!(
                "\n  the previous {} key {} still signs beside its successor until {}",
                retired.role,
                retired.key.get(..12).unwrap_or(&retired.key),
                time(retired.until)
            ));
        }
    }
    for line in &view.to_do {
        text.push_str(&format!("\nto do: {line}"));
    }
    text
}
