//! The conversation that a real supervisor had with this library, once more: `conformance/supervisor.jsonl`.

#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

#[allow(dead_code)]
#[path = "support/conversation.rs"]
mod conversation;
#[allow(dead_code)]
#[path = "support/supervisor.rs"]
mod supervisor;

use airflow_secrets::backends::supervisor::TcpTransport;
use serde_json::Value;

const RECORD: &str = include_str!("conformance/supervisor.jsonl");

fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2);
    let byte = |digits: &[u8]| u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16);
    digits.map(|digits| byte(digits).unwrap()).collect()
}

#[tokio::test]
async fn the_recorded_conversation_has_the_same_requests_and_outcomes() {
    let lines = RECORD
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let (outcomes, frames) = lines.partition::<Vec<Value>, _>(|line| line.get("outcome").is_some());
    let kinds = frames.iter().filter(|line| line["from"] == "task").count();
    assert!(kinds > 20, "{kinds}");
    let mut frames = frames.into_iter();
    let startup = bytes(frames.next().unwrap()["frame"].as_str().unwrap());
    let address = supervisor::listen(move |stream| {
        let mut socket = supervisor::socket(stream);
        socket.send(&startup);
        for line in frames {
            let frame = bytes(line["frame"].as_str().unwrap());
            if line["from"] == "supervisor" {
                socket.send(&frame);
            } else {
                assert_eq!(socket.frame().unwrap(), frame);
            }
        }
    });
    let (transport, startup) = TcpTransport::connect(address).await.unwrap();
    assert_eq!(startup.dag_id(), Some("native_dag"));
    assert_eq!(startup.task_id(), Some("native"));
    assert_eq!(startup.run_id(), Some("run"));
    assert_eq!(
        startup.ti_id(),
        Some("01900000-0000-7000-8000-000000000002")
    );
    assert_eq!(startup.try_number(), Some(1));
    let started = startup.body().to_json().unwrap().json::<Value>().unwrap();
    assert_eq!(started["bundle_info"]["name"], "dags");
    assert!(
        started["start_date"].as_str().unwrap().ends_with('Z'),
        "{started}"
    );

    let ours = conversation::converse(transport).await;
    let theirs = outcomes.iter().map(|line| line["outcome"].clone());
    assert_eq!(ours, theirs.collect::<Vec<_>>());
}
