//! Roles that trust Google: whose ID token STS gets.

use airflow_secrets::backend::LookupOptions;
use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

use crate::{
    SECRETS_MANAGER,
    credentials::{FAR, lent, signed, value},
    environment, make, outcome,
    support::{
        google::{ACCOUNT, claims_of, key_file},
        https::{self, Reply, serve},
        wire::{Answer, Queued, Request},
    },
};

/// What a lookup comes to, and what STS was asked.
async fn ask(
    audience: Option<&str>,
    variables: &[(&str, &str)],
) -> (Result<String, String>, Vec<Request>) {
    let service = Queued::with([value()]).await;
    let sts = Queued::with([lent("AssumeRoleWithWebIdentity", FAR)]).await;
    let kwargs = json!({
        "endpoint_url": service.url, "role_arn": "arn:aws:iam::123456789012:role/reader",
        "assume_role_method": "assume_role_with_web_identity",
        "assume_role_with_web_identity_federation": "google",
        "assume_role_with_web_identity_federation_audience": audience,
    });
    let own = [
        ("AWS_ACCESS_KEY_ID", ""),
        ("AWS_ENDPOINT_URL_STS", sts.url.as_str()),
    ];
    let environment = environment(&[&own, variables].concat());
    let made = make(SECRETS_MANAGER, kwargs, &environment, false).await;
    let found = outcome(
        made.unwrap()
            .0
            .get_variable("x", &LookupOptions::new())
            .await,
    );
    if found.is_ok() {
        assert_eq!(signed(&service.seen.all()[0]).0, "ASIALENT");
    }
    (found, sts.seen.all())
}

fn assert_token(sts: &[Request], token: &str) {
    let [call] = sts else { panic!("{sts:?}") };
    let form = url::form_urlencoded::parse(call.body.as_bytes()).into_owned();
    let form = form.collect::<std::collections::BTreeMap<_, _>>();
    assert_eq!(form["WebIdentityToken"], token);
    assert_eq!(call.header("authorization"), None, "the call is not signed");
}

fn write(folder: &Path, name: &str, content: &Value) -> String {
    let file = folder.join(name);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, content.to_string()).unwrap();
    file.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_machine_of_googles_says_who_it_is() {
    let google = Queued::with([Answer::new(200, "google.id.token")]).await;
    let host = google.url.strip_prefix("http://").unwrap();
    let variables = [
        ("GCE_METADATA_HOST", host),
        // No proxy stands before it.
        ("http_proxy", "http://127.0.0.1:1"),
        ("no_proxy", "127.0.0.1"),
    ];
    let (found, sts) = ask(Some("the audience"), &variables).await;
    assert_eq!(found, Ok("v".to_owned()));
    let [asked] = <[_; 1]>::try_from(google.seen.all()).unwrap();
    assert_eq!(asked.method, "GET");
    assert_eq!(
        asked.path,
        "/computeMetadata/v1/instance/service-accounts/default/identity?audience=the+audience&format=full"
    );
    assert_eq!(asked.header("metadata-flavor"), Some("Google"));
    assert_token(&sts, "google.id.token");
}

