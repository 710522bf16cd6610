//! The same questions to the real Airflow and to our resolver, in the same environment, with the
//! same vault and token authority under their real names.

use std::{
    collections::BTreeMap,
    io::Write as _,
    process::{Command, Stdio},
};

use airflow_secrets::{Connection, Environment, Error, Resolved, Resolver, Secret};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    credentials,
    support::{
        key_vault::{Azure, VAULT},
        process::tool,
        token_authority::{
            CLIENT, CLIENT_SECRET, IDENTITY_HEADER, SUBJECT, TENANT, USER_ASSIGNED, certificate,
            federated_token, now, users_token,
        },
    },
};

pub(crate) type Variables = BTreeMap<String, String>;

/// One question: its kind, its id, and the team that asks.
pub(crate) type Question = (&'static str, &'static str, Option<&'static str>);

/// What secrets hold, each under a name of its own.
const VALUES: &[(&str, &str)] = &[
    ("text", "text"),
    ("empty", ""),
    ("white", " white \n"),
    ("uri", "postgres://u:p%2Fw@h:5432/s?sslmode=require&a=1"),
    (
        "json",
        r#"{"conn_type": "http", "host": "h", "port": 80, "extra": {"a": [1]}}"#,
    ),
    ("broken", "{\"conn_type\": "),
    ("umlaut", "größe 日本"),
    ("my-pg", "mysql://h"),
];

fn environment(azure: &Azure, kwargs: &Value, variables: &[(&str, &str)]) -> Variables {
    let mut all = azure.reach();
    let mut kwargs = kwargs.clone();
    if kwargs["vault_url"].is_null() {
        kwargs["vault_url"] = VAULT.into();
    }
    let backend = "airflow.providers.microsoft.azure.secrets.key_vault.AzureKeyVaultBackend";
    let kwargs = kwargs.to_string();
    let common = [
        ("AIRFLOW__SECRETS__BACKEND", backend),
        ("AIRFLOW__SECRETS__BACKEND_KWARGS", &kwargs),
        (
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
            "sqlite:////nowhere/airflow.db",
        ),
        ("AIRFLOW_CONN_ABSENT", "http://from-the-environment"),
        ("AIRFLOW_VAR_ABSENT", "from the environment"),
        ("AIRFLOW_VAR_DENIED", "from the environment"),
        ("AIRFLOW_VAR_TEXT", "hidden by the vault"),
        ("no_proxy", "127.0.0.1"),
    ];
    for (name, value) in common.iter().chain(variables) {
        all.insert((*name).to_owned(), (*value).to_owned());
    }
    all
}

fn airflow(variables: &Variables, questions: &[impl Serialize]) -> Vec<Value> {
    let home = tempfile::tempdir().unwrap();
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/conformance/azure_answers.py"
    );
    let mut child = Command::new(tool("airflow3/bin/python"))
        .arg(script)
        .env_clear()
        .env("AIRFLOW_HOME", home.path())
        .envs(variables)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let lines = questions
        .iter()
        .map(|question| json!(question).to_string() + "\n");
    let lines = lines.collect::<String>();
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let answers = stdout
        .lines()
        .filter_map(|line| line.strip_prefix("answer:"));
    let answers = answers.map(|line| serde_json::from_str(line).unwrap());
    let answers = answers.collect::<Vec<_>>();
    assert_eq!(answers.len(), questions.len(), "{stdout}");
    answers
}

pub(crate) async fn ours(variables: &Variables, questions: &[Question]) -> Vec<Value> {
    let home = tempfile::tempdir().unwrap();
    let home = ("AIRFLOW_HOME".to_owned(), home.path().display().to_string());
    let environment = variables.clone().into_iter().chain([home]);
    let environment = environment.collect::<Environment>();
    // What Airflow's class refuses at each lookup is an error at the start here.
    let Ok(resolver) = Resolver::from_environment(environment).build().await else {
        return vec![Value::Null; questions.len()];
    };
    let mut answers = Vec::new();
    for (kind, id, team) in questions {
        let resolver = match team {
            Some(team) => resolver.clone().for_team(team).unwrap(),
            None => resolver.clone(),
        };
        answers.push(match *kind {
            "connection" => connection(resolver.get_connection(id).await),
            "variable" => text(resolver.get_variable(id).await),
            _ => text(resolver.get_config(id).await),
        });
    }
    answers
}

