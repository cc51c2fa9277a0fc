//! Every message that an old version sent must parse for ever, and lose nothing on the way.
//!
//! A golden file is named `MESSAGE.CASE.json`. It is never changed once released; a message that grows gets a new case.

use std::collections::BTreeSet;
use std::path::Path;

use headwater_api::{bundle, checkin, enrol, plan, policy, report, settings, v1};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Does `golden` parse, and is everything that it says still there afterwards?
fn check<T: DeserializeOwned + Serialize>(golden: &str) -> Result<(), String> {
    let message: T = serde_json::from_str(golden).map_err(|error| error.to_string())?;
    let before: Value = serde_json::from_str(golden).map_err(|error| error.to_string())?;
    let after = serde_json::to_value(&message).map_err(|error| error.to_string())?;
    keeps(&before, &after, "")
}

fn keeps(before: &Value, after: &Value, path: &str) -> Result<(), String> {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => before.iter().try_for_each(|(key, value)| {
            let path = format!("{path}/{key}");
            match after.get(key) {
                Some(after) => keeps(value, after, &path),
                None => Err(format!("{path} is lost")),
            }
        }),
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => before
            .iter()
            .zip(after)
            .enumerate()
            .try_for_each(|(at, (before, after))| keeps(before, after, &format!("{path}/{at}"))),
        _ if before == after => Ok(()),
        _ => Err(format!("{path}: {before} became {after}")),
    }
}

type Check = fn(&str) -> Result<(), String>;

