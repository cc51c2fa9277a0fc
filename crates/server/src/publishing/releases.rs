//! Publishing, showing, rolling back and removing releases (C1, C2, C5).
//!
//! The slow part, taking the archive apart, runs beside everything else; what it stored is held until the release is
//! signed, and is garbage if it never is.

use std::sync::Arc;

use headwater_api::report::ClassResult;
use headwater_api::v1::{
    ComponentAnswer, ComponentView, Hook, ListedComponent, PublishOptions, PublishedAnswer, ReleaseClients,
    ReleaseView,
};
use headwater_policy::Class;
use headwater_publisher::{
    NewRelease, Outcome, PublishedRelease, missing_content, publish, release_list, remove, roll_back,
};
use headwater_repo::{ComponentName, ReleaseList, Sequence, VersionText};
use serde_json::json;

use super::archive::{Archive, Format};
use super::failures::{no_component, of_publisher};
use super::service::PublishingService;
use crate::caller::Caller;
use crate::db::client_releases::ReleaseCount;
use crate::error::{Error, Refusal, Result};
use crate::limits::MISSING_NAMED_MAX;

/// A release about to be published in a class, valid but for its files.
#[derive(Debug, Clone)]
pub struct ReleaseRequest {
    /// Components or programs.
    class: Class,
    /// It.
    release: NewRelease,
}

impl ReleaseRequest {
    /// From what came over the wire.
    ///
    /// # Errors
    /// A refusal that names everything wrong.
    pub fn parse(class: &str, name: &str, version: &str, options: &PublishOptions) -> Result<Self> {
        let (class, name) = parse_name(class, name)?;
        let version = VersionText::new(version).map_err(|error| Refusal::invalid(error.to_string()))?;
        if class == Class::Components && options.install.is_some() {
            return Err(Refusal::invalid(
                "install: a component has no install command; publish it in class programs, or leave it out",
            )
            .into());
        }
        let signed = |hook: &Hook| headwater_repo::Hook {
            command: hook.command.clone(),
            timeout_seconds: hook.timeout_seconds.into(),
        };
        let install = options.install.as_ref().map(signed);
        let probe = options.probe.as_ref().map(signed);
        Ok(Self { class, release: NewRelease { component: name, version, install, probe } })
    }
}

/// A class that has releases, and a name in it.
///
/// # Errors
/// A refusal for class settings, an unknown class or a bad name.
pub fn parse_name(class: &str, name: &str) -> Result<(Class, ComponentName)> {
    let class: Class =
        class.parse().map_err(|error: headwater_policy::ParseError| Refusal::invalid(error.to_string()))?;
    if class == Class::Settings {
        return Err(Refusal::invalid(
            "class settings is published by saving the source list or a domain; use components or programs",
        )
        .into());
    }
    let name = ComponentName::new(name).map_err(|error| Refusal::invalid(error.to_string()))?;
    Ok((class, name))
}

impl PublishingService {
    /// Publishes an archive as a new release.
    ///
    /// # Errors
    /// Refusals for a bad archive, a version that was published with other content, a name of the vendor source; disk and
    /// signing errors. Nothing is published then.
    pub async fn publish(
        self: &Arc<Self>,
        request: ReleaseRequest,
        archive: std::fs::File,
        format: Option<Format>,
        caller: &Caller,
    ) -> Result<PublishedAnswer> {
        let ReleaseRequest { class, release } = request;
        let (archive, deltas, now) = (Archive::new(archive, format), self.settings.deltas, caller.now);
        let outcome = self.with_destination(class, caller, move |destination| {
            publish(destination, &release, &archive, &deltas, now)
        });
        match outcome.await? {
            Outcome::New(published) => Ok(published_view(class, &published, false)),
            Outcome::Again(published) => self.published_again(class, &published, caller).await,
        }
    }

    /// Records that a release's content came again: a server that was restored without it has it again.
    async fn published_again(
        &self,
        class: Class,
        published: &PublishedRelease,
        caller: &Caller,
    ) -> Result<PublishedAnswer> {
        let (name, version) = (published.list.component(), &published.release.version);
        let view = published_view(class, published, true);
        let audit_entry = caller.audit_entry("release.publish_again", format!("{class}/{name}"));
        self.record(audit_entry.after(json!({"version": version.as_str(), "blobs": view.blobs_new}))).await?;
        // Deltas that could not be made without it can be.
        self.delta_worker.forget_done(class, name);
        self.delta_worker.wake();
        tracing::info!(%class, %name, %version, blobs = view.blobs_new, "published again");
        Ok(view)
    }

