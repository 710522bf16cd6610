//! A real `moto_server`: Secrets Manager, the Parameter Store and STS, without AWS.

use std::time::Duration;

use reqwest::Client;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::{
    ports::free_port,
    process::{Process, tool},
};

/// The region that tests keep their secrets in.
pub(crate) const REGION: &str = "eu-west-1";

/// The account of keys that the server does not know.
const ACCOUNT: &str = "123456789012";

/// A running server.
#[derive(Debug)]
pub(crate) struct Moto {
    pub(crate) url: String,
    process: Process,
    _folder: TempDir,
    http: Client,
}

/// The one that all tests of a binary share; each has names of its own in it.
pub(crate) async fn moto() -> &'static Moto {
    static MOTO: OnceCell<Moto> = OnceCell::const_new();
    MOTO.get_or_init(|| Moto::start("http", &[], http())).await
}

impl Moto {
    /// Starts a server of its own, with further arguments, and waits until it answers.
    pub(crate) async fn start(scheme: &str, more: &[&str], http: Client) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port().to_string();
        let arguments = [&["-H", "127.0.0.1", "-p", &port], more].concat();
        let server = Self {
            url: format!("{scheme}://127.0.0.1:{port}"),
            process: Process::start(&tool("moto/bin/moto_server"), &arguments, folder.path()),
            _folder: folder,
            http: http.clone(),
        };
        let answers = async || {
            let ask = http.get(format!("{}/moto-api/", server.url));
            ask.send().await.is_ok()
        };
        server.process.until("moto_server answers", answers).await;
        server
    }

    /// Calls `action` of `service` (`secretsmanager`, `ssm`), which must succeed.
    pub(crate) async fn call(&self, service: &str, action: &str, arguments: Value) -> Value {
        self.call_of(ACCOUNT, REGION, service, action, arguments)
            .await
    }

    /// The same in some account and region.
    async fn call_of(
        &self,
        account: &str,
        region: &str,
        service: &str,
        action: &str,
        arguments: Value,
    ) -> Value {
        let target = match service {
            "ssm" => "AmazonSSM",
            other => other,
        };
        let scope = format!("test/20260101/{region}/{service}/aws4_request");
        let authorization =
            format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0");
        let request = self
            .http
            .post(&self.url)
            .header("x-amz-target", format!("{target}.{action}"))
            .header("content-type", "application/x-amz-json-1.1")
            .header("authorization", authorization)
            .header("x-moto-account-id", account)
            .body(arguments.to_string());
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{action} {arguments}: {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Makes a secret in Secrets Manager.
    pub(crate) async fn secret(&self, name: &str, text: &str) {
        let secret = json!({"Name": name, "SecretString": text});
        self.call("secretsmanager", "CreateSecret", secret).await;
    }

    /// Makes a secret of some account's, in some region.
    pub(crate) async fn secret_of(&self, account: &str, region: &str, name: &str, text: &str) {
        let secret = json!({"Name": name, "SecretString": text});
        self.call_of(account, region, "secretsmanager", "CreateSecret", secret)
            .await;
    }

    /// Makes a parameter of some account's, in some region.
    pub(crate) async fn parameter_of(&self, account: &str, region: &str, name: &str, text: &str) {
        let parameter = json!({"Name": name, "Type": "SecureString", "Value": text});
        self.call_of(account, region, "ssm", "PutParameter", parameter)
            .await;
    }

    /// An access key, and its secret, of a new user in some account.
    pub(crate) async fn access_key(&self, account: &str) -> (String, String) {
        let scope = "test/20260101/us-east-1/iam/aws4_request";
        let authorization =
            format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0");
        let mut text = String::new();
        for action in ["CreateUser", "CreateAccessKey"] {
            let request = self
                .http
                .post(&self.url)
                .header("authorization", &authorization)
                .header("content-type", "application/x-www-form-urlencoded")
                .header("x-moto-account-id", account)
                .body(format!(
                    "Action={action}&UserName=reader&Version=2010-05-08"
                ));
            let answer = request.send().await.unwrap();
            let status = answer.status();
            text = answer.text().await.unwrap();
            assert!(status.is_success(), "{action}: {text}");
        }
        let field = |name: &str| {
            let rest = text.split_once(&format!("<{name}>")).unwrap().1;
            rest.split_once("</").unwrap().0.to_owned()
        };
        (field("AccessKeyId"), field("SecretAccessKey"))
    }

    /// Makes a parameter in the Parameter Store.
    pub(crate) async fn parameter(&self, name: &str, kind: &str, text: &str) {
        let parameter = json!({"Name": name, "Type": kind, "Value": text});
        self.call("ssm", "PutParameter", parameter).await;
    }
}

fn http() -> Client {
    let client = Client::builder().no_proxy();
    client.timeout(Duration::from_secs(30)).build().unwrap()
}
