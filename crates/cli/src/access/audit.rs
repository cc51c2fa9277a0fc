//! `headwater audit`: the log of changes: who, what, when, from where (R2).

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};
use headwater_api::v1::{AuditAnswer, AuditRecord, AuditVerified};
use serde_json::json;

use crate::api_client::{ApiClient, ServerLocation};
use crate::terminal::failure::{Exit, Failure};
use crate::terminal::output::{Output, counted, one_line, table, time};
use crate::terminal::private::PrivateFile;

const EXAMPLES: &str = "\
Examples:
  headwater audit list
  headwater audit list --limit 500 --before 1200
  headwater audit verify
  headwater audit verify --expect 1200:8f1e…    also check that the record of an earlier verify is still there
  headwater audit export --out audit.jsonl";

/// Records of one page of an export.
const EXPORT_PAGE: u32 = 1000;

/// List, verify and export the audit log
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct AuditArguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    server: ServerLocation,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the records, newest first
    List {
        /// How many at most
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
        /// Only records before this one
        #[arg(long, value_name = "NUMBER", value_hint = ValueHint::Other)]
        before: Option<u64>,
    },
    /// Verify that no record was changed, removed, moved or cut off; exit 1 if one was
    Verify {
        /// A record and its hash from an earlier verify, which the log must still contain
        #[arg(long, value_name = "NUMBER:HASH", value_hint = ValueHint::Other)]
        expect: Option<String>,
    },
    /// Write the whole log as JSON lines, oldest record first
    Export {
        /// The file to write; only you can read it [default: stdout]
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        out: Option<PathBuf>,
    },
}

/// Runs one of the commands.
pub async fn run(arguments: AuditArguments, output: Output) -> Result<Exit, Failure> {
    let api = ApiClient::new(&arguments.server)?;
    match arguments.command {
        Command::List { limit, before } => {
            let before = before.map_or_else(String::new, |before| format!("&before={before}"));
            let page: AuditAnswer = api.get(&format!("/api/v1/audit?limit={limit}{before}")).await?;
            output.result(&page, list);
        }
        Command::Verify { expect } => return verify(&api, expect.as_deref(), output).await,
        Command::Export { out } => return export(&api, out, output).await,
    }
    Ok(Exit::Done)
}

async fn verify(api: &ApiClient, expect: Option<&str>, output: Output) -> Result<Exit, Failure> {
    let expected = expect.map(parse_expected).transpose()?;
    let mut verified: AuditVerified = api.get("/api/v1/audit/verify").await?;
    if let Some((number, hash)) = expected {
        let after = number.saturating_sub(1);
        let page: AuditAnswer = api.get(&format!("/api/v1/audit?after={after}&limit=1")).await?;
        if page.items.first().is_none_or(|record| record.number != number || record.hash != hash) {
            verified.findings.push(format!("record {number} is missing or has another hash than expected"));
            verified.intact = false;
        }
    }
    output.result(&verified, verified_text);
    Ok(if verified.intact { Exit::Done } else { Exit::Failed })
}

async fn export(api: &ApiClient, out: Option<PathBuf>, output: Output) -> Result<Exit, Failure> {
    // The log is for admins: other users of this machine cannot read the file, which gets its name when it is whole.
    let mut file = out.as_deref().map(PrivateFile::new).transpose()?;
    let mut after = 0;
    let mut count = 0_usize;
    loop {
        let page: AuditAnswer = api.get(&format!("/api/v1/audit?after={after}&limit={EXPORT_PAGE}")).await?;
        let mut lines = String::new();
        for record in &page.items {
            lines.push_str(&serde_json::to_string(record).expect("a wire message always serialises"));
            lines.push('\n');
        }
        match &mut file {
            Some(file) => file.add(lines.as_bytes())?,
            None => output.raw(lines.as_bytes()),
        }
        count += page.items.len();
        let Some(next) = page.next else { break };
        after = next;
    }
    if let (Some(file), Some(path)) = (file, out) {
        file.keep()?;
        output.result(&json!({"written": path, "records": count}), |_| {
            format!("wrote {} to {}", counted(count, "record"), path.display())
        });
    }
    Ok(Exit::Done)
}

fn parse_expected(text: &str) -> Result<(u64, String), Failure> {
    let parts = text.split_once(':').and_then(|(number, hash)| Some((number.parse().ok()?, hash.to_owned())));
    parts.ok_or_else(|| {
        Failure::bad_input(format!("--expect `{text}` is not NUMBER:HASH"))
            .with_hint("give the head that `headwater audit verify` printed earlier")
    })
}

fn list(page: &AuditAnswer) -> String {
    let row = |record: &AuditRecord| {
        let change = match (record.before.is_null(), record.after.is_null()) {
            (true, true) => String::new(),
            (true, false) => record.after.to_string(),
            (false, true) => format!("was {}", record.before),
            (false, false) => format!("{} → {}", record.before, record.after),
        };
        vec![
            record.number.to_string(),
            time(record.time),
            record.who.clone(),
            record.from.clone(),
            record.action.clone(),
            record.subject.clone(),
            one_line(&change),
        ]
    };
    let header = ["", "time", "who", "from", "action", "what", "change"];
    table(&header, page.items.iter().map(row).collect(), "no records yet")
}

fn verified_text(verified: &AuditVerified) -> String {
    let AuditVerified { records, head, signed, .. } = verified;
    let signed = signed.map_or_else(|| "none yet".to_owned(), |number| number.to_string());
    let mut text = format!("records {records}\nhead    {records}:{head}\nsigned  record {signed}");
    match verified.intact {
        true => text.push_str("\nthe log is intact; store its head elsewhere and pass it to --expect later"),
        false => verified.findings.iter().for_each(|finding| text.push_str(&format!("\nfinding: {finding}"))),
    }
    text
}
