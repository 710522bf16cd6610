//! A deployment of teams, where the server denies some ids.

use airflow_secrets::{
    SecretsBackend,
    backends::execution_api::{ExecutionApiBackend, ExecutionApiCredential},
};

use crate::{
    BLUE, RED, TASK, api_at, connection, options, outcome, rows,
    support::execution_api::{ExecutionApi, token},
    variable,
};

#[tokio::test]
async fn the_token_says_whose_team_asks_and_the_server_what_it_may_read() {
    let settings = [
        ("AIRFLOW__CORE__MULTI_TEAM", "True"),
        ("FORBIDS", "forbidden"),
    ];
    let server = ExecutionApi::start(rows(), &settings).await;
    let of = |task: &str| -> ExecutionApiBackend {
        let token = ExecutionApiCredential::token(token(task));
        api_at(&server.url).credential(token).build().unwrap()
    };
    let (none, red, blue) = (of(TASK), of(RED), of(BLUE));
    let missing = || Err("missing: ".to_owned());
    for (backend, of_red, of_blue) in [
        (&none, missing(), missing()),
        (&red, Ok("red's".to_owned()), missing()),
        (&blue, missing(), Ok("blue's".to_owned())),
    ] {
        assert_eq!(variable(backend, "of_red").await, of_red);
        assert_eq!(variable(backend, "of_blue").await, of_blue);
        let global = variable(backend, "colour").await;
        assert_eq!(global, Ok("a-blue-marker".to_owned()));
    }
    let uri = connection(&red, "of_red").await;
    assert_eq!(uri, Ok("http://red".to_owned()));
    assert_eq!(connection(&blue, "of_red").await, missing());
    // The team of a lookup is not sent.
    let as_red = options().with_team("red");
    let found = outcome(blue.get_variable("of_red", &as_red).await);
    assert_eq!(found, missing());

    let denied = "FinalDenial: denied: the Execution API at API does not let this task use it";
    let denied = || Err(denied.to_owned());
    assert_eq!(variable(&none, "forbidden/colour").await, denied());
    assert_eq!(connection(&none, "forbidden").await, denied());
    // A denial of one id leaves the token in use.
    assert_eq!(
        variable(&none, "colour").await,
        Ok("a-blue-marker".to_owned())
    );
}
