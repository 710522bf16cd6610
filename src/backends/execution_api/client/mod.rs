//! Asking the API: one client for the life of the backend, its token, time-outs and retries.

mod keep_alive;
mod wire;

use std::sync::Arc;

use bytes::Bytes;
use http::{
    HeaderName, Method, Request, Response,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue},
};
use tokio::sync::Semaphore;

pub(super) use self::wire::{Trust, Wire};
use self::{keep_alive::KeepAlive, wire::Body};
use super::{
    answer::{self, Asked},
    credential::{Token, Tokens},
};
use crate::{
    Failure,
    backend::{LookupOptions, MAX_CONCURRENT_LOOKUPS},
    backends::{
        deadline::Deadline,
        retry,
        slots::{Waited, slots},
    },
};

const VERSION: HeaderName = HeaderName::from_static("airflow-api-version");
const REFRESHED: HeaderName = HeaderName::from_static("refreshed-api-token");

/// What a request asks.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) method: Method,
    /// Below the API's URL.
    pub(super) path: String,
    /// JSON.
    pub(super) body: Option<Bytes>,
}

impl Question {
    pub(super) fn get(path: String) -> Self {
        Self {
            method: Method::GET,
            path,
            body: None,
        }
    }
}

/// How often a request is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    Once,
    WithRetries,
}

/// Asks the API. It connects at the first request.
#[derive(Debug)]
pub(super) struct Client {
    shared: Arc<Shared>,
    keep_alive: Option<KeepAlive>,
}

/// What the task that keeps the token alive needs too.
#[derive(Debug)]
struct Shared {
    /// Without a slash at its end.
    url: String,
    /// The API with its address, for messages.
    whom: String,
    version: HeaderValue,
    /// The source of the token, for messages.
    token: String,
    wire: Wire,
    slots: Semaphore,
    tokens: Tokens,
}

impl Client {
    pub(super) fn new(
        url: String,
        version: HeaderValue,
        tokens: Tokens,
        wire: Wire,
        is_kept_alive: bool,
    ) -> Self {
        let requests = wire
            .options()
            .max_concurrent_requests(MAX_CONCURRENT_LOOKUPS);
        Self {
            shared: Arc::new(Shared {
                whom: format!("the Execution API at {url}"),
                token: tokens.named(),
                slots: slots(requests),
                url,
                version,
                wire,
                tokens,
            }),
            keep_alive: is_kept_alive.then(KeepAlive::default),
        }
    }

    /// When a lookup that starts now has to be over.
    pub(super) fn deadline(&self, options: &LookupOptions) -> Deadline {
        Deadline::new(self.shared.wire.options().timeout(), options)
    }

    /// The address of `path`: what one would ask to see the answer.
    pub(super) fn address(&self, path: &str) -> String {
        format!("{}/{path}", self.shared.url)
    }

    /// What `read` makes of the answer to `question`. Where the answer is a denial and there is another
    /// token by now, the question is asked once more, with that.
    ///
    /// # Errors
    /// When there is no answer, or `read` fails.
    pub(super) async fn ask<T>(
        &self,
        question: &Question,
        deadline: Deadline,
        sent: Sent,
        read: impl Fn(&Response<Bytes>, Asked<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let shared = &self.shared;
        let token = shared.token(deadline).await?;
        if let Some(keep_alive) = &self.keep_alive {
            keep_alive.start(shared);
        }
        let answer = shared.send(question, &token, deadline, sent).await?;
        if !answer::is_denial(&answer) {
            return read(&answer, shared.asked(&token));
        }
        let another = deadline.wait_for(shared.tokens.another_than(&token)).await;
        let another = match another {
            Some(Ok(Some(another))) => another,
            Some(Err(why)) => {
                let denial = read(&answer, shared.asked(&token));
                return denial.map_err(|denial| denial.with_source(why));
            }
            Some(Ok(None)) | None => return read(&answer, shared.asked(&token)),
        };
        let answer = shared.send(question, &another, deadline, sent).await?;
        read(&answer, shared.asked(&another))
    }
}

impl Shared {
    fn asked(&self, token: &Token) -> Asked<'_> {
        Asked {
            whom: &self.whom,
            version: self.version.to_str().unwrap_or_default(),
            token: &self.token,
            ended: token.ended(),
        }
    }

    async fn token(&self, deadline: Deadline) -> Result<Arc<Token>, Failure> {
        let token = deadline.wait_for(self.tokens.get()).await;
        token.unwrap_or_else(|| {
            Err(Failure::unavailable(format!(
                "no token for the Execution API within {deadline}"
            )))
        })
    }

    /// The answer to `question`, whatever it says, but for a 5xx.
    async fn send(
        &self,
        question: &Question,
        token: &Arc<Token>,
        deadline: Deadline,
        sent: Sent,
    ) -> Result<Response<Bytes>, Failure> {
        let waited = Waited::default();
        let attempt = || self.attempt(question, token, &waited);
        let answer = match sent {
            Sent::Once => deadline.wait_for(attempt()).await,
            Sent::WithRetries => retry::with_retries(self.wire.retries(), deadline, attempt).await,
        };
        answer.unwrap_or_else(|| {
            Err(Failure::unavailable(
                if waited.was_most_of(deadline.limit()) {
                    format!(
                        "no free slot among the concurrent requests within {deadline} \
                         (HttpOptions::with_max_concurrent_requests)"
                    )
                } else {
                    format!("no answer from {} within {deadline}", self.whom)
                },
            ))
        })
    }

    async fn attempt(
        &self,
        question: &Question,
        token: &Arc<Token>,
        waited: &Waited,
    ) -> Result<Response<Bytes>, Failure> {
        let _slot = waited.for_slot(&self.slots).await;
        let request = self.request(question, token)?;
        let answer = self.wire.send(&self.whom, request).await?;
        if let Some(new) = answer.headers().get(REFRESHED) {
            self.tokens.replace(token, new);
        }
        match answer::passing(&answer, self.asked(token)) {
            Some(failure) => Err(failure),
            None => Ok(answer),
        }
    }

    fn request(&self, question: &Question, token: &Token) -> Result<Request<Body>, Failure> {
        let mut request = Request::builder()
            .method(&question.method)
            .uri(format!("{}/{}", self.url, question.path))
            .header(AUTHORIZATION, token.bearer())
            .header(VERSION, &self.version);
        if question.body.is_some() {
            request = request.header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let body = question.body.clone().unwrap_or_default();
        request.body(Body::new(body)).map_err(|_| {
            Failure::configuration("the request contains a character that cannot be sent")
        })
    }
}
