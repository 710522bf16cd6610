//! Google's services under their real names, asked by a process of its own. Its answers are those of
//! Airflow.

use std::path::Path;

use serde_json::{Value, json};

use crate::{
    settings::CLASS,
    support::{
        example::run,
        google::ACCOUNT,
        google_services::{
            GoogleServices, MACHINES_PROJECT, SUBJECT_TOKEN, UNIVERSE, impersonation_url, key, pod,
            pod_with, user,
        },
        https::Reply,
        side_by_side::{Variables, airflow, settings},
    },
};

const CLOUD_PLATFORM: &str = "https://www.googleapis.com/auth/cloud-platform";

/// One environment, and the text that is read in it, if any.
#[derive(Clone)]
struct Case {
    kwargs: Value,
    default_file: Option<Value>,
    more: &'static [(&'static str, &'static str)],
    read: Option<String>,
}

fn case(kwargs: Value, read: impl Into<Option<String>>) -> Case {
    Case {
        kwargs,
        default_file: None,
        more: &[],
        read: read.into(),
    }
}

impl Case {
    /// With a default credential file that holds this.
    fn by_default(mut self, file: &Value) -> Self {
        self.default_file = Some(file.clone());
        self
    }

    fn with(mut self, more: &'static [(&'static str, &'static str)]) -> Self {
        self.more = more;
        self
    }

    fn variables(&self, services: &GoogleServices, name: &str) -> Variables {
        let mut variables = services.reach();
        variables.extend(settings(CLASS, &self.kwargs, self.more));
        if let Some(file) = &self.default_file {
            let path = services.file(name, &file.to_string());
            let name = "GOOGLE_APPLICATION_CREDENTIALS".to_owned();
            variables.insert(name, path.display().to_string());
        }
        variables
    }
}

fn variables(services: &GoogleServices, kwargs: Value, default_file: Option<&Value>) -> Variables {
    let mut case = case(kwargs, None::<String>);
    case.default_file = default_file.cloned();
    case.variables(services, "default.json")
}

/// What `resolve` prints for the variable `colour`, or what it says of its settings.
fn resolve(variables: &Variables) -> Value {
    let run = run("resolve", &["--reveal", "variable", "colour"], variables);
    serde_json::from_str(&run.stdout).unwrap_or_else(|_| json!({"message": run.stderr}))
}

/// The text of a secret that is read as that by one who is this to Google.
fn read(project: &str, who: &str, scopes: &str) -> String {
    let secret = format!("projects/{project}/secrets/airflow-variables-colour");
    format!("{secret} for {who} with {scopes}")
}

/// The same, where the requests are on another project's account.
fn paid_by(payer: &str, who: &str) -> String {
    format!("{who} paid by {payer}")
}

/// Everyone whom credentials make: we are, to Google, who Airflow is.
#[test]
fn to_google_we_are_who_airflow_is() {
    let services = GoogleServices::start();
    let token = services.file("token", SUBJECT_TOKEN);
    let cases = [
        keys_and_users(&services),
        keys_with_other_lines(),
        machines(),
        pods(&services, &token),
        chains_from_a_file(&token),
        files_that_impersonate(&token),
        who_pays(),
        vec![no_key(&services)],
    ]
    .concat();
    let mut questions = Vec::new();
    let mut ours = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        let variables = case.variables(&services, &format!("default-{index}.json"));
        ours.push(resolve(&variables));
        questions.push(json!({
            "class": CLASS, "kwargs": case.kwargs, "environment": variables, "keys": ["colour"],
        }));
    }
    let theirs = airflow(&services.reach(), &questions);
    for (index, ((case, ours), theirs)) in cases.iter().zip(ours).zip(theirs).enumerate() {
        let expected = json!(case.read);
        assert_eq!(ours["value"], expected, "case {index}: {ours}");
        assert_eq!(theirs[0], expected, "case {index}: Airflow");
    }
}

const LAST: &str = "last@other.iam.gserviceaccount.com";
const FIRST: &str = "first@other.iam.gserviceaccount.com";
const SECOND: &str = "second@other.iam.gserviceaccount.com";

/// `LAST`, as what it was made from.
fn last_of(source: &str, delegates: &[&str]) -> String {
    format!("{LAST}({source}{delegates:?})")
}

/// Private keys as they come out of variables and indented files.
fn keys_with_other_lines() -> Vec<Case> {
    let pem = key()["private_key"].as_str().unwrap().to_owned();
    [
        pem.replace('\n', " "),
        pem.replace('\n', "\n    "),
        pem.replace('\n', "\r\n"),
        format!("\n\t {}", pem.trim_end()),
        format!("Bag Attributes: <none>\n{pem}"),
    ]
    .map(|pem| {
        let mut key = key();
        key["private_key"] = pem.into();
        case(
            json!({"gcp_keyfile_dict": key}),
            read("key-project", ACCOUNT, CLOUD_PLATFORM),
        )
    })
    .into()
}

