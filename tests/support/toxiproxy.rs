//! A real Toxiproxy: a bad network before a real server.

use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    ports::free_port,
    process::{Process, tool},
};

/// A running Toxiproxy, which has a proxy before each server that it is told of.
#[derive(Debug)]
pub(crate) struct Toxiproxy {
    url: String,
    http: Client,
    _process: Process,
    _folder: TempDir,
}

impl Toxiproxy {
    /// Starts it; `seed` decides which connections a toxic with a probability hits.
    pub(crate) async fn start(seed: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (port, seed) = (free_port().to_string(), seed.to_string());
        let arguments = ["-host", "127.0.0.1", "-port", &port, "-seed", &seed];
        let process = Process::start(&tool("toxiproxy-server"), &arguments, folder.path());
        let http = Client::builder().no_proxy().build().unwrap();
        let url = format!("http://127.0.0.1:{port}");
        let version = format!("{url}/version");
        let answers = async || http.get(&version).send().await.is_ok();
        process.until("toxiproxy-server answers", answers).await;
        Self {
            url,
            http,
            _process: process,
            _folder: folder,
        }
    }

    /// A proxy before the server at `upstream` (`host:port`). It passes everything on.
    pub(crate) async fn before(&self, upstream: &str) -> Proxy {
        let address = format!("127.0.0.1:{}", free_port());
        let proxies = format!("{}/proxies", self.url);
        let proxy = Proxy {
            url: format!("{proxies}/{address}"),
            http: self.http.clone(),
            address: address.clone(),
        };
        let new = json!({"name": address, "listen": address, "upstream": upstream});
        proxy.send(Method::POST, &proxies, &new).await;
        // Where a connection of this proxy is cut, it is reset: Toxiproxy says so to the system for
        // every connection that such a toxic may hit, and this one hits none.
        proxy.toxic("reset_peer", 0.0, json!({})).await;
        proxy
    }
}

/// A proxy before one server.
#[derive(Debug, Clone)]
pub(crate) struct Proxy {
    url: String,
    http: Client,
    /// `host:port`.
    pub(crate) address: String,
}

impl Proxy {
    /// Spoils what the server sends: on all connections, or on a random part of them.
    pub(crate) async fn toxic(&self, kind: &str, part: f64, attributes: Value) {
        let toxic = json!({
            "name": format!("{kind} {part}"), "type": kind, "stream": "downstream",
            "toxicity": part, "attributes": attributes,
        });
        let toxics = format!("{}/toxics", self.url);
        self.send(Method::POST, &toxics, &toxic).await;
    }

    /// Refuses connections, and ends those that there are.
    pub(crate) async fn disable(&self) {
        let off = json!({"enabled": false});
        self.send(Method::POST, &self.url, &off).await;
    }

    /// Passes everything on again, as at first.
    pub(crate) async fn recover(&self) {
        let toxics = format!("{}/toxics", self.url);
        let toxics_now = self.send(Method::GET, &toxics, &Value::Null).await;
        for toxic in toxics_now.as_array().unwrap() {
            let name = toxic["name"].as_str().unwrap();
            if name != "reset_peer 0" {
                let toxic = format!("{toxics}/{name}");
                self.send(Method::DELETE, &toxic, &Value::Null).await;
            }
        }
        let on = json!({"enabled": true});
        self.send(Method::POST, &self.url, &on).await;
    }

    async fn send(&self, method: Method, url: &str, body: &Value) -> Value {
        let request = self.http.request(method, url).body(body.to_string());
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{url} {body}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }
}
