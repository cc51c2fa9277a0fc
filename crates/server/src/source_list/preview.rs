//! What saving would do (S8), what changed between versions (S7), and whose plan is what (S10). Nothing is changed here.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt;
use headwater_api::conversion::plan_document;
use headwater_api::policy::ClientDocument;
use headwater_api::v1::{ChangeView, Explained, Finding, PreviewAnswer};
use headwater_policy::{
    Client, EntrySource, Family, FamilySet, Policy, PolicyDraft, Problem, SourceUrl, diff_policies, explain,
    explain_address, parse_address,
};

use super::drafts::DraftId;
use super::policies::{Current, changes, read_saved, saved_version};
use super::policy_drafts::{open_draft, over};
use super::service::SourceListService;
use crate::db::clients::ClientRow;
use crate::error::{Error, Refusal, Result};
use crate::limits;
use crate::request::{parse_each, refuse};

impl SourceListService {
    /// What saving a draft would do (S8).
    ///
    /// # Errors
    /// Only for a bad name, or when the database fails: what is wrong with the draft is part of the answer.
    pub async fn preview(&self, draft: &DraftId) -> Result<PreviewAnswer> {
        let current = self.current().await?;
        let open = open_draft(&mut self.db.connection().await?, draft, &current).await?;
        self.preview_of(current, open.draft).await
    }

    /// What restoring an earlier version would do.
    ///
    /// # Errors
    /// A refusal where that version is not there.
    pub async fn preview_restored(&self, version: u64) -> Result<PreviewAnswer> {
        let current = self.current().await?;
        let earlier = saved_version(&mut self.db.connection().await?, version).await?;
        let draft = over(&current.policy, &earlier.document)?;
        self.preview_of(current, draft).await
    }

    async fn preview_of(&self, current: Current, draft: PolicyDraft) -> Result<PreviewAnswer> {
        let clients = self.planning_clients().await?;
        let known = clients.len() as u64;
        let next = match draft.into_policy() {
            Ok(next) => next,
            Err(problems) => {
                let error = |problem: Problem| Finding {
                    entry: problem.entry,
                    code: "error".to_owned(),
                    message: problem.message,
                };
                let errors = problems.into_iter().map(error).collect();
                return Ok(PreviewAnswer {
                    changes: Vec::new(),
                    errors,
                    warnings: Vec::new(),
                    clients_known: known,
                    plans_changed: None,
                });
            }
        };
        let names = name_warnings(&next, families, limits::RESOLVE_ALL_TIME_MAX).await;
        let diff = diff_policies(&current.policy, &next);
        let seen = tokio::task::spawn_blocking(move || {
            headwater_policy::preview(&next, Some(&current.policy), &clients)
        })
        .await
        .map_err(|error| Error::Corrupt { what: "preview task", reason: error.to_string() })?;
        let mut warnings: Vec<Finding> = seen
            .warnings
            .into_iter()
            .map(|warning| Finding {
                entry: warning.entry,
                code: warning.kind.as_str().to_owned(),
                message: warning.message,
            })
            .collect();
        warnings.extend(names);
        warnings.sort_by_key(|warning| warning.entry.unwrap_or(u32::MAX));
        Ok(PreviewAnswer {
            changes: changes(&diff),
            errors: Vec::new(),
            warnings,
            clients_known: known,
            plans_changed: Some(seen.clients_changed as u64),
        })
    }

    /// What changed from one saved version to another, to the current one, or to a draft.
    ///
    /// # Errors
    /// Refusals for versions that are not there, and a draft that has errors in it.
    pub async fn diff(&self, from: u64, to: Option<u64>, draft: Option<&DraftId>) -> Result<Vec<ChangeView>> {
        let mut db = self.db.connection().await?;
        let before = read_saved(saved_version(&mut db, from).await?)?.policy;
        let after = match (to, draft) {
            (Some(_), Some(_)) => {
                return Err(Refusal::invalid("to and draft exclude each other; give one of them").into());
            }
            (Some(to), None) => read_saved(saved_version(&mut db, to).await?)?.policy,
            (None, Some(draft)) => {
                let current = self.current_in(&mut db).await?;
                Policy::already_saved(open_draft(&mut db, draft, &current).await?.draft)
            }
            (None, None) => self.current_in(&mut db).await?.policy,
        };
        Ok(changes(&diff_policies(&before, &after)))
    }

