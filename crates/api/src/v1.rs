//! REST messages of the console plane, `/api/v1`.
//!
//! Every body is JSON but for the upload of a release. An error is an [`ErrorAnswer`] with a 4xx or 5xx
//! status. In a path, `{path}` is a domain with its `/` written `%2F` (`root%2Fparis`).
//!
//! | method and path | query / request | answer |
//! | --- | --- | --- |
//! | GET `/health` | – | [`Health`] |
//! | GET `/api/v1/openapi.json` | – | the OpenAPI document |
//! | GET `/api/v1/status` | – | [`Status`] |
//! | GET `/api/v1/releases` | – | [`ReleasesAnswer`] |
//! | GET `/api/v1/releases/{class}/{name}` | – | [`ComponentAnswer`] |
//! | POST `/api/v1/releases/{class}/{name}` | [`PublishQuery`]; body: the archive, streamed | 201 [`PublishedAnswer`] |
//! | POST `/api/v1/releases/{class}/{name}/rollback` | [`RollbackRequest`] | [`ComponentView`] |
//! | DELETE `/api/v1/releases/{class}/{name}` | – | 204 |
//! | GET `/api/v1/deltas` | – | [`DeltasView`] |
//! | POST `/api/v1/deltas/pause` | – | [`DeltasView`] |
//! | POST `/api/v1/deltas/resume` | – | [`DeltasView`] |
//! | GET `/api/v1/sources` | – | [`SavedPolicy`] |
//! | GET `/api/v1/sources/history` | [`PageQuery`] | [`HistoryAnswer`] |
//! | GET `/api/v1/sources/history/{version}` | – | [`SavedPolicy`] |
//! | GET `/api/v1/sources/diff` | [`DiffQuery`] | [`DiffAnswer`] |
//! | POST `/api/v1/sources/restore` | [`RestoreRequest`] | [`SavedAnswer`] |
//! | GET `/api/v1/drafts` | – | [`DraftsAnswer`] |
//! | GET `/api/v1/drafts/{name}` | – | [`DraftView`] |
//! | PUT `/api/v1/drafts/{name}` | [`ImportRequest`] | [`DraftView`] |
//! | DELETE `/api/v1/drafts/{name}` | – | 204 |
//! | POST `/api/v1/drafts/{name}/edits` | [`EditsRequest`] | [`DraftView`] |
//! | POST `/api/v1/drafts/{name}/preview` | – | [`PreviewAnswer`] |
//! | POST `/api/v1/drafts/{name}/save` | [`SaveRequest`] | [`SavedAnswer`] |
//! | GET `/api/v1/explain` | [`ExplainQuery`] | [`Explained`] |
//! | GET `/api/v1/domains` | – | [`DomainsAnswer`] |
//! | POST `/api/v1/domains` | [`DomainRequest`] | 201 [`DomainView`] |
//! | GET `/api/v1/domains/{path}` | – | [`DomainView`] |
//! | DELETE `/api/v1/domains/{path}` | – | 204 |
//! | PATCH `/api/v1/domains/{path}/settings` | [`SettingsSetRequest`] | [`SettingsSaved`] |
//! | GET `/api/v1/domains/{path}/history` | [`PageQuery`] | [`SettingsHistoryAnswer`] |
//! | GET `/api/v1/domains/{path}/history/{version}` | – | [`SavedSettings`] |
//! | GET `/api/v1/domains/{path}/diff` | [`DiffQuery`] | [`SettingsDiffAnswer`] |
//! | POST `/api/v1/domains/{path}/restore` | [`RestoreRequest`] | [`SettingsSaved`] |
//! | GET `/api/v1/domains/{path}/drafts` | – | [`SettingsDraftsAnswer`] |
//! | GET `/api/v1/domains/{path}/drafts/{name}` | – | [`SettingsDraft`] |
//! | DELETE `/api/v1/domains/{path}/drafts/{name}` | – | 204 |
//! | POST `/api/v1/domains/{path}/drafts/{name}/edits` | [`SettingsEditRequest`] | [`SettingsDraft`] |
//! | POST `/api/v1/domains/{path}/drafts/{name}/save` | [`SaveRequest`] | [`SettingsSaved`] |
//! | PUT `/api/v1/domains/{path}/update-agents` | [`RoleRequest`] | [`UpdateAgentsAnswer`] |
//! | DELETE `/api/v1/domains/{path}/update-agents` | [`ForceQuery`] | [`UpdateAgentsAnswer`] |
//! | GET `/api/v1/clients` | [`ClientsQuery`] | [`ClientsAnswer`] |
//! | POST `/api/v1/clients/move` | [`MoveRequest`] | [`ClientsAnswer`] (the moved ones) |
//! | GET `/api/v1/clients/{id}` | – | [`ClientView`] |
//! | DELETE `/api/v1/clients/{id}` | – | 204 |
//! | GET `/api/v1/reports` | [`ReportsQuery`] | [`ReportsAnswer`] |
//! | GET `/api/v1/update-agents` | – | [`UpdateAgentsAnswer`] |
//! | PUT `/api/v1/update-agents/{id}` | [`RoleRequest`] | [`UpdateAgentsAnswer`] |
//! | DELETE `/api/v1/update-agents/{id}` | [`ForceQuery`] | [`UpdateAgentsAnswer`] |
//! | GET `/api/v1/vendor` | – | [`VendorView`]; 404 `no_vendor` |
//! | PUT `/api/v1/vendor` | [`VendorRequest`] | [`VendorView`] |
//! | DELETE `/api/v1/vendor` | – | 204 |
//! | POST `/api/v1/vendor/sync` | – | [`SyncResult`], when the sync is over |
//! | POST `/api/v1/clients/{id}/revoke` | – | [`RevokedView`] |
//! | GET `/api/v1/unknown-clients` | – | [`UnknownClientsAnswer`] |
//! | POST `/api/v1/unknown-clients/re-enrol` | [`ReEnrolRequest`] | [`ReEnrolAnswer`] |
//! | GET `/api/v1/enrol-tokens` | – | [`TokensAnswer`] |
//! | POST `/api/v1/enrol-tokens` | [`EnrolBundleRequest`] | 201 [`EnrolBundle`](crate::bundle::EnrolBundle) |
//! | DELETE `/api/v1/enrol-tokens/{number}` | – | 204 |
//! | GET `/api/v1/keys` | – | [`KeysView`] |
//! | POST `/api/v1/keys/{repository}/draft` | [`RootDraftRequest`] | [`RootDraftAnswer`] |
//! | POST `/api/v1/keys/{repository}/root` | [`RootRequest`] | [`RepositoryKeysView`] |
//! | POST `/api/v1/keys/ca/rotate` | [`RotateCaQuery`] | [`CaRotated`] |
//! | POST `/api/v1/keys/response-signing/rotate` | – | [`KeyRotated`] |
//! | POST `/api/v1/keys/enrolment-encryption/rotate` | – | [`KeyRotated`] |
//! | POST `/api/v1/backup` | [`BackupRequest`] | the backup, a tar, streamed |
//! | GET `/api/v1/tokens` | – | [`ApiTokensAnswer`] |
//! | POST `/api/v1/tokens` | [`ApiTokenRequest`] | 201 [`NewApiToken`] |
//! | DELETE `/api/v1/tokens/{name}` | – | 204 |
//! | POST `/api/v1/sign-in` | [`SignInRequest`] | [`SessionView`], and the session's cookie |
//! | GET `/api/v1/sign-in/oidc` | – | 303 to the identity provider |
//! | GET `/api/v1/sign-in/oidc/callback` | [`VouchedQuery`] | a page that leads on, and the session's cookie |
//! | POST `/api/v1/sign-out` | – | 204 |
//! | GET `/api/v1/session` | – | [`SessionView`] |
//! | PUT `/api/v1/session/password` | [`PasswordRequest`] | 204 |
//! | GET `/api/v1/administrators` | – | [`AdministratorsAnswer`] |
//! | POST `/api/v1/administrators` | [`AdministratorRequest`] | 201 [`NewPassword`] |
//! | PUT `/api/v1/administrators/{name}/role` | [`AdministratorRoleRequest`] | [`AdministratorView`] |
//! | POST `/api/v1/administrators/{name}/password` | – | [`NewPassword`] |
//! | DELETE `/api/v1/administrators/{name}` | – | 204 |
//! | GET `/api/v1/audit` | [`AuditQuery`] | [`AuditAnswer`] |
//! | GET `/api/v1/audit/verify` | – | [`AuditVerified`] |

