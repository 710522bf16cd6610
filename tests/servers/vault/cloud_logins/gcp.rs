//! `gcp`, with JWTs that a service account signs; the signature is checked with its public key.

use airflow_secrets::{
    Environment,
    backends::{gcp::GcpCredential, vault::VaultCredential},
};
use serde_json::{Value, json};

use crate::{
    backend, bodies, from_kwargs, logins, side_by_side,
    support::{
        google::{ACCOUNT, claims_of, key_file},
        google_services::{GoogleServices, impersonation_url, key, user},
        served::Served,
        token_authority::now,
    },
    vault, x,
};

const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// Whether the JWT is one that Vault takes: for this role, good now and for 15 minutes at most.
fn is_genuine(login: &Value) -> bool {
    let claims = claims_of(login["jwt"].as_str().unwrap());
    let time = |name: &str| claims[name].as_u64().unwrap();
    login["role"] == "airflow"
        && claims["aud"] == "vault/airflow"
        && time("iat") <= now()
        && (now()..=now() + 900).contains(&time("exp"))
        && time("exp") - time("iat") == 900
}

/// The claims of the JWT in the one login that was seen, but for the times.
fn sent(bodies: &[Value]) -> Value {
    let [body] = bodies else { panic!("{bodies:?}") };
    let mut body = body.clone();
    let jwt = body["jwt"].take();
    let mut claims = claims_of(jwt.as_str().unwrap());
    for time in ["iat", "exp"] {
        claims.as_object_mut().unwrap().remove(time).unwrap();
    }
    body["jwt"] = claims;
    body
}

fn claims(account: &str) -> Value {
    json!({"role": "airflow", "jwt": {"sub": account, "aud": "vault/airflow"}})
}

fn environment(services: &GoogleServices, more: &[(&str, &str)]) -> Environment {
    let reach = services.reach();
    let reach = reach.iter().map(|(name, value)| (&**name, &**value));
    reach.chain(more.iter().copied()).collect()
}

async fn vault_of_airflow() -> Served {
    vault(is_genuine).await
}

#[tokio::test]
async fn a_key_signs_and_nobody_of_googles_is_asked() {
    let (services, vault) = (GoogleServices::start(), vault_of_airflow().await);
    let path = services.file("key.json", &key_file().to_string());
    let environment = environment(&services, &[]);
    for credential in [
        GcpCredential::key(key_file().to_string()),
        GcpCredential::key_path(&path),
    ] {
        vault.seen.clear();
        let login = VaultCredential::gcp("airflow", credential);
        assert_eq!(
            x(&backend(&vault.url, login, &environment)).await,
            Ok("v".into())
        );
        assert_eq!(sent(&bodies(&vault)), claims(ACCOUNT));
    }
    assert_eq!(services.take_requests().len(), 0);
}

#[tokio::test]
async fn the_login_is_that_of_airflow() {
    let (services, vault) = (GoogleServices::start(), vault_of_airflow().await);
    let path = services.file("key.json", &key().to_string());
    let mut variables = services.reach();
    // Airflow's client for IAM trusts what this names.
    let ca = variables["REQUESTS_CA_BUNDLE"].clone();
    variables.insert("HTTPLIB2_CA_CERTS".to_owned(), ca);
    let login = json!({"auth_type": "gcp", "role_id": "airflow", "gcp_scopes": SCOPE});
    let cases = [
        json!({"gcp_key_path": path}),
        json!({"gcp_keyfile_dict": key()}),
        json!({}),
    ];
    let cases = cases.map(|credentials| {
        let mut kwargs = login.clone();
        let credentials = credentials.as_object().unwrap().clone();
        kwargs.as_object_mut().unwrap().extend(credentials);
        kwargs
    });
    let [theirs, ours] = side_by_side(&vault, &cases, &variables).await;
    for (answers, requests) in [theirs, ours] {
        assert_eq!(answers, [json!("v"), json!("v"), json!("v")]);
        let sent = logins(&requests)
            .into_iter()
            .map(|(path, body)| (path, sent(&[body])));
        let path = "/v1/auth/gcp/login";
        let expected = [ACCOUNT, ACCOUNT, "machine@p"];
        let expected = expected.map(|account| (path.to_owned(), claims(account)));
        assert_eq!(sent.collect::<Vec<_>>(), expected);
    }
}