    /// The plans of a known client, or of any addresses (S10).
    ///
    /// # Errors
    /// Refusals for an unknown client, bad addresses, or a draft with errors in it.
    pub async fn explain(
        &self,
        client: Option<&str>,
        addresses: Option<&str>,
        draft: Option<&DraftId>,
    ) -> Result<Explained> {
        let current = self.current().await?;
        let (policy, policy_version) = match draft {
            None => (current.policy, current.saved.version),
            Some(draft) => {
                let open = open_draft(&mut self.db.connection().await?, draft, &current).await?;
                (Policy::already_saved(open.draft), open.stored.base_version)
            }
        };
        let allowed = self.vendor_allowed().await?;
        match (client, addresses) {
            (Some(id), None) => {
                let row = self.db.client(id).await?.ok_or_else(|| Refusal::no_client(id))?;
                let client = planning_client(&row, &allowed).ok_or_else(|| Error::Corrupt {
                    what: "client",
                    reason: format!("{id} has no valid id"),
                })?;
                let plans = plan_document(&explain(&policy, &client));
                Ok(Explained { client: ClientDocument::of(&client), policy_version, plans })
            }
            (None, Some(list)) => {
                let mut problems = Vec::new();
                let texts = list.split(',').map(str::trim);
                let addresses = parse_each("addresses", texts, parse_address, &mut problems);
                refuse(problems)?;
                let from_vendor = allowed("root");
                let plans = plan_document(&explain_address(&policy, &addresses, from_vendor));
                let client = ClientDocument {
                    id: "(any)".to_owned(),
                    addresses: addresses.iter().map(ToString::to_string).collect(),
                    download_from_vendor: from_vendor,
                };
                Ok(Explained { client, policy_version, plans })
            }
            _ => Err(Refusal::invalid("give either a client or addresses, separated by commas").into()),
        }
    }

    /// Every known client as a plan sees it.
    async fn planning_clients(&self) -> Result<Vec<Client>> {
        let vendor_allowed = self.vendor_allowed().await?;
        let rows = self.db.clients(None, "", u32::MAX).await?;
        Ok(rows.iter().filter_map(|row| planning_client(row, &vendor_allowed)).collect())
    }
}

/// A client as a plan sees it; `None` if what is stored of it makes no sense any more.
fn planning_client(row: &ClientRow, vendor_allowed: &dyn Fn(&str) -> bool) -> Option<Client> {
    let id = row.id.parse().ok()?;
    let addresses = row.addresses.iter().filter_map(|text| parse_address(text).ok()).collect();
    Some(Client::new(id, addresses, vendor_allowed(&row.domain)))
}

