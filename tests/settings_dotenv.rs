//! A `.env` file below the environment, read as Docker Compose reads it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test's helpers may fail the test"
)]

use std::{collections::BTreeMap, fs};

use airflow_secrets::{Environment, settings::Warning};
use serde::Deserialize;

type Variables = BTreeMap<String, String>;

/// What Docker Compose's own reader answered.
#[derive(Deserialize)]
struct Case {
    text: String,
    process: Variables,
    values: Option<Variables>,
    /// Whether one of the lines has a value and no name.
    nameless: bool,
}

impl Case {
    /// What this crate is to answer: as Compose, but for a line that names no variable (DOTENV-1).
    fn expected(&self) -> Option<Variables> {
        let mut values = self.values.clone()?;
        // At the end of a file without a newline, Compose takes a name for a value without a name.
        values.remove("");
        (!self.nameless).then_some(values)
    }
}

fn read(process: &Environment, text: &str) -> Option<Variables> {
    let both = process.with_dotenv(".env", text).ok()?;
    let added = both.iter().filter(|(name, _)| process.get(name).is_none());
    Some(
        added
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
    )
}

#[test]
fn every_file_is_read_as_docker_compose_reads_it() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/conformance/dotenv.jsonl"
    );
    let corpus = fs::read_to_string(path).unwrap();
    let cases = corpus.lines().map(serde_json::from_str::<Case>);
    let cases: Vec<Case> = cases.map(Result::unwrap).collect();
    assert!(cases.len() >= 1000, "only {} cases", cases.len());
    let mut differing = 0;
    for case in &cases {
        let process: Environment = case.process.clone().into_iter().collect();
        let mut expected = case.expected();
        if let Some(expected) = &mut expected {
            // What the process sets comes first.
            expected.retain(|name, _| !case.process.contains_key(name));
        }
        let read = read(&process, &case.text);
        if read != expected {
            differing += 1;
            println!(
                "{:?}\n  ours    {read:?}\n  compose {expected:?}",
                case.text
            );
        }
    }
    assert_eq!(differing, 0, "of {} cases", cases.len());
}

/// The lines of the variables that come with a warning.
fn warned(process: &Environment, text: &str) -> Vec<(String, String)> {
    let both = process.with_dotenv("dir/.env", text).unwrap();
    let of = |warning: &Warning| (warning.setting().to_owned(), warning.origin().to_owned());
    both.warnings().iter().map(of).collect()
}

#[test]
fn a_variable_that_the_raw_reading_gives_another_value_comes_with_a_warning() {
    let process = Environment::from_iter([("SET", "process")]);
    for alike in [
        "A=b",
        "A=b c",
        "  A=b\r\n",
        "A=",
        "A=a'b'",
        "A={\"a\": \"b\"}",
        "A=a$ b\\n",
        "# A='b'",
        "SET='file'",
        "A='first'\nA=last",
        "NAME",
    ] {
        assert_eq!(warned(&process, alike), [], "{alike:?}");
    }
    for differing in [
        "A='b'",
        "A=\"b\"",
        "A=b # c",
        "A=b ",
        "A= b",
        "A =b",
        "A: b",
        "export A=b",
        "A=$SET",
        "A=${UNSET:-b}",
        "A=$$",
        "A=\"b\nc\"",
        "A=first\nA='last'",
        "B='\n' A=b",
    ] {
        let place = format!("dir/.env:{}", 1 + differing.find("\nA=").map_or(0, |_| 1));
        let place = if differing.starts_with('B') {
            "dir/.env:2".to_owned()
        } else {
            place
        };
        let warned = warned(&process, differing);
        assert_eq!(
            warned.last(),
            Some(&("A".to_owned(), place)),
            "{differing:?}"
        );
    }
    let both = process.with_dotenv(".env", "\n\nA='m4rk3r'").unwrap();
    assert_eq!(
        both.warnings()[0].to_string(),
        "A (.env:3): Docker Compose gives it another value than `docker run --env-file` does, since \
         quotes, escapes, `$`, ` #`, blanks and `export` are special to Compose alone; it has Compose's \
         value here; write it without them, or have the file read raw"
    );
    assert_eq!(
        process.with_dotenv_raw(".env", "A='b'").unwrap().warnings(),
        []
    );
}

