//! Who asks: tokens that rotate, and kubeconfigs.

use std::{path::Path, time::Duration};

use airflow_secrets::{
    Environment,
    backends::{
        HttpOptions,
        kubernetes::{KubernetesCredential, KubernetesSecretsBackend},
    },
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::{
    Served, at,
    faults::{secrets, status},
    in_pod, kubeconfig,
    support::{
        kubernetes::{ApiServer, VARIABLE},
        wire::Queued,
    },
    variable,
};

fn found() -> crate::support::wire::Answer {
    secrets(VARIABLE, &[("x", "v")])
}

const REFUSED: &str = "AccessDenied: the API server refused the credentials (HTTP 401): check that the \
                       token has not expired and belongs to this cluster";

/// What system:anonymous is told.
const NOBODY: &str = "AccessDenied: denied: this account may not list the secrets";

#[tokio::test]
async fn a_token_that_was_rotated_is_read_again_where_the_old_one_is_refused() {
    let namespace = ApiServer::shared().await.namespace().await;
    namespace
        .secret("a", &[(VARIABLE, "x")], &[("value", "v")])
        .await;
    let pod = namespace.pod("airflow").await;
    let good = pod.new_token().await;
    pod.write_token("eyJhbGciOiJub25lIn0.e30.");
    let backend = in_pod(&pod).build().unwrap();
    assert_eq!(variable(&backend, "x").await, Err(REFUSED.into()));
    pod.write_token(&format!(" {good}\n"));
    assert_eq!(variable(&backend, "x").await, Ok("v".into()));
    assert_eq!(variable(&backend, "x").await, Ok("v".into()));
    // Three lookups, of which the second was repeated with the new token.
    let lists = namespace.lists();
    let codes = lists
        .iter()
        .map(|list| list["responseStatus"]["code"].as_u64());
    let codes = codes.flatten().collect::<Vec<_>>();
    assert_eq!(codes, [401, 401, 200, 200]);
}

/// Time is Tokio's, which a test can move.
#[tokio::test(start_paused = true)]
async fn a_token_file_is_read_again_after_a_minute() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let server = Served::by(|_| found()).await;
    let credential = kubeconfig(&server.url, &json!({"tokenFile": file}));
    let backend = KubernetesSecretsBackend::builder().credential(credential);
    let backend = backend.build().unwrap();
    for (token, wait) in [("one", 0), ("two", 59), ("three", 2)] {
        std::fs::write(&file, token).unwrap();
        tokio::time::advance(Duration::from_secs(wait)).await;
        assert_eq!(variable(&backend, "x").await, Ok("v".into()));
    }
    let sent = server.seen.all();
    let sent = sent
        .iter()
        .map(|request| request.header("authorization").unwrap());
    assert_eq!(
        sent.collect::<Vec<_>>(),
        ["Bearer one", "Bearer one", "Bearer three"]
    );
}

#[tokio::test]
async fn a_refused_token_that_has_not_changed_is_not_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "old").unwrap();
    let server = Queued::with(vec![status(401, "Unauthorized"); 3]).await;
    for user in [json!({"token": "text"}), json!({"tokenFile": file})] {
        server.seen.clear();
        let credential = kubeconfig(&server.url, &user);
        let backend = KubernetesSecretsBackend::builder().credential(credential);
        let backend = backend.build().unwrap();
        assert_eq!(variable(&backend, "x").await, Err(REFUSED.into()));
        assert_eq!(server.seen.lines().len(), 1);
    }
}

/// A kubeconfig of a real cluster, with the entries that are given.
fn config_of(server: &ApiServer, authority: Value, user: Value, namespace: &str) -> Value {
    let mut cluster = json!({"server": server.url()});
    cluster
        .as_object_mut()
        .unwrap()
        .extend(authority.as_object().unwrap().clone());
    json!({
        "apiVersion": "v1", "kind": "Config", "preferences": {},
        "clusters": [
            {"name": "other", "cluster": {"server": "https://127.0.0.1:1"}},
            {"name": "test", "cluster": cluster},
        ],
        "users": [{"name": "me", "user": user}],
        "contexts": [
            {"name": "elsewhere", "context": {"cluster": "other", "user": "me"}},
            {"name": "here", "context": {"cluster": "test", "user": "me", "namespace": namespace}},
        ],
        "current-context": "here",
    })
}

