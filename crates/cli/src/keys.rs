//! `headwater keys`: root keys offline, and every key replaceable while clients of all ages follow (I2).
//!
//! One ceremony for the server and for static repositories: a root is drafted where it shall take effect, signed by the
//! holders of the root keys wherever they are, and brought back. `rotate` and `renew` do all three where the holders'
//! folders are at hand; `export-root`, `sign-root` and `import-root` are the same steps through files.

mod fleet;
pub mod holder;
pub mod passphrase;
pub mod place;
pub mod roots;
mod show;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use headwater_api::v1::{ClassKeysView, RootDraftRequest};
use headwater_policy::Class;
use headwater_repo::{KeyId, Passphrase, PublicKey, Role};
use jiff::Timestamp;
use serde_json::json;

use self::holder::{HolderFolder, HolderKeys};
use self::passphrase::PassphraseFiles;
use self::place::{Place, PlaceArguments};
use self::roots::Carried;
use crate::failure::{Exit, Failure};
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  headwater keys init --out /media/stick/root-keys          make root keys and move them offline
  headwater keys init --out ./holders --holders 3 --threshold 2
  headwater keys show                                       what there is, and what has to be done by when
  headwater keys renew --root-keys /media/stick/root-keys   before the root expires
  headwater keys rotate timestamp --root-keys /media/stick/root-keys
  headwater keys rotate online --root-keys /media/stick/root-keys
  headwater keys rotate ca                                  --at-once, when it was stolen
  headwater keys rotate response-signing
  headwater keys export-root --out roots.json               for holders on other machines
  headwater keys sign-root roots.json --root-keys /media/stick/root-keys
  headwater keys import-root roots.json

Passphrases are asked for on the terminal, or read from --passphrase-file.";

/// Make, show, replace and sign with the keys that everything hangs on
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct KeysArguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make root keys, encrypted, and move the repository's roots to them
    Init(InitArguments),
    /// Show the keys of each role, and what has to be done by when
    Show {
        #[command(flatten)]
        place: PlaceArguments,
    },
    /// Sign the roots anew, with the same keys, before they expire
    Renew {
        #[command(flatten)]
        place: PlaceArguments,
        #[command(flatten)]
        holders: Holders,
    },
    /// Replace keys by new ones
    Rotate {
        /// Whose
        #[arg(required = true)]
        what: Vec<Rotated>,
        /// With `ca`, when it was stolen: certificates of the one before are good for nothing any more but to get another
        #[arg(long)]
        at_once: bool,
        #[command(flatten)]
        place: PlaceArguments,
        #[command(flatten)]
        holders: Holders,
        #[command(flatten)]
        new_roots: NewRoots,
    },
    /// Write the roots to be signed into a file, for holders on other machines
    ExportRoot {
        /// The file
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Online keys to be replaced
        #[arg(long, value_name = "WHAT")]
        rotate: Vec<Rotated>,
        #[command(flatten)]
        place: PlaceArguments,
        #[command(flatten)]
        new_roots: NewRoots,
    },
    /// Sign the roots in a file with root keys; needs no server and no network
    SignRoot {
        /// The file; the signatures are added to it
        file: PathBuf,
        #[command(flatten)]
        holders: Holders,
    },
    /// Bring signed roots back, and publish under them
    ImportRoot {
        /// The file, or several copies that holders signed side by side
        #[arg(required = true)]
        files: Vec<PathBuf>,
        #[command(flatten)]
        place: PlaceArguments,
    },
}

#[derive(Debug, Args)]
struct InitArguments {
    /// The folder of root keys to make: a stick, or a machine without a network
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// People who hold a root key, each with a folder and a passphrase of their own
    #[arg(long, default_value_t = 1, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=16))]
    holders: u32,
    /// How many of them must sign
    #[arg(long, default_value_t = 1, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=16))]
    threshold: u32,
    /// Only make the keys, and change no repository
    #[arg(long)]
    offline: bool,
    #[command(flatten)]
    passphrases: PassphraseFiles,
    #[command(flatten)]
    place: PlaceArguments,
}

