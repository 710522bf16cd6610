//! The same questions to the real Airflow and to our resolver, in the same environment, with the
//! same vault and token authority under their real names.

use serde_json::{Value, json};

use crate::{
    credentials,
    settings::CLASS,
    support::{
        key_vault::{Azure, VAULT},
        side_by_side::{Question, Variables, airflow, assert_same, settings, try_ours},
        token_authority::{
            CLIENT, CLIENT_SECRET, IDENTITY_HEADER, SUBJECT, TENANT, USER_ASSIGNED, certificate,
            federated_token, now, users_token,
        },
    },
};

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
    let mut kwargs = kwargs.clone();
    if kwargs["vault_url"].is_null() {
        kwargs["vault_url"] = VAULT.into();
    }
    let common = [
        ("AIRFLOW_CONN_ABSENT", "http://from-the-environment"),
        ("AIRFLOW_VAR_ABSENT", "from the environment"),
        ("AIRFLOW_VAR_DENIED", "from the environment"),
        ("AIRFLOW_VAR_TEXT", "hidden by the vault"),
        ("no_proxy", "127.0.0.1"),
    ];
    let mut all = azure.reach();
    all.extend(settings(CLASS, &kwargs, &[&common, variables].concat()));
    all
}

fn fill(azure: &Azure, prefixes: [&str; 3]) -> Vec<Question> {
    let mut questions = Vec::new();
    for (name, value) in VALUES {
        for (kind, prefix) in ["connection", "variable", "config"]
            .into_iter()
            .zip(prefixes)
        {
            azure.vault.put(&format!("{prefix}{name}"), value);
            questions.push((kind, (*name).to_owned(), None));
        }
    }
    for kind in ["connection", "variable", "config"] {
        for id in [
            "absent", "my_pg", "MY_PG", "a b", "größe", "a/b", "../text", "denied", "off",
        ] {
            questions.push((kind, id.to_owned(), None));
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
            questions.push(("connection", id.to_owned(), team));
            questions.push(("variable", id.to_owned(), team));
        }
        questions.push(("config", id.to_owned(), None));
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
    let authority = ("AZURE_AUTHORITY_HOST", "login.microsoftonline.com");
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
        // A pod without an identity of its own does not get its node's, unless that is asked for.
        (&none, &[imds, tenant, kubernetes, authority], false),
        (
            &none,
            &[
                imds,
                tenant,
                kubernetes,
                authority,
                only("ManagedIdentityCredential"),
            ],
            true,
        ),
        (&none, &[imds, tenant, kubernetes], true),
        (&none, &[imds, only("EnvironmentCredential")], false),
        (&none, &[imds, only("nonsense")], false),
        (&none, &[tenant, client, secret, authority], true),
    ];
    let mut questions = Vec::new();
    let mut answers = Vec::new();
    for (kwargs, variables, _) in cases {
        let environment = environment(&azure, kwargs, variables);
        // What Airflow's class refuses at each lookup is an error at the start here.
        let ours = try_ours(&environment, &[("variable", "colour".to_owned(), None)]).await;
        answers.push(ours.unwrap_or_else(|_| vec![Value::Null]));
        let kwargs = &environment["AIRFLOW__SECRETS__BACKEND_KWARGS"];
        let kwargs = serde_json::from_str::<Value>(kwargs).unwrap();
        let keys = ["colour"];
        questions.push(json!({
            "class": CLASS, "kwargs": kwargs, "environment": environment, "keys": keys,
        }));
    }
    let theirs = airflow(&Variables::new(), &questions);
    for (((case, theirs), ours), question) in cases.iter().zip(theirs).zip(answers).zip(&questions)
    {
        assert_eq!(json!(ours), theirs, "{question}");
        assert_eq!(ours == ["blue"], case.2, "{question}");
    }
}