async fn value_with(credential: KubernetesCredential) -> Result<String, String> {
    let backend = KubernetesSecretsBackend::builder().credential(credential);
    let backend = backend.build().map_err(|error| error.to_string())?;
    variable(&backend, "x").await
}

#[tokio::test]
async fn a_kubeconfigs_tokens_and_client_certificates_log_in_to_a_real_cluster() {
    let server = ApiServer::shared().await;
    let namespace = server.namespace().await;
    namespace
        .secret("a", &[(VARIABLE, "x")], &[("value", "v")])
        .await;
    let pod = namespace.pod("airflow").await;
    let token = pod.new_token().await;
    namespace.allow_user("alice").await;
    let folder = tempfile::tempdir().unwrap();
    let files = server.authority.issue("alice", folder.path());
    let base64 = |path: &Path| BASE64_STANDARD.encode(std::fs::read(path).unwrap());
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    server.authority.write(&folder.path().join("ca.pem"));
    std::fs::write(folder.path().join("token"), format!("{token}\n")).unwrap();
    let by_path = json!({"certificate-authority": "ca.pem"});
    let by_data = json!({
        "certificate-authority-data": BASE64_STANDARD.encode(server.authority.certificate_pem()),
    });
    // `base64` breaks its output into lines; kubectl reads them.
    let encoded = BASE64_STANDARD.encode(server.authority.certificate_pem());
    let lines = encoded.as_bytes().chunks(76).map(<[u8]>::to_vec);
    let broken = String::from_utf8(lines.collect::<Vec<_>>().join(&b"\r\n"[..])).unwrap() + "\n";
    let by_lines = json!({"certificate-authority-data": broken});
    let unchecked = json!({"insecure-skip-tls-verify": true});
    for (authority, user, expected) in [
        (&by_path, json!({"token": token}), Ok("v")),
        (&by_data, json!({"token": token}), Ok("v")),
        (&by_lines, json!({"token": token}), Ok("v")),
        (&unchecked, json!({"token": token}), Ok("v")),
        // A path is relative to the kubeconfig's folder.
        (&by_path, json!({"tokenFile": "token"}), Ok("v")),
        (
            &by_path,
            json!({"token": "unused", "tokenFile": "token"}),
            Ok("v"),
        ),
        (
            &by_path,
            json!({"client-certificate": name(&files.certificate), "client-key": name(&files.key)}),
            Ok("v"),
        ),
        (
            &by_path,
            json!({
                "client-certificate-data": base64(&files.certificate) + "\n",
                "client-key-data": base64(&files.key) + "\n",
            }),
            Ok("v"),
        ),
        (
            &by_path,
            json!({
                "client-certificate": name(&files.certificate), "client-key-data": base64(&files.key),
            }),
            Ok("v"),
        ),
        // A blank token is as none, which leaves what else logs in.
        (
            &by_path,
            json!({
                "token": " \n", "client-certificate": name(&files.certificate),
                "client-key": name(&files.key),
            }),
            Ok("v"),
        ),
        (&by_path, json!({"token": " "}), Err(NOBODY)),
        (&by_path, json!({"token": "wrong"}), Err(REFUSED)),
        (
            &json!({}),
            json!({"token": token}),
            Err("Unavailable: the TLS certificate"),
        ),
    ] {
        let config = config_of(server, authority.clone(), user.clone(), &namespace.name);
        let path = folder.path().join("config");
        std::fs::write(&path, config.to_string()).unwrap();
        let found = value_with(KubernetesCredential::kubeconfig(&path)).await;
        match (found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{user}"),
            (Err(found), Err(expected)) => assert!(found.starts_with(expected), "{found}"),
            (found, expected) => panic!("{user}: {found:?} in place of {expected:?}"),
        }
    }
    // Without credentials it is the user system:anonymous that asks.
    let config = config_of(server, by_data, json!({}), &namespace.name).to_string();
    let nobody = value_with(KubernetesCredential::kubeconfig_text(config)).await;
    let nobody = nobody.unwrap_err();
    assert!(nobody.starts_with(NOBODY), "{nobody}");
}

