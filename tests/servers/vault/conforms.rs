//! The conformance suite, on both versions of the KV engine.

use airflow_secrets::{
    backends::vault::{KvVersion, VaultCredential},
    testing::Conformance,
};
use serde_json::json;

use crate::{support::openbao::OpenBao, vault};

const URI: &str = "postgres://app:hunter2-marker@db/orders";

#[tokio::test]
async fn vault_conforms() {
    for (version, number) in [(KvVersion::V1, 1), (KvVersion::V2, 2)] {
        let server = OpenBao::dev().await;
        server.mount_kv("airflow", number).await;
        for (path, document) in [
            ("connections/pg", json!({"conn_uri": URI})),
            ("variables/colour", json!({"value": "a-blue-marker"})),
            ("variables/red/colour", json!({"value": "a-red-marker"})),
            ("config/key", json!({"value": "a-config-marker"})),
        ] {
            if version == KvVersion::V1 {
                server.post(&format!("airflow/{path}"), document).await;
            } else {
                server.put("airflow", path, document).await;
            }
        }
        let backend = vault(&server.url, VaultCredential::token("root"))
            .kv_engine_version(version)
            .multi_team(true)
            .use_team_secrets_path(true);
        let refused = vault(&server.url, VaultCredential::token("no-such-token"));
        Conformance::of(backend.build().unwrap())
            .connection("pg", URI)
            .variable("colour", "a-blue-marker")
            .team_variable("red", "colour", "a-red-marker")
            .config("key", "a-config-marker")
            .unreachable(refused.kv_engine_version(version).build().unwrap())
            .run()
            .await
            .unwrap();
    }
}
