//! What becomes of a lookup when the server, or the network before it, fails.

use std::time::{Duration, Instant};

use airflow_secrets::{
    SecretsBackend,
    backends::{
        HttpOptions, RetryOptions,
        execution_api::{ExecutionApiBackend, ExecutionApiCredential},
    },
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::{
    api_at, options, said,
    support::hostile::{ATTACKS, Attack, Hostile},
    variable,
};

/// How a broken server treats a connection, once it has read the request.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// Nothing is answered.
    Silence,
    /// Sends this, and then nothing more.
    Stalls(&'static str),
    /// Sends this, and hangs up.
    Ends(&'static str),
    /// Resets the connection.
    Reset,
}

const HALF: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n\
                    {\"key\": \"colour\", \"val";

async fn broken(fault: Fault) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/execution/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = client.read(&mut [0; 4096]).await;
                match fault {
                    Fault::Silence => std::future::pending().await,
                    Fault::Stalls(text) => {
                        client.write_all(text.as_bytes()).await.unwrap();
                        std::future::pending::<()>().await;
                    }
                    Fault::Ends(text) => client.write_all(text.as_bytes()).await.unwrap(),
                    Fault::Reset => client.set_zero_linger().unwrap(),
                }
            });
        }
    });
    url
}

/// A backend that gives each of its two attempts 150 ms.
fn hasty(url: &str) -> ExecutionApiBackend {
    let moment = Duration::from_millis(1);
    api_at(url)
        .attempt_timeout(Duration::from_millis(150))
        .retries(
            RetryOptions::new()
                .with_max_retries(1)
                .with_first_pause(moment)
                .with_longest_pause(moment),
        )
        .build()
        .unwrap()
}

#[tokio::test]
async fn each_fault_is_an_outage_that_says_what_happened() {
    let in_time = "no answer from the Execution API at API within 0.15 s: check its load, or raise \
                   [workers] execution_api_timeout";
    let at = "no answer from the Execution API at API: ";
    for (fault, expected) in [
        (Fault::Silence, in_time.to_owned()),
        (Fault::Stalls(""), in_time.to_owned()),
        (Fault::Stalls("HTTP/1.1 200 OK\r\n"), in_time.to_owned()),
        (Fault::Stalls(HALF), in_time.to_owned()),
        (
            Fault::Ends(""),
            format!("{at}connection closed before message completed"),
        ),
        (
            Fault::Ends("HTTP/1.1 200 OK\r\n"),
            format!("{at}connection closed before message completed"),
        ),
        (
            Fault::Ends(HALF),
            format!("{at}end of file before message length reached"),
        ),
        (
            Fault::Ends("\u{1}garbage\r\n\r\n"),
            format!("{at}invalid HTTP version parsed"),
        ),
        (
            Fault::Ends("SSH-2.0-OpenSSH_9.6\r\n\r\n"),
            format!("{at}invalid HTTP version parsed"),
        ),
        (
            Fault::Reset,
            format!("{at}Connection reset by peer (os error 104)"),
        ),
    ] {
        let found = variable(&hasty(&broken(fault).await), "colour").await;
        assert_eq!(found, Err(format!("Unavailable: {expected}")), "{fault:?}");
    }
}

#[tokio::test]
async fn nobody_at_the_address_is_an_outage() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/execution/", listener.local_addr().unwrap());
    drop(listener);
    let found = variable(&hasty(&url), "colour").await;
    let why =
        "Unavailable: no answer from the Execution API at API: Connection refused (os error 111)";
    assert_eq!(found, Err(why.to_owned()));
}

#[tokio::test]
async fn an_answer_without_end_or_bottom_is_read_up_to_its_bound() {
    for attack in ATTACKS {
        let server = Hostile::with(attack).await;
        let url = format!("{}/execution/", server.url);
        let timeout = match attack {
            Attack::SlowBody => Duration::from_millis(500),
            _ => Duration::from_secs(30),
        };
        let backend = api_at(&url)
            .http(HttpOptions::new().with_timeout(timeout))
            .build()
            .unwrap();
        server.assert_bounded(attack, "the Execution API", variable(&backend, "x").await);
    }
}

#[tokio::test]
async fn a_lookup_ends_at_its_deadline_whatever_the_settings_allow() {
    let patient = api_at(&broken(Fault::Silence).await)
        .retries(RetryOptions::new().with_max_retries(100))
        .build()
        .unwrap();
    let start = Instant::now();
    let options = options().with_deadline(start + Duration::from_millis(200));
    let failure = patient.get_variable("colour", &options).await.unwrap_err();
    let why = "Unavailable: no answer from the Execution API at API within 0.2 s";
    assert_eq!(said(&failure), why);
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_source_of_the_token_that_does_not_answer_ends_at_the_deadline_too() {
    let silent = ExecutionApiCredential::callback(std::future::pending);
    let backend = api_at("http://127.0.0.1:9/execution/").credential(silent);
    let backend = backend.build().unwrap();
    let options = options().with_deadline(Instant::now() + Duration::from_millis(100));
    let failure = backend.get_variable("colour", &options).await.unwrap_err();
    let why = "Unavailable: no token for the Execution API within 0.1 s";
    assert_eq!(said(&failure), why);
}

#[test]
fn without_a_tokio_runtime_the_error_says_so() {
    let backend = api_at("http://127.0.0.1:9/execution/").build().unwrap();
    let found = futures_executor::block_on(variable(&backend, "colour")).unwrap_err();
    let why = "Configuration: the lookup needs a Tokio runtime with I/O and timers";
    assert!(found.starts_with(why), "{found}");
}