#[tokio::test]
async fn a_blank_token_of_a_kubeconfig_is_not_sent_and_a_blank_file_is_an_error() {
    let server = Served::by(|_| found()).await;
    for token in ["", " ", "\n", " \t\r\n"] {
        server.seen.clear();
        let credential = kubeconfig(&server.url, &json!({"token": token}));
        assert_eq!(value_with(credential).await, Ok("v".into()), "{token:?}");
        assert_eq!(server.seen.all()[0].header("authorization"), None);
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    for text in ["", " \n"] {
        server.seen.clear();
        std::fs::write(&file, text).unwrap();
        let credential = kubeconfig(&server.url, &json!({"tokenFile": file, "token": ""}));
        let expected = format!(
            "Configuration: the token file {} cannot be used: it is empty: check that the pod's service \
             account is mounted (automountServiceAccountToken)",
            file.display()
        );
        assert_eq!(value_with(credential).await, Err(expected), "{text:?}");
        assert_eq!(server.seen.all().len(), 0);
    }
}

#[tokio::test]
async fn the_default_kubeconfig_is_the_one_that_kubectl_reads() {
    let server = Served::by(|_| found()).await;
    let home = tempfile::tempdir().unwrap();
    let kube = home.path().join(".kube");
    std::fs::create_dir(&kube).unwrap();
    let yaml = format!(
        "# A comment.\ncurrent-context: local\nclusters:\n- name: c\n  cluster: {{server: {}}}\n\
         contexts:\n- name: local\n  context:\n    cluster: c\n    user: \"u\"\nusers:\n- name: u\n  user:\n    \
         token: from-home\n",
        server.url
    );
    std::fs::write(kube.join("config"), yaml).unwrap();
    // The first file that defines a name wins; one that does not exist counts for nothing.
    let one = home.path().join("one");
    std::fs::write(
        &one,
        "users: [{name: u, user: {token: from-one}}]\nclusters: null\n",
    )
    .unwrap();
    // So does an empty one.
    let empty = home.path().join("empty");
    std::fs::write(&empty, "").unwrap();
    let list = [
        "/nowhere",
        empty.to_str().unwrap(),
        one.to_str().unwrap(),
        kube.join("config").to_str().unwrap(),
    ]
    .join(":");
    for (variables, token) in [
        (vec![("HOME", home.path().to_str().unwrap())], "from-home"),
        (
            vec![("HOME", "/nowhere"), ("KUBECONFIG", &list)],
            "from-one",
        ),
    ] {
        server.seen.clear();
        let backend = KubernetesSecretsBackend::builder()
            .environment(&variables.into_iter().collect::<Environment>())
            .credential(KubernetesCredential::default_kubeconfig())
            .build()
            .unwrap();
        assert_eq!(variable(&backend, "x").await, Ok("v".into()));
        let asked = &server.seen.all()[0];
        assert_eq!(
            asked.header("authorization"),
            Some(&*format!("Bearer {token}"))
        );
        let path = "/api/v1/namespaces/default/secrets?";
        assert!(asked.path.starts_with(path), "{}", asked.path);
    }
}

/// A kubeconfig of these two entries.
fn entries(cluster: &Value, user: &Value) -> Value {
    json!({
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    })
}

const URL: &str = "https://kube.example:6443";

/// Asserts what is said of each, and that nothing of it is shown.
async fn assert_unusable<const N: usize>(cases: [(Value, &str); N]) {
    for (config, expected) in cases {
        let text = config.to_string();
        let credential = KubernetesCredential::kubeconfig_text(text.as_str());
        let debug = format!("{credential:?}");
        assert!(!debug.contains("m4rk3r"), "{debug}");
        let error = value_with(credential).await.unwrap_err();
        assert_eq!(
            error,
            format!("kubeconfig (KubernetesCredential): {expected}")
        );
    }
}

#[tokio::test]
async fn a_user_who_cannot_log_in_is_an_error_that_says_why() {
    let with_user = |user: Value| entries(&json!({"server": URL}), &user);
    assert_unusable([
        (
            with_user(json!({"exec": {"command": "m4rk3r", "args": ["m4rk3r"]}})),
            "the user \"u\" has an exec plugin, which is not run: use a token (kubectl create token), a \
             tokenFile or a client certificate",
        ),
        (
            with_user(json!({"auth-provider": {"name": "m4rk3r"}})),
            "the user \"u\" has an auth-provider, which is not offered: use a token, a tokenFile or a client \
             certificate",
        ),
        (
            with_user(json!({"username": "m4rk3r", "password": "m4rk3r"})),
            "the user \"u\" has a user name and password, which Kubernetes no longer accepts: use a token, a \
             tokenFile or a client certificate",
        ),
        (
            with_user(json!({"token": "m4rk3r", "as": "m4rk3r"})),
            "the user \"u\" has another user to act as, which is not offered: use that user's own credentials",
        ),
        (
            with_user(json!({"client-certificate": "m4rk3r"})),
            "the user \"u\" has a client certificate without its key, or a key without its certificate",
        ),
        (
            with_user(json!({"client-certificate-data": "?m4rk3r", "client-key-data": "?m4rk3r"})),
            "the client certificate of the user \"u\" is not the base64 of a PEM text",
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_cluster_that_cannot_be_asked_is_an_error_that_says_why() {
    let with_cluster = |cluster: Value| entries(&cluster, &json!({"token": "m4rk3r"}));
    assert_unusable([
        (
            with_cluster(json!({"server": "https://m4rk3r@kube.example"})),
            "the server of the cluster \"c\" must be a URL such as https://host:6443, without user name, \
             query or fragment; http:// is for this machine alone (K8S-7)",
        ),
        (
            with_cluster(json!({"server": "http://kube.example"})),
            "the server of the cluster \"c\" must be a URL such as https://host:6443, without user name, \
             query or fragment; http:// is for this machine alone (K8S-7)",
        ),
        (with_cluster(json!({})), "the cluster \"c\" names no server"),
        (
            with_cluster(json!({"server": URL, "tls-server-name": "m4rk3r"})),
            "names a tls-server-name, which is not offered: use the name in the server's URL",
        ),
        (
            with_cluster(json!({"server": URL, "certificate-authority-data": "?m4rk3r"})),
            "certificate-authority-data is not base64",
        ),
        (
            with_cluster(json!({
                "server": URL, "certificate-authority": "/m4rk3r", "insecure-skip-tls-verify": true,
            })),
            "names an authority besides insecure-skip-tls-verify: remove one of the two",
        ),
        (
            json!({"users": [{"name": "u", "user": {"token": ["m4rk3r"]}}]}),
            "it has not the form of a kubeconfig",
        ),
        (
            json!({}),
            "has no current-context: name one with KubernetesCredential::with_context",
        ),
        (
            json!({"current-context": "x"}),
            "has no context \"x\"; it has: ",
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_socks_proxy_of_a_kubeconfig_is_an_error() {
    let cluster = json!({"server": URL, "proxy-url": "socks5://u:m4rk3r@proxy.example:1080"});
    let config = entries(&cluster, &json!({"token": "m4rk3r"})).to_string();
    let error = value_with(KubernetesCredential::kubeconfig_text(config)).await;
    let expected =
        "proxy-url (KubernetesCredential): SOCKS proxies are not offered: use an HTTP proxy";
    assert_eq!(error, Err(expected.into()));
}

#[tokio::test]
async fn a_kubeconfig_that_cannot_be_read_says_why_and_shows_nothing_of_it() {
    let unreadable = value_with(KubernetesCredential::kubeconfig("/nowhere/config")).await;
    assert_eq!(
        unreadable,
        Err(
            "kubeconfig (/nowhere/config): cannot be read: No such file or directory (os error 2)"
                .into()
        )
    );
    let broken = "clusters: [\nm4rk3r: {".to_owned();
    let error = value_with(KubernetesCredential::kubeconfig_text(broken))
        .await
        .unwrap_err();
    assert!(
        error.starts_with("kubeconfig (KubernetesCredential): line "),
        "{error}"
    );
    assert!(!error.contains("m4rk3r"), "{error}");
    let unknown = kubeconfig(URL, &json!({})).with_context("y");
    assert_eq!(
        value_with(unknown).await,
        Err("kubeconfig (KubernetesCredential): has no context \"y\"; it has: x".into())
    );
    let in_pod = KubernetesCredential::in_cluster().with_context("y");
    assert_eq!(
        value_with(in_pod).await,
        Err(
            "context (KubernetesCredential): is given without a kubeconfig: a pod has no contexts"
                .into()
        )
    );
}

#[tokio::test]
async fn two_entries_of_a_kubeconfig_with_one_name_are_an_error_as_in_kubectl() {
    let twice = |kind: &str| {
        let mut config = entries(&json!({"server": URL}), &json!({"token": "m4rk3r"}));
        let list = config[kind].as_array_mut().unwrap();
        list.push(list[0].clone());
        config
    };
    assert_unusable([
        (
            twice("clusters"),
            "has two clusters named \"c\": remove one of them",
        ),
        (
            twice("users"),
            "has two users named \"u\": remove one of them",
        ),
        (
            twice("contexts"),
            "has two contexts named \"x\": remove one of them",
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_file_of_kubeconfig_that_may_be_there_is_not_passed_over() {
    let home = tempfile::tempdir().unwrap();
    let circle = home.path().join("circle");
    std::os::unix::fs::symlink(&circle, &circle).unwrap();
    let other = home.path().join("other");
    std::fs::write(
        &other,
        entries(&json!({"server": URL}), &json!({})).to_string(),
    )
    .unwrap();
    let list = format!("{}:{}", circle.display(), other.display());
    let built = KubernetesSecretsBackend::builder()
        .environment(&Environment::from_iter([("KUBECONFIG", &*list)]))
        .credential(KubernetesCredential::default_kubeconfig())
        .build();
    assert_eq!(
        built.map(drop).unwrap_err().to_string(),
        format!(
            "kubeconfig ({}): cannot be read: Too many levels of symbolic links (os error 40)",
            circle.display()
        )
    );
}

#[tokio::test]
async fn another_authority_is_not_trusted_with_the_token() {
    let server = ApiServer::shared().await;
    let namespace = server.namespace().await;
    let pod = namespace.pod("airflow").await;
    crate::support::authority::authority().write(&pod.folder().join("ca.crt"));
    let backend = in_pod(&pod).build().unwrap();
    let outcome = variable(&backend, "x").await.unwrap_err();
    let expected = "Unavailable: the TLS certificate of the API server is not trusted";
    assert!(outcome.starts_with(expected), "{outcome}");
    assert_eq!(namespace.lists().len(), 0);
    // Code may name another.
    let pem = HttpOptions::new().with_ca_pem(server.authority.certificate_pem());
    let backend = in_pod(&pod).http(pem).build().unwrap();
    assert_eq!(variable(&backend, "x").await, Err("missing".into()));
}

#[tokio::test]
async fn a_namespace_of_settings_comes_before_that_of_the_context() {
    let server = Served::by(|_| found()).await;
    let backend = at(&server.url).namespace("other").build().unwrap();
    assert_eq!(variable(&backend, "x").await, Ok("v".into()));
    let path = &server.seen.all()[0].path;
    assert!(
        path.starts_with("/api/v1/namespaces/other/secrets?"),
        "{path}"
    );
}