    /// Makes an earlier release current again and withdraws the later ones (C5).
    ///
    /// # Errors
    /// Refusals for a name or sequence that does not exist or is not earlier, and for a release whose content is not here.
    pub async fn roll_back(
        self: &Arc<Self>,
        class: Class,
        name: &ComponentName,
        to: u64,
        caller: &Caller,
    ) -> Result<ComponentView> {
        let to = Sequence::new(to).map_err(|error| Refusal::invalid(error.to_string()))?;
        let (component, now) = (name.clone(), caller.now);
        let list = self
            .with_destination(class, caller, move |destination| roll_back(destination, &component, to, now));
        let list = list.await?;
        let from_vendor = self.db.component(class, name).await?.is_some_and(|row| row.from_vendor);
        Ok(component_view(class, &list, from_vendor))
    }

    /// Takes a component or program out of what is published, with every release, where there is none to go back to.
    /// Clients keep what they have. Its versions stay used, and the next release follows its sequences.
    ///
    /// # Errors
    /// Refusals for a name that is not published, and for one of the vendor source, which would bring it back.
    pub async fn remove_component(
        self: &Arc<Self>,
        class: Class,
        name: &ComponentName,
        caller: &Caller,
    ) -> Result<()> {
        let (component, now) = (name.clone(), caller.now);
        let removed =
            self.with_destination(class, caller, move |destination| remove(destination, &component, now));
        removed.await.map(drop)
    }

    /// All components and programs.
    pub async fn components(&self) -> Result<Vec<ListedComponent>> {
        let mut views = Vec::new();
        for class in [Class::Components, Class::Programs] {
            let inventory = self.present_inventory(&mut self.db.connection().await?, class).await?;
            for row in self.db.components(class).await? {
                let name = ComponentName::new(row.name)
                    .map_err(|error| Error::Corrupt { what: "component name", reason: error.to_string() })?;
                if let Some(list) = self.release_list(class, &name)? {
                    let standing = self.deltas_standing(class, &name, &inventory).await?;
                    let component = component_view(class, &list, row.from_vendor);
                    views.push(ListedComponent { component, deltas_standing: Some(standing) });
                }
            }
        }
        Ok(views)
    }

    /// One component or program, with the deltas to its current release.
    pub async fn component(&self, class: Class, name: &ComponentName) -> Result<ComponentAnswer> {
        let list = self.release_list(class, name)?.ok_or_else(|| no_component(class, name))?;
        let from_vendor = self.db.component(class, name).await?.is_some_and(|row| row.from_vendor);
        let (deltas, too_large) = self.deltas_of_release(class, name).await?;
        let mut missing = Vec::new();
        for release in list.releases().iter().rev() {
            // Of the vendor's earlier releases only what clients need is taken, and a withdrawn one never comes back.
            let withdrawn = list.withdrawn().contains(&release.sequence);
            let wanted = !withdrawn && (!from_vendor || release.sequence == list.current().sequence);
            if wanted && self.misses_content(class, &list, release.sequence)? {
                missing.push(release.sequence.get());
            }
        }
        let component = component_view(class, &list, from_vendor);
        let clients = release_clients(self.db.release_counts(class, name).await?);
        Ok(ComponentAnswer { component, deltas, missing, too_large, clients })
    }

    /// What is to be known of current releases whose content is not all here: after a restore from a backup without bodies.
    pub(crate) async fn missing_content_warning(&self) -> Result<Option<String>> {
        let (mut own, mut theirs) = (Vec::new(), Vec::new());
        for class in [Class::Components, Class::Programs] {
            for row in self.db.components(class).await? {
                let name = ComponentName::new(row.name)
                    .map_err(|error| Error::Corrupt { what: "component name", reason: error.to_string() })?;
                let Some(list) = self.release_list(class, &name)? else { continue };
                if self.misses_content(class, &list, list.current().sequence)? {
                    let named = format!("{class}/{name} {}", list.current().version);
                    if row.from_vendor { theirs.push(named) } else { own.push(named) }
                }
            }
        }
        Ok(missing_content_warning(&own, &theirs))
    }

