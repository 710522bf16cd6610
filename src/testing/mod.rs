//! The conformance suite: the rules that every [`SecretsBackend`] must keep, checked on a backend of yours.
//!
//! Describe to [`Conformance`] what the backend holds, and run it. Every backend of this crate passes it.
//!
//! ```
//! use airflow_secrets::{Failure, backends::memory::MemoryBackend, testing::Conformance};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), airflow_secrets::testing::Violations> {
//! let backend = MemoryBackend::new("mine")
//!     .with_conn_value("pg", "postgres://app:s3cret-password@db/orders")
//!     .with_variable("colour", "a-blue-marker");
//! let broken = MemoryBackend::new("mine");
//! broken.go_down(Failure::unavailable("the plug was pulled"));
//!
//! Conformance::of(backend)
//!     .connection("pg", "postgres://app:s3cret-password@db/orders")
//!     .variable("colour", "a-blue-marker")
//!     .unreachable(broken)
//!     .run()
//!     .await
//! # }
//! ```

mod questions;
mod rules;

use std::{fmt, sync::Arc};

use self::questions::{Expected, Kind};
use crate::{Secret, SecretsBackend};

/// What a backend is expected to hold, and the suite that checks it. See the
/// [module's documentation](self).
///
/// | rule | what is checked |
/// |---|---|
/// | found | what is held is found, with its value, live, under a native key |
/// | missing | what is not held is *missing* or *skipped*: neither found nor a failure |
/// | failed | a backend that cannot reach its system fails, for each id; it never says *missing*, nor its check *reachable* |
/// | batch | many ids at once get what each gets by itself, in order, repeated ids too |
/// | odd ids | an id with `..`, a NUL, a quote, a line break, 5,000 characters … is not found, and breaks nothing |
/// | teams | a team gets its own value first; other teams never do |
/// | concurrency | 64 lookups at once get what each gets by itself |
/// | cancellation | a lookup that is given up leaves nothing behind that stops later ones |
/// | secrecy | no value shows in `Debug` of the backend or its answers, in native keys or messages |
/// | pointers | an `Arc` of the backend answers as the backend does |
///
/// Values that can be told from all else (markers of 8 characters or more) make the rule of secrecy
/// count; shorter ones are not searched for.
#[derive(Debug)]
pub struct Conformance {
    backend: Arc<dyn SecretsBackend>,
    expected: Vec<Expected>,
    absent: Vec<String>,
    unreachable: Option<Arc<dyn SecretsBackend>>,
}

impl Conformance {
    /// The suite for `backend`, without any expected entries yet.
    pub fn of(backend: impl SecretsBackend) -> Self {
        Self {
            backend: Arc::new(backend),
            expected: Vec::new(),
            absent: vec!["conformance_absent".to_owned()],
            unreachable: None,
        }
    }

    /// The backend holds connection `conn_id`, whose [`get_uri`](crate::Connection::get_uri) is
    /// `uri`.
    #[must_use]
    pub fn connection(self, conn_id: &str, uri: impl Into<Secret>) -> Self {
        self.holds(Kind::Connection, conn_id, None, uri)
    }

    /// The backend holds variable `key`.
    #[must_use]
    pub fn variable(self, key: &str, value: impl Into<Secret>) -> Self {
        self.holds(Kind::Variable, key, None, value)
    }

    /// The backend holds configuration entry `key`.
    #[must_use]
    pub fn config(self, key: &str, value: impl Into<Secret>) -> Self {
        self.holds(Kind::Config, key, None, value)
    }

    /// The backend holds connection `conn_id` for `team`, with a value that differs from the one without a team.
    #[must_use]
    pub fn team_connection(self, team: &str, conn_id: &str, uri: impl Into<Secret>) -> Self {
        self.holds(Kind::Connection, conn_id, Some(team), uri)
    }

    /// The backend holds variable `key` for `team`, with a value that differs from the one without a team.
    #[must_use]
    pub fn team_variable(self, team: &str, key: &str, value: impl Into<Secret>) -> Self {
        self.holds(Kind::Variable, key, Some(team), value)
    }

    /// The backend holds nothing of any kind under `id`. `conformance_absent` is asked for anyway.
    #[must_use]
    pub fn absent(mut self, id: &str) -> Self {
        self.absent.push(id.to_owned());
        self
    }

    /// A backend of the same type that cannot reach its system, or is refused there.
    #[must_use]
    pub fn unreachable(mut self, backend: impl SecretsBackend) -> Self {
        self.unreachable = Some(Arc::new(backend));
        self
    }

    fn holds(mut self, kind: Kind, id: &str, team: Option<&str>, value: impl Into<Secret>) -> Self {
        self.expected.push(Expected {
            kind,
            id: id.to_owned(),
            team: team.map(str::to_owned),
            value: value.into(),
        });
        self
    }

    /// Checks all rules.
    ///
    /// # Errors
    /// [`Violations`]: each rule that the backend breaks, with the id it was seen at.
    pub async fn run(&self) -> Result<(), Violations> {
        let violations = rules::check(self).await;
        if violations.is_empty() {
            Ok(())
        } else {
            Err(Violations(violations))
        }
    }
}

/// The rules that a backend breaks. `Debug` prints them as `Display` does, a line each.
#[derive(Clone, PartialEq, Eq)]
pub struct Violations(Vec<String>);

impl Violations {
    /// Each rule that is broken, and where.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the backend does not conform:")?;
        self.iter().try_for_each(|line| write!(f, "\n- {line}"))
    }
}

impl fmt::Debug for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Violations {}
