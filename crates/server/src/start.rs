//! Opening the services over a data folder and wiring them; the first start and every other.
//!
//! A service is given the ones below it: `publishing` ← `source_list` ← `fleet` ← `upkeep`, and `publishing` ← `access`.

use std::sync::Arc;

use headwater_policy::{Class, Repository, SourceUrl};
use headwater_repo::{TargetsDraft, error_chain};
use jiff::Timestamp;
use tokio::sync::watch;

use crate::access::AccessService;
use crate::audit::Audit;
use crate::caller::Caller;
use crate::config::Config;
use crate::data::{DataFolder, refuse_unfinished};
use crate::db::Db;
use crate::error::{Error, Result};
use crate::fleet::{FleetKeys, FleetParts, FleetService, FleetSettings};
use crate::folder_state::{
    Entry, StartKind, check_database, decide_entry, read_entry, refuse_unknown_repositories, rejected,
};
use crate::publishing::PublishingService;
use crate::rest;
use crate::secret::load_or_make_audit_key;
use crate::services::Services;
use crate::source_list::SourceListService;
use crate::upkeep::{UpkeepParts, UpkeepService};

/// Whether a server may start on the data folder, before anything is made or bound for it.
///
/// # Errors
/// Why not, or the folder cannot be read.
pub fn enter(config: &Config) -> Result<Entry> {
    refuse_unfinished(&config.data)?;
    let entry = read_entry(&config.data, config)?;
    decide_entry(&entry).map_err(|why| rejected(&config.data, &why))?;
    Ok(entry)
}

/// Opens the data folder and everything in it, making what is missing.
///
/// # Errors
/// As [`enter`]; when the folder, the database, a key or the metadata cannot be opened or made.
pub async fn open(config: Config, fleet_url: SourceUrl, now: Timestamp) -> Result<Services> {
    let entry = enter(&config)?;
    let services = wire(config, &entry, fleet_url, now).await?;
    begin(&services, now).await?;
    services.access.make_first_administrator(now).await?;
    Ok(services)
}

/// Opens a data folder from a backup, whose online keys may be gone. Nothing is signed.
///
/// # Errors
/// As [`open`].
pub(crate) async fn open_restored(config: Config, now: Timestamp) -> Result<Services> {
    let audit_key = load_or_make_audit_key(&config.data.join("keys/audit.key"))?;
    let db = Db::open(&config.data.join("server.db"), audit_key).await?;
    let url = db.policy_now().await?.document.server.url;
    db.close().await;
    let url: SourceUrl = url.parse().map_err(|error: headwater_policy::ParseError| Error::Corrupt {
        what: "policy",
        reason: error.to_string(),
    })?;
    let entry = read_entry(&config.data, &config)?;
    let services = wire(config, &entry, url, now).await?;
    for repository in Repository::ALL {
        services.publishing.open_repository(repository).await?;
    }
    Ok(services)
}

/// Opens everything; publishes nothing.
async fn wire(config: Config, entry: &Entry, fleet_url: SourceUrl, now: Timestamp) -> Result<Services> {
    let data = Arc::new(DataFolder::open(&config.data)?);
    let start = check_database(&data, entry).await?;
    data.prepare()?;
    let db = Db::open(&data.database(), load_or_make_audit_key(&data.audit_key())?).await?;
    refuse_unknown_repositories(&data, &db).await?;
    let publishing = Arc::new(PublishingService::open((&config).into(), data.clone(), db.clone()).await?);
    let access = AccessService::new(&config, db.clone(), publishing.clone(), rest::scopes())?;
    let mut tx = db.begin().await?;
    let fleet_settings = FleetSettings::from(&config);
    let keys = FleetKeys::open(&data, &mut tx, &fleet_settings, &fleet_url, now).await?;
    tx.commit(Audit::Exempt("keys are made before there is anybody who could do it")).await?;
    let (response_signing_key, watched) = watch::channel(keys.response_signing_key.public().to_string());
    let source_list = Arc::new(SourceListService::new(
        db.clone(),
        publishing.clone(),
        fleet_url.clone(),
        config.anonymous_components,
        watched,
    ));
    let fleet = FleetParts {
        settings: fleet_settings,
        data: data.clone(),
        db: db.clone(),
        publishing: publishing.clone(),
        source_list: source_list.clone(),
        fleet_url,
        keys,
        response_signing_key,
    };
    let fleet = Arc::new(FleetService::new(fleet, now)?);
    let upkeep = UpkeepParts {
        settings: (&config).into(),
        data: data.clone(),
        db: db.clone(),
        publishing: publishing.clone(),
        source_list: source_list.clone(),
        fleet: fleet.clone(),
        started: now,
    };
    let upkeep = Arc::new(UpkeepService::new(upkeep));
    let is_first_start = start == StartKind::First;
    Ok(Services {
        publishing,
        source_list,
        fleet,
        access: Arc::new(access),
        upkeep,
        db,
        data,
        is_first_start,
    })
}

/// Publishes what has never been published, repairs what a crash left, and saves where the server now is. Where database
/// and repositories are of different times, nothing is published: they are served as they are, and only revocations that
/// the database has lost are saved.
async fn begin(services: &Services, now: Timestamp) -> Result<()> {
    let Services { publishing, source_list, .. } = services;
    let change = publishing.change().await;
    let unpublished = publishing.open_repositories(now).await?;
    if publishing.hold().is_some() {
        // Clients that were revoked since the database was copied stay out while nothing is signed.
        let signed = source_list.policy_as_signed()?;
        let audit_entry = Caller::server(now).audit_entry("repository.hold", "revocations");
        services.fleet.take_revocations(signed.fleet.revoked, audit_entry).await?;
        return Ok(());
    }
    for repository in Repository::ALL {
        if unpublished.contains(&repository) {
            match repository {
                Repository::Policy => source_list.publish_first_policy(now).await?,
                Repository::Class(Class::Settings) => source_list.publish_first_settings(now).await?,
                Repository::Class(Class::Components | Class::Programs) => {
                    let draft = TargetsDraft::first(publishing.first_root(repository, now)?);
                    let staged = publishing.stage(repository, draft, now)?;
                    let audit_entry = Caller::server(now).audit_entry("repository.begin", repository);
                    publishing.commit(services.db.begin().await?, vec![staged], audit_entry).await?;
                }
            }
        }
        publishing.activate_keys(repository, now)?;
        if let Err(error) = publishing.resume_root(&change, repository, now).await {
            // The signing job tries it again, and the status shows it.
            tracing::error!(%repository, error = error_chain(&error), "an interrupted change of keys is not completed");
        }
        publishing.check_keys(repository)?;
    }
    services.access.check_audit_end(now).await?;
    source_list.follow_fleet_url(now).await
}
