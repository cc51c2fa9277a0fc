//! The state of the server, for administrators.

use headwater_api::v1::{JobStatus, RepositoryStatus, Status};
use headwater_policy::{Class, Repository};
use headwater_repo::{Role, layout};
use jiff::Timestamp;

use super::service::UpkeepService;
use crate::error::Result;

impl UpkeepService {
    /// Everything that an administrator looks at first.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn status(&self, now: Timestamp) -> Result<Status> {
        let current = self.source_list.current().await?;
        let agents = current.policy.update_agents().iter().filter(|agent| agent.is_active()).count();
        let mut repositories = Vec::new();
        for repository in Repository::ALL {
            repositories.push(self.repository_status(repository).await?);
        }
        let mut warnings = self.warnings(now);
        warnings.extend(self.fleet.revoked_warning(now).await?);
        warnings.extend(self.publishing.missing_content_warning().await?);
        let (copied_identities, copied_warning) = self.fleet.copied_identities().await?;
        warnings.extend(copied_warning);
        let client_counts = self.fleet.client_counts(now).await?;
        let (disks, jobs) = (self.disks(), self.job_statuses().await?);
        let problems = self.problems(&disks, &jobs, now);
        Ok(Status {
            program: env!("CARGO_PKG_VERSION").to_owned(),
            started: self.started,
            server_time: now,
            fleet_url: self.fleet.fleet_url().to_string(),
            policy_version: current.saved.version,
            clients: client_counts.clients,
            client_counts,
            update_agents: agents as u64,
            copied_identities,
            repositories,
            jobs,
            disks,
            problems,
            warnings,
        })
    }

    /// The jobs; where the vendor source was not asked since the start, as its last sync ended.
    async fn job_statuses(&self) -> Result<Vec<JobStatus>> {
        let mut jobs = self.statuses.all();
        let is_new = |job: &&mut JobStatus| job.name == "vendor" && job.last_run.is_none();
        if let Some(job) = jobs.iter_mut().find(is_new)
            && let Some(last) = self.db.vendor().await?.and_then(|vendor| vendor.last_sync)
            && last.error.is_some()
        {
            job.last_run = Some(last.started);
            (job.message, job.failing_since) = ("failed".to_owned(), Some(last.started));
            job.error = last.error;
        }
        Ok(jobs)
    }

    /// What an administrator should know at every start.
    pub(crate) fn warnings(&self, now: Timestamp) -> Vec<String> {
        let mut warnings = self.publishing.keys_to_do(now);
        if self.settings.is_console_nameless {
            warnings.push(
                "the console listens on every address and console_names is empty, so its name is refused and its \
                 certificate is good for the loopback alone; list the names that administrators use"
                    .to_owned(),
            );
        }
        warnings
    }

    async fn repository_status(&self, repository: Repository) -> Result<RepositoryStatus> {
        let published = self.publishing.published(repository);
        let names = match repository {
            Repository::Policy | Repository::Class(Class::Settings) => self.db.domains().await?.len(),
            _ => published
                .targets()
                .filter(|(name, ..)| layout::component_of_release_list(name).is_some())
                .count(),
        };
        let store = self.publishing.store(repository);
        let blobs = match repository.class() {
            Some(class) => self.db.blobs(class).await?.len(),
            None => 0,
        };
        let expires =
            Role::ALL.map(|role| published.expires(role)).into_iter().min().unwrap_or(Timestamp::MIN);
        Ok(RepositoryStatus {
            repository: repository.to_string(),
            targets_version: published.version(Role::Targets),
            root_version: published.version(Role::Root),
            expires,
            names: names as u64,
            blobs: blobs as u64,
            blob_bytes: store.usage().stored,
        })
    }
}
