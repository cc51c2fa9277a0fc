//! The source list as CSV (S6): one line an entry, `ipv4,ipv6,source,classes`.
//!
//! `source` is `update_agent:ID`, `vendor` or a URL; `classes` belongs to a URL and has blanks between the
//! words. Quoting is that of RFC 4180. Whether sources can be reached by whom an entry selects is for the server.

use headwater_api::policy::{EntryDocument, SelectorDocument, SourceDocument};

/// The first line.
pub const HEADER: &str = "ipv4,ipv6,source,classes";

/// Writes the entries.
pub fn write(entries: &[EntryDocument]) -> String {
    let mut text = format!("{HEADER}\n");
    for entry in entries {
        let (source, classes) = match &entry.source {
            SourceDocument::Vendor => ("vendor".to_owned(), String::new()),
            SourceDocument::UpdateAgent(id) => (format!("update_agent:{id}"), String::new()),
            SourceDocument::Url { url, classes } => {
                (url.clone(), classes.as_ref().map(|words| words.join(" ")).unwrap_or_default())
            }
        };
        let clients = &entry.clients;
        let fields = [
            clients.ipv4.as_deref().unwrap_or_default(),
            clients.ipv6.as_deref().unwrap_or_default(),
            &source,
            &classes,
        ];
        text.push_str(&fields.map(quoted).join(","));
        text.push('\n');
    }
    text
}

