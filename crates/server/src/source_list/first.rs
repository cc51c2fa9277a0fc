//! The first publication of the policy and of class `settings`, and the server's own address in the policy.

use headwater_api::policy::PolicyDocument;
use headwater_policy::{
    DomainPath, Mode, Options, OwnComponents, Policy, PolicyDraft, Repository, SourceList, SourceUrl,
    UpdateAgents,
};
use headwater_repo::TargetsDraft;
use jiff::Timestamp;

use super::domain_documents::{Part, documents, empty_domain, saved_now};
use super::policies::{invalid_list, policy_target};
use super::service::SourceListService;
use crate::caller::Caller;
use crate::db::domains::DomainRow;
use crate::db::policies::PolicyRow;
use crate::db::{domain_settings, domains, policies};
use crate::error::Result;
use crate::publishing::failed;

impl SourceListService {
    /// Publishes the first policy and the root domain. The caller holds the turn of those who publish.
    pub(crate) async fn publish_first_policy(&self, now: Timestamp) -> Result<()> {
        let mut draft = TargetsDraft::first(self.publishing.first_root(Repository::Policy, now)?);
        let audit_entry = Caller::server(now).audit_entry("repository.begin", Repository::Policy);
        let mut tx = self.db.begin().await?;
        let policy = first_policy(&self.fleet_url)?;
        let saved = PolicyRow {
            version: 1,
            saved: now,
            saved_by: audit_entry.who.clone(),
            comment: "first start".to_owned(),
            document: PolicyDocument::of(&policy.to_draft()),
            vendor_root: None,
        };
        let mut root = empty_domain(&DomainPath::root());
        (root.version, root.typed_version) = (1, 1);
        let document = self.signed_policy(&mut tx, &saved, now).await?;
        draft.add(policy_target(), document).map_err(failed(Repository::Policy, "policy"))?;
        add_documents(&mut draft, Part::Typed, std::slice::from_ref(&root))?;
        policies::insert(&mut tx, &saved).await?;
        domains::put(&mut tx, &root).await?;
        let first = saved_now(&root, &saved.comment, &audit_entry);
        domain_settings::insert_version(&mut tx, &root.path, &first).await?;
        let staged = self.publishing.stage(Repository::Policy, draft, now)?;
        self.publishing.commit(tx, vec![staged], audit_entry).await
    }

    /// Publishes the first of class `settings`: what the domains that there are set for the software on the endpoint.
    pub(crate) async fn publish_first_settings(&self, now: Timestamp) -> Result<()> {
        let settings = Part::Free.repository();
        let mut draft = TargetsDraft::first(self.publishing.first_root(settings, now)?);
        let mut tx = self.db.begin().await?;
        add_documents(&mut draft, Part::Free, &tx.domains().await?)?;
        let staged = self.publishing.stage(settings, draft, now)?;
        let audit_entry = Caller::server(now).audit_entry("repository.begin", settings);
        self.publishing.commit(tx, vec![staged], audit_entry).await
    }

    /// Saves where the server is now, if the policy names another place. The caller holds the turn of those who publish.
    pub(crate) async fn follow_fleet_url(&self, now: Timestamp) -> Result<()> {
        let current = self.current().await?;
        if *current.policy.server() == self.fleet_url {
            return Ok(());
        }
        let draft = PolicyDraft { server: self.fleet_url.clone(), ..current.policy.to_draft() };
        let next = draft.into_policy().map_err(invalid_list)?;
        let comment = format!("the server is at {} now", self.fleet_url);
        let root = current.saved.vendor_root.clone();
        let audit_entry = Caller::server(now).audit_entry("server.move", &self.fleet_url);
        self.save_policy(self.db.begin().await?, &current, &next, root, comment, audit_entry).await?;
        Ok(())
    }
}

fn add_documents(draft: &mut TargetsDraft, part: Part, rows: &[DomainRow]) -> Result<()> {
    for document in documents(rows)? {
        let (target, json) = (part.target(&document.domain), part.to_json(&document));
        draft.add(target, json.into_bytes()).map_err(failed(part.repository(), "domain"))?;
    }
    Ok(())
}

fn first_policy(server: &SourceUrl) -> Result<Policy> {
    let draft = PolicyDraft {
        mode: Mode::Standard,
        options: Options::default(),
        server: server.clone(),
        vendor: None,
        update_agents: UpdateAgents::default(),
        own_components: OwnComponents::default(),
        entries: SourceList::default(),
    };
    draft.into_policy().map_err(invalid_list)
}