#[test]
fn a_line_that_compose_refuses_is_an_error_with_its_number_and_without_its_value() {
    let process = Environment::from_iter([("EMPTY", "")]);
    for (text, problem) in [
        (
            "A=b\n=m4rk3r",
            "the variable's name before the '=' is empty; a line is NAME=VALUE",
        ),
        (
            "A=\"b\nm4rk3r\"\nA B=m4rk3r",
            "the variable's name contains a blank; a line is NAME=VALUE",
        ),
        (
            "#\n{\"m4rk3r\": 1}",
            "the variable's name contains the character '{' that no name may contain; a line is \
             NAME=VALUE, and a value of several lines stands between double quotes",
        ),
        (
            "\nA=\"m4rk3r\nB=c\n",
            "the value begins with \" and does not end; put the same quote at its end, or write \\\" \
             inside quotes for the character itself",
        ),
        (
            "\nA=m4rk3r ${",
            "a '${' begins no variable: write ${NAME}, or $$ for a '$'",
        ),
        (
            "\nA=m4rk3r ${1}",
            "a '${' begins no variable: write ${NAME}, or $$ for a '$'",
        ),
        (
            "\nA=m4rk3r ${UNSET?m4rk3r}",
            "the value requires the variable UNSET, which is not set; set it",
        ),
        (
            "B=m4rk3r\nA=${EMPTY:?$B}",
            "the value requires the variable EMPTY, which is not set or empty; set it",
        ),
    ] {
        let error = process.with_dotenv("dir/.env", text).unwrap_err();
        let line = 2 + usize::from(text.starts_with("A=\""));
        let expected = format!("env file (dir/.env:{line}): {problem}");
        assert_eq!(error.to_string(), expected, "{text:?}");
        assert!(!format!("{error:?}").contains("m4rk3r"));
    }
}

#[test]
fn a_file_that_grows_without_end_is_refused() {
    let mut doubling = "A=0123456789abcdef\n".to_owned();
    doubling.push_str(&"A=$A$A\n".repeat(60));
    let error = Environment::default().with_dotenv(".env", &doubling);
    assert_eq!(
        error.unwrap_err().to_string(),
        "env file (.env:23): with this value, the values of the file take more than 64 MiB, the most \
         that is read; a value that repeats others grows fast"
    );
    let nested = format!("A={}{}", "${U:-".repeat(100_000), "}".repeat(100_000));
    let error = Environment::default().with_dotenv(".env", &nested);
    assert_eq!(
        error.unwrap_err().to_string(),
        "env file (.env:1): a default holds defaults more than 64 deep; write the value out"
    );
}

#[test]
fn a_long_line_is_read_in_one_go() {
    for (piece, value) in [
        ("${U:-}", ""),
        ("${U:-{}", ""),
        ("A=\"\"", ""),
        ("'", ""),
        ("${U:-a}", "a"),
        ("$U ", " "),
    ] {
        let text = format!("A=\"{}\"x{}", "$U".repeat(50_000), piece.repeat(50_000));
        // What it gives is of no matter here, but that it does not take the square of its length.
        let _ = Environment::default().with_dotenv(".env", &text);
        let text = format!("A={}z", piece.repeat(50_000));
        if let Ok(read) = Environment::default().with_dotenv(".env", &text)
            && !piece.starts_with(['\'', 'A'])
            && !piece.contains("{}")
        {
            assert_eq!(read.get("A").unwrap(), format!("{}z", value.repeat(50_000)));
        }
    }
}
