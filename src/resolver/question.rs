//! The kinds of questions, and which sources each is put to.

use super::{Chain, Desk, Link};
pub(super) use crate::report::Kind;
use crate::{Connection, Failure, Lookup, Secret, SecretsBackend, backend::LookupOptions};

/// A kind of question a source can be asked, one id at a time or many at once.
pub(super) trait Question: 'static {
    type Value: PartialEq + Send + Sync + 'static;

    const KIND: Kind;

    /// The sources that are asked, in order.
    fn links(chain: &Chain) -> &[Link] {
        &chain.links
    }

    /// What is under way, and what is kept.
    fn desk(chain: &Chain) -> &Desk<Self::Value>;

    fn ask(
        backend: &dyn SecretsBackend,
        id: &str,
        options: &LookupOptions,
    ) -> impl Future<Output = Result<Lookup<Self::Value>, Failure>> + Send;

    fn ask_many(
        backend: &dyn SecretsBackend,
        ids: &[&str],
        options: &LookupOptions,
    ) -> impl Future<Output = Vec<Result<Lookup<Self::Value>, Failure>>> + Send;
}

pub(super) struct Connections;

impl Question for Connections {
    type Value = Connection;

    const KIND: Kind = Kind::Connection;

    fn desk(chain: &Chain) -> &Desk<Self::Value> {
        &chain.connections
    }

    async fn ask(
        backend: &dyn SecretsBackend,
        id: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Connection>, Failure> {
        backend.get_connection(id, options).await
    }

    async fn ask_many(
        backend: &dyn SecretsBackend,
        ids: &[&str],
        options: &LookupOptions,
    ) -> Vec<Result<Lookup<Connection>, Failure>> {
        backend.get_connections(ids, options).await
    }
}

pub(super) struct Variables;

impl Question for Variables {
    type Value = Secret;

    const KIND: Kind = Kind::Variable;

    fn desk(chain: &Chain) -> &Desk<Self::Value> {
        &chain.secrets
    }

    async fn ask(
        backend: &dyn SecretsBackend,
        id: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        backend.get_variable(id, options).await
    }

    async fn ask_many(
        backend: &dyn SecretsBackend,
        ids: &[&str],
        options: &LookupOptions,
    ) -> Vec<Result<Lookup<Secret>, Failure>> {
        backend.get_variables(ids, options).await
    }
}

pub(super) struct Configs;

impl Question for Configs {
    type Value = Secret;

    const KIND: Kind = Kind::Config;

    fn links(chain: &Chain) -> &[Link] {
        chain.config_link.as_slice()
    }

    fn desk(chain: &Chain) -> &Desk<Self::Value> {
        &chain.secrets
    }

    async fn ask(
        backend: &dyn SecretsBackend,
        id: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        backend.get_config(id, options).await
    }

    async fn ask_many(
        backend: &dyn SecretsBackend,
        ids: &[&str],
        options: &LookupOptions,
    ) -> Vec<Result<Lookup<Secret>, Failure>> {
        backend.get_configs(ids, options).await
    }
}
