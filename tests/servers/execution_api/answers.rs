//! What answers mean that the real server gives rarely, or that others give in its place.

use airflow_secrets::{
    SecretsBackend, backend::VariableStore, backends::execution_api::ExecutionApiBackend,
};
use serde_json::json;

use crate::{
    api_at, connection, options, outcome, said,
    support::{
        served::Served,
        wire::{Answer, Queued},
    },
    variable,
};

/// What a backend makes of each answer, asked for the variable `colour`.
async fn outcomes(answers: Vec<Answer>) -> Vec<Result<String, String>> {
    let server = Queued::with(answers.clone()).await;
    let backend = backend(&server.url);
    let mut outcomes = Vec::new();
    for _ in answers {
        outcomes.push(variable(&backend, "colour").await);
    }
    outcomes
}

fn backend(url: &str) -> ExecutionApiBackend {
    api_at(&format!("{url}/execution/")).build().unwrap()
}

fn json_of(status: u16, body: serde_json::Value) -> Answer {
    Answer::new(status, body.to_string())
}

const NOT_ITS_OWN: &str = "check that the Execution API at API is Airflow's, and not a proxy, gateway or \
                           login page before it";

#[tokio::test]
async fn what_is_no_answer_of_the_api_is_a_failure_and_never_missing() {
    for (status, bodies) in [
        (
            200,
            vec![
                "",
                "<html>login</html>",
                "null",
                "[]",
                "{}",
                r#"{"key": "colour"}"#,
                r#"{"key": "colour", "value": 1}"#,
                r#"{"key": 1, "value": "x"}"#,
                r#"{"key": "colour", "value": "x""#,
                r#"{"keys": [], "total_entries": 0}"#,
            ],
        ),
        (204, vec![""]),
        (304, vec![""]),
        (
            404,
            vec![
                "",
                "<html>",
                "{}",
                "[]",
                "\"not_found\"",
                r#"{"reason": "not_found"}"#,
            ],
        ),
        (400, vec!["", r#"{"detail": "no"}"#]),
        (410, vec![""]),
        (418, vec!["", r#"{"detail": {"reason": "not_found"}}"#]),
    ] {
        for body in bodies {
            let found = outcomes(vec![Answer::new(status, body)]).await;
            // A key without its value is null.
            let is_null = body == r#"{"key": "colour"}"#;
            let null = "missing: its value is null, which Airflow treats as absent";
            let failed = format!(
                "Unavailable: the answer is not one of the Execution API's (HTTP {status}): {NOT_ITS_OWN}"
            );
            let expected = if is_null { null.to_owned() } else { failed };
            assert_eq!(found, [Err(expected)], "{status} {body}");
        }
    }
}

#[tokio::test]
async fn only_the_reason_not_found_is_missing() {
    let of = |detail: serde_json::Value| json_of(404, json!({"detail": detail}));
    let found = outcomes(vec![of(json!({"reason": "not_found", "message": "m"}))]).await;
    assert_eq!(found, [Err("missing: ".to_owned())]);
    for detail in [
        json!("Not Found"),
        json!({"reason": "gone"}),
        json!({"message": "not_found"}),
        json!([{"reason": "not_found"}]),
        json!(null),
        json!(404),
    ] {
        let found = outcomes(vec![of(detail.clone())]).await;
        let why = "Unavailable: the Execution API at API does not know the path (HTTP 404): check the \
                   URL, which ends in \"/execution/\", and that the server knows Airflow-API-Version \
                   2026-06-30";
        assert_eq!(found, [Err(why.to_owned())], "{detail}");
    }
}

#[tokio::test]
async fn denials_are_final_where_airflow_takes_them_so() {
    let denied = "FinalDenial: denied: the Execution API at API does not let this task use it";
    let by_gateway = |status: u16| {
        format!(
            "FinalDenial: denied (HTTP {status}), but not by Airflow: check a gateway before the \
             Execution API at API"
        )
    };
    let by_proxy = |status: u16| {
        format!(
            "AccessDenied: denied, but not by Airflow: a proxy or gateway before the Execution API at \
             API refused the request (HTTP {status}); check the URL and the proxy"
        )
    };
    for (answer, expected) in [
        (
            json_of(403, json!({"detail": {"reason": "access_denied"}})),
            denied.to_owned(),
        ),
        (
            json_of(403, json!({"detail": "Whatever"})),
            denied.to_owned(),
        ),
        (
            json_of(401, json!({"detail": "Missing auth token"})),
            "FinalDenial: denied: the Execution API at API got no token: check a proxy before it"
                .to_owned(),
        ),
        (json_of(403, json!({"error": "forbidden"})), by_gateway(403)),
        (json_of(401, json!("no")), by_gateway(401)),
        (Answer::new(403, "<html>"), by_proxy(403)),
        (Answer::new(401, ""), by_proxy(401)),
    ] {
        let text = answer.text();
        let found = outcomes(vec![answer]).await;
        assert_eq!(found, [Err(expected)], "{text}");
    }
}

#[tokio::test]
async fn an_answer_about_another_id_is_refused() {
    let another = "Unavailable: the Execution API at API answered about another id: a proxy before it \
                   changes paths (EXEC-2)";
    let found = outcomes(vec![json_of(200, json!({"key": "color", "value": "v"}))]).await;
    assert_eq!(found, [Err(another.to_owned())]);
    let server = Queued::with([json_of(
        200,
        json!({"conn_id": "pg2", "conn_type": "http", "host": null, "schema": null, "login": null,
               "password": null, "port": null, "extra": null}),
    )])
    .await;
    let found = connection(&backend(&server.url), "pg").await;
    assert_eq!(found, Err(another.to_owned()));
}

#[tokio::test]
async fn throttling_and_trouble_may_pass_and_say_after_how_long() {
    for (answer, expected, after) in [
        (
            Answer::new(429, "slow down").header("Retry-After", "7"),
            "the Execution API at API throttles (HTTP 429)",
            Some(7),
        ),
        (
            Answer::new(503, "<html>"),
            "the Execution API at API cannot answer (HTTP 503): see the API server's log",
            None,
        ),
        (
            json_of(500, json!({"detail": {"reason": "not_found"}})),
            "the Execution API at API cannot answer (HTTP 500): see the API server's log",
            None,
        ),
    ] {
        let server = Queued::with([answer]).await;
        let found = backend(&server.url)
            .get_variable("colour", &options())
            .await;
        let failure = found.unwrap_err();
        assert_eq!(said(&failure), format!("Unavailable: {expected}"));
        assert!(failure.is_transient());
        assert_eq!(failure.retry_after().map(|pause| pause.as_secs()), after);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = Served::by(|_| json_of(200, json!({"key": "colour", "value": "stolen"}))).await;
    let to = format!("{}/execution/variables/colour", other.url);
    for status in [301, 302, 303, 307, 308] {
        let found = outcomes(vec![Answer::new(status, "").header("Location", &to)]).await;
        let why = format!(
            "Unavailable: the Execution API at API redirects (HTTP {status}), where the token is not \
             sent: set the URL to the address that answers"
        );
        assert_eq!(found, [Err(why)]);
    }
    assert_eq!(other.seen.lines(), Vec::<String>::new());
}

#[tokio::test]
async fn a_variable_may_be_any_text() {
    for value in ["", "null", "é\u{0}\n\"\\", "{\"a\": [1]}", " blank "] {
        let answer = json_of(200, json!({"key": "colour", "value": value, "more": 1}));
        assert_eq!(outcomes(vec![answer]).await, [Ok(value.to_owned())]);
    }
    let null = json_of(200, json!({"key": "colour", "value": null}));
    let missing = "missing: its value is null, which Airflow treats as absent";
    assert_eq!(outcomes(vec![null]).await, [Err(missing.to_owned())]);
}

#[tokio::test]
async fn a_change_is_made_only_where_the_server_says_so() {
    let server = Queued::with([
        Answer::new(201, r#"{"message": "Variable successfully set"}"#),
        Answer::new(200, "<html>login</html>"),
        Answer::new(204, ""),
        Answer::new(200, ""),
        json_of(404, json!({"detail": {"reason": "not_found"}})),
        json_of(422, json!({"detail": []})),
    ])
    .await;
    let backend = backend(&server.url);
    let set = async || {
        let options = options();
        let set = backend
            .set_variable("a/b", &"v".into(), None, &options)
            .await;
        set.map_err(|failure| said(&failure))
    };
    let delete = async || {
        let options = options();
        let deleted = backend.delete_variable("a/b", &options).await;
        deleted.map_err(|failure| said(&failure))
    };
    let not_its_own = |status: u16| {
        Err(format!(
            "Unavailable: the answer is not one of the Execution API's (HTTP {status}): {NOT_ITS_OWN}"
        ))
    };
    assert_eq!(set().await, Ok(()));
    assert_eq!(set().await, not_its_own(200));
    assert_eq!(delete().await, Ok(()));
    assert_eq!(delete().await, not_its_own(200));
    assert!(
        delete()
            .await
            .unwrap_err()
            .contains("does not know the path")
    );
    assert!(set().await.unwrap_err().contains("as invalid (HTTP 422)"));
}

#[tokio::test]
async fn a_list_of_any_length_is_read_in_parts() {
    let server = Served::by(|request| {
        let query = request.path.split_once("offset=").unwrap().1;
        let offset = query.split('&').next().unwrap().parse::<usize>().unwrap();
        let keys = (offset..2500).take(1000).map(|n| format!("key_{n:04}"));
        let keys = keys.collect::<Vec<_>>();
        json_of(200, json!({"keys": keys, "total_entries": 2500}))
    })
    .await;
    let backend = backend(&server.url);
    let keys = backend.variable_keys("key_", &options()).await.unwrap();
    let expected = (0..2500).map(|n| format!("key_{n:04}"));
    assert_eq!(keys, expected.collect::<Vec<_>>());
    let list = "GET /execution/variables/keys?limit=1000&offset";
    assert_eq!(
        server.seen.lines(),
        [0, 1000, 2000].map(|offset| format!("{list}={offset}&prefix=key_"))
    );
}

#[tokio::test]
async fn a_list_without_end_ends_at_the_deadline() {
    let server = Served::by(|_| {
        let keys = (0..1000).map(|n| format!("key_{n}")).collect::<Vec<_>>();
        json_of(200, json!({"keys": keys, "total_entries": usize::MAX}))
    })
    .await;
    let moment = std::time::Duration::from_millis(300);
    let limits = airflow_secrets::backends::HttpOptions::new().with_timeout(moment);
    let backend = api_at(&format!("{}/execution/", server.url)).http(limits);
    let keys = backend.build().unwrap().variable_keys("", &options()).await;
    let why = "Unavailable: no answer from the Execution API at API within 0.3 s";
    assert_eq!(said(&keys.unwrap_err()), why);
}

#[tokio::test]
async fn a_list_of_more_than_a_million_keys_is_refused() {
    let server = Served::by(|_| {
        json_of(
            200,
            json!({"keys": vec!["k"; 1000], "total_entries": usize::MAX}),
        )
    })
    .await;
    let keys = backend(&server.url).variable_keys("", &options()).await;
    let why = "Unavailable: there are more than 1000000 keys, which is the most that is read: ask for a \
               longer prefix";
    assert_eq!(said(&keys.unwrap_err()), why);
    assert_eq!(server.seen.lines().len(), 1000);
}

#[tokio::test]
async fn what_is_no_list_of_keys_is_a_failure() {
    for answer in [
        json_of(404, json!({"detail": {"reason": "not_found"}})),
        json_of(200, json!({"key": "keys", "value": "of an older server"})),
        json_of(200, json!({"keys": [1], "total_entries": 1})),
        json_of(200, json!({"keys": vec!["k"; 1001], "total_entries": 1001})),
    ] {
        let text = answer.text();
        let server = Queued::with([answer]).await;
        let keys = backend(&server.url).variable_keys("", &options()).await;
        let keys = said(&keys.unwrap_err());
        assert!(
            keys.contains("is not one of the Execution API's"),
            "{text}: {keys}"
        );
    }
}

#[tokio::test]
async fn a_connection_of_the_wrong_form_is_no_connection() {
    let whole = json!({
        "conn_id": "pg", "conn_type": "http", "host": null, "schema": null, "login": null,
        "password": null, "port": null, "extra": null,
    });
    for (field, value) in [
        ("port", json!("80")),
        ("port", json!(1.5)),
        ("password", json!({})),
        ("conn_id", json!(null)),
        ("extra", json!({"a": 1})),
    ] {
        let mut broken = whole.clone();
        broken[field] = value;
        let server = Queued::with([json_of(200, broken)]).await;
        let found = connection(&backend(&server.url), "pg").await.unwrap_err();
        assert!(
            found.contains("is not one of the Execution API's"),
            "{field}: {found}"
        );
    }
    for port in [-1, 65536, i64::MAX] {
        let mut broken = whole.clone();
        broken["port"] = json!(port);
        let server = Queued::with([json_of(200, broken)]).await;
        let found = connection(&backend(&server.url), "pg").await;
        let why = "InvalidValue: `port` is not a whole number from 0 to 65535 (CODEC-1)";
        assert_eq!(found, Err(why.to_owned()));
    }
    let server = Queued::with([json_of(200, whole)]).await;
    let found = backend(&server.url).get_conn_value("pg", &options()).await;
    let skipped = "skipped: not offered by this backend";
    assert_eq!(outcome(found), Err(skipped.to_owned()));
}
