//! A list with an object of an odd shape: the object is an error for its own key, and every other key answers.

use airflow_secrets::{SecretsBackend as _, backend::LookupOptions};
use serde_json::{Value, json};

use crate::{
    builder, connection,
    support::{
        astro_platform::{ORGANIZATION, Platform, own, shared},
        https::Reply,
    },
    variable,
};

/// In each odd value, and so in no message.
pub(crate) const MARKER: &str = "m4rk3r";

pub(crate) fn list(objects: &[Value]) -> Reply {
    let total = objects.len();
    Reply::json(
        200,
        &json!({"environmentObjects": objects, "totalCount": total}),
    )
}

pub(crate) fn http(key: &str, host: &str) -> Value {
    own(
        "d1",
        key,
        "CONNECTION",
        json!({"type": "http", "host": host}),
    )
}

fn linked(key: &str) -> Value {
    let mut object = shared(key, "CONNECTION", json!({"type": "http", "host": "linked"}));
    object["links"] = json!([{"scope": "DEPLOYMENT", "scopeEntityId": "d1"}]);
    object
}

/// `object` with `value` at the dotted path `member`, where `0` is the first of a list.
pub(crate) fn with(mut object: Value, member: &str, value: Value) -> Value {
    let mut place = &mut object;
    for name in member.split('.') {
        place = if name == "0" {
            &mut place[0]
        } else {
            &mut place[name]
        };
    }
    *place = value;
    object
}

pub(crate) fn without(mut object: Value, member: &str) -> Value {
    object.as_object_mut().unwrap().remove(member).unwrap();
    object
}

fn unreadable(what: &str) -> Result<String, String> {
    Err(format!(
        "InvalidValue: the object cannot be read: its {what}; save it again in Astro's Environment Manager, or \
         report it to Astro's support"
    ))
}

/// Each odd thing, and what is said of it.
fn odd_connections() -> Vec<(Value, &'static str)> {
    let with = |member: &str, value: Value| with(http("odd", "h"), member, value);
    vec![
        (
            with("connection.port", "5432".into()),
            "connection.port is not a whole number",
        ),
        (
            with("connection.port", 54.5.into()),
            "connection.port is not a whole number",
        ),
        (
            with("connection.extra", json!([MARKER])),
            "connection.extra is not an object",
        ),
        (
            with("connection.extra", MARKER.into()),
            "connection.extra is not an object",
        ),
        (
            with("connection.extra", 1.into()),
            "connection.extra is not an object",
        ),
        (
            with("connection.host", json!([MARKER])),
            "connection.host is not a text",
        ),
        (
            with("connection.type", json!({"m": MARKER})),
            "connection.type is not a text",
        ),
        (
            with("connection.password", 7.into()),
            "connection.password is not a text",
        ),
        (
            with("connection", json!(["http", MARKER])),
            "connection is not an object",
        ),
        (
            with("connection", MARKER.into()),
            "connection is not an object",
        ),
        (with("connection", Value::Null), "connection is not set"),
        (
            without(http("odd", "h"), "connection"),
            "connection is not set",
        ),
        (
            with("setFields", MARKER.into()),
            "setFields is not a list of texts",
        ),
        (
            with("setFields", json!([1])),
            "setFields is not a list of texts",
        ),
        (with("scope", json!([MARKER])), "scope is not a text"),
        (
            with("scopeEntityId", 1.into()),
            "scopeEntityId is not a text",
        ),
        (with("sourceScope", 1.into()), "sourceScope is not a text"),
        (
            with("objectType", MARKER.into()),
            "objectType is not CONNECTION",
        ),
        (with("objectType", 1.into()), "objectType is not CONNECTION"),
        (
            without(http("odd", "h"), "objectType"),
            "objectType is not CONNECTION",
        ),
    ]
}