    /// Whether some of a release's bodies are not in the store.
    fn misses_content(&self, class: Class, list: &ReleaseList, sequence: Sequence) -> Result<bool> {
        let (objects, store) = (self.objects(class), self.store(class));
        let missing = missing_content(objects, store, &self.published(class), list, sequence);
        Ok(!missing.map_err(|error| of_publisher(class, error))?.is_empty())
    }

    /// The release list as it is signed now.
    pub(crate) fn release_list(&self, class: Class, name: &ComponentName) -> Result<Option<ReleaseList>> {
        let list = release_list(self.objects(class), &self.published(class), name);
        list.map_err(|error| of_publisher(class, error))
    }
}

/// The sentence alone.
fn missing_content_warning(own: &[String], theirs: &[String]) -> Option<String> {
    let named = |releases: &[String]| {
        let more = releases.len().saturating_sub(MISSING_NAMED_MAX);
        let first = &releases[..releases.len() - more];
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        format!("{}{more}", first.join(", "))
    };
    let mut hints = Vec::new();
    if !own.is_empty() {
        hints.push(format!(
            "publish {} again, the same content under the same version or a new release",
            named(own)
        ));
    }
    if !theirs.is_empty() {
        hints.push(format!("take {} again with `headwater vendor sync`", named(theirs)));
    }
    (!hints.is_empty()).then(|| {
        format!(
            "content of current releases is not on this server, and clients cannot fetch it from here: {}",
            hints.join("; ")
        )
    })
}

fn published_view(class: Class, published: &PublishedRelease, again: bool) -> PublishedAnswer {
    let new = || published.files.iter().filter(|file| file.new);
    PublishedAnswer {
        class: class.to_string(),
        name: published.list.component().to_string(),
        release: release_view(&published.release),
        blobs_new: new().count() as u64,
        blob_bytes_new: new().map(|file| file.entry.body.size).sum(),
        targets_version: published.targets_version,
        again,
    }
}

pub(crate) fn component_view(class: Class, list: &ReleaseList, from_vendor: bool) -> ComponentView {
    ComponentView {
        class: class.to_string(),
        name: list.component().to_string(),
        from_vendor,
        current: list.current().sequence.get(),
        withdrawn: list.withdrawn().iter().map(|sequence| sequence.get()).collect(),
        releases: list.releases().iter().rev().map(release_view).collect(),
    }
}

/// Counts by release and result as counts by release.
fn release_clients(counts: Vec<ReleaseCount>) -> Vec<ReleaseClients> {
    let mut releases: Vec<ReleaseClients> = Vec::new();
    for ReleaseCount { sequence, version, result, clients } in counts {
        let sequence = (sequence > 0).then_some(sequence);
        let known = releases.iter().position(|it| it.sequence == sequence && it.version == version);
        let index = known.unwrap_or_else(|| {
            releases.push(ReleaseClients { sequence, version, clients: 0, failed: 0, reverted: 0 });
            releases.len() - 1
        });
        let release = &mut releases[index];
        release.clients += clients;
        match result {
            ClassResult::Failed => release.failed += clients,
            ClassResult::Reverted => release.reverted += clients,
            _ => {}
        }
    }
    releases
}

fn release_view(release: &headwater_repo::Release) -> ReleaseView {
    ReleaseView {
        sequence: release.sequence.get(),
        version: release.version.to_string(),
        published: release.published,
        files: release.files,
        size: release.size,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_releases_without_content_are_named_and_no_more() {
        let releases = |count: usize| (0..count).map(|number| format!("r{number}")).collect::<Vec<_>>();
        let check = |own: usize, theirs: usize, words: &[&str]| {
            let warning = missing_content_warning(&releases(own), &releases(theirs)).unwrap_or_default();
            assert_eq!(warning.is_empty(), words.is_empty(), "{warning}");
            assert!(words.iter().all(|word| warning.contains(word)), "{warning}");
        };
        check(0, 0, &[]);
        check(1, 0, &["publish r0 again"]);
        check(0, MISSING_NAMED_MAX, &["r7 again with `headwater vendor sync`"]);
        check(MISSING_NAMED_MAX + 1, 1, &["r7 and 1 more again", "take r0 again"]);
    }
}
