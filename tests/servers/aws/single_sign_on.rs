//! SSO: credentials for the token that `aws sso login` left in a file.

use std::{
    fs::{File, Permissions},
    io::Read,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    SECRETS_MANAGER,
    credentials::{in_seconds, signed, value},
    profiles::{ask, home},
    support::{
        served::Served,
        wire::{Answer, Queued, Request},
    },
};

/// The name of the session, and the SHA-1 hash of it.
const SESSION: (&str, &str) = ("the session", "ae873cd3f7e21410aa2e3a90d442f96245afd03d");
/// The portal's address, and the SHA-1 hash of it.
const PORTAL: (&str, &str) = (
    "https://portal.test/start",
    "b741460c3524ff970fd9361d726758c855c75204",
);

/// A home folder with a profile that shares a session, and one of the older kind.
fn sso_home() -> TempDir {
    let (session, _) = SESSION;
    let (portal, _) = PORTAL;
    let role = "sso_account_id = 123456789012\nsso_role_name = Reader\nregion = us-west-2\n";
    let config = format!(
        "[profile shared]\nsso_session = {session}\n{role}\
         [sso-session \"{session}\"]\nsso_region = eu-north-1\nsso_start_url = {portal}\n\
         sso_registration_scopes = sso:account:access\n\
         [profile older]\nsso_region = eu-north-1\nsso_start_url = {portal}\n{role}\
         [profile lost]\nsso_session = other\n{role}\
         [profile half]\nsso_session = {session}\nsso_account_id = 123456789012\n"
    );
    let home = home(&config, "");
    std::fs::create_dir_all(home.path().join(".aws/sso/cache")).unwrap();
    home
}

fn file(home: &TempDir, hash: &str) -> PathBuf {
    home.path().join(format!(".aws/sso/cache/{hash}.json"))
}

/// Leaves a token as the command line does; it ends in so many seconds.
fn log_in(home: &TempDir, hash: &str, seconds: i64) -> Value {
    let token = json!({
        "startUrl": PORTAL.0, "region": "eu-north-1", "accessToken": "old-token",
        "expiresAt": in_seconds(seconds), "clientId": "the-client",
        "clientSecret": "client-secret", "refreshToken": "refresh-1",
        "registrationExpiresAt": "2199-01-01T00:00:00Z",
    });
    std::fs::write(file(home, hash), token.to_string()).unwrap();
    token
}

fn portal(_: &Request) -> Answer {
    let credentials = json!({"roleCredentials": {
        "accessKeyId": "ASIASSO", "secretAccessKey": "s", "sessionToken": "lent-token",
        "expiration": 7_226_582_400_000_i64,
    }});
    Answer::new(200, credentials.to_string())
}

/// What a lookup comes to by a profile, and whom the portal saw.
async fn found(
    home: &TempDir,
    profile: &str,
    more: &[(&str, &str)],
) -> (Result<String, String>, Vec<Request>) {
    let portal = Served::by(portal).await;
    let service = Queued::with([value()]).await;
    let kwargs = json!({"endpoint_url": service.url});
    let variables = [&[("AWS_ENDPOINT_URL_SSO", portal.url.as_str())], more].concat();
    let found = ask(SECRETS_MANAGER, profile, &kwargs, home.path(), &variables).await;
    if found.is_ok() {
        let request = &service.seen.all()[0];
        let expected = ("ASIASSO".to_owned(), "us-west-2".to_owned());
        assert_eq!(signed(request), expected);
        assert_eq!(request.header("x-amz-security-token"), Some("lent-token"));
    }
    (found, portal.seen.all())
}

#[tokio::test]
async fn a_login_gives_the_roles_credentials() {
    let home = sso_home();
    for (profile, (_, hash)) in [("shared", SESSION), ("older", PORTAL)] {
        log_in(&home, hash, 3600);
        let (found, asked) = found(&home, profile, &[]).await;
        assert_eq!(found, Ok("v".to_owned()), "{profile}");
        let [request] = asked.as_slice() else {
            panic!("{asked:?}")
        };
        assert_eq!(request.method, "GET");
        assert_eq!(
            request.path,
            "/federation/credentials?role_name=Reader&account_id=123456789012"
        );
        let token = request.header("x-amz-sso_bearer_token");
        assert_eq!(token, Some("old-token"));
        assert_eq!(request.header("authorization"), None, "it is not signed");
    }
}

