//! Neither `Debug` nor an error shows a password or an extra.

// A test may panic: so it fails.
#![allow(clippy::unwrap_used)]

use airflow_secrets::{Connection, Dialect, Fields, Secret};

const MARKER: &str = "MARKER5ecret";

const DIALECTS: [Dialect; 2] = [Dialect::Core, Dialect::TaskSdk];

#[test]
fn debug_of_a_connection_shows_no_secret() {
    let fields = Fields {
        conn_type: Some("http".to_owned()),
        login: Some("me".to_owned()),
        password: Some(Secret::from(MARKER)),
        extra: Some(Secret::from(format!("{{\"token\": \"{MARKER}\"}}"))),
        ..Fields::default()
    };
    assert!(!format!("{fields:?} {fields:#?}").contains(MARKER));
    for dialect in DIALECTS {
        let connection = Connection::from_fields("id", fields.clone(), dialect).unwrap();
        let uri = connection.get_uri();
        let json = connection.as_json().unwrap();
        assert!(uri.expose().contains(MARKER) && json.expose().contains(MARKER));
        let shown = format!("{connection:?} {connection:#?} {uri:?} {uri} {json:?} {json}");
        assert!(!shown.contains(MARKER), "{shown}");
        assert!(shown.contains("***"), "{shown}");
    }
}

#[test]
fn debug_of_what_was_never_meant_as_a_uri_shows_none_of_it() {
    let json = format!("[{{\"password\": \"{MARKER}\"}}]");
    for dialect in DIALECTS {
        let connection = Connection::from_uri("id", &json, dialect).unwrap();
        assert!(connection.schema().unwrap().contains(MARKER));
        assert!(!format!("{connection:?}").contains(MARKER));
    }
}

/// Every way to be refused, with the marker where the secret would be.
fn refused() -> Vec<(String, Vec<Dialect>)> {
    let both = DIALECTS.to_vec();
    let core = vec![Dialect::Core];
    let sdk = vec![Dialect::TaskSdk];
    let digits = "1".repeat(4301);
    let deep = "[".repeat(2000);
    [
        (format!("http://me:{MARKER}@h:65536"), both.clone()),
        (format!("http://me@h:{MARKER}"), both.clone()),
        (format!("http://me:{MARKER}@[::1"), both.clone()),
        (format!("http://me:{MARKER}@[{MARKER}]"), both.clone()),
        (format!("http://me:{MARKER}@h\u{ff0f}"), both.clone()),
        (format!("http://{MARKER}://a://b"), both.clone()),
        (format!("http://me:{MARKER}@https://h"), both.clone()),
        (format!("http://h/?__extra__={MARKER}"), core.clone()),
        (format!("http://h/?__extra__=[\"{MARKER}\"]"), core.clone()),
        (format!("http://h/?a={MARKER}&b=NaN"), core.clone()),
        (format!("http://h/?a={MARKER}&b={digits}"), core.clone()),
        (format!("http://h/?a={MARKER}&b={deep}"), core.clone()),
        (format!("{{\"password\": \"{MARKER}\""), both.clone()),
        (format!("{{\"{MARKER}\": \"{MARKER}\"}}"), both.clone()),
        (format!("{{\"port\": \"{MARKER}\"}}"), both.clone()),
        (format!("{{\"password\": [\"{MARKER}\"]}}"), both.clone()),
        (format!("{{\"conn_type\": [\"{MARKER}\"]}}"), both.clone()),
        (format!("{{\"extra\": \"{MARKER}\"}}"), core),
        (
            format!("{{\"password\": \"{MARKER}\\ud800\"}}"),
            both.clone(),
        ),
        (
            format!("{{\"password\": \"{MARKER}\", \"port\": NaN}}"),
            both.clone(),
        ),
        (format!("{{\"uri\": [\"{MARKER}\"]}}"), both.clone()),
        (format!("{{\"uri\": \"a://{MARKER}:x\"}}"), both.clone()),
        (
            format!("{{\"uri\": \"a://b\", \"host\": \"{MARKER}\"}}"),
            both,
        ),
        (
            format!("{{\"extra\": \"{{\\\"a\\\": \\\"{MARKER}\\\\ud800\\\"}}\"}}"),
            sdk,
        ),
    ]
    .into()
}

#[test]
fn an_error_shows_no_value() {
    for (value, dialects) in refused() {
        assert!(value.contains(MARKER));
        for dialect in dialects {
            let error = Connection::from_value("id", &value, dialect).unwrap_err();
            let shown = format!("{error} {error:?} {error:#?}");
            assert!(!shown.contains(MARKER), "{shown}");
            let failure = airflow_secrets::Failure::from(error);
            assert!(!format!("{failure} {failure:?}").contains(MARKER));
        }
    }
}
