//! The table of errors: what each becomes for outsiders. Everything that leaves the server as an error is here.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use headwater_api::v1::{ErrorAnswer, ErrorBody};
use headwater_policy::Problem;
use headwater_repo::error_chain;
use serde_json::{Value, json};

use crate::caller::AdministratorRole;
use crate::error::{Error, ProviderFault, Refusal};
use crate::limits;

/// The answer that an outsider gets.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    status: StatusCode,
    code: &'static str,
    message: String,
    details: Option<Value>,
}

fn table(error: &Error) -> Row {
    let internal = |code, message: &str| Row {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        code,
        message: message.to_owned(),
        details: None,
    };
    match error {
        Error::Refused(refusal) => {
            let (status, code) = refused(refusal);
            Row { status, code, message: refusal.to_string(), details: details(refusal) }
        }
        // What failed inside names paths and statements: that is for the log.
        Error::Disk { .. } => disk_full(),
        Error::Database(_) if error.is_disk_full() => disk_full(),
        Error::Database(_) | Error::Corrupt { .. } => {
            internal("database", "the server's database failed; its log says why. Try again, then look there")
        }
        // The path is that below the data folder: it tells nobody where that is.
        Error::Lost { .. } => internal("lost", &error.to_string()),
        Error::FleetKey { .. } => {
            internal("keys", "a key of the server failed; its log says which. Nothing was changed")
        }
        Error::Repository { .. } => {
            internal("signing", "the server could not sign; its log says why. Nothing was published")
        }
        Error::Interrupted => internal("interrupted", "the server was interrupted; start it again"),
        Error::Backup { .. } | Error::BackupPassphrase(_) => internal("backup", &error.to_string()),
        Error::DataFolder { .. }
        | Error::FolderInUse { .. }
        | Error::FolderShared { .. }
        | Error::OwnedByAnother(_) => {
            internal("data_folder", "the server cannot work on its data folder; its log says why")
        }
    }
}

fn disk_full() -> Row {
    Row {
        status: StatusCode::INSUFFICIENT_STORAGE,
        code: "disk",
        message: "the server's disk is full or refuses; its log says which file. Nothing was changed"
            .to_owned(),
        details: None,
    }
}