#[tokio::test]
async fn the_portals_address_may_be_the_profiles() {
    let home = sso_home();
    log_in(&home, SESSION.1, 3600);
    let portal = Served::by(portal).await;
    let config = home.path().join(".aws/config");
    let text = std::fs::read_to_string(&config).unwrap();
    let text = text.replace("[profile shared]", "[profile shared]\nservices = local")
        + &format!("[services local]\nsso =\n  endpoint_url = {}\n", portal.url);
    std::fs::write(&config, text).unwrap();
    let service = Queued::with([value()]).await;
    let kwargs = json!({"endpoint_url": service.url});
    let found = ask(SECRETS_MANAGER, "shared", &kwargs, home.path(), &[]).await;
    assert_eq!(found, Ok("v".to_owned()));
    assert_eq!(portal.seen.all().len(), 1);
}

#[tokio::test]
async fn a_session_that_ends_soon_is_renewed_without_a_browser() {
    let home = sso_home();
    for seconds in [-60, 600] {
        let old = log_in(&home, SESSION.1, seconds);
        let answer = json!({
            "accessToken": "new-token", "expiresIn": 3600, "refreshToken": "refresh-2",
            "tokenType": "Bearer",
        });
        let renewer = Queued::with([Answer::new(200, answer.to_string())]).await;
        let variables = [("AWS_ENDPOINT_URL_SSO_OIDC", renewer.url.as_str())];
        let (found, asked) = found(&home, "shared", &variables).await;
        assert_eq!(found, Ok("v".to_owned()));
        let token = asked[0].header("x-amz-sso_bearer_token");
        assert_eq!(token, Some("new-token"));

        assert_eq!(renewer.seen.lines(), ["POST /token"]);
        let request = &renewer.seen.all()[0];
        let expected = json!({
            "clientId": "the-client", "clientSecret": "client-secret",
            "grantType": "refresh_token", "refreshToken": "refresh-1",
        });
        let body = serde_json::from_str::<Value>(&request.body).unwrap();
        assert_eq!(body, expected);

        // For the next who asks, and for nobody else on this machine.
        let file = file(&home, SESSION.1);
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let kept = std::fs::read_to_string(&file).unwrap();
        let mut kept = serde_json::from_str::<Value>(&kept).unwrap();
        let ends = kept["expiresAt"].take();
        assert!(ends.as_str().unwrap() > in_seconds(3000).as_str(), "{ends}");
        let mut expected = old;
        expected["accessToken"] = "new-token".into();
        expected["refreshToken"] = "refresh-2".into();
        expected["expiresAt"] = Value::Null;
        assert_eq!(kept, expected);
    }
}

#[tokio::test]
async fn a_renewed_token_replaces_the_file_in_one_step_and_leaves_no_other() {
    let home = sso_home();
    let old = log_in(&home, SESSION.1, -60);
    let file = file(&home, SESSION.1);
    std::fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    let mut reader = File::open(&file).unwrap();
    // Names that a writer might use, or did use, lead to a file that is not its own.
    let other = home.path().join("other");
    std::fs::write(&other, "unchanged").unwrap();
    let leftover = file.with_extension("json.new");
    std::os::unix::fs::symlink(&other, &leftover).unwrap();

    let answer = json!({"accessToken": "new-token", "expiresIn": 3600});
    let renewer = Queued::with([Answer::new(200, answer.to_string())]).await;
    let variables = [("AWS_ENDPOINT_URL_SSO_OIDC", renewer.url.as_str())];
    let (found, _) = found(&home, "shared", &variables).await;
    assert_eq!(found, Ok("v".to_owned()));

    // Whoever has opened the file before reads the old token to its end.
    let mut seen = String::new();
    reader.read_to_string(&mut seen).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&seen).unwrap(), old);
    let kept = std::fs::read_to_string(&file).unwrap();
    let kept = serde_json::from_str::<Value>(&kept).unwrap();
    assert_eq!(kept["accessToken"], "new-token");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(std::fs::read_to_string(&other).unwrap(), "unchanged");
    let entries = std::fs::read_dir(file.parent().unwrap()).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    names.sort();
    assert_eq!(names, [file, leftover]);
}

