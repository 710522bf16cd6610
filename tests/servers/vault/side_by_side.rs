//! The same questions to the real Airflow and to our resolver, in the same environment, with the
//! same server.

use serde_json::{Value, json};

use crate::support::{
    openbao::OpenBao,
    side_by_side::{Question, Variables, airflow, assert_same, ours, settings},
};

/// Ids that are asked as they are, and how they go over the wire.
const IDS: &[(&str, &str)] = &[
    ("plain", "plain"),
    ("with space", "with%20space"),
    ("a/b/c", "a/b/c"),
    ("größe", "gr%C3%B6%C3%9Fe"),
    ("日本", "%E6%97%A5%E6%9C%AC"),
    ("a?b=c&d", "a%3Fb%3Dc%26d"),
    ("a#b", "a%23b"),
    ("a%2Fb", "a%252Fb"),
    ("100%", "100%25"),
    ("a+b;c:d@e!$'()*,", "a%2Bb%3Bc%3Ad%40e%21%24%27%28%29%2A%2C"),
    ("-dash", "-dash"),
    ("~tilde.dot", "~tilde.dot"),
    (" blank ", "%20blank%20"),
    ("...", "..."),
];

/// Ids that Airflow's client takes to another place, and we do not send.
const REFUSED: &[&str] = &[
    "/plain",
    "plain/",
    "a//b/c",
    "x/../plain",
    "./plain",
    "a/./b/c",
];

/// A document for each way that a value can be.
fn connections() -> Vec<Value> {
    vec![
        json!({"conn_uri": "postgres://u:p%2Fw@h:5432/s?sslmode=require&a=1"}),
        json!({"conn_type": "http", "host": "https://é.example", "port": 8443, "extra": {"b": [1, null], "a": "ü"}}),
        json!({"conn_uri": "", "conn_type": "http"}),
        json!({"conn_uri": null, "conn_type": "http"}),
        json!({"conn_uri": 5}),
        json!({"conn_uri": {"a": 1}}),
        json!({"unknown": "field"}),
        json!({"conn_type": "http", "extra": "{\"a\": 1}", "login": "l", "password": "p w"}),
        json!({"conn_type": "http", "port": "8080"}),
        json!({}),
    ]
}

fn values() -> Vec<Value> {
    vec![
        json!({"value": "text"}),
        json!({"value": ""}),
        json!({"value": " white \n"}),
        json!({"value": 5}),
        json!({"value": 0}),
        json!({"value": 1.5e-7}),
        json!({"value": 12_345_678_901_234_567_890_u64}),
        json!({"value": true}),
        json!({"value": null}),
        json!({"value": ["a", {"b": "it's \"é\""}, null, 1.0]}),
        json!({"other": "x"}),
        json!({}),
    ]
}

/// A server with an AppRole that may read what lies below `allowed` paths.
async fn server() -> (OpenBao, Variables) {
    let server = OpenBao::dev().await;
    server.enable_login("approle").await;
    server
        .policy(
            "reader",
            &[
                "airflow/data/connections/*",
                "airflow/data/variables/*",
                "airflow/data/config/*",
                "airflow/data/more/*",
                "airflow/connections/*",
                "airflow/variables/*",
                "airflow/config/*",
            ],
        )
        .await;
    let (role_id, secret_id) = server
        .approle("worker", json!({"token_policies": ["reader"]}))
        .await;
    let login = json!({
        "url": server.url, "auth_type": "approle", "role_id": role_id, "secret_id": secret_id,
        "mount_point": "airflow",
    });
    let more = [
        ("AIRFLOW_CONN_DENIED", "http://from-the-environment"),
        ("AIRFLOW_VAR_DENIED", "from the environment"),
        ("AIRFLOW_CONN_ABSENT", "http://from-the-environment"),
        ("AIRFLOW_VAR_ABSENT", "from the environment"),
        ("AIRFLOW_VAR_PLAIN", "hidden by Vault"),
        ("no_proxy", "127.0.0.1"),
    ];
    let class = "airflow.providers.hashicorp.secrets.vault.VaultBackend";
    (server, settings(class, &login, &more))
}

fn set_kwargs(variables: &mut Variables, more: Value) {
    let kwargs = variables
        .get_mut("AIRFLOW__SECRETS__BACKEND_KWARGS")
        .unwrap();
    let mut changed = serde_json::from_str::<Value>(kwargs).unwrap();
    for (name, value) in more.as_object().unwrap() {
        changed[name] = value.clone();
    }
    *kwargs = changed.to_string();
}

/// Writes documents for all ids and all kinds of value; gives the questions to them.
async fn fill(
    server: &OpenBao,
    put: impl AsyncFn(&OpenBao, &str, Value),
    prefix: &str,
) -> Vec<Question> {
    let mut questions = Vec::new();
    let (connections, values) = (connections(), values());
    for (index, (id, encoded)) in IDS.iter().enumerate() {
        let uri = json!({"conn_uri": format!("http://host-{index}")});
        put(server, &format!("connections/{encoded}"), uri).await;
        for kind in ["variables", "config"] {
            put(server, &format!("{kind}/{encoded}"), json!({"value": *id})).await;
        }
        for kind in ["connection", "variable", "config"] {
            questions.push((kind, format!("{prefix}{id}"), None));
        }
    }
    for (index, document) in connections.into_iter().enumerate() {
        put(server, &format!("connections/kind_{index}"), document).await;
        questions.push(("connection", format!("{prefix}kind_{index}"), None));
    }
    for (index, document) in values.into_iter().enumerate() {
        for (kind, folder) in [("variable", "variables"), ("config", "config")] {
            put(server, &format!("{folder}/kind_{index}"), document.clone()).await;
            questions.push((kind, format!("{prefix}kind_{index}"), None));
        }
    }
    for kind in ["connection", "variable", "config"] {
        questions.push((kind, format!("{prefix}absent"), None));
    }
    questions
}