/// The status and the stable code of each refusal.
fn refused(refusal: &Refusal) -> (StatusCode, &'static str) {
    use StatusCode as S;
    match refusal {
        Refusal::Invalid(_) => (S::BAD_REQUEST, "invalid_request"),
        Refusal::InvalidList(_) => (S::UNPROCESSABLE_ENTITY, "invalid_list"),
        Refusal::NotFound { .. } | Refusal::NoKey(_) => (S::NOT_FOUND, "not_found"),
        Refusal::NoVendor => (S::NOT_FOUND, "no_vendor"),
        Refusal::Exists { .. } => (S::CONFLICT, "exists"),
        Refusal::VersionWithdrawn { .. } => (S::CONFLICT, "version_withdrawn"),
        Refusal::VersionUsed { .. } => (S::CONFLICT, "version_used"),
        Refusal::NameOfVendor(_) => (S::CONFLICT, "name_of_vendor"),
        Refusal::DraftOutdated { .. } | Refusal::SettingsOutdated { .. } => (S::CONFLICT, "draft_outdated"),
        Refusal::DraftChanged { .. } => (S::CONFLICT, "draft_changed"),
        Refusal::VersionMoved { .. } => (S::CONFLICT, "version_moved"),
        Refusal::IsUpdateAgent(_) => (S::CONFLICT, "is_update_agent"),
        Refusal::NamedByEntries { .. } => (S::CONFLICT, "named_by_entries"),
        Refusal::DomainNotEmpty { .. } => (S::CONFLICT, "domain_not_empty"),
        Refusal::NotForRoot(_) => (S::UNPROCESSABLE_ENTITY, "not_for_root"),
        Refusal::Root { .. } => (S::UNPROCESSABLE_ENTITY, "bad_root"),
        Refusal::RootUnsigned { .. } => (S::CONFLICT, "root_unsigned"),
        Refusal::Archive(_) => (S::UNPROCESSABLE_ENTITY, "bad_archive"),
        Refusal::TooLarge { .. } => (S::PAYLOAD_TOO_LARGE, "too_large"),
        Refusal::UploadBroken(_) => (S::BAD_REQUEST, "upload_broken"),
        Refusal::SigningStopped(_) => (S::CONFLICT, "signing_stopped"),
        Refusal::NothingToAdopt => (S::CONFLICT, "nothing_to_adopt"),
        Refusal::Busy(_) => (S::SERVICE_UNAVAILABLE, "busy"),
        Refusal::ForeignOrigin(_) => (S::FORBIDDEN, "foreign_origin"),
        Refusal::BadToken(_) => (S::FORBIDDEN, "bad_token"),
        Refusal::IdTaken(_) => (S::CONFLICT, "id_taken"),
        Refusal::KeyTaken(_) => (S::CONFLICT, "key_taken"),
        Refusal::KeyRevoked => (S::FORBIDDEN, "revoked"),
        Refusal::NotEnrolled(_) => (S::FORBIDDEN, "not_enrolled"),
        Refusal::NotReEnrolled(_) => (S::FORBIDDEN, "not_re_enrolled"),
        Refusal::NotProven(_) => (S::CONFLICT, "not_proven"),
        Refusal::ProvenTwice(_) => (S::CONFLICT, "proven_twice"),
        Refusal::WasRevoked(_) | Refusal::WasRevokedOrRemoved(_) => (S::CONFLICT, "was_revoked"),
        Refusal::StatementRejected(_) => (S::FORBIDDEN, "bad_statement"),
        Refusal::Replayed { .. } => (S::CONFLICT, "replayed"),
        Refusal::NotACarrier(_) => (S::FORBIDDEN, "not_a_carrier"),
        Refusal::CertificateNeeded => (S::UNAUTHORIZED, "certificate_needed"),
        Refusal::CaDistrusted => (S::UNAUTHORIZED, "ca_distrusted"),
        Refusal::TooOften => (S::TOO_MANY_REQUESTS, "too_often"),
        Refusal::NotSignedIn => (S::UNAUTHORIZED, "not_signed_in"),
        Refusal::BadApiToken => (S::UNAUTHORIZED, "bad_api_token"),
        Refusal::WrongPassword => (S::UNAUTHORIZED, "wrong_password"),
        Refusal::OneTimePassword => (S::FORBIDDEN, "one_time_password"),
        Refusal::NoProvider => (S::NOT_FOUND, "no_provider"),
        Refusal::NotVouched(_) => (S::UNAUTHORIZED, "not_vouched"),
        Refusal::Provider(fault) => (provider_status(fault), fault.code()),
        Refusal::TooManyAttempts { .. } => (S::TOO_MANY_REQUESTS, "too_many_attempts"),
        Refusal::Forbidden { .. } => (S::FORBIDDEN, "forbidden"),
        Refusal::OutOfScope(_) => (S::FORBIDDEN, "out_of_scope"),
        Refusal::NotThisWay(_) => (S::FORBIDDEN, "not_this_way"),
        Refusal::LastAdmin(_) => (S::CONFLICT, "last_admin"),
        Refusal::Quota(_) => (S::INSUFFICIENT_STORAGE, "quota"),
    }
}

