//! Who we are: keys, profiles, roles that STS lends; and in which region.

use airflow_secrets::{Environment, backend::LookupOptions};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    PARAMETER_STORE, SECRETS_MANAGER, environment, make, outcome,
    support::{
        moto::moto,
        wire::{Answer, CountingProxy, Queued, Request, serve},
    },
};

/// What STS lends: credentials until `expiration`.
pub(crate) fn lent(action: &str, expiration: &str) -> Answer {
    lent_as(action, expiration, "lent-token")
}

/// The same with a token.
pub(crate) fn lent_as(action: &str, expiration: &str, token: &str) -> Answer {
    Answer::new(
        200,
        format!(
            "<{action}Response><{action}Result><Credentials><AccessKeyId>ASIALENT</AccessKeyId>\
             <SecretAccessKey>lent-secret</SecretAccessKey><SessionToken>{token}</SessionToken>\
             <Expiration>{expiration}</Expiration></Credentials></{action}Result></{action}Response>"
        ),
    )
}

pub(crate) const FAR: &str = "2199-01-01T00:00:00Z";

/// The time then, as AWS writes it.
pub(crate) fn in_seconds(seconds: i64) -> String {
    let mut date = std::process::Command::new("date");
    let date = date.args(["-u", "-d", &format!("{seconds} seconds"), "+%FT%TZ"]);
    let text = String::from_utf8(date.output().unwrap().stdout).unwrap();
    text.trim().to_owned()
}

pub(crate) fn value() -> Answer {
    Answer::new(200, json!({"SecretString": "v"}).to_string())
}

/// The access key and the region that a request was signed with.
pub(crate) fn signed(request: &Request) -> (String, String) {
    let authorization = request.header("authorization").unwrap_or_default();
    let scope = authorization
        .split_once("Credential=")
        .unwrap_or_default()
        .1;
    let mut parts = scope.split('/');
    let key = parts.next().unwrap_or_default().to_owned();
    (key, parts.nth(1).unwrap_or_default().to_owned())
}

async fn ask(kwargs: Value, environment: &Environment) -> Result<String, String> {
    let (backend, _) = make(SECRETS_MANAGER, kwargs, environment, false)
        .await
        .unwrap();
    outcome(backend.get_variable("x", &LookupOptions::new()).await)
}

/// The key and region that a lookup with these settings is signed with.
async fn signed_with(kwargs: Value, variables: &[(&str, &str)]) -> (String, String) {
    let queued = Queued::with([value()]).await;
    let mut kwargs = kwargs;
    kwargs["endpoint_url"] = queued.url.clone().into();
    assert_eq!(
        ask(kwargs, &environment(variables)).await,
        Ok("v".to_owned())
    );
    signed(&queued.seen.all()[0])
}

fn two(key: &str, region: &str) -> (String, String) {
    (key.to_owned(), region.to_owned())
}

/// A home folder with AWS's two files.
fn home() -> TempDir {
    let home = tempfile::tempdir().unwrap();
    let aws = home.path().join(".aws");
    std::fs::create_dir(&aws).unwrap();
    let config = "[default]\nregion = us-east-1\n[profile blue]\nregion = us-west-2\n\
                  [profile red]\nregion = ap-south-1\n";
    std::fs::write(aws.join("config"), config).unwrap();
    let credentials = "[default]\naws_access_key_id = AKIADEFAULT\naws_secret_access_key = s\n\
                       [blue]\naws_access_key_id = AKIABLUE\naws_secret_access_key = s\n\
                       [red]\naws_access_key_id = AKIARED\naws_secret_access_key = s\n";
    std::fs::write(aws.join("credentials"), credentials).unwrap();
    home
}

