//! Which requests the settings lead to: to whom, signed by whom, for which region.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
};

use aws_smithy_runtime_api::{
    client::{
        http::{
            HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings,
            SharedHttpClient, SharedHttpConnector,
        },
        orchestrator::{HttpRequest, HttpResponse},
        runtime_components::RuntimeComponents,
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use serde_json::{Value, json};

use super::cases;
use crate::{
    Environment, Lookup, SecretsBackend,
    backend::LookupOptions,
    backends::aws::{ParameterStore, SecretsManager, Service, client::signing, kwargs},
    backends::registry::BackendSetup,
    config::Kwargs,
};

/// Any certificate: that it can be read is all that is asked of it.
const AUTHORITY: &str = include_str!("authority.pem");

/// Answers as STS and the services do, and keeps what it was asked.
#[derive(Debug, Clone, Default)]
struct Recorder(Arc<Mutex<Vec<Value>>>);

impl HttpClient for Recorder {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Recorder {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (mut head, body) = request.try_into_http1x().unwrap().into_parts();
        let body = Bytes::copy_from_slice(body.bytes().unwrap());
        let body = signing::complete(&mut head, body).unwrap();
        let header = |name| head.headers.get(name).map(|value| value.to_str().unwrap());
        let scope = header("authorization").and_then(|text| text.split_once("Credential="));
        let scope = scope.map(|(_, scope)| scope.split('/').collect::<Vec<_>>());
        let target = header("x-amz-target").and_then(|target| target.split_once('.'));
        let mut call = json!({
            "service": target.map_or("sts", |(service, _)| service),
            "url": head.uri.to_string(),
            "access_key_id": scope.as_ref().map(|scope| scope[0]),
            "signing_region": scope.as_ref().map(|scope| scope[2]),
            "session_token": header("x-amz-security-token"),
        });
        let answer = if target.is_some() {
            json!({"SecretString": "value", "Parameter": {"Value": "value"}}).to_string()
        } else {
            let form = url::form_urlencoded::parse(&body).into_owned();
            let mut form = form.collect::<BTreeMap<_, _>>();
            if let Some(name) = form.get_mut("RoleSessionName")
                && name.starts_with("botocore-session-")
            {
                "botocore-session-@SECONDS@".clone_into(name);
            }
            let action = form["Action"].clone();
            call["form"] = json!(form);
            format!(
                "<{action}Response><{action}Result><Credentials><AccessKeyId>ASIAFROMSTS\
                 </AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>token-sts\
                 </SessionToken><Expiration>2199-01-01T00:00:00Z</Expiration></Credentials>\
                 </{action}Result></{action}Response>"
            )
        };
        self.0.lock().unwrap().push(call);
        let status = StatusCode::try_from(200).unwrap();
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from(answer))))
    }
}

/// A home folder with the case's files.
fn home(given: &Value) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let aws = home.path().join(".aws");
    std::fs::create_dir(&aws).unwrap();
    for name in ["env.pem", "kwarg.pem", "profile.pem"] {
        std::fs::write(home.path().join(name), AUTHORITY).unwrap();
    }
    std::fs::write(home.path().join("token"), "web-identity-token\n").unwrap();
    for name in ["config", "credentials"] {
        if let Some(text) = given[name].as_str() {
            let text = text.replace("@HOME@", home.path().to_str().unwrap());
            std::fs::write(aws.join(name), text).unwrap();
        }
    }
    home
}

