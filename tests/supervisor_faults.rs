//! What comes of each fault that a supervisor, or the socket to it, can have.

#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

#[allow(dead_code)]
#[path = "support/supervisor.rs"]
mod supervisor;

use std::{
    net::{Ipv4Addr, TcpListener},
    sync::mpsc,
    time::Duration,
};

use airflow_secrets::{
    Failure, Lookup, Resolver, Secret, SecretsBackend,
    backend::{LookupOptions, async_trait},
    backends::supervisor::{Answer, Body, SupervisorBackend, TcpTransport, Transport},
};
use serde_json::{Value, json};
use supervisor::{Socket, connect, holds_all, response, start};

async fn ask(backend: &SupervisorBackend, key: &str) -> Result<Lookup<Secret>, Failure> {
    backend.get_variable(key, &LookupOptions::new()).await
}

/// The kind of the failure, whether it may pass, and its message without the address.
fn told(failure: &Failure) -> (&'static str, bool, String) {
    let message = failure.message();
    let address = message.split_once("(127.0.0.1:");
    let message = match address.and_then(|(before, after)| Some((before, after.split_once(')')?.1)))
    {
        Some((before, after)) => format!("{before}(…){after}"),
        None => message.to_owned(),
    };
    (failure.kind().as_str(), failure.is_transient(), message)
}