mod administrators;
mod clients;
mod copied;
mod domain_settings;
mod domains;
mod identity;
mod keys;
mod releases;
mod sources;
mod status;
mod vendor;

pub use administrators::{
    AdministratorRequest, AdministratorRoleRequest, AdministratorView, AdministratorsAnswer, ApiTokenRequest,
    ApiTokenView, ApiTokensAnswer, AuditAnswer, AuditQuery, AuditRecord, AuditVerified, LOGIN_TOKEN_PREFIX,
    NewApiToken, NewPassword, PasswordRequest, SessionView, SignInRequest, VouchedQuery,
};
pub use clients::{
    ClientCounts, ClientDayView, ClientRelease, ClientState, ClientView, ClientsAnswer, ClientsQuery,
    ForceQuery, MoveRequest, ReportsAnswer, ReportsQuery, RoleRequest, StoredReport, UpdateAgentView,
    UpdateAgentsAnswer,
};
pub use copied::{CopiedIdentity, SeenMachine};
pub use domain_settings::{
    DomainSettings, SavedSettings, SettingChangeView, SettingsDiffAnswer, SettingsDraft,
    SettingsDraftsAnswer, SettingsEdit, SettingsEditRequest, SettingsHistoryAnswer, SettingsHistoryItem,
    SettingsSaved, SettingsSetRequest,
};
pub use domains::{DomainRequest, DomainView, DomainsAnswer, DraftLine};
pub use identity::{
    EnrolBundleRequest, IdentityView, OpenSourceView, ReEnrolAnswer, ReEnrolRefused, ReEnrolRequest,
    RemovedClientAnswer, ReportGap, RevokedView, StillReadable, TokenView, TokensAnswer, UnknownClientView,
    UnknownClientsAnswer,
};
pub use keys::{
    BackupRequest, CaRotated, KeyRotated, KeysView, ReplacementReason, RepositoryKeysView, RetiredKey,
    RoleKeysView, RootDraftAnswer, RootDraftRequest, RootRequest, RotateCaQuery,
};
pub use releases::{
    ComponentAnswer, ComponentView, DeltaBeingMade, DeltaView, DeltasOfComponent, DeltasStanding, DeltasView,
    Hook, ListedComponent, PublishOptions, PublishQuery, PublishedAnswer, ReleaseClients, ReleaseView,
    ReleasesAnswer, RollbackRequest,
};
pub use sources::{
    ChangeView, DiffAnswer, DiffQuery, DraftQuery, DraftView, DraftsAnswer, Edit, EditsRequest, ExplainQuery,
    Explained, Finding, HistoryAnswer, HistoryItem, ImportRequest, PreviewAnswer, RestoreRequest,
    SaveRequest, SavedAnswer, SavedPolicy,
};
pub use status::{
    AdoptAnswer, AdoptRequest, AdoptedRepository, DiskStatus, ErrorAnswer, ErrorBody, Health, JobStatus,
    PageQuery, RepositoryStatus, ServerProblem, Severity, Status,
};
pub use vendor::{RejectedRelease, SyncProgress, SyncResult, SyncedRelease, VendorRequest, VendorView};
