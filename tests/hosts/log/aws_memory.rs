//! How much memory a host takes for answers of AWS's that have no end, retries included.
#![cfg(target_os = "linux")]
// A test may panic: so it fails.
#![allow(clippy::panic, clippy::unwrap_used)]

#[allow(dead_code)]
#[path = "../../support"]
mod support {
    pub(crate) mod hostile;
}

use serde_json::json;
use tokio::task::spawn_blocking;

use self::support::hostile::{Attack, Hostile};

/// The most that the answers may take, in KiB.
const MOST: usize = 64 * 1024;

/// The most memory, in KiB, that a host ever has which looks up three times at `url`.
async fn peak(url: &str) -> usize {
    let home = tempfile::tempdir().unwrap();
    let kwargs = json!({"endpoint_url": url}).to_string();
    let class = "airflow.providers.amazon.aws.secrets.secrets_manager.SecretsManagerBackend";
    let mut host = std::process::Command::new(env!("CARGO_BIN_EXE_host-that-logs"));
    host.arg("subscriber")
        .env_clear()
        .env("HOME", home.path())
        .env("AIRFLOW_HOME", home.path())
        .env("AIRFLOW__SECRETS__BACKEND", class)
        .env("AIRFLOW__SECRETS__BACKEND_KWARGS", kwargs)
        .env("AWS_ACCESS_KEY_ID", "AKIATEST")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .env("AWS_DEFAULT_REGION", "eu-west-1");
    let output = spawn_blocking(move || host.output().unwrap())
        .await
        .unwrap();
    assert!(output.status.success());
    let printed = String::from_utf8(output.stdout).unwrap();
    let peak = printed.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.unwrap().trim().strip_suffix(" kB").unwrap();
    peak.parse().unwrap()
}

#[tokio::test]
async fn an_answer_without_end_takes_little_memory() {
    let base = peak("http://127.0.0.1:1").await;
    for attack in [
        Attack::EndlessBody,
        Attack::EndlessErrorBody,
        Attack::EndlessHeader,
        Attack::DeepBody,
    ] {
        let server = Hostile::with(attack).await;
        let peak = peak(&server.url).await;
        assert!(server.requests() > 0, "{attack:?}");
        assert!(
            peak < base + MOST,
            "{attack:?}: {peak} KiB, without {base} KiB"
        );
    }
}
