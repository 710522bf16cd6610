//! Every login, against a server that really knows it; GitHub's against queued answers.

use airflow_secrets::backends::vault::{VaultBuilder, VaultCredential};
use serde_json::json;

use crate::{
    support::{
        authority::authority,
        openbao::OpenBao,
        wire::{Answer, CountingProxy, Queued},
    },
    variable, vault,
};

/// The public half of a key that signed the tokens below; they end in 2100.
const PUBLIC_KEY: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE+BKUR9+eXg0hovdSvlGrPWpEQ6zp
jYxqfoNwu0Kkyaq/eVm0ZDJNyYSCwivRxOionqyIRdUiQRGp8ofq6hhKow==
-----END PUBLIC KEY-----";
/// Subject `worker`, audience `vault`.
const JWT: &str = "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJ3b3JrZXIiLCJhdWQiOiJ2YXVsdCIsImlhdCI6MSwibmJmIjoxLCJleHAiOjQxMDI0NDQ4MDB9.XblpKtoqVzr1dQ-49Qt5ksrzZwQi74ReAoRiFVOM3VW-eOcsCLQUWCSHi6qdR5PgmAehRJ9g6RpV6yzK7iHWTg";
/// The service account `worker` in the namespace `airflow`.
const POD_JWT: &str = "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJrdWJlcm5ldGVzL3NlcnZpY2VhY2NvdW50Iiwic3ViIjoic3lzdGVtOnNlcnZpY2VhY2NvdW50OmFpcmZsb3c6d29ya2VyIiwiaWF0IjoxLCJuYmYiOjEsImV4cCI6NDEwMjQ0NDgwMCwia3ViZXJuZXRlcy5pbyI6eyJuYW1lc3BhY2UiOiJhaXJmbG93Iiwic2VydmljZWFjY291bnQiOnsibmFtZSI6IndvcmtlciIsInVpZCI6InUtMSJ9fX0._PlPIRBQZIVOkNAX271QdIv5yZkY4HCeB7s9r4r6Srb-3jBUYK6M8U4T25ZGrkBtSua7bCzJ2IsUN9v_AVg9vQ";

/// A server with a variable `x` and a policy `reader` for it.
async fn server() -> OpenBao {
    let server = OpenBao::dev().await;
    server.mount_kv("airflow", 2).await;
    server
        .put("airflow", "variables/x", json!({"value": "v"}))
        .await;
    server.policy("reader", &["airflow/data/variables/*"]).await;
    server
}

async fn read(builder: VaultBuilder) -> Result<String, String> {
    variable(&builder.build().unwrap(), "x").await
}

async fn read_with(server: &OpenBao, login: VaultCredential) -> Result<String, String> {
    read(vault(&server.url, login)).await
}

fn assert_refused(outcome: &Result<String, String>, mount: &str) {
    let outcome = outcome.as_ref().unwrap_err();
    let start = format!("AccessDenied: the login at auth/{mount} was refused: check ");
    assert!(outcome.starts_with(&start), "{outcome}");
}

fn role() -> serde_json::Value {
    json!({"token_policies": ["reader"]})
}

#[tokio::test]
async fn approle_logs_in_with_and_without_a_secret_id() {
    let server = server().await;
    server.enable_login("approle").await;
    let (role_id, secret_id) = server.approle("worker", role()).await;
    let login = |secret_id: &str| VaultCredential::approle(role_id.as_str(), Some(secret_id));
    assert_eq!(read_with(&server, login(&secret_id)).await, Ok("v".into()));
    assert_refused(&read_with(&server, login("wrong")).await, "approle");

    let mut bare = role();
    bare["bind_secret_id"] = false.into();
    bare["token_bound_cidrs"] = json!(["127.0.0.1/32"]);
    server.post("auth/approle/role/bare", bare).await;
    let path = "auth/approle/role/bare/role-id";
    let bare_id = server.ask(reqwest::Method::GET, path, &json!(null)).await;
    let bare_id = bare_id["data"]["role_id"].as_str().unwrap();
    let login = VaultCredential::approle(bare_id, None::<&str>);
    assert_eq!(read_with(&server, login).await, Ok("v".into()));
}

#[tokio::test]
async fn a_wrapped_secret_id_is_unwrapped_once() {
    let server = server().await;
    server.enable_login("approle").await;
    let (role_id, _) = server.approle("worker", role()).await;
    let wrapped = server.wrapped_secret_id("worker").await;
    let login = || VaultCredential::approle_wrapped(role_id.as_str(), wrapped.as_str());
    assert_eq!(read_with(&server, login()).await, Ok("v".into()));
    let again = read_with(&server, login()).await.unwrap_err();
    assert!(again.contains("was unwrapped before"), "{again}");
}

