//! A signed `sts:GetCallerIdentity`, for a third party that asks AWS with it who signed it: Vault's
//! login `aws_iam`. It is signed here and never sent to AWS from here.

use std::time::SystemTime;

use aws_credential_types::provider::ProvideCredentials as _;
use http::{
    HeaderMap, Request,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};

use super::{
    answer,
    client::{facts::Facts, session, signing::sign},
    credential::AwsCredential,
    options::SessionOptions,
};
use crate::{
    Environment, Failure,
    backends::{http_options::HttpOptions, subscriber::silently},
    config::Setting,
};

/// The address that is signed, whatever the region: the third party has its own address of STS.
pub(crate) const URL: &str = "https://sts.amazonaws.com/";
pub(crate) const BODY: &str = "Action=GetCallerIdentity&Version=2011-06-15";

/// The region of that address.
const REGION: &str = "us-east-1";

const FACTS: Facts = Facts {
    name: "vault",
    class: "VaultBackend",
    service_id: "STS",
    api_version: "2011-06-15",
    prefixes: [""; 3],
    is_path: false,
    action: "sts:GetCallerIdentity",
    batch_action: "",
    batch_size: 1,
    concurrent_requests: 1,
};

/// The headers of the request, its signature among them, signed with `credential` for `region`.
///
/// Without `region`, keys that are given are used for `us-east-1`, and others for the region that
/// `environment` or the profile names, else for `us-east-1`. The header `more` is signed as well.
///
/// # Errors
/// When there are no credentials, or nothing can be signed with them.
pub(crate) async fn signed_headers(
    credential: &AwsCredential,
    region: Option<&str>,
    more: Option<(&str, &str)>,
    environment: &Environment,
) -> Result<HeaderMap, Failure> {
    let options = SessionOptions {
        environment: environment.clone(),
        credential: credential.clone(),
        default_region: Some(Setting::new("region", "default", REGION.to_owned())),
        ..SessionOptions::default()
    };
    let options = options.with_http(HttpOptions::default(), FACTS.concurrent_requests);
    let session = session::connect(&options, &FACTS).await?;
    let provider = session.sdk.credentials_provider();
    let provider = provider.ok_or_else(|| session.explain.failure(&answer::CallError::NotSent))?;
    let credentials = silently(provider.provide_credentials()).await;
    let credentials =
        credentials.map_err(|error| session.explain.failure(&answer::of_credentials(&error)))?;
    let is_chain = credential.keys.is_none() || credential.role.is_some();
    let of_session = session.sdk.region().filter(|_| is_chain);
    let region = region.or(of_session.map(AsRef::as_ref)).unwrap_or(REGION);

    let unsignable = || {
        Failure::configuration(
            "sts:GetCallerIdentity cannot be signed: the region, the access key or the server id \
             contains a character that cannot be sent",
        )
    };
    let mut request = Request::post(URL)
        .header(CONTENT_LENGTH, BODY.len())
        .header(
            CONTENT_TYPE,
            "application/x-www-form-urlencoded; charset=utf-8",
        );
    if let Some((name, value)) = more {
        request = request.header(name, value);
    }
    let request = request.body(()).map_err(|_| unsignable())?;
    let (mut head, ()) = request.into_parts();
    let now = SystemTime::now();
    let signed = sign(&mut head, BODY.as_bytes(), &credentials, region, "sts", now);
    signed.map_err(|_| unsignable())?;
    Ok(head.headers)
}
