//! The Kubernetes Secrets backend against a real API server, and against local servers that check what is
//! sent: `scripts/install-tools` builds the API server.
#![allow(
    clippy::duplicate_mod,
    clippy::expect_used,
    clippy::format_push_string,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used
)]

#[allow(dead_code)]
#[path = "../../support"]
mod support {
    pub(crate) mod authority;
    pub(crate) mod example;
    pub(crate) mod kubernetes;
    pub(crate) mod log;
    pub(crate) mod ports;
    pub(crate) mod process;
    pub(crate) mod served;
    pub(crate) mod servers;
    pub(crate) mod side_by_side;
    pub(crate) mod wire;
}

mod checks;
mod conforms;
mod credentials;
mod example_run;
mod faults;
mod reads;
mod secrets_stay_secret;
mod settings;
mod side_by_side;
mod watches;

use airflow_secrets::{
    Environment, Failure, Lookup, Secret, SecretsBackend,
    backend::LookupOptions,
    backends::kubernetes::{
        KubernetesCredential, KubernetesSecretsBackend, KubernetesSecretsBuilder,
    },
};
use serde_json::json;

use self::support::{kubernetes::Pod, served::Served};

/// A builder for what a pod sees.
fn in_pod(pod: &Pod) -> KubernetesSecretsBuilder {
    KubernetesSecretsBackend::builder()
        .environment(&pod.variables().into_iter().collect::<Environment>())
        .credential(KubernetesCredential::in_cluster_at(pod.folder()))
}

/// A builder for a server at a local URL, whose namespace is `ns` and token `token`.
fn at(url: &str) -> KubernetesSecretsBuilder {
    KubernetesSecretsBackend::builder().credential(kubeconfig(url, &json!({"token": "token"})))
}

fn kubeconfig(url: &str, user: &serde_json::Value) -> KubernetesCredential {
    let text = json!({
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "ns"}}],
        "current-context": "x",
    });
    KubernetesCredential::kubeconfig_text(text.to_string())
}

/// A variable as a test likes it: its text, or what else happened.
async fn variable(backend: &KubernetesSecretsBackend, key: &str) -> Result<String, String> {
    outcome(backend.get_variable(key, &LookupOptions::new()).await)
}

fn outcome(looked_up: Result<Lookup<Secret>, Failure>) -> Result<String, String> {
    match looked_up {
        Ok(Lookup::Found { value, .. }) => Ok(value.expose().to_owned()),
        Ok(Lookup::Missing { reason, .. }) => Err(match reason {
            Some(reason) => format!("missing: {reason}"),
            None => "missing".to_owned(),
        }),
        Ok(Lookup::Skipped { reason, .. }) => Err(format!("skipped: {reason}")),
        Ok(other) => panic!("{other:?}"),
        Err(failure) => Err(format!("{:?}: {failure}", failure.kind())),
    }
}
