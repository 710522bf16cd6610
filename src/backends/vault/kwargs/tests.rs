//! Keyword arguments, as settings give them.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::{
    SecretsBackend,
    backends::{
        http_options::{ClientCertificate, Roots},
        vault::{VaultBackend, naming::MountPoint},
    },
};

const ORIGIN: &str = "AIRFLOW__SECRETS__BACKEND_KWARGS";

fn made(arguments: Value, variables: &[(&str, &str)]) -> Result<VaultBackend, String> {
    let Value::Object(arguments) = arguments else {
        panic!("{arguments}")
    };
    let kwargs = Kwargs::new("[secrets] backend_kwargs", ORIGIN, arguments);
    let environment = variables.iter().copied().collect::<Environment>();
    let setup = BackendSetup::new(kwargs, &environment);
    VaultBackend::from_setup(setup).map_err(|error| error.to_string())
}

/// The backend for a login with a token.
fn with_token(mut arguments: Value) -> VaultBackend {
    arguments["token"] = "s.marker".into();
    made(arguments, &[]).unwrap()
}

/// What the backend was made of, for a login with a token.
fn with(arguments: Value) -> String {
    let debug = format!("{:?}", with_token(arguments));
    assert!(!debug.contains("s.marker"), "{debug}");
    debug
}

fn roots(backend: &VaultBackend) -> Option<&Roots> {
    let roots = backend.client.settings.tls.roots.as_ref();
    roots.map(|roots| &roots.value)
}

fn proxy(backend: &VaultBackend) -> Option<Secret> {
    let settings = &backend.client.settings;
    let proxy = settings.proxies.choose(&settings.address.url().into());
    proxy.map(|proxy| proxy.value)
}

fn client_certificate(backend: &VaultBackend) -> Option<&ClientCertificate> {
    let certificate = &backend.client.settings.tls.client_certificate;
    certificate.as_ref().map(|certificate| &certificate.value)
}

fn error(arguments: Value) -> String {
    let error = made(arguments, &[]).unwrap_err();
    assert!(
        error.contains(ORIGIN) || error.contains("default"),
        "{error}"
    );
    error
}

fn error_with_token(mut arguments: Value) -> String {
    arguments["token"] = "t".into();
    error(arguments)
}

#[test]
fn the_documented_example_is_taken() {
    let backend = made(
        json!({
            "connections_path": "connections", "variables_path": "variables",
            "mount_point": "airflow", "url": "http://127.0.0.1:8200", "auth_type": "approle",
            "role_id": "astro_role", "secret_id": "marker",
        }),
        &[],
    )
    .unwrap();
    assert_eq!(backend.warnings(), []);
    let debug = format!("{backend:?}");
    for part in [
        "Fixed(\"airflow\")",
        "[\"connections\"]",
        "AppRole",
        "http://127.0.0.1:8200",
    ] {
        assert!(debug.contains(part), "{part} in {debug}");
    }
    assert!(!debug.contains("marker"), "{debug}");
}

#[test]
fn paths_are_a_text_a_list_or_null() {
    for (path, expected) in [
        (json!("a/"), "connections_path: [\"a\"]"),
        (json!(["a", "/b//c/"]), "connections_path: [\"a\", \"b/c\"]"),
        (json!(""), "connections_path: [\"\"]"),
        (json!(null), "connections_path: []"),
        (json!([]), "connections_path: []"),
    ] {
        let debug = with(json!({ "connections_path": path }));
        assert!(debug.contains(expected), "{expected} in {debug}");
    }
    for path in [json!(5), json!([1]), json!({"a": 1}), json!("a/../b")] {
        let error = error_with_token(json!({ "connections_path": path }));
        assert!(error.contains("connections_path"), "{error}");
    }
}

#[test]
fn the_global_path_is_one_more_and_a_warning() {
    let arguments = json!({"token": "t", "connections_path": null, "global_secrets_path": "g/"});
    let backend = made(arguments, &[]).unwrap();
    let (debug, warnings) = (format!("{backend:?}"), backend.warnings());
    assert!(debug.contains("connections_path: [\"g\"]"), "{debug}");
    assert!(
        debug.contains("variables_path: [\"variables\", \"g\"]"),
        "{debug}"
    );
    let [warning] = warnings else {
        panic!("{warnings:?}")
    };
    assert!(
        warning.to_string().contains("global_secrets_path"),
        "{warning}"
    );
}

