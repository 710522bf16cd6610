//! Reads from a real API server.

use airflow_secrets::{
    ErrorKind, Lookup, Resolver, SecretsBackend, backend::LookupOptions, backends::HttpOptions,
};
use serde_json::json;

use crate::{
    in_pod, outcome,
    support::kubernetes::{ApiServer, CONFIG, CONNECTION, TEAM, VARIABLE},
    variable,
};

#[tokio::test]
async fn a_pod_reads_what_has_its_labels() {
    let namespace = ApiServer::shared().await.namespace().await;
    let uri = "postgres://u:p%2Fw@h:5432/s?sslmode=require";
    let value = |text: &'static str| [("value", text)];
    namespace
        .secret("any-name", &[(CONNECTION, "pg")], &value(uri))
        .await;
    namespace
        .secret("other", &[(VARIABLE, "colour")], &value("blue"))
        .await;
    namespace
        .secret("third", &[(CONFIG, "sql")], &value("sqlite://"))
        .await;
    let pod = namespace.pod("airflow").await;
    let backend = in_pod(&pod).build().unwrap();
    let sql = backend.get_config("sql", &LookupOptions::new()).await;
    assert_eq!(outcome(sql), Ok("sqlite://".into()));
    let resolver = Resolver::builder().backend(backend).build();
    let pg = resolver.get_connection("pg").await.unwrap();
    assert_eq!(pg.get_uri().expose(), uri);
    let ns = &namespace.name;
    assert_eq!(
        pg.source().to_string(),
        format!("kubernetes_secrets: -n {ns} any-name")
    );
    let colour = resolver.get_variable("colour").await.unwrap();
    assert_eq!(colour.expose(), "blue");
    let error = resolver.get_variable("shape").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let asked = format!("(-n {ns} -l {VARIABLE}=shape,!{TEAM}) missing");
    assert!(error.to_string().contains(&asked), "{error}");
}

#[tokio::test]
async fn a_value_is_taken_as_it_is() {
    let namespace = ApiServer::shared().await.namespace().await;
    let pod = namespace.pod("airflow").await;
    let backend = in_pod(&pod).build().unwrap();
    let texts = ["", " white \n", "größe 日本 \u{0}", "\u{feff}x", "line\r\n"];
    for (index, text) in texts.into_iter().enumerate() {
        let id = format!("v{index}");
        namespace
            .secret(&id, &[(VARIABLE, &id)], &[("value", text)])
            .await;
        assert_eq!(variable(&backend, &id).await, Ok(text.into()), "{text:?}");
    }
    namespace
        .secret("bytes", &[(VARIABLE, "bytes")], &[("value", b"\xff")])
        .await;
    assert_eq!(
        variable(&backend, "bytes").await,
        Err("InvalidValue: the value is not UTF-8: write it anew".into())
    );
    // An empty connection is absent, as in Airflow.
    namespace
        .secret("empty", &[(CONNECTION, "empty")], &[("value", "")])
        .await;
    let empty = backend.get_connection("empty", &LookupOptions::new()).await;
    assert!(matches!(empty, Ok(Lookup::Missing { .. })), "{empty:?}");
}

#[tokio::test]
async fn a_secret_without_the_data_key_is_missing_and_none_stands_in_for_it() {
    let namespace = ApiServer::shared().await.namespace().await;
    let none: [(&str, &str); 0] = [];
    namespace
        .secret("a", &[(VARIABLE, "x")], &[("other", "text")])
        .await;
    namespace
        .secret("b", &[(VARIABLE, "x")], &[("value", "second")])
        .await;
    namespace.secret("c", &[(VARIABLE, "no-data")], &none).await;
    let pod = namespace.pod("airflow").await;
    let backend = in_pod(&pod).build().unwrap();
    let missing = |name: &str| {
        Err(format!(
            "missing: the secret {name} has no data key \"value\""
        ))
    };
    assert_eq!(variable(&backend, "x").await, missing("a"));
    assert_eq!(variable(&backend, "no-data").await, missing("c"));
    let other = in_pod(&pod).variables_data_key("other").build().unwrap();
    assert_eq!(variable(&other, "x").await, Ok("text".into()));
    namespace.delete("a").await;
    assert_eq!(variable(&backend, "x").await, Ok("second".into()));
}

