//! Where a lookup is made: every source that needs a Tokio runtime with I/O and timers says so
//! where there is none, and never panics. Nothing here is answered, so no server is needed.

// A test may panic: so it fails.
#![allow(clippy::unwrap_used)]

use airflow_secrets::{
    Environment, Failure, Lookup, SecretsBackend,
    backend::{FailureKind, LookupOptions, SkipReason},
    backends::{
        RetryOptions,
        astro::AstroBackend,
        aws::{SecretsManagerBackend, SystemsManagerParameterStoreBackend},
        azure::AzureKeyVaultBackend,
        execution_api::{ExecutionApiBackend, ExecutionApiCredential},
        gcp::CloudSecretManagerBackend,
        kubernetes::{KubernetesCredential, KubernetesSecretsBackend},
        metastore::MetastoreBackend,
        vault::VaultBackend,
    },
    settings::{BackendSetup, Kwargs},
};
use tokio::runtime::Builder;

const NEEDED: &str = "the lookup needs a Tokio runtime with I/O and timers: make it inside a \
                      runtime that was built with `enable_all()`, as `#[tokio::main]` does";

/// `{}`, `{"permissions": ["organizationId:o"]}` and a signature of none.
const ASTRO_TOKEN: &str = "e30.eyJwZXJtaXNzaW9ucyI6WyJvcmdhbml6YXRpb25JZDpvIl19.c2ln";

