//! An update source that misbehaves on command: a small HTTP/1.1 program with one request a connection.
//!
//! It passes requests on to another source, or serves a folder in the static layout. Before each request it reads its
//! script, a JSON list of [`Rule`]s; the first rule that the path matches decides the fault. Every request ends (or stalls)
//! as one line of its log ([`Request`]), from which a test counts bytes. That it refuses connections is made by not
//! starting it.

mod answer;
mod fault;
mod relay;

use std::collections::HashMap;
use std::fs::File;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

pub use self::fault::{Fault, Rule, Upstream};
use crate::wait;

/// One request, as it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// GET, HEAD, POST.
    pub method: String,
    /// The path asked for.
    pub path: String,
    /// First byte asked for, if a range was.
    pub range_start: Option<u64>,
    /// Status answered; 0 if none was.
    pub status: u16,
    /// Bytes of content sent.
    pub bytes: u64,
}

/// What the program is started with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where content comes from.
    pub upstream: Upstream,
    /// Its script; a missing file: no faults.
    pub script: PathBuf,
    /// Its log.
    pub log: PathBuf,
}

impl Settings {
    /// `--listen ADDRESS (--upstream ADDRESS | --folder DIR) --script FILE --log FILE`.
    ///
    /// # Errors
    /// A word is unknown, missing or not readable.
    pub fn parse(words: &[String]) -> Result<Self> {
        let value = |flag: &str| words.chunks(2).find(|pair| pair[0] == flag).and_then(|pair| pair.get(1));
        let needed = |flag: &str| value(flag).with_context(|| format!("{flag} is missing"));
        let upstream = match (value("--upstream"), value("--folder")) {
            (Some(address), None) => Upstream::Http(address.parse().context("--upstream")?),
            (None, Some(folder)) => Upstream::Folder(folder.into()),
            _ => bail!("give one of --upstream and --folder"),
        };
        Ok(Self {
            listen: needed("--listen")?.parse().context("--listen")?,
            upstream,
            script: needed("--script")?.into(),
            log: needed("--log")?.into(),
        })
    }

    /// The same, as words.
    pub fn words(&self) -> Vec<String> {
        let (flag, upstream) = match &self.upstream {
            Upstream::Http(address) => ("--upstream", address.to_string()),
            Upstream::Folder(folder) => ("--folder", folder.display().to_string()),
        };
        let words = [
            "--listen",
            &self.listen.to_string(),
            flag,
            &upstream,
            "--script",
            &self.script.display().to_string(),
            "--log",
            &self.log.display().to_string(),
        ];
        words.map(str::to_owned).to_vec()
    }
}

struct Source {
    settings: Settings,
    log: Mutex<File>,
    /// How often each rule with a number of times has been used.
    used: Mutex<HashMap<Rule, u32>>,
}

/// Serves until the process is ended.
///
/// # Errors
/// It cannot listen or open its log.
pub fn serve(settings: Settings) -> Result<()> {
    let listener = TcpListener::bind(settings.listen)
        .with_context(|| format!("cannot listen at {}", settings.listen))?;
    serve_on(&listener, settings)
}

/// As [`serve`], on a listener that is there already.
///
/// # Errors
/// It cannot open its log.
pub fn serve_on(listener: &TcpListener, settings: Settings) -> Result<()> {
    let log = File::options().create(true).append(true).open(&settings.log)?;
    let source = Arc::new(Source { settings, log: Mutex::new(log), used: Mutex::default() });
    println!("listening at {}", listener.local_addr()?);
    for connection in listener.incoming() {
        let source = Arc::clone(&source);
        let connection = connection?;
        thread::spawn(move || {
            // A client that goes away in the middle is nothing to report.
            let _ = source.serve_one(connection);
        });
    }
    Ok(())
}

impl Source {
    fn serve_one(&self, mut connection: TcpStream) -> Result<()> {
        let Some(head) = answer::read_head(&mut connection)? else {
            return Ok(());
        };
        let asked = answer::Asked::parse(&head)?;
        let fault = self.fault_for(&asked.path)?;
        if let Some(Fault::Late { milliseconds }) = fault {
            wait::pause(Duration::from_millis(milliseconds));
        }
        let mut sent = relay::Sent::default();
        let result = match fault {
            Some(Fault::Silent) => Ok(relay::Afterwards::Hold),
            Some(Fault::Status { code, retry_after_seconds }) => {
                sent.status = code;
                relay::status(&mut connection, code, retry_after_seconds)
            }
            Some(Fault::OfRange { code, .. }) if asked.range.is_some() && code >= 400 => {
                sent.status = code;
                relay::status(&mut connection, code, None)
            }
            fault => match answer::open(&self.settings.upstream, &asked, &mut connection) {
                Ok(mut answer) => {
                    answer.change_range(fault.as_ref());
                    relay::relay(&mut connection, answer, fault.as_ref(), asked.method == "HEAD", &mut sent)
                }
                Err(_) => {
                    sent.status = 502;
                    relay::status(&mut connection, 502, None)
                }
            },
        };
        self.note(&asked, &sent)?;
        match result? {
            relay::Afterwards::Close => Ok(()),
            relay::Afterwards::Hold => relay::hold(&mut connection),
        }
    }

    fn fault_for(&self, path: &str) -> Result<Option<Fault>> {
        let text = match std::fs::read_to_string(&self.settings.script) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let rules: Vec<Rule> = serde_json::from_str(&text).context("the script is not a list of rules")?;
        let mut used = self.used.lock().expect("no thread panics with the lock");
        for rule in rules.into_iter().filter(|rule| path.contains(&rule.path)) {
            let Some(times) = rule.times else {
                return Ok(Some(rule.fault));
            };
            let count = used.entry(rule.clone()).or_default();
            if *count < times {
                *count += 1;
                return Ok(Some(rule.fault));
            }
        }
        Ok(None)
    }

    fn note(&self, asked: &answer::Asked, sent: &relay::Sent) -> Result<()> {
        let request = Request {
            method: asked.method.clone(),
            path: asked.path.clone(),
            range_start: asked.range.map(|(start, _)| start),
            status: sent.status,
            bytes: sent.bytes,
        };
        let line = serde_json::to_string(&request)? + "\n";
        self.log.lock().expect("no thread panics with the lock").write_all(line.as_bytes())?;
        Ok(())
    }
}
