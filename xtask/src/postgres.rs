//! A PostgreSQL for the tests of the crate `database`: Debian's programs, on a temporary folder and a socket in it, ended
//! with the tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::{output, run};
use crate::tools;

/// Where Debian keeps the programs, by version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// A server that runs until this is dropped.
pub struct Postgres {
    programs: PathBuf,
    folder: PathBuf,
}

impl Postgres {
    /// Installs PostgreSQL if it is missing, and starts one that nothing else uses.
    pub fn start() -> Result<Self> {
        if programs().is_none() {
            tools::install_packages(&["postgresql"])?;
        }
        let programs =
            programs().context("there is no PostgreSQL 15 or newer; install the package `postgresql`")?;
        let folder = std::env::temp_dir().join(format!("headwater-postgres-{}", std::process::id()));
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let server = Self { programs, folder };
        server.start_in_folder()?;
        Ok(server)
    }

    /// Where it listens, as `HEADWATER_POSTGRES_URL`.
    pub fn address(&self) -> String {
        format!("postgres://postgres@localhost/postgres?host={}", self.folder.display())
    }

    fn start_in_folder(&self) -> Result<()> {
        if is_root()? {
            run(Command::new("chown").arg("postgres").arg(&self.folder))?;
        }
        // Not the order of bytes: a column that should have that order must declare it.
        let order = ["--encoding=UTF8", "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en"];
        output(
            self.program("initdb")?
                .args(["--auth=trust", "--username=postgres", "--no-sync"])
                .args(order)
                .arg("--pgdata")
                .arg(self.data()),
        )?;
        let options = format!("-k {} -c listen_addresses= -c fsync=off", self.folder.display());
        run(self
            .program("pg_ctl")?
            .args(["start", "--wait", "--silent", "--options", &options])
            .arg("--log")
            .arg(self.folder.join("log"))
            .arg("--pgdata")
            .arg(self.data()))
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// PostgreSQL refuses to run as root.
    fn program(&self, name: &str) -> Result<Command> {
        let path = self.programs.join(name);
        let mut command = if is_root()? {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(path);
            command
        } else {
            Command::new(path)
        };
        command.current_dir(&self.folder);
        Ok(command)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let stopped = self.program("pg_ctl").and_then(|mut program| {
            output(program.args(["stop", "--mode=immediate", "--silent", "--pgdata"]).arg(self.data()))
        });
        if let Err(error) = stopped {
            eprintln!("  PostgreSQL of the tests was not stopped: {error:#}");
        }
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            eprintln!("  cannot remove {}: {error}", self.folder.display());
        }
    }
}

/// The folder of the newest version's programs.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir(DEBIAN).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let number = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = versions.filter(|path| path.join("bin/pg_ctl").exists()).max_by_key(|path| number(path))?;
    (number(&newest)? >= 15).then(|| newest.join("bin"))
}

fn is_root() -> Result<bool> {
    match output(Command::new("id").arg("-u"))?.as_str() {
        "" => bail!("`id -u` gives no number"),
        user => Ok(user == "0"),
    }
}