/// Every message there is, by the name of its golden files.
const MESSAGES: &[(&str, Check)] = &[
    ("check_in", check::<checkin::CheckIn>),
    ("check_in_answer", check::<checkin::CheckInAnswer>),
    ("certificate_answer", check::<enrol::CertificateAnswer>),
    ("client", check::<policy::ClientDocument>),
    ("domain_settings", check::<settings::SettingsDocument>),
    ("enrol_bundle", check::<bundle::EnrolBundle>),
    ("enrol_request", check::<enrol::EnrolRequest>),
    ("free_settings", check::<settings::FreeSettingsDocument>),
    ("plan", check::<plan::PlanDocument>),
    ("policy", check::<policy::PolicyDocument>),
    ("renewal_request", check::<enrol::RenewalRequest>),
    ("report", check::<report::Report>),
    ("report_answer", check::<report::ReportAnswer>),
    ("sealed_domain", check::<settings::SealedDomainDocument>),
    ("signed_policy", check::<settings::SignedPolicy>),
    ("typed_settings", check::<settings::TypedSettingsDocument>),
    ("v1_adopt_answer", check::<v1::AdoptAnswer>),
    ("v1_adopt_request", check::<v1::AdoptRequest>),
    ("v1_administrator_request", check::<v1::AdministratorRequest>),
    ("v1_administrator_role", check::<v1::AdministratorRoleRequest>),
    ("v1_administrators", check::<v1::AdministratorsAnswer>),
    ("v1_api_token_request", check::<v1::ApiTokenRequest>),
    ("v1_api_tokens", check::<v1::ApiTokensAnswer>),
    ("v1_audit", check::<v1::AuditAnswer>),
    ("v1_audit_query", check::<v1::AuditQuery>),
    ("v1_audit_verified", check::<v1::AuditVerified>),
    ("v1_backup", check::<v1::BackupRequest>),
    ("v1_ca_rotated", check::<v1::CaRotated>),
    ("v1_repository_keys", check::<v1::RepositoryKeysView>),
    ("v1_clients", check::<v1::ClientsAnswer>),
    ("v1_clients_query", check::<v1::ClientsQuery>),
    ("v1_component", check::<v1::ComponentAnswer>),
    ("v1_diff", check::<v1::DiffAnswer>),
    ("v1_diff_query", check::<v1::DiffQuery>),
    ("v1_domain_request", check::<v1::DomainRequest>),
    ("v1_domains", check::<v1::DomainsAnswer>),
    ("v1_draft", check::<v1::DraftView>),
    ("v1_drafts", check::<v1::DraftsAnswer>),
    ("v1_edits", check::<v1::EditsRequest>),
    ("v1_enrol_bundle_request", check::<v1::EnrolBundleRequest>),
    ("v1_error", check::<v1::ErrorAnswer>),
    ("v1_explain_query", check::<v1::ExplainQuery>),
    ("v1_explained", check::<v1::Explained>),
    ("v1_force_query", check::<v1::ForceQuery>),
    ("v1_health", check::<v1::Health>),
    ("v1_history", check::<v1::HistoryAnswer>),
    ("v1_import", check::<v1::ImportRequest>),
    ("v1_key_rotated", check::<v1::KeyRotated>),
    ("v1_keys", check::<v1::KeysView>),
    ("v1_move", check::<v1::MoveRequest>),
    ("v1_new_api_token", check::<v1::NewApiToken>),
    ("v1_new_password", check::<v1::NewPassword>),
    ("v1_page_query", check::<v1::PageQuery>),
    ("v1_password", check::<v1::PasswordRequest>),
    ("v1_preview", check::<v1::PreviewAnswer>),
    ("v1_publish_options", check::<v1::PublishOptions>),
    ("v1_publish_query", check::<v1::PublishQuery>),
    ("v1_published", check::<v1::PublishedAnswer>),
    ("v1_releases", check::<v1::ReleasesAnswer>),
    ("v1_re_enrol", check::<v1::ReEnrolAnswer>),
    ("v1_re_enrol_request", check::<v1::ReEnrolRequest>),
    ("v1_reports", check::<v1::ReportsAnswer>),
    ("v1_reports_query", check::<v1::ReportsQuery>),
    ("v1_restore", check::<v1::RestoreRequest>),
    ("v1_revoked", check::<v1::RevokedView>),
    ("v1_role", check::<v1::RoleRequest>),
    ("v1_rollback", check::<v1::RollbackRequest>),
    ("v1_root_draft", check::<v1::RootDraftAnswer>),
    ("v1_root_draft_request", check::<v1::RootDraftRequest>),
    ("v1_root_request", check::<v1::RootRequest>),
    ("v1_rotate_ca_query", check::<v1::RotateCaQuery>),
    ("v1_save", check::<v1::SaveRequest>),
    ("v1_saved", check::<v1::SavedAnswer>),
    ("v1_saved_policy", check::<v1::SavedPolicy>),
    ("v1_saved_settings", check::<v1::SavedSettings>),
    ("v1_session", check::<v1::SessionView>),
    ("v1_settings_diff", check::<v1::SettingsDiffAnswer>),
    ("v1_settings_draft", check::<v1::SettingsDraft>),
    ("v1_settings_drafts", check::<v1::SettingsDraftsAnswer>),
    ("v1_settings_edit", check::<v1::SettingsEdit>),
    ("v1_settings_edit_request", check::<v1::SettingsEditRequest>),
    ("v1_settings_history", check::<v1::SettingsHistoryAnswer>),
    ("v1_settings_saved", check::<v1::SettingsSaved>),
    ("v1_settings_set", check::<v1::SettingsSetRequest>),
    ("v1_sign_in", check::<v1::SignInRequest>),
    ("v1_status", check::<v1::Status>),
    ("v1_unknown_clients", check::<v1::UnknownClientsAnswer>),
    ("v1_sync", check::<v1::SyncResult>),
    ("v1_tokens", check::<v1::TokensAnswer>),
    ("v1_update_agents", check::<v1::UpdateAgentsAnswer>),
    ("v1_vendor", check::<v1::VendorView>),
    ("v1_vendor_request", check::<v1::VendorRequest>),
];

#[test]
fn every_message_ever_sent_parses() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut seen = BTreeSet::new();
    let mut wrong = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let message = name.split('.').next().unwrap().to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        match MESSAGES.iter().find(|(known, _)| *known == message) {
            Some((_, check)) => wrong.extend(check(&text).err().map(|error| format!("{name}: {error}"))),
            None => wrong.push(format!("{name}: no message has this name; add it to MESSAGES")),
        }
        seen.insert(message);
    }
    for (message, _) in MESSAGES {
        if !seen.contains(*message) {
            wrong.push(format!("{message}: it has no golden file; add tests/golden/{message}.1.json"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
