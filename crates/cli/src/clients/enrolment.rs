//! `headwater clients enrol-bundle | tokens | revoke-token | revoke | unknown | re-enrol`: admission to the fleet, and
//! its end (I3).

use std::path::PathBuf;

use clap::{Args, ValueHint};
use headwater_api::bundle::EnrolBundle;
use headwater_api::v1::{
    ClientView, EnrolBundleRequest, IdentityView, ReEnrolAnswer, ReEnrolRequest, RevokedView, StillReadable,
    TokensAnswer, UnknownClientsAnswer,
};
use reqwest::Method;
use serde_json::json;

use crate::api_client::{ApiClient, is_loopback, segment};
use crate::completions::candidates;
use crate::limits::FINDINGS_ALIKE_MAX;
use crate::terminal::failure::{Exit, Failure};
use crate::terminal::output::{Output, one_line, table, time};
use crate::terminal::private::PrivateFile;
use crate::values::parse_seconds;

/// What an enrolment bundle is for.
#[derive(Debug, Args)]
pub struct EnrolBundleArguments {
    /// The domain that its clients join [default: with --client, the domain of that client; else the root]
    #[arg(long, value_hint = ValueHint::Other, add = candidates::domains())]
    domain: Option<String>,
    /// How many clients may enrol with it [default: 1]
    #[arg(long, value_name = "N")]
    uses: Option<u32>,
    /// How long it is valid, such as 12h or 2d [default: 7d]
    #[arg(long, value_name = "TIME", value_parser = parse_seconds, value_hint = ValueHint::Other)]
    expires: Option<u32>,
    /// Admit this one client, also with a new key: its previous key is then revoked. A revoked client needs such a bundle
    #[arg(long, value_name = "ID", conflicts_with = "uses", value_hint = ValueHint::Other, add = candidates::clients())]
    client: Option<String>,
    /// The file to write, which must not exist yet; only you can read it
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    out: PathBuf,
}

/// Makes a bundle with a token of its own.
pub async fn enrol_bundle(
    api: &ApiClient,
    wanted: EnrolBundleArguments,
    output: Output,
) -> Result<(), Failure> {
    let EnrolBundleArguments { domain, uses, expires, client, out } = wanted;
    let request = EnrolBundleRequest { domain, uses, expires_seconds: expires, client };
    // A token that cannot be written would stay valid: the file comes first.
    let mut file = PrivateFile::fresh(&out)?;
    let bundle: EnrolBundle = api.call(Method::POST, "/api/v1/enrol-tokens", &request).await?;
    file.add(&serde_json::to_vec_pretty(&bundle).expect("a wire message always serialises"))?;
    file.keep()?;
    let unknown_client = match &request.client {
        Some(id) => Some(is_unknown(api, id).await?),
        None => None,
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
            "anybody with this file can enrol: hand it on like a password\nnext, on the endpoint: headwater-client enrol {}{}",
            out.display(),
            // A client that was enrolled before has a key, which stays unless it is asked for another.
            if unknown_client == Some(false) { " --new-key" } else { "" },
        ));
        output.note(match request.client {
            Some(_) => "it enrols under that id, whatever its host is called",
            None => "each enrols under the name of its host; --id ID chooses another id",
        });
        if unknown_client == Some(true) {
            let id = request.client.as_deref().map(one_line).unwrap_or_default();
            output.note(&format!(
                "note: no client {id} exists yet, so this file enrols a new one; check the spelling, and revoke the token if it is wrong"
            ));
        }
        if bundle.server_urls.iter().all(|url| is_loopback(url)) {
            output.note(&format!(
                "warning: the bundle names {}, which other computers cannot reach; set fleet_listen and fleet_url in the server's configuration first",
                bundle.server_urls.join(", ")
            ));
        }
    }
    Ok(())
}

async fn is_unknown(api: &ApiClient, id: &str) -> Result<bool, Failure> {
    match api.get::<ClientView>(&format!("/api/v1/clients/{}", segment(id))).await {
        Ok(_) => Ok(false),
        Err(failure) if failure.code.as_deref() == Some("not_found") => Ok(true),
        Err(failure) => Err(failure),
    }
}

