//! Publishing, showing, rolling back and removing releases (C1, C2, C5).
//!
//! The slow part, taking the archive apart, runs beside everything else; what it stored is held until the release is
//! signed, and is garbage if it never is.

use headwater_api::v1::{
    ComponentAnswer, ComponentView, Hook, ListedComponent, PublishOptions, Published, ReleaseView,
};
use headwater_policy::Class;
use headwater_repo::{
    Body, BodyFormat, ComponentName, Digest, FileEntry, Manifest, ReleaseList, Role, Sequence, TargetName,
    VersionText, layout, remove_releases, roll_back, stage_release,
};
use serde_json::{Value, json};

use super::Publishing;
use super::archive::{Format, ReleaseLimits, StoredFile, store_archive};
use super::signing::failed;
use crate::caller::Caller;
use crate::db::releases::{self as rows, ReleaseRow};
use crate::error::{Error, Refusal, Result};
use crate::limits::MISSING_NAMED_MAX;

/// A release about to be published, valid but for its files.
#[derive(Debug, Clone)]
pub struct NewRelease {
    /// Components or programs.
    pub class: Class,
    /// Whose release.
    pub name: ComponentName,
    /// Its version.
    pub version: VersionText,
    /// Installs it (programs).
    pub install: Option<headwater_repo::Hook>,
    /// Judges it.
    pub probe: Option<headwater_repo::Hook>,
}