/// The holders' folders at hand.
#[derive(Debug, Args)]
pub struct Holders {
    /// A folder of root keys; once for each holder
    #[arg(long, value_name = "FOLDER")]
    root_keys: Vec<PathBuf>,
    #[command(flatten)]
    passphrases: PassphraseFiles,
}

/// Who shall hold root keys from now on.
#[derive(Debug, Args)]
struct NewRoots {
    /// The new root keys' folder, or a holder's public.json; once for each holder
    #[arg(long, value_name = "FOLDER")]
    new_root_keys: Vec<PathBuf>,
    /// How many of the new root keys must sign
    #[arg(long, value_name = "COUNT", requires = "new_root_keys")]
    new_threshold: Option<u32>,
}

/// What `rotate` replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Rotated {
    /// The keys of the list of targets
    Targets,
    /// The snapshot's key
    Snapshot,
    /// The timestamp's key
    Timestamp,
    /// All three of them: whoever stole the server has nothing any more
    Online,
    /// The root keys, by those of --new-root-keys
    Root,
    /// The fleet's CA, on the server; needs no root key
    Ca,
    /// The key that the server signs its answers to clients with; needs no root key
    ResponseSigning,
    /// The key that enrolments are sealed to; needs no root key
    EnrolmentEncryption,
}

impl Rotated {
    /// Needs no root key, and a server.
    fn is_of_fleet(self) -> bool {
        matches!(self, Self::Ca | Self::ResponseSigning | Self::EnrolmentEncryption)
    }

    fn roles(self) -> &'static [Role] {
        match self {
            Self::Targets => &[Role::Targets],
            Self::Snapshot => &[Role::Snapshot],
            Self::Timestamp => &[Role::Timestamp],
            Self::Online => &[Role::Targets, Role::Snapshot, Role::Timestamp],
            Self::Root | Self::Ca | Self::ResponseSigning | Self::EnrolmentEncryption => &[],
        }
    }
}

/// Runs one of the commands.
pub async fn run(arguments: KeysArguments, output: Output) -> Result<Exit, Failure> {
    #[expect(clippy::disallowed_methods, reason = "roots are of the moment of the command")]
    let now = Timestamp::now();
    match arguments.command {
        Command::Init(arguments) => init(&arguments, now, output).await?,
        Command::Show { place } => {
            let view = place.open()?.view().await?;
            output.result(&view, show::text);
        }
        Command::Renew { place, holders } => {
            change(&place, &holders, &[], None, now, output).await?;
        }
        Command::Rotate { what, at_once, place, holders, new_roots } => {
            if what.contains(&Rotated::Root) == new_roots.new_root_keys.is_empty() {
                return Err(Failure::bad_input("`rotate root` and --new-root-keys go together")
                    .with_hint("make the new keys with `headwater keys init --offline --out FOLDER`, then give that folder"));
            }
            if let Some(fleet) = what.iter().find(|what| what.is_of_fleet()) {
                if what.len() > 1 {
                    return Err(Failure::bad_input(
                        "`rotate ca`, `response-signing` and `enrolment-encryption` go alone: no root key signs them",
                    ));
                }
                refuse_ignored(&place, &holders)?;
                fleet::rotate(&place.open()?, *fleet, at_once, output).await?;
                return Ok(Exit::Done);
            }
            if at_once {
                return Err(Failure::bad_input("--at-once goes with `rotate ca`"));
            }
            change(&place, &holders, &what, Some(&new_roots), now, output).await?;
        }
        Command::ExportRoot { out, rotate, place, new_roots } => {
            let drafted = draft(&place, &place.open()?, &rotate, Some(&new_roots), now).await?;
            roots::write(&out, &drafted)?;
            tell(&drafted, output, &json!({"file": out}));
            if !output.is_json() {
                output.note(&format!(
                    "next: each holder runs `headwater keys sign-root {} --root-keys FOLDER`; then `headwater keys import-root`",
                    out.display()
                ));
            }
        }
        Command::SignRoot { file, holders } => sign_file(&file, &holders, now, output)?,
        Command::ImportRoot { files, place } => import(&files, &place, now, output).await?,
    }
    Ok(Exit::Done)
}