#[tokio::test]
async fn region_and_profile_are_found_in_boto3s_order() {
    let home = home();
    let home = ("HOME", home.path().to_str().unwrap());
    let none = [home, ("AWS_DEFAULT_REGION", ""), ("AWS_ACCESS_KEY_ID", "")];
    let with = |more: &[(&'static str, &'static str)]| [&none, more].concat();
    let nothing = json!({});
    // The default profile, and what its file says.
    assert_eq!(
        signed_with(nothing.clone(), &with(&[])).await,
        two("AKIADEFAULT", "us-east-1")
    );
    let both = with(&[("AWS_PROFILE", "red"), ("AWS_DEFAULT_PROFILE", "blue")]);
    assert_eq!(
        signed_with(nothing.clone(), &both).await,
        two("AKIABLUE", "us-west-2")
    );
    let red = with(&[("AWS_PROFILE", "red"), ("AWS_REGION", "sa-east-1")]);
    assert_eq!(
        signed_with(nothing.clone(), &red).await,
        two("AKIARED", "ap-south-1")
    );
    let region = with(&[("AWS_PROFILE", "red"), ("AWS_DEFAULT_REGION", "eu-north-1")]);
    assert_eq!(
        signed_with(nothing, &region).await,
        two("AKIARED", "eu-north-1")
    );
    let kwargs = json!({"profile_name": "blue", "region_name": "eu-west-2"});
    assert_eq!(
        signed_with(kwargs, &region).await,
        two("AKIABLUE", "eu-west-2")
    );
    // The environment's keys come before a profile of the environment's, not of the kwargs'.
    let keys = [home, ("AWS_PROFILE", "red"), ("AWS_DEFAULT_REGION", "")];
    assert_eq!(
        signed_with(json!({}), &keys).await,
        two("AKIATEST", "ap-south-1")
    );
    let kwargs = json!({"profile_name": "blue"});
    assert_eq!(
        signed_with(kwargs, &keys).await,
        two("AKIABLUE", "us-west-2")
    );
    // Only where nothing else names one.
    let last = [("AWS_DEFAULT_REGION", ""), ("AWS_REGION", "sa-east-1")];
    assert_eq!(
        signed_with(json!({}), &last).await,
        two("AKIATEST", "sa-east-1")
    );
}

#[tokio::test]
async fn keys_in_the_arguments_come_before_all_others() {
    let pair = json!({
        "aws_access_key_id": "AKIAGIVEN", "aws_secret_access_key": "s", "aws_session_token": "t",
    });
    let queued = Queued::with([value()]).await;
    let mut with_endpoint = pair.clone();
    with_endpoint["endpoint_url"] = queued.url.clone().into();
    let found = ask(with_endpoint, &environment(&[])).await;
    assert_eq!(found, Ok("v".to_owned()));
    let request = &queued.seen.all()[0];
    assert_eq!(signed(request).0, "AKIAGIVEN");
    assert_eq!(request.header("x-amz-security-token"), Some("t"));
    let nested = json!({"session_kwargs": {
        "aws_access_key_id": "AKIANESTED", "aws_secret_access_key": "s",
    }});
    assert_eq!(signed_with(nested, &[]).await.0, "AKIANESTED");
}

