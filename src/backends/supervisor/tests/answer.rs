use super::*;
use crate::backends::supervisor::Body;

fn body(json: &str) -> Answer {
    Answer::body(Body::from_json(json).unwrap())
}

fn error(json: &str) -> Answer {
    Answer::error(Body::from_json(json).unwrap())
}

/// What comes of a variable `colour`.
fn variable_of(answer: &Answer) -> Result<Lookup<Secret>, Failure> {
    variable(read(answer)?, "colour", "variables/colour")
}

fn connection_of(answer: &Answer) -> Result<Lookup<Connection>, Failure> {
    connection(read(answer)?, "pg", "connections/pg", Dialect::TaskSdk)
}

/// The kind of the failure, whether it may pass, and what it says.
fn failure_of(answer: &Answer) -> (&'static str, bool, String) {
    let failure = variable_of(answer).unwrap_err();
    (
        failure.kind().as_str(),
        failure.is_transient(),
        failure.to_string(),
    )
}

#[test]
fn a_variable_is_found_missing_or_null() {
    let found = body(r#"{"type": "VariableResult", "key": "colour", "value": ""}"#);
    assert_eq!(
        variable_of(&found),
        Ok(Lookup::found("".into(), "variables/colour"))
    );
    let missing = body(
        r#"{"type": "ErrorResponse", "error": "VARIABLE_NOT_FOUND", "detail": {"key": "colour"}}"#,
    );
    assert_eq!(
        variable_of(&missing),
        Ok(Lookup::missing("variables/colour"))
    );
    for null in [r#""value": null, "#, ""] {
        let null = body(&format!(
            r#"{{{null}"type": "VariableResult", "key": "colour"}}"#
        ));
        assert_eq!(variable_of(&null).unwrap().value(), None);
    }
}

#[test]
fn a_connection_has_the_fields_of_the_answer() {
    let found = body(
        r#"{"type": "ConnectionResult", "conn_id": "pg", "conn_type": "postgres", "host": null,
            "password": "", "port": 65535, "schema": "s", "extra": "[1]", "more": {}}"#,
    );
    let expected = Connection::builder("pg")
        .dialect(Dialect::TaskSdk)
        .conn_type("postgres")
        .password("")
        .port(65535)
        .schema("s")
        .extra("[1]")
        .build()
        .unwrap();
    assert_eq!(
        connection_of(&found),
        Ok(Lookup::found(expected, "connections/pg"))
    );
    for (field, value) in [
        ("port", "65536"),
        ("port", "-1"),
        ("port", "\"1\""),
        ("host", "1"),
        ("extra", "{}"),
    ] {
        let odd = format!(r#"{{"type": "ConnectionResult", "conn_id": "pg", "{field}": {value}}}"#);
        let failure = connection_of(&body(&odd)).unwrap_err();
        assert_eq!(failure.kind(), FailureKind::InvalidValue, "{field}");
    }
}

#[test]
fn an_answer_about_another_id_is_refused() {
    for other in [
        r#"{"type": "VariableResult", "key": "other", "value": "x"}"#,
        r#"{"type": "VariableResult", "value": "x"}"#,
        r#"{"type": "ErrorResponse", "error": "VARIABLE_NOT_FOUND", "detail": {"key": "other"}}"#,
    ] {
        let (kind, is_transient, message) = failure_of(&body(other));
        assert_eq!((kind, is_transient), ("unavailable", false));
        assert!(message.contains("another id"), "{message}");
    }
    let other = r#"{"type": "ConnectionResult", "conn_id": "other", "conn_type": "http"}"#;
    let failure = connection_of(&body(other)).unwrap_err();
    assert!(failure.message().contains("another id"), "{failure}");
}

#[test]
fn a_denial_is_final_wherever_it_stands() {
    let denied = r#"{"type": "ErrorResponse", "error": "PERMISSION_DENIED", "detail": {"status_code": 403}}"#;
    let by_status = |status| {
        error(&format!(
            r#"{{"error": "API_SERVER_ERROR", "detail": {{"status_code": {status}}}}}"#
        ))
    };
    for answer in [body(denied), error(denied), by_status(401), by_status(403)] {
        let failure = variable_of(&answer).unwrap_err();
        assert_eq!(failure.kind(), FailureKind::FinalDenial);
    }
}

#[test]
fn trouble_of_the_server_is_an_outage() {
    let with = |detail: &str| format!(r#"{{"error": "API_SERVER_ERROR", "detail": {detail}}}"#);
    for (answer, is_transient) in [
        (
            error(&with(r#"{"status_code": 500, "message": "marker"}"#)),
            true,
        ),
        (error(&with(r#"{"status_code": 503}"#)), true),
        (
            error(&with(r#"{"status_code": null, "message": "marker"}"#)),
            true,
        ),
        (error(&with("null")), true),
        (error(&with("[]")), true),
        (
            error(&with(r#"{"status_code": 422, "detail": "marker"}"#)),
            false,
        ),
        (error(r#"{"error": "GENERIC_ERROR"}"#), true),
        (
            error(r#"{"error": "SOMETHING_NEW", "detail": "marker"}"#),
            true,
        ),
        (error("{}"), true),
        (error("\"marker\""), true),
        (error("7"), true),
        (
            body(r#"{"type": "ErrorResponse", "error": "GENERIC_ERROR", "detail": "marker"}"#),
            true,
        ),
        (body(r#"{"type": "ErrorResponse"}"#), true),
    ] {
        let (kind, transient, message) = failure_of(&answer);
        assert_eq!(
            (kind, transient),
            ("unavailable", is_transient),
            "{message}"
        );
        assert!(!message.contains("marker"), "{message}");
    }
}

#[test]
fn an_answer_to_another_question_is_an_outage_that_stays() {
    for answer in [
        Answer::empty(),
        body("[]"),
        body("{}"),
        body(r#"{"type": "OKResponse", "ok": true}"#),
        body(r#"{"type": "ConnectionResult", "conn_id": "colour", "conn_type": "marker"}"#),
        body(r#"{"type": "ErrorResponse", "error": "CONNECTION_NOT_FOUND"}"#),
        Answer::body(Body::from_msgpack([0xc1])),
        Answer::error(Body::from_msgpack([0xc1])),
    ] {
        let (kind, is_transient, message) = failure_of(&answer);
        assert_eq!((kind, is_transient), ("unavailable", false), "{message}");
        assert!(!message.contains("marker"), "{message}");
    }
}
