//! Where STS is, when no setting names its address.

use airflow_secrets::backend::LookupOptions;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::{
    SECRETS_MANAGER,
    credentials::value,
    environment, make, outcome,
    support::{
        https::{Reply, Request, serve},
        wire::Queued,
    },
};

const LENT: &str = "<AssumeRoleResponse><AssumeRoleResult><Credentials>\
     <AccessKeyId>ASIALENT</AccessKeyId><SecretAccessKey>s</SecretAccessKey>\
     <SessionToken>t</SessionToken><Expiration>2199-01-01T00:00:00Z</Expiration>\
     </Credentials></AssumeRoleResult></AssumeRoleResponse>";

#[tokio::test]
async fn sts_is_the_regions_own_unless_settings_say_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    let legacy = ("AWS_STS_REGIONAL_ENDPOINTS", "legacy");
    let fips = ("AWS_USE_FIPS_ENDPOINT", "true");
    for (region, config_kwargs, variables, host, signed) in [
        (
            "eu-west-1",
            json!({}),
            vec![],
            "sts.eu-west-1.amazonaws.com",
            "eu-west-1",
        ),
        (
            "eu-west-1",
            json!({"region_name": "ap-south-1"}),
            vec![],
            "sts.ap-south-1.amazonaws.com",
            "ap-south-1",
        ),
        (
            "eu-west-1",
            json!({}),
            vec![legacy],
            "sts.amazonaws.com",
            "us-east-1",
        ),
        // A younger region is not in there.
        (
            "af-south-1",
            json!({}),
            vec![legacy],
            "sts.af-south-1.amazonaws.com",
            "af-south-1",
        ),
        (
            "us-west-2",
            json!({}),
            vec![legacy, fips],
            "sts-fips.us-west-2.amazonaws.com",
            "us-west-2",
        ),
        (
            "us-west-2",
            json!({"use_dualstack_endpoint": true}),
            vec![],
            "sts.us-west-2.api.aws",
            "us-west-2",
        ),
    ] {
        let seen = Arc::<Mutex<Vec<Request>>>::default();
        let noted = Arc::clone(&seen);
        let sts = serve(
            &[host],
            &ca,
            Arc::new(move |request: &Request| {
                noted.lock().unwrap().push(request.clone());
                Reply {
                    status: 200,
                    headers: vec![("Content-Type", "text/xml".to_owned())],
                    body: LENT.into(),
                }
            }),
        );
        let service = Queued::with([value()]).await;
        let proxy = format!("http://{}", sts.address);
        let mut config_kwargs: Value = config_kwargs;
        config_kwargs["proxies"] = json!({"https": proxy});
        let kwargs = json!({
            "endpoint_url": service.url, "region_name": region, "config_kwargs": config_kwargs,
            "role_arn": "arn:aws:iam::123456789012:role/reader",
        });
        let own = [("AWS_CA_BUNDLE", ca.to_str().unwrap())];
        let environment = environment(&[&own, variables.as_slice()].concat());
        let made = make(SECRETS_MANAGER, kwargs, &environment, false).await;
        let found = made
            .unwrap()
            .0
            .get_variable("x", &LookupOptions::new())
            .await;
        assert_eq!(outcome(found), Ok("v".to_owned()), "{host}");
        let seen = seen.lock().unwrap();
        let [request] = seen.as_slice() else {
            panic!("{seen:?}")
        };
        assert_eq!(request.host, host);
        let scope = format!("/{signed}/sts/aws4_request");
        assert!(
            request.header("authorization").contains(&scope),
            "{request:?}"
        );
    }
}

#[tokio::test]
async fn whom_the_service_is_trusted_by_says_nothing_of_sts() {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    let never = Arc::new(|_: &Request| Reply::json(500, &json!({})));
    let sts = serve(&["sts.eu-west-1.amazonaws.com"], &ca, never);
    for verify in [json!(false), json!(ca)] {
        let proxy = format!("http://{}", sts.address);
        let kwargs = json!({
            "verify": verify, "role_arn": "arn:aws:iam::123456789012:role/reader",
            "config_kwargs": {"proxies": {"https": proxy}},
        });
        let made = make(SECRETS_MANAGER, kwargs, &environment(&[]), false).await;
        let found = made
            .unwrap()
            .0
            .get_variable("x", &LookupOptions::new())
            .await;
        let error = outcome(found).unwrap_err();
        assert!(
            error.contains("is not trusted (invalid peer certificate: UnknownIssuer)"),
            "{error}"
        );
    }
}
