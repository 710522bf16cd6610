//! A real API server of Kubernetes with its etcd, one for all tests of a binary, and what an administrator
//! does to it. Each test has a namespace of its own.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use reqwest::{Certificate, Client, Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::{
    authority::{Authority, authority},
    ports::free_port,
    process::{tool, until},
    servers::{Server, folder, program},
};

/// The token of the administrator.
const ADMIN: &str = "the-administrator";

/// The label of connections, variables and configuration entries, and that of teams.
pub(crate) const CONNECTION: &str = "airflow.apache.org/connection-id";
pub(crate) const VARIABLE: &str = "airflow.apache.org/variable-key";
pub(crate) const CONFIG: &str = "airflow.apache.org/config-key";
pub(crate) const TEAM: &str = "airflow.apache.org/team";

/// A running server.
pub(crate) struct ApiServer {
    pub(crate) port: u16,
    pub(crate) authority: Authority,
    http: Client,
    audit: PathBuf,
    _servers: [Server; 2],
}

impl ApiServer {
    /// The one of this test binary.
    pub(crate) async fn shared() -> &'static Self {
        static SHARED: OnceCell<ApiServer> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await
    }

    async fn start() -> Self {
        let authority = authority();
        let (etcd, store) = start_etcd();
        let folder = folder("kube-apiserver");
        let file = |name: &str| folder.join(name);
        authority.write(&file("ca.pem"));
        let tls = authority.issue("server", &folder);
        let key = rcgen::KeyPair::generate().unwrap();
        std::fs::write(file("sa.key"), key.serialize_pem()).unwrap();
        std::fs::write(file("sa.pub"), key.public_key_pem()).unwrap();
        let tokens = format!("{ADMIN},admin,admin,system:masters\n");
        std::fs::write(file("tokens.csv"), tokens).unwrap();
        let policy = json!({
            "apiVersion": "audit.k8s.io/v1", "kind": "Policy",
            "omitStages": ["RequestReceived"],
            "rules": [
                {"level": "Metadata", "resources": [{"group": "", "resources": ["secrets"]}]},
                {"level": "None"},
            ],
        });
        std::fs::write(file("policy.json"), policy.to_string()).unwrap();
        let port = free_port();
        let mut command = Command::new(tool("kube-apiserver/kube-apiserver"));
        command
            .arg(format!("--etcd-servers={store}"))
            .arg(format!("--secure-port={port}"))
            .arg("--bind-address=127.0.0.1")
            .arg("--endpoint-reconciler-type=none")
            .arg("--service-cluster-ip-range=10.0.0.0/24")
            .arg("--authorization-mode=RBAC")
            .arg("--service-account-issuer=https://kubernetes.default.svc")
            .arg("--audit-log-mode=blocking");
        for (option, name) in [
            ("cert-dir", "certificates"),
            ("client-ca-file", "ca.pem"),
            ("service-account-key-file", "sa.pub"),
            ("service-account-signing-key-file", "sa.key"),
            ("token-auth-file", "tokens.csv"),
            ("audit-policy-file", "policy.json"),
            ("audit-log-path", "audit.jsonl"),
        ] {
            command.arg(format!("--{option}={}", file(name).display()));
        }
        command.arg(format!("--tls-cert-file={}", tls.certificate.display()));
        command.arg(format!("--tls-private-key-file={}", tls.key.display()));
        let audit = file("audit.jsonl");
        let start = move || Server::start(&command, "TERM", port, Some(&folder));
        let server = tokio::task::spawn_blocking(start).await.unwrap();
        let ca = Certificate::from_pem(authority.certificate_pem().as_bytes()).unwrap();
        // Each test has a runtime of its own, with which its connections end.
        let http = Client::builder()
            .pool_max_idle_per_host(0)
            .no_proxy()
            .tls_certs_only([ca])
            .build()
            .unwrap();
        let server = Self {
            port,
            authority,
            http,
            audit,
            _servers: [etcd, server],
        };
        until("the API server", async || {
            let ready = server.try_ask(Method::GET, "/readyz", None).await;
            ready.is_some_and(|(status, _)| status == StatusCode::OK)
        })
        .await;
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    async fn try_ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Option<(StatusCode, Value)> {
        let mut request = self.http.request(method, format!("{}{path}", self.url()));
        request = request.bearer_auth(ADMIN);
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        let answer = request.send().await.ok()?;
        let status = answer.status();
        let body = answer.bytes().await.ok()?;
        Some((status, serde_json::from_slice(&body).unwrap_or_default()))
    }

    /// What the administrator's request gives, which must be a success.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let asked = format!("{method} {path}");
        let (status, answer) = self.try_ask(method, path, body.as_ref()).await.unwrap();
        assert!(status.is_success(), "{asked}: {status} {answer}");
        answer
    }

    /// The API server learns of a new role after a moment.
    async fn until_allowed(&self, namespace: &str, user: &str) {
        let attributes = json!({"namespace": namespace, "verb": "list", "resource": "secrets"});
        let review = json!({"spec": {"user": user, "resourceAttributes": attributes}});
        until("the role", async || {
            let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
            let answer = self.ask(Method::POST, path, Some(review.clone())).await;
            answer["status"]["allowed"] == json!(true)
        })
        .await;
    }

    /// A new namespace.
    pub(crate) async fn namespace(&'static self) -> Namespace {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let body = json!({"metadata": {"name": name}});
        self.ask(Method::POST, "/api/v1/namespaces", Some(body))
            .await;
        Namespace { server: self, name }
    }
}

