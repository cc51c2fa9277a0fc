//! Keys as a table.

use headwater_api::v1::KeysView;

use crate::terminal::output::{table, time};

/// One row for each role, then what has to be done.
pub fn text(view: &KeysView) -> String {
    let rows = view.classes.iter().flat_map(|class| {
        class.roles.iter().map(move |role| {
            let ids: Vec<&str> = role.keys.iter().map(|key| key.get(..12).unwrap_or(key)).collect();
            let location = match (role.here as usize, role.keys.len()) {
                (0, _) => "offline".to_owned(),
                (here, all) if here == all => "here".to_owned(),
                (here, all) => format!("{here} of {all} here"),
            };
            vec![
                class.class.clone(),
                role.role.clone(),
                format!("{} of {}", role.threshold, role.keys.len()),
                ids.join(" "),
                location,
                time(role.expires),
            ]
        })
    });
    let mut text =
        table(&["class", "role", "sign", "keys", "where", "valid until"], rows.collect(), "no keys");
    for class in &view.classes {
        text.push_str(&format!(
            "\nroot {} of {}: {} {}",
            class.root_version,
            class.class,
            if class.root_keys_here { "renewed automatically about" } else { "to renew by" },
            time(class.renew_by)
        ));
        for retired in &class.retired {
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