/// Names that have no address of a family that their entry selects, as this server resolves them (S5).
async fn name_warnings<F>(
    policy: &Policy,
    families: impl Fn(SourceUrl) -> F,
    time_max: Duration,
) -> Vec<Finding>
where
    F: Future<Output = Option<FamilySet>>,
{
    let names: BTreeMap<String, SourceUrl> = policy
        .entries()
        .as_slice()
        .iter()
        .filter_map(|entry| match &entry.source {
            EntrySource::Url { url, .. } if url.literal().is_none() => Some((url.to_string(), url.clone())),
            _ => None,
        })
        .collect();
    let names_count = names.len();
    let found: BTreeMap<String, Option<FamilySet>> = futures_util::stream::iter(names)
        .map(|(text, url)| {
            let families = families(url);
            async move { (text, families.await) }
        })
        .buffer_unordered(limits::RESOLVE_AT_ONCE)
        .take_until(tokio::time::sleep(time_max))
        .collect()
        .await;
    let mut warnings = Vec::new();
    if found.len() < names_count {
        let message = format!(
            "{} of {names_count} names were not looked up: the server's name resolution took longer than {} s; it \
             may be out of order",
            names_count - found.len(),
            time_max.as_secs()
        );
        warnings.push(Finding { entry: None, code: "names_not_looked_up".to_owned(), message });
    }
    for (number, entry) in policy.entries().numbered() {
        let EntrySource::Url { url, .. } = &entry.source else { continue };
        let finding =
            |code: &str, message: String| Finding { entry: Some(number), code: code.to_owned(), message };
        match found.get(url.as_str()) {
            None => {}
            Some(None) => warnings.push(finding(
                "name_not_resolved",
                format!(
                    "the name in {url} cannot be resolved from the server; clients may know it all the same"
                ),
            )),
            Some(Some(has)) => {
                for family in entry.selector.families().iter().filter(|family| !has.contains(*family)) {
                    let message = format!(
                        "the name in {url} has no {family} address, as seen from the server, but {family} clients are selected"
                    );
                    warnings.push(finding("name_without_family", message));
                }
            }
        }
    }
    warnings
}

async fn families(url: SourceUrl) -> Option<FamilySet> {
    // Only names come here, so the host has no colon of its own.
    let host = url.as_str().split_once("://")?.1.split([':', '/']).next()?;
    let addresses = in_time(tokio::net::lookup_host((host, 0))).await?;
    let families: FamilySet = addresses.map(|address| Family::of(address.ip())).collect();
    Some(families)
}

/// What a name server answers; `None` if it failed, or is silent for too long.
async fn in_time<T>(asked: impl Future<Output = std::io::Result<T>>) -> Option<T> {
    tokio::time::timeout(limits::RESOLVE_TIME_MAX, asked).await.ok()?.ok()
}

#[cfg(test)]
mod tests {
    use headwater_api::policy::PolicyDocument;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_silent_name_is_given_up() {
        let begun = tokio::time::Instant::now();
        assert_eq!(in_time(std::future::pending::<std::io::Result<()>>()).await, None);
        assert_eq!(begun.elapsed().as_secs(), limits::RESOLVE_TIME_MAX.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_name_server_does_not_hold_a_list_up() {
        let entry = |n: u32| serde_json::json!({"clients": {"ipv4": "10.0.0.1"}, "source": {"url": format!("http://m{n}/")}});
        let document = serde_json::json!({
            "mode": "customized",
            "options": {
                "server_fallback": { "components": true, "settings": true, "programs": true },
                "update_agents_from_server_only": false, "vendor_fallback": "documented"
            },
            "server": { "url": "http://127.0.0.1:8471" }, "update_agents": [],
            "entries": (0..100).map(entry).collect::<Vec<_>>(),
        });
        let document: PolicyDocument = serde_json::from_value(document).unwrap();
        let policy = document.read().unwrap().into_policy().unwrap();
        let silent = |url: SourceUrl| async move {
            if url.as_str().contains("m99") { None } else { std::future::pending().await }
        };
        let begun = tokio::time::Instant::now();
        let warnings = name_warnings(&policy, silent, limits::RESOLVE_ALL_TIME_MAX).await;
        assert_eq!(begun.elapsed().as_secs(), limits::RESOLVE_ALL_TIME_MAX.as_secs());
        let codes: Vec<_> = warnings.iter().map(|warning| (warning.entry, warning.code.as_str())).collect();
        assert_eq!(codes, [(None, "names_not_looked_up")], "{warnings:?}");
        assert!(warnings[0].message.starts_with("100 of 100"), "{warnings:?}");
        let quick = |_| async { Some(FamilySet::default()) };
        let warnings = name_warnings(&policy, quick, Duration::from_secs(60)).await;
        assert_eq!(warnings.len(), 100, "none has the family");
        let is_of_entry = |(at, warning): (usize, &Finding)| {
            warning.code == "name_without_family" && warning.entry == u32::try_from(at + 1).ok()
        };
        assert!(warnings.iter().enumerate().all(is_of_entry), "{warnings:?}");
    }
}