#[tokio::test]
async fn a_connection_of_an_odd_shape_is_an_error_for_its_own_key_and_all_others_answer() {
    let platform = Platform::start(Vec::new());
    for (odd, what) in odd_connections() {
        let objects = [http("before", "b"), odd, http("after", "a")];
        platform.world().first.push_back(list(&objects));
        let astro = builder(platform.reach(Some("d1"))).build().unwrap();
        assert_eq!(connection(&astro, "odd").await, unreadable(what));
        assert_eq!(
            connection(&astro, "before").await,
            Ok("http://b".to_owned()),
            "{what}"
        );
        assert_eq!(
            connection(&astro, "after").await,
            Ok("http://a".to_owned()),
            "{what}"
        );
        assert_eq!(
            connection(&astro, "other").await,
            Err("missing".to_owned()),
            "{what}"
        );
        let failure = astro.get_connection("odd", &LookupOptions::new()).await;
        let failure = failure.unwrap_err();
        let native_key = failure.native_key().unwrap();
        let expected = "--deployment-id=d1 connection odd (";
        assert!(native_key.starts_with(expected), "{native_key}");
        assert!(!format!("{failure:?}").contains(MARKER), "{failure:?}");
    }
}

#[tokio::test]
async fn so_is_a_variable_and_an_environment_variable() {
    let platform = Platform::start(Vec::new());
    for (kind, member, odd_key, key) in [
        ("AIRFLOW_VARIABLE", "airflowVariable", "odd", "right"),
        (
            "ENVIRONMENT_VARIABLE",
            "environmentVariable",
            "AIRFLOW_VAR_ODD",
            "AIRFLOW_VAR_RIGHT",
        ),
    ] {
        let right = own("d1", key, kind, json!({"value": "r", "isSecret": false}));
        let odd = own("d1", odd_key, kind, json!({"value": MARKER}));
        for (odd, what) in [
            (
                with(odd.clone(), &format!("{member}.value"), 5.into()),
                format!("{member}.value is not a text"),
            ),
            (
                with(odd.clone(), &format!("{member}.isSecret"), MARKER.into()),
                format!("{member}.isSecret is not true or false"),
            ),
            (
                with(odd.clone(), member, json!([MARKER, true])),
                format!("{member} is not an object"),
            ),
            (without(odd.clone(), member), format!("{member} is not set")),
            (
                with(odd.clone(), "objectType", MARKER.into()),
                format!("objectType is not {kind}"),
            ),
        ] {
            platform
                .world()
                .first
                .push_back(list(&[odd, right.clone()]));
            let astro = builder(platform.reach(Some("d1"))).build().unwrap();
            let environment = astro.environment_variables(false);
            let answers = if kind == "AIRFLOW_VARIABLE" {
                (
                    variable(&astro, "odd").await,
                    variable(&astro, "right").await,
                )
            } else {
                (
                    variable(&environment, "odd").await,
                    variable(&environment, "right").await,
                )
            };
            assert_eq!(answers, (unreadable(&what), Ok("r".to_owned())));
        }
    }
}

#[tokio::test]
async fn what_decides_nothing_may_be_as_odd_as_it_likes_and_null_is_as_absent() {
    let platform = Platform::start(Vec::new());
    for (member, value) in [
        ("links", Value::Null),
        ("links", json!({"m": 1})),
        ("links", json!([1, {"scope": []}])),
        ("excludeLinks", json!("x")),
        ("autoLinkDeployments", json!(0)),
        ("id", json!([])),
        ("updatedBy", json!(null)),
        ("airflowVariable", json!([1])),
        ("scope", Value::Null),
        ("sourceScope", Value::Null),
        ("sourceScopeEntityId", json!(5)),
        ("setFields", Value::Null),
        ("connection.port", Value::Null),
        ("connection.extra", Value::Null),
        ("connection.connectionAuthType", json!(5)),
    ] {
        let object = with(http("x", "h"), member, value);
        platform.world().first.push_back(list(&[object]));
        let astro = builder(platform.reach(Some("d1"))).build().unwrap();
        let found = connection(&astro, "x").await;
        assert_eq!(found, Ok("http://h".to_owned()), "{member}");
    }
}

