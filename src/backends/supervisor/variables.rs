//! Variables that the task sets and deletes.

use super::{
    Body, SupervisorBackend, answer,
    msgpack::Item,
    naming::{Kind, native_key},
};
use crate::{
    Failure, Secret,
    backend::{LookupOptions, VariableStore, async_trait},
};

/// How many keys a page has, as in Airflow.
const PAGE: u64 = 1000;

/// How many pages are asked for at most: a list without end would fill the memory.
const MOST_PAGES: u64 = 1000;

impl SupervisorBackend {
    /// Has the supervisor do `request`.
    async fn order(
        &self,
        request: Body,
        native_key: String,
        options: &LookupOptions,
    ) -> Result<(), Failure> {
        let client = &self.0.client;
        let said = client.ask(request, client.deadline(options)).await;
        let done = said.and_then(|said| answer::done(&said));
        done.map_err(|failure| failure.at(native_key))
    }
}

/// The path of `key`, which must be one.
fn path(key: &str) -> Result<String, Failure> {
    native_key(Kind::Variable, key)
        .and_then(|path| {
            let is_set = !key.is_empty();
            is_set
                .then_some(path)
                .ok_or_else(|| crate::backend::SkipReason::InvalidId("it is empty".into()))
        })
        .map_err(|reason| {
            Failure::invalid_value(format!(
                "the supervisor cannot hold variable {key:?}: {reason}"
            ))
        })
}

#[async_trait]
impl VariableStore for SupervisorBackend {
    async fn variable_keys(
        &self,
        prefix: &str,
        options: &LookupOptions,
    ) -> Result<Vec<String>, Failure> {
        let native_key = "variables/keys";
        let client = &self.0.client;
        let deadline = client.deadline(options);
        let prefix = match prefix {
            "" => None,
            prefix => Some(prefix),
        };
        let mut keys = Vec::new();
        for page in 0..MOST_PAGES {
            let fields = [
                ("prefix", prefix.map_or(Item::Nil, Item::Text)),
                ("limit", Item::Unsigned(PAGE)),
                ("offset", Item::Unsigned(page * PAGE)),
            ];
            let request = Body::message("GetVariableKeys", fields);
            let said = client.ask(request, deadline).await;
            let more = said.and_then(|said| answer::keys(&said, PAGE));
            let more = more.map_err(|failure| failure.at(native_key))?;
            let is_last = u64::try_from(more.len()).unwrap_or(u64::MAX) < PAGE;
            keys.extend(more);
            if is_last {
                // Databases order by rules of their own. Where keys are set meanwhile, one may come
                // in two pages.
                keys.sort_unstable();
                keys.dedup();
                return Ok(keys);
            }
        }
        Err(answer::keys_without_end(MOST_PAGES * PAGE).at(native_key))
    }

    async fn set_variable(
        &self,
        key: &str,
        value: &Secret,
        description: Option<&str>,
        options: &LookupOptions,
    ) -> Result<(), Failure> {
        let path = path(key)?;
        let fields = [
            ("key", Item::Text(key)),
            ("value", Item::Text(value.expose())),
            ("description", description.map_or(Item::Nil, Item::Text)),
        ];
        let request = Body::message("PutVariable", fields);
        self.order(request, path, options).await
    }

    async fn delete_variable(&self, key: &str, options: &LookupOptions) -> Result<(), Failure> {
        let path = path(key)?;
        let request = Body::message("DeleteVariable", [("key", Item::Text(key))]);
        self.order(request, path, options).await
    }
}