/// Its address, with the server.
fn start_etcd() -> (Server, String) {
    let folder = folder("etcd");
    let (port, peer) = (free_port(), free_port());
    let url = |port: u16| format!("http://127.0.0.1:{port}");
    let mut command = Command::new(program("etcd", &[]));
    command
        .arg(format!("--data-dir={}", folder.join("data").display()))
        .arg(format!("--listen-client-urls={}", url(port)))
        .arg(format!("--advertise-client-urls={}", url(port)))
        .arg(format!("--listen-peer-urls={}", url(peer)))
        .arg(format!("--initial-advertise-peer-urls={}", url(peer)))
        .arg(format!("--initial-cluster=default={}", url(peer)));
    let server = Server::start(&command, "TERM", port, Some(&folder));
    (server, url(port))
}

/// A namespace of one test.
pub(crate) struct Namespace {
    pub(crate) server: &'static ApiServer,
    pub(crate) name: String,
}

impl Namespace {
    fn path(&self, rest: &str) -> String {
        format!("/api/v1/namespaces/{}/{rest}", self.name)
    }

    /// A secret of these labels and data.
    pub(crate) async fn secret(
        &self,
        name: &str,
        labels: &[(&str, &str)],
        data: &[(&str, impl AsRef<[u8]>)],
    ) {
        let labels = labels
            .iter()
            .map(|(key, value)| ((*key).to_owned(), json!(value)));
        let data = data.iter().map(|(key, value)| {
            let value = BASE64_STANDARD.encode(value.as_ref());
            ((*key).to_owned(), json!(value))
        });
        let secret = json!({
            "metadata": {"name": name, "labels": labels.collect::<serde_json::Map<_, _>>()},
            "data": data.collect::<serde_json::Map<_, _>>(),
        });
        let path = self.path("secrets");
        self.server.ask(Method::POST, &path, Some(secret)).await;
        self.until_shown(name, true).await;
    }

    /// A list from the API server's memory, which lookups ask for, is a moment behind.
    async fn until_shown(&self, name: &str, is_there: bool) {
        let query = format!("secrets?resourceVersion=0&fieldSelector=metadata.name={name}");
        until("the API server's memory", async || {
            let list = self.server.ask(Method::GET, &self.path(&query), None).await;
            list["items"].as_array().unwrap().is_empty() != is_there
        })
        .await;
    }

    /// Replaces the data of a secret.
    pub(crate) async fn set(&self, name: &str, key: &str, text: &str) {
        let path = self.path(&format!("secrets/{name}"));
        let mut secret = self.server.ask(Method::GET, &path, None).await;
        secret["data"] = json!({key: BASE64_STANDARD.encode(text)});
        self.server.ask(Method::PUT, &path, Some(secret)).await;
    }

