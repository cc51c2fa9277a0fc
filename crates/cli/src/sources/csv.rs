//! The source list as CSV (S6): one line an entry, `ipv4,ipv6,source,classes`.
//!
//! `source` is `update_agent:ID`, `vendor` or a URL; `classes` belongs to a URL and has blanks between the words. Blanks
//! around a field do not count. What spreadsheets write is read as well: semicolons or tabs instead of commas, a line
//! `sep=;` before the header, rows without content, empty columns at the right. Whether clients can reach a source is for the server to check.

use csv::{ReaderBuilder, StringRecord, Trim, Writer};
use headwater_api::policy::{EntryDocument, SelectorDocument, SourceDocument};

use crate::terminal::output::counted;

/// The first line.
pub const HEADER: &str = "ipv4,ipv6,source,classes";

/// Writes the entries.
pub fn write(entries: &[EntryDocument]) -> String {
    let mut writer = Writer::from_writer(Vec::new());
    let in_memory = "writing to memory does not fail";
    writer.write_record(HEADER.split(',')).expect(in_memory);
    for entry in entries {
        let (source, classes) = match &entry.source {
            SourceDocument::Vendor => ("vendor".to_owned(), String::new()),
            SourceDocument::UpdateAgent(id) => (format!("update_agent:{id}"), String::new()),
            SourceDocument::Url { url, classes } => {
                (url.clone(), classes.as_ref().map(|words| words.join(" ")).unwrap_or_default())
            }
        };
        let clients = &entry.clients;
        let ipv4 = clients.ipv4.as_deref().unwrap_or_default();
        let ipv6 = clients.ipv6.as_deref().unwrap_or_default();
        writer.write_record([ipv4, ipv6, &source, &classes]).expect(in_memory);
    }
    let bytes = writer.into_inner().expect(in_memory);
    String::from_utf8(bytes).expect("every field is UTF-8")
}

