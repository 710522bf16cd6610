//! `use_ssl: false`: the service is asked over plain HTTP, and nobody else is.

use airflow_secrets::backend::LookupOptions;
use std::sync::{Arc, Mutex};

use serde_json::json;

use crate::{
    PARAMETER_STORE, SECRETS_MANAGER, environment, make, outcome,
    support::https::{Reply, Request, serve},
};

const STS: &str = "sts.eu-west-1.amazonaws.com";

const LENT: &str = "<AssumeRoleResponse><AssumeRoleResult><Credentials>\
     <AccessKeyId>ASIALENT</AccessKeyId><SecretAccessKey>s</SecretAccessKey>\
     <SessionToken>t</SessionToken><Expiration>2199-01-01T00:00:00Z</Expiration>\
     </Credentials></AssumeRoleResult></AssumeRoleResponse>";

/// Answers as STS and both services do.
fn aws(request: &Request) -> Reply {
    if request.host == STS {
        return Reply {
            status: 200,
            headers: vec![("Content-Type", "text/xml".to_owned())],
            body: LENT.into(),
        };
    }
    Reply::json(
        200,
        &json!({"SecretString": "v", "Parameter": {"Value": "v"}}),
    )
}

#[tokio::test]
async fn without_ssl_the_service_is_asked_over_plain_http_and_sts_with_tls() {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    for (class, host) in [
        (SECRETS_MANAGER, "secretsmanager.eu-west-1.amazonaws.com"),
        (PARAMETER_STORE, "ssm.eu-west-1.amazonaws.com"),
    ] {
        for by_variables in [false, true] {
            let seen = Arc::<Mutex<Vec<Request>>>::default();
            let noted = Arc::clone(&seen);
            let proxy = serve(
                &[STS],
                &ca,
                Arc::new(move |request: &Request| {
                    noted.lock().unwrap().push(request.clone());
                    aws(request)
                }),
            );
            let url = format!("http://{}", proxy.address);
            let mut kwargs =
                json!({"use_ssl": false, "role_arn": "arn:aws:iam::123456789012:role/reader"});
            let mut variables = vec![("AWS_CA_BUNDLE", ca.to_str().unwrap())];
            if by_variables {
                variables.extend([("http_proxy", url.as_str()), ("https_proxy", &url)]);
            } else {
                kwargs["config_kwargs"] = json!({"proxies": {"http": url, "https": url}});
            }
            let made = make(class, kwargs, &environment(&variables), false).await;
            let found = made
                .unwrap()
                .0
                .get_variable("x", &LookupOptions::new())
                .await;
            assert_eq!(outcome(found), Ok("v".to_owned()));

            let seen = seen.lock().unwrap();
            let [sts, service] = seen.as_slice() else {
                panic!("{seen:?}")
            };
            assert_eq!((sts.host.as_str(), sts.is_tls), (STS, true));
            assert!(sts.body.contains("Action=AssumeRole&"), "{}", sts.body);
            // A proxy is asked for the whole address.
            let whole = (service.path.as_str(), service.is_tls);
            assert_eq!(whole, (format!("http://{host}/").as_str(), false));
            assert_eq!(service.host, host);
            assert!(service.header("authorization").contains("ASIALENT"));
        }
    }
}

#[tokio::test]
async fn an_endpoint_says_itself_whether_it_is_plain() {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    let seen = Arc::<Mutex<Vec<bool>>>::default();
    let noted = Arc::clone(&seen);
    let server = serve(
        &["127.0.0.1"],
        &ca,
        Arc::new(move |request: &Request| {
            noted.lock().unwrap().push(request.is_tls);
            aws(request)
        }),
    );
    for use_ssl in [true, false] {
        for scheme in ["http", "https"] {
            let kwargs = json!({
                "use_ssl": use_ssl, "endpoint_url": format!("{scheme}://{}", server.address),
                "verify": ca,
            });
            let made = make(SECRETS_MANAGER, kwargs, &environment(&[]), false).await;
            let found = made
                .unwrap()
                .0
                .get_variable("x", &LookupOptions::new())
                .await;
            assert_eq!(outcome(found), Ok("v".to_owned()));
        }
    }
    assert_eq!(*seen.lock().unwrap(), [false, true, false, true]);
}
