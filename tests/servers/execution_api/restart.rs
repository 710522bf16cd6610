//! A server that is restarted in the middle.

use std::time::Duration;

use airflow_secrets::backends::{HttpOptions, RetryOptions};

use crate::{api_at, rows, support::execution_api::ExecutionApi, variable};

#[tokio::test]
async fn a_lookup_waits_for_a_server_that_is_restarted() {
    let mut server = ExecutionApi::start(rows(), &[]).await;
    let patient = api_at(&server.url)
        .http(HttpOptions::new().with_timeout(Duration::from_secs(300)))
        .retries(
            RetryOptions::new()
                .with_max_retries(1000)
                .with_first_pause(Duration::from_millis(100))
                .with_longest_pause(Duration::from_millis(500)),
        );
    let patient = patient.build().unwrap();
    let found = Ok("a-blue-marker".to_owned());
    assert_eq!(variable(&patient, "colour").await, found);

    server.end();
    let hasty = api_at(&server.url).build().unwrap();
    let refused = variable(&hasty, "colour").await.unwrap_err();
    let why = "Unavailable: no answer from the Execution API at API: Connection refused";
    assert!(refused.starts_with(why), "{refused}");
    server.begin();
    // Asked while nobody listens.
    assert_eq!(variable(&patient, "colour").await, found);
    assert_eq!(variable(&hasty, "colour").await, found);
}
