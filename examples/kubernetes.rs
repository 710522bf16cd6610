//! A connection from Kubernetes Secrets: in a pod with its service account, elsewhere with the kubeconfig
//! that `kubectl` uses.
//!
//! ```sh
//! kubectl create secret generic pg --from-literal=value=postgres://user:password@db.example.com/sales
//! kubectl label secret pg airflow.apache.org/connection-id=pg
//! cargo run --example kubernetes --features kubernetes -- pg
//! ```
//!
//! In a pod, its service account needs this role:
//!
//! ```sh
//! kubectl create role airflow-secrets --verb=list --resource=secrets
//! kubectl create rolebinding airflow-secrets --role=airflow-secrets --serviceaccount=NAMESPACE:ACCOUNT
//! ```
#![allow(clippy::print_stdout)]

use airflow_secrets::{
    Environment, Resolver,
    backends::kubernetes::{KubernetesCredential, KubernetesSecretsBackend},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let conn_id = std::env::args().nth(1).unwrap_or("pg".to_owned());
    let environment = Environment::process();
    let credential = match environment.non_empty("KUBERNETES_SERVICE_HOST") {
        Some(_) => KubernetesCredential::in_cluster(),
        None => KubernetesCredential::default_kubeconfig(),
    };
    let kubernetes = KubernetesSecretsBackend::builder()
        .environment(&environment)
        .credential(credential);
    let resolver = Resolver::builder().backend(kubernetes.build()?).build();
    let connection = resolver.get_connection(&conn_id).await?;
    let (conn_type, host) = (connection.conn_type(), connection.host());
    println!(
        "{conn_id}: {conn_type:?} at {host:?}, from {}",
        connection.source()
    );
    Ok(())
}
