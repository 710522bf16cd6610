//! A real `drongo server`, and what an operator of Secret Manager does to it.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use reqwest::Client;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    ports::free_port,
    process::{Process, tool},
};

/// A running server; it asks nobody for a token.
#[derive(Debug)]
pub(crate) struct Drongo {
    /// `host:port`.
    pub(crate) host: String,
    pub(crate) url: String,
    http: Client,
    process: Process,
    _folder: TempDir,
}

impl Drongo {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port().to_string();
        let arguments = ["server", "--host", "127.0.0.1", "--port", &port];
        let server = Self {
            host: format!("127.0.0.1:{port}"),
            url: format!("http://127.0.0.1:{port}"),
            http: Client::builder().no_proxy().build().unwrap(),
            process: Process::start(&tool("drongo/bin/drongo"), &arguments, folder.path()),
            _folder: folder,
        };
        let health = format!("{}/drongo/health", server.url);
        let answers = async || server.http.get(&health).send().await.is_ok();
        server.process.until("drongo answers", answers).await;
        server
    }

    /// Makes a secret, or a new version of it.
    pub(crate) async fn put(&self, project: &str, name: &str, payload: impl AsRef<[u8]>) {
        let secrets = format!("{}/v1/projects/{project}/secrets", self.url);
        let secret = json!({"replication": {"automatic": {}}});
        let created = self
            .http
            .post(format!("{secrets}?secretId={name}"))
            .body(secret.to_string());
        // 409: it is there already.
        let status = created.send().await.unwrap().status();
        assert!(status.is_success() || status == 409, "{status}");
        let payload = json!({"payload": {"data": BASE64_STANDARD.encode(payload)}});
        self.post(&format!("{secrets}/{name}:addVersion"), &payload)
            .await;
    }

    /// `disable`, `enable` or `destroy`.
    pub(crate) async fn change(&self, project: &str, name: &str, version: u32, verb: &str) {
        let version = format!(
            "{}/v1/projects/{project}/secrets/{name}/versions/{version}",
            self.url
        );
        self.post(&format!("{version}:{verb}"), &json!({})).await;
    }

    async fn post(&self, url: &str, body: &Value) {
        let request = self.http.post(url).body(body.to_string());
        let status = request.send().await.unwrap().status();
        assert!(status.is_success(), "{url}: {status}");
    }
}
