//! Changes of secrets, as the API server tells them: one long answer for each selector.
//!
//! What it tells is never read, but for where a line ends: each is an event, after which the secrets are
//! asked for as ever. So no value is held here, and no event is too long.

use std::{sync::Arc, time::Duration};

use futures_util::{Stream, stream};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::client::Client;
use crate::backends::runtime;

/// For how long one answer goes on. A connection that is lost unseen is made anew by then.
pub(super) const SECONDS: u64 = 300;

/// How much later than that it is given up.
const GRACE: Duration = Duration::from_secs(30);

/// The pauses before the API server is asked anew, after an answer, and after failures or short answers in
/// a row.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// An item each time that the secrets which `selector` selects may have changed. It goes on for as long as
/// it is kept.
pub(super) fn changes(
    client: Arc<Client>,
    selector: String,
) -> impl Stream<Item = ()> + Send + 'static {
    let watch = Watch {
        client,
        selector,
        answer: None,
        until: None,
        pause: FIRST_PAUSE,
    };
    stream::unfold(watch, |mut watch| async move {
        watch.next().await;
        Some(((), watch))
    })
}

struct Watch {
    client: Arc<Client>,
    selector: String,
    /// The answer that goes on, and when it began.
    answer: Option<(Incoming, Instant)>,
    /// When the API server may be asked again.
    until: Option<Instant>,
    pause: Duration,
}

impl Watch {
    /// Waits for an event, or until a new answer begins: what happened between the two was not told.
    async fn next(&mut self) {
        if runtime::check().is_err() {
            // There are no timers: only the interval of whoever watches counts.
            std::future::pending::<()>().await;
        }
        loop {
            let Some((body, begun)) = &mut self.answer else {
                if self.begin().await {
                    return;
                }
                continue;
            };
            let begun = *begun;
            let end = begun + Duration::from_secs(SECONDS) + GRACE;
            if let Ok(Some(Ok(frame))) = timeout_at(end, body.frame()).await {
                let data = frame.into_data().unwrap_or_default();
                if data.contains(&b'\n') {
                    return;
                }
            } else {
                self.answer = None;
                self.pause = pause_after(self.pause, begun.elapsed());
                self.until = Some(begun + self.pause);
            }
        }
    }

    /// Whether an answer began.
    async fn begin(&mut self) -> bool {
        if let Some(until) = self.until {
            sleep_until(until).await;
        }
        match self.client.watch(&self.selector).await {
            Ok(body) => {
                let now = Instant::now();
                self.answer = Some((body, now));
                true
            }
            Err(failure) => {
                tracing::debug!(
                    "changes of Kubernetes Secrets are not told, and are asked for at intervals: {failure}"
                );
                sleep(self.pause).await;
                self.pause = longer(self.pause);
                false
            }
        }
    }
}

/// The pause after an answer that went on for so long, which began after `pause`. One that ended by then
/// may end as soon again: whoever sends such answers is asked less and less often.
fn pause_after(pause: Duration, lasted: Duration) -> Duration {
    if lasted > pause {
        FIRST_PAUSE
    } else {
        longer(pause)
    }
}

fn longer(pause: Duration) -> Duration {
    (pause * 2).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_whose_answers_end_at_once_is_asked_less_and_less_often() {
        let mut pause = FIRST_PAUSE;
        let mut pauses = Vec::new();
        for _ in 0..7 {
            pause = pause_after(pause, Duration::from_millis(5));
            pauses.push(pause.as_secs());
        }
        assert_eq!(pauses, [2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(
            pause_after(pause, Duration::from_secs(SECONDS)),
            FIRST_PAUSE
        );
    }
}
