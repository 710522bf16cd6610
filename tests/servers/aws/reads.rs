//! What is read, and under which names.

use airflow_secrets::{Lookup, backend::LookupOptions};
use serde_json::json;

use crate::{
    PARAMETER_STORE, SECRETS_MANAGER, environment, make, outcome, parameter_store, secrets_manager,
    support::{
        log::{Log, of_this_thread},
        moto::moto,
        wire::{Answer, CountingProxy, Queued},
    },
    variable,
};

#[tokio::test]
async fn secrets_manager_gives_connections_variables_and_configuration() {
    let moto = moto().await;
    moto.secret("reads/connections/pg", "postgres://u:p%2Fw@h:5432/s")
        .await;
    moto.secret("reads/variables/colour", " blue\n").await;
    moto.secret("reads/config/fernet_key", "key").await;
    let kwargs = json!({
        "connections_prefix": "reads/connections", "variables_prefix": "reads/variables",
        "config_prefix": "reads/config",
    });
    let backend = secrets_manager(&moto.url, kwargs).await;
    assert_eq!(backend.name(), "aws_secrets_manager");
    let found = backend
        .get_connection("pg", &LookupOptions::new())
        .await
        .unwrap();
    let Lookup::Found {
        value, native_key, ..
    } = found
    else {
        panic!("{found:?}")
    };
    assert_eq!(native_key, "reads/connections/pg");
    assert_eq!(value.password().unwrap().expose(), "p/w");
    assert_eq!(variable(&backend, "colour").await, Ok(" blue\n".to_owned()));
    let config = backend
        .get_config("fernet_key", &LookupOptions::new())
        .await;
    assert_eq!(outcome(config), Ok("key".to_owned()));
    let Ok(Lookup::Missing { native_key, .. }) =
        backend.get_variable("absent", &LookupOptions::new()).await
    else {
        panic!("absent is there")
    };
    assert_eq!(native_key, "reads/variables/absent");
}

#[tokio::test]
async fn the_parameter_store_gives_texts_lists_and_what_is_encrypted() {
    let moto = moto().await;
    moto.parameter("/reads/text", "String", "blue").await;
    moto.parameter("/reads/list", "StringList", "a,b").await;
    moto.parameter("/reads/secret", "SecureString", "hidden")
        .await;
    let backend = parameter_store(&moto.url, json!({"variables_prefix": "reads/"})).await;
    assert_eq!(backend.name(), "aws_parameter_store");
    for (key, value) in [("text", "blue"), ("list", "a,b"), ("secret", "hidden")] {
        assert_eq!(variable(&backend, key).await, Ok(value.to_owned()));
    }
    assert_eq!(
        variable(&backend, "Text").await,
        Err(format!(
            "missing: SSM at {} has no parameter of this name",
            moto.url
        ))
    );
}

#[tokio::test]
async fn a_parameter_may_be_asked_for_by_its_version() {
    let moto = moto().await;
    moto.parameter("/versions/x", "String", "first").await;
    let second = json!({"Name": "/versions/x", "Value": "second", "Overwrite": true});
    moto.call("ssm", "PutParameter", second).await;
    let backend = parameter_store(&moto.url, json!({"variables_prefix": "/versions"})).await;
    assert_eq!(variable(&backend, "x").await, Ok("second".to_owned()));
    assert_eq!(variable(&backend, "x:1").await, Ok("first".to_owned()));
    assert_eq!(
        variable(&backend, "x:9").await,
        Err("InvalidValue: the parameter has no such version or label".to_owned())
    );
    let both = backend
        .get_variables(&["x:1", "x", "x:9", "y"], &LookupOptions::new())
        .await;
    let both = both.into_iter().map(outcome).collect::<Vec<_>>();
    assert_eq!(
        both,
        [
            Ok("first".to_owned()),
            Ok("second".to_owned()),
            Err("InvalidValue: the parameter has no such version or label".to_owned()),
            Err(format!(
                "missing: SSM at {} has no parameter of this name",
                moto.url
            )),
        ]
    );
}

