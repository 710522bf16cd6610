//! One lookup with a short deadline, and what came of it in words that are the same in each run.

use std::time::{Duration, Instant};

use airflow_secrets::{Error, ErrorKind, Failure, Resolver};

use crate::rooms::{KEY, Room, VALUE};

/// How long the lookups of this page may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(1);

/// How much later than that they may end.
const GRACE: Duration = Duration::from_millis(100);

/// Long enough for any answer that is not held back, on a machine that is busy.
const PLENTY: Duration = Duration::from_secs(60);

/// What came of a lookup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) kind: String,
    /// With `PORT` and `N s` for what differs between runs.
    pub(crate) message: String,
    time: Time,
    /// How long nobody is asked again.
    pause: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Time {
    BeforeTheDeadline,
    AtTheDeadline,
    TooLate,
}

/// Asks until `limit`; whether that gave the value, or why not.
pub(crate) async fn ask(resolver: &Resolver, limit: Duration) -> Result<(), Outcome> {
    let start = Instant::now();
    let answer = resolver.within(limit).get_variable(KEY).await;
    let elapsed = start.elapsed();
    match answer {
        Ok(value) => {
            assert_eq!(value.expose(), VALUE);
            Ok(())
        }
        Err(error) => Err(Outcome {
            kind: format!("{:?}", error.kind()),
            message: in_every_run(&said(&error)),
            pause: failure(&error).retry_after(),
            time: match elapsed {
                time if time < limit => Time::BeforeTheDeadline,
                time if time <= limit + GRACE => Time::AtTheDeadline,
                _ => Time::TooLate,
            },
        }),
    }
}

/// Asserts that the value is found.
pub(crate) async fn assert_right(resolver: &Resolver, when: &str) {
    let answer = ask(resolver, PLENTY).await;
    assert_eq!(answer, Ok(()), "{when}");
}

/// Asserts that the value is found, after the pause of a room that makes one.
pub(crate) async fn assert_right_again(resolver: &Resolver, room: Room, when: &str) {
    if room.pauses()
        && let Err(outcome) = ask(resolver, PLENTY).await
    {
        let pause = outcome.pause.expect("a pause");
        tokio::time::sleep(pause).await;
    }
    assert_right(resolver, when).await;
}

/// What comes of a fault that a lookup meets in `once`, which is given the time limit. A busy machine may
/// make any lookup late: it is made again then, and where it need not wait for its deadline with a later
/// one.
pub(crate) async fn outcome(
    may_wait: bool,
    mut once: impl AsyncFnMut(Duration) -> Result<(), Outcome>,
) -> Outcome {
    let mut limit = LIMIT;
    loop {
        let outcome = once(limit).await.expect_err("a fault");
        match outcome.time {
            Time::BeforeTheDeadline => return outcome,
            Time::AtTheDeadline if may_wait => return outcome,
            Time::AtTheDeadline | Time::TooLate => {}
        }
        limit *= 2;
        assert!(limit < 16 * LIMIT, "each time too late: {outcome:?}");
    }
}

/// What the source said, without the words that are about the question.
fn said(error: &Error) -> String {
    let text = error.to_string();
    assert!(!text.contains("marker"), "{text}");
    assert_ne!(error.kind(), ErrorKind::NotFound, "{text}");
    failure(error).to_string()
}

fn failure(error: &Error) -> &Failure {
    error.report().unwrap().failures().next().unwrap()
}

/// Ports and times are others in each run.
fn in_every_run(message: &str) -> String {
    let mut text = String::new();
    let mut rest = message;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(at);
        let end = from.find(|c: char| !c.is_ascii_digit() && c != '.');
        let (number, after) = from.split_at(end.unwrap_or(from.len()));
        text.push_str(before);
        if before.ends_with(':') {
            text.push_str("PORT");
        } else if after.starts_with("s ") || after.starts_with(" s") || after.starts_with("ms") {
            text.push('N');
        } else {
            text.push_str(number);
        }
        rest = after;
    }
    text + rest
}
