//! The questions that the suite asks, one way for all three kinds.

use crate::{
    Connection, Failure, Lookup, Secret, SecretsBackend,
    backend::{LookupOptions, SkipReason},
};

/// What a question is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Connection,
    Variable,
    Config,
}

pub(super) const KINDS: [Kind; 3] = [Kind::Connection, Kind::Variable, Kind::Config];

/// What a backend holds.
#[derive(Debug)]
pub(super) struct Expected {
    pub(super) kind: Kind,
    pub(super) id: String,
    pub(super) team: Option<String>,
    /// A connection's is its URI.
    pub(super) value: Secret,
}

/// A connection counts as its URI, so that all kinds can be compared.
pub(super) type Answer = Result<Lookup<Secret>, Failure>;

impl Kind {
    pub(super) async fn ask(
        self,
        backend: &dyn SecretsBackend,
        id: &str,
        options: &LookupOptions,
    ) -> Answer {
        match self {
            Self::Connection => as_uri(backend.get_connection(id, options).await),
            Self::Variable => backend.get_variable(id, options).await,
            Self::Config => backend.get_config(id, options).await,
        }
    }

    pub(super) async fn ask_many(
        self,
        backend: &dyn SecretsBackend,
        ids: &[&str],
        options: &LookupOptions,
    ) -> Vec<Answer> {
        match self {
            Self::Connection => {
                let answers = backend.get_connections(ids, options).await;
                answers.into_iter().map(as_uri).collect()
            }
            Self::Variable => backend.get_variables(ids, options).await,
            Self::Config => backend.get_configs(ids, options).await,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Variable => "variable",
            Self::Config => "configuration entry",
        }
    }
}

fn as_uri(answer: Result<Lookup<Connection>, Failure>) -> Answer {
    answer?.try_map(|connection| Ok(connection.get_uri()))
}

/// Whether the backend does not offer this kind of secret at all.
pub(super) fn is_not_offered(answer: &Answer) -> bool {
    let Ok(Lookup::Skipped { reason }) = answer else {
        return false;
    };
    matches!(
        reason,
        SkipReason::NotOffered | SkipReason::NoPrefix | SkipReason::NotSet(_)
    )
}

/// An answer in one word, without its value.
pub(super) fn word(answer: &Answer) -> String {
    match answer {
        Ok(Lookup::Found { freshness, .. }) => format!("found ({freshness})"),
        Ok(Lookup::Missing { .. }) => "missing".to_owned(),
        Ok(Lookup::Skipped { reason }) => format!("skipped ({reason})"),
        Err(failure) => format!("failed ({:?}: {failure})", failure.kind()),
    }
}
