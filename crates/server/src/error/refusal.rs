//! Refusals: what a caller can do something about.

use headwater_api::v1::{ChangeView, SettingChangeView};
use headwater_policy::Problem;

use super::sign_in::{NotVouched, ProviderFault};
use crate::caller::AdministratorRole;

/// A draft, as a refusal names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftLabel {
    /// Its name.
    pub name: String,
    /// Its owner; `None` if it is the caller's.
    pub owner: Option<String>,
}

/// A refusal: the request is understood and not done; nothing has changed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// The request itself is wrong.
    #[error("{}", joined(.0))]
    Invalid(Vec<Problem>),
    /// The source list is wrong.
    #[error("the source list cannot be taken: {}", joined(.0))]
    InvalidList(Vec<Problem>),
    /// There is no such thing.
    #[error("{what} {name} does not exist; {hint}")]
    NotFound {
        /// The kind of thing.
        what: &'static str,
        /// Which.
        name: String,
        /// What would help.
        hint: &'static str,
    },
    /// No vendor source is set.
    #[error("no vendor source is set; set one with its URL and its root metadata")]
    NoVendor,
    /// There is one already.
    #[error("{what} {name} exists already; {hint}")]
    Exists {
        /// The kind of thing.
        what: &'static str,
        /// Which.
        name: String,
        /// What would help.
        hint: &'static str,
    },
    /// The version is that of a release which was withdrawn.
    #[error(
        "{name} {version} was published as release {sequence} and withdrawn; it stays withdrawn, and no client goes to it. \
         Publish the content under another version"
    )]
    VersionWithdrawn {
        /// The component or program.
        name: String,
        /// The version.
        version: String,
        /// Which release it is.
        sequence: u64,
    },
    /// The version was that of a release which is no longer published.
    #[error(
        "{name} {version} was published as release {sequence} and {}, and a version is never used again; publish under another \
         version",
        if *removed { "was removed since (`headwater releases remove`)" } else { "is no longer listed" }
    )]
    VersionUsed {
        /// The component or program.
        name: String,
        /// The version.
        version: String,
        /// Which release it was.
        sequence: u64,
        /// Nothing of that name is published.
        removed: bool,
    },
    /// The name belongs to the vendor source.
    #[error("component {0} comes from the vendor source; publish under another name")]
    NameOfVendor(String),
    /// Somebody saved since the draft began (S7).
    #[error(
        "the draft began from version {base_version}, and version {saved_version} has been saved since; look at \
         what changed, then save over version {saved_version} or discard the draft"
    )]
    DraftOutdated {
        /// The draft.
        draft: DraftLabel,
        /// Where the draft began.
        base_version: u64,
        /// The saved version now.
        saved_version: u64,
        /// What was saved since.
        changes: Vec<ChangeView>,
    },
    /// Somebody saved what is set at the domain since (S7).
    #[error(
        "{} began from version {base_version} of {domain}, and version {saved_version} has been saved since; look at \
         what changed, then {}",
        .draft.as_ref().map_or_else(|| "the edit".to_owned(), |draft| format!("the draft {}", draft.name)),
        if draft.is_some() { "save over it or discard the draft" } else { "make the edit again if it is still wanted" }
    )]
    SettingsOutdated {
        /// The domain.
        domain: String,
        /// The draft; `None` if it was an edit beside all drafts.
        draft: Option<DraftLabel>,
        /// Where it began.
        base_version: u64,
        /// The saved version now.
        saved_version: u64,
        /// What was saved since.
        changes: Vec<SettingChangeView>,
    },
    /// Somebody edited the same draft.
    #[error("the draft {} is at revision {revision}, not {expected}; read it again", .draft.name)]
    DraftChanged {
        /// The draft.
        draft: DraftLabel,
        /// The domain that it is of; `None` if it is of the source list.
        domain: Option<String>,
        /// Where it is.
        revision: u64,
        /// Where the caller thought it was.
        expected: u64,
    },
    /// The saved version is not the one that the caller saw.
    #[error("the saved version is {saved_version}, not {expected}; look at it again")]
    VersionMoved {
        /// The saved version now.
        saved_version: u64,
        /// What the caller expected.
        expected: u64,
    },
    /// The client is an update agent.
    #[error(
        "client {0} is an update agent; take the role with `headwater update-agents take {0}`, then remove it"
    )]
    IsUpdateAgent(String),
    /// Entries still name the update agent (U6).
    #[error("{id} is named by {}; change {} first, or take the role with force", numbers(.entries),
        if entries.len() == 1 { "it" } else { "them" })]
    NamedByEntries {
        /// The client.
        id: String,
        /// The entries, from 1.
        entries: Vec<u32>,
    },
    /// The domain still has something in it (D1).
    #[error(
        "domain {path} is not empty: {clients} clients, {domains} sub-domains, {drafts} unsaved drafts; move, remove or \
         discard them first"
    )]
    DomainNotEmpty {
        /// The domain.
        path: String,
        /// Clients in it.
        clients: u64,
        /// Sub-domains.
        domains: u64,
        /// Unsaved drafts of its settings.
        drafts: u64,
    },
    /// What was asked is never done to the root domain.
    #[error("domain root: {0}")]
    NotForRoot(&'static str),
    /// A root that will not do.
    #[error("{repository}: this root cannot be taken: {reason}")]
    Root {
        /// The repository.
        repository: headwater_policy::Repository,
        /// Why, and what would do.
        reason: String,
    },
    /// A root without enough signatures.
    #[error("{repository}: {reason}")]
    RootUnsigned {
        /// The repository.
        repository: headwater_policy::Repository,
        /// Whose.
        reason: String,
    },
    /// The archive cannot become a release.
    #[error("archive: {0}")]
    Archive(String),
    /// A size or count is over its limit.
    #[error("{what} is over the limit of {limit} {unit}; {hint}")]
    TooLarge {
        /// What is too large.
        what: String,
        /// The limit.
        limit: u64,
        /// Its unit.
        unit: &'static str,
        /// What would help.
        hint: &'static str,
    },
    /// The body ended early, stalled or broke.
    #[error("the upload broke off: {0}; nothing was published, upload it again")]
    UploadBroken(String),
    /// Database and repositories are of different times (I2d).
    #[error("{0}")]
    SigningStopped(String),
    /// There is nothing that an administrator would have to decide about.
    #[error(
        "the database and the repositories agree, and signing goes on: there is nothing to adopt; --raise raises every number \
         all the same, for a machine whose whole disk was set back"
    )]
    NothingToAdopt,
    /// So much is going on that this must wait.
    #[error("{0}; try again later")]
    Busy(&'static str),
    /// The request comes from a web page of another origin, or names another host.
    #[error("{0}")]
    ForeignOrigin(&'static str),
    /// The enrolment token admits nobody.
    #[error("the enrolment token {0}; make a new bundle with `headwater clients enrol-bundle`")]
    BadToken(&'static str),
    /// Another key has the id.
    #[error(
        "another key is enrolled as {0}; if that client is gone, `headwater clients remove {0}` frees the id; if this is \
         that client with a new key, enrol it with a bundle made by `headwater clients enrol-bundle --client {0}`; else \
         give this client another id"
    )]
    IdTaken(String),
    /// The key has another id.
    #[error(
        "this key is enrolled as {0}; keep that id, or remove the client's identity folder to make a new key"
    )]
    KeyTaken(String),
    /// The key belongs to the fleet no longer.
    #[error(
        "this key was revoked; to come back, the client needs a new key and a bundle made by `headwater clients \
         enrol-bundle --client` for it alone"
    )]
    KeyRevoked,
    /// A client of this id was revoked, and the token is not for it alone.
    #[error(
        "client {0} was revoked; to come back it enrols with a new key and a bundle made by `headwater clients \
         enrol-bundle --client {0}`"
    )]
    WasRevoked(String),
    /// The client has no key that could be revoked.
    #[error("client {0} has no key to revoke: it was revoked before, or never enrolled")]
    NoKey(String),
    /// Nobody of that id is enrolled.
    #[error(
        "client {0} is not enrolled here; if it enrolled after the backup that this server was restored from, `headwater \
         clients re-enrol {0} --domain DOMAIN` takes it in again; else enrol it with a bundle made by `headwater clients enrol-bundle`"
    )]
    NotEnrolled(String),
    /// Nobody of that id is enrolled, and it has proven that the fleet once knew it.
    #[error(
        "client {0} has a certificate of this fleet and is not enrolled here; an administrator takes it in again with \
         `headwater clients re-enrol {0} --domain DOMAIN`"
    )]
    NotReEnrolled(String),
    /// A client to be re-enrolled has proven nothing.
    #[error(
        "client {0} has proven no certificate of this fleet; look whether `headwater clients unknown` lists it once it \
         has asked again, else enrol it with a bundle made by `headwater clients enrol-bundle`"
    )]
    NotProven(String),
    /// More than one key of a client to be re-enrolled is proven.
    #[error(
        "two keys are proven for client {0}, and only one of them can be its last; enrol it with a bundle made by \
         `headwater clients enrol-bundle --client {0}`"
    )]
    ProvenTwice(String),
    /// A client to be re-enrolled was revoked or removed.
    #[error(
        "client {0} was revoked or removed; to come back it enrols with a new key and a bundle made by `headwater clients \
         enrol-bundle --client {0}`"
    )]
    WasRevokedOrRemoved(String),
    /// The statement is not by the client that it names.
    #[error("the statement is not accepted: {0}")]
    StatementRejected(String),
    /// The statement was taken before, or a later one was.
    #[error("the newest statement of this kind that was taken is number {taken}; continue after it")]
    Replayed {
        /// The newest taken.
        taken: u64,
        /// The same as the server's signed answer to the statement.
        answer: Option<Box<headwater_identity::Answer>>,
    },
    /// Who brings a statement of another is no update agent.
    #[error(
        "{0} carries a statement of another client and is no update agent; give it the role, or let the client speak for itself"
    )]
    NotACarrier(String),
    /// There is no client certificate.
    #[error("this needs a client certificate of the fleet; enrol first, or renew the one that has run out")]
    CertificateNeeded,
    /// The certificate's CA is distrusted.
    #[error(
        "this certificate is of a CA that the fleet distrusts; the client gets another automatically, with its key"
    )]
    CaDistrusted,
    /// Too many refused attempts from one address.
    #[error("too many attempts from this address to enrol or to renew were refused; try again in a minute")]
    TooOften,
    /// Nobody is signed in.
    #[error("sign in first, or send an API token")]
    NotSignedIn,
    /// The token is not one of ours, has expired or was revoked.
    #[error("this API token does not count here: it is unknown, revoked or expired; sign in again")]
    BadApiToken,
    /// Name and password do not belong together, or there is no such administrator: which, the answer does not show.
    #[error("this name and password do not sign in; check both, or ask an admin to set a new password")]
    WrongPassword,
    /// The password was good for one sign-in.
    #[error("this password is good for one sign-in only, which must set another; send new_password with it")]
    OneTimePassword,
    /// Nobody vouches for administrators here.
    #[error(
        "no identity provider is configured here ([oidc] in the server's configuration); sign in with a password"
    )]
    NoProvider,
    /// The identity provider's word is not taken.
    #[error(transparent)]
    NotVouched(#[from] NotVouched),
    /// The identity provider cannot be asked.
    #[error(transparent)]
    Provider(#[from] ProviderFault),
    /// Too many failed attempts.
    #[error("too many failed attempts; try again in {seconds} s")]
    TooManyAttempts {
        /// Seconds to wait.
        seconds: u32,
    },
    /// The role does not suffice.
    #[error("this needs the role {needs}, and yours is {has}; ask an admin")]
    Forbidden {
        /// The required role.
        needs: AdministratorRole,
        /// What they have.
        has: AdministratorRole,
    },
    /// The token's scopes leave this out.
    #[error("this API token is not for {0}; make one whose scopes name it")]
    OutOfScope(&'static str),
    /// What was asked is not done for a caller of this kind.
    #[error("{0}")]
    NotThisWay(&'static str),
    /// The last admin.
    #[error("{0} is the last admin; give somebody else the role first")]
    LastAdmin(String),
    /// The repository is full.
    #[error("{0} has reached its quota on disk; raise class_quota_mib or give less")]
    Quota(headwater_policy::Repository),
}

impl Refusal {
    /// There is no client of this id.
    pub(crate) fn no_client(id: &str) -> Self {
        Self::NotFound {
            what: "client",
            name: id.escape_debug().to_string(),
            hint: "look at the list of clients; a client is known from its first check-in on",
        }
    }

    /// One problem with the request.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(vec![Problem::general(message)])
    }
}

fn joined(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("; ")
}

fn numbers(entries: &[u32]) -> String {
    let words: Vec<String> = entries.iter().map(u32::to_string).collect();
    format!("{} {}", if entries.len() == 1 { "entry" } else { "entries" }, words.join(", "))
}
