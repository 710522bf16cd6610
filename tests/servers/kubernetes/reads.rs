//! Reads from a real API server.

use airflow_secrets::{Resolver, SecretsBackend, backend::LookupOptions};

use crate::{
    in_pod, outcome,
    support::kubernetes::{ApiServer, CONFIG, CONNECTION, TEAM, VARIABLE},
    variable,
};

#[tokio::test]
async fn a_pod_reads_what_has_its_labels() {
    let namespace = ApiServer::shared().await.namespace().await;
    let uri = "postgres://u:p%2Fw@h:5432/s?sslmode=require";
    namespace
        .secret("any-name", &[(CONNECTION, "pg")], &[("value", uri)])
        .await;
    namespace
        .secret("another", &[(VARIABLE, "colour")], &[("value", "blue")])
        .await;
    namespace
        .secret("a-third", &[(CONFIG, "sql")], &[("value", "sqlite://")])
        .await;
    let pod = namespace.pod("airflow").await;
    let resolver = Resolver::builder()
        .backend(in_pod(&pod).build().unwrap())
        .build();
    let pg = resolver.get_connection("pg").await.unwrap();
    assert_eq!(pg.get_uri().expose(), uri);
    let ns = &namespace.name;
    assert_eq!(
        pg.source().to_string(),
        format!("kubernetes_secrets: -n {ns} any-name")
    );
    let colour = resolver.get_variable("colour").await.unwrap();
    assert_eq!(colour.expose(), "blue");
    let sql = resolver.get_config("sql").await.unwrap();
    assert_eq!(sql.expose(), "sqlite://");
    let error = resolver.get_variable("shape").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "variable \"shape\" is not defined: kubernetes_secrets (-n {ns} -l \
             airflow.apache.org/variable-key=shape,!airflow.apache.org/team) missing"
        )
    );
}