#[tokio::test]
async fn where_links_are_resolved_here_an_odd_one_is_an_error_for_its_own_key() {
    let platform = Platform::start(Vec::new());
    let odd_link = |member: &str, value: Value| with(linked("odd"), member, value);
    for (odd, what) in [
        (
            odd_link("links", MARKER.into()),
            "links is not a list of objects",
        ),
        (
            odd_link("links.0", json!(["DEPLOYMENT", "d1"])),
            "links is not an object",
        ),
        (
            odd_link("links.0.scope", 1.into()),
            "links.scope is not a text",
        ),
        (
            odd_link("links.0.scopeEntityId", 1.into()),
            "links.scopeEntityId is not a text",
        ),
        (
            odd_link("links.0.setFields", 1.into()),
            "links.setFields is not a list of texts",
        ),
        (
            odd_link("links.0.connectionOverrides", MARKER.into()),
            "links.connectionOverrides is not an object",
        ),
        (
            odd_link("links.0.connectionOverrides", json!({"port": "1"})),
            "links.connectionOverrides.port is not a whole number",
        ),
        (
            odd_link("excludeLinks", 1.into()),
            "excludeLinks is not a list of objects",
        ),
        (
            odd_link("excludeLinks", json!([1])),
            "excludeLinks is not an object",
        ),
        (
            odd_link("excludeLinks", json!([{"scope": 1}])),
            "excludeLinks.scope is not a text",
        ),
        (
            odd_link("connection.port", "1".into()),
            "connection.port is not a whole number",
        ),
        (
            with(
                odd_link("links", json!([])),
                "autoLinkDeployments",
                1.into(),
            ),
            "autoLinkDeployments is not true or false",
        ),
    ] {
        let lists = [list(&[odd, linked("right")]), list(&[http("own", "o")])];
        platform.world().first.extend(lists);
        let here = builder(platform.reach(Some("d1"))).resolve_links_here(true);
        let here = here.build().unwrap();
        assert_eq!(connection(&here, "odd").await, unreadable(what));
        let right = connection(&here, "right").await;
        assert_eq!(right, Ok("http://linked".to_owned()), "{what}");
        let own = connection(&here, "own").await;
        assert_eq!(own, Ok("http://o".to_owned()), "{what}");
    }
}

#[tokio::test]
async fn an_odd_override_for_another_deployment_is_none_of_ours() {
    let platform = Platform::start(Vec::new());
    let mut object = linked("x");
    let odd =
        json!({"scope": "DEPLOYMENT", "scopeEntityId": "d2", "connectionOverrides": {"port": "1"}});
    object["links"].as_array_mut().unwrap().insert(0, odd);
    platform.world().first.extend([list(&[object]), list(&[])]);
    let here = builder(platform.reach(Some("d1"))).resolve_links_here(true);
    let found = connection(&here.build().unwrap(), "x").await;
    assert_eq!(found, Ok("http://linked".to_owned()));
}

#[tokio::test]
async fn an_odd_object_has_the_place_of_a_sound_one_among_those_of_its_key() {
    let platform = Platform::start(Vec::new());
    let resolved = with(http("x", "linked"), "sourceScope", "WORKSPACE".into());
    let own_port = with(http("x", "h"), "connection.port", "1".into());
    let own_scope = with(http("x", "h"), "scope", 1.into());
    let linked_port = with(resolved.clone(), "connection.port", "1".into());
    let other_type = with(http("x", "h"), "objectType", "NEW".into());
    let port = unreadable("connection.port is not a whole number");
    let scope = unreadable("scope is not a text");
    for (one, other, expected) in [
        // The Deployment's own is not passed over for a linked one.
        (&own_port, &resolved, port),
        (&own_scope, &resolved, scope),
        // A linked one does not hide the Deployment's own.
        (&linked_port, &http("x", "own"), Ok("http://own".to_owned())),
        (&own_scope, &http("x", "own"), Ok("http://own".to_owned())),
        // One that may be of another kind hides none.
        (&other_type, &resolved, Ok("http://linked".to_owned())),
    ] {
        for objects in [[one.clone(), other.clone()], [other.clone(), one.clone()]] {
            platform.world().first.push_back(list(&objects));
            let astro = builder(platform.reach(Some("d1"))).build().unwrap();
            assert_eq!(connection(&astro, "x").await, expected, "{objects:?}");
        }
    }
}

