use super::*;
use crate::Dialect;

/// What the supervisor would be told, in one message at most.
fn told(masker: &Masker, found: &[Found<'_>]) -> Option<String> {
    let mut messages = masker.messages(found);
    let (body, hashes) = messages.pop()?;
    assert_eq!(messages.len(), 0);
    masker.told().extend(hashes);
    Some(body.to_json().unwrap().expose().to_owned())
}

fn connection(extra: &str) -> Connection {
    let connection = Connection::builder("pg")
        .dialect(Dialect::TaskSdk)
        .password("pw");
    connection.extra(extra).build().unwrap()
}

#[test]
fn of_a_connection_it_is_told_the_password_the_extra_and_what_is_in_it() {
    let connection = connection(
        r#"{"token": "t", "n": 1, "nested": {"password": ["p1", {"k": "v"}]}, "list": [["x"], null]}"#,
    );
    let message = told(&Masker::default(), &[Found::Connection(&connection)]).unwrap();
    let expected = r#"{"type": "MaskSecret", "value": ["pw", EXTRA, {"k": ["v"], "list": ["x"], "password": ["p1"], "token": ["t"]}], "name": null}"#;
    let extra = serde_json::to_string(connection.extra().unwrap().expose()).unwrap();
    assert_eq!(message, expected.replace("EXTRA", &extra));

    let message = told(&Masker::default(), &[Found::FromSupervisor(&connection)]).unwrap();
    let expected = r#"{"type": "MaskSecret", "value": [{"k": ["v"], "list": ["x"], "password": ["p1"], "token": ["t"]}], "name": null}"#;
    assert_eq!(message, expected);
}

#[test]
fn of_a_variable_it_is_told_the_value_by_its_key_and_what_is_in_its_json() {
    for (value, expected) in [
        ("plain", r#""value": "plain", "name": "key""#),
        ("7", r#""value": "7", "name": "key""#),
        ("{no JSON", r#""value": "{no JSON", "name": "key""#),
        (
            r#""text""#,
            r#""value": [{"key": ["\"text\"", "text"]}], "name": null"#,
        ),
        (
            r#"["a", ["b"]]"#,
            r#""value": [{"key": ["[\"a\", [\"b\"]]", "b", "a"]}], "name": null"#,
        ),
        (
            r#"{"a": "b"}"#,
            r#""value": [{"a": ["b"], "key": ["{\"a\": \"b\"}"]}], "name": null"#,
        ),
    ] {
        let value = Secret::from(value);
        let message = told(&Masker::default(), &[Found::Variable("key", &value)]).unwrap();
        assert_eq!(message, format!(r#"{{"type": "MaskSecret", {expected}}}"#));
    }
    let value = Secret::from("plain");
    assert_eq!(
        told(
            &Masker::default(),
            &[Found::VariableFromSupervisor("key", &value)]
        ),
        None
    );
}

#[test]
fn each_text_is_told_once() {
    let masker = Masker::default();
    let (first, second) = (connection(r#"{"a": "1"}"#), connection(r#"{"a": "2"}"#));
    assert!(told(&masker, &[Found::Connection(&first)]).is_some());
    assert_eq!(told(&masker, &[Found::Connection(&first)]), None);
    let message = told(
        &masker,
        &[Found::Connection(&first), Found::Connection(&second)],
    );
    let expected =
        r#"{"type": "MaskSecret", "value": ["{\"a\": \"2\"}", {"a": ["2"]}], "name": null}"#;
    assert_eq!(message.as_deref(), Some(expected));
    // The same text under a name is another matter.
    assert!(told(&masker, &[Found::Variable("pw", &"pw".into())]).is_some());
}

#[test]
fn there_is_nothing_to_tell_of_what_is_empty() {
    let empty = Connection::builder("pg")
        .dialect(Dialect::TaskSdk)
        .password("")
        .extra("{}");
    let empty = empty.build().unwrap();
    let masker = Masker::default();
    assert_eq!(told(&masker, &[]), None);
    assert_eq!(
        told(
            &masker,
            &[Found::Variable("key", &"".into()), Found::Text(&"".into())]
        ),
        None
    );
    let message = told(&masker, &[Found::Connection(&empty)]).unwrap();
    assert_eq!(
        message,
        r#"{"type": "MaskSecret", "value": "{}", "name": null}"#
    );
}

#[test]
fn json_without_end_takes_no_stack() {
    let deep = format!("{}\"x\"{}", "[".repeat(900), "]".repeat(900));
    let value = Secret::from(deep);
    let message = told(&Masker::default(), &[Found::Variable("key", &value)]).unwrap();
    assert!(message.contains(r#"]]", "x"]}"#), "{message}");
}

/// How many texts each message has.
fn sizes(value: &str) -> Vec<usize> {
    let (masker, value) = (Masker::default(), Secret::from(value));
    let messages = masker.messages(&[Found::Variable("key", &value)]);
    messages.iter().map(|(_, hashes)| hashes.len()).collect()
}

#[test]
fn no_message_holds_more_than_the_supervisor_takes_in_at_once() {
    let list = |length: usize, text: &dyn Fn(usize) -> String| {
        let texts = (0..length).map(text).collect::<Vec<_>>();
        serde_json::to_string(&texts).unwrap()
    };
    // The text as a whole comes first.
    assert_eq!(sizes(&list(255, &|n| n.to_string())), [256]);
    assert_eq!(sizes(&list(600, &|n| n.to_string())), [256, 256, 89]);
    let long = |n: usize| format!("{n}{}", "x".repeat(600_000));
    assert_eq!(sizes(&list(3, &long)), [1, 1, 1, 1]);

    let masker = Masker::default();
    let texts = (0..100).map(|n| Secret::from(n.to_string()));
    let texts = texts.collect::<Vec<_>>();
    let found = texts.iter().map(Found::Config).collect::<Vec<_>>();
    let messages = masker.messages(&found);
    let told = messages.iter().flat_map(|(_, hashes)| hashes);
    assert_eq!(told.collect::<HashSet<_>>().len(), 100);
    let sizes = messages.iter().map(|(_, hashes)| hashes.len());
    assert_eq!(sizes.collect::<Vec<_>>(), [64, 36]);
}
