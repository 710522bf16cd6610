//! What the supervisor is told to hide in the task's log, by Airflow's rules of what is sensitive.
//!
//! The rules are applied where Airflow applies them, in the supervisor: it knows `[core]
//! sensitive_var_conn_names` and how short a secret is hidden. Here is only what a Python task would
//! have it look at.

use std::{
    collections::{BTreeMap, HashSet, hash_map::RandomState},
    hash::BuildHasher as _,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{Body, answer, client::Client, msgpack::Item};
use crate::{
    Connection, Failure, Secret,
    backends::deadline::Deadline,
    python::json::{self, Value},
};

/// How many texts are remembered as told.
const MOST_TOLD: usize = 65_536;

/// How much one message holds. For each text that the supervisor is to hide it compiles all that it
/// hides anew: 1,000 in one message would keep it from its heartbeats for most of a minute.
const MOST_IN_MESSAGE: usize = 256;

/// What a text counts that is hidden whatever its name is, beside one that mostly is not hidden.
const HIDDEN: usize = 4;

/// How many bytes of texts one message holds, but for a text that is longer.
const MOST_BYTES: usize = 1024 * 1024;

/// Something that was found.
pub(super) enum Found<'a> {
    Connection(&'a Connection),
    Variable(&'a str, &'a Secret),
    Config(&'a Secret),
    /// What is no connection, though a connection was asked for.
    Text(&'a Secret),
    /// A connection that the supervisor itself gave: it hides the password and the whole `extra`.
    FromSupervisor(&'a Connection),
    /// A variable that the supervisor itself gave: it hides the whole value.
    VariableFromSupervisor(&'a str, &'a Secret),
}

/// Tells the supervisor, each text once.
#[derive(Default)]
pub(super) struct Masker {
    /// Hashes of what it was told, by a key that nobody knows.
    told: Mutex<HashSet<u64>>,
    hasher: RandomState,
}

/// A text, and the name that decides whether it is hidden; without a name it is.
type Text<'a> = (Option<&'a str>, &'a str);

impl Masker {
    /// Tells the supervisor of what was found, and waits until it has taken it in: its log comes on
    /// another socket.
    ///
    /// # Errors
    /// When it does not say that it has.
    pub(super) async fn tell(
        &self,
        client: &Client,
        found: &[Found<'_>],
        deadline: Deadline,
    ) -> Result<(), Failure> {
        // Nothing that is parsed is held across the wait.
        for (body, hashes) in self.messages(found) {
            let said = client.ask(body, deadline).await;
            said.and_then(|said| answer::done(&said)).map_err(|why| {
                Failure::unavailable(format!(
                    "it was found, but not given: the supervisor could not be told to hide it in the \
                     task's log: {why} (SUP-3)"
                ))
                .with_transient(why.is_transient())
            })?;
            let mut told = self.told();
            if told.len() >= MOST_TOLD {
                told.clear();
            }
            told.extend(hashes);
        }
        Ok(())
    }

    fn told(&self) -> MutexGuard<'_, HashSet<u64>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The messages about what the supervisor was not told yet, each with the hashes of what it holds.
    fn messages(&self, found: &[Found<'_>]) -> Vec<(Body, Vec<u64>)> {
        let documents = found.iter().filter_map(Found::document);
        let documents = documents.collect::<Vec<_>>();
        let mut texts = found.iter().flat_map(Found::texts).collect::<Vec<_>>();
        for (name, document) in &documents {
            add_strings(*name, document, &mut texts);
        }
        let mut hashes = Vec::new();
        {
            let told = self.told();
            let mut seen = HashSet::new();
            texts.retain(|text| {
                let hash = self.hasher.hash_one(text);
                let is_new = !text.1.is_empty() && !told.contains(&hash) && seen.insert(hash);
                if is_new {
                    hashes.push(hash);
                }
                is_new
            });
        }
        let mut messages = Vec::new();
        let (mut texts, mut hashes) = (&*texts, &*hashes);
        while let Some((of_message, others)) = texts.split_at_checked(in_message(texts)) {
            let Some(body) = body(of_message) else { break };
            let (its_hashes, other_hashes) = hashes.split_at(of_message.len().min(hashes.len()));
            messages.push((body, its_hashes.to_vec()));
            (texts, hashes) = (others, other_hashes);
        }
        messages
    }
}

impl<'a> Found<'a> {
    /// What is hidden as a whole.
    fn texts(&self) -> Vec<Text<'a>> {
        match *self {
            Self::Connection(connection) => [connection.password(), connection.extra()]
                .into_iter()
                .flatten()
                .map(|secret| (None, secret.expose()))
                .collect(),
            Self::Variable(key, value) => vec![(Some(key), value.expose())],
            Self::Config(text) | Self::Text(text) => vec![(None, text.expose())],
            Self::FromSupervisor(_) | Self::VariableFromSupervisor(..) => Vec::new(),
        }
    }

    /// The JSON in it, whose members are looked at by their names: `extra`, which Airflow reads with
    /// each connection, and a variable's, which it reads where the task asks for JSON.
    fn document(&self) -> Option<(Option<&'a str>, Value<'a>)> {
        let (name, text) = match *self {
            Self::Connection(connection) | Self::FromSupervisor(connection) => {
                (None, connection.extra()?)
            }
            Self::Variable(key, value) | Self::VariableFromSupervisor(key, value) => {
                (Some(key), value)
            }
            Self::Config(_) | Self::Text(_) => return None,
        };
        let text = text.expose();
        // Other JSON has no texts in it.
        text.trim_start()
            .starts_with(['{', '[', '"'])
            .then_some(())?;
        let parsed = json::parse(text, json::MAX_DEPTH).ok()?;
        Some((name, parsed.lenient()))
    }
}

/// Adds the texts in `document`: each by the key of the innermost object around it, else by `name`.
fn add_strings<'a>(name: Option<&'a str>, document: &'a Value<'_>, texts: &mut Vec<Text<'a>>) {
    let mut open = vec![(name, document)];
    while let Some((name, value)) = open.pop() {
        match value {
            Value::String(text) => texts.push((name, text)),
            Value::Array(items) => open.extend(items.iter().map(|item| (name, item))),
            Value::Object(members) => {
                let members = members.iter();
                open.extend(members.map(|(key, value)| (Some(&**key), value)));
            }
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => {}
        }
    }
}

/// How many of `texts` the next message holds: one at least, where there are any.
fn in_message(texts: &[Text<'_>]) -> usize {
    let (mut weight, mut bytes) = (0, 0);
    let is_over = |(name, text): &Text<'_>| {
        weight += if name.is_none() { HIDDEN } else { 1 };
        bytes += text.len();
        weight > MOST_IN_MESSAGE || bytes > MOST_BYTES
    };
    let over = texts.iter().position(is_over);
    over.map_or(texts.len(), |over| over.max(1))
}

/// One message for all of them: the supervisor looks into lists and maps.
fn body(texts: &[Text<'_>]) -> Option<Body> {
    let (value, name) = match texts {
        [] => return None,
        [(name, text)] => (Item::Text(text), name.map_or(Item::Nil, Item::Text)),
        _ => {
            let mut items = Vec::new();
            let mut named = BTreeMap::<_, Vec<_>>::new();
            for (name, text) in texts {
                match name {
                    None => items.push(Item::Text(text)),
                    Some(name) => named.entry(*name).or_default().push(Item::Text(text)),
                }
            }
            if !named.is_empty() {
                let named = named
                    .into_iter()
                    .map(|(key, texts)| (key, Item::List(texts)));
                items.push(Item::Map(named.collect()));
            }
            (Item::List(items), Item::Nil)
        }
    };
    Some(Body::message(
        "MaskSecret",
        [("value", value), ("name", name)],
    ))
}

impl std::fmt::Debug for Masker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Masker").finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "tests/mask.rs"]
mod tests;
