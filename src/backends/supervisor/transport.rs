//! [`Transport`]: sends a body to the supervisor, and gives the body of the answer.

use std::fmt;

use super::Body;
use crate::{Failure, backend::async_trait};

/// The way to the supervisor: it sends the body of a request, and gives the answer to it.
///
/// [`TcpTransport`](super::TcpTransport) is for a program that owns the socket. Where a task's SDK owns
/// it, implement this over the SDK: send `[id, body]`, with an id of the SDK's own choice and the bytes
/// of [`Body::as_msgpack`] in place, and give the two other parts of the frame that answers that id.
///
/// - Many requests are under way at once; each must get the answer to its own id.
/// - Whoever gives up drops the future. No time limit is needed here: the backend has one.
///
/// ```
/// use airflow_secrets::{
///     Failure, SecretsBackend,
///     backend::{LookupOptions, async_trait},
///     backends::supervisor::{Answer, Body, SupervisorBackend, Transport},
/// };
///
/// /// A supervisor that has one variable.
/// #[derive(Debug)]
/// struct StandIn;
///
/// #[async_trait]
/// impl Transport for StandIn {
///     async fn exchange(&self, request: Body) -> Result<Answer, Failure> {
///         assert_eq!(request.to_json()?.expose(), r#"{"type": "GetVariable", "key": "colour"}"#);
///         let body = r#"{"type": "VariableResult", "key": "colour", "value": "blue"}"#;
///         Ok(Answer::body(Body::from_json(body)?))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Failure> {
/// let backend = SupervisorBackend::builder(StandIn).mask_secrets(false).build();
/// let colour = backend.get_variable("colour", &LookupOptions::new()).await?;
/// assert_eq!(colour.value(), Some(&"blue".into()));
/// # Ok(())
/// # }
/// ```
#[async_trait]
pub trait Transport: fmt::Debug + Send + Sync + 'static {
    /// Sends `request`, and waits for the answer.
    ///
    /// # Errors
    /// A [`Failure`] when the supervisor cannot be reached. What the supervisor answers, also an error
    /// of its own, is an [`Answer`].
    async fn exchange(&self, request: Body) -> Result<Answer, Failure>;
}

/// What the supervisor answered: a body, an error, or neither, which says that all went well.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Answer {
    /// The second part of the frame, where it is not nil.
    pub body: Option<Body>,
    /// The third part of the frame, where it is not nil.
    pub error: Option<Body>,
}

impl Answer {
    /// An answer without a body.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// An answer with this body.
    #[must_use]
    pub fn body(body: Body) -> Self {
        Self {
            body: Some(body),
            error: None,
        }
    }

    /// An error.
    #[must_use]
    pub fn error(error: Body) -> Self {
        Self {
            body: None,
            error: Some(error),
        }
    }
}