#[test]
fn the_engine_version_is_read_as_python_compares() {
    for (version, expected) in [
        (json!(1), "version: V1"),
        (json!(1.0), "version: V1"),
        (json!(true), "version: V1"),
        (json!(2), "version: V2"),
        (json!(null), "version: V2"),
        (json!(0), "version: V2"),
    ] {
        let debug = with(json!({ "kv_engine_version": version }));
        assert!(debug.contains(expected), "{version}: {debug}");
    }
    for version in [json!(3), json!("2"), json!("1")] {
        let error = error_with_token(json!({ "kv_engine_version": version }));
        assert!(error.contains("must be the number 1 or 2"), "{error}");
    }
}

#[test]
fn the_clients_own_arguments_are_taken() {
    let backend = with_token(json!({
        "url": "https://vault:8200/", "namespace": "team", "timeout": 2.5, "verify": "/ca.pem",
        "cert": ["/c.pem", "/k.pem"], "allow_redirects": false, "request_header": false,
        "proxies": {"https": "http://proxy:3128"}, "strict_http": true, "session": null,
        "mount_point": "m/n/",
    }));
    let settings = &backend.client.settings;
    assert_eq!(settings.address.to_string(), "https://vault:8200");
    assert_eq!(settings.namespace.as_deref(), Some("team"));
    let limit = Duration::from_millis(2500);
    assert_eq!(settings.http.timeout(), limit);
    assert_eq!(settings.http.connect_timeout(), limit);
    assert_eq!(roots(&backend), Some(&Roots::At("/ca.pem".into())));
    let files = ClientCertificate::Files {
        certificate: "/c.pem".into(),
        key: Some("/k.pem".into()),
    };
    assert_eq!(client_certificate(&backend), Some(&files));
    assert!(!settings.follow_redirects && !settings.request_header);
    assert_eq!(proxy(&backend), Some("http://proxy:3128".into()));
    let mount_point = MountPoint::Fixed("m/n".to_owned());
    assert_eq!(backend.layout.mount_point, mount_point);

    let backend = with_token(json!({
        "verify": false, "cert": "/both.pem", "timeout": null, "mount_point": null,
    }));
    assert_eq!(roots(&backend), Some(&Roots::Unchecked));
    let files = ClientCertificate::Files {
        certificate: "/both.pem".into(),
        key: None,
    };
    assert_eq!(client_certificate(&backend), Some(&files));
    let settings = &backend.client.settings;
    assert_eq!(settings.http.timeout(), Duration::from_secs(30));
    let mount_point = MountPoint::FirstSegmentOfId;
    assert_eq!(backend.layout.mount_point, mount_point);
}

#[test]
fn what_the_client_would_refuse_is_an_error_that_names_it() {
    for (name, value) in [
        ("timeout", json!(0)),
        ("timeout", json!("5")),
        ("timeout", json!([1, 2])),
        ("timeout", json!(true)),
        ("verify", json!(["a"])),
        ("cert", json!(["only one"])),
        ("proxies", json!("http://proxy")),
        ("proxies", json!({"http": "socks5://proxy"})),
        ("namespace", json!("a\nb")),
        ("url", json!("vault:8200")),
        ("session", json!({"a": 1})),
        ("adapter", json!("hvac.adapters.RawAdapter")),
        ("ignore_exceptions", json!(true)),
        ("bogus", json!("marker")),
    ] {
        let error = error_with_token(json!({ name: value }));
        assert!(error.contains(name), "{name}: {error}");
        assert!(!error.contains("marker"), "{error}");
    }
}

#[test]
fn an_unknown_argument_is_an_error_that_lists_the_known() {
    let error = error_with_token(json!({"mountpoint": "x"}));
    assert!(error.contains("\"mountpoint\""), "{error}");
    assert!(error.contains("mount_point, kv_engine_version"), "{error}");
}

#[test]
fn every_login_is_made_from_its_arguments() {
    for (arguments, expected) in [
        (
            json!({"auth_type": "token", "token": "t"}),
            "Token(Inline(***))",
        ),
        (
            json!({"token": "t", "token_path": "/t"}),
            "Token(File(\"/t\"))",
        ),
        (
            json!({"auth_type": "approle", "role_id": 5}),
            "secret_id: None",
        ),
        (
            json!({"auth_type": "approle", "role_id": "r", "secret_id": 7}),
            "secret_id: Given(Inline(***))",
        ),
        (
            json!({"auth_type": "approle", "role_id_file_path": "/r", "secret_id_file_path": "/s"}),
            "role_id: File(\"/r\"), secret_id: Given(File(\"/s\"))",
        ),
        (
            json!({"auth_type": "userpass", "username": "u", "password": 5}),
            "kind: Userpass",
        ),
        (
            json!({"auth_type": "ldap", "username": "u", "password": "p"}),
            "kind: Ldap",
        ),
        (
            json!({"auth_type": "radius", "username": "u", "password": "p", "radius_host": "h", "radius_secret": "s"}),
            "kind: Radius",
        ),
        (
            json!({"auth_type": "jwt", "jwt_role": "r", "jwt_token": "j"}),
            "jwt: Inline(***)",
        ),
        (
            json!({"auth_type": "jwt", "jwt_role": "r", "jwt_token_path": "/j"}),
            "jwt: File(\"/j\")",
        ),
        (
            json!({"auth_type": "kubernetes", "kubernetes_role": "r"}),
            "/var/run/secrets/kubernetes.io",
        ),
        (
            json!({"auth_type": "github", "token": "g"}),
            "GitHub(Inline(***))",
        ),
        (
            json!({"auth_type": "github", "token_path": "/g"}),
            "GitHub(File(\"/g\"))",
        ),
        (
            json!({"auth_type": "cert", "cert": "/c"}),
            "Certificate { role: None }",
        ),
        (
            json!({"auth_type": "jwt", "jwt_role": "r", "jwt_token": "j", "auth_mount_point": "a/b/"}),
            "mount: Some(\"a/b\")",
        ),
    ] {
        let debug = format!("{:?}", made(arguments.clone(), &[]).unwrap());
        assert!(debug.contains(expected), "{arguments}: {debug}");
    }
}