/// What comes of a lookup, and of another after it, where the supervisor does `fault` when the first
/// request has come.
async fn outcomes(
    fault: impl FnOnce(&mut Socket, u64) + Send + 'static,
) -> [(&'static str, bool, String); 2] {
    let (address, _) = start(|mut socket| {
        let (id, _) = socket.request().unwrap();
        fault(&mut socket, id);
        socket.serve(holds_all);
    });
    let backend = connect(address).await;
    let first = ask(&backend, "colour")
        .await
        .map(|found| format!("{found:?}"));
    let second = ask(&backend, "colour")
        .await
        .map(|found| format!("{found:?}"));
    [first, second].map(|outcome| match outcome {
        Ok(found) => ("found", true, found),
        Err(failure) => told(&failure),
    })
}

fn unavailable(message: &str) -> (&'static str, bool, String) {
    ("unavailable", false, message.to_owned())
}

const CLOSED: &str = "the supervisor has closed the connection (…); it takes no second one";
const HALF: &str = "the supervisor has closed the connection in the middle of a message (…); it takes no second one";
const TOO_LONG: &str = "the supervisor announced a message of 4294967295 bytes, and at most 67108864 \
                        are read (…); it takes no second one";
const GARBAGE: &str = "the supervisor sent a message that cannot be read: it is not valid msgpack, has keys \
                       that are not texts, nests deeper than 128 levels, or has more than 1048576 values";

#[tokio::test]
async fn a_connection_that_ends_fails_all_lookups_from_then_on() {
    let closed = outcomes(|socket, _| socket.close()).await;
    assert_eq!(closed, [unavailable(CLOSED), unavailable(CLOSED)]);
    let half = outcomes(|socket, _| {
        socket.raw(&[0, 0, 0, 9, 0x93]);
        socket.close();
    });
    assert_eq!(half.await, [unavailable(HALF), unavailable(HALF)]);
    let half_a_length = outcomes(|socket, _| {
        socket.raw(&[0, 0]);
        socket.close();
    });
    assert_eq!(half_a_length.await, [unavailable(HALF), unavailable(HALF)]);
}

#[tokio::test]
async fn a_frame_of_four_gigabytes_ends_the_connection() {
    let endless = outcomes(|socket, _| socket.raw(&[0xff; 64])).await;
    assert_eq!(endless, [unavailable(TOO_LONG), unavailable(TOO_LONG)]);
}

#[tokio::test]
async fn garbage_ends_the_connection_where_nobody_can_tell_whose_answer_it_was() {
    let garbage = outcomes(|socket, _| socket.send(b"garbage, and no msgpack")).await;
    assert_eq!(garbage, [unavailable(GARBAGE), unavailable(GARBAGE)]);
    let empty = outcomes(|socket, _| socket.send(b"")).await;
    assert_eq!(empty, [unavailable(GARBAGE), unavailable(GARBAGE)]);
}

#[tokio::test]
async fn garbage_in_an_answer_fails_that_lookup_alone() {
    let found = ("found", true);
    for answer in [
        &[0x92, 1, 0xc1][..],
        &[0x92, 1, 0xdf, 0xff, 0xff, 0xff, 0xff],
        &[0x92, 1, 0x91, 0xa9],
    ] {
        let [first, (kind, fine, _)] = outcomes(move |socket, _| socket.send(answer)).await;
        assert_eq!((first, (kind, fine)), (unavailable(GARBAGE), found));
    }
}

#[tokio::test]
async fn an_answer_of_another_shape_fails_that_lookup_alone() {
    let not_ours = "the supervisor gave an answer that is not a VariableResult";
    let other_id = "the supervisor answered for another id, and that answer was thrown away; it may \
                    have changed the id on its way (SUP-2)";
    for (body, message) in [
        (json!(null), not_ours),
        (json!([1]), not_ours),
        (json!("marker"), not_ours),
        (json!({"type": "XComResult", "value": "marker"}), not_ours),
        (
            json!({"type": "ConnectionResult", "conn_id": "colour"}),
            not_ours,
        ),
        (
            json!({"type": "VariableResult", "key": "other", "value": "marker"}),
            other_id,
        ),
        (
            json!({"type": "VariableResult", "value": "marker"}),
            other_id,
        ),
    ] {
        let [first, second] = outcomes(move |socket, id| socket.answer(id, &body)).await;
        assert_eq!((first, second.0), (unavailable(message), "found"));
    }
}

#[tokio::test]
async fn an_error_fails_that_lookup_alone_whatever_its_shape() {
    let unknown = "the supervisor gave an error that this version of airflow-secrets does not know; \
                   the log of the supervisor may have more";
    for error in [
        json!("marker"),
        json!([]),
        json!({}),
        json!({"error": 7, "detail": "marker"}),
    ] {
        let answer =
            move |socket: &mut Socket, id| socket.send(&response(id, &Value::Null, &error));
        let [first, second] = outcomes(answer).await;
        assert_eq!(first, ("unavailable", true, unknown.to_owned()));
        assert_eq!(second.0, "found");
    }
}

#[tokio::test]
async fn an_answer_to_no_question_is_passed_over() {
    let stray = |socket: &mut Socket, id: u64| {
        for stray in [0, 7, u64::MAX] {
            socket.answer(
                stray,
                &json!({"type": "VariableResult", "key": "colour", "value": "marker"}),
            );
        }
        let negative = [0x92, 0xff, 0xc0];
        socket.send(&negative);
        socket.answer(
            id,
            &json!({"type": "VariableResult", "key": "colour", "value": "blue"}),
        );
        // Once more, when nobody waits.
        socket.answer(
            id,
            &json!({"type": "VariableResult", "key": "colour", "value": "marker"}),
        );
    };
    let [first, second] = outcomes(stray).await;
    assert!(
        first.2.contains("Found") && second.2.contains("Found"),
        "{first:?} {second:?}"
    );
}

#[tokio::test]
async fn an_answer_in_the_smallest_pieces_is_read() {
    let (address, _) = start(|mut socket| {
        while let Some((id, request)) = socket.request() {
            let frame = response(id, &holds_all(&request), &Value::Null);
            let length = u32::try_from(frame.len()).unwrap().to_be_bytes();
            for byte in [&length, frame.as_slice()].concat() {
                socket.raw(&[byte]);
            }
        }
    });
    let backend = connect(address).await;
    let found = ask(&backend, "colour").await.unwrap();
    assert_eq!(found.value(), Some(&"value of colour".into()));
}

/// A supervisor that never answers.
#[derive(Debug)]
struct Silent;

#[async_trait]
impl Transport for Silent {
    async fn exchange(&self, _: Body) -> Result<Answer, Failure> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_supervisor_that_is_silent_is_waited_for_until_the_limit_or_the_deadline() {
    let started = tokio::time::Instant::now();
    let silent = SupervisorBackend::new(Silent);
    let (kind, is_transient, message) = told(&ask(&silent, "colour").await.unwrap_err());
    assert_eq!((kind, is_transient), ("unavailable", true));
    assert_eq!(
        message,
        "the supervisor gave no answer within 30 s: it is busy, or could not read the request, which \
         it does not say, or the Tokio runtime of the connection is not running"
    );
    assert_eq!(started.elapsed().as_secs(), 30);

    let brief = SupervisorBackend::builder(Silent)
        .timeout(Duration::from_secs(2))
        .build();
    assert!(
        ask(&brief, "colour")
            .await
            .unwrap_err()
            .message()
            .contains("within 2 s")
    );
    let deadline = (tokio::time::Instant::now() + Duration::from_millis(500)).into_std();
    let options = LookupOptions::new().with_deadline(deadline);
    let failure = brief.get_variable("colour", &options).await.unwrap_err();
    assert!(failure.message().contains("within 0.5 s"), "{failure}");
    assert_eq!(failure.native_key(), Some("variables/colour"));
}

#[tokio::test]
async fn an_answer_that_comes_too_late_goes_to_nobody() {
    let (asked, has_asked) = mpsc::channel();
    let (answer, may_answer) = mpsc::channel::<()>();
    let (address, _) = start(move |mut socket| {
        let (id, request) = socket.request().unwrap();
        asked.send(()).unwrap();
        may_answer.recv().unwrap();
        let late = holds_all(&request);
        socket.answer(id, &late);
        socket.serve(holds_all);
    });
    let backend = connect(address).await;
    // Given up once the request has been sent.
    {
        let mut lookup = Box::pin(ask(&backend, "late"));
        let sent = tokio::task::spawn_blocking(move || has_asked.recv().unwrap());
        tokio::select! {
            biased;
            _ = &mut lookup => panic!("nobody answers"),
            sent = sent => sent.unwrap(),
        }
    }
    answer.send(()).unwrap();
    let found = ask(&backend, "colour").await.unwrap();
    assert_eq!(found.value(), Some(&"value of colour".into()));
}

#[tokio::test]
async fn what_is_no_supervisor_is_told_at_the_start() {
    let refused = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let nowhere = refused.local_addr().unwrap();
    drop(refused);
    let failure = TcpTransport::connect(nowhere).await.unwrap_err();
    assert!(failure.message().contains("cannot be reached"), "{failure}");

    for (first, message) in [
        (
            response(0, &json!({"type": "VariableResult"}), &Value::Null),
            "is not StartupDetails",
        ),
        (
            response(0, &Value::Null, &Value::Null),
            "is not StartupDetails",
        ),
        (
            b"HTTP/1.1 400 Bad Request".to_vec(),
            "it is not valid msgpack",
        ),
    ] {
        let address = supervisor::listen(move |stream| supervisor::socket(stream).send(&first));
        let failure = TcpTransport::connect(address).await.unwrap_err();
        assert!(failure.message().contains(message), "{failure}");
    }
    let address = supervisor::listen(drop);
    let failure = TcpTransport::connect(address).await.unwrap_err();
    assert!(
        failure.message().contains("has closed the connection"),
        "{failure}"
    );
}

#[test]
fn a_connection_ends_with_its_runtime_and_says_so() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let (address, _) = start(|socket| socket.serve(holds_all));
    let first = runtime();
    let backend = first.block_on(connect(address));
    assert!(first.block_on(ask(&backend, "colour")).is_ok());
    drop(first);
    let failure = runtime().block_on(ask(&backend, "colour")).unwrap_err();
    assert!(
        failure.message().contains("ended with the Tokio runtime"),
        "{failure}"
    );
}

/// What the supervisor does in place of its answer to the first request.
type Fault = fn(&mut Socket, u64);

/// Each fault, by the name that the page has for it.
const FAULTS: [(&str, Fault); 16] = [
    ("silence", |_, _| {}),
    ("the answer comes a byte at a time", |socket, id| {
        let frame = response(id, &blue(), &Value::Null);
        let length = u32::try_from(frame.len()).unwrap().to_be_bytes();
        for byte in [&length, frame.as_slice()].concat() {
            socket.raw(&[byte]);
        }
    }),
    ("the connection is closed", |socket, _| socket.close()),
    (
        "the connection is closed in the middle of a length",
        |socket, _| {
            socket.raw(&[0, 0]);
            socket.close();
        },
    ),
    (
        "the connection is closed in the middle of a message",
        |socket, _| {
            socket.raw(&[0, 0, 0, 9, 0x93]);
            socket.close();
        },
    ),
    ("a message of 4 GiB", |socket, _| socket.raw(&[0xff; 64])),
    ("a message that is not msgpack", |socket, _| {
        socket.send(b"garbage");
    }),
    ("an answer that is not msgpack after its id", |socket, _| {
        socket.send(&[0x92, 1, 0xc1]);
    }),
    ("an answer without a body", |socket, id| {
        socket.answer(id, &Value::Null);
    }),
    ("an answer of another type", |socket, id| {
        socket.answer(
            id,
            &json!({"type": "XComResult", "key": "colour", "value": "red"}),
        );
    }),
    ("an answer about another id", |socket, id| {
        socket.answer(
            id,
            &json!({"type": "VariableResult", "key": "other", "value": "red"}),
        );
    }),
    ("an answer to a request that nobody made", |socket, _| {
        socket.answer(77, &blue());
    }),
    ("an error of another shape", |socket, id| {
        socket.send(&response(id, &Value::Null, &json!(["red"])));
    }),
    ("`API_SERVER_ERROR`, HTTP 500", |socket, id| {
        socket.send(&server_error(id, 500));
    }),
    ("`API_SERVER_ERROR`, HTTP 403", |socket, id| {
        socket.send(&server_error(id, 403));
    }),
    ("`PERMISSION_DENIED`", |socket, id| {
        socket.answer(
            id,
            &json!({"type": "ErrorResponse", "error": "PERMISSION_DENIED", "detail": null}),
        );
    }),
];

fn blue() -> Value {
    json!({"type": "VariableResult", "key": "colour", "value": "value of colour"})
}

fn server_error(id: u64, status: u16) -> Vec<u8> {
    let error = json!({"error": "API_SERVER_ERROR", "detail": {"status_code": status}});
    response(id, &Value::Null, &error)
}

#[tokio::test]
async fn the_page_of_faults_says_what_came_of_each() {
    let mut page = "| fault | the lookup | the next one |\n|---|---|---|\n".to_owned();
    for (name, fault) in FAULTS {
        let (address, _) = start(move |mut socket| {
            let (id, _) = socket.request().unwrap();
            fault(&mut socket, id);
            socket.serve(holds_all);
        });
        let (transport, _) = TcpTransport::connect(address).await.unwrap();
        let backend = SupervisorBackend::builder(transport).timeout(Duration::from_millis(300));
        let resolver = Resolver::builder().backend(backend.build()).build();
        let outcome = async || match resolver.get_variable("colour").await {
            Ok(found) => {
                assert_eq!(found.expose(), "value of colour");
                "the value".to_owned()
            }
            Err(error) => format!("`{:?}`", error.kind()),
        };
        let (first, second) = (outcome().await, outcome().await);
        page.extend(["| ", name, " | ", &first, " | ", &second, " |\n"]);
    }
    // A supervisor that goes with a request unread resets the connection.
    let (address, _) = start(Socket::leave_unread);
    let backend = connect(address).await;
    let failure = ask(&backend, "colour").await.unwrap_err();
    assert!(failure.message().contains("has failed"), "{failure}");
    page += "| the connection is reset | `Unavailable` | `Unavailable` |\n";
    let written = include_str!("../docs/faults-supervisor.md");
    assert!(written.ends_with(&page), "{page}");
}