fn text(answer: Result<Resolved<Secret>, Error>) -> Value {
    answer.map_or(Value::Null, |secret| secret.expose().into())
}

fn connection(answer: Result<Resolved<Connection>, Error>) -> Value {
    let secret = |secret: Option<&Secret>| secret.map(|secret| secret.expose().to_owned());
    answer.map_or(Value::Null, |found| {
        json!({
            "conn_type": found.conn_type(), "description": found.description(),
            "host": found.host(), "login": found.login(), "password": secret(found.password()),
            "schema": found.schema(), "port": found.port(), "extra": secret(found.extra()),
            "uri": found.get_uri().expose(),
        })
    })
}

/// Asserts that the answers are the same; gives how many there are.
pub(crate) async fn assert_same(variables: &Variables, questions: &[Question]) -> usize {
    let theirs = airflow(variables, questions);
    let ours = ours(variables, questions).await;
    for ((question, theirs), ours) in questions.iter().zip(&theirs).zip(&ours) {
        assert_eq!(ours, theirs, "{question:?}");
    }
    theirs.iter().filter(|answer| !answer.is_null()).count()
}

fn fill(azure: &Azure, prefixes: [&str; 3]) -> Vec<Question> {
    let mut questions = Vec::new();
    for (name, value) in VALUES {
        for (kind, prefix) in ["connection", "variable", "config"].iter().zip(prefixes) {
            azure.vault.put(&format!("{prefix}{name}"), value);
            questions.push((*kind, *name, None));
        }
    }
    for kind in ["connection", "variable", "config"] {
        for id in [
            "absent", "my_pg", "MY_PG", "a b", "größe", "a/b", "../text", "denied", "off",
        ] {
            questions.push((kind, id, None));
        }
    }
    questions
}

#[tokio::test]
async fn values_of_every_kind_and_names_that_cannot_be() {
    let azure = Azure::start();
    let prefixes = [
        "airflow-connections-",
        "airflow-variables-",
        "airflow-config-",
    ];
    let questions = fill(&azure, prefixes);
    for prefix in prefixes {
        azure.vault.deny(&format!("{prefix}denied"));
        azure
            .vault
            .version(&format!("{prefix}off"), "disabled", false, None);
    }
    let variables = environment(&azure, &json!({}), &Azure::principal());
    assert_eq!(assert_same(&variables, &questions).await, 31);
}

#[tokio::test]
async fn prefixes_and_separators() {
    for (kwargs, prefixes) in [
        (
            json!({"connections_prefix": "", "variables_prefix": "v_v--", "config_prefix": null}),
            ["", "v-v-", "unused-"],
        ),
        (
            json!({"sep": "", "connections_prefix": "c", "variables_prefix": null}),
            ["c", "unused-", "airflow-config"],
        ),
    ] {
        let azure = Azure::start();
        let questions = fill(&azure, prefixes);
        let variables = environment(&azure, &kwargs, &Azure::principal());
        assert!(assert_same(&variables, &questions).await > 15);
    }
}

#[tokio::test]
async fn teams() {
    let azure = Azure::start();
    for name in [
        "plain",
        "red-team--plain",
        "red-team--own",
        "deep-plain",
        "other--plain",
    ] {
        azure.vault.put(&format!("airflow-variables-{name}"), name);
        azure.vault.put(
            &format!("airflow-connections-{name}"),
            &format!("http://{name}"),
        );
        azure.vault.put(&format!("airflow-config-{name}"), name);
    }
    let mut questions: Vec<Question> = Vec::new();
    for id in [
        "plain",
        "own",
        "deep_plain",
        "red_team--plain",
        "other__plain",
        "absent",
    ] {
        for team in [None, Some("red_team"), Some("blue_team")] {
            questions.push(("connection", id, team));
            questions.push(("variable", id, team));
        }
        questions.push(("config", id, None));
    }
    let multi_team = [
        &Azure::principal()[..],
        &[("AIRFLOW__CORE__MULTI_TEAM", "True")],
    ]
    .concat();
    let variables = environment(&azure, &json!({}), &multi_team);
    assert!(assert_same(&variables, &questions).await > 15);
}

/// Arguments, variables, and whether they give a token.
type Case<'a> = (&'a Value, &'a [(&'a str, &'a str)], bool);

