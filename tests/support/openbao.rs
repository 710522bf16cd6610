//! A real OpenBao, and what an operator does to it.

use std::time::Duration;

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    ports::free_port,
    process::{Process, tool, until},
};

/// The version that most tests run against.
pub(crate) const NEW: &str = "openbao-2.7/bin/bao";
/// The last that builds in the logins `ldap` and `radius`.
pub(crate) const OLD: &str = "openbao-2.6/bin/bao";

/// A running server. Its root token is `root`.
#[derive(Debug)]
pub(crate) struct OpenBao {
    pub(crate) url: String,
    pub(crate) root: String,
    http: Client,
    process: Process,
    folder: TempDir,
}

impl OpenBao {
    /// A server in memory, unsealed, without TLS.
    pub(crate) async fn dev() -> Self {
        Self::dev_of(NEW).await
    }

    pub(crate) async fn dev_of(version: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let address = format!("-dev-listen-address=127.0.0.1:{port}");
        let arguments = [
            "server",
            "-dev",
            "-dev-root-token-id=root",
            "-dev-no-store-token",
            &address,
        ];
        let server = Self {
            url: format!("http://127.0.0.1:{port}"),
            root: "root".to_owned(),
            http: Client::builder().no_proxy().build().unwrap(),
            process: Process::start(&tool(version), &arguments, folder.path()),
            folder,
        };
        server.wait_for(200).await;
        server
    }

    /// A server with its data in `folder` and this configuration besides; sealed, and not
    /// initialized in a new folder.
    pub(crate) async fn with_configuration(
        folder: TempDir,
        url: String,
        more: &str,
        http: Client,
    ) -> Self {
        let data = folder.path().join("data");
        std::fs::create_dir_all(&data).unwrap();
        let configuration = format!(
            "storage \"raft\" {{\n path = \"{}\"\n node_id = \"one\"\n}}\n\
             api_addr = \"{url}\"\ncluster_addr = \"https://127.0.0.1:{}\"\n{more}\n",
            data.display(),
            free_port()
        );
        let file = folder.path().join("bao.hcl");
        std::fs::write(&file, configuration).unwrap();
        let argument = format!("-config={}", file.display());
        let process = Process::start(&tool(NEW), &["server", &argument], folder.path());
        let server = Self {
            url,
            root: String::new(),
            http,
            process,
            folder,
        };
        server.wait_for_any_answer().await;
        server
    }

    /// A sealed server without TLS that keeps its data.
    pub(crate) async fn on_disk() -> Self {
        let port = free_port();
        Self::on_disk_in(tempfile::tempdir().unwrap(), port).await
    }

    async fn on_disk_in(folder: TempDir, port: u16) -> Self {
        let cluster = free_port();
        let listener = format!(
            "listener \"tcp\" {{\n address = \"127.0.0.1:{port}\"\n cluster_address = \"127.0.0.1:{cluster}\"\n tls_disable = true\n}}"
        );
        let url = format!("http://127.0.0.1:{port}");
        let http = Client::builder().no_proxy().build().unwrap();
        Self::with_configuration(folder, url, &listener, http).await
    }

    /// Ends the server and gives its folder, for another start.
    pub(crate) fn stop(self) -> Stopped {
        let port = self.url.rsplit(':').next().unwrap().parse().unwrap();
        let Self {
            root,
            process,
            folder,
            ..
        } = self;
        drop(process);
        Stopped { root, folder, port }
    }

    /// Makes keys and unseals with them; gives the one key.
    pub(crate) async fn initialize(&mut self) -> String {
        let keys = self
            .ask(
                Method::PUT,
                "sys/init",
                &json!({"secret_shares": 1, "secret_threshold": 1}),
            )
            .await;
        let key = keys["keys"][0].as_str().unwrap().to_owned();
        self.root = text(&keys["root_token"]);
        self.unseal(&key).await;
        key
    }

    pub(crate) async fn unseal(&self, key: &str) {
        self.ask(Method::PUT, "sys/unseal", &json!({ "key": key }))
            .await;
        self.wait_for(200).await;
    }

    pub(crate) async fn seal(&self) {
        self.ask(Method::PUT, "sys/seal", &json!({})).await;
        self.wait_for(503).await;
    }

    async fn health(&self) -> Option<StatusCode> {
        let answer = self
            .http
            .get(format!("{}/v1/sys/health", self.url))
            .send()
            .await;
        answer.ok().map(|answer| answer.status())
    }

    async fn wait_for(&self, status: u16) {
        let answers = async || self.health().await.is_some_and(|s| s == status);
        self.process
            .until(&format!("{} answers {status}", self.url), answers)
            .await;
    }

    async fn wait_for_any_answer(&self) {
        let answers = async || self.health().await.is_some();
        self.process.until(&self.url, answers).await;
    }