#[tokio::test]
async fn a_renewed_token_that_cannot_be_written_is_used_all_the_same() {
    let home = sso_home();
    log_in(&home, SESSION.1, -60);
    let folder = home.path().join(".aws/sso/cache");
    let gone = folder.clone();
    let renewer = Served::by(move |_| {
        // From now on there is no folder to write to.
        std::fs::remove_dir_all(&gone).unwrap();
        let answer = json!({"accessToken": "new-token", "expiresIn": 3600});
        Answer::new(200, answer.to_string())
    });
    let renewer = renewer.await;
    let variables = [("AWS_ENDPOINT_URL_SSO_OIDC", renewer.url.as_str())];
    let (found, asked) = found(&home, "shared", &variables).await;
    assert_eq!(found, Ok("v".to_owned()));
    let token = asked[0].header("x-amz-sso_bearer_token");
    assert_eq!(token, Some("new-token"));
    assert!(!folder.exists());
}

#[tokio::test]
async fn a_session_that_cannot_be_renewed_is_good_until_it_ends() {
    let home = sso_home();
    let refusal = r#"{"error": "invalid_grant", "error_description": "marker"}"#;
    for (seconds, expected) in [(600, Ok("v".to_owned())), (-60, Err(expired("shared")))] {
        log_in(&home, SESSION.1, seconds);
        let renewer = Served::by(move |_| Answer::new(400, refusal)).await;
        let variables = [("AWS_ENDPOINT_URL_SSO_OIDC", renewer.url.as_str())];
        let (found, asked) = found(&home, "shared", &variables).await;
        assert_eq!(
            (&found, asked.len()),
            (&expected, usize::from(found.is_ok()))
        );
        assert_eq!(renewer.seen.lines(), ["POST /token"]);
    }
}

fn expired(profile: &str) -> String {
    format!(
        "AccessDenied: the SSO login of the AWS profile \"{profile}\" has expired: run `aws sso \
         login --profile {profile}`"
    )
}

#[tokio::test]
async fn a_login_that_has_expired_says_so_and_nobody_is_asked() {
    let home = sso_home();
    log_in(&home, PORTAL.1, -60);
    let (found, asked) = found(&home, "older", &[]).await;
    assert_eq!((found, asked), (Err(expired("older")), vec![]));
    // The portal may know it first.
    log_in(&home, PORTAL.1, 3600);
    for (status, kind, expected) in [
        (401, "UnauthorizedException", expired("older")),
        (
            403,
            "ForbiddenException",
            "AccessDenied: the SSO portal refused credentials for the AWS profile \"older\": \
             check its sso_account_id and sso_role_name"
                .to_owned(),
        ),
    ] {
        let portal = Served::by(move |_| {
            Answer::new(status, r#"{"message": "marker"}"#).header("x-amzn-errortype", kind)
        });
        let portal = portal.await;
        let variables = [("AWS_ENDPOINT_URL_SSO", portal.url.as_str())];
        let found = ask(
            SECRETS_MANAGER,
            "older",
            &json!({}),
            home.path(),
            &variables,
        )
        .await;
        assert_eq!(found, Err(expected));
    }
}

#[tokio::test]
async fn without_a_login_or_with_half_a_profile_it_says_what_to_do() {
    let home = sso_home();
    let no_login = |profile| {
        format!(
            "Configuration: no SSO login for the AWS profile \"{profile}\" in \
             ~/.aws/sso/cache: run `aws sso login --profile {profile}`"
        )
    };
    for (profile, expected) in [
        ("shared", no_login("shared")),
        ("older", no_login("older")),
        (
            "lost",
            "Configuration: the sso_session \"other\" of the AWS profile \"lost\" does not exist"
                .to_owned(),
        ),
        (
            "half",
            "Configuration: the AWS profile \"half\" uses SSO, and sso_role_name is not set in it"
                .to_owned(),
        ),
    ] {
        let (found, asked) = found(&home, profile, &[("AWS_DEFAULT_REGION", "eu-west-1")]).await;
        assert_eq!((found, asked), (Err(expected), vec![]));
    }
    let file = file(&home, PORTAL.1);
    std::fs::write(&file, "marker").unwrap();
    let (found, _) = found(&home, "older", &[]).await;
    let error = format!(
        "Configuration: {} is not an SSO token: run `aws sso login --profile older`",
        file.display()
    );
    assert_eq!(found, Err(error));
}