#[test]
fn a_login_that_lacks_an_argument_says_which() {
    for (arguments, lacking) in [
        (json!({}), "\"token\", \"token_path\", or VAULT_TOKEN"),
        (
            json!({"token": ""}),
            "\"token\", \"token_path\", or VAULT_TOKEN",
        ),
        (json!({"auth_type": "approle"}), "\"role_id\""),
        (
            json!({"role_id": "r", "secret_id": "s"}),
            "in the environment; since \"role_id\" is set, \"auth_type\" may have to be \"approle\"",
        ),
        (
            json!({"auth_type": "token", "kubernetes_role": "r"}),
            "since \"kubernetes_role\" is set, \"auth_type\" may have to be \"kubernetes\"",
        ),
        (
            json!({"auth_type": "userpass", "username": "u"}),
            "\"username\" and \"password\"",
        ),
        (
            json!({"auth_type": "jwt", "jwt_token": "j"}),
            "\"jwt_role\"",
        ),
        (
            json!({"auth_type": "jwt", "jwt_role": "r"}),
            "\"jwt_token\" or \"jwt_token_path\"",
        ),
        (json!({"auth_type": "kubernetes"}), "\"kubernetes_role\""),
        (
            json!({"auth_type": "kubernetes", "kubernetes_role": "r", "kubernetes_jwt_path": ""}),
            "\"kubernetes_jwt_path\"",
        ),
        (
            json!({"auth_type": "github"}),
            "\"token\" or \"token_path\"",
        ),
        (json!({"auth_type": "cert"}), "needs a client certificate"),
        (
            json!({"auth_type": "approle", "role_id_file_path": "/r", "role_id": "r"}),
            "\"role_id\" or \"role_id_file_path\", and not both",
        ),
        (
            json!({"auth_type": "approle", "role_id": "r", "secret_id_file_path": "/s", "secret_id": "s"}),
            "\"secret_id\" or \"secret_id_file_path\", and not both",
        ),
        (
            json!({"auth_type": "oidc"}),
            "is not a known login; use one of approle, aws_iam, azure, cert",
        ),
        (json!({"auth_type": null}), "is not a known login"),
    ] {
        let error = error(arguments.clone());
        assert!(error.contains(lacking), "{arguments}: {error}");
    }
}

#[test]
fn the_environment_gives_what_airflows_client_reads_and_no_more() {
    let backend = made(
        json!({}),
        &[
            ("VAULT_TOKEN", "marker"),
            ("VAULT_ADDR", "https://from-environment:8200"),
            ("VAULT_NAMESPACE", "not-read"),
            ("VAULT_SKIP_VERIFY", "true"),
            ("REQUESTS_CA_BUNDLE", "/bundle.pem"),
            ("VAULT_CACERT", "/vault-ca.pem"),
            ("HTTPS_PROXY", "http://proxy:3128"),
        ],
    )
    .unwrap();
    let settings = &backend.client.settings;
    let address = settings.address.to_string();
    assert_eq!(address, "https://from-environment:8200");
    assert_eq!(settings.namespace, None);
    assert_eq!(roots(&backend), Some(&Roots::At("/bundle.pem".into())));
    let further = settings.further_roots.iter().map(|roots| &roots.value);
    let further = further.collect::<Vec<_>>();
    assert_eq!(further, [&Roots::At("/vault-ca.pem".into())]);
    assert_eq!(proxy(&backend), Some("http://proxy:3128".into()));
    let debug = format!("{backend:?}");
    assert!(!debug.contains("marker"), "{debug}");

    let backend = made(
        json!({"token": "t", "url": "http://given:8200", "verify": "/given.pem"}),
        &[
            ("VAULT_ADDR", "http://other"),
            ("VAULT_CACERT", "/other.pem"),
            ("no_proxy", "given"),
        ],
    )
    .unwrap();
    let settings = &backend.client.settings;
    assert_eq!(settings.address.to_string(), "http://given:8200");
    assert_eq!(roots(&backend), Some(&Roots::At("/given.pem".into())));
    assert!(settings.further_roots.is_empty());
}

