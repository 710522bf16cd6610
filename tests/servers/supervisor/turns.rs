//! A lookup beside the exchange that it comes to, of a real supervisor. `LOOKUP_TURNS=1000` and `--nocapture`
//! give figures.

use serde_json::json;

use crate::worker::{Airflow, Task, Variables};

#[tokio::test(flavor = "multi_thread")]
async fn a_lookup_gives_what_the_bare_exchange_gives() {
    let colour = json!([{"key": "colour", "val": "blue"}]);
    let airflow = Airflow::start(&json!([]), &colour).await;
    let turns = std::env::var("LOOKUP_TURNS").unwrap_or_else(|_| "2".to_owned());
    let asked = Variables::from([("TASK_TURNS".to_owned(), turns)]);
    let ran = airflow.run(Task::Native, &asked);
    let [measured] = &ran.output[..] else {
        panic!("the task said nothing: {}", ran.printed)
    };
    println!("{measured}");
    assert_eq!(
        (&measured["found"], &measured["answer"]),
        (&json!("blue"), &json!("blue"))
    );
    assert_eq!((ran.exit_code, ran.state.as_str()), (0, "success"));
}