fn keys_and_users(services: &GoogleServices) -> Vec<Case> {
    let scopes = ["one", "two"];
    vec![
        case(
            json!({"gcp_keyfile_dict": key()}),
            read("key-project", ACCOUNT, CLOUD_PLATFORM),
        ),
        case(
            json!({"gcp_keyfile_dict": key(), "gcp_scopes": scopes}),
            read("key-project", ACCOUNT, "one two"),
        ),
        case(json!({}), read("key-project", ACCOUNT, CLOUD_PLATFORM)).by_default(&key()),
        case(
            json!({"gcp_key_path": services.file("path.json", &key().to_string())}),
            read("key-project", ACCOUNT, CLOUD_PLATFORM),
        ),
        case(
            json!({"gcp_key_path": services.file(".json", &key().to_string())}),
            read("key-project", ACCOUNT, CLOUD_PLATFORM),
        ),
        case(
            json!({"gcp_credential_config_file": user(), "project_id": "p"}),
            read("p", "the user", CLOUD_PLATFORM),
        ),
        case(
            json!({
                "gcp_credential_config_file": user(), "project_id": "p", "gcp_scopes": scopes,
            }),
            read("p", "the user", "one two"),
        ),
        case(
            json!({"gcp_credential_config_file": user().to_string(), "project_id": "p"}),
            read("p", "the user", CLOUD_PLATFORM),
        ),
        case(
            json!({
                "gcp_credential_config_file": services.file("user", &user().to_string()),
                "project_id": "p",
            }),
            read("p", "the user", CLOUD_PLATFORM),
        ),
    ]
}

/// Beyond Airflow.
#[test]
fn a_key_as_a_text_is_the_key_that_it_holds() {
    let services = GoogleServices::start();
    let key = key().to_string();
    let expected = read("key-project", ACCOUNT, CLOUD_PLATFORM);
    let answer = resolve(&variables(
        &services,
        json!({"gcp_keyfile_dict": key}),
        None,
    ));
    assert_eq!(answer["value"], json!(expected), "{answer}");

    let mut variables = variables(&services, json!({}), None);
    let name = "AIRFLOW__SECRETS__BACKEND_KWARG__GCP_KEYFILE_DICT".to_owned();
    variables.insert(name, key);
    let answer = resolve(&variables);
    assert_eq!(answer["value"], json!(expected), "{answer}");
}

/// Beyond Airflow.
#[test]
fn scopes_as_a_text_with_commas_are_sent_as_those_of_a_list() {
    let services = GoogleServices::start();
    let token = services.file("token", SUBJECT_TOKEN);
    for (file, chain) in [(key(), None), (pod(&token), None), (user(), Some(LAST))] {
        let answers = [json!(["one", "two"]), json!("one, two"), json!("one,two,")].map(|scopes| {
            let kwargs = json!({
                "gcp_credential_config_file": file, "project_id": "p", "gcp_scopes": scopes,
                "impersonation_chain": chain,
            });
            resolve(&variables(&services, kwargs, None))
        });
        let value = answers[0]["value"].as_str().unwrap_or_default();
        assert!(value.ends_with(" with one two"), "{}", answers[0]);
        assert_eq!(answers[0], answers[1]);
        assert_eq!(answers[0], answers[2]);
    }
}

/// The file of `FIRST`, for whom `SECOND` vouches.
fn impersonating(source: Value) -> Value {
    json!({
        "type": "impersonated_service_account",
        "service_account_impersonation_url": impersonation_url(FIRST),
        "source_credentials": source, "delegates": [SECOND],
    })
}

/// It is no key.
fn no_key(services: &GoogleServices) -> Case {
    let file = services.file("key.json", &impersonating(user()).to_string());
    case(
        json!({"gcp_key_path": file, "impersonation_chain": LAST}),
        None,
    )
}