/// Refuses what `rotate ca`, `response-signing` and `enrolment-encryption` have no use for: whoever gave it meant something by it.
fn refuse_ignored(place: &PlaceArguments, holders: &Holders) -> Result<(), Failure> {
    let given = [
        ("--root-keys", !holders.root_keys.is_empty()),
        ("--passphrase-file", holders.passphrases.is_given()),
        ("--class", place.names_class()),
    ];
    match given.into_iter().find(|(_, given)| *given) {
        Some((flag, _)) => Err(Failure::bad_input(format!(
            "{flag} does not go with `rotate ca`, `response-signing` and `enrolment-encryption`: these keys are of no class, and no root key signs them"
        ))
        .with_hint("leave it out")),
        None => Ok(()),
    }
}

/// Makes the holders' keys and moves the roots to them. Run again after a failure, it goes on where it was.
async fn init(arguments: &InitArguments, now: Timestamp, output: Output) -> Result<(), Failure> {
    if arguments.threshold > arguments.holders {
        return Err(Failure::bad_input(format!(
            "{} of {} holders can never sign",
            arguments.threshold, arguments.holders
        ))
        .with_hint("lower --threshold"));
    }
    let (signers, public) = make_keys(arguments)?;
    let paths: Vec<_> = signers.iter().map(|(folder, _)| folder.path()).collect();
    if arguments.offline {
        let keys: Vec<_> = public.iter().map(|keys| &keys.keys).collect();
        output.result(&json!({"folders": paths, "keys": keys}), |_| {
            format!("made root keys in {}", arguments.out.display())
        });
        return Ok(());
    }
    let place = arguments.place.open()?;
    let present = place.view().await?;
    let mut published = Vec::new();
    for class in arguments.place.classes() {
        let keys = public.iter().map(|keys| keys.of(class)).collect::<Result<Vec<_>, _>>()?;
        let view = present.classes.iter().find(|view| view.class == class.as_str());
        if view.is_some_and(|view| is_held_by(view, &keys, arguments.threshold)) {
            continue;
        }
        if view.is_some_and(|view| !view.root_keys_here) {
            return Err(Failure::failed(format!("the root keys of {class} are offline already")).with_hint(
                "make new ones with --offline, then `headwater keys rotate root --root-keys OLD --new-root-keys NEW`",
            ));
        }
        let request = RootDraftRequest {
            replace: Vec::new(),
            root_keys: Some(keys.iter().map(ToString::to_string).collect()),
            root_threshold: Some(arguments.threshold),
        };
        let mut carried = place.draft(class, &request, now).await?;
        sign(&mut carried, &signers)?;
        let version = place.submit(&carried, now).await?;
        // Whoever drafts the next root says the one in force, with the signature that was made there.
        let root = place.draft(class, &RootDraftRequest::default(), now).await?.previous;
        for (folder, _) in &signers {
            folder.keep_root(class, &root)?;
        }
        published.push(json!({"class": class.as_str(), "root_version": version}));
    }
    let told = json!({"folders": paths, "threshold": arguments.threshold, "roots": published});
    output.result(&told, |_| {
        format!(
            "the root keys are in {} now, and nowhere else; {} of {} must sign",
            arguments.out.display(),
            arguments.threshold,
            arguments.holders
        )
    });
    if !output.is_json() {
        output.note(
            "next: keep the folder offline, with a copy in another place: without it and its passphrase nothing can be recovered",
        );
    }
    Ok(())
}

/// A holder at hand: the folder of its keys, and what opens them.
pub type Signer = (HolderFolder, Passphrase);

