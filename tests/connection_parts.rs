//! A connection field by field: the builder, and `extra` by key and by type.

// A test may panic: so it fails.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use airflow_secrets::{Connection, ConnectionError, Dialect, Secret};

fn with_extra(extra: &str) -> Connection {
    let builder = Connection::builder("pg").dialect(Dialect::TaskSdk);
    builder.extra(extra).build().unwrap()
}

#[test]
fn the_builder_gives_what_the_fields_give() {
    let built = Connection::builder("pg")
        .conn_type("postgres")
        .description("the warehouse")
        .host("db")
        .login("app")
        .password("p w")
        .schema("orders")
        .port(5432)
        .extra("{\"a\": 1}")
        .build()
        .unwrap();
    let again = Connection::from_fields("pg", built.clone().into_fields(), Dialect::Core).unwrap();
    assert_eq!(built, again);
    assert_eq!(
        built.redacted().to_string(),
        "connection \"pg\": conn_type \"postgres\", description \"the warehouse\", host \"db\", \
         login \"app\", password ***, schema \"orders\", port 5432, extra ***"
    );
    let refused = Connection::builder("pg").extra("[1]").build();
    assert!(matches!(
        refused,
        Err(ConnectionError::Field { field: "extra", .. })
    ));
}

#[test]
fn a_member_of_extra_is_text_or_absent_or_an_error() {
    let connection = with_extra(r#"{"a": "x", "b": 1, "c": null, "a.b": "dotted"}"#);
    let text = |key| {
        connection
            .extra_str(key)
            .map(|text| text.map(Secret::into_exposed))
    };
    assert_eq!(text("a"), Ok(Some("x".to_owned())));
    assert_eq!(text("a.b"), Ok(Some("dotted".to_owned())));
    assert_eq!(text("c"), Ok(None));
    assert_eq!(text("absent"), Ok(None));
    assert_eq!(
        text("b").unwrap_err().to_string(),
        "invalid connection: member \"b\" of `extra` must be a text"
    );
    for odd in ["", "[1]", "\"a\"", "7", "no JSON"] {
        assert_eq!(with_extra(odd).extra_str("a"), Ok(None), "{odd}");
    }
}

#[test]
fn a_member_of_extra_is_read_as_a_truth_value() {
    let connection = with_extra(
        r#"{"t": true, "f": false, "yes": "Yes", "off": "off", "one": 1, "zero": "0", "two": 2,
            "list": []}"#,
    );
    let truth = |key| connection.extra_bool(key).map_err(|_| "refused");
    assert_eq!(truth("t"), Ok(Some(true)));
    assert_eq!(truth("f"), Ok(Some(false)));
    assert_eq!(truth("yes"), Ok(Some(true)));
    assert_eq!(truth("off"), Ok(Some(false)));
    assert_eq!(truth("one"), Ok(Some(true)));
    assert_eq!(truth("zero"), Ok(Some(false)));
    assert_eq!(truth("absent"), Ok(None));
    assert_eq!(truth("two"), Err("refused"));
    assert_eq!(truth("list"), Err("refused"));
}

#[test]
fn extra_is_read_as_a_type_and_an_error_quotes_none_of_it() {
    let connection = with_extra(r#"{"a": "1", "b": "hunter2"}"#);
    let texts = connection.extra_as::<BTreeMap<String, String>>().unwrap();
    assert_eq!(texts.len(), 2);
    let error = connection.extra_as::<BTreeMap<String, u8>>().unwrap_err();
    assert_eq!(error, ConnectionError::ExtraType);
    assert!(!format!("{error} {error:?}").contains("hunter2"));
    let nothing = with_extra("").extra_as::<BTreeMap<String, u8>>().unwrap();
    assert!(nothing.is_empty());
}
