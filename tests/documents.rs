//! What the documents say about the code and about each other holds.
#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

const DOCUMENTS: [&str; 11] = [
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "README.md",
    "SECURITY.md",
    "docs/differences.md",
    "docs/errors.md",
    "docs/faults.md",
    "docs/faults-supervisor.md",
    "examples/native_task/README.md",
    "tests/README.md",
];

fn path(document: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(document)
}

fn read(document: &str) -> String {
    fs::read_to_string(path(document)).unwrap()
}

/// The library's source as one text, its string literals as the compiler sees them.
fn source() -> String {
    fn collect(folder: &Path, text: &mut String) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, text);
            } else {
                text.push_str(&fs::read_to_string(path).unwrap());
            }
        }
    }
    let mut text = String::new();
    collect(&path("src"), &mut text);
    // A backslash at a line's end takes the next line's indentation with it.
    let mut joined = String::new();
    for (index, line) in text.split("\\\n").enumerate() {
        joined.push_str(if index == 0 { line } else { line.trim_start() });
    }
    joined.replace("\\\"", "\"")
}

/// The cells of a document's tables.
fn cells(document: &str) -> Vec<String> {
    let text = read(document);
    let rows = text.lines().filter(|line| line.starts_with('|'));
    rows.flat_map(|row| row.split('|'))
        .map(|cell| cell.trim().to_owned())
        .collect()
}

/// The text of a cell that is a single code span.
fn code_span(cell: &str) -> Option<&str> {
    let span = |mark| cell.strip_prefix(mark)?.strip_suffix(mark);
    span("``").or_else(|| span("`").filter(|text| !text.contains('`')))
}

/// Every `ID-1` in a text whose letters are one of `prefixes`.
fn ids(text: &str, prefixes: &BTreeSet<String>) -> Vec<String> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
        .filter(|word| {
            word.split_once('-').is_some_and(|(prefix, number)| {
                prefixes.contains(prefix) && number.parse::<u32>().is_ok()
            })
        })
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_message_that_the_page_of_errors_quotes_is_one_of_the_codes() {
    let source = source();
    let cells = cells("docs/errors.md");
    let messages = cells.iter().filter_map(|cell| code_span(cell));
    let mut unknown = Vec::new();
    let mut count = 0;
    for message in messages.filter(|message| message.contains(' ')) {
        count += 1;
        // The parts may come from several places: what is asked for, the cause, the remedy.
        let parts = message.split(['…', ':', ';', '`']).map(str::trim);
        unknown.extend(parts.filter(|part| !source.contains(part)));
    }
    assert_eq!(unknown, Vec::<&str>::new());
    assert!(count > 60, "{count} messages: has the table another form?");
}

#[test]
fn every_difference_that_is_cited_is_listed_once() {
    let cells = cells("docs/differences.md");
    let rows = cells.iter().filter_map(|cell| code_span(cell));
    let rows = rows.filter(|id| id.contains('-')).collect::<Vec<_>>();
    let listed = rows.iter().copied().collect::<BTreeSet<_>>();
    assert_eq!(listed.len(), rows.len(), "an id stands in two rows");
    let prefixes = listed.iter().filter_map(|id| id.split_once('-'));
    let prefixes = prefixes.map(|(prefix, _)| prefix.to_owned()).collect();
    let mut cited = ids(&source(), &prefixes);
    for document in DOCUMENTS {
        cited.extend(ids(&read(document), &prefixes));
    }
    cited.retain(|id| !listed.contains(id.as_str()));
    assert_eq!(cited, Vec::<String>::new());
}

/// The anchor that a heading gets.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter_map(|c| match c {
        ' ' => Some('-'),
        c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
        _ => None,
    });
    kept.collect()
}

#[test]
fn every_link_between_the_documents_leads_somewhere() {
    let mut broken = Vec::new();
    for document in DOCUMENTS {
        let text = read(document);
        let targets = text.split("](").skip(1).filter_map(|rest| {
            let (target, _) = rest.split_once(')')?;
            (!target.contains("://")).then_some(target)
        });
        for target in targets {
            let (file, fragment) = target.split_once('#').unwrap_or((target, ""));
            let file = match file {
                "" => path(document),
                file => path(document).parent().unwrap().join(file),
            };
            let leads_somewhere = match fragment {
                "" => file.exists(),
                fragment => fs::read_to_string(&file).is_ok_and(|text| {
                    text.lines()
                        .any(|line| line.starts_with('#') && anchor(line) == fragment)
                }),
            };
            if !leads_somewhere {
                broken.push(format!("{document}: {target}"));
            }
        }
    }
    assert_eq!(broken, Vec::<String>::new());
}
