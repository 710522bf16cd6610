//! Profiles of AWS's two files. The server knows to which account an access key belongs, and each
//! account has secrets of its own in each region: only who comes with the right key, and to the
//! right region, finds them.

use airflow_secrets::backend::LookupOptions;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    PARAMETER_STORE, SECRETS_MANAGER,
    credentials::{FAR, lent, signed, value},
    environment, make, outcome,
    support::{
        moto::moto,
        wire::{Answer, CountingProxy, Queued},
    },
};

/// A home folder with AWS's two files.
pub(crate) fn home(config: &str, credentials: &str) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    let aws = home.path().join(".aws");
    std::fs::create_dir(&aws).unwrap();
    std::fs::write(aws.join("config"), config).unwrap();
    std::fs::write(aws.join("credentials"), credentials).unwrap();
    home
}

/// The variable `x`, as a profile finds it, in a home folder and with further variables.
pub(crate) async fn ask(
    class: &str,
    profile: &str,
    kwargs: &Value,
    home: &Path,
    more: &[(&str, &str)],
) -> Result<String, String> {
    let mut kwargs = kwargs.clone();
    kwargs["profile_name"] = profile.into();
    let own = [("HOME", home.to_str().unwrap()), ("AWS_DEFAULT_REGION", "")];
    let environment = environment(&[&own, more].concat());
    let made = make(class, kwargs, &environment, false).await;
    outcome(
        made.unwrap()
            .0
            .get_variable("x", &LookupOptions::new())
            .await,
    )
}

#[tokio::test]
async fn a_profiles_key_and_region_are_what_the_server_sees() {
    let moto = moto().await;
    let (blue, red) = ("111111111111", "222222222222");
    let mut credentials = String::new();
    for (profile, account, region) in [("blue", blue, "us-west-2"), ("red", red, "ap-south-1")] {
        let (key, secret) = moto.access_key(account).await;
        credentials +=
            &format!("[{profile}]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n");
        let name = "profiles/x";
        moto.secret_of(account, region, name, profile).await;
    }
    let config = "[profile blue]\nregion = us-west-2\n[profile red]\nregion = ap-south-1\n\
                  [profile green]\nregion = ap-south-1\nsource_profile = blue\n";
    let home = home(config, &credentials);
    let kwargs = json!({"endpoint_url": moto.url, "variables_prefix": "profiles"});
    let found = async |profile, kwargs: &Value, more: &[_]| {
        ask(SECRETS_MANAGER, profile, kwargs, home.path(), more).await
    };
    assert_eq!(found("blue", &kwargs, &[]).await, Ok("blue".to_owned()));
    assert_eq!(found("red", &kwargs, &[]).await, Ok("red".to_owned()));
    // In another region there is nothing of that account's.
    let mut elsewhere = kwargs.clone();
    elsewhere["region_name"] = "ap-south-1".into();
    let nothing = Err(format!(
        "missing: Secrets Manager at {} has no secret of this name",
        moto.url
    ));
    assert_eq!(found("blue", &elsewhere, &[]).await, nothing);
    let by_variable = [("AWS_DEFAULT_REGION", "ap-south-1")];
    assert_eq!(found("blue", &kwargs, &by_variable).await, nothing);
    assert_eq!(
        found("red", &kwargs, &by_variable).await,
        Ok("red".to_owned())
    );
    // A source_profile without a role is nobody's key.
    let error = found("green", &kwargs, &[]).await.unwrap_err();
    assert!(error.contains("no AWS credentials were found"), "{error}");
    // By a variable, where the environment has no keys of its own.
    let variables = [
        ("AWS_PROFILE", "red"),
        ("AWS_ACCESS_KEY_ID", ""),
        ("AWS_DEFAULT_REGION", ""),
        ("HOME", home.path().to_str().unwrap()),
    ];
    let made = make(SECRETS_MANAGER, kwargs, &environment(&variables), false).await;
    let by_variable = made
        .unwrap()
        .0
        .get_variable("x", &LookupOptions::new())
        .await;
    assert_eq!(outcome(by_variable), Ok("red".to_owned()));
}

