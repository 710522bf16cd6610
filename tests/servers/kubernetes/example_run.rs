//! The example, run as a user runs it.

use serde_json::json;

use crate::support::{
    example::{Run, run},
    kubernetes::{ApiServer, CONNECTION},
    side_by_side::Variables,
};

#[tokio::test]
async fn the_example_reads_a_connection_with_a_kubeconfig() {
    let server = ApiServer::shared().await;
    let namespace = server.namespace().await;
    let uri = "postgres://user:MARKER@db.example.com/sales";
    namespace
        .secret("pg", &[(CONNECTION, "pg")], &[("value", uri)])
        .await;
    let pod = namespace.pod("airflow").await;
    let folder = tempfile::tempdir().unwrap();
    server.authority.write(&folder.path().join("ca.pem"));
    let config = json!({
        "clusters": [
            {"name": "c", "cluster": {"server": server.url(), "certificate-authority": "ca.pem"}},
        ],
        "users": [{"name": "u", "user": {"token": pod.new_token().await}}],
        "contexts": [
            {"name": "x", "context": {"cluster": "c", "user": "u", "namespace": namespace.name}},
        ],
        "current-context": "x",
    });
    let path = folder.path().join("config");
    std::fs::write(&path, config.to_string()).unwrap();
    let variables = [("KUBECONFIG".to_owned(), path.display().to_string())];
    let variables = variables.into_iter().collect::<Variables>();
    let found = Run {
        code: Some(0),
        stdout: format!(
            "pg: Some(\"postgres\") at Some(\"db.example.com\"), from kubernetes_secrets: -n {} pg\n",
            namespace.name
        ),
        stderr: String::new(),
    };
    assert_eq!(run("kubernetes", &["pg"], &variables), found);
    assert_eq!(run("kubernetes", &[], &variables), found);
    let absent = run("kubernetes", &["absent"], &variables);
    assert_eq!((absent.code, absent.stdout.as_str()), (Some(1), ""));
    assert!(
        absent.stderr.contains("connection-id=absent"),
        "{}",
        absent.stderr
    );
    let nowhere = run("kubernetes", &[], &Variables::new());
    assert_eq!((nowhere.code, nowhere.stdout.as_str()), (Some(1), ""));
    assert!(nowhere.stderr.contains("KUBECONFIG"), "{}", nowhere.stderr);
}