#[tokio::test]
async fn a_role_is_assumed_once_for_a_thousand_concurrent_lookups() {
    let sts = CountingProxy::before(&moto().await.url).await;
    // moto_server takes long for a thousand reads, which wait for each other.
    let (service, reads) = serve("127.0.0.1:0", |_| value()).await;
    let role = "arn:aws:iam::123456789012:role/reader";
    let kwargs = json!({
        "endpoint_url": service, "role_arn": role,
        "assume_role_kwargs": {
            "ExternalId": "external", "DurationSeconds": 900,
            "Policy": "{\"Version\": \"2012-10-17\"}", "Tags": [{"Key": "k", "Value": "v"}],
            "TransitiveTagKeys": ["k"], "PolicyArns": [{"arn": "arn:aws:iam::aws:policy/ReadOnly"}],
            "SourceIdentity": "me",
        },
    });
    let environment = environment(&[("AWS_ENDPOINT_URL_STS", &sts.url)]);
    let (backend, _) = make(SECRETS_MANAGER, kwargs, &environment, false)
        .await
        .unwrap();
    assert_eq!(sts.connections(), 0, "nothing is sent before a lookup");
    let options = LookupOptions::new();
    let lookups = (0..1000).map(|_| backend.get_variable("x", &options));
    for found in join_all(lookups).await {
        assert_eq!(outcome(found), Ok("v".to_owned()));
    }
    assert_eq!(reads.all().len(), 1000);
    let calls = sts.seen.all();
    assert_eq!(calls.len(), 1);
    let form = url::form_urlencoded::parse(calls[0].body.as_bytes()).into_owned();
    let mut form = form.collect::<Vec<_>>();
    form.sort();
    let expected = [
        ("Action", "AssumeRole"),
        ("DurationSeconds", "900"),
        ("ExternalId", "external"),
        ("Policy", "{\"Version\": \"2012-10-17\"}"),
        (
            "PolicyArns.member.1.arn",
            "arn:aws:iam::aws:policy/ReadOnly",
        ),
        ("RoleArn", role),
        (
            "RoleSessionName",
            "airflow_secretsmanagerbackend__connection",
        ),
        ("SourceIdentity", "me"),
        ("Tags.member.1.Key", "k"),
        ("Tags.member.1.Value", "v"),
        ("TransitiveTagKeys.member.1", "k"),
        ("Version", "2011-06-15"),
    ];
    assert_eq!(
        form,
        expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
    assert_eq!(
        signed(&calls[0]),
        two("AKIATEST", crate::support::moto::REGION)
    );
}

#[tokio::test]
async fn the_endpoint_of_the_arguments_is_the_services_and_not_that_of_sts() {
    let service = Queued::with([value()]).await;
    let sts = Queued::with([lent("AssumeRole", FAR)]).await;
    let kwargs = json!({
        "endpoint_url": service.url, "role_arn": "arn:aws:iam::123456789012:role/reader",
        "service_config": {"sts": {"endpoint_url": sts.url}},
        "assume_role_kwargs": {"RoleSessionName": "my session"},
    });
    assert_eq!(ask(kwargs, &environment(&[])).await, Ok("v".to_owned()));
    assert_eq!(sts.seen.all().len(), 1);
    assert!(
        sts.seen.all()[0]
            .body
            .contains("RoleSessionName=my%20session")
    );
    let request = &service.seen.all()[0];
    assert_eq!(signed(request).0, "ASIALENT");
    assert_eq!(request.header("x-amz-security-token"), Some("lent-token"));
}

#[tokio::test]
async fn lent_credentials_are_replaced_before_they_expire() {
    let soon = in_seconds(30);
    let sts = [lent("AssumeRole", &soon), lent("AssumeRole", FAR)];
    let (service, sts) = (
        Queued::with([value(), value(), value()]).await,
        Queued::with(sts).await,
    );
    let kwargs = json!({
        "endpoint_url": service.url, "role_arn": "arn:aws:iam::123456789012:role/reader",
        "service_config": {"sts": {"endpoint_url": sts.url}},
    });
    let (backend, _) = make(SECRETS_MANAGER, kwargs, &environment(&[]), false)
        .await
        .unwrap();
    for calls in [1, 2, 2] {
        assert_eq!(
            outcome(backend.get_variable("x", &LookupOptions::new()).await),
            Ok("v".to_owned())
        );
        assert_eq!(sts.seen.all().len(), calls);
    }
}

#[tokio::test]
async fn lent_credentials_that_cannot_be_replaced_are_used_to_their_end() {
    let refusal = Answer::new(
        403,
        "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>",
    );
    let ended = in_seconds(-30);
    for (end, expected) in [(in_seconds(30), true), (ended, false)] {
        let service = Queued::with([value(), value()]).await;
        let sts = Queued::with([lent("AssumeRole", &end), refusal.clone()]).await;
        let kwargs = json!({
            "endpoint_url": service.url, "role_arn": "arn:aws:iam::123456789012:role/reader",
            "service_config": {"sts": {"endpoint_url": sts.url}},
        });
        let made = make(SECRETS_MANAGER, kwargs, &environment(&[]), false).await;
        let (backend, _) = made.unwrap();
        let first = outcome(backend.get_variable("x", &LookupOptions::new()).await);
        assert_eq!(first, Ok("v".to_owned()));
        let found = outcome(backend.get_variable("x", &LookupOptions::new()).await);
        assert_eq!(found.is_ok(), expected, "{found:?}");
        assert_eq!(sts.seen.all().len(), 2);
    }
}

#[tokio::test]
async fn a_web_identity_needs_its_token_alone() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "web identity token").unwrap();
    let token = token.to_str().unwrap();
    let arguments = json!({
        "role_arn": "arn:aws:iam::123456789012:role/reader",
        "assume_role_method": "assume_role_with_web_identity",
        "assume_role_with_web_identity_federation": "file",
        "assume_role_with_web_identity_token_file": token,
        "assume_role_kwargs": {"RoleSessionName": "mine"},
    });
    let moto = moto().await;
    moto.parameter("/web/x", "String", "v").await;
    for by_variable in [false, true] {
        let sts = CountingProxy::before(&moto.url).await;
        let mut kwargs = arguments.clone();
        kwargs["endpoint_url"] = moto.url.clone().into();
        kwargs["variables_prefix"] = "/web".into();
        let mut variables = vec![
            ("AWS_ENDPOINT_URL_STS", sts.url.as_str()),
            ("AWS_ACCESS_KEY_ID", ""),
        ];
        if by_variable {
            kwargs["assume_role_with_web_identity_token_file"] = Value::Null;
            variables.push(("AWS_WEB_IDENTITY_TOKEN_FILE", token));
        }
        let made = make(PARAMETER_STORE, kwargs, &environment(&variables), false).await;
        let found = made
            .unwrap()
            .0
            .get_variable("x", &LookupOptions::new())
            .await;
        assert_eq!(outcome(found), Ok("v".to_owned()));
        let call = &sts.seen.all()[0];
        assert!(
            call.body.contains("Action=AssumeRoleWithWebIdentity"),
            "{}",
            call.body
        );
        assert!(
            call.body
                .contains("WebIdentityToken=web%20identity%20token"),
            "{}",
            call.body
        );
        assert!(call.body.contains("RoleSessionName=mine"), "{}", call.body);
        assert_eq!(call.header("authorization"), None, "the call is not signed");
    }
}