/// Lists the enrolment tokens that are still valid.
pub async fn tokens(api: &ApiClient, output: Output) -> Result<(), Failure> {
    let tokens: TokensAnswer = api.get("/api/v1/enrol-tokens").await?;
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
            "there are no valid enrolment tokens\nnext: `headwater clients enrol-bundle --domain DOMAIN --out FILE`";
        table(&["token", "domain", "client", "uses left", "made", "expires"], rows.collect(), empty)
    });
    Ok(())
}

/// Revokes a token.
pub async fn revoke_token(api: &ApiClient, number: u64, output: Output) -> Result<(), Failure> {
    let (): () = api.ask(Method::DELETE, &format!("/api/v1/enrol-tokens/{number}")).await?;
    output.result(&json!({"revoked_token": number}), |_| {
        format!("revoked token {number}; clients that enrolled with it stay")
    });
    Ok(())
}

/// Revokes a client's key.
pub async fn revoke(api: &ApiClient, id: &str, output: Output) -> Result<(), Failure> {
    let path = format!("/api/v1/clients/{}/revoke", segment(id));
    let revoked: RevokedView = api.ask(Method::POST, &path).await?;
    output.result(&revoked, |revoked| {
        format!(
            "revoked {}: the server rejects it from now on, update agents once they have the policy that was just signed\nkey  {}{}",
            one_line(&revoked.client),
            revoked.key,
            still_readable(&revoked.readable)
        )
    });
    if !output.is_json() {
        output.note(&format!(
            "a shared bundle no longer admits this id; to re-admit it: headwater clients enrol-bundle --client {} --out FILE, and on the endpoint: headwater-client enrol FILE --new-key",
            one_line(&revoked.client)
        ));
    }
    Ok(())
}

/// Where a client without a certificate goes on reading; empty if nowhere.
pub fn still_readable(readable: &StillReadable) -> String {
    let mut lines = Vec::new();
    for open in readable.sources.iter().take(FINDINGS_ALIKE_MAX) {
        let entries: Vec<String> = open.entries.iter().map(u32::to_string).collect();
        let word = if entries.len() == 1 { "entry" } else { "entries" };
        let selects = if open.selects { ", which selects it" } else { "" };
        lines.push(format!("  {} ({word} {}{selects})", open.url, entries.join(", ")));
    }
    if let more @ 1.. = readable.sources.len().saturating_sub(FINDINGS_ALIKE_MAX) {
        lines.push(format!("  and {more} more; --json lists all"));
    }
    if readable.anonymous_components {
        lines.push("  the server and update agents: components (anonymous_components is on)".to_owned());
    }
    if lines.is_empty() {
        return String::new();
    }
    format!(
        "\nit can still read what is signed and not sealed at sources that ask for no certificate; restrict access to them \
         there:\n{}",
        lines.join("\n")
    )
}

/// Lists the clients that contacted the server and are unknown to it.
pub async fn unknown_clients(api: &ApiClient, output: Output) -> Result<(), Failure> {
    let unknown_clients: UnknownClientsAnswer = api.get("/api/v1/unknown-clients").await?;
    output.result(&unknown_clients, |unknown_clients| {
        let rows = unknown_clients.items.iter().map(|unknown_client| {
            let key: String = unknown_client.key.chars().take(16).collect();
            vec![
                unknown_client.client.clone(),
                match (key.is_empty(), unknown_client.other_keys.len()) {
                    (true, _) => "-".to_owned(),
                    (false, 0) => key,
                    (false, more) => format!("{key} and {more} more"),
                },
                reason(&unknown_client.reason).to_owned(),
                if unknown_client.proven { "proven" } else { "-" }.to_owned(),
                unknown_client.address.clone(),
                unknown_client.count.to_string(),
                time(unknown_client.last_seen),
            ]
        });
        let empty = "no unknown client has contacted the server";
        table(
            &["claimed id", "key", "why unknown", "certificate", "from", "times", "last"],
            rows.collect(),
            empty,
        )
    });
    if !output.is_json() && unknown_clients.items.iter().any(|unknown_client| unknown_client.proven) {
        output.note(
            "proven: a CA of this fleet has certified the key under that id\nif these clients enrolled after the backup that this \
             server was restored from, and were not removed or revoked since: headwater clients re-enrol ID… --domain DOMAIN",
        );
    }
    Ok(())
}