fn quoted(field: &str) -> String {
    if field.contains(['"', ',', '\n', '\r']) || field.trim() != field {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

/// Reads entries; every problem is told with its line, also those of ranges, prefixes and URLs.
pub fn read(text: &str) -> Result<Vec<EntryDocument>, Vec<String>> {
    read_rows(text, |entry, number| {
        let problems = entry.read(number).err().unwrap_or_default();
        problems.into_iter().map(|problem| problem.message).collect()
    })
}

fn read_rows(
    text: &str,
    check: impl Fn(&EntryDocument, u32) -> Vec<String>,
) -> Result<Vec<EntryDocument>, Vec<String>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut records = records(text).map_err(|problem| vec![problem])?.into_iter();
    let header = records
        .next()
        .map(|(_, fields)| fields.join(",").to_lowercase().replace(' ', ""))
        .unwrap_or_default();
    if header != HEADER {
        return Err(vec![format!("line 1: the first line must be `{HEADER}`")]);
    }
    let mut entries = Vec::new();
    let mut problems = Vec::new();
    for (number, (line, fields)) in (1..).zip(records) {
        let found = match entry(&fields) {
            Ok(entry) => {
                let found = check(&entry, number);
                entries.push(entry);
                found
            }
            Err(problem) => vec![problem],
        };
        problems.extend(found.into_iter().map(|problem| format!("line {line} (entry {number}): {problem}")));
    }
    if problems.is_empty() { Ok(entries) } else { Err(problems) }
}

fn entry(fields: &[String]) -> Result<EntryDocument, String> {
    let [ipv4, ipv6, source, classes] = fields else {
        return Err(format!("it has {} fields instead of 4", fields.len()));
    };
    let given = |field: &String| Some(field.clone()).filter(|field| !field.is_empty());
    let clients = SelectorDocument { ipv4: given(ipv4), ipv6: given(ipv6) };
    let words: Vec<String> =
        classes.split([' ', ';', ',']).filter(|word| !word.is_empty()).map(str::to_owned).collect();
    let source = match source.strip_prefix("update_agent:") {
        _ if source.is_empty() => return Err("it names no source".to_owned()),
        Some(id) => SourceDocument::UpdateAgent(id.to_owned()),
        None if source == "vendor" => SourceDocument::Vendor,
        None => SourceDocument::Url {
            url: source.clone(),
            classes: Some(words.clone()).filter(|words| !words.is_empty()),
        },
    };
    if !words.is_empty() && !matches!(source, SourceDocument::Url { .. }) {
        return Err("classes belong to a URL; an update agent shares what it was set to share".to_owned());
    }
    Ok(EntryDocument { clients, source })
}

/// Records with the line each begins on; empty lines are left out.
fn records(text: &str) -> Result<Vec<(usize, Vec<String>)>, String> {
    let mut records = Vec::new();
    let mut characters = text.chars().peekable();
    let mut line = 1;
    while characters.peek().is_some() {
        let began = line;
        let mut fields = vec![];
        loop {
            let (field, end) = field(&mut characters, &mut line)?;
            fields.push(field);
            if end == FieldEnd::Record {
                break;
            }
        }
        if fields != [""] {
            records.push((began, fields));
        }
    }
    Ok(records)
}

#[derive(PartialEq)]
enum FieldEnd {
    Field,
    Record,
}

fn field(
    characters: &mut std::iter::Peekable<std::str::Chars<'_>>,
    line: &mut usize,
) -> Result<(String, FieldEnd), String> {
    let began = *line;
    let mut text = String::new();
    let was_quoted = characters.next_if_eq(&'"').is_some();
    let mut quoted = was_quoted;
    loop {
        let end = match characters.next() {
            None if quoted => return Err(format!("line {began}: a quote is not closed")),
            Some('"') if quoted => {
                if characters.next_if_eq(&'"').is_some() {
                    text.push('"');
                } else {
                    quoted = false;
                }
                continue;
            }
            Some(character) if quoted => {
                *line += usize::from(character == '\n');
                text.push(character);
                continue;
            }
            Some(',') => FieldEnd::Field,
            Some('\r') if characters.peek() == Some(&'\n') => continue,
            Some('\n') => {
                *line += 1;
                FieldEnd::Record
            }
            None => FieldEnd::Record,
            Some(_) if was_quoted => return Err(format!("line {line}: text follows a closed quote")),
            Some(character) => {
                text.push(character);
                continue;
            }
        };
        let text = if was_quoted { text } else { text.trim().to_owned() };
        return Ok((text, end));
    }
}

#[cfg(test)]
mod tests {
    use headwater_api::policy::{EntryDocument, SelectorDocument, SourceDocument};
    use proptest::prelude::{Just, Strategy, any, prop, prop_oneof, proptest};

    use super::{HEADER, read, read_rows, write};

    fn text() -> impl Strategy<Value = String> {
        "[ -~\n\u{e9}]{1,12}".prop_filter("a field of its own", |text| !text.is_empty())
    }

    fn source() -> impl Strategy<Value = SourceDocument> {
        let classes = prop::option::of(prop::collection::vec("[a-z]{1,9}", 1..4));
        prop_oneof![
            Just(SourceDocument::Vendor),
            text().prop_map(SourceDocument::UpdateAgent),
            ("https?://[a-z,\"]{1,9}", classes)
                .prop_map(|(url, classes)| SourceDocument::Url { url, classes }),
        ]
    }

    fn entry() -> impl Strategy<Value = EntryDocument> {
        (prop::option::of(text()), prop::option::of(text()), source()).prop_map(|(ipv4, ipv6, source)| {
            EntryDocument { clients: SelectorDocument { ipv4, ipv6 }, source }
        })
    }

    proptest! {
        #[test]
        fn a_list_survives_the_round_trip(entries in prop::collection::vec(entry(), 0..20), crlf in any::<bool>()) {
            let written = write(&entries);
            // A spreadsheet may write other line ends, but not inside of quotes.
            let plain = !entries.iter().any(|entry| format!("{entry:?}").contains("\\n"));
            let written = if crlf && plain { written.replace('\n', "\r\n") } else { written };
            assert_eq!(read_rows(&written, |_, _| Vec::new()), Ok(entries));
        }
    }

    #[test]
    fn every_problem_is_told_with_its_line() {
        let check = |lines: &str, expected: &[&str]| {
            assert_eq!(read(&format!("{HEADER}\n{lines}")).unwrap_err(), expected, "{lines}")
        };
        check(
            "a,b\n\n10.0.0.1,,vendor,components\n10.0.0.1,,,",
            &[
                "line 2 (entry 1): it has 2 fields instead of 4",
                "line 4 (entry 2): classes belong to a URL; an update agent shares what it was set to share",
                "line 5 (entry 3): it names no source",
            ],
        );
        // Rows that cannot be read hide none that are read and wrong.
        let told = read(&format!("{HEADER}\na,b\n10.0.0.9-10.0.0.1,,vendor,\n,2001:db8::/129,vendor,\n"))
            .unwrap_err();
        let begins: Vec<&str> = told.iter().filter_map(|problem| problem.get(..16)).collect();
        assert_eq!(begins, ["line 2 (entry 1)", "line 3 (entry 2)", "line 4 (entry 3)"], "{told:?}");
        check("\"10.0.0.1", &["line 2: a quote is not closed"]);
        check("\"10.0.0.1\"x,,vendor,", &["line 2: text follows a closed quote"]);
        assert_eq!(
            read("10.0.0.1,,vendor,").unwrap_err(),
            ["line 1: the first line must be `ipv4,ipv6,source,classes`"]
        );
    }
}
