//! Keyword arguments, as a backend takes them.

// The lint's exception for tests does not reach what they call.
#![allow(clippy::expect_used, clippy::panic)]

use std::{fmt::Debug, path::Path, time::Duration};

use airflow_secrets::{
    ConfigurationError,
    settings::{Kwargs, Setting},
};
use serde_json::{Value, json};

fn kwargs(values: Value) -> Kwargs {
    let Value::Object(values) = values else {
        panic!("kwargs are an object");
    };
    Kwargs::new("[secrets] backend_kwargs", "/airflow.cfg:7", values)
}

/// What `take` makes of argument `a` with this value.
fn taken<T>(
    value: impl Into<Value>,
    take: impl FnOnce(&mut Kwargs) -> Result<Option<Setting<T>>, ConfigurationError>,
) -> Result<Option<T>, String> {
    let mut kwargs = kwargs(json!({ "a": value.into() }));
    match take(&mut kwargs) {
        Ok(setting) => {
            kwargs.deny_unknown().expect("it was taken");
            Ok(setting.map(|setting| setting.value))
        }
        Err(error) => Err(error.to_string()),
    }
}

fn assert_refused<T: Debug>(
    values: impl IntoIterator<Item = Value>,
    expected: &str,
    take: impl Fn(&mut Kwargs) -> Result<Option<Setting<T>>, ConfigurationError>,
) {
    for value in values {
        let error = taken(value.clone(), &take).expect_err("another type");
        let whole = format!("[secrets] backend_kwargs \"a\" (/airflow.cfg:7): {expected}");
        assert_eq!(error, whole, "{value}");
    }
}

#[test]
fn a_text_may_be_empty_and_null_is_not_given() {
    let text = |value| taken(value, |kwargs| kwargs.text("a"));
    assert_eq!(text(json!("b")), Ok(Some("b".to_owned())));
    assert_eq!(text(json!("")), Ok(Some(String::new())));
    assert_eq!(text(json!(null)), Ok(None));
    let others = [json!(5), json!(true), json!(["b"]), json!({"b": "c"})];
    assert_refused(others, "must be a text or null", |kwargs| kwargs.text("a"));
}

#[test]
fn a_text_that_must_not_be_empty_is_then_not_given() {
    let non_empty = |value| taken(value, |kwargs| kwargs.non_empty("a"));
    assert_eq!(non_empty(json!("b")), Ok(Some("b".to_owned())));
    assert_eq!(non_empty(json!("")), Ok(None));
    assert_eq!(non_empty(json!(null)), Ok(None));
}

#[test]
fn null_can_be_told_from_not_given() {
    let text = |value| taken(value, |kwargs| kwargs.text_or_null("a"));
    assert_eq!(text(json!("b")), Ok(Some(Some("b".to_owned()))));
    assert_eq!(text(json!(null)), Ok(Some(None)));
    let mut none = kwargs(json!({}));
    assert_eq!(none.text_or_null("a"), Ok(None));
    assert_refused([json!(5)], "must be a text or null", |kwargs| {
        kwargs.text_or_null("a")
    });
}

#[test]
fn what_is_required_must_be_given_and_not_be_empty() {
    for values in [json!({}), json!({"a": null}), json!({"a": ""})] {
        let error = kwargs(values).required("a").expect_err("it is required");
        assert_eq!(
            error.to_string(),
            "[secrets] backend_kwargs \"a\" (/airflow.cfg:7): is not set: this backend needs it"
        );
    }
    let error = Kwargs::new("mine", "", serde_json::Map::new()).required("a");
    assert_eq!(
        error.expect_err("it is required").to_string(),
        "mine \"a\" (not given): is not set: this backend needs it"
    );
    let error = Kwargs::default().required("a");
    assert_eq!(
        error.expect_err("it is required").to_string(),
        "\"a\" (not given): is not set: this backend needs it"
    );
    let error = kwargs(json!({"a": 5})).required("a");
    assert_eq!(
        error.expect_err("it is not a text").to_string(),
        "[secrets] backend_kwargs \"a\" (/airflow.cfg:7): must be a text"
    );
    let given = kwargs(json!({"a": "b"})).required("a");
    assert_eq!(given.expect("it is given").value, "b");
}

