//! First start and every other: what must be there before the listeners answer.

use headwater_api::policy::PolicyDocument;
use headwater_policy::{
    Class, DomainPath, Draft as PolicyDraft, Mode, Options, Policy, SourceList, UpdateAgents,
};
use headwater_repo::Draft;
use jiff::Timestamp;

use super::App;
use super::domains::{documents, domain_target, empty_domain, saved_now};
use super::policies::{policy_target, signed_policy};
use crate::access::Caller;
use crate::db::policies::Saved;
use crate::db::{domain_settings, domains, policies, to_json};
use crate::error::Result;
use crate::publishing::failed;
use headwater_repo::error_chain;

impl App {
    /// Publishes what has never been published, repairs what a crash left, and notes where the server now is.
    pub(crate) async fn begin(&self, now: Timestamp) -> Result<()> {
        let _change = self.publishing.change().await;
        for class in Class::ALL {
            if !self.publishing.open_repository(class).await? {
                self.publish_first(class, now).await?;
            }
            self.publishing.settle_keys(class, now)?;
            if let Err(error) = self.publishing.resume_root(class, now).await {
                // The signing job tries it again and tells in the status.
                tracing::error!(%class, error = error_chain(&error), "a change of keys that had broken off is not completed");
            }
            self.publishing.check_keys(class)?;
        }
        self.check_audit_end(now).await?;
        let current = self.current().await?;
        if *current.policy.server() != self.fleet_url {
            let draft = PolicyDraft { server: self.fleet_url.clone(), ..current.policy.to_draft() };
            let next = draft.into_policy().map_err(super::policies::invalid_list)?;
            let comment = format!("the server is at {} now", self.fleet_url);
            let root = current.saved.vendor_root.clone();
            let audit_entry = Caller::server(now).audit_entry("server.move", &self.fleet_url);
            self.save_policy(self.db.begin().await?, &current, &next, root, comment, audit_entry).await?;
        }
        Ok(())
    }

    async fn publish_first(&self, class: Class, now: Timestamp) -> Result<()> {
        let root = self.publishing.first_root(class, now)?;
        let mut draft = Draft::first(root);
        let mut tx = self.db.begin().await?;
        if class == Class::Settings {
            let policy = first_policy(self)?;
            let saved = Saved {
                version: 1,
                saved: now,
                comment: "first start".to_owned(),
                document: PolicyDocument::of(&policy.to_draft()),
                vendor_root: None,
            };
            let mut root = empty_domain(&DomainPath::root());
            root.version = 1;
            let fleet = self.fleet_document(&mut tx, now).await?;
            draft.add(policy_target(), signed_policy(&saved, fleet)).map_err(failed(class, "policy"))?;
            for document in documents(std::slice::from_ref(&root))? {
                let target = domain_target(&document.domain);
                draft.add(target, to_json(&document).into_bytes()).map_err(failed(class, "domain"))?;
            }
            policies::insert(&mut tx, &saved).await?;
            domains::put(&mut tx, &root).await?;
            let first = saved_now(&root, &saved.comment, now);
            domain_settings::insert_version(&mut tx, &root.path, &first).await?;
        }
        let staged = self.publishing.stage(class, draft, now)?;
        self.publishing
            .commit(tx, vec![staged], Caller::server(now).audit_entry("repository.begin", class))
            .await
    }
}

fn first_policy(app: &App) -> Result<Policy> {
    let draft = PolicyDraft {
        mode: Mode::Standard,
        options: Options::default(),
        server: app.fleet_url.clone(),
        vendor: None,
        update_agents: UpdateAgents::default(),
        entries: SourceList::default(),
    };
    draft.into_policy().map_err(super::policies::invalid_list)
}
