//! `headwater clients enrol-bundle | tokens | revoke-token | revoke | unknown clients | re-enrol`: who may join the fleet, and who may
//! no longer be in it (I3).

use std::path::PathBuf;

use clap::Args;
use headwater_api::bundle::EnrolBundle;
use headwater_api::v1::{
    ClientView, EnrolBundleRequest, IdentityView, ReEnrolAnswer, ReEnrolRequest, RevokedView, TokensAnswer,
    UnknownClientsAnswer,
};
use reqwest::Method;
use serde_json::json;

use crate::console::{Console, segment};
use crate::failure::{Exit, Failure};
use crate::output::{Output, one_line, table, time};
use crate::private::PrivateFile;
use crate::publish::parse_seconds;

/// What an enrolment bundle is for.
#[derive(Debug, Args)]
pub struct EnrolBundleArguments {
    /// The domain that its clients join; with --client: where that client is now
    #[arg(long)]
    domain: Option<String>,
    /// How many clients may enrol with it [default: 1]
    #[arg(long, value_name = "N")]
    uses: Option<u32>,
    /// How long it is good, in seconds, or with s, m, h, d [default: 7d]
    #[arg(long, value_name = "TIME", value_parser = parse_seconds)]
    expires: Option<u32>,
    /// For this one client, which may come with a new key: its former one is revoked. Only so a client comes back that
    /// was revoked
    #[arg(long, value_name = "ID", conflicts_with = "uses")]
    client: Option<String>,
    /// Where to write it, readable for you alone
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Makes a bundle with a token of its own.
pub async fn enrol_bundle(
    console: &Console,
    wanted: EnrolBundleArguments,
    output: Output,
) -> Result<(), Failure> {
    let EnrolBundleArguments { domain, uses, expires, client, out } = wanted;
    let request = EnrolBundleRequest { domain, uses, expires_seconds: expires, client };
    // A token that nobody could be told would go on admitting.
    let mut file = PrivateFile::new(&out)?;
    let bundle: EnrolBundle = console.call(Method::POST, "/api/v1/enrol-tokens", &request).await?;
    file.add(&serde_json::to_vec_pretty(&bundle).expect("a wire message always serialises"))?;
    file.keep()?;
    let unknown_client = match &request.client {
        Some(id) => is_unknown(console, id).await?,
        None => false,
    };
    let uses = request.uses.unwrap_or(1);
    let expires = bundle.token_expires;
    let written = json!({
        "written": out, "server_urls": bundle.server_urls, "domain": bundle.domain, "uses": uses, "expires": expires
    });
    output.result(&written, |_| {
        let clients = match (&request.client, uses) {
            (Some(id), _) => format!("client {id}"),
            (None, 1) => "one client".to_owned(),
            (None, uses) => format!("{uses} clients"),
        };
        let until = expires.map_or_else(String::new, |expires| format!(", until {}", time(expires)));
        format!("wrote {} for {clients} of {}{until}", out.display(), bundle.domain)
    });
    if !output.is_json() {
        output.note(&format!(
            "whoever has this file can enrol: hand it on like a password\nnext, on the endpoint: headwater-client enrol {}{}",
            out.display(),
            // The bundle does not name the client, and an endpoint's own name for itself may be another.
            request.client.as_deref().map_or_else(String::new, |id| format!(" --id {}", one_line(id)))
        ));
        if unknown_client {
            let id = request.client.as_deref().map(one_line).unwrap_or_default();
            output.note(&format!(
                "note: no client {id} is known yet: who enrols with this file is a new one; check the spelling, and revoke the token if it is wrong"
            ));
        }
        if bundle.server_urls.iter().all(|url| is_loopback(url)) {
            output.note(&format!(
                "warning: it leads to {}, which other computers cannot reach: set fleet_listen and fleet_url in the server's configuration first",
                bundle.server_urls.join(", ")
            ));
        }
    }
    Ok(())
}

async fn is_unknown(console: &Console, id: &str) -> Result<bool, Failure> {
    match console.get::<ClientView>(&format!("/api/v1/clients/{}", segment(id))).await {
        Ok(_) => Ok(false),
        Err(failure) if failure.code.as_deref() == Some("not_found") => Ok(true),
        Err(failure) => Err(failure),
    }
}

/// Whether a URL leads to the machine that it is asked on.
fn is_loopback(url: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(url) else { return false };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Lists the tokens that still admit somebody.
pub async fn tokens(console: &Console, output: Output) -> Result<(), Failure> {
    let tokens: TokensAnswer = console.get("/api/v1/enrol-tokens").await?;
    output.result(&tokens, |tokens| {
        let rows = tokens.items.iter().map(|token| {
            vec![
                token.number.to_string(),
                token.domain.clone(),
                token.client.clone().unwrap_or_else(|| "any".to_owned()),
                format!("{} of {}", token.uses_left, token.uses),
                time(token.made),
                time(token.expires),
            ]
        });
        let empty =
            "no token admits anybody\nnext: `headwater clients enrol-bundle --domain DOMAIN --out FILE`";
        table(&["token", "domain", "client", "uses left", "made", "expires"], rows.collect(), empty)
    });
    Ok(())
}

/// Revokes a token.
pub async fn revoke_token(console: &Console, number: u64, output: Output) -> Result<(), Failure> {
    let (): () = console.ask(Method::DELETE, &format!("/api/v1/enrol-tokens/{number}")).await?;
    output.result(&json!({"revoked_token": number}), |_| {
        format!("revoked token {number}; clients that enrolled with it stay")
    });
    Ok(())
}

/// Revokes a client's key.
pub async fn revoke(console: &Console, id: &str, output: Output) -> Result<(), Failure> {
    let path = format!("/api/v1/clients/{}/revoke", segment(id));
    let revoked: RevokedView = console.ask(Method::POST, &path).await?;
    output.result(&revoked, |revoked| {
        format!(
            "revoked {}: the server refuses it from now on, update agents once they have the policy signed just now\nkey  {}",
            one_line(&revoked.client),
            revoked.key
        )
    });
    if !output.is_json() {
        output.note(&format!(
            "no shared bundle admits that id any more; to let it come back: headwater clients enrol-bundle --client {} --out FILE, and there: headwater-client enrol FILE --new-key",
            one_line(&revoked.client)
        ));
    }
    Ok(())
}

/// Lists who asks and is not known.
pub async fn unknown_clients(console: &Console, output: Output) -> Result<(), Failure> {
    let unknown_clients: UnknownClientsAnswer = console.get("/api/v1/unknown-clients").await?;
    output.result(&unknown_clients, |unknown_clients| {
        let rows = unknown_clients.items.iter().map(|unknown_client| {
            let key: String = unknown_client.key.chars().take(16).collect();
            vec![
                unknown_client.client.clone(),
                if key.is_empty() { "-".to_owned() } else { key },
                reason(&unknown_client.reason).to_owned(),
                if unknown_client.proven { "proven" } else { "-" }.to_owned(),
                unknown_client.address.clone(),
                unknown_client.count.to_string(),
                time(unknown_client.last_seen),
            ]
        });
        let empty = "nobody who is not known has asked";
        table(
            &["says it is", "key", "why not known", "certificate", "from", "times", "last"],
            rows.collect(),
            empty,
        )
    });
    if !output.is_json() && unknown_clients.items.iter().any(|unknown_client| unknown_client.proven) {
        output.note(
            "proven: a CA of this fleet has certified the key under that id\nif they enrolled after the backup that this server \
             was restored from, and were not removed or revoked since: headwater clients re-enrol ID… --domain DOMAIN",
        );
    }
    Ok(())
}

/// Who is to be taken in again.
#[derive(Debug, Args)]
pub struct ReEnrolArguments {
    /// The clients' ids
    #[arg(required_unless_present = "all_proven")]
    ids: Vec<String>,
    /// Everybody who has proven a certificate of this fleet: also a client that was removed or revoked after the backup
    #[arg(long, conflicts_with = "ids")]
    all_proven: bool,
    /// The domain that they join
    #[arg(long)]
    domain: String,
}

/// Takes clients in again that the server knows nothing of; says how it ended.
pub async fn re_enrol(console: &Console, wanted: ReEnrolArguments, output: Output) -> Result<Exit, Failure> {
    let ReEnrolArguments { ids, all_proven, domain } = wanted;
    let request = ReEnrolRequest { clients: ids, all_proven, domain };
    let answer: ReEnrolAnswer =
        console.call(Method::POST, "/api/v1/unknown-clients/re-enrol", &request).await?;
    output.result(&answer, |answer| {
        let mut lines: Vec<String> = answer
            .re_enrolled
            .iter()
            .map(|id| format!("re-enrolled {} to {}", one_line(id), one_line(&answer.domain)))
            .collect();
        lines.extend(
            answer.enrolled_already.iter().map(|id| {
                format!("{} is enrolled already, with its key; nothing is to be done", one_line(id))
            }),
        );
        lines.extend(
            answer.refused.iter().map(|one| format!("not {}: {}", one_line(&one.client), one.reason)),
        );
        if lines.is_empty() {
            lines.push("nobody who is not known has proven a certificate of this fleet".to_owned());
        }
        lines.join("\n")
    });
    Ok(match (answer.re_enrolled.is_empty(), answer.refused.is_empty()) {
        (_, true) => Exit::Done,
        (false, false) => Exit::Partly,
        (true, false) => Exit::Failed,
    })
}

/// A client's key, for those who look at the client.
pub fn identity_text(identity: Option<&IdentityView>) -> String {
    let Some(identity) = identity else {
        return "key         none: it was revoked, or has not enrolled".to_owned();
    };
    let mut text = format!(
        "key         {}\nenrolled    {}\ncertificate until {}\nreports     {} arrived of {} made",
        identity.key,
        time(identity.enrolled),
        time(identity.certificate_end),
        identity.reports_taken.saturating_sub(missing(identity)),
        identity.reports_made,
    );
    if !identity.report_gaps.is_empty() {
        let gaps: Vec<String> = identity
            .report_gaps
            .iter()
            .map(|gap| match gap.first == gap.last {
                true => gap.first.to_string(),
                false => format!("{}-{}", gap.first, gap.last),
            })
            .collect();
        text.push_str(&format!("; missing: {}", gaps.join(", ")));
    }
    text
}

fn missing(identity: &IdentityView) -> u64 {
    identity.report_gaps.iter().map(|gap| gap.last - gap.first + 1).sum()
}

fn reason(word: &str) -> &str {
    match word {
        "unknown" => "never enrolled here, or removed",
        "revoked" => "revoked",
        "other_key" => "another key has its id",
        "bad_token" => "its token admits nobody",
        "bad_proof" => "showed a certificate that this fleet has not made for it",
        "bad_statement" => "said something that its key did not sign",
        other => other,
    }
}
