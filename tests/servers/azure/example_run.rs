//! The example, run as a user runs it.

use crate::support::{
    example::{Run, run},
    key_vault::{Azure, VAULT},
    side_by_side::Variables,
};

fn azure() -> (Azure, Variables) {
    let azure = Azure::start();
    let name = "airflow-connections-my-pg";
    azure
        .vault
        .put(name, "postgres://user:MARKER@db.example.com/sales");
    let mut variables = azure.reach();
    // The variable that Airflow's clients do not read does as well.
    let ca = variables.remove("REQUESTS_CA_BUNDLE").unwrap();
    variables.insert("SSL_CERT_FILE".to_owned(), ca);
    let principal = Azure::principal().map(|(name, value)| (name.to_owned(), value.to_owned()));
    variables.extend(principal);
    (azure, variables)
}

#[test]
fn the_example_reads_a_connection_with_the_credential_at_hand() {
    let (_azure, variables) = azure();
    assert_eq!(
        run("azure", &[VAULT, "my_pg"], &variables),
        Run {
            code: Some(0),
            stdout: "my_pg: Some(\"postgres\") at Some(\"db.example.com\"), from \
                     azure_key_vault: airflow-connections-my-pg\n"
                .to_owned(),
            stderr: String::new(),
        }
    );
}

#[test]
fn the_example_says_why_there_is_no_connection() {
    let (azure, mut variables) = azure();
    azure.vault.delete("airflow-connections-my-pg");
    let deleted = run("azure", &[VAULT, "my_pg"], &variables);
    assert_eq!((deleted.code, deleted.stdout.as_str()), (Some(1), ""));
    let reason = "it is deleted and can be recovered until it is purged";
    assert!(deleted.stderr.contains(reason), "{}", deleted.stderr);

    variables.insert("AZURE_CLIENT_SECRET".to_owned(), "MARKER-wrong".to_owned());
    let refused = run("azure", &[VAULT, "my_pg"], &variables);
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""));
    let reason = "(AADSTS7000215): the client secret is wrong";
    assert!(refused.stderr.contains(reason), "{}", refused.stderr);
    assert!(!refused.stderr.contains("MARKER"), "{}", refused.stderr);

    let usage = run("azure", &[], &variables);
    assert_eq!(usage.code, Some(1));
    assert!(usage.stderr.contains("usage: azure"), "{}", usage.stderr);
}
