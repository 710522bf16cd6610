//! Logins that Vault passes on to a directory: LDAP and RADIUS, both real.

use airflow_secrets::backends::vault::VaultCredential;
use serde_json::json;

use crate::{
    support::{
        login_servers::{FreeRadius, Slapd},
        openbao::{OLD, OpenBao},
    },
    variable, vault,
};

async fn server() -> OpenBao {
    let server = OpenBao::dev_of(OLD).await;
    server.mount_kv("airflow", 2).await;
    server
        .put("airflow", "variables/x", json!({"value": "v"}))
        .await;
    server.policy("reader", &["airflow/data/variables/*"]).await;
    server
}

async fn read_with(server: &OpenBao, login: VaultCredential) -> Result<String, String> {
    variable(&vault(&server.url, login).build().unwrap(), "x").await
}

#[tokio::test]
async fn ldap_logs_in() {
    let (server, slapd) = (server().await, Slapd::start().await);
    server.enable_login("ldap").await;
    let config = json!({
        "url": slapd.url, "userdn": "dc=example,dc=org", "userattr": "cn",
        "token_policies": ["reader"],
    });
    server.post("auth/ldap/config", config).await;
    assert_eq!(
        read_with(&server, VaultCredential::ldap("ann", "right")).await,
        Ok("v".into())
    );
    let refused = read_with(&server, VaultCredential::ldap("ann", "wrong"))
        .await
        .unwrap_err();
    assert!(
        refused.starts_with("AccessDenied: the login at auth/ldap was refused"),
        "{refused}"
    );
}

#[tokio::test]
async fn radius_logs_in() {
    let (server, radius) = (server().await, FreeRadius::start().await);
    server.enable_login("radius").await;
    let config = json!({
        "host": "127.0.0.1", "port": radius.port, "secret": FreeRadius::SECRET,
        "unregistered_user_policies": "reader",
    });
    server.post("auth/radius/config", config).await;
    assert_eq!(
        read_with(&server, VaultCredential::radius("ann", "right")).await,
        Ok("v".into())
    );
    let refused = read_with(&server, VaultCredential::radius("ann", "wrong"))
        .await
        .unwrap_err();
    assert!(
        refused.starts_with("AccessDenied: the login at auth/radius was refused"),
        "{refused}"
    );
}
