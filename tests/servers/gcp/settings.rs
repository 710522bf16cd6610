//! Airflow's settings: which are taken, which are refused, and with what words.

use airflow_secrets::{
    Resolver,
    backends::{
        HttpOptions,
        gcp::{CloudSecretManagerBackend, CloudSecretManagerBuilder, GcpCredential},
    },
};
use serde_json::{Value, json};

use crate::{
    Environment,
    support::{
        google::{key_file, payload, private_key},
        served::Served,
    },
};

pub(crate) const CLASS: &str =
    "airflow.providers.google.cloud.secrets.secret_manager.CloudSecretManagerBackend";

/// What Airflow's settings would be made to, or the error.
pub(crate) async fn resolver(
    kwargs: Value,
    environment: &[(&str, &str)],
) -> Result<Resolver, String> {
    let kwargs = kwargs.to_string();
    let environment = [
        ("AIRFLOW_HOME", "/nowhere"),
        ("AIRFLOW__SECRETS__BACKEND", CLASS),
        ("AIRFLOW__SECRETS__BACKEND_KWARGS", &kwargs),
        ("NO_GCE_CHECK", "true"),
    ]
    .into_iter()
    .chain(environment.iter().copied());
    let environment = environment.collect::<Environment>();
    let built = Resolver::from_environment(environment).build().await;
    built.map_err(|error| error.to_string())
}

async fn refusal(kwargs: Value, environment: &[(&str, &str)]) -> String {
    resolver(kwargs, environment).await.err().unwrap()
}

fn with(change: impl FnOnce(&mut Value)) -> Value {
    let mut key = key_file();
    change(&mut key);
    key
}

