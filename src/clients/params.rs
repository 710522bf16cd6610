//! The parameters that a hook gives its driver.

use std::{borrow::Cow, fmt};

use secrecy::zeroize::Zeroize;
use serde_json::Value;

use super::error::shown;
use crate::Secret;

/// The parameters that Airflow's hook would give its driver, by the names that the hook uses, **in
/// clear**. A parameter that is `null` is the same as one that is absent. `Debug` shows the names alone;
/// the texts are wiped on drop.
#[derive(Clone, PartialEq, Default)]
pub struct Params(Vec<(Cow<'static, str>, Value)>);

impl Params {
    /// The value of `name`, where it is set.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        let (_, value) = self.0.iter().find(|(key, _)| key == name)?;
        (!value.is_null()).then_some(value)
    }

    /// The value of `name`, where it is a text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    /// All that are set, in the order in which the hook sets them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        let all = self.0.iter().map(|(key, value)| (&**key, value));
        all.filter(|(_, value)| !value.is_null())
    }

    /// As one JSON object, in clear.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let members = self
            .iter()
            .map(|(key, value)| (key.to_owned(), value.clone()));
        Value::Object(members.collect())
    }

    pub(super) fn secret(&self, name: &str) -> Option<Secret> {
        self.text(name).map(Secret::from)
    }

    pub(super) fn set(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Value>) {
        let (name, value) = (name.into(), value.into());
        match self.0.iter_mut().find(|(key, _)| *key == name) {
            Some((_, old)) => wipe(&mut std::mem::replace(old, value)),
            None => self.0.push((name, value)),
        }
    }

    /// As [`set`](Self::set), where there is a value.
    pub(super) fn set_some(&mut self, name: &'static str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.set(name, value);
        }
    }

    pub(super) fn remove(&mut self, name: &str) {
        if let Some(at) = self.0.iter().position(|(key, _)| key == name) {
            wipe(&mut self.0.swap_remove(at).1);
        }
    }
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.iter().map(|(name, _)| shown(name)))
            .finish()
    }
}

impl Drop for Params {
    fn drop(&mut self) {
        for (_, value) in &mut self.0 {
            wipe(value);
        }
    }
}

/// Overwrites all texts in `value`.
pub(super) fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(members) => members.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
