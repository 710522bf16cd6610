//! The same questions to the real Airflow and to our resolver, in the same environment, with the
//! same server.

use serde_json::{Value, json};

use crate::{
    PARAMETER_STORE, SECRETS_MANAGER, SETTINGS,
    support::{
        moto::moto,
        side_by_side::{self, Question, Variables},
    },
};

/// Ids that are asked as they are.
const IDS: &[&str] = &[
    "plain",
    "with space",
    "größe",
    "日本",
    "a/b/c",
    "/a",
    "a--b",
    "Mixed",
    "mixed",
    "a.b",
    "a+b=c@d",
    " blank ",
    "a:b",
    "%2F",
    "..",
    "etl_x",
    "ETL_Y",
    "xetl_",
    "tab\there",
];

const DOCUMENTS: &[&str] = &[
    "postgres://u:p%2Fw@h:5432/s?sslmode=require&a=1",
    r#"{"user": "b", "login": "a", "password": "p w", "engine": "mysql", "server": "h", "port": "1"}"#,
    r#"{"user": null, "login": "a", "conn_id": "http"}"#,
    r#" {"conn_type": "my-type", "extra": {"b": [1, null], "a": "ü"}} "#,
    r#"{"conn_type": "http", "extra": "{\"a\": 1}", "description": "dropped", "key": "k"}"#,
    r#"{"host": "h", "port": 5.0}"#,
    r#"{"host": "h", "port": "x"}"#,
    "{not json}",
    "",
    " ",
    "plain text",
    "[]",
    "aws://AKID:s%2Fk@/?region_name=eu-west-1",
];

fn settings(class: &str, url: &str, mut kwargs: Value) -> Variables {
    kwargs["endpoint_url"] = url.into();
    let more = [
        ("AIRFLOW_CONN_ABSENT", "http://from-the-environment"),
        ("AIRFLOW_VAR_ABSENT", "from the environment"),
        ("AIRFLOW_VAR_PLAIN", "hidden"),
        ("no_proxy", "127.0.0.1"),
    ];
    side_by_side::settings(class, &kwargs, &[SETTINGS, &more].concat())
}

/// Every id as a variable, every document as a connection, and some of the rest: Airflow takes its
/// time for each.
fn questions(team: Option<&'static str>) -> Vec<Question> {
    let mut questions = vec![("connection", "absent".to_owned(), team)];
    for (index, id) in IDS.iter().chain(&["absent"]).enumerate() {
        questions.push(("variable", (*id).to_owned(), team));
        if index % 4 == 0 {
            questions.push(("connection", (*id).to_owned(), team));
            questions.push(("config", (*id).to_owned(), None));
        }
    }
    for index in 0..DOCUMENTS.len() {
        let id = format!("document_{index}");
        if index % 4 == 0 {
            questions.push(("variable", id.clone(), team));
        }
        questions.push(("connection", id, team));
    }
    questions
}

async fn assert_same(variables: &Variables, questions: &[Question]) {
    let answered = side_by_side::assert_same(variables, questions).await;
    assert!(
        answered > questions.len() / 3,
        "Airflow answered {answered}"
    );
}

#[tokio::test]
async fn secrets_manager_gives_what_airflow_gives() {
    let moto = moto().await;
    for kind in ["connections", "variables", "config"] {
        for id in IDS {
            let text = match kind {
                "connections" => format!("http://{}", id.len()),
                _ => (*id).to_owned(),
            };
            moto.secret(&format!("sbs/{kind}-{id}"), &text).await;
        }
        for (index, document) in DOCUMENTS.iter().enumerate() {
            moto.secret(&format!("sbs/{kind}-document_{index}"), document)
                .await;
        }
    }
    moto.secret("sbs/variables-red--plain", "red").await;
    // The separator's characters are cut off, and then it stands between: `sbs/config-/x`.
    let mut variables = settings(
        SECRETS_MANAGER,
        &moto.url,
        json!({
            "connections_prefix": "sbs/connections--", "variables_prefix": "sbs/variables",
            "config_prefix": "sbs/config-", "sep": "-", "variables_lookup_pattern": "(?!x)[^ ]+",
            "extra_conn_words": {"host": ["remote"]},
        }),
    );
    assert_same(&variables, &questions(None)).await;
    variables.insert("AIRFLOW__CORE__MULTI_TEAM".to_owned(), "True".to_owned());
    assert_same(&variables, &questions(Some("red"))).await;
}

#[tokio::test]
async fn the_parameter_store_gives_what_airflow_gives() {
    let moto = moto().await;
    for kind in ["connections", "variables", "config"] {
        for id in IDS.iter().filter(|id| !id.contains(':')) {
            let text = match kind {
                "connections" => format!("http://{}", id.len()),
                _ => format!("of {id}"),
            };
            moto.parameter(&format!("/sbs/{kind}/{id}"), "SecureString", &text)
                .await;
        }
        for (index, document) in DOCUMENTS.iter().enumerate() {
            if !document.is_empty() {
                let name = format!("/sbs/{kind}/document_{index}");
                moto.parameter(&name, "String", document).await;
            }
        }
    }
    moto.parameter("/sbs/connections/red--plain", "String", "http://red")
        .await;
    let mut variables = settings(
        PARAMETER_STORE,
        &moto.url,
        json!({
            "connections_prefix": "sbs/connections", "variables_prefix": "/sbs/variables//",
            "config_prefix": "/sbs/config/", "connections_lookup_pattern": "ETL|doc|plain",
        }),
    );
    variables.insert("AIRFLOW__CORE__MULTI_TEAM".to_owned(), "True".to_owned());
    let both = [questions(None), questions(Some("red"))].concat();
    assert_same(&variables, &both).await;
}