#[tokio::test]
async fn a_service_accounts_key_file_is_signed_with() {
    let google = Queued::with([Answer::new(200, r#"{"id_token": "of.the.account"}"#)]).await;
    let folder = tempfile::tempdir().unwrap();
    let mut key = key_file();
    key["token_uri"] = format!("{}/token", google.url).into();
    let file = write(folder.path(), "key.json", &key);
    let variables = [
        ("GOOGLE_APPLICATION_CREDENTIALS", file.as_str()),
        ("GCE_METADATA_HOST", "127.0.0.1:1"),
    ];
    let (found, sts) = ask(Some("the audience"), &variables).await;
    assert_eq!(found, Ok("v".to_owned()));
    assert_token(&sts, "of.the.account");

    let [asked] = <[_; 1]>::try_from(google.seen.all()).unwrap();
    let line = format!("{} {}", asked.method, asked.path);
    assert_eq!(line, "POST /token");
    let kind = asked.header("content-type");
    assert_eq!(kind, Some("application/x-www-form-urlencoded"));
    let form = url::form_urlencoded::parse(asked.body.as_bytes()).into_owned();
    let form = form.collect::<Vec<_>>();
    let [(grant_name, grant), (assertion_name, assertion)] = form.as_slice() else {
        panic!("{form:?}")
    };
    assert_eq!(
        (grant_name.as_str(), grant.as_str(), assertion_name.as_str()),
        (
            "grant_type",
            "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "assertion"
        )
    );
    let mut claims = claims_of(assertion);
    let (issued, ends) = (claims["iat"].take(), claims["exp"].take());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    assert!(issued.as_u64().unwrap().abs_diff(now.as_secs()) < 60);
    assert_eq!(ends.as_u64().unwrap() - issued.as_u64().unwrap(), 3600);
    assert_eq!(
        claims,
        json!({
            "iat": null, "exp": null, "iss": ACCOUNT, "target_audience": "the audience",
            "aud": "https://oauth2.googleapis.com/token",
        })
    );
}

#[tokio::test]
async fn a_users_login_by_gcloud_is_renewed_for_an_id_token() {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    let seen = Arc::<Mutex<Vec<https::Request>>>::default();
    let noted = Arc::clone(&seen);
    let google = serve(
        &["oauth2.googleapis.com"],
        &ca,
        Arc::new(move |request: &https::Request| {
            noted.lock().unwrap().push(request.clone());
            Reply::json(
                200,
                &json!({"access_token": "a", "id_token": "of.the.user"}),
            )
        }),
    );
    let user = json!({
        "type": "authorized_user", "client_id": "the-client", "client_secret": "client-secret",
        "refresh_token": "refresh", "token_uri": "http://127.0.0.1:1/never",
    });
    let name = "application_default_credentials.json";
    write(folder.path(), &format!(".config/gcloud/{name}"), &user);
    write(folder.path(), &format!("elsewhere/{name}"), &user);
    let elsewhere = folder.path().join("elsewhere");
    let proxy = format!("http://{}", google.address);
    for (place, folder, bundle) in [
        ("HOME", folder.path(), "REQUESTS_CA_BUNDLE"),
        ("CLOUDSDK_CONFIG", &elsewhere, "CURL_CA_BUNDLE"),
    ] {
        let variables = [
            (place, folder.to_str().unwrap()),
            ("https_proxy", proxy.as_str()),
            (bundle, ca.to_str().unwrap()),
        ];
        // An audience is not asked for: it is the client.
        let (found, sts) = ask(None, &variables).await;
        assert_eq!(found, Ok("v".to_owned()));
        assert_token(&sts, "of.the.user");
    }
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 2);
    for request in seen.iter() {
        assert!(request.is_tls);
        assert_eq!(
            (request.method.as_str(), request.path.as_str()),
            ("POST", "/token")
        );
        let expected = [
            ("client_id", "the-client"),
            ("client_secret", "client-secret"),
            ("grant_type", "refresh_token"),
            ("refresh_token", "refresh"),
            ("scope", "openid email"),
        ];
        let form = request.form().into_iter().collect::<Vec<_>>();
        assert_eq!(
            form,
            expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
    }
}

#[tokio::test]
async fn without_a_token_of_googles_it_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let refusing = Queued::with(vec![Answer::new(401, r#"{"error": "marker"}"#); 2]).await;
    let silent = Queued::with([Answer::new(200, r#"{"access_token": "marker"}"#)]).await;
    let file = |name: &str, field: &str, value: Value| {
        let mut key = key_file();
        key["token_uri"] = refusing.url.clone().into();
        key[field] = value;
        write(folder.path(), name, &key)
    };
    let no_json = folder.path().join("no.json");
    std::fs::write(&no_json, "marker").unwrap();
    let named = "the file that GOOGLE_APPLICATION_CREDENTIALS names";
    for (path, expected) in [
        (
            "/nowhere/key.json".to_owned(),
            format!("Configuration: {named} cannot be read: No such file"),
        ),
        (
            no_json.to_str().unwrap().to_owned(),
            format!("Configuration: {named} is not JSON (line 1, column 1)"),
        ),
        (
            file("type.json", "type", "external_account".into()),
            format!(
                "Configuration: {named} must be of the type service_account or authorized_user"
            ),
        ),
        (
            file("email.json", "client_email", Value::Null),
            format!("Configuration: \"client_email\" in {named} is missing"),
        ),
        (
            file("key.json", "private_key", "marker".into()),
            format!("Configuration: \"private_key\" in {named} is not a valid RSA key in PEM"),
        ),
        (
            file("uri.json", "token_uri", "marker".into()),
            format!("Configuration: \"token_uri\" in {named} is not an http or https URL"),
        ),
        (
            file("good.json", "private_key_id", "key-1".into()),
            "Configuration: Google's token endpoint (ID token) refused the request with status 401: \
             check the credential file"
                .to_owned(),
        ),
        (
            file("silent.json", "token_uri", silent.url.clone().into()),
            "Unavailable: the answer of Google's token endpoint contains no ID token".to_owned(),
        ),
    ] {
        let variables = [("GOOGLE_APPLICATION_CREDENTIALS", path.as_str())];
        let (found, sts) = ask(Some("the audience"), &variables).await;
        let error = found.unwrap_err();
        assert!(error.starts_with(&expected), "{error}");
        assert!(!error.contains("marker"), "{error}");
        assert!(sts.is_empty());
    }
    let good = folder.path().join("good.json");
    let key = [("GOOGLE_APPLICATION_CREDENTIALS", good.to_str().unwrap())];
    let machine = [("GCE_METADATA_HOST", "127.0.0.1:1")];
    for variables in [key, machine] {
        let (found, _) = ask(None, &variables).await;
        let error = "Configuration: \"assume_role_with_web_identity_federation_audience\" is not set, and the federation \"google\" needs it (AWS-26)";
        assert_eq!(found, Err(error.to_owned()));
    }
    let (found, _) = ask(Some("a"), &machine).await;
    let start = "Unavailable: no answer from Google's metadata server (only on Google Cloud \
                 machines): Connection refused";
    let error = found.unwrap_err();
    assert!(error.starts_with(start), "{error}");
}
