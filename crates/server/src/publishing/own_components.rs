//! The organisation's own components (P4a): published here, and not taken from the vendor source. The signed policy lists
//! them, so that a client that was served by the vendor source knows what it did not get there.

use headwater_policy::{Class, OWN_COMPONENTS_MAX, OwnComponents};
use headwater_repo::{ComponentName, layout};

use super::service::PublishingService;
use crate::db::Connection;
use crate::error::{Error, Refusal, Result};

impl PublishingService {
    /// The names, as the database and the signed metadata have them. Before class components is published they are the
    /// database's alone.
    pub(crate) async fn own_components(&self, db: &mut Connection) -> Result<OwnComponents> {
        let rows = db.components(Class::Components).await?;
        let published = self.published.read().expect("nobody panics while holding this lock");
        let published = published.get(&Class::Components.into());
        let is_published = |name: &str| {
            let list = ComponentName::new(name).map(|name| layout::release_list(&name));
            published.is_none_or(|published| list.is_ok_and(|list| published.target(&list).is_some()))
        };
        let own = rows.iter().filter(|row| !row.from_vendor && is_published(&row.name));
        let corrupt = |error: headwater_policy::ParseError| Error::Corrupt {
            what: "components",
            reason: error.to_string(),
        };
        let names = own.map(|row| row.name.parse()).collect::<std::result::Result<Vec<_>, _>>();
        OwnComponents::new(names.map_err(corrupt)?).map_err(corrupt)
    }
}

/// Refuses one more than a policy names.
///
/// # Errors
/// [`Refusal::TooLarge`].
pub(super) fn admit_own(own: &OwnComponents, component: &ComponentName) -> Result<()> {
    if own.contains(component.as_str()) || own.iter().count() < OWN_COMPONENTS_MAX {
        return Ok(());
    }
    Err(Refusal::TooLarge {
        what: "the number of the organisation's own components".to_owned(),
        limit: OWN_COMPONENTS_MAX as u64,
        unit: "components",
        hint: "remove one that nobody needs",
    }
    .into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_names_so_many_components_and_one_that_it_names_can_always_be_published() {
        let own =
            |count: usize| OwnComponents::new((0..count).map(|n| format!("c{n}").parse().unwrap())).unwrap();
        let admit =
            |count: usize, name: &str| admit_own(&own(count), &ComponentName::new(name).unwrap()).is_ok();
        assert!(admit(OWN_COMPONENTS_MAX - 1, "new"));
        assert!(!admit(OWN_COMPONENTS_MAX, "new"));
        assert!(admit(OWN_COMPONENTS_MAX, "c7"));
    }
}