/// Reads entries; reports every problem with its line, also those of ranges, prefixes and URLs.
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
    // Rows count from the beginning of the file, for the lines of problems.
    let first = text.lines().next().unwrap_or_default();
    let has_separator_line = first.len() == 5 && first.to_ascii_lowercase().starts_with("sep=");
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(Trim::All)
        .delimiter(delimiter(text.lines().nth(usize::from(has_separator_line)).unwrap_or_default()))
        .from_reader(text.as_bytes());
    let mut records = reader.records().skip(usize::from(has_separator_line));
    let header = records.next().and_then(Result::ok).unwrap_or_default();
    if columns(&header).join(",").to_lowercase() != HEADER {
        return Err(vec![format!("line 1: the first line must be `{HEADER}`")]);
    }
    let mut entries = Vec::new();
    let mut problems = Vec::new();
    let has_content = |record: &csv::Result<StringRecord>| {
        record.as_ref().map_or(true, |record| record.iter().any(|field| !field.is_empty()))
    };
    for (number, record) in (1..).zip(records.filter(has_content)) {
        let record = record.map_err(|error| vec![error.to_string()])?;
        let line = record.position().map_or(0, |at| first_line(text, at));
        let found = match entry(&record) {
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

/// What stands between the fields of the header: a comma, or what spreadsheets of some countries write.
fn delimiter(header: &str) -> u8 {
    let count = |byte: u8| header.bytes().filter(|other| *other == byte).count();
    [b';', b'\t'].into_iter().find(|byte| count(*byte) > count(b',')).unwrap_or(b',')
}

/// The fields of a row, without empty ones to the right of the table.
fn columns(record: &StringRecord) -> Vec<&str> {
    let mut fields: Vec<&str> = record.iter().collect();
    while fields.len() > HEADER.split(',').count() && fields.last().is_some_and(|field| field.is_empty()) {
        fields.pop();
    }
    fields
}

/// The line that a record begins on; its position is before the empty lines above it.
fn first_line(text: &str, position: &csv::Position) -> u64 {
    let from = usize::try_from(position.byte()).ok().and_then(|byte| text.get(byte..)).unwrap_or_default();
    let empty = from.chars().take_while(|character| matches!(character, '\r' | '\n'));
    position.line() + empty.filter(|character| *character == '\n').count() as u64
}

fn entry(record: &StringRecord) -> Result<EntryDocument, String> {
    let fields = columns(record);
    let [ipv4, ipv6, source, classes] = fields[..] else {
        return Err(format!("it has {} instead of 4", counted(fields.len(), "field")));
    };
    let given = |field: &str| Some(field.to_owned()).filter(|field| !field.is_empty());
    let clients = SelectorDocument { ipv4: given(ipv4), ipv6: given(ipv6) };
    let words: Vec<String> =
        classes.split([' ', ';', ',']).filter(|word| !word.is_empty()).map(str::to_owned).collect();
    let source = match source.strip_prefix("update_agent:") {
        _ if source.is_empty() => return Err("it names no source".to_owned()),
        Some(id) => SourceDocument::UpdateAgent(id.to_owned()),
        None if source == "vendor" => SourceDocument::Vendor,
        None => SourceDocument::Url {
            url: source.to_owned(),
            classes: Some(words.clone()).filter(|words| !words.is_empty()),
        },
    };
    if !words.is_empty() && !matches!(source, SourceDocument::Url { .. }) {
        return Err("classes belong to a URL; an update agent shares the classes of its role".to_owned());
    }
    Ok(EntryDocument { clients, source })
}

#[cfg(test)]
mod tests {
    use headwater_api::policy::{EntryDocument, SelectorDocument, SourceDocument};
    use proptest::prelude::{Just, Strategy, any, prop, prop_oneof, proptest};

    use super::{HEADER, read, read_rows, write};

    fn text() -> impl Strategy<Value = String> {
        let trimmed = "blanks around a field do not count";
        "[ -~\n\u{e9}]{1,12}".prop_filter(trimmed, |text| !text.is_empty() && text.trim() == text)
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
    fn what_a_spreadsheet_writes_is_read() {
        let plain =
            format!("{HEADER}\n10.1.0.0/16,,vendor,\n,2001:db8::5,http://m.example/,components programs\n");
        let expected = read(&plain).unwrap();
        assert_eq!(expected.len(), 2);
        let semicolons = plain.replace(',', ";");
        let empty_rows = semicolons.replace("vendor;\n", "vendor;\n;;;\n\n;;;\n") + ";;;\n;;;;;\n";
        for text in [
            semicolons.clone(),
            plain.replace(',', "\t"),
            format!("\u{feff}{semicolons}").replace('\n', "\r\n"),
            format!("sep=;\n{semicolons}"),
            semicolons.replace('\n', ";;\n"),
            empty_rows,
            semicolons.replace("components programs", "components, programs"),
        ] {
            assert_eq!(read(&text), Ok(expected.clone()), "{text:?}");
        }
        let problems =
            read(&format!("{}\n;;;\n10.0.0.9-10.0.0.1;;vendor;\n", HEADER.replace(',', ";"))).unwrap_err();
        assert!(problems[0].starts_with("line 3 (entry 1)"), "{problems:?}");
    }

    #[test]
    fn every_problem_is_reported_with_its_line() {
        let check = |lines: &str, expected: &[&str]| {
            assert_eq!(read(&format!("{HEADER}\n{lines}")).unwrap_err(), expected, "{lines}")
        };
        check(
            "a,b\n\n10.0.0.1,,vendor,components\n10.0.0.1,,,",
            &[
                "line 2 (entry 1): it has 2 fields instead of 4",
                "line 4 (entry 2): classes belong to a URL; an update agent shares the classes of its role",
                "line 5 (entry 3): it names no source",
            ],
        );
        // Rows that cannot be read hide none that are read and wrong.
        let problems = read(&format!("{HEADER}\na,b\n10.0.0.9-10.0.0.1,,vendor,\n,2001:db8::/129,vendor,\n"))
            .unwrap_err();
        let begins: Vec<&str> = problems.iter().filter_map(|problem| problem.get(..16)).collect();
        assert_eq!(begins, ["line 2 (entry 1)", "line 3 (entry 2)", "line 4 (entry 3)"], "{problems:?}");
        check("\"10.0.0.1,,vendor,\n", &["line 2 (entry 1): it has 1 field instead of 4"]);
        let problems = read(&format!("{HEADER}\n\"10.0.0.1\"x,,vendor,")).unwrap_err();
        assert!(problems.iter().all(|problem| problem.starts_with("line 2 (entry 1): ")), "{problems:?}");
        assert!(!problems.is_empty());
        assert_eq!(
            read("10.0.0.1,,vendor,").unwrap_err(),
            ["line 1: the first line must be `ipv4,ipv6,source,classes`"]
        );
    }
}
