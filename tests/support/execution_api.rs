//! A real `airflow api-server --apps execution` on SQLite, and tokens signed by its key.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    time::{SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::hmac;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{net::TcpStream, sync::OnceCell};

use super::{
    ports::free_port,
    process::{Process, tool},
};

/// Makes the metadata DB.
const ROWS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../support/execution_api.py");

/// Starts the server with a rule of who may read what, of which Airflow 3.3 has none yet.
const FORBIDS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../support/execution_api_forbids.py"
);

/// What the server signs tokens with.
const KEY: &str = "a key of the tests alone, and of 64 bytes at least, as HS512 wants it to be";

/// The base64 of 32 bytes that everybody knows.
const FERNET_KEY: &str = "cXVpY2tzdGFydC1kZW1vLWtleS1ub3QtYS1zZWNyZXQ=";

/// The certificate of a server over TLS.
pub(crate) const SSL_CERT: &str = "AIRFLOW__API__SSL_CERT";

/// A running server.
#[derive(Debug)]
pub(crate) struct ExecutionApi {
    /// Of the API: it ends in `/execution/`.
    pub(crate) url: String,
    port: u16,
    arguments: Vec<String>,
    process: Option<Process>,
    home: TempDir,
}

impl ExecutionApi {
    /// Starts a server whose metadata DB is a copy of the one that `rows` describe, with further
    /// settings. Where one of them is `FORBIDS`, ids that begin with its value are denied. Where one is
    /// `[api] ssl_cert`, it is served over TLS.
    pub(crate) async fn start(rows: Value, settings: &[(&str, &str)]) -> Self {
        let home = tempfile::tempdir().unwrap();
        std::fs::copy(database(rows).await, home.path().join("airflow.db")).unwrap();
        let port = free_port();
        let mut arguments = vec!["-i".to_owned()];
        arguments.extend(environment(home.path()));
        arguments.extend(
            settings
                .iter()
                .map(|(name, value)| format!("{name}={value}")),
        );
        arguments.push(tool("airflow3/bin/python").display().to_string());
        if settings.iter().any(|(name, _)| *name == "FORBIDS") {
            arguments.push(FORBIDS.to_owned());
        } else {
            arguments.extend(["-m", "airflow"].map(str::to_owned));
        }
        let of_server = ["api-server", "--apps", "execution", "--host", "127.0.0.1"];
        arguments.extend(of_server.map(str::to_owned));
        arguments.extend(["--port".to_owned(), port.to_string()]);
        let has_tls = settings.iter().any(|(name, _)| *name == SSL_CERT);
        let scheme = if has_tls { "https" } else { "http" };
        let mut server = Self {
            url: format!("{scheme}://127.0.0.1:{port}/execution/"),
            port,
            arguments,
            process: None,
            home,
        };
        server.begin();
        server.answers().await;
        server
    }

    /// Starts its process, and does not wait for it.
    pub(crate) fn begin(&mut self) {
        let arguments = self.arguments.iter().map(String::as_str);
        let arguments = arguments.collect::<Vec<_>>();
        let env = Path::new("/usr/bin/env");
        self.process = Some(Process::start(env, &arguments, self.home.path()));
    }

    /// Ends its process.
    pub(crate) fn end(&mut self) {
        self.process = None;
    }

    /// Waits until it answers; over TLS, where it may want a certificate, until it listens, which it does
    /// when all else is done.
    pub(crate) async fn answers(&self) {
        let process = self.process.as_ref().unwrap();
        if self.url.starts_with("https") {
            let listens = async || TcpStream::connect(self.address()).await.is_ok();
            return process.until("the API server listens", listens).await;
        }
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let health = format!("{}health", self.url);
        let is_healthy = async || {
            let answer = http.get(&health).send().await;
            answer.is_ok_and(|answer| answer.status() == 200)
        };
        process.until("the API server answers", is_healthy).await;
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn log(&self) -> String {
        self.process.as_ref().unwrap().log()
    }
}

/// The metadata DB that `rows` describe, made once: all servers of a test binary begin with it.
async fn database(rows: Value) -> &'static Path {
    static MADE: OnceCell<TempDir> = OnceCell::const_new();
    let folder = MADE
        .get_or_init(|| async {
            tokio::task::spawn_blocking(move || made(&rows))
                .await
                .unwrap()
        })
        .await;
    Box::leak(folder.path().join("airflow.db").into_boxed_path())
}

fn made(rows: &Value) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    let mut child = Command::new("/usr/bin/env")
        .arg("-i")
        .args(environment(home.path()))
        .arg(tool("airflow3/bin/python"))
        .arg(ROWS)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(rows.to_string().as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    home
}

/// What Airflow reads, each as `NAME=value`.
fn environment(home: &Path) -> Vec<String> {
    let home = home.display();
    vec![
        "PATH=/usr/bin:/bin".to_owned(),
        format!("HOME={home}"),
        format!("AIRFLOW_HOME={home}"),
        "AIRFLOW__CORE__LOAD_EXAMPLES=False".to_owned(),
        format!("AIRFLOW__CORE__FERNET_KEY={FERNET_KEY}"),
        format!("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=sqlite:///{home}/airflow.db"),
        format!("AIRFLOW__API_AUTH__JWT_SECRET={KEY}"),
        "AIRFLOW__API__WORKERS=1".to_owned(),
    ]
}

pub(crate) fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap().as_secs()
}

/// The claims of a good token of task instance `id`, which was issued now.
pub(crate) fn claims(id: &str, seconds: i64) -> Value {
    let now = i64::try_from(now()).unwrap();
    json!({
        "jti": format!("{now}-{seconds}"), "aud": "urn:airflow.apache.org:task", "sub": id,
        "scope": "execution", "iat": now.min(now + seconds - 1), "nbf": now.min(now + seconds - 1),
        "exp": now + seconds,
    })
}

/// A token of task instance `id` that lives for 10 minutes.
pub(crate) fn token(id: &str) -> String {
    signed(&claims(id, 600))
}

/// A token with these claims, signed by the server's key.
pub(crate) fn signed(claims: &Value) -> String {
    signed_by(KEY, claims)
}

/// The same, by another key.
pub(crate) fn signed_by(key: &str, claims: &Value) -> String {
    let part = |part: &Value| BASE64_URL_SAFE_NO_PAD.encode(part.to_string());
    let text = format!(
        "{}.{}",
        part(&json!({"alg": "HS512", "typ": "JWT"})),
        part(claims)
    );
    let key = hmac::Key::new(hmac::HMAC_SHA512, key.as_bytes());
    let signature = hmac::sign(&key, text.as_bytes());
    format!("{text}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}
