//! How a resolver is put together in code.

use std::sync::Arc;

use super::{Chain, Link, Resolver};
use crate::{Dialect, SecretsBackend, Warning};

/// Puts a [`Resolver`] together in code: the sources in the order they are added.
///
/// ```
/// # use airflow_secrets::{backends::MemoryBackend, Resolver};
/// let resolver = Resolver::builder()
///     .backend(MemoryBackend::new("mine").with_variable("colour", "blue"))
///     .build();
/// ```
#[derive(Debug, Default)]
pub struct ResolverBuilder {
    links: Vec<Link>,
    config_link: Option<Link>,
    dialect: Dialect,
    multi_team: bool,
    warnings: Vec<Warning>,
}

impl ResolverBuilder {
    /// Adds a source after those already there.
    #[must_use]
    pub fn backend(self, backend: impl SecretsBackend) -> Self {
        self.shared_backend(Arc::new(backend))
    }

    /// Adds a source that is shared with others.
    #[must_use]
    pub fn shared_backend(mut self, backend: Arc<dyn SecretsBackend>) -> Self {
        self.links.push(Link::new(backend));
        self
    }

    /// Adds a source after those already there, and asks it, and no other, for configuration
    /// entries: what Airflow calls the custom secrets backend.
    #[must_use]
    pub fn custom_backend(mut self, backend: Arc<dyn SecretsBackend>) -> Self {
        self.config_link = Some(Link::new(Arc::clone(&backend)));
        self.shared_backend(backend)
    }

    /// How connections are read. Default: [`Dialect::Core`].
    #[must_use]
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// Whether [`Resolver::for_team`] is allowed. Default: no.
    #[must_use]
    pub fn multi_team(mut self, multi_team: bool) -> Self {
        self.multi_team = multi_team;
        self
    }

    /// What was passed over on the way here, for every report.
    pub(super) fn warnings(mut self, warnings: Vec<Warning>) -> Self {
        self.warnings = warnings;
        self
    }

    /// The resolver.
    #[must_use]
    pub fn build(self) -> Resolver {
        let no_teams = match (self.dialect, self.multi_team) {
            (Dialect::TaskSdk, _) => Some("the worker side asks without a team: name none"),
            (Dialect::Core, false) => Some("it is off: turn it on, or ask without a team"),
            (Dialect::Core, true) => None,
        };
        Resolver {
            chain: Arc::new(Chain {
                links: self.links,
                config_link: self.config_link,
                dialect: self.dialect,
                no_teams,
                warnings: self.warnings.into(),
            }),
            team: None,
            strict: false,
        }
    }
}