/// A user who may impersonate an account, by the file of Google's default credentials.
#[tokio::test]
async fn a_file_that_impersonates_logs_in_as_its_account_as_with_airflow() {
    let (services, vault) = (GoogleServices::start(), vault_of_airflow().await);
    let account = "vault@other.iam.gserviceaccount.com";
    let file = json!({
        "type": "impersonated_service_account", "source_credentials": user(), "delegates": [],
        "service_account_impersonation_url": impersonation_url(account),
    });
    let file = services.file("impersonated.json", &file.to_string());
    let mut variables = services.reach();
    let ca = variables["REQUESTS_CA_BUNDLE"].clone();
    variables.insert("HTTPLIB2_CA_CERTS".to_owned(), ca);
    let file = file.display().to_string();
    variables.insert("GOOGLE_APPLICATION_CREDENTIALS".to_owned(), file);
    // Airflow's address for the account has a project in it.
    variables.insert("GOOGLE_CLOUD_PROJECT".to_owned(), "any".to_owned());
    let kwargs = json!({"auth_type": "gcp", "role_id": "airflow", "gcp_scopes": SCOPE});
    for (answers, requests) in side_by_side(&vault, &[kwargs], &variables).await {
        assert_eq!(answers, [json!("v")]);
        let sent = logins(&requests).into_iter().map(|(_, body)| sent(&[body]));
        assert_eq!(sent.collect::<Vec<_>>(), [claims(account)]);
    }
}

/// Whoever has no key has Google's IAM sign, at each login.
#[tokio::test]
async fn a_machine_asks_iam_to_sign() {
    let (services, vault) = (GoogleServices::start(), vault_of_airflow().await);
    let environment = environment(&services, &[]);
    let login = VaultCredential::gcp("airflow", GcpCredential::application_default());
    assert_eq!(
        x(&backend(&vault.url, login, &environment)).await,
        Ok("v".into())
    );
    let asked = services.take_requests();
    let asked = asked.iter().map(|request| (&*request.host, &*request.path));
    let signed = asked.filter(|(_, path)| path.ends_with(":signJwt"));
    let path = "/v1/projects/-/serviceAccounts/machine@p:signJwt";
    assert_eq!(
        signed.collect::<Vec<_>>(),
        [("iamcredentials.googleapis.com", path)]
    );
}

#[tokio::test]
async fn an_account_that_may_not_sign_is_told_what_it_needs() {
    let (services, vault) = (GoogleServices::start(), vault_of_airflow().await);
    let denied = crate::support::https::Reply::json(403, &json!({"error": {"message": "MARKER"}}));
    services.answer_first("iamcredentials.googleapis.com", &denied, 1);
    let login = VaultCredential::gcp("airflow", GcpCredential::application_default());
    let environment = environment(&services, &[]);
    let outcome = x(&backend(&vault.url, login, &environment))
        .await
        .unwrap_err();
    let expected = "AccessDenied: no credentials for Vault's gcp login: no JWT is signed for machine@p, \
                    which needs the role Service Account Token Creator on itself: ";
    assert!(outcome.starts_with(expected), "{outcome}");
    assert!(!outcome.contains("MARKER"), "{outcome}");
    assert_eq!(vault.seen.lines(), Vec::<String>::new());
}

#[tokio::test]
async fn a_passing_error_of_iam_is_tried_again() {
    let (services, vault) = (GoogleServices::start(), vault_of_airflow().await);
    let busy = crate::support::https::Reply::json(503, &json!({}));
    services.answer_first("iamcredentials.googleapis.com", &busy, 2);
    let login = VaultCredential::gcp("airflow", GcpCredential::application_default());
    let environment = environment(&services, &[]);
    assert_eq!(
        x(&backend(&vault.url, login, &environment)).await,
        Ok("v".into())
    );
}

#[tokio::test]
async fn what_is_not_a_service_accounts_is_refused() {
    let (services, vault) = (GoogleServices::start(), vault_of_airflow().await);
    let file = services.file("user.json", &user().to_string());
    let path = file.display().to_string();
    let environment = environment(&services, &[("GOOGLE_APPLICATION_CREDENTIALS", &path)]);
    let kwargs = json!({"auth_type": "gcp", "role_id": "airflow", "gcp_scopes": SCOPE});
    let outcome = x(&from_kwargs(&vault.url, &kwargs, &environment))
        .await
        .unwrap_err();
    let expected = "these credentials are not those of a service account";
    assert!(
        outcome.starts_with("Configuration: ") && outcome.contains(expected),
        "{outcome}"
    );

    let mut nameless = key_file();
    nameless["private_key_id"] = "".into();
    let login = VaultCredential::gcp("airflow", GcpCredential::key(nameless.to_string()));
    let outcome = x(&backend(&vault.url, login, &environment))
        .await
        .unwrap_err();
    assert!(
        outcome.contains("the key file lacks \"private_key_id\""),
        "{outcome}"
    );
    assert_eq!(vault.seen.lines(), Vec::<String>::new());
}

#[tokio::test]
async fn another_role_than_the_jwt_is_for_is_refused() {
    let (services, vault) = (GoogleServices::start(), vault_of_airflow().await);
    let login = VaultCredential::gcp("other", GcpCredential::key(key_file().to_string()));
    let outcome = x(&backend(&vault.url, login, &environment(&services, &[]))).await;
    let expected = "AccessDenied: the login at auth/gcp was refused: check role_id, that the role is \
                    of type iam and binds this service account, and this machine's clock";
    assert!(
        outcome.as_ref().unwrap_err().contains(expected),
        "{outcome:?}"
    );
}