/// With each way to log in, and with those that fail.
#[tokio::test]
async fn credentials() {
    let azure = Azure::start();
    azure.vault.put("airflow-variables-colour", "blue");
    let pem = azure.file("client.pem", &certificate(false));
    let pem = pem.display().to_string();
    let token = azure.file("token", &federated_token(SUBJECT));
    let token = token.display().to_string();
    let base = format!("http://{}", azure.address);
    let app_service = format!("{base}/msi/token");
    let tenant = ("AZURE_TENANT_ID", TENANT);
    let client = ("AZURE_CLIENT_ID", CLIENT);
    let secret = ("AZURE_CLIENT_SECRET", CLIENT_SECRET);
    let wrong = ("AZURE_CLIENT_SECRET", "wrong");
    let imds = ("AZURE_POD_IDENTITY_AUTHORITY_HOST", base.as_str());
    let unknown = ("AZURE_CLIENT_ID", "unknown");
    let only = |name| ("AZURE_TOKEN_CREDENTIALS", name);
    let triple = json!({"tenant_id": TENANT, "client_id": CLIENT, "client_secret": CLIENT_SECRET});
    let half = json!({"tenant_id": TENANT, "client_id": CLIENT});
    let pair = json!({
        "managed_identity_client_id": USER_ASSIGNED, "workload_identity_tenant_id": TENANT,
    });
    let pair_of_principal = json!({
        "managed_identity_client_id": CLIENT, "workload_identity_tenant_id": TENANT,
    });
    let az = json!({
        "accessToken": users_token(), "expires_on": now() + 3600, "tokenType": "Bearer",
    });
    let path = credentials::tool(&azure, "az", &az.to_string());
    let half_a_pair = json!({"managed_identity_client_id": "unknown"});
    let none = json!({});
    let kubernetes = ("AZURE_FEDERATED_TOKEN_FILE", token.as_str());
    let certificate = ("AZURE_CLIENT_CERTIFICATE_PATH", pem.as_str());
    let app = [
        ("IDENTITY_ENDPOINT", app_service.as_str()),
        ("IDENTITY_HEADER", IDENTITY_HEADER),
    ];
    let cases: &[Case<'_>] = &[
        (&triple, &[], true),
        (&none, &[tenant, client, secret], true),
        (&half, &[imds, unknown], false),
        (&none, &[tenant, client, wrong], false),
        (&none, &[tenant, client, certificate], true),
        (&none, &[tenant, client, kubernetes], true),
        (&none, &app, true),
        (&none, &[imds], true),
        (&pair, &[imds, unknown], true),
        (&half_a_pair, &[imds], true),
        (&none, &[imds, unknown], false),
        (&pair_of_principal, &[kubernetes], true),
        (&none, &[imds, unknown, ("PATH", &path)], true),
        (
            &none,
            &[imds, unknown, ("PATH", &path), only("prod")],
            false,
        ),
        // A wrong secret ends the chain; a missing variable does not.
        (&none, &[imds, tenant, client, wrong], false),
        (&none, &[imds, tenant, wrong], true),
        (&none, &[imds, only("prod")], true),
        (&none, &[imds, only(" ManagedIdentityCredential ")], true),
        (&none, &[imds, only("dev")], false),
        (&none, &[imds, only("EnvironmentCredential")], false),
        (&none, &[imds, only("nonsense")], false),
        (
            &none,
            &[
                tenant,
                client,
                secret,
                ("AZURE_AUTHORITY_HOST", "login.microsoftonline.com"),
            ],
            true,
        ),
    ];
    let mut questions = Vec::new();
    let mut answers = Vec::new();
    for (kwargs, variables, _) in cases {
        let environment = environment(&azure, kwargs, variables);
        answers.push(ours(&environment, &[("variable", "colour", None)]).await);
        let kwargs = &environment["AIRFLOW__SECRETS__BACKEND_KWARGS"];
        let kwargs = serde_json::from_str::<Value>(kwargs).unwrap();
        let keys = ["colour"];
        questions.push(json!({"environment": environment, "kwargs": kwargs, "keys": keys}));
    }
    let theirs = airflow(&BTreeMap::new(), &questions);
    for (((case, theirs), ours), question) in cases.iter().zip(theirs).zip(answers).zip(&questions)
    {
        assert_eq!(json!(ours), theirs, "{question}");
        assert_eq!(ours == ["blue"], case.2, "{question}");
    }
}
