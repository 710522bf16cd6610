//! The same questions to the real Airflow and to our resolver, in the same environment, with the same API
//! server.

use std::path::Path;

use airflow_secrets::{
    Environment, FromEnvironment,
    backends::kubernetes::{KubernetesCredential, KubernetesSecretsBuilder},
    settings::{BackendSetup, Kwargs},
};
use serde_json::{Value, json};

use crate::support::{
    kubernetes::{ApiServer, CONFIG, CONNECTION, Namespace, Pod, TEAM, VARIABLE},
    side_by_side::{Question, Variables, airflow, assert_same_by, settings},
};

pub(crate) const CLASS: &str =
    "airflow.providers.cncf.kubernetes.secrets.kubernetes_secrets_backend.KubernetesSecretsBackend";

/// Texts as they may stand in a secret.
const CONNECTIONS: &[&str] = &[
    "postgres://u:p%2Fw@h:5432/s?sslmode=require&a=1",
    r#"{"conn_type": "http", "host": "https://é.example", "port": 8443, "extra": {"b": [1, null]}}"#,
    "",
    " ",
    "no uri",
    "http://h:port",
    r#"{"conn_type": "http""#,
    "\u{feff}http://h",
    "aws://?region_name=eu&x=%7B%22a%22%3A1%7D\n",
];

const VALUES: &[&str] = &[
    "text",
    "",
    " white \n",
    "größe 日本",
    "{\"a\": 1}",
    "\u{feff}x",
    "\u{0}",
];

/// Ids that are no labels, and those that Airflow's rules of teams refuse.
const ODD_IDS: &[&str] = &[
    "a.b", "a/b", "a b", "é", "x-", "-x", "_red___x", "a--b", "A.B_c-9", "", "!x", "x in (y)",
];

fn environment(pod: &Pod, kwargs: &Value) -> Variables {
    let folder = pod.folder().display().to_string();
    let [host, port] = pod.variables();
    let more = [
        (host.0, &*host.1),
        (port.0, &*port.1),
        ("TEST_SERVICE_ACCOUNT", &*folder),
        ("AIRFLOW_CONN_DENIED", "http://from-the-environment"),
        ("AIRFLOW_VAR_DENIED", "from the environment"),
        ("AIRFLOW_VAR_BYTES", "from the environment"),
        ("AIRFLOW_VAR_A B", "from the environment"),
        ("AIRFLOW_VAR_X-", "from the environment"),
        ("AIRFLOW_VAR_VALUE_0", "hidden by Kubernetes"),
    ];
    settings(CLASS, kwargs, &more)
}

/// Our backend of the same settings, whose service account is in a folder of the test.
fn in_folder(folder: &Path) -> impl FnOnce(FromEnvironment) -> FromEnvironment {
    let folder = folder.to_owned();
    move |resolver| {
        resolver.register(CLASS, move |setup| {
            KubernetesSecretsBuilder::from_setup(setup)?
                .credential(KubernetesCredential::in_cluster_at(folder.clone()))
                .build()
        })
    }
}

async fn same(pod: &Pod, variables: &Variables, questions: &[Question]) -> usize {
    assert_same_by(variables, questions, in_folder(pod.folder())).await
}

fn multi_team(mut variables: Variables) -> Variables {
    variables.insert("AIRFLOW__CORE__MULTI_TEAM".into(), "True".into());
    variables
}