#[test]
fn one_text_is_a_list_of_one() {
    let list = |value| taken(value, |kwargs| kwargs.list("a"));
    let texts = |texts: &[&str]| Ok(Some(texts.iter().map(ToString::to_string).collect()));
    assert_eq!(list(json!("b,c")), texts(&["b,c"]));
    assert_eq!(list(json!(["b", "c"])), texts(&["b", "c"]));
    assert_eq!(list(json!([])), texts(&[]));
    assert_eq!(list(json!(null)), Ok(None));
    let others = [json!(5), json!(["b", 5]), json!({"b": "c"})];
    assert_refused(others, "must be a text or a list of texts", |kwargs| {
        kwargs.list("a")
    });
}

#[test]
fn seconds_may_have_fractions_and_are_above_zero() {
    let seconds = |value| taken(value, |kwargs| kwargs.seconds("a"));
    assert_eq!(seconds(json!(2)), Ok(Some(Duration::from_secs(2))));
    assert_eq!(seconds(json!(0.25)), Ok(Some(Duration::from_millis(250))));
    assert_eq!(seconds(json!(null)), Ok(None));
    let others = [json!(0), json!(-1), json!("2"), json!(1e-10), json!([2])];
    assert_refused(others, "must be a number of seconds above 0", |kwargs| {
        kwargs.seconds("a")
    });
    let too_large = [json!(1e300), json!(u64::MAX)];
    assert_refused(too_large, "is too large a number of seconds", |kwargs| {
        kwargs.seconds("a")
    });
}

#[test]
fn a_count_is_whole_and_has_a_least() {
    let count = |value| taken(value, |kwargs| kwargs.count("a", 2));
    assert_eq!(count(json!(2)), Ok(Some(2)));
    assert_eq!(count(json!(u64::MAX)), Ok(Some(u32::MAX)));
    assert_eq!(count(json!(null)), Ok(None));
    let others = [json!(1), json!(-2), json!(2.5), json!("2")];
    assert_refused(others, "must be a whole number, 2 or more", |kwargs| {
        kwargs.count("a", 2)
    });
}

#[test]
fn a_flag_is_true_or_false_and_no_text() {
    let flag = |value| taken(value, |kwargs| kwargs.flag("a"));
    assert_eq!(flag(json!(true)), Ok(Some(true)));
    assert_eq!(flag(json!(false)), Ok(Some(false)));
    assert_eq!(flag(json!(null)), Ok(None));
    let others = [json!("true"), json!(1), json!([])];
    assert_refused(others, "must be true or false, and not a text", |kwargs| {
        kwargs.flag("a")
    });
}

#[test]
fn truth_is_pythons() {
    for (value, expected) in [
        (json!(null), false),
        (json!(false), false),
        (json!(0), false),
        (json!(-0.0), false),
        (json!(""), false),
        (json!([]), false),
        (json!({}), false),
        (json!(true), true),
        (json!(0.5), true),
        (json!("false"), true),
        (json!([null]), true),
        (json!({"b": null}), true),
    ] {
        let mut given = kwargs(json!({ "a": value }));
        let truth = given.clone().truth("a").expect("it is given");
        assert_eq!(truth.value, expected, "{value}");
        let truthy = given.truthy("a").map(|setting| setting.value);
        assert_eq!(truthy, expected.then_some(value));
    }
    assert_eq!(kwargs(json!({})).truth("a"), None);
}

#[test]
fn a_path_is_not_empty() {
    let path = |value| taken(value, |kwargs| kwargs.path("a"));
    let expected = Path::new("/b/c").to_owned();
    assert_eq!(path(json!("/b/c")), Ok(Some(expected)));
    assert_eq!(path(json!(null)), Ok(None));
    assert_refused([json!(""), json!(5)], "must be a path", |kwargs| {
        kwargs.path("a")
    });
}

#[test]
fn the_fields_of_an_object_are_arguments_in_turn() {
    let mut outer = kwargs(json!({"a": {"b": {"c": 5, "d": 6}}}));
    let object =
        |kwargs: &mut Kwargs, name| kwargs.object(name).expect("an object").expect("given");
    let mut inner = object(&mut object(&mut outer, "a"), "b");
    let error = inner.text("c").expect_err("a number");
    assert_eq!(
        error.to_string(),
        "[secrets] backend_kwargs \"a\" \"b\" \"c\" (/airflow.cfg:7): must be a text or null"
    );
    let error = inner.deny_unknown().expect_err("nobody asked for it");
    assert_eq!(
        error.to_string(),
        "[secrets] backend_kwargs \"a\" \"b\" \"d\" (/airflow.cfg:7): unknown argument; known \
         arguments: c"
    );
    outer.deny_unknown().expect("the outer one was taken");
    for value in [json!("{}"), json!([]), json!(5)] {
        let error = kwargs(json!({ "a": value })).object("a");
        assert_eq!(
            error.expect_err("another type").message(),
            "must be an object, and not a text that holds one"
        );
    }
}