#[cfg(not(any(feature = "_aws", feature = "azure", feature = "gcp")))]
#[test]
fn a_clouds_login_that_is_not_in_this_build_names_its_feature() {
    for (auth_type, feature) in [
        (
            "aws_iam",
            "\"aws-secrets-manager\" or \"aws-parameter-store\"",
        ),
        ("azure", "\"azure\""),
        ("gcp", "\"gcp\""),
    ] {
        let error = error(json!({"auth_type": auth_type, "role_id": "r"}));
        let expected = format!(
            "the login {auth_type:?} is not in this build of airflow-secrets: enable its cargo \
             feature {feature}"
        );
        assert!(error.ends_with(&expected), "{error}");
    }
}

#[cfg(feature = "_aws")]
#[test]
fn half_an_aws_key_and_a_role_without_its_session_are_refused() {
    let arn = "arn:aws:iam::123456789012:role/reader";
    for (arguments, lacking) in [
        (
            json!({"key_id": "AKIA"}),
            "needs \"key_id\" and \"secret_id\" together",
        ),
        (
            json!({"secret_id": "marker"}),
            "needs \"key_id\" and \"secret_id\" together",
        ),
        (
            json!({"assume_role_kwargs": {"RoleArn": arn}}),
            "\"RoleSessionName\"",
        ),
        (
            json!({"assume_role_kwargs": {"RoleSessionName": "s"}}),
            "\"RoleArn\"",
        ),
        (
            json!({"assume_role_kwargs": {"RoleArn": arn, "RoleSessionName": "s", "Rolearn": "x"}}),
            "unknown argument",
        ),
        (json!({"assume_role_kwargs": "marker"}), "must be an object"),
    ] {
        let mut all = json!({"auth_type": "aws_iam"});
        all.as_object_mut()
            .unwrap()
            .extend(arguments.as_object().unwrap().clone());
        let error = error(all);
        assert!(
            error.contains(lacking) && !error.contains("marker"),
            "{arguments}: {error}"
        );
    }
}

#[cfg(feature = "azure")]
#[test]
fn an_azure_login_needs_its_role_its_resource_and_its_tenant() {
    let needed = json!({
        "auth_type": "azure", "role_id": "r", "azure_resource": "https://r/", "azure_tenant_id": "t",
    });
    made(needed.clone(), &[]).unwrap();
    for name in ["role_id", "azure_resource", "azure_tenant_id"] {
        let mut lacking = needed.clone();
        lacking.as_object_mut().unwrap().remove(name);
        let error = error(lacking);
        assert!(
            error.contains("needs \"role_id\", \"azure_resource\" and \"azure_tenant_id\""),
            "{error}"
        );
    }
    let mut half = needed;
    half["secret_id"] = "marker".into();
    let error = error(half);
    assert!(
        error.contains("\"key_id\" and \"secret_id\" together, or neither"),
        "{error}"
    );
}

#[cfg(feature = "gcp")]
#[test]
fn a_google_login_needs_its_role_and_its_scopes_and_takes_one_key() {
    let scope = "https://www.googleapis.com/auth/cloud-platform";
    made(
        json!({"auth_type": "gcp", "role_id": "r", "gcp_scopes": scope}),
        &[],
    )
    .unwrap();
    for (arguments, lacking) in [
        (
            json!({"auth_type": "gcp", "role_id": "r"}),
            "needs \"role_id\" and \"gcp_scopes\"",
        ),
        (
            json!({"auth_type": "gcp", "gcp_scopes": scope}),
            "needs \"role_id\" and \"gcp_scopes\"",
        ),
        (
            json!({
                "auth_type": "gcp", "role_id": "r", "gcp_scopes": scope, "gcp_key_path": "/k.json",
                "gcp_keyfile_dict": {"private_key": "marker"},
            }),
            "set one of \"gcp_key_path\", \"gcp_keyfile_dict\"",
        ),
        (
            json!({
                "auth_type": "gcp", "role_id": "r", "gcp_scopes": scope,
                "gcp_credential_config_file": "/c.json",
            }),
            "unknown argument",
        ),
    ] {
        let error = error(arguments.clone());
        assert!(
            error.contains(lacking) && !error.contains("marker"),
            "{arguments}: {error}"
        );
    }
}