/// Asserts that each of these is refused, with the setting's name and these words.
async fn assert_refused<const N: usize>(cases: [(Value, &str, &str); N]) {
    for (kwargs, setting, message) in cases {
        let error = refusal(kwargs, &[]).await;
        let named = format!("[secrets] backend_kwargs {setting:?}");
        let named = if setting == "project_id" {
            "project_id".to_owned()
        } else {
            named
        };
        assert!(error.contains(&named), "{named}: {error}");
        assert!(error.contains(message), "{message}: {error}");
        assert!(
            error.contains("AIRFLOW__SECRETS__BACKEND_KWARGS"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn each_bad_setting_has_its_own_message() {
    let and = |more: Value| {
        let mut kwargs = json!({"gcp_keyfile_dict": key_file()});
        for (name, value) in more.as_object().unwrap() {
            kwargs[name] = value.clone();
        }
        kwargs
    };
    assert_refused([
        (
            and(json!({"nope": 1})),
            "nope",
            "unknown argument; known arguments: connections_prefix,",
        ),
        (
            and(json!({"connections_prefix": "a/b"})),
            "connections_prefix",
            "is invalid: the name of a secret has only",
        ),
        (
            and(json!({"variables_prefix": "a/b"})),
            "variables_prefix",
            "is invalid: the name of a secret has only",
        ),
        (
            and(json!({"config_prefix": "a.b"})),
            "config_prefix",
            "is invalid: the name of a secret has only",
        ),
        (
            and(json!({"sep": "/"})),
            "sep",
            "is invalid: the name of a secret has only",
        ),
        (and(json!({"sep": null})), "sep", "must be a text"),
        (
            and(json!({"variables_prefix": 5})),
            "variables_prefix",
            "must be a text or null",
        ),
        (
            and(json!({"gcp_key_path": "/k.json"})),
            "gcp_keyfile_dict",
            "is set as well as",
        ),
        (
            and(json!({"gcp_credential_config_file": "/k.json"})),
            "gcp_credential_config_file",
            "is set as well as",
        ),
        (
            and(json!({"gcp_scopes": 5})),
            "gcp_scopes",
            "must be a text or a list of texts",
        ),
        (
            and(json!({"gcp_scopes": [5]})),
            "gcp_scopes",
            "must be a text or a list of texts",
        ),
        (
            and(json!({"project_id": true})),
            "project_id",
            "must be a text",
        ),
        (
            and(json!({"project_id": "a/b"})),
            "project_id",
            "is not a project id",
        ),
        (
            and(json!({"impersonation_chain": 5})),
            "impersonation_chain",
            "must be a text or a list of texts",
        ),
        (
            and(json!({"impersonation_chain": "nobody"})),
            "impersonation_chain",
            "is not the email",
        ),
        (
            and(json!({"impersonation_chain": "a/b@c.d"})),
            "impersonation_chain",
            "contains a character",
        ),
    ])
    .await;
}

#[tokio::test]
async fn each_bad_key_has_its_own_message() {
    assert_refused([
        (
            json!({"gcp_keyfile_dict": "no json"}),
            "gcp_keyfile_dict",
            "is not JSON (line 1, column 2)",
        ),
        (
            json!({"gcp_keyfile_dict": "[]"}),
            "gcp_keyfile_dict",
            "is JSON, but no object",
        ),
        (
            json!({"gcp_keyfile_dict": 5}),
            "gcp_keyfile_dict",
            "must be what a key file holds",
        ),
        (
            json!({"gcp_keyfile_dict": {"type": "authorized_user"}}),
            "gcp_keyfile_dict",
            "is of type \"authorized_user\", and a key must be of type \"service_account\"",
        ),
        (
            json!({"gcp_keyfile_dict": with(|key| { key["client_email"].take(); })}),
            "gcp_keyfile_dict",
            "lacks the text \"client_email\"",
        ),
        (
            json!({"gcp_keyfile_dict": with(|key| key["universe_domain"] = 5.into())}),
            "gcp_keyfile_dict",
            "has a \"universe_domain\" that is not text",
        ),
        (
            json!({"gcp_keyfile_dict": with(|key| key["private_key"] = "broken".into())}),
            "gcp_keyfile_dict",
            "has a \"private_key\" that is broken",
        ),
        (
            json!({"gcp_keyfile_dict": with(|key| key["private_key"] = private_key()[..200].into())}),
            "gcp_keyfile_dict",
            "has a \"private_key\" that is broken",
        ),
        (
            json!({"gcp_keyfile_dict": with(|key| { key["project_id"].take(); })}),
            "project_id",
            "no project is set: give \"project_id\"",
        ),
    ])
    .await;
}

#[tokio::test]
async fn each_bad_file_has_its_own_message() {
    assert_refused([
        (
            json!({"gcp_key_path": "/nowhere.json"}),
            "gcp_key_path",
            "/nowhere.json cannot be read: No such file or directory",
        ),
        (
            json!({"gcp_key_path": "/nowhere.p12"}),
            "gcp_key_path",
            "ending in .json",
        ),
        (
            json!({"gcp_credential_config_file": "/nowhere"}),
            "gcp_credential_config_file",
            "/nowhere cannot be read",
        ),
        (
            json!({"gcp_credential_config_file": "{"}),
            "gcp_credential_config_file",
            "is not JSON",
        ),
        (
            json!({"gcp_credential_config_file": {"a": 1}}),
            "gcp_credential_config_file",
            "has no \"type\"; known are",
        ),
        (
            json!({"gcp_credential_config_file": {"type": "gdch_service_account"}}),
            "gcp_credential_config_file",
            "is of type \"gdch_service_account\"; known are service_account, authorized_user,",
        ),
        (
            json!({"gcp_credential_config_file": {"type": "impersonated_service_account",
                "service_account_impersonation_url": "u"}}),
            "gcp_credential_config_file",
            "lacks the object \"source_credentials\"",
        ),
        (
            json!({"gcp_credential_config_file": {"type": "external_account", "audience": "a",
                "subject_token_type": "t", "token_url": "u"}}),
            "gcp_credential_config_file",
            "lacks the object \"credential_source\"",
        ),
    ])
    .await;
}

#[tokio::test]
async fn each_bad_default_file_is_named_with_what_leads_to_it() {
    let home = tempfile::tempdir().unwrap();
    let gcloud = home.path().join(".config/gcloud");
    std::fs::create_dir_all(&gcloud).unwrap();
    let home = home.path().display().to_string();
    let named = format!("{home}/named.json");
    let of_gcloud = format!("{home}/.config/gcloud/application_default_credentials.json");
    let broken = with(|key| key["private_key"] = "MARKER".into());
    for (content, why) in [
        ("MARKER".to_owned(), "is not JSON (line 1, column 1)"),
        ("[\"MARKER\"]".to_owned(), "is JSON, but no object"),
        (broken.to_string(), "has a \"private_key\" that is broken"),
        (
            r#"{"type": "authorized_user", "client_secret": "MARKER"}"#.to_owned(),
            "lacks the text \"client_id\"",
        ),
        (
            r#"{"type": "key"}"#.to_owned(),
            "is of type \"key\"; known are",
        ),
    ] {
        for (path, variable, what) in [
            (
                &named,
                ("GOOGLE_APPLICATION_CREDENTIALS", &named),
                "GOOGLE_APPLICATION_CREDENTIALS (the environment)",
            ),
            (
                &of_gcloud,
                ("HOME", &home),
                "Application Default Credentials (gcloud's file)",
            ),
        ] {
            std::fs::write(path, &content).unwrap();
            let project = json!({"project_id": "p"});
            let error = refusal(project, &[(variable.0, variable.1)]).await;
            let expected = format!("{what}: {path} {why}");
            assert!(error.starts_with(&expected), "{error}");
            assert!(!error.contains("MARKER"), "{error}");
        }
    }
}

#[tokio::test]
async fn the_environments_bad_settings_are_named_as_its_own() {
    let project = json!({"project_id": "p"});
    for (variable, value, message) in [
        (
            "GOOGLE_APPLICATION_CREDENTIALS",
            "/nowhere.json",
            "/nowhere.json cannot be read",
        ),
        (
            "SECRET_MANAGER_EMULATOR_HOST",
            "http://localhost:1",
            "must be host:port",
        ),
        (
            "SECRET_MANAGER_EMULATOR_HOST",
            "user@localhost:1",
            "must be host:port",
        ),
    ] {
        let error = refusal(project.clone(), &[(variable, value)]).await;
        assert!(
            error.starts_with(&format!("{variable} (the environment): ")),
            "{error}"
        );
        assert!(error.contains(message), "{error}");
    }
    let error = refusal(project, &[]).await;
    assert!(
        error.starts_with("gcp_key_path (not given): no credentials were found: ")
            && error.contains("NO_GCE_CHECK rules out a metadata server"),
        "{error}"
    );
    // An emulator needs no credentials, but a project.
    let emulator = ("SECRET_MANAGER_EMULATOR_HOST", "localhost:1");
    let error = refusal(json!({}), &[emulator]).await;
    assert!(
        error.starts_with("project_id (not given): no project is set"),
        "{error}"
    );
    let with_project = [emulator, ("GOOGLE_CLOUD_PROJECT", "p")];
    assert!(resolver(json!({}), &with_project).await.is_ok());
}

/// Google's library looks at some members only once it makes the client.
#[tokio::test]
async fn a_member_that_only_googles_library_refuses_is_told_with_its_setting() {
    let pod = json!({
        "type": "external_account", "audience": "a", "subject_token_type": "t",
        "token_url": "http://127.0.0.1:1/", "credential_source": {"file": 5},
    });
    let kwargs = json!({"project_id": "p", "gcp_credential_config_file": pod});
    let resolver = resolver(kwargs, &[]).await.unwrap();
    let error = resolver.get_variable("x").await.unwrap_err().to_string();
    let expected = "the credentials of [secrets] backend_kwargs \"gcp_credential_config_file\" \
                    (AIRFLOW__SECRETS__BACKEND_KWARGS) cannot be used: a field is missing";
    assert!(error.contains(expected), "{error}");
}

#[tokio::test]
async fn what_python_takes_for_false_is_not_given() {
    for nothing in [
        json!(null),
        json!(""),
        json!({}),
        json!([]),
        json!(0),
        json!(false),
    ] {
        let kwargs = json!({
            "gcp_keyfile_dict": key_file(), "gcp_key_path": nothing,
            "gcp_credential_config_file": nothing, "gcp_scopes": nothing, "project_id": nothing,
            "impersonation_chain": nothing, "context": {},
        });
        assert!(resolver(kwargs, &[]).await.is_ok(), "{nothing}");
    }
}

#[tokio::test]
async fn a_key_may_be_pasted_into_a_variable_as_its_text() {
    let text = key_file().to_string();
    let kwargs = format!("{{\"gcp_keyfile_dict\": {}}}", json!(text));
    assert!(
        resolver(serde_json::from_str(&kwargs).unwrap(), &[])
            .await
            .is_ok()
    );
    // As Astro's guide has it: the text itself, expanded within the JSON.
    let environment = [
        ("AIRFLOW_HOME", "/nowhere"),
        ("AIRFLOW__SECRETS__BACKEND", CLASS),
        (
            "AIRFLOW__SECRETS__BACKEND_KWARGS",
            r#"{"gcp_keyfile_dict": $SECRET_VAR_SERVICE_ACCOUNT}"#,
        ),
        ("SECRET_VAR_SERVICE_ACCOUNT", &text),
    ];
    let environment = environment.into_iter().collect::<Environment>();
    assert!(
        Resolver::from_environment(environment)
            .build()
            .await
            .is_ok()
    );
    // And as an argument of its own, which stays text.
    let environment = [
        ("AIRFLOW_HOME", "/nowhere"),
        ("AIRFLOW__SECRETS__BACKEND", CLASS),
        ("AIRFLOW__SECRETS__BACKEND_KWARG__GCP_KEYFILE_DICT", &text),
    ];
    let environment = environment.into_iter().collect::<Environment>();
    let built = Resolver::from_environment(environment).build().await;
    assert!(built.is_ok(), "{:?}", built.err());
}

#[test]
fn a_proxy_that_cannot_be_used_is_refused() {
    let options = HttpOptions::new().with_proxy("socks5://user:MARKER@proxy:1");
    let error = builder_of_nobody().http(options).build().unwrap_err();
    assert_eq!((error.setting(), error.origin()), ("proxy", "HttpOptions"));
    assert!(!error.to_string().contains("MARKER"), "{error}");
}

fn builder_of_nobody() -> CloudSecretManagerBuilder {
    CloudSecretManagerBackend::builder()
        .project_id("p")
        .credential(GcpCredential::anonymous())
}

#[tokio::test]
async fn a_universe_of_ones_own_is_that_of_the_credentials() {
    let server = Served::by(|_| payload("v")).await;
    let key = with(|key| key["universe_domain"] = "example.com".into());
    let builder = CloudSecretManagerBackend::builder()
        .endpoint(&server.url)
        .credential(GcpCredential::key(key.to_string()));
    for builder in [builder.clone(), builder.universe_domain("example.com")] {
        let found = crate::variable(&builder.build().unwrap(), "x").await;
        assert_eq!(found, Ok("v".into()));
    }
}

#[test]
fn another_universe_than_the_credentials_is_refused() {
    for (of_key, of_code, of_environment, refused) in [
        (
            Some("example.com"),
            Some("example.org"),
            None,
            "universe_domain",
        ),
        (
            Some("example.com"),
            None,
            Some("example.org"),
            "GOOGLE_CLOUD_UNIVERSE_DOMAIN",
        ),
        (None, Some("example.org"), None, "universe_domain"),
        (
            None,
            None,
            Some("example.org"),
            "GOOGLE_CLOUD_UNIVERSE_DOMAIN",
        ),
    ] {
        let key = with(|key| key["universe_domain"] = json!(of_key));
        let environment = of_environment.map(|domain| ("GOOGLE_CLOUD_UNIVERSE_DOMAIN", domain));
        let mut builder = CloudSecretManagerBackend::builder()
            .environment(&environment.into_iter().collect())
            .credential(GcpCredential::key(key.to_string()));
        if let Some(domain) = of_code {
            builder = builder.universe_domain(domain);
        }
        let error = builder.build().unwrap_err();
        assert_eq!(error.setting(), refused);
        let expected = "is not the universe domain of the credentials";
        assert!(error.message().starts_with(expected), "{error}");
    }
}

#[test]
fn an_endpoint_is_a_url_of_a_host_and_no_more() {
    for endpoint in [
        "localhost:1",
        "ftp://h",
        "http://",
        "https://user:password@h",
        "https://h?a",
        "https://h#a",
    ] {
        let built = CloudSecretManagerBackend::builder()
            .endpoint(endpoint)
            .project_id("p")
            .credential(GcpCredential::anonymous())
            .build();
        let error = built.unwrap_err();
        assert_eq!(error.setting(), "endpoint", "{endpoint}");
        assert!(!error.to_string().contains("password"), "{error}");
    }
}

#[test]
fn an_endpoint_for_impersonation_that_nobody_would_ask_is_refused() {
    let builder = builder_of_nobody().iam_credentials_endpoint("https://iam.example.com");
    let error = builder.clone().build().unwrap_err();
    assert_eq!(error.setting(), "iam_credentials_endpoint");
    let used = builder.impersonation_chain(["a@q.iam.gserviceaccount.com"]);
    assert!(used.build().is_ok());
}