#[test]
fn what_was_not_asked_for_is_refused_with_the_names_that_were() {
    let mut given = kwargs(json!({"colour": "marker", "url": "u", "z": 1}));
    given.text("url").expect("a text");
    given.seconds("timeout").expect("not given");
    given.text("url").expect("it is taken");
    assert_eq!(
        given.deny_unknown().expect_err("unknown").to_string(),
        "[secrets] backend_kwargs \"colour\" (/airflow.cfg:7): unknown argument; known arguments: \
         url, timeout"
    );
    let error = kwargs(json!({"a": 1})).deny_unknown();
    assert_eq!(
        error.expect_err("unknown").message(),
        "unknown argument: there are no arguments here"
    );
    kwargs(json!({})).deny_unknown().expect("nothing is given");
}

#[test]
fn what_was_not_asked_for_can_be_a_warning_each() {
    let mut given = kwargs(json!({"b": 1, "c": 2, "url": "u"}));
    given.set(
        "single",
        json!("marker"),
        "AIRFLOW__SECRETS__BACKEND_KWARG__SINGLE",
    );
    given.text("url").expect("a text");
    let warnings = given.unknown_as_warnings();
    let warnings = warnings.iter().map(ToString::to_string).collect::<Vec<_>>();
    let warning = |name: &str, origin: &str| {
        format!(
            "[secrets] backend_kwargs {name:?} ({origin}): is ignored: unknown argument; known \
             arguments: url"
        )
    };
    assert_eq!(
        warnings,
        [
            warning("b", "/airflow.cfg:7"),
            warning("c", "/airflow.cfg:7"),
            warning("single", "AIRFLOW__SECRETS__BACKEND_KWARG__SINGLE"),
        ]
    );
}

#[test]
fn what_is_ignored_or_refused_is_not_among_the_known() {
    let mut given = kwargs(json!({"context": 1, "old": "marker", "session": null, "z": 1}));
    given.ignore(&["context", "absent"]);
    let warning = given.ignore_with_warning("old", "use \"new\"");
    assert_eq!(
        warning.expect("it is given").to_string(),
        "[secrets] backend_kwargs \"old\" (/airflow.cfg:7): is ignored: use \"new\""
    );
    assert_eq!(given.ignore_with_warning("old", "it was taken"), None);
    let why = "only Python code can give this";
    given.refuse(&["absent", "session"], why).expect("null");
    let error = given.clone().refuse(&["z"], why).expect_err("it is given");
    assert_eq!(
        error.to_string(),
        "[secrets] backend_kwargs \"z\" (/airflow.cfg:7): only Python code can give this"
    );
    assert_eq!(given.names().collect::<Vec<_>>(), ["z"]);
    assert_eq!(
        given.deny_unknown().expect_err("unknown").message(),
        "unknown argument: there are no arguments here"
    );
}

#[test]
fn a_setting_carries_its_name_and_origin_to_whatever_it_becomes() {
    let port = kwargs(json!({"port": 8200}))
        .any("port")
        .expect("it is given");
    let port = port.text_or_number().expect("a number");
    let port = port.map(|port| port.len()).map(Some).transpose();
    let port = port.expect("it has a value").with("x");
    assert_eq!(
        port,
        Setting::new("[secrets] backend_kwargs \"port\"", "/airflow.cfg:7", "x")
    );
    assert_eq!(port.name(), "[secrets] backend_kwargs \"port\"");
    assert_eq!(port.origin(), "/airflow.cfg:7");
    assert_eq!(
        port.warning("is ignored").to_string(),
        port.error("is ignored").to_string()
    );
    assert_eq!(port.map(|_| None::<()>).transpose(), None);
}

#[test]
fn debug_shows_names_and_never_a_value() {
    let mut given = kwargs(json!({"token": "marker", "z": {"y": "marker"}}));
    assert_eq!(format!("{given:?}"), r#"{"token", "z"}"#);
    let token = given.text("token").expect("a text").expect("it is given");
    assert_eq!(
        format!("{token:?}"),
        "Setting([secrets] backend_kwargs \"token\", /airflow.cfg:7)"
    );
}
