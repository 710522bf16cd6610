//! [`SecretsBackend`] for pointers to a backend.

use std::sync::Arc;

use super::{Changes, CheckOutcome, Failure, Lookup, LookupOptions, SecretsBackend, async_trait};
use crate::{Connection, Secret, config::Warning, report::Asked};

macro_rules! forward_to_pointee {
    ($pointer:ident) => {
        #[deny(clippy::missing_trait_methods)]
        #[async_trait]
        impl<T: SecretsBackend + ?Sized> SecretsBackend for $pointer<T> {
            fn name(&self) -> &str {
                (**self).name()
            }

            fn warnings(&self) -> &[Warning] {
                (**self).warnings()
            }

            fn invalidate(&self) {
                (**self).invalidate();
            }

            async fn get_conn_value(
                &self,
                conn_id: &str,
                options: &LookupOptions,
            ) -> Result<Lookup<Secret>, Failure> {
                (**self).get_conn_value(conn_id, options).await
            }

            async fn get_connection(
                &self,
                conn_id: &str,
                options: &LookupOptions,
            ) -> Result<Lookup<Connection>, Failure> {
                (**self).get_connection(conn_id, options).await
            }

            async fn get_variable(
                &self,
                key: &str,
                options: &LookupOptions,
            ) -> Result<Lookup<Secret>, Failure> {
                (**self).get_variable(key, options).await
            }

            async fn get_config(
                &self,
                key: &str,
                options: &LookupOptions,
            ) -> Result<Lookup<Secret>, Failure> {
                (**self).get_config(key, options).await
            }

            fn changes(&self, asked: &Asked, options: &LookupOptions) -> Option<Changes> {
                (**self).changes(asked, options)
            }

            async fn check(&self, options: &LookupOptions) -> Result<CheckOutcome, Failure> {
                (**self).check(options).await
            }

            async fn get_connections(
                &self,
                conn_ids: &[&str],
                options: &LookupOptions,
            ) -> Vec<Result<Lookup<Connection>, Failure>> {
                (**self).get_connections(conn_ids, options).await
            }

            async fn get_variables(
                &self,
                keys: &[&str],
                options: &LookupOptions,
            ) -> Vec<Result<Lookup<Secret>, Failure>> {
                (**self).get_variables(keys, options).await
            }

            async fn get_configs(
                &self,
                keys: &[&str],
                options: &LookupOptions,
            ) -> Vec<Result<Lookup<Secret>, Failure>> {
                (**self).get_configs(keys, options).await
            }
        }
    };
}

forward_to_pointee!(Arc);
forward_to_pointee!(Box);