fn who_pays() -> Vec<Case> {
    let mut of_payer = user();
    of_payer["quota_project_id"] = "payer".into();
    let chain = json!({"impersonation_chain": LAST});
    let environment = &[("GOOGLE_CLOUD_QUOTA_PROJECT", "other-payer")];
    vec![
        case(
            json!({"gcp_credential_config_file": of_payer, "project_id": "p"}),
            read("p", &paid_by("payer", "the user"), CLOUD_PLATFORM),
        ),
        case(
            json!({}),
            read(
                MACHINES_PROJECT,
                &paid_by("other-payer", "the machine"),
                CLOUD_PLATFORM,
            ),
        )
        .with(environment),
        case(
            chain.clone(),
            read(
                "other",
                &last_of(&paid_by("payer", "the user"), &[]),
                CLOUD_PLATFORM,
            ),
        )
        .by_default(&of_payer),
        case(
            chain.clone(),
            read(
                "other",
                &last_of(&paid_by("other-payer", "the user"), &[]),
                CLOUD_PLATFORM,
            ),
        )
        .by_default(&of_payer)
        .with(environment),
        case(
            chain,
            read(
                "other",
                &last_of(&paid_by("other-payer", "the machine"), &[]),
                CLOUD_PLATFORM,
            ),
        )
        .with(environment),
    ]
}

/// A machine itself, and as whom it impersonates.
fn machines() -> Vec<Case> {
    vec![
        case(
            json!({}),
            read(MACHINES_PROJECT, "the machine", CLOUD_PLATFORM),
        ),
        case(
            json!({"gcp_scopes": ["one", "two"]}),
            read(MACHINES_PROJECT, "the machine", "one two"),
        ),
        case(
            json!({"impersonation_chain": LAST}),
            read("other", &last_of("the machine", &[]), CLOUD_PLATFORM),
        ),
        case(
            json!({
                "impersonation_chain": [FIRST, SECOND, LAST], "gcp_scopes": ["one", "two"],
                "project_id": "p",
            }),
            read("p", &last_of("the machine", &[FIRST, SECOND]), "one two"),
        ),
    ]
}