async fn put_v2(server: &OpenBao, path: &str, document: Value) {
    server.put("airflow", path, document).await;
}

async fn put_v1(server: &OpenBao, path: &str, document: Value) {
    // Version 1 keeps no empty document.
    if document != json!({}) {
        server.post(&format!("airflow/{path}"), document).await;
    }
}

#[tokio::test]
async fn version_2_with_paths_tried_in_order_and_a_denied_path() {
    let (server, mut variables) = server().await;
    server.mount_kv("airflow", 2).await;
    let mut questions = fill(&server, put_v2, "").await;
    put_v2(
        &server,
        "more/second",
        json!({"value": "from the second path"}),
    )
    .await;
    put_v2(
        &server,
        "more/plain",
        json!({"value": "hidden by the first path"}),
    )
    .await;
    questions.push(("variable", "second".into(), None));
    set_kwargs(
        &mut variables,
        json!({"variables_path": ["variables/", "/more//"]}),
    );
    assert_same(&variables, &questions).await;

    // The policy knows neither of these; Airflow goes on to the environment.
    set_kwargs(
        &mut variables,
        json!({"connections_path": "closed", "variables_path": "closed"}),
    );
    let denied = ["connection", "variable"].map(|kind| (kind, "denied".to_owned(), None));
    assert_eq!(assert_same(&variables, &denied).await, 2);
}

#[tokio::test]
async fn version_1() {
    let (server, mut variables) = server().await;
    server.mount_kv("airflow", 1).await;
    let questions = fill(&server, put_v1, "").await;
    set_kwargs(&mut variables, json!({"kv_engine_version": 1}));
    assert_same(&variables, &questions).await;
}

#[tokio::test]
async fn the_mount_in_the_id_and_the_global_path() {
    let (server, mut variables) = server().await;
    server.mount_kv("airflow", 2).await;
    let mut questions = fill(&server, put_v2, "airflow/").await;
    put_v2(
        &server,
        "more/global",
        json!({"value": "from the global path"}),
    )
    .await;
    questions.push(("variable", "airflow/global".into(), None));
    questions.push(("variable", "plain".into(), None));
    let kwargs =
        json!({"mount_point": null, "global_secrets_path": "more/", "config_path": "config/"});
    set_kwargs(&mut variables, kwargs);
    assert_same(&variables, &questions).await;
}

#[tokio::test]
async fn teams() {
    let (server, mut variables) = server().await;
    server.mount_kv("airflow", 2).await;
    for path in [
        "plain",
        "red_team/plain",
        "red_team/deep/plain",
        "other/plain",
    ] {
        put_v2(
            &server,
            &format!("variables/{path}"),
            json!({"value": path}),
        )
        .await;
        put_v2(
            &server,
            &format!("connections/{path}"),
            json!({"schema": path}),
        )
        .await;
    }
    variables.insert("AIRFLOW__CORE__MULTI_TEAM".into(), "True".into());
    let mut questions = Vec::new();
    for kind in ["connection", "variable"] {
        for id in [
            "plain",
            "red_team/plain",
            "deep/plain",
            "other/plain",
            "absent",
        ] {
            for team in [None, Some("red_team"), Some("blue_team")] {
                questions.push((kind, id.to_owned(), team));
            }
        }
    }
    assert_same(&variables, &questions).await;
    set_kwargs(&mut variables, json!({"use_team_secrets_path": false}));
    assert_same(&variables, &questions).await;
}

#[tokio::test]
async fn of_the_vaults_own_variables_the_same_are_read() {
    let (server, mut variables) = server().await;
    server.mount_kv("airflow", 2).await;
    put_v2(&server, "variables/x", json!({"value": "v"})).await;
    let token = server.token("reader", json!({})).await;
    let kwargs = json!({"mount_point": "airflow"}).to_string();
    variables.insert("AIRFLOW__SECRETS__BACKEND_KWARGS".into(), kwargs);
    for (name, value) in [
        ("VAULT_ADDR", server.url.as_str()),
        ("VAULT_TOKEN", &token),
        ("VAULT_NAMESPACE", "nowhere"),
        ("BAO_ADDR", "http://127.0.0.1:1"),
    ] {
        variables.insert(name.into(), value.into());
    }
    assert_eq!(
        assert_same(&variables, &[("variable", "x".into(), None)]).await,
        1
    );
}

#[tokio::test]
async fn ids_that_airflow_takes_elsewhere_are_refused_by_us_alone() {
    let (server, variables) = server().await;
    server.mount_kv("airflow", 2).await;
    fill(&server, put_v2, "").await;
    put_v2(&server, "variables/a/b/c", json!({"value": "v"})).await;
    let questions = REFUSED
        .iter()
        .map(|id| ("variable", (*id).to_owned(), None));
    let questions = questions.collect::<Vec<Question>>();
    for ((question, theirs), ours) in questions
        .iter()
        .zip(airflow(&variables, &questions))
        .zip(ours(&variables, &questions).await)
    {
        assert!(theirs.is_string(), "{question:?}: {theirs}");
        assert_eq!(ours, Value::Null, "{question:?}");
    }
}