/// The requests of one lookup, and what failed.
async fn asked<S: Service>(given: &Value, home: &Path) -> (Vec<Value>, Option<String>) {
    let at_home = |value: &Value| {
        let text = value.to_string().replace("@HOME@", home.to_str().unwrap());
        serde_json::from_str::<Value>(&text).unwrap()
    };
    let variables = at_home(&given["env"]);
    let variables = variables.as_object().unwrap().iter();
    let variables = variables.map(|(name, value)| (name.as_str(), value.as_str().unwrap()));
    let environment = variables
        .chain([("HOME", home.to_str().unwrap())])
        .collect::<Environment>();
    let kwargs = at_home(&given["kwargs"]).as_object().unwrap().clone();
    let builder = kwargs::builder::<S>(BackendSetup {
        kwargs: Kwargs::new("[secrets] backend_kwargs", "a test", kwargs),
        environment: &environment,
        multi_team: false,
    });
    let recorder = Recorder::default();
    let backend = builder.and_then(|mut builder| {
        builder.session.recorder = Some(SharedHttpClient::new(recorder.clone()));
        let without_tls = builder.session.wire.without_tls;
        Ok((builder.build()?, without_tls))
    });
    let (backend, without_tls) = match backend {
        Ok(made) => made,
        Err(error) => return (Vec::new(), Some(error.to_string())),
    };
    let error = match backend.get_variable("x", &LookupOptions::new()).await {
        Ok(Lookup::Found { .. }) => None,
        other => Some(format!("{other:?}")),
    };
    let mut calls = recorder.0.lock().unwrap().clone();
    if without_tls {
        // The network layer does that.
        for call in calls.iter_mut().filter(|call| call["service"] != "sts") {
            let url = call["url"].as_str().unwrap().to_owned();
            if url.contains(".amazonaws.com") || url.contains(".api.aws") {
                call["url"] = url.replacen("https://", "http://", 1).into();
            }
        }
    }
    (calls, error)
}

#[tokio::test]
async fn settings_lead_to_the_requests_that_airflow_makes() {
    let cases = cases("settings");
    let (mut same, mut different) = (0, Vec::new());
    for case in &cases {
        let (given, expected) = (&case["in"], &case["out"]);
        let home = home(given);
        let (mut calls, error) = match given["class"].as_str() {
            Some("secrets_manager") => asked::<SecretsManager>(given, home.path()).await,
            _ => asked::<ParameterStore>(given, home.path()).await,
        };
        if given["kwargs"]["config_kwargs"]["signature_version"] == "unsigned" {
            // Here it is signed all the same, by whom a profile may first ask STS for.
            let role = &given["kwargs"]["role_arn"];
            calls.retain(|call| call["service"] != "sts" || call["form"]["RoleArn"] == *role);
            for call in calls.iter_mut().filter(|call| call["service"] == "sts") {
                for field in ["access_key_id", "signing_region", "session_token"] {
                    call[field] = Value::Null;
                }
            }
        }
        let mut theirs = expected["calls"].as_array().unwrap().clone();
        for call in &mut theirs {
            let call = call.as_object_mut().unwrap();
            call.retain(|name, _| !matches!(name.as_str(), "verify" | "timeout" | "proxies"));
            // The SDK ends a path with a slash.
            let url = call["url"]
                .as_str()
                .unwrap()
                .trim_end_matches('/')
                .to_owned();
            call["url"] = format!("{url}/").into();
        }
        let is_same = match expected["error"].as_str() {
            Some(_) => error.is_some(),
            None => error.is_none() && calls == theirs,
        };
        if is_same {
            same += 1;
        } else if !is_told(given, expected, error.as_deref()) {
            different.push(format!("{case}\n  here: {error:?} {}", Value::from(calls)));
        }
    }
    assert!(
        different.is_empty(),
        "{} {}",
        different.len(),
        different.join("\n\n")
    );
    assert_eq!(cases.len(), 500);
    assert_eq!(same, 462);
}

/// What `docs/differences.md` lists.
fn is_told(given: &Value, expected: &Value, error: Option<&str>) -> bool {
    let has = |name: &str| given["env"].get(name).is_some();
    // `AWS_REGION` is read where nothing else names a region.
    (expected["error"] == "NoRegionError" && has("AWS_REGION"))
        // An empty bundle counts as not set.
        || (expected["error"] == "InvalidConfigError" && given["env"]["AWS_CA_BUNDLE"] == "")
        || error.is_some_and(|error| {
            // A region without a name.
            (error.contains("is not an AWS region") && expected["region"] == "")
            // Half a key pair; a password in an address.
                || error.contains("must be set together (AWS-1)")
                || error.contains("an endpoint must not contain a user name")
                // The recorder in Airflow's place opens no bundle.
                || error.contains("false cannot be used for TLS")
        })
}
