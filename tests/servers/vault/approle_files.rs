//! AppRole whose halves are in files, as an orchestrator or Vault Agent's configuration has them.

use std::path::Path;

use airflow_secrets::{
    Environment,
    backends::vault::{VaultBackend, VaultBuilder, VaultCredential},
    settings::{BackendSetup, Kwargs},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    support::{
        openbao::OpenBao,
        wire::{Answer, Queued},
    },
    variable, vault,
};

/// A server with a variable `x` and an AppRole that may read it; the two halves of that.
async fn server() -> (OpenBao, String, String) {
    let server = OpenBao::dev().await;
    server.mount_kv("airflow", 2).await;
    server
        .put("airflow", "variables/x", json!({"value": "v"}))
        .await;
    server.policy("reader", &["airflow/data/variables/*"]).await;
    server.enable_login("approle").await;
    let (role_id, secret_id) = server
        .approle("worker", json!({"token_policies": ["reader"]}))
        .await;
    (server, role_id, secret_id)
}

fn write(folder: &TempDir, name: &str, text: &str) -> std::path::PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

async fn read(builder: VaultBuilder) -> Result<String, String> {
    variable(&builder.build().unwrap(), "x").await
}

#[tokio::test]
async fn either_half_may_be_in_a_file_which_stays_there() {
    let (server, role_id, secret_id) = server().await;
    let folder = tempfile::tempdir().unwrap();
    let role_path = write(&folder, "role_id", &format!("{role_id}\n"));
    let secret_path = write(&folder, "secret_id", &format!(" {secret_id}\r\n"));
    for login in [
        VaultCredential::approle_path(role_id.as_str(), &secret_path),
        VaultCredential::approle_paths(&role_path, Some(secret_path.clone())),
    ] {
        assert_eq!(read(vault(&server.url, login)).await, Ok("v".into()));
    }
    assert!(role_path.exists() && secret_path.exists());
}

#[tokio::test]
async fn a_rotated_file_is_read_at_the_next_login() {
    let folder = tempfile::tempdir().unwrap();
    let (role_path, secret_path) = (
        write(&folder, "role_id", "role-1"),
        write(&folder, "secret_id", "secret-1"),
    );
    let short = |token: &str| {
        let auth = json!({"client_token": token, "lease_duration": 3600, "num_uses": 1});
        Answer::new(200, json!({ "auth": auth }).to_string())
    };
    let document = || Answer::document(json!({"value": "v"}));
    let server = Queued::with([short("s.1"), document(), short("s.2"), document()]).await;
    let login = VaultCredential::approle_paths(&role_path, Some(secret_path.clone()));
    let vault = vault(&server.url, login).build().unwrap();
    assert_eq!(variable(&vault, "x").await, Ok("v".into()));
    write(&folder, "role_id", "role-2");
    write(&folder, "secret_id", "secret-2");
    assert_eq!(variable(&vault, "x").await, Ok("v".into()));
    let requests = server.seen.all();
    let logins = requests.iter().filter(|request| request.method == "POST");
    let bodies = logins.map(|login| serde_json::from_str::<Value>(&login.body).unwrap());
    let expected = ["1", "2"]
        .map(|n| json!({"role_id": format!("role-{n}"), "secret_id": format!("secret-{n}")}));
    assert_eq!(bodies.collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn a_role_without_a_secret_id_sends_an_empty_one() {
    let folder = tempfile::tempdir().unwrap();
    let role_path = write(&folder, "role_id", "role");
    let answers = [
        Answer::login("s.1"),
        Answer::document(json!({"value": "v"})),
    ];
    let server = Queued::with(answers).await;
    let login = VaultCredential::approle_paths(&role_path, None);
    assert_eq!(read(vault(&server.url, login)).await, Ok("v".into()));
    let body = serde_json::from_str::<Value>(&server.seen.all()[0].body).unwrap();
    assert_eq!(body, json!({"role_id": "role", "secret_id": ""}));
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_named_with_its_half() {
    let folder = tempfile::tempdir().unwrap();
    let empty = write(&folder, "empty", " \n");
    let absent = Path::new("/no/such/file");
    for (login, what, path) in [
        (
            VaultCredential::approle_path("role", &empty),
            "secret_id",
            &*empty,
        ),
        (
            VaultCredential::approle_paths(absent, None),
            "role_id",
            absent,
        ),
    ] {
        let outcome = read(vault("http://127.0.0.1:9", login)).await.unwrap_err();
        let expected = format!(
            "Configuration: the {what} file {} cannot be used: ",
            path.display()
        );
        assert!(outcome.starts_with(&expected), "{outcome}");
    }
}

/// The names are those of Vault Agent's `approle` method.
#[tokio::test]
async fn settings_name_the_files_as_vaults_agent_does() {
    let (server, role_id, secret_id) = server().await;
    let folder = tempfile::tempdir().unwrap();
    let role_path = write(&folder, "role_id", &role_id);
    let secret_path = write(&folder, "secret_id", &secret_id);
    for arguments in [
        json!({"role_id": role_id, "secret_id_file_path": secret_path}),
        json!({"role_id_file_path": role_path, "secret_id": secret_id}),
        json!({"role_id_file_path": role_path, "secret_id_file_path": secret_path}),
    ] {
        let mut kwargs = arguments.as_object().unwrap().clone();
        kwargs.extend([
            ("url".to_owned(), json!(server.url)),
            ("auth_type".to_owned(), json!("approle")),
            ("mount_point".to_owned(), json!("airflow")),
        ]);
        let environment = Environment::default();
        let kwargs = Kwargs::new("[secrets] backend_kwargs", "test", kwargs);
        let backend = VaultBackend::from_setup(BackendSetup::new(kwargs, &environment)).unwrap();
        assert_eq!(variable(&backend, "x").await, Ok("v".into()), "{arguments}");
    }
}