#[tokio::test]
async fn a_profiles_role_is_lent_to_its_source_profile() {
    let moto = moto().await;
    let (people, data) = ("333333333333", "444444444444");
    let (key, secret) = moto.access_key(people).await;
    let credentials =
        format!("[base]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n");
    let by_variable = CountingProxy::before(&moto.url).await;
    let by_services = CountingProxy::before(&moto.url).await;
    let config = format!(
        "[profile reader]\nregion = sa-east-1\nrole_arn = arn:aws:iam::{data}:role/reader\n\
         source_profile = base\nexternal_id = external\nduration_seconds = 1800\n\
         role_session_name = mine\n\
         [profile plain]\nregion = sa-east-1\nrole_arn = arn:aws:iam::{data}:role/plain\n\
         source_profile = base\nservices = local\n\
         [profile chained]\nregion = sa-east-1\nrole_arn = arn:aws:iam::{data}:role/last\n\
         source_profile = first\n\
         [profile first]\nrole_arn = arn:aws:iam::{people}:role/first\nsource_profile = base\n\
         [services local]\nsts =\n  endpoint_url = {}\nssm =\n  endpoint_url = {}\n",
        by_services.url, moto.url
    );
    let home = home(&config, &credentials);
    moto.parameter_of(data, "sa-east-1", "/lent/x", "of the role")
        .await;
    let kwargs = json!({"variables_prefix": "/lent"});
    let variables = [
        ("AWS_ENDPOINT_URL_STS", by_variable.url.as_str()),
        ("AWS_ENDPOINT_URL_SSM", moto.url.as_str()),
    ];
    let found =
        async |profile, more: &[_]| ask(PARAMETER_STORE, profile, &kwargs, home.path(), more).await;
    let of_the_role = Ok("of the role".to_owned());
    let asked = |proxy: &CountingProxy| {
        let all = proxy.seen.all();
        let one = |request| {
            let (key, region) = signed(request);
            let form = url::form_urlencoded::parse(request.body.as_bytes()).into_owned();
            let mut form = form.collect::<Vec<_>>();
            form.sort();
            form.retain(|(name, _)| name != "Action" && name != "Version");
            let form = form
                .into_iter()
                .map(|(name, value)| format!("{name}={value}"));
            (key, region, form.collect::<Vec<_>>().join(" "))
        };
        proxy.seen.clear();
        all.iter().map(one).collect::<Vec<_>>()
    };

    assert_eq!(found("reader", &variables).await, of_the_role);
    assert_eq!(
        asked(&by_variable),
        [(
            key.clone(),
            "sa-east-1".to_owned(),
            format!(
                "DurationSeconds=1800 ExternalId=external \
                 RoleArn=arn:aws:iam::{data}:role/reader RoleSessionName=mine"
            )
        )]
    );

    // Where the profile's own section says whom to ask.
    assert_eq!(found("plain", &[]).await, of_the_role);
    assert!(asked(&by_variable).is_empty());
    let calls = asked(&by_services);
    let [(caller, _, form)] = calls.as_slice() else {
        panic!("{calls:?}")
    };
    assert_eq!(caller, &key);
    let start = format!("RoleArn=arn:aws:iam::{data}:role/plain RoleSessionName=botocore-session-");
    assert!(form.starts_with(&start), "{form}");

    // A role that another role is needed for.
    assert_eq!(found("chained", &variables).await, of_the_role);
    let calls = asked(&by_variable);
    let [first, last] = calls.as_slice() else {
        panic!("{calls:?}")
    };
    assert_eq!(first.0, key);
    assert!(
        first
            .2
            .contains(&format!("RoleArn=arn:aws:iam::{people}:role/first"))
    );
    assert!(last.0.starts_with("ASIA") && last.0 != key, "{last:?}");
    assert!(
        last.2
            .contains(&format!("RoleArn=arn:aws:iam::{data}:role/last"))
    );

    // Without the role, that account's parameter is not there.
    let base = [variables[1], ("AWS_DEFAULT_REGION", "sa-east-1")];
    let missing = found("base", &base).await.unwrap_err();
    assert!(missing.starts_with("missing: SSM at "), "{missing}");
}

#[tokio::test]
async fn a_profiles_role_may_be_lent_to_what_the_environment_or_a_container_has() {
    let config = "[profile variables]\nrole_arn = arn:aws:iam::123456789012:role/r\n\
                  credential_source = Environment\n\
                  [profile container]\nrole_arn = arn:aws:iam::123456789012:role/r\n\
                  credential_source = EcsContainer\n";
    let home = home(config, "");
    let container = json!({
        "AccessKeyId": "ASIACONTAINER", "SecretAccessKey": "s", "Token": "t", "Expiration": FAR,
    });
    let container = Queued::with([Answer::new(200, container.to_string())]).await;
    for (profile, caller) in [("variables", "AKIATEST"), ("container", "ASIACONTAINER")] {
        let sts = Queued::with([lent("AssumeRole", FAR)]).await;
        let service = Queued::with([value()]).await;
        let variables = [
            ("AWS_DEFAULT_REGION", "eu-west-1"),
            ("AWS_ENDPOINT_URL_STS", sts.url.as_str()),
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &container.url),
        ];
        let kwargs = json!({"endpoint_url": service.url});
        let found = ask(SECRETS_MANAGER, profile, &kwargs, home.path(), &variables).await;
        assert_eq!(found, Ok("v".to_owned()));
        assert_eq!(signed(&sts.seen.all()[0]).0, caller);
        assert_eq!(signed(&service.seen.all()[0]).0, "ASIALENT");
    }
}