/// The holders' folders with their keys; those that are there already stay.
fn make_keys(arguments: &InitArguments) -> Result<(Vec<Signer>, Vec<HolderKeys>), Failure> {
    arguments.place.refuse_keys_in(&arguments.out)?;
    let classes = arguments.place.classes();
    let (mut signers, mut public) = (Vec::new(), Vec::new());
    for index in 0..arguments.holders as usize {
        let folder = match arguments.holders {
            1 => HolderFolder::new(&arguments.out),
            _ => HolderFolder::new(arguments.out.join(format!("holder-{}", index + 1))),
        };
        let passphrase = if folder.has_keys() {
            arguments.passphrases.known(index, folder.path())?
        } else {
            arguments.passphrases.chosen(index, folder.path())?
        };
        public.push(folder.make(&classes, &passphrase)?);
        signers.push((folder, passphrase));
    }
    Ok((signers, public))
}

/// Whether these are the root keys of a class already.
fn is_held_by(view: &ClassKeysView, keys: &[PublicKey], threshold: u32) -> bool {
    let mut ids: Vec<String> = keys.iter().map(|key| key.id().to_string()).collect();
    ids.sort();
    let root = view.roles.iter().find(|role| role.role == Role::Root.name());
    root.is_some_and(|root| root.keys == ids && root.threshold == threshold)
}

/// Drafts, signs with the holders at hand, publishes.
async fn change(
    arguments: &PlaceArguments,
    holders: &Holders,
    what: &[Rotated],
    new_roots: Option<&NewRoots>,
    now: Timestamp,
    output: Output,
) -> Result<(), Failure> {
    let place = arguments.open()?;
    let mut signers = holders.open()?;
    if let Some(new_roots) = new_roots {
        let new = new_roots.new_root_keys.iter().filter(|path| path.is_dir());
        for (index, path) in new.enumerate() {
            let folder = HolderFolder::new(path);
            let passphrase = holders.passphrases.known(holders.root_keys.len() + index, path)?;
            signers.push((folder, passphrase));
        }
    }
    let mut drafted = draft(arguments, &place, what, new_roots, now).await?;
    for carried in &mut drafted {
        sign(carried, &signers)?;
    }
    for carried in &drafted {
        place.submit(carried, now).await?;
        keep(carried, &signers)?;
    }
    tell(&drafted, output, &json!({}));
    Ok(())
}

async fn draft(
    arguments: &PlaceArguments,
    place: &Place,
    what: &[Rotated],
    new_roots: Option<&NewRoots>,
    now: Timestamp,
) -> Result<Vec<Carried>, Failure> {
    let mut replace: Vec<String> =
        what.iter().flat_map(|what| what.roles()).map(|role| role.name().to_owned()).collect();
    replace.sort();
    replace.dedup();
    let new: Vec<HolderKeys> = new_roots
        .map(|new| new.new_root_keys.iter().map(|path| HolderKeys::read(path)).collect())
        .transpose()?
        .unwrap_or_default();
    let mut drafted = Vec::new();
    for class in arguments.classes() {
        let mut request = RootDraftRequest { replace: replace.clone(), ..RootDraftRequest::default() };
        if !new.is_empty() {
            let keys = new.iter().map(|keys| keys.of(class)).collect::<Result<Vec<_>, _>>()?;
            request.root_keys = Some(keys.iter().map(ToString::to_string).collect());
            request.root_threshold = Some(new_roots.and_then(|new| new.new_threshold).unwrap_or(1));
        }
        drafted.push(place.draft(class, &request, now).await?);
    }
    Ok(drafted)
}

impl Holders {
    /// The folders with their passphrases.
    pub fn open(&self) -> Result<Vec<Signer>, Failure> {
        let open = |(index, path): (usize, &PathBuf)| {
            let folder = HolderFolder::new(path);
            if !folder.has_keys() {
                return Err(Failure::bad_input(format!("there are no root keys in {}", path.display()))
                    .with_hint("give --root-keys the folder that `headwater keys init` made"));
            }
            let passphrase = self.passphrases.known(index, path)?;
            Ok((folder, passphrase))
        };
        self.root_keys.iter().enumerate().map(open).collect()
    }
}

