//! The language of the stories: one statement a line, then `---`, then the plans that must come of it.
//!
//! ```text
//! # Any line that begins with a hash is a remark.
//! customized | standard
//! fallback components settings programs        the switches that are on (none by default)
//! vendor_fallback never                        (documented by default)
//! update_agents_from_server_only
//! server https://hq.example:8471               (this by default)
//! vendor https://vendor.example/repo           (none by default)
//! own rules tools                              the organisation's own components (none by default)
//! agent ua-1 10.1.0.5 2001:db8::5 http port 8472 shares components settings
//! entry 10.1.0.0-10.1.255.255 2001:db8::/32 -> ua-1
//! entry 10.1.0.0-10.1.255.255 -> http://mirror.example/hw components
//! entry 10.1.0.0-10.1.255.255 -> vendor
//! client pc-1 10.1.3.4 may download from the vendor source
//! ```

use std::fmt::Write as _;
use std::net::IpAddr;

use headwater_policy::{
    Class, ClassSet, Client, Entry, EntrySource, Mode, Options, OwnComponents, Plan, Policy, PolicyDraft,
    Repository, Scheme, Selector, ServerFallback, SourceList, UpdateAgent, UpdateAgents, explain,
    parse_address,
};

/// A story, read.
pub struct Story {
    pub draft: PolicyDraft,
    pub clients: Vec<Client>,
}

/// Reads a story, or says which line is not understood.
pub fn read(text: &str) -> Story {
    let options =
        Options { server_fallback: ServerFallback { classes: ClassSet::NONE }, ..Options::default() };
    let mut draft = PolicyDraft {
        mode: Mode::Customized,
        options,
        server: "https://hq.example:8471".parse().unwrap(),
        vendor: None,
        update_agents: UpdateAgents::default(),
        own_components: OwnComponents::default(),
        entries: SourceList::default(),
    };
    let mut clients = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[0] {
            "customized" | "standard" => draft.mode = words[0].parse().unwrap(),
            "fallback" => draft.options.server_fallback.classes = classes(&words[1..]),
            "vendor_fallback" => draft.options.vendor_fallback = words[1].parse().unwrap(),
            "update_agents_from_server_only" => draft.options.update_agents_from_server_only = true,
            "server" => draft.server = words[1].parse().unwrap(),
            "vendor" => draft.vendor = Some(words[1].parse().unwrap()),
            "own" => draft.own_components = own_components(&words[1..]),
            "agent" => draft.update_agents.insert(agent(&words[1..])),
            "entry" => {
                draft.entries.add(entry(&words[1..])).unwrap();
            }
            "client" => clients.push(client(&words[1..])),
            _ => panic!("a story says `{line}`, which nobody understands"),
        }
    }
    Story { draft, clients }
}

fn own_components(words: &[&str]) -> OwnComponents {
    OwnComponents::new(words.iter().map(|word| word.parse().unwrap())).unwrap()
}

fn classes(words: &[&str]) -> ClassSet {
    words.iter().map(|word| word.parse::<Class>().unwrap()).collect()
}

fn addresses(words: &[&str]) -> Vec<IpAddr> {
    words.iter().map_while(|word| parse_address(word).ok()).collect()
}

fn agent(words: &[&str]) -> UpdateAgent {
    let after = |word: &str| words.iter().position(|other| *other == word).map(|at| &words[at + 1..]);
    let scheme = if words.contains(&"http") { Scheme::Http } else { Scheme::Https };
    let port = after("port").map_or(8472, |rest| rest[0].parse().unwrap());
    let shares = after("shares").map_or(ClassSet::ALL, classes);
    UpdateAgent::new(words[0].parse().unwrap(), addresses(&words[1..]), scheme, port, shares).unwrap()
}

/// An entry: `RANGE PREFIX -> SOURCE CLASS…`.
pub fn entry(words: &[&str]) -> Entry {
    let arrow = words.iter().position(|word| *word == "->").unwrap();
    let range = words[..arrow].iter().find(|word| !word.contains(':')).map(|word| word.parse().unwrap());
    let prefix = words[..arrow].iter().find(|word| word.contains(':')).map(|word| word.parse().unwrap());
    let source = match words[arrow + 1] {
        "vendor" => EntrySource::Vendor,
        url if url.contains("://") => {
            let rest = &words[arrow + 2..];
            let classes = if rest.is_empty() { ClassSet::ALL } else { classes(rest) };
            EntrySource::Url { url: url.parse().unwrap(), classes }
        }
        id => EntrySource::UpdateAgent(id.parse().unwrap()),
    };
    Entry { selector: Selector::new(range, prefix).unwrap(), source }
}

fn client(words: &[&str]) -> Client {
    Client::new(words[0].parse().unwrap(), addresses(&words[1..]), words.contains(&"may"))
}

/// The plans of everybody, a class a paragraph, in the story.
pub fn render(story: Story) -> String {
    let policy: Policy = match story.draft.into_policy() {
        Ok(policy) => policy,
        Err(problems) => return problems.iter().map(|problem| format!("refused: {problem}\n")).collect(),
    };
    let mut text = String::new();
    for client in &story.clients {
        writeln!(text, "{}", client.id()).unwrap();
        let plans = explain(&policy, client);
        for repository in Repository::ALL {
            write!(text, "  {repository}:").unwrap();
            render_plan(plans.get(repository), &mut text);
        }
    }
    text
}

fn render_plan(plan: &Plan, text: &mut String) {
    if plan.steps.is_empty() {
        text.push_str(" nobody");
    }
    for step in &plan.steps {
        let entry = step.entry.map_or("-".to_owned(), |entry| entry.to_string());
        let key = step.source.to_string();
        let place = if key.starts_with("url:") { String::new() } else { format!(" at {}", step.url) };
        write!(text, "\n    {entry} {key}{place}").unwrap();
    }
    let skipped: Vec<String> =
        plan.skipped.iter().map(|skipped| format!("{} {}", skipped.entry, skipped.reason)).collect();
    if !skipped.is_empty() {
        write!(text, "\n    skipped: {}", skipped.join(", ")).unwrap();
    }
    text.push('\n');
}