/// Workload identity federation, with a token from each place it may be in.
fn pods(services: &GoogleServices, token: &Path) -> Vec<Case> {
    let mut of_program = pod_with(&services.program_source());
    of_program["subject_token_type"] = "urn:ietf:params:oauth:token-type:id_token".into();
    let mut of_aws = pod_with(&json!({
        "environment_id": "aws1",
        "regional_cred_verification_url":
            "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15",
    }));
    of_aws["subject_token_type"] = "urn:ietf:params:aws:token-type:aws4_request".into();
    let of_url = pod_with(&services.url_source());
    let pods = [pod(token), of_url, of_program, of_aws].map(|configuration| {
        let who = format!("a pod of {}", configuration["audience"].as_str().unwrap());
        case(
            json!({"gcp_credential_config_file": configuration, "project_id": "p"}),
            read("p", &who, CLOUD_PLATFORM),
        )
        .with(&[
            ("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "1"),
            ("AWS_ACCESS_KEY_ID", "AKIATEST"),
            ("AWS_SECRET_ACCESS_KEY", "MARKER-of-aws"),
            ("AWS_REGION", "eu-west-1"),
        ])
    });
    pods.into()
}

fn chains_from_a_file(token: &Path) -> Vec<Case> {
    let audience = pod(token)["audience"].as_str().unwrap().to_owned();
    let of_pod = format!("a pod of {audience}");
    let chain = json!({"impersonation_chain": [FIRST, LAST]});
    vec![
        case(
            json!({"gcp_keyfile_dict": key(), "impersonation_chain": [FIRST, LAST]}),
            read("other", &last_of(ACCOUNT, &[FIRST]), CLOUD_PLATFORM),
        ),
        case(
            chain.clone(),
            read("other", &last_of("the user", &[FIRST]), CLOUD_PLATFORM),
        )
        .by_default(&user()),
        case(
            json!({"impersonation_chain": LAST, "gcp_scopes": ["one", "two"]}),
            read("other", &last_of("the user", &[]), "one two"),
        )
        .by_default(&user()),
        case(
            chain,
            read("other", &last_of(&of_pod, &[FIRST]), CLOUD_PLATFORM),
        )
        .by_default(&pod(token)),
    ]
}

/// A file that impersonates itself, and as the start of a chain.
fn files_that_impersonate(token: &Path) -> Vec<Case> {
    let mut of_pod = pod(token);
    of_pod["service_account_impersonation_url"] = impersonation_url(FIRST).into();
    let pod = format!("a pod of {}", of_pod["audience"].as_str().unwrap());
    let file = impersonating;
    let first_of = |source: &str| format!("{FIRST}({source}{:?})", [SECOND]);
    let first_of_pod = format!("{FIRST}({pod}[])");
    vec![
        case(
            json!({"project_id": "p"}),
            read("p", &first_of("the user"), CLOUD_PLATFORM),
        )
        .by_default(&file(user())),
        case(
            json!({"gcp_credential_config_file": file(key()), "project_id": "p"}),
            read("p", &first_of(ACCOUNT), CLOUD_PLATFORM),
        ),
        case(
            json!({"impersonation_chain": LAST}),
            read(
                "other",
                &last_of(&first_of("the user"), &[]),
                CLOUD_PLATFORM,
            ),
        )
        .by_default(&file(user())),
        case(
            json!({
                "gcp_credential_config_file": file(key()),
                "impersonation_chain": [SECOND, LAST],
            }),
            read(
                "other",
                &last_of(&first_of(ACCOUNT), &[SECOND]),
                CLOUD_PLATFORM,
            ),
        ),
        case(
            json!({"gcp_credential_config_file": of_pod, "project_id": "p"}),
            read("p", &first_of_pod, CLOUD_PLATFORM),
        ),
        case(
            json!({"gcp_credential_config_file": of_pod, "impersonation_chain": LAST}),
            read("other", &last_of(&first_of_pod, &[]), CLOUD_PLATFORM),
        ),
    ]
}

#[test]
fn a_busy_token_endpoint_is_asked_again_where_a_chain_starts() {
    let services = GoogleServices::start();
    let busy = Reply::json(503, &json!({}));
    let kwargs = json!({"impersonation_chain": LAST});
    for (host, default_file, source) in [
        ("oauth2.googleapis.com", Some(user()), "the user"),
        ("iamcredentials.googleapis.com", Some(user()), "the user"),
        ("iamcredentials.googleapis.com", None, "the machine"),
    ] {
        services.answer_first(host, &busy, 2);
        let answer = resolve(&variables(&services, kwargs.clone(), default_file.as_ref()));
        let expected = read("other", &last_of(source, &[]), CLOUD_PLATFORM);
        assert_eq!(answer["value"], json!(expected), "{host}: {answer}");
        let requests = services.take_requests();
        let asked = requests.iter().filter(|request| request.host == host);
        assert_eq!(asked.count(), 3, "{host}");
    }
}

#[test]
fn a_private_authority_is_trusted_through_the_environment_alone() {
    let services = GoogleServices::start();
    let machine = read(MACHINES_PROJECT, "the machine", CLOUD_PLATFORM);
    let mut variables = variables(&services, json!({}), None);
    assert_eq!(resolve(&variables)["value"], json!(machine));

    variables.remove("SSL_CERT_FILE");
    assert_eq!(resolve(&variables)["value"], json!(machine));
    let bundle = variables.remove("REQUESTS_CA_BUNDLE").unwrap();
    let answer = resolve(&variables);
    assert_eq!(answer["error"], "unavailable", "{answer}");
    let message = "the TLS certificate of Secret Manager is not trusted (invalid peer certificate: \
                   UnknownIssuer): name its authority in SSL_CERT_FILE or REQUESTS_CA_BUNDLE";
    assert!(
        answer["message"].as_str().unwrap().contains(message),
        "{answer}"
    );

    let folder = services.folder.path().join("authorities");
    std::fs::create_dir(&folder).unwrap();
    // The name that OpenSSL looks for: a hash of the subject.
    std::fs::rename(bundle, folder.join("0123abcd.0")).unwrap();
    variables.insert("SSL_CERT_DIR".to_owned(), folder.display().to_string());
    assert_eq!(resolve(&variables)["value"], json!(machine));
}

#[test]
fn a_token_endpoint_that_is_not_trusted_is_told_as_that() {
    let services = GoogleServices::start();
    let mut variables = variables(&services, json!({"project_id": "p"}), Some(&user()));
    variables.remove("SSL_CERT_FILE");
    variables.remove("REQUESTS_CA_BUNDLE");
    let answer = resolve(&variables);
    assert_eq!(answer["error"], "unavailable", "{answer}");
    let message = "there is no token: the TLS certificate of Google's token endpoint is not trusted \
                   (invalid peer certificate: UnknownIssuer): name its authority in SSL_CERT_FILE or \
                   REQUESTS_CA_BUNDLE";
    assert!(
        answer["message"].as_str().unwrap().contains(message),
        "{answer}"
    );
}

/// Airflow's client stays at Google's own.
#[test]
fn all_services_are_those_of_the_credentials_universe() {
    let services = GoogleServices::start();
    let mut key = key();
    key["universe_domain"] = UNIVERSE.into();
    let kwargs = json!({"gcp_keyfile_dict": key, "impersonation_chain": LAST});
    let answer = resolve(&variables(&services, kwargs, None));
    let expected = read("other", &last_of(ACCOUNT, &[]), CLOUD_PLATFORM);
    assert_eq!(answer["value"], json!(expected), "{answer}");
    let requests = services.take_requests();
    let hosts = requests.iter().map(|request| request.host.as_str());
    assert_eq!(
        hosts.collect::<Vec<_>>(),
        ["iamcredentials", "secretmanager"].map(|service| format!("{service}.{UNIVERSE}"))
    );
}