#[tokio::test]
async fn a_web_identity_of_the_environments_is_part_of_the_default_chain() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "token").unwrap();
    let service = Queued::with([value()]).await;
    let sts = Queued::with([lent("AssumeRoleWithWebIdentity", FAR)]).await;
    let environment = environment(&[
        ("AWS_ACCESS_KEY_ID", ""),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap()),
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/pod"),
        ("AWS_ROLE_SESSION_NAME", "pod-session"),
        ("AWS_ENDPOINT_URL_STS", &sts.url),
        ("AWS_ENDPOINT_URL_SECRETS_MANAGER", &service.url),
    ]);
    assert_eq!(ask(json!({}), &environment).await, Ok("v".to_owned()));
    assert!(
        sts.seen.all()[0]
            .body
            .contains("RoleSessionName=pod-session")
    );
    assert_eq!(signed(&service.seen.all()[0]).0, "ASIALENT");
}

#[tokio::test]
async fn a_refused_role_is_asked_for_once_however_many_lookups_wait() {
    let denied = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>";
    let sts = Queued::with(vec![Answer::new(403, denied); 50]).await;
    let kwargs = json!({
        "endpoint_url": sts.url, "role_arn": "arn:aws:iam::123456789012:role/reader",
        "service_config": {"sts": {"endpoint_url": sts.url}},
    });
    let (backend, _) = make(SECRETS_MANAGER, kwargs, &environment(&[]), false)
        .await
        .unwrap();
    let options = LookupOptions::new();
    for found in join_all((0..50).map(|_| backend.get_variable("x", &options))).await {
        let error = outcome(found).unwrap_err();
        assert!(
            error.starts_with(
                "AccessDenied: STS refused the role arn:aws:iam::123456789012:role/reader"
            ),
            "{error}"
        );
    }
    assert_eq!(sts.seen.all().len(), 1);
}
