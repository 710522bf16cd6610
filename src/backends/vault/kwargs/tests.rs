//! Keyword arguments, as settings give them.

use serde_json::json;

use super::*;
use crate::backends::vault::VaultBackend;

const ORIGIN: &str = "AIRFLOW__SECRETS__BACKEND_KWARGS";

fn made(arguments: Value, variables: &[(&str, &str)]) -> Result<(String, Vec<Warning>), String> {
    let Value::Object(arguments) = arguments else {
        panic!("{arguments}")
    };
    let kwargs = Kwargs::new("[secrets] backend_kwargs", ORIGIN, arguments);
    let environment = variables.iter().copied().collect::<Environment>();
    let mut warnings = Vec::new();
    let setup = BackendSetup {
        kwargs,
        environment: &environment,
        multi_team: false,
        warnings: &mut warnings,
    };
    let backend = VaultBackend::from_setup(setup).map_err(|error| error.to_string())?;
    Ok((format!("{backend:?}"), warnings))
}

/// What the backend was made of, for a login with a token.
fn with(mut arguments: Value) -> String {
    arguments["token"] = "s.marker".into();
    let (debug, _) = made(arguments, &[]).unwrap();
    assert!(!debug.contains("s.marker"), "{debug}");
    debug
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
    let (debug, warnings) = made(
        json!({
            "connections_path": "connections", "variables_path": "variables",
            "mount_point": "airflow", "url": "http://127.0.0.1:8200", "auth_type": "approle",
            "role_id": "astro_role", "secret_id": "marker",
        }),
        &[],
    )
    .unwrap();
    assert_eq!(warnings, []);
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
    let (debug, warnings) = made(arguments, &[]).unwrap();
    assert!(debug.contains("connections_path: [\"g\"]"), "{debug}");
    assert!(
        debug.contains("variables_path: [\"variables\", \"g\"]"),
        "{debug}"
    );
    let [warning] = &warnings[..] else {
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
    let debug = with(json!({
        "url": "https://vault:8200/", "namespace": "team", "timeout": 2.5, "verify": "/ca.pem",
        "cert": ["/c.pem", "/k.pem"], "allow_redirects": false, "request_header": false,
        "proxies": {"https": "http://proxy:3128"}, "strict_http": true, "session": null,
        "mount_point": "m/n/",
    }));
    for part in [
        "https://vault:8200",
        "\"team\"",
        "total_timeout: 2.5s",
        "connect_timeout: 2.5s",
        "At(\"/ca.pem\")",
        "\"/c.pem\"",
        "follow_redirects: false",
        "request_header: false",
        "proxy: Some(***)",
        "Fixed(\"m/n\")",
    ] {
        assert!(debug.contains(part), "{part} in {debug}");
    }
    let debug =
        with(json!({"verify": false, "cert": "/both.pem", "timeout": null, "mount_point": null}));
    for part in [
        "Unchecked",
        "\"/both.pem\"",
        "total_timeout: 30s",
        "FirstSegmentOfId",
    ] {
        assert!(debug.contains(part), "{part} in {debug}");
    }
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
            "secret_id: Inline(***)",
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
        let (debug, _) = made(arguments.clone(), &[]).unwrap();
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
            json!({"auth_type": "aws_iam", "role_id": "r"}),
            "is not there yet; there are approle, cert",
        ),
        (json!({"auth_type": "azure"}), "is not there yet"),
        (json!({"auth_type": "gcp"}), "is not there yet"),
        (
            json!({"auth_type": "oidc"}),
            "is no login that is known; there are approle, cert",
        ),
        (json!({"auth_type": null}), "is no login that is known"),
    ] {
        let error = error(arguments.clone());
        assert!(error.contains(lacking), "{arguments}: {error}");
    }
}

#[test]
fn the_environment_gives_what_airflows_client_reads_and_no_more() {
    let (debug, _) = made(
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
    for part in [
        "https://from-environment:8200",
        "At(\"/bundle.pem\")",
        "[\"/vault-ca.pem\"]",
        "proxy: Some",
    ] {
        assert!(debug.contains(part), "{part} in {debug}");
    }
    for part in ["not-read", "Unchecked", "marker"] {
        assert!(!debug.contains(part), "{part} in {debug}");
    }
    let (debug, _) = made(
        json!({"token": "t", "url": "http://given:8200", "verify": "/given.pem"}),
        &[
            ("VAULT_ADDR", "http://other"),
            ("VAULT_CACERT", "/other.pem"),
            ("no_proxy", "given"),
        ],
    )
    .unwrap();
    assert!(
        debug.contains("http://given:8200") && debug.contains("At(\"/given.pem\")"),
        "{debug}"
    );
    assert!(!debug.contains("other"), "{debug}");
}
