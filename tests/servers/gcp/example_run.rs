//! The example, run as a user runs it.

use crate::support::{
    drongo::Drongo,
    example::{Run, run},
    google::version,
    google_services::GoogleServices,
    https::Reply,
    side_by_side::Variables,
};

fn found_in(project: &str) -> Run {
    Run {
        code: Some(0),
        stdout: format!(
            "pg: Some(\"postgres\") at Some(\"db.example.com\"), from gcp_secret_manager: \
             projects/{project}/secrets/airflow-connections-pg\n"
        ),
        stderr: String::new(),
    }
}

const PG: &str = "postgres://user:MARKER@db.example.com/sales";

#[test]
fn the_example_reads_a_connection_as_its_machine_or_its_user() {
    let services = GoogleServices::start();
    let reply = Reply::json(200, &version(PG));
    let mut variables = services.reach();
    services.answer_first("secretmanager.googleapis.com", &reply, 2);
    assert_eq!(run("gcp", &["pg"], &variables), found_in("machine-project"));

    let gcloud = services.folder.path().join(".config/gcloud");
    std::fs::create_dir_all(&gcloud).unwrap();
    let file = gcloud.join("application_default_credentials.json");
    let user = crate::support::google_services::user();
    std::fs::write(file, user.to_string()).unwrap();
    let project = ("GOOGLE_CLOUD_PROJECT".to_owned(), "my-project".to_owned());
    variables.extend([project]);
    assert_eq!(run("gcp", &["pg"], &variables), found_in("my-project"));
    let requests = services.take_requests();
    let reads = requests
        .iter()
        .filter(|request| request.host == "secretmanager.googleapis.com");
    let bearers = reads.map(|read| read.header("authorization").split('|').next().unwrap());
    assert_eq!(
        bearers.collect::<Vec<_>>(),
        ["Bearer the machine", "Bearer the user"]
    );
}

#[tokio::test]
async fn the_example_reads_a_connection_from_an_emulator() {
    let drongo = Drongo::start().await;
    drongo.put("my-project", "airflow-connections-pg", PG).await;
    let mut variables = [
        ("SECRET_MANAGER_EMULATOR_HOST", drongo.host.as_str()),
        ("GOOGLE_CLOUD_PROJECT", "my-project"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into_iter()
    .collect::<Variables>();
    assert_eq!(run("gcp", &[], &variables), found_in("my-project"));

    let absent = run("gcp", &["absent"], &variables);
    assert_eq!((absent.code, absent.stdout.as_str()), (Some(1), ""));
    let asked = "projects/my-project/secrets/airflow-connections-absent";
    assert!(absent.stderr.contains(asked), "{}", absent.stderr);

    variables.remove("GOOGLE_CLOUD_PROJECT");
    let nowhere = run("gcp", &[], &variables);
    assert_eq!((nowhere.code, nowhere.stdout.as_str()), (Some(1), ""));
    let reason = "no project is set";
    assert!(nowhere.stderr.contains(reason), "{}", nowhere.stderr);
}