async fn some_secrets(namespace: &Namespace) -> Vec<Question> {
    let mut questions: Vec<Question> = Vec::new();
    for (index, text) in CONNECTIONS.iter().enumerate() {
        let id = format!("kind_{index}");
        let name = format!("kind-{index}");
        namespace
            .secret(&name, &[(CONNECTION, &id)], &[("value", text)])
            .await;
        questions.push(("connection", id, None));
    }
    for (index, text) in VALUES.iter().enumerate() {
        let id = format!("value_{index}");
        let name = format!("value-{index}");
        namespace
            .secret(&name, &[(VARIABLE, &id), (CONFIG, &id)], &[("value", text)])
            .await;
        questions.push(("variable", id.clone(), None));
        questions.push(("config", id, None));
    }
    let bytes: &[u8] = b"\xff";
    let all = |id: &'static str| [(CONNECTION, id), (VARIABLE, id), (CONFIG, id)];
    namespace
        .secret("bytes", &all("bytes"), &[("value", bytes)])
        .await;
    namespace
        .secret("other-key", &all("other-key"), &[("other", "http://other")])
        .await;
    namespace
        .secret("first", &all("several"), &[("value", "http://first")])
        .await;
    namespace
        .secret("second", &all("several"), &[("value", "http://second")])
        .await;
    namespace
        .secret("fine", &all("A.B_c-9"), &[("value", "http://fine")])
        .await;
    for kind in ["connection", "variable", "config"] {
        let ids = ["bytes", "other-key", "several", "absent", "denied"];
        for id in ids.iter().chain(ODD_IDS) {
            questions.push((kind, (*id).to_owned(), None));
        }
    }
    questions
}

#[tokio::test]
async fn values_and_ids() {
    let namespace = ApiServer::shared().await.namespace().await;
    let questions = some_secrets(&namespace).await;
    let pod = namespace.pod("airflow").await;
    for kwargs in [
        json!({}),
        json!({"namespace": namespace.name, "context": null}),
    ] {
        let answered = same(&pod, &environment(&pod, &kwargs), &questions).await;
        assert_eq!(answered, 30);
    }
}

#[tokio::test]
async fn teams() {
    let namespace = ApiServer::shared().await.namespace().await;
    let mut count = 0;
    for (team, id, key) in [
        (None, "x", "value"),
        (Some("red"), "x", "value"),
        (Some("red"), "alone", "value"),
        (None, "no-key", "value"),
        (Some("red"), "no-key", "other"),
        (Some("blue"), "empty", "value"),
        (None, "y", "value"),
    ] {
        let team = team.map(|team| (TEAM, team));
        let labels = [
            Some((CONNECTION, id)),
            Some((VARIABLE, id)),
            Some((CONFIG, id)),
            team,
        ];
        let labels = labels.into_iter().flatten().collect::<Vec<_>>();
        let text = match id {
            "empty" => String::new(),
            _ => format!("http://{id}-{count}"),
        };
        count += 1;
        namespace
            .secret(&format!("s{count}"), &labels, &[(key, text)])
            .await;
    }
    let pod = namespace.pod("airflow").await;
    let mut questions: Vec<Question> = Vec::new();
    for kind in ["connection", "variable", "config"] {
        for id in ["x", "alone", "no-key", "empty", "y", "absent", "_red___x"] {
            for team in [None, Some("red"), Some("blue"), Some("red_")] {
                let team = team.filter(|_| kind != "config");
                questions.push((kind, id.to_owned(), team));
            }
        }
    }
    for (kwargs, expected) in [
        (json!({}), 33),
        (json!({"team_label": null}), 56),
        (json!({"team_label": ""}), 56),
    ] {
        let variables = multi_team(environment(&pod, &kwargs));
        let answered = same(&pod, &variables, &questions).await;
        assert_eq!(answered, expected, "{kwargs}");
    }
}

#[tokio::test]
async fn labels_and_data_keys() {
    let namespace = ApiServer::shared().await.namespace().await;
    let data = [
        ("uri", "http://uri"),
        ("text", "text"),
        ("entry", "entry"),
        ("value", "http://value"),
    ];
    namespace
        .secret("a", &[("my/conn", "x"), ("var", "x"), (CONFIG, "x")], &data)
        .await;
    let pod = namespace.pod("airflow").await;
    let questions = ["connection", "variable", "config"].map(|kind| (kind, "x".to_owned(), None));
    for (kwargs, expected) in [
        (
            json!({"connections_label": "my/conn", "variables_label": "var"}),
            3,
        ),
        (
            json!({"connections_label": "my/conn", "variables_label": null}),
            2,
        ),
        (
            json!({"connections_label": null, "config_label": null, "variables_label": "var"}),
            1,
        ),
        (
            json!({
                "connections_label": "my/conn", "connections_data_key": "uri", "variables_label": "var",
                "variables_data_key": "text", "config_data_key": "entry",
            }),
            3,
        ),
        (
            json!({"connections_label": "my/conn", "config_data_key": ""}),
            1,
        ),
    ] {
        let answered = same(&pod, &environment(&pod, &kwargs), &questions).await;
        assert_eq!(answered, expected, "{kwargs}");
    }
}