#[tokio::test]
async fn a_parameter_may_be_named_by_its_arn() {
    let shared = "arn:aws:ssm:eu-west-1:111122223333:parameter/shared";
    let value = |name: &str| json!({"Name": name, "ARN": format!("{shared}/x"), "Value": "v"});
    let one = json!({"Parameter": value("/shared/x")});
    let many = json!({
        "Parameters": [value("/shared/x")], "InvalidParameters": [format!("{shared}/y")],
    });
    let answers = [
        Answer::new(200, one.to_string()),
        Answer::new(200, one.to_string()),
        Answer::new(200, many.to_string()),
    ];
    let queued = Queued::with(answers).await;
    let backend = parameter_store(&queued.url, json!({"variables_prefix": shared})).await;
    assert_eq!(variable(&backend, "x").await, Ok("v".to_owned()));
    let bare = parameter_store(&queued.url, json!({"variables_prefix": ""})).await;
    let whole = format!("{shared}/x");
    assert_eq!(variable(&bare, &whole).await, Ok("v".to_owned()));
    let found = backend
        .get_variables(&["x", "y"], &LookupOptions::new())
        .await;
    let found = found.into_iter().map(outcome).collect::<Vec<_>>();
    let absent = format!(
        "missing: SSM at {} has no parameter of this name",
        queued.url
    );
    assert_eq!(found, [Ok("v".to_owned()), Err(absent)]);
    let asked = queued.seen.all().into_iter().map(|request| {
        let body = serde_json::from_str::<serde_json::Value>(&request.body).unwrap();
        (body["Name"].clone(), body["Names"].clone())
    });
    let (x, y) = (json!(format!("{shared}/x")), json!(format!("{shared}/y")));
    assert_eq!(
        asked.collect::<Vec<_>>(),
        [
            (x.clone(), json!(null)),
            (x.clone(), json!(null)),
            (json!(null), json!([x, y])),
        ]
    );
}

#[tokio::test]
async fn a_json_secret_without_a_key_of_a_connection_is_an_empty_one_and_a_warning() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).without_time();
    // Of this test's thread, on which all of it runs.
    let logging = of_this_thread(subscriber.with_writer(log.clone()).finish());
    let document = json!({"conn_uri": "pg://u:hunter2@h", "url": "hunter2"});
    let some = json!({"user": "u", "url": "hunter2"});
    let answers = [document, some, json!({})].map(|document| {
        Answer::new(
            200,
            json!({"SecretString": document.to_string()}).to_string(),
        )
    });
    let queued = Queued::with(answers).await;
    let backend = secrets_manager(&queued.url, json!({})).await;
    for login in [None, Some("u"), None] {
        let found = backend.get_connection("x", &LookupOptions::new()).await;
        let Ok(Lookup::Found { value, .. }) = found else {
            panic!("{found:?}")
        };
        assert_eq!(value.login(), login);
        assert_eq!(value.password().map(|_| ()), None);
    }
    drop(logging);
    assert_eq!(
        log.text(),
        " WARN airflow_secrets::backends::aws::answer::document: this JSON secret has no key of a \
         connection, which is therefore empty; keys passed over: conn_uri, url \
         secret=\"airflow/connections/x\"\n"
    );
}

#[tokio::test]
async fn missing_says_in_which_region() {
    let missing = Answer::new(400, r#"{"__type": "ResourceNotFoundException"}"#);
    let proxy = Queued::with([missing]).await;
    let kwargs = json!({
        "region_name": "us-west-2", "use_ssl": false,
        "config_kwargs": {"proxies": {"http": proxy.url}},
    });
    let made = make(SECRETS_MANAGER, kwargs, &environment(&[]), false).await;
    let found = made
        .unwrap()
        .0
        .get_variable("x", &LookupOptions::new())
        .await;
    let missing = "missing: Secrets Manager in us-west-2 has no secret of this name";
    assert_eq!(outcome(found), Err(missing.to_owned()));
}

#[tokio::test]
async fn a_document_names_a_connections_fields_by_words_of_its_own() {
    let moto = moto().await;
    let document = r#"{"user": "u", "login": "later", "pass": "p", "server": "h", "engine": "mysql",
        "database": "s", "port": "3306", "extra": {"a": 1}, "dropped": "x", "srv": "other"}"#;
    moto.secret("words/rds", document).await;
    let kwargs = json!({"connections_prefix": "words", "extra_conn_words": {"user": ["srv"]}});
    let backend = secrets_manager(&moto.url, kwargs).await;
    assert_eq!(
        outcome(backend.get_conn_value("rds", &LookupOptions::new()).await).unwrap(),
        r#"{"login": "u", "password": "p", "host": "h", "port": "3306", "schema": "s", "conn_type": "mysql", "extra": {"a": 1}}"#
    );
    let found = backend.get_connection("rds", &LookupOptions::new()).await;
    let Ok(Lookup::Found { value, .. }) = found else {
        panic!("{found:?}")
    };
    assert_eq!(
        value.get_uri().expose(),
        "mysql://u:p@h:3306/s?__extra__=%7B%22a%22%3A+1%7D"
    );
}