    pub(crate) async fn delete(&self, name: &str) {
        let path = self.path(&format!("secrets/{name}"));
        self.server.ask(Method::DELETE, &path, None).await;
        self.until_shown(name, false).await;
    }

    /// The lists of secrets that others than the administrator asked for here, as the API server wrote
    /// them down.
    pub(crate) fn lists(&self) -> Vec<Value> {
        self.audited("list")
    }

    /// The same of watches that have begun.
    pub(crate) fn watches(&self) -> Vec<Value> {
        let mut watches = self.audited("watch");
        watches.retain(|watch| watch["stage"] == json!("ResponseStarted"));
        watches
    }

    fn audited(&self, verb: &str) -> Vec<Value> {
        let audit = std::fs::read_to_string(&self.server.audit).unwrap();
        let events = audit
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        let is_wanted = |event: &Value| {
            event["verb"] == json!(verb)
                && event["objectRef"]["namespace"] == json!(self.name)
                && event["user"]["username"] != json!("admin")
        };
        events.filter(is_wanted).collect()
    }

    /// A service account that may list secrets here, as a pod of it sees it.
    pub(crate) async fn pod(&self, account: &str) -> Pod {
        let pod = self.pod_without_role(account).await;
        let subject = json!({"kind": "ServiceAccount", "name": account, "namespace": self.name});
        self.allow(account, subject).await;
        let user = format!("system:serviceaccount:{}:{account}", self.name);
        self.server.until_allowed(&self.name, &user).await;
        pod
    }

    /// Lets this user list secrets here.
    pub(crate) async fn allow_user(&self, user: &str) {
        let subject = json!({
            "kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io",
        });
        self.allow(user, subject).await;
        self.server.until_allowed(&self.name, user).await;
    }

    async fn allow(&self, name: &str, subject: Value) {
        let group = "rbac.authorization.k8s.io";
        let path = format!("/apis/{group}/v1/namespaces/{}", self.name);
        let role = json!({
            "metadata": {"name": name},
            "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["list", "watch"]}],
        });
        let binding = json!({
            "metadata": {"name": name}, "subjects": [subject],
            "roleRef": {"apiGroup": group, "kind": "Role", "name": name},
        });
        for (kind, body) in [("roles", role), ("rolebindings", binding)] {
            let path = format!("{path}/{kind}");
            self.server.ask(Method::POST, &path, Some(body)).await;
        }
    }

    /// The same of one that may do nothing.
    pub(crate) async fn pod_without_role(&self, account: &str) -> Pod {
        let body = json!({"metadata": {"name": account}});
        let path = self.path("serviceaccounts");
        self.server.ask(Method::POST, &path, Some(body)).await;
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        self.server.authority.write(&file("ca.crt"));
        std::fs::write(file("namespace"), &self.name).unwrap();
        let pod = Pod {
            server: self.server,
            namespace: self.name.clone(),
            account: account.to_owned(),
            folder,
        };
        pod.write_token(&pod.new_token().await);
        pod
    }
}

/// What a pod sees of its service account.
pub(crate) struct Pod {
    server: &'static ApiServer,
    namespace: String,
    account: String,
    folder: TempDir,
}

impl Pod {
    /// The folder that Kubernetes mounts.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The variables that Kubernetes sets.
    pub(crate) fn variables(&self) -> [(&'static str, String); 2] {
        [
            ("KUBERNETES_SERVICE_HOST", "127.0.0.1".to_owned()),
            ("KUBERNETES_SERVICE_PORT", self.server.port.to_string()),
        ]
    }

    /// A token of the account.
    pub(crate) async fn new_token(&self) -> String {
        let path = format!(
            "/api/v1/namespaces/{}/serviceaccounts/{}/token",
            self.namespace, self.account
        );
        let body = json!({"spec": {"expirationSeconds": 600}});
        let answer = self.server.ask(Method::POST, &path, Some(body)).await;
        answer["status"]["token"].as_str().unwrap().to_owned()
    }

    pub(crate) fn write_token(&self, token: &str) {
        std::fs::write(self.folder().join("token"), token).unwrap();
    }
}