/// Whoever is refused falls through to the environment.
#[tokio::test]
async fn a_denial() {
    let namespace = ApiServer::shared().await.namespace().await;
    let labels = [
        (CONNECTION, "denied"),
        (VARIABLE, "denied"),
        (CONFIG, "denied"),
    ];
    namespace
        .secret("a", &labels, &[("value", "http://x")])
        .await;
    let nobody = namespace.pod_without_role("nobody").await;
    let questions =
        ["connection", "variable", "config"].map(|kind| (kind, "denied".to_owned(), None));
    let variables = environment(&nobody, &json!({}));
    assert_eq!(same(&nobody, &variables, &questions).await, 2);
}

/// What Airflow's class gives where it is refused, or does not find the server, and what ours says.
#[tokio::test]
async fn denials_unknown_namespaces_and_tokens_that_are_refused() {
    let namespace = ApiServer::shared().await.namespace().await;
    let other = ApiServer::shared().await.namespace().await;
    namespace
        .secret("a", &[(VARIABLE, "x")], &[("value", "text")])
        .await;
    let allowed = namespace.pod("airflow").await;
    let nobody = namespace.pod_without_role("nobody").await;
    let [refused, empty, blank] = [
        namespace.pod("refused").await,
        namespace.pod("empty").await,
        namespace.pod("blank").await,
    ];
    refused.write_token("eyJhbGciOiJub25lIn0.e30.");
    empty.write_token("");
    blank.write_token(&format!("\n{} \n", allowed.new_token().await));
    let no_folder = namespace.pod("no-folder").await;
    for name in ["namespace", "token"] {
        std::fs::remove_file(no_folder.folder().join(name)).unwrap();
    }
    let ns = &namespace.name;
    let denied = |namespace: &str| {
        Err(format!(
            "AccessDenied: denied: this account may not list the secrets of namespace {namespace}: give it \
             a Role with the verb list on secrets, by a RoleBinding in that namespace"
        ))
    };
    let no_file = |name: &str| no_folder.folder().join(name).display().to_string();
    let cases: [(&Pod, Value, Result<String, String>); 10] = [
        (&allowed, json!({}), Ok("text".into())),
        (&allowed, json!({"namespace": ns}), Ok("text".into())),
        (&allowed, json!({"namespace": ""}), Ok("text".into())),
        (&nobody, json!({}), denied(ns)),
        (&allowed, json!({"namespace": other.name}), denied(&other.name)),
        (&allowed, json!({"namespace": "none-such"}), denied("none-such")),
        (
            &refused,
            json!({}),
            Err(
                "AccessDenied: the API server refused the credentials (HTTP 401): check that the token has \
                 not expired and belongs to this cluster"
                    .into(),
            ),
        ),
        (
            &empty,
            json!({}),
            Err(format!(
                "Configuration: the token file {} cannot be used: it is empty: check that the pod's service \
                 account is mounted (automountServiceAccountToken)",
                empty.folder().join("token").display()
            )),
        ),
        (
            &no_folder,
            json!({}),
            Err(format!(
                "Configuration: \"namespace\" is not given, and {} cannot be used: No such file or \
                 directory (os error 2): give \"namespace\", or check that the pod's service account is \
                 mounted (automountServiceAccountToken)",
                no_file("namespace")
            )),
        ),
        (
            &no_folder,
            json!({"namespace": ns}),
            Err(format!(
                "Configuration: the token file {} cannot be used: No such file or directory (os error 2): \
                 check that the pod's service account is mounted (automountServiceAccountToken)",
                no_file("token")
            )),
        ),
    ];
    let mut ours = Vec::new();
    for (pod, kwargs, expected) in &cases {
        let answer = asked_by_us(pod, kwargs).await;
        assert_eq!(&answer, expected, "{kwargs}");
        ours.push(json!([answer.ok()]));
    }
    // In Airflow no blank may stand around the token.
    assert_eq!(asked_by_us(&blank, &json!({})).await, Ok("text".into()));
    let blank = (&blank, json!({}), Err(String::new()));
    ours.push(json!([null]));
    let questions = cases.iter().chain([&blank]).map(|(pod, kwargs, _)| {
        let folder = pod.folder().display().to_string();
        let variables = pod.variables();
        let mut environment = variables.into_iter().collect::<Environments>();
        environment.insert("TEST_SERVICE_ACCOUNT", folder);
        json!({"class": CLASS, "kwargs": kwargs, "environment": environment, "keys": ["x"]})
    });
    let questions = questions.collect::<Vec<_>>();
    let variables = environment(&allowed, &json!({}));
    let theirs = tokio::task::spawn_blocking(move || airflow(&variables, &questions));
    assert_eq!(theirs.await.unwrap(), ours);
}

