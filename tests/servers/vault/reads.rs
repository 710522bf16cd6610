//! Documents, and how they are missing.

use airflow_secrets::{
    Lookup, SecretsBackend,
    backend::LookupOptions,
    backends::vault::{KvVersion, VaultBackend, VaultCredential},
};
use serde_json::json;

use crate::{outcome, support::openbao::OpenBao, variable, vault};

async fn server() -> OpenBao {
    let server = OpenBao::dev().await;
    server.mount_kv("airflow", 2).await;
    server
}

fn root(server: &OpenBao) -> VaultBackend {
    vault(&server.url, VaultCredential::token("root"))
        .build()
        .unwrap()
}

async fn conn(vault: &VaultBackend, id: &str) -> Result<String, String> {
    outcome(vault.get_conn_value(id, &LookupOptions::new()).await)
}

#[tokio::test]
async fn a_connection_is_its_uri_or_the_whole_document() {
    let server = server().await;
    server
        .put(
            "airflow",
            "connections/uri",
            json!({"conn_uri": "pg://u:p@h/s", "other": 1}),
        )
        .await;
    let fields = json!({"conn_type": "pg", "port": 5, "extra": {"b": 1.5, "a": "é"}});
    server.put("airflow", "connections/fields", fields).await;
    server
        .put(
            "airflow",
            "connections/no_uri",
            json!({"conn_uri": "", "host": "h"}),
        )
        .await;
    server
        .put("airflow", "connections/number", json!({"conn_uri": 5}))
        .await;
    server.put("airflow", "connections/empty", json!({})).await;
    let vault = root(&server);
    assert_eq!(conn(&vault, "uri").await, Ok("pg://u:p@h/s".into()));
    assert_eq!(
        conn(&vault, "fields").await,
        Ok(r#"{"conn_type": "pg", "extra": {"a": "\u00e9", "b": 1.5}, "port": 5}"#.into())
    );
    assert_eq!(
        conn(&vault, "no_uri").await,
        Ok(r#"{"conn_uri": "", "host": "h"}"#.into())
    );
    assert_eq!(
        conn(&vault, "number").await,
        Err("InvalidValue: \"conn_uri\" is not a text".into())
    );
    assert_eq!(conn(&vault, "empty").await, Ok("{}".into()));
    server
        .put(
            "airflow",
            "connections/other",
            json!({"url": "pg://u:marker@h", "b\n": 1}),
        )
        .await;
    assert_eq!(
        conn(&vault, "other").await,
        Err(
            "InvalidValue: the document has no \"conn_uri\" and no field of a connection; it has: \
             \"b\\n\", \"url\""
                .into()
        )
    );
    let found = vault
        .get_connection("fields", &LookupOptions::new())
        .await
        .unwrap();
    let Lookup::Found {
        value, native_key, ..
    } = found
    else {
        panic!("{found:?}")
    };
    assert_eq!(value.port(), Some(5));
    assert_eq!(native_key, "-mount=airflow connections/fields");
}

#[tokio::test]
async fn a_variable_is_its_value() {
    let server = server().await;
    for (key, document) in [
        ("text", json!({"value": "v\"é\n"})),
        ("empty", json!({"value": ""})),
        ("number", json!({"value": 5})),
        ("float", json!({"value": 1e3})),
        ("bool", json!({"value": true})),
        ("object", json!({"value": {"a": [1, "é"]}})),
        ("null", json!({"value": null})),
        ("none", json!({"other": 1})),
        ("nothing", json!({})),
    ] {
        server
            .put("airflow", &format!("variables/{key}"), document.clone())
            .await;
        server
            .put("airflow", &format!("config/{key}"), document)
            .await;
    }
    let vault = root(&server);
    for (key, expected) in [
        ("text", Ok("v\"é\n")),
        ("empty", Ok("")),
        ("number", Ok("5")),
        ("float", Ok("1000")),
        ("bool", Ok("true")),
        ("object", Ok(r#"{"a": [1, "\u00e9"]}"#)),
        ("null", Err("missing: its \"value\" is null")),
        (
            "none",
            Err("missing: the document has no \"value\"; it has: \"other\""),
        ),
        ("nothing", Err("missing: the document is empty")),
        ("absent", Err("missing: ")),
    ] {
        let expected = expected.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(variable(&vault, key).await, expected, "{key}");
        assert_eq!(
            outcome(vault.get_config(key, &LookupOptions::new()).await),
            expected,
            "{key}"
        );
    }
}

#[tokio::test]
async fn deleted_and_destroyed_versions_are_missing_and_say_so() {
    let server = server().await;
    for key in ["deleted", "destroyed"] {
        server
            .put(
                "airflow",
                &format!("variables/{key}"),
                json!({"value": "v"}),
            )
            .await;
    }
    server.delete("airflow/data/variables/deleted").await;
    server
        .post(
            "airflow/destroy/variables/destroyed",
            json!({"versions": [1]}),
        )
        .await;
    let vault = root(&server);
    assert_eq!(
        variable(&vault, "deleted").await,
        Err("missing: its latest version is deleted".into())
    );
    assert_eq!(
        variable(&vault, "destroyed").await,
        Err("missing: its latest version is destroyed".into())
    );
}

#[tokio::test]
async fn paths_are_tried_in_order_and_the_first_document_wins() {
    let server = server().await;
    server
        .put("airflow", "second/x", json!({"value": "second"}))
        .await;
    server
        .put("airflow", "third/x", json!({"value": "third"}))
        .await;
    server
        .put("airflow", "x", json!({"value": "at the mount"}))
        .await;
    let with = |paths: &[&str]| {
        let builder = vault(&server.url, VaultCredential::token("root"));
        builder
            .variables_path(paths.iter().copied())
            .build()
            .unwrap()
    };
    assert_eq!(
        variable(&with(&["first", "second", "third"]), "x").await,
        Ok("second".into())
    );
    assert_eq!(
        variable(&with(&["/third//", "second"]), "x").await,
        Ok("third".into())
    );
    assert_eq!(variable(&with(&[""]), "x").await, Ok("at the mount".into()));
    assert_eq!(
        variable(&with(&[]), "x").await,
        Err("skipped: not configured: \"variables_path\" is not set".into())
    );
    let missing = with(&["first", "other"])
        .get_variable("x", &LookupOptions::new())
        .await
        .unwrap();
    assert_eq!(
        missing,
        Lookup::missing("-mount=airflow first/x, -mount=airflow other/x")
    );
}

#[tokio::test]
async fn version_1_is_read_as_version_1() {
    let server = OpenBao::dev().await;
    server.mount_kv("airflow", 1).await;
    server
        .post("airflow/variables/x", json!({"value": "one"}))
        .await;
    server
        .post("airflow/connections/x", json!({"host": "h"}))
        .await;
    let vault = vault(&server.url, VaultCredential::token("root"));
    let vault = vault.kv_engine_version(KvVersion::V1).build().unwrap();
    assert_eq!(variable(&vault, "x").await, Ok("one".into()));
    assert_eq!(conn(&vault, "x").await, Ok(r#"{"host": "h"}"#.into()));
    assert_eq!(variable(&vault, "absent").await, Err("missing: ".into()));
}

#[tokio::test]
async fn the_wrong_version_is_named() {
    let server = server().await;
    server
        .put("airflow", "variables/x", json!({"value": "two"}))
        .await;
    server.mount_kv("old", 1).await;
    server
        .post("old/variables/x", json!({"value": "one"}))
        .await;
    server
        .post("old/data/variables/y", json!({"value": "one"}))
        .await;
    let builder = || vault(&server.url, VaultCredential::token("root"));
    let as_1 = builder().kv_engine_version(KvVersion::V1).build().unwrap();
    let as_2 = builder().mount_point("old").build().unwrap();
    let says = |outcome: Result<String, String>, words: &str| {
        let outcome = outcome.unwrap_err();
        assert!(outcome.contains(words), "{outcome}");
    };
    says(
        variable(&as_1, "x").await,
        "missing: the mount is KV version 2 and is read as version 1",
    );
    says(
        variable(&as_2, "x").await,
        "missing: the mount is KV version 1 and is read as version 2",
    );
    says(
        variable(&as_2, "y").await,
        "InvalidValue: the answer is not a KV version 2 document",
    );
}

#[tokio::test]
async fn a_mount_or_a_namespace_that_is_not_there_is_named() {
    let server = server().await;
    let builder = || vault(&server.url, VaultCredential::token("root"));
    let elsewhere = builder().mount_point("elsewhere").build().unwrap();
    assert_eq!(
        variable(&elsewhere, "x").await,
        Err("missing: no secrets engine is mounted there: check \"mount_point\"".into())
    );
    let nowhere = builder().namespace("nowhere").build().unwrap();
    assert_eq!(
        variable(&nowhere, "x").await,
        Err("missing: the namespace does not exist: check \"namespace\"".into())
    );
}

#[tokio::test]
async fn a_namespace_is_read_and_no_other() {
    let server = server().await;
    server
        .put("airflow", "variables/x", json!({"value": "outside"}))
        .await;
    server.post("sys/namespaces/team", json!({})).await;
    let options = json!({"type": "kv", "options": {"version": "2"}});
    server.ask_in("team", "sys/mounts/airflow", &options).await;
    server
        .ask_in(
            "team",
            "airflow/data/variables/x",
            &json!({"data": {"value": "inside"}}),
        )
        .await;
    let inside = vault(&server.url, VaultCredential::token("root"))
        .namespace("team")
        .build()
        .unwrap();
    assert_eq!(variable(&inside, "x").await, Ok("inside".into()));
    assert_eq!(variable(&root(&server), "x").await, Ok("outside".into()));
}

#[tokio::test]
async fn without_a_mount_point_the_id_begins_with_it() {
    let server = server().await;
    server
        .put("airflow", "variables/a/x", json!({"value": "v"}))
        .await;
    let vault = vault(&server.url, VaultCredential::token("root"))
        .mount_point_in_id()
        .build()
        .unwrap();
    assert_eq!(variable(&vault, "airflow/a/x").await, Ok("v".into()));
    assert!(
        variable(&vault, "x")
            .await
            .unwrap_err()
            .starts_with("skipped: invalid id")
    );
}

#[tokio::test]
async fn teams_have_paths_of_their_own() {
    let server = server().await;
    for path in ["variables/x", "variables/red/x", "variables/red/deep/x"] {
        server.put("airflow", path, json!({"value": path})).await;
    }
    let builder = || vault(&server.url, VaultCredential::token("root")).multi_team(true);
    let teams = builder().build().unwrap();
    let ask = async |key, team| {
        outcome(
            teams
                .get_variable(key, &LookupOptions::new().with_team(team))
                .await,
        )
    };
    assert_eq!(ask("x", None).await, Ok("variables/x".into()));
    assert_eq!(ask("x", Some("red")).await, Ok("variables/red/x".into()));
    assert_eq!(
        ask("deep/x", Some("red")).await,
        Ok("variables/red/deep/x".into())
    );
    assert_eq!(ask("x", Some("blue")).await, Err("missing: ".into()));
    assert!(
        ask("red/x", None)
            .await
            .unwrap_err()
            .starts_with("skipped: refused for teams")
    );
    let flat = builder().use_team_secrets_path(false).build().unwrap();
    assert_eq!(
        outcome(
            flat.get_variable("x", &LookupOptions::new().with_team("red"))
                .await
        ),
        Ok("variables/x".into())
    );
    assert_eq!(
        outcome(flat.get_variable("red/x", &LookupOptions::new()).await),
        Ok("variables/red/x".into())
    );
}

#[tokio::test]
async fn a_path_with_what_is_added_to_it_is_named() {
    let server = server().await;
    server
        .put("airflow", "variables/x", json!({"value": "v"}))
        .await;
    server.policy("reader", &["airflow/data/variables/*"]).await;
    let token = server.token("reader", json!({})).await;
    let builders = |token: &str| {
        let builder = |url: &str| vault(url, VaultCredential::token(token));
        [
            (
                builder(&format!("{}/v1/", server.url)),
                r#""url" ends in "/v1""#,
            ),
            (
                builder(&server.url).mount_point("airflow/data"),
                r#""mount_point" ends in "/data""#,
            ),
            (
                builder(&server.url).variables_path(["data/variables"]),
                r#"the path begins with "data/""#,
            ),
        ]
    };
    for token in ["root", &token] {
        for (builder, words) in builders(token) {
            let outcome = variable(&builder.build().unwrap(), "x").await.unwrap_err();
            assert!(outcome.contains(words), "{outcome}");
        }
    }
}

#[tokio::test]
async fn the_version_that_may_be_wrong_is_named_under_least_privilege() {
    let server = server().await;
    server
        .put("airflow", "variables/x", json!({"value": "v"}))
        .await;
    server.policy("reader", &["airflow/data/variables/*"]).await;
    let token = server.token("reader", json!({})).await;
    let vault = vault(&server.url, VaultCredential::token(token));
    let vault = vault.kv_engine_version(KvVersion::V1).build().unwrap();
    let outcome = variable(&vault, "x").await.unwrap_err();
    let words = r#"if the mount is KV version 2, set "kv_engine_version" to 2"#;
    assert!(outcome.starts_with("AccessDenied: "), "{outcome}");
    assert!(outcome.contains(words), "{outcome}");
}