/// Adds the signatures of these holders. Says the ids of those who had no say.
pub fn sign(carried: &mut Carried, signers: &[Signer]) -> Result<Vec<KeyId>, Failure> {
    let mut unknown_clients = Vec::new();
    for (folder, passphrase) in signers {
        folder.check_not_behind(carried)?;
        if let Some(key) = folder.key(carried.class, passphrase)?
            && !carried.sign(&key)?
        {
            unknown_clients.push(key.id());
        }
    }
    Ok(unknown_clients)
}

/// Keeps a root that has all its signatures, and the one before it, beside the keys.
pub fn keep(carried: &Carried, signers: &[Signer]) -> Result<(), Failure> {
    let Ok(root) = carried.root.complete() else { return Ok(()) };
    for (folder, _) in signers {
        folder.keep_root(carried.class, &carried.previous)?;
        folder.keep_root(carried.class, &root)?;
    }
    Ok(())
}

fn sign_file(file: &PathBuf, holders: &Holders, now: Timestamp, output: Output) -> Result<(), Failure> {
    let mut carried = roots::read(file)?;
    if holders.root_keys.is_empty() {
        return Err(Failure::bad_input("who signs?").with_hint("give --root-keys FOLDER"));
    }
    let signers = holders.open()?;
    let mut unknown_clients = Vec::new();
    for root in &mut carried {
        root.check_life(now)?;
        unknown_clients.extend(sign(root, &signers)?);
    }
    if unknown_clients.len() == carried.len() * signers.len() {
        return Err(Failure::failed(
            "these keys have no say in these roots, neither before nor after the change",
        )
        .with_hint("`headwater keys show` lists the root keys' ids; bring the right folder"));
    }
    roots::write(file, &carried)?;
    for root in &carried {
        keep(root, &signers)?;
    }
    tell(&carried, output, &json!({"file": file}));
    Ok(())
}

async fn import(
    files: &[PathBuf],
    arguments: &PlaceArguments,
    now: Timestamp,
    output: Output,
) -> Result<(), Failure> {
    let mut merged: Vec<Carried> = Vec::new();
    for file in files {
        for carried in roots::read(file)? {
            match merged.iter_mut().find(|have| have.class == carried.class) {
                None => merged.push(carried),
                Some(have) => have.root.merge(&carried.root).map_err(crate::repository::publish::refused)?,
            }
        }
    }
    let classes: Vec<Class> = arguments.classes();
    merged.retain(|carried| classes.contains(&carried.class));
    let place = arguments.open()?;
    // Run again after a failure, it goes on with those that were not taken.
    let present = place.view().await?;
    let is_taken = |carried: &Carried| {
        let view = present.classes.iter().find(|view| view.class == carried.class.as_str());
        view.is_some_and(|view| view.root_version == carried.root.version())
    };
    for carried in merged.iter().filter(|carried| !is_taken(carried)) {
        place.submit(carried, now).await?;
    }
    tell(&merged, output, &json!({}));
    Ok(())
}

fn tell(carried: &[Carried], output: Output, more: &serde_json::Value) {
    let one = |carried: &Carried| {
        json!({
            "class": carried.class.as_str(),
            "root_version": carried.root.version(),
            "expires": carried.root.expires(),
            "missing": carried.missing().ok().flatten(),
        })
    };
    let mut object = more.clone();
    object["roots"] = carried.iter().map(one).collect();
    output.result(&object, |_| {
        let lines = carried.iter().flat_map(|carried| {
            let mut story = carried.story();
            if let Ok(Some(missing)) = carried.missing() {
                story.push(format!("  has {missing}"));
            }
            story
        });
        lines.collect::<Vec<_>>().join("\n")
    });
}