    /// Sends a request as root and gives the answer, which must be a success.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: &Value) -> Value {
        let (status, answer) = self.try_ask(&self.root, None, method, path, body).await;
        assert!(status.is_success(), "{path}: {status} {answer}");
        answer
    }

    /// The same in a namespace.
    pub(crate) async fn ask_in(&self, namespace: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self
            .try_ask(&self.root, Some(namespace), Method::POST, path, body)
            .await;
        assert!(status.is_success(), "{path}: {status} {answer}");
        answer
    }

    async fn try_ask(
        &self,
        token: &str,
        namespace: Option<&str>,
        method: Method,
        path: &str,
        body: &Value,
    ) -> (StatusCode, Value) {
        let mut request = self
            .http
            .request(method, format!("{}/v1/{path}", self.url))
            .header("X-Vault-Token", token)
            .timeout(Duration::from_secs(20))
            .body(body.to_string());
        if let Some(namespace) = namespace {
            request = request.header("X-Vault-Namespace", namespace);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Value {
        self.ask(Method::POST, path, &body).await
    }

    pub(crate) async fn delete(&self, path: &str) {
        self.ask(Method::DELETE, path, &json!({})).await;
    }

    /// Mounts a KV engine.
    pub(crate) async fn mount_kv(&self, mount: &str, version: u8) {
        let options = json!({"type": "kv", "options": {"version": version.to_string()}});
        self.post(&format!("sys/mounts/{mount}"), options).await;
        // A new version 2 mount answers 400 while it is upgraded from nothing.
        let config = format!("{}/v1/{mount}/config", self.url);
        until(&config, async || {
            let answer = self
                .http
                .get(&config)
                .header("X-Vault-Token", &self.root)
                .send()
                .await;
            version == 1 || answer.is_ok_and(|answer| answer.status().is_success())
        })
        .await;
    }

    /// Writes a document; `path` is percent-encoded already.
    pub(crate) async fn put(&self, mount: &str, path: &str, document: Value) {
        self.post(&format!("{mount}/data/{path}"), json!({ "data": document }))
            .await;
    }

    /// A policy that lets read below these paths and nowhere else.
    pub(crate) async fn policy(&self, name: &str, paths: &[&str]) {
        let rules = paths
            .iter()
            .map(|path| format!("path \"{path}\" {{ capabilities = [\"read\"] }}"));
        let policy = rules.collect::<Vec<_>>().join("\n");
        self.post(
            &format!("sys/policies/acl/{name}"),
            json!({ "policy": policy }),
        )
        .await;
    }

    /// A token with this policy and these options.
    pub(crate) async fn token(&self, policy: &str, mut options: Value) -> String {
        options["policies"] = json!([policy]);
        let answer = self.post("auth/token/create", options).await;
        answer["auth"]["client_token"].as_str().unwrap().to_owned()
    }

    /// Enables a login method, at its own name.
    pub(crate) async fn enable_login(&self, method: &str) {
        self.post(&format!("sys/auth/{method}"), json!({ "type": method }))
            .await;
    }

    /// An AppRole called `role`; gives its `role_id` and a `secret_id`.
    pub(crate) async fn approle(&self, role: &str, options: Value) -> (String, String) {
        self.post(&format!("auth/approle/role/{role}"), options)
            .await;
        let path = format!("auth/approle/role/{role}/role-id");
        let role_id = self.ask(Method::GET, &path, &Value::Null).await;
        (
            text(&role_id["data"]["role_id"]),
            self.secret_id(role).await,
        )
    }

    /// Another `secret_id` for the AppRole.
    pub(crate) async fn secret_id(&self, role: &str) -> String {
        let path = format!("auth/approle/role/{role}/secret-id");
        text(&self.post(&path, json!({})).await["data"]["secret_id"])
    }

    /// A wrapping token that holds a `secret_id`.
    pub(crate) async fn wrapped_secret_id(&self, role: &str) -> String {
        let url = format!("{}/v1/auth/approle/role/{role}/secret-id", self.url);
        let request = self.http.post(url).header("X-Vault-Token", &self.root);
        let answer = request
            .header("X-Vault-Wrap-TTL", "60s")
            .send()
            .await
            .unwrap();
        let answer = serde_json::from_str::<Value>(&answer.text().await.unwrap()).unwrap();
        text(&answer["wrap_info"]["token"])
    }

    /// Revokes every token that this login method gave.
    pub(crate) async fn revoke_tokens_of(&self, login_path: &str) {
        self.ask(
            Method::PUT,
            &format!("sys/leases/revoke-prefix/auth/{login_path}"),
            &json!({}),
        )
        .await;
    }
}

/// A server that is stopped, with its data.
#[derive(Debug)]
pub(crate) struct Stopped {
    root: String,
    folder: TempDir,
    port: u16,
}

impl Stopped {
    /// Starts it again at the same address; it is sealed.
    pub(crate) async fn start(self) -> OpenBao {
        let mut server = OpenBao::on_disk_in(self.folder, self.port).await;
        server.root = self.root;
        server
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