#[tokio::test]
async fn a_binary_secret_and_one_marked_for_deletion_count_as_absent() {
    let moto = moto().await;
    let binary = json!({"Name": "absent/binary", "SecretBinary": "aGlkZGVu"});
    moto.call("secretsmanager", "CreateSecret", binary).await;
    moto.secret("absent/deleted", "hidden").await;
    let deleted = json!({"SecretId": "absent/deleted"});
    moto.call("secretsmanager", "DeleteSecret", deleted).await;
    let backend = secrets_manager(&moto.url, json!({"variables_prefix": "absent"})).await;
    let reasons = [
        (
            "binary",
            "missing: the secret is binary; Airflow reads only text",
        ),
        (
            "deleted",
            "missing: the secret is scheduled for deletion, or has no current version",
        ),
    ];
    for (key, reason) in reasons {
        assert_eq!(variable(&backend, key).await, Err(reason.to_owned()));
    }
}

#[tokio::test]
async fn a_prefix_of_null_asks_nobody_and_an_empty_one_is_the_bare_id() {
    let moto = moto().await;
    moto.secret("bare-id", "bare").await;
    let proxy = CountingProxy::before(&moto.url).await;
    let kwargs = json!({"connections_prefix": null, "variables_prefix": "", "config_prefix": "/"});
    let backend = secrets_manager(&proxy.url, kwargs).await;
    assert_eq!(
        outcome(
            backend
                .get_conn_value("bare-id", &LookupOptions::new())
                .await
        ),
        Err("skipped: not configured: \"connections_prefix\" is not set".to_owned())
    );
    assert_eq!(proxy.connections(), 0, "nothing is sent before a lookup");
    assert_eq!(variable(&backend, "bare-id").await, Ok("bare".to_owned()));
    let config = backend.get_config("bare-id", &LookupOptions::new()).await;
    assert_eq!(outcome(config), Ok("bare".to_owned()));
}

#[tokio::test]
async fn a_team_has_its_own_first_and_no_id_may_name_a_teams() {
    let moto = moto().await;
    moto.secret("teams/red--x", "red").await;
    moto.secret("teams/x", "all").await;
    moto.parameter("/red--empty-prefix", "String", "red").await;
    let kwargs = json!({"endpoint_url": moto.url, "variables_prefix": "teams"});
    let (backend, _) = make(SECRETS_MANAGER, kwargs, &environment(&[]), true)
        .await
        .unwrap();
    let ask = async |key, team| {
        outcome(
            backend
                .get_variable(key, &LookupOptions::new().with_team(team))
                .await,
        )
    };
    assert_eq!(ask("x", Some("red")).await, Ok("red".to_owned()));
    assert_eq!(ask("x", Some("blue")).await, Ok("all".to_owned()));
    assert_eq!(ask("x", None).await, Ok("all".to_owned()));
    let refused = ask("red--x", None).await.unwrap_err();
    assert!(
        refused.starts_with("skipped: refused for teams"),
        "{refused}"
    );
    let kwargs = json!({"endpoint_url": moto.url, "variables_prefix": ""});
    let (backend, _) = make(PARAMETER_STORE, kwargs, &environment(&[]), true)
        .await
        .unwrap();
    let found = backend
        .get_variable("empty-prefix", &LookupOptions::new().with_team("red"))
        .await;
    assert_eq!(outcome(found), Ok("red".to_owned()));
}

#[tokio::test]
async fn an_id_that_does_not_match_the_pattern_is_not_asked_for() {
    let moto = moto().await;
    moto.secret("pattern/ETL_x", "etl").await;
    let proxy = CountingProxy::before(&moto.url).await;
    let kwargs = json!({"variables_prefix": "pattern", "variables_lookup_pattern": "etl_(?!y)"});
    let backend = secrets_manager(&proxy.url, kwargs).await;
    let skipped = Err("skipped: the id does not match the lookup pattern".to_owned());
    assert_eq!(variable(&backend, "other").await, skipped);
    assert_eq!(variable(&backend, "etl_y").await, skipped);
    assert_eq!(proxy.connections(), 0);
    assert_eq!(variable(&backend, "ETL_x").await, Ok("etl".to_owned()));
}