#[tokio::test]
async fn a_login_method_may_be_mounted_anywhere() {
    let server = server().await;
    server
        .post("sys/auth/teams/data", json!({"type": "userpass"}))
        .await;
    let user = json!({"password": "p ä", "token_policies": ["reader"]});
    server.post("auth/teams/data/users/ann", user).await;
    let login = || VaultCredential::userpass("ann", "p ä");
    let mounted = login().mounted_at("/teams/data/");
    assert_eq!(read_with(&server, mounted).await, Ok("v".into()));
    let elsewhere = read_with(&server, login().mounted_at("nowhere")).await;
    assert_refused(&elsewhere, "nowhere");
    assert!(
        elsewhere
            .unwrap_err()
            .contains("the login method may not be mounted there")
    );
}

#[tokio::test]
async fn userpass_logs_in() {
    let server = server().await;
    server.enable_login("userpass").await;
    let user = json!({"password": "right", "token_policies": ["reader"]});
    server.post("auth/userpass/users/ann", user).await;
    assert_eq!(
        read_with(&server, VaultCredential::userpass("ann", "right")).await,
        Ok("v".into())
    );
    assert_refused(
        &read_with(&server, VaultCredential::userpass("ann", "wrong")).await,
        "userpass",
    );
}

#[tokio::test]
async fn a_token_is_used_as_it_is_and_never_looked_up() {
    let server = server().await;
    let token = server.token("reader", json!({})).await;
    let proxy = CountingProxy::before(&server.url).await;
    assert_eq!(
        read(vault(&proxy.url, VaultCredential::token(token))).await,
        Ok("v".into())
    );
    assert_eq!(proxy.seen.lines(), ["GET /v1/airflow/data/variables/x"]);
}

#[tokio::test]
async fn a_token_file_is_read_again_when_its_token_is_refused() {
    let server = server().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "s.revoked\n").unwrap();
    let vault = vault(&server.url, VaultCredential::token_path(file.path()))
        .build()
        .unwrap();
    let denied = variable(&vault, "x").await.unwrap_err();
    assert!(denied.starts_with("AccessDenied: denied"), "{denied}");
    let fresh = server.token("reader", json!({})).await;
    std::fs::write(file.path(), format!(" {fresh}\n")).unwrap();
    assert_eq!(variable(&vault, "x").await, Ok("v".into()));
}

#[tokio::test]
async fn a_token_file_that_cannot_be_read_is_named() {
    let server = server().await;
    let outcome = read_with(&server, VaultCredential::token_path("/no/such/file"))
        .await
        .unwrap_err();
    assert!(
        outcome.starts_with("Configuration: the token file /no/such/file cannot be used: "),
        "{outcome}"
    );
}

#[tokio::test]
async fn jwt_logs_in_with_a_token_or_its_file() {
    let server = server().await;
    server.enable_login("jwt").await;
    server
        .post(
            "auth/jwt/config",
            json!({"jwt_validation_pubkeys": [PUBLIC_KEY]}),
        )
        .await;
    let options = json!({
        "role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"],
        "token_policies": ["reader"],
    });
    server.post("auth/jwt/role/worker", options).await;
    assert_eq!(
        read_with(&server, VaultCredential::jwt("worker", format!(" {JWT}\n"))).await,
        Ok("v".into())
    );
    assert_refused(
        &read_with(&server, VaultCredential::jwt("worker", POD_JWT)).await,
        "jwt",
    );

    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "not yet there").unwrap();
    let builder = vault(
        &server.url,
        VaultCredential::jwt_path("worker", file.path()),
    );
    assert_refused(&read(builder.clone()).await, "jwt");
    std::fs::write(file.path(), format!("{JWT}\n")).unwrap();
    assert_eq!(read(builder).await, Ok("v".into()));
}

#[tokio::test]
async fn kubernetes_logs_in_with_the_pods_token() {
    let server = server().await;
    let review = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
        "status": {"authenticated": true, "user": {
            "username": "system:serviceaccount:airflow:worker", "uid": "u-1",
            "groups": ["system:serviceaccounts"],
        }},
    });
    let reviewer = Queued::with([Answer::new(201, review.to_string())]).await;
    server.enable_login("kubernetes").await;
    let config = json!({
        "kubernetes_host": reviewer.url, "token_reviewer_jwt": POD_JWT,
        "disable_local_ca_jwt": true, "kubernetes_ca_cert": authority().certificate_pem(),
    });
    server.post("auth/kubernetes/config", config).await;
    let options = json!({
        "bound_service_account_names": ["worker"],
        "bound_service_account_namespaces": ["airflow"],
        "audience": "",
        "token_policies": ["reader"],
    });
    server.post("auth/kubernetes/role/worker", options).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("{POD_JWT}\n")).unwrap();
    let login = || VaultCredential::kubernetes_with("worker", file.path());
    assert_eq!(read_with(&server, login()).await, Ok("v".into()));
    assert_eq!(
        reviewer.seen.lines(),
        ["POST /apis/authentication.k8s.io/v1/tokenreviews"]
    );
    let unknown = read_with(&server, login()).await;
    assert_refused(&unknown, "kubernetes");
}

