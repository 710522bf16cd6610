//! From an id to the names of secrets, as Airflow's class makes them.

use std::borrow::Cow;

use crate::backend::SkipReason;

/// What stands between a team's name and an id.
const TEAM_SEPARATOR: &str = "--";

/// The longest name that Key Vault takes, in characters.
const LONGEST_NAME: usize = 127;

/// How names are made.
#[derive(Debug, Clone)]
pub(super) struct Naming {
    /// Joins a prefix and an id, and takes the place of every `_`.
    pub(super) sep: String,
    /// Whether this is a multi-team deployment, where some ids are refused.
    pub(super) multi_team: bool,
}

impl Naming {
    /// The names to look under, in order: the team's, then everybody's. A name that Key Vault
    /// could not hold is left out; where none is left, the reason why.
    pub(super) fn names(
        &self,
        prefix: Option<&str>,
        id: &str,
        team: Option<&str>,
    ) -> Result<Vec<String>, SkipReason> {
        let prefix = prefix.ok_or(SkipReason::NoPrefix)?;
        if self.multi_team && self.join("", id).contains(TEAM_SEPARATOR) {
            return Err(SkipReason::Team(Cow::Borrowed(
                "the name would contain \"--\", which separates a team from its ids",
            )));
        }
        let team_name = team.filter(|team| !team.is_empty()).map(|team| {
            let team = self.join("", team);
            let id = id.replace('_', &self.sep);
            self.join(prefix, &format!("{team}{TEAM_SEPARATOR}{id}"))
        });
        let global_name = self.join(prefix, id);
        let global_is_possible = check(&global_name);
        let names = team_name.into_iter().chain([global_name]);
        let possible = names.filter(|name| check(name).is_ok()).collect::<Vec<_>>();
        match global_is_possible {
            Err(why) if possible.is_empty() => Err(SkipReason::InvalidId(why)),
            _ => Ok(possible),
        }
    }

    /// Whether a secret's name can begin with `prefix`.
    ///
    /// # Errors
    /// Why none can.
    pub(super) fn check_prefix(&self, prefix: &str) -> Result<(), Cow<'static, str>> {
        check(&self.join(prefix, "a"))
    }

    /// With an empty prefix there is no separator.
    fn join(&self, prefix: &str, id: &str) -> String {
        let name = match prefix {
            "" => id.to_owned(),
            prefix => format!("{prefix}{}{id}", self.sep),
        };
        name.replace('_', &self.sep)
    }
}

/// Whether Key Vault can hold a secret of this name:
/// <https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates#object-identifiers>.
fn check(name: &str) -> Result<(), Cow<'static, str>> {
    let is_possible = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if let Some(c) = name.chars().find(|c| !is_possible(*c)) {
        return Err(Cow::Owned(format!(
            "the name would contain {c:?}; a secret's name in Key Vault has only 0-9, a-z, A-Z and '-'"
        )));
    }
    match name.len() {
        0 => Err(Cow::Borrowed("the name would be empty")),
        1..=LONGEST_NAME => Ok(()),
        length => Err(Cow::Owned(format!(
            "the name would have {length} characters; Key Vault takes {LONGEST_NAME} at most"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::python::text::strip_end_of;

    #[test]
    fn the_names_are_those_that_airflows_class_asks_for() {
        let corpus = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/conformance/azure_names.jsonl"
        );
        let corpus = std::fs::read_to_string(corpus).unwrap();
        for line in corpus.lines() {
            let case = serde_json::from_str::<Value>(line).unwrap();
            let sep = case["sep"].as_str().unwrap();
            let prefix = case["prefix"]
                .as_str()
                .map(|prefix| strip_end_of(prefix, sep).to_owned());
            let naming = Naming {
                sep: sep.to_owned(),
                multi_team: case["multi_team"].as_bool().unwrap(),
            };
            let id = case["id"].as_str().unwrap();
            let names = naming.names(prefix.as_deref(), id, case["team"].as_str());
            let asked = serde_json::json!(names.unwrap_or_default());
            assert_eq!(asked, case["asked"], "{line}");
        }
        assert_eq!(corpus.lines().count(), 3000);
    }
}
