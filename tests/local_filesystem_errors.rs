//! What is wrong with a local file is told by file, line and key, and never by value.

// The lint's exception for tests does not reach what they call.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

#[path = "local_filesystem_cases/folder.rs"]
mod folder;

use airflow_secrets::{
    Failure, Lookup, SecretsBackend,
    backend::{FailureKind, LookupOptions},
    backends::local_filesystem::LocalFilesystemBackend,
};
use folder::Folder;

async fn connection_failure(path: &str) -> Failure {
    let backend = LocalFilesystemBackend::builder()
        .connections_file_path(path)
        .build();
    let lookup = backend.get_connection("pg", &LookupOptions::new()).await;
    lookup.expect_err("the file is wrong")
}

async fn variable_failure(path: &str) -> Failure {
    let backend = LocalFilesystemBackend::builder()
        .variables_file_path(path)
        .build();
    let lookup = backend.get_variable("v", &LookupOptions::new()).await;
    lookup.expect_err("the file is wrong")
}

/// The file fails as a whole: nobody knows what it defines.
async fn assert_unknown(name: &str, content: &str, place_and_problem: &str) {
    let folder = Folder::new();
    let path = folder.write(name, content);
    let failure = connection_failure(&path).await;
    assert_eq!(
        failure.message(),
        format!(
            "{path}:{place_and_problem}; until this is mended, no entry of the file can be read"
        )
    );
    assert_eq!(failure.kind(), FailureKind::Unavailable);
    assert!(!failure.is_transient());
    assert_eq!(failure.native_key(), Some(&*format!("{path}#pg")));
}

/// The entry that is asked for is what is wrong.
async fn assert_invalid(name: &str, content: &str, place_and_problem: &str) {
    let folder = Folder::new();
    let path = folder.write(name, content);
    let failure = connection_failure(&path).await;
    assert_eq!(failure.message(), format!("{path}:{place_and_problem}"));
    assert_eq!(failure.kind(), FailureKind::InvalidValue);
    assert_eq!(failure.native_key(), Some(&*format!("{path}#pg")));
}

#[tokio::test]
async fn an_env_file_names_the_line() {
    let problem = "3: the line has no `=`; write KEY=value";
    assert_unknown("c.env", "# c\npg=postgres://\nnothing\n", problem).await;
    let problem = "1: the key before the `=` is empty";
    assert_unknown("c.env", "=postgres://\n", problem).await;
    let problem = "2: the value after the `=` is empty";
    assert_unknown("c.env", "\r\npg=\r\n", problem).await;
}

#[tokio::test]
async fn a_json_file_names_the_line() {
    assert_unknown(
        "c.json",
        "{\n  \"pg\": \n}",
        "3: the file is not valid JSON (column 1)",
    )
    .await;
    let problem = "1: the file is not valid JSON (column 17): it contains a comma before a closing \
                   bracket; remove the comma";
    assert_unknown("c.json", "{\"é\": \"http://\",}", problem).await;
    let problem = "1: the file is not valid JSON (column 1): it starts with a byte order mark; save it \
                   as UTF-8 without BOM";
    assert_unknown("c.json", "\u{feff}{\"pg\": \"http://\"}", problem).await;
    let problem = "1: the file is not valid JSON (column 2): it contains NUL characters, as UTF-16 has; \
                   save it as UTF-8";
    assert_unknown("c.json", "{\0\"\0", problem).await;
    assert_unknown("c.json", "", "1: the file is empty").await;
    let problem = "1: the file must hold a JSON object";
    assert_unknown("c.json", "[]", problem).await;
}

#[tokio::test]
async fn a_yaml_file_names_the_line() {
    let problem = "2: the file is not valid YAML: mapping values are not allowed in this context";
    assert_unknown("c.yaml", "pg: a\n  b: c\n", problem).await;
    let problem = "3: the file is not valid YAML: control characters are not allowed";
    assert_unknown("c.yml", "a: b\n\nc: \u{7}\n", problem).await;
    let problem = "2: the file contains more than one YAML document";
    assert_unknown("c.yml", "a: http://\n---\nb: http://\n", problem).await;
    let problem = "2: a YAML alias refers to an anchor that is not defined above it";
    assert_unknown("c.yml", "a: http://\npg: *b\n", problem).await;
    let problem = "1: the file must hold an object (a mapping)";
    assert_unknown("c.yml", "- a\n", problem).await;
}

#[tokio::test]
async fn a_bad_connection_is_named_with_its_line_and_leaves_every_other_id_unknown() {
    let problem = "2: entry 2 has both `extra` and `extra_dejson`; give one";
    let yaml = "pg: http://h\nbad:\n  extra: '{}'\n  extra_dejson: {}\n";
    assert_unknown("c.yaml", yaml, problem).await;
    let json = "{\"pg\": \"http://h\",\n \"bad\": {\"extra\": \"{}\", \"extra_dejson\": {}}}";
    assert_unknown("c.json", json, problem).await;
    // Whether the file defines it or not.
    assert_unknown("c.json", &json.replace("pg", "other"), problem).await;
    assert_unknown(
        "c.env",
        "pg=http://h\nbad=http://h\nbad=http://i\n",
        "2: entry 2 is defined more than once; leave one",
    )
    .await;
    let folder = Folder::new();
    let path = folder.write("c.env", "pg=http://h\nbad=a://b://c://d\n");
    let failure = connection_failure(&path).await;
    let problem = "2: entry 2 invalid connection URI: ";
    assert!(failure.message().starts_with(&format!("{path}:{problem}")));
}