#[tokio::test]
async fn github_logs_in_with_a_token_or_its_file() {
    let answers = || {
        [
            Answer::login("s.granted"),
            Answer::document(json!({"value": "v"})),
        ]
    };
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "ghp_1\n").unwrap();
    for login in [
        VaultCredential::github("ghp_1"),
        VaultCredential::github_path(file.path()),
    ] {
        let server = Queued::with(answers()).await;
        assert_eq!(read(vault(&server.url, login)).await, Ok("v".into()));
        let [login, read] = &server.seen.all()[..] else {
            panic!()
        };
        assert_eq!(
            (login.method.as_str(), login.path.as_str()),
            ("POST", "/v1/auth/github/login")
        );
        assert_eq!(login.body, r#"{"token":"ghp_1"}"#);
        assert_eq!(login.header("x-vault-token"), None);
        assert_eq!(login.header("x-vault-request"), Some("true"));
        assert_eq!(read.header("x-vault-token"), Some("s.granted"));
    }
}

#[tokio::test]
async fn the_namespace_is_that_of_the_login_too() {
    let server = Queued::with([Answer::login("t"), Answer::document(json!({"value": "v"}))]).await;
    let login = VaultCredential::approle("role", Some("secret"));
    assert_eq!(
        read(vault(&server.url, login).namespace("team")).await,
        Ok("v".into())
    );
    for request in server.seen.all() {
        assert_eq!(
            request.header("x-vault-namespace"),
            Some("team"),
            "{}",
            request.path
        );
    }
}

#[tokio::test]
async fn an_auth_mount_point_with_auth_in_it_is_named() {
    let server = server().await;
    server.enable_login("approle").await;
    let (role_id, secret_id) = server.approle("worker", role()).await;
    let login = VaultCredential::approle(role_id, Some(secret_id)).mounted_at("auth/approle");
    let refused = read_with(&server, login).await;
    assert_refused(&refused, "auth/approle");
    let words = "\"auth_mount_point\", which begins with \"auth/\": that is added, leave it out";
    assert!(refused.as_ref().unwrap_err().contains(words), "{refused:?}");
}

#[tokio::test]
async fn a_login_that_requires_mfa_is_a_failed_login_that_names_it() {
    let mfa = json!({"mfa_request_id": "1", "mfa_constraints": {"a": {"any": []}}});
    for (requirement, words) in [
        (mfa, "it requires multi-factor authentication (MFA)"),
        (json!(null), "Vault gave an empty token"),
    ] {
        let auth = json!({"client_token": "", "lease_duration": 0, "mfa_requirement": requirement});
        let login = Answer::new(200, json!({ "auth": auth }).to_string());
        let server = Queued::with([login]).await;
        let outcome = read(vault(&server.url, VaultCredential::userpass("ann", "p"))).await;
        let outcome = outcome.unwrap_err();
        let start = "AccessDenied: the login at auth/userpass failed: ";
        assert!(
            outcome.starts_with(start) && outcome.contains(words),
            "{outcome}"
        );
        assert_eq!(server.seen.lines(), ["POST /v1/auth/userpass/login/ann"]);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_token_file_that_is_no_regular_file_is_an_error() {
    let server = Queued::with([]).await;
    for path in ["/dev/zero", "/", "/dev/null", "/no/such/file"] {
        let outcome = read(vault(&server.url, VaultCredential::token_path(path))).await;
        let start = format!("Configuration: the token file {path} cannot be used: ");
        assert!(
            outcome.as_ref().unwrap_err().starts_with(&start),
            "{outcome:?}"
        );
    }
    assert_eq!(server.seen.lines(), Vec::<String>::new());
}

#[tokio::test]
async fn a_login_in_a_namespace_that_does_not_exist_names_it() {
    let server = server().await;
    let login = VaultCredential::approle("role", Some("secret"));
    let refused = read(vault(&server.url, login).namespace("nowhere")).await;
    assert_refused(&refused, "approle");
    let words = "\"namespace\", which does not exist";
    assert!(refused.as_ref().unwrap_err().contains(words), "{refused:?}");
}