impl NewRelease {
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
        Ok(Self { class, name, version, install, probe })
    }

    fn manifest(&self, sequence: Sequence, files: &[StoredFile]) -> Manifest {
        let entry = |file: &StoredFile| FileEntry {
            path: file.path.clone(),
            mode: if file.executable { 0o755 } else { 0o644 },
            size: file.size,
            sha256: file.sha256,
            body: Body {
                sha256: file.body_sha256,
                size: file.body.size,
                format: BodyFormat::Zstd,
                memory: file.body.memory,
            },
            deltas: Vec::new(),
        };
        Manifest {
            component: self.name.clone(),
            sequence,
            version: self.version.clone(),
            files: files.iter().map(entry).collect(),
            install: self.install.clone(),
            probe: self.probe.clone(),
            intermediates: Vec::new(),
        }
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

impl Publishing {
    /// Publishes an archive as a new release.
    ///
    /// # Errors
    /// Refusals for a bad archive, a version that was published with other content, a name of the vendor source; disk and signing errors. Nothing is
    /// published then.
    pub async fn publish(
        &self,
        release: NewRelease,
        archive: std::fs::File,
        format: Option<Format>,
        caller: &Caller,
    ) -> Result<Published> {
        let now = caller.now;
        self.turn(&release).await?;
        let files = self.store_files(release.class, archive, format).await?;
        fail::fail_point!("publishing::bodies_stored", |_| Err(Error::Interrupted));

        let _change = self.change().await;
        // Load, again: somebody may have been faster.
        let sequence = match self.turn(&release).await? {
            Turn::Next(sequence) => sequence,
            Turn::Again(manifest) => return self.publish_again(&release, &manifest, &files, caller).await,
        };
        let list = self.release_list(release.class, &release.name)?;
        let before = list.as_ref().map(current_of);
        // Decide.
        let manifest = release.manifest(sequence, &files);
        if let Some(problem) = manifest.unstartable() {
            return Err(Refusal::invalid(problem).into());
        }
        let mut draft = self.draft(release.class);
        let list = stage_release(&mut draft, list.as_ref(), &manifest, now)
            .map_err(|error| refused_manifest(release.class, error))?;
        // Save.
        let staged = self.stage(release.class, draft, now)?;
        let targets_version = staged.targets_version();
        let mut tx = self.db.begin().await?;
        let row = ReleaseRow { sequence: sequence.get(), version: release.version.to_string() };
        rows::put_component(&mut tx, release.class, &release.name, false).await?;
        let blobs: Vec<Digest> = files.iter().map(|file| file.body_sha256).collect();
        rows::insert_release(&mut tx, release.class, &release.name, &row, &blobs).await?;
        rows::drop_before(&mut tx, release.class, &release.name, list.releases()[0].sequence, now).await?;
        let audit_entry =
            caller.audit_entry("release.publish", format!("{}/{}", release.class, release.name));
        self.commit(tx, vec![staged], audit_entry.before(json!(before)).after(current_of(&list))).await?;
        self.delta_worker.wake();
        // Answer.
        tracing::info!(class = %release.class, name = %release.name, version = %release.version, "published");
        Ok(published(release.class, &list, list.current(), &files, targets_version))
    }

    /// Takes the content of a release that is published: a server that was restored without it has it again.
    async fn publish_again(
        &self,
        release: &NewRelease,
        manifest: &Manifest,
        files: &[StoredFile],
        caller: &Caller,
    ) -> Result<Published> {
        let (class, name) = (release.class, &release.name);
        let sorted = |mut manifest: Manifest| {
            manifest.files.sort_by(|a, b| a.path.cmp(&b.path));
            manifest
        };
        if sorted(release.manifest(manifest.sequence, files)) != sorted(manifest.without_deltas()) {
            return Err(version_exists(release));
        }
        let list = self.release_list(class, name)?.ok_or_else(|| no_component(class, name))?;
        let known = list.release(manifest.sequence).ok_or_else(|| version_exists(release))?;
        let version = self.published(class).version(Role::Targets);
        let told = Published { again: true, ..published(class, &list, known, files, version) };
        let audit_entry = caller.audit_entry("release.publish_again", format!("{class}/{name}"));
        self.record(audit_entry.after(json!({"version": release.version.as_str(), "blobs": told.blobs_new})))
            .await?;
        // What could not be made for want of them can be.
        self.delta_worker.forget_done(class, name);
        self.delta_worker.wake();
        tracing::info!(%class, %name, version = %release.version, blobs = told.blobs_new, "published before; its content is here");
        Ok(told)
    }

    /// Makes an earlier release current again and withdraws the later ones (C5).
    ///
    /// # Errors
    /// Refusals for a name or sequence that is not there or not earlier.
    pub async fn roll_back(
        &self,
        class: Class,
        name: &ComponentName,
        to: u64,
        caller: &Caller,
    ) -> Result<ComponentView> {
        let to = Sequence::new(to).map_err(|error| Refusal::invalid(error.to_string()))?;
        let _change = self.change().await;
        let list = self.release_list(class, name)?.ok_or_else(|| no_component(class, name))?;
        let from_vendor = self.db.component(class, name).await?.is_some_and(|row| row.from_vendor);
        self.refuse_absent(class, &list, to)?;
        let before = current_of(&list);
        let mut draft = self.draft(class);
        let list = roll_back(&mut draft, &list, to).map_err(|error| refused_manifest(class, error))?;
        let staged = self.stage(class, draft, caller.now)?;
        let audit_entry = caller.audit_entry("release.roll_back", format!("{class}/{name}"));
        let audit_entry = audit_entry.before(before).after(current_of(&list));
        self.commit(self.db.begin().await?, vec![staged], audit_entry).await?;
        self.delta_worker.wake();
        tracing::info!(%class, %name, to = to.get(), "rolled back");
        Ok(component_view(class, &list, from_vendor))
    }

    /// Takes a component or program out of what is published, with every release: the hint where there is none to go back
    /// to. Clients keep what they have. Its versions stay taken, and the next release goes on after its sequences.
    ///
    /// # Errors
    /// Refusals for a name that is not published, and for one of the vendor source, which would bring it back.
    pub async fn remove_component(&self, class: Class, name: &ComponentName, caller: &Caller) -> Result<()> {
        let _change = self.change().await;
        let list = self.release_list(class, name)?.ok_or_else(|| no_component(class, name))?;
        if self.db.component(class, name).await?.is_some_and(|row| row.from_vendor) {
            let told = format!(
                "name: {name} comes from the vendor source, and the next sync would bring it back; go back to an earlier \
                 release, or remove the vendor source first"
            );
            return Err(Refusal::invalid(told).into());
        }
        let mut draft = self.draft(class);
        remove_releases(&mut draft, &list).map_err(failed(class, "removing a component"))?;
        let staged = self.stage(class, draft, caller.now)?;
        let mut tx = self.db.begin().await?;
        rows::drop_all(&mut tx, class, name, caller.now).await?;
        let audit_entry =
            caller.audit_entry("release.remove", format!("{class}/{name}")).before(current_of(&list));
        self.commit(tx, vec![staged], audit_entry).await?;
        self.delta_worker.wake();
        tracing::info!(%class, %name, "removed from what is published");
        Ok(())
    }

    /// Refuses a release whose content is not here: of the vendor's releases between two syncs, only what clients need to
    /// leave them is taken.
    fn refuse_absent(&self, class: Class, list: &ReleaseList, sequence: Sequence) -> Result<()> {
        if !self.misses_content(class, list, sequence)? {
            return Ok(());
        }
        let told = format!(
            "to: the content of release {sequence} is not here, because deltas made it unnecessary to take it from \
             the vendor source; choose another release, or let the vendor go back to it and synchronise"
        );
        Err(Refusal::invalid(told).into())
    }

    /// All components and programs.
    pub async fn components(&self) -> Result<Vec<ListedComponent>> {
        let mut views = Vec::new();
        for class in [Class::Components, Class::Programs] {
            let inventory = self.present_inventory(class).await?;
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
            // Of the vendor's earlier releases only what clients need is taken.
            let wanted = !from_vendor || release.sequence == list.current().sequence;
            if wanted && self.misses_content(class, &list, release.sequence)? {
                missing.push(release.sequence.get());
            }
        }
        let component = component_view(class, &list, from_vendor);
        Ok(ComponentAnswer { component, deltas, missing, too_large })
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
        let Some(bytes) = self.target(class, &list.manifest(sequence))? else { return Ok(false) };
        let manifest = Manifest::parse(&bytes)
            .map_err(|error| Error::Corrupt { what: "release manifest", reason: error.to_string() })?;
        let store = self.store(class);
        Ok(!manifest.files.iter().all(|file| store.has_whole(&file.body.sha256, file.body.size)))
    }

    /// The release list as it is signed now.
    pub(crate) fn release_list(&self, class: Class, name: &ComponentName) -> Result<Option<ReleaseList>> {
        let Some(bytes) = self.target(class, &layout::release_list(name))? else { return Ok(None) };
        ReleaseList::parse(&bytes)
            .map(Some)
            .map_err(|error| Error::Corrupt { what: "release list", reason: error.to_string() })
    }

    /// The bytes of a target that is signed now.
    pub(crate) fn target(&self, class: Class, name: &TargetName) -> Result<Option<Vec<u8>>> {
        let Some((_, digest)) = self.published(class).target(name) else { return Ok(None) };
        self.data.read_repository(class, &layout::target(name, &digest)).map(Some)
    }

    async fn turn(&self, release: &NewRelease) -> Result<Turn> {
        let (class, name) = (release.class, &release.name);
        let component = self.db.component(class, name).await?;
        if component.is_some_and(|row| row.from_vendor) {
            return Err(Refusal::NameOfVendor(name.to_string()).into());
        }
        let known = self.db.releases(class, name).await?;
        if let Some(row) = known.iter().find(|row| row.version == release.version.as_str()) {
            let sequence =
                Sequence::new(row.sequence).map_err(|error| Refusal::invalid(error.to_string()))?;
            let Some(bytes) = self.target(class, &layout::manifest(name, sequence))? else {
                let removed = self.release_list(class, name)?.is_none();
                let (name, version) = (name.to_string(), row.version.clone());
                let used = Refusal::VersionUsed { name, version, sequence: row.sequence, removed };
                return Err(used.into());
            };
            let manifest = Manifest::parse(&bytes)
                .map_err(|error| Error::Corrupt { what: "release manifest", reason: error.to_string() })?;
            return Ok(Turn::Again(Box::new(manifest)));
        }
        let floor = self.db.sequence_floor(class).await?;
        let next = known.last().map_or(0, |row| row.sequence).max(floor) + 1;
        let next = Sequence::new(next).map_err(|error| Refusal::invalid(error.to_string()))?;
        Ok(Turn::Next(next))
    }

    async fn store_files(
        &self,
        class: Class,
        archive: std::fs::File,
        format: Option<Format>,
    ) -> Result<Vec<StoredFile>> {
        let store = self.store(class).clone();
        tokio::task::spawn_blocking(move || {
            store_archive(archive, format, class, &store, ReleaseLimits::default())
        })
        .await
        .map_err(|error| Error::Corrupt { what: "archive task", reason: error.to_string() })?
    }
}

/// What a release that somebody wants to publish would be.
enum Turn {
    /// The next one, with this sequence.
    Next(Sequence),
    /// The one that has its version already, if the content is the same.
    Again(Box<Manifest>),
}

/// The sentence alone.
fn missing_content_warning(own: &[String], theirs: &[String]) -> Option<String> {
    let named = |releases: &[String]| {
        let more = releases.len().saturating_sub(MISSING_NAMED_MAX);
        let first = &releases[..releases.len() - more];
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        format!("{}{more}", first.join(", "))
    };
    let mut ways = Vec::new();
    if !own.is_empty() {
        ways.push(format!(
            "publish {} again, the same content under the same version or a new release",
            named(own)
        ));
    }
    if !theirs.is_empty() {
        ways.push(format!("take {} again with `headwater vendor sync`", named(theirs)));
    }
    (!ways.is_empty()).then(|| {
        format!(
            "content of current releases is not on this server, and who lacks it cannot fetch it from here: {}",
            ways.join("; ")
        )
    })
}

fn version_exists(release: &NewRelease) -> Error {
    Refusal::Exists {
        what: "version",
        name: format!("{} of {}", release.version, release.name),
        hint: "publish under a new version; one that was published never changes",
    }
    .into()
}

fn published(
    class: Class,
    list: &ReleaseList,
    release: &headwater_repo::Release,
    files: &[StoredFile],
    targets_version: u64,
) -> Published {
    let new = || files.iter().filter(|file| file.new);
    Published {
        class: class.to_string(),
        name: list.component().to_string(),
        release: release_view(release),
        blobs_new: new().count() as u64,
        blob_bytes_new: new().map(|file| file.body.size).sum(),
        targets_version,
        again: false,
    }
}

/// The current release, as the audit log tells of it.
fn current_of(list: &ReleaseList) -> Value {
    let current = list.current();
    json!({"sequence": current.sequence.get(), "version": current.version.as_str()})
}

/// What `repo` refuses of a release is the publisher's to mend.
fn refused_manifest(class: Class, error: headwater_repo::WriteError) -> Error {
    match error {
        headwater_repo::WriteError::Content(content) => Refusal::invalid(content.to_string()).into(),
        other => failed(class, "release")(other),
    }
}

fn no_component(class: Class, name: &ComponentName) -> Error {
    Refusal::NotFound {
        what: "component or program",
        name: format!("{name} in class {class}"),
        hint: "look at the list of releases, or publish it first",
    }
    .into()
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
            let told = missing_content_warning(&releases(own), &releases(theirs)).unwrap_or_default();
            assert_eq!(told.is_empty(), words.is_empty(), "{told}");
            assert!(words.iter().all(|word| told.contains(word)), "{told}");
        };
        check(0, 0, &[]);
        check(1, 0, &["publish r0 again"]);
        check(0, MISSING_NAMED_MAX, &["r7 again with `headwater vendor sync`"]);
        check(MISSING_NAMED_MAX + 1, 1, &["r7 and 1 more again", "take r0 again"]);
    }
}