#[tokio::test]
async fn a_key_is_of_one_file_and_that_of_credentials_comes_first() {
    let program = json!({"Version": 1, "AccessKeyId": "ASIAPROGRAM", "SecretAccessKey": "s"});
    let config = format!(
        "[profile both]\naws_access_key_id = AKIACONFIG\naws_secret_access_key = s\n\
         aws_session_token = of-the-config\ncredential_process = echo '{program}'\n\
         [profile program]\naws_access_key_id = AKIACONFIG\naws_secret_access_key = s\n\
         credential_process = echo '{program}'\n\
         [profile config]\naws_access_key_id = AKIACONFIG\naws_secret_access_key = s\n\
         aws_security_token = of-the-config\n"
    );
    let home = home(
        &config,
        "[both]\naws_access_key_id = AKIACREDENTIALS\naws_secret_access_key = s\n",
    );
    for (profile, key, token) in [
        ("both", "AKIACREDENTIALS", None),
        ("program", "ASIAPROGRAM", None),
        ("config", "AKIACONFIG", Some("of-the-config")),
    ] {
        let service = Queued::with([value()]).await;
        let kwargs = json!({"endpoint_url": service.url});
        let region = [("AWS_DEFAULT_REGION", "eu-west-1")];
        let found = ask(SECRETS_MANAGER, profile, &kwargs, home.path(), &region).await;
        assert_eq!(found, Ok("v".to_owned()));
        let request = &service.seen.all()[0];
        assert_eq!(signed(request).0, key);
        assert_eq!(request.header("x-amz-security-token"), token);
    }
}

#[tokio::test]
async fn a_web_identity_may_be_a_profiles() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "the token").unwrap();
    let config = format!(
        "[profile pod]\nrole_arn = arn:aws:iam::123456789012:role/pod\n\
         web_identity_token_file = {}\nrole_session_name = of-profile\n",
        token.display()
    );
    let home = home(&config, "");
    let sts = Queued::with([lent("AssumeRoleWithWebIdentity", FAR)]).await;
    let service = Queued::with([value()]).await;
    let variables = [
        ("AWS_DEFAULT_REGION", "eu-west-1"),
        ("AWS_ENDPOINT_URL_STS", sts.url.as_str()),
        // boto3 does not read these where settings name a profile.
        ("AWS_ROLE_SESSION_NAME", "of-environment"),
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/other"),
    ];
    let kwargs = json!({"endpoint_url": service.url});
    let found = ask(SECRETS_MANAGER, "pod", &kwargs, home.path(), &variables).await;
    assert_eq!(found, Ok("v".to_owned()));
    let call = &sts.seen.all()[0];
    for part in [
        "role%2Fpod&",
        "RoleSessionName=of-profile",
        "WebIdentityToken=the%20token",
    ] {
        assert!(call.body.contains(part), "{part} {}", call.body);
    }
    assert_eq!(call.header("authorization"), None, "the call is not signed");
    assert_eq!(signed(&service.seen.all()[0]).0, "ASIALENT");
}

#[tokio::test]
async fn a_profile_that_cannot_be_used_says_why() {
    let role = "role_arn = arn:aws:iam::123456789012:role/r";
    let config = format!(
        "[profile both]\n{role}\nsource_profile = base\ncredential_source = Environment\n\
         [profile neither]\n{role}\n\
         [profile gone]\n{role}\nsource_profile = nowhere\n\
         [profile empty]\n{role}\nsource_profile = nothing\n\
         [profile nothing]\nregion = eu-west-1\n\
         [profile a]\n{role}\nsource_profile = b\n\
         [profile b]\n{role}\nsource_profile = a\n\
         [profile itself]\n{role}\nsource_profile = itself\n\
         [profile other]\n{role}\ncredential_source = marker\n\
         [profile mfa]\n{role}\nsource_profile = base\nmfa_serial = marker\n\
         [profile half]\naws_access_key_id = marker\n\
         [profile login]\nlogin_session = marker\n"
    );
    let base = "[base]\naws_access_key_id = AKIABASE\naws_secret_access_key = marker\n";
    let home = home(&config, base);
    let region = [("AWS_DEFAULT_REGION", "eu-west-1")];
    for (profile, expected) in [
        (
            "both",
            "the AWS profile \"both\" has both source_profile and credential_source: remove one",
        ),
        (
            "neither",
            "the AWS profile \"neither\" has a role_arn, but neither source_profile nor credential_source",
        ),
        (
            "gone",
            "the source_profile \"nowhere\" of the AWS profile \"gone\" does not exist",
        ),
        (
            "empty",
            "the source_profile \"nothing\" of the AWS profile \"empty\" has no credentials",
        ),
        (
            "a",
            "the source_profile \"a\" of the AWS profile \"b\" leads back to itself",
        ),
        (
            "itself",
            "the source_profile \"itself\" of the AWS profile \"itself\" leads back to itself",
        ),
        (
            "other",
            "the credential_source of the AWS profile \"other\" must be Environment, EcsContainer or Ec2InstanceMetadata",
        ),
        (
            "mfa",
            "the AWS profile \"mfa\" needs the code of an MFA device (mfa_serial), which a library cannot ask for: use another profile (AWS-19)",
        ),
        (
            "half",
            "the AWS profile \"half\" has an aws_access_key_id, but no aws_secret_access_key in the same file",
        ),
        (
            "login",
            "the login_session of the AWS profile \"login\" is not supported: use SSO or keys (AWS-19)",
        ),
    ] {
        let found = ask(SECRETS_MANAGER, profile, &json!({}), home.path(), &region).await;
        assert_eq!(found, Err(format!("Configuration: {expected}")));
    }
}