/// A backend of each kind, made outside any runtime; at none of the addresses does anybody answer.
fn backends() -> Vec<Box<dyn SecretsBackend>> {
    let environment = Environment::from_iter([
        ("AWS_ACCESS_KEY_ID", "AKIATEST"),
        ("AWS_SECRET_ACCESS_KEY", "marker"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_MAX_ATTEMPTS", "1"),
        ("AZURE_TENANT_ID", "00000000-0000-0000-0000-000000000000"),
        ("AZURE_CLIENT_ID", "client"),
        ("AZURE_CLIENT_SECRET", "marker"),
        ("SECRET_MANAGER_EMULATOR_HOST", "127.0.0.1:1"),
    ]);
    let setup = |kwargs: &str| {
        let kwargs = serde_json::from_str(kwargs).unwrap();
        BackendSetup::new(Kwargs::new("backend_kwargs", "test", kwargs), &environment)
    };
    let aws = r#"{"endpoint_url": "http://127.0.0.1:1"}"#;
    let vault = r#"{"url": "http://127.0.0.1:1", "token": "marker", "config_path": "config"}"#;
    let azure = r#"{"vault_url": "https://127.0.0.1:1"}"#;
    let gcp = r#"{"project_id": "project"}"#;
    let database = |url: &str| MetastoreBackend::builder().url(url).build().unwrap();
    let kubeconfig = r#"{"clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c"}}], "current-context": "x"}"#;
    let kubernetes = KubernetesSecretsBackend::builder()
        .credential(KubernetesCredential::kubeconfig_text(kubeconfig));
    let execution_api = ExecutionApiBackend::builder()
        .url("http://127.0.0.1:1/execution/")
        .credential(ExecutionApiCredential::token("marker"))
        .retries(RetryOptions::new().with_max_retries(0));
    // Nobody is a proxy there either.
    let nowhere = [("https_proxy", "http://127.0.0.1:1")];
    let astro = AstroBackend::builder()
        .environment(&Environment::from_iter(nowhere))
        .api_token(ASTRO_TOKEN)
        .deployment_id("d");
    let astro = astro.build().unwrap();
    vec![
        Box::new(astro.environment_variables(false)),
        Box::new(astro),
        Box::new(execution_api.build().unwrap()),
        Box::new(kubernetes.build().unwrap()),
        Box::new(VaultBackend::from_setup(setup(vault)).unwrap()),
        Box::new(SecretsManagerBackend::from_setup(setup(aws)).unwrap()),
        Box::new(SystemsManagerParameterStoreBackend::from_setup(setup(aws)).unwrap()),
        Box::new(AzureKeyVaultBackend::from_setup(setup(azure)).unwrap()),
        Box::new(CloudSecretManagerBackend::from_setup(setup(gcp)).unwrap()),
        Box::new(database("postgresql://user:marker@127.0.0.1:1/airflow")),
        Box::new(database("mysql://user:marker@127.0.0.1:1/airflow")),
    ]
}

/// What comes of every question that `backend` answers, each as its failure.
async fn failures(backend: &dyn SecretsBackend) -> Vec<Failure> {
    let options = LookupOptions::new();
    let ids = ["first", "second"];
    let mut failures = vec![
        failure(backend.get_conn_value("id", &options).await),
        failure(backend.get_connection("id", &options).await),
        failure(backend.get_variable("id", &options).await),
        failure(backend.get_config("id", &options).await),
    ];
    let connections = backend.get_connections(&ids, &options).await;
    failures.extend(connections.into_iter().map(failure));
    let variables = backend.get_variables(&ids, &options).await;
    failures.extend(variables.into_iter().map(failure));
    let configs = backend.get_configs(&ids, &options).await;
    failures.extend(configs.into_iter().map(failure));
    let failures = failures.into_iter().flatten().collect::<Vec<_>>();
    // A connection and a variable, by themselves and two at once.
    assert!(failures.len() >= 6, "{backend:?}");
    failures
}

/// `None` where `answer` is to a question that the backend never answers.
fn failure<T: std::fmt::Debug>(answer: Result<Lookup<T>, Failure>) -> Option<Failure> {
    match answer {
        Ok(Lookup::Skipped {
            reason: SkipReason::NotOffered,
            ..
        }) => None,
        answer => Some(answer.unwrap_err()),
    }
}

/// Asserts that every backend says what it needs, wherever `run` runs a lookup.
fn assert_says_what_it_needs(mut run: impl FnMut(&dyn SecretsBackend) -> Vec<Failure>) {
    for backend in backends() {
        for failure in run(backend.as_ref()) {
            let said = (failure.kind(), failure.message(), failure.is_transient());
            assert_eq!(
                said,
                (FailureKind::Configuration, NEEDED, false),
                "{backend:?}"
            );
            assert!(failure.native_key().is_some(), "{backend:?}");
        }
    }
}

#[test]
fn outside_a_tokio_runtime() {
    assert_says_what_it_needs(|backend| futures_executor::block_on(failures(backend)));
}

#[test]
fn in_a_runtime_without_io_and_timers() {
    let runtime = Builder::new_current_thread().build().unwrap();
    assert_says_what_it_needs(|backend| runtime.block_on(failures(backend)));
}

#[test]
fn in_a_runtime_without_timers() {
    let runtime = Builder::new_current_thread().enable_io().build().unwrap();
    assert_says_what_it_needs(|backend| runtime.block_on(failures(backend)));
}

#[test]
fn in_a_runtime_without_io() {
    let runtime = Builder::new_multi_thread().enable_time().build().unwrap();
    assert_says_what_it_needs(|backend| runtime.block_on(failures(backend)));
}

#[test]
fn a_backend_that_was_asked_in_the_wrong_place_works_in_the_right_one() {
    let bare = Builder::new_current_thread().build().unwrap();
    let whole = Builder::new_current_thread().enable_all().build().unwrap();
    for backend in backends() {
        let options = LookupOptions::new();
        let kind = |runtime: &tokio::runtime::Runtime| {
            let answer = runtime.block_on(backend.get_variable("id", &options));
            failure(answer).unwrap().kind()
        };
        let kinds = [kind(&bare), kind(&whole), kind(&bare)];
        // Nobody listens there, which only who is connected to the network can say.
        let expected = [
            FailureKind::Configuration,
            FailureKind::Unavailable,
            FailureKind::Configuration,
        ];
        assert_eq!(kinds, expected, "{backend:?}");
    }
}
