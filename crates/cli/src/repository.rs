//! `headwater repo`: a static repository without a server, for vendors and air gaps.
//!
//! What it makes is a plain folder that any web server, bucket or USB stick can give out; clients believe its
//! signatures, not its keeper. The keys stay in a folder of their own.

pub mod folder;
pub mod keys;
pub mod publish;
pub mod verify;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use headwater_api::v1::{Hook, PublishOptions};
use headwater_repo::{
    Draft, Expiry, KeyRing, Published, Role, RootDraft, Sequence, SignedRoot, Unsigned, layout,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use self::folder::Folder;
use self::keys::KeyFolder;
use self::publish::{NewRelease, refused};
use crate::failure::{Exit, Failure, chain};
use crate::output::{Output, bytes, table, time};
use crate::pack::Package;
use crate::publish::{parse_seconds, words};

const EXAMPLES: &str = "\
Examples:
  headwater repo init ./public --keys ./keys
  headwater repo publish ./public --keys ./keys ./rules --name rules --version 2026.11.22
  headwater repo rollback ./public --keys ./keys rules --to 2026.11.21
  headwater repo refresh ./public --keys ./keys          daily: signatures expire, so that nobody can hide news
  headwater repo rotate ./public --keys ./keys timestamp
  headwater repo show ./public
  headwater repo verify ./public

Give out ./public as it is, by any web server or on a stick. Give clients or servers
./public/components/metadata/1.root.json by a way that they trust. Keep ./keys to yourself, and the root
key offline: it is needed for `rotate` only.";

/// Make and maintain a static repository, with no server
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct RepoArguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a new repository and its keys
    Init {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        keys: Keys,
        /// Root keys to make
        #[arg(long, default_value_t = 1, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=16))]
        root_keys: u32,
        /// How many of them must sign
        #[arg(long, default_value_t = 1, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=16))]
        root_threshold: u32,
    },
    /// Publish a folder or a file as the next release
    Publish(PublishArguments),
    /// Go back to an earlier release: every later one is withdrawn
    Rollback {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        keys: Keys,
        /// The component or program
        name: String,
        /// The release to go back to: its number or its version
        #[arg(long, value_name = "RELEASE")]
        to: String,
    },
    /// Sign anew before signatures expire: the timestamp always, the rest once half of its time is over
    Refresh {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        keys: Keys,
    },
    /// Replace a role's keys by a new one; needs the root key
    Rotate {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        keys: Keys,
        /// The role
        role: RoleName,
    },
    /// Show what is published and until when its signatures are good
    Show {
        #[command(flatten)]
        place: Place,
    },
    /// Check everything as a client would, every blob included
    Verify {
        #[command(flatten)]
        place: Place,
        /// The root metadata to start from [default: the repository's own first one]
        #[arg(long, value_name = "FILE")]
        root: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
struct Place {
    /// The folder that is given out
    folder: PathBuf,
    /// The class; a vendor source has components
    #[arg(long, default_value = "components")]
    class: ClassName,
}

impl Place {
    fn open(&self) -> Folder {
        Folder::new(&self.folder, self.class.word())
    }
}

#[derive(Debug, Args)]
struct Keys {
    /// The folder of keys, apart from what is given out
    #[arg(id = "keys", long = "keys", value_name = "FOLDER")]
    folder: PathBuf,
}

#[derive(Debug, Args)]
struct PublishArguments {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    keys: Keys,
    /// What to publish
    path: PathBuf,
    /// The component or program it is a release of
    #[arg(long)]
    name: String,
    /// The release's version, unique within its name
    #[arg(long)]
    version: String,
    /// Command that installs it (class programs)
    #[arg(long, value_name = "COMMAND")]
    install: Option<String>,
    /// Command that judges it before it is kept
    #[arg(long, value_name = "COMMAND")]
    probe: Option<String>,
    /// How long either command may take, in seconds, or with s, m, h
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_seconds)]
    timeout: u32,
    /// Publish an archive as a file
    #[arg(long)]
    keep_archive: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ClassName {
    Settings,
    Components,
    Programs,
}

impl ClassName {
    fn word(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::Components => "components",
            Self::Programs => "programs",
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RoleName {
    Root,
    Timestamp,
    Snapshot,
    Targets,
}

impl RoleName {
    fn role(self) -> Role {
        match self {
            Self::Root => Role::Root,
            Self::Timestamp => Role::Timestamp,
            Self::Snapshot => Role::Snapshot,
            Self::Targets => Role::Targets,
        }
    }
}

/// Runs one of the commands.
pub fn run(arguments: RepoArguments, output: Output) -> Result<Exit, Failure> {
    #[expect(clippy::disallowed_methods, reason = "signatures are of the moment of the command")]
    let now = Timestamp::now();
    match arguments.command {
        Command::Init { place, keys, root_keys, root_threshold } => {
            let folder = place.open();
            let keys = KeyFolder::open(&keys.folder, true)?;
            init(&folder, &keys, root_keys, root_threshold, now)?;
            let root = folder.path(&layout::metadata(Role::Root, 1));
            output.result(
                &json!({"folder": place.folder, "class": place.class.word(), "root": root}),
                |_| {
                    format!(
                        "made a repository of {} in {}\nits root: {}",
                        place.class.word(),
                        place.folder.display(),
                        root.display()
                    )
                },
            );
            if !output.is_json() {
                output.note("next: `headwater repo publish`; take the root key out of the key folder and keep it offline");
            }
        }
        Command::Publish(arguments) => publish_release(&arguments, now, output)?,
        Command::Rollback { place, keys, name, to } => {
            let ring = KeyFolder::open(&keys.folder, false)?;
            let list = publish::go_back(&place.open(), &ring.ring()?, &name, &to, now)?;
            let current = list.current();
            let withdrawn: Vec<u64> = list.withdrawn().iter().map(|sequence| sequence.get()).collect();
            output.result(&json!({"name": name, "current": current.sequence.get(), "version": current.version.as_str(), "withdrawn": withdrawn}), |_| {
                format!("{name} is back at {} (release {})", current.version, current.sequence)
            });
        }
        Command::Refresh { place, keys } => {
            let keys = KeyFolder::open(&keys.folder, false)?;
            let folder = place.open();
            let what = refresh(&folder, &keys.ring()?, now)?;
            let published = folder.published()?;
            output.result(&json!({"signed": what, "expires": expiries(&published)}), |_| {
                format!("signed {}; good until {}", what.join(", "), time(published.expires(Role::Timestamp)))
            });
            warn_of_root(&published, now, output);
        }
        Command::Rotate { place, keys, role } => {
            let keys = KeyFolder::open(&keys.folder, false)?;
            let version = rotate(&place.open(), &keys, role.role(), now)?;
            output.result(&json!({"role": role.role().name(), "root_version": version}), |_| {
                format!(
                    "{} has a new key, by root version {version}; the old one is good for nothing any more",
                    role.role()
                )
            });
        }
        Command::Show { place } => {
            let view = show(&place.open())?;
            output.result(&view, show_text);
        }
        Command::Verify { place, root } => return verify::run(&place.open(), root.as_deref(), now, output),
    }
    Ok(Exit::Done)
}

/// Makes a repository with its keys and publishes nothing, signed.
pub fn init(
    folder: &Folder,
    keys: &KeyFolder,
    root_keys: u32,
    root_threshold: u32,
    now: Timestamp,
) -> Result<(), Failure> {
    if folder.exists() {
        return Err(Failure::bad_input(format!(
            "there is a repository at {} already",
            folder.path("").display()
        ))
        .with_way_out("give another folder, or maintain it with publish, refresh and rotate"));
    }
    if root_threshold > root_keys {
        return Err(Failure::bad_input(format!("{root_threshold} of {root_keys} root keys can never sign"))
            .with_way_out("lower --root-threshold"));
    }
    let mut ring = KeyRing::new();
    let mut root = RootDraft::first();
    for role in Role::ALL {
        let (count, threshold) = if role == Role::Root { (root_keys, root_threshold) } else { (1, 1) };
        let mut public = Vec::new();
        for _ in 0..count {
            let key = keys.make(role)?;
            public.push(key.public());
            ring.add(key);
        }
        root = root.role(role, threshold as usize, public);
    }
    let root = root
        .finish(now, &Expiry::default())
        .and_then(|unsigned| unsigned.sign_with(&ring))
        .map_err(refused)?;
    publish::sign(folder, &ring, Draft::first(root), now)
}

fn publish_release(arguments: &PublishArguments, now: Timestamp, output: Output) -> Result<(), Failure> {
    if arguments.install.is_some() && arguments.place.class != ClassName::Programs {
        return Err(Failure::bad_input("only programs are installed by a command")
            .with_way_out("give --class programs, or leave --install out"));
    }
    let hook = |flag: &str, command: Option<&String>| -> Result<Option<Hook>, Failure> {
        let parse = |command: &String| {
            words(command).map_err(|reason| Failure::bad_input(format!("{flag} `{command}`: {reason}")))
        };
        let command = command.map(parse).transpose()?;
        Ok(command.map(|command| Hook { command, timeout_seconds: arguments.timeout }))
    };
    let options = PublishOptions {
        install: hook("--install", arguments.install.as_ref())?,
        probe: hook("--probe", arguments.probe.as_ref())?,
    };
    let package = Package::of(&arguments.path, arguments.keep_archive)?;
    let keys = KeyFolder::open(&arguments.keys.folder, false)?;
    let progress = output.progress(&arguments.name, package.bytes);
    let new = NewRelease { name: &arguments.name, version: &arguments.version, options: &options };
    let folder = arguments.place.open();
    let files = || publish::bodies(&folder, &package, &progress);
    let release = publish::publish(&folder, &keys.ring()?, &new, files, now);
    progress.finish();
    let release = release?;
    let answer = json!({"name": arguments.name, "sequence": release.sequence.get(), "version": release.version.as_str(), "files": release.files, "size": release.size});
    output.result(&answer, |_| {
        format!(
            "published {} {} as release {} ({} files, {})",
            arguments.name,
            release.version,
            release.sequence,
            release.files,
            bytes(release.size)
        )
    });
    Ok(())
}

/// Signs anew what needs it; says which roles.
pub fn refresh(folder: &Folder, ring: &KeyRing, now: Timestamp) -> Result<Vec<&'static str>, Failure> {
    let present = folder.published()?;
    let expiry = Expiry::default();
    let half_over =
        |role: Role, life: jiff::SignedDuration| present.expires(role).duration_since(now) < life / 2;
    let (unsigned, what) = if half_over(Role::Targets, expiry.targets) {
        (Draft::next(&present).finish(now, &expiry), vec!["targets", "snapshot", "timestamp"])
    } else if half_over(Role::Snapshot, expiry.snapshot) {
        (Unsigned::snapshot_again(&present, now, &expiry), vec!["snapshot", "timestamp"])
    } else {
        (Unsigned::timestamp_again(&present, now, &expiry), vec!["timestamp"])
    };
    let signed = unsigned.and_then(|unsigned| unsigned.sign(ring)).map_err(refused)?;
    folder.write(&signed)?;
    Ok(what)
}

/// Replaces a role's keys by one new key, under a new root.
fn rotate(folder: &Folder, keys: &KeyFolder, role: Role, now: Timestamp) -> Result<u64, Failure> {
    let present = folder.published()?;
    let before = keys.ring()?;
    let has_root_key = |root: &SignedRoot| {
        root.key_ids(Role::Root).iter().filter(|id| before.get(id).is_some()).count()
            >= root.threshold(Role::Root)
    };
    if !has_root_key(present.root()) {
        return Err(Failure::failed("only the root key can replace keys, and it is not at hand")
            .with_way_out("bring the root key into the folder of --keys, then run this again"));
    }
    let key = keys.make(role)?;
    let draft = RootDraft::next(present.root()).map_err(refused)?.role(role, 1, [key.public()]);
    let ring = keys.ring()?;
    let root = draft
        .finish(now, &Expiry::default())
        .and_then(|unsigned| unsigned.sign_with(&ring))
        .map_err(refused)?;
    let version = root.version();
    let mut draft = Draft::next(&present);
    draft.rotate_root(root).map_err(refused)?;
    publish::sign(folder, &ring, draft, now)?;
    Ok(version)
}

fn expiries(published: &Published) -> Value {
    Role::ALL
        .iter()
        .map(|role| (role.name().to_owned(), json!(published.expires(*role).to_string())))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn warn_of_root(published: &Published, now: Timestamp, output: Output) {
    let expires = published.expires(Role::Root);
    if expires.duration_since(now) < Expiry::default().root / 2 {
        output.note(&format!(
            "warning: the root expires at {}; `headwater repo rotate … root` renews it",
            time(expires)
        ));
    }
}

/// What is published, by name.
fn show(folder: &Folder) -> Result<Value, Failure> {
    let published = folder.published()?;
    let mut components = Vec::new();
    for name in published.targets().filter_map(|(name, _, _)| layout::component_of_release_list(&name)) {
        let Some(list) = publish::release_list(folder, &published, &name)? else { continue };
        let releases: Vec<Value> = list
            .releases()
            .iter()
            .rev()
            .map(|release| json!({"sequence": release.sequence.get(), "version": release.version.as_str(), "published": release.published, "files": release.files, "size": release.size}))
            .collect();
        let withdrawn: Vec<u64> = list.withdrawn().iter().copied().map(Sequence::get).collect();
        components.push(json!({"name": name.as_str(), "current": list.current().sequence.get(), "withdrawn": withdrawn, "releases": releases}));
    }
    let versions: serde_json::Map<String, Value> =
        Role::ALL.iter().map(|role| (role.name().to_owned(), json!(published.version(*role)))).collect();
    Ok(json!({"names": components, "versions": versions, "expires": expiries(&published)}))
}

fn show_text(view: &Value) -> String {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut rows = Vec::new();
    for component in list(&view["names"]) {
        for release in list(&component["releases"]) {
            let state = match &release["sequence"] {
                sequence if *sequence == component["current"] => "current",
                sequence if list(&component["withdrawn"]).contains(sequence) => "withdrawn",
                _ => "",
            };
            let size = bytes(release["size"].as_u64().unwrap_or_default());
            rows.push(vec![
                text(&component["name"]),
                release["sequence"].to_string(),
                text(&release["version"]),
                release["files"].to_string(),
                size,
                text(&release["published"]),
                state.to_owned(),
            ]);
        }
    }
    let releases = table(
        &["name", "release", "version", "files", "size", "published", "state"],
        rows,
        "nothing is published yet",
    );
    let roles = Role::ALL.iter().map(|role| {
        vec![
            role.name().to_owned(),
            view["versions"][role.name()].to_string(),
            text(&view["expires"][role.name()]),
        ]
    });
    format!("{releases}\n\n{}", table(&["role", "version", "expires"], roles.collect(), ""))
}

/// The root metadata that a new client or server is given.
pub fn first_root(folder: &Folder) -> Result<Value, Failure> {
    let bytes = folder.read(&layout::metadata(Role::Root, 1))?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Failure::failed(format!("1.root.json is not JSON: {}", chain(&error))))
}