#[tokio::test]
async fn whichever_member_is_of_whichever_shape_the_others_answer_and_nothing_of_it_is_told() {
    let platform = Platform::start(Vec::new());
    let members = [
        "objectKey",
        "objectType",
        "scope",
        "scopeEntityId",
        "sourceScope",
        "sourceScopeEntityId",
        "connection",
        "connection.type",
        "connection.host",
        "connection.login",
        "connection.password",
        "connection.schema",
        "connection.port",
        "connection.extra",
        "setFields",
        "links",
        "links.0",
        "links.0.scope",
        "links.0.scopeEntityId",
        "links.0.connectionOverrides",
        "links.0.connectionOverrides.port",
        "links.0.setFields",
        "excludeLinks",
        "autoLinkDeployments",
    ];
    let values = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1e300),
        json!(""),
        json!([]),
        json!({}),
        json!([MARKER, {"scope": MARKER}]),
        json!({"scope": MARKER, "value": MARKER}),
    ];
    let mut odd = 0;
    for member in members {
        for value in &values {
            for resolves_here in [false, true] {
                let object = with(linked("x"), member, value.clone());
                let first = list(&[linked("before"), object, linked("after")]);
                platform.world().first.extend([first, list(&[])]);
                let astro = builder(platform.reach(Some("d1")));
                let astro = astro.resolve_links_here(resolves_here).build().unwrap();
                let answer = astro.get_connection("x", &LookupOptions::new()).await;
                let shown = format!("{answer:?}");
                assert!(!shown.contains(MARKER), "{member} {value}: {shown}");
                odd += usize::from(answer.is_err());
                for key in ["before", "after"] {
                    let right = connection(&astro, key).await;
                    assert_eq!(right, Ok("http://linked".to_owned()), "{member} {value}");
                }
                platform.world().first.clear();
            }
        }
    }
    assert!(odd > 150, "only {odd} were errors");
}

#[tokio::test]
async fn a_masked_part_of_an_extra_is_named_as_astro_names_it() {
    let platform = Platform::start(Vec::new());
    for (extra, set, expected) in [
        (
            json!({"foo": "", "bar": "b"}),
            json!(["connection.extra.foo", "connection.extra.bar"]),
            "connection.extra.foo",
        ),
        (
            json!({"foo": "", "a.b": {"c": ""}, "bar": ""}),
            json!(["extra.foo", "extra.a.b.c"]),
            "extra.foo, extra.a.b.c",
        ),
        (
            json!(""),
            json!(["connection.password", "connection.extra.foo"]),
            "connection.password, connection.extra.foo",
        ),
        (
            json!({}),
            json!(["connection.extra.foo"]),
            "connection.extra.foo",
        ),
        (json!(null), json!(["connection.extra"]), "connection.extra"),
        (
            json!({}),
            json!(["connection.extra.a\nb"]),
            "connection.extra.a\\nb",
        ),
    ] {
        let object = with(http("x", "h"), "connection.extra", extra);
        let object = with(object, "setFields", set);
        platform.world().first.push_back(list(&[object]));
        let astro = builder(platform.reach(Some("d1"))).build().unwrap();
        assert_eq!(
            connection(&astro, "x").await,
            Err(format!(
                "AccessDenied: Astro does not tell a secret of it ({expected}): enable Environment Secrets \
                 Fetching in the Organization's settings, under General, and give the token a role that may \
                 read it"
            ))
        );
    }
    assert!(platform.take_requests().iter().all(|request| {
        request.path == format!("/v1/organizations/{ORGANIZATION}/environment-objects")
    }));
}