#[tokio::test]
async fn a_team_reads_its_own_before_the_one_of_no_team_and_nobody_elses() {
    let namespace = ApiServer::shared().await.namespace().await;
    let of = |team: Option<&'static str>, id: &'static str| {
        let team = team.map(|team| (TEAM, team));
        [Some((VARIABLE, id)), team]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
    };
    for (name, team, id, key, text) in [
        ("a", None, "x", "value", "everybody's"),
        ("b", Some("red"), "x", "value", "red's"),
        ("c", Some("red"), "alone", "value", "red's alone"),
        ("d", None, "no-key", "value", "everybody's"),
        ("e", Some("red"), "no-key", "other", "unused"),
    ] {
        namespace.secret(name, &of(team, id), &[(key, text)]).await;
    }
    let pod = namespace.pod("airflow").await;
    let backend = in_pod(&pod).build().unwrap();
    let ns = &namespace.name;
    for (team, id, expected) in [
        (None, "x", Ok("everybody's")),
        (Some(""), "x", Ok("everybody's")),
        (Some("red"), "x", Ok("red's")),
        (Some("blue"), "x", Ok("everybody's")),
        (None, "alone", Err("missing")),
        (Some("red"), "alone", Ok("red's alone")),
        (Some("blue"), "alone", Err("missing")),
        (Some("red"), "no-key", Ok("everybody's")),
    ] {
        let options = LookupOptions::new().with_team(team);
        let found = outcome(backend.get_variable(id, &options).await);
        let expected = expected.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(found, expected, "{id} for {team:?}");
    }
    let options = LookupOptions::new().with_team("blue");
    let missing = backend.get_variable("alone", &options).await.unwrap();
    let asked =
        format!("-n {ns} -l {VARIABLE}=alone,{TEAM}=blue, -n {ns} -l {VARIABLE}=alone,!{TEAM}");
    assert_eq!(missing.native_key(), Some(&*asked));
    let without_teams = in_pod(&pod).team_label(None).build().unwrap();
    let options = LookupOptions::new().with_team("blue");
    let found = outcome(without_teams.get_variable("alone", &options).await);
    assert_eq!(found, Ok("red's alone".into()));
}

#[tokio::test]
async fn many_ids_are_answered_as_each_by_itself() {
    let namespace = ApiServer::shared().await.namespace().await;
    for number in 0..120 {
        let id = format!("v{number}");
        namespace
            .secret(&id, &[(VARIABLE, &id)], &[("value", &id)])
            .await;
    }
    let pod = namespace.pod("airflow").await;
    let backend = in_pod(&pod).build().unwrap();
    let mut ids = (0..120)
        .map(|number| format!("v{number}"))
        .collect::<Vec<_>>();
    ids.extend(["absent", "not a label", "v7"].map(str::to_owned));
    let ids = ids.iter().map(String::as_str).collect::<Vec<_>>();
    let options = LookupOptions::new();
    let asked_before = namespace.lists().len();
    let at_once = backend.get_variables(&ids, &options).await;
    assert_eq!(namespace.lists().len() - asked_before, 2);
    for (id, answer) in std::iter::zip(&ids, at_once) {
        assert_eq!(answer, backend.get_variable(id, &options).await, "{id}");
    }
}

#[tokio::test]
async fn ids_whose_secrets_are_too_long_together_are_asked_for_in_parts() {
    let namespace = ApiServer::shared().await.namespace().await;
    let long = "x".repeat(1_000_000);
    let ids = (0..9)
        .map(|number| format!("v{number}"))
        .collect::<Vec<_>>();
    for id in &ids {
        namespace
            .secret(id, &[(VARIABLE, id)], &[("value", &long)])
            .await;
    }
    let pod = namespace.pod("airflow").await;
    let backend = in_pod(&pod).http(HttpOptions::new().with_max_concurrent_requests(2));
    let backend = backend.build().unwrap();
    let ids = ids.iter().map(String::as_str).collect::<Vec<_>>();
    let found = backend.get_variables(&ids, &LookupOptions::new()).await;
    let lengths = found
        .into_iter()
        .map(|found| outcome(found).map(|text| text.len()));
    assert_eq!(lengths.collect::<Vec<_>>(), vec![Ok(1_000_000); 9]);
}

#[tokio::test]
async fn a_lookup_is_one_request_of_this_shape() {
    let namespace = ApiServer::shared().await.namespace().await;
    let pod = namespace.pod("airflow").await;
    let backend = in_pod(&pod).build().unwrap();
    assert_eq!(variable(&backend, "x").await, Err("missing".into()));
    let team = LookupOptions::new().with_team("red");
    let _ = backend.get_connection("pg", &team).await;
    let _ = backend.get_config("c", &team).await;
    let _ = backend
        .get_connections(&["b", "a"], &LookupOptions::new())
        .await;
    let path = format!("/api/v1/namespaces/{}/secrets", namespace.name);
    let asked =
        |selector: &str| json!(format!("{path}?labelSelector={selector}&resourceVersion=0"));
    let label = |name: &str| format!("airflow.apache.org%2F{name}");
    let team = label("team");
    let (connection, variable, config) = (
        label("connection-id"),
        label("variable-key"),
        label("config-key"),
    );
    let expected = [
        format!("{variable}%3Dx%2C%21{team}"),
        format!("{connection}%3Dpg%2C{team}%3Dred"),
        format!("{connection}%3Dpg%2C%21{team}"),
        format!("{config}%3Dc%2C%21{team}"),
        format!("{connection}+in+%28a%2Cb%29%2C%21{team}"),
    ];
    let uris = namespace
        .lists()
        .into_iter()
        .map(|mut event| event["requestURI"].take());
    assert_eq!(
        uris.collect::<Vec<_>>(),
        expected.map(|selector| asked(&selector))
    );
}
