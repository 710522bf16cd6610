//! What is wrong with a local file is told by file, line and key, and never by value.

// The lint's exception for tests does not reach what they call.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "local_filesystem_cases/folder.rs"]
mod folder;

use airflow_secrets::{
    Dialect, Failure, FailureKind, SecretsBackend, backends::LocalFilesystemBackend,
};
use folder::Folder;

async fn connection_failure(path: &str) -> Failure {
    let backend = LocalFilesystemBackend::builder()
        .connections_file_path(path)
        .build();
    let lookup = backend.get_connection("pg", None, Dialect::Core).await;
    lookup.expect_err("the file is wrong")
}

async fn variable_failure(path: &str) -> Failure {
    let backend = LocalFilesystemBackend::builder()
        .variables_file_path(path)
        .build();
    let lookup = backend.get_variable("v", None).await;
    lookup.expect_err("the file is wrong")
}

async fn assert_message(name: &str, content: &str, place_and_problem: &str) {
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
    assert_message("c.env", "# c\npg=postgres://\nnothing\n", problem).await;
    let problem = "1: there is no key before the `=`";
    assert_message("c.env", "=postgres://\n", problem).await;
    let problem = "2: there is no value after the `=`";
    assert_message("c.env", "\r\npg=\r\n", problem).await;
}

#[tokio::test]
async fn a_json_file_names_the_line() {
    assert_message("c.json", "{\n  \"pg\": \n}", "3: the file is not JSON").await;
    assert_message("c.json", "", "1: the file is empty").await;
    let problem = "1: the file must hold a JSON object";
    assert_message("c.json", "[]", problem).await;
}

#[tokio::test]
async fn a_yaml_file_names_the_line() {
    let problem = "2: not YAML: mapping values are not allowed in this context";
    assert_message("c.yaml", "pg: a\n  b: c\n", problem).await;
    let problem = "3: not YAML: control characters are not allowed";
    assert_message("c.yml", "a: b\n\nc: \u{7}\n", problem).await;
    let problem = "2: there is more than one YAML document";
    assert_message("c.yml", "a: http://\n---\nb: http://\n", problem).await;
    let problem = "2: a YAML alias has no anchor before it";
    assert_message("c.yml", "a: http://\npg: *b\n", problem).await;
    let problem = "1: the file must hold an object (a mapping)";
    assert_message("c.yml", "- a\n", problem).await;
}

#[tokio::test]
async fn a_bad_connection_is_named_with_its_line_and_fails_the_file() {
    let problem = "2: \"bad\" has both `extra` and `extra_dejson`; give one";
    let yaml = "pg: http://h\nbad:\n  extra: '{}'\n  extra_dejson: {}\n";
    assert_message("c.yaml", yaml, problem).await;
    let json = "{\"pg\": \"http://h\",\n \"bad\": {\"extra\": \"{}\", \"extra_dejson\": {}}}";
    assert_message("c.json", json, problem).await;
    let problem = "2: \"bad\" invalid connection URI: ";
    let folder = Folder::new();
    let path = folder.write("c.env", "pg=http://h\nbad=a://b://c://d\n");
    let failure = connection_failure(&path).await;
    assert!(failure.message().starts_with(&format!("{path}:{problem}")));
}

#[tokio::test]
async fn text_that_is_not_utf_8_is_named_with_its_line() {
    let folder = Folder::new();
    let path = folder.write("v.env", b"a=1\nv=\xff\n");
    let failure = variable_failure(&path).await;
    let message = format!("{path}:2: not UTF-8; save the file as UTF-8");
    assert_eq!(failure.message(), message);
    assert_eq!(failure.kind(), FailureKind::InvalidValue);
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