/// The clients to re-enrol.
#[derive(Debug, Args)]
pub struct ReEnrolArguments {
    /// The clients' ids
    #[arg(required_unless_present = "all_proven", value_hint = ValueHint::Other, add = candidates::unknown_clients())]
    ids: Vec<String>,
    /// Every unknown client that has proven a certificate of this fleet, also one that was removed or revoked after the
    /// backup
    #[arg(long, conflicts_with = "ids")]
    all_proven: bool,
    /// The domain that they join
    #[arg(long, value_hint = ValueHint::Other, add = candidates::domains())]
    domain: String,
}

/// Re-enrols clients that the server has lost.
pub async fn re_enrol(api: &ApiClient, wanted: ReEnrolArguments, output: Output) -> Result<Exit, Failure> {
    let ReEnrolArguments { ids, all_proven, domain } = wanted;
    let request = ReEnrolRequest { clients: ids, all_proven, domain };
    let answer: ReEnrolAnswer = api.call(Method::POST, "/api/v1/unknown-clients/re-enrol", &request).await?;
    output.result(&answer, |answer| {
        let mut lines: Vec<String> = answer
            .re_enrolled
            .iter()
            .map(|id| format!("re-enrolled {} to {}", one_line(id), one_line(&answer.domain)))
            .collect();
        lines.extend(
            answer
                .enrolled_already
                .iter()
                .map(|id| format!("{} is enrolled already, with its key: nothing to do", one_line(id))),
        );
        lines.extend(
            answer.refused.iter().map(|one| format!("refused {}: {}", one_line(&one.client), one.reason)),
        );
        if lines.is_empty() {
            lines.push("no unknown client has proven a certificate of this fleet".to_owned());
        }
        lines.join("\n")
    });
    Ok(match (answer.re_enrolled.is_empty(), answer.refused.is_empty()) {
        (_, true) => Exit::Done,
        (false, false) => Exit::Partly,
        (true, false) => Exit::Failed,
    })
}

/// A client's key and certificate, as `clients show` prints them.
pub fn identity_text(identity: Option<&IdentityView>) -> String {
    let Some(identity) = identity else {
        return "key         none: revoked, or not enrolled".to_owned();
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
        "other_key" => "its id belongs to another key",
        "bad_token" => "its enrolment token is not valid",
        "bad_proof" => "its certificate is not one that this fleet issued to it",
        "bad_statement" => "it sent a statement that its key did not sign",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use headwater_api::v1::OpenSourceView;

    use super::*;

    #[test]
    fn where_a_revoked_client_goes_on_reading_is_named_up_to_a_limit() {
        let text = |count: usize, anonymous_components: bool| {
            let open = |n: usize| OpenSourceView {
                url: format!("http://m{n}.example"),
                entries: vec![2, 5][..1 + n % 2].to_vec(),
                selects: n == 1,
            };
            still_readable(&StillReadable { sources: (0..count).map(open).collect(), anonymous_components })
        };
        assert_eq!(text(0, false), "");
        assert!(text(0, true).contains("anonymous_components"));
        let most = text(FINDINGS_ALIKE_MAX, false);
        assert!(most.contains("http://m0.example (entry 2)"), "{most}");
        assert!(most.contains("http://m1.example (entries 2, 5, which selects it)"), "{most}");
        assert!(!most.contains("more"), "{most}");
        assert!(text(FINDINGS_ALIKE_MAX + 1, false).contains("and 1 more; --json"));
    }
}
