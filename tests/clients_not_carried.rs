//! What a client does not carry is named, and what Airflow's hook checks is not said to be unchecked.

// A test may panic: so it fails.
#![allow(clippy::unwrap_used)]

use airflow_secrets::{
    Connection,
    clients::{ClientError, Ssh},
};

/// A connection with every field set.
fn connection(conn_type: &str, extra: &str) -> Connection {
    Connection::builder("conn")
        .conn_type(conn_type)
        .host("h.example.com")
        .port(1)
        .login("user")
        .password("secret")
        .schema("db")
        .extra(extra)
        .build()
        .unwrap()
}

/// The names, sorted.
fn sorted(names: &[String]) -> Vec<&str> {
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.sort_unstable();
    names
}

#[test]
fn a_member_of_aws_that_nothing_reads_is_named() {
    let extra = r#"{"regoin_name": "eu-west-1", "aws_access_key_id": "HIDDEN", "session_kwargs": {"aws_session_token": "T", "x": 1},
                    "aws_session_token": "S", "assume_role_kwargs": {}, "external_id": "e"}"#;
    let made = connection("aws", extra).aws_s3().unwrap();
    let named = [
        "assume_role_kwargs",
        "aws_access_key_id",
        "external_id",
        "host",
        "port",
        "regoin_name",
        "schema",
        "session_kwargs.aws_session_token",
        "session_kwargs.x",
    ];
    assert_eq!(sorted(made.not_carried()), named);
}

#[test]
fn a_member_of_google_that_has_no_part_in_the_credentials_is_named() {
    let extra = r#"{"keyfile": "x", "client_id": "c", "is_anonymous": true, "impersonation_chain": "a@x.y",
                    "num_retries": 1, "extra__google_cloud_platform__num_retries": 2}"#;
    let made = connection("google_cloud_platform", extra).google().unwrap();
    let named = [
        "client_id",
        "extra__google_cloud_platform__num_retries",
        "host",
        "impersonation_chain",
        "keyfile",
        "login",
        "password",
        "port",
        "schema",
    ];
    assert_eq!(sorted(made.not_carried()), named);
}

#[test]
fn a_member_of_snowflake_that_the_hook_drops_is_named() {
    let extra = r#"{"passcode": "1", "extra__snowflake__authenticator": "oauth", "token": "t", "role": "R",
                    "extra__snowflake__role": "S", "token_endpoint": "https://idp"}"#;
    let made = connection("snowflake", extra).snowflake().unwrap();
    let named = [
        "extra__snowflake__authenticator",
        "extra__snowflake__role",
        "host",
        "passcode",
        "port",
        "token",
        "token_endpoint",
    ];
    assert_eq!(sorted(made.not_carried()), named);
}

#[test]
fn a_token_of_a_workload_gives_way_to_that_of_oauth() {
    let extra = r#"{"authenticator": "oauth", "account": "a", "grant_type": "client_credentials",
                    "workload_identity_provider": "AWS", "token": "of the workload"}"#;
    let made = connection("snowflake", extra).snowflake().unwrap();
    assert_eq!(made.params().get("token"), None);
    assert_eq!(sorted(made.not_carried()), ["host", "port", "token"]);
}

#[test]
fn a_field_that_a_member_overrides_is_named() {
    let extra = r#"{"user": "other", "password": "p", "dbname": "d", "host": "h", "port": 5, "redshift": true}"#;
    let made = connection("postgres", extra).postgres().unwrap();
    let named = ["host", "login", "password", "port", "redshift", "schema"];
    assert_eq!(sorted(made.not_carried()), named);
}

#[test]
fn an_option_of_http_that_another_hides_is_named() {
    let extra = r#"{"verify": null, "verify_ssl": false, "proxies": {}, "proxy": {"http": "x"}, "X-A": "1", "x-a": "2"}"#;
    let made = connection("http", extra).http().unwrap();
    assert_eq!(sorted(made.not_carried()), ["X-A", "proxy", "verify_ssl"]);
}

#[test]
fn the_part_of_an_azure_connection_that_the_account_is_not_made_of_is_named() {
    let made = connection("wasb", r#"{"sas_token": "https://a.example.com/?sig=b"}"#);
    let made = made.azure_blob().unwrap();
    let named = ["host", "login", "password", "port", "schema"];
    assert_eq!(sorted(made.not_carried()), named);
}

#[test]
fn settings_of_another_way_to_connect_are_named_for_redis_mysql_kafka_and_ssh() {
    let redis = connection("redis", r#"{"startup_nodes": "a:1"}"#)
        .redis()
        .unwrap();
    assert_eq!(sorted(redis.not_carried()), ["schema", "startup_nodes"]);
    let mysql = connection("mysql", r#"{"aws_conn_id": "a"}"#)
        .mysql()
        .unwrap();
    assert_eq!(sorted(mysql.not_carried()), ["aws_conn_id"]);
    let kafka = connection("kafka", r#"{"bootstrap.servers": "b:1"}"#)
        .kafka()
        .unwrap();
    let fields = ["host", "login", "password", "port", "schema"];
    assert_eq!(sorted(kafka.not_carried()), fields);
    let extra = r#"{"private_key_passphrase": "p", "no_host_key_check": false, "ignore_hostkey_verification": true}"#;
    let ssh = connection("ssh", extra).ssh().unwrap();
    let named = [
        "ignore_hostkey_verification",
        "private_key_passphrase",
        "schema",
    ];
    assert_eq!(sorted(ssh.not_carried()), named);
}

fn ssh(extra: &str) -> Result<Ssh, ClientError> {
    connection("ssh", extra).ssh()
}

#[test]
fn a_host_key_of_the_connection_is_checked_though_its_change_is_allowed() {
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4";
    let made = ssh(&format!(
        r#"{{"host_key": "{key}", "allow_host_key_change": true}}"#
    ))
    .unwrap();
    assert!(made.checks_host_key());
    assert_eq!(made.warnings(), []);
    let without = ssh(r#"{"allow_host_key_change": true}"#).unwrap();
    assert!(!without.checks_host_key());
    assert_eq!(without.warnings().len(), 1);
}

#[test]
fn what_follows_a_host_key_is_no_part_of_it() {
    let key = "AAAAC3NzaC1lZDI1NTE5AAAAIAOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4";
    let made = ssh(&format!(r#"{{"host_key": "ssh-ed25519 {key}AAAA"}}"#)).unwrap();
    let public = made.params().get("host_key").unwrap().get("public");
    assert_eq!(public, Some(&key.into()));
}

#[test]
fn a_key_that_is_encrypted_in_the_old_way_is_refused_with_the_command_that_converts_it() {
    let key = "-----BEGIN RSA PRIVATE KEY-----\\nProc-Type: 4,ENCRYPTED\\nDEK-Info: AES-128-CBC,00\\n\\nAAAA\\n\
               -----END RSA PRIVATE KEY-----\\n";
    let error = ssh(&format!(
        r#"{{"private_key": "{key}", "private_key_passphrase": "p"}}"#
    ));
    assert_eq!(
        error.unwrap_err().to_string(),
        "connection \"conn\" gives no ssh client: member \"private_key\" of `extra` is encrypted in PEM's old way, \
         which this crate cannot open (CLIENTS-5); `ssh-keygen -p -f FILE` writes it in OpenSSH's form"
    );
}
