//! Ids with what URLs and shells make much of.

use std::process::Command;

use airflow_secrets::{
    Lookup, SecretsBackend, backend::LookupOptions, backends::vault::VaultCredential,
};
use serde_json::json;

use crate::{
    support::{
        openbao::{NEW, OpenBao},
        process::tool,
        wire::CountingProxy,
    },
    variable, vault,
};

/// Each id, and how it goes over the wire.
const IDS: &[(&str, &str)] = &[
    ("plain", "plain"),
    ("a b", "a%20b"),
    ("a/b/c", "a/b/c"),
    ("größe", "gr%C3%B6%C3%9Fe"),
    ("a?b=c&d", "a%3Fb%3Dc%26d"),
    ("a#b", "a%23b"),
    ("a%2Fb", "a%252Fb"),
    ("50%", "50%25"),
    ("a+b;c", "a%2Bb%3Bc"),
    (
        "it's \"quoted\" $HOME `x`",
        "it%27s%20%22quoted%22%20%24HOME%20%60x%60",
    ),
    ("-dash", "-dash"),
    ("...", "..."),
];

#[tokio::test]
async fn every_id_reaches_its_own_document() {
    let server = OpenBao::dev().await;
    server.mount_kv("airflow", 2).await;
    let proxy = CountingProxy::before(&server.url).await;
    let vault = vault(&proxy.url, VaultCredential::token("root"))
        .build()
        .unwrap();
    for (id, encoded) in IDS {
        server
            .put(
                "airflow",
                &format!("variables/{encoded}"),
                json!({"value": id}),
            )
            .await;
    }
    for (id, encoded) in IDS {
        proxy.seen.clear();
        assert_eq!(variable(&vault, id).await, Ok((*id).to_owned()));
        assert_eq!(
            proxy.seen.lines(),
            [format!("GET /v1/airflow/data/variables/{encoded}")]
        );
    }
}

#[tokio::test]
async fn ids_that_lead_elsewhere_are_never_sent() {
    let server = OpenBao::dev().await;
    let proxy = CountingProxy::before(&server.url).await;
    let vault = vault(&proxy.url, VaultCredential::token("root"))
        .build()
        .unwrap();
    for id in [
        "..", "../x", "a/../b", "./x", "a/.", "/x", "x/", "a//b", "", "a\nb", "a/\u{1}",
    ] {
        let outcome = variable(&vault, id).await.unwrap_err();
        assert!(
            outcome.starts_with("skipped: invalid id"),
            "{id:?}: {outcome}"
        );
    }
    assert_eq!(proxy.seen.lines(), Vec::<String>::new());
}

#[tokio::test]
async fn the_native_key_is_what_the_command_line_takes() {
    let server = OpenBao::dev().await;
    server.mount_kv("air flow", 2).await;
    let vault = vault(&server.url, VaultCredential::token("root"));
    let vault = vault
        .mount_point("air flow")
        .variables_path([""])
        .build()
        .unwrap();
    for (id, encoded) in IDS {
        server
            .put("air%20flow", encoded, json!({"value": id}))
            .await;
        let found = vault.get_variable(id, &LookupOptions::new()).await.unwrap();
        let Lookup::Found { native_key, .. } = found else {
            panic!("{found:?}")
        };
        let bao = tool(NEW);
        let command = format!("{} kv get -field=value {native_key}", bao.display());
        let shown = Command::new("sh")
            .args(["-c", &command])
            .env("BAO_ADDR", &server.url)
            .env("BAO_TOKEN", "root")
            .output()
            .unwrap();
        let shown = String::from_utf8(shown.stdout).unwrap();
        // The command line itself takes `%` for an encoding, whatever one does.
        if !id.contains('%') {
            assert_eq!(shown.trim_end(), *id, "{command}");
        }
    }
}
