//! What a connection's fields are in the cases that people meet, to be read as a description.
//! That they are Airflow's is proved by `connection_codec_matches_airflow.rs`.

// A test may panic: so it fails.
#![allow(clippy::unwrap_used)]

use airflow_secrets::{Connection, ConnectionError, Dialect, Fields, Secret};
use serde_json::json;

fn core(uri: &str) -> Connection {
    Connection::from_uri("id", uri, Dialect::Core).unwrap()
}

fn task_sdk(uri: &str) -> Connection {
    Connection::from_uri("id", uri, Dialect::TaskSdk).unwrap()
}

#[track_caller]
fn assert_round_trip(connection: &Connection, dialect: Dialect) {
    let uri = connection.get_uri();
    let again = Connection::from_uri(connection.conn_id(), uri.expose(), dialect).unwrap();
    assert_eq!(&again, connection);
    assert_eq!(again.get_uri(), uri);
}

#[test]
fn a_typical_uri_gives_all_fields_and_comes_back_the_same() {
    let uri = "postgres://user:p%2Fw%40rd@db.example.com:5432/schema?sslmode=require";
    for (dialect, connection) in [
        (Dialect::Core, core(uri)),
        (Dialect::TaskSdk, task_sdk(uri)),
    ] {
        assert_eq!(connection.conn_id(), "id");
        assert_eq!(connection.conn_type(), Some("postgres"));
        assert_eq!(connection.description(), None);
        assert_eq!(connection.host(), Some("db.example.com"));
        assert_eq!(connection.login(), Some("user"));
        assert_eq!(connection.password(), Some(&Secret::from("p/w@rd")));
        assert_eq!(connection.schema(), Some("schema"));
        assert_eq!(connection.port(), Some(5432));
        let extra = Secret::from(r#"{"sslmode": "require"}"#);
        assert_eq!(connection.extra(), Some(&extra));
        assert_eq!(connection.get_uri().expose(), uri);
        assert_round_trip(&connection, dialect);
    }
}

#[test]
fn the_core_reads_query_values_as_json_and_the_task_sdk_does_not() {
    let uri = "a://h/?timeout=10&tls=true&name=x";
    let expected = json!({"timeout": 10, "tls": true, "name": "x"});
    assert_eq!(core(uri).extra_dejson().unwrap(), expected);
    let expected = json!({"timeout": "10", "tls": "true", "name": "x"});
    assert_eq!(task_sdk(uri).extra_dejson().unwrap(), expected);
    assert_round_trip(&core(uri), Dialect::Core);
    assert_round_trip(&task_sdk(uri), Dialect::TaskSdk);
}

#[test]
fn nested_extras_are_read_one_level_deep() {
    let extra = r#"{"a": "{\"b\": \"1\"}", "c": "x", "d": 1}"#;
    let mut fields = Fields::default();
    fields.extra = Some(Secret::from(extra));
    let connection = Connection::from_fields("id", fields, Dialect::Core).unwrap();
    let expected = json!({"a": {"b": "1"}, "c": "x", "d": 1});
    assert_eq!(connection.extra_dejson_nested().unwrap(), expected);
}

#[test]
fn empty_is_not_absent() {
    let connection = task_sdk("a://:@");
    assert_eq!(connection.login(), Some(""));
    assert_eq!(connection.password(), Some(&Secret::from("")));
    let connection = task_sdk("a://");
    assert_eq!((connection.login(), connection.password()), (None, None));
    assert_eq!(
        (connection.host(), connection.schema()),
        (Some(""), Some(""))
    );
}

#[test]
fn the_core_does_not_keep_an_empty_password() {
    assert_eq!(core("a://:@").password(), None);
    let mut fields = Fields::default();
    fields.password = Some(Secret::from(""));
    let connection = Connection::from_fields("id", fields, Dialect::Core).unwrap();
    assert_eq!(connection.password(), None);
}

#[test]
fn a_host_may_have_a_protocol_or_be_a_socket() {
    let connection = core("http://https://me:pw@example.com:443/path");
    assert_eq!(connection.host(), Some("https://example.com"));
    assert_round_trip(&connection, Dialect::Core);
    let connection = core("mysql://%2FVar%2Frun%2Fmysqld.sock/db");
    assert_eq!(connection.host(), Some("/Var/run/mysqld.sock"));
    assert_round_trip(&connection, Dialect::Core);
}

#[test]
fn integers_keep_their_digits_in_json_and_become_floats_in_serde_json() {
    let connection = core("a://h/?n=123456789012345678901234567890");
    let json = r#"{"conn_type": "a", "host": "h", "schema": "", "extra": {"n": 123456789012345678901234567890}}"#;
    assert_eq!(connection.as_json().unwrap().expose(), json);
    assert_eq!(
        connection.extra_dejson().unwrap(),
        json!({"n": 123_456_789_012_345_678_901_234_567_890_f64})
    );
    let connection = core(&format!("a://h/?n=1{}", "0".repeat(400)));
    assert!(connection.extra_dejson().is_err());
}

#[test]
fn floats_are_written_as_python_writes_them() {
    for (read, written) in [
        ("1e15", "1000000000000000.0"),
        ("1e16", "1e+16"),
        ("0.0001", "0.0001"),
        ("0.00001", "1e-05"),
        ("-0.0", "-0.0"),
        ("1.50", "1.5"),
        ("5e-324", "5e-324"),
        ("1.7976931348623157e308", "1.7976931348623157e+308"),
        // Half-way between two shortest forms: Python takes the even one.
        ("858552739861513.25", "858552739861513.2"),
        ("858552739861513.75", "858552739861513.8"),
    ] {
        let connection = core(&format!("a://h/?n={read}"));
        let expected = Secret::from(format!("{{\"n\": {written}}}"));
        assert_eq!(connection.extra(), Some(&expected), "{read}");
    }
}

#[test]
fn json_that_is_written_is_read_as_the_same_connection() {
    let connection = core("a-b://me:pw@h:1/s?x=%5B1%2C+null%5D&y=%C3%A9");
    let json = connection.as_json().unwrap();
    let again = Connection::from_json("id", json.expose(), Dialect::Core).unwrap();
    assert_eq!(again, connection);
}

#[test]
fn a_value_is_stripped_and_read_as_json_or_as_a_uri() {
    let from_value = |value| Connection::from_value("id", value, Dialect::Core);
    assert_eq!(from_value("\n a://h \u{a0}").unwrap(), core("a://h"));
    assert_eq!(
        from_value(" {\"conn_type\": \"a\", \"host\": \"h\"}\n")
            .unwrap()
            .host(),
        Some("h")
    );
    assert_eq!(from_value(" \u{1f}\u{3000}"), Err(ConnectionError::Blank));
}

#[test]
fn an_error_names_the_field() {
    let from_json = |json| Connection::from_json("id", json, Dialect::Core).unwrap_err();
    assert_eq!(
        from_json(r#"{"port": 65536}"#).to_string(),
        "invalid connection: `port` must be a whole number from 0 to 65535"
    );
    assert_eq!(
        from_json(r#"{"host": 5}"#).to_string(),
        "invalid connection: `host` must be a text or null"
    );
    assert_eq!(
        from_json(r#"{"extra": [1]}"#).to_string(),
        "invalid connection: `extra` must be a JSON object"
    );
}

#[test]
fn json_that_cannot_be_read_is_told_by_place_and_likely_mistake() {
    for (json, expected) in [
        (
            "{\"host\": \"h\",\n \"é\": x}",
            "the text is not valid JSON (line 2, column 7)",
        ),
        (
            "{'host': 'h'}",
            "the text is not valid JSON (line 1, column 2): it looks like a Python dict; JSON \
             needs double quotes, true, false and null",
        ),
        (
            "{\"host\": \"h\",}",
            "the text is not valid JSON (line 1, column 14): it contains a comma before a closing \
             bracket; remove the comma",
        ),
        (
            "{\"a\": \"\\ud800\"}",
            "the text contains an unpaired surrogate, such as \\ud800 (CODEC-3) (line 1, column 14)",
        ),
        (
            "{\"a\": 1e400}",
            "the text contains a number beyond the range of a float (CODEC-3) (line 1, column 12)",
        ),
        ("[]", "the text is not a JSON object"),
        (
            "{\"host\": \"h\", \"username\": \"u\"}",
            "key 2 is unknown (\"username\"): write \"login\"",
        ),
        (
            "{\"host\": \"h\", \"hunter2\": 1, \"x\": 2}",
            "key 2 is unknown; the keys are conn_type, description, host, login, password, schema, \
             port and extra; put others into `extra`",
        ),
    ] {
        let error = Connection::from_json("id", json, Dialect::Core).unwrap_err();
        let expected = format!("invalid connection JSON: {expected}");
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn a_port_that_is_a_piece_of_a_password_or_a_list_of_hosts_is_told_with_the_remedy() {
    for uri in [
        "postgres://u:a/b@h/db",
        "postgres://u:a?b@h/db",
        "postgres://u:a#b@h/db",
        "postgres://h1:1,h2:2/db",
    ] {
        let error = Connection::from_uri("id", uri, Dialect::Core).unwrap_err();
        assert_eq!(
            error.to_string(),
            "invalid connection URI: the port is not a number; percent-encode '/', '?', '#' and \
             '@' in the password, and give one host only"
        );
    }
}