type Environments = std::collections::BTreeMap<&'static str, String>;

async fn asked_by_us(pod: &Pod, kwargs: &Value) -> Result<String, String> {
    let kwargs = Kwargs::new(
        "backend_kwargs",
        "the test",
        kwargs.as_object().unwrap().clone(),
    );
    let environment = pod.variables().into_iter().collect::<Environment>();
    let setup = BackendSetup::new(kwargs, &environment);
    let builder = KubernetesSecretsBuilder::from_setup(setup).unwrap();
    let builder = builder.credential(KubernetesCredential::in_cluster_at(pod.folder()));
    crate::variable(&builder.build().unwrap(), "x").await
}

/// The difference: an id with an operator in it reads another's secret in Airflow.
#[tokio::test]
async fn an_id_that_is_no_label_reads_anothers_secret_in_airflow_alone() {
    let namespace = ApiServer::shared().await.namespace().await;
    namespace
        .secret("a", &[(VARIABLE, "pg")], &[("value", "theirs")])
        .await;
    let pod = namespace.pod("airflow").await;
    let variables = environment(&pod, &json!({}));
    let ids = ["=pg", "pg ", "pg,!x", "pg"];
    let questions: Vec<Question> = ids.map(|id| ("variable", id.to_owned(), None)).to_vec();
    let asked = (variables.clone(), questions.clone());
    let theirs = tokio::task::spawn_blocking(move || airflow(&asked.0, &asked.1));
    assert_eq!(theirs.await.unwrap(), vec![json!("theirs"); 4]);
    let backend = crate::in_pod(&pod).build().unwrap();
    let mut ours = Vec::new();
    for id in ids {
        ours.push(crate::variable(&backend, id).await.ok());
    }
    assert_eq!(ours, [None, None, None, Some("theirs".to_owned())]);
}

/// The API server sees the same request from both.
#[tokio::test]
async fn both_send_the_same_request() {
    let namespace = ApiServer::shared().await.namespace().await;
    let pod = namespace.pod("airflow").await;
    let variables = multi_team(environment(&pod, &json!({})));
    let questions = [
        ("connection", "x".to_owned(), Some("red")),
        ("variable", "A.B_c-9".to_owned(), None),
        ("config", "sql".to_owned(), None),
        // So that there is an answer.
        ("variable", "denied".to_owned(), None),
    ];
    assert_eq!(same(&pod, &variables, &questions).await, 1);
    let mut uris = namespace
        .lists()
        .into_iter()
        .map(|event| event["requestURI"].as_str().unwrap().to_owned())
        .collect::<Vec<_>>();
    assert_eq!(uris.len(), 10);
    // Both ask at the same time.
    uris.sort_unstable();
    let pairs = uris.chunks(2).map(|pair| (&pair[0], &pair[1]));
    pairs.for_each(|(one, other)| assert_eq!(one, other));
}