#[tokio::test]
async fn a_bad_connection_is_invalid_for_its_own_id() {
    let problem = "2: \"pg\" has both `extra` and `extra_dejson`; give one";
    let yaml = "a: http://h\npg:\n  extra: '{}'\n  extra_dejson: {}\n";
    assert_invalid("c.yaml", yaml, problem).await;
    let problem = "1: \"pg\" has an unknown key, number 2; the keys are conn_id, conn_type, \
                   description, host, login, password, schema, port, extra, extra_dejson, uri, \
                   team_name";
    assert_invalid(
        "c.json",
        "{\"pg\": {\"host\": \"h\", \"hunter2\": 1}}",
        problem,
    )
    .await;
}

#[tokio::test]
async fn many_ids_are_answered_as_each_by_itself() {
    let folder = Folder::new();
    let options = LookupOptions::new();
    for content in [
        "{\"pg\": \"http://h\", \"n\": {\"login\": 5}, \"a\": \"http://a\"}",
        "{\"pg\": {\"hunter2\": 1}, \"n\": {\"login\": 5}, \"a\": \"http://a\"}",
        "{",
    ] {
        let path = folder.write("c.json", content);
        let backend = LocalFilesystemBackend::builder()
            .connections_file_path(&path)
            .variables_file_path(&path)
            .build();
        let ids = ["a", "pg", "n", "absent", "a"];
        let mut single = Vec::new();
        let mut variables = Vec::new();
        for id in ids {
            single.push(backend.get_connection(id, &options).await);
            variables.push(backend.get_variable(id, &options).await);
        }
        assert_eq!(backend.get_connections(&ids, &options).await, single);
        assert_eq!(backend.get_variables(&ids, &options).await, variables);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn only_a_regular_file_of_at_most_16_mib_is_read() {
    let folder = Folder::new();
    let large = folder.write("large.json", "");
    let file = std::fs::File::options().write(true).open(&large).unwrap();
    file.set_len(1 << 40).unwrap();
    let fifo = folder.path("fifo.json");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.unwrap().success());
    let zero = folder.path("zero.json");
    std::os::unix::fs::symlink("/dev/zero", &zero).unwrap();
    for (path, problem) in [
        (large, "it is larger than 16 MiB, the most that is read"),
        (fifo, "it is not a regular file"),
        (zero, "it is not a regular file"),
    ] {
        let failure = variable_failure(&path).await;
        assert_eq!(
            failure.message(),
            format!("{path}: cannot be read: {problem}; check the path and who may read it")
        );
        assert_eq!(failure.kind(), FailureKind::Configuration);
    }
}

#[tokio::test]
async fn yaml_that_is_not_supported_fails_only_what_holds_it() {
    let quotes = "which is not supported: put it between quotes";
    for (value, problem) in [
        ("2020-01-01", format!("a YAML timestamp, {quotes} (YAML-1)")),
        (
            "2001-12-14 21:59:43.10 -5",
            format!("a YAML timestamp, {quotes} (YAML-1)"),
        ),
        (
            "[{a: 1:30}]",
            format!(
                "a YAML number in base 60, such as 1:30, {quotes}, or write it in base 10 (YAML-1)"
            ),
        ),
        (
            "-190:20:30.15",
            format!(
                "a YAML number in base 60, such as 1:30, {quotes}, or write it in base 10 (YAML-1)"
            ),
        ),
        (
            "!!binary aGk=",
            "a YAML `!!binary`, which is not supported: write it as text (YAML-1)".to_owned(),
        ),
        (
            "!!set {a}",
            "a YAML `!!set`, which is not supported: write it as a sequence (YAML-1)".to_owned(),
        ),
        (
            "{!!omap [a: 1]: b}",
            "a YAML `!!omap`, which is not supported: write it as a mapping (YAML-1)".to_owned(),
        ),
        (
            "!!pairs [a: 1]",
            "a YAML `!!pairs`, which is not supported: write it as a sequence (YAML-1)".to_owned(),
        ),
        (
            "[.nan]",
            "NaN or an infinite number, which JSON cannot express (FILE-1)".to_owned(),
        ),
    ] {
        let folder = Folder::new();
        let path = folder.write("v.yaml", format!("w: calm\nv: {value}\n"));
        let failure = variable_failure(&path).await;
        assert_eq!(
            failure.message(),
            format!("{path}:2: \"v\" contains {problem}")
        );
        let backend = LocalFilesystemBackend::builder().variables_file_path(&path);
        let other = backend
            .build()
            .get_variable("w", &LookupOptions::new())
            .await
            .unwrap();
        assert_eq!(other, Lookup::found("calm".into(), format!("{path}#w")));
    }
    let yaml = "a: http://h\npg: {login: 2020-01-01}\n";
    let problem = "2: \"pg\" has a `login` that is not text; put it between quotes (FILE-2)";
    assert_invalid("c.yaml", yaml, problem).await;
}

#[tokio::test]
async fn what_is_no_text_is_given_as_json() {
    let folder = Folder::new();
    for (name, content, json) in [
        ("v.json", r#"{"v": 1.50}"#, "1.5"),
        (
            "v.json",
            r#"{"v": [true, {"é": null}]}"#,
            r#"[true, {"\u00e9": null}]"#,
        ),
        ("v.yaml", "v: yes", "true"),
        ("v.yaml", "v: 0x1F", "31"),
        (
            "v.yaml",
            "v: {a: 1e16, 1: [1.0e+16]}",
            r#"{"a": "1e16", "1": [1e+16]}"#,
        ),
    ] {
        let path = folder.write(name, content);
        let backend = LocalFilesystemBackend::builder().variables_file_path(&path);
        let found = backend
            .build()
            .get_variable("v", &LookupOptions::new())
            .await
            .unwrap();
        assert_eq!(found, Lookup::found(json.into(), format!("{path}#v")));
    }
}

#[tokio::test]
async fn text_that_is_not_utf_8_is_named_with_its_line() {
    let folder = Folder::new();
    let path = folder.write("v.env", b"a=1\nv=\xff\n");
    let failure = variable_failure(&path).await;
    let message = format!(
        "{path}:2: the file is not UTF-8; save it as UTF-8 (FILE-5); until this is mended, no entry \
         of the file can be read"
    );
    assert_eq!(failure.message(), message);
    assert_eq!(failure.kind(), FailureKind::Unavailable);
}

#[tokio::test]
async fn a_file_that_is_not_there_is_unavailable() {
    let folder = Folder::new();
    let path = folder.path("absent.json");
    let failure = variable_failure(&path).await;
    assert_eq!(failure.kind(), FailureKind::Unavailable);
    assert!(
        failure
            .message()
            .starts_with(&format!("{path}: cannot be read: "))
    );
}

#[tokio::test]
async fn a_file_of_unknown_kind_is_a_wrong_setting() {
    let folder = Folder::new();
    for name in [".env", "v.toml", "v", "v."] {
        let path = folder.write(name, "v=1\n");
        let failure = variable_failure(&path).await;
        assert_eq!(failure.kind(), FailureKind::Configuration, "{name}");
    }
}

#[tokio::test]
async fn no_error_holds_a_value() {
    const MARKER: &str = "hunter2";
    let contents = [
        ("c.env", "pg=a://b://c://hunter2\n"),
        ("c.env", "postgres://u:hunter2@h/db?a=1\npg=a://b://c://d\n"),
        ("c.env", "postgres://u:hunter2@h/db?a=\n"),
        ("c.env", "hunter2\n"),
        (
            "c.json",
            "{\"pg\": {\"password\": \"hunter2\", \"port\": \"hunter2\"}}",
        ),
        ("c.json", "{\"pg\": {\"password\": [\"hunter2\"]}}"),
        ("c.json", "{\"pg\": {\"extra\": \"hunter2\"}}"),
        ("c.json", "{\"pg\": {\"extra_dejson\": \"hunter2\"}}"),
        ("c.json", "{\"pg\": {\"hunter2\": 1}}"),
        ("c.json", "{\"pg\": {\"conn_id\": \"hunter2\"}}"),
        ("c.json", "{\"pg\": {\"uri\": \"a://b://c://hunter2\"}}"),
        (
            "c.json",
            "{\"pg\": [\"http://hunter2\", \"http://hunter2\"]}",
        ),
        (
            "c.json",
            "{\"a\": {\"u:hunter2@h\": 1}, \"u:hunter2@h\": 1}",
        ),
        ("c.json", "{\"pg\": \"hunter2\"hunter2"),
        ("c.yaml", "pg: !hunter2 x\n"),
        ("c.yaml", "pg: !!int hunter2\n"),
        ("c.yaml", "pg: *hunter2\n"),
        ("c.yaml", "pg: &hunter2 a\nb: &hunter2 a\n"),
        ("c.yaml", "pg: \"\\hunter2\"\n"),
        ("c.yaml", "pg: {password: hunter2, port: hunter2}\n"),
        ("c.yaml", "pg:\n  password: hunter2: 3\n"),
        ("c.yaml", "%hunter2 hunter2\n%YAML 9.9\n---\n"),
    ];
    for (name, content) in contents {
        let folder = Folder::new();
        let failure = connection_failure(&folder.write(name, content)).await;
        let shown = format!("{failure} {failure:?}");
        assert!(!shown.contains(MARKER), "{content:?} gives {shown}");
    }
}
