//! A `.env` file below the environment, read as `docker run --env-file` reads it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test's helpers may fail the test"
)]

use airflow_secrets::Environment;

fn below(text: &str) -> Vec<(String, String)> {
    let process = Environment::from_iter([("SET", "process")]);
    let both = process.with_dotenv_raw(".env", text).unwrap();
    let mut variables: Vec<_> = both
        .iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .filter(|(name, _)| name != "SET")
        .collect();
    assert_eq!(both.get("SET"), Some("process"));
    variables.sort();
    variables
}

#[test]
fn a_value_is_what_stands_after_the_first_equals_sign() {
    for (line, value) in [
        ("A=b", "b"),
        ("A=", ""),
        ("A='b'", "'b'"),
        ("A=\"b\\n\"", "\"b\\n\""),
        ("A=b # c", "b # c"),
        ("A= b ", " b "),
        ("A=b=c", "b=c"),
        ("A=$SET ${SET}", "$SET ${SET}"),
        ("  \tA=b", "b"),
        ("A=b\r", "b"),
        ("A=first\nA=last", "last"),
        ("\u{feff}A=b", "b"),
        ("# c\n\n  # c\nA=b\n", "b"),
    ] {
        assert_eq!(
            below(line),
            [("A".to_owned(), value.to_owned())],
            "{line:?}"
        );
    }
}

#[test]
fn other_white_space_than_blanks_and_tabs_is_part_of_a_name() {
    assert_eq!(
        below("some\u{a0}words\nA\u{3000}\rB=b"),
        [("A\u{3000}\rB".to_owned(), "b".to_owned())]
    );
}

#[test]
fn what_is_set_stays_and_a_bare_name_adds_nothing() {
    assert_eq!(below("SET=file\nSET\nOTHER\n"), []);
}

#[test]
fn a_malformed_line_is_an_error_with_its_number_and_without_its_text() {
    let process = Environment::default();
    for (text, problem) in [
        (
            "A=b\n=hunter2",
            "the variable's name before the '=' is empty; a line is NAME=VALUE",
        ),
        (
            "A=b\nA B=hunter2",
            "the variable's name contains a blank or a tab; a line is NAME=VALUE, without 'export' and without blanks around the '='",
        ),
        (
            "#\nexport A=hunter2",
            "the variable's name contains a blank or a tab; a line is NAME=VALUE, without 'export' and without blanks around the '='",
        ),
        (
            "\nA =hunter2",
            "the variable's name contains a blank or a tab; a line is NAME=VALUE, without 'export' and without blanks around the '='",
        ),
    ] {
        let error = process.with_dotenv_raw("dir/.env", text).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("env file (dir/.env:2): {problem}")
        );
    }
}