/// What a program may want to know of a refusal beside its words.
fn details(refusal: &Refusal) -> Option<Value> {
    Some(match refusal {
        Refusal::Invalid(problems) | Refusal::InvalidList(problems) => problems_json(problems),
        Refusal::DraftOutdated { draft, saved_version, changes, .. } => json!({
            "draft": draft.name, "owner": draft.owner, "saved_version": saved_version, "changes": changes
        }),
        Refusal::SettingsOutdated { domain, draft, saved_version, changes, .. } => json!({
            "domain": domain, "draft": draft.as_ref().map(|draft| &draft.name),
            "owner": draft.as_ref().and_then(|draft| draft.owner.as_ref()),
            "saved_version": saved_version, "changes": changes
        }),
        Refusal::DraftChanged { draft, domain, revision, .. } => json!({
            "draft": draft.name, "owner": draft.owner, "domain": domain, "revision": revision
        }),
        Refusal::VersionMoved { saved_version, .. } => json!({ "saved_version": saved_version }),
        Refusal::NamedByEntries { entries, .. } => json!({ "entries": entries }),
        Refusal::TooLarge { limit, .. } => json!({ "limit": limit }),
        Refusal::Replayed { taken, answer } => json!({ "taken": taken, "answer": answer }),
        Refusal::NotVouched(why) => json!({ "why": why.code() }),
        Refusal::TooManyAttempts { seconds } => json!({ "seconds": seconds }),
        Refusal::Forbidden { needs, .. } => needed(*needs),
        Refusal::OutOfScope(scope) => json!({ "scope": scope }),
        _ => return None,
    })
}

fn provider_status(fault: &ProviderFault) -> StatusCode {
    match fault {
        ProviderFault::Broken(_) => StatusCode::BAD_GATEWAY,
        ProviderFault::Down | ProviderFault::Silent => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn needed(role: AdministratorRole) -> Value {
    json!({ "needs": role.to_string() })
}

fn problems_json(problems: &[Problem]) -> Value {
    let each = |problem: &Problem| json!({ "entry": problem.entry, "message": problem.message });
    json!({ "problems": problems.iter().map(each).collect::<Vec<_>>() })
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let row = table(&self);
        if row.status.is_server_error() {
            tracing::error!(error = error_chain(&self), code = row.code, "request failed");
        }
        let wait = match (row.status, &self) {
            (_, Self::Refused(Refusal::Provider(_))) => Some(limits::PROVIDER_PAUSE_SECONDS as u32),
            (StatusCode::SERVICE_UNAVAILABLE, _) => Some(limits::UPLOAD_RETRY_AFTER_SECONDS),
            (_, Self::Refused(Refusal::TooManyAttempts { seconds })) => Some(*seconds),
            (StatusCode::TOO_MANY_REQUESTS, _) => Some(limits::ENROL_RETRY_AFTER_SECONDS),
            _ => None,
        };
        let mut response = answer(row.status, row.code, row.message, row.details);
        if let Some(seconds) = wait {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        // Clients prove who they are by a certificate: on the fleet plane no HTTP authentication would help.
        let by_certificate =
            matches!(self, Self::Refused(Refusal::CertificateNeeded | Refusal::CaDistrusted));
        if row.status == StatusCode::UNAUTHORIZED && !by_certificate {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// An error answer that no use case made: a path that is not there, a body that does not parse.
pub fn answer(status: StatusCode, code: &'static str, message: String, details: Option<Value>) -> Response {
    let body = ErrorAnswer { error: ErrorBody { code: code.to_owned(), message, details } };
    (status, Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_server_answers_when_to_try_again() {
        let check = |refusal: Refusal, retry_after: Option<&str>| {
            let response = Error::from(refusal).into_response();
            let retry_at = response.headers().get(header::RETRY_AFTER).map(|value| value.to_str().unwrap());
            assert_eq!(retry_at, retry_after, "{}", response.status());
        };
        check(Refusal::Busy("two uploads are running"), Some("30"));
        check(Refusal::TooOften, Some("60"));
        check(ProviderFault::Silent.into(), Some("10"));
        check(Refusal::NoVendor, None);
    }

    #[test]
    fn only_the_console_plane_asks_for_http_authentication() {
        let check = |refusal: Refusal, asks: bool| {
            let response = Error::from(refusal).into_response();
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
            assert_eq!(response.headers().contains_key(header::WWW_AUTHENTICATE), asks);
        };
        check(Refusal::NotSignedIn, true);
        check(Refusal::BadApiToken, true);
        check(Refusal::CertificateNeeded, false);
        check(Refusal::CaDistrusted, false);
    }
}
